//! How far a polynomial is from the function it replaces.

use std::f64::consts::PI;

use crate::{Error, Interval, Polynomial, Result};

/// Grid points per degree and at least, for the search of the largest error. The error of a fit of
/// degree `d` oscillates about `d + 2` times, so every hump holds dozens of points.
const POINTS_PER_DEGREE: usize = 64;
const POINTS_AT_LEAST: usize = 4096;
/// Steps of golden-section search around a grid maximum: the bracket shrinks by 0.618 each.
const REFINEMENTS: usize = 40;
/// Grid maxima of at least this share of the largest are refined.
const CANDIDATE: f64 = 0.9;

/// The largest error found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// `max |f - p|` over the grid, refined around its maxima.
    pub max_error: f64,
    /// Where it is.
    pub at: f64,
    /// Largest distance of neighbouring grid points: humps narrower than this may be missed.
    pub resolution: f64,
}

impl Accuracy {
    /// A verified bound of the error everywhere, for an error whose slope is at most `slope`: between
    /// two grid points it rises by at most `slope · resolution / 2`.
    #[must_use]
    pub fn bound(&self, slope: f64) -> f64 {
        self.max_error + slope * self.resolution / 2.0
    }
}

/// `max |f(x) - p(x)|` over `interval`.
///
/// The grid is that of Chebyshev extrema, ends included, with at least 64 points per degree and 4096
/// in all; around each of its large maxima a golden-section search refines.
///
/// # Errors
/// The function is not finite at a grid point.
pub fn max_error(f: impl Fn(f64) -> f64, p: &Polynomial, interval: Interval) -> Result<Accuracy> {
    let points = (POINTS_PER_DEGREE * (p.degree() + 1)).max(POINTS_AT_LEAST);
    largest(|x| f(x) - p.eval(x), &extrema_grid(interval, points))
}

/// The `points + 1` extrema of a Chebyshev polynomial of that degree on an interval, in order.
pub(crate) fn extrema_grid(interval: Interval, points: usize) -> Vec<f64> {
    (0..=points)
        .map(|i| {
            let odd = 2 * i as i64 - points as i64;
            interval.from_unit((PI * odd as f64 / (2 * points) as f64).sin())
        })
        .collect()
}

/// The largest size of a difference on a grid in order, refined around its large maxima.
pub(crate) fn largest(difference: impl Fn(f64) -> f64, grid: &[f64]) -> Result<Accuracy> {
    let errors = grid
        .iter()
        .map(|&x| match difference(x) {
            e if e.is_finite() => Ok(e.abs()),
            value => Err(Error::NotFinite { at: x, value }),
        })
        .collect::<Result<Vec<f64>>>()?;
    let (mut max_error, mut at) = (0.0, grid[0]);
    for (&x, &e) in grid.iter().zip(&errors) {
        if e > max_error {
            (max_error, at) = (e, x);
        }
    }
    let threshold = CANDIDATE * max_error;
    for i in 1..grid.len() - 1 {
        if errors[i] >= threshold && errors[i] >= errors[i - 1] && errors[i] >= errors[i + 1] {
            let error = |x: f64| difference(x).abs();
            let (x, e) = golden_section(&error, grid[i - 1], grid[i + 1]);
            if e > max_error {
                (max_error, at) = (e, x);
            }
        }
    }
    Ok(Accuracy {
        max_error,
        at,
        resolution: grid.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max),
    })
}

/// The maximum of a function with one hump on `[a, b]`.
fn golden_section(f: &impl Fn(f64) -> f64, mut a: f64, mut b: f64) -> (f64, f64) {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut c, mut d) = (b - ratio * (b - a), a + ratio * (b - a));
    let (mut fc, mut fd) = (f(c), f(d));
    for _ in 0..REFINEMENTS {
        if fc >= fd {
            (b, d, fd) = (d, c, fc);
            c = b - ratio * (b - a);
            fc = f(c);
        } else {
            (a, c, fc) = (c, d, fd);
            d = a + ratio * (b - a);
            fd = f(d);
        }
    }
    if fc >= fd { (c, fc) } else { (d, fd) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn known_maximum() {
        // |x³ - 0.75x| = |T₃| / 4 on [-1, 1]: four maxima of 1/4.
        let p = Polynomial::power(Interval::UNIT, [0.0, 0.75]).unwrap();
        let a = max_error(|x| x.powi(3), &p, Interval::UNIT).unwrap();
        assert!((a.max_error - 0.25).abs() < 1e-15);
        // |eˣ - 1 - x| on [-1, 2] is largest at the end.
        let i = Interval::try_new(-1.0, 2.0).unwrap();
        let a = max_error(f64::exp, &Polynomial::power(i, [1.0, 1.0]).unwrap(), i).unwrap();
        assert_eq!((a.max_error, a.at), (2f64.exp() - 3.0, 2.0));
    }

    #[test]
    fn bound_holds_off_the_grid() {
        // A spike of slope 1 and height 1e-4 wherever it is: the bound covers it.
        let i = Interval::UNIT;
        let zero = Polynomial::power(i, [0.0]).unwrap();
        for k in 0..200 {
            let at = -0.9 + 0.009 * f64::from(k);
            let spike = |x: f64| (1e-4 - (x - at).abs()).max(0.0);
            let a = max_error(spike, &zero, i).unwrap();
            assert!(a.max_error <= 1e-4 && a.bound(1.0) >= 1e-4, "{at}: {a:?}");
        }
    }

    #[test]
    fn singularities_are_refused() {
        let p = Polynomial::power(Interval::UNIT, [0.0]).unwrap();
        assert!(matches!(
            max_error(|x| 1.0 / x, &p, Interval::UNIT),
            Err(Error::NotFinite { .. })
        ));
    }
}
