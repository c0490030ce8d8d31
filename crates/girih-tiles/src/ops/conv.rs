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
//! radius `p`, shared by all filters. The [`Window`] says what a tap reads:
//!
//! | | result `y` reads pixel | tiles of the result |
//! |---|---|---|
//! | stride `δ` that divides `e` | `δy + di − p` | every `δ`-th, `e/δ` |
//! | what is left of a stride, `δ/gcd(δ, e)` | the same | the results lie that many slots apart (*internal stride*) |
//! | transposed | `(y + p − di)/δ`, if whole | `δ` times as many |
//!
//! An internal stride splits rows (or columns) in two dimensions, the second being the *phase*: the
//! result has seven dimensions, `[C/t0, X~/(t1/g), 1?/g, Y~/(t2/g), 1?/g, F/t3, B/t4]`, and is an image like
//! any other.
//!
//! **Borders.** A tap that leaves the image is confined to the slots where it does not, by zeros in its
//! constant. Where the shape has room for the padding (`n~E/t` with `E·t ≥ n + p`, unused slots zero) the
//! slots outside are zeros that lie in the tiles, and one constant per tap serves every tile: physical
//! padding is a larger external size. Both cost the same operations.
//!
//! After Aharoni et al., "HeLayers: A Tile Tensors Framework for Large Neural Networks on Encrypted
//! Data" (2023), section on interleaved packing.

mod axis;
mod counts;
mod filters;
mod operand;
mod plan;
mod window;

use girih_he::Evaluator;
use ndarray::{ArrayView1, IxDyn};

use crate::{Error, PlainTileTensor, Result, TileShape, TileTensor};
use operand::Plain;
use plan::Plan;

pub use counts::Counts;
pub use filters::Filters;
pub use operand::EncryptedFilters;
pub use window::{Direction, Window};

/// Which of the first dimension and the last but one holds the channels of an image; the other takes
/// the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// Channels in the first dimension, filters in the last but one.
    Cxyfb,
    /// Filters in the first dimension, channels in the last but one.
    Fxycb,
}

impl Convention {
    /// The dimension of the channels in an image of `rank` dimensions.
    #[must_use]
    pub fn channels(self, rank: usize) -> usize {
        match self {
            Convention::Cxyfb => 0,
            Convention::Fxycb => rank.saturating_sub(2),
        }
    }

    /// The dimension of the filters in an image of `rank` dimensions.
    #[must_use]
    pub fn filters(self, rank: usize) -> usize {
        self.other().channels(rank)
    }

    /// The convention that takes the results of this one.
    #[must_use]
    pub fn other(self) -> Convention {
        match self {
            Convention::Cxyfb => Convention::Fxycb,
            Convention::Fxycb => Convention::Cxyfb,
        }
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

/// How a window moves over an image, and the layout of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvConfig {
    /// The layout of images.
    pub convention: Convention,
    /// Rows and columns.
    pub windows: [Window; 2],
    /// What becomes of unused slots.
    pub unused: UnusedSlots,
}

/// A two-dimensional convolution (cross-correlation, as in ONNX) or pooling over interleaved tiles:
/// `y[f] = b[f] + Σ_{c,i,j} w[f,c,i,j] · x[c, pixel(y, i), pixel(x, j)]` with the pixels of the [`Window`]s.
#[derive(Clone, Debug)]
pub struct InterleavedConv {
    name: String,
    filters: Filters,
    bias: Option<Vec<f64>>,
    config: ConvConfig,
}

impl InterleavedConv {
    /// A convolution; `name` prefixes the names of its constants.
    ///
    /// # Errors
    /// A kernel of another size than the windows, or another number of biases than filters.
    pub fn try_new(
        name: impl Into<String>,
        filters: Filters,
        bias: Option<Vec<f64>>,
        config: ConvConfig,
    ) -> Result<Self> {
        let name = name.into();
        let fail = |why: String| {
            Err(Error::Unsupported {
                op: "convolution",
                shape: name.clone(),
                why,
            })
        };
        let kernel = config.windows.map(|w| w.kernel);
        if kernel != filters.kernel() {
            return fail(format!(
                "filters of {:?} taps, windows of {kernel:?}",
                filters.kernel()
            ));
        }
        if let Some(b) = &bias
            && filters.outputs().is_none_or(|n| n != b.len())
        {
            return fail(format!(
                "{} biases for {} filters",
                b.len(),
                filters.outputs().unwrap_or(0)
            ));
        }
        Ok(InterleavedConv {
            name,
            filters,
            bias,
            config,
        })
    }

    /// The layout of the result for an image of the given layout.
    ///
    /// # Errors
    /// An image of another rank or number of channels, rows or columns not interleaved, a stride that
    /// leaves no power of two beside the tiles, a window larger than the padded image, or a result that
    /// does not fit the tiles.
    pub fn output_shape(&self, image: &TileShape) -> Result<TileShape> {
        let sum = self.plan(&self.replicated(image)?)?.sum_shape()?;
        match self.bias_tensor(&sum)? {
            Some(b) if self.config.unused == UnusedSlots::Unknown => sum.of_sum(b.shape()),
            _ => Ok(sum),
        }
    }

    /// The layout of the weights of one tap for an image of the given layout.
    ///
    /// # Errors
    /// As [`output_shape`](InterleavedConv::output_shape).
    pub fn weight_shape(&self, image: &TileShape) -> Result<TileShape> {
        self.plan(&self.replicated(image)?)?.weight_shape()
    }

    /// The convolution of an image.
    ///
    /// Costs, per tile of the result, one `dot_plain` with as many terms as there are taps inside the image and
    /// channel tiles of the groups, and the rotations of the sum over channels; before that the rotations of
    /// border tiles. An image whose filter dimension is not replicated is masked and copied first. In
    /// numbers: [`counts`](InterleavedConv::counts).
    ///
    /// # Errors
    /// As [`output_shape`](InterleavedConv::output_shape), or the evaluator refuses.
    pub fn forward<E: Evaluator>(&self, eval: &E, image: &TileTensor<E>) -> Result<TileTensor<E>> {
        let image = self.prepared(eval, image)?;
        let y = self.plan(image.shape())?.run(eval, &image, &mut Plain)?;
        match (self.bias_tensor(y.shape())?, self.config.unused) {
            (None, _) => Ok(y),
            (Some(b), UnusedSlots::Unknown) => y.add_plain(eval, &b),
            (Some(b), UnusedSlots::Zero) => y.add_plain_to_used(eval, &b),
        }
    }

    /// Filters and biases, each distinct constant once, as `encrypt` encrypts them, for images of the given
    /// layout.
    ///
    /// # Errors
    /// As [`output_shape`](InterleavedConv::output_shape), or what `encrypt` fails with.
    pub fn encrypt_filters<E: Evaluator, X: From<Error>>(
        &self,
        eval: &E,
        image: &TileShape,
        mut encrypt: impl FnMut(&[f64]) -> std::result::Result<E::Ciphertext, X>,
    ) -> std::result::Result<EncryptedFilters<E>, X> {
        let shape = self.replicated(image)?;
        shape.check_slots(eval.slots())?;
        let plan = self.plan(&shape)?;
        let taps = plan.constants()?.into_iter();
        let taps = taps.map(|(name, c)| Ok((name, encrypt(&plan.values(&c)?)?)));
        let taps = taps.collect::<std::result::Result<_, X>>()?;
        let bias = match self.bias_tensor(&plan.sum_shape()?)? {
            None => None,
            Some(bias) => {
                let tiles = (0..bias.shape().tiles()).map(|t| encrypt(&bias.tile(t)?));
                let tiles = tiles.collect::<std::result::Result<_, X>>()?;
                Some(TileTensor::try_new(eval, bias.shape().clone(), tiles)?)
            }
        };
        Ok(EncryptedFilters { taps, bias })
    }

    /// [`forward`](InterleavedConv::forward) with encrypted filters; the filters and biases of this convolution
    /// are not read, only their sizes. Unused slots along rows and columns become unknown where a bias is added.
    ///
    /// Costs one `dot` per tile of the result (one relinearisation) in place of each `dot_plain`.
    ///
    /// # Errors
    /// As [`output_shape`](InterleavedConv::output_shape), filters encrypted for another layout, or the
    /// evaluator refuses.
    pub fn forward_encrypted<E: Evaluator>(
        &self,
        eval: &E,
        image: &TileTensor<E>,
        filters: &EncryptedFilters<E>,
    ) -> Result<TileTensor<E>> {
        let image = self.prepared(eval, image)?;
        let y = self
            .plan(image.shape())?
            .run(eval, &image, &mut &*filters)?;
        match &filters.bias {
            None => Ok(y),
            Some(bias) => y.add(eval, bias),
        }
    }

    /// The image with its filter dimension replicated (if there are filters).
    fn prepared<E: Evaluator>(&self, eval: &E, image: &TileTensor<E>) -> Result<TileTensor<E>> {
        if self.replicated(image.shape())? == *image.shape() {
            return Ok(image.clone());
        }
        let dim = self.config.convention.filters(image.shape().rank());
        image.replicate_over_dim(eval, dim)
    }

    /// The layout of the image once its filter dimension is replicated (if there are filters).
    fn replicated(&self, image: &TileShape) -> Result<TileShape> {
        if self.filters.is_summed() && matches!(image.rank(), 5 | 7) {
            image.of_replication(self.config.convention.filters(image.rank()))
        } else {
            Ok(image.clone())
        }
    }

    fn plan(&self, image: &TileShape) -> Result<Plan<'_>> {
        Plan::new(&self.name, &self.filters, &self.config, image)
    }

    /// The biases, replicated everywhere but along the filters of the result.
    fn bias_tensor(&self, result: &TileShape) -> Result<Option<PlainTileTensor>> {
        let Some(bias) = &self.bias else {
            return Ok(None);
        };
        let convention = self.config.convention;
        let filters = if self.filters.is_summed() {
            convention.filters(result.rank())
        } else {
            convention.channels(result.rank())
        };
        let shape = filters::only_dims(result, &[filters])?;
        let values = ArrayView1::from(bias.as_slice());
        let values = values.to_shape(IxDyn(&shape.original_sizes()?));
        let values = values.map_err(|_| shape.array_sizes(&[bias.len()]))?;
        PlainTileTensor::try_new(format!("{}/bias", self.name), &values.view(), &shape).map(Some)
    }
}
