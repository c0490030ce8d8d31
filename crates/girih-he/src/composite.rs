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
    let babies = Babies::new(
        giants
            .iter()
            .flat_map(|g| g.terms.iter().map(|t| (t.0, t.1))),
    );
    let rotated = babies
        .by
        .iter()
        .zip(&babies.inputs)
        .map(|(by, input)| eval.rotate_many(input, by))
        .collect::<Result<Vec<_>>>()?;
    let sums = giants
        .iter()
        .map(|giant| {
            let terms: Vec<_> = giant
                .terms
                .iter()
                .map(|(a, r, p)| {
                    let (input, baby) = babies.find(a, *r);
                    (&rotated[input][baby], *p)
                })
                .collect();
            eval.dot_plain(&terms)
        })
        .collect::<Result<Vec<_>>>()?;
    let terms: Vec<_> = sums.iter().zip(giants).map(|(s, g)| (s, g.by)).collect();
    if terms.is_empty() {
        return Err(Error::EmptySum { op });
    }
    eval.sum_rotated(&terms)
}

/// The distinct inputs of a linear transform, told apart by their address, and the rotations of each.
struct Babies<'a, C> {
    inputs: Vec<&'a C>,
    by: Vec<Vec<Rotation>>,
}

impl<'a, C> Babies<'a, C> {
    fn new(terms: impl Iterator<Item = (&'a C, Rotation)>) -> Self {
        let mut babies = Babies {
            inputs: Vec::new(),
            by: Vec::<Vec<Rotation>>::new(),
        };
        for (a, r) in terms {
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

    /// Index of an input and of its rotation; both are there.
    fn find(&self, a: &C, r: Rotation) -> (usize, usize) {
        let input = self.inputs.iter().position(|i| std::ptr::eq(*i, a));
        let input = input.expect("every input was collected");
        let baby = self.by[input].iter().position(|by| *by == r);
        (input, baby.expect("every rotation was collected"))
    }
}
