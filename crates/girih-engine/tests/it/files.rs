//! Files that a stranger hands over: altered, truncated, forged, swapped.

use girih_ckks::EvaluationKeys;
use girih_engine::{Client, ClientPart, EncryptedTensor, ServerPart};
use proptest::prelude::*;

use crate::common::{model, rng, session};

#[test]
fn parts_come_back() {
    let client =
        ClientPart::from_bytes(&model().client.to_bytes().expect("writes")).expect("reads");
    assert_eq!(
        client.to_bytes().expect("writes"),
        model().client.to_bytes().expect("writes")
    );
    assert_eq!(client.manifest, model().client.manifest);
    let server =
        ServerPart::from_bytes(&model().server.to_bytes().expect("writes")).expect("reads");
    assert_eq!(server.program, model().server.program);
    assert_eq!(server.constants.len(), model().server.constants.len());
    for (name, values) in model().server.constants.iter() {
        assert_eq!(server.constants.get(name), Some(values), "{name}");
    }
}

#[test]
fn the_client_part_holds_no_weights() {
    let bytes = model().client.to_bytes().expect("writes");
    let text = String::from_utf8_lossy(&bytes);
    for (name, values) in model().server.constants.iter() {
        assert!(!text.contains(name), "{name}");
        let weights: Vec<f64> = values
            .slots()
            .iter()
            .copied()
            .filter(|v| *v != 0.0)
            .collect();
        for w in weights {
            assert!(
                !bytes.windows(8).any(|b| b == w.to_le_bytes()),
                "{name} has {w}"
            );
        }
    }
}

#[test]
fn swapped_files_say_what_they_are() {
    let client = model().client.to_bytes().expect("writes");
    let error = ServerPart::from_bytes(&client).expect_err("a client part");
    assert!(error.to_string().contains("client part"), "{error}");
    let error =
        ServerPart::from_bytes(b"PK\x03\x04 something else entirely").expect_err("no such file");
    assert!(error.to_string().contains("not a girih file"), "{error}");
}

/// A file that a stranger altered at one place or cut off.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Extend(u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), 1u8..).prop_map(|(at, by)| Damage::Flip(at, by)),
        any::<usize>().prop_map(Damage::Cut),
        any::<u8>().prop_map(Damage::Extend),
    ]
}

fn apply(damage: &Damage, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match damage {
        Damage::Flip(at, by) => {
            let at = at % bytes.len();
            bytes[at] ^= by;
        }
        Damage::Cut(at) => bytes.truncate(at % bytes.len()),
        Damage::Extend(byte) => bytes.push(*byte),
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_are_refused(damage in damage()) {
        let (client, _, input) = session();
        let params = client.params();
        let part = apply(&damage, &model().client.to_bytes().expect("writes"));
        prop_assert!(ClientPart::from_bytes(&part).is_err());
        let part = apply(&damage, &model().server.to_bytes().expect("writes"));
        prop_assert!(ServerPart::from_bytes(&part).is_err());
        let tensor = apply(&damage, &input.to_bytes(params).expect("writes"));
        prop_assert!(EncryptedTensor::from_bytes(&tensor, params).is_err());
        let secret = apply(&damage, &client.secret_key().to_bytes());
        prop_assert!(Client::open(model().client.clone(), &secret).is_err());
    }

    /// The forger recomputes the checksum of the outer frame: no panic, whatever the content says.
    #[test]
    fn forged_files_do_not_panic(at in any::<usize>(), by in 1u8..) {
        let (client, server, input) = session();
        let params = client.params();
        let reseal = |bytes: Vec<u8>| {
            let mut bytes = bytes;
            let end = bytes.len() - 32;
            bytes[at % end] ^= by;
            let checksum = *blake3::hash(&bytes[..end]).as_bytes();
            bytes[end..].copy_from_slice(&checksum);
            bytes
        };
        let _ = ClientPart::from_bytes(&reseal(model().client.to_bytes().expect("writes")));
        let _ = ServerPart::from_bytes(&reseal(model().server.to_bytes().expect("writes")));
        let forged = EncryptedTensor::from_bytes(&reseal(input.to_bytes(params).expect("writes")), params);
        if let Ok(tensor) = forged {
            let _ = server.evaluate(&tensor, None);
        }
    }
}

#[test]
fn damaged_keys_and_keys_of_others_are_refused() {
    let (client, _, _) = session();
    let keys = client
        .evaluation_keys(&mut rng(9))
        .expect("keys")
        .to_bytes();
    assert!(EvaluationKeys::from_bytes(&keys, client.params()).is_ok());
    for at in (0..keys.len()).step_by(keys.len() / 37) {
        let mut altered = keys.clone();
        altered[at] ^= 4;
        assert!(
            EvaluationKeys::from_bytes(&altered, client.params()).is_err(),
            "byte {at}"
        );
        assert!(
            EvaluationKeys::from_bytes(&keys[..at], client.params()).is_err(),
            "length {at}"
        );
    }
    let mut spec = model().client.spec.clone();
    spec.first_bits += 1;
    let other = girih_ckks::Params::try_new(spec).expect("exists");
    let error = EvaluationKeys::from_bytes(&keys, &other).expect_err("other parameters");
    assert!(error.to_string().contains("parameters"), "{error}");
}
