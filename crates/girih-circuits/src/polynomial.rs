//! Polynomials of a ciphertext in optimal depth, by the plans of `girih_polyfit`.
//!
//! Every sum `constant + Σ cₖ Tₖ + Σ q · T_g` is one [`dot_affine`](Evaluator::dot_affine): one relinearisation,
//! one rescaling, and linear terms that are lowered for free (their coefficients are encoded at exactly the scale
//! at which all terms meet). The page `docs/polynomials.md` has the counts.

use std::collections::BTreeMap;

use girih_he::{Auto, Evaluator, Level, Leveled};
use girih_polyfit::{
    Basis, PolynomialPlan,
    plan::{Chain, Sum},
};

use crate::Result;

/// `p(x)` in every slot, for values on the polynomial's interval.
///
/// # Errors
/// The evaluator refuses an operation: no level left, no relinearisation key.
pub fn evaluate<E: Evaluator>(
    eval: &E,
    plan: &PolynomialPlan,
    x: &E::Ciphertext,
) -> Result<E::Ciphertext> {
    let Some((scale, shift)) = plan.input_map() else {
        return evaluate_unit(eval, plan, x);
    };
    let scaled = if scale == 1.0 {
        x.clone()
    } else {
        eval.mul_scalar(x, scale)?
    };
    let u = if shift == 0.0 {
        scaled
    } else {
        eval.add_scalar(&scaled, shift)?
    };
    evaluate_unit(eval, plan, &u)
}

/// `p` at an input to which [`input_map`](PolynomialPlan::input_map) has been applied (all of it if the map
/// is `None`).
///
/// The sums have operands of different states: run it on [`Auto`], or record it and
/// let the passes that assign levels place rescalings and level changes.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_unit<E: Evaluator>(
    eval: &E,
    plan: &PolynomialPlan,
    u: &E::Ciphertext,
) -> Result<E::Ciphertext> {
    let powers = chain(eval, plan.chain(), u)?;
    self::sum(
        eval,
        plan.root(),
        &powers,
        plan.unit_depth(),
        &|joint, _| Ok(eval.dot_affine(&joint.products, &joint.linear, joint.constant)?),
    )
}

/// [`evaluate_unit`], every part at the level at which it is needed: leaves are lowered
/// for free, so that none is rescaled twice. What the compiler's passes do for a recorded program.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_unit_leveled<E: Leveled>(
    eval: &Auto<E>,
    plan: &PolynomialPlan,
    u: &E::Ciphertext,
) -> Result<E::Ciphertext> {
    let (top, depth) = (usize::from(eval.remaining(u)), plan.unit_depth());
    if top < depth {
        return Err(girih_he::Error::LevelExhausted {
            op: "polynomial",
            needed: u8::try_from(depth).unwrap_or(u8::MAX),
            left: eval.remaining(u),
        }
        .into());
    }
    let powers = chain(eval, plan.chain(), u)?;
    self::sum(eval, plan.root(), &powers, depth, &|joint, depth| {
        let level = Level(u8::try_from(top - depth).unwrap_or(0));
        Ok(eval.dot_affine_rescaled(&joint.products, &joint.linear, joint.constant, level)?)
    })
}

/// `constant + Σ cₖ Tₖ + Σ q · T_g`, `depth` levels below the input.
fn sum<E: Evaluator>(
    eval: &E,
    sum: &Sum,
    powers: &BTreeMap<usize, E::Ciphertext>,
    depth: usize,
    join: &impl Fn(Joint<'_, E::Ciphertext>, usize) -> Result<E::Ciphertext>,
) -> Result<E::Ciphertext> {
    let quotients = sum
        .products
        .iter()
        .map(|(q, _)| self::sum(eval, q, powers, depth - 1, join))
        .collect::<Result<Vec<_>>>()?;
    let (scaled, plain) = sum.linear_terms();
    let mut joint = Joint {
        products: quotients
            .iter()
            .zip(&sum.products)
            .map(|(q, (_, g))| (q, &powers[g]))
            .collect(),
        linear: scaled.iter().map(|(k, c)| (&powers[k], *c)).collect(),
        constant: sum.constant,
    };
    if joint.products.is_empty() && joint.linear.is_empty() && plain.is_empty() {
        // A constant: there is nothing encrypted to start from but the input.
        joint.linear.push((&powers[&1], 0.0));
    }
    let mut total = if joint.products.is_empty() && joint.linear.is_empty() {
        None
    } else {
        Some(join(joint, depth)?)
    };
    let alone = total.is_none();
    for k in plain {
        total = Some(plus(eval, total, powers[&k].clone())?);
    }
    match total {
        Some(total) if alone && sum.constant != 0.0 => Ok(eval.add_scalar(&total, sum.constant)?),
        Some(total) => Ok(total),
        None => Err(girih_he::Error::EmptySum { op: "polynomial" }.into()),
    }
}

/// The members of a chain at `u`, by index: one sum of products each, its linear part included.
pub(crate) fn chain<E: Evaluator>(
    eval: &E,
    chain: &Chain,
    u: &E::Ciphertext,
) -> Result<BTreeMap<usize, E::Ciphertext>> {
    let mut powers = BTreeMap::from([(1, u.clone())]);
    for (k, (a, b)) in chain.steps() {
        let pair = (&powers[&a], &powers[&b]);
        let power = match chain.basis() {
            Basis::Power => eval.dot_affine(&[pair], &[], 0.0)?,
            // The product twice: cheaper than doubling a ciphertext, which is larger than cache.
            Basis::Chebyshev if a == b => eval.dot_affine(&[pair, pair], &[], -1.0)?,
            Basis::Chebyshev => {
                eval.dot_affine(&[pair, pair], &[(&powers[&(a - b)], -1.0)], 0.0)?
            }
        };
        powers.insert(k, power);
    }
    Ok(powers)
}

/// A sum of products and scaled terms.
struct Joint<'a, C> {
    products: Vec<(&'a C, &'a C)>,
    linear: Vec<(&'a C, f64)>,
    constant: f64,
}

fn plus<E: Evaluator>(
    eval: &E,
    total: Option<E::Ciphertext>,
    term: E::Ciphertext,
) -> Result<E::Ciphertext> {
    match total {
        None => Ok(term),
        Some(total) => Ok(eval.add(&total, &term)?),
    }
}

#[cfg(test)]
mod tests;
