#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod linear_transform;
mod polynomial;
mod power;
mod reduce;

pub use error::{Error, Result};
pub use linear_transform::{
    EncodedTransform, Hoisting, LazyPrices, LinearTransform, Pattern, PlainWeights, StepCounts,
    StepPrices, Steps, WeightedSum, WeightedTerm,
};
pub use polynomial::{PlanCounts, PolynomialPlan};
pub use power::{MAX_EXPONENT, power};
pub use reduce::{replicate, rotate_and_sum, sum_slots};
