//! `gain · exp(x - shift)` with a small relative error, by a polynomial and squarings.
//!
//! `exp(x) = exp(x / 2^s)^(2^s)`: a polynomial of low degree is good on the range divided by `2^s`, and each squaring
//! doubles its relative error. Softmax needs relative errors: values of all sizes are divided by their sum.

use std::fmt;

use crate::reciprocal::{check_target, price};
use crate::relative::Relative;
use crate::{Dd, Error, EvaluationPlan, Interval, Polynomial, Result};

/// Most squarings.
const MAX_SQUARINGS: usize = 12;
/// Most levels of the polynomial; more squarings are cheaper than a sixth.
const MAX_LEVELS: usize = 5;
/// Its largest degree.
const MAX_DEGREE: usize = (1 << MAX_LEVELS) - 1;

/// Largest width of the range of the polynomial: `e⁻¹⁶` is 10⁻⁷ and known to nine digits next to 1.
const MAX_SPAN: f64 = 16.0;

/// How an exponential is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExponentialMethod {
    /// Degree of the polynomial for `exp(x / 2^squarings)`.
    pub degree: usize,
    /// Squarings after it.
    pub squarings: usize,
}

impl fmt::Display for ExponentialMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.squarings {
            0 => write!(f, "degree {}", self.degree),
            s => write!(f, "degree {} and {s} squarings", self.degree),
        }
    }
}

/// A plan for `gain · exp(x - shift)` with its error.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponential {
    /// The plan, on the range.
    pub plan: EvaluationPlan,
    /// A bound of `|y / (gain · exp(x - shift)) - 1|` over the range, in exact arithmetic.
    pub relative_error: f64,
    /// How it computes.
    pub method: ExponentialMethod,
}

impl Exponential {
    /// The plan of least depth, then fewest products, whose relative error is at most `target`.
    ///
    /// # Errors
    /// A target that is not positive, below the precision of doubles, or not reached; a gain that is not positive and
    /// finite; a shift so far from the range that the values overflow.
    ///
    /// ```
    /// use girih_polyfit::{Interval, exponential::Exponential};
    /// let exp = Exponential::for_error(Interval::try_new(-8.0, 8.0)?, 8.0, 1.0, 1e-4)?;
    /// assert!((exp.plan.eval(-8.0) / (-16f64).exp() - 1.0).abs() < 1e-4);
    /// # Ok::<(), girih_polyfit::Error>(())
    /// ```
    pub fn for_error(range: Interval, shift: f64, gain: f64, target: f64) -> Result<Self> {
        check_target(target)?;
        let mut best: Option<Exponential> = None;
        let mut reached = (f64::INFINITY, MAX_DEGREE);
        for squarings in 0..=MAX_SQUARINGS {
            let mut meets = |degree: usize| {
                let method = ExponentialMethod { degree, squarings };
                let candidate = Self::with_method(range, shift, gain, method).ok()?;
                if candidate.relative_error < reached.0 {
                    reached = (candidate.relative_error, degree);
                }
                (candidate.relative_error <= target).then_some(candidate)
            };
            for levels in 1..=MAX_LEVELS {
                if best
                    .as_ref()
                    .is_some_and(|b| price(&b.plan).0 < levels + squarings)
                {
                    break;
                }
                let Some(mut candidate) = meets((1 << levels) - 1) else {
                    continue;
                };
                // The smallest degree of so many levels.
                let (mut fails, mut degree) = ((1 << (levels - 1)) - 1, (1 << levels) - 1);
                while fails + 1 < degree {
                    let middle = usize::midpoint(fails, degree);
                    match meets(middle) {
                        Some(smaller) => (degree, candidate) = (middle, smaller),
                        None => fails = middle,
                    }
                }
                if best
                    .as_ref()
                    .is_none_or(|b| price(&candidate.plan) < price(&b.plan))
                {
                    best = Some(candidate);
                }
                break;
            }
        }
        best.ok_or(Error::Target {
            target,
            reached: reached.0,
            degree: reached.1,
        })
    }

    /// A polynomial of the given degree for `exp((x - shift) / 2^squarings)`, then the squarings.
    ///
    /// # Errors
    /// A degree of 0 or above the largest; more than 12 squarings; a gain that is not positive and finite; values that
    /// overflow or vanish; a range that is still wider than 16 after the division; a polynomial that is not positive on the range (take a larger degree or more squarings).
    pub fn with_method(
        range: Interval,
        shift: f64,
        gain: f64,
        method: ExponentialMethod,
    ) -> Result<Self> {
        if !(gain > 0.0 && gain.is_finite()) {
            return Err(Error::Coefficient {
                index: 0,
                value: gain,
            });
        }
        if method.squarings > MAX_SQUARINGS {
            return Err(Error::Iterations {
                iterations: method.squarings,
                max: MAX_SQUARINGS,
            });
        }
        let share = 0.5f64.powi(method.squarings as i32);
        let span = 2.0 * range.radius() * share;
        if span > MAX_SPAN {
            return Err(Error::Interval { lo: -span, hi: 0.0 });
        }
        // The gain goes into the exponent: what is squared stays of moderate size.
        let offset = gain.ln() - shift;
        let f = |x: f64| ((x + offset) * share).exp();
        let exact = |x: Dd| ((x + offset) * share).exp();
        let (p, error) = Relative::new(range, f, exact).fit(method.degree)?;
        let unit = Polynomial::chebyshev(Interval::UNIT, p.coefficients().to_vec())?;
        let mut plan = EvaluationPlan::new(range);
        let mut y = plan.push_polynomial(plan.input(), unit)?;
        for _ in 0..method.squarings {
            y = plan.push_product(y, y);
        }
        Ok(Exponential {
            plan,
            relative_error: (error.ln_1p() / share).exp_m1(),
            method,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn misuse_is_refused() {
        let range = Interval::try_new(-50.0, 0.0).unwrap();
        for gain in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Exponential::for_error(range, 0.0, gain, 1e-3).is_err());
        }
        assert!(Exponential::for_error(range, 0.0, 1.0, 0.0).is_err());
        assert!(matches!(
            Exponential::for_error(range, 0.0, 1.0, 1e-15),
            Err(Error::Target { .. })
        ));
        let method = ExponentialMethod {
            degree: 3,
            squarings: 13,
        };
        assert!(Exponential::with_method(range, 0.0, 1.0, method).is_err());
        let method = ExponentialMethod {
            degree: 3,
            squarings: 0,
        };
        assert!(Exponential::with_method(range, 0.0, 1.0, method).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn relative_errors_hold(
            lo in -40.0..10.0f64,
            width in 0.1..60.0f64,
            gain in 0.01..10.0f64,
            digits in 1..7i32,
        ) {
            let range = Interval::try_new(lo, lo + width).unwrap();
            let target = 10f64.powi(-digits);
            let e = Exponential::for_error(range, range.hi(), gain, target).unwrap();
            prop_assert!(e.relative_error <= target);
            for k in 0..=500 {
                let x = range.from_unit(-1.0 + f64::from(k) / 250.0);
                let exact = gain * (x - range.hi()).exp();
                prop_assert!((e.plan.eval(x) / exact - 1.0).abs() <= e.relative_error + 1e-9, "{x}");
            }
        }
    }
}
