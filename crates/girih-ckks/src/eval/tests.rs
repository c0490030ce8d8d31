//! Every operation against plain arithmetic, with error bounds from the noise analysis.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use girih_he::conformance::{Subject, run};
use girih_he::{
    Error, Evaluator as _, GiantStep, HeProfile, KeyManifest, Level, Leveled, NoiseEvaluator,
    NoisyVector, Rotation,
};
use girih_rns::sample::{gaussian, uniform_row};
use girih_rns::{Coeff, Poly};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;
use crate::cost::{Machine, profile};
use crate::keys::SecretKey;
use crate::{KeyGenerator, ParamsSpec, Plaintext, Security, Storage};

mod constants;

/// Standard deviations that the largest error may reach. The dominant error, a rounding times the secret,
/// is in a slot the product of two Gaussian numbers, so its tail is that of a Laplace distribution:
/// `exp(-sqrt(2) t)` beyond `t` deviations, 4e-8 at 12. The seeds are fixed.
const DEVIATIONS: f64 = 12.0;

struct Setup {
    params: Params,
    secret: SecretKey,
    eval: Evaluator,
    noise: NoiseEvaluator,
    profile: HeProfile,
}

fn spec(log_n: u8, first: u8, scale: &[u8], special: (u8, u8)) -> ParamsSpec {
    ParamsSpec {
        log_n,
        first_bits: first,
        scale_bits: scale.to_vec(),
        linear_bits: BTreeMap::new(),
        special_count: special.0,
        special_bits: special.1,
        security: Security::Insecure,
    }
}

impl Setup {
    fn new(spec: ParamsSpec, rotations: &[i32]) -> Setup {
        let params = Params::try_new(spec).expect("parameters");
        let mut rng = ChaCha20Rng::from_seed([17; 32]);
        let generator = KeyGenerator::new(&params);
        let secret = generator.secret_key(&mut rng);
        let top = params.top();
        let manifest = KeyManifest {
            relinearization: Some(top),
            rotations: rotations.iter().map(|&r| (Rotation(r), top)).collect(),
            conjugation: Some(top),
        };
        let keys = generator
            .evaluation_keys(&secret, &manifest, &mut rng)
            .expect("keys");
        let profile = profile(&params, &Machine::unmeasured(1));
        Setup {
            eval: Evaluator::new(keys),
            noise: NoiseEvaluator::try_new(profile.clone()).expect("profile"),
            params,
            secret,
            profile,
        }
    }

    /// A symmetric encryption, written out plainly.
    fn encrypt(&self, values: &[f64]) -> Ciphertext {
        let (ring, level) = (self.params.ring(), self.params.top());
        let (limbs, scale) = (
            self.params.chain().limbs(level),
            self.params.chain().scale(level),
        );
        let mut rng = ChaCha20Rng::from_seed([values.len() as u8; 32]);
        rng.set_stream(values.first().map_or(0, |v| v.to_bits()));
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let c1 = Poly::from_fn(ring, limbs, |i, row| {
            uniform_row(&seed, i as u64, ring.modulus(i).value(), row);
        });
        let mut c0 = self
            .eval
            .encoder
            .encode(values, level, scale)
            .expect("encodes")
            .poly()
            .clone();
        let e = Poly::<Coeff>::from_i64(ring, limbs, &gaussian(&mut rng, ring.n())).into_ntt(ring);
        c0.add_assign(&e, ring);
        c0.sub_assign(&c1.mul(&self.secret.poly().q_part(ring), ring), ring);
        Ciphertext::new(c0, c1, level, scale, false)
    }

    fn decrypt(&self, a: &Ciphertext) -> Vec<f64> {
        let ring = self.params.ring();
        let s = self.secret.poly().q_part(ring).truncated(a.limbs(), ring);
        let mut m = a.c1().mul(&s, ring);
        m.add_assign(a.c0(), ring);
        self.eval
            .encoder
            .decode(&Plaintext::new(m, a.level(), a.scale()))
    }

    /// Errors stay within the deviations predicted slot by slot, and their spread is not far below
    /// the prediction either (a prediction that is too wide tests nothing).
    fn check(&self, what: &str, got: &Ciphertext, predicted: &NoisyVector, slack: f64) {
        let values = self.decrypt(got);
        // Doubles cannot show less than their own rounding.
        let largest = predicted.values().iter().fold(0f64, |m, x| m.max(x.abs()));
        let floor = largest * 8.0 * f64::EPSILON;
        let std: Vec<f64> = predicted.std().iter().map(|s| s.hypot(floor)).collect();
        let mut square = 0.0;
        for (i, ((x, y), s)) in values.iter().zip(predicted.values()).zip(&std).enumerate() {
            let error = (x - y).abs();
            assert!(
                error <= DEVIATIONS * s,
                "{what}: slot {i}: error {error:e} is {:.1} deviations",
                error / s
            );
            square += (error / s).powi(2);
        }
        let ratio = (square / values.len() as f64).sqrt();
        assert!(
            ratio > slack && ratio < 1.25,
            "{what}: spread is {ratio:.3} of the prediction"
        );
        assert_eq!(got.level(), predicted.state().level, "{what}");
        assert_eq!(got.is_product(), predicted.state().product, "{what}");
    }
}

fn uniform(slots: usize, seed: u8, bound: f64) -> Vec<f64> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    (0..slots)
        .map(|_| (rng.next_u64() >> 11) as f64 / (1u64 << 52) as f64 * bound - bound)
        .collect()
}

/// Random, constant, sparse and extreme messages.
fn messages(slots: usize) -> Vec<(&'static str, Vec<f64>)> {
    let mut spike = vec![0.0; slots];
    spike[slots / 3] = 1.0;
    let alternating = (0..slots)
        .map(|i| if i % 2 == 0 { 30.0 } else { -30.0 })
        .collect();
    vec![
        ("random", uniform(slots, 1, 1.0)),
        ("constant", vec![1.0; slots]),
        ("spike", spike),
        ("alternating", alternating),
        ("zero", vec![0.0; slots]),
    ]
}

/// All operations at the top level and one below, on all messages.
fn homomorphism(setup: &Setup, rotation: i32) {
    let (eval, noise, slots) = (&setup.eval, &setup.noise, setup.params.slots());
    let other = uniform(slots, 2, 1.0);
    for (name, message) in messages(slots) {
        let (mut a, mut b) = (setup.encrypt(&message), setup.encrypt(&other));
        let (mut x, mut y) = (noise.fresh(&message).unwrap(), noise.fresh(&other).unwrap());
        // The profile's fresh error covers public-key encryption; a symmetric one is smaller.
        setup.check(&format!("{name}: fresh"), &a, &x, 0.005);
        for step in ["top", "below"] {
            let what = |op: &str| format!("{name}, {step}: {op}");
            let p = eval.constant("p", &other).unwrap();
            let u = noise.constant("p", &other).unwrap();
            let r = Rotation(rotation);
            let binary: [(_, _, _); 10] = [
                ("add", eval.add(&a, &b), noise.add(&x, &y)),
                ("sub", eval.sub(&a, &b), noise.sub(&x, &y)),
                ("neg", eval.neg(&a), noise.neg(&x)),
                ("add_plain", eval.add_plain(&a, &p), noise.add_plain(&x, &u)),
                ("mul_plain", eval.mul_plain(&a, &p), noise.mul_plain(&x, &u)),
                (
                    "add_scalar",
                    eval.add_scalar(&a, -2.5),
                    noise.add_scalar(&x, -2.5),
                ),
                (
                    "mul_scalar",
                    eval.mul_scalar(&a, 0.37),
                    noise.mul_scalar(&x, 0.37),
                ),
                ("mul", eval.mul(&a, &b), noise.mul(&x, &y)),
                ("rotate", eval.rotate(&a, r), noise.rotate(&x, r)),
                ("conjugate", eval.conjugate(&a), noise.conjugate(&x)),
            ];
            for (op, got, predicted) in binary {
                let (got, predicted) = (got.expect(op), predicted.expect(op));
                setup.check(&what(op), &got, &predicted, 0.002);
                if got.is_product() {
                    let (got, predicted) = (
                        eval.rescale(&got).unwrap(),
                        noise.rescale(&predicted).unwrap(),
                    );
                    setup.check(&what(&format!("rescaled {op}")), &got, &predicted, 0.01);
                }
            }
            let fused = eval.dot_rescaled(&[(&a, &b), (&b, &b)]).unwrap();
            let predicted = noise
                .rescale(&noise.dot(&[(&x, &y), (&y, &y)]).unwrap())
                .unwrap();
            setup.check(&what("dot_rescaled"), &fused, &predicted, 0.01);
            let below = a.level().below().expect("a level");
            (a, b) = (
                eval.drop_to(&a, below).unwrap(),
                eval.drop_to(&b, below).unwrap(),
            );
            (x, y) = (
                noise.drop_to(&x, below).unwrap(),
                noise.drop_to(&y, below).unwrap(),
            );
            setup.check(&what("drop_to"), &a, &x, 0.01);
        }
    }
}

#[test]
fn operations_stay_within_the_predicted_error() {
    // single-prime levels, one short digit
    homomorphism(&Setup::new(spec(10, 50, &[40; 4], (2, 46)), &[1, -3]), -3);
    // levels of two primes, mixed scales, three special primes
    homomorphism(
        &Setup::new(spec(11, 60, &[45, 45, 56, 56], (3, 49)), &[100]),
        100,
    );
    // many digits of one prime
    homomorphism(&Setup::new(spec(12, 42, &[32; 4], (1, 43)), &[2047]), 2047);
}

#[test]
fn a_128_bit_set_stays_within_the_predicted_error() {
    let mut set = spec(13, 46, &[36; 4], (1, 47));
    set.security = Security::Bits128;
    homomorphism(&Setup::new(set, &[5]), 5);
}

#[test]
fn conforms_to_the_instruction_set() {
    for set in [
        spec(10, 50, &[40; 5], (2, 46)),
        spec(10, 58, &[50; 4], (3, 47)),
    ] {
        let setup = Setup::new(set, &[1, 4, -3, 64]);
        let unit = setup.profile.noise.key_switch * (-setup.profile.log_scale[0]).exp2();
        let report = run(&Subject {
            eval: &setup.eval,
            top: setup.params.top(),
            encrypt: &|values| Ok(setup.encrypt(values)),
            decrypt: &|a| Ok(setup.decrypt(a)),
            // A few operations on values up to 4, each adding some ten deviations at most.
            tolerance: &|_| 4.0 * 8.0 * DEVIATIONS * unit,
            rotations: vec![Rotation(1), Rotation(4), Rotation(-3), Rotation(64)],
            missing_rotation: Some(Rotation(7)),
        });
        report.assert_passed();
    }
}

#[test]
fn composites_equal_their_parts() {
    let setup = Setup::new(spec(10, 50, &[40; 3], (2, 46)), &[1, 2, 511]);
    let (eval, noise, slots) = (&setup.eval, &setup.noise, setup.params.slots());
    let inputs: Vec<Vec<f64>> = (0..4).map(|i| uniform(slots, 10 + i, 1.0)).collect();
    let a: Vec<Ciphertext> = inputs.iter().map(|v| setup.encrypt(v)).collect();
    let x: Vec<NoisyVector> = inputs.iter().map(|v| noise.fresh(v).unwrap()).collect();

    // hoisted rotations are bit-identical to single ones
    let by = [Rotation(1), Rotation(0), Rotation(2), Rotation(-1)];
    let many = eval.rotate_many(&a[0], &by).unwrap();
    for (r, got) in by.iter().zip(&many) {
        assert_eq!(*got, eval.rotate(&a[0], *r).unwrap(), "rotation {r}");
    }
    // one inner product equals the sum of its terms
    let p: Vec<Constant> = inputs
        .iter()
        .map(|v| eval.constant("p", v).unwrap())
        .collect();
    let terms: Vec<_> = a.iter().zip(&p).collect();
    let mut sum = eval.mul_plain(&a[0], &p[0]).unwrap();
    for (a, p) in &terms[1..] {
        sum = eval.add(&sum, &eval.mul_plain(a, p).unwrap()).unwrap();
    }
    assert_eq!(eval.dot_plain(&terms).unwrap(), sum);
    // one relinearisation, one division
    let pairs: Vec<_> = a.iter().zip(a.iter().rev()).collect();
    let noisy: Vec<_> = x.iter().zip(x.iter().rev()).collect();
    setup.check(
        "dot",
        &eval.dot(&pairs).unwrap(),
        &noise.dot(&noisy).unwrap(),
        0.001,
    );
    let rotations = [Rotation(1), Rotation(0), Rotation(511), Rotation(2)];
    let got = eval
        .sum_rotated(&a.iter().zip(rotations).collect::<Vec<_>>())
        .unwrap();
    let predicted = noise
        .sum_rotated(&x.iter().zip(rotations).collect::<Vec<_>>())
        .unwrap();
    setup.check("sum_rotated", &got, &predicted, 0.1);
    for empty in [eval.dot(&[]), eval.dot_plain(&[]), eval.sum_rotated(&[])] {
        assert!(matches!(empty, Err(Error::EmptySum { .. })));
    }
}

/// Sums with linear terms: bit for bit their parts where no rounding is saved, within the prediction elsewhere.
#[test]
fn affine_sums_equal_their_parts() {
    // Insecure small rings. One prime a level; two primes a level and scales that differ by 2^11.
    for set in [
        spec(10, 50, &[40; 4], (2, 46)),
        spec(10, 60, &[45, 45, 56, 56], (3, 49)),
    ] {
        let setup = Setup::new(set, &[]);
        let (eval, noise, slots) = (&setup.eval, &setup.noise, setup.params.slots());
        let inputs: Vec<Vec<f64>> = (0..3).map(|i| uniform(slots, 40 + i, 1.0)).collect();
        let a: Vec<Ciphertext> = inputs.iter().map(|v| setup.encrypt(v)).collect();
        let x: Vec<NoisyVector> = inputs.iter().map(|v| noise.fresh(v).unwrap()).collect();
        let products = [(&a[0], &a[1]), (&a[0], &a[1])];
        let linear = [(&a[2], 0.37), (&a[1], -1.0)];
        let sum = eval.dot_affine(&products, &linear, 0.5).unwrap();
        let mut parts = eval.dot(&products).unwrap();
        for (x, c) in linear {
            parts = eval.add(&parts, &eval.mul_scalar(x, c).unwrap()).unwrap();
        }
        assert_eq!(sum, eval.add_scalar(&parts, 0.5).unwrap());
        let linear_only = eval.dot_affine(&[], &linear, 0.25).unwrap();
        let top = a[0].level();
        assert_eq!(
            eval.dot_affine_rescaled(&[], &linear, 0.25, top.below().unwrap())
                .unwrap(),
            eval.rescale(&linear_only).unwrap()
        );
        // Linear terms from every level above the products.
        let (mut low, mut low_noise) = (a.clone(), x.clone());
        while let Some(below) = low[0].level().below() {
            let got = eval
                .dot_affine_rescaled(
                    &[(&low[0], &low[1]), (&low[0], &low[0])],
                    &[(&a[2], 0.7), (&low[2], -0.3)],
                    0.125,
                    below,
                )
                .unwrap();
            let predicted = noise
                .dot_affine_rescaled(
                    &[
                        (&low_noise[0], &low_noise[1]),
                        (&low_noise[0], &low_noise[0]),
                    ],
                    &[(&x[2], 0.7), (&low_noise[2], -0.3)],
                    0.125,
                    below,
                )
                .unwrap();
            setup.check(
                &format!("dot_affine_rescaled to {below}"),
                &got,
                &predicted,
                0.01,
            );
            let got = eval
                .dot_affine_rescaled(&[], &[(&a[0], -0.9)], 0.0, below)
                .unwrap();
            let predicted = noise
                .dot_affine_rescaled(&[], &[(&x[0], -0.9)], 0.0, below)
                .unwrap();
            setup.check(&format!("lowered to {below}"), &got, &predicted, 0.01);
            for (a, x) in low.iter_mut().zip(&mut low_noise) {
                *a = eval.drop_to(a, below).unwrap();
                *x = noise.drop_to(x, below).unwrap();
            }
        }
    }
}

/// A giant step and its terms: input, baby step, weight.
type PlannedStep = (i32, &'static [(usize, i32, usize)]);

/// Both hoistings against the sequence of single ones: values within the prediction, which is that of the
/// sequence and so a bound; the same input at two addresses, and one thread or many, give the same bits.
#[test]
fn transforms_stay_within_the_error_of_their_parts() {
    // Insecure small rings: one short digit, two primes a level, many digits.
    for (set, deep) in [
        (spec(10, 50, &[40; 3], (2, 46)), false),
        (spec(10, 60, &[45, 45, 56, 56], (3, 49)), true),
        (spec(11, 44, &[36; 4], (1, 45)), true),
    ] {
        let setup = Setup::new(set, &[1, 2, 8, 500, -12]);
        let (eval, noise, slots) = (&setup.eval, &setup.noise, setup.params.slots());
        let inputs: Vec<Vec<f64>> = (0..2).map(|i| uniform(slots, 60 + i, 1.0)).collect();
        let weights: Vec<Vec<f64>> = (0..4).map(|i| uniform(slots, 70 + i, 1.0)).collect();
        let level = if deep { Level(1) } else { setup.params.top() };
        let a: Vec<Ciphertext> = inputs
            .iter()
            .map(|v| eval.drop_to(&setup.encrypt(v), level).unwrap())
            .collect();
        let x: Vec<NoisyVector> = inputs
            .iter()
            .map(|v| noise.drop_to(&noise.fresh(v).unwrap(), level).unwrap())
            .collect();
        let p: Vec<Constant> = weights
            .iter()
            .map(|v| eval.constant("p", v).unwrap())
            .collect();
        let u: Vec<_> = weights
            .iter()
            .map(|v| noise.constant("p", v).unwrap())
            .collect();
        // (giant, [(input, baby, weight)])
        let plan: [PlannedStep; 3] = [
            (0, &[(0, 0, 0), (0, 1, 1), (1, 2, 2)]),
            (8, &[(0, 1, 2), (1, 0, 3), (0, 2, 0)]),
            (-12, &[(0, 500, 1), (1, 2, 3)]),
        ];
        fn steps<'a, C, P>(
            plan: &[PlannedStep],
            a: &'a [C],
            p: &'a [P],
        ) -> Vec<GiantStep<&'a C, &'a P>> {
            let terms = |terms: &[(usize, i32, usize)]| {
                terms
                    .iter()
                    .map(|&(i, r, w)| (&a[i], Rotation(r), &p[w]))
                    .collect()
            };
            let step = |&(by, of): &PlannedStep| GiantStep {
                by: Rotation(by),
                terms: terms(of),
            };
            plan.iter().map(step).collect()
        }
        for plan in [&plan[..], &plan[..1], &plan[1..2]] {
            let (giants, noisy) = (steps(plan, &a, &p), steps(plan, &x, &u));
            let got = eval.sum_rotated_products(&giants).unwrap();
            let predicted = noise.sum_rotated_products(&noisy).unwrap();
            setup.check("sum_rotated_products", &got, &predicted, 0.001);
            let got = eval.sum_rotated_products_rescaled(&giants).unwrap();
            let predicted = noise.sum_rotated_products_rescaled(&noisy).unwrap();
            setup.check("sum_rotated_products_rescaled", &got, &predicted, 0.01);
            let again = eval
                .sum_rotated_products_rescaled(&steps(plan, &a.clone(), &p))
                .unwrap();
            assert_eq!(got, again);
            for threads in [2, 5] {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                let many = pool.install(|| eval.sum_rotated_products_rescaled(&giants).unwrap());
                assert_eq!(got, many, "{threads} threads");
            }
        }
        // Horner's rule: one key for all giant steps, the same sum within the prediction; a step without terms turns only.
        let horner: [PlannedStep; 4] = [
            (8, &[(0, 500, 1), (1, 2, 3)]),
            (8, &[]),
            (8, &[(0, 1, 2), (1, 0, 3), (0, 2, 0)]),
            (0, &[(0, 0, 0), (0, 1, 1), (1, 2, 2)]),
        ];
        let plain: [PlannedStep; 3] = [(24, horner[0].1), (8, horner[2].1), (0, horner[3].1)];
        let (giants, noisy) = (steps(&horner, &a, &p), steps(&horner, &x, &u));
        let sum = noise.sum_rotated_products(&steps(&plain, &x, &u)).unwrap();
        let got = eval.horner_rotated_products(&giants).unwrap();
        let predicted = noise.horner_rotated_products(&noisy).unwrap();
        setup.check("horner_rotated_products", &got, &predicted, 0.001);
        for (a, b) in sum.values().iter().zip(predicted.values()) {
            assert!((a - b).abs() < 1e-9, "the clear values agree");
        }
        let got = eval.horner_rotated_products_rescaled(&giants).unwrap();
        let predicted = noise.horner_rotated_products_rescaled(&noisy).unwrap();
        setup.check("horner_rotated_products_rescaled", &got, &predicted, 0.01);
        for threads in [2, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let many = pool.install(|| eval.horner_rotated_products_rescaled(&giants).unwrap());
            assert_eq!(got, many, "{threads} threads");
        }
        // One step, not turned after another one: nothing is left to differ.
        for plan in [&plan[..1], &plan[1..2]] {
            let one = steps(plan, &a, &p);
            assert_eq!(
                eval.horner_rotated_products(&one).unwrap(),
                eval.sum_rotated_products(&one).unwrap()
            );
        }
        // Without any rotation there is no key switch: bit for bit a plain sum of products, rescaled.
        let still = [GiantStep {
            by: Rotation(0),
            terms: vec![(&a[0], Rotation(0), &p[0]), (&a[1], Rotation(0), &p[1])],
        }];
        let sum = eval.dot_plain(&[(&a[0], &p[0]), (&a[1], &p[1])]).unwrap();
        assert_eq!(eval.sum_rotated_products(&still).unwrap(), sum);
        assert_eq!(
            eval.sum_rotated_products_rescaled(&still).unwrap(),
            eval.rescale(&sum).unwrap()
        );
        let limbs = setup.params.chain().limbs(level) + setup.params.ring().p_len();
        let fresh = eval.constant("fresh", &weights[0]).unwrap();
        eval.prepare(&fresh, level, Use::LazyFactor).unwrap();
        assert_eq!(fresh.encoded_bytes(), 8 * setup.params.n() * limbs);
    }
}

#[test]
fn a_repeated_operand_is_decomposed_once_with_the_same_result() {
    let setup = Setup::new(spec(11, 50, &[40; 4], (2, 46)), &[1, 2, 3]);
    let a = setup.encrypt(&uniform(setup.params.slots(), 5, 1.0));
    let copies = [a.clone(), a.clone(), a.clone()];
    let rotations = [0, 1, 2, 3].map(Rotation);
    let shared: Vec<_> = rotations.iter().map(|&r| (&a, r)).collect();
    let apart: Vec<_> = std::iter::once(&a).chain(&copies).zip(rotations).collect();
    assert_eq!(
        setup.eval.sum_rotated(&shared).unwrap(),
        setup.eval.sum_rotated(&apart).unwrap()
    );
}

#[test]
fn results_do_not_depend_on_threads() {
    let make = || {
        let setup = Setup::new(spec(12, 50, &[40; 6], (3, 46)), &[3, 5]);
        let a = setup.encrypt(&uniform(setup.params.slots(), 3, 1.0));
        let eval = &setup.eval;
        let b = eval.dot_rescaled(&[(&a, &a)]).unwrap();
        let c = eval
            .sum_rotated(&[(&b, Rotation(3)), (&b, Rotation(5))])
            .unwrap();
        let mut all = eval.rotate_many(&c, &[Rotation(3), Rotation(5)]).unwrap();
        all.push(eval.rescale(&eval.mul(&c, &b).unwrap()).unwrap());
        (all, eval.keys().clone())
    };
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("pool")
    };
    let one = pool(1).install(make);
    for threads in [2, 3, 7] {
        let many = pool(threads).install(make);
        assert_eq!(one.0, many.0, "{threads} threads");
        assert_eq!(
            one.1.relinearization(),
            many.1.relinearization(),
            "{threads} threads"
        );
        assert_eq!(one.1.rotations(), many.1.rotations(), "{threads} threads");
    }
}

#[test]
fn missing_keys_are_named_with_their_level() {
    let params = Params::try_new(spec(10, 50, &[40; 4], (2, 46))).expect("parameters");
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let generator = KeyGenerator::new(&params);
    let secret = generator.secret_key(&mut rng);
    let manifest = KeyManifest {
        relinearization: Some(Level(1)),
        rotations: [(Rotation(-2), Level(2))].into(),
        conjugation: None,
    };
    let keys = generator
        .evaluation_keys(&secret, &manifest, &mut rng)
        .expect("keys");
    assert_eq!(
        keys.manifest().rotations,
        [(Rotation(510), Level(2))].into()
    );
    let setup = Setup::new(spec(10, 50, &[40; 4], (2, 46)), &[]);
    let a = setup.encrypt(&[1.0]);
    let eval = Evaluator::new(keys);
    let key = |result: Result<Ciphertext>| match result {
        Err(Error::MissingKey { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key(eval.rotate(&a, Rotation(-2))), "rotation 510 at L3");
    assert_eq!(key(eval.rotate(&a, Rotation(7))), "rotation 7 at L3");
    assert_eq!(key(eval.conjugate(&a)), "conjugation at L3");
    assert_eq!(key(eval.mul(&a, &a)), "relinearization at L3");
    let low = eval.drop_to(&a, Level(1)).unwrap();
    assert!(eval.mul(&low, &low).is_ok());
    assert!(
        eval.rotate(&eval.drop_to(&a, Level(2)).unwrap(), Rotation(-2))
            .is_ok()
    );
}

#[test]
fn a_truncated_key_is_the_prefix_of_a_full_one() {
    // The seeded halves of a key do not depend on its level.
    let params = Params::try_new(spec(10, 50, &[40; 4], (2, 46))).expect("parameters");
    let make = |level| {
        let mut rng = ChaCha20Rng::from_seed([6; 32]);
        let generator = KeyGenerator::new(&params);
        let secret = generator.secret_key(&mut rng);
        let manifest = KeyManifest {
            relinearization: Some(level),
            ..KeyManifest::default()
        };
        generator
            .evaluation_keys(&secret, &manifest, &mut rng)
            .expect("keys")
    };
    let (full, low) = (make(Level(3)), make(Level(1)));
    let (full, low) = (
        &full.relinearization().unwrap().0,
        &low.relinearization().unwrap().0,
    );
    let ring = params.ring();
    let (long, short) = (full.vector().expanded(ring), low.vector().expanded(ring));
    for (long, short) in long.iter().zip(&short) {
        assert_eq!(long.truncated(short.limbs(), ring), *short);
    }
    assert!(low.bytes() < full.bytes());
    let b = low.vector().b().to_vec();
    let seed = *low.vector().seed();
    let again = SwitchingKey::from_parts(&params, low.level(), seed, b, Storage::Expanded);
    assert_eq!(again, *low);
    assert_eq!(again.bytes(), 2 * low.bytes());
}

#[test]
fn key_switches_add_the_predicted_error() {
    // A special modulus as large as a digit, smaller by half a bit, and larger by far.
    for (set, slack) in [
        (spec(11, 45, &[44; 4], (2, 45)), 0.8),
        (spec(12, 43, &[42; 6], (1, 43)), 0.8),
        (spec(11, 50, &[40; 4], (2, 50)), 0.8),
    ] {
        let setup = Setup::new(set, &[9]);
        let a = setup.encrypt(&uniform(setup.params.slots(), 21, 1.0));
        let (before, slots) = (setup.decrypt(&a), setup.params.slots());
        let after = setup.decrypt(&setup.eval.rotate(&a, Rotation(9)).unwrap());
        let sum: f64 = (0..slots)
            .map(|i| (after[i] - before[(i + 9) % slots]).powi(2))
            .sum();
        let seen = (sum / slots as f64).sqrt() * a.scale();
        let ratio = seen / setup.profile.noise.key_switch;
        assert!(ratio > slack && ratio < 1.2, "{ratio:.3} of the prediction");
    }
}

/// A linear level of fewer bits than the scale: constants multiply there, ciphertexts do not.
#[test]
fn constants_alone_multiply_at_linear_levels() {
    let params = Params::try_new(ParamsSpec {
        linear_bits: [(3, 34), (2, 36)].into(),
        ..spec(11, 48, &[40, 40, 48, 52], (2, 48))
    })
    .unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let keygen = KeyGenerator::new(&params);
    let secret = keygen.secret_key(&mut rng);
    let manifest = KeyManifest {
        relinearization: Some(params.top()),
        ..KeyManifest::default()
    };
    let keys = keygen.evaluation_keys(&secret, &manifest, &mut rng);
    let eval = Evaluator::new(keys.unwrap());
    let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64).sin()).collect();
    let chain = params.chain();
    let plaintext = crate::Encoder::new(&params)
        .encode(&values, params.top(), chain.scale(params.top()))
        .unwrap();
    let encryptor = crate::SymmetricEncryptor::new(&secret);
    let a = encryptor.encrypt(&plaintext, &mut rng).unwrap();
    let weight = eval.constant("w", &values).unwrap();
    let b = eval.rescale(&eval.mul_plain(&a, &weight).unwrap()).unwrap();
    let b = eval.rescale(&eval.mul_scalar(&b, 0.5).unwrap()).unwrap();
    assert_eq!((b.level(), b.scale()), (Level(1), chain.scale(Level(1))));
    let low = eval.drop_to(&a, Level(1)).unwrap();
    let c = eval.rescale(&eval.mul(&low, &b).unwrap()).unwrap();
    let got =
        crate::Encoder::new(&params).decode(&crate::Decryptor::new(&secret).decrypt(&c).unwrap());
    for (x, y) in got.iter().zip(&values) {
        // 2^-34 of the coarser constant, times the root of N / 12, and the scale 2^40 at the end.
        assert!(
            (x - y.powi(3) / 2.0).abs() < 1e-7,
            "{x} {}",
            y.powi(3) / 2.0
        );
    }
    for refused in [eval.mul(&a, &a), eval.dot_affine(&[(&a, &a)], &[], 1.0)] {
        let error = refused.expect_err("level 3 is linear").to_string();
        assert!(error.contains("linear") && error.contains("L1"), "{error}");
    }
}

/// Numbers are exact to double precision however large their scale; the square of a scale of 2^70 is beyond 128 bits.
#[test]
fn scales_of_products_may_exceed_128_bits() {
    for (x, zeros) in [
        (0.0, 0),
        (-7.0, 0),
        (126f64.exp2(), 1),
        (-3.0 * 140f64.exp2(), 16),
    ] {
        let integer = Integer::from(x);
        assert_eq!(integer.zeros, zeros);
        assert_eq!(integer.digits as f64 * f64::from(zeros).exp2(), x);
    }
    let setup = Setup::new(spec(11, 60, &[50, 60, 70], (3, 50)), &[]);
    let values: Vec<f64> = (0..setup.params.slots())
        .map(|i| (i as f64).sin())
        .collect();
    let a = setup.encrypt(&values);
    let below = Level(1);
    let b = setup
        .eval
        .dot_affine_rescaled(&[(&a, &a)], &[(&a, -0.75)], -1.0 / 3.0, below)
        .unwrap();
    let c = setup
        .eval
        .add_scalar(&setup.eval.mul(&b, &b).unwrap(), 0.3)
        .unwrap();
    let c = setup.eval.rescale(&c).unwrap();
    for (x, got) in values.iter().zip(setup.decrypt(&c)) {
        let y = x * x - 0.75 * x - 1.0 / 3.0;
        assert!((got - y * y - 0.3).abs() < 1e-11, "{got} {x}");
    }
    let error = setup
        .eval
        .add_scalar(&setup.eval.mul(&a, &a).unwrap(), 120f64.exp2());
    let error = error.expect_err("2^260").to_string();
    assert!(error.contains("2^252"), "{error}");
}
