//! Client and server together.

use girih_compile::Weights;
use girih_engine::{
    Client, CompiledModel, EncryptedTensor, Error, Server, encrypt_weights, weights_from_bytes,
    weights_to_bytes,
};
use girih_he::KeyManifest;

use crate::common::{compiled, expected, model, rng, samples, session};

#[track_caller]
fn check(got: &ndarray::ArrayD<f64>, count: usize, tolerance: f64) {
    assert_eq!(got.shape(), [count, 3]);
    for (i, (got, want)) in got.iter().zip(expected(&samples(count))).enumerate() {
        assert!(
            (got - want).abs() < tolerance,
            "output {i}: {got} instead of {want}"
        );
    }
}

#[test]
fn encrypted_answers_are_those_of_the_network() {
    let (client, server, input) = session();
    server.encode().expect("encodes");
    assert!(server.encoded_bytes() > 0);
    let (output, timings) = server.evaluate(input, None).expect("evaluates");
    assert_eq!(input.chunks.len(), 2, "three samples in batches of two");
    check(
        &client.decrypt(&output).expect("decrypts"),
        3,
        client.part().predicted_error.max(1e-9),
    );
    assert!(
        timings
            .layers
            .iter()
            .any(|l| l.primitives.contains_key("rescaled"))
    );
    assert!(timings.seconds > 0.0 && timings.peak_values > 0);
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let (_, server, input) = session();
    let answers: Vec<Vec<u8>> = [1, 2, 3]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads start");
            let (output, _) = pool
                .install(|| server.evaluate(input, None))
                .expect("evaluates");
            output.to_bytes(server.params()).expect("writes")
        })
        .collect();
    assert!(answers.windows(2).all(|w| w[0] == w[1]));
}

#[test]
fn constants_that_exceed_the_memory_are_encoded_when_they_are_met() {
    let (client, server, input) = session();
    server.encode().expect("encodes");
    let all = server.encoded_bytes();
    let (expected, _) = server.evaluate(input, None).expect("evaluates");
    let expected = expected.to_bytes(server.params()).expect("writes");
    for budget in [0, all / 3, all - 1, all] {
        let mut part = model().server.clone();
        part.constant_budget = Some(budget);
        let bytes = part.to_bytes().expect("writes");
        let part = girih_engine::ServerPart::from_bytes(&bytes).expect("reads");
        assert_eq!(part.constant_budget, Some(budget));
        let keys = client.evaluation_keys(&mut rng(budget)).expect("keys");
        let streaming = Server::try_new(part, keys).expect("all keys");
        streaming.encode().expect("encodes");
        let ahead = streaming.encoded_bytes();
        assert!(ahead <= budget && (ahead == all) == (budget == all));
        assert_eq!(ahead == 0, budget == 0);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads start");
            let (output, _) = pool
                .install(|| streaming.evaluate(input, None))
                .expect("evaluates");
            let answer = client.decrypt(&output).expect("decrypts");
            check(&answer, 3, client.part().predicted_error.max(1e-9));
            assert_eq!(streaming.encoded_bytes(), ahead, "nothing more is kept");
        }
    }
    // With the same keys, the same bits.
    let mut part = model().server.clone();
    part.constant_budget = Some(all / 2);
    let keys = client.evaluation_keys(&mut rng(1)).expect("keys");
    let whole = Server::try_new(model().server.clone(), keys).expect("all keys");
    let keys = client.evaluation_keys(&mut rng(1)).expect("keys");
    let half = Server::try_new(part, keys).expect("all keys");
    for server in [&whole, &half] {
        server.encode().expect("encodes");
    }
    let bits = |server: &Server| {
        let (output, _) = server.evaluate(input, None).expect("evaluates");
        output.to_bytes(server.params()).expect("writes")
    };
    assert_eq!(bits(&whole), bits(&half));
    assert_eq!(bits(server), expected);
}

#[test]
fn encryption_is_reproducible_from_a_seed_and_differs_between_seeds() {
    let (client, _, _) = session();
    let bytes = |seed| {
        let input = client
            .encrypt(samples(2), &mut rng(seed))
            .expect("encrypts");
        input.to_bytes(client.params()).expect("writes")
    };
    assert_eq!(bytes(5), bytes(5));
    assert_ne!(bytes(5), bytes(6));
}

#[test]
fn weights_may_be_encrypted() {
    let compiled = compiled(Weights::Encrypted);
    assert!(!compiled.encrypted_weights.is_empty());
    let model = CompiledModel::try_new(&compiled).expect("parts");
    let mut rng = rng(2);
    let client = Client::generate(model.client.clone(), &mut rng).expect("keys");
    let public = client.public_key(&mut rng).expect("a key");
    let mut server = Server::try_new(
        model.server.clone(),
        client.evaluation_keys(&mut rng).expect("keys"),
    )
    .expect("all keys");
    let file = weights_to_bytes(&model.client.id, &model.weights).expect("writes");
    let values = weights_from_bytes(&file, &model.client.id).expect("reads");
    let weights = encrypt_weights(&values, &model.client, &public, &mut rng).expect("encrypts");
    let bytes = weights.to_bytes(client.params()).expect("writes");
    server
        .set_weights(EncryptedTensor::from_bytes(&bytes, client.params()).expect("reads"))
        .expect("its weights");
    let input = client.encrypt(samples(2), &mut rng).expect("encrypts");
    let (output, _) = server.evaluate(&input, None).expect("evaluates");
    check(
        &client.decrypt(&output).expect("decrypts"),
        2,
        client.part().predicted_error.max(1e-9),
    );
    let error = server.evaluate(&weights, None).expect_err("not an input");
    assert!(error.to_string().contains("weights"), "{error}");
}

#[test]
fn missing_keys_are_named() {
    let (client, _, _) = session();
    let mut part = client.part().clone();
    let (rotation, level) = part
        .manifest
        .rotations
        .pop_first()
        .expect("the network rotates");
    let lame = Client::open(part, &client.secret_key().to_bytes()).expect("its key");
    let keys = lame.evaluation_keys(&mut rng(3)).expect("keys");
    let error = Server::try_new(model().server.clone(), keys)
        .err()
        .expect("a key is missing");
    assert!(
        error
            .to_string()
            .contains(&format!("rotation {rotation} at {level}")),
        "{error}"
    );

    let mut part = client.part().clone();
    part.manifest = KeyManifest::default();
    let lame = Client::open(part, &client.secret_key().to_bytes()).expect("its key");
    let keys = lame.evaluation_keys(&mut rng(3)).expect("no keys");
    let error = Server::try_new(model().server.clone(), keys)
        .err()
        .expect("keys are missing");
    assert!(
        matches!(&error, Error::MissingKeys { missing } if missing.len() > 1),
        "{error}"
    );
}

#[test]
fn inputs_of_another_model_are_refused() {
    let (client, server, input) = session();
    let other = CompiledModel::try_new(&compiled(Weights::Encrypted)).expect("parts");
    let mut foreign = input.clone();
    foreign.model = other.client.id.clone();
    let error = server.evaluate(&foreign, None).expect_err("another model");
    assert!(matches!(error, Error::OtherModel { .. }), "{error}");
    let error = client.decrypt(input).expect_err("not an answer");
    assert!(error.to_string().contains("output"), "{error}");
}

#[test]
fn missing_and_unknown_ciphertexts_are_refused() {
    let (client, server, input) = session();
    let mut renamed = input.clone();
    renamed.names[0] = "z/0".into();
    assert!(
        server
            .evaluate(&renamed, None)
            .expect_err("unknown")
            .to_string()
            .contains("z/0")
    );
    let mut empty = input.clone();
    empty.chunks[0].clear();
    assert!(
        server
            .evaluate(&empty, None)
            .expect_err("missing")
            .to_string()
            .contains("x/0")
    );
    let (mut output, _) = server.evaluate(input, None).expect("evaluates");
    output.samples = usize::MAX;
    assert!(client.decrypt(&output).is_err());
}
