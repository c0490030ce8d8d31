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
    /// A circuit applied to another number of vectors.
    #[error("{op}: {given} input vectors, it reads {expected}")]
    Inputs {
        /// The operation.
        op: &'static str,
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
    /// Rows that do not fill the slots.
    #[error(
        "rows of {length} elements, {stride} slots apart: choose powers of two whose product divides the {slots} slots"
    )]
    Rows {
        /// Places of a row.
        length: usize,
        /// Slots between neighbours.
        stride: usize,
        /// Slots of the evaluator.
        slots: usize,
    },
    /// A parameter of a plan outside its range.
    #[error("{op}: {name} is {value}, {wanted}")]
    Parameter {
        /// The operation.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it should be.
        wanted: &'static str,
    },
    /// A polynomial or iteration that cannot be planned.
    #[error(transparent)]
    Fit(#[from] girih_polyfit::Error),
    /// An error of the evaluator.
    #[error(transparent)]
    Evaluator(#[from] girih_he::Error),
}
