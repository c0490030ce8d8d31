//! Predictions from samples: ranges of values in a clear run, errors of an encrypted one.

use std::collections::BTreeMap;

use girih_he::{
    Bootstrapping, ConstId, Constants, HeProfile, Level, Leveled, NoiseEvaluator, Op, Program,
    RegionRanges,
};
use ndarray::{ArrayD, IxDyn};

use crate::lower::INPUT;
use crate::narrow::Narrow;
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
    narrow: &Narrow,
    tiles: &[Vec<f64>],
    top: Level,
    bootstrapping: Option<Bootstrapping>,
) -> Result<RegionRanges> {
    let (program, constants, encrypted) = (&narrow.program, &narrow.constants, &narrow.encrypted);
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
                (Some(weights), _) => weights.slots().to_vec(),
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
    narrow: &Narrow,
    tiles: &[Vec<f64>],
    profile: &HeProfile,
) -> Result<f64> {
    let (program, constants, encrypted) = (&narrow.program, &narrow.constants, &narrow.encrypted);
    let output = &narrow.output;
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

/// Runs with drawn errors.
const DRAWS: u64 = 4;

/// Root of the mean squared change of the output that bootstrapping errors of the given deviation make, the largest of all
/// draws: they are drawn and carried through a clear run, where errors that belong together stay together. (Variances alone
/// take the parts of a steep polynomial as independent and exceed the truth by orders of magnitude.)
pub(crate) fn drawn_std(narrow: &Narrow, tiles: &[Vec<f64>], error: f64) -> Result<f64> {
    let (program, constants, encrypted) = (&narrow.program, &narrow.constants, &narrow.encrypted);
    let output = &narrow.output;
    let eval = girih_he::ClearEvaluator::unlimited(program.slots);
    let run = |program: &Program, constants: &Constants| -> Result<Vec<f64>> {
        let mut inputs = BTreeMap::new();
        for (name, value, _) in program_inputs(program, encrypted, tiles) {
            inputs.insert(name, eval.vector(&value)?);
        }
        let outputs = girih_he::interpret::run(program, constants, &eval, inputs, &mut ())?;
        let values: Vec<Vec<f64>> = outputs.iter().map(|(_, v)| v.values().to_vec()).collect();
        let unpacked = output.unpack(&values, output.batch())?;
        Ok(unpacked.iter().copied().collect())
    };
    let (quiet, unchanged) = perturbed(program, constants, 0.0, 0);
    let exact = run(&quiet, &unchanged)?;
    let mut largest = 0.0f64;
    for draw in 1..=DRAWS {
        let (noisy, drawn) = perturbed(program, constants, error, draw);
        let found = run(&noisy, &drawn)?;
        let squares: f64 = found.iter().zip(&exact).map(|(f, e)| (f - e).powi(2)).sum();
        largest = largest.max((squares / exact.len().max(1) as f64).sqrt());
    }
    Ok(largest)
}

/// The program with a sum of drawn errors in place of every bootstrap; levels no longer hold.
fn perturbed(
    program: &Program,
    constants: &Constants,
    error: f64,
    draw: u64,
) -> (Program, Constants) {
    let (mut program, mut constants) = (program.clone(), constants.clone());
    let mut state = draw.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        // The multiplier and increment of Knuth's MMIX generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    for i in 0..program.insts.len() {
        let Op::Bootstrap(v) = program.insts[i].op else {
            continue;
        };
        // Twelve uniform numbers have the variance of one normal one.
        let errors: Vec<f64> = (0..program.slots)
            .map(|_| error * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0))
            .collect();
        let name = format!("error of bootstrapping {i}");
        let id = ConstId(u32::try_from(program.constants.len()).unwrap_or(u32::MAX));
        constants.insert(name.as_str(), errors);
        program.constants.push(name);
        program.insts[i].op = Op::AddPlain(v, id);
    }
    (program, constants)
}
