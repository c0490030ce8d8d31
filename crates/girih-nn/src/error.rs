//! What can go wrong, with the numbers and the remedy.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of layers and placements.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A source of an affine map has no placement.
    #[error("affine map: a source has no placement")]
    MissingPlacement,
    /// A placement of another number of features than the map reads.
    #[error("affine map: a source has {given} features, the map reads {expected}")]
    Features {
        /// Columns of the matrix.
        expected: usize,
        /// Features of the placement.
        given: usize,
    },
    /// Sources of different slot counts or batches.
    #[error("affine map: the sources differ in slots or batch")]
    MixedSlots,
    /// A map that reads no source.
    #[error("affine map: the result does not depend on the input; nothing is left to encrypt")]
    ConstantMap,
    /// Parts of a placement that contradict each other.
    #[error("placement: {why}")]
    Placement {
        /// What contradicts.
        why: String,
    },
    /// An operator whose shapes do not fit.
    #[error("{op}: {why}")]
    Shape {
        /// The operator.
        op: &'static str,
        /// What does not fit.
        why: String,
    },
    /// An error of a tile tensor shape.
    #[error(transparent)]
    Tiles(#[from] girih_tiles::Error),
    /// An error of a circuit.
    #[error(transparent)]
    Circuit(#[from] girih_circuits::Error),
    /// An error of the evaluator.
    #[error(transparent)]
    Evaluator(#[from] girih_he::Error),
}
