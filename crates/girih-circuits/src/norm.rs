//! Layer norm and RMS norm of rows.
//!
//! ```text
//! layer norm: y = γ (x - μ) / √(σ² + ε) + β,   μ and σ² the mean and variance of the row
//! RMS norm:   y = γ x / √(m + ε),              m the mean of the squares of the row
//! ```
//!
//! Nothing is divided by a secret: with a public factor `a`, `z = a (x - μ)` and `n` elements, `Σ z² = a² n σ²`, and
//! `y = γ z · (√n / √(Σ z² + a² n ε)) + β`. The factor is chosen so that the divisor's range has radius 1: the map to the
//! range of the fitted inverse square root is then a sum with a constant.
//!
//! Levels: one for `z`, one for its square, one for the sum where rows do not fill the slots ([`Rows`]), those of the
//! inverse square root, and one for the product. Rotations: two sums for layer norm, one for RMS norm.

use std::collections::BTreeSet;

use girih_he::{Evaluator, Rotation};
use girih_polyfit::Interval;
use girih_polyfit::inverse_sqrt::{InverseSqrt, InverseSqrtMethod};

use crate::cost::CircuitCost;
use crate::reduce::rotation_steps;
use crate::{Error, Result, Rows, replicate};

/// Which norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Mean subtracted, divided by the standard deviation.
    Layer,
    /// Divided by the root of the mean square.
    RootMeanSquare,
}

/// What a norm is planned for.
#[derive(Clone, Debug, PartialEq)]
pub struct NormSpec {
    /// The layout; padding holds zeros.
    pub rows: Rows,
    /// The norm.
    pub kind: NormKind,
    /// The range of the variance, or of the mean square, `ε` left out: positive, from a calibration.
    pub variance: Interval,
    /// `ε`
    pub epsilon: f64,
    /// `γ`, one for each element of a row.
    pub gamma: Vec<f64>,
    /// `β`, one for each element of a row; empty for none.
    pub beta: Vec<f64>,
}

/// A norm with its inverse square root.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    spec: NormSpec,
    /// The public factor `a`.
    factor: f64,
    inverse: InverseSqrt,
}

impl Norm {
    /// Plans for a relative error of at most `target` of `y - β`.
    ///
    /// # Errors
    /// A range of variances that reaches zero together with `ε`, a negative `ε`, another number of `γ` or `β` than of
    /// elements, a target that is not met.
    pub fn try_new(spec: NormSpec, target: f64) -> Result<Self> {
        Self::plan(spec, |range, root| {
            InverseSqrt::for_error(range, root, target)
        })
    }

    /// The same with a given inverse square root.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new), but for the target; a start that does not work on the range.
    pub fn with_method(spec: NormSpec, method: InverseSqrtMethod) -> Result<Self> {
        Self::plan(spec, |range, root| {
            InverseSqrt::with_method(range, root, method)
        })
    }

    fn plan(
        spec: NormSpec,
        inverse: impl Fn(Interval, f64) -> girih_polyfit::Result<InverseSqrt>,
    ) -> Result<Self> {
        let n = spec.rows.elements();
        let wrong = |given| Error::Inputs {
            op: "norm",
            expected: n,
            given,
        };
        if spec.gamma.len() != n {
            return Err(wrong(spec.gamma.len()));
        }
        if !spec.beta.is_empty() && spec.beta.len() != n {
            return Err(wrong(spec.beta.len()));
        }
        if !(spec.epsilon >= 0.0 && spec.epsilon.is_finite()) {
            return Err(Error::Parameter {
                op: "norm",
                name: "epsilon",
                value: spec.epsilon,
                wanted: "choose zero or a small positive number",
            });
        }
        let count = n as f64;
        let factor = (2.0 / (count * (spec.variance.hi() - spec.variance.lo()))).sqrt();
        let scale = factor * factor * count;
        let range = Interval::try_new(
            scale * (spec.variance.lo() + spec.epsilon),
            scale * (spec.variance.hi() + spec.epsilon),
        )?;
        Ok(Norm {
            inverse: inverse(range, count.sqrt())?,
            factor,
            spec,
        })
    }

    /// What was planned for.
    #[must_use]
    pub fn spec(&self) -> &NormSpec {
        &self.spec
    }

    /// The inverse square root.
    #[must_use]
    pub fn inverse(&self) -> &InverseSqrt {
        &self.inverse
    }

    /// A bound of the relative error of `y - β` in exact arithmetic; `|y - β| ≤ |γ| √n`.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        self.inverse.relative_error
    }

    /// Levels, products and rotations.
    #[must_use]
    pub fn cost(&self) -> CircuitCost {
        let rows = &self.spec.rows;
        // Of the mean.
        let rotations = match self.spec.kind {
            // It goes to the places in use only.
            NormKind::Layer if !rows.is_cyclic() => {
                rows.length().ilog2() as usize + rotation_steps(rows.valid()).len()
            }
            NormKind::Layer => rows.sum_rotations(),
            NormKind::RootMeanSquare => 0,
        };
        CircuitCost {
            depth: 2,
            products: rows.ciphertexts(),
            rotations,
        }
        .then(rows.times_function_of_sum_cost(&self.inverse.plan))
    }

    /// The rotations whose keys are needed.
    #[must_use]
    pub fn rotations(&self) -> BTreeSet<Rotation> {
        let rows = &self.spec.rows;
        let mut all = rows.rotations();
        if self.spec.kind == NormKind::Layer && !rows.is_cyclic() {
            let back = rotation_steps(rows.valid()).into_iter();
            all.extend(back.map(|k| Rotation((rows.slots() - k * rows.stride()) as i32)));
        }
        all
    }

    /// The formula in the clear, on one row.
    #[must_use]
    pub fn exact(&self, row: &[f64]) -> Vec<f64> {
        let n = row.len().max(1) as f64;
        let mean = match self.spec.kind {
            NormKind::Layer => row.iter().sum::<f64>() / n,
            NormKind::RootMeanSquare => 0.0,
        };
        let square = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let root = (square + self.spec.epsilon).sqrt();
        (row.iter().zip(&self.spec.gamma).enumerate())
            .map(|(e, (x, g))| g * (x - mean) / root + self.spec.beta.get(e).unwrap_or(&0.0))
            .collect()
    }

    /// What [`evaluate`](Self::evaluate) gives in exact arithmetic, on one row: the formula with the fitted inverse
    /// square root.
    #[must_use]
    pub fn approximate(&self, row: &[f64]) -> Vec<f64> {
        let n = row.len().max(1) as f64;
        let mean = match self.spec.kind {
            NormKind::Layer => row.iter().sum::<f64>() / n,
            NormKind::RootMeanSquare => 0.0,
        };
        let zs: Vec<f64> = row.iter().map(|x| self.factor * (x - mean)).collect();
        let epsilon = self.factor.powi(2) * n * self.spec.epsilon;
        let inverse = self
            .inverse
            .plan
            .eval(zs.iter().map(|z| z * z).sum::<f64>() + epsilon);
        (zs.iter().zip(&self.spec.gamma).enumerate())
            .map(|(e, (z, g))| g * z * inverse + self.spec.beta.get(e).unwrap_or(&0.0))
            .collect()
    }

    /// The norm of each row, zeros in the padding; `name` begins the names of constants.
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
        let rows = &self.spec.rows;
        rows.check(xs.len())?;
        let zs = match self.spec.kind {
            NormKind::Layer => self.centred(eval, name, xs)?,
            NormKind::RootMeanSquare => xs
                .iter()
                .map(|x| Ok(eval.mul_scalar(x, self.factor)?))
                .collect::<Result<Vec<_>>>()?,
        };
        let squares = zs
            .iter()
            .map(|z| Ok(eval.mul(z, z)?))
            .collect::<Result<Vec<_>>>()?;
        let epsilon = self.factor.powi(2) * rows.elements() as f64 * self.spec.epsilon;
        let inverse = rows.function_of_sum(eval, &self.inverse.plan, &squares, epsilon)?;

        let gammas = rows.vectors(|_, e| self.spec.gamma[e]);
        let betas = rows.vectors(|_, e| self.spec.beta.get(e).copied().unwrap_or(0.0));
        (zs.iter().zip(gammas.iter().zip(&betas)).enumerate())
            .map(|(c, (z, (gamma, beta)))| {
                let gamma = eval.constant(&format!("{name}.gamma.{c}"), gamma)?;
                let y = eval.mul(&eval.mul_plain(z, &gamma)?, &inverse)?;
                if self.spec.beta.is_empty() {
                    return Ok(y);
                }
                let beta = eval.constant(&format!("{name}.beta.{c}"), beta)?;
                Ok(eval.add_plain(&y, &beta)?)
            })
            .collect()
    }

    /// `a (x - μ)` in the places in use, zero in the padding: one level.
    fn centred<E: Evaluator>(
        &self,
        eval: &E,
        name: &str,
        xs: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        let rows = &self.spec.rows;
        let share = -self.factor / rows.elements() as f64;
        if rows.is_cyclic() {
            let sum = rows.sum(eval, xs)?;
            if !rows.is_padded() {
                return xs
                    .iter()
                    .map(|x| Ok(eval.dot_affine(&[], &[(x, self.factor), (&sum, share)], 0.0)?))
                    .collect();
            }
            let in_use = |f: f64| rows.vectors(move |_, _| f).swap_remove(0);
            let scale = eval.constant(&format!("{name}.scale"), &in_use(self.factor))?;
            let mean = eval.constant(&format!("{name}.mean"), &in_use(share))?;
            return xs
                .iter()
                .map(|x| Ok(eval.dot_plain(&[(x, &scale), (&sum, &mean)])?))
                .collect();
        }
        // The mean from the first place of each row to those in use.
        let total = rows.sum_to_first(eval, xs)?;
        let alone = eval.mul_plain(&total, &rows.first(eval, share)?)?;
        let mean = replicate(eval, &alone, rows.valid(), rows.stride() as i32)?;
        xs.iter()
            .map(|x| Ok(eval.add(&eval.mul_scalar(x, self.factor)?, &mean)?))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use girih_he::{Auto, ClearEvaluator, Level, Op, Recorder};
    use proptest::prelude::*;

    /// A row with the given mean and variance: a wave, a spike, or two levels.
    fn value(row: usize, element: usize, n: usize, variance: f64) -> f64 {
        let shape = |e: usize| match row % 3 {
            0 => (e as f64 * 1.3 + row as f64).sin(),
            1 => f64::from(u8::from(e == row % n)),
            _ => f64::from(u8::from(e.is_multiple_of(2))),
        };
        let mean = (0..n).map(shape).sum::<f64>() / n as f64;
        let square = (0..n).map(|e| (shape(e) - mean).powi(2)).sum::<f64>() / n as f64;
        (shape(element) - mean) * (variance / square).sqrt() + 0.3 * row as f64
    }

    fn layouts() -> Vec<Rows> {
        let rows = |length, stride| Rows::try_new(64, length, stride).unwrap();
        vec![
            rows(8, 1),
            rows(8, 8),
            rows(16, 2).padded(11).unwrap(),
            rows(16, 4).padded(11).unwrap(),
            rows(4, 4).across(3).unwrap(),
            rows(4, 16).padded(3).unwrap().across(2).unwrap(),
            rows(1, 1).across(8).unwrap(),
        ]
    }

    fn spec(rows: Rows, kind: NormKind) -> NormSpec {
        let n = rows.elements();
        NormSpec {
            rows,
            kind,
            variance: Interval::try_new(0.25, 30.0).unwrap(),
            epsilon: 1e-12,
            gamma: (0..n).map(|e| 0.5 + 0.1 * e as f64).collect(),
            beta: (0..n).map(|e| 0.2 - 0.05 * e as f64).collect(),
        }
    }

    #[test]
    fn norms_in_the_stated_depth() {
        for rows in layouts() {
            for kind in [NormKind::Layer, NormKind::RootMeanSquare] {
                let mut spec = spec(rows, kind);
                if kind == NormKind::RootMeanSquare {
                    spec.beta.clear();
                    // Of squares: the means count.
                    spec.variance = Interval::try_new(0.25, 400.0).unwrap();
                }
                let norm = Norm::try_new(spec, 1e-4).unwrap();
                let depth = norm.cost().depth;
                let n = rows.elements();
                // The ends of the range and between, in the rows.
                let variances = [0.25, 30.0, 1.0, 7.0];
                let at = |r: usize, e: usize| value(r, e, n, variances[r % 4]);
                let run = |levels: usize| {
                    let eval = Auto::new(ClearEvaluator::leveled(64, Level(levels as u8)));
                    let xs: Vec<_> = rows
                        .vectors(at)
                        .iter()
                        .map(|v| eval.inner().vector(v).unwrap())
                        .collect();
                    norm.evaluate(&eval, "n", &xs)
                        .map(|ys| (ys.iter().map(|y| eval.remaining(y)).max(), ys))
                };
                assert!(run(depth - 1).is_err());
                let rec = Recorder::new("norm", 64);
                let xs: Vec<_> = (0..rows.ciphertexts())
                    .map(|c| rec.input(&format!("x{c}")).unwrap())
                    .collect();
                norm.evaluate(&rec, "n", &xs).unwrap();
                let mut rotations = 0;
                for inst in rec.finish().0.insts {
                    if let Op::Rotate(_, by) = inst.op {
                        rotations += 1;
                        assert!(norm.rotations().contains(&by.normalized(64)), "{by:?}");
                    }
                }
                assert_eq!(rotations, norm.cost().rotations, "{rows:?}");
                let (left, ys) = run(depth).unwrap();
                assert_eq!(left, Some(0), "{rows:?}");
                let ys: Vec<_> = ys.iter().map(|y| y.values().to_vec()).collect();
                for (r, row) in rows.gather(&ys).unwrap().iter().enumerate() {
                    let xs: Vec<f64> = (0..n).map(|e| at(r, e)).collect();
                    for (e, (y, x)) in row.iter().zip(norm.exact(&xs)).enumerate() {
                        let beta = norm.spec().beta.get(e).copied().unwrap_or(0.0);
                        let bound = 1e-4 * (x - beta).abs() + 1e-11;
                        assert!((y - x).abs() <= bound, "{rows:?} {kind:?} {r} {e}: {y} {x}");
                    }
                }
                for (c, y) in ys.iter().enumerate() {
                    for (slot, v) in y.iter().enumerate() {
                        if rows.place(c, slot).1.is_none() {
                            assert!(v.abs() < 1e-12, "padding holds {v}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn misuse_is_refused() {
        let rows = Rows::try_new(64, 8, 8).unwrap();
        let good = spec(rows, NormKind::Layer);
        let mut bad = good.clone();
        bad.gamma.pop();
        assert!(matches!(
            Norm::try_new(bad, 1e-3),
            Err(Error::Inputs { .. })
        ));
        let mut bad = good.clone();
        bad.beta.pop();
        assert!(Norm::try_new(bad, 1e-3).is_err());
        let mut bad = good.clone();
        bad.variance = Interval::try_new(0.0, 1.0).unwrap();
        bad.epsilon = 0.0;
        assert!(matches!(Norm::try_new(bad, 1e-3), Err(Error::Fit(_))));
        let mut bad = good.clone();
        bad.epsilon = -1.0;
        assert!(Norm::try_new(bad, 1e-3).is_err());
        assert!(Norm::try_new(good.clone(), 0.0).is_err());
        let norm = Norm::try_new(good, 1e-3).unwrap();
        let eval = ClearEvaluator::unlimited(64);
        assert!(norm.evaluate(&eval, "n", &[]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]
        #[test]
        fn random_ranges(lo in 0.05..2.0f64, ratio in 1.5..400.0f64, seed in 0usize..50) {
            let rows = Rows::try_new(64, 16, 4).unwrap().padded(13).unwrap();
            let mut spec = spec(rows, NormKind::Layer);
            spec.variance = Interval::try_new(lo, lo * ratio).unwrap();
            let norm = Norm::try_new(spec, 1e-3).unwrap();
            let at = |r: usize, e: usize| {
                value(r + seed, e, 13, lo * ratio.powf(r as f64 / 3.0))
            };
            let eval = Auto::new(ClearEvaluator::leveled(64, Level(norm.cost().depth as u8)));
            let xs = [eval.inner().vector(&rows.vectors(at)[0]).unwrap()];
            let ys = norm.evaluate(&eval, "n", &xs).unwrap();
            for (r, row) in rows.gather(&[ys[0].values()]).unwrap().iter().enumerate() {
                let xs: Vec<f64> = (0..13).map(|e| at(r, e)).collect();
                for (e, (y, x)) in row.iter().zip(norm.exact(&xs)).enumerate() {
                    let size = (x - norm.spec().beta[e]).abs();
                    prop_assert!((y - x).abs() <= 1e-3 * size + 1e-10);
                }
            }
        }
    }
}
