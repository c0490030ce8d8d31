//! Scales for the levels of a reduction: the fewest bits, or the fewest primes.

use super::ModularReduction;
use crate::overflow::Overflow;
use crate::{Error, Result};

/// Scales tried, in bits, and the least that a level consumes.
const SCALES: std::ops::RangeInclusive<i32> = 48..=84;
const LEAST_CONSUMED: i32 = 36;
/// States whose error is larger by less than this are not kept beside each other.
const SAME: f64 = 1.02;

/// What a chain for a reduction is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaleTarget {
    /// `N = 2^log_n` coefficients.
    pub log_n: u32,
    /// `q₀` divided by the scale of the message.
    pub ratio: f64,
    /// The deviation of a rounding on a slot of integers ([`rounding_deviation`](super::rounding_deviation)).
    pub rounding: f64,
    /// The largest deviation of the roundings' error on a slot of the message.
    pub error: f64,
    /// Bits up to which a level consumes one prime; it consumes two of them at most.
    pub single_bits: u8,
}

/// Scales of all levels of a reduction.
#[derive(Clone, Debug, PartialEq)]
pub struct Scales {
    /// Bits of the scales, that of the input first, that of the result last.
    pub bits: Vec<u8>,
    /// Primes consumed.
    pub primes: usize,
    /// The sum of all bits but the last: what the chain consumes, up to what linear levels before and after make up for.
    pub cost: u32,
    /// The deviation of the roundings' error on a slot.
    pub error: f64,
}

/// A way to a level.
#[derive(Clone)]
struct State {
    bits: Vec<u8>,
    primes: usize,
    cost: u32,
    square: f64,
}

impl ModularReduction {
    /// The scales of least cost for each number of primes for which more primes cost less, the fewest primes first.
    ///
    /// Level `k` consumes `2 s_k - s_(k+1)` bits. The first scale comes from a linear level and the last one goes to one, which
    /// consume what their constants need whatever the scale, so that the sum over the levels is what counts; and where
    /// scales go up and down by turns, every other level gets by with one prime.
    ///
    /// # Errors
    /// [`Error::Depth`] if no scales up to 84 bits reach the error, with a bound of what they reach.
    pub fn scales(&self, overflow: &Overflow, target: ScaleTarget) -> Result<Vec<Scales>> {
        let spread = 2f64.powi(target.log_n as i32).sqrt() * target.ratio * target.rounding;
        let gains = self.gains(overflow);
        let square = |k: usize, s: i32| (spread * gains[k] / f64::from(s).exp2()).powi(2);
        let limit = target.error.powi(2);
        let single = i32::from(target.single_bits);
        let start = |s: i32| State {
            bits: vec![s as u8],
            primes: 0,
            cost: 0,
            square: square(0, s),
        };
        let mut states: Vec<Vec<State>> = SCALES.map(|s| vec![start(s)]).collect();
        for k in 1..gains.len() {
            let reach = |next: i32| {
                let mut found = Vec::new();
                for (s, states) in SCALES.zip(&states) {
                    let consumed = 2 * s - next;
                    if !(LEAST_CONSUMED..=2 * single).contains(&consumed) {
                        continue;
                    }
                    for state in states {
                        let square = state.square + square(k, next);
                        if square <= limit {
                            let mut bits = state.bits.clone();
                            bits.push(next as u8);
                            found.push(State {
                                bits,
                                primes: state.primes + 1 + usize::from(consumed > single),
                                cost: state.cost + s as u32,
                                square,
                            });
                        }
                    }
                }
                best(found)
            };
            states = SCALES.map(reach).collect();
        }
        let mut chosen: Vec<Scales> = Vec::new();
        let mut all: Vec<State> = states.into_iter().flatten().collect();
        all.sort_by(|a, b| {
            (a.primes, a.cost)
                .cmp(&(b.primes, b.cost))
                .then(a.square.total_cmp(&b.square))
        });
        for state in all {
            if chosen.last().is_none_or(|last| state.cost < last.cost) {
                chosen.push(Scales {
                    bits: state.bits,
                    primes: state.primes,
                    cost: state.cost,
                    error: state.square.sqrt(),
                });
            }
        }
        if chosen.is_empty() {
            let most = f64::from(*SCALES.end()).exp2();
            let sum: f64 = gains.iter().map(|g| g * g).sum();
            return Err(Error::Depth {
                target: target.error,
                depth: gains.len() - 1,
                reached: spread * sum.sqrt() / most,
                needed: None,
            });
        }
        Ok(chosen)
    }
}

/// Those that no other beats in primes, cost and error.
fn best(mut states: Vec<State>) -> Vec<State> {
    states.sort_by(|a, b| {
        (a.primes, a.cost)
            .cmp(&(b.primes, b.cost))
            .then(a.square.total_cmp(&b.square))
    });
    let mut kept: Vec<State> = Vec::new();
    for state in states {
        let beaten = |k: &State| k.cost <= state.cost && k.square <= state.square * SAME;
        if !kept.iter().any(beaten) {
            kept.push(state);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trigonometric::{Message, ModularMethod, ReductionSetting, rounding_deviation};

    #[test]
    fn fewer_primes_cost_few_bits() {
        let overflow = Overflow::sparse(32).unwrap();
        let method = ModularMethod::default();
        let r = ModularReduction::weighted(&overflow, 15, 1.1 / 256.0, method).unwrap();
        let target = ScaleTarget {
            log_n: 16,
            ratio: 256.0,
            rounding: rounding_deviation(16),
            error: 2f64.powi(-23),
            single_bits: 49,
        };
        let found = r.scales(&overflow, target).unwrap();
        let (few, many) = (&found[0], &found[found.len() - 1]);
        assert!(few.primes <= 11 && few.cost <= 495, "{few:?}");
        assert!(many.primes <= 16 && many.cost <= 461, "{many:?}");
        for pair in found.windows(2) {
            assert!(pair[0].primes < pair[1].primes && pair[0].cost > pair[1].cost);
        }
        for scales in &found {
            // Consistent with the chain's rule and the prediction.
            let bits: Vec<i32> = scales.bits.iter().map(|&b| b.into()).collect();
            let consumed: Vec<i32> = bits.windows(2).map(|w| 2 * w[0] - w[1]).collect();
            assert!(consumed.iter().all(|&c| (LEAST_CONSUMED..=98).contains(&c)));
            let primes: usize = consumed.iter().map(|&c| 1 + usize::from(c > 49)).sum();
            assert_eq!(primes, scales.primes);
            assert_eq!(bits[..8].iter().sum::<i32>(), scales.cost as i32);
            let roundings: Vec<f64> = bits
                .iter()
                .map(|&b| target.rounding / f64::from(b).exp2())
                .collect();
            let setting = ReductionSetting {
                log_n: 16,
                ratio: 256.0,
                overflow: &overflow,
                roundings: &roundings,
            };
            let predicted = r.predict(setting, Message::Random).rounding;
            assert!((predicted / scales.error - 1.0).abs() < 1e-9 && predicted <= target.error);
        }
        // No equal scales of so few bits are as good.
        let even = |bits: f64| 8.0 * bits;
        assert!(f64::from(many.cost) < even(59.0));
        let impossible = ScaleTarget {
            error: 2f64.powi(-60),
            ..target
        };
        assert!(matches!(
            r.scales(&overflow, impossible),
            Err(Error::Depth { .. })
        ));
    }
}
