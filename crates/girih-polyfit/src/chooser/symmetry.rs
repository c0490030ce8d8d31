//! Functions that are odd or even but for a linear term: their polynomials have half the terms, and half the products.

use crate::{Interval, Parity};

/// `f(x) = slope · x + e(x)` with `e` even, `f(x) = offset + o(x)` with `o` odd, or neither, about the centre of an
/// interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Symmetry {
    /// Even but for a linear term: relu (slope 1/2), gelu, silu, softplus, abs (slope 0).
    Even {
        /// Factor of `x - center`.
        slope: f64,
    },
    /// Odd but for a constant: sigmoid (1/2), tanh, erf.
    Odd {
        /// The value at the centre.
        offset: f64,
    },
    /// Neither.
    None,
}

/// Points at which a symmetry is tested.
const POINTS: usize = 48;
/// Deviations of this share of the largest value are rounding errors.
const ROUNDING: f64 = 1e-14;

impl Symmetry {
    /// The symmetry of a function about the centre of an interval, by its values there.
    #[must_use]
    pub fn of(f: impl Fn(f64) -> f64, interval: Interval) -> Symmetry {
        let (center, radius) = (interval.center(), interval.radius());
        let pairs: Vec<(f64, f64, f64)> = (1..=POINTS)
            .map(|k| {
                let h = radius * k as f64 / POINTS as f64;
                (h, f(center - h), f(center + h))
            })
            .collect();
        let largest = pairs
            .iter()
            .fold(0.0, |m: f64, p| m.max(p.1.abs()).max(p.2.abs()));
        let tolerance = ROUNDING * largest;
        let slope = pairs
            .last()
            .map_or(0.0, |(h, below, above)| (above - below) / (2.0 * h));
        let offset = f(center);
        if pairs
            .iter()
            .all(|(h, below, above)| ((above - below) / 2.0 - slope * h).abs() <= tolerance)
        {
            Symmetry::Even { slope }
        } else if pairs
            .iter()
            .all(|(_, below, above)| ((above + below) / 2.0 - offset).abs() <= tolerance)
        {
            Symmetry::Odd { offset }
        } else {
            Symmetry::None
        }
    }

    /// The parity of what remains after the linear part.
    #[must_use]
    pub fn parity(self) -> Parity {
        match self {
            Symmetry::Even { .. } => Parity::Even,
            Symmetry::Odd { .. } => Parity::Odd,
            Symmetry::None => Parity::None,
        }
    }

    /// The linear part that is split off, at `h` from the centre.
    #[must_use]
    pub fn linear(self, h: f64) -> f64 {
        match self {
            Symmetry::Even { slope } => slope * h,
            Symmetry::Odd { offset } => offset,
            Symmetry::None => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Function;

    #[test]
    fn activations_are_half_symmetric() {
        let i = Interval::symmetric(6.0).unwrap();
        for f in [
            Function::Relu,
            Function::Gelu,
            Function::Silu,
            Function::Softplus,
        ] {
            match Symmetry::of(|x| f.eval(x), i) {
                Symmetry::Even { slope } => assert!((slope - 0.5).abs() < 1e-15, "{f} {slope}"),
                other => panic!("{f}: {other:?}"),
            }
        }
        for (f, offset) in [(Function::Sigmoid, 0.5), (Function::Tanh, 0.0)] {
            assert_eq!(Symmetry::of(|x| f.eval(x), i), Symmetry::Odd { offset });
        }
        assert_eq!(Symmetry::of(f64::exp, i), Symmetry::None);
        let shifted = Interval::try_new(-1.0, 5.0).unwrap();
        assert_eq!(
            Symmetry::of(|x| (x - 2.0).abs() - x, shifted),
            Symmetry::Even { slope: -1.0 }
        );
        assert_eq!(Symmetry::of(f64::tanh, shifted), Symmetry::None);
    }
}
