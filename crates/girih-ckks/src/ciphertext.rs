//! Ciphertexts: degree 1, NTT form.

use girih_he::Level;
use girih_rns::sample::{Seed, uniform_row};
use girih_rns::{Ntt, Poly, Ring};

use crate::{LevelChain, Params};

/// `(c0, c1)` with `c0 + c1 s = scale · m + e` over the limbs of one level, in NTT form.
///
/// Always of degree 1. At the *canonical* scale of its level, or at the *product* scale (a product that
/// has not been rescaled).
#[derive(Clone, Debug, PartialEq)]
pub struct Ciphertext {
    pub(crate) c0: Poly<Ntt>,
    pub(crate) c1: Poly<Ntt>,
    pub(crate) level: Level,
    pub(crate) scale: f64,
    pub(crate) product: bool,
}

impl Ciphertext {
    /// From its parts; both polynomials have the limbs of `level`.
    pub(crate) fn new(
        c0: Poly<Ntt>,
        c1: Poly<Ntt>,
        level: Level,
        scale: f64,
        product: bool,
    ) -> Ciphertext {
        debug_assert_eq!(
            c0.limbs(),
            c1.limbs(),
            "both halves have the limbs of the level"
        );
        Ciphertext {
            c0,
            c1,
            level,
            scale,
            product,
        }
    }

    /// The half that holds the message.
    #[must_use]
    pub fn c0(&self) -> &Poly<Ntt> {
        &self.c0
    }

    /// The half that is multiplied by the secret.
    #[must_use]
    pub fn c1(&self) -> &Poly<Ntt> {
        &self.c1
    }

    /// Multiplications left.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// What the values are multiplied by.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Whether this is a product that has not been rescaled.
    #[must_use]
    pub fn is_product(&self) -> bool {
        self.product
    }

    /// Number of primes of either half.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.c0.limbs()
    }
}

/// A fresh ciphertext whose `c1` is given by the 32 bytes it was expanded from: half the size.
#[derive(Clone, Debug, PartialEq)]
pub struct SeededCiphertext {
    pub(crate) c0: Poly<Ntt>,
    pub(crate) seed: Seed,
    pub(crate) level: Level,
    pub(crate) scale: f64,
    pub(crate) product: bool,
}

impl SeededCiphertext {
    /// The level it was encrypted at.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether it is at the product scale.
    #[must_use]
    pub fn is_product(&self) -> bool {
        self.product
    }

    /// The ciphertext, with `c1` expanded from the seed.
    ///
    /// # Panics
    /// If `params` are not those it was encrypted under.
    #[must_use]
    pub fn expand(&self, params: &Params) -> Ciphertext {
        let c1 = uniform_poly(params.ring(), self.c0.limbs(), &self.seed);
        Ciphertext::new(self.c0.clone(), c1, self.level, self.scale, self.product)
    }
}

/// The uniform polynomial of a seed.
pub(crate) fn uniform_poly(ring: &Ring, limbs: usize, seed: &Seed) -> Poly<Ntt> {
    Poly::from_fn(ring, limbs, |i, row| uniform_limb(ring, seed, i, row))
}

/// Row `i` of the uniform polynomial of a seed, drawn in NTT form: stream `i`.
pub(crate) fn uniform_limb(ring: &Ring, seed: &Seed, i: usize, row: &mut [u64]) {
    uniform_row(seed, i as u64, ring.modulus(i).value(), row);
}

/// Whether `scale` at `level` is at the product scale: nearer, in logarithm, to the square of the canonical
/// scale than to the canonical scale.
pub(crate) fn is_product_scale(chain: &LevelChain, level: Level, scale: f64) -> bool {
    scale.log2() > 1.5 * chain.scale(level).log2()
}
