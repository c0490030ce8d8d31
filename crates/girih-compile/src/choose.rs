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
    /// Largest share of answers that change: of those seen, up to one sample, and by the estimate [`Effect::changed`]; with
    /// labels also the largest share of right answers that are lost, up to one sample.
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

/// Errors of plans below this are taken for it: their effect is rounding.
const LEAST_ERROR: f64 = 1e-12;

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
        let one = 1.0 / effect.samples as f64;
        let seen = 1.0 - effect.agreement <= self.loss.max(one) + f64::EPSILON;
        effect.max_difference <= error && seen && effect.changed <= self.loss && lost
    }
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Whether the target is met.
    pub met: bool,
    /// Runs of the model over all samples that it took.
    pub runs: usize,
}

/// Puts a replacement into every entry of the ranges, with its effect alone and that of all together.
///
/// The squared differences that functions cause at the output are taken to add up, each in proportion to the squared
/// error of its plan over the measured inputs; the proportion is measured by replacing the function alone. For a
/// total of levels, the plans of least sum are found by dynamic programming; the least total whose plans, measured
/// together, meet the target is found by bisection, then lowered further with the proportions measured at the plans
/// chosen, and function by function. If the deepest plans miss the target they are kept, and `met` is false.
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
    let fronts = nodes
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
        .collect::<Result<Vec<_>>>()?;
    let mut search = Search {
        judge,
        nodes: nodes.iter().map(|n| n.id).collect(),
        fronts,
        alone: BTreeMap::new(),
        runs: 0,
    };
    let (at, together) = search.run(target)?;
    let met = target.met(judge, &together);
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

    /// The plans, and their effect together.
    fn run(&mut self, target: &Target) -> Result<(Vec<usize>, Effect)> {
        let middle: Vec<usize> = self.fronts.iter().map(|f| f.len() / 2).collect();
        let mut harm = self.harm(&middle)?;
        let depth = |plans: &[Replacement], k: usize| plans[k].depth() as usize;
        let mut low: usize = self.fronts.iter().map(|f| depth(f, 0)).sum();
        let mut high: usize = self.fronts.iter().map(|f| depth(f, f.len() - 1)).sum();
        let mut at: Vec<usize> = self.fronts.iter().map(|f| f.len() - 1).collect();
        let mut together = self.together(&at)?;
        if !target.met(self.judge, &together) {
            return Ok((at, together));
        }
        while low < high {
            let total = usize::midpoint(low, high);
            let plans = self.plans(total, &harm);
            let effect = self.together(&plans)?;
            if target.met(self.judge, &effect) {
                (at, together, high) = (plans, effect, total);
            } else {
                low = total + 1;
            }
        }
        // What the plans chosen do alone shows better how levels are shared out.
        loop {
            harm = self.harm(&at)?;
            let total: usize = (0..at.len()).map(|k| depth(&self.fronts[k], at[k])).sum();
            let plans = self.plans(total.saturating_sub(1), &harm);
            let fewer = plans.iter().zip(&at).any(|(a, b)| a < b);
            let effect = self.together(&plans)?;
            if !fewer || !target.met(self.judge, &effect) {
                break;
            }
            (at, together) = (plans, effect);
        }
        for k in self.by_depth(&at) {
            while at[k] > 0 {
                at[k] -= 1;
                let lower = self.together(&at)?;
                if !target.met(self.judge, &lower) {
                    at[k] += 1;
                    break;
                }
                together = lower;
            }
        }
        Ok((at, together))
    }

    /// For every function, the squared difference at the output by squared error of its plan, measured at the plans
    /// given.
    fn harm(&mut self, at: &[usize]) -> Result<Vec<f64>> {
        (0..at.len())
            .map(|k| {
                let effect = self.alone(k, at[k])?;
                let error = self.fronts[k][at[k]].mean_error.max(LEAST_ERROR);
                Ok((effect.rms_difference / error).powi(2).min(f64::MAX))
            })
            .collect()
    }

    /// The plans of least predicted difference among those of at most `total` levels, or the shallowest of all.
    fn plans(&self, total: usize, harm: &[f64]) -> Vec<usize> {
        // best[d]: the least sum with at most d levels for the functions so far, and their plans.
        let mut best: Vec<Option<(f64, Vec<usize>)>> = vec![Some((0.0, Vec::new())); total + 1];
        for (front, harm) in self.fronts.iter().zip(harm) {
            best = (0..=total)
                .map(|budget| {
                    let options = front.iter().enumerate().filter_map(|(k, plan)| {
                        let left = budget.checked_sub(plan.depth() as usize)?;
                        let (sum, plans) = best[left].as_ref()?;
                        let error = plan.mean_error.max(LEAST_ERROR);
                        Some((sum + harm * error * error, plans, k))
                    });
                    let (sum, plans, k) = options.min_by(|a, b| a.0.total_cmp(&b.0))?;
                    let mut plans = plans.clone();
                    plans.push(k);
                    Some((sum, plans))
                })
                .collect();
        }
        best.pop()
            .flatten()
            .map_or_else(|| vec![0; self.fronts.len()], |(_, plans)| plans)
    }

    /// The functions, the deepest plans first.
    fn by_depth(&self, at: &[usize]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..at.len()).collect();
        order.sort_by_key(|&k| std::cmp::Reverse(self.fronts[k][at[k]].depth()));
        order
    }
}
