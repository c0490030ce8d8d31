#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chain;
mod ciphertext;
pub mod cost;
mod decrypt;
mod encapsulation;
mod encode;
mod encrypt;
mod error;
mod eval;
mod fft;
mod keygen;
mod keys;
mod keyswitch;
mod manifest;
mod params;
mod plaintext;
mod precision;
pub mod presets;
mod security;
pub mod wire;

pub use chain::{LevelChain, LevelInfo};
pub use ciphertext::{Ciphertext, SeededCiphertext};
pub use decrypt::Decryptor;
pub use encapsulation::EncapsulationKeys;
pub use encode::{Coefficients, Encoder};
pub use encrypt::{Encryptor, SymmetricEncryptor};
pub use error::{EncodeError, Error, ParamsError, Result, WireError};
pub use eval::{Constant, Encodings, Evaluator, Use, Values};
pub use girih_rns::Storage;
pub use keygen::KeyGenerator;
pub use keys::{
    EvaluationKeys, GaloisKey, KeyId, PublicKey, RelinearizationKey, SecretKey, SwitchingKey,
};
pub use manifest::{PlannedKey, key_bytes, planned_keys};
pub use params::{Params, ParamsSpec};
pub use plaintext::Plaintext;
pub use precision::Precision;
pub use security::{MAX_LOG_N, MIN_LOG_N, Security, security_bits};
