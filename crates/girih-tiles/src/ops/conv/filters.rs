//! Filters of a convolution, the layout of one tap of them, and its tiles.

use std::sync::Arc;

use super::{Convention, Error};
use crate::{Result, SlotContent, TileDim, TileShape};

/// What is multiplied with the pixels of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    kind: Kind,
    kernel: [usize; 2],
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Filters × channels per group × rows × columns, summed over the channels of the group.
    Summed {
        values: Arc<[f64]>,
        filters: usize,
        channels: usize,
        groups: usize,
    },
    /// Channels × rows × columns.
    Depthwise { values: Arc<[f64]>, channels: usize },
    /// One over the size of the window.
    Mean,
}

impl Filters {
    /// `values[f][c][i][j]`, the last index fastest: filter `f` reads the `channels / groups` channels of
    /// its group, `g = ⌊f·groups / filters⌋`.
    ///
    /// # Errors
    /// A size of zero, groups that do not divide channels and filters, or another number of values.
    pub fn try_new(
        values: Arc<[f64]>,
        filters: usize,
        channels: usize,
        groups: usize,
        kernel: [usize; 2],
    ) -> Result<Self> {
        let divides = |n: usize| n > 0 && groups > 0 && n.is_multiple_of(groups);
        if !divides(filters) || !divides(channels) {
            return fail(
                values.len(),
                kernel,
                format!("{groups} groups do not divide {filters} filters and {channels} channels"),
            );
        }
        check(&values, &[filters, channels / groups], kernel)?;
        Ok(Filters {
            kind: Kind::Summed {
                values,
                filters,
                channels,
                groups,
            },
            kernel,
        })
    }

    /// One filter per channel and no sum over channels, `values[c][i][j]`: the layout of the result is
    /// that of the image.
    ///
    /// # Errors
    /// A size of zero, or another number of values.
    pub fn depthwise(values: Arc<[f64]>, channels: usize, kernel: [usize; 2]) -> Result<Self> {
        check(&values, &[channels], kernel)?;
        Ok(Filters {
            kind: Kind::Depthwise { values, channels },
            kernel,
        })
    }

    /// The mean of each window, per channel; zeros of the padding count.
    ///
    /// # Errors
    /// An empty window.
    pub fn mean(kernel: [usize; 2]) -> Result<Self> {
        if kernel.contains(&0) {
            return fail(0, kernel, "the window is empty".into());
        }
        Ok(Filters {
            kind: Kind::Mean,
            kernel,
        })
    }

    /// Rows and columns.
    #[must_use]
    pub fn kernel(&self) -> [usize; 2] {
        self.kernel
    }

    /// Number of channels of the result, if the filters say.
    #[must_use]
    pub fn outputs(&self) -> Option<usize> {
        match self.kind {
            Kind::Summed { filters, .. } => Some(filters),
            Kind::Depthwise { channels, .. } => Some(channels),
            Kind::Mean => None,
        }
    }

    /// Whether the channels are summed, so that filters take another dimension than channels.
    #[must_use]
    pub fn is_summed(&self) -> bool {
        matches!(self.kind, Kind::Summed { .. })
    }

    /// Whether all taps are the same constant.
    pub(super) fn is_uniform(&self) -> bool {
        matches!(self.kind, Kind::Mean)
    }

    /// The layout of one tap for an image.
    pub(super) fn shape(&self, image: &TileShape, convention: Convention) -> Result<TileShape> {
        let c = convention.channels(image.rank());
        let channels = match self.kind {
            Kind::Summed { channels, .. } | Kind::Depthwise { channels, .. } => Some(channels),
            Kind::Mean => None,
        };
        if let Some(channels) = channels
            && image.dims()[c].original_size() != Some(channels)
        {
            return Err(Error::Unsupported {
                op: "convolution",
                shape: image.to_string(),
                why: format!("the filters read {channels} channels, in dimension {c}"),
            });
        }
        match self.kind {
            Kind::Summed { filters, .. } => {
                let f = convention.filters(image.rank());
                let new = TileDim::basic(filters, image.dims()[f].tile_size())?;
                Ok(only_dims(image, &[c])?.with_dim(f, new))
            }
            Kind::Depthwise { .. } => only_dims(image, &[c]),
            Kind::Mean => only_dims(image, &[]),
        }
    }

    /// Whether a tile of channels and one of filters have a group in common: other tiles are zero.
    pub(super) fn meet(
        &self,
        channel_dim: TileDim,
        c: usize,
        filter_dim: TileDim,
        f: usize,
    ) -> bool {
        let Kind::Summed {
            filters,
            channels,
            groups,
            ..
        } = self.kind
        else {
            return true;
        };
        let span = |d: TileDim, tile: usize, all: usize| {
            let first = (0..d.used(tile)).filter_map(|s| d.element(tile, s));
            let groups = first.map(|e| e * groups / all);
            groups.fold((usize::MAX, 0), |(low, high), g| (low.min(g), high.max(g)))
        };
        let (c, f) = (span(channel_dim, c, channels), span(filter_dim, f, filters));
        c.0 <= f.1 && f.0 <= c.1
    }

    /// The weight of element `flat` of the layout of a tap.
    fn at(&self, convention: Convention, flat: usize, [i, j]: [usize; 2]) -> f64 {
        let [rows, columns] = self.kernel;
        let tap = |at: usize| (at * rows + i) * columns + j;
        match &self.kind {
            Kind::Summed {
                values,
                filters,
                channels,
                groups,
            } => {
                let (f, c) = match convention {
                    Convention::Cxyfb => (flat % filters, flat / filters),
                    Convention::Fxycb => (flat / channels, flat % channels),
                };
                let per_group = channels / groups;
                let group = f * groups / filters;
                match c.checked_sub(group * per_group) {
                    Some(c) if c < per_group => values[tap(f * per_group + c)],
                    _ => 0.0,
                }
            }
            Kind::Depthwise { values, .. } => values[tap(flat)],
            Kind::Mean => 1.0 / (rows * columns) as f64,
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

fn check(values: &[f64], outer: &[usize], kernel: [usize; 2]) -> Result<()> {
    let sizes = || outer.iter().chain(&kernel).copied();
    let expected = sizes().try_fold(1usize, usize::checked_mul);
    if expected == Some(values.len()) && !values.is_empty() {
        return Ok(());
    }
    let sizes: Vec<usize> = sizes().collect();
    fail(
        values.len(),
        kernel,
        format!("filters of sizes {sizes:?} have another number of values, and at least one"),
    )
}

fn fail<T>(values: usize, kernel: [usize; 2], why: String) -> Result<T> {
    Err(Error::Unsupported {
        op: "convolution",
        shape: format!("{values} filter values for kernel {kernel:?}"),
        why,
    })
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
