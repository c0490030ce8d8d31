//! The sign and what follows from it, as composites of minimax polynomials.

use crate::chooser::Method;
use crate::chooser::search::{Proposal, Search};
use crate::{CompositeSign, EvaluationPlan, Function, Result};

/// Precisions that are offered on a front: a bit each.
const PRECISIONS: std::ops::RangeInclusive<i32> = 3..=14;
/// Least and largest precision of a composite.
const LIMITS: (f64, f64) = (2.0, 20.0);
/// Levels beyond the fewest that are tried: products are saved by some.
const SPARE: [usize; 2] = [0, 2];

/// Composites for relu, leaky relu, abs and sign.
pub(super) fn proposals<'a>(search: &'a Search<'a>) -> Vec<Proposal<'a>> {
    let interval = search.interval();
    let function = search.function();
    // Error of the plan per error of relu on [-1, 1].
    let gain = match function {
        Function::Relu => 1.0,
        Function::LeakyRelu { slope } => (1.0 - slope).abs(),
        Function::Abs | Function::Sign => 2.0,
        _ => return Vec::new(),
    };
    let far = interval.lo().abs().max(interval.hi().abs());
    let scale = match function {
        Function::Sign => gain,
        _ => gain * far,
    };
    if scale == 0.0 || interval.lo() >= 0.0 || interval.hi() <= 0.0 {
        return Vec::new();
    }
    let precisions: Vec<f64> = match search.wanted() {
        Some(error) => vec![(scale / error).log2().max(LIMITS.0)],
        None => PRECISIONS.map(f64::from).collect(),
    };
    let product = usize::from(function != Function::Sign);
    let most = search.request().max_depth.saturating_sub(product);
    let gap = search.request().gap / far;
    let mut found: Vec<Proposal<'a>> = Vec::new();
    for alpha in precisions.into_iter().filter(|&a| a <= LIMITS.1) {
        let mut before: Option<Vec<usize>> = None;
        // About a level a bit; the sign of a gap knows better.
        let least = match function {
            Function::Sign => 1,
            _ => (alpha.ceil() as usize).min(most),
        };
        for spare in SPARE {
            let depth = least + spare;
            if depth == 0 || depth > most {
                continue;
            }
            let sign = match function {
                Function::Sign => CompositeSign::for_gap(gap, (1.0 - alpha).exp2(), most),
                _ => CompositeSign::new(alpha, depth),
            };
            let Ok(sign) = sign else { continue };
            let degrees = sign.degrees();
            if before.as_ref() != Some(&degrees)
                && let Ok(plan) = plan(function, &sign, search)
            {
                let name = format!("{function} by a composite sign of degrees {degrees:?}");
                found.extend(Proposal::ready(search, Method::Composite, name, plan));
            }
            before = Some(degrees);
        }
    }
    found
}

fn plan(function: Function, sign: &CompositeSign, search: &Search<'_>) -> Result<EvaluationPlan> {
    let interval = search.interval();
    match function {
        Function::LeakyRelu { slope } => sign.leaky_relu(interval, slope),
        Function::Abs => sign.abs(interval),
        Function::Sign => sign.sign(interval),
        _ => sign.relu(interval),
    }
}
