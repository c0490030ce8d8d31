//! Matrix products against plain ones.

use girih_he::{Auto, ClearEvaluator, Level};
use girih_tiles::{Error, PlainTileTensor, TileTensor};
use ndarray::{Array2, Axis, Ix2};
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

/// The table of the documentation: shapes, products, rotations; one level each.
#[test]
fn arrangements_and_their_cost() {
    for (left, right, dim, after, products, rotations) in [
        (
            "[100/32, 60/16]",
            "[*/32, 60/16]",
            1,
            "[100/32, 1?/16]",
            16,
            16,
        ),
        (
            "[100/32, 60/16]",
            "[100/32, */16]",
            0,
            "[*/32, 60/16]",
            16,
            20,
        ),
        (
            "[20/8, 30/8, */8]",
            "[*/8, 30/8, 40/8]",
            1,
            "[20/8, 1?/8, 40/8]",
            60,
            45,
        ),
        (
            "[30/8, 20/8, */8]",
            "[30/8, */8, 40/8]",
            0,
            "[*/8, 20/8, 40/8]",
            60,
            45,
        ),
        // Four pairs of matrices, both encrypted, side by side.
        (
            "[30/8, 20/4, */4, 4/4]",
            "[30/8, */4, 40/4, 4/4]",
            0,
            "[*/8, 20/4, 40/4, 4/4]",
            200,
            150,
        ),
        // A batch in all slots: no rotation.
        (
            "[30, 20, *, 512/512]",
            "[30, *, 40, 512/512]",
            0,
            "[1, 20, 40, 512/512]",
            24_000,
            0,
        ),
    ] {
        let (s, t) = (shape(left), shape(right));
        let cost = s.contraction_cost(&t, &[dim]).unwrap();
        assert_eq!(
            (cost.products, cost.rotations, cost.levels),
            (products, rotations, 1),
            "{left}"
        );
        if products > 1000 {
            continue;
        }
        let eval = Counting::new(s.slots());
        let (u, v) = (ramp(&s).mapv(f64::sin), ramp(&t).mapv(f64::cos));
        let (x, w) = (eval.tensor(&u, &s), eval.tensor(&v, &t));
        let y = x.contract(&eval, &w, &[dim]).unwrap();
        assert_eq!(y.shape().to_string(), after);
        let c = eval.take();
        assert_eq!(
            (c.dot_terms, c.rotations, c.mul_plain),
            (products, rotations, 0)
        );
        let expected = (&u * &v).sum_axis(Axis(dim)).insert_axis(Axis(dim));
        assert!(distance(&eval.open(&y).unwrap(), &expected) < 1e-12);
        // A constant costs the same, encoded when used or ahead.
        let p = PlainTileTensor::try_new("w", &v.view(), &t).unwrap();
        let z = x.contract_plain(&eval, &p, &[dim]).unwrap();
        let ahead = x.contract_plain(&eval, &p.encode(&eval).unwrap(), &[dim]);
        let c = eval.take();
        assert_eq!((c.dot_terms, c.rotations), (2 * products, 2 * rotations));
        for z in [z, ahead.unwrap()] {
            assert!(distance(&eval.open(&z).unwrap(), &expected) < 1e-12);
        }
    }
}

/// Three matrices one after the other: the contracted dimension first, the result replicated there, as the next wants it.
#[test]
fn products_of_products_need_no_mask() {
    let eval = Auto::new(ClearEvaluator::leveled(512, Level(2)));
    let pack = |a: &Array2<f64>, sizes: [usize; 3], text: &str| {
        let a = a.to_shape(sizes).unwrap().to_owned().into_dyn();
        let encrypt = |v: &[f64]| Ok::<_, Error>(eval.inner().vector(v)?);
        TileTensor::pack_with(&eval, &a.view(), &shape(text), encrypt).unwrap()
    };
    let (a, b, c) = (matrix(5, 9, 0.1), matrix(9, 7, 0.2), matrix(7, 6, 0.3));
    let at = a.t().as_standard_layout().into_owned();
    // [9, 5, *] · [9, *, 7] over dimension 0, then [*, 5, 7] · [6, *, 7] over dimension 2.
    let x = pack(&at, [9, 5, 1], "[9/8, 5/8, */8]");
    let y = x
        .contract(&eval, &pack(&b, [9, 1, 7], "[9/8, */8, 7/8]"), &[0])
        .unwrap();
    assert_eq!(y.shape().to_string(), "[*/8, 5/8, 7/8]");
    let ct = c.t().as_standard_layout().into_owned();
    let z = y
        .contract(&eval, &pack(&ct, [6, 1, 7], "[6/8, */8, 7/8]"), &[2])
        .unwrap();
    assert_eq!(z.shape().to_string(), "[6/8, 5/8, 1?/8]");
    assert_eq!(eval.remaining(&z.tiles()[0]), 0);
    let open = z
        .unpack_with(|t| Ok::<_, Error>(t.values().to_vec()))
        .unwrap();
    let expected = a
        .dot(&b)
        .dot(&c)
        .t()
        .as_standard_layout()
        .into_owned()
        .insert_axis(Axis(2))
        .into_dyn();
    assert!(distance(&open, &expected) < 1e-12);
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
        let cost = shape(&ls).contraction_cost(&shape(&rs), &[dim]).unwrap();
        let found = eval.take();
        prop_assert_eq!((found.dot_terms, found.rotations, found.mul_plain), (cost.products, cost.rotations, 0));
        // ⌈a/t⌉ ⌈b/t⌉ ⌈c/t⌉ products; log₂ t rotations for each tile of the result, if that many slots are used.
        let [e, k, f] = if first { [a.div_ceil(t[1]), b.div_ceil(t[0]), c.div_ceil(t[2])] } else { [a.div_ceil(t[0]), b.div_ceil(t[1]), c.div_ceil(t[2])] };
        prop_assert_eq!(cost.products, e * k * f);
        prop_assert!(cost.rotations <= e * f * t[usize::from(!first)].ilog2() as usize);
        prop_assert_eq!(y.shape(), &shape(&ls).of_contraction(&shape(&rs), &[dim]).unwrap());
        if first { prop_assert!(y.shape().dims()[0].is_replicated()); }
        let open = eval.open(&y).map_err(TestCaseError::fail)?;
        let open = open.into_shape_with_order((a, c)).unwrap().into_dimensionality::<Ix2>().unwrap();
        prop_assert!(distance(&open.into_dyn(), &u.dot(&v).into_dyn()) < 1e-12);
    }
}
