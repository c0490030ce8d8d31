//! Properties that concern several modules.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::conformance::{self, Subject};
use crate::{
    Auto, ClearEvaluator, Error, Evaluator, GiantStep, Inst, Level, Leveled, NoiseEvaluator, Op,
    Program, Recorder, Rotation, State, ValueId, interpret, testkit, verify,
};

const ROTATIONS: [Rotation; 4] = [Rotation(1), Rotation(5), Rotation(-2), Rotation(17)];

#[test]
fn clear_evaluator_conforms() {
    let eval = ClearEvaluator::leveled(16, Level(4));
    let report = conformance::run(&Subject {
        eval: &eval,
        top: Level(4),
        encrypt: &|v| eval.vector(v),
        decrypt: &|a| Ok(a.values().to_vec()),
        tolerance: &|_| 0.0,
        rotations: ROTATIONS.to_vec(),
        missing_rotation: None,
    });
    report.assert_passed();
}

#[test]
fn noise_evaluator_conforms() {
    let eval = NoiseEvaluator::try_new(testkit::profile(8, 3)).unwrap();
    let report = conformance::run(&Subject {
        eval: &eval,
        top: Level(3),
        encrypt: &|v| eval.fresh(v),
        decrypt: &|a| Ok(a.values().to_vec()),
        tolerance: &|_| 0.0,
        rotations: ROTATIONS.to_vec(),
        missing_rotation: None,
    });
    report.assert_passed();
}

/// The suite must notice an evaluator that is wrong.
#[test]
fn conformance_finds_faults() {
    let eval = ClearEvaluator::leveled(8, Level(2));
    let report = conformance::run(&Subject {
        eval: &eval,
        top: Level(2),
        encrypt: &|v| eval.vector(v),
        decrypt: &|a| {
            let mut values = a.values().to_vec();
            values[3] += if a.state().product { 1e-3 } else { 0.0 };
            Ok(values)
        },
        tolerance: &|_| 1e-6,
        rotations: vec![Rotation(1)],
        missing_rotation: Some(Rotation(2)),
    });
    let failures: Vec<_> = report.failures().map(|c| c.name.as_str()).collect();
    assert!(
        failures.iter().any(|name| name.starts_with("mul,")),
        "{failures:?}"
    );
    assert!(
        failures.contains(&"rotation without a key is refused"),
        "{failures:?}"
    );
    assert!(
        !failures.iter().any(|name| name.starts_with("drop_to")),
        "{failures:?}"
    );
}

/// Every operation of a script, leveled or not, valid in structure only.
fn any_program(script: &[[u8; 3]]) -> Program {
    let mut program = Program {
        name: "any \"program\"\n".into(),
        slots: 64,
        ..Program::default()
    };
    program.constants = vec!["a".into(), "b\\c".into(), "ü/\u{7}".into()];
    program.regions = vec!["r0".into(), String::new()];
    for (i, &[op, x, y]) in script.iter().enumerate() {
        let v = |k: u8| ValueId(u32::from(k) % i.max(1) as u32);
        let p = |k: u8| crate::ConstId(u32::from(k) % 3);
        let scalar = (f64::from(x) - 100.0) * 10f64.powi(i32::from(y as i8));
        let r = |k: u8| Rotation(i32::from(k as i8) * 1000);
        let affine = |c: f64, x, y| Op::DotAffine {
            products: if c > 0.0 { vec![(x, y)] } else { Vec::new() },
            linear: if c < 9.0 {
                vec![(y, c), (x, 0.5)]
            } else {
                Vec::new()
            },
            constant: -c,
        };
        let transform = |x, y, by, p| {
            let terms = vec![(x, by, p), (y, Rotation(0), p)];
            let last = vec![(y, Rotation(-3), p)];
            let step = |by, terms| GiantStep { by, terms };
            Op::SumRotatedProducts(vec![step(by, terms), step(Rotation(7), last)])
        };
        let op = match if i == 0 { 0 } else { op % 20 } {
            0 => Op::Input(format!("x{i}")),
            1 => Op::Add(v(x), v(y)),
            2 => Op::Sub(v(x), v(y)),
            3 => Op::Neg(v(x)),
            4 => Op::AddPlain(v(x), p(y)),
            5 => Op::MulPlain(v(x), p(y)),
            6 => Op::AddScalar(v(x), scalar),
            7 => Op::MulScalar(v(x), scalar),
            8 => Op::Mul(v(x), v(y)),
            9 => Op::Rotate(v(x), r(y)),
            10 => Op::Conjugate(v(x)),
            11 => Op::DotPlain(vec![(v(x), p(y)), (v(y), p(x))]),
            12 => Op::Dot(vec![(v(x), v(y))]),
            13 => Op::SumRotated(vec![(v(x), r(y)), (v(y), r(0)), (v(x), r(x))]),
            14 => Op::Rescale(v(x)),
            15 => Op::DropTo(v(x), Level(y)),
            16 => affine(scalar, v(x), v(y)),
            17 => transform(v(x), v(y), r(x), p(y)),
            18 => Op::Rescaled(
                Box::new(match y % 4 {
                    0 => affine(scalar, v(x), v(y)),
                    1 => transform(v(y), v(x), r(y), p(x)),
                    2 => Op::Mul(v(x), v(y)),
                    _ => Op::Dot(vec![(v(x), v(x)), (v(x), v(y))]),
                }),
                Level(x),
            ),
            _ => Op::Bootstrap(v(x)),
        };
        let state = (x % 3 > 0).then_some(State {
            level: Level(y),
            product: x % 3 == 1,
        });
        program.insts.push(Inst {
            op,
            state,
            region: u32::from(y) % 2,
        });
    }
    if let Some(last) = program.insts.len().checked_sub(1) {
        program.outputs = vec![
            ("y".into(), ValueId(last as u32)),
            (" =%".into(), ValueId(0)),
        ];
    }
    program
}

proptest! {
    #[test]
    fn text_round_trips(script in prop::collection::vec(any::<[u8; 3]>(), 0..60)) {
        let program = any_program(&script);
        program.check().unwrap();
        let text = program.to_string();
        let parsed: Program = text.parse().unwrap();
        prop_assert_eq!(&parsed, &program.canonical());
        prop_assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn damaged_text_never_panics(
        script in prop::collection::vec(any::<[u8; 3]>(), 1..20),
        at in any::<prop::sample::Index>(),
        with in any::<char>(),
    ) {
        let mut text: Vec<char> = any_program(&script).to_string().chars().collect();
        let at = at.index(text.len());
        text[at] = with;
        let text: String = text.into_iter().collect();
        if let Ok(program) = text.parse::<Program>() {
            prop_assert!(program.check().is_ok());
            let _ = verify(&program, Level(9));
        }
    }

    #[test]
    fn recorded_programs_compute_what_was_recorded(
        script in prop::collection::vec(any::<[u8; 3]>(), 1..40),
        x in prop::collection::vec(-1.0..1.0f64, 8),
        y in prop::collection::vec(-1.0..1.0f64, 3),
    ) {
        let clear = ClearEvaluator::leveled(8, Level(60));
        let auto = Auto::new(clear.clone());
        let (a, b) = (clear.vector(&x).unwrap(), clear.vector(&y).unwrap());
        let direct = testkit::circuit(&auto, [a.clone(), b.clone()], &script).unwrap();

        let rec = Recorder::new("t", 8);
        let inputs = [rec.input("a").unwrap(), rec.input("b").unwrap()];
        let values = testkit::circuit(&rec, inputs, &script).unwrap();
        for (i, v) in values.iter().enumerate() {
            rec.output(&i.to_string(), v).unwrap();
        }
        let (program, constants) = rec.finish();
        let inputs = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let outputs = interpret::run(&program, &constants, &auto, inputs, &mut ()).unwrap();
        prop_assert_eq!(outputs.len(), direct.len());
        for ((_, output), value) in outputs.iter().zip(&direct) {
            prop_assert_eq!(output, value);
        }
    }

    /// What the verifier accepts runs, ends in the states it computed, and what runs it accepts.
    #[test]
    fn verifier_agrees_with_the_clear_evaluator(
        script in prop::collection::vec(any::<[u8; 3]>(), 1..25),
    ) {
        let rec = Recorder::new("t", 8);
        let inputs = [rec.input("a").unwrap(), rec.input("b").unwrap()];
        let values = testkit::circuit(&rec, inputs, &script).unwrap();
        for (i, v) in values.iter().enumerate() {
            rec.output(&i.to_string(), v).unwrap();
        }
        let (program, constants) = rec.finish();
        let eval = ClearEvaluator::leveled(8, Level(2));
        let a = eval.vector(&[0.5]).unwrap();
        let inputs = BTreeMap::from([("a".to_owned(), a.clone()), ("b".to_owned(), a)]);
        let run = interpret::run(&program, &constants, &eval, inputs, &mut ());
        let states = crate::states(&program, Level(2));
        prop_assert_eq!(run.is_ok(), states.is_ok(), "{:?} {:?}", run, states);
        if let (Ok(outputs), Ok(states)) = (run, states) {
            for ((_, output), (_, v)) in outputs.iter().zip(&program.outputs) {
                prop_assert_eq!(output.state(), states[v.index()]);
                prop_assert_eq!(eval.level(output), states[v.index()].level);
            }
        }
    }
}

#[test]
fn text_errors_name_the_line() {
    let cases = [
        ("", 1),
        ("prog x slots=3", 1),
        ("program x slots=three", 1),
        ("# a comment\n\nprogram x slots=4\n  %0 = input \"x\"", 4),
        ("program x slots=4\n  region \"r\"\n  %1 = input \"x\"", 3),
        (
            "program x slots=4\n  region \"r\"\n  %0 = frobnicate \"x\"",
            3,
        ),
        ("program x slots=4\n  region \"r\"\n  %0 = input \"x", 3),
        (
            "program x slots=4\n  region \"r\"\n  %0 = input \"x\" @L999",
            3,
        ),
        (
            "program x slots=4\n  region \"r\"\n  %0 = input \"x\" @L9 %1",
            3,
        ),
        (
            "program x slots=4\n  region \"r\"\n  %0 = input \"x\\q\"",
            3,
        ),
        (
            "program x slots=4\n  region \"r\"\n  %0 = input \"x\"\n  %1 = rotate %0 64",
            4,
        ),
    ];
    for (text, expected) in cases {
        match text.parse::<Program>() {
            Err(Error::Text { line, .. }) => assert_eq!(line, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let undefined = "program x slots=4\n  region \"r\"\n  %0 = neg %7";
    assert!(matches!(
        undefined.parse::<Program>(),
        Err(Error::Program { at: 0, .. })
    ));
}

#[test]
fn the_documented_example_parses_and_verifies() {
    let text = "program mlp slots=8192
  region \"fc1\"
  %0 = input \"x\"                      @L9
  %1 = rotate %0 by 64                @L9
  %2 = dot_plain %0 \"w0\", %1 \"w64\"    @L9*
  %3 = rescale %2                     @L8
  %4 = drop_to %3 L5                  @L5
  %5 = add_scalar %4 0.25             @L5
  output \"y\" = %5
";
    let program: Program = text.parse().unwrap();
    let keys = verify(&program, Level(9)).unwrap();
    assert_eq!(keys.rotations, BTreeMap::from([(Rotation(64), Level(9))]));
    assert_eq!(keys.relinearization, None);
    assert_eq!(program.to_string().parse::<Program>().unwrap(), program);
}

/// A recorded program with levels assigned runs on the noise evaluator and predicts an error.
#[test]
fn noise_of_a_program() {
    let eval = Auto::new(NoiseEvaluator::try_new(testkit::profile(8, 2)).unwrap());
    let rec = Recorder::new("t", 8);
    let x = rec.input("x").unwrap();
    let w = rec.constant("w", &[0.5; 8]).unwrap();
    let y = rec.mul(&rec.mul_plain(&x, &w).unwrap(), &x).unwrap();
    rec.output("y", &rec.rotate(&y, Rotation(3)).unwrap())
        .unwrap();
    let (program, constants) = rec.finish();
    let fresh = eval.inner().fresh(&[1.0; 8]).unwrap();
    let inputs = BTreeMap::from([("x".to_owned(), fresh.clone())]);
    let outputs = interpret::run(&program, &constants, &eval, inputs, &mut ()).unwrap();
    let std = outputs[0].1.max_std();
    assert!(
        std > 0.5 * fresh.max_std() && std < 10.0 * fresh.max_std(),
        "{std}"
    );
}
