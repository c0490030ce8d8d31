//! Arg-max of rows by repeated standardising and amplifying ("cut-max": "Efficient Decoding Methods for Language
//! Models on Encrypted Data", arXiv 2509.08383, 2025).
//!
//! ```text
//! x ← ((z + s) / (√(n - 1) + s))ᵖ,   z = (x - μ) / σ of the row,   p odd;      at last x / Σ x
//! ```
//!
//! No value of a standardised row is above `√(n - 1)` (Samuelson's inequality), so that `x` stays below 1; odd powers keep
//! the order of all values. A row tends to two levels, the larger one at its maximum, of which the last division makes a
//! one-hot vector. Iterations need no comparison: depth grows with the number of iterations, not with the length of
//! rows; three or four of power 5 separate values that differ by a tenth of the standard deviation.
//!
//! The shift `s = 1`, the power and the number of iterations were chosen by experiment on random rows, not taken from
//! the paper.

use std::collections::BTreeSet;

use girih_he::{Evaluator, Rotation};
use girih_polyfit::Interval;
use girih_polyfit::reciprocal::Reciprocal;

use crate::cost::CircuitCost;
use crate::norm::{Norm, NormKind, NormSpec};
use crate::softmax::with_radius_one;
use crate::{Error, Result, Rows, power};

/// Largest power and most iterations.
const MAX_POWER: usize = 15;
const MAX_ITERATIONS: usize = 8;

/// How to iterate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutMaxSpec {
    /// The odd power `p`, at least 3.
    pub power: usize,
    /// The shift `s`, positive; 1 is good.
    pub shift: f64,
    /// Iterations, at least one.
    pub iterations: usize,
    /// Factor by which ranges of the sample rows are widened on both sides, at least 1.
    pub spread: f64,
    /// Relative error of the inverse square roots between, which may be coarse: a row's values all get the same.
    pub coarse: f64,
    /// Relative error of the last division.
    pub target: f64,
}

impl Default for CutMaxSpec {
    /// Four iterations of power 5.
    fn default() -> Self {
        CutMaxSpec {
            power: 5,
            shift: 1.0,
            iterations: 4,
            spread: 1.5,
            coarse: 0.05,
            target: 1e-3,
        }
    }
}

/// The iterations with ranges from sample rows.
#[derive(Clone, Debug, PartialEq)]
pub struct CutMax {
    rows: Rows,
    power: usize,
    norms: Vec<Norm>,
    reciprocal: Reciprocal,
    sample_error: f64,
}

impl CutMax {
    /// Plans from sample rows: the ranges of variances and of the last sum are those that they go through, widened.
    ///
    /// # Errors
    /// An even power or one outside 3 to 15, no iteration or more than 8, parameters out of range; rows of fewer than
    /// three elements; no sample, one of another length or with equal values; ranges for which no polynomial meets the
    /// error.
    pub fn calibrate(rows: Rows, spec: CutMaxSpec, samples: &[Vec<f64>]) -> Result<Self> {
        check(&rows, &spec, samples)?;
        let n = rows.elements();
        let limit = ((n - 1) as f64).sqrt() + spec.shift;
        let p = spec.power as i32;
        let mut values = samples.to_vec();
        let mut norms: Vec<Norm> = Vec::with_capacity(spec.iterations);
        for _ in 0..spec.iterations {
            let variance = spread_of(values.iter().map(|row| variance(row)), spec.spread)?;
            let norm = Norm::try_new(
                NormSpec {
                    rows,
                    kind: NormKind::Layer,
                    variance,
                    epsilon: 0.0,
                    gamma: vec![1.0 / limit; n],
                    beta: vec![spec.shift / limit; n],
                },
                spec.coarse,
            )?;
            values = values
                .iter()
                .map(|row| norm.approximate(row).iter().map(|w| w.powi(p)).collect())
                .collect();
            norms.push(norm);
        }
        let sums = spread_of(values.iter().map(|row| row.iter().sum()), spec.spread)?;
        let (factor, reciprocal) = with_radius_one(sums.lo(), sums.hi(), |range| {
            Reciprocal::for_error(range, 1.0, spec.target)
        })?;
        // The scale of the last sum goes into the last norm.
        if let Some(last) = norms.pop() {
            let scale = factor.powf(1.0 / f64::from(p));
            let mut scaled = last.spec().clone();
            scaled.gamma.iter_mut().for_each(|g| *g *= scale);
            scaled.beta.iter_mut().for_each(|b| *b *= scale);
            norms.push(Norm::with_method(scaled, last.inverse().method)?);
        }
        let sample_error = (values.iter().zip(samples))
            .map(|(row, sample)| distance(row, sample))
            .fold(0.0, f64::max);
        Ok(CutMax {
            rows,
            power: spec.power,
            norms,
            reciprocal,
            sample_error,
        })
    }

    /// The largest deviation from one-hot on the samples, the error of the last division aside.
    #[must_use]
    pub fn sample_error(&self) -> f64 {
        self.sample_error
    }

    /// The standardisations.
    #[must_use]
    pub fn norms(&self) -> &[Norm] {
        &self.norms
    }

    /// The rotations whose keys are needed.
    #[must_use]
    pub fn rotations(&self) -> BTreeSet<Rotation> {
        self.norms.iter().flat_map(Norm::rotations).collect()
    }

    /// Levels, products and rotations.
    #[must_use]
    pub fn cost(&self) -> CircuitCost {
        let count = self.rows.ciphertexts();
        let raise = CircuitCost::levels(
            self.power.next_power_of_two().ilog2() as usize,
            (self.power.ilog2() + self.power.count_ones() - 1) as usize * count,
        );
        let start = CircuitCost::default();
        let norms = self
            .norms
            .iter()
            .fold(start, |cost, norm| cost.then(norm.cost()).then(raise));
        norms.then(self.rows.times_function_of_sum_cost(&self.reciprocal.plan))
    }

    /// Nearly 1 at the maximum of each row and nearly 0 elsewhere; zeros in the padding, as before.
    /// `name` begins the names of constants.
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
        let mut xs = xs.to_vec();
        for (k, norm) in self.norms.iter().enumerate() {
            xs = norm
                .evaluate(eval, &format!("{name}.{k}"), &xs)?
                .iter()
                .map(|w| power(eval, w, self.power))
                .collect::<Result<_>>()?;
        }
        self.rows
            .times_function_of_sum(eval, &self.reciprocal.plan, &xs, 0.0)
    }
}

fn check(rows: &Rows, spec: &CutMaxSpec, samples: &[Vec<f64>]) -> Result<()> {
    let parameter = |name, value, wanted| {
        Err(Error::Parameter {
            op: "cut-max",
            name,
            value,
            wanted,
        })
    };
    if spec.power.is_multiple_of(2) || !(3..=MAX_POWER).contains(&spec.power) {
        return parameter(
            "power",
            spec.power as f64,
            "choose an odd number from 3 to 15",
        );
    }
    if !(1..=MAX_ITERATIONS).contains(&spec.iterations) {
        return parameter("iterations", spec.iterations as f64, "choose 1 to 8");
    }
    if !(spec.shift > 0.0 && spec.shift.is_finite()) {
        return parameter("shift", spec.shift, "choose a positive number");
    }
    if !(spec.spread >= 1.0 && spec.spread.is_finite()) {
        return parameter("spread", spec.spread, "choose at least 1");
    }
    if rows.elements() < 3 {
        return parameter(
            "elements",
            rows.elements() as f64,
            "two values need a comparison only",
        );
    }
    if samples.is_empty() {
        return parameter("samples", 0.0, "give at least one row");
    }
    match samples.iter().find(|row| row.len() != rows.elements()) {
        Some(row) => Err(Error::Inputs {
            op: "cut-max",
            expected: rows.elements(),
            given: row.len(),
        }),
        None => Ok(()),
    }
}

fn variance(row: &[f64]) -> f64 {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64
}

/// The range of positive numbers, widened by a factor on both sides, and never without interior.
fn spread_of(values: impl Iterator<Item = f64>, factor: f64) -> Result<Interval> {
    let (lo, hi) = values.fold((f64::INFINITY, 0f64), |(l, h), v| (l.min(v), h.max(v)));
    if !(lo > 0.0 && hi.is_finite()) {
        return Err(Error::Parameter {
            op: "cut-max",
            name: "samples",
            value: lo,
            wanted: "rows need different, finite values",
        });
    }
    Ok(Interval::try_new(lo / factor, hi * factor * 1.01)?)
}

/// How far `x / Σ x` is from one-hot at the largest sample.
fn distance(row: &[f64], sample: &[f64]) -> f64 {
    let sum: f64 = row.iter().sum();
    let most = sample.iter().copied().fold(f64::MIN, f64::max);
    (row.iter().zip(sample))
        .map(|(x, s)| (x / sum - f64::from(u8::from(*s == most))).abs())
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use girih_he::{Auto, ClearEvaluator, Level};

    /// Rows with the given distance between the largest and the others.
    fn sample(row: usize, n: usize, gap: f64) -> Vec<f64> {
        let mut values: Vec<f64> = (0..n)
            .map(|e| ((row * 37 + e * 11) as f64 * 0.83).sin())
            .collect();
        let most = values.iter().copied().fold(f64::MIN, f64::max);
        values[row % n] = most + gap;
        values
    }

    #[test]
    fn one_hot_in_the_stated_depth() {
        for (length, stride, valid, spec) in [
            (8, 8, 8, CutMaxSpec::default()),
            (16, 4, 16, CutMaxSpec::default()),
            (8, 1, 8, CutMaxSpec::default()),
            (16, 4, 10, CutMaxSpec::default()),
            (
                8,
                8,
                8,
                CutMaxSpec {
                    power: 3,
                    iterations: 6,
                    ..CutMaxSpec::default()
                },
            ),
        ] {
            let rows = Rows::try_new(64, length, stride)
                .unwrap()
                .padded(valid)
                .unwrap();
            let samples: Vec<_> = (0..40).map(|r| sample(r, valid, 0.3)).collect();
            let plan = CutMax::calibrate(rows, spec, &samples).unwrap();
            assert!(plan.sample_error() < 0.03, "{}", plan.sample_error());
            let value = |r: usize, e: usize| sample(r + 11, valid, 0.4)[e];
            let run = |levels: usize| {
                let eval = Auto::new(ClearEvaluator::leveled(64, Level(levels as u8)));
                let x = [eval.inner().vector(&rows.vectors(value)[0]).unwrap()];
                plan.evaluate(&eval, "c", &x)
                    .map(|y| (eval.remaining(&y[0]), y))
            };
            let depth = plan.cost().depth;
            assert!(run(depth - 1).is_err());
            let (left, y) = run(depth).unwrap();
            assert_eq!(left, 0);
            for (r, row) in rows.gather(&[y[0].values()]).unwrap().iter().enumerate() {
                for (e, v) in row.iter().enumerate() {
                    let hot = f64::from(u8::from(e == (r + 11) % valid));
                    assert!((v - hot).abs() < 0.05, "{length} {r} {e}: {v}");
                }
            }
        }
    }

    #[test]
    fn misuse_is_refused() {
        let rows = Rows::try_new(64, 8, 8).unwrap();
        let samples = vec![sample(1, 8, 0.3)];
        let good = CutMaxSpec::default();
        for spec in [
            CutMaxSpec { power: 4, ..good },
            CutMaxSpec { power: 1, ..good },
            CutMaxSpec {
                iterations: 0,
                ..good
            },
            CutMaxSpec { shift: 0.0, ..good },
            CutMaxSpec {
                spread: 0.9,
                ..good
            },
            CutMaxSpec {
                coarse: 0.0,
                ..good
            },
            CutMaxSpec {
                target: -1.0,
                ..good
            },
        ] {
            assert!(CutMax::calibrate(rows, spec, &samples).is_err(), "{spec:?}");
        }
        assert!(CutMax::calibrate(rows, good, &[]).is_err());
        assert!(CutMax::calibrate(rows, good, &[vec![1.0; 8]]).is_err());
        assert!(CutMax::calibrate(rows, good, &[vec![1.0; 7]]).is_err());
        let pairs = Rows::try_new(64, 2, 1).unwrap();
        assert!(CutMax::calibrate(pairs, good, &[vec![1.0, 2.0]]).is_err());
    }
}
