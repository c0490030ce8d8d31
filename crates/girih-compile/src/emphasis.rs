//! What a packing plan makes small: placements are chosen by prices, and prices need not be seconds.

use std::collections::BTreeMap;

use girih_he::{HeProfile, Primitive};

use crate::lower::Weights;

/// What the prices of a packing plan stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Emphasis {
    /// Seconds of the server.
    #[default]
    Time,
    /// Bytes of the server: encoded constants, keys, ciphertexts.
    Memory,
    /// Ciphertexts, above all those that client and server exchange.
    Transfer,
}

impl Emphasis {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Emphasis::Time => "time",
            Emphasis::Memory => "memory",
            Emphasis::Transfer => "transfer",
        }
    }

    /// The profile with this in place of its seconds.
    pub(crate) fn prices(self, profile: &HeProfile, weights: Weights) -> HeProfile {
        let mut seconds = by_level(profile);
        if weights == Weights::Encrypted {
            encrypt(&mut seconds);
        }
        match self {
            Emphasis::Time => {}
            Emphasis::Memory => {
                use Primitive as P;
                let mut set = |primitive, bytes: &[u64]| charge(&mut seconds, primitive, bytes);
                set(P::MulPlain, &profile.plaintext_bytes);
                set(P::MulPlainLazy, &profile.lazy_plaintext_bytes);
                for key in [P::Rotate, P::HoistedRotate, P::LazyRotate, P::GiantRotate] {
                    set(key, &profile.key_bytes);
                }
                set(P::Mul, &profile.ciphertext_bytes);
            }
            Emphasis::Transfer => {
                charge(&mut seconds, Primitive::Mul, &profile.ciphertext_bytes);
            }
        }
        HeProfile {
            seconds,
            ..profile.clone()
        }
    }
}

/// All seconds, those of fused primitives that are not listed included.
fn by_level(profile: &HeProfile) -> BTreeMap<Primitive, Vec<f64>> {
    let levels = 0..=profile.top().0;
    let all = Primitive::ALL.into_iter().map(|p| {
        let by_level = levels
            .clone()
            .map(|l| profile.seconds_of(p, girih_he::Level(l)));
        (p, by_level.collect())
    });
    all.collect()
}

/// Products with weights are those of ciphertexts, and linear transforms share no divisions.
fn encrypt(seconds: &mut BTreeMap<Primitive, Vec<f64>>) {
    use Primitive as P;
    for (of, like) in [
        (P::MulPlain, P::Mul),
        (P::MulPlainLazy, P::Mul),
        (P::LazyRotate, P::HoistedRotate),
        (P::GiantRotate, P::Rotate),
    ] {
        let by_level = seconds.get(&like).cloned().unwrap_or_default();
        seconds.insert(of, by_level);
    }
    let relinearize = seconds.get(&P::Relinearize).cloned().unwrap_or_default();
    seconds.insert(P::Divide, relinearize);
}

/// Bytes in place of seconds; the seconds decide between equal numbers of bytes.
fn charge(seconds: &mut BTreeMap<Primitive, Vec<f64>>, primitive: Primitive, bytes: &[u64]) {
    if let Some(by_level) = seconds.get_mut(&primitive) {
        for (s, b) in by_level.iter_mut().zip(bytes) {
            *s += *b as f64;
        }
    }
}
