//! The plain run of a graph in double precision: the oracle of every other way to run it.
//!
//! Each item of the batch is computed on its own, the items in parallel on rayon's current pool; the order of additions
//! within an item is fixed, so results do not depend on the number of threads.

mod kernels;

use std::collections::BTreeMap;

use crate::error::{ModelError, Result};
use crate::graph::{Graph, NodeId};
use crate::op::Op;
use ndarray::{ArrayD, Dimension, IxDyn};
use rayon::prelude::*;

/// `y = model(x)`: the first output, batch first.
///
/// Memory: the live results of one item per thread, plus input and output.
///
/// # Errors
/// An input of another shape, with NaN or infinities; a graph that [`Graph::check`] refuses.
pub fn run(graph: &Graph, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
    let mut all = run_all(graph, input)?;
    Ok(all.swap_remove(0))
}

/// All outputs in the graph's order, batch first.
///
/// # Errors
/// As [`run`].
pub fn run_all(graph: &Graph, input: &ArrayD<f64>) -> Result<Vec<ArrayD<f64>>> {
    let plan = Plan::new(graph)?;
    let items = plan.items(input)?;
    let per_item: Vec<Vec<Vec<f64>>> = items
        .par_iter()
        .map(|x| {
            let mut outputs = vec![Vec::new(); graph.outputs.len()];
            plan.run_item(x, |id, values| {
                for (slot, out) in outputs.iter_mut().zip(&graph.outputs) {
                    if *out == id {
                        *slot = values.to_vec();
                    }
                }
            });
            outputs
        })
        .collect();
    graph
        .outputs
        .iter()
        .enumerate()
        .map(|(o, id)| {
            let mut shape = vec![items.len()];
            shape.extend(&graph.node(*id).shape);
            let values = per_item
                .iter()
                .flat_map(|item| item[o].iter().copied())
                .collect();
            ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| ModelError::Graph {
                node: id.0,
                reason: e.to_string(),
            })
        })
        .collect()
}

/// Functions of one element that stand in for the operators of some nodes.
pub type Substitutes<'a> = BTreeMap<NodeId, &'a (dyn Fn(f64) -> f64 + Sync)>;

/// The first output, batch first, with other functions in place of some nodes' operators.
///
/// # Errors
/// As [`run`]. A substitute for a node that does not read and return equal shapes is ignored.
pub fn run_with(
    graph: &Graph,
    input: &ArrayD<f64>,
    substitutes: &Substitutes<'_>,
) -> Result<ArrayD<f64>> {
    let plan = Plan::new(graph)?;
    let items = plan.items(input)?;
    let output = graph.outputs.first().copied().unwrap_or(NodeId(0));
    let per_item: Vec<Vec<f64>> = items
        .par_iter()
        .map(|x| {
            let mut result = Vec::new();
            plan.run_item_with(x, substitutes, |id, values| {
                if id == output {
                    result = values.to_vec();
                }
            });
            result
        })
        .collect();
    let mut shape = vec![items.len()];
    shape.extend(&graph.node(output).shape);
    ArrayD::from_shape_vec(IxDyn(&shape), per_item.concat()).map_err(|e| ModelError::Graph {
        node: output.0,
        reason: e.to_string(),
    })
}

/// Collects something about every node's result over a batch, with other functions in place of some nodes' operators.
///
/// `see` is called once for every item and node with a state that `start` made; `join` joins states in any order.
///
/// # Errors
/// As [`run_with`].
pub fn observe<T: Send>(
    graph: &Graph,
    input: &ArrayD<f64>,
    substitutes: &Substitutes<'_>,
    start: impl Fn() -> T + Sync + Send,
    see: impl Fn(&mut T, NodeId, &[f64]) + Sync + Send,
    join: impl Fn(T, T) -> T + Sync + Send,
) -> Result<T> {
    let plan = Plan::new(graph)?;
    let items = plan.items(input)?;
    Ok(items
        .par_iter()
        .fold(&start, |mut state, x| {
            plan.run_item_with(x, substitutes, |id, values| see(&mut state, id, values));
            state
        })
        .reduce(&start, &join))
}

/// Smallest and largest value of every node's result over a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    bounds: Vec<[f64; 2]>,
}

impl Ranges {
    /// `[min, max]` of the node's result.
    ///
    /// # Panics
    /// If `id` is from another graph.
    #[must_use]
    pub fn of(&self, id: NodeId) -> [f64; 2] {
        self.bounds[id.0]
    }

    /// `[min, max]` by node, in the graph's order.
    #[must_use]
    pub fn all(&self) -> &[[f64; 2]] {
        &self.bounds
    }

    /// The ranges over both batches.
    ///
    /// # Panics
    /// If `other` is from another graph.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        assert_eq!(
            self.bounds.len(),
            other.bounds.len(),
            "ranges of two different graphs"
        );
        let bounds = self
            .bounds
            .iter()
            .zip(&other.bounds)
            .map(|(a, b)| hull(*a, *b))
            .collect();
        Self { bounds }
    }
}

/// The range of every node over a batch, for choosing the intervals of polynomial replacements.
///
/// # Errors
/// As [`run`]; also an empty batch, which has no range.
pub fn ranges(graph: &Graph, input: &ArrayD<f64>) -> Result<Ranges> {
    let plan = Plan::new(graph)?;
    let items = plan.items(input)?;
    if items.is_empty() {
        return Err(plan.wrong_shape(input));
    }
    let empty = || vec![[f64::INFINITY, f64::NEG_INFINITY]; graph.nodes.len()];
    let bounds = items
        .par_iter()
        .map(|x| {
            let mut bounds = empty();
            plan.run_item(x, |id, values| {
                bounds[id.0] = values
                    .iter()
                    .fold(bounds[id.0], |acc, v| hull(acc, [*v, *v]));
            });
            bounds
        })
        .reduce(empty, |a, b| {
            a.into_iter().zip(b).map(|(a, b)| hull(a, b)).collect()
        });
    Ok(Ranges { bounds })
}

fn hull(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0].min(b[0]), a[1].max(b[1])]
}

/// A checked graph with the last reader of every node.
struct Plan<'a> {
    graph: &'a Graph,
    last: Vec<usize>,
}

impl<'a> Plan<'a> {
    fn new(graph: &'a Graph) -> Result<Self> {
        graph.check()?;
        let mut last: Vec<usize> = (0..graph.nodes.len()).collect();
        for node in &graph.nodes {
            for input in &node.inputs {
                last[input.0] = node.id.0;
            }
        }
        Ok(Self { graph, last })
    }

    fn wrong_shape(&self, input: &ArrayD<f64>) -> ModelError {
        let dims: Vec<String> = self
            .graph
            .input_shape()
            .iter()
            .map(ToString::to_string)
            .collect();
        ModelError::InputShape {
            expected: format!("[B, {}]", dims.join(", ")),
            found: input.shape().to_vec(),
        }
    }

    /// The batch cut into items, row-major.
    fn items(&self, input: &ArrayD<f64>) -> Result<Vec<Vec<f64>>> {
        if input.shape().split_first().map(|(_, item)| item) != Some(self.graph.input_shape()) {
            return Err(self.wrong_shape(input));
        }
        if let Some((index, value)) = input.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(ModelError::InputNonFinite {
                index: index.slice().to_vec(),
                value: *value,
            });
        }
        Ok(input
            .outer_iter()
            .map(|x| x.iter().copied().collect())
            .collect())
    }

    /// Runs one item and shows every node's result once.
    fn run_item(&self, x: &[f64], show: impl FnMut(NodeId, &[f64])) {
        self.run_item_with(x, &Substitutes::new(), show);
    }

    fn run_item_with(
        &self,
        x: &[f64],
        substitutes: &Substitutes<'_>,
        mut show: impl FnMut(NodeId, &[f64]),
    ) {
        let mut values: Vec<Option<Vec<f64>>> = vec![None; self.graph.nodes.len()];
        for node in &self.graph.nodes {
            let result = if matches!(node.op, Op::Input) {
                x.to_vec()
            } else {
                let operands: Vec<(&[f64], &[usize])> = node
                    .inputs
                    .iter()
                    .map(|i| {
                        let value = values[i.0].as_deref().unwrap_or_default();
                        (value, self.graph.node(*i).shape.as_slice())
                    })
                    .collect();
                match (substitutes.get(&node.id), operands[..].first()) {
                    (Some(f), Some((x, shape))) if *shape == node.shape => {
                        x.iter().map(|v| f(*v)).collect()
                    }
                    _ => kernels::apply(&node.op, &operands, &node.shape),
                }
            };
            show(node.id, &result);
            values[node.id.0] = Some(result);
            for input in &node.inputs {
                if self.last[input.0] == node.id.0 {
                    values[input.0] = None;
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{ActivationKind, GraphBuilder};
    use ndarray::{Array, Array1, Array2};

    fn small() -> Graph {
        let mut b = GraphBuilder::new("g", vec![2]).unwrap();
        let x = b.input();
        let dense = Op::Dense {
            weight: Array2::from_shape_vec((2, 2), vec![1.0, 2.0, 3.0, -4.0]).unwrap(),
            bias: Some(Array1::from(vec![0.5, 0.0])),
        };
        let d = b.push("fc", dense, vec![x]).unwrap();
        let r = b
            .push("relu", Op::Activation(ActivationKind::Relu), vec![d])
            .unwrap();
        let s = b.push("sum", Op::Add, vec![r, x]).unwrap();
        b.finish(vec![s, d]).unwrap()
    }

    #[test]
    fn a_residual_network_gives_the_values_worked_out_by_hand() {
        let g = small();
        let x = Array::from_shape_vec(IxDyn(&[2, 2]), vec![1.0, 1.0, -2.0, 0.25]).unwrap();
        let out = run_all(&g, &x).unwrap();
        // Row 1: W x + b = [3.5, -1], relu [3.5, 0], plus x. Row 2: [-1, -7], relu [0, 0], plus x.
        assert_eq!(out[0].as_slice().unwrap(), [4.5, 1.0, -2.0, 0.25]);
        assert_eq!(out[1].as_slice().unwrap(), [3.5, -1.0, -1.0, -7.0]);
        assert_eq!(run(&g, &x).unwrap(), out[0]);
        let r = ranges(&g, &x).unwrap();
        assert_eq!(r.all(), [[-2.0, 1.0], [-7.0, 3.5], [0.0, 3.5], [-2.0, 4.5]]);
        let first = ranges(&g, &x.select(ndarray::Axis(0), &[0])).unwrap();
        let second = ranges(&g, &x.select(ndarray::Axis(0), &[1])).unwrap();
        assert_eq!(first.union(&second), r);
        assert_eq!(r.of(NodeId(1)), [-7.0, 3.5]);
    }

    #[test]
    fn substitutes_stand_in_and_results_are_observed() {
        let g = small();
        let x = Array::from_shape_vec(IxDyn(&[2, 2]), vec![1.0, 1.0, -2.0, 0.25]).unwrap();
        let double = |v: f64| 2.0 * v;
        let substitutes = Substitutes::from([(NodeId(2), &double as &(dyn Fn(f64) -> f64 + Sync))]);
        // The relu becomes a doubling: 2 (W x + b) + x.
        let out = run_with(&g, &x, &substitutes).unwrap();
        assert_eq!(out.as_slice().unwrap(), [8.0, -1.0, -4.0, -13.75]);
        assert_eq!(
            run_with(&g, &x, &Substitutes::new()).unwrap(),
            run(&g, &x).unwrap()
        );
        let seen = observe(
            &g,
            &x,
            &substitutes,
            || 0.0,
            |sum, id, values| {
                *sum += if id == NodeId(2) {
                    values.iter().sum()
                } else {
                    0.0
                }
            },
            |a, b| a + b,
        );
        assert_eq!(seen.unwrap(), 2.0 * (3.5 - 1.0 - 1.0 - 7.0));
    }

    #[test]
    fn inputs_are_checked() {
        let g = small();
        for shape in [&[2usize][..], &[1, 3], &[1, 2, 1], &[]] {
            let error = run(&g, &ArrayD::zeros(IxDyn(shape))).unwrap_err();
            assert!(
                error.to_string().contains("[B, 2]"),
                "{error} for {shape:?}"
            );
        }
        let mut x = ArrayD::zeros(IxDyn(&[3, 2]));
        x[[2, 1]] = f64::NAN;
        assert!(matches!(
            run(&g, &x).unwrap_err(),
            ModelError::InputNonFinite { index, .. } if index == [2, 1]
        ));
        let none = ArrayD::zeros(IxDyn(&[0, 2]));
        assert_eq!(run(&g, &none).unwrap().shape(), [0, 2]);
        assert!(ranges(&g, &none).is_err());
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let g = small();
        let x = ArrayD::from_shape_fn(IxDyn(&[37, 2]), |i| ((i[0] * 7 + i[1]) as f64).sin());
        let with = |n| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build()
                .unwrap()
                .install(|| run(&g, &x).unwrap())
        };
        assert_eq!(with(1), with(3));
    }
}
