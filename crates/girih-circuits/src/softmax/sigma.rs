//! Attention with a pointwise activation in the place of softmax (Zimerman et al., "Converting Transformers to
//! Polynomial Form for Secure Inference over Homomorphic Encryption", 2023).

use girih_he::Evaluator;
use girih_polyfit::EvaluationPlan;

use crate::cost::CircuitCost;
use crate::{Mask, Result, Rows, evaluation};

/// The public factor after the activation, for rows of `L` elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SigmaScaling {
    /// `1 / √L`, which trains best.
    InverseRoot,
    /// `1 / L`
    Inverse,
    /// The same for all rows.
    Constant(f64),
}

/// `σ(x) · mask / S(L)`: the activation's levels and one for mask and factor together.
///
/// Where there is no mask the factor may be folded into the values that the scores weigh; then only the activation is
/// needed.
#[derive(Clone, Debug, PartialEq)]
pub struct SigmaAttention {
    mask: Mask,
    rows: Rows,
    activation: EvaluationPlan,
    scaling: SigmaScaling,
}

impl SigmaAttention {
    /// With the plan of the activation, on the range of the scores; `L` is the number of elements that the mask keeps in a
    /// row, or all.
    ///
    /// # Errors
    /// A mask of another layout.
    pub fn try_new(
        rows: Rows,
        activation: EvaluationPlan,
        scaling: SigmaScaling,
        mask: Option<Mask>,
    ) -> Result<Self> {
        let mask = match mask {
            Some(mask) => mask,
            None => Mask::new(&rows, |_, _| true)?,
        };
        mask.check(&rows)?;
        Ok(SigmaAttention {
            mask,
            rows,
            activation,
            scaling,
        })
    }

    /// `1 / S(L)`
    #[must_use]
    pub fn factor(&self, elements: usize) -> f64 {
        let n = elements.max(1) as f64;
        match self.scaling {
            SigmaScaling::InverseRoot => 1.0 / n.sqrt(),
            SigmaScaling::Inverse => 1.0 / n,
            SigmaScaling::Constant(factor) => factor,
        }
    }

    /// Levels, products and rotations (none).
    #[must_use]
    pub fn cost(&self) -> CircuitCost {
        let input = self.activation.depth() - self.activation.unit_depth();
        CircuitCost::levels(input + 1, 0)
            .then(CircuitCost::of(&self.activation, self.rows.ciphertexts()))
    }

    /// The weights of each row, in the places of the scores; `name` begins the names of constants.
    ///
    /// # Errors
    /// Another number of ciphertexts than the layout has, or the evaluator refuses an operation.
    pub fn evaluate<E: Evaluator>(
        &self,
        eval: &E,
        name: &str,
        xs: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        self.rows.check(xs.len())?;
        let weights = self.mask.weighted(|n| self.factor(n));
        (xs.iter().zip(&weights).enumerate())
            .map(|(c, (x, values))| {
                let y = evaluation::evaluate(eval, &self.activation, x)?;
                let plain = eval.constant(&format!("{name}.weights.{c}"), values)?;
                Ok(eval.mul_plain(&y, &plain)?)
            })
            .collect()
    }
}
