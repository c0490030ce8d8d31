//! Functions taken apart: every step of a composition is a stage, so that it can be bootstrapped in the middle.

use girih_polyfit::evaluation::Step;
use girih_polyfit::{EvaluationPlan, Interval};

use crate::network::{Network, Stage, StageId, StageKind};
use crate::{Error, Result};

impl Network {
    /// The same network with a stage for every step of a plan of several steps.
    ///
    /// # Errors
    /// None for plans that polyfit made.
    pub fn in_steps(&self) -> Result<Network> {
        let mut stages: Vec<Stage> = Vec::with_capacity(self.stages.len());
        let mut renamed: Vec<StageId> = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            let of = |id: StageId| renamed[id.0];
            let last = match &stage.kind {
                StageKind::Function(x, plan) if plan.steps().len() > 1 => {
                    append(&mut stages, stage, of(*x), plan)?
                }
                kind => {
                    let kind = kind.clone().with_sources(of);
                    stages.push(Stage {
                        kind,
                        ..stage.clone()
                    });
                    StageId(stages.len() - 1)
                }
            };
            renamed.push(last);
        }
        Ok(Network {
            name: self.name.clone(),
            stages,
        })
    }
}

/// Appends the steps of a plan that reads `x`; the last one keeps the name of the stage.
fn append(
    stages: &mut Vec<Stage>,
    stage: &Stage,
    x: StageId,
    plan: &EvaluationPlan,
) -> Result<StageId> {
    let mut values = vec![x];
    let count = plan.steps().len();
    for (k, step) in plan.steps().iter().enumerate() {
        let kind = match step {
            Step::Polynomial { of, polynomial, .. } => {
                let mut one = EvaluationPlan::new(Interval::UNIT);
                one.push_polynomial(one.input(), polynomial.clone())
                    .map_err(|e| Error::Packing { why: e.to_string() })?;
                StageKind::Function(values[of.index()], one)
            }
            Step::Product(a, b) => StageKind::Product(values[a.index()], values[b.index()]),
            Step::Affine { terms, constant } => StageKind::Combination(
                terms.iter().map(|(v, c)| (values[v.index()], *c)).collect(),
                *constant,
            ),
        };
        let name = match k + 1 == count {
            true => stage.name.clone(),
            false => format!("{}/{}", stage.name, k + 1),
        };
        stages.push(Stage {
            name,
            shape: stage.shape.clone(),
            kind,
        });
        values.push(StageId(stages.len() - 1));
    }
    Ok(StageId(stages.len() - 1))
}
