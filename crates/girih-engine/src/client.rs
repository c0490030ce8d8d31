//! The client: owns the secret key, encrypts inputs, decrypts answers.

use girih_ckks::{
    Decryptor, EncapsulationKeys, Encoder, EvaluationKeys, KeyGenerator, Params, PublicKey,
    SecretKey, SymmetricEncryptor,
};
use girih_he::Level;
use ndarray::{ArrayD, Axis, Dimension, IxDyn, Slice};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use rayon::prelude::*;

use crate::artifact::ClientPart;
use crate::server::ServerKeys;
use crate::tensor::{EncryptedTensor, Role, Tile};
use crate::{Error, FormatError, Result, bootstrapping};

/// Name of the secret key's file in the client's folder.
pub const SECRET_KEY_FILE: &str = "secret.key";

/// A client of one compiled model.
pub struct Client {
    part: ClientPart,
    params: Params,
    secret: SecretKey,
    encoder: Encoder,
}

impl Client {
    /// A client with a new secret key.
    ///
    /// # Errors
    /// Parameters that the security gate refuses.
    pub fn generate<R: CryptoRng>(part: ClientPart, rng: &mut R) -> Result<Client> {
        let params = part.params()?;
        let secret = KeyGenerator::new(&params).secret_key(rng);
        Ok(Client {
            encoder: Encoder::new(&params),
            part,
            params,
            secret,
        })
    }

    /// A client with the secret key of a file.
    ///
    /// # Errors
    /// A damaged key, a key of other parameters.
    pub fn open(part: ClientPart, secret_key: &[u8]) -> Result<Client> {
        let params = part.params()?;
        let secret = SecretKey::from_bytes(secret_key, &params)?;
        Ok(Client {
            encoder: Encoder::new(&params),
            part,
            params,
            secret,
        })
    }

    /// The secret key.
    #[must_use]
    pub fn secret_key(&self) -> &SecretKey {
        &self.secret
    }

    /// What the client knows of the model.
    #[must_use]
    pub fn part(&self) -> &ClientPart {
        &self.part
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The keys that the server needs to evaluate the model.
    ///
    /// # Errors
    /// None for a manifest within the levels of the parameters.
    pub fn evaluation_keys<R: CryptoRng>(&self, rng: &mut R) -> Result<EvaluationKeys> {
        Ok(KeyGenerator::new(&self.params).evaluation_keys(
            &self.secret,
            &self.part.manifest,
            rng,
        )?)
    }

    /// The keys to a sparse secret and back, if the model bootstraps.
    ///
    /// # Errors
    /// A bootstrapping that this build does not know.
    pub fn encapsulation_keys<R: CryptoRng>(
        &self,
        rng: &mut R,
    ) -> Result<Option<EncapsulationKeys>> {
        let Some(name) = &self.part.preset else {
            return Ok(None);
        };
        let set = bootstrapping::preset(name, &self.part.spec).map_err(|e| e.of("client part"))?;
        let keygen = KeyGenerator::new(&self.params);
        let keys = keygen.encapsulation_keys(&self.secret, set.preset.spec.weight, rng)?;
        Ok(Some(keys))
    }

    /// All keys that the server computes with.
    ///
    /// # Errors
    /// As [`evaluation_keys`](Self::evaluation_keys) and [`encapsulation_keys`](Self::encapsulation_keys).
    pub fn server_keys<R: CryptoRng>(&self, rng: &mut R) -> Result<ServerKeys> {
        Ok(ServerKeys {
            evaluation: self.evaluation_keys(rng)?,
            encapsulation: self.encapsulation_keys(rng)?,
        })
    }

    /// The key with which others encrypt for this client.
    ///
    /// # Errors
    /// None for a client's own key.
    pub fn public_key<R: CryptoRng>(&self, rng: &mut R) -> Result<PublicKey> {
        Ok(KeyGenerator::new(&self.params).public_key(&self.secret, rng)?)
    }

    /// Brings an input to the shape `[samples, ..]`: a single sample may come without the first dimension.
    ///
    /// # Errors
    /// Another shape, no sample, a value that is not finite.
    pub fn with_batch(&self, input: ArrayD<f64>) -> Result<ArrayD<f64>> {
        with_batch(self.part.input.shape(), input)
    }

    /// Encrypts `[samples, ..]` or one sample, in chunks of the compiled batch.
    ///
    /// # Errors
    /// Those of [`with_batch`](Self::with_batch); values too large for the modulus.
    pub fn encrypt<R: CryptoRng>(
        &self,
        input: ArrayD<f64>,
        rng: &mut R,
    ) -> Result<EncryptedTensor> {
        let input = self.with_batch(input)?;
        let packing = &self.part.input;
        let samples = input.shape()[0];
        let names = packing.tile_names();
        let mut jobs: Vec<(Vec<f64>, Level, [u8; 32])> = Vec::new();
        for begin in (0..samples).step_by(packing.batch()) {
            let end = (begin + packing.batch()).min(samples);
            let chunk = input
                .slice_axis(Axis(0), Slice::from(begin..end))
                .to_owned();
            for (tile, &level) in packing
                .pack(&chunk)?
                .into_iter()
                .zip(&self.part.input_levels)
            {
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                jobs.push((tile, level, seed));
            }
        }
        let tiles = jobs
            .into_par_iter()
            .map(|(values, level, seed)| self.encrypt_tile(&values, level, seed))
            .collect::<Result<Vec<_>>>()?;
        let chunks = tiles.chunks(names.len()).map(<[Tile]>::to_vec).collect();
        Ok(EncryptedTensor {
            model: self.part.id.clone(),
            role: Role::Input,
            samples,
            names,
            chunks,
        })
    }

    /// One ciphertext with a generator of its own, so that the result does not depend on the threads.
    fn encrypt_tile(&self, values: &[f64], level: Level, seed: [u8; 32]) -> Result<Tile> {
        let scale = self.params.chain().scale(level);
        let plaintext = self
            .encoder
            .encode(values, level, scale)
            .map_err(girih_ckks::Error::from)?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        Ok(Tile::Seeded(
            SymmetricEncryptor::new(&self.secret).encrypt_seeded(&plaintext, &mut rng)?,
        ))
    }

    /// Decrypts the answers: `[samples, ..]`.
    ///
    /// # Errors
    /// A tensor of another model or of other parameters, missing ciphertexts.
    pub fn decrypt(&self, output: &EncryptedTensor) -> Result<ArrayD<f64>> {
        output.check(&self.part.id, Role::Output)?;
        let packing = &self.part.output;
        let batch = packing.batch();
        let wrong = |why: String| FormatError::field("answer", why).of("encrypted tensor");
        if output.names != packing.tile_names() {
            return Err(wrong(format!(
                "names {:?}, expected {:?}",
                output.names,
                packing.tile_names()
            )));
        }
        if output.samples == 0 || output.chunks.len() != output.samples.div_ceil(batch) {
            return Err(wrong(format!(
                "{} chunks of {batch} for {} samples",
                output.chunks.len(),
                output.samples
            )));
        }
        let tiles: Vec<&Tile> = output.chunks.iter().flatten().collect();
        let decryptor = Decryptor::new(&self.secret);
        let values = tiles
            .par_iter()
            .map(|tile| {
                let plaintext = match tile {
                    Tile::Full(ciphertext) => decryptor.decrypt(ciphertext)?,
                    Tile::Seeded(ciphertext) => {
                        decryptor.decrypt(&ciphertext.expand(&self.params))?
                    }
                };
                Ok(self.encoder.decode(&plaintext))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut answers = Vec::new();
        for (i, tiles) in values.chunks(output.names.len()).enumerate() {
            let samples = (output.samples - i * batch).min(batch);
            answers.extend(packing.unpack(tiles, samples)?);
        }
        let shape: Vec<usize> = [output.samples]
            .iter()
            .chain(packing.shape())
            .copied()
            .collect();
        ArrayD::from_shape_vec(IxDyn(&shape), answers).map_err(|e| wrong(e.to_string()))
    }
}

/// An input in the shape `[samples, ..shape]`, its values finite.
///
/// # Errors
/// Another shape, no sample, a value that is not finite.
pub fn with_batch(shape: &[usize], input: ArrayD<f64>) -> Result<ArrayD<f64>> {
    let fail = |why: String| Err(Error::Input { why });
    let given = input.shape().to_vec();
    let input = if given == shape {
        input.insert_axis(Axis(0))
    } else if given.len() == shape.len() + 1 && given[1..] == *shape {
        input
    } else {
        let wanted = shape
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        return fail(format!(
            "has shape {given:?}; the model reads [{wanted}] for one sample or [samples, {wanted}]"
        ));
    };
    if input.shape()[0] == 0 {
        return fail("holds no sample".into());
    }
    if let Some((index, value)) = input.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return fail(format!(
            "value at {:?} is {value}; only finite numbers can be encrypted",
            index.slice()
        ));
    }
    Ok(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_with_and_without_the_batch() {
        let one = ArrayD::zeros(IxDyn(&[2, 3]));
        assert_eq!(
            with_batch(&[2, 3], one.clone())
                .expect("one sample")
                .shape(),
            [1, 2, 3]
        );
        assert_eq!(
            with_batch(&[2, 3], ArrayD::zeros(IxDyn(&[4, 2, 3])))
                .expect("four")
                .shape(),
            [4, 2, 3]
        );
        for (shape, word) in [
            (&[3usize, 2][..], "[2, 3]"),
            (&[0, 2, 3], "no sample"),
            (&[6], "[6]"),
        ] {
            let error = with_batch(&[2, 3], ArrayD::zeros(IxDyn(shape))).expect_err("refused");
            assert!(error.to_string().contains(word), "{error}");
        }
        let mut bad = one;
        bad[[1, 2]] = f64::NAN;
        let error = with_batch(&[2, 3], bad).expect_err("not a number");
        assert!(error.to_string().contains("[0, 1, 2]"), "{error}");
    }
}
