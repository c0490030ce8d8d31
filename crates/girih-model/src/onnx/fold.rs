//! Evaluation of nodes whose operands are all constants.

use super::attribute::Attributes;
use super::constant::Constant;
use super::import::{Context, Refusal, Value, label};
use super::{layout, tensor};
use ndarray::{ArrayD, Axis, IxDyn, Zip};
use std::rc::Rc;
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;

/// Whether every operand of the node is a constant that is known by now.
pub(super) fn is_constant(c: &Context, node: &NodeProto) -> bool {
    let given = node.input.iter().filter(|s| !s.is_empty()).count();
    let known = (0..node.input.len())
        .filter(|i| matches!(c.value(node, *i), Some(Value::Const(_))))
        .count();
    given == known && (given > 0 || matches!(node.op_type.as_str(), "Constant"))
}

/// The constant that the node computes.
pub(super) fn evaluate(c: &mut Context, node: &NodeProto) -> Result<Constant, Refusal> {
    let a = Attributes(node);
    match node.op_type.as_str() {
        "Constant" => literal(&a, label(node)),
        "Identity" | "Dropout" => copy(c, &c.required(node, 0)?),
        "Cast" => cast(c, node),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let x = c.required(node, 0)?;
            let target = match node.op_type.as_str() {
                "Reshape" => layout::constant_reshape(c, node, x.shape())?,
                "Flatten" => layout::constant_flatten(&a, x.shape())?,
                "Squeeze" => layout::constant_squeeze(c, node, x.shape())?,
                _ => layout::constant_unsqueeze(c, node, x.shape())?,
            };
            c.reserve(x.len())?;
            let shaped = match &*x {
                Constant::Float(v) => reshape(v, &target).map(Constant::Float),
                Constant::Int(v) => reshape(v, &target).map(Constant::Int),
            };
            shaped.ok_or_else(|| {
                Refusal::malformed(format!(
                    "node `{}`: {:?} cannot become {target:?}",
                    label(node),
                    x.shape()
                ))
            })
        }
        "Transpose" => {
            let x = c.required(node, 0)?;
            let perm = layout::permutation(&a, x.shape().len())?;
            c.reserve(x.len())?;
            let axes = IxDyn(&perm);
            Ok(match &*x {
                Constant::Float(v) => {
                    Constant::Float(v.view().permuted_axes(axes).as_standard_layout().to_owned())
                }
                Constant::Int(v) => {
                    Constant::Int(v.view().permuted_axes(axes).as_standard_layout().to_owned())
                }
            })
        }
        "Concat" => concat(c, node),
        "Gather" => gather(c, node),
        "Shape" => {
            let x = c.required(node, 0)?;
            if a.has("start") || a.has("end") {
                return Err(unfoldable(node));
            }
            let dims: Vec<i64> = x.shape().iter().map(|d| *d as i64).collect();
            Ok(Constant::ints(&dims))
        }
        "ConstantOfShape" => constant_of_shape(c, node),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" => binary(c, node),
        "Neg" | "Sqrt" | "Reciprocal" | "Abs" | "Exp" => unary(c, node),
        _ => Err(unfoldable(node)),
    }
}

fn unfoldable(node: &NodeProto) -> Refusal {
    Refusal::unsupported(
        format!("a constant is computed by {}", node.op_type),
        "simplify the model before importing it (fold its constants)",
    )
}

fn literal(a: &Attributes<'_>, name: &str) -> Result<Constant, Refusal> {
    let constant = if let Some(t) = a.tensor("value")? {
        let name = if t.name.is_empty() { name } else { &t.name };
        tensor::read(t, name)?
    } else if let Some(v) = a.float("value_float")? {
        Constant::Float(ArrayD::from_elem(IxDyn(&[]), v))
    } else if let Some(v) = a.floats("value_floats")? {
        Constant::Float(ArrayD::from_shape_fn(IxDyn(&[v.len()]), |i| {
            f64::from(v[i[0]])
        }))
    } else if let Some(v) = a.int("value_int")? {
        Constant::Int(ArrayD::from_elem(IxDyn(&[]), v))
    } else if let Some(v) = a.ints("value_ints")? {
        Constant::ints(v)
    } else {
        return Err(Refusal::unsupported(
            "it holds no number",
            "keep only numeric constants",
        ));
    };
    finite(name, constant)
}

fn finite(name: &str, constant: Constant) -> Result<Constant, Refusal> {
    if let Constant::Float(v) = &constant {
        crate::shape::finite(name, v)?;
    }
    Ok(constant)
}

fn copy(c: &mut Context, x: &Rc<Constant>) -> Result<Constant, Refusal> {
    c.reserve(x.len())?;
    Ok((**x).clone())
}

fn cast(c: &mut Context, node: &NodeProto) -> Result<Constant, Refusal> {
    let x = c.required(node, 0)?;
    c.reserve(x.len())?;
    let to = Attributes(node).int_or("to", 0)? as i32;
    match DataType::try_from(to).unwrap_or(DataType::Undefined) {
        DataType::Float | DataType::Double => Ok(Constant::Float(x.to_float())),
        DataType::Int64 | DataType::Int32 => Ok(match &*x {
            Constant::Int(v) => Constant::Int(v.clone()),
            // Rounds towards zero and saturates.
            Constant::Float(v) => Constant::Int(v.mapv(|v| v as i64)),
        }),
        _ => Err(unfoldable(node)),
    }
}

fn reshape<T: Clone>(v: &ArrayD<T>, target: &[usize]) -> Option<ArrayD<T>> {
    v.as_standard_layout()
        .into_owned()
        .into_shape_with_order(IxDyn(target))
        .ok()
}

fn axis(node: &NodeProto, rank: usize, default: i64) -> Result<usize, Refusal> {
    let axis = Attributes(node).int_or("axis", default)?;
    layout::normalise(axis, rank)
        .ok_or_else(|| Refusal::malformed(format!("node `{}`: axis {axis}", label(node))))
}

fn concat(c: &mut Context, node: &NodeProto) -> Result<Constant, Refusal> {
    let parts = (0..node.input.len())
        .map(|i| c.required(node, i))
        .collect::<Result<Vec<_>, _>>()?;
    let axis = axis(node, parts[0].shape().len(), 0)?;
    c.reserve(parts.iter().map(|p| p.len()).sum())?;
    let wrong = |e: ndarray::ShapeError| Refusal::malformed(format!("node `{}`: {e}", label(node)));
    if parts.iter().all(|p| matches!(**p, Constant::Int(_))) {
        let views: Vec<_> = parts
            .iter()
            .filter_map(|p| match &**p {
                Constant::Int(v) => Some(v.view()),
                Constant::Float(_) => None,
            })
            .collect();
        ndarray::concatenate(Axis(axis), &views)
            .map(Constant::Int)
            .map_err(wrong)
    } else {
        let owned: Vec<_> = parts.iter().map(|p| p.to_float()).collect();
        let views: Vec<_> = owned.iter().map(|v| v.view()).collect();
        ndarray::concatenate(Axis(axis), &views)
            .map(Constant::Float)
            .map_err(wrong)
    }
}

fn gather(c: &mut Context, node: &NodeProto) -> Result<Constant, Refusal> {
    let x = c.required(node, 0)?;
    let indices = c.required(node, 1)?;
    let Constant::Int(indices) = &*indices else {
        return Err(Refusal::malformed(format!(
            "node `{}`: indices",
            label(node)
        )));
    };
    let axis = axis(node, x.shape().len(), 0)?;
    let size = x.shape()[axis];
    let rest = x.shape().iter().product::<usize>() / size.max(1);
    c.reserve(rest.saturating_mul(indices.len()))?;
    let picks = indices
        .iter()
        .map(|&i| layout::normalise(i, size))
        .collect::<Option<Vec<usize>>>()
        .ok_or_else(|| Refusal::malformed(format!("node `{}`: index", label(node))))?;
    let mut shape = x.shape()[..axis].to_vec();
    shape.extend(indices.shape());
    shape.extend(&x.shape()[axis + 1..]);
    let picked = match &*x {
        Constant::Float(v) => reshape(&v.select(Axis(axis), &picks), &shape).map(Constant::Float),
        Constant::Int(v) => reshape(&v.select(Axis(axis), &picks), &shape).map(Constant::Int),
    };
    picked.ok_or_else(|| Refusal::malformed(format!("node `{}`: indices", label(node))))
}

fn constant_of_shape(c: &mut Context, node: &NodeProto) -> Result<Constant, Refusal> {
    let wrong = || Refusal::malformed(format!("node `{}`: shape", label(node)));
    let dims = c.required(node, 0)?.int_list().ok_or_else(wrong)?;
    let dims = dims
        .into_iter()
        .map(|d| usize::try_from(d).ok())
        .collect::<Option<Vec<usize>>>()
        .ok_or_else(wrong)?;
    let count = dims
        .iter()
        .try_fold(1usize, |acc, d| acc.checked_mul(*d))
        .unwrap_or(usize::MAX);
    c.reserve(count)?;
    // An empty tensor may declare huge other dimensions, which an array cannot have.
    if count == 0 && dims.iter().any(|d| *d > crate::shape::MAX_VALUES) {
        return Err(wrong());
    }
    Ok(match Attributes(node).tensor("value")? {
        None => Constant::Float(ArrayD::zeros(IxDyn(&dims))),
        Some(t) => match tensor::read(t, label(node))? {
            Constant::Float(v) => {
                let value = v.first().copied().ok_or_else(wrong)?;
                Constant::Float(ArrayD::from_elem(IxDyn(&dims), value))
            }
            Constant::Int(v) => {
                let value = v.first().copied().ok_or_else(wrong)?;
                Constant::Int(ArrayD::from_elem(IxDyn(&dims), value))
            }
        },
    })
}

fn binary(c: &mut Context, node: &NodeProto) -> Result<Constant, Refusal> {
    let (x, y) = (c.required(node, 0)?, c.required(node, 1)?);
    let shape = layout::broadcast(x.shape(), y.shape()).ok_or_else(|| {
        Refusal::malformed(format!(
            "node `{}`: constants of shapes {:?} and {:?}",
            label(node),
            x.shape(),
            y.shape()
        ))
    })?;
    c.reserve(
        shape
            .iter()
            .try_fold(1usize, |acc, d| acc.checked_mul(*d))
            .unwrap_or(usize::MAX),
    )?;
    let op = node.op_type.as_str();
    if let (Constant::Int(x), Constant::Int(y)) = (&*x, &*y) {
        let f = match op {
            "Add" => i64::checked_add,
            "Sub" => i64::checked_sub,
            "Mul" => i64::checked_mul,
            "Div" => i64::checked_div,
            _ => return Err(unfoldable(node)),
        };
        let mut exact = true;
        let result = zip(x, y, &shape, |a, b| {
            f(a, b).unwrap_or_else(|| {
                exact = false;
                0
            })
        });
        return match result {
            Some(v) if exact => Ok(Constant::Int(v)),
            _ => Err(Refusal::malformed(format!(
                "node `{}`: integer overflow in {op}",
                label(node)
            ))),
        };
    }
    let f = match op {
        "Add" => |a: f64, b: f64| a + b,
        "Sub" => |a: f64, b: f64| a - b,
        "Mul" => |a: f64, b: f64| a * b,
        "Div" => |a: f64, b: f64| a / b,
        _ => f64::powf,
    };
    let result = zip(&x.to_float(), &y.to_float(), &shape, f)
        .ok_or_else(|| Refusal::malformed(format!("node `{}`: shapes", label(node))))?;
    finite(label(node), Constant::Float(result))
}

fn zip<T: Copy + Default>(
    x: &ArrayD<T>,
    y: &ArrayD<T>,
    shape: &[usize],
    mut f: impl FnMut(T, T) -> T,
) -> Option<ArrayD<T>> {
    let mut out = ArrayD::from_elem(IxDyn(shape), T::default());
    let x = x.broadcast(IxDyn(shape))?;
    let y = y.broadcast(IxDyn(shape))?;
    Zip::from(&mut out)
        .and(&x)
        .and(&y)
        .for_each(|o, a, b| *o = f(*a, *b));
    Some(out)
}

fn unary(c: &mut Context, node: &NodeProto) -> Result<Constant, Refusal> {
    let x = c.required(node, 0)?;
    c.reserve(x.len())?;
    let f = match node.op_type.as_str() {
        "Neg" => |a: f64| -a,
        "Sqrt" => f64::sqrt,
        "Reciprocal" => f64::recip,
        "Exp" => f64::exp,
        _ => f64::abs,
    };
    match &*x {
        Constant::Float(v) => finite(label(node), Constant::Float(v.mapv(f))),
        Constant::Int(_) => Err(unfoldable(node)),
    }
}
