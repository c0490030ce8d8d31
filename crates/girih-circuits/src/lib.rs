#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
pub mod evaluation;
mod linear_transform;
pub mod polynomial;
mod power;
mod reduce;

pub use error::{Error, Result};
pub use linear_transform::{
    EncodedTransform, Hoisting, LazyPrices, LinearTransform, Pattern, PlainWeights, StepCounts,
    StepPrices, Steps, WeightedSum, WeightedTerm,
};
pub use power::{MAX_EXPONENT, power};
pub use reduce::{replicate, rotate_and_sum, sum_slots};
