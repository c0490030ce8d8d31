//! From a named function and a range to a polynomial with its error.

use crate::accuracy::{Accuracy, max_error};
use crate::chebyshev::interpolate;
use crate::{Error, Function, Interval, Polynomial, Result};

/// Largest degree that [`fit_for_error`] tries (depth 8).
pub const MAX_FIT_DEGREE: usize = 255;

/// A polynomial that replaces a function, and how well.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The function replaced.
    pub function: Function,
    /// The polynomial, in the Chebyshev basis of the range.
    pub polynomial: Polynomial,
    /// The largest error on the range, as found.
    pub accuracy: Accuracy,
}

impl Fit {
    /// A verified bound of the error on the range (see [`Accuracy::bound`]), from the slopes of the
    /// function and of the polynomial.
    #[must_use]
    pub fn error_bound(&self) -> f64 {
        let slope = self.function.slope(self.polynomial.interval())
            + self.polynomial.derivative().magnitude();
        self.accuracy.bound(slope)
    }
}

/// The Chebyshev interpolant of `function` on `range`.
///
/// # Errors
/// A degree of 0 or above the largest, or a range on which the function overflows.
pub fn fit(function: Function, range: Interval, degree: usize) -> Result<Fit> {
    let polynomial = interpolate(|x| function.eval(x), range, degree)?;
    let accuracy = max_error(|x| function.eval(x), &polynomial, range)?;
    Ok(Fit {
        function,
        polynomial,
        accuracy,
    })
}

/// The fit of smallest degree, up to [`MAX_FIT_DEGREE`], with an error of at most `target`.
///
/// # Errors
/// The target is not positive, or not reached.
pub fn fit_for_error(function: Function, range: Interval, target: f64) -> Result<Fit> {
    let mut best: Option<Fit> = None;
    let mut found = None;
    if target > 0.0 {
        // Errors fall with the degree but not at every step (parity): bracket by doubling, then scan.
        let mut below = 0;
        while below < MAX_FIT_DEGREE && found.is_none() {
            let degree = 2 * below + 1;
            let candidate = fit(function, range, degree)?;
            if candidate.accuracy.max_error <= target {
                found = Some((below, candidate));
            } else if best
                .as_ref()
                .is_none_or(|b| candidate.accuracy.max_error < b.accuracy.max_error)
            {
                best = Some(candidate);
            }
            below = degree;
        }
    }
    let Some((below, upper)) = found else {
        let (reached, degree) = best.map_or((f64::INFINITY, 0), |b| {
            (b.accuracy.max_error, b.polynomial.degree())
        });
        return Err(Error::Target {
            target,
            reached,
            degree,
        });
    };
    for degree in below + 1..upper.polynomial.degree() {
        let candidate = fit(function, range, degree)?;
        if candidate.accuracy.max_error <= target {
            return Ok(candidate);
        }
    }
    Ok(upper)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(function: Function, bound: f64, degree: usize) -> f64 {
        fit(function, Interval::symmetric(bound).unwrap(), degree)
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
            let e = error(Function::Gelu, bound, degree);
            assert!(
                e < 1.3 * expected && e > 0.7 * expected,
                "B={bound} d={degree}: {e:e}"
            );
        }
    }

    /// Bernstein: the best even polynomial of degree n misses |x| on [-1, 1] by 0.2802/n; half of it
    /// for relu, and an interpolant is worse by a small factor.
    #[test]
    fn relu_is_near_the_best() {
        for degree in [15, 31, 63] {
            let best = 8.0 * 0.2802 / 2.0 / f64::from(degree - 1);
            let e = error(Function::Relu, 8.0, degree as usize);
            assert!(e > best * 0.9 && e < 4.0 * best, "{degree}: {e} {best}");
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
            assert!(error(function, 6.0, d - 1) > 1e-4, "{function} {d}");
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
            fit(Function::Exp, wide, 7),
            Err(Error::NotFinite { .. })
        ));
    }
}
