//! One polynomial for each neuron of a layer against one for all of them: Gelu of MiniLM on inputs that no fit has seen.
//!
//! `cargo run --release -p girih-polyfit --example neurons`

mod fits;
#[cfg(test)]
mod tests;

use fits::{Layer, Method, cost};
use girih_polyfit::Result;

fn main() -> Result<()> {
    let layers = Layer::all()?;
    for (index, layer) in layers.iter().enumerate() {
        let mut radii: Vec<f64> = layer.ranges.iter().map(|r| r.radius()).collect();
        radii.sort_by(f64::total_cmp);
        println!(
            "layer {}: half range {:.1}; of a neuron {:.1} ... {:.1}, median {:.1}; held-out inputs outside {:.0e}",
            index,
            layer.range.radius(),
            radii[0],
            radii[radii.len() - 1],
            radii[radii.len() / 2],
            layer.outside()
        );
    }
    println!(
        "\nRMS error over held-out inputs\n\nlayer degree  {:>13} {:>13} {:>13} {:>13}",
        "layer minimax", "layer density", "each uniform", "each density"
    );
    for (index, layer) in layers.iter().enumerate() {
        for degree in [2, 3, 5, 7, 11, 15] {
            print!("{:>5} {degree:>6} ", index);
            for method in Method::ALL {
                print!(" {:>13.1e}", layer.error(&layer.fit(method, degree)?));
            }
            println!();
        }
    }
    println!("\nDegree, depth, products, milliseconds\n");
    for degree in [2, 3, 4, 5, 7, 11, 15, 31, 35, 39, 43, 47] {
        let (depth, products, price) = cost(degree)?;
        println!("{degree:>6} {depth:>3} {products:>3} {price:>6.0}");
    }
    println!(
        "\nOne polynomial for the layer with the error of a density fit for each: degree, depth, products, milliseconds\n"
    );
    println!("layer  {:<22} {:<28} minimax", "each", "layer density");
    for (index, layer) in layers.iter().enumerate() {
        for degree in [3, 5, 7] {
            let target = layer.error(&layer.fit(Method::NeuronDensity, degree)?);
            let (depth, products, price) = cost(degree)?;
            print!(
                "{:>5}  {degree:>4} {depth:>3} {products:>3} {price:>8.0}",
                index
            );
            for method in [Method::LayerDensity, Method::LayerMinimax] {
                match layer.layer_degree(method, target)? {
                    Some(degree) => {
                        let (depth, products, dear) = cost(degree)?;
                        let ratio = dear / price;
                        print!("  {degree:>4} {depth:>3} {products:>3} {dear:>6.0} x{ratio:.1}");
                    }
                    None => print!("  more than 63"),
                }
            }
            println!();
        }
    }
    Ok(())
}
