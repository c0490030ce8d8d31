//! Counts of the convolutions of known networks by every method: the table of `docs/convolution.md`. A convention that costs
//! what the other one does has no row of its own.
//!
//! `cargo run --release -p girih-nn --example convolution_counts [layer …]`

use girih_circuits::{LazyPrices, StepPrices};
use girih_nn::Window;
use girih_nn::conv::{Ciphertexts, Conv2d, Conv2dConfig, ConvDirection, Method};

/// In transforms of one row, for 8 limbs, 2 special primes and 4 digits (`docs/linear-transforms.md`): a decomposition is
/// 4 · 10 transforms, a division of two halves 20, a key product reads 80 rows and a product with a constant 16, at a tenth
/// of a transform each.
const PRICES: StepPrices = StepPrices {
    decompose: 40.0,
    baby: 28.0,
    giant: 68.0,
    product: 1.6,
    lazy: Some(LazyPrices {
        baby: 8.0,
        giant: 58.0,
        product: 2.0,
        divide: 20.0,
    }),
    key: 0.0,
};

struct Layer {
    name: &'static str,
    image: [usize; 3],
    filters: usize,
    kernel: usize,
    stride: usize,
    pad: [usize; 4],
}

const fn layer(
    name: &'static str,
    image: [usize; 3],
    filters: usize,
    [kernel, stride, pad]: [usize; 3],
) -> Layer {
    Layer {
        name,
        image,
        filters,
        kernel,
        stride,
        pad: [pad; 4],
    }
}

/// CryptoNets (Gilad-Bachrach and others, ICML 2016), LeNet (LeCun and others, 1998), AlexNet (Krizhevsky, "One weird
/// trick for parallelizing convolutional neural networks", 2014).
const LAYERS: [Layer; 8] = [
    Layer {
        pad: [1, 1, 0, 0],
        ..layer("cryptonets", [1, 28, 28], 5, [5, 2, 0])
    },
    layer("lenet 1", [1, 28, 28], 6, [5, 1, 2]),
    layer("lenet 2", [6, 14, 14], 16, [5, 1, 0]),
    layer("alexnet 1", [3, 224, 224], 64, [11, 4, 2]),
    layer("alexnet 2", [64, 27, 27], 192, [5, 1, 2]),
    layer("alexnet 3", [192, 13, 13], 384, [3, 1, 1]),
    layer("alexnet 4", [384, 13, 13], 256, [3, 1, 1]),
    layer("alexnet 5", [256, 13, 13], 256, [3, 1, 1]),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    println!(
        "| layer | N | method | image | products | rotations | key switches | in | out | constants | price |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for layer in &LAYERS {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == layer.name) {
            continue;
        }
        let size = layer.filters * layer.image[0] * layer.kernel * layer.kernel;
        let config = Conv2dConfig {
            image: layer.image,
            filters: layer.filters,
            groups: 1,
            weight: vec![0.1; size].into(),
            bias: None,
            window: Window {
                kernel: [layer.kernel; 2],
                stride: [layer.stride; 2],
                pad: layer.pad,
                ..Window::default()
            },
            direction: ConvDirection::Forward,
        };
        for log_n in 13..=15 {
            let mut last = None;
            for method in Method::ALL {
                let on = Ciphertexts {
                    slots: 1 << (log_n - 1),
                    batch: 1,
                    prices: &PRICES,
                };
                let start = format!("| {} | 2^{log_n} | {method} |", layer.name);
                let conv = match Conv2d::try_new("conv", config.clone(), method, on) {
                    Ok(conv) => conv,
                    Err(why) => {
                        println!("{start} {why} | | | | | | | |");
                        continue;
                    }
                };
                let c = conv.counts();
                if last.replace(c) == Some(c) && method == Method::InterleavedFxycb {
                    continue;
                }
                println!(
                    "{start} `{}` | {} | {} | {} | {} | {} | {:.1} MB | {:.0} |",
                    conv.input(),
                    c.products,
                    c.rotations,
                    c.key_switches,
                    c.ciphertexts_in,
                    c.ciphertexts_out,
                    c.constant_bytes as f64 / 1e6,
                    conv.price(),
                );
            }
        }
    }
}
