//! Bootstrappings in sequence with a product between each: `x <- bootstrap(x u)` with encrypted `u`, all slots of modulus 1.

use std::f64::consts::TAU;

use girih_bootstrap::Bootstrapper;
use girih_ckks::{Ciphertext, Decryptor, Encoder, SecretKey, SymmetricEncryptor};
use girih_he::{Evaluator as _, Level, Leveled as _};
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Result of a walk.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A ciphertext on its way. The numbers of a round depend on the round alone, so that a walk can be continued from its ciphertext.
pub(crate) struct Walk<'a> {
    bootstrapper: &'a Bootstrapper,
    secret: &'a SecretKey,
    expected: Vec<Complex64>,
    x: Ciphertext,
    round: u64,
}

/// Errors of slots.
pub(crate) struct Errors {
    pub(crate) deviation: f64,
    pub(crate) mean: f64,
    pub(crate) worst: f64,
}

impl<'a> Walk<'a> {
    /// Before the first round.
    pub(crate) fn start(bootstrapper: &'a Bootstrapper, secret: &'a SecretKey) -> Outcome<Self> {
        let expected = phases(bootstrapper, 0);
        Ok(Walk {
            x: encrypt(bootstrapper, secret, &expected, 0)?,
            bootstrapper,
            secret,
            expected,
            round: 0,
        })
    }

    /// After `round` rounds, with the ciphertext that was left.
    pub(crate) fn resume(
        bootstrapper: &'a Bootstrapper,
        secret: &'a SecretKey,
        x: Ciphertext,
        round: u64,
    ) -> Walk<'a> {
        let mut expected = phases(bootstrapper, 0);
        for k in 1..=round {
            times(&mut expected, &phases(bootstrapper, k));
        }
        Walk {
            bootstrapper,
            secret,
            expected,
            x,
            round,
        }
    }

    /// Rounds so far.
    pub(crate) fn round(&self) -> u64 {
        self.round
    }

    /// The ciphertext.
    pub(crate) fn ciphertext(&self) -> &Ciphertext {
        &self.x
    }

    /// One product and one bootstrapping.
    pub(crate) fn step(&mut self) -> Outcome<()> {
        let scheme = self.bootstrapper.evaluator();
        let round = self.round + 1;
        let by = phases(self.bootstrapper, round);
        let u = encrypt(self.bootstrapper, self.secret, &by, round)?;
        let x = scheme.drop_to(&self.x, u.level())?;
        let product = scheme.rescale(&scheme.mul(&x, &u)?)?;
        self.x = self.bootstrapper.bootstrap(&product)?;
        times(&mut self.expected, &by);
        self.round = round;
        Ok(())
    }

    /// The errors of the slots now.
    pub(crate) fn errors(&self) -> Outcome<Errors> {
        let plaintext = Decryptor::new(self.secret).decrypt(&self.x)?;
        let got = Encoder::new(self.bootstrapper.plan().params()).decode_complex(&plaintext);
        let errors = got.iter().zip(&self.expected).map(|(g, e)| (g - e).norm());
        let errors: Vec<f64> = errors.collect();
        let count = errors.len() as f64;
        Ok(Errors {
            deviation: (errors.iter().map(|e| e * e).sum::<f64>() / count).sqrt(),
            mean: errors.iter().sum::<f64>() / count,
            worst: errors.iter().copied().fold(0.0, f64::max),
        })
    }
}

/// One level above the input of the bootstrapping, for the product.
fn encrypt(
    bootstrapper: &Bootstrapper,
    secret: &SecretKey,
    values: &[Complex64],
    round: u64,
) -> Outcome<Ciphertext> {
    let plan = bootstrapper.plan();
    let level = Level(plan.input_level().0 + 1);
    let scale = plan.params().chain().scale(level);
    let plaintext = Encoder::new(plan.params()).encode_complex(values, level, scale)?;
    Ok(SymmetricEncryptor::new(secret).encrypt(&plaintext, &mut numbers(round, 1))?)
}

/// Numbers of modulus 1, of the period of the plan.
fn phases(bootstrapper: &Bootstrapper, round: u64) -> Vec<Complex64> {
    let plan = bootstrapper.plan();
    let mut rng = numbers(round, 0);
    let turn = |_| Complex64::from_polar(1.0, TAU * (rng.next_u64() as f64 / 2f64.powi(64)));
    let some: Vec<Complex64> = (0..plan.spec().slots).map(turn).collect();
    let slots = plan.params().slots();
    some.into_iter().cycle().take(slots).collect()
}

fn numbers(round: u64, stream: u8) -> ChaCha20Rng {
    let mut seed = [stream; 32];
    seed[..8].copy_from_slice(&round.to_le_bytes());
    ChaCha20Rng::from_seed(seed)
}

fn times(x: &mut [Complex64], by: &[Complex64]) {
    x.iter_mut().zip(by).for_each(|(x, u)| *x *= u);
}
