//! What can go wrong, with the numbers and the remedy.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of bootstrapping.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A chain with fewer levels than bootstrapping and one product need.
    #[error(
        "bootstrapping takes {needed} levels and the chain has {levels}: give it more levels or fewer factors"
    )]
    TooFewLevels {
        /// Levels of the chain.
        levels: usize,
        /// Levels consumed, and one.
        needed: usize,
    },
    /// Slots that a ciphertext cannot repeat.
    #[error("{slots} slots: take a power of two up to {most}")]
    Slots {
        /// Slots asked for.
        slots: usize,
        /// Slots of a ciphertext.
        most: usize,
    },
    /// A sparse secret of an impossible weight.
    #[error("a sparse secret of weight {weight}: take 1 to {most}")]
    Weight {
        /// The weight asked for.
        weight: usize,
        /// The ring degree.
        most: usize,
    },
    /// A plan of other parameters than the keys.
    #[error("the plan, the keys and the evaluator belong to different parameters")]
    ParamsMismatch,
    /// An error of the scheme.
    #[error(transparent)]
    Scheme(#[from] girih_ckks::Error),
    /// An error of a fit.
    #[error(transparent)]
    Fit(#[from] girih_polyfit::Error),
    /// An error of a circuit.
    #[error(transparent)]
    Circuit(#[from] girih_circuits::Error),
    /// An error of an operation.
    #[error(transparent)]
    He(#[from] girih_he::Error),
}
