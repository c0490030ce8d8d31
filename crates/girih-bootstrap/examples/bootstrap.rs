//! One bootstrapping of a preset, stage by stage: time, precision, keys.
//!
//! `cargo run --release -p girih-bootstrap --example bootstrap -- [preset] [threads] [slots]`

use std::time::Instant;

use girih_bootstrap::{BootstrapKeys, Bootstrapper, Preset};
use girih_ckks::{Decryptor, Encoder, KeyGenerator, SymmetricEncryptor};
use girih_he::KeyManifest;
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

#[path = "common/arguments.rs"]
mod arguments;
use arguments::{Outcome, on_preset};

fn main() -> Outcome<()> {
    on_preset(|preset, further| match further.first() {
        Some(slots) => run(&preset.with_slots(slots.parse()?)),
        None => run(&preset),
    })
}

fn run(preset: &Preset) -> Outcome<()> {
    let plan = preset.plan()?;
    let params = plan.params().clone();
    println!("{params}");
    println!("failure 2^{:.1}", plan.failure_log2()?);
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let secret = KeyGenerator::new(&params).secret_key(&mut rng);
    let start = Instant::now();
    let keys = BootstrapKeys::generate(&plan, &KeyManifest::default(), &secret, &mut rng)?;
    println!(
        "keys: {:.2} s, {:.2} GB, {} rotations",
        start.elapsed().as_secs_f64(),
        keys.bytes() as f64 / 1e9,
        keys.evaluation.rotations().len()
    );
    let period = plan.spec().slots;
    let input = plan.input_level();
    let bootstrapper = Bootstrapper::try_new(plan, keys)?;
    let start = Instant::now();
    bootstrapper.prepare()?;
    println!(
        "diagonals: {:.2} s, {:.2} GB",
        start.elapsed().as_secs_f64(),
        bootstrapper.diagonal_bytes() as f64 / 1e9
    );
    let encoder = Encoder::new(&params);
    let unit = |rng: &mut ChaCha20Rng| rng.next_u64() as f64 / 2f64.powi(63) - 1.0;
    let random: Vec<Complex64> = (0..period)
        .map(|_| Complex64::new(unit(&mut rng), unit(&mut rng)))
        .collect();
    for (name, values) in [
        ("random", random),
        ("constant", vec![Complex64::ONE; period]),
    ] {
        let values: Vec<Complex64> = values.into_iter().cycle().take(params.slots()).collect();
        let scale = params.chain().scale(input);
        let plaintext = encoder.encode_complex(&values, input, scale)?;
        let a = SymmetricEncryptor::new(&secret).encrypt(&plaintext, &mut rng)?;
        for _ in 0..3 {
            let start = Instant::now();
            let mut last = start;
            let b = bootstrapper.bootstrap_watched(&a, &mut |stage, _| {
                println!("  {stage:?} {:.2}", last.elapsed().as_secs_f64());
                last = Instant::now();
            })?;
            let seconds = start.elapsed().as_secs_f64();
            let got = encoder.decode_complex(&Decryptor::new(&secret).decrypt(&b)?);
            let errors = got.iter().zip(&values).map(|(g, v)| (g - v).norm());
            let errors: Vec<f64> = errors.collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let worst = errors.iter().copied().fold(0.0, f64::max);
            println!(
                "{name}: {seconds:.2} s, {} left, {:.1} bits mean, {:.1} worst",
                b.level(),
                -mean.log2(),
                -worst.log2()
            );
        }
    }
    Ok(())
}
