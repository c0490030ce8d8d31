//! Fusion: products and their rescalings in one, linear sums at the level where they are needed.
//!
//! *Before*: levels are assigned. *After*: a product whose only use is its rescaling is one instruction with it, which
//! saves the transforms and the rounding of a separate rescaling; a sum of scalar products that is only read further
//! down is computed there, where rows are fewer and its operands are lowered for free. *Why here*: what is read where
//! is known once levels are assigned.
//!
//! ```text
//! %1 = mul %0 %0                  @L5*        %1 = rescaled to L4 mul %0 %0     @L4
//! %2 = rescale %1                 @L4    →
//! ```

use girih_he::{Inst, Level, Op, Program, State, ValueId};

/// Fuses what can be fused; the values stay the same.
#[must_use]
pub fn run(program: &Program) -> Program {
    let users = users(program);
    let uses = program.use_counts();
    let absorbed: Vec<bool> = program
        .insts
        .iter()
        .enumerate()
        .map(|(i, inst)| {
            let rescaled = |u: &usize| matches!(program.insts[*u].op, Op::Rescale(_));
            fusible(&inst.op) && uses[i] == 1 && users[i].iter().all(rescaled)
        })
        .collect();
    let mut fused = Program {
        insts: Vec::with_capacity(program.insts.len()),
        outputs: Vec::new(),
        ..program.clone()
    };
    let mut renamed: Vec<ValueId> = Vec::with_capacity(program.insts.len());
    for (i, inst) in program.insts.iter().enumerate() {
        let new = ValueId(u32::try_from(fused.insts.len()).expect("fewer than 2^32 instructions"));
        let rename = |v: ValueId| renamed[v.index()];
        let mut inst = match &inst.op {
            // Written with its rescaling; nothing else reads it.
            _ if absorbed[i] => {
                renamed.push(new);
                continue;
            }
            Op::Rescale(v) if absorbed[v.index()] => {
                let source = &program.insts[v.index()];
                let level = inst.state.map_or(Level(0), |s| s.level);
                let op = as_sum(&source.op).map_operands(rename);
                Inst {
                    op: Op::Rescaled(Box::new(op), level),
                    state: inst.state,
                    region: source.region,
                }
            }
            op => Inst {
                op: op.map_operands(rename),
                ..inst.clone()
            },
        };
        if let Some(needed) = needed_level(program, i, &users[i])
            && let Op::Rescaled(op, level) = &mut inst.op
            && is_linear(op)
        {
            *level = needed.min(*level);
            inst.state = inst.state.map(|s| State { level: *level, ..s });
        }
        if let Op::DropTo(v, level) = inst.op
            && fused.insts[v.index()].state.map(|s| s.level) == Some(level)
        {
            renamed.push(v);
            continue;
        }
        renamed.push(new);
        fused.insts.push(inst);
    }
    fused.outputs = program
        .outputs
        .iter()
        .map(|(name, v)| (name.clone(), renamed[v.index()]))
        .collect();
    fused
}

/// Products that evaluators rescale at once.
fn fusible(op: &Op) -> bool {
    matches!(
        op,
        Op::Mul(..)
            | Op::Dot(_)
            | Op::DotAffine { .. }
            | Op::SumRotatedProducts(_)
            | Op::MulScalar(..)
    )
}

/// A scalar product as a sum with one term, which can be lowered.
fn as_sum(op: &Op) -> Op {
    match op {
        Op::MulScalar(a, s) => Op::DotAffine {
            products: Vec::new(),
            linear: vec![(*a, *s)],
            constant: 0.0,
        },
        op => op.clone(),
    }
}

/// A sum without products: its operands may be anywhere above it.
fn is_linear(op: &Op) -> bool {
    matches!(op, Op::DotAffine { products, .. } if products.is_empty())
}

/// The highest level at which a value is read, if it is dropped wherever it is read.
fn needed_level(program: &Program, i: usize, users: &[usize]) -> Option<Level> {
    if program.outputs.iter().any(|(_, v)| v.index() == i) {
        return None;
    }
    let targets = users.iter().map(|&u| match program.insts[u].op {
        Op::DropTo(_, level) => Some(level),
        _ => None,
    });
    targets.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// For every value, the instructions that read it.
fn users(program: &Program) -> Vec<Vec<usize>> {
    let mut users = vec![Vec::new(); program.insts.len()];
    for (i, inst) in program.insts.iter().enumerate() {
        for v in inst.op.operands() {
            if users[v.index()].last() != Some(&i) {
                users[v.index()].push(i);
            }
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::passes::levels;
    use girih_circuits::polynomial::evaluate_unit;
    use girih_he::{ClearEvaluator, Evaluator, Recorder, Rotation, interpret, verify};
    use girih_polyfit::PolynomialPlan;
    use girih_polyfit::{Interval, Polynomial};

    fn recorded(record: impl Fn(&Recorder, ValueId) -> ValueId) -> (Program, girih_he::Constants) {
        let r = Recorder::new("t", 8);
        let x = r.input("x").expect("new name");
        let y = record(&r, x);
        r.output("y", &y).expect("new name");
        r.finish()
    }

    fn names(program: &Program) -> Vec<String> {
        let name = |i: &Inst| match &i.op {
            Op::Rescaled(op, level) => format!("{}>{level}", op.name()),
            op => op.name().to_owned(),
        };
        program.insts.iter().map(name).collect()
    }

    #[test]
    fn products_take_their_only_rescaling_along() {
        let (program, _) = recorded(|r, x| {
            let square = r.mul(&x, &x).expect("records");
            let both = r.dot(&[(&square, &x), (&x, &x)]).expect("records");
            let w = r.constant("w", &[0.5]).expect("finite");
            let step = girih_he::GiantStep {
                by: Rotation(0),
                terms: vec![(&both, Rotation(1), &w)],
            };
            r.sum_rotated_products(&[step]).expect("records")
        });
        let fused = run(&levels::run(&program).expect("levels"));
        verify(&fused, Level(3)).expect("verifies");
        assert_eq!(
            names(&fused),
            [
                "input",
                "mul>L2",
                "drop_to",
                "dot>L1",
                "sum_rotated_products>L0"
            ]
        );
    }

    #[test]
    fn a_product_that_is_read_as_it_is_stays() {
        let (program, _) = recorded(|r, x| {
            let square = r.mul(&x, &x).expect("records");
            let double = r.mul_scalar(&x, 2.0).expect("records");
            let sum = r.add(&square, &double).expect("records");
            r.mul(&sum, &square).expect("records")
        });
        let fused = run(&levels::run(&program).expect("levels"));
        verify(&fused, Level(2)).expect("verifies");
        let rescalings = |p: &Program| {
            p.insts
                .iter()
                .filter(|i| matches!(i.op, Op::Rescale(_)))
                .count()
        };
        assert_eq!(rescalings(&fused), 2, "{fused}");
        assert_eq!(names(&fused).last().map(String::as_str), Some("mul>L0"));
    }

    /// No polynomial needs a rescaling of its own; drops are left only where giant steps are read.
    #[test]
    fn polynomials_keep_their_values_and_lose_their_rescalings() {
        for degree in 1..=63usize {
            let c: Vec<f64> = (0..=degree).map(|k| 0.3 / (k as f64 - 7.5)).collect();
            let p = Polynomial::chebyshev(Interval::UNIT, c).expect("polynomial");
            let plan = PolynomialPlan::new(&p);
            let (program, constants) =
                recorded(|r, x| evaluate_unit(r, &plan, &x).expect("records"));
            let leveled = levels::run(&program).expect("levels");
            let fused = run(&leveled);
            let top = Level(u8::try_from(plan.depth()).expect("shallow"));
            verify(&fused, top).expect("verifies");
            let count =
                |p: &Program, f: fn(&Op) -> bool| p.insts.iter().filter(|i| f(&i.op)).count();
            assert_eq!(
                count(&fused, |op| matches!(op, Op::Rescale(_))),
                0,
                "{fused}"
            );
            let drops = count(&fused, |op| matches!(op, Op::DropTo(..)));
            assert!(drops <= plan.counts().products, "{fused}");
            let eval = ClearEvaluator::leveled(8, top);
            let x: Vec<f64> = (0..8).map(|i| f64::from(i) / 4.0 - 0.9).collect();
            let run = |p: &Program| {
                let inputs = BTreeMap::from([("x".to_owned(), eval.vector(&x).expect("fits"))]);
                let out = interpret::run(p, &constants, &eval, inputs, &mut ()).expect("runs");
                out[0].1.clone()
            };
            assert_eq!(run(&leveled), run(&fused));
        }
    }
}
