//! A network deeper than the levels: bootstrapped by the server, at a small insecure degree.

use std::sync::OnceLock;

use girih_ckks::{EncapsulationKeys, EvaluationKeys, Security};
use girih_compile::{Compiled, Refresh, Requirements, compile};
use girih_engine::{
    CkksScheme, Client, ClientPart, CompiledModel, Error, Explanation, INSECURE, MachineTable,
    Server, ServerKeys, ServerPart, infer_clear,
};
use girih_he::Level;
use girih_model::{ActivationKind, Graph, GraphBuilder, Op, reference};
use ndarray::{Array1, Array2, ArrayD, IxDyn};

use crate::common::{pattern, rng};

const WIDTH: usize = 8;

/// Five dense layers with a sigmoid after each but the last, the middle ones in a residual sum.
fn graph() -> Graph {
    let dense = |salt: usize| Op::Dense {
        weight: Array2::from_shape_fn((WIDTH, WIDTH), |(r, c)| pattern(r * WIDTH + c + salt)),
        bias: Some(Array1::from_shape_fn(WIDTH, |r| pattern(r + 5 * salt))),
    };
    let mut b = GraphBuilder::new("deep", vec![WIDTH]).expect("a shape");
    let mut y = b.input();
    for k in 0..4 {
        let z = b.push(&format!("fc{k}"), dense(k), vec![y]).expect("fits");
        let sigmoid = Op::Activation(ActivationKind::Sigmoid);
        let z = b.push(&format!("f{k}"), sigmoid, vec![z]).expect("fits");
        y = match k {
            2 => b.push("sum", Op::Add, vec![z, y]).expect("fits"),
            _ => z,
        };
    }
    let y = b.push("out", dense(9), vec![y]).expect("fits");
    b.finish(vec![y]).expect("a graph")
}

fn samples(count: usize, factor: f64) -> ArrayD<f64> {
    let values = (0..count * WIDTH).map(|i| factor * pattern(3 * i + 1));
    ArrayD::from_shape_vec(IxDyn(&[count, WIDTH]), values.collect()).expect("as many values")
}

fn compiled() -> &'static Compiled {
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let requirements = Requirements {
            security: INSECURE,
            bootstrapping: Refresh::Always,
            calibration: Some(samples(8, 1.0)),
            degree: Some(7),
            precision: 0.01,
            ..Requirements::default()
        };
        compile(&graph(), &requirements, &CkksScheme::new(1)).expect("compiles")
    })
}

/// The parts of the model, as they come from files.
fn parts() -> (ClientPart, ServerPart) {
    let model = CompiledModel::try_new(compiled()).expect("parts");
    let client = model.client.to_bytes().expect("writes");
    let server = model.server.to_bytes().expect("writes");
    (
        ClientPart::from_bytes(&client).expect("reads"),
        ServerPart::from_bytes(&server).expect("reads"),
    )
}

#[test]
fn three_roles_and_their_files() {
    assert!(!compiled().report.bootstraps.is_empty());
    let (client_part, server_part) = parts();
    let mut rng = rng(11);
    let client = Client::generate(client_part, &mut rng).expect("keys");
    let ServerKeys {
        evaluation,
        encapsulation,
    } = client.server_keys(&mut rng).expect("keys");
    let encapsulation = encapsulation.expect("the model bootstraps");

    // Every published key is within the modulus that the gate was asked about, the one under the sparse secret far below.
    let params = client.params();
    let rotations = evaluation.rotations().values().map(|k| &k.key);
    let others = evaluation.relinearization().map(|k| &k.0);
    let conjugation = evaluation.conjugation().map(|k| &k.key);
    for key in rotations.chain(others).chain(conjugation) {
        let limbs = params.chain().limbs(key.level());
        assert!(key.vector().b().iter().all(|b| b.limbs() == limbs));
        let log_p = params.log_qp() - params.log_q();
        assert!(params.chain().at(key.level()).log_q + log_p <= params.log_qp() + 1e-6);
    }
    let bottom = params.chain().at(Level(0)).log_q;
    assert!(encapsulation.log_small_modulus() < 2.0 * bottom + 8.0);

    let without = Server::try_new(
        server_part.clone(),
        EvaluationKeys::from_bytes(&evaluation.to_bytes(), params).expect("reads"),
    );
    let Some(Error::MissingKeys { missing }) = without.err() else {
        panic!("keys are missing");
    };
    assert!(missing[0].contains("encapsulation"), "{missing:?}");

    let keys = ServerKeys {
        evaluation: EvaluationKeys::from_bytes(&evaluation.to_bytes(), params).expect("reads"),
        encapsulation: Some(
            EncapsulationKeys::from_bytes(&encapsulation.to_bytes(), params).expect("reads"),
        ),
    };
    let server = Server::try_new(server_part, keys).expect("all keys are there");
    let input = samples(2, 1.0);
    let encrypted = client.encrypt(input.clone(), &mut rng).expect("encrypts");
    let (output, _) = server.evaluate(&encrypted, None).expect("evaluates");
    let answer = client.decrypt(&output).expect("decrypts");

    let explanation =
        Explanation::of(compiled(), params, &MachineTable::shipped().machine(1)).expect("explains");
    assert_eq!(explanation.preset.as_deref(), Some("insecure-small"));
    assert!(explanation.bootstrap_seconds > 0.0);
    let (clear, report) = infer_clear(compiled(), &explanation, input.clone(), None).expect("runs");
    assert!(report.bootstraps > 0);
    let far = |a: &ArrayD<f64>, b: &ArrayD<f64>| {
        let each = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        each.fold(0.0, f64::max)
    };
    let predicted = compiled().report.predicted_error;
    let error = far(&answer, &clear);
    assert!(error < predicted && error < 1e-3, "{error} {predicted}");
    let plain = reference::run(&graph(), &input).expect("runs");
    assert!(far(&clear, &plain) < 0.05, "{}", far(&clear, &plain));
}

/// A message beyond the bound is seen in the clear run only.
#[test]
fn the_clear_run_reports_messages_beyond_the_bound() {
    let (client, _) = parts();
    let params = client.params().expect("parameters");
    let explanation = Explanation::of(compiled(), &params, &MachineTable::shipped().machine(1))
        .expect("explains");
    let error =
        infer_clear(compiled(), &explanation, samples(1, 40.0), None).expect_err("too large");
    let words = error.to_string();
    assert!(
        words.contains("beyond the bound") && words.contains("slot"),
        "{words}"
    );
}

#[test]
fn presets_of_other_builds_are_refused() {
    let (mut client, mut server) = parts();
    client.preset = Some("of tomorrow".into());
    let bytes = client.to_bytes().expect("writes");
    let error = ClientPart::from_bytes(&bytes)
        .expect_err("unknown")
        .to_string();
    assert!(
        error.contains("of tomorrow") && error.contains("fast"),
        "{error}"
    );
    // The parameters of one set with the bootstrapping of another.
    client.preset = Some("fast".into());
    let bytes = client.to_bytes().expect("writes");
    let error = ClientPart::from_bytes(&bytes)
        .expect_err("other parameters")
        .to_string();
    assert!(error.contains("compile the model anew"), "{error}");
    // A program with bootstraps and no bootstrapping.
    server.preset = None;
    let (client, _) = parts();
    let client = Client::generate(client, &mut rng(12)).expect("keys");
    let keys = client.server_keys(&mut rng(13)).expect("keys");
    let error = Server::try_new(server, keys)
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("with a bootstrapping"), "{error}");
}

/// Secure sets are offered only under the gate, insecure ones only where they are asked for.
#[test]
fn sets_are_offered_by_security() {
    use girih_compile::Scheme as _;
    let scheme = CkksScheme::new(1);
    for set in scheme.bootstrapped(128) {
        let spec = girih_engine::spec(&set.chain).expect("known");
        assert_eq!(spec.security, Security::Bits128);
        assert!(set.profile.bootstrapping.is_some());
        assert!(
            set.manifest
                .levels()
                .all(|l| usize::from(l.0) <= spec.depth())
        );
    }
    assert!(scheme.bootstrapped(256).is_empty());
    let small = scheme.bootstrapped(INSECURE);
    assert!(
        small
            .iter()
            .all(|s| s.chain.preset.as_deref() == Some("insecure-small"))
    );
}
