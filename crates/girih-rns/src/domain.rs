//! The two representations of a polynomial, as types.

use std::fmt::Debug;

mod sealed {
    pub trait Sealed {}
}

/// A representation of a polynomial: [`Coeff`] or [`Ntt`].
///
/// The domain is a type parameter, so that a pointwise product of coefficients or a digit
/// decomposition of evaluations does not compile.
pub trait Domain:
    sealed::Sealed + Clone + Copy + Debug + PartialEq + Eq + Send + Sync + 'static
{
}

/// Coefficients of `1, X, .., X^(N-1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coeff {}

/// Evaluations at the odd powers of a primitive 2N-th root of unity, in the order of the transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ntt {}

impl sealed::Sealed for Coeff {}
impl sealed::Sealed for Ntt {}
impl Domain for Coeff {}
impl Domain for Ntt {}
