//! Accepted models compute what two other implementations compute.

use super::{assert_close, cases, name, ops, tensor};
use girih_model::{load_onnx, load_onnx_bytes, onnx::oracle, passes, reference};
use ndarray::{ArrayD, Dimension, IxDyn};

/// The expected values were computed in single precision.
const SINGLE: f64 = 1e-5;

fn agree_with_stored_outputs(list: &str, folder: &str) {
    for case in cases(list) {
        let graph = load_onnx(ops(&format!("{folder}/{}.onnx", name(&case))))
            .unwrap_or_else(|e| panic!("{}: {e}", name(&case)));
        let (x, want) = (tensor(&case, "input"), tensor(&case, "output"));
        assert_close(
            name(&case),
            &reference::run(&graph, &x).unwrap(),
            &want,
            SINGLE,
        );
        let simple = passes::simplify(&graph).unwrap();
        assert_close(
            name(&case),
            &reference::run(&simple, &x).unwrap(),
            &want,
            SINGLE,
        );
    }
}

#[test]
fn operators_agree_with_the_reference_evaluator_of_the_format() {
    agree_with_stored_outputs("accepted.json", "accepted");
}

#[test]
fn published_cases_agree() {
    agree_with_stored_outputs("golden.json", "golden");
}

#[test]
fn operators_agree_with_the_independent_run() {
    let mut failed = Vec::new();
    for case in cases("accepted.json") {
        let bytes = std::fs::read(ops(&format!("accepted/{}.onnx", name(&case)))).unwrap();
        if takes_doubles(name(&case)) {
            continue;
        }
        let x = tensor(&case, "input");
        match oracle::run(&bytes, &x.mapv(|v| v as f32)) {
            Ok(outputs) => assert_close(
                name(&case),
                &outputs[0].mapv(f64::from),
                &tensor(&case, "output"),
                1e-4,
            ),
            Err(e) => failed.push(format!("{}: {e}", name(&case))),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The independent run feeds single precision.
fn takes_doubles(name: &str) -> bool {
    name == "conv_double"
}

#[test]
fn trained_networks_agree_with_the_independent_run() {
    let mut seen = 0;
    for entry in std::fs::read_dir(ops("..")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "onnx") {
            continue;
        }
        seen += 1;
        let bytes = std::fs::read(&path).unwrap();
        let graph = load_onnx_bytes(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut shape = vec![2];
        shape.extend(graph.input_shape());
        // Pixels in [0, 1], exactly representable in single precision.
        let x = ArrayD::from_shape_fn(IxDyn(&shape), |i| {
            let at = i.slice().iter().fold(0, |acc, d| acc * 31 + d * 7);
            (at % 257) as f64 / 256.0
        });
        let want = oracle::run(&bytes, &x.mapv(|v| v as f32)).unwrap();
        let got = reference::run(&graph, &x).unwrap();
        let what = path.display().to_string();
        assert_close(&what, &got, &want[0].mapv(f64::from), 1e-4);
        let simple = passes::simplify(&graph).unwrap();
        assert_close(&what, &reference::run(&simple, &x).unwrap(), &got, 1e-9);
    }
    assert!(seen > 0, "no trained network found");
}

#[test]
fn exported_gelu_is_one_node() {
    for form in ["half_last", "half_first", "half_middle", "inverse"] {
        let graph = load_onnx(ops(&format!("accepted/gelu_pattern_{form}.onnx"))).unwrap();
        assert_eq!(graph.nodes.len(), 2, "{form}: {graph}");
        assert_eq!(graph.nodes[1].op.name(), "Gelu");
    }
}

#[test]
fn a_product_with_itself_is_a_power() {
    let graph = load_onnx(ops("accepted/square_by_mul.onnx")).unwrap();
    assert_eq!(graph.nodes[1].op, girih_model::Op::PowInt(2));
}

#[test]
fn ranges_cover_every_value_of_every_node() {
    let graph = load_onnx(ops("accepted/residual_network.onnx")).unwrap();
    let case = cases("accepted.json")
        .into_iter()
        .find(|c| name(c) == "residual_network")
        .unwrap();
    let x = tensor(&case, "input");
    let ranges = reference::ranges(&graph, &x).unwrap();
    for node in &graph.nodes {
        let mut probe = graph.clone();
        probe.outputs = vec![node.id];
        let values = reference::run(&probe, &x).unwrap();
        let min = values.fold(f64::INFINITY, |a, b| a.min(*b));
        let max = values.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        assert_eq!(ranges.of(node.id), [min, max], "{}", node.name);
    }
}
