//! Double-double numbers: a number as the sum of two `f64`, with about 106 bits (32 digits).
//!
//! The error-free transforms of Knuth (sum) and Dekker (product, Numerische Mathematik 18, 1971) need nothing
//! but rounding to nearest, so results are the same on every machine. A sum, product or quotient has a
//! relative error of at most a few `2⁻¹⁰⁴` ([`Dd::EPSILON`]; Joldes, Muller, Popescu, ACM TOMS 44, 2017).
//!
//! The range is that of `f64`, less the 27 bits of the splitting: magnitudes up to `2⁹⁹⁵`, and full precision
//! above `2⁻⁹⁰⁰`. Beyond, results are NaN or lose digits; nothing panics.

use std::cmp::Ordering;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

mod elementary;

/// `hi + lo` with `|lo|` at most half a unit in the last place of `hi`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dd {
    hi: f64,
    lo: f64,
}

/// `2²⁷ + 1` splits 53 bits into 26 and 26.
const SPLITTER: f64 = 134_217_729.0;
/// Significant digits of [`Dd`]'s `Display`.
const DIGITS: usize = 32;

/// `a + b` exactly, as the rounded sum and its error (Knuth).
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// The same for `|a| >= |b|` or `a = 0` (Dekker).
#[inline]
fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

#[inline]
fn split(a: f64) -> (f64, f64) {
    let t = SPLITTER * a;
    let hi = t - (t - a);
    (hi, a - hi)
}

/// `a · b` exactly, as the rounded product and its error (Dekker).
#[inline]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let ((a1, a0), (b1, b0)) = (split(a), split(b));
    (product, ((a1 * b1 - product) + a1 * b0 + a0 * b1) + a0 * b0)
}

impl Dd {
    /// Zero.
    pub const ZERO: Dd = Dd { hi: 0.0, lo: 0.0 };
    /// One.
    pub const ONE: Dd = Dd { hi: 1.0, lo: 0.0 };
    /// `2⁻¹⁰⁴`: a bound of the relative error of a sum or product is three to five times this.
    pub const EPSILON: f64 = 4.930_380_657_631_324e-32;

    /// `a + b`, exactly if the two are not too far apart, else rounded to 106 bits or more.
    #[must_use]
    #[inline]
    pub fn new(a: f64, b: f64) -> Self {
        let (hi, lo) = two_sum(a, b);
        Dd { hi, lo }
    }

    /// A constant given by its two parts, the first being the rounded value.
    const fn parts(hi: f64, lo: f64) -> Self {
        Dd { hi, lo }
    }

    /// The leading part: the nearest `f64`.
    #[must_use]
    #[inline]
    pub fn hi(self) -> f64 {
        self.hi
    }

    /// The trailing part.
    #[must_use]
    #[inline]
    pub fn lo(self) -> f64 {
        self.lo
    }

    /// The nearest `f64`.
    #[must_use]
    #[inline]
    pub fn to_f64(self) -> f64 {
        self.hi + self.lo
    }

    /// Neither infinite nor NaN.
    #[must_use]
    #[inline]
    pub fn is_finite(self) -> bool {
        self.hi.is_finite() && self.lo.is_finite()
    }

    /// `|x|`
    #[must_use]
    #[inline]
    pub fn abs(self) -> Self {
        if self.hi < 0.0 { -self } else { self }
    }

    /// The larger of the two.
    #[must_use]
    #[inline]
    pub fn max(self, other: Self) -> Self {
        if self < other { other } else { self }
    }

    /// The smaller of the two.
    #[must_use]
    #[inline]
    pub fn min(self, other: Self) -> Self {
        if other < self { other } else { self }
    }

    /// `x²`
    #[must_use]
    #[inline]
    pub fn square(self) -> Self {
        let (p, e) = two_product(self.hi, self.hi);
        let (hi, lo) = fast_two_sum(p, e + 2.0 * self.hi * self.lo);
        Dd { hi, lo }
    }

    /// `1 / x`
    #[must_use]
    #[inline]
    pub fn recip(self) -> Self {
        Dd::ONE / self
    }

    /// `xⁿ` by repeated squaring; `x⁰ = 1`.
    #[must_use]
    pub fn powi(self, n: i32) -> Self {
        let mut power = Dd::ONE;
        let (mut square, mut rest) = (self, n.unsigned_abs());
        while rest > 0 {
            if rest & 1 == 1 {
                power *= square;
            }
            rest >>= 1;
            if rest > 0 {
                square = square.square();
            }
        }
        if n < 0 { power.recip() } else { power }
    }

    /// `x · 2ⁿ`, exact unless it overflows or underflows.
    #[must_use]
    fn scale_by_power_of_two(self, n: i32) -> Self {
        // Two factors, so that each is a normal number for every n that leaves a finite result.
        let half = n / 2;
        let (a, b) = (2f64.powi(half), 2f64.powi(n - half));
        Dd {
            hi: self.hi * a * b,
            lo: self.lo * a * b,
        }
    }

    /// `√x`: one step of Newton's iteration after that of `f64` (Karp's trick); NaN for negative numbers.
    #[must_use]
    pub fn sqrt(self) -> Self {
        if self.hi <= 0.0 {
            return Dd::from(if self.hi == 0.0 { 0.0 } else { f64::NAN });
        }
        let root = self.hi.sqrt();
        let (p, e) = two_product(root, root);
        let rest = (self - Dd { hi: p, lo: e }).hi;
        let (hi, lo) = fast_two_sum(root, rest / (2.0 * root));
        // A second step, for the last bits.
        let y = Dd { hi, lo };
        y + (self - y.square()) / (2.0 * root)
    }
}

impl From<f64> for Dd {
    #[inline]
    fn from(x: f64) -> Self {
        Dd { hi: x, lo: 0.0 }
    }
}

impl PartialEq<f64> for Dd {
    #[inline]
    fn eq(&self, other: &f64) -> bool {
        self.hi == *other && self.lo == 0.0
    }
}

impl PartialOrd for Dd {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.hi.partial_cmp(&other.hi) {
            Some(Ordering::Equal) => self.lo.partial_cmp(&other.lo),
            order => order,
        }
    }
}

impl PartialOrd<f64> for Dd {
    #[inline]
    fn partial_cmp(&self, other: &f64) -> Option<Ordering> {
        self.partial_cmp(&Dd::from(*other))
    }
}

impl Neg for Dd {
    type Output = Dd;
    #[inline]
    fn neg(self) -> Dd {
        Dd {
            hi: -self.hi,
            lo: -self.lo,
        }
    }
}

impl Add for Dd {
    type Output = Dd;
    #[inline]
    fn add(self, other: Dd) -> Dd {
        let (s, e) = two_sum(self.hi, other.hi);
        let (t, f) = two_sum(self.lo, other.lo);
        let (s, e) = fast_two_sum(s, e + t);
        let (hi, lo) = fast_two_sum(s, e + f);
        Dd { hi, lo }
    }
}

impl Add<f64> for Dd {
    type Output = Dd;
    #[inline]
    fn add(self, other: f64) -> Dd {
        let (s, e) = two_sum(self.hi, other);
        let (hi, lo) = fast_two_sum(s, e + self.lo);
        Dd { hi, lo }
    }
}

impl Mul for Dd {
    type Output = Dd;
    #[inline]
    fn mul(self, other: Dd) -> Dd {
        let (p, e) = two_product(self.hi, other.hi);
        let (hi, lo) = fast_two_sum(p, e + (self.hi * other.lo + self.lo * other.hi));
        Dd { hi, lo }
    }
}

impl Mul<f64> for Dd {
    type Output = Dd;
    #[inline]
    fn mul(self, other: f64) -> Dd {
        let (p, e) = two_product(self.hi, other);
        let (hi, lo) = fast_two_sum(p, e + self.lo * other);
        Dd { hi, lo }
    }
}

impl Div for Dd {
    type Output = Dd;
    /// Long division with three digits of 53 bits.
    #[inline]
    fn div(self, other: Dd) -> Dd {
        let first = self.hi / other.hi;
        let rest = self - other * first;
        let second = rest.hi / other.hi;
        let rest = rest - other * second;
        let third = rest.hi / other.hi;
        let (hi, lo) = fast_two_sum(first, second);
        Dd { hi, lo } + third
    }
}

impl Div<f64> for Dd {
    type Output = Dd;
    #[inline]
    fn div(self, other: f64) -> Dd {
        let first = self.hi / other;
        let (p, e) = two_product(first, other);
        let rest = self - Dd { hi: p, lo: e };
        let (hi, lo) = fast_two_sum(first, rest.hi / other);
        Dd { hi, lo }
    }
}

impl Sub for Dd {
    type Output = Dd;
    #[inline]
    fn sub(self, other: Dd) -> Dd {
        self + -other
    }
}

impl Sub<f64> for Dd {
    type Output = Dd;
    #[inline]
    fn sub(self, other: f64) -> Dd {
        self + -other
    }
}

macro_rules! with_f64_on_the_left {
    ($($op:ident $method:ident),*) => {$(
        impl $op<Dd> for f64 {
            type Output = Dd;
            #[inline]
            fn $method(self, other: Dd) -> Dd {
                Dd::from(self).$method(other)
            }
        }
    )*};
}
with_f64_on_the_left!(Add add, Sub sub, Mul mul, Div div);

macro_rules! assigning {
    ($($op:ident $method:ident $by:ident),*) => {$(
        impl<T> $op<T> for Dd
        where
            Dd: $by<T, Output = Dd>,
        {
            #[inline]
            fn $method(&mut self, other: T) {
                *self = assigning!(@ $by)(*self, other);
            }
        }
    )*};
    (@ Add) => { Add::add };
    (@ Sub) => { Sub::sub };
    (@ Mul) => { Mul::mul };
    (@ Div) => { Div::div };
}
assigning!(AddAssign add_assign Add, SubAssign sub_assign Sub, MulAssign mul_assign Mul, DivAssign div_assign Div);

impl Sum for Dd {
    fn sum<I: Iterator<Item = Dd>>(iter: I) -> Dd {
        iter.fold(Dd::ZERO, Add::add)
    }
}

impl fmt::Display for Dd {
    /// In scientific notation, with 32 significant digits (the last one or two are rounding).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == 0.0 || !self.is_finite() {
            return write!(f, "{}", self.to_f64());
        }
        let mut exponent = self.hi.abs().log10().floor() as i32;
        // Powers of ten beyond the range of the splitting are taken in two halves.
        let half = exponent / 2;
        let mut rest =
            self.abs() / Dd::from(10.0).powi(half) / Dd::from(10.0).powi(exponent - half);
        if rest >= 10.0 {
            (rest, exponent) = (rest / 10.0, exponent + 1);
        } else if rest < 1.0 {
            (rest, exponent) = (rest * 10.0, exponent - 1);
        }
        let mut digits = String::with_capacity(DIGITS);
        for _ in 0..DIGITS {
            // Rounding may leave a remainder just outside [0, 10): the digit is then 0 or 9.
            let digit = (if rest.lo < 0.0 && rest.hi.fract() == 0.0 {
                rest.hi - 1.0
            } else {
                rest.hi.floor()
            })
            .clamp(0.0, 9.0);
            digits.push(char::from(b'0' + digit as u8));
            rest = (rest - digit) * 10.0;
        }
        let sign = if self.hi < 0.0 { "-" } else { "" };
        write!(f, "{sign}{}.{}e{exponent}", &digits[..1], &digits[1..])
    }
}

/// A text that is not a decimal number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a decimal number")]
pub struct ParseDdError {
    /// The text.
    pub text: String,
}

impl FromStr for Dd {
    type Err = ParseDdError;

    /// A decimal number such as `-12.5e-3`, to about 30 digits.
    fn from_str(text: &str) -> Result<Self, ParseDdError> {
        let bad = || ParseDdError {
            text: text.to_owned(),
        };
        let lower = text.trim().to_ascii_lowercase();
        let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
        let mut exponent: i32 = exponent.parse().map_err(|_| bad())?;
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 {
            return Err(bad());
        }
        let mut value = Dd::ZERO;
        let mut significant = 0;
        for (k, c) in whole.chars().chain(fraction.chars()).enumerate() {
            let digit = c.to_digit(10).ok_or_else(bad)?;
            let fractional = k >= whole.len();
            if significant > 0 || digit > 0 {
                significant += 1;
            }
            // 40 digits are more than the type holds; the rest only moves the point.
            if significant <= 40 {
                value = value * 10.0 + f64::from(digit);
                exponent = exponent.saturating_sub(i32::from(fractional));
            } else {
                exponent = exponent.saturating_add(i32::from(!fractional));
            }
        }
        let exponent = exponent.clamp(-400, 400);
        let half = exponent / 2;
        let ten = Dd::from(10.0);
        for part in [half, exponent - half] {
            value = if part < 0 {
                value / ten.powi(-part)
            } else {
                value * ten.powi(part)
            };
        }
        Ok(if negative { -value } else { value })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn dd(text: &str) -> Dd {
        text.parse().unwrap()
    }

    #[test]
    fn thirds_and_roots() {
        assert_eq!(
            (Dd::ONE / 3.0).to_string(),
            "3.3333333333333333333333333333333e-1"
        );
        let root = Dd::from(2.0).sqrt();
        let exact = dd("1.41421356237309504880168872420969807857");
        assert!(((root - exact) / exact).abs() < 2.0 * Dd::EPSILON, "{root}");
        assert_eq!(Dd::from(0.0).sqrt(), Dd::ZERO);
        assert!(!Dd::from(-1.0).sqrt().is_finite());
        assert_eq!(Dd::from(3.0).powi(5), Dd::from(243.0));
        assert!((Dd::from(2.0).powi(-3) - 0.125).abs() == 0.0);
    }

    #[test]
    fn text_round_trips() {
        for text in [
            "1e0",
            "-2.5",
            "+17.25e-1",
            "123456789012345678901234567890",
            "1e-250",
            "4.25e250",
        ] {
            let x = dd(text);
            let y = dd(&x.to_string());
            assert!(
                (x - y).abs() <= x.abs() * (64.0 * Dd::EPSILON),
                "{text}: {x} {y}"
            );
        }
        assert_eq!(dd("0.1").to_f64(), 0.1);
        assert_eq!(Dd::ZERO.to_string(), "0");
        for text in ["", ".", "1e", "1.2.3", "x", "-"] {
            assert!(text.parse::<Dd>().is_err(), "{text}");
        }
    }

    /// Sums and products of 50-bit integers are known exactly in 128 bits.
    fn from_integer(n: i128) -> Dd {
        let hi = n as f64;
        Dd::new(hi, (n - hi as i128) as f64)
    }

    proptest! {
        #[test]
        fn integer_arithmetic_is_exact(a in -(1i64 << 50)..1i64 << 50, b in -(1i64 << 50)..1i64 << 50) {
            let (x, y) = (Dd::from(a as f64), Dd::from(b as f64));
            prop_assert_eq!(x * y, from_integer(i128::from(a) * i128::from(b)));
            prop_assert_eq!(x * y + x - y, from_integer(i128::from(a) * i128::from(b) + i128::from(a) - i128::from(b)));
            prop_assert_eq!(x * (b as f64), x * y);
            prop_assert_eq!(x.square(), x * x);
        }

        #[test]
        fn division_undoes_multiplication(a in -1e9..1e9f64, b in 1e-9..1e9f64, c in 0.1..10.0f64) {
            let (x, y) = (Dd::from(a) / c, Dd::from(b) / 7.0);
            let back = x * y / y;
            prop_assert!((back - x).abs() <= x.abs() * (8.0 * Dd::EPSILON));
            prop_assert!((x / b * b - x).abs() <= x.abs() * (8.0 * Dd::EPSILON));
            let root = y.sqrt();
            prop_assert!((root.square() - y).abs() <= y * (8.0 * Dd::EPSILON));
        }
    }
}
