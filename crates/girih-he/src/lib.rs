#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod evaluator;
mod profile;
mod program;
mod units;

pub use error::{Error, Result};
pub use evaluator::{Bootstrap, Evaluator, Leveled};
pub use profile::{HeProfile, KeyManifest, NoiseProfile, Primitive};
pub use program::{ConstId, Constants, Inst, Op, Program, State, ValueId};
pub use units::{Level, Rotation};
