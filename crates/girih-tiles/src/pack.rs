//! Tensors of numbers to tiles of slots and back.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::layout::{Part, SlotContent};
use crate::{Error, Result, TileShape};

/// A slot of two reals, `[real, imaginary]`.
pub type ComplexSlot = [f64; 2];

/// The tiles of a tensor: element `a` in all slots of `shape.copies(a)`, zero in unused slots.
///
/// The array has the original sizes of the shape (1 in replicated dimensions).
///
/// # Errors
/// The shape is incomplete or complex-packed, or the sizes differ.
pub fn pack(values: &ArrayViewD<'_, f64>, shape: &TileShape) -> Result<Vec<Vec<f64>>> {
    shape.check_real("pack")?;
    let flat = flat(values, shape)?;
    (0..shape.tiles())
        .map(|tile| pack_tile(&flat, shape, tile, Part::Real))
        .collect()
}

/// The tiles of a tensor in complex slots. Imaginary parts are zero unless the shape is complex-packed.
///
/// # Errors
/// The shape is incomplete, or the sizes differ.
pub fn pack_complex(
    values: &ArrayViewD<'_, f64>,
    shape: &TileShape,
) -> Result<Vec<Vec<ComplexSlot>>> {
    let flat = flat(values, shape)?;
    (0..shape.tiles())
        .map(|tile| pack_complex_tile(&flat, shape, tile))
        .collect()
}

/// The tensor held by tiles: each element from its first slot.
///
/// # Errors
/// The shape is incomplete or complex-packed, or another number or length of tiles.
pub fn unpack(tiles: &[Vec<f64>], shape: &TileShape) -> Result<ArrayD<f64>> {
    shape.check_real("unpack")?;
    check_tiles(tiles, shape)?;
    read(shape, &[Part::Real], |tile, slot, _| tiles[tile][slot])
}

/// The tensor held by tiles of complex slots: each element from its first slot, its real part first.
///
/// # Errors
/// The shape is incomplete, or another number or length of tiles.
pub fn unpack_complex(tiles: &[Vec<ComplexSlot>], shape: &TileShape) -> Result<ArrayD<f64>> {
    check_tiles(tiles, shape)?;
    read(shape, &PARTS, |tile, slot, part| {
        tiles[tile][slot][part as usize]
    })
}

/// Checks that tiles hold what their shape promises: all copies of an element within `tolerance` of
/// the first, unused slots within `tolerance` of zero unless their dimension is flagged `?`.
///
/// # Errors
/// The first slot that breaks the promise (a NaN always does), another number or length of tiles, or a complex-packed
/// shape.
pub fn check_integrity(tiles: &[Vec<f64>], shape: &TileShape, tolerance: f64) -> Result<()> {
    shape.check_real("check_integrity")?;
    check_tiles(tiles, shape)?;
    check(shape, &[Part::Real], tolerance, |tile, slot, _| {
        tiles[tile][slot]
    })
}

/// [`check_integrity`] for tiles of complex slots, both parts of each.
///
/// # Errors
/// The first slot that breaks the promise (a NaN always does), or another number or length of tiles.
pub fn check_complex_integrity(
    tiles: &[Vec<ComplexSlot>],
    shape: &TileShape,
    tolerance: f64,
) -> Result<()> {
    check_tiles(tiles, shape)?;
    check(shape, &PARTS, tolerance, |tile, slot, part| {
        tiles[tile][slot][part as usize]
    })
}

const PARTS: [Part; 2] = [Part::Real, Part::Imaginary];

/// The elements with the last dimension fastest.
fn flat(values: &ArrayViewD<'_, f64>, shape: &TileShape) -> Result<Vec<f64>> {
    if values.shape() == shape.original_sizes()? {
        Ok(values.iter().copied().collect())
    } else {
        Err(shape.array_sizes(values.shape()))
    }
}

/// One part of one tile of a tensor given with its last dimension fastest.
pub(crate) fn pack_tile(
    flat: &[f64],
    shape: &TileShape,
    tile: usize,
    part: Part,
) -> Result<Vec<f64>> {
    let value = |content| match content {
        SlotContent::Element(i) => flat[i],
        SlotContent::Zero | SlotContent::Unknown => 0.0,
    };
    let contents = shape.part_contents(tile, part)?;
    Ok(contents.into_iter().map(value).collect())
}

/// One tile of a tensor in complex slots.
pub(crate) fn pack_complex_tile(
    flat: &[f64],
    shape: &TileShape,
    tile: usize,
) -> Result<Vec<ComplexSlot>> {
    let [real, imaginary] = PARTS.map(|part| pack_tile(flat, shape, tile, part));
    Ok(real?
        .into_iter()
        .zip(imaginary?)
        .map(|(r, i)| [r, i])
        .collect())
}

fn read(
    shape: &TileShape,
    parts: &[Part],
    value: impl Fn(usize, usize, Part) -> f64,
) -> Result<ArrayD<f64>> {
    let sizes = shape.original_sizes()?;
    let mut out = vec![0.0; sizes.iter().product()];
    for tile in 0..shape.tiles() {
        // Backwards, so that the first of several copies is the one that stays.
        for &part in parts.iter().rev() {
            let contents = shape.part_contents(tile, part)?;
            for (slot, content) in contents.into_iter().enumerate().rev() {
                if let SlotContent::Element(i) = content {
                    out[i] = value(tile, slot, part);
                }
            }
        }
    }
    ArrayD::from_shape_vec(IxDyn(&sizes), out).map_err(|_| shape.array_sizes(&sizes))
}

fn check(
    shape: &TileShape,
    parts: &[Part],
    tolerance: f64,
    value: impl Fn(usize, usize, Part) -> f64,
) -> Result<()> {
    let elements = shape.original_sizes()?.iter().product();
    let mut first: Vec<Option<f64>> = vec![None; elements];
    for tile in 0..shape.tiles() {
        for &part in parts {
            for (slot, content) in shape.part_contents(tile, part)?.into_iter().enumerate() {
                let value = value(tile, slot, part);
                let expected = match content {
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
                        part,
                        value,
                        expected,
                    });
                }
            }
        }
    }
    Ok(())
}

fn check_tiles<T>(tiles: &[Vec<T>], shape: &TileShape) -> Result<()> {
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
