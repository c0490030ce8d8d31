//! All choices of candidate placements, by branch and bound.
//!
//! Groups of stages are fixed one after the other in the order of the network. What a partial choice costs at least is the price of the
//! stages whose placements are all fixed, and for every other stage the least price that any of its candidates has. A partial choice
//! that costs as much as the best whole one is left. The best is the planner's own at first, so that the search either proves
//! it to be the cheapest or finds a cheaper one.

use std::collections::BTreeMap;

use girih_he::HeProfile;

use super::{PackingPlan, Planner};
use crate::Result;
use crate::network::{Network, StageKind, shift_of};

/// The cheapest plan of all candidate placements, and whether all were looked at: partial choices are counted, and
/// after `most` of them the best so far is returned.
///
/// # Errors
/// As [`plan`](super::plan).
pub fn plan_exhaustively(
    network: &Network,
    profile: &HeProfile,
    batch: usize,
    most: usize,
) -> Result<(PackingPlan, bool)> {
    let mut planner = Planner::new(network, profile, batch)?;
    let (choice, price) = planner.search()?;
    let order: Vec<usize> = planner.candidates.keys().copied().collect();
    let ready = order
        .iter()
        .enumerate()
        .map(|(at, _)| planner.completed(&order[..at], order[at]))
        .collect();
    let mut search = Search {
        order,
        ready,
        rest: Vec::new(),
        best: (choice, price),
        left: most,
    };
    search.rest = search.rest(&mut planner);
    search.descend(&mut planner, 0, 0.0, &mut BTreeMap::new());
    let complete = search.left > 0;
    let (choice, price) = search.best;
    Ok((planner.finish(&choice, price), complete))
}

struct Search {
    order: Vec<usize>,
    /// The stages whose last group is the one at each position.
    ready: Vec<Vec<usize>>,
    /// Least price of all stages that are ready at each position or later.
    rest: Vec<f64>,
    best: (BTreeMap<usize, usize>, f64),
    left: usize,
}

impl Search {
    fn rest(&self, planner: &mut Planner<'_>) -> Vec<f64> {
        let mut rest = vec![0.0; self.order.len() + 1];
        for at in (0..self.order.len()).rev() {
            let stages = self.ready[at].iter();
            rest[at] = rest[at + 1] + stages.map(|&i| planner.least(i)).sum::<f64>();
        }
        rest
    }

    fn descend(
        &mut self,
        planner: &mut Planner<'_>,
        at: usize,
        so_far: f64,
        choice: &mut BTreeMap<usize, usize>,
    ) {
        let Some(&group) = self.order.get(at) else {
            if so_far < self.best.1 {
                self.best = (choice.clone(), so_far);
            }
            return;
        };
        let mut next: Vec<(f64, usize)> = Vec::new();
        for candidate in 0..planner.candidates[&group].len() {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            choice.insert(group, candidate);
            let mut total = Some(so_far);
            for &i in &self.ready[at] {
                let most = self.best.1;
                total = total.and_then(|t| Some(t + planner.stage(i, choice, most - t)?));
            }
            next.extend(total.map(|t| (t, candidate)));
        }
        next.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (total, candidate) in next {
            if total + self.rest[at + 1] >= self.best.1 {
                break;
            }
            choice.insert(group, candidate);
            self.descend(planner, at + 1, total, choice);
        }
        choice.remove(&group);
    }
}

impl Planner<'_> {
    /// The stages that can be priced once `group` joins the groups `before`.
    fn completed(&self, before: &[usize], group: usize) -> Vec<usize> {
        let groups = |i: usize| {
            let sources = self.network.stages[i].kind.sources();
            let read = sources.into_iter().map(|s| self.group[s.0]);
            read.chain([self.group[i]]).collect::<Vec<_>>()
        };
        (0..self.network.stages.len())
            .filter(|&i| groups(i).contains(&group))
            .filter(|&i| groups(i).iter().all(|g| *g == group || before.contains(g)))
            .collect()
    }

    /// The price of one stage whose placements are chosen; `None` if it is impossible, or may be if it exceeds `at_most`.
    fn stage(&mut self, i: usize, choice: &BTreeMap<usize, usize>, at_most: f64) -> Option<f64> {
        match &self.network.stages[i].kind {
            StageKind::Linear(map) if shift_of(map).is_none() => {
                Some(self.linear(i, choice, at_most)?.price)
            }
            _ => Some(self.elementwise(i, choice[&self.group[i]])),
        }
    }

    /// The least price of a stage: of all candidates, an affine one of several sources that of its cheapest single one.
    fn least(&mut self, i: usize) -> f64 {
        let own = self.group[i];
        let count = self.candidates[&own].len();
        let StageKind::Linear(map) = &self.network.stages[i].kind else {
            return (0..count)
                .map(|c| self.elementwise(i, c))
                .fold(f64::INFINITY, f64::min);
        };
        let sources: Vec<usize> = map.terms.keys().map(|s| self.group[s.0]).collect();
        let &[from] = sources.as_slice() else {
            return 0.0;
        };
        if shift_of(map).is_some() {
            return (0..count)
                .map(|c| self.elementwise(i, c))
                .fold(f64::INFINITY, f64::min);
        }
        let mut least = f64::INFINITY;
        for s in 0..self.candidates[&from].len() {
            for c in 0..count {
                let choice = BTreeMap::from([(from, s), (own, c)]);
                if let Some(price) = self.stage(i, &choice, least) {
                    least = least.min(price);
                }
            }
        }
        least
    }
}
