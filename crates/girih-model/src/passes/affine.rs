//! Folding of per-channel factors and summands into the layer before.

use super::retain;
use crate::error::Result;
use crate::graph::Graph;
use crate::op::Op;
use crate::shape::check_finite;
use ndarray::{Array1, Axis};

/// `s (W x + b) + t = (s W) x + (s b + t)`: an `Affine` joins the `Conv2d`, `ConvTranspose2d`, `Dense` or `Affine` that it alone
/// reads.
///
/// # Errors
/// [`NonFinite`](crate::ModelError::NonFinite) if a folded weight overflows.
pub fn affine(graph: &Graph) -> Result<Graph> {
    let mut current = graph.clone();
    let readers: Vec<usize> = graph.users().iter().map(Vec::len).collect();
    let mut keep = vec![true; graph.nodes.len()];
    for i in 0..graph.nodes.len() {
        let Op::Affine { scale, shift } = current.nodes[i].op.clone() else {
            continue;
        };
        let inner = current.nodes[i].inputs[0];
        if readers[inner.0] != 1 || graph.is_output(inner) {
            continue;
        }
        // The layer takes the place of the `Affine`, so that a chain folds link by link.
        let Some(op) = fold(&current.nodes[inner.0].op, &scale, &shift) else {
            continue;
        };
        check_finite(&current.nodes[inner.0].name, &op)?;
        let layer = current.nodes[inner.0].clone();
        let node = &mut current.nodes[i];
        node.name = layer.name;
        node.op = op;
        node.inputs = layer.inputs;
        // Its only reader was the `Affine`.
        keep[inner.0] = false;
    }
    Ok(retain(&current, &keep))
}

fn fold(layer: &Op, scale: &Array1<f64>, shift: &Array1<f64>) -> Option<Op> {
    let join = |bias: &Option<Array1<f64>>| {
        Some(
            bias.as_ref()
                .map_or_else(|| shift.clone(), |b| b * scale + shift),
        )
    };
    match layer {
        Op::Conv2d {
            weight,
            bias,
            stride,
            pad,
            dilation,
            groups,
        } => {
            let mut weight = weight.clone();
            for (mut filter, s) in weight.axis_iter_mut(Axis(0)).zip(scale) {
                filter *= *s;
            }
            Some(Op::Conv2d {
                weight,
                bias: join(bias),
                stride: *stride,
                pad: *pad,
                dilation: *dilation,
                groups: *groups,
            })
        }
        Op::ConvTranspose2d {
            weight,
            bias,
            stride,
            pad,
            dilation,
            extra,
            groups,
        } => {
            let mut weight = weight.clone();
            let (inputs, per_group, _, _) = weight.dim();
            for ((c, o, _, _), w) in weight.indexed_iter_mut() {
                *w *= scale[c / (inputs / groups) * per_group + o];
            }
            Some(Op::ConvTranspose2d {
                weight,
                bias: join(bias),
                stride: *stride,
                pad: *pad,
                dilation: *dilation,
                extra: *extra,
                groups: *groups,
            })
        }
        Op::Dense { weight, bias } => {
            let mut weight = weight.clone();
            for (mut row, s) in weight.axis_iter_mut(Axis(0)).zip(scale) {
                row *= *s;
            }
            Some(Op::Dense {
                weight,
                bias: join(bias),
            })
        }
        Op::Affine { scale: a, shift: b } => Some(Op::Affine {
            scale: a * scale,
            shift: b * scale + shift,
        }),
        _ => None,
    }
}
