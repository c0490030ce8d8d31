//! Whole-crate tests over the model files of `fixtures/models/ops`.
#![allow(clippy::unwrap_used)]

mod accepted;
mod mutation;
mod refused;

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;
use std::path::PathBuf;

/// A file below `fixtures/models/ops`.
fn ops(name: &str) -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/models/ops"
    ))
    .join(name)
}

/// The cases of a list, which must not be empty.
fn cases(list: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(ops(list)).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(!cases.is_empty(), "{list} is empty");
    cases
}

/// Every model that the tests read is the one whose checksum is on record.
#[test]
fn model_files_are_those_on_record() {
    let text = std::fs::read_to_string(ops("SHA256SUMS")).unwrap();
    let mut listed = 0;
    for line in text.lines() {
        let (sum, file) = line.split_once("  ").unwrap();
        let bytes = std::fs::read(ops(file)).unwrap();
        assert_eq!(girih_fixtures::sha256::hex(&bytes), sum, "{file}");
        listed += 1;
    }
    let present: usize = ["accepted", "refused", "golden", "."]
        .iter()
        .flat_map(|folder| std::fs::read_dir(ops(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "onnx" || e == "json"))
        .count();
    assert_eq!(listed, present, "files that SHA256SUMS does not list");
}

fn name(case: &Value) -> &str {
    case["name"].as_str().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Tensor `key` of a case with its shape `key_shape`; without values, the formula of the script that wrote the case.
fn tensor(case: &Value, key: &str) -> ArrayD<f64> {
    let shape: Vec<usize> = numbers(&case[format!("{key}_shape")])
        .iter()
        .map(|v| *v as usize)
        .collect();
    let count = shape.iter().product();
    let values = if case[key].is_null() {
        (0..count)
            .map(|i| {
                let exact = 1.5 * (0.37 * i as f64 + 0.1).sin();
                f64::from(exact as f32)
            })
            .collect()
    } else {
        numbers(&case[key])
    };
    ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()
}

/// Asserts equal shapes and `|got - want| <= tolerance max(1, |want|)` everywhere.
#[track_caller]
fn assert_close(what: &str, got: &ArrayD<f64>, want: &ArrayD<f64>, tolerance: f64) {
    assert_eq!(got.shape(), want.shape(), "{what}");
    for (g, w) in got.iter().zip(want) {
        assert!(
            (g - w).abs() <= tolerance * w.abs().max(1.0),
            "{what}: {g}, expected {w}"
        );
    }
}
