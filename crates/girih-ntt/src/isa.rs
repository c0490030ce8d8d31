//! Instruction sets: the only feature detection in the workspace.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// An instruction set that the kernels are written for, from the plainest to the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain Rust, the oracle of every other set.
    Scalar,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors with 52-bit integer multiply-add.
    Avx512Ifma,
}

impl Isa {
    /// Every instruction set, slowest first.
    pub const ALL: [Isa; 3] = [Isa::Scalar, Isa::Avx2, Isa::Avx512Ifma];

    /// The environment variable that may lower [`Isa::best`].
    pub const ENV: &'static str = "GIRIH_ISA";

    /// Whether this processor can run the set's kernels.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Scalar => true,
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            Isa::Avx512Ifma => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512ifma")
            }
            #[cfg(not(all(target_arch = "x86_64", not(force_scalar))))]
            _ => false,
        }
    }

    /// The fastest available set; the environment variable `GIRIH_ISA` (`scalar`, `avx2` or
    /// `avx512ifma`) can lower it, never raise it. Read once per process; an unknown name is ignored.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let ceiling = std::env::var(Isa::ENV)
                .ok()
                .and_then(|name| name.parse().ok())
                .unwrap_or(Isa::Avx512Ifma);
            Isa::available()
                .filter(|isa| *isa <= ceiling)
                .last()
                .unwrap_or(Isa::Scalar)
        })
    }

    /// The sets that this processor can run, slowest first; never empty.
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The name that `GIRIH_ISA` and the reports use.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512Ifma => "avx512ifma",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> std::result::Result<Isa, UnknownIsa> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name().eq_ignore_ascii_case(name))
            .ok_or(UnknownIsa)
    }
}

/// The name is none of `scalar`, `avx2`, `avx512ifma`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown instruction set; the names are scalar, avx2, avx512ifma")]
pub struct UnknownIsa;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_order_is_by_speed() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse(), Ok(isa));
        }
        assert_eq!("neon".parse::<Isa>(), Err(UnknownIsa));
        assert!(Isa::Scalar < Isa::Avx2 && Isa::Avx2 < Isa::Avx512Ifma);
        assert!(Isa::best().is_available());
        assert!(Isa::available().any(|isa| isa == Isa::Scalar));
    }
}
