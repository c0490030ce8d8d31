//! Polynomials in the power basis or the Chebyshev basis of an interval.

use std::fmt;

use crate::{Dd, Error, Interval, Result};

/// Largest degree of any polynomial of this crate.
pub const MAX_DEGREE: usize = 1023;

/// What the coefficients multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// `1, x, x², ..`
    Power,
    /// `T₀(u), T₁(u), ..` with `u = (x - center) / radius` of the interval.
    Chebyshev,
}

/// Which coefficients vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// All of odd index: `p(-u) = p(u)`.
    Even,
    /// All of even index: `p(-u) = -p(u)`.
    Odd,
    /// Neither.
    None,
}

/// `p(x) = Σ cₖ bₖ(x)` on an interval, in a basis `b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Polynomial {
    basis: Basis,
    interval: Interval,
    coefficients: Vec<f64>,
}

impl Polynomial {
    /// `Σ cₖ xᵏ`, meant for use on `interval`. Zeros of highest index are dropped.
    ///
    /// # Errors
    /// No coefficient, one that is not finite, or a degree above [`MAX_DEGREE`].
    pub fn power(interval: Interval, coefficients: impl Into<Vec<f64>>) -> Result<Self> {
        Self::try_new(Basis::Power, interval, coefficients.into())
    }

    /// `Σ cₖ Tₖ(u)` with `u` the position in `interval`. Zeros of highest index are dropped.
    ///
    /// # Errors
    /// No coefficient, one that is not finite, or a degree above [`MAX_DEGREE`].
    pub fn chebyshev(interval: Interval, coefficients: impl Into<Vec<f64>>) -> Result<Self> {
        Self::try_new(Basis::Chebyshev, interval, coefficients.into())
    }

    fn try_new(basis: Basis, interval: Interval, mut coefficients: Vec<f64>) -> Result<Self> {
        if coefficients.is_empty() {
            return Err(Error::Coefficient {
                index: 0,
                value: f64::NAN,
            });
        }
        if let Some(index) = coefficients.iter().position(|c| !c.is_finite()) {
            return Err(Error::Coefficient {
                index,
                value: coefficients[index],
            });
        }
        trim(&mut coefficients);
        if coefficients.len() > MAX_DEGREE + 1 {
            return Err(Error::Degree {
                degree: coefficients.len() - 1,
                max: MAX_DEGREE,
            });
        }
        Ok(Polynomial {
            basis,
            interval,
            coefficients,
        })
    }

    /// The basis of the coefficients.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// The interval on which the polynomial is meant to be used.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The coefficients, from index 0 to the degree.
    #[must_use]
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The degree; 0 for constants, zero included.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// Which coefficients are exactly zero.
    #[must_use]
    pub fn parity(&self) -> Parity {
        let vanish = |odd: usize| {
            self.coefficients
                .iter()
                .skip(odd)
                .step_by(2)
                .all(|&c| c == 0.0)
        };
        match (vanish(1), vanish(0)) {
            (true, _) => Parity::Even,
            (false, true) => Parity::Odd,
            (false, false) => Parity::None,
        }
    }

    /// `p(x)` by Horner's rule or Clenshaw's recurrence (Clenshaw 1955), with `O(degree)` operations.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        match self.basis {
            Basis::Power => self
                .coefficients
                .iter()
                .rev()
                .fold(0.0, |acc, &c| acc.mul_add(x, c)),
            Basis::Chebyshev => clenshaw(&self.coefficients, self.interval.to_unit(x)),
        }
    }

    /// `p` in double-double arithmetic at the argument that its basis reads: `x` in powers, `u` in the Chebyshev basis.
    pub(crate) fn eval_unit_dd(&self, u: Dd) -> Dd {
        match self.basis {
            Basis::Power => {
                let horner = |acc: Dd, &c: &f64| acc * u + c;
                self.coefficients.iter().rev().fold(Dd::ZERO, horner)
            }
            Basis::Chebyshev => {
                let (mut b1, mut b2) = (Dd::ZERO, Dd::ZERO);
                for &c in self.coefficients[1..].iter().rev() {
                    (b1, b2) = (u * b1 * 2.0 - b2 + c, b1);
                }
                u * b1 - b2 + self.coefficients[0]
            }
        }
    }

    /// The same polynomial in the Chebyshev basis of its interval.
    ///
    /// # Errors
    /// A coefficient overflows.
    pub fn to_chebyshev(&self) -> Result<Polynomial> {
        if self.basis == Basis::Chebyshev {
            return Ok(self.clone());
        }
        // Horner's rule with x = center + radius u, where u T₀ = T₁ and 2 u Tₖ = Tₖ₊₁ + Tₖ₋₁.
        let (center, radius) = (self.interval.center(), self.interval.radius());
        let mut sum = vec![0.0; self.coefficients.len()];
        for &c in self.coefficients.iter().rev() {
            let mut next: Vec<f64> = sum.iter().map(|s| s * center).collect();
            for (k, &s) in sum.iter().enumerate() {
                let share = if k == 0 { radius * s } else { radius * s / 2.0 };
                if k + 1 < next.len() {
                    next[k + 1] += share;
                }
                if k > 0 {
                    next[k - 1] += share;
                }
            }
            next[0] += c;
            sum = next;
        }
        Self::chebyshev(self.interval, sum)
    }

    /// The same polynomial in powers of `x`.
    ///
    /// The coefficients grow like `((1 + √2) / radius)^degree` and lose as many digits in
    /// cancellation: use it for small degrees (a dozen or less).
    ///
    /// # Errors
    /// A coefficient overflows.
    pub fn to_power(&self) -> Result<Polynomial> {
        if self.basis == Basis::Power {
            return Ok(self.clone());
        }
        // Clenshaw's recurrence on polynomials: bₖ = cₖ + 2 u bₖ₊₁ - bₖ₊₂, p = c₀ + u b₁ - b₂.
        let n = self.coefficients.len();
        let (slope, shift) = (
            1.0 / self.interval.radius(),
            -self.interval.center() / self.interval.radius(),
        );
        let times_u = |p: &[f64]| {
            let mut out = vec![0.0; n];
            for (k, &c) in p.iter().enumerate() {
                out[k] += shift * c;
                if k + 1 < n {
                    out[k + 1] += slope * c;
                }
            }
            out
        };
        let (mut b1, mut b2) = (vec![0.0; n], vec![0.0; n]);
        for (k, &c) in self.coefficients.iter().enumerate().rev() {
            let factor = if k == 0 { 1.0 } else { 2.0 };
            let mut b0: Vec<f64> = times_u(&b1)
                .iter()
                .zip(&b2)
                .map(|(u, b)| factor * u - b)
                .collect();
            b0[0] += c;
            b2 = std::mem::replace(&mut b1, b0);
        }
        Self::power(self.interval, b1)
    }

    /// `p'(x)`, in the same basis.
    #[must_use]
    pub fn derivative(&self) -> Polynomial {
        let n = self.coefficients.len();
        let mut out = vec![0.0; (n - 1).max(1)];
        match self.basis {
            Basis::Power => {
                for (k, &c) in self.coefficients.iter().enumerate().skip(1) {
                    out[k - 1] = k as f64 * c;
                }
            }
            Basis::Chebyshev => {
                // c'ₖ₋₁ = c'ₖ₊₁ + 2 k cₖ, with c'₀ halved.
                for k in (1..n).rev() {
                    let above = out.get(k + 1).copied().unwrap_or(0.0);
                    out[k - 1] = above + 2.0 * k as f64 * self.coefficients[k];
                }
                out[0] /= 2.0;
                if n == 1 {
                    out[0] = 0.0;
                }
                out.iter_mut().for_each(|c| *c /= self.interval.radius());
            }
        }
        trim(&mut out);
        Polynomial {
            basis: self.basis,
            interval: self.interval,
            coefficients: out,
        }
    }

    /// An upper bound of `|p(x)|` on the interval: the sum of the absolute Chebyshev coefficients, or
    /// of the absolute terms at the end farther from zero.
    #[must_use]
    pub fn magnitude(&self) -> f64 {
        match self.basis {
            Basis::Chebyshev => self.coefficients.iter().map(|c| c.abs()).sum(),
            Basis::Power => {
                let x = self.interval.lo().abs().max(self.interval.hi().abs());
                self.coefficients
                    .iter()
                    .rev()
                    .fold(0.0, |acc, c| acc * x + c.abs())
            }
        }
    }

    /// The same polynomial with coefficients of magnitude at most `threshold` set to zero.
    ///
    /// In the Chebyshev basis the values change by at most the sum of what is dropped.
    #[must_use]
    pub fn chopped(&self, threshold: f64) -> Polynomial {
        let mut coefficients: Vec<f64> = self
            .coefficients
            .iter()
            .map(|&c| if c.abs() <= threshold { 0.0 } else { c })
            .collect();
        trim(&mut coefficients);
        Polynomial {
            coefficients,
            ..self.clone()
        }
    }
}

impl fmt::Display for Polynomial {
    /// Degree, basis and interval, then the coefficients.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let basis = match self.basis {
            Basis::Power => "power",
            Basis::Chebyshev => "Chebyshev",
        };
        write!(
            f,
            "degree {} on {}, {basis} basis: {:?}",
            self.degree(),
            self.interval,
            self.coefficients
        )
    }
}

/// `Σ cₖ Tₖ(u)` by Clenshaw's recurrence.
#[must_use]
pub fn clenshaw(coefficients: &[f64], u: f64) -> f64 {
    let Some((&first, rest)) = coefficients.split_first() else {
        return 0.0;
    };
    let (mut b1, mut b2) = (0.0, 0.0);
    for &c in rest.iter().rev() {
        (b1, b2) = (2.0 * u * b1 - b2 + c, b1);
    }
    u * b1 - b2 + first
}

fn trim(coefficients: &mut Vec<f64>) {
    while coefficients.len() > 1 && coefficients.last() == Some(&0.0) {
        coefficients.pop();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        let i = Interval::UNIT;
        // T₃ = 4x³ - 3x
        let t3 = Polynomial::chebyshev(i, [0.0, 0.0, 0.0, 1.0]).unwrap();
        assert_eq!(t3.to_power().unwrap().coefficients(), [0.0, -3.0, 0.0, 4.0]);
        assert_eq!(t3.parity(), Parity::Odd);
        assert_eq!(
            t3.derivative().to_power().unwrap().coefficients(),
            [-3.0, 0.0, 12.0]
        );
        // x² = (T₀ + T₂) / 2
        let square = Polynomial::power(i, [0.0, 0.0, 1.0, 0.0]).unwrap();
        assert_eq!(square.degree(), 2);
        assert_eq!(
            square.to_chebyshev().unwrap().coefficients(),
            [0.5, 0.0, 0.5]
        );
        assert_eq!(square.parity(), Parity::Even);
        let constant = Polynomial::power(i, [2.0]).unwrap();
        assert_eq!(constant.derivative().coefficients(), [0.0]);
        assert_eq!(
            constant.to_chebyshev().unwrap().derivative().coefficients(),
            [0.0]
        );
    }

    #[test]
    fn unusable_coefficients_are_refused() {
        assert!(Polynomial::power(Interval::UNIT, []).is_err());
        assert!(matches!(
            Polynomial::chebyshev(Interval::UNIT, [1.0, f64::INFINITY]),
            Err(Error::Coefficient { index: 1, .. })
        ));
        let long = vec![1.0; MAX_DEGREE + 2];
        assert!(matches!(
            Polynomial::power(Interval::UNIT, long),
            Err(Error::Degree { .. })
        ));
    }

    proptest! {
        #[test]
        fn bases_agree(
            c in prop::collection::vec(-1.0..1.0f64, 1..12),
            lo in -3.0..0.0f64,
            length in 0.5..4.0f64,
            t in 0.0..=1.0f64,
        ) {
            let i = Interval::try_new(lo, lo + length).unwrap();
            let x = lo + t * length;
            let p = Polynomial::power(i, c.clone()).unwrap();
            let bound = 1e-9 * (1.0 + p.magnitude());
            let q = p.to_chebyshev().unwrap();
            prop_assert!((p.eval(x) - q.eval(x)).abs() < bound);
            prop_assert!((q.to_power().unwrap().eval(x) - p.eval(x)).abs() < 1e3 * bound);
            prop_assert!(q.eval(x).abs() <= q.magnitude() + bound);
            let (dp, dq) = (p.derivative().eval(x), q.derivative().eval(x));
            prop_assert!((dp - dq).abs() < 1e2 * bound * 10.0, "{} {}", dp, dq);
        }

        /// Clenshaw against Tₖ(cos θ) = cos kθ.
        #[test]
        fn clenshaw_is_the_cosine_sum(
            c in prop::collection::vec(-1.0..1.0f64, 1..80),
            theta in 0.0..std::f64::consts::PI,
        ) {
            let exact: f64 = c.iter().enumerate().map(|(k, c)| c * (k as f64 * theta).cos()).sum();
            prop_assert!((clenshaw(&c, theta.cos()) - exact).abs() < 1e-11);
        }
    }
}
