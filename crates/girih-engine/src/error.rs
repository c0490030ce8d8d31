//! What can go wrong, with the numbers and the remedy.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of sessions and files.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program or an operation was refused.
    #[error(transparent)]
    He(#[from] girih_he::Error),
    /// The scheme refused.
    #[error(transparent)]
    Ckks(#[from] girih_ckks::Error),
    /// The bootstrapping refused.
    #[error(transparent)]
    Bootstrap(#[from] girih_bootstrap::Error),
    /// A model could not be compiled, or a tensor not packed.
    #[error(transparent)]
    Compile(#[from] girih_compile::Error),
    /// A file could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An output that is there already.
    #[error("{}: exists already; remove it, choose another name, or ask to overwrite it (--force)", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file that is not what it should be.
    #[error("{what}: {source}")]
    Format {
        /// Which file, in words.
        what: &'static str,
        /// What is wrong with it.
        source: FormatError,
    },
    /// Keys that lack what the program needs.
    #[error("the evaluation keys lack {}: generate them with the client part of this model", missing.join(", "))]
    MissingKeys {
        /// The keys in words.
        missing: Vec<String>,
    },
    /// Objects of two compiled models met.
    #[error(
        "{what} belongs to model {found}, this is model {expected}; use the files of one compilation"
    )]
    OtherModel {
        /// The offending object.
        what: &'static str,
        /// First digits of its model's identity.
        found: String,
        /// First digits of the identity expected.
        expected: String,
    },
    /// An input tensor that the model cannot read.
    #[error("input: {why}")]
    Input {
        /// What is wrong with it.
        why: String,
    },
    /// Values that leave the range on which a polynomial replaces a function.
    #[error("values outside the fitted range: {}", layers.join("; "))]
    OutOfRange {
        /// One sentence a layer.
        layers: Vec<String>,
    },
    /// More memory than there is.
    #[error(
        "about {needed_mib} MiB are needed, {available_mib} MiB are available: use a smaller batch, a lower precision, or a \
         machine with more memory"
    )]
    Memory {
        /// Predicted need.
        needed_mib: u64,
        /// What the system offers.
        available_mib: u64,
    },
    /// A report could not be drawn.
    #[error("report: {why}")]
    Report {
        /// The reason.
        why: String,
    },
}

impl From<girih_ckks::WireError> for Error {
    fn from(error: girih_ckks::WireError) -> Self {
        Error::Ckks(error.into())
    }
}

impl From<girih_ckks::ParamsError> for Error {
    fn from(error: girih_ckks::ParamsError) -> Self {
        Error::Ckks(error.into())
    }
}

/// Why bytes are not a file of this crate.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FormatError {
    /// Fewer bytes than the content needs.
    #[error("truncated: {needed} bytes are needed, {found} are there")]
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        found: u64,
    },
    /// The magic word is missing.
    #[error("not a girih file")]
    Magic,
    /// A format version this code cannot read.
    #[error(
        "format version {found}, this build reads version {supported}: convert the file or use a newer build"
    )]
    Version {
        /// Version of the file.
        found: u32,
        /// Version this code reads.
        supported: u32,
    },
    /// A file of another kind.
    #[error("this is a {found}, not a {expected}")]
    Kind {
        /// What the file holds.
        found: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// The checksum does not match the content.
    #[error("checksum mismatch: the file was altered or damaged")]
    Checksum,
    /// A field that is missing, malformed or contradicts another.
    #[error("{field}: {why}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl FormatError {
    pub(crate) fn field(field: &'static str, why: impl ToString) -> FormatError {
        FormatError::Field {
            field,
            why: why.to_string(),
        }
    }

    pub(crate) fn of(self, what: &'static str) -> Error {
        Error::Format { what, source: self }
    }
}
