//! Runs a program on any evaluator.

use std::collections::{BTreeMap, HashMap};

use crate::{
    Bootstrap, ConstId, Constants, Error, Evaluator, GiantStep, Leveled, Op, Program, Result,
    State, ValueId,
};

/// Told of every step of a run: timing, progress, value ranges.
///
/// A step is one instruction, or several rotations of one value that run together.
pub trait Observer<E: Evaluator + ?Sized> {
    /// Before a step.
    fn begin(&mut self, program: &Program, step: &[ValueId]) {
        let _ = (program, step);
    }

    /// After a step, with its results in the order of `step`.
    fn end(&mut self, program: &Program, step: &[ValueId], results: &[E::Ciphertext]) {
        let _ = (program, step, results);
    }
}

impl<E: Evaluator + ?Sized> Observer<E> for () {}

/// The order of execution: every instruction in program order, except that all rotations of one
/// value run with the first of them, so that they share its decomposition.
#[must_use]
pub fn schedule(program: &Program) -> Vec<Vec<ValueId>> {
    let mut steps: Vec<Vec<ValueId>> = Vec::with_capacity(program.insts.len());
    let mut rotations_of: HashMap<ValueId, usize> = HashMap::new();
    for (i, inst) in program.insts.iter().enumerate() {
        let id = ValueId(i as u32);
        if let Op::Rotate(source, _) = inst.op {
            if let Some(&step) = rotations_of.get(&source) {
                steps[step].push(id);
                continue;
            }
            rotations_of.insert(source, steps.len());
        }
        steps.push(vec![id]);
    }
    steps
}

/// The outputs of a program, in its order.
///
/// Values are dropped after their last use, constants too. Runs on the calling thread.
///
/// # Errors
/// The program is malformed, an input or a constant is missing or unknown, or the evaluator refuses
/// an operation. Bootstraps are refused: see [`run_bootstrapping`].
pub fn run<E: Leveled>(
    program: &Program,
    constants: &Constants,
    eval: &E,
    inputs: BTreeMap<String, E::Ciphertext>,
    observer: &mut impl Observer<E>,
) -> Result<Vec<(String, E::Ciphertext)>> {
    let refuse = |_: &E::Ciphertext, _| {
        Err(Error::Unsupported {
            op: "bootstrap",
            why: "run the program with a bootstrapping evaluator".into(),
        })
    };
    run_with(program, constants, eval, inputs, observer, refuse)
}

/// [`run`] for programs that bootstrap.
///
/// # Errors
/// As [`run`].
pub fn run_bootstrapping<E: Bootstrap>(
    program: &Program,
    constants: &Constants,
    eval: &E,
    inputs: BTreeMap<String, E::Ciphertext>,
    observer: &mut impl Observer<E>,
) -> Result<Vec<(String, E::Ciphertext)>> {
    run_with(program, constants, eval, inputs, observer, |a, state| {
        bootstrap(eval, a, state)
    })
}

/// The result of a bootstrap whose instruction carries `state`: it lands there, or at the output level of the
/// bootstrapping if levels are not assigned.
///
/// # Errors
/// The evaluator refuses.
pub fn bootstrap<E: Bootstrap>(
    eval: &E,
    a: &E::Ciphertext,
    state: Option<State>,
) -> Result<E::Ciphertext> {
    match state {
        Some(state) => eval.bootstrap_to(a, state.level),
        None => eval.bootstrap(a),
    }
}

/// The result of one operation other than an input or a bootstrap.
///
/// `value` and `constant` look operands up; schedulers that run instructions in another order than
/// [`run`] build on this.
///
/// # Errors
/// A lookup fails, or the evaluator refuses.
pub fn apply<'a, E: Leveled>(
    eval: &E,
    op: &Op,
    value: impl Fn(ValueId) -> Result<&'a E::Ciphertext>,
    constant: impl Fn(ConstId) -> Result<&'a E::Plaintext>,
) -> Result<E::Ciphertext>
where
    E::Ciphertext: 'a,
    E::Plaintext: 'a,
{
    apply_dyn(eval, op, &value, &constant)
}

fn apply_dyn<'a, E: Leveled>(
    eval: &E,
    op: &Op,
    value: Values<'_, 'a, E>,
    constant: Plains<'_, 'a, E>,
) -> Result<E::Ciphertext>
where
    E::Ciphertext: 'a,
    E::Plaintext: 'a,
{
    match op {
        Op::Input(name) => Err(Error::Input {
            name: name.clone(),
            why: "not given".into(),
        }),
        Op::Bootstrap(_) => Err(Error::Unsupported {
            op: "bootstrap",
            why: "run the program with a bootstrapping evaluator".into(),
        }),
        Op::Add(a, b) => eval.add(value(*a)?, value(*b)?),
        Op::Sub(a, b) => eval.sub(value(*a)?, value(*b)?),
        Op::Neg(a) => eval.neg(value(*a)?),
        Op::AddPlain(a, p) => eval.add_plain(value(*a)?, constant(*p)?),
        Op::MulPlain(a, p) => eval.mul_plain(value(*a)?, constant(*p)?),
        Op::AddScalar(a, s) => eval.add_scalar(value(*a)?, *s),
        Op::MulScalar(a, s) => eval.mul_scalar(value(*a)?, *s),
        Op::Mul(a, b) => eval.mul(value(*a)?, value(*b)?),
        Op::Rotate(a, r) => eval.rotate(value(*a)?, *r),
        Op::Conjugate(a) => eval.conjugate(value(*a)?),
        Op::DotPlain(terms) => {
            let terms = terms
                .iter()
                .map(|(a, p)| Ok((value(*a)?, constant(*p)?)))
                .collect::<Result<Vec<_>>>()?;
            eval.dot_plain(&terms)
        }
        Op::Dot(terms) => {
            let terms = terms
                .iter()
                .map(|(a, b)| Ok((value(*a)?, value(*b)?)))
                .collect::<Result<Vec<_>>>()?;
            eval.dot(&terms)
        }
        Op::SumRotated(terms) => {
            let terms = terms
                .iter()
                .map(|(a, r)| Ok((value(*a)?, *r)))
                .collect::<Result<Vec<_>>>()?;
            eval.sum_rotated(&terms)
        }
        Op::DotAffine {
            products,
            linear,
            constant,
        } => {
            let (products, linear) = affine_operands::<E>(products, linear, value)?;
            eval.dot_affine(&products, &linear, *constant)
        }
        Op::SumRotatedProducts(giants) => {
            eval.sum_rotated_products(&giant_operands::<E>(giants, value, constant)?)
        }
        Op::Rescaled(op, level) => match &**op {
            Op::Mul(a, b) => eval.dot_rescaled(&[(value(*a)?, value(*b)?)]),
            Op::Dot(terms) => {
                let (terms, _) = affine_operands::<E>(terms, &[], value)?;
                eval.dot_rescaled(&terms)
            }
            Op::DotAffine {
                products,
                linear,
                constant,
            } => {
                let (products, linear) = affine_operands::<E>(products, linear, value)?;
                eval.dot_affine_rescaled(&products, &linear, *constant, *level)
            }
            Op::SumRotatedProducts(giants) => {
                let giants = giant_operands::<E>(giants, value, constant)?;
                eval.sum_rotated_products_rescaled(&giants)
            }
            op => eval.rescale(&apply_dyn(eval, op, value, constant)?),
        },
        Op::Rescale(a) => eval.rescale(value(*a)?),
        Op::DropTo(a, level) => eval.drop_to(value(*a)?, *level),
    }
}

type Values<'f, 'a, E> = &'f dyn Fn(ValueId) -> Result<&'a <E as Evaluator>::Ciphertext>;
type Plains<'f, 'a, E> = &'f dyn Fn(ConstId) -> Result<&'a <E as Evaluator>::Plaintext>;

/// Products and linear terms with their values.
type AffineOperands<'a, C> = (Vec<(&'a C, &'a C)>, Vec<(&'a C, f64)>);

fn affine_operands<'a, E: Evaluator>(
    products: &[(ValueId, ValueId)],
    linear: &[(ValueId, f64)],
    value: impl Fn(ValueId) -> Result<&'a E::Ciphertext>,
) -> Result<AffineOperands<'a, E::Ciphertext>> {
    let products = products.iter().map(|(a, b)| Ok((value(*a)?, value(*b)?)));
    let linear = linear.iter().map(|(x, s)| Ok((value(*x)?, *s)));
    Ok((
        products.collect::<Result<_>>()?,
        linear.collect::<Result<_>>()?,
    ))
}

fn giant_operands<'a, E: Evaluator>(
    giants: &[GiantStep<ValueId, ConstId>],
    value: impl Fn(ValueId) -> Result<&'a E::Ciphertext>,
    constant: impl Fn(ConstId) -> Result<&'a E::Plaintext>,
) -> Result<Vec<GiantStep<&'a E::Ciphertext, &'a E::Plaintext>>>
where
    E::Plaintext: 'a,
{
    let giant = |g: &GiantStep<ValueId, ConstId>| {
        let terms = g
            .terms
            .iter()
            .map(|(a, r, p)| Ok((value(*a)?, *r, constant(*p)?)));
        Ok(GiantStep {
            by: g.by,
            terms: terms.collect::<Result<_>>()?,
        })
    };
    giants.iter().map(giant).collect()
}

fn run_with<E: Leveled>(
    program: &Program,
    constants: &Constants,
    eval: &E,
    mut inputs: BTreeMap<String, E::Ciphertext>,
    observer: &mut impl Observer<E>,
    bootstrap: impl Fn(&E::Ciphertext, Option<State>) -> Result<E::Ciphertext>,
) -> Result<Vec<(String, E::Ciphertext)>> {
    program.check()?;
    if eval.slots() != program.slots {
        return Err(Error::SlotMismatch {
            program: program.slots,
            evaluator: eval.slots(),
        });
    }
    if let Some(name) = inputs
        .keys()
        .find(|name| !program.inputs().any(|(n, _)| n == name.as_str()))
    {
        return Err(Error::Input {
            name: name.clone(),
            why: "the program has no such input".into(),
        });
    }

    let mut uses = program.use_counts();
    let mut constant_uses = constant_use_counts(program);
    let mut values: Vec<Option<E::Ciphertext>> = vec![None; program.insts.len()];
    let mut plains: Vec<Option<E::Plaintext>> = vec![None; program.constants.len()];

    for step in schedule(program) {
        for id in &step {
            for p in program.insts[id.index()].op.constants() {
                let slot = &mut plains[p.index()];
                if slot.is_none() {
                    let name = &program.constants[p.index()];
                    let data = constants
                        .get(name)
                        .ok_or_else(|| Error::MissingConstant { name: name.clone() })?;
                    *slot = Some(eval.constant_of(name, data)?);
                }
            }
        }
        observer.begin(program, &step);
        let results = run_step(
            program,
            eval,
            &step,
            &values,
            &plains,
            &mut inputs,
            &bootstrap,
        )?;
        observer.end(program, &step, &results);

        for id in &step {
            let op = &program.insts[id.index()].op;
            for p in op.constants() {
                constant_uses[p.index()] -= 1;
                if constant_uses[p.index()] == 0 {
                    plains[p.index()] = None;
                }
            }
            for v in op.operands() {
                uses[v.index()] -= 1;
                if uses[v.index()] == 0 {
                    values[v.index()] = None;
                }
            }
        }
        for (id, result) in step.iter().zip(results) {
            if uses[id.index()] > 0 {
                values[id.index()] = Some(result);
            }
        }
    }

    program
        .outputs
        .iter()
        .map(|(name, v)| {
            let value = values[v.index()].clone().ok_or_else(|| missing(*v))?;
            Ok((name.clone(), value))
        })
        .collect()
}

fn run_step<E: Leveled>(
    program: &Program,
    eval: &E,
    step: &[ValueId],
    values: &[Option<E::Ciphertext>],
    plains: &[Option<E::Plaintext>],
    inputs: &mut BTreeMap<String, E::Ciphertext>,
    bootstrap: &impl Fn(&E::Ciphertext, Option<State>) -> Result<E::Ciphertext>,
) -> Result<Vec<E::Ciphertext>> {
    let value = |v: ValueId| values[v.index()].as_ref().ok_or_else(|| missing(v));
    let constant = |p: ConstId| {
        plains[p.index()]
            .as_ref()
            .ok_or_else(|| Error::MissingConstant {
                name: program.constants[p.index()].clone(),
            })
    };
    if let [_, _, ..] = step {
        let mut source = None;
        let mut rotations = Vec::with_capacity(step.len());
        for id in step {
            if let Op::Rotate(a, r) = program.insts[id.index()].op {
                source = Some(a);
                rotations.push(r);
            }
        }
        let source = source.ok_or_else(|| missing(step[0]))?;
        return eval.rotate_many(value(source)?, &rotations);
    }
    step.iter()
        .map(|id| match &program.insts[id.index()].op {
            Op::Input(name) => inputs.remove(name).ok_or_else(|| Error::Input {
                name: name.clone(),
                why: "not given".into(),
            }),
            Op::Bootstrap(a) => bootstrap(value(*a)?, program.insts[id.index()].state),
            op => apply(eval, op, value, constant),
        })
        .collect()
}

fn missing(v: ValueId) -> Error {
    Error::Program {
        at: v.index(),
        why: "its value is not there".into(),
    }
}

fn constant_use_counts(program: &Program) -> Vec<u32> {
    let mut uses = vec![0; program.constants.len()];
    for inst in &program.insts {
        for p in inst.op.constants() {
            uses[p.index()] += 1;
        }
    }
    uses
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{ClearEvaluator, Level, Recorder, Rotation};

    fn program() -> (Program, Constants) {
        let rec = Recorder::new("t", 4);
        let x = rec.input("x").unwrap();
        let w = rec.constant("w", &[1.0, 0.0, 2.0]).unwrap();
        let r = rec.rotate_many(&x, &[Rotation(1), Rotation(2)]).unwrap();
        let y = rec.dot_plain(&[(&r[0], &w), (&r[1], &w)]).unwrap();
        rec.output("y", &y).unwrap();
        rec.output("x", &x).unwrap();
        rec.finish()
    }

    /// Counts the steps and the values they define.
    #[derive(Default)]
    struct Count {
        begun: usize,
        values: usize,
    }

    impl Observer<ClearEvaluator> for Count {
        fn begin(&mut self, _: &Program, _: &[ValueId]) {
            self.begun += 1;
        }

        fn end(&mut self, _: &Program, step: &[ValueId], results: &[crate::ClearVector]) {
            assert_eq!(step.len(), results.len());
            self.values += step.len();
        }
    }

    #[test]
    fn rotations_of_one_value_are_one_step() {
        let (program, constants) = program();
        let eval = ClearEvaluator::leveled(4, Level(1));
        let inputs =
            BTreeMap::from([("x".to_owned(), eval.vector(&[1.0, 2.0, 3.0, 4.0]).unwrap())]);
        let mut count = Count::default();
        let outputs = run(&program, &constants, &eval, inputs, &mut count).unwrap();
        assert_eq!((count.begun, count.values), (3, 4));
        assert_eq!(outputs[0].0, "y");
        assert_eq!(outputs[0].1.values(), [5.0, 0.0, 10.0, 0.0]);
        assert_eq!(outputs[1].1.values(), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let (program, constants) = program();
        let eval = ClearEvaluator::unlimited(4);
        let x = eval.vector(&[1.0]).unwrap();
        let run_with = |inputs: BTreeMap<String, _>, constants: &Constants| {
            run(&program, constants, &eval, inputs, &mut ()).unwrap_err()
        };
        let given = BTreeMap::from([("x".to_owned(), x.clone())]);
        assert!(
            matches!(run_with(BTreeMap::new(), &constants), Error::Input { name, .. } if name == "x")
        );
        let other = BTreeMap::from([("x".to_owned(), x.clone()), ("z".to_owned(), x)]);
        assert!(matches!(run_with(other, &constants), Error::Input { name, .. } if name == "z"));
        assert_eq!(
            run_with(given.clone(), &Constants::default()),
            Error::MissingConstant { name: "w".into() }
        );
        assert!(matches!(
            run(
                &program,
                &constants,
                &ClearEvaluator::unlimited(8),
                given,
                &mut ()
            ),
            Err(Error::SlotMismatch {
                program: 4,
                evaluator: 8
            })
        ));
    }
}
