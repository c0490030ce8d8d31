#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
// why: constants and twiddle layouts that only vector kernels read
#![cfg_attr(any(force_scalar, not(target_arch = "x86_64")), allow(dead_code))]

#[cfg(feature = "concrete")]
mod concrete;
mod error;
mod isa;
mod modulus;
mod permutation;
mod table;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod primes;

// The two places with `unsafe`: vector intrinsics, and the allocation of aligned rows.
#[allow(unsafe_code)]
mod kernels;
#[allow(unsafe_code)]
mod pool;

// The third: loops that measure the processor.
#[cfg(all(
    any(test, feature = "testing"),
    target_arch = "x86_64",
    not(force_scalar)
))]
#[allow(unsafe_code)]
pub mod probe;

pub use error::{Error, Result};
pub use isa::{Isa, UnknownIsa};
pub use kernels::{
    BLOCK, CHUNK, ConvertSources, ConvertTarget, Expander, FftKernels, Kernels, PIECE, PrimeClass,
    RandomKernels,
};
pub use modulus::{MODULUS_BITS, Modulus, ShoupPair};
pub use permutation::Permutation;
pub use pool::{Buf, Pool};
pub use table::{MAX_LOG_N, MIN_LOG_N, NttTable};
