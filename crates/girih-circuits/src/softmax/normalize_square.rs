//! Normalise and square (Cho, Hanrot, Kim, Park, Stehlé, "Fast and Accurate Homomorphic Softmax Evaluation", CCS 2024).

use girih_he::Evaluator;
use girih_polyfit::Interval;
use girih_polyfit::exponential::Exponential;
use girih_polyfit::reciprocal::Reciprocal;

use super::{Scores, with_radius_one};
use crate::cost::CircuitCost;
use crate::{Error, Result};

/// Most steps: `2^-10` of any sensible range is covered by a polynomial.
const MAX_STEPS: usize = 10;
/// Most iterations of a reciprocal between steps, which need little accuracy.
const MAX_COARSE: usize = 12;
/// Share of the target that goes to the exponential; the rest is for the last reciprocal.
const EXPONENTIAL_SHARE: f64 = 0.5;

/// `y ← (λ y)²` with `λ = (Σ y²)^(-1/2)`, `k` times from `y = exp((x - hi) / 2^k)`.
///
/// Because `(λ y)² = y² / Σ y²`, the squares of the sum serve again and a reciprocal takes the place of the inverse
/// square root: `y ← y² · (1 / Σ y²)`, two levels besides the reciprocal. After `j` steps `y` is the softmax of
/// `x / 2^(k - j)`. A relative error of a reciprocal multiplies the whole row and is divided out in the next step: all
/// but the last may be coarse, as long as the next range allows for them, `Σ y² ∈ [(1 - e)² / n, (1 + e)²]`.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalizeSquare {
    scores: Scores,
    exponential: Exponential,
    steps: Vec<Reciprocal>,
}

impl NormalizeSquare {
    /// The plan of least depth, then fewest products, with a relative error of at most `target` of each output.
    ///
    /// # Errors
    /// The target is not met by any polynomial.
    pub fn try_new(scores: Scores, target: f64) -> Result<Self> {
        let mut best: Option<Self> = None;
        let mut failure = None;
        for steps in 1..=MAX_STEPS {
            match Self::with_steps(scores.clone(), steps, target) {
                Ok(plan) => {
                    let price = |p: &Self| (p.cost().depth, p.cost().products);
                    if best.as_ref().is_none_or(|b| price(&plan) < price(b)) {
                        best = Some(plan);
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        best.ok_or_else(|| {
            failure.unwrap_or(Error::Parameter {
                op: "normalize and square",
                name: "target",
                value: target,
                wanted: "choose a positive number",
            })
        })
    }

    /// The same with a given number `k` of steps, at least one.
    ///
    /// # Errors
    /// The target is not met with that many steps; no step or more than 10.
    pub fn with_steps(scores: Scores, steps: usize, target: f64) -> Result<Self> {
        if !(1..=MAX_STEPS).contains(&steps) {
            return Err(Error::Parameter {
                op: "normalize and square",
                name: "steps",
                value: steps as f64,
                wanted: "choose 1 to 10",
            });
        }
        let share = 0.5f64.powi(steps as i32);
        let range = Interval::try_new(scores.range().lo() * share, scores.range().hi() * share)?;
        // Numerator and denominator of all squarings: 2^(k + 1) times the error of the start.
        let exact = target * EXPONENTIAL_SHARE * share / 2.0;
        let (lo, hi) = (
            scores.least_sum(2.0 * share) * (1.0 - exact).powi(2),
            scores.most() * (1.0 + exact).powi(2),
        );
        let spread = (exact.ln_1p() * 2.0 / share).exp();
        let last = (1.0 + target) / spread - 1.0;

        // All steps between the first and the last have the same range, so the same number of iterations.
        let mut best: Option<(usize, Vec<usize>)> = None;
        let coarse = |k: usize, first: usize, middle: usize| match k {
            0 => first,
            _ => middle,
        };
        for first in 1..=MAX_COARSE {
            for middle in 1..=MAX_COARSE {
                if (steps == 1 && first > 1) || (steps <= 2 && middle > 1) {
                    continue;
                }
                let mut iterations = Vec::with_capacity(steps);
                let (mut l, mut h) = (lo, hi);
                for k in 0..steps - 1 {
                    let i = coarse(k, first, middle);
                    let error = Reciprocal::relaxed_error(Interval::try_new(l, h)?, i)?;
                    (l, h) = next_range(scores.most(), error);
                    iterations.push(i);
                }
                // Too coarse before: the last range is too wide.
                let Ok(fine) = Reciprocal::relaxed_iterations(Interval::try_new(l, h)?, last)
                else {
                    continue;
                };
                iterations.push(fine);
                let total = iterations.iter().sum();
                if best.as_ref().is_none_or(|b| total < b.0) {
                    best = Some((total, iterations));
                }
            }
        }
        let Some((_, iterations)) = best else {
            return Err(Error::Parameter {
                op: "normalize and square",
                name: "steps",
                value: steps as f64,
                wanted: "choose more, or a narrower range of scores",
            });
        };
        let (gain, steps) = Self::plan_steps(lo, hi, scores.most(), &iterations)?;
        let exponential = Exponential::for_error(range, range.hi(), gain, exact)?;
        Ok(NormalizeSquare {
            scores,
            exponential,
            steps,
        })
    }

    /// The scale of the start and the reciprocals: each numerator is the scale that the next sum needs, and the last is
    /// 1.
    fn plan_steps(
        lo: f64,
        hi: f64,
        most: f64,
        iterations: &[usize],
    ) -> Result<(f64, Vec<Reciprocal>)> {
        let (mut l, mut h) = (lo, hi);
        let mut scaled = Vec::with_capacity(iterations.len());
        for &i in iterations {
            let (factor, unit) = with_radius_one(l, h, |range| Reciprocal::relaxed(range, 1.0, i))?;
            (l, h) = next_range(most, unit.relative_error);
            scaled.push((factor.sqrt(), unit.range, i));
        }
        let numerators = scaled.iter().skip(1).map(|s| s.0).chain([1.0]);
        let steps = (scaled.iter().zip(numerators))
            .map(|((_, range, i), numerator)| Ok(Reciprocal::relaxed(*range, numerator, *i)?))
            .collect::<Result<Vec<_>>>()?;
        Ok((scaled.first().map_or(1.0, |s| s.0), steps))
    }

    /// The exponential at the start, of scores divided by `2^k`.
    #[must_use]
    pub fn exponential(&self) -> &Exponential {
        &self.exponential
    }

    /// The reciprocals, one for each step.
    #[must_use]
    pub fn steps(&self) -> &[Reciprocal] {
        &self.steps
    }

    /// A bound of the relative error of each output in exact arithmetic; outputs are at most 1.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        let doublings = 2f64.powi(self.steps.len() as i32 + 1);
        let spread = (self.exponential.relative_error.ln_1p() * doublings).exp();
        let last = self.steps.last().map_or(0.0, |r| r.relative_error);
        spread * (1.0 + last) - 1.0
    }

    /// Levels, products and rotations.
    #[must_use]
    pub fn cost(&self) -> CircuitCost {
        let rows = self.scores.rows();
        let start = self.scores.exponentials_cost(&self.exponential);
        self.steps.iter().fold(start, |cost, reciprocal| {
            cost.then(CircuitCost::levels(1, rows.ciphertexts()))
                .then(rows.times_function_of_sum_cost(&reciprocal.plan))
        })
    }

    /// Softmax of each row, in the places of the scores; `name` begins the names of constants.
    ///
    /// # Errors
    /// Another number of ciphertexts than the layout has, or the evaluator refuses an operation: no level left, a key
    /// is missing.
    pub fn evaluate<E: Evaluator>(
        &self,
        eval: &E,
        name: &str,
        xs: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        let mut ys = self
            .scores
            .exponentials(eval, name, &self.exponential, xs)?;
        let rows = self.scores.rows();
        for reciprocal in &self.steps {
            let squares = ys
                .iter()
                .map(|y| Ok(eval.mul(y, y)?))
                .collect::<Result<Vec<_>>>()?;
            ys = rows.times_function_of_sum(eval, &reciprocal.plan, &squares, 0.0)?;
        }
        Ok(ys)
    }
}

/// The range of `Σ y²` for rows of at most `n` elements whose sum is `1 ± e`.
fn next_range(n: f64, e: f64) -> (f64, f64) {
    ((1.0 - e).powi(2) / n, (1.0 + e).powi(2))
}
