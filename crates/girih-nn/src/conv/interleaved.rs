//! Convolution over interleaved tiles, in the cheapest of all tilings.

use std::collections::BTreeSet;

use girih_he::Evaluator;
use girih_tiles::ops::conv::{
    ConvConfig, Convention, Counts, Direction, Filters, InterleavedConv, UnusedSlots, Window,
};
use girih_tiles::{TileDim, TileShape, TileTensor};

use super::encrypted::{EncryptedWeights, Held};
use super::layout::{ChannelOrder, Layout};
use super::{Ciphertexts, Conv2dConfig, shape_error};
use crate::Result;

#[derive(Clone, Debug)]
pub(super) struct Interleaved {
    conv: InterleavedConv,
    shape: TileShape,
    input: Layout,
    output: Layout,
}

impl Interleaved {
    /// For images of a given shape.
    pub(super) fn try_new(
        name: &str,
        config: &Conv2dConfig,
        convention: Convention,
        shape: TileShape,
    ) -> Result<Self> {
        let conv = operation(name, config, convention)?;
        Interleaved::of(conv, config, convention, shape)
    }

    fn of(
        conv: InterleavedConv,
        config: &Conv2dConfig,
        convention: Convention,
        shape: TileShape,
    ) -> Result<Self> {
        let result = conv.output_shape(&shape)?;
        let sizes = shape.original_sizes()?;
        // With phases the columns come one later.
        let columns = sizes.len() / 2;
        let held = [
            sizes[convention.channels(sizes.len())],
            sizes[1],
            sizes[columns],
        ];
        if held != config.image {
            return Err(shape_error(format!(
                "{shape} holds images {held:?}, the layer reads {:?}",
                config.image
            )));
        }
        let order = |at_front: bool| match at_front {
            true => ChannelOrder::First,
            false => ChannelOrder::Last,
        };
        let front = convention == Convention::Cxyfb;
        Ok(Interleaved {
            conv,
            input: Layout::Tiles {
                shape: shape.clone(),
                channels: order(front),
            },
            output: Layout::Tiles {
                shape: result,
                channels: order(front == config.is_depthwise()),
            },
            shape,
        })
    }

    /// The tiling of the least price.
    pub(super) fn cheapest(
        name: &str,
        config: &Conv2dConfig,
        convention: Convention,
        on: Ciphertexts<'_>,
    ) -> Result<Self> {
        let conv = operation(name, config, convention)?;
        let mut best: Option<(f64, TileShape)> = None;
        for shape in tilings(config, convention, on)? {
            let Ok(counts) = conv.counts(&shape) else {
                continue;
            };
            let price = on.price(&counts);
            if best.as_ref().is_none_or(|(p, _)| price < *p) {
                best = Some((price, shape));
            }
        }
        let Some((_, shape)) = best else {
            return Err(shape_error(format!(
                "no interleaved tiling of {} slots holds images {:?} in a batch of {}",
                on.slots, config.image, on.batch
            )));
        };
        Interleaved::of(conv, config, convention, shape)
    }

    pub(super) fn input(&self) -> &Layout {
        &self.input
    }

    pub(super) fn output(&self) -> &Layout {
        &self.output
    }

    pub(super) fn counts(&self) -> Result<Counts> {
        Ok(self.conv.counts(&self.shape)?)
    }

    pub(super) fn forward<E: Evaluator>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        let image = TileTensor::try_new(eval, self.shape.clone(), tiles.to_vec())?;
        Ok(self.conv.forward(eval, &image)?.into_parts().1)
    }

    pub(super) fn encrypt_weights<E: Evaluator>(
        &self,
        eval: &E,
        mut encrypt: impl FnMut(&[f64]) -> girih_he::Result<E::Ciphertext>,
    ) -> Result<EncryptedWeights<E>> {
        let encrypt = |v: &[f64]| Ok::<_, girih_tiles::Error>(encrypt(v)?);
        let filters = self.conv.encrypt_filters(eval, &self.shape, encrypt)?;
        Ok(EncryptedWeights(Held::Filters(filters)))
    }

    pub(super) fn forward_encrypted<E: Evaluator>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
        weights: &EncryptedWeights<E>,
    ) -> Result<Vec<E::Ciphertext>> {
        let image = TileTensor::try_new(eval, self.shape.clone(), tiles.to_vec())?;
        let y = self
            .conv
            .forward_encrypted(eval, &image, weights.filters()?)?;
        Ok(y.into_parts().1)
    }
}

fn operation(name: &str, config: &Conv2dConfig, convention: Convention) -> Result<InterleavedConv> {
    let (weight, kernel) = (config.weight.clone(), config.window.kernel);
    let filters = match config.is_depthwise() {
        true => Filters::depthwise(weight, config.filters, kernel)?,
        false => Filters::try_new(
            weight,
            config.filters,
            config.image[0],
            config.groups,
            kernel,
        )?,
    };
    let how = ConvConfig {
        convention,
        windows: config.axes(),
        unused: UnusedSlots::Unknown,
    };
    let bias = config.bias.clone();
    Ok(InterleavedConv::try_new(name, filters, bias, how)?)
}

/// Every split of the slots into powers of two for channels, rows, columns and filters, none longer than it needs to be
/// but the filters' (channels' where nothing is summed); the number of tiles along rows and columns is the least for the image,
/// the least for the result, or the next multiple of the stride.
fn tilings(
    config: &Conv2dConfig,
    convention: Convention,
    on: Ciphertexts<'_>,
) -> Result<Vec<TileShape>> {
    let units = on.units()?;
    let [channels, height, width] = config.image;
    let powers = |longest: usize| {
        let end = longest.next_power_of_two().min(units);
        (0..=end.ilog2()).map(|k| 1usize << k)
    };
    let [_, rows, cols] = config.output()?;
    let [down, across] = config.axes();
    // Tiles for the image, and for a result that needs more room.
    let externals = |length: usize, results: usize, tile: usize, window: Window| {
        let room = match window.direction {
            Direction::Forward => results * window.stride,
            Direction::Transposed { .. } => results.div_ceil(window.stride),
        };
        let least = length.max(room).div_ceil(tile);
        let all = [
            length.div_ceil(tile),
            least,
            least.next_multiple_of(window.stride),
        ];
        BTreeSet::from(all)
    };
    let mut shapes = Vec::new();
    for x in powers(height) {
        for y in powers(width).take_while(|y| x * y <= units) {
            for c in powers(channels).take_while(|c| x * y * c <= units) {
                let rest = units / (x * y * c);
                let (c, f) = match config.is_depthwise() {
                    // Nothing takes the filters' place: the channels fill the tile.
                    true if c == 1 => (rest, 1),
                    true => continue,
                    false => (c, rest),
                };
                for ex in externals(height, rows, x, down) {
                    for ey in externals(width, cols, y, across) {
                        let c = TileDim::basic(channels, c)?;
                        let f = TileDim::replicated(f)?;
                        let (first, last) = match convention {
                            Convention::Cxyfb => (c, f),
                            Convention::Fxycb => (f, c),
                        };
                        shapes.push(TileShape::try_new(vec![
                            first,
                            TileDim::interleaved_over(height, ex, x)?,
                            TileDim::interleaved_over(width, ey, y)?,
                            last,
                            TileDim::basic(on.batch, on.batch)?,
                        ])?);
                    }
                }
            }
        }
    }
    Ok(shapes)
}
