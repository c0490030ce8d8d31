//! Evaluation plans on ciphertexts.

use girih_he::{Auto, Evaluator, Leveled};
use girih_polyfit::evaluation::Step;
use girih_polyfit::{EvaluationPlan, PolynomialPlan};

use crate::polynomial;
use crate::{Error, Result};

/// The plan at `x` in every slot, for values on the plan's interval: [`EvaluationPlan::depth`] levels.
///
/// # Errors
/// The evaluator refuses an operation: no level left, no relinearisation key.
pub fn evaluate<E: Evaluator>(
    eval: &E,
    plan: &EvaluationPlan,
    x: &E::Ciphertext,
) -> Result<E::Ciphertext> {
    match plan.input_map() {
        None => evaluate_unit(eval, plan, x),
        Some((scale, shift)) => {
            evaluate_unit(eval, plan, &linear_combination(eval, &[(x, scale)], shift)?)
        }
    }
}

/// The plan at an input to which [`EvaluationPlan::input_map`] has been applied.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_unit<E: Evaluator>(
    eval: &E,
    plan: &EvaluationPlan,
    u: &E::Ciphertext,
) -> Result<E::Ciphertext> {
    run(eval, plan, u, |plan, x| {
        polynomial::evaluate_unit(eval, plan, x)
    })
}

/// [`evaluate_unit`], the parts of every polynomial at the level at which they are needed.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_unit_leveled<E: Leveled>(
    eval: &Auto<E>,
    plan: &EvaluationPlan,
    u: &E::Ciphertext,
) -> Result<E::Ciphertext> {
    run(eval, plan, u, |plan, x| {
        polynomial::evaluate_unit_leveled(eval, plan, x)
    })
}

fn run<E: Evaluator>(
    eval: &E,
    plan: &EvaluationPlan,
    u: &E::Ciphertext,
    polynomial: impl Fn(&PolynomialPlan, &E::Ciphertext) -> Result<E::Ciphertext>,
) -> Result<E::Ciphertext> {
    let mut values = vec![u.clone()];
    for step in plan.steps() {
        let value = match step {
            Step::Polynomial { of, plan, .. } => polynomial(plan, &values[of.index()])?,
            Step::Product(v, w) => eval.mul(&values[v.index()], &values[w.index()])?,
            Step::Affine { terms, constant } => {
                let terms: Vec<_> = terms
                    .iter()
                    .map(|(v, c)| (&values[v.index()], *c))
                    .collect();
                linear_combination(eval, &terms, *constant)?
            }
        };
        values.push(value);
    }
    Ok(values.swap_remove(plan.output().index()))
}

/// `Σ cₖ vₖ + c`, without products where every factor is 1 or -1.
///
/// # Errors
/// No term; the evaluator refuses an operation.
pub fn linear_combination<E: Evaluator>(
    eval: &E,
    terms: &[(&E::Ciphertext, f64)],
    constant: f64,
) -> Result<E::Ciphertext> {
    if terms.iter().any(|(_, c)| c.abs() != 1.0) {
        return Ok(eval.dot_affine(&[], terms, constant)?);
    }
    let mut sum: Option<E::Ciphertext> = None;
    for &(v, c) in terms {
        sum = Some(match sum {
            None if c == 1.0 => v.clone(),
            None => eval.neg(v)?,
            Some(sum) if c == 1.0 => eval.add(&sum, v)?,
            Some(sum) => eval.sub(&sum, v)?,
        });
    }
    let sum = sum.ok_or(Error::Evaluator(girih_he::Error::EmptySum {
        op: "affine step",
    }))?;
    Ok(if constant == 0.0 {
        sum
    } else {
        eval.add_scalar(&sum, constant)?
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use girih_he::{ClearEvaluator, Level};
    use girih_polyfit::{Interval, Polynomial};

    #[test]
    fn plans_run_in_their_depth() {
        let range = Interval::try_new(-3.0, 1.0).unwrap();
        let mut plan = EvaluationPlan::new(range);
        let p = Polynomial::chebyshev(Interval::UNIT, [0.25, 0.5, 0.0, -0.125]).unwrap();
        let v = plan.push_polynomial(plan.input(), p).unwrap();
        let w = plan.push_product(v, plan.input());
        let d = plan.push_affine(vec![(w, -1.0), (v, 1.0)], 0.0);
        plan.push_affine(vec![(d, 0.5), (plan.input(), 2.0)], 1.0);
        assert_eq!(plan.depth(), 5);
        let eval = Auto::new(ClearEvaluator::leveled(8, Level(5)));
        let x: Vec<f64> = (0..8).map(|k| -3.0 + 0.5 * f64::from(k)).collect();
        let y = evaluate(&eval, &plan, &eval.inner().vector(&x).unwrap()).unwrap();
        assert_eq!(eval.remaining(&y), 0);
        let (scale, shift) = plan.input_map().unwrap();
        let u: Vec<f64> = x.iter().map(|x| scale * x + shift).collect();
        let u = eval.inner().vector(&u).unwrap();
        let leveled = evaluate_unit_leveled(&eval, &plan, &u).unwrap();
        assert_eq!(eval.remaining(&leveled), 1);
        assert_eq!(
            leveled.values(),
            evaluate_unit(&eval, &plan, &u).unwrap().values()
        );
        for (x, y) in x.iter().zip(y.values()) {
            assert!((plan.eval(*x) - y).abs() < 1e-14);
        }
        let short = Auto::new(ClearEvaluator::leveled(8, Level(4)));
        assert!(evaluate(&short, &plan, &short.inner().vector(&x).unwrap()).is_err());
    }
}
