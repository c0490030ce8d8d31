//! Encoding: vectors of numbers <-> integer polynomials, by the canonical embedding.
//!
//! Slot `j` is the value of the polynomial at `zeta^(5^j)`, `zeta = exp(i pi / N)` (Cheon, Kim, Kim, Song,
//! ASIACRYPT 2017). With `n <= N/2` slots the polynomial is one in `X^(N/2n)` and the vector is repeated
//! `N/2n` times in the N/2 slots of the ring, so rotations modulo `n` work on it.

use std::sync::Arc;

pub use coefficients::Coefficients;
use coefficients::Integers;
use compose::Composer;
use girih_he::Level;
use num_complex::Complex64;
use round::round_reversed;

use crate::fft::{self, SpecialFft, Split, bit_reversed};
use crate::{EncodeError, Params, Plaintext};

mod coefficients;
mod compose;
mod round;

/// log2 of a coefficient up to which f64 encodes: half a unit in its last place is 1/8, and the kernels take it. Above,
/// double-double arithmetic is used.
const F64_BITS: f64 = 50.0;
/// log2 of the root mean square of all coefficients up to which f64 encodes: the error of the transform, relative to that about
/// `2^-53 sqrt(log2 n)` < 2^-51, spreads over all of them and stays below 1/8, the rounding's being `sqrt(1/12)`.
const F64_MEAN_BITS: f64 = 48.0;
/// Largest log2 of a coefficient: what `i128` holds with room to spare.
const WIDE_BITS: f64 = 120.0;
/// Decoding is exact for values up to 2^40 in magnitude (and at most 2^120 times the inverse of the scale).
const INTEGER_BITS: f64 = 40.0;

/// Encodes and decodes vectors for one parameter set and one number of slots. Cloning is cheap.
#[derive(Clone)]
pub struct Encoder {
    params: Params,
    fft: Arc<SpecialFft>,
    slots: usize,
}

impl Encoder {
    /// An encoder for all `N/2` slots. Cost: tables of `N/2` roots of unity.
    #[must_use]
    pub fn new(params: &Params) -> Encoder {
        Encoder {
            params: params.clone(),
            fft: Arc::new(SpecialFft::new(params.slots())),
            slots: params.slots(),
        }
    }

    /// An encoder for vectors of `slots` values, which fill the ring by repetition.
    ///
    /// # Errors
    /// [`EncodeError::Slots`] unless `slots` is a power of two up to `N/2`.
    pub fn with_slots(params: &Params, slots: usize) -> Result<Encoder, EncodeError> {
        let max = params.slots();
        if !slots.is_power_of_two() || slots > max {
            return Err(EncodeError::Slots { slots, max });
        }
        Ok(Encoder {
            params: params.clone(),
            fft: Arc::new(SpecialFft::new(slots)),
            slots,
        })
    }

    /// An encoder for fewer slots, no more than this one's and a power of two, with the same tables.
    pub(crate) fn narrowed(&self, slots: usize) -> Encoder {
        Encoder {
            slots,
            ..self.clone()
        }
    }

    /// Values of a vector.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// `round(scale · embedding^-1(values))` over the limbs of `level`, in NTT form; missing values are zero.
    ///
    /// The error of a slot is that of rounding, about `sqrt(slots / 6) / scale`. Cost: one FFT of `slots` numbers and
    /// one transform of `2 slots` words a limb; where a coefficient exceeds 2^50, or `scale · max|value|`
    /// both 2^50 and `2^48 sqrt(slots)`, the FFT runs in double-double arithmetic (about thirty times slower).
    ///
    /// # Errors
    /// More values than slots, NaN or infinite values, a level above the top, a scale below 1, coefficients
    /// that do not fit half the modulus of the level.
    pub fn encode(
        &self,
        values: &[f64],
        level: Level,
        scale: f64,
    ) -> Result<Plaintext, EncodeError> {
        self.coefficients(values, scale)?
            .to_plaintext(&self.params, level)
    }

    /// [`encode`](Encoder::encode) for complex values.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode).
    pub fn encode_complex(
        &self,
        values: &[Complex64],
        level: Level,
        scale: f64,
    ) -> Result<Plaintext, EncodeError> {
        self.coefficients_complex(values, scale)?
            .to_plaintext(&self.params, level)
    }

    /// The integer coefficients `round(scale · embedding^-1(values))`.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode), except that nothing depends on a level.
    pub fn coefficients(&self, values: &[f64], scale: f64) -> Result<Coefficients, EncodeError> {
        self.check_len(values.len())?;
        // Without a way out of the loop, so that it is done in vectors.
        let (max, finite) = values.iter().fold((0f64, true), |(max, finite), v| {
            let size = v.abs();
            (
                if size > max { size } else { max },
                finite & (size < f64::INFINITY),
            )
        });
        if !finite {
            let bad = values.iter().enumerate().find(|(_, v)| !v.is_finite());
            if let Some((index, &value)) = bad {
                return Err(EncodeError::NotFinite { index, value });
            }
        }
        let mut slots = Split::zeros(self.slots);
        slots.re[..values.len()].copy_from_slice(values);
        self.invert(slots, max, scale)
    }

    /// [`coefficients`](Encoder::coefficients) for complex values.
    ///
    /// # Errors
    /// As [`coefficients`](Encoder::coefficients).
    pub fn coefficients_complex(
        &self,
        values: &[Complex64],
        scale: f64,
    ) -> Result<Coefficients, EncodeError> {
        self.check_len(values.len())?;
        let mut max = 0f64;
        let mut slots = Split::zeros(self.slots);
        for (index, value) in values.iter().enumerate() {
            for part in [value.re, value.im] {
                if !part.is_finite() {
                    return Err(EncodeError::NotFinite { index, value: part });
                }
                max = max.max(part.abs());
            }
            (slots.re[index], slots.im[index]) = (value.re, value.im);
        }
        self.invert(slots, max * std::f64::consts::SQRT_2, scale)
    }

    /// The real parts of the slots. For the owner of the key; see [`decode_public`](Encoder::decode_public).
    ///
    /// Values up to 2^40 in magnitude come back (as far as `scale · value` stays below 2^120 and half the
    /// modulus). Cost: a few inverse transforms and one FFT.
    ///
    /// # Panics
    /// If the plaintext was made under other parameters.
    #[must_use]
    pub fn decode(&self, plaintext: &Plaintext) -> Vec<f64> {
        self.embed(plaintext).re
    }

    /// The slots. For the owner of the key; see [`decode_public`](Encoder::decode_public).
    ///
    /// # Panics
    /// If the plaintext was made under other parameters.
    #[must_use]
    pub fn decode_complex(&self, plaintext: &Plaintext) -> Vec<Complex64> {
        let slots = self.embed(plaintext);
        slots
            .re
            .into_iter()
            .zip(slots.im)
            .map(|(re, im)| Complex64::new(re, im))
            .collect()
    }

    /// The real parts of the slots rounded to multiples of `2^-precision_bits`, for sharing.
    ///
    /// Decrypted values carry the encryption noise, and the noise reveals the key (Li, Micciancio, EUROCRYPT
    /// 2021). Rounding well above the noise removes it from almost all values; a value close to a rounding boundary still
    /// depends on it, so choose a precision at least 10 bits coarser than the error and limit how many results of
    /// one key are shared. See `SECURITY.md`.
    ///
    /// # Panics
    /// If the plaintext was made under other parameters.
    #[must_use]
    pub fn decode_public(&self, plaintext: &Plaintext, precision_bits: u32) -> Vec<f64> {
        let unit = f64::from(precision_bits).exp2();
        let mut values = self.decode(plaintext);
        values
            .iter_mut()
            .for_each(|v| *v = (*v * unit).round() / unit);
        values
    }

    fn check_len(&self, len: usize) -> Result<(), EncodeError> {
        if len > self.slots {
            return Err(EncodeError::TooManyValues {
                len,
                slots: self.slots,
            });
        }
        Ok(())
    }

    /// `round(scale · embedding^-1(slots))`; `max` bounds the magnitude of the slots.
    fn invert(&self, mut slots: Split, max: f64, scale: f64) -> Result<Coefficients, EncodeError> {
        if !(scale.is_finite() && scale >= 1.0) {
            return Err(EncodeError::Scale { scale });
        }
        let n = self.slots;
        let factor = scale / n as f64;
        let log_max = (max * scale).max(1.0).log2();
        // The mean square of the coefficients is 1/n of that of the slots.
        let log_mean = log_max - 0.5 * f64::from(n.trailing_zeros());
        if log_max <= F64_BITS || log_mean <= F64_MEAN_BITS {
            // Only then can a coefficient turn out too large.
            let kept = (log_max > F64_BITS).then(|| slots.clone());
            self.fft.inverse(&mut slots);
            let mut out = vec![0i64; 2 * n];
            let (low, high) = out.split_at_mut(n);
            let largest =
                round_reversed(&slots.re, factor, low).max(round_reversed(&slots.im, factor, high));
            let log_largest = largest.max(1.0).log2();
            match kept {
                Some(kept) if log_largest > F64_BITS => slots = kept,
                _ => {
                    return Ok(Coefficients {
                        values: Integers::Narrow(out),
                        log_max: log_largest,
                        scale,
                    });
                }
            }
        }
        if log_max > WIDE_BITS + f64::from(n.trailing_zeros()) {
            return Err(self.too_wide(log_max, scale));
        }
        let mut precise: Vec<_> = slots
            .re
            .iter()
            .zip(&slots.im)
            .map(|(&re, &im)| fft::precise(re, im))
            .collect();
        self.fft.inverse_precise(&mut precise);
        let mut out = vec![0i128; 2 * n];
        let mut largest = 0;
        for k in 0..n {
            let z = precise[bit_reversed(k, n)];
            let (re, im) = (z.re.scale(factor), z.im.scale(factor));
            let wide = re.hi.abs().max(im.hi.abs()).max(1.0).log2();
            if wide > WIDE_BITS {
                return Err(self.too_wide(wide, scale));
            }
            let (re, im) = (re.round(), im.round());
            largest = largest.max(re.unsigned_abs()).max(im.unsigned_abs());
            (out[k], out[k + n]) = (re, im);
        }
        Ok(Coefficients {
            values: Integers::Wide(out),
            log_max: (largest.max(1) as f64).log2(),
            scale,
        })
    }

    fn too_wide(&self, log_coefficient: f64, scale: f64) -> EncodeError {
        EncodeError::Overflow {
            log_coefficient,
            log_scale: scale.log2(),
            level: self.params.top(),
            log_bound: WIDE_BITS,
        }
    }

    /// The slots of a plaintext.
    fn embed(&self, plaintext: &Plaintext) -> Split {
        let ring = self.params.ring();
        assert!(
            plaintext.poly().n() == ring.n() && plaintext.poly().limbs() <= ring.q_len(),
            "the plaintext was made under other parameters"
        );
        let limbs = limbs_to_decode(&self.params, plaintext.poly().limbs(), plaintext.scale());
        let poly = plaintext.poly().truncated(limbs, ring).into_coeff(ring);
        let n = self.slots;
        let gap = self.params.slots() / n;
        let composer = Composer::new(ring, limbs);
        let factor = 1.0 / plaintext.scale();
        let mut slots = Split::zeros(n);
        for k in 0..n {
            let at = bit_reversed(k, n);
            slots.re[at] = composer.centred(&poly, k * gap) * factor;
            slots.im[at] = composer.centred(&poly, (k + n) * gap) * factor;
        }
        self.fft.forward(&mut slots);
        slots
    }
}

/// The fewest limbs that hold values up to `2^INTEGER_BITS` at `scale`.
pub(crate) fn limbs_to_decode(params: &Params, available: usize, scale: f64) -> usize {
    let wanted = (scale.log2() + INTEGER_BITS + 1.0).min(WIDE_BITS);
    let mut bits = 0.0;
    let primes = params.ring().q_primes().iter().take(available);
    let enough = primes.take_while(|&&q| {
        let more = bits < wanted;
        bits += (q as f64).log2();
        more
    });
    enough.count().max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use girih_rns::MIN_DEGREE;

    use super::*;
    use crate::{ParamsSpec, Security, presets};

    fn params() -> Params {
        Params::try_new(presets::test_tiny()).expect("preset")
    }

    fn wide_params() -> Params {
        let spec = ParamsSpec {
            log_n: 10,
            first_bits: 70,
            scale_bits: vec![60; 3],
            linear_bits: BTreeMap::new(),
            special_count: 2,
            special_bits: 50,
            security: Security::Insecure,
        };
        Params::try_new(spec).expect("exists")
    }

    fn numbers(n: usize, mut seed: u64) -> Vec<f64> {
        (0..n)
            .map(|_| {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (seed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
            })
            .collect()
    }

    fn worst(a: &[f64], b: &[f64]) -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| (x - y).abs())
            .fold(0.0, f64::max)
    }

    /// Six standard deviations of the error that rounding `count` coefficients leaves in a slot.
    fn rounding_bound(count: usize, scale: f64) -> f64 {
        6.0 * (count as f64 / 12.0).sqrt() / scale
    }

    #[test]
    fn slots_are_the_values_of_the_polynomial() {
        // The definition, by Horner at zeta^(5^j) in f64.
        let params = params();
        let encoder = Encoder::new(&params);
        let values: Vec<Complex64> = numbers(encoder.slots(), 1)
            .iter()
            .zip(numbers(encoder.slots(), 2))
            .map(|(&a, b)| Complex64::new(a, b))
            .collect();
        let scale = 2f64.powi(40);
        let coefficients = encoder
            .coefficients_complex(&values, scale)
            .expect("encodes");
        let Integers::Narrow(coefficients) = coefficients.values else {
            panic!("2^40 is narrow")
        };
        let n = params.n();
        let mut power = 1usize;
        for value in values.iter().take(40) {
            let root = Complex64::cis(std::f64::consts::PI * power as f64 / n as f64);
            let at_root = coefficients
                .iter()
                .rev()
                .fold(Complex64::ZERO, |sum, &c| sum * root + c as f64);
            assert!((at_root / scale - value).norm() < rounding_bound(n, scale) + 1e-9);
            power = power * 5 % (2 * n);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn decoding_inverts_encoding(seed: u64, log_slots in 0u32..10, log_scale in 30i32..60, log_size in -10i32..10) {
            let params = wide_params();
            let encoder = Encoder::with_slots(&params, 1 << log_slots).expect("power of two");
            let scale = 2f64.powi(log_scale);
            let values: Vec<f64> = numbers(encoder.slots(), seed).iter().map(|x| x * 2f64.powi(log_size)).collect();
            let bound = rounding_bound(2 << log_slots, scale) + 2f64.powi(log_size - 48);
            for level in 0..=2 {
                let plaintext = encoder.encode(&values, Level(level), scale).expect("fits");
                prop_assert_eq!(plaintext.poly().limbs(), params.chain().limbs(Level(level)));
                prop_assert!(worst(&encoder.decode(&plaintext), &values) < bound);
            }
            let complex: Vec<Complex64> = values.iter().map(|&x| Complex64::new(x, -2.0 * x)).collect();
            let decoded = encoder.decode_complex(&encoder.encode_complex(&complex, Level(2), scale).expect("fits"));
            for (got, want) in decoded.iter().zip(&complex) {
                prop_assert!((got - want).norm() < 2.0 * bound);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// The oracle of compressed rows: the whole vector, transformed at full length.
        #[test]
        fn a_period_encodes_as_the_whole_vector(seed: u64, log in 0u32..=9, wide in any::<bool>()) {
            let params = wide_params();
            let (ring, all) = (params.ring(), Encoder::new(&params));
            let scale = if wide { 2f64.powf(70.3) } else { 2f64.powf(46.7) };
            let few = all.narrowed(1 << log);
            let one: Vec<Complex64> = numbers(few.slots(), seed)
                .iter()
                .zip(numbers(few.slots(), !seed))
                .map(|(&a, b)| Complex64::new(a, b))
                .collect();
            let whole: Vec<Complex64> = one.iter().copied().cycle().take(all.slots()).collect();
            let expected = all.coefficients_complex(&whole, scale).expect("encodes");
            let got = few.coefficients_complex(&one, scale).expect("encodes");
            prop_assert_eq!(matches!(got.values, Integers::Wide(_)), wide);
            prop_assert_eq!(got.log_max, expected.log_max);
            let subring = got.subring(&params);
            prop_assert_eq!(subring.n(), (2 * few.slots()).max(MIN_DEGREE));
            let run = ring.n() / subring.n();
            let (short, long) = (got.to_poly_qp(&subring, 2), expected.to_poly_qp(ring, 2));
            for r in 0..short.row_count() {
                for (x, run) in short.row(r).iter().zip(long.row(r).chunks_exact(run)) {
                    prop_assert!(run.iter().all(|y| x == y));
                }
            }
            prop_assert_eq!(got.to_poly(&subring, 2).embedded(ring), expected.to_poly(ring, 2));
            prop_assert_eq!(got.to_poly(ring, 2), expected.to_poly(ring, 2));
        }
    }

    #[test]
    fn f64_is_exact_below_the_rounding_up_to_its_limit() {
        // Numbers of modulus one, as twiddle factors are.
        let params = params();
        for log_slots in [0, 2, 5, 9] {
            let n = 1usize << log_slots;
            let encoder = Encoder::new(&params).narrowed(n);
            let last = f64::max(49.49, 47.49 + 0.5 * f64::from(log_slots));
            for log_scale in [46.0, 48.0, 49.49, last] {
                let unit: Vec<Complex64> = numbers(n, 3)
                    .iter()
                    .map(|x| Complex64::cis(4.0 * x))
                    .collect();
                let scale = 2f64.powf(log_scale);
                let got = encoder.coefficients_complex(&unit, scale).expect("encodes");
                let Integers::Narrow(got) = got.values else {
                    panic!("2^{log_scale} is within f64 for {n} slots")
                };
                let mut exact: Vec<_> = unit.iter().map(|z| fft::precise(z.re, z.im)).collect();
                encoder.fft.inverse_precise(&mut exact);
                let errors = (0..n).flat_map(|k| {
                    let z = exact[bit_reversed(k, n)];
                    [(z.re, got[k]), (z.im, got[k + n])].map(|(exact, got)| {
                        let exact = exact.scale(scale / n as f64);
                        (exact.hi - got as f64) + exact.lo
                    })
                });
                let (worst, sum) = errors.fold((0f64, 0.0), |(worst, sum), e| {
                    (worst.max(e.abs()), sum + e * e)
                });
                // Rounding alone has 1/2 and 1/12.
                assert!(worst < 0.75, "{n} slots, 2^{log_scale}: {worst}");
                let mean = sum / (2 * n) as f64;
                let expected = 1.0 / 12.0 + (1.0f64 / 8.0).powi(2);
                assert!(
                    n < 32 || mean < expected,
                    "{n} slots, 2^{log_scale}: {mean}"
                );
            }
        }
        // One coefficient that holds everything is too large for f64, the same numbers spread are not.
        let (n, scale) = (512, 2f64.powi(51));
        let encoder = Encoder::new(&params);
        let narrow = |values: &[f64]| {
            let got = encoder.coefficients(values, scale).expect("encodes");
            matches!(got.values, Integers::Narrow(_))
        };
        assert!(!narrow(&vec![1.0; n]));
        assert!(narrow(&numbers(n, 5)));
    }

    #[test]
    fn fewer_slots_repeat_in_the_ring() {
        let params = params();
        let sparse = Encoder::with_slots(&params, 8).expect("power of two");
        let values = numbers(8, 3);
        let plaintext = sparse
            .encode(&values, Level(1), 2f64.powi(40))
            .expect("encodes");
        let all = Encoder::new(&params).decode(&plaintext);
        for (i, x) in all.iter().enumerate() {
            assert!((x - values[i % 8]).abs() < 1e-10, "slot {i}");
        }
    }

    #[test]
    fn constants_and_single_values_are_exact_to_rounding() {
        // Worst cases of the transform: everything in one coefficient, or spread over all of them.
        let encoder = Encoder::new(&params());
        for scale in [2f64.powi(30), 2f64.powi(45)] {
            let constant = vec![-1.75; encoder.slots()];
            let got = encoder.decode(&encoder.encode(&constant, Level(2), scale).expect("fits"));
            assert!(worst(&got, &constant) < 1e-12);
            let mut single = vec![0.0; encoder.slots()];
            single[37] = 3.0;
            let got = encoder.decode(&encoder.encode(&single, Level(2), scale).expect("fits"));
            assert!(worst(&got, &single) < rounding_bound(1024, scale) + 1e-12);
        }
    }

    #[test]
    fn wide_coefficients_keep_more_than_53_bits() {
        // pi at scale 2^100 in every slot: one coefficient, checked as an integer.
        let params = wide_params();
        let encoder = Encoder::new(&params);
        let values = vec![std::f64::consts::PI; encoder.slots()];
        let scale = 2f64.powi(100);
        let coefficients = encoder.coefficients(&values, scale).expect("fits 120 bits");
        let Integers::Wide(coefficients) = coefficients.values else {
            panic!("2^100 is wide")
        };
        let expected = (std::f64::consts::PI * 2f64.powi(51)) as i128 * (1i128 << 49);
        assert!(
            (coefficients[0] - expected).abs() <= 1 << 4,
            "{}",
            coefficients[0] - expected
        );
        assert!(coefficients[1..].iter().all(|c| c.abs() <= 1 << 4));
    }

    #[test]
    fn narrow_and_wide_paths_agree() {
        let params = wide_params();
        let encoder = Encoder::new(&params);
        let values = numbers(encoder.slots(), 9);
        let narrow = encoder
            .coefficients(&values, 2f64.powi(49))
            .expect("encodes");
        let wide = encoder
            .coefficients(&values, 2f64.powi(59))
            .expect("encodes");
        let (Integers::Narrow(narrow), Integers::Wide(wide)) = (&narrow.values, &wide.values)
        else {
            panic!("the boundary lies at 2^50")
        };
        for (n, w) in narrow.iter().zip(wide) {
            assert!((i128::from(*n) - ((w + 512) >> 10)).abs() <= 1);
        }
    }

    #[test]
    fn what_cannot_be_encoded_is_refused_with_the_numbers() {
        let params = params();
        let encoder = Encoder::new(&params);
        let scale = params.chain().scale(Level(0));
        let encode = |values: &[f64], level, scale| {
            encoder
                .encode(values, Level(level), scale)
                .expect_err("refused")
        };
        assert_eq!(
            encode(&[0.0; 513], 0, scale),
            EncodeError::TooManyValues {
                len: 513,
                slots: 512
            }
        );
        assert!(matches!(
            encode(&[1.0, f64::NAN], 0, scale),
            EncodeError::NotFinite { index: 1, .. }
        ));
        let infinite = EncodeError::NotFinite {
            index: 0,
            value: f64::INFINITY,
        };
        assert_eq!(encode(&[f64::INFINITY], 0, scale), infinite);
        assert_eq!(
            encode(&[1.0], 3, scale),
            EncodeError::Level {
                level: Level(3),
                top: Level(2)
            }
        );
        for bad in [0.0, 0.5, f64::NAN, f64::INFINITY, -8.0] {
            assert!(matches!(encode(&[1.0], 0, bad), EncodeError::Scale { .. }));
        }
        // q0 has 45 bits, the scale 40: a constant of 15.9 fits, 16.1 does not (with 2^44 = q0 / 2).
        assert!(
            encoder
                .encode(&[15.9; 512], Level(0), 2f64.powi(40))
                .is_ok()
        );
        let error = encode(&[16.1; 512], 0, 2f64.powi(40));
        assert!(
            matches!(
                error,
                EncodeError::Overflow {
                    level: Level(0),
                    ..
                }
            ),
            "{error}"
        );
        assert!(
            encoder
                .encode(&[16.1; 512], Level(1), 2f64.powi(40))
                .is_ok()
        );
        assert!(matches!(
            encode(&[1e300], 2, scale),
            EncodeError::Overflow { .. }
        ));
        assert!(matches!(
            encode(&[1.0; 512], 2, 2f64.powi(121)),
            EncodeError::Overflow { .. }
        ));
        for slots in [0, 3, 1024] {
            assert_eq!(
                Encoder::with_slots(&params, slots).map(|_| ()),
                Err(EncodeError::Slots { slots, max: 512 })
            );
        }
    }

    #[test]
    fn shared_values_are_multiples_of_the_precision() {
        let encoder = Encoder::new(&params());
        let values = numbers(512, 11);
        let plaintext = encoder
            .encode(&values, Level(0), 2f64.powi(40))
            .expect("encodes");
        for (shared, value) in encoder.decode_public(&plaintext, 10).iter().zip(&values) {
            assert_eq!(shared * 1024.0, (shared * 1024.0).round());
            assert!((shared - value).abs() <= 0.5 / 1024.0 + 1e-9);
        }
    }

    #[test]
    fn empty_input_encodes_zero() {
        let encoder = Encoder::new(&params());
        let plaintext = encoder
            .encode(&[], Level(1), 2f64.powi(40))
            .expect("encodes");
        assert!(encoder.decode(&plaintext).iter().all(|&x| x == 0.0));
    }
}
