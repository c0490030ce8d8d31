#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use girih_he::{Auto, ClearEvaluator, Level, Op, Program, Recorder, interpret};
use girih_polyfit::{Function, Interval, PlanCounts, Polynomial};
use proptest::prelude::*;

use super::*;

/// `⌈log₂(degree + 1)⌉`
fn depth_of_degree(degree: usize) -> usize {
    (usize::BITS - degree.leading_zeros()) as usize
}

fn points(interval: Interval) -> Vec<f64> {
    (0..64)
        .map(|i| interval.from_unit(-1.0 + 2.0 * f64::from(i) / 63.0))
        .collect()
}

/// Coefficients that are neither zero nor one.
fn coefficients(degree: usize) -> Vec<f64> {
    (0..=degree)
        .map(|k| ((k * k + 3 * k + 1) as f64 * 0.7).sin() * 0.5 + 0.001)
        .collect()
}

/// Runs the plan with exactly `levels` levels; returns the levels left.
fn run(plan: &PolynomialPlan, p: &Polynomial, levels: usize) -> Result<u8> {
    let eval = Auto::new(ClearEvaluator::leveled(64, Level(levels as u8)));
    let x = points(p.interval());
    let input = eval.inner().vector(&x)?;
    let y = evaluate(&eval, plan, &input)?;
    if plan.input_map().is_none() {
        // Every part at the level at which it is needed: the same values there.
        let leveled = evaluate_unit_leveled(&eval, plan, &input)?;
        assert_eq!(eval.remaining(&leveled), eval.remaining(&y), "{plan}");
        assert_eq!(leveled.values(), y.values(), "{plan}");
    }
    for (&x, &y) in x.iter().zip(y.values()) {
        let expected = p.eval(x);
        assert!(
            (y - expected).abs() < 1e-9 * (1.0 + p.magnitude()),
            "{plan}: {y} {expected} at {x}"
        );
    }
    Ok(eval.remaining(&y))
}

fn record(plan: &PolynomialPlan) -> Program {
    let rec = Recorder::new("p", 64);
    let x = rec.input("x").unwrap();
    let y = evaluate_unit(&rec, plan, &x).unwrap();
    rec.output("y", &y).unwrap();
    rec.finish().0
}

#[test]
fn every_degree_is_right_in_optimal_depth() {
    for degree in 1..=63 {
        for parity in [None, Some(0), Some(1)] {
            let mut c = coefficients(degree);
            if let Some(keep) = parity {
                (0..=degree)
                    .filter(|k| k % 2 != keep)
                    .for_each(|k| c[k] = 0.0);
            }
            for p in [
                Polynomial::chebyshev(Interval::UNIT, c.clone()).unwrap(),
                Polynomial::power(Interval::UNIT, c).unwrap(),
            ] {
                if p.degree() == 0 {
                    continue;
                }
                let plan = PolynomialPlan::new(&p);
                let depth = depth_of_degree(p.degree());
                assert_eq!(plan.depth(), depth, "{plan}");
                assert_eq!(run(&plan, &p, depth).unwrap(), 0, "{plan}");
                assert!(run(&plan, &p, depth - 1).is_err(), "{plan}");
            }
        }
    }
}

#[test]
fn counts_are_those_of_the_recorded_program() {
    for degree in 1..=63 {
        let p = Polynomial::chebyshev(Interval::UNIT, coefficients(degree)).unwrap();
        let plan = PolynomialPlan::new(&p);
        let mut counts = PlanCounts::default();
        for inst in record(&plan).insts {
            match inst.op {
                Op::Mul(..) => {
                    counts.products += 1;
                    counts.relinearizations += 1;
                }
                Op::Dot(terms) => {
                    counts.products += terms.len();
                    counts.relinearizations += 1;
                }
                Op::DotAffine {
                    mut products,
                    linear,
                    ..
                } => {
                    // 2 T_a T_b is written as the same product twice
                    products.dedup();
                    counts.products += products.len();
                    counts.relinearizations += usize::from(!products.is_empty());
                    // - T_(a-b)
                    counts.scalar_products += linear.iter().filter(|t| t.1 != -1.0).count();
                }
                Op::MulScalar(..) => counts.scalar_products += 1,
                Op::MulPlain(..) | Op::DotPlain(_) => panic!("a product with a vector"),
                _ => {}
            }
        }
        assert_eq!(counts, plan.counts(), "{plan}");
    }
}

/// Products and relinearisations of dense, odd and even polynomials in optimal depth: a change here
/// is a change of cost.
#[test]
fn known_counts() {
    let counts = |degree: usize, keep: fn(usize) -> bool| {
        let c: Vec<f64> = coefficients(degree)
            .into_iter()
            .enumerate()
            .map(|(k, c)| if keep(k) { c } else { 0.0 })
            .collect();
        let plan = PolynomialPlan::new(&Polynomial::chebyshev(Interval::UNIT, c).unwrap());
        (plan.counts().products, plan.counts().relinearizations)
    };
    let table: Vec<_> = [3, 7, 15, 31, 63]
        .map(|d| {
            [
                counts(d, |_| true),
                counts(d, |k| k % 2 == 1),
                counts(d - 1, |k| k % 2 == 0),
            ]
        })
        .into_iter()
        .collect();
    // In powers a product may join another chain; the counts stay within one of the table.
    for (d, row) in [3usize, 7, 15, 31, 63].into_iter().zip(&table) {
        let plan =
            PolynomialPlan::new(&Polynomial::power(Interval::UNIT, coefficients(d)).unwrap());
        assert!(plan.counts().products <= row[0].0, "{plan}");
        // Paterson and Stockmeyer: about 2 sqrt(d) + log2(d) products
        let bound = 2.0 * (d as f64).sqrt() + (d as f64).log2();
        assert!(row[0].0 as f64 <= bound, "{plan}");
    }
    let expected = [
        [(2, 2), (2, 2), (1, 1)],
        [(5, 4), (5, 4), (3, 3)],
        [(8, 7), (8, 7), (6, 5)],
        [(13, 10), (13, 10), (9, 8)],
        [(18, 15), (17, 14), (14, 11)],
    ];
    assert_eq!(table, expected);
}

#[test]
fn recorded_programs_run_with_the_same_depth() {
    let p = girih_polyfit::fit(Function::Gelu, Interval::symmetric(4.0).unwrap(), 27)
        .unwrap()
        .polynomial;
    let plan = PolynomialPlan::new(&p);
    assert_eq!((plan.depth(), plan.unit_depth()), (6, 5));
    let program = record(&plan);
    let eval = Auto::new(ClearEvaluator::leveled(64, Level(5)));
    let u = points(Interval::UNIT);
    let inputs = BTreeMap::from([("x".to_owned(), eval.inner().vector(&u).unwrap())]);
    let outputs = interpret::run(
        &program,
        &girih_he::Constants::default(),
        &eval,
        inputs,
        &mut (),
    )
    .unwrap();
    for (&u, &y) in u.iter().zip(outputs[0].1.values()) {
        assert!((y - p.eval(4.0 * u)).abs() < 1e-9);
    }
}

#[test]
fn small_polynomials() {
    let unit = Interval::UNIT;
    // x², with no scalar product and one level.
    let square = Polynomial::power(Interval::symmetric(9.0).unwrap(), [0.0, 0.0, 1.0]).unwrap();
    let plan = PolynomialPlan::new(&square);
    assert_eq!(
        plan.counts(),
        PlanCounts {
            products: 1,
            relinearizations: 1,
            scalar_products: 0
        }
    );
    assert_eq!((plan.depth(), run(&plan, &square, 1).unwrap()), (1, 0));
    // a x² + b x + c in powers: two levels, without scaling the input.
    let quadratic =
        Polynomial::power(Interval::symmetric(9.0).unwrap(), [0.25, 0.5, 0.125]).unwrap();
    let plan = PolynomialPlan::new(&quadratic);
    assert_eq!((plan.depth(), run(&plan, &quadratic, 2).unwrap()), (2, 0));
    assert!(run(&plan, &quadratic, 1).is_err());
    // Constants take their zero from the input.
    let constant = Polynomial::power(unit, [2.5]).unwrap();
    let plan = PolynomialPlan::new(&constant);
    assert_eq!((plan.depth(), run(&plan, &constant, 1).unwrap()), (1, 0));
    let identity = Polynomial::power(unit, [0.0, 1.0]).unwrap();
    let plan = PolynomialPlan::new(&identity);
    assert_eq!((plan.depth(), run(&plan, &identity, 0).unwrap()), (0, 0));
}

#[test]
fn intervals_cost_a_level_only_when_scaled() {
    let c = coefficients(7);
    for (lo, hi, depth) in [(-1.0, 1.0, 3), (0.0, 2.0, 3), (-4.0, 4.0, 4), (2.0, 7.0, 4)] {
        let p = Polynomial::chebyshev(Interval::try_new(lo, hi).unwrap(), c.clone()).unwrap();
        let plan = PolynomialPlan::new(&p);
        assert_eq!((plan.depth(), plan.unit_depth()), (depth, 3));
        assert_eq!(run(&plan, &p, depth).unwrap(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn sparse_polynomials_in_both_bases(
        c in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), -1.0..1.0f64], 1..64),
        power in any::<bool>(),
    ) {
        let p = if power {
            Polynomial::power(Interval::UNIT, c)
        } else {
            Polynomial::chebyshev(Interval::UNIT, c)
        };
        let p = p.unwrap();
        let plan = PolynomialPlan::new(&p);
        prop_assert!(plan.depth() <= depth_of_degree(p.degree()).max(1), "{}", plan);
        prop_assert_eq!(run(&plan, &p, plan.depth()).unwrap(), 0, "{}", plan);
    }
}

#[test]
fn degrees_of_powers_of_two_with_a_free_leading_coefficient_save_a_level() {
    for k in 1..=5 {
        let degree = 1usize << k;
        for even in [false, true] {
            let mut c = coefficients(degree);
            if even {
                c.iter_mut().skip(1).step_by(2).for_each(|c| *c = 0.0);
            }
            for p in [
                {
                    c[degree] = 0.5;
                    Polynomial::chebyshev(Interval::UNIT, c.clone()).unwrap()
                },
                {
                    c[degree] = 1.0;
                    Polynomial::power(Interval::UNIT, c.clone()).unwrap()
                },
            ] {
                let plan = PolynomialPlan::new(&p);
                assert_eq!(plan.unit_depth(), k, "{plan}");
                assert_eq!(run(&plan, &p, k).unwrap(), 0);
                assert!(run(&plan, &p, k - 1).is_err());
                // No dearer than the same polynomial in a level more.
                c[degree] = 0.7;
                let other = Polynomial::chebyshev(Interval::UNIT, c.clone()).unwrap();
                let products = |plan: PolynomialPlan| plan.counts().products;
                assert!(products(plan) <= products(PolynomialPlan::new(&other)) + 1);
            }
        }
    }
}
