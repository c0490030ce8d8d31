//! The complex transform of the canonical embedding, in double precision.
//!
//! One source for vectors of each width: sums and products of doubles, in a fixed order and never fused, so results are
//! the same everywhere. Real and imaginary parts lie apart and the twiddle factors of a stage in order, so only the two
//! stages with blocks of four and two need shuffles; two stages are merged, which halves the traffic.

use crate::isa::Isa;

/// Real and imaginary parts of the row, then of the twiddle factors.
type FftFn = unsafe fn([&mut [f64]; 2], [&[f64]; 2]);

/// Both directions on one instruction set; results are the same on all.
///
/// For n values the twiddle factors are `w_len[j] = exp(2 pi i (5^j mod 4 len) / 4 len)`, `j < len / 2`, for
/// `len = 2, 4, .. n`, from position `len / 2 - 1` on.
pub struct FftKernels {
    isa: Isa,
    inverse: FftFn,
    forward: FftFn,
}

impl FftKernels {
    /// The kernels of `isa`.
    ///
    /// # Panics
    /// If `isa` is not available here: that check is what makes every call sound.
    pub fn select(isa: Isa) -> &'static FftKernels {
        assert!(
            isa.is_available(),
            "{isa} is not available on this processor"
        );
        match isa {
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            Isa::Avx512Ifma => &vector::AVX512,
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            Isa::Avx2 => &vector::AVX2,
            _ => &SCALAR,
        }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// `z_j -> n w_k` in bit-reversed order, where `z_j = sum_k w_k exp(2 pi i 5^j k / 4n)`, in place.
    ///
    /// # Panics
    /// Unless the parts have one length n, a power of two, and there are n - 1 twiddle factors.
    pub fn inverse(&self, row: [&mut [f64]; 2], twiddles: [&[f64]; 2]) {
        check([row[0].len(), row[1].len()], twiddles);
        // SAFETY: `select` proved the instruction set.
        unsafe { (self.inverse)(row, twiddles) }
    }

    /// `w_k` in bit-reversed order to `z_j`, in place: the inverse of [`FftKernels::inverse`] but for the factor.
    ///
    /// # Panics
    /// As [`FftKernels::inverse`].
    pub fn forward(&self, row: [&mut [f64]; 2], twiddles: [&[f64]; 2]) {
        check([row[0].len(), row[1].len()], twiddles);
        // SAFETY: `select` proved the instruction set.
        unsafe { (self.forward)(row, twiddles) }
    }
}

impl std::fmt::Debug for FftKernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FftKernels")
            .field("isa", &self.isa)
            .finish_non_exhaustive()
    }
}

fn check([re, im]: [usize; 2], twiddles: [&[f64]; 2]) {
    assert!(
        re.is_power_of_two() && re == im,
        "a row has a power of two of complex numbers"
    );
    assert!(
        twiddles.iter().all(|part| part.len() + 1 >= re),
        "a row of n numbers has n - 1 twiddle factors"
    );
}

static SCALAR: FftKernels = FftKernels {
    isa: Isa::Scalar,
    inverse: inverse::<f64, f64>,
    forward: forward::<f64, f64>,
};

/// A vector of `N` doubles. Its functions are inlined into code for an instruction set that has them.
trait Lanes: Copy {
    const N: usize;
    /// # Safety
    /// `N` readable doubles, and the instruction set, as in all of these.
    unsafe fn load(p: *const f64) -> Self;
    /// # Safety
    /// `N` writable doubles.
    unsafe fn store(self, p: *mut f64);
    unsafe fn splat(x: f64) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn sub(self, b: Self) -> Self;
    unsafe fn mul(self, b: Self) -> Self;
}

/// Vectors of at most four.
trait Narrow: Lanes {
    /// Element `k` of `N` blocks of four from the blocks, one after the other; its own inverse.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn blocks_of_four(x: [Self; 4]) -> [Self; 4];
}

impl Lanes for f64 {
    const N: usize = 1;
    #[inline(always)]
    unsafe fn load(p: *const f64) -> f64 {
        // SAFETY: the caller's contract.
        unsafe { *p }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f64) {
        // SAFETY: the caller's contract.
        unsafe { *p = self }
    }
    #[inline(always)]
    unsafe fn splat(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    unsafe fn add(self, b: f64) -> f64 {
        self + b
    }
    #[inline(always)]
    unsafe fn sub(self, b: f64) -> f64 {
        self - b
    }
    #[inline(always)]
    unsafe fn mul(self, b: f64) -> f64 {
        self * b
    }
}

impl Narrow for f64 {
    #[inline(always)]
    unsafe fn blocks_of_four(x: [f64; 4]) -> [f64; 4] {
        x
    }
}

#[cfg(all(target_arch = "x86_64", not(force_scalar)))]
mod vector {
    use std::arch::x86_64::*;

    use super::{FftKernels, Isa, Lanes, Narrow};

    macro_rules! lanes {
        ($vector:ty, $n:literal, $load:ident, $store:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident) => {
            impl Lanes for $vector {
                const N: usize = $n;
                #[inline(always)]
                unsafe fn load(p: *const f64) -> Self {
                    // SAFETY: the caller's contract.
                    unsafe { $load(p) }
                }
                #[inline(always)]
                unsafe fn store(self, p: *mut f64) {
                    // SAFETY: the caller's contract.
                    unsafe { $store(p, self) }
                }
                #[inline(always)]
                unsafe fn splat(x: f64) -> Self {
                    // SAFETY: the caller's contract.
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                unsafe fn add(self, b: Self) -> Self {
                    // SAFETY: the caller's contract.
                    unsafe { $add(self, b) }
                }
                #[inline(always)]
                unsafe fn sub(self, b: Self) -> Self {
                    // SAFETY: the caller's contract.
                    unsafe { $sub(self, b) }
                }
                #[inline(always)]
                unsafe fn mul(self, b: Self) -> Self {
                    // SAFETY: the caller's contract.
                    unsafe { $mul(self, b) }
                }
            }
        };
    }

    lanes!(
        __m256d,
        4,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_set1_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd
    );
    lanes!(
        __m512d,
        8,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_set1_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd
    );

    impl Narrow for __m256d {
        #[inline(always)]
        unsafe fn blocks_of_four([a, b, c, d]: [Self; 4]) -> [Self; 4] {
            // SAFETY: the caller's contract.
            unsafe {
                let (ab, cd) = (_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d));
                let (ef, gh) = (_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d));
                [
                    _mm256_permute2f128_pd::<0x20>(ab, cd),
                    _mm256_permute2f128_pd::<0x20>(ef, gh),
                    _mm256_permute2f128_pd::<0x31>(ab, cd),
                    _mm256_permute2f128_pd::<0x31>(ef, gh),
                ]
            }
        }
    }

    macro_rules! compiled_for {
        ($name:ident, $isa:expr, $wide:ty, $features:literal) => {
            pub(super) static $name: FftKernels = {
                #[target_feature(enable = $features)]
                fn inverse(row: [&mut [f64]; 2], twiddles: [&[f64]; 2]) {
                    // SAFETY: the instruction set is that of this function.
                    unsafe { super::inverse::<$wide, __m256d>(row, twiddles) }
                }
                #[target_feature(enable = $features)]
                fn forward(row: [&mut [f64]; 2], twiddles: [&[f64]; 2]) {
                    // SAFETY: the instruction set is that of this function.
                    unsafe { super::forward::<$wide, __m256d>(row, twiddles) }
                }
                FftKernels {
                    isa: $isa,
                    inverse,
                    forward,
                }
            };
        };
    }

    compiled_for!(AVX2, Isa::Avx2, __m256d, "avx2,fma");
    compiled_for!(
        AVX512,
        Isa::Avx512Ifma,
        __m512d,
        "avx512f,avx512dq,avx512vl,avx512ifma"
    );
}

/// # Safety
/// The instruction set of the vectors `W` and `H`; lengths as checked.
#[inline(always)]
unsafe fn inverse<W: Lanes, H: Narrow>([re, im]: [&mut [f64]; 2], twiddles: [&[f64]; 2]) {
    let n = re.len();
    let mut len = n;
    // SAFETY: the caller's contract.
    unsafe {
        if n.trailing_zeros() % 2 == 1 {
            if n / 2 >= W::N {
                single::<W, true>(re, im, stage(twiddles, len));
            } else {
                single::<f64, true>(re, im, stage(twiddles, len));
            }
            len /= 2;
        }
        while len > 1 {
            two_stages::<W, H, true>(re, im, twiddles, len);
            len /= 4;
        }
    }
}

/// # Safety
/// As [`inverse`].
#[inline(always)]
unsafe fn forward<W: Lanes, H: Narrow>([re, im]: [&mut [f64]; 2], twiddles: [&[f64]; 2]) {
    let n = re.len();
    let mut len = 4;
    // SAFETY: the caller's contract.
    unsafe {
        while len <= n {
            two_stages::<W, H, false>(re, im, twiddles, len);
            len *= 4;
        }
        if n.trailing_zeros() % 2 == 1 {
            if n / 2 >= W::N {
                single::<W, false>(re, im, stage(twiddles, n));
            } else {
                single::<f64, false>(re, im, stage(twiddles, n));
            }
        }
    }
}

/// The twiddle factors of blocks of `len`.
#[inline(always)]
fn stage([re, im]: [&[f64]; 2], len: usize) -> [&[f64]; 2] {
    [&re[len / 2 - 1..len - 1], &im[len / 2 - 1..len - 1]]
}

/// The stages of blocks of `len` and `len / 2`, with the widest vectors that a quarter of a block fills.
#[inline(always)]
unsafe fn two_stages<W: Lanes, H: Narrow, const INVERSE: bool>(
    re: &mut [f64],
    im: &mut [f64],
    twiddles: [&[f64]; 2],
    len: usize,
) {
    let (w, v) = (stage(twiddles, len), stage(twiddles, len / 2));
    // SAFETY: the caller's contract.
    unsafe {
        match len / 4 {
            1 if re.len() >= 4 * H::N => fours::<H, INVERSE>(re, im, w, v),
            q if q >= W::N => quarters::<W, INVERSE>(re, im, w, v, q),
            q if q >= H::N => quarters::<H, INVERSE>(re, im, w, v, q),
            q => quarters::<f64, INVERSE>(re, im, w, v, q),
        }
    }
}

/// Two stages on blocks of `4 q`, `q` a multiple of the width.
#[inline(always)]
unsafe fn quarters<L: Lanes, const INVERSE: bool>(
    re: &mut [f64],
    im: &mut [f64],
    w: [&[f64]; 2],
    v: [&[f64]; 2],
    q: usize,
) {
    let (w, v) = (w.map(|part| &part[..2 * q]), v.map(|part| &part[..q]));
    let blocks = re.chunks_exact_mut(4 * q).zip(im.chunks_exact_mut(4 * q));
    for (re, im) in blocks {
        let (re, im) = (re.as_mut_ptr(), im.as_mut_ptr());
        for j in (0..q).step_by(L::N) {
            // SAFETY: j + L::N <= q, so that all vectors lie in the block and in the factors.
            unsafe {
                let factor = |part: [&[f64]; 2], at: usize| {
                    let [re, im] = part.map(|p| L::load(p.as_ptr().add(at)));
                    (re, im)
                };
                let at = |i: usize| i * q + j;
                let x = [0, 1, 2, 3].map(|i| (L::load(re.add(at(i))), L::load(im.add(at(i)))));
                let y = quarter::<L, INVERSE>(x, factor(w, j), factor(w, q + j), factor(v, j));
                for (i, (a, b)) in y.into_iter().enumerate() {
                    a.store(re.add(at(i)));
                    b.store(im.add(at(i)));
                }
            }
        }
    }
}

/// Two stages on blocks of four, `N` blocks at a time.
#[inline(always)]
unsafe fn fours<L: Narrow, const INVERSE: bool>(
    re: &mut [f64],
    im: &mut [f64],
    w: [&[f64]; 2],
    v: [&[f64]; 2],
) {
    // SAFETY: the caller's contract.
    let factor =
        |part: [&[f64]; 2], at: usize| unsafe { (L::splat(part[0][at]), L::splat(part[1][at])) };
    let (w0, w1, v) = (factor(w, 0), factor(w, 1), factor(v, 0));
    let groups = re
        .chunks_exact_mut(4 * L::N)
        .zip(im.chunks_exact_mut(4 * L::N));
    for (re, im) in groups {
        let (re, im) = (re.as_mut_ptr(), im.as_mut_ptr());
        // SAFETY: four vectors lie in each part of a group.
        unsafe {
            let load =
                |p: *mut f64| L::blocks_of_four([0, 1, 2, 3].map(|i| L::load(p.add(i * L::N))));
            let ([ar, br, cr, dr], [ai, bi, ci, di]) = (load(re), load(im));
            let x = [(ar, ai), (br, bi), (cr, ci), (dr, di)];
            let y = quarter::<L, INVERSE>(x, w0, w1, v);
            let store = |p: *mut f64, x: [L; 4]| {
                for (i, x) in L::blocks_of_four(x).into_iter().enumerate() {
                    x.store(p.add(i * L::N));
                }
            };
            store(re, y.map(|z| z.0));
            store(im, y.map(|z| z.1));
        }
    }
}

/// One stage on one block of `2 q`, `q` a multiple of the width: of decimation in frequency for the inverse, in time for
/// the forward transform.
#[inline(always)]
unsafe fn single<L: Lanes, const INVERSE: bool>(re: &mut [f64], im: &mut [f64], w: [&[f64]; 2]) {
    let q = re.len() / 2;
    let (re, im, w) = (re.as_mut_ptr(), im.as_mut_ptr(), w.map(|part| &part[..q]));
    for j in (0..q).step_by(L::N) {
        // SAFETY: j + L::N <= q, so that all vectors lie in the block and in the factors.
        unsafe {
            let load = |at: usize| (L::load(re.add(at)), L::load(im.add(at)));
            let (a, b) = (load(j), load(q + j));
            let w = (L::load(w[0].as_ptr().add(j)), L::load(w[1].as_ptr().add(j)));
            let (x, y) = if INVERSE {
                (add(a, b), mul_conj(sub(a, b), w))
            } else {
                let t = mul(b, w);
                (add(a, t), sub(a, t))
            };
            for (at, z) in [(j, x), (q + j, y)] {
                z.0.store(re.add(at));
                z.1.store(im.add(at));
            }
        }
    }
}

/// Complex numbers, real and imaginary parts.
type C<L> = (L, L);

/// Two stages on numbers a quarter block apart: `w` are factors of whole blocks, `v` of half blocks.
#[inline(always)]
unsafe fn quarter<L: Lanes, const INVERSE: bool>(
    [a, b, c, d]: [C<L>; 4],
    w0: C<L>,
    w1: C<L>,
    v: C<L>,
) -> [C<L>; 4] {
    // SAFETY: the caller's contract.
    unsafe {
        if INVERSE {
            let (s, t) = (add(a, c), add(b, d));
            let (u, x) = (mul_conj(sub(a, c), w0), mul_conj(sub(b, d), w1));
            [
                add(s, t),
                mul_conj(sub(s, t), v),
                add(u, x),
                mul_conj(sub(u, x), v),
            ]
        } else {
            let t = mul(b, v);
            let (s, u) = (add(a, t), sub(a, t));
            let t = mul(d, v);
            let (p, m) = (mul(add(c, t), w0), mul(sub(c, t), w1));
            [add(s, p), add(u, m), sub(s, p), sub(u, m)]
        }
    }
}

#[inline(always)]
unsafe fn add<L: Lanes>(a: C<L>, b: C<L>) -> C<L> {
    // SAFETY: the caller's contract.
    unsafe { (a.0.add(b.0), a.1.add(b.1)) }
}

#[inline(always)]
unsafe fn sub<L: Lanes>(a: C<L>, b: C<L>) -> C<L> {
    // SAFETY: the caller's contract.
    unsafe { (a.0.sub(b.0), a.1.sub(b.1)) }
}

#[inline(always)]
unsafe fn mul<L: Lanes>(a: C<L>, w: C<L>) -> C<L> {
    // SAFETY: the caller's contract.
    unsafe {
        (
            a.0.mul(w.0).sub(a.1.mul(w.1)),
            a.0.mul(w.1).add(a.1.mul(w.0)),
        )
    }
}

/// `a` times the conjugate of `w`.
#[inline(always)]
unsafe fn mul_conj<L: Lanes>(a: C<L>, w: C<L>) -> C<L> {
    // SAFETY: the caller's contract.
    unsafe {
        (
            a.0.mul(w.0).add(a.1.mul(w.1)),
            a.1.mul(w.0).sub(a.0.mul(w.1)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed stream of numbers in [-1, 1).
    fn numbers(n: usize, mut state: u64) -> Vec<f64> {
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
            })
            .collect()
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        for isa in Isa::available() {
            let (oracle, k) = (FftKernels::select(Isa::Scalar), FftKernels::select(isa));
            assert_eq!(k.isa(), isa);
            for log_n in 0..=12 {
                let n = 1 << log_n;
                let (wr, wi) = (numbers(n, 1), numbers(n, 2));
                for inverse in [true, false] {
                    let run = |k: &FftKernels| {
                        let (mut re, mut im) = (numbers(n, 3), numbers(n, 4));
                        if inverse {
                            k.inverse([&mut re, &mut im], [&wr, &wi]);
                        } else {
                            k.forward([&mut re, &mut im], [&wr, &wi]);
                        }
                        [bits(&re), bits(&im)]
                    };
                    assert_eq!(run(k), run(oracle), "{isa}, {n} numbers");
                }
            }
        }
    }
}
