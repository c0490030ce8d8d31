//! Arithmetic modulo one prime below 2^50, one word at a time.

use crate::error::{Error, Result};
use crate::primes;

/// Moduli are below 2^50, so that four times a residue fits the 52-bit multiplier.
pub const MODULUS_BITS: u32 = 50;

/// The word length of the vector multiplier: quotients are scaled by 2^52.
pub(crate) const WORD: u32 = 52;
/// The low 52 bits.
pub(crate) const MASK: u64 = (1 << WORD) - 1;

/// `x mod q` for an odd prime `2 < q < 2^50`, with every constant that the kernels need.
///
/// All operations take and return canonical residues in `[0, q)` unless said otherwise, and run in
/// time that does not depend on the operands (exceptions: [`Modulus::pow`] depends on the exponent).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Modulus {
    q: u64,
    bits: u32,
    /// floor(2^(2 bits) / q)
    barrett: u64,
    /// floor(2^52 / q)
    inv52: u64,
    /// floor(2^(bits + 51) / q)
    barrett52: u64,
    /// 2^52 mod q as a prepared factor
    r52: ShoupPair,
    /// 2^104 mod q as a prepared factor
    r104: ShoupPair,
}

/// A fixed factor `w` in `[0, q)` with `floor(w 2^52 / q)`: multiplying by it needs no division
/// (V. Shoup's trick; D. Harvey, "Faster arithmetic for number-theoretic transforms", 2014).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ShoupPair {
    /// The factor, in `[0, q)`.
    pub w: u64,
    /// `floor(w 2^52 / q)`.
    pub quotient: u64,
}

impl Modulus {
    /// Prepares the constants of an odd prime `2 < q < 2^50`.
    ///
    /// # Errors
    /// [`Error::ModulusRange`] outside that range, [`Error::NotPrime`] for a composite.
    pub fn try_new(q: u64) -> Result<Modulus> {
        if !(3..1 << MODULUS_BITS).contains(&q) {
            return Err(Error::ModulusRange {
                q,
                max_bits: MODULUS_BITS,
            });
        }
        if !primes::is_prime(q) {
            return Err(Error::NotPrime { q });
        }
        let bits = u64::BITS - q.leading_zeros();
        let wide = u128::from(q);
        let pair = |w: u128| ShoupPair {
            w: w as u64,
            quotient: ((w << WORD) / wide) as u64,
        };
        Ok(Modulus {
            q,
            bits,
            barrett: ((1_u128 << (2 * bits)) / wide) as u64,
            inv52: ((1_u128 << WORD) / wide) as u64,
            barrett52: ((1_u128 << (bits + WORD - 1)) / wide) as u64,
            r52: pair((1_u128 << WORD) % wide),
            r104: pair((1_u128 << (2 * WORD)) % wide),
        })
    }

    /// The prime q.
    #[inline]
    pub fn value(&self) -> u64 {
        self.q
    }

    /// The bit length of q.
    #[inline]
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// `(a + b) mod q`.
    #[inline]
    pub fn add(&self, a: u64, b: u64) -> u64 {
        self.correct(a + b)
    }

    /// `(a - b) mod q`.
    #[inline]
    pub fn sub(&self, a: u64, b: u64) -> u64 {
        let d = a.wrapping_sub(b);
        d.min(d.wrapping_add(self.q))
    }

    /// `-a mod q`.
    #[inline]
    pub fn neg(&self, a: u64) -> u64 {
        self.correct(self.q - a)
    }

    /// `a b mod q`.
    #[inline]
    pub fn mul(&self, a: u64, b: u64) -> u64 {
        self.reduce_product(u128::from(a) * u128::from(b))
    }

    /// `(a b + c) mod q`.
    #[inline]
    pub fn mul_add(&self, a: u64, b: u64, c: u64) -> u64 {
        self.add(self.mul(a, b), c)
    }

    /// `a^e mod q`; time depends on `e`.
    pub fn pow(&self, a: u64, mut e: u64) -> u64 {
        let mut base = a;
        let mut out = 1;
        while e > 0 {
            if e & 1 == 1 {
                out = self.mul(out, base);
            }
            base = self.mul(base, base);
            e >>= 1;
        }
        out
    }

    /// `a^-1 mod q` by Fermat's theorem; `None` for zero.
    pub fn inv(&self, a: u64) -> Option<u64> {
        (a != 0).then(|| self.pow(a, self.q - 2))
    }

    /// `x mod q` for any word.
    #[inline]
    pub fn reduce(&self, x: u64) -> u64 {
        // x = high 2^52 + low: two products by prepared factors of at most 52 bits.
        let high = self.mul_shoup(x >> WORD, self.r52);
        let low = self.reduce52(x & MASK);
        self.add(high, low)
    }

    /// `x mod q` for any double word.
    pub fn reduce_u128(&self, x: u128) -> u64 {
        let digit = |shift: u32| ((x >> shift) as u64) & MASK;
        let low = self.reduce52(digit(0));
        let middle = self.mul_shoup(digit(WORD), self.r52);
        let high = self.mul_shoup(digit(2 * WORD), self.r104);
        self.add(self.add(low, middle), high)
    }

    /// `x mod q` in `[0, q)` for any signed word, without branches.
    #[inline]
    pub fn reduce_i64(&self, x: i64) -> u64 {
        let r = self.reduce(x.unsigned_abs());
        let negative = (x >> 63) as u64;
        (r & !negative) | (self.neg(r) & negative)
    }

    /// The representative of `a` in `(-q/2, q/2]`.
    #[inline]
    pub fn centre(&self, a: u64) -> i64 {
        let above = u64::from(a > self.q / 2);
        a as i64 - (self.q & above.wrapping_neg()) as i64
    }

    /// `w` prepared as a fixed factor. `w` is reduced first.
    pub fn shoup(&self, w: u64) -> ShoupPair {
        let w = self.reduce(w);
        ShoupPair {
            w,
            quotient: ((u128::from(w) << WORD) / u128::from(self.q)) as u64,
        }
    }

    /// `y w mod q` for a prepared `w` and any `y < 2^52`.
    #[inline]
    pub fn mul_shoup(&self, y: u64, w: ShoupPair) -> u64 {
        debug_assert!(y <= MASK);
        let quotient = ((u128::from(y) * u128::from(w.quotient)) >> WORD) as u64;
        // In [0, 2q): the quotient is at most one too small.
        let r = y
            .wrapping_mul(w.w)
            .wrapping_sub(quotient.wrapping_mul(self.q));
        self.correct(r)
    }

    /// `x mod q` for `x < 2^52`.
    #[inline]
    pub(crate) fn reduce52(&self, x: u64) -> u64 {
        let quotient = ((u128::from(x) * u128::from(self.inv52)) >> WORD) as u64;
        self.correct(x - quotient * self.q)
    }

    /// `x mod q` for `x < q^2` (Barrett, 1986).
    #[inline]
    fn reduce_product(&self, x: u128) -> u64 {
        let top = (x >> (self.bits - 1)) as u64;
        let quotient = ((u128::from(top) * u128::from(self.barrett)) >> (self.bits + 1)) as u64;
        // In [0, 3q): the quotient is at most two too small.
        let r = (x as u64).wrapping_sub(quotient.wrapping_mul(self.q));
        self.correct(self.correct(r))
    }

    /// `[0, 2q) -> [0, q)` without a branch.
    #[inline]
    fn correct(&self, x: u64) -> u64 {
        x.min(x.wrapping_sub(self.q))
    }

    /// `floor(2^52 / q)`.
    #[inline]
    pub(crate) fn inv52(&self) -> u64 {
        self.inv52
    }

    /// `floor(2^(bits + 51) / q)`, below 2^52.
    #[inline]
    pub(crate) fn barrett52(&self) -> u64 {
        self.barrett52
    }

    /// `2^52 mod q`, prepared.
    #[inline]
    pub(crate) fn r52(&self) -> ShoupPair {
        self.r52
    }

    /// `2^104 mod q`, prepared.
    #[inline]
    pub(crate) fn r104(&self) -> ShoupPair {
        self.r104
    }
}

impl std::fmt::Display for Modulus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The smallest and largest primes, and one of each size between.
    fn moduli() -> Vec<Modulus> {
        let mut all = vec![3, 5, 7, 257, 65537];
        for bits in (18..=50).step_by(4) {
            all.extend(primes::below(16, 1 << bits).take(1));
        }
        all.extend(primes::below(1 << 17, 1 << 50).take(1));
        all.iter()
            .map(|q| Modulus::try_new(*q).expect("prime"))
            .collect()
    }

    proptest! {
        #[test]
        fn operations_equal_wide_integer_arithmetic(a: u64, b: u64, wide: u128) {
            for q in moduli() {
                let p = q.value();
                let w = u128::from(p);
                let (x, y) = (a % p, b % p);
                prop_assert_eq!(u128::from(q.add(x, y)), (u128::from(x) + u128::from(y)) % w);
                prop_assert_eq!(u128::from(q.sub(x, y)), (u128::from(x) + w - u128::from(y)) % w);
                prop_assert_eq!(q.add(x, q.neg(x)), 0);
                prop_assert_eq!(u128::from(q.mul(x, y)), u128::from(x) * u128::from(y) % w);
                prop_assert_eq!(q.reduce(a), x);
                prop_assert_eq!(u128::from(q.reduce_u128(wide)), wide % w);
                prop_assert_eq!(
                    u128::from(q.mul_shoup(a & MASK, q.shoup(b))),
                    u128::from(a & MASK) * u128::from(y) % w
                );
                let signed = a as i64;
                prop_assert_eq!(i128::from(q.reduce_i64(signed)), i128::from(signed).rem_euclid(i128::from(p)));
                prop_assert_eq!(q.reduce_i64(q.centre(x)), x);
                if x != 0 {
                    prop_assert_eq!(q.mul(x, q.inv(x).expect("unit")), 1);
                }
            }
        }
    }

    #[test]
    fn edges_are_exact() {
        for q in moduli() {
            let p = q.value();
            for x in [0, 1, p / 2, p / 2 + 1, p - 1] {
                for y in [0, 1, p / 2, p - 1] {
                    let expected = u128::from(x) * u128::from(y) % u128::from(p);
                    assert_eq!(u128::from(q.mul(x, y)), expected);
                }
                assert!(q.centre(x) <= (p / 2) as i64 && -q.centre(x) <= (p / 2) as i64);
            }
            assert_eq!(
                q.reduce_i64(i64::MIN),
                (-(1_i128 << 63)).rem_euclid(i128::from(p)) as u64
            );
            assert_eq!(q.inv(0), None);
        }
    }

    #[test]
    fn bad_moduli_are_refused_with_their_value() {
        assert_eq!(
            Modulus::try_new(1 << 50),
            Err(Error::ModulusRange {
                q: 1 << 50,
                max_bits: 50
            })
        );
        assert_eq!(
            Modulus::try_new(2),
            Err(Error::ModulusRange { q: 2, max_bits: 50 })
        );
        assert_eq!(Modulus::try_new(15), Err(Error::NotPrime { q: 15 }));
    }
}
