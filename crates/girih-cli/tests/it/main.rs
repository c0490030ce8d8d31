//! The `girih` command as its users call it.

mod common;
mod refusals;
mod reports;
mod roles;
