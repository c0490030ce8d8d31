//! Removal of nodes that no output needs.

use super::retain;
use crate::error::Result;
use crate::graph::Graph;

/// Keeps the input and every node that an output depends on.
///
/// # Errors
/// None for a graph that [`Graph::check`] accepts.
pub fn dead(graph: &Graph) -> Result<Graph> {
    let mut keep = vec![false; graph.nodes.len()];
    keep[graph.input.0] = true;
    for out in &graph.outputs {
        keep[out.0] = true;
    }
    // Operands stand before their readers, so one walk from the end reaches everything.
    for node in graph.nodes.iter().rev() {
        if keep[node.id.0] {
            for input in &node.inputs {
                keep[input.0] = true;
            }
        }
    }
    Ok(retain(graph, &keep))
}
