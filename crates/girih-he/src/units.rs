//! Quantities with a unit: a level, a rotation.

use std::fmt;

use crate::{Error, Result};

/// Remaining multiplications of a ciphertext; `Level(0)` has none left.
///
/// A level is not a limb count: the scheme decides how many primes a level is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(pub u8);

impl Level {
    /// The level after one rescaling, or `None` at level 0.
    #[must_use]
    pub fn below(self) -> Option<Level> {
        self.0.checked_sub(1).map(Level)
    }

    /// The level of a product whose rescaling ends at this level.
    ///
    /// # Errors
    /// At level 255, the highest that can be written.
    pub fn above(self, op: &'static str) -> Result<Level> {
        let level = self.0.checked_add(1).ok_or(Error::LevelMismatch {
            op,
            lhs: self,
            rhs: self,
        })?;
        Ok(Level(level))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}", self.0)
    }
}

/// A cyclic rotation of the slots: `rotate(x, r)[i] = x[(i + r) mod slots]`, left for positive `r`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rotation(pub i32);

impl Rotation {
    /// The equal rotation in `0..slots`.
    #[must_use]
    pub fn normalized(self, slots: usize) -> Rotation {
        let r = i64::from(self.0).rem_euclid(slots as i64);
        Rotation(i32::try_from(r).expect("slots fit i32"))
    }

    /// Whether the rotation moves nothing.
    #[must_use]
    pub fn is_identity(self, slots: usize) -> bool {
        self.normalized(slots).0 == 0
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
