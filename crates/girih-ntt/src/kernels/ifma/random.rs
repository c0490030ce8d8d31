//! Random rows with 512-bit vectors: sixteen ChaCha blocks at a time.

use std::arch::x86_64::*;

use super::super::random::{self, BLOCK, DOUBLE_ROUNDS, DRAW_BITS, QUARTERS, RandomKernels, State};
use super::{V, load, splat, store};
use crate::isa::Isa;

pub(in super::super) static RANDOM: RandomKernels =
    RandomKernels::new(Isa::Avx512Ifma, keystream, uniform, gaussian);

/// Blocks at a time.
const LANES: usize = 16;

/// The rounds on sixteen blocks; word `i` of all blocks is `x[i]`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn rounds(mut x: [V; 16]) -> [V; 16] {
    for _ in 0..DOUBLE_ROUNDS {
        for half in QUARTERS.as_chunks::<4>().0 {
            // Step by step for the four quarter-rounds, which are independent.
            for [a, b, _, d] in *half {
                x[a] = _mm512_add_epi32(x[a], x[b]);
                x[d] = _mm512_rol_epi32::<16>(_mm512_xor_si512(x[d], x[a]));
            }
            for [_, b, c, d] in *half {
                x[c] = _mm512_add_epi32(x[c], x[d]);
                x[b] = _mm512_rol_epi32::<12>(_mm512_xor_si512(x[b], x[c]));
            }
            for [a, b, _, d] in *half {
                x[a] = _mm512_add_epi32(x[a], x[b]);
                x[d] = _mm512_rol_epi32::<8>(_mm512_xor_si512(x[d], x[a]));
            }
            for [_, b, c, d] in *half {
                x[c] = _mm512_add_epi32(x[c], x[d]);
                x[b] = _mm512_rol_epi32::<7>(_mm512_xor_si512(x[b], x[c]));
            }
        }
    }
    x
}

/// Rows of 32-bit words to columns: block `b` in vector `b`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn transpose(x: [V; 16]) -> [V; 16] {
    let zero = _mm512_setzero_si512();
    // Four-by-four transposes inside the 128-bit lanes: t[4 i + j] holds words 4 i .. 4 i + 4 of blocks
    // j, j + 4, j + 8, j + 12.
    let mut t = [zero; 16];
    for i in 0..4 {
        let [a, b, c, d] = [x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]];
        let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
        t[4 * i] = _mm512_unpacklo_epi64(ab, cd);
        t[4 * i + 1] = _mm512_unpackhi_epi64(ab, cd);
        let (ab, cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
        t[4 * i + 2] = _mm512_unpacklo_epi64(ab, cd);
        t[4 * i + 3] = _mm512_unpackhi_epi64(ab, cd);
    }
    let mut out = [zero; 16];
    for j in 0..4 {
        let [a, b, c, d] = [t[j], t[4 + j], t[8 + j], t[12 + j]];
        // Lanes 0 and 1, then 2 and 3, of two vectors.
        let (ab, cd) = (
            _mm512_shuffle_i64x2::<0x44>(a, b),
            _mm512_shuffle_i64x2::<0x44>(c, d),
        );
        out[j] = _mm512_shuffle_i64x2::<0x88>(ab, cd);
        out[4 + j] = _mm512_shuffle_i64x2::<0xdd>(ab, cd);
        let (ab, cd) = (
            _mm512_shuffle_i64x2::<0xee>(a, b),
            _mm512_shuffle_i64x2::<0xee>(c, d),
        );
        out[8 + j] = _mm512_shuffle_i64x2::<0x88>(ab, cd);
        out[12 + j] = _mm512_shuffle_i64x2::<0xdd>(ab, cd);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn keystream(state: &State, out: &mut [[u64; BLOCK]]) {
    let mut state = state.clone();
    let (groups, rest) = out.as_chunks_mut::<LANES>();
    for group in groups {
        let [low, high] = state.counters::<LANES>();
        let start: [V; 16] = std::array::from_fn(|i| match i {
            // SAFETY: an array of sixteen words.
            12 => unsafe { _mm512_loadu_si512(low.as_ptr().cast()) },
            // SAFETY: an array of sixteen words.
            13 => unsafe { _mm512_loadu_si512(high.as_ptr().cast()) },
            _ => _mm512_set1_epi32(state.words[i] as i32),
        });
        let end = rounds(start);
        let sum = std::array::from_fn(|i| _mm512_add_epi32(end[i], start[i]));
        for (block, words) in group.iter_mut().zip(transpose(sum)) {
            // SAFETY: a block has eight words.
            unsafe { store(block.as_mut_ptr(), words) }
        }
        state.seek(state.block().wrapping_add(LANES as u64));
    }
    // SAFETY: the scalar kernel needs no instruction set.
    unsafe { random::keystream(&state, rest) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn uniform(q: u64, words: &mut [u64]) -> usize {
    let (factor, skip_below) = (splat(q), splat((1 << DRAW_BITS) % q));
    let (zero, mask) = (_mm512_setzero_si512(), splat((1 << DRAW_BITS) - 1));
    let whole = words.len() - words.len() % 8;
    let p = words.as_mut_ptr();
    let mut kept = 0;
    for i in (0..whole).step_by(8) {
        // SAFETY: words i..i + 8 lie in the row, and so do kept..kept + 8 because kept <= i: what is
        // written there has been read.
        unsafe {
            let x = load(p.add(i));
            let low = _mm512_and_si512(_mm512_madd52lo_epu64(zero, x, factor), mask);
            let keep = _mm512_cmpge_epu64_mask(low, skip_below);
            let high = _mm512_madd52hi_epu64(zero, x, factor);
            store(p.add(kept), _mm512_maskz_compress_epi64(keep, high));
            kept += keep.count_ones() as usize;
        }
    }
    // SAFETY: the scalar kernel needs no instruction set.
    let last = unsafe { random::uniform(q, &mut words[whole..]) };
    words.copy_within(whole..whole + last, kept);
    kept + last
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn gaussian(tails: &[u64], out: &mut [i64], words: &[u64]) {
    let (outs, rest_out) = out.as_chunks_mut::<8>();
    let (groups, rest) = words.as_chunks::<8>();
    let one = splat(1);
    for (out, words) in outs.iter_mut().zip(groups) {
        // SAFETY: a group has eight words.
        let x = unsafe { load(words.as_ptr()) };
        let half = _mm512_srli_epi64::<1>(x);
        let mut magnitude = _mm512_setzero_si512();
        for &tail in tails {
            let above = _mm512_cmplt_epu64_mask(half, splat(tail));
            magnitude = _mm512_mask_add_epi64(magnitude, above, magnitude, one);
        }
        let negative = _mm512_test_epi64_mask(x, one);
        let value = _mm512_mask_sub_epi64(magnitude, negative, _mm512_setzero_si512(), magnitude);
        // SAFETY: a group has eight words.
        unsafe { store(out.as_mut_ptr().cast(), value) }
    }
    // SAFETY: the scalar kernel only needs equal lengths.
    unsafe { random::gaussian(tails, rest_out, rest) }
}
