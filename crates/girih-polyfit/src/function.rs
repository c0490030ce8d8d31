//! The activation functions that are replaced by polynomials.

use std::fmt;
use std::str::FromStr;

use crate::erf::erf;
use crate::{Error, Interval, Result, fit};

/// A named function of one variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `max(x, 0)`
    Relu,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `tanh x`
    Tanh,
    /// `x Φ(x) = x/2 (1 + erf(x/√2))`, exact
    Gelu,
    /// `x / (1 + e⁻ˣ)`
    Silu,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `eˣ`
    Exp,
}

/// The default degree is the smallest of these that reaches [`DEFAULT_ERROR`]: the largest degrees of
/// depth 2 to 5.
const DEFAULT_DEGREES: [usize; 4] = [3, 7, 15, 31];
/// Error of a default fit, relative to the largest value of the function on the range.
const DEFAULT_ERROR: f64 = 0.01;

/// Default degree of relu: an error of about 3 % of the range at the kink.
const RELU_DEGREE: usize = 15;

impl Function {
    /// All functions.
    pub const ALL: [Function; 7] = [
        Function::Relu,
        Function::Sigmoid,
        Function::Tanh,
        Function::Gelu,
        Function::Silu,
        Function::Softplus,
        Function::Exp,
    ];

    /// The name, as parsed by [`FromStr`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Function::Relu => "relu",
            Function::Sigmoid => "sigmoid",
            Function::Tanh => "tanh",
            Function::Gelu => "gelu",
            Function::Silu => "silu",
            Function::Softplus => "softplus",
            Function::Exp => "exp",
        }
    }

    /// The value at `x`.
    #[must_use]
    pub fn eval(self, x: f64) -> f64 {
        match self {
            Function::Relu => x.max(0.0),
            Function::Sigmoid => sigmoid(x),
            Function::Tanh => x.tanh(),
            Function::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Function::Silu => x * sigmoid(x),
            Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Function::Exp => x.exp(),
        }
    }

    /// A bound of `|f'|` on the interval.
    #[must_use]
    pub fn slope(self, interval: Interval) -> f64 {
        match self {
            Function::Relu | Function::Tanh | Function::Softplus => 1.0,
            Function::Sigmoid => 0.25,
            // Largest slopes, at x = √2 and x ≈ 2.3994: 1.12890.. and 1.09983..
            Function::Gelu => 1.129,
            Function::Silu => 1.1,
            Function::Exp => interval.hi().exp(),
        }
    }

    /// The degree used when none is given: the smallest of 3, 7, 15 and 31 whose error is at most 1 %
    /// of the largest value on the range, or 31; for relu 15, since at its kink another level only
    /// halves the error.
    ///
    /// # Errors
    /// The function is not finite on the interval.
    pub fn default_degree(self, interval: Interval) -> Result<usize> {
        if self == Function::Relu {
            return Ok(RELU_DEGREE);
        }
        let ends = [interval.lo(), interval.hi()].map(|x| self.eval(x).abs());
        // All functions here are largest in magnitude at an end, up to the small dips of gelu and silu.
        let target = DEFAULT_ERROR * ends[0].max(ends[1]);
        let [smaller @ .., largest] = DEFAULT_DEGREES;
        for degree in smaller {
            if fit(self, interval, degree)?.accuracy.max_error <= target {
                return Ok(degree);
            }
        }
        Ok(largest)
    }
}

fn sigmoid(x: f64) -> f64 {
    // Without overflow on either side.
    let e = (-x.abs()).exp();
    if x >= 0.0 {
        1.0 / (1.0 + e)
    } else {
        e / (1.0 + e)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Function {
    type Err = Error;

    /// Upper and lower case are the same.
    fn from_str(name: &str) -> Result<Self> {
        let lower = name.to_ascii_lowercase();
        Function::ALL
            .into_iter()
            .find(|f| f.name() == lower)
            .ok_or_else(|| Error::UnknownFunction {
                name: name.to_owned(),
                known: Function::ALL.map(Function::name).join(", "),
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn known_values() {
        let close = |f: Function, x: f64, expected: f64| {
            assert!(
                (f.eval(x) - expected).abs() < 1e-15,
                "{f}({x}) = {}",
                f.eval(x)
            );
        };
        close(Function::Relu, -2.0, 0.0);
        close(Function::Sigmoid, 2.0, 0.880_797_077_977_882_3);
        close(Function::Gelu, 1.0, 0.841_344_746_068_542_9);
        close(Function::Gelu, -1.0, -0.158_655_253_931_457_05);
        close(Function::Silu, 1.0, 0.731_058_578_630_004_9);
        close(Function::Softplus, 0.0, std::f64::consts::LN_2);
        assert_eq!(Function::Sigmoid.eval(-1000.0), 0.0);
        assert_eq!(Function::Softplus.eval(1000.0), 1000.0);
    }

    #[test]
    fn slopes_bound_difference_quotients() {
        let i = Interval::try_new(-6.0, 4.0).unwrap();
        for f in Function::ALL {
            let slope = f.slope(i);
            let mut largest: f64 = 0.0;
            for k in 0..10_000 {
                let x = -6.0 + 0.001 * f64::from(k);
                largest = largest.max((f.eval(x + 0.001) - f.eval(x)).abs() / 0.001);
            }
            assert!(largest <= slope * (1.0 + 1e-9), "{f}: {largest} > {slope}");
            assert!(
                largest > 0.98 * slope,
                "{f}: {largest} is far below {slope}"
            );
        }
    }

    #[test]
    fn names_parse() {
        for f in Function::ALL {
            assert_eq!(f.name().to_uppercase().parse::<Function>().unwrap(), f);
        }
        assert!(matches!(
            "elu".parse::<Function>(),
            Err(Error::UnknownFunction { .. })
        ));
    }

    #[test]
    fn default_degrees_grow_with_the_range() {
        let degree =
            |f: Function, b: f64| f.default_degree(Interval::symmetric(b).unwrap()).unwrap();
        assert_eq!(degree(Function::Sigmoid, 1.0), 3);
        assert_eq!(degree(Function::Gelu, 3.0), 7);
        assert!(degree(Function::Tanh, 2.0) < degree(Function::Tanh, 10.0));
        assert_eq!(degree(Function::Relu, 8.0), 15);
    }
}
