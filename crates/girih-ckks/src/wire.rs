//! Serialised forms.

use crate::{ParamsSpec, Security};

/// The canonical bytes of a specification: little-endian, lengths before lists.
pub(crate) fn spec_bytes(spec: &ParamsSpec) -> Vec<u8> {
    let mut bytes = vec![
        spec.log_n,
        spec.first_bits,
        spec.special_count,
        spec.special_bits,
        security_tag(spec.security),
    ];
    bytes.push(spec.scale_bits.len() as u8);
    bytes.extend_from_slice(&spec.scale_bits);
    bytes
}

/// The byte that stands for a security choice; part of the format.
const fn security_tag(security: Security) -> u8 {
    match security {
        Security::Insecure => 0,
        Security::Bits128 => 1,
        Security::Bits192 => 2,
        Security::Bits256 => 3,
        Security::Quantum128 => 4,
        Security::Quantum192 => 5,
        Security::Quantum256 => 6,
    }
}
