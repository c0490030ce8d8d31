//! Shapes, packing and tile-tensor operations against plain arrays.
#![allow(clippy::unwrap_used)]

mod common;
mod conv;
mod counting;
mod dense;
mod matmul;
mod packing;
mod recorded;
mod sequences;
mod shapes;
mod sums;
