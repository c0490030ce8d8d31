//! What can go wrong, with the numbers and the remedy.

use girih_he::Level;

use crate::Security;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of the scheme. No message depends on a secret.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A parameter set was refused.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Values could not be encoded or decoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Bytes could not be read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// An operation was refused: levels, scales, keys.
    #[error(transparent)]
    He(#[from] girih_he::Error),
    /// Objects made under different parameters met.
    #[error("{what}: made under other parameters than these; use one parameter set throughout")]
    ParamsMismatch {
        /// The offending object.
        what: &'static str,
    },
    /// A decrypted plaintext, which holds only the limbs that decoding needs, was given to an encryptor.
    #[error(
        "the plaintext holds {limbs} limbs of {needed}: it was decrypted; decode and encode it again"
    )]
    PartialPlaintext {
        /// Limbs present.
        limbs: usize,
        /// Limbs of the level.
        needed: usize,
    },
}

/// Why a parameter set was refused.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParamsError {
    /// A field outside its range.
    #[error("{field} = {value} is outside {min}..={max}")]
    Range {
        /// The field of the specification.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
    },
    /// The modulus is too large for the ring degree: the security gate.
    #[error(
        "log2(QP) = {log_qp:.1} exceeds {max} for N = 2^{log_n} at {security} security: take a larger N, \
         fewer levels or smaller primes"
    )]
    TooLarge {
        /// log2 of the largest modulus of any published key.
        log_qp: f64,
        /// The table's limit.
        max: u32,
        /// log2 of the ring degree.
        log_n: u8,
        /// The security asked for.
        security: Security,
    },
    /// The modulus under a sparse secret is above the limit of the security asked for.
    #[error(
        "a key under a secret of weight {weight} needs a modulus of at least 2^{log_modulus:.1}, but {security} security \
         allows {max} bits at N = 2^{log_n}: take a weight of 32 or more, N = 2^15 or more, or a smaller first prime"
    )]
    SparseTooLarge {
        /// log2 of the smallest modulus that serves.
        log_modulus: f64,
        /// The limit.
        max: u32,
        /// Coefficients of the secret that are not zero.
        weight: usize,
        /// log2 of the ring degree.
        log_n: u8,
        /// The security asked for.
        security: Security,
    },
    /// No ring degree of the table holds the modulus.
    #[error(
        "depth {depth} at scale 2^{scale_bits} needs log2(QP) of at least {needed} bits; the largest N = 2^{log_n} \
         allows {max} at {security} security: lower the depth or the scale, or bootstrap"
    )]
    DepthTooLarge {
        /// Levels asked for.
        depth: u8,
        /// Scale asked for.
        scale_bits: u8,
        /// Smallest log2(QP) that the depth needs.
        needed: u32,
        /// The limit at the largest degree tried.
        max: u32,
        /// log2 of the largest degree tried.
        log_n: u8,
        /// The security asked for.
        security: Security,
    },
    /// Too few primes `1 mod 2N` of the wanted size.
    #[error(
        "no unused prime = 1 mod 2^{} is left near 2^{bits:.2}: use larger primes or a smaller N", log_n + 1
    )]
    NoPrime {
        /// log2 of the ring degree.
        log_n: u8,
        /// log2 of the wanted prime.
        bits: f64,
    },
    /// The primes near the target are too sparse to hold the scale.
    #[error(
        "the canonical scale of {level} would be 2^{log_scale:.3}, more than half a bit from 2^{target}: primes \
         near it are too sparse at this N; use a larger scale or fewer levels"
    )]
    ScaleDrift {
        /// The level.
        level: Level,
        /// log2 of the scale reached.
        log_scale: f64,
        /// log2 of the scale asked for.
        target: u8,
    },
    /// The special modulus is smaller than a key-switching digit.
    #[error(
        "special modulus of {log_p:.1} bits is smaller than key-switching digit {digit} of {log_digit:.1} bits: \
         raise the size or the number of special primes"
    )]
    SpecialTooSmall {
        /// log2 of the special modulus.
        log_p: f64,
        /// Index of the digit.
        digit: usize,
        /// log2 of the digit.
        log_digit: f64,
    },
    /// The ring refused the primes.
    #[error("the ring could not be built: {0}")]
    Ring(String),
}

/// Why values could not be encoded.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// A slot count that is no power of two up to N/2.
    #[error("{slots} slots: the number of slots is a power of two, at most {max}")]
    Slots {
        /// Slots asked for.
        slots: usize,
        /// N/2.
        max: usize,
    },
    /// More values than slots.
    #[error("{len} values do not fit {slots} slots")]
    TooManyValues {
        /// Values given.
        len: usize,
        /// Slots of the encoder.
        slots: usize,
    },
    /// NaN or infinity.
    #[error("value {index} is {value}: only finite numbers can be encoded")]
    NotFinite {
        /// Index of the first offending value.
        index: usize,
        /// The value (its real or imaginary part).
        value: f64,
    },
    /// A level above the chain.
    #[error("level {level} is above the top level {top} of the parameters")]
    Level {
        /// Level asked for.
        level: Level,
        /// Top of the chain.
        top: Level,
    },
    /// A scale that is not a positive finite number.
    #[error("scale {scale}: a scale is at least 1 and finite")]
    Scale {
        /// The scale.
        scale: f64,
    },
    /// The encoded coefficients do not fit the modulus.
    #[error(
        "a coefficient of 2^{log_coefficient:.1} (values times the scale 2^{log_scale:.1}) does not fit half the \
         modulus of level {level}, 2^{log_bound:.1}: use smaller values, a smaller scale or a higher level"
    )]
    Overflow {
        /// log2 of the largest coefficient.
        log_coefficient: f64,
        /// log2 of the scale.
        log_scale: f64,
        /// The level.
        level: Level,
        /// log2 of half the modulus.
        log_bound: f64,
    },
}

/// Why bytes could not be read.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WireError {
    /// Fewer bytes than the object needs.
    #[error("truncated: {needed} bytes are needed, {left} are left")]
    Truncated {
        /// Bytes the next field needs.
        needed: u64,
        /// Bytes left.
        left: u64,
    },
    /// Bytes after the end of the object.
    #[error("{extra} bytes follow the end of the object")]
    Trailing {
        /// Number of bytes.
        extra: u64,
    },
    /// The magic number is missing.
    #[error("not a girih file: it starts with {found:02x?}")]
    BadMagic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A format version this code cannot read.
    #[error(
        "format version {found}; this build reads version {supported}: convert the file or use a newer build"
    )]
    Version {
        /// Version of the file.
        found: u16,
        /// Version this code reads.
        supported: u16,
    },
    /// An object of another kind.
    #[error("this is a {found}, not a {expected}")]
    WrongKind {
        /// What the bytes hold.
        found: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// An object made under other parameters.
    #[error(
        "made under parameters {found}, these are {expected}: use the files of one key generation"
    )]
    ParamsMismatch {
        /// First bytes of the digest found.
        found: String,
        /// First bytes of the digest expected.
        expected: String,
    },
    /// The checksum does not match the content.
    #[error("checksum mismatch: the file was altered or damaged")]
    Checksum,
    /// A number outside its range.
    #[error("{field} = {value} is out of range (at most {max})")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// The value read.
        value: u64,
        /// Largest allowed value.
        max: u64,
    },
    /// A field that is well-formed but contradicts another.
    #[error("{field}: {why}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}
