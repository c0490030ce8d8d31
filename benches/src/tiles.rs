//! Whole networks, predictions beside measurements: seconds and peak bytes, every case in a process of its own, with what HElayers
//! took for the same shape.

mod cases;

use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use girih_ckks::Params;
use girih_compile::{Requirements, compile};
use girih_engine::{CkksScheme, Comparison, Explanation, LocalSession, spec};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Serialize;
use serde_json::Value;

use crate::record::{Effort, Record, human_ns};
use crate::{Bench, own_process};
use cases::{CASES, Case, Peer};

/// One case, beyond the usual fields.
#[derive(Debug, Serialize)]
struct Measured {
    #[serde(flatten)]
    record: Record,
    /// The name of the case.
    case: &'static str,
    predicted_ns: u64,
    /// `predicted_ns / min_ns`.
    time_ratio: f64,
    predicted_peak_bytes: u64,
    /// Largest resident memory of the process from the keys to the answer.
    peak_bytes: u64,
    /// `predicted_peak_bytes / peak_bytes`.
    memory_ratio: f64,
    /// Samples a second.
    images_per_second: f64,
    key_bytes: u64,
    /// Constants encoded ahead.
    constant_bytes: u64,
    /// Encrypted input.
    input_bytes: u64,
    compile_ns: u64,
    keygen_ns: u64,
    encode_ns: u64,
    encrypt_ns: u64,
    /// Largest difference from the plain model.
    max_error: f64,
    /// What HElayers took.
    helayers: Option<Peer>,
    /// `helayers.seconds / median` by samples.
    speed_up: Option<f64>,
}

/// All cases, or those asked for, each in a process of its own.
///
/// # Errors
/// A process that fails.
pub(crate) fn run(bench: &Bench, alexnet: bool, json: Option<&Path>) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for case in CASES.iter().filter(|c| alexnet || !c.large) {
        if bench.quick && case.name != "dense_squares" {
            continue;
        }
        eprintln!("{}: {} threads", case.name, bench.threads);
        rows.push(in_own_process(case.name, bench)?);
    }
    println!("{}", table(&rows));
    if let Some(path) = json {
        own_process::write(&rows, path)?;
    }
    Ok(())
}

fn in_own_process(case: &str, bench: &Bench) -> anyhow::Result<Value> {
    let machine = bench.machine.iter();
    let machine = machine.flat_map(|path| [OsStr::new("--machine"), path.as_os_str()]);
    let arguments = ["tiles", "--case", case].map(OsStr::new);
    own_process::measured(case, arguments.into_iter().chain(machine), bench)
}

/// One case in this process: one JSON object on standard output.
///
/// # Errors
/// No case of that name, a network that cannot be compiled.
pub(crate) fn run_one(bench: &Bench, name: &str) -> anyhow::Result<()> {
    let known = || CASES.map(|c| c.name).join(", ");
    let case = CASES
        .iter()
        .find(|c| c.name == name)
        .with_context(|| format!("no case {name:?}; there are {}", known()))?;
    let measured = measure(bench, case)?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn measure(bench: &Bench, case: &Case) -> anyhow::Result<Measured> {
    let machine = bench.machine()?;
    let begin = Instant::now();
    let graph = case.graph()?;
    let requirements = Requirements {
        batch: case.batch.into(),
        weights: case.weights,
        calibration: case.calibration(&graph)?,
        ..Requirements::default()
    };
    let compiled = compile(&graph, &requirements, &CkksScheme::on(machine.machine(1)))?;
    let compile_ns = begin.elapsed().as_nanos() as u64;
    drop(requirements);
    let params = Params::try_new(spec(&compiled.chain).map_err(anyhow::Error::msg)?)?;
    let explanation = Explanation::of(&compiled, &params, &machine.machine(bench.threads))?;
    let input = case.input(&graph)?;
    let mut rng = ChaCha20Rng::from_seed(girih_fixtures::seed("bench tiles"));
    let compile_seconds = compile_ns as f64 * 1e-9;
    let quiet = |_, _| ();
    let session = LocalSession::start(&compiled, &explanation, compile_seconds, &mut rng, &quiet)?;
    drop(compiled);
    let (answer, report) = session.infer(input.clone(), &mut rng, &quiet)?;
    let comparison = Comparison::with_plain(&graph, &input, &answer)?;
    let encrypted = session.client().encrypt(input, &mut rng)?;
    let mut failure = None;
    let timing = bench.effort.of_long().measure(1, || {
        if let Err(error) = session.server().evaluate(&encrypted, None) {
            failure = Some(error);
        }
    });
    if let Some(error) = failure {
        return Err(error.into());
    }
    let peak_bytes = girih_engine::peak_bytes().unwrap_or(0);
    let mut record = Record::new("tiles", "infer").timed(timing);
    record.n = Some(params.n());
    record.log_q = Some(params.log_q());
    record.log_qp = Some(params.log_qp());
    record.limbs = Some(params.chain().limbs(params.top()));
    record.dnum = Some(params.digits(params.top()));
    record.slots = Some(params.slots());
    record.threads = bench.threads;
    record.isa = Some(params.ring().isa().to_string());
    record.model = Some(graph.name.clone());
    record.batch = Some(case.batch);
    let ns = |seconds: f64| (seconds * 1e9) as u64;
    let seconds = timing.median_ns as f64 * 1e-9;
    let rate = case.batch as f64 / seconds;
    Ok(Measured {
        record,
        case: case.name,
        predicted_ns: ns(report.predicted_seconds),
        time_ratio: report.predicted_seconds / (timing.min_ns as f64 * 1e-9),
        predicted_peak_bytes: report.predicted_peak_bytes,
        peak_bytes,
        memory_ratio: report.predicted_peak_bytes as f64 / peak_bytes as f64,
        images_per_second: rate,
        key_bytes: report.key_bytes,
        constant_bytes: report.constant_bytes,
        input_bytes: report.ciphertext_bytes,
        compile_ns,
        keygen_ns: ns(report.keygen_seconds),
        encode_ns: ns(report.encode_seconds),
        encrypt_ns: ns(report.encrypt_seconds),
        max_error: comparison.max_error,
        helayers: case.helayers,
        speed_up: case
            .helayers
            .map(|peer| rate / (peer.batch as f64 / peer.seconds)),
    })
}

impl Effort {
    /// Fewer repetitions at least, for runs of seconds.
    fn of_long(self) -> Effort {
        Effort {
            min_reps: self.min_reps.min(3),
            ..self
        }
    }
}

fn table(rows: &[Value]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "case",
        "batch",
        "N",
        "threads",
        "time",
        "least",
        "predicted",
        "ratio",
        "peak MB",
        "predicted",
        "ratio",
        "keys MB",
        "constants MB",
        "images/s",
        "error",
        "HElayers",
        "faster",
    ]);
    for row in rows {
        let number = |name: &str, digits: usize, unit: f64| match row[name].as_f64() {
            Some(value) => format!("{:.digits$}", value / unit),
            None => "-".into(),
        };
        let time = |name: &str| row[name].as_u64().map_or("-".into(), human_ns);
        let helayers = &row["helayers"];
        let peer = match (helayers["seconds"].as_f64(), helayers["bytes"].as_f64()) {
            (Some(seconds), Some(bytes)) => format!("{seconds} s, {:.1} GB", bytes / 1e9),
            (Some(seconds), None) => format!("{seconds} s"),
            _ => "-".into(),
        };
        table.add_row([
            row["case"].as_str().unwrap_or("").to_string(),
            number("batch", 0, 1.0),
            number("n", 0, 1.0),
            number("threads", 0, 1.0),
            time("median_ns"),
            time("min_ns"),
            time("predicted_ns"),
            number("time_ratio", 2, 1.0),
            number("peak_bytes", 0, 1e6),
            number("predicted_peak_bytes", 0, 1e6),
            number("memory_ratio", 2, 1.0),
            number("key_bytes", 0, 1e6),
            number("constant_bytes", 0, 1e6),
            number("images_per_second", 1, 1.0),
            format!("{:.0e}", row["max_error"].as_f64().unwrap_or(f64::NAN)),
            peer,
            number("speed_up", 1, 1.0),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
