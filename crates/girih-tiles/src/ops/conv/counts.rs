//! What a convolution costs, from the shapes alone.

use std::collections::BTreeSet;

use super::{InterleavedConv, UnusedSlots};
use crate::tensor::{all_coords, source_tile};
use crate::{Result, TileShape};

/// Counts of a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Products with constants.
    pub products: usize,
    /// Rotated vectors.
    pub rotations: usize,
    /// Vectors decomposed for a key switch: rotations of one vector share one.
    pub key_switches: usize,
    /// Multiplicative levels.
    pub levels: usize,
    /// Ciphertexts of the image.
    pub ciphertexts_in: usize,
    /// Ciphertexts of the result.
    pub ciphertexts_out: usize,
    /// Bytes of the distinct constants in clear, 8 a slot. Encoded over `L` primes a constant takes `2L` times as
    /// much.
    pub constant_bytes: usize,
}

impl InterleavedConv {
    /// The counts of [`forward`](InterleavedConv::forward) for an image of the given layout.
    ///
    /// With `T = Σ tx·ty` taps that reach the image over the tiles of a plane of the result, `V` pairs of a
    /// tile and a rotation other than 0 in a plane of the image, `c`, `f`, `b` tiles of channels, filters and batch:
    /// `c·f·b·T` products (less where groups do not meet), `c·b·V` rotations of `c·b` times the tiles of a plane
    /// that are rotated at all, and `f·b·log₂ t` rotations per tile of a plane to sum the channels inside.
    ///
    /// # Errors
    /// As [`output_shape`](InterleavedConv::output_shape).
    pub fn counts(&self, image: &TileShape) -> Result<Counts> {
        let ready = self.replicated(image)?;
        let plan = self.plan(&ready)?;
        let tally = plan.tally()?;
        let result = plan.sum_shape()?;
        let mut counts = Counts {
            products: tally.products,
            rotations: tally.rotated + tally.folds,
            key_switches: tally.sources + tally.folds,
            levels: 1,
            ciphertexts_in: image.tiles(),
            ciphertexts_out: tally.tiles,
            constant_bytes: 0,
        };
        let mut constants = tally.constants;
        if ready != *image {
            let dim = self.config.convention.filters(image.rank());
            let copying = image.replication_cost(dim)?;
            if copying.products > 0 {
                let boxes = (0..image.tiles()).map(|t| image.used_box(t));
                constants += boxes.collect::<Result<BTreeSet<_>>>()?.len();
            }
            counts.products += copying.products;
            counts.rotations += copying.rotations;
            counts.key_switches += copying.rotations;
            counts.levels += copying.levels;
        }
        if let Some(bias) = self.bias_tensor(&result)? {
            let sum = result.of_sum(bias.shape())?;
            let to_used = self.config.unused == UnusedSlots::Zero && sum.has_unused();
            let mut used = BTreeSet::new();
            for (tile, coords) in all_coords(&result).enumerate() {
                let pattern = match to_used {
                    true => result.used_box(tile)?,
                    false => Vec::new(),
                };
                used.insert((source_tile(bias.shape(), &coords), pattern));
            }
            constants += used.len();
        }
        counts.constant_bytes = constants * image.slots() * size_of::<f64>();
        Ok(counts)
    }
}
