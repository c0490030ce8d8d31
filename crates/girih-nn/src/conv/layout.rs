//! Where a `[channels, height, width]` tensor lies, whatever the method.

use std::fmt;

use girih_tiles::{SlotContent, TileShape};

use super::shape_error;
use crate::{Placement, Result};

/// Which comes first in the dimensions of a tile tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelOrder {
    /// Channels, then pixels, then the batch.
    First,
    /// Pixels, then channels in the last dimension but the batch.
    Last,
}

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq)]
pub enum Layout {
    /// Each feature at its place.
    Placed(Placement),
    /// By the dimensions of a tile tensor, the last of which is the batch.
    Tiles {
        /// The dimensions.
        shape: TileShape,
        /// Whether channels precede pixels.
        channels: ChannelOrder,
    },
}

impl Layout {
    /// Number of ciphertexts.
    #[must_use]
    pub fn tiles(&self) -> usize {
        match self {
            Layout::Placed(p) => p.tiles(),
            Layout::Tiles { shape, .. } => shape.tiles(),
        }
    }

    /// The tiles of `samples[b][feature]`; missing samples are zero.
    ///
    /// # Errors
    /// More samples than the batch, or one of another size.
    pub fn pack(&self, samples: &[&[f64]]) -> Result<Vec<Vec<f64>>> {
        let features = self.features()?;
        self.check_samples(samples.len())?;
        if let Some(bad) = samples.iter().find(|s| s.len() != features) {
            return Err(shape_error(format!(
                "a sample of {} values, {self} holds {features}",
                bad.len()
            )));
        }
        let shape = match self {
            Layout::Placed(p) => return Ok(p.pack(samples)),
            Layout::Tiles { shape, .. } => shape,
        };
        let address = self.address()?;
        let value = |content: SlotContent| match content {
            SlotContent::Element(at) => {
                let (sample, feature) = address(at);
                samples.get(sample).map_or(0.0, |s| s[feature])
            }
            SlotContent::Zero | SlotContent::Unknown => 0.0,
        };
        (0..shape.tiles())
            .map(|t| Ok(shape.slot_contents(t)?.into_iter().map(value).collect()))
            .collect()
    }

    /// The features of the first samples.
    ///
    /// # Errors
    /// Another number of tiles or slots, more samples than the batch.
    pub fn unpack(&self, tiles: &[Vec<f64>], samples: usize) -> Result<Vec<Vec<f64>>> {
        self.check_samples(samples)?;
        let slots = match self {
            Layout::Placed(p) => p.slots(),
            Layout::Tiles { shape, .. } => shape.slots(),
        };
        if tiles.len() != self.tiles() || tiles.iter().any(|t| t.len() != slots) {
            return Err(shape_error(format!(
                "{} tiles of {:?} slots, {self} has {} of {slots}",
                tiles.len(),
                tiles.first().map_or(0, Vec::len),
                self.tiles()
            )));
        }
        let shape = match self {
            Layout::Placed(p) => return Ok(p.unpack(tiles, samples)),
            Layout::Tiles { shape, .. } => shape,
        };
        let address = self.address()?;
        let mut read = vec![vec![0.0; self.features()?]; samples];
        for (t, tile) in tiles.iter().enumerate() {
            for (content, &value) in shape.slot_contents(t)?.into_iter().zip(tile) {
                if let SlotContent::Element(at) = content {
                    let (sample, feature) = address(at);
                    if let Some(features) = read.get_mut(sample) {
                        features[feature] = value;
                    }
                }
            }
        }
        Ok(read)
    }

    fn batch(&self) -> usize {
        match self {
            Layout::Placed(p) => p.batch(),
            Layout::Tiles { shape, .. } => {
                let last = shape.dims().last();
                last.and_then(|d| d.original_size()).unwrap_or(1)
            }
        }
    }

    fn features(&self) -> Result<usize> {
        match self {
            Layout::Placed(p) => Ok(p.features()),
            Layout::Tiles { shape, .. } => {
                let all: usize = shape.original_sizes()?.iter().product();
                Ok(all / self.batch())
            }
        }
    }

    fn check_samples(&self, samples: usize) -> Result<()> {
        if samples <= self.batch() {
            return Ok(());
        }
        Err(shape_error(format!(
            "{samples} samples for a batch of {}",
            self.batch()
        )))
    }

    /// Sample and feature of an element of the tile tensor.
    fn address(&self) -> Result<impl Fn(usize) -> (usize, usize) + use<>> {
        let batch = self.batch();
        let planes = match self {
            Layout::Tiles {
                shape,
                channels: ChannelOrder::Last,
            } => {
                let sizes = shape.original_sizes()?;
                let channels = sizes.iter().rev().nth(1).copied().unwrap_or(1);
                Some((channels, self.features()? / channels))
            }
            _ => None,
        };
        Ok(move |at: usize| {
            let (sample, feature) = (at % batch, at / batch);
            match planes {
                Some((channels, pixels)) => {
                    (sample, feature % channels * pixels + feature / channels)
                }
                None => (sample, feature),
            }
        })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layout::Placed(p) => p.fmt(f),
            Layout::Tiles { shape, .. } => shape.fmt(f),
        }
    }
}
