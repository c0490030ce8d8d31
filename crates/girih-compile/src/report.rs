//! The plan in words and numbers: what `explain` prints before any key exists.

use std::fmt;

use girih_he::{Cost, HeProfile, Level, Primitive, Program};
use girih_nn::Strategy;

use crate::bootstrapping::Bootstraps;
use crate::effect::Effect;
use crate::network::{Network, Stage, StageKind, shift_of};
use crate::objective::Measures;
use crate::plan::PackingPlan;
use crate::ranges::{ActivationRange, Ranges};
use crate::replacement::degree;
use crate::scalars;
use crate::search::SearchReport;

/// One stage of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerReport {
    /// The region of the program.
    pub name: String,
    /// What is computed, as "affine, 25 diagonals (5 hoisted + 4 giant rotations, 2 folds)".
    pub operation: String,
    /// Shape of the result without the batch.
    pub shape: Vec<usize>,
    /// Where the result lies, in tile-tensor notation.
    pub placement: String,
    /// Ciphertexts of the result.
    pub tiles: usize,
    /// Level at which the stage starts.
    pub level: Level,
    /// Predicted seconds.
    pub seconds: f64,
    /// Predicted count of each primitive.
    pub primitives: Vec<(Primitive, u64)>,
}

/// A function that a plan of polynomials replaces.
#[derive(Clone, Debug, PartialEq)]
pub struct FitReport {
    /// Name of the node.
    pub node: String,
    /// The function.
    pub function: String,
    /// How the plan was made.
    pub method: String,
    /// Degree of the whole plan as a polynomial of its input.
    pub degree: usize,
    /// Levels it consumes.
    pub depth: u32,
    /// Products of ciphertexts.
    pub products: usize,
    /// The range it is fitted on.
    pub range: (f64, f64),
    /// The range measured on the calibration samples.
    pub measured: (f64, f64),
    /// Largest error on the range.
    pub max_error: f64,
    /// Root of the mean squared error over the measured inputs.
    pub mean_error: f64,
    /// What it does alone to the output of the plain model, if that was measured.
    pub alone: Option<Effect>,
}

impl Ranges {
    /// The functions that have a replacement, as reported.
    #[must_use]
    pub fn fits(&self) -> Vec<FitReport> {
        let fit = |a: &ActivationRange| {
            let replacement = a.replacement.as_ref()?;
            Some(FitReport {
                node: a.node.clone(),
                function: a.function.clone(),
                method: replacement.method.clone(),
                degree: replacement.degree(),
                depth: replacement.depth(),
                products: replacement.plan.counts().products,
                range: a.range,
                measured: a.measured,
                max_error: replacement.max_error,
                mean_error: replacement.mean_error,
                alone: a.alone,
            })
        };
        self.activations.iter().filter_map(fit).collect()
    }
}

/// A value that is bootstrapped.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapReport {
    /// The stage whose result it is.
    pub after: String,
    /// Ciphertexts.
    pub ciphertexts: usize,
    /// Level before.
    pub from: Level,
    /// Level at which it is read: what the computation consumes up to the next bootstrapping or to the output.
    pub to: Level,
    /// Largest modulus of its values by range analysis.
    pub largest: f64,
    /// Predicted seconds.
    pub seconds: f64,
}

/// A plan in words and numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanReport {
    /// The stages.
    pub layers: Vec<LayerReport>,
    /// The replaced functions.
    pub fits: Vec<FitReport>,
    /// What all of them do to the output of the plain model, if that was measured.
    pub together: Option<Effect>,
    /// Where ciphertexts are bootstrapped.
    pub bootstraps: Vec<BootstrapReport>,
    /// Levels from input to output.
    pub depth: u32,
    /// What it costs.
    pub measures: Measures,
    /// Predicted largest error of an output value (six standard deviations).
    pub predicted_error: f64,
    /// Bytes of the constants that are encoded ahead.
    pub constant_bytes: u64,
    /// Bytes of constants that may be encoded ahead, the others being encoded when they are met; all of them if `None`.
    pub constant_budget: Option<u64>,
    /// How the plan was found, and the runners-up.
    pub search: SearchReport,
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn summarise(
    network: &Network,
    ranges: Option<&Ranges>,
    plan: &PackingPlan,
    program: &Program,
    cost: &Cost,
    constant_budget: Option<u64>,
    profile: &HeProfile,
    measures: Measures,
    predicted_error: f64,
    bootstraps: Option<&Bootstraps>,
) -> PlanReport {
    let levels = network.levels();
    let start = |i: usize| match bootstraps {
        Some(b) => Level(b.plan.start[i]),
        None => Level(u8::try_from(levels[i] + network.stages[i].kind.depth()).unwrap_or(u8::MAX)),
    };
    let layers = network
        .stages
        .iter()
        .enumerate()
        .map(|(i, stage)| {
            let region = program
                .regions
                .iter()
                .position(|r| *r == format!("{i}.{}", stage.name));
            let region = u32::try_from(region.unwrap_or(0)).unwrap_or(0);
            let share = cost.of_region(region);
            let primitives = Primitive::ALL
                .into_iter()
                .filter_map(|p| cost.shares.get(&(region, p)).map(|s| (p, s.count)))
                .filter(|(_, count)| *count > 0)
                .collect();
            LayerReport {
                name: stage.name.clone(),
                operation: operation(&stage.kind, plan, i),
                shape: stage.shape.clone(),
                placement: plan.placements[i].to_string(),
                tiles: plan.placements[i].tiles(),
                level: start(i),
                seconds: share.seconds,
                primitives,
            }
        })
        .collect();
    let fits = ranges.map_or_else(Vec::new, Ranges::fits);
    PlanReport {
        layers,
        fits,
        together: ranges.and_then(|r| r.together),
        bootstraps: bootstraps.map_or_else(Vec::new, |b| places(network, plan, profile, b)),
        depth: network.depth(),
        measures,
        predicted_error,
        constant_bytes: cost.constant_bytes,
        constant_budget,
        search: SearchReport::default(),
    }
}

/// The bootstrapped stages.
fn places(
    network: &Network,
    packing: &PackingPlan,
    profile: &HeProfile,
    bootstraps: &Bootstraps,
) -> Vec<BootstrapReport> {
    let plan = &bootstraps.plan;
    let each = profile.seconds_of(Primitive::Bootstrap, profile.top());
    let readers = |i: usize| {
        let reads = move |s: &Stage| s.kind.sources().iter().any(|source| source.0 == i);
        let stages = network.stages.iter().zip(&plan.start);
        stages
            .filter(move |(s, _)| reads(s))
            .map(|(_, start)| *start)
    };
    let stages = network.stages.iter().enumerate();
    let stages = stages.filter(|(i, _)| plan.bootstrapped[*i]);
    stages
        .map(|(i, stage)| {
            let tiles = packing.placements[i].tiles();
            let depth = u8::try_from(stage.kind.depth()).unwrap_or(u8::MAX);
            BootstrapReport {
                after: stage.name.clone(),
                ciphertexts: tiles,
                from: Level(plan.start[i].saturating_sub(depth)),
                to: Level(readers(i).max().unwrap_or(0)),
                largest: bootstraps.largest[i],
                seconds: tiles as f64 * each,
            }
        })
        .collect()
}

fn operation(kind: &StageKind, plan: &PackingPlan, i: usize) -> String {
    match kind {
        StageKind::Input => "encrypted input".into(),
        StageKind::Linear(map) if shift_of(map).is_some() => "shift".into(),
        StageKind::Linear(map) if scalars::fits(&plan.placements[i]) => {
            let entries: usize = map.terms.values().map(|m| m.entries()).sum();
            format!("affine, a ciphertext a feature: {entries} products with numbers")
        }
        StageKind::Linear(_) => plan.linear[i].as_ref().map_or_else(String::new, |p| {
            let strategy = match p.strategy {
                Strategy::Direct => "direct",
                Strategy::FoldOuter => "folded over copies",
                Strategy::FoldInner => "folded inside",
            };
            format!(
                "affine, {strategy}: {} diagonals, {} hoisted + {} giant rotations, {} fold steps",
                p.counts.products,
                p.counts.babies,
                p.counts.giants,
                p.folds.len()
            )
        }),
        StageKind::Power(_, k) => format!("power {k}"),
        StageKind::Function(_, plan) => {
            let kind = match plan.steps() {
                [_] => "polynomial",
                _ => "composition",
            };
            format!(
                "{kind} of degree {}, {} products",
                degree(plan),
                plan.counts().products
            )
        }
        StageKind::Product(..) => "product".into(),
        StageKind::Combination(terms, _) => format!("sum of {} terms", terms.len()),
    }
}

impl fmt::Display for PlanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for layer in &self.layers {
            writeln!(
                f,
                "{:<24} {:>5} {:>14} {:<28} x{:<3} {:>9.2} ms  {}",
                layer.name,
                layer.level.to_string(),
                format!("{:?}", layer.shape),
                layer.placement,
                layer.tiles,
                layer.seconds * 1e3,
                layer.operation
            )?;
        }
        Ok(())
    }
}
