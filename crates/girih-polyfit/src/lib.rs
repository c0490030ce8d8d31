#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod accuracy;
pub mod certificate;
pub mod chebyshev;
pub mod chooser;
pub mod composite;
pub mod dd;
pub mod density;
mod domain;
mod erf;
mod error;
pub mod evaluation;
pub mod exponential;
pub mod extension;
mod fit;
mod function;
mod interval;
pub mod inverse_sqrt;
pub mod least_squares;
pub mod piecewise;
pub mod plan;
mod polynomial;
pub mod published;
pub mod reciprocal;
mod relative;
pub mod remez;
pub mod trigonometric;

pub use accuracy::{Accuracy, max_error};
pub use certificate::{Certificate, PlanCertificate};
pub use chebyshev::{interpolate, truncate};
pub use composite::CompositeSign;
pub use dd::Dd;
pub use density::Density;
pub use domain::Domain;
pub use erf::erf;
pub use error::{Error, Result};
pub use evaluation::EvaluationPlan;
pub use fit::{Fit, FitMethod, MAX_FIT_DEGREE, fit, fit_for_error, fit_with};
pub use function::{Function, LEAKY_SLOPE};
pub use interval::Interval;
pub use least_squares::{Sample, TailFit, fit_density, fit_samples, fit_tail, fit_weighted};
pub use piecewise::Piecewise;
pub use plan::{PlanCounts, PolynomialPlan};
pub use polynomial::{Basis, MAX_DEGREE, Parity, Polynomial, clenshaw};
pub use remez::{MAX_REMEZ_DEGREE, Minimax, Remez};
