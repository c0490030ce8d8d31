#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

/// The degrees that Lee and others publish for relu within `2^-alpha`: "Precise approximation of convolutional neural
/// networks for homomorphically encrypted data", arXiv 2105.10879, table 2.
const PUBLISHED: [(f64, &[usize]); 8] = [
    (7.0, &[7, 7]),
    (8.0, &[7, 15]),
    (9.0, &[15, 15]),
    (10.0, &[7, 7, 13]),
    (11.0, &[7, 7, 27]),
    (12.0, &[7, 15, 27]),
    (13.0, &[15, 15, 27]),
    (14.0, &[15, 27, 29]),
];

/// The largest errors of the sign outside the gap, and of relu, over a dense grid of `[2^-24, 1]` and its mirror image.
fn sampled(sign: &CompositeSign) -> (f64, f64) {
    let points = 40_000;
    let (mut largest, mut relu) = (0f64, 0f64);
    for k in 0..=points {
        let x = (-24.0 * f64::from(k) / f64::from(points)).exp2();
        for miss in [(1.0 - sign.eval(x)).abs(), (1.0 + sign.eval(-x)).abs()] {
            relu = relu.max(x * miss / 2.0);
            if x >= sign.gap() {
                largest = largest.max(miss);
            }
        }
    }
    (largest, relu)
}

#[test]
fn published_degrees_reach_their_precision() {
    for (alpha, degrees) in PUBLISHED {
        let sign = CompositeSign::with_degrees(alpha, degrees).unwrap();
        let target = (-alpha).exp2();
        assert!(
            sign.relu_error() <= target,
            "{alpha}: {}",
            sign.relu_error().log2()
        );
        // And not half a bit more: the degrees are the right ones.
        assert!(
            sign.relu_error() > target / 1.5,
            "{alpha}: {}",
            sign.relu_error().log2()
        );
        let (outside, relu) = sampled(&sign);
        assert!(outside <= sign.error() * (1.0 + 1e-9) && outside > 0.99 * sign.error());
        assert!(relu <= sign.relu_error() && relu > 0.95 * sign.relu_error());
    }
    let plan = CompositeSign::with_degrees(13.0, &[15, 15, 27])
        .unwrap()
        .relu(Interval::UNIT)
        .unwrap();
    assert_eq!((plan.depth(), plan.unit_depth()), (14, 14));
}

/// Never more products than the published degrees at the same depth, which were chosen with other counts.
#[test]
fn chosen_degrees_are_no_worse_than_published_ones() {
    for (alpha, degrees) in PUBLISHED {
        let cost = |s: &CompositeSign| {
            let plan = s.sign(Interval::UNIT).unwrap();
            (plan.counts().products, plan.unit_depth())
        };
        let published = cost(&CompositeSign::with_degrees(alpha, degrees).unwrap());
        let sign = CompositeSign::new(alpha, published.1).unwrap();
        assert!(sign.relu_error() <= (-alpha).exp2());
        let (products, depth) = cost(&sign);
        assert!(
            products <= published.0 && depth <= published.1,
            "{alpha}: {:?} {products} {depth}, published {degrees:?} {published:?}",
            sign.degrees()
        );
    }
}

/// All sequences of degrees up to 9 within nine levels: none has fewer products.
#[test]
fn the_search_is_exhaustive() {
    let (gap, error, depth) = (1.0 / 32.0, 1.0 / 64.0, 9);
    let found = CompositeSign::for_gap(gap, error, depth).unwrap();
    let products = |degrees: &[usize]| {
        degrees
            .iter()
            .map(|d| match d {
                3 => 2,
                5 => 3,
                7 => 5,
                _ => 6,
            })
            .sum::<usize>()
    };
    let levels = |degrees: &[usize]| {
        degrees
            .iter()
            .map(|d| match d {
                3 => 2,
                5 | 7 => 3,
                _ => 4,
            })
            .sum::<usize>()
    };
    assert_eq!(
        found.sign(Interval::UNIT).unwrap().unit_depth(),
        levels(&found.degrees())
    );
    let mut queue: Vec<Vec<usize>> = vec![Vec::new()];
    let mut best = usize::MAX;
    while let Some(degrees) = queue.pop() {
        if !degrees.is_empty() && final_error(gap, &degrees).unwrap() <= error {
            best = best.min(products(&degrees));
        }
        for d in [3, 5, 7, 9] {
            let longer: Vec<usize> = degrees.iter().copied().chain([d]).collect();
            if levels(&longer) <= depth {
                queue.push(longer);
            }
        }
    }
    let counts = found.sign(Interval::UNIT).unwrap().counts();
    assert!(
        counts.products <= best,
        "{:?} {} {best}",
        found.degrees(),
        counts.products
    );
}

#[test]
fn plans_follow_their_functions() {
    let sign = CompositeSign::new(9.0, 9).unwrap();
    for (lo, hi) in [(-1.0, 1.0), (-8.0, 8.0), (-3.0, 11.0), (-40.0, 2.0)] {
        let i = Interval::try_new(lo, hi).unwrap();
        let reach = hi.max(-lo);
        let bound = reach * sign.relu_error() * (1.0 + 1e-6);
        let (kept_lo, kept_hi) = (lo / 4.0, hi / 2.0);
        let plans = [
            sign.relu(i).unwrap(),
            sign.leaky_relu(i, 0.1).unwrap(),
            sign.abs(i).unwrap(),
            sign.clamp(i, kept_lo, kept_hi).unwrap(),
            sign.sign(i).unwrap(),
            sign.step(i).unwrap(),
        ];
        for (k, extra) in [1, 1, 1, 1, 0, 0].into_iter().enumerate() {
            assert_eq!(plans[k].unit_depth(), 9 + extra, "{k}");
        }
        for k in 0..=1000 {
            let x = i.from_unit(f64::from(k) / 500.0 - 1.0);
            let error = |plan: usize, exact: f64| (plans[plan].eval(x) - exact).abs();
            assert!(error(0, x.max(0.0)) <= bound, "{x}");
            assert!(error(1, x.max(0.1 * x)) <= 0.9 * bound, "{x}");
            assert!(error(2, x.abs()) <= 2.0 * bound, "{x}");
            let far = (hi - kept_lo).max(kept_hi - lo) / reach;
            assert!(
                error(3, x.clamp(kept_lo, kept_hi)) <= 2.0 * far * bound,
                "{x}"
            );
            if x.abs() >= sign.gap() * reach {
                assert!(error(4, x.signum()) <= sign.error() * (1.0 + 1e-6));
                assert!(error(5, x.signum().max(0.0)) <= sign.error() * (0.5 + 1e-6));
            }
        }
    }
}

/// Noise of half the margin after every factor leaves the error where it is, but for the noise of the last value.
#[test]
fn noise_between_the_factors_is_absorbed() {
    let sign = CompositeSign::with_degrees(13.0, &[15, 15, 27]).unwrap();
    let noise = MARGIN / 2.0;
    for k in 0..4000 {
        let x = sign.gap().powf(f64::from(k) / 4000.0);
        for pattern in 0..4 {
            let mut value = x;
            for (j, p) in sign.factors().iter().enumerate().take(2) {
                let up = if pattern >> j & 1 == 0 { 1.0 } else { -1.0 };
                value = p.eval(value) + up * noise;
            }
            let last = sign.factors()[2].eval(value);
            assert!((1.0 - last).abs() <= (-12f64).exp2() * (1.0 + 1e-6), "{x}");
        }
    }
}

#[test]
fn misuse_is_refused() {
    match CompositeSign::new(13.0, 9) {
        Err(Error::Depth {
            reached, needed, ..
        }) => {
            assert_eq!(needed, Some(13));
            assert!(reached > 1e-3 && reached < 4e-3, "{reached}");
        }
        other => panic!("{other:?}"),
    }
    match CompositeSign::for_gap(1.0 / 1024.0, 1.0 / 1024.0, 12) {
        Err(Error::Depth {
            reached,
            needed: Some(14),
            ..
        }) => assert!(reached > 0.04 && reached < 0.05),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        CompositeSign::new(1.0, 9),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        CompositeSign::new(f64::NAN, 9),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        CompositeSign::for_gap(0.0, 0.1, 9),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        CompositeSign::with_degrees(7.0, &[7, 8]),
        Err(Error::Degree { .. })
    ));
    assert!(matches!(
        CompositeSign::with_degrees(7.0, &[]),
        Err(Error::Degree { .. })
    ));
    assert!(matches!(
        CompositeSign::with_degrees(13.0, &[3]),
        Err(Error::Target { .. })
    ));
    assert!(matches!(
        CompositeSign::cheon(5, 1, 1, 0.1),
        Err(Error::Degree { .. })
    ));
    let sign = CompositeSign::new(7.0, 9).unwrap();
    let right = Interval::try_new(1.0, 2.0).unwrap();
    assert!(matches!(sign.relu(right), Err(Error::Parameter { .. })));
    assert!(matches!(
        sign.clamp(right, 1.5, 1.25),
        Err(Error::Interval { .. })
    ));
    assert!(sign.clamp(right, 1.5, 2.5).is_err());
    assert!(sign.leaky_relu(Interval::UNIT, f64::NAN).is_err());
}

proptest! {
    /// `max(a, b) = b + relu(a - b)`, `min(a, b) = a - relu(a - b)`.
    #[test]
    fn the_larger_of_two(a in -2.0..2.0f64, b in -2.0..2.0f64) {
        let sign = CompositeSign::with_degrees(9.0, &[15, 15]).unwrap();
        let relu = sign.relu(Interval::symmetric(4.0).unwrap()).unwrap();
        let excess = relu.eval(a - b);
        let bound = 4.0 * sign.relu_error() * (1.0 + 1e-9);
        prop_assert!((b + excess - a.max(b)).abs() <= bound);
        prop_assert!((a - excess - a.min(b)).abs() <= bound);
    }
}
