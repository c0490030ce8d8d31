//! Two reals a slot, on an evaluator with complex slots.

use std::cell::Cell;

use girih_he::{Error as HeError, Evaluator, Result, Rotation};
use girih_tiles::ops::ComplexWeights;
use girih_tiles::pack::{ComplexSlot, check_complex_integrity, pack_complex, unpack_complex};
use girih_tiles::{Error, Part, PlainTileTensor, TileShape, TileTensor};
use ndarray::{Array2, ArrayD, Axis};
use proptest::prelude::*;

use crate::common::{any_shape, ramp, shape};

/// Complex slots in clear; counts products with constants and key switches.
struct Complex(usize, Cell<[usize; 2]>);

type Slots = Vec<ComplexSlot>;

fn zip(a: &Slots, b: &Slots, f: impl Fn(ComplexSlot, ComplexSlot) -> ComplexSlot) -> Result<Slots> {
    Ok(a.iter().zip(b).map(|(&x, &y)| f(x, y)).collect())
}

fn times([a, b]: ComplexSlot, [c, d]: ComplexSlot) -> ComplexSlot {
    [a * c - b * d, a * d + b * c]
}

impl Complex {
    fn new(slots: usize) -> Self {
        Complex(slots, Cell::default())
    }

    fn count(&self, products: usize, switches: usize) {
        let [p, s] = self.1.get();
        self.1.set([p + products, s + switches]);
    }

    fn own(&self, slots: &[ComplexSlot]) -> Result<Slots> {
        match slots.len() == self.0 {
            true => Ok(slots.to_vec()),
            false => Err(HeError::ForeignOperand { op: "test" }),
        }
    }

    fn tensor(&self, values: &ArrayD<f64>, s: &TileShape) -> TileTensor<Self> {
        TileTensor::pack_complex_with(self, &values.view(), s, |v| Ok::<_, Error>(self.own(v)?))
            .unwrap()
    }

    fn open(&self, x: &TileTensor<Self>) -> ArrayD<f64> {
        check_complex_integrity(x.tiles(), x.shape(), 1e-9).unwrap();
        x.unpack_complex_with(|t| Ok::<_, Error>(t.clone()))
            .unwrap()
    }

    fn encode(&self) -> impl Fn(&str, &[ComplexSlot]) -> std::result::Result<Slots, Error> + '_ {
        |_, v| Ok(self.own(v)?)
    }
}

impl Evaluator for Complex {
    type Ciphertext = Slots;
    type Plaintext = Slots;

    fn slots(&self) -> usize {
        self.0
    }
    fn constant(&self, _: &str, values: &[f64]) -> Result<Slots> {
        let mut slots: Slots = values.iter().map(|&v| [v, 0.0]).collect();
        slots.resize(self.0, [0.0; 2]);
        Ok(slots)
    }
    fn add(&self, a: &Slots, b: &Slots) -> Result<Slots> {
        zip(a, b, |[a, b], [c, d]| [a + c, b + d])
    }
    fn sub(&self, a: &Slots, b: &Slots) -> Result<Slots> {
        zip(a, b, |[a, b], [c, d]| [a - c, b - d])
    }
    fn neg(&self, a: &Slots) -> Result<Slots> {
        self.mul_scalar(a, -1.0)
    }
    fn add_plain(&self, a: &Slots, p: &Slots) -> Result<Slots> {
        self.add(a, p)
    }
    fn mul_plain(&self, a: &Slots, p: &Slots) -> Result<Slots> {
        self.count(1, 0);
        self.mul(a, p)
    }
    fn add_scalar(&self, a: &Slots, s: f64) -> Result<Slots> {
        Ok(a.iter().map(|[x, y]| [x + s, *y]).collect())
    }
    fn mul_scalar(&self, a: &Slots, s: f64) -> Result<Slots> {
        Ok(a.iter().map(|[x, y]| [x * s, y * s]).collect())
    }
    fn mul(&self, a: &Slots, b: &Slots) -> Result<Slots> {
        zip(a, b, times)
    }
    fn rotate(&self, a: &Slots, by: Rotation) -> Result<Slots> {
        self.count(0, 1);
        let mut out = a.clone();
        out.rotate_left(by.normalized(self.0).0 as usize);
        Ok(out)
    }
    fn conjugate(&self, a: &Slots) -> Result<Slots> {
        self.count(0, 1);
        Ok(a.iter().map(|[x, y]| [*x, -y]).collect())
    }
}

#[test]
fn two_tiles_lie_in_one() {
    let s = shape("[10c/4]");
    assert_eq!((s.tiles(), s.dims()[0].external_size()), (2, 2));
    let tiles = pack_complex(&ramp(&s).view(), &s).unwrap();
    assert_eq!(tiles[0], [[1., 5.], [2., 6.], [3., 7.], [4., 8.]]);
    assert_eq!(tiles[1], [[9., 0.], [10., 0.], [0., 0.], [0., 0.]]);
    assert_eq!(unpack_complex(&tiles, &s).unwrap(), ramp(&s));
    // A single element lies in both parts.
    let one = shape("[*c/2, 3]");
    let tiles = pack_complex(&ramp(&one).view(), &one).unwrap();
    assert_eq!(tiles[2], [[3., 3.], [3., 3.]]);

    let mut broken = pack_complex(&ramp(&s).view(), &s).unwrap();
    broken[1][3][1] = 2.0;
    assert!(matches!(
        check_complex_integrity(&broken, &s, 0.1),
        Err(Error::Integrity {
            tile: 1,
            slot: 3,
            part: Part::Imaginary,
            ..
        })
    ));
    check_complex_integrity(&broken, &shape("[10c?/4]"), 0.1).unwrap();
    assert!(girih_tiles::pack::pack(&ramp(&s).view(), &s).is_err());
}

#[test]
fn forms_that_make_no_sense_are_refused() {
    for (text, why) in [
        ("[10~c/4]", "interleaved"),
        ("[-c/4]", "original size"),
        ("[8c?/4]", "without unused"),
        ("[*c?/4]", "without unused"),
        ("[4c/4, 4c/4]", "along one dimension"),
    ] {
        let e = text.parse::<TileShape>().unwrap_err().to_string();
        assert!(e.contains(why), "{text}: {e}");
    }
    // Half a pair is unused.
    assert_eq!(shape("[4c?/4]").to_string(), "[4c?/4]");
}

#[test]
fn sums_and_products_take_both_parts() {
    let (data, row, real) = (
        shape("[10c/4, 3/2]"),
        shape("[*c/4, 3/2]"),
        shape("[*/4, 3/2]"),
    );
    let eval = Complex::new(8);
    let x = eval.tensor(&ramp(&data), &data);
    let (b, w) = (
        eval.tensor(&ramp(&row), &row),
        eval.tensor(&ramp(&real), &real),
    );
    assert_eq!(eval.open(&x.add(&eval, &x).unwrap()), ramp(&data) * 2.0);
    let y = x.add(&eval, &b).unwrap();
    assert_eq!(y.shape().to_string(), "[10c?/4, 3/2]");
    assert_eq!(eval.open(&y), &ramp(&data) + &ramp(&row));
    assert_eq!(
        eval.open(&x.mul(&eval, &w).unwrap()),
        &ramp(&data) * &ramp(&real)
    );
    assert_eq!(
        eval.open(&x.mul_scalar(&eval, 0.5).unwrap()),
        ramp(&data) * 0.5
    );
    assert_eq!(b.mul(&eval, &w).unwrap().shape().to_string(), "[*c/4, 3/2]");
    assert_eq!(w.mul(&eval, &b).unwrap().shape().to_string(), "[*c/4, 3/2]");
    // Encoded terms.
    let p = PlainTileTensor::try_new("p", &ramp(&data).view(), &data).unwrap();
    let p = p.encode_complex_with(&eval, eval.encode()).unwrap();
    assert_eq!(
        eval.open(&x.sub_plain(&eval, &p).unwrap()),
        ramp(&data) * 0.0
    );
    // Other dimensions are summed and copied as ever.
    let y = x
        .sum_over_dim(&eval, 1)
        .unwrap()
        .replicate_over_dim(&eval, 1);
    assert!(y.is_err(), "the mask of a half used pair");
    let z = shape("[8c/4, 1/2]");
    let y = eval
        .tensor(&ramp(&z), &z)
        .replicate_over_dim(&eval, 1)
        .unwrap();
    assert_eq!(
        (y.shape().to_string().as_str(), eval.open(&y)),
        ("[8c/4, */2]", ramp(&z))
    );

    for refused in [
        x.mul(&eval, &x),
        x.mul(&eval, &b),
        x.add(&eval, &w),
        x.add_scalar(&eval, 1.0),
        x.sum_over_dim(&eval, 0),
        x.slice(&eval, 0, 0..4),
        x.map(girih_tiles::Zeros::Stay, |t| Ok(eval.mul(t, t)?)),
    ] {
        let e = refused.unwrap_err().to_string();
        assert!(e.contains("[10c/4, 3/2]"), "{e}");
    }
}

proptest! {
    #[test]
    fn packing_is_undone(s in any_shape(), dim in 0..4usize) {
        let mut dims = s.dims().to_vec();
        let dim = dim % dims.len();
        let Ok(d) = dims[dim].with_complex() else { return Ok(()) };
        dims[dim] = d;
        let s = TileShape::try_new(dims).unwrap();
        prop_assert_eq!(&s.to_string().parse::<TileShape>().unwrap(), &s);
        let tiles = pack_complex(&ramp(&s).view(), &s).unwrap();
        check_complex_integrity(&tiles, &s, 0.0).unwrap();
        prop_assert_eq!(unpack_complex(&tiles, &s).unwrap(), ramp(&s));
        // Taken apart and put together.
        let eval = Complex::new(s.slots());
        let x = eval.tensor(&ramp(&s), &s);
        let real = x.split_complex(&eval, eval.encode()).unwrap();
        prop_assert_eq!(real.shape(), &s.real_valued());
        prop_assert_eq!(eval.open(&real), ramp(&s));
        prop_assert!(real.tiles().iter().flatten().all(|z| z[1] == 0.0));
        let back = real.join_complex(&eval, dim, eval.encode()).unwrap();
        prop_assert_eq!(eval.open(&back), ramp(&s));
    }

    #[test]
    fn contractions_take_half_the_products(n in 2..30usize, m in 1..9usize, logs in [0..4u32, 0..3u32], first in any::<bool>(), garbage in any::<bool>()) {
        let [t, u] = logs.map(|l| 1usize << l);
        let eval = Complex::new(t * u);
        let w = Array2::from_shape_fn((n, m), |(i, j)| ((i * m + j) as f64).sin());
        let x = Array2::from_shape_fn((n, 1), |(i, _)| (i as f64 * 0.7).cos());
        let (ws, xs, dim) = match first {
            true => (format!("[{n}c/{t}, {m}/{u}]"), format!("[{n}c/{t}, */{u}]"), 0),
            false => (format!("[{m}/{u}, {n}c/{t}]"), format!("[*/{u}, {n}c/{t}]"), 1),
        };
        let turn = |a: &Array2<f64>| if first { a.clone() } else { a.t().as_standard_layout().into_owned() }.into_dyn();
        let (ws, mut xs) = (shape(&ws), shape(&xs));
        let weights = PlainTileTensor::try_new("w", &turn(&w).view(), &ws).unwrap();
        let weights = ComplexWeights::try_new(&eval, &weights, eval.encode()).unwrap();
        let mut tiles = pack_complex(&turn(&x).view(), &xs).unwrap();
        if garbage && let Ok(d) = xs.dims()[dim].with_unknown() {
            let mut dims = xs.dims().to_vec();
            dims[dim] = d;
            xs = TileShape::try_new(dims).unwrap();
            for (tile, slots) in tiles.iter_mut().enumerate() {
                for (k, part) in [Part::Real, Part::Imaginary].into_iter().enumerate() {
                    for (s, c) in slots.iter_mut().zip(xs.part_contents(tile, part).unwrap()) {
                        if c == girih_tiles::SlotContent::Unknown { s[k] = -3.5; }
                    }
                }
            }
        }
        let x = TileTensor::try_new(&eval, xs.clone(), tiles).unwrap();
        eval.1.take();
        let y = x.contract_complex(&eval, &weights, &[dim]).unwrap();
        let cost = xs.complex_contraction_cost(&ws, &[dim]).unwrap();
        prop_assert_eq!(eval.1.take(), [cost.products, cost.rotations]);
        // Half the products of real tensors.
        let real = xs.real_valued().contraction_cost(&ws.real_valued(), &[dim]);
        if let Ok(real) = real {
            prop_assert_eq!(cost.products, n.div_ceil(t).div_ceil(2) * m.div_ceil(u));
            prop_assert_eq!(real.products, n.div_ceil(t) * m.div_ceil(u));
        }
        let sum = (turn(&w) * eval.open(&x)).sum_axis(Axis(dim)).insert_axis(Axis(dim));
        let open = eval.open(&y);
        prop_assert!((&open - &sum).iter().all(|d| d.abs() < 1e-9), "{} instead of {}", open, sum);
    }
}

#[test]
fn contractions_that_do_not_fit_are_refused() {
    let eval = Complex::new(8);
    let s = shape("[10c/4, 3/2]");
    let w = PlainTileTensor::try_new("w", &ramp(&s).view(), &s).unwrap();
    let w = ComplexWeights::try_new(&eval, &w, eval.encode()).unwrap();
    let refused = |text: &str, dims: &[usize]| {
        let s = shape(text);
        let e = eval.tensor(&ramp(&s), &s).contract_complex(&eval, &w, dims);
        let e = e.unwrap_err().to_string();
        assert!(e.contains(text), "{e}");
    };
    refused("[9c/4, 3/2]", &[0]);
    refused("[10/4, 3/2]", &[0]);
    refused("[10c/4, 3/2]", &[1]);
    let real = shape("[10/4, 3/2]");
    let p = PlainTileTensor::try_new("w", &ramp(&real).view(), &real).unwrap();
    assert!(ComplexWeights::<Complex>::try_new(&eval, &p, eval.encode()).is_err());
}
