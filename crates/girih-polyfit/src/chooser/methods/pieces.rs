//! A polynomial of low degree in the middle, the asymptotes outside.

use crate::chooser::search::{Proposal, Search};
use crate::chooser::{Method, Target};
use crate::piecewise::{Objective, Piece, Piecewise};
use crate::{CompositeSign, Function};

/// Degrees of the polynomial in the middle.
const DEGREES: [usize; 3] = [2, 3, 4];
/// Precisions of the signs that select: bits of relu on `[-1, 1]`.
const PRECISIONS: [f64; 3] = [6.0, 9.0, 12.0];
/// Levels that a bit of a sign takes, and some to save products.
const SPARE: usize = 2;

/// Pieces for functions with two asymptotes; others have none.
pub(super) fn proposals<'a>(search: &'a Search<'a>) -> Vec<Proposal<'a>> {
    let (function, interval) = (search.function(), search.interval());
    let constant = |c: f64| Piece::Fixed {
        coefficients: vec![c],
    };
    let (left, right) = match function {
        Function::Gelu | Function::GeluTanh | Function::Silu | Function::Softplus => {
            (Piece::zero(), Piece::identity())
        }
        Function::Sigmoid => (Piece::zero(), constant(1.0)),
        Function::Tanh | Function::Erf => (constant(-1.0), constant(1.0)),
        _ => return Vec::new(),
    };
    let objective = match search.request().target {
        Target::MaxError(_) => Objective::Largest,
        Target::MeanError(_) => Objective::MeanSquare(search.density()),
    };
    let most = search.request().max_depth.saturating_sub(1);
    let signs: Vec<CompositeSign> = PRECISIONS
        .into_iter()
        .filter_map(|alpha| {
            let depth = (alpha as usize + SPARE).min(most);
            (alpha as usize <= depth)
                .then(|| CompositeSign::new(alpha, depth).ok())
                .flatten()
        })
        .collect();
    let mut found = Vec::new();
    for degree in DEGREES {
        let shape = [left.clone(), Piece::Fitted { degree }, right.clone()];
        let fitted = Piecewise::fit(|x| function.eval(x), interval, &shape, objective);
        let Ok(fitted) = fitted else { continue };
        for sign in &signs {
            let Ok(plan) = fitted.plan(sign) else {
                continue;
            };
            let breaks: Vec<String> = fitted.breaks().iter().map(|b| format!("{b:.3}")).collect();
            let name = format!(
                "pieces with breaks at {}, degree {degree} between, selected by signs of degrees {:?}",
                breaks.join(" and "),
                sign.degrees()
            );
            found.extend(Proposal::ready(search, Method::Piecewise, name, plan));
        }
    }
    found
}
