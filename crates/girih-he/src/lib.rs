#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod auto;
mod clear;
mod composite;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod constant_values;
pub mod cost;
mod encodings;
mod error;
mod evaluator;
pub mod interpret;
mod noise;
mod profile;
mod program;
pub mod ranges;
mod recorder;
pub mod rules;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
pub mod text;
mod units;
mod values;
mod verify;

pub use auto::Auto;
pub use clear::{ClearEvaluator, ClearVector};
pub use constant_values::{ConstantSource, ConstantValues, period};
pub use cost::{Cost, Storage, price, price_stored};
pub use encodings::{ConstantUse, Encoding, encodings, encodings_of, kept_encodings};
pub use error::{Error, Result};
pub use evaluator::{Bootstrap, Evaluator, GiantStep, Leveled};
pub use interpret::Observer;
pub use noise::{NoiseEvaluator, NoisyVector};
pub use profile::{Bootstrapping, HeProfile, KeyManifest, NoiseProfile, Primitive, SlotValues};
pub use program::{ConstId, Constants, Inst, Op, Program, State, ValueId};
pub use ranges::RegionRanges;
pub use recorder::Recorder;
pub use units::{Level, Rotation};
pub use values::MAX_SLOTS;
pub use verify::{states, verify, verify_bootstraps};
