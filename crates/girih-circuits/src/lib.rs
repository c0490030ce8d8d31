#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod arg_max;
mod cost;
pub mod cut_max;
mod error;
pub mod evaluation;
mod linear_transform;
pub mod norm;
pub mod polynomial;
mod power;
mod reduce;
mod rows;
pub mod softmax;

pub use cost::CircuitCost;
pub use error::{Error, Result};
pub use linear_transform::{
    EncodedTransform, Hoisting, LazyPrices, LinearTransform, Pattern, PlainWeights, StepCounts,
    StepPrices, Steps, WeightedSum, WeightedTerm,
};
pub use power::{MAX_EXPONENT, power};
pub use reduce::{replicate, rotate_and_sum, sum_slots};
pub use rows::{Mask, Rows};
