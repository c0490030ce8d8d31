//! What the AVX-512-IFMA kernels execute, per vector of eight words, counted in their source.
//!
//! Zeroing a register and copying one are free. Twiddle factors of passes are not counted: a vector of them serves a block.

use girih_ntt::PrimeClass;

use crate::machine::Demand;

/// Words of a tail of the transform.
const TAIL: f64 = 64.0;
/// Passes over blocks of more words than this stream the row through the second-level cache.
const CACHED_LOG: u32 = 12;

/// The kernels of the model, with the operands that matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kernel {
    /// Forward transforms of some rows modulo one prime; lazily without the last reduction.
    Forward {
        rows: usize,
        lazy: bool,
    },
    /// An inverse transform.
    Inverse,
    Add,
    Mul,
    MulAcc,
    MulPair,
    MulScalar,
    SubMulScalar,
    Reduce,
    Centred,
    FromI64,
    ScaleI64,
    Permute,
    /// Inner products of `terms` rows with one or two sets of rows.
    Dot {
        terms: usize,
        pair: bool,
        permuted: bool,
    },
    Prepare {
        sources: usize,
    },
    Convert {
        sources: usize,
        targets: usize,
    },
    Keystream,
    Uniform,
    Gaussian {
        tails: usize,
    },
    Fft,
}

/// The passes of three stages or so of a transform, the outermost first; see `girih_ntt`'s schedule.
fn passes(log_n: u32) -> &'static [u32] {
    match log_n.saturating_sub(6) {
        0 | 1 => &[1],
        2 => &[2],
        3 => &[3],
        4 => &[4],
        5 => &[2, 3],
        6 => &[3, 3],
        7 => &[3, 4],
        8 => &[2, 3, 3],
        9 => &[3, 3, 3],
        10 => &[3, 3, 4],
        _ => &[2, 3, 3, 3],
    }
}

impl Kernel {
    /// One call on rows of `n` words modulo a prime of `bits` bits (48 or fewer, or 50).
    pub(crate) fn demand(self, n: usize, class: PrimeClass, bits: u32) -> Demand {
        let vectors = n as f64 / 8.0;
        let row = 8.0 * n as f64;
        let wide = class == PrimeClass::Wide;
        // madds, other, loads, stores for a vector; rows read and rows touched
        let simple = |madds: f64, other: f64, loads: f64, stores: f64, rows: f64| Demand {
            madds: madds * vectors,
            vector: (madds + other) * vectors,
            loads: loads * vectors,
            stores: stores * vectors,
            bytes: loads * row,
            working_set: rows * row,
            ..Demand::default()
        };
        match self {
            Kernel::Forward { rows, lazy } => transform(n, wide, rows, Some(lazy)),
            Kernel::Inverse => transform(n, wide, 1, None),
            Kernel::Add => simple(0.0, 3.0, 2.0, 1.0, 3.0),
            Kernel::Mul => simple(4.0, 8.0, 2.0, 1.0, 3.0),
            Kernel::MulAcc => simple(4.0, 8.0, 3.0, 1.0, 3.0),
            Kernel::MulPair => simple(8.0, 16.0, 3.0, 2.0, 5.0),
            Kernel::MulScalar => simple(3.0, 3.0, 1.0, 1.0, 2.0),
            Kernel::SubMulScalar => simple(3.0, 5.0, 2.0, 1.0, 3.0),
            Kernel::Reduce => simple(2.0, 3.0, 1.0, 1.0, 2.0),
            Kernel::Centred => simple(2.0, 7.0, 1.0, 1.0, 2.0),
            Kernel::FromI64 => simple(5.0, 16.0, 1.0, 1.0, 2.0),
            Kernel::ScaleI64 => simple(3.0, 8.0, 1.0, 1.0, 2.0),
            // lanes widened from bytes, then applied; sixteen bytes of indices a vector
            Kernel::Permute => Demand {
                bytes: 1.25 * row,
                shuffles: 2.0 * vectors,
                ..simple(0.0, 2.0, 2.0, 1.0, 2.25)
            },
            Kernel::Dot {
                terms,
                pair,
                permuted,
            } => dot(simple, terms, pair, permuted, bits, vectors),
            Kernel::Prepare { sources } => {
                let k = sources as f64;
                simple(4.0 * k, 4.0 * k + 1.0, k, k + 1.0, 2.0 * k + 1.0)
            }
            Kernel::Convert { sources, targets } => {
                let (k, t) = (sources as f64 + 1.0, targets as f64);
                // how far a sum reaches, in units of the target
                let growth = (k * 2_f64.powi(bits as i32 - 52)).ceil();
                let corrections = if growth <= 1.0 { 2.0 } else { 4.0 };
                let demand = simple((2.0 * k + 2.0) * t, (4.0 + corrections) * t, k, t, k + t);
                // tiles of four targets and two vectors: each vector once a tile, each factor once for two vectors
                Demand {
                    loads: k * ((t / 4.0).ceil() + t / 2.0) * vectors,
                    ..demand
                }
            }
            // 960 of the rounds, 16 of the last sum, 64 of the transposition for sixteen vectors
            Kernel::Keystream => Demand {
                shuffles: 4.0 * vectors,
                ..simple(0.0, 65.0, 0.0, 1.0, 1.0)
            },
            // a compression is two instructions
            Kernel::Uniform => simple(2.0, 4.0, 1.0, 1.0, 1.0),
            Kernel::Gaussian { tails } => simple(0.0, 2.0 * tails as f64 + 3.0, 1.0, 1.0, 2.0),
            Kernel::Fft => {
                // n complex numbers in two parts; a butterfly has four products and six additions
                let butterflies = vectors / 2.0 * f64::from(n.ilog2());
                let rounds = f64::from(n.ilog2().div_ceil(2));
                Demand {
                    madds: 4.0 * butterflies,
                    float_adds: 6.0 * butterflies,
                    vector: 10.0 * butterflies,
                    loads: 2.0 * rounds * vectors,
                    stores: 2.0 * rounds * vectors,
                    bytes: 2.0 * row,
                    working_set: 4.0 * row,
                    ..Demand::default()
                }
            }
        }
    }
}

/// The reduction of a sum of `terms` products and one word.
fn dot(
    simple: impl Fn(f64, f64, f64, f64, f64) -> Demand,
    terms: usize,
    pair: bool,
    permuted: bool,
    bits: u32,
    vectors: f64,
) -> Demand {
    let (k, sets) = (terms as f64, if pair { 2.0 } else { 1.0 });
    // A sum below 2^(52 + shift), shift = bits - 2, takes one Barrett step; see `Fold` of the kernels.
    let short = (k + 1.0) * 2_f64.powi(bits as i32 + 2) < 2_f64.powi(52);
    let (madds, other) = if short { (2.0, 8.0) } else { (5.0, 9.0) };
    let lanes = if permuted { 2.0 * k } else { 0.0 };
    Demand {
        // the indices of a permutation come from the first-level cache but once
        bytes: (k * (1.0 + sets) + if permuted { 0.25 } else { 0.0 }) * 64.0 * vectors,
        shuffles: lanes * vectors,
        ..simple(
            sets * (2.0 * k + madds),
            sets * other + lanes,
            k * (1.0 + sets) + if permuted { k } else { 0.0 },
            sets,
            k * (1.0 + sets) + sets,
        )
    }
}

/// `rows` transforms by one table; forward with `Some(lazy)`.
fn transform(n: usize, wide: bool, rows: usize, forward: Option<bool>) -> Demand {
    let log_n = n.ilog2();
    let passes = passes(log_n);
    let inverse = forward.is_none();
    // For 64 words.
    let butterflies = 4.0 * f64::from(log_n);
    let (mut madds, mut other) = match (wide, inverse) {
        (true, _) => (3.0 * butterflies, 6.0 * butterflies),
        (false, false) => (3.0 * butterflies, 2.0 * butterflies),
        (false, true) => (3.0 * butterflies, 3.0 * butterflies),
    };
    // lanes exchanged
    other += 32.0;
    if !wide {
        // quotients of the factors of a lane
        madds += 12.0;
    }
    match forward {
        Some(lazy) => {
            if !wide {
                other += 4.0 * (passes.len() + 1) as f64;
            }
            match (lazy, wide) {
                (true, _) => other += 8.0,
                (false, true) => other += 32.0,
                (false, false) => {
                    madds += 16.0;
                    other += 24.0;
                }
            }
        }
        None => {
            // the tail's reductions, then those of the passes; the outermost one normalises
            if !wide {
                madds += 4.0;
                for (i, log) in passes.iter().enumerate() {
                    madds += match (log, i) {
                        (1 | 2, 0) => 0.0,
                        (1, _) => 8.0,
                        (4, 0) => 4.0,
                        (4, _) => 5.0,
                        _ => 4.0,
                    };
                }
            }
            madds += 12.0;
            other += if wide { 28.0 } else { 24.0 };
        }
    }
    let lanes = if wide { 24.0 } else { 12.0 };
    let sweeps = (passes.len() + 1) as f64;
    let groups = rows as f64 * n as f64 / TAIL;
    // Passes over large blocks read the row from the second level, and what follows once more.
    let mut block = log_n;
    let mut streams = 1.0;
    for log in passes {
        if block > CACHED_LOG {
            streams += 1.0;
        }
        block -= log;
    }
    let table = 8.0 * n as f64 * if wide { 144.0 / 64.0 } else { 80.0 / 64.0 };
    let data = 8.0 * (rows * n) as f64;
    Demand {
        madds: madds * groups,
        vector: (madds + other) * groups,
        shuffles: 32.0 * groups,
        loads: (8.0 * sweeps + 14.0 + lanes) * groups,
        stores: 8.0 * sweeps * groups,
        bytes: streams * data + table,
        working_set: data + table,
        ..Demand::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Resource, tests::plain};

    #[test]
    fn a_forward_transform_has_the_counts_of_its_page() {
        // docs/ntt.md: 220 multiply-adds and 420 operations for 64 words at n = 2^16
        let n = 1 << 16;
        let kernel = Kernel::Forward {
            rows: 1,
            lazy: false,
        };
        let demand = kernel.demand(n, PrimeClass::ReductionFree, 47);
        let groups = n as f64 / 64.0;
        assert_eq!(
            (demand.madds / groups, demand.vector / groups),
            (220.0, 420.0)
        );
        let lazy = Kernel::Forward {
            rows: 1,
            lazy: true,
        };
        let lazy = lazy.demand(n, PrimeClass::ReductionFree, 47);
        assert_eq!((lazy.madds / groups, lazy.vector / groups), (204.0, 388.0));
        // nine instructions a butterfly
        let wide = kernel.demand(n, PrimeClass::Wide, 50);
        assert_eq!(
            (wide.madds / groups, wide.vector / groups),
            (192.0, 64.0 * 9.0 + 64.0)
        );
    }

    #[test]
    fn three_rows_share_one_table() {
        let demand = |rows| {
            Kernel::Forward { rows, lazy: false }.demand(1 << 14, PrimeClass::ReductionFree, 47)
        };
        let (one, three) = (demand(1), demand(3));
        assert_eq!(three.madds, 3.0 * one.madds);
        assert!(three.bytes < 3.0 * one.bytes);
    }

    #[test]
    fn sums_and_products_have_hand_counted_bounds() {
        let machine = plain();
        let n = 1 << 10;
        // a sum: 3 instructions, 2 loads, 1 store a vector; 128 vectors; 24 KiB
        let add = Kernel::Add.demand(n, PrimeClass::ReductionFree, 47);
        assert_eq!(machine.bound(&add).0, 128.0 / 2.0);
        // a product: 4 multiply-adds at two a cycle, 12 instructions at four: 2 against 3 cycles
        let mul = Kernel::Mul.demand(n, PrimeClass::ReductionFree, 47);
        assert_eq!(machine.bound(&mul), (128.0 * 3.0 / 2.0, Resource::Vector));
        // eight sources to eight targets: (2 * 9 + 2) * 8 multiply-adds a vector
        let kernel = Kernel::Convert {
            sources: 8,
            targets: 8,
        };
        let convert = kernel.demand(1 << 8, PrimeClass::ReductionFree, 47);
        assert_eq!(
            machine.bound(&convert),
            (32.0 * 160.0 / 4.0, Resource::MultiplyAdd)
        );
    }
}
