//! Sums of products with four lanes of doubles: inner products.
//!
//! Every product is reduced by itself to less than 0.9 q in size, and three of them are added to at most
//! q before the sum is brought back to q/2: `(1 + 3 * 0.9) q < 2^52`.

use std::arch::x86_64::*;

use super::super::{Dot, run_shift};
use super::{Consts, balance, load, load_run, positive, product, store, to_doubles, to_words};
use crate::modulus::Modulus;

/// Products summed between reductions of the sum.
pub(super) const RUN: usize = 3;

/// Inner products of the same left rows with B sets of right rows.
///
/// # Safety
/// Rows of one length, which is that of the permutation too.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn dot_all<const B: usize>(
    q: &Modulus,
    out: [&mut [u64]; B],
    dot: &Dot<'_>,
    b: [&[&[u64]]; B],
) {
    let c = Consts::new(q);
    let index = dot.permutation.map(|p| p.index());
    for (out, b) in out.into_iter().zip(b) {
        let n = out.len();
        let whole = n - n % 4;
        for at in (0..whole).step_by(4) {
            let mut sum = c.zero;
            if dot.accumulate {
                // SAFETY: words at..at + 4 lie in the row.
                sum = to_doubles(&c, unsafe { load(out.as_ptr().add(at)) });
            }
            for (k, (x, y)) in dot.rows.iter().zip(b).enumerate() {
                let x = match index {
                    None => {
                        // SAFETY: words at..at + 4 lie in the row for which the given ones stand.
                        unsafe { load_run(x.as_ptr(), at, run_shift(n, x.len())) }
                    }
                    Some(index) => {
                        let of = |lane: usize| x[index[at + lane] as usize] as i64;
                        _mm256_set_epi64x(of(3), of(2), of(1), of(0))
                    }
                };
                // SAFETY: words at..at + 4 lie in the row.
                let y = to_doubles(&c, unsafe { load(y.as_ptr().add(at)) });
                sum = _mm256_add_pd(sum, product(&c, to_doubles(&c, x), y));
                if k % RUN == RUN - 1 {
                    sum = balance(&c, sum);
                }
            }
            let residue = positive(&c, balance(&c, sum));
            // SAFETY: words at..at + 4 lie in the row.
            unsafe { store(out.as_mut_ptr().add(at), to_words(&c, residue)) }
        }
        for (i, o) in out.iter_mut().enumerate().skip(whole) {
            let from = index.map_or(i, |index| index[i] as usize);
            let start = if dot.accumulate { *o } else { 0 };
            let terms = dot.rows.iter().zip(b);
            *o = terms.fold(start, |sum, (x, y)| {
                q.mul_add(x[from >> run_shift(n, x.len())], y[i], sum)
            });
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn inner_product(q: &Modulus, out: &mut [u64], dot: &Dot<'_>, b: &[&[u64]]) {
    // SAFETY: the caller checked the lengths.
    unsafe { dot_all(q, [out], dot, [b]) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn inner_product_pair(
    q: &Modulus,
    out: [&mut [u64]; 2],
    dot: &Dot<'_>,
    b: [&[&[u64]]; 2],
) {
    // SAFETY: the caller checked the lengths.
    unsafe { dot_all(q, out, dot, b) }
}
