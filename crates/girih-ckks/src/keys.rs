//! Keys: secret, public, relinearisation, Galois, and the set that an evaluator holds.

use std::collections::BTreeMap;
use std::fmt;

use girih_he::{KeyManifest, Level, Rotation};
use girih_rns::sample::{Seed, uniform_row};
use girih_rns::{Coeff, GaloisElement, Ntt, PolyQp, Ring, digit_count};
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
        let a = expand(ring, &seed, 0, ring.q_len());
        PublicKey::assemble(params, seed, b, a)
    }

    /// The key with both halves, `a` being the expansion of the seed.
    pub(crate) fn assemble(
        params: &Params,
        seed: Seed,
        b: PolyQp<Ntt>,
        a: PolyQp<Ntt>,
    ) -> PublicKey {
        let limbs = params.ring().q_len();
        assert_eq!(b.limbs(), limbs, "a public key is over all primes");
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
/// Serves its level and every level below. `a` is expanded from a seed when the key is made or read.
#[derive(Clone, PartialEq, Eq)]
pub struct SwitchingKey {
    level: Level,
    seed: Seed,
    b: Vec<PolyQp<Ntt>>,
    a: Vec<PolyQp<Ntt>>,
}

impl SwitchingKey {
    /// The key with halves `b`; the halves `a` are expanded from the seed.
    ///
    /// # Panics
    /// If the number of digits or of limbs is not that of the level.
    #[must_use]
    pub fn from_parts(
        params: &Params,
        level: Level,
        seed: Seed,
        b: Vec<PolyQp<Ntt>>,
    ) -> SwitchingKey {
        let (ring, limbs) = (params.ring(), params.chain().limbs(level));
        assert_eq!(
            b.len(),
            digit_count(ring, limbs),
            "a key has one part per digit"
        );
        assert!(
            b.iter().all(|b| b.limbs() == limbs),
            "a key has the limbs of its level"
        );
        let a = (0..b.len())
            .map(|d| expand(ring, &seed, d, limbs))
            .collect();
        SwitchingKey { level, seed, b, a }
    }

    /// The key with both halves of every digit, `a` being the expansion of the seed.
    pub(crate) fn assemble(
        level: Level,
        seed: Seed,
        (b, a): (Vec<PolyQp<Ntt>>, Vec<PolyQp<Ntt>>),
    ) -> SwitchingKey {
        SwitchingKey { level, seed, b, a }
    }

    /// The highest level the key serves.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The seed of the uniform halves.
    #[must_use]
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The halves `b`, one per digit.
    #[must_use]
    pub fn b(&self) -> &[PolyQp<Ntt>] {
        &self.b
    }

    /// The uniform halves, one per digit.
    #[must_use]
    pub fn a(&self) -> &[PolyQp<Ntt>] {
        &self.a
    }

    /// Bytes in memory; a serialised key takes about half.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.b
            .iter()
            .chain(&self.a)
            .map(|p| 8 * p.rows().len())
            .sum()
    }
}

impl fmt::Debug for SwitchingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchingKey")
            .field("level", &self.level)
            .field("digits", &self.b.len())
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

/// The uniform polynomial of digit `digit` of a seed. Every row has a stream of its own, so a key of a
/// lower level is the prefix of one of a higher level.
pub(crate) fn expand(ring: &Ring, seed: &Seed, digit: usize, limbs: usize) -> PolyQp<Ntt> {
    PolyQp::from_fn(ring, limbs, |index, row| {
        expand_row(ring, seed, digit, index, row);
    })
}

/// The row of prime `index` of [`expand`].
pub(crate) fn expand_row(ring: &Ring, seed: &Seed, digit: usize, index: usize, row: &mut [u64]) {
    let stream = ((digit as u64) << 32) | index as u64;
    uniform_row(seed, stream, ring.modulus(index).value(), row);
}
