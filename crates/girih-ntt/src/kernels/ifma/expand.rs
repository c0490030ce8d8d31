//! Public uniform rows with 512-bit AES: 32 blocks at a time.

use std::arch::x86_64::*;

use super::super::expand::{DRAW_BITS, Draw};
use super::{V, splat, store};

/// Vectors in flight: they hide the latency of a round.
const VECTORS: usize = 8;
/// Words of a vector.
const LANES: usize = 8;
/// Words made at a time.
const BATCH: usize = VECTORS * LANES;
/// Round keys of AES-128.
const KEYS: usize = 11;

/// The key schedule of AES-128.
///
/// # Safety
/// AES instructions are there.
#[target_feature(enable = "avx512f,aes")]
pub(in super::super) unsafe fn expand_keys(key: &[u8; 16]) -> [[u64; 2]; KEYS] {
    let mut keys = [[0; 2]; KEYS];
    // SAFETY: a key has 16 bytes.
    let mut key = unsafe { _mm_loadu_si128(key.as_ptr().cast()) };
    macro_rules! round {
        ($i:literal, $constant:literal) => {
            let word = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<$constant>(key));
            key = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
            key = _mm_xor_si128(key, _mm_slli_si128::<8>(key));
            key = _mm_xor_si128(key, word);
            // SAFETY: a round key has 16 bytes.
            unsafe { _mm_storeu_si128(keys[$i].as_mut_ptr().cast(), key) }
        };
    }
    // SAFETY: a round key has 16 bytes.
    unsafe { _mm_storeu_si128(keys[0].as_mut_ptr().cast(), key) }
    round!(1, 0x01);
    round!(2, 0x02);
    round!(3, 0x04);
    round!(4, 0x08);
    round!(5, 0x10);
    round!(6, 0x20);
    round!(7, 0x40);
    round!(8, 0x80);
    round!(9, 0x1b);
    round!(10, 0x36);
    keys
}

/// Two words, again and again.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn pairs([low, high]: [u64; 2]) -> V {
    let (low, high) = (low as i64, high as i64);
    _mm512_set_epi64(high, low, high, low, high, low, high, low)
}

/// A piece of a row, or the start of one.
///
/// # Safety
/// The instructions of this module are there, and those of AES on 512-bit vectors.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,aes,vaes")]
pub(in super::super) unsafe fn expand_piece(keys: &[[u64; 2]; KEYS], draw: &Draw, out: &mut [u64]) {
    let mut round = [_mm512_setzero_si512(); KEYS];
    for (round, key) in round.iter_mut().zip(keys) {
        *round = pairs(*key);
    }
    // The whitening and the first round key are added at once.
    round[0] = _mm512_xor_si512(round[0], pairs(draw.whitening));
    let (factor, skip_below) = (splat(draw.q), splat(draw.skip_below));
    let (zero, mask) = (_mm512_setzero_si512(), splat((1 << DRAW_BITS) - 1));
    let first = _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0);
    let mut counter = _mm512_add_epi64(pairs(draw.counter), first);
    let four = pairs([4, 0]);
    let mut filled = 0;
    let mut last = [0; BATCH];
    while filled < out.len() {
        let mut x = [zero; VECTORS];
        for x in &mut x {
            *x = _mm512_xor_si512(counter, round[0]);
            counter = _mm512_add_epi64(counter, four);
        }
        for key in &round[1..KEYS - 1] {
            for x in &mut x {
                *x = _mm512_aesenc_epi128(*x, *key);
            }
        }
        let left = out.len() - filled;
        let to = if left >= BATCH {
            out[filled..].as_mut_ptr()
        } else {
            last.as_mut_ptr()
        };
        let mut kept = 0;
        for x in x {
            let x = _mm512_aesenclast_epi128(x, round[KEYS - 1]);
            let low = _mm512_and_si512(_mm512_madd52lo_epu64(zero, x, factor), mask);
            let high = _mm512_madd52hi_epu64(zero, x, factor);
            let keep = _mm512_cmpge_epu64_mask(low, skip_below);
            // SAFETY: `to` has a whole batch of words, and at most as many were kept as were made before.
            unsafe { store(to.add(kept), _mm512_maskz_compress_epi64(keep, high)) }
            kept += keep.count_ones() as usize;
        }
        if left < BATCH {
            kept = kept.min(left);
            out[filled..filled + kept].copy_from_slice(&last[..kept]);
        }
        filled += kept;
    }
}
