//! Plans for dense, odd and even polynomials: products, relinearisations, depth.
//!
//! `cargo run -p girih-circuits --example plans`

use girih_polyfit::{Interval, Polynomial, PolynomialPlan, Result};

fn main() -> Result<()> {
    for degree in [3, 7, 15, 23, 31, 47, 63, 127] {
        for (name, keep) in [
            ("dense", [true, true]),
            ("odd", [false, true]),
            ("even", [true, false]),
        ] {
            let value = |k: usize| ((k * k + 3 * k + 1) as f64 * 0.7).sin() / 2.0;
            let c: Vec<f64> = (0..=degree)
                .map(|k| if keep[k % 2] { value(k) } else { 0.0 })
                .collect();
            let plan = PolynomialPlan::new(&Polynomial::chebyshev(Interval::UNIT, c)?);
            println!("{name:<6} {plan}");
        }
    }
    Ok(())
}
