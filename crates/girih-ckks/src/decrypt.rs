//! Decryption.

use girih_rns::Poly;

use crate::encode::limbs_to_decode;
use crate::{Ciphertext, Error, Plaintext, Result, SecretKey};

/// Decrypts: `m + e = c0 + c1 s`.
///
/// What it returns contains the noise of the ciphertext, which reveals the secret to those who know the
/// circuit: do not share it unrounded, see [`Encoder::decode_public`](crate::Encoder::decode_public).
#[derive(Clone, Copy, Debug)]
pub struct Decryptor<'k> {
    key: &'k SecretKey,
}

impl<'k> Decryptor<'k> {
    /// A decryptor under `key`.
    #[must_use]
    pub fn new(key: &'k SecretKey) -> Decryptor<'k> {
        Decryptor { key }
    }

    /// `c0 + c1 s` over as many limbs as decoding needs: values up to 2^40 in magnitude.
    ///
    /// Cost: one product for each of one to three limbs; no transform.
    ///
    /// # Errors
    /// A ciphertext of other parameters.
    pub fn decrypt(&self, ciphertext: &Ciphertext) -> Result<Plaintext> {
        let params = self.key.params();
        let limbs = params
            .chain()
            .get(ciphertext.level())
            .map(|info| info.limbs);
        if ciphertext.c0().n() != params.n() || limbs != Some(ciphertext.limbs()) {
            return Err(Error::ParamsMismatch { what: "ciphertext" });
        }
        let ring = params.ring();
        let secret = self.key.poly();
        let limbs = limbs_to_decode(params, ciphertext.limbs(), ciphertext.scale());
        let poly = Poly::from_fn(ring, limbs, |i, row| {
            let table = ring.table(i);
            row.copy_from_slice(ciphertext.c0().row(i));
            table
                .kernels()
                .mul_acc(table.modulus(), row, ciphertext.c1().row(i), secret.row(i));
        });
        Ok(Plaintext::new(poly, ciphertext.level(), ciphertext.scale()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use girih_he::Level;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::{
        Encoder, Encryptor, KeyGenerator, Params, ParamsSpec, Precision, PublicKey, Security,
        SymmetricEncryptor, presets,
    };

    struct World {
        params: Params,
        secret: SecretKey,
        public: PublicKey,
        encoder: Encoder,
        rng: ChaCha20Rng,
    }

    fn world(seed: u64) -> World {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let keygen = KeyGenerator::new(&params);
        let secret = keygen.secret_key(&mut rng);
        let public = keygen.public_key(&secret, &mut rng).expect("own secret");
        let encoder = Encoder::new(&params);
        World {
            params,
            secret,
            public,
            encoder,
            rng,
        }
    }

    fn values(n: usize, seed: u64) -> Vec<f64> {
        (0..n)
            .map(|i| ((i as f64 + seed as f64 % 1000.0) * 0.731).sin() * 4.0)
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn decryption_inverts_encryption_within_the_noise(seed: u64, level in 0u8..=6) {
            let mut w = world(seed);
            let scale = w.params.chain().scale(Level(level));
            let input = values(w.encoder.slots(), seed);
            let plaintext = w.encoder.encode(&input, Level(level), scale).expect("fits");
            let decryptor = Decryptor::new(&w.secret);
            let n = w.params.n() as f64;
            // A coefficient error of standard deviation d is one of d sqrt(N/2) in the real part of a slot.
            let bound = |sigmas: f64, deviation: f64| {
                sigmas * (deviation * deviation + 1.0 / 12.0).sqrt() * (n / 2.0).sqrt() / scale
            };
            let symmetric = SymmetricEncryptor::new(&w.secret).encrypt(&plaintext, &mut w.rng).expect("own plaintext");
            prop_assert!(!symmetric.is_product());
            let got = w.encoder.decode(&decryptor.decrypt(&symmetric).expect("own ciphertext"));
            let precision = Precision::of(&got, &input);
            prop_assert!(precision.worst < bound(6.0, 3.2), "{}", precision);
            prop_assert!(precision.worst > 0.0, "encryption without noise");
            let public = Encryptor::new(&w.public).encrypt(&plaintext, &mut w.rng).expect("own plaintext");
            let got = w.encoder.decode(&decryptor.decrypt(&public).expect("own ciphertext"));
            let precision = Precision::of(&got, &input);
            // The rounding error of c1 times the secret: a product of two Gaussians in every slot, whose tail is
            // exponential.
            prop_assert!(precision.worst < bound(16.0, ((1.0 + 2.0 * n / 3.0) / 12.0).sqrt()), "{}", precision);
        }
    }

    #[test]
    fn seeded_and_full_encryptions_decrypt_alike() {
        let mut w = world(1);
        let input = values(100, 3);
        let plaintext = w
            .encoder
            .encode(&input, Level(3), w.params.chain().scale(Level(3)))
            .expect("fits");
        let encryptor = SymmetricEncryptor::new(&w.secret);
        let seeded = encryptor
            .encrypt_seeded(&plaintext, &mut w.rng.clone())
            .expect("own plaintext");
        let full = encryptor
            .encrypt(&plaintext, &mut w.rng)
            .expect("own plaintext");
        assert_eq!(seeded.expand(&w.params), full);
        let again = encryptor
            .encrypt(&plaintext, &mut w.rng)
            .expect("own plaintext");
        assert_ne!(again.c1(), full.c1(), "a seed is never reused");
    }

    #[test]
    fn the_wrong_key_finds_noise() {
        let mut w = world(2);
        let other = KeyGenerator::new(&w.params).secret_key(&mut w.rng);
        let plaintext = w
            .encoder
            .encode(&[1.0], Level(2), w.params.chain().scale(Level(2)))
            .expect("fits");
        let ciphertext = SymmetricEncryptor::new(&w.secret)
            .encrypt(&plaintext, &mut w.rng)
            .expect("own plaintext");
        let got = w.encoder.decode(
            &Decryptor::new(&other)
                .decrypt(&ciphertext)
                .expect("same parameters"),
        );
        assert!(got.iter().all(|x| x.is_finite()));
        assert!(Precision::of(&got[..1], &[1.0]).worst > 1e3);
    }

    #[test]
    fn product_scales_are_recognised_and_decoded() {
        let mut w = world(3);
        let scale = w.params.chain().scale(Level(4)).powi(2);
        let input = values(1024, 5);
        let plaintext = w.encoder.encode(&input, Level(4), scale).expect("fits");
        let ciphertext = Encryptor::new(&w.public)
            .encrypt(&plaintext, &mut w.rng)
            .expect("own plaintext");
        assert!(ciphertext.is_product());
        let got = w.encoder.decode(
            &Decryptor::new(&w.secret)
                .decrypt(&ciphertext)
                .expect("own ciphertext"),
        );
        assert!(Precision::of(&got, &input).worst < 1e-12);
    }

    #[test]
    fn objects_of_other_parameters_are_refused() {
        let mut w = world(4);
        let other = Params::try_new(presets::test_tiny()).expect("preset");
        let plaintext = Encoder::new(&other)
            .encode(&[1.0], Level(0), 2f64.powi(40))
            .expect("fits");
        let error = Encryptor::new(&w.public)
            .encrypt(&plaintext, &mut w.rng)
            .expect_err("degree 2^10");
        assert_eq!(error, Error::ParamsMismatch { what: "plaintext" });
        let secret = KeyGenerator::new(&other).secret_key(&mut w.rng);
        let ciphertext = SymmetricEncryptor::new(&secret)
            .encrypt(&plaintext, &mut w.rng)
            .expect("own plaintext");
        let error = Decryptor::new(&w.secret)
            .decrypt(&ciphertext)
            .expect_err("degree 2^10");
        assert_eq!(error, Error::ParamsMismatch { what: "ciphertext" });
        // a decrypted plaintext holds fewer limbs than its level
        let full = w
            .encoder
            .encode(&[1.0], Level(6), w.params.chain().scale(Level(6)))
            .expect("fits");
        let ciphertext = SymmetricEncryptor::new(&w.secret)
            .encrypt(&full, &mut w.rng)
            .expect("own plaintext");
        let partial = Decryptor::new(&w.secret)
            .decrypt(&ciphertext)
            .expect("own ciphertext");
        let error = Encryptor::new(&w.public)
            .encrypt(&partial, &mut w.rng)
            .expect_err("two limbs of seven");
        assert_eq!(
            error,
            Error::PartialPlaintext {
                limbs: 2,
                needed: 7
            }
        );
    }

    #[test]
    fn composite_levels_carry_fifty_bits() {
        let spec = ParamsSpec {
            log_n: 10,
            first_bits: 70,
            scale_bits: vec![60; 3],
            linear_bits: BTreeMap::new(),
            special_count: 2,
            special_bits: 50,
            security: Security::Insecure,
        };
        let params = Params::try_new(spec).expect("exists");
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let secret = KeyGenerator::new(&params).secret_key(&mut rng);
        let encoder = Encoder::new(&params);
        let input = values(512, 9);
        for level in 0..=2 {
            let scale = params.chain().scale(Level(level));
            let plaintext = encoder.encode(&input, Level(level), scale).expect("fits");
            let ciphertext = SymmetricEncryptor::new(&secret)
                .encrypt(&plaintext, &mut rng)
                .expect("own plaintext");
            let got = encoder.decode(
                &Decryptor::new(&secret)
                    .decrypt(&ciphertext)
                    .expect("own ciphertext"),
            );
            assert!(Precision::of(&got, &input).worst_bits() > 48.0);
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            pool.install(|| {
                let mut w = world(6);
                let scale = w.params.chain().scale(Level(6));
                let plaintext = w
                    .encoder
                    .encode(&values(1024, 1), Level(6), scale)
                    .expect("fits");
                let public = Encryptor::new(&w.public)
                    .encrypt(&plaintext, &mut w.rng)
                    .expect("own plaintext");
                let seeded = SymmetricEncryptor::new(&w.secret)
                    .encrypt_seeded(&plaintext, &mut w.rng)
                    .expect("own plaintext");
                (public.to_bytes(&w.params), seeded.to_bytes(&w.params))
            })
        };
        assert_eq!(run(1), run(4));
    }
}
