//! The crate's error enum.

use crate::isa::Isa;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What a caller can ask for in vain.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The modulus is outside the range that the kernels cover.
    #[error("modulus {q} is not below 2^{max_bits} and above 2; choose a smaller prime")]
    ModulusRange {
        /// The refused modulus.
        q: u64,
        /// The bound, in bits.
        max_bits: u32,
    },
    /// The modulus is composite.
    #[error("modulus {q} is not prime; use `primes::below` to find one")]
    NotPrime {
        /// The refused modulus.
        q: u64,
    },
    /// The transform length is not a power of two in the supported range.
    #[error("transform length {n} is not a power of two between 2^{min_log} and 2^{max_log}")]
    Length {
        /// The refused length.
        n: usize,
        /// Logarithm of the smallest length.
        min_log: u32,
        /// Logarithm of the largest length.
        max_log: u32,
    },
    /// The modulus has no primitive 2n-th root of unity.
    #[error("modulus {q} is not 1 modulo {order}; use `primes::below({half}, ..)` to find one", half = order / 2)]
    NoRoot {
        /// The refused modulus.
        q: u64,
        /// The order 2n that q - 1 must be divisible by.
        order: u64,
    },
    /// The processor lacks the instruction set.
    #[error("instruction set {isa} is not available on this processor; use `Isa::best()`")]
    IsaUnavailable {
        /// What was asked for.
        isa: Isa,
    },
    /// A permutation table has an entry that does not occur exactly once.
    #[error("index {index} at position {position} leaves or repeats within a table of length {n}")]
    NotAPermutation {
        /// The table's length.
        n: usize,
        /// Where the table goes wrong.
        position: usize,
        /// The entry there.
        index: u32,
    },
    /// concrete-ntt has no plan for this length and modulus.
    #[error("concrete-ntt has no plan for length {n} and modulus {q}; use `NttTable::try_new`")]
    Concrete {
        /// The refused length.
        n: usize,
        /// The refused modulus.
        q: u64,
    },
    /// A Galois element must be odd.
    #[error("Galois element {g} is even: X -> X^{g} is not an automorphism")]
    EvenGaloisElement {
        /// The refused element.
        g: u64,
    },
}
