//! Forward steps: Cooley-Tukey butterflies.

use std::arch::asm;
use std::arch::x86_64::*;

use super::super::super::Plan;
use super::super::super::passes::{Step, spare_word};
use super::super::{Consts, V, load, prefetch, shrink, store};
use super::{LANES_LOG, Quotients, TAIL, broadcast, lanes, layout, operands, pick, splat_at};

/// `(x, y) -> (x + w y, x - w y)`.
///
/// Reduction-free: x moves by less than 2q up or down; only the low 52 bits count. Wide: `[0, 4q)` on both
/// sides.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn ct<const WIDE: bool>(c: &Consts, x: &mut V, y: &mut V, (w, quotient): (V, V)) {
    if WIDE {
        let low = _mm512_min_epu64(*x, _mm512_sub_epi64(*x, c.q2));
        let h = _mm512_madd52hi_epu64(c.zero, *y, quotient);
        let t = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(c.zero, *y, w), h, c.minus_q);
        let t = _mm512_and_si512(t, c.mask);
        *x = _mm512_add_epi64(low, t);
        *y = _mm512_sub_epi64(_mm512_add_epi64(low, c.q2), t);
        return;
    }
    let (_h, _twice): (V, V);
    // SAFETY: register arithmetic, with the instructions that the function enables. As assembly because
    // compilers move the five operations apart and wait for the multipliers.
    unsafe {
        asm!(
            "vpxord {h}, {h}, {h}",
            "vpmadd52huq {h}, {y}, {quotient}",
            "vpaddq {twice}, {x}, {x}",
            "vpmadd52luq {x}, {y}, {w}",
            "vpmadd52luq {x}, {h}, {minus_q}",
            "vpsubq {y}, {twice}, {x}",
            x = inout(zmm_reg) *x,
            y = inout(zmm_reg) *y,
            w = in(zmm_reg) w,
            quotient = in(zmm_reg) quotient,
            minus_q = in(zmm_reg) c.minus_q,
            h = out(zmm_reg) _h,
            twice = out(zmm_reg) _twice,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
}

/// The canonical residue of a lane at the end; LAZY: its low 52 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn finish<const WIDE: bool, const LAZY: bool>(c: &Consts, x: V) -> V {
    if LAZY {
        return _mm512_and_si512(x, c.mask);
    }
    let x = if WIDE {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, c.q2))
    } else {
        _mm512_and_si512(shrink(c, x), c.mask)
    };
    _mm512_min_epu64(x, _mm512_sub_epi64(x, c.q))
}

/// LOG stages on words `row[i stride + ..]`, `i < 2^LOG`, COLUMNS vectors of each at a time.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn pass<const LOG: usize, const COLUMNS: usize, const WIDE: bool>(
    c: &Consts,
    row: *mut u64,
    stride: usize,
    tw: *const u64,
) {
    for column in (0..stride).step_by(8 * COLUMNS) {
        let mut v = [[c.zero; COLUMNS]; 16];
        for (i, v) in v.iter_mut().enumerate().take(1 << LOG) {
            for (k, v) in v.iter_mut().enumerate() {
                // SAFETY: the block has stride << LOG words, and the stride is a multiple of 64.
                *v = unsafe { load(row.add(i * stride + column + 8 * k)) };
            }
        }
        if !WIDE {
            // SAFETY: the tree's spare word.
            let lift = unsafe { splat_at(tw.add(spare_word(LOG as u32))) };
            for v in v.as_flattened_mut().iter_mut().take(COLUMNS << (LOG - 1)) {
                *v = _mm512_add_epi64(*v, lift);
            }
        }
        stage::<0, LOG, COLUMNS, WIDE>(c, &mut v, tw);
        stage::<1, LOG, COLUMNS, WIDE>(c, &mut v, tw);
        stage::<2, LOG, COLUMNS, WIDE>(c, &mut v, tw);
        stage::<3, LOG, COLUMNS, WIDE>(c, &mut v, tw);
        for (i, v) in v.iter().enumerate().take(1 << LOG) {
            for (k, v) in v.iter().enumerate() {
                // SAFETY: as above.
                unsafe { store(row.add(i * stride + column + 8 * k), *v) }
            }
        }
    }
}

/// Stage STAGE of LOG, if there is one.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn stage<const STAGE: usize, const LOG: usize, const COLUMNS: usize, const WIDE: bool>(
    c: &Consts,
    v: &mut [[V; COLUMNS]; 16],
    tw: *const u64,
) {
    if STAGE >= LOG {
        return;
    }
    let half = (1 << LOG) >> (STAGE + 1);
    for b in 0..1 << STAGE {
        let pair = broadcast(tw, (1 << STAGE) - 1 + b);
        for i in 0..half {
            let at = 2 * half * b + i;
            let (low, high) = v.split_at_mut(at + half);
            for (x, y) in low[at].iter_mut().zip(&mut high[0]) {
                ct::<WIDE>(c, x, y, pair);
            }
        }
    }
}

/// The last six stages of `count` times 64 words (an even number), to canonical residues; LAZY: to words below 2^52.
///
/// Two blocks at a time: one alone has four independent butterflies, too few to hide their latency.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn tails<const WIDE: bool, const LAZY: bool>(
    c: &Consts,
    quotients: &Quotients,
    row: *mut u64,
    count: usize,
    tw: *const u64,
) {
    let words = layout::tail_words::<WIDE>();
    for pair in 0..count / 2 {
        // SAFETY: the row has `count` blocks of 64 words, the plan as many tails.
        let (row, tw) = unsafe { (row.add(2 * TAIL * pair), tw.add(2 * words * pair)) };
        // SAFETY: as above.
        let tws = unsafe { [tw, tw.add(words)] };
        prefetch(tw, super::AHEAD * words, 2 * words);
        let mut v = [[c.zero; 8]; 2];
        for (i, v) in v.as_flattened_mut().iter_mut().enumerate() {
            // SAFETY: two blocks have 128 words.
            *v = unsafe { load(row.add(8 * i)) };
        }
        if !WIDE {
            for (v, tw) in v.iter_mut().zip(tws) {
                // SAFETY: the tree's spare word.
                let lift = unsafe { splat_at(tw.add(spare_word(LANES_LOG))) };
                for v in v.iter_mut().take(4) {
                    *v = _mm512_add_epi64(*v, lift);
                }
            }
        }
        for stage in 0..3 {
            let half = 4 >> stage;
            for b in 0..1 << stage {
                for (v, tw) in v.iter_mut().zip(tws) {
                    let pair = broadcast(tw, (1 << stage) - 1 + b);
                    for i in 0..half {
                        let at = 2 * half * b + i;
                        let (mut x, mut y) = (v[at], v[at + half]);
                        ct::<WIDE>(c, &mut x, &mut y, pair);
                        (v[at], v[at + half]) = (x, y);
                    }
                }
            }
        }
        // Vectors 2p and 2p + 1 exchange lanes until the words of a butterfly face each other.
        for p in 0..4 {
            for (v, tw) in v.iter_mut().zip(tws) {
                let (a, b) = (v[2 * p], v[2 * p + 1]);
                let mut x = pick(a, b, [0, 2, 8, 10, 1, 3, 9, 11]);
                let mut y = pick(a, b, [4, 6, 12, 14, 5, 7, 13, 15]);
                ct::<WIDE>(c, &mut x, &mut y, lanes::<WIDE>(quotients, tw, 0, p));
                (v[2 * p], v[2 * p + 1]) = (x, y);
            }
        }
        for p in 0..4 {
            for (v, tw) in v.iter_mut().zip(tws) {
                let (a, b) = (v[2 * p], v[2 * p + 1]);
                let mut x = _mm512_unpacklo_epi64(a, b);
                let mut y = _mm512_unpackhi_epi64(a, b);
                ct::<WIDE>(c, &mut x, &mut y, lanes::<WIDE>(quotients, tw, 1, p));
                (v[2 * p], v[2 * p + 1]) = (x, y);
            }
        }
        for p in 0..4 {
            for (v, tw) in v.iter_mut().zip(tws) {
                let (a, b) = (v[2 * p], v[2 * p + 1]);
                let mut x = _mm512_shuffle_i64x2::<0x44>(a, b);
                let mut y = _mm512_shuffle_i64x2::<0xee>(a, b);
                ct::<WIDE>(c, &mut x, &mut y, lanes::<WIDE>(quotients, tw, 2, p));
                (v[2 * p], v[2 * p + 1]) = (x, y);
            }
        }
        for p in 0..4 {
            for (k, v) in v.iter().enumerate() {
                let x = finish::<WIDE, LAZY>(c, v[2 * p]);
                let y = finish::<WIDE, LAZY>(c, v[2 * p + 1]);
                // SAFETY: two blocks have 128 words.
                unsafe {
                    let row = row.add(TAIL * k + 16 * p);
                    store(row, pick(x, y, [0, 8, 4, 12, 1, 9, 5, 13]));
                    store(row.add(8), pick(x, y, [2, 10, 6, 14, 3, 11, 7, 15]));
                }
            }
        }
    }
}

/// One step of a forward transform.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) fn step<const WIDE: bool, const LAZY: bool>(
    plan: &Plan,
    c: &Consts,
    quotients: &Quotients,
    step: &Step,
    row: *mut u64,
) {
    let (row, tw) = operands(plan, step, row);
    let stride = step.len >> step.log;
    match step.log {
        0 => tails::<WIDE, LAZY>(c, quotients, row, step.len / TAIL, tw),
        1 => pass::<1, 4, WIDE>(c, row, stride, tw),
        2 => pass::<2, 4, WIDE>(c, row, stride, tw),
        3 => pass::<3, 2, WIDE>(c, row, stride, tw),
        _ => pass::<4, 1, WIDE>(c, row, stride, tw),
    }
}
