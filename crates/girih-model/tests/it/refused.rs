//! Refused models say what is wrong, where, and what to do.

use super::{cases, name, ops};
use girih_model::{ModelError, load_onnx};

#[test]
fn every_refusal_names_its_reason() {
    for case in cases("refused.json") {
        let error = load_onnx(ops(&format!("refused/{}.onnx", name(&case)))).unwrap_err();
        assert!(
            matches!(error, ModelError::Unsupported { .. }),
            "{}: {error}",
            name(&case)
        );
        let text = error.to_string();
        for says in case["says"].as_array().unwrap() {
            let says = says.as_str().unwrap();
            assert!(
                text.contains(says),
                "{}: {text:?} lacks {says:?}",
                name(&case)
            );
        }
    }
}

#[test]
fn all_unsupported_operators_are_listed_at_once() {
    let error = load_onnx(ops("refused/four_at_once.onnx")).unwrap_err();
    let ModelError::Unsupported { nodes } = error else {
        panic!("{error}");
    };
    let found: Vec<(&str, &str)> = nodes
        .iter()
        .map(|n| (n.name.as_str(), n.operator.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("first", "MaxPool"),
            ("second", "Elu"),
            ("third", "Conv"),
            ("fourth", "Softmax")
        ]
    );
    assert!(
        nodes
            .iter()
            .all(|n| !n.why.is_empty() && !n.remedy.is_empty())
    );
}
