//! Sparse-secret encapsulation: the keys that lend a ciphertext a sparse secret while its modulus is raised.
//!
//! A raised ciphertext holds `m + q I` where the size of `I` grows with the weight of the secret. Switching to a secret of
//! small weight first keeps `I` small; the sparse secret never meets a modulus larger than `q_0 p'`, and is switched
//! away right after the raising (Bossuat, Troncoso-Pastoriza, Hubaux, "Bootstrapping for Approximate Homomorphic
//! Encryption with Negligible Failure-Probability by Using Sparse-Secret Encapsulation", ACNS 2022).
//!
//! The key from the dense secret to the sparse one is an encryption under the *sparse* secret: it exists modulo
//! `q_0 p'` only, in a [ring](EncapsulationKeys::small_ring) of its own. The key back is an encryption under the dense
//! secret and lives at the top like every other key.

use girih_he::Level;
use girih_ntt::primes;
use girih_rns::sample::Seed;
use girih_rns::{Coeff, Ntt, PolyQp, Ring, Storage, Then, digit_count, sample};
use rand_core::CryptoRng;

use crate::keygen::{KeySeeds, gadget};
use crate::keys::SwitchingKey;
use crate::keyswitch::{Pair, switch};
use crate::{Ciphertext, KeyGenerator, Params, ParamsError, Result, SecretKey, key_bytes};

/// Bits by which `p'` exceeds `q_0` where the security allows it, so that the noise of the switch stays below that of
/// its rounding.
const HEADROOM: f64 = 6.0;

/// The two switching keys of the encapsulation.
pub struct EncapsulationKeys {
    params: Params,
    weight: usize,
    ring: Ring,
    /// From the dense secret to the sparse one, over `q_0 p'`.
    down: SwitchingKey,
    /// From the sparse secret to the dense one, at the top.
    up: SwitchingKey,
}

impl EncapsulationKeys {
    /// The parameters the keys were made under.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Coefficients of the sparse secret that are not zero.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The ring of the only key under the sparse secret: the primes of level 0, and `p'`.
    #[must_use]
    pub fn small_ring(&self) -> &Ring {
        &self.ring
    }

    /// log2 of the largest modulus under which anything about the sparse secret is published.
    #[must_use]
    pub fn log_small_modulus(&self) -> f64 {
        let primes = self.ring.q_primes().iter().chain(self.ring.p_primes());
        primes.map(|&p| (p as f64).log2()).sum()
    }

    /// The key to the sparse secret.
    pub(crate) fn down(&self) -> &SwitchingKey {
        &self.down
    }

    /// The key back.
    pub(crate) fn up(&self) -> &SwitchingKey {
        &self.up
    }

    /// From the wire form: the halves of the key to the sparse secret over the [small ring](Self::small_ring).
    pub(crate) fn from_parts(
        params: &Params,
        weight: usize,
        ring: Ring,
        seed: Seed,
        halves: Vec<PolyQp<Ntt>>,
        up: SwitchingKey,
    ) -> EncapsulationKeys {
        let limbs = ring.q_len();
        let down = SwitchingKey::over(&ring, limbs, Level(0), seed, halves, Storage::default());
        EncapsulationKeys {
            params: params.clone(),
            weight,
            ring,
            down,
            up,
        }
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.down.bytes() + self.up.bytes()
    }

    /// The bytes of the keys for a secret of `weight`, before they are made.
    ///
    /// # Errors
    /// As [`KeyGenerator::encapsulation_keys`].
    pub fn planned_bytes(params: &Params, weight: usize) -> Result<usize> {
        let ring = small_ring(params, weight)?;
        let rows = digit_count(&ring, ring.q_len()) * (ring.q_len() + ring.p_len());
        let down = rows * params.n() * size_of::<u64>();
        Ok(down + key_bytes(params, params.top(), Storage::default()))
    }

    /// A ciphertext of level 0 under the sparse secret.
    pub(crate) fn enter(&self, a: &Ciphertext) -> Pair {
        let then = Then {
            plus: [Some(a.c0().into()), None],
            ..Then::default()
        };
        switch(a.c1(), &self.down, then, &self.ring)
    }

    /// From the sparse secret back, over the primes of `[c0, c1]`.
    pub(crate) fn leave(&self, [c0, c1]: &Pair) -> Pair {
        let then = Then {
            plus: [Some(c0.into()), None],
            ..Then::default()
        };
        switch(c1, &self.up, then, self.params.ring())
    }
}

impl KeyGenerator {
    /// Draws a secret of `weight` coefficients that are not zero, encrypts the dense secret under it modulo `q_0 p'`, and
    /// it under the dense secret at the top; then forgets it.
    ///
    /// # Errors
    /// The secret belongs to other parameters, the security asked for allows no key under so sparse a secret, or there
    /// are no primes for `p'`.
    pub fn encapsulation_keys<R: CryptoRng + ?Sized>(
        &self,
        secret: &SecretKey,
        weight: usize,
        rng: &mut R,
    ) -> Result<EncapsulationKeys> {
        self.check(secret)?;
        let params = &self.params;
        let big = params.ring();
        let ring = small_ring(params, weight)?;
        let coefficients = sample::sparse_ternary(rng, params.n(), weight);
        let seeds = KeySeeds::draw(rng);
        let evaluations = |ring: &Ring, coefficients: &[i64]| {
            PolyQp::<Coeff>::secret_from_i64(ring, ring.q_len(), coefficients).into_ntt(ring)
        };
        let dense = evaluations(&ring, secret.coefficients());
        let sparse = evaluations(&ring, &coefficients);
        let down = encrypt(&ring, ring.q_len(), &sparse, &dense, Level(0), &seeds);
        let seeds = KeySeeds::draw(rng);
        let sparse = evaluations(big, &coefficients);
        let up = encrypt(
            big,
            big.q_len(),
            secret.poly(),
            &sparse,
            params.top(),
            &seeds,
        );
        Ok(EncapsulationKeys {
            params: params.clone(),
            weight,
            ring,
            down,
            up,
        })
    }
}

/// The key that switches `from` to `under`.
fn encrypt(
    ring: &Ring,
    limbs: usize,
    under: &PolyQp<Ntt>,
    from: &PolyQp<Ntt>,
    level: Level,
    seeds: &KeySeeds,
) -> SwitchingKey {
    let b = gadget(
        ring,
        limbs,
        under,
        None,
        seeds,
        |q, kernels, p, index, row| {
            kernels.mul_scalar_acc(q, row, from.row(index), p);
        },
    );
    SwitchingKey::over(ring, limbs, level, seeds.public, b, Storage::default())
}

/// The primes of level 0, and as many of the same size that no other modulus uses, with up to [`HEADROOM`] bits more
/// if the security of a secret of that weight allows them.
pub(crate) fn small_ring(params: &Params, weight: usize) -> Result<Ring> {
    let big = params.ring();
    let q = &big.q_primes()[..params.chain().limbs(Level(0))];
    let log_q = params.chain().at(Level(0)).log_q;
    let log_p = match params.security().max_log_sparse(params.log_n(), weight) {
        None => log_q + HEADROOM,
        Some(max) if f64::from(max) < 2.0 * log_q => {
            return Err(ParamsError::SparseTooLarge {
                log_modulus: 2.0 * log_q,
                max,
                weight,
                log_n: params.log_n(),
                security: params.security(),
            }
            .into());
        }
        Some(max) => (log_q + HEADROOM).min(f64::from(max) - log_q),
    };
    let count = (log_p / 49.0).ceil();
    let bits = log_p / count;
    let taken = |p: &u64| big.q_primes().contains(p) || big.p_primes().contains(p);
    let p: Vec<u64> = primes::below(1 << params.log_n(), bits.exp2() as u64)
        .filter(|p| !taken(p))
        .take(count as usize)
        .collect();
    if p.len() < count as usize {
        let log_n = params.log_n();
        return Err(ParamsError::NoPrime { log_n, bits }.into());
    }
    Ring::try_new(params.n(), q, &p).map_err(|e| ParamsError::Ring(e.to_string()).into())
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::{
        Encoder, EvaluationKeys, Evaluator, ParamsSpec, Security, SymmetricEncryptor, presets,
    };

    /// Every key that is published, with real primes and limits: log2 of the product of the primes of its rows against
    /// the limit of the secret that it is under.
    #[test]
    fn every_published_key_keeps_to_the_limit_of_its_secret() {
        // A small chain at the smallest degree for which sparse secrets have a limit.
        let spec = ParamsSpec {
            log_n: 15,
            first_bits: 48,
            scale_bits: vec![40, 40, 40],
            special_count: 2,
            special_bits: 49,
            ..presets::test_small()
        };
        let spec = ParamsSpec {
            security: Security::Bits128,
            linear_bits: std::collections::BTreeMap::new(),
            ..spec
        };
        let params = Params::try_new(spec).expect("secure");
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let keygen = KeyGenerator::new(&params);
        let secret = keygen.secret_key(&mut rng);
        let top = params.top();
        let manifest = girih_he::KeyManifest {
            relinearization: Some(top),
            rotations: [
                (girih_he::Rotation(1), top),
                (girih_he::Rotation(5), Level(0)),
            ]
            .into(),
            conjugation: Some(Level(1)),
        };
        let public = keygen.public_key(&secret, &mut rng).expect("own secret");
        let evaluation = keygen
            .evaluation_keys(&secret, &manifest, &mut rng)
            .expect("own secret");
        let sparse = keygen
            .encapsulation_keys(&secret, 32, &mut rng)
            .expect("32 are enough");
        assert_eq!(
            sparse.bytes(),
            EncapsulationKeys::planned_bytes(&params, 32).expect("as before")
        );
        let log = |ring: &Ring, b: &PolyQp<Ntt>| -> f64 {
            (0..b.row_count())
                .map(|r| (ring.modulus(ring.qp_index(b.limbs(), r)).value() as f64).log2())
                .sum()
        };
        let (big, small) = (params.ring(), sparse.small_ring());
        let rotations = evaluation.rotations().values();
        let dense = evaluation
            .relinearization()
            .map(|k| &k.0)
            .into_iter()
            .chain(rotations.chain(evaluation.conjugation()).map(|k| &k.key))
            .chain([&sparse.up])
            .flat_map(|k| k.vector().b())
            .chain([public.b()]);
        let limit = f64::from(params.security().max_log_qp(15).expect("secure"));
        let mut walked = 0;
        for b in dense {
            assert!(log(big, b) <= limit, "{} bits", log(big, b));
            walked += 1;
        }
        // Five keys of one or two digits, and the public key.
        assert!(walked > 6, "{walked}");
        let limit = params.security().max_log_sparse(15, 32).expect("secure");
        for b in sparse.down.vector().b() {
            assert!(log(small, b) <= f64::from(limit), "{} bits", log(small, b));
            assert_eq!(log(small, b), sparse.log_small_modulus());
        }
        // What has no estimate is refused.
        let error = keygen
            .encapsulation_keys(&secret, 31, &mut rng)
            .err()
            .expect("too sparse");
        assert!(error.to_string().contains("weight 31"), "{error}");
    }

    /// The only key under the sparse secret has the moduli of level 0 and a little more; the raised message is the
    /// message plus small multiples of the modulus.
    #[test]
    fn the_sparse_secret_meets_a_small_modulus_only() {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let mut rng = ChaCha20Rng::from_seed([8; 32]);
        let keygen = KeyGenerator::new(&params);
        let secret = keygen.secret_key(&mut rng);
        let keys = keygen
            .encapsulation_keys(&secret, 32, &mut rng)
            .expect("own secret");
        let bottom = params.chain().at(Level(0)).log_q;
        assert!(keys.log_small_modulus() < 2.0 * bottom + HEADROOM + 1.0);
        let small = keys.small_ring();
        for p in small.p_primes() {
            assert!(!params.ring().q_primes().contains(p) && !params.ring().p_primes().contains(p));
        }
        let scale = params.chain().scale(Level(0));
        let values = vec![0.75; params.slots()];
        let plaintext = Encoder::new(&params)
            .encode(&values, Level(0), scale)
            .expect("fits");
        let a = SymmetricEncryptor::new(&secret)
            .encrypt(&plaintext, &mut rng)
            .expect("own plaintext");
        let eval = Evaluator::new(EvaluationKeys::empty(&params));
        let raised = eval
            .raise_modulus(&a, params.top(), Some(&keys))
            .expect("level 0");
        // c0 + c1 s at the top, coefficient by coefficient modulo the first prime of level 0: the message again.
        let ring = params.ring();
        let phase = |c: &Ciphertext| {
            let s = secret.poly().truncated(c.limbs(), ring).q_part(ring);
            c.c0().add(&c.c1().mul(&s, ring), ring).into_coeff(ring)
        };
        let (before, after) = (phase(&a), phase(&raised));
        let q = ring.modulus(0);
        for (x, y) in before.row(0).iter().zip(after.row(0)) {
            let difference = q.centre(q.sub(*x, *y));
            assert!(difference.abs() < 1 << 14, "{difference}");
        }
        // Modulo a prime that the bottom lacks it is m + q0 I, and I is small: the weight is 32.
        assert_eq!(params.chain().limbs(Level(0)), 1, "q0 is one prime");
        let t = ring.modulus(raised.limbs() - 1);
        let inverse = t.inv(t.reduce(q.value())).expect("distinct primes");
        let last = after.row(raised.limbs() - 1);
        let integers: Vec<i64> = after
            .row(0)
            .iter()
            .zip(last)
            .map(|(m, x)| t.centre(t.mul(t.sub(*x, t.reduce_i64(q.centre(*m))), inverse)))
            .collect();
        assert!(integers.iter().all(|i| i.abs() < 16), "{integers:?}");
        assert!(integers.iter().any(|i| *i != 0));
        assert!(
            eval.raise_modulus(&raised, params.top(), Some(&keys))
                .is_err()
        );
    }
}
