//! Base conversion with eight 52-bit lanes.
//!
//! A tile of four targets and two vectors keeps sixteen accumulators in registers; each factor is loaded
//! once for four multiply-adds. The factors carry 2^52, so that one Montgomery step reduces the whole sum: with
//! `m = low p^-1 mod 2^52` the low halves of `low` and `m p` are equal, and what is left of
//! `2^-52 (high 2^52 + low - m p)` is `high - floor(m p / 2^52)`.

use std::arch::x86_64::*;

use super::super::convert::{CHUNK, ConvertSources, ConvertTarget, SourcePrime};
use super::{Consts, V, canonical, load, prefetch, shrink, splat, store, times};

/// Targets of one tile.
const TILE: usize = 4;
/// Vectors of a chunk.
const VECTORS: usize = CHUNK / 8;

/// Words that the rows of a preparation are asked for ahead.
const AHEAD: usize = 8 * CHUNK;
/// Chunks that the input of a conversion is asked for ahead.
const CHUNKS_AHEAD: usize = 8;

/// The constants that end the sums of one target.
struct Fold {
    p: V,
    p2: V,
    inverse: V,
    /// 2^52, as a factor.
    r52: [V; 2],
    c: Consts,
}

impl Fold {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
    fn new(target: &ConvertTarget) -> Fold {
        Fold {
            p: splat(target.p.value()),
            p2: splat(2 * target.p.value()),
            inverse: splat(target.inverse),
            r52: [splat(target.p.r52().w), splat(target.p.r52().quotient)],
            c: Consts::new(&target.p),
        }
    }

    /// `2^-52 (2^52 high + low) mod p` for a high sum below `GROWTH p`, GROWTH being 1 or 3; any other: for the longest sums.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
    fn apply<const GROWTH: u64>(&self, [low, high]: [V; 2]) -> V {
        let zero = _mm512_setzero_si512();
        let m = _mm512_madd52lo_epu64(zero, low, self.inverse);
        let below = _mm512_madd52hi_epu64(zero, m, self.p);
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<52>(low));
        // In (0, (GROWTH + 1) p).
        let r = _mm512_sub_epi64(_mm512_add_epi64(high, self.p), below);
        match GROWTH {
            1 => _mm512_min_epu64(r, _mm512_sub_epi64(r, self.p)),
            3 => {
                let r = _mm512_min_epu64(r, _mm512_sub_epi64(r, self.p2));
                _mm512_min_epu64(r, _mm512_sub_epi64(r, self.p))
            }
            // 4096 terms of 50 bits: r is below (2^10 + 1) p, more than 52 bits.
            _ => {
                let top = _mm512_srli_epi64::<52>(r);
                let bottom = shrink(&self.c, _mm512_and_si512(r, self.c.mask));
                let top = times::<false>(&self.c, top, self.r52[0], self.r52[1]);
                let r = _mm512_add_epi64(canonical(&self.c, bottom), canonical(&self.c, top));
                _mm512_min_epu64(r, _mm512_sub_epi64(r, self.p))
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(in super::super) unsafe fn base_convert_prepare(
    sources: &ConvertSources,
    out: &mut [u64],
    x: &[&[u64]],
) {
    let rows = sources.rows();
    let columns = x[0].len();
    let reciprocal = |prime: &SourcePrime| _mm512_set1_pd(prime.reciprocal);
    for (chunk, block) in out.chunks_exact_mut(rows * CHUNK).enumerate() {
        let start = chunk * CHUNK;
        let mut sums = [_mm512_setzero_pd(); VECTORS];
        let (y, v) = block.split_at_mut((rows - 1) * CHUNK);
        for ((prime, x), y) in sources.primes.iter().zip(x).zip(y.chunks_exact_mut(CHUNK)) {
            let c = Consts::new(&prime.q);
            let (w, quotient) = (splat(prime.inverse.w), splat(prime.inverse.quotient));
            prefetch(x.as_ptr().wrapping_add(start), AHEAD, CHUNK);
            for (vector, sum) in sums.iter_mut().enumerate() {
                let at = (start + 8 * vector).min(columns);
                // SAFETY: the mask covers words of the row only; a chunk has CHUNK words.
                unsafe {
                    let mask = lanes(columns - at);
                    let value = _mm512_maskz_loadu_epi64(mask, x.as_ptr().add(at).cast());
                    let value = canonical(&c, times::<false>(&c, value, w, quotient));
                    store(y.as_mut_ptr().add(8 * vector), value);
                    *sum = _mm512_fmadd_pd(_mm512_cvtepu64_pd(value), reciprocal(prime), *sum);
                }
            }
        }
        for (vector, sum) in sums.into_iter().enumerate() {
            // To nearest, ties to even.
            let rounded =
                _mm512_cvt_roundpd_epu64::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(sum);
            // SAFETY: a chunk has CHUNK words.
            unsafe { store(v.as_mut_ptr().add(8 * vector), rounded) }
        }
    }
}

/// The first `count` lanes, or all.
#[inline]
fn lanes(count: usize) -> u8 {
    if count >= 8 { 0xff } else { (1 << count) - 1 }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(in super::super) unsafe fn base_convert(
    sources: &ConvertSources,
    targets: &[&ConvertTarget],
    out: &mut [&mut [u64]],
    input: &[u64],
) {
    match sources.growth() {
        0 | 1 => convert::<1>(sources, targets, out, input),
        2 | 3 => convert::<3>(sources, targets, out, input),
        _ => convert::<0>(sources, targets, out, input),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn convert<const GROWTH: u64>(
    sources: &ConvertSources,
    targets: &[&ConvertTarget],
    out: &mut [&mut [u64]],
    input: &[u64],
) {
    let rows = sources.rows();
    // Tile by tile the factors of each row.
    let factors: Vec<Vec<u64>> = targets
        .chunks(TILE)
        .map(|tile| {
            (0..rows)
                .flat_map(|k| tile.iter().map(move |t| t.shifted[k]))
                .collect()
        })
        .collect();
    let folds: Vec<Fold> = targets.iter().map(|t| Fold::new(t)).collect();
    for (chunk, block) in input.chunks_exact(rows * CHUNK).enumerate() {
        prefetch(block.as_ptr(), CHUNKS_AHEAD * block.len(), block.len());
        let tiles = factors
            .iter()
            .zip(folds.chunks(TILE))
            .zip(out.chunks_mut(TILE));
        for ((factors, folds), out) in tiles {
            let at = chunk * CHUNK;
            for row in out.iter() {
                prefetch(row.as_ptr().wrapping_add(at), CHUNKS_AHEAD * CHUNK, CHUNK);
            }
            match out.len() {
                4 => convert_chunk::<4, GROWTH>(block, factors, folds, out, at),
                3 => convert_chunk::<3, GROWTH>(block, factors, folds, out, at),
                2 => convert_chunk::<2, GROWTH>(block, factors, folds, out, at),
                _ => convert_chunk::<1, GROWTH>(block, factors, folds, out, at),
            }
        }
    }
}

/// Words `at..` of T output rows from a chunk of all inputs.
// why: iterators by value put the sums into memory
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn convert_chunk<const T: usize, const GROWTH: u64>(
    block: &[u64],
    factors: &[u64],
    folds: &[Fold],
    out: &mut [&mut [u64]],
    at: usize,
) {
    let factors = factors.as_chunks::<T>().0;
    let folds: &[Fold; T] = folds.first_chunk().expect("a tile has T targets");
    let out: &mut [&mut [u64]; T] = out.first_chunk_mut().expect("a tile has T targets");
    let mut sums = [[[_mm512_setzero_si512(); 2]; VECTORS]; T];
    for (x, factors) in block.as_chunks::<CHUNK>().0.iter().zip(factors) {
        // SAFETY: sixteen words.
        let x = unsafe { [load(x.as_ptr()), load(x.as_ptr().add(8))] };
        for t in 0..T {
            let factor = splat(factors[t]);
            for v in 0..VECTORS {
                sums[t][v][0] = _mm512_madd52lo_epu64(sums[t][v][0], x[v], factor);
                sums[t][v][1] = _mm512_madd52hi_epu64(sums[t][v][1], x[v], factor);
            }
        }
    }
    for t in 0..T {
        for v in 0..VECTORS {
            let word = folds[t].apply::<GROWTH>(sums[t][v]);
            let rest = out[t].len().saturating_sub(at + 8 * v);
            let place = out[t].as_mut_ptr().wrapping_add(at + 8 * v);
            // SAFETY: eight words of the row, or those of a mask.
            unsafe {
                if rest >= 8 {
                    store(place, word);
                } else {
                    _mm512_mask_storeu_epi64(place.cast(), lanes(rest), word);
                }
            }
        }
    }
}
