//! From the result of the inverse FFT to integer coefficients: scaling, rounding, natural order.

use crate::fft::bit_reversed;

/// Adding and subtracting this rounds `|x| < 2^51` to the nearest integer, ties to even.
const ROUNDING: f64 = 6_755_399_441_055_744.0;
/// log2 of the side of a tile: 32 rows of 256 bytes on either side.
const LOG_TILE: u32 = 5;
const TILE: usize = 1 << LOG_TILE;

/// `out[k] = round(factor x[reverse(k)])` for a power of two of numbers; returns the largest magnitude.
///
/// For `|factor x| < 2^51`, ties to even. Long rows are reversed in square tiles, so that every cache line is
/// read and written once.
pub(super) fn round_reversed(x: &[f64], factor: f64, out: &mut [i64]) -> f64 {
    let n = x.len();
    let mut largest = 0f64;
    let mut round = |x: f64| {
        let shifted = x * factor + ROUNDING;
        let size = (shifted - ROUNDING).abs();
        if size > largest {
            largest = size;
        }
        (shifted.to_bits() as i64).wrapping_sub(ROUNDING.to_bits() as i64)
    };
    if n < TILE * TILE {
        for (k, out) in out.iter_mut().enumerate() {
            *out = round(x[bit_reversed(k, n)]);
        }
        return largest;
    }
    // Position (high, middle, low) goes to (low, middle, high), all reversed.
    let (stride, middles) = (n / TILE, n / (TILE * TILE));
    let mut tile = [[0i64; TILE]; TILE];
    for middle in 0..middles {
        for high in 0..TILE {
            let from = &x[high * stride + middle * TILE..][..TILE];
            let column = bit_reversed(high, TILE);
            for (row, &x) in tile.iter_mut().zip(from) {
                row[column] = round(x);
            }
        }
        let at = bit_reversed(middle, middles) * TILE;
        for (low, row) in tile.iter().enumerate() {
            out[bit_reversed(low, TILE) * stride + at..][..TILE].copy_from_slice(row);
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tiles_give_the_definition(log in 0u32..14, seed: u64, factor in 1e-3..1e3f64) {
            let n = 1usize << log;
            let mut state = seed;
            let x: Vec<f64> = (0..n)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state as i64 >> 24) as f64 / 2.0
                })
                .collect();
            let mut out = vec![7i64; n];
            let largest = round_reversed(&x, factor, &mut out);
            let expected = |k: usize| (x[bit_reversed(k, n)] * factor).round_ties_even();
            for (k, &got) in out.iter().enumerate() {
                prop_assert_eq!(got as f64, expected(k));
            }
            let size = (0..n).map(|k| expected(k).abs()).fold(0.0, f64::max);
            prop_assert_eq!(largest, size);
        }
    }
}
