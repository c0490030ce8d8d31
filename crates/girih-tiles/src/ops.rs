//! Operations on tile tensors. Each says what it costs in products and rotations of ciphertexts and
//! takes its shape from the algebra of [`TileShape`](crate::TileShape).

pub mod conv;
pub mod dense;
mod elementwise;
mod matmul;
mod replicate;
mod sum;
