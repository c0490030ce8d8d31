//! Generation of keys.

use girih_he::{KeyManifest, Level, Rotation};
use girih_ntt::{Kernels, Modulus, Permutation, ShoupPair};
use girih_rns::sample::{self, Seed};
use girih_rns::{GaloisElement, Ntt, PolyQp, Ring, Storage, digit_ranges, expand_row, par};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::keys::{
    EvaluationKeys, GaloisKey, KeyId, PublicKey, RelinearizationKey, SecretKey, SwitchingKey,
};
use crate::manifest::wanted;
use crate::{Error, Params, Result};

/// Makes keys under one parameter set.
///
/// For a given generator state the keys are the same whatever the number of threads: every key gets
/// two seeds drawn in a fixed order, one for its public uniform halves, one for its noise; each digit has a stream of
/// the latter.
#[derive(Clone, Debug)]
pub struct KeyGenerator {
    pub(crate) params: Params,
}

/// The two seeds of a key: the public one is stored with the key, the other one is secret.
pub(crate) struct KeySeeds {
    pub(crate) public: Seed,
    noise: Zeroizing<Seed>,
}

impl KeySeeds {
    pub(crate) fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> KeySeeds {
        KeySeeds {
            public: sample::seed(rng),
            noise: Zeroizing::new(sample::seed(rng)),
        }
    }
}

impl KeyGenerator {
    /// A generator for `params`.
    #[must_use]
    pub fn new(params: &Params) -> KeyGenerator {
        KeyGenerator {
            params: params.clone(),
        }
    }

    /// A secret with uniform coefficients in `{-1, 0, 1}`.
    pub fn secret_key<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> SecretKey {
        SecretKey::from_coefficients(&self.params, sample::ternary(rng, self.params.n()))
    }

    /// An encryption of zero over QP.
    ///
    /// # Errors
    /// The secret belongs to other parameters.
    pub fn public_key<R: CryptoRng + ?Sized>(
        &self,
        secret: &SecretKey,
        rng: &mut R,
    ) -> Result<PublicKey> {
        self.check(secret)?;
        let seeds = KeySeeds::draw(rng);
        let limbs = self.params.ring().q_len();
        let ring = self.params.ring();
        let b = hide(ring, secret.poly(), None, limbs, 1, &seeds, |_, _, _| {});
        let b = b.into_iter().next().expect("one half was asked for");
        Ok(PublicKey::from_parts(&self.params, seeds.public, b))
    }

    /// The evaluation keys of a manifest, each truncated to its level.
    ///
    /// Cost of a key at a level of `l` limbs: `d (l + K)` transforms and the expansion of as many rows. Keys are made in
    /// parallel on rayon's current pool. Memory: the keys ([`planned_keys`](crate::planned_keys) says how much), and
    /// `d + 1` rows for each thread.
    ///
    /// # Errors
    /// The secret belongs to other parameters, or a level is above the top.
    pub fn evaluation_keys<R: CryptoRng + ?Sized>(
        &self,
        secret: &SecretKey,
        manifest: &KeyManifest,
        rng: &mut R,
    ) -> Result<EvaluationKeys> {
        self.check(secret)?;
        let wanted: Vec<(KeyId, Level, KeySeeds)> = wanted(&self.params, manifest)
            .into_iter()
            .map(|(id, level)| (id, level, KeySeeds::draw(rng)))
            .collect();
        for (_, level, _) in &wanted {
            if *level > self.params.top() {
                return Err(Error::He(girih_he::Error::LevelMismatch {
                    op: "evaluation_keys",
                    lhs: *level,
                    rhs: self.params.top(),
                }));
            }
        }
        let made: Vec<(KeyId, SwitchingKey)> = par::map(wanted, |(id, level, seeds)| {
            (id, self.key(secret, id, level, &seeds))
        });
        let mut keys = EvaluationKeys::empty(&self.params);
        for (id, key) in made {
            match (id, element(&self.params, id)) {
                (KeyId::Rotation(r), Some(element)) => {
                    keys.rotations.insert(r, GaloisKey { element, key });
                }
                (_, Some(element)) => keys.conjugation = Some(GaloisKey { element, key }),
                (_, None) => keys.relinearization = Some(RelinearizationKey(key)),
            }
        }
        Ok(keys)
    }

    pub(crate) fn check(&self, secret: &SecretKey) -> Result<()> {
        if *secret.params() == self.params {
            Ok(())
        } else {
            Err(Error::ParamsMismatch { what: "secret key" })
        }
    }

    fn key(&self, secret: &SecretKey, id: KeyId, level: Level, seeds: &KeySeeds) -> SwitchingKey {
        let (ring, limbs) = (self.params.ring(), self.params.chain().limbs(level));
        let s = secret.poly();
        let b = match element(&self.params, id) {
            None => gadget(ring, limbs, s, None, seeds, |q, kernels, p, index, row| {
                // (P s) s
                let mut square = ring.pool().secret(ring.n());
                kernels.mul_scalar(q, &mut square, s.row(index), p);
                kernels.mul_acc(q, row, &square, s.row(index));
            }),
            Some(element) => {
                let inverse = ring.permutation(element.inverse());
                gadget(
                    ring,
                    limbs,
                    s,
                    Some(&inverse),
                    seeds,
                    |q, kernels, p, index, row| {
                        kernels.mul_scalar_acc(q, row, s.row(index), p);
                    },
                )
            }
        };
        SwitchingKey::over(ring, limbs, level, seeds.public, b, Storage::default())
    }
}

/// The first halves of a gadget encryption under `s` over `limbs` limbs and P, or of what an automorphism makes of it.
/// `add(q, kernels, P, index, row)` adds P times the secret that is encrypted to a row of prime `index`.
pub(crate) fn gadget(
    ring: &Ring,
    limbs: usize,
    s: &PolyQp<Ntt>,
    automorphism: Option<&Permutation>,
    seeds: &KeySeeds,
    add: impl Fn(&Modulus, &Kernels, ShoupPair, usize, &mut [u64]) + Sync + Send,
) -> Vec<PolyQp<Ntt>> {
    let digits: Vec<_> = digit_ranges(ring, limbs).collect();
    hide(
        ring,
        s,
        automorphism,
        limbs,
        digits.len(),
        seeds,
        |d, index, row| {
            if digits[d].contains(&index) {
                let table = ring.table(index);
                let q = table.modulus();
                let product = ring
                    .p_primes()
                    .iter()
                    .fold(1, |product, &p| q.mul(product, q.reduce(p)));
                add(q, table.kernels(), q.shoup(product), index, row);
            }
        },
    )
}

/// `count` times `-a s + e` over `limbs` limbs and P, where `a` is the expansion of digit `d`, `e` fresh Gaussian
/// noise and `s` is moved by the automorphism; `add(d, index, row)` adds to a row.
///
/// The rows of one prime of all digits are made together, while that of the secret is in cache. Memory beyond the
/// result: the noise, a row for each digit, and a row of `a` for each thread.
fn hide(
    ring: &Ring,
    s: &PolyQp<Ntt>,
    automorphism: Option<&Permutation>,
    limbs: usize,
    count: usize,
    seeds: &KeySeeds,
    add: impl Fn(usize, usize, &mut [u64]) + Sync + Send,
) -> Vec<PolyQp<Ntt>> {
    let noise = par::map((0..count).collect(), |d: usize| {
        sample::gaussian_row(&seeds.noise, d as u64, ring.n())
    });
    let expander = sample::expander(&seeds.public);
    PolyQp::many_from_fn(ring, limbs, count, |index, b| {
        let table = ring.table(index);
        let (kernels, q) = (table.kernels(), table.modulus());
        for (row, e) in b.iter_mut().zip(&noise) {
            kernels.scale_i64(q, row, e, q.shoup(1));
        }
        table.forward_many(b);
        if automorphism.is_some() {
            fetch(s.row(index));
        }
        let mut a = ring.pool().unfilled(ring.n());
        for (d, b) in b.iter_mut().enumerate() {
            expand_row(&expander, ring, d, index, &mut a);
            match automorphism {
                None => kernels.mul_sub(q, b, s.row(index), &a),
                Some(p) => kernels.permute_mul_sub(q, b, s.row(index), p, &a),
            }
            add(d, index, b);
        }
    })
}

/// Reads a row in order, so that it comes from memory as a stream; in the order of an automorphism, one cache line
/// at a time would.
fn fetch(row: &[u64]) {
    std::hint::black_box(row.iter().step_by(8).fold(0, |sum, x| sum ^ x));
}

/// The automorphism of a Galois key; none for the relinearisation key.
fn element(params: &Params, id: KeyId) -> Option<GaloisElement> {
    match id {
        KeyId::Rotation(Rotation(r)) => Some(GaloisElement::rotation(params.n(), i64::from(r))),
        KeyId::Conjugation => Some(GaloisElement::conjugation(params.n())),
        KeyId::Relinearization => None,
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::presets;

    fn rotation_key(params: &Params, level: Level, threads: usize) -> (SecretKey, GaloisKey) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads").install(|| {
            let mut rng = ChaCha20Rng::from_seed([6; 32]);
            let keygen = KeyGenerator::new(params);
            let secret = keygen.secret_key(&mut rng);
            let manifest = KeyManifest {
                relinearization: None,
                rotations: [(Rotation(3), level)].into(),
                conjugation: None,
            };
            let mut keys = keygen
                .evaluation_keys(&secret, &manifest, &mut rng)
                .expect("own secret");
            let key = keys.rotations.remove(&Rotation(3)).expect("asked for");
            (secret, key)
        })
    }

    /// `b + a s' - P g s` is the noise, `s'` being the moved secret, by operations on whole polynomials.
    #[test]
    fn a_key_holds_the_secret_and_small_noise() {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let (ring, level) = (params.ring(), Level(4));
        let limbs = params.chain().limbs(level);
        let (secret, GaloisKey { element, key }) = rotation_key(&params, level, 1);
        let s = secret.poly().truncated(limbs, ring);
        let moved = s.automorphism(element.inverse(), ring);
        let a = key.vector().expanded(ring);
        for (d, range) in digit_ranges(ring, limbs).enumerate() {
            let mut hidden = PolyQp::<Ntt>::zero(ring, limbs);
            hidden.add_p_times_range_assign(&s, range, ring);
            let mut noise = a[d].clone();
            noise.mul_assign(&moved, ring);
            noise.add_assign(&key.vector().b()[d], ring);
            noise.sub_assign(&hidden, ring);
            let noise = noise.into_coeff(ring);
            let centred = |r: usize| {
                let q = ring.modulus(ring.qp_index(limbs, r));
                noise
                    .row(r)
                    .iter()
                    .map(|&x| q.centre(x))
                    .collect::<Vec<_>>()
            };
            let first = centred(0);
            assert!(first.iter().all(|x| x.abs() <= sample::GAUSSIAN_BOUND));
            let squares: i64 = first.iter().map(|x| x * x).sum();
            let variance = squares as f64 / first.len() as f64;
            // 3.2^2 within five standard errors, sigma^2 sqrt(2 / N)
            let error = 5.0 * sample::SIGMA.powi(2) * (2.0 / first.len() as f64).sqrt();
            assert!(
                (variance - sample::SIGMA.powi(2)).abs() < error,
                "{variance}"
            );
            for r in 1..noise.row_count() {
                assert_eq!(centred(r), first, "row {r} of digit {d}");
            }
        }
    }

    #[test]
    fn keys_do_not_depend_on_threads() {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let [one, many] = [1, 3].map(|threads| rotation_key(&params, Level(5), threads).1);
        assert_eq!(one, many);
    }

    #[test]
    fn a_key_of_a_lower_level_is_part_of_that_of_a_higher_one() {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let ring = params.ring();
        let [low, high] = [Level(2), Level(6)].map(|level| rotation_key(&params, level, 1).1.key);
        let limbs = params.chain().limbs(Level(2));
        let halves = |key: &SwitchingKey| {
            let vector = key.vector();
            vector.expanded(ring).into_iter().zip(vector.b().to_vec())
        };
        for (low, high) in halves(&low).zip(halves(&high)) {
            assert_eq!(low.0, high.0.truncated(limbs, ring));
            assert_eq!(low.1, high.1.truncated(limbs, ring));
        }
    }
}
