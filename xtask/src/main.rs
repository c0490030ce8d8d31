//! Repository automation: demo, measurements, tests and the checks a change must pass.
//!
//! Links none of the workspace's crates, so that it compiles in seconds; everything else is a call of cargo.
#![forbid(unsafe_code)]

mod cargo;
mod manifest;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use cargo::Cargo;

/// Repository automation.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the main job on real digits and writes demo/report.html.
    Demo {
        /// Passed on to the demo: see `cargo xtask demo -- --help`.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Runs every test: the workspace, the documentation's examples, the kernels on each instruction set.
    Test {
        /// Passed on to the test programs, as a filter.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Measures a suite: ntt, ckks, circuits, peers, nn or tiles.
    Bench {
        /// The suite.
        suite: String,
        /// Writes one JSON object per measurement to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Threads of the pool.
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// Few repetitions and small sizes.
        #[arg(long)]
        quick: bool,
        /// Suite ckks: with one thread and with `--threads`, by turns.
        #[arg(long)]
        scaling: bool,
        /// Suite tiles: the large network too.
        #[arg(long)]
        alexnet: bool,
        /// Suite tiles: predicts with the table of a machine that `calibrate` wrote.
        #[arg(long, value_name = "FILE")]
        machine: Option<PathBuf>,
    },
    /// Measures every priced primitive on this machine, a minute or two, as a table for `girih --machine`.
    Calibrate {
        /// Threads of the measurements on all threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Writes the table to this file.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The small degrees only.
        #[arg(long)]
        quick: bool,
    },
    /// Prints every kernel by instruction set and prime class, with the dispatcher's pick and the share of its bound.
    Kernels {
        /// Writes one JSON object per measurement to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Few repetitions.
        #[arg(long)]
        quick: bool,
        /// Fails if a lower instruction set is faster than the dispatcher's pick.
        #[arg(long)]
        assert: bool,
    },
    /// Simulates the operations on any number of cores.
    Threads {
        /// Numbers of cores, as 1,2,4.
        #[arg(long)]
        cores: Option<String>,
        /// Measures those numbers that this machine has, too.
        #[arg(long)]
        measure: bool,
        /// GB/s that all cores together read from memory, if not as measured here.
        #[arg(long)]
        bandwidth: Option<f64>,
        /// Writes one JSON object per line to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// The smallest set only.
        #[arg(long)]
        quick: bool,
    },
    /// Checks the repository's own rules.
    Tidy,
    /// Prints the graph of the crates, floor by floor.
    Dag,
    /// Formatting, clippy, documentation and the repository's own rules, cheapest first.
    Ci,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}`: the causes, without a backtrace of this program.
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    let root = root()?;
    let cargo = Cargo::at(&root);
    match args.command {
        Command::Demo { rest } => {
            let demo = [
                "run",
                "--release",
                "-p",
                "girih-engine",
                "--example",
                "demo",
                "--",
            ];
            let report = [
                "--output".to_string(),
                "demo/report.html".to_string(),
                "--force".to_string(),
            ];
            cargo.run(
                demo.iter()
                    .map(ToString::to_string)
                    .chain(report)
                    .chain(rest),
            )
        }
        Command::Test { rest } => test(&cargo, &rest),
        Command::Bench {
            suite,
            json,
            threads,
            quick,
            scaling,
            alexnet,
            machine,
        } => {
            let mut call = bench_call(&suite);
            call.push(format!("--threads={threads}"));
            push_common(&mut call, json, quick)?;
            if scaling {
                call.push("--scaling".to_string());
            }
            if alexnet {
                call.push("--alexnet".to_string());
            }
            if let Some(path) = machine {
                let path = std::path::absolute(&path).context("--machine")?;
                call.push(format!("--machine={}", path.display()));
            }
            cargo.run(call)
        }
        Command::Calibrate {
            threads,
            output,
            quick,
        } => {
            let mut call = bench_call("calibrate");
            push_common(&mut call, None, quick)?;
            call.push(format!("--threads={threads}"));
            if let Some(path) = output {
                let path = std::path::absolute(&path).context("--output")?;
                call.push(format!("--output={}", path.display()));
            }
            cargo.run(call)
        }
        Command::Kernels {
            json,
            quick,
            assert,
        } => {
            let mut call = bench_call("kernels");
            push_common(&mut call, json, quick)?;
            if assert {
                call.push("--assert".to_string());
            }
            cargo.run(call)
        }
        Command::Threads {
            cores,
            measure,
            bandwidth,
            json,
            quick,
        } => {
            let mut call = bench_call("threads");
            push_common(&mut call, json, quick)?;
            call.extend(cores.map(|cores| format!("--cores={cores}")));
            call.extend(bandwidth.map(|rate| format!("--bandwidth={rate}")));
            if measure {
                call.push("--measure".to_string());
            }
            cargo.run(call)
        }
        Command::Tidy => tidy::run(&root),
        Command::Dag => {
            print!("{}", tidy::floors::dag(&root)?);
            Ok(())
        }
        Command::Ci => ci(&cargo, &root),
    }
}

fn bench_call(suite: &str) -> Vec<String> {
    ["run", "--release", "-p", "girih-benches", "--", suite]
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The options that all suites have.
fn push_common(call: &mut Vec<String>, json: Option<PathBuf>, quick: bool) -> anyhow::Result<()> {
    if let Some(path) = json {
        let path = std::path::absolute(&path).context("--json")?;
        call.push(format!("--json={}", path.display()));
    }
    if quick {
        call.push("--quick".to_string());
    }
    Ok(())
}

/// The whole workspace with all features, then the kernels once per instruction set.
fn test(cargo: &Cargo, rest: &[String]) -> anyhow::Result<()> {
    let with_filter = |call: &[&str]| -> Vec<String> {
        let mut call: Vec<String> = call.iter().map(ToString::to_string).collect();
        if !rest.is_empty() {
            call.push("--".to_string());
            call.extend(rest.iter().cloned());
        }
        call
    };
    cargo.run(with_filter(&["test", "--workspace", "--all-features"]))?;
    let required = std::env::var("REQUIRE_ISA").unwrap_or_default();
    for isa in ["scalar", "avx2", "avx512ifma"] {
        if !cargo::cpu_has(isa) {
            anyhow::ensure!(
                required != isa,
                "REQUIRE_ISA={isa}, but this processor does not have it"
            );
            eprintln!("xtask: NOT RUN: kernels forced to {isa}: this processor does not have it");
            continue;
        }
        let call = with_filter(&[
            "test",
            "-p",
            "girih-ntt",
            "--all-features",
            "--lib",
            "--tests",
        ]);
        cargo.run_with(call, &[("GIRIH_ISA", isa)])?;
    }
    Ok(())
}

fn ci(cargo: &Cargo, root: &Path) -> anyhow::Result<()> {
    cargo.run(["fmt", "--all", "--check"])?;
    tidy::run(root)?;
    cargo.run([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ])?;
    cargo.run_with(
        ["doc", "--workspace", "--no-deps", "--all-features"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )
}

/// The folder of the workspace, wherever in it the command was called.
fn root() -> anyhow::Result<PathBuf> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = match here {
        Some(dir) => dir,
        None => std::env::current_dir().context("no current folder")?,
    };
    start
        .ancestors()
        .find(|dir| dir.join("Cargo.toml").is_file() && dir.join("crates").is_dir())
        .map(Path::to_path_buf)
        .with_context(|| format!("{} is not inside the workspace", start.display()))
}
