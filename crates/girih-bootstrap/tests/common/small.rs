//! A small degree without security, for tests only, and the bootstrapping over it.

use std::collections::BTreeMap;

use girih_bootstrap::{BootstrapSpec, Diagonals, Giants, Order};
use girih_ckks::{Params, ParamsSpec, Security};
use girih_he::SlotValues;
use girih_polyfit::trigonometric::ModularReduction;

/// log2 of the ring degree.
pub(crate) const LOG_N: u8 = 11;

/// `q_0` has 48 bits; the scales from the bottom up, the bits that levels without products of ciphertexts consume.
pub(crate) fn params(
    scale_bits: Vec<u8>,
    linear_bits: impl IntoIterator<Item = (u8, u8)>,
) -> Params {
    Params::try_new(ParamsSpec {
        log_n: LOG_N,
        first_bits: 48,
        scale_bits,
        linear_bits: BTreeMap::from_iter(linear_bits),
        special_count: 8,
        special_bits: 47,
        security: Security::Insecure,
    })
    .unwrap()
}

/// Complex slots, raised first, three factors each way, a secret of weight 32, rows of at most 8 baby steps.
pub(crate) fn spec(slots: usize, reduction: ModularReduction, giants: Giants) -> BootstrapSpec {
    BootstrapSpec {
        slots,
        values: SlotValues::Complex,
        order: Order::RaiseFirst,
        to_coefficients: 3,
        reduction,
        to_slots: 3,
        weight: 32,
        babies: 8,
        giants,
        diagonals: Diagonals::Rows,
        refinement: None,
    }
}
