//! Composes a small convolutional network and prints where its tensors lie, for one image and for eight.

use std::collections::BTreeMap;

use girih_compile::{Network, plan};
use girih_he::{HeProfile, NoiseProfile, Primitive};
use girih_model::{GraphBuilder, Op};
use ndarray::{Array2, Array4};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut graph = GraphBuilder::new("small", vec![1, 12, 12])?;
    let conv = Op::Conv2d {
        weight: Array4::from_elem((4, 1, 3, 3), 0.1),
        bias: None,
        stride: [2, 2],
        pad: [1, 1, 0, 0],
        dilation: [1, 1],
        groups: 1,
    };
    let x = graph.input();
    let y = graph.push("conv", conv, vec![x])?;
    let y = graph.push("square", Op::PowInt(2), vec![y])?;
    let y = graph.push("flatten", Op::Flatten, vec![y])?;
    let dense = Op::Dense {
        weight: Array2::from_elem((10, 144), 0.01),
        bias: None,
    };
    let y = graph.push("dense", dense, vec![y])?;
    let network = Network::from_graph(&graph.finish(vec![y])?, None)?;
    for batch in [1, 8] {
        let chosen = plan(&network, &profile(1024, network.depth() as usize), batch)?;
        println!("{batch} at a time, {} levels:", network.depth());
        for (stage, placement) in network.stages.iter().zip(&chosen.placements) {
            println!("  {:<8} {placement} x{}", stage.name, placement.tiles());
        }
    }
    Ok(())
}

/// A made-up scheme in which a rotation costs as much as thirty products with constants.
fn profile(slots: usize, depth: usize) -> HeProfile {
    let prices = [
        (Primitive::MulPlain, 1e-5),
        (Primitive::HoistedRotate, 1.5e-4),
        (Primitive::Rotate, 3e-4),
        (Primitive::Mul, 4e-5),
        (Primitive::Relinearize, 3e-4),
    ];
    let bytes = vec![0; depth + 1];
    HeProfile {
        bootstrapping: None,
        threads: 1,
        together: BTreeMap::new(),
        base_bytes: 0,
        spare_bytes: 0,
        slots,
        log_scale: vec![30.0; depth + 1],
        seconds: BTreeMap::from(prices.map(|(p, s)| (p, vec![s; depth + 1]))),
        ciphertext_bytes: bytes.clone(),
        plaintext_bytes: bytes.clone(),
        lazy_plaintext_bytes: bytes.clone(),
        key_bytes: bytes,
        noise: NoiseProfile {
            fresh: 100.0,
            encoding: 10.0,
            rescale: 1000.0,
            key_switch: 1000.0,
        },
    }
}
