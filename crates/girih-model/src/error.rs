//! What can be wrong with a model, with the numbers and the remedy.

use std::fmt;

/// `std::result::Result` with this crate's error.
pub type Result<T, E = ModelError> = std::result::Result<T, E>;

/// Why a model was refused or could not be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file could not be read.
    #[error("cannot read {path}: {reason}")]
    Io {
        /// The path as given.
        path: String,
        /// The operating system's reason.
        reason: String,
    },
    /// The bytes are no ONNX model, or one that contradicts itself.
    #[error("not a well-formed ONNX model: {reason}; export the model again or check the download")]
    Malformed {
        /// What was found.
        reason: String,
    },
    /// Operators outside the supported set: all of them, not only the first.
    #[error("{} operator(s) are not supported:{}", nodes.len(), list(nodes))]
    Unsupported {
        /// One entry per refused node, in the file's order.
        nodes: Vec<UnsupportedNode>,
    },
    /// A constant is NaN or infinite.
    #[error(
        "tensor `{tensor}` holds {value} at index {index:?}; weights must be finite: retrain or clip them"
    )]
    NonFinite {
        /// The tensor's name.
        tensor: String,
        /// Position in the tensor.
        index: Vec<usize>,
        /// The value found.
        value: f64,
    },
    /// Declared dimensions and stored data disagree.
    #[error(
        "tensor `{tensor}` declares dimensions {dims:?} but stores {found} {unit}, not {expected}; the file is truncated or altered"
    )]
    TensorSize {
        /// The tensor's name.
        tensor: String,
        /// Dimensions as declared.
        dims: Vec<i64>,
        /// What the dimensions ask for.
        expected: u128,
        /// What the file holds.
        found: usize,
        /// "bytes" or "values".
        unit: &'static str,
    },
    /// Something is larger than the reader accepts; nothing was allocated for it.
    #[error("{what} needs {needed}, more than the limit of {limit}")]
    TooLarge {
        /// The file, tensor or value.
        what: String,
        /// Bytes or values asked for.
        needed: u128,
        /// The limit in the same unit.
        limit: u128,
    },
    /// The weights are in another file.
    #[error(
        "tensor `{tensor}` stores its data in another file (`{location}`); save the model as one file, with its weights inside"
    )]
    ExternalData {
        /// The tensor's name.
        tensor: String,
        /// The other file as named in the model; never opened.
        location: String,
    },
    /// A node reads a value that nothing produces.
    #[error("node `{node}` reads `{input}`, which no node, input or initialiser provides")]
    Dangling {
        /// The reading node.
        node: String,
        /// The missing value.
        input: String,
    },
    /// The nodes wait for each other.
    #[error("the graph has a cycle through the nodes {nodes:?}")]
    Cyclic {
        /// Names of the nodes that never become ready.
        nodes: Vec<String>,
    },
    /// The shapes around a node do not fit.
    #[error("node `{node}` ({op}): {reason}")]
    Shape {
        /// The node's name.
        node: String,
        /// The operator.
        op: &'static str,
        /// The shapes and the rule that they break.
        reason: String,
    },
    /// The graph breaks one of its own rules (order, operands, outputs).
    #[error("the graph is inconsistent at node {node}: {reason}")]
    Graph {
        /// Position of the node.
        node: usize,
        /// The rule.
        reason: String,
    },
    /// The input of a run has another shape than the model's.
    #[error("the model takes {expected} but the input has shape {found:?}")]
    InputShape {
        /// The model's shape, batch included as a letter.
        expected: String,
        /// Shape of the input.
        found: Vec<usize>,
    },
    /// The input of a run holds NaN or an infinity.
    #[error("the input holds {value} at index {index:?}; inputs must be finite")]
    InputNonFinite {
        /// Position, batch first.
        index: Vec<usize>,
        /// The value found.
        value: f64,
    },
    /// The second implementation refused the model.
    #[error("the independent run failed: {reason}")]
    Oracle {
        /// Its reason.
        reason: String,
    },
}

/// One refused node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedNode {
    /// The node's name, or its first output's if it has none.
    pub name: String,
    /// The operator as the file spells it, with the domain if it is not the standard one.
    pub operator: String,
    /// Why it is refused.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for UnsupportedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` ({}): {}; {}",
            self.name, self.operator, self.why, self.remedy
        )
    }
}

fn list(nodes: &[UnsupportedNode]) -> String {
    nodes.iter().map(|n| format!("\n  - {n}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refused_node_is_printed() {
        let node = |name: &str| UnsupportedNode {
            name: name.into(),
            operator: "Softmax".into(),
            why: "no polynomial".into(),
            remedy: "drop it".into(),
        };
        let text = ModelError::Unsupported {
            nodes: vec![node("a"), node("b")],
        }
        .to_string();
        assert_eq!(
            text,
            "2 operator(s) are not supported:\n  - `a` (Softmax): no polynomial; drop it\n  - `b` (Softmax): no polynomial; drop it"
        );
    }
}
