//! A polynomial of an encrypted vector, `x^4 + 0.5`: products, rescaling, levels and scales.

use girih_ckks::{
    Decryptor, Encoder, Evaluator, KeyGenerator, Params, ParamsSpec, Precision, Security,
    SymmetricEncryptor,
};
use girih_he::{Evaluator as _, KeyManifest, Leveled as _};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn main() -> Result<(), girih_ckks::Error> {
    let params = Params::try_new(ParamsSpec::for_depth(3, 40, 46, Security::Bits128)?)?;
    println!("{params}\n");
    for (level, info) in params.chain().iter().rev() {
        println!(
            "{level}: {} limbs, scale 2^{:.6}, log2 q = {:.1}",
            info.limbs,
            info.scale.log2(),
            info.log_q
        );
    }

    // A fixed seed so that the output can be compared; real keys need an unpredictable generator.
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let keygen = KeyGenerator::new(&params);
    let secret = keygen.secret_key(&mut rng);
    let manifest = KeyManifest {
        relinearization: Some(params.top()),
        ..KeyManifest::default()
    };
    let evaluator = Evaluator::new(keygen.evaluation_keys(&secret, &manifest, &mut rng)?);

    let encoder = Encoder::new(&params);
    let x: Vec<f64> = (0..params.slots())
        .map(|i| (i as f64 * 0.37).sin())
        .collect();
    let plaintext = encoder.encode(&x, params.top(), params.chain().scale(params.top()))?;
    let mut power = SymmetricEncryptor::new(&secret).encrypt(&plaintext, &mut rng)?;

    // Every squaring leaves the product scale; rescaling returns to the canonical scale one level below.
    for name in ["x^2", "x^4"] {
        let product = evaluator.mul(&power, &power)?;
        println!(
            "\n{name}: level {}, scale 2^{:.3}",
            product.level(),
            product.scale().log2()
        );
        power = evaluator.rescale(&product)?;
        println!(
            "{name}, rescaled: level {}, scale 2^{:.3}",
            power.level(),
            power.scale().log2()
        );
    }
    let result = evaluator.add_scalar(&power, 0.5)?;

    let decoded = encoder.decode(&Decryptor::new(&secret).decrypt(&result)?);
    let expected: Vec<f64> = x.iter().map(|x| x.powi(4) + 0.5).collect();
    println!("\nx^4 + 0.5: {}", Precision::of(&decoded, &expected));
    Ok(())
}
