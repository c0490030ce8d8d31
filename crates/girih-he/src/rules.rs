//! The rules of levels and scales, in one place.
//!
//! Every evaluator that tracks states, the verifier and the passes that assign levels ask these
//! functions; a scheme is expected to refuse what they refuse.
//!
//! | operation | operands | result |
//! |---|---|---|
//! | sum, difference | one level, all products or none | unchanged |
//! | negation, rotation, conjugation, sum with a constant | any | unchanged |
//! | product of any kind | rescaled, one level, at least level 1 | product at that level |
//! | `rescale` | a product at level `l` | rescaled, `l - 1` |
//! | `dot_affine_rescaled` to `l` | products at `l + 1`, linear terms not below, all rescaled | rescaled, `l` |
//! | `drop_to` | rescaled, not below the target | rescaled, the target |
//! | `bootstrap` | rescaled, not below its input level | rescaled, its output level or where the program says below it |

use crate::{Bootstrapping, Error, Inst, Level, Op, Result, State, ValueId};

/// State of `a + b`.
///
/// # Errors
/// Levels differ, or one operand is a product and the other is not.
pub fn sum(op: &'static str, a: State, b: State) -> Result<State> {
    if a.level != b.level {
        return Err(Error::LevelMismatch {
            op,
            lhs: a.level,
            rhs: b.level,
        });
    }
    if a.product != b.product {
        return Err(Error::MixedScales { op });
    }
    Ok(a)
}

/// State of a product of `a` with a constant.
///
/// # Errors
/// The operand is a product, or has no level left.
pub fn product_plain(op: &'static str, a: State) -> Result<State> {
    if a.product {
        return Err(Error::NotRescaled { op });
    }
    if a.level.0 == 0 {
        return Err(Error::LevelExhausted {
            op,
            needed: 1,
            left: 0,
        });
    }
    Ok(State {
        level: a.level,
        product: true,
    })
}

/// State of `a ⊙ b`.
///
/// # Errors
/// Levels differ, an operand is a product, or no level is left.
pub fn product(op: &'static str, a: State, b: State) -> Result<State> {
    if a.level != b.level {
        return Err(Error::LevelMismatch {
            op,
            lhs: a.level,
            rhs: b.level,
        });
    }
    product_plain(op, a)?;
    product_plain(op, b)
}

/// State after rescaling.
///
/// # Errors
/// The operand is not a product, or no level is left.
pub fn rescale(a: State) -> Result<State> {
    if !a.product {
        return Err(Error::AlreadyRescaled { level: a.level });
    }
    let level = a.level.below().ok_or(Error::LevelExhausted {
        op: "rescale",
        needed: 1,
        left: 0,
    })?;
    Ok(State {
        level,
        product: false,
    })
}

/// State after a change to a lower level (or the same one).
///
/// # Errors
/// The operand is a product, or below the target.
pub fn drop_to(a: State, level: Level) -> Result<State> {
    if a.product {
        return Err(Error::NotRescaled { op: "drop_to" });
    }
    if level > a.level {
        return Err(Error::LevelMismatch {
            op: "drop_to",
            lhs: a.level,
            rhs: level,
        });
    }
    Ok(State {
        level,
        product: false,
    })
}

/// The bootstrapping, if there is one.
pub(crate) fn bootstrapping(bootstrapping: Option<&Bootstrapping>) -> Result<&Bootstrapping> {
    bootstrapping.ok_or_else(|| Error::Unsupported {
        op: "bootstrap",
        why: "choose parameters with a bootstrapping".into(),
    })
}

/// State of a bootstrapped value.
///
/// # Errors
/// The operand is a product, or below the level at which the bootstrapping begins.
pub fn bootstrap(a: State, bootstrapping: &Bootstrapping) -> Result<State> {
    let op = "bootstrap";
    if a.product {
        return Err(Error::NotRescaled { op });
    }
    if a.level < bootstrapping.input {
        return Err(Error::LevelExhausted {
            op,
            needed: bootstrapping.input.0,
            left: a.level.0,
        });
    }
    Ok(State {
        level: bootstrapping.output,
        product: false,
    })
}

/// State of the result of an instruction from the states of its operands.
///
/// Inputs and bootstraps land where the instruction says, or at `top` if it says nothing.
///
/// # Errors
/// A rule above is broken, a sum is empty, or an input or a bootstrap is a product or above `top`.
pub fn result_state(inst: &Inst, top: Level, state: impl Fn(ValueId) -> State) -> Result<State> {
    result(&inst.op, inst.state, top, &state)
}

fn result(
    op: &Op,
    carried: Option<State>,
    top: Level,
    state: &dyn Fn(ValueId) -> State,
) -> Result<State> {
    let name = op.name();
    let declared = || match carried {
        Some(s) if s.product => Err(Error::NotRescaled { op: name }),
        Some(s) if s.level > top => Err(Error::LevelMismatch {
            op: name,
            lhs: s.level,
            rhs: top,
        }),
        Some(s) => Ok(s),
        None => Ok(State {
            level: top,
            product: false,
        }),
    };
    match op {
        Op::Input(_) => declared(),
        Op::Add(a, b) | Op::Sub(a, b) => sum(name, state(*a), state(*b)),
        Op::Neg(a)
        | Op::AddPlain(a, _)
        | Op::AddScalar(a, _)
        | Op::Rotate(a, _)
        | Op::Conjugate(a) => Ok(state(*a)),
        Op::MulPlain(a, _) | Op::MulScalar(a, _) => product_plain(name, state(*a)),
        Op::Mul(a, b) => product(name, state(*a), state(*b)),
        Op::DotPlain(terms) => {
            all_sum(name, terms.iter().map(|t| state(t.0))).and_then(|s| product_plain(name, s))
        }
        Op::Dot(terms) => all_sum(name, terms.iter().flat_map(|t| [state(t.0), state(t.1)]))
            .and_then(|s| product_plain(name, s)),
        Op::SumRotated(terms) => all_sum(name, terms.iter().map(|t| state(t.0))),
        Op::DotAffine { .. } => {
            all_sum(name, op.operands().into_iter().map(state)).and_then(|s| product_plain(name, s))
        }
        Op::SumRotatedProducts(giants) => {
            let terms = giants.iter().flat_map(|g| &g.terms);
            all_sum(name, terms.map(|t| state(t.0))).and_then(|s| product_plain(name, s))
        }
        Op::Rescaled(op, level) => {
            let above = level.above(name)?;
            let lowered = |v: ValueId| drop_to(state(v), above);
            let product = match &**op {
                Op::DotAffine {
                    products, linear, ..
                } => {
                    let products = products
                        .iter()
                        .flat_map(|t| [t.0, t.1])
                        .map(|v| Ok(state(v)));
                    let operands = products.chain(linear.iter().map(|t| lowered(t.0)));
                    let operands = operands.collect::<Result<Vec<_>>>()?;
                    product_plain(name, all_sum(name, operands.into_iter())?)?
                }
                op => result(op, None, top, state)?,
            };
            if product.level != above {
                return Err(Error::LevelMismatch {
                    op: name,
                    lhs: product.level,
                    rhs: above,
                });
            }
            rescale(product)
        }
        Op::Rescale(a) => rescale(state(*a)),
        Op::DropTo(a, level) => drop_to(state(*a), *level),
        Op::Bootstrap(a) => {
            if state(*a).product {
                return Err(Error::NotRescaled { op: name });
            }
            declared()
        }
    }
}

fn all_sum(op: &'static str, mut states: impl Iterator<Item = State>) -> Result<State> {
    let first = states.next().ok_or(Error::EmptySum { op })?;
    states.try_fold(first, |acc, s| sum(op, acc, s))
}
