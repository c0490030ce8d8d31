//! What can go wrong, with the numbers and the remedy.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of compilation and packing.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A model with several outputs.
    #[error("the model has {outputs} outputs; exactly one is supported: export the one you need")]
    Outputs {
        /// Outputs of the model.
        outputs: usize,
    },
    /// An operator without a homomorphic form.
    #[error("{node}: {op} has no homomorphic form here")]
    Operator {
        /// The node.
        node: String,
        /// The operator.
        op: String,
    },
    /// A result that does not depend on the input.
    #[error("{node}: the result does not depend on the input; nothing is left to encrypt")]
    Constant {
        /// The node.
        node: String,
    },
    /// An image operator on something that is no image.
    #[error("{node}: needs a [channels, height, width] operand, got shape {shape:?}")]
    NotAnImage {
        /// The node.
        node: String,
        /// Shape of the operand.
        shape: Vec<usize>,
    },
    /// A non-polynomial function whose input range is unknown.
    #[error(
        "{node}: {op} is replaced by a polynomial on the range of its input, which is unknown; measure it on sample inputs (girih calibrate) and give the file (--ranges R.json), or give \
         the samples (--calibrate X.npy)"
    )]
    Uncalibrated {
        /// The node.
        node: String,
        /// The operator.
        op: String,
    },
    /// Ranges that cannot be used.
    #[error("ranges: {why}; measure them on this model (girih calibrate)")]
    Ranges {
        /// What is wrong.
        why: String,
    },
    /// Answers that no offered plan keeps.
    #[error(
        "replacing functions changes {changed:.2} % of the answers and outputs by up to {difference:.1e} with the deepest plans of \
         at most {depth} levels; more than is asked for: accept more, allow deeper plans, or give more samples"
    )]
    Target {
        /// Estimated share of changed answers, in percent.
        changed: f64,
        /// Largest difference of an output.
        difference: f64,
        /// Levels allowed for one function.
        depth: u32,
    },
    /// A fit that failed.
    #[error("{node}: no polynomial for {op} on [{lo:.3}, {hi:.3}]: {why}")]
    Fit {
        /// The node.
        node: String,
        /// The function.
        op: String,
        /// Lower end of the range.
        lo: f64,
        /// Upper end of the range.
        hi: f64,
        /// The fit's own words.
        why: String,
    },
    /// A tensor that no candidate placement can hold.
    #[error(
        "{stage}: no placement of shape {shape:?} in ciphertexts of {slots} slots lets it be computed"
    )]
    NoPlacement {
        /// The stage.
        stage: String,
        /// Shape of its result.
        shape: Vec<usize>,
        /// Slots of a ciphertext.
        slots: usize,
    },
    /// A program that needs more levels than can be counted.
    #[error("the program needs more than 255 levels")]
    TooDeep,
    /// More products in sequence than a bootstrapping gives levels.
    #[error("{region} needs more than the {levels} levels that a bootstrapping leaves")]
    TooFewLevels {
        /// The region of the program.
        region: String,
        /// Levels of a bootstrapped value.
        levels: u8,
    },
    /// The level pass met a program that has levels.
    #[error("instruction %{at} manages levels; the level pass wants a program without")]
    AlreadyLeveled {
        /// Index of the instruction.
        at: usize,
    },
    /// No parameter set holds the program.
    #[error(
        "no parameters up to N = 2^{largest} hold this model: {depth} levels at an output error of {precision:.1e} and {security}-bit security; \
         lower the precision, use activations of lower degree or fewer layers. Last attempt: {why}"
    )]
    NoParameters {
        /// Levels of the program.
        depth: u32,
        /// Largest error wanted.
        precision: f64,
        /// Security in bits.
        security: u32,
        /// log2 of the largest ring degree tried.
        largest: u32,
        /// Why the last attempt failed.
        why: String,
    },
    /// Caps that no plan keeps.
    #[error(
        "no plan keeps the caps; the nearest is refused for its {cap}, {needed} where {allowed} is allowed: {nearest}; raise the cap, or \
         lower what is asked for (batch, precision)"
    )]
    Caps {
        /// What is exceeded most.
        cap: &'static str,
        /// The cap.
        allowed: String,
        /// What the nearest plan needs of it.
        needed: String,
        /// What the nearest plan needs of everything that has a cap.
        nearest: String,
    },
    /// Requirements that contradict themselves.
    #[error("requirements: {why}")]
    Requirements {
        /// What is wrong.
        why: String,
    },
    /// A tensor that does not fit its packing.
    #[error("packing: {why}")]
    Packing {
        /// What does not fit.
        why: String,
    },
    /// An error of the model.
    #[error(transparent)]
    Model(#[from] girih_model::ModelError),
    /// An error of a layer.
    #[error(transparent)]
    Layer(#[from] girih_nn::Error),
    /// An error of a circuit.
    #[error(transparent)]
    Circuit(#[from] girih_circuits::Error),
    /// An error of a program or evaluator.
    #[error(transparent)]
    Evaluator(#[from] girih_he::Error),
}
