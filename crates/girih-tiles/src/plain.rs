//! Constants laid out as tile tensors: [`PlainTileTensor`], encoded when used, and [`EncodedTileTensor`], encoded ahead.

use std::rc::Rc;
use std::sync::Arc;

use girih_he::Evaluator;
use ndarray::ArrayViewD;

use crate::layout::Part;
use crate::pack::{ComplexSlot, pack_complex_tile, pack_tile};
use crate::{Error, Result, TileShape};

/// A constant operand: a shape and one constant of the evaluator for each of its tiles.
pub trait PlainTiles<E: Evaluator> {
    /// The shape. Unused slots are zero.
    fn shape(&self) -> &TileShape;

    /// One tile as a constant of the evaluator.
    ///
    /// # Errors
    /// No such tile, another slot count, or what the evaluator refuses (values that are not finite).
    fn constant(&self, eval: &E, tile: usize) -> Result<E::Plaintext>;
}

/// A constant tensor to be laid out by a shape; tiles are packed and encoded only when used.
///
/// Tile `i` is the constant `NAME/i` of the evaluator, so a name stands for one tensor in one shape.
#[derive(Clone, Debug)]
pub struct PlainTileTensor {
    name: String,
    shape: TileShape,
    values: Arc<[f64]>,
}

impl PlainTileTensor {
    /// An array with the original sizes of the shape. Unused slots are zero, flags are dropped.
    ///
    /// # Errors
    /// The shape is incomplete, or the sizes differ.
    pub fn try_new(
        name: impl Into<String>,
        values: &ArrayViewD<'_, f64>,
        shape: &TileShape,
    ) -> Result<Self> {
        if values.shape() != shape.original_sizes()? {
            return Err(shape.array_sizes(values.shape()));
        }
        Ok(PlainTileTensor {
            name: name.into(),
            shape: shape.cleared(),
            values: values.iter().copied().collect(),
        })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &TileShape {
        &self.shape
    }

    /// The slots of one tile.
    ///
    /// # Errors
    /// No such tile, or the shape is complex-packed.
    pub fn tile(&self, tile: usize) -> Result<Vec<f64>> {
        self.shape.check_real("encode")?;
        pack_tile(&self.values, &self.shape, tile, Part::Real)
    }

    /// The slots of one tile with the two reals of each.
    ///
    /// # Errors
    /// No such tile.
    pub fn complex_tile(&self, tile: usize) -> Result<Vec<ComplexSlot>> {
        pack_complex_tile(&self.values, &self.shape, tile)
    }

    /// All tiles encoded ahead.
    ///
    /// # Errors
    /// The shape is complex-packed or has another slot count, or what the evaluator refuses.
    pub fn encode<E: Evaluator>(&self, eval: &E) -> Result<EncodedTileTensor<E>> {
        let tiles = (0..self.shape.tiles()).map(|tile| self.constant(eval, tile));
        EncodedTileTensor::try_new(eval, self.shape.clone(), tiles.collect::<Result<_>>()?)
    }

    /// All tiles encoded ahead as constants of complex slots, by a function of the scheme that takes a name and slots.
    ///
    /// # Errors
    /// The shape has another slot count, or what `encode` fails with.
    pub fn encode_complex_with<E: Evaluator, X: From<Error>>(
        &self,
        eval: &E,
        mut encode: impl FnMut(&str, &[ComplexSlot]) -> std::result::Result<E::Plaintext, X>,
    ) -> std::result::Result<EncodedTileTensor<E>, X> {
        let tiles = (0..self.shape.tiles())
            .map(|tile| encode(&format!("{}/{tile}", self.name), &self.complex_tile(tile)?));
        let tiles = tiles.collect::<std::result::Result<_, X>>()?;
        Ok(EncodedTileTensor::try_new(eval, self.shape.clone(), tiles)?)
    }
}

impl<E: Evaluator> PlainTiles<E> for PlainTileTensor {
    fn shape(&self) -> &TileShape {
        &self.shape
    }

    fn constant(&self, eval: &E, tile: usize) -> Result<E::Plaintext> {
        self.shape.check_slots(eval.slots())?;
        Ok(eval.constant(&format!("{}/{tile}", self.name), &self.tile(tile)?)?)
    }
}

/// A constant tensor whose tiles are constants of an evaluator already.
#[derive(Clone)]
pub struct EncodedTileTensor<E: Evaluator> {
    shape: TileShape,
    tiles: Vec<E::Plaintext>,
}

impl<E: Evaluator> EncodedTileTensor<E> {
    /// Constants that were made to this shape, with zeros in unused slots.
    ///
    /// # Errors
    /// The shape is incomplete, its tile sizes do not multiply to the slots of `eval`, or another number of tiles.
    pub fn try_new(eval: &E, shape: TileShape, tiles: Vec<E::Plaintext>) -> Result<Self> {
        shape.check_slots(eval.slots())?;
        if tiles.len() != shape.tiles() {
            return Err(Error::TileCount {
                shape: shape.to_string(),
                tiles: shape.tiles(),
                slots: shape.slots(),
                got: tiles.len(),
            });
        }
        Ok(EncodedTileTensor {
            shape: shape.cleared(),
            tiles,
        })
    }

    /// The same constants under another shape of as many tiles.
    pub(crate) fn with_shape(self, shape: TileShape) -> Self {
        debug_assert_eq!(shape.tiles(), self.tiles.len());
        EncodedTileTensor { shape, ..self }
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &TileShape {
        &self.shape
    }
}

impl<E: Evaluator> PlainTiles<E> for EncodedTileTensor<E> {
    fn shape(&self) -> &TileShape {
        &self.shape
    }

    fn constant(&self, _: &E, tile: usize) -> Result<E::Plaintext> {
        self.tiles
            .get(tile)
            .cloned()
            .ok_or_else(|| Error::NoSuchTile {
                tile,
                shape: self.shape.to_string(),
                tiles: self.tiles.len(),
            })
    }
}

/// The tiles of a constant tensor, encoded once each where they are used more than once.
pub(crate) struct Encoded<'a, E: Evaluator, P> {
    eval: &'a E,
    plain: &'a P,
    kept: Option<Vec<Option<Rc<E::Plaintext>>>>,
}

impl<'a, E: Evaluator, P: PlainTiles<E>> Encoded<'a, E, P> {
    /// For `uses` uses in all; the tiles are kept only if that is more than their number.
    pub(crate) fn new(eval: &'a E, plain: &'a P, uses: usize) -> Self {
        let tiles = plain.shape().tiles();
        Encoded {
            eval,
            plain,
            kept: (uses > tiles).then(|| vec![None; tiles]),
        }
    }

    pub(crate) fn get(&mut self, tile: usize) -> Result<Rc<E::Plaintext>> {
        if let Some(known) = self.kept.as_ref().and_then(|k| k[tile].clone()) {
            return Ok(known);
        }
        let new = Rc::new(self.plain.constant(self.eval, tile)?);
        if let Some(kept) = &mut self.kept {
            kept[tile] = Some(Rc::clone(&new));
        }
        Ok(new)
    }
}
