#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod algebra;
mod dim;
mod error;
mod layout;
pub mod notation;
pub mod ops;
pub mod pack;
mod picture;
mod plain;
mod shape;
mod tensor;

pub use dim::{MAX_SLOTS, TileDim};
pub use error::{Error, Result};
pub use layout::{Part, SlotAddress, SlotContent};
pub use picture::Picture;
pub use plain::{EncodedTileTensor, PlainTileTensor, PlainTiles};
pub use shape::TileShape;
pub use tensor::{TileTensor, Zeros};
