//! What machines read: the JSON of `infer` and `explain`.

use serde_json::Value;

use crate::common::{Folder, answer, calibration, close, digits, girih, model, ok};

#[track_caller]
fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("there")).expect("JSON")
}

#[track_caller]
fn number(report: &Value, field: &str) -> f64 {
    report[field]
        .as_f64()
        .unwrap_or_else(|| panic!("{field} is {:?}", report[field]))
}

const PARAMS: [&str; 7] = [
    "n",
    "slots",
    "log_q",
    "log_qp",
    "limbs",
    "dnum",
    "security_bits",
];

#[test]
fn infer_reports_and_is_reproducible_from_a_seed() {
    let f = Folder::new("infer");
    let x = f.npy("x.npy", &digits(2));
    let run = |threads: &str, y: &str| {
        let report = f.path(&format!("{y}.json"));
        let (model, y) = (model("cryptonets"), f.path(y));
        let call = [
            "infer",
            "--model",
            &model,
            "--input",
            &x,
            "--output",
            &y,
            "--threads",
            threads,
        ];
        ok(&[&call[..], &["--seed", "5", "--json", &report]].concat());
        (std::fs::read(&y).expect("there"), json(&report))
    };
    let (one, report) = run("1", "one.npy");
    let (two, _) = run("2", "two.npy");
    assert_eq!(one, two, "the same bytes for every number of threads");
    let times = [
        "compile", "keygen", "encode", "encrypt", "evaluate", "decrypt",
    ]
    .map(|t| format!("{t}_seconds"));
    for field in PARAMS
        .iter()
        .copied()
        .chain(times.iter().map(String::as_str))
    {
        assert!(number(&report, field) > 0.0, "{field}");
    }
    for field in [
        "peak_bytes",
        "key_bytes",
        "ciphertext_bytes",
        "predicted_seconds",
        "predicted_error",
        "threads",
        "batch",
    ] {
        assert!(number(&report, field) > 0.0, "{field}");
    }
    assert!(number(&report, "security_bits") >= 128.0);
    assert!(number(&report, "max_error") < 1e-3);
    assert_eq!(number(&report, "agreement"), 1.0);
    let layers = report["layers"].as_array().expect("layers");
    let seconds = |l: &Value| {
        l["primitives"]
            .as_object()
            .map_or(0.0, |p| p.values().map(|s| number(s, "seconds")).sum())
    };
    assert!(layers.iter().map(seconds).sum::<f64>() > 0.0);

    let clear = f.path("clear.npy");
    ok(&[
        "infer",
        "--model",
        &model("cryptonets"),
        "--input",
        &x,
        "--output",
        &clear,
        "--clear",
    ]);
    close(&answer(&f.path("one.npy")), &answer(&clear), 1e-3);
}

#[test]
fn explain_predicts_before_any_key_exists() {
    let f = Folder::new("explain");
    let path = f.path("e.json");
    let text = ok(&["explain", &model("cryptonets"), "--json", &path]);
    for word in ["Conv", "rotation", "log2 QP", "margin", "predicted"] {
        assert!(text.contains(word), "{word}");
    }
    let report = json(&path);
    for field in PARAMS
        .iter()
        .chain(&["predicted_seconds", "predicted_peak_bytes", "key_bytes"])
    {
        assert!(number(&report, field) > 0.0, "{field}");
    }
    assert!(
        report["keys"]
            .as_array()
            .is_some_and(|k| k.iter().all(|k| number(k, "bytes") > 0.0))
    );
}

#[test]
fn insecure_parameters_say_so_everywhere() {
    let text = ok(&["explain", &model("cryptonets"), "--security", "insecure"]);
    assert!(text.contains("INSECURE"), "{text}");
    let f = Folder::new("insecure");
    let (x, y) = (f.npy("x.npy", &digits(1)), f.path("y.npy"));
    let model = model("cryptonets");
    let text = ok(&[
        "infer",
        "--model",
        &model,
        "--input",
        &x,
        "--output",
        &y,
        "--security",
        "insecure",
    ]);
    assert!(text.contains("INSECURE"), "{text}");
}

#[test]
fn functions_replaced_by_polynomials_are_reported() {
    let f = Folder::new("fits");
    let text = ok(&[
        "explain",
        &model("lenet_relu"),
        "--calibrate",
        &calibration(&f),
    ]);
    assert!(
        text.to_lowercase().contains("relu") && text.contains("fitted on"),
        "{text}"
    );
}

#[test]
fn help_warns_of_seeds_and_params_prints_the_table() {
    let help = girih(&["infer", "--help"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("PREDICTABLE"));
    let text = ok(&["params"]);
    assert!(
        text.contains("438"),
        "the limit of N = 2^14 at 128 bits: {text}"
    );
}
