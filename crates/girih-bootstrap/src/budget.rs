//! The error of every stage before anything is encrypted, in units that can be measured.
//!
//! All figures are root mean squares of the modulus of a slot's error. With `R = √(N (1 + 2N/3) / 12)` for a rounding to integers
//! under a dense ternary secret, on a slot, and `K_l = √(N Σ_i N σ² (D_i / P)² / 12)` for the noise of a key switch at level `l` with
//! digits `D_i`, a factor from level `l` with diagonals `d`, encoded at the scale `Δ` with `c_d` coefficients that are not zero, adds
//!
//! ```text
//! R / scale(l - 1)                         its rescaling
//! K_l / scale(l) √(Σ mean |d|²)            the key switches of baby steps, over diagonals that meet a rotation
//! √(Σ_d c_d / 12) / Δ · |x|                the rounding of its diagonals, |x| the deviation of its input
//! ```
//!
//! and multiplies what comes from before by `√(Σ mean |d|²)`, which is exact for factors of an embedding: multiples of unitary
//! matrices. Key switches of giant steps are divided by the primes of the rescaling and vanish below its rounding. The reduction is
//! predicted by [`ModularReduction::predict`](girih_polyfit::trigonometric::ModularReduction::predict).

use std::fmt;

use girih_he::Level;
use girih_polyfit::overflow::Overflow;
use girih_polyfit::trigonometric::{Message, ReductionSetting, rounding_deviation};
use num_complex::Complex64;

use crate::factor::Factor;
use crate::plan::downwards;
use crate::{BootstrapPlan, Order, Result, Stage};

/// Standard deviation of the noise of keys and fresh ciphertexts.
const SIGMA: f64 = 3.2;
/// Mean square of a slot of a random message: real and imaginary parts uniform in `[-1, 1]`.
const RANDOM: f64 = 2.0 / 3.0;
/// The part of a diagonal's largest entry that is rounding of double precision.
const NOTHING: f64 = 1e-12;
/// Points at which the error of the reduction of values is looked at.
const POINTS: u32 = 256;

/// Levels and errors of all stages of one bootstrapping (of each of the two, with a refinement).
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Raised, coefficients, reduced, slots.
    pub stages: [StageBudget; 4],
}

/// What a stage leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageBudget {
    /// The stage.
    pub stage: Stage,
    /// The level after it.
    pub level: Level,
    /// log2 of the scale of that level.
    pub scale_bits: f64,
    /// log2 of the modulus of that level.
    pub modulus_bits: f64,
    /// The error after it: of `x = m / q_0 + I` and of what it is reduced to in units of 1, at the end of the message's slots.
    pub error: ErrorSources,
}

/// Deviations of independent errors by their sources.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorSources {
    /// From the stages before.
    pub carried: f64,
    /// Roundings, of rescalings and of divisions by the special modulus.
    pub rounding: f64,
    /// Noise of keys; in the first stage also that of the fresh ciphertext.
    pub switching: f64,
    /// Roundings of encoded diagonals.
    pub constants: f64,
    /// Of the fit of the reduction.
    pub fit: f64,
    /// What a random message adds: the distance of the sine from the identity, and the roundings of the diagonals that the message
    /// itself meets. A message of zero has none of it.
    pub message: f64,
}

impl ErrorSources {
    /// The deviation for a message of zero.
    #[must_use]
    pub fn without_message(&self) -> f64 {
        let sources = [
            self.carried,
            self.rounding,
            self.switching,
            self.constants,
            self.fit,
        ];
        sources.iter().map(|e| e * e).sum::<f64>().sqrt()
    }

    /// The deviation for a random message.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.without_message().hypot(self.message)
    }

    /// Diagonals that meet the message alone.
    fn of_message(self) -> ErrorSources {
        ErrorSources {
            constants: 0.0,
            message: self.message.hypot(self.constants),
            ..self
        }
    }

    /// All of it times a factor, as what a later stage finds.
    fn carried_by(&self, factor: f64) -> ErrorSources {
        ErrorSources {
            carried: self.without_message() * factor,
            message: self.message * factor,
            ..ErrorSources::default()
        }
    }
}

impl Budget {
    /// The budget of a stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> &StageBudget {
        &self.stages[stage as usize]
    }
}

/// A table; errors as `-log2`.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "stage         level  scale  modulus | error: carried rounding switching constants   fit message | total"
        )?;
        for s in &self.stages {
            let bits = |e: f64| match e {
                e if e > 0.0 => format!("{:.1}", -e.log2()),
                _ => "-".to_owned(),
            };
            let e = &s.error;
            writeln!(
                f,
                "{:<13} {:>5} {:>6.1} {:>8.1} | {:>14} {:>8} {:>9} {:>9} {:>5} {:>7} | {:>5}",
                format!("{:?}", s.stage),
                s.level.0,
                s.scale_bits,
                s.modulus_bits,
                bits(e.carried),
                bits(e.rounding),
                bits(e.switching),
                bits(e.constants),
                bits(e.fit),
                bits(e.message),
                bits(e.total()),
            )?;
        }
        Ok(())
    }
}

/// What the factors of a transform do to an error, and what they add.
struct Passage {
    gain: f64,
    added: ErrorSources,
}

impl BootstrapPlan {
    /// The predicted errors of a fresh ciphertext at the input level.
    ///
    /// # Errors
    /// A weight for which the distribution of the integers is not computed.
    pub fn budget(&self) -> Result<Budget> {
        let (params, spec) = (self.params(), self.spec());
        let (chain, integers) = (params.chain(), Overflow::sparse(spec.weight)?);
        let (n, slots) = (params.n() as f64, params.slots() as f64);
        let q0 = chain.at(Level(0)).log_q.exp2();
        let scale = |level| chain.scale(level);
        let rounding = rounding_deviation(params.log_n().into());
        let radius = spec.reduction.plan.interval().radius();
        let parts = if self.reduces_imaginary_parts() || self.shares_one_ciphertext() {
            2f64.sqrt()
        } else {
            1.0
        };

        // The message's own error when it is raised, on a slot of integers.
        let fresh = SIGMA * n.sqrt();
        let bottom = match spec.order {
            Order::RaiseFirst => ErrorSources {
                // A refinement starts a level above and is lowered.
                rounding: spec.refinement.map_or(0.0, |_| rounding),
                switching: fresh,
                ..ErrorSources::default()
            },
            Order::SlotsFirst => {
                let passage = self.passage(self.to_slots(), self.to_slots_level(), RANDOM.sqrt());
                let switching = fresh / scale(self.to_slots_level()) * passage.gain;
                let switching = switching.hypot(passage.added.switching);
                let error = ErrorSources {
                    switching,
                    ..passage.added
                };
                scaled(error.of_message(), scale(Level(0)))
            }
        };

        // Both switches of the encapsulation and the trace; after it the part that repeats is `repeats` times as large.
        let top = self.raised_level();
        let repeats = slots / spec.slots as f64;
        let sparse = (n * (1.0 + spec.weight as f64) / 12.0).sqrt();
        let raised = ErrorSources {
            rounding: (bottom.rounding.hypot(sparse).hypot(rounding) * repeats.sqrt())
                .hypot(rounding * (repeats - 1.0).sqrt()),
            switching: hypot3(bottom.switching, self.entering(), self.switching(top))
                * repeats.sqrt(),
            message: bottom.message * repeats.sqrt(),
            ..ErrorSources::default()
        };
        let integer = (integers.deviation() * q0).powi(2) * 2.0 * spec.slots as f64;
        let signal = repeats * integer.sqrt() / scale(top);
        let down = self.passage(self.to_coefficients(), top, signal);
        // Twice the real part has twice the power of either part.
        let unit = 2f64.sqrt() * radius;
        let raised = scaled(raised, down.gain * unit / scale(top));

        let begin = Level(self.reduction_level() as u8);
        let own = scaled(down.added, unit);
        let conjugate = radius / scale(begin);
        let coefficients = ErrorSources {
            rounding: own.rounding.hypot(rounding * conjugate),
            switching: own.switching.hypot(self.switching(begin) * conjugate),
            ..add(own, raised.carried_by(1.0))
        };

        let (reduced, after) = self.reduced_budget(&integers, &coefficients);

        let back = reduced.carried_by(parts);
        let (end, last) = match spec.order {
            Order::SlotsFirst => {
                let enlarged = f64::from(self.ratio_bits()).exp2();
                (after, scaled(back, enlarged))
            }
            Order::RaiseFirst => {
                let up = self.up_passage(parts);
                let end = self.to_slots_level().0 - self.to_slots().len() as u8;
                let mut last = add(up.added, scaled(back, up.gain));
                if self.shares_one_ciphertext() {
                    // The two halves are added by one more rotation.
                    last.rounding = last.rounding.hypot(rounding / scale(Level(end)));
                }
                (Level(end), last)
            }
        };
        let stage = |stage, level, error| StageBudget {
            stage,
            level,
            scale_bits: chain.scale(level).log2(),
            modulus_bits: chain.at(level).log_q,
            error,
        };
        Ok(Budget {
            stages: [
                stage(Stage::Raised, top, raised),
                stage(Stage::Coefficients, begin, coefficients),
                stage(Stage::Reduced, after, reduced),
                stage(Stage::Slots, end, last),
            ],
        })
    }

    /// The transform to slots after the reduction. Where both parts share a ciphertext its halves are added at the end: what it adds
    /// counts `parts` times.
    fn up_passage(&self, parts: f64) -> Passage {
        let factors = self.to_slots();
        let gain: f64 = factors.iter().map(|f| Moments::of(f).gain).product();
        let mut up = self.passage(factors, self.to_slots_level(), RANDOM.sqrt() / gain);
        up.added = up.added.of_message();
        if self.shares_one_ciphertext() {
            up.added = scaled(up.added, parts);
        }
        up
    }

    /// The error after the reduction, and its level.
    fn reduced_budget(&self, integers: &Overflow, x: &ErrorSources) -> (ErrorSources, Level) {
        let (params, spec) = (self.params(), self.spec());
        let (chain, reduction) = (params.chain(), &spec.reduction);
        // Coefficients that the message has.
        let coefficients = 2 * spec.slots;
        let gains = reduction.gains(integers);
        let begin = Level(self.reduction_level() as u8);
        let levels = downwards(begin).take(gains.len());
        let mut roundings: Vec<f64> = levels
            .map(|level| rounding_deviation(params.log_n().into()) / chain.scale(level))
            .collect();
        roundings[0] = 0.0;
        let q0 = chain.at(Level(0)).log_q.exp2();
        let ratio = q0 / chain.scale(Level(0));
        let setting = ReductionSetting {
            log_n: coefficients.ilog2(),
            ratio,
            overflow: integers,
            roundings: &roundings,
        };
        let predicted = reduction.predict(setting, Message::Random);
        // From the message's slots back to coefficients.
        let spread = (coefficients as f64).sqrt() * ratio;
        let sine = match spec.order {
            Order::RaiseFirst => predicted.sine / spread,
            Order::SlotsFirst => {
                let e = |k: u32| (2.0 * f64::from(k) / f64::from(POINTS) - 1.0) / ratio;
                let square = |e: f64| (reduction.plan.eval(e) - e).powi(2) / f64::from(POINTS);
                (0..POINTS).map(|k| square(e(k))).sum::<f64>().sqrt()
            }
        };
        let derivative = gains[0] / reduction.plan.interval().radius();
        let error = ErrorSources {
            carried: x.without_message() * derivative,
            rounding: predicted.rounding / spread,
            fit: predicted.fit / spread,
            message: sine.hypot(x.message * derivative),
            ..ErrorSources::default()
        };
        (error, Level(begin.0 - (gains.len() - 1) as u8))
    }

    /// Factors from a level down, their input of deviation `signal`.
    fn passage(&self, factors: &[Factor], top: Level, mut signal: f64) -> Passage {
        let chain = self.params().chain();
        let rounding = rounding_deviation(self.params().log_n().into());
        let mut passage = Passage {
            gain: 1.0,
            added: ErrorSources::default(),
        };
        for (factor, level) in factors.iter().zip(downwards(top)) {
            let moments = Moments::of(factor);
            let scale = chain.scale(level);
            let encoded = chain.product_scale(level) / scale;
            let below = level.below().unwrap_or(Level(0));
            let own = ErrorSources {
                rounding: rounding / chain.scale(below),
                switching: self.switching(level) / scale * moments.rotated,
                constants: (moments.coefficients / 12.0).sqrt() / encoded * signal,
                ..ErrorSources::default()
            };
            passage.added = add(own, scaled(passage.added, moments.gain));
            passage.gain *= moments.gain;
            signal *= moments.gain;
        }
        passage
    }

    /// The noise of a key switch without its rounding, on a slot of integers.
    fn switching(&self, level: Level) -> f64 {
        let ring = self.params().ring();
        let log = |primes: &[u64]| primes.iter().map(|&q| (q as f64).log2()).sum::<f64>();
        let special = log(ring.p_primes());
        let primes = &ring.q_primes()[..self.params().chain().limbs(level)];
        let digits = ring.digits().iter().filter(|d| d.start < primes.len());
        let digits = digits.map(|d| &primes[d.start..d.end.min(primes.len())]);
        let shares = digits.map(|digit| (2.0 * (log(digit) - special)).exp2());
        let n = self.params().n() as f64;
        n * SIGMA * (shares.sum::<f64>() / 12.0).sqrt()
    }

    /// The noise of the switch to the sparse secret, whose special modulus exceeds `q_0` by up to six bits.
    fn entering(&self) -> f64 {
        let params = self.params();
        let log_q = params.chain().at(Level(0)).log_q;
        let most = params
            .security()
            .max_log_sparse(params.log_n(), self.spec().weight);
        let headroom = most.map_or(6.0, |most| (f64::from(most) - 2.0 * log_q).min(6.0));
        params.n() as f64 * SIGMA / 12f64.sqrt() * (-headroom).exp2()
    }
}

/// What the errors of a factor depend on.
struct Moments {
    /// `√(Σ mean |d|²)`.
    gain: f64,
    /// The same of diagonals that meet a rotation.
    rotated: f64,
    /// Coefficients of all diagonals, but for zeros.
    coefficients: f64,
}

impl Moments {
    fn of(factor: &Factor) -> Moments {
        let (mut all, mut rotated, mut coefficients) = (0.0, 0.0, 0.0);
        for (baby, diagonal) in factor.steps.iter().flatten() {
            let squares = diagonal.iter().map(Complex64::norm_sqr);
            let mean = squares.sum::<f64>() / diagonal.len() as f64;
            all += mean;
            if *baby != 0 {
                rotated += mean;
            }
            coefficients += self::coefficients(diagonal) as f64;
        }
        Moments {
            gain: all.sqrt(),
            rotated: rotated.sqrt(),
            coefficients,
        }
    }
}

/// Coefficients that are not zero of the polynomial whose slots repeat a diagonal of a power of two of entries.
///
/// Of `2m` coefficients for `m` entries the odd ones change their sign with a rotation by `m / 2`, the even ones do not: these are the
/// polynomial of the halves' mean. Zeros round to zero.
fn coefficients(diagonal: &[Complex64]) -> usize {
    let largest = diagonal.iter().map(|d| d.norm()).fold(0.0, f64::max);
    let (mut even, mut count) = (diagonal.to_vec(), 2);
    while even.len() > 1 {
        let half = even.len() / 2;
        let (low, high) = even.split_at_mut(half);
        let mut pairs = low.iter().zip(high.iter());
        if pairs.any(|(a, b)| (a - b).norm() > NOTHING * largest) {
            count += 2 * half;
        }
        low.iter_mut()
            .zip(high)
            .for_each(|(a, b)| *a = (*a + *b) / 2.0);
        even.truncate(half);
    }
    count
}

fn hypot3(a: f64, b: f64, c: f64) -> f64 {
    a.hypot(b).hypot(c)
}

fn scaled(e: ErrorSources, by: f64) -> ErrorSources {
    ErrorSources {
        carried: e.carried * by,
        rounding: e.rounding * by,
        switching: e.switching * by,
        constants: e.constants * by,
        fit: e.fit * by,
        message: e.message * by,
    }
}

/// Independent errors.
fn add(a: ErrorSources, b: ErrorSources) -> ErrorSources {
    ErrorSources {
        carried: a.carried.hypot(b.carried),
        rounding: a.rounding.hypot(b.rounding),
        switching: a.switching.hypot(b.switching),
        constants: a.constants.hypot(b.constants),
        fit: a.fit.hypot(b.fit),
        message: a.message.hypot(b.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_among_coefficients_are_not_counted() {
        let v: Vec<Complex64> = (0..8)
            .map(|k| Complex64::new(f64::from(k * k), 1.0))
            .collect();
        assert_eq!(coefficients(&v), 16);
        assert_eq!(coefficients(&[v.clone(), v.clone()].concat()), 16);
        assert_eq!(coefficients(&[Complex64::ONE; 32]), 2);
        // Halves that differ by a factor: all odd ones, and the even ones of the mean.
        let turned: Vec<Complex64> = v.iter().map(|v| v * Complex64::I).collect();
        assert_eq!(
            coefficients(&[v.clone(), v.clone(), turned.clone(), turned].concat()),
            32 + 16
        );
    }
}
