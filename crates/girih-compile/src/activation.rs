//! Polynomials in place of activations, on ranges measured while the network is composed.

use girih_model::{ActivationKind, Node, Op};
use girih_polyfit::{Function, Interval, Polynomial, PolynomialPlan, interpolate, max_error};
use ndarray::{ArrayD, Axis};

use crate::{Error, Result};

/// How activations are replaced.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Sample inputs, flattened; empty if there are none.
    pub samples: Vec<Vec<f64>>,
    /// The measured range is widened by this factor about its centre.
    pub margin: f64,
    /// Degree of the polynomials; chosen by function and range if `None`.
    pub degree: Option<usize>,
}

/// Most samples on which ranges are measured.
const SAMPLES: usize = 256;

impl Calibration {
    /// Without samples: fails on a graph with activations.
    #[must_use]
    pub fn none() -> Self {
        Calibration {
            samples: Vec::new(),
            margin: 1.0,
            degree: None,
        }
    }

    /// From a tensor `[samples, …]`, of which the first 256 samples are used.
    #[must_use]
    pub fn new(samples: &ArrayD<f64>, margin: f64, degree: Option<usize>) -> Self {
        let samples = samples
            .axis_iter(Axis(0))
            .take(SAMPLES)
            .map(|s| s.iter().copied().collect())
            .collect();
        Calibration {
            samples,
            margin,
            degree,
        }
    }
}

/// A polynomial on `[-1, 1]` and how it is evaluated.
#[derive(Clone, Debug)]
pub struct UnitPolynomial {
    /// The polynomial in the Chebyshev basis.
    pub polynomial: Polynomial,
    /// Its evaluation.
    pub plan: PolynomialPlan,
}

/// A polynomial that replaces a node's function.
#[derive(Clone, Debug)]
pub struct FittedActivation {
    /// Name of the node.
    pub node: String,
    /// The function.
    pub function: String,
    /// The range on which it is fitted.
    pub range: (f64, f64),
    /// The range measured on the calibration samples.
    pub measured: (f64, f64),
    /// Largest error on the range.
    pub max_error: f64,
    /// The polynomial, on the range scaled to `[-1, 1]`.
    pub unit: UnitPolynomial,
}

/// Fits the function of a node on a measured range, widened by the margin.
///
/// # Errors
/// An operator that is no function, a range that is not finite, a fit that fails.
pub(crate) fn fit(
    node: &Node,
    measured: (f64, f64),
    calibration: &Calibration,
) -> Result<FittedActivation> {
    let centre = (measured.0 + measured.1) / 2.0;
    let half = ((measured.1 - measured.0) / 2.0 * calibration.margin).max(f64::MIN_POSITIVE.sqrt());
    let range = (centre - half, centre + half);
    let failed = |e: girih_polyfit::Error| Error::Fit {
        node: node.name.clone(),
        op: node.op.name().to_owned(),
        lo: range.0,
        hi: range.1,
        why: e.to_string(),
    };
    let interval = Interval::try_new(range.0, range.1).map_err(failed)?;
    let (name, f, degree): (&str, Box<dyn Fn(f64) -> f64>, usize) = match &node.op {
        Op::Activation(kind) => {
            let function = match kind {
                ActivationKind::Relu => Function::Relu,
                ActivationKind::Sigmoid => Function::Sigmoid,
                ActivationKind::Tanh => Function::Tanh,
                ActivationKind::Gelu | ActivationKind::GeluTanh => Function::Gelu,
                other => {
                    return Err(Error::Operator {
                        node: node.name.clone(),
                        op: other.name().to_owned(),
                    });
                }
            };
            let degree = match calibration.degree {
                Some(degree) => degree,
                None => function.default_degree(interval).map_err(failed)?,
            };
            let kind = *kind;
            (function.name(), Box::new(move |x| kind.eval(x)), degree)
        }
        Op::Polynomial(c) => {
            let coefficients = c.clone();
            let horner = move |x: f64| coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c);
            ("polynomial", Box::new(horner), c.len().saturating_sub(1))
        }
        other => {
            return Err(Error::Operator {
                node: node.name.clone(),
                op: other.name().to_owned(),
            });
        }
    };
    let polynomial = interpolate(&f, interval, degree).map_err(failed)?;
    let accuracy = max_error(&f, &polynomial, interval).map_err(failed)?;
    let unit = Polynomial::chebyshev(Interval::UNIT, polynomial.coefficients().to_vec())
        .map_err(failed)?;
    Ok(FittedActivation {
        node: node.name.clone(),
        function: name.to_owned(),
        range,
        measured,
        max_error: accuracy.max_error,
        unit: UnitPolynomial {
            plan: PolynomialPlan::new(&unit),
            polynomial: unit,
        },
    })
}
