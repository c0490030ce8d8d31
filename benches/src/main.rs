//! The measurements behind `cargo xtask bench`: one suite per run, a table for people and, with
//! `--json`, one JSON object per measurement.
#![forbid(unsafe_code)]

mod ckks;
mod kernels;
mod machine;
mod nn;
mod ntt;
mod record;
mod roofline;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use record::{Effort, Report};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Transforms, with concrete-ntt measured in the same run.
    Ntt,
    /// Operations of the scheme.
    Ckks,
    /// Whole networks.
    Nn,
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
    /// Suite `kernels`: fails if a lower instruction set is faster than the dispatcher's pick.
    #[arg(long)]
    assert: bool,
}

/// What every suite is given: threads, effort and where results go.
pub struct Bench {
    /// Threads of the pool that the suite runs in.
    pub threads: usize,
    /// How long to measure.
    pub effort: Effort,
    /// Whether to leave out the large sizes.
    pub quick: bool,
    /// The results.
    pub report: Report,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    anyhow::ensure!(args.threads >= 1, "--threads must be at least 1");
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .stack_size(16 << 20)
        .build()
        .context("cannot start the threads")?;
    let mut bench = Bench {
        threads: args.threads,
        effort: if args.quick {
            Effort::QUICK
        } else {
            Effort::FULL
        },
        quick: args.quick,
        report: Report::default(),
    };
    pool.install(|| match args.suite {
        Suite::Ntt => ntt::run(&mut bench),
        Suite::Ckks => ckks::run(&mut bench),
        Suite::Nn => nn::run(&mut bench),
        Suite::Kernels => kernels::run(&mut bench, args.assert),
    })?;
    println!("{}", bench.report.table());
    if let Some(path) = &args.json {
        bench.report.write_json(path)?;
        eprintln!(
            "{} measurements written to {}",
            bench.report.records().len(),
            path.display()
        );
    }
    Ok(())
}
