//! Transforms with eight 52-bit lanes.
//!
//! Steps and their order are those of [`passes`](super::super::passes); tails have 64 words. No
//! butterfly works within a vector. `docs/ntt.md` derives the ranges.

use super::super::passes::{Schedule, Step, forward_blocks, inverse_blocks};
use super::super::{Plan, Roots, scalar};
use super::{Consts, V, load};
use crate::modulus::{Modulus, ShoupPair};
use std::arch::x86_64::*;

mod forward;
mod inverse;
mod layout;

/// log2 of the lanes.
const LANES_LOG: u32 = 3;
/// Words of a tail.
const TAIL: usize = 64;
/// Shorter transforms run the scalar kernels: tails come in pairs.
const MIN: usize = 2 * TAIL;

/// Passes of three stages where the block leaves the first-level cache: eight strided lines fall into one
/// of its sets, and sixteen would not fit it.
fn schedule<const WIDE: bool>(log_n: u32) -> Schedule {
    let passes: &[u32] = match log_n - 2 * LANES_LOG {
        1 => &[1],
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
    };
    Schedule {
        lanes_log: LANES_LOG,
        passes,
        tail_words: layout::tail_words::<WIDE>(),
    }
}

pub(super) fn ntt_plan<const WIDE: bool>(roots: &Roots) -> Plan {
    if roots.n < MIN {
        return scalar::ntt_plan(roots);
    }
    let schedule = schedule::<WIDE>(roots.n.ilog2());
    let forward = schedule.forward_steps(roots.n);
    let table = layout::table::<WIDE>(roots, &schedule, &forward);
    // The inverse reads the same table from the other end.
    let mut inverse = schedule.inverse_steps(roots.n);
    Schedule::mirror(roots.n, &forward, &mut inverse);
    Plan::new(roots, &table, &[], [forward, inverse])
}

/// How the factor of a vector's lanes becomes a pair.
#[derive(Clone, Copy)]
struct Quotients {
    /// `2^52 / q`, rounded down.
    ratio: __m512d,
    /// `2^52 - 2^52 ratio`, exact.
    shift: __m512d,
}

impl Quotients {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
    fn new(q: &Modulus) -> Quotients {
        let two52 = (1_u64 << 52) as f64;
        let nearest = two52 / q.value() as f64;
        // The remainder of a division rounded to nearest is exact.
        let ratio = if nearest.mul_add(q.value() as f64, -two52) > 0.0 {
            nearest.next_down()
        } else {
            nearest
        };
        Quotients {
            ratio: _mm512_set1_pd(ratio),
            shift: _mm512_set1_pd(two52 - two52 * ratio),
        }
    }

    /// For `w + 2^52` as a double, `floor(w 2^52 / q)` or one less in the low 52 bits.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
    fn of(&self, w: V) -> V {
        const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
        let w = _mm512_castsi512_pd(w);
        _mm512_castpd_si512(_mm512_fmadd_round_pd::<DOWN>(w, self.ratio, self.shift))
    }
}

/// Pair `i` of a tree, in all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn broadcast(tw: *const u64, i: usize) -> (V, V) {
    // SAFETY: the plan holds pair i of this tree.
    unsafe { (splat_at(tw.add(2 * i)), splat_at(tw.add(2 * i + 1))) }
}

/// # Safety
/// `p` points to a readable word.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn splat_at(p: *const u64) -> V {
    // SAFETY: the caller's contract.
    _mm512_set1_epi64(unsafe { *p } as i64)
}

/// The lanes' pairs of stage STAGE of the last three, for pair P of a tail's vectors; the first two
/// stages have the same four factors in both halves.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn lanes<const WIDE: bool>(c: &Quotients, tw: *const u64, stage: usize, p: usize) -> (V, V) {
    let at = layout::lanes_at::<WIDE>(stage, p);
    // SAFETY: the plan holds four words, or eight in the last stage, of factors there, and for a wide
    // prime as many of quotients after them.
    unsafe {
        let (w, quotient) = (tw.add(at), tw.add(at + layout::LANES[stage]));
        match (stage == 2, WIDE) {
            (true, true) => (load(w), load(quotient)),
            (true, false) => (load(w), c.of(load(w))),
            (false, true) => (repeated(w), repeated(quotient)),
            (false, false) => (repeated(w), c.of(repeated(w))),
        }
    }
}

/// # Safety
/// `p` points to four readable words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn repeated(p: *const u64) -> V {
    // SAFETY: the caller's contract.
    _mm512_broadcast_i64x4(unsafe { _mm256_loadu_si256(p.cast()) })
}

/// How many tails ahead the twiddles are fetched.
const AHEAD: usize = 8;

/// Two vectors' lanes in any order, low to high; 8 and above are those of `b`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn pick(a: V, b: V, from: [i64; 8]) -> V {
    let [i, j, k, l, m, n, o, p] = from;
    _mm512_permutex2var_epi64(a, _mm512_setr_epi64(i, j, k, l, m, n, o, p), b)
}

/// Forward transforms; see [`super::super::Kernels`]. The twiddles of a block serve one row after the other.
/// LAZY: to words below 2^52.
///
/// # Safety
/// The processor has the module's features; rows hold the plan's n words.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn ntt_forward<const WIDE: bool, const LAZY: bool>(
    plan: &Plan,
    rows: &mut [&mut [u64]],
) {
    if plan.n < MIN {
        // SAFETY: the caller's contract.
        return unsafe { scalar::ntt_forward(plan, rows) };
    }
    let (c, quotients) = (Consts::new(&plan.q), Quotients::new(&plan.q));
    for steps in forward_blocks(&plan.steps[0]) {
        for row in rows.iter_mut() {
            for step in steps {
                forward::step::<WIDE, LAZY>(plan, &c, &quotients, step, row.as_mut_ptr());
            }
        }
    }
}

/// Inverse transforms; see [`super::super::Kernels`]. The twiddles of a block serve one row after the other.
///
/// # Safety
/// The processor has the module's features; rows hold the plan's n words.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn ntt_inverse<const WIDE: bool>(
    plan: &Plan,
    rows: &mut [&mut [u64]],
    last: [ShoupPair; 2],
) {
    if plan.n < MIN {
        // SAFETY: the caller's contract.
        return unsafe { scalar::ntt_inverse(plan, rows, last) };
    }
    let (c, quotients) = (Consts::new(&plan.q), Quotients::new(&plan.q));
    // The butterflies take differences the other way round.
    let negated = plan.q.shoup(plan.q.neg(last[1].w));
    let last = [last[0], negated].map(layout::pair);
    for steps in inverse_blocks(&plan.steps[1]) {
        for row in rows.iter_mut() {
            for step in steps {
                inverse::step::<WIDE>(plan, &c, &quotients, step, row.as_mut_ptr(), &last);
            }
        }
    }
}

/// The words of a step and its twiddles.
#[inline]
fn operands(plan: &Plan, step: &Step, row: *mut u64) -> (*mut u64, *const u64) {
    debug_assert!(step.start + step.len <= plan.n && step.twiddles < plan.forward.len());
    // SAFETY: steps lie within the row, and the plan holds their twiddles.
    unsafe {
        (
            row.add(step.start),
            plan.forward.as_ptr().add(step.twiddles),
        )
    }
}
