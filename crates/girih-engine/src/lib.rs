#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod artifact;
mod bootstrapping;
mod client;
mod container;
mod error;
mod executor;
pub mod files;
pub mod html;
mod local;
mod machine;
mod metrics;
mod plans;
mod ranges;
mod report;
mod scheme;
mod server;
mod tensor;

pub use artifact::{
    CLIENT_FILE, ClientPart, CompiledModel, ModelId, SERVER_FILE, ServerPart, WEIGHTS_FILE,
    weights_from_bytes, weights_to_bytes,
};
pub use client::{Client, SECRET_KEY_FILE, with_batch};
pub use error::{Error, FormatError, Result};
pub use executor::{Executor, Progress, Run};
pub use local::{Comparison, LocalSession, Phase, Watch, arg_max, check_ranges, infer_clear};
pub use machine::MachineTable;
pub use metrics::{LayerTiming, Share, Timings, peak_bytes, resident_bytes, restart_peak};
pub use plans::{PlanLine, Plans};
pub use ranges::{ModelDigest, ranges_from_json, ranges_to_json};
pub use report::{
    EffectReport, Explanation, FittedFunction, KeyReport, ParamsReport, PlannedBootstrap,
    PlannedLayer, RunReport, fitted_functions, key_reports,
};
pub use scheme::{CkksScheme, INSECURE, security, spec};
pub use server::{
    ENCAPSULATION_KEYS_FILE, ENCRYPTED_WEIGHTS_FILE, EVALUATION_KEYS_FILE, PUBLIC_KEY_FILE, Server,
    ServerKeys, encrypt_weights,
};
pub use tensor::{EncryptedTensor, Role, Tile};
