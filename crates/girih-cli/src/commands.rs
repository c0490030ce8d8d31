//! One file a command, and the options that several of them share.

pub(crate) mod calibrate;
pub(crate) mod compile;
pub(crate) mod decrypt;
pub(crate) mod encrypt;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod fit;
pub(crate) mod infer;
pub(crate) mod keygen;
pub(crate) mod params;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use girih_ckks::Params;
use girih_compile::{
    Batch, Caps, Compiled, Effort, Measure, Objective, Refresh, Requirements, Target, Weights,
    compile,
};
use girih_engine::files::{self, Overwrite};
use girih_engine::{CkksScheme, INSECURE, MachineTable, ModelDigest, ranges_from_json, spec};
use girih_model::Graph;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::npy;

/// What a compiled model must satisfy.
#[derive(Debug, clap::Args)]
pub(crate) struct CompileOptions {
    /// What is to be small: `latency` (the server's time until the samples asked for are answered), `throughput` (its time for a
    /// sample), `client` (time), `memory` (of the server), `wire` (bytes of encrypted input and output).
    #[arg(long, default_value = "latency", value_parser = objective)]
    pub(crate) objective: Objective,
    /// Samples that are answered together, more are run in chunks; `auto` for as many as serve the objective best.
    #[arg(long, default_value = "1", value_parser = batch)]
    pub(crate) batch: Batch,
    /// Largest error of an output value (six standard deviations of the predicted noise).
    #[arg(long, default_value_t = 1e-3)]
    pub(crate) precision: f64,
    /// Sample inputs: ranges of the functions that polynomials replace are measured on them, and plans are chosen.
    #[arg(long, value_name = "X.npy")]
    pub(crate) calibrate: Option<PathBuf>,
    /// Ranges and plans that `girih calibrate` wrote for this model.
    #[arg(long, value_name = "R.json")]
    pub(crate) ranges: Option<PathBuf>,
    /// Measured ranges are widened by this factor about their centres (with --calibrate).
    #[arg(long, default_value_t = 1.25)]
    pub(crate) margin: f64,
    /// Degree of the polynomials that replace functions, instead of a choice by their effect.
    #[arg(long, conflicts_with_all = ["target_loss", "target_error"])]
    pub(crate) degree: Option<usize>,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
    /// Keeps the weights from the server: they become further encrypted inputs.
    #[arg(long)]
    pub(crate) encrypt_weights: bool,
    /// Bits of security: 128, 192 or 256. `insecure` switches the gate off, for experiments only.
    #[arg(long, default_value = "128", value_parser = security_bits)]
    pub(crate) security: u32,
    /// Whether ciphertexts may be bootstrapped: `auto` where no parameters hold the model without it, or where it is faster.
    #[arg(long, default_value = "auto", value_parser = refresh)]
    pub(crate) bootstrapping: Refresh,
    #[command(flatten)]
    pub(crate) caps: CapOptions,
    /// Looks for plans until none of those that are left can be better, however long it takes.
    #[arg(long)]
    pub(crate) exhaustive: bool,
    /// The table of a machine that `cargo xtask calibrate` wrote: plans and predictions are for that machine.
    #[arg(long, value_name = "M.json")]
    pub(crate) machine: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) values: InputOptions,
}

/// What a plan may cost, by the prices it is made with: those of one thread. All samples asked for count.
#[derive(Debug, clap::Args)]
pub(crate) struct CapOptions {
    /// Most mebibytes the evaluation may use; what the system has available without it.
    #[arg(long, value_name = "MIB", value_parser = positive)]
    pub(crate) max_memory: Option<f64>,
    /// Most mebibytes of the client: keys as they are made, ciphertexts.
    #[arg(long, value_name = "MIB", value_parser = positive)]
    pub(crate) max_client_memory: Option<f64>,
    /// Most mebibytes of evaluation keys.
    #[arg(long, value_name = "MIB", value_parser = positive)]
    pub(crate) max_keys: Option<f64>,
    /// Most mebibytes of encrypted input and output.
    #[arg(long, value_name = "MIB", value_parser = positive)]
    pub(crate) max_wire: Option<f64>,
    /// Most mebibytes of encrypted input.
    #[arg(long, value_name = "MIB", value_parser = positive)]
    pub(crate) max_input: Option<f64>,
    /// Most mebibytes of encrypted output.
    #[arg(long, value_name = "MIB", value_parser = positive)]
    pub(crate) max_output: Option<f64>,
    /// Most seconds of the server.
    #[arg(long, value_name = "S", value_parser = positive)]
    pub(crate) max_seconds: Option<f64>,
    /// Most seconds of the server before the first run (encoding of the weights).
    #[arg(long, value_name = "S", value_parser = positive)]
    pub(crate) max_setup_seconds: Option<f64>,
    /// Most seconds of the client (encryption and decryption).
    #[arg(long, value_name = "S", value_parser = positive)]
    pub(crate) max_client_seconds: Option<f64>,
}

impl CapOptions {
    fn caps(&self) -> Caps {
        const MIB: f64 = 1_048_576.0;
        let bytes = |cap: Option<f64>| cap.map(|mib| mib * MIB);
        let memory = bytes(self.max_memory).or_else(|| available_memory().map(|b| b as f64));
        [
            (Measure::ServerBytes, memory),
            (Measure::ClientBytes, bytes(self.max_client_memory)),
            (Measure::KeyBytes, bytes(self.max_keys)),
            (Measure::WireBytes, bytes(self.max_wire)),
            (Measure::InputBytes, bytes(self.max_input)),
            (Measure::OutputBytes, bytes(self.max_output)),
            (Measure::ServerSeconds, self.max_seconds),
            (Measure::SetupSeconds, self.max_setup_seconds),
            (Measure::ClientSeconds, self.max_client_seconds),
        ]
        .into_iter()
        .filter_map(|(measure, most)| Some((measure, most?)))
        .fold(Caps::default(), |caps, (measure, most)| {
            caps.with(measure, most)
        })
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if v.is_finite() && v > 0.0 => Ok(v),
        _ => Err(format!("{text} is not a positive number")),
    }
}

fn objective(text: &str) -> Result<Objective, String> {
    text.parse()
}

fn batch(text: &str) -> Result<Batch, String> {
    match text {
        "auto" => Ok(Batch::Free),
        _ => match text.parse() {
            Ok(samples) => Ok(Batch::Of(samples)),
            Err(_) => Err(format!("{text:?} is neither a number nor auto")),
        },
    }
}

/// What replacing functions may do to the answers of the plain model.
#[derive(Debug, clap::Args)]
pub(crate) struct TargetOptions {
    /// Most answers that may change, in percent; with labels also most right answers that may be lost. 0.2 without it.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) target_loss: Option<f64>,
    /// Largest difference of an output; for models with one output 1 % of the spread of its values without it.
    #[arg(long, value_name = "E")]
    pub(crate) target_error: Option<f64>,
    /// Most levels of one function: plans deeper than 6 may be compositions. 6 without it.
    #[arg(long, value_name = "LEVELS")]
    pub(crate) max_depth: Option<u32>,
}

impl TargetOptions {
    /// Whether a target is asked for.
    pub(crate) fn given(&self) -> bool {
        self.target_loss.is_some() || self.target_error.is_some() || self.max_depth.is_some()
    }

    pub(crate) fn target(&self) -> Target {
        let default = Target::default();
        Target {
            loss: self.target_loss.map_or(default.loss, |p| p / 100.0),
            error: self.target_error,
            max_depth: self.max_depth.unwrap_or(default.max_depth),
        }
    }
}

fn refresh(text: &str) -> Result<Refresh, String> {
    match text {
        "auto" => Ok(Refresh::Auto),
        "never" => Ok(Refresh::Never),
        "always" => Ok(Refresh::Always),
        other => Err(format!("{other:?} is none of auto, never, always")),
    }
}

fn security_bits(text: &str) -> Result<u32, String> {
    match text {
        "128" => Ok(128),
        "192" => Ok(192),
        "256" => Ok(256),
        "insecure" => Ok(INSECURE),
        other => Err(format!("{other:?} is none of 128, 192, 256, insecure")),
    }
}

/// What a model is compiled for.
pub(crate) enum Request {
    /// Samples that are not there yet.
    Any,
    /// So many samples, which are there.
    Samples(usize),
}

/// A model, compiled.
pub(crate) struct Model {
    pub(crate) graph: Graph,
    pub(crate) compiled: Compiled,
    pub(crate) params: Params,
    pub(crate) seconds: f64,
}

impl CompileOptions {
    /// The prices: those of the machine that is named, or the shipped ones.
    pub(crate) fn machine(&self) -> anyhow::Result<MachineTable> {
        match &self.machine {
            Some(path) => MachineTable::load(path).with_context(|| path.display().to_string()),
            None => Ok(MachineTable::shipped()),
        }
    }

    /// Compiles a model. `fallback`, samples and what they are, calibrates if no samples are given and the model
    /// needs some.
    pub(crate) fn compile(
        &self,
        (graph, digest): (Graph, ModelDigest),
        fallback: Option<(&ndarray::ArrayD<f64>, &str)>,
        request: Request,
    ) -> anyhow::Result<Model> {
        let begin = Instant::now();
        let ranges = match &self.ranges {
            Some(path) => Some(
                ranges_from_json(&files::read(path)?, &digest)
                    .with_context(|| path.display().to_string())?,
            ),
            None => None,
        };
        let mut calibration = match &self.calibrate {
            Some(path) => Some(
                girih_engine::with_batch(graph.input_shape(), npy::read(path, self.values.divide)?)
                    .context("--calibrate")?,
            ),
            None => None,
        };
        let replaces = graph
            .nodes
            .iter()
            .any(|n| matches!(n.op, girih_model::Op::Activation(_)));
        let known = calibration.is_some() || ranges.is_some();
        if let (false, true, Some((samples, what))) = (known, replaces, fallback) {
            eprintln!(
                "note: neither --ranges (see girih calibrate) nor --calibrate samples; the ranges of replaced functions are \
                 measured on {what}"
            );
            calibration = Some(samples.clone());
        }
        let requirements = Requirements {
            batch: match (self.batch, request) {
                (Batch::Free, Request::Samples(samples)) => Batch::Of(samples),
                (batch, _) => batch,
            },
            precision: self.precision,
            security: self.security,
            weights: if self.encrypt_weights {
                Weights::Encrypted
            } else {
                Weights::Plain
            },
            calibration,
            ranges,
            range_margin: self.margin,
            target: self.target.given().then(|| self.target.target()),
            degree: self.degree,
            bootstrapping: self.bootstrapping,
            objective: self.objective,
            caps: self.caps.caps(),
            effort: match self.exhaustive {
                true => Effort::Exhaustive,
                false => Effort::Quick,
            },
            ..Requirements::default()
        };
        let compiled = compile(
            &graph,
            &requirements,
            &CkksScheme::on(self.machine()?.machine(1)),
        )?;
        let params = Params::try_new(spec(&compiled.chain).map_err(anyhow::Error::msg)?)?;
        Ok(Model {
            graph,
            compiled,
            params,
            seconds: begin.elapsed().as_secs_f64(),
        })
    }
}

/// Reads an ONNX file.
pub(crate) fn load_with_digest(path: &Path) -> anyhow::Result<(Graph, ModelDigest)> {
    let cannot = || format!("cannot read the model {}", path.display());
    let graph = girih_model::load_onnx(path).with_context(cannot)?;
    let digest = ModelDigest::of(&files::read(path).with_context(cannot)?);
    Ok((graph, digest))
}

/// What Linux says can be had without swapping; `None` elsewhere.
pub(crate) fn available_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// How values are read.
#[derive(Debug, clap::Args)]
pub(crate) struct InputOptions {
    /// Divides the values read by this number: images of bytes (u8) are given so, usually by 255.
    #[arg(long, value_name = "D", value_parser = positive)]
    pub(crate) divide: Option<f64>,
}

/// Where results go.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputOptions {
    /// Replaces outputs that exist.
    #[arg(long)]
    pub(crate) force: bool,
}

impl OutputOptions {
    pub(crate) fn overwrite(&self) -> Overwrite {
        if self.force {
            Overwrite::Replace
        } else {
            Overwrite::Refuse
        }
    }
}

/// How many threads.
#[derive(Debug, clap::Args)]
pub(crate) struct ThreadOptions {
    /// Threads; all cores without it.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
}

/// Stack of a worker: a thread that waits for a loop takes up other work on top of its own.
const STACK_BYTES: usize = 16 << 20;

impl ThreadOptions {
    /// Runs `body` in a pool of that many threads.
    pub(crate) fn install<T: Send>(
        &self,
        body: impl FnOnce(usize) -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let threads = match self.threads {
            Some(0) => bail!("--threads must be at least 1"),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .stack_size(STACK_BYTES)
            .build()
            .context("cannot start the threads")?;
        pool.install(|| body(threads))
    }
}

/// Where randomness comes from.
#[derive(Debug, clap::Args)]
pub(crate) struct SeedOptions {
    /// Makes keys and encryptions PREDICTABLE: for reproducible tests only. The system's generator without it.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

impl SeedOptions {
    /// A generator seeded by the system, or by `--seed`. `domain` keeps the steps of one seed apart.
    pub(crate) fn rng(&self, domain: &str) -> anyhow::Result<ChaCha20Rng> {
        let mut seed = [0; 32];
        match self.seed {
            Some(number) => {
                eprintln!(
                    "warning: --seed makes keys and encryptions predictable; use it for tests only"
                );
                seed[..8].copy_from_slice(&number.to_le_bytes());
                for (byte, letter) in seed[8..].iter_mut().zip(domain.bytes()) {
                    *byte = letter;
                }
            }
            None => getrandom::fill(&mut seed)
                .map_err(|e| anyhow::anyhow!("no randomness from the system: {e}"))?,
        }
        Ok(ChaCha20Rng::from_seed(seed))
    }
}

/// Refuses an estimate beyond the memory of this machine, before anything is allocated.
pub(crate) fn check_memory(needed: u64) -> anyhow::Result<()> {
    match available_memory() {
        Some(available) if needed > available => Err(girih_engine::Error::Memory {
            needed_mib: needed >> 20,
            available_mib: available >> 20,
        }
        .into()),
        _ => Ok(()),
    }
}
