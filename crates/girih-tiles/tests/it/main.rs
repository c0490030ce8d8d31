//! Shapes, packing and tile-tensor operations against plain arrays.
#![allow(clippy::unwrap_used)]

mod arrange;
mod common;
mod complex;
mod conv;
mod counting;
mod dense;
mod diagonal;
mod matmul;
mod packing;
mod picture;
mod recorded;
mod sequences;
mod shapes;
mod sums;
