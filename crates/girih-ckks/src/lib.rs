#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chain;
mod error;
mod params;
pub mod presets;
mod security;
mod wire;

pub use chain::{LevelChain, LevelInfo};
pub use error::{EncodeError, Error, ParamsError, Result, WireError};
pub use params::{Params, ParamsSpec};
pub use security::{MAX_LOG_N, MIN_LOG_N, Security, security_bits};

