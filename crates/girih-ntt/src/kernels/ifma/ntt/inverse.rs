//! Inverse steps: Gentleman-Sande butterflies, with the forward transform's twiddles.
//!
//! `psi^-e = -psi^(n - e)`: the twiddles of a block's inverse are those of the mirrored block, at the
//! other end of the row, negated and in reverse order. Differences taken the other way round absorb the sign.

use std::arch::asm;
use std::arch::x86_64::*;

use super::super::super::Plan;
use super::super::super::passes::Step;
use super::super::{Consts, V, canonical, load, prefetch, shrink, store, times};
use super::{Quotients, TAIL, broadcast, lanes, layout, operands, pick};

/// Between the passes of an inverse transform values are below `2^BETWEEN_LOG q`.
const BETWEEN_LOG: u32 = 3;
/// Values below `2^LIMIT_LOG q` are reduced before they are added.
const LIMIT_LOG: u32 = 5;

/// log2 of the bound, in units of q, on vector `i` after `done` inverse stages of one pass.
///
/// Stage k works along bit k of i: where the bit is set the value is a product, below 2q; where it
/// is clear it is a sum, and the bound doubles. A third stage reduces what two sums have raised to
/// `2^LIMIT_LOG`.
const fn bound_log(i: usize, done: u32) -> u32 {
    let sums = (i & ((1 << done) - 1)).leading_zeros() - (usize::BITS - done);
    if sums < done {
        1 + sums
    } else if BETWEEN_LOG + done <= LIMIT_LOG {
        BETWEEN_LOG + done
    } else {
        BETWEEN_LOG + done - LIMIT_LOG + 1
    }
}

/// `(x, y) -> (x + y, (y - x) w)` of values below `2^log q`; wide: of values below 2q.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn gs<const WIDE: bool>(c: &Consts, x: &mut V, y: &mut V, log: u32, (w, quotient): (V, V)) {
    if WIDE {
        let sum = _mm512_add_epi64(*x, *y);
        let d = _mm512_sub_epi64(_mm512_add_epi64(*y, c.q2), *x);
        *x = _mm512_min_epu64(sum, _mm512_sub_epi64(sum, c.q2));
        *y = times::<WIDE>(c, d, w, quotient);
        return;
    }
    let log = if log == LIMIT_LOG {
        (*x, *y) = (shrink(c, *x), shrink(c, *y));
        1
    } else {
        log
    };
    let above = match log {
        0 => c.q,
        1 => c.q2,
        2 => c.q4,
        3 => c.q8,
        _ => c.q16,
    };
    let (_h, _d): (V, V);
    // SAFETY: register arithmetic, with the instructions that the function enables. As assembly because
    // compilers move the operations apart and wait for the multipliers.
    unsafe {
        asm!(
            "vpaddq {d}, {y}, {above}",
            "vpxord {h}, {h}, {h}",
            "vpsubq {d}, {d}, {x}",
            "vpaddq {x}, {x}, {y}",
            "vpxord {y}, {y}, {y}",
            "vpmadd52huq {h}, {d}, {quotient}",
            "vpmadd52luq {y}, {d}, {w}",
            "vpmadd52luq {y}, {h}, {minus_q}",
            x = inout(zmm_reg) *x,
            y = inout(zmm_reg) *y,
            w = in(zmm_reg) w,
            quotient = in(zmm_reg) quotient,
            above = in(zmm_reg) above,
            minus_q = in(zmm_reg) c.minus_q,
            h = out(zmm_reg) _h,
            d = out(zmm_reg) _d,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
}

/// Pair `b` of stage `stage` of the mirrored tree.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn mirrored(tw: *const u64, stage: usize, b: usize) -> (V, V) {
    broadcast(tw, (2 << stage) - 2 - b)
}

/// LOG stages on words `row[i stride + ..]`, COLUMNS vectors of each at a time; values below
/// `2^BETWEEN_LOG q` in and out (wide: 2q). FINAL: the last stage multiplies sums and differences by the
/// pairs `last` and leaves canonical residues.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn pass<const LOG: usize, const COLUMNS: usize, const WIDE: bool, const FINAL: bool>(
    c: &Consts,
    row: *mut u64,
    stride: usize,
    tw: *const u64,
    last: *const u64,
) {
    for column in (0..stride).step_by(8 * COLUMNS) {
        let mut v = [[c.zero; COLUMNS]; 16];
        for (i, v) in v.iter_mut().enumerate().take(1 << LOG) {
            for (k, v) in v.iter_mut().enumerate() {
                // SAFETY: the block has stride << LOG words, and the stride is a multiple of 64.
                *v = unsafe { load(row.add(i * stride + column + 8 * k)) };
            }
        }
        stage::<3, LOG, COLUMNS, WIDE, FINAL>(c, &mut v, tw, last);
        stage::<2, LOG, COLUMNS, WIDE, FINAL>(c, &mut v, tw, last);
        stage::<1, LOG, COLUMNS, WIDE, FINAL>(c, &mut v, tw, last);
        stage::<0, LOG, COLUMNS, WIDE, FINAL>(c, &mut v, tw, last);
        for (i, v) in v.iter().enumerate().take(1 << LOG) {
            for (k, v) in v.iter().enumerate() {
                let v = if !FINAL {
                    settle::<WIDE>(c, *v, i, LOG as u32)
                } else if i < (1 << LOG) / 2 {
                    let (w, quotient) = broadcast(last, 0);
                    canonical(c, times::<WIDE>(c, *v, w, quotient))
                } else {
                    canonical(c, *v)
                };
                // SAFETY: as above.
                unsafe { store(row.add(i * stride + column + 8 * k), v) }
            }
        }
    }
}

/// Stage STAGE of LOG, if there is one.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn stage<
    const STAGE: usize,
    const LOG: usize,
    const COLUMNS: usize,
    const WIDE: bool,
    const FINAL: bool,
>(
    c: &Consts,
    v: &mut [[V; COLUMNS]; 16],
    tw: *const u64,
    last: *const u64,
) {
    if STAGE >= LOG {
        return;
    }
    let half = (1 << LOG) >> (STAGE + 1);
    for b in 0..1 << STAGE {
        let pair = if FINAL && STAGE == 0 {
            broadcast(last, 1)
        } else {
            mirrored(tw, STAGE, b)
        };
        for i in 0..half {
            let at = 2 * half * b + i;
            let log = bound_log(at, (LOG - 1 - STAGE) as u32);
            let (low, high) = v.split_at_mut(at + half);
            for (x, y) in low[at].iter_mut().zip(&mut high[0]) {
                gs::<WIDE>(c, x, y, log, pair);
            }
        }
    }
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

/// The first six stages of `count` times 64 words (an even number), from canonical residues to
/// values below `2^BETWEEN_LOG q`. Lanes are those of the forward transform, in reverse order.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn tails<const WIDE: bool>(
    c: &Consts,
    quotients: &Quotients,
    row: *mut u64,
    count: usize,
    tw: *const u64,
) {
    let words = layout::tail_words::<WIDE>();
    for pair in 0..count / 2 {
        // SAFETY: the row has `count` blocks of 64 words, the plan as many tails.
        let (row, tw) = unsafe {
            (
                row.add(2 * TAIL * pair),
                tw.add(words * (count - 2 - 2 * pair)),
            )
        };
        // SAFETY: as above.
        let tws = unsafe { [tw.add(words), tw] };
        prefetch(tw.wrapping_sub(super::AHEAD * words), 0, 2 * words);
        prefetch(row, super::AHEAD * TAIL, 2 * TAIL);
        let mut v = [[c.zero; 8]; 2];
        for (i, v) in v.as_flattened_mut().iter_mut().enumerate() {
            // SAFETY: two blocks have 128 words.
            *v = unsafe { load(row.add(8 * i)) };
        }
        lane_stage::<2, WIDE>(c, quotients, &mut v, tws);
        lane_stage::<1, WIDE>(c, quotients, &mut v, tws);
        lane_stage::<0, WIDE>(c, quotients, &mut v, tws);
        tree_stage::<2, WIDE>(c, &mut v, tws);
        tree_stage::<1, WIDE>(c, &mut v, tws);
        tree_stage::<0, WIDE>(c, &mut v, tws);
        for v in &mut v {
            v[0] = settle::<WIDE>(c, v[0], 0, 3);
            v[1] = settle::<WIDE>(c, v[1], 1, 3);
        }
        for (i, v) in v.as_flattened().iter().enumerate() {
            // SAFETY: two blocks have 128 words.
            unsafe { store(row.add(8 * i), *v) }
        }
    }
}

/// Stage STAGE of three within pairs of vectors of two tails: lanes are exchanged until the words of a
/// butterfly face each other; after the last stage they return to their places.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn lane_stage<const STAGE: usize, const WIDE: bool>(
    c: &Consts,
    quotients: &Quotients,
    v: &mut [[V; 8]; 2],
    tws: [*const u64; 2],
) {
    for p in 0..4 {
        for (v, tw) in v.iter_mut().zip(tws) {
            let (a, b) = (v[2 * p], v[2 * p + 1]);
            let (mut x, mut y) = match STAGE {
                2 => (
                    pick(a, b, [14, 10, 6, 2, 12, 8, 4, 0]),
                    pick(a, b, [15, 11, 7, 3, 13, 9, 5, 1]),
                ),
                1 => (
                    _mm512_shuffle_i64x2::<0xee>(b, a),
                    _mm512_shuffle_i64x2::<0x44>(b, a),
                ),
                _ => (_mm512_unpackhi_epi64(b, a), _mm512_unpacklo_epi64(b, a)),
            };
            // Canonical residues first, and a bit more after each sum.
            let log = 2 - STAGE as u32;
            let pair = lanes::<WIDE>(quotients, tw, STAGE, 3 - p);
            gs::<WIDE>(c, &mut x, &mut y, log, pair);
            (v[2 * p], v[2 * p + 1]) = if STAGE > 0 {
                (x, y)
            } else {
                (
                    pick(x, y, [7, 3, 6, 2, 15, 11, 14, 10]),
                    pick(x, y, [5, 1, 4, 0, 13, 9, 12, 8]),
                )
            };
        }
    }
}

/// Stage STAGE of three across the vectors of two tails.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn tree_stage<const STAGE: usize, const WIDE: bool>(
    c: &Consts,
    v: &mut [[V; 8]; 2],
    tws: [*const u64; 2],
) {
    let half = 4 >> STAGE;
    for b in 0..1 << STAGE {
        for (v, tw) in v.iter_mut().zip(tws) {
            let pair = mirrored(tw, STAGE, b);
            for i in 0..half {
                let at = 2 * half * b + i;
                let log = bound_log(at, 2 - STAGE as u32);
                let (mut x, mut y) = (v[at], v[at + half]);
                gs::<WIDE>(c, &mut x, &mut y, log, pair);
                (v[at], v[at + half]) = (x, y);
            }
        }
    }
}

/// One step of an inverse transform.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) fn step<const WIDE: bool>(
    plan: &Plan,
    c: &Consts,
    quotients: &Quotients,
    step: &Step,
    row: *mut u64,
    last: &[[u64; 2]; 2],
) {
    let (row, tw) = operands(plan, step, row);
    let stride = step.len >> step.log;
    let last = last.as_flattened().as_ptr();
    match (step.log, step.len == plan.n) {
        (0, _) => tails::<WIDE>(c, quotients, row, step.len / TAIL, tw),
        (1, false) => pass::<1, 4, WIDE, false>(c, row, stride, tw, last),
        (2, false) => pass::<2, 4, WIDE, false>(c, row, stride, tw, last),
        (3, false) => pass::<3, 2, WIDE, false>(c, row, stride, tw, last),
        (_, false) => pass::<4, 1, WIDE, false>(c, row, stride, tw, last),
        (1, true) => pass::<1, 4, WIDE, true>(c, row, stride, tw, last),
        (2, true) => pass::<2, 4, WIDE, true>(c, row, stride, tw, last),
        (3, true) => pass::<3, 2, WIDE, true>(c, row, stride, tw, last),
        (_, true) => pass::<4, 1, WIDE, true>(c, row, stride, tw, last),
    }
}
