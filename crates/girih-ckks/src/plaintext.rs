//! An encoded vector.

use girih_he::Level;
use girih_rns::{Ntt, Poly};

/// An encoded vector: an integer polynomial close to `scale` times the inverse embedding of the values,
/// in NTT form at one level.
#[derive(Clone, Debug, PartialEq)]
pub struct Plaintext {
    poly: Poly<Ntt>,
    level: Level,
    scale: f64,
}

impl Plaintext {
    pub(crate) fn new(poly: Poly<Ntt>, level: Level, scale: f64) -> Plaintext {
        Plaintext { poly, level, scale }
    }

    /// The polynomial. An encoder fills all limbs of the level; a decryptor only those that hold the values.
    #[must_use]
    pub fn poly(&self) -> &Poly<Ntt> {
        &self.poly
    }

    /// The level it was encoded at or decrypted from.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// What the values were multiplied by.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }
}
