//! Passes over programs; each is one function from program to program.

pub mod fuse;
pub mod levels;
