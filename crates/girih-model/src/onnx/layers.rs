//! Operators that compute: dense layers, means, normalisation, arithmetic.

use super::attribute::Attributes;
use super::constant::Constant;
use super::import::{Context, Refusal, Value, label};
use super::layout::normalise;
use super::window::average_pool;
use crate::op::Op;
use ndarray::{Array1, Array2, ArrayD, Ix2, IxDyn};
use tract_onnx::pb::NodeProto;

/// Largest exponent of `Pow`; beyond it a product tree is deeper than any level chain.
const MAX_EXPONENT: f64 = 1024.0;

/// `Gemm`: `alpha A B + beta C` with the data as `A` and constants as `B` and `C`.
pub(super) fn gemm(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let a = Attributes(node);
    if a.int_or("transA", 0)? != 0 {
        return Err(Refusal::unsupported(
            "it transposes the data with its batch",
            "use transA = 0",
        ));
    }
    let alpha = finite(node, a.float_or("alpha", 1.0)?)?;
    let beta = finite(node, a.float_or("beta", 1.0)?)?;
    let matrix = c.required(node, 1)?;
    let weight = matrix_of(node, &matrix)?;
    let weight = if a.int_or("transB", 0)? == 0 {
        weight.reversed_axes().as_standard_layout().to_owned()
    } else {
        weight
    };
    let weight = weight * alpha;
    let bias = match c.constant(node, 2)? {
        Some(b) => Some(vector(node, &b, weight.nrows())? * beta),
        None => None,
    };
    let x = c.tensor(node, 0)?;
    one_row(c, x)?;
    c.push(node, Op::Dense { weight, bias }, vec![x])
}

/// `MatMul` of the data with a constant matrix.
pub(super) fn matmul(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    if let (Some(Value::Tensor(_)), Some(Value::Tensor(_))) = (c.value(node, 0), c.value(node, 1)) {
        return Err(Refusal::unsupported(
            "both operands depend on the input",
            "multiply by constant matrices only",
        ));
    }
    let matrix = c.required(node, 1)?;
    let weight = matrix_of(node, &matrix)?
        .reversed_axes()
        .as_standard_layout()
        .to_owned();
    let x = c.tensor(node, 0)?;
    one_row(c, x)?;
    c.push(node, Op::Dense { weight, bias: None }, vec![x])
}

fn matrix_of(node: &NodeProto, constant: &Constant) -> Result<Array2<f64>, Refusal> {
    constant
        .to_float()
        .into_dimensionality::<Ix2>()
        .map_err(|_| {
            Refusal::unsupported(
                format!(
                    "the constant of `{}` has shape {:?}, not a matrix",
                    label(node),
                    constant.shape()
                ),
                "multiply by a matrix",
            )
        })
}

fn one_row(c: &Context, x: crate::NodeId) -> Result<(), Refusal> {
    let item = c.shape(x);
    if item.len() == 1 {
        return Ok(());
    }
    Err(Refusal::unsupported(
        format!("the data has shape {item:?} behind the batch, not one row"),
        "flatten before the matrix product",
    ))
}

/// A constant that broadcasts to `[1, n]` as a vector of `n` values.
pub(super) fn vector(
    node: &NodeProto,
    constant: &Constant,
    n: usize,
) -> Result<Array1<f64>, Refusal> {
    let shape = constant.shape();
    let (last, before) = shape.split_last().unwrap_or((&1, &[]));
    if before.iter().any(|d| *d != 1) || (*last != 1 && *last != n) {
        return Err(Refusal::malformed(format!(
            "node `{}`: a constant of shape {shape:?} for {n} outputs",
            label(node)
        )));
    }
    let values: Vec<f64> = constant.to_float().iter().copied().collect();
    Ok(Array1::from_shape_fn(n, |i| {
        values[if values.len() == 1 { 0 } else { i }]
    }))
}

/// `GlobalAveragePool` of images.
pub(super) fn global_average_pool(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let x = c.tensor(node, 0)?;
    plane(c, node, x)?;
    c.push(node, Op::GlobalAvgPool, vec![x])
}

/// `ReduceMean` over height and width.
pub(super) fn reduce_mean(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let a = Attributes(node);
    let axes = match a.ints("axes")? {
        Some(list) => Some(list.to_vec()),
        None => c.constant(node, 1)?.and_then(|k| k.int_list()),
    };
    let keep = a.int_or("keepdims", 1)? != 0;
    let x = c.tensor(node, 0)?;
    let rank = c.shape(x).len() + 1;
    let mut set: Vec<usize> = axes
        .unwrap_or_default()
        .iter()
        .filter_map(|axis| normalise(*axis, rank))
        .collect();
    set.sort_unstable();
    if rank != 4 || set != [2, 3] {
        return Err(Refusal::unsupported(
            "a mean is taken over other dimensions than height and width",
            "use GlobalAveragePool on [batch, channels, height, width]",
        ));
    }
    let pooled = c.push(node, Op::GlobalAvgPool, vec![x])?;
    match pooled {
        Value::Tensor(id) if !keep => c.push(node, Op::Flatten, vec![id]),
        other => Ok(other),
    }
}

/// `BatchNormalization` at inference: `scale (x - mean) / sqrt(var + epsilon) + shift` by channel.
pub(super) fn batch_normalization(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let a = Attributes(node);
    if a.int_or("training_mode", 0)? != 0 || a.int_or("spatial", 1)? != 1 {
        return Err(Refusal::unsupported(
            "it normalises by the statistics of the batch",
            "export the network in evaluation mode",
        ));
    }
    let epsilon = finite(node, a.float_or("epsilon", 1e-5)?)?;
    let constants = (1..5)
        .map(|i| c.required(node, i))
        .collect::<Result<Vec<_>, _>>()?;
    let x = c.tensor(node, 0)?;
    let channels = c.shape(x)[0];
    let [gamma, beta, mean, var] = [0, 1, 2, 3].map(|i| constants[i].to_float());
    if [&gamma, &beta, &mean, &var]
        .iter()
        .any(|v| v.shape() != [channels])
    {
        return Err(Refusal::malformed(format!(
            "node `{}`: its constants do not have one value for each of {channels} channels",
            label(node)
        )));
    }
    if let Some(i) = (0..channels).find(|i| var[*i] + epsilon <= 0.0) {
        return Err(Refusal::malformed(format!(
            "node `{}`: variance {} of channel {i} is not positive",
            label(node),
            var[i]
        )));
    }
    let scale = Array1::from_shape_fn(channels, |i| gamma[i] / (var[i] + epsilon).sqrt());
    let shift = Array1::from_shape_fn(channels, |i| beta[i] - mean[i] * scale[i]);
    c.push(node, Op::Affine { scale, shift }, vec![x])
}

/// `Add`, `Sub`, `Mul`, `Div`, `Sum`.
pub(super) fn arithmetic(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let a = Attributes(node);
    if a.has("axis") || (a.has("broadcast") && c.opset < 7) {
        return Err(Refusal::unsupported(
            "it broadcasts by the rules of operator sets before 7",
            "convert the model to a newer operator set",
        ));
    }
    if node.op_type == "Sum" {
        return sum(c, node);
    }
    if node.input.len() != 2 {
        return Err(Refusal::malformed(format!(
            "node `{}` has {} operands, not 2",
            label(node),
            node.input.len()
        )));
    }
    match (c.value(node, 0).cloned(), c.value(node, 1).cloned()) {
        (Some(Value::Tensor(x)), Some(Value::Const(k))) => with_constant(c, node, x, &k, false),
        (Some(Value::Const(k)), Some(Value::Tensor(x))) => with_constant(c, node, x, &k, true),
        (Some(Value::Tensor(x)), Some(Value::Tensor(y))) => {
            if c.shape(x) != c.shape(y) {
                return Err(Refusal::unsupported(
                    format!(
                        "its operands have the shapes {:?} and {:?} behind the batch",
                        c.shape(x),
                        c.shape(y)
                    ),
                    "give both operands one shape",
                ));
            }
            match node.op_type.as_str() {
                "Add" => c.push(node, Op::Add, vec![x, y]),
                "Sub" => c.push(node, Op::Sub, vec![x, y]),
                "Mul" if x == y => c.push(node, Op::PowInt(2), vec![x]),
                "Mul" => c.push(node, Op::Mul, vec![x, y]),
                _ => Err(Refusal::unsupported(
                    "it divides by a value that depends on the input",
                    "divide by constants only",
                )),
            }
        }
        (Some(Value::Poisoned), _) | (_, Some(Value::Poisoned)) => Err(Refusal::Poisoned),
        _ => Err(Refusal::unsupported(
            "it calculates with the batch size",
            "export with fixed shapes",
        )),
    }
}

fn sum(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let mut acc = c.tensor(node, 0)?;
    for i in 1..node.input.len() {
        let y = c.tensor(node, i)?;
        acc = match c.push(node, Op::Add, vec![acc, y])? {
            Value::Tensor(id) => id,
            other => return Ok(other),
        };
    }
    Ok(Value::Tensor(acc))
}

type Map = fn(f64) -> f64;

/// `x op k`, or with `swapped` `k op x`, as a factor and a summand.
fn with_constant(
    c: &mut Context,
    node: &NodeProto,
    x: crate::NodeId,
    k: &Constant,
    swapped: bool,
) -> Result<Value, Refusal> {
    let item = c.shape(x);
    let mut full = vec![1];
    full.extend(&item);
    let shape = k.shape();
    // The constant must broadcast to the data without enlarging it.
    let fits = shape.len() <= full.len()
        && shape
            .iter()
            .rev()
            .zip(full.iter().rev())
            .all(|(k, x)| *k == 1 || k == x);
    if !fits {
        return Err(Refusal::unsupported(
            format!(
                "a constant of shape {shape:?} does not broadcast to {item:?} behind the batch"
            ),
            "use one value, one value per channel, or one per position",
        ));
    }
    let mut aligned = vec![1; full.len() - shape.len()];
    aligned.extend(shape);
    let aligned = &aligned[1..];
    let values = k.to_float();
    let (factor, summand): (Map, Map) = match (node.op_type.as_str(), swapped) {
        ("Add", _) => (|_| 1.0, |k| k),
        ("Sub", false) => (|_| 1.0, |k| -k),
        ("Sub", true) => (|_| -1.0, |k| k),
        ("Mul", _) => (|k| k, |_| 0.0),
        ("Div", false) => (f64::recip, |_| 0.0),
        _ => {
            return Err(Refusal::unsupported(
                "it divides by a value that depends on the input",
                "divide by constants only",
            ));
        }
    };
    // One value per channel at most: every dimension behind the channels is 1.
    if aligned[1..].iter().all(|d| *d == 1) {
        let flat: Vec<f64> = values.iter().copied().collect();
        c.reserve(2 * item[0])?;
        let at = |i: usize| flat[if flat.len() == 1 { 0 } else { i }];
        let scale = Array1::from_shape_fn(item[0], |i| factor(at(i)));
        let shift = Array1::from_shape_fn(item[0], |i| summand(at(i)));
        return c.push(node, Op::Affine { scale, shift }, vec![x]);
    }
    let wrong = || Refusal::malformed(format!("node `{}`: constant", label(node)));
    c.reserve(2 * item.iter().product::<usize>())?;
    let view = values
        .to_shape(IxDyn(aligned))
        .map_err(|_| wrong())?
        .into_owned();
    let wide = view.broadcast(IxDyn(&item)).ok_or_else(wrong)?;
    let op = Op::Elementwise {
        scale: wide.mapv(factor).as_standard_layout().to_owned(),
        shift: wide.mapv(summand).as_standard_layout().to_owned(),
    };
    c.push(node, op, vec![x])
}

/// `Neg`.
pub(super) fn negate(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let x = c.tensor(node, 0)?;
    let channels = c.shape(x)[0];
    let op = Op::Affine {
        scale: Array1::from_elem(channels, -1.0),
        shift: Array1::zeros(channels),
    };
    c.push(node, op, vec![x])
}

/// `Pow` by a whole number of at least 1.
pub(super) fn power(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let exponent = c.required(node, 1)?;
    let values: ArrayD<f64> = exponent.to_float();
    let first = values.first().copied().unwrap_or(f64::NAN);
    let whole = first.fract() == 0.0 && (1.0..=MAX_EXPONENT).contains(&first);
    if !whole || values.iter().any(|v| *v != first) {
        return Err(Refusal::unsupported(
            format!("its exponent is {first}"),
            format!("use one whole exponent between 1 and {MAX_EXPONENT}"),
        ));
    }
    let x = c.tensor(node, 0)?;
    c.push(node, Op::PowInt(first as u32), vec![x])
}

fn finite(node: &NodeProto, value: f64) -> Result<f64, Refusal> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Refusal::malformed(format!(
            "node `{}` has the attribute value {value}",
            label(node)
        )))
    }
}

/// Height and width of images.
pub(super) fn plane(
    c: &Context,
    node: &NodeProto,
    x: crate::NodeId,
) -> Result<[usize; 2], Refusal> {
    let item = c.shape(x);
    match item.as_slice() {
        &[_, h, w] => Ok([h, w]),
        _ => Err(Refusal::unsupported(
            format!(
                "{} reads data of shape {item:?} behind the batch",
                node.op_type
            ),
            "use images: [batch, channels, height, width]",
        )),
    }
}

/// Why an operator is not in the set, with its usual replacement.
pub(super) fn refuse(op: &str) -> Refusal {
    let (why, remedy) = match op {
        "Softmax" | "LogSoftmax" => (
            "it has no polynomial form",
            "end the model at the logits; the arg-max is the same, and whoever decrypts can apply it",
        ),
        "MaxPool" | "GlobalMaxPool" => (
            "a maximum is not a polynomial",
            "train with AveragePool instead",
        ),
        "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Celu" | "HardSwish" | "HardSigmoid" | "Clip"
        | "Softplus" | "Softsign" | "Mish" | "ThresholdedRelu" => (
            "this activation is not replaced by a polynomial",
            "train with x^2, a polynomial, Relu, Sigmoid, Tanh or Gelu",
        ),
        "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "LRN"
        | "LpNormalization" => (
            "it divides by statistics of the data",
            "train with BatchNormalization instead",
        ),
        "Erf" => (
            "it is read only inside the exported form of Gelu",
            "use Gelu = x (1 + erf(x / sqrt 2)) / 2",
        ),
        "Pad" => (
            "padding is read only as an attribute",
            "put the padding into the Conv or AveragePool that follows",
        ),
        "ArgMax" | "ArgMin" | "TopK" | "Max" | "Min" | "Greater" | "Less" | "Equal" | "Where" => (
            "comparisons are not polynomials",
            "end the model before it; whoever decrypts can apply it",
        ),
        "QuantizeLinear"
        | "DequantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear" => (
            "quantised models are not read",
            "export the model in floating point",
        ),
        "Upsample" | "Resize" => (
            "interpolation is not in the supported set",
            "use ConvTranspose, Conv, AveragePool and dense layers",
        ),
        "If" | "Loop" | "Scan" => (
            "control flow cannot depend on encrypted data",
            "export a model without control flow",
        ),
        "RNN" | "LSTM" | "GRU" => (
            "recurrent layers are not in the supported set",
            "use convolutions and dense layers",
        ),
        _ => (
            "it is not in the supported set",
            "see the list of operators in the documentation of girih-model",
        ),
    };
    Refusal::unsupported(why, remedy)
}

/// A value of the right shape in place of a refused node's, so that the nodes behind it are examined too.
///
/// The import fails in any case; without a shape to go on with, the nodes behind are skipped.
pub(super) fn stand_in(c: &mut Context, node: &NodeProto) -> Value {
    let same = matches!(
        node.op_type.as_str(),
        "Softmax"
            | "LogSoftmax"
            | "LeakyRelu"
            | "PRelu"
            | "Elu"
            | "Selu"
            | "Celu"
            | "HardSwish"
            | "HardSigmoid"
            | "Clip"
            | "Softplus"
            | "Softsign"
            | "Mish"
            | "ThresholdedRelu"
            | "LayerNormalization"
            | "InstanceNormalization"
            | "GroupNormalization"
            | "LRN"
            | "LpNormalization"
            | "Erf"
            | "Exp"
            | "Log"
            | "Sqrt"
            | "Abs"
            | "Reciprocal"
            | "Sin"
            | "Cos"
            | "Dropout"
            | "Pow"
    );
    if same && let Ok(x) = c.tensor(node, 0) {
        return Value::Tensor(x);
    }
    if node.op_type == "MaxPool"
        && let Ok(value) = average_pool(c, node)
    {
        return value;
    }
    if node.op_type == "GlobalMaxPool"
        && let Ok(value) = global_average_pool(c, node)
    {
        return value;
    }
    Value::Poisoned
}
