#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod clear;
mod error;
mod evaluator;
pub mod interpret;
mod profile;
mod program;
mod recorder;
pub mod rules;
mod units;
mod values;

pub use clear::{ClearEvaluator, ClearVector};
pub use error::{Error, Result};
pub use evaluator::{Bootstrap, Evaluator, Leveled};
pub use interpret::Observer;
pub use profile::{HeProfile, KeyManifest, NoiseProfile, Primitive};
pub use program::{ConstId, Constants, Inst, Op, Program, State, ValueId};
pub use recorder::Recorder;
pub use units::{Level, Rotation};
pub use values::MAX_SLOTS;
