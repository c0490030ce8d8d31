//! Keys and ciphertexts as frames.

use std::collections::BTreeMap;

use girih_he::{KeyManifest, Level, Rotation};
use girih_rns::sample::Seed;
use girih_rns::{GaloisElement, Storage};
use zeroize::Zeroizing;

use super::pack::{poly_len, poly_qp_len, read_poly, read_poly_qp, write_poly, write_poly_qp};
use super::{Kind, Reader, frame_len, read_frame, write_frame};
use crate::{
    Ciphertext, EvaluationKeys, GaloisKey, Params, PublicKey, RelinearizationKey, SecretKey,
    SeededCiphertext, SwitchingKey, WireError,
};

const SEED: usize = size_of::<Seed>();
/// Level, product flag, scale.
const CIPHERTEXT_HEAD: usize = 1 + 1 + 8;
/// Largest scale in a file: 2^250, beyond the square of any scale of a chain.
const MAX_LOG_SCALE: f64 = 250.0;

impl SecretKey {
    /// The serialised form: two bits a coefficient. Overwritten when dropped; store it where only its owner reads.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let params = self.params();
        Zeroizing::new(write_frame(
            Kind::SecretKey,
            params.digest(),
            params.n() / 4,
            |out| {
                out.extend(self.coefficients().chunks_exact(4).map(|four| {
                    four.iter()
                        .rev()
                        .fold(0u8, |byte, &c| (byte << 2) | (c + 1) as u8)
                }));
            },
        ))
    }

    /// Reads the serialised form.
    ///
    /// # Errors
    /// Any [`WireError`]: damage, other parameters, a coefficient outside -1, 0, 1.
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<SecretKey, WireError> {
        let mut reader = read_frame(bytes, Kind::SecretKey, params.digest())?;
        let packed = reader.take(params.n() / 4)?;
        reader.finish()?;
        let mut coefficients = Zeroizing::new(vec![0i64; params.n()]);
        let mut bad = 0;
        for (four, byte) in coefficients.chunks_exact_mut(4).zip(packed) {
            bad |= byte & (byte >> 1) & 0b0101_0101;
            for (i, c) in four.iter_mut().enumerate() {
                *c = i64::from((byte >> (2 * i)) & 3) - 1;
            }
        }
        if bad != 0 {
            return Err(WireError::Invalid {
                field: "secret key",
                why: "a coefficient is not -1, 0 or 1",
            });
        }
        Ok(SecretKey::from_coefficients(params, coefficients))
    }
}

impl PublicKey {
    /// The serialised form: the seed of the uniform half and the packed other half.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let params = self.params();
        let payload = public_key_len(params) - frame_len(0);
        write_frame(Kind::PublicKey, params.digest(), payload, |out| {
            out.extend_from_slice(self.seed());
            write_poly_qp(self.b(), params.ring(), out);
        })
    }

    /// Reads the serialised form and expands the seed.
    ///
    /// # Errors
    /// Any [`WireError`].
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<PublicKey, WireError> {
        let mut reader = read_frame(bytes, Kind::PublicKey, params.digest())?;
        let seed = reader.array::<SEED>()?;
        let b = read_poly_qp(&mut reader, params.ring(), params.ring().q_len())?;
        reader.finish()?;
        Ok(PublicKey::from_parts(params, seed, b))
    }
}

impl EvaluationKeys {
    /// The serialised form: for every key its level, its seed and the packed halves that are not uniform.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let params = self.params();
        let payload = evaluation_keys_len(params, &self.manifest()) - frame_len(0);
        write_frame(Kind::EvaluationKeys, params.digest(), payload, |out| {
            out.push(self.relinearization().is_some().into());
            out.push(self.conjugation().is_some().into());
            out.extend_from_slice(&(self.rotations().len() as u32).to_le_bytes());
            if let Some(key) = self.relinearization() {
                write_key(&key.0, params, out);
            }
            if let Some(key) = self.conjugation() {
                write_key(&key.key, params, out);
            }
            for (rotation, key) in self.rotations() {
                out.extend_from_slice(&rotation.0.to_le_bytes());
                write_key(&key.key, params, out);
            }
        })
    }

    /// Reads the serialised form; seeds stay seeds.
    ///
    /// # Errors
    /// Any [`WireError`]; rotations must be in `1..slots`, ascending.
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<EvaluationKeys, WireError> {
        let mut reader = read_frame(bytes, Kind::EvaluationKeys, params.digest())?;
        let has_relinearization = reader.flag("relinearization flag")?;
        let has_conjugation = reader.flag("conjugation flag")?;
        let count = u32::from_le_bytes(reader.array()?);
        let relinearization = if has_relinearization {
            Some(RelinearizationKey(read_key(&mut reader, params)?))
        } else {
            None
        };
        let conjugation = if has_conjugation {
            let element = GaloisElement::conjugation(params.n());
            Some(GaloisKey {
                element,
                key: read_key(&mut reader, params)?,
            })
        } else {
            None
        };
        let mut rotations = BTreeMap::new();
        let mut previous = 0;
        for _ in 0..count {
            let r = i32::from_le_bytes(reader.array()?);
            if r <= previous || r as usize >= params.slots() {
                return Err(WireError::Invalid {
                    field: "rotation",
                    why: "rotations are between 1 and the number of slots, ascending",
                });
            }
            previous = r;
            let element = GaloisElement::rotation(params.n(), i64::from(r));
            rotations.insert(
                Rotation(r),
                GaloisKey {
                    element,
                    key: read_key(&mut reader, params)?,
                },
            );
        }
        reader.finish()?;
        Ok(EvaluationKeys::from_parts(
            params,
            relinearization,
            rotations,
            conjugation,
        ))
    }
}

impl Ciphertext {
    /// The serialised form, both halves packed.
    #[must_use]
    pub fn to_bytes(&self, params: &Params) -> Vec<u8> {
        let payload = CIPHERTEXT_HEAD + 2 * poly_len(params.ring(), self.limbs());
        write_frame(Kind::Ciphertext, params.digest(), payload, |out| {
            write_head(self.level(), self.is_product(), self.scale(), out);
            write_poly(self.c0(), params.ring(), out);
            write_poly(self.c1(), params.ring(), out);
        })
    }

    /// Reads the serialised form; a [`SeededCiphertext`] is expanded.
    ///
    /// # Errors
    /// Any [`WireError`].
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<Ciphertext, WireError> {
        if Kind::of(bytes)? == Kind::SeededCiphertext {
            return Ok(SeededCiphertext::from_bytes(bytes, params)?.expand(params));
        }
        let mut reader = read_frame(bytes, Kind::Ciphertext, params.digest())?;
        let (level, product, scale) = read_head(&mut reader, params)?;
        let limbs = params.chain().limbs(level);
        let c0 = read_poly(&mut reader, params.ring(), limbs)?;
        let c1 = read_poly(&mut reader, params.ring(), limbs)?;
        reader.finish()?;
        Ok(Ciphertext::new(c0, c1, level, scale, product))
    }
}

impl SeededCiphertext {
    /// The serialised form: one packed half and the seed of the other.
    #[must_use]
    pub fn to_bytes(&self, params: &Params) -> Vec<u8> {
        let payload = CIPHERTEXT_HEAD + SEED + poly_len(params.ring(), self.c0.limbs());
        write_frame(Kind::SeededCiphertext, params.digest(), payload, |out| {
            write_head(self.level, self.product, self.scale, out);
            out.extend_from_slice(&self.seed);
            write_poly(&self.c0, params.ring(), out);
        })
    }

    /// Reads the serialised form.
    ///
    /// # Errors
    /// Any [`WireError`].
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<SeededCiphertext, WireError> {
        let mut reader = read_frame(bytes, Kind::SeededCiphertext, params.digest())?;
        let (level, product, scale) = read_head(&mut reader, params)?;
        let seed = reader.array::<SEED>()?;
        let c0 = read_poly(&mut reader, params.ring(), params.chain().limbs(level))?;
        reader.finish()?;
        Ok(SeededCiphertext {
            c0,
            seed,
            level,
            scale,
            product,
        })
    }
}

/// Bytes of a serialised ciphertext at `level`, as `(seeded, full)`.
///
/// # Panics
/// If `level` is above the top.
#[must_use]
pub fn ciphertext_len(params: &Params, level: Level) -> (usize, usize) {
    let half = poly_len(params.ring(), params.chain().limbs(level));
    (
        frame_len(CIPHERTEXT_HEAD + SEED + half),
        frame_len(CIPHERTEXT_HEAD + 2 * half),
    )
}

/// Bytes of a serialised public key.
#[must_use]
pub fn public_key_len(params: &Params) -> usize {
    frame_len(SEED + poly_qp_len(params.ring(), params.ring().q_len()))
}

/// Bytes of the serialised evaluation keys of a manifest.
///
/// # Panics
/// If a level is above the top.
#[must_use]
pub fn evaluation_keys_len(params: &Params, manifest: &KeyManifest) -> usize {
    let single = manifest
        .relinearization
        .iter()
        .chain(&manifest.conjugation)
        .map(|&level| key_len(params, level));
    let rotations = manifest
        .rotations
        .values()
        .map(|&level| 4 + key_len(params, level));
    frame_len(2 + 4 + single.chain(rotations).sum::<usize>())
}

/// Level, seed, packed halves.
pub(super) fn key_len(params: &Params, level: Level) -> usize {
    1 + SEED + params.digits(level) * poly_qp_len(params.ring(), params.chain().limbs(level))
}

pub(super) fn write_key(key: &SwitchingKey, params: &Params, out: &mut Vec<u8>) {
    out.push(key.level().0);
    out.extend_from_slice(key.vector().seed());
    for b in key.vector().b() {
        write_poly_qp(b, params.ring(), out);
    }
}

pub(super) fn read_key(
    reader: &mut Reader<'_>,
    params: &Params,
) -> Result<SwitchingKey, WireError> {
    let level = read_level(reader, params)?;
    let seed = reader.array::<SEED>()?;
    let (needed, left) = (key_len(params, level) - 1 - SEED, reader.left());
    if needed > left {
        return Err(WireError::Truncated {
            needed: needed as u64,
            left: left as u64,
        });
    }
    let limbs = params.chain().limbs(level);
    let b = (0..params.digits(level))
        .map(|_| read_poly_qp(reader, params.ring(), limbs))
        .collect::<Result<_, _>>()?;
    Ok(SwitchingKey::from_parts(
        params,
        level,
        seed,
        b,
        Storage::default(),
    ))
}

fn read_level(reader: &mut Reader<'_>, params: &Params) -> Result<Level, WireError> {
    let level = Level(reader.byte()?);
    if level > params.top() {
        return Err(WireError::OutOfRange {
            field: "level",
            value: level.0.into(),
            max: params.top().0.into(),
        });
    }
    Ok(level)
}

fn write_head(level: Level, product: bool, scale: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[level.0, product.into()]);
    out.extend_from_slice(&scale.to_bits().to_le_bytes());
}

fn read_head(reader: &mut Reader<'_>, params: &Params) -> Result<(Level, bool, f64), WireError> {
    let level = read_level(reader, params)?;
    let product = reader.flag("product flag")?;
    let scale = f64::from_bits(u64::from_le_bytes(reader.array()?));
    if !(1.0..=MAX_LOG_SCALE.exp2()).contains(&scale) {
        return Err(WireError::Invalid {
            field: "scale",
            why: "a scale is between 1 and 2^250",
        });
    }
    Ok((level, product, scale))
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::{
        Encoder, Encryptor, KeyGenerator, ParamsSpec, Security, SymmetricEncryptor, presets,
    };

    struct World {
        params: Params,
        secret: SecretKey,
        public: PublicKey,
        keys: EvaluationKeys,
        full: Ciphertext,
        seeded: SeededCiphertext,
    }

    fn world() -> World {
        let params = Params::try_new(presets::test_tiny()).expect("preset");
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let keygen = KeyGenerator::new(&params);
        let secret = keygen.secret_key(&mut rng);
        let public = keygen.public_key(&secret, &mut rng).expect("own secret");
        let manifest = KeyManifest {
            relinearization: Some(Level(2)),
            rotations: [(Rotation(3), Level(1)), (Rotation(100), Level(2))].into(),
            conjugation: Some(Level(0)),
        };
        let keys = keygen
            .evaluation_keys(&secret, &manifest, &mut rng)
            .expect("own secret");
        let scale = params.chain().scale(Level(1));
        let plaintext = Encoder::new(&params)
            .encode(&[1.0, 2.0], Level(1), scale)
            .expect("fits");
        let full = Encryptor::new(&public)
            .encrypt(&plaintext, &mut rng)
            .expect("own plaintext");
        let seeded = SymmetricEncryptor::new(&secret)
            .encrypt_seeded(&plaintext, &mut rng)
            .expect("own plaintext");
        World {
            params,
            secret,
            public,
            keys,
            full,
            seeded,
        }
    }

    /// Every truncation, extension and single-byte change is refused; changes inside the payload whose
    /// checksum was repaired are refused or give another object, without a panic.
    fn survives_mutation<T: Debug>(bytes: &[u8], read: impl Fn(&[u8]) -> Result<T, WireError>) {
        assert!(read(bytes).is_ok());
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_err(), "truncated to {at} bytes");
            let mut altered = bytes.to_vec();
            altered[at] ^= 1 << (at % 8);
            assert!(read(&altered).is_err(), "byte {at} changed");
        }
        let mut extended = bytes.to_vec();
        extended.push(0);
        assert!(matches!(
            read(&extended),
            Err(WireError::Trailing { extra: 1 })
        ));
        // All of the head, and every 97th byte of the rows, which are all alike.
        let content = bytes.len() - super::super::CHECKSUM;
        for at in (0..content).filter(|at| *at < 150 || at % 97 == 0) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut forged = bytes.to_vec();
                forged[at] = value;
                let checksum = blake3::hash(&forged[..content]);
                forged[content..].copy_from_slice(checksum.as_bytes());
                // whatever it is, it is not a panic
                let _ = read(&forged);
            }
        }
    }

    #[test]
    fn everything_round_trips_in_the_announced_length() {
        let w = world();
        let p = &w.params;
        let secret = w.secret.to_bytes();
        let back = SecretKey::from_bytes(&secret, p).expect("own bytes");
        assert_eq!(back.coefficients(), w.secret.coefficients());
        let public = w.public.to_bytes();
        assert_eq!(public.len(), public_key_len(p));
        assert_eq!(PublicKey::from_bytes(&public, p), Ok(w.public.clone()));
        let keys = w.keys.to_bytes();
        assert_eq!(keys.len(), evaluation_keys_len(p, &w.keys.manifest()));
        assert_eq!(EvaluationKeys::from_bytes(&keys, p), Ok(w.keys.clone()));
        let (seeded_len, full_len) = ciphertext_len(p, Level(1));
        let full = w.full.to_bytes(p);
        assert_eq!(full.len(), full_len);
        assert_eq!(Ciphertext::from_bytes(&full, p), Ok(w.full.clone()));
        let seeded = w.seeded.to_bytes(p);
        assert_eq!(seeded.len(), seeded_len);
        assert_eq!(
            SeededCiphertext::from_bytes(&seeded, p),
            Ok(w.seeded.clone())
        );
        assert_eq!(Ciphertext::from_bytes(&seeded, p), Ok(w.seeded.expand(p)));
        // 45- and 40-bit residues (41 bits where the prime lies above 2^40): at most 70 % of whole words
        assert!(full.len() < 2 * 2 * 1024 * 8 * 7 / 10, "{}", full.len());
        for security in Security::ALL {
            let spec = ParamsSpec {
                security,
                ..presets::n14_depth6()
            };
            assert_eq!(ParamsSpec::from_bytes(&spec.to_bytes()), Ok(spec));
        }
        let spec = ParamsSpec {
            linear_bits: [(3, 30), (5, 41)].into(),
            ..presets::n14_depth6()
        };
        assert_eq!(ParamsSpec::from_bytes(&spec.to_bytes()), Ok(spec));
    }

    #[test]
    fn altered_parameters_are_refused() {
        survives_mutation(&presets::n14_depth6().to_bytes(), ParamsSpec::from_bytes);
    }

    #[test]
    fn altered_keys_are_refused() {
        let w = world();
        survives_mutation(&w.secret.to_bytes(), |b| {
            SecretKey::from_bytes(b, &w.params)
        });
        survives_mutation(&w.public.to_bytes(), |b| {
            PublicKey::from_bytes(b, &w.params)
        });
    }

    #[test]
    fn altered_ciphertexts_are_refused() {
        let w = world();
        survives_mutation(&w.seeded.to_bytes(&w.params), |b| {
            SeededCiphertext::from_bytes(b, &w.params)
        });
        survives_mutation(&w.full.to_bytes(&w.params), |b| {
            Ciphertext::from_bytes(b, &w.params)
        });
    }

    #[test]
    fn altered_evaluation_keys_are_refused() {
        let w = world();
        let small = KeyManifest {
            rotations: [(Rotation(5), Level(0))].into(),
            ..KeyManifest::default()
        };
        let keys = KeyGenerator::new(&w.params)
            .evaluation_keys(&w.secret, &small, &mut ChaCha20Rng::seed_from_u64(2))
            .expect("own secret");
        survives_mutation(&keys.to_bytes(), |b| {
            EvaluationKeys::from_bytes(b, &w.params)
        });
    }

    #[test]
    fn errors_name_the_cause() {
        let w = world();
        let p = &w.params;
        let bytes = w.full.to_bytes(p);
        let read = |bytes: &[u8]| Ciphertext::from_bytes(bytes, p).expect_err("refused");
        assert_eq!(
            read(&bytes[..3]),
            WireError::Truncated { needed: 4, left: 3 }
        );
        assert!(matches!(
            read(&bytes[..bytes.len() - 1]),
            WireError::Truncated { .. }
        ));
        assert_eq!(
            read(b"PK\x03\x04 and more"),
            WireError::BadMagic {
                found: *b"PK\x03\x04"
            }
        );
        for version in [1, 9] {
            let mut other = bytes.clone();
            other[4] = version;
            assert_eq!(
                read(&other),
                WireError::Version {
                    found: version.into(),
                    supported: crate::wire::VERSION
                }
            );
        }
        let error = Ciphertext::from_bytes(&w.public.to_bytes(), p).expect_err("a key");
        assert_eq!(error.to_string(), "this is a public key, not a ciphertext");
        let mut damaged = bytes.clone();
        damaged[1000] ^= 1;
        assert_eq!(read(&damaged), WireError::Checksum);
        let other = Params::try_new(ParamsSpec {
            special_bits: 47,
            ..presets::test_tiny()
        })
        .expect("exists");
        let error = Ciphertext::from_bytes(&bytes, &other).expect_err("other parameters");
        assert!(matches!(error, WireError::ParamsMismatch { .. }), "{error}");
        // a residue equal to its prime, with a valid checksum
        let mut bad = w.full.clone();
        bad.c0.row_mut(0)[0] = p.ring().modulus(0).value();
        let error = read(&bad.to_bytes(p));
        assert!(
            matches!(
                error,
                WireError::OutOfRange {
                    field: "residue",
                    ..
                }
            ),
            "{error}"
        );
        // a length that promises more than memory holds
        let mut huge = bytes;
        huge[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(
            read(&huge),
            WireError::Truncated {
                needed: u64::MAX,
                ..
            }
        ));
    }
}
