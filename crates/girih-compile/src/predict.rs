//! Predictions from samples: ranges of values in a clear run, errors of an encrypted one.

use std::collections::BTreeMap;

use girih_he::{
    Bootstrapping, Constants, HeProfile, Level, Leveled, NoiseEvaluator, Program, RegionRanges,
};
use ndarray::{ArrayD, IxDyn};

use crate::lower::INPUT;
use crate::packing::TensorPacking;
use crate::{Error, Result};

/// The highest level of a program.
pub(crate) fn top_level(program: &Program) -> Level {
    program
        .insts
        .iter()
        .filter_map(|i| i.state)
        .map(|s| s.level)
        .max()
        .unwrap_or_default()
}

/// The probes, packed side by side.
pub(crate) fn fill(
    probes: &[Vec<f64>],
    batch: usize,
    input: &TensorPacking,
) -> Result<Vec<Vec<f64>>> {
    let mut shape = vec![batch];
    shape.extend(input.shape());
    let values: Vec<f64> = (0..batch)
        .flat_map(|b| probes[b % probes.len()].iter().copied())
        .collect();
    let tensor = ArrayD::from_shape_vec(IxDyn(&shape), values)
        .map_err(|e| Error::Packing { why: e.to_string() })?;
    input.pack(&tensor)
}

/// Ranges of all values in a clear run.
pub(crate) fn clear_ranges(
    program: &Program,
    constants: &Constants,
    encrypted: &Constants,
    tiles: &[Vec<f64>],
    top: Level,
    bootstrapping: Option<Bootstrapping>,
) -> Result<RegionRanges> {
    let eval =
        girih_he::ClearEvaluator::leveled(program.slots, top).with_bootstrapping(bootstrapping);
    let mut ranges = RegionRanges::default();
    let mut inputs = BTreeMap::new();
    for (name, value, level) in program_inputs(program, encrypted, tiles) {
        inputs.insert(name, eval.drop_to(&eval.vector(&value)?, level)?);
    }
    girih_he::interpret::run_bootstrapping(program, constants, &eval, inputs, &mut ranges)?;
    Ok(ranges)
}

/// Name, values and level of every encrypted input.
fn program_inputs(
    program: &Program,
    encrypted: &Constants,
    tiles: &[Vec<f64>],
) -> Vec<(String, Vec<f64>, Level)> {
    program
        .inputs()
        .map(|(name, id)| {
            let tile = name
                .strip_prefix(INPUT)
                .and_then(|n| n.strip_prefix('/'))
                .and_then(|n| n.parse::<usize>().ok());
            let value = match (encrypted.get(name), tile) {
                (Some(weights), _) => weights.to_vec(),
                (None, Some(t)) => tiles.get(t).cloned().unwrap_or_default(),
                (None, None) => Vec::new(),
            };
            let level = program.insts[id.index()]
                .state
                .map(|s| s.level)
                .unwrap_or_default();
            (name.to_owned(), value, level)
        })
        .collect()
}

/// log2 of the largest value that must fit the modulus of level 0.
pub(crate) fn value_bits(program: &Program, ranges: &RegionRanges) -> f64 {
    let largest = program
        .insts
        .iter()
        .enumerate()
        .filter(|(_, i)| {
            i.state
                .is_some_and(|s| s.level.0 == 0 || (s.product && s.level.0 == 1))
        })
        .filter_map(|(i, _)| ranges.value(girih_he::ValueId(i as u32)))
        .fold(0.0f64, |m, r| m.max(r.min.abs()).max(r.max.abs()));
    largest.max(1.0).log2()
}

/// The largest predicted standard deviation among the slots of the output.
pub(crate) fn predicted_std(
    program: &Program,
    constants: &Constants,
    encrypted: &Constants,
    tiles: &[Vec<f64>],
    profile: &HeProfile,
    output: &TensorPacking,
) -> Result<f64> {
    let eval = NoiseEvaluator::try_new(profile.clone())?;
    let mut inputs = BTreeMap::new();
    for (name, value, level) in program_inputs(program, encrypted, tiles) {
        inputs.insert(name, eval.drop_to(&eval.fresh(&value)?, level)?);
    }
    let outputs =
        girih_he::interpret::run_bootstrapping(program, constants, &eval, inputs, &mut ())?;
    let std: Vec<Vec<f64>> = outputs.iter().map(|(_, v)| v.std()).collect();
    Ok(output
        .unpack(&std, output.batch())?
        .iter()
        .fold(0.0, |m: f64, &s| m.max(s)))
}
