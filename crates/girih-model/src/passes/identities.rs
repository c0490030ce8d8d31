//! Removal of nodes that return their operand.

use super::{redirect, retain};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::op::Op;

/// Readers of `Identity`, of a layout node that keeps its operand's layout, and of `x^1` read the operand instead.
///
/// # Errors
/// None for a graph that [`Graph::check`] accepts.
pub fn identities(graph: &Graph) -> Result<Graph> {
    let mut to: Vec<NodeId> = graph.nodes.iter().map(|n| n.id).collect();
    let mut keep = vec![true; graph.nodes.len()];
    for node in &graph.nodes {
        let nothing = match &node.op {
            Op::Identity | Op::PowInt(1) => true,
            Op::Flatten | Op::Reshape(_) => graph.node(node.inputs[0]).shape == node.shape,
            Op::Transpose(perm) => perm.iter().enumerate().all(|(i, p)| i == *p),
            _ => false,
        };
        if nothing {
            to[node.id.0] = node.inputs[0];
            keep[node.id.0] = false;
        }
    }
    Ok(retain(&redirect(graph, &to), &keep))
}
