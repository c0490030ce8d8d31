//! The affine layer: `y = Σ_k M_k x_k + b` between placed tensors, one multiplicative level.
//!
//! Every pair of places of a source feature `j` and a result feature `i` with `M[i, j] ≠ 0` lies on one generalised
//! diagonal of the slot-space matrix; the [`Strategy`] says which of the copies meet:
//!
//! * [`Strategy::Direct`]: each result unit reads its sources at a distance; convolutions on grids need one
//!   diagonal per tap.
//! * [`Strategy::FoldOuter`]: the result repeats with a period shorter than the sources; each copy collects a part of the sum
//!   and rotate-and-add over the copies completes it, in all of them (Halevi and Shoup's diagonals for wide
//!   matrices). `period` diagonals.
//! * [`Strategy::FoldInner`]: every row has its own copy of the source, one product suffices, and
//!   rotate-and-add inside the copy completes the sum in its first unit: the matrix-vector product of tile tensors,
//!   `[a/t1, b/t2] · [*/t1, b/t2]`. The other units hold partial sums afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use girih_circuits::{LinearTransform, Pattern, StepCounts, StepPrices, Steps, WeightedSum};
use girih_he::{ConstantValues, Evaluator, Rotation};

use crate::{Affine, Error, Matrix, Placement, Result};
use classes::{all_pairs, classes};
use computed::{ComputedDiagonals, Inverse, Source};
use reach::Reach;

mod classes;
mod computed;
mod reach;

/// Which copies of sources and results meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Results read their sources at a distance.
    Direct,
    /// Copies of the result collect parts that are then added.
    FoldOuter,
    /// Rows lie at the distance of the source's period and are summed inside.
    FoldInner,
}

/// Maps with more entries are not walked through: their diagonals are found by the structure of matrices and places, and computed
/// when they are asked for.
const SPELLED_OUT: usize = 1 << 22;

/// Transforms with more slots in all their diagonals do not store them.
const MOST_STORED: usize = 1 << 23;

/// Maps with more diagonals are not planned.
const MOST_DIAGONALS: usize = 1 << 21;

/// Terms of one rotate-and-add step: four halve the number of key-switch decompositions of two.
const FOLD_RADIX: usize = 4;

/// A planned affine layer: where the result lies, by which rotations.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearPlan {
    /// Where the result lies.
    pub output: Placement,
    /// Which copies meet.
    pub strategy: Strategy,
    /// Baby and giant steps, in units.
    pub steps: Steps,
    /// Counts of the transform, without the folds.
    pub counts: StepCounts,
    /// Distances, in units, of the rotate-and-add steps; each adds the listed rotations of the sum to itself.
    pub folds: Vec<Vec<usize>>,
    /// Price in the unit of the prices given.
    pub price: f64,
}

/// Why a map has no plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unplanned {
    /// Placement and strategy do not go together.
    Impossible,
    /// The products alone cost more than was allowed.
    Dearer {
        /// Their price.
        products: f64,
    },
}

/// One term of a placed matrix: result `(tile, unit)`, source `(tile, distance)`, value.
struct Entry {
    output: usize,
    to: usize,
    input: usize,
    distance: usize,
    value: f64,
}

/// The diagonals of a map, if they could be found.
#[derive(Debug, PartialEq)]
enum Found {
    /// All of them, sorted.
    All(Vec<(usize, usize, usize)>),
    /// More than were asked for.
    TooMany,
    /// Places or matrices lack the structure.
    Unstructured,
}

/// A set of diagonals.
struct Seen {
    marked: Vec<bool>,
    inputs: usize,
    units: usize,
    count: usize,
}

impl Seen {
    fn new(outputs: usize, inputs: usize, units: usize) -> Self {
        Seen {
            marked: vec![false; outputs * inputs * units],
            inputs,
            units,
            count: 0,
        }
    }

    fn mark(&mut self, output: usize, input: usize, distance: usize) {
        let at = (output * self.inputs + input) * self.units + distance;
        self.count += usize::from(!std::mem::replace(&mut self.marked[at], true));
    }

    /// Output tile, input tile and distance, sorted.
    fn all(&self) -> Vec<(usize, usize, usize)> {
        let (units, inputs) = (self.units, self.inputs);
        let marked = self.marked.iter().enumerate().filter(|(_, m)| **m);
        marked
            .map(|(i, _)| (i / units / inputs, i / units % inputs, i % units))
            .collect()
    }
}

/// An affine map with placed sources.
#[derive(Clone, Debug)]
pub struct PlacedMap<'a, K: Ord + Copy> {
    map: &'a Affine<K>,
    sources: Vec<(&'a Placement, usize, K)>,
    inputs: usize,
    units: usize,
    batch: usize,
    /// Longest period of the sources.
    span: usize,
    /// Whether the map is small enough to be walked through entry by entry.
    spelled_out: bool,
}

impl<'a, K: Ord + Copy> PlacedMap<'a, K> {
    /// Joins a map with the places of its sources, all of one slot count and batch.
    ///
    /// # Errors
    /// A source without a placement, or one of another size, slot count or batch.
    pub fn try_new(map: &'a Affine<K>, placements: &BTreeMap<K, &'a Placement>) -> Result<Self> {
        let mut sources = Vec::new();
        let mut inputs = 0;
        for (key, matrix) in &map.terms {
            let placement = *placements.get(key).ok_or(Error::MissingPlacement)?;
            if placement.features() != matrix.cols() {
                return Err(Error::Features {
                    expected: matrix.cols(),
                    given: placement.features(),
                });
            }
            sources.push((placement, inputs, *key));
            inputs += placement.tiles();
        }
        let first = sources.first().ok_or(Error::ConstantMap)?.0;
        let (slots, batch) = (first.slots(), first.batch());
        if sources
            .iter()
            .any(|s| s.0.slots() != slots || s.0.batch() != batch)
        {
            return Err(Error::MixedSlots);
        }
        let span = sources.iter().map(|s| s.0.period()).max().unwrap_or(1);
        Ok(PlacedMap {
            map,
            sources,
            inputs,
            units: slots / batch,
            batch,
            span,
            spelled_out: map.terms.values().map(Matrix::entries).sum::<usize>() <= SPELLED_OUT,
        })
    }

    /// Longest period of the sources, in units.
    #[must_use]
    pub fn span(&self) -> usize {
        self.span
    }

    /// Rows of the map.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.map.size()
    }

    /// The plan for a result placement and strategy, or `None` where the two do not go together, where a tile of the result
    /// would stay empty, or where the diagonals of a large map cannot be found.
    #[must_use]
    pub fn plan(
        &self,
        output: &Placement,
        strategy: Strategy,
        prices: &StepPrices,
    ) -> Option<LinearPlan> {
        self.plan_within(output, strategy, prices, f64::INFINITY)
            .ok()
    }

    /// [`plan`](Self::plan), unless the products alone cost more than `at_most`.
    ///
    /// # Errors
    /// Why there is no plan.
    pub fn plan_within(
        &self,
        output: &Placement,
        strategy: Strategy,
        prices: &StepPrices,
        at_most: f64,
    ) -> std::result::Result<LinearPlan, Unplanned> {
        let possible = match strategy {
            Strategy::Direct => output.period() >= self.span,
            Strategy::FoldOuter => output.period() < self.span,
            Strategy::FoldInner => {
                output.tiles() == 1
                    && output.period() == self.units
                    && self.rows() * self.span <= self.units
                    && (0..self.rows()).all(|i| output.place(i).unit as usize == i * self.span)
            }
        };
        if !possible || output.features() != self.rows() {
            return Err(Unplanned::Impossible);
        }
        let most = (at_most / prices.product).min(MOST_DIAGONALS as f64) as usize;
        let diagonals = match self.diagonals(output, strategy, most) {
            Found::All(diagonals) => diagonals,
            Found::TooMany if most < MOST_DIAGONALS => {
                let products = (most + 1) as f64 * prices.product;
                return Err(Unplanned::Dearer { products });
            }
            Found::TooMany | Found::Unstructured => return Err(Unplanned::Impossible),
        };
        let products = diagonals.len() as f64 * prices.product;
        if products > at_most {
            return Err(Unplanned::Dearer { products });
        }
        let (steps, counts) = Pattern { diagonals }.best_steps(self.units, prices);
        if counts.outputs < output.tiles() {
            return Err(Unplanned::Impossible);
        }
        let folds = match strategy {
            Strategy::Direct => Vec::new(),
            Strategy::FoldOuter => folds(output.period(), self.span),
            Strategy::FoldInner => folds(1, self.span),
        };
        let fold_price: f64 = folds
            .iter()
            .map(|f| prices.decompose + f.len() as f64 * prices.baby)
            .sum::<f64>()
            * output.tiles() as f64;
        let price = counts.price(prices) + fold_price;
        Ok(LinearPlan {
            output: output.clone(),
            strategy,
            steps,
            counts,
            folds,
            price,
        })
    }

    /// Output tile, input tile and distance of every entry, sorted, if there are at most so many.
    fn diagonals(&self, output: &Placement, strategy: Strategy, most: usize) -> Found {
        if !self.spelled_out {
            return self.occupied_by_structure(output, strategy, most);
        }
        match self.occupied(output, strategy) {
            diagonals if diagonals.len() > most => Found::TooMany,
            diagonals => Found::All(diagonals),
        }
    }

    /// Output tile, input tile and distance of every entry, sorted.
    fn occupied(&self, output: &Placement, strategy: Strategy) -> Vec<(usize, usize, usize)> {
        let mut seen = Seen::new(output.tiles(), self.inputs, self.units);
        self.for_each_entry(output, strategy, |e| {
            seen.mark(e.output, e.input, e.distance);
        });
        seen.all()
    }

    /// [`occupied`](Self::occupied) by the structure of matrices and places, entries that happen to be zero included.
    fn occupied_by_structure(&self, output: &Placement, strategy: Strategy, most: usize) -> Found {
        let mut seen = Seen::new(output.tiles(), self.inputs, self.units);
        for (placement, first, key) in &self.sources {
            let reach = self.reach(placement, output, strategy);
            match &self.map.terms[key] {
                Matrix::Window(matrix) => {
                    let Some([channels, pixels]) = classes(matrix, placement, output) else {
                        return Found::Unstructured;
                    };
                    for a in &channels {
                        for b in &pixels {
                            seen.mark(a.0 + b.0, first + a.1 + b.1, reach.distance(a.2 + b.2));
                        }
                        if seen.count > most {
                            return Found::TooMany;
                        }
                    }
                }
                Matrix::Dense(_) => {
                    for (to, from, difference) in all_pairs(placement, output) {
                        seen.mark(to, first + from, reach.distance(difference));
                    }
                }
                Matrix::Sparse(entries) => {
                    for row in 0..entries.rows() {
                        let p = output.place(row);
                        for (col, _) in entries.row(row) {
                            let q = placement.place(col);
                            let distance = reach.distance(q.unit as isize - p.unit as isize);
                            seen.mark(p.tile as usize, first + q.tile as usize, distance);
                        }
                    }
                }
            }
        }
        match seen.count > most {
            true => Found::TooMany,
            false => Found::All(seen.all()),
        }
    }

    fn reach(&self, source: &Placement, output: &Placement, strategy: Strategy) -> Reach {
        Reach {
            strategy,
            units: self.units,
            own: source.period(),
            period: output.period(),
            span: self.span,
        }
    }

    /// The layer of a plan, with its values.
    #[must_use]
    pub fn build(&self, plan: &LinearPlan) -> LinearLayer {
        let output = &plan.output;
        let diagonals = match self.diagonals(output, plan.strategy, MOST_DIAGONALS) {
            Found::All(diagonals) => diagonals,
            Found::TooMany | Found::Unstructured => Vec::new(),
        };
        let transform = match diagonals.len() * output.slots() <= MOST_STORED && self.spelled_out {
            true => self.stored(plan),
            false => self.computed(plan, diagonals),
        };
        let bias = self.map.bias.iter().any(|&b| b != 0.0).then(|| {
            let samples = vec![self.map.bias.as_slice(); self.batch];
            output.pack(&samples)
        });
        let giant = plan.steps.giant * self.batch;
        LinearLayer {
            transform,
            bias,
            steps: Steps {
                giant,
                ..plan.steps
            },
            folds: plan
                .folds
                .iter()
                .map(|f| f.iter().map(|d| d * self.batch).collect())
                .collect(),
        }
    }

    /// The transform with all its diagonals.
    fn stored(&self, plan: &LinearPlan) -> LinearTransform {
        let output = &plan.output;
        let mut transform =
            LinearTransform::new(self.units * self.batch, self.inputs, output.tiles());
        let repeat = match plan.strategy {
            Strategy::Direct => output.period(),
            Strategy::FoldOuter => self.span,
            Strategy::FoldInner => self.units,
        };
        self.for_each_entry(output, plan.strategy, |e| {
            for copy in (0..self.units).step_by(repeat) {
                let to = (e.to + copy) % self.units;
                let from = (to + e.distance) % self.units;
                for b in 0..self.batch {
                    transform.add_entry(
                        e.output,
                        to * self.batch + b,
                        e.input,
                        from * self.batch + b,
                        e.value,
                    );
                }
            }
        });
        transform
    }

    /// The transform whose diagonals are computed when they are asked for.
    fn computed(
        &self,
        plan: &LinearPlan,
        diagonals: Vec<(usize, usize, usize)>,
    ) -> LinearTransform {
        let output = &plan.output;
        let source = |(placement, first, key): &(&Placement, usize, K)| Source {
            matrix: self.map.terms[key].clone(),
            first: *first,
            inverse: Inverse::of(placement),
        };
        let source = Arc::new(ComputedDiagonals {
            strategy: plan.strategy,
            batch: self.batch,
            span: self.span,
            output: Inverse::of(output),
            sources: self.sources.iter().map(source).collect(),
            diagonals: diagonals.clone(),
        });
        let mut transform =
            LinearTransform::new(self.units * self.batch, self.inputs, output.tiles());
        for (index, (to, from, distance)) in diagonals.into_iter().enumerate() {
            let values = ConstantValues::Computed(source.clone(), index);
            transform.set(to, from, distance * self.batch, values);
        }
        transform
    }

    fn for_each_entry(&self, output: &Placement, strategy: Strategy, mut f: impl FnMut(Entry)) {
        let period = output.period();
        for (placement, first_tile, key) in &self.sources {
            let matrix = &self.map.terms[key];
            let reach = self.reach(placement, output, strategy);
            let own = placement.period();
            for row in 0..matrix.rows() {
                let target = output.place(row);
                let (tile, p) = (target.tile as usize, target.unit as usize);
                matrix.for_row(row, |col, value| {
                    let source = placement.place(col);
                    let (input, q) = (first_tile + source.tile as usize, source.unit as usize);
                    let distance = reach.distance(q as isize - p as isize);
                    let to = match strategy {
                        Strategy::FoldOuter if own >= period => {
                            let copy = (q + 2 * own - p % own - distance) % own / period;
                            p + copy * period
                        }
                        Strategy::Direct | Strategy::FoldOuter => p,
                        Strategy::FoldInner => p + q,
                    };
                    f(Entry {
                        output: tile,
                        to,
                        input,
                        distance,
                        value,
                    });
                });
            }
        }
    }
}

/// Rotate-and-add steps that sum units at distances `from, 2·from, …` below `to`.
fn folds(from: usize, to: usize) -> Vec<Vec<usize>> {
    let mut steps = Vec::new();
    let mut distance = from;
    while distance < to {
        let radix = FOLD_RADIX.min(to / distance);
        steps.push((1..radix).map(|k| k * distance).collect());
        distance *= radix;
    }
    steps
}

/// An affine layer with its values, ready to run over any evaluator.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearLayer {
    transform: LinearTransform,
    bias: Option<Vec<Vec<f64>>>,
    steps: Steps,
    folds: Vec<Vec<usize>>,
}

impl LinearLayer {
    /// `y = M x + b`; the tiles of all sources in the order of their keys.
    ///
    /// # Errors
    /// Those of the evaluator and of the transform.
    pub fn forward<E: Evaluator>(
        &self,
        eval: &E,
        weights: &impl WeightedSum<E>,
        name: &str,
        tiles: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        let mut ys = self
            .transform
            .apply(eval, weights, name, tiles, self.steps)?;
        for (tile, y) in ys.iter_mut().enumerate() {
            for fold in &self.folds {
                let terms: Vec<_> = std::iter::once(0)
                    .chain(fold.iter().copied())
                    .map(|d| (&*y, Rotation(i32::try_from(d).expect("slots fit i32"))))
                    .collect();
                *y = eval.sum_rotated(&terms)?;
            }
            if let Some(bias) = &self.bias {
                let constant = eval.constant(&format!("{name}/bias.{tile}"), &bias[tile])?;
                *y = eval.add_plain(y, &constant)?;
            }
        }
        Ok(ys)
    }

    /// The transform without bias and folds.
    #[must_use]
    pub fn transform(&self) -> &LinearTransform {
        &self.transform
    }
}

#[cfg(test)]
mod tests;
