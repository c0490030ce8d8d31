//! A small network, compiled once for all tests.

use std::sync::OnceLock;

use girih_compile::{Compiled, Refresh, Requirements, Weights, compile};
use girih_engine::{CkksScheme, Client, CompiledModel, EncryptedTensor, INSECURE, Server};
use girih_model::{Graph, GraphBuilder, Op};
use ndarray::{Array1, Array2, ArrayD, IxDyn};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Inputs of the network.
pub(crate) const FEATURES: usize = 6;

/// A fixed pattern of small numbers.
pub(crate) fn pattern(i: usize) -> f64 {
    ((i * 37 + 11) % 23) as f64 / 23.0 - 0.5
}

/// 6 values, dense 5, square, dense 3.
pub(crate) fn graph() -> Graph {
    let dense = |rows: usize, cols: usize, salt: usize| Op::Dense {
        weight: Array2::from_shape_fn((rows, cols), |(r, c)| pattern(r * cols + c + salt)),
        bias: Some(Array1::from_shape_fn(rows, |r| pattern(r + 5 * salt))),
    };
    let mut b = GraphBuilder::new("tiny", vec![FEATURES]).expect("a shape");
    let x = b.input();
    let h = b.push("fc1", dense(5, FEATURES, 1), vec![x]).expect("fits");
    let s = b.push("square", Op::PowInt(2), vec![h]).expect("fits");
    let y = b.push("fc2", dense(3, 5, 2), vec![s]).expect("fits");
    b.finish(vec![y]).expect("a graph")
}

/// What the network answers, computed with plain loops.
pub(crate) fn expected(x: &ArrayD<f64>) -> Vec<f64> {
    let w = |rows: usize, cols: usize, salt: usize, x: &[f64]| -> Vec<f64> {
        let row = |r: usize| {
            (0..cols)
                .map(|c| pattern(r * cols + c + salt) * x[c])
                .sum::<f64>()
                + pattern(r + 5 * salt)
        };
        (0..rows).map(row).collect()
    };
    let x: Vec<f64> = x.iter().copied().collect();
    x.chunks(FEATURES)
        .flat_map(|x| {
            let h: Vec<f64> = w(5, FEATURES, 1, x).iter().map(|v| v * v).collect();
            w(3, 5, 2, &h)
        })
        .collect()
}

/// Samples of the network.
pub(crate) fn samples(count: usize) -> ArrayD<f64> {
    let values = (0..count * FEATURES).map(|i| pattern(3 * i + 1)).collect();
    ArrayD::from_shape_vec(IxDyn(&[count, FEATURES]), values).expect("as many values")
}

/// The network, compiled. Small rings are not secure: speed counts here.
pub(crate) fn compiled(weights: Weights) -> Compiled {
    let requirements = Requirements {
        batch: 2.into(),
        security: INSECURE,
        weights,
        // The small set with a bootstrapping has the smallest ring of all.
        bootstrapping: Refresh::Never,
        ..Requirements::default()
    };
    compile(&graph(), &requirements, &CkksScheme::new(1)).expect("compiles")
}

/// The network's parts.
pub(crate) fn model() -> &'static CompiledModel {
    static MODEL: OnceLock<CompiledModel> = OnceLock::new();
    MODEL.get_or_init(|| CompiledModel::try_new(&compiled(Weights::Plain)).expect("parts"))
}

/// A generator with a fixed seed.
pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A client and a server of the network, and an encrypted input of three samples.
pub(crate) fn session() -> &'static (Client, Server, EncryptedTensor) {
    static SESSION: OnceLock<(Client, Server, EncryptedTensor)> = OnceLock::new();
    SESSION.get_or_init(|| {
        let mut rng = rng(1);
        let client = Client::generate(model().client.clone(), &mut rng).expect("keys");
        let keys = client.evaluation_keys(&mut rng).expect("keys");
        let server = Server::try_new(model().server.clone(), keys).expect("all keys are there");
        let input = client.encrypt(samples(3), &mut rng).expect("encrypts");
        (client, server, input)
    })
}
