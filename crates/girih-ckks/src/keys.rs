//! Keys: secret, public, relinearisation, Galois, and the set that an evaluator holds.

use std::collections::BTreeMap;
use std::fmt;

use girih_he::{KeyManifest, Level, Rotation};
use girih_rns::sample::{Seed, expander};
use girih_rns::{
    Coeff, GadgetVector, GaloisElement, Ntt, PolyQp, Ring, Storage, digit_count, expand_row,
};
use zeroize::Zeroizing;

use crate::Params;

/// Names an evaluation key in errors and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyId {
    /// The key that turns a product of degree 2 into a ciphertext.
    Relinearization,
    /// The key of a rotation, normalised to `1..slots`.
    Rotation(Rotation),
    /// The key of complex conjugation.
    Conjugation,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyId::Relinearization => f.write_str("relinearization"),
            KeyId::Rotation(r) => write!(f, "rotation {r}"),
            KeyId::Conjugation => f.write_str("conjugation"),
        }
    }
}

/// The secret `s`: N coefficients in `{-1, 0, 1}`.
///
/// Overwritten when dropped; cannot be cloned or printed.
pub struct SecretKey {
    params: Params,
    coefficients: Zeroizing<Vec<i64>>,
    poly: PolyQp<Ntt>,
}

impl SecretKey {
    /// The key with the given ternary coefficients. Time does not depend on them.
    ///
    /// # Panics
    /// If there are not N coefficients.
    #[must_use]
    pub fn from_coefficients(params: &Params, coefficients: Zeroizing<Vec<i64>>) -> SecretKey {
        assert_eq!(
            coefficients.len(),
            params.n(),
            "a secret has N coefficients"
        );
        let ring = params.ring();
        let poly = PolyQp::<Coeff>::secret_from_i64(ring, ring.q_len(), &coefficients);
        SecretKey {
            params: params.clone(),
            coefficients,
            poly: poly.into_ntt(ring),
        }
    }

    /// The parameters the key was made under.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The coefficients, for the wire form.
    pub(crate) fn coefficients(&self) -> &[i64] {
        &self.coefficients
    }

    /// Evaluations over all primes of Q and P; row `i` is that of prime `i`.
    pub(crate) fn poly(&self) -> &PolyQp<Ntt> {
        &self.poly
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// An encryption of zero `(b, a) = (-a s + e, a)` over all primes of Q and P; `a` is expanded from a seed.
///
/// Encrypting over QP and dividing by P leaves little more than the rounding as noise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    params: Params,
    seed: Seed,
    b: PolyQp<Ntt>,
    a: PolyQp<Ntt>,
}

impl PublicKey {
    /// The key with half `b`; `a` is expanded from the seed.
    ///
    /// # Panics
    /// If `b` is not over all primes.
    #[must_use]
    pub fn from_parts(params: &Params, seed: Seed, b: PolyQp<Ntt>) -> PublicKey {
        let ring = params.ring();
        let limbs = ring.q_len();
        assert_eq!(b.limbs(), limbs, "a public key is over all primes");
        let expander = expander(&seed);
        let a = PolyQp::from_fn(ring, limbs, |index, row| {
            expand_row(&expander, ring, 0, index, row);
        });
        PublicKey {
            params: params.clone(),
            seed,
            b,
            a,
        }
    }

    /// The parameters the key was made under.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The seed of `a`.
    #[must_use]
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// `-a s + e`.
    #[must_use]
    pub fn b(&self) -> &PolyQp<Ntt> {
        &self.b
    }

    /// The uniform half.
    #[must_use]
    pub fn a(&self) -> &PolyQp<Ntt> {
        &self.a
    }
}

/// A gadget encryption of a secret `s'` under a secret `s`: digit `d` holds
/// `(b_d, a_d) = (-a_d s + e_d + P g_d s', a_d)` over the limbs of its level and P, where `g_d` is 1 modulo the
/// primes of digit `d` and 0 modulo the others.
///
/// Serves its level and every level below. `a` is the expansion of a seed, and kept as [`Storage`] says: as the seed, or
/// as polynomials, which takes twice the memory.
#[derive(Clone, PartialEq, Eq)]
pub struct SwitchingKey {
    level: Level,
    vector: GadgetVector,
}

impl SwitchingKey {
    /// The key with halves `b`; the halves `a` are those of the seed.
    ///
    /// # Panics
    /// If the number of digits or of limbs is not that of the level.
    #[must_use]
    pub fn from_parts(
        params: &Params,
        level: Level,
        seed: Seed,
        b: Vec<PolyQp<Ntt>>,
        storage: Storage,
    ) -> SwitchingKey {
        let limbs = params.chain().limbs(level);
        SwitchingKey::over(params.ring(), limbs, level, seed, b, storage)
    }

    /// As [`from_parts`](SwitchingKey::from_parts) over the first `limbs` primes of a ring.
    pub(crate) fn over(
        ring: &Ring,
        limbs: usize,
        level: Level,
        seed: Seed,
        b: Vec<PolyQp<Ntt>>,
        storage: Storage,
    ) -> SwitchingKey {
        assert_eq!(
            b.len(),
            digit_count(ring, limbs),
            "a key has one part per digit"
        );
        assert!(
            b.iter().all(|b| b.limbs() == limbs),
            "a key has the limbs of its level"
        );
        let vector = GadgetVector::new(ring, seed, b, storage);
        SwitchingKey { level, vector }
    }

    /// The highest level the key serves.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The pairs `(b_d, a_d)`.
    #[must_use]
    pub fn vector(&self) -> &GadgetVector {
        &self.vector
    }

    /// The same key kept in another way.
    #[must_use]
    pub fn stored(self, params: &Params, storage: Storage) -> SwitchingKey {
        let vector = self.vector.stored(params.ring(), storage);
        SwitchingKey { vector, ..self }
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.vector.bytes()
    }
}

impl fmt::Debug for SwitchingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchingKey")
            .field("level", &self.level)
            .field("vector", &self.vector)
            .finish_non_exhaustive()
    }
}

/// Switches `s^2` to `s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelinearizationKey(pub SwitchingKey);

/// Switches `s` to `s(X^(1/g))`, so that the automorphism `X -> X^g` afterwards ends under `s`.
///
/// With the automorphism last, rotations of one ciphertext share its digits and each permutes its
/// result once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaloisKey {
    /// The automorphism.
    pub element: GaloisElement,
    /// The gadget encryption.
    pub key: SwitchingKey,
}

/// The evaluation keys of one secret: what a server needs, and all it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationKeys {
    pub(crate) params: Params,
    pub(crate) relinearization: Option<RelinearizationKey>,
    pub(crate) rotations: BTreeMap<Rotation, GaloisKey>,
    pub(crate) conjugation: Option<GaloisKey>,
}

impl EvaluationKeys {
    /// No keys: enough for sums and products with constants.
    #[must_use]
    pub fn empty(params: &Params) -> EvaluationKeys {
        EvaluationKeys {
            params: params.clone(),
            relinearization: None,
            rotations: BTreeMap::new(),
            conjugation: None,
        }
    }

    /// A set from its keys; rotations are normalised to `1..slots`.
    #[must_use]
    pub fn from_parts(
        params: &Params,
        relinearization: Option<RelinearizationKey>,
        rotations: BTreeMap<Rotation, GaloisKey>,
        conjugation: Option<GaloisKey>,
    ) -> EvaluationKeys {
        let slots = params.slots();
        EvaluationKeys {
            params: params.clone(),
            relinearization,
            rotations: rotations
                .into_iter()
                .map(|(r, key)| (r.normalized(slots), key))
                .collect(),
            conjugation,
        }
    }

    /// The parameters the keys were made under.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The relinearisation key.
    #[must_use]
    pub fn relinearization(&self) -> Option<&RelinearizationKey> {
        self.relinearization.as_ref()
    }

    /// The rotation keys, by rotation in `1..slots`.
    #[must_use]
    pub fn rotations(&self) -> &BTreeMap<Rotation, GaloisKey> {
        &self.rotations
    }

    /// The conjugation key.
    #[must_use]
    pub fn conjugation(&self) -> Option<&GaloisKey> {
        self.conjugation.as_ref()
    }

    /// Which keys there are, with their levels.
    #[must_use]
    pub fn manifest(&self) -> KeyManifest {
        KeyManifest {
            relinearization: self.relinearization.as_ref().map(|k| k.0.level()),
            rotations: self
                .rotations
                .iter()
                .map(|(r, k)| (*r, k.key.level()))
                .collect(),
            conjugation: self.conjugation.as_ref().map(|k| k.key.level()),
        }
    }

    /// The same keys, each kept as `storage` says.
    #[must_use]
    pub fn stored(mut self, storage: impl Fn(KeyId) -> Storage) -> EvaluationKeys {
        let params = &self.params;
        let kept = |key: SwitchingKey, id| key.stored(params, storage(id));
        let galois = |key: GaloisKey, id| GaloisKey {
            key: kept(key.key, id),
            ..key
        };
        self.relinearization = self
            .relinearization
            .map(|key| RelinearizationKey(kept(key.0, KeyId::Relinearization)));
        self.conjugation = self.conjugation.map(|key| galois(key, KeyId::Conjugation));
        self.rotations = self
            .rotations
            .into_iter()
            .map(|(r, key)| (r, galois(key, KeyId::Rotation(r))))
            .collect();
        self
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let galois = self
            .rotations
            .values()
            .chain(&self.conjugation)
            .map(|k| k.key.bytes());
        galois.sum::<usize>() + self.relinearization.as_ref().map_or(0, |k| k.0.bytes())
    }
}
