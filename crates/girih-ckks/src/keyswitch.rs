//! Hybrid key switching: from `c s'` to a ciphertext under `s`.
//!
//! `c` is cut into digits of as many limbs as P has, every digit is extended to QP and multiplied by
//! its part of the key; the sum, divided by P, is `(u_0, u_1)` with `u_0 + u_1 s = c s' + e` (Han, Ki,
//! "Better Bootstrapping for Approximate Homomorphic Encryption", CT-RSA 2020). The page `docs/keyswitch.md`
//! has the order of the computation, its costs and its noise.

use girih_rns::{Digits, ExpandedDigits, Factor, Lazy, Ntt, Poly, PolyQp, Ring, Then};

use crate::keys::SwitchingKey;

/// Two halves `(u_0, u_1)` of a ciphertext over QP.
pub(crate) type PairQp = [PolyQp<Ntt>; 2];
/// Two halves `(c_0, c_1)` of a ciphertext over Q.
pub(crate) type Pair = [Poly<Ntt>; 2];

/// `(u_0, u_1)` over Q with `u_0 + u_1 s = c s' + small`, and what follows in the same pass: a sum, a
/// rescaling, an automorphism.
///
/// Cost: `l + 2 (K + drop)` inverse and `d (l + K) - l + 2 (l - drop)` forward transforms.
pub(crate) fn switch<'a>(
    c: impl Into<Lazy<'a>>,
    key: &SwitchingKey,
    then: Then<'_>,
    ring: &Ring,
) -> Pair {
    Digits::new(c, ring).product_divided(key.vector(), then, ring)
}

/// The digits of a polynomial for several key switches.
///
/// Cost: `l` inverse and `d (l + K) - l` forward transforms; memory of `d (l + K)` rows.
pub(crate) fn hoist(c: &Poly<Ntt>, ring: &Ring) -> ExpandedDigits {
    Digits::new(c, ring).expand(ring)
}

/// As [`switch`] with several keys, for digits that were computed before: only the transforms of the division.
pub(crate) fn switch_hoisted(
    digits: &ExpandedDigits,
    keys: Vec<(&SwitchingKey, Then<'_>)>,
    ring: &Ring,
) -> Vec<Pair> {
    let factors: Vec<Factor<'_>> = keys
        .into_iter()
        .map(|(key, then)| Factor {
            vector: key.vector(),
            then,
        })
        .collect();
    digits.products_divided(&factors, ring)
}
