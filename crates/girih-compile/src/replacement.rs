//! What replaces a function: an evaluation plan between two affine maps that neighbouring layers take in.

use girih_model::{Graph, Node, NodeId, Op};
use girih_polyfit::evaluation::{Step, ValueId};
use girih_polyfit::{EvaluationPlan, Interval, interpolate};

use crate::candidates::named;
use crate::ranges::{ActivationRange, Histogram};
use crate::{Error, Result};

/// `f(x) ≈ scale · plan(x) + shift`.
///
/// The plan's input map goes into the layer before, scale and shift into the layer after.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement {
    /// How it was made, as "least squares, degree 8".
    pub method: String,
    /// The plan.
    pub plan: EvaluationPlan,
    /// Factor of the plan's value.
    pub scale: f64,
    /// Summand.
    pub shift: f64,
    /// Largest error on the range.
    pub max_error: f64,
    /// Root of the mean squared error over the measured inputs.
    pub mean_error: f64,
}

/// Whether the layer after takes in a scale and a shift for free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// It is affine.
    Folds,
    /// The result is multiplied with others, or is the model's output.
    Stays,
}

/// Points of the grid on which the largest error is searched.
const GRID: usize = 4096;
/// Points in each bin of a histogram.
const POINTS: usize = 4;

impl Replacement {
    /// Measures a plan against the function it replaces and splits off what the layer after takes in.
    pub(crate) fn new(
        method: String,
        plan: &EvaluationPlan,
        f: &dyn Fn(f64) -> f64,
        at: &ActivationRange,
        output: Output,
    ) -> Self {
        let (plan, scale, shift) = match output {
            Output::Folds => plan.factor_output(),
            Output::Stays => (plan.clone(), 1.0, 0.0),
        };
        let mut replacement = Replacement {
            method,
            plan,
            scale,
            shift,
            max_error: 0.0,
            mean_error: 0.0,
        };
        let error = |x: f64| (replacement.eval(x) - f(x)).abs();
        let (lo, hi) = at.range;
        let max_error = (0..=GRID)
            .map(|k| error(lo + (hi - lo) * k as f64 / GRID as f64))
            .fold(0.0, |m: f64, e| if e > m || e.is_nan() { e } else { m });
        let mean_error = mean(&at.histogram, |x| error(x).powi(2)).sqrt();
        (replacement.max_error, replacement.mean_error) = (max_error, mean_error);
        replacement
    }

    /// The value at `x`, in the clear.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        self.scale * self.plan.eval(x) + self.shift
    }

    /// Levels consumed between the neighbouring layers.
    #[must_use]
    pub fn depth(&self) -> u32 {
        u32::try_from(self.plan.unit_depth()).unwrap_or(u32::MAX)
    }

    /// Degree of the whole as a polynomial of the input.
    #[must_use]
    pub fn degree(&self) -> usize {
        degree(&self.plan)
    }
}

/// The mean of a function over the measured inputs.
fn mean(histogram: &Histogram, f: impl Fn(f64) -> f64) -> f64 {
    histogram
        .bins()
        .filter(|(_, _, share)| *share > 0.0)
        .map(|(left, right, share)| {
            let at = |k: usize| left + (right - left) * (k as f64 + 0.5) / POINTS as f64;
            share * (0..POINTS).map(|k| f(at(k))).sum::<f64>() / POINTS as f64
        })
        .sum()
}

/// Degree of a plan's result as a polynomial of its input.
pub(crate) fn degree(plan: &EvaluationPlan) -> usize {
    let mut degrees = vec![1usize];
    let of = |degrees: &[usize], v: &ValueId| degrees[v.index()];
    for step in plan.steps() {
        let degree = match step {
            Step::Polynomial {
                of: v, polynomial, ..
            } => of(&degrees, v).saturating_mul(polynomial.degree()),
            Step::Product(v, w) => of(&degrees, v).saturating_add(of(&degrees, w)),
            Step::Affine { terms, .. } => terms
                .iter()
                .map(|(v, _)| of(&degrees, v))
                .max()
                .unwrap_or(0),
        };
        degrees.push(degree);
    }
    degrees[plan.output().index()]
}

/// The name of a replaced function.
pub(crate) fn function_name(op: &Op) -> String {
    match op {
        Op::Activation(kind) => kind.name().to_owned(),
        Op::Polynomial(c) => format!("polynomial of degree {}", c.len().saturating_sub(1)),
        other => other.name().to_owned(),
    }
}

/// The function of an operator that is replaced.
pub(crate) fn function(op: &Op) -> Option<Box<dyn Fn(f64) -> f64 + Send + Sync>> {
    match op {
        Op::Activation(kind) => {
            let kind = *kind;
            Some(Box::new(move |x| kind.eval(x)))
        }
        Op::Polynomial(c) => {
            let c = c.clone();
            Some(Box::new(move |x| {
                c.iter().rev().fold(0.0, |sum, c| sum * x + c)
            }))
        }
        _ => None,
    }
}

/// Whether everything that reads a node takes in an affine map for free.
pub(crate) fn output_of(graph: &Graph, node: NodeId) -> Output {
    let users = graph.users();
    let mut open = vec![node];
    while let Some(id) = open.pop() {
        if graph.is_output(id) {
            return Output::Stays;
        }
        for &user in &users[id.0] {
            match &graph.node(user).op {
                Op::Mul | Op::PowInt(2..) => return Output::Stays,
                Op::Identity
                | Op::Flatten
                | Op::Reshape(_)
                | Op::Transpose(_)
                | Op::PowInt(_)
                | Op::Add
                | Op::Sub => open.push(user),
                _ => {}
            }
        }
    }
    Output::Folds
}

/// The Chebyshev interpolant of a degree, or of the default degree of the function.
pub(crate) fn default_plan(
    graph: &Graph,
    node: &Node,
    at: &ActivationRange,
    degree: Option<usize>,
) -> Result<Replacement> {
    let degree = match (degree, &node.op) {
        (_, Op::Polynomial(c)) => c.iter().rposition(|&c| c != 0.0).unwrap_or(0),
        (Some(degree), _) => degree,
        (None, op) => {
            let function = named(op).ok_or_else(|| Error::Operator {
                node: node.name.clone(),
                op: op.name().to_owned(),
            })?;
            Interval::try_new(at.range.0, at.range.1)
                .and_then(|interval| function.default_degree(interval))
                .map_err(|e| failed(node, at, &e))?
        }
    };
    interpolant(graph, node, at, degree)
}

/// The Chebyshev interpolant of a given degree.
///
/// # Errors
/// A degree that is not offered, a function that is not finite on the range.
pub(crate) fn interpolant(
    graph: &Graph,
    node: &Node,
    at: &ActivationRange,
    degree: usize,
) -> Result<Replacement> {
    let f = function(&node.op).ok_or_else(|| Error::Operator {
        node: node.name.clone(),
        op: node.op.name().to_owned(),
    })?;
    let polynomial = Interval::try_new(at.range.0, at.range.1)
        .and_then(|interval| interpolate(&f, interval, degree))
        .and_then(|p| EvaluationPlan::polynomial(&p))
        .map_err(|e| failed(node, at, &e))?;
    let method = format!("interpolation, degree {degree}");
    let output = output_of(graph, node.id);
    Ok(Replacement::new(method, &polynomial, &f, at, output))
}

/// A fit's error with its node and range.
pub(crate) fn failed(node: &Node, at: &ActivationRange, why: &girih_polyfit::Error) -> Error {
    Error::Fit {
        node: node.name.clone(),
        op: node.op.name().to_owned(),
        lo: at.range.0,
        hi: at.range.1,
        why: why.to_string(),
    }
}
