//! Random sequences of operations: values as on plain arrays, slots as the shape promises.

use girih_tiles::{Error, PlainTileTensor, TileDim, TileShape, TileTensor, Zeros};
use ndarray::{ArrayD, Axis};
use proptest::prelude::*;

use crate::common::{any_dim, any_shape, ramp, shape};
use crate::counting::{Counting, distance, slots};

#[derive(Clone, Debug)]
enum Step {
    Add(u32),
    Sub(u32),
    Mul(u32),
    AddPlain(u32),
    AddPlainToUsed(u32),
    SubPlain(u32),
    MulPlain(u32),
    AddScalar,
    AddScalarToUsed,
    MulScalar,
    MulScalarAndClear,
    Clear,
    Square,
    Sum(usize),
    Replicate(usize),
    Slice(usize, usize, usize),
    Every(usize, usize),
    Resize(usize, usize),
    Reinterpret(usize, usize),
    Rotate(usize, i64),
    Shift(usize, i64),
    Double(usize),
    Permute(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u32>().prop_map(Step::Add),
        any::<u32>().prop_map(Step::Sub),
        any::<u32>().prop_map(Step::Mul),
        any::<u32>().prop_map(Step::AddPlain),
        any::<u32>().prop_map(Step::AddPlainToUsed),
        any::<u32>().prop_map(Step::SubPlain),
        any::<u32>().prop_map(Step::MulPlain),
        Just(Step::AddScalar),
        Just(Step::AddScalarToUsed),
        Just(Step::MulScalar),
        Just(Step::MulScalarAndClear),
        Just(Step::Clear),
        Just(Step::Square),
        (0..4usize).prop_map(Step::Sum),
        (0..4usize).prop_map(Step::Replicate),
        (0..4usize, 0..20usize, 1..20usize).prop_map(|(d, a, n)| Step::Slice(d, a, n)),
        (0..4usize, 1..4usize).prop_map(|(d, k)| Step::Every(d, k)),
        (0..4usize, 1..20usize).prop_map(|(d, n)| Step::Resize(d, n)),
        (0..4usize, 1..20usize).prop_map(|(d, n)| Step::Reinterpret(d, n)),
        (0..4usize, -9..9i64).prop_map(|(d, by)| Step::Rotate(d, by)),
        (0..4usize, -9..9i64).prop_map(|(d, by)| Step::Shift(d, by)),
        (0..4usize).prop_map(Step::Double),
        any::<u32>().prop_map(Step::Permute),
    ]
}

/// A shape that goes together with `s`: each dimension the same (flagged or not), replicated, or
/// anything of that tile size where `s` is replicated. Two bits of `choice` a dimension.
fn partner(s: &TileShape, choice: u32) -> TileShape {
    let dims = s.dims().iter().enumerate().map(|(i, d)| {
        let t = d.tile_size();
        match choice >> (3 * i) & 7 {
            0 | 1 => TileDim::replicated(t).unwrap(),
            2 | 3 if d.is_replicated() => TileDim::basic(t + 1, t).unwrap(),
            4 if d.is_replicated() => TileDim::interleaved_over(t.max(2), 3, t).unwrap(),
            2 | 4 | 5 => d.with_unknown().unwrap_or(*d),
            _ => d.to_string().replace('?', "").parse().unwrap(),
        }
    });
    TileShape::try_new(dims.collect()).unwrap()
}

/// The array with `n` elements along a dimension, element `i` from `map(i)`, zero if there is none.
fn along(y: &ArrayD<f64>, dim: usize, n: usize, map: impl Fn(usize) -> usize) -> ArrayD<f64> {
    let mut sizes = y.shape().to_vec();
    sizes[dim] = n;
    ArrayD::from_shape_fn(sizes, |mut at| {
        at[dim] = map(at[dim]);
        y.get(at).copied().unwrap_or_default()
    })
}

fn values(s: &TileShape, salt: f64) -> ArrayD<f64> {
    ramp(s).mapv(|v| ((v * 0.37 + salt).sin() + 1.5) / 2.0)
}

fn check(
    eval: &Counting,
    x: &TileTensor<Counting>,
    y: &ArrayD<f64>,
    what: &str,
) -> Result<(), TestCaseError> {
    let open = eval
        .open(x)
        .map_err(|e| TestCaseError::fail(format!("{what}: {e}")))?;
    prop_assert!(distance(&open, y) < 1e-9, "{what}: {open} instead of {y}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn slots_hold_what_shapes_promise(s in any_shape(), steps in prop::collection::vec(any_step(), 1..10)) {
        let eval = Counting::new(s.slots());
        let mut y = values(&s, 0.1);
        let mut x = eval.dirty(&y, &s, 3.5);
        for (k, step) in steps.iter().enumerate() {
            let salt = k as f64;
            let what = format!("{step:?} on {}", x.shape());
            let with = |choice: u32| {
                let s = partner(x.shape(), choice);
                let v = values(&s, salt);
                (eval.dirty(&v, &s, -1.25 - salt), PlainTileTensor::try_new(format!("p{k}"), &v.view(), &s).unwrap(), v)
            };
            let (next, expected) = match *step {
                Step::Add(c) => { let (b, _, v) = with(c); (x.add(&eval, &b), &y + &v) }
                Step::Sub(c) => { let (b, _, v) = with(c); (x.sub(&eval, &b), &y - &v) }
                Step::Mul(c) => { let (b, _, v) = with(c); (x.mul(&eval, &b), &y * &v) }
                Step::AddPlain(c) => { let (_, p, v) = with(c); (x.add_plain(&eval, &p), &y + &v) }
                Step::AddPlainToUsed(c) => { let (_, p, v) = with(c); (x.add_plain_to_used(&eval, &p), &y + &v) }
                Step::SubPlain(c) => { let (_, p, v) = with(c); (x.sub_plain(&eval, &p), &y - &v) }
                Step::MulPlain(c) => { let (_, p, v) = with(c); (x.mul_plain(&eval, &p), &y * &v) }
                Step::AddScalar => (x.add_scalar(&eval, 0.75), &y + 0.75),
                Step::AddScalarToUsed => (x.add_scalar_to_used(&eval, 0.75), &y + 0.75),
                Step::MulScalar => (x.mul_scalar(&eval, -0.5), &y * -0.5),
                Step::MulScalarAndClear => (x.mul_scalar_and_clear(&eval, -0.5), &y * -0.5),
                Step::Clear => (x.clear_unknowns(&eval), y.clone()),
                Step::Square => (x.map(Zeros::Stay, |t| Ok(girih_he::Evaluator::mul(&eval, t, t)?)), &y * &y),
                Step::Slice(d, start, n) => {
                    let d = d % x.shape().rank();
                    let start = start % y.shape()[d];
                    let n = n.min(y.shape()[d] - start);
                    let Ok(r) = x.slice(&eval, d, start..start + n) else { continue };
                    (Ok(r), along(&y, d, n, |i| i + start))
                }
                Step::Every(d, k) => {
                    let d = d % x.shape().rank();
                    let Ok(r) = x.every(d, k, 0) else { continue };
                    (Ok(r), along(&y, d, y.shape()[d].div_ceil(k), |i| i * k))
                }
                Step::Resize(d, n) => {
                    let d = d % x.shape().rank();
                    let Ok(r) = x.resize(d, n) else { continue };
                    (Ok(r), along(&y, d, n, |i| i))
                }
                Step::Reinterpret(d, n) => {
                    let d = d % x.shape().rank();
                    if x.shape().has_unknowns() && n > y.shape()[d] { continue }
                    let Ok(r) = x.reinterpret_size(d, n) else { continue };
                    (Ok(r), along(&y, d, n, |i| i))
                }
                Step::Rotate(d, by) => {
                    let d = d % x.shape().rank();
                    let Ok(r) = x.rotate_along_dim(&eval, d, by) else { continue };
                    let n = y.shape()[d];
                    (Ok(r), along(&y, d, n, |i| (i as i64 + by).rem_euclid(n as i64) as usize))
                }
                Step::Shift(d, by) => {
                    let d = d % x.shape().rank();
                    let r = x.shift_along_dim(&eval, d, by);
                    (r, along(&y, d, y.shape()[d], |i| usize::try_from(i as i64 + by).unwrap_or(usize::MAX)))
                }
                Step::Double(d) => {
                    let d = d % x.shape().rank();
                    let Ok(r) = TileTensor::concat(&[&x, &x], d) else { continue };
                    let n = y.shape()[d];
                    (Ok(r), along(&y, d, 2 * n, |i| i % n))
                }
                Step::Permute(seed) => {
                    let mut order: Vec<usize> = (0..x.shape().rank()).collect();
                    order.sort_by_key(|&d| seed.rotate_left(7 * d as u32) % 31);
                    let Ok(r) = x.permute(&order) else { continue };
                    (Ok(r), y.clone().permuted_axes(order))
                }
                Step::Sum(d) => {
                    let d = d % s.rank();
                    let r = x.sum_over_dim(&eval, d);
                    if x.shape().dims()[d].is_unknown() {
                        let refused = matches!(r, Err(Error::Unknowns { .. }));
                        prop_assert!(refused, "{what}");
                        continue;
                    }
                    (r, y.sum_axis(Axis(d)).insert_axis(Axis(d)))
                }
                Step::Replicate(d) => {
                    let d = d % s.rank();
                    let r = x.replicate_over_dim(&eval, d);
                    if y.shape()[d] != 1 || x.shape().dims()[d].external_size() != 1 {
                        prop_assert!(r.is_err(), "{what}");
                        continue;
                    }
                    (r, y.clone())
                }
            };
            x = next.map_err(|e| TestCaseError::fail(format!("{what}: {e}")))?;
            y = expected;
            check(&eval, &x, &y, &what)?;
        }
    }

    /// A flag is set only where something may be: with positive garbage, every flagged dimension has a
    /// slot that is unused in it alone and not zero.
    #[test]
    fn flags_are_not_set_in_vain(s in any_shape(), choice in any::<u32>(), product in any::<bool>()) {
        let eval = Counting::new(s.slots());
        let t = partner(&s, choice);
        let a = eval.dirty(&values(&s, 0.3), &s, 2.0);
        let b = eval.dirty(&values(&t, 0.4), &t, 3.0);
        let c = if product { a.mul(&eval, &b) } else { a.add(&eval, &b) }.unwrap();
        let lone = |p: &TileShape, q: &TileShape| {
            p.dims().iter().zip(q.dims()).any(|(p, q)| p.is_unknown() && !q.is_unknown() && !q.is_replicated())
        };
        prop_assume!(!(product && lone(&s, &t) && lone(&t, &s)));
        let tiles = slots(&c);
        for (i, d) in c.shape().dims().iter().enumerate().filter(|(_, d)| d.is_unknown()) {
            let mut dims = c.shape().dims().to_vec();
            dims[i] = TileDim::replicated(d.tile_size()).unwrap();
            let found = (0..c.shape().tiles()).any(|tile| {
                let at = c.shape().tile_coords(tile).unwrap();
                c.shape().slot_contents(tile).unwrap().iter().enumerate().any(|(slot, _)| {
                    let coords: Vec<usize> = (0..dims.len()).map(|d| slot / c.shape().stride(d) % dims[d].tile_size()).collect();
                    let unused = |d: usize| coords[d] >= c.shape().dims()[d].used(at[d]);
                    (0..dims.len()).all(|d| unused(d) == (d == i)) && tiles[tile][slot] != 0.0
                })
            });
            prop_assert!(found, "dimension {} of {}", i, c.shape());
        }
    }

    #[test]
    fn dimensions_of_every_kind_meet(a in any_dim(2), b in any_dim(2)) {
        // Whatever is accepted computes the right thing, whatever is refused names both shapes.
        let (s, t) = (TileShape::try_new(vec![a]).unwrap(), TileShape::try_new(vec![b]).unwrap());
        let eval = Counting::new(4);
        let (u, v) = (values(&s, 0.2), values(&t, 0.9));
        match eval.dirty(&u, &s, 2.0).mul(&eval, &eval.dirty(&v, &t, 3.0)) {
            Ok(x) => check(&eval, &x, &(&u * &v), "mul")?,
            Err(e) => {
                let text = e.to_string();
                prop_assert!(text.contains(&s.to_string()) && text.contains(&t.to_string()), "{}", text);
            }
        }
    }
}

#[test]
fn worked_flags() {
    let sum = |a: &str, b: &str| shape(a).of_sum(&shape(b)).unwrap().to_string();
    let product = |a: &str, b: &str| shape(a).of_product(&shape(b)).unwrap().to_string();
    assert_eq!(sum("[5/2, 6/4]", "[*/2, 6/4]"), "[5?/2, 6/4]");
    assert_eq!(sum("[4/2, 6/4]", "[*/2, 6/4]"), "[4/2, 6/4]");
    assert_eq!(sum("[5?/2, 6/4]", "[5/2, 6/4]"), "[5?/2, 6/4]");
    assert_eq!(product("[5?/2, 6/4]", "[5/2, 6/4]"), "[5/2, 6/4]");
    assert_eq!(product("[5?/2, 6/4]", "[5?/2, 6/4]"), "[5?/2, 6/4]");
    assert_eq!(product("[5?/2, 6/4]", "[*/2, 6/4]"), "[5?/2, 6/4]");
    // Unknown in different dimensions: the slots unused in both are unknown in the product.
    assert_eq!(product("[5?/2, 6/4]", "[5/2, 6?/4]"), "[5?/2, 6/4]");
    assert_eq!(
        shape("[5/2, 8/4, 1/1]")
            .of_scalar_sum()
            .unwrap()
            .to_string(),
        "[5?/2, 8/4, 1]"
    );
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    for (a, b) in [
        ("[5/2, 6/4]", "[6/2, 6/4]"),
        ("[5/2, 6/4]", "[5/2, 6~/4]"),
        ("[5/2, 6~/4]", "[5/2, 6~3/4]"),
        ("[5/2, 6/4]", "[5/4, 6/2]"),
        ("[5/2, 6/4]", "[5/2, 1/4]"),
        ("[5/2, 6/4]", "[5, 1/2, 6/4]"),
        ("[5/2, *2/4]", "[5/2, *3/4]"),
    ] {
        let text = shape(a).of_product(&shape(b)).unwrap_err().to_string();
        assert!(text.contains(a) && text.contains(b), "{text}");
    }
    let eval = Counting::new(16);
    let s = shape("[5/2, 6/4]");
    assert!(matches!(
        TileTensor::try_new(&eval, s.clone(), vec![]),
        Err(Error::SlotCount {
            product: 8,
            slots: 16,
            ..
        })
    ));
    let eval = Counting::new(8);
    assert!(matches!(
        TileTensor::try_new(&eval, s.clone(), vec![]),
        Err(Error::TileCount {
            tiles: 6,
            got: 0,
            ..
        })
    ));
    let x = eval.tensor(&ramp(&s), &s);
    assert!(matches!(
        x.sum_over_dim(&eval, 2),
        Err(Error::NoSuchDim {
            dim: 2,
            rank: 2,
            ..
        })
    ));
    assert!(matches!(
        x.replicate_over_dim(&eval, 0),
        Err(Error::Unsupported { .. })
    ));
    assert!(matches!(x.flatten(0, 1), Err(Error::Layout { .. })));
    let nan = ramp(&s).mapv(|_| f64::NAN);
    let p = PlainTileTensor::try_new("w", &nan.view(), &s).unwrap();
    assert!(matches!(
        x.mul_plain(&eval, &p),
        Err(Error::Evaluator(girih_he::Error::NotFinite { .. }))
    ));
}
