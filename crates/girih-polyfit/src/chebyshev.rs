//! Chebyshev interpolation and Chebyshev series.

use std::f64::consts::PI;

use crate::polynomial::MAX_DEGREE;
use crate::{Error, Interval, Polynomial, Result};

/// Samples at most for the coefficients of a series.
const MOST_SERIES_POINTS: usize = 1 << 14;

/// The `n` zeros of `Tₙ`, moved to the interval, from right to left: `xⱼ = cos(π (j + 1/2) / n)`.
#[must_use]
pub fn nodes(interval: Interval, n: usize) -> Vec<f64> {
    (0..n)
        .map(|j| interval.from_unit(unit_node(j, n)))
        .collect()
}

/// `cos(π (j + 1/2) / n)`, by a sine that is odd about the middle so that nodes are symmetric.
fn unit_node(j: usize, n: usize) -> f64 {
    let odd = n as i64 - 1 - 2 * j as i64;
    (PI * odd as f64 / (2 * n) as f64).sin()
}

/// The polynomial of the given degree that equals `f` at the zeros of `T_{degree + 1}`.
///
/// Its error is at most `2 + (2/π) ln(degree + 1)` times that of the best polynomial (Trefethen,
/// Approximation Theory and Approximation Practice, chapter 15). Coefficients below the rounding
/// error of the samples are set to zero, so that odd and even functions on symmetric intervals give
/// odd and even polynomials. Takes `degree + 1` evaluations of `f` and `O(degree²)` operations.
///
/// # Errors
/// A degree of 0 or above [`MAX_DEGREE`], or `f` is not finite at a node.
pub fn interpolate(
    f: impl Fn(f64) -> f64,
    interval: Interval,
    degree: usize,
) -> Result<Polynomial> {
    check_degree(degree)?;
    let n = degree + 1;
    let values = samples(&f, interval, n)?;
    let coefficients = cosine_transform(&values, n);
    Ok(Polynomial::chebyshev(interval, coefficients)?.chopped(rounding(&values)))
}

/// The Chebyshev series of `f` up to the given degree: `cₖ = (2/π) ∫ f Tₖ / √(1 - u²) du`.
///
/// Its error is at most `4 + (4/π²) ln degree` times that of the best polynomial (Trefethen, chapter 15). The integrals
/// are the discrete cosine transform of `f` at Chebyshev nodes, whose number is doubled until the coefficients stay
/// within rounding, at most to 16384: what is left then, for functions with kinks, is some `10⁻⁸` of them. Small
/// coefficients are set to zero as by [`interpolate`].
///
/// # Errors
/// As [`interpolate`].
pub fn truncate(f: impl Fn(f64) -> f64, interval: Interval, degree: usize) -> Result<Polynomial> {
    check_degree(degree)?;
    let n = degree + 1;
    let mut points = 4 * n;
    let mut coefficients = cosine_transform(&samples(&f, interval, points)?, n);
    loop {
        points *= 2;
        let values = samples(&f, interval, points)?;
        let finer = cosine_transform(&values, n);
        let change = finer
            .iter()
            .zip(&coefficients)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        coefficients = finer;
        if change <= rounding(&values) || points >= MOST_SERIES_POINTS {
            return Ok(Polynomial::chebyshev(interval, coefficients)?.chopped(rounding(&values)));
        }
    }
}

/// `f` at the zeros of `T_points`.
fn samples(f: &impl Fn(f64) -> f64, interval: Interval, points: usize) -> Result<Vec<f64>> {
    nodes(interval, points)
        .into_iter()
        .map(|x| {
            let value = f(x);
            if value.is_finite() {
                Ok(value)
            } else {
                Err(Error::NotFinite { at: x, value })
            }
        })
        .collect()
}

/// The first `count` coefficients of the polynomial with these values at the zeros of `T_values`.
fn cosine_transform(values: &[f64], count: usize) -> Vec<f64> {
    let n = values.len();
    // Table of cos(π m / 2n): the angles of the transform are multiples of π / 2n.
    let cosines: Vec<f64> = (0..4 * n)
        .map(|m| (PI * m as f64 / (2 * n) as f64).cos())
        .collect();
    (0..count)
        .map(|k| {
            let sum: f64 = values
                .iter()
                .enumerate()
                .map(|(j, v)| v * cosines[k * (2 * j + 1) % (4 * n)])
                .sum();
            sum * if k == 0 { 1.0 } else { 2.0 } / n as f64
        })
        .collect()
}

/// Each coefficient is a mean of samples with rounding errors of a few ulp.
fn rounding(values: &[f64]) -> f64 {
    4.0 * f64::EPSILON * values.iter().fold(0.0, |m: f64, v| m.max(v.abs()))
}

pub(crate) fn check_degree(degree: usize) -> Result<()> {
    if (1..=MAX_DEGREE).contains(&degree) {
        Ok(())
    } else {
        Err(Error::Degree {
            degree,
            max: MAX_DEGREE,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Parity;
    use proptest::prelude::*;

    #[test]
    fn exponential_converges_to_machine_precision() {
        let i = Interval::try_new(-2.0, 3.0).unwrap();
        let p = interpolate(f64::exp, i, 25).unwrap();
        for k in 0..=100 {
            let x = -2.0 + 0.05 * f64::from(k);
            assert!((p.eval(x) - x.exp()).abs() < 1e-13, "{x}");
        }
    }

    #[test]
    fn parity_is_exact() {
        let i = Interval::symmetric(5.0).unwrap();
        assert_eq!(interpolate(f64::tanh, i, 31).unwrap().parity(), Parity::Odd);
        assert_eq!(interpolate(f64::abs, i, 31).unwrap().parity(), Parity::Even);
    }

    /// |x| = 2/π - (4/π) Σ (-1)ᵏ T₂ₖ / (4k² - 1), and e^u = I₀(1) + 2 Σ Iₖ(1) Tₖ.
    #[test]
    fn known_series() {
        let p = truncate(f64::abs, Interval::UNIT, 9).unwrap();
        assert_eq!((p.degree(), p.parity()), (8, Parity::Even));
        for (k, c) in p.coefficients().iter().enumerate().step_by(2) {
            let (h, sign) = ((k * k) as f64, if k % 4 == 0 { -1.0 } else { 1.0 });
            let expected = if k == 0 {
                2.0 / PI
            } else {
                sign * 4.0 / (PI * (h - 1.0))
            };
            assert!((c - expected).abs() < 1e-8, "{k}: {c} {expected}");
        }
        let bessel = [
            1.266_065_877_752_008_4,
            0.565_159_103_992_485,
            0.135_747_669_767_038_3,
        ];
        let p = truncate(f64::exp, Interval::UNIT, 2).unwrap();
        for (k, (c, b)) in p.coefficients().iter().zip(bessel).enumerate() {
            assert!(
                (c - if k == 0 { b } else { 2.0 * b }).abs() < 1e-15,
                "{k}: {c}"
            );
        }
    }

    #[test]
    fn misuse_is_refused() {
        assert!(matches!(
            interpolate(f64::sin, Interval::UNIT, 0),
            Err(Error::Degree { .. })
        ));
        assert!(matches!(
            interpolate(f64::sin, Interval::UNIT, MAX_DEGREE + 1),
            Err(Error::Degree { .. })
        ));
        let i = Interval::try_new(-1.0, 2.0).unwrap();
        assert!(matches!(
            interpolate(f64::ln, i, 5),
            Err(Error::NotFinite { .. })
        ));
    }

    proptest! {
        #[test]
        fn polynomials_are_reproduced(
            c in prop::collection::vec(-1.0..1.0f64, 2..40),
            extra in 0usize..5,
            u in -1.0..=1.0f64,
        ) {
            let p = Polynomial::chebyshev(Interval::symmetric(3.0).unwrap(), c).unwrap();
            let q = interpolate(|x| p.eval(x), p.interval(), p.degree().max(1) + extra).unwrap();
            prop_assert!((p.eval(3.0 * u) - q.eval(3.0 * u)).abs() < 1e-11);
        }
    }
}
