//! Every strategy against the matrices, stored and computed diagonals against each other.

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
        let slots = values.slots();
        let (known, found) = (
            values.period(slots.len()),
            ConstantValues::from(slots.clone()).period(slots.len()),
        );
        assert!(
            known.is_multiple_of(found),
            "{key:?}: {known} is no period, {found} is the smallest"
        );
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
