//! Shapes, packing and tile-tensor operations against plain arrays.
#![allow(clippy::unwrap_used)]

mod common;
mod packing;
mod shapes;
