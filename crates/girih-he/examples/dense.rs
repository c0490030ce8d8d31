//! A matrix-vector product, written once: run in clear, recorded, printed, leveled and priced.
//!
//! `cargo run -p girih-he --example dense`

use std::collections::BTreeMap;

use girih_he::{Auto, ClearEvaluator, Evaluator, Level, Recorder, Result, Rotation, interpret};

/// `y = W x` for a square matrix, by its diagonals: `y = Σ_d diag_d(W) ⊙ rotate(x, d)`.
fn dense<E: Evaluator>(eval: &E, x: &E::Ciphertext, w: &[Vec<f64>]) -> Result<E::Ciphertext> {
    let n = w.len();
    let diagonals = (0..n)
        .map(|d| {
            let diagonal: Vec<f64> = (0..n).map(|i| w[i][(i + d) % n]).collect();
            eval.constant(&format!("diag/{d}"), &diagonal)
        })
        .collect::<Result<Vec<_>>>()?;
    let rotations: Vec<_> = (0..n as i32).map(Rotation).collect();
    let rotated = eval.rotate_many(x, &rotations)?;
    let terms: Vec<_> = rotated.iter().zip(&diagonals).collect();
    eval.dot_plain(&terms)
}

fn main() -> Result<()> {
    let w: Vec<Vec<f64>> = (0..4)
        .map(|i| (0..4).map(|j| f64::from(i * 4 + j) / 10.0).collect())
        .collect();
    let x = [1.0, -1.0, 0.5, 2.0];

    let clear = ClearEvaluator::leveled(4, Level(2));
    let y = dense(&clear, &clear.vector(&x)?, &w)?;
    println!("directly:    {:?} at {}", y.values(), y.state());

    let recorder = Recorder::new("dense", 4);
    let input = recorder.input("x")?;
    recorder.region("fc");
    let output = dense(&recorder, &input, &w)?;
    recorder.output("y", &output)?;
    let (program, constants) = recorder.finish();
    println!("{program}");

    let inputs = BTreeMap::from([("x".to_owned(), clear.vector(&x)?)]);
    let outputs = interpret::run(&program, &constants, &Auto::new(clear), inputs, &mut ())?;
    println!("interpreted: {:?}", outputs[0].1.values());
    let keys = girih_he::verify(&program, Level(2))?;
    println!("rotation keys: {:?}", keys.rotations);
    Ok(())
}
