#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::{CompositeSign, Remez, interpolate, max_error};

fn minimax(f: Function, lo: f64, hi: f64, degree: usize) -> (Polynomial, f64) {
    let i = Interval::try_new(lo, hi).unwrap();
    let m = Remez::function(f, i, degree).unwrap().solve().unwrap();
    (m.polynomial, m.error)
}

#[test]
fn bounds_are_tight() {
    for (f, lo, hi, degree) in [
        (Function::Relu, -8.0, 8.0, 15),
        (Function::Abs, -1.0, 3.0, 31),
        (Function::Gelu, -8.0, 8.0, 27),
        (Function::Gelu, -12.0, 12.0, 59),
        (Function::GeluTanh, -5.0, 5.0, 15),
        (Function::Silu, -8.0, 6.0, 31),
        (Function::Tanh, -8.0, 8.0, 63),
        (Function::Sigmoid, -20.0, 20.0, 15),
        (Function::Softplus, -10.0, 10.0, 15),
        (Function::Erf, -3.0, 3.0, 9),
        (Function::Exp, -20.0, 1.0, 15),
        (Function::Log, 0.01, 4.0, 15),
        (Function::Reciprocal, 0.001, 1.0, 31),
        (Function::Sqrt, 0.0, 1.0, 7),
        (Function::Sqrt, 0.0, 1.0, 31),
        (Function::InverseSqrt, 0.0001, 1.0, 15),
    ] {
        let (p, error) = minimax(f, lo, hi, degree);
        let c = Certificate::new(&p, f, p.interval()).unwrap();
        // Rounding of coefficients is below 10⁻¹⁵ of them here.
        let slack = 1e-9 * error + 1e-15 * c.coefficient_sum;
        assert!(c.error_bound >= error - slack, "{f} {degree}: {c}");
        assert!(c.gap() < 1.2e-3, "{f} {degree}: gap {} {c}", c.gap());
        assert!(
            c.observed <= error + slack && c.observed >= 0.99 * error,
            "{c}"
        );
    }
}

#[test]
fn narrow_errors_are_not_missed() {
    // An error like a spike: a polynomial of high degree that is zero but for 1/1000 of the interval.
    let c: Vec<f64> = (0..=255)
        .map(|k| if k % 2 == 0 { 1.0 } else { -1.0 } / 256.0)
        .collect();
    let p = Polynomial::chebyshev(Interval::UNIT, c).unwrap();
    let zero = Function::LeakyRelu { slope: 1.0 };
    let certificate = Certificate::new(&p, zero, Interval::UNIT).unwrap();
    // p(-1) = 1 and f(-1) = -1.
    assert!((certificate.observed / 2.0 - 1.0).abs() < 2e-3 && certificate.error_bound >= 2.0);
}

#[test]
fn plans() {
    let (p, _) = minimax(Function::Gelu, -5.0, 5.0, 27);
    let whole = Certificate::new(&p, Function::Gelu, p.interval()).unwrap();
    let plan = EvaluationPlan::polynomial(&p).unwrap();
    let c = PlanCertificate::new(&plan, Function::Gelu, p.interval()).unwrap();
    // (x/2 and an even polynomial.)
    assert_eq!((c.degree, c.method), (26, Method::Bound));
    assert!((c.error_bound / whole.error_bound - 1.0).abs() < 1e-9);
    assert!((c.noise_gain / whole.noise_gain - 1.0).abs() < 2e-3);
}

/// Composites, against the errors that follow from the exact ranges of their factors.
#[test]
fn composites() {
    for degrees in [&[7, 7][..], &[15, 15, 27]] {
        let gap = if degrees.len() == 2 {
            0.05
        } else {
            2f64.powi(-9)
        };
        let sign = CompositeSign::with_gap(gap, degrees).unwrap();
        let product: usize = degrees.iter().product();
        let plan = sign.sign(Interval::UNIT).unwrap();
        let domain = Domain::mirrored(gap, 1.0).unwrap();
        let c = PlanCertificate::new(&plan, Function::Sign, domain).unwrap();
        assert_eq!((c.degree, c.method), (product, Method::Bound));
        assert!(
            c.error_bound >= sign.error() * (1.0 - 1e-9),
            "{c:?} {}",
            sign.error()
        );
        assert!(
            c.error_bound < sign.error() * 1.01,
            "{c:?} {}",
            sign.error()
        );
    }
}

/// Twenty squarings of `1 + u/2²⁰`: as one polynomial of degree 2²⁰ it is searched only, and says so.
#[test]
fn large_degrees_are_searched() {
    let mut plan = EvaluationPlan::new(Interval::UNIT);
    let mut v = plan.push_affine(vec![(plan.input(), 2f64.powi(-20))], 1.0);
    for _ in 0..20 {
        v = plan.push_product(v, v);
    }
    let c = PlanCertificate::new(&plan, Function::Exp, Interval::UNIT).unwrap();
    assert_eq!(c.degree, 1 << 20);
    assert!(
        matches!(c.method, Method::Search { resolution } if resolution < 2e-4),
        "{c:?}"
    );
    // e (1 - 1/2²¹)
    let expected = std::f64::consts::E * 2f64.powi(-21);
    assert!((c.error_bound / expected - 1.0).abs() < 1e-3, "{c:?}");
}

#[test]
fn quantization_and_growth() {
    let (p, error) = minimax(Function::Sigmoid, -8.0, 8.0, 15);
    let c = Certificate::new(&p, Function::Sigmoid, p.interval()).unwrap();
    let mut last = f64::INFINITY;
    for bits in [8, 16, 24, 32] {
        let q = c.quantization(bits).unwrap();
        // Nine coefficients that are not zero.
        assert!((q.bound - 9.0 * 2f64.powi(-1 - bits as i32)).abs() < 1e-12 * q.bound);
        assert!(q.change <= q.bound && q.change < last, "{q:?}");
        let real = max_error(|x| p.eval(x), &q.polynomial, p.interval())
            .unwrap()
            .max_error;
        assert!(real <= q.change && real > 0.99 * q.change, "{real} {q:?}");
        last = q.change;
    }
    let power = p.to_power().unwrap();
    let q = Certificate::new(&power, Function::Sigmoid, p.interval())
        .unwrap()
        .quantization(30)
        .unwrap();
    assert!(
        q.bound > 1e3 && q.change <= q.bound,
        "8¹⁵ times half a unit: {q:?}"
    );
    let mut last = error;
    for factor in [1.0, 1.05, 1.1, 1.25, 1.5] {
        let outside = c.outside(factor);
        let grown = outside.error.unwrap();
        assert!(grown >= last * (1.0 - 1e-6), "{outside:?}");
        last = grown;
    }
    assert!(last > 10.0, "{last}");
    let log = interpolate(f64::ln, Interval::try_new(1.0, 3.0).unwrap(), 5).unwrap();
    let c = Certificate::new(&log, Function::Log, log.interval()).unwrap();
    assert!(c.outside(1.5).error.is_some() && c.outside(2.5).error.is_none());
    assert_eq!(c.to_string().lines().count(), 6);
}

#[test]
fn misuse_is_refused() {
    let p = Polynomial::power(Interval::UNIT, [1.0, 2.0]).unwrap();
    assert!(Certificate::new(&p, Function::Log, Interval::UNIT).is_err());
    // Ranges without a bound end soon, and say so.
    let wide = Interval::symmetric(1e200).unwrap();
    let line = Polynomial::power(wide, [0.0, 1e-200]).unwrap();
    let c = Certificate::new(&line, Function::Tanh, wide).unwrap();
    assert!(c.error_bound.is_infinite());
    let tiny = Interval::try_new(1.0, 1.0 + 4.0 * f64::EPSILON).unwrap();
    let c = Certificate::new(&p, Function::InverseSqrt, tiny).unwrap();
    assert!((c.error_bound - 2.0).abs() < 2e-3, "{c}");
    let c = Certificate::new(&p, Function::Exp, Interval::UNIT).unwrap();
    assert!(c.quantization(5000).is_err() || c.quantization(5000).unwrap().change == 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Never below what a search finds, nor far above.
    #[test]
    fn bounds_hold(which in 0usize..9, lo in -6.0..0.0f64, length in 0.5..12.0f64, degree in 1usize..24) {
        let f = Function::ALL[[0, 1, 2, 4, 5, 6, 8, 9, 10][which]];
        let i = Interval::try_new(lo, lo + length).unwrap();
        let p = interpolate(|x| f.eval(x), i, degree).unwrap();
        let c = Certificate::new(&p, f, i).unwrap();
        let found = max_error(|x| f.eval(x), &p, i).unwrap().max_error;
        prop_assert!(found <= c.error_bound + 1e-14, "{} {}", found, c.error_bound);
        if found > 1e-12 {
            prop_assert!(c.error_bound < 1.0013 * found, "{} {}", found, c.error_bound);
        }
        let slope = p.derivative();
        for k in 0..=50 {
            prop_assert!(slope.eval(lo + length * f64::from(k) / 50.0).abs() <= c.noise_gain * (1.0 + 1e-12));
        }
    }
}
