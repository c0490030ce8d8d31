//! The keys of the sparse-secret encapsulation as a frame.

use girih_he::Level;
use girih_rns::digit_count;

use super::objects::{key_len, read_key, write_key};
use super::pack::{poly_qp_len, read_poly_qp, write_poly_qp};
use super::{Kind, frame_len, read_frame, write_frame};
use crate::encapsulation::small_ring;
use crate::{EncapsulationKeys, Params, Result, WireError};

/// Bytes of a seed.
const SEED: usize = 32;

impl EncapsulationKeys {
    /// The serialised form: the weight, the key to the sparse secret over `q_0 p'`, the key back at its level; of each the
    /// seed and the halves that are not uniform.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let params = self.params();
        let down = self.down();
        let parts =
            down.vector().b().len() * poly_qp_len(self.small_ring(), self.small_ring().q_len());
        let payload = 4 + SEED + parts + key_len(params, self.up().level());
        write_frame(Kind::EncapsulationKeys, params.digest(), payload, |out| {
            out.extend_from_slice(&(self.weight() as u32).to_le_bytes());
            out.extend_from_slice(down.vector().seed());
            for b in down.vector().b() {
                write_poly_qp(b, self.small_ring(), out);
            }
            write_key(self.up(), params, out);
        })
    }

    /// Reads the serialised form; seeds stay seeds.
    ///
    /// # Errors
    /// Any [`WireError`]; a weight of 0, above N or too small for the security; no primes for the small ring.
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<EncapsulationKeys> {
        let mut reader = read_frame(bytes, Kind::EncapsulationKeys, params.digest())?;
        let weight = u32::from_le_bytes(reader.array()?) as usize;
        if weight == 0 || weight > params.n() {
            return Err(WireError::OutOfRange {
                field: "weight of the sparse secret",
                value: weight as u64,
                max: params.n() as u64,
            }
            .into());
        }
        let ring = small_ring(params, weight)?;
        let seed = reader.array::<SEED>()?;
        let limbs = ring.q_len();
        let halves = (0..digit_count(&ring, limbs))
            .map(|_| read_poly_qp(&mut reader, &ring, limbs))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let up = read_key(&mut reader, params)?;
        reader.finish()?;
        Ok(EncapsulationKeys::from_parts(
            params, weight, ring, seed, halves, up,
        ))
    }
}

/// Bytes of the serialised keys of the encapsulation, the key back being at `level`: the same for every weight that the
/// security allows.
///
/// # Errors
/// A security that allows no sparse secret, no primes for the small ring.
///
/// # Panics
/// If `level` is above the top.
pub fn encapsulation_keys_len(params: &Params, level: Level) -> Result<usize> {
    let ring = small_ring(params, params.n())?;
    let limbs = ring.q_len();
    let parts = digit_count(&ring, limbs) * poly_qp_len(&ring, limbs);
    Ok(frame_len(4 + SEED + parts + key_len(params, level)))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::{
        Encoder, Error, EvaluationKeys, Evaluator, KeyGenerator, SymmetricEncryptor, presets,
    };

    #[test]
    fn keys_survive_the_way_to_the_server() {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let keygen = KeyGenerator::new(&params);
        let secret = keygen.secret_key(&mut rng);
        let keys = keygen
            .encapsulation_keys(&secret, 32, &mut rng)
            .expect("own secret");
        let bytes = keys.to_bytes();
        let announced = encapsulation_keys_len(&params, keys.up().level()).expect("primes");
        assert_eq!(bytes.len(), announced);
        let read = EncapsulationKeys::from_bytes(&bytes, &params).expect("reads");
        assert_eq!(read.to_bytes(), bytes);
        let scale = params.chain().scale(Level(0));
        let plaintext = Encoder::new(&params)
            .encode(&[0.5, -0.25], Level(0), scale)
            .expect("encodes");
        let a = SymmetricEncryptor::new(&secret)
            .encrypt(&plaintext, &mut rng)
            .expect("encrypts");
        assert_eq!(read.enter(&a), keys.enter(&a));
        let raised = Evaluator::new(EvaluationKeys::empty(&params));
        assert!(raised.raise_modulus(&a, params.top(), Some(&read)).is_ok());
        for at in [0, 60, 90, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(EncapsulationKeys::from_bytes(&damaged, &params).is_err());
            assert!(EncapsulationKeys::from_bytes(&bytes[..at], &params).is_err());
        }
        assert!(matches!(
            EvaluationKeys::from_bytes(&bytes, &params).map_err(Error::from),
            Err(Error::Wire(WireError::WrongKind { .. }))
        ));
    }
}
