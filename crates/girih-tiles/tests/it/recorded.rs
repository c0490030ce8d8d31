//! Recorded and replayed, a layer computes what it computes directly.

use std::collections::BTreeMap;

use girih_he::{Auto, ClearEvaluator, Evaluator, Level, Op, Recorder, interpret};
use girih_tiles::ops::conv::{
    ConvConfig, Convention, Filters, InterleavedConv, UnusedSlots, Window,
};
use girih_tiles::ops::dense::{Dense, DenseDims};
use girih_tiles::{TileShape, TileTensor};
use ndarray::{Array2, Array4};

use crate::common::{ramp, shape};

fn network<E: Evaluator>(eval: &E, x: &TileTensor<E>) -> TileTensor<E> {
    let config = |window| ConvConfig {
        convention: Convention::Cxyfb,
        windows: [window; 2],
        unused: UnusedSlots::Unknown,
    };
    let w = Array4::from_shape_fn((3, 2, 3, 3), |(f, c, i, j)| (f + c + i) as f64 - j as f64);
    let filters = Filters::try_new(w.into_iter().collect(), 3, 2, 1, [3, 3]).unwrap();
    let same = Window::same(3, 1, 1, 8).unwrap();
    let conv = InterleavedConv::try_new("conv", filters, None, config(same)).unwrap();
    let y = conv.forward(eval, x).unwrap();
    let halves = Window {
        stride: 2,
        ..Window::valid(2)
    };
    let mean = Filters::mean([2, 2]).unwrap();
    let pool = InterleavedConv::try_new("pool", mean, None, config(halves)).unwrap();
    let y = pool.forward(eval, &y).unwrap();
    let w = Array2::from_shape_fn((4, 48), |(o, k)| ((o * 48 + k) as f64).sin());
    let dims = DenseDims {
        features: &[3, 1, 2],
        output: 0,
    };
    let dense = Dense::try_new("dense", &w.view(), None, y.shape(), dims).unwrap();
    dense.forward(eval, &y).unwrap()
}

#[test]
fn a_recorded_network_replays_to_the_same_bits() {
    let s: TileShape = shape("[2/2, 8~/4, 8~/4, */2, 1]");
    let values = ramp(&s).mapv(f64::sin);
    let eval = Auto::new(ClearEvaluator::leveled(s.slots(), Level(3)));
    let encrypt = |v: &[f64]| Ok::<_, girih_tiles::Error>(eval.inner().vector(v)?);
    let x = TileTensor::pack_with(&eval, &values.view(), &s, encrypt).unwrap();
    let direct = network(&eval, &x);

    let recorder = Recorder::new("net", s.slots());
    let names: Vec<String> = (0..s.tiles()).map(|i| format!("x{i}")).collect();
    let inputs = names.iter().map(|n| recorder.input(n).unwrap()).collect();
    let recorded = TileTensor::try_new(&recorder, s.clone(), inputs).unwrap();
    let y = network(&recorder, &recorded);
    assert_eq!(y.shape(), direct.shape());
    for (i, t) in y.tiles().iter().enumerate() {
        recorder.output(&format!("y{i}"), t).unwrap();
    }
    let (program, constants) = recorder.finish();
    // 2 × 2 tiles per image, padding 1: (2 + 2)² − 2² rotated tiles; two tiles of filters, one rotation
    // each in 4 tiles of sums; none for the pool; dense: one dot, sums over filters, rows and columns.
    let rotations = program
        .insts
        .iter()
        .filter(|i| matches!(i.op, Op::Rotate(..)));
    assert_eq!(rotations.count(), 12 + 8 + (1 + 2 + 2) * y.tiles().len());

    let inputs: BTreeMap<_, _> = names.into_iter().zip(x.tiles().iter().cloned()).collect();
    let outputs = interpret::run(&program, &constants, &eval, inputs, &mut ()).unwrap();
    for ((_, replayed), t) in outputs.iter().zip(direct.tiles()) {
        assert_eq!(replayed.values(), t.values());
    }
}
