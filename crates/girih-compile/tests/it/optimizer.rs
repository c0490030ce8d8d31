//! Objectives, batches and caps.

use crate::networks::{cryptonets, difference, residual};
use crate::prices::Prices;
use girih_compile::{
    Batch, Caps, Compiled, Effort, Error, Measure, Objective, Refresh, Requirements, Verdict,
    compile,
};
use girih_model::Graph;

fn compiled(graph: &Graph, requirements: Requirements) -> Compiled {
    compile(graph, &requirements, &Prices).expect("compiles")
}

/// What is asked for without bootstrapping, in rings of 2^13.
fn small(objective: Objective, batch: Batch) -> Requirements {
    Requirements {
        objective,
        batch,
        bootstrapping: Refresh::Never,
        max_log_n: 13,
        ..Requirements::default()
    }
}

/// A ciphertext for every feature: no rotation, no key but one, no constant.
#[test]
fn throughput_fills_the_slots_with_samples() {
    let graph = cryptonets();
    let many = compiled(&graph, small(Objective::Throughput, Batch::Free));
    let report = &many.report;
    assert_eq!(many.input.batch(), many.program.slots);
    assert!(many.manifest.rotations.is_empty() && many.constants.is_empty());
    assert_eq!(
        (report.constant_bytes, report.measures.setup_seconds),
        (0, 0.0)
    );
    assert_eq!(many.input.placement().tiles(), 784);
    assert!(report.search.bound >= 0.95, "{}", report.search);
    let one = compiled(&graph, Requirements::default());
    let (many, one) = (&report.measures, &one.report.measures);
    assert!(many.sample_seconds() < one.sample_seconds() / 10.0);
}

#[test]
fn full_slots_give_the_answers_of_the_plain_model() {
    let graph = residual();
    let full = compiled(&graph, small(Objective::Throughput, Batch::Free));
    assert_eq!(full.input.placement().units(), 1);
    assert!(difference(&graph, &full, None) < 1e-9);
}

/// Predictions look at a few of the samples only: the same errors and the same scale for every batch of one layout.
#[test]
fn errors_are_predicted_from_a_few_samples() {
    let graph = residual();
    let of = |batch: usize| compiled(&graph, small(Objective::Throughput, batch.into()));
    let (few, many) = (of(32), of(64));
    assert_eq!((few.input.batch(), many.input.batch()), (32, 64));
    assert!(difference(&graph, &many, None) < 1e-9);
    let ratio = few.report.predicted_error / many.report.predicted_error;
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
}

#[test]
fn every_objective_is_best_at_its_own_measure() {
    let graph = residual();
    let plans = Objective::ALL.map(|o| {
        let requirements = Requirements {
            effort: Effort::Exhaustive,
            ..small(o, Batch::Of(8))
        };
        (o, compiled(&graph, requirements).report)
    });
    for (objective, own) in &plans {
        for (other, report) in &plans {
            let score = |r: &girih_compile::PlanReport| objective.score(&r.measures, Batch::Of(8));
            assert!(
                score(own) <= score(report) * (1.0 + 1e-9),
                "{objective:?}: {:?}, found for {other:?}: {:?}",
                own.measures,
                report.measures
            );
        }
        // What was looked at and not chosen is not better either.
        for plan in &own.search.runners_up {
            match plan.verdict {
                Verdict::Worse { by } => assert!(by >= 1.0 - 1e-9, "{plan:?}"),
                ref verdict => panic!("{verdict:?}"),
            }
        }
        assert!(own.search.runners_up.len() <= 5);
    }
}

/// A cap below what the unbounded plan needs gives another plan, one below what any plan needs an error with the numbers.
#[test]
fn caps_change_the_plan_until_nothing_is_left() {
    let graph = residual();
    let asked = small(Objective::Throughput, Batch::Free);
    let free = compiled(&graph, asked.clone()).report.measures;
    let capped = |measure, most: f64| {
        let requirements = Requirements {
            caps: Caps::default().with(measure, most),
            ..asked.clone()
        };
        compile(&graph, &requirements, &Prices)
    };
    for (measure, factor) in [
        (Measure::ServerBytes, 1.5),
        (Measure::InputBytes, 8.0),
        (Measure::ServerSeconds, 8.0),
    ] {
        let most = free.get(measure) / factor;
        let found = capped(measure, most).expect("a smaller plan");
        assert!(found.report.measures.get(measure) <= most, "{measure:?}");
        assert!(found.report.measures.sample_seconds() >= free.sample_seconds());
    }
    let error = capped(Measure::KeyBytes, 1000.0).expect_err("keys are larger");
    let Error::Caps { cap, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*cap, Measure::KeyBytes.words());
    let words = error.to_string();
    assert!(
        words.contains("1 KiB allowed") && words.contains("MiB"),
        "{words}"
    );
}
