//! The walk over a model's nodes: order, constants, operators, and the list of everything refused.

use super::attribute::Attributes;
use super::constant::Constant;
use super::dims::DimVector;
use super::{MAX_OPSET, MIN_OPSET, fold, gelu, layers, layout, tensor, window};
use crate::error::{ModelError, Result, UnsupportedNode};
use crate::graph::{Graph, GraphBuilder, NodeId};
use crate::op::{ActivationKind, Op};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as DimValue;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// Values that folding and broadcasting of constants may create beyond those stored in the file: 2^26 (512 MiB).
const FOLD_BUDGET: usize = 1 << 26;

/// Why one node is not translated.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Outside the supported set; goes on the list.
    Unsupported { why: String, remedy: String },
    /// It reads the result of a node that is on the list already.
    Poisoned,
    /// The file is wrong; the import ends.
    Error(ModelError),
}

impl Refusal {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Error(ModelError::Malformed {
            reason: reason.into(),
        })
    }

    pub(super) fn unsupported(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unsupported {
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}

impl From<ModelError> for Refusal {
    fn from(e: ModelError) -> Self {
        Self::Error(e)
    }
}

/// What a name of the file stands for.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A tensor with the batch as dimension 0.
    Tensor(NodeId),
    /// A constant.
    Const(Rc<Constant>),
    /// A shape vector in which the batch occurs.
    Dims(DimVector),
    /// The result of a refused node.
    Poisoned,
}

/// The state of one import.
pub(super) struct Context {
    pub(super) builder: GraphBuilder,
    pub(super) opset: i64,
    /// Dimension 0 of the input if the file fixes it.
    pub(super) batch: Option<i64>,
    values: HashMap<String, Value>,
    budget: usize,
}

impl Context {
    /// The value behind operand `i`; `None` if it is left out.
    pub(super) fn value(&self, node: &NodeProto, i: usize) -> Option<&Value> {
        self.values
            .get(node.input.get(i).filter(|s| !s.is_empty())?)
    }

    /// Operand `i`, which must depend on the model's input.
    pub(super) fn tensor(&self, node: &NodeProto, i: usize) -> Result<NodeId, Refusal> {
        match self.value(node, i) {
            Some(Value::Tensor(id)) => Ok(*id),
            Some(Value::Poisoned) => Err(Refusal::Poisoned),
            Some(Value::Const(_) | Value::Dims(_)) => Err(Refusal::unsupported(
                format!("operand {i} is a constant, the data must stand there"),
                "export the network in evaluation mode",
            )),
            None => Err(missing(node, i)),
        }
    }

    /// Operand `i`, which must be a constant if it is there.
    pub(super) fn constant(
        &self,
        node: &NodeProto,
        i: usize,
    ) -> Result<Option<Rc<Constant>>, Refusal> {
        match self.value(node, i) {
            None => Ok(None),
            Some(Value::Const(c)) => Ok(Some(c.clone())),
            Some(Value::Poisoned) => Err(Refusal::Poisoned),
            Some(Value::Tensor(_) | Value::Dims(_)) => Err(Refusal::unsupported(
                format!("operand {i} depends on the input, it must be a constant"),
                "export the network in evaluation mode with fixed weights",
            )),
        }
    }

    /// Operand `i`, which must be a constant.
    pub(super) fn required(&self, node: &NodeProto, i: usize) -> Result<Rc<Constant>, Refusal> {
        self.constant(node, i)?.ok_or_else(|| missing(node, i))
    }

    /// Shape of a tensor without the batch.
    pub(super) fn shape(&self, id: NodeId) -> Vec<usize> {
        self.builder.shape(id).to_vec()
    }

    /// Books `count` values that the file does not store.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), Refusal> {
        match self.budget.checked_sub(count) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(Refusal::Error(ModelError::TooLarge {
                what: "folding the model's constants (values)".into(),
                needed: (FOLD_BUDGET - self.budget) as u128 + count as u128,
                limit: FOLD_BUDGET as u128,
            })),
        }
    }

    /// Appends an operator under the node's name.
    pub(super) fn push(
        &mut self,
        node: &NodeProto,
        op: Op,
        inputs: Vec<NodeId>,
    ) -> Result<Value, Refusal> {
        Ok(Value::Tensor(self.builder.push(label(node), op, inputs)?))
    }
}

fn missing(node: &NodeProto, i: usize) -> Refusal {
    Refusal::malformed(format!(
        "node `{}` ({}) lacks operand {i}",
        label(node),
        node.op_type
    ))
}

/// The node's name, or its first output's.
pub(super) fn label(node: &NodeProto) -> &str {
    if node.name.is_empty() {
        node.output.first().map_or(&node.op_type, |o| o)
    } else {
        &node.name
    }
}

/// Translates the whole model.
pub(super) fn import(model: &ModelProto) -> Result<Graph> {
    let malformed = |reason: String| ModelError::Malformed { reason };
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| malformed("it holds no graph".into()))?;
    let opset = model
        .opset_import
        .iter()
        .find(|o| is_standard(&o.domain))
        .map(|o| o.version)
        .ok_or_else(|| malformed("it names no operator set".into()))?;
    if !(MIN_OPSET..=MAX_OPSET).contains(&opset) {
        return Err(malformed(format!(
            "operator set {opset} is outside the known ones, {MIN_OPSET} to {MAX_OPSET}"
        )));
    }
    if graph.output.is_empty() {
        return Err(malformed("it has no output".into()));
    }
    let mut stored = HashMap::new();
    for t in &graph.initializer {
        if stored.insert(t.name.as_str(), t).is_some() {
            return Err(malformed(format!(
                "two initialisers are named `{}`",
                t.name
            )));
        }
    }
    let (input, shape, batch) = input(graph, &stored)?;
    let order = order(graph, &stored, input)?;

    let mut context = Context {
        builder: GraphBuilder::new(
            if graph.name.is_empty() {
                "model"
            } else {
                &graph.name
            },
            shape,
        )?,
        opset,
        batch,
        values: HashMap::new(),
        budget: FOLD_BUDGET,
    };
    let root = context.builder.input();
    context.values.insert(input.into(), Value::Tensor(root));
    load_initialisers(&mut context, graph, &order, &stored)?;

    let mut refused = Vec::new();
    let mut done = HashSet::new();
    for &i in &order {
        let node = &graph.node[i];
        if fold::is_constant(&context, node) {
            let result = fold::evaluate(&mut context, node).map(|c| Value::Const(Rc::new(c)));
            finish(&mut context, node, result, &mut refused)?;
            done.insert(i);
        }
    }
    let gelus = gelu::find(graph, &order, |name| match context.values.get(name) {
        Some(Value::Const(c)) => c.scalar(),
        _ => None,
    });
    for &i in &order {
        if done.contains(&i) || gelus.absorbed.contains(&i) {
            continue;
        }
        let node = &graph.node[i];
        let result = match gelus.ends.get(&i) {
            Some(x) => match context.values.get(x) {
                Some(Value::Tensor(id)) => {
                    let id = *id;
                    context.push(node, Op::Activation(ActivationKind::Gelu), vec![id])
                }
                _ => Err(Refusal::Poisoned),
            },
            None => translate(&mut context, node),
        };
        finish(&mut context, node, result, &mut refused)?;
    }
    if !refused.is_empty() {
        return Err(ModelError::Unsupported { nodes: refused });
    }
    let mut outputs = Vec::new();
    for out in &graph.output {
        match context.values.get(&out.name) {
            Some(Value::Tensor(id)) => outputs.push(*id),
            _ => {
                return Err(malformed(format!(
                    "output `{}` does not depend on the input",
                    out.name
                )));
            }
        }
    }
    context.builder.finish(outputs)
}

/// Books a node's result, or puts the node on the list.
fn finish(
    context: &mut Context,
    node: &NodeProto,
    result: Result<Value, Refusal>,
    refused: &mut Vec<UnsupportedNode>,
) -> Result<()> {
    let value = match result {
        Ok(value) => value,
        Err(Refusal::Poisoned) => Value::Poisoned,
        // Shapes behind a refused node are guesses, so that the list gets complete; what they break is no finding.
        Err(Refusal::Error(ModelError::Shape { .. })) if !refused.is_empty() => Value::Poisoned,
        Err(Refusal::Error(e)) => return Err(e),
        Err(Refusal::Unsupported { why, remedy }) => {
            refused.push(UnsupportedNode {
                name: label(node).into(),
                operator: if is_standard(&node.domain) {
                    node.op_type.clone()
                } else {
                    format!("{}.{}", node.domain, node.op_type)
                },
                why,
                remedy,
            });
            layers::stand_in(context, node)
        }
    };
    for (i, out) in node.output.iter().enumerate() {
        if !out.is_empty() {
            let value = if i == 0 {
                value.clone()
            } else {
                Value::Poisoned
            };
            context.values.insert(out.clone(), value);
        }
    }
    Ok(())
}

fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// One operator.
fn translate(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    if !is_standard(&node.domain) {
        return Err(Refusal::unsupported(
            format!("the operator set `{}` is not read", node.domain),
            "export with the standard operators only",
        ));
    }
    let activation = |c: &mut Context, kind| {
        let x = c.tensor(node, 0)?;
        c.push(node, Op::Activation(kind), vec![x])
    };
    match node.op_type.as_str() {
        "Conv" => window::conv(c, node),
        "ConvTranspose" => window::conv_transpose(c, node),
        "Gemm" => layers::gemm(c, node),
        "MatMul" => layers::matmul(c, node),
        "AveragePool" => window::average_pool(c, node),
        "GlobalAveragePool" => layers::global_average_pool(c, node),
        "ReduceMean" => layers::reduce_mean(c, node),
        "BatchNormalization" => layers::batch_normalization(c, node),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" => layers::arithmetic(c, node),
        "Neg" => layers::negate(c, node),
        "Pow" => layers::power(c, node),
        "Relu" => activation(c, ActivationKind::Relu),
        "Sigmoid" => activation(c, ActivationKind::Sigmoid),
        "Tanh" => activation(c, ActivationKind::Tanh),
        "Gelu" => match Attributes(node).text("approximate")? {
            None | Some("none") => activation(c, ActivationKind::Gelu),
            Some("tanh") => activation(c, ActivationKind::GeluTanh),
            Some(other) => Err(Refusal::malformed(format!(
                "node `{}` asks for the Gelu approximation `{other}`",
                label(node)
            ))),
        },
        "Identity" | "Dropout" | "Cast" => layout::identity(c, node),
        "Flatten" => layout::flatten(c, node),
        "Reshape" => layout::reshape(c, node),
        "Squeeze" => layout::squeeze(c, node),
        "Unsqueeze" => layout::unsqueeze(c, node),
        "Transpose" => layout::transpose(c, node),
        "Shape" => layout::shape(c, node),
        "Gather" | "Slice" | "Concat" => layout::shape_arithmetic(c, node),
        other => Err(layers::refuse(other)),
    }
}

/// Name, shape without the batch, and fixed batch of the only input.
fn input<'a>(
    graph: &'a GraphProto,
    stored: &HashMap<&str, &TensorProto>,
) -> Result<(&'a str, Vec<usize>, Option<i64>)> {
    let open: Vec<&ValueInfoProto> = graph
        .input
        .iter()
        .filter(|i| !stored.contains_key(i.name.as_str()))
        .collect();
    let refuse = |name: &str, why: String, remedy: &str| {
        Err(ModelError::Unsupported {
            nodes: vec![UnsupportedNode {
                name: name.into(),
                operator: "model input".into(),
                why,
                remedy: remedy.into(),
            }],
        })
    };
    let &[info] = open.as_slice() else {
        let names: Vec<&str> = open.iter().map(|i| i.name.as_str()).collect();
        return refuse(
            &names.join(", "),
            format!("the model has {} inputs", open.len()),
            "export a model with one input; fix the others to constants",
        );
    };
    let Some(TypeValue::TensorType(kind)) = info.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return refuse(
            &info.name,
            "it is no tensor".into(),
            "export a tensor input",
        );
    };
    let element = DataType::try_from(kind.elem_type).unwrap_or(DataType::Undefined);
    if !matches!(
        element,
        DataType::Float | DataType::Double | DataType::Float16
    ) {
        return refuse(
            &info.name,
            format!("its element type is {}", element.as_str_name()),
            "export the model with a floating-point input",
        );
    }
    let Some(shape) = &kind.shape else {
        return refuse(
            &info.name,
            "its shape is unknown".into(),
            "export with a shape",
        );
    };
    let mut dims = Vec::new();
    let mut batch = None;
    for (i, dim) in shape.dim.iter().enumerate() {
        match &dim.value {
            Some(DimValue::DimValue(n)) if i == 0 => batch = (*n > 0).then_some(*n),
            Some(DimValue::DimValue(n)) => match usize::try_from(*n) {
                Ok(n) if n > 0 => dims.push(n),
                _ => {
                    return refuse(
                        &info.name,
                        format!("its dimension {i} is {n}"),
                        "fix every dimension but the batch when exporting",
                    );
                }
            },
            _ if i == 0 => {}
            _ => {
                return refuse(
                    &info.name,
                    format!("its dimension {i} is symbolic"),
                    "fix every dimension but the batch when exporting",
                );
            }
        }
    }
    if dims.is_empty() {
        return refuse(
            &info.name,
            format!("it has rank {}", shape.dim.len()),
            "give the input a batch dimension and at least one more",
        );
    }
    Ok((&info.name, dims, batch))
}

/// The nodes that the outputs need, operands first, else in the file's order.
fn order(
    graph: &GraphProto,
    stored: &HashMap<&str, &TensorProto>,
    input: &str,
) -> Result<Vec<usize>> {
    let mut producer: HashMap<&str, usize> = HashMap::new();
    for (i, node) in graph.node.iter().enumerate() {
        for out in node.output.iter().filter(|o| !o.is_empty()) {
            let taken = out == input || stored.contains_key(out.as_str());
            if taken || producer.insert(out, i).is_some() {
                return Err(ModelError::Malformed {
                    reason: format!("`{out}` is produced twice"),
                });
            }
        }
    }
    let sparse: HashSet<&str> = graph
        .sparse_initializer
        .iter()
        .filter_map(|s| s.values.as_ref().map(|v| v.name.as_str()))
        .collect();
    let source = |reader: &str, name: &str| -> Result<Option<usize>> {
        if let Some(i) = producer.get(name) {
            Ok(Some(*i))
        } else if name == input || stored.contains_key(name) {
            Ok(None)
        } else if sparse.contains(name) {
            Err(ModelError::Unsupported {
                nodes: vec![UnsupportedNode {
                    name: name.into(),
                    operator: "sparse tensor".into(),
                    why: "sparse weights are not read".into(),
                    remedy: "store the weights as dense tensors".into(),
                }],
            })
        } else {
            Err(ModelError::Dangling {
                node: reader.into(),
                input: name.into(),
            })
        }
    };

    let mut needed = HashSet::new();
    let mut pending = Vec::new();
    for out in &graph.output {
        pending.extend(source("the graph's output", &out.name)?);
    }
    let mut readers: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut open: HashMap<usize, usize> = HashMap::new();
    while let Some(i) = pending.pop() {
        if !needed.insert(i) {
            continue;
        }
        let node = &graph.node[i];
        let mut operands = BTreeSet::new();
        for name in node.input.iter().filter(|s| !s.is_empty()) {
            operands.extend(source(label(node), name)?);
        }
        open.insert(i, operands.len());
        for o in operands {
            readers.entry(o).or_default().push(i);
            pending.push(o);
        }
    }
    let mut ready: BTreeSet<usize> = open
        .iter()
        .filter_map(|(i, count)| (*count == 0).then_some(*i))
        .collect();
    let mut order = Vec::with_capacity(needed.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        needed.remove(&i);
        for reader in readers.get(&i).into_iter().flatten() {
            if let Some(count) = open.get_mut(reader) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(*reader);
                }
            }
        }
    }
    if needed.is_empty() {
        Ok(order)
    } else {
        let mut left: Vec<usize> = needed.into_iter().collect();
        left.sort_unstable();
        Err(ModelError::Cyclic {
            nodes: left
                .into_iter()
                .map(|i| label(&graph.node[i]).into())
                .collect(),
        })
    }
}

/// Reads the stored tensors that the needed nodes name.
fn load_initialisers(
    context: &mut Context,
    graph: &GraphProto,
    order: &[usize],
    stored: &HashMap<&str, &TensorProto>,
) -> Result<()> {
    for &i in order {
        for name in &graph.node[i].input {
            if context.values.contains_key(name) {
                continue;
            }
            if let Some(proto) = stored.get(name.as_str()) {
                let value = Value::Const(Rc::new(tensor::read(proto, name)?));
                context.values.insert(name.clone(), value);
            }
        }
    }
    Ok(())
}
