#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::{interpolate, max_error};

fn interval(lo: f64, hi: f64) -> Interval {
    Interval::try_new(lo, hi).unwrap()
}

fn union(parts: &[(f64, f64)]) -> Domain {
    Domain::try_new(parts.iter().map(|&(lo, hi)| interval(lo, hi)).collect()).unwrap()
}

/// `Σ cₖ Tₖ(u)` in double-double arithmetic.
fn eval(m: &Minimax, x: f64) -> Dd {
    let i = m.polynomial.interval();
    let u = (Dd::from(x) - i.center()) / i.radius();
    let (mut b1, mut b2) = (Dd::ZERO, Dd::ZERO);
    for &c in m.coefficients[1..].iter().rev() {
        (b1, b2) = (u * b1 * 2.0 - b2 + c, b1);
    }
    u * b1 - b2 + m.coefficients[0]
}

/// The error alternates between `±error` at the extrema, at least `points` of them.
fn assert_levelled(m: &Minimax, f: impl Fn(Dd) -> Dd, points: usize) {
    assert!(m.extrema.len() >= points, "{} extrema", m.extrema.len());
    let errors: Vec<f64> = m
        .extrema
        .iter()
        .map(|&x| (f(Dd::from(x)) - eval(m, x)).to_f64())
        .collect();
    for (k, w) in errors.windows(2).enumerate() {
        assert!(w[0] * w[1] < 0.0, "{errors:?} at {k}");
    }
    for e in errors {
        assert!((e.abs() / m.error - 1.0).abs() < 1e-9, "{e} {}", m.error);
    }
    assert!(m.lower_bound <= m.error && m.lower_bound > m.error * (1.0 - 1e-11));
}

fn assert_near(value: f64, expected: f64) {
    assert!(
        (value / expected - 1.0).abs() < 1e-11,
        "{value:e}, not {expected:e}"
    );
}

/// Chebyshev 1859: `1/(a - x)` on [-1, 1] by degree n has the error `(a - √(a²-1))ⁿ / (a²-1)`.
#[test]
fn reciprocal_in_closed_form() {
    for (a, n) in [(1.25, 3), (1.25, 12), (2.0, 20), (1.01, 63)] {
        let f = |x: Dd| (a - x).recip();
        let m = Remez::new(f, Interval::UNIT, n).solve().unwrap();
        let square = Dd::from(a).square() - 1.0;
        let expected = (a - square.sqrt()).powi(n as i32) / square;
        assert_near(m.error, expected.to_f64());
        assert_levelled(&m, f, n + 2);
    }
}

/// The leading coefficient fixed to one: `T_n / 2ⁿ⁻¹` is the smallest polynomial, on any interval.
#[test]
fn chebyshev_polynomials_are_smallest() {
    for n in [1, 2, 7, 16, 31] {
        let m = Remez::new(|_| Dd::ZERO, Interval::UNIT, n)
            .fixed(n, 1.0)
            .solve()
            .unwrap();
        assert_near(m.error, 2f64.powi(1 - n as i32));
        for (k, c) in m.polynomial.coefficients().iter().enumerate() {
            let expected = if k == n { 2f64.powi(1 - n as i32) } else { 0.0 };
            assert!((c - expected).abs() < 1e-7 * m.error, "{k} {c}");
        }
    }
    let m = Remez::new(|_| Dd::ZERO, interval(1.0, 4.0), 8)
        .fixed(8, 1.0)
        .solve()
        .unwrap();
    assert_near(m.error, 2.0 * (1.5f64 / 2.0).powi(8));
}

#[test]
fn small_degrees_by_hand() {
    // |x|: 1/8 at degree 2. sign: c a = 1 - e, c = 1 + e at degree 1.
    let m = Remez::function(Function::Abs, Interval::UNIT, 2)
        .unwrap()
        .solve()
        .unwrap();
    assert_near(m.error, 0.125);
    assert_eq!(m.polynomial.parity(), Parity::Even);
    for a in [0.5, 0.01, 2f64.powi(-20)] {
        let domain = Domain::mirrored(a, 1.0).unwrap();
        let m = Remez::function(Function::Sign, domain, 1)
            .unwrap()
            .solve()
            .unwrap();
        assert_near(m.error, (1.0 - a) / (1.0 + a));
        assert_eq!(m.polynomial.parity(), Parity::Odd);
    }
    // √x on [0, 1] by a line: x + 1/8.
    let m = Remez::function(Function::Sqrt, interval(0.0, 1.0), 1)
        .unwrap()
        .solve()
        .unwrap();
    assert_near(m.error, 0.125);
    // eˣ by c + d x with the weight e⁻ˣ on [0, 1] is smaller than without.
    let m = Remez::new(Dd::exp, interval(0.0, 1.0), 1)
        .weight(|x| (-x).exp())
        .solve()
        .unwrap();
    let relative = max_error(
        |x| (-x).exp() * (x.exp() - m.polynomial.eval(x)),
        &zero(),
        interval(0.0, 1.0),
    );
    assert!((relative.unwrap().max_error / m.error - 1.0).abs() < 1e-9);
}

fn zero() -> Polynomial {
    Polynomial::power(interval(0.0, 1.0), [0.0]).unwrap()
}

/// `f = line + even` and `f = constant + odd`: half of the coefficients are exactly zero, and the error is that of the
/// full problem.
#[test]
fn symmetry_is_found() {
    let shifted = interval(-3.0, 5.0);
    for (f, even) in [
        (Function::Relu, true),
        (Function::LeakyRelu { slope: 0.125 }, true),
        (Function::Gelu, true),
        (Function::Silu, true),
        (Function::Softplus, true),
        (Function::Sigmoid, false),
        (Function::Tanh, false),
        (Function::Erf, false),
    ] {
        let domain: Domain = Interval::symmetric(4.0).unwrap().into();
        let m = Remez::function(f, domain.clone(), 14)
            .unwrap()
            .solve()
            .unwrap();
        let zeros = m.polynomial.coefficients().iter().enumerate().skip(2);
        assert!(
            zeros
                .filter(|&(k, &c)| c != 0.0 && (k % 2 == 0) != even)
                .count()
                == 0,
            "{f}"
        );
        assert_levelled(&m, |x| f.eval_dd(x), 16);
        // A tiny asymmetric shift of the domain defeats the reduction but hardly changes the problem.
        let skew = interval(-4.0, 4.0 + 2f64.powi(-40));
        let full = Remez::function(f, skew, 14).unwrap().solve().unwrap();
        assert!((full.error / m.error - 1.0).abs() < 1e-9, "{f}");
        // About another centre.
        let moved = Remez::new(|x| f.eval_dd((x - 1.0) * 1.0), shifted, 14)
            .breaks(&[1.0])
            .solve()
            .unwrap();
        assert_near(moved.error, m.error);
    }
}

#[test]
fn unions_of_intervals() {
    // Narrow mirrored stages of composite signs, ends included.
    for (domain, degree, points) in [
        (Domain::mirrored(0.9, 1.1).unwrap(), 15, 18),
        (Domain::mirrored(2f64.powi(-10), 1.0).unwrap(), 63, 66),
        (union(&[(-3.0, -1.0), (0.5, 2.0)]), 31, 33),
        (union(&[(-3.0, -1.0), (0.5, 2.0)]), 63, 65),
    ] {
        let m = Remez::function(Function::Sign, domain, degree)
            .unwrap()
            .solve()
            .unwrap();
        assert_levelled(&m, |x| Function::Sign.eval_dd(x), points);
    }
    let three = union(&[(-3.0, -1.0), (0.5, 2.0), (2.5, 2.75)]);
    let m = Remez::new(|x: Dd| x.recip(), three, 63).solve().unwrap();
    assert_levelled(&m, Dd::recip, 65);
}

#[test]
fn constraints() {
    let i = interval(-1.0, 3.0);
    let f = |x: Dd| x.exp() - 1.0;
    // p(0) = 0 and p'(0) = 1, exactly.
    let m = Remez::new(f, i, 12)
        .fixed(0, 0.0)
        .fixed(1, 1.0)
        .solve()
        .unwrap();
    assert!(eval(&m, 0.0).abs() < 1e-29);
    let slope = (eval(&m, 1e-9) - eval(&m, -1e-9)) / 2e-9;
    assert!((slope - 1.0).abs() < 1e-15, "{slope}");
    let free = Remez::new(f, i, 12).solve().unwrap();
    assert!(
        m.error > free.error && m.error < 100.0 * free.error,
        "{} {}",
        m.error,
        free.error
    );
    // A coefficient in the middle: one point at a time. The same value as that of the free fit costs nothing.
    let c5 = free.coefficients[5].to_f64();
    let m = Remez::new(f, i, 12)
        .basis(Basis::Chebyshev)
        .fixed(5, c5)
        .solve()
        .unwrap();
    assert!((m.error / free.error - 1.0).abs() < 1e-3);
    let m = Remez::new(f, i, 12)
        .basis(Basis::Chebyshev)
        .fixed(5, 0.0)
        .solve()
        .unwrap();
    assert_eq!(m.coefficients[5], Dd::ZERO);
    // Its error is at least c₅ T₅ less all of lower and higher degree; and no worse than leaving c₅ out.
    assert!(
        m.error > 0.3 * c5 && m.error < c5 + free.error,
        "{} {c5}",
        m.error
    );
    // Any coefficient of either basis.
    let f = |x: Dd| (x * 3.0).tanh();
    let free = Remez::new(f, i, 63).solve().unwrap();
    for (basis, index, degree) in [
        (Basis::Power, 2, 63),
        (Basis::Power, 30, 31),
        (Basis::Chebyshev, 3, 31),
        (Basis::Chebyshev, 30, 31),
    ] {
        let m = Remez::new(f, i, degree)
            .basis(basis)
            .fixed(index, 0.0)
            .solve()
            .unwrap();
        // Fixed Chebyshev coefficients in the middle: exchanges that change nothing may use up the steps.
        let gap = if basis == Basis::Power { 1e-11 } else { 1e-4 };
        assert!(m.error >= free.lower_bound && m.lower_bound >= m.error * (1.0 - gap));
        let found = max_error(|x| (3.0 * x).tanh(), &m.polynomial, i).unwrap();
        assert!(
            (found.max_error - m.error).abs() < 1e-13,
            "{found:?} {}",
            m.error
        );
        match basis {
            Basis::Chebyshev => assert_eq!(m.coefficients[index], Dd::ZERO),
            Basis::Power if index > 2 => {}
            Basis::Power => {
                let second = (eval(&m, 1e-6) + eval(&m, -1e-6) - eval(&m, 0.0) * 2.0) / 1e-12;
                assert!(second.abs() < 1e-6, "{second}");
            }
        }
    }
    // Odd on one side of 0: the sign, without mirror image.
    let one = Remez::new(|_| Dd::ONE, interval(0.25, 1.0), 9)
        .parity(Parity::Odd)
        .solve()
        .unwrap();
    let two = Remez::function(Function::Sign, Domain::mirrored(0.25, 1.0).unwrap(), 9)
        .unwrap()
        .solve()
        .unwrap();
    assert_near(one.error, two.error);
    // p(0) = 0 where f(0) = 1.
    match Remez::new(Dd::exp, i, 5).fixed(0, 0.0).solve() {
        Ok(m) => assert_near(m.error, 1.0),
        Err(Error::Forced { error, at }) => assert_eq!((error, at), (1.0, 0.0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn polynomials_are_their_own_best() {
    for degree in [2, 3, 31, 63] {
        let m = Remez::new(
            |x: Dd| x.square() * 3.0 - x + 0.5,
            interval(-2.0, 3.0),
            degree,
        )
        .solve()
        .unwrap();
        assert!(m.error < 1e-29, "{}", m.error);
        assert_eq!(m.polynomial.degree(), 2);
        assert!((m.polynomial.eval(1.0) - 2.5).abs() < 1e-15);
    }
    let m = Remez::new(|_| Dd::ZERO, Interval::UNIT, 5).solve().unwrap();
    assert_eq!((m.error, m.polynomial.degree()), (0.0, 0));
}

#[test]
fn misuse_is_refused() {
    let unit = Interval::UNIT;
    let solve = |r: Remez<'_>| r.solve().unwrap_err();
    for degree in [0, MAX_REMEZ_DEGREE + 1] {
        assert!(matches!(
            solve(Remez::new(Dd::exp, unit, degree)),
            Error::Degree { .. }
        ));
    }
    match solve(Remez::new(Dd::exp, unit, 63)) {
        Error::PrecisionExhausted {
            degree: 63,
            reachable,
            enough,
        } => {
            assert!(
                reachable < 1e-27 && (20..30).contains(&enough),
                "{reachable} {enough}"
            );
        }
        other => panic!("{other}"),
    }
    assert!(matches!(
        solve(Remez::new(Dd::ln, unit, 5)),
        Error::NotFinite { .. }
    ));
    assert!(matches!(
        solve(Remez::new(|_| Dd::from(f64::NAN), unit, 5)),
        Error::NotFinite { .. }
    ));
    for w in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            solve(Remez::new(Dd::exp, unit, 5).weight(move |_| w)),
            Error::Weight { .. }
        ));
    }
    assert!(matches!(
        solve(Remez::new(Dd::exp, unit, 5).parity(Parity::Odd)),
        Error::Symmetry { .. }
    ));
    assert!(matches!(
        solve(Remez::new(Dd::sin, interval(-1.0, 2.0), 5).parity(Parity::Odd)),
        Error::Symmetry { .. }
    ));
    for (index, value) in [(6, 0.0), (2, f64::NAN)] {
        assert!(matches!(
            solve(Remez::new(Dd::exp, unit, 5).fixed(index, value)),
            Error::Fixed { .. }
        ));
    }
    assert!(matches!(
        solve(
            Remez::new(Dd::sin, unit, 5)
                .parity(Parity::Odd)
                .fixed(2, 1.0)
        ),
        Error::Fixed { index: 2, .. }
    ));
    // Five numbers in the interval.
    let tiny = interval(1.0, 1.0 + 4.0 * f64::EPSILON);
    for degree in [1, 2, 3, 4, 20] {
        if let Err(e) = Remez::new(Dd::exp, tiny, degree).solve() {
            assert!(matches!(
                e,
                Error::NoConvergence { .. } | Error::PrecisionExhausted { .. }
            ));
        }
    }
    for (lo, hi) in [(1e200, 3e200), (-1e-200, 1e-200), (-1e308, 0.5e308)] {
        let _ = Remez::new(|x| x.abs(), interval(lo, hi), 5).solve();
        let _ = Remez::new(Dd::tanh, interval(lo, hi), 4)
            .fixed(2, 0.0)
            .solve();
    }
    let all = (0..=3).fold(Remez::new(Dd::exp, unit, 3), |r, k| r.fixed(k, 1.0));
    assert!(matches!(solve(all), Error::Fixed { .. }));
    assert!(matches!(
        Remez::function(Function::Reciprocal, unit, 5),
        Err(Error::Singular { .. })
    ));
}

/// Functions known to double precision only are levelled as far as they are known.
#[test]
fn double_precision_functions() {
    let m = Remez::new(|x| Dd::from(x.hi().tanh()), interval(-2.0, 3.0), 15)
        .solve()
        .unwrap();
    let exact = Remez::new(Dd::tanh, interval(-2.0, 3.0), 15)
        .solve()
        .unwrap();
    assert!((m.error / exact.error - 1.0).abs() < 1e-9);
    assert!(matches!(
        Remez::new(|x| Dd::from(x.hi().tanh()), interval(-2.0, 3.0), 63).solve(),
        Err(Error::NoConvergence { .. } | Error::PrecisionExhausted { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Better than interpolation, never better than the lower bound, and no polynomial nearby is better.
    #[test]
    fn best(
        lo in -4.0..0.0f64,
        length in 0.5..6.0f64,
        degree in 1usize..20,
        index in 0usize..20,
        push in -1.0..1.0f64,
        which in 0usize..7,
    ) {
        let f = [Function::Relu, Function::Gelu, Function::Tanh, Function::Softplus, Function::Exp, Function::Sigmoid, Function::Silu][which];
        let i = interval(lo, lo + length);
        // (A relu on one side of its kink is a polynomial.)
        let m = match Remez::function(f, i, degree).unwrap().solve() {
            Ok(m) => m,
            Err(Error::PrecisionExhausted { .. }) => return Ok(()),
            Err(e) => return Err(TestCaseError::fail(format!("{f} {i} {degree}: {e}"))),
        };
        let interpolant = interpolate(|x| f.eval(x), i, degree).unwrap();
        let other = max_error(|x| f.eval(x), &interpolant, i).unwrap().max_error;
        prop_assert!(m.error <= other * (1.0 + 1e-9) + 1e-13, "{} {}", m.error, other);
        let found = max_error(|x| f.eval(x), &m.polynomial, i).unwrap().max_error;
        prop_assert!(found <= m.error * (1.0 + 1e-9) + m.rounding + 1e-13 * (1.0 + f.eval(i.hi()).abs()));
        let mut c = m.polynomial.coefficients().to_vec();
        c.resize(degree + 1, 0.0);
        c[index % (degree + 1)] += push * m.error;
        let pushed = Polynomial::chebyshev(i, c).unwrap();
        let worse = max_error(|x| f.eval(x), &pushed, i).unwrap().max_error;
        prop_assert!(worse >= m.lower_bound * (1.0 - 1e-9) - 1e-13, "{} {}", worse, m.lower_bound);
    }
}
