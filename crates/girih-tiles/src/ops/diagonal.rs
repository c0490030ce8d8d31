//! The diagonalised product of a vector and a matrix (Halevi and Shoup, CRYPTO 2014).
//!
//! ```text
//! [n/T, ..] · [(d)n/t1, m/t2, ..]  ->  [*/t1, m/t2, ..]      T = t1 t2
//! ```
//!
//! `y_q = Σ_p Σ_k rotate(x_p, k) ⊙ M_{p t2 + k, q}` for `k < t2`, then the sum over `t1` by rotating and adding, which
//! leaves it replicated. A product of `[n/t1, m/t2]` with `[n/t1, */t2]` takes as many products, but its vector is
//! replicated; here it is not, and lies in `t2` times fewer tiles.

use std::collections::HashMap;

use girih_he::{Evaluator, GiantStep, Rotation};

use crate::tensor::{all_coords, source_tile};
use crate::{Error, PlainTileTensor, Result, TileDim, TileShape, TileTensor};

impl TileShape {
    /// The shape of the diagonalised product of this vector with a matrix.
    ///
    /// # Errors
    /// The matrix is not diagonalised, a vector `[n/(t1 t2), ..]` of its first size does not go with it, or the vector is
    /// unknown in its first dimension.
    pub fn of_diagonal_product(&self, matrix: &TileShape) -> Result<TileShape> {
        let op = "diagonal_product";
        if !matrix.is_diagonal() {
            return matrix.refuse(op, "the matrix is not diagonalised");
        }
        self.check_real(op)?;
        let (rows, columns) = (matrix.dims()[0], matrix.dims()[1]);
        let fail = |dim, why: String| {
            Err(Error::Mismatch {
                op,
                lhs: self.to_string(),
                rhs: matrix.to_string(),
                dim,
                why,
            })
        };
        if self.rank() + 1 != matrix.rank() {
            return fail(
                self.rank(),
                "the vector has one dimension less than the matrix".into(),
            );
        }
        let wanted = TileDim::basic(rows.original.unwrap_or(0), rows.tile * columns.tile)?;
        if !self.dims()[0].same_layout(&wanted) {
            return fail(
                0,
                format!("the vector lies as {}, not {wanted}", self.dims()[0]),
            );
        }
        // What is left is a product of dimensions in place: those of the matrix against the vector's.
        let replicated = [rows.tile, columns.tile].map(TileDim::replicated);
        let [first, second] = replicated;
        let mut dims = vec![first?, second?];
        dims.extend(&self.dims()[1..]);
        let product = TileShape::try_new(dims)?.of_product(&matrix.clone().straight())?;
        let mut dims = product.dims().to_vec();
        dims[0] = TileDim::replicated(rows.tile)?;
        TileShape::try_new(dims)
    }
}

impl<E: Evaluator> TileTensor<E> {
    /// The product of this vector with an encrypted diagonalised matrix.
    ///
    /// Costs `t2 − 1` rotations of every tile of the vector (each decomposed once), one `dot` per tile of the result with a
    /// term for each of the matrix' tiles above it, and `log₂ t1` rotations each; one level.
    ///
    /// # Errors
    /// As [`TileShape::of_diagonal_product`], or the evaluator refuses.
    pub fn diagonal_product(&self, eval: &E, matrix: &Self) -> Result<Self> {
        let plan = Product::new(self.shape(), matrix.shape())?;
        let mut rotated = Vec::with_capacity(self.tiles().len());
        for x in self.tiles() {
            let by: Vec<Rotation> = (0..plan.steps).map(|k| plan.rotation(k)).collect();
            rotated.push(eval.rotate_many(x, &by)?);
        }
        let tiles = all_coords(&plan.result).map(|coords| {
            let terms = plan.terms(self.shape(), matrix.shape(), &coords);
            let terms = terms.map(|(k, x, m)| (&rotated[x][k], &matrix.tiles()[m]));
            Ok(eval.dot(&terms.collect::<Vec<_>>())?)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        plan.fold(eval, tiles)
    }

    /// The product of this vector with a constant diagonalised matrix, by one
    /// [`sum_rotated_products`](Evaluator::sum_rotated_products) per tile of the result and `log₂ t1` rotations each; one
    /// level.
    ///
    /// `k = g + b`: `2^⌈log₂(t2)/2⌉` baby steps `b` of every tile of the vector, which need no division, and the giant steps
    /// `g` of sums, whose constants are rotated back beforehand: about `2 √t2` keys instead of `t2 − 1`.
    ///
    /// # Errors
    /// As [`TileShape::of_diagonal_product`], or the evaluator refuses.
    pub fn diagonal_product_plain(&self, eval: &E, matrix: &PlainTileTensor) -> Result<Self> {
        let plan = Product::new(self.shape(), matrix.shape())?;
        plan.result.check_slots(eval.slots())?;
        let uses = plan.result.tiles() * matrix.shape().dims()[0].external_size();
        let reused = uses > matrix.shape().tiles();
        let babies = 1 << plan.steps.ilog2().div_ceil(2);
        let mut encoded: HashMap<usize, E::Plaintext> = HashMap::new();
        let mut constant = |k: usize, m: usize| -> Result<E::Plaintext> {
            if let Some(known) = encoded.get(&m) {
                return Ok(known.clone());
            }
            let back = k / babies * babies * plan.stride;
            let mut values = matrix.tile(m)?;
            values.rotate_right(back);
            let name = format!("{}/{m}/rotated-{back}", matrix.name());
            let new = eval.constant(&name, &values)?;
            if reused {
                encoded.insert(m, new.clone());
            }
            Ok(new)
        };
        let tiles = all_coords(&plan.result).map(|coords| {
            let terms = plan.terms(self.shape(), matrix.shape(), &coords);
            let terms = terms.map(|(k, x, m)| Ok((k, x, constant(k, m)?)));
            let terms = terms.collect::<Result<Vec<_>>>()?;
            let giant = |g: usize| GiantStep {
                by: plan.rotation(g * babies),
                terms: terms
                    .iter()
                    .filter(|(k, ..)| k / babies == g)
                    .map(|(k, x, m)| (&self.tiles()[*x], plan.rotation(k % babies), m))
                    .collect(),
            };
            let giants: Vec<_> = (0..plan.steps.div_ceil(babies)).map(giant).collect();
            Ok(eval.sum_rotated_products(&giants)?)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        plan.fold(eval, tiles)
    }
}

struct Product {
    result: TileShape,
    /// Rotations of a tile of the vector, `t2`.
    steps: usize,
    /// Distance in slots of neighbours along the vector.
    stride: usize,
}

impl Product {
    fn new(vector: &TileShape, matrix: &TileShape) -> Result<Self> {
        Ok(Product {
            result: vector.of_diagonal_product(matrix)?,
            steps: matrix.dims()[1].tile,
            stride: vector.stride(0),
        })
    }

    fn rotation(&self, k: usize) -> Rotation {
        Rotation((k * self.stride) as i32)
    }

    /// The terms of the tile of the result at `coords`: rotation, tile of the vector, tile of the matrix.
    fn terms<'a>(
        &'a self,
        vector: &'a TileShape,
        matrix: &'a TileShape,
        coords: &'a [usize],
    ) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        (0..matrix.dims()[0].external_size()).map(move |row| {
            let (block, k) = (row / self.steps, row % self.steps);
            let mut at = coords.to_vec();
            at[0] = row;
            let m = source_tile(matrix, &at);
            at.remove(0);
            at[0] = block;
            (k, source_tile(vector, &at), m)
        })
    }

    /// The sum over the first dimension, inside each tile.
    fn fold<E: Evaluator>(&self, eval: &E, tiles: Vec<E::Ciphertext>) -> Result<TileTensor<E>> {
        let (t1, stride) = (self.result.dims()[0].tile, self.result.stride(0));
        let by = (0..t1.ilog2()).map(|k| (stride << k) as i64);
        TileTensor::trusted(self.result.clone(), tiles).fold_rotations(
            eval,
            self.result.clone(),
            by,
        )
    }
}
