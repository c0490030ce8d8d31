//! Named sets: parameters and specification together, each with 128-bit security and a sparse secret of weight 32.

use girih_ckks::{Params, ParamsSpec, Security};
use girih_he::SlotValues;
use girih_polyfit::overflow::Overflow;
use girih_polyfit::trigonometric::{ModularMethod, ModularReduction};

use crate::{BootstrapPlan, BootstrapSpec, Diagonals, Giants, Order, Refinement, Result};

/// Largest `|I|` with a sparse secret of weight 32.
const BOUND: usize = 15;
/// Weight of the sparse secret.
const WEIGHT: usize = 32;
/// By how much a message may miss its bound: the noise that it has collected.
const MARGIN: f64 = 1.1;

/// A named set: parameters, and what a bootstrapping over them does.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// In a sentence, what it is for.
    pub purpose: &'static str,
    /// The parameters.
    pub params: ParamsSpec,
    /// The bootstrapping.
    pub spec: BootstrapSpec,
    /// What was measured of it.
    pub figures: Figures,
}

/// What was measured of a preset, with all slots: `cargo xtask bench bootstrap` measures it anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Seconds of a bootstrapping on one core of an AMD Zen 5 with AVX-512-IFMA.
    pub seconds: f64,
    /// `-log2` of the mean error of a slot, random values with parts in [-1, 1].
    pub mean_bits: f64,
    /// Of the worst slot.
    pub worst_bits: f64,
    /// Of the worst slot, all slots being 1.
    pub constant_bits: f64,
    /// Bytes of all evaluation keys in memory.
    pub key_bytes: u64,
    /// Bytes of the encoded diagonals.
    pub diagonal_bytes: u64,
    /// Largest resident memory of a process that makes the keys and bootstraps.
    pub peak_bytes: u64,
}

/// The levels of a chain by stage, from the bottom up.
struct Chain<'a> {
    log_n: u8,
    /// Bits of `q_0`.
    first: u8,
    /// Levels of the application and bits of its scale.
    application: (usize, u8),
    /// Bits consumed by the factors to slots, and the scales above them.
    to_slots: &'a [(u8, u8)],
    /// Scales above the levels of the reduction.
    reduction: &'a [u8],
    /// Bits consumed by the factors to coefficients, all at the last scale of the reduction.
    to_coefficients: &'a [u8],
    /// Count and bits of the special primes.
    special: (u8, u8),
}

impl Chain<'_> {
    fn params(&self) -> ParamsSpec {
        let (levels, bits) = self.application;
        let mut scale_bits = vec![bits; levels + 1];
        let mut linear_bits = std::collections::BTreeMap::new();
        for &(consumed, above) in self.to_slots {
            linear_bits.insert(scale_bits.len() as u8, consumed);
            scale_bits.push(above);
        }
        scale_bits.extend(self.reduction);
        let scale = scale_bits.last().copied().unwrap_or(bits);
        for &consumed in self.to_coefficients {
            linear_bits.insert(scale_bits.len() as u8, consumed);
            scale_bits.push(scale);
        }
        ParamsSpec {
            log_n: self.log_n,
            first_bits: self.first,
            scale_bits,
            linear_bits,
            special_count: self.special.0,
            special_bits: self.special.1,
            security: Security::Bits128,
        }
    }

    /// Baby steps of at most `babies`, one key for all giant steps of a factor.
    fn spec(&self, babies: usize, diagonals: Diagonals) -> Result<BootstrapSpec> {
        let method = ModularMethod::default();
        let integers = Overflow::sparse(WEIGHT)?;
        let ratio = f64::from(self.first - self.application.1).exp2();
        Ok(BootstrapSpec {
            slots: 1 << (self.log_n - 1),
            values: SlotValues::Complex,
            order: Order::RaiseFirst,
            to_coefficients: self.to_coefficients.len(),
            reduction: ModularReduction::weighted(&integers, BOUND, MARGIN / ratio, method)?,
            to_slots: self.to_slots.len(),
            weight: WEIGHT,
            babies,
            giants: Giants::Horner,
            diagonals,
            refinement: None,
        })
    }
}

/// 32768 slots at N = 2^16, 12 levels of 40 bits left: the fastest.
const FAST: Chain<'_> = Chain {
    log_n: 16,
    first: 48,
    application: (12, 40),
    to_slots: &[(39, 46), (37, 51), (42, 64)],
    // Balanced: each level's rounding reaches the result with the same weight (docs/evalmod.md).
    reduction: &[54, 54, 55, 56, 57, 59, 61, 58],
    to_coefficients: &[46, 48, 49, 49],
    special: (10, 46),
};

/// 16384 slots at N = 2^15, 3 levels of 32 bits left.
const N15: Chain<'_> = Chain {
    log_n: 15,
    first: 40,
    application: (3, 32),
    to_slots: &[(33, 37), (32, 42), (32, 48)],
    reduction: &[47, 47, 48, 49, 50, 52, 54, 51],
    to_coefficients: &[40, 43, 45],
    special: (2, 49),
};

impl Preset {
    /// 32768 slots at N = 2^16 with 12 levels of 40 bits left: the fastest.
    ///
    /// # Errors
    /// None but those of a fit that does not converge.
    pub fn fast() -> Result<Preset> {
        Ok(Preset {
            name: "fast",
            purpose: "the least time",
            params: FAST.params(),
            spec: FAST.spec(8, Diagonals::Rows)?,
            figures: Figures {
                seconds: 2.3,
                mean_bits: 22.2,
                worst_bits: 20.4,
                constant_bits: 13.3,
                key_bytes: 2_760_000_000,
                diagonal_bytes: 854_000_000,
                peak_bytes: 4_970_000_000,
            },
        })
    }

    /// As [`fast`](Self::fast) with a quarter of the baby steps, and diagonals kept as integers: fewer bytes, more time.
    ///
    /// # Errors
    /// As [`fast`](Self::fast).
    pub fn small_keys() -> Result<Preset> {
        Ok(Preset {
            name: "small-keys",
            purpose: "the least memory",
            params: FAST.params(),
            spec: FAST.spec(2, Diagonals::Coefficients)?,
            figures: Figures {
                seconds: 4.8,
                mean_bits: 22.2,
                worst_bits: 20.2,
                constant_bits: 13.3,
                key_bytes: 906_000_000,
                diagonal_bytes: 27_000_000,
                peak_bytes: 2_920_000_000,
            },
        })
    }

    /// As [`fast`](Self::fast), twice: the error is bootstrapped again, so that every message, constant ones
    /// as well, keeps what the scale of the application holds. 10 levels left.
    ///
    /// # Errors
    /// As [`fast`](Self::fast).
    pub fn high_precision() -> Result<Preset> {
        let spec = BootstrapSpec {
            refinement: Some(Refinement { bits: 10 }),
            ..FAST.spec(8, Diagonals::Coefficients)?
        };
        Ok(Preset {
            name: "high-precision",
            purpose: "the least error, for messages of every shape",
            params: FAST.params(),
            spec,
            figures: Figures {
                seconds: 5.4,
                mean_bits: 25.6,
                worst_bits: 22.8,
                constant_bits: 22.7,
                key_bytes: 2_760_000_000,
                diagonal_bytes: 27_000_000,
                peak_bytes: 4_210_000_000,
            },
        })
    }

    /// 16384 slots at N = 2^15 with 3 levels of 32 bits left: small ciphertexts and keys, for shallow steps between
    /// bootstrappings.
    ///
    /// # Errors
    /// As [`fast`](Self::fast).
    pub fn n15() -> Result<Preset> {
        Ok(Preset {
            name: "n15",
            purpose: "half the slots, small ciphertexts, few levels",
            params: N15.params(),
            spec: N15.spec(8, Diagonals::Rows)?,
            figures: Figures {
                seconds: 1.0,
                mean_bits: 16.6,
                worst_bits: 14.8,
                constant_bits: 12.9,
                key_bytes: 1_730_000_000,
                diagonal_bytes: 251_000_000,
                peak_bytes: 2_500_000_000,
            },
        })
    }

    /// The names of all presets.
    pub const NAMES: [&'static str; 4] = ["fast", "small-keys", "high-precision", "n15"];

    /// All presets.
    ///
    /// # Errors
    /// As [`fast`](Self::fast).
    pub fn all() -> Result<Vec<Preset>> {
        let named = Self::NAMES.into_iter().map(Self::by_name);
        named.filter_map(Result::transpose).collect()
    }

    /// The preset of a name; `None` if there is none.
    ///
    /// # Errors
    /// As [`fast`](Self::fast).
    pub fn by_name(name: &str) -> Result<Option<Preset>> {
        match name {
            "fast" => Preset::fast(),
            "small-keys" => Preset::small_keys(),
            "high-precision" => Preset::high_precision(),
            "n15" => Preset::n15(),
            _ => return Ok(None),
        }
        .map(Some)
    }

    /// The stages of the chain from the top down: their names, levels and bits of modulus.
    #[must_use]
    pub fn stages(&self) -> Vec<(&'static str, usize, f64)> {
        let bits = |levels: std::ops::Range<usize>| {
            levels
                .map(|l| f64::from(self.params.consumed_bits(l)))
                .sum()
        };
        let spec = &self.spec;
        let mut stages = vec![
            ("to coefficients", spec.to_coefficients),
            ("reduction", spec.reduction.plan.unit_depth()),
        ];
        if spec.order == Order::RaiseFirst {
            stages.push(("to slots", spec.to_slots));
        }
        let all = self.params.depth();
        let used: usize = stages.iter().map(|s| s.1).sum();
        stages.push(("application", all - used));
        let mut top = all;
        let mut stages: Vec<_> = stages
            .into_iter()
            .map(|(name, levels)| {
                let from = top - levels;
                let stage = (name, levels, bits(from + 1..top + 1));
                top = from;
                stage
            })
            .collect();
        stages.push(("first modulus", 0, f64::from(self.params.first_bits)));
        stages
    }

    /// The same bootstrapping for ciphertexts whose slots repeat after `slots`.
    #[must_use]
    pub fn with_slots(mut self, slots: usize) -> Preset {
        self.spec.slots = slots;
        self
    }

    /// The plan.
    ///
    /// # Errors
    /// Slots that are no power of two up to N/2.
    pub fn plan(&self) -> Result<BootstrapPlan> {
        let params = Params::try_new(self.params.clone()).map_err(girih_ckks::Error::from)?;
        BootstrapPlan::try_new(&params, self.spec.clone())
    }
}
