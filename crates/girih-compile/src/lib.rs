#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod candidates;
mod chain;
mod choose;
mod compile;
mod effect;
mod error;
mod level_graph;
mod lower;
mod network;
mod packing;
pub mod passes;
mod plan;
mod ranges;
mod replacement;
mod report;

pub use candidates::MAX_POLYNOMIAL_DEPTH;
pub use chain::{ChainRequest, Scheme};
pub use choose::{Choice, Target, choose};
pub use compile::{Compiled, Requirements, compile, replacements};
pub use effect::{Effect, Judge};
pub use error::{Error, Result};
pub use level_graph::{LevelGraph, LevelNode, LevelPlan};
pub use lower::{INPUT, Lowered, OUTPUT, Weights, lower};
pub use network::{Network, Stage, StageId, StageKind, shift_of};
pub use packing::TensorPacking;
pub use plan::{PackingPlan, plan};
pub use ranges::{ActivationRange, BINS, Histogram, OutOfRange, Ranges};
pub use replacement::Replacement;
pub use report::{FitReport, LayerReport, PlanReport};
