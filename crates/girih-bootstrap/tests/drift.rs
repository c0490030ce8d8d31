//! Errors of bootstrappings in sequence, at a small, insecure degree.
#![allow(clippy::unwrap_used)]

use std::f64::consts::PI;

use girih_bootstrap::{BootstrapKeys, BootstrapPlan, Bootstrapper, Giants, Stage};
use girih_ckks::KeyGenerator;
use girih_he::KeyManifest;
use girih_polyfit::overflow::Overflow;
use girih_polyfit::trigonometric::{ModularMethod, ModularReduction};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[path = "../examples/common/walk.rs"]
mod walk;

#[path = "common/small.rs"]
mod small;

const ROUNDS: u64 = 10;

/// Insecure: for tests only. The application's scale is `2^bits`, `q_0 = 2^48`.
fn plan(bits: u8) -> BootstrapPlan {
    let mut scale_bits = vec![bits, bits, bits, 46, 51, 64, 54, 54, 55, 56, 57, 59, 61, 58];
    scale_bits.extend([58; 3]);
    let linear = [(3, 39), (4, 39), (5, 42), (14, 49), (15, 49), (16, 49)];
    let params = small::params(scale_bits, linear);
    let integers = Overflow::sparse(32).unwrap();
    let (radius, method) = (1.1 / 256.0, ModularMethod::default());
    let reduction = ModularReduction::weighted(&integers, 15, radius, method).unwrap();
    let spec = small::spec(params.slots(), reduction, Giants::Horner);
    BootstrapPlan::try_new(&params, spec).unwrap()
}

/// Deviations after 1, 2, .. rounds.
fn walk(plan: &BootstrapPlan) -> Vec<f64> {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let secret = KeyGenerator::new(plan.params()).secret_key(&mut rng);
    let keys = BootstrapKeys::generate(plan, &KeyManifest::default(), &secret, &mut rng).unwrap();
    let bootstrapper = Bootstrapper::try_new(plan.clone(), keys).unwrap();
    let mut walk = walk::Walk::start(&bootstrapper, &secret).unwrap();
    (0..ROUNDS)
        .map(|k| {
            walk.step().unwrap();
            assert_eq!(walk.round(), k + 1);
            let errors = walk.errors().unwrap();
            assert!(errors.mean <= errors.deviation && errors.worst < 6.0 * errors.deviation);
            errors.deviation
        })
        .collect()
}

/// A walk in pieces is the walk in one.
#[test]
fn a_walk_is_continued_from_its_ciphertext() {
    let plan = plan(40);
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let secret = KeyGenerator::new(plan.params()).secret_key(&mut rng);
    let keys = BootstrapKeys::generate(&plan, &KeyManifest::default(), &secret, &mut rng).unwrap();
    let bootstrapper = Bootstrapper::try_new(plan, keys).unwrap();
    let mut whole = walk::Walk::start(&bootstrapper, &secret).unwrap();
    whole.step().unwrap();
    let left = whole.ciphertext().clone();
    let mut pieces = walk::Walk::resume(&bootstrapper, &secret, left, whole.round());
    whole.step().unwrap();
    pieces.step().unwrap();
    assert_eq!(pieces.round(), 2);
    assert_eq!(pieces.ciphertext(), whole.ciphertext());
    let (whole, pieces) = (whole.errors().unwrap(), pieces.errors().unwrap());
    assert!((whole.deviation - pieces.deviation).abs() <= 1e-9 * whole.deviation);
}

/// The exponent of growth, by least squares on logarithms.
fn slope(errors: &[f64]) -> f64 {
    let points: Vec<(f64, f64)> = (1..)
        .map(f64::from)
        .zip(errors)
        .map(|(k, e)| (k.ln(), e.ln()))
        .collect();
    let count = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let above: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    above / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// Small messages against `q_0`: independent errors, which add as the sides of a right angle.
#[test]
fn errors_grow_as_the_root_of_the_rounds() {
    let plan = plan(36);
    let once = plan.budget().unwrap().stage(Stage::Slots).error.total();
    let errors = walk(&plan);
    let slope = slope(&errors);
    println!(
        "slope {slope:.2}, {:.2} of the prediction",
        errors[0] / once
    );
    assert!(slope < 0.6, "{slope}");
    for (k, e) in (1..).map(f64::from).zip(&errors) {
        let ratio = e / (once * k.sqrt());
        assert!((0.5..1.5).contains(&ratio), "{k}: {ratio}");
    }
}

/// Large ones, of few coefficients: the sine makes each message smaller by the same factor, which adds up.
#[test]
fn the_sine_takes_the_same_share_in_every_round() {
    let plan = plan(40);
    let error = plan.budget().unwrap().stage(Stage::Slots).error;
    // x - sin(2πx)/2π = (2π)² x³ / 6; of x³ the part 3 E[x²] x is common to all rounds.
    let square = 1.0 / (plan.params().n() as f64 * 256f64.powi(2));
    let share = 2.0 * PI.powi(2) * square;
    // The rest of the cube, 15 - 9 of 15 parts of its square, is another one in every round.
    let rest = share * (6.0 / 9.0f64).sqrt();
    let own = error.without_message().hypot(rest);
    for (k, e) in (1..).map(f64::from).zip(walk(&plan)) {
        let law = (k * share).hypot(k.sqrt() * own);
        println!("{k}: {:.2} bits, {:.2} of the law", -e.log2(), e / law);
        assert!((0.7..1.4).contains(&(e / law)), "{k}: {e:e} {law:e}");
    }
}
