//! Element-wise row operations and permutations with eight 52-bit lanes.

use std::arch::x86_64::*;

use super::super::{run_shift, scalar};
use super::{Consts, V, canonical, load, load_run, splat, store, times};
use crate::modulus::{Modulus, ShoupPair};
use crate::permutation::{Group, Permutation};

/// `out[i] = f(a[i])`.
///
/// # Safety
/// Rows of n words; `out` may equal `a`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn map1(out: *mut u64, a: *const u64, n: usize, f: impl Fn(V) -> V) {
    // SAFETY: the caller's contract; a third row is not read.
    unsafe { map3(out, a, a, a, n, |x, _, _| f(x)) }
}

/// `out[i] = f(a[i], b[i])`.
///
/// # Safety
/// Rows of n words; `out` may equal any input.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn map2(out: *mut u64, a: *const u64, b: *const u64, n: usize, f: impl Fn(V, V) -> V) {
    // SAFETY: the caller's contract.
    unsafe { map3(out, a, b, b, n, |x, y, _| f(x, y)) }
}

/// `out[i] = f(a[i], b[i], c[i])`.
///
/// # Safety
/// Rows of n words; `out` may equal any input.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn map3(
    out: *mut u64,
    a: *const u64,
    b: *const u64,
    c: *const u64,
    n: usize,
    f: impl Fn(V, V, V) -> V,
) {
    let mut i = 0;
    while i + 8 <= n {
        // SAFETY: words i..i + 8 lie in the rows.
        unsafe {
            store(
                out.add(i),
                f(load(a.add(i)), load(b.add(i)), load(c.add(i))),
            );
        }
        i += 8;
    }
    if i < n {
        let mask = (1_u8 << (n - i)) - 1;
        // SAFETY: the mask covers words i..n only.
        unsafe {
            let part = |p: *const u64| _mm512_maskz_loadu_epi64(mask, p.add(i).cast());
            let v = f(part(a), part(b), part(c));
            _mm512_mask_storeu_epi64(out.add(i).cast(), mask, v);
        }
    }
}

/// `(a b + c) mod q` for residues; `barrett` in the sense of [`Modulus`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn mul_add_lanes(c: &Consts, barrett: V, shift: [V; 2], a: V, b: V, addend: V) -> V {
    let high = _mm512_madd52hi_epu64(_mm512_setzero_si512(), a, b);
    let low = _mm512_madd52lo_epu64(addend, a, b);
    // floor(x / 2^(bits - 1)), below 2^(bits + 1) <= 2^51.
    let top = _mm512_add_epi64(
        _mm512_sllv_epi64(high, shift[0]),
        _mm512_srlv_epi64(low, shift[1]),
    );
    let quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), top, barrett);
    // In [0, 3q): the quotient is at most two too small.
    let r = _mm512_and_si512(_mm512_madd52lo_epu64(low, quotient, c.minus_q), c.mask);
    let r = _mm512_min_epu64(r, _mm512_sub_epi64(r, c.q2));
    _mm512_min_epu64(r, _mm512_sub_epi64(r, c.q))
}

/// `[0, 2q) -> [0, q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn correct(c: &Consts, x: V) -> V {
    _mm512_min_epu64(x, _mm512_sub_epi64(x, c.q))
}

/// `x mod q` for `x < 2^52`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn reduce_lanes(c: &Consts, x: V) -> V {
    canonical(c, super::shrink(c, x))
}

/// Barrett's constant and the two shift counts.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn barrett(q: &Modulus) -> (V, [V; 2]) {
    let bits = u64::from(q.bits());
    (splat(q.barrett52()), [splat(53 - bits), splat(bits - 1)])
}

/// Eight words of a row through one group of a permutation.
///
/// # Safety
/// The group lies in the row.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn load_group(a: *const u64, group: &Group) -> V {
    // SAFETY: the caller's contract.
    let words = unsafe { load(a.add(group.start as usize)) };
    let lanes = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128(group.lanes as i64));
    _mm512_permutexvar_epi64(lanes, words)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn add(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let c = Consts::new(q);
    // SAFETY: the caller passes rows of n words.
    unsafe { map2(out, a, b, n, |x, y| correct(&c, _mm512_add_epi64(x, y))) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn sub(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let c = Consts::new(q);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        map2(out, a, b, n, |x, y| {
            let d = _mm512_sub_epi64(x, y);
            _mm512_min_epu64(d, _mm512_add_epi64(d, c.q))
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn neg(q: &Modulus, out: *mut u64, a: *const u64, n: usize) {
    let c = Consts::new(q);
    // SAFETY: the caller passes rows of n words.
    unsafe { map1(out, a, n, |x| correct(&c, _mm512_sub_epi64(c.q, x))) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn mul(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let c = Consts::new(q);
    let (mu, shift) = barrett(q);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        map2(out, a, b, n, |x, y| {
            mul_add_lanes(&c, mu, shift, x, y, c.zero)
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn mul_acc(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let c = Consts::new(q);
    let (mu, shift) = barrett(q);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        map3(out, a, b, out, n, |x, y, z| {
            mul_add_lanes(&c, mu, shift, x, y, z)
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn mul_sub(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    let c = Consts::new(q);
    let (mu, shift) = barrett(q);
    // SAFETY: the caller passes rows of n words.
    unsafe {
        map3(out, a, b, out, n, |x, y, z| {
            // q - y may be q: the sum stays below q^2, as with residues.
            mul_add_lanes(&c, mu, shift, x, _mm512_sub_epi64(c.q, y), z)
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn mul_pair<const STREAMED: bool>(
    q: &Modulus,
    out: [&mut [u64]; 2],
    a: [&[u64]; 2],
    b: &[u64],
) {
    let c = Consts::new(q);
    let (mu, shift) = barrett(q);
    let n = out[0].len();
    let run = run_shift(n, b.len());
    let whole = n - n % 8;
    if whole < n && run > 0 {
        // SAFETY: the caller checked the lengths.
        return unsafe { scalar::mul_pair(q, out, a, b) };
    }
    let [out0, out1] = out;
    let (o0, o1) = (out0.as_mut_ptr(), out1.as_mut_ptr());
    for i in (0..whole).step_by(8) {
        // SAFETY: words i..i + 8 lie in the rows; streamed rows are aligned to 64 bytes.
        unsafe {
            let y = load_run(b.as_ptr(), i, run);
            let x0 = mul_add_lanes(&c, mu, shift, load(a[0].as_ptr().add(i)), y, c.zero);
            let x1 = mul_add_lanes(&c, mu, shift, load(a[1].as_ptr().add(i)), y, c.zero);
            if STREAMED {
                _mm512_stream_si512(o0.add(i).cast(), x0);
                _mm512_stream_si512(o1.add(i).cast(), x1);
            } else {
                store(o0.add(i), x0);
                store(o1.add(i), x1);
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
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn mul_scalar(q: &Modulus, out: *mut u64, a: *const u64, w: ShoupPair, n: usize) {
    let c = Consts::new(q);
    let (w, quotient) = (splat(w.w), splat(w.quotient));
    // SAFETY: the caller passes rows of n words.
    unsafe {
        map1(out, a, n, |x| {
            canonical(&c, times::<false>(&c, x, w, quotient))
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn mul_scalar_add(
    q: &Modulus,
    out: *mut u64,
    a: *const u64,
    b: *const u64,
    w: ShoupPair,
    n: usize,
) {
    let c = Consts::new(q);
    let (w, quotient) = (splat(w.w), splat(w.quotient));
    // SAFETY: the caller passes rows of n words.
    unsafe {
        map2(out, a, b, n, |x, y| {
            let product = canonical(&c, times::<false>(&c, x, w, quotient));
            correct(&c, _mm512_add_epi64(product, y))
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn sub_mul_scalar(
    q: &Modulus,
    out: *mut u64,
    a: *const u64,
    b: *const u64,
    w: ShoupPair,
    n: usize,
) {
    let c = Consts::new(q);
    let (w, quotient) = (splat(w.w), splat(w.quotient));
    // SAFETY: the caller passes rows of n words.
    unsafe {
        map2(out, a, b, n, |x, y| {
            let d = _mm512_sub_epi64(_mm512_add_epi64(x, c.q), y);
            canonical(&c, times::<false>(&c, d, w, quotient))
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn reduce(q: &Modulus, out: *mut u64, a: *const u64, n: usize) {
    let c = Consts::new(q);
    // SAFETY: the caller passes rows of n words.
    unsafe { map1(out, a, n, |x| reduce_lanes(&c, x)) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn centred(q: &Modulus, out: &mut [u64], a: &[u64], p: &Modulus) {
    let c = Consts::new(q);
    let (half, offset) = (splat(p.value() / 2), splat(q.reduce(p.value())));
    // SAFETY: both rows have one length.
    unsafe {
        map1(out.as_mut_ptr(), a.as_ptr(), a.len(), |x| {
            let above = _mm512_cmpgt_epu64_mask(x, half);
            let r = reduce_lanes(&c, x);
            let r = _mm512_mask_sub_epi64(r, above, r, offset);
            _mm512_min_epu64(r, _mm512_add_epi64(r, c.q))
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn from_i64(q: &Modulus, out: &mut [u64], x: &[i64]) {
    let c = Consts::new(q);
    let (w, quotient) = (splat(q.r52().w), splat(q.r52().quotient));
    // SAFETY: both rows have one length, and signed words are read as unsigned ones.
    unsafe {
        map1(out.as_mut_ptr(), x.as_ptr().cast(), x.len(), |x| {
            let negative = _mm512_movepi64_mask(x);
            // 2^63 at most, and exact as an unsigned word.
            let size = _mm512_abs_epi64(x);
            let high = canonical(
                &c,
                times::<false>(&c, _mm512_srli_epi64::<52>(size), w, quotient),
            );
            let low = reduce_lanes(&c, _mm512_and_si512(size, c.mask));
            let r = correct(&c, _mm512_add_epi64(high, low));
            correct(&c, _mm512_mask_sub_epi64(r, negative, c.q, r))
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn scale_i64(q: &Modulus, out: &mut [u64], x: &[i64], w: ShoupPair) {
    let c = Consts::new(q);
    let (w, quotient) = (splat(w.w), splat(w.quotient));
    // SAFETY: both rows have one length, and signed words are read as unsigned ones.
    unsafe {
        map1(out.as_mut_ptr(), x.as_ptr().cast(), x.len(), |x| {
            let negative = _mm512_movepi64_mask(x);
            let r = canonical(&c, times::<false>(&c, _mm512_abs_epi64(x), w, quotient));
            correct(&c, _mm512_mask_sub_epi64(r, negative, c.q, r))
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn permute(out: &mut [u64], a: &[u64], permutation: &Permutation) {
    if let Some(groups) = permutation.groups() {
        for (out, group) in out.as_chunks_mut::<8>().0.iter_mut().zip(groups) {
            // SAFETY: the permutation was checked to stay within the row.
            unsafe { store(out.as_mut_ptr(), load_group(a.as_ptr(), group)) }
        }
    } else {
        for (o, i) in out.iter_mut().zip(permutation.index()) {
            *o = a[*i as usize];
        }
    }
}

/// `out[i] = out[i] ± a[permutation[i]] b[i]`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn permute_mul<const MINUS: bool>(
    q: &Modulus,
    out: &mut [u64],
    a: &[u64],
    permutation: &Permutation,
    b: &[u64],
) {
    let Some(groups) = permutation.groups() else {
        // SAFETY: the scalar kernels only need the lengths that the caller checked.
        return unsafe {
            if MINUS {
                scalar::permute_mul_sub(q, out, a, permutation, b);
            } else {
                scalar::permute_mul_acc(q, out, a, permutation, b);
            }
        };
    };
    let c = Consts::new(q);
    let (mu, shift) = barrett(q);
    let rows = out
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(b.as_chunks::<8>().0);
    for ((out, b), group) in rows.zip(groups) {
        // SAFETY: the permutation was checked to stay within the row; chunks have eight words.
        unsafe {
            let x = load_group(a.as_ptr(), group);
            let y = load(b.as_ptr());
            let y = if MINUS { _mm512_sub_epi64(c.q, y) } else { y };
            let sum = mul_add_lanes(&c, mu, shift, x, y, load(out.as_ptr()));
            store(out.as_mut_ptr(), sum);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn permute_mul_acc(
    q: &Modulus,
    out: &mut [u64],
    a: &[u64],
    permutation: &Permutation,
    b: &[u64],
) {
    // SAFETY: the caller's contract.
    unsafe { permute_mul::<false>(q, out, a, permutation, b) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
pub(super) unsafe fn permute_mul_sub(
    q: &Modulus,
    out: &mut [u64],
    a: &[u64],
    permutation: &Permutation,
    b: &[u64],
) {
    // SAFETY: the caller's contract.
    unsafe { permute_mul::<true>(q, out, a, permutation, b) }
}
