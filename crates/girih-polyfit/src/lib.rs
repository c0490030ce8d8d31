#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod accuracy;
pub mod chebyshev;
mod erf;
mod error;
mod fit;
mod function;
mod interval;
pub mod least_squares;
mod polynomial;

pub use accuracy::{Accuracy, max_error};
pub use chebyshev::interpolate;
pub use erf::erf;
pub use error::{Error, Result};
pub use fit::{Fit, MAX_FIT_DEGREE, fit, fit_for_error};
pub use function::Function;
pub use interval::Interval;
pub use least_squares::{Sample, fit_density, fit_samples};
pub use polynomial::{Basis, MAX_DEGREE, Parity, Polynomial, clenshaw};
