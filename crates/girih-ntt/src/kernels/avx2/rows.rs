//! Element-wise row operations with four lanes of doubles.
//!
//! Words of the last, incomplete vector go through the scalar kernels.

use std::arch::x86_64::*;

use super::super::{run_shift, scalar};
use super::{
    Consts, F, V, balance, load, load_run, positive, product, store, times, to_doubles, to_words,
};
use crate::modulus::{Modulus, ShoupPair};
use crate::permutation::{Group, Permutation};

/// `out[i] = f(a[i], b[i], c[i])` for whole vectors; returns how many words that covers.
///
/// # Safety
/// Rows of n words; `out` may equal any input.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn map3(
    out: *mut u64,
    a: *const u64,
    b: *const u64,
    c: *const u64,
    n: usize,
    f: impl Fn(V, V, V) -> V,
) -> usize {
    let whole = n - n % 4;
    for i in (0..whole).step_by(4) {
        // SAFETY: words i..i + 4 lie in the rows.
        unsafe {
            store(
                out.add(i),
                f(load(a.add(i)), load(b.add(i)), load(c.add(i))),
            );
        }
    }
    whole
}

/// `x >= y ? x - y : x` for words below 2^63.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn correct(x: V, y: V) -> V {
    let d = _mm256_sub_epi64(x, y);
    let negative = _mm256_cmpgt_epi64(y, x);
    _mm256_add_epi64(d, _mm256_and_si256(negative, y))
}

/// A prepared factor as doubles: `w` and `w / q`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn factor(q: &Modulus, w: ShoupPair) -> (F, F) {
    let w = w.w as f64;
    (_mm256_set1_pd(w), _mm256_set1_pd(w / q.value() as f64))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn add(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let p = _mm256_set1_epi64x(q.value() as i64);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, b, b, n, |x, y, _| {
            correct(_mm256_add_epi64(x, y), p)
        });
        scalar::add(q, out.add(i), a.add(i), b.add(i), n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn sub(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let p = _mm256_set1_epi64x(q.value() as i64);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, b, b, n, |x, y, _| {
            let borrow = _mm256_and_si256(_mm256_cmpgt_epi64(y, x), p);
            _mm256_add_epi64(_mm256_sub_epi64(x, y), borrow)
        });
        scalar::sub(q, out.add(i), a.add(i), b.add(i), n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn neg(q: &Modulus, out: *mut u64, a: *const u64, n: usize) {
    let p = _mm256_set1_epi64x(q.value() as i64);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, a, a, n, |x, _, _| {
            correct(_mm256_sub_epi64(p, x), p)
        });
        scalar::neg(q, out.add(i), a.add(i), n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn mul(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let c = Consts::new(q);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, b, b, n, |x, y, _| {
            let r = product(&c, to_doubles(&c, x), to_doubles(&c, y));
            to_words(&c, positive(&c, r))
        });
        scalar::mul(q, out.add(i), a.add(i), b.add(i), n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn mul_acc(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let c = Consts::new(q);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, b, out, n, |x, y, z| {
            let r = product(&c, to_doubles(&c, x), to_doubles(&c, y));
            let sum = balance(&c, _mm256_add_pd(r, to_doubles(&c, z)));
            to_words(&c, positive(&c, sum))
        });
        scalar::mul_acc(q, out.add(i), a.add(i), b.add(i), n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn mul_sub(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let c = Consts::new(q);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, b, out, n, |x, y, z| {
            minus_product(&c, to_doubles(&c, x), to_doubles(&c, y), to_doubles(&c, z))
        });
        scalar::mul_sub(q, out.add(i), a.add(i), b.add(i), n - i);
    }
}

/// `z - x y` for residues.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn minus_product(c: &Consts, x: F, y: F, z: F) -> V {
    let sum = balance(c, _mm256_sub_pd(z, product(c, x, y)));
    to_words(c, positive(c, sum))
}

/// `z + x y` for residues.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn plus_product(c: &Consts, x: F, y: F, z: F) -> V {
    let sum = balance(c, _mm256_add_pd(z, product(c, x, y)));
    to_words(c, positive(c, sum))
}

/// Signed words below 2^51 in size as doubles.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn signed_to_doubles(x: V) -> F {
    // 2^52 + 2^51: adding a signed word to its pattern adds it to its value.
    let magic = _mm256_set1_pd(6_755_399_441_055_744.0);
    let tagged = _mm256_castsi256_pd(_mm256_add_epi64(x, _mm256_castpd_si256(magic)));
    _mm256_sub_pd(tagged, magic)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn scale_i64(q: &Modulus, out: &mut [u64], x: &[i64], w: ShoupPair) {
    let c = Consts::new(q);
    let (f, ratio) = factor(q, w);
    // SAFETY: both rows have one length, and signed words are read as unsigned ones.
    let i = unsafe {
        let a = x.as_ptr().cast();
        map3(out.as_mut_ptr(), a, a, a, x.len(), |x, _, _| {
            to_words(&c, positive(&c, times(&c, signed_to_doubles(x), f, ratio)))
        })
    };
    // SAFETY: the scalar kernel only needs equal lengths.
    unsafe { scalar::scale_i64(q, &mut out[i..], &x[i..], w) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn from_i64(q: &Modulus, out: &mut [u64], x: &[i64]) {
    let c = Consts::new(q);
    let (f, ratio) = factor(q, q.shoup(1 << 32));
    let (low_half, sign) = (_mm256_set1_epi64x(0xffff_ffff), _mm256_set1_epi64x(1 << 31));
    // SAFETY: both rows have one length, and signed words are read as unsigned ones.
    let i = unsafe {
        let a = x.as_ptr().cast();
        map3(out.as_mut_ptr(), a, a, a, x.len(), |x, _, _| {
            // x = high 2^32 + low with a signed high half, extended by (h ^ 2^31) - 2^31.
            let high = _mm256_xor_si256(_mm256_srli_epi64::<32>(x), sign);
            let high = signed_to_doubles(_mm256_sub_epi64(high, sign));
            let low = to_doubles(&c, _mm256_and_si256(x, low_half));
            let sum = _mm256_add_pd(times(&c, high, f, ratio), low);
            to_words(&c, positive(&c, balance(&c, sum)))
        })
    };
    // SAFETY: the scalar kernel only needs equal lengths.
    unsafe { scalar::from_i64(q, &mut out[i..], &x[i..]) }
}

/// Eight words of a row through one group of a permutation.
///
/// # Safety
/// The group lies in the row.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load_group(a: *const u64, group: &Group) -> [V; 2] {
    // SAFETY: the caller's contract.
    let halves = unsafe {
        let start = a.add(group.start as usize);
        [load(start), load(start.add(4))]
    };
    // A lane number k of eight words becomes the numbers 2 k and 2 k + 1 of half words; the permutation of
    // half words reads three bits, which is the position in a half, and bit 3 chooses the half.
    let lanes = _mm_cvtsi64_si128(group.lanes as i64);
    let numbers = [
        _mm256_cvtepu8_epi64(lanes),
        _mm256_cvtepu8_epi64(_mm_srli_si128::<4>(lanes)),
    ];
    let one = _mm256_set1_epi64x(1 << 32);
    numbers.map(|k| {
        let twice = _mm256_slli_epi64::<1>(k);
        let pairs = _mm256_or_si256(twice, _mm256_or_si256(_mm256_slli_epi64::<32>(twice), one));
        let low = _mm256_permutevar8x32_epi32(halves[0], pairs);
        let high = _mm256_permutevar8x32_epi32(halves[1], pairs);
        // Bit 2 of the lane number to the sign bit.
        let choice = _mm256_castsi256_pd(_mm256_slli_epi64::<61>(k));
        _mm256_castpd_si256(_mm256_blendv_pd(
            _mm256_castsi256_pd(low),
            _mm256_castsi256_pd(high),
            choice,
        ))
    })
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn permute(out: &mut [u64], a: &[u64], permutation: &Permutation) {
    let Some(groups) = permutation.groups() else {
        // SAFETY: the scalar kernel only needs the lengths that the caller checked.
        return unsafe { scalar::permute(out, a, permutation) };
    };
    for (out, group) in out.as_chunks_mut::<8>().0.iter_mut().zip(groups) {
        // SAFETY: the permutation was checked to stay within the row; chunks have eight words.
        unsafe {
            let [low, high] = load_group(a.as_ptr(), group);
            store(out.as_mut_ptr(), low);
            store(out.as_mut_ptr().add(4), high);
        }
    }
}

/// `out[i] = f(a[permutation[i]], b[i], out[i])` on whole groups; false if the permutation has none.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn permute_map(
    c: &Consts,
    out: &mut [u64],
    a: &[u64],
    permutation: &Permutation,
    b: &[u64],
    f: impl Fn(F, F, F) -> V,
) -> bool {
    let Some(groups) = permutation.groups() else {
        return false;
    };
    let rows = out
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(b.as_chunks::<8>().0);
    for ((out, b), group) in rows.zip(groups) {
        // SAFETY: the permutation was checked to stay within the row; chunks have eight words.
        unsafe {
            for (i, x) in load_group(a.as_ptr(), group).into_iter().enumerate() {
                let z = out.as_mut_ptr().add(4 * i);
                let y = load(b.as_ptr().add(4 * i));
                let words = f(to_doubles(c, x), to_doubles(c, y), to_doubles(c, load(z)));
                store(z, words);
            }
        }
    }
    true
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn permute_mul_acc(
    q: &Modulus,
    out: &mut [u64],
    a: &[u64],
    permutation: &Permutation,
    b: &[u64],
) {
    let c = Consts::new(q);
    // SAFETY: the caller's contract.
    unsafe {
        if !permute_map(&c, out, a, permutation, b, |x, y, z| {
            plus_product(&c, x, y, z)
        }) {
            scalar::permute_mul_acc(q, out, a, permutation, b);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn permute_mul_sub(
    q: &Modulus,
    out: &mut [u64],
    a: &[u64],
    permutation: &Permutation,
    b: &[u64],
) {
    let c = Consts::new(q);
    // SAFETY: the caller's contract.
    unsafe {
        if !permute_map(&c, out, a, permutation, b, |x, y, z| {
            minus_product(&c, x, y, z)
        }) {
            scalar::permute_mul_sub(q, out, a, permutation, b);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn mul_pair<const STREAMED: bool>(
    q: &Modulus,
    out: [&mut [u64]; 2],
    a: [&[u64]; 2],
    b: &[u64],
) {
    let c = Consts::new(q);
    let n = out[0].len();
    let run = run_shift(n, b.len());
    let whole = n - n % 4;
    if whole < n && run > 0 {
        // SAFETY: the caller checked the lengths.
        return unsafe { scalar::mul_pair(q, out, a, b) };
    }
    let [out0, out1] = out;
    let o = [out0.as_mut_ptr(), out1.as_mut_ptr()];
    for i in (0..whole).step_by(4) {
        // SAFETY: words i..i + 4 lie in the rows; streamed rows are aligned to 64 bytes.
        unsafe {
            let y = to_doubles(&c, load_run(b.as_ptr(), i, run));
            for (o, a) in o.iter().zip(a) {
                let r = product(&c, to_doubles(&c, load(a.as_ptr().add(i))), y);
                let words = to_words(&c, positive(&c, r));
                if STREAMED {
                    _mm256_stream_si256(o.add(i).cast(), words);
                } else {
                    store(o.add(i), words);
                }
            }
        }
    }
    if STREAMED {
        // Other threads see the rows before what this one does next.
        _mm_sfence();
    }
    let (out, rest) = (
        [&mut out0[whole..], &mut out1[whole..]],
        [&a[0][whole..], &a[1][whole..]],
    );
    // SAFETY: the scalar kernel only needs equal lengths; with runs no word is left.
    unsafe { scalar::mul_pair(q, out, rest, &b[whole >> run..]) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn mul_scalar(q: &Modulus, out: *mut u64, a: *const u64, w: ShoupPair, n: usize) {
    let c = Consts::new(q);
    let (f, ratio) = factor(q, w);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, a, a, n, |x, _, _| {
            to_words(&c, positive(&c, times(&c, to_doubles(&c, x), f, ratio)))
        });
        scalar::mul_scalar(q, out.add(i), a.add(i), w, n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn mul_scalar_add(
    q: &Modulus,
    out: *mut u64,
    a: *const u64,
    b: *const u64,
    w: ShoupPair,
    n: usize,
) {
    let c = Consts::new(q);
    let (f, ratio) = factor(q, w);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, b, b, n, |x, y, _| {
            let r = times(&c, to_doubles(&c, x), f, ratio);
            let sum = balance(&c, _mm256_add_pd(r, to_doubles(&c, y)));
            to_words(&c, positive(&c, sum))
        });
        scalar::mul_scalar_add(q, out.add(i), a.add(i), b.add(i), w, n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn sub_mul_scalar(
    q: &Modulus,
    out: *mut u64,
    a: *const u64,
    b: *const u64,
    w: ShoupPair,
    n: usize,
) {
    let c = Consts::new(q);
    let (f, ratio) = factor(q, w);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, b, b, n, |x, y, _| {
            let d = _mm256_sub_pd(to_doubles(&c, x), to_doubles(&c, y));
            to_words(&c, positive(&c, times(&c, d, f, ratio)))
        });
        scalar::sub_mul_scalar(q, out.add(i), a.add(i), b.add(i), w, n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn reduce(q: &Modulus, out: *mut u64, a: *const u64, n: usize) {
    let c = Consts::new(q);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        let i = map3(out, a, a, a, n, |x, _, _| {
            to_words(&c, positive(&c, balance(&c, to_doubles(&c, x))))
        });
        scalar::reduce(q, out.add(i), a.add(i), n - i);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn centred(q: &Modulus, out: &mut [u64], a: &[u64], p: &Modulus) {
    let c = Consts::new(q);
    let (source, half) = (
        _mm256_set1_pd(p.value() as f64),
        _mm256_set1_pd((p.value() / 2) as f64),
    );
    // SAFETY: both rows have one length.
    let whole = unsafe {
        let (o, a) = (out.as_mut_ptr(), a.as_ptr());
        map3(o, a, a, a, out.len(), |x, _, _| {
            let x = to_doubles(&c, x);
            let above = _mm256_cmp_pd::<_CMP_GT_OQ>(x, half);
            let x = _mm256_sub_pd(x, _mm256_and_pd(above, source));
            to_words(&c, positive(&c, balance(&c, x)))
        })
    };
    // SAFETY: the scalar kernel only needs equal lengths.
    unsafe { scalar::centred(q, &mut out[whole..], &a[whole..], p) }
}
