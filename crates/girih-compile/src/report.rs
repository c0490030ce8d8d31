//! The plan in words and numbers: what `explain` prints before any key exists.

use std::fmt;

use girih_he::{Cost, HeProfile, Level, Primitive, Program};
use girih_nn::Strategy;

use crate::chain::ChainRequest;
use crate::effect::Effect;
use crate::network::{Network, StageKind, shift_of};
use crate::plan::PackingPlan;
use crate::ranges::{ActivationRange, Ranges};
use crate::replacement::degree;

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

/// A plan in words and numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanReport {
    /// The stages.
    pub layers: Vec<LayerReport>,
    /// The replaced functions.
    pub fits: Vec<FitReport>,
    /// What all of them do to the output of the plain model, if that was measured.
    pub together: Option<Effect>,
    /// Levels from input to output.
    pub depth: u32,
    /// Predicted seconds of one evaluation on the profile's threads.
    pub predicted_seconds: f64,
    /// Predicted largest error of an output value (six standard deviations).
    pub predicted_error: f64,
    /// Predicted peak bytes of the server: keys, encoded constants, live ciphertexts.
    pub predicted_peak_bytes: u64,
    /// Bytes of the evaluation keys.
    pub key_bytes: u64,
    /// Bytes of the encoded constants.
    pub constant_bytes: u64,
}

/// Bytes that a process takes besides keys, constants and ciphertexts (code, tables, buffers).
const BASE_BYTES: u64 = 48 << 20;

#[allow(clippy::too_many_arguments)]
pub(crate) fn summarise(
    network: &Network,
    ranges: Option<&Ranges>,
    plan: &PackingPlan,
    program: &Program,
    cost: &Cost,
    chain: &ChainRequest,
    profile: &HeProfile,
    predicted_error: f64,
) -> PlanReport {
    let levels = network.levels();
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
                level: Level(u8::try_from(levels[i] + stage.kind.depth()).unwrap_or(u8::MAX)),
                seconds: share.seconds,
                primitives,
            }
        })
        .collect();
    let fits = ranges.map_or_else(Vec::new, Ranges::fits);
    let table_bytes = (profile.log_scale.len() as u64 + 4) * (1 << chain.log_n) * 8 * 4;
    PlanReport {
        layers,
        fits,
        together: ranges.and_then(|r| r.together),
        depth: network.depth(),
        predicted_seconds: cost.seconds(),
        predicted_error,
        predicted_peak_bytes: BASE_BYTES
            + table_bytes
            + cost.peak_ciphertext_bytes
            + cost.constant_bytes
            + cost.key_bytes,
        key_bytes: cost.key_bytes,
        constant_bytes: cost.constant_bytes,
    }
}

fn operation(kind: &StageKind, plan: &PackingPlan, i: usize) -> String {
    match kind {
        StageKind::Input => "encrypted input".into(),
        StageKind::Linear(map) if shift_of(map).is_some() => "shift".into(),
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
