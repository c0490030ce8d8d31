//! Tensors of numbers to tiles of slots and back.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::layout::SlotContent;
use crate::{Error, Result, TileShape};

/// The tiles of a tensor: element `a` in all slots of `shape.copies(a)`, zero in unused slots.
///
/// The array has the original sizes of the shape (1 in replicated dimensions).
///
/// # Errors
/// The shape is incomplete, or the sizes differ.
pub fn pack(values: &ArrayViewD<'_, f64>, shape: &TileShape) -> Result<Vec<Vec<f64>>> {
    if values.shape() != shape.original_sizes()? {
        return Err(shape.array_sizes(values.shape()));
    }
    let flat: Vec<f64> = values.iter().copied().collect();
    (0..shape.tiles())
        .map(|tile| pack_tile(&flat, shape, tile))
        .collect()
}

/// One tile of a tensor given with its last dimension fastest.
pub(crate) fn pack_tile(flat: &[f64], shape: &TileShape, tile: usize) -> Result<Vec<f64>> {
    let value = |content| match content {
        SlotContent::Element(i) => flat[i],
        SlotContent::Zero | SlotContent::Unknown => 0.0,
    };
    Ok(shape.slot_contents(tile)?.into_iter().map(value).collect())
}

/// The tensor held by tiles: each element from its first slot.
///
/// # Errors
/// The shape is incomplete, or another number or length of tiles.
pub fn unpack(tiles: &[Vec<f64>], shape: &TileShape) -> Result<ArrayD<f64>> {
    let sizes = shape.original_sizes()?;
    check_tiles(tiles, shape)?;
    let mut out = vec![0.0; sizes.iter().product()];
    for (tile, values) in tiles.iter().enumerate() {
        // Backwards, so that the first of several copies is the one that stays.
        for (content, &value) in shape.slot_contents(tile)?.iter().zip(values).rev() {
            if let SlotContent::Element(i) = *content {
                out[i] = value;
            }
        }
    }
    ArrayD::from_shape_vec(IxDyn(&sizes), out).map_err(|_| shape.array_sizes(&sizes))
}

/// Checks that tiles hold what their shape promises: all copies of an element within `tolerance` of
/// the first, unused slots within `tolerance` of zero unless their dimension is flagged `?`.
///
/// # Errors
/// The first slot that breaks the promise (a NaN always does), or another number or length of tiles.
pub fn check_integrity(tiles: &[Vec<f64>], shape: &TileShape, tolerance: f64) -> Result<()> {
    check_tiles(tiles, shape)?;
    let elements = shape.original_sizes()?.iter().product();
    let mut first: Vec<Option<f64>> = vec![None; elements];
    for (tile, values) in tiles.iter().enumerate() {
        for (slot, (content, &value)) in shape.slot_contents(tile)?.iter().zip(values).enumerate() {
            let expected = match *content {
                SlotContent::Unknown => continue,
                SlotContent::Zero => 0.0,
                SlotContent::Element(i) => *first[i].get_or_insert(value),
            };
            let close = (value - expected).abs() <= tolerance;
            if !close {
                return Err(Error::Integrity {
                    shape: shape.to_string(),
                    tile,
                    slot,
                    value,
                    expected,
                });
            }
        }
    }
    Ok(())
}

fn check_tiles(tiles: &[Vec<f64>], shape: &TileShape) -> Result<()> {
    shape.original_sizes()?;
    let slots = shape.slots();
    let got = tiles.iter().filter(|t| t.len() == slots).count();
    if got == tiles.len() && got == shape.tiles() {
        Ok(())
    } else {
        Err(Error::TileCount {
            shape: shape.to_string(),
            tiles: shape.tiles(),
            slots,
            got,
        })
    }
}
