//! Random rows with 512-bit vectors: sixteen ChaCha blocks at a time.

use std::arch::x86_64::*;

use super::super::random::{self, BLOCK, DOUBLE_ROUNDS, RandomKernels, State};
use super::{V, load, splat, store};
use crate::isa::Isa;

pub(in super::super) static RANDOM: RandomKernels =
    RandomKernels::new(Isa::Avx512Ifma, keystream, gaussian);

/// Blocks at a time.
const LANES: usize = 16;

/// The rounds on `G` groups of sixteen blocks; word `i` of the blocks of group `g` is `x[g][i]`.
///
/// Two groups fill the 32 registers and hide the latency of the chain of operations that one is.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn rounds<const G: usize>(mut x: [[V; 16]; G]) -> [[V; 16]; G] {
    /// Half a quarter-round of every group: `a += b; d = (d ^ a) <<< LEFT` for the four `(a, b, d)`.
    macro_rules! step {
        ($left:literal, $([$a:literal, $b:literal, $d:literal]),*) => {
            $(for x in &mut x {
                x[$a] = _mm512_add_epi32(x[$a], x[$b]);
                x[$d] = _mm512_rol_epi32::<$left>(_mm512_xor_si512(x[$d], x[$a]));
            })*
        };
    }
    for _ in 0..DOUBLE_ROUNDS {
        step!(16, [0, 4, 12], [1, 5, 13], [2, 6, 14], [3, 7, 15]);
        step!(12, [8, 12, 4], [9, 13, 5], [10, 14, 6], [11, 15, 7]);
        step!(8, [0, 4, 12], [1, 5, 13], [2, 6, 14], [3, 7, 15]);
        step!(7, [8, 12, 4], [9, 13, 5], [10, 14, 6], [11, 15, 7]);
        step!(16, [0, 5, 15], [1, 6, 12], [2, 7, 13], [3, 4, 14]);
        step!(12, [10, 15, 5], [11, 12, 6], [8, 13, 7], [9, 14, 4]);
        step!(8, [0, 5, 15], [1, 6, 12], [2, 7, 13], [3, 4, 14]);
        step!(7, [10, 15, 5], [11, 12, 6], [8, 13, 7], [9, 14, 4]);
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

/// The input of sixteen blocks from the one of the state on, group `group` of them.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn starts(state: &State, group: usize) -> [V; 16] {
    let lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    let first = splat(state.block().wrapping_add((LANES * group) as u64));
    let counters = [
        _mm512_add_epi64(first, lanes),
        _mm512_add_epi64(first, _mm512_add_epi64(lanes, splat(8))),
    ];
    // The low halves of sixteen counters, and the high halves.
    let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    let pick = |index: V| _mm512_permutex2var_epi32(counters[0], index, counters[1]);
    let (low, high) = (pick(even), pick(odd));
    let mut start = [low; 16];
    for (i, x) in start.iter_mut().enumerate() {
        *x = match i {
            12 => low,
            13 => high,
            _ => _mm512_set1_epi32(state.words[i] as i32),
        };
    }
    start
}

/// `G` groups of sixteen blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn groups<const G: usize>(state: &mut State, out: &mut [[[u64; BLOCK]; LANES]; G]) {
    let mut x = [[_mm512_setzero_si512(); 16]; G];
    for (g, x) in x.iter_mut().enumerate() {
        *x = starts(state, g);
    }
    let mut x = rounds(x);
    for (g, (x, out)) in x.iter_mut().zip(out).enumerate() {
        for (x, start) in x.iter_mut().zip(starts(state, g)) {
            *x = _mm512_add_epi32(*x, start);
        }
        for (block, words) in out.iter_mut().zip(transpose(*x)) {
            // SAFETY: a block has eight words.
            unsafe { store(block.as_mut_ptr(), words) }
        }
    }
    state.seek(state.block().wrapping_add((G * LANES) as u64));
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn keystream(state: &State, out: &mut [[u64; BLOCK]]) {
    let mut state = state.clone();
    let (sixteens, rest) = out.as_chunks_mut::<LANES>();
    let (pairs, single) = sixteens.as_chunks_mut::<2>();
    for pair in pairs {
        groups::<2>(&mut state, pair);
    }
    for one in single {
        groups::<1>(&mut state, std::array::from_mut(one));
    }
    // SAFETY: the scalar kernel needs no instruction set.
    unsafe { random::keystream(&state, rest) }
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
