//! Networks deeper than the levels that a bootstrapping leaves.

use girih_compile::{
    Caps, Error, Measure, Network, Refresh, Requirements, Target, compile, replacements,
};
use girih_he::{Level, Op as Inst};
use girih_model::{ActivationKind, Graph, GraphBuilder, Op};
use ndarray::{Array1, Array2, ArrayD, IxDyn};

use crate::networks::{difference, values};
use crate::prices::Prices;

const WIDTH: usize = 12;

/// Dense layers with a function after each, and a residual sum around every second one.
fn deep(layers: usize, function: &Op, gain: f64) -> Graph {
    let mut b = GraphBuilder::new("deep", vec![WIDTH]).expect("shape");
    let dense = |rows: usize, seed: usize| Op::Dense {
        weight: Array2::from_shape_vec((rows, WIDTH), values(rows * WIDTH, gain, seed))
            .expect("shape"),
        bias: Some(Array1::from(values(rows, 0.1, seed + 1))),
    };
    let mut y = b.input();
    for k in 0..layers {
        let z = b
            .push(&format!("fc{k}"), dense(WIDTH, 2 * k), vec![y])
            .expect("dense");
        let z = b
            .push(&format!("f{k}"), function.clone(), vec![z])
            .expect("function");
        y = match k % 2 {
            0 => z,
            _ => b
                .push(&format!("sum{k}"), Op::Add, vec![z, y])
                .expect("sum"),
        };
    }
    let y = b.push("out", dense(3, 99), vec![y]).expect("dense");
    b.finish(vec![y]).expect("graph")
}

fn samples(count: usize) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(&[count, WIDTH]), values(count * WIDTH, 0.9, 77)).expect("shape")
}

fn requirements(degree: usize) -> Requirements {
    Requirements {
        calibration: Some(samples(40)),
        degree: Some(degree),
        bootstrapping: Refresh::Always,
        ..Requirements::default()
    }
}

/// Six levels, thirty needed: functions and residual sums.
#[test]
fn deep_networks_are_bootstrapped_where_it_is_needed() {
    let graph = deep(6, &Op::Activation(ActivationKind::Tanh), 0.5);
    let compiled = compile(&graph, &requirements(15), &Prices).expect("compiles");
    let depth = compiled.report.depth;
    assert!(depth > 25, "{depth}");
    let count = compiled
        .program
        .insts
        .iter()
        .filter(|i| matches!(i.op, Inst::Bootstrap(_)))
        .count();
    let planned: usize = compiled
        .report
        .bootstraps
        .iter()
        .map(|b| b.ciphertexts)
        .sum();
    assert_eq!(count, planned);
    // Five levels a layer and six levels: one bootstrapping a layer, none for the last.
    assert!((5..=7).contains(&count), "{count}");
    for b in &compiled.report.bootstraps {
        assert!(
            b.to <= Level(6) && b.largest <= 1.0 && b.seconds > 0.0,
            "{b:?}"
        );
    }
    assert_eq!(compiled.chain.preset.as_deref(), Some("made up"));
    // Six deviations of errors of 1e-7 that later layers change little.
    let predicted = compiled.report.predicted_error;
    assert!((1e-7..1e-4).contains(&predicted), "{predicted}");
    assert_eq!(compiled.manifest.relinearization, Some(Level(12)));
    let requirements = requirements(15);
    let ranges = replacements(&graph, &requirements).expect("fits");
    let replaced = Network::from_graph(&graph, ranges.as_ref()).expect("network");
    let sample: Vec<f64> = values(WIDTH, 0.9, 77);
    let parts = replaced.in_steps().expect("steps");
    assert!(
        parts
            .run(&sample)
            .iter()
            .zip(replaced.run(&sample))
            .all(|(a, b)| (a - b).abs() < 1e-12)
    );
    assert!(difference(&graph, &compiled, ranges.as_ref()) < 1e-9);
}

/// A square has no calibrated range: the layers before are scaled so that what is bootstrapped fits.
#[test]
fn scales_are_folded_into_affine_layers() {
    let graph = deep(8, &Op::PowInt(2), 0.2);
    let compiled = compile(&graph, &requirements(2), &Prices).expect("compiles");
    let largest: Vec<f64> = compiled
        .report
        .bootstraps
        .iter()
        .map(|b| b.largest)
        .collect();
    assert!(
        !largest.is_empty() && largest.iter().all(|l| *l <= 1.0),
        "{largest:?}"
    );
    let difference = difference(&graph, &compiled, None);
    assert!(difference < 1e-9, "{difference}");
}

/// A composition deeper than the levels is bootstrapped between its steps.
#[test]
fn compositions_are_taken_apart() {
    let graph = deep(1, &Op::Activation(ActivationKind::Relu), 0.5);
    let requirements = Requirements {
        degree: None,
        target: Some(Target {
            error: Some(0.004),
            max_depth: 12,
            ..Target::default()
        }),
        ..requirements(0)
    };
    let ranges = replacements(&graph, &requirements)
        .expect("chosen")
        .expect("some");
    let plan = ranges.activations[0].replacement.as_ref().expect("chosen");
    assert!(plan.depth() > 6, "{}", plan.depth());
    let compiled = compile(&graph, &requirements, &Prices).expect("compiles");
    assert!(
        compiled
            .report
            .bootstraps
            .iter()
            .any(|b| b.after.starts_with("f0/"))
    );
    assert!(difference(&graph, &compiled, Some(&ranges)) < 1e-6);
}

#[test]
fn levels_are_preferred_where_they_suffice() {
    let graph = deep(1, &Op::PowInt(2), 0.5);
    let auto = Requirements {
        bootstrapping: Refresh::Auto,
        max_log_n: 15,
        ..requirements(2)
    };
    let compiled = compile(&graph, &auto, &Prices).expect("compiles");
    assert_eq!(
        (compiled.chain.preset, compiled.report.bootstraps),
        (None, Vec::new())
    );
    let graph = deep(6, &Op::Activation(ActivationKind::Tanh), 0.5);
    let compiled = compile(
        &graph,
        &Requirements {
            degree: Some(15),
            ..auto.clone()
        },
        &Prices,
    );
    assert!(!compiled.expect("bootstrapped").report.bootstraps.is_empty());
    let never = Requirements {
        bootstrapping: Refresh::Never,
        degree: Some(15),
        ..auto
    };
    let error = compile(&graph, &never, &Prices).expect_err("too deep");
    assert!(matches!(error, Error::NoParameters { .. }), "{error}");
}

/// What cannot be bootstrapped is refused with the reason.
#[test]
fn impossible_bootstrappings_say_why() {
    let graph = deep(2, &Op::Activation(ActivationKind::Relu), 0.5);
    let error = |r: Requirements| match compile(&graph, &r, &Prices) {
        Ok(_) => panic!("compiles"),
        Err(error) => error.to_string(),
    };
    // A polynomial of depth 7.
    let deepest = error(requirements(100));
    assert!(
        deepest.contains("alone takes 7 levels") && deepest.contains("gives 6"),
        "{deepest}"
    );
    let precise = error(Requirements {
        precision: 1e-9,
        ..requirements(15)
    });
    assert!(precise.contains("--precision"), "{precise}");
    let small = error(Requirements {
        caps: Caps::default().with(Measure::ServerBytes, f64::from(1 << 20)),
        ..requirements(15)
    });
    assert!(small.contains("MiB"), "{small}");
}
