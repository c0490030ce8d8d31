//! Layers against the plain model.
#![allow(clippy::unwrap_used)]

mod conv;
