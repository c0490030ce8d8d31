//! Named parameter sets, each checked by a test.

use std::collections::BTreeMap;

use crate::{ParamsSpec, Security};

/// Depth 2 at N = 2^10 without any security: for tests.
#[must_use]
pub fn test_tiny() -> ParamsSpec {
    uniform(10, 2, (40, 45), (1, 46), Security::Insecure)
}

/// Depth 6 at N = 2^11 in seven limbs and three digits, without any security: for tests.
#[must_use]
pub fn test_small() -> ParamsSpec {
    uniform(11, 6, (40, 46), (3, 46), Security::Insecure)
}

/// Depth 3 at N = 2^13: 4096 slots, scale 2^40, 128-bit security.
#[must_use]
pub fn n13_depth3() -> ParamsSpec {
    uniform(13, 3, (40, 46), (1, 46), Security::Bits128)
}

/// Depth 6 at N = 2^14: 8192 slots, scale 2^40, three digits, 128-bit security.
#[must_use]
pub fn n14_depth6() -> ParamsSpec {
    uniform(14, 6, (40, 46), (3, 44), Security::Bits128)
}

/// Depth 13 at N = 2^15: 16384 slots, scale 2^40, three digits, 128-bit security.
#[must_use]
pub fn n15_depth13() -> ParamsSpec {
    uniform(15, 13, (40, 46), (5, 46), Security::Bits128)
}

/// Depth 24 at N = 2^16: 32768 slots, scale 2^46, three digits, 128-bit security.
#[must_use]
pub fn n16_depth24() -> ParamsSpec {
    uniform(16, 24, (46, 50), (9, 47), Security::Bits128)
}

/// All sets by name.
#[must_use]
pub fn all() -> Vec<(&'static str, ParamsSpec)> {
    vec![
        ("test_tiny", test_tiny()),
        ("test_small", test_small()),
        ("n13_depth3", n13_depth3()),
        ("n14_depth6", n14_depth6()),
        ("n15_depth13", n15_depth13()),
        ("n16_depth24", n16_depth24()),
    ]
}

/// `depth` levels of one scale: `bits` are those of the scale and of the first modulus, `special` count
/// and bits of the special primes.
fn uniform(
    log_n: u8,
    depth: u8,
    bits: (u8, u8),
    special: (u8, u8),
    security: Security,
) -> ParamsSpec {
    ParamsSpec {
        log_n,
        first_bits: bits.1,
        scale_bits: vec![bits.0; usize::from(depth) + 1],
        linear_bits: BTreeMap::new(),
        special_count: special.0,
        special_bits: special.1,
        security,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Params;

    #[test]
    fn every_preset_is_accepted() {
        for (name, spec) in all() {
            let params = Params::try_new(spec).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(
                params.security() == Security::Insecure,
                name.starts_with("test_")
            );
            if params.security() != Security::Insecure {
                assert!(params.security_bits() >= 128.0, "{name}: {params}");
            }
        }
    }
}
