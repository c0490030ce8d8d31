//! Clean-up passes: graph in, graph of the same function out.
//!
//! | pass | before | after |
//! |---|---|---|
//! | [`identities`](fn@identities) | `y = Identity(x)`, a `Reshape` or `Transpose` that changes nothing | readers of `y` read `x` |
//! | [`affine`](fn@affine) | `Affine(Conv2d(x))`, `Affine(ConvTranspose2d(x))`, `Affine(Dense(x))`, `Affine(Affine(x))`, inner value read once | one node |
//! | [`dead`](fn@dead) | nodes that no output needs | gone (the input stays) |

mod affine;
mod dead;
mod identities;

pub use affine::affine;
pub use dead::dead;
pub use identities::identities;

use crate::error::Result;
use crate::graph::{Graph, Node, NodeId};

/// A pass by name.
pub type Pass = (&'static str, fn(&Graph) -> Result<Graph>);

/// All passes in the order in which [`simplify`] applies them.
pub const PASSES: [Pass; 3] = [
    ("identities", identities),
    ("affine", affine),
    ("dead", dead),
];

/// All passes in order, each result checked.
///
/// The values change by rounding only: folding a factor into weights reorders products.
///
/// # Errors
/// A graph that [`Graph::check`] refuses, or a folded weight that overflows.
pub fn simplify(graph: &Graph) -> Result<Graph> {
    graph.check()?;
    let mut current = graph.clone();
    for (_, pass) in PASSES {
        current = pass(&current)?;
        current.check()?;
    }
    Ok(current)
}

/// The graph with every read of `i` replaced by a read of `to[i]`; nothing is removed.
fn redirect(graph: &Graph, to: &[NodeId]) -> Graph {
    let follow = |mut id: NodeId| {
        while to[id.0] != id {
            id = to[id.0];
        }
        id
    };
    let mut result = graph.clone();
    for node in &mut result.nodes {
        for input in &mut node.inputs {
            *input = follow(*input);
        }
    }
    for out in &mut result.outputs {
        *out = follow(*out);
    }
    result
}

/// The graph of the nodes that `keep` names, renumbered.
fn retain(graph: &Graph, keep: &[bool]) -> Graph {
    let mut new_id = vec![NodeId(0); graph.nodes.len()];
    let mut nodes: Vec<Node> = Vec::new();
    for node in graph.nodes.iter().filter(|n| keep[n.id.0]) {
        new_id[node.id.0] = NodeId(nodes.len());
        nodes.push(Node {
            id: NodeId(nodes.len()),
            inputs: node.inputs.iter().map(|i| new_id[i.0]).collect(),
            ..node.clone()
        });
    }
    Graph {
        name: graph.name.clone(),
        nodes,
        input: new_id[graph.input.0],
        outputs: graph.outputs.iter().map(|o| new_id[o.0]).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::reference::run_all;
    use crate::{GraphBuilder, Op};
    use ndarray::{Array1, Array2, Array4, ArrayD, IxDyn};

    fn wave(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i as f64 * 0.7 + 0.3).sin()).collect()
    }

    fn affine_op(n: usize, f: f64) -> Op {
        Op::Affine {
            scale: Array1::from(wave(n)) * f,
            shift: Array1::from(wave(n)) + f,
        }
    }

    /// Convolution, two normalisations, identities, a branch that is read twice and one that nobody reads.
    fn tangled() -> Graph {
        let mut b = GraphBuilder::new("g", vec![2, 4, 4]).unwrap();
        let x = b.input();
        let conv = Op::Conv2d {
            weight: Array4::from_shape_vec((3, 2, 3, 3), wave(54)).unwrap(),
            bias: None,
            stride: [1, 1],
            pad: [1; 4],
            dilation: [1, 1],
            groups: 1,
        };
        let c = b.push("conv", conv, vec![x]).unwrap();
        let i = b.push("id", Op::Identity, vec![c]).unwrap();
        let n = b.push("bn", affine_op(3, 2.0), vec![i]).unwrap();
        let m = b.push("bn2", affine_op(3, -1.0), vec![n]).unwrap();
        b.push("dead", Op::PowInt(3), vec![m]).unwrap();
        let s = b.push("sq", Op::PowInt(2), vec![m]).unwrap();
        let t = b
            .push("same", Op::Transpose(vec![0, 1, 2]), vec![s])
            .unwrap();
        let a = b.push("add", Op::Add, vec![t, m]).unwrap();
        let f = b.push("flat", Op::Flatten, vec![a]).unwrap();
        let r = b.push("flat2", Op::Flatten, vec![f]).unwrap();
        let dense = Op::Dense {
            weight: Array2::from_shape_vec((5, 48), wave(240)).unwrap(),
            bias: Some(Array1::from(wave(5))),
        };
        let d = b.push("fc", dense, vec![r]).unwrap();
        let e = b.push("scale", affine_op(5, 0.5), vec![d]).unwrap();
        // `d` is an output itself, so `scale` must not be folded into it.
        b.finish(vec![e, d]).unwrap()
    }

    #[test]
    fn passes_keep_the_function() {
        let g = tangled();
        let x = ArrayD::from_shape_vec(IxDyn(&[3, 2, 4, 4]), wave(96)).unwrap();
        let want = run_all(&g, &x).unwrap();
        let mut current = g;
        for (name, pass) in PASSES {
            current = pass(&current).unwrap();
            current.check().unwrap();
            for (got, want) in run_all(&current, &x).unwrap().iter().zip(&want) {
                let error = (got - want).mapv(f64::abs).fold(0.0, |a: f64, b| a.max(*b));
                assert!(error < 1e-11, "pass {name}: {error}");
            }
        }
    }

    #[test]
    fn the_simplified_graph_has_no_more_than_it_needs() {
        let g = simplify(&tangled()).unwrap();
        let ops: Vec<String> = g.nodes.iter().map(|n| n.op.to_string()).collect();
        assert_eq!(
            ops,
            [
                "Input",
                "Conv2d 3x3 to 3, stride 1x1, padding [1, 1, 1, 1]",
                "x^2",
                "Add",
                "Flatten",
                "Dense 48 to 5",
                "Affine"
            ]
        );
        assert_eq!(simplify(&g).unwrap(), g);
    }

    #[test]
    fn values_read_twice_are_not_folded() {
        let mut b = GraphBuilder::new("g", vec![3]).unwrap();
        let x = b.input();
        let n = b.push("n", affine_op(3, 2.0), vec![x]).unwrap();
        let m = b.push("m", affine_op(3, 1.0), vec![n]).unwrap();
        let a = b.push("a", Op::Mul, vec![n, m]).unwrap();
        let g = b.finish(vec![a]).unwrap();
        assert_eq!(simplify(&g).unwrap(), g);
    }

    #[test]
    fn an_output_that_is_an_identity_of_the_input_stays_an_output() {
        let mut b = GraphBuilder::new("g", vec![3]).unwrap();
        let x = b.input();
        let y = b.push("y", Op::Identity, vec![x]).unwrap();
        let g = simplify(&b.finish(vec![y]).unwrap()).unwrap();
        assert_eq!((g.nodes.len(), g.outputs[0]), (1, g.input));
    }
}
