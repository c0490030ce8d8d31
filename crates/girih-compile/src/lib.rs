#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attempt;
mod bootstrapping;
mod candidates;
mod chain;
mod choose;
mod compile;
mod effect;
mod emphasis;
mod error;
mod floor;
mod level_graph;
mod lower;
mod measure;
mod narrow;
mod network;
mod objective;
mod packing;
pub mod passes;
mod plan;
mod predict;
mod ranges;
mod replacement;
mod report;
mod scalars;
mod search;
mod steps;
mod storage;

pub use bootstrapping::{Bootstraps, place};
pub use candidates::MAX_POLYNOMIAL_DEPTH;
pub use chain::{BootstrappedSet, ChainRequest, Scheme};
pub use choose::{Choice, Target, choose};
pub use compile::{Compiled, Refresh, Requirements, compile, replacements};
pub use effect::{Effect, Judge};
pub use emphasis::Emphasis;
pub use error::{Error, Result};
pub use level_graph::{LevelGraph, LevelNode, LevelPlan};
pub use lower::{INPUT, Lowered, OUTPUT, Weights, lower, lower_bootstrapped};
pub use network::{Network, Stage, StageId, StageKind, shift_of};
pub use objective::{Batch, Caps, Measure, Measures, Objective};
pub use packing::TensorPacking;
pub use plan::{PackingPlan, plan, plan_exhaustively};
pub use ranges::{ActivationRange, BINS, Histogram, OutOfRange, Ranges};
pub use replacement::Replacement;
pub use report::{BootstrapReport, FitReport, LayerReport, PlanReport};
pub use search::{Considered, Effort, SearchReport, Verdict};
