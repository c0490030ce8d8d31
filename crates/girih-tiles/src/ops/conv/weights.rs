//! Weights of a convolution and their layout.

use ndarray::{Array3, Array4};

use super::{Convention, Error};
use crate::{Result, SlotContent, TileDim, TileShape};

/// What is multiplied with the pixels of a window.
#[derive(Clone, Debug)]
pub(super) enum Weights {
    /// F × C × rows × columns, summed over channels.
    Full(Array4<f64>),
    /// C × rows × columns.
    Depthwise(Array3<f64>),
    /// One over the size of the window.
    Mean([usize; 2]),
}

impl Weights {
    /// Rows and columns.
    pub(super) fn kernel(&self) -> [usize; 2] {
        match self {
            Weights::Full(w) => [w.dim().2, w.dim().3],
            Weights::Depthwise(w) => [w.dim().1, w.dim().2],
            Weights::Mean(kernel) => *kernel,
        }
    }

    /// Number of channels read, if the weights say.
    fn channels(&self) -> Option<usize> {
        match self {
            Weights::Full(w) => Some(w.dim().1),
            Weights::Depthwise(w) => Some(w.dim().0),
            Weights::Mean(_) => None,
        }
    }

    /// Number of channels of the result, if the weights say.
    pub(super) fn outputs(&self) -> Option<usize> {
        match self {
            Weights::Full(w) => Some(w.dim().0),
            Weights::Depthwise(w) => Some(w.dim().0),
            Weights::Mean(_) => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kernel().contains(&0) || self.channels() == Some(0) || self.outputs() == Some(0)
    }

    /// The layout of one tap for an image of five dimensions.
    pub(super) fn shape(&self, image: &TileShape, convention: Convention) -> Result<TileShape> {
        let (c, f) = (convention.channels(), convention.filters());
        if let Some(channels) = self.channels()
            && image.dims()[c].original_size() != Some(channels)
        {
            return Err(Error::Unsupported {
                op: "convolution",
                shape: image.to_string(),
                why: format!("the filters read {channels} channels, in dimension {c}"),
            });
        }
        match self {
            Weights::Full(w) => {
                let filters = TileDim::basic(w.dim().0, image.dims()[f].tile_size())?;
                Ok(only_dims(image, &[c])?.with_dim(f, filters))
            }
            Weights::Depthwise(_) => only_dims(image, &[c]),
            Weights::Mean(_) => only_dims(image, &[]),
        }
    }

    /// The weight of element `flat` of that layout for tap `(i, j)`.
    fn at(&self, convention: Convention, flat: usize, [i, j]: [usize; 2]) -> f64 {
        match self {
            Weights::Full(w) => {
                let (filters, channels, _, _) = w.dim();
                let (f, c) = match convention {
                    Convention::Cxyfb => (flat % filters, flat / filters),
                    Convention::Fxycb => (flat / channels, flat % channels),
                };
                w[[f, c, i, j]]
            }
            Weights::Depthwise(w) => w[[flat, i, j]],
            Weights::Mean([rows, columns]) => 1.0 / (rows * columns) as f64,
        }
    }

    /// The slots of one tile of one tap.
    pub(super) fn tile(
        &self,
        shape: &TileShape,
        convention: Convention,
        tile: usize,
        tap: [usize; 2],
    ) -> Result<Vec<f64>> {
        let value = |content| match content {
            SlotContent::Element(flat) => self.at(convention, flat, tap),
            SlotContent::Zero | SlotContent::Unknown => 0.0,
        };
        Ok(shape.slot_contents(tile)?.into_iter().map(value).collect())
    }
}

/// A shape with all dimensions replicated but `kept`, which lose their flags.
pub(super) fn only_dims(shape: &TileShape, kept: &[usize]) -> Result<TileShape> {
    let dims = shape.dims().iter().enumerate().map(|(i, d)| {
        if kept.contains(&i) {
            Ok(d.flagged_if(false))
        } else {
            TileDim::replicated(d.tile_size())
        }
    });
    TileShape::try_new(dims.collect::<Result<_>>()?)
}
