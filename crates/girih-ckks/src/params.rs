//! Parameters: plain data -> checked -> immutable.

use std::fmt;
use std::sync::Arc;

use girih_he::Level;
use girih_ntt::primes;
use girih_rns::{Ring, digit_count};

use crate::chain::{Consumed, scale_below};
use crate::{LevelChain, ParamsError, Security, security};

pub use spec::ParamsSpec;

mod spec;

/// Largest distance of log2 of a canonical scale from what the specification asks for.
const SCALE_DRIFT: f64 = 0.5;
/// Bits by which the special modulus may miss a digit: primes lie on both sides of their nominal size.
const SPECIAL_TOLERANCE: f64 = 0.5;

/// Checked parameters: the ring with its tables, the level chain, the digest. Cloning is cheap.
///
/// Immutable; all objects of one key generation refer to one set. Two sets are equal if their
/// [`digest`](Params::digest)s are.
#[derive(Clone)]
pub struct Params {
    inner: Arc<Inner>,
}

struct Inner {
    spec: ParamsSpec,
    ring: Ring,
    chain: LevelChain,
    log_p: f64,
    digest: [u8; 32],
}

impl Params {
    /// Chooses the primes, checks the set against the security table and builds the ring.
    ///
    /// Primes are chosen from the top level down, each the unused prime nearest to
    /// `scale(l)^2 / 2^scale_bits[l-1]`: the error of one level, which the recurrence of the scales would
    /// square, is taken back by the next. Cost: the tables of all transforms, milliseconds a prime.
    ///
    /// # Errors
    /// Everything that [`ParamsError`] lists: fields out of range, `log2(QP)` above the limit of the security
    /// asked for, too few primes, a scale that drifts by more than half a bit, a special modulus smaller
    /// than a key-switching digit.
    pub fn try_new(spec: ParamsSpec) -> Result<Params, ParamsError> {
        spec.check_ranges()?;
        let mut picker = Picker {
            log_n: spec.log_n,
            used: Vec::new(),
        };
        let depth = spec.depth();
        let top_scale = f64::from(spec.scale_bits[depth]).exp2();
        let mut consumed = Vec::with_capacity(depth);
        let mut scale = top_scale;
        for l in (1..=depth).rev() {
            let target = f64::from(spec.scale_bits[l - 1]);
            let linear = spec.linear_bits.get(&(l as u8));
            let size = match linear {
                Some(&bits) => f64::from(bits).exp2(),
                None => scale * scale / target.exp2(),
            };
            let primes = picker.product_near(size, spec::SINGLE_PRIME_BITS)?;
            let below = linear.map(|_| target.exp2());
            scale = below
                .unwrap_or_else(|| scale_below(scale, primes.iter().map(|&q| q as f64).product()));
            if (scale.log2() - target).abs() > SCALE_DRIFT {
                return Err(ParamsError::ScaleDrift {
                    level: Level((l - 1) as u8),
                    log_scale: scale.log2(),
                    target: spec.scale_bits[l - 1],
                });
            }
            consumed.push(Consumed { primes, below });
        }
        consumed.reverse();
        let first = match spec::split(f64::from(spec.first_bits), spec::PRIME_BITS).len() {
            1 => vec![picker.below(spec.first_bits)?],
            _ => picker.product_near(f64::from(spec.first_bits).exp2(), spec::PRIME_BITS)?,
        };
        let special = (0..spec.special_count)
            .map(|_| picker.below(spec.special_bits))
            .collect::<Result<Vec<_>, _>>()?;
        let chain = LevelChain::new(&first, &consumed, top_scale);
        let q: Vec<u64> = first
            .into_iter()
            .chain(consumed.into_iter().flat_map(|c| c.primes))
            .collect();
        let log_q = chain.at(chain.top()).log_q;
        let log_p = log2_product(&special);
        gate(&spec, log_q + log_p)?;
        let ring = Ring::try_new(1 << spec.log_n, &q, &special)
            .map_err(|e| ParamsError::Ring(e.to_string()))?;
        for (digit, primes) in ring.digits().iter().enumerate() {
            let log_digit = log2_product(&q[primes.clone()]);
            if log_p + SPECIAL_TOLERANCE < log_digit {
                return Err(ParamsError::SpecialTooSmall {
                    log_p,
                    digit,
                    log_digit,
                });
            }
        }
        let digest = digest(&spec, &q, &special);
        Ok(Params {
            inner: Arc::new(Inner {
                spec,
                ring,
                chain,
                log_p,
                digest,
            }),
        })
    }

    /// The specification the set was built from.
    #[must_use]
    pub fn spec(&self) -> &ParamsSpec {
        &self.inner.spec
    }

    /// The ring over all primes of Q and P.
    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.inner.ring
    }

    /// Limbs and scale by level.
    #[must_use]
    pub fn chain(&self) -> &LevelChain {
        &self.inner.chain
    }

    /// The ring degree N.
    #[must_use]
    pub fn n(&self) -> usize {
        1 << self.inner.spec.log_n
    }

    /// log2 of the ring degree.
    #[must_use]
    pub fn log_n(&self) -> u8 {
        self.inner.spec.log_n
    }

    /// Slots of a ciphertext, `N / 2`.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.n() / 2
    }

    /// The highest level.
    #[must_use]
    pub fn top(&self) -> Level {
        self.inner.chain.top()
    }

    /// log2 of the ciphertext modulus Q of the top level.
    #[must_use]
    pub fn log_q(&self) -> f64 {
        self.inner.chain.at(self.top()).log_q
    }

    /// log2 of the special modulus P.
    #[must_use]
    pub fn log_p(&self) -> f64 {
        self.inner.log_p
    }

    /// log2(QP): the largest modulus under which anything about the secret is published.
    #[must_use]
    pub fn log_qp(&self) -> f64 {
        self.log_q() + self.log_p()
    }

    /// Key-switching digits of a ciphertext at `level`: groups of as many primes as P has, or of more where these are small.
    ///
    /// # Panics
    /// If `level` is above the top.
    #[must_use]
    pub fn digits(&self, level: Level) -> usize {
        digit_count(&self.inner.ring, self.inner.chain.limbs(level))
    }

    /// The security the set was checked against.
    #[must_use]
    pub fn security(&self) -> Security {
        self.inner.spec.security
    }

    /// Estimated bits of classical security, for reports.
    #[must_use]
    pub fn security_bits(&self) -> f64 {
        security::security_bits(self.log_n(), self.log_qp())
    }

    /// BLAKE3 of the canonical form: specification and primes. Stands in the header of every serialised
    /// object.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.inner.digest
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.inner.digest == other.inner.digest
    }
}

impl Eq for Params {}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("spec", &self.inner.spec)
            .finish_non_exhaustive()
    }
}

/// Several lines for people: degree, chain in bits, moduli, security with its margin.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = |primes: &[u64]| {
            primes
                .iter()
                .map(|&q| format!("{:.1}", (q as f64).log2()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let ring = self.ring();
        let first = self.chain().limbs(Level(0));
        let digest: String = self.digest()[..4]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        writeln!(f, "parameters {digest}")?;
        writeln!(
            f,
            "  N        2^{} = {} ({} slots)",
            self.log_n(),
            self.n(),
            self.slots()
        )?;
        writeln!(
            f,
            "  levels   {} (scale 2^{:.1} at the top)",
            self.top().0,
            self.chain().scale(self.top()).log2()
        )?;
        writeln!(
            f,
            "  chain    {} | {} | special {}",
            bits(&ring.q_primes()[..first]),
            bits(&ring.q_primes()[first..]),
            bits(ring.p_primes())
        )?;
        writeln!(
            f,
            "  moduli   log2 Q = {:.1}, log2 P = {:.1}, log2 QP = {:.1}, {} key-switching digits",
            self.log_q(),
            self.log_p(),
            self.log_qp(),
            self.digits(self.top())
        )?;
        match self.security().max_log_qp(self.log_n()) {
            Some(max) => write!(
                f,
                "  security {}: limit {max}, margin {:.1} bits of modulus; about {:.0} bits",
                self.security(),
                f64::from(max) - self.log_qp(),
                self.security_bits()
            ),
            None => write!(
                f,
                "  security {} security was asked for: about {:.0} bits; do not use with real data",
                self.security(),
                self.security_bits()
            ),
        }
    }
}

/// The security gate.
fn gate(spec: &ParamsSpec, log_qp: f64) -> Result<(), ParamsError> {
    match spec.security.max_log_qp(spec.log_n) {
        Some(max) if log_qp > f64::from(max) => Err(ParamsError::TooLarge {
            log_qp,
            max,
            log_n: spec.log_n,
            security: spec.security,
        }),
        _ => Ok(()),
    }
}

fn log2_product(primes: &[u64]) -> f64 {
    primes.iter().map(|&q| (q as f64).log2()).sum()
}

/// BLAKE3 of a domain separator, the specification and all primes.
fn digest(spec: &ParamsSpec, q: &[u64], p: &[u64]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("girih-ckks parameters, version 1");
    hasher.update(&crate::wire::spec_bytes(spec));
    for primes in [q, p] {
        hasher.update(&(primes.len() as u64).to_le_bytes());
        primes.iter().for_each(|prime| {
            hasher.update(&prime.to_le_bytes());
        });
    }
    *hasher.finalize().as_bytes()
}

/// Hands out primes `1 mod 2N`, each once.
struct Picker {
    log_n: u8,
    used: Vec<u64>,
}

impl Picker {
    /// Primes whose product is as near to `target` as unused primes allow.
    fn product_near(&mut self, target: f64, single: u8) -> Result<Vec<u64>, ParamsError> {
        let parts = spec::split(target.log2().round(), single).len();
        let mut rest = target;
        (0..parts)
            .map(|i| {
                let prime = self.near(rest.powf(1.0 / (parts - i) as f64))?;
                rest /= prime as f64;
                Ok(prime)
            })
            .collect()
    }

    /// The unused prime nearest to `target`.
    fn near(&mut self, target: f64) -> Result<u64, ParamsError> {
        let found =
            primes::around(1 << self.log_n, target.round() as u64).find(|p| !self.used.contains(p));
        self.take(found, target.log2())
    }

    /// The largest unused prime below `2^bits`.
    fn below(&mut self, bits: u8) -> Result<u64, ParamsError> {
        let found = primes::below(1 << self.log_n, 1 << bits).find(|p| !self.used.contains(p));
        self.take(found, f64::from(bits))
    }

    /// Refuses primes a bit away from what was asked for: the class has run out.
    fn take(&mut self, found: Option<u64>, bits: f64) -> Result<u64, ParamsError> {
        match found {
            Some(prime) if ((prime as f64).log2() - bits).abs() < 1.0 => {
                self.used.push(prime);
                Ok(prime)
            }
            _ => Err(ParamsError::NoPrime {
                log_n: self.log_n,
                bits,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn insecure(log_n: u8, first_bits: u8, scale_bits: &[u8], special: (u8, u8)) -> ParamsSpec {
        ParamsSpec {
            log_n,
            first_bits,
            scale_bits: scale_bits.to_vec(),
            linear_bits: BTreeMap::new(),
            special_count: special.0,
            special_bits: special.1,
            security: Security::Insecure,
        }
    }

    #[test]
    fn scales_stay_near_the_target_in_long_chains() {
        for (log_n, bits) in [
            (10, 25),
            (12, 30),
            (13, 40),
            (15, 45),
            (16, 35),
            (16, 47),
            (13, 56),
            (14, 60),
        ] {
            let spec = insecure(log_n, bits + 8, &[bits; 25], (4, 50));
            let params = Params::try_new(spec).expect("long chains exist");
            let mut worst = 0f64;
            for (level, info) in params.chain().iter() {
                worst = worst.max((info.scale.log2() - f64::from(bits)).abs());
                if let Some(below) = level.below() {
                    let next = info.scale * info.scale / info.rescale_by;
                    assert!((params.chain().scale(below) / next - 1.0).abs() < 1e-12);
                    assert_eq!(info.rescale_limbs, if bits > 49 { 2 } else { 1 });
                }
            }
            assert!(worst < SCALE_DRIFT, "2^{log_n}, {bits} bits: {worst}");
        }
    }

    #[test]
    fn primes_are_distinct_and_split_completely() {
        let params = Params::try_new(insecure(11, 60, &[45; 8], (3, 46))).expect("exists");
        let ring = params.ring();
        let mut all: Vec<u64> = ring
            .q_primes()
            .iter()
            .chain(ring.p_primes())
            .copied()
            .collect();
        assert!(all.iter().all(|q| q % (1 << 12) == 1 && *q < 1 << 50));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(params.chain().limbs(Level(0)), 2);
        assert_eq!(params.chain().limbs(params.top()), ring.q_len());
        assert_eq!(params.digits(params.top()), 3);
    }

    #[test]
    fn levels_may_have_different_scales() {
        let params =
            Params::try_new(insecure(12, 50, &[40, 40, 45, 45, 56], (3, 50))).expect("exists");
        let logs: Vec<f64> = params
            .chain()
            .iter()
            .map(|(_, info)| info.scale.log2())
            .collect();
        for (got, want) in logs.iter().zip([40.0, 40.0, 45.0, 45.0, 56.0]) {
            assert!((got - want).abs() < 0.01, "{logs:?}");
        }
    }

    #[test]
    fn the_gate_counts_the_special_modulus() {
        let mut spec = insecure(13, 46, &[40; 4], (1, 46));
        spec.security = Security::Bits128;
        // 46 + 3 * 40 + 46 = 212 <= 218
        let params = Params::try_new(spec.clone()).expect("212 bits are allowed");
        assert!((params.log_qp() - 212.0).abs() < 0.1 && params.security_bits() > 128.0);
        // one level more: 252 > 218, although Q alone (206) would pass
        spec.scale_bits.push(40);
        let error = Params::try_new(spec.clone()).expect_err("252 bits");
        assert_eq!(
            error.to_string(),
            "log2(QP) = 252.0 exceeds 218 for N = 2^13 at 128-bit classical security: take a larger N, \
             fewer levels or smaller primes"
        );
        for security in Security::ALL {
            spec.security = security;
            assert_eq!(
                Params::try_new(spec.clone()).is_ok(),
                security == Security::Insecure
            );
        }
    }

    #[test]
    fn insecure_sets_say_so_when_printed() {
        let params = Params::try_new(insecure(10, 45, &[40; 3], (1, 46))).expect("exists");
        assert!(params.to_string().contains("INSECURE"), "{params}");
        assert!(format!("{params:?}").contains("Insecure"));
    }

    #[test]
    fn impossible_sets_are_refused_with_the_reason() {
        let error = Params::try_new(insecure(13, 50, &[45; 3], (1, 46)))
            .map(|_| ())
            .expect_err("q0 exceeds P");
        assert!(
            matches!(error, ParamsError::SpecialTooSmall { digit: 0, .. }),
            "{error}"
        );
        let error = Params::try_new(insecure(17, 30, &[20; 20], (1, 40)))
            .map(|_| ())
            .expect_err("few primes");
        assert!(
            matches!(
                error,
                ParamsError::NoPrime { .. } | ParamsError::ScaleDrift { .. }
            ),
            "{error}"
        );
        for (spec, field) in [
            (insecure(9, 45, &[40], (1, 46)), "log_n"),
            (insecure(18, 45, &[40], (1, 46)), "log_n"),
            (insecure(12, 45, &[], (1, 46)), "number of levels plus one"),
            (insecure(12, 45, &[40], (0, 46)), "special_count"),
            (insecure(12, 45, &[40], (1, 51)), "special_bits"),
            (
                insecure(12, 45, &[40, 90], (1, 46)),
                "modulus bits consumed by a level",
            ),
        ] {
            match Params::try_new(spec) {
                Err(ParamsError::Range { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }

    #[test]
    fn digests_tell_sets_apart() {
        let spec = insecure(10, 45, &[40; 3], (1, 46));
        let params = Params::try_new(spec.clone()).expect("exists");
        assert_eq!(params, Params::try_new(spec.clone()).expect("exists"));
        for other in [
            ParamsSpec {
                first_bits: 46,
                ..spec.clone()
            },
            ParamsSpec {
                special_bits: 47,
                ..spec.clone()
            },
            ParamsSpec {
                log_n: 11,
                ..spec.clone()
            },
            ParamsSpec {
                scale_bits: vec![40; 4],
                ..spec
            },
        ] {
            assert_ne!(params, Params::try_new(other).expect("exists"));
        }
    }

    #[test]
    fn the_choice_of_primes_is_stable() {
        // Known answer: files carry this digest, so another choice of primes would orphan every key.
        let params = Params::try_new(crate::presets::n14_depth6()).expect("preset");
        assert_eq!(
            blake3::Hash::from(*params.digest()).to_hex().as_str(),
            "752ef68f45cfbc4259ab4e45c86764cfc01ea648e0560a1fc3ea8278b7817f9b"
        );
    }

    #[test]
    fn searched_sets_pass_the_gate() {
        for security in [Security::Bits128, Security::Bits256, Security::Quantum128] {
            for (depth, scale, first) in [
                (0, 30, 40),
                (2, 34, 40),
                (5, 40, 45),
                (9, 45, 50),
                (4, 55, 60),
            ] {
                let spec = ParamsSpec::for_depth(depth, scale, first, security).expect("fits");
                if spec.log_n <= 14 {
                    let params = Params::try_new(spec).expect("passes");
                    assert_eq!(params.top(), Level(depth));
                }
            }
        }
    }
}
