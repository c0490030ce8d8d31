//! `girih fit`: polynomials and plans, their JSON, figures and refusals.

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use crate::common::{Folder, girih, ok, refused};

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(&[&["fit"], args, &["--json"]].concat())).expect("JSON")
}

/// Clenshaw's recurrence with the input map of the report.
fn eval(report: &Value, x: f64) -> f64 {
    let number = |v: &Value| v.as_f64().expect("a number");
    let u = number(&report["input_map"][0]) * x + number(&report["input_map"][1]);
    let coefficients = report["coefficients"].as_array().expect("a list");
    let (mut b1, mut b2) = (0.0, 0.0);
    for c in coefficients[1..].iter().rev() {
        (b1, b2) = (2.0 * u * b1 - b2 + number(c), b1);
    }
    u * b1 - b2 + number(&coefficients[0])
}

fn gelu(x: f64) -> f64 {
    girih_polyfit::Function::Gelu.eval(x)
}

#[test]
fn the_coefficients_have_the_error_that_is_reported() {
    let report = json(&["gelu", "--range", "-8,8", "--degree", "27"]);
    assert_eq!(report["basis"], "chebyshev");
    assert_eq!(report["coefficients"].as_array().expect("a list").len(), 28);
    assert_eq!(
        (&report["depth"], &report["degree"]),
        (&5.into(), &27.into())
    );
    assert!(report["products"].as_u64().expect("a count") <= 8);
    let bound = report["error_bound"].as_f64().expect("a number");
    let largest = (0..=4000)
        .map(|k| -8.0 + 0.004 * f64::from(k))
        .map(|x| (eval(&report, x) - gelu(x)).abs())
        .fold(0.0, f64::max);
    assert!(
        largest <= bound && largest > 0.95 * bound,
        "{largest} {bound}"
    );
    assert!(bound < 2.9e-4);
    // A power of two saves a level where the layer after takes the scale.
    let eight = json(&["gelu", "--range", "-8,8", "--degree", "8"]);
    assert_eq!(
        (
            &eight["depth"],
            &eight["depth_folded"],
            &eight["depth_alone"]
        ),
        (&4.into(), &3.into(), &5.into())
    );
    // The Chebyshev interpolant is twice as far.
    let plain = json(&[
        "gelu",
        "--range=-8,8",
        "--degree",
        "27",
        "--method",
        "chebyshev",
    ]);
    let error = plain["max_error"].as_f64().expect("a number");
    assert!((error - 5.6e-4).abs() < 1e-5, "{error}");
}

#[test]
fn text_json_and_figures_agree() {
    let f = Folder::new("fit");
    let samples: Vec<f32> = (0..3000)
        .map(|k| ((k * 7919 % 3000) as f32 / 3000.0 - 0.6) * 4.0)
        .collect();
    let samples = f.npy(
        "samples.npy",
        &ArrayD::from_shape_vec(IxDyn(&[30, 100]), samples).expect("as many"),
    );
    let (svg, report) = (f.path("fit.svg"), f.path("fit.json"));
    let call = [
        "fit",
        "gelu",
        "--density",
        &samples,
        "--degree",
        "8",
        "--pareto",
        "--max-degree",
        "15",
        "--svg",
        &svg,
        "--json",
        &report,
    ];
    let text = ok(&call);
    assert!(
        text.contains("least-squares of degree 8") && text.contains("plans for gelu"),
        "{text}"
    );
    let read: Value =
        serde_json::from_slice(&std::fs::read(&report).expect("there")).expect("JSON");
    assert_eq!(read["mean_of"], "samples");
    assert!(read["pareto"].as_array().expect("a list").len() > 3);
    let figure = std::fs::read_to_string(&svg).expect("there");
    for words in [
        "<svg",
        "gelu on",
        "density of inputs",
        "root mean square error",
        "depth (levels)",
    ] {
        assert!(figure.contains(words), "{words}");
    }
    // What exists stays.
    refused(&call, "--force");
    ok(&[&call[..], &["--force"]].concat());
}

#[test]
fn targets_choose_the_plan() {
    let report = json(&[
        "relu",
        "--range",
        "-1,1",
        "--target",
        "1e-2",
        "--max-degree",
        "31",
    ]);
    assert!(report["error_bound"].as_f64().expect("a number") <= 1.01e-2);
    let composite = json(&["relu", "--range", "-2,2", "--composite", "--target", "2e-2"]);
    assert_eq!(
        (&composite["basis"], &composite["method"]),
        (&"composition".into(), &"composite".into())
    );
    let factors = composite["coefficients"].as_array().expect("a list");
    assert!(factors.len() > 1 && factors.iter().all(Value::is_array));
    let pieces = json(&[
        "gelu",
        "--range",
        "-6,6",
        "--piecewise",
        "--max-depth",
        "10",
    ]);
    assert_eq!(pieces["method"], "piecewise");
    let sign = json(&[
        "sign",
        "--range",
        "-1,1",
        "--gap",
        "0.1",
        "--target",
        "0.01",
        "--max-degree",
        "15",
    ]);
    assert!(sign["max_error"].as_f64().expect("a number") <= 0.01);
}

#[test]
fn bad_input_is_told() {
    let f = Folder::new("fit-bad");
    let fit = |args: &[&str], words: &str| refused(&[&["fit"], args].concat(), words);
    fit(
        &["elu", "--range", "-1,1", "--degree", "3"],
        "known are relu",
    );
    fit(&["gelu", "--degree", "3"], "--range");
    for range in ["1,1", "2,-2", "a,b", "1", "1,2,3", "nan,1", "0,inf", ""] {
        fit(&["gelu", "--range", range, "--degree", "3"], "--range");
    }
    for degree in ["0", "1024", "99999999"] {
        fit(&["gelu", "--range", "-1,1", "--degree", degree], "degree");
    }
    fit(&["reciprocal", "--range", "-1,1", "--degree", "3"], "pole");
    fit(&["log", "--range", "0,1", "--target", "0.1"], "pole");
    fit(&["exp", "--range", "-1,1000", "--degree", "5"], "inf");
    fit(&["sign", "--range", "-1,1", "--target", "0.1"], "jump");
    fit(
        &[
            "gelu",
            "--range",
            "-8,8",
            "--target",
            "1e-9",
            "--max-depth",
            "3",
        ],
        "the nearest",
    );
    fit(&["gelu", "--range", "-8,8", "--target", "0"], "target");
    fit(&["gelu", "--range", "-8,8", "--target", "nan"], "target");
    fit(
        &[
            "gelu", "--range", "-8,8", "--degree", "5", "--method", "magic",
        ],
        "known are minimax",
    );
    fit(
        &[
            "gelu",
            "--range",
            "-8,8",
            "--degree",
            "5",
            "--method",
            "composite",
        ],
        "composite",
    );
    fit(
        &["gelu", "--density", &f.path("none.npy"), "--degree", "5"],
        "none.npy",
    );
    let bytes = f.npy("bytes.npy", &ArrayD::<u8>::zeros(IxDyn(&[5])));
    fit(&["gelu", "--density", &bytes, "--degree", "5"], "--divide");
    let mut samples = ArrayD::<f64>::from_elem(IxDyn(&[5]), 1.0);
    let same = f.npy("same.npy", &samples);
    fit(&["gelu", "--density", &same, "--degree", "5"], "--density");
    samples[3] = f64::NAN;
    let nan = f.npy("nan.npy", &samples);
    fit(&["gelu", "--density", &nan, "--degree", "5"], "sample 3");
    let empty = f.npy("empty.npy", &ArrayD::<f64>::zeros(IxDyn(&[0])));
    fit(&["gelu", "--density", &empty, "--degree", "5"], "--density");
    // Options that exclude each other are a matter of usage.
    let both = girih(&[
        "fit", "gelu", "--range", "-1,1", "--degree", "3", "--target", "0.1",
    ]);
    assert_eq!(both.status.code(), Some(2));
}
