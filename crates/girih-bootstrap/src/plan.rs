//! What a bootstrapping consists of, before any key exists: factors, levels, keys.

use std::collections::BTreeMap;

use girih_ckks::Params;
use girih_he::{KeyManifest, Level, Rotation, SlotValues};
use num_complex::Complex64;

use crate::embedding::{coefficients_to_slots, slots_to_coefficients};
use crate::factor::{Direction, Factor, Sequence};
use crate::{BootstrapSpec, Error, Matrix, Order, Result};

/// Stages, levels and keys of a bootstrapping.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapPlan {
    params: Params,
    spec: BootstrapSpec,
    to_coefficients: Vec<Factor>,
    to_slots: Vec<Factor>,
}

impl BootstrapPlan {
    /// The plan of a specification for a chain of its levels: from the top those of the transform to coefficients, those of
    /// the reduction, and, in the order [`Order::RaiseFirst`], those of the transform to slots; the rest belongs to the
    /// application.
    ///
    /// # Errors
    /// Slots that are no power of two up to N/2; a chain with too few levels; a weight of 0 or above N.
    pub fn try_new(params: &Params, spec: BootstrapSpec) -> Result<BootstrapPlan> {
        let (n, all) = (spec.slots, params.slots());
        if !n.is_power_of_two() || n > all {
            return Err(Error::Slots {
                slots: n,
                most: all,
            });
        }
        if spec.weight == 0 || spec.weight > params.n() {
            return Err(Error::Weight {
                weight: spec.weight,
                most: params.n(),
            });
        }
        let levels = usize::from(params.top().0);
        let refined = usize::from(spec.refinement.is_some());
        let depth = spec.reduction.plan.unit_depth();
        let needed = spec.to_coefficients.max(1) + depth + spec.to_slots.max(1) + 2 * refined + 1;
        if levels < needed {
            return Err(Error::TooFewLevels { levels, needed });
        }
        let mut plan = BootstrapPlan {
            params: params.clone(),
            to_coefficients: Vec::new(),
            to_slots: Vec::new(),
            spec,
        };
        plan.set_factors();
        Ok(plan)
    }

    fn set_factors(&mut self) {
        let (n, spec) = (self.spec.slots, &self.spec);
        let shared = self.shares_one_ciphertext();
        let mut first = slots_to_coefficients(n, spec.to_coefficients);
        let mut second = coefficients_to_slots(n, spec.to_slots);
        if shared {
            // Real parts in the first half of 2n slots, imaginary ones in the second, and back.
            let halves = |unit: Complex64| {
                let value = |i: usize| if i < n { Complex64::ONE } else { unit };
                Matrix::from_diagonal((0..2 * n).map(value).collect())
            };
            if let Some(last) = first.last_mut() {
                *last = halves(-Complex64::I).times(&last.repeated());
            }
            if let Some(next) = second.first_mut() {
                *next = next.repeated().times(&halves(Complex64::I));
            }
        }
        let (down, up) = self.scalings(first.len());
        let first = shared_out(first, down);
        let second = shared_out(second, up);
        let mut sequence = Sequence::new(spec.babies);
        let mut push = |matrices: Vec<Matrix>, direction, ends: bool| -> Vec<Factor> {
            let last = matrices.len() - 1;
            let each = matrices.iter().enumerate();
            each.map(|(k, m)| sequence.push(m, direction, ends && k == last))
                .collect()
        };
        (self.to_coefficients, self.to_slots) = match spec.order {
            Order::RaiseFirst => {
                let first = push(first, Direction::Right, false);
                (first, push(second, Direction::Left, true))
            }
            Order::SlotsFirst => {
                let second = push(second, Direction::Right, false);
                (push(first, Direction::Left, true), second)
            }
        };
    }

    /// Factors of the two transforms, the first one having `factors` factors.
    ///
    /// After raising, a slot holds `(m + q_0 I) / scale`; twice its real part is to be `x / radius` with `x = m / q_0 + I`, after
    /// a transform that lacks 1/n and a trace of `N / 2n` terms. The reduction leaves `m / q_0`, and the message is `m / scale(0)`.
    fn scalings(&self, factors: usize) -> (f64, f64) {
        let chain = self.params.chain();
        let q0 = chain.at(Level(0)).log_q.exp2();
        let radius = self.spec.reduction.plan.interval().radius();
        let raised = self.reduction_level() + factors;
        let down = chain.scale(level(raised)) / (2.0 * q0 * radius * self.params.slots() as f64);
        let up = q0 / chain.scale(Level(0));
        match self.spec.order {
            Order::RaiseFirst => (down, up),
            // The whole powers of two follow at the end.
            Order::SlotsFirst => (down, up / f64::from(self.ratio_bits()).exp2()),
        }
    }

    /// `log2(q_0 / scale(0))`, rounded.
    pub(crate) fn ratio_bits(&self) -> u32 {
        let chain = self.params.chain();
        let ratio = chain.at(Level(0)).log_q - chain.scale(Level(0)).log2();
        ratio.round() as u32
    }

    /// Whether real and imaginary parts of the coefficients lie in one ciphertext.
    pub(crate) fn shares_one_ciphertext(&self) -> bool {
        self.spec.order == Order::RaiseFirst && self.spec.slots < self.params.slots()
    }

    /// Whether the imaginary parts are reduced in a ciphertext of their own.
    pub(crate) fn reduces_imaginary_parts(&self) -> bool {
        match self.spec.order {
            Order::RaiseFirst => !self.shares_one_ciphertext(),
            Order::SlotsFirst => self.spec.values == SlotValues::Complex,
        }
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The specification.
    #[must_use]
    pub fn spec(&self) -> &BootstrapSpec {
        &self.spec
    }

    pub(crate) fn to_coefficients(&self) -> &[Factor] {
        &self.to_coefficients
    }

    pub(crate) fn to_slots(&self) -> &[Factor] {
        &self.to_slots
    }

    /// Rotations of the trace, which keeps the part of a polynomial that repeats in the slots.
    pub(crate) fn trace(&self) -> impl Iterator<Item = Rotation> + use<> {
        let all = self.params.slots();
        std::iter::successors(Some(self.spec.slots), |r| Some(2 * r))
            .take_while(move |r| *r < all)
            .map(|r| Rotation(r as i32))
    }

    /// The level at which the reduction begins.
    pub(crate) fn reduction_level(&self) -> usize {
        usize::from(self.params.top().0) - self.spec.to_coefficients
    }

    /// The level that the modulus is raised to.
    #[must_use]
    pub fn raised_level(&self) -> Level {
        level(self.reduction_level() + self.to_coefficients.len())
    }

    /// The level at which the transform to slots begins.
    pub(crate) fn to_slots_level(&self) -> Level {
        let end = match self.spec.order {
            Order::RaiseFirst => self.once_level(),
            Order::SlotsFirst => 0,
        };
        level(end + self.to_slots.len())
    }

    /// The level of one bootstrapping without refinement.
    fn once_level(&self) -> usize {
        let reduced = self.reduction_level() - self.spec.reduction.plan.unit_depth();
        match self.spec.order {
            Order::RaiseFirst => reduced - self.spec.to_slots,
            Order::SlotsFirst => reduced,
        }
    }

    /// The level that a bootstrapping begins at; a ciphertext from above is lowered to it.
    #[must_use]
    pub fn input_level(&self) -> Level {
        let first = match self.spec.order {
            Order::RaiseFirst => 0,
            Order::SlotsFirst => self.to_slots.len(),
        };
        level(first + usize::from(self.spec.refinement.is_some()))
    }

    /// The level of a bootstrapped ciphertext.
    #[must_use]
    pub fn output_level(&self) -> Level {
        level(self.once_level() - usize::from(self.spec.refinement.is_some()))
    }

    /// Levels left to the application: those between input and output.
    #[must_use]
    pub fn levels_left(&self) -> usize {
        usize::from(self.output_level().0.saturating_sub(self.input_level().0))
    }

    /// Largest modulus of a value that is bootstrapped rightly: its coefficients lie within the radius of the reduction even
    /// if all slots are equal.
    #[must_use]
    pub fn message_bound(&self) -> f64 {
        let chain = self.params.chain();
        let ratio = chain.at(Level(0)).log_q.exp2() / chain.scale(Level(0));
        self.spec.reduction.radius * ratio
    }

    /// log2 of a bound of the probability that a bootstrapping fails because an integer exceeds the bound of the reduction.
    ///
    /// # Errors
    /// A weight for which the distribution is not computed.
    pub fn failure_log2(&self) -> Result<f64> {
        self.spec.failure_log2(self.params.log_n())
    }

    /// The evaluation keys, each with the highest level at which it is used.
    #[must_use]
    pub fn manifest(&self) -> KeyManifest {
        let slots = self.params.slots();
        let mut rotations: BTreeMap<Rotation, Level> = BTreeMap::new();
        let mut need = |rotation: Rotation, level: Level| {
            let at = rotations.entry(rotation.normalized(slots)).or_insert(level);
            *at = (*at).max(level);
        };
        for (factors, top) in [
            (&self.to_coefficients, self.raised_level()),
            (&self.to_slots, self.to_slots_level()),
        ] {
            for (factor, level) in factors.iter().zip(downwards(top)) {
                factor
                    .rotations(self.spec.giants)
                    .for_each(|r| need(Rotation(r as i32), level));
            }
        }
        self.trace().for_each(|r| need(r, self.raised_level()));
        if self.shares_one_ciphertext() {
            need(Rotation(self.spec.slots as i32), level(self.once_level()));
        }
        let reduction = level(self.reduction_level());
        KeyManifest {
            relinearization: Some(reduction),
            rotations,
            conjugation: Some(reduction),
        }
    }
}

/// Levels from `top` down.
pub(crate) fn downwards(top: Level) -> impl Iterator<Item = Level> {
    (0..=top.0).rev().map(Level)
}

/// The matrices times `total` in equal shares.
fn shared_out(matrices: Vec<Matrix>, total: f64) -> Vec<Matrix> {
    let share = total.powf(1.0 / matrices.len() as f64);
    matrices.into_iter().map(|m| m.scaled(share)).collect()
}

/// A level of the chain, which has at most 128.
fn level(l: usize) -> Level {
    Level(l as u8)
}
