//! Convolution and pooling against the definition.

use girih_tiles::ops::conv::{Conv2d, ConvConfig, Convention, Padding, UnusedSlots};
use girih_tiles::ops::dense::{Dense, DenseDims};
use girih_tiles::{Error, TileShape, TileTensor};
use ndarray::{Array1, Array2, Array3, Array4, ArrayD};
use proptest::prelude::*;

use crate::common::shape;
use crate::counting::{Counting, distance};

/// Images as C × X × Y × B.
fn images(c: usize, x: usize, y: usize, b: usize) -> Array4<f64> {
    Array4::from_shape_fn((c, x, y, b), |(c, x, y, b)| {
        ((c * 31 + x * 7 + y * 3 + b * 13) as f64 * 0.37).sin() + 0.1
    })
}

fn filters(f: usize, c: usize, [kx, ky]: [usize; 2]) -> Array4<f64> {
    Array4::from_shape_fn((f, c, kx, ky), |(f, c, i, j)| {
        ((f * 17 + c * 5 + i * 3 + j) as f64 * 0.53).cos()
    })
}

/// The definition, one output at a time.
fn reference(
    x: &Array4<f64>,
    w: &Array4<f64>,
    bias: Option<&Array1<f64>>,
    stride: [usize; 2],
    p: Padding,
) -> Array4<f64> {
    let (channels, nx, ny, batch) = x.dim();
    let (filters, _, kx, ky) = w.dim();
    let size = |n: usize, before: usize, after: usize, k: usize, s: usize| {
        (n + before + after - k) / s + 1
    };
    let (ox, oy) = (
        size(nx, p.top, p.bottom, kx, stride[0]),
        size(ny, p.left, p.right, ky, stride[1]),
    );
    Array4::from_shape_fn((filters, ox, oy, batch), |(f, r, s, b)| {
        let mut sum = bias.map_or(0.0, |v| v[f]);
        for c in 0..channels {
            for i in 0..kx {
                for j in 0..ky {
                    let (px, py) = (
                        (r * stride[0] + i).wrapping_sub(p.top),
                        (s * stride[1] + j).wrapping_sub(p.left),
                    );
                    if px < nx && py < ny {
                        sum += w[[f, c, i, j]] * x[[c, px, py, b]];
                    }
                }
            }
        }
        sum
    })
}

/// C × X × Y × B as the five dimensions of a convention (channels in dimension `at`).
fn five(x: &Array4<f64>, at: usize) -> ArrayD<f64> {
    let (c, nx, ny, b) = x.dim();
    if at == 0 {
        x.clone()
            .into_dyn()
            .into_shape_with_order(vec![c, nx, ny, 1, b])
            .unwrap()
    } else {
        let moved = x
            .view()
            .permuted_axes([1, 2, 0, 3])
            .as_standard_layout()
            .into_owned();
        moved
            .into_dyn()
            .into_shape_with_order(vec![1, nx, ny, c, b])
            .unwrap()
    }
}

fn config(
    convention: Convention,
    stride: usize,
    padding: Padding,
    unused: UnusedSlots,
) -> ConvConfig {
    ConvConfig {
        convention,
        stride: [stride; 2],
        padding,
        unused,
    }
}

#[test]
fn rotations_of_the_table() {
    // Image size, tile, kernel, stride: input tiles, rotated variants, products.
    for (n, t, k, stride, tiles, rotations, products) in [
        (16, 4, 3, 1, 16, 20, 144),
        (16, 4, 3, 2, 16, 9, 36),
        (32, 4, 3, 1, 64, 36, 576),
        (32, 8, 5, 1, 16, 48, 400),
    ] {
        for f in [1, 3] {
            let s = shape(&format!("[1, {n}~/{t}, {n}~/{t}, 1, 1]"));
            let eval = Counting::new(t * t);
            let same = config(
                Convention::Cxyfb,
                stride,
                Padding::symmetric(k / 2),
                UnusedSlots::Unknown,
            );
            let w = filters(f, 1, [k, k]);
            let conv = Conv2d::full("conv", w.clone(), None, same).unwrap();
            let x = images(1, n, n, 1);
            let image = eval.tensor(&five(&x, 0), &s);
            assert_eq!(image.tiles().len(), tiles);
            let y = conv.forward(&eval, &image).unwrap();
            let c = eval.take();
            // Rotations are shared by the filters.
            assert_eq!(
                (c.rotations, c.dot_terms),
                (rotations, products * f),
                "{n} {t} {k} {stride}"
            );
            let e = n / t;
            if stride == 1 {
                assert_eq!(rotations, (e + k - 1).pow(2) - e * e);
            }
            let expected = reference(&x, &w, None, [stride; 2], same.padding);
            assert!(distance(&eval.open(&y).unwrap(), &five(&expected, 3)) < 1e-12);
        }
    }
}

#[test]
fn first_layer_of_a_digit_network() {
    // 28 × 28, 5 filters of 5 × 5, stride 2, batch 2: one constant per tap and filter tile inside.
    let s = shape("[1, 28~/16, 28~/16, */8, 2/2]");
    let valid = config(
        Convention::Cxyfb,
        2,
        Padding::default(),
        UnusedSlots::Unknown,
    );
    let (w, b) = (
        filters(5, 1, [5, 5]),
        Array1::from(vec![0.5, -0.25, 1.0, 2.0, -1.5]),
    );
    let conv = Conv2d::full("conv1", w.clone(), Some(b.clone()), valid).unwrap();
    let eval = Counting::new(16 * 16 * 16);
    let x = images(1, 28, 28, 2);
    let y = conv.forward(&eval, &eval.tensor(&five(&x, 0), &s)).unwrap();
    assert_eq!(y.shape().to_string(), "[1, 12~?/16, 12~?/16, 5/8, 2/2]");
    assert_eq!(*y.shape(), conv.output_shape(&s).unwrap());
    assert_eq!(
        conv.weight_shape(&s).unwrap().to_string(),
        "[1, */16, */16, 5/8, */2]"
    );
    let c = eval.take();
    assert_eq!((c.dots, c.dot_terms, c.mul_plain), (1, 25, 0));
    assert_eq!(eval.constants(), 25 + 1);
    let expected = reference(&x, &w, Some(&b), [2; 2], valid.padding);
    assert!(distance(&eval.open(&y).unwrap(), &five(&expected, 3)) < 1e-12);

    let clean = Conv2d::full(
        "conv1",
        w,
        Some(b),
        ConvConfig {
            unused: UnusedSlots::Zero,
            ..valid
        },
    )
    .unwrap();
    let y = clean
        .forward(&eval, &eval.tensor(&five(&x, 0), &s))
        .unwrap();
    assert_eq!(y.shape().to_string(), "[1, 12~/16, 12~/16, 5/8, 2/2]");
    assert_eq!(eval.take(), c);
    assert!(distance(&eval.open(&y).unwrap(), &five(&expected, 3)) < 1e-12);
}

#[test]
fn conventions_alternate_without_re_tiling() {
    let same =
        |convention, stride| config(convention, stride, Padding::symmetric(1), UnusedSlots::Zero);
    let (w1, w2, w3) = (
        filters(4, 3, [3, 3]),
        filters(5, 4, [3, 3]),
        filters(2, 5, [3, 3]),
    );
    let b2 = Array1::from(vec![1.0, -1.0, 0.5, 0.0, 2.0]);
    let c1 = Conv2d::full("c1", w1.clone(), None, same(Convention::Cxyfb, 1)).unwrap();
    let c2 = Conv2d::full(
        "c2",
        w2.clone(),
        Some(b2.clone()),
        same(Convention::Fxycb, 2),
    )
    .unwrap();
    let c3 = Conv2d::full("c3", w3.clone(), None, same(Convention::Cxyfb, 1)).unwrap();
    let s = shape("[3/2, 12~4/4, 10~4/4, */2, 3/2]");
    let x = images(3, 12, 10, 3);
    let eval = Counting::new(s.slots());
    let y1 = c1.forward(&eval, &eval.tensor(&five(&x, 0), &s)).unwrap();
    assert_eq!(y1.shape().to_string(), "[*/2, 12~4/4, 10~4/4, 4/2, 3/2]");
    let y2 = c2.forward(&eval, &y1).unwrap();
    assert_eq!(y2.shape().to_string(), "[5/2, 6~/4, 5~/4, 1?/2, 3/2]");
    assert_eq!(eval.take().mul_plain, 0);
    let y3 = c3.forward(&eval, &y2).unwrap();
    assert_eq!(y3.shape().to_string(), "[*/2, 6~/4, 5~/4, 2/2, 3/2]");
    // One mask per tile of the second result.
    assert_eq!(eval.take().mul_plain, y2.tiles().len());
    let p = Padding::symmetric(1);
    let r1 = reference(&x, &w1, None, [1; 2], p);
    let r2 = reference(&r1, &w2, Some(&b2), [2; 2], p);
    let r3 = reference(&r2, &w3, None, [1; 2], p);
    assert!(distance(&eval.open(&y1).unwrap(), &five(&r1, 3)) < 1e-12);
    assert!(distance(&eval.open(&y2).unwrap(), &five(&r2, 0)) < 1e-12);
    assert!(distance(&eval.open(&y3).unwrap(), &five(&r3, 3)) < 1e-12);

    // Flattened in the order channels, rows, columns.
    let w = Array2::from_shape_fn((6, 2 * 6 * 5), |(o, k)| ((o * 60 + k) as f64).sin());
    let dims = DenseDims {
        features: &[3, 1, 2],
        output: 0,
    };
    let fc = Dense::try_new("fc", &w.view(), None, y3.shape(), dims).unwrap();
    let y = fc.forward(&eval, &y3).unwrap();
    let open = eval.open(&y).unwrap();
    for b in 0..3 {
        let flat = Array1::from_iter(r3.index_axis(ndarray::Axis(3), b).iter().copied());
        for (o, want) in w.dot(&flat).iter().enumerate() {
            assert!((open[[o, 0, 0, 0, b]] - want).abs() < 1e-9);
        }
    }
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let check = |text: &str, k: usize, stride: usize, words: &[&str]| {
        let valid = config(
            Convention::Cxyfb,
            stride,
            Padding::default(),
            UnusedSlots::Unknown,
        );
        let conv = Conv2d::full("c", filters(2, 3, [k, k]), None, valid).unwrap();
        let text = conv.output_shape(&shape(text)).unwrap_err().to_string();
        for word in words {
            assert!(text.contains(word), "{text}");
        }
    };
    check("[3/2, 12~/4, 10~/4, */2]", 3, 1, &["five dimensions"]);
    check(
        "[2/2, 12~/4, 10~/4, */2, 1]",
        3,
        1,
        &["[2/2, 12~/4", "3 channels"],
    );
    check("[3/2, 12/4, 10~/4, */2, 1]", 3, 1, &["interleaved", "12/4"]);
    check(
        "[3/2, 12~/4, 10~/4, */2, 1]",
        3,
        2,
        &["stride 2", "3 tiles", "12~4/4"],
    );
    check(
        "[3/2, 12~/4, 10~/4, */2, 1]",
        11,
        1,
        &["kernel of 11", "10 pixels"],
    );
    check(
        "[3/2, 12~/4, 10~/4, 5/2, 1]",
        3,
        1,
        &["more than one element"],
    );
    check("[3/2, -/4, 10~/4, */2, 1]", 3, 1, &["incomplete"]);
    let big = ConvConfig {
        padding: Padding::symmetric(3),
        ..config(Convention::Cxyfb, 1, Padding::default(), UnusedSlots::Zero)
    };
    let conv = Conv2d::full("c", filters(2, 3, [3, 3]), None, big).unwrap();
    let text = conv
        .output_shape(&shape("[3/2, 12~/4, 12~/4, */2, 1]"))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("16 results") && text.contains("3 tiles of 4"),
        "{text}"
    );

    let any = config(Convention::Cxyfb, 1, Padding::default(), UnusedSlots::Zero);
    let zero = ConvConfig {
        stride: [1, 0],
        ..any
    };
    assert!(matches!(
        Conv2d::full("c", filters(2, 3, [3, 3]), None, zero),
        Err(Error::Unsupported { .. })
    ));
    assert!(Conv2d::full("c", filters(2, 0, [3, 3]), None, any).is_err());
    assert!(Conv2d::full("c", filters(2, 3, [3, 3]), Some(Array1::zeros(3)), any).is_err());
    assert!(Conv2d::mean_pool([2, 0], any).is_err());
}

#[derive(Clone, Debug)]
struct Case {
    image: TileShape,
    sizes: [usize; 4],
    kernel: [usize; 2],
    config: ConvConfig,
    filters: usize,
    bias: bool,
    garbage: bool,
}

fn any_case() -> impl Strategy<Value = Case> {
    let sizes = (1..4usize, 3..10usize, 3..10usize, 1..4usize);
    let tiles = [0..2u32, 0..3u32, 0..3u32, 0..2u32, 0..2u32];
    let window = (
        [1..4usize, 1..4usize],
        [1..3usize, 1..3usize],
        [0..3usize, 0..3usize, 0..3usize, 0..3usize],
    );
    let rest = (
        any::<[bool; 4]>(),
        1..4usize,
        [0..2usize, 0..2usize],
        any::<[bool; 3]>(),
    );
    (sizes, tiles, window, rest).prop_filter_map(
        "the result fits",
        |((c, x, y, b), logs, (kernel, stride, pad), (flags, f, more, unknown))| {
            let t = logs.map(|l| 1usize << l);
            let convention = if flags[0] {
                Convention::Cxyfb
            } else {
                Convention::Fxycb
            };
            let unused = if flags[1] {
                UnusedSlots::Zero
            } else {
                UnusedSlots::Unknown
            };
            let external = |n: usize, t: usize, s: usize, more: usize| {
                (n.div_ceil(t) + more).next_multiple_of(s)
            };
            let (ex, ey) = (
                external(x, t[1], stride[0], more[0]),
                external(y, t[2], stride[1], more[1]),
            );
            let mut dims = vec![String::new(); 5];
            dims[convention.channels()] = format!("{c}/{}", t[convention.channels()]);
            dims[convention.filters()] = format!("*/{}", t[convention.filters()]);
            dims[1] = format!("{x}~{ex}/{}", t[1]);
            dims[2] = format!("{y}~{ey}/{}", t[2]);
            dims[4] = format!("{b}/{}", t[4]);
            let flagged = |i: usize, dim: &String| {
                let q = dim.replace('/', "?/");
                if [1, 2, 4].iter().zip(unknown).any(|(&d, u)| d == i && u)
                    && q.parse::<girih_tiles::TileDim>().is_ok()
                {
                    q
                } else {
                    dim.clone()
                }
            };
            let dims: Vec<String> = dims
                .iter()
                .enumerate()
                .map(|(i, d)| flagged(i, d))
                .collect();
            let padding = Padding {
                top: pad[0],
                bottom: pad[1],
                left: pad[2],
                right: pad[3],
            };
            let case = Case {
                image: shape(&format!("[{}]", dims.join(", "))),
                sizes: [c, x, y, b],
                kernel,
                config: ConvConfig {
                    convention,
                    stride,
                    padding,
                    unused,
                },
                filters: f,
                bias: flags[2],
                garbage: flags[3],
            };
            let fits = Conv2d::full("c", filters(f, c, kernel), None, case.config)
                .unwrap()
                .output_shape(&case.image)
                .is_ok();
            fits.then_some(case)
        },
    )
}

fn check_case(
    eval: &Counting,
    case: &Case,
    conv: &Conv2d,
    w: &Array4<f64>,
    bias: Option<&Array1<f64>>,
    depthwise: bool,
) -> Result<(), TestCaseError> {
    let [c, x, y, b] = case.sizes;
    let convention = case.config.convention;
    let data = images(c, x, y, b);
    let garbage = if case.garbage { 1e3 } else { 0.0 };
    let image = eval.dirty(&five(&data, convention.channels()), &case.image, garbage);
    let result: TileTensor<Counting> = conv
        .forward(eval, &image)
        .map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert_eq!(result.shape(), &conv.output_shape(&case.image).unwrap());
    let open = eval.open(&result).map_err(TestCaseError::fail)?;
    let expected = if depthwise {
        let parts: Vec<Array4<f64>> = (0..c)
            .map(|k| {
                let one = data.slice(ndarray::s![k..k + 1, .., .., ..]).to_owned();
                let w = w.slice(ndarray::s![0..1, k..k + 1, .., ..]).to_owned();
                let b = bias.map(|b| Array1::from(vec![b[k]]));
                reference(
                    &one,
                    &w,
                    b.as_ref(),
                    case.config.stride,
                    case.config.padding,
                )
            })
            .collect();
        ndarray::concatenate(
            ndarray::Axis(0),
            &parts.iter().map(|p| p.view()).collect::<Vec<_>>(),
        )
        .unwrap()
    } else {
        reference(&data, w, bias, case.config.stride, case.config.padding)
    };
    let at = if depthwise {
        convention.channels()
    } else {
        convention.filters()
    };
    prop_assert!(
        distance(&open, &five(&expected, at)) < 1e-9,
        "{}",
        result.shape()
    );
    if case.config.unused == UnusedSlots::Zero {
        let dims = result.shape().dims();
        prop_assert!(!dims[1].is_unknown() && !dims[2].is_unknown());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_global_rejects: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn random_convolutions(case in any_case()) {
        let eval = Counting::new(case.image.slots());
        let w = filters(case.filters, case.sizes[0], case.kernel);
        let bias = case.bias.then(|| Array1::from_shape_fn(case.filters, |f| f as f64 - 1.5));
        let conv = Conv2d::full("c", w.clone(), bias.clone(), case.config).unwrap();
        check_case(&eval, &case, &conv, &w, bias.as_ref(), false)?;
    }

    #[test]
    fn random_depthwise_convolutions_and_pools(case in any_case(), mean in any::<bool>()) {
        let eval = Counting::new(case.image.slots());
        let c = case.sizes[0];
        let w = filters(1, c, case.kernel);
        if mean {
            let w = w.mapv(|_| 1.0 / (case.kernel[0] * case.kernel[1]) as f64);
            let pool = Conv2d::mean_pool(case.kernel, case.config).unwrap();
            check_case(&eval, &case, &pool, &w, None, true)?;
        } else {
            let bias = case.bias.then(|| Array1::from_shape_fn(c, |f| f as f64 - 1.5));
            let taps = Array3::from_shape_fn((c, case.kernel[0], case.kernel[1]), |(c, i, j)| w[[0, c, i, j]]);
            let conv = Conv2d::depthwise("d", taps, bias.clone(), case.config).unwrap();
            check_case(&eval, &case, &conv, &w, bias.as_ref(), true)?;
        }
    }
}
