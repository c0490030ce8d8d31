//! What a compiler knows of a scheme without seeing a ring: plain numbers.

use std::collections::BTreeMap;

use crate::{Error, Level, Result, Rotation};

/// The evaluation keys a program needs, each with the highest level at which it is used.
///
/// A key generated for level `l` serves every level below, and is smaller than one for a higher level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyManifest {
    /// Highest level of a product of two ciphertexts, if there is one.
    pub relinearization: Option<Level>,
    /// Rotations (normalised to `1..slots`), each with its highest level.
    pub rotations: BTreeMap<Rotation, Level>,
    /// Highest level of a conjugation, if there is one.
    pub conjugation: Option<Level>,
}

/// The primitive operations that are priced and timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Primitive {
    /// Sum, difference or negation of ciphertexts, sum with a constant.
    Add,
    /// Product with a constant vector (one term of a sum of products).
    MulPlain,
    /// Product with a scalar.
    MulScalar,
    /// Product of two ciphertexts without relinearisation (one term of a sum of products).
    Mul,
    /// Relinearisation of a product.
    Relinearize,
    /// Rotation or conjugation that pays for its own decomposition.
    Rotate,
    /// Rotation of a value whose decomposition is shared.
    HoistedRotate,
    /// Relinearisation and rescaling of a product in one.
    RelinearizeRescale,
    /// The decomposition that the baby steps of a linear transform share.
    Decompose,
    /// A baby step of a linear transform whose division is left to the giant step.
    LazyRotate,
    /// Product of such a baby step with a constant vector.
    MulPlainLazy,
    /// A giant step of a linear transform, its division left to the end.
    GiantRotate,
    /// The division at the end of a linear transform.
    Divide,
    /// The division at the end of a linear transform and the rescaling in one.
    DivideRescale,
    /// Rescaling.
    Rescale,
    /// Change to a lower level.
    DropTo,
    /// Encoding of a constant vector.
    Encode,
    /// Encoding of a constant vector for a lazy product.
    EncodeLazy,
    /// Encoding and encryption of an input by the owner of the key.
    Encrypt,
    /// Expansion of an input from its seed.
    Expand,
    /// Decryption and decoding of an output.
    Decrypt,
    /// Generation of one evaluation key, at its level.
    KeyGen,
    /// Bootstrapping.
    Bootstrap,
}

impl Primitive {
    /// All primitives, in the order of reports.
    pub const ALL: [Primitive; 23] = [
        Primitive::Add,
        Primitive::MulPlain,
        Primitive::MulScalar,
        Primitive::Mul,
        Primitive::Relinearize,
        Primitive::Rotate,
        Primitive::HoistedRotate,
        Primitive::RelinearizeRescale,
        Primitive::Decompose,
        Primitive::LazyRotate,
        Primitive::MulPlainLazy,
        Primitive::GiantRotate,
        Primitive::Divide,
        Primitive::DivideRescale,
        Primitive::Rescale,
        Primitive::DropTo,
        Primitive::Encode,
        Primitive::EncodeLazy,
        Primitive::Encrypt,
        Primitive::Expand,
        Primitive::Decrypt,
        Primitive::KeyGen,
        Primitive::Bootstrap,
    ];

    /// The name in reports and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Primitive::Add => "add",
            Primitive::MulPlain => "mul_plain",
            Primitive::MulScalar => "mul_scalar",
            Primitive::Mul => "mul",
            Primitive::Relinearize => "relinearize",
            Primitive::Rotate => "rotate",
            Primitive::HoistedRotate => "hoisted_rotate",
            Primitive::RelinearizeRescale => "relinearize_rescale",
            Primitive::Decompose => "decompose",
            Primitive::LazyRotate => "lazy_rotate",
            Primitive::MulPlainLazy => "mul_plain_lazy",
            Primitive::GiantRotate => "giant_rotate",
            Primitive::Divide => "divide",
            Primitive::DivideRescale => "divide_rescale",
            Primitive::Rescale => "rescale",
            Primitive::DropTo => "drop_to",
            Primitive::Encode => "encode",
            Primitive::EncodeLazy => "encode_lazy",
            Primitive::Encrypt => "encrypt",
            Primitive::Expand => "expand",
            Primitive::Decrypt => "decrypt",
            Primitive::KeyGen => "key_gen",
            Primitive::Bootstrap => "bootstrap",
        }
    }
}

/// Standard deviations, in units of the integer coefficients as seen in a slot, of the errors that
/// the scheme's operations add. Divide by the scale to obtain the error of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseProfile {
    /// Of a fresh ciphertext.
    pub fresh: f64,
    /// Of rounding a constant vector to integers.
    pub encoding: f64,
    /// Of the rounding in one rescaling.
    pub rescale: f64,
    /// Of one key switch.
    pub key_switch: f64,
}

/// What the slots of a bootstrapped ciphertext may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotValues {
    /// Real numbers: an imaginary part is lost or spoils the result.
    Real,
    /// Complex numbers.
    Complex,
}

/// What a bootstrapping takes and what it gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrapping {
    /// The lowest level of a ciphertext that is bootstrapped; one from above is lowered to it.
    pub input: Level,
    /// The level of the result.
    pub output: Level,
    /// Largest modulus of a value. Beyond it the result is wrong, and no one sees it under encryption.
    pub bound: f64,
    /// Standard deviation of the error of a slot, values within the bound.
    pub error: f64,
    /// What the slots may hold.
    pub values: SlotValues,
    /// Slots that are bootstrapped.
    pub slots: usize,
}

impl Bootstrapping {
    /// Refuses values beyond the bound.
    ///
    /// # Errors
    /// The slot with the largest value, and by how much the bound is missed.
    pub fn check(&self, values: &[f64]) -> Result<()> {
        let largest = values
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()));
        match largest {
            // A value that is no number is the largest of all.
            Some((slot, value)) if value.abs() > self.bound || value.is_nan() => {
                Err(Error::MessageBound {
                    slot,
                    value: *value,
                    bound: self.bound,
                })
            }
            _ => Ok(()),
        }
    }
}

/// What a compiler and a cost evaluator know of a scheme: slots, levels, prices, errors.
#[derive(Clone, Debug, PartialEq)]
pub struct HeProfile {
    /// Slots of a ciphertext.
    pub slots: usize,
    /// log2 of the canonical scale, by level (index 0 is level 0).
    pub log_scale: Vec<f64>,
    /// Threads of an evaluation.
    pub threads: usize,
    /// Seconds of a primitive on one thread by level: `seconds[primitive][level]`; see [`seconds_of`](HeProfile::seconds_of)
    /// for missing ones.
    pub seconds: BTreeMap<Primitive, Vec<f64>>,
    /// The same with all threads at work on one primitive; those on one thread for missing ones.
    pub together: BTreeMap<Primitive, Vec<f64>>,
    /// Bytes of a process before it holds a key, tables of the scheme included.
    pub base_bytes: u64,
    /// Bytes of buffers that were used before and wait to be used again.
    pub spare_bytes: u64,
    /// Bytes of a ciphertext, by level.
    pub ciphertext_bytes: Vec<u64>,
    /// Bytes of an encoded constant, by level.
    pub plaintext_bytes: Vec<u64>,
    /// Bytes of a constant encoded for a lazy product ([`Primitive::MulPlainLazy`]), by level.
    pub lazy_plaintext_bytes: Vec<u64>,
    /// Bytes of one key-switching key, by its level; keys of a bootstrapping may be above the levels of programs.
    pub key_bytes: Vec<u64>,
    /// Errors of the operations.
    pub noise: NoiseProfile,
    /// How ciphertexts are bootstrapped, if they can be.
    pub bootstrapping: Option<Bootstrapping>,
}

impl HeProfile {
    /// The highest level.
    #[must_use]
    pub fn top(&self) -> Level {
        Level(u8::try_from(self.log_scale.len().saturating_sub(1)).unwrap_or(u8::MAX))
    }

    /// Seconds of one primitive at a level with all threads at work on it.
    #[must_use]
    pub fn seconds_together(&self, primitive: Primitive, level: Level) -> f64 {
        let listed = self.together.get(&primitive);
        let at = listed.and_then(|by_level| by_level.get(usize::from(level.0)));
        at.copied()
            .unwrap_or_else(|| self.seconds_of(primitive, level))
    }

    /// Seconds of one primitive at a level, on one thread. A fused primitive that the profile does not list costs what the
    /// separate ones do; another is free.
    #[must_use]
    pub fn seconds_of(&self, primitive: Primitive, level: Level) -> f64 {
        let listed = self.seconds.get(&primitive);
        if let Some(by_level) = listed {
            return by_level.get(level.0 as usize).copied().unwrap_or(0.0);
        }
        let of = |p: Primitive| self.seconds_of(p, level);
        match primitive {
            Primitive::RelinearizeRescale => of(Primitive::Relinearize) + of(Primitive::Rescale),
            Primitive::Decompose => (of(Primitive::Rotate) - of(Primitive::HoistedRotate)).max(0.0),
            Primitive::LazyRotate => of(Primitive::HoistedRotate),
            Primitive::MulPlainLazy => of(Primitive::MulPlain),
            Primitive::GiantRotate => of(Primitive::Rotate),
            Primitive::DivideRescale => of(Primitive::Divide) + of(Primitive::Rescale),
            Primitive::EncodeLazy => of(Primitive::Encode),
            _ => 0.0,
        }
    }
}
