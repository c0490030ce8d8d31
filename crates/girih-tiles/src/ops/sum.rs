//! Sums over a dimension, whole or in halves: over the tiles, then inside them.

use girih_he::{Evaluator, Rotation};

use crate::tensor::{all_coords, source_tile};
use crate::{Result, TileDim, TileShape, TileTensor};

impl<E: Evaluator> TileTensor<E> {
    /// `Σ` over a dimension. The result is replicated along it if it rotates cyclically (the first
    /// dimension of more than one slot always does), otherwise in slot 0 with unknown values in the
    /// others.
    ///
    /// Costs `e − 1` additions per tile of the result, then `log₂ t` rotations each (`⌈log₂ n⌉` if
    /// not cyclic and one tile is not full).
    ///
    /// # Errors
    /// No such dimension, it is flagged `?`, or the evaluator refuses.
    pub fn sum_over_dim(&self, eval: &E, dim: usize) -> Result<Self> {
        self.sum_tiles_over_dim(eval, dim)?
            .sum_inside_dim(eval, dim)
    }

    /// The first half: the tiles along a dimension added into one, no rotation.
    ///
    /// # Errors
    /// No such dimension, it is flagged `?`, or the evaluator refuses.
    pub fn sum_tiles_over_dim(&self, eval: &E, dim: usize) -> Result<Self> {
        let shape = self.shape().with_tiles_summed(dim)?;
        let terms = self.shape().dims()[dim].external_size();
        let tiles = all_coords(&shape).map(|mut coords| {
            let mut sum = self.tiles()[source_tile(self.shape(), &coords)].clone();
            for i in 1..terms {
                coords[dim] = i;
                sum = eval.add(&sum, &self.tiles()[source_tile(self.shape(), &coords)])?;
            }
            Ok(sum)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        Ok(TileTensor::trusted(shape, tiles))
    }

    /// The second half: the slots of a dimension of one tile added by rotating and adding.
    ///
    /// # Errors
    /// No such dimension, it has more than one tile, it is flagged `?`, or the evaluator refuses.
    pub fn sum_inside_dim(&self, eval: &E, dim: usize) -> Result<Self> {
        let shape = self.shape().of_sum_over(dim)?;
        self.one_tile("sum_inside_dim", dim)?;
        let folds = self.shape().folds(dim)?;
        self.fold_rotations(eval, shape, steps(folds, self.shape().stride(dim)))
    }

    /// The second half where only slot 0 is needed: `⌈log₂ n⌉` rotations even if the dimension rotates cyclically. The
    /// result is `1?/t`.
    ///
    /// # Errors
    /// As [`sum_inside_dim`](TileTensor::sum_inside_dim).
    pub fn sum_inside_dim_to_first(&self, eval: &E, dim: usize) -> Result<Self> {
        let shape = self.shape().of_sum_to_first(dim)?;
        let d = self.one_tile("sum_inside_dim_to_first", dim)?;
        let slots = if shape.dims()[dim] == d { 1 } else { d.used(0) };
        self.fold_rotations(
            eval,
            shape,
            steps(doublings(slots), self.shape().stride(dim)),
        )
    }

    fn one_tile(&self, op: &'static str, dim: usize) -> Result<TileDim> {
        let d = *self.shape().dim(op, dim)?;
        match d.external_size() {
            1 => Ok(d),
            tiles => self.shape().refuse(
                op,
                format!("dimension {dim} has {tiles} tiles; sum_tiles_over_dim first"),
            ),
        }
    }

    /// `x ← x + rotate(x, r)` for every `r` in turn.
    pub(super) fn fold_rotations(
        &self,
        eval: &E,
        shape: TileShape,
        by: impl Iterator<Item = i64> + Clone,
    ) -> Result<Self> {
        let slots = i64::try_from(eval.slots()).unwrap_or(i64::MAX);
        let fold = |tile: &E::Ciphertext| {
            by.clone().try_fold(tile.clone(), |sum, r| {
                let r = Rotation(i32::try_from(r.rem_euclid(slots)).unwrap_or_default());
                Ok(eval.add(&sum, &eval.rotate(&sum, r)?)?)
            })
        };
        let tiles = self.tiles().iter().map(fold).collect::<Result<_>>()?;
        Ok(TileTensor::trusted(shape, tiles))
    }
}

impl TileShape {
    /// Number of rotations that sum a dimension inside a tile.
    pub(super) fn folds(&self, dim: usize) -> Result<u32> {
        let d = self.dims()[dim];
        Ok(if self.of_sum_over(dim)?.dims()[dim] == d {
            0
        } else if self.rotates_cyclically(dim) {
            doublings(d.tile_size())
        } else {
            doublings(d.used(0))
        })
    }
}

/// `⌈log₂ slots⌉`.
fn doublings(slots: usize) -> u32 {
    usize::BITS - (slots.max(1) - 1).leading_zeros()
}

/// The first rotations of `stride·{1, 2, 4, …}`.
fn steps(count: u32, stride: usize) -> impl Iterator<Item = i64> + Clone {
    (0..count).map(move |k| (stride << k) as i64)
}
