//! The choice of a plan for every replaced function: as few levels as an answer of given quality needs.

use std::collections::BTreeMap;

use girih_model::{Graph, NodeId};

use crate::candidates::candidates;
use crate::effect::{Effect, Judge};
use crate::ranges::{Ranges, replaced};
use crate::{Error, Replacement, Result};

/// What replacements may do to the answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Largest share of answers that change (see [`Effect::changed`]); with labels also the largest share of right
    /// answers that are lost, up to one sample.
    pub loss: f64,
    /// Largest difference of an output. For models with a single output, 1 % of the spread of its values if `None`.
    pub error: Option<f64>,
    /// Deepest plan of one function.
    pub max_depth: u32,
}

impl Default for Target {
    /// At most 0.2 % of the answers change; six levels a function.
    fn default() -> Self {
        Target {
            loss: 0.002,
            error: None,
            max_depth: 6,
        }
    }
}

/// Error of a single output relative to its spread where no other is asked for.
const SINGLE_OUTPUT_ERROR: f64 = 0.01;

impl Target {
    /// Refuses targets that are no numbers.
    ///
    /// # Errors
    /// A loss outside `[0, 1]`, an error that is not positive, no level.
    pub fn check(&self) -> Result<()> {
        let fail = |why: String| Err(Error::Requirements { why });
        if !(0.0..=1.0).contains(&self.loss) {
            return fail(format!(
                "the share of answers that may change must be between 0 and 1, not {}",
                self.loss
            ));
        }
        if let Some(error) = self.error
            && !(error > 0.0 && error.is_finite())
        {
            return fail(format!(
                "the error of an output must be positive, not {error}"
            ));
        }
        if self.max_depth == 0 {
            return fail("a plan of a function needs at least one level".into());
        }
        Ok(())
    }

    /// Whether an effect is good enough.
    #[must_use]
    pub fn met(&self, judge: &Judge<'_>, effect: &Effect) -> bool {
        let single = (judge.outputs() == 1).then(|| SINGLE_OUTPUT_ERROR * judge.spread());
        let error = self.error.or(single).unwrap_or(f64::INFINITY);
        let lost = effect
            .accuracy
            .is_none_or(|(plain, found)| plain - found <= self.loss + 1.0 / effect.samples as f64);
        effect.max_difference <= error && effect.changed <= self.loss && lost
    }
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Whether the target is met.
    pub met: bool,
    /// Runs of the model over all samples that it took.
    pub runs: usize,
}

/// Puts a replacement into every entry of the ranges, with its effect alone and that of all together.
///
/// All functions start with their shallowest plan. While the target is missed, the one is raised by a depth whose
/// error falls most for a level: its own effect on the output is measured, and that of the next plan is predicted from
/// the errors of the two. Then every function is lowered again where the target stands it. If the deepest plans
/// miss the target they are kept, and `met` is false.
///
/// # Errors
/// Ranges of another model, functions that no polynomial can replace.
pub fn choose(
    judge: &Judge<'_>,
    graph: &Graph,
    ranges: &mut Ranges,
    target: &Target,
) -> Result<Choice> {
    target.check()?;
    ranges.check(graph)?;
    let nodes = replaced(graph);
    let mut search = Search {
        judge,
        nodes: nodes.iter().map(|n| n.id).collect(),
        fronts: nodes
            .iter()
            .zip(&ranges.activations)
            .map(|(n, a)| {
                let front = candidates(graph, n, a, target.max_depth)?;
                if front.is_empty() {
                    return Err(Error::Operator {
                        node: n.name.clone(),
                        op: n.op.name().to_owned(),
                    });
                }
                Ok(front)
            })
            .collect::<Result<_>>()?,
        alone: BTreeMap::new(),
        runs: 0,
    };
    let mut at = vec![0; nodes.len()];
    let mut together = search.together(&at)?;
    while !target.met(judge, &together) {
        let Some(next) = search.worst(&at)? else {
            break;
        };
        at[next] += 1;
        together = search.together(&at)?;
    }
    let met = target.met(judge, &together);
    if met {
        for k in search.by_depth(&at) {
            while at[k] > 0 {
                at[k] -= 1;
                let lower = search.together(&at)?;
                if !target.met(judge, &lower) {
                    at[k] += 1;
                    break;
                }
                together = lower;
            }
        }
    }
    for (k, activation) in ranges.activations.iter_mut().enumerate() {
        activation.alone = Some(search.alone(k, at[k])?);
        activation.replacement = Some(search.fronts[k][at[k]].clone());
    }
    ranges.together = Some(together);
    Ok(Choice {
        met,
        runs: search.runs,
    })
}

struct Search<'a> {
    judge: &'a Judge<'a>,
    nodes: Vec<NodeId>,
    fronts: Vec<Vec<Replacement>>,
    /// Effects by function and plan.
    alone: BTreeMap<(usize, usize), Effect>,
    runs: usize,
}

impl Search<'_> {
    fn together(&mut self, at: &[usize]) -> Result<Effect> {
        self.runs += 1;
        let chosen = (0..at.len())
            .map(|k| (self.nodes[k], &self.fronts[k][at[k]]))
            .collect();
        self.judge.effect(&chosen)
    }

    fn alone(&mut self, k: usize, plan: usize) -> Result<Effect> {
        if let Some(known) = self.alone.get(&(k, plan)) {
            return Ok(*known);
        }
        self.runs += 1;
        let one = BTreeMap::from([(self.nodes[k], &self.fronts[k][plan])]);
        let effect = self.judge.effect(&one)?;
        self.alone.insert((k, plan), effect);
        Ok(effect)
    }

    /// The function whose next plan promises most for a level; `None` if all have their deepest.
    fn worst(&mut self, at: &[usize]) -> Result<Option<usize>> {
        let mut best: Option<(f64, usize)> = None;
        for (k, &plan) in at.iter().enumerate() {
            if plan + 1 == self.fronts[k].len() {
                continue;
            }
            let effect = self.alone(k, plan)?;
            let (now, next) = (&self.fronts[k][plan], &self.fronts[k][plan + 1]);
            let ratio = next.mean_error / now.mean_error.max(f64::MIN_POSITIVE);
            let levels = f64::from(next.depth() - now.depth());
            let harm = effect.rms_difference.min(f64::MAX.sqrt());
            let gain = harm * harm * (1.0 - ratio * ratio) / levels;
            if best.is_none_or(|(g, _)| gain > g) {
                best = Some((gain, k));
            }
        }
        Ok(best.map(|(_, k)| k))
    }

    /// The functions, the deepest plans first.
    fn by_depth(&self, at: &[usize]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..at.len()).collect();
        order.sort_by_key(|&k| std::cmp::Reverse(self.fronts[k][at[k]].depth()));
        order
    }
}
