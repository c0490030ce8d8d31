//! One bootstrapping at N = 2^16 with 128-bit security: time, precision, keys.
//!
//! `cargo run --release -p girih-bootstrap --example bootstrap`

use std::collections::BTreeMap;
use std::time::Instant;

use girih_bootstrap::{BootstrapKeys, BootstrapPlan, Bootstrapper};
use girih_ckks::{
    Decryptor, Encoder, KeyGenerator, Params, ParamsSpec, Security, SymmetricEncryptor,
};
use girih_he::{KeyManifest, Level};
use girih_polyfit::trigonometric::{ModularMethod, ModularReduction};
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let threads: usize = std::env::args().nth(1).map_or(Ok(1), |a| a.parse())?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?
        .install(run)
}

fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut scale_bits = vec![40u8; 13];
    scale_bits.extend([46, 52, 57]);
    scale_bits.extend([57; 8]);
    scale_bits.extend([57; 4]);
    let linear_bits = [
        (13, 39),
        (14, 37),
        (15, 34),
        (24, 45),
        (25, 47),
        (26, 49),
        (27, 51),
    ];
    let params = Params::try_new(ParamsSpec {
        log_n: 16,
        first_bits: 48,
        scale_bits,
        linear_bits: BTreeMap::from(linear_bits),
        special_count: 10,
        special_bits: 46,
        security: Security::Bits128,
    })?;
    println!("{params}");
    let method = ModularMethod {
        degree: 30,
        doublings: 3,
        arcsine: 1,
    };
    let reduction = ModularReduction::new(15, 1.1 / 256.0, method)?;
    let plan = BootstrapPlan::try_new(&params, 4, reduction, 3, 32)?;
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
    let bootstrapper = Bootstrapper::try_new(plan, keys)?;
    let start = Instant::now();
    bootstrapper.prepare()?;
    println!("diagonals: {:.2} s", start.elapsed().as_secs_f64());
    let encoder = Encoder::new(&params);
    let unit = |rng: &mut ChaCha20Rng| rng.next_u64() as f64 / 2f64.powi(63) - 1.0;
    let random: Vec<Complex64> = (0..params.slots())
        .map(|_| Complex64::new(unit(&mut rng), unit(&mut rng)))
        .collect();
    for (name, values) in [
        ("random", random),
        ("constant", vec![Complex64::new(1.0, 0.0); params.slots()]),
    ] {
        let scale = params.chain().scale(Level(0));
        let plaintext = encoder.encode_complex(&values, Level(0), scale)?;
        let a = SymmetricEncryptor::new(&secret).encrypt(&plaintext, &mut rng)?;
        for _ in 0..2 {
            let start = Instant::now();
            let mut last = start;
            let b = bootstrapper.bootstrap_watched(&a, &mut |stage, _| {
                println!("  {stage:?} {:.2}", last.elapsed().as_secs_f64());
                last = Instant::now();
            })?;
            let seconds = start.elapsed().as_secs_f64();
            let got = encoder.decode_complex(&Decryptor::new(&secret).decrypt(&b)?);
            let errors: Vec<f64> = got
                .iter()
                .zip(&values)
                .map(|(g, v)| (g - v).norm())
                .collect();
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
