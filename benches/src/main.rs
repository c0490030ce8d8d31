//! The measurements behind `cargo xtask bench`: one suite per run, a table for people and, with
//! `--json`, one JSON object per measurement.
#![forbid(unsafe_code)]

mod bootstrap;
mod calibrate;
mod circuits;
mod ckks;
mod kernels;
mod machine;
mod nn;
mod nonlinear;
mod ntt;
mod own_process;
mod peers;
mod record;
mod roofline;
mod threads;
mod tiles;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use girih_engine::MachineTable;

use record::{Effort, Report};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Transforms, with concrete-ntt measured in the same run.
    Ntt,
    /// Operations of the scheme.
    Ckks,
    /// Linear transforms and polynomials.
    Circuits,
    /// The scheme and the transforms against peers: a table of ratios.
    Peers,
    /// Whole networks.
    Nn,
    /// Bootstrapping, every preset in a process of its own, with OpenFHE's.
    Bootstrap,
    /// Softmax, gelu and layer norm by method.
    Nonlinear,
    /// A simulation of threads.
    Threads,
    /// Every priced primitive, as the table of this machine.
    Calibrate,
    /// Whole networks with predictions beside measurements, every case in a process of its own.
    Tiles,
    /// Every kernel on every instruction set, with the dispatcher's pick and the share of its bound.
    Kernels,
}

/// Measures girih.
#[derive(Debug, Parser)]
#[command(name = "girih-benches")]
struct Args {
    /// What to measure.
    suite: Suite,
    /// Writes one JSON object per measurement to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Threads of the pool.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Few repetitions and small sizes: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Suite `ckks`: with one thread and with `--threads`, by turns.
    #[arg(long)]
    scaling: bool,
    /// Suite `bootstrap`: one preset, in this process, as one JSON object.
    #[arg(long, requires = "slots")]
    preset: Option<String>,
    /// Suite `bootstrap`: slots that differ.
    #[arg(long, requires = "preset")]
    slots: Option<usize>,
    /// Suite `tiles`: predicts with the table of a machine that `calibrate` wrote.
    #[arg(long, value_name = "FILE")]
    machine: Option<PathBuf>,
    /// Suite `calibrate`: writes the table to this file.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Suite `tiles`: one case, in this process, as one JSON object.
    #[arg(long)]
    case: Option<String>,
    /// Suite `tiles`: the large network too.
    #[arg(long)]
    alexnet: bool,
    /// Suite `kernels`: fails if a lower instruction set is faster than the dispatcher's pick.
    #[arg(long)]
    assert: bool,
    /// Suite `threads`: the numbers of cores.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,16,32")]
    cores: Vec<usize>,
    /// Suite `threads`: measures those numbers that this machine has.
    #[arg(long)]
    measure: bool,
    /// Suite `threads`: GB/s that all cores together read from memory, if not as measured here.
    #[arg(long)]
    bandwidth: Option<f64>,
}

/// What every suite is given: threads, effort and where results go.
pub struct Bench {
    /// Threads of the pool that the suite runs in.
    pub threads: usize,
    /// How long to measure.
    pub effort: Effort,
    /// Whether to leave out the large sizes.
    pub quick: bool,
    /// The table of a machine for predictions, if not the shipped one.
    pub machine: Option<PathBuf>,
    /// The results.
    pub report: Report,
}

impl Bench {
    /// The table of the machine.
    pub(crate) fn machine(&self) -> anyhow::Result<MachineTable> {
        Ok(match &self.machine {
            Some(path) => MachineTable::load(path)?,
            None => MachineTable::shipped(),
        })
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    anyhow::ensure!(args.threads >= 1, "--threads must be at least 1");
    let pool = pool(args.threads)?;
    anyhow::ensure!(
        !args.scaling || (args.suite == Suite::Ckks && args.threads > 1),
        "--scaling is for the suite ckks with --threads of at least 2"
    );
    anyhow::ensure!(
        args.cores.iter().all(|cores| (1..=1024).contains(cores)),
        "--cores are numbers from 1 to 1024"
    );
    let mut bench = Bench {
        threads: args.threads,
        effort: if args.quick {
            Effort::QUICK
        } else {
            Effort::FULL
        },
        quick: args.quick,
        machine: args.machine.clone(),
        report: Report::default(),
    };
    if args.suite == Suite::Threads {
        let options = threads::Options {
            cores: &args.cores,
            measure: args.measure,
            bandwidth: args.bandwidth,
            json: args.json.as_deref(),
        };
        return threads::run(&bench, &options);
    }
    if args.suite == Suite::Bootstrap {
        return match (&args.preset, args.slots) {
            (Some(preset), Some(slots)) => {
                pool.install(|| bootstrap::run_one(&bench, preset, slots))
            }
            _ => bootstrap::run(&bench, args.json.as_deref()),
        };
    }
    if args.suite == Suite::Calibrate {
        return calibrate::run(&bench, args.output.as_deref());
    }
    if args.suite == Suite::Tiles {
        return match &args.case {
            Some(case) => pool.install(|| tiles::run_one(&bench, case)),
            None => tiles::run(&bench, args.alexnet, args.json.as_deref()),
        };
    }
    if args.suite == Suite::Nonlinear {
        return pool.install(|| nonlinear::run(&bench, args.json.as_deref()));
    }
    if args.scaling {
        ckks::scaling(&mut bench)?;
        return finish(&bench, args.json.as_deref());
    }
    pool.install(|| match args.suite {
        Suite::Threads | Suite::Nonlinear | Suite::Bootstrap | Suite::Tiles | Suite::Calibrate => {
            Ok(())
        }
        Suite::Circuits => circuits::run(&mut bench),
        Suite::Peers => peers::run(&mut bench),
        Suite::Ntt => ntt::run(&mut bench),
        Suite::Ckks => ckks::run(&mut bench),
        Suite::Nn => nn::run(&mut bench),
        Suite::Kernels => kernels::run(&mut bench, args.assert),
    })?;
    finish(&bench, args.json.as_deref())
}

/// A pool with stacks for deep recursions.
pub(crate) fn pool(threads: usize) -> anyhow::Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(16 << 20)
        .build()
        .context("cannot start the threads")
}

/// Prints the table and writes the file.
fn finish(bench: &Bench, json: Option<&Path>) -> anyhow::Result<()> {
    println!("{}", bench.report.table());
    if let Some(path) = json {
        bench.report.write_json(path)?;
        eprintln!(
            "{} measurements written to {}",
            bench.report.records().len(),
            path.display()
        );
    }
    Ok(())
}
