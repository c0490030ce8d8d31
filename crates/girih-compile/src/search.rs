//! The search over ring degrees, sets with a bootstrapping, batches and emphases.
//!
//! Every setting has a [floor](crate::floor): what any of its plans costs at least. Settings are tried in the order of the
//! floors of the objective, so that the search may stop as soon as the next floor is not below the best plan found: no setting left
//! can win. Settings whose floor exceeds a cap are not tried at all.

use std::fmt;

use crate::attempt::{Attempt, Job};
use crate::chain::BootstrappedSet;
use crate::compile::{Compiled, Refresh};
use crate::emphasis::Emphasis;
use crate::floor::Loads;
use crate::measure::runs;
use crate::network::Network;
use crate::objective::{Batch, Measure, Measures, Objective};
use crate::{Error, Result};

/// How long plans are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Until a few settings in a row bring nothing better.
    #[default]
    Quick,
    /// Until no setting is left whose lower bound is below the best plan.
    Exhaustive,
}

/// A plan that was considered.
#[derive(Clone, Debug, PartialEq)]
pub struct Considered {
    /// log2 of the ring degree.
    pub log_n: u32,
    /// Name of the set with a bootstrapping, if it has one.
    pub preset: Option<String>,
    /// Samples of a run.
    pub batch: usize,
    /// What its placements make small.
    pub emphasis: Emphasis,
    /// Where the results of the layers lie, in tile-tensor notation.
    pub packing: Vec<String>,
    /// What it costs.
    pub measures: Measures,
    /// What became of it.
    pub verdict: Verdict,
}

/// Why a plan was chosen or not.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The best by the objective.
    Chosen,
    /// By the objective `by` times the chosen one.
    Worse {
        /// The factor.
        by: f64,
    },
    /// It exceeds a cap.
    OverCap {
        /// The cap that is missed most.
        measure: Measure,
        /// What the plan needs.
        needed: f64,
        /// What is allowed.
        allowed: f64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Chosen => f.write_str("chosen"),
            Verdict::Worse { by } if *by < 1.0005 => f.write_str("as good, slower a sample"),
            Verdict::Worse { by } if *by < 1.995 => write!(f, "{:.1} % worse", 100.0 * (by - 1.0)),
            Verdict::Worse { by } => write!(f, "{by:.1} times as much"),
            Verdict::OverCap {
                measure,
                needed,
                allowed,
            } => write!(
                f,
                "{} {}, {} allowed",
                measure.words(),
                measure.amount(*needed),
                measure.amount(*allowed)
            ),
        }
    }
}

/// How a plan was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchReport {
    /// What was to be small.
    pub objective: Objective,
    /// The batch asked for.
    pub batch: Batch,
    /// What the placements of the chosen plan make small.
    pub emphasis: Emphasis,
    /// Ring degrees (or sets) by batches that there are.
    pub settings: usize,
    /// Those for which plans were made.
    pub tried: usize,
    /// Those whose lower bound is above the chosen plan or less than 5 % below it, or above a cap.
    pub excluded: usize,
    /// Those for which the scheme has no parameters, or no plan is precise enough.
    pub refused: usize,
    /// The lowest bound by the objective of those that were left when the search stopped, as a share of the chosen plan: at
    /// least 1 if nothing better can exist.
    pub bound: f64,
    /// The best plans besides the chosen one, best first.
    pub runners_up: Vec<Considered>,
}

impl fmt::Display for SearchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} settings of ring and batch: {} tried, {} excluded by their lower bounds, {} without parameters",
            self.settings, self.tried, self.excluded, self.refused
        )?;
        let left = self.settings - self.tried - self.excluded - self.refused;
        write!(
            f,
            ", {left} left; no plan that was not made is below {:.0} % of the chosen one",
            100.0 * self.bound
        )
    }
}

/// log2 of the smallest ring degree considered.
const MIN_LOG_N: u32 = 12;
/// Settings in a row without a better plan after which a quick search stops.
const PATIENCE: usize = 2;
/// Settings after which a quick search for a plan that keeps the caps stops.
const HOPELESS: usize = 12;
/// A floor this close to the best plan, as a share of it, is not worth an attempt.
const GAP: f64 = 0.95;
/// Runners-up that are kept.
const KEPT: usize = 5;

/// A ring degree or a set with a bootstrapping, and a batch.
struct Setting<'a> {
    log_n: u32,
    set: Option<&'a BootstrappedSet>,
    batch: usize,
    floor: Measures,
}

/// The best plan by the requirements.
///
/// # Errors
/// What no parameters mend; no parameters; caps that no plan keeps.
pub(crate) fn search(job: &Job<'_>) -> Result<Compiled> {
    let requirements = job.requirements;
    let sets = match requirements.bootstrapping {
        Refresh::Never => Vec::new(),
        _ => job.scheme.bootstrapped(requirements.security),
    };
    let steps = match sets.is_empty() {
        true => None,
        false => Some(job.network.in_steps()?),
    };
    let mut found = Found::new(job);
    let mut settings: Vec<Setting<'_>> = found.leveled();
    for set in &sets {
        settings.extend(found.renewed(set, steps.as_ref().unwrap_or(job.network)));
    }
    found.settings = settings.len();
    let (objective, batch) = (requirements.objective, requirements.batch);
    settings.sort_by(|a, b| {
        let score = |s: &Setting<'_>| objective.score(&s.floor, batch);
        (score(a).total_cmp(&score(b))).then(a.log_n.cmp(&b.log_n))
    });
    let mut idle = 0;
    while let Some(next) = found.next(&settings, idle) {
        let score = objective.score(&settings[0].floor, batch);
        let best = found.best_score();
        let patience = match best {
            // The first one has the lowest bound of all that are left.
            Some(best) if score >= GAP * best => {
                found.excluded += settings.len();
                found.bound = (score / best).min(1.0);
                break;
            }
            Some(_) => PATIENCE,
            None => HOPELESS,
        };
        if requirements.effort == Effort::Quick && idle >= patience {
            found.bound = best.map_or(0.0, |best| score / best);
            break;
        }
        let setting = settings.remove(next);
        if let Some((measure, factor)) = requirements.caps.exceeded(&setting.floor) {
            found.excluded += 1;
            found.nearer(factor, measure, &setting.floor, Known::AtLeast);
            continue;
        }
        found.attempt(&setting, steps.as_ref())?;
        idle = match found.best_score() == best {
            true => idle + 1,
            false => 0,
        };
    }
    found.finish()
}

/// What was found so far.
struct Found<'a> {
    job: &'a Job<'a>,
    best: Option<Compiled>,
    seen: Vec<Considered>,
    /// Reasons of refusals: log2 of the ring degree, the set, the words.
    refusals: Vec<(u32, Option<String>, String)>,
    /// What exceeds the caps by the smallest factor.
    nearest: Option<Nearest>,
    settings: usize,
    tried: usize,
    excluded: usize,
    refused: usize,
    bound: f64,
}

/// What comes nearest to caps that nothing keeps.
struct Nearest {
    factor: f64,
    measure: Measure,
    measures: Measures,
    known: Known,
}

/// Whether measures are a plan's or a lower bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Exactly,
    AtLeast,
}

impl<'a> Found<'a> {
    fn new(job: &'a Job<'a>) -> Self {
        Found {
            job,
            best: None,
            seen: Vec::new(),
            refusals: Vec::new(),
            nearest: None,
            settings: 0,
            tried: 0,
            excluded: 0,
            refused: 0,
            bound: 1.0,
        }
    }

    /// Samples side by side that are worth a look: powers of two up to the batch asked for, or to the slots.
    fn batches(&self, slots: usize) -> impl Iterator<Item = usize> + use<> {
        let widest = match self.job.requirements.batch {
            Batch::Of(samples) => samples.next_power_of_two().min(slots),
            Batch::Free => slots,
        };
        (0..=widest.ilog2()).map(|k| 1 << k)
    }

    /// Settings without bootstrapping.
    fn leveled(&mut self) -> Vec<Setting<'static>> {
        let requirements = self.job.requirements;
        let mut settings = Vec::new();
        if requirements.bootstrapping == Refresh::Always {
            return settings;
        }
        let loads = Loads::of(self.job.network);
        for log_n in MIN_LOG_N..=requirements.max_log_n {
            match self.job.shortest(log_n) {
                Ok((_, profile)) => {
                    let base = profile.base_bytes;
                    settings.extend(self.batches(profile.slots).map(|batch| {
                        let runs = runs(requirements.batch, batch);
                        Setting {
                            log_n,
                            set: None,
                            batch,
                            floor: loads.floor(&profile, batch, runs, base),
                        }
                    }));
                }
                Err(why) => self.refusals.push((log_n, None, why)),
            }
        }
        settings
    }

    /// Settings of a set with a bootstrapping; `network` is in single steps.
    fn renewed<'s>(&self, set: &'s BootstrappedSet, network: &Network) -> Vec<Setting<'s>> {
        let requirements = self.job.requirements;
        // Where levels suffice, a chain without bootstrapping is shorter.
        let needless = requirements.bootstrapping == Refresh::Auto
            && requirements.effort == Effort::Quick
            && network.depth() <= u32::from(set.profile.top().0);
        if set.chain.log_n > requirements.max_log_n || needless {
            return Vec::new();
        }
        let loads = Loads::of(network);
        let base = set.profile.base_bytes;
        self.batches(set.chain.slots())
            .map(|batch| {
                let runs = runs(requirements.batch, batch);
                Setting {
                    log_n: set.chain.log_n,
                    set: Some(set),
                    batch,
                    floor: loads.floor(&set.profile, batch, runs, base),
                }
            })
            .collect()
    }

    /// The setting to try next: the one with the lowest bound; after a few that missed a cap, the one that needs least of it.
    fn next(&self, settings: &[Setting<'_>], idle: usize) -> Option<usize> {
        let missed = self.nearest.as_ref().map(|n| n.measure);
        match missed {
            Some(cap) if self.best.is_none() && idle >= PATIENCE => {
                let needs = |i: usize| (settings[i].floor.get(cap), settings[i].batch);
                (0..settings.len()).min_by(|&a, &b| {
                    let (a, b) = (needs(a), needs(b));
                    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
                })
            }
            _ => (!settings.is_empty()).then_some(0),
        }
    }

    /// By the objective, smaller being better.
    fn score(&self, measures: &Measures) -> f64 {
        let requirements = self.job.requirements;
        requirements.objective.score(measures, requirements.batch)
    }

    fn best_score(&self) -> Option<f64> {
        let best = self.best.as_ref()?;
        Some(self.score(&best.report.measures))
    }

    /// Tries the plans of a setting.
    fn attempt(&mut self, setting: &Setting<'_>, steps: Option<&Network>) -> Result<()> {
        let mut emphases = emphases(self.job.requirements.objective);
        let (mut next, mut any) = (0, false);
        while let Some(&emphasis) = emphases.get(next) {
            next += 1;
            let attempt = match (setting.set, steps) {
                (Some(set), Some(network)) => {
                    self.job.bootstrapped(network, set, setting.batch, emphasis)
                }
                _ => self.job.leveled(setting.log_n, setting.batch, emphasis),
            };
            match attempt {
                Ok(compiled) => {
                    debug_assert!(above(&compiled.report.measures, &setting.floor));
                    any = true;
                    if let Some(remedy) = self.consider(compiled, emphasis)
                        && !emphases.contains(&remedy)
                    {
                        emphases.push(remedy);
                    }
                }
                Err(Attempt::Failed(error)) => return Err(error),
                Err(Attempt::Refused(why)) => {
                    let preset = setting.set.and_then(|s| s.chain.preset.clone());
                    self.refusals.push((setting.log_n, preset, why));
                    break;
                }
            }
        }
        match any {
            true => self.tried += 1,
            false => self.refused += 1,
        }
        Ok(())
    }

    /// Keeps the better plan; an emphasis that may keep the caps if this one does not.
    fn consider(&mut self, compiled: Compiled, emphasis: Emphasis) -> Option<Emphasis> {
        let measures = compiled.report.measures.clone();
        let exceeded = self.job.requirements.caps.exceeded(&measures);
        let verdict = match exceeded {
            Some((measure, factor)) => {
                self.nearer(factor, measure, &measures, Known::Exactly);
                let needed = measures.get(measure);
                Verdict::OverCap {
                    measure,
                    needed,
                    allowed: needed / factor,
                }
            }
            None => Verdict::Chosen,
        };
        let layers = compiled.report.layers.iter();
        let plan = Considered {
            log_n: compiled.chain.log_n,
            preset: compiled.chain.preset.clone(),
            batch: compiled.input.batch(),
            emphasis,
            packing: layers.map(|l| l.placement.clone()).collect(),
            measures,
            verdict,
        };
        let same = |p: &Considered| {
            (p.log_n, p.batch, &p.preset, &p.packing)
                == (plan.log_n, plan.batch, &plan.preset, &plan.packing)
        };
        if self.seen.iter().any(same) {
            return None;
        }
        let rank = |m: &Measures| (self.score(m), m.sample_seconds());
        let better = self
            .best
            .as_ref()
            .is_none_or(|b| rank(&plan.measures) < rank(&b.report.measures));
        self.seen.push(plan);
        match exceeded {
            None if better => self.best = Some(compiled),
            None => {}
            Some((measure, _)) => return remedy(measure),
        }
        None
    }

    /// Remembers what comes nearest to the caps; plans before bounds.
    fn nearer(&mut self, factor: f64, measure: Measure, measures: &Measures, known: Known) {
        let nearer = self.nearest.as_ref().is_none_or(|n| {
            (known == Known::Exactly && n.known == Known::AtLeast)
                || (known == n.known && factor < n.factor)
        });
        if nearer {
            self.nearest = Some(Nearest {
                factor,
                measure,
                measures: measures.clone(),
                known,
            });
        }
    }

    /// The best plan with the report of the search, or why there is none.
    fn finish(self) -> Result<Compiled> {
        let requirements = self.job.requirements;
        let chosen = match self.best_score() {
            Some(score) => score,
            None => return Err(self.nothing()),
        };
        let (objective, batch) = (requirements.objective, requirements.batch);
        let score = |p: &Considered| objective.score(&p.measures, batch);
        let mut plans = self.seen;
        // Plans that keep the caps first, then by the objective.
        plans.sort_by(|a, b| {
            let over = |p: &Considered| matches!(p.verdict, Verdict::OverCap { .. });
            let rank = |p: &Considered| p.measures.sample_seconds();
            (over(a).cmp(&over(b)))
                .then(score(a).total_cmp(&score(b)))
                .then(rank(a).total_cmp(&rank(b)))
        });
        for plan in plans.iter_mut().skip(1) {
            if plan.verdict == Verdict::Chosen {
                plan.verdict = Verdict::Worse {
                    by: objective.score(&plan.measures, batch) / chosen,
                };
            }
        }
        let report = SearchReport {
            objective,
            batch,
            emphasis: plans.first().map_or(Emphasis::Time, |p| p.emphasis),
            settings: self.settings,
            tried: self.tried,
            excluded: self.excluded,
            refused: self.refused,
            bound: self.bound,
            runners_up: plans.into_iter().skip(1).take(KEPT).collect(),
        };
        let mut best = self.best.ok_or_else(|| no_parameters(self.job, &[]))?;
        best.report.search = report;
        Ok(best)
    }

    /// Why there is no plan.
    fn nothing(&self) -> Error {
        let Some(nearest) = &self.nearest else {
            return no_parameters(self.job, &self.refusals);
        };
        let requirements = self.job.requirements;
        let caps = requirements.caps.iter();
        let needs: Vec<String> = caps
            .map(|(m, most)| {
                format!(
                    "{} {} ({} allowed)",
                    m.words(),
                    m.amount(nearest.measures.get(m)),
                    m.amount(most)
                )
            })
            .collect();
        let needed = nearest.measures.get(nearest.measure);
        Error::Caps {
            cap: nearest.measure.words(),
            allowed: nearest.measure.amount(needed / nearest.factor),
            needed: nearest.measure.amount(needed),
            nearest: format!(
                "{} sample(s) a run {}: {}",
                nearest.measures.batch,
                match nearest.known {
                    Known::Exactly => "needs",
                    Known::AtLeast => "needs at least",
                },
                needs.join(", ")
            ),
        }
    }
}

/// Nothing was refused for its cost: there are no parameters.
fn no_parameters(job: &Job<'_>, refusals: &[(u32, Option<String>, String)]) -> Error {
    let leveled = refusals.iter().filter(|r| r.1.is_none());
    let mut why: Vec<String> = leveled
        .max_by_key(|r| r.0)
        .map(|r| r.2.clone())
        .into_iter()
        .collect();
    for (_, preset, reason) in refusals {
        if let Some(name) = preset {
            let words = format!("with bootstrapping ({name}): {reason}");
            if !why.contains(&words) {
                why.push(words);
            }
        }
    }
    Error::NoParameters {
        depth: job.network.depth(),
        precision: job.requirements.precision,
        security: job.requirements.security,
        largest: job.requirements.max_log_n,
        why: match why.is_empty() {
            true => "no parameters tried".into(),
            false => why.join("; "),
        },
    }
}

/// Whether no measure is below its floor.
fn above(measures: &Measures, floor: &Measures) -> bool {
    Measure::ALL
        .into_iter()
        .all(|m| measures.get(m) >= floor.get(m) * (1.0 - 1e-9))
}

/// The emphases that may be best for an objective.
fn emphases(objective: Objective) -> Vec<Emphasis> {
    match objective {
        Objective::Latency | Objective::Throughput => vec![Emphasis::Time],
        Objective::Memory => vec![Emphasis::Memory, Emphasis::Time],
        Objective::ClientTime | Objective::Wire => vec![Emphasis::Transfer, Emphasis::Time],
    }
}

/// The emphasis that helps against a cap.
fn remedy(cap: Measure) -> Option<Emphasis> {
    match cap {
        Measure::ServerSeconds => Some(Emphasis::Time),
        Measure::ServerBytes
        | Measure::SetupSeconds
        | Measure::KeyBytes
        | Measure::KeySeconds
        | Measure::ClientBytes => Some(Emphasis::Memory),
        Measure::InputBytes
        | Measure::OutputBytes
        | Measure::WireBytes
        | Measure::ClientSeconds => Some(Emphasis::Transfer),
    }
}
