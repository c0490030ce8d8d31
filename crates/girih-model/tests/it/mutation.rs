//! Altered files give an error or a graph that obeys all rules; never a panic, never a huge allocation.

use super::ops;
use girih_model::{load_onnx_bytes, reference};
use ndarray::{ArrayD, IxDyn};

const MODELS: [&str; 10] = [
    "residual_network",
    "conv_pad_asymmetric",
    "conv_depthwise",
    "average_pool_pad_counted",
    "batch_normalization",
    "gelu_pattern_half_first",
    "reshape_from_shape",
    "folded_constant",
    "mul_position",
    "unsqueeze_opset13",
];

/// Runs what still loads, if it is small.
fn examine(bytes: &[u8]) -> bool {
    let Ok(graph) = load_onnx_bytes(bytes) else {
        return false;
    };
    let sizes = graph
        .nodes
        .iter()
        .map(|n| n.shape.iter().product::<usize>());
    if sizes.sum::<usize>() < 10_000 {
        let mut shape = vec![1];
        shape.extend(graph.input_shape());
        let out = reference::run(&graph, &ArrayD::ones(IxDyn(&shape))).unwrap();
        assert_eq!(&out.shape()[1..], graph.output_shape());
    }
    true
}

#[test]
fn flipped_bytes_never_panic() {
    let mut survived = 0;
    for name in MODELS {
        let original = std::fs::read(ops(&format!("accepted/{name}.onnx"))).unwrap();
        assert!(examine(&original), "{name} itself does not load");
        for at in 0..original.len() {
            for mask in [0x01, 0x7f, 0x80] {
                let mut bytes = original.clone();
                bytes[at] ^= mask;
                survived += usize::from(examine(&bytes));
            }
        }
    }
    // Flips inside a weight or a name leave a valid model: the loader must not simply refuse everything.
    assert!(survived > 100, "only {survived} altered models load");
}

#[test]
fn truncated_files_are_errors_unless_only_optional_fields_are_missing() {
    for name in MODELS {
        let original = std::fs::read(ops(&format!("accepted/{name}.onnx"))).unwrap();
        let graph = load_onnx_bytes(&original).unwrap();
        for length in 0..original.len() {
            // A cut at a field border of the outermost message can only drop whole fields.
            if let Ok(shorter) = load_onnx_bytes(&original[..length]) {
                assert_eq!(
                    shorter, graph,
                    "{name} cut to {length} bytes is another model"
                );
            }
        }
    }
}

#[test]
fn bytes_exchanged_between_models_never_panic() {
    let files: Vec<Vec<u8>> = MODELS
        .iter()
        .map(|n| std::fs::read(ops(&format!("accepted/{n}.onnx"))).unwrap())
        .collect();
    for a in &files {
        for b in &files {
            for cut in (0..a.len().min(b.len())).step_by(17) {
                let mut bytes = a[..cut].to_vec();
                bytes.extend(&b[cut..]);
                examine(&bytes);
            }
            // Protobuf messages concatenate: fields repeat, the last scalar wins.
            examine(&[a.as_slice(), b].concat());
        }
    }
}
