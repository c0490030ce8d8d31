//! Two convolutions in the two conventions, then a dense layer, with nothing re-tiled in between.
//!
//! `cargo run -p girih-tiles --example conv`

use girih_he::{Auto, ClearEvaluator, Evaluator, Level, Op, Recorder};
use girih_tiles::ops::conv::{
    ConvConfig, Convention, Filters, InterleavedConv, UnusedSlots, Window,
};
use girih_tiles::ops::dense::{Dense, DenseDims};
use girih_tiles::{Error, TileShape, TileTensor, Zeros};
use ndarray::{Array2, ArrayD};

struct Network {
    image: TileShape,
    conv1: InterleavedConv,
    conv2: InterleavedConv,
    dense: Dense,
}

impl Network {
    fn new() -> Result<Self, Error> {
        // One 28 × 28 image, rows and columns interleaved over 2 tiles each, 8 slots for filters.
        let image: TileShape = "[1/8, 28~/16, 28~/16, */8, 1]".parse()?;
        let filters = |f: usize, c: usize, k: usize| {
            let weight = |i: usize| ((i * 7) as f64).sin() / (c * k + k) as f64;
            Filters::try_new((0..f * c * k * k).map(weight).collect(), f, c, 1, [k, k])
        };
        let config = |convention, kernel, stride| ConvConfig {
            convention,
            windows: [Window {
                stride,
                pad: [1, 1],
                ..Window::valid(kernel)
            }; 2],
            unused: UnusedSlots::Unknown,
        };
        let conv1 = InterleavedConv::try_new(
            "conv1",
            filters(5, 1, 5)?,
            Some(vec![0.1; 5]),
            config(Convention::Cxyfb, 5, 2),
        )?;
        let hidden = conv1.output_shape(&image)?;
        let conv2 = InterleavedConv::try_new(
            "conv2",
            filters(8, 5, 3)?,
            None,
            config(Convention::Fxycb, 3, 1),
        )?;
        let last = conv2.output_shape(&hidden)?;
        let w = Array2::from_shape_fn((10, 8 * 13 * 13), |(o, k)| {
            ((o * 31 + k) as f64).cos() / 100.0
        });
        let dims = DenseDims {
            features: &[0, 1, 2],
            output: 3,
        };
        let dense = Dense::try_new("dense", &w.view(), None, &last, dims)?;
        Ok(Network {
            image,
            conv1,
            conv2,
            dense,
        })
    }

    fn run<E: Evaluator>(&self, eval: &E, x: &TileTensor<E>) -> Result<Vec<TileTensor<E>>, Error> {
        let a = self.conv1.forward(eval, x)?;
        let a = a.map(Zeros::Stay, |t| Ok::<_, Error>(eval.mul(t, t)?))?;
        let b = self.conv2.forward(eval, &a)?;
        let c = self.dense.forward(eval, &b)?;
        Ok(vec![a, b, c])
    }
}

fn main() -> Result<(), Error> {
    let network = Network::new()?;
    let slots = network.image.slots();

    // In clear: values and shapes.
    let eval = Auto::new(ClearEvaluator::leveled(slots, Level(6)));
    let image = ArrayD::from_shape_fn(vec![1, 28, 28, 1, 1], |i| {
        ((i[1] * 3 + i[2]) as f64 / 9.0).sin()
    });
    let x = TileTensor::pack_with(&eval, &image.view(), &network.image, |v| {
        Ok::<_, Error>(eval.inner().vector(v)?)
    })?;
    println!("image       {:>2} tiles {}", x.tiles().len(), x.shape());
    let results = network.run(&eval, &x)?;
    for (name, y) in ["conv1, x²", "conv2", "dense"].iter().zip(&results) {
        let left = eval.remaining(&y.tiles()[0]);
        println!(
            "{name:<11} {:>2} tiles {}, {left} levels left",
            y.tiles().len(),
            y.shape()
        );
    }
    let scores = results[2].unpack_with(|t| Ok::<_, Error>(t.values().to_vec()))?;
    println!("scores      {:.3}", scores.flatten());

    // Recorded: what an encrypted run would execute.
    let recorder = Recorder::new("conv", slots);
    let tiles = (0..network.image.tiles()).map(|i| Ok(recorder.input(&format!("x{i}"))?));
    let tiles = tiles.collect::<Result<_, Error>>()?;
    network.run(
        &recorder,
        &TileTensor::try_new(&recorder, network.image.clone(), tiles)?,
    )?;
    let (program, constants) = recorder.finish();
    let rotations = program
        .insts
        .iter()
        .filter(|i| matches!(i.op, Op::Rotate(..)));
    println!(
        "program     {} instructions, {} rotations, {} constants",
        program.insts.len(),
        rotations.count(),
        constants.len()
    );
    Ok(())
}
