//! The compiler: from a graph and requirements to a leveled program with its parameters, keys and prices.

use girih_he::{Bootstrapping, Constants, HeProfile, KeyManifest, Level, Primitive, Program};
use girih_model::Graph;
use ndarray::{ArrayD, Axis, Slice};

use crate::bootstrapping::place;
use crate::chain::{BootstrappedSet, ChainRequest, Scheme};
use crate::choose::{Target, choose};
use crate::effect::Judge;
use crate::lower::{INPUT, Lowered, OUTPUT, Weights, lower, lower_bootstrapped};
use crate::network::Network;
use crate::packing::TensorPacking;
use crate::plan::{PackingPlan, plan};
use crate::predict::{clear_ranges, drawn_std, fill, predicted_std, top_level, value_bits};
use crate::ranges::{Ranges, replaced};
use crate::replacement::default_plan;
use crate::report::{self, PlanReport};
use crate::{Error, Result, passes};

/// What a user asks of a compiled model.
#[derive(Clone, Debug)]
pub struct Requirements {
    /// Samples that are answered together; larger inputs are run in chunks.
    pub batch: usize,
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
    /// Most bytes the server may use.
    pub max_memory: Option<u64>,
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
            batch: 1,
            precision: 1e-3,
            security: 128,
            weights: Weights::Plain,
            calibration: None,
            ranges: None,
            range_margin: 1.25,
            target: None,
            degree: None,
            max_memory: None,
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
    /// How inputs are packed.
    pub input: TensorPacking,
    /// How outputs are unpacked.
    pub output: TensorPacking,
    /// The keys the program needs, those of the bootstrapping included.
    pub manifest: KeyManifest,
    /// The plan in words and numbers.
    pub report: PlanReport,
}

/// Standard deviations within which the predicted error must stay.
const SIGMAS: f64 = 6.0;
/// Values may exceed those of the calibration samples by so many bits before they wrap around.
const HEADROOM_BITS: f64 = 2.0;
/// The same without samples, when only made-up inputs were tried.
const BLIND_HEADROOM_BITS: f64 = 4.0;
/// Bits of the scale at which plans are priced and noise is first predicted.
const FIRST_SCALE_BITS: u32 = 30;
/// Bounds of the scale.
const SCALE_BITS: std::ops::RangeInclusive<u32> = 22..=58;
/// log2 of the smallest ring degree considered.
const MIN_LOG_N: u32 = 12;
/// Ring degrees compared once one fits.
const DEGREES_COMPARED: usize = 2;
/// Most samples on which functions are measured and plans are judged.
const SAMPLES: usize = 256;
/// Fewest samples by which plans are chosen.
const ENOUGH_SAMPLES: usize = 32;
/// Samples on which noise and ranges of values are measured.
const PROBES: usize = 16;

/// Compiles a graph.
///
/// Tries ring degrees from small to large and ways to lay the batch side by side; the scale is the smallest that keeps the
/// predicted error within the precision; of the sets that the scheme accepts the fastest wins.
///
/// # Errors
/// Unsupported graphs, activations without calibration, requirements that no parameters meet.
pub fn compile(
    graph: &Graph,
    requirements: &Requirements,
    scheme: &dyn Scheme,
) -> Result<Compiled> {
    check(graph, requirements)?;
    let ranges = replacements(graph, requirements)?;
    let network = Network::from_graph(graph, ranges.as_ref())?;
    let depth = network.depth();
    let job = Job {
        network: &network,
        ranges: ranges.as_ref(),
        requirements,
        scheme,
        probes: probes(graph, requirements, ranges.as_ref()),
    };
    let mut search = Search {
        requirements,
        best: None,
        why: Vec::new(),
    };
    if requirements.bootstrapping != Refresh::Always {
        search.leveled(&job)?;
    }
    if requirements.bootstrapping != Refresh::Never {
        search.bootstrapped(&job)?;
    }
    let why = match search.why.is_empty() {
        true => "no parameters tried".into(),
        false => search.why.join("; "),
    };
    search.best.ok_or(Error::NoParameters {
        depth,
        precision: requirements.precision,
        security: requirements.security,
        largest: requirements.max_log_n,
        why,
    })
}

/// The cheapest of what was tried, and why the last attempt of each kind failed.
struct Search<'a> {
    requirements: &'a Requirements,
    best: Option<Compiled>,
    why: Vec<String>,
}

impl Search<'_> {
    /// Seconds of all batches.
    fn cost(&self, compiled: &Compiled) -> f64 {
        let runs = self.requirements.batch.div_ceil(compiled.input.batch());
        compiled.report.predicted_seconds * runs as f64
    }

    /// Keeps the cheaper one; whether there is any, or why not.
    fn consider(
        &mut self,
        attempt: std::result::Result<Compiled, Attempt>,
    ) -> Result<Option<String>> {
        let candidate = match attempt {
            Ok(candidate) => candidate,
            Err(Attempt::Refused(reason)) => return Ok(Some(reason)),
            Err(Attempt::Failed(error)) => return Err(error),
        };
        let most = self.requirements.max_memory;
        if most.is_some_and(|m| candidate.report.predicted_peak_bytes > m) {
            return Ok(Some(format!(
                "N = 2^{} needs {} MiB of memory, {} MiB are allowed",
                candidate.chain.log_n,
                candidate.report.predicted_peak_bytes >> 20,
                most.unwrap_or(0) >> 20
            )));
        }
        if self
            .best
            .as_ref()
            .is_none_or(|b| self.cost(&candidate) < self.cost(b))
        {
            self.best = Some(candidate);
        }
        Ok(None)
    }

    /// Ring degrees from small to large, without bootstrapping.
    fn leveled(&mut self, job: &Job<'_>) -> Result<()> {
        let (mut fitting, mut why) = (0, None);
        for log_n in MIN_LOG_N..=self.requirements.max_log_n {
            let before = self.best.as_ref().map(|b| b.report.predicted_seconds);
            let mut any = false;
            for batch in batches(self.requirements.batch, 1 << (log_n - 1)) {
                let refused = self.consider(job.attempt(log_n, batch))?;
                any |= refused.is_none();
                why = refused.or(why);
            }
            fitting += usize::from(any);
            let improved = self.best.as_ref().map(|b| b.report.predicted_seconds) != before;
            if self.best.is_some() && (fitting >= DEGREES_COMPARED || (fitting > 1 && !improved)) {
                break;
            }
        }
        self.why.extend(why);
        Ok(())
    }

    /// All sets with a bootstrapping that a single bootstrapping does not make dearer than what is known.
    fn bootstrapped(&mut self, job: &Job<'_>) -> Result<()> {
        let network = job.network.in_steps()?;
        for set in job.scheme.bootstrapped(self.requirements.security) {
            let name = set.chain.preset.clone().unwrap_or_default();
            if set.chain.log_n > self.requirements.max_log_n {
                continue;
            }
            let each = set
                .profile
                .seconds_of(Primitive::Bootstrap, set.profile.top());
            for batch in batches(self.requirements.batch, set.chain.slots()) {
                if self.best.as_ref().is_some_and(|b| self.cost(b) <= each) {
                    break;
                }
                let refused = self.consider(job.bootstrapped(&network, &set, batch))?;
                self.why
                    .extend(refused.map(|why| format!("with bootstrapping ({name}): {why}")));
            }
        }
        self.why.dedup();
        Ok(())
    }
}

fn check(graph: &Graph, requirements: &Requirements) -> Result<()> {
    let fail = |why: String| Err(Error::Requirements { why });
    if requirements.batch == 0 {
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

/// How many samples may lie side by side: the power of two that holds the batch, and a few smaller ones.
fn batches(batch: usize, slots: usize) -> Vec<usize> {
    let widest = batch.next_power_of_two().min(slots);
    (0..4).map(|k| widest >> k).filter(|&b| b > 0).collect()
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

enum Attempt {
    /// The scheme has no such parameters.
    Refused(String),
    /// Compilation failed for a reason that other parameters do not mend.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Attempt {
    fn from(error: E) -> Self {
        match error.into() {
            Error::NoPlacement {
                stage,
                shape,
                slots,
            } => Attempt::Refused(
                Error::NoPlacement {
                    stage,
                    shape,
                    slots,
                }
                .to_string(),
            ),
            other => Attempt::Failed(other),
        }
    }
}

struct Job<'a> {
    network: &'a Network,
    ranges: Option<&'a Ranges>,
    requirements: &'a Requirements,
    scheme: &'a dyn Scheme,
    probes: Vec<Vec<f64>>,
}

/// How inputs are packed and outputs unpacked.
fn ends(network: &Network, packing: &PackingPlan) -> Result<(TensorPacking, TensorPacking)> {
    let of = |name: &str, stage: usize| {
        let shape = network.stages[stage].shape.clone();
        TensorPacking::try_new(name, shape, packing.placements[stage].clone())
    };
    Ok((of(INPUT, 0)?, of(OUTPUT, network.output().0)?))
}

impl Job<'_> {
    /// Bits by which values may exceed those seen.
    fn headroom(&self) -> f64 {
        match (&self.requirements.calibration, self.ranges) {
            (None, None) => BLIND_HEADROOM_BITS,
            _ => HEADROOM_BITS,
        }
    }

    /// log2 of the largest output that was measured, at least 0.
    fn output_bits(&self) -> f64 {
        let reached = self
            .ranges
            .map_or(0.0, |r| r.output.0.abs().max(r.output.1.abs()));
        reached.max(1.0).log2()
    }

    /// On a set with a bootstrapping; `network` is in single steps.
    fn bootstrapped(
        &self,
        network: &Network,
        set: &BootstrappedSet,
        batch: usize,
    ) -> std::result::Result<Compiled, Attempt> {
        let profile = &set.profile;
        let Some(bootstrapping) = profile.bootstrapping else {
            return Err(Attempt::Refused("has none".into()));
        };
        let weights = self.requirements.weights;
        let packing = plan(network, profile, batch)?;
        let plain = lower(network, &packing, weights)?.program;
        let (input, output) = ends(network, &packing)?;
        let filled = fill(&self.probes, batch, &input)?;
        // Values have at most these bits before the point at the bottom of the chain.
        let room = f64::from(set.chain.first_bits) - profile.log_scale[0] - 1.0;
        let mut reason = String::new();
        for last in [Level(0), Level(1)] {
            let places = place(
                network,
                &packing,
                &plain,
                profile,
                &self.probes,
                self.headroom(),
                last,
            )
            .map_err(Attempt::Refused)?;
            let network = &places.network;
            let Lowered {
                program,
                constants,
                encrypted,
            } = lower_bootstrapped(network, &packing, weights, &places.plan.bootstrapped)?;
            let refused = |e: &dyn std::fmt::Display| Attempt::Refused(e.to_string());
            let leveled = passes::levels::run_bootstrapped(&program, &bootstrapping, last)
                .map_err(|e| refused(&e))?;
            let program = passes::fuse::run(&leveled);
            let top = profile.top();
            let mut manifest = girih_he::verify(&program, top)?;
            girih_he::verify_bootstraps(&program, top, Some(&bootstrapping))?;
            let ranges = clear_ranges(
                &program,
                &constants,
                &encrypted,
                &filled,
                top,
                Some(bootstrapping),
            )
            .map_err(|e| refused(&e))?;
            let output_bits = if last.0 == 0 { self.output_bits() } else { 0.0 };
            let bits = value_bits(&program, &ranges).max(output_bits) + self.headroom();
            if bits > room {
                reason = format!(
                    "values need {bits:.1} bits before the point at the lowest level, which has {room:.1}"
                );
                continue;
            }
            let mut exact = profile.clone();
            exact.bootstrapping = Some(Bootstrapping {
                error: 0.0,
                ..bootstrapping
            });
            let scheme = predicted_std(&program, &constants, &encrypted, &filled, &exact, &output)?;
            let error = bootstrapping.error;
            let drawn = drawn_std(&program, &constants, &encrypted, &filled, error, &output)?;
            let error = SIGMAS * scheme.hypot(drawn);
            if error > self.requirements.precision {
                return Err(Attempt::Refused(format!(
                    "the predicted error of an output is {error:.1e}, {:.1e} of it from bootstrappings of error {:.1e}; allow it \
                     with --precision",
                    SIGMAS * drawn,
                    bootstrapping.error
                )));
            }
            manifest.merge(&set.manifest);
            let mut cost = girih_he::price(&program, profile)?;
            cost.key_bytes = manifest
                .levels()
                .map(|l| {
                    profile
                        .key_bytes
                        .get(usize::from(l.0))
                        .copied()
                        .unwrap_or(0)
                })
                .sum();
            cost.constant_bytes += set.constant_bytes;
            let report = report::summarise(
                network,
                self.ranges,
                &packing,
                &program,
                &cost,
                &set.chain,
                profile,
                error,
                Some(&places),
            );
            return Ok(Compiled {
                name: network.name.clone(),
                program,
                constants,
                encrypted_weights: encrypted,
                chain: set.chain.clone(),
                profile: profile.clone(),
                input,
                output,
                manifest,
                report,
            });
        }
        Err(Attempt::Refused(reason))
    }

    fn attempt(&self, log_n: u32, batch: usize) -> std::result::Result<Compiled, Attempt> {
        let Job {
            network,
            ranges: measured,
            requirements,
            scheme,
            probes,
        } = self;
        let depth = network.depth() as usize;
        let headroom = self.headroom();
        let request = |bits: u32, value_bits: f64| ChainRequest {
            log_n,
            first_bits: bits + (value_bits + headroom).max(0.0).ceil() as u32 + 1,
            level_bits: vec![bits; depth],
            security: requirements.security,
            preset: None,
        };
        let mut bits = FIRST_SCALE_BITS;
        let first = (*SCALE_BITS.start()..=FIRST_SCALE_BITS)
            .rev()
            .step_by(4)
            .find_map(|b| scheme.profile(&request(b, 4.0)).ok())
            .map_or_else(|| scheme.profile(&request(*SCALE_BITS.start(), 4.0)), Ok)
            .map_err(Attempt::Refused)?;
        let packing = plan(network, &first, batch)?;
        let Lowered {
            program,
            constants,
            encrypted,
        } = lower(network, &packing, requirements.weights)?;
        let program = passes::fuse::run(&passes::levels::run(&program)?);
        let (input, output) = ends(network, &packing)?;
        let top = girih_he::verify(&program, Level(u8::MAX)).map(|_| top_level(&program))?;
        debug_assert_eq!(usize::from(top.0), depth);
        let filled = fill(probes, batch, &input)?;
        let ranges = clear_ranges(&program, &constants, &encrypted, &filled, top, None)?;
        let value_bits = value_bits(&program, &ranges).max(self.output_bits());
        // Errors shrink in proportion to the scale: two predictions find the bits.
        let mut profile = first;
        let mut error = f64::INFINITY;
        for _ in 0..4 {
            let chain = request(bits, value_bits);
            match scheme.profile(&chain) {
                Ok(p) => profile = p,
                Err(reason) if error.is_infinite() && bits > *SCALE_BITS.start() => {
                    // The first guess may be too wide for a small ring: predict from a narrower one.
                    bits -= 2;
                    if bits < *SCALE_BITS.start() {
                        return Err(Attempt::Refused(reason));
                    }
                    continue;
                }
                Err(reason) => return Err(Attempt::Refused(reason)),
            }
            error = SIGMAS
                * predicted_std(&program, &constants, &encrypted, &filled, &profile, &output)?;
            let missing = (error / requirements.precision).log2();
            let wanted = (f64::from(bits) + missing)
                .ceil()
                .max(f64::from(*SCALE_BITS.start())) as u32;
            if wanted > *SCALE_BITS.end() {
                return Err(Attempt::Refused(format!(
                    "a scale of 2^{wanted} would be needed"
                )));
            }
            if missing <= 0.0 && wanted + 1 >= bits {
                break;
            }
            bits = wanted;
        }
        if error > requirements.precision {
            return Err(Attempt::Refused(format!(
                "the predicted error is {error:.1e} at a scale of 2^{bits}"
            )));
        }
        let chain = request(bits, value_bits);
        let manifest = girih_he::verify(&program, top)?;
        let cost = girih_he::price(&program, &profile)?;
        let report = report::summarise(
            network, *measured, &packing, &program, &cost, &chain, &profile, error, None,
        );
        Ok(Compiled {
            name: network.name.clone(),
            program,
            constants,
            encrypted_weights: encrypted,
            chain,
            profile,
            input,
            output,
            manifest,
            report,
        })
    }
}
