//! What operations cost and how much error they add: [`girih_he::HeProfile`] from parameters.
//!
//! Seconds are operation counts times three speeds, corrected by what a machine was [measured](Machine) to take. With `l` limbs, `K` special primes and
//! `d` digits (`a_i` limbs each) one key switch takes `l + (d (l + K) - l) + 2 K + 2 l` transforms,
//! `sum a_i (l + K - a_i) + 2 K l` multiply-adds of base conversion and `2 d (l + K)` of the key, per
//! coefficient.

mod machine;

use std::collections::BTreeMap;

use girih_he::{HeProfile, Level, NoiseProfile, Primitive};
use girih_rns::digit_ranges;
use girih_rns::sample::SIGMA;

pub use machine::{Machine, Measurement};

use crate::{Params, Storage, key_bytes};

/// Nanoseconds per row of N words on one thread.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rows {
    /// One transform of a row.
    ntt_ns: f64,
    /// One multiply-accumulate of a row from memory (also the price of a sum).
    mac_ns: f64,
    /// One multiply-accumulate of a base conversion, the source row being in cache.
    convert_ns: f64,
}

/// Price of a row of a key, in multiply-accumulates: keys are read once per operation, from main memory.
const KEY_ROW: f64 = 1.5;
/// log2 of the row words at which [`Rows::shipped`] was measured.
const SHIPPED_LOG_N: u8 = 16;

impl Rows {
    /// Scaled from one core with 52-bit vector multipliers at N = 2^16.
    fn shipped(log_n: u8) -> Rows {
        let words = (f64::from(log_n) - f64::from(SHIPPED_LOG_N)).exp2();
        let stages = f64::from(log_n) / f64::from(SHIPPED_LOG_N);
        Rows {
            ntt_ns: 52_000.0 * words * stages,
            mac_ns: 25_000.0 * words,
            convert_ns: 5_000.0 * words,
        }
    }
}

/// Rows of work of one operation.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    ntt: f64,
    mac: f64,
    convert: f64,
}

impl Work {
    fn plus(self, other: Work) -> Work {
        Work {
            ntt: self.ntt + other.ntt,
            mac: self.mac + other.mac,
            convert: self.convert + other.convert,
        }
    }

    fn half(self) -> Work {
        Work {
            ntt: self.ntt / 2.0,
            mac: self.mac / 2.0,
            convert: self.convert / 2.0,
        }
    }
}

/// Limbs of one level, as numbers.
struct Shape {
    limbs: f64,
    special: f64,
    drop: f64,
    digits: Vec<f64>,
}

impl Shape {
    fn new(params: &Params, level: Level) -> Shape {
        let (ring, info) = (params.ring(), params.chain().at(level));
        Shape {
            limbs: info.limbs as f64,
            special: ring.p_len() as f64,
            drop: info.rescale_limbs as f64,
            digits: digit_ranges(ring, info.limbs)
                .map(|r| r.len() as f64)
                .collect(),
        }
    }

    fn decompose(&self) -> Work {
        let rows = self.limbs + self.special;
        let d = self.digits.len() as f64;
        Work {
            ntt: d * rows,
            mac: self.limbs,
            convert: self.digits.iter().map(|a| (a + 1.0) * (rows - a)).sum(),
        }
    }

    fn key_product(&self) -> Work {
        let rows = 2.0 * self.digits.len() as f64 * (self.limbs + self.special);
        Work {
            mac: KEY_ROW * rows,
            ..Work::default()
        }
    }

    /// Division of both halves by `sources` primes, `kept` remaining.
    fn divide(sources: f64, kept: f64) -> Work {
        Work {
            ntt: 2.0 * (sources + kept),
            mac: 2.0 * (sources + kept),
            convert: 2.0 * (sources + 1.0) * kept,
        }
    }

    /// A Fourier transform of doubles, which takes as long as three rows, and the rows.
    fn encode(&self, rows: f64) -> Work {
        Work {
            ntt: 3.0 + rows,
            mac: rows,
            convert: 0.0,
        }
    }

    fn work(&self, primitive: Primitive) -> Work {
        let mac = |rows: f64| Work {
            mac: rows,
            ..Work::default()
        };
        let l = self.limbs;
        let mod_down = Shape::divide(self.special, l);
        match primitive {
            Primitive::Add => mac(2.0 * l * 0.7),
            Primitive::MulPlain | Primitive::MulScalar => mac(2.0 * l),
            Primitive::Mul => mac(4.0 * l),
            Primitive::Relinearize => self
                .decompose()
                .plus(self.key_product())
                .plus(mod_down)
                .plus(mac(2.0 * l)),
            Primitive::Rotate => self
                .decompose()
                .plus(self.key_product())
                .plus(mod_down)
                .plus(mac(3.0 * l)),
            Primitive::HoistedRotate => self.key_product().plus(mod_down).plus(mac(3.0 * l)),
            Primitive::RelinearizeRescale => self
                .decompose()
                .plus(self.key_product())
                .plus(Shape::divide(self.special + self.drop, l - self.drop))
                .plus(mac(2.0 * l)),
            Primitive::Decompose => self.decompose(),
            // Both halves are added to `P c_0` and permuted over QP.
            Primitive::LazyRotate => self.key_product().plus(mac(2.0 * (l + self.special) + l)),
            Primitive::MulPlainLazy => mac(2.0 * (l + self.special)),
            // One half is divided and decomposed; both are permuted and added over QP.
            Primitive::GiantRotate => mod_down
                .half()
                .plus(self.decompose())
                .plus(self.key_product())
                .plus(mac(4.0 * (l + self.special))),
            Primitive::Divide => mod_down,
            Primitive::DivideRescale => Shape::divide(self.special + self.drop, l - self.drop),
            Primitive::Rescale => Shape::divide(self.drop, l - self.drop),
            Primitive::DropTo => mac(2.0 * l).plus(Shape::divide(self.drop, l - self.drop)),
            // A Fourier transform in place of one more row, then one transform a row.
            Primitive::Encode => self.encode(l),
            Primitive::EncodeLazy => self.encode(l + self.special),
            // Two halves of noise and of uniform words, a product with the secret.
            Primitive::Encrypt => self.encode(l).plus(Work {
                ntt: 2.0 * l,
                mac: 2.0 * l,
                convert: 0.0,
            }),
            Primitive::Expand => Work {
                ntt: l,
                ..Work::default()
            },
            Primitive::Decrypt => self.encode(1.0).plus(Work {
                ntt: 1.0,
                mac: 2.0,
                convert: 0.0,
            }),
            Primitive::KeyGen => {
                let rows = self.digits.len() as f64 * (l + self.special);
                Work {
                    ntt: 2.0 * rows,
                    mac: 2.0 * rows,
                    convert: 0.0,
                }
            }
            Primitive::Bootstrap => Work::default(),
        }
    }
}

/// The errors of the operations, as standard deviations of the real part of a slot in units of the integer
/// coefficients: a polynomial with independent coefficients of deviation `sigma` has slots of deviation
/// `sigma sqrt(N/2)` in each part. `h = 2N/3` is the expected weight of the secret.
///
/// | error | variance of a coefficient |
/// |---|---|
/// | fresh | `1/6 + max(sigma^2, (h + 1)/12)`: seeded symmetric, or under the public key and divided by a special prime |
/// | encoding | `1/6` |
/// | rescaling | `(h + 1) / 12` |
/// | key switch | `d N sigma^2 D^2 / 12 P^2 + (h + 1)/12`, `D` the largest digit |
///
/// Rounding a coefficient has variance 1/12. An encoded real vector is a polynomial with
/// `c_(N-k) = -c_k`, and so is its rounding error: all of it falls on the real parts, hence the 1/6.
#[must_use]
pub fn noise_profile(params: &Params) -> NoiseProfile {
    let n = params.n() as f64;
    let rounding = (2.0 * n / 3.0 + 1.0) / 12.0;
    let ring = params.ring();
    let log2 = |primes: &[u64]| primes.iter().map(|&q| (q as f64).log2()).sum::<f64>();
    let log_p = log2(ring.p_primes());
    let digits: f64 = digit_ranges(ring, ring.q_len())
        .map(|range| (2.0 * (log2(&ring.q_primes()[range]) - log_p)).exp2())
        .sum();
    let slot = |variance: f64| (variance * n / 2.0).sqrt();
    NoiseProfile {
        fresh: slot(1.0 / 6.0 + rounding.max(SIGMA * SIGMA)),
        encoding: slot(1.0 / 6.0),
        rescale: slot(rounding),
        key_switch: slot(digits * n * SIGMA * SIGMA / 12.0 + rounding),
    }
}

/// Bytes of a process that has done nothing yet: code, allocator, stacks.
const BASE_BYTES: u64 = 24 << 20;

/// Polynomials over all primes whose buffers wait to be used again at the peak of a run: fitted to the peaks of processes that generate keys,
/// encrypt and evaluate.
const SPARE_POLYNOMIALS: u64 = 48;

/// Bytes of the tables of a ring: for every prime the powers of its root and their quotients, forwards and backwards.
fn table_bytes(params: &Params) -> u64 {
    4 * 8 * (primes(params) * params.n()) as u64
}

fn primes(params: &Params) -> usize {
    params.ring().q_len() + params.ring().p_len()
}

/// Slots, levels, seconds, bytes and errors of a parameter set on a machine.
///
/// Bootstrapping is not priced. The seconds of a rotation that shares its decomposition stand under
/// [`Primitive::HoistedRotate`].
#[must_use]
pub fn profile(params: &Params, machine: &Machine) -> HeProfile {
    let chain = params.chain();
    let row = 8 * params.n() as u64;
    let special = params.ring().p_len();
    let mut seconds: BTreeMap<Primitive, Vec<f64>> = BTreeMap::new();
    let mut together: BTreeMap<Primitive, Vec<f64>> = BTreeMap::new();
    for primitive in Primitive::ALL {
        if primitive == Primitive::Bootstrap {
            continue;
        }
        let by_level = chain.iter().map(|(level, _)| {
            let shape = Shape::new(params, level);
            machine.seconds(primitive, params.log_n(), &shape)
        });
        let (alone, all) = by_level.map(|[alone, all]| (alone, all)).unzip();
        seconds.insert(primitive, alone);
        together.insert(primitive, all);
    }
    let limbs = || chain.iter().map(|(_, info)| info.limbs as u64);
    HeProfile {
        bootstrapping: None,
        slots: params.slots(),
        log_scale: chain.iter().map(|(_, info)| info.scale.log2()).collect(),
        threads: machine.threads(),
        base_bytes: BASE_BYTES + table_bytes(params),
        spare_bytes: SPARE_POLYNOMIALS * row * primes(params) as u64,
        seconds,
        together,
        ciphertext_bytes: limbs().map(|l| 2 * l * row).collect(),
        plaintext_bytes: limbs().map(|l| l * row).collect(),
        lazy_plaintext_bytes: limbs().map(|l| (l + special as u64) * row).collect(),
        key_bytes: chain
            .iter()
            .map(|(level, _)| key_bytes(params, level, Storage::default()) as u64)
            .collect(),
        noise: noise_profile(params),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;

    /// Transforms and conversion multiply-adds of one key switch, as tabulated for
    /// (limbs, special primes): published operation counts of the hybrid method.
    #[test]
    fn counts_are_those_of_the_method() {
        for (limbs, special, ntt, convert) in [
            (36, 9, 270, 1944),
            (36, 12, 240, 2160),
            (24, 8, 160, 960),
            (24, 4, 224, 768),
            (10, 4, 70, 184),
        ] {
            let digits: Vec<f64> = (0..limbs)
                .step_by(special)
                .map(|start| special.min(limbs - start) as f64)
                .collect();
            let (l, k) = (limbs as f64, special as f64);
            // The exact conversion takes one multiply-add more for every output row.
            let exact = digits.iter().map(|a| l + k - a).sum::<f64>() + 2.0 * l;
            let shape = Shape {
                limbs: l,
                special: k,
                drop: 1.0,
                digits,
            };
            let work = shape.work(Primitive::Relinearize);
            assert_eq!(work.ntt, f64::from(ntt), "{limbs} limbs, {special} special");
            assert_eq!(
                work.convert - exact,
                f64::from(convert),
                "{limbs} limbs, {special} special"
            );
        }
    }

    #[test]
    fn profiles_have_every_level_and_grow_with_it() {
        let params = Params::try_new(presets::test_small()).expect("parameters");
        let profile = profile(&params, &Machine::unmeasured(1));
        let levels = usize::from(params.top().0) + 1;
        assert_eq!(profile.top(), params.top());
        for (primitive, seconds) in &profile.seconds {
            assert_eq!(seconds.len(), levels, "{}", primitive.name());
            assert!(
                seconds[1..]
                    .windows(2)
                    .all(|w| w[0] < w[1] || *primitive == Primitive::Decrypt),
                "{}",
                primitive.name()
            );
        }
        for bytes in [
            &profile.ciphertext_bytes,
            &profile.plaintext_bytes,
            &profile.lazy_plaintext_bytes,
            &profile.key_bytes,
        ] {
            assert_eq!(bytes.len(), levels);
            assert!(bytes.windows(2).all(|w| w[0] < w[1]));
        }
        let top = |p: Primitive| profile.seconds_of(p, params.top());
        assert!(top(Primitive::HoistedRotate) < top(Primitive::Rotate));
        assert!(top(Primitive::MulPlain) < top(Primitive::Relinearize));
        let parts = top(Primitive::Relinearize) + top(Primitive::Rescale);
        assert!(top(Primitive::RelinearizeRescale) < parts);
        assert!(top(Primitive::LazyRotate) < top(Primitive::HoistedRotate));
        assert!(top(Primitive::GiantRotate) < top(Primitive::Rotate));
        let two = super::profile(&params, &Machine::unmeasured(2));
        assert_eq!(two.seconds, profile.seconds);
        assert!(two.seconds_together(Primitive::Rotate, params.top()) < top(Primitive::Rotate));
    }
}
