#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod executor;
mod metrics;

pub use executor::{Executor, Progress, Run};
pub use metrics::{LayerTiming, Share, Timings, peak_bytes, resident_bytes};
