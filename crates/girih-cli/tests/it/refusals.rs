//! Bad input gets a clear error, and nothing is lost.

use std::process::Command;

use ndarray::{ArrayD, IxDyn};

use crate::common::{Folder, calibration, digits, model, ok, refused};

/// Calls `infer --clear` on an input, which must be refused before the output is made.
#[track_caller]
fn input_refused(f: &Folder, input: &str, words: &str) {
    let y = f.path("y.npy");
    refused(
        &[
            "infer",
            "--model",
            &model("cryptonets"),
            "--input",
            input,
            "--output",
            &y,
            "--clear",
        ],
        words,
    );
    assert!(!std::path::Path::new(&y).exists());
}

#[test]
fn inputs_that_the_model_cannot_read() {
    let f = Folder::new("inputs");
    input_refused(&f, &f.path("nowhere.npy"), "nowhere.npy");
    input_refused(&f, &model("cryptonets"), "does not start like one");
    input_refused(
        &f,
        &f.npy("a.npy", &ArrayD::<f32>::zeros(IxDyn(&[1, 28, 27]))),
        "[1, 28, 28]",
    );
    input_refused(
        &f,
        &f.npy("b.npy", &ArrayD::<f32>::zeros(IxDyn(&[784]))),
        "shape [784]",
    );
    input_refused(
        &f,
        &f.npy("c.npy", &ArrayD::<f64>::zeros(IxDyn(&[0, 1, 28, 28]))),
        "no sample",
    );
    input_refused(
        &f,
        &f.npy("d.npy", &ArrayD::<u8>::zeros(IxDyn(&[1, 28, 28]))),
        "255",
    );
    input_refused(
        &f,
        &f.npy("e.npy", &ArrayD::<i64>::zeros(IxDyn(&[1, 28, 28]))),
        "f32 and f64",
    );
    for (name, value) in [("g.npy", f32::NAN), ("h.npy", f32::NEG_INFINITY)] {
        let mut bad = digits(2);
        bad[[1, 0, 3, 4]] = value;
        input_refused(&f, &f.npy(name, &bad), "[1, 0, 3, 4]");
    }
    let whole = std::fs::read(f.npy("i.npy", &digits(1))).expect("reads");
    std::fs::write(f.path("cut.npy"), &whole[..whole.len() - 9]).expect("writes");
    input_refused(&f, &f.path("cut.npy"), "cut.npy");
}

#[test]
fn models_that_are_none() {
    let f = Folder::new("models");
    let x = f.npy("x.npy", &digits(1));
    let y = f.path("y.npy");
    for (name, bytes) in [("empty.onnx", &b""[..]), ("text.onnx", b"not a model")] {
        std::fs::write(f.path(name), bytes).expect("writes");
        refused(
            &[
                "infer",
                "--model",
                &f.path(name),
                "--input",
                &x,
                "--output",
                &y,
            ],
            name,
        );
    }
    refused(
        &[
            "infer",
            "--model",
            &f.path("nowhere.onnx"),
            "--input",
            &x,
            "--output",
            &y,
        ],
        "nowhere.onnx",
    );
    refused(&["explain", &f.path("nowhere.onnx")], "nowhere.onnx");
}

#[test]
fn unsupported_operators_are_all_listed() {
    let path = girih_fixtures::root()
        .join("models/ops/refused/four_at_once.onnx")
        .display()
        .to_string();
    let output = crate::common::girih(&["explain", &path]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.lines().count() >= 4, "{errors}");
}

#[test]
fn existing_outputs_stay_unless_forced() {
    let f = Folder::new("exists");
    let x = f.npy("x.npy", &digits(1));
    let y = f.path("y.npy");
    std::fs::write(&y, "precious").expect("writes");
    let model = model("cryptonets");
    let call = [
        "infer", "--model", &model, "--input", &x, "--output", &y, "--clear",
    ];
    refused(&call, "--force");
    assert_eq!(std::fs::read(&y).expect("there"), b"precious");
    ok(&[&call[..], &["--force"]].concat());
    assert_ne!(std::fs::read(&y).expect("there"), b"precious");
    let json = f.path("r.json");
    std::fs::write(&json, "precious").expect("writes");
    refused(&["explain", &model, "--json", &json], "--force");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_no_partial_file() {
    let f = Folder::new("full");
    let x = f.npy("x.npy", &digits(1));
    let model = model("cryptonets");
    refused(
        &[
            "infer",
            "--model",
            &model,
            "--input",
            &x,
            "--output",
            "/dev/full",
            "--clear",
        ],
        "No space left",
    );
    // A limit on the size of files stands for a disk that fills up while the file is written.
    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 8; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_girih"),
        ])
        .args(["compile", &model, "--output", &f.path("m")])
        .output()
        .expect("the shell starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("cannot write"), "{errors}");
    assert_eq!(
        crate::common::walk(&f.path("m")),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn outputs_in_folders_that_are_not_there() {
    let f = Folder::new("nofolder");
    let x = f.npy("x.npy", &digits(1));
    let y = f.path("no/such/y.npy");
    refused(
        &[
            "infer",
            "--model",
            &model("cryptonets"),
            "--input",
            &x,
            "--output",
            &y,
            "--clear",
        ],
        "cannot write",
    );
}

#[test]
fn requirements_that_cannot_be_met() {
    let model = model("cryptonets");
    refused(&["explain", &model, "--precision", "1e-40"], "precision");
    refused(&["explain", &model, "--max-memory", "1"], "MiB");
    refused(&["explain", &model, "--batch", "0"], "batch");
    refused(&["explain", &model, "--threads", "0"], "--threads");
}

#[test]
fn replaced_functions_want_their_range() {
    let f = Folder::new("range");
    let model = model("lenet_relu");
    refused(
        &["compile", &model, "--output", &f.path("m")],
        "girih calibrate",
    );
    // An explanation is given all the same, and says on what.
    let said = crate::common::girih(&["explain", &model]);
    assert!(said.status.success());
    assert!(String::from_utf8_lossy(&said.stderr).contains("made-up inputs"));
    let wild = f.npy("wild.npy", &digits(1).mapv(|v| 20.0 * v));
    let calibration = calibration(&f);
    let y = f.path("y.npy");
    let call = [
        "infer",
        "--model",
        &model,
        "--input",
        &wild,
        "--output",
        &y,
        "--calibrate",
        &calibration,
        "--clear",
    ];
    refused(&call, "outside the fitted range");
    ok(&[&call[..], &["--allow-out-of-range"]].concat());
}
