//! The odd polynomial nearest to one on `[a, 1]`, by Remez's exchange.
//!
//! A general exchange would solve the same problem; this one is made for the search over degrees, which needs thousands
//! of solutions. It works on the right half only, and in the basis `x T_k(w)` with `w` the position of `x²` in
//! `[a², 1]`, which stays well conditioned when the interval shrinks to a point.

use crate::chebyshev::interpolate;
use crate::polynomial::clenshaw;
use crate::{Error, Interval, Polynomial, Result};

/// Exchanges; each one about squares the distance to the solution, and about six are needed.
const EXCHANGES: usize = 40;

/// How exactly a solution is wanted.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Effort {
    /// The exchange stops where the largest error exceeds the levelled one by at most this share, or by rounding.
    levelled: f64,
    /// Steps of bisection towards a zero of the error, which only has to bracket an extremum.
    bisections: usize,
    /// Steps of golden-section search towards an extremum: the bracket shrinks by 0.618 each, and the height is off by the
    /// square of that.
    sections: usize,
}

/// To rounding.
pub(super) const EXACT: Effort = Effort {
    levelled: 1e-10,
    bisections: 26,
    sections: 36,
};
/// To [`COARSE_ERROR`], at a fifth of the price.
pub(super) const COARSE: Effort = Effort {
    levelled: 2e-5,
    bisections: 10,
    sections: 11,
};
/// Larger errors are always solved exactly.
const NEAR_ONE: f64 = 0.9;
/// A bound of the relative error of coarse solutions.
pub(super) const COARSE_ERROR: f64 = 1e-4;

/// An odd polynomial on `[lo, 1]`: `x Σ qₖ Tₖ(w)`.
pub(super) struct OddSign {
    lo: f64,
    coefficients: Vec<f64>,
    effort: Effort,
    /// `max |1 - p|` on `[lo, 1]`.
    pub(super) error: f64,
}

impl OddSign {
    /// The one nearest to one on `[lo, 1]`, for `0 < lo < 1` and an odd degree.
    pub(super) fn new(lo: f64, degree: usize, effort: Effort) -> Result<Self> {
        let n = degree.div_ceil(2);
        let mut solution = OddSign {
            lo,
            coefficients: vec![0.0; n],
            effort,
            error: f64::INFINITY,
        };
        let at = |i: usize| {
            let share = (std::f64::consts::FRAC_PI_2 * i as f64 / n as f64)
                .sin()
                .powi(2);
            (lo * lo + (1.0 - lo) * (1.0 + lo) * share)
                .sqrt()
                .clamp(lo, 1.0)
        };
        let mut reference: Vec<f64> = (0..=n).map(at).collect();
        for _ in 0..EXCHANGES {
            let levelled = solution.level(&reference)?;
            let extrema = solution.extrema(&reference);
            let errors = extrema.iter().map(|&x| solution.eval(x).abs());
            solution.error = errors.fold(0.0, f64::max);
            let excess = solution.error - levelled;
            if excess <= solution.effort.levelled * levelled + 8.0 * f64::EPSILON {
                // What counts of an error near one is how far it is below one.
                if solution.effort == EXACT || solution.error <= NEAR_ONE {
                    break;
                }
                solution.effort = EXACT;
            }
            reference = extrema;
        }
        Ok(solution)
    }

    /// `1 - p(x)`
    fn eval(&self, x: f64) -> f64 {
        1.0 - self.value(x)
    }

    fn value(&self, x: f64) -> f64 {
        x * clenshaw(&self.coefficients, self.position(x))
    }

    /// `x²` from `[lo², 1]` to `[-1, 1]`.
    fn position(&self, x: f64) -> f64 {
        ((x - self.lo) * (x + self.lo) - (1.0 - x) * (1.0 + x))
            / ((1.0 - self.lo) * (1.0 + self.lo))
    }

    /// Makes the error alternate with equal height on the reference, and returns that height.
    fn level(&mut self, reference: &[f64]) -> Result<f64> {
        let n = self.coefficients.len();
        let mut rows: Vec<Vec<f64>> = reference
            .iter()
            .enumerate()
            .map(|(i, &x)| {
                let w = self.position(x);
                let mut row = vec![x, x * w];
                for k in 2..n {
                    row.push(2.0 * w * row[k - 1] - row[k - 2]);
                }
                row.truncate(n);
                row.extend([if i % 2 == 0 { 1.0 } else { -1.0 }, 1.0]);
                row
            })
            .collect();
        let solved = eliminate(&mut rows).ok_or(Error::IllConditioned {
            lo: self.lo,
            degree: 2 * n - 1,
        })?;
        self.coefficients.copy_from_slice(&solved[..n]);
        Ok(solved[n].abs())
    }

    /// The extrema of the error: both ends, and one between neighbouring zeros. The derivative of `p` has `n - 1`
    /// positive zeros, so there are no others.
    fn extrema(&self, reference: &[f64]) -> Vec<f64> {
        let zeros: Vec<f64> = reference
            .windows(2)
            .map(|w| self.zero(w[0], w[1]))
            .collect();
        let mut extrema = vec![self.lo];
        extrema.extend(zeros.windows(2).map(|w| self.extremum(w[0], w[1])));
        extrema.push(1.0);
        extrema
    }

    fn zero(&self, mut a: f64, mut b: f64) -> f64 {
        let sign = self.eval(a).signum();
        for _ in 0..self.effort.bisections {
            let middle = a / 2.0 + b / 2.0;
            if self.eval(middle).signum() == sign {
                a = middle;
            } else {
                b = middle;
            }
        }
        a / 2.0 + b / 2.0
    }

    fn extremum(&self, mut a: f64, mut b: f64) -> f64 {
        let ratio = (5f64.sqrt() - 1.0) / 2.0;
        let height = |x: f64| self.eval(x).abs();
        let (mut c, mut d) = (b - ratio * (b - a), a + ratio * (b - a));
        let (mut fc, mut fd) = (height(c), height(d));
        for _ in 0..self.effort.sections {
            if fc >= fd {
                (b, d, fd) = (d, c, fc);
                c = b - ratio * (b - a);
                fc = height(c);
            } else {
                (a, c, fc) = (c, d, fd);
                d = a + ratio * (b - a);
                fd = height(d);
            }
        }
        if fc >= fd { c } else { d }
    }

    /// `factor · p` in the Chebyshev basis of `[-1, 1]`.
    pub(super) fn polynomial(&self, factor: f64) -> Result<Polynomial> {
        let degree = 2 * self.coefficients.len() - 1;
        interpolate(|x| factor * self.value(x), Interval::UNIT, degree)
    }
}

/// Gaussian elimination with partial pivoting; the right-hand side is the last column.
fn eliminate(rows: &mut [Vec<f64>]) -> Option<Vec<f64>> {
    let n = rows.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs()))?;
        rows.swap(k, pivot);
        let (upper, lower) = rows.split_at_mut(k + 1);
        let row = &upper[k];
        if row[k] == 0.0 || !row[k].is_finite() {
            return None;
        }
        for other in lower {
            let factor = other[k] / row[k];
            for (o, r) in other[k..].iter_mut().zip(&row[k..]) {
                *o -= factor * r;
            }
        }
    }
    let mut x = vec![0.0; n];
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| rows[k][j] * x[j]).sum();
        x[k] = (rows[k][n] - known) / rows[k][k];
    }
    x.iter().all(|v| v.is_finite()).then_some(x)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Dd, Parity, Remez};

    /// Degree 1: `c x` with `1 - c a = c - 1`, error `(1 - a)/(1 + a)`. Degree 3 on a point: `(3x - x³)/2`.
    #[test]
    fn closed_forms() {
        for lo in [1e-4, 0.1, 0.9] {
            let line = OddSign::new(lo, 1, EXACT).unwrap();
            assert!((line.error - (1.0 - lo) / (1.0 + lo)).abs() < 1e-15);
        }
        // Degree 3 near one: 1 - (3x - x³)/2 = 3/2 (1 - x)² + .., halved by levelling three extrema, on [1 - 2t, 1].
        let t = 1e-3;
        let cubic = OddSign::new(1.0 - 2.0 * t, 3, EXACT).unwrap();
        assert!(
            (cubic.error / (0.75 * t * t) - 1.0).abs() < 0.01,
            "{}",
            cubic.error
        );
    }

    /// Eremenko and Yuditskii (J. Anal. Math. 101, 2007): for degree 2m + 1,
    /// `lim √m ((1 + a)/(1 - a))^m E = (1 - a)/√(π a)`.
    #[test]
    fn errors_follow_the_asymptotic_law() {
        for (lo, degree, tolerance) in [(0.3, 31, 0.07), (0.3, 63, 0.035), (0.3, 15, 0.13)] {
            let m = f64::from((degree - 1) / 2);
            let e = OddSign::new(lo, degree as usize, EXACT).unwrap().error;
            let scaled = m.sqrt() * ((1.0 + lo) / (1.0 - lo)).powf(m) * e;
            let limit = (1.0 - lo) / (std::f64::consts::PI * lo).sqrt();
            assert!(
                (scaled / limit - 1.0).abs() < tolerance,
                "{lo} {degree}: {}",
                scaled / limit
            );
        }
    }

    /// Coarse errors are good to a ten-thousandth, from both sides.
    #[test]
    fn coarse_solutions_are_close() {
        for degree in (3..=31).step_by(4) {
            for k in 0..40 {
                let lo = (-0.3 * f64::from(k) - 0.1).exp2();
                let exact = OddSign::new(lo, degree, EXACT).unwrap().error;
                let coarse = OddSign::new(lo, degree, COARSE).unwrap().error;
                let off = (coarse - exact).abs() - 1e-14;
                assert!(
                    off <= COARSE_ERROR * exact,
                    "{lo} {degree}: {coarse:e} {exact:e}"
                );
                // Before the error levels off what counts is how far it is below one.
                assert!(
                    off <= 1e-3 * (1.0 - exact),
                    "{lo} {degree}: {coarse:e} {exact:e}"
                );
            }
        }
    }

    /// The general exchange, in double-double arithmetic.
    #[test]
    fn the_general_exchange_agrees() {
        for (lo, degree) in [(0.001, 15), (0.05, 27), (0.6, 7), (0.9, 15)] {
            let fast = OddSign::new(lo, degree, EXACT).unwrap();
            let domain = Interval::try_new(lo, 1.0).unwrap();
            let exact = Remez::new(|_| Dd::ONE, domain, degree)
                .parity(Parity::Odd)
                .solve()
                .unwrap();
            assert!(
                (fast.error - exact.error).abs() < 1e-9 * exact.error + 1e-15,
                "{lo} {degree}: {:e} {:e}",
                fast.error,
                exact.error
            );
        }
    }

    #[test]
    fn the_error_is_levelled_and_kept_by_the_polynomial() {
        for (lo, degree) in [
            (2f64.powi(-13), 15),
            (2f64.powi(-20), 31),
            (0.01, 27),
            (0.9, 7),
            (0.5, 31),
        ] {
            let s = OddSign::new(lo, degree, EXACT).unwrap();
            let p = s.polynomial(1.0).unwrap();
            assert_eq!(p.degree(), degree);
            let mut largest = 0f64;
            for k in 0..=4000 {
                let x = lo + (1.0 - lo) * (f64::from(k) / 4000.0).powi(2);
                largest = largest.max((1.0 - p.eval(x)).abs());
            }
            assert!(
                largest <= s.error * (1.0 + 1e-9) + 1e-14,
                "{lo} {degree}: {largest} {}",
                s.error
            );
            assert!(largest >= s.error * 0.999 - 1e-14);
        }
    }
}
