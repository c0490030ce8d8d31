//! Bootstrapping: every preset at every number of slots in a process of its own, and OpenFHE's beside it.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use girih_bootstrap::{BootstrapKeys, Bootstrapper, Preset};
use girih_ckks::{Ciphertext, Decryptor, Encoder, KeyGenerator, SecretKey, SymmetricEncryptor};
use girih_he::KeyManifest;
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::Serialize;
use serde_json::Value;

use crate::peers::Python;
use crate::record::{Effort, Record, human_ns};
use crate::{Bench, own_process};

/// Slots besides all of them, for the first preset.
const FEW_SLOTS: usize = 4096;

/// Most repetitions of a bootstrapping.
const REPETITIONS: usize = 5;

/// One bootstrapping, beyond the usual fields.
#[derive(Debug, Serialize)]
struct Measured {
    #[serde(flatten)]
    record: Record,
    preset: &'static str,
    /// Levels between output and input.
    levels_left: usize,
    /// log2 of the modulus of the output.
    modulus_bits_left: f64,
    /// `-log2` of the mean error over the slots, of random values with parts in [-1, 1].
    precision_mean_bits: f64,
    /// Of the worst slot.
    precision_worst_bits: f64,
    /// Of the worst slot, all slots being 1.
    precision_constant_bits: f64,
    /// log2 of a bound of the probability that a bootstrapping fails.
    failure_log2: f64,
    /// Bytes of all evaluation keys in memory.
    key_bytes: usize,
    /// Bytes of the encoded diagonals.
    diagonal_bytes: usize,
    /// Largest resident memory of the process.
    peak_bytes: u64,
    /// Generation of all keys.
    keygen_ns: u64,
    /// Encoding of all diagonals.
    prepare_ns: u64,
    /// Slots times bits of modulus left times bits of precision, per second.
    merit: f64,
}

/// All presets, each in a process of its own, and OpenFHE's bootstrapping where it can be had.
///
/// # Errors
/// A process that fails.
pub(crate) fn run(bench: &Bench, json: Option<&Path>) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let all = Preset::all()?;
    let chosen = if bench.quick { &all[..1] } else { &all[..] };
    for (k, preset) in chosen.iter().enumerate() {
        let full = preset.spec.slots;
        let few = (k == 0 && !bench.quick).then_some(FEW_SLOTS);
        for slots in [Some(full), few].into_iter().flatten() {
            eprintln!("{}: {slots} slots, {} threads", preset.name, bench.threads);
            rows.push(in_own_process(preset.name, slots, bench)?);
        }
    }
    if !bench.quick {
        eprintln!("openfhe: {} threads", bench.threads);
        match openfhe(bench.threads) {
            Ok(found) => rows.extend(found),
            Err(why) => eprintln!("without OpenFHE: {why:#}"),
        }
    }
    println!("{}", table(&rows));
    if let Some(path) = json {
        own_process::write(&rows, path)?;
    }
    Ok(())
}

/// OpenFHE's bootstrapping.
fn openfhe(threads: usize) -> anyhow::Result<Vec<Value>> {
    let python = Python::prepare()?;
    let printed = python.run::<&str>("openfhe_bootstrap.py", &[], threads)?;
    Ok(own_process::lines(&printed)?
        .into_iter()
        .map(with_merit)
        .collect())
}

fn in_own_process(preset: &str, slots: usize, bench: &Bench) -> anyhow::Result<Value> {
    let slots = slots.to_string();
    let arguments = ["bootstrap", "--preset", preset, "--slots", &slots];
    own_process::measured(preset, arguments, bench)
}

/// Slots times bits left times bits of precision, per second.
fn merit(slots: f64, modulus_bits: f64, precision_bits: f64, ns: f64) -> f64 {
    slots * modulus_bits * precision_bits / (ns * 1e-9)
}

fn with_merit(mut row: Value) -> Value {
    let field = |name: &str| row[name].as_f64().unwrap_or(f64::NAN);
    let merit = merit(
        field("slots"),
        field("modulus_bits_left"),
        field("precision_mean_bits"),
        field("median_ns"),
    );
    row["merit"] = merit.into();
    row
}

fn table(rows: &[Value]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "impl",
        "preset",
        "slots",
        "threads",
        "time",
        "levels left",
        "bits left",
        "mean bits",
        "worst",
        "constant",
        "failure",
        "keys GB",
        "peak GB",
        "keygen",
        "merit",
    ]);
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap_or("").to_string();
        let number = |name: &str, digits: usize, unit: f64| match row[name].as_f64() {
            Some(value) => format!("{:.digits$}", value / unit),
            None => "-".into(),
        };
        let time = |name: &str| row[name].as_u64().map_or("-".into(), human_ns);
        table.add_row([
            text("impl"),
            text("preset"),
            number("slots", 0, 1.0),
            number("threads", 0, 1.0),
            time("median_ns"),
            number("levels_left", 0, 1.0),
            number("modulus_bits_left", 0, 1.0),
            number("precision_mean_bits", 1, 1.0),
            number("precision_worst_bits", 1, 1.0),
            number("precision_constant_bits", 1, 1.0),
            number("failure_log2", 0, 1.0),
            number("key_bytes", 2, 1e9),
            number("peak_bytes", 2, 1e9),
            time("keygen_ns"),
            number("merit", 0, 1e6),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// One preset in this process: one JSON object on standard output.
///
/// # Errors
/// No preset of that name, slots that it does not take.
pub(crate) fn run_one(bench: &Bench, name: &str, slots: usize) -> anyhow::Result<()> {
    let preset = Preset::by_name(name)?.with_context(|| format!("no preset {name:?}"))?;
    let name = preset.name;
    let plan = preset.with_slots(slots).plan()?;
    let params = plan.params().clone();
    let failure_log2 = plan.failure_log2()?;
    let (input, output, levels_left) =
        (plan.input_level(), plan.output_level(), plan.levels_left());
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let secret = KeyGenerator::new(&params).secret_key(&mut rng);
    let start = Instant::now();
    let keys = BootstrapKeys::generate(&plan, &KeyManifest::default(), &secret, &mut rng)?;
    let keygen_ns = start.elapsed().as_nanos() as u64;
    let key_bytes = keys.bytes();
    let bootstrapper = Bootstrapper::try_new(plan, keys)?;
    let start = Instant::now();
    bootstrapper.prepare()?;
    let prepare_ns = start.elapsed().as_nanos() as u64;
    let unit = |rng: &mut ChaCha20Rng| rng.next_u64() as f64 / 2f64.powi(63) - 1.0;
    let random: Vec<Complex64> = (0..slots)
        .map(|_| Complex64::new(unit(&mut rng), unit(&mut rng)))
        .collect();
    let encoder = Encoder::new(&params);
    let mut encrypt = |values: &[Complex64]| -> anyhow::Result<(Vec<Complex64>, Ciphertext)> {
        let all = values.iter().copied().cycle().take(params.slots());
        let all: Vec<Complex64> = all.collect();
        let plaintext = encoder.encode_complex(&all, input, params.chain().scale(input))?;
        let a = SymmetricEncryptor::new(&secret).encrypt(&plaintext, &mut rng)?;
        Ok((all, a))
    };
    let (values, a) = encrypt(&random)?;
    let (ones, one) = encrypt(&vec![Complex64::ONE; slots])?;
    let random = bits(&encoder, &secret, &bootstrapper.bootstrap(&a)?, &values)?;
    let constant = bits(&encoder, &secret, &bootstrapper.bootstrap(&one)?, &ones)?;
    let effort = Effort {
        min_reps: if bench.quick { 1 } else { REPETITIONS },
        max_reps: REPETITIONS,
        ..bench.effort
    };
    let timing = effort.measure(1, || drop(black_box(bootstrapper.bootstrap(&a))));
    let modulus_bits_left = params.chain().at(output).log_q;
    let measured = Measured {
        record: Record {
            n: Some(params.n()),
            log_q: Some(params.log_q()),
            log_qp: Some(params.log_qp()),
            limbs: Some(params.chain().limbs(params.top())),
            dnum: Some(params.digits(params.top())),
            slots: Some(slots),
            threads: bench.threads,
            isa: Some(params.ring().isa().to_string()),
            ..Record::new("bootstrap", "bootstrap")
        }
        .timed(timing),
        preset: name,
        levels_left,
        modulus_bits_left,
        precision_mean_bits: random.0,
        precision_worst_bits: random.1,
        precision_constant_bits: constant.1,
        failure_log2,
        key_bytes,
        diagonal_bytes: bootstrapper.diagonal_bytes(),
        peak_bytes: girih_engine::peak_bytes().unwrap_or(0),
        keygen_ns,
        prepare_ns,
        merit: merit(
            slots as f64,
            modulus_bits_left,
            random.0,
            timing.median_ns as f64,
        ),
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// `-log2` of the mean and of the largest error.
fn bits(
    encoder: &Encoder,
    secret: &SecretKey,
    a: &Ciphertext,
    wanted: &[Complex64],
) -> anyhow::Result<(f64, f64)> {
    let got = encoder.decode_complex(&Decryptor::new(secret).decrypt(a)?);
    let errors: Vec<f64> = got
        .iter()
        .zip(wanted)
        .map(|(g, w)| (g - w).norm())
        .collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let worst = errors.iter().copied().fold(0.0, f64::max);
    Ok((-mean.log2(), -worst.log2()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_processes_become_rows() {
        let text = "a warning\n{\"impl\": \"openfhe\", \"slots\": 8, \"modulus_bits_left\": 10, \
                    \"precision_mean_bits\": 2, \"median_ns\": 1000000000}\n";
        let rows: Vec<Value> = own_process::lines(text)
            .expect("one")
            .into_iter()
            .map(with_merit)
            .collect();
        assert_eq!(rows[0]["merit"], 160.0);
        assert!(table(&rows).to_string().contains("openfhe"));
        assert!(own_process::lines("{broken").is_err());
    }
}
