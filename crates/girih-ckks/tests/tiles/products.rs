//! Matrix products.

use girih_he::Evaluator;
use girih_tiles::ops::dense::{Dense, DenseDims};
use girih_tiles::{Error, PlainTileTensor, TileTensor};
use ndarray::{Array2, ArrayD, Axis};

use crate::{Encrypted, Work, assert_close, shape, values};

/// `Σ a ⊙ b` over a dimension.
struct Contraction(usize);

impl Work for Contraction {
    fn run<E: Evaluator>(&self, eval: &E, x: &[TileTensor<E>]) -> Result<TileTensor<E>, Error> {
        x[0].contract(eval, &x[1], &[self.0])
    }
}

#[test]
fn products_of_encrypted_matrices() {
    for (a, b, dim, after) in [
        ("[5/16, 6/32]", "[*/16, 6/32]", 1, "[5/16, 1?/32]"),
        ("[20/16, 6/32]", "[20/16, */32]", 0, "[*/16, 6/32]"),
        (
            "[5/4, 9/8, */16]",
            "[*/4, 9/8, 7/16]",
            1,
            "[5/4, 1?/8, 7/16]",
        ),
        (
            "[9/8, 5/4, */16]",
            "[9/8, */4, 7/16]",
            0,
            "[*/8, 5/4, 7/16]",
        ),
        // A batch of three pairs of matrices.
        (
            "[9/8, 5/4, */4, 3/4]",
            "[9/8, */4, 7/4, 3/4]",
            0,
            "[*/8, 5/4, 7/4, 3/4]",
        ),
    ] {
        let (s, t) = (shape(a), shape(b));
        let work = Contraction(dim);
        let encrypted = Encrypted::for_work(&work, &[s.clone(), t.clone()]).unwrap();
        let (u, v) = (values(&s, 0.1), values(&t, 0.9));
        let inputs = [encrypted.tensor(&u, &s, 0.0), encrypted.tensor(&v, &t, 0.0)];
        let y = work.run(&encrypted.eval, &inputs).unwrap();
        assert_eq!(y.shape().to_string(), after);
        assert_eq!(encrypted.eval.remaining(&y.tiles()[0]), crate::DEPTH - 1);
        let expected = (&u * &v).sum_axis(Axis(dim)).insert_axis(Axis(dim));
        assert_close(&encrypted.open(&y).unwrap(), &expected, a);
    }
}

/// `x · M` by diagonals, the matrix encrypted and constant.
struct Diagonals(PlainTileTensor);

impl Work for Diagonals {
    fn run<E: Evaluator>(&self, eval: &E, x: &[TileTensor<E>]) -> Result<TileTensor<E>, Error> {
        let encrypted = x[0].diagonal_product(eval, &x[1])?;
        let constant = x[0].diagonal_product_plain(eval, &self.0)?;
        encrypted.add(eval, &constant)
    }
}

#[test]
fn products_by_diagonals() {
    let (s, t) = (shape("[512/256, 2/2]"), shape("[(d)512/32, 11/8, */2]"));
    let m = values(&t, 0.3);
    let work = Diagonals(PlainTileTensor::try_new("m", &m.view(), &t).unwrap());
    let encrypted = Encrypted::for_work(&work, &[s.clone(), t.clone()]).unwrap();
    let x = values(&s, 0.1) / 16.0;
    let inputs = [encrypted.tensor(&x, &s, 0.0), encrypted.tensor(&m, &t, 0.0)];
    let y = work.run(&encrypted.eval, &inputs).unwrap();
    assert_eq!(y.shape().to_string(), "[*/32, 11/8, 2/2]");
    assert_eq!(encrypted.eval.remaining(&y.tiles()[0]), crate::DEPTH - 1);
    let (x, m) = (
        x.into_dimensionality::<ndarray::Ix2>().unwrap(),
        m.index_axis(Axis(2), 0)
            .into_dimensionality::<ndarray::Ix2>()
            .unwrap()
            .to_owned(),
    );
    let expected = (m.t().dot(&x) * 2.0).insert_axis(Axis(0)).into_dyn();
    assert_close(&encrypted.open(&y).unwrap(), &expected, "diagonals");
}

/// Three dense layers that alternate, squares between them.
struct Network(Vec<Dense>);

impl Work for Network {
    fn run<E: Evaluator>(&self, eval: &E, x: &[TileTensor<E>]) -> Result<TileTensor<E>, Error> {
        let mut y = x[0].clone();
        for (i, layer) in self.0.iter().enumerate() {
            if i > 0 {
                y = y.mul(eval, &y)?;
            }
            y = layer.forward(eval, &y)?;
        }
        Ok(y)
    }
}

#[test]
fn dense_layers_alternate() {
    let widths = [13, 9, 6, 5];
    let mut input = shape("[13/16, */16, 2/2]");
    let first = input.clone();
    let (mut layers, mut y) = (
        vec![],
        values(&input, 0.2).into_shape_with_order((13, 2)).unwrap(),
    );
    let x: ArrayD<f64> = y.clone().insert_axis(Axis(1)).into_dyn();
    for (i, pair) in widths.windows(2).enumerate() {
        let w = Array2::from_shape_fn((pair[1], pair[0]), |(r, c)| {
            ((r * 7 + c * 3 + i) as f64).sin() / 4.0
        });
        let dims = DenseDims {
            features: &[i % 2],
            output: 1 - i % 2,
        };
        let layer = Dense::try_new(&format!("fc{i}"), &w.view(), None, &input, dims).unwrap();
        input = layer.output_shape().unwrap();
        layers.push(layer);
        if i > 0 {
            y.mapv_inplace(|v| v * v);
        }
        y = w.dot(&y);
    }
    let work = Network(layers);
    let encrypted = Encrypted::for_work(&work, std::slice::from_ref(&first)).unwrap();
    let out = work
        .run(&encrypted.eval, &[encrypted.tensor(&x, &first, 0.0)])
        .unwrap();
    // Three layers, two squares and one mask: all six levels.
    assert_eq!(encrypted.eval.remaining(&out.tiles()[0]), 0);
    let expected = y.insert_axis(Axis(0)).into_dyn();
    assert_close(&encrypted.open(&out).unwrap(), &expected, "dense");
}
