//! Wide ranges: steps that shrink the range while they keep its middle, then one polynomial.

use crate::Function;
use crate::chooser::Method;
use crate::chooser::search::{Proposal, Search};
use crate::extension::DomainExtension;

/// Most steps: the range is 7.6 times as wide as what they keep.
const STEPS: usize = 5;
/// Degrees of the polynomial: the largest of their depths.
const DEGREES: [usize; 3] = [7, 15, 31];

/// Extensions for functions that level off, and for `x` times such a function.
pub(super) fn proposals<'a>(search: &'a Search<'a>) -> Vec<Proposal<'a>> {
    let (function, interval) = (search.function(), search.interval());
    let gated = match function {
        Function::Sigmoid | Function::Tanh | Function::Erf => false,
        Function::Gelu | Function::GeluTanh | Function::Silu => true,
        _ => return Vec::new(),
    };
    // f(x) / x, and its limit 1/2 at zero.
    let gate = |x: f64| match x.abs() < f64::EPSILON {
        true => 0.5,
        false => function.eval(x) / x,
    };
    let mut found = Vec::new();
    for steps in 1..=STEPS {
        let Ok(extension) = DomainExtension::new(interval, steps) else {
            continue;
        };
        for degree in DEGREES {
            let plan = match gated {
                true => extension.fit_gated(gate, degree),
                false => extension.fit(|x| function.eval(x), degree),
            };
            let name = format!("{steps} steps of domain extension and degree {degree}");
            let ready = |plan| Proposal::ready(search, Method::Extension, name, plan);
            found.extend(plan.ok().and_then(ready));
        }
    }
    found
}
