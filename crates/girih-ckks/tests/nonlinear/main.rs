//! Non-linear functions on ciphertexts: every kind of plan, the published tables, softmax, norms and arg-max, within the
//! noise of the encryption of what they give in the clear. Parameters are small and insecure.
#![allow(clippy::unwrap_used)]

mod circuits;
mod plans;
mod tables;

use girih_ckks::{
    Ciphertext, Decryptor, Encoder, Evaluator, KeyGenerator, Params, ParamsSpec, Security,
    SymmetricEncryptor,
};
use girih_he::{Auto, KeyManifest, Rotation};
use girih_polyfit::{EvaluationPlan, Interval};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Slots of the test parameters.
const SLOTS: usize = 1 << 10;

type Eval = Auto<Evaluator>;

/// A chain of the given depth with scale 2^45 at N = 2^11, keys, and the way there and back. INSECURE.
struct Encrypted {
    eval: Eval,
    params: Params,
    secret: girih_ckks::SecretKey,
}

impl Encrypted {
    fn new(depth: usize, rotations: impl IntoIterator<Item = Rotation>) -> Self {
        // Ten bits before the point at level 0.
        let spec = ParamsSpec::for_depth_at(11, depth as u8, 45, 56, Security::Insecure).unwrap();
        let params = Params::try_new(spec).unwrap();
        let mut rng = ChaCha20Rng::from_seed([41; 32]);
        let generator = KeyGenerator::new(&params);
        let secret = generator.secret_key(&mut rng);
        let top = params.top();
        let manifest = KeyManifest {
            relinearization: Some(top),
            rotations: rotations.into_iter().map(|r| (r, top)).collect(),
            conjugation: None,
        };
        let keys = generator
            .evaluation_keys(&secret, &manifest, &mut rng)
            .unwrap();
        Encrypted {
            eval: Auto::new(Evaluator::new(keys)),
            params,
            secret,
        }
    }

    fn encrypt(&self, values: &[f64]) -> Ciphertext {
        let top = self.params.top();
        let scale = self.params.chain().scale(top);
        let plaintext = Encoder::new(&self.params)
            .encode(values, top, scale)
            .unwrap();
        let mut rng = ChaCha20Rng::from_seed([43; 32]);
        SymmetricEncryptor::new(&self.secret)
            .encrypt(&plaintext, &mut rng)
            .unwrap()
    }

    fn decrypt(&self, y: &Ciphertext) -> Vec<f64> {
        let plaintext = Decryptor::new(&self.secret).decrypt(y).unwrap();
        Encoder::new(&self.params).decode(&plaintext)
    }
}

/// Points of an interval, dense at its ends, which are among them.
fn points(interval: Interval) -> Vec<f64> {
    (0..SLOTS)
        .map(|k| {
            let angle = std::f64::consts::PI * k as f64 / (SLOTS - 1) as f64;
            interval.from_unit(-angle.cos())
        })
        .collect()
}

/// The plan on ciphertexts with exactly the levels that it states.
fn run(plan: &EvaluationPlan, xs: &[f64]) -> Vec<f64> {
    let encrypted = Encrypted::new(plan.depth(), []);
    let x = encrypted.encrypt(xs);
    let y = girih_circuits::evaluation::evaluate(&encrypted.eval, plan, &x).unwrap();
    assert_eq!(encrypted.eval.remaining(&y), 0);
    encrypted.decrypt(&y)
}

/// The values on ciphertexts, within the tolerance of those in the clear.
fn checked(plan: &EvaluationPlan, xs: &[f64], tolerance: f64) -> Vec<f64> {
    let found = run(plan, xs);
    for (x, y) in xs.iter().zip(&found) {
        let clear = plan.eval(*x);
        assert!(
            (y - clear).abs() <= tolerance,
            "{x}: {y} encrypted, {clear} in the clear"
        );
    }
    found
}
