#![allow(clippy::unwrap_used)]
use super::*;
use crate::published::{IDASH_SIGMOID, PUMA_GELU};
use crate::{Function, PolynomialPlan, fit_weighted};
use proptest::prelude::*;

fn gelu(x: f64) -> f64 {
    Function::Gelu.eval(x)
}

fn line() -> Piece {
    Piece::Fitted { degree: 1 }
}

#[test]
fn kinks_become_breaks() {
    let i = Interval::try_new(-2.0, 3.0).unwrap();
    let f = |x: f64| (x - 0.37).abs() - 0.25 * (x - 1.71).abs();
    let density = Density::normal(0.5, 1.0).unwrap();
    for objective in [Objective::Largest, Objective::MeanSquare(&density)] {
        let p = Piecewise::fit(f, i, &[line(), line(), line()], objective).unwrap();
        assert!((p.breaks()[0] - 0.37).abs() < 1e-3, "{:?}", p.breaks());
        assert!((p.breaks()[1] - 1.71).abs() < 1e-3, "{:?}", p.breaks());
        assert!(p.max_error(f).unwrap() < 1e-3);
    }
}

/// One break, against a scan of it by least squares on both sides.
#[test]
fn breaks_are_optimal() {
    let i = Interval::try_new(-6.0, 0.0).unwrap();
    let density = Density::normal(-2.0, 2.0).unwrap().restricted(i).unwrap();
    let shape = [Piece::zero(), Piece::Fitted { degree: 2 }];
    let rms = |p: &Piecewise| {
        let cut = |lo: f64, hi: f64| density.nodes(Interval::try_new(lo, hi).unwrap(), 8);
        let parts = [cut(-6.0, p.breaks()[0]), cut(p.breaks()[0], 0.0)].concat();
        let squares = parts
            .iter()
            .map(|&(x, w)| w * (x.exp() - p.eval(x)).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let found = Piecewise::fit(f64::exp, i, &shape, Objective::MeanSquare(&density)).unwrap();
    let mut best = f64::INFINITY;
    for k in 1..600 {
        let t = -6.0 + 0.01 * f64::from(k);
        let right = Interval::try_new(t, 0.0).unwrap();
        let quadratic = fit_weighted(f64::exp, &density, right, 2).unwrap();
        let zero = Polynomial::power(i, [0.0]).unwrap();
        best = best.min(rms(
            &Piecewise::try_new(i, vec![t], vec![zero, quadratic]).unwrap()
        ));
    }
    assert!(rms(&found) <= best * 1.0005, "{} {best}", rms(&found));
}

/// The shapes of the literature, with breaks and coefficients of our own, are better than published ones.
#[test]
fn optimised_pieces_beat_published_ones() {
    let i = Interval::symmetric(8.0).unwrap();
    let fitted = |degree| Piece::Fitted { degree };
    let shape = [Piece::zero(), fitted(3), fitted(6), Piece::identity()];
    let puma = PUMA_GELU.piecewise(i).unwrap();
    let ours = Piecewise::fit(gelu, i, &shape, Objective::Largest).unwrap();
    let (e_puma, e_ours) = (puma.max_error(gelu).unwrap(), ours.max_error(gelu).unwrap());
    assert!(e_ours < e_puma / 6.0, "{e_ours} {e_puma}");
    let uniform = Density::uniform(i);
    let ours = Piecewise::fit(gelu, i, &shape, Objective::MeanSquare(&uniform)).unwrap();
    let rms = |p: &Piecewise| uniform.rms_error(gelu, |x| p.eval(x));
    assert!(
        rms(&ours) < rms(&puma) / 3.5,
        "{} {}",
        rms(&ours),
        rms(&puma)
    );

    let i = Interval::symmetric(10.0).unwrap();
    let sigmoid = |x: f64| Function::Sigmoid.eval(x);
    let idash = IDASH_SIGMOID.piecewise(i).unwrap();
    let constant = |c: f64| Piece::Fixed {
        coefficients: vec![c],
    };
    let shape = [constant(1e-4), line(), line(), line(), constant(1.0 - 1e-4)];
    let ours = Piecewise::fit(sigmoid, i, &shape, Objective::Largest).unwrap();
    let (theirs, ours) = (
        idash.max_error(sigmoid).unwrap(),
        ours.max_error(sigmoid).unwrap(),
    );
    assert!(ours < theirs / 2.7, "{ours} {theirs}");
}

/// Breaks for the inputs that occur: the exponential of a softmax, whose inputs are mostly near zero.
#[test]
fn the_density_moves_the_breaks() {
    let i = Interval::try_new(-14.0, 0.0).unwrap();
    let density = Density::laplace(0.0, 0.4).unwrap().restricted(i).unwrap();
    let shape = [Piece::zero(), Piece::Fitted { degree: 2 }];
    let uniform = Density::uniform(i);
    let flat = Piecewise::fit(f64::exp, i, &shape, Objective::MeanSquare(&uniform)).unwrap();
    let ours = Piecewise::fit(f64::exp, i, &shape, Objective::MeanSquare(&density)).unwrap();
    let rms = |p: &Piecewise| density.rms_error(f64::exp, |x| p.eval(x));
    assert!(
        rms(&ours) < rms(&flat) / 1.3,
        "{} {}",
        rms(&ours),
        rms(&flat)
    );
}

#[test]
fn plans_select_pieces() {
    let i = Interval::symmetric(8.0).unwrap();
    let sign = CompositeSign::new(10.0, 12).unwrap();
    let puma = PUMA_GELU.piecewise(i).unwrap();
    let plan = puma.plan(&sign).unwrap();
    let zones = puma.switch_zones(&sign);
    assert_eq!(zones.len(), 3);
    let signs = sign.sign(i).unwrap();
    assert_eq!(plan.unit_depth(), signs.unit_depth() + 1);
    let counts = plan.counts().products;
    assert!(counts >= 3 * signs.counts().products + 3, "{counts}");
    let mut seen = 0;
    for k in 0..=4000 {
        let x = -8.0 + 0.004 * f64::from(k);
        let value = plan.eval(x);
        if let Some(zone) = zones.iter().position(|z| z.0 <= x && x <= z.1) {
            seen += 1;
            let ends = [puma.pieces()[zone].eval(x), puma.pieces()[zone + 1].eval(x)];
            let slack = 0.05;
            assert!(value > ends[0].min(ends[1]) - slack && value < ends[0].max(ends[1]) + slack);
        } else {
            let jumps: f64 = puma
                .pieces()
                .windows(2)
                .map(|p| (p[1].eval(x) - p[0].eval(x)).abs())
                .sum();
            let bound = jumps * sign.error() / 2.0 * (1.0 + 1e-6) + 1e-12;
            assert!(
                (value - puma.eval(x)).abs() <= bound,
                "{x}: {value} {}",
                puma.eval(x)
            );
        }
    }
    assert!(seen > 10);
}

#[test]
fn few_pieces() {
    let i = Interval::symmetric(2.0).unwrap();
    let single = Piecewise::fit(
        f64::exp,
        i,
        &[Piece::Fitted { degree: 5 }],
        Objective::Largest,
    )
    .unwrap();
    let sign = CompositeSign::new(8.0, 8).unwrap();
    let plan = single.plan(&sign).unwrap();
    assert!((plan.eval(1.3) - single.eval(1.3)).abs() < 1e-12);
    let depth = PolynomialPlan::new(&single.pieces()[0]).unit_depth();
    assert_eq!(plan.unit_depth(), depth);
    // A constant jump is a scaled step: no product.
    let constant = |c: f64| Polynomial::power(i, [c]).unwrap();
    let steps = Piecewise::try_new(i, vec![0.0], vec![constant(1.0), constant(4.0)]).unwrap();
    let plan = steps.plan(&sign).unwrap();
    assert_eq!(plan.unit_depth(), sign.sign(i).unwrap().unit_depth());
    assert!(
        (plan.eval(1.0) - 4.0).abs() < 1.5 * sign.error()
            && (plan.eval(-1.5) - 1.0).abs() < 1.5 * sign.error()
    );
    let flat = Piecewise::try_new(i, vec![], vec![constant(2.5)]).unwrap();
    assert_eq!(flat.plan(&sign).unwrap().eval(0.3), 2.5);
}

#[test]
fn misuse_is_refused() {
    let i = Interval::UNIT;
    let p = Polynomial::power(i, [1.0]).unwrap();
    let build = |breaks: Vec<f64>, n: usize| Piecewise::try_new(i, breaks, vec![p.clone(); n]);
    assert!(matches!(
        build(vec![0.0], 1),
        Err(Error::Pieces {
            pieces: 1,
            breaks: 1
        })
    ));
    assert!(matches!(
        build(vec![0.5, 0.2], 3),
        Err(Error::Break { index: 1, .. })
    ));
    assert!(matches!(
        build(vec![f64::NAN], 2),
        Err(Error::Break { index: 0, .. })
    ));
    assert!(matches!(build(vec![1.0], 2), Err(Error::Break { .. })));
    let fit = |pieces: &[Piece]| Piecewise::fit(f64::ln, i, pieces, Objective::Largest);
    assert!(matches!(fit(&[]), Err(Error::Pieces { .. })));
    assert!(matches!(
        fit(&[Piece::Fitted { degree: 0 }]),
        Err(Error::Degree { .. })
    ));
    assert!(matches!(
        fit(&[Piece::Fixed {
            coefficients: vec![]
        }]),
        Err(Error::Coefficient { .. })
    ));
    assert!(matches!(
        fit(&[line(), line()]),
        Err(Error::NotFinite { .. })
    ));
    let far = Density::uniform(Interval::try_new(5.0, 6.0).unwrap());
    let outside = Piecewise::fit(f64::exp, i, &[line()], Objective::MeanSquare(&far));
    assert!(matches!(outside, Err(Error::Histogram { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    /// More pieces are never worse, and every break is inside.
    #[test]
    fn more_pieces_help(mean in -2.0..2.0f64, deviation in 0.2..3.0f64) {
        let i = Interval::symmetric(6.0).unwrap();
        let density = Density::normal(mean, deviation).unwrap();
        let mut before = f64::INFINITY;
        for n in 1..4 {
            let p = Piecewise::fit(f64::tanh, i, &vec![line(); n], Objective::MeanSquare(&density)).unwrap();
            prop_assert_eq!(p.breaks().len(), n - 1);
            let rms = density.rms_error(f64::tanh, |x| p.eval(x));
            prop_assert!(rms <= before * 1.01 + 1e-9, "{} {} {}", n, rms, before);
            before = rms;
        }
    }
}
