#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod affine;
pub mod conv;
mod error;
mod linear;
pub mod maps;
mod matrix;
mod placement;
mod sparse;
mod window;

pub use affine::Affine;
pub use error::{Error, Result};
pub use linear::{LinearLayer, LinearPlan, PlacedMap, Strategy, Unplanned};
pub use matrix::{DenseMatrix, Matrix};
pub use placement::{ImageGrid, Place, Placement};
pub use sparse::Sparse;
pub use window::{Window, WindowMatrix};
