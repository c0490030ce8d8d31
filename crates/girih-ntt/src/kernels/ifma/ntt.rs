//! Transforms with eight 52-bit lanes.
//!
//! Steps and their order are those of [`passes`](super::super::passes); tails have 64 words. No
//! butterfly works within a vector. `docs/ntt.md` derives the ranges.

use std::arch::x86_64::*;

use super::super::passes::{Schedule, Step, blocks, shoup_words, tail_head, tail_words};
use super::super::scalar;
use super::super::{Plan, Roots};
use super::{Consts, V, canonical, load, shrink, store, times};
use crate::modulus::ShoupPair;

/// log2 of the lanes.
const LANES_LOG: u32 = 3;
/// Words of a tail.
const TAIL: usize = 64;
/// Shorter transforms run the scalar kernels: tails come in pairs.
const MIN: usize = 2 * TAIL;
const TAIL_WORDS: usize = tail_words(LANES_LOG);
const TAIL_HEAD: usize = tail_head(LANES_LOG);

/// How many tails ahead twiddles are asked for.
const AHEAD: usize = 8;

/// Between the passes of an inverse transform values are below `2^BETWEEN_LOG q`.
const BETWEEN_LOG: u32 = 2;
/// A sum of an inverse transform is below `2^LIMIT_LOG q < 2^52`.
const LIMIT_LOG: u32 = 5;

/// log2 of the bound, in units of q, on vector `i` after `done` inverse stages of one pass.
///
/// Stage k works along bit k of i: where the bit is set the value is a product, below 2q; where it
/// is clear it is a sum, and the bound doubles. A fourth stage reduces what three sums have raised to
/// `2^LIMIT_LOG`.
const fn bound_log(i: usize, done: u32) -> u32 {
    let sums = (i & ((1 << done) - 1)).leading_zeros() - (usize::BITS - done);
    if sums < done {
        1 + sums
    } else if done <= 3 {
        BETWEEN_LOG + sums
    } else {
        2
    }
}

/// Blocks of at most 2^13 words run all their steps before the next is touched. Passes over the whole
/// row have at most three stages: their eight strided lines fall into one set of the first-level
/// cache, and sixteen would not fit it.
fn schedule(log_n: u32) -> Schedule {
    let (outer, inner): (&[u32], &[u32]) = match log_n - 2 * LANES_LOG {
        1 => (&[], &[1]),
        2 => (&[], &[2]),
        3 => (&[], &[3]),
        4 => (&[], &[4]),
        5 => (&[], &[3, 2]),
        6 => (&[], &[3, 3]),
        7 => (&[1], &[3, 3]),
        8 => (&[2], &[3, 3]),
        9 => (&[3], &[3, 3]),
        10 => (&[3], &[3, 4]),
        _ => (&[2, 2], &[3, 4]),
    };
    Schedule {
        lanes_log: LANES_LOG,
        outer,
        inner,
    }
}

pub(super) fn ntt_plan(roots: &Roots) -> Plan {
    if roots.n < MIN {
        return scalar::ntt_plan(roots);
    }
    let (n, q) = (roots.n, &roots.q);
    let schedule = schedule(n.ilog2());
    let steps = schedule.steps(n);
    let lay_out = |powers: &[u64]| schedule.lay_out(n, &steps, |i| shoup_words(q.shoup(powers[i])));
    let forward = lay_out(&roots.forward);
    let inverse = lay_out(&roots.inverse);
    Plan::new(roots, &forward, &inverse, steps)
}

/// `(x, y) -> (x + w y, x - w y)`.
///
/// Reduction-free: bounds grow by 2q, only the low 52 bits of a lane count. Wide: `[0, 4q)` on both sides.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn ct<const WIDE: bool>(c: &Consts, x: &mut V, y: &mut V, w: V, quotient: V) {
    let h = _mm512_madd52hi_epu64(_mm512_setzero_si512(), *y, quotient);
    if WIDE {
        let low = _mm512_min_epu64(*x, _mm512_sub_epi64(*x, c.q2));
        let t = _mm512_madd52lo_epu64(
            _mm512_madd52lo_epu64(_mm512_setzero_si512(), *y, w),
            h,
            c.minus_q,
        );
        let t = _mm512_and_si512(t, c.mask);
        *x = _mm512_add_epi64(low, t);
        *y = _mm512_sub_epi64(_mm512_add_epi64(low, c.q2), t);
    } else {
        let twice = _mm512_add_epi64(_mm512_add_epi64(*x, *x), c.q2);
        *x = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(*x, *y, w), h, c.minus_q);
        *y = _mm512_sub_epi64(twice, *x);
    }
}

/// `x + y` and `x - y` made positive, for `y` below `2^log q`; wide: both in `[0, 2q)`, the
/// difference below 4q.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn sums<const WIDE: bool>(c: &Consts, x: V, y: V, log: u32) -> (V, V) {
    let sum = _mm512_add_epi64(x, y);
    if WIDE {
        let d = _mm512_sub_epi64(_mm512_add_epi64(x, c.q2), y);
        (_mm512_min_epu64(sum, _mm512_sub_epi64(sum, c.q2)), d)
    } else {
        let above = match log {
            1 => c.q2,
            2 => c.q4,
            3 => c.q8,
            _ => c.q16,
        };
        (sum, _mm512_sub_epi64(_mm512_add_epi64(x, above), y))
    }
}

/// Forward: the canonical residue of a lane at the end.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn finish<const WIDE: bool>(c: &Consts, x: V) -> V {
    let x = if WIDE {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, c.q2))
    } else {
        _mm512_and_si512(shrink(c, x), c.mask)
    };
    _mm512_min_epu64(x, _mm512_sub_epi64(x, c.q))
}

/// One twiddle for all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn broadcast(tw: *const u64, i: usize) -> (V, V) {
    // SAFETY: the plan holds pair i of this pass.
    unsafe {
        (
            _mm512_set1_epi64(*tw.add(2 * i) as i64),
            _mm512_set1_epi64(*tw.add(2 * i + 1) as i64),
        )
    }
}

/// One twiddle a lane, after the tail's broadcast pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn vectors(tw: *const u64, i: usize) -> (V, V) {
    let at = TAIL_HEAD + 16 * i;
    // SAFETY: the plan holds vector pair i of this tail.
    unsafe { (load(tw.add(at)), load(tw.add(at + 8))) }
}

/// Asks for `len` words `ahead` of an address. A table comes from memory once in a while, and its stream has
/// too many neighbours for the hardware to run ahead of it.
#[inline]
fn prefetch(from: *const u64, ahead: usize, len: usize) {
    for line in 0..len / 8 {
        // An address only: it may lie beyond the table.
        let at = from.wrapping_add(ahead + 8 * line);
        // SAFETY: a prefetch does not access memory.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

/// LOG forward stages on words `row[i stride + ..]`, `i < 2^LOG`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn pass<const LOG: usize, const WIDE: bool>(
    c: &Consts,
    row: *mut u64,
    stride: usize,
    tw: *const u64,
) {
    let mut twiddles = [(c.zero, c.zero); 16];
    for (i, pair) in twiddles.iter_mut().enumerate().take((1 << LOG) - 1) {
        *pair = broadcast(tw, i);
    }
    let mut column = 0;
    while column < stride {
        let mut v = [c.zero; 16];
        for (i, v) in v.iter_mut().enumerate().take(1 << LOG) {
            // SAFETY: the block has stride << LOG words.
            *v = unsafe { load(row.add(i * stride + column)) };
        }
        for stage in 0..LOG {
            let half = 1 << (LOG - 1 - stage);
            for b in 0..1 << stage {
                let (w, quotient) = twiddles[(1 << stage) - 1 + b];
                for i in 0..half {
                    let at = 2 * half * b + i;
                    let (mut x, mut y) = (v[at], v[at + half]);
                    ct::<WIDE>(c, &mut x, &mut y, w, quotient);
                    (v[at], v[at + half]) = (x, y);
                }
            }
        }
        for (i, v) in v.iter().enumerate().take(1 << LOG) {
            // SAFETY: the block has stride << LOG words.
            unsafe { store(row.add(i * stride + column), *v) }
        }
        column += 8;
    }
}

/// LOG inverse stages on words `row[i stride + ..]`; values below 4q in and out (wide: 2q).
/// FINAL: the last stage multiplies sums and differences by the pairs `last` and leaves canonical residues.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn inverse_pass<const LOG: usize, const WIDE: bool, const FINAL: bool>(
    c: &Consts,
    row: *mut u64,
    stride: usize,
    tw: *const u64,
    last: &[[u64; 2]; 2],
) {
    let mut twiddles = [(c.zero, c.zero); 16];
    for (i, pair) in twiddles.iter_mut().enumerate().take((1 << LOG) - 1) {
        *pair = broadcast(tw, i);
    }
    let normalise = broadcast(last.as_flattened().as_ptr(), 0);
    if FINAL {
        twiddles[0] = broadcast(last.as_flattened().as_ptr(), 1);
    }
    let mut column = 0;
    while column < stride {
        let mut v = [c.zero; 16];
        for (i, v) in v.iter_mut().enumerate().take(1 << LOG) {
            // SAFETY: the block has stride << LOG words.
            *v = unsafe { load(row.add(i * stride + column)) };
        }
        for stage in (0..LOG).rev() {
            let half = 1 << (LOG - 1 - stage);
            for b in 0..1 << stage {
                let (w, quotient) = twiddles[(1 << stage) - 1 + b];
                for i in 0..half {
                    let at = 2 * half * b + i;
                    let log = bound_log(at, (LOG - 1 - stage) as u32);
                    (v[at], v[at + half]) = gs::<WIDE>(c, v[at], v[at + half], log, w, quotient);
                }
            }
        }
        for (i, v) in v.iter_mut().enumerate().take(1 << LOG) {
            *v = if !FINAL {
                settle::<WIDE>(c, *v, i, LOG as u32)
            } else if i < (1 << LOG) / 2 {
                canonical(c, times::<WIDE>(c, *v, normalise.0, normalise.1))
            } else {
                canonical(c, *v)
            };
            // SAFETY: the block has stride << LOG words.
            unsafe { store(row.add(i * stride + column), *v) }
        }
        column += 8;
    }
}

/// Rows of an 8 x 8 matrix of words become columns.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn transpose(v: [V; 8]) -> [V; 8] {
    let (a0, a1) = (
        _mm512_unpacklo_epi64(v[0], v[1]),
        _mm512_unpackhi_epi64(v[0], v[1]),
    );
    let (a2, a3) = (
        _mm512_unpacklo_epi64(v[2], v[3]),
        _mm512_unpackhi_epi64(v[2], v[3]),
    );
    let (a4, a5) = (
        _mm512_unpacklo_epi64(v[4], v[5]),
        _mm512_unpackhi_epi64(v[4], v[5]),
    );
    let (a6, a7) = (
        _mm512_unpacklo_epi64(v[6], v[7]),
        _mm512_unpackhi_epi64(v[6], v[7]),
    );
    // Quarters 0, 2 and 1, 3 of two rows of pairs.
    let (b0, b1) = (quarters::<0x88>(a0, a2), quarters::<0x88>(a1, a3));
    let (b2, b3) = (quarters::<0xdd>(a0, a2), quarters::<0xdd>(a1, a3));
    let (b4, b5) = (quarters::<0x88>(a4, a6), quarters::<0x88>(a5, a7));
    let (b6, b7) = (quarters::<0xdd>(a4, a6), quarters::<0xdd>(a5, a7));
    [
        quarters::<0x88>(b0, b4),
        quarters::<0x88>(b1, b5),
        quarters::<0x88>(b2, b6),
        quarters::<0x88>(b3, b7),
        quarters::<0xdd>(b0, b4),
        quarters::<0xdd>(b1, b5),
        quarters::<0xdd>(b2, b6),
        quarters::<0xdd>(b3, b7),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn quarters<const PICK: i32>(a: V, b: V) -> V {
    _mm512_shuffle_i64x2::<PICK>(a, b)
}

/// The last six stages of `count` times 64 words (an even number), to canonical residues.
///
/// Two blocks at a time: one alone has four independent butterflies, too few to hide their latency.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn tail<const WIDE: bool>(c: &Consts, row: *mut u64, count: usize, tw: *const u64) {
    for pair in 0..count / 2 {
        // SAFETY: the row has `count` blocks of 64 words, the plan as many tails.
        let (row, tw) = unsafe { (row.add(2 * TAIL * pair), tw.add(2 * TAIL_WORDS * pair)) };
        // SAFETY: as above.
        let tws = unsafe { [tw, tw.add(TAIL_WORDS)] };
        prefetch(tw, AHEAD * TAIL_WORDS, 2 * TAIL_WORDS);
        let mut v = [[c.zero; 8]; 2];
        for (i, v) in v.as_flattened_mut().iter_mut().enumerate() {
            // SAFETY: two blocks have 128 words.
            *v = unsafe { load(row.add(8 * i)) };
        }
        for stage in 0..3 {
            let half = 4 >> stage;
            for b in 0..1 << stage {
                for (v, tw) in v.iter_mut().zip(tws) {
                    let (w, quotient) = broadcast(tw, (1 << stage) - 1 + b);
                    for i in 0..half {
                        ct_at::<WIDE>(c, v, 2 * half * b + i, half, w, quotient);
                    }
                }
            }
        }
        let mut v = [transpose(v[0]), transpose(v[1])];
        for stage in 0..3 {
            let half = 4 >> stage;
            for b in 0..1 << stage {
                for (v, tw) in v.iter_mut().zip(tws) {
                    let (w, quotient) = vectors(tw, (1 << stage) - 1 + b);
                    for i in 0..half {
                        ct_at::<WIDE>(c, v, 2 * half * b + i, half, w, quotient);
                    }
                }
            }
        }
        for v in v.as_flattened_mut() {
            *v = finish::<WIDE>(c, *v);
        }
        let v = [transpose(v[0]), transpose(v[1])];
        for (i, v) in v.as_flattened().iter().enumerate() {
            // SAFETY: two blocks have 128 words.
            unsafe { store(row.add(8 * i), *v) }
        }
    }
}

/// [`ct`] on two of eight vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn ct_at<const WIDE: bool>(c: &Consts, v: &mut [V; 8], at: usize, half: usize, w: V, quotient: V) {
    let (mut x, mut y) = (v[at], v[at + half]);
    ct::<WIDE>(c, &mut x, &mut y, w, quotient);
    (v[at], v[at + half]) = (x, y);
}

/// The first six inverse stages of `count` times 64 words (an even number), from canonical residues
/// to values below 4q.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn inverse_tail<const WIDE: bool>(c: &Consts, row: *mut u64, count: usize, tw: *const u64) {
    for pair in 0..count / 2 {
        // SAFETY: the row has `count` blocks of 64 words, the plan as many tails.
        let (row, tw) = unsafe { (row.add(2 * TAIL * pair), tw.add(2 * TAIL_WORDS * pair)) };
        // SAFETY: as above.
        let tws = unsafe { [tw, tw.add(TAIL_WORDS)] };
        prefetch(tw, AHEAD * TAIL_WORDS, 2 * TAIL_WORDS);
        let mut v = [[c.zero; 8]; 2];
        for (i, v) in v.as_flattened_mut().iter_mut().enumerate() {
            // SAFETY: two blocks have 128 words.
            *v = unsafe { load(row.add(8 * i)) };
        }
        let mut v = [transpose(v[0]), transpose(v[1])];
        inverse_stage::<2, WIDE, true>(c, &mut v, tws);
        inverse_stage::<1, WIDE, true>(c, &mut v, tws);
        inverse_stage::<0, WIDE, true>(c, &mut v, tws);
        for v in &mut v {
            *v = settle_all::<WIDE>(c, *v);
        }
        let mut v = [transpose(v[0]), transpose(v[1])];
        inverse_stage::<2, WIDE, false>(c, &mut v, tws);
        inverse_stage::<1, WIDE, false>(c, &mut v, tws);
        inverse_stage::<0, WIDE, false>(c, &mut v, tws);
        for v in &mut v {
            *v = settle_all::<WIDE>(c, *v);
        }
        for (i, v) in v.as_flattened().iter().enumerate() {
            // SAFETY: two blocks have 128 words.
            unsafe { store(row.add(8 * i), *v) }
        }
    }
}

/// Inverse butterfly `(x, y) -> (x + y, (x - y) w)` of values below `2^log q`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn gs<const WIDE: bool>(c: &Consts, x: V, y: V, log: u32, w: V, quotient: V) -> (V, V) {
    let (x, y, log) = if !WIDE && log == LIMIT_LOG {
        (shrink(c, x), shrink(c, y), 1)
    } else {
        (x, y, log)
    };
    let (sum, d) = sums::<WIDE>(c, x, y, log);
    (sum, times::<WIDE>(c, d, w, quotient))
}

/// Inverse stage STAGE of three on two times eight vectors; LANES: one twiddle a lane.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn inverse_stage<const STAGE: usize, const WIDE: bool, const LANES: bool>(
    c: &Consts,
    v: &mut [[V; 8]; 2],
    tws: [*const u64; 2],
) {
    let half = 4 >> STAGE;
    for b in 0..1 << STAGE {
        for (v, tw) in v.iter_mut().zip(tws) {
            let node = (1 << STAGE) - 1 + b;
            let (w, quotient) = if LANES {
                vectors(tw, node)
            } else {
                broadcast(tw, node)
            };
            for i in 0..half {
                let at = 2 * half * b + i;
                let log = bound_log(at, 2 - STAGE as u32);
                (v[at], v[at + half]) = gs::<WIDE>(c, v[at], v[at + half], log, w, quotient);
            }
        }
    }
}

/// [`settle`] for the eight vectors of a tail.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn settle_all<const WIDE: bool>(c: &Consts, v: [V; 8]) -> [V; 8] {
    let [a, b, rest @ ..] = v;
    let [d, e, f, g, h, i] = rest;
    [
        settle::<WIDE>(c, a, 0, 3),
        settle::<WIDE>(c, b, 1, 3),
        d,
        e,
        f,
        g,
        h,
        i,
    ]
}

/// Brings vector `i`, at the end of a pass of `done` stages, below the bound between passes.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn settle<const WIDE: bool>(c: &Consts, v: V, i: usize, done: u32) -> V {
    if !WIDE && bound_log(i, done) > BETWEEN_LOG {
        shrink(c, v)
    } else {
        v
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn pass_by_log<const WIDE: bool>(
    c: &Consts,
    log: u32,
    row: *mut u64,
    stride: usize,
    tw: *const u64,
) {
    match log {
        1 => pass::<1, WIDE>(c, row, stride, tw),
        2 => pass::<2, WIDE>(c, row, stride, tw),
        3 => pass::<3, WIDE>(c, row, stride, tw),
        _ => pass::<4, WIDE>(c, row, stride, tw),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn inverse_pass_by_log<const WIDE: bool, const FINAL: bool>(
    c: &Consts,
    log: u32,
    row: *mut u64,
    stride: usize,
    tw: *const u64,
    last: &[[u64; 2]; 2],
) {
    match log {
        1 => inverse_pass::<1, WIDE, FINAL>(c, row, stride, tw, last),
        2 => inverse_pass::<2, WIDE, FINAL>(c, row, stride, tw, last),
        3 => inverse_pass::<3, WIDE, FINAL>(c, row, stride, tw, last),
        _ => inverse_pass::<4, WIDE, FINAL>(c, row, stride, tw, last),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn forward_steps<const WIDE: bool>(plan: &Plan, c: &Consts, steps: &[Step], row: *mut u64) {
    for step in steps {
        // SAFETY: steps lie within the row, and the plan holds their twiddles.
        let (at, tw) = unsafe {
            (
                row.add(step.start),
                plan.forward.as_ptr().add(step.twiddles),
            )
        };
        if step.log == 0 {
            tail::<WIDE>(c, at, step.len / TAIL, tw);
        } else {
            pass_by_log::<WIDE>(c, step.log, at, step.len >> step.log, tw);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn inverse_steps<const WIDE: bool>(
    plan: &Plan,
    c: &Consts,
    steps: &[Step],
    row: *mut u64,
    last: &[[u64; 2]; 2],
) {
    for step in steps.iter().rev() {
        // SAFETY: steps lie within the row, and the plan holds their twiddles.
        let (at, tw) = unsafe {
            (
                row.add(step.start),
                plan.inverse.as_ptr().add(step.twiddles),
            )
        };
        let stride = step.len >> step.log;
        if step.log == 0 {
            inverse_tail::<WIDE>(c, at, step.len / TAIL, tw);
        } else if step.len == plan.n {
            inverse_pass_by_log::<WIDE, true>(c, step.log, at, stride, tw, last);
        } else {
            inverse_pass_by_log::<WIDE, false>(c, step.log, at, stride, tw, last);
        }
    }
}

/// Forward transforms; see [`super::super::Kernels`]. The twiddles of a block serve one row after the other.
///
/// # Safety
/// The processor has the module's features; rows hold the plan's n words.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn ntt_forward<const WIDE: bool>(plan: &Plan, rows: &mut [&mut [u64]]) {
    if plan.n < MIN {
        // SAFETY: the caller's contract.
        return unsafe { scalar::ntt_forward(plan, rows) };
    }
    let c = Consts::new(&plan.q);
    for steps in blocks(&plan.steps) {
        for row in rows.iter_mut() {
            forward_steps::<WIDE>(plan, &c, steps, row.as_mut_ptr());
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
    let c = Consts::new(&plan.q);
    let last = last.map(shoup_words);
    for steps in blocks(&plan.steps).rev() {
        for row in rows.iter_mut() {
            inverse_steps::<WIDE>(plan, &c, steps, row.as_mut_ptr(), &last);
        }
    }
}
