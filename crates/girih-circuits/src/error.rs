//! What can go wrong, with the numbers and the remedy.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of circuits.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
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
