//! Composite minimax signs for relu within `2^-alpha` on `[-1, 1]`: fewest products by depth.
//!
//! `cargo run -p girih-polyfit --example composite`

use girih_polyfit::composite::CompositeSign;
use girih_polyfit::{Interval, Result};

fn main() -> Result<()> {
    println!("| alpha | gap | degrees | depth of relu | products |");
    println!("|---|---|---|---|---|");
    for alpha in 4..=16 {
        let mut fewest = usize::MAX;
        // The least depth grows by about a level a bit; four more save products.
        for depth in alpha - 2..=alpha + 5 {
            let Ok(sign) = CompositeSign::new(f64::from(alpha), depth as usize) else {
                continue;
            };
            let relu = sign.relu(Interval::UNIT)?;
            let products = relu.counts().products;
            if products < fewest {
                fewest = products;
                println!(
                    "| {alpha} | 2^{:.2} | {:?} | {} | {products} |",
                    sign.gap().log2(),
                    sign.degrees(),
                    relu.depth()
                );
            }
        }
    }
    Ok(())
}
