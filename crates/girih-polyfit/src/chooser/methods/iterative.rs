//! Iterations: squaring for exp, Goldschmidt's and Newton's for reciprocals and roots.

use crate::chooser::Method;
use crate::chooser::search::{Proposal, Search};
use crate::exponential::{Exponential, ExponentialMethod};
use crate::inverse_sqrt::{InverseSqrt, InverseSqrtMethod, Sqrt};
use crate::reciprocal::Reciprocal;
use crate::{EvaluationPlan, Function};

/// Degrees of the polynomial at the start.
const STARTS: [usize; 7] = [1, 2, 3, 5, 7, 11, 15];
/// Most Newton steps and squarings.
const STEPS: usize = 7;

/// Iterations for exp, reciprocal, square root and its inverse.
pub(super) fn proposals<'a>(search: &'a Search<'a>) -> Vec<Proposal<'a>> {
    let (function, range) = (search.function(), search.interval());
    let mut plans: Vec<(String, EvaluationPlan)> = Vec::new();
    match function {
        Function::Reciprocal => {
            for iterations in 1..=search.request().max_depth {
                let Ok(made) = Reciprocal::relaxed(range, 1.0, iterations) else {
                    break;
                };
                plans.push((made.method.to_string(), made.plan));
            }
        }
        Function::Exp | Function::InverseSqrt | Function::Sqrt => {
            for degree in STARTS {
                for steps in 1..=STEPS {
                    let method = InverseSqrtMethod { degree, steps };
                    let made = match function {
                        Function::Exp => {
                            let method = ExponentialMethod {
                                degree,
                                squarings: steps,
                            };
                            Exponential::with_method(range, 0.0, 1.0, method)
                                .map(|e| (e.method.to_string(), e.plan))
                        }
                        Function::Sqrt => {
                            Sqrt::with_method(range, method).map(|r| (r.method.to_string(), r.plan))
                        }
                        _ => InverseSqrt::with_method(range, 1.0, method)
                            .map(|r| (r.method.to_string(), r.plan)),
                    };
                    plans.extend(made);
                }
            }
        }
        _ => {}
    }
    plans
        .into_iter()
        .filter_map(|(name, plan)| Proposal::ready(search, Method::Iterative, name, plan))
        .collect()
}
