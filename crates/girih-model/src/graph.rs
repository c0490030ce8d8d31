//! The typed graph: operators in topological order, each with its result's shape.

use crate::error::{ModelError, Result};
use crate::op::Op;
use crate::shape;
use std::collections::HashMap;

/// Position of a node in [`Graph::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// One operator applied to earlier results.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Equal to the node's position in the graph.
    pub id: NodeId,
    /// A name for people; unique within a graph that a loader made.
    pub name: String,
    /// The operator with its constants.
    pub op: Op,
    /// Operands, all of them earlier nodes; as many as [`Op::arity`].
    pub inputs: Vec<NodeId>,
    /// Shape of the result **without the batch dimension**.
    pub shape: Vec<usize>,
}

/// A network: one input, any directed acyclic graph of [`Op`]s, one or more outputs.
///
/// `nodes` is in topological order (operands stand before their users) and `nodes[i].id == NodeId(i)`. Every tensor
/// has a leading batch dimension that no shape mentions and no operator touches. The fields are public data;
/// [`Graph::check`] verifies the rules, and everything that this crate returns obeys them.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Name of the model.
    pub name: String,
    /// All nodes, operands first.
    pub nodes: Vec<Node>,
    /// The node whose operator is [`Op::Input`].
    pub input: NodeId,
    /// Results in the file's order, at least one.
    pub outputs: Vec<NodeId>,
}

impl Graph {
    /// The node with that position.
    ///
    /// # Panics
    /// If `id` is from another graph.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Shape of the input without the batch.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        &self.node(self.input).shape
    }

    /// Shape of the first output without the batch.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        &self.node(self.outputs[0]).shape
    }

    /// `users[i]` = the nodes that read node `i`, in order, one entry per operand position.
    #[must_use]
    pub fn users(&self) -> Vec<Vec<NodeId>> {
        let mut users = vec![Vec::new(); self.nodes.len()];
        for node in &self.nodes {
            for input in &node.inputs {
                users[input.0].push(node.id);
            }
        }
        users
    }

    /// Whether the node is one of the graph's results.
    #[must_use]
    pub fn is_output(&self, id: NodeId) -> bool {
        self.outputs.contains(&id)
    }

    /// Sum of [`Op::parameters`] over all nodes.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.nodes.iter().map(|n| n.op.parameters()).sum()
    }

    /// Verifies order, operands, outputs, finite constants and, by inferring them anew, all shapes.
    ///
    /// # Errors
    /// The first rule that is broken, as [`ModelError::Graph`], [`ModelError::Shape`] or [`ModelError::NonFinite`].
    pub fn check(&self) -> Result<()> {
        let fail = |node: usize, reason: String| Err(ModelError::Graph { node, reason });
        let n = self.nodes.len();
        if self.input.0 >= n || !matches!(self.nodes[self.input.0].op, Op::Input) {
            return fail(self.input.0, "the input is no Input node".into());
        }
        if self.outputs.is_empty() {
            return fail(0, "the graph has no output".into());
        }
        if let Some(out) = self.outputs.iter().find(|o| o.0 >= n) {
            return fail(out.0, format!("an output beyond the {n} nodes"));
        }
        for (i, node) in self.nodes.iter().enumerate() {
            if node.id != NodeId(i) {
                return fail(i, format!("its id is {}", node.id.0));
            }
            if let Some(late) = node.inputs.iter().find(|o| o.0 >= i) {
                return fail(i, format!("it reads node {}, which is not earlier", late.0));
            }
            if matches!(node.op, Op::Input) {
                if NodeId(i) != self.input {
                    return fail(i, "a second Input node".into());
                }
                shape::check_size(&node.name, &node.shape)?;
                continue;
            }
            let operands: Vec<&[usize]> = node
                .inputs
                .iter()
                .map(|o| self.nodes[o.0].shape.as_slice())
                .collect();
            let inferred = shape::infer(&node.name, &node.op, &operands)?;
            if inferred != node.shape {
                return fail(
                    i,
                    format!("its shape is {:?}, inferred {inferred:?}", node.shape),
                );
            }
            shape::check_finite(&node.name, &node.op)?;
        }
        Ok(())
    }
}

/// Builds a [`Graph`] node by node, inferring shapes on the way.
///
/// ```
/// use girih_model::{GraphBuilder, Op};
/// let mut b = GraphBuilder::new("square", vec![4])?;
/// let x = b.input();
/// let y = b.push("y", Op::PowInt(2), vec![x])?;
/// let graph = b.finish(vec![y])?;
/// assert_eq!(graph.output_shape(), [4]);
/// # Ok::<(), girih_model::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct GraphBuilder {
    graph: Graph,
    names: HashMap<String, usize>,
}

impl GraphBuilder {
    /// A graph with only its input, of a shape without the batch.
    ///
    /// # Errors
    /// A dimension of zero, or more values than [`shape::MAX_VALUES`].
    pub fn new(name: &str, input_shape: Vec<usize>) -> Result<Self> {
        shape::check_size("input", &input_shape)?;
        let input = Node {
            id: NodeId(0),
            name: "input".into(),
            op: Op::Input,
            inputs: Vec::new(),
            shape: input_shape,
        };
        Ok(Self {
            graph: Graph {
                name: name.into(),
                nodes: vec![input],
                input: NodeId(0),
                outputs: Vec::new(),
            },
            names: HashMap::from([("input".into(), 1)]),
        })
    }

    /// The input node.
    #[must_use]
    pub fn input(&self) -> NodeId {
        self.graph.input
    }

    /// Shape of a node's result without the batch.
    ///
    /// # Panics
    /// If `id` is from another builder.
    #[must_use]
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.graph.nodes[id.0].shape
    }

    /// Appends a node; a name that is taken gets a number.
    ///
    /// # Errors
    /// Operands that do not exist or whose shapes do not fit, constants that are not finite.
    pub fn push(&mut self, name: &str, op: Op, inputs: Vec<NodeId>) -> Result<NodeId> {
        let id = NodeId(self.graph.nodes.len());
        if matches!(op, Op::Input) {
            return Err(ModelError::Graph {
                node: id.0,
                reason: "a second Input node".into(),
            });
        }
        if let Some(late) = inputs.iter().find(|o| o.0 >= id.0) {
            return Err(ModelError::Graph {
                node: id.0,
                reason: format!("it reads node {}, which is not earlier", late.0),
            });
        }
        let operands: Vec<&[usize]> = inputs.iter().map(|o| self.shape(*o)).collect();
        let shape = shape::infer(name, &op, &operands)?;
        shape::check_finite(name, &op)?;
        let name = self.unique(name);
        self.graph.nodes.push(Node {
            id,
            name,
            op,
            inputs,
            shape,
        });
        Ok(id)
    }

    /// The finished graph.
    ///
    /// # Errors
    /// No outputs, or one that does not exist.
    pub fn finish(mut self, outputs: Vec<NodeId>) -> Result<Graph> {
        self.graph.outputs = outputs;
        self.graph.check()?;
        Ok(self.graph)
    }

    fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_string();
        while let Some(count) = self.names.get_mut(&candidate) {
            let number = *count;
            *count += 1;
            candidate = format!("{name}.{number}");
        }
        self.names.insert(candidate.clone(), 1);
        candidate
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chain() -> Graph {
        let mut b = GraphBuilder::new("g", vec![2, 3]).unwrap();
        let x = b.input();
        let y = b.push("y", Op::Flatten, vec![x]).unwrap();
        let z = b.push("y", Op::Add, vec![y, y]).unwrap();
        b.finish(vec![z]).unwrap()
    }

    #[test]
    fn names_become_unique_and_users_are_counted_per_operand() {
        let g = chain();
        let names: Vec<&str> = g.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["input", "y", "y.1"]);
        assert_eq!(g.users()[1], [NodeId(2), NodeId(2)]);
        assert_eq!(g.output_shape(), [6]);
    }

    #[test]
    fn check_finds_each_broken_rule() {
        type Spoil = fn(&mut Graph);
        let spoils: [(&str, Spoil); 8] = [
            ("no Input node", |g| g.input = NodeId(1)),
            ("no output", |g| g.outputs.clear()),
            ("beyond the 3 nodes", |g| g.outputs[0] = NodeId(3)),
            ("its id is 7", |g| g.nodes[1].id = NodeId(7)),
            ("not earlier", |g| g.nodes[1].inputs[0] = NodeId(1)),
            ("inferred [6]", |g| g.nodes[2].shape = vec![5]),
            ("takes 2 operands", |g| {
                g.nodes[2].inputs.pop();
            }),
            ("second Input", |g| g.nodes[1].op = Op::Input),
        ];
        for (message, spoil) in spoils {
            let mut g = chain();
            g.check().unwrap();
            spoil(&mut g);
            let error = g.check().unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} lacks {message:?}");
        }
    }

    #[test]
    fn a_builder_refuses_unknown_operands_and_empty_shapes() {
        let mut b = GraphBuilder::new("g", vec![2]).unwrap();
        assert!(b.push("y", Op::Identity, vec![NodeId(1)]).is_err());
        assert!(b.push("y", Op::Input, vec![]).is_err());
        assert!(b.finish(vec![]).is_err());
        assert!(GraphBuilder::new("g", vec![0]).is_err());
        assert!(GraphBuilder::new("g", vec![usize::MAX, 2]).is_err());
    }
}
