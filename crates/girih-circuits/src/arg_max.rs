//! Maximum and arg-max of rows by a tree of comparisons.
//!
//! ```text
//! max(a, b) = b + (a - b) step(a - b)
//! one-hot:  step(x - max + gap / 2)
//! ```
//!
//! `log₂ n` rounds of rotations by half of what is left (QuickMax), each with the step function once for all rows of a
//! ciphertext at the same time; then one more step that marks the places within half a gap of the maximum. The step is any
//! [`EvaluationPlan`] on `[-1, 1]`, as a rule from [`CompositeSign`](girih_polyfit::CompositeSign).
//!
//! The depth is `rounds · (step + 1)` and `1 + step` for the mark, 50 and more levels for a dozen classes: bootstrap
//! between rounds, or use [`CutMax`](crate::cut_max::CutMax).

use girih_he::Evaluator;
use girih_polyfit::{EvaluationPlan, Interval};

use crate::cost::CircuitCost;
use crate::{Error, Result, Rows, evaluation};

/// What a maximum is planned for.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxSpec {
    /// The layout, without padding and in one ciphertext.
    pub rows: Rows,
    /// The range of the values.
    pub range: Interval,
    /// `1` for positive and `0` for negative arguments in `[-1, 1]`, a plan on that interval.
    pub step: EvaluationPlan,
    /// Its largest error outside `[-resolution, resolution]`.
    pub step_error: f64,
    /// Where the step is not yet accurate; in it the step lies in `[0, 1]` up to the error.
    pub resolution: f64,
}

/// The maximum of each row in every slot of the row, and the one-hot vector of where it is.
///
/// Values are mapped to `[0, 1]`, so that differences lie in `[-1, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Maximum {
    spec: MaxSpec,
}

impl Maximum {
    /// Checks the specification.
    ///
    /// # Errors
    /// Padded rows or rows across ciphertexts, a step on another interval than `[-1, 1]`, an error or a resolution that
    /// is not between 0 and 1.
    pub fn try_new(spec: MaxSpec) -> Result<Self> {
        let parameter = |name, value, wanted| {
            Err(Error::Parameter {
                op: "maximum",
                name,
                value,
                wanted,
            })
        };
        if spec.rows.is_padded() || spec.rows.ciphertexts() != 1 {
            return parameter(
                "elements",
                spec.rows.elements() as f64,
                "choose rows without padding in one ciphertext; fill them with the least value",
            );
        }
        if spec.step.interval() != Interval::UNIT {
            return parameter("step", spec.step.interval().hi(), "plan it on [-1, 1]");
        }
        for (name, value) in [
            ("step_error", spec.step_error),
            ("resolution", spec.resolution),
        ] {
            if !(value > 0.0 && value < 1.0) {
                return parameter(name, value, "choose a number between 0 and 1");
            }
        }
        Ok(Maximum { spec })
    }

    /// `log₂` of the length of a row.
    fn rounds(&self) -> usize {
        self.spec.rows.length().ilog2() as usize
    }

    /// Whether the row maximum has to be copied to the places of its row.
    fn copies(&self) -> bool {
        !self.spec.rows.is_cyclic()
    }

    /// Levels of the map to `[0, 1]`.
    fn input_depth(&self) -> usize {
        usize::from(self.spec.range.hi() - self.spec.range.lo() != 1.0)
    }

    /// A bound of the error of the maximum, on the scale of the values: each round loses at most the error of the
    /// step times the largest difference, or a difference within the resolution.
    #[must_use]
    pub fn error(&self) -> f64 {
        let width = self.spec.range.hi() - self.spec.range.lo();
        let round = self
            .spec
            .step_error
            .max(self.spec.resolution * (1.0 + self.spec.step_error));
        width * round * self.rounds() as f64
    }

    /// The smallest gap between the largest and the second largest value of a row for which
    /// [`one_hot`](Self::one_hot) is right: half of it is more than the error of the maximum and the resolution.
    #[must_use]
    pub fn least_gap(&self) -> f64 {
        let width = self.spec.range.hi() - self.spec.range.lo();
        2.0 * (self.error() + self.spec.resolution * width)
    }

    /// Levels, products and rotations of the maximum, scaled to `[0, 1]`.
    fn scaled_cost(&self) -> CircuitCost {
        let round = CircuitCost::of(&self.spec.step, 1).then(CircuitCost {
            depth: 1,
            products: 1,
            rotations: 1,
        });
        let start = CircuitCost::levels(self.input_depth(), 0);
        let tree = (0..self.rounds()).fold(start, |cost, _| cost.then(round));
        if self.copies() {
            tree.then(CircuitCost {
                depth: 1,
                products: 0,
                rotations: self.rounds(),
            })
        } else {
            tree
        }
    }

    /// Levels, products and rotations of the maximum.
    #[must_use]
    pub fn cost(&self) -> CircuitCost {
        // Back to the scale of the values: one product with a constant.
        self.scaled_cost()
            .then(CircuitCost::levels(self.input_depth(), 0))
    }

    /// Levels, products and rotations of the one-hot vector.
    #[must_use]
    pub fn one_hot_cost(&self) -> CircuitCost {
        self.scaled_cost().then(CircuitCost::of(&self.spec.step, 1))
    }

    /// The maximum of each row, in every slot of the row.
    ///
    /// # Errors
    /// The evaluator refuses an operation: no level left, a key is missing.
    pub fn evaluate<E: Evaluator>(&self, eval: &E, x: &E::Ciphertext) -> Result<E::Ciphertext> {
        let (lo, hi) = (self.spec.range.lo(), self.spec.range.hi());
        let most = self.scaled_maximum(eval, &self.scaled(eval, x)?)?;
        if hi - lo != 1.0 {
            return Ok(eval.dot_affine(&[], &[(&most, hi - lo)], lo)?);
        }
        Ok(eval.add_scalar(&most, lo)?)
    }

    /// One where a value is within half a `gap` of the row's maximum, zero elsewhere, up to the error of the step. With
    /// the maximum alone within the gap this is the arg-max as a one-hot vector.
    ///
    /// # Errors
    /// A gap below [`least_gap`](Self::least_gap) or above the range, or the evaluator refuses an operation.
    pub fn one_hot<E: Evaluator>(
        &self,
        eval: &E,
        x: &E::Ciphertext,
        gap: f64,
    ) -> Result<E::Ciphertext> {
        let width = self.spec.range.hi() - self.spec.range.lo();
        if !(gap >= self.least_gap() && gap <= width) {
            return Err(Error::Parameter {
                op: "one-hot",
                name: "gap",
                value: gap,
                wanted: "choose at least `least_gap()` and at most the width of the range",
            });
        }
        let x = self.scaled(eval, x)?;
        let most = self.scaled_maximum(eval, &x)?;
        let above = eval.add_scalar(&eval.sub(&x, &most)?, gap / width / 2.0)?;
        evaluation::evaluate_unit(eval, &self.spec.step, &above)
    }

    /// `(x - lo) / (hi - lo)`
    fn scaled<E: Evaluator>(&self, eval: &E, x: &E::Ciphertext) -> Result<E::Ciphertext> {
        let (lo, hi) = (self.spec.range.lo(), self.spec.range.hi());
        let scale = 1.0 / (hi - lo);
        if scale != 1.0 {
            return Ok(eval.dot_affine(&[], &[(x, scale)], -lo * scale)?);
        }
        Ok(eval.add_scalar(x, -lo)?)
    }

    fn scaled_maximum<E: Evaluator>(&self, eval: &E, x: &E::Ciphertext) -> Result<E::Ciphertext> {
        let rows = &self.spec.rows;
        let mut most = x.clone();
        for round in 0..self.rounds() {
            let half = rows.length() >> (round + 1);
            // Rows that rotations leave keep their first places right: what comes from the next row lies beyond.
            let other = eval.rotate(&most, girih_he::Rotation((half * rows.stride()) as i32))?;
            let difference = eval.sub(&most, &other)?;
            let step = evaluation::evaluate_unit(eval, &self.spec.step, &difference)?;
            most = eval.add(&other, &eval.mul(&difference, &step)?)?;
        }
        if self.copies() {
            let alone = eval.mul_plain(&most, &rows.first(eval, 1.0)?)?;
            most = crate::replicate(eval, &alone, rows.length(), rows.stride() as i32)?;
        }
        Ok(most)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use girih_he::{Auto, ClearEvaluator, Level};
    use girih_polyfit::CompositeSign;
    use proptest::prelude::*;

    fn maximum(rows: Rows, range: Interval) -> Maximum {
        let sign = CompositeSign::for_gap(1.0 / 64.0, 1e-4, 12).unwrap();
        Maximum::try_new(MaxSpec {
            rows,
            range,
            step: sign.step(Interval::UNIT).unwrap(),
            step_error: sign.error() / 2.0,
            resolution: sign.gap(),
        })
        .unwrap()
    }

    fn check(rows: Rows, range: Interval, value: impl Fn(usize, usize) -> f64) {
        let plan = maximum(rows, range);
        let n = rows.elements();
        let with = |levels: usize| {
            let eval = Auto::new(ClearEvaluator::leveled(rows.slots(), Level(levels as u8)));
            let x = eval.inner().vector(&rows.vectors(&value)[0]).unwrap();
            (eval, x)
        };
        let (eval, x) = with(plan.cost().depth);
        let y = plan.evaluate(&eval, &x).unwrap();
        assert_eq!(eval.remaining(&y), 0);
        let (short, x) = with(plan.cost().depth - 1);
        assert!(plan.evaluate(&short, &x).is_err());
        let found = rows.gather(&[y.values()]).unwrap();

        let gap = plan.least_gap();
        let (eval, x) = with(plan.one_hot_cost().depth);
        let y = plan.one_hot(&eval, &x, gap).unwrap();
        assert_eq!(eval.remaining(&y), 0);
        let marks = rows.gather(&[y.values()]).unwrap();
        for (r, row) in found.iter().enumerate() {
            let most = (0..n).map(|e| value(r, e)).fold(f64::MIN, f64::max);
            for (e, y) in row.iter().enumerate() {
                assert!((y - most).abs() <= plan.error() + 1e-12, "{r}: {y} {most}");
                // Between half and a whole gap below the maximum anything may be marked.
                let below = most - value(r, e);
                if below == 0.0 {
                    assert!((marks[r][e] - 1.0).abs() < 1e-3, "{r} {e}: {}", marks[r][e]);
                } else if below >= gap {
                    assert!(marks[r][e].abs() < 1e-3, "{r} {e}: {}", marks[r][e]);
                }
            }
        }
    }

    #[test]
    fn rows_of_every_kind() {
        let range = Interval::try_new(-3.0, 5.0).unwrap();
        for (length, stride) in [(8, 1), (8, 8), (4, 2), (1, 1), (16, 4)] {
            let rows = Rows::try_new(64, length, stride).unwrap();
            check(rows, range, |r, e| match r % 6 {
                0 => -3.0,
                1 => 5.0,
                2 => f64::from(u8::from(e == r % length)) * 8.0 - 3.0,
                3 => 5.0 - f64::from(u8::from(e == r % length)) * 8.0,
                4 => -3.0 + 8.0 * e as f64 / length as f64,
                _ => 1.0 + 4.0 * ((r * 31 + e * 17) as f64).sin(),
            });
        }
        let unit = Interval::try_new(0.0, 1.0).unwrap();
        check(Rows::try_new(64, 8, 8).unwrap(), unit, |r, e| {
            ((r + e) % 8) as f64 / 7.0
        });
    }

    #[test]
    fn misuse_is_refused() {
        let rows = Rows::try_new(64, 8, 8).unwrap();
        let good = maximum(rows, Interval::UNIT).spec;
        let with = |change: fn(&mut MaxSpec)| {
            let mut spec = good.clone();
            change(&mut spec);
            Maximum::try_new(spec)
        };
        assert!(with(|s| s.rows = s.rows.padded(5).unwrap()).is_err());
        assert!(with(|s| s.rows = s.rows.across(2).unwrap()).is_err());
        assert!(with(|s| s.resolution = 0.0).is_err());
        assert!(with(|s| s.step_error = 1.0).is_err());
        let other = Interval::symmetric(2.0).unwrap();
        let mut spec = good.clone();
        spec.step = EvaluationPlan::new(other);
        assert!(Maximum::try_new(spec).is_err());
        let plan = Maximum::try_new(good).unwrap();
        let eval = ClearEvaluator::unlimited(64);
        let x = eval.vector(&[0.5]).unwrap();
        for gap in [0.0, plan.least_gap() * 0.99, 2.1, f64::NAN] {
            assert!(plan.one_hot(&eval, &x, gap).is_err());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn random_rows(seed in 0u32..1000, log_length in 1u32..4, consecutive: bool) {
            let length = 1usize << log_length;
            let stride = if consecutive { 1 } else { 32 / length };
            let rows = Rows::try_new(32, length, stride).unwrap();
            let range = Interval::try_new(-10.0, 10.0).unwrap();
            check(rows, range, |r, e| 9.9 * ((r * 57 + e * 91) as f64 + f64::from(seed)).sin());
        }
    }
}
