//! The compiler: from a graph and requirements to a leveled program with its parameters, keys and prices.

use girih_he::{Constants, HeProfile, KeyManifest, Program};
use girih_model::Graph;
use girih_nn::Placement;
use ndarray::{ArrayD, Axis, Slice};

use crate::attempt::Job;
use crate::chain::{ChainRequest, Scheme};
use crate::choose::{Target, choose};
use crate::effect::Judge;
use crate::lower::Weights;
use crate::network::Network;
use crate::objective::{Batch, Caps, Objective};
use crate::packing::TensorPacking;
use crate::ranges::{Ranges, replaced};
use crate::replacement::default_plan;
use crate::report::PlanReport;
use crate::search::{Effort, search};
use crate::{Error, Result};

/// What a user asks of a compiled model.
#[derive(Clone, Debug)]
pub struct Requirements {
    /// What is to be small.
    pub objective: Objective,
    /// Samples that are answered together.
    pub batch: Batch,
    /// What must not be exceeded.
    pub caps: Caps,
    /// How long plans are looked for.
    pub effort: Effort,
    /// Largest error of an output value, at six standard deviations of the predicted noise.
    pub precision: f64,
    /// Security in bits: 128, 192 or 256.
    pub security: u32,
    /// Whether the server sees the weights.
    pub weights: Weights,
    /// Sample inputs `[samples, …]`, of which the first 256 are used: ranges of functions and values are measured on
    /// them, and plans are chosen by what they do to the answers.
    pub calibration: Option<ArrayD<f64>>,
    /// Ranges measured before, with or without plans.
    pub ranges: Option<Ranges>,
    /// The measured range of a function is widened by this factor.
    pub range_margin: f64,
    /// What replacements may do to the answers; if `None`, the default, and the deepest plans where that is missed.
    pub target: Option<Target>,
    /// Degree of the polynomials that replace functions, instead of a choice.
    pub degree: Option<usize>,
    /// log2 of the largest ring degree.
    pub max_log_n: u32,
    /// Whether ciphertexts may be bootstrapped.
    pub bootstrapping: Refresh,
}

/// Whether a program may bootstrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refresh {
    /// Where no parameters hold the model without it, or where it is faster.
    #[default]
    Auto,
    /// Levels must suffice.
    Never,
    /// Only parameters with a bootstrapping are considered.
    Always,
}

impl Default for Requirements {
    fn default() -> Self {
        Requirements {
            objective: Objective::default(),
            batch: Batch::default(),
            caps: Caps::default(),
            effort: Effort::default(),
            precision: 1e-3,
            security: 128,
            weights: Weights::Plain,
            calibration: None,
            ranges: None,
            range_margin: 1.25,
            target: None,
            degree: None,
            max_log_n: 16,
            bootstrapping: Refresh::Auto,
        }
    }
}

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Name of the model.
    pub name: String,
    /// The leveled program.
    pub program: Program,
    /// Its constants.
    pub constants: Constants,
    /// Values of the inputs that hold encrypted weights.
    pub encrypted_weights: Constants,
    /// The modulus chain.
    pub chain: ChainRequest,
    /// Slots, prices and errors of that chain.
    pub profile: HeProfile,
    /// Where the result of every layer of the report lies.
    pub placements: Vec<Placement>,
    /// How inputs are packed.
    pub input: TensorPacking,
    /// How outputs are unpacked.
    pub output: TensorPacking,
    /// The keys the program needs, those of the bootstrapping included.
    pub manifest: KeyManifest,
    /// The plan in words and numbers.
    pub report: PlanReport,
}

/// Most samples on which functions are measured and plans are judged.
const SAMPLES: usize = 256;
/// Fewest samples by which plans are chosen.
const ENOUGH_SAMPLES: usize = 32;
/// Samples on which noise and ranges of values are measured.
pub(crate) const PROBES: usize = 16;

/// Compiles a graph.
///
/// Tries ring degrees, sets with a bootstrapping and ways to lay the batch side by side in the order of their lower bounds; the
/// scale is the smallest that keeps the predicted error within the precision; of the plans that keep the caps the best by the
/// objective wins.
///
/// # Errors
/// Unsupported graphs, activations without calibration, requirements that no parameters meet, caps that no plan keeps.
pub fn compile(
    graph: &Graph,
    requirements: &Requirements,
    scheme: &dyn Scheme,
) -> Result<Compiled> {
    check(graph, requirements)?;
    let ranges = replacements(graph, requirements)?;
    let network = Network::from_graph(graph, ranges.as_ref())?;
    let job = Job {
        network: &network,
        ranges: ranges.as_ref(),
        requirements,
        scheme,
        probes: probes(graph, requirements, ranges.as_ref()),
    };
    search(&job)
}

fn check(graph: &Graph, requirements: &Requirements) -> Result<()> {
    let fail = |why: String| Err(Error::Requirements { why });
    if requirements.batch == Batch::Of(0) {
        return fail("the batch must be at least 1".into());
    }
    if !(requirements.precision > 0.0 && requirements.precision.is_finite()) {
        return fail(format!(
            "the precision must be a positive number, not {}",
            requirements.precision
        ));
    }
    if let Some(samples) = &requirements.calibration {
        if samples.ndim() == 0
            || samples.shape()[1..] != *graph.input_shape()
            || samples.shape()[0] == 0
        {
            return fail(format!(
                "calibration samples have shape {:?}, the model reads [samples, {:?}]",
                samples.shape(),
                graph.input_shape()
            ));
        }
        if let Some((i, v)) = samples.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return fail(format!("calibration value {i} is {v}"));
        }
    }
    Ok(())
}

/// The samples of the calibration that are used.
fn samples(requirements: &Requirements) -> Option<ArrayD<f64>> {
    let all = requirements.calibration.as_ref()?;
    let count = all.shape()[0].min(SAMPLES);
    Some(all.slice_axis(Axis(0), Slice::from(..count)).to_owned())
}

/// Ranges and plans of all functions that are replaced: those given, completed by what the samples show. `None` if the
/// model has none to replace, or nothing is known of their inputs.
///
/// With a degree, every plan is the interpolant of that degree; otherwise plans are [chosen](choose) if there are at
/// least 32 samples, and have the default degree of their function if there are fewer.
///
/// # Errors
/// Ranges of another model, fits that fail, a target that no plan reaches.
pub fn replacements(graph: &Graph, requirements: &Requirements) -> Result<Option<Ranges>> {
    let nodes = replaced(graph);
    if nodes.is_empty() {
        return Ok(None);
    }
    let samples = samples(requirements);
    let mut ranges = match (&requirements.ranges, &samples) {
        (Some(given), _) => {
            given.check(graph)?;
            given.clone()
        }
        (None, Some(samples)) => Ranges::measure(graph, samples, requirements.range_margin)?,
        (None, None) => return Ok(None),
    };
    let complete = ranges.activations.iter().all(|a| a.replacement.is_some());
    if complete && requirements.degree.is_none() && requirements.target.is_none() {
        return Ok(Some(ranges));
    }
    let target = requirements.target.unwrap_or_default();
    let enough = samples
        .as_ref()
        .is_some_and(|s| s.shape()[0] >= ENOUGH_SAMPLES);
    if requirements.degree.is_none()
        && (enough || requirements.target.is_some())
        && let Some(samples) = samples
    {
        let judge = Judge::try_new(graph, samples, None)?;
        let choice = choose(&judge, graph, &mut ranges, &target)?;
        return match (choice.met, requirements.target, ranges.together) {
            (false, Some(target), Some(effect)) => Err(Error::Target {
                changed: 100.0 * effect.changed,
                difference: effect.max_difference,
                depth: target.max_depth,
            }),
            _ => Ok(Some(ranges)),
        };
    }
    for (node, at) in nodes.iter().zip(&mut ranges.activations) {
        at.replacement = Some(default_plan(graph, node, at, requirements.degree)?);
        at.alone = None;
    }
    ranges.together = None;
    Ok(Some(ranges))
}

/// Samples for predictions: from the calibration, the mean input of the ranges, or a fixed pseudo-random pattern in
/// `[0, 1)`.
fn probes(graph: &Graph, requirements: &Requirements, ranges: Option<&Ranges>) -> Vec<Vec<f64>> {
    if let Some(samples) = &requirements.calibration {
        return samples
            .axis_iter(Axis(0))
            .take(PROBES)
            .map(|s| s.iter().copied().collect())
            .collect();
    }
    if let Some(ranges) = ranges {
        return vec![ranges.mean_input.clone()];
    }
    let features: usize = graph.input_shape().iter().product();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..PROBES)
        .map(|_| (0..features).map(|_| next()).collect())
        .collect()
}
