#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chain;
mod ciphertext;
mod encode;
mod error;
mod fft;
mod params;
mod plaintext;
mod precision;
pub mod presets;
mod security;
mod wire;

pub use chain::{LevelChain, LevelInfo};
pub use ciphertext::{Ciphertext, SeededCiphertext};
pub use encode::{Coefficients, Encoder};
pub use error::{EncodeError, Error, ParamsError, Result, WireError};
pub use params::{Params, ParamsSpec};
pub use plaintext::Plaintext;
pub use precision::Precision;
pub use security::{MAX_LOG_N, MIN_LOG_N, Security, security_bits};
