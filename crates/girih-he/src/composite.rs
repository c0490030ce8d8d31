//! Composite operations by their parts: the meaning of every fused path, and the oracle it is tested against.

use crate::{Error, Evaluator, GiantStep, Level, Leveled, Result, Rotation};

/// `Σ aᵢ ⊙ bᵢ + Σ cₖ xₖ + constant`: one `dot`, one `mul_scalar` for each linear term.
pub(crate) fn dot_affine<E: Evaluator + ?Sized>(
    eval: &E,
    products: &[(&E::Ciphertext, &E::Ciphertext)],
    linear: &[(&E::Ciphertext, f64)],
    constant: f64,
) -> Result<E::Ciphertext> {
    let mut total = match products {
        [] => None,
        [(a, b)] => Some(eval.mul(a, b)?),
        _ => Some(eval.dot(products)?),
    };
    for (x, c) in linear {
        let term = eval.mul_scalar(x, *c)?;
        total = Some(match total {
            None => term,
            Some(total) => eval.add(&total, &term)?,
        });
    }
    let total = total.ok_or(Error::EmptySum { op: "dot_affine" })?;
    if constant == 0.0 {
        Ok(total)
    } else {
        eval.add_scalar(&total, constant)
    }
}

/// Linear terms dropped, then [`dot_affine`], then one rescaling.
pub(crate) fn dot_affine_rescaled<E: Leveled + ?Sized>(
    eval: &E,
    products: &[(&E::Ciphertext, &E::Ciphertext)],
    linear: &[(&E::Ciphertext, f64)],
    constant: f64,
    level: Level,
) -> Result<E::Ciphertext> {
    let op = "dot_affine_rescaled";
    let above = level.above(op)?;
    if let Some((a, _)) = products.iter().find(|(a, _)| eval.level(a) != above) {
        return Err(Error::LevelMismatch {
            op,
            lhs: eval.level(a),
            rhs: above,
        });
    }
    let dropped = linear
        .iter()
        .map(|(x, _)| eval.drop_to(x, above))
        .collect::<Result<Vec<_>>>()?;
    let linear: Vec<_> = dropped
        .iter()
        .zip(linear)
        .map(|(x, (_, c))| (x, *c))
        .collect();
    eval.rescale(&eval.dot_affine(products, &linear, constant)?)
}

/// One `rotate_many` for each input, one `dot_plain` for each giant step, one `sum_rotated`.
pub(crate) fn sum_rotated_products<E: Evaluator + ?Sized>(
    eval: &E,
    giants: &[GiantStep<&E::Ciphertext, &E::Plaintext>],
) -> Result<E::Ciphertext> {
    let op = "sum_rotated_products";
    let rotated = Babies::new(giants).rotated(eval)?;
    let sums = giants
        .iter()
        .map(|giant| rotated.sum(eval, giant))
        .collect::<Result<Vec<_>>>()?;
    let terms: Vec<_> = sums.iter().zip(giants).map(|(s, g)| (s, g.by)).collect();
    if terms.is_empty() {
        return Err(Error::EmptySum { op });
    }
    eval.sum_rotated(&terms)
}

/// One `rotate_many` for each input; one `dot_plain` for each giant step that has terms, and one `sum_rotated` that adds
/// it to what came before.
pub(crate) fn horner_rotated_products<E: Evaluator + ?Sized>(
    eval: &E,
    giants: &[GiantStep<&E::Ciphertext, &E::Plaintext>],
) -> Result<E::Ciphertext> {
    let rotated = Babies::new(giants).rotated(eval)?;
    // The sum so far, and the rotation that is still due.
    let mut total: Option<(E::Ciphertext, Rotation)> = None;
    for giant in giants {
        let here = match giant.terms.is_empty() {
            true => None,
            false => Some(rotated.sum(eval, giant)?),
        };
        let sum = match (total, here) {
            (None, None) => None,
            (None, Some(here)) => Some(here),
            (Some((sum, due)), None) => Some(eval.rotate(&sum, due)?),
            (Some((sum, due)), Some(here)) => {
                Some(eval.sum_rotated(&[(&here, Rotation(0)), (&sum, due)])?)
            }
        };
        total = sum.map(|sum| (sum, giant.by));
    }
    let (sum, due) = total.ok_or(Error::EmptySum {
        op: "horner_rotated_products",
    })?;
    if due.is_identity(eval.slots()) {
        return Ok(sum);
    }
    eval.rotate(&sum, due)
}

/// The distinct inputs of a linear transform, told apart by their address, and the rotations of each.
struct Babies<'a, C> {
    inputs: Vec<&'a C>,
    by: Vec<Vec<Rotation>>,
}

impl<'a, C> Babies<'a, C> {
    fn new<P>(giants: &[GiantStep<&'a C, P>]) -> Self {
        let mut babies = Babies {
            inputs: Vec::new(),
            by: Vec::<Vec<Rotation>>::new(),
        };
        for &(a, r, _) in giants.iter().flat_map(|g| &g.terms) {
            let input = match babies.inputs.iter().position(|i| std::ptr::eq(*i, a)) {
                Some(known) => known,
                None => {
                    babies.inputs.push(a);
                    babies.by.push(Vec::new());
                    babies.inputs.len() - 1
                }
            };
            if !babies.by[input].contains(&r) {
                babies.by[input].push(r);
            }
        }
        babies
    }

    /// All baby steps: one `rotate_many` for each input.
    fn rotated<E: Evaluator<Ciphertext = C> + ?Sized>(self, eval: &E) -> Result<Rotated<'a, C>> {
        let inputs = self.by.iter().zip(&self.inputs);
        let vectors = inputs
            .map(|(by, input)| eval.rotate_many(input, by))
            .collect::<Result<Vec<_>>>()?;
        Ok(Rotated {
            babies: self,
            vectors,
        })
    }

    /// Index of an input and of its rotation; both are there.
    fn find(&self, a: &C, r: Rotation) -> (usize, usize) {
        let input = self.inputs.iter().position(|i| std::ptr::eq(*i, a));
        let input = input.expect("every input was collected");
        let baby = self.by[input].iter().position(|by| *by == r);
        (input, baby.expect("every rotation was collected"))
    }
}

/// The baby steps of a linear transform, by input and rotation.
struct Rotated<'a, C> {
    babies: Babies<'a, C>,
    vectors: Vec<Vec<C>>,
}

impl<C> Rotated<'_, C> {
    /// The sum of products of one giant step, not yet rotated.
    fn sum<E: Evaluator<Ciphertext = C> + ?Sized>(
        &self,
        eval: &E,
        giant: &GiantStep<&C, &E::Plaintext>,
    ) -> Result<C> {
        let term = |(a, r, p): &(&C, Rotation, _)| {
            let (input, baby) = self.babies.find(a, *r);
            (&self.vectors[input][baby], *p)
        };
        let terms: Vec<(&C, &E::Plaintext)> = giant.terms.iter().map(term).collect();
        eval.dot_plain(&terms)
    }
}
