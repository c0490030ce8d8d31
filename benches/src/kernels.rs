//! Every kernel on every instruction set and prime class, with the dispatcher's pick and, for AVX-512-IFMA, the share
//! of what the processor can do at most.

use anyhow::{Context as _, ensure};
use comfy_table::{CellAlignment, Table, presets};
use girih_ntt::{
    BLOCK, ConvertSources, ConvertTarget, Expander, FftKernels, Isa, Kernels, NttTable, Pool,
    PrimeClass, RandomKernels, primes,
};

use crate::Bench;
use crate::machine::Machine;
use crate::ntt::{DEFAULT_LIMIT, residues};
use crate::record::{Effort, Record, Timing, human_ns};
use crate::roofline::Kernel;

/// The largest primes that girih's transforms take.
const WIDE_LIMIT: u64 = 1 << 50;
/// Degree at which kernels are compared: a row of 128 KiB.
const LOG_N: u32 = 14;
/// Rows of the inner products and the base conversion.
const ROWS: usize = 8;
/// Rows of the transform of several rows.
const MANY: usize = 3;
/// Magnitudes that the Gaussian kernel compares with: about as many as a deviation of 3.2 has in 63 bits.
const TAILS: usize = 29;

/// Prints every kernel on every instruction set; with `assert`, fails where a lower one wins by more than 5 %.
pub(crate) fn run(bench: &mut Bench, assert: bool) -> anyhow::Result<()> {
    let n = 1 << LOG_N;
    let isas: Vec<Isa> = Isa::available().collect();
    let pick = Isa::best();
    let machine = Machine::measured();
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "kernel", "class", "isa", "measured", "Gop/s", "bound", "by", "share", "",
    ]);
    let mut losses = Vec::new();
    for limit in [DEFAULT_LIMIT, WIDE_LIMIT] {
        let q = primes::below(n, limit).next().context("no prime")?;
        let bits = 64 - q.leading_zeros();
        let measured = isas
            .iter()
            .map(|isa| measure(bench.effort, *isa, n, q))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let count = measured.first().map_or(0, Vec::len);
        for k in 0..count {
            let best = measured.iter().zip(&isas).find(|(_, isa)| **isa == pick);
            let best_ns = best.map_or(u64::MAX, |(m, _)| m[k].timing.min_ns);
            for (m, isa) in measured.iter().zip(&isas) {
                let m = &m[k];
                if m.class.is_none() && limit == WIDE_LIMIT {
                    continue;
                }
                let class = m.class.unwrap_or(PrimeClass::ReductionFree);
                let bound = machine
                    .as_ref()
                    .filter(|_| *isa == Isa::Avx512Ifma)
                    .map(|machine| machine.bound(&m.kernel.demand(m.n, class, bits)));
                let min = m.timing.min_ns.max(1) as f64;
                table.add_row([
                    m.name.to_string(),
                    m.class
                        .map_or_else(String::new, |class| format!("{class:?}")),
                    isa.to_string(),
                    human_ns(m.timing.min_ns),
                    format!("{:.2}", m.operations as f64 / min),
                    bound.map_or_else(String::new, |(ns, _)| human_ns(ns as u64)),
                    bound.map_or_else(String::new, |(_, by)| by.name().to_string()),
                    bound.map_or_else(String::new, |(ns, _)| format!("{:.0} %", 100.0 * ns / min)),
                    if *isa == pick { "<--" } else { "" }.to_string(),
                ]);
                let mut record = Record::new("kernels", m.name).timed(m.timing);
                record.n = Some(m.n);
                record.log_q = m.class.map(|_| (q as f64).log2());
                record.isa = Some(isa.to_string());
                if let Some((ns, by)) = bound {
                    record.bound_ns = Some(ns.round() as u64);
                    record.bound = Some(by.name());
                    record.share = Some(ns / min);
                }
                bench.report.push(record);
                if *isa < pick && min * 1.05 < best_ns as f64 {
                    losses.push(format!(
                        "{} ({class:?}) is faster on {isa} than on {pick}",
                        m.name
                    ));
                }
            }
        }
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    match &machine {
        Some(machine) => println!("{}", machine.describe()),
        None => println!("no AVX-512-IFMA: no bounds"),
    }
    println!("{table}");
    ensure!(!assert || losses.is_empty(), "{}", losses.join("; "));
    Ok(())
}

/// One kernel's timing.
struct Measured {
    name: &'static str,
    /// None if the kernel knows no primes.
    class: Option<PrimeClass>,
    kernel: Kernel,
    n: usize,
    /// Butterflies, or multiplications and additions, or words.
    operations: usize,
    timing: Timing,
}

fn measure(effort: Effort, isa: Isa, n: usize, q: u64) -> anyhow::Result<Vec<Measured>> {
    let table = NttTable::try_new_with(n, q, isa)?;
    let (k, m): (&Kernels, _) = (table.kernels(), *table.modulus());
    let mut all = Vec::new();
    let mut time = |name, kernel, operations, body: &mut dyn FnMut()| {
        all.push(Measured {
            name,
            class: Some(k.class()),
            kernel,
            n,
            operations,
            timing: effort.measure(1, body),
        });
    };
    let pool = Pool::new();
    let (mut out, mut second) = (pool.copied(&residues(n, q)), pool.zeroed(n));
    let a: Vec<_> = (0..ROWS).map(|_| pool.copied(&residues(n, q))).collect();
    let rows: Vec<&[u64]> = a.iter().map(|row| &row[..]).collect();
    let right: Vec<_> = (0..2 * ROWS)
        .map(|_| pool.copied(&residues(n, q)))
        .collect();
    let right: Vec<&[u64]> = right.iter().map(|row| &row[..]).collect();
    let (b0, b1) = right.split_at(ROWS);
    let signed: Vec<i64> = rows[0].iter().map(|x| *x as i64 - (q / 2) as i64).collect();
    let mut wide: Vec<_> = (0..ROWS).map(|_| pool.copied(&residues(n, q))).collect();
    let w = m.shoup(q / 3);
    let rotation = table.automorphism(5)?;

    let butterflies = n / 2 * n.ilog2() as usize;
    let forward = |rows, lazy| Kernel::Forward { rows, lazy };
    time("forward_ntt", forward(1, false), butterflies, &mut || {
        table.forward(&mut out);
    });
    time(
        "forward_ntt_many",
        forward(MANY, false),
        MANY * butterflies,
        &mut || {
            let mut rows: Vec<&mut [u64]> =
                wide[..MANY].iter_mut().map(|row| &mut row[..]).collect();
            table.forward_many(&mut rows);
        },
    );
    // Zeros, since a lazy transform leaves larger words than a transform takes.
    time(
        "forward_ntt_lazy",
        forward(1, true),
        butterflies,
        &mut || {
            table.forward_lazy_many(&mut [&mut second]);
        },
    );
    time("inverse_ntt", Kernel::Inverse, butterflies, &mut || {
        table.inverse(&mut out);
    });
    time(
        "inverse_ntt_scaled",
        Kernel::Inverse,
        butterflies,
        &mut || {
            table.inverse_scaled(&mut out, q / 7);
        },
    );
    time("add", Kernel::Add, n, &mut || {
        k.add(&m, &mut out, rows[0], rows[1]);
    });
    time("mul", Kernel::Mul, n, &mut || {
        k.mul(&m, &mut out, rows[0], rows[1]);
    });
    time("mul_acc", Kernel::MulAcc, n, &mut || {
        k.mul_acc(&m, &mut out, rows[0], rows[1]);
    });
    time("mul_pair", Kernel::MulPair, 2 * n, &mut || {
        k.mul_pair(&m, [&mut out, &mut second], [rows[0], rows[1]], rows[2]);
    });
    time("mul_scalar", Kernel::MulScalar, n, &mut || {
        k.mul_scalar(&m, &mut out, rows[0], w);
    });
    time("sub_mul_scalar", Kernel::SubMulScalar, n, &mut || {
        k.sub_mul_scalar(&m, &mut out, rows[0], rows[1], w);
    });
    time("reduce", Kernel::Reduce, n, &mut || {
        k.reduce(&m, &mut out, rows[0]);
    });
    time("centred", Kernel::Centred, n, &mut || {
        k.centred(&m, &mut out, rows[0], &m);
    });
    time("from_i64", Kernel::FromI64, n, &mut || {
        k.from_i64(&m, &mut out, &signed);
    });
    time("scale_i64", Kernel::ScaleI64, n, &mut || {
        k.scale_i64(&m, &mut out, &signed, w);
    });
    time("permute", Kernel::Permute, n, &mut || {
        k.permute(&mut out, rows[0], &rotation);
    });

    let dot = |pair, permuted| Kernel::Dot {
        terms: ROWS,
        pair,
        permuted,
    };
    time("inner_product", dot(false, false), ROWS * n, &mut || {
        k.inner_product(&m, &mut out, &rows, b0, None);
    });
    time(
        "inner_product_pair",
        dot(true, false),
        2 * ROWS * n,
        &mut || {
            let out = [&mut out[..], &mut second[..]];
            k.inner_product_pair(&m, out, &rows, [b0, b1], None);
        },
    );
    time(
        "inner_product_pair_permuted",
        dot(true, true),
        2 * ROWS * n,
        &mut || {
            let out = [&mut out[..], &mut second[..]];
            k.inner_product_pair(&m, out, &rows, [b0, b1], Some(&rotation));
        },
    );
    let target = ConvertTarget::new(&m, &[q / 5; ROWS], q / 7);
    let sources = ConvertSources::new(&[m; ROWS], &[q / 3; ROWS]);
    let mut prepared = pool.zeroed(sources.words(n));
    time(
        "base_convert_prepare",
        Kernel::Prepare { sources: ROWS },
        ROWS * n,
        &mut || {
            k.base_convert_prepare(&sources, &mut prepared, &rows);
        },
    );
    let convert = Kernel::Convert {
        sources: ROWS,
        targets: ROWS,
    };
    let mut outs: Vec<&mut [u64]> = wide.iter_mut().map(|row| &mut row[..]).collect();
    time("base_convert", convert, ROWS * ROWS * n, &mut || {
        k.base_convert(&sources, &[&target; ROWS], &mut outs, &prepared);
    });

    let expander = Expander::new(isa, &[7; 32]);
    time("uniform", Kernel::Uniform, n, &mut || {
        expander.fill(0, 0, q, &mut out);
    });
    all.extend(without_primes(effort, isa, n)?);
    Ok(all)
}

/// The kernels that know no primes.
fn without_primes(effort: Effort, isa: Isa, n: usize) -> anyhow::Result<Vec<Measured>> {
    let mut all = Vec::new();
    let mut time = |name, kernel, n, operations, body: &mut dyn FnMut()| {
        all.push(Measured {
            name,
            class: None,
            kernel,
            n,
            operations,
            timing: effort.measure(1, body),
        });
    };
    let random = RandomKernels::select(isa);
    let pool = Pool::new();
    let mut words = pool.zeroed(n);
    let mut signed = vec![0; n];
    let tails: Vec<u64> = (1..=TAILS).map(|k| u64::MAX >> (1 + 2 * k)).collect();
    time("keystream", Kernel::Keystream, n, n, &mut || {
        random.keystream(&[3; 32], 1, 0, words.as_chunks_mut::<BLOCK>().0);
    });
    time(
        "gaussian",
        Kernel::Gaussian { tails: TAILS },
        n,
        TAILS * n,
        &mut || {
            random.gaussian(&tails, &mut signed, &words);
        },
    );
    // As many slots as a row of n words has; zeros, which stay finite.
    let slots = n / 2;
    let fft = FftKernels::select(isa);
    let (mut re, mut im) = (vec![0.0; slots], vec![0.0; slots]);
    let (cos, sin) = (vec![0.5; slots - 1], vec![0.25; slots - 1]);
    let butterflies = slots / 2 * slots.ilog2() as usize;
    time("fft_forward", Kernel::Fft, slots, butterflies, &mut || {
        fft.forward([&mut re, &mut im], [&cos, &sin]);
    });
    time("fft_inverse", Kernel::Fft, slots, butterflies, &mut || {
        fft.inverse([&mut re, &mut im], [&cos, &sin]);
    });
    Ok(all)
}
