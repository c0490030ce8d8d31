#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod algebra;
mod error;
mod layout;
pub mod notation;
pub mod pack;
mod shape;

pub use error::{Error, Result};
pub use layout::{SlotAddress, SlotContent};
pub use shape::{MAX_SLOTS, TileDim, TileShape};
