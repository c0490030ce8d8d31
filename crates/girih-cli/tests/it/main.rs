//! The `girih` command as its users call it.

mod calibrate;
mod common;
mod fit;
mod plans;
mod refusals;
mod reports;
mod roles;
