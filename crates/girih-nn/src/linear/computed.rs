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
        for unit in 0..self.output.units {
            let Some((row, col)) = reach.meets(unit, distance) else {
                continue;
            };
            if let (Some(&row), Some(&col)) = (rows.get(row), cols.get(col))
                && row != EMPTY
                && col != EMPTY
            {
                let value = source.matrix.get(row as usize, col as usize);
                let at = unit * self.batch;
                slots[at..at + self.batch].fill(value);
            }
        }
        slots
    }
}
