//! [`TileTensor`]: encrypted tiles with their shape.

use std::fmt;

use girih_he::Evaluator;
use ndarray::{ArrayD, ArrayViewD};

use crate::layout::unflatten;
use crate::pack::{ComplexSlot, pack, pack_complex, unpack, unpack_complex};
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

    /// [`pack_with`](TileTensor::pack_with) for slots of two reals.
    ///
    /// # Errors
    /// As [`pack_complex`] and [`try_new`](TileTensor::try_new), or what `encrypt` fails with.
    pub fn pack_complex_with<X: From<Error>>(
        eval: &E,
        values: &ArrayViewD<'_, f64>,
        shape: &TileShape,
        mut encrypt: impl FnMut(&[ComplexSlot]) -> std::result::Result<E::Ciphertext, X>,
    ) -> std::result::Result<Self, X> {
        shape.check_slots(eval.slots())?;
        let tiles = pack_complex(values, shape)?
            .iter()
            .map(|tile| encrypt(tile))
            .collect::<std::result::Result<_, X>>()?;
        Ok(Self::try_new(eval, shape.clone(), tiles)?)
    }

    /// [`unpack_with`](TileTensor::unpack_with) for slots of two reals.
    ///
    /// # Errors
    /// What `decrypt` fails with, or vectors of another length than the slots.
    pub fn unpack_complex_with<X: From<Error>>(
        &self,
        decrypt: impl FnMut(&E::Ciphertext) -> std::result::Result<Vec<ComplexSlot>, X>,
    ) -> std::result::Result<ArrayD<f64>, X> {
        let tiles: Vec<Vec<ComplexSlot>> = self
            .tiles
            .iter()
            .map(decrypt)
            .collect::<std::result::Result<_, X>>()?;
        Ok(unpack_complex(&tiles, &self.shape)?)
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
    /// The shape is complex-packed (a polynomial of a complex slot is not that of its two reals), or what `f` fails with.
    pub fn map<X: From<Error>>(
        &self,
        zeros: Zeros,
        f: impl FnMut(&E::Ciphertext) -> std::result::Result<E::Ciphertext, X>,
    ) -> std::result::Result<Self, X> {
        self.shape.check_real("map")?;
        let shape = match zeros {
            Zeros::Stay => self.shape.clone(),
            Zeros::Change => self.shape.of_scalar_sum()?,
        };
        let tiles = self
            .tiles
            .iter()
            .map(f)
            .collect::<std::result::Result<_, X>>()?;
        Ok(TileTensor { shape, tiles })
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
