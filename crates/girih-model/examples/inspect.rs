//! Prints a model as a table, as the file states it and after clean-up.
//!
//! `cargo run -p girih-model --example inspect -- MODEL.onnx`

use girih_model::{Graph, load_onnx, passes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(path) = std::env::args().nth(1) else {
        return Err("usage: inspect MODEL.onnx".into());
    };
    let graph: Graph = load_onnx(&path)?;
    println!("{graph}");
    let simple = passes::simplify(&graph)?;
    if simple != graph {
        println!("after clean-up\n{simple}");
    }
    Ok(())
}
