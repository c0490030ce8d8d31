//! What can go wrong, with the numbers and the remedy.

use crate::Level;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of evaluators and programs.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A sum without terms has no level.
    #[error("{op}: a sum needs at least one term")]
    EmptySum {
        /// The operation.
        op: &'static str,
    },
    /// More values than a ciphertext has slots.
    #[error("constant {name:?}: {len} values do not fit {slots} slots")]
    TooManyValues {
        /// Name of the constant.
        name: String,
        /// Values given.
        len: usize,
        /// Slots available.
        slots: usize,
    },
    /// A constant or input that is NaN or infinite.
    #[error("{name:?}: value {index} is {value}, only finite numbers can be encoded")]
    NotFinite {
        /// Name of the constant or input.
        name: String,
        /// Index of the first offending value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Operands of one operation at different levels.
    #[error("{op}: levels differ: {lhs} and {rhs}; drop the higher one first")]
    LevelMismatch {
        /// The operation.
        op: &'static str,
        /// Level of the left operand.
        lhs: Level,
        /// Level of the right operand.
        rhs: Level,
    },
    /// One operand is a product not yet rescaled and the other is not, or their scales differ.
    #[error("{op}: scales differ: 2^{lhs:.3} and 2^{rhs:.3}; rescale the product first")]
    ScaleMismatch {
        /// The operation.
        op: &'static str,
        /// log2 of the left scale.
        lhs: f64,
        /// log2 of the right scale.
        rhs: f64,
    },
    /// One operand is a product not yet rescaled and the other is not.
    #[error(
        "{op}: one operand is a product that has not been rescaled, the other is not; rescale the product first"
    )]
    MixedScales {
        /// The operation.
        op: &'static str,
    },
    /// A product of a value that has not been rescaled.
    #[error("{op}: the operand is a product that has not been rescaled")]
    NotRescaled {
        /// The operation.
        op: &'static str,
    },
    /// `rescale` of a value that is already on its canonical scale.
    #[error("rescale: the operand at {level} is already on its canonical scale")]
    AlreadyRescaled {
        /// Level of the operand.
        level: Level,
    },
    /// No level left for the operation.
    #[error(
        "{op}: needs {needed} level(s), the operand has {left}; choose parameters with more levels or bootstrap before"
    )]
    LevelExhausted {
        /// The operation.
        op: &'static str,
        /// Levels needed.
        needed: u8,
        /// Levels left.
        left: u8,
    },
    /// A value too large for a bootstrapping.
    #[error(
        "bootstrap: slot {slot} holds {value}, beyond the bound of {bound} of a message; calibrate on samples with such \
         values, or widen the margin of the ranges"
    )]
    MessageBound {
        /// The slot.
        slot: usize,
        /// Its value.
        value: f64,
        /// The bound.
        bound: f64,
    },
    /// A rotation, conjugation or relinearisation whose key was not generated.
    #[error(
        "{op}: no key for {key}; generate it (the key manifest of the program lists all it needs)"
    )]
    MissingKey {
        /// The operation.
        op: &'static str,
        /// The key in words, as "rotation 64 at L5".
        key: String,
    },
    /// A ciphertext, key or constant made for another evaluator or other parameters.
    #[error("{op}: an operand belongs to other parameters")]
    ForeignOperand {
        /// The operation.
        op: &'static str,
    },
    /// Operation not offered by this evaluator.
    #[error("{op} is not offered by this evaluator: {why}")]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// The reason and the remedy.
        why: String,
    },
    /// A program input that was not given, or given with the wrong length.
    #[error("input {name:?}: {why}")]
    Input {
        /// Name of the input.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A program recorded for another number of slots.
    #[error(
        "the program has {program} slots, the evaluator {evaluator}; compile it for these parameters"
    )]
    SlotMismatch {
        /// Slots of the program.
        program: usize,
        /// Slots of the evaluator.
        evaluator: usize,
    },
    /// A program output that cannot be declared.
    #[error("output {name:?}: {why}")]
    Output {
        /// Name of the output.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// One name for two constants with different values.
    #[error("constant {name:?} was defined before with other values; give it another name")]
    ConstantRedefined {
        /// Name of the constant.
        name: String,
    },
    /// A constant whose values are not there.
    #[error("constant {name:?} has no values; add it to the constants of the program")]
    MissingConstant {
        /// Name of the constant.
        name: String,
    },
    /// A program that refers to values or constants it does not define, or breaks a rule.
    #[error("program: instruction %{at}: {why}")]
    Program {
        /// Index of the offending instruction.
        at: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Text that is not a program.
    #[error("program text, line {line}: {why}")]
    Text {
        /// Line number, from 1.
        line: usize,
        /// What was expected.
        why: String,
    },
    /// The scheme behind the evaluator failed.
    #[error("{op}: {why}")]
    Scheme {
        /// The operation.
        op: &'static str,
        /// The scheme's own words.
        why: String,
    },
}
