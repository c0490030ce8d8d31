//! Certificates: what can be relied on when a polynomial or a plan replaces a function.
//!
//! The bound of the error is rigorous. Between the points of a grid a polynomial cannot rise above a factor next to one
//! (Ehlich and Zeller 1964), and how near polynomials come to the function at all follows from its size in the
//! complex plane (Bernstein's ellipse); values are taken in double-double arithmetic with bounds of their rounding.
//! What is relied on is the accuracy of the functions in [`dd`](crate::dd), which are tested to `10⁻³⁰`. The bound
//! is about one part in a thousand above the largest error that is attained; [`Certificate::gap`] says how much.
//!
//! All bounds are those of the polynomial in exact arithmetic; what noise and the rounding of coefficients add is
//! [`noise_gain`](Certificate::noise_gain) times the noise and [`quantization`](Certificate::quantization).

use std::fmt;

use crate::{Basis, Dd, Domain, EvaluationPlan, Function, Interval, Polynomial, Result};

mod analytic;
mod grid;
mod values;

use grid::{Approximation, Bound, Bounded, supremum};

/// Points of the first look at the error, for each interval without breaks.
const FIRST_LOOK: usize = 96;
/// Errors below this share of the function are not resolved further.
const RESOLVED: f64 = 1e-26;
/// Points on either side of the range, for the behaviour outside.
const OUTSIDE_POINTS: usize = 200;

/// The error of a [`Polynomial`] against a [`Function`] on a [`Domain`], and its sensitivity.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// The function.
    pub function: Function,
    /// Where the bounds hold.
    pub domain: Domain,
    /// The polynomial.
    pub polynomial: Polynomial,
    /// An upper bound of `max |f - p|` on the domain; infinite if the range is thousands of times the features of the
    /// function, so that no bound was found with reasonable effort.
    pub error_bound: f64,
    /// The largest `|f - p|` that was seen.
    pub observed: f64,
    /// Where.
    pub at: f64,
    /// `Σ |cₖ|` in the basis of the polynomial.
    pub coefficient_sum: f64,
    /// An upper bound of `max |p'|` on the domain: noise of the input comes out at most this many times larger.
    pub noise_gain: f64,
}

/// What rounding the coefficients to multiples of `2⁻ᵏ` changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// The `k`.
    pub bits: u32,
    /// An upper bound of the change on the domain for any coefficients: half a unit for each that is not zero,
    /// times its basis polynomial.
    pub bound: f64,
    /// An upper bound of the change on the domain for these coefficients.
    pub change: f64,
    /// The polynomial with rounded coefficients.
    pub polynomial: Polynomial,
}

/// The behaviour of a polynomial outside its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside {
    /// The half width of the range times this.
    pub factor: f64,
    /// The largest `|p|` found there, and at the ends of the range.
    pub magnitude: f64,
    /// The largest `|p - f|` found there; `None` if the function is not defined everywhere.
    pub error: Option<f64>,
}

/// How a bound for a plan came about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Rigorous, as for a polynomial.
    Bound,
    /// The degree of the plan as one polynomial is too large for a grid: the largest error found on grid points
    /// with the given largest distance. No bound.
    Search {
        /// Largest distance of neighbouring grid points.
        resolution: f64,
    },
}

/// The error of an [`EvaluationPlan`] against a [`Function`] on a [`Domain`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlanCertificate {
    /// The function.
    pub function: Function,
    /// Where the bounds hold.
    pub domain: Domain,
    /// An upper bound of `max |f - plan|` on the domain, or the largest error found: see `method`.
    pub error_bound: f64,
    /// What kind of bound it is.
    pub method: Method,
    /// The largest `|f - plan|` that was seen.
    pub observed: f64,
    /// Where.
    pub at: f64,
    /// The degree of the plan as one polynomial.
    pub degree: usize,
    /// `max |plan'|` on the domain, as `error_bound`: a bound, or the largest value found.
    pub noise_gain: f64,
}

impl Certificate {
    /// Bounds for `polynomial` on `domain`. The cost is about `40 · degree` evaluations of the function and the
    /// polynomial in double-double arithmetic for each of a few intervals: 30 milliseconds at degree 31.
    ///
    /// # Errors
    /// As [`Function::check`].
    pub fn new(
        polynomial: &Polynomial,
        function: Function,
        domain: impl Into<Domain>,
    ) -> Result<Self> {
        let domain = domain.into();
        function.check(&domain)?;
        let eval = |x: Dd| {
            values::polynomial(
                polynomial,
                &Bounded {
                    value: x,
                    error: 0.0,
                },
            )
        };
        let bound = error_bound(&eval, polynomial.degree(), function, &domain);
        let derivative = polynomial.derivative();
        Ok(Certificate {
            function,
            error_bound: bound.bound,
            observed: bound.observed,
            at: bound.at,
            coefficient_sum: polynomial.coefficients().iter().map(|c| c.abs()).sum(),
            noise_gain: polynomial_bound(&derivative, &domain),
            polynomial: polynomial.clone(),
            domain,
        })
    }

    /// How far the bound is above the largest error that was seen, relative to it.
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.error_bound / self.observed - 1.0
    }

    /// The effect of rounding every coefficient to a multiple of `2^-bits`.
    ///
    /// # Errors
    /// More bits than make a finite number (1023).
    pub fn quantization(&self, bits: u32) -> Result<Quantization> {
        let (p, unit) = (
            &self.polynomial,
            2f64.powi(i32::try_from(bits).unwrap_or(i32::MAX)),
        );
        let (c, interval) = (p.coefficients(), p.interval());
        // (Numbers of 2⁵³ units and more are multiples already.)
        let round = |c: f64| {
            if (c * unit).abs() < 2f64.powi(53) {
                (c * unit).round() / unit
            } else {
                c
            }
        };
        let rounded: Vec<f64> = c.iter().map(|&c| round(c)).collect();
        let difference: Vec<f64> = c.iter().zip(&rounded).map(|(a, b)| b - a).collect();
        let far = |f: &dyn Fn(Interval) -> f64| {
            self.domain
                .intervals()
                .iter()
                .map(|&i| f(i))
                .fold(0.0, f64::max)
        };
        let argument = far(&|i| match p.basis() {
            Basis::Power => i.lo().abs().max(i.hi().abs()),
            Basis::Chebyshev => interval
                .to_unit(i.lo())
                .abs()
                .max(interval.to_unit(i.hi()).abs()),
        });
        let size = |k: usize| match p.basis() {
            Basis::Power => argument.powi(k as i32),
            // Rounding may leave the ends just outside of [-1, 1], where Tₖ is cosh(k arcosh u).
            Basis::Chebyshev => (k as f64 * argument.max(1.0).acosh()).cosh(),
        };
        let bound = c
            .iter()
            .enumerate()
            .filter(|(_, c)| **c != 0.0)
            .map(|(k, _)| size(k) / (2.0 * unit))
            .sum();
        let make = |c: Vec<f64>| match p.basis() {
            Basis::Power => Polynomial::power(interval, c),
            Basis::Chebyshev => Polynomial::chebyshev(interval, c),
        };
        Ok(Quantization {
            bits,
            bound,
            change: polynomial_bound(&make(difference)?, &self.domain),
            polynomial: make(rounded)?,
        })
    }

    /// The polynomial on the two sides of the hull of the domain, up to `factor` times its half width from the
    /// centre: a search on 200 points on either side, denser towards the far ends. A factor of at most 1 gives the
    /// ends of the range.
    #[must_use]
    pub fn outside(&self, factor: f64) -> Outside {
        let hull = self.domain.hull();
        let (mut magnitude, mut error) = (0.0f64, Some(0.0f64));
        for k in 0..=OUTSIDE_POINTS {
            let share = (k as f64 / OUTSIDE_POINTS as f64).sqrt();
            let distance = hull.radius() * (1.0 + (factor - 1.0).max(0.0) * share);
            for x in [hull.center() - distance, hull.center() + distance] {
                let (p, f) = (self.polynomial.eval(x), self.function.eval(x));
                magnitude = magnitude.max(p.abs());
                error = error
                    .filter(|_| f.is_finite())
                    .map(|e| e.max((p - f).abs()));
            }
        }
        Outside {
            factor,
            magnitude,
            error,
        }
    }
}

impl fmt::Display for Certificate {
    /// Error, sensitivity, quantisation at 20 to 40 bits, and growth outside, in six lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} on {} by degree {}",
            self.function,
            self.domain,
            self.polynomial.degree()
        )?;
        writeln!(
            f,
            "  error        at most {:.4e} (seen {:.4e} at {:.6})",
            self.error_bound, self.observed, self.at
        )?;
        writeln!(
            f,
            "  coefficients sum of magnitudes {:.4e}",
            self.coefficient_sum
        )?;
        writeln!(
            f,
            "  noise        at most {:.4} times that of the input",
            self.noise_gain
        )?;
        write!(f, "  rounding    ")?;
        for bits in [20, 30, 40] {
            if let Ok(q) = self.quantization(bits) {
                write!(f, " 2^-{bits}: {:.1e}", q.change)?;
            }
        }
        write!(f, "\n  outside     ")?;
        for factor in [1.05, 1.1, 1.25, 1.5] {
            match self.outside(factor).error {
                Some(error) => write!(f, " {factor}: {error:.1e}")?,
                None => write!(f, " {factor}: undefined")?,
            }
        }
        Ok(())
    }
}

impl PlanCertificate {
    /// Bounds for `plan` on `domain`: as for a polynomial of the degree that the plan has if it is multiplied out.
    ///
    /// # Errors
    /// As [`Function::check`].
    pub fn new(
        plan: &EvaluationPlan,
        function: Function,
        domain: impl Into<Domain>,
    ) -> Result<Self> {
        let domain = domain.into();
        function.check(&domain)?;
        let degree = values::degree(plan);
        let eval = |x: Dd| values::plan(plan, x);
        let bound = error_bound(&eval, degree, function, &domain);
        let derivatives = values::derivatives(plan);
        let gain = domain
            .intervals()
            .iter()
            .map(|i| {
                let mut slope = |x: Dd| values::derivative(plan, &derivatives, x.to_f64());
                supremum(&mut slope, (i.lo(), i.hi()), degree)
            })
            .fold(Bound::none(), Bound::join);
        let rigorous = bound.bound.is_finite();
        Ok(PlanCertificate {
            function,
            domain,
            error_bound: if rigorous {
                bound.bound
            } else {
                bound.observed
            },
            method: if rigorous {
                Method::Bound
            } else {
                Method::Search {
                    resolution: bound.resolution,
                }
            },
            observed: bound.observed,
            at: bound.at,
            degree,
            noise_gain: if rigorous { gain.bound } else { gain.observed },
        })
    }
}

/// `max |f - p|` over the domain, interval by interval between breaks.
fn error_bound(eval: &dyn Fn(Dd) -> Bounded, degree: usize, f: Function, domain: &Domain) -> Bound {
    let mut pieces = Vec::new();
    for interval in domain.intervals() {
        let mut lo = interval.lo();
        for &b in f.breaks() {
            if lo < b && b < interval.hi() {
                pieces.push((lo, b));
                lo = b;
            }
        }
        pieces.push((lo, interval.hi()));
    }
    // A first look, for the error that has to be resolved.
    let (mut seen, mut size) = (Bound::none(), 0.0f64);
    for &(lo, hi) in &pieces {
        for k in 0..=FIRST_LOOK {
            let angle = std::f64::consts::PI * k as f64 / FIRST_LOOK as f64;
            let x = Dd::from(((lo + hi) / 2.0 + (hi - lo) / 2.0 * angle.cos()).clamp(lo, hi));
            let value = f.eval_dd(x);
            size = size.max(value.hi().abs());
            let e = (value - eval(x).value).to_f64().abs();
            let e = if e.is_nan() { f64::INFINITY } else { e };
            seen = seen.join(Bound {
                observed: e,
                at: x.to_f64(),
                ..Bound::none()
            });
        }
    }
    let expected = seen.observed.max(RESOLVED * size);
    let approximation = Approximation::new(eval, degree);
    pieces
        .iter()
        .map(|&(lo, hi)| approximation.error(f, lo, hi, expected))
        .fold(seen, Bound::join)
}

/// An upper bound of `|p|` on the domain.
fn polynomial_bound(p: &Polynomial, domain: &Domain) -> f64 {
    domain
        .intervals()
        .iter()
        .map(|i| {
            let mut rounding = 0.0f64;
            let mut value = |x: Dd| {
                let v = values::polynomial(
                    p,
                    &Bounded {
                        value: x,
                        error: 0.0,
                    },
                );
                rounding = rounding.max(v.error);
                v.value.to_f64()
            };
            let found = supremum(&mut value, (i.lo(), i.hi()), p.degree());
            found.bound + 2.0 * rounding
        })
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests;
