//! Where a network is bootstrapped: which values may be, what it costs, and the scales that keep them in the bound.
//!
//! A value is bootstrapped only if it is known to stay within the message bound. The input of a replaced function lies in
//! `[-1, 1]` by its calibrated range; what is computed of it element by element is bounded on a grid of that interval. An affine
//! stage that only affine stages read (powers and products between them allowed) can have any scale for free: its rows are
//! multiplied by it and the columns of its readers divided. The places are those of the [`LevelGraph`]'s cheapest plan.

use std::collections::{BTreeSet, HashSet};

use girih_he::{Bootstrapping, HeProfile, Level, Op, Primitive, Program, ValueId, cost};
use girih_nn::Affine;

use crate::level_graph::{LevelGraph, LevelNode, LevelPlan};
use crate::network::{Network, Stage, StageId, StageKind, shift_of};
use crate::plan::PackingPlan;

/// Points at which what is computed of one value is bounded.
const GRID: usize = 4096;

/// A network with the places of its bootstrappings.
#[derive(Clone, Debug)]
pub struct Bootstraps {
    /// The network, scaled so that bootstrapped values stay within the bound.
    pub network: Network,
    /// Levels, and whether each stage's result is bootstrapped.
    pub plan: LevelPlan,
    /// Largest modulus of each stage's values, as scaled.
    pub largest: Vec<f64>,
}

/// Places bootstrappings in a network (of [single steps](Network::in_steps)) whose recorded form is `program`.
///
/// `inputs` are samples; values that are only measured on them may exceed what was seen by `headroom` bits. The output ends at
/// level `last` or above.
///
/// # Errors
/// Why no bootstrappings make the levels suffice, with the numbers.
pub fn place(
    network: &Network,
    packing: &PackingPlan,
    program: &Program,
    profile: &HeProfile,
    inputs: &[Vec<f64>],
    headroom: f64,
    last: Level,
) -> Result<Bootstraps, String> {
    let bootstrapping = profile
        .bootstrapping
        .as_ref()
        .ok_or("the parameters have no bootstrapping")?;
    let bounds = Bounds::of(network, inputs, headroom, bootstrapping);
    let graph = graph(
        network,
        packing,
        program,
        profile,
        bootstrapping,
        &bounds,
        last,
    );
    let plan = graph
        .solve()
        .ok_or_else(|| why_not(network, &graph, &bounds, bootstrapping))?;
    let mut roots = BTreeSet::new();
    for (i, _) in plan.bootstrapped.iter().enumerate().filter(|b| *b.1) {
        network.roots(StageId(i), &mut roots);
    }
    let scales = bounds.scales(network, |i| roots.contains(&StageId(i)));
    let largest = scales
        .iter()
        .zip(&bounds.largest)
        .map(|(s, b)| s * b)
        .collect();
    Ok(Bootstraps {
        network: network.scaled(&scales),
        plan,
        largest,
    })
}

impl Network {
    /// The affine stages whose scales determine that of a stage.
    fn roots(&self, stage: StageId, found: &mut BTreeSet<StageId>) {
        match &self.stages[stage.0].kind {
            StageKind::Linear(map) if shift_of(map).is_none() => {
                found.insert(stage);
            }
            kind => kind
                .sources()
                .into_iter()
                .for_each(|s| self.roots(s, found)),
        }
    }

    /// The same network whose stage `i` computes `scales[i]` times its value.
    fn scaled(&self, scales: &[f64]) -> Network {
        let scale = |stage: &Stage, own: f64| {
            let StageKind::Linear(map) = &stage.kind else {
                return stage.clone();
            };
            let terms = map.terms.iter();
            let terms = terms.map(|(s, m)| (*s, m.scaled_by(own / scales[s.0])));
            let map = Affine {
                terms: terms.collect(),
                bias: map.bias.iter().map(|b| own * b).collect(),
            };
            Stage {
                kind: StageKind::Linear(map),
                ..stage.clone()
            }
        };
        Network {
            name: self.name.clone(),
            stages: self
                .stages
                .iter()
                .zip(scales)
                .map(|(stage, &own)| scale(stage, own))
                .collect(),
        }
    }
}

/// How large values are, and which of them can be scaled.
struct Bounds {
    /// Largest modulus by stage.
    largest: Vec<f64>,
    /// Affine stages whose scale is free.
    free: Vec<bool>,
    /// Largest modulus that is aimed at where a scale is free.
    target: f64,
}

impl Bounds {
    fn of(
        network: &Network,
        inputs: &[Vec<f64>],
        headroom: f64,
        bootstrapping: &Bootstrapping,
    ) -> Bounds {
        let stages = &network.stages;
        let mut seen = vec![0.0f64; stages.len()];
        for input in inputs {
            for (most, values) in seen.iter_mut().zip(network.values(input)) {
                *most = values.iter().fold(*most, |m, v| m.max(v.abs()));
            }
        }
        let mut in_unit = vec![false; stages.len()];
        for stage in stages {
            if let StageKind::Function(x, _) = stage.kind {
                in_unit[x.0] = true;
            }
        }
        let mut largest: Vec<f64> = Vec::with_capacity(stages.len());
        // Values over a grid of the stage that they are computed of.
        let mut grids: Vec<(usize, Vec<f64>)> = Vec::with_capacity(stages.len());
        for (i, stage) in stages.iter().enumerate() {
            let sources = stage.kind.sources();
            let base = |s: &StageId| grids[s.0].0;
            let common = sources.first().map(base);
            let common = common.filter(|b| sources.iter().all(|s| base(s) == *b));
            let (bound, grid) = match (&stage.kind, common) {
                (StageKind::Input | StageKind::Linear(_), _) => {
                    let bound = match in_unit[i] {
                        true => 1.0,
                        false => seen[i] * headroom.exp2(),
                    };
                    let at = |k: usize| bound * (2.0 * k as f64 / GRID as f64 - 1.0);
                    (bound, (i, (0..=GRID).map(at).collect()))
                }
                (kind, Some(base)) => {
                    let values = kind.eval(&[], |s| &grids[s.0].1);
                    (
                        values.iter().fold(0.0, |m: f64, v| m.max(v.abs())),
                        (base, values),
                    )
                }
                // Of several values: as if the largest of all met.
                (kind, None) => {
                    let values = kind.eval_bounds(&largest);
                    (values, (i, vec![-values, 0.0, values]))
                }
            };
            largest.push(bound);
            grids.push(grid);
        }
        Bounds {
            largest,
            free: network.free_scales(),
            target: bootstrapping.bound.min(1.0),
        }
    }

    /// The scale of every stage when the free affine stages in `chosen` fill the bound.
    fn scales(&self, network: &Network, chosen: impl Fn(usize) -> bool) -> Vec<f64> {
        let mut scales = vec![1.0f64; network.stages.len()];
        for (i, stage) in network.stages.iter().enumerate() {
            scales[i] = match &stage.kind {
                StageKind::Linear(map) => match shift_of(map) {
                    Some(source) => scales[source.0],
                    None if self.free[i] && chosen(i) && self.largest[i] > 0.0 => {
                        self.target / self.largest[i]
                    }
                    None => 1.0,
                },
                StageKind::Power(x, k) => scales[x.0].powi(*k as i32),
                StageKind::Product(a, b) => scales[a.0] * scales[b.0],
                StageKind::Input | StageKind::Function(..) | StageKind::Combination(..) => 1.0,
            };
        }
        scales
    }
}

impl StageKind {
    /// The largest modulus that bounds of the sources allow.
    fn eval_bounds(&self, largest: &[f64]) -> f64 {
        match self {
            StageKind::Product(a, b) => largest[a.0] * largest[b.0],
            StageKind::Combination(terms, c) => {
                terms
                    .iter()
                    .map(|(v, f)| f.abs() * largest[v.0])
                    .sum::<f64>()
                    + c.abs()
            }
            StageKind::Power(x, k) => largest[x.0].powi(*k as i32),
            StageKind::Input | StageKind::Linear(_) | StageKind::Function(..) => f64::INFINITY,
        }
    }
}

impl Network {
    /// The affine stages whose results may have any scale: their readers take it back.
    fn free_scales(&self) -> Vec<bool> {
        let count = self.stages.len();
        let mut absorbed = vec![true; count];
        if let Some(output) = absorbed.last_mut() {
            *output = false;
        }
        for (i, stage) in self.stages.iter().enumerate().rev() {
            let takes = match &stage.kind {
                StageKind::Linear(map) => shift_of(map).is_none() || absorbed[i],
                StageKind::Power(..) | StageKind::Product(..) => absorbed[i],
                StageKind::Input | StageKind::Function(..) | StageKind::Combination(..) => false,
            };
            for source in stage.kind.sources() {
                absorbed[source.0] &= takes;
            }
        }
        let affine = |s: &Stage| matches!(&s.kind, StageKind::Linear(m) if shift_of(m).is_none());
        (0..count)
            .map(|i| absorbed[i] && affine(&self.stages[i]))
            .collect()
    }
}

fn graph(
    network: &Network,
    packing: &PackingPlan,
    program: &Program,
    profile: &HeProfile,
    bootstrapping: &Bootstrapping,
    bounds: &Bounds,
    last: Level,
) -> LevelGraph {
    let top = bootstrapping.output;
    let scales = bounds.scales(network, |_| true);
    let seconds = seconds(program, network.stages.len(), profile, top);
    let each = profile.seconds_of(Primitive::Bootstrap, top);
    let nodes = network.stages.iter().zip(seconds).enumerate();
    let nodes = nodes
        .map(|(i, (stage, seconds))| {
            let within = scales[i] * bounds.largest[i] <= bootstrapping.bound;
            let inner = !matches!(stage.kind, StageKind::Input) && i + 1 < network.stages.len();
            let depth = u8::try_from(stage.kind.depth()).unwrap_or(u8::MAX);
            LevelNode {
                sources: stage.kind.sources().iter().map(|s| s.0).collect(),
                depth: match i + 1 < network.stages.len() {
                    true => depth,
                    false => depth.saturating_add(last.0),
                },
                seconds,
                bootstrap: (within && inner).then(|| packing.placements[i].tiles() as f64 * each),
            }
        })
        .collect();
    LevelGraph {
        top: top.0,
        lowest: bootstrapping.input.0,
        nodes,
    }
}

/// Seconds of every stage by the level at which it starts, from the instructions of its region.
fn seconds(program: &Program, stages: usize, profile: &HeProfile, top: Level) -> Vec<Vec<f64>> {
    let levels = usize::from(top.0) + 1;
    let mut seconds = vec![vec![0.0; levels]; stages];
    // Levels below the start of the region at which a value is.
    let mut below = vec![0usize; program.insts.len()];
    let mut rotated: HashSet<ValueId> = HashSet::new();
    for (i, inst) in program.insts.iter().enumerate() {
        let region = inst.region;
        let within = |v: &ValueId| program.insts[v.index()].region == region;
        let operands = inst.op.operands();
        let at = operands
            .iter()
            .filter(|v| within(v))
            .map(|v| below[v.index()]);
        let at = at.max().unwrap_or(0);
        let product = inst.op.makes_product();
        below[i] = at + usize::from(product);
        let hoisted = matches!(inst.op, Op::Rotate(v, _) if !rotated.insert(v));
        let op = match product {
            true => Op::Rescaled(Box::new(inst.op.clone()), Level(0)),
            false => inst.op.clone(),
        };
        let Some(row) = seconds.get_mut(region as usize) else {
            continue;
        };
        for (start, total) in row.iter_mut().enumerate().skip(at) {
            let level = Level((start - at) as u8);
            *total += cost::primitives(&op, level, program.slots, hoisted)
                .into_iter()
                .map(|(p, times)| times as f64 * profile.seconds_of(p, level))
                .sum::<f64>();
        }
    }
    seconds
}

/// The numbers that show why there is no plan.
fn why_not(
    network: &Network,
    graph: &LevelGraph,
    bounds: &Bounds,
    bootstrapping: &Bootstrapping,
) -> String {
    let (levels, lowest) = (bootstrapping.output.0, bootstrapping.input.0);
    let deepest = network
        .stages
        .iter()
        .max_by_key(|s| s.kind.depth())
        .map(|s| (s.name.as_str(), s.kind.depth()));
    match deepest {
        Some((name, depth)) if depth > u32::from(levels - lowest) => format!(
            "{name} alone takes {depth} levels, a bootstrapping gives {}: use a plan of less depth",
            levels - lowest
        ),
        _ => {
            let large = graph.nodes.iter().enumerate();
            let large = large
                .filter(|(i, n)| n.bootstrap.is_none() && *i > 0 && i + 1 < graph.nodes.len())
                .map(|(i, _)| (network.stages[i].name.as_str(), bounds.largest[i]));
            let words: Vec<String> = large.map(|(n, b)| format!("{n} ({b:.2})")).collect();
            format!(
                "a bootstrapping gives {} levels and takes values up to {}; it cannot come after: {}",
                levels - lowest,
                bootstrapping.bound,
                words.join(", ")
            )
        }
    }
}
