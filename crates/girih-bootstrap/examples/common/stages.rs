//! The errors of all stages, measured with the secret key.

use girih_bootstrap::embedding::slots_to_coefficients;
use girih_bootstrap::{Bootstrapper, Stage};
use girih_ckks::{Ciphertext, Decryptor, Encoder, SecretKey, SymmetricEncryptor};
use girih_he::Level;
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

/// Result of a measurement.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Deviations (root mean squares) of the errors after each stage, in the units of the budget.
///
/// The integers of the first stages are not known, so that these are measured with a message of zero: there the error is the
/// distance from the nearest integer. The sine's error comes with a message only.
pub(crate) struct Measured {
    /// After each stage, with a message of zero.
    pub(crate) zero: [f64; 4],
    /// The errors of the slots of a random message.
    pub(crate) random: Vec<f64>,
}

/// Root of the mean square.
pub(crate) fn deviation(errors: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = errors
        .into_iter()
        .fold((0.0, 0usize), |(sum, count), e| (sum + e * e, count + 1));
    (sum / count.max(1) as f64).sqrt()
}

/// Bootstraps a message of zero and a random one, of the slots of the plan.
pub(crate) fn measure(
    bootstrapper: &Bootstrapper,
    secret: &SecretKey,
    rng: &mut ChaCha20Rng,
) -> Outcome<Measured> {
    let plan = bootstrapper.plan();
    let params = plan.params();
    let (encoder, slots) = (Encoder::new(params), params.slots());
    let decode = |a: &Ciphertext| -> Outcome<Vec<Complex64>> {
        Ok(encoder.decode_complex(&Decryptor::new(secret).decrypt(a)?))
    };
    let encrypt = |values: &[Complex64], rng: &mut ChaCha20Rng| -> Outcome<Ciphertext> {
        let level = plan.input_level();
        let scale = params.chain().scale(level);
        let plaintext = encoder.encode_complex(values, level, scale)?;
        Ok(SymmetricEncryptor::new(secret).encrypt(&plaintext, rng)?)
    };

    let a = encrypt(&vec![Complex64::ZERO; slots], rng)?;
    let radius = plan.spec().reduction.plan.interval().radius();
    let mut stages = Vec::new();
    bootstrapper.bootstrap_watched(&a, &mut |stage, parts| {
        let all: Outcome<Vec<_>> = parts.iter().map(decode).collect();
        let level = parts.first().map_or(Level(0), |part| part.level());
        stages.push(all.map(|parts| {
            let values = parts.concat();
            match stage {
                Stage::Raised => {
                    let q0 = params.chain().at(Level(0)).log_q.exp2();
                    let unit = params.chain().scale(level) / q0;
                    // The trace enlarges the part that repeats, and the prediction does so too.
                    let repeats = slots as f64 / plan.spec().slots as f64;
                    let integers = coefficients(&values).map(|x| fraction(x * unit));
                    deviation(integers) / repeats.sqrt()
                }
                Stage::Coefficients => deviation(
                    values
                        .iter()
                        .map(|u| fraction(u.re * radius).hypot(u.im * radius)),
                ),
                Stage::Reduced | Stage::Slots => deviation(values.iter().map(|y| y.norm())),
            }
        }));
    })?;
    // With a refinement, of the first of two.
    stages.truncate(4);
    let zero = stages.into_iter().collect::<Outcome<Vec<f64>>>()?;

    let mut unit = || rng.next_u64() as f64 / 2f64.powi(63) - 1.0;
    let some: Vec<Complex64> = (0..plan.spec().slots)
        .map(|_| Complex64::new(unit(), unit()))
        .collect();
    let values: Vec<Complex64> = some.into_iter().cycle().take(slots).collect();
    let b = bootstrapper.bootstrap(&encrypt(&values, rng)?)?;
    let errors = decode(&b)?
        .into_iter()
        .zip(&values)
        .map(|(b, v)| (b - v).norm());
    Ok(Measured {
        zero: zero.try_into().map_err(|_| "four stages")?,
        random: errors.collect(),
    })
}

/// The coefficients of the polynomial with these slots.
fn coefficients(slots: &[Complex64]) -> impl Iterator<Item = f64> {
    let n = slots.len();
    let stages = slots_to_coefficients(n, n.trailing_zeros() as usize);
    let w = stages
        .iter()
        .fold(slots.to_vec(), |x, stage| stage.apply(&x));
    w.into_iter()
        .flat_map(move |w| [w.re / n as f64, w.im / n as f64])
}

fn fraction(x: f64) -> f64 {
    x - x.round()
}
