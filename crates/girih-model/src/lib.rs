#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod display;
pub mod error;
pub mod graph;
pub mod op;
pub mod shape;

pub use error::{ModelError, Result, UnsupportedNode};
pub use graph::{Graph, GraphBuilder, Node, NodeId};
pub use op::{ActivationKind, Op};
