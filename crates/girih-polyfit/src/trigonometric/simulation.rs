//! Reductions of random coefficients with random roundings, seen on slots: what the predictions say, without encryption.
#![allow(clippy::unwrap_used)]

use std::f64::consts::PI;

use super::*;

/// Numbers of a generator by Steele, Lea and Flood (2014): splitmix64.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / 2f64.powi(64) - 0.5
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum()
    }

    /// A sum of uniform numbers, rounded.
    fn overflow(&mut self, weight: usize) -> f64 {
        (0..weight).map(|_| self.uniform()).sum::<f64>().round()
    }
}

type Complex = (f64, f64);

fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// `Σ a_k w^(jk)` with `w = exp(2πi / n)`, in the order of `j`.
fn fourier(a: &[Complex]) -> Vec<Complex> {
    let n = a.len();
    if n == 1 {
        return a.to_vec();
    }
    let half = |odd: usize| fourier(&a.iter().skip(odd).step_by(2).copied().collect::<Vec<_>>());
    let (even, odd) = (half(0), half(1));
    let turned = |j: usize| {
        let angle = 2.0 * PI * j as f64 / n as f64;
        times((angle.cos(), angle.sin()), odd[j % (n / 2)])
    };
    (0..n)
        .map(|j| {
            (
                even[j % (n / 2)].0 + turned(j).0,
                even[j % (n / 2)].1 + turned(j).1,
            )
        })
        .collect()
}

/// `|m(ζ)|` at all primitive roots of order `2n`.
fn slots(coefficients: &[f64]) -> Vec<f64> {
    let n = coefficients.len() as f64;
    let twisted: Vec<Complex> = (coefficients.iter().enumerate())
        .map(|(k, m)| (m * (PI * k as f64 / n).cos(), m * (PI * k as f64 / n).sin()))
        .collect();
    fourier(&twisted).iter().map(|z| z.0.hypot(z.1)).collect()
}

/// Mean and largest error of a slot.
fn simulated(
    reduction: &ModularReduction,
    setting: ReductionSetting<'_>,
    message: &[f64],
    random: &mut Random,
) -> (f64, f64) {
    let interval = reduction.plan.interval();
    let errors: Vec<f64> = message
        .iter()
        .map(|m| {
            let e = m / setting.ratio;
            let x = random.overflow(setting.overflow.weight()) + e;
            let mut rounding = |depth: usize| setting.roundings[depth] * random.normal();
            let found = reduction
                .plan
                .eval_rounded(interval.to_unit(x), &mut rounding);
            setting.ratio * (found - e)
        })
        .collect();
    let slots = slots(&errors);
    let mean = slots.iter().sum::<f64>() / slots.len() as f64;
    (mean, slots.iter().copied().fold(0.0, f64::max))
}

#[test]
fn predictions_hold() {
    let log_n = 12;
    let n = 1usize << log_n;
    let overflow = Overflow::sparse(32).unwrap();
    let ratio = 256.0;
    let radius = 1.1 / ratio;
    let mut random = Random(7);
    let method = |degree, doublings| ModularMethod {
        degree,
        doublings,
        arcsine: 1,
    };
    let mut constant = vec![0.0; n];
    constant[0] = 1.0;
    let scatter: Vec<f64> = (0..n)
        .map(|_| random.normal() * (2.0 / (3.0 * n as f64)).sqrt())
        .collect();
    // Coarse roundings and fine ones, so that each kind of error dominates once.
    for (method, weighted, rounding) in [
        (method(28, 3), true, -44.0),
        (method(28, 3), true, -60.0),
        (method(24, 3), true, -60.0),
        (method(14, 4), true, -60.0),
        (method(30, 3), false, -60.0),
        (method(30, 3), false, -44.0),
    ] {
        let reduction = if weighted {
            ModularReduction::weighted(&overflow, 15, radius, method)
        } else {
            ModularReduction::new(15, radius, method)
        };
        let reduction = reduction.unwrap();
        let roundings = vec![2f64.powf(rounding); reduction.plan.unit_depth() + 1];
        let setting = ReductionSetting {
            log_n,
            ratio,
            overflow: &overflow,
            roundings: &roundings,
        };
        for (kind, message) in [(Message::Random, &scatter), (Message::Constant, &constant)] {
            let predicted = reduction.predict(setting, kind);
            let (mean, worst) = simulated(&reduction, setting, message, &mut random);
            let at = format!("{method:?} {rounding} {kind:?}: {mean:e} {worst:e} {predicted:?}");
            let biased = predicted.bias > predicted.mean;
            let within = |a: f64, b: f64, over: f64, under: f64| a < b * over && b < a * under;
            // Where the fit dominates, so do rare integers: fewer coefficients than their inverse probability see less.
            let rare = if predicted.fit > predicted.rounding {
                2.0
            } else {
                1.2
            };
            assert!(biased || within(mean, predicted.mean, 1.2, rare), "{at}");
            assert!(within(worst, predicted.worst, 1.4, 1.2 * rare), "{at}");
        }
    }
}

/// Whatever the message, its sine is no further from it in any slot than a constant's.
#[test]
fn no_message_is_worse_than_a_constant() {
    let n = 1usize << 8;
    let ratio = 256.0;
    let lost = |m: f64| ratio * (m / ratio - (TAU * m / ratio).sin() / TAU);
    let constant = lost(1.0);
    let mut random = Random(3);
    let mut messages: Vec<Vec<f64>> = (1..40)
        .map(|count| {
            let mut m = vec![0.0; n];
            for k in 0..count {
                m[(k * 37 + count) % n] = random.normal();
            }
            m
        })
        .collect();
    messages.push(vec![1.0; n]);
    messages.push((0..n).map(|k| (1.0 + k as f64).recip()).collect());
    messages.push((0..n).map(|_| random.normal()).collect());
    for mut message in messages {
        let largest = slots(&message).into_iter().fold(0.0, f64::max);
        message.iter_mut().for_each(|m| *m /= largest);
        assert!(message.iter().map(|m| m * m).sum::<f64>() <= 1.0 + 1e-12);
        let errors: Vec<f64> = message.iter().map(|&m| lost(m)).collect();
        let worst = slots(&errors).into_iter().fold(0.0, f64::max);
        assert!(worst <= constant * (1.0 + 1e-12), "{worst:e} {constant:e}");
        let bound: f64 = errors.iter().map(|e| e.abs()).sum();
        assert!(worst <= bound * (1.0 + 1e-12) && bound <= constant * 1.001);
    }
}
