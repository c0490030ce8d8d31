//! Convolution and pooling against the definition.

use std::collections::BTreeSet;

use girih_he::{Op, Program, Recorder};
use girih_tiles::ops::conv::{
    ConvConfig, Convention, Counts, Direction, Filters, InterleavedConv, UnusedSlots, Window,
};
use girih_tiles::ops::dense::{Dense, DenseDims};
use girih_tiles::{TileShape, TileTensor};
use ndarray::{Array1, Array2, Array4, ArrayD};
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

/// A convolution with `w[f][c / groups][i][j]`, named after its sizes.
fn conv(
    w: &Array4<f64>,
    groups: usize,
    bias: Option<&Array1<f64>>,
    config: ConvConfig,
) -> InterleavedConv {
    let (f, per_group, kx, ky) = w.dim();
    let filters = Filters::try_new(
        w.iter().copied().collect(),
        f,
        per_group * groups,
        groups,
        [kx, ky],
    )
    .unwrap();
    InterleavedConv::try_new(format!("c{f}"), filters, bias.map(|b| b.to_vec()), config).unwrap()
}

/// The definition, term by term: `w[f][c / groups][i][j]`.
fn reference(
    x: &Array4<f64>,
    w: &Array4<f64>,
    groups: usize,
    bias: Option<&Array1<f64>>,
    windows: [Window; 2],
) -> Array4<f64> {
    let (channels, nx, ny, batch) = x.dim();
    let (filters, per_group, kx, ky) = w.dim();
    let [ox, oy] = [
        windows[0].results(nx).unwrap(),
        windows[1].results(ny).unwrap(),
    ];
    let mut y = Array4::from_shape_fn((filters, ox, oy, batch), |(f, ..)| {
        bias.map_or(0.0, |b| b[f])
    });
    // Pairs of a result and a pixel that meet through tap i.
    let pairs = |w: Window, i: usize, n: usize, m: usize| {
        let mut pairs = Vec::new();
        for from in 0..(if w.direction == Direction::Forward {
            m
        } else {
            n
        }) {
            let Some(to) = (from * w.stride + w.dilation * i).checked_sub(w.pad[0]) else {
                continue;
            };
            let (result, pixel) = match w.direction {
                Direction::Forward => (from, to),
                Direction::Transposed { .. } => (to, from),
            };
            if result < m && pixel < n {
                pairs.push((result, pixel));
            }
        }
        pairs
    };
    assert_eq!(per_group * groups, channels);
    for (i, j) in (0..kx).flat_map(|i| (0..ky).map(move |j| (i, j))) {
        for (rx, px) in pairs(windows[0], i, nx, ox) {
            for (ry, py) in pairs(windows[1], j, ny, oy) {
                for (f, c) in (0..filters).flat_map(|f| (0..per_group).map(move |c| (f, c))) {
                    let from = f / (filters / groups) * per_group + c;
                    for b in 0..batch {
                        y[[f, rx, ry, b]] += w[[f, c, i, j]] * x[[from, px, py, b]];
                    }
                }
            }
        }
    }
    y
}

/// C × X × Y × B as the dimensions of a layout, channels in dimension `at`.
fn laid_out(x: &Array4<f64>, at: usize, rank: usize) -> ArrayD<f64> {
    let (c, nx, ny, b) = x.dim();
    let mut sizes = vec![nx, 1, ny, 1];
    if rank == 5 {
        sizes = vec![nx, ny];
    }
    let moved = if at == 0 {
        sizes.insert(0, c);
        sizes.extend([1, b]);
        x.clone()
    } else {
        sizes.insert(0, 1);
        sizes.extend([c, b]);
        x.view()
            .permuted_axes([1, 2, 0, 3])
            .as_standard_layout()
            .into_owned()
    };
    moved.into_dyn().into_shape_with_order(sizes).unwrap()
}

/// Five dimensions.
fn five(x: &Array4<f64>, at: usize) -> ArrayD<f64> {
    laid_out(x, if at == 0 { 0 } else { 1 }, 5)
}

fn config(convention: Convention, window: Window, unused: UnusedSlots) -> ConvConfig {
    ConvConfig {
        convention,
        windows: [window; 2],
        unused,
    }
}

fn window(kernel: usize, stride: usize, pad: usize) -> Window {
    Window {
        stride,
        pad: [pad; 2],
        ..Window::valid(kernel)
    }
}

/// What the recorded convolution holds.
fn recorded(conv: &InterleavedConv, image: &TileShape) -> Counts {
    let recorder = Recorder::new("conv", image.slots());
    let tiles = (0..image.tiles())
        .map(|i| recorder.input(&format!("x{i}")).unwrap())
        .collect();
    let x = TileTensor::try_new(&recorder, image.clone(), tiles).unwrap();
    let y = conv.forward(&recorder, &x).unwrap();
    let (program, constants) = recorder.finish();
    let mut counts = tally(&program);
    counts.ciphertexts_in = image.tiles();
    counts.ciphertexts_out = y.tiles().len();
    counts.constant_bytes = constants.len() * image.slots() * 8;
    counts
}

/// Products, rotations, key switches and levels of a program.
fn tally(program: &Program) -> Counts {
    let mut counts = Counts::default();
    let mut rotated = BTreeSet::new();
    let mut depth = vec![0; program.insts.len()];
    for (at, inst) in program.insts.iter().enumerate() {
        let deepest = inst.op.operands().iter().map(|v| depth[v.index()]).max();
        let products = match &inst.op {
            Op::MulPlain(..) => 1,
            Op::DotPlain(terms) => terms.len(),
            Op::Rotate(source, _) => {
                rotated.insert(*source);
                counts.rotations += 1;
                0
            }
            _ => 0,
        };
        counts.products += products;
        depth[at] = deepest.unwrap_or(0) + usize::from(products > 0);
    }
    counts.key_switches = rotated.len();
    counts.levels = depth.into_iter().max().unwrap_or(0);
    counts
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
                window(k, stride, k / 2),
                UnusedSlots::Unknown,
            );
            let w = filters(f, 1, [k, k]);
            let conv = conv(&w, 1, None, same);
            assert_eq!(conv.counts(&s).unwrap().rotations, rotations);
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
            let expected = reference(&x, &w, 1, None, same.windows);
            assert!(distance(&eval.open(&y).unwrap(), &five(&expected, 3)) < 1e-12);
        }
    }
}

#[test]
fn first_layer_of_a_digit_network() {
    // 28 × 28, 5 filters of 5 × 5, stride 2, batch 2: one constant per tap and filter tile inside.
    let s = shape("[1, 28~/16, 28~/16, */8, 2/2]");
    let valid = config(Convention::Cxyfb, window(5, 2, 0), UnusedSlots::Unknown);
    let (w, b) = (
        filters(5, 1, [5, 5]),
        Array1::from(vec![0.5, -0.25, 1.0, 2.0, -1.5]),
    );
    let dirty = conv(&w, 1, Some(&b), valid);
    let eval = Counting::new(16 * 16 * 16);
    let x = images(1, 28, 28, 2);
    let y = dirty
        .forward(&eval, &eval.tensor(&five(&x, 0), &s))
        .unwrap();
    assert_eq!(y.shape().to_string(), "[1, 12~?/16, 12~?/16, 5/8, 2/2]");
    assert_eq!(*y.shape(), dirty.output_shape(&s).unwrap());
    assert_eq!(
        dirty.weight_shape(&s).unwrap().to_string(),
        "[1, */16, */16, 5/8, */2]"
    );
    let c = eval.take();
    assert_eq!((c.dots, c.dot_terms, c.mul_plain), (1, 25, 0));
    assert_eq!(eval.constants(), 25 + 1);
    let expected = reference(&x, &w, 1, Some(&b), valid.windows);
    assert!(distance(&eval.open(&y).unwrap(), &five(&expected, 3)) < 1e-12);

    let clean = ConvConfig {
        unused: UnusedSlots::Zero,
        ..valid
    };
    let clean = conv(&w, 1, Some(&b), clean);
    let y = clean
        .forward(&eval, &eval.tensor(&five(&x, 0), &s))
        .unwrap();
    assert_eq!(y.shape().to_string(), "[1, 12~/16, 12~/16, 5/8, 2/2]");
    assert_eq!(eval.take(), c);
    assert!(distance(&eval.open(&y).unwrap(), &five(&expected, 3)) < 1e-12);
}

#[test]
fn conventions_alternate_without_re_tiling() {
    let same = |convention, stride| config(convention, window(3, stride, 1), UnusedSlots::Zero);
    let (w1, w2, w3) = (
        filters(4, 3, [3, 3]),
        filters(5, 4, [3, 3]),
        filters(2, 5, [3, 3]),
    );
    let b2 = Array1::from(vec![1.0, -1.0, 0.5, 0.0, 2.0]);
    let c1 = conv(&w1, 1, None, same(Convention::Cxyfb, 1));
    let c2 = conv(&w2, 1, Some(&b2), same(Convention::Fxycb, 2));
    let c3 = conv(&w3, 1, None, same(Convention::Cxyfb, 1));
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
    let r1 = reference(&x, &w1, 1, None, [window(3, 1, 1); 2]);
    let r2 = reference(&r1, &w2, 1, Some(&b2), [window(3, 2, 1); 2]);
    let r3 = reference(&r2, &w3, 1, None, [window(3, 1, 1); 2]);
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
fn strides_beyond_the_tiles_leave_phases() {
    // 16 × 16 in 2 × 2 tiles of 8 × 8: a stride of 4 exhausts the tiles and leaves every second slot.
    let s = shape("[2/2, 16~/8, 16~/8, */2, 1]");
    let x = images(2, 16, 16, 1);
    let (w1, w2) = (filters(2, 2, [3, 3]), filters(3, 2, [3, 3]));
    let strided = |unused| config(Convention::Cxyfb, window(3, 4, 1), unused);
    let eval = Counting::new(s.slots());
    let image = eval.tensor(&five(&x, 0), &s);
    let r1 = reference(&x, &w1, 1, None, [window(3, 4, 1); 2]);
    for (unused, first, second) in [
        (
            UnusedSlots::Unknown,
            "[*/2, 4~/4, 1?/2, 4~/4, 1?/2, 2/2, 1]",
            "[3/2, 4~/4, 1?/2, 4~/4, 1?/2, 1?/2, 1]",
        ),
        (
            UnusedSlots::Zero,
            "[*/2, 4~/4, 1/2, 4~/4, 1/2, 2/2, 1]",
            "[3/2, 4~/4, 1/2, 4~/4, 1/2, 1?/2, 1]",
        ),
    ] {
        let c1 = conv(&w1, 1, None, strided(unused));
        let y1 = c1.forward(&eval, &image).unwrap();
        assert_eq!(y1.shape().to_string(), first);
        assert!(distance(&eval.open(&y1).unwrap(), &laid_out(&r1, 1, 7)) < 1e-12);
        assert_eq!(c1.counts(&s).unwrap(), recorded(&c1, &s));
        // A result with phases is an image like any other.
        let c2 = conv(
            &w2,
            1,
            None,
            config(Convention::Fxycb, window(3, 1, 1), unused),
        );
        let y2 = c2.forward(&eval, &y1).unwrap();
        assert_eq!(y2.shape().to_string(), second);
        let r2 = reference(&r1, &w2, 1, None, [window(3, 1, 1); 2]);
        assert!(distance(&eval.open(&y2).unwrap(), &laid_out(&r2, 0, 7)) < 1e-12);
        assert_eq!(c2.counts(y1.shape()).unwrap(), recorded(&c2, y1.shape()));
    }
}

#[test]
fn room_around_an_image_is_physical_padding() {
    let w = filters(1, 1, [3, 3]);
    let same = conv(
        &w,
        1,
        None,
        config(Convention::Cxyfb, window(3, 1, 1), UnusedSlots::Unknown),
    );
    let tight = same.counts(&shape("[1, 16~/4, 16~/4, 1, 1]")).unwrap();
    let roomy = same.counts(&shape("[1, 16~5/4, 16~5/4, 1, 1]")).unwrap();
    // One constant per tap where padding lies in the tiles; where it does not, three patterns an axis.
    assert_eq!(roomy.constant_bytes, 9 * 16 * 8);
    assert_eq!(tight.constant_bytes, (2 + 1 + 2) * (2 + 1 + 2) * 16 * 8);
    let s = shape("[1, 16~5/4, 16~5/4, 1, 1]");
    let eval = Counting::new(16);
    let x = images(1, 16, 16, 1);
    let y = same.forward(&eval, &eval.tensor(&five(&x, 0), &s)).unwrap();
    let want = reference(&x, &w, 1, None, [window(3, 1, 1); 2]);
    assert!(distance(&eval.open(&y).unwrap(), &five(&want, 3)) < 1e-12);
}

#[test]
fn tiles_of_different_groups_are_skipped() {
    let grouped = |groups: usize| {
        let w = filters(8, 8 / groups, [3, 3]);
        conv(
            &w,
            groups,
            None,
            config(Convention::Cxyfb, window(3, 1, 1), UnusedSlots::Unknown),
        )
    };
    let s = shape("[8/2, 4/4, 4/4, */2, 1]");
    let products = |groups| grouped(groups).counts(&s).unwrap().products;
    assert_eq!(
        (products(1), products(2), products(4)),
        (16 * 9, 8 * 9, 4 * 9)
    );
    assert_eq!(grouped(4).counts(&s).unwrap(), recorded(&grouped(4), &s));
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let check = |text: &str, w: Window, words: &[&str]| {
        let valid = config(Convention::Cxyfb, w, UnusedSlots::Unknown);
        let conv = conv(&filters(2, 3, [w.kernel; 2]), 1, None, valid);
        let text = conv.output_shape(&shape(text)).unwrap_err().to_string();
        for word in words {
            assert!(text.contains(word), "{text}");
        }
    };
    let three = Window::valid(3);
    check("[3/2, 12~/4, 10~/4, */2]", three, &["five dimensions"]);
    check(
        "[2/2, 12~/4, 10~/4, */2, 1]",
        three,
        &["[2/2, 12~/4", "3 channels"],
    );
    check(
        "[3/2, 12/4, 10~/4, */2, 1]",
        three,
        &["interleaved", "12/4"],
    );
    check(
        "[3/2, 12~/4, 10~/4, */2, 1]",
        window(3, 5, 1),
        &["stride 5", "every 5th", "12~5/4"],
    );
    check(
        "[3/2, 12~/4, 10~/4, */2, 1]",
        window(11, 1, 0),
        &["kernel 11", "10 pixels"],
    );
    check(
        "[3/2, 12~/4, 10~/4, 5/2, 1]",
        three,
        &["more than one element"],
    );
    check("[3/2, -/4, 10~/4, */2, 1]", three, &["incomplete"]);
    check(
        "[3/2, 12~/4, 2/2, 10~/4, 1, */2, 1]",
        three,
        &["phase", "2/2"],
    );
    check(
        "[3/2, 12~/4, 12~/4, */2, 1]",
        window(3, 1, 3),
        &["16 results", "3 tiles of 4"],
    );
    check(
        "[3/2, 12~1048577/4, 12~/4, */2, 1]",
        window(3, 1, 1),
        &["1048577 tiles"],
    );
    check(
        "[3/2, 12~/4, 12~/4, */2, 1]",
        Window {
            dilation: 0,
            ..three
        },
        &["dilation 0"],
    );

    let any = config(Convention::Cxyfb, three, UnusedSlots::Zero);
    let values = |n: usize| vec![1.0; n].into();
    assert!(Filters::try_new(values(0), 2, 0, 1, [3, 3]).is_err());
    assert!(Filters::try_new(values(54), 2, 3, 2, [3, 3]).is_err());
    assert!(Filters::try_new(values(54), 2, 3, 0, [3, 3]).is_err());
    assert!(Filters::try_new(values(53), 2, 3, 1, [3, 3]).is_err());
    assert!(Filters::try_new(values(53), usize::MAX, 3, 1, [3, 3]).is_err());
    assert!(Filters::depthwise(values(53), 3, [3, 3]).is_err());
    assert!(Filters::mean([2, 0]).is_err());
    let f = Filters::try_new(values(54), 2, 3, 1, [3, 3]).unwrap();
    let bad =
        |bias: Option<Vec<f64>>, config| InterleavedConv::try_new("c", f.clone(), bias, config);
    assert!(bad(Some(vec![0.0; 3]), any).is_err());
    let five = config(Convention::Cxyfb, Window::valid(5), UnusedSlots::Zero);
    assert!(
        bad(None, five)
            .unwrap_err()
            .to_string()
            .contains("windows of [5, 5]")
    );
    let mean = InterleavedConv::try_new("m", Filters::mean([3, 3]).unwrap(), Some(vec![]), any);
    assert!(mean.is_err());
}

#[derive(Clone, Debug)]
struct Case {
    image: TileShape,
    sizes: [usize; 4],
    config: ConvConfig,
    filters: usize,
    groups: usize,
    bias: bool,
    garbage: bool,
}

fn any_window() -> impl Strategy<Value = Window> {
    (
        1..4usize,
        1..4usize,
        1..3usize,
        [0..3usize, 0..3usize],
        any::<bool>(),
        0..2usize,
    )
        .prop_map(
            |(kernel, stride, dilation, pad, transposed, extra)| Window {
                kernel,
                stride,
                dilation,
                pad,
                direction: if transposed {
                    Direction::Transposed { extra }
                } else {
                    Direction::Forward
                },
            },
        )
}

fn any_case() -> impl Strategy<Value = Case> {
    let sizes = (1..3usize, 1..3usize, 3..10usize, 3..10usize, 1..4usize);
    let tiles = [0..2u32, 0..4u32, 0..4u32, 0..2u32, 0..2u32];
    let rest = (
        any::<[bool; 4]>(),
        1..3usize,
        [0..3usize, 0..3usize],
        any::<[bool; 5]>(),
        [0..2u32, 0..2u32],
    );
    (sizes, tiles, [any_window(), any_window()], rest).prop_filter_map(
        "the result fits",
        |((c, groups, x, y, b), logs, windows, (flags, f, more, unknown, phases))| {
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
            let (channels, filters) = (c * groups, f * groups);
            let mut dims = vec![String::new(); 5];
            dims[convention.channels(5)] = format!("{channels}/{}", t[convention.channels(5)]);
            dims[convention.filters(5)] = format!("*/{}", t[convention.filters(5)]);
            dims[1] = format!("{x}~{}/{}", x.div_ceil(t[1]) + more[0], t[1]);
            dims[2] = format!("{y}~{}/{}", y.div_ceil(t[2]) + more[1], t[2]);
            dims[4] = format!("{b}/{}", t[4]);
            let phases = phases.map(|l| 1usize << l);
            if phases != [1, 1] {
                dims.insert(2, format!("1/{}", phases[0]));
                dims.insert(4, format!("1/{}", phases[1]));
            }
            let last = dims.len() - 1;
            let may_be_unknown: Vec<usize> = (1..last - 1).chain([last]).collect();
            for (&d, _) in may_be_unknown.iter().zip(unknown).filter(|u| u.1) {
                let q = dims[d].replace('/', "?/");
                if q.parse::<girih_tiles::TileDim>().is_ok() {
                    dims[d] = q;
                }
            }
            let case = Case {
                image: shape(&format!("[{}]", dims.join(", "))),
                sizes: [channels, x, y, b],
                config: ConvConfig {
                    convention,
                    windows,
                    unused,
                },
                filters,
                groups,
                bias: flags[2],
                garbage: flags[3],
            };
            windows[0].results(x).ok()?;
            windows[1].results(y).ok()?;
            let w = self::filters(filters, c, windows.map(|w| w.kernel));
            conv(&w, groups, None, case.config)
                .output_shape(&case.image)
                .is_ok()
                .then_some(case)
        },
    )
}

fn check_case(
    case: &Case,
    conv: &InterleavedConv,
    expected: &Array4<f64>,
    summed: bool,
) -> Result<(), TestCaseError> {
    let eval = Counting::new(case.image.slots());
    let [c, x, y, b] = case.sizes;
    let convention = case.config.convention;
    let rank = case.image.rank();
    let data = images(c, x, y, b);
    let garbage = if case.garbage { 1e3 } else { 0.0 };
    let image = eval.dirty(
        &laid_out(&data, convention.channels(rank), rank),
        &case.image,
        garbage,
    );
    let fail = |e: girih_tiles::Error| TestCaseError::fail(e.to_string());
    let result: TileTensor<Counting> = conv.forward(&eval, &image).map_err(fail)?;
    prop_assert_eq!(result.shape(), &conv.output_shape(&case.image).unwrap());
    prop_assert_eq!(
        conv.counts(&case.image).unwrap(),
        recorded(conv, &case.image)
    );
    let rank = result.shape().rank();
    let at = if summed {
        convention.filters(rank)
    } else {
        convention.channels(rank)
    };
    let expected = laid_out(expected, at, rank);
    let open = eval.open(&result).map_err(TestCaseError::fail)?;
    prop_assert!(distance(&open, &expected) < 1e-9, "{}", result.shape());
    if case.config.unused == UnusedSlots::Zero {
        let dims = result.shape().dims();
        prop_assert!(
            (1..rank - 2).all(|d| !dims[d].is_unknown()),
            "{}",
            result.shape()
        );
    }
    // The same with encrypted filters.
    let encrypt = |v: &[f64]| Ok::<_, girih_tiles::Error>(eval.vector(v)?);
    let secret = conv
        .encrypt_filters(&eval, &case.image, encrypt)
        .map_err(fail)?;
    let result = conv
        .forward_encrypted(&eval, &image, &secret)
        .map_err(fail)?;
    let open = eval.open(&result).map_err(TestCaseError::fail)?;
    prop_assert!(
        distance(&open, &expected) < 1e-9,
        "encrypted {}",
        result.shape()
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 100_000, ..ProptestConfig::default() })]
    #[test]
    fn random_convolutions(case in any_case()) {
        let [channels, x, y, b] = case.sizes;
        let w = filters(case.filters, channels / case.groups, case.config.windows.map(|w| w.kernel));
        let bias = case.bias.then(|| Array1::from_shape_fn(case.filters, |f| f as f64 - 1.5));
        let conv = conv(&w, case.groups, bias.as_ref(), case.config);
        let expected = reference(&images(channels, x, y, b), &w, case.groups, bias.as_ref(), case.config.windows);
        check_case(&case, &conv, &expected, true)?;
    }

    #[test]
    fn random_depthwise_convolutions_and_pools(case in any_case(), mean in any::<bool>()) {
        let [c, x, y, b] = case.sizes;
        let kernel = case.config.windows.map(|w| w.kernel);
        let (filters, bias, w) = if mean {
            let w = Array4::from_elem((c, 1, kernel[0], kernel[1]), 1.0 / (kernel[0] * kernel[1]) as f64);
            (Filters::mean(kernel).unwrap(), None, w)
        } else {
            let w = filters(c, 1, kernel);
            let bias = case.bias.then(|| Array1::from_shape_fn(c, |f| f as f64 - 1.5));
            (Filters::depthwise(w.iter().copied().collect(), c, kernel).unwrap(), bias, w)
        };
        let conv = InterleavedConv::try_new("d", filters, bias.as_ref().map(|b| b.to_vec()), case.config).unwrap();
        let expected = reference(&images(c, x, y, b), &w, c, bias.as_ref(), case.config.windows);
        check_case(&case, &conv, &expected, false)?;
    }
}
