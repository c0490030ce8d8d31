//! The errors that are known of published approximations. That ours are no worse is a test of the example.
#![allow(clippy::unwrap_used)]

use girih_polyfit::published::{
    BOLT_GELU, CHEON_SIGN, IDASH_SIGMOID, NEXUS_GELU, NEXUS_INVERSE_SQRT, PIECES, PUMA_EXP,
    PUMA_GELU, PublishedExponential,
};
use girih_polyfit::{CompositeSign, FitMethod, Function, Interval, fit_with};

/// Largest and mean error over `[lo, hi]`, on a fine grid that holds both ends and the points next to `breaks`.
fn errors(
    f: impl Fn(f64) -> f64,
    g: impl Fn(f64) -> f64,
    lo: f64,
    hi: f64,
    breaks: &[f64],
) -> (f64, f64, f64) {
    let points = 160_000;
    let (mut largest, mut at, mut sum) = (0f64, lo, 0.0);
    let mut see = |x: f64| {
        let e = (f(x) - g(x)).abs();
        if e > largest {
            (largest, at) = (e, x);
        }
        e
    };
    for k in 0..=points {
        sum += see(lo + (hi - lo) * f64::from(k) / f64::from(points));
    }
    for &b in breaks {
        see(b);
        see(b - 1e-12);
    }
    (largest, sum / f64::from(points + 1), at)
}

fn gelu(x: f64) -> f64 {
    Function::Gelu.eval(x)
}

#[test]
fn puma_gelu() {
    let breaks = PUMA_GELU.breaks;
    let (largest, mean, at) = errors(gelu, |x| PUMA_GELU.eval(x), -8.0, 8.0, breaks);
    assert!((largest - 0.0199).abs() < 5e-5, "{largest}");
    assert!((at - 3.0).abs() < 1e-6, "{at}");
    assert!((mean - 0.0018).abs() < 5e-5, "{mean}");
}

#[test]
fn puma_exponential() {
    assert_eq!((PUMA_EXP.squarings, PUMA_EXP.threshold), (5, -14.0));
    for (squarings, expected, half_digit) in
        [(5, 8.5e-3, 5e-5), (7, 2.1e-3, 5e-5), (8, 1.06e-3, 5e-6)]
    {
        let formula = PublishedExponential {
            squarings,
            ..PUMA_EXP
        };
        let (largest, ..) = errors(f64::exp, |x| formula.eval(x), -14.0, 0.0, &[]);
        assert!(
            (largest - expected).abs() < half_digit,
            "{squarings}: {largest}"
        );
    }
    assert_eq!(PUMA_EXP.eval(-14.5), 0.0);
    let plan = PUMA_EXP.plan(Interval::try_new(-14.0, 0.0).unwrap());
    assert_eq!((plan.unit_depth(), plan.counts().products), (6, 5));
    let (largest, ..) = errors(|x| PUMA_EXP.eval(x), |x| plan.eval(x), -14.0, 0.0, &[]);
    assert!(largest < 1e-14, "{largest}");
}

#[test]
fn nexus_and_bolt_gelu() {
    let (largest, ..) = errors(gelu, |x| NEXUS_GELU.eval(x), -8.5, 8.5, NEXUS_GELU.breaks);
    assert!((largest - 8.1e-4).abs() < 5e-6, "{largest}");
    let (largest, ..) = errors(gelu, |x| BOLT_GELU.eval(x), -8.0, 8.0, BOLT_GELU.breaks);
    assert!((largest - 9.4e-3).abs() < 5e-5, "{largest}");
}

#[test]
fn idash_sigmoid() {
    let sigmoid = |x: f64| Function::Sigmoid.eval(x);
    let breaks = IDASH_SIGMOID.breaks;
    let (largest, ..) = errors(sigmoid, |x| IDASH_SIGMOID.eval(x), -12.0, 12.0, breaks);
    assert!((largest - 0.065).abs() < 5e-4, "{largest}");
    // The polynomial counterparts on [-8, 8].
    for (degree, expected, half_digit) in [
        (3, 0.12, 0.005),
        (7, 0.030, 5e-4),
        (9, 0.013, 5e-4),
        (15, 0.0014, 5e-5),
    ] {
        let range = Interval::symmetric(8.0).unwrap();
        let p = fit_with(FitMethod::Interpolation, Function::Sigmoid, range, degree).unwrap();
        let e = p.accuracy.max_error;
        assert!((e - expected).abs() <= half_digit, "{degree}: {e}");
    }
}

#[test]
fn plain_chebyshev_gelu() {
    for (bound, degree, expected, half_digit) in [
        (5.0, 15, 2e-3, 5e-4),
        (5.0, 27, 4.5e-7, 5e-9),
        (8.0, 15, 0.045, 5e-4),
        (8.0, 27, 5.6e-4, 5e-6),
        (8.0, 31, 9.2e-5, 5e-7),
        (12.0, 27, 0.019, 5e-4),
        (12.0, 59, 8.8e-7, 5e-9),
        (20.0, 31, 0.11, 5e-3),
        (20.0, 59, 2.4e-3, 5e-5),
    ] {
        let range = Interval::symmetric(bound).unwrap();
        let p = fit_with(FitMethod::Interpolation, Function::Gelu, range, degree).unwrap();
        let e = p.accuracy.max_error;
        assert!(
            (e - expected).abs() <= half_digit,
            "{bound} {degree}: {e:e}"
        );
    }
}

/// `max |1 - sgn|` for `|x|` in `[2^-b, 1]`, three and four levels for each factor.
#[test]
fn cheon_composites() {
    for (degree, openings, flattenings, b, expected, tolerance) in [
        (7, 3, 1, 6, 0.013, 5e-4),
        (7, 3, 1, 8, 0.33, 5e-3),
        (7, 4, 2, 8, 1.1e-7, 5e-9),
        (7, 4, 2, 10, 0.018, 5e-4),
        (7, 6, 2, 10, 6.7e-8, 5e-10),
        (9, 2, 2, 6, 1.0e-4, 5e-6),
        (9, 2, 2, 7, 0.053, 5e-4),
    ] {
        let gap = (-f64::from(b)).exp2();
        let sign = CompositeSign::cheon(degree, openings, flattenings, gap).unwrap();
        let e = sign.error();
        assert!(
            (e - expected).abs() <= tolerance,
            "{degree} {openings} {flattenings} {b}: {e:e}"
        );
        // The bound by ranges is what a dense search finds.
        let (sampled, ..) = errors(|_| 1.0, |x| sign.eval(x), gap, 1.0, &[]);
        assert!(
            sampled <= e * (1.0 + 1e-9) + 1e-11 && sampled > 0.98 * e,
            "{sampled:e} {e:e}"
        );
        let levels = if degree == 7 { 3 } else { 4 };
        let plan = sign.sign(Interval::UNIT).unwrap();
        assert_eq!(plan.unit_depth(), levels * (openings + flattenings));
    }
    for p in CHEON_SIGN {
        let polynomial = p.polynomial().unwrap();
        assert_eq!(polynomial.degree(), p.coefficients.len() - 1);
        // The f's end at 1 with slope 0; the g's rise at least 4.4 times as fast as x and stay near one after that.
        if p.name.starts_with('f') {
            assert!((polynomial.eval(1.0) - 1.0).abs() < 1e-15);
            assert!(polynomial.derivative().eval(1.0).abs() < 1e-13);
        } else {
            assert!(polynomial.coefficients()[1] > 4.4);
            let (miss, ..) = errors(|_| 1.0, |x| polynomial.eval(x), 0.3, 1.0, &[]);
            assert!(miss < 0.3, "{}: {miss}", p.name);
        }
    }
    assert_eq!(PIECES.len(), 4);
    assert_eq!(NEXUS_INVERSE_SQRT.polynomial().unwrap().degree(), 1);
}
