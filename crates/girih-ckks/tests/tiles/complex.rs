//! Two reals a slot, in the complex slots of the scheme.

use girih_he::{Evaluator, Rotation};
use girih_tiles::PlainTileTensor;
use girih_tiles::ops::ComplexWeights;
use ndarray::Axis;

use crate::{Encrypted, assert_close, shape, values};

#[test]
fn complex_slots_carry_two_reals_through_the_algebra() {
    let encrypted = Encrypted::with_rotations((0..9).map(|k| Rotation(1 << k)));
    let eval = &encrypted.eval;
    let (data, row, real) = (
        shape("[100c/32, 7/16]"),
        shape("[*c/32, 7/16]"),
        shape("[*/32, 7/16]"),
    );
    let (a, b, w) = (values(&data, 0.1), values(&row, 0.5), values(&real, 0.9));
    let x = encrypted.tensor(&a, &data, 0.0);
    // Half the ciphertexts.
    assert_eq!((x.tiles().len(), data.real_valued().tiles()), (2, 4));

    // (x + b) w - x, the bias encrypted, the factor a constant.
    let bias = encrypted.tensor(&b, &row, 0.0);
    let factor = PlainTileTensor::try_new("w", &w.view(), &real).unwrap();
    let y = x
        .add(eval, &bias)
        .unwrap()
        .mul_plain(eval, &factor)
        .unwrap();
    let y = y.sub(eval, &x).unwrap();
    let expected = (&a + &b) * &w - &a;
    assert_close(&encrypted.open(&y).unwrap(), &expected, "(x + b) w - x");

    // A constant term of complex slots.
    let term = PlainTileTensor::try_new("t", &a.view(), &data).unwrap();
    let term = term.encode_complex_with(eval, encrypted.encode()).unwrap();
    let z = y.add_plain(eval, &term).unwrap();
    assert_close(&encrypted.open(&z).unwrap(), &(&expected + &a), "constant");

    // Apart and together again.
    let split = z.split_complex(eval, encrypted.encode()).unwrap();
    assert_eq!(split.shape().to_string(), "[100?/32, 7/16]");
    assert_close(&encrypted.open(&split).unwrap(), &(&expected + &a), "split");
    let square = split.mul(eval, &split).unwrap();
    let joined = square.join_complex(eval, 0, encrypted.encode()).unwrap();
    let expected = (&expected + &a).mapv(|v| v * v);
    assert_eq!(joined.shape().to_string(), "[100c?/32, 7/16]");
    assert_close(&encrypted.open(&joined).unwrap(), &expected, "joined");
}

#[test]
fn complex_contractions_are_real_sums() {
    let encrypted = Encrypted::with_rotations((0..9).map(|k| Rotation(1 << k)));
    let eval = &encrypted.eval;
    for (data, weights, dim, after, products) in [
        ("[100c/32, */16]", "[100c/32, 7/16]", 0, "[*/32, 7/16]", 2),
        ("[*/16, 100c/32]", "[7/16, 100c/32]", 1, "[7/16, 1?/32]", 2),
        (
            "[45c/16, */8, 3/4]",
            "[45c/16, 9/8, */4]",
            0,
            "[*/16, 9/8, 3/4]",
            2,
        ),
    ] {
        let (s, t) = (shape(data), shape(weights));
        let (a, w) = (values(&s, 0.1), values(&t, 0.7));
        let x = encrypted.tensor(&a, &s, 0.0);
        let plain = PlainTileTensor::try_new("w", &w.view(), &t).unwrap();
        let plain = ComplexWeights::try_new(eval, &plain, encrypted.encode()).unwrap();
        let y = x.contract_complex(eval, &plain, &[dim]).unwrap();
        assert_eq!(y.shape().to_string(), after);
        assert_eq!(s.dims()[dim].external_size(), products);
        assert_eq!(eval.remaining(&y.tiles()[0]), crate::DEPTH - 1);
        let expected = (&a * &w).sum_axis(Axis(dim)).insert_axis(Axis(dim));
        assert_close(&encrypted.open(&y).unwrap(), &expected, data);
        // A real tensor goes on: its square.
        let square = y.mul(eval, &y).unwrap();
        assert_eq!(eval.slots(), crate::SLOTS);
        assert_close(
            &encrypted.open(&square).unwrap(),
            &expected.mapv(|v| v * v),
            "square",
        );
    }
}
