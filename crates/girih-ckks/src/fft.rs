//! The special FFT: slots <-> coefficients of the canonical embedding.
//!
//! Slot `j` of a polynomial with coefficients `w_k` (already folded to complex numbers, see the encoder)
//! is `z_j = sum_k w_k zeta^(5^j k)` with `zeta = exp(2 pi i / 4n)`. Both directions are Cooley-Tukey
//! transforms on the order `5^j`: stage twiddles depend on the position in the block only and lie
//! contiguously. [`FftKernels`] runs the stages. Everything is fixed
//! order f64 arithmetic on twiddles rounded from double-double numbers: equal results everywhere.

use std::sync::OnceLock;

use dd::{Complex, Dd, Roots};
use girih_ntt::{FftKernels, Isa};

pub(crate) mod dd;

/// Tables for transforms of every power-of-two length up to `max`.
pub(crate) struct SpecialFft {
    max: usize,
    kernels: &'static FftKernels,
    /// Twiddles of the stage with blocks of `len`: `exp(2 pi i (5^j mod 4 len) / 4 len)` for `j < len / 2`, at
    /// `len / 2 - 1 ..`.
    re: Vec<f64>,
    im: Vec<f64>,
    precise: OnceLock<Vec<Complex>>,
}

/// Complex numbers with their parts apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Split {
    pub(crate) re: Vec<f64>,
    pub(crate) im: Vec<f64>,
}

impl SpecialFft {
    /// Tables for lengths up to `max`, a power of two. Cost: `2 max` products of double-doubles.
    pub(crate) fn new(max: usize) -> SpecialFft {
        let twiddles = stage_twiddles(max);
        SpecialFft {
            max,
            kernels: FftKernels::select(Isa::best()),
            re: twiddles.iter().map(|w| w.re.hi).collect(),
            im: twiddles.iter().map(|w| w.im.hi).collect(),
            precise: OnceLock::new(),
        }
    }

    /// Slots to coefficients, in place; the result is in bit-reversed order and lacks the factor `1/n`.
    pub(crate) fn inverse(&self, x: &mut Split) {
        let n = x.re.len();
        assert!(
            n.is_power_of_two() && n <= self.max && x.im.len() == n,
            "a transform length of the table"
        );
        self.kernels
            .inverse([&mut x.re, &mut x.im], [&self.re, &self.im]);
    }

    /// Coefficients in bit-reversed order to slots, in place.
    pub(crate) fn forward(&self, x: &mut Split) {
        let n = x.re.len();
        assert!(
            n.is_power_of_two() && n <= self.max && x.im.len() == n,
            "a transform length of the table"
        );
        self.kernels
            .forward([&mut x.re, &mut x.im], [&self.re, &self.im]);
    }

    /// [`inverse`](SpecialFft::inverse) in double-double arithmetic: about thirty times slower.
    pub(crate) fn inverse_precise(&self, x: &mut [Complex]) {
        let n = x.len();
        assert!(
            n.is_power_of_two() && n <= self.max,
            "a transform length of the table"
        );
        if n == 1 {
            return;
        }
        let twiddles = self.precise.get_or_init(|| stage_twiddles(self.max));
        let mut len = n;
        while len > 1 {
            let half = len / 2;
            let stage = &twiddles[half - 1..len - 1];
            for block in x.chunks_exact_mut(len) {
                let (upper, lower) = block.split_at_mut(half);
                for ((a, b), w) in upper.iter_mut().zip(lower).zip(stage) {
                    let difference = a.sub(*b);
                    *a = a.add(*b);
                    *b = difference.mul(w.conj());
                }
            }
            len = half;
        }
    }
}

impl Split {
    pub(crate) fn zeros(n: usize) -> Split {
        Split {
            re: vec![0.0; n],
            im: vec![0.0; n],
        }
    }
}

/// Index `i` of `n` with its bits reversed; `n` is a power of two.
#[inline]
pub(crate) fn bit_reversed(i: usize, n: usize) -> usize {
    if n < 2 {
        i
    } else {
        i.reverse_bits() >> (usize::BITS - n.trailing_zeros())
    }
}

/// The twiddles of all stages up to blocks of `max`, one after the other.
fn stage_twiddles(max: usize) -> Vec<Complex> {
    assert!(max.is_power_of_two(), "a power-of-two transform length");
    let roots = Roots::new(4 * max);
    let mut twiddles = Vec::with_capacity(max);
    let mut len = 2;
    while len <= max {
        let mut power = 1;
        for _ in 0..len / 2 {
            twiddles.push(roots.get(power * (max / len)));
            power = power * 5 % (4 * len);
        }
        len *= 2;
    }
    twiddles
}

/// A double-double complex number from two f64 parts.
pub(crate) fn precise(re: f64, im: f64) -> Complex {
    Complex {
        re: Dd::new(re),
        im: Dd::new(im),
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use num_complex::Complex64;
    use proptest::prelude::*;

    use super::*;

    /// The definition: `z_j = sum_k w_k exp(2 pi i 5^j k / 4n)`.
    fn oracle(w: &[Complex64]) -> Vec<Complex64> {
        let n = w.len();
        let mut power = 1usize;
        (0..n)
            .map(|_| {
                let z = (0..n)
                    .map(|k| {
                        w[k] * Complex64::cis(TAU * ((power * k) % (4 * n)) as f64 / (4 * n) as f64)
                    })
                    .sum();
                power = power * 5 % (4 * n);
                z
            })
            .collect()
    }

    fn split(values: &[Complex64]) -> Split {
        Split {
            re: values.iter().map(|z| z.re).collect(),
            im: values.iter().map(|z| z.im).collect(),
        }
    }

    fn reversed(x: &Split) -> Split {
        let n = x.re.len();
        let pick = |part: &[f64]| (0..n).map(|i| part[bit_reversed(i, n)]).collect();
        Split {
            re: pick(&x.re),
            im: pick(&x.im),
        }
    }

    fn pseudo_random(n: usize, mut seed: u64) -> Vec<Complex64> {
        let mut next = move || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        (0..n).map(|_| Complex64::new(next(), next())).collect()
    }

    proptest! {
        #[test]
        fn both_directions_are_the_definition(log in 0u32..9, spare in 0u32..3, seed: u64) {
            let n = 1usize << log;
            let fft = SpecialFft::new(n << spare);
            let w = pseudo_random(n, seed);
            let z = oracle(&w);
            let mut x = reversed(&split(&w));
            fft.forward(&mut x);
            for (j, z) in z.iter().enumerate() {
                prop_assert!((Complex64::new(x.re[j], x.im[j]) - z).norm() < 1e-11, "slot {j} of {n}");
            }
            let mut y = split(&z);
            fft.inverse(&mut y);
            let y = reversed(&y);
            let mut precise: Vec<Complex> = z.iter().map(|z| super::precise(z.re, z.im)).collect();
            fft.inverse_precise(&mut precise);
            for k in 0..n {
                let got = Complex64::new(y.re[k], y.im[k]) / n as f64;
                prop_assert!((got - w[k]).norm() < 1e-12, "coefficient {k} of {n}");
                let p = precise[bit_reversed(k, n)];
                prop_assert!((Complex64::new(p.re.hi, p.im.hi) / n as f64 - w[k]).norm() < 1e-12);
            }
        }
    }

    #[test]
    fn long_transforms_return() {
        let n = 1 << 15;
        let fft = SpecialFft::new(n);
        let z = pseudo_random(n, 5);
        let mut x = split(&z);
        fft.inverse(&mut x);
        fft.forward(&mut x);
        let worst = (0..n)
            .map(|j| (Complex64::new(x.re[j], x.im[j]) / n as f64 - z[j]).norm())
            .fold(0.0, f64::max);
        assert!(worst < 1e-14, "{worst}");
    }
}
