//! The packing plan: where every tensor lies, chosen by counting rotations and products.
//!
//! Every affine stage may put its result at any of the candidate placements; its price is that of the cheapest
//! [`Strategy`] from the placements of its sources. A shortest path along the chain of stages gives the start, and
//! sweeps that improve one tensor at a time account for residual branches.

use std::collections::{BTreeMap, HashMap};

use girih_circuits::{LazyPrices, StepPrices};
use girih_he::{HeProfile, Level, Primitive};
use girih_nn::{Affine, ImageGrid, LinearPlan, PlacedMap, Placement, Strategy, Unplanned};

use crate::network::{Network, StageId, StageKind, shift_of};
use crate::{Error, Result};

pub use exhaustive::plan_exhaustively;

mod exhaustive;

/// Placements and plans of all stages.
#[derive(Clone, Debug)]
pub struct PackingPlan {
    /// Where each stage's result lies.
    pub placements: Vec<Placement>,
    /// How each affine stage is computed (`None` for the others and for mere shifts).
    pub linear: Vec<Option<LinearPlan>>,
    /// Estimated seconds of one run.
    pub seconds: f64,
}

/// Sweeps over the stages after the shortest path.
const SWEEPS: usize = 3;

/// Candidates that are reached at so many times the price of the cheapest one are not looked into.
const HOPELESS: f64 = 16.0;

/// Most elements of slot space that a candidate may spread one stage's pattern over.
const PATTERN_LIMIT: usize = 1 << 26;

/// Chooses placements for a network on ciphertexts of `profile.slots` slots, `batch` samples side by side.
///
/// # Errors
/// A stage that no candidate placement can hold.
pub fn plan(network: &Network, profile: &HeProfile, batch: usize) -> Result<PackingPlan> {
    let mut planner = Planner::new(network, profile, batch)?;
    let (choice, price) = planner.search()?;
    Ok(planner.finish(&choice, price))
}

/// The price of the cheapest path to a candidate, and the source group and candidate it came from.
type Reached = Option<(f64, Option<(usize, usize)>)>;

struct Planner<'a> {
    network: &'a Network,
    profile: &'a HeProfile,
    levels: Vec<u32>,
    /// The stage whose placement each stage shares.
    group: Vec<usize>,
    /// Candidates of each group, by its first stage.
    candidates: BTreeMap<usize, Vec<Placement>>,
    /// Plans by stage, candidates of the sources' groups and own candidate.
    cache: HashMap<(usize, Vec<usize>, usize), std::result::Result<LinearPlan, Unplanned>>,
}

impl<'a> Planner<'a> {
    fn new(network: &'a Network, profile: &'a HeProfile, batch: usize) -> Result<Self> {
        let mut group: Vec<usize> = (0..network.stages.len()).collect();
        for (i, stage) in network.stages.iter().enumerate() {
            let shared: Vec<usize> = match &stage.kind {
                StageKind::Power(x, _) | StageKind::Function(x, _) => vec![x.0],
                StageKind::Product(a, b) => vec![a.0, b.0],
                StageKind::Combination(terms, _) => terms.iter().map(|t| t.0.0).collect(),
                StageKind::Linear(map) => shift_of(map).map(|s| s.0).into_iter().collect(),
                StageKind::Input => Vec::new(),
            };
            for other in shared {
                let (from, to) = (group[i].max(group[other]), group[i].min(group[other]));
                group
                    .iter_mut()
                    .filter(|g| **g == from)
                    .for_each(|g| *g = to);
            }
        }
        let mut candidates = BTreeMap::new();
        for (i, stage) in network.stages.iter().enumerate() {
            if group[i] == i {
                let found = placements(&stage.shape, profile.slots, batch);
                if found.is_empty() {
                    return Err(Error::NoPlacement {
                        stage: stage.name.clone(),
                        shape: stage.shape.clone(),
                        slots: profile.slots,
                    });
                }
                candidates.insert(i, found);
            }
        }
        // Sums inside the copies of a source are offered at the distances of all other candidates.
        let periods: std::collections::BTreeSet<usize> = candidates
            .values()
            .flatten()
            .map(Placement::period)
            .collect();
        for (i, found) in &mut candidates {
            let stage = &network.stages[*i];
            let members: Vec<&StageKind> = (0..group.len())
                .filter(|&k| group[k] == *i)
                .map(|k| &network.stages[k].kind)
                .collect();
            let summed = members
                .iter()
                .any(|k| matches!(k, StageKind::Linear(m) if shift_of(m).is_none()));
            let bounded = !members.iter().any(|k| matches!(k, StageKind::Function(..)));
            if summed && bounded {
                let features = stage.shape.iter().product();
                found.extend(
                    periods
                        .iter()
                        .filter_map(|&p| Placement::strided(features, p, profile.slots, batch)),
                );
            }
        }
        Ok(Planner {
            network,
            profile,
            levels: network.levels(),
            group,
            candidates,
            cache: HashMap::new(),
        })
    }

    /// A cheap choice of candidates, and its price.
    fn search(&mut self) -> Result<(BTreeMap<usize, usize>, f64)> {
        let mut choice = self.shortest_path()?;
        let mut price = self
            .price(&choice, f64::INFINITY)
            .ok_or_else(|| self.impossible(self.network.output()))?;
        for _ in 0..SWEEPS {
            let before = price;
            let groups: Vec<usize> = self.candidates.keys().copied().collect();
            for g in groups {
                for c in 0..self.candidates[&g].len() {
                    let mut other = choice.clone();
                    other.insert(g, c);
                    if let Some(p) = self.price(&other, price).filter(|p| *p < price) {
                        (choice, price) = (other, p);
                    }
                }
            }
            if price >= before {
                break;
            }
        }
        Ok((choice, price))
    }

    /// The plan of a choice.
    fn finish(mut self, choice: &BTreeMap<usize, usize>, price: f64) -> PackingPlan {
        let placements: Vec<Placement> = (0..self.network.stages.len())
            .map(|i| self.candidates[&self.group[i]][choice[&self.group[i]]].clone())
            .collect();
        let linear = (0..self.network.stages.len())
            .map(|i| self.linear(i, choice, f64::INFINITY))
            .collect();
        PackingPlan {
            placements,
            linear,
            seconds: price,
        }
    }

    fn impossible(&self, stage: StageId) -> Error {
        let stage = &self.network.stages[stage.0];
        Error::NoPlacement {
            stage: stage.name.clone(),
            shape: stage.shape.clone(),
            slots: self.profile.slots,
        }
    }

    /// The cheapest candidates when every affine stage is charged from its largest source only.
    fn shortest_path(&mut self) -> Result<BTreeMap<usize, usize>> {
        let mut best: BTreeMap<usize, Vec<Reached>> = BTreeMap::new();
        for i in 0..self.network.stages.len() {
            let g = self.group[i];
            let count = self.candidates[&g].len();
            match &self.network.stages[i].kind {
                StageKind::Input => {
                    let prices = (0..count)
                        .map(|c| Some((self.elementwise(i, c), None)))
                        .collect();
                    best.insert(g, prices);
                }
                StageKind::Linear(map) if shift_of(map).is_none() => {
                    let main = map
                        .terms
                        .iter()
                        .max_by_key(|(_, m)| m.entries())
                        .map(|(s, _)| *s);
                    let Some(main) = main else {
                        return Err(Error::Constant {
                            node: self.network.stages[i].name.clone(),
                        });
                    };
                    let from = self.group[main.0];
                    let single = map.terms.len() == 1;
                    let mut only = map.clone();
                    only.terms.retain(|k, _| *k == main);
                    let mut row = vec![None; count];
                    let mut least = f64::INFINITY;
                    for (c, slot) in row.iter_mut().enumerate() {
                        for s in 0..self.candidates[&from].len() {
                            let Some((so_far, _)) = best.get(&from).and_then(|b| b[s]) else {
                                continue;
                            };
                            let choice = BTreeMap::from([(from, s), (g, c)]);
                            let known = slot.map_or(f64::INFINITY, |(p, _)| p);
                            let at_most = known.min(HOPELESS * least) - so_far;
                            if at_most <= 0.0 {
                                continue;
                            }
                            let Some(plan) = (if single {
                                self.linear(i, &choice, at_most)
                            } else {
                                self.linear_main(i, &only, main, &choice, at_most)
                            }) else {
                                continue;
                            };
                            let total = so_far + plan.price;
                            if slot.is_none_or(|(p, _)| total < p) {
                                *slot = Some((total, Some((from, s))));
                                least = least.min(total);
                            }
                        }
                    }
                    // A group with several affine members keeps the dearer of their paths.
                    match best.get_mut(&g) {
                        Some(old) => {
                            for (o, n) in old.iter_mut().zip(row) {
                                *o = match (*o, n) {
                                    (Some(a), Some(b)) => Some(if a.0 > b.0 { a } else { b }),
                                    _ => None,
                                };
                            }
                        }
                        None => {
                            best.insert(g, row);
                        }
                    }
                }
                _ => {
                    for c in 0..count {
                        let own = self.elementwise(i, c);
                        if let Some(Some(entry)) = best.get_mut(&g).map(|b| &mut b[c]) {
                            entry.0 += own;
                        }
                    }
                }
            }
        }
        let output = self.group[self.network.output().0];
        let mut choice = BTreeMap::new();
        // Walk back from the output; groups off the path take their own best.
        let mut walk = Some((output, None::<usize>));
        while let Some((g, fixed)) = walk {
            let row = &best[&g];
            let c = match fixed {
                Some(c) => c,
                None => self.cheapest(g, row)?,
            };
            choice.insert(g, c);
            walk = row[c]
                .and_then(|(_, from)| from)
                .filter(|(g, _)| !choice.contains_key(g))
                .map(|(g, c)| (g, Some(c)));
        }
        for (&g, row) in &best {
            if let std::collections::btree_map::Entry::Vacant(slot) = choice.entry(g) {
                let c = self.cheapest(g, row)?;
                slot.insert(c);
            }
        }
        self.repair(&mut choice);
        Ok(choice)
    }

    /// The cheapest candidate that a group can be reached at.
    fn cheapest(&self, group: usize, row: &[Reached]) -> Result<usize> {
        (0..row.len())
            .filter(|&c| row[c].is_some())
            .min_by(|&a, &b| price_of(row[a]).total_cmp(&price_of(row[b])))
            .ok_or_else(|| self.impossible(StageId(group)))
    }

    /// Replaces choices that some stage cannot be computed with by the first that works.
    fn repair(&mut self, choice: &mut BTreeMap<usize, usize>) {
        for i in 0..self.network.stages.len() {
            let needs = matches!(&self.network.stages[i].kind, StageKind::Linear(m) if shift_of(m).is_none());
            if needs && self.linear(i, choice, f64::INFINITY).is_none() {
                let g = self.group[i];
                for c in 0..self.candidates[&g].len() {
                    let mut other = choice.clone();
                    other.insert(g, c);
                    if self.linear(i, &other, f64::INFINITY).is_some() {
                        *choice = other;
                        break;
                    }
                }
            }
        }
    }

    /// The plan of an affine stage with only its main source, whose map is `only`.
    fn linear_main(
        &self,
        i: usize,
        only: &Affine<StageId>,
        main: StageId,
        choice: &BTreeMap<usize, usize>,
        at_most: f64,
    ) -> Option<LinearPlan> {
        let own = &self.candidates[&self.group[i]][choice[&self.group[i]]];
        let source = &self.candidates[&self.group[main.0]][choice[&self.group[main.0]]];
        best_strategy(
            only,
            &BTreeMap::from([(main, source)]),
            own,
            &self.prices(i),
            at_most,
        )
        .ok()
    }

    /// The plan of an affine stage under a choice; `None` if there is none, the stage needs none, or its products alone cost more
    /// than `at_most`.
    fn linear(
        &mut self,
        i: usize,
        choice: &BTreeMap<usize, usize>,
        at_most: f64,
    ) -> Option<LinearPlan> {
        let StageKind::Linear(map) = &self.network.stages[i].kind else {
            return None;
        };
        if shift_of(map).is_some() {
            return None;
        }
        let sources: Vec<usize> = map.terms.keys().map(|s| choice[&self.group[s.0]]).collect();
        let own = choice[&self.group[i]];
        let key = (i, sources, own);
        match self.cache.get(&key) {
            Some(Err(Unplanned::Dearer { products })) if *products <= at_most => {}
            Some(known) => return known.clone().ok(),
            None => {}
        }
        let placed: BTreeMap<StageId, &Placement> = map
            .terms
            .keys()
            .map(|s| {
                (
                    *s,
                    &self.candidates[&self.group[s.0]][choice[&self.group[s.0]]],
                )
            })
            .collect();
        let found = best_strategy(
            map,
            &placed,
            &self.candidates[&self.group[i]][own],
            &self.prices(i),
            at_most,
        );
        self.cache.insert(key, found.clone());
        found.ok()
    }

    /// Seconds of the whole network under a choice; `None` if it is impossible or takes more than `at_most`.
    fn price(&mut self, choice: &BTreeMap<usize, usize>, at_most: f64) -> Option<f64> {
        let mut total = 0.0;
        for i in 0..self.network.stages.len() {
            total += match &self.network.stages[i].kind {
                StageKind::Linear(map) if shift_of(map).is_none() => {
                    self.linear(i, choice, at_most - total)?.price
                }
                _ => self.elementwise(i, choice[&self.group[i]]),
            };
        }
        Some(total)
    }

    /// The level at which a stage starts.
    fn level(&self, i: usize) -> Level {
        let left = self.levels[i] + self.network.stages[i].kind.depth();
        Level(u8::try_from(left).unwrap_or(u8::MAX))
    }

    fn seconds(&self, primitive: Primitive, level: Level) -> f64 {
        self.profile
            .seconds_of(primitive, level.min(self.profile.top()))
    }

    /// Seconds of an element-wise stage at a candidate of its group.
    fn elementwise(&self, i: usize, candidate: usize) -> f64 {
        let tiles = self.candidates[&self.group[i]][candidate].tiles() as f64;
        let level = self.level(i);
        let product = self.seconds(Primitive::Mul, level)
            + self.seconds(Primitive::Relinearize, level)
            + self.seconds(Primitive::Rescale, level);
        tiles
            * match &self.network.stages[i].kind {
                // The client's work: an input ciphertext is charged like a product so that few are used.
                StageKind::Input | StageKind::Product(..) => product,
                StageKind::Power(_, k) => {
                    product * f64::from(k.next_power_of_two().trailing_zeros())
                }
                StageKind::Function(_, plan) => product * plan.counts().products as f64,
                StageKind::Combination(terms, _) => {
                    self.seconds(Primitive::MulScalar, level) * terms.len() as f64
                }
                StageKind::Linear(_) => self.seconds(Primitive::Add, level),
            }
    }

    fn prices(&self, i: usize) -> StepPrices {
        let level = self.level(i);
        let rotate = self.seconds(Primitive::Rotate, level);
        let baby = self.seconds(Primitive::HoistedRotate, level);
        // Folds of the sum come before its rescaling: the division is priced without it.
        let lazy = LazyPrices {
            baby: self.seconds(Primitive::LazyRotate, level),
            giant: self.seconds(Primitive::GiantRotate, level),
            product: self.seconds(Primitive::MulPlainLazy, level),
            divide: self.seconds(Primitive::Divide, level),
        };
        StepPrices {
            decompose: (rotate - baby).max(0.0),
            baby,
            giant: rotate,
            product: self.seconds(Primitive::MulPlain, level),
            lazy: Some(lazy),
            key: 0.0,
        }
    }
}

fn price_of(entry: Reached) -> f64 {
    entry.map_or(f64::INFINITY, |e| e.0)
}

/// The cheapest strategy, if its products alone do not cost more than `at_most`.
fn best_strategy(
    map: &Affine<StageId>,
    sources: &BTreeMap<StageId, &Placement>,
    output: &Placement,
    prices: &StepPrices,
    at_most: f64,
) -> std::result::Result<LinearPlan, Unplanned> {
    let tiles: usize = sources.values().map(|s| s.tiles()).sum::<usize>() * output.tiles();
    if tiles.saturating_mul(output.units()) > PATTERN_LIMIT {
        return Err(Unplanned::Impossible);
    }
    let placed = PlacedMap::try_new(map, sources).map_err(|_| Unplanned::Impossible)?;
    let (mut best, mut dearer) = (None, f64::INFINITY);
    for strategy in [Strategy::Direct, Strategy::FoldOuter, Strategy::FoldInner] {
        let found = placed.plan_within(output, strategy, prices, at_most);
        if let Ok(plan) = &found
            && best
                .as_ref()
                .is_none_or(|b: &LinearPlan| plan.price < b.price)
        {
            best = Some(plan.clone());
        }
        if let Err(Unplanned::Dearer { products }) = found {
            dearer = dearer.min(products);
        }
    }
    match best {
        // What was not priced may be cheaper than a plan beyond the bound.
        Some(plan) if plan.price <= at_most || plan.price <= dearer => Ok(plan),
        _ if dearer < f64::INFINITY => Err(Unplanned::Dearer { products: dearer }),
        _ => Err(Unplanned::Impossible),
    }
}

/// Candidate placements of a tensor: consecutive units, and for images grids of several widths, gaps and interleavings.
fn placements(shape: &[usize], slots: usize, batch: usize) -> Vec<Placement> {
    let features: usize = shape.iter().product();
    let mut found = vec![Placement::vector(features, slots, batch)];
    if let &[channels, height, width] = shape
        && height * width > 1
    {
        let mut push = |grid: ImageGrid| {
            if let Some(p) = Placement::image([channels, height, width], grid, slots, batch)
                && !found.iter().any(|f| f == &p)
            {
                found.push(p);
            }
        };
        for gap in [1, 2, 4, 8] {
            let (rows, cols) = (
                (height * gap).next_power_of_two(),
                (width * gap).next_power_of_two(),
            );
            for wider in [1, 2] {
                push(ImageGrid {
                    rows: rows * wider,
                    cols: cols * wider,
                    interleave: 1,
                    gap,
                });
            }
        }
        for interleave in [2, 4] {
            let rows = height.div_ceil(interleave).next_power_of_two();
            let cols = width.div_ceil(interleave).next_power_of_two();
            push(ImageGrid {
                rows,
                cols,
                interleave,
                gap: 1,
            });
        }
    }
    found
}
