//! Sums of products with eight 52-bit lanes: inner products.
//!
//! The low and high halves of the products are summed in two 64-bit accumulators, and one reduction
//! follows for the whole sum. A high half is below `a b / 2^52`; sums whose high halves may reach 2^52
//! reduce that accumulator in two parts.

use std::arch::x86_64::*;

use super::super::{Dot, run_shift, scalar};
use super::rows::load_group;
use super::{Consts, V, load, load_run, prefetch, shrink, splat, store, times};
use crate::modulus::Modulus;
use crate::permutation::Group;

/// Words that all rows of a sum together are asked for ahead: what the first-level cache holds beside them.
const AHEAD: usize = 1152;

/// The constants of the reduction that ends a sum of products of residues.
struct Fold {
    c: Consts,
    /// What is needed of the sum: its bits from `shift` on, as a word of 52.
    shift: __m128i,
    unshift: __m128i,
    /// `floor(2^(52 + shift) / q)`.
    barrett: V,
    r52: [V; 2],
    r104: [V; 2],
    /// [`SHORT`], [`MEDIUM`] or [`LONG`].
    length: u8,
}

/// A sum of products below `2^(52 + shift)`: one Barrett step.
const SHORT: u8 = 0;
/// High halves add up to less than 2^52.
const MEDIUM: u8 = 1;
/// The high accumulator may exceed 52 bits.
const LONG: u8 = 2;

impl Fold {
    /// For sums of `terms` products of residues.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
    fn new(q: &Modulus, terms: usize) -> Fold {
        let value = u128::from(q.value());
        // With the word that an accumulating product starts from.
        let sum = (terms as u128 + 1) * value * value;
        // One more a term for what the low halves carry over.
        let high = (((value * value) >> 52) + 2) * (terms as u128 + 1);
        let shift = (q.bits() - 2).min(51);
        let length = if sum >> shift < 1 << 52 {
            SHORT
        } else if high < 1 << 52 {
            MEDIUM
        } else {
            LONG
        };
        let pair = |p: crate::modulus::ShoupPair| [splat(p.w), splat(p.quotient)];
        Fold {
            c: Consts::new(q),
            shift: _mm_cvtsi32_si128(shift as i32),
            unshift: _mm_cvtsi32_si128(52 - shift as i32),
            // At most 2^51: q is at least 2^(shift + 1).
            barrett: splat(((1_u128 << (52 + shift)) / value) as u64),
            r52: pair(q.r52()),
            r104: pair(q.r104()),
            length,
        }
    }

    /// `(2^52 high + low) mod q`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
    fn apply<const LENGTH: u8>(&self, [low, high]: [V; 2]) -> V {
        let c = &self.c;
        if LENGTH == SHORT {
            // The bits shifted out lose less than 1/2 of a quotient, the constant and the product less than 1 each:
            // what remains is below 3.5 q < 2^52.
            let top = _mm512_add_epi64(
                _mm512_sll_epi64(high, self.unshift),
                _mm512_srl_epi64(low, self.shift),
            );
            let quotient = _mm512_madd52hi_epu64(c.zero, top, self.barrett);
            let rest = _mm512_madd52lo_epu64(low, quotient, c.minus_q);
            let rest = _mm512_and_si512(rest, c.mask);
            let rest = _mm512_min_epu64(rest, _mm512_sub_epi64(rest, c.q2));
            return _mm512_min_epu64(rest, _mm512_sub_epi64(rest, c.q));
        }
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<52>(low));
        // Both parts are below 2q modulo 2^52, their sum below 4q < 2^52.
        let sum = _mm512_add_epi64(
            shrink(c, _mm512_and_si512(low, c.mask)),
            times::<false>(c, high, self.r52[0], self.r52[1]),
        );
        let mut sum = _mm512_and_si512(sum, c.mask);
        if LENGTH == LONG {
            let top = _mm512_srli_epi64::<52>(high);
            sum = _mm512_min_epu64(sum, _mm512_sub_epi64(sum, c.q2));
            sum = _mm512_add_epi64(sum, times::<true>(c, top, self.r104[0], self.r104[1]));
        }
        sum = _mm512_min_epu64(sum, _mm512_sub_epi64(sum, c.q2));
        _mm512_min_epu64(sum, _mm512_sub_epi64(sum, c.q))
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn multiply_add(sum: &mut [V; 2], x: V, y: V) {
    sum[0] = _mm512_madd52lo_epu64(sum[0], x, y);
    sum[1] = _mm512_madd52hi_epu64(sum[1], x, y);
}

/// Inner products of the same left rows with B sets of right rows.
///
/// # Safety
/// Rows have n words, or runs that make n, a multiple of eight; groups lie in them.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn dot_rows<const B: usize>(
    q: &Modulus,
    out: [*mut u64; B],
    dot: &Dot<'_>,
    b: [&[&[u64]]; B],
    n: usize,
) {
    // SAFETY: the caller's contract.
    unsafe {
        match dot.rows.iter().any(|row| row.len() < n) {
            true => dot_of::<B, true>(q, out, dot, b, n),
            false => dot_of::<B, false>(q, out, dot, b, n),
        }
    }
}

/// [`dot_rows`], with some left rows given by their runs if `RUNS`.
///
/// # Safety
/// As [`dot_rows`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn dot_of<const B: usize, const RUNS: bool>(
    q: &Modulus,
    out: [*mut u64; B],
    dot: &Dot<'_>,
    b: [&[&[u64]]; B],
    n: usize,
) {
    let fold = Fold::new(q, dot.rows.len());
    // SAFETY: the caller's contract.
    unsafe {
        match fold.length {
            SHORT => {
                let at = dot_blocks::<B, 4, SHORT, RUNS>(&fold, out, dot, b, 0, n);
                dot_blocks::<B, 1, SHORT, RUNS>(&fold, out, dot, b, at, n);
            }
            MEDIUM => {
                let at = dot_blocks::<B, 4, MEDIUM, RUNS>(&fold, out, dot, b, 0, n);
                dot_blocks::<B, 1, MEDIUM, RUNS>(&fold, out, dot, b, at, n);
            }
            _ => {
                let at = dot_blocks::<B, 4, LONG, RUNS>(&fold, out, dot, b, 0, n);
                dot_blocks::<B, 1, LONG, RUNS>(&fold, out, dot, b, at, n);
            }
        }
    }
}

/// [`dot_rows`], W vectors at a time, over words `start..` up to a multiple of 8 W; returns where it stopped.
///
/// # Safety
/// As [`dot_rows`].
// why: iterators over the sums put them into memory
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn dot_blocks<const B: usize, const W: usize, const LENGTH: u8, const RUNS: bool>(
    fold: &Fold,
    out: [*mut u64; B],
    dot: &Dot<'_>,
    b: [&[&[u64]]; B],
    start: usize,
    n: usize,
) -> usize {
    let groups: Option<&[Group]> = dot.permutation.and_then(|p| p.groups());
    // The fewer the rows, the sooner the next words are due; of many, words would be gone before they are.
    let streams = dot.rows.len() * (B + 1);
    let ahead = (AHEAD / streams.max(1)).min(512);
    let few = ahead >= 64;
    let mut at = start;
    while at + 8 * W <= n {
        let mut sums = [[[fold.c.zero; 2]; W]; B];
        if dot.accumulate {
            for (sums, out) in sums.iter_mut().zip(out) {
                for (w, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the words lie in the row.
                    sum[0] = unsafe { load(out.add(at + 8 * w)) };
                }
            }
        }
        for (k, row) in dot.rows.iter().enumerate() {
            let mut x = [fold.c.zero; W];
            let shift = if RUNS { run_shift(n, row.len()) } else { 0 };
            if few && groups.is_none() && shift == 0 {
                prefetch(row.as_ptr().wrapping_add(at), ahead, 8 * W);
            }
            for (w, x) in x.iter_mut().enumerate() {
                // SAFETY: the words and the groups lie in the row.
                *x = unsafe {
                    match groups {
                        Some(groups) => load_group(row.as_ptr(), groups.get_unchecked(at / 8 + w)),
                        None => load_run(row.as_ptr(), at + 8 * w, shift),
                    }
                };
            }
            for (sums, b) in sums.iter_mut().zip(b) {
                // SAFETY: there are as many right rows as left rows.
                let b = unsafe { b.get_unchecked(k).as_ptr() };
                if few {
                    prefetch(b.wrapping_add(at), ahead, 8 * W);
                }
                for w in 0..W {
                    // SAFETY: the words lie in the row.
                    multiply_add(&mut sums[w], x[w], unsafe { load(b.add(at + 8 * w)) });
                }
            }
        }
        for set in 0..B {
            for w in 0..W {
                // SAFETY: the words lie in the row.
                unsafe { store(out[set].add(at + 8 * w), fold.apply::<LENGTH>(sums[set][w])) }
            }
        }
        at += 8 * W;
    }
    at
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn inner_product(q: &Modulus, out: &mut [u64], dot: &Dot<'_>, b: &[&[u64]]) {
    if is_irregular(out.len(), dot) {
        // SAFETY: the caller checked the lengths.
        return unsafe { scalar::inner_product(q, out, dot, b) };
    }
    // SAFETY: the caller checked the lengths.
    unsafe { dot_rows(q, [out.as_mut_ptr()], dot, [b], out.len()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn inner_product_pair(
    q: &Modulus,
    out: [&mut [u64]; 2],
    dot: &Dot<'_>,
    b: [&[&[u64]]; 2],
) {
    if is_irregular(out[0].len(), dot) {
        // SAFETY: the caller checked the lengths.
        return unsafe { scalar::inner_product_pair(q, out, dot, b) };
    }
    let n = out[0].len();
    // SAFETY: the caller checked the lengths.
    unsafe { dot_rows(q, out.map(|row| row.as_mut_ptr()), dot, b, n) }
}

/// Whether the inner product does not fit whole vectors: an odd length or a permutation that does not
/// keep groups of eight together. Rings never ask for either.
fn is_irregular(n: usize, dot: &Dot<'_>) -> bool {
    !n.is_multiple_of(8) || dot.permutation.is_some_and(|p| p.groups().is_none())
}
