#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

#[test]
fn histograms_by_hand() {
    let d = Density::from_histogram(&[-1.0, 0.0, 2.0, 3.0], &[1.0, 0.0, 3.0]).unwrap();
    assert_eq!(d.masses(), [0.25, 0.0, 0.75]);
    assert_eq!((d.eval(-0.5), d.eval(1.0), d.eval(2.5)), (0.25, 0.0, 0.75));
    assert_eq!((d.eval(-1.1), d.eval(3.1), d.eval(3.0)), (0.0, 0.0, 0.75));
    assert_eq!((d.mass(-5.0, 5.0), d.mass(-0.5, 2.5)), (1.0, 0.5));
    assert_eq!(d.mass(2.0, 1.0), 0.0);
    assert_eq!((d.quantile(0.25), d.quantile(0.5)), (0.0, 2.0 + 1.0 / 3.0));
    assert_eq!((d.quantile(0.0), d.quantile(1.0)), (-1.0, 3.0));
    assert_eq!(d.mean(), 0.25 * -0.5 + 0.75 * 2.5);
    // E[x²] = 0.25/3 + 0.75 · (27 - 8)/3
    let square = (0.25 + 0.75 * 19.0) / 3.0;
    assert!((d.deviation() - (square - d.mean().powi(2)).sqrt()).abs() < 1e-15);
    assert_eq!(d.support().to_string(), "[-1, 3]");
    let stored = Density::from_histogram(d.edges(), d.masses()).unwrap();
    assert_eq!(stored, d);
}

#[test]
fn parametric_densities_have_their_moments() {
    let n = Density::normal(2.0, 3.0).unwrap();
    assert!((n.mean() - 2.0).abs() < 1e-13);
    // Bins of width w add w²/12 to the variance: (1/40)²/12 of it.
    assert!(
        (n.deviation() / 3.0 - 1.0).abs() < 1e-4,
        "{}",
        n.deviation()
    );
    assert!((n.mass(-1.0, 5.0) - 0.682_689_492_137_085_9).abs() < 1e-8);
    assert!((n.quantile(0.975) - (2.0 + 3.0 * 1.959_963_984_540_054)).abs() < 1e-3);
    assert!((n.eval(2.0) - 0.132_980_760_133_810_9).abs() < 3e-5);
    let l = Density::laplace(0.0, 1.0).unwrap();
    assert!((l.deviation() / 2f64.sqrt() - 1.0).abs() < 1e-3);
    assert!((l.mass(-1.0, 1.0) - (1.0 - (-1f64).exp())).abs() < 1e-8);
    let u = Density::uniform(Interval::try_new(0.0, 6.0).unwrap());
    assert_eq!((u.mean(), u.deviation()), (3.0, 3f64.sqrt()));
}

#[test]
fn expectations_match_closed_forms() {
    let n = Density::normal(0.0, 1.0).unwrap();
    // E[cos x] = e^(-1/2), up to w²/24 of the bins.
    assert!((n.expectation(f64::cos) - (-0.5f64).exp()).abs() < 1e-4);
    let u = Density::uniform(Interval::UNIT);
    // ∫ T₁₀₀² / 2 = (1 - 1/(4·100² - 1)) / 2
    let square = u.expectation(|x| (100.0 * x.acos()).cos().powi(2));
    assert!((square - (1.0 - 1.0 / 39_999.0) / 2.0).abs() < 1e-13);
    let relu = u.expectation(|x| x.max(0.0));
    assert!((relu - 0.25).abs() < 1e-5, "{relu}");
    assert!((u.rms_error(|x| x, |_| 0.0) - (1.0f64 / 3.0).sqrt()).abs() < 1e-15);
}

#[test]
fn smoothing_puts_a_floor_under_empty_bins() {
    let d = Density::from_histogram(&[0.0, 1.0, 2.0, 3.0], &[1.0, 0.0, 1.0]).unwrap();
    let s = d.smoothed(0.3).unwrap();
    assert!((s.eval(1.5) - 0.1).abs() < 1e-15);
    assert!((s.eval(0.5) - 0.45).abs() < 1e-15);
    let wide = Interval::try_new(-1.0, 4.0).unwrap();
    let w = d.smoothed_on(wide, 0.5).unwrap();
    assert_eq!(w.support(), wide);
    assert!((w.eval(-0.5) - 0.1).abs() < 1e-15 && (w.mass(-2.0, 9.0) - 1.0).abs() < 1e-15);
    let r = d.restricted(Interval::try_new(0.5, 1.5).unwrap()).unwrap();
    assert_eq!((r.mass(0.5, 1.0), r.support().hi()), (1.0, 1.5));
}

#[test]
fn misuse_is_refused() {
    assert!(matches!(
        Density::from_samples(&[1.0, f64::NAN, f64::NAN]),
        Err(Error::SampleNotFinite { index: 1, .. })
    ));
    assert!(matches!(
        Density::from_samples(&[1.0, 2.0, f64::INFINITY]),
        Err(Error::SampleNotFinite { index: 2, .. })
    ));
    assert!(matches!(
        Density::from_samples(&[]),
        Err(Error::Histogram { .. })
    ));
    assert!(matches!(
        Density::from_samples(&[2.0, 2.0, 2.0]),
        Err(Error::Interval { .. })
    ));
    assert!(matches!(
        Density::from_samples_in_bins(&[1.0, 2.0], 0),
        Err(Error::Histogram { .. })
    ));
    let bins = |edges: &[f64], counts: &[f64]| Density::from_histogram(edges, counts);
    assert!(matches!(
        bins(&[0.0, 1.0], &[1.0, 1.0]),
        Err(Error::Histogram { .. })
    ));
    assert!(matches!(
        bins(&[0.0, 1.0], &[0.0]),
        Err(Error::Histogram { .. })
    ));
    for (edges, counts) in [
        ([0.0, 0.0, 1.0], [1.0, 1.0]),
        ([0.0, 2.0, 1.0], [1.0, 1.0]),
        ([0.0, f64::NAN, 1.0], [1.0, 1.0]),
        ([0.0, 1.0, 2.0], [1.0, -0.5]),
        ([0.0, 1.0, 2.0], [1.0, f64::NAN]),
        ([0.0, 1.0, 2.0], [f64::INFINITY, 1.0]),
    ] {
        assert!(
            matches!(bins(&edges, &counts), Err(Error::Bin { .. })),
            "{edges:?} {counts:?}"
        );
    }
    assert!(Density::normal(0.0, 0.0).is_err() && Density::normal(f64::NAN, 1.0).is_err());
    assert!(Density::laplace(0.0, -1.0).is_err());
    let u = Density::uniform(Interval::UNIT);
    assert!(u.smoothed(1.5).is_err() && u.smoothed(f64::NAN).is_err());
    let outside = Interval::try_new(2.0, 3.0).unwrap();
    assert!(matches!(
        u.restricted(outside),
        Err(Error::Histogram { .. })
    ));
}

proptest! {
    /// Every sample is counted, and the quantile inverts the mass.
    #[test]
    fn samples_are_counted(samples in prop::collection::vec(-50.0..50.0f64, 2..400), p in 0.0..1.0f64) {
        let Ok(d) = Density::from_samples(&samples) else { return Ok(()) };
        let lo = samples.iter().copied().fold(f64::INFINITY, f64::min);
        prop_assert_eq!(d.support().lo(), lo);
        prop_assert!((d.masses().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let x = d.quantile(p);
        prop_assert!((d.mass(lo, x) - p).abs() < 1e-12, "{} {}", d.mass(lo, x), p);
        // Within a bin of the empirical distribution.
        let width = d.edges()[1] - d.edges()[0];
        let n = samples.len() as f64;
        let count = |t: f64| samples.iter().filter(|&&s| s <= t).count() as f64 / n;
        prop_assert!(count(x - width) <= p + 1e-12 && p <= count(x + width) + 1e-12);
        let mean = samples.iter().sum::<f64>() / n;
        prop_assert!((d.mean() - mean).abs() <= width);
    }

    /// The rule is exact for products of polynomials, over bins of any width.
    #[test]
    fn nodes_integrate_polynomials(
        widths in prop::collection::vec(0.001..2.0f64, 1..12),
        masses in prop::collection::vec(0.0..1.0f64, 12),
        degree in 1i32..60,
    ) {
        let mut edges = vec![0.0];
        for w in &widths { edges.push(edges[edges.len() - 1] + w); }
        let Ok(d) = Density::from_histogram(&edges, &masses[..widths.len()]) else { return Ok(()) };
        let hull = d.support();
        let k = 2 * degree + 1;
        let u = |x: f64| (x - hull.lo()) / (hull.hi() - hull.lo());
        let sum: f64 = d.nodes(hull, degree as usize).iter().map(|&(x, w)| w * u(x).powi(k)).sum();
        let exact: f64 = d.bins().map(|(a, b, m)| {
            m * (u(b).powi(k + 1) - u(a).powi(k + 1)) / f64::from(k + 1) / (u(b) - u(a))
        }).sum();
        prop_assert!((sum - exact).abs() < 1e-12 * (1.0 + exact), "{} {}", sum, exact);
    }
}
