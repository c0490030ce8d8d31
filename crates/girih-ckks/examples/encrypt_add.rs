//! The sum of two encrypted vectors: keys, encoding, encryption, one addition, decryption.

use girih_ckks::{
    Decryptor, Encoder, Encryptor, EvaluationKeys, Evaluator, KeyGenerator, Params, ParamsSpec,
    Precision, Security,
};
use girih_he::Evaluator as _;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn main() -> Result<(), girih_ckks::Error> {
    // One multiplication to spare, 128-bit security. The set describes itself.
    let params = Params::try_new(ParamsSpec::for_depth(1, 40, 46, Security::Bits128)?)?;
    println!("{params}\n");

    // A fixed seed so that the output can be compared; real keys need an unpredictable generator.
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let keygen = KeyGenerator::new(&params);
    let secret = keygen.secret_key(&mut rng);
    let public = keygen.public_key(&secret, &mut rng)?;

    let encoder = Encoder::new(&params);
    let a: Vec<f64> = (0..params.slots())
        .map(|i| (i as f64 * 0.1).sin())
        .collect();
    let b: Vec<f64> = (0..params.slots())
        .map(|i| (i as f64 * 0.2).cos())
        .collect();
    let scale = params.chain().scale(params.top());
    let mut encrypt = |values: &[f64]| {
        let plaintext = encoder.encode(values, params.top(), scale)?;
        Encryptor::new(&public).encrypt(&plaintext, &mut rng)
    };
    let (a_hidden, b_hidden) = (encrypt(&a)?, encrypt(&b)?);

    // The evaluator has no secret, and additions need no keys at all.
    let evaluator = Evaluator::new(EvaluationKeys::empty(&params));
    let sum = evaluator.add(&a_hidden, &b_hidden)?;

    let decoded = encoder.decode(&Decryptor::new(&secret).decrypt(&sum)?);
    let expected: Vec<f64> = a.iter().zip(&b).map(|(x, y)| x + y).collect();
    println!("first values  {:.6?}", &decoded[..4]);
    println!("expected      {:.6?}", &expected[..4]);
    println!("{}", Precision::of(&decoded, &expected));
    println!(
        "ciphertext    {} bytes in a file",
        sum.to_bytes(&params).len()
    );
    Ok(())
}
