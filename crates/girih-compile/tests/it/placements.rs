//! Placements that the planner chooses beside the best of all candidate placements.

use crate::networks::{cryptonets, residual, values};
use crate::prices::Prices;
use girih_compile::{ChainRequest, Network, Scheme, plan, plan_exhaustively};
use girih_he::HeProfile;
use girih_model::{Graph, GraphBuilder, Op};
use ndarray::{Array2, Array4};

/// Partial choices looked at before the search gives up.
const MOST: usize = 2_000_000;
/// How much dearer than the best a chosen plan may be.
const WITHIN: f64 = 1.05;

/// The made-up prices with few slots, so that small networks take several ciphertexts. Insecure: nothing is encrypted.
fn profile(slots: usize, depth: u32) -> HeProfile {
    let chain = ChainRequest {
        log_n: 15,
        first_bits: 40,
        level_bits: vec![30; depth as usize],
        security: 128,
        preset: None,
    };
    HeProfile {
        slots,
        ..Prices.profile(&chain).expect("fits")
    }
}

fn dense(rows: usize, cols: usize, seed: usize) -> Op {
    Op::Dense {
        weight: Array2::from_shape_vec((rows, cols), values(rows * cols, 0.5, seed))
            .expect("shape"),
        bias: None,
    }
}

fn conv(out: usize, inp: usize, kernel: usize, stride: usize, seed: usize) -> Op {
    let count = out * inp * kernel * kernel;
    let shape = (out, inp, kernel, kernel);
    Op::Conv2d {
        weight: Array4::from_shape_vec(shape, values(count, 0.4, seed)).expect("shape"),
        bias: None,
        stride: [stride; 2],
        dilation: [1; 2],
        pad: [kernel / 2; 4],
        groups: 1,
    }
}

/// Dense layers of these widths with squares between them.
fn stack(widths: &[usize]) -> Graph {
    let mut b = GraphBuilder::new("stack", vec![widths[0]]).expect("shape");
    let mut y = b.input();
    for (i, pair) in widths.windows(2).enumerate() {
        if i > 0 {
            y = b
                .push(&format!("sq{i}"), Op::PowInt(2), vec![y])
                .expect("square");
        }
        let op = dense(pair[1], pair[0], i);
        y = b.push(&format!("fc{i}"), op, vec![y]).expect("dense");
    }
    b.finish(vec![y]).expect("graph")
}

/// Convolutions `(channels, kernel, stride)` with squares, a residual sum after the second if the shapes allow, a dense layer.
fn images(side: usize, layers: &[(usize, usize, usize)], residual: bool, out: usize) -> Graph {
    let mut b = GraphBuilder::new("images", vec![1, side, side]).expect("shape");
    let mut y = b.input();
    let (mut channels, mut side) = (1, side);
    for (i, &(next, kernel, stride)) in layers.iter().enumerate() {
        let before = y;
        let op = conv(next, channels, kernel, stride, i);
        y = b.push(&format!("conv{i}"), op, vec![y]).expect("conv");
        if residual && next == channels && stride == 1 {
            y = b
                .push(&format!("sum{i}"), Op::Add, vec![y, before])
                .expect("sum");
        }
        y = b
            .push(&format!("sq{i}"), Op::PowInt(2), vec![y])
            .expect("square");
        (channels, side) = (next, (side - 1) / stride + 1);
    }
    let y = b.push("flat", Op::Flatten, vec![y]).expect("flat");
    let y = b
        .push("fc", dense(out, channels * side * side, 9), vec![y])
        .expect("dense");
    b.finish(vec![y]).expect("graph")
}

/// The chosen plan's price over the best one's; the worst of all batches.
fn ratio(name: &str, graph: &Graph, slots: usize, batches: &[usize]) -> f64 {
    let network = Network::from_graph(graph, None).expect("composes");
    let profile = profile(slots, network.depth());
    let ratios = batches.iter().map(|&batch| {
        let chosen = plan(&network, &profile, batch).expect("a plan").seconds;
        let (best, complete) = plan_exhaustively(&network, &profile, batch, MOST).expect("a plan");
        let ratio = chosen / best.seconds;
        eprintln!("{name}, {slots} slots, batch {batch}: {ratio:.4}, complete: {complete}");
        assert!(complete, "{name}: too many choices");
        ratio
    });
    ratios.fold(0.0, f64::max)
}

#[test]
fn chosen_placements_are_nearly_the_best_of_all() {
    let nets = [
        ("dense 32-16-4", stack(&[32, 16, 4]), 64),
        ("dense 100-10-10-2", stack(&[100, 10, 10, 2]), 256),
        ("dense 17-33-65-3", stack(&[17, 33, 65, 3]), 128),
        ("dense 64-64-64-64-8", stack(&[64, 64, 64, 64, 8]), 256),
        ("conv 4/3/1", images(8, &[(4, 3, 1)], false, 4), 256),
        (
            "conv 3/3/2 4/3/1",
            images(8, &[(3, 3, 2), (4, 3, 1)], false, 4),
            256,
        ),
        (
            "conv 2/3/2 4/3/2 4/3/1",
            images(12, &[(2, 3, 2), (4, 3, 2), (4, 3, 1)], false, 5),
            256,
        ),
        (
            "residual 2 2",
            images(8, &[(2, 3, 1), (2, 3, 1)], true, 4),
            256,
        ),
        (
            "residual 2 2 2",
            images(8, &[(2, 3, 2), (2, 3, 1), (2, 3, 1)], true, 4),
            128,
        ),
        ("residual", residual(), 256),
    ];
    let mut worst = 1.0f64;
    for (name, graph, slots) in &nets {
        worst = worst.max(ratio(name, graph, *slots, &[1, 4]));
    }
    eprintln!("worst: {worst:.4}");
    assert!(worst <= WITHIN, "{worst}");
}

/// At its real size: minutes.
#[test]
fn chosen_placements_of_real_sizes_are_nearly_the_best_of_all() {
    if std::env::var_os("GIRIH_SLOW").is_none() {
        eprintln!("skipped: set GIRIH_SLOW=1");
        return;
    }
    let nets = [
        ("cryptonets", cryptonets()),
        (
            "lenet",
            girih_model::networks::lenet_squares().expect("shapes"),
        ),
        (
            "dense",
            girih_model::networks::dense_squares().expect("shapes"),
        ),
    ];
    for (name, graph) in &nets {
        let worst = ratio(name, graph, 4096, &[1, 16]);
        assert!(worst <= WITHIN, "{name}: {worst}");
    }
}
