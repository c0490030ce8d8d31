//! Bootstrapping at a small, insecure degree: the values come back, with levels.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use girih_bootstrap::{BootstrapKeys, BootstrapPlan, Bootstrapper};
use girih_ckks::{
    Decryptor, Encoder, KeyGenerator, Params, ParamsSpec, Precision, Security, SymmetricEncryptor,
};
use girih_he::{KeyManifest, Level};
use girih_polyfit::trigonometric::{ModularMethod, ModularReduction};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Insecure: for tests only.
fn params(log_n: u8) -> Params {
    let mut scale_bits = vec![40u8; 3];
    scale_bits.extend([50, 50, 56]);
    scale_bits.extend([56; 8]);
    scale_bits.extend([56; 3]);
    Params::try_new(ParamsSpec {
        log_n,
        first_bits: 48,
        scale_bits,
        linear_bits: BTreeMap::new(),
        special_count: 8,
        special_bits: 47,
        security: Security::Insecure,
    })
    .unwrap()
}

#[test]
fn values_come_back_with_levels() {
    let params = params(11);
    let method = ModularMethod {
        degree: 30,
        doublings: 3,
        arcsine: 1,
    };
    let reduction = ModularReduction::new(15, 1.1 / 256.0, method).unwrap();
    let plan = BootstrapPlan::try_new(&params, 3, reduction, 3, 32).unwrap();
    assert_eq!(plan.output_level(), Level(2));
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let secret = KeyGenerator::new(&params).secret_key(&mut rng);
    let keys = BootstrapKeys::generate(&plan, &KeyManifest::default(), &secret, &mut rng).unwrap();
    let bootstrapper = Bootstrapper::try_new(plan, keys).unwrap();
    let encoder = Encoder::new(&params);
    let values: Vec<f64> = (0..params.slots())
        .map(|i| ((i * i) as f64 * 0.37).sin())
        .collect();
    let plaintext = encoder
        .encode(&values, Level(0), params.chain().scale(Level(0)))
        .unwrap();
    let a = SymmetricEncryptor::new(&secret)
        .encrypt(&plaintext, &mut rng)
        .unwrap();
    let b = bootstrapper.bootstrap(&a).unwrap();
    assert_eq!(b.level(), Level(2));
    let got = encoder.decode(&Decryptor::new(&secret).decrypt(&b).unwrap());
    let precision = Precision::of(&got, &values);
    println!("bits: {} {}", precision.mean_bits(), precision.worst_bits());
    assert!(precision.worst_bits() > 12.0, "{}", precision.worst_bits());
}
