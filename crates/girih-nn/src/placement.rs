//! Where the features of a tensor lie in the slots of its tiles.
//!
//! A tile of `slots` slots holds `units = slots / batch` units; the `batch` slots of a unit hold the same feature
//! of every sample, so that a rotation by a multiple of `batch` never mixes samples. A [`Placement`] gives every feature
//! one `(tile, unit)` and repeats the whole pattern with a period, which is the replicated outermost
//! dimension `*` of a tile tensor.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use girih_tiles::{TileDim, TileShape};

use crate::{Error, Result};

/// The place of one feature: a tile and a unit below the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Index of the tile.
    pub tile: u32,
    /// Index of the unit in the tile.
    pub unit: u32,
}

/// How an image `[channels, height, width]` is woven into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageGrid {
    /// Rows of the grid in a tile, a power of two.
    pub rows: usize,
    /// Columns of the grid in a tile, a power of two.
    pub cols: usize,
    /// Pixel `(y, x)` lies in the tile of phase `(y mod interleave, x mod interleave)`.
    pub interleave: usize,
    /// Distance of neighbouring pixels on the grid; the gaps hold further channels when `gap > 1`.
    pub gap: usize,
}

/// Where the features of a tensor lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    shape: TileShape,
    slots: usize,
    batch: usize,
    tiles: usize,
    period: usize,
    places: Arc<[Place]>,
}

impl Placement {
    /// From its parts, as read from a file.
    ///
    /// # Errors
    /// Sizes that are no powers of two or do not divide each other, a place outside the tiles or the period, two features
    /// in one place.
    pub fn try_new(
        shape: TileShape,
        batch: usize,
        period: usize,
        places: impl Into<Arc<[Place]>>,
    ) -> Result<Self> {
        let places: Arc<[Place]> = places.into();
        let fail = |why: String| Err(Error::Placement { why });
        let (slots, tiles) = (shape.slots(), shape.tiles());
        for (name, size) in [("slots", slots), ("batch", batch), ("period", period)] {
            if !size.is_power_of_two() {
                return fail(format!("{name} is {size}, not a power of two"));
            }
        }
        if batch > slots || period > slots / batch {
            return fail(format!(
                "batch {batch} and period {period} do not fit {slots} slots"
            ));
        }
        let outside = |p: &&Place| p.tile as usize >= tiles || p.unit as usize >= period;
        if let Some(p) = places.iter().find(outside) {
            return fail(format!(
                "{p:?} lies outside {tiles} tiles of period {period}"
            ));
        }
        let distinct: BTreeSet<&Place> = places.iter().collect();
        if distinct.len() != places.len() {
            return fail(format!(
                "{} features share {} places",
                places.len(),
                distinct.len()
            ));
        }
        Ok(Placement {
            shape,
            slots,
            batch,
            tiles,
            period,
            places,
        })
    }

    /// The tile tensor: `[copies, features…, batch]`, dimensions of one element left out.
    #[must_use]
    pub fn shape(&self) -> &TileShape {
        &self.shape
    }

    /// The first places of all features, in order.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Features in consecutive units, `[*, n/period, batch]`; more features than units take several tiles.
    #[must_use]
    pub fn vector(features: usize, slots: usize, batch: usize) -> Self {
        let units = slots / batch;
        let period = features.next_power_of_two().min(units);
        let dims = [
            TileDim::replicated(units / period),
            TileDim::basic(features, period),
            TileDim::basic(batch, batch),
        ];
        Placement::tiled(dims, (0..features).map(|i| [0, i, 0]), slots, batch, period)
            .expect("sizes are powers of two whose product is the slot count")
    }

    /// Features at a fixed distance, `[n/…, 1?/stride, batch]`: what summing inside a tile leaves behind.
    ///
    /// `None` if they do not fit one tile.
    #[must_use]
    pub fn strided(features: usize, stride: usize, slots: usize, batch: usize) -> Option<Self> {
        let units = slots / batch;
        if features * stride > units {
            return None;
        }
        let head = TileDim::basic(1, stride);
        let dims = [
            TileDim::basic(features, units / stride),
            if stride == 1 {
                head
            } else {
                head.and_then(TileDim::with_unknown)
            },
            TileDim::basic(batch, batch),
        ];
        Placement::tiled(dims, (0..features).map(|i| [i, 0, 0]), slots, batch, units).ok()
    }

    /// An image on a grid; channels fill the gaps first, then further grids of a tile, then further tiles.
    ///
    /// `None` if the grid does not hold the image or a tile does not hold the grid.
    #[must_use]
    pub fn image(shape: [usize; 3], grid: ImageGrid, slots: usize, batch: usize) -> Option<Self> {
        let [channels, height, width] = shape;
        let units = slots / batch;
        let ImageGrid {
            rows,
            cols,
            interleave,
            gap,
        } = grid;
        let area = rows * cols;
        let fits = |length: usize, side: usize| match interleave {
            1 => length * gap <= side,
            phases => gap == 1 && length.div_ceil(phases) <= side,
        };
        if area == 0 || area > units || !fits(height, rows) || !fits(width, cols) {
            return None;
        }
        let grids = channels.div_ceil(gap * gap);
        let per_tile = grids.next_power_of_two().min(units / area);
        let period = per_tile * area;
        let side = |length: usize, side: usize| match interleave {
            1 => TileDim::basic(length, side / gap),
            phases => TileDim::interleaved_over(length, phases, side),
        };
        let dims = [
            TileDim::replicated(units / period),
            TileDim::basic(grids, per_tile),
            side(height, rows),
            TileDim::basic(channels.div_ceil(gap).min(gap), gap),
            side(width, cols),
            TileDim::basic(channels.min(gap), gap),
            TileDim::basic(batch, batch),
        ];
        let places = (0..channels * height * width).map(|i| {
            let (c, y, x) = (i / (height * width), i / width % height, i % width);
            [0, c / (gap * gap), y, c / gap % gap, x, c % gap, 0]
        });
        Placement::tiled(dims, places, slots, batch, period).ok()
    }

    /// The placement of a tile tensor from its dimensions and every feature's index; dimensions of one element are left out.
    fn tiled<const D: usize>(
        dims: [girih_tiles::Result<TileDim>; D],
        indices: impl Iterator<Item = [usize; D]>,
        slots: usize,
        batch: usize,
        period: usize,
    ) -> Result<Self> {
        let dims = dims.into_iter().collect::<girih_tiles::Result<Vec<_>>>()?;
        let kept: Vec<usize> = (0..D)
            .filter(|&d| dims[d].tile_size() > 1 || dims[d].external_size() > 1)
            .collect();
        let shape = match kept.as_slice() {
            [] => TileShape::try_new(vec![dims[0]])?,
            kept => TileShape::try_new(kept.iter().map(|&d| dims[d]).collect())?,
        };
        let places = indices
            .map(|index| {
                let index: Vec<usize> = kept.iter().map(|&d| index[d]).collect();
                let index = if index.is_empty() { vec![0] } else { index };
                let at = shape.locate(&index)?;
                Ok(place(at.tile, at.slot / batch))
            })
            .collect::<Result<Vec<_>>>()?;
        let tiles = shape.tiles();
        Ok(Placement {
            shape,
            slots,
            batch,
            tiles,
            period,
            places: places.into(),
        })
    }

    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.places.len()
    }

    /// Number of tiles.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.tiles
    }

    /// Slots of a tile.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Samples side by side in a unit.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Units of a tile.
    #[must_use]
    pub fn units(&self) -> usize {
        self.slots / self.batch
    }

    /// Distance, in units, after which the pattern repeats; `units()` if there is one copy.
    #[must_use]
    pub fn period(&self) -> usize {
        self.period
    }

    /// The first place of a feature.
    #[must_use]
    pub fn place(&self, feature: usize) -> Place {
        self.places[feature]
    }

    /// The same places without the promise of copies.
    #[must_use]
    pub fn single(mut self) -> Self {
        self.period = self.units();
        self
    }

    /// The same places with every `every`-th sample, in ciphertexts of as many times fewer slots.
    ///
    /// # Errors
    /// A number that does not divide the batch.
    pub fn thinned(&self, every: usize) -> Result<Self> {
        let batch = self.batch / every.max(1);
        if batch * every != self.batch {
            let why = format!("{} samples cannot be thinned by {every}", self.batch);
            return Err(Error::Placement { why });
        }
        if every == 1 {
            return Ok(self.clone());
        }
        let mut dims = self.shape.dims().to_vec();
        if let Some(samples) = dims.last_mut() {
            *samples = TileDim::basic(batch, batch)?;
        }
        let shape = TileShape::try_new(dims)?;
        Placement::try_new(shape, batch, self.period, self.places.clone())
    }

    /// One vector of slots for every tile, from the features of every sample: `samples[b][feature]`.
    #[must_use]
    pub fn pack(&self, samples: &[&[f64]]) -> Vec<Vec<f64>> {
        let mut tiles = vec![vec![0.0; self.slots]; self.tiles];
        for (b, sample) in samples.iter().enumerate().take(self.batch) {
            for (place, &value) in self.places.iter().zip(*sample) {
                for copy in (0..self.units()).step_by(self.period) {
                    tiles[place.tile as usize][(place.unit as usize + copy) * self.batch + b] =
                        value;
                }
            }
        }
        tiles
    }

    /// The features of the first `samples` samples, read from their first places.
    #[must_use]
    pub fn unpack(&self, tiles: &[Vec<f64>], samples: usize) -> Vec<Vec<f64>> {
        (0..samples)
            .map(|b| {
                let read = |p: &Place| tiles[p.tile as usize][p.unit as usize * self.batch + b];
                self.places.iter().map(read).collect()
            })
            .collect()
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shape.fmt(f)
    }
}

fn place(tile: usize, unit: usize) -> Place {
    Place {
        tile: u32::try_from(tile).expect("tiles fit u32"),
        unit: u32::try_from(unit).expect("units fit u32"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grids() -> impl Strategy<Value = Option<Placement>> {
        (
            1..20usize,
            1..9usize,
            1..9usize,
            0..4u32,
            0..4u32,
            1..3usize,
            0..2u32,
            0..2u32,
        )
            .prop_map(|(c, h, w, r, k, interleave, gap, batch)| {
                let grid = ImageGrid {
                    rows: 1 << r,
                    cols: 1 << k,
                    interleave,
                    gap: 1 << gap,
                };
                Placement::image([c, h, w], grid, 256, 1 << batch)
            })
    }

    proptest! {
        #[test]
        fn images_occupy_distinct_places_and_come_back(grid in grids()) {
            if let Some(p) = grid {
                let places: BTreeSet<Place> = (0..p.features()).map(|i| p.place(i)).collect();
                prop_assert_eq!(places.len(), p.features());
                prop_assert!(places.iter().all(|q| (q.tile as usize) < p.tiles() && (q.unit as usize) < p.period()));
                let samples: Vec<Vec<f64>> =
                    (0..p.batch()).map(|b| (0..p.features()).map(|i| (1 + i + 1000 * b) as f64).collect()).collect();
                let views: Vec<&[f64]> = samples.iter().map(Vec::as_slice).collect();
                prop_assert_eq!(p.unpack(&p.pack(&views), p.batch()), samples);
            }
        }
    }

    #[test]
    fn parts_from_a_file_are_checked() {
        let p = Placement::vector(10, 64, 2);
        let parts = |period: usize, places: Vec<Place>| {
            Placement::try_new(p.shape().clone(), 2, period, places)
        };
        assert_eq!(parts(16, p.places().to_vec()), Ok(p.clone()));
        assert!(parts(8, p.places().to_vec()).is_err());
        assert!(parts(48, p.places().to_vec()).is_err());
        assert!(parts(64, p.places().to_vec()).is_err());
        assert!(parts(16, vec![p.place(0); 2]).is_err());
    }

    #[test]
    fn notation_reads_like_a_tile_tensor() {
        let grid = ImageGrid {
            rows: 32,
            cols: 32,
            interleave: 1,
            gap: 1,
        };
        let image = Placement::image([1, 28, 28], grid, 4096, 1).expect("fits");
        assert_eq!(image.to_string(), "[*/4, 28/32, 28/32]");
        assert_eq!(
            Placement::vector(100, 4096, 2).to_string(),
            "[*/16, 100/128, 2/2]"
        );
        assert_eq!(
            Placement::strided(10, 128, 4096, 1)
                .expect("fits")
                .to_string(),
            "[10/32, 1?/128]"
        );
    }
}
