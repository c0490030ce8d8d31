//! Diagonals that are computed when they are asked for.

use girih_he::ConstantSource;

use super::{Reach, Strategy};
use crate::{Matrix, Placement};

/// No feature lies here.
const EMPTY: u32 = u32::MAX;

/// The diagonals of a placed map, each computed from the matrices and the places of the features.
pub(super) struct ComputedDiagonals {
    pub(super) strategy: Strategy,
    pub(super) batch: usize,
    /// Longest period of the sources.
    pub(super) span: usize,
    pub(super) output: Inverse,
    pub(super) sources: Vec<Source>,
    /// Output tile, input tile and distance in units, by index.
    pub(super) diagonals: Vec<(usize, usize, usize)>,
}

/// A source with its matrix.
pub(super) struct Source {
    pub(super) matrix: Matrix,
    /// Number of its first tile among all sources.
    pub(super) first: usize,
    pub(super) inverse: Inverse,
}

impl Source {
    /// Calls `f` with the value between the features of every pair of places, those without a feature or with the value zero
    /// left out.
    fn for_each_value(
        &self,
        rows: &[u32],
        cols: &[u32],
        meeting: impl Iterator<Item = (usize, usize, usize)>,
        mut f: impl FnMut(usize, f64),
    ) {
        let features = meeting.filter_map(|(unit, row, col)| {
            let (row, col) = (*rows.get(row)?, *cols.get(col)?);
            (row != EMPTY && col != EMPTY).then_some((unit, row as usize, col as usize))
        });
        match &self.matrix {
            Matrix::Window(m) => {
                let (to, from) = (Pixels::of(m.output()), Pixels::of(m.input()));
                features.for_each(|(unit, row, col)| f(unit, m.at(to.split(row), from.split(col))));
            }
            m => features.for_each(|(unit, row, col)| f(unit, m.get(row, col))),
        }
    }
}

/// Splits features into coordinates without dividing: `⌊n / d⌋ = ⌊n m / 2^64⌋` for `m = ⌈2^64 / d⌉` and `n, d < 2^32`
/// (Lemire, Kaser, Kurz, "Faster remainder by direct computation", 2019).
struct Pixels {
    area: usize,
    width: usize,
    per_area: u64,
    per_width: u64,
}

impl Pixels {
    fn of([_, height, width]: [usize; 3]) -> Pixels {
        let inverse = |d: usize| (u64::MAX / d as u64).wrapping_add(1);
        Pixels {
            area: height * width,
            width,
            per_area: inverse(height * width),
            per_width: inverse(width),
        }
    }

    fn split(&self, feature: usize) -> [usize; 3] {
        let divided = |n: usize, d: usize, inverse: u64| match d {
            1 => n,
            _ => ((n as u128 * u128::from(inverse)) >> 64) as usize,
        };
        let channel = divided(feature, self.area, self.per_area);
        let pixel = feature - channel * self.area;
        let row = divided(pixel, self.width, self.per_width);
        [channel, row, pixel - row * self.width]
    }
}

/// The features of a placement by tile and unit.
pub(super) struct Inverse {
    units: usize,
    period: usize,
    features: Vec<u32>,
}

impl Inverse {
    pub(super) fn of(placement: &Placement) -> Inverse {
        let period = placement.period();
        let mut features = vec![EMPTY; placement.tiles() * period];
        for (feature, place) in placement.places().iter().enumerate() {
            let at = place.tile as usize * period + place.unit as usize;
            features[at] = u32::try_from(feature).expect("fewer than 2^32 features");
        }
        Inverse {
            units: placement.units(),
            period,
            features,
        }
    }

    fn tile(&self, tile: usize) -> &[u32] {
        &self.features[tile * self.period..(tile + 1) * self.period]
    }

    fn tiles(&self) -> usize {
        self.features.len() / self.period
    }
}

impl ConstantSource for ComputedDiagonals {
    fn slots(&self, index: usize) -> Vec<f64> {
        let (to_tile, from_tile, distance) = self.diagonals[index];
        let Some(source) = self
            .sources
            .iter()
            .find(|s| (s.first..s.first + s.inverse.tiles()).contains(&from_tile))
        else {
            return Vec::new();
        };
        let rows = self.output.tile(to_tile);
        let cols = source.inverse.tile(from_tile - source.first);
        let reach = Reach {
            strategy: self.strategy,
            units: self.output.units,
            own: source.inverse.period,
            period: self.output.period,
            span: self.span,
        };
        let mut slots = vec![0.0; self.output.units * self.batch];
        let meeting = (0..self.output.units).filter_map(|unit| {
            let (row, col) = reach.meets(unit, distance)?;
            Some((unit, row, col))
        });
        let batch = self.batch;
        source.for_each_value(rows, cols, meeting, |unit, value| {
            slots[unit * batch..(unit + 1) * batch].fill(value);
        });
        slots
    }

    fn period(&self, _: usize, _: usize) -> usize {
        let units = match self.strategy {
            Strategy::Direct => self.output.period,
            Strategy::FoldOuter => self.span,
            Strategy::FoldInner => self.output.units,
        };
        units * self.batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn features_are_split_without_division(
            channels in 1..3000usize, height in 1..600usize, width in 1..600usize, at in 0.0..1.0f64,
        ) {
            let count = channels * height * width;
            for feature in [0, (at * count as f64) as usize, count - 1] {
                let expected = crate::window::split(feature, [channels, height, width]);
                prop_assert_eq!(Pixels::of([channels, height, width]).split(feature), expected);
            }
        }
    }
}
