//! Power-softmax (Zimerman et al., "Power-Softmax: Towards Secure LLM Inference over Encrypted Data", 2024).

use girih_he::Evaluator;
use girih_polyfit::Interval;
use girih_polyfit::reciprocal::Reciprocal;

use super::with_radius_one;
use crate::cost::CircuitCost;
use crate::{Error, Mask, Result, Rows, power};

/// Largest power: above 8 the training is unstable.
const MAX_POWER: usize = 64;

/// What is divided by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerForm {
    /// `xᵖ / (ε + Σ xᵖ)`
    Plain,
    /// `zᵖ / (ε + Σ zᵖ)` with `z = x / bound`: `ε` does not depend on the size of the scores.
    Stable,
    /// `zᵖ / n / (ε + Σ zᵖ / n)` for rows of `n` elements: nor on their number, and the range of the divisor is `[ε, 1 + ε]`
    /// for all lengths.
    LengthAgnostic,
}

impl PowerForm {
    /// All of them.
    pub const ALL: [PowerForm; 3] = [
        PowerForm::Plain,
        PowerForm::Stable,
        PowerForm::LengthAgnostic,
    ];
}

/// What a power-softmax is planned for.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerSpec {
    /// The layout.
    pub rows: Rows,
    /// Elements that take part, multiplied before the power, so that it costs nothing; the numbers of elements are
    /// those it keeps.
    pub mask: Option<Mask>,
    /// Scores lie in `[-bound, bound]`.
    pub bound: f64,
    /// The even power `p`.
    pub power: usize,
    /// The `ε` of the divisor, about 10⁻³.
    pub epsilon: f64,
    /// The form.
    pub form: PowerForm,
    /// The range of the sum or mean that is divided by, `ε` left out, if it is known better than `[0, bound]`'s.
    pub sums: Option<Interval>,
}

/// `xᵖ` by repeated squaring, `1 / (ε + Σ)` by relaxed Goldschmidt, and their product.
///
/// Scale, mask and row constants are one product with a constant, before the power: `(c x)ᵖ`.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerSoftmax {
    spec: PowerSpec,
    /// What a score is multiplied by, for a row of `n` elements.
    scale: f64,
    /// `ε` on the scale of the sum.
    epsilon: f64,
    reciprocal: Reciprocal,
}

impl PowerSoftmax {
    /// Plans for a relative error of at most `target` of each output, in comparison with the form's formula.
    ///
    /// # Errors
    /// An odd power or one above 64; a bound or `ε` that is not positive; a mask of another layout; a target that is not
    /// met.
    pub fn try_new(spec: PowerSpec, target: f64) -> Result<Self> {
        let op = "power-softmax";
        let parameter = |name, value, wanted| {
            Err(Error::Parameter {
                op,
                name,
                value,
                wanted,
            })
        };
        if spec.power < 2 || spec.power > MAX_POWER || spec.power % 2 == 1 {
            return parameter("power", spec.power as f64, "choose an even number up to 64");
        }
        if !(spec.bound > 0.0 && spec.bound.is_finite()) {
            return parameter("bound", spec.bound, "choose a positive number");
        }
        if !(spec.epsilon > 0.0 && spec.epsilon.is_finite()) {
            return parameter("epsilon", spec.epsilon, "choose a positive number");
        }
        if let Some(mask) = &spec.mask {
            mask.check(&spec.rows)?;
        }
        let p = spec.power as i32;
        let most = spec.mask.as_ref().map_or(spec.rows.elements(), Mask::most) as f64;
        let (unit, largest) = match spec.form {
            PowerForm::Plain => (1.0, most * spec.bound.powi(p)),
            PowerForm::Stable => (1.0 / spec.bound, most),
            PowerForm::LengthAgnostic => (1.0 / spec.bound, 1.0),
        };
        let (lo, hi) = spec.sums.map_or((0.0, largest), |s| (s.lo(), s.hi()));
        if lo < 0.0 {
            return parameter("sums", lo, "sums of even powers are not negative");
        }
        let (factor, reciprocal) =
            with_radius_one(lo + spec.epsilon, hi + spec.epsilon, |divisors| {
                Reciprocal::for_error(divisors, 1.0, target)
            })?;
        Ok(PowerSoftmax {
            scale: unit * factor.powf(1.0 / f64::from(p)),
            epsilon: spec.epsilon * factor,
            reciprocal,
            spec,
        })
    }

    /// What was planned for.
    #[must_use]
    pub fn spec(&self) -> &PowerSpec {
        &self.spec
    }

    /// The reciprocal of the divisor.
    #[must_use]
    pub fn reciprocal(&self) -> &Reciprocal {
        &self.reciprocal
    }

    /// A bound of the relative error of each output in exact arithmetic, in comparison with the form's formula; outputs
    /// are at most 1.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        self.reciprocal.relative_error
    }

    /// Levels, products and rotations.
    #[must_use]
    pub fn cost(&self) -> CircuitCost {
        let rows = &self.spec.rows;
        let count = rows.ciphertexts();
        let p = self.spec.power;
        // Squarings, and a product for each further bit.
        let products = (p.ilog2() + p.count_ones() - 1) as usize;
        CircuitCost::levels(1, 0)
            .then(CircuitCost::levels(
                p.next_power_of_two().ilog2() as usize,
                products * count,
            ))
            .then(rows.times_function_of_sum_cost(&self.reciprocal.plan))
    }

    /// The formula in the clear, on one row of scores, those that the mask removes left out.
    #[must_use]
    pub fn exact(&self, row: &[f64]) -> Vec<f64> {
        let unit = match self.spec.form {
            PowerForm::Plain => 1.0,
            PowerForm::Stable | PowerForm::LengthAgnostic => 1.0 / self.spec.bound,
        };
        let weight = match self.spec.form {
            PowerForm::LengthAgnostic => 1.0 / row.len().max(1) as f64,
            PowerForm::Plain | PowerForm::Stable => 1.0,
        };
        let powers: Vec<f64> = row
            .iter()
            .map(|x| weight * (unit * x).powi(self.spec.power as i32))
            .collect();
        let divisor = self.spec.epsilon + powers.iter().sum::<f64>();
        powers.iter().map(|z| z / divisor).collect()
    }

    /// Power-softmax of each row, in the places of the scores; `name` begins the names of constants.
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
        let weight = |n: usize| match self.spec.form {
            PowerForm::LengthAgnostic => (1.0 / n.max(1) as f64).powf(1.0 / self.spec.power as f64),
            PowerForm::Plain | PowerForm::Stable => 1.0,
        };
        let scaled = match &self.spec.mask {
            Some(mask) => (xs.iter().zip(mask.weighted(|n| self.scale * weight(n))))
                .enumerate()
                .map(|(c, (x, values))| {
                    let plain = eval.constant(&format!("{name}.scale.{c}"), &values)?;
                    Ok(eval.mul_plain(x, &plain)?)
                })
                .collect::<Result<Vec<_>>>()?,
            None => {
                let scale = self.scale * weight(rows.elements());
                xs.iter()
                    .map(|x| Ok(eval.mul_scalar(x, scale)?))
                    .collect::<Result<Vec<_>>>()?
            }
        };
        let powers = scaled
            .iter()
            .map(|x| power(eval, x, self.spec.power))
            .collect::<Result<Vec<_>>>()?;
        rows.times_function_of_sum(eval, &self.reciprocal.plan, &powers, self.epsilon)
    }
}
