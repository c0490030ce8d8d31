//! Every method of convolution against the plain model, and its counts against a recording.

use std::collections::BTreeSet;
use std::sync::Arc;

use girih_circuits::{LazyPrices, StepPrices};
use girih_he::{ClearEvaluator, Op as Instruction, Program, Recorder, ValueId};
use girih_model::{GraphBuilder, Op, reference};
use girih_nn::conv::{Ciphertexts, Conv2d, Conv2dConfig, ConvDirection, Counts, Layout, Method};
use girih_nn::{ImageGrid, Placement, Window};
use ndarray::{Array1, Array4, ArrayD, IxDyn};
use proptest::prelude::*;

const PRICES: StepPrices = StepPrices {
    decompose: 0.6,
    baby: 0.4,
    giant: 1.0,
    product: 0.03,
    lazy: None,
    key: 0.0,
};

const LAZY: StepPrices = StepPrices {
    lazy: Some(LazyPrices {
        baby: 0.2,
        giant: 0.9,
        product: 0.04,
        divide: 0.3,
    }),
    ..PRICES
};

fn wave(n: usize, seed: usize) -> Vec<f64> {
    (0..n)
        .map(|i| ((i * 37 + seed * 11) as f64).sin())
        .collect()
}

fn config(
    image: [usize; 3],
    filters: usize,
    groups: usize,
    window: Window,
    direction: ConvDirection,
) -> Conv2dConfig {
    let taps = image[0] / groups * window.kernel[0] * window.kernel[1];
    Conv2dConfig {
        image,
        filters,
        groups,
        weight: wave(filters * taps, 3).into(),
        bias: None,
        window,
        direction,
    }
}

/// The plain model's result for one sample.
fn plain(config: &Conv2dConfig, x: &[f64]) -> Vec<f64> {
    let [channels, ..] = config.image;
    let [kh, kw] = config.window.kernel;
    let (outer, inner) = (config.filters / config.groups, channels / config.groups);
    let at =
        |f: usize, c: usize, i: usize, j: usize| config.weight[((f * inner + c) * kh + i) * kw + j];
    let bias = config.bias.clone().map(Array1::from);
    let Window {
        stride,
        pad,
        dilation,
        ..
    } = config.window;
    let op = match config.direction {
        ConvDirection::Forward => Op::Conv2d {
            weight: Array4::from_shape_fn((config.filters, inner, kh, kw), |(f, c, i, j)| {
                at(f, c, i, j)
            }),
            bias,
            stride,
            pad,
            dilation,
            groups: config.groups,
        },
        ConvDirection::Transposed { extra } => Op::ConvTranspose2d {
            weight: Array4::from_shape_fn((channels, outer, kh, kw), |(c, f, i, j)| {
                at(c / inner * outer + f, c % inner, i, j)
            }),
            bias,
            stride,
            pad,
            dilation,
            extra,
            groups: config.groups,
        },
    };
    run(op, config.image, x)
}

/// One operator on one sample.
fn run(op: Op, image: [usize; 3], x: &[f64]) -> Vec<f64> {
    let mut graph = GraphBuilder::new("conv", image.to_vec()).unwrap();
    let input = graph.input();
    let y = graph.push("conv", op, vec![input]).unwrap();
    let graph = graph.finish(vec![y]).unwrap();
    let mut shape = vec![1];
    shape.extend(image);
    let x = ArrayD::from_shape_vec(IxDyn(&shape), x.to_vec()).unwrap();
    reference::run(&graph, &x).unwrap().into_iter().collect()
}

/// Products, rotations, key switches and levels of a program.
fn tally(program: &Program) -> Counts {
    let mut counts = Counts::default();
    let slots = program.slots;
    let mut hoisted: BTreeSet<ValueId> = BTreeSet::new();
    let mut depth = vec![0; program.insts.len()];
    for (at, inst) in program.insts.iter().enumerate() {
        let deepest = inst.op.operands().iter().map(|v| depth[v.index()]).max();
        let before = counts.products;
        match &inst.op {
            Instruction::MulPlain(..) => counts.products += 1,
            Instruction::DotPlain(terms) => counts.products += terms.len(),
            Instruction::Rotate(source, _) => {
                hoisted.insert(*source);
                counts.rotations += 1;
            }
            Instruction::SumRotated(terms) => {
                let moved = terms.iter().filter(|t| !t.1.is_identity(slots));
                let sources: BTreeSet<ValueId> = moved.clone().map(|t| t.0).collect();
                counts.rotations += moved.count();
                counts.key_switches += sources.len();
            }
            Instruction::SumRotatedProducts(giants) => {
                let turned = giants.iter().filter(|g| !g.by.is_identity(slots)).count();
                let terms = giants.iter().flat_map(|g| &g.terms);
                let babies: BTreeSet<_> = terms
                    .clone()
                    .map(|t| (t.0, t.1.normalized(slots)))
                    .filter(|t| t.1.0 != 0)
                    .collect();
                let sources: BTreeSet<_> = babies.iter().map(|b| b.0).collect();
                counts.products += terms.count();
                counts.rotations += babies.len() + turned;
                counts.key_switches += sources.len() + turned;
            }
            _ => {}
        }
        depth[at] = deepest.unwrap_or(0) + usize::from(counts.products > before);
    }
    counts.key_switches += hoisted.len();
    counts.levels = depth.into_iter().max().unwrap_or(0);
    counts
}

fn recorded(conv: &Conv2d, slots: usize) -> Counts {
    let recorder = Recorder::new("conv", slots);
    let tiles: Vec<ValueId> = (0..conv.input().tiles())
        .map(|t| recorder.input(&format!("x{t}")).unwrap())
        .collect();
    let ys = conv.forward(&recorder, &tiles).unwrap();
    let (program, constants) = recorder.finish();
    Counts {
        ciphertexts_in: tiles.len(),
        ciphertexts_out: ys.len(),
        constant_bytes: constants.len() * slots * 8,
        ..tally(&program)
    }
}

/// Runs in clear, with plain and with encrypted weights, and holds values and counts to account.
fn check(conv: &Conv2d, slots: usize, batch: usize) -> Result<(), TestCaseError> {
    let config = conv.config();
    let size = config.image.iter().product();
    let samples: Vec<Vec<f64>> = (0..batch).map(|b| wave(size, b + 7)).collect();
    let views: Vec<&[f64]> = samples.iter().map(Vec::as_slice).collect();
    let eval = ClearEvaluator::unlimited(slots);
    let tiles = conv.pack(&views).unwrap();
    prop_assert_eq!(tiles.len(), conv.counts().ciphertexts_in);
    let tiles: Vec<_> = tiles.iter().map(|t| eval.vector(t).unwrap()).collect();
    let weights = conv.encrypt_weights(&eval, |v| eval.vector(v)).unwrap();
    let runs = [
        conv.forward(&eval, &tiles).unwrap(),
        conv.forward_encrypted(&eval, &tiles, &weights).unwrap(),
    ];
    for run in runs {
        let open: Vec<Vec<f64>> = run.iter().map(|y| y.values().to_vec()).collect();
        let ys = conv.unpack(&open, batch).unwrap();
        for (x, y) in samples.iter().zip(&ys) {
            let want = plain(config, x);
            prop_assert_eq!(y.len(), want.len());
            for (i, (g, w)) in y.iter().zip(&want).enumerate() {
                prop_assert!(
                    (g - w).abs() < 1e-9,
                    "{} {}: value {i} is {g}, not {w}",
                    conv.method(),
                    conv.input()
                );
            }
        }
    }
    prop_assert_eq!(
        conv.counts(),
        recorded(conv, slots),
        "{} {}",
        conv.method(),
        conv.input()
    );
    Ok(())
}

fn any_config() -> impl Strategy<Value = Conv2dConfig> {
    let sizes = (1..3usize, 1..3usize, 1..4usize, 3..9usize, 3..9usize);
    let window = (
        [1..4usize, 1..4usize],
        [1..4usize, 1..4usize],
        [1..3usize, 1..3usize],
        [0..3usize, 0..3usize, 0..3usize, 0..3usize],
    );
    (sizes, window, any::<[bool; 2]>(), [0..2usize, 0..2usize]).prop_filter_map(
        "the window fits",
        |(
            (groups, inner, outer, h, w),
            (kernel, stride, dilation, pad),
            [bias, transposed],
            extra,
        )| {
            let window = Window {
                kernel,
                stride,
                pad,
                dilation,
            };
            let direction = match transposed {
                true => ConvDirection::Transposed { extra },
                false => ConvDirection::Forward,
            };
            let mut config = config(
                [groups * inner, h, w],
                groups * outer,
                groups,
                window,
                direction,
            );
            config.bias = bias.then(|| wave(groups * outer, 5));
            config.check().is_ok().then_some(config)
        },
    )
}

fn on(slots: usize, batch: usize, prices: &StepPrices) -> Ciphertexts<'_> {
    Ciphertexts {
        slots,
        batch,
        prices,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, max_global_rejects: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn every_method_is_the_convolution(config in any_config(), log_slots in 6..10u32, log_batch in 0..3u32, lazy in any::<bool>()) {
        let (slots, batch) = (1 << log_slots, 1 << log_batch);
        let prices = if lazy { LAZY } else { PRICES };
        for method in Method::ALL {
            match Conv2d::try_new("c", config.clone(), method, on(slots, batch, &prices)) {
                Ok(conv) => check(&conv, slots, batch)?,
                // A transposed window can leave a tile of the result without any diagonal.
                Err(e) => prop_assert!(method == Method::Toeplitz && config.direction != ConvDirection::Forward, "{method}: {e}"),
            }
        }
    }

    #[test]
    fn layers_follow_one_another(first in any_config(), outer in 1..3usize, kernel in 1..4usize) {
        // The second layer reads the first one's result where it lies; interleaved tiles swap their convention.
        let slots = 256;
        let (Ok([c, h, w]), window) = (first.output(), Window { kernel: [kernel; 2], pad: [1; 4], ..Window::default() }) else {
            return Err(TestCaseError::reject("no result"));
        };
        for (a, b) in [
            (Method::InterleavedCxyfb, Method::InterleavedFxycb),
            (Method::InterleavedFxycb, Method::InterleavedCxyfb),
            (Method::Toeplitz, Method::Toeplitz),
        ] {
            let interleaved = a != Method::Toeplitz;
            let Ok(one) = Conv2d::try_new("a", first.clone(), a, on(slots, 1, &PRICES)) else { continue };
            if interleaved && first.is_depthwise() { continue; }
            let second = config([c, h, w], outer, 1, window, ConvDirection::Forward);
            if second.check().is_err() { continue; }
            let Ok(two) = Conv2d::for_layout("b", second, b, one.output(), on(slots, 1, &PRICES)) else {
                prop_assert!(interleaved, "{a} {b}");
                continue;
            };
            prop_assert_eq!(two.input(), one.output());
            let eval = ClearEvaluator::unlimited(slots);
            let x = wave(first.image.iter().product(), 7);
            let tiles: Vec<_> = one.pack(&[&x]).unwrap().iter().map(|t| eval.vector(t).unwrap()).collect();
            let ys = two.forward(&eval, &one.forward(&eval, &tiles).unwrap()).unwrap();
            let open: Vec<Vec<f64>> = ys.iter().map(|y| y.values().to_vec()).collect();
            let want = plain(two.config(), &plain(&first, &x));
            for (g, w) in two.unpack(&open, 1).unwrap()[0].iter().zip(&want) {
                prop_assert!((g - w).abs() < 1e-8, "{a} {b} {}: {g} {w}", two.input());
            }
            prop_assert_eq!(two.counts(), recorded(&two, slots));
        }
    }
}

#[test]
fn counts_of_a_first_layer() {
    // 28 x 28, five filters of 5 x 5 with stride 2: the layer of CryptoNets (Gilad-Bachrach and others, ICML 2016).
    let window = Window {
        kernel: [5, 5],
        stride: [2, 2],
        pad: [1, 1, 0, 0],
        ..Window::default()
    };
    let config = config([1, 28, 28], 5, 1, window, ConvDirection::Forward);
    let with = |method| Conv2d::try_new("c", config.clone(), method, on(4096, 1, &PRICES)).unwrap();
    let im2col = with(Method::Im2col).counts();
    assert_eq!((im2col.levels, im2col.rotations), (1, 0));
    assert_eq!(im2col.products, 25);
    let toeplitz = with(Method::Toeplitz).counts();
    assert_eq!(toeplitz.levels, 1);
    for method in Method::ALL {
        check(&with(method), 4096, 1).unwrap();
    }
}

#[test]
fn average_pools_are_convolutions() {
    let window = Window {
        kernel: [3, 2],
        stride: [2, 2],
        pad: [1, 0, 0, 1],
        ..Window::default()
    };
    let pool = Conv2dConfig::average_pool([3, 8, 7], window).unwrap();
    let op = Op::AvgPool {
        kernel: window.kernel,
        stride: window.stride,
        pad: window.pad,
        count_include_pad: true,
    };
    let x = wave(3 * 8 * 7, 1);
    let want = run(op, pool.image, &x);
    for method in Method::ALL {
        let conv = Conv2d::try_new("pool", pool.clone(), method, on(512, 1, &PRICES)).unwrap();
        check(&conv, 512, 1).unwrap();
    }
    for (p, w) in plain(&pool, &x).iter().zip(&want) {
        assert!((p - w).abs() < 1e-12);
    }
    let huge = Window {
        kernel: [usize::MAX; 2],
        ..window
    };
    assert!(Conv2dConfig::average_pool([3, 8, 7], huge).is_err());
    assert!(Conv2dConfig::average_pool([0, 8, 7], window).is_err());
    let padded = Window {
        kernel: [1 << 30; 2],
        pad: [1 << 30; 4],
        ..window
    };
    let text = Conv2dConfig::average_pool([3, 8, 7], padded).unwrap_err();
    assert!(text.to_string().contains("[1073741824, 1073741824] taps"));
}

#[test]
fn results_land_in_the_gaps() {
    // Stride 2 from a dense grid to every other pixel, the four filters in the gaps: one level, one ciphertext.
    let window = Window {
        kernel: [3, 3],
        stride: [2, 2],
        pad: [1; 4],
        ..Window::default()
    };
    let config = config([1, 16, 16], 4, 1, window, ConvDirection::Forward);
    let grid = |gap| ImageGrid {
        rows: 16,
        cols: 16,
        interleave: 1,
        gap,
    };
    let image = Placement::image([1, 16, 16], grid(1), 256, 1).unwrap();
    let result = Placement::image([4, 8, 8], grid(2), 256, 1).unwrap();
    let conv = Conv2d::between("c", config, &image, &result, on(256, 1, &PRICES)).unwrap();
    assert_eq!(conv.output().to_string(), "[8/8, 2/2, 8/8, 2/2]");
    let counts = conv.counts();
    assert_eq!((counts.levels, counts.ciphertexts_out), (1, 1));
    check(&conv, 256, 1).unwrap();
}

#[test]
fn bad_configurations_are_refused_with_both_sizes() {
    let good = config(
        [4, 6, 6],
        6,
        2,
        Window {
            kernel: [3, 3],
            ..Window::default()
        },
        ConvDirection::Forward,
    );
    let says = |config: Conv2dConfig, on: Ciphertexts<'_>, words: &[&str]| {
        for method in Method::ALL {
            let text = Conv2d::try_new("c", config.clone(), method, on)
                .unwrap_err()
                .to_string();
            assert!(words.iter().all(|w| text.contains(w)), "{method}: {text}");
        }
    };
    let ok = on(256, 1, &PRICES);
    let window = |w: Window| Conv2dConfig {
        window: w,
        ..good.clone()
    };
    let three = good.window;
    says(
        Conv2dConfig {
            groups: 3,
            ..good.clone()
        },
        ok,
        &["3 groups", "4 channels", "6 filters"],
    );
    says(
        Conv2dConfig {
            groups: 0,
            ..good.clone()
        },
        ok,
        &["0 groups"],
    );
    says(
        Conv2dConfig {
            filters: 4,
            ..good.clone()
        },
        ok,
        &["108 weights", "[4, 2, 3, 3]"],
    );
    says(
        Conv2dConfig {
            bias: Some(vec![0.0; 5]),
            ..good.clone()
        },
        ok,
        &["5 biases", "6 filters"],
    );
    says(
        Conv2dConfig {
            bias: Some(vec![f64::NAN; 6]),
            ..good.clone()
        },
        ok,
        &["NaN"],
    );
    says(
        Conv2dConfig {
            image: [4, 2, 6],
            ..good.clone()
        },
        ok,
        &["kernel 3", "2 pixels"],
    );
    says(
        Conv2dConfig {
            image: [4, 0, 6],
            ..good.clone()
        },
        ok,
        &["0 pixels"],
    );
    says(
        Conv2dConfig {
            image: [4, usize::MAX, 6],
            ..good.clone()
        },
        ok,
        &["2^30"],
    );
    says(
        Conv2dConfig {
            image: [4, 1 << 30, 1 << 30],
            ..good.clone()
        },
        ok,
        &["over 2^32"],
    );
    says(
        window(Window {
            stride: [0, 1],
            ..three
        }),
        ok,
        &["stride 0"],
    );
    says(
        window(Window {
            dilation: [3, 1],
            ..three
        }),
        ok,
        &["dilation 3", "6 pixels"],
    );
    says(
        window(Window {
            kernel: [3, usize::MAX],
            ..three
        }),
        ok,
        &["2^30"],
    );
    says(
        window(Window {
            pad: [usize::MAX; 4],
            ..three
        }),
        ok,
        &["2^30"],
    );
    says(
        Conv2dConfig {
            direction: ConvDirection::Transposed { extra: [1, 0] },
            ..good.clone()
        },
        ok,
        &["1 extra", "stride 1"],
    );
    says(good.clone(), on(100, 1, &PRICES), &["100 slots"]);
    says(good.clone(), on(256, 3, &PRICES), &["batch of 3"]);
    says(
        good.clone(),
        on(256, 512, &PRICES),
        &["256 slots", "batch of 512"],
    );

    let conv = Conv2d::try_new("c", good.clone(), Method::Im2col, ok).unwrap();
    let eval = ClearEvaluator::unlimited(256);
    let text = conv.forward(&eval, &[]).unwrap_err().to_string();
    assert!(text.contains("0 ciphertexts"), "{text}");
    assert!(conv.pack(&[&[0.0; 3]]).is_err());
    assert!(conv.pack(&[&[0.0; 144], &[0.0; 144]]).is_err());
    assert!(conv.unpack(&[], 1).is_err());
    let other = Conv2d::try_new("d", good.clone(), Method::InterleavedCxyfb, ok).unwrap();
    let weights = other.encrypt_weights(&eval, |v| eval.vector(v)).unwrap();
    let tiles = vec![eval.vector(&[]).unwrap(); conv.input().tiles()];
    assert!(conv.forward_encrypted(&eval, &tiles, &weights).is_err());
    let wrong = Conv2d::for_layout("e", good.clone(), Method::Toeplitz, conv.input(), ok);
    assert!(
        wrong
            .unwrap_err()
            .to_string()
            .contains("toeplitz does not read")
    );
    let another = Conv2d::for_layout("e", good, Method::InterleavedFxycb, other.input(), ok);
    assert!(another.is_err());
    let weight: Arc<[f64]> = vec![1.0; 54].into();
    let placed = Layout::Placed(Placement::vector(5, 256, 1));
    let config = Conv2dConfig {
        image: [2, 6, 6],
        filters: 3,
        groups: 1,
        weight,
        bias: None,
        window: three,
        direction: ConvDirection::Forward,
    };
    let text = Conv2d::for_layout("f", config, Method::Toeplitz, &placed, ok)
        .unwrap_err()
        .to_string();
    assert!(text.contains("5 features") && text.contains("72"), "{text}");
}
