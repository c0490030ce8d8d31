//! Parameters as plain data, and the search for the smallest set that holds a computation.

use std::collections::BTreeMap;

use crate::security::{MAX_LOG_N, MIN_LOG_N};
use crate::{ParamsError, Security};

/// Bits up to which a level is one prime: primes lie on both sides of the target and below 2^50.
pub(crate) const SINGLE_PRIME_BITS: u8 = 49;
/// Bits of the widest prime.
pub(crate) const PRIME_BITS: u8 = 50;
/// Bits of a prime of the class whose transform needs no reductions.
const FAST_PRIME_BITS: u8 = 46;
/// Digits that key switching aims at where the modulus allows: transforms, base conversion and key
/// size together are least at two to four digits for 6 to 40 limbs.
const DIGITS: usize = 3;
/// Bits by which the special modulus should exceed the largest digit, so that the noise of key
/// switching, about `sqrt(digits N / 12) sigma D / P`, stays below that of the rounding that follows.
const SPECIAL_HEADROOM: u8 = 6;

/// A parameter set as plain data: public, serialisable, possibly wrong.
///
/// [`Params::try_new`](crate::Params::try_new) is the only way from here to a usable set. Secrets are uniform
/// ternary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParamsSpec {
    /// log2 of the ring degree N, 10 to 17.
    pub log_n: u8,
    /// log2 of the modulus of level 0: scale plus the bits before the point of the result, plus one. One
    /// prime up to 50 bits, several above.
    pub first_bits: u8,
    /// log2 of the canonical scale of every level, from level 0 up; the number of levels is one less than its length.
    /// Level `l`, if it is not [linear](Self::linear_bits), consumes a prime near `2^(2 scale_bits[l] - scale_bits[l-1])`, or two primes of that
    /// product where it exceeds 49 bits (composite scaling, Agrawal et al., 2023).
    pub scale_bits: Vec<u8>,
    /// Linear levels, at which ciphertexts meet constants only, with log2 of the modulus that each consumes: the scale
    /// need not follow the square there. Levels of matrices, as those of a bootstrapping, are worth it: a constant
    /// needs fewer bits than the ciphertext has.
    pub linear_bits: BTreeMap<u8, u8>,
    /// Number of special primes; also the primes of one key-switching digit.
    pub special_count: u8,
    /// log2 of the special primes, at most 50.
    pub special_bits: u8,
    /// What the set must withstand.
    pub security: Security,
}

impl ParamsSpec {
    /// Number of levels: multiplications in sequence.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.scale_bits.len().saturating_sub(1)
    }

    /// Slots of a ciphertext, `N / 2`.
    #[must_use]
    pub fn slots(&self) -> usize {
        1 << self.log_n.clamp(1, 63).saturating_sub(1)
    }

    /// log2 of the modulus that level `l >= 1` consumes.
    ///
    /// # Panics
    /// If there is no such level.
    #[must_use]
    pub fn consumed_bits(&self, l: usize) -> i32 {
        match self.linear_bits.get(&(l as u8)) {
            Some(&bits) => bits.into(),
            None => 2 * i32::from(self.scale_bits[l]) - i32::from(self.scale_bits[l - 1]),
        }
    }

    /// The nominal log2 of every prime of Q, in order.
    #[must_use]
    pub fn limb_bits(&self) -> Vec<f64> {
        let mut limbs = split(f64::from(self.first_bits), PRIME_BITS);
        for l in 1..self.scale_bits.len() {
            limbs.extend(split(f64::from(self.consumed_bits(l)), SINGLE_PRIME_BITS));
        }
        limbs
    }

    /// The smallest degree at which `depth` levels of scale `2^scale_bits` over a first modulus of `first_bits`
    /// bits are as secure as asked; see [`for_depth_at`](ParamsSpec::for_depth_at).
    ///
    /// A smaller degree is cheaper for one ciphertext; a larger one has more slots and fewer key-switching
    /// digits. Insecure sets get the smallest degree there is.
    ///
    /// # Errors
    /// [`ParamsError::DepthTooLarge`] if no degree holds the modulus, and fields out of range.
    ///
    /// ```
    /// use girih_ckks::{ParamsSpec, Security};
    /// let spec = ParamsSpec::for_depth(4, 40, 45, Security::Bits128)?;
    /// assert_eq!(spec.log_n, 14);
    /// # Ok::<(), girih_ckks::ParamsError>(())
    /// ```
    pub fn for_depth(
        depth: u8,
        scale_bits: u8,
        first_bits: u8,
        security: Security,
    ) -> Result<ParamsSpec, ParamsError> {
        let mut last = Err(ParamsError::NoPrime {
            log_n: MAX_LOG_N,
            bits: f64::from(scale_bits),
        });
        for log_n in MIN_LOG_N..=MAX_LOG_N {
            last = ParamsSpec::for_depth_at(log_n, depth, scale_bits, first_bits, security);
            if !matches!(last, Err(ParamsError::DepthTooLarge { .. })) {
                break;
            }
        }
        last
    }

    /// `depth` levels of scale `2^scale_bits` at degree `2^log_n`, with as few key-switching digits (three at
    /// least, or two and one where the chain is that short) and as much special modulus as the security table allows.
    ///
    /// # Errors
    /// [`ParamsError::DepthTooLarge`] with the numbers if the modulus does not fit, and fields out of range.
    pub fn for_depth_at(
        log_n: u8,
        depth: u8,
        scale_bits: u8,
        first_bits: u8,
        security: Security,
    ) -> Result<ParamsSpec, ParamsError> {
        let mut spec = ParamsSpec {
            log_n,
            first_bits,
            scale_bits: vec![scale_bits; usize::from(depth) + 1],
            linear_bits: BTreeMap::new(),
            special_count: 1,
            special_bits: PRIME_BITS,
            security,
        };
        spec.check_ranges()?;
        let limbs = spec.limb_bits();
        let log_q: f64 = limbs.iter().sum();
        // Primes lie near their nominal size on both sides: one bit covers all of them together.
        let max = security.max_log_qp(log_n);
        let fits = |log_qp: f64| max.is_none_or(|max| log_qp + 1.0 <= f64::from(max));
        let mut needed = f64::INFINITY;
        for count in (1..=limbs.len().div_ceil(DIGITS)).rev() {
            let digit = limbs
                .chunks(count)
                .map(|d| d.iter().sum::<f64>())
                .fold(0.0, f64::max);
            let least = (digit / count as f64).ceil() as u8;
            let headroom = SPECIAL_HEADROOM.div_ceil(count as u8);
            let most = (least + headroom)
                .min(FAST_PRIME_BITS.max(least))
                .min(PRIME_BITS);
            for bits in (least..=most).rev() {
                let log_qp = log_q + count as f64 * f64::from(bits);
                if fits(log_qp) {
                    spec.special_count = count as u8;
                    spec.special_bits = bits;
                    return Ok(spec);
                }
                needed = needed.min(log_qp + 1.0);
            }
        }
        Err(ParamsError::DepthTooLarge {
            depth,
            scale_bits,
            needed: needed.ceil() as u32,
            max: max.unwrap_or(0),
            log_n,
            security,
        })
    }

    /// Whether every field lies in its range.
    pub(crate) fn check_ranges(&self) -> Result<(), ParamsError> {
        let check = |field, value: i64, min: i64, max: i64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(ParamsError::Range {
                field,
                value: value.max(0) as u64,
                min: min as u64,
                max: max as u64,
            })
        };
        check(
            "log_n",
            self.log_n.into(),
            MIN_LOG_N.into(),
            MAX_LOG_N.into(),
        )?;
        check(
            "number of levels plus one",
            self.scale_bits.len() as i64,
            1,
            128,
        )?;
        for &bits in &self.scale_bits {
            check("scale_bits", bits.into(), 20, 90)?;
        }
        let first_min = i64::from(self.scale_bits[0]) + 1;
        check(
            "first_bits (above the scale of level 0)",
            self.first_bits.into(),
            first_min,
            120,
        )?;
        for l in 1..self.scale_bits.len() {
            check(
                "modulus bits consumed by a level",
                self.consumed_bits(l).into(),
                20,
                120,
            )?;
        }
        if let Some(&level) = self.linear_bits.keys().next_back() {
            let top = self.depth() as i64;
            check("highest linear level", level.into(), 1, top)?;
        }
        if let Some(&level) = self.linear_bits.keys().next() {
            check("lowest linear level", level.into(), 1, 127)?;
        }
        check("special_count", self.special_count.into(), 1, 64)?;
        check(
            "special_bits",
            self.special_bits.into(),
            20,
            PRIME_BITS.into(),
        )
    }
}

/// `bits` as one prime, or as equal parts of at most 47 bits where it exceeds `single`.
pub(crate) fn split(bits: f64, single: u8) -> Vec<f64> {
    let parts = if bits <= f64::from(single) {
        1.0
    } else {
        (bits / 47.0).ceil().max(2.0)
    };
    vec![bits / parts; parts as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_qp(spec: &ParamsSpec) -> f64 {
        spec.limb_bits().iter().sum::<f64>()
            + f64::from(spec.special_count) * f64::from(spec.special_bits)
    }

    #[test]
    fn the_smallest_degree_that_fits_is_found() {
        for security in [Security::Bits128, Security::Quantum192] {
            for depth in [0, 1, 3, 6, 12, 24] {
                let spec = ParamsSpec::for_depth(depth, 40, 45, security).expect("fits 2^17");
                assert_eq!(spec.depth(), usize::from(depth));
                let max = security.max_log_qp(spec.log_n).expect("limited");
                assert!(log_qp(&spec) <= f64::from(max));
                if spec.log_n > MIN_LOG_N {
                    let below = ParamsSpec::for_depth_at(spec.log_n - 1, depth, 40, 45, security);
                    assert!(
                        matches!(below, Err(ParamsError::DepthTooLarge { .. })),
                        "{below:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_larger_degree_affords_fewer_digits() {
        let at =
            |log_n| ParamsSpec::for_depth_at(log_n, 6, 40, 45, Security::Bits128).expect("fits");
        assert_eq!(at(14).special_count, 3);
        assert_eq!(at(15).special_count, 3);
        let tight = ParamsSpec::for_depth_at(13, 3, 40, 46, Security::Bits128).expect("fits");
        assert_eq!((tight.special_count, tight.log_n), (1, 13));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_numbers() {
        let error =
            ParamsSpec::for_depth_at(13, 6, 40, 45, Security::Bits128).expect_err("too deep");
        // 45 + 6 * 40 + one special prime of 45 bits + one bit of slack
        assert!(
            matches!(
                error,
                ParamsError::DepthTooLarge {
                    needed: 331,
                    max: 218,
                    log_n: 13,
                    ..
                }
            ),
            "{error}"
        );
        let error = ParamsSpec::for_depth(120, 45, 50, Security::Bits128).expect_err("too deep");
        assert!(
            matches!(
                error,
                ParamsError::DepthTooLarge {
                    log_n: 17,
                    max: 3523,
                    ..
                }
            ),
            "{error}"
        );
        for spec in [
            (9, 3, 40, 45),
            (14, 3, 10, 45),
            (14, 3, 40, 40),
            (14, 200, 40, 45),
        ] {
            let (log_n, depth, scale, first) = spec;
            let error = ParamsSpec::for_depth_at(log_n, depth, scale, first, Security::Bits128)
                .expect_err("range");
            assert!(matches!(error, ParamsError::Range { .. }), "{error}");
        }
    }

    #[test]
    fn wide_levels_are_split() {
        assert_eq!(split(49.0, SINGLE_PRIME_BITS), [49.0]);
        assert_eq!(split(56.0, SINGLE_PRIME_BITS), [28.0, 28.0]);
        assert_eq!(split(96.0, SINGLE_PRIME_BITS), [32.0; 3]);
    }
}
