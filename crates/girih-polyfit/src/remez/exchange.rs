//! The exchange of reference points.
//!
//! A reference is `m + 1` points for `m` free coefficients. On it the best approximation has errors of one
//! magnitude `h`, a lower bound of what is possible on the whole domain. Points are exchanged for extrema of the
//! error until `h` is also an upper bound.
//!
//! Where the free polynomials are a Chebyshev system, the best errors alternate in sign and all points are exchanged at
//! once (Remez 1934). Otherwise (constraints on arbitrary coefficients) one point at a time, by the ratio test of the
//! dual simplex method (Stiefel 1959; Cheney, Introduction to Approximation Theory, chapter 2.3).

use super::extrema::{Extremum, alternating_extrema, local_extrema};
use super::linear::Factors;
use super::space::Space;
use crate::{Dd, Error, Result};

/// Points tried between neighbouring reference points: while exchanging, and to verify.
const SEARCH: usize = 8;
const VERIFICATION: usize = 40;
/// Exchanges after which the iteration is given up, and without progress.
const EXCHANGES: usize = 120;
const STAGNATION: usize = 12;
/// Simplex steps for each polynomial of the basis, and candidates tried after each scan.
const STEPS_PER_POLYNOMIAL: usize = 80;
const CANDIDATES: usize = 16;
/// A relative gap between the bounds with which an iteration that makes no more progress is still accepted: the
/// function is then known to few digits only.
const ACCEPTABLE_GAP: f64 = 1e-4;
/// Rounding errors of the solution, relative to the largest value.
const ROUNDING: f64 = 256.0 * Dd::EPSILON;

/// What is to be approximated and by what.
pub(super) struct Problem<'a> {
    /// The function less what is fixed; NaN where it fails.
    pub(super) target: &'a dyn Fn(f64) -> Dd,
    pub(super) weight: &'a dyn Fn(f64) -> f64,
    pub(super) space: &'a Space,
    pub(super) pieces: &'a [(f64, f64)],
    /// The relative gap to reach.
    pub(super) tolerance: f64,
}

/// The best approximation.
pub(super) struct Solution {
    pub(super) coefficients: Vec<Dd>,
    /// The levelled error of the reference.
    pub(super) level: f64,
    /// The largest error found.
    pub(super) error: f64,
    pub(super) extrema: Vec<f64>,
    pub(super) iterations: usize,
    /// Largest weighted value of the target.
    pub(super) scale: f64,
}

impl Solution {
    /// Errors up to this are rounding.
    pub(super) fn resolution(&self) -> f64 {
        4.0 * ROUNDING * self.scale
    }
}

impl Problem<'_> {
    /// The weighted error, with the sign of the factor that all polynomials share.
    fn error(&self, coefficients: &[Dd], x: f64) -> f64 {
        let difference = (self.target)(x) - self.space.eval(coefficients, x);
        (difference * (self.weight)(x)).to_f64() * self.space.sign(x)
    }

    pub(super) fn solve(&self) -> Result<Solution> {
        let reference = self.space.fekete_points(self.pieces);
        if reference.len() != self.space.dimension() + 1 {
            // Fewer numbers in the domain than points are needed.
            return accept(None, 0.0);
        }
        let mut scale = 0.0f64;
        for &x in &reference {
            scale = scale.max(((self.target)(x) * (self.weight)(x)).to_f64().abs());
        }
        if self.space.alternates(self.pieces) {
            self.exchange_all(reference, scale)
        } else {
            self.exchange_one(reference, scale)
        }
    }

    /// Coefficients with errors of alternating sign on the reference, and the level.
    fn level(&self, reference: &[f64]) -> Option<(Vec<Dd>, Dd)> {
        let n = reference.len();
        let mut matrix = Vec::with_capacity(n * n);
        let mut right = Vec::with_capacity(n);
        for (i, &x) in reference.iter().enumerate() {
            matrix.extend(self.space.values(x));
            let sign = self.space.sign(x) * if i % 2 == 0 { 1.0 } else { -1.0 };
            matrix.push(Dd::from(sign) / (self.weight)(x));
            right.push((self.target)(x));
        }
        let mut solution = Factors::new(n, matrix)?.solve(&right);
        let level = solution.pop()?;
        (level.is_finite()).then_some((solution, level))
    }

    fn exchange_all(&self, mut reference: Vec<f64>, mut scale: f64) -> Result<Solution> {
        let mut best: Option<Solution> = None;
        let (mut idle, mut search) = (0, SEARCH);
        for iterations in 1..=EXCHANGES {
            let Some((coefficients, level)) = self.level(&reference) else {
                break;
            };
            let level = level.to_f64().abs();
            let error = |x: f64| self.error(&coefficients, x);
            let mut extrema = alternating_extrema(&error, self.pieces, &reference, search);
            let largest = extrema.iter().map(|e| e.value.abs()).fold(0.0, f64::max);
            scale = extrema.iter().fold(scale, |s, e| {
                s.max(((self.target)(e.x) * (self.weight)(e.x)).to_f64().abs())
            });
            let floor = ROUNDING * scale;
            let tolerance = self.tolerance + floor / largest;
            let gap = (largest - level) / largest;
            let done = gap <= tolerance || largest <= floor;
            let progress = best
                .as_ref()
                .is_none_or(|b| largest - level < 0.9 * (b.error - b.level));
            idle = if progress { 0 } else { idle + 1 };
            if progress || done {
                best = Some(Solution {
                    coefficients: coefficients.clone(),
                    level,
                    error: largest,
                    extrema: extrema.iter().map(|e| e.x).collect(),
                    iterations,
                    scale,
                });
            }
            if done && (search == VERIFICATION || largest <= floor) {
                break;
            }
            if done {
                search = VERIFICATION;
                continue;
            }
            if idle >= STAGNATION {
                break;
            }
            if !select(&mut extrema, reference.len()) {
                break;
            }
            reference = extrema.iter().map(|e| e.x).collect();
        }
        accept(best, self.tolerance)
    }

    /// One point at a time; columns of the linear program are `(σ φ(x), 1 / w(x))` with cost `σ f(x)`.
    fn exchange_one(&self, mut reference: Vec<f64>, mut scale: f64) -> Result<Solution> {
        let m = self.space.dimension();
        let steps = STEPS_PER_POLYNOMIAL * (m + 1);
        let mut best: Option<Solution> = None;
        let Some(mut signs) = self.first_signs(&reference) else {
            return accept(None, 0.0);
        };
        let (mut taken, mut idle, mut search) = (0, 0, SEARCH);
        while taken < steps && idle < 20 * STAGNATION {
            let Some(mut basic) = Basic::new(self, &reference, &signs) else {
                break;
            };
            let (coefficients, level) = basic.solution();
            let error = |x: f64| self.error(&coefficients, x);
            let mut sorted = reference.clone();
            sorted.sort_by(f64::total_cmp);
            let mut extrema = local_extrema(&error, self.pieces, &sorted, search);
            extrema.sort_by(|a, b| b.value.abs().total_cmp(&a.value.abs()));
            let largest = extrema.first().map_or(0.0, |e| e.value.abs()).max(level);
            for e in &extrema {
                scale = scale.max(((self.target)(e.x) * (self.weight)(e.x)).to_f64().abs());
            }
            let floor = ROUNDING * scale;
            let done = largest - level <= self.tolerance * largest + floor;
            let progress = best
                .as_ref()
                .is_none_or(|b| largest - level < 0.99 * (b.error - b.level));
            idle = if progress { 0 } else { idle + 1 };
            if progress || done {
                let near = 1.0 - 1e-9;
                let mut touching: Vec<f64> = extrema
                    .iter()
                    .filter(|e| e.value.abs() >= near * largest)
                    .map(|e| e.x)
                    .collect();
                touching.sort_by(f64::total_cmp);
                touching.dedup();
                best = Some(Solution {
                    coefficients,
                    level,
                    error: largest,
                    extrema: touching,
                    iterations: taken + 1,
                    scale,
                });
            }
            if done && (search == VERIFICATION || largest <= floor) {
                break;
            }
            if done {
                search = VERIFICATION;
                continue;
            }
            for e in extrema.iter().take(CANDIDATES) {
                let (coefficients, level) = basic.solution();
                let value = self.error(&coefficients, e.x) * self.space.sign(e.x).abs();
                if value.abs() > level + self.tolerance * level && !reference.contains(&e.x) {
                    taken += 1;
                    let sign = value.signum();
                    let Some(i) = basic.enter(&self.column(e.x, sign), (self.target)(e.x) * sign)
                    else {
                        break;
                    };
                    (reference[i], signs[i]) = (e.x, sign);
                }
            }
            idle += 1;
            taken += 1;
        }
        accept(best, self.tolerance)
    }

    /// Signs for which the reference is a feasible basis: those of its linear dependency.
    fn first_signs(&self, reference: &[f64]) -> Option<Vec<f64>> {
        let m = self.space.dimension();
        let columns: Vec<Vec<Dd>> = reference.iter().map(|&x| self.space.values(x)).collect();
        let mut matrix = Vec::with_capacity(m * m);
        for k in 0..m {
            matrix.extend(columns[..m].iter().map(|c| c[k]));
        }
        let right: Vec<Dd> = columns[m].iter().map(|&v| -v).collect();
        let dependency = Factors::new(m, matrix)?.solve(&right);
        let mut signs: Vec<f64> = dependency
            .iter()
            .map(|l| if l.hi() < 0.0 { -1.0 } else { 1.0 })
            .collect();
        signs.push(1.0);
        Some(signs)
    }

    fn column(&self, x: f64, sign: f64) -> Vec<Dd> {
        let mut column: Vec<Dd> = self.space.values(x).iter().map(|&v| v * sign).collect();
        column.push(Dd::ONE / (self.weight)(x));
        column
    }
}

/// A basis of the linear program: the inverse of the matrix whose rows are the columns of the reference, and their
/// costs.
struct Basic {
    n: usize,
    inverse: Vec<Dd>,
    costs: Vec<Dd>,
}

impl Basic {
    fn new(problem: &Problem<'_>, reference: &[f64], signs: &[f64]) -> Option<Self> {
        let n = reference.len();
        let mut matrix = Vec::with_capacity(n * n);
        let mut costs = Vec::with_capacity(n);
        for (&x, &sign) in reference.iter().zip(signs) {
            matrix.extend(problem.column(x, sign));
            costs.push((problem.target)(x) * sign);
        }
        let factors = Factors::new(n, matrix)?;
        let mut inverse = vec![Dd::ZERO; n * n];
        for j in 0..n {
            let mut unit = vec![Dd::ZERO; n];
            unit[j] = Dd::ONE;
            for (i, value) in factors.solve(&unit).into_iter().enumerate() {
                inverse[i * n + j] = value;
            }
        }
        inverse
            .iter()
            .all(|v| v.is_finite())
            .then_some(Basic { n, inverse, costs })
    }

    /// Coefficients and level.
    fn solution(&self) -> (Vec<Dd>, f64) {
        let rows = self.inverse.chunks_exact(self.n);
        let mut solution: Vec<Dd> = rows
            .map(|row| row.iter().zip(&self.costs).map(|(&a, &b)| a * b).sum())
            .collect();
        let level = solution.pop().map_or(0.0, |l: Dd| l.to_f64().abs());
        (solution, level)
    }

    /// Lets a column enter, and says for which it does; `None` if none can leave. The inverse follows by the
    /// formula of Sherman and Morrison.
    fn enter(&mut self, column: &[Dd], cost: Dd) -> Option<usize> {
        let n = self.n;
        let mut direction = vec![Dd::ZERO; n];
        for (row, &c) in self.inverse.chunks_exact(n).zip(column) {
            for (d, &v) in direction.iter_mut().zip(row) {
                *d += v * c;
            }
        }
        // The masses of the reference are the last row of the inverse.
        let masses = &self.inverse[(n - 1) * n..];
        let largest = direction.iter().map(|d| d.hi().abs()).fold(0.0, f64::max);
        let leaving = (0..n)
            .filter(|&i| direction[i].hi() > 1e-20 * largest)
            .min_by(|&i, &j| {
                let ratio = |i: usize| masses[i].hi().max(0.0) / direction[i].hi();
                ratio(i).total_cmp(&ratio(j))
            })?;
        let pivot = direction[leaving].recip();
        for row in self.inverse.chunks_exact_mut(n) {
            let factor = row[leaving] * pivot;
            for (v, &d) in row.iter_mut().zip(&direction) {
                *v -= factor * d;
            }
            row[leaving] = factor;
        }
        self.costs[leaving] = cost;
        Some(leaving)
    }
}

fn accept(best: Option<Solution>, tolerance: f64) -> Result<Solution> {
    let refused = |lower, upper, iterations| Error::NoConvergence {
        iterations,
        lower,
        upper,
    };
    let Some(best) = best else {
        return Err(refused(0.0, f64::INFINITY, 0));
    };
    let gap = best.error - best.level;
    // An error that is all rounding is for the caller to judge.
    let known = ACCEPTABLE_GAP.max(tolerance) * best.error + ROUNDING * best.scale;
    if gap <= known || best.error <= best.resolution() {
        Ok(best)
    } else {
        Err(refused(best.level, best.error, best.iterations))
    }
}

/// Keeps `count` extrema of alternating sign, the largest among them; `false` if there are fewer.
fn select(extrema: &mut Vec<Extremum>, count: usize) -> bool {
    while extrema.len() > count {
        let last = extrema.len() - 1;
        let size = |e: &Extremum| e.value.abs();
        if extrema.len() == count + 1 {
            let drop = if size(&extrema[0]) < size(&extrema[last]) {
                0
            } else {
                last
            };
            extrema.remove(drop);
            continue;
        }
        let smallest = (0..=last)
            .min_by(|&i, &j| size(&extrema[i]).total_cmp(&size(&extrema[j])))
            .unwrap_or(0);
        extrema.remove(smallest);
        if smallest > 0 && smallest < last {
            // Its neighbours have one sign: the smaller one goes too.
            let drop = if size(&extrema[smallest - 1]) < size(&extrema[smallest]) {
                smallest - 1
            } else {
                smallest
            };
            extrema.remove(drop);
        }
    }
    extrema.len() == count
}
