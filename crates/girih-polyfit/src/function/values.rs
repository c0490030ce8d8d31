//! The values of the named functions, in single and in double-double precision.

use super::{Function, erf};
use crate::Dd;

/// Coefficient of `x³` in the tanh form of gelu.
const GELU_CUBIC: f64 = 0.044_715;
/// `√(2/π)`, and the rest of it beyond double precision.
const ROOT_2_OVER_PI: (f64, f64) = (0.797_884_560_802_865_4, -4.98465440455546e-17);

impl Function {
    /// The value at `x`: infinite or NaN outside the domain of definition.
    #[must_use]
    pub fn eval(self, x: f64) -> f64 {
        match self {
            Function::Relu => x.max(0.0),
            Function::LeakyRelu { slope } => x * if x < 0.0 { slope } else { 1.0 },
            Function::Abs => x.abs(),
            Function::Sign => {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum()
                }
            }
            Function::Sigmoid => sigmoid(x),
            Function::Tanh => x.tanh(),
            Function::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Function::GeluTanh => {
                x * sigmoid(2.0 * ROOT_2_OVER_PI.0 * x * (1.0 + GELU_CUBIC * x * x))
            }
            Function::Silu => x * sigmoid(x),
            Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Function::Erf => erf(x),
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Reciprocal => 1.0 / x,
            Function::Sqrt => x.sqrt(),
            Function::InverseSqrt => 1.0 / x.sqrt(),
        }
    }

    /// The value at `x` to about 30 digits; NaN outside the domain of definition, and for the exponential above 690.
    ///
    /// 0.044715 of the tanh form of gelu is the nearest `f64`, as in every implementation.
    #[must_use]
    pub fn eval_dd(self, x: Dd) -> Dd {
        match self {
            Function::Relu => x.max(Dd::ZERO),
            Function::LeakyRelu { slope } => x * if x < 0.0 { slope } else { 1.0 },
            Function::Abs => x.abs(),
            Function::Sign => Dd::from(Function::Sign.eval(x.hi())),
            Function::Sigmoid => x.sigmoid(),
            Function::Tanh => x.tanh(),
            Function::Gelu => {
                // x/2 erfc(-x/√2) keeps the digits of the tail on the left.
                x * 0.5 * (-x * Dd::FRAC_1_SQRT_2).erfc()
            }
            Function::GeluTanh => {
                let root = Dd::new(ROOT_2_OVER_PI.0, ROOT_2_OVER_PI.1);
                x * (root * x * (x.square() * GELU_CUBIC + 1.0) * 2.0).sigmoid()
            }
            Function::Silu => x * x.sigmoid(),
            Function::Softplus => x.max(Dd::ZERO) + (-x.abs()).exp().ln_1p(),
            Function::Erf => x.erf(),
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Reciprocal => x.recip(),
            Function::Sqrt => x.sqrt(),
            Function::InverseSqrt => x.sqrt().recip(),
        }
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
        close(Function::LeakyRelu { slope: 0.25 }, -2.0, -0.5);
        close(Function::Sigmoid, 2.0, 0.880_797_077_977_882_3);
        close(Function::Gelu, 1.0, 0.841_344_746_068_542_9);
        close(Function::Gelu, -1.0, -0.158_655_253_931_457_05);
        close(Function::Silu, 1.0, 0.731_058_578_630_004_9);
        close(Function::Softplus, 0.0, std::f64::consts::LN_2);
        close(Function::InverseSqrt, 4.0, 0.5);
        assert_eq!(Function::Sigmoid.eval(-1000.0), 0.0);
        assert_eq!(Function::Softplus.eval(1000.0), 1000.0);
        assert_eq!(Function::Sign.eval(0.0), 0.0);
    }

    /// To 34 digits by mpmath.
    #[test]
    fn thirty_digits() {
        for (f, x, expected) in [
            (
                Function::Relu,
                0.3,
                "0.299999999999999988897769753748434596",
            ),
            (Function::Relu, 2.5, "2.5"),
            (
                Function::Sigmoid,
                -6.3,
                "0.00183293894249280529971763244679046097",
            ),
            (
                Function::Sigmoid,
                -0.7,
                "0.331812227831833903315241141802512624",
            ),
            (
                Function::Sigmoid,
                0.3,
                "0.574442516811658984438038803234060323",
            ),
            (
                Function::Sigmoid,
                2.5,
                "0.924141819978756448806693823353752227",
            ),
            (
                Function::Tanh,
                -6.3,
                "-0.999993255992272618427064065149116339",
            ),
            (
                Function::Tanh,
                -0.7,
                "-0.60436777711716346812058688551755028",
            ),
            (
                Function::Tanh,
                0.3,
                "0.291312612451590895658160015769398948",
            ),
            (
                Function::Tanh,
                2.5,
                "0.986614298151430288881276039237349639",
            ),
            (
                Function::Gelu,
                -6.3,
                "-0.000000000937583779710256953696143693106052054",
            ),
            (
                Function::Gelu,
                -0.7,
                "-0.169374556556151109286002764802108241",
            ),
            (
                Function::Gelu,
                0.3,
                "0.185373426656685783061487205898622435",
            ),
            (Function::Gelu, 2.5, "2.48447583668555966208255473856451945"),
            (
                Function::GeluTanh,
                -6.3,
                "-4.8363849896578126886431062318833298e-12",
            ),
            (
                Function::GeluTanh,
                -0.7,
                "-0.169429865294883247903102990988587414",
            ),
            (
                Function::GeluTanh,
                0.3,
                "0.185370923542759239992333790971528046",
            ),
            (
                Function::GeluTanh,
                2.5,
                "2.48491573391000141709954683625243523",
            ),
            (
                Function::Silu,
                -6.3,
                "-0.0115475153377046730626257217447641975",
            ),
            (
                Function::Silu,
                -0.7,
                "-0.232268559482283717585245791618951475",
            ),
            (Function::Silu, 0.3, "0.17233275504349768895381855609094437"),
            (Function::Silu, 2.5, "2.31035454994689112201673455838438057"),
            (
                Function::Softplus,
                -6.3,
                "0.00183462083058927965136697664299031204",
            ),
            (
                Function::Softplus,
                -0.7,
                "0.403186048885457907926329333574694946",
            ),
            (
                Function::Softplus,
                0.3,
                "0.85435524446852711243699535069640283",
            ),
            (
                Function::Softplus,
                2.5,
                "2.578889734292549623344043916717551",
            ),
            (
                Function::Erf,
                -6.3,
                "-0.999999999999999999487577831260428445",
            ),
            (
                Function::Erf,
                -0.7,
                "-0.677801193837418442276858154351309836",
            ),
            (Function::Erf, 0.3, "0.328626759459127416189617985318203033"),
            (Function::Erf, 2.5, "0.999593047982555041060435784260025087"),
            (
                Function::Exp,
                -6.3,
                "0.00183630477702890715142119128976008506",
            ),
            (
                Function::Exp,
                -0.7,
                "0.496585303791409536757617611785564939",
            ),
            (Function::Exp, 0.3, "1.34985880757600308899730103168863403"),
            (Function::Exp, 2.5, "12.1824939607034734380701759511679662"),
            (Function::Log, 0.3, "-1.20397280432593602963018037193372387"),
            (Function::Log, 2.5, "0.916290731874155065183527211768011071"),
            (
                Function::Reciprocal,
                -6.3,
                "-0.15873015873015873463430798538737847",
            ),
            (
                Function::Reciprocal,
                -0.7,
                "-1.4285714285714286620590224183801315",
            ),
            (
                Function::Reciprocal,
                0.3,
                "3.3333333333333334566914471805729535",
            ),
            (Function::Reciprocal, 2.5, "0.4"),
            (
                Function::Sqrt,
                0.3,
                "0.547722557505166103322066541987272752",
            ),
            (Function::Sqrt, 2.5, "1.58113883008418966599944677221635927"),
            (
                Function::InverseSqrt,
                0.3,
                "1.82574185835055374530624341204777234",
            ),
            (
                Function::InverseSqrt,
                2.5,
                "0.632455532033675866399778708886543707",
            ),
        ] {
            let expected: Dd = expected.parse().unwrap();
            let value = f.eval_dd(Dd::from(x));
            let error = ((value - expected) / expected).abs();
            assert!(error < 2e-30, "{f}({x}) = {value}, not {expected}");
        }
    }

    #[test]
    fn precisions_agree() {
        for f in Function::ALL {
            for k in -800..=800 {
                let x = 0.01 * f64::from(k);
                let (short, long) = (f.eval(x), f.eval_dd(Dd::from(x)).to_f64());
                if short.is_finite() {
                    assert!(
                        (short - long).abs() < 1e-15 * (1.0 + x.abs() + 3.0 * short.abs()),
                        "{f}({x}): {short} {long}"
                    );
                } else {
                    assert!(!long.is_finite(), "{f}({x})");
                }
            }
        }
    }
}
