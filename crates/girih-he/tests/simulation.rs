//! Predicted time and memory of small programs, by hand.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use girih_he::{
    Constants, Evaluator, HeProfile, Level, NoiseProfile, Primitive, Program, Recorder, Storage,
    price, price_stored,
};

/// A product with a constant takes a second, on two threads 0.6; a sum nothing.
fn profile(threads: usize) -> HeProfile {
    HeProfile {
        slots: 8,
        log_scale: vec![30.0; 3],
        threads,
        seconds: BTreeMap::from([
            (Primitive::MulPlain, vec![1.0; 3]),
            (Primitive::Encode, vec![4.0; 3]),
        ]),
        together: BTreeMap::from([(Primitive::MulPlain, vec![0.6; 3])]),
        base_bytes: 1000,
        spare_bytes: 0,
        ciphertext_bytes: vec![100; 3],
        plaintext_bytes: vec![50; 3],
        lazy_plaintext_bytes: vec![60; 3],
        key_bytes: vec![400; 3],
        noise: NoiseProfile {
            fresh: 1.0,
            encoding: 1.0,
            rescale: 1.0,
            key_switch: 1.0,
        },
        bootstrapping: None,
    }
}

/// `count` inputs, each times its constant, added up.
fn sums(count: usize) -> (Program, Constants) {
    let rec = Recorder::new("t", 8);
    let xs: Vec<_> = (0..count)
        .map(|i| rec.input(&format!("x/{i}")).unwrap())
        .collect();
    let mut total = None;
    for (i, x) in xs.iter().enumerate() {
        let values: Vec<f64> = (0..8).map(|s| (s + i) as f64).collect();
        let w = rec.constant(&format!("w{i}"), &values).unwrap();
        let y = rec.mul_plain(x, &w).unwrap();
        total = Some(match total {
            None => y,
            Some(t) => rec.add(&t, &y).unwrap(),
        });
    }
    rec.output("y", &total.unwrap()).unwrap();
    rec.finish()
}

#[test]
fn independent_instructions_run_at_the_same_time() {
    let (program, _) = sums(4);
    let alone = price(&program, &profile(1)).unwrap();
    assert!((alone.elapsed - 4.0).abs() < 1e-9 && (alone.seconds() - 4.0).abs() < 1e-9);
    let two = price(&program, &profile(2)).unwrap();
    // Two at a time, each a tenth slower.
    assert!((two.elapsed - 2.2).abs() < 1e-9, "{}", two.elapsed);
    let (single, _) = sums(1);
    let two = price(&single, &profile(2)).unwrap();
    assert!((two.elapsed - 0.66).abs() < 1e-9, "{}", two.elapsed);
}

#[test]
fn inputs_are_alive_from_their_first_use_and_constants_within_their_budget() {
    let (program, constants) = sums(4);
    let none = Constants::default();
    let with = |constant_budget, encrypted| {
        let storage = Storage {
            constants: &constants,
            encrypted,
            constant_budget,
        };
        price_stored(&program, &storage, &profile(1)).unwrap()
    };
    let all = with(None, &none);
    // An input, its product, and the sum before it: never four inputs.
    assert_eq!(all.peak_ciphertext_bytes, 300);
    assert_eq!((all.input_bytes, all.constant_bytes), (4 * 50, 4 * 50));
    assert_eq!(all.clear_bytes, 4 * 64);
    let sum = 300 + 200 + 200 + 256 + 1000;
    assert_eq!((all.scratch_bytes, all.peak_bytes()), (0, sum));
    let half = with(Some(125), &none);
    assert_eq!(half.constant_bytes, 100);
    assert!((half.elapsed - (4.0 + 2.0 * 4.0)).abs() < 1e-9);
    assert!(half.scratch_bytes > 0);
    assert_eq!(half.of(Primitive::Encode).count, 2);
    // Inputs that the server holds in full are not opened.
    let mut weights = Constants::default();
    weights.insert("x/1", vec![0.0; 8]);
    let held = with(None, &weights);
    assert_eq!(held.input_bytes, 3 * 50 + 100);
    assert_eq!(held.of(Primitive::Expand).count, 3);
    let level = Level(2);
    assert_eq!(profile(2).seconds_together(Primitive::Encode, level), 4.0);
}
