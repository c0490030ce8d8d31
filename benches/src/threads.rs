//! How the operations scale with threads: a simulation of their tasks, and with `--measure` the truth beside it.
//!
//! The tasks are those that the code starts ([`graph`]), their costs are kernels timed here on one thread, the memory is
//! measured by reading more than the caches hold on one core and on all. [`simulate`] schedules them on any number of
//! cores. What it leaves out is in docs/threads.md.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use girih_ckks::{Encoder, Encryptor, Evaluator, KeyGenerator, Params};
use girih_he::{Evaluator as _, KeyManifest, Leveled, Rotation};
use girih_ntt::{ConvertSources, ConvertTarget, NttTable, Pool, primes};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Serialize;

use crate::Bench;
use crate::ckks::sets;
use crate::machine::fastest;
use crate::ntt::{DEFAULT_LIMIT, residues};
use graph::{Costs, Operation, Shape};
use simulate::{Memory, Stage, time};

mod graph;
mod simulate;

/// Nanoseconds to hand work to the other threads and to wait for them, once a stage (`girih_rns::par`).
const FORK: f64 = 5000.0;
/// Rows of a kernel's timing: they stay in the second level.
const SOURCES: usize = 4;
/// Bytes that every thread reads to measure the memory.
const SWEEP: usize = 64 << 20;

/// What to simulate.
pub(crate) struct Options<'a> {
    /// Numbers of cores.
    pub(crate) cores: &'a [usize],
    /// Whether to measure those numbers that this machine has.
    pub(crate) measure: bool,
    /// GB/s of the memory with all cores, if not as measured here.
    pub(crate) bandwidth: Option<f64>,
    /// Where one JSON object per line goes.
    pub(crate) json: Option<&'a Path>,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    suite: &'static str,
    op: &'static str,
    n: usize,
    limbs: usize,
    dnum: usize,
    threads: usize,
    predicted_ns: u64,
    speed_up: f64,
    efficiency: f64,
    /// `arithmetic`, `memory` or `uneven shares`.
    binds: &'static str,
    /// Bytes to and from the shared memory.
    bytes: u64,
    measured_ns: Option<u64>,
    measured_speed_up: Option<f64>,
    /// Predicted over measured, less one.
    error: Option<f64>,
}

/// Simulates, measures and prints.
pub(crate) fn run(bench: &Bench, options: &Options<'_>) -> anyhow::Result<()> {
    let here = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut memory = Memory {
        core: bandwidth(1)?,
        all: bandwidth(here)?,
    };
    memory.all = options.bandwidth.unwrap_or(memory.all).max(memory.core);
    println!(
        "memory: {:.0} GB/s for one core, {:.0} for all; this machine has {here} cores",
        memory.core, memory.all
    );
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "op",
        "n",
        "limbs",
        "dnum",
        "MB",
        "cores",
        "predicted",
        "speed-up",
        "efficiency",
        "binds",
        "measured",
        "speed-up",
        "error",
    ]);
    let mut lines = Vec::new();
    for set in sets(bench.quick) {
        let params = set.params()?;
        let top = params.top();
        let shape = Shape {
            n: params.n(),
            limbs: params.chain().limbs(top),
            special: params.ring().p_len(),
        };
        let costs = costs(shape.n)?;
        let measured = if options.measure {
            let counts: Vec<usize> = options
                .cores
                .iter()
                .copied()
                .filter(|c| *c <= here)
                .collect();
            measure(bench, &params, &counts)?
        } else {
            Vec::new()
        };
        for (op, operation) in [
            ("mul_relin_rescale", Operation::Multiply),
            ("rotate", Operation::Rotate),
        ] {
            let one = predict(&shape, operation, &costs, memory, 1).0;
            let of = |cores: usize| {
                let found = measured.iter().find(|m| m.0 == cores && m.1 == operation);
                found.map(|m| m.2)
            };
            for &cores in options.cores {
                let (predicted, binds, bytes) = predict(&shape, operation, &costs, memory, cores);
                let real = of(cores);
                lines.push(Line {
                    suite: "threads",
                    op,
                    n: shape.n,
                    limbs: shape.limbs,
                    dnum: shape.digits(),
                    threads: cores,
                    predicted_ns: predicted as u64,
                    speed_up: one / predicted,
                    efficiency: one / predicted / cores as f64,
                    binds,
                    bytes: bytes as u64,
                    measured_ns: real.map(|ns| ns as u64),
                    measured_speed_up: real.and_then(|ns| of(1).map(|one| one / ns)),
                    error: real.map(|ns| predicted / ns - 1.0),
                });
            }
        }
    }
    for line in &lines {
        let ms = |ns: u64| format!("{:.2} ms", ns as f64 / 1e6);
        table.add_row([
            line.op.to_string(),
            line.n.to_string(),
            line.limbs.to_string(),
            line.dnum.to_string(),
            (line.bytes >> 20).to_string(),
            line.threads.to_string(),
            ms(line.predicted_ns),
            format!("{:.2}", line.speed_up),
            format!("{:.0} %", 100.0 * line.efficiency),
            line.binds.to_string(),
            line.measured_ns.map_or_else(String::new, ms),
            line.measured_speed_up
                .map_or_else(String::new, |s| format!("{s:.2}")),
            line.error
                .map_or_else(String::new, |e| format!("{:+.0} %", 100.0 * e)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    if let Some(path) = options.json {
        let mut out = std::fs::File::create(path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        for line in &lines {
            writeln!(out, "{}", serde_json::to_string(line)?)?;
        }
    }
    Ok(())
}

/// Nanoseconds, what costs most against perfect shares of the arithmetic, and bytes of the shared memory.
fn predict(
    shape: &Shape,
    operation: Operation,
    costs: &Costs,
    memory: Memory,
    cores: usize,
) -> (f64, &'static str, f64) {
    let mut stages = shape.stages(operation, costs, cores);
    let bytes: f64 = stages.iter().flat_map(|s| &s.tasks).map(|t| t.bytes).sum();
    if shape.footprint(operation) < last_cache() {
        // Everything stays in the last cache, whose bandwidth grows with the cores.
        for task in stages.iter_mut().flat_map(|s| &mut s.tasks) {
            task.compute += task.bytes / costs.cached;
            task.bytes = 0.0;
        }
    }
    let predicted = time(&stages, cores, memory, FORK);
    let free = Memory {
        core: f64::INFINITY,
        all: f64::INFINITY,
    };
    let without_memory = time(&stages, cores, free, FORK);
    let work: f64 = stages
        .iter()
        .flat_map(|s: &Stage| &s.tasks)
        .map(|t| t.compute)
        .sum();
    let ideal = work / cores as f64;
    let parts = [
        ("arithmetic", ideal),
        ("memory", predicted - without_memory),
        ("uneven shares", without_memory - ideal),
    ];
    let binds = parts
        .into_iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or("", |part| part.0);
    (predicted, binds, bytes)
}

/// Bytes of the last cache.
fn last_cache() -> f64 {
    crate::machine::caches()[2] as f64
}

/// Kernels timed on one thread, on rows that stay in the second level.
fn costs(n: usize) -> anyhow::Result<Costs> {
    let q = primes::below(n, DEFAULT_LIMIT).next().context("no prime")?;
    let table = NttTable::try_new(n, q)?;
    let (k, m) = (table.kernels(), *table.modulus());
    let pool = Pool::new();
    let mut a: Vec<_> = (0..SOURCES).map(|_| pool.copied(&residues(n, q))).collect();
    // Row kernels run on blocks in the first level; a row has `blocks` of them.
    let width = n.min(1 << 11);
    let blocks = (n / width) as f64;
    let rate = |count: f64, body: &mut dyn FnMut()| {
        1.0 / fastest(|| {
            body();
            count
        })
    };
    let forward = rate(2.0, &mut || {
        let [x, y, ..] = &mut a[..] else { return };
        table.forward_many(&mut [&mut x[..], &mut y[..]]);
    });
    let inverse = rate(2.0, &mut || {
        let [x, y, ..] = &mut a[..] else { return };
        table.inverse_many(&mut [&mut x[..], &mut y[..]]);
    });
    let sources = ConvertSources::new(&[m; SOURCES], &[q / 3; SOURCES]);
    let target = ConvertTarget::new(&m, &[q / 5; SOURCES], q / 7);
    let mut prepared = pool.zeroed(sources.words(width));
    let (mut x, mut y) = (pool.zeroed(width), pool.zeroed(width));
    let cut: Vec<&[u64]> = a.iter().map(|row| &row[..width]).collect();
    let prepare = blocks
        * rate(SOURCES as f64, &mut || {
            k.base_convert_prepare(&sources, &mut prepared, &cut);
        });
    let mut outs: Vec<_> = (0..SOURCES).map(|_| pool.zeroed(width)).collect();
    let convert = blocks
        * rate((SOURCES * (SOURCES + 1)) as f64, &mut || {
            let mut outs: Vec<&mut [u64]> = outs.iter_mut().map(|row| &mut row[..]).collect();
            k.base_convert(&sources, &[&target; SOURCES], &mut outs, &prepared);
        });
    let dot = 3;
    let pair = blocks
        * rate(dot as f64, &mut || {
            k.inner_product_pair(
                &m,
                [&mut x, &mut y],
                &cut[..dot],
                [&cut[..dot], &cut[1..=dot]],
                None,
            );
        });
    let mul = blocks * rate(1.0, &mut || k.mul(&m, &mut x, cut[0], cut[1]));
    let w = m.shoup(q / 3);
    let scale = blocks * rate(1.0, &mut || k.sub_mul_scalar(&m, &mut x, cut[0], cut[1], w));
    let rotation = table.automorphism(5)?;
    let mut moved = pool.zeroed(n);
    let permute = rate(1.0, &mut || k.permute(&mut moved, &a[0], &rotation));
    // A quarter of the last cache, at most as much as lies safely beyond the second.
    let cached =
        read_rate(&pool.zeroed((last_cache() as usize / 4).min(8 << 20) / size_of::<u64>()));
    Ok(Costs {
        forward,
        inverse,
        prepare,
        convert,
        pair,
        mul,
        scale,
        permute,
        cached,
    })
}

/// Bytes per nanosecond of repeated reading.
fn read_rate(words: &[u64]) -> f64 {
    fastest(|| {
        black_box(words.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x)));
        size_of_val(words) as f64
    })
}

/// Bytes per nanosecond that `threads` read from memory together.
fn bandwidth(threads: usize) -> anyhow::Result<f64> {
    let pool = threads_of(threads)?;
    let rows: Vec<Vec<u64>> = pool.broadcast(|_| vec![1; SWEEP / size_of::<u64>()]);
    Ok(fastest(|| {
        pool.broadcast(|context| {
            black_box(
                rows[context.index()]
                    .iter()
                    .fold(0_u64, |sum, x| sum.wrapping_add(*x)),
            );
        });
        (threads * SWEEP) as f64
    }))
}

fn threads_of(count: usize) -> anyhow::Result<rayon::ThreadPool> {
    let builder = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .stack_size(16 << 20);
    builder.build().context("cannot start the threads")
}

/// Median nanoseconds by number of threads and operation, the numbers of threads in turns.
fn measure(
    bench: &Bench,
    params: &Params,
    counts: &[usize],
) -> anyhow::Result<Vec<(usize, Operation, f64)>> {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let generator = KeyGenerator::new(params);
    let secret = generator.secret_key(&mut rng);
    let public = generator.public_key(&secret, &mut rng)?;
    let top = params.top();
    let manifest = KeyManifest {
        relinearization: Some(top),
        rotations: [(Rotation(1), top)].into(),
        conjugation: None,
    };
    let eval = Evaluator::new(generator.evaluation_keys(&secret, &manifest, &mut rng)?);
    let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64).sin()).collect();
    let plaintext = Encoder::new(params).encode(&values, top, params.chain().scale(top))?;
    let encryptor = Encryptor::new(&public);
    let a = encryptor.encrypt(&plaintext, &mut rng)?;
    let b = encryptor.encrypt(&plaintext, &mut rng)?;
    let pools = counts
        .iter()
        .map(|c| threads_of(*c))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut samples = vec![Vec::new(); 2 * counts.len()];
    let start = Instant::now();
    let budget = bench.effort.budget * 4;
    let mut rounds = 0;
    while rounds < 5 || start.elapsed() < budget {
        for (i, pool) in pools.iter().enumerate() {
            // A round of its own after each, so that a pool's threads are awake.
            for (j, operation) in [Operation::Multiply, Operation::Rotate]
                .into_iter()
                .enumerate()
            {
                pool.install(|| -> anyhow::Result<()> {
                    let once = || -> anyhow::Result<()> {
                        match operation {
                            Operation::Multiply => drop(black_box(eval.dot_rescaled(&[(&a, &b)])?)),
                            Operation::Rotate => drop(black_box(eval.rotate(&a, Rotation(1))?)),
                        }
                        Ok(())
                    };
                    once()?;
                    let begin = Instant::now();
                    once()?;
                    samples[2 * i + j].push(begin.elapsed().as_nanos() as f64);
                    Ok(())
                })?;
            }
        }
        rounds += 1;
    }
    let mut all = Vec::new();
    for (i, mut samples) in samples.into_iter().enumerate() {
        samples.sort_by(f64::total_cmp);
        let operation = if i % 2 == 0 {
            Operation::Multiply
        } else {
            Operation::Rotate
        };
        all.push((counts[i / 2], operation, samples[samples.len() / 2]));
    }
    Ok(all)
}
