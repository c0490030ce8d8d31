//! [`TileTensor`], encrypted tiles with their shape, and [`PlainTileTensor`], constants laid out alike.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use girih_he::Evaluator;
use ndarray::{ArrayD, ArrayViewD};

use crate::layout::unflatten;
use crate::pack::{pack, pack_tile, unpack};
use crate::{Error, Result, TileShape};

/// A tensor in ciphertexts: one per tile of its shape, last external dimension fastest.
pub struct TileTensor<E: Evaluator> {
    shape: TileShape,
    tiles: Vec<E::Ciphertext>,
}

/// What an operation makes of the zeros in unused slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zeros {
    /// They stay zero.
    Stay,
    /// They become anything.
    Change,
}

impl<E: Evaluator> TileTensor<E> {
    /// Tiles that were made to this shape.
    ///
    /// # Errors
    /// The shape is incomplete, its tile sizes do not multiply to the slots of `eval`, or another
    /// number of tiles.
    pub fn try_new(eval: &E, shape: TileShape, tiles: Vec<E::Ciphertext>) -> Result<Self> {
        shape.check_slots(eval.slots())?;
        if tiles.len() != shape.tiles() {
            return Err(Error::TileCount {
                shape: shape.to_string(),
                tiles: shape.tiles(),
                slots: shape.slots(),
                got: tiles.len(),
            });
        }
        Ok(TileTensor { shape, tiles })
    }

    /// Packs an array and encrypts each tile with `encrypt`.
    ///
    /// # Errors
    /// As [`pack`] and [`try_new`](TileTensor::try_new), or what `encrypt` fails with.
    pub fn pack_with<X: From<Error>>(
        eval: &E,
        values: &ArrayViewD<'_, f64>,
        shape: &TileShape,
        mut encrypt: impl FnMut(&[f64]) -> std::result::Result<E::Ciphertext, X>,
    ) -> std::result::Result<Self, X> {
        shape.check_slots(eval.slots())?;
        let tiles = pack(values, shape)?
            .iter()
            .map(|tile| encrypt(tile))
            .collect::<std::result::Result<_, X>>()?;
        Ok(Self::try_new(eval, shape.clone(), tiles)?)
    }

    /// Decrypts each tile with `decrypt` and reads the array out.
    ///
    /// # Errors
    /// What `decrypt` fails with, or vectors of another length than the slots.
    pub fn unpack_with<X: From<Error>>(
        &self,
        decrypt: impl FnMut(&E::Ciphertext) -> std::result::Result<Vec<f64>, X>,
    ) -> std::result::Result<ArrayD<f64>, X> {
        let tiles: Vec<Vec<f64>> = self
            .tiles
            .iter()
            .map(decrypt)
            .collect::<std::result::Result<_, X>>()?;
        Ok(unpack(&tiles, &self.shape)?)
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &TileShape {
        &self.shape
    }

    /// The ciphertexts, last external dimension fastest.
    #[must_use]
    pub fn tiles(&self) -> &[E::Ciphertext] {
        &self.tiles
    }

    /// Shape and ciphertexts.
    #[must_use]
    pub fn into_parts(self) -> (TileShape, Vec<E::Ciphertext>) {
        (self.shape, self.tiles)
    }

    /// `f` in every slot, as for a polynomial activation; `zeros` says whether `f(0) = 0`.
    ///
    /// # Errors
    /// What `f` fails with.
    pub fn map<X: From<Error>>(
        &self,
        zeros: Zeros,
        f: impl FnMut(&E::Ciphertext) -> std::result::Result<E::Ciphertext, X>,
    ) -> std::result::Result<Self, X> {
        let shape = match zeros {
            Zeros::Stay => self.shape.clone(),
            Zeros::Change => self.shape.of_scalar_sum(),
        };
        let tiles = self
            .tiles
            .iter()
            .map(f)
            .collect::<std::result::Result<_, X>>()?;
        Ok(TileTensor { shape, tiles })
    }

    /// The same tiles, with neighbouring replicated dimensions `first..=last` read as one.
    ///
    /// # Errors
    /// Not a range of dimensions, or one of them is not replicated.
    pub fn merge_replicated(&self, first: usize, last: usize) -> Result<Self> {
        Ok(TileTensor {
            shape: self.shape.of_merge(first, last)?,
            tiles: self.tiles.clone(),
        })
    }

    /// Tiles computed to a shape derived from operands that passed the checks.
    pub(crate) fn trusted(shape: TileShape, tiles: Vec<E::Ciphertext>) -> Self {
        debug_assert_eq!(shape.tiles(), tiles.len());
        TileTensor { shape, tiles }
    }
}

impl<E: Evaluator> Clone for TileTensor<E> {
    fn clone(&self) -> Self {
        TileTensor {
            shape: self.shape.clone(),
            tiles: self.tiles.clone(),
        }
    }
}

impl<E: Evaluator> fmt::Debug for TileTensor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TileTensor {} of {} tiles", self.shape, self.tiles.len())
    }
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
    /// No such tile.
    pub fn tile(&self, tile: usize) -> Result<Vec<f64>> {
        pack_tile(&self.values, &self.shape, tile)
    }

    /// One tile as a constant of the evaluator.
    ///
    /// # Errors
    /// No such tile, another slot count, or what the evaluator refuses (values that are not finite).
    pub fn constant<E: Evaluator>(&self, eval: &E, tile: usize) -> Result<E::Plaintext> {
        self.shape.check_slots(eval.slots())?;
        Ok(eval.constant(&format!("{}/{tile}", self.name), &self.tile(tile)?)?)
    }

    /// Sizes and values of the other sign, under the name `-NAME`.
    pub(crate) fn negated(&self) -> PlainTileTensor {
        PlainTileTensor {
            name: format!("-{}", self.name),
            shape: self.shape.clone(),
            values: self.values.iter().map(|v| -v).collect(),
        }
    }
}

/// The tiles of a constant tensor, encoded once each where they are used more than once.
pub(crate) struct Encoded<'a, E: Evaluator> {
    eval: &'a E,
    plain: &'a PlainTileTensor,
    kept: Option<Vec<Option<Rc<E::Plaintext>>>>,
}

impl<'a, E: Evaluator> Encoded<'a, E> {
    /// For `uses` uses in all; the tiles are kept only if that is more than their number.
    pub(crate) fn new(eval: &'a E, plain: &'a PlainTileTensor, uses: usize) -> Self {
        let tiles = plain.shape.tiles();
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

/// The tile of an operand that goes with the external coordinates of a result: its only tile along
/// dimensions in which it is broadcast.
pub(crate) fn source_tile(operand: &TileShape, coords: &[usize]) -> usize {
    operand.dims().iter().zip(coords).fold(0, |at, (d, &c)| {
        at * d.external_size() + if d.external_size() == 1 { 0 } else { c }
    })
}

/// The external coordinates of every tile of a shape, in order.
pub(crate) fn all_coords(shape: &TileShape) -> impl Iterator<Item = Vec<usize>> + use<> {
    let sizes = shape.external_sizes();
    (0..shape.tiles()).map(move |tile| unflatten(tile, &sizes))
}
