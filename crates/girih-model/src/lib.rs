#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod display;
pub mod error;
pub mod graph;
pub mod networks;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod op;
pub mod passes;
pub mod reference;
pub mod shape;

pub use error::{ModelError, Result, UnsupportedNode};
pub use graph::{Graph, GraphBuilder, Node, NodeId};
#[cfg(feature = "onnx")]
pub use onnx::{load_onnx, load_onnx_bytes};
pub use op::{ActivationKind, Op};
