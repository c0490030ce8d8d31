//! Copying the single element of a dimension into all its slots.

use girih_he::Evaluator;

use crate::{Result, TileTensor};

impl<E: Evaluator> TileTensor<E> {
    /// `1/t` or `1?/t` to `*/t`: `log₂ t` rotations per tile (fewer if the element has copies
    /// already), and before them one mask (a level) if anything in the shape is flagged `?`.
    ///
    /// # Errors
    /// No such dimension, it has more than one element, or the evaluator refuses.
    pub fn replicate_over_dim(&self, eval: &E, dim: usize) -> Result<Self> {
        let shape = self.shape().of_replication(dim)?;
        let d = self.shape().dims()[dim];
        if d.is_replicated() {
            return Ok(self.clone());
        }
        let (copies, clean) = if !d.copies().is_power_of_two() {
            (1, self.keep_first_copy(eval, dim)?)
        } else if self.shape().replication_needs_mask(dim) {
            (d.copies(), self.mul_scalar_and_clear(eval, 1.0)?)
        } else {
            (d.copies(), self.clone())
        };
        let stride = self.shape().stride(dim);
        let doublings = copies.ilog2()..d.tile_size().ilog2();
        clean.fold_rotations(eval, shape, doublings.map(|k| -((stride << k) as i64)))
    }

    /// Masks away all copies but the first.
    fn keep_first_copy(&self, eval: &E, dim: usize) -> Result<Self> {
        let one = crate::TileDim::basic(1, self.shape().dims()[dim].tile_size())?;
        let shape = self.shape().with_dim(dim, one);
        TileTensor::trusted(shape, self.tiles().to_vec()).mul_scalar_and_clear(eval, 1.0)
    }
}
