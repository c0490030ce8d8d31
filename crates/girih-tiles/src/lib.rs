#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod algebra;
mod error;
mod layout;
pub mod notation;
pub mod ops;
pub mod pack;
mod shape;
mod tensor;

pub use error::{Error, Result};
pub use layout::{SlotAddress, SlotContent};
pub use shape::{MAX_SLOTS, TileDim, TileShape};
pub use tensor::{PlainTileTensor, TileTensor, Zeros};
