//! Compiled models evaluated under real keys, and the files that go between the roles.

mod bootstrapped;
mod common;
mod convolution;
mod files;
mod sessions;
