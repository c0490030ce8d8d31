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

mod classes;
mod computed;

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

/// Which places of one source and of the result meet under a strategy.
#[derive(Clone, Copy, Debug)]
struct Reach {
    strategy: Strategy,
    /// Units of a tile.
    units: usize,
    /// Period of the source.
    own: usize,
    /// Period of the result.
    period: usize,
    /// Longest period of all sources.
    span: usize,
}

impl Reach {
    /// The distance on whose diagonal an entry lies, from the unit of its source less that of its result.
    fn distance(&self, difference: isize) -> usize {
        // Periods are powers of two.
        let modulo = |m: usize| difference as usize & (m - 1);
        match self.strategy {
            Strategy::FoldInner => 0,
            Strategy::FoldOuter if self.own >= self.period => modulo(self.period),
            Strategy::Direct | Strategy::FoldOuter => match modulo(self.own) {
                forward if forward > self.own / 2 => self.units + forward - self.own,
                forward => forward,
            },
        }
    }

    /// The units of result and source, below their periods, that meet in a unit of a diagonal.
    fn meets(&self, unit: usize, distance: usize) -> Option<(usize, usize)> {
        // Periods are powers of two.
        let modulo = |n: usize, m: usize| n & (m - 1);
        let from = modulo(unit + distance, self.own);
        let spanned = modulo(unit, self.span);
        match self.strategy {
            Strategy::Direct => Some((modulo(unit, self.period), from)),
            Strategy::FoldInner => Some((unit - spanned, spanned)),
            Strategy::FoldOuter if self.own >= self.period => {
                (spanned < self.own).then_some((modulo(unit, self.period), from))
            }
            Strategy::FoldOuter => (spanned < self.period).then_some((spanned, from)),
        }
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
mod tests {
    use super::*;
    use crate::{ImageGrid, Sparse, Window, maps};
    use girih_circuits::PlainWeights;
    use girih_he::ClearEvaluator;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    const PRICES: StepPrices = StepPrices {
        decompose: 0.6,
        baby: 0.4,
        giant: 1.0,
        product: 0.03,
        lazy: None,
        key: 0.0,
    };

    /// Runs a planned map in clear and compares it with the sparse matrices.
    fn check(
        map: &Affine<u8>,
        sources: &[(u8, Placement)],
        output: &Placement,
        strategy: Strategy,
    ) -> Option<LinearPlan> {
        let placements: BTreeMap<u8, &Placement> = sources.iter().map(|(k, p)| (*k, p)).collect();
        let placed = PlacedMap::try_new(map, &placements).expect("sources fit");
        let plan = placed.plan(output, strategy, &PRICES)?;
        let layer = placed.build(&plan);
        for found in [
            placed.diagonals(output, strategy, usize::MAX),
            placed.occupied_by_structure(output, strategy, usize::MAX),
        ] {
            if let Found::All(diagonals) = found {
                compare(&layer.transform, &placed.computed(&plan, diagonals));
            }
        }
        let (slots, batch) = (output.slots(), output.batch());
        let eval = ClearEvaluator::unlimited(slots);
        let mut tiles = Vec::new();
        let mut expected = vec![map.bias.clone(); batch];
        for (key, placement) in sources {
            let samples: Vec<Vec<f64>> = (0..batch)
                .map(|b| {
                    (0..placement.features())
                        .map(|i| ((i * 37 + b * 11 + usize::from(*key)) % 17) as f64 - 8.0)
                        .collect()
                })
                .collect();
            for (sum, x) in expected.iter_mut().zip(&samples) {
                for (s, y) in sum.iter_mut().zip(map.terms[key].apply(x)) {
                    *s += y;
                }
            }
            let views: Vec<&[f64]> = samples.iter().map(Vec::as_slice).collect();
            for tile in placement.pack(&views) {
                tiles.push(eval.vector(&tile).expect("finite"));
            }
        }
        let ys = layer
            .forward(&eval, &PlainWeights, "layer", &tiles)
            .expect("runs");
        let ys: Vec<Vec<f64>> = ys.iter().map(|y| y.values().to_vec()).collect();
        let period = if strategy == Strategy::FoldInner {
            output.units()
        } else {
            output.period()
        };
        for copy in (0..output.units()).step_by(period) {
            let shifted: Vec<Vec<f64>> = ys
                .iter()
                .map(|y| {
                    let mut y = y.clone();
                    y.rotate_left(copy * batch);
                    y
                })
                .collect();
            for (got, want) in output.unpack(&shifted, batch).iter().zip(&expected) {
                for (g, w) in got.iter().zip(want) {
                    assert!(
                        (g - w).abs() < 1e-9,
                        "{strategy:?} {output} copy {copy}: {g} instead of {w}"
                    );
                }
            }
        }
        Some(plan)
    }

    /// Computed diagonals are the stored ones; those that are not stored are zero.
    fn compare(stored: &LinearTransform, computed: &LinearTransform) {
        for (key, values) in stored.diagonals() {
            let found = computed.diagonals().find(|d| d.0 == key);
            assert_eq!(found.map(|d| d.1.slots()), Some(values.slots()), "{key:?}");
        }
        for (key, values) in computed.diagonals() {
            let zero = values.slots().iter().all(|v| *v == 0.0);
            assert_eq!(zero, stored.diagonals().all(|d| d.0 != key), "{key:?}");
        }
    }

    fn matrix(rows: usize, cols: usize) -> Matrix {
        let values: Vec<f64> = (0..rows * cols)
            .map(|i| ((i * 29) % 13) as f64 - 6.0)
            .collect();
        maps::dense(&values, rows, cols).expect("shape")
    }

    fn affine(matrix: Matrix) -> Affine<u8> {
        let shift: Vec<f64> = (0..matrix.rows()).map(|i| i as f64 / 3.0).collect();
        Affine::source(0, matrix.cols())
            .then(&matrix)
            .shifted(&shift)
    }

    proptest! {
        #[test]
        fn every_strategy_is_the_matrix(rows in 1..40usize, cols in 1..40usize, batch in 0..3u32, pad in 0..3u32) {
            let (slots, batch) = (256, 1usize << batch);
            let map = affine(matrix(rows, cols));
            let source = Placement::vector(cols << pad, slots, batch);
            let wide = Matrix::from(Sparse::from_rows(cols << pad, (0..cols).map(|i| vec![(i, 1.0)]).collect()));
            let map = Affine { terms: map.terms.into_iter().map(|(k, m)| (k, m.compose(&wide))).collect(), ..map };
            let output = Placement::vector(rows, slots, batch);
            let ran = [Strategy::Direct, Strategy::FoldOuter]
                .map(|s| check(&map, &[(0, source.clone())], &output, s).is_some());
            prop_assert!(ran[0] != ran[1]);
            if let Some(strided) = Placement::strided(rows, source.period(), slots, batch) {
                let plan = check(&map, &[(0, source)], &strided, Strategy::FoldInner).expect("fits");
                prop_assert_eq!(plan.counts.products, 1);
            }
        }

        #[test]
        fn sums_of_sources_with_different_periods(a in 1..30usize, b in 1..60usize, rows in 1..20usize) {
            let map = Affine {
                terms: BTreeMap::from([(0u8, matrix(rows, a)), (1u8, matrix(rows, b))]),
                bias: vec![0.5; rows],
            };
            let sources = [(0, Placement::vector(a, 128, 2)), (1, Placement::vector(b, 128, 2))];
            let output = Placement::vector(rows, 128, 2);
            for strategy in [Strategy::Direct, Strategy::FoldOuter] {
                check(&map, &sources, &output, strategy);
            }
        }
    }

    fn grid() -> impl proptest::strategy::Strategy<Value = ImageGrid> {
        use proptest::prelude::*;
        (2..4u32, 2..4u32, 0..3usize).prop_map(|(rows, cols, kind)| ImageGrid {
            rows: 1 << rows,
            cols: 1 << cols,
            interleave: 1 + usize::from(kind == 1),
            gap: 1 + usize::from(kind == 2),
        })
    }

    proptest! {
            /// The diagonals by structure are those of the entries, for convolutions on all kinds of grids.
            #[test]
            fn convolutions_are_found_by_their_structure(
                from in grid(), to in grid(), size in 2..6usize, stride in 1..3usize, pad in 0..2usize,
                channels in 1..6usize, filters in 1..6usize, batch in 0..2u32,
            ) {
                let window = Window { kernel: [2, 2], stride: [stride; 2], pad: [pad, 1, 0, pad], ..Window::default() };
                let weight: Vec<f64> = (0..4 * channels * filters).map(|i| (i % 7) as f64 + 1.0).collect();
                let matrix = maps::conv2d([channels, size, size], &weight, filters, 1, window).expect("shapes fit");
                let Matrix::Window(convolution) = &matrix else { unreachable!("a convolution") };
                let source = Placement::image(convolution.input(), from, 256, 1 << batch);
                let output = Placement::image(convolution.output(), to, 256, 1 << batch);
                if let (Some(source), Some(output)) = (source, output) {
                    let map = affine(matrix);
                    let plans = [Strategy::Direct, Strategy::FoldOuter]
                        .map(|s| check(&map, &[(0, source.clone())], &output, s).is_some());
                    prop_assert!(!(plans[0] && plans[1]));
                    let placements = BTreeMap::from([(0u8, &source)]);
                    let placed = PlacedMap::try_new(&map, &placements).expect("sources fit");
                    let strategy = if output.period() < source.period() { Strategy::FoldOuter } else { Strategy::Direct };
    let found = placed.occupied_by_structure(&output, strategy, usize::MAX);
                    prop_assert_eq!(Found::All(placed.occupied(&output, strategy)), found);
                }
            }
        }

    #[test]
    fn a_convolution_on_one_grid_needs_one_diagonal_per_tap() {
        let window = Window {
            kernel: [3, 3],
            stride: [1, 1],
            pad: [1, 1, 1, 1],
            ..Window::default()
        };
        let weight: Vec<f64> = (0..4 * 9).map(|i| f64::from(i) - 17.5).collect();
        let map = affine(maps::conv2d([1, 7, 7], &weight, 4, 1, window).expect("shape"));
        let grid = ImageGrid {
            rows: 8,
            cols: 8,
            interleave: 1,
            gap: 1,
        };
        let source = Placement::image([1, 7, 7], grid, 256, 1).expect("fits");
        let output = Placement::image([4, 7, 7], grid, 256, 1).expect("fits");
        let plan = check(&map, &[(0, source)], &output, Strategy::Direct).expect("fits");
        assert_eq!(plan.counts.products, 9);
        assert!(plan.counts.babies + plan.counts.giants <= 8);
    }

    #[test]
    fn a_strided_convolution_on_interleaved_tiles_stays_dense() {
        let window = Window {
            kernel: [3, 3],
            stride: [2, 2],
            pad: [1, 1, 1, 1],
            ..Window::default()
        };
        let weight: Vec<f64> = (0..4 * 9).map(|i| f64::from(i) - 17.5).collect();
        let map = affine(maps::conv2d([1, 8, 8], &weight, 4, 1, window).expect("shape"));
        let source = ImageGrid {
            rows: 4,
            cols: 4,
            interleave: 2,
            gap: 1,
        };
        let result = ImageGrid {
            interleave: 1,
            ..source
        };
        let source = Placement::image([1, 8, 8], source, 64, 1).expect("fits");
        let output = Placement::image([4, 4, 4], result, 64, 1).expect("fits");
        let plan = check(&map, &[(0, source)], &output, Strategy::Direct).expect("fits");
        assert_eq!(plan.counts.products, 9);
    }

    #[test]
    fn wide_matrices_fold() {
        let map = affine(matrix(10, 200));
        let source = Placement::vector(200, 256, 1);
        let output = Placement::vector(10, 256, 1);
        let plan = check(&map, &[(0, source)], &output, Strategy::FoldOuter).expect("fits");
        assert_eq!(plan.counts.products, 16);
        assert_eq!(plan.folds, vec![vec![16, 32, 48], vec![64, 128, 192]]);
    }
}
