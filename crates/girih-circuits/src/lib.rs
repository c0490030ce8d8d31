#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod linear_transform;

pub use error::{Error, Result};
pub use linear_transform::{
    LinearTransform, Pattern, PlainWeights, StepCounts, StepPrices, Steps, WeightedSum,
    WeightedTerm,
};
