//! Softmax, gelu and layer norm on the ranges measured in MiniLM, encrypted with real keys: error, depth and time by
//! method.
//!
//! Ranges are those of the calibration half of `fixtures/data/minilm_activations.json` with a margin; inputs are rows of
//! the held-out half. Every method gets a levelled chain at N = 2^16 of exactly its depth, at 128-bit security, so that
//! a shallow method is also timed on the smaller modulus that it needs.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use girih_circuits::evaluation;
use girih_circuits::norm::{Norm, NormKind, NormSpec};
use girih_circuits::softmax::{
    ExpSoftmax, NormalizeSquare, PowerForm, PowerSoftmax, PowerSpec, Scores,
};
use girih_circuits::{CircuitCost, Rows};
use girih_ckks::{
    Ciphertext, Decryptor, Encoder, Encryptor, Evaluator, KeyGenerator, Params, ParamsSpec,
    Security,
};
use girih_fixtures::activations::{self, Activation, Kind};
use girih_he::{Auto, KeyManifest, Rotation};
use girih_polyfit::inverse_sqrt::InverseSqrtMethod;
use girih_polyfit::piecewise::{Objective, Piece, Piecewise};
use girih_polyfit::{CompositeSign, EvaluationPlan, Function, Interval, Remez};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Serialize;

use crate::Bench;
use crate::record::{Timing, human_ns};

/// log2 of the ring degree.
const LOG_N: u8 = 16;
/// Bits of the first modulus: six more than the largest scale, for outputs up to 32.
const FIRST_BITS: u8 = 50;
/// Bits of the scale, the largest that fits.
const SCALE_BITS: std::ops::RangeInclusive<u8> = 38..=44;
/// Share of its width by which a measured range is widened on both sides.
const MARGIN: f64 = 0.03;
/// Factor by which a range of variances or of logarithms of sums is widened.
const SPREAD: f64 = 1.15;
/// Relative error that the plans aim at.
const TARGET: f64 = 1e-3;
/// `ε` of power-softmax, as in its paper, and its power.
const EPSILON: f64 = 1e-3;
const POWER: usize = 4;
/// Elements of a row of scores, and of a row of features in padded places.
const KEYS: usize = 128;
const FEATURES: usize = 384;
const PLACES: usize = 512;
/// Circuits of more levels are timed once.
const LONG: usize = 30;
/// Levels of a bootstrap and usable levels between two, as quoted for N = 2^16 by NEXUS (35 levels, 14 of them
/// for the bootstrap).
const BOOTSTRAPPED: (usize, usize) = (14, 21);

type Eval = Auto<Evaluator>;
type Circuit = Box<dyn Fn(&Eval, &Ciphertext) -> anyhow::Result<Ciphertext>>;

/// One function by one method.
struct Case {
    function: String,
    method: String,
    cost: CircuitCost,
    rotations: BTreeSet<Rotation>,
    input: Vec<f64>,
    /// The exact values; NaN in slots that do not count.
    expected: Vec<f64>,
    circuit: Circuit,
}

/// One line of the table and of the JSON.
#[derive(Debug, Serialize)]
struct Row {
    suite: &'static str,
    function: String,
    method: String,
    n: usize,
    log_qp: f64,
    scale_bits: u8,
    digits: usize,
    threads: usize,
    slots: usize,
    levels: usize,
    depth: usize,
    products: usize,
    rotations: usize,
    max_error: f64,
    mean_error: f64,
    median_ns: u64,
    min_ns: u64,
    reps: usize,
}

/// A method that was planned only.
#[derive(Debug, Serialize)]
struct Beyond {
    suite: &'static str,
    function: String,
    method: String,
    depth: Option<usize>,
    note: String,
}

/// Measures all methods, prints one table, writes one JSON object per line; `quick` takes one of each function.
pub(crate) fn run(bench: &Bench, json: Option<&Path>) -> anyhow::Result<()> {
    let mut cases = softmax(5)?;
    if bench.quick {
        cases.drain(..2);
        cases.truncate(1);
    } else {
        cases.extend(softmax(1)?);
        cases.push(stretched()?);
        cases.extend(gelu(0)?);
    }
    cases.extend(gelu(5)?);
    cases.extend(layer_norm(5)?);
    if !bench.quick {
        cases.extend(layer_norm(0)?);
    }
    let mut rows = Vec::new();
    for case in &cases {
        let row =
            measure(bench, case).with_context(|| format!("{}, {}", case.function, case.method))?;
        eprintln!(
            "  {:<12} {:<28} depth {:>2} {:>12}",
            row.function,
            row.method,
            row.depth,
            human_ns(row.median_ns)
        );
        rows.push(row);
    }
    let beyond = beyond()?;
    print(&rows, &beyond);
    if let Some(path) = json {
        let mut out = std::io::BufWriter::new(
            std::fs::File::create(path)
                .with_context(|| format!("cannot create {}", path.display()))?,
        );
        for row in &rows {
            writeln!(out, "{}", serde_json::to_string(row)?)?;
        }
        for row in &beyond {
            writeln!(out, "{}", serde_json::to_string(row)?)?;
        }
        out.flush()?;
    }
    Ok(())
}

/// The measured activations of a layer.
fn measured(layer: usize, kind: Kind) -> anyhow::Result<Activation> {
    activations::minilm()
        .into_iter()
        .find(|a| a.layer == layer && a.kind == kind)
        .with_context(|| format!("no {kind} of layer {layer}"))
}

/// The calibration range with its margin.
fn range(layer: usize, kind: Kind) -> anyhow::Result<Interval> {
    let a = measured(layer, kind)?.calibration;
    let margin = MARGIN * (a.max - a.min);
    Ok(Interval::try_new(a.min - margin, a.max + margin)?)
}

/// The scores of a layer, their row maxima, and the range of the sums of exponentials.
fn scores(layer: usize, rows: Rows) -> anyhow::Result<(Scores, Interval)> {
    let range = range(layer, Kind::Scores)?;
    let least = measured(layer, Kind::ScoreMax)?.calibration;
    let least = least.min - MARGIN * (least.max - least.min);
    let sums = measured(layer, Kind::LogSumExp)?.calibration;
    let sum = |ln: f64, spread: f64| (ln - range.hi()).exp() * spread;
    let sums = Interval::try_new(
        sum(sums.min - (SPREAD - 1.0) * sums.min.abs(), 1.0 / SPREAD),
        sum(sums.max, SPREAD).max(1.0),
    )?;
    Ok((
        Scores::try_new(rows, range, None)?.with_row_maximum(least),
        sums,
    ))
}

fn softmax(layer: usize) -> anyhow::Result<Vec<Case>> {
    let rows = Rows::try_new(1 << (LOG_N - 1), KEYS, 1 << (LOG_N - 1) >> KEYS.ilog2())?;
    let data = activations::minilm_scores(layer).context("scores of layers 1 and 5")?;
    let data: Vec<Vec<f64>> = to_rows(&data);
    let value = |r: usize, e: usize| data[r % data.len()][e];
    let input = rows.vectors(value).swap_remove(0);
    let expected = |f: &dyn Fn(&[f64]) -> Vec<f64>| {
        let exact: Vec<Vec<f64>> = data.iter().map(|row| f(row)).collect();
        rows.vectors(|r, e| exact[r % exact.len()][e])
            .swap_remove(0)
    };
    let (scores, sums) = scores(layer, rows)?;
    let bound = scores.range().lo().abs().max(scores.range().hi().abs());
    let squares = NormalizeSquare::try_new(scores.clone(), TARGET)?;
    let direct = ExpSoftmax::try_new(scores, Some(sums), TARGET)?;
    let power = PowerSoftmax::try_new(
        PowerSpec {
            rows,
            mask: None,
            bound,
            power: POWER,
            epsilon: EPSILON,
            form: PowerForm::LengthAgnostic,
            sums: None,
        },
        TARGET,
    )?;
    let case = |method: String, cost, expected, circuit| Case {
        function: format!("softmax L{layer}"),
        method,
        cost,
        rotations: rows.rotations(),
        input: input.clone(),
        expected,
        circuit,
    };
    let exact_power = expected(&|row| power.exact(row));
    Ok(vec![
        case(
            format!("normalise-square, {} steps", squares.steps().len()),
            squares.cost(),
            expected(&exact_softmax),
            Box::new(move |eval, x| first(squares.evaluate(eval, "s", std::slice::from_ref(x))?)),
        ),
        case(
            "exp, Goldschmidt".into(),
            direct.cost(),
            expected(&exact_softmax),
            Box::new(move |eval, x| first(direct.evaluate(eval, "s", std::slice::from_ref(x))?)),
        ),
        case(
            format!("power {POWER}"),
            power.cost(),
            exact_power,
            Box::new(move |eval, x| first(power.evaluate(eval, "s", std::slice::from_ref(x))?)),
        ),
    ])
}

/// The scores of layer 0 spread over a hundred units, and their rows are not among the fixtures: rows of layer 1,
/// stretched to the range of layer 0.
fn stretched() -> anyhow::Result<Case> {
    let rows = Rows::try_new(1 << (LOG_N - 1), KEYS, 1 << (LOG_N - 1) >> KEYS.ilog2())?;
    let (from, to) = (range(1, Kind::Scores)?, range(0, Kind::Scores)?);
    let data = to_rows(&activations::minilm_scores(1).context("scores of layer 1")?);
    let data: Vec<Vec<f64>> = data
        .iter()
        .map(|row| row.iter().map(|&x| to.from_unit(from.to_unit(x))).collect())
        .collect();
    let exact: Vec<Vec<f64>> = data.iter().map(|row| exact_softmax(row)).collect();
    let least = (data.iter())
        .map(|row| row.iter().copied().fold(f64::MIN, f64::max))
        .fold(f64::MAX, f64::min);
    let (scores, _) = scores(0, rows)?;
    let plan = NormalizeSquare::try_new(scores.with_row_maximum(least), TARGET)?;
    Ok(Case {
        function: "softmax L0*".into(),
        method: format!("normalise-square, {} steps", plan.steps().len()),
        cost: plan.cost(),
        rotations: rows.rotations(),
        input: rows.vectors(|r, e| data[r % data.len()][e]).swap_remove(0),
        expected: rows
            .vectors(|r, e| exact[r % exact.len()][e])
            .swap_remove(0),
        circuit: Box::new(move |eval, x| {
            first(plan.evaluate(eval, "s", std::slice::from_ref(x))?)
        }),
    })
}

fn exact_softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::MIN, f64::max);
    let exps: Vec<f64> = row.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|v| v / sum).collect()
}

fn gelu(layer: usize) -> anyhow::Result<Vec<Case>> {
    let range = range(layer, Kind::Gelu)?;
    let data = activations::minilm_gelu(layer).context("inputs of layers 0 and 5")?;
    let slots = 1 << (LOG_N - 1);
    let input: Vec<f64> = (0..slots)
        .map(|i| f64::from(data.values[i % data.values.len()]))
        .collect();
    let expected: Vec<f64> = input.iter().map(|&x| Function::Gelu.eval(x)).collect();
    let mut cases = Vec::new();
    let mut push = |method: String, plan: EvaluationPlan| {
        let counts = plan.counts();
        cases.push(Case {
            function: format!("gelu L{layer}"),
            method,
            cost: CircuitCost {
                depth: plan.depth(),
                products: counts.products,
                rotations: 0,
            },
            rotations: BTreeSet::new(),
            input: input.clone(),
            expected: expected.clone(),
            circuit: Box::new(move |eval, x| Ok(evaluation::evaluate(eval, &plan, x)?)),
        });
    };
    // The wide range of layer 0 needs more; a polynomial on it that is wrong nowhere also beats pieces, whose
    // polynomials are large where their step should remove them.
    let degrees: &[usize] = if layer == 0 {
        &[27, 59, 119]
    } else {
        &[27, 59]
    };
    for &degree in degrees {
        let best = Remez::function(Function::Gelu, range, degree)?.solve()?;
        push(
            format!("minimax {degree}"),
            EvaluationPlan::polynomial(&best.polynomial)?,
        );
    }
    if layer == 0 {
        return Ok(cases);
    }
    // Zero, a polynomial and x, selected by composite signs.
    let shape = [
        Piece::zero(),
        Piece::Fitted { degree: 4 },
        Piece::identity(),
    ];
    let pieces = Piecewise::fit(
        |x| Function::Gelu.eval(x),
        range,
        &shape,
        Objective::Largest,
    )?;
    let sign = CompositeSign::new(12.0, 13)?;
    push("pieces 0, 4, x by 2 signs".into(), pieces.plan(&sign)?);
    Ok(cases)
}

fn layer_norm(layer: usize) -> anyhow::Result<Vec<Case>> {
    let slots = 1 << (LOG_N - 1);
    let rows = Rows::try_new(slots, PLACES, slots / PLACES)?.padded(FEATURES)?;
    let variance = measured(layer, Kind::OutputNormVariance)?.calibration;
    // The held-out half of layer 5 has variances a third below the calibration's.
    let variance = Interval::try_new(
        variance.min / (SPREAD * SPREAD * SPREAD * SPREAD),
        variance.max * SPREAD,
    )?;
    let data = activations::minilm_norm(layer).context("inputs of layers 0 and 5")?;
    let data = to_rows(&data);
    let spec = NormSpec {
        rows,
        kind: NormKind::Layer,
        variance,
        epsilon: 1e-12,
        gamma: vec![1.0; FEATURES],
        beta: Vec::new(),
    };
    let input = rows.vectors(|r, e| data[r % data.len()][e]).swap_remove(0);
    let mut cases = Vec::new();
    let cheapest = Norm::try_new(spec.clone(), TARGET)?;
    let newton = InverseSqrtMethod {
        degree: 7,
        steps: 3,
    };
    for norm in [cheapest, Norm::with_method(spec, newton)?] {
        let exact: Vec<Vec<f64>> = data.iter().map(|row| norm.exact(row)).collect();
        let expected = rows
            .vectors(|r, e| exact[r % exact.len()][e])
            .swap_remove(0);
        cases.push(Case {
            function: format!("norm L{layer}"),
            method: norm.inverse().method.to_string(),
            cost: norm.cost(),
            rotations: norm.rotations(),
            input: input.clone(),
            expected,
            circuit: Box::new(move |eval, x| {
                first(norm.evaluate(eval, "n", std::slice::from_ref(x))?)
            }),
        });
    }
    Ok(cases)
}

fn to_rows(data: &activations::Rows) -> Vec<Vec<f64>> {
    data.rows()
        .map(|row| row.iter().map(|&v| f64::from(v)).collect())
        .collect()
}

fn first(mut ys: Vec<Ciphertext>) -> anyhow::Result<Ciphertext> {
    anyhow::ensure!(!ys.is_empty(), "no output");
    Ok(ys.swap_remove(0))
}

/// The chain of a depth with the largest scale.
fn chain(depth: usize) -> anyhow::Result<ParamsSpec> {
    let depth = u8::try_from(depth)?;
    let mut last = None;
    for scale in SCALE_BITS.rev() {
        match ParamsSpec::for_depth_at(LOG_N, depth, scale, FIRST_BITS, Security::Bits128) {
            Ok(spec) => return Ok(spec),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("no scale"), anyhow::Error::from))
}

fn measure(bench: &Bench, case: &Case) -> anyhow::Result<Row> {
    let spec = chain(case.cost.depth)?;
    let scale_bits = spec.scale_bits[0];
    let params = Params::try_new(spec)?;
    let mut rng = ChaCha20Rng::from_seed(girih_fixtures::seed("bench nonlinear"));
    let generator = KeyGenerator::new(&params);
    let secret = generator.secret_key(&mut rng);
    let public = generator.public_key(&secret, &mut rng)?;
    let top = params.top();
    let manifest = KeyManifest {
        relinearization: Some(top),
        rotations: case.rotations.iter().map(|&by| (by, top)).collect(),
        conjugation: None,
    };
    let eval = Auto::new(Evaluator::new(
        generator.evaluation_keys(&secret, &manifest, &mut rng)?,
    ));
    let encoder = Encoder::new(&params);
    let plaintext = encoder.encode(&case.input, top, params.chain().scale(top))?;
    let x = Encryptor::new(&public).encrypt(&plaintext, &mut rng)?;
    let y = (case.circuit)(&eval, &x)?;
    anyhow::ensure!(
        eval.remaining(&y) == 0,
        "{} levels left of {}",
        eval.remaining(&y),
        case.cost.depth
    );
    let found = encoder.decode(&Decryptor::new(&secret).decrypt(&y)?);
    let errors: Vec<f64> = (found.iter().zip(&case.expected))
        .map(|(f, e)| (f - e).abs())
        .collect();
    let repetitions = if bench.quick || case.cost.depth > LONG {
        1
    } else {
        3
    };
    let samples = (0..repetitions)
        .map(|_| {
            let begin = Instant::now();
            drop((case.circuit)(&eval, &x)?);
            Ok(begin.elapsed().as_nanos() as u64)
        })
        .collect::<anyhow::Result<Vec<u64>>>()?;
    let timing = Timing::of(samples);
    Ok(Row {
        suite: "nonlinear",
        function: case.function.clone(),
        method: case.method.clone(),
        n: params.n(),
        log_qp: params.log_qp(),
        scale_bits,
        digits: params.digits(top),
        threads: bench.threads,
        slots: params.slots(),
        levels: usize::from(top.0),
        depth: case.cost.depth,
        products: case.cost.products,
        rotations: case.cost.rotations,
        max_error: errors.iter().copied().fold(0.0, f64::max),
        mean_error: errors.iter().sum::<f64>() / errors.len() as f64,
        median_ns: timing.median_ns,
        min_ns: timing.min_ns,
        reps: timing.reps,
    })
}

/// The largest depth of a levelled chain at this degree.
fn deepest() -> usize {
    (1..=60)
        .rev()
        .find(|&depth| chain(depth).is_ok())
        .unwrap_or(0)
}

/// The softmax of layer 0, whose scores spread over a hundred units: planned, and compared with the deepest chain.
fn beyond() -> anyhow::Result<Vec<Beyond>> {
    let rows = Rows::try_new(1 << (LOG_N - 1), KEYS, 1 << (LOG_N - 1) >> KEYS.ilog2())?;
    let (scores, sums) = scores(0, rows)?;
    let deepest = deepest();
    let plans = [
        (
            "normalise-square",
            NormalizeSquare::try_new(scores.clone(), TARGET).map(|p| p.cost().depth),
        ),
        (
            "exp, Goldschmidt",
            ExpSoftmax::try_new(scores, Some(sums), TARGET).map(|p| p.cost().depth),
        ),
    ];
    Ok(plans
        .into_iter()
        .map(|(method, depth)| {
            let note = match &depth {
                Ok(depth) if *depth <= deepest => {
                    format!("fits the deepest chain, {deepest} levels")
                }
                Ok(depth) => {
                    let (own, usable) = BOOTSTRAPPED;
                    let boots = (depth - usable.min(*depth)).div_ceil(usable);
                    format!(
                        "{} levels more than the deepest chain, {deepest}; {boots} bootstraps of {own} levels with {usable} usable",
                        depth - deepest
                    )
                }
                Err(error) => format!("no plan: {error}"),
            };
            Beyond {
                suite: "nonlinear",
                function: "softmax L0".into(),
                method: method.into(),
                depth: depth.ok(),
                note,
            }
        })
        .collect())
}

fn print(rows: &[Row], beyond: &[Beyond]) {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "function",
        "method",
        "depth",
        "levels",
        "log_qp",
        "scale",
        "digits",
        "products",
        "rotations",
        "max error",
        "mean error",
        "median",
        "min",
    ]);
    for r in rows {
        table.add_row([
            r.function.clone(),
            r.method.clone(),
            r.depth.to_string(),
            r.levels.to_string(),
            format!("{:.0}", r.log_qp),
            r.scale_bits.to_string(),
            r.digits.to_string(),
            r.products.to_string(),
            r.rotations.to_string(),
            format!("{:.1e}", r.max_error),
            format!("{:.1e}", r.mean_error),
            human_ns(r.median_ns),
            human_ns(r.min_ns),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    for b in beyond {
        let depth = b.depth.map_or_else(|| "-".into(), |d| d.to_string());
        println!("{}, {}: depth {depth}; {}", b.function, b.method, b.note);
    }
    for layer in ["softmax L5", "softmax L1"] {
        let of_layer = || rows.iter().filter(|r| r.function == layer);
        let Some(best) = of_layer().min_by_key(|r| r.median_ns) else {
            continue;
        };
        let others: Vec<String> = of_layer()
            .filter(|r| r.method != best.method)
            .map(|r| {
                let ratio = r.median_ns as f64 / best.median_ns as f64;
                format!("{} {ratio:.1} times as long", r.method)
            })
            .collect();
        println!(
            "{layer}: {} is the cheapest; {}",
            best.method,
            others.join(", ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_fits_a_levelled_chain() -> anyhow::Result<()> {
        let deepest = deepest();
        for layer in [1, 5] {
            for case in softmax(layer)? {
                assert!(
                    case.cost.depth <= deepest,
                    "{} {}",
                    case.function,
                    case.method
                );
            }
        }
        Ok(())
    }

    /// What is planned on the calibration half holds on the rows of the other half.
    #[test]
    fn held_out_rows_lie_in_the_ranges() -> anyhow::Result<()> {
        for layer in [1, 5] {
            let range = range(layer, Kind::Scores)?;
            let data = activations::minilm_scores(layer).context("rows")?;
            assert!(data.values.iter().all(|&x| range.contains(f64::from(x))));
        }
        Ok(())
    }
}
