//! Base conversion with four lanes of doubles.
//!
//! Every product is reduced by itself to a little more than q/2 in size, and three of them are added to at most
//! q before the sum is brought back to q/2.

use std::arch::x86_64::*;

use super::super::convert::{CHUNK, ConvertSources, ConvertTarget};
use super::super::scalar;
use super::dot::RUN;
use super::{Consts, F, balance, load, positive, store, times, to_doubles, to_words};

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(in super::super) unsafe fn base_convert_prepare(
    sources: &ConvertSources,
    out: &mut [u64],
    x: &[&[u64]],
) {
    let columns = x[0].len();
    if !columns.is_multiple_of(4) {
        // SAFETY: the scalar kernel only needs the lengths that the caller checked.
        return unsafe { scalar::base_convert_prepare(sources, out, x) };
    }
    let rows = sources.rows();
    let last = rows - 1;
    for (i, (prime, x)) in sources.primes.iter().zip(x).enumerate() {
        let c = Consts::new(&prime.q);
        let w = prime.q.centre(prime.inverse.w) as f64;
        let ratio = _mm256_set1_pd(w / prime.q.value() as f64);
        let w = _mm256_set1_pd(w);
        let reciprocal = _mm256_set1_pd(prime.reciprocal);
        for (chunk, block) in out.chunks_exact_mut(rows * CHUNK).enumerate() {
            let start = chunk * CHUNK;
            let (y, sums) = block.split_at_mut(last * CHUNK);
            let y = &mut y[i * CHUNK..(i + 1) * CHUNK];
            for inside in (0..CHUNK.min(columns - start)).step_by(4) {
                // SAFETY: four words of the row; a chunk has CHUNK words.
                unsafe {
                    let value = to_doubles(&c, load(x.as_ptr().add(start + inside)));
                    let value = positive(&c, times(&c, value, w, ratio));
                    store(y.as_mut_ptr().add(inside), to_words(&c, value));
                    let sum = sums.as_mut_ptr().add(inside);
                    let before = if i == 0 {
                        c.zero
                    } else {
                        _mm256_castsi256_pd(load(sum))
                    };
                    let after = _mm256_fmadd_pd(value, reciprocal, before);
                    let after = if i + 1 == last {
                        // Adding 2^52 rounds to nearest, ties to even.
                        to_words(&c, after)
                    } else {
                        _mm256_castpd_si256(after)
                    };
                    store(sum, after);
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(in super::super) unsafe fn base_convert(
    sources: &ConvertSources,
    targets: &[&ConvertTarget],
    out: &mut [&mut [u64]],
    input: &[u64],
) {
    let columns = out[0].len();
    if !columns.is_multiple_of(4) {
        // SAFETY: the scalar kernel only needs the lengths that the caller checked.
        return unsafe { scalar::base_convert(sources, targets, out, input) };
    }
    let rows = sources.rows();
    for (target, out) in targets.iter().zip(out) {
        let p = &target.p;
        let c = Consts::new(p);
        let factors: Vec<(F, F)> = target
            .factors
            .iter()
            .map(|f| {
                let w = p.centre(*f) as f64;
                (_mm256_set1_pd(w), _mm256_set1_pd(w / p.value() as f64))
            })
            .collect();
        let blocks = input.chunks_exact(rows * CHUNK);
        for (block, out) in blocks.zip(out.chunks_mut(CHUNK)) {
            for inside in (0..out.len()).step_by(4) {
                let mut sum = c.zero;
                for (k, (row, (w, ratio))) in block.chunks_exact(CHUNK).zip(&factors).enumerate() {
                    // SAFETY: words inside..inside + 4 lie in the chunk.
                    let y = to_doubles(&c, unsafe { load(row.as_ptr().add(inside)) });
                    sum = _mm256_add_pd(sum, times(&c, y, *w, *ratio));
                    if k % RUN == RUN - 1 {
                        sum = balance(&c, sum);
                    }
                }
                let residue = positive(&c, balance(&c, sum));
                // SAFETY: words inside..inside + 4 lie in the output's chunk.
                unsafe { store(out.as_mut_ptr().add(inside), to_words(&c, residue)) }
            }
        }
    }
}
