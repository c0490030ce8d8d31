//! Random shapes and sequences of operations.

use girih_he::Evaluator;
use girih_tiles::{Error, PlainTileTensor, TileDim, TileShape, TileTensor};
use ndarray::{ArrayD, Axis};
use proptest::prelude::*;

use crate::{Encrypted, Work, assert_close, values};

#[derive(Clone, Debug)]
enum Step {
    Square,
    MulPlain(u32),
    AddPlain(u32),
    AddScalar,
    Clear,
    Sum(usize),
    Replicate(usize),
    Slice(usize, usize),
    Every(usize, usize),
    Rotate(usize, i64),
    Shift(usize, i64),
    Double(usize),
    Resize(usize, usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Square),
        any::<u32>().prop_map(Step::MulPlain),
        any::<u32>().prop_map(Step::AddPlain),
        Just(Step::AddScalar),
        Just(Step::Clear),
        (0..3usize).prop_map(Step::Sum),
        (0..3usize).prop_map(Step::Replicate),
        (0..3usize, 0..20usize).prop_map(|(d, n)| Step::Slice(d, n)),
        (0..3usize, 1..4usize).prop_map(|(d, k)| Step::Every(d, k)),
        (0..3usize, -9..9i64).prop_map(|(d, by)| Step::Rotate(d, by)),
        (0..3usize, -9..9i64).prop_map(|(d, by)| Step::Shift(d, by)),
        (0..3usize).prop_map(Step::Double),
        (0..3usize, 1..12usize).prop_map(|(d, n)| Step::Resize(d, n)),
    ]
}

/// Three dimensions of 2^9 slots, of few elements so that sums stay small.
fn any_shape() -> impl Strategy<Value = TileShape> {
    let dim = |log: u32| {
        let t = 1usize << log;
        (0..4u8, 1..12usize, any::<bool>()).prop_map(move |(kind, n, unknown)| {
            let dim = match kind {
                0 => TileDim::replicated(t),
                1 => TileDim::interleaved_over(n, n.div_ceil(t).next_multiple_of(2), t),
                2 => TileDim::duplicated(n.min(t), t),
                _ => TileDim::basic(n, t),
            }
            .unwrap();
            match unknown {
                true => dim.with_unknown().unwrap_or(dim),
                false => dim,
            }
        })
    };
    (0..5u32, 0..5u32).prop_flat_map(move |(a, b)| {
        (dim(a), dim(b), dim(9 - a - b))
            .prop_map(|(a, b, c)| TileShape::try_new(vec![a, b, c]).unwrap())
    })
}

/// A shape that goes together with `s`: each dimension the same or replicated.
fn partner(s: &TileShape, choice: u32) -> TileShape {
    let dim = |(i, d): (usize, &TileDim)| match choice >> i & 1 {
        0 => TileDim::replicated(d.tile_size()).unwrap(),
        _ => d.to_string().replace('?', "").parse().unwrap(),
    };
    TileShape::try_new(s.dims().iter().enumerate().map(dim).collect()).unwrap()
}

fn along(y: &ArrayD<f64>, dim: usize, n: usize, map: impl Fn(usize) -> usize) -> ArrayD<f64> {
    let mut sizes = y.shape().to_vec();
    sizes[dim] = n;
    ArrayD::from_shape_fn(sizes, |mut at| {
        at[dim] = map(at[dim]);
        y.get(at).copied().unwrap_or_default()
    })
}

struct Sequence(Vec<Step>);

impl Sequence {
    /// Steps that a shape refuses are left out; so are those beyond the levels.
    fn both<E: Evaluator>(
        &self,
        eval: &E,
        x: &TileTensor<E>,
        y: ArrayD<f64>,
    ) -> Result<(TileTensor<E>, ArrayD<f64>), Error> {
        let (mut x, mut y, mut levels) = (x.clone(), y, 0);
        for (k, step) in self.0.iter().enumerate() {
            let plain = |choice: u32| {
                let s = partner(x.shape(), choice);
                let v = values(&s, k as f64);
                (
                    PlainTileTensor::try_new(format!("p{k}"), &v.view(), &s).unwrap(),
                    v,
                )
            };
            // What takes a level at most.
            let costs = !matches!(
                step,
                Step::AddPlain(_)
                    | Step::AddScalar
                    | Step::Sum(_)
                    | Step::Slice(..)
                    | Step::Every(..)
                    | Step::Rotate(..)
                    | Step::Double(_)
                    | Step::Resize(..)
            );
            levels += u8::from(costs);
            if levels > crate::DEPTH {
                break;
            }
            let n = |d: usize| y.shape()[d];
            let (next, expected) = match *step {
                Step::Square => (x.mul(eval, &x), &y * &y),
                Step::MulPlain(c) => {
                    let (p, v) = plain(c);
                    (x.mul_plain(eval, &p), &y * &v)
                }
                Step::AddPlain(c) => {
                    let (p, v) = plain(c);
                    (x.add_plain(eval, &p), &y + &v)
                }
                Step::AddScalar => (x.add_scalar(eval, 0.5), &y + 0.5),
                Step::Clear => (x.clear_unknowns(eval), y.clone()),
                Step::Sum(d) => (
                    x.sum_over_dim(eval, d),
                    y.sum_axis(Axis(d)).insert_axis(Axis(d)),
                ),
                Step::Replicate(d) => (x.replicate_over_dim(eval, d), y.clone()),
                Step::Slice(d, a) => {
                    let a = a % n(d);
                    (x.slice(eval, d, a..n(d)), along(&y, d, n(d) - a, |i| i + a))
                }
                Step::Every(d, k) => (x.every(d, k, 0), along(&y, d, n(d).div_ceil(k), |i| i * k)),
                Step::Rotate(d, by) => (
                    x.rotate_along_dim(eval, d, by),
                    along(&y, d, n(d), |i| {
                        (i as i64 + by).rem_euclid(n(d) as i64) as usize
                    }),
                ),
                Step::Shift(d, by) => (
                    x.shift_along_dim(eval, d, by),
                    along(&y, d, n(d), |i| {
                        usize::try_from(i as i64 + by).unwrap_or(usize::MAX)
                    }),
                ),
                Step::Double(d) => (
                    TileTensor::concat(&[&x, &x], d),
                    along(&y, d, 2 * n(d), |i| i % n(d)),
                ),
                Step::Resize(d, m) => (x.resize(d, m), along(&y, d, m, |i| i)),
            };
            match next {
                Err(Error::Evaluator(e)) => return Err(Error::Evaluator(e)),
                Err(_) => {}
                Ok(_) if expected.iter().any(|v| v.abs() > 16.0) || expected.len() > 600 => {}
                Ok(next) => (x, y) = (next, expected),
            }
        }
        Ok((x, y))
    }
}

impl Work for Sequence {
    fn run<E: Evaluator>(
        &self,
        eval: &E,
        inputs: &[TileTensor<E>],
    ) -> Result<TileTensor<E>, Error> {
        Ok(self
            .both(eval, &inputs[0], values(inputs[0].shape(), 0.1))?
            .0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("GIRIH_SLOW").is_some() { 1000 } else { 48 },
        ..ProptestConfig::default()
    })]
    #[test]
    fn decrypted_slots_hold_what_shapes_promise(s in any_shape(), steps in prop::collection::vec(any_step(), 1..12)) {
        let work = Sequence(steps);
        let encrypted = Encrypted::for_work(&work, std::slice::from_ref(&s)).unwrap();
        let y = values(&s, 0.1);
        let x = encrypted.tensor(&y, &s, 0.75);
        let (x, y) = work.both(&encrypted.eval, &x, y).unwrap();
        let open = encrypted.open(&x).map_err(|e| TestCaseError::fail(e.to_string()))?;
        assert_close(&open, &y, &x.shape().to_string());
    }
}
