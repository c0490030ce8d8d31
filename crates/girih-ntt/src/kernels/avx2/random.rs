//! Random rows with 256-bit vectors: eight ChaCha blocks at a time.

use std::arch::x86_64::*;

use super::super::random::{self, BLOCK, DOUBLE_ROUNDS, QUARTERS, RandomKernels, State};
use super::{V, load, store};
use crate::isa::Isa;

pub(in super::super) static RANDOM: RandomKernels =
    RandomKernels::new(Isa::Avx2, keystream, gaussian);

/// Blocks at a time.
const LANES: usize = 8;

/// Every 32-bit word rotated to the left; `RIGHT = 32 - LEFT`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn rotate<const LEFT: i32, const RIGHT: i32>(x: V) -> V {
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(x), _mm256_srli_epi32::<RIGHT>(x))
}

/// The rounds on eight blocks; word `i` of all blocks is `x[i]`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn rounds(mut x: [V; 16]) -> [V; 16] {
    // Rotations by whole bytes are byte shuffles.
    let by16 = _mm256_set1_epi64x(0x0504_0706_0100_0302);
    let by16 = _mm256_add_epi8(
        by16,
        _mm256_set_epi64x(0x0808_0808_0808_0808, 0, 0x0808_0808_0808_0808, 0),
    );
    let by8 = _mm256_set1_epi64x(0x0605_0407_0201_0003);
    let by8 = _mm256_add_epi8(
        by8,
        _mm256_set_epi64x(0x0808_0808_0808_0808, 0, 0x0808_0808_0808_0808, 0),
    );
    for _ in 0..DOUBLE_ROUNDS {
        for half in QUARTERS.as_chunks::<4>().0 {
            for [a, b, _, d] in *half {
                x[a] = _mm256_add_epi32(x[a], x[b]);
                x[d] = _mm256_shuffle_epi8(_mm256_xor_si256(x[d], x[a]), by16);
            }
            for [_, b, c, d] in *half {
                x[c] = _mm256_add_epi32(x[c], x[d]);
                x[b] = rotate::<12, 20>(_mm256_xor_si256(x[b], x[c]));
            }
            for [a, b, _, d] in *half {
                x[a] = _mm256_add_epi32(x[a], x[b]);
                x[d] = _mm256_shuffle_epi8(_mm256_xor_si256(x[d], x[a]), by8);
            }
            for [_, b, c, d] in *half {
                x[c] = _mm256_add_epi32(x[c], x[d]);
                x[b] = rotate::<7, 25>(_mm256_xor_si256(x[b], x[c]));
            }
        }
    }
    x
}

/// Eight words of eight blocks to eight half blocks.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn transpose(x: [V; 8]) -> [V; 8] {
    let zero = _mm256_setzero_si256();
    // t[4 i + j] holds words 4 i .. 4 i + 4 of blocks j and j + 4.
    let mut t = [zero; 8];
    for i in 0..2 {
        let [a, b, c, d] = [x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]];
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        t[4 * i] = _mm256_unpacklo_epi64(ab, cd);
        t[4 * i + 1] = _mm256_unpackhi_epi64(ab, cd);
        let (ab, cd) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        t[4 * i + 2] = _mm256_unpacklo_epi64(ab, cd);
        t[4 * i + 3] = _mm256_unpackhi_epi64(ab, cd);
    }
    let mut out = [zero; 8];
    for j in 0..4 {
        out[j] = _mm256_permute2x128_si256::<0x20>(t[j], t[4 + j]);
        out[4 + j] = _mm256_permute2x128_si256::<0x31>(t[j], t[4 + j]);
    }
    out
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn keystream(state: &State, out: &mut [[u64; BLOCK]]) {
    let mut state = state.clone();
    let (groups, rest) = out.as_chunks_mut::<LANES>();
    for group in groups {
        let [low, high] = state.counters::<LANES>();
        let start: [V; 16] = std::array::from_fn(|i| match i {
            // SAFETY: an array of eight words.
            12 => unsafe { _mm256_loadu_si256(low.as_ptr().cast()) },
            // SAFETY: an array of eight words.
            13 => unsafe { _mm256_loadu_si256(high.as_ptr().cast()) },
            _ => _mm256_set1_epi32(state.words[i] as i32),
        });
        let end = rounds(start);
        let sum: [V; 16] = std::array::from_fn(|i| _mm256_add_epi32(end[i], start[i]));
        for (half, words) in sum.as_chunks::<8>().0.iter().enumerate() {
            for (block, words) in group.iter_mut().zip(transpose(*words)) {
                // SAFETY: half a block has four words.
                unsafe { store(block[4 * half..].as_mut_ptr(), words) }
            }
        }
        state.seek(state.block().wrapping_add(LANES as u64));
    }
    // SAFETY: the scalar kernel needs no instruction set.
    unsafe { random::keystream(&state, rest) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn gaussian(tails: &[u64], out: &mut [i64], words: &[u64]) {
    let (outs, rest_out) = out.as_chunks_mut::<4>();
    let (groups, rest) = words.as_chunks::<4>();
    let (zero, one) = (_mm256_setzero_si256(), _mm256_set1_epi64x(1));
    for (out, words) in outs.iter_mut().zip(groups) {
        // SAFETY: a group has four words.
        let x = unsafe { load(words.as_ptr()) };
        let half = _mm256_srli_epi64::<1>(x);
        let mut magnitude = zero;
        for &tail in tails {
            // All bits set where the tail is above, which is minus one.
            let above = _mm256_cmpgt_epi64(_mm256_set1_epi64x(tail as i64), half);
            magnitude = _mm256_sub_epi64(magnitude, above);
        }
        let negate = _mm256_sub_epi64(zero, _mm256_and_si256(x, one));
        let value = _mm256_sub_epi64(_mm256_xor_si256(magnitude, negate), negate);
        // SAFETY: a group has four words.
        unsafe { store(out.as_mut_ptr().cast(), value) }
    }
    // SAFETY: the scalar kernel only needs equal lengths.
    unsafe { random::gaussian(tails, rest_out, rest) }
}
