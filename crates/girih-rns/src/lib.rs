#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod automorphism;
mod domain;
mod double_hoist;
mod error;
mod extend;
mod gadget;
mod lazy;
mod linear;
mod poly;
mod poly_qp;
mod rescale;
mod ring;
mod weight;

pub mod par;
pub mod sample;
pub mod wire;

#[cfg(test)]
mod oracle;

pub use automorphism::GaloisElement;
pub use domain::{Coeff, Domain, Ntt};
pub use double_hoist::{Baby, Turn, add_weighted_babies};
pub use error::{Error, Result};
pub use gadget::{
    Digits, ExpandedDigits, Factor, GadgetVector, Storage, Then, digit_count, digit_ranges,
    expand_row,
};
pub use lazy::Lazy;
pub use poly::Poly;
pub use poly_qp::PolyQp;
pub use rescale::{mod_down_pair, rescaled_pair};
pub use ring::{DIGIT_HEADROOM, MIN_DEGREE, Ring};
pub use weight::{Weight, add_weighted};
