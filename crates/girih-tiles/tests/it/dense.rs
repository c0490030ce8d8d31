//! Alternating dense layers.

use girih_he::{Auto, ClearEvaluator, Evaluator, Level, Leveled};
use girih_tiles::ops::dense::{Dense, DenseDims};
use girih_tiles::{Error, TileTensor, Zeros};
use ndarray::{Array1, Array2, Array3};
use proptest::prelude::*;

use crate::common::shape;
use crate::counting::{Counting, distance};

struct Mlp {
    matrices: Vec<(Array2<f64>, Array1<f64>)>,
    layers: Vec<Dense>,
}

/// Layers of the given widths on data `[n/t1, */t2, batch/t3]`.
fn mlp(widths: &[usize], [t1, t2, t3]: [usize; 3], batch: usize) -> Mlp {
    let mut input = shape(&format!("[{}/{t1}, */{t2}, {batch}/{t3}]", widths[0]));
    let mut mlp = Mlp {
        matrices: vec![],
        layers: vec![],
    };
    for (i, pair) in widths.windows(2).enumerate() {
        let w = Array2::from_shape_fn((pair[1], pair[0]), |(r, c)| {
            ((r * 7 + c * 3 + i) as f64).sin() / pair[0] as f64
        });
        let b = Array1::from_shape_fn(pair[1], |r| (r as f64 + 0.5).cos());
        let features = [i % 2];
        let dims = DenseDims {
            features: &features,
            output: 1 - i % 2,
        };
        let layer =
            Dense::try_new(&format!("fc{i}"), &w.view(), Some(&b.view()), &input, dims).unwrap();
        input = layer.output_shape().unwrap();
        mlp.matrices.push((w, b));
        mlp.layers.push(layer);
    }
    mlp
}

impl Mlp {
    fn reference(&self, x: &Array2<f64>) -> Array2<f64> {
        let mut y = x.clone();
        for (i, (w, b)) in self.matrices.iter().enumerate() {
            y = w.dot(&y) + b.view().insert_axis(ndarray::Axis(1));
            if i + 1 < self.matrices.len() {
                y.mapv_inplace(|v| v * v + 0.25);
            }
        }
        y
    }

    fn run<E: Evaluator>(&self, eval: &E, x: &TileTensor<E>) -> TileTensor<E> {
        let mut y = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            y = layer.forward(eval, &y).unwrap();
            if i + 1 < self.layers.len() {
                y = y
                    .map(Zeros::Change, |t| {
                        let square = eval.mul(t, t)?;
                        Ok::<_, Error>(eval.add_scalar(&square, 0.25)?)
                    })
                    .unwrap();
            }
        }
        y
    }
}

fn data(n: usize, batch: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, batch), |(i, b)| ((i * 5 + b * 11) as f64).sin())
}

#[test]
fn three_layers_cost_one_mask() {
    let net = mlp(&[13, 9, 6, 5], [8, 4, 2], 3);
    let x = data(13, 3);
    let eval = Counting::new(64);
    let input = x
        .clone()
        .into_shape_with_order((13, 1, 3))
        .unwrap()
        .into_dyn();
    let y = net.run(&eval, &eval.tensor(&input, net.layers[0].input_shape()));
    let c = eval.take();
    // As predicted, and the squares besides.
    let cost = net.layers.iter().map(|l| l.cost().unwrap());
    let cost = cost.reduce(|a, b| a + b).unwrap();
    assert_eq!(
        (cost.products, cost.rotations, cost.levels),
        (c.dot_terms + c.mul_plain, c.rotations, 4)
    );
    // The only products outside of sums are the masks: one for each of the 2 tiles before layer 3.
    assert_eq!(
        net.layers[1].output_shape().unwrap().to_string(),
        "[6/8, 1?/4, 3?/2]"
    );
    assert_eq!(c.mul_plain, 2);
    // Sums of 3, 2 and 2 rotations over result tiles, and 2 rotations to copy each of the 2 tiles.
    assert_eq!(c.rotations, 3 * (3 * 2) + 2 * 2 + 2 * 2 + 3 * (2 * 2));
    let open = eval.open(&y).unwrap();
    let expected = net
        .reference(&x)
        .into_shape_with_order((1, 5, 3))
        .unwrap()
        .into_dyn();
    assert!(distance(&open, &expected) < 1e-12);
}

#[test]
fn the_same_with_levels() {
    let net = mlp(&[13, 9, 6, 5], [8, 4, 2], 3);
    let x = data(13, 3);
    let eval = Auto::new(ClearEvaluator::leveled(64, Level(10)));
    let input = x
        .clone()
        .into_shape_with_order((13, 1, 3))
        .unwrap()
        .into_dyn();
    let input = TileTensor::pack_with(&eval, &input.view(), net.layers[0].input_shape(), |v| {
        Ok::<_, Error>(eval.inner().vector(v)?)
    });
    let y = net.run(&eval, &input.unwrap());
    // Three layers, two squares and one mask.
    assert_eq!(
        y.tiles()
            .iter()
            .map(|t| eval.remaining(t))
            .collect::<Vec<_>>(),
        vec![4; y.tiles().len()]
    );
    let open = y
        .unpack_with(|t| Ok::<_, Error>(t.values().to_vec()))
        .unwrap();
    let expected = net
        .reference(&x)
        .into_shape_with_order((1, 5, 3))
        .unwrap()
        .into_dyn();
    assert!(distance(&open, &expected) < f64::powi(2.0, -20));
    assert!(eval.inner().level(&y.tiles()[0]) >= Level(4));
}

#[test]
fn features_of_three_dimensions() {
    // Channels, rows and columns flattened without moving anything, in both conventions.
    let x = Array3::from_shape_fn((3, 5, 4), |(c, i, j)| ((c * 20 + i * 4 + j) as f64).sin());
    let w = Array2::from_shape_fn((7, 60), |(o, k)| ((o * 60 + k) as f64 * 0.3).cos());
    let expected = w.dot(&Array1::from_iter(x.iter().copied()));
    for (text, features, output, after, rotations) in [
        (
            "[3/2, 5~/2, 4~/2, */4, */2]",
            [0, 1, 2],
            3,
            "[*/2, */2, */2, 7/4, */2]",
            2 * 3,
        ),
        (
            "[*/4, 5~/2, 4~/2, 3/2, */2]",
            [3, 1, 2],
            0,
            "[7/4, 1?/2, 1?/2, 1?/2, */2]",
            2 * 3,
        ),
    ] {
        let s = shape(text);
        let eval = Counting::new(64);
        let dims = DenseDims {
            features: &features,
            output,
        };
        let layer = Dense::try_new("fc", &w.view(), None, &s, dims).unwrap();
        let values = if output == 3 {
            x.clone()
                .into_dyn()
                .into_shape_with_order(vec![3, 5, 4, 1, 1])
        } else {
            x.view()
                .permuted_axes([1, 2, 0])
                .as_standard_layout()
                .into_owned()
                .into_dyn()
                .into_shape_with_order(vec![1, 5, 4, 3, 1])
        };
        let y = layer
            .forward(&eval, &eval.tensor(&values.unwrap(), &s))
            .unwrap();
        assert_eq!(y.shape().to_string(), after);
        assert_eq!(layer.output_shape().unwrap(), *y.shape());
        assert_eq!(eval.take().rotations, rotations);
        let open = eval.open(&y).unwrap();
        assert!(
            distance(
                &open.flatten().to_owned().into_dyn(),
                &expected.clone().into_dyn()
            ) < 1e-12
        );
    }
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let s = shape("[13/8, */4, 3/2]");
    let build = |rows: usize, columns: usize, biases: usize, dims: DenseDims<'_>| {
        let (w, b) = (Array2::zeros((rows, columns)), Array1::zeros(biases));
        Dense::try_new("fc", &w.view(), Some(&b.view()), &s, dims)
            .map(|l| l.output_shape().unwrap())
    };
    let good = DenseDims {
        features: &[0],
        output: 1,
    };
    assert_eq!(
        build(9, 13, 9, good).unwrap().to_string(),
        "[*/8, 9/4, 3?/2]"
    );
    for (rows, columns, biases, dims) in [
        (9, 12, 9, good),
        (9, 13, 8, good),
        (0, 13, 0, good),
        (
            9,
            13,
            9,
            DenseDims {
                features: &[0],
                output: 0,
            },
        ),
        (
            9,
            13,
            9,
            DenseDims {
                features: &[0, 0],
                output: 1,
            },
        ),
        (
            9,
            13,
            9,
            DenseDims {
                features: &[0],
                output: 2,
            },
        ),
        (
            9,
            13,
            9,
            DenseDims {
                features: &[0],
                output: 3,
            },
        ),
        (
            9,
            13,
            9,
            DenseDims {
                features: &[5],
                output: 1,
            },
        ),
    ] {
        assert!(
            build(rows, columns, biases, dims).is_err(),
            "{rows} {columns} {biases} {dims:?}"
        );
    }
    // An input of another layout names both shapes.
    let w = Array2::zeros((9, 13));
    let layer = Dense::try_new("fc", &w.view(), None, &s, good).unwrap();
    let eval = Counting::new(64);
    let other = shape("[12/8, */4, 3/2]");
    let x = eval.tensor(&ndarray::ArrayD::zeros(vec![12, 1, 3]), &other);
    let text = layer.forward(&eval, &x).unwrap_err().to_string();
    assert!(
        text.contains("[12/8, */4, 3/2]") && text.contains("[13/8, 9/4, */2]"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn random_networks(widths in prop::collection::vec(1..20usize, 3..5), logs in [0..4u32, 0..4u32, 0..3u32], batch in 1..6usize) {
        let t = logs.map(|l| 1 << l);
        let net = mlp(&widths, t, batch);
        let x = data(widths[0], batch);
        let eval = Counting::new(t.iter().product());
        let input = x.clone().into_shape_with_order((widths[0], 1, batch)).unwrap().into_dyn();
        let y = net.run(&eval, &eval.tensor(&input, net.layers[0].input_shape()));
        let open = eval.open(&y).map_err(TestCaseError::fail)?;
        let n = widths[widths.len() - 1];
        let open = open.into_shape_with_order((n, batch)).unwrap().into_dyn();
        prop_assert!(distance(&open, &net.reference(&x).into_dyn()) < 1e-9);
    }
}
