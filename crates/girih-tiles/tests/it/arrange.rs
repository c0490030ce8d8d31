//! Slices, concatenation, orders of dimensions, reshaping, rotation, shift and re-tiling against plain arrays.

use girih_tiles::{Error, TileDim, TileShape, TileTensor};
use ndarray::{ArrayD, Axis, Slice};
use proptest::prelude::*;

use crate::common::{any_dim, any_shape, ramp, shape};
use crate::counting::Counting;

fn tensor(eval: &Counting, s: &TileShape) -> TileTensor<Counting> {
    eval.dirty(&ramp(s), s, 55.5)
}

/// The result as promised by its shape, and the cost in rotations and masks.
fn check(
    eval: &Counting,
    y: &TileTensor<Counting>,
    after: &str,
    expected: &ArrayD<f64>,
    rotations: usize,
    masks: usize,
) {
    assert_eq!(y.shape().to_string(), after);
    let c = eval.take();
    assert_eq!((c.rotations, c.dot_terms), (rotations, masks), "{after}");
    assert_eq!(eval.open(y).unwrap(), *expected, "{after}");
}

#[test]
fn slices_are_tiles_or_one_rotation() {
    let slice =
        |before: &str, dim: usize, range: std::ops::Range<usize>, after: &str, rotations| {
            let s = shape(before);
            let eval = Counting::new(s.slots());
            let y = tensor(&eval, &s).slice(&eval, dim, range.clone()).unwrap();
            let expected = ramp(&s)
                .slice_axis(Axis(dim), Slice::from(range))
                .to_owned();
            check(&eval, &y, after, &expected, rotations, 0);
        };
    slice("[10/4, 3/2]", 0, 4..8, "[4/4, 3/2]", 0);
    slice("[10/4, 3/2]", 0, 4..10, "[6/4, 3/2]", 0);
    slice("[10/4, 3/2]", 0, 0..5, "[5?/4, 3/2]", 0);
    slice("[10/4, 3/2]", 0, 5..8, "[3?/4, 3/2]", 2);
    slice("[10/4, 3/2]", 0, 9..10, "[1?/4, 3/2]", 2);
    slice("[10?/4, 3/2]", 0, 8..10, "[2?/4, 3/2]", 0);
    slice("[7, 3/2]", 0, 2..5, "[3, 3/2]", 0);
    slice("[12~/4, 3/2]", 0, 3..12, "[9~?/4, 3/2]", 6);
    slice("[12~/4, 3/2]", 0, 0..5, "[5~3?/4, 3/2]", 0);
    // An inner dimension: neighbours come in at the end.
    slice("[2/2, 8/4]", 1, 5..8, "[2/2, 3?/4]", 1);

    let s = shape("[10/4, 3/2]");
    let eval = Counting::new(8);
    let x = tensor(&eval, &s);
    let text = x.slice(&eval, 0, 2..9).unwrap_err().to_string();
    assert!(
        text.contains("[10/4, 3/2]") && text.contains("[7/4, 3/2]"),
        "{text}"
    );
    for bad in [3..3, 5..11] {
        assert!(x.slice(&eval, 0, bad).is_err());
    }
    assert!(matches!(
        x.slice(&eval, 2, 0..1),
        Err(Error::NoSuchDim { .. })
    ));
}

#[test]
fn phases_of_interleaved_dimensions_are_tiles() {
    let s = shape("[23~6/4, 3/2]");
    let eval = Counting::new(8);
    let x = tensor(&eval, &s);
    let mut parts = Vec::new();
    for phase in 0..3 {
        let y = x.every(0, 3, phase).unwrap();
        let expected = ramp(&s)
            .slice_axis(Axis(0), Slice::new(phase as isize, None, 3))
            .to_owned();
        let n = expected.shape()[0];
        check(&eval, &y, &format!("[{n}~/4, 3/2]"), &expected, 0, 0);
        parts.push(y);
    }
    let whole = TileTensor::interleave(&parts.iter().collect::<Vec<_>>(), 0).unwrap();
    check(&eval, &whole, "[23~/4, 3/2]", &ramp(&s), 0, 0);
    assert!(x.every(0, 4, 0).is_err());
    assert!(x.every(0, 3, 3).is_err());
    assert!(x.every(1, 2, 0).is_err());
    let wrong = [&parts[2], &parts[0]];
    let text = TileTensor::interleave(&wrong, 0).unwrap_err().to_string();
    assert!(
        text.contains("[7~/4, 3/2]") && text.contains("[7, 8]"),
        "{text}"
    );
}

#[test]
fn whole_tiles_are_concatenated() {
    let eval = Counting::new(8);
    let [a, b, c] = ["[8/4, 3/2]", "[4/4, 3?/2]", "[3?/4, 3/2]"].map(shape);
    let [x, y, z] = [&a, &b, &c].map(|s| tensor(&eval, s));
    let all = TileTensor::concat(&[&x, &y, &z], 0).unwrap();
    let expected = ndarray::concatenate(
        Axis(0),
        &[ramp(&a).view(), ramp(&b).view(), ramp(&c).view()],
    )
    .unwrap();
    check(&eval, &all, "[15?/4, 3?/2]", &expected, 0, 0);
    let text = TileTensor::concat(&[&z, &x], 0).unwrap_err().to_string();
    assert!(
        text.contains("[3?/4, 3/2], [8/4, 3/2]") && text.contains("[11/4, 3/2]"),
        "{text}"
    );
    let other = tensor(&eval, &shape("[4/4, 4/2]"));
    assert!(matches!(
        TileTensor::concat(&[&x, &other], 0),
        Err(Error::Mismatch { dim: 1, .. })
    ));
    assert!(TileTensor::<Counting>::concat(&[], 0).is_err());
}

#[test]
fn orders_of_dimensions_that_move_no_slot_are_free() {
    let s = shape("[3, */2, 5/4, */2, 2]");
    let eval = Counting::new(16);
    let x = tensor(&eval, &s);
    for (order, after) in [
        ([4, 1, 2, 3, 0], Some("[2, */2, 5/4, */2, 3]")),
        ([1, 2, 0, 4, 3], Some("[*/2, 5/4, 3, 2, */2]")),
        ([0, 3, 2, 1, 4], Some("[3, */2, 5/4, */2, 2]")),
        ([0, 2, 1, 3, 4], None),
    ] {
        match (x.permute(&order), after) {
            (Ok(y), Some(after)) => {
                check(
                    &eval,
                    &y,
                    after,
                    &ramp(&s).permuted_axes(order.to_vec()),
                    0,
                    0,
                );
            }
            (Err(Error::Layout { .. }), None) => {}
            (other, _) => panic!("{order:?}: {other:?}"),
        }
    }
    assert!(x.permute(&[0, 1, 2, 3, 3]).is_err());
    // Replicated dimensions side by side may change places, whatever their sizes.
    let s = shape("[5/2, */2, */4]");
    let y = tensor(&eval, &s).permute(&[0, 2, 1]).unwrap();
    check(&eval, &y, "[5/2, */4, */2]", &ramp(&s), 0, 0);
}

#[test]
fn reshaping_is_free_where_the_slots_agree() {
    let flatten = |before: &str, first: usize, last: usize, after: &str| {
        let s = shape(before);
        let eval = Counting::new(s.slots());
        let x = tensor(&eval, &s);
        let y = x.flatten(first, last).unwrap();
        let sizes = y.shape().original_sizes().unwrap();
        let expected = ramp(&s).into_shape_with_order(sizes).unwrap();
        check(&eval, &y, after, &expected, 0, 0);
        // And back.
        let back = y.reshape(&s).unwrap();
        assert_eq!(eval.open(&back).unwrap(), ramp(&s));
    };
    flatten("[5/2, 4/4]", 0, 1, "[20/8]");
    flatten("[5?/2, 4/4]", 0, 1, "[20?/8]");
    flatten("[3, 8/4, 2/2]", 0, 2, "[48/8]");
    flatten("[3, 8/4, 3/2]", 0, 1, "[24/4, 3/2]");
    flatten("[6~3/4, 5, 3/2]", 0, 1, "[30~15/4, 3/2]");
    flatten("[*/4, */2, 5/2]", 0, 1, "[*/8, 5/2]");
    flatten("[1, 1/4, 7/8]", 0, 1, "[1/4, 7/8]");
    flatten("[1/4, 2/4]", 0, 1, "[2/16]");

    let s = shape("[5/2, 3/4]");
    let eval = Counting::new(8);
    let x = tensor(&eval, &s);
    let text = x.flatten(0, 1).unwrap_err().to_string();
    assert!(
        text.contains("[5/2, 3/4]") && text.contains("[15/8]") && text.contains("slot 3"),
        "{text}"
    );
    assert!(x.flatten(1, 0).is_err() && x.flatten(0, 2).is_err());
    assert!(x.reshape(&shape("[4/2, 4/4]")).is_err());
    // Inserting and leaving out dimensions of one element.
    let y = x.reshape(&shape("[1, 5/2, 1, 3/4]")).unwrap();
    assert_eq!(y.shape().to_string(), "[1, 5/2, 1, 3/4]");
    eval.open(&y).unwrap();
}

#[test]
fn sizes_change_where_slots_are_free() {
    let resize = |before: &str, dim: usize, n: usize, after: &str| {
        let s = shape(before);
        let eval = Counting::new(s.slots());
        let y = tensor(&eval, &s).resize(dim, n).unwrap();
        let mut sizes = s.original_sizes().unwrap();
        sizes[dim] = n;
        let expected =
            ArrayD::from_shape_fn(sizes, |at| ramp(&s).get(&at).copied().unwrap_or_default());
        check(&eval, &y, after, &expected, 0, 0);
    };
    resize("[10/4, 3/2]", 0, 12, "[12/4, 3/2]");
    resize("[10/4, 3/2]", 0, 11, "[11/4, 3/2]");
    resize("[10/4, 3/2]", 0, 9, "[9?/4, 3/2]");
    resize("[10/4, 3/2]", 0, 4, "[4/4, 3/2]");
    resize("[10?/4, 3/2]", 0, 7, "[7?/4, 3/2]");
    resize("[10~3/4, 3/2]", 0, 12, "[12~/4, 3/2]");
    resize("[10~3/4, 3/2]", 0, 5, "[5~3?/4, 3/2]");
    resize("[10/4, 3?/2]", 0, 5, "[5?/4, 3?/2]");

    let eval = Counting::new(8);
    let x = tensor(&eval, &shape("[10/4, 3?/2]"));
    assert!(matches!(x.resize(0, 13), Err(Error::Layout { .. })));
    assert!(matches!(x.resize(1, 4), Err(Error::Layout { .. })));
    assert!(x.resize(0, 0).is_err());
    let y = x.reinterpret_size(1, 4).unwrap();
    assert_eq!(y.shape().to_string(), "[10?/4, 4/2]");
    assert_eq!(eval.open(&y).unwrap()[[0, 3]], 55.5);
    assert!(x.reinterpret_size(0, 8).is_err());
    assert_eq!(
        x.reinterpret_size(0, 9).unwrap().shape().to_string(),
        "[9?/4, 3?/2]"
    );
}

#[test]
fn rotations_along_a_dimension_move_tiles() {
    let rotate = |before: &str, dim: usize, by: i64, rotations: usize| {
        let s = shape(before);
        let eval = Counting::new(s.slots());
        let y = tensor(&eval, &s).rotate_along_dim(&eval, dim, by).unwrap();
        let n = s.original_sizes().unwrap()[dim] as i64;
        let expected = ArrayD::from_shape_fn(ramp(&s).shape(), |at| {
            let mut at = at;
            at[dim] = (at[dim] as i64 + by).rem_euclid(n) as usize;
            ramp(&s)[at]
        });
        check(&eval, &y, before, &expected, rotations, 0);
    };
    rotate("[12~/4, 3/2]", 0, 1, 2);
    rotate("[12~/4, 3/2]", 0, -4, 6);
    rotate("[12~/4, 3/2]", 0, 12, 0);
    rotate("[8/8, 5]", 0, 3, 5);
    rotate("[7, 3/2]", 0, 2, 0);
    rotate("[12/4, 3/2]", 0, 8, 0);
    rotate("[*/2, 8~/4, 1]", 1, 3, 2);
    for (before, dim, by) in [
        ("[11~/4, 3/2]", 0, 1),
        ("[12/4, 3/2]", 0, 1),
        ("[2/2, 8~/4]", 1, 1),
    ] {
        let eval = Counting::new(8);
        let x = tensor(&eval, &shape(before));
        let text = x.rotate_along_dim(&eval, dim, by).unwrap_err().to_string();
        assert!(text.contains(before) && text.contains("retile"), "{text}");
    }
}

#[test]
fn shifts_mask_what_they_must() {
    let eval = Counting::new(8);
    let x = tensor(&eval, &shape("[3/8]"));
    // Zeros come in from unused slots, and what goes out lands in unused ones.
    let y = x.shift_along_dim(&eval, 0, -2).unwrap();
    let expected = ArrayD::from_shape_vec(vec![3], vec![0.0, 0.0, 1.0]).unwrap();
    check(&eval, &y, "[3?/8]", &expected, 1, 0);
    let y = x.shift_along_dim(&eval, 0, 1).unwrap();
    let expected = ArrayD::from_shape_vec(vec![3], vec![2.0, 3.0, 0.0]).unwrap();
    check(&eval, &y, "[3?/8]", &expected, 1, 0);
    // Two tiles of runs mix: two pieces in the first, one in the second.
    let x = tensor(&eval, &shape("[16/8]"));
    let y = x.shift_along_dim(&eval, 0, 3).unwrap();
    let expected = ArrayD::from_shape_fn(
        vec![16],
        |i| if i[0] < 13 { i[0] as f64 + 4.0 } else { 0.0 },
    );
    check(&eval, &y, "[16/8]", &expected, 2, 3);
}

#[test]
fn retiling_says_its_cost() {
    let (a, b) = (shape("[5/2, 6/4]"), shape("[5/4, 6~/2]"));
    let eval = Counting::new(8);
    let cost = a.retile_cost(&b).unwrap();
    let y = tensor(&eval, &a).retile(&eval, &b).unwrap();
    assert_eq!(cost.levels, 1);
    check(
        &eval,
        &y,
        "[5/4, 6~/2]",
        &ramp(&a),
        cost.rotations,
        cost.products,
    );
    // To diagonals and back.
    let (a, b) = (shape("[16/2, 6/4]"), shape("[(d)16/2, 6/4]"));
    let y = tensor(&eval, &a).retile(&eval, &b).unwrap();
    assert_eq!(eval.open(&y).unwrap(), ramp(&a));
    let back = y.retile(&eval, &a).unwrap();
    assert_eq!(eval.open(&back).unwrap(), ramp(&a));
    let text = a
        .retile_cost(&shape("[15/2, 6/4]"))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("[16/2, 6/4]") && text.contains("[15/2, 6/4]"),
        "{text}"
    );
}

/// A shape with the original sizes and slots of another.
fn sibling(s: &TileShape, logs: &[u32], kinds: &[u8]) -> Option<TileShape> {
    let total = s.slots().ilog2();
    let mut left = total;
    let dims = s.dims().iter().enumerate().map(|(i, d)| {
        let last = i + 1 == s.rank();
        let log = if last { left } else { logs[i].min(left) };
        left -= log;
        let (n, t) = (d.original_size().unwrap(), 1 << log);
        match kinds[i] % 4 {
            0 if n == 1 => TileDim::replicated(t),
            1 => TileDim::interleaved_over(n, n.div_ceil(t) + 1, t),
            2 => TileDim::interleaved(n, t),
            _ => TileDim::basic(n, t),
        }
        .ok()
    });
    TileShape::try_new(dims.collect::<Option<_>>()?).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn any_shape_becomes_any_other(s in any_shape(), logs in prop::collection::vec(0..4u32, 4), kinds in prop::collection::vec(any::<u8>(), 4)) {
        let Some(t) = sibling(&s, &logs, &kinds) else { return Ok(()) };
        let eval = Counting::new(s.slots());
        let cost = s.retile_cost(&t).unwrap();
        let y = tensor(&eval, &s).retile(&eval, &t).unwrap();
        let c = eval.take();
        prop_assert_eq!((c.rotations, c.dot_terms), (cost.rotations, cost.products));
        prop_assert_eq!(y.shape(), &s.of_retiling(&t).unwrap());
        prop_assert_eq!(eval.open(&y).map_err(TestCaseError::fail)?, ramp(&s));
        // The same place costs nothing.
        prop_assert_eq!(s.retile_cost(&s).unwrap(), girih_tiles::ops::Cost::default());
    }

    /// Whatever is accepted is right, whatever is refused names the shape.
    #[test]
    fn rearrangements_are_right_or_refused(s in any_shape(), dim in 0..4usize, by in -9..9i64, step in 1..4usize, n in 1..30usize) {
        let dim = dim % s.rank();
        let eval = Counting::new(s.slots());
        let (x, a) = (tensor(&eval, &s), ramp(&s));
        let size = a.shape()[dim];
        let moved = |wrap: bool, size: usize, map: &dyn Fn(i64) -> i64| {
            let mut sizes = a.shape().to_vec();
            let old = sizes[dim] as i64;
            sizes[dim] = size;
            ArrayD::from_shape_fn(sizes, |at| {
                let i = map(at[dim] as i64);
                let i = if wrap { i.rem_euclid(old) } else { i };
                let mut from = at.clone();
                from[dim] = usize::try_from(i).unwrap_or(usize::MAX);
                a.get(from).copied().unwrap_or_default()
            })
        };
        let start = by.unsigned_abs() as usize % size;
        let results = [
            (x.rotate_along_dim(&eval, dim, by), moved(true, size, &|i| i + by)),
            (x.shift_along_dim(&eval, dim, by), moved(false, size, &|i| i + by)),
            (x.slice(&eval, dim, start..size), moved(false, size - start, &|i| i + start as i64)),
            (x.slice(&eval, dim, 0..start + 1), moved(false, start + 1, &|i| i)),
            (x.every(dim, step, 0), moved(false, size.div_ceil(step), &|i| i * step as i64)),
            (x.resize(dim, n), moved(false, n, &|i| i)),
        ];
        for (k, (result, expected)) in results.into_iter().enumerate() {
            match result {
                Ok(y) => prop_assert_eq!(eval.open(&y).map_err(TestCaseError::fail)?, expected, "{}: {}", k, s),
                Err(e) => {
                    prop_assert!(k != 1, "shifts always work: {}", e);
                    prop_assert!(e.to_string().contains(&s.to_string()), "{}", e);
                }
            }
        }
    }

    /// A permutation or flattening that is accepted is right.
    #[test]
    fn orders_and_mergers_are_right_or_refused(s in any_shape(), seed in any::<u64>(), first in 0..4usize, last in 0..4usize) {
        let eval = Counting::new(s.slots());
        let x = tensor(&eval, &s);
        let mut order: Vec<usize> = (0..s.rank()).collect();
        order.sort_by_key(|&d| seed.rotate_left(13 * d as u32) % 97);
        if let Ok(y) = x.permute(&order) {
            prop_assert_eq!(eval.open(&y).map_err(TestCaseError::fail)?, ramp(&s).permuted_axes(order));
        }
        if let Ok(y) = x.flatten(first, last) {
            let sizes = y.shape().original_sizes().unwrap();
            prop_assert_eq!(eval.open(&y).map_err(TestCaseError::fail)?, ramp(&s).into_shape_with_order(sizes).unwrap());
        }
    }

    #[test]
    fn parts_come_together(d in any_dim(2), e in any_dim(2), kind in any::<bool>()) {
        let shapes = [d, e].map(|d| TileShape::try_new(vec![d, TileDim::basic(3, 2).unwrap()]).unwrap());
        let eval = Counting::new(8);
        let (x, y) = (tensor(&eval, &shapes[0]), tensor(&eval, &shapes[1]));
        let (a, b) = (ramp(&shapes[0]), ramp(&shapes[1]));
        let result = if kind { TileTensor::concat(&[&x, &y], 0) } else { TileTensor::interleave(&[&x, &y], 0) };
        if let Ok(z) = result {
            let expected = if kind {
                ndarray::concatenate(Axis(0), &[a.view(), b.view()]).unwrap()
            } else {
                ArrayD::from_shape_fn(vec![a.shape()[0] + b.shape()[0], 3], |at| if at[0] % 2 == 0 { &a } else { &b }[[at[0] / 2, at[1]]])
            };
            prop_assert_eq!(eval.open(&z).map_err(TestCaseError::fail)?, expected);
        }
    }
}
