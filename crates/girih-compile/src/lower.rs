//! Lowering: the planned stages, run once with the recorder, become a program.

use std::cell::RefCell;

use girih_circuits::evaluation::{evaluate_unit, linear_combination};
use girih_circuits::{PlainWeights, WeightedSum, WeightedTerm};
use girih_he::{Constants, Evaluator, Program, Recorder, ValueId};
use girih_nn::PlacedMap;

use crate::network::{Network, StageKind, shift_of};
use crate::plan::PackingPlan;
use crate::{Result, scalars};

/// Whether the server sees the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// Constants of the program, in the clear on the server.
    #[default]
    Plain,
    /// Further encrypted inputs of the program; biases stay plain constants.
    Encrypted,
}

/// A program without levels, its constants, and the values of its encrypted weights by input name.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The program.
    pub program: Program,
    /// Its constants.
    pub constants: Constants,
    /// Encrypted inputs that hold weights, by name; empty with plain weights.
    pub encrypted: Constants,
}

/// Name of the program's input tensor; its tiles are `x/0`, `x/1`, ….
pub const INPUT: &str = "x";
/// Name of the program's output tensor.
pub const OUTPUT: &str = "y";

/// Records a planned network.
///
/// # Errors
/// Those of the layers.
pub fn lower(network: &Network, plan: &PackingPlan, weights: Weights) -> Result<Lowered> {
    lower_bootstrapped(network, plan, weights, &[])
}

/// [`lower`], the results of the stages marked `bootstrapped` being bootstrapped; stages beyond the slice are not.
///
/// # Errors
/// As [`lower`].
pub fn lower_bootstrapped(
    network: &Network,
    plan: &PackingPlan,
    weights: Weights,
    bootstrapped: &[bool],
) -> Result<Lowered> {
    let slots = plan.placements[0].slots();
    let recorder = Recorder::new(network.name.clone(), slots);
    let encrypted = EncryptedWeights::default();
    let mut values: Vec<Vec<ValueId>> = Vec::with_capacity(network.stages.len());
    for (i, stage) in network.stages.iter().enumerate() {
        let name = format!("{i}.{}", stage.name);
        recorder.region(&name);
        let mut value: Vec<ValueId> = match &stage.kind {
            StageKind::Input => (0..plan.placements[i].tiles())
                .map(|t| recorder.input(&format!("{INPUT}/{t}")))
                .collect::<girih_he::Result<_>>()?,
            StageKind::Linear(map) => match shift_of(map) {
                Some(source) if scalars::fits(&plan.placements[i]) => {
                    scalars::shift(&recorder, map, &values[source.0], &plan.placements[i])?
                }
                Some(source) => {
                    let batch = vec![map.bias.as_slice(); plan.placements[i].batch()];
                    let shifts = plan.placements[i].pack(&batch);
                    let mut shifted = Vec::with_capacity(shifts.len());
                    for (t, (x, shift)) in values[source.0].iter().zip(&shifts).enumerate() {
                        let constant = recorder.constant(&format!("{name}/shift.{t}"), shift)?;
                        shifted.push(recorder.add_plain(x, &constant)?);
                    }
                    shifted
                }
                None if weights == Weights::Plain && scalars::fits(&plan.placements[i]) => {
                    scalars::affine(&recorder, map, &values, &plan.placements, i)?
                }
                None => {
                    let placements = map
                        .terms
                        .keys()
                        .map(|s| (*s, &plan.placements[s.0]))
                        .collect();
                    let tiles: Vec<ValueId> = map
                        .terms
                        .keys()
                        .flat_map(|s| values[s.0].iter().copied())
                        .collect();
                    let linear = plan.linear[i]
                        .as_ref()
                        .expect("the plan covers every affine stage");
                    let layer = PlacedMap::try_new(map, &placements)?.build(linear);
                    match weights {
                        Weights::Plain => layer.forward(&recorder, &PlainWeights, &name, &tiles)?,
                        Weights::Encrypted => {
                            layer.forward(&recorder, &encrypted, &name, &tiles)?
                        }
                    }
                }
            },
            StageKind::Power(x, k) => values[x.0]
                .iter()
                .map(|v| girih_circuits::power(&recorder, v, *k as usize))
                .collect::<girih_circuits::Result<_>>()?,
            StageKind::Function(x, plan) => values[x.0]
                .iter()
                .map(|v| evaluate_unit(&recorder, plan, v))
                .collect::<girih_circuits::Result<_>>()?,
            StageKind::Product(a, b) => values[a.0]
                .iter()
                .zip(&values[b.0])
                .map(|(x, y)| recorder.mul(x, y))
                .collect::<girih_he::Result<_>>()?,
            StageKind::Combination(terms, constant) => (0..plan.placements[i].tiles())
                .map(|t| {
                    let terms: Vec<(&ValueId, f64)> =
                        terms.iter().map(|(x, c)| (&values[x.0][t], *c)).collect();
                    linear_combination(&recorder, &terms, *constant)
                })
                .collect::<girih_circuits::Result<_>>()?,
        };
        if bootstrapped.get(i) == Some(&true) {
            value = value
                .iter()
                .map(|v| recorder.bootstrap(v))
                .collect::<girih_he::Result<_>>()?;
        }
        values.push(value);
    }
    for (t, value) in values.last().into_iter().flatten().enumerate() {
        recorder.output(&format!("{OUTPUT}/{t}"), value)?;
    }
    let (program, constants) = recorder.finish();
    Ok(Lowered {
        program,
        constants,
        encrypted: encrypted.values.into_inner(),
    })
}

/// Declares every weight vector as an encrypted input.
#[derive(Debug, Default)]
struct EncryptedWeights {
    values: RefCell<Constants>,
}

impl WeightedSum<Recorder> for EncryptedWeights {
    fn weighted_sum(
        &self,
        eval: &Recorder,
        terms: Vec<WeightedTerm<ValueId>>,
    ) -> girih_circuits::Result<ValueId> {
        let weights = terms
            .iter()
            .map(|(_, name, _)| eval.input(name))
            .collect::<girih_he::Result<Vec<_>>>()?;
        let pairs: Vec<_> = terms
            .iter()
            .zip(&weights)
            .map(|((x, _, _), w)| (x, w))
            .collect();
        let sum = eval.dot(&pairs)?;
        let mut values = self.values.borrow_mut();
        for (_, name, weight) in terms {
            values.insert(name, weight);
        }
        Ok(sum)
    }
}
