//! Three roles as separate processes with files.

use crate::common::{Folder, answer, close, data, digits, girih, model, ok, refused, walk};

/// Compiles the network and makes keys in `m`, `alice`, `bob`.
fn set_up(f: &Folder) {
    ok(&[
        "compile",
        &model("cryptonets"),
        "--output",
        &f.path("m"),
        "--batch",
        "2",
    ]);
    let part = f.path("m/client");
    ok(&[
        "keygen",
        "--model",
        &part,
        "--client",
        &f.path("alice"),
        "--server",
        &f.path("bob"),
        "--seed",
        "7",
    ]);
    std::fs::copy(f.path("m/server/server.girih"), f.path("bob/server.girih")).expect("copies");
}

#[test]
fn files_go_between_client_and_server() {
    let f = Folder::new("roles");
    set_up(&f);
    let x = f.npy("x.npy", &digits(3));
    ok(&[
        "encrypt",
        "--client",
        &f.path("alice"),
        "--input",
        &x,
        "--output",
        &f.path("x.ct"),
    ]);
    ok(&[
        "evaluate",
        "--server",
        &f.path("bob"),
        "--input",
        &f.path("x.ct"),
        "--output",
        &f.path("y.ct"),
        "--threads",
        "2",
    ]);
    ok(&[
        "decrypt",
        "--client",
        &f.path("alice"),
        "--input",
        &f.path("y.ct"),
        "--output",
        &f.path("y.npy"),
    ]);
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
    close(&answer(&f.path("y.npy")), &answer(&clear), 1e-3);

    // The server's folder never holds the secret key, the client's folder nothing of the weights.
    let secret = std::fs::read(f.path("alice/secret.key")).expect("there");
    let secret = &secret[48..80];
    for path in walk(&f.path("bob")).into_iter().chain(walk(&f.path("m"))) {
        let bytes = std::fs::read(&path).expect("reads");
        assert!(
            !bytes.windows(secret.len()).any(|w| w == secret),
            "{} holds the secret key",
            path.display()
        );
    }
    let mut names: Vec<String> = walk(&f.path("alice"))
        .iter()
        .filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    assert_eq!(names, ["client.girih", "secret.key"]);
    let client = std::fs::read(f.path("alice/client.girih")).expect("reads");
    let graph = girih_model::load_onnx(model("cryptonets")).expect("a model");
    let weights = graph.nodes.iter().find_map(|n| match &n.op {
        girih_model::Op::Dense { weight, .. } => Some(weight.clone()),
        _ => None,
    });
    for weight in weights.expect("a dense layer").iter().take(200) {
        assert!(!client.windows(8).any(|w| w == weight.to_le_bytes()));
    }
    damaged_files(&f);
}

/// Files that do not belong together, are cut or altered.
fn damaged_files(f: &Folder) {
    let (alice, bob, y) = (f.path("alice"), f.path("bob"), f.path("z.ct"));
    let evaluate = |input: &str, words: &str| {
        refused(
            &[
                "evaluate",
                "--server",
                &f.path("bob"),
                "--input",
                input,
                "--output",
                &y,
            ],
            words,
        );
        assert!(!std::path::Path::new(&y).exists());
    };
    let good = std::fs::read(f.path("x.ct")).expect("reads");
    let bad = f.path("bad.ct");
    for (bytes, words) in [
        (&good[..good.len() / 2], "truncated"),
        (&good[..3], "truncated"),
        (&[][..], "truncated"),
        (&[&good[..], b"x"].concat(), "follow"),
        (
            &[&good[..5000], &[!good[5000]], &good[5001..]].concat(),
            "checksum",
        ),
    ] {
        std::fs::write(&bad, bytes).expect("writes");
        evaluate(&bad, words);
    }
    evaluate(
        &f.path("y.ct"),
        "encrypted output, an encrypted input is needed",
    );
    evaluate(&f.path("bob/server.girih"), "server part");
    evaluate(&f.path("nowhere.ct"), "nowhere.ct");
    refused(
        &[
            "decrypt",
            "--client",
            &alice,
            "--input",
            &f.path("x.ct"),
            "--output",
            &y,
        ],
        "encrypted input",
    );
    refused(
        &[
            "decrypt",
            "--client",
            &bob,
            "--input",
            &f.path("y.ct"),
            "--output",
            &y,
        ],
        "not a client's folder",
    );
    refused(
        &[
            "evaluate",
            "--server",
            &alice,
            "--input",
            &f.path("x.ct"),
            "--output",
            &y,
        ],
        "not a server's folder",
    );

    // Keys of other parameters, altered keys.
    let breast = f.path("breast");
    ok(&[
        "compile",
        &model("breast_cancer"),
        "--output",
        &breast,
        "--calibrate",
        &data("breast_cancer_train.npy"),
    ]);
    let part = format!("{breast}/client");
    ok(&[
        "keygen",
        "--model",
        &part,
        "--client",
        &f.path("carol"),
        "--server",
        &f.path("carols"),
    ]);
    let keys = f.path("bob/evaluation.keys");
    let own = std::fs::read(&keys).expect("reads");
    std::fs::copy(f.path("carols/evaluation.keys"), &keys).expect("copies");
    evaluate(&f.path("x.ct"), "parameters");
    let mut altered = own.clone();
    altered[own.len() / 2] ^= 1;
    std::fs::write(&keys, &altered).expect("writes");
    evaluate(&f.path("x.ct"), "checksum");
    std::fs::remove_file(&keys).expect("removes");
    evaluate(&f.path("x.ct"), "evaluation.keys");
    std::fs::write(&keys, own).expect("writes");
    refused(
        &[
            "encrypt",
            "--client",
            &f.path("carol"),
            "--input",
            &f.path("x.npy"),
            "--output",
            &y,
        ],
        "shape",
    );
}

#[test]
fn secret_and_evaluation_keys_do_not_share_a_folder() {
    let f = Folder::new("same");
    ok(&[
        "compile",
        &model("cryptonets"),
        "--output",
        &f.path("m"),
        "--security",
        "insecure",
    ]);
    let both = f.path("both");
    refused(
        &[
            "keygen",
            "--model",
            &f.path("m"),
            "--client",
            &both,
            "--server",
            &both,
        ],
        "same folder",
    );
    let output = girih(&[
        "keygen",
        "--model",
        &f.path("nowhere"),
        "--client",
        &f.path("a"),
        "--server",
        &f.path("b"),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!std::path::Path::new(&f.path("a")).exists());
}

#[test]
fn weights_may_stay_with_their_owner() {
    let f = Folder::new("weights");
    let calibrate = data("breast_cancer_train.npy");
    ok(&[
        "compile",
        &model("breast_cancer"),
        "--output",
        &f.path("m"),
        "--calibrate",
        &calibrate,
        "--encrypt-weights",
    ]);
    let part = f.path("m/client");
    ok(&[
        "keygen",
        "--model",
        &part,
        "--client",
        &f.path("alice"),
        "--server",
        &f.path("bob"),
    ]);
    std::fs::copy(f.path("m/server/server.girih"), f.path("bob/server.girih")).expect("copies");
    ok(&[
        "encrypt-weights",
        "--model",
        &f.path("m"),
        "--server",
        &f.path("bob"),
    ]);
    let x = data("breast_cancer_test.npy");
    let one = answer_input(&f, &x);
    ok(&[
        "encrypt",
        "--client",
        &f.path("alice"),
        "--input",
        &one,
        "--output",
        &f.path("x.ct"),
    ]);
    ok(&[
        "evaluate",
        "--server",
        &f.path("bob"),
        "--input",
        &f.path("x.ct"),
        "--output",
        &f.path("y.ct"),
    ]);
    ok(&[
        "decrypt",
        "--client",
        &f.path("alice"),
        "--input",
        &f.path("y.ct"),
        "--output",
        &f.path("y.npy"),
    ]);
    let clear = f.path("clear.npy");
    let model = model("breast_cancer");
    ok(&[
        "infer",
        "--model",
        &model,
        "--input",
        &one,
        "--output",
        &clear,
        "--clear",
        "--calibrate",
        &calibrate,
    ]);
    close(&answer(&f.path("y.npy")), &answer(&clear), 1e-3);
}

/// The first row of a table, without the dimension of the samples.
fn answer_input(f: &Folder, path: &str) -> String {
    use ndarray_npy::ReadNpyExt;
    let table =
        ndarray::ArrayD::<f32>::read_npy(std::fs::File::open(path).expect("there")).expect("f32");
    f.npy("one.npy", &table.index_axis(ndarray::Axis(0), 0).to_owned())
}
