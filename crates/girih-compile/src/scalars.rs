//! Affine maps of tensors that have a ciphertext for every feature: the slots hold samples, weights are numbers.
//!
//! `y_i = Σ_j M[i, j] x_j + b_i` slot by slot: no rotation, no constant to encode or keep, one rescaling a result.

use girih_he::{Evaluator, Recorder, ValueId};
use girih_nn::{Affine, Placement};

use crate::Result;
use crate::network::StageId;

/// Whether a placement has one feature a ciphertext.
pub(crate) fn fits(placement: &Placement) -> bool {
    placement.units() == 1
}

/// The shift on the tiles of its source.
pub(crate) fn shift(
    recorder: &Recorder,
    map: &Affine<StageId>,
    source: &[ValueId],
    placement: &Placement,
) -> Result<Vec<ValueId>> {
    let mut shifted = source.to_vec();
    for (i, &by) in map.bias.iter().enumerate() {
        let tile = placement.place(i).tile as usize;
        shifted[tile] = recorder.add_scalar(&source[tile], by)?;
    }
    Ok(shifted)
}

/// The map of stage `at` on the tiles of its sources; `values` and `placements` by stage.
pub(crate) fn affine(
    recorder: &Recorder,
    map: &Affine<StageId>,
    values: &[Vec<ValueId>],
    placements: &[Placement],
    at: usize,
) -> Result<Vec<ValueId>> {
    let tile = |placement: &Placement, i: usize| placement.place(i).tile as usize;
    let mut rows: Vec<usize> = (0..map.bias.len()).collect();
    rows.sort_by_key(|&i| tile(&placements[at], i));
    let first = map.terms.keys().next().and_then(|s| values[s.0].first());
    rows.into_iter()
        .map(|row| {
            let mut terms: Vec<(&ValueId, f64)> = Vec::new();
            for (source, matrix) in &map.terms {
                let place = |j: usize| &values[source.0][tile(&placements[source.0], j)];
                matrix.for_row(row, |j, weight| terms.push((place(j), weight)));
            }
            if terms.is_empty() {
                // A row of zeros: a level is consumed like in every other.
                terms.extend(first.map(|x| (x, 0.0)));
            }
            Ok(recorder.dot_affine(&[], &terms, map.bias[row])?)
        })
        .collect()
}
