//! Operations on tile tensors. Each says what it costs in products and rotations of ciphertexts and
//! takes its shape from the algebra of [`TileShape`](crate::TileShape).

mod arrange;
mod complex;
pub mod conv;
mod cost;
pub mod dense;
mod diagonal;
mod elementwise;
mod matmul;
mod moves;
mod replicate;
mod sum;

pub use complex::ComplexWeights;
pub use cost::Cost;
