//! Fits weighted by measured inputs beat fits of the whole range on inputs that no fit has seen, by the factors that
//! `docs/density.md` states.

#![allow(clippy::unwrap_used)]

use girih_fixtures::activations;
use girih_polyfit::{Density, Function};

use crate::experiment::{Case, Cost, Method};

fn cases(function: Function) -> Vec<Case> {
    let measured = activations::minilm()
        .into_iter()
        .chain(activations::mnist());
    measured
        .filter_map(|a| Case::new(&a).unwrap())
        .filter(|case| case.function == function)
        .collect()
}

#[track_caller]
fn assert_gains(function: Function, layers: usize, degree: usize, least: f64, most: f64) {
    let cases = cases(function);
    assert_eq!(cases.len(), layers);
    for case in cases {
        let [whole, bands] = case.gains(degree).unwrap();
        let at = format!("{function} {} {degree}: {whole} {bands}", case.layer);
        assert!((least..=most).contains(&whole), "{at}");
        // Least squares on part of the range is no worse on that part; the held-out half is another.
        assert!((0.99 * whole..=most).contains(&bands), "{at}");
    }
}

#[test]
fn equal_degree_gelu() {
    assert_gains(Function::Gelu, 6, 7, 3.2, 6.6);
    assert_gains(Function::Gelu, 6, 15, 3.7, 8.5);
}

#[test]
fn equal_degree_exp() {
    assert_gains(Function::Exp, 6, 7, 1.5, 4.2);
    assert_gains(Function::Exp, 6, 15, 1.6, 6.4);
}

#[test]
fn equal_degree_relu() {
    assert_gains(Function::Relu, 4, 7, 1.2, 1.8);
    assert_gains(Function::Relu, 4, 15, 1.1, 1.7);
}

/// Degree 7 weighted by the density does what takes degree 15 to 25 without: one or two levels more, and 1.6 to 1.9 times
/// the time. At degree 15 the factor is 1.2 to 1.5.
#[test]
fn equal_error_gelu() {
    for case in cases(Function::Gelu) {
        for (degree, least, most) in [(7, 1.5, 2.1), (15, 1.1, 1.7)] {
            let weighted = case.fit(Method::DensityBands, degree).unwrap();
            let plain = case.plain_for(case.error(&weighted)).unwrap();
            let (cheap, dear) = (Cost::of(&weighted), Cost::of(&plain));
            let factor = dear.price / cheap.price;
            assert!((least..=most).contains(&factor), "{}: {factor}", case.layer);
            assert!(dear.depth > cheap.depth && dear.products >= cheap.products + 2);
        }
    }
}

/// Break points settle where the function bends, whatever the weight: the density gains a tenth or two, no more.
#[test]
fn pieces_gain_little() {
    for case in cases(Function::Gelu)
        .into_iter()
        .chain(cases(Function::Exp))
        .step_by(3)
    {
        let measured = case.pieces(&case.weight().unwrap(), 2).unwrap();
        let even = case.pieces(&Density::uniform(case.range), 2).unwrap();
        let gain = case.error_of(|x| even.eval(x)) / case.error_of(|x| measured.eval(x));
        assert!((1.0..1.3).contains(&gain), "{} {gain}", case.layer);
    }
}

/// What the weights cost: far from all inputs, but inside the range, the fit is worse than the function is large.
#[test]
fn largest_error_is_the_price() {
    for case in cases(Function::Gelu) {
        let weighted = case.fit(Method::Density, 15).unwrap();
        let even = case.fit(Method::Minimax, 15).unwrap();
        let (weighted, even) = (
            case.largest(&weighted).unwrap(),
            case.largest(&even).unwrap(),
        );
        assert!(weighted > 50.0 * even && weighted < 1000.0 * even);
    }
}

/// MiniLM's largest activations are islands: layers 0 to 3 have no input between 8 and them, and a fit that may be anything
/// there is better everywhere else.
#[test]
fn gaps_are_free() {
    for case in cases(Function::Gelu) {
        let islands = case.bands().unwrap().len() - 1;
        assert_eq!(islands, [1, 1, 2, 1, 0, 0][case.layer]);
        let [minimax, _, _, bands, ..] = case.errors(15).unwrap();
        let gain = minimax / bands;
        assert!(
            if islands == 0 {
                (gain - 1.0).abs() < 1e-6
            } else {
                gain > 1.03
            },
            "{} {gain}",
            case.layer
        );
    }
}

/// Histograms stand for their inputs: 4096 real inputs give the error that the held-out histogram gives.
#[test]
fn histograms_stand_for_inputs() {
    for case in cases(Function::Gelu) {
        let Some(inputs) = activations::minilm_gelu(case.layer) else {
            continue;
        };
        for method in [Method::Uniform, Method::Chebyshev] {
            let fitted = case.fit(method, 15).unwrap();
            let squares = inputs.values.iter().map(|&x| {
                let x = f64::from(x);
                (fitted.eval(x) - case.eval(x)).powi(2)
            });
            let real = (squares.sum::<f64>() / inputs.values.len() as f64).sqrt();
            let ratio = real / case.error(&fitted);
            assert!(
                (0.95..1.05).contains(&ratio),
                "{} {method:?} {ratio}",
                case.layer
            );
        }
    }
}
