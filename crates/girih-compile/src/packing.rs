//! How a tensor of the client becomes slot vectors and back: all a client needs to know of a compiled model.

use girih_nn::Placement;
use ndarray::{ArrayD, Axis, IxDyn};

use crate::{Error, Result};

/// Places of a tensor `[batch, …shape]` in the slots of ciphertexts.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorPacking {
    name: String,
    shape: Vec<usize>,
    placement: Placement,
}

impl TensorPacking {
    /// Packs tensors called `name` of a shape (without the batch) at a placement.
    ///
    /// # Errors
    /// A placement of another number of features.
    pub fn try_new(
        name: impl Into<String>,
        shape: Vec<usize>,
        placement: Placement,
    ) -> Result<Self> {
        let features: usize = shape.iter().product();
        if placement.features() != features {
            return Err(Error::Packing {
                why: format!(
                    "shape {shape:?} has {features} values, the placement {}",
                    placement.features()
                ),
            });
        }
        Ok(TensorPacking {
            name: name.into(),
            shape,
            placement,
        })
    }

    /// Name of the tensor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape of one sample.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Where the values lie.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Samples that one set of ciphertexts holds.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.placement.batch()
    }

    /// The program's names of the ciphertexts, one for each tile: `name/0`, `name/1`, …
    #[must_use]
    pub fn tile_names(&self) -> Vec<String> {
        (0..self.placement.tiles())
            .map(|t| format!("{}/{t}", self.name))
            .collect()
    }

    /// One slot vector for each tile from a tensor `[samples, …shape]`, `1 ≤ samples ≤ batch`; missing samples are zero.
    ///
    /// # Errors
    /// Another shape, no sample or too many, a value that is not finite.
    pub fn pack(&self, tensor: &ArrayD<f64>) -> Result<Vec<Vec<f64>>> {
        let samples = tensor.shape().first().copied().unwrap_or(0);
        if tensor.ndim() != self.shape.len() + 1 || tensor.shape()[1..] != self.shape {
            return Err(Error::Packing {
                why: format!(
                    "the tensor has shape {:?}, expected [1..={}, {:?}]",
                    tensor.shape(),
                    self.batch(),
                    self.shape
                ),
            });
        }
        if samples == 0 || samples > self.batch() {
            return Err(Error::Packing {
                why: format!(
                    "{samples} samples, a ciphertext holds 1 to {}",
                    self.batch()
                ),
            });
        }
        if let Some((index, value)) = tensor.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(Error::Packing {
                why: format!("value {index} is {value}; only finite numbers can be encrypted"),
            });
        }
        let rows: Vec<Vec<f64>> = tensor
            .axis_iter(Axis(0))
            .map(|s| s.iter().copied().collect())
            .collect();
        let views: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        Ok(self.placement.pack(&views))
    }

    /// The tensor `[samples, …shape]` from the slot vectors.
    ///
    /// # Errors
    /// Another number or length of vectors, more samples than the batch.
    pub fn unpack(&self, tiles: &[Vec<f64>], samples: usize) -> Result<ArrayD<f64>> {
        if tiles.len() != self.placement.tiles()
            || tiles.iter().any(|t| t.len() != self.placement.slots())
        {
            return Err(Error::Packing {
                why: format!(
                    "{} slot vectors, expected {} of {} slots",
                    tiles.len(),
                    self.placement.tiles(),
                    self.placement.slots()
                ),
            });
        }
        if samples > self.batch() {
            return Err(Error::Packing {
                why: format!(
                    "{samples} samples, a ciphertext holds at most {}",
                    self.batch()
                ),
            });
        }
        let values = self.placement.unpack(tiles, samples).concat();
        let mut shape = vec![samples];
        shape.extend(&self.shape);
        ArrayD::from_shape_vec(IxDyn(&shape), values)
            .map_err(|e| Error::Packing { why: e.to_string() })
    }
}
