//! Networks of published shapes with drawn weights: what planners and measurements are tried on where no trained file exists.
//!
//! Weights are normal with a fixed seed and scaled layer by layer so that the results of a few sample inputs have mean square 1
//! before each activation (layer-sequential unit variance: Mishkin, Matas, "All you need is a good init", ICLR 2016). The weights of
//! one output add up to zero, so that the positive mean of a square does not drown what tells two inputs apart.

use ndarray::{Array1, Array2, Array4, ArrayD, IxDyn};

use crate::error::{ModelError, Result};
use crate::graph::{Graph, GraphBuilder, NodeId};
use crate::op::Op;
use crate::reference;

/// An AlexNet-shaped network (Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014) for encrypted
/// inputs: average instead of largest values in the pools, `0.1 x² + x` in place of Relu.
///
/// `[3, image, image]` to `[1000 / divide]`: convolutions 11x11/4 to 64, 5x5 to 192, 3x3 to 384, 256 and 256 channels, pools 3x3/2 after the
/// first, the second and the last, dense 4096, 4096 and 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlexNet {
    /// Rows and columns of the image: 224, or less for a small relative; at least 63.
    pub image: usize,
    /// Divides the numbers of channels and of dense outputs: 1, or more for a small relative; at most 64.
    pub divide: usize,
}

impl AlexNet {
    /// 224 x 224 with 61 million weights.
    pub const FULL: AlexNet = AlexNet {
        image: 224,
        divide: 1,
    };

    /// The network with drawn weights. Cost for [`FULL`](Self::FULL): half a gigabyte of weights, seconds.
    ///
    /// # Errors
    /// An image so small that a window finds nothing in it, a divisor of zero or above 64.
    pub fn graph(self) -> Result<Graph> {
        let AlexNet { image, divide } = self;
        if !(1..=64).contains(&divide) {
            return Err(ModelError::Graph {
                node: 0,
                reason: format!("channels are divided by {divide}, which is not within 1..=64"),
            });
        }
        let wide = |channels: usize| channels / divide;
        let activation = || Op::Polynomial(vec![0.0, 1.0, 0.1]);
        let mut net = Drawn::new("alexnet", vec![3, image, image])?;
        net.convolution("conv1", wide(64), 11, 4, 2)?;
        net.push("act1", activation())?;
        net.pool("pool1", 3, 2)?;
        net.convolution("conv2", wide(192), 5, 1, 2)?;
        net.push("act2", activation())?;
        net.pool("pool2", 3, 2)?;
        for (i, channels) in [(3, 384), (4, 256), (5, 256)] {
            net.convolution(&format!("conv{i}"), wide(channels), 3, 1, 1)?;
            net.push(&format!("act{i}"), activation())?;
        }
        net.pool("pool5", 3, 2)?;
        net.push("flatten", Op::Flatten)?;
        for (i, outputs) in [(6, 4096), (7, 4096)] {
            net.dense(&format!("fc{i}"), wide(outputs))?;
            net.push(&format!("act{i}"), activation())?;
        }
        net.dense("fc8", wide(1000))?;
        net.finish()
    }
}

/// A LeNet-shaped network (LeCun, Bottou, Bengio, Haffner, 1998) with squares: `[1, 28, 28]` to 10 by convolutions 5x5 to 6 channels
/// (padded) and to 16, an average pool 2x2 after each, dense 120, 84 and 10.
///
/// # Errors
/// None for these shapes; the signature is that of every builder.
pub fn lenet_squares() -> Result<Graph> {
    let mut net = Drawn::new("lenet_squares", vec![1, 28, 28])?;
    for (i, channels, pad) in [(1, 6, 2), (2, 16, 0)] {
        net.convolution(&format!("conv{i}"), channels, 5, 1, pad)?;
        net.push(&format!("square{i}"), Op::PowInt(2))?;
        net.pool(&format!("pool{i}"), 2, 2)?;
    }
    net.push("flatten", Op::Flatten)?;
    for (i, outputs) in [(3, 120), (4, 84)] {
        net.dense(&format!("dense{i}"), outputs)?;
        net.push(&format!("square{i}"), Op::PowInt(2))?;
    }
    net.dense("dense5", 10)?;
    net.finish()
}

/// A dense network with squares: `[784]` to 128, 32 and 10.
///
/// # Errors
/// None for these shapes; the signature is that of every builder.
pub fn dense_squares() -> Result<Graph> {
    let mut net = Drawn::new("dense_squares", vec![784])?;
    for (i, outputs) in [(1, 128), (2, 32)] {
        net.dense(&format!("dense{i}"), outputs)?;
        net.push(&format!("square{i}"), Op::PowInt(2))?;
    }
    net.dense("dense3", 10)?;
    net.finish()
}

/// `count` inputs `[count, ..]` for a graph, uniform in [0, 1), the same for the same seed.
#[must_use]
pub fn samples(graph: &Graph, count: usize, seed: u64) -> ArrayD<f64> {
    uniform_samples(graph.input_shape(), count, seed)
}

fn uniform_samples(shape: &[usize], count: usize, seed: u64) -> ArrayD<f64> {
    let shape: Vec<usize> = [count].iter().chain(shape).copied().collect();
    let mut draw = Draw(seed);
    ArrayD::from_shape_simple_fn(IxDyn(&shape), || draw.uniform())
}

/// Samples on which weights are scaled.
const SAMPLES: usize = 8;

/// A chain of layers being built, with the values of the samples after the last one.
struct Drawn {
    builder: GraphBuilder,
    last: NodeId,
    values: ArrayD<f64>,
    draw: Draw,
}

impl Drawn {
    fn new(name: &str, input: Vec<usize>) -> Result<Self> {
        let values = uniform_samples(&input, SAMPLES, 1);
        let builder = GraphBuilder::new(name, input)?;
        Ok(Drawn {
            last: builder.input(),
            builder,
            values,
            draw: Draw(2),
        })
    }

    /// The samples after one more operator.
    fn after(&self, op: &Op) -> Result<ArrayD<f64>> {
        let mut one = GraphBuilder::new("layer", self.builder.shape(self.last).to_vec())?;
        let y = one.push("y", op.clone(), vec![one.input()])?;
        reference::run(&one.finish(vec![y])?, &self.values)
    }

    fn push(&mut self, name: &str, op: Op) -> Result<()> {
        self.values = self.after(&op)?;
        self.last = self.builder.push(name, op, vec![self.last])?;
        Ok(())
    }

    fn pool(&mut self, name: &str, window: usize, stride: usize) -> Result<()> {
        let op = Op::AvgPool {
            kernel: [window; 2],
            stride: [stride; 2],
            pad: [0; 4],
            count_include_pad: false,
        };
        self.push(name, op)
    }

    /// The factor that gives the samples mean square 1 after an operator.
    fn factor(&self, op: &Op) -> Result<f64> {
        let y = self.after(op)?;
        let mean_square = y.iter().map(|v| v * v).sum::<f64>() / y.len() as f64;
        Ok(1.0 / mean_square.sqrt().max(f64::MIN_POSITIVE))
    }

    fn convolution(
        &mut self,
        name: &str,
        channels: usize,
        window: usize,
        stride: usize,
        pad: usize,
    ) -> Result<()> {
        let inputs = self.builder.shape(self.last)[0];
        let weights = self.draw.filters(channels, inputs * window * window);
        let shape = (channels, inputs, window, window);
        let conv = |factor: f64, bias: Option<Array1<f64>>| Op::Conv2d {
            weight: Array4::from_shape_fn(shape, |(o, c, u, v)| {
                factor * weights[[o, (c * window + u) * window + v]]
            }),
            bias,
            stride: [stride; 2],
            pad: [pad; 4],
            dilation: [1, 1],
            groups: 1,
        };
        let factor = self.factor(&conv(1.0, None))?;
        let bias = self.draw.biases(channels);
        self.push(name, conv(factor, Some(bias)))
    }

    fn dense(&mut self, name: &str, outputs: usize) -> Result<()> {
        let inputs = self.builder.shape(self.last)[0];
        let mut weight = self.draw.filters(outputs, inputs);
        let plain = Op::Dense {
            weight: weight.clone(),
            bias: None,
        };
        weight *= self.factor(&plain)?;
        let bias = Some(self.draw.biases(outputs));
        self.push(name, Op::Dense { weight, bias })
    }

    fn finish(self) -> Result<Graph> {
        self.builder.finish(vec![self.last])
    }
}

/// Pseudo-random numbers: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
struct Draw(u64);

impl Draw {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Of mean 0 and variance 1 (Box, Muller, 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// `[outputs, inputs]`, every row with sum zero.
    fn filters(&mut self, outputs: usize, inputs: usize) -> Array2<f64> {
        let mut w = Array2::from_shape_simple_fn((outputs, inputs), || self.normal());
        for mut row in w.rows_mut() {
            let mean = row.mean().unwrap_or(0.0);
            row -= mean;
        }
        w
    }

    fn biases(&mut self, outputs: usize) -> Array1<f64> {
        Array1::from_shape_simple_fn(outputs, || 0.1 * self.normal())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Outputs are of size one and tell two inputs apart.
    fn is_lively(graph: &Graph) {
        let y = reference::run(graph, &samples(graph, 3, 77)).unwrap();
        let mean_square = y.iter().map(|v| v * v).sum::<f64>() / y.len() as f64;
        assert!((0.2..5.0).contains(&mean_square), "{mean_square}");
        let rows: Vec<_> = y.outer_iter().collect();
        let difference = (&rows[0] - &rows[1]).mapv(|d| d * d).mean().unwrap();
        assert!(difference > 0.02, "{difference}");
        let all = reference::ranges(graph, &samples(graph, 3, 77)).unwrap();
        for node in &graph.nodes {
            let [lo, hi] = all.of(node.id);
            assert!(lo > -60.0 && hi < 60.0, "{}: [{lo}, {hi}]", node.name);
        }
    }

    #[test]
    fn shapes_are_those_published_and_values_stay_in_range() {
        let lenet = lenet_squares().unwrap();
        assert_eq!(lenet.parameters(), 61_706);
        is_lively(&lenet);
        let dense = dense_squares().unwrap();
        assert_eq!(dense.parameters(), 784 * 128 + 128 + 128 * 32 + 32 + 330);
        is_lively(&dense);
    }

    #[test]
    fn small_relatives_of_alexnet() {
        let small = AlexNet {
            image: 64,
            divide: 16,
        };
        let graph = small.graph().unwrap();
        assert_eq!(graph.output_shape(), [62]);
        is_lively(&graph);
        assert_eq!(graph, small.graph().unwrap(), "drawn the same again");
        assert!(AlexNet { image: 32, ..small }.graph().is_err());
        assert!(AlexNet { divide: 0, ..small }.graph().is_err());
    }

    #[test]
    fn the_full_one_has_all_weights() {
        if std::env::var_os("GIRIH_SLOW").is_none() {
            eprintln!("NOT RUN: the full network (GIRIH_SLOW=1)");
            return;
        }
        let graph = AlexNet::FULL.graph().unwrap();
        // The published number, and three coefficients for each of seven activations.
        assert_eq!(graph.parameters(), 61_100_840 + 7 * 3);
        is_lively(&graph);
    }
}
