//! A graph with its linear parts composed: affine maps between non-linear stages.
//!
//! Convolutions, dense layers, pooling, normalisation, reshaping and residual sums are affine, so everything between
//! two non-linear operators is one [`Affine`] map and costs one level. A quadratic `a·x² + b·x + c` per element is
//! completed to a square, `a·(x + b/2a)² + c - b²/4a`: the shift moves into the map before, the
//! factor and the constant into the map after it, and one level remains.

use std::collections::BTreeMap;

use girih_model::{Graph, Node, NodeId, Op};
use girih_nn::{Affine, Matrix, Window, maps};
use girih_polyfit::EvaluationPlan;
use ndarray::Array1;

use crate::ranges::Ranges;
use crate::{Error, Result};

/// Most multiply-adds by which matrices are composed, and most entries that are added, to save a level.
const COMPOSED: usize = 1 << 24;

/// Index of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub usize);

/// One thing that is computed on ciphertexts.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The name of the graph node it comes from.
    pub name: String,
    /// Shape of the result without the batch.
    pub shape: Vec<usize>,
    /// What is computed.
    pub kind: StageKind,
}

/// The computations of a network between ciphertexts.
#[derive(Clone, Debug)]
pub enum StageKind {
    /// The encrypted input.
    Input,
    /// `Σ M_k x_k + b`, one level.
    Linear(Affine<StageId>),
    /// `x^k` element by element, `⌈log2 k⌉` levels.
    Power(StageId, u32),
    /// A plan on `[-1, 1]` element by element; its input map is part of the stage before.
    Function(StageId, EvaluationPlan),
    /// `a ⊙ b`, one level.
    Product(StageId, StageId),
    /// `Σ cₖ xₖ + c` element by element, with one factor for all elements: one level, or none if every factor is 1 or -1.
    Combination(Vec<(StageId, f64)>, f64),
}

/// A network as stages, every operand before its users; all stages are needed for the output.
#[derive(Clone, Debug)]
pub struct Network {
    /// Name of the model.
    pub name: String,
    /// The stages; the last one is the output.
    pub stages: Vec<Stage>,
}

impl StageKind {
    /// The same computation of other stages.
    #[must_use]
    pub(crate) fn with_sources(self, new: impl Fn(StageId) -> StageId) -> StageKind {
        match self {
            StageKind::Input => StageKind::Input,
            StageKind::Linear(map) => StageKind::Linear(Affine {
                terms: map.terms.into_iter().map(|(s, m)| (new(s), m)).collect(),
                bias: map.bias,
            }),
            StageKind::Power(x, k) => StageKind::Power(new(x), k),
            StageKind::Function(x, plan) => StageKind::Function(new(x), plan),
            StageKind::Product(a, b) => StageKind::Product(new(a), new(b)),
            StageKind::Combination(terms, c) => {
                StageKind::Combination(terms.into_iter().map(|(x, f)| (new(x), f)).collect(), c)
            }
        }
    }

    /// The stages read, without repetition.
    #[must_use]
    pub fn sources(&self) -> Vec<StageId> {
        match self {
            StageKind::Input => Vec::new(),
            StageKind::Linear(map) => map.terms.keys().copied().collect(),
            StageKind::Power(x, _) | StageKind::Function(x, _) => vec![*x],
            StageKind::Product(a, b) if a == b => vec![*a],
            StageKind::Product(a, b) => vec![*a, *b],
            StageKind::Combination(terms, _) => {
                let mut sources: Vec<StageId> = terms.iter().map(|t| t.0).collect();
                sources.sort_unstable();
                sources.dedup();
                sources
            }
        }
    }

    /// Levels consumed.
    #[must_use]
    pub fn depth(&self) -> u32 {
        match self {
            StageKind::Input => 0,
            StageKind::Linear(map) if shift_of(map).is_some() => 0,
            StageKind::Linear(_) | StageKind::Product(..) => 1,
            StageKind::Power(_, k) => k.next_power_of_two().trailing_zeros(),
            StageKind::Function(_, plan) => u32::try_from(plan.unit_depth()).unwrap_or(u32::MAX),
            StageKind::Combination(terms, _) => {
                u32::from(terms.iter().any(|(_, c)| c.abs() != 1.0))
            }
        }
    }
}

/// The source of a map that only adds constants: no product, no level.
#[must_use]
pub fn shift_of(map: &Affine<StageId>) -> Option<StageId> {
    let (&source, matrix) = map.terms.iter().next()?;
    (map.terms.len() == 1 && matrix.is_identity()).then_some(source)
}

impl Network {
    /// Composes a graph; functions become the plans that the ranges hold for them.
    ///
    /// # Errors
    /// More than one output, an operator without a homomorphic form, a function without a plan, shapes that do not fit,
    /// an output that does not depend on the input.
    pub fn from_graph(graph: &Graph, ranges: Option<&Ranges>) -> Result<Self> {
        let mut builder = Builder {
            stages: Vec::new(),
            ranges,
        };
        let mut values: Vec<Affine<StageId>> = Vec::with_capacity(graph.nodes.len());
        let users = graph.users();
        for node in &graph.nodes {
            let mut value = builder.node(graph, node, &values)?;
            // What a square or product reads is a ciphertext anyway: its other readers start from there, so that
            // `a·x² + b·x` is recognised in either order.
            let multiplied =
                |user: &NodeId| matches!(graph.node(*user).op, Op::Mul | Op::PowInt(2..));
            if users[node.id.0].iter().any(multiplied) {
                let id = builder.materialise(&value, node);
                value = Affine::source(id, value.size());
            }
            values.push(value);
        }
        let [output] = graph.outputs[..] else {
            return Err(Error::Outputs {
                outputs: graph.outputs.len(),
            });
        };
        let node = graph.node(output);
        let last = builder.materialise(&values[output.0], node);
        Ok(Network {
            name: graph.name.clone(),
            stages: reachable(builder.stages, last),
        })
    }

    /// The levels each stage's result has left, with the output at 0.
    #[must_use]
    pub fn levels(&self) -> Vec<u32> {
        let mut left = vec![0; self.stages.len()];
        for (i, stage) in self.stages.iter().enumerate().rev() {
            for source in stage.kind.sources() {
                left[source.0] = left[source.0].max(left[i] + stage.kind.depth());
            }
        }
        left
    }

    /// Levels consumed from input to output.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.levels().iter().copied().max().unwrap_or(0)
    }

    /// The output stage.
    #[must_use]
    pub fn output(&self) -> StageId {
        StageId(self.stages.len() - 1)
    }

    /// The network on one sample in the clear: the oracle of every lowering.
    #[must_use]
    pub fn run(&self, input: &[f64]) -> Vec<f64> {
        self.values(input).pop().unwrap_or_default()
    }

    /// The values of all stages on one sample in the clear.
    #[must_use]
    pub fn values(&self, input: &[f64]) -> Vec<Vec<f64>> {
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            let value = stage.kind.eval(input, |s| &values[s.0]);
            values.push(value);
        }
        values
    }
}

impl StageKind {
    /// The stage on one sample in the clear.
    pub(crate) fn eval<'a>(
        &self,
        input: &[f64],
        value: impl Fn(StageId) -> &'a Vec<f64>,
    ) -> Vec<f64> {
        match self {
            StageKind::Input => input.to_vec(),
            StageKind::Linear(map) => eval_map(map, value),
            StageKind::Power(x, k) => value(*x).iter().map(|v| v.powi(*k as i32)).collect(),
            StageKind::Function(x, plan) => value(*x).iter().map(|v| plan.eval_unit(*v)).collect(),
            StageKind::Product(a, b) => value(*a)
                .iter()
                .zip(value(*b))
                .map(|(x, y)| x * y)
                .collect(),
            StageKind::Combination(terms, constant) => {
                let size = terms.first().map_or(0, |t| value(t.0).len());
                let sum = |i: usize| terms.iter().map(|(v, c)| c * value(*v)[i]).sum::<f64>();
                (0..size).map(|i| sum(i) + constant).collect()
            }
        }
    }
}

fn eval_map<'a>(map: &Affine<StageId>, value: impl Fn(StageId) -> &'a Vec<f64>) -> Vec<f64> {
    let mut sum = map.bias.clone();
    for (&source, matrix) in &map.terms {
        for (s, y) in sum.iter_mut().zip(matrix.apply(value(source))) {
            *s += y;
        }
    }
    sum
}

struct Builder<'a> {
    stages: Vec<Stage>,
    ranges: Option<&'a Ranges>,
}

impl Builder<'_> {
    fn push(&mut self, name: &str, shape: &[usize], kind: StageKind) -> StageId {
        self.stages.push(Stage {
            name: name.to_owned(),
            shape: shape.to_vec(),
            kind,
        });
        StageId(self.stages.len() - 1)
    }

    /// The stage that computes a value.
    fn materialise(&mut self, value: &Affine<StageId>, node: &Node) -> StageId {
        if let Some(source) = value.as_source() {
            return source;
        }
        let same = |s: &Stage| matches!(&s.kind, StageKind::Linear(map) if map == value);
        match self.stages.iter().position(same) {
            Some(found) => StageId(found),
            None => self.push(&node.name, &node.shape, StageKind::Linear(value.clone())),
        }
    }

    /// `M x + shift` (none if it is empty); `x`, the value of `source`, gets a stage of its own where composing the matrices would
    /// spell out too much.
    fn then(
        &mut self,
        x: &Affine<StageId>,
        source: &Node,
        matrix: &Matrix,
        shift: &[f64],
    ) -> Affine<StageId> {
        let cost: usize = x.terms.values().map(|m| matrix.compose_cost(m)).sum();
        let value = match cost <= COMPOSED {
            true => x.then(matrix),
            false => Affine::source(self.materialise(x, source), x.size()).then(matrix),
        };
        value.shifted(shift)
    }

    /// `a + factor · b`; a summand that reads what the other one reads gets a stage of its own where adding the matrices would
    /// spell out too much.
    fn sum(
        &mut self,
        [a, b]: [&Affine<StageId>; 2],
        sources: [&Node; 2],
        factor: f64,
    ) -> Affine<StageId> {
        let shared = |x: &Affine<StageId>, y: &Affine<StageId>| -> usize {
            let common = x.terms.iter().filter(|(k, _)| y.terms.contains_key(k));
            common.map(|(_, m)| m.entries()).sum()
        };
        let (first, second) = (shared(a, b), shared(b, a));
        if first + second <= COMPOSED {
            return a.plus(b, factor);
        }
        let mut apart = |x: &Affine<StageId>, source: &Node| {
            Affine::source(self.materialise(x, source), x.size())
        };
        match first > second {
            true => apart(a, sources[0]).plus(b, factor),
            false => a.plus(&apart(b, sources[1]), factor),
        }
    }

    fn elementwise(&mut self, node: &Node, kind: StageKind) -> Affine<StageId> {
        let id = self.push(&node.name, &node.shape, kind);
        Affine::source(id, node.shape.iter().product())
    }

    fn node(
        &mut self,
        graph: &Graph,
        node: &Node,
        values: &[Affine<StageId>],
    ) -> Result<Affine<StageId>> {
        let operand = |k: usize| &values[node.inputs[k].0];
        let shape = |k: usize| graph.node(node.inputs[k]).shape.as_slice();
        // A tensor read in another shape is better placed in its own.
        let source = |k: usize| {
            let mut source = graph.node(node.inputs[k]);
            while let Op::Identity | Op::Flatten | Op::Reshape(_) = source.op {
                source = graph.node(source.inputs[0]);
            }
            source
        };
        let value = match &node.op {
            Op::Input => self.elementwise(node, StageKind::Input),
            Op::Identity | Op::Flatten | Op::Reshape(_) => operand(0).clone(),
            Op::Transpose(perm) => {
                let matrix = maps::transpose(shape(0), perm)?;
                self.then(operand(0), source(0), &matrix, &[])
            }
            Op::Conv2d {
                weight,
                bias,
                stride,
                pad,
                dilation,
                groups,
            } => {
                let window = Window {
                    kernel: [weight.shape()[2], weight.shape()[3]],
                    stride: *stride,
                    pad: *pad,
                    dilation: *dilation,
                };
                let flat: Vec<f64> = weight.iter().copied().collect();
                let (image, filters) = (image(node, shape(0))?, weight.shape()[0]);
                let matrix = maps::conv2d(image, &flat, filters, *groups, window)?;
                let shift = of_filters(bias.as_ref(), node);
                self.then(operand(0), source(0), &matrix, &shift)
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
                let window = Window {
                    kernel: [weight.shape()[2], weight.shape()[3]],
                    stride: *stride,
                    pad: *pad,
                    dilation: *dilation,
                };
                let flat: Vec<f64> = weight.iter().copied().collect();
                let (image, filters) = (image(node, shape(0))?, weight.shape()[1] * groups);
                let matrix =
                    maps::conv_transpose2d(image, &flat, filters, *groups, window, *extra)?;
                let shift = of_filters(bias.as_ref(), node);
                self.then(operand(0), source(0), &matrix, &shift)
            }
            Op::Dense { weight, bias } => {
                let flat: Vec<f64> = weight.iter().copied().collect();
                let matrix = maps::dense(&flat, weight.nrows(), weight.ncols())?;
                let shift = bias.as_ref().map_or(Vec::new(), |b| b.to_vec());
                self.then(operand(0), source(0), &matrix, &shift)
            }
            Op::AvgPool {
                kernel,
                stride,
                pad,
                count_include_pad,
            } => {
                let window = Window {
                    kernel: *kernel,
                    stride: *stride,
                    pad: *pad,
                    ..Window::default()
                };
                let matrix =
                    maps::average_pool(image(node, shape(0))?, window, *count_include_pad)?;
                self.then(operand(0), source(0), &matrix, &[])
            }
            Op::GlobalAvgPool => {
                let [channels, height, width] = image(node, shape(0))?;
                let window = Window {
                    kernel: [height, width],
                    ..Window::default()
                };
                let matrix = maps::average_pool([channels, height, width], window, true)?;
                self.then(operand(0), source(0), &matrix, &[])
            }
            Op::Affine { scale, shift } => {
                let size = operand(0).size();
                let matrix = Matrix::diagonal(&spread(&scale.to_vec(), size));
                operand(0)
                    .then(&matrix)
                    .shifted(&spread(&shift.to_vec(), size))
            }
            Op::Elementwise { scale, shift } => {
                let factors: Vec<f64> = scale.iter().copied().collect();
                let shifts: Vec<f64> = shift.iter().copied().collect();
                operand(0)
                    .then(&Matrix::diagonal(&factors))
                    .shifted(&shifts)
            }
            Op::Add => self.sum([operand(0), operand(1)], [source(0), source(1)], 1.0),
            Op::Sub => self.sum([operand(0), operand(1)], [source(0), source(1)], -1.0),
            Op::Mul => {
                let a = self.materialise(operand(0), source(0));
                let b = self.materialise(operand(1), source(1));
                self.elementwise(
                    node,
                    if a == b {
                        StageKind::Power(a, 2)
                    } else {
                        StageKind::Product(a, b)
                    },
                )
            }
            Op::PowInt(1) => operand(0).clone(),
            Op::PowInt(k) => {
                let x = self.materialise(operand(0), source(0));
                self.elementwise(node, StageKind::Power(x, *k))
            }
            Op::Polynomial(coefficients) => {
                self.polynomial(node, operand(0), source(0), coefficients)?
            }
            Op::Activation(_) => self.fitted(node, operand(0), source(0))?,
            other => {
                return Err(Error::Operator {
                    node: node.name.clone(),
                    op: format!("{other:?}"),
                });
            }
        };
        Ok(self.complete_squares(value, node))
    }

    /// Power-basis coefficients, constant term first.
    fn polynomial(
        &mut self,
        node: &Node,
        x: &Affine<StageId>,
        source: &Node,
        coefficients: &[f64],
    ) -> Result<Affine<StageId>> {
        let degree = coefficients.iter().rposition(|&c| c != 0.0).unwrap_or(0);
        let size = x.size();
        match coefficients[..=degree.min(coefficients.len().saturating_sub(1))] {
            [] | [_] => Err(Error::Constant {
                node: node.name.clone(),
            }),
            [c, b] => Ok(x
                .then(&Matrix::diagonal(&vec![b; size]))
                .shifted(&vec![c; size])),
            [c, b, a] => {
                let shifted = x.clone().shifted(&vec![b / (2.0 * a); size]);
                let root = self.materialise(&shifted, source);
                let square = self.elementwise(node, StageKind::Power(root, 2));
                Ok(square
                    .then(&Matrix::diagonal(&vec![a; size]))
                    .shifted(&vec![c - b * b / (4.0 * a); size]))
            }
            _ => self.fitted(node, x, source),
        }
    }

    /// The plan of a replaced function between the maps of its input and its output.
    fn fitted(
        &mut self,
        node: &Node,
        x: &Affine<StageId>,
        source: &Node,
    ) -> Result<Affine<StageId>> {
        let replacement = self
            .ranges
            .and_then(|r| r.of(&node.name)?.replacement.as_ref())
            .ok_or_else(|| Error::Uncalibrated {
                node: node.name.clone(),
                op: node.op.name().to_owned(),
            })?;
        let size = x.size();
        let (scale, shift) = replacement.plan.input_map().unwrap_or((1.0, 0.0));
        let input = x
            .then(&Matrix::diagonal(&vec![scale; size]))
            .shifted(&vec![shift; size]);
        let input = self.materialise(&input, source);
        let value = self.elementwise(node, StageKind::Function(input, replacement.plan.clone()));
        if (replacement.scale, replacement.shift) == (1.0, 0.0) {
            return Ok(value);
        }
        Ok(value
            .then(&Matrix::diagonal(&vec![replacement.scale; size]))
            .shifted(&vec![replacement.shift; size]))
    }

    /// Rewrites `a·x² + b·x` (element by element) as `a·(x + b/2a)² - b²/4a`.
    fn complete_squares(&mut self, value: Affine<StageId>, node: &Node) -> Affine<StageId> {
        let candidates: Vec<(StageId, StageId)> = value
            .terms
            .keys()
            .filter_map(|&square| match self.stages[square.0].kind {
                StageKind::Power(root, 2) if value.terms.contains_key(&root) => {
                    Some((square, root))
                }
                _ => None,
            })
            .collect();
        let mut value = value;
        for (square, root) in candidates {
            let (Some(a), Some(b)) = (
                value.terms[&square].as_diagonal(),
                value.terms[&root].as_diagonal(),
            ) else {
                continue;
            };
            if a.iter().zip(&b).any(|(a, b)| *a == 0.0 && *b != 0.0) {
                continue;
            }
            let shift: Vec<f64> = a
                .iter()
                .zip(&b)
                .map(|(a, b)| if *b == 0.0 { 0.0 } else { b / (2.0 * a) })
                .collect();
            let base = match &self.stages[root.0].kind {
                StageKind::Linear(map) => map.clone(),
                _ => Affine::source(root, a.len()),
            };
            let shifted = base.shifted(&shift);
            let stage = self.stages[root.0].clone();
            let new_root = self.push(&stage.name, &stage.shape, StageKind::Linear(shifted));
            let new_square = self.push(&node.name, &stage.shape, StageKind::Power(new_root, 2));
            value.terms.remove(&square);
            value.terms.remove(&root);
            value.terms.insert(new_square, Matrix::diagonal(&a));
            for ((bias, a), s) in value.bias.iter_mut().zip(&a).zip(&shift) {
                *bias -= a * s * s;
            }
        }
        value
    }
}

/// `[channels, height, width]`.
fn image(node: &Node, shape: &[usize]) -> Result<[usize; 3]> {
    shape.try_into().map_err(|_| Error::NotAnImage {
        node: node.name.clone(),
        shape: shape.to_vec(),
    })
}

/// The bias of every filter, repeated over the pixels of the result; nothing if there is none.
fn of_filters(bias: Option<&Array1<f64>>, node: &Node) -> Vec<f64> {
    let pixels = node.shape.iter().product();
    bias.map_or(Vec::new(), |b| spread(&b.to_vec(), pixels))
}

/// One value per channel, repeated over the pixels.
fn spread(per_channel: &[f64], size: usize) -> Vec<f64> {
    let pixels = size / per_channel.len().max(1);
    per_channel
        .iter()
        .flat_map(|&v| std::iter::repeat_n(v, pixels))
        .collect()
}

/// The stages that `last` needs, renumbered, in an order that puts `last` at the end.
fn reachable(stages: Vec<Stage>, last: StageId) -> Vec<Stage> {
    let mut order = Vec::new();
    let mut number: BTreeMap<StageId, StageId> = BTreeMap::new();
    let mut stack = vec![(last, false)];
    while let Some((id, expanded)) = stack.pop() {
        if number.contains_key(&id) {
            continue;
        }
        if expanded {
            number.insert(id, StageId(order.len()));
            order.push(id);
        } else {
            stack.push((id, true));
            stack.extend(
                stages[id.0]
                    .kind
                    .sources()
                    .into_iter()
                    .rev()
                    .map(|s| (s, false)),
            );
        }
    }
    order
        .into_iter()
        .map(|id| {
            let mut stage = stages[id.0].clone();
            stage.kind = stage.kind.with_sources(|s| number[&s]);
            stage
        })
        .collect()
}
