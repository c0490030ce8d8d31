//! What operations cost, from the shapes alone.

use std::ops::Add;

use crate::{Result, TileShape};

/// Counts of the operations that cost time, and of levels. (Sums are not counted.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cost {
    /// Products of ciphertexts with ciphertexts or constants.
    pub products: usize,
    /// Rotations.
    pub rotations: usize,
    /// Multiplicative levels.
    pub levels: usize,
}

impl Add for Cost {
    type Output = Cost;

    /// One after the other.
    fn add(self, other: Cost) -> Cost {
        Cost {
            products: self.products + other.products,
            rotations: self.rotations + other.rotations,
            levels: self.levels + other.levels,
        }
    }
}

impl TileShape {
    /// The cost of [`contract`](crate::TileTensor::contract) and
    /// [`contract_plain`](crate::TileTensor::contract_plain): as many products as the product has tiles; for each tile of
    /// the result and each summed dimension `log₂ t` rotations (`⌈log₂ n⌉` where it does not rotate cyclically); one level.
    ///
    /// # Errors
    /// As [`of_contraction`](TileShape::of_contraction).
    pub fn contraction_cost(&self, other: &TileShape, dims: &[usize]) -> Result<Cost> {
        self.of_contraction(other, dims)?;
        let product = self.of_product(other)?;
        let mut cost = Cost {
            products: product.tiles(),
            rotations: 0,
            levels: 1,
        };
        let mut dims = dims.to_vec();
        dims.sort_unstable();
        let sum = dims
            .iter()
            .try_fold(product, |s, &d| s.with_tiles_summed(d))?;
        dims.iter().try_fold(sum, |shape, &d| {
            cost.rotations += shape.tiles() * shape.folds(d)? as usize;
            shape.of_sum_over(d)
        })?;
        Ok(cost)
    }

    /// The cost of [`contract_complex`](crate::TileTensor::contract_complex): that of the contraction with half as many
    /// tiles along the complex-packed dimension, and a conjugation for each tile of the result, counted as a rotation.
    ///
    /// # Errors
    /// As [`of_complex_contraction`](TileShape::of_complex_contraction).
    pub fn complex_contraction_cost(&self, weights: &TileShape, dims: &[usize]) -> Result<Cost> {
        let result = self.of_complex_contraction(weights, dims)?;
        let mut cost = self
            .complex_valued()?
            .contraction_cost(&weights.complex_valued()?, dims)?;
        cost.rotations += result.tiles();
        Ok(cost)
    }

    /// The cost of [`diagonal_product`](crate::TileTensor::diagonal_product): a product for every tile of the matrix and
    /// tile of the other dimensions, `t2 − 1` rotations of every tile of the vector, `log₂ t1` of every tile of the result,
    /// one level. (A constant matrix takes baby and giant steps instead of the `t2 − 1` rotations.)
    ///
    /// # Errors
    /// As [`of_diagonal_product`](TileShape::of_diagonal_product).
    pub fn diagonal_product_cost(&self, matrix: &TileShape) -> Result<Cost> {
        let result = self.of_diagonal_product(matrix)?;
        let (rows, columns) = (matrix.dims()[0], matrix.dims()[1]);
        Ok(Cost {
            products: result.tiles() * rows.external_size(),
            rotations: self.tiles() * (columns.tile_size() - 1)
                + result.tiles() * rows.tile_size().ilog2() as usize,
            levels: 1,
        })
    }

    /// The cost of [`replicate_over_dim`](crate::TileTensor::replicate_over_dim): `log₂ (t/d)` rotations per tile for `d`
    /// copies; a mask per tile, one level, and all `log₂ t` rotations if `d` is no power of two; a mask and a level if
    /// something is unknown.
    ///
    /// # Errors
    /// As [`of_replication`](TileShape::of_replication).
    pub fn replication_cost(&self, dim: usize) -> Result<Cost> {
        self.of_replication(dim)?;
        let d = self.dims()[dim];
        let copies = match d.copies().is_power_of_two() {
            true => d.copies(),
            false => 1,
        };
        let masks = usize::from(self.replication_needs_mask(dim));
        Ok(Cost {
            products: masks * self.tiles(),
            rotations: self.tiles() * (d.tile_size().ilog2() - copies.ilog2()) as usize,
            levels: masks,
        })
    }
}
