//! Draws a shape: `cargo run -p girih-tiles --example draw -- '[5/2, 6/4]' > shape.svg`

use std::io::Write as _;

use girih_tiles::TileShape;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).unwrap_or("[5/2, 6?/4]".into());
    let shape: TileShape = text.parse()?;
    std::io::stdout().write_all(shape.to_svg()?.as_bytes())?;
    Ok(())
}
