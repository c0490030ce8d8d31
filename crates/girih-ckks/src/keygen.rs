//! Generation of keys.

use girih_he::{KeyManifest, Level, Rotation};
use girih_rns::sample::{self, Seed};
use girih_rns::{GaloisElement, Ntt, PolyQp, digit_ranges, par};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use zeroize::Zeroizing;

use crate::keys::{
    EvaluationKeys, GaloisKey, KeyId, PublicKey, RelinearizationKey, SecretKey, SwitchingKey,
    expand,
};
use crate::{Error, Params, Result};

/// Makes keys under one parameter set.
///
/// For a given generator state the keys are the same whatever the number of threads: every key gets
/// two seeds drawn in a fixed order, one for its public uniform halves, one for its noise.
#[derive(Clone, Debug)]
pub struct KeyGenerator {
    params: Params,
}

/// The two seeds of a key: the public one is stored with the key, the other one is secret.
struct KeySeeds {
    public: Seed,
    noise: Zeroizing<Seed>,
}

impl KeySeeds {
    fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> KeySeeds {
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
        let a = expand(self.params.ring(), &seeds.public, 0, limbs);
        let mut noise = ChaCha20Rng::from_seed(*seeds.noise);
        let b = self.hide(secret.poly(), &a, &mut noise);
        Ok(PublicKey::from_parts(&self.params, seeds.public, b))
    }

    /// The evaluation keys of a manifest, each truncated to its level.
    ///
    /// Cost of a key at a level of `l` limbs: `d (l + K)` transforms and the expansion of as many rows. Keys are made in
    /// parallel on rayon's current pool.
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
        let slots = self.params.slots();
        let rotations = manifest
            .rotations
            .iter()
            .filter(|(r, _)| !r.is_identity(slots))
            .map(|(r, level)| (KeyId::Rotation(r.normalized(slots)), *level));
        let wanted: Vec<(KeyId, Level, KeySeeds)> = manifest
            .relinearization
            .map(|level| (KeyId::Relinearization, level))
            .into_iter()
            .chain(rotations)
            .chain(
                manifest
                    .conjugation
                    .map(|level| (KeyId::Conjugation, level)),
            )
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

    fn check(&self, secret: &SecretKey) -> Result<()> {
        if *secret.params() == self.params {
            Ok(())
        } else {
            Err(Error::ParamsMismatch { what: "secret key" })
        }
    }

    fn key(&self, secret: &SecretKey, id: KeyId, level: Level, seeds: &KeySeeds) -> SwitchingKey {
        let ring = self.params.ring();
        let s = secret.poly();
        match element(&self.params, id) {
            None => {
                let mut square = s.clone();
                square.mul_assign(s, ring);
                self.switching_key(&square, s, level, seeds)
            }
            Some(element) => {
                let mut moved = PolyQp::secret(ring, s.limbs());
                s.automorphism_into(&mut moved, element.inverse(), ring);
                self.switching_key(s, &moved, level, seeds)
            }
        }
    }

    /// A gadget encryption of `from` under `to`.
    fn switching_key(
        &self,
        from: &PolyQp<Ntt>,
        to: &PolyQp<Ntt>,
        level: Level,
        seeds: &KeySeeds,
    ) -> SwitchingKey {
        let (ring, limbs) = (self.params.ring(), self.params.chain().limbs(level));
        let mut noise = ChaCha20Rng::from_seed(*seeds.noise);
        let halves = digit_ranges(ring, limbs)
            .enumerate()
            .map(|(d, range)| {
                let a = expand(ring, &seeds.public, d, limbs);
                let mut b = self.hide(to, &a, &mut noise);
                b.add_p_times_range_assign(from, range, ring);
                (b, a)
            })
            .unzip();
        SwitchingKey::assemble(level, seeds.public, halves)
    }

    /// `-a s + e` with fresh Gaussian noise, over the limbs of `a` and P.
    fn hide<R: CryptoRng + ?Sized>(
        &self,
        s: &PolyQp<Ntt>,
        a: &PolyQp<Ntt>,
        noise: &mut R,
    ) -> PolyQp<Ntt> {
        let (ring, limbs) = (self.params.ring(), a.limbs());
        let e = sample::gaussian(noise, ring.n());
        PolyQp::from_fn(ring, limbs, |index, row| {
            let table = ring.table(index);
            let (kernels, q) = (table.kernels(), table.modulus());
            let mut error = ring.pool().secret(ring.n());
            kernels.from_i64(q, &mut error, &e);
            table.forward(&mut error);
            let r = if index < ring.q_len() {
                index
            } else {
                index - ring.q_len() + limbs
            };
            kernels.mul(q, row, a.row(r), s.row(index));
            kernels.neg_assign(q, row);
            kernels.add_assign(q, row, &error);
        })
    }
}

/// The automorphism of a Galois key; none for the relinearisation key.
fn element(params: &Params, id: KeyId) -> Option<GaloisElement> {
    match id {
        KeyId::Rotation(Rotation(r)) => Some(GaloisElement::rotation(params.n(), i64::from(r))),
        KeyId::Conjugation => Some(GaloisElement::conjugation(params.n())),
        KeyId::Relinearization => None,
    }
}
