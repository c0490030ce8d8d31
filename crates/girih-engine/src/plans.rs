//! The chosen plan beside those that lost, for people and machines.

use std::collections::BTreeMap;

use girih_compile::{Compiled, Considered, Measure, Measures, Verdict};
use serde::Serialize;

/// A plan that was considered.
#[derive(Clone, Debug, Serialize)]
pub struct PlanLine {
    /// Ring degree.
    pub n: usize,
    /// Name of the set with a bootstrapping; null without.
    pub preset: Option<String>,
    /// Samples of a run.
    pub batch: usize,
    /// What its placements make small: `time`, `memory` or `transfer`.
    pub emphasis: &'static str,
    /// Where the results of the layers lie.
    pub packing: Vec<String>,
    /// What a request costs by name of the measure, on one thread by the prices that the plan was made with.
    pub measures: BTreeMap<&'static str, f64>,
    /// The objective in numbers, smaller being better.
    pub score: f64,
    /// `chosen`, or why not.
    pub verdict: String,
}

/// How the plan was found.
#[derive(Clone, Debug, Serialize)]
pub struct Plans {
    /// What was to be small.
    pub objective: &'static str,
    /// The batch asked for: a number or `auto`.
    pub batch: String,
    /// The search in a sentence.
    pub search: String,
    /// The chosen plan, then the runners-up.
    pub plans: Vec<PlanLine>,
}

impl Plans {
    /// Of a compiled model.
    #[must_use]
    pub fn of(compiled: &Compiled) -> Self {
        let search = &compiled.report.search;
        let layers = compiled.report.layers.iter();
        let chosen = Considered {
            log_n: compiled.chain.log_n,
            preset: compiled.chain.preset.clone(),
            batch: compiled.input.batch(),
            emphasis: search.emphasis,
            packing: layers.map(|l| l.placement.clone()).collect(),
            measures: compiled.report.measures.clone(),
            verdict: Verdict::Chosen,
        };
        let score = |m: &Measures| search.objective.score(m, search.batch);
        let plans = std::iter::once(&chosen).chain(&search.runners_up);
        Plans {
            objective: search.objective.name(),
            batch: search.batch.to_string(),
            search: search.to_string(),
            plans: plans
                .map(|p| PlanLine {
                    n: 1 << p.log_n,
                    preset: p.preset.clone(),
                    batch: p.batch,
                    emphasis: p.emphasis.name(),
                    packing: p.packing.clone(),
                    measures: Measure::ALL
                        .into_iter()
                        .map(|m| (m.name(), p.measures.get(m)))
                        .collect(),
                    score: score(&p.measures),
                    verdict: p.verdict.to_string(),
                })
                .collect(),
        }
    }
}
