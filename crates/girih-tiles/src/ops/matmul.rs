//! Contractions `Σ a ⊙ b` over dimensions: matrix-vector and matrix-matrix products.
//!
//! | product | left | right | summed | result |
//! |---|---|---|---|---|
//! | matrix · vector | `[a/t1, b/t2]` | `[*/t1, b/t2]` | 1 | `[a/t1, 1?/t2]` |
//! | vector · matrix | `[a/t1, b/t2]` | `[a/t1, */t2]` | 0 | `[*/t1, b/t2]` |
//! | matrix · matrix | `[a/t1, b/t2, */t3]` | `[*/t1, b/t2, c/t3]` | 1 | `[a/t1, 1?/t2, c/t3]` |
//! | the same, contracted first | `[b/t1, a/t2, */t3]` | `[b/t1, */t2, c/t3]` | 0 | `[*/t1, a/t2, c/t3]` |
//!
//! A batch is one more dimension, `B/t4` in the data and `*/t4` in the weights.

use girih_he::Evaluator;

use crate::layout::unflatten;
use crate::plain::Encoded;
use crate::tensor::{all_coords, source_tile};
use crate::{PlainTiles, Result, TileShape, TileTensor};

impl TileShape {
    /// The shape of `Σ a ⊙ b` over the dimensions `dims`, summed in ascending order.
    ///
    /// # Errors
    /// The shapes do not go together, or a dimension does not exist, is listed twice, or is unknown
    /// in the product.
    pub fn of_contraction(&self, other: &TileShape, dims: &[usize]) -> Result<TileShape> {
        sorted(self, dims)?
            .iter()
            .try_fold(self.of_product(other)?, |shape, &d| shape.of_sum_over(d))
    }

    /// The shape of the products added over the tiles, before the sums inside.
    fn of_tile_contraction(&self, other: &TileShape, dims: &[usize]) -> Result<TileShape> {
        dims.iter().try_fold(self.of_product(other)?, |shape, &d| {
            shape.with_tiles_summed(d)
        })
    }
}

impl<E: Evaluator> TileTensor<E> {
    /// `Σ a ⊙ b` over the dimensions `dims`.
    ///
    /// Costs one `dot` per tile of the result, with as many terms as tiles lie along the summed
    /// dimensions (one relinearisation, one rescaling), then the rotations of the sums inside.
    ///
    /// # Errors
    /// As [`TileShape::of_contraction`], or the evaluator refuses.
    pub fn contract(&self, eval: &E, other: &Self, dims: &[usize]) -> Result<Self> {
        let dims = sorted(self.shape(), dims)?;
        let shape = self.shape().of_tile_contraction(other.shape(), &dims)?;
        let inner = inner_sizes(self.shape(), other.shape(), &dims);
        let tiles = all_coords(&shape).map(|mut coords| {
            let terms = inner_coords(&inner).map(|at| {
                place(&mut coords, &dims, &at);
                let a = &self.tiles()[source_tile(self.shape(), &coords)];
                (a, &other.tiles()[source_tile(other.shape(), &coords)])
            });
            Ok(eval.dot(&terms.collect::<Vec<_>>())?)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        TileTensor::trusted(shape, tiles).sum_inside_dims(eval, &dims)
    }

    /// `Σ a ⊙ p` over the dimensions `dims`, by one `dot_plain` per tile of the result and the
    /// rotations of the sums inside.
    ///
    /// # Errors
    /// As [`TileShape::of_contraction`], or the evaluator refuses.
    pub fn contract_plain(&self, eval: &E, p: &impl PlainTiles<E>, dims: &[usize]) -> Result<Self> {
        let dims = sorted(self.shape(), dims)?;
        let shape = self.shape().of_tile_contraction(p.shape(), &dims)?;
        let inner = inner_sizes(self.shape(), p.shape(), &dims);
        let uses = shape.tiles() * inner.iter().product::<usize>();
        let mut encoded = Encoded::new(eval, p, uses);
        let tiles = all_coords(&shape).map(|mut coords| {
            let constants = inner_coords(&inner).map(|at| {
                place(&mut coords, &dims, &at);
                let a = &self.tiles()[source_tile(self.shape(), &coords)];
                Ok((a, encoded.get(source_tile(p.shape(), &coords))?))
            });
            let constants = constants.collect::<Result<Vec<_>>>()?;
            let terms: Vec<_> = constants.iter().map(|(a, p)| (*a, &**p)).collect();
            Ok(eval.dot_plain(&terms)?)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        TileTensor::trusted(shape, tiles).sum_inside_dims(eval, &dims)
    }

    /// Ascending, so that a first dimension made replicated lets the next one sum cyclically.
    fn sum_inside_dims(self, eval: &E, dims: &[usize]) -> Result<Self> {
        dims.iter()
            .try_fold(self, |sum, &d| sum.sum_inside_dim(eval, d))
    }
}

fn sorted(shape: &TileShape, dims: &[usize]) -> Result<Vec<usize>> {
    let mut sorted = dims.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != dims.len() || dims.is_empty() {
        return shape.refuse(
            "contract",
            format!("dimensions {dims:?}: list at least one and each once"),
        );
    }
    for &d in &sorted {
        shape.dim("contract", d)?;
    }
    Ok(sorted)
}

/// Number of tiles of the product along each summed dimension.
fn inner_sizes(a: &TileShape, b: &TileShape, dims: &[usize]) -> Vec<usize> {
    let size = |&d: &usize| a.dims()[d].external_size().max(b.dims()[d].external_size());
    dims.iter().map(size).collect()
}

fn inner_coords(sizes: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..sizes.iter().product()).map(|i| unflatten(i, sizes))
}

fn place(coords: &mut [usize], dims: &[usize], at: &[usize]) {
    for (&d, &i) in dims.iter().zip(at) {
        coords[d] = i;
    }
}
