//! From a named function and a range to a polynomial with its error.

use crate::accuracy::{Accuracy, max_error};
use crate::chebyshev::{interpolate, truncate};
use crate::{Certificate, Error, Function, Interval, MAX_REMEZ_DEGREE, Polynomial, Remez, Result};

/// Largest degree that [`fit_for_error`] tries (depth 8).
pub const MAX_FIT_DEGREE: usize = 255;
/// Relative gap at which the exchange of a fit ends: far below what its coefficients in double precision resolve.
const EXCHANGE_TOLERANCE: f64 = 1e-10;

/// How a polynomial is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FitMethod {
    /// Equal to the function at Chebyshev nodes: [`interpolate`].
    Interpolation,
    /// The Chebyshev series up to the degree: [`truncate`].
    Truncation,
    /// The smallest largest error: [`Remez`].
    Minimax,
}

/// A polynomial that replaces a function, and how well.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The function replaced.
    pub function: Function,
    /// The polynomial, in the Chebyshev basis of the range.
    pub polynomial: Polynomial,
    /// The largest error on the range, as found.
    pub accuracy: Accuracy,
    /// How the polynomial was chosen.
    pub method: FitMethod,
}

impl Fit {
    /// A rigorous bound of the error on the range, about one part in a thousand above the largest error: that of the
    /// [`certificate`](Self::certificate).
    #[must_use]
    pub fn error_bound(&self) -> f64 {
        // The function has been checked on the range when it was fitted.
        self.certificate().map_or(f64::INFINITY, |c| c.error_bound)
    }

    /// Bounds of the error and of the sensitivity.
    ///
    /// # Errors
    /// As [`Function::check`], if the fields have been changed.
    pub fn certificate(&self) -> Result<Certificate> {
        Certificate::new(&self.polynomial, self.function, self.polynomial.interval())
    }
}

/// The best polynomial for `function` on `range`: minimax, or the Chebyshev interpolant where that is as good (at
/// degrees that exhaust double precision, and above [`MAX_REMEZ_DEGREE`]).
///
/// # Errors
/// A degree of 0 or above the largest; a range with a pole, branch point or jump, or on which the function overflows.
pub fn fit(function: Function, range: Interval, degree: usize) -> Result<Fit> {
    let interpolant = fit_with(FitMethod::Interpolation, function, range, degree)?;
    if degree > MAX_REMEZ_DEGREE {
        return Ok(interpolant);
    }
    match fit_with(FitMethod::Minimax, function, range, degree) {
        Ok(best) if best.accuracy.max_error <= interpolant.accuracy.max_error => Ok(best),
        Ok(_) | Err(Error::PrecisionExhausted { .. } | Error::NoConvergence { .. }) => {
            Ok(interpolant)
        }
        Err(e) => Err(e),
    }
}

/// The polynomial for `function` on `range` by the given method.
///
/// # Errors
/// As [`fit`]; for the minimax method also a degree whose error double-double arithmetic does not resolve.
pub fn fit_with(
    method: FitMethod,
    function: Function,
    range: Interval,
    degree: usize,
) -> Result<Fit> {
    function.check(&range.into())?;
    let f = |x| function.eval(x);
    let polynomial = match method {
        FitMethod::Interpolation => interpolate(f, range, degree)?,
        FitMethod::Truncation => truncate(f, range, degree)?,
        FitMethod::Minimax => {
            let remez = Remez::function(function, range, degree)?;
            remez.tolerance(EXCHANGE_TOLERANCE).solve()?.polynomial
        }
    };
    let accuracy = max_error(f, &polynomial, range)?;
    Ok(Fit {
        function,
        polynomial,
        accuracy,
        method,
    })
}

/// The fit of smallest degree, up to [`MAX_FIT_DEGREE`], with an error of at most `target`.
///
/// Minimax errors do not rise with the degree, so the degree is found by doubling and bisection. Interpolants
/// decide most steps: their error is at least that of the best polynomial and at most `2 + (2/π) ln(degree + 1)`
/// times it.
///
/// # Errors
/// The target is not positive, or not reached; as [`fit`].
pub fn fit_for_error(function: Function, range: Interval, target: f64) -> Result<Fit> {
    function.check(&range.into())?;
    let mut best: Option<(f64, usize)> = None;
    // The fit, if it reaches the target.
    let mut reaches = |degree: usize| -> Result<Option<Fit>> {
        let interpolant = fit_with(FitMethod::Interpolation, function, range, degree)?;
        let error = interpolant.accuracy.max_error;
        let constant = 2.0 + std::f64::consts::FRAC_2_PI * (degree as f64 + 1.0).ln();
        if error > constant * target && degree < MAX_FIT_DEGREE {
            return Ok(None);
        }
        let fitted = if error <= target {
            interpolant
        } else {
            fit(function, range, degree)?
        };
        let error = fitted.accuracy.max_error;
        if best.is_none_or(|b| error < b.0) {
            best = Some((error, degree));
        }
        Ok((error <= target).then_some(fitted))
    };
    let mut found = None;
    let mut below = 0;
    if target > 0.0 {
        while below < MAX_FIT_DEGREE && found.is_none() {
            let degree = 2 * below + 1;
            found = reaches(degree)?.map(|fitted| (degree, fitted));
            if found.is_none() {
                below = degree;
            }
        }
    }
    let Some((mut degree, mut fitted)) = found else {
        let (reached, degree) = best.unwrap_or((f64::INFINITY, 0));
        return Err(Error::Target {
            target,
            reached,
            degree,
        });
    };
    while degree - below > 1 {
        let middle = below + (degree - below) / 2;
        match reaches(middle)? {
            Some(better) => (degree, fitted) = (middle, better),
            None => below = middle,
        }
    }
    // The interpolant may have been enough to decide.
    if fitted.method == FitMethod::Interpolation {
        fitted = fit(function, range, degree)?;
    }
    Ok(fitted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(method: FitMethod, function: Function, bound: f64, degree: usize) -> f64 {
        fit_with(
            method,
            function,
            Interval::symmetric(bound).unwrap(),
            degree,
        )
        .unwrap()
        .accuracy
        .max_error
    }

    /// Largest errors of plain Chebyshev fits of gelu, known to two digits or one.
    #[test]
    fn gelu_errors() {
        for (bound, degree, expected) in [
            (5.0, 15, 2e-3),
            (5.0, 27, 4.5e-7),
            (8.0, 27, 5.6e-4),
            (8.0, 31, 9.2e-5),
            (12.0, 59, 8.8e-7),
        ] {
            let e = error(FitMethod::Interpolation, Function::Gelu, bound, degree);
            assert!(
                e < 1.3 * expected && e > 0.7 * expected,
                "B={bound} d={degree}: {e:e}"
            );
        }
    }

    /// Bernstein: the best even polynomial of degree n misses |x| on [-1, 1] by 0.2802/n; half of it
    /// for relu, and the others are worse by a small factor.
    #[test]
    fn relu_is_near_the_best() {
        for degree in [15, 31, 63] {
            let best = 8.0 * 0.2802 / 2.0 / f64::from(degree - 1);
            let e = |method| error(method, Function::Relu, 8.0, degree as usize);
            let minimax = e(FitMethod::Minimax);
            assert!(
                (minimax / best - 1.0).abs() < 0.01,
                "{degree}: {minimax} {best}"
            );
            for method in [FitMethod::Interpolation, FitMethod::Truncation] {
                assert!(
                    e(method) > best && e(method) < 4.0 * best,
                    "{method:?} {degree}"
                );
            }
        }
    }

    #[test]
    fn smallest_degree_for_a_target() {
        let range = Interval::symmetric(6.0).unwrap();
        for function in [
            Function::Sigmoid,
            Function::Tanh,
            Function::Gelu,
            Function::Silu,
            Function::Softplus,
            Function::Exp,
        ] {
            let fitted = fit_for_error(function, range, 1e-4).unwrap();
            assert!(fitted.accuracy.max_error <= 1e-4);
            assert!(fitted.error_bound() >= fitted.accuracy.max_error);
            let d = fitted.polynomial.degree();
            assert!(
                error(FitMethod::Minimax, function, 6.0, d - 1) > 1e-4,
                "{function} {d}"
            );
        }
    }

    #[test]
    fn targets_out_of_reach_are_refused() {
        let range = Interval::symmetric(8.0).unwrap();
        match fit_for_error(Function::Relu, range, 1e-6) {
            Err(Error::Target {
                reached, degree, ..
            }) => {
                assert!(
                    reached > 1e-6 && reached < 0.02 && degree > 200,
                    "{reached} {degree}"
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            fit_for_error(Function::Exp, range, 0.0),
            Err(Error::Target { .. })
        ));
        assert!(matches!(
            fit_for_error(Function::Exp, range, f64::NAN),
            Err(Error::Target { .. })
        ));
        let wide = Interval::symmetric(800.0).unwrap();
        assert!(matches!(
            fit(Function::Log, range, 7),
            Err(Error::Singular { kind: "pole", .. })
        ));
        assert!(matches!(
            fit_for_error(Function::Sign, range, 0.1),
            Err(Error::Singular { kind: "jump", .. })
        ));
        assert!(matches!(
            fit(Function::Exp, wide, 7),
            Err(Error::NotFinite { .. })
        ));
    }

    /// Where double precision is exhausted the interpolant is used; nothing gets worse with the degree.
    #[test]
    fn large_degrees() {
        let range = Interval::symmetric(1.0).unwrap();
        let mut last = f64::INFINITY;
        for degree in [3, 5, 8, 12, 20, 40, 63, 300] {
            let fitted = fit(Function::Exp, range, degree).unwrap();
            let e = fitted.accuracy.max_error;
            assert!(e <= last.max(5e-15), "{degree}: {e:e}");
            assert!(fitted.error_bound() < 1.002 * e + 5e-15);
            last = e;
        }
        assert_eq!(
            fit(Function::Exp, range, 300).unwrap().method,
            FitMethod::Interpolation
        );
        assert_eq!(
            fit(Function::Exp, range, 8).unwrap().method,
            FitMethod::Minimax
        );
    }
}
