//! What a reduction does to the precision of a bootstrapping.

use std::f64::consts::{PI, TAU};

use super::ModularReduction;
use crate::Dd;
use crate::overflow::Overflow;

/// The error of a reduction at one integer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntegerError {
    /// The integer `I`.
    pub integer: i64,
    /// Its probability.
    pub probability: f64,
    /// What it is reduced to: zero, ideally.
    pub error: f64,
}

/// The error of the fit on coefficients without a message, over the distribution of the integers, within the bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitError {
    /// The mean: common to all coefficients.
    pub mean: f64,
    /// The root of the mean square.
    pub rms: f64,
}

/// A kind of message, of slots of modulus at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Independent slots with real and imaginary parts uniform in `[-1, 1]`: coefficients of about `√(2/3N)`.
    Random,
    /// The same number of modulus 1 in all slots, so that one coefficient is 1: the worst case of the sine.
    ///
    /// A message of slots of modulus at most 1 has coefficients of squares that add up to 1 at most (Parseval), so the cubes
    /// of the sine's error, `Σ (2π)²|m³|/6`, reach no slot with more than a constant's.
    Constant,
}

/// Where a reduction is computed.
#[derive(Clone, Copy, Debug)]
pub struct ReductionSetting<'a> {
    /// `N = 2^log_n` coefficients.
    pub log_n: u32,
    /// `q₀` divided by the scale of the message.
    pub ratio: f64,
    /// The integers.
    pub overflow: &'a Overflow,
    /// The deviation of a rounding (of the modulus of its complex error on a slot) divided by the scale after it, by
    /// levels below the input: as many numbers as [`ModularReduction::gains`].
    pub roundings: &'a [f64],
}

/// The errors of slots after a reduction, before what other stages add; in units of the message's slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Deviation by the roundings.
    pub rounding: f64,
    /// Deviation by the fit.
    pub fit: f64,
    /// The largest slot's error by the mean error of the fit.
    pub bias: f64,
    /// By the distance of the sine (or the arcsine's fit) from the identity: in every slot for a constant, a deviation for a random message.
    pub sine: f64,
    /// The mean error of a slot.
    pub mean: f64,
    /// The largest error of a slot.
    pub worst: f64,
}

impl Prediction {
    /// `-log₂` of the mean error.
    #[must_use]
    pub fn mean_bits(&self) -> f64 {
        -self.mean.log2()
    }

    /// `-log₂` of the largest error.
    #[must_use]
    pub fn worst_bits(&self) -> f64 {
        -self.worst.log2()
    }
}

/// The deviation of a rounding to integers on a slot under a dense ternary secret, a third of whose coefficients is zero:
/// `√(N (1 + 2N/3) / 12)`.
#[must_use]
pub fn rounding_deviation(log_n: u32) -> f64 {
    let n = 2f64.powi(log_n as i32);
    (n * (1.0 + 2.0 * n / 3.0) / 12.0).sqrt()
}

impl ModularReduction {
    /// The integers within the bound, their probabilities and errors, in double-double arithmetic.
    #[must_use]
    pub fn errors(&self, overflow: &Overflow) -> Vec<IntegerError> {
        let bound = self.bound as i64;
        let interval = self.plan.interval();
        let at = |integer: i64| {
            let u = (Dd::from(integer as f64) - interval.center()) / interval.radius();
            IntegerError {
                integer,
                probability: overflow.probability(integer),
                error: self.plan.eval_unit_dd(u).to_f64(),
            }
        };
        (-bound..=bound).map(at).collect()
    }

    /// Mean and mean square of the [`errors`](Self::errors).
    #[must_use]
    pub fn fit_error(&self, overflow: &Overflow) -> FitError {
        let errors = self.errors(overflow);
        FitError {
            mean: errors.iter().map(|e| e.probability * e.error).sum(),
            rms: errors
                .iter()
                .map(|e| e.probability * e.error.powi(2))
                .sum::<f64>()
                .sqrt(),
        }
    }

    /// The root of the mean square of the error at `I + e`, over the integers.
    fn error_of(&self, e: f64, overflow: &Overflow) -> f64 {
        let bound = self.bound as i64;
        let square = |i: i64| overflow.probability(i) * (self.plan.eval(i as f64 + e) - e).powi(2);
        (-bound..=bound).map(square).sum::<f64>().sqrt()
    }

    /// `log₂` of a bound of the probability that one of `2^log_n` coefficients is not within the bound.
    #[must_use]
    pub fn failure_log2(&self, overflow: &Overflow, log_n: u32) -> f64 {
        overflow.failure_log2(self.bound, log_n)
    }

    /// By how much independent roundings of deviation 1 at each level below the input (0 is the input's own error) change the
    /// result: the root of the sum of the squares of their gains, in the mean over the integers.
    #[must_use]
    pub fn gains(&self, overflow: &Overflow) -> Vec<f64> {
        let mut squares = vec![0.0; self.plan.unit_depth() + 1];
        let bound = self.bound as i64;
        for integer in -bound..=bound {
            let u = self.plan.interval().to_unit(integer as f64);
            for rounding in self.plan.roundings(u) {
                squares[rounding.depth] += overflow.probability(integer) * rounding.gain.powi(2);
            }
        }
        squares.into_iter().map(f64::sqrt).collect()
    }

    /// Bits of the scales from the input to the result, of the given mean over the levels, so that roundings at all levels do equal
    /// harm: the least error that these bits of modulus can buy. The last one is that of the result.
    #[must_use]
    pub fn balanced_scales(&self, overflow: &Overflow, mean_bits: f64) -> Vec<f64> {
        let bits: Vec<f64> = self.gains(overflow).iter().map(|g| g.log2()).collect();
        let depth = self.plan.unit_depth();
        let mean = bits[..depth].iter().sum::<f64>() / depth.max(1) as f64;
        bits.iter().map(|b| mean_bits + b - mean).collect()
    }

    /// The errors of slots. Those of the coefficients are independent but for the mean of the fit: their deviation on a slot is
    /// `√N` times as large and its modulus has a Rayleigh distribution, while the mean `μ` reaches one slot with `2 N μ / π`.
    #[must_use]
    pub fn predict(&self, setting: ReductionSetting<'_>, message: Message) -> Prediction {
        let n = 2f64.powi(setting.log_n as i32);
        let spread = n.sqrt() * setting.ratio;
        let gains = self.gains(setting.overflow);
        let rounding = gains.iter().zip(setting.roundings);
        let rounding = spread * rounding.map(|(g, r)| (g * r).powi(2)).sum::<f64>().sqrt();
        let fit = self.fit_error(setting.overflow);
        let bias = setting.ratio * fit.mean.abs() * 2.0 * n / PI;
        let fit = spread * fit.rms;
        let sine = match message {
            Message::Constant => {
                setting.ratio * self.error_of(1.0 / setting.ratio, setting.overflow)
            }
            Message::Random if self.method.arcsine > 1 => 0.0,
            Message::Random => {
                // E[x⁶] = 15 deviations to the sixth.
                let deviation = (2.0 / (3.0 * n)).sqrt() / setting.ratio;
                spread * TAU.powi(2) / 6.0 * deviation.powi(3) * 15f64.sqrt()
            }
        };
        // Of each slot, and of all slots alike.
        let (own, all) = match message {
            Message::Constant => (0.0, sine),
            Message::Random => (sine, 0.0),
        };
        let deviation = (rounding.powi(2) + fit.powi(2) + own.powi(2)).sqrt();
        Prediction {
            rounding,
            fit,
            bias,
            sine,
            mean: (deviation * PI.sqrt() / 2.0).hypot(all),
            worst: all + bias + deviation * (n / 2.0).ln().sqrt(),
        }
    }
}
