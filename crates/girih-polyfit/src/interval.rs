//! A closed interval of the real line.

use std::fmt;

use crate::{Error, Result};

/// `[lo, hi]` with finite `lo < hi`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    lo: f64,
    hi: f64,
}

impl Interval {
    /// `[-1, 1]`
    pub const UNIT: Interval = Interval { lo: -1.0, hi: 1.0 };

    /// The interval with the given ends.
    ///
    /// # Errors
    /// An end is not finite, the length is zero, negative or not representable.
    pub fn try_new(lo: f64, hi: f64) -> Result<Self> {
        let usable = lo.is_finite() && hi.is_finite() && lo < hi && (hi - lo).is_finite();
        // Neighbouring numbers leave no room for a node between them.
        let mid = lo + (hi - lo) / 2.0;
        if usable && lo < mid && mid < hi {
            Ok(Interval { lo, hi })
        } else {
            Err(Error::Interval { lo, hi })
        }
    }

    /// `[-bound, bound]`
    ///
    /// # Errors
    /// `bound` is not positive and finite.
    pub fn symmetric(bound: f64) -> Result<Self> {
        Self::try_new(-bound, bound)
    }

    /// Left end.
    #[must_use]
    pub fn lo(self) -> f64 {
        self.lo
    }

    /// Right end.
    #[must_use]
    pub fn hi(self) -> f64 {
        self.hi
    }

    /// `(lo + hi) / 2`
    #[must_use]
    pub fn center(self) -> f64 {
        self.lo / 2.0 + self.hi / 2.0
    }

    /// `(hi - lo) / 2`
    #[must_use]
    pub fn radius(self) -> f64 {
        (self.hi - self.lo) / 2.0
    }

    /// Whether `x` lies in the interval.
    #[must_use]
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// From `[lo, hi]` to `[-1, 1]`: `u = (x - center) / radius`.
    #[must_use]
    pub fn to_unit(self, x: f64) -> f64 {
        (x - self.center()) / self.radius()
    }

    /// From `[-1, 1]` to `[lo, hi]`, never beyond the ends.
    #[must_use]
    pub fn from_unit(self, u: f64) -> f64 {
        (self.center() + self.radius() * u).clamp(self.lo, self.hi)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.lo, self.hi)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn unusable_ends_are_refused() {
        let next = f64::from_bits(1f64.to_bits() + 1);
        for (lo, hi) in [
            (1.0, 1.0),
            (2.0, 1.0),
            (f64::NAN, 1.0),
            (0.0, f64::INFINITY),
            (f64::MIN, f64::MAX),
            (1.0, next),
        ] {
            assert!(
                matches!(Interval::try_new(lo, hi), Err(Error::Interval { .. })),
                "{lo} {hi}"
            );
        }
        assert!(Interval::symmetric(-1.0).is_err());
    }

    #[test]
    fn unit_map_round_trips() {
        let i = Interval::try_new(-3.0, 11.0).unwrap();
        assert_eq!(
            (i.to_unit(-3.0), i.to_unit(4.0), i.to_unit(11.0)),
            (-1.0, 0.0, 1.0)
        );
        assert_eq!(
            (i.from_unit(-1.0), i.from_unit(0.5), i.from_unit(1.0)),
            (-3.0, 7.5, 11.0)
        );
    }
}
