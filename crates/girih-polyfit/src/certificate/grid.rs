//! Upper bounds from values on a grid.
//!
//! A polynomial of degree `d` is at most `1 / cos(π d / 2m)` times its largest value at the `m > d` zeros of `Tₘ`
//! (Ehlich and Zeller, Mathematische Zeitschrift 86, 1964). With `f` within `ε` of a polynomial `F` of degree `n`,
//!
//! ```text
//! |f - p| <= |F - p| + ε <= (max over the grid of |f - p| + ε) / cos(π max(n, d) / 2m) + ε,
//! ```
//!
//! where `F` need not be known.

use std::cell::Cell;
use std::f64::consts::PI;

use super::analytic::sufficient_degree;
use crate::{Dd, Function};

/// Grid points for each degree: `1 / cos(π / 76) = 1.00086`; and for plans of large degree, `1 / cos(π / 24) = 1.0087`.
const POINTS_PER_DEGREE: usize = 38;
const POINTS_PER_LARGE_DEGREE: usize = 12;
const LARGE_DEGREE: usize = 1024;
/// Grid points at most, for one interval; and where they are too few for a bound.
const MOST_POINTS: usize = 1 << 19;
const SEARCH_POINTS: usize = 1 << 14;
/// With fewer points for each degree there is no bound worth its name: `1 / cos(π / 3) = 2`.
const FEWEST_PER_DEGREE: f64 = 1.5;
/// Rounding of grid points moves their angles by less than this share of their distance.
const GRID_ROUNDING: f64 = 1e-3;
/// `ε`, relative to the error that is expected.
const TRUNCATION: f64 = 2e-5;
/// Parts of the domain at most: a few dozen are common, and a range of thousands of times the features of the function
/// (tanh on ±10⁵) has no bound.
const MOST_PARTS: usize = 1 << 12;
/// Halvings of an interval towards a branch point.
const HALVINGS: usize = 60;

/// A value with a bound of its rounding error.
pub(super) struct Bounded {
    pub(super) value: Dd,
    pub(super) error: f64,
}

/// The largest error found on the grid, and the bound that follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) observed: f64,
    pub(super) at: f64,
    /// Infinite if the degree is too large for the grid.
    pub(super) bound: f64,
    /// Largest distance of neighbouring grid points.
    pub(super) resolution: f64,
}

impl Bound {
    pub(super) fn none() -> Self {
        Bound {
            observed: 0.0,
            at: f64::NAN,
            bound: 0.0,
            resolution: 0.0,
        }
    }

    pub(super) fn join(self, other: Bound) -> Bound {
        let (observed, at) = if other.observed >= self.observed {
            (other.observed, other.at)
        } else {
            (self.observed, self.at)
        };
        Bound {
            observed,
            at,
            bound: self.bound.max(other.bound),
            resolution: self.resolution.max(other.resolution),
        }
    }
}

/// A polynomial of known degree, by its values.
pub(super) struct Approximation<'a> {
    eval: &'a dyn Fn(Dd) -> Bounded,
    degree: usize,
    /// Parts that may still be made.
    parts: Cell<usize>,
}

impl<'a> Approximation<'a> {
    pub(super) fn new(eval: &'a dyn Fn(Dd) -> Bounded, degree: usize) -> Self {
        Approximation {
            eval,
            degree,
            parts: Cell::new(MOST_PARTS),
        }
    }

    /// `max |f - p|` on `[lo, hi]`, where `f` has no break.
    pub(super) fn error(&self, f: Function, lo: f64, hi: f64, expected: f64) -> Bound {
        self.halve(
            f,
            (lo, hi),
            TRUNCATION * expected.max(f64::MIN_POSITIVE * 1e30),
            HALVINGS,
        )
    }

    fn halve(&self, f: Function, (lo, hi): (f64, f64), tolerance: f64, halvings: usize) -> Bound {
        if self.parts.get() == 0 {
            // Far too wide for the function: no bound.
            let unknown = Bound::none();
            return Bound {
                bound: f64::INFINITY,
                resolution: hi - lo,
                ..unknown
            };
        }
        let degree = sufficient_degree(f, lo, hi, tolerance);
        let enough = (2 * self.degree).max(48);
        let middle = lo + (hi - lo) / 2.0;
        let room = lo < middle && middle < hi;
        match degree {
            Some(n) if n <= enough || !room || halvings == 0 => {
                let exact = !f.breaks().is_empty();
                let epsilon = if exact { 0.0 } else { tolerance };
                self.on_grid(f, (lo, hi), n.max(self.degree), epsilon)
            }
            None if !room || halvings == 0 => self.at_branch_point(f, (lo, hi)),
            _ => {
                self.parts.set(self.parts.get() - 1);
                let left = self.halve(f, (lo, middle), tolerance, halvings - 1);
                left.join(self.halve(f, (middle, hi), tolerance, halvings - 1))
            }
        }
    }

    fn on_grid(&self, f: Function, (lo, hi): (f64, f64), degree: usize, epsilon: f64) -> Bound {
        let mut rounding = 0.0f64;
        let mut value = |x: Dd| {
            let (p, exact) = ((self.eval)(x), f.eval_dd(x));
            rounding = rounding.max(p.error + 64.0 * Dd::EPSILON * exact.hi().abs());
            (exact - p.value).to_f64()
        };
        let mut found = supremum(&mut value, (lo, hi), degree);
        let inflation = found.bound / found.observed.max(f64::MIN_POSITIVE);
        let inflation = if found.observed > 0.0 { inflation } else { 2.0 };
        found.bound = (found.observed + epsilon + rounding) * inflation + epsilon;
        found
    }

    /// Next to a branch point, where the function is monotone: its change, and that of the polynomial on the grid.
    fn at_branch_point(&self, f: Function, (lo, hi): (f64, f64)) -> Bound {
        let (a, b) = (Dd::from(lo), Dd::from(hi));
        let change = (f.eval_dd(b) - f.eval_dd(a)).abs().to_f64();
        let mut rounding = 0.0f64;
        let mut value = |x: Dd| {
            let p = (self.eval)(x);
            rounding = rounding.max(p.error);
            (f.eval_dd(a) - p.value).to_f64()
        };
        let mut found = supremum(&mut value, (lo, hi), self.degree);
        found.bound += change + 2.0 * rounding;
        found
    }
}

/// The largest modulus of a polynomial of the given degree on `[lo, hi]`: on the grid, and everywhere.
pub(super) fn supremum(
    value: &mut dyn FnMut(Dd) -> f64,
    (lo, hi): (f64, f64),
    degree: usize,
) -> Bound {
    let degree = degree.max(1);
    let density = if degree < LARGE_DEGREE {
        POINTS_PER_DEGREE
    } else {
        POINTS_PER_LARGE_DEGREE
    };
    let bounded = MOST_POINTS as f64 >= FEWEST_PER_DEGREE * degree as f64;
    let points = if bounded {
        density.saturating_mul(degree).min(MOST_POINTS)
    } else {
        SEARCH_POINTS
    };
    let (center, radius) = ((Dd::from(lo) + hi) * 0.5, (Dd::from(hi) - lo) * 0.5);
    let (mut observed, mut at) = (0.0f64, lo);
    for j in 0..points {
        let odd = points as i64 - 1 - 2 * j as i64;
        let u = (PI * odd as f64 / (2 * points) as f64).sin();
        let x = center + radius * u;
        let v = value(x).abs();
        // (A value that is not a number is an error of infinite size.)
        if v > observed || v.is_nan() {
            (observed, at) = (if v.is_nan() { f64::INFINITY } else { v }, x.to_f64());
        }
    }
    let angle = PI / 2.0 * degree as f64 / points as f64 * (1.0 + GRID_ROUNDING);
    let bound = if bounded {
        observed / angle.cos()
    } else {
        f64::INFINITY
    };
    Bound {
        observed,
        at,
        bound,
        resolution: (hi - lo) / 2.0 * PI / points as f64,
    }
}
