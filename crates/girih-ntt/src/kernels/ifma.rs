//! Kernels with eight lanes of 52-bit multiply-add (AVX-512-IFMA).
//!
//! `madd52lo` and `madd52hi` read the low 52 bits of both factors and add the low or high half of
//! the product to a 64-bit lane.

use std::arch::x86_64::*;

use super::{Kernels, PrimeClass};
use crate::isa::Isa;
use crate::modulus::{MASK, Modulus};

mod convert;
mod dot;
mod expand;
mod ntt;
mod random;
mod rows;

pub(super) use expand::{expand_keys, expand_piece};
pub(super) use random::RANDOM;

type V = __m512i;

pub(super) static FREE: Kernels = kernels::<false>(PrimeClass::ReductionFree);
pub(super) static WIDE: Kernels = kernels::<true>(PrimeClass::Wide);

const fn kernels<const WIDE: bool>(class: PrimeClass) -> Kernels {
    Kernels {
        isa: Isa::Avx512Ifma,
        class,
        ntt_plan: ntt::ntt_plan::<WIDE>,
        ntt_forward: ntt::ntt_forward::<WIDE, false>,
        ntt_forward_lazy: ntt::ntt_forward::<WIDE, true>,
        ntt_inverse: ntt::ntt_inverse::<WIDE>,
        add: rows::add,
        sub: rows::sub,
        neg: rows::neg,
        mul: rows::mul,
        mul_acc: rows::mul_acc,
        mul_sub: rows::mul_sub,
        mul_pair: rows::mul_pair::<false>,
        mul_pair_streamed: rows::mul_pair::<true>,
        mul_scalar: rows::mul_scalar,
        mul_scalar_add: rows::mul_scalar_add,
        sub_mul_scalar: rows::sub_mul_scalar,
        reduce: rows::reduce,
        centred: rows::centred,
        from_i64: rows::from_i64,
        scale_i64: rows::scale_i64,
        permute: rows::permute,
        permute_mul_acc: rows::permute_mul_acc,
        permute_mul_sub: rows::permute_mul_sub,
        inner_product: dot::inner_product,
        inner_product_pair: dot::inner_product_pair,
        base_convert_prepare: convert::base_convert_prepare,
        base_convert: convert::base_convert,
    }
}

/// Constants of a modulus in every lane.
struct Consts {
    zero: V,
    q: V,
    q2: V,
    /// `2^52 - q`: adding its multiples subtracts those of q modulo 2^52.
    minus_q: V,
    mask: V,
    inv52: V,
    q4: V,
    q8: V,
    q16: V,
}

/// One word in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn splat(x: u64) -> V {
    _mm512_set1_epi64(x as i64)
}

/// `d w`, reduced to `[0, 2q)` for any `d < 2^52`; reduction-free: only the low 52 bits count.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn times<const WIDE: bool>(c: &Consts, d: V, w: V, quotient: V) -> V {
    let h = _mm512_madd52hi_epu64(_mm512_setzero_si512(), d, quotient);
    let t = _mm512_madd52lo_epu64(
        _mm512_madd52lo_epu64(_mm512_setzero_si512(), d, w),
        h,
        c.minus_q,
    );
    if WIDE { _mm512_and_si512(t, c.mask) } else { t }
}

/// `x mod q` in `[0, 2q)` in the low 52 bits, for `x < 2^52` there.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn shrink(c: &Consts, x: V) -> V {
    let h = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, c.inv52);
    _mm512_madd52lo_epu64(x, h, c.minus_q)
}

/// `[0, 2q)` in the low 52 bits -> `[0, q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn canonical(c: &Consts, x: V) -> V {
    let x = _mm512_and_si512(x, c.mask);
    _mm512_min_epu64(x, _mm512_sub_epi64(x, c.q))
}

/// # Safety
/// `p` points to eight readable words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn load(p: *const u64) -> V {
    // SAFETY: the caller's contract.
    unsafe { _mm512_loadu_si512(p.cast()) }
}

/// Words `at ..` of the row of which the words at `p` are the runs of length `2^shift`; `at` is a multiple of eight.
///
/// # Safety
/// The row has eight words from `at` on.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn load_run(p: *const u64, at: usize, shift: u32) -> V {
    let p = p.wrapping_add(at >> shift);
    // SAFETY: the caller's contract; eight words of the row are 8, 4, 2 or 1 of those given.
    unsafe {
        match shift {
            0 => load(p),
            1 => _mm512_permutexvar_epi64(
                _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0),
                _mm512_castsi256_si512(_mm256_loadu_si256(p.cast())),
            ),
            2 => _mm512_permutexvar_epi64(
                _mm512_set_epi64(1, 1, 1, 1, 0, 0, 0, 0),
                _mm512_castsi128_si512(_mm_loadu_si128(p.cast())),
            ),
            _ => splat(*p),
        }
    }
}

/// # Safety
/// `p` points to eight writable words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
unsafe fn store(p: *mut u64, v: V) {
    // SAFETY: the caller's contract.
    unsafe { _mm512_storeu_si512(p.cast(), v) }
}

/// Asks for `len` words `ahead` of an address that is being read: where more streams are read than the hardware
/// follows, or by strides that it does not see, memory would be waited for line by line.
#[inline]
fn prefetch(from: *const u64, ahead: usize, len: usize) {
    for line in 0..len / 8 {
        // An address only: it may lie beyond the row.
        let at = from.wrapping_add(ahead + 8 * line);
        // SAFETY: a prefetch does not access memory.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

impl Consts {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
    fn new(q: &Modulus) -> Consts {
        let p = q.value();
        Consts {
            zero: _mm512_setzero_si512(),
            q: splat(p),
            q2: splat(2 * p),
            minus_q: splat((1 << 52) - p),
            mask: splat(MASK),
            inv52: splat(q.inv52()),
            q4: splat(4 * p),
            q8: splat(8 * p),
            q16: splat(16 * p),
        }
    }
}
