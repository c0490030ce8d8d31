//! Interleaved two-dimensional convolution and pooling.
//!
//! Data have five dimensions; rows X and columns Y are interleaved:
//!
//! | | CXYFB | FXYCB |
//! |---|---|---|
//! | image | `[C/t0, X~/t1, Y~/t2, */t3, B/t4]` | `[*/t0, X~/t1, Y~/t2, C/t3, B/t4]` |
//! | filters, per tap | `[C/t0, */t1, */t2, F/t3, */t4]` | `[F/t0, */t1, */t2, C/t3, */t4]` |
//! | result | `[*/t0, X'~/t1, Y'~/t2, F/t3, B/t4]` | `[F/t0, X'~/t1, Y'~/t2, 1?/t3, B/t4]` |
//!
//! The result of one is the image of the other (after a mask and copy behind FXYCB), so that a network
//! alternates them and re-tiles nothing.
//!
//! Pixel `x` lies in tile `x mod e`, slot `⌊x/e⌋`: the neighbour at distance `d` is in another tile at
//! the same slot, except where the tile number wraps, one slot on. Only tiles at the border are
//! rotated, `(eₓ+2p)(e_y+2p) − eₓ·e_y` rotations per channel and batch tile for an odd kernel of
//! radius `p`, shared by all filters. A stride that divides `e` computes every stride-th tile.
//!
//! After Aharoni et al., "HeLayers: A Tile Tensors Framework for Large Neural Networks on Encrypted
//! Data" (2023), section on interleaved packing.

mod axis;
mod plan;
mod weights;

use girih_he::Evaluator;
use ndarray::{Array1, Array3, Array4};

use crate::{Error, PlainTileTensor, Result, TileShape, TileTensor};
use plan::Plan;
use weights::Weights;

/// Which of dimensions 0 and 3 holds the channels of an image; the other takes the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// Channels in dimension 0, filters in dimension 3.
    Cxyfb,
    /// Filters in dimension 0, channels in dimension 3.
    Fxycb,
}

impl Convention {
    /// The dimension of the channels.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Convention::Cxyfb => 0,
            Convention::Fxycb => 3,
        }
    }

    /// The dimension of the filters.
    #[must_use]
    pub fn filters(self) -> usize {
        3 - self.channels()
    }
}

/// What becomes of unused slots along rows and columns that would receive values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnusedSlots {
    /// They become unknown, so that one constant per tap serves all tiles inside the image.
    Unknown,
    /// They stay zero, at the price of more constants (no more operations).
    Zero,
}

/// Zero pixels assumed around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same on all sides.
    #[must_use]
    pub fn symmetric(pixels: usize) -> Self {
        Padding {
            top: pixels,
            bottom: pixels,
            left: pixels,
            right: pixels,
        }
    }
}

/// How a window moves over an image. Rows come before columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvConfig {
    /// The layout of images.
    pub convention: Convention,
    /// Distance of neighbouring windows.
    pub stride: [usize; 2],
    /// Zero pixels around the image.
    pub padding: Padding,
    /// What becomes of unused slots.
    pub unused: UnusedSlots,
}

/// A two-dimensional convolution (cross-correlation, as in ONNX) or pooling over tile tensors.
#[derive(Clone, Debug)]
pub struct Conv2d {
    name: String,
    weights: Weights,
    bias: Option<Array1<f64>>,
    config: ConvConfig,
}

impl Conv2d {
    /// `y[f] = b[f] + Σ_{c,i,j} w[f,c,i,j] · x[c, δ·y+i−p, …]`; `filters` is F × C × rows × columns.
    ///
    /// # Errors
    /// An empty kernel, a stride of zero, or another number of biases than filters.
    pub fn full(
        name: impl Into<String>,
        filters: Array4<f64>,
        bias: Option<Array1<f64>>,
        config: ConvConfig,
    ) -> Result<Self> {
        Self::checked(name.into(), Weights::Full(filters), bias, config)
    }

    /// One filter per channel, no sum over channels; `filters` is C × rows × columns. The layout of
    /// the result is that of the image.
    ///
    /// # Errors
    /// An empty kernel, a stride of zero, or another number of biases than channels.
    pub fn depthwise(
        name: impl Into<String>,
        filters: Array3<f64>,
        bias: Option<Array1<f64>>,
        config: ConvConfig,
    ) -> Result<Self> {
        Self::checked(name.into(), Weights::Depthwise(filters), bias, config)
    }

    /// The mean of each window, per channel; zeros of the padding count.
    ///
    /// # Errors
    /// An empty kernel or a stride of zero.
    pub fn mean_pool(kernel: [usize; 2], config: ConvConfig) -> Result<Self> {
        let name = format!("mean{}x{}", kernel[0], kernel[1]);
        Self::checked(name, Weights::Mean(kernel), None, config)
    }

    fn checked(
        name: String,
        weights: Weights,
        bias: Option<Array1<f64>>,
        config: ConvConfig,
    ) -> Result<Self> {
        let fail = |why: String| {
            Err(Error::Unsupported {
                op: "convolution",
                shape: name.clone(),
                why,
            })
        };
        if weights.is_empty() {
            return fail("the filters are empty".into());
        }
        if config.stride.contains(&0) {
            return fail("the stride is at least 1".into());
        }
        if let (Some(b), Some(n)) = (&bias, weights.outputs())
            && b.len() != n
        {
            return fail(format!("{} biases for {n} filters", b.len()));
        }
        Ok(Conv2d {
            name,
            weights,
            bias,
            config,
        })
    }

    /// The layout of the result for an image of the given layout.
    ///
    /// # Errors
    /// An image of another rank or number of channels, rows or columns not interleaved, a stride that
    /// does not divide the external size, a window larger than the padded image, or a result that
    /// does not fit the tiles.
    pub fn output_shape(&self, image: &TileShape) -> Result<TileShape> {
        let plan = self.plan(&self.replicated(image)?)?;
        let sum = plan.sum_shape()?;
        match &self.bias {
            Some(b) if self.config.unused == UnusedSlots::Unknown => {
                sum.of_sum(self.bias_tensor(b, &sum)?.shape())
            }
            _ => Ok(sum),
        }
    }

    /// The layout of the weights of one tap for an image of the given layout.
    ///
    /// # Errors
    /// As [`output_shape`](Conv2d::output_shape).
    pub fn weight_shape(&self, image: &TileShape) -> Result<TileShape> {
        Ok(self.plan(&self.replicated(image)?)?.weight_shape().clone())
    }

    /// The convolution of an image.
    ///
    /// Costs, per tile of the result, one `dot_plain` with as many terms as there are taps and
    /// channel tiles, and the rotations of the sum over channels; before that the rotations of border
    /// tiles. An image whose filter dimension is not replicated is masked and copied first.
    ///
    /// # Errors
    /// As [`output_shape`](Conv2d::output_shape), or the evaluator refuses.
    pub fn forward<E: Evaluator>(&self, eval: &E, image: &TileTensor<E>) -> Result<TileTensor<E>> {
        let shape = self.replicated(image.shape())?;
        let y = if shape == *image.shape() {
            self.plan(&shape)?.run(eval, image)?
        } else {
            let image = image.replicate_over_dim(eval, self.config.convention.filters())?;
            self.plan(image.shape())?.run(eval, &image)?
        };
        match &self.bias {
            None => Ok(y),
            Some(b) => {
                let bias = self.bias_tensor(b, y.shape())?;
                match self.config.unused {
                    UnusedSlots::Unknown => y.add_plain(eval, &bias),
                    UnusedSlots::Zero => y.add_plain_to_used(eval, &bias),
                }
            }
        }
    }

    /// The layout of the image once its filter dimension is replicated (if there are filters).
    fn replicated(&self, image: &TileShape) -> Result<TileShape> {
        match self.weights {
            Weights::Full(_) if image.rank() == 5 => {
                image.of_replication(self.config.convention.filters())
            }
            _ => Ok(image.clone()),
        }
    }

    fn plan(&self, image: &TileShape) -> Result<Plan<'_>> {
        Plan::new(&self.name, &self.weights, &self.config, image)
    }

    /// The biases, replicated everywhere but along the filters of the result.
    fn bias_tensor(&self, bias: &Array1<f64>, result: &TileShape) -> Result<PlainTileTensor> {
        let filters = match self.weights {
            Weights::Full(_) => self.config.convention.filters(),
            Weights::Depthwise(_) | Weights::Mean(_) => self.config.convention.channels(),
        };
        let shape = weights::only_dims(result, &[filters])?;
        let values = bias.to_shape(shape.original_sizes()?);
        let values = values.map_err(|_| shape.array_sizes(&[bias.len()]))?;
        PlainTileTensor::try_new(format!("{}/bias", self.name), &values.view(), &shape)
    }
}
