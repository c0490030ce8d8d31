//! Objectives, free batches, caps and pictures on the command line.

use serde_json::Value;

use crate::common::{Folder, model, ok, refused};

fn plan(f: &Folder, args: &[&str]) -> Value {
    let report = f.path("plan.json");
    let network = model("cryptonets");
    let call = ["explain", &network, "--json", &report, "--force"];
    ok(&[&call[..], args].concat());
    serde_json::from_slice(&std::fs::read(&report).expect("there")).expect("JSON")
}

#[test]
fn objectives_choose_different_plans() {
    let f = Folder::new("objectives");
    let measure = |report: &Value, name: &str| {
        let chosen = &report["plans"]["plans"][0];
        assert_eq!(chosen["verdict"], "chosen");
        chosen["measures"][name].as_f64().expect("a number")
    };
    let latency = plan(&f, &["--objective", "latency"]);
    let throughput = plan(&f, &["--objective", "throughput", "--batch", "auto"]);
    let memory = plan(&f, &["--objective", "memory"]);
    assert_eq!(latency["batch"], 1);
    let batch = throughput["batch"].as_f64().expect("a number");
    assert!(batch >= 1024.0, "{batch}");
    let a_sample = measure(&throughput, "server_seconds") / batch;
    assert!(a_sample < measure(&latency, "server_seconds"));
    assert!(measure(&memory, "server_bytes") <= measure(&latency, "server_bytes"));
    let runners_up = latency["plans"]["plans"].as_array().expect("a list");
    assert!(runners_up.len() > 1, "the runners-up are listed");
}

#[test]
fn caps_that_nothing_keeps_name_what_is_needed() {
    let network = model("cryptonets");
    refused(&["explain", &network, "--max-keys", "1"], "keys");
    refused(
        &["explain", &network, "--max-seconds", "0.0001"],
        "server time",
    );
    refused(
        &["explain", &network, "--max-wire", "0.01"],
        "raise the cap",
    );
}

#[test]
fn every_tensor_is_drawn() {
    let f = Folder::new("pictures");
    let folder = f.path("pictures");
    ok(&["explain", &model("cryptonets"), "--svg", &folder]);
    let pictures: Vec<_> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| std::fs::read_to_string(entry.expect("a file").path()).expect("text"))
        .collect();
    assert_eq!(pictures.len(), 6, "input and five layers");
    assert!(
        pictures
            .iter()
            .all(|p| p.starts_with("<svg") && p.len() < 200_000)
    );
    assert!(pictures.iter().any(|p| p.contains("[*/4, 28/32, 28/32]")));
}
