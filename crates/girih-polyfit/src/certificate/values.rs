//! Values of polynomials and plans in double-double arithmetic, with bounds of their rounding errors.

use super::grid::Bounded;
use crate::evaluation::Step;
use crate::{Basis, Dd, EvaluationPlan, Interval, Polynomial};

/// Relative error of one operation on double-double numbers, with room.
const UNIT: f64 = 8.0 * Dd::EPSILON;

/// `p` at a value known up to an error.
pub(super) fn polynomial(p: &Polynomial, of: &Bounded) -> Bounded {
    let (c, interval) = (p.coefficients(), p.interval());
    let n = c.len() as f64;
    let (argument, scale) = match p.basis() {
        Basis::Power => (of.value, 1.0),
        Basis::Chebyshev => (to_unit(interval, of.value), interval.radius()),
    };
    let shift = of.error / scale + UNIT * argument.abs().to_f64().max(1.0);
    let size = argument.abs().to_f64() + shift;
    // Rounding errors of Clenshaw's recurrence grow with the square of the degree at most (Elliott 1968): every
    // coefficient is multiplied by Uₖ, at most k + 1 on [-1, 1]; beyond, everything grows like Tₙ.
    let growth = match p.basis() {
        Basis::Chebyshev if size > 1.0 => ((n - 1.0) * size.acosh()).exp(),
        _ => 1.0,
    };
    let (value, sum, slope) = match p.basis() {
        Basis::Power => {
            let value = c.iter().rev().fold(Dd::ZERO, |acc, &c| acc * argument + c);
            let sum = c.iter().rev().fold(0.0, |acc, c| acc * size + c.abs());
            let slope = c
                .iter()
                .enumerate()
                .skip(1)
                .rev()
                .fold(0.0, |acc, (k, c)| acc * size + k as f64 * c.abs());
            (value, sum, slope)
        }
        Basis::Chebyshev => {
            let (mut b1, mut b2) = (Dd::ZERO, Dd::ZERO);
            for &c in c[1..].iter().rev() {
                (b1, b2) = (argument * b1 * 2.0 - b2 + c, b1);
            }
            let sum: f64 = c.iter().map(|c| c.abs()).sum();
            let squares = c.iter().enumerate().map(|(k, c)| (k * k) as f64 * c.abs());
            (argument * b1 - b2 + c[0], sum, squares.sum())
        }
    };
    Bounded {
        value,
        error: growth * (slope * shift + 4.0 * n * n * UNIT * sum),
    }
}

/// The position in the interval, by its centre and radius as `f64`: how polynomials are defined.
fn to_unit(interval: Interval, x: Dd) -> Dd {
    (x - interval.center()) / interval.radius()
}

/// The value of a plan.
pub(super) fn plan(plan: &EvaluationPlan, x: Dd) -> Bounded {
    let u = to_unit(plan.interval(), x);
    let mut values = vec![Bounded {
        value: u,
        error: UNIT * u.abs().to_f64(),
    }];
    for step in plan.steps() {
        let next = match step {
            Step::Polynomial {
                of, polynomial: p, ..
            } => polynomial(p, &values[of.index()]),
            Step::Product(v, w) => {
                let (a, b) = (&values[v.index()], &values[w.index()]);
                let value = a.value * b.value;
                let error = a.value.abs().to_f64() * b.error
                    + (b.value.abs().to_f64() + b.error) * a.error
                    + UNIT * value.abs().to_f64();
                Bounded { value, error }
            }
            Step::Affine { terms, constant } => {
                let (mut value, mut error) = (Dd::from(*constant), 0.0);
                let mut size = constant.abs();
                for (v, c) in terms {
                    let term = &values[v.index()];
                    value += term.value * *c;
                    error += c.abs() * term.error;
                    size += (c * term.value.hi()).abs();
                }
                error += UNIT * (terms.len() + 1) as f64 * size;
                Bounded { value, error }
            }
        };
        values.push(next);
    }
    values.pop().unwrap_or(Bounded {
        value: u,
        error: 0.0,
    })
}

/// The degree of a plan as one polynomial, saturating.
pub(super) fn degree(plan: &EvaluationPlan) -> usize {
    let mut degrees = vec![1usize];
    for step in plan.steps() {
        degrees.push(match step {
            Step::Polynomial { of, polynomial, .. } => {
                degrees[of.index()].saturating_mul(polynomial.degree())
            }
            Step::Product(v, w) => degrees[v.index()].saturating_add(degrees[w.index()]),
            Step::Affine { terms, .. } => terms
                .iter()
                .map(|t| degrees[t.0.index()])
                .max()
                .unwrap_or(0),
        });
    }
    degrees.last().copied().unwrap_or(1)
}

/// `d plan / dx` in double precision, by the chain rule. `derivatives` are those of the polynomial steps.
pub(super) fn derivative(plan: &EvaluationPlan, derivatives: &[Option<Polynomial>], x: f64) -> f64 {
    let interval = plan.interval();
    let mut values = vec![(interval.to_unit(x), 1.0 / interval.radius())];
    for (step, derivative) in plan.steps().iter().zip(derivatives) {
        let next = match (step, derivative) {
            (Step::Polynomial { of, polynomial, .. }, Some(d)) => {
                let (v, dv) = values[of.index()];
                (polynomial.eval(v), d.eval(v) * dv)
            }
            (Step::Product(v, w), _) => {
                let ((a, da), (b, db)) = (values[v.index()], values[w.index()]);
                (a * b, a * db + b * da)
            }
            (Step::Affine { terms, constant }, _) => {
                terms.iter().fold((*constant, 0.0), |s, (v, c)| {
                    let (a, da) = values[v.index()];
                    (s.0 + c * a, s.1 + c * da)
                })
            }
            (Step::Polynomial { .. }, None) => (f64::NAN, f64::NAN),
        };
        values.push(next);
    }
    values.last().map_or(f64::NAN, |v| v.1)
}

/// The derivatives of the polynomial steps.
pub(super) fn derivatives(plan: &EvaluationPlan) -> Vec<Option<Polynomial>> {
    plan.steps()
        .iter()
        .map(|step| match step {
            Step::Polynomial { polynomial, .. } => Some(polynomial.derivative()),
            _ => None,
        })
        .collect()
}
