//! Random shapes and arrays.

use girih_tiles::{TileDim, TileShape};
use ndarray::ArrayD;
use proptest::prelude::*;

pub(crate) fn shape(text: &str) -> TileShape {
    text.parse().unwrap()
}

/// A dimension of any complete kind with a tile of `2^log_tile`.
pub(crate) fn any_dim(log_tile: u32) -> impl Strategy<Value = TileDim> {
    let tile = 1usize << log_tile;
    (0..5u8, 1..=3 * tile + 1, 0..3usize, any::<bool>()).prop_map(
        move |(kind, n, more, unknown)| {
            let dim = match kind {
                0 | 1 => TileDim::basic(n, tile),
                2 => TileDim::interleaved_over(n, n.div_ceil(tile) + more, tile),
                3 => TileDim::replicated(tile),
                _ => TileDim::duplicated(n.min(tile), tile),
            }
            .unwrap();
            if unknown {
                dim.with_unknown().unwrap_or(dim)
            } else {
                dim
            }
        },
    )
}

/// A complete shape of rank 1 to 4 with at most 64 slots.
pub(crate) fn any_shape() -> impl Strategy<Value = TileShape> {
    prop::collection::vec(0..=3u32, 1..=4)
        .prop_filter("at most 64 slots", |logs| logs.iter().sum::<u32>() <= 6)
        .prop_flat_map(|logs| logs.into_iter().map(any_dim).collect::<Vec<_>>())
        .prop_map(|dims| TileShape::try_new(dims).unwrap())
}

/// Distinct non-zero values: 1, 2, 3, …
pub(crate) fn ramp(shape: &TileShape) -> ArrayD<f64> {
    let sizes = shape.original_sizes().unwrap();
    let n = sizes.iter().product::<usize>();
    ArrayD::from_shape_vec(sizes, (1..=n).map(|i| i as f64).collect()).unwrap()
}
