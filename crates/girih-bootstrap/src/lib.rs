#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bootstrapper;
mod budget;
pub mod embedding;
mod error;
mod evaluator;
mod factor;
mod keys;
mod matrix;
mod plan;
mod preset;
mod spec;

pub use bootstrapper::{Bootstrapper, Stage};
pub use budget::{Budget, ErrorSources, StageBudget};
pub use error::{Error, Result};
pub use evaluator::BootstrapEvaluator;
pub use keys::BootstrapKeys;
pub use matrix::Matrix;
pub use plan::BootstrapPlan;
pub use preset::{Figures, Preset};
pub use spec::{BootstrapSpec, Diagonals, Giants, Order, Refinement};
