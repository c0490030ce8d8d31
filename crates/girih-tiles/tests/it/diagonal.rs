//! The diagonalised product.

use std::collections::BTreeSet;

use girih_he::{Op, Recorder};
use girih_tiles::{Error, PlainTileTensor, TileShape, TileTensor};
use ndarray::{Array2, ArrayD};
use proptest::prelude::*;

use crate::common::shape;
use crate::counting::{Counting, distance};

fn matrix(rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        ((i * columns + j) as f64 * 0.61).sin()
    })
}

#[test]
fn diagonals_lie_as_the_formula_says() {
    let s = shape("[(d)16/2, 6/4]");
    for tile in 0..s.tiles() {
        let coords = s.tile_coords(tile).unwrap();
        let (p, k, q) = (coords[0] / 4, coords[0] % 4, coords[1]);
        s.for_each_slot(tile, |slot, index| {
            let (a, b) = (slot / 4, slot % 4);
            let (i, j) = (p * 8 + (a * 4 + b + k) % 8, q * 4 + b);
            assert_eq!(index, (j < 6).then_some(&[i, j][..]));
            if let Some(index) = index {
                let at = s.locate(index).unwrap();
                assert_eq!((at.tile, at.slot), (tile, slot));
            }
        })
        .unwrap();
    }
}

#[test]
fn shapes_that_have_no_diagonals_are_refused() {
    for (text, why) in [
        ("[(d)12/2, 6/4]", "fill the matrix up with zeros to 16"),
        ("[(d)16~/2, 6/4]", "form n/t"),
        ("[(d)16/2, */4]", "form n/t"),
        ("[(d)16/2]", "two dimensions"),
    ] {
        let e = text.parse::<TileShape>().unwrap_err().to_string();
        assert!(e.contains(why) && e.contains("column 2"), "{e}");
    }
    let eval = Counting::new(8);
    let d = shape("[(d)16/2, 6/4]");
    let m = eval.tensor(&matrix(16, 6).into_dyn(), &d);
    for dim in [0, 1] {
        assert!(matches!(
            m.sum_over_dim(&eval, dim),
            Err(Error::Unsupported { .. })
        ));
    }
    let straight = eval.tensor(&matrix(16, 6).into_dyn(), &shape("[16/2, 6/4]"));
    assert!(matches!(
        m.add(&eval, &straight),
        Err(Error::Mismatch { .. })
    ));
    assert_eq!(m.add(&eval, &m).unwrap().shape(), &d);
    let ones = eval.tensor(&ArrayD::ones(vec![1, 1]), &shape("[*/2, */4]"));
    assert_eq!(m.mul(&eval, &ones).unwrap().shape(), &d);
    for (vector, word) in [("[15/8]", "not 16/8"), ("[16/8, 1]", "one dimension less")] {
        let x = eval.tensor(&crate::common::ramp(&shape(vector)), &shape(vector));
        let e = x.diagonal_product(&eval, &m).unwrap_err().to_string();
        assert!(
            e.contains(vector) && e.contains("[(d)16/2, 6/4]") && e.contains(word),
            "{e}"
        );
    }
    let x = eval.tensor(&crate::common::ramp(&shape("[16/8]")), &shape("[16/8]"));
    assert!(x.diagonal_product(&eval, &straight).is_err());
}

/// A constant matrix takes baby and giant steps: 3 + 3 rotations of t2 = 16 instead of 15, and 2 for t1 = 4.
#[test]
fn constant_matrices_take_few_rotations() {
    let d = shape("[(d)128/4, 30/16]");
    let plain = PlainTileTensor::try_new("w", &matrix(128, 30).into_dyn().view(), &d).unwrap();
    let recorder = Recorder::new("diagonals", 64);
    let inputs = (0..2).map(|i| recorder.input(&format!("x{i}")).unwrap());
    let x = TileTensor::try_new(&recorder, shape("[128/64]"), inputs.collect()).unwrap();
    let y = x.diagonal_product_plain(&recorder, &plain).unwrap();
    assert_eq!(y.shape().to_string(), "[*/4, 30/16]");
    let (program, constants) = recorder.finish();
    let (mut keys, mut products) = (BTreeSet::new(), 0);
    for inst in &program.insts {
        match &inst.op {
            Op::Rotate(_, by) => {
                keys.insert(by.0);
            }
            Op::SumRotatedProducts(giants) => {
                keys.extend(
                    giants
                        .iter()
                        .flat_map(|g| g.terms.iter().map(|t| t.1.0).chain([g.by.0])),
                );
                products += giants.iter().map(|g| g.terms.len()).sum::<usize>();
            }
            _ => {}
        }
    }
    keys.remove(&0);
    assert_eq!(
        keys.into_iter().collect::<Vec<_>>(),
        [1, 2, 3, 4, 8, 12, 16, 32]
    );
    assert_eq!((products, constants.len()), (64, 64));
}

proptest! {
    /// Values, shape and counts, for encrypted and constant matrices, with a batch behind.
    #[test]
    fn products_and_their_cost(blocks in 1..4usize, m in 1..20usize, logs in [0..3u32, 0..4u32, 0..2u32], batch in 1..4usize) {
        let [t1, t2, t3] = logs.map(|l| 1usize << l);
        let n = blocks * t1 * t2;
        let eval = Counting::new(t1 * t2 * t3);
        let vector = shape(&format!("[{n}/{}, {batch}/{t3}]", t1 * t2));
        let d = shape(&format!("[(d){n}/{t1}, {m}/{t2}, */{t3}]"));
        let w = matrix(n, m);
        let x = Array2::from_shape_fn((n, batch), |(i, b)| ((i * 5 + b * 11) as f64).cos());
        let weights = w.clone().into_shape_with_order((n, m, 1)).unwrap().into_dyn();
        let expected = w.t().dot(&x).as_standard_layout().into_owned().into_shape_with_order((1, m, batch)).unwrap().into_dyn();

        let x = eval.tensor(&x.into_dyn(), &vector);
        let plain = PlainTileTensor::try_new("w", &weights.view(), &d).unwrap();
        let tiles = m.div_ceil(t2) * batch.div_ceil(t3);
        let fold = tiles * t1.ilog2() as usize;
        let terms = blocks * t2 * tiles;
        // Encrypted: the rotations of a tile of the vector serve all columns.
        let y = x.diagonal_product(&eval, &eval.tensor(&weights, &d)).unwrap();
        let c = eval.take();
        let cost = vector.diagonal_product_cost(&d).unwrap();
        prop_assert_eq!((c.dot_terms, c.rotations), (cost.products, cost.rotations));
        prop_assert_eq!((c.dots, c.dot_terms, c.mul_plain), (tiles, terms, 0));
        prop_assert_eq!(c.rotations, blocks * batch.div_ceil(t3) * (t2 - 1) + fold);
        prop_assert!(distance(&eval.open(&y).map_err(TestCaseError::fail)?, &expected) < 1e-12);
        prop_assert!(y.shape().dims()[0].is_replicated());

        let z = x.diagonal_product_plain(&eval, &plain).unwrap();
        prop_assert!(distance(&eval.open(&z).map_err(TestCaseError::fail)?, &expected) < 1e-12);
        prop_assert_eq!(z.shape(), y.shape());
    }
}
