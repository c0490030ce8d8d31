//! Every kind of evaluation plan.

use girih_polyfit::exponential::Exponential;
use girih_polyfit::extension::DomainExtension;
use girih_polyfit::inverse_sqrt::{InverseSqrt, InverseSqrtMethod, Sqrt};
use girih_polyfit::piecewise::{Objective, Piece, Piecewise};
use girih_polyfit::reciprocal::Reciprocal;
use girih_polyfit::{CompositeSign, EvaluationPlan, Function, Interval, Remez, fit};

use crate::{checked, points};

fn interval(lo: f64, hi: f64) -> Interval {
    Interval::try_new(lo, hi).unwrap()
}

#[test]
fn single_polynomials() {
    let range = interval(-6.0, 5.0);
    for function in [
        Function::Gelu,
        Function::Sigmoid,
        Function::Silu,
        Function::Tanh,
    ] {
        let best = Remez::function(function, range, 23)
            .unwrap()
            .solve()
            .unwrap();
        let plan = EvaluationPlan::polynomial(&best.polynomial).unwrap();
        for (x, y) in points(range)
            .iter()
            .zip(checked(&plan, &points(range), 1e-8))
        {
            assert!(
                (y - function.eval(*x)).abs() <= best.error + 1e-8,
                "{function} {x}"
            );
        }
    }
    let power = fit(Function::Exp, Interval::UNIT, 7)
        .unwrap()
        .polynomial
        .to_power()
        .unwrap();
    checked(
        &EvaluationPlan::polynomial(&power).unwrap(),
        &points(Interval::UNIT),
        1e-8,
    );
}

#[test]
fn composites_and_what_follows_from_them() {
    let sign = CompositeSign::new(8.0, 9).unwrap();
    let range = interval(-4.0, 4.0);
    for plan in [
        sign.sign(range).unwrap(),
        sign.step(range).unwrap(),
        sign.relu(range).unwrap(),
        sign.leaky_relu(range, 0.1).unwrap(),
        sign.abs(range).unwrap(),
        sign.clamp(range, -1.0, 2.0).unwrap(),
    ] {
        // Near zero the sign is steep: it multiplies the noise by its slope, 2^8 and more.
        checked(&plan, &points(range), 1e-5);
    }
    let relu = sign.relu(range).unwrap();
    for (x, y) in points(range)
        .iter()
        .zip(checked(&relu, &points(range), 1e-5))
    {
        assert!((y - x.max(0.0)).abs() <= 4.0 * sign.relu_error() + 1e-5);
    }
}

#[test]
fn pieces() {
    let range = interval(-6.0, 6.0);
    let shape = [
        Piece::zero(),
        Piece::Fitted { degree: 4 },
        Piece::identity(),
    ];
    let gelu = |x: f64| Function::Gelu.eval(x);
    let pieces = Piecewise::fit(gelu, range, &shape, Objective::Largest).unwrap();
    let plan = pieces.plan(&CompositeSign::new(10.0, 12).unwrap()).unwrap();
    checked(&plan, &points(range), 1e-3);
}

#[test]
fn extended_domains() {
    let extension = DomainExtension::new(interval(-20.0, 20.0), 3).unwrap();
    let plan = extension.fit(|x| Function::Tanh.eval(x), 31).unwrap();
    checked(&plan, &points(plan.interval()), 1e-6);
}

#[test]
fn iterations() {
    let range = interval(0.02, 1.0);
    for r in [
        Reciprocal::relaxed(range, 0.02, 6).unwrap(),
        Reciprocal::minimax(range, 0.02, 15).unwrap(),
        Reciprocal::for_error(interval(-9.0, -0.3), 1.0, 1e-5).unwrap(),
    ] {
        checked(&r.plan, &points(r.range), 1e-6);
    }
    for plan in [
        Reciprocal::relaxed(range, 0.02, 6).unwrap().plan,
        Reciprocal::minimax(range, 0.02, 15).unwrap().plan,
        Reciprocal::for_error(interval(-9.0, -0.3), 1.0, 1e-5)
            .unwrap()
            .plan,
        InverseSqrt::for_error(range, 0.1, 1e-4).unwrap().plan,
        InverseSqrt::with_method(
            range,
            0.1,
            InverseSqrtMethod {
                degree: 7,
                steps: 2,
            },
        )
        .unwrap()
        .plan,
        Sqrt::for_error(range, 1e-4).unwrap().plan,
        Sqrt::with_method(
            range,
            InverseSqrtMethod {
                degree: 7,
                steps: 2,
            },
        )
        .unwrap()
        .plan,
        Exponential::for_error(interval(-12.0, 2.0), 2.0, 1.0, 1e-4)
            .unwrap()
            .plan,
    ] {
        checked(&plan, &points(plan.interval()), 1e-6);
    }
}
