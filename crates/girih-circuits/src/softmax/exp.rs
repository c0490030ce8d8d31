//! Softmax by its definition: exponentials, their sum, Goldschmidt's reciprocal.

use girih_he::Evaluator;
use girih_polyfit::Interval;
use girih_polyfit::exponential::Exponential;
use girih_polyfit::reciprocal::Reciprocal;

use super::{Scores, with_radius_one};
use crate::Result;
use crate::cost::CircuitCost;

/// `γ exp(x - hi)` by a polynomial and squarings, `1 / Σ` by relaxed Goldschmidt, and their product.
///
/// With `γ` so that the range of the sums has radius 1 no level goes to the reciprocal's input.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpSoftmax {
    scores: Scores,
    exponential: Exponential,
    reciprocal: Reciprocal,
}

impl ExpSoftmax {
    /// Plans for a relative error of at most `target` of each output.
    ///
    /// `sums` is the range of `Σ exp(x - hi)` over the rows, `hi` the upper end of the scores' range. Without it the
    /// worst case is taken, from the fewest elements at the lower end to the most at the upper: of ratio
    /// `n e^(hi - lo)`, about one level for each two bits of it.
    ///
    /// # Errors
    /// The target is not met by any polynomial; `sums` is not positive.
    pub fn try_new(scores: Scores, sums: Option<Interval>, target: f64) -> Result<Self> {
        let range = scores.range();
        let (lo, hi) = sums.map_or_else(
            || (scores.least_sum(1.0), scores.most()),
            |s| (s.lo(), s.hi()),
        );
        // Equal shares: (1 + s)² / (1 - s) <= 1 + target.
        let share = target / (3.0 + 2.0 * target);
        let (gain, reciprocal) =
            with_radius_one(lo * (1.0 - share), hi * (1.0 + share), |range| {
                Reciprocal::for_error(range, 1.0, share)
            })?;
        let exponential = Exponential::for_error(range, range.hi(), gain, share)?;
        Ok(ExpSoftmax {
            scores,
            exponential,
            reciprocal,
        })
    }

    /// The exponential.
    #[must_use]
    pub fn exponential(&self) -> &Exponential {
        &self.exponential
    }

    /// The reciprocal of the sum.
    #[must_use]
    pub fn reciprocal(&self) -> &Reciprocal {
        &self.reciprocal
    }

    /// A bound of the relative error of each output in exact arithmetic; outputs are at most 1.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        let e = self.exponential.relative_error;
        (1.0 + e) / (1.0 - e) * (1.0 + self.reciprocal.relative_error) - 1.0
    }

    /// Levels, products and rotations.
    #[must_use]
    pub fn cost(&self) -> CircuitCost {
        let rows = self.scores.rows();
        self.scores
            .exponentials_cost(&self.exponential)
            .then(rows.times_function_of_sum_cost(&self.reciprocal.plan))
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
        let ys = self
            .scores
            .exponentials(eval, name, &self.exponential, xs)?;
        let rows = self.scores.rows();
        rows.times_function_of_sum(eval, &self.reciprocal.plan, &ys, 0.0)
    }
}
