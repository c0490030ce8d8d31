//! The functions that are replaced by polynomials.

use std::fmt;
use std::str::FromStr;

use crate::erf::erf;
use crate::{Dd, Domain, Error, FitMethod, Interval, Result, fit_with};

mod values;

/// A named function of one variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `max(x, 0)`
    Relu,
    /// `x` for positive, `slope · x` for negative arguments
    LeakyRelu {
        /// The slope on the left of 0.
        slope: f64,
    },
    /// `|x|`
    Abs,
    /// -1, 0 or 1: only on domains with a gap around 0
    Sign,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `tanh x`
    Tanh,
    /// `x Φ(x) = x/2 (1 + erf(x/√2))`, exact
    Gelu,
    /// `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))` (Hendrycks and Gimpel, arXiv 1606.08415)
    GeluTanh,
    /// `x / (1 + e⁻ˣ)`
    Silu,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `erf x = 2/√π ∫₀ˣ exp(-t²) dt`
    Erf,
    /// `eˣ`
    Exp,
    /// `ln x`, for `x > 0`
    Log,
    /// `1/x`, on either side of 0
    Reciprocal,
    /// `√x`, for `x >= 0`
    Sqrt,
    /// `1/√x`, for `x > 0`
    InverseSqrt,
}

/// The default degree is the smallest of these that reaches [`DEFAULT_ERROR`]: the largest degrees of
/// depth 2 to 5.
const DEFAULT_DEGREES: [usize; 4] = [3, 7, 15, 31];
/// Error of a default fit, relative to the largest value of the function on the range.
const DEFAULT_ERROR: f64 = 0.01;
/// Default degree of functions with a kink: an error of about 1 % of the range.
const KINK_DEGREE: usize = 15;
/// Slope of the leaky relu where none is given: the default of the ONNX operator.
pub const LEAKY_SLOPE: f64 = 0.01;

impl Function {
    /// All functions, the leaky relu with its usual slope.
    pub const ALL: [Function; 16] = [
        Function::Relu,
        Function::LeakyRelu { slope: LEAKY_SLOPE },
        Function::Abs,
        Function::Sign,
        Function::Sigmoid,
        Function::Tanh,
        Function::Gelu,
        Function::GeluTanh,
        Function::Silu,
        Function::Softplus,
        Function::Erf,
        Function::Exp,
        Function::Log,
        Function::Reciprocal,
        Function::Sqrt,
        Function::InverseSqrt,
    ];

    /// The name without parameters. [`FromStr`] parses what [`Display`](fmt::Display) writes: the name, and
    /// `leaky_relu:0.01`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Function::Relu => "relu",
            Function::LeakyRelu { .. } => "leaky_relu",
            Function::Abs => "abs",
            Function::Sign => "sign",
            Function::Sigmoid => "sigmoid",
            Function::Tanh => "tanh",
            Function::Gelu => "gelu",
            Function::GeluTanh => "gelu_tanh",
            Function::Silu => "silu",
            Function::Softplus => "softplus",
            Function::Erf => "erf",
            Function::Exp => "exp",
            Function::Log => "log",
            Function::Reciprocal => "reciprocal",
            Function::Sqrt => "sqrt",
            Function::InverseSqrt => "inverse_sqrt",
        }
    }

    /// A bound of `|f'|` on the interval; infinite where the interval touches a pole, branch point or jump.
    #[must_use]
    pub fn slope(self, interval: Interval) -> f64 {
        let (lo, hi) = (interval.lo(), interval.hi());
        match self {
            Function::Relu | Function::Abs | Function::Tanh | Function::Softplus => 1.0,
            Function::LeakyRelu { slope } => slope.abs().max(1.0),
            Function::Sign if interval.contains(0.0) => f64::INFINITY,
            Function::Sign => 0.0,
            Function::Sigmoid => 0.25,
            // Largest slopes, at x = √2, x ≈ 1.4185 and x ≈ 2.3994: 1.12890.., 1.12899.. and 1.09983..
            Function::Gelu | Function::GeluTanh => 1.129,
            Function::Silu => 1.1,
            Function::Erf => std::f64::consts::FRAC_2_SQRT_PI,
            Function::Exp => hi.exp(),
            Function::Log | Function::Sqrt | Function::InverseSqrt if lo <= 0.0 => f64::INFINITY,
            Function::Log => 1.0 / lo,
            Function::Sqrt => 0.5 / lo.sqrt(),
            Function::InverseSqrt => 0.5 / (lo * lo.sqrt()),
            Function::Reciprocal if interval.contains(0.0) => f64::INFINITY,
            Function::Reciprocal => {
                let nearest = lo.abs().min(hi.abs());
                1.0 / (nearest * nearest)
            }
        }
    }

    /// The points at which the function is not smooth: kinks and jumps.
    #[must_use]
    pub fn breaks(self) -> &'static [f64] {
        match self {
            Function::Relu | Function::LeakyRelu { .. } | Function::Abs | Function::Sign => &[0.0],
            _ => &[],
        }
    }

    /// Whether the function is continuous and finite on the domain, so that polynomials can come near it.
    ///
    /// # Errors
    /// [`Error::Singular`] for a pole, branch point or jump in one of the intervals (the end 0 is allowed for the
    /// square root), [`Error::NotFinite`] for overflow at an end, [`Error::FunctionParameter`] for a slope that is
    /// not finite.
    pub fn check(self, domain: &Domain) -> Result<()> {
        if let Function::LeakyRelu { slope } = self
            && !slope.is_finite()
        {
            return Err(Error::FunctionParameter {
                function: self.name(),
                text: slope.to_string(),
                expected: LEAKY_USAGE,
            });
        }
        for interval in domain.intervals() {
            let (lo, hi) = (interval.lo(), interval.hi());
            let kind = match self {
                Function::Log | Function::InverseSqrt if lo <= 0.0 => Some("pole"),
                Function::Sqrt if lo < 0.0 => Some("branch point"),
                Function::Reciprocal if interval.contains(0.0) => Some("pole"),
                Function::Sign if interval.contains(0.0) => Some("jump"),
                _ => None,
            };
            if let Some(kind) = kind {
                return Err(Error::Singular {
                    function: self.to_string(),
                    kind,
                    at: 0.0,
                    lo,
                    hi,
                });
            }
            for x in [lo, hi] {
                let value = self.eval_dd(Dd::from(x)).to_f64();
                if !value.is_finite() {
                    return Err(Error::NotFinite {
                        at: x,
                        value: self.eval(x),
                    });
                }
            }
        }
        Ok(())
    }

    /// The degree used when none is given: the smallest of 3, 7, 15 and 31 whose interpolant has an error of at
    /// most 1 % of the largest value on the range, or 31; for functions with a kink 15, since another level only
    /// halves their error.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn default_degree(self, interval: Interval) -> Result<usize> {
        self.check(&interval.into())?;
        if !self.breaks().is_empty() {
            return Ok(KINK_DEGREE);
        }
        let ends = [interval.lo(), interval.hi()].map(|x| self.eval(x).abs());
        // All smooth functions here are largest in magnitude at an end, up to the small dips of gelu and silu.
        let target = DEFAULT_ERROR * ends[0].max(ends[1]);
        let [smaller @ .., largest] = DEFAULT_DEGREES;
        for degree in smaller {
            let fitted = fit_with(FitMethod::Interpolation, self, interval, degree)?;
            if fitted.accuracy.max_error <= target {
                return Ok(degree);
            }
        }
        Ok(largest)
    }
}

const LEAKY_USAGE: &str =
    "write leaky_relu:SLOPE with a finite number, for example leaky_relu:0.01";

impl fmt::Display for Function {
    /// The name, with parameters after a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Function::LeakyRelu { slope } => write!(f, "{}:{slope}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl FromStr for Function {
    type Err = Error;

    /// A name, in upper or lower case, and for the leaky relu its slope: `leaky_relu:0.1`, or `leaky_relu` for 0.01.
    fn from_str(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase().replace('-', "_");
        let (name, parameter) = match text.trim().split_once(':') {
            Some((_, parameter)) => (lower.split(':').next().unwrap_or(""), Some(parameter)),
            None => (lower.as_str(), None),
        };
        let Some(function) = Function::ALL.into_iter().find(|f| f.name() == name) else {
            return Err(Error::UnknownFunction {
                name: text.to_owned(),
                known: Function::ALL.map(Function::name).join(", "),
            });
        };
        let unusable = |parameter: &str, expected| Error::FunctionParameter {
            function: function.name(),
            text: parameter.to_owned(),
            expected,
        };
        match (function, parameter) {
            (_, None) => Ok(function),
            (Function::LeakyRelu { .. }, Some(parameter)) => {
                match parameter.trim().parse::<f64>() {
                    Ok(slope) if slope.is_finite() => Ok(Function::LeakyRelu { slope }),
                    _ => Err(unusable(parameter, LEAKY_USAGE)),
                }
            }
            (_, Some(parameter)) => Err(unusable(parameter, "this function takes none")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A range on which the function is defined.
    fn range(f: Function) -> Interval {
        match f {
            Function::Sign => Interval::try_new(0.25, 4.0),
            Function::Log | Function::Reciprocal | Function::Sqrt | Function::InverseSqrt => {
                Interval::try_new(0.5, 4.0)
            }
            _ => Interval::try_new(-6.0, 4.0),
        }
        .unwrap()
    }

    #[test]
    fn slopes_bound_difference_quotients() {
        for f in Function::ALL {
            let i = range(f);
            let (slope, h) = (f.slope(i), (i.hi() - i.lo()) / 10_000.0);
            let mut largest: f64 = 0.0;
            for k in 0..10_000 {
                let x = i.lo() + h * f64::from(k);
                largest = largest.max((f.eval(x + h) - f.eval(x)).abs() / h);
            }
            assert!(largest <= slope * (1.0 + 1e-9), "{f}: {largest} > {slope}");
            assert!(
                largest >= 0.98 * slope,
                "{f}: {largest} is far below {slope}"
            );
        }
    }

    #[test]
    fn names_parse() {
        for f in Function::ALL {
            assert_eq!(f.name().to_uppercase().parse::<Function>().unwrap(), f);
            assert_eq!(f.to_string().parse::<Function>().unwrap(), f);
        }
        let steep = Function::LeakyRelu { slope: -1.5e-3 };
        assert_eq!(steep.to_string().parse::<Function>().unwrap(), steep);
        assert_eq!(
            "inverse-sqrt".parse::<Function>().unwrap(),
            Function::InverseSqrt
        );
        assert!(matches!(
            "elu".parse::<Function>(),
            Err(Error::UnknownFunction { .. })
        ));
        for text in ["leaky_relu:", "leaky_relu:nan", "leaky_relu:x", "tanh:1"] {
            assert!(
                matches!(
                    text.parse::<Function>(),
                    Err(Error::FunctionParameter { .. })
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn singularities_are_named() {
        let at_zero = Interval::try_new(0.0, 1.0).unwrap();
        let around = Interval::symmetric(1.0).unwrap();
        for (f, i, kind) in [
            (Function::Log, at_zero, "pole"),
            (Function::InverseSqrt, around, "pole"),
            (Function::Reciprocal, around, "pole"),
            (
                Function::Reciprocal,
                Interval::try_new(-1.0, 0.0).unwrap(),
                "pole",
            ),
            (Function::Sqrt, around, "branch point"),
            (Function::Sign, around, "jump"),
        ] {
            match f.check(&i.into()) {
                Err(Error::Singular {
                    kind: found, at, ..
                }) => assert_eq!((found, at), (kind, 0.0)),
                other => panic!("{f}: {other:?}"),
            }
        }
        assert!(Function::Sqrt.check(&at_zero.into()).is_ok());
        assert!(
            Function::Sign
                .check(&Domain::mirrored(0.1, 1.0).unwrap())
                .is_ok()
        );
        assert!(
            Function::Reciprocal
                .check(&Domain::mirrored(0.1, 1.0).unwrap())
                .is_ok()
        );
        let wide = Interval::symmetric(800.0).unwrap();
        assert!(matches!(
            Function::Exp.check(&wide.into()),
            Err(Error::NotFinite { at: 800.0, .. })
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
