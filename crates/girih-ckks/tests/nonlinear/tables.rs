//! Tables of errors that follow from formulas and published coefficients, on ciphertexts.

use girih_polyfit::inverse_sqrt::{InverseSqrt, InverseSqrtMethod};
use girih_polyfit::published::{BOLT_GELU, NEXUS_GELU, PUMA_EXP, PUMA_GELU};
use girih_polyfit::reciprocal::Reciprocal;
use girih_polyfit::{CompositeSign, EvaluationPlan, FitMethod, Function, Interval, fit_with};

use crate::{SLOTS, checked, points, run};

/// Points of `[-1, -gap] ∪ [gap, 1]`, evenly by their logarithm, and the sign of each.
fn mirrored(gap: f64) -> Vec<f64> {
    let half = SLOTS / 2;
    (0..SLOTS)
        .map(|k| {
            let x = gap.powf((k % half) as f64 / (half - 1) as f64);
            if k < half { x } else { -x }
        })
        .collect()
}

/// Largest |1 - sign| for |x| in [2^-b, 1] of the cheap composites of degree 7 and 9 (Cheon, Kim, Kim 2020), depth 3 and 4
/// for each factor.
#[test]
fn composites_of_the_sign() {
    for (degree, openings, flattenings, bits, expected) in [
        (7, 3, 1, 6, 0.013),
        (7, 3, 1, 8, 0.33),
        (7, 4, 2, 8, 1.1e-7),
        (7, 4, 2, 10, 0.018),
        (7, 6, 2, 10, 6.7e-8),
        (9, 2, 2, 6, 1.0e-4),
        (9, 2, 2, 7, 0.053),
    ] {
        let gap = 2f64.powi(-bits);
        let sign = CompositeSign::cheon(degree, openings, flattenings, gap).unwrap();
        let plan = sign.sign(Interval::UNIT).unwrap();
        let levels = if degree == 7 { 3 } else { 4 };
        assert_eq!(plan.depth(), levels * (openings + flattenings));
        let xs = mirrored(gap);
        let worst = (run(&plan, &xs).iter().zip(&xs))
            .map(|(y, x)| (y - x.signum()).abs())
            .fold(0.0, f64::max);
        // Two digits are tabulated. Noise that enters before the sign saturates does not survive it.
        let noise = 2e-8 + 0.02 * expected;
        assert!(
            (worst - expected).abs() <= 0.04 * expected + noise,
            "{degree} {openings} {bits}: {worst:e}"
        );
    }
}

/// Iterations for a relative error of 2^-20 over [2^-b, 1]: 7, 11, 15 without and 5, 7, 9 with adaptive relaxation. The
/// numerator is the smaller end, so that values stay below 1.
#[test]
fn iterations_of_the_reciprocal() {
    for (bits, plain, relaxed) in [(4, 7, 5), (8, 11, 7), (12, 15, 9)] {
        let lo = 2f64.powi(-bits);
        let range = Interval::try_new(lo, 1.0).unwrap();
        for r in [
            Reciprocal::product_form(range, lo, plain).unwrap(),
            Reciprocal::relaxed(range, lo, relaxed).unwrap(),
        ] {
            assert!(r.relative_error <= 2f64.powi(-20));
            let xs = points(range);
            let worst = (run(&r.plan, &xs).iter().zip(&xs))
                .map(|(y, x)| (x * y / lo - 1.0).abs())
                .fold(0.0, f64::max);
            // The reciprocal has slope 1/lo at the smaller end: so much larger is the noise of the input, 2^-34 and what
            // the first squarings add.
            let noise = 2f64.powi(bits - 27);
            assert!(
                worst <= 2f64.powi(-20) + noise,
                "{bits}, {}: {worst:e}",
                r.method
            );
        }
    }
}

/// Newton's steps square the error (up to a factor), also on ciphertexts.
#[test]
fn steps_of_the_inverse_root() {
    let range = Interval::try_new(0.05, 1.0).unwrap();
    let mut before = 1.0;
    for steps in 0..=3 {
        let method = InverseSqrtMethod { degree: 5, steps };
        let r = InverseSqrt::with_method(range, 0.2, method).unwrap();
        let xs = points(range);
        let worst = (run(&r.plan, &xs).iter().zip(&xs))
            .map(|(y, x)| (x.sqrt() * y / 0.2 - 1.0).abs())
            .fold(0.0, f64::max);
        assert!(worst <= r.relative_error + 1e-8, "{method}: {worst:e}");
        assert!(worst <= before * before + 1e-8, "{method}: {worst:e}");
        before = worst;
    }
}

/// Chebyshev interpolants of gelu by range and degree.
#[test]
fn chebyshev_rows_of_gelu() {
    for (bound, degree, expected) in [
        (5.0, 15, 2e-3),
        (5.0, 27, 4.5e-7),
        (8.0, 15, 0.045),
        (8.0, 27, 5.6e-4),
        (8.0, 31, 9.2e-5),
        (12.0, 27, 0.019),
        (12.0, 59, 8.8e-7),
        (20.0, 31, 0.11),
        (20.0, 59, 2.4e-3),
    ] {
        let range = Interval::symmetric(bound).unwrap();
        let fitted = fit_with(FitMethod::Interpolation, Function::Gelu, range, degree).unwrap();
        let plan = EvaluationPlan::polynomial(&fitted.polynomial).unwrap();
        let xs = points(plan.interval());
        let worst = (checked(&plan, &xs, 3e-8).iter().zip(&xs))
            .map(|(y, x)| (y - Function::Gelu.eval(*x)).abs())
            .fold(0.0, f64::max);
        // Tabulated from another grid, to one or two digits.
        assert!(
            (worst / expected - 1.0).abs() < 0.3,
            "B = {bound}, degree {degree}: {worst:e}"
        );
        assert!(worst <= fitted.accuracy.max_error + 3e-8);
    }
}

/// Published pieces of gelu, selected by signs: outside the zones in which a sign switches, the error is that of the
/// pieces and what the sign leaves of the others.
#[test]
fn published_pieces_of_gelu() {
    for (published, expected) in [
        (PUMA_GELU, 0.0199),
        (BOLT_GELU, 9.4e-3),
        (NEXUS_GELU, 8.1e-4),
    ] {
        let range = Interval::symmetric(5.0).unwrap();
        let pieces = published.piecewise(range).unwrap();
        let sign = CompositeSign::for_gap(1.0 / 64.0, 1e-6, 16).unwrap();
        let plan = pieces.plan(&sign).unwrap();
        let zones = pieces.switch_zones(&sign);
        let xs = points(range);
        let worst = (checked(&plan, &xs, 1e-4).iter().zip(&xs))
            .filter(|(_, x)| zones.iter().all(|z| **x < z.0 || **x > z.1))
            .map(|(y, x)| (y - Function::Gelu.eval(*x)).abs())
            .fold(0.0, f64::max);
        assert!(
            worst <= expected * 1.05 + 1e-4,
            "{}: {worst:e}",
            published.name
        );
        assert!(worst >= expected * 0.3, "{}: {worst:e}", published.name);
    }
}

/// PUMA's exponential: (1 + x/32)^32.
#[test]
fn published_exponential() {
    let plan = PUMA_EXP.plan(Interval::try_new(-14.0, 0.0).unwrap());
    let xs = points(plan.interval());
    let worst = (checked(&plan, &xs, 1e-8).iter().zip(&xs))
        .map(|(y, x)| (y - x.exp()).abs())
        .fold(0.0, f64::max);
    assert!((worst / 8.5e-3 - 1.0).abs() < 0.02, "{worst:e}");
}
