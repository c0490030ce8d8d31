//! The integers that raising a modulus adds.
//!
//! A ciphertext `(c₀, c₁)` modulo `q` under a secret of `h` coefficients ±1 holds `c₀ + c₁ s = m + q I`. The coefficients of
//! `c₁ / q` are uniform in `[-1/2, 1/2)`, so one of `c₁ s / q` is a sum of `h` of them, and `I` is this sum rounded, up to the
//! message: `P(I = i)` is the density at `i` of the sum of `h + 1` uniform numbers (Irwin 1927, Hall 1927), of variance
//! `(h + 1) / 12`.
//!
//! ```text
//! f₁(x) = 1 for |x| < 1/2,     f_(n+1)(x) = ((x + (n+1)/2) f_n(x + 1/2) + ((n+1)/2 - x) f_n(x - 1/2)) / n
//! ```
//!
//! is the recurrence of B-splines (de Boor 1972): no term is negative, so that the smallest probabilities have all their digits.

use crate::{Error, Result};

/// Largest weight offered; a dense secret is beyond.
const LARGEST_WEIGHT: usize = 1024;

/// The distribution of `I` for a sparse secret.
///
/// ```
/// use girih_polyfit::overflow::Overflow;
///
/// let overflow = Overflow::sparse(32)?;
/// assert!((overflow.deviation() - 1.658).abs() < 1e-3);
/// // Some of 2^16 coefficients above 15: less than 2^-128.
/// assert!(overflow.failure_log2(15, 16) < -132.0);
/// # Ok::<(), girih_polyfit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Overflow {
    weight: usize,
    /// `P(I = i)` for `i >= 0`.
    probabilities: Vec<f64>,
}

impl Overflow {
    /// For a secret with `weight` coefficients that are not zero.
    ///
    /// # Errors
    /// A weight of 0 or above 1024.
    pub fn sparse(weight: usize) -> Result<Self> {
        if !(1..=LARGEST_WEIGHT).contains(&weight) {
            return Err(Error::Parameter {
                name: "weight",
                value: weight as f64,
                lo: 1.0,
                hi: LARGEST_WEIGHT as f64,
            });
        }
        // f_n at the half-integers k / 2 from -(h + 1) / 2 on, where it is continuous; at a jump of f₁ its mean.
        let last = weight + 1;
        let x = |k: usize| (k as f64 - last as f64) / 2.0;
        let mut density: Vec<f64> = (0..=2 * last)
            .map(|k| match x(k).abs() {
                x if x < 0.5 => 1.0,
                0.5 => 0.5,
                _ => 0.0,
            })
            .collect();
        for n in 1..=weight {
            let half = (n + 1) as f64 / 2.0;
            let at = |k: Option<usize>| k.and_then(|k| density.get(k)).copied().unwrap_or(0.0);
            density = (0..=2 * last)
                .map(|k| {
                    let (up, down) = (half + x(k), half - x(k));
                    let right = up.max(0.0) * at(Some(k + 1));
                    let left = down.max(0.0) * at(k.checked_sub(1));
                    (right + left) / n as f64
                })
                .collect();
        }
        Ok(Overflow {
            weight,
            probabilities: density.into_iter().skip(last).step_by(2).collect(),
        })
    }

    /// The weight of the secret.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// `P(I = i)`
    #[must_use]
    pub fn probability(&self, i: i64) -> f64 {
        let i = usize::try_from(i.unsigned_abs()).unwrap_or(usize::MAX);
        self.probabilities.get(i).copied().unwrap_or(0.0)
    }

    /// The standard deviation `√((h + 1) / 12)`.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        ((self.weight + 1) as f64 / 12.0).sqrt()
    }

    /// `log₂` of a bound of the probability that one of `2^log_n` coefficients has `|I| > bound`: that of one times their
    /// number.
    #[must_use]
    pub fn failure_log2(&self, bound: usize, log_n: u32) -> f64 {
        let tail: f64 = self.probabilities.iter().skip(bound + 1).rev().sum();
        (2.0 * tail).log2() + f64::from(log_n)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// One uniform number rounded, by hand; two by areas of triangles; three by the cubic spline.
    #[test]
    fn small_weights() {
        let p = |weight: usize, i: i64| Overflow::sparse(weight).unwrap().probability(i);
        assert_eq!((p(1, 0), p(1, 1)), (1.0, 0.0));
        assert_eq!((p(2, 0), p(2, 1), p(2, -1)), (0.75, 0.125, 0.125));
        assert!((p(3, 0) - 2.0 / 3.0).abs() < 1e-15 && (p(3, 1) - 1.0 / 6.0).abs() < 1e-15);
        assert_eq!(p(3, 2), 0.0);
    }

    #[test]
    fn moments_and_tails() {
        for weight in [1, 2, 7, 32, 33, 64, 192] {
            let o = Overflow::sparse(weight).unwrap();
            let bound = weight as i64;
            let sum: f64 = (-bound..=bound).map(|i| o.probability(i)).sum();
            assert!((sum - 1.0).abs() < 1e-13, "{weight}: {sum}");
            // The variance of a sampled spline of order 3 and more is that of the spline.
            if weight > 2 {
                let variance: f64 = (-bound..=bound)
                    .map(|i| o.probability(i) * (i * i) as f64)
                    .sum();
                assert!((variance.sqrt() / o.deviation() - 1.0).abs() < 1e-12);
            }
        }
        // The sum of 32 numbers above 15.5, the corner of a cube: 0.5^32 / 32!, on both sides.
        let o = Overflow::sparse(32).unwrap();
        let corner = -32.0 - (1..=32).map(|k| f64::from(k).log2()).sum::<f64>();
        assert!((o.failure_log2(15, 0) - 1.0 - corner).abs() < 1e-9);
        assert_eq!(o.failure_log2(15, 16), o.failure_log2(15, 0) + 16.0);
        assert_eq!(o.failure_log2(16, 16), f64::NEG_INFINITY);
    }

    #[test]
    fn misuse_is_refused() {
        for weight in [0, 1025] {
            assert!(matches!(
                Overflow::sparse(weight),
                Err(Error::Parameter { name: "weight", .. })
            ));
        }
    }
}
