//! What can go wrong, with the numbers and the remedy.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of circuits.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A power that is not a product of at least one factor.
    #[error("power: the exponent is {exponent}, choose 1 to {max}")]
    Exponent {
        /// The exponent.
        exponent: usize,
        /// The largest exponent offered.
        max: usize,
    },
    /// A reduction over no slot, or over more than there are.
    #[error("{op}: {count} terms, choose 1 to the number of slots, {slots}")]
    Count {
        /// The operation.
        op: &'static str,
        /// Number of terms.
        count: usize,
        /// Slots of the evaluator.
        slots: usize,
    },
    /// A linear transform applied to another number of vectors.
    #[error("linear transform: {given} input vectors, the transform reads {expected}")]
    Inputs {
        /// Inputs of the transform.
        expected: usize,
        /// Vectors given.
        given: usize,
    },
    /// An output vector that no diagonal reaches.
    #[error("linear transform: output vector {output} is constantly zero")]
    EmptyOutput {
        /// Index of the output.
        output: usize,
    },
    /// An error of the evaluator.
    #[error(transparent)]
    Evaluator(#[from] girih_he::Error),
}
