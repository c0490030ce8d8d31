//! Polynomials with a small relative error, for the plans that start from one.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::polynomial::MAX_DEGREE;
use crate::{Dd, Error, Interval, Polynomial, Remez, Result, interpolate};

/// Up to this degree the best polynomial is computed; above, the interpolant, which needs a few degrees more.
const LARGEST_MINIMAX: usize = 63;
/// How near to the best: the bound is measured afterwards.
const TOLERANCE: f64 = 1e-3;
/// Points per degree at which the range of `p / f` is looked for, and by how much the deviation found is enlarged:
/// between neighbours of 64 points per oscillation it rises by less than (π/128)²/2 of itself.
const POINTS_PER_DEGREE: usize = 64;
const POINTS_AT_LEAST: usize = 1024;
const MARGIN: f64 = 1.001;

/// A positive function on a range, in double and double-double precision, with its best polynomials so far: in the
/// sense of `max |1 - p / f|`.
pub(crate) struct Relative<F, G> {
    range: Interval,
    f: F,
    exact: G,
    known: RefCell<BTreeMap<usize, (Polynomial, f64)>>,
}

impl<F: Fn(f64) -> f64, G: Fn(Dd) -> Dd> Relative<F, G> {
    pub(crate) fn new(range: Interval, f: F, exact: G) -> Self {
        Relative {
            range,
            f,
            exact,
            known: RefCell::default(),
        }
    }

    /// The polynomial of a degree, in the Chebyshev basis of the range, and a bound of `|1 - p / f|`.
    ///
    /// # Errors
    /// A degree of 0 or above the largest; a polynomial that is not positive on the range.
    pub(crate) fn fit(&self, degree: usize) -> Result<(Polynomial, f64)> {
        if !(1..=MAX_DEGREE).contains(&degree) {
            return Err(Error::Degree {
                degree,
                max: MAX_DEGREE,
            });
        }
        if let Some(known) = self.known.borrow().get(&degree) {
            return Ok(known.clone());
        }
        let mut found = self.centred(interpolate(&self.f, self.range, degree)?);
        if degree <= LARGEST_MINIMAX {
            let best = Remez::new(&self.exact, self.range, degree)
                .weight(|x| 1.0 / (self.f)(x))
                .tolerance(TOLERANCE)
                .solve();
            // Where the exchange runs out of digits the interpolant is as good.
            if let Ok(best) = best {
                let best = self.centred(best.polynomial);
                found = match (found, best) {
                    (Ok(a), Ok(b)) if a.1 <= b.1 => Ok(a),
                    (a, Err(_)) => a,
                    (_, b) => b,
                };
            }
        }
        let found = found?;
        self.known.borrow_mut().insert(degree, found.clone());
        Ok(found)
    }

    /// Scaled so that `p / f` deviates from 1 equally on both sides, and by how much.
    fn centred(&self, p: Polynomial) -> Result<(Polynomial, f64)> {
        let degree = p.degree();
        let (least, most) = extremes(self.range, degree, |x| p.eval(x) / (self.f)(x));
        let error = ((most - least) / (least + most) * MARGIN).max(8.0 * f64::EPSILON);
        if least <= 0.0 || error >= 1.0 {
            return Err(Error::Target {
                target: 1.0,
                reached: error.abs().max(1.0),
                degree,
            });
        }
        let scale = 2.0 / (least + most);
        let c: Vec<f64> = p.coefficients().iter().map(|c| c * scale).collect();
        Ok((Polynomial::chebyshev(self.range, c)?, error))
    }
}

/// Smallest and largest value on a grid that is dense at the ends.
pub(crate) fn extremes(range: Interval, degree: usize, f: impl Fn(f64) -> f64) -> (f64, f64) {
    let points = (POINTS_PER_DEGREE * (degree + 1)).max(POINTS_AT_LEAST);
    (0..=points)
        .map(|k| {
            let angle = std::f64::consts::PI * k as f64 / points as f64;
            f(range.from_unit(-angle.cos()))
        })
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        })
}
