//! Matrix products against plain ones.

use girih_tiles::{Error, PlainTileTensor};
use ndarray::{Array2, Ix2};
use proptest::prelude::*;

use crate::common::{ramp, shape};
use crate::counting::{Counting, distance};

fn matrix(rows: usize, columns: usize, salt: f64) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        ((i * columns + j) as f64 * 0.61 + salt).sin()
    })
}

#[test]
fn worked_cost_of_a_5_by_6_matrix() {
    let m = matrix(5, 6, 0.0);
    let v = matrix(1, 6, 1.0);
    let eval = Counting::new(8);
    let w =
        PlainTileTensor::try_new("w", &m.clone().into_dyn().view(), &shape("[5/2, 6/4]")).unwrap();
    let x = eval.tensor(&v.clone().into_dyn(), &shape("[*/2, 6/4]"));
    let y = x.contract_plain(&eval, &w, &[1]).unwrap();
    assert_eq!(y.shape().to_string(), "[5/2, 1?/4]");
    let c = eval.take();
    assert_eq!(
        (c.dot_terms, c.dots, c.rotations, c.mul_plain),
        (6, 3, 6, 0)
    );
    assert!(distance(&eval.open(&y).unwrap(), &m.dot(&v.t()).into_dyn()) < 1e-12);
}

#[test]
fn vector_times_matrix_stays_replicated() {
    let m = matrix(5, 6, 0.0);
    let v = matrix(5, 1, 1.0);
    let eval = Counting::new(8);
    let w = eval.tensor(&m.clone().into_dyn(), &shape("[5/2, 6/4]"));
    let x = eval.tensor(&v.clone().into_dyn(), &shape("[5/2, */4]"));
    let y = x.contract(&eval, &w, &[0]).unwrap();
    assert_eq!(y.shape().to_string(), "[*/2, 6/4]");
    let c = eval.take();
    assert_eq!((c.dot_terms, c.dots, c.rotations), (6, 2, 2));
    assert!(distance(&eval.open(&y).unwrap(), &v.t().dot(&m).into_dyn()) < 1e-12);
}

#[test]
fn a_batch_in_all_slots_needs_no_rotation() {
    let eval = Counting::new(16);
    let w = matrix(3, 4, 0.0);
    let x = matrix(4, 13, 2.0);
    let weights = w
        .clone()
        .into_shape_with_order((3, 4, 1))
        .unwrap()
        .into_dyn();
    let weights = PlainTileTensor::try_new("w", &weights.view(), &shape("[3, 4, */16]")).unwrap();
    let data = x
        .clone()
        .into_shape_with_order((1, 4, 13))
        .unwrap()
        .into_dyn();
    let y = eval
        .tensor(&data, &shape("[1, 4, 13/16]"))
        .contract_plain(&eval, &weights, &[1])
        .unwrap();
    assert_eq!(y.shape().to_string(), "[3, 1, 13/16]");
    assert_eq!(eval.take().rotations, 0);
    let expected = w
        .dot(&x)
        .into_shape_with_order((3, 1, 13))
        .unwrap()
        .into_dyn();
    assert!(distance(&eval.open(&y).unwrap(), &expected) < 1e-12);
}

#[test]
fn unknown_terms_are_refused() {
    let s = shape("[5/2, 6?/4]");
    let eval = Counting::new(8);
    let x = eval.dirty(&ramp(&s), &s, 5.0);
    assert!(matches!(
        x.contract(&eval, &x, &[1]),
        Err(Error::Unknowns { dim: 1, .. })
    ));
    // Zero weights clear them.
    let w = PlainTileTensor::try_new("w", &ramp(&s).view(), &s).unwrap();
    let y = x.contract_plain(&eval, &w, &[1]).unwrap();
    let expected = (ramp(&s) * ramp(&s))
        .sum_axis(ndarray::Axis(1))
        .insert_axis(ndarray::Axis(1));
    assert!(distance(&eval.open(&y).unwrap(), &expected) < 1e-12);
    for dims in [&[][..], &[1, 1], &[2]] {
        assert!(x.contract_plain(&eval, &w, dims).is_err());
    }
}

proptest! {
    #[test]
    fn matrix_products(a in 1..9usize, b in 1..9usize, c in 1..9usize, logs in [0..3u32, 0..3u32, 0..3u32], first in any::<bool>(), inter in any::<bool>()) {
        let t = logs.map(|l| 1usize << l);
        let eval = Counting::new(t.iter().product());
        let (u, v) = (matrix(a, b, 0.3), matrix(b, c, 0.7));
        let k = if inter { format!("{b}~") } else { b.to_string() };
        let (left, right, ls, rs, dim) = if first {
            (u.t().to_owned().into_shape_with_order((b, a, 1)), v.clone().into_shape_with_order((b, 1, c)),
             format!("[{k}/{}, {a}/{}, */{}]", t[0], t[1], t[2]), format!("[{k}/{}, */{}, {c}/{}]", t[0], t[1], t[2]), 0)
        } else {
            (u.clone().into_shape_with_order((a, b, 1)), v.clone().into_shape_with_order((1, b, c)),
             format!("[{a}/{}, {k}/{}, */{}]", t[0], t[1], t[2]), format!("[*/{}, {k}/{}, {c}/{}]", t[0], t[1], t[2]), 1)
        };
        let left = left.unwrap_or_else(|_| u.t().as_standard_layout().into_owned().into_shape_with_order((b, a, 1)).unwrap());
        let x = eval.tensor(&left.into_dyn(), &shape(&ls));
        let w = eval.tensor(&right.unwrap().into_dyn(), &shape(&rs));
        let y = x.contract(&eval, &w, &[dim]).unwrap();
        prop_assert_eq!(y.shape(), &shape(&ls).of_contraction(&shape(&rs), &[dim]).unwrap());
        if first { prop_assert!(y.shape().dims()[0].is_replicated()); }
        let open = eval.open(&y).map_err(TestCaseError::fail)?;
        let open = open.into_shape_with_order((a, c)).unwrap().into_dimensionality::<Ix2>().unwrap();
        prop_assert!(distance(&open.into_dyn(), &u.dot(&v).into_dyn()) < 1e-12);
    }
}
