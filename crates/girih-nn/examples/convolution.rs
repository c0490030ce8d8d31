//! A strided convolution on two placements of the same image: rotations and products counted.

use std::collections::BTreeMap;

use girih_circuits::StepPrices;
use girih_nn::{Affine, ImageGrid, PlacedMap, Placement, Strategy, Window, maps};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let window = Window {
        kernel: [5, 5],
        stride: [2, 2],
        pad: [1, 1, 0, 0],
        ..Window::default()
    };
    let weight = vec![0.1; 5 * 25];
    let matrix = maps::conv2d([1, 28, 28], &weight, 5, 1, window)?;
    let map = Affine::source(0u8, 784).then(&matrix);
    let prices = StepPrices {
        decompose: 0.5,
        baby: 0.5,
        giant: 1.0,
        product: 0.05,
        lazy: None,
        key: 0.0,
    };
    for (source, result) in [
        (grid(32, 1, 1), grid(32, 1, 2)),
        (grid(16, 2, 1), grid(16, 1, 1)),
    ] {
        let source = Placement::image([1, 28, 28], source, 4096, 1).ok_or("the image fits")?;
        let result = Placement::image([5, 13, 13], result, 4096, 1).ok_or("the maps fit")?;
        let placed = PlacedMap::try_new(&map, &BTreeMap::from([(0, &source)]))?;
        if let Some(plan) = placed.plan(&result, Strategy::Direct, &prices) {
            println!("{source} -> {result}: {:?}", plan.counts);
        }
    }
    Ok(())
}

fn grid(side: usize, interleave: usize, gap: usize) -> ImageGrid {
    ImageGrid {
        rows: side,
        cols: side,
        interleave,
        gap,
    }
}
