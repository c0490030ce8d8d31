//! Approximate reduction modulo `q`: a scaled sine.
//!
//! For `x = m/q + I` with an integer `|I| < K` and small `m/q`, `sin(2πx) / 2π ≈ m/q`, with the relative error
//! `(2π m/q)² / 6`. The sine is a cosine of an eighth of a turn less, `cos(2π (x - 1/4))`, and that is `r` doublings
//! `c <- 2c² - 1` of `cos(2π (x - 1/4) / 2^r)`, an even function that a polynomial of low degree approximates (Han, Ki,
//! CT-RSA 2020).

use girih_polyfit::{Interval, Polynomial, PolynomialPlan, interpolate};

use crate::Result;

/// A fit of the cosine and its doublings.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalMod {
    k: u32,
    doublings: u32,
    polynomial: Polynomial,
    plan: PolynomialPlan,
}

impl EvalMod {
    /// For integers below `k` in magnitude, by a polynomial of degree at most `degree` and `doublings` doublings.
    ///
    /// # Errors
    /// A degree out of range.
    pub fn try_new(k: u32, degree: usize, doublings: u32) -> Result<EvalMod> {
        let turns = (f64::from(k) + 0.5) / f64::from(doublings).exp2();
        let cosine = |u: f64| (2.0 * std::f64::consts::PI * turns * u).cos();
        let fitted = interpolate(cosine, Interval::UNIT, degree)?;
        // Rounding leaves crumbs where an even function has none.
        let even: Vec<f64> = fitted
            .coefficients()
            .iter()
            .enumerate()
            .map(|(k, &c)| if k % 2 == 0 { c } else { 0.0 })
            .collect();
        let polynomial = Polynomial::chebyshev(Interval::UNIT, even)?;
        Ok(EvalMod {
            k,
            doublings,
            plan: PolynomialPlan::new(&polynomial),
            polynomial,
        })
    }

    /// Half the length of the range of `x - 1/4`: `K + 1/2`.
    #[must_use]
    pub fn radius(&self) -> f64 {
        f64::from(self.k) + 0.5
    }

    /// Doublings of the angle.
    #[must_use]
    pub fn doublings(&self) -> u32 {
        self.doublings
    }

    /// The schedule of the polynomial, in `u = (x - 1/4) / (K + 1/2)`.
    #[must_use]
    pub fn plan(&self) -> &PolynomialPlan {
        &self.plan
    }

    /// Levels consumed.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.plan.unit_depth() + self.doublings as usize
    }

    /// The approximation of `sin(2πx)` in the clear.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        let c = self.polynomial.eval((x - 0.25) / self.radius());
        (0..self.doublings).fold(c, |c, _| 2.0 * c * c - 1.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_reduction_is_as_good_as_stated() {
        let reduction = EvalMod::try_new(16, 31, 3).unwrap();
        assert_eq!((reduction.depth(), reduction.plan().degree()), (8, 30));
        let mut worst = 0f64;
        for i in -15..=15 {
            for e in [-1.0 / 256.0, -1e-3, 0.0, 1e-3, 1.0 / 256.0] {
                let x = f64::from(i) + e;
                worst =
                    worst.max((reduction.eval(x) - (2.0 * std::f64::consts::PI * x).sin()).abs());
            }
        }
        assert!(worst < 2e-5, "{worst:e}");
    }
}
