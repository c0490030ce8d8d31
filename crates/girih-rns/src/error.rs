//! What can go wrong when a ring is built or bytes are read.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of rings and of the raw wire form.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A ring needs at least one ciphertext prime.
    #[error("a ring needs at least one prime")]
    NoPrimes,
    /// Two limbs with one modulus have no Chinese remainder representation.
    #[error("prime {prime} occurs twice; the primes of a ring must be distinct")]
    RepeatedPrime {
        /// The prime.
        prime: u64,
    },
    /// The transform refused the degree or a prime.
    #[error("prime {prime} at degree {n}: {why}")]
    Transform {
        /// The ring degree.
        n: usize,
        /// The prime.
        prime: u64,
        /// The transform's own words.
        why: String,
    },
    /// A degree that no subring has.
    #[error("a ring of degree {n} has subrings of the degrees 8, 16, .., {n}, not {degree}")]
    Subring {
        /// The degree asked.
        degree: usize,
        /// The ring's degree.
        n: usize,
    },
    /// A byte string of the wrong length for the rows it should hold.
    #[error("{limbs} rows of {n} words take {expected} bytes, {got} were given")]
    WireLength {
        /// Rows expected.
        limbs: usize,
        /// Words of a row.
        n: usize,
        /// Bytes expected.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// A residue that is not below its prime.
    #[error("row {row}, word {index}: {value} is not below the prime {prime}")]
    WireRange {
        /// Row of the residue.
        row: usize,
        /// Index in the row.
        index: usize,
        /// The value read.
        value: u64,
        /// The prime of the row.
        prime: u64,
    },
    /// More rows than the ring has primes.
    #[error("{limbs} rows were asked of a ring with {available} primes")]
    TooManyLimbs {
        /// Rows asked.
        limbs: usize,
        /// Primes of the ring.
        available: usize,
    },
}
