//! Plans that may replace a function, one for each depth: least squares where the measured inputs are.

use girih_model::{ActivationKind, Graph, Node, Op};
use girih_polyfit::chooser::{self, Method, Request};
use girih_polyfit::{Density, EvaluationPlan, Function, Interval, Polynomial, Sample, fit_samples};

use crate::ranges::ActivationRange;
use crate::replacement::{Output, Replacement, failed, function, interpolant, output_of};
use crate::{Error, Result};

/// Depth of the deepest single polynomial that is offered: degree 64 or 63.
pub const MAX_POLYNOMIAL_DEPTH: u32 = 6;

/// The methods of polyfit that make more than one polynomial.
const COMPOSED: [Method; 4] = [
    Method::Composite,
    Method::Piecewise,
    Method::Iterative,
    Method::Extension,
];
/// Points at which a least-squares fit sees the function.
const POINTS: usize = 2048;
/// Weight of the whole range, inputs that were not measured included, against that of the measured inputs.
const FLOOR: f64 = 0.01;
/// Errors below this are of no use: encrypted values are less precise.
const NOISE: f64 = 1e-12;
/// A plan with fewer products is preferred while its error is at most this much larger.
const TOLERANCE: f64 = 1.05;
/// Coefficients below this share of the largest are rounding errors of a symmetry.
const ROUNDING: f64 = 1e-11;

/// Plans of growing depth and falling error, at most one a depth.
///
/// For each depth `k` all degrees that it holds are fitted, on the range and on the smallest symmetric interval around
/// it (where relu, Gelu, sigmoid or tanh lose half of their coefficients); the least error over the measured inputs
/// wins, and among equals the fewest products. Compositions, of which `girih_polyfit::chooser` has several, are tried
/// if plans deeper than any single polynomial are allowed.
///
/// # Errors
/// A function that is not finite on the range.
pub(crate) fn candidates(
    graph: &Graph,
    node: &Node,
    at: &ActivationRange,
    max_depth: u32,
) -> Result<Vec<Replacement>> {
    if let Op::Polynomial(c) = &node.op {
        let degree = c.iter().rposition(|&c| c != 0.0).unwrap_or(0);
        return Ok(vec![interpolant(graph, node, at, degree)?]);
    }
    let f = function(&node.op).ok_or_else(|| Error::Operator {
        node: node.name.clone(),
        op: node.op.name().to_owned(),
    })?;
    let output = output_of(graph, node.id);
    let fail = |e: girih_polyfit::Error| failed(node, at, &e);
    let whole = Interval::try_new(at.range.0, at.range.1).map_err(fail)?;
    let bound = at.range.0.abs().max(at.range.1.abs());
    let even = Interval::symmetric(bound).map_err(fail)?;
    let composed = if max_depth > MAX_POLYNOMIAL_DEPTH {
        compositions(node, at, even, max_depth, &|name, plan| {
            Replacement::new(name, plan, &f, at, output)
        })?
    } else {
        Vec::new()
    };
    let mut front: Vec<Replacement> = Vec::new();
    for depth in 1..=max_depth {
        let mut best = composed
            .iter()
            .filter(|r| r.depth() == depth)
            .min_by(|a, b| a.mean_error.total_cmp(&b.mean_error))
            .cloned();
        let single = depth <= MAX_POLYNOMIAL_DEPTH;
        for degree in single.then(|| degrees(depth, output)).into_iter().flatten() {
            for (interval, shape) in [(whole, Shape::Any), (even, Shape::Symmetric)] {
                let polynomial = least_squares(&f, at, interval, shape, degree).map_err(fail)?;
                let plan = EvaluationPlan::polynomial(&polynomial).map_err(fail)?;
                let method = format!("least squares, degree {}", polynomial.degree());
                let found = Replacement::new(method, &plan, &f, at, output);
                if found.depth() <= depth && best.as_ref().is_none_or(|b| better(&found, b)) {
                    best = Some(found);
                }
            }
        }
        let worse = |best: &Replacement| {
            front
                .last()
                .is_some_and(|last| best.mean_error * TOLERANCE >= last.mean_error)
        };
        front.extend(best.filter(|b| !worse(b)));
        if front.last().is_some_and(|last| last.mean_error < NOISE) {
            break;
        }
    }
    Ok(front)
}

/// The compositions that the chooser of polyfit knows for a function.
fn compositions(
    node: &Node,
    at: &ActivationRange,
    interval: Interval,
    max_depth: u32,
    make: &dyn Fn(String, &EvaluationPlan) -> Replacement,
) -> Result<Vec<Replacement>> {
    let Some(function) = named(&node.op) else {
        return Ok(Vec::new());
    };
    let fail = |e: girih_polyfit::Error| failed(node, at, &e);
    let (edges, masses) = at.histogram.bins().fold(
        (vec![at.histogram.lo()], Vec::new()),
        |(mut edges, mut masses), (_, right, share)| {
            edges.push(right);
            masses.push(share);
            (edges, masses)
        },
    );
    let density = Density::from_histogram(&edges, &masses)
        .and_then(|d| d.smoothed_on(interval, FLOOR))
        .map_err(fail)?;
    let mut request = Request::new(function, interval, chooser::Target::MeanError(NOISE));
    request.density = Some(density);
    request.max_depth = max_depth as usize;
    request.methods = COMPOSED.to_vec();
    match chooser::front(&request) {
        Ok(found) => Ok(found.into_iter().map(|c| make(c.name, &c.plan)).collect()),
        // None within the depth: single polynomials remain.
        Err(girih_polyfit::Error::Unreachable { .. }) => Ok(Vec::new()),
        Err(error) => Err(fail(error)),
    }
}

/// The function by its name in polyfit.
pub(crate) fn named(op: &Op) -> Option<Function> {
    let Op::Activation(kind) = op else {
        return None;
    };
    match kind {
        ActivationKind::Relu => Some(Function::Relu),
        ActivationKind::Sigmoid => Some(Function::Sigmoid),
        ActivationKind::Tanh => Some(Function::Tanh),
        ActivationKind::Gelu => Some(Function::Gelu),
        ActivationKind::GeluTanh => Some(Function::GeluTanh),
        _ => None,
    }
}

/// Whether `a` is preferred at equal depth.
fn better(a: &Replacement, b: &Replacement) -> bool {
    let price = |r: &Replacement| {
        let c = r.plan.counts();
        (c.products + c.relinearizations, c.scalar_products)
    };
    if price(a) < price(b) {
        a.mean_error <= TOLERANCE * b.mean_error
    } else {
        a.mean_error * TOLERANCE < b.mean_error
    }
}

/// Degrees of a depth that are tried, from the smallest.
fn degrees(depth: u32, output: Output) -> Vec<usize> {
    let most = 1usize << depth;
    let least = most / 2 + 1;
    let highest = match output {
        Output::Folds => most,
        Output::Stays => most - 1,
    };
    // Half a dozen are enough to see where an error stops falling.
    let step = ((highest + 1).saturating_sub(least) / 6).max(1);
    let mut all: Vec<usize> = (least..highest).step_by(step).collect();
    all.extend([most - 1, highest]);
    all.sort_unstable();
    all.dedup();
    all.retain(|d| *d > 0);
    all
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Any,
    /// As many inputs at `x` as at `-x`: a fit then keeps the symmetries of the function.
    Symmetric,
}

fn least_squares(
    f: &dyn Fn(f64) -> f64,
    at: &ActivationRange,
    interval: Interval,
    shape: Shape,
    degree: usize,
) -> girih_polyfit::Result<Polynomial> {
    let cell = 2.0 * interval.radius() / POINTS as f64;
    let density = |x: f64| match shape {
        Shape::Any => at.histogram.density(x),
        Shape::Symmetric => f64::midpoint(at.histogram.density(x), at.histogram.density(-x)),
    };
    let samples = (0..POINTS).map(|k| {
        let u = (2.0 * k as f64 + 1.0) / POINTS as f64 - 1.0;
        let x = interval.from_unit(u);
        // The floor has the weight of Chebyshev's polynomials, which holds the error at the ends down.
        let floor =
            FLOOR * cell / (interval.radius() * std::f64::consts::PI * (1.0 - u * u).sqrt());
        Sample {
            x,
            y: f(x),
            weight: density(x) * cell + floor,
        }
    });
    let fit = fit_samples(samples, interval, degree)?;
    match shape {
        Shape::Any => Ok(fit),
        Shape::Symmetric => {
            let largest = fit
                .coefficients()
                .iter()
                .fold(0.0f64, |m, c| m.max(c.abs()));
            let clean: Vec<f64> = fit
                .coefficients()
                .iter()
                .map(|c| {
                    if c.abs() < ROUNDING * largest {
                        0.0
                    } else {
                        *c
                    }
                })
                .collect();
            Polynomial::chebyshev(interval, clean)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Ranges;
    use girih_model::{ActivationKind, GraphBuilder};
    use ndarray::{Array2, ArrayD, IxDyn};

    /// Normal-looking inputs of one activation, followed by a dense layer or by nothing.
    fn model(kind: ActivationKind, dense: bool) -> (Graph, Ranges) {
        let mut b = GraphBuilder::new("g", vec![4]).unwrap();
        let x = b.input();
        let mut y = b.push("act", Op::Activation(kind), vec![x]).unwrap();
        if dense {
            let op = Op::Dense {
                weight: Array2::ones((1, 4)),
                bias: None,
            };
            y = b.push("fc", op, vec![y]).unwrap();
        }
        let graph = b.finish(vec![y]).unwrap();
        let values = (0..4000)
            .map(|k| {
                let u = |m: u64| ((k * 7919 + m * 104_729) % 10_007) as f64 / 10_007.0 - 0.5;
                1.2 * (1..=12).map(u).sum::<f64>()
            })
            .collect();
        let x = ArrayD::from_shape_vec(IxDyn(&[1000, 4]), values).unwrap();
        let ranges = Ranges::measure(&graph, &x, 1.25).unwrap();
        (graph, ranges)
    }

    #[test]
    fn one_plan_a_depth_with_falling_errors() {
        for kind in [
            ActivationKind::Relu,
            ActivationKind::Sigmoid,
            ActivationKind::Tanh,
            ActivationKind::Gelu,
        ] {
            for dense in [true, false] {
                let (graph, ranges) = model(kind, dense);
                let node = &graph.nodes[1];
                let at = &ranges.activations[0];
                let found = candidates(&graph, node, at, 6).unwrap();
                assert!(found.len() >= 3, "{kind:?}: {}", found.len());
                for (a, b) in found.iter().zip(&found[1..]) {
                    assert!(a.depth() < b.depth() && a.mean_error > b.mean_error);
                }
                for r in &found {
                    assert!(r.mean_error <= r.max_error && r.max_error < 1.0, "{r:?}");
                    assert!(dense || (r.scale, r.shift) == (1.0, 0.0));
                    // Better on the measured inputs than the interpolant of as many levels.
                    let plain = interpolant(&graph, node, at, (1 << r.depth()) - 1).unwrap();
                    assert!(
                        r.mean_error < plain.mean_error || r.mean_error < 1e-10,
                        "{kind:?}, {}: {:e} {:e}",
                        r.method,
                        r.mean_error,
                        plain.mean_error
                    );
                }
            }
        }
    }

    #[test]
    fn deeper_plans_are_compositions() {
        let (graph, ranges) = model(ActivationKind::Relu, true);
        let found = candidates(&graph, &graph.nodes[1], &ranges.activations[0], 9).unwrap();
        let deepest = found.last().unwrap();
        assert!(deepest.depth() > MAX_POLYNOMIAL_DEPTH, "{}", deepest.method);
        let single = &found[MAX_POLYNOMIAL_DEPTH as usize - 1];
        assert!(deepest.mean_error < single.mean_error);
        let (graph, ranges) = model(ActivationKind::Sigmoid, true);
        assert!(candidates(&graph, &graph.nodes[1], &ranges.activations[0], 8).is_ok());
    }

    #[test]
    fn relu_uses_the_degree_that_a_free_scale_gives() {
        let (graph, ranges) = model(ActivationKind::Relu, true);
        let found = candidates(&graph, &graph.nodes[1], &ranges.activations[0], 4).unwrap();
        let degrees: Vec<usize> = found.iter().map(Replacement::degree).collect();
        assert_eq!(degrees, [2, 4, 8, 16]);
        let products: Vec<usize> = found.iter().map(|r| r.plan.counts().products).collect();
        assert!(
            products
                .iter()
                .zip([1, 2, 4, 7])
                .all(|(p, most)| *p <= most),
            "{products:?}"
        );
    }
}
