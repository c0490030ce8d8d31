//! Networks compiled against a made-up scheme and run in clear.

use std::collections::BTreeMap;

use crate::prices::Prices;
use girih_compile::{
    Compiled, INPUT, Network, Ranges, Requirements, Target, Weights, compile, replacements,
};
use girih_he::{ClearEvaluator, Inst, Leveled};
use girih_model::{ActivationKind, Graph, GraphBuilder, Op};
use ndarray::{Array1, Array2, Array4, ArrayD, IxDyn};

pub(crate) fn values(count: usize, size: f64, seed: usize) -> Vec<f64> {
    (0..count)
        .map(|i| (((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0) * size)
        .collect()
}

pub(crate) fn cryptonets() -> Graph {
    let mut b = GraphBuilder::new("cryptonets", vec![1, 28, 28]).expect("shape");
    let x = b.input();
    let weight = Array4::from_shape_vec((5, 1, 5, 5), values(125, 0.3, 1)).expect("shape");
    let conv = Op::Conv2d {
        weight,
        bias: Some(Array1::from(values(5, 0.1, 2))),
        stride: [2, 2],
        pad: [1, 1, 0, 0],
        dilation: [1, 1],
        groups: 1,
    };
    let y = b.push("conv", conv, vec![x]).expect("conv");
    let y = b.push("square", Op::PowInt(2), vec![y]).expect("square");
    let y = b.push("flat", Op::Flatten, vec![y]).expect("flat");
    let dense = |rows: usize, cols: usize, seed| Op::Dense {
        weight: Array2::from_shape_vec(
            (rows, cols),
            values(rows * cols, 1.0 / (cols as f64).sqrt(), seed),
        )
        .expect("shape"),
        bias: Some(Array1::from(values(rows, 0.1, seed + 1))),
    };
    let y = b.push("fc1", dense(100, 845, 3), vec![y]).expect("fc1");
    let y = b.push("square2", Op::Mul, vec![y, y]).expect("square");
    let y = b.push("fc2", dense(10, 100, 5), vec![y]).expect("fc2");
    b.finish(vec![y]).expect("graph")
}

/// conv - quadratic - pool - conv - (+) - quadratic - dense, with a residual sum and a quadratic in elementary operators.
pub(crate) fn residual() -> Graph {
    let mut b = GraphBuilder::new("residual", vec![2, 8, 8]).expect("shape");
    let conv = |out: usize, inp: usize, seed| Op::Conv2d {
        weight: Array4::from_shape_vec((out, inp, 3, 3), values(out * inp * 9, 0.3, seed))
            .expect("shape"),
        bias: None,
        stride: [1, 1],
        pad: [1; 4],
        dilation: [1, 1],
        groups: 1,
    };
    let x = b.input();
    let y = b.push("conv1", conv(4, 2, 1), vec![x]).expect("conv");
    let scale = |v: Vec<f64>, shift: Vec<f64>| Op::Affine {
        scale: Array1::from(v),
        shift: Array1::from(shift),
    };
    let y = b
        .push("bn", scale(values(4, 1.0, 2), values(4, 0.2, 3)), vec![y])
        .expect("bn");
    let square = b.push("sq", Op::PowInt(2), vec![y]).expect("square");
    let a = b
        .push(
            "a",
            scale(vec![0.3, 0.2, 0.4, 0.1], vec![0.0; 4]),
            vec![square],
        )
        .expect("a");
    let l = b
        .push("b", scale(vec![0.5; 4], vec![0.1; 4]), vec![y])
        .expect("b");
    let y = b.push("quad", Op::Add, vec![a, l]).expect("sum");
    let pool = Op::AvgPool {
        kernel: [2, 2],
        stride: [2, 2],
        pad: [0; 4],
        count_include_pad: true,
    };
    let y = b.push("pool", pool, vec![y]).expect("pool");
    let z = b.push("conv2", conv(4, 4, 4), vec![y]).expect("conv");
    let y = b.push("sum", Op::Add, vec![z, y]).expect("sum");
    let y = b
        .push("quad2", Op::Polynomial(vec![0.1, 0.4, 0.2]), vec![y])
        .expect("quad");
    let y = b.push("gap", Op::GlobalAvgPool, vec![y]).expect("gap");
    let y = b.push("flat", Op::Flatten, vec![y]).expect("flat");
    b.finish(vec![y]).expect("graph")
}

/// Runs the compiled program in clear on a batch and returns the largest difference to the plain model.
pub(crate) fn difference(graph: &Graph, compiled: &Compiled, ranges: Option<&Ranges>) -> f64 {
    let batch = compiled.input.batch();
    let features: usize = graph.input_shape().iter().product();
    let mut shape = vec![batch];
    shape.extend(graph.input_shape());
    let x =
        ArrayD::from_shape_vec(IxDyn(&shape), values(batch * features, 0.9, 77)).expect("shape");
    let eval = ClearEvaluator::leveled(compiled.program.slots, compiled.profile.top())
        .with_bootstrapping(compiled.profile.bootstrapping);
    let tiles = compiled.input.pack(&x).expect("packs");
    let mut inputs = BTreeMap::new();
    for (name, id) in compiled.program.inputs() {
        let value = match name.strip_prefix(INPUT).and_then(|n| n.strip_prefix('/')) {
            Some(t) => tiles[t.parse::<usize>().expect("tile number")].clone(),
            None => compiled
                .encrypted_weights
                .get(name)
                .expect("a weight")
                .slots()
                .to_vec(),
        };
        let level = compiled.program.insts[id.index()]
            .state
            .expect("leveled")
            .level;
        let vector = eval
            .drop_to(&eval.vector(&value).expect("finite"), level)
            .expect("drops");
        inputs.insert(name.to_owned(), vector);
    }
    let outputs = girih_he::interpret::run_bootstrapping(
        &compiled.program,
        &compiled.constants,
        &eval,
        inputs,
        &mut (),
    )
    .expect("runs");
    let tiles: Vec<Vec<f64>> = outputs.iter().map(|(_, v)| v.values().to_vec()).collect();
    let y = compiled.output.unpack(&tiles, batch).expect("unpacks");
    let expected: Vec<f64> = if ranges.is_none() {
        let plain = girih_model::reference::run(graph, &x).expect("reference");
        plain.iter().copied().collect()
    } else {
        // The oracle with the activations replaced.
        let network = Network::from_graph(graph, ranges).expect("composes");
        let rows = x.as_slice().expect("contiguous").chunks(features);
        rows.flat_map(|r| network.run(r)).collect()
    };
    y.iter()
        .zip(&expected)
        .fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()))
}

#[test]
pub(crate) fn cryptonets_compiles_to_five_levels_and_few_rotations() {
    let graph = cryptonets();
    for (batch, weights) in [
        (1, Weights::Plain),
        (16, Weights::Plain),
        (1, Weights::Encrypted),
    ] {
        let requirements = Requirements {
            batch: batch.into(),
            weights,
            ..Requirements::default()
        };
        let start = std::time::Instant::now();
        let compiled = compile(&graph, &requirements, &Prices).expect("compiles");
        eprintln!(
            "batch {batch} {weights:?}: {:?}, compiled in {:?}\n{}",
            compiled.chain,
            start.elapsed(),
            compiled.report
        );
        assert_eq!(compiled.report.depth, 5);
        assert!(difference(&graph, &compiled, None) < 1e-9);
        assert!(
            compiled.manifest.rotations.len() < 120,
            "{} rotation keys",
            compiled.manifest.rotations.len()
        );
    }
}

/// A dilated convolution in two groups, a square, an up-sampling by a transposed convolution in two groups, a square.
fn up_and_down() -> Graph {
    let mut b = GraphBuilder::new("up_and_down", vec![2, 9, 8]).expect("shape");
    let x = b.input();
    let taps = |sizes: (usize, usize, usize, usize), seed| {
        let count = sizes.0 * sizes.1 * sizes.2 * sizes.3;
        Array4::from_shape_vec(sizes, values(count, 0.4, seed)).expect("shape")
    };
    let down = Op::Conv2d {
        weight: taps((4, 1, 3, 3), 1),
        bias: Some(Array1::from(values(4, 0.1, 2))),
        stride: [2, 1],
        pad: [2, 1, 1, 2],
        dilation: [2, 1],
        groups: 2,
    };
    let up = Op::ConvTranspose2d {
        weight: taps((4, 1, 2, 3), 3),
        bias: Some(Array1::from(values(2, 0.1, 4))),
        stride: [2, 1],
        pad: [0, 1, 1, 1],
        dilation: [1, 2],
        extra: [1, 0],
        groups: 2,
    };
    let y = b.push("down", down, vec![x]).expect("down");
    let y = b.push("square", Op::PowInt(2), vec![y]).expect("square");
    let y = b.push("up", up, vec![y]).expect("up");
    let y = b.push("square2", Op::PowInt(2), vec![y]).expect("square");
    b.finish(vec![y]).expect("graph")
}

#[test]
fn dilated_grouped_and_transposed_convolutions_compile() {
    let graph = up_and_down();
    for batch in [1, 2] {
        let requirements = Requirements {
            batch: batch.into(),
            ..Requirements::default()
        };
        let compiled = compile(&graph, &requirements, &Prices).expect("compiles");
        assert_eq!(compiled.report.depth, 4);
        assert!(difference(&graph, &compiled, None) < 1e-9);
    }
}

#[test]
pub(crate) fn residual_networks_take_one_level_for_each_affine_part() {
    let graph = residual();
    for batch in [1, 3] {
        let compiled = compile(
            &graph,
            &Requirements {
                batch: batch.into(),
                ..Requirements::default()
            },
            &Prices,
        )
        .expect("compiles");
        eprintln!("batch {batch}: {:?}\n{}", compiled.chain, compiled.report);
        assert_eq!(compiled.report.depth, 5);
        assert!(difference(&graph, &compiled, None) < 1e-9);
        // The quadratic in elementary operators became one square: no tensor is read at two levels.
        let drops = |i: &&Inst| matches!(i.op, girih_he::Op::DropTo(..));
        assert_eq!(compiled.program.insts.iter().filter(drops).count(), 0);
    }
}

/// conv - relu - pool - dense - sigmoid - dense.
fn relu() -> Graph {
    let mut b = GraphBuilder::new("relu", vec![1, 8, 8]).expect("shape");
    let x = b.input();
    let weight = Array4::from_shape_vec((3, 1, 3, 3), values(27, 0.4, 1)).expect("shape");
    let conv = Op::Conv2d {
        weight,
        bias: None,
        stride: [1, 1],
        pad: [1; 4],
        dilation: [1, 1],
        groups: 1,
    };
    let y = b.push("conv", conv, vec![x]).expect("conv");
    let y = b
        .push("relu", Op::Activation(ActivationKind::Relu), vec![y])
        .expect("relu");
    let pool = Op::AvgPool {
        kernel: [2, 2],
        stride: [2, 2],
        pad: [0; 4],
        count_include_pad: true,
    };
    let y = b.push("pool", pool, vec![y]).expect("pool");
    let y = b.push("flat", Op::Flatten, vec![y]).expect("flat");
    let dense = |rows: usize, cols: usize, seed| Op::Dense {
        weight: Array2::from_shape_vec((rows, cols), values(rows * cols, 0.5, seed))
            .expect("shape"),
        bias: Some(Array1::from(values(rows, 0.1, seed + 1))),
    };
    let y = b.push("fc1", dense(6, 48, 3), vec![y]).expect("fc1");
    let y = b
        .push("sigmoid", Op::Activation(ActivationKind::Sigmoid), vec![y])
        .expect("sigmoid");
    let y = b.push("fc2", dense(2, 6, 5), vec![y]).expect("fc2");
    b.finish(vec![y]).expect("graph")
}

#[test]
fn activations_become_polynomials_on_the_range_of_the_samples() {
    let graph = relu();
    let samples = ArrayD::from_shape_vec(IxDyn(&[8, 1, 8, 8]), values(512, 0.9, 9)).expect("shape");
    let missing = compile(&graph, &Requirements::default(), &Prices)
        .expect_err("needs samples")
        .to_string();
    assert!(
        missing.contains("relu") && missing.contains("girih calibrate"),
        "{missing}"
    );
    let requirements = Requirements {
        calibration: Some(samples.clone()),
        degree: Some(7),
        ..Requirements::default()
    };
    let compiled = compile(&graph, &requirements, &Prices).expect("compiles");
    // Two polynomials of depth 3 between three affine parts.
    assert_eq!(compiled.report.depth, 9);
    assert_eq!(compiled.report.fits.len(), 2);
    for fit in &compiled.report.fits {
        assert!(fit.range.0 <= fit.measured.0 && fit.measured.1 <= fit.range.1 && fit.degree == 7);
    }
    let ranges = replacements(&graph, &requirements).expect("fits");
    assert!(difference(&graph, &compiled, ranges.as_ref()) < 1e-9);
}

/// Samples of the relu network, enough to choose plans by.
fn samples() -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(&[64, 1, 8, 8]), values(4096, 0.9, 9)).expect("shape")
}

#[test]
fn chosen_plans_meet_the_target_and_cost_fewer_levels_than_fixed_ones() {
    let graph = relu();
    let requirements = |target, degree| Requirements {
        calibration: Some(samples()),
        target,
        degree,
        ..Requirements::default()
    };
    let target = Target {
        loss: 0.02,
        ..Target::default()
    };
    let chosen = compile(&graph, &requirements(Some(target), None), &Prices).expect("compiles");
    let together = chosen.report.together.expect("measured");
    assert!(together.changed <= target.loss && together.agreement > 0.9);
    assert!(chosen.report.fits.iter().all(|f| f.alone.is_some()));
    let fixed = compile(&graph, &requirements(None, Some(15)), &Prices).expect("compiles");
    assert_eq!(fixed.report.depth, 11);
    assert!(
        chosen.report.depth < fixed.report.depth,
        "{} levels",
        chosen.report.depth
    );
    // What was chosen is what runs: against the oracle, and from ranges that were kept.
    let ranges = replacements(&graph, &requirements(Some(target), None)).expect("chooses");
    assert!(difference(&graph, &chosen, ranges.as_ref()) < 1e-9);
    let kept = Requirements {
        ranges,
        ..Requirements::default()
    };
    let again = compile(&graph, &kept, &Prices).expect("compiles");
    assert_eq!(again.program, chosen.program);
    // A target that no plan reaches says how near one comes.
    let strict = Target {
        loss: 0.0,
        error: Some(1e-9),
        max_depth: 3,
    };
    let error = compile(&graph, &requirements(Some(strict), None), &Prices).expect_err("strict");
    assert!(error.to_string().contains("3 levels"), "{error}");
    for bad in [
        Target {
            loss: f64::NAN,
            ..target
        },
        Target {
            error: Some(0.0),
            ..target
        },
        Target {
            max_depth: 0,
            ..target
        },
    ] {
        assert!(compile(&graph, &requirements(Some(bad), None), &Prices).is_err());
    }
    // Ranges of another graph.
    let other = compile(&cryptonets(), &kept, &Prices);
    assert!(other.is_ok(), "a graph without functions needs no ranges");
    let mut renamed = kept.clone();
    if let Some(r) = &mut renamed.ranges {
        r.activations[0].node = "elsewhere".into();
    }
    let error = compile(&graph, &renamed, &Prices).expect_err("another graph");
    assert!(error.to_string().contains("another model"), "{error}");
}

/// relu as `x (1 + sign x) / 2` with a composition of three odd polynomials, and a piecewise sum: whatever plan the ranges
/// hold is lowered, in its depth.
#[test]
fn compositions_and_pieces_are_lowered_like_their_clear_run() {
    use girih_polyfit::{EvaluationPlan, Interval, Polynomial};
    let graph = relu();
    let mut ranges = Ranges::measure(&graph, &samples(), 1.25).expect("measures");
    let interval = |k: usize| {
        let (lo, hi) = ranges.activations[k].range;
        Interval::symmetric(lo.abs().max(hi.abs())).expect("finite")
    };
    // Cheon et al.: f(x) = (3x - x^3)/2 tends to the sign; 2 levels each, then the product with u.
    let mut sign = EvaluationPlan::new(interval(0));
    let mut v = sign.input();
    for _ in 0..3 {
        let p = Polynomial::power(Interval::UNIT, [0.0, 1.5, 0.0, -0.5]).expect("finite");
        v = sign.push_polynomial(v, p).expect("power basis");
    }
    let abs = sign.push_product(v, sign.input());
    let sum = sign.push_affine(vec![(abs, 1.0), (sign.input(), 1.0)], 0.0);
    sign.push_affine(vec![(sum, 0.5 * interval(0).radius())], 0.0);
    // Two pieces selected by a smooth step.
    let mut pieces = EvaluationPlan::new(interval(1));
    let chebyshev = |c: &[f64]| Polynomial::chebyshev(Interval::UNIT, c).expect("finite");
    let u = pieces.input();
    let step = pieces
        .push_polynomial(u, chebyshev(&[0.5, 0.6, 0.0, -0.1]))
        .expect("unit");
    let left = pieces
        .push_polynomial(u, chebyshev(&[0.3, 0.2, 0.1]))
        .expect("unit");
    let right = pieces
        .push_polynomial(u, chebyshev(&[0.6, 0.3, -0.1]))
        .expect("unit");
    let gap = pieces.push_affine(vec![(right, 1.0), (left, -1.0)], 0.0);
    let moved = pieces.push_product(step, gap);
    pieces.push_affine(vec![(left, 1.0), (moved, 1.0)], 0.0);
    for (k, plan) in [sign, pieces].into_iter().enumerate() {
        let (plan, scale, shift) = plan.factor_output();
        ranges.activations[k].replacement = Some(girih_compile::Replacement {
            method: "by hand".into(),
            plan,
            scale,
            shift,
            max_error: 0.0,
            mean_error: 0.0,
        });
    }
    let requirements = Requirements {
        ranges: Some(ranges),
        ..Requirements::default()
    };
    let compiled = compile(&graph, &requirements, &Prices).expect("compiles");
    // Three affine parts, 2 + 2 + 2 + 1 levels of the composition, 2 + 1 of the pieces.
    assert_eq!(compiled.report.depth, 3 + 7 + 3, "{}", compiled.report);
    assert!(difference(&graph, &compiled, requirements.ranges.as_ref()) < 1e-9);
}
