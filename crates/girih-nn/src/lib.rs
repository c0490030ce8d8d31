#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod affine;
mod error;
mod linear;
pub mod maps;
mod placement;

pub use affine::{Affine, Sparse};
pub use error::{Error, Result};
pub use linear::{LinearLayer, LinearPlan, PlacedMap, Strategy};
pub use placement::{ImageGrid, Place, Placement};
