//! Softmax, norms, maximum and arg-max of rows.

use girih_circuits::arg_max::{MaxSpec, Maximum};
use girih_circuits::cut_max::{CutMax, CutMaxSpec};
use girih_circuits::norm::{Norm, NormKind, NormSpec};
use girih_circuits::softmax::{
    ExpSoftmax, NormalizeSquare, PowerForm, PowerSoftmax, PowerSpec, Scores, SigmaAttention,
    SigmaScaling,
};
use girih_circuits::{Mask, Result, Rows};
use girih_ckks::Ciphertext;
use girih_he::Rotation;
use girih_polyfit::{CompositeSign, EvaluationPlan, Function, Interval, fit};

use crate::{Encrypted, Eval, SLOTS};

/// The rows of the result, computed with exactly so many levels.
fn rows_of(
    rows: &Rows,
    depth: usize,
    rotations: impl IntoIterator<Item = Rotation>,
    value: impl Fn(usize, usize) -> f64,
    circuit: impl Fn(&Eval, &[Ciphertext]) -> Result<Vec<Ciphertext>>,
) -> Vec<Vec<f64>> {
    let encrypted = Encrypted::new(depth, rotations);
    let xs: Vec<_> = rows
        .vectors(value)
        .iter()
        .map(|v| encrypted.encrypt(v))
        .collect();
    let ys = circuit(&encrypted.eval, &xs).unwrap();
    assert!(ys.iter().all(|y| encrypted.eval.remaining(y) == 0));
    let ys: Vec<_> = ys.iter().map(|y| encrypted.decrypt(y)).collect();
    rows.gather(&ys).unwrap()
}

fn softmax(row: &[f64], keep: impl Fn(usize) -> bool) -> Vec<f64> {
    let kept: Vec<f64> = row
        .iter()
        .enumerate()
        .map(|(e, x)| if keep(e) { x.exp() } else { 0.0 })
        .collect();
    let sum: f64 = kept.iter().sum();
    kept.iter().map(|v| v / sum).collect()
}

/// Rows that are equal, dominated by one, alternating between the ends, or mixed.
fn score(range: Interval, r: usize, e: usize) -> f64 {
    match r % 4 {
        0 => range.from_unit(-1.0 + 2.0 * (r % 9) as f64 / 8.0),
        1 => {
            if e == r % 8 {
                range.hi()
            } else {
                range.lo()
            }
        }
        2 => {
            if e.is_multiple_of(2) {
                range.hi()
            } else {
                range.lo()
            }
        }
        _ => range.from_unit(((r * 13 + e * 29) as f64).sin()),
    }
}

fn layouts() -> [(Rows, Option<usize>); 3] {
    let rows = |length, stride| Rows::try_new(SLOTS, length, stride).unwrap();
    [
        (rows(8, SLOTS / 8), None),
        (rows(8, 2), Some(8)),
        (rows(4, SLOTS / 4).across(2).unwrap(), None),
    ]
}

#[test]
fn softmax_by_exponentials_and_by_squaring() {
    let range = Interval::try_new(-3.0, 3.0).unwrap();
    for (rows, queries) in layouts() {
        let mask = queries.map(|q| Mask::causal(&rows, q).unwrap());
        let scores = Scores::try_new(rows, range, mask).unwrap();
        let direct = ExpSoftmax::try_new(scores.clone(), None, 1e-3).unwrap();
        let squares = NormalizeSquare::try_new(scores, 1e-3).unwrap();
        let value = |r, e| score(range, r, e);
        for found in [
            rows_of(
                &rows,
                direct.cost().depth,
                rows.rotations(),
                value,
                |eval, xs| direct.evaluate(eval, "s", xs),
            ),
            rows_of(
                &rows,
                squares.cost().depth,
                rows.rotations(),
                value,
                |eval, xs| squares.evaluate(eval, "s", xs),
            ),
        ] {
            for (r, row) in found.iter().enumerate() {
                let xs: Vec<f64> = (0..8).map(|e| value(r, e)).collect();
                let exact = softmax(&xs, |e| queries.is_none_or(|q| e <= r % q));
                for (y, x) in row.iter().zip(exact) {
                    assert!((y - x).abs() <= 1e-3 * x + 1e-6, "{r}: {y} {x}");
                }
            }
        }
    }
}

#[test]
fn power_softmax_in_all_forms() {
    let range = Interval::symmetric(2.0).unwrap();
    for (rows, queries) in layouts() {
        for form in PowerForm::ALL {
            let spec = PowerSpec {
                rows,
                mask: queries.map(|q| Mask::causal(&rows, q).unwrap()),
                bound: 2.0,
                power: 4,
                epsilon: 1e-2,
                form,
                sums: None,
            };
            let plan = PowerSoftmax::try_new(spec, 1e-4).unwrap();
            let value = |r, e| score(range, r, e);
            let depth = plan.cost().depth;
            let found = rows_of(&rows, depth, rows.rotations(), value, |eval, xs| {
                plan.evaluate(eval, "s", xs)
            });
            for (r, row) in found.iter().enumerate() {
                let kept = queries.map_or(8, |q| r % q + 1);
                let xs: Vec<f64> = (0..kept).map(|e| value(r, e)).collect();
                let exact = plan.exact(&xs);
                for (e, y) in row.iter().enumerate() {
                    let x = exact.get(e).copied().unwrap_or(0.0);
                    assert!(
                        (y - x).abs() <= 1e-4 * x + 1e-6,
                        "{form:?} {r} {e}: {y} {x}"
                    );
                }
            }
        }
    }
}

#[test]
fn sigma_attention() {
    let range = Interval::symmetric(4.0).unwrap();
    let gelu = fit(Function::Gelu, range, 15).unwrap().polynomial;
    for (rows, queries) in layouts() {
        let mask = queries.map(|q| Mask::causal(&rows, q).unwrap());
        let activation = EvaluationPlan::polynomial(&gelu).unwrap();
        let plan =
            SigmaAttention::try_new(rows, activation, SigmaScaling::InverseRoot, mask).unwrap();
        let value = |r, e| score(range, r, e);
        let found = rows_of(&rows, plan.cost().depth, [], value, |eval, xs| {
            plan.evaluate(eval, "s", xs)
        });
        for (r, row) in found.iter().enumerate() {
            let kept = queries.map_or(8, |q| r % q + 1);
            for (e, y) in row.iter().enumerate() {
                let x = if e < kept {
                    gelu.eval(value(r, e)) / (kept as f64).sqrt()
                } else {
                    0.0
                };
                assert!((y - x).abs() <= 1e-7, "{r} {e}: {y} {x}");
            }
        }
    }
}

#[test]
fn norms() {
    let rows = |length, stride| Rows::try_new(SLOTS, length, stride).unwrap();
    for rows in [
        rows(16, SLOTS / 16).padded(12).unwrap(),
        rows(16, 2).padded(11).unwrap(),
        rows(8, 1),
    ] {
        for kind in [NormKind::Layer, NormKind::RootMeanSquare] {
            let n = rows.elements();
            let norm = Norm::try_new(
                NormSpec {
                    rows,
                    kind,
                    variance: Interval::try_new(0.05, 4.0).unwrap(),
                    epsilon: 1e-5,
                    gamma: (0..n).map(|e| 0.8 + 0.05 * e as f64).collect(),
                    beta: (0..n).map(|e| 0.1 - 0.02 * e as f64).collect(),
                },
                1e-4,
            )
            .unwrap();
            let value = |r: usize, e: usize| {
                (0.5 + (r % 5) as f64 / 4.0) * ((r * 7 + e * 13) as f64 * 0.9).sin() + 0.1
            };
            let depth = norm.cost().depth;
            let found = rows_of(&rows, depth, norm.rotations(), value, |eval, xs| {
                norm.evaluate(eval, "n", xs)
            });
            for (r, row) in found.iter().enumerate() {
                let xs: Vec<f64> = (0..n).map(|e| value(r, e)).collect();
                for (y, x) in row.iter().zip(norm.exact(&xs)) {
                    assert!((y - x).abs() <= 1e-3, "{kind:?} {r}: {y} {x}");
                }
            }
        }
    }
}

#[test]
fn maximum_and_one_hot() {
    let range = Interval::try_new(-2.0, 2.0).unwrap();
    let sign = CompositeSign::for_gap(1.0 / 32.0, 1e-3, 10).unwrap();
    for rows in [
        Rows::try_new(SLOTS, 4, SLOTS / 4).unwrap(),
        Rows::try_new(SLOTS, 4, 1).unwrap(),
    ] {
        let plan = Maximum::try_new(MaxSpec {
            rows,
            range,
            step: sign.step(Interval::UNIT).unwrap(),
            step_error: sign.error() / 2.0,
            resolution: sign.gap(),
        })
        .unwrap();
        let gap = plan.least_gap();
        let value = |r: usize, e: usize| {
            if e == r % 4 {
                1.9
            } else {
                1.9 - gap * (1 + e) as f64
            }
        };
        let most = rows_of(
            &rows,
            plan.cost().depth,
            rows.rotations(),
            value,
            |eval, xs| Ok(vec![plan.evaluate(eval, &xs[0])?]),
        );
        let marks = rows_of(
            &rows,
            plan.one_hot_cost().depth,
            rows.rotations(),
            value,
            |eval, xs| Ok(vec![plan.one_hot(eval, &xs[0], gap)?]),
        );
        for (r, (most, marks)) in most.iter().zip(&marks).enumerate() {
            for (e, (m, mark)) in most.iter().zip(marks).enumerate() {
                assert!((m - 1.9).abs() <= plan.error() + 1e-5, "{r}: {m}");
                let hot = f64::from(u8::from(e == r % 4));
                assert!((mark - hot).abs() < 1e-2, "{r} {e}: {mark}");
            }
        }
    }
}

#[test]
fn cut_max() {
    let rows = Rows::try_new(SLOTS, 8, SLOTS / 8).unwrap();
    let row = |r: usize| -> Vec<f64> {
        let mut values: Vec<f64> = (0..8).map(|e| ((r * 37 + e * 11) as f64).sin()).collect();
        values[r % 8] = 1.4;
        values
    };
    let samples: Vec<_> = (0..40).map(row).collect();
    let plan = CutMax::calibrate(rows, CutMaxSpec::default(), &samples).unwrap();
    let value = |r: usize, e: usize| row(r + 3)[e];
    let depth = plan.cost().depth;
    let found = rows_of(&rows, depth, plan.rotations(), value, |eval, xs| {
        plan.evaluate(eval, "c", xs)
    });
    for (r, row) in found.iter().enumerate() {
        for (e, y) in row.iter().enumerate() {
            let hot = f64::from(u8::from(e == (r + 3) % 8));
            assert!((y - hot).abs() < 0.05, "{r} {e}: {y}");
        }
    }
}
