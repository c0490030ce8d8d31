//! The error of the modular reduction on ciphertexts against its prediction, at a small, insecure degree.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::f64::consts::PI;

use girih_bootstrap::{BootstrapKeys, BootstrapPlan, Bootstrapper, Giants, Preset};
use girih_ckks::{Ciphertext, Decryptor, Encoder, KeyGenerator, Params, SymmetricEncryptor};
use girih_he::{KeyManifest, Level};
use girih_polyfit::overflow::Overflow;
use girih_polyfit::trigonometric::{
    Message, ModularMethod, ModularReduction, ReductionSetting, rounding_deviation,
};
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[path = "common/small.rs"]
mod small;
use small::LOG_N;

const APPLICATION: u8 = 2;
const FACTORS: u8 = 3;

/// Insecure: for tests only. `reduction` from the result up, its input last.
fn params(reduction: &[u8]) -> Params {
    let mut scale_bits = vec![40u8; usize::from(APPLICATION) + 1];
    // The scale of the result goes down to the application's in equal steps.
    let above = reduction[0] - 40;
    scale_bits.extend([40 + above / 3, 40 + 2 * above / 3]);
    scale_bits.extend(reduction);
    let top = scale_bits.len() as u8;
    scale_bits.extend([*reduction.last().unwrap(); FACTORS as usize]);
    let linear = (0..FACTORS).flat_map(|k| [(APPLICATION + 1 + k, 47), (top + k, 49)]);
    small::params(scale_bits, linear)
}

/// Numbers in `[-1, 1]`, as good as random here.
fn uniform(i: usize, irrational: f64) -> f64 {
    2.0 * ((i * i) as f64 * irrational).fract() - 1.0
}

/// Root of the mean square.
fn deviation(errors: &[Complex64]) -> f64 {
    (errors.iter().map(Complex64::norm_sqr).sum::<f64>() / errors.len() as f64).sqrt()
}

/// Equal scales; balanced ones; and some whose products exceed 2^128, for single primes between.
#[test]
fn roundings_and_fit_are_as_predicted() {
    let overflow = Overflow::sparse(32).unwrap();
    let method = ModularMethod::default();
    let reduction = ModularReduction::weighted(&overflow, 15, 1.1 / 256.0, method).unwrap();
    let gains = reduction.gains(&overflow);
    for scales in [
        [57; 9],
        [64, 54, 54, 55, 56, 57, 59, 61, 58],
        [79, 59, 54, 55, 65, 57, 59, 65, 57],
    ] {
        let params = params(&scales);
        let spec = small::spec(params.slots(), reduction.clone(), Giants::Apart);
        let plan = BootstrapPlan::try_new(&params, spec).unwrap();
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let secret = KeyGenerator::new(&params).secret_key(&mut rng);
        let keys = BootstrapKeys::generate(&plan, &KeyManifest::default(), &secret, &mut rng);
        let bootstrapper = Bootstrapper::try_new(plan, keys.unwrap()).unwrap();
        let encoder = Encoder::new(&params);
        let decrypt =
            |a: &Ciphertext| encoder.decode_complex(&Decryptor::new(&secret).decrypt(a).unwrap());
        let values: Vec<Complex64> = (0..params.slots())
            .map(|i| Complex64::new(uniform(i, 0.618_034), uniform(i, 0.414_214)))
            .collect();
        let scale = params.chain().scale(Level(0));
        let plaintext = encoder.encode_complex(&values, Level(0), scale).unwrap();
        let a = SymmetricEncryptor::new(&secret)
            .encrypt(&plaintext, &mut rng)
            .unwrap();
        let mut stages = BTreeMap::new();
        let b = bootstrapper
            .bootstrap_watched(&a, &mut |stage, parts| {
                stages.insert(
                    format!("{stage:?}"),
                    parts.iter().map(decrypt).collect::<Vec<_>>(),
                );
            })
            .unwrap();

        // What the reduction adds to the sine of the coefficients that it was given, their own error included.
        let radius = reduction.plan.interval().radius();
        let sine = |x: Complex64| (2.0 * PI * (x - x.re.round())).sin() / (2.0 * PI);
        let errors: Vec<Complex64> = (stages["Coefficients"].iter().zip(&stages["Reduced"]))
            .flat_map(|(given, reduced)| given.iter().zip(reduced))
            .map(|(u, y)| y - sine(u * radius))
            .collect();
        let chain = params.chain();
        let roundings: Vec<f64> = (0..gains.len() as u8)
            .map(|k| {
                let level = APPLICATION + FACTORS + gains.len() as u8 - 1 - k;
                rounding_deviation(LOG_N.into()) / chain.scale(Level(level))
            })
            .collect();
        let own = gains.iter().zip(&roundings).skip(1);
        let predicted = own.map(|(g, r)| (g * r).powi(2)).sum::<f64>().sqrt();
        let predicted = predicted.hypot(reduction.fit_error(&overflow).rms);
        let measured = deviation(&errors);
        let ratio = measured / predicted;
        println!(
            "{scales:?}: {:.2} bits of q_0, {ratio:.2} of the prediction",
            -measured.log2()
        );
        assert!(
            (0.8..1.25).contains(&ratio),
            "{scales:?}: {measured:e} {predicted:e}"
        );

        // At the end, with what the transforms add.
        let errors: Vec<Complex64> = decrypt(&b)
            .iter()
            .zip(&values)
            .map(|(b, v)| b - v)
            .collect();
        let setting = ReductionSetting {
            log_n: LOG_N.into(),
            ratio: 256.0,
            overflow: &overflow,
            roundings: &roundings,
        };
        let predicted = reduction.predict(setting, Message::Random);
        let all = predicted
            .rounding
            .hypot(predicted.fit)
            .hypot(predicted.sine);
        let measured = deviation(&errors);
        println!(
            "at the end {:.2} bits, the reduction alone {:.2}",
            -measured.log2(),
            -all.log2()
        );
        assert!(
            measured < 1.5 * all && measured > 0.8 * all,
            "{measured:e} {all:e}"
        );
    }
}

/// What the reduction of each preset leaves of random and of constant messages; the transforms take a tenth of a bit more.
#[test]
fn presets_keep_the_bits_that_are_asked_for() {
    let overflow = Overflow::sparse(32).unwrap();
    for preset in Preset::all().unwrap() {
        let (params, spec) = (&preset.params, &preset.spec);
        let top = params.depth() - spec.to_coefficients;
        let log_n = u32::from(params.log_n);
        let roundings: Vec<f64> = (0..=spec.reduction.plan.unit_depth())
            .map(|k| rounding_deviation(log_n) / f64::from(params.scale_bits[top - k]).exp2())
            .collect();
        let setting = ReductionSetting {
            log_n,
            ratio: f64::from(params.first_bits - params.scale_bits[0]).exp2(),
            overflow: &overflow,
            roundings: &roundings,
        };
        let random = spec.reduction.predict(setting, Message::Random);
        let constant = spec.reduction.predict(setting, Message::Constant);
        let bits = (
            random.mean_bits(),
            random.worst_bits(),
            constant.worst_bits(),
        );
        println!("{}: {bits:.1?}", preset.name);
        // At N = 2^15 the modulus is too short for more.
        let wanted = match preset.params.log_n {
            15 => (16.8, 15.0, 12.9),
            _ => (22.2, 20.0, 13.2),
        };
        assert!(
            bits.0 > wanted.0 && bits.1 > wanted.1 && bits.2 > wanted.2,
            "{}: {bits:?}",
            preset.name
        );
        assert!(spec.reduction.failure_log2(&overflow, log_n) < -128.0);
    }
}
