//! Softmax of rows, `exp(xⱼ) / Σ exp(xᵢ)`, and the normalisations that replace it, planned before they run.
//!
//! | Plan | Formula | Levels after the input's scaling |
//! |---|---|---|
//! | [`ExpSoftmax`] | `exp(x - hi)`, times Goldschmidt's `1 / Σ` | exponential + reciprocal + 1 |
//! | [`NormalizeSquare`] | `y ← y² / Σ y²`, `k` times from `exp(x / 2^k)` | exponential + `k` (reciprocal + 2) |
//! | [`PowerSoftmax`] | `xᵖ / (ε + Σ xᵖ)`, `p` even | `⌈log₂ p⌉` + reciprocal + 1 |
//! | [`SigmaAttention`] | `σ(x) / S(L)`, `σ` pointwise | activation + 1 |
//!
//! Each takes one level more where the range of the scores has another radius than 1 (always for power-softmax), one
//! where a mask is multiplied after the exponential, and one for each sum where rows do not fill the slots
//! ([`Rows`]). Sums are scaled by public constants that sit in polynomials already, so that no further
//! level is lost to the input map of a reciprocal.
//!
//! The maximum of a row is not known under encryption; a public constant is subtracted instead. So the sum of the
//! exponentials spreads over `e^(hi - lo)` in the worst case, and the reciprocal pays for it: give the range of sums if
//! it is known from a calibration. Normalise-and-square does not depend on it.

use girih_he::Evaluator;
use girih_polyfit::Interval;
use girih_polyfit::exponential::Exponential;
use girih_polyfit::reciprocal::Reciprocal;

use crate::cost::CircuitCost;
use crate::{Mask, Result, Rows, evaluation};

mod exp;
mod normalize_square;
mod power;
mod sigma;

pub use exp::ExpSoftmax;
pub use normalize_square::NormalizeSquare;
pub use power::{PowerForm, PowerSoftmax, PowerSpec};
pub use sigma::{SigmaAttention, SigmaScaling};

/// Where the scores are and what they may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    rows: Rows,
    range: Interval,
    mask: Option<Mask>,
    row_maximum: f64,
}

impl Scores {
    /// Rows of scores in a public range. Without a mask all elements take part; padding is masked in any case.
    ///
    /// Masked elements must lie in the range as well: they are computed with, then multiplied by zero.
    ///
    /// # Errors
    /// The mask is that of another layout.
    pub fn try_new(rows: Rows, range: Interval, mask: Option<Mask>) -> Result<Self> {
        let mask = match mask {
            Some(mask) => {
                mask.check(&rows)?;
                Some(mask)
            }
            None if rows.is_padded() => Some(Mask::new(&rows, |_, _| true)?),
            None => None,
        };
        Ok(Scores {
            rows,
            range,
            mask,
            row_maximum: range.lo(),
        })
    }

    /// The same if the largest score of every row is known to be at least `least` (from a calibration): the sums of
    /// exponentials spread less.
    #[must_use]
    pub fn with_row_maximum(self, least: f64) -> Self {
        let row_maximum = least.clamp(self.range.lo(), self.range.hi());
        Scores {
            row_maximum,
            ..self
        }
    }

    /// A lower bound of `Σ exp(t (x - hi))` over the rows.
    fn least_sum(&self, t: f64) -> f64 {
        let (lo, hi) = (self.range.lo(), self.range.hi());
        let others = (self.least() - 1.0) * (t * (lo - hi)).exp();
        (t * (self.row_maximum - hi)).exp() + others
    }

    /// The layout.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The range of the scores.
    #[must_use]
    pub fn range(&self) -> Interval {
        self.range
    }

    /// The mask, if any.
    #[must_use]
    pub fn mask(&self) -> Option<&Mask> {
        self.mask.as_ref()
    }

    /// The smallest number of elements of a row.
    fn least(&self) -> f64 {
        self.mask.as_ref().map_or(self.rows.elements(), Mask::least) as f64
    }

    /// The largest number of elements of a row.
    fn most(&self) -> f64 {
        self.mask.as_ref().map_or(self.rows.elements(), Mask::most) as f64
    }

    /// The exponential of each score, zero where the mask removes it; `name` begins the names of constants.
    fn exponentials<E: Evaluator>(
        &self,
        eval: &E,
        name: &str,
        exponential: &Exponential,
        xs: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        let ys = self
            .unit(eval, xs)?
            .iter()
            .map(|u| evaluation::evaluate_unit(eval, &exponential.plan, u))
            .collect::<Result<Vec<_>>>()?;
        self.masked(eval, name, ys)
    }

    /// What [`exponentials`](Self::exponentials) costs.
    fn exponentials_cost(&self, exponential: &Exponential) -> CircuitCost {
        CircuitCost::levels(self.unit_depth() + self.mask_depth(), 0)
            .then(CircuitCost::of(&exponential.plan, self.rows.ciphertexts()))
    }

    /// Levels of [`unit`](Self::unit).
    fn unit_depth(&self) -> usize {
        usize::from(self.range.radius() != 1.0)
    }

    /// `(x - center) / radius` of each ciphertext.
    fn unit<E: Evaluator>(&self, eval: &E, xs: &[E::Ciphertext]) -> Result<Vec<E::Ciphertext>> {
        self.rows.check(xs.len())?;
        let (scale, center) = (1.0 / self.range.radius(), self.range.center());
        xs.iter()
            .map(|x| {
                if scale != 1.0 {
                    return Ok(eval.dot_affine(&[], &[(x, scale)], -center * scale)?);
                }
                Ok(if center == 0.0 {
                    x.clone()
                } else {
                    eval.add_scalar(x, -center)?
                })
            })
            .collect()
    }

    /// Levels of [`masked`](Self::masked).
    fn mask_depth(&self) -> usize {
        usize::from(self.mask.is_some())
    }

    /// Each ciphertext times its mask.
    fn masked<E: Evaluator>(
        &self,
        eval: &E,
        name: &str,
        ys: Vec<E::Ciphertext>,
    ) -> Result<Vec<E::Ciphertext>> {
        let Some(mask) = &self.mask else {
            return Ok(ys);
        };
        (ys.iter().zip(mask.vectors()).enumerate())
            .map(|(c, (y, values))| {
                let plain = eval.constant(&format!("{name}.mask.{c}"), values)?;
                Ok(eval.mul_plain(y, &plain)?)
            })
            .collect()
    }
}

/// The reciprocal on `[lo, hi]` times the factor that gives its plan's interval the radius 1, so that its input map is a
/// sum with a constant; and the factor.
pub(crate) fn with_radius_one(
    lo: f64,
    hi: f64,
    plan: impl Fn(Interval) -> girih_polyfit::Result<Reciprocal>,
) -> Result<(f64, Reciprocal)> {
    let range = Interval::try_new(lo, hi)?;
    let mut reciprocal = plan(range)?;
    let mut factor = 1.0 / reciprocal.plan.interval().radius();
    // Once is enough but for rounding at the border of two methods.
    for _ in 0..3 {
        reciprocal = plan(Interval::try_new(lo * factor, hi * factor)?)?;
        let radius = reciprocal.plan.interval().radius();
        if (radius - 1.0).abs() < 1e-12 {
            break;
        }
        factor /= radius;
    }
    Ok((factor, reciprocal))
}

#[cfg(test)]
mod tests;
