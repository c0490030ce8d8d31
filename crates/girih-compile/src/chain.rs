//! What a compiler asks of a scheme: a modulus chain, and its price if the scheme has one.

use girih_he::{HeProfile, KeyManifest};

/// The modulus chain a program needs, in plain numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRequest {
    /// log2 of the ring degree; a ciphertext has `2^(log_n - 1)` slots.
    pub log_n: u32,
    /// Bits of the modulus that is left at level 0.
    pub first_bits: u32,
    /// Bits of the scale that each level consumes; as many entries as levels.
    pub level_bits: Vec<u32>,
    /// Security in bits: 128, 192 or 256.
    pub security: u32,
    /// Name of the parameter set with a bootstrapping of which these are the levels of the application; `None` for a set of
    /// these levels alone.
    pub preset: Option<String>,
}

impl ChainRequest {
    /// Slots of a ciphertext.
    #[must_use]
    pub fn slots(&self) -> usize {
        1 << (self.log_n - 1)
    }
}

/// A parameter set with a bootstrapping, as the compiler sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrappedSet {
    /// The levels of the application, up to that of a bootstrapped ciphertext.
    pub chain: ChainRequest,
    /// Slots, prices and errors at these levels, and the bootstrapping.
    pub profile: HeProfile,
    /// The keys of the bootstrapping; their levels may be above those of the application.
    pub manifest: KeyManifest,
    /// Bytes of the constants of the bootstrapping.
    pub constant_bytes: u64,
}

/// A scheme as the compiler sees it.
pub trait Scheme {
    /// Slots, prices and errors of a chain.
    ///
    /// # Errors
    /// Why the scheme has no such chain, with the numbers (as "log2(QP) = 246 exceeds 218 for N = 2^13").
    fn profile(&self, chain: &ChainRequest) -> std::result::Result<HeProfile, String>;

    /// The parameter sets with a bootstrapping; none unless a scheme offers some.
    fn bootstrapped(&self, security: u32) -> Vec<BootstrappedSet> {
        let _ = security;
        Vec::new()
    }
}
