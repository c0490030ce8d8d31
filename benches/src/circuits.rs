//! Circuits: linear transforms by their three ways, polynomials in both bases, rotate and sum.

use std::collections::BTreeSet;
use std::hint::black_box;

use girih_circuits::polynomial::evaluate_unit_leveled;
use girih_circuits::{Hoisting, LinearTransform, Steps, rotate_and_sum};
use girih_ckks::{Ciphertext, Encoder, Encryptor, Evaluator, KeyGenerator, Params};
use girih_he::{Auto, ClearEvaluator, KeyManifest, Level, Rotation};
use girih_polyfit::{Interval, Polynomial, PolynomialPlan};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::Bench;
use crate::ckks::{Set, sets};
use crate::record::{Record, Timing};

/// Level of the operands where the set is deep enough. Two more than the deepest circuit needs, and low enough for the
/// constants of 256 diagonals to fit in memory: at N = 2^16 over `QP` they are 19 rows of 512 KiB each.
const LEVEL: u8 = 8;

/// Linear transforms: name, diagonals, baby steps, way. With both hoistings more baby steps pay.
const TRANSFORMS: [(&str, usize, usize, Hoisting); 6] = [
    ("linear_64_single", 64, 8, Hoisting::Single),
    ("linear_64_double", 64, 16, Hoisting::Double),
    ("linear_64_horner", 64, 8, Hoisting::Horner),
    ("linear_256_single", 256, 16, Hoisting::Single),
    ("linear_256_double", 256, 32, Hoisting::Double),
    ("linear_256_horner", 256, 16, Hoisting::Horner),
];

/// Polynomials by degree: their names in the Chebyshev and in the power basis.
const POLYNOMIALS: [(usize, &str, &str); 4] = [
    (7, "chebyshev_7", "power_7"),
    (15, "chebyshev_15", "power_15"),
    (31, "chebyshev_31", "power_31"),
    (63, "chebyshev_63", "power_63"),
];

/// Terms of `rotate_and_sum_1024`.
const TERMS: usize = 1024;

/// Largest difference from the oracle in the clear.
const TOLERANCE: f64 = 1e-4;

/// Measures the circuits at every set; `quick` leaves out 256 diagonals and the large sets.
pub(crate) fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for set in sets(bench.quick) {
        measure(bench, set)?;
    }
    Ok(())
}

fn measure(bench: &mut Bench, set: &Set) -> anyhow::Result<()> {
    let params = set.params()?;
    let slots = params.slots();
    let level = Level(LEVEL.min(params.top().0));
    let transforms: Vec<_> = TRANSFORMS
        .into_iter()
        .filter(|t| !bench.quick || t.1 <= 64)
        .map(|(name, diagonals, babies, hoisting)| {
            let steps = Steps {
                giant: babies,
                centred: false,
                hoisting,
            };
            (name, banded(slots, diagonals), steps)
        })
        .collect();

    let mut rotations: BTreeSet<Rotation> = (0..TERMS.ilog2()).map(|i| Rotation(1 << i)).collect();
    let clear = ClearEvaluator::unlimited(slots);
    for (name, transform, steps) in &transforms {
        rotations.extend(transform.encode(&clear, name, *steps)?.rotations());
    }
    rotations.retain(|by| !by.is_identity(slots));

    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let generator = KeyGenerator::new(&params);
    let secret = generator.secret_key(&mut rng);
    let public = generator.public_key(&secret, &mut rng)?;
    let manifest = KeyManifest {
        relinearization: Some(level),
        rotations: rotations.into_iter().map(|by| (by, level)).collect(),
        conjugation: None,
    };
    let keys = generator.evaluation_keys(&secret, &manifest, &mut rng)?;
    let eval = Auto::new(Evaluator::new(keys));
    let encoder = Encoder::new(&params);
    let values: Vec<f64> = (0..slots).map(|i| (i as f64 * 0.7).sin()).collect();
    let plaintext = encoder.encode(&values, level, params.chain().scale(level))?;
    let x = Encryptor::new(&public).encrypt(&plaintext, &mut rng)?;
    let decryptor = girih_ckks::Decryptor::new(&secret);
    let check = |op: &str, y: &Ciphertext, expected: &[f64]| -> anyhow::Result<()> {
        let found = encoder.decode(&decryptor.decrypt(y)?);
        let worst = (found.iter().zip(expected))
            .map(|(f, e)| (f - e).abs())
            .fold(0.0, f64::max);
        anyhow::ensure!(worst < TOLERANCE, "{op}: off by {worst:.3e}");
        Ok(())
    };

    let effort = bench.effort;
    let mut push = |op: &'static str, timing: Timing| {
        bench
            .report
            .push(record(&params, level, op, bench.threads).timed(timing));
    };
    let xs = [x];
    for (name, transform, steps) in &transforms {
        let encoded = transform.encode(eval.inner(), name, *steps)?;
        // Encodes the diagonals, so that no later run does.
        let y = encoded.apply_rescaled(eval.inner(), &xs)?;
        let expected = transform.apply_clear(std::slice::from_ref(&values));
        check(name, &y[0], &expected[0])?;
        push(
            name,
            effort.measure(1, || {
                drop(black_box(encoded.apply_rescaled(eval.inner(), &xs)));
            }),
        );
    }
    let [x] = &xs;
    for (degree, chebyshev, power) in POLYNOMIALS {
        let coefficients: Vec<f64> = (0..=degree)
            .map(|k| (k as f64 + 1.0).sin() / (degree + 1) as f64)
            .collect();
        for (name, polynomial) in [
            (
                chebyshev,
                Polynomial::chebyshev(Interval::UNIT, coefficients.clone())?,
            ),
            (power, Polynomial::power(Interval::UNIT, coefficients)?),
        ] {
            let plan = PolynomialPlan::new(&polynomial);
            let expected: Vec<f64> = values.iter().map(|v| polynomial.eval(*v)).collect();
            check(name, &evaluate_unit_leveled(&eval, &plan, x)?, &expected)?;
            push(
                name,
                effort.measure(1, || {
                    drop(black_box(evaluate_unit_leveled(&eval, &plan, x)));
                }),
            );
        }
    }
    rotate_and_sum(eval.inner(), x, TERMS, 1)?;
    push(
        "rotate_and_sum_1024",
        effort.measure(1, || {
            drop(black_box(rotate_and_sum(eval.inner(), x, TERMS, 1)));
        }),
    );
    Ok(())
}

/// A matrix with diagonals `0..diagonals`, entries of about `1 / diagonals`.
fn banded(slots: usize, diagonals: usize) -> LinearTransform {
    let mut transform = LinearTransform::new(slots, 1, 1);
    for d in 0..diagonals {
        for to in 0..slots {
            let value = ((d + 3 * to) as f64).cos() / diagonals as f64;
            transform.add_entry(0, to, 0, (to + d) % slots, value);
        }
    }
    transform
}

/// A record of a circuit on operands at `level`, without times.
fn record(params: &Params, level: Level, op: &'static str, threads: usize) -> Record {
    Record {
        n: Some(params.n()),
        log_q: Some(params.chain().at(level).log_q),
        log_qp: Some(params.log_qp()),
        limbs: Some(params.chain().limbs(level)),
        dnum: Some(params.digits(level)),
        slots: Some(params.slots()),
        threads,
        isa: Some(params.ring().isa().to_string()),
        ..Record::new("circuits", op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_have_the_diagonals_that_their_names_say() {
        let transform = banded(16, 4);
        let y = transform.apply_clear(&[vec![1.0; 16]]);
        let expected: f64 = (0..4).map(|d| f64::from(d + 3 * 5).cos() / 4.0).sum();
        assert!((y[0][5] - expected).abs() < 1e-12);
        for (name, diagonals, babies, _) in TRANSFORMS {
            assert!(name.contains(&format!("_{diagonals}_")) && diagonals % babies == 0);
        }
    }
}
