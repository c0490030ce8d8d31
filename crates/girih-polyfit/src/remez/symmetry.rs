//! Halving a problem whose function is even or odd, up to a line.

use super::Remez;
use crate::{Basis, Dd, Error, Interval, Parity, Result};

/// Points at which a symmetry of the function is tested, in each interval of the domain.
const TESTS: usize = 23;
/// What counts as equal, relative to the largest value.
const EQUAL: f64 = 1e-28;

/// The reduced problem: where to approximate, with which parity, and what has been taken off the function.
pub(super) struct Symmetry {
    /// The interval of the Chebyshev basis.
    pub(super) interval: Interval,
    /// The parity about its centre of the polynomials admitted.
    pub(super) parity: Parity,
    /// Intervals without breaks inside: those on the right of the centre if there is a parity.
    pub(super) pieces: Vec<(f64, f64)>,
    /// The domain is symmetric, so that extrema are mirrored.
    mirrored: bool,
    /// `constant + slope · u` has been taken off.
    constant: Dd,
    slope: Dd,
}

impl Symmetry {
    pub(super) fn find(problem: &Remez<'_>) -> Result<Self> {
        let hull = problem.domain.hull();
        let center = hull.center();
        let mut found = Symmetry {
            interval: hull,
            parity: problem.parity,
            pieces: pieces(problem),
            mirrored: false,
            constant: Dd::ZERO,
            slope: Dd::ZERO,
        };
        let one_side = hull.lo() >= 0.0 || hull.hi() <= 0.0;
        if problem.parity != Parity::None && one_side {
            // About 0, which any function will do.
            found.interval = Interval::symmetric(hull.lo().abs().max(hull.hi().abs()))?;
        } else if is_mirrored(problem, center) {
            found.test(problem)?;
        } else if problem.parity != Parity::None {
            let what = "the domain is not symmetric".to_owned();
            return Err(refused(problem.parity, center, what));
        }
        Ok(found)
    }

    /// Looks for the symmetry of the function, on a symmetric domain.
    fn test(&mut self, problem: &Remez<'_>) -> Result<()> {
        let interval = self.interval;
        let (center, radius) = (interval.center(), interval.radius());
        let f = |x: f64| (problem.function)(Dd::from(x));
        let (left, right) = (f(interval.lo()), f(interval.hi()));
        let (constant, slope) = ((left + right) * 0.5, (right - left) * 0.5);
        let (mut even, mut odd) = (true, true);
        let mut where_not = 0.0;
        let mut scale = left.hi().abs().max(right.hi().abs());
        let mut defects: Vec<(Dd, Dd, f64)> = Vec::new();
        for &(lo, hi) in &self.pieces {
            for k in 0..TESTS {
                let x = lo + (hi - lo) * (k as f64 + 0.37) / TESTS as f64;
                let v = x - center;
                // Only exact mirror images are compared.
                if v <= 0.0 || center - v + v != center || center + v != x {
                    continue;
                }
                let (a, b) = (f(center - v), f(x));
                scale = scale.max(a.hi().abs()).max(b.hi().abs());
                let u = Dd::from(v) / radius;
                defects.push((b - a - slope * u * 2.0, b + a - constant * 2.0, x));
                if let Some(w) = &problem.weight {
                    let (l, r) = (w(center - v), w(x));
                    if (l - r).abs() > 1e-14 * r.abs() {
                        (even, odd, where_not) = (false, false, x);
                    }
                }
            }
        }
        let equal = |d: Dd| d.abs() <= EQUAL * scale;
        for &(e, o, x) in &defects {
            if !equal(e) {
                (even, where_not) = (false, x);
            }
            if !equal(o) {
                (odd, where_not) = (false, x);
            }
        }
        if defects.is_empty() {
            (even, odd) = (false, false);
        }
        let (no_slope, no_constant) = (equal(slope), equal(constant));
        let asked = problem.parity;
        let parity = match asked {
            Parity::Even if even && no_slope => Parity::Even,
            Parity::Odd if odd && no_constant => Parity::Odd,
            Parity::None if even && fixes(problem, center, 0, slope) => Parity::Even,
            Parity::None if odd && fixes(problem, center, 1, constant) => Parity::Odd,
            Parity::None => return Ok(()),
            _ => {
                let what = format!(
                    "the function or its weight is not, for example at ±{where_not} from there"
                );
                return Err(refused(asked, center, what));
            }
        };
        self.parity = parity;
        self.mirrored = true;
        if asked == Parity::None && parity == Parity::Even && !no_slope {
            self.slope = slope;
        }
        if asked == Parity::None && parity == Parity::Odd && !no_constant {
            self.constant = constant;
        }
        self.pieces = self
            .pieces
            .iter()
            .filter(|p| p.1 > center)
            .map(|p| (p.0.max(center), p.1))
            .collect();
        Ok(())
    }

    /// What has been taken off the function at `x`.
    pub(super) fn removed(&self, x: f64) -> Dd {
        if self.slope == 0.0 {
            return self.constant;
        }
        let u = (Dd::from(x) - self.interval.center()) / self.interval.radius();
        self.constant + self.slope * u
    }

    /// Puts it back on the Chebyshev coefficients.
    pub(super) fn restore(&self, coefficients: &mut [Dd]) {
        coefficients[0] += self.constant;
        coefficients[1] += self.slope;
    }

    /// Adds the mirror images of extrema.
    pub(super) fn unfold(&self, extrema: &mut Vec<f64>) {
        if !self.mirrored {
            return;
        }
        let center = self.interval.center();
        // Of an even error the innermost extremum and its image are one point of the alternation.
        let inner = usize::from(self.parity == Parity::Even);
        let images = extrema.iter().skip(inner).rev();
        let mut all: Vec<f64> = images.map(|x| center - (x - center)).collect();
        all.append(extrema);
        *extrema = all;
    }
}

/// Whether the fixed coefficients admit a best polynomial of the parity of `first` (0 or 1), with `removed` taken off.
fn fixes(problem: &Remez<'_>, center: f64, first: usize, removed: Dd) -> bool {
    if problem.fixed.is_empty() {
        return true;
    }
    let powers_of_x = problem.basis == Basis::Power && center != 0.0;
    let mut free = (first..=problem.degree).step_by(2);
    removed.hi() == 0.0
        && !powers_of_x
        && free.any(|k| !problem.fixed.contains_key(&k))
        && problem
            .fixed
            .iter()
            .all(|(&k, &v)| k % 2 == first || v == 0.0)
}

fn refused(parity: Parity, center: f64, what: String) -> Error {
    Error::Symmetry {
        parity,
        center,
        what,
    }
}

/// The intervals of the domain, cut at breaks.
fn pieces(problem: &Remez<'_>) -> Vec<(f64, f64)> {
    let mut breaks = problem.breaks.clone();
    breaks.sort_by(f64::total_cmp);
    let mut out = Vec::new();
    for interval in problem.domain.intervals() {
        let mut lo = interval.lo();
        for &b in &breaks {
            if lo < b && b < interval.hi() {
                out.push((lo, b));
                lo = b;
            }
        }
        out.push((lo, interval.hi()));
    }
    out
}

fn is_mirrored(problem: &Remez<'_>, center: f64) -> bool {
    let intervals = problem.domain.intervals();
    intervals.iter().zip(intervals.iter().rev()).all(|(a, b)| {
        // Exactly: the centre of a range with rounded ends may be none.
        a.lo() - center == center - b.hi() && a.hi() - center == center - b.lo()
    })
}
