//! Transforms: ops `forward_ntt` and `inverse_ntt`, girih and concrete-ntt in the same run; and every
//! row kernel on every instruction set.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use comfy_table::{CellAlignment, Table, presets};
use girih_ntt::{ConvertSources, ConvertTarget, Isa, Kernels, NttTable, Pool, PrimeClass, primes};

use crate::Bench;
use crate::record::{Effort, Record, Timing, human_ns};

/// Degrees of the transforms.
const LOG_NS: [u32; 4] = [13, 14, 15, 16];
/// Below 2^46.14 a transform of any degree runs without reductions: where the default limbs lie.
const DEFAULT_LIMIT: u64 = (1 << 52) / 58;
/// The largest primes that girih's transforms take.
const WIDE_LIMIT: u64 = 1 << 50;
/// Degree at which the row kernels are compared: a row of 128 KiB.
const KERNEL_LOG_N: u32 = 14;
/// Rows of the inner product and the base conversion in that comparison.
const ROWS: usize = 8;

/// Measures the transforms by degree.
///
/// One row modulo one prime of the default class; implementations take turns, so that a change of the
/// machine's load meets all of them. concrete-ntt's inverse is not normalised, girih's is.
pub(crate) fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let pool = Pool::new();
    let log_ns = if bench.quick { &LOG_NS[..2] } else { &LOG_NS };
    for log_n in log_ns {
        let n = 1 << log_n;
        let q = primes::below(n, DEFAULT_LIMIT)
            .next()
            .context("no prime of the default class")?;
        let peer =
            concrete_ntt::prime64::Plan::try_new(n, q).context("concrete-ntt refuses the prime")?;
        // The dispatcher's pick first.
        let isas: Vec<Isa> = Isa::available()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        let tables = isas
            .iter()
            .map(|isa| NttTable::try_new_with(n, q, *isa))
            .collect::<Result<Vec<_>, _>>()?;
        for op in ["forward_ntt", "inverse_ntt"] {
            let forward = op == "forward_ntt";
            let mut rows: Vec<_> = (0..=tables.len())
                .map(|_| pool.copied(&residues(n, q)))
                .collect();
            let (peer_row, own_rows) = rows.split_last_mut().context("one row each")?;
            let mut bodies: Vec<Box<dyn FnMut() + '_>> = Vec::new();
            for (table, row) in tables.iter().zip(own_rows) {
                bodies.push(Box::new(move || {
                    if forward {
                        table.forward(row);
                    } else {
                        table.inverse(row);
                    }
                }));
            }
            bodies.push(Box::new(|| {
                if forward {
                    peer.fwd(peer_row);
                } else {
                    peer.inv(peer_row);
                }
            }));
            let timings = take_turns(bench.effort, &mut bodies);
            for (i, timing) in timings.into_iter().enumerate() {
                let mut record = Record::new("ntt", op).timed(timing);
                record.n = Some(n);
                record.log_q = Some((q as f64).log2());
                record.limbs = Some(1);
                match isas.get(i) {
                    Some(isa) => record.isa = Some(isa.to_string()),
                    None => record.implementation = "concrete-ntt",
                }
                bench.report.push(record);
            }
        }
    }
    Ok(())
}

/// Prints every kernel on every instruction set; with `assert`, fails where a lower one wins by more than 5 %.
pub(crate) fn kernels(bench: &mut Bench, assert: bool) -> anyhow::Result<()> {
    let n = 1 << KERNEL_LOG_N;
    let isas: Vec<Isa> = Isa::available().collect();
    let pick = Isa::best();
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["kernel", "class", "isa", "min", "Gop/s", ""]);
    let mut losses = Vec::new();
    for limit in [DEFAULT_LIMIT, WIDE_LIMIT] {
        let q = primes::below(n, limit).next().context("no prime")?;
        // Per instruction set: each kernel's name, timing and element operations.
        let measured = isas
            .iter()
            .map(|isa| measure_kernels(bench.effort, *isa, n, q))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let count = measured.first().map_or(0, Vec::len);
        for k in 0..count {
            let best = measured.iter().zip(&isas).find(|(_, isa)| **isa == pick);
            let best_ns = best.map_or(u64::MAX, |(m, _)| m[k].timing.min_ns);
            for (m, isa) in measured.iter().zip(&isas) {
                let Measured {
                    name,
                    class,
                    operations,
                    timing,
                } = m[k];
                table.add_row([
                    name.to_string(),
                    format!("{class:?}"),
                    isa.to_string(),
                    human_ns(timing.min_ns),
                    format!("{:.2}", operations as f64 / timing.min_ns.max(1) as f64),
                    if *isa == pick { "<--" } else { "" }.to_string(),
                ]);
                let mut record = Record::new("kernels", name).timed(timing);
                record.n = Some(n);
                record.log_q = Some((q as f64).log2());
                record.isa = Some(isa.to_string());
                bench.report.push(record);
                if *isa < pick && timing.min_ns as f64 * 1.05 < best_ns as f64 {
                    losses.push(format!(
                        "{name} ({class:?}) is faster on {isa} than on {pick}"
                    ));
                }
            }
        }
    }
    for column in table.column_iter_mut().skip(3).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    ensure!(!assert || losses.is_empty(), "{}", losses.join("; "));
    Ok(())
}

/// One kernel's timing.
#[derive(Clone, Copy)]
struct Measured {
    name: &'static str,
    class: PrimeClass,
    /// Butterflies or multiplications and additions.
    operations: usize,
    timing: Timing,
}

fn measure_kernels(effort: Effort, isa: Isa, n: usize, q: u64) -> anyhow::Result<Vec<Measured>> {
    let table = NttTable::try_new_with(n, q, isa)?;
    let (k, m): (&Kernels, _) = (table.kernels(), *table.modulus());
    let pool = Pool::new();
    let (mut out, mut second) = (pool.copied(&residues(n, q)), pool.zeroed(n));
    let a: Vec<_> = (0..ROWS).map(|_| pool.copied(&residues(n, q))).collect();
    let rows: Vec<&[u64]> = a.iter().map(|row| &row[..]).collect();
    let w = m.shoup(q / 3);
    let rotation = table.automorphism(5)?;
    let target = ConvertTarget::new(&m, &[q / 5; ROWS], q / 7);
    let sources = ConvertSources::new(&[m; ROWS], &[q / 3; ROWS]);
    let mut prepared = pool.zeroed(sources.words(n));
    let mut all = Vec::new();
    let mut time = |name, operations, body: &mut dyn FnMut()| {
        all.push(Measured {
            name,
            class: k.class(),
            operations,
            timing: effort.measure(1, body),
        });
    };
    let butterflies = n / 2 * n.ilog2() as usize;
    time("forward_ntt", butterflies, &mut || table.forward(&mut out));
    time("inverse_ntt", butterflies, &mut || table.inverse(&mut out));
    time("add", n, &mut || k.add(&m, &mut out, rows[0], rows[1]));
    time("mul", n, &mut || k.mul(&m, &mut out, rows[0], rows[1]));
    time("mul_acc", n, &mut || {
        k.mul_acc(&m, &mut out, rows[0], rows[1]);
    });
    time("mul_scalar", n, &mut || {
        k.mul_scalar(&m, &mut out, rows[0], w);
    });
    time("sub_mul_scalar", n, &mut || {
        k.sub_mul_scalar(&m, &mut out, rows[0], rows[1], w);
    });
    time("reduce", n, &mut || k.reduce(&m, &mut out, rows[0]));
    time("permute", n, &mut || {
        k.permute(&mut out, rows[0], &rotation);
    });
    time("inner_product", ROWS * n, &mut || {
        k.inner_product(&m, &mut out, &rows, &rows, None);
    });
    time("inner_product_pair", 2 * ROWS * n, &mut || {
        k.inner_product_pair(
            &m,
            [&mut out, &mut second],
            &rows,
            [&rows, &rows],
            Some(&rotation),
        );
    });
    time("base_convert_prepare", ROWS * n, &mut || {
        k.base_convert_prepare(&sources, &mut prepared, &rows);
    });
    let mut wide: Vec<_> = (0..ROWS).map(|_| pool.zeroed(n)).collect();
    let mut outs: Vec<&mut [u64]> = wide.iter_mut().map(|row| &mut row[..]).collect();
    time("base_convert", ROWS * ROWS * n, &mut || {
        k.base_convert(&sources, &[&target; ROWS], &mut outs, &prepared);
    });
    Ok(all)
}

/// Runs the bodies in turn until the effort of each is spent.
fn take_turns(effort: Effort, bodies: &mut [Box<dyn FnMut() + '_>]) -> Vec<Timing> {
    for body in bodies.iter_mut() {
        body();
    }
    let mut samples = vec![Vec::new(); bodies.len()];
    let start = Instant::now();
    let budget = effort.budget * bodies.len() as u32;
    let mut rounds = 0;
    while rounds < effort.min_reps || (start.elapsed() < budget && rounds < effort.max_reps) {
        for (body, samples) in bodies.iter_mut().zip(&mut samples) {
            // The turn before left other rows in the caches.
            body();
            let begin = Instant::now();
            body();
            samples.push(begin.elapsed().as_nanos() as u64);
        }
        rounds += 1;
    }
    samples.into_iter().map(Timing::of).collect()
}

/// A fixed row of residues.
fn residues(n: usize, q: u64) -> Vec<u64> {
    (1..=n as u64)
        .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % q)
        .collect()
}
