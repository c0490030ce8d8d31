//! The error of Chebyshev fits of every named function, by range and degree.
//!
//! `cargo run -p girih-polyfit --example errors`

use girih_polyfit::{Function, Interval, Result, fit};

fn main() -> Result<()> {
    println!(
        "{:<10} {:>6}  {:>9} {:>9} {:>9} {:>9}  default",
        "function", "range", "d=7", "d=15", "d=31", "d=63"
    );
    for function in Function::ALL {
        for bound in [2.0, 5.0, 8.0] {
            let range = Interval::symmetric(bound)?;
            if function.check(&range.into()).is_err() {
                continue;
            }
            print!("{:<10} {:>6}", function.name(), format!("±{bound}"));
            print!(" ");
            for degree in [7, 15, 31, 63] {
                print!(
                    " {:>9.1e}",
                    fit(function, range, degree)?.accuracy.max_error
                );
            }
            println!("  {}", function.default_degree(range)?);
        }
    }
    Ok(())
}
