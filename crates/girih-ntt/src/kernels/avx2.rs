//! Kernels with four lanes of double-precision fused multiply-add (AVX2 and FMA).
//!
//! Residues below 2^50 are exact as doubles. The product `a b mod q` takes the rounded quotient
//! `r = round(a b / q)` and the two halves of the product, `h = a b` rounded and `l = a b - h` exact:
//! `(h - r q) + l` is exact and at most a little above q/2 in size (J. van der Hoeven, G. Lecerf and
//! G. Quintin, "Modular SIMD arithmetic in Mathemagix", 2016).

use std::arch::x86_64::*;

use super::{Kernels, PrimeClass};
use crate::isa::Isa;
use crate::modulus::Modulus;

mod convert;
mod dot;
mod ntt;
mod random;
mod rows;

pub(super) use random::RANDOM;

/// Four doubles.
type F = __m256d;
/// Four words.
type V = __m256i;

pub(super) static FREE: Kernels = kernels::<false>(PrimeClass::ReductionFree);
pub(super) static WIDE: Kernels = kernels::<true>(PrimeClass::Wide);

const fn kernels<const WIDE: bool>(class: PrimeClass) -> Kernels {
    Kernels {
        isa: Isa::Avx2,
        class,
        ntt_plan: ntt::ntt_plan,
        ntt_forward: ntt::ntt_forward::<WIDE>,
        ntt_forward_lazy: ntt::ntt_forward::<WIDE>,
        ntt_inverse: ntt::ntt_inverse,
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
    q: F,
    q_inverse: F,
    zero: F,
    /// 2^52, whose unit in the last place is one.
    magic: F,
}

impl Consts {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(q: &Modulus) -> Consts {
        let p = q.value() as f64;
        Consts {
            q: _mm256_set1_pd(p),
            q_inverse: _mm256_set1_pd(1.0 / p),
            zero: _mm256_setzero_pd(),
            magic: _mm256_set1_pd((1_u64 << 52) as f64),
        }
    }
}

/// Words below 2^52 as doubles.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn to_doubles(c: &Consts, x: V) -> F {
    let tagged = _mm256_or_pd(_mm256_castsi256_pd(x), c.magic);
    _mm256_sub_pd(tagged, c.magic)
}

/// Integral doubles in `[0, 2^52)` as words.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn to_words(c: &Consts, x: F) -> V {
    let tagged = _mm256_add_pd(x, c.magic);
    _mm256_castpd_si256(_mm256_xor_pd(tagged, c.magic))
}

/// To the nearest integer.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn round(x: F) -> F {
    _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x)
}

/// `x mod q`, at most a little above q/2 in size, for integral `|x| < 2^52`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn balance(c: &Consts, x: F) -> F {
    _mm256_fnmadd_pd(round(_mm256_mul_pd(x, c.q_inverse)), c.q, x)
}

/// `y w mod q` for a fixed factor with `ratio = w / q`: at most `(1/2 + |y| 2^-52) q` in size.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn times(c: &Consts, y: F, w: F, ratio: F) -> F {
    let quotient = round(_mm256_mul_pd(y, ratio));
    let high = _mm256_mul_pd(y, w);
    let low = _mm256_fmsub_pd(y, w, high);
    _mm256_add_pd(_mm256_fnmadd_pd(quotient, c.q, high), low)
}

/// `(a b) mod q` for residues, less than 0.9 q in size.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn product(c: &Consts, a: F, b: F) -> F {
    let high = _mm256_mul_pd(a, b);
    let low = _mm256_fmsub_pd(a, b, high);
    let quotient = round(_mm256_mul_pd(high, c.q_inverse));
    _mm256_add_pd(_mm256_fnmadd_pd(quotient, c.q, high), low)
}

/// `(-q, q)` to the residue in `[0, q)`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn positive(c: &Consts, x: F) -> F {
    let negative = _mm256_cmp_pd::<_CMP_LT_OQ>(x, c.zero);
    _mm256_add_pd(x, _mm256_and_pd(negative, c.q))
}

/// # Safety
/// `p` points to four readable words.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load(p: *const u64) -> V {
    // SAFETY: the caller's contract.
    unsafe { _mm256_loadu_si256(p.cast()) }
}

/// Words `at ..` of the row of which the words at `p` are the runs of length `2^shift`; `at` is a multiple of four.
///
/// # Safety
/// The row has four words from `at` on.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load_run(p: *const u64, at: usize, shift: u32) -> V {
    let p = p.wrapping_add(at >> shift);
    // SAFETY: the caller's contract; four words of the row are 4, 2 or 1 of those given.
    unsafe {
        match shift {
            0 => load(p),
            1 => _mm256_permute4x64_epi64::<0b01_01_00_00>(_mm256_castsi128_si256(
                _mm_loadu_si128(p.cast()),
            )),
            _ => _mm256_set1_epi64x(*p as i64),
        }
    }
}

/// # Safety
/// `p` points to four writable words.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store(p: *mut u64, v: V) {
    // SAFETY: the caller's contract.
    unsafe { _mm256_storeu_si256(p.cast(), v) }
}
