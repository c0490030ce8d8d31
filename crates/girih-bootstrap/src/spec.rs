//! What a bootstrapping is asked to do, as plain data.

use girih_he::SlotValues;
use girih_polyfit::overflow::Overflow;
use girih_polyfit::trigonometric::ModularReduction;

use crate::Result;

/// The order of the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Raise, to coefficients, reduce, to slots. The input has no level left; coefficients of a random message are small
    /// against its slots, so the sine is near the message.
    RaiseFirst,
    /// To slots, raise, to coefficients, reduce: the values are in the coefficients while the modulus is raised. The
    /// input keeps the levels of the transform to slots, at small moduli; one reduction is enough for real
    /// values; the error of the sine is that of every value itself, so this order wants an arcsine.
    SlotsFirst,
}

/// A second bootstrapping of the error that the first one left, enlarged (Bae, Cheon, Cho, Kim, Kim, "Meta-BTS: Bootstrapping
/// Precision Beyond the Limit", CCS 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refinement {
    /// log2 of the factor by which the error is enlarged: one less than the bits of the worst slot.
    pub bits: u8,
}

/// How the giant steps of a factor are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giants {
    /// Each is rotated from where it is, by a key of its own; threads share them.
    Apart,
    /// By Horner's rule: one key for all giant steps of a factor, which wait for each other; threads share the rows of
    /// one.
    Horner,
}

/// How the diagonals of the factors are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagonals {
    /// As rows modulo every prime, ready to be multiplied.
    Rows,
    /// As integers, which every product transforms: a fraction of the bytes, and more time.
    Coefficients,
}

/// What a bootstrapping is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapSpec {
    /// Slots that differ, a power of two up to N/2: the slots of a ciphertext repeat with this period. With a quarter of N or
    /// fewer, real and imaginary parts share one ciphertext and one reduction.
    pub slots: usize,
    /// What the slots hold. Real values save one of two reductions in the order [`Order::SlotsFirst`].
    pub values: SlotValues,
    /// The order of the stages.
    pub order: Order,
    /// Levels that the chain has for the transform to coefficients: as many factors, or fewer with few slots.
    pub to_coefficients: usize,
    /// The reduction modulo `q_0`.
    pub reduction: ModularReduction,
    /// Levels for the transform to slots.
    pub to_slots: usize,
    /// Coefficients of the sparse secret that are not zero.
    pub weight: usize,
    /// Most baby steps of a factor, a power of two: fewer of them are fewer keys and more work.
    pub babies: usize,
    /// How giant steps are added.
    pub giants: Giants,
    /// How diagonals are kept.
    pub diagonals: Diagonals,
    /// Whether the error of the first bootstrapping is bootstrapped again.
    pub refinement: Option<Refinement>,
}

impl BootstrapSpec {
    /// log2 of a bound of the probability that a bootstrapping at degree `2^log_n` fails because an integer exceeds
    /// the bound of the reduction.
    ///
    /// # Errors
    /// A weight for which the distribution is not computed.
    pub fn failure_log2(&self, log_n: u8) -> Result<f64> {
        let integers = Overflow::sparse(self.weight)?;
        let once = self.reduction.failure_log2(&integers, log_n.into());
        // Twice as likely in two.
        Ok(once + f64::from(u8::from(self.refinement.is_some())))
    }
}
