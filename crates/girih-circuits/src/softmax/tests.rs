#![allow(clippy::unwrap_used)]

use girih_he::{Auto, ClearEvaluator, Level, Op, Program, Recorder};
use girih_polyfit::{EvaluationPlan, Function, Polynomial, interpolate};
use proptest::prelude::*;

use super::*;
use crate::CircuitCost;

type Clear = Auto<ClearEvaluator>;
type Vector = girih_he::ClearVector;

/// The exact softmax of a row, the mask applied.
fn softmax(row: &[f64], keep: impl Fn(usize) -> bool) -> Vec<f64> {
    let kept = |e: usize| keep(e);
    let most = (0..row.len())
        .filter(|&e| kept(e))
        .map(|e| row[e])
        .fold(f64::MIN, f64::max);
    let exps: Vec<f64> = (0..row.len())
        .map(|e| if kept(e) { (row[e] - most).exp() } else { 0.0 })
        .collect();
    let sum: f64 = exps.iter().sum();
    exps.iter()
        .map(|v| v / sum.max(f64::MIN_POSITIVE))
        .collect()
}

/// Rows of every kind: equal at both ends and between, one dominant, one low, alternating, spread evenly, random.
fn worst_rows(range: Interval, row: usize, element: usize, elements: usize) -> f64 {
    let (lo, hi) = (range.lo(), range.hi());
    match row % 8 {
        0 => lo,
        1 => hi,
        2 => range.center(),
        3 => {
            if element == row % elements {
                hi
            } else {
                lo
            }
        }
        4 => {
            if element == row % elements {
                lo
            } else {
                hi
            }
        }
        5 => {
            if element.is_multiple_of(2) {
                lo
            } else {
                hi
            }
        }
        6 => range.from_unit(-1.0 + 2.0 * element as f64 / elements.max(2) as f64),
        _ => range.from_unit(((row * 131 + element * 17) as f64 * 0.618).sin()),
    }
}

/// Runs with exactly the levels of the cost, and one less, which must fail. The values of each row.
fn run(
    rows: &Rows,
    cost: CircuitCost,
    value: impl Fn(usize, usize) -> f64,
    circuit: impl Fn(&Clear, &[Vector]) -> Result<Vec<Vector>>,
) -> Vec<Vec<f64>> {
    let with_levels = |levels: usize| {
        let eval = Auto::new(ClearEvaluator::leveled(rows.slots(), Level(levels as u8)));
        let xs: Vec<_> = rows
            .vectors(&value)
            .iter()
            .map(|v| eval.inner().vector(v).unwrap())
            .collect();
        circuit(&eval, &xs).map(|ys| (ys.iter().map(|y| eval.remaining(y)).max(), ys))
    };
    let (left, ys) = with_levels(cost.depth).unwrap();
    assert_eq!(left, Some(0), "{cost:?}");
    let short = with_levels(cost.depth - 1);
    assert!(short.is_err(), "{cost:?} is one level too many");
    let ys: Vec<_> = ys.iter().map(|y| y.values().to_vec()).collect();
    rows.gather(&ys).unwrap()
}

/// Products and rotations of the recorded circuit.
fn recorded(rows: &Rows, circuit: impl Fn(&Recorder, &[girih_he::ValueId])) -> (usize, usize) {
    let rec = Recorder::new("softmax", rows.slots());
    let xs: Vec<_> = (0..rows.ciphertexts())
        .map(|c| rec.input(&format!("x{c}")).unwrap())
        .collect();
    circuit(&rec, &xs);
    let (program, _): (Program, _) = rec.finish();
    let mut counts = (0, 0);
    for inst in program.insts {
        match inst.op {
            Op::Mul(..) => counts.0 += 1,
            Op::Dot(terms) => counts.0 += terms.len(),
            Op::DotAffine { mut products, .. } => {
                products.dedup();
                counts.0 += products.len();
            }
            Op::Rotate(..) => counts.1 += 1,
            _ => {}
        }
    }
    counts
}

fn layouts() -> Vec<(Rows, Option<usize>)> {
    let rows = |length, stride| Rows::try_new(64, length, stride).unwrap();
    vec![
        (rows(8, 1), None),
        (rows(8, 8), None),
        (rows(16, 2).padded(11).unwrap(), None),
        (rows(4, 4).across(3).unwrap(), None),
        (rows(1, 1).across(8).unwrap(), None),
        (rows(8, 1), Some(8)),
        (rows(8, 8), Some(8)),
    ]
}

fn mask(rows: &Rows, queries: Option<usize>) -> Option<Mask> {
    queries.map(|q| Mask::causal(rows, q).unwrap())
}

/// Largest relative error of the outputs, for rows with anything kept; zeros elsewhere.
fn worst_error(
    rows: &Rows,
    queries: Option<usize>,
    value: impl Fn(usize, usize) -> f64,
    found: &[Vec<f64>],
) -> f64 {
    let mut worst = 0f64;
    for (r, row) in found.iter().enumerate() {
        let xs: Vec<f64> = (0..rows.elements()).map(|e| value(r, e)).collect();
        let exact = softmax(&xs, |e| queries.is_none_or(|q| e <= r % q));
        for (y, x) in row.iter().zip(exact) {
            worst = worst.max(if x == 0.0 {
                y.abs()
            } else {
                (y / x - 1.0).abs()
            });
        }
    }
    worst
}

/// Every layout and range: the depth is that of the cost, the outputs keep the plan's bound, and products and rotations are
/// counted right.
macro_rules! keeps_its_bound {
    ($plan:ident, $target:expr, $ranges:expr) => {
        for (rows, queries) in layouts() {
            for (lo, hi) in $ranges {
                let range = Interval::try_new(lo, hi).unwrap();
                let scores = Scores::try_new(rows, range, mask(&rows, queries)).unwrap();
                let plan = $plan(scores);
                let bound = plan.relative_error();
                assert!(bound <= $target * (1.0 + 1e-9), "{bound:e}");
                let value = |r, e| worst_rows(range, r, e, rows.elements());
                let found = run(&rows, plan.cost(), value, |eval, xs| {
                    plan.evaluate(eval, "s", xs)
                });
                let worst = worst_error(&rows, queries, value, &found);
                assert!(worst <= bound + 1e-9, "{rows:?}: {worst:e}");
                let counts = recorded(&rows, |rec, xs| drop(plan.evaluate(rec, "s", xs).unwrap()));
                assert_eq!(counts, (plan.cost().products, plan.cost().rotations));
            }
        }
    };
}

#[test]
fn by_exponentials_in_the_stated_depth() {
    let plan = |scores| ExpSoftmax::try_new(scores, None, 1e-4).unwrap();
    keeps_its_bound!(plan, 1e-4, [(-3.0, 5.0), (-1.0, 1.0)]);
}

#[test]
fn by_normalising_and_squaring_in_the_stated_depth() {
    let plan = |scores| NormalizeSquare::try_new(scores, 1e-3).unwrap();
    keeps_its_bound!(plan, 1e-3, [(-3.0, 5.0), (-20.0, 30.0)]);
}

/// With exact reciprocals the recurrence is exact: after `k` steps softmax of the scores.
#[test]
fn normalising_and_squaring_is_exact_in_exact_arithmetic() {
    let row = [-4.5, 0.25, 3.0, 7.5, 7.0, -20.0];
    for k in 1..8 {
        let mut y: Vec<f64> = row.iter().map(|x| (x / 2f64.powi(k)).exp()).collect();
        for j in 1..=k {
            let sum: f64 = y.iter().map(|v| v * v).sum();
            y = y.iter().map(|v| v * v / sum).collect();
            let part: Vec<f64> = row.iter().map(|x| x / 2f64.powi(k - j)).collect();
            for (a, b) in y.iter().zip(softmax(&part, |_| true)) {
                assert!((a - b).abs() < 1e-14);
            }
        }
    }
}

/// The worked row (2, 1, 0, -1) with p = 4: (16, 1, 0, 1) / 18.
#[test]
fn powers_of_a_worked_row() {
    let rows = Rows::try_new(4, 4, 1).unwrap();
    for form in PowerForm::ALL {
        let spec = PowerSpec {
            rows,
            mask: None,
            bound: 2.0,
            power: 4,
            epsilon: 1e-6,
            form,
            sums: Some(Interval::try_new(0.25, 20.0).unwrap()),
        };
        let plan = PowerSoftmax::try_new(spec, 1e-6).unwrap();
        let row = [2.0, 1.0, 0.0, -1.0];
        let found = run(
            &rows,
            plan.cost(),
            |_, e| row[e],
            |eval, xs| plan.evaluate(eval, "s", xs),
        );
        for (y, x) in found[0].iter().zip([16.0, 1.0, 0.0, 1.0]) {
            assert!((y - x / 18.0).abs() < 1e-5, "{form:?} {found:?}");
        }
    }
}

#[test]
fn by_powers_in_the_stated_depth() {
    for (rows, queries) in layouts() {
        for form in PowerForm::ALL {
            for power in [2, 4, 6] {
                let bound = 2.0;
                let mask = match mask(&rows, queries) {
                    None if rows.is_padded() => Some(Mask::new(&rows, |_, _| true).unwrap()),
                    mask => mask,
                };
                let spec = PowerSpec {
                    rows,
                    mask,
                    bound,
                    power,
                    epsilon: 1e-2,
                    form,
                    sums: None,
                };
                let plan = PowerSoftmax::try_new(spec, 1e-4).unwrap();
                assert!(plan.relative_error() <= 1e-4);
                let range = Interval::symmetric(bound).unwrap();
                let value = |r, e| worst_rows(range, r, e, rows.elements());
                let found = run(&rows, plan.cost(), value, |eval, xs| {
                    plan.evaluate(eval, "s", xs)
                });
                for (r, row) in found.iter().enumerate() {
                    let kept =
                        queries.map_or(rows.elements(), |q| (r % q + 1).min(rows.elements()));
                    let xs: Vec<f64> = (0..kept).map(|e| value(r, e)).collect();
                    let exact = plan.exact(&xs);
                    for (e, y) in row.iter().enumerate() {
                        let x = exact.get(e).copied().unwrap_or(0.0);
                        assert!(
                            (y - x).abs() <= 1.01e-4 * x + 1e-12,
                            "{form:?} {power}: {y} {x}"
                        );
                    }
                }
                let counts = recorded(&rows, |rec, xs| drop(plan.evaluate(rec, "s", xs).unwrap()));
                assert_eq!(counts, (plan.cost().products, plan.cost().rotations));
            }
        }
    }
}

/// The mean does not depend on the length: neither does the reciprocal; the sum's does.
#[test]
fn the_length_agnostic_form_has_one_reciprocal_for_all_lengths() {
    let depth = |length: usize, form| {
        let spec = PowerSpec {
            rows: Rows::try_new(1024, length, 1024 / length).unwrap(),
            mask: None,
            bound: 8.0,
            power: 4,
            epsilon: 1e-3,
            form,
            sums: None,
        };
        PowerSoftmax::try_new(spec, 1e-3).unwrap().cost().depth
    };
    assert_eq!(
        depth(8, PowerForm::LengthAgnostic),
        depth(1024, PowerForm::LengthAgnostic)
    );
    assert!(depth(8, PowerForm::Stable) < depth(1024, PowerForm::Stable));
}

#[test]
fn sigma_attention_scales_by_the_length() {
    let range = Interval::symmetric(4.0).unwrap();
    let gelu = interpolate(|x| Function::Gelu.eval(x), range, 15).unwrap();
    for (rows, queries) in layouts() {
        for scaling in [
            SigmaScaling::InverseRoot,
            SigmaScaling::Inverse,
            SigmaScaling::Constant(0.25),
        ] {
            let activation = EvaluationPlan::polynomial(&gelu).unwrap();
            let plan =
                SigmaAttention::try_new(rows, activation, scaling, mask(&rows, queries)).unwrap();
            let value = |r, e| worst_rows(range, r, e, rows.elements());
            let found = run(&rows, plan.cost(), value, |eval, xs| {
                plan.evaluate(eval, "s", xs)
            });
            for (r, row) in found.iter().enumerate() {
                let kept = queries.map_or(rows.elements(), |q| (r % q + 1).min(rows.elements()));
                for (e, y) in row.iter().enumerate() {
                    let x = if e < kept {
                        gelu.eval(value(r, e)) * plan.factor(kept)
                    } else {
                        0.0
                    };
                    assert!((y - x).abs() < 1e-9, "{r} {e}: {y} {x}");
                }
            }
        }
    }
}

/// Rows whose largest score is known to be high need fewer levels, and still meet the target.
#[test]
fn known_row_maxima_save_levels() {
    let rows = Rows::try_new(64, 8, 8).unwrap();
    let range = Interval::try_new(-10.0, 6.0).unwrap();
    let scores = Scores::try_new(rows, range, None).unwrap();
    let known = scores.clone().with_row_maximum(2.0);
    let value = |r: usize, e: usize| match e {
        0 => 2.0 + 4.0 * r as f64 / 7.0,
        _ => -10.0 + (r + e) as f64 * 0.8,
    };
    let depth = |s: Scores| ExpSoftmax::try_new(s, None, 1e-3).unwrap().cost().depth;
    assert!(depth(known.clone()) + 4 < depth(scores));
    let plan = ExpSoftmax::try_new(known.clone(), None, 1e-3).unwrap();
    let found = run(&rows, plan.cost(), value, |eval, xs| {
        plan.evaluate(eval, "s", xs)
    });
    assert!(worst_error(&rows, None, value, &found) <= 1e-3);
    let plan = NormalizeSquare::try_new(known, 1e-3).unwrap();
    let found = run(&rows, plan.cost(), value, |eval, xs| {
        plan.evaluate(eval, "s", xs)
    });
    assert!(worst_error(&rows, None, value, &found) <= 1e-3);
}

#[test]
fn misuse_is_refused() {
    let rows = Rows::try_new(64, 8, 1).unwrap();
    let other = Rows::try_new(64, 8, 8).unwrap();
    let range = Interval::try_new(-4.0, 4.0).unwrap();
    let foreign = Mask::causal(&other, 8).unwrap();
    assert!(Scores::try_new(rows, range, Some(foreign.clone())).is_err());
    let scores = Scores::try_new(rows, range, None).unwrap();
    assert!(ExpSoftmax::try_new(scores.clone(), None, 0.0).is_err());
    let negative = Interval::try_new(-1.0, 1.0).unwrap();
    assert!(ExpSoftmax::try_new(scores.clone(), Some(negative), 1e-3).is_err());
    assert!(NormalizeSquare::with_steps(scores.clone(), 0, 1e-3).is_err());
    assert!(NormalizeSquare::try_new(scores.clone(), -1.0).is_err());
    let spec = |power, bound, epsilon| PowerSpec {
        rows,
        mask: None,
        bound,
        power,
        epsilon,
        form: PowerForm::Stable,
        sums: None,
    };
    for (power, bound, epsilon) in [
        (3, 1.0, 0.1),
        (0, 1.0, 0.1),
        (66, 1.0, 0.1),
        (4, 0.0, 0.1),
        (4, 1.0, 0.0),
    ] {
        assert!(PowerSoftmax::try_new(spec(power, bound, epsilon), 1e-3).is_err());
    }
    let mut masked = spec(4, 1.0, 0.1);
    masked.mask = Some(foreign);
    assert!(PowerSoftmax::try_new(masked, 1e-3).is_err());
    let plan = ExpSoftmax::try_new(scores, None, 1e-3).unwrap();
    let eval = Auto::new(ClearEvaluator::unlimited(64));
    assert!(plan.evaluate(&eval, "s", &[]).is_err());
    assert_eq!(Polynomial::power(range, [1.0]).unwrap().degree(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn random_rows(
        lo in -12.0..0.0f64,
        width in 0.5..16.0f64,
        log_length in 1u32..6,
        seed in 0u32..1000,
    ) {
        let range = Interval::try_new(lo, lo + width).unwrap();
        let length = 1usize << log_length;
        let rows = Rows::try_new(64, length, 64 / length).unwrap();
        let value = |r: usize, e: usize| range.from_unit(((r * 37 + e * 101) as f64 * 0.7 + f64::from(seed)).sin());
        let scores = Scores::try_new(rows, range, None).unwrap();
        let squares = NormalizeSquare::try_new(scores.clone(), 1e-3).unwrap();
        let found = run(&rows, squares.cost(), value, |eval, xs| squares.evaluate(eval, "s", xs));
        prop_assert!(worst_error(&rows, None, value, &found) <= 1e-3);
        let direct = ExpSoftmax::try_new(scores, None, 1e-3).unwrap();
        let found = run(&rows, direct.cost(), value, |eval, xs| direct.evaluate(eval, "s", xs));
        prop_assert!(worst_error(&rows, None, value, &found) <= 1e-3);
    }
}
