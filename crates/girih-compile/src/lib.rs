#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod activation;
mod chain;
mod compile;
mod error;
mod lower;
mod network;
mod packing;
pub mod passes;
mod plan;
mod report;

pub use activation::{Calibration, FittedActivation, UnitPolynomial};
pub use chain::{ChainRequest, Scheme};
pub use compile::{Compiled, Requirements, compile};
pub use error::{Error, Result};
pub use lower::{INPUT, Lowered, OUTPUT, Weights, lower};
pub use network::{Network, Stage, StageId, StageKind, shift_of};
pub use packing::TensorPacking;
pub use plan::{PackingPlan, plan};
pub use report::{FitReport, LayerReport, PlanReport};
