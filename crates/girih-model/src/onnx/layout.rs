//! Operators that move values without changing them. The batch stays dimension 0, or the node is refused.

use super::attribute::Attributes;
use super::dims::{Dim, DimVector};
use super::import::{Context, Refusal, Value, label};
use crate::op::Op;
use std::rc::Rc;
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;

const KEEP_BATCH: &str = "keep the batch as dimension 0 throughout the model";

/// `axis` or `axis + rank`, if it lies in `0..rank`.
pub(super) fn normalise(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let at = if axis < 0 {
        axis.checked_add(rank)?
    } else {
        axis
    };
    usize::try_from(at).ok().filter(|_| at < rank)
}

/// The common shape of two operands by the usual rules, aligned at the last dimension.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| {
        // Dimensions that a shape does not have count as 1.
        (i + s.len()).checked_sub(rank).map_or(1, |j| s[j])
    };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// `Identity`, `Dropout` at inference, `Cast` between floating-point types.
pub(super) fn identity(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    if let Some(Value::Dims(d)) = c.value(node, 0) {
        return Ok(Value::Dims(d.clone()));
    }
    match node.op_type.as_str() {
        "Cast" => {
            let to = Attributes(node).int_or("to", 0)? as i32;
            let kind = DataType::try_from(to).unwrap_or(DataType::Undefined);
            if !matches!(kind, DataType::Float | DataType::Double | DataType::Float16) {
                return Err(Refusal::unsupported(
                    format!("the data is cast to {}", kind.as_str_name()),
                    "keep the data in floating point",
                ));
            }
        }
        "Dropout" => {
            let training = c.constant(node, 2)?.and_then(|t| t.scalar());
            if training.is_some_and(|t| t != 0.0) {
                return Err(Refusal::unsupported(
                    "it is in training mode",
                    "export the network in evaluation mode",
                ));
            }
        }
        _ => {}
    }
    let x = c.tensor(node, 0)?;
    c.push(node, Op::Identity, vec![x])
}

/// `Flatten` from axis 1.
pub(super) fn flatten(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let axis = Attributes(node).int_or("axis", 1)?;
    let x = c.tensor(node, 0)?;
    if normalise(axis, c.shape(x).len() + 1) != Some(1) {
        return Err(Refusal::unsupported(
            format!("axis {axis} merges the batch with other dimensions"),
            "flatten from axis 1",
        ));
    }
    c.push(node, Op::Flatten, vec![x])
}

/// `Reshape` that leaves the batch alone.
pub(super) fn reshape(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let x = c.tensor(node, 0)?;
    let item = c.shape(x);
    let target = match c.value(node, 1) {
        Some(Value::Dims(d)) => d.dims.clone(),
        Some(Value::Poisoned) => return Err(Refusal::Poisoned),
        Some(Value::Tensor(_)) => {
            return Err(Refusal::unsupported(
                "the shape depends on the data",
                "export with fixed shapes",
            ));
        }
        _ => reshape_target(c, node)?
            .into_iter()
            .map(Dim::Known)
            .collect(),
    };
    let zero_is_zero = Attributes(node).int_or("allowzero", 0)? != 0;
    let size: usize = item.iter().product();
    let merged = || Refusal::unsupported("it merges the batch with other dimensions", KEEP_BATCH);
    let Some((first, rest)) = target.split_first() else {
        return Err(merged());
    };
    // The wildcard, if it is not the batch, is what the other dimensions leave over.
    let mut known = 1usize;
    let mut wildcard = None;
    let mut shape = Vec::with_capacity(rest.len());
    for (i, dim) in rest.iter().enumerate() {
        let value = match dim {
            Dim::Batch => return Err(merged()),
            Dim::Known(-1) if wildcard.is_none() => {
                wildcard = Some(i);
                shape.push(1);
                continue;
            }
            Dim::Known(0) if !zero_is_zero => item.get(i).copied(),
            Dim::Known(n) => usize::try_from(*n).ok(),
        };
        let value = value.ok_or_else(|| {
            Refusal::malformed(format!("node `{}`: shape {target:?}", label(node)))
        })?;
        known = known.saturating_mul(value);
        shape.push(value);
    }
    let keeps_batch = match first {
        Dim::Batch => true,
        Dim::Known(0) => !zero_is_zero,
        Dim::Known(-1) => wildcard.is_none(),
        Dim::Known(n) => *n == 1 || Some(*n) == c.batch,
    };
    if let Some(i) = wildcard {
        if known == 0 || !size.is_multiple_of(known) {
            return Err(merged());
        }
        shape[i] = size / known;
        known = size;
    }
    if !keeps_batch || known != size || shape.is_empty() {
        return Err(merged());
    }
    let op = if shape.len() == 1 && item.len() > 1 {
        Op::Flatten
    } else {
        Op::Reshape(shape)
    };
    c.push(node, op, vec![x])
}

fn reshape_target(c: &Context, node: &NodeProto) -> Result<Vec<i64>, Refusal> {
    if let Some(list) = Attributes(node).ints("shape")? {
        return Ok(list.to_vec());
    }
    c.required(node, 1)?.int_list().ok_or_else(|| {
        Refusal::malformed(format!(
            "node `{}`: the shape is no integer list",
            label(node)
        ))
    })
}

/// Target of a `Reshape` of a constant.
pub(super) fn constant_reshape(
    c: &Context,
    node: &NodeProto,
    shape: &[usize],
) -> Result<Vec<usize>, Refusal> {
    let wrong = || Refusal::malformed(format!("node `{}`: target of Reshape", label(node)));
    let target = reshape_target(c, node)?;
    let mut result = Vec::with_capacity(target.len());
    let mut wildcard = None;
    for (i, &d) in target.iter().enumerate() {
        result.push(match d {
            -1 if wildcard.is_none() => {
                wildcard = Some(i);
                1
            }
            0 => *shape.get(i).ok_or_else(wrong)?,
            d => usize::try_from(d).map_err(|_| wrong())?,
        });
    }
    if let Some(i) = wildcard {
        let known = result
            .iter()
            .try_fold(1usize, |acc, d| acc.checked_mul(*d))
            .ok_or_else(wrong)?;
        let size: usize = shape.iter().product();
        if known == 0 || !size.is_multiple_of(known) {
            return Err(wrong());
        }
        result[i] = size / known;
    }
    Ok(result)
}

/// Target of a `Flatten` of a constant.
pub(super) fn constant_flatten(a: &Attributes<'_>, shape: &[usize]) -> Result<Vec<usize>, Refusal> {
    let axis = a.int_or("axis", 1)?;
    let at = normalise(axis, shape.len() + 1)
        .ok_or_else(|| Refusal::malformed(format!("axis {axis} of a Flatten")))?;
    Ok(vec![
        shape[..at].iter().product(),
        shape[at..].iter().product(),
    ])
}

/// The axes of `Squeeze` or `Unsqueeze`, an attribute before operator set 13 and an operand since.
fn axes(c: &Context, node: &NodeProto) -> Result<Option<Vec<i64>>, Refusal> {
    if let Some(list) = Attributes(node).ints("axes")? {
        return Ok(Some(list.to_vec()));
    }
    match c.constant(node, 1)? {
        None => Ok(None),
        Some(list) => list.int_list().map(Some).ok_or_else(|| {
            Refusal::malformed(format!("node `{}`: axes are no integer list", label(node)))
        }),
    }
}

/// The axes as positions in `0..rank`, each once.
fn axis_set(node: &NodeProto, axes: &[i64], rank: usize) -> Result<Vec<usize>, Refusal> {
    let mut set = Vec::with_capacity(axes.len());
    for &axis in axes {
        match normalise(axis, rank) {
            Some(at) if !set.contains(&at) => set.push(at),
            _ => {
                return Err(Refusal::malformed(format!(
                    "node `{}`: axes {axes:?} for rank {rank}",
                    label(node)
                )));
            }
        }
    }
    Ok(set)
}

/// The shape with 1 inserted at the given positions of the result.
fn unsqueezed(shape: &[usize], set: &[usize]) -> Vec<usize> {
    let mut old = shape.iter().copied();
    (0..shape.len() + set.len())
        .map(|i| {
            if set.contains(&i) {
                1
            } else {
                old.next().unwrap_or(1)
            }
        })
        .collect()
}

/// Shape of a squeezed constant.
pub(super) fn constant_squeeze(
    c: &Context,
    node: &NodeProto,
    shape: &[usize],
) -> Result<Vec<usize>, Refusal> {
    let set = match axes(c, node)? {
        Some(list) => axis_set(node, &list, shape.len())?,
        None => (0..shape.len()).filter(|i| shape[*i] == 1).collect(),
    };
    Ok((0..shape.len())
        .filter(|i| !set.contains(i))
        .map(|i| shape[i])
        .collect())
}

/// Shape of an unsqueezed constant.
pub(super) fn constant_unsqueeze(
    c: &Context,
    node: &NodeProto,
    shape: &[usize],
) -> Result<Vec<usize>, Refusal> {
    let list = axes(c, node)?.unwrap_or_default();
    let set = axis_set(node, &list, shape.len() + list.len())?;
    Ok(unsqueezed(shape, &set))
}

/// `Squeeze` of dimensions of size 1 other than the batch.
pub(super) fn squeeze(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    if let Some(Value::Dims(d)) = c.value(node, 0) {
        if d.dims.len() != 1 {
            return Err(Refusal::malformed(format!(
                "node `{}`: a shape",
                label(node)
            )));
        }
        return Ok(dims_value(d.dims.clone(), true));
    }
    let list = axes(c, node)?.ok_or_else(|| {
        Refusal::unsupported(
            "without axes it would drop a batch of 1 too",
            "name the axes to squeeze",
        )
    })?;
    let x = c.tensor(node, 0)?;
    let item = c.shape(x);
    let set = axis_set(node, &list, item.len() + 1)?;
    if set.contains(&0) || set.len() == item.len() {
        return Err(Refusal::unsupported(
            "it drops the batch or every other dimension",
            KEEP_BATCH,
        ));
    }
    if let Some(at) = set.iter().find(|at| item[**at - 1] != 1) {
        return Err(Refusal::malformed(format!(
            "node `{}` squeezes dimension {at} of size {}",
            label(node),
            item[at - 1]
        )));
    }
    let shape = (0..item.len())
        .filter(|i| !set.contains(&(i + 1)))
        .map(|i| item[i])
        .collect();
    c.push(node, Op::Reshape(shape), vec![x])
}

/// `Unsqueeze` behind the batch.
pub(super) fn unsqueeze(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    if let Some(Value::Dims(d)) = c.value(node, 0) {
        if !d.scalar {
            return Err(Refusal::malformed(format!(
                "node `{}`: a shape",
                label(node)
            )));
        }
        return Ok(dims_value(d.dims.clone(), false));
    }
    let list = axes(c, node)?.unwrap_or_default();
    let x = c.tensor(node, 0)?;
    let item = c.shape(x);
    let set = axis_set(node, &list, item.len() + 1 + list.len())?;
    if set.contains(&0) {
        return Err(Refusal::unsupported(
            "it puts a dimension before the batch",
            KEEP_BATCH,
        ));
    }
    let behind: Vec<usize> = set.iter().map(|at| at - 1).collect();
    let shape = unsqueezed(&item, &behind);
    c.push(node, Op::Reshape(shape), vec![x])
}

/// The permutation of a `Transpose`, the reversal if it is left out.
pub(super) fn permutation(a: &Attributes<'_>, rank: usize) -> Result<Vec<usize>, Refusal> {
    let Some(list) = a.ints("perm")? else {
        return Ok((0..rank).rev().collect());
    };
    let perm: Option<Vec<usize>> = list.iter().map(|&p| normalise(p, rank)).collect();
    match perm {
        Some(p) if p.len() == rank && (0..rank).all(|i| p.contains(&i)) => Ok(p),
        _ => Err(Refusal::malformed(format!(
            "{list:?} is no permutation of rank {rank}"
        ))),
    }
}

/// `Transpose` with the batch in front.
pub(super) fn transpose(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let x = c.tensor(node, 0)?;
    let perm = permutation(&Attributes(node), c.shape(x).len() + 1)?;
    if perm[0] != 0 {
        return Err(Refusal::unsupported(
            format!("the permutation {perm:?} moves the batch"),
            KEEP_BATCH,
        ));
    }
    let perm = perm[1..].iter().map(|p| p - 1).collect();
    c.push(node, Op::Transpose(perm), vec![x])
}

/// `Shape` of a tensor, the batch as a symbol.
pub(super) fn shape(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let x = c.tensor(node, 0)?;
    let mut dims = vec![Dim::Batch];
    dims.extend(c.shape(x).iter().map(|d| Dim::Known(*d as i64)));
    let a = Attributes(node);
    let full = DimVector {
        dims,
        scalar: false,
    };
    let part = full.slice(a.int_or("start", 0)?, a.int_or("end", i64::MAX)?);
    Ok(dims_value(part.dims, false))
}

/// `Gather`, `Slice` and `Concat` where they compute the target of a `Reshape`.
pub(super) fn shape_arithmetic(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let vector = |c: &Context, i: usize| -> Result<DimVector, Refusal> {
        let found = match c.value(node, i) {
            Some(Value::Dims(d)) => Some(d.clone()),
            Some(Value::Const(k)) => DimVector::from_constant(k),
            Some(Value::Poisoned) => return Err(Refusal::Poisoned),
            _ => None,
        };
        found.ok_or_else(|| {
            Refusal::unsupported(
                "it is read only where it computes a shape",
                "keep the data in whole tensors between layers",
            )
        })
    };
    let a = Attributes(node);
    match node.op_type.as_str() {
        "Gather" => {
            let picked = vector(c, 0)?.gather(&*c.required(node, 1)?)?;
            Ok(dims_value(picked.dims, picked.scalar))
        }
        "Slice" => {
            let from = vector(c, 0)?;
            let one = |i: usize, name: &str| -> Result<i64, Refusal> {
                let list = match a.ints(name)? {
                    Some(list) => Some(list.to_vec()),
                    None => c.constant(node, i)?.and_then(|k| k.int_list()),
                };
                match list.as_deref() {
                    Some([v]) => Ok(*v),
                    _ => Err(Refusal::malformed(format!(
                        "node `{}`: {name}",
                        label(node)
                    ))),
                }
            };
            if c.constant(node, 4)?
                .is_some_and(|s| s.scalar() != Some(1.0))
            {
                return Err(Refusal::unsupported(
                    "it slices a shape with a step",
                    "export with fixed shapes",
                ));
            }
            Ok(dims_value(
                from.slice(one(1, "starts")?, one(2, "ends")?).dims,
                false,
            ))
        }
        _ => {
            let mut dims = Vec::new();
            for i in 0..node.input.len() {
                dims.extend(vector(c, i)?.dims);
            }
            Ok(dims_value(dims, false))
        }
    }
}

/// A shape vector, as a constant if the batch does not occur in it.
fn dims_value(dims: Vec<Dim>, scalar: bool) -> Value {
    let vector = DimVector { dims, scalar };
    match vector.to_constant() {
        Some(c) => Value::Const(Rc::new(c)),
        None => Value::Dims(vector),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_count_from_both_ends() {
        assert_eq!(normalise(2, 3), Some(2));
        assert_eq!(normalise(-3, 3), Some(0));
        assert_eq!(normalise(3, 3), None);
        assert_eq!(normalise(-4, 3), None);
        assert_eq!(normalise(i64::MIN, 3), None);
    }

    #[test]
    fn shapes_broadcast_from_the_last_dimension() {
        assert_eq!(broadcast(&[2, 1, 4], &[3, 1]), Some(vec![2, 3, 4]));
        assert_eq!(broadcast(&[], &[5]), Some(vec![5]));
        assert_eq!(broadcast(&[2], &[3]), None);
    }

    #[test]
    fn ones_are_inserted_at_positions_of_the_result() {
        assert_eq!(unsqueezed(&[4, 5], &[0, 3]), [1, 4, 5, 1]);
        assert_eq!(unsqueezed(&[], &[0]), [1]);
    }
}
