//! Times minimax fits of degree 63 and their certificates.
//!
//! `cargo run --release -p girih-polyfit --example timing`

use std::time::Instant;

use girih_polyfit::{Certificate, Function, Interval, Remez, Result, fit_for_error};

fn main() -> Result<()> {
    println!("degree 63         range        error   exchanges     time  certificate");
    for (function, lo, hi) in [
        (Function::Gelu, -8.0, 8.0),
        (Function::Gelu, -9.0, 12.0),
        (Function::Relu, -1.0, 1.0),
        (Function::Relu, -3.0, 5.0),
        (Function::Exp, -150.0, 1.0),
        (Function::Tanh, -8.0, 8.0),
        (Function::Tanh, -9.0, 8.0),
        (Function::Reciprocal, 0.001, 1.0),
    ] {
        let range = Interval::try_new(lo, hi)?;
        let start = Instant::now();
        let best = Remez::function(function, range, 63)?.solve()?;
        let fitted = start.elapsed();
        let start = Instant::now();
        let certificate = Certificate::new(&best.polynomial, function, range)?;
        println!(
            "{:<12} {:>12} {:>12.4e} {:>8} {:>10.1} ms {:>8.1} ms ({:+.1e})",
            function.name(),
            range.to_string(),
            best.error,
            best.iterations,
            fitted.as_secs_f64() * 1e3,
            start.elapsed().as_secs_f64() * 1e3,
            certificate.gap()
        );
    }
    for bound in [5.0, 8.0] {
        let start = Instant::now();
        let fitted = fit_for_error(Function::Gelu, Interval::symmetric(bound)?, 1e-4)?;
        println!(
            "gelu on ±{bound} to 1e-4: degree {} in {:.1} ms",
            fitted.polynomial.degree(),
            start.elapsed().as_secs_f64() * 1e3
        );
    }
    Ok(())
}
