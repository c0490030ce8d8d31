//! Wider ranges at two levels and two products for a factor of 3/2: domain extension polynomials.
//!
//! Cheon, Kim, Kim, Lee and Lee ("Efficient homomorphic evaluation on large intervals", IEEE TIFS 17, 2022) put
//! `x - 4/27 x³` before a function that levels off: it keeps small `x` nearly as they are and folds `[-3/2, 3/2]`, where
//! there is little to see, into `[-1, 1]`. In proportion to its range the step is `t -> (3t - t³)/2`, `n` times, and the
//! range grows by `(3/2)ⁿ`. A single polynomial needs a degree in proportion to the range, so its products grow with
//! the root of the range and those of the steps with its logarithm; its levels grow more slowly than theirs. For the
//! logistic function on ±100, 6 steps and degree 15 (16 levels, 20 products) miss by 0.002, degree 127 (7 levels,
//! 23 products) by 0.011; on ±1000, 12 steps and degree 15 (28 levels, 32 products) by 0.0009, degree 127 by 0.31.
//!
//! The step is increasing, and with `t = 2 sin θ` it gives `sin 3θ`: so it has an inverse in closed form, and the
//! polynomial behind the steps is fitted to the function of the undistorted input ([`DomainExtension::fit`]). There the
//! published method corrects the largest part of the distortion; here none is left.

use crate::chebyshev::interpolate;
use crate::evaluation::{Step, ValueId};
use crate::{Error, EvaluationPlan, Interval, Polynomial, Result};

/// Factor of the range for each step: the slope of `(3t - t³)/2` at zero.
pub const FACTOR: f64 = 1.5;
/// Most steps: a range a thousand times as wide.
const MOST_STEPS: usize = 17;

/// `n` steps `t -> (3t - t³)/2` from the position `t` in an interval.
///
/// ```
/// use girih_polyfit::{Function, Interval};
/// use girih_polyfit::extension::DomainExtension;
///
/// let wide = DomainExtension::new(Interval::symmetric(100.0)?, 6)?;
/// let plan = wide.fit(|x| Function::Sigmoid.eval(x), 15)?;
/// for x in [-100.0, -30.0, -4.0, 0.5, 9.0, 77.0] {
///     assert!((plan.eval(x) - Function::Sigmoid.eval(x)).abs() < 0.01);
/// }
/// # Ok::<(), girih_polyfit::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DomainExtension {
    interval: Interval,
    steps: usize,
}

impl DomainExtension {
    /// Steps on an interval, symmetric about its centre.
    ///
    /// # Errors
    /// No step, or more than 17 (a range a thousand times as wide).
    pub fn new(interval: Interval, steps: usize) -> Result<Self> {
        if !(1..=MOST_STEPS).contains(&steps) {
            return Err(Error::Parameter {
                name: "steps",
                value: steps as f64,
                lo: 1.0,
                hi: MOST_STEPS as f64,
            });
        }
        Ok(DomainExtension { interval, steps })
    }

    /// The interval.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The number of steps; two levels and two products each.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// `(3/2)ⁿ`: the range in proportion to the part around its centre that is kept.
    #[must_use]
    pub fn factor(&self) -> f64 {
        FACTOR.powi(self.steps as i32)
    }

    /// From `x` in the interval to `t` in `[-1, 1]`.
    #[must_use]
    pub fn apply(&self, x: f64) -> f64 {
        let t = self.interval.to_unit(x);
        (0..self.steps).fold(t, |t, _| t * (3.0 - t * t) / 2.0)
    }

    /// From `t` in `[-1, 1]` to `x` in the interval: `t -> 2 sin(asin(t)/3)`, `n` times. Within about `√ε` of the ends
    /// the last digits of `t` decide, since the step is flat there.
    #[must_use]
    pub fn invert(&self, t: f64) -> f64 {
        let step = |t: f64, _| 2.0 * (t.clamp(-1.0, 1.0).asin() / 3.0).sin();
        self.interval.from_unit((0..self.steps).fold(t, step))
    }

    /// The steps alone, as the beginning of a plan: from `u` to `t`.
    ///
    /// # Errors
    /// None for steps that [`new`](Self::new) admits.
    pub fn prefix(&self) -> Result<EvaluationPlan> {
        let mut plan = EvaluationPlan::new(self.interval);
        self.push(&mut plan)?;
        Ok(plan)
    }

    fn push(&self, plan: &mut EvaluationPlan) -> Result<ValueId> {
        let step = Polynomial::power(Interval::UNIT, [0.0, 1.5, 0.0, -0.5])?;
        let mut t = plan.input();
        for _ in 0..self.steps {
            t = plan.push_polynomial(t, step.clone())?;
        }
        Ok(t)
    }

    /// A plan for a function that levels off at both ends of the interval: a polynomial of the given degree in `t`. The
    /// error is that of interpolating `f(x(t))`, which has roots at the ends of `[-1, 1]` where `f` is not flat.
    ///
    /// # Errors
    /// A degree of 0 or above the largest, or a function that is not finite at a node.
    pub fn fit(&self, f: impl Fn(f64) -> f64, degree: usize) -> Result<EvaluationPlan> {
        let mut plan = EvaluationPlan::new(self.interval);
        let t = self.push(&mut plan)?;
        let polynomial = interpolate(|t| f(self.invert(t)), Interval::UNIT, degree)?;
        plan.push_polynomial(t, polynomial)?;
        Ok(plan)
    }

    /// A plan for `x · gate(x)` with a gate that levels off: gelu (gate `Φ`), silu (the logistic function), relu-like
    /// functions. One level more; the error is `|x|` times that of the gate.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_gated(&self, gate: impl Fn(f64) -> f64, degree: usize) -> Result<EvaluationPlan> {
        let (center, radius) = (self.interval.center(), self.interval.radius());
        let mut plan = self.fit(|x| radius * gate(x), degree)?;
        let gate = plan.output();
        let input = if center == 0.0 {
            plan.input()
        } else {
            plan.push_affine(vec![(plan.input(), 1.0)], center / radius)
        };
        plan.push_product(gate, input);
        Ok(plan)
    }

    /// A plan made for a smaller range, after the steps: it holds its function, distorted, on a range `factor` times as
    /// wide as its own. With the distance `d` from the centre and the radius `B` of the plan's own interval, the argument is
    /// off by at most `4/15 d³/B²` for `d <= B`, and stays inside the interval for all `d` up to `factor · B`.
    ///
    /// # Errors
    /// No step or too many.
    pub fn before(plan: &EvaluationPlan, steps: usize) -> Result<EvaluationPlan> {
        let inner = plan.interval();
        let reach = FACTOR.powi(steps.min(MOST_STEPS + 1) as i32) * inner.radius();
        let interval = Interval::try_new(inner.center() - reach, inner.center() + reach)?;
        let mut extended = EvaluationPlan::new(interval);
        let mut values = vec![Self::new(interval, steps)?.push(&mut extended)?];
        for step in plan.steps() {
            let at = |v: &ValueId| values[v.index()];
            let value = match step {
                Step::Polynomial { of, polynomial, .. } => {
                    extended.push_polynomial(at(of), polynomial.clone())?
                }
                Step::Product(v, w) => extended.push_product(at(v), at(w)),
                Step::Affine { terms, constant } => {
                    let terms = terms.iter().map(|(v, c)| (at(v), *c)).collect();
                    extended.push_affine(terms, *constant)
                }
            };
            values.push(value);
        }
        Ok(extended)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Function, erf};
    use proptest::prelude::*;

    fn worst(plan: &EvaluationPlan, f: impl Fn(f64) -> f64) -> f64 {
        (0..=20_000).fold(0.0, |worst: f64, k| {
            let x = plan.interval().from_unit(f64::from(k) / 10_000.0 - 1.0);
            worst.max((plan.eval(x) - f(x)).abs())
        })
    }

    /// `x - 4/27 x³` on `[-3/2, 3/2]`, as published.
    #[test]
    fn one_step_is_the_published_polynomial() {
        let i = Interval::symmetric(1.5).unwrap();
        let plan = DomainExtension::new(i, 1).unwrap().prefix().unwrap();
        for k in -15..=15 {
            let x = f64::from(k) / 10.0;
            assert!((plan.eval(x) - (x - 4.0 / 27.0 * x.powi(3))).abs() < 1e-15);
        }
        assert_eq!((plan.unit_depth(), plan.counts().products), (2, 2));
    }

    /// The saturating functions of networks on wide ranges: an error that a single polynomial of the same number of
    /// products does not come near.
    #[test]
    fn wide_ranges_at_few_products() {
        let erf_gate = |x: f64| (1.0 + erf(x / 2f64.sqrt())) / 2.0;
        let sigmoid = |x: f64| Function::Sigmoid.eval(x);
        for (bound, steps, products, largest, single) in [
            (50.0, 4, 16, 4e-3, 1e-4),
            (100.0, 6, 20, 2.1e-3, 0.01),
            (1000.0, 12, 32, 1e-3, 0.3),
        ] {
            let i = Interval::symmetric(bound).unwrap();
            let wide = DomainExtension::new(i, steps).unwrap();
            let plan = wide.fit(sigmoid, 15).unwrap();
            assert_eq!(plan.counts().products, products);
            assert!(
                worst(&plan, sigmoid) < largest,
                "{bound}: {}",
                worst(&plan, sigmoid)
            );
            let polynomial = interpolate(sigmoid, i, 127).unwrap();
            let polynomial = EvaluationPlan::polynomial(&polynomial).unwrap();
            assert_eq!(polynomial.counts().products, 23);
            assert!(worst(&polynomial, sigmoid) > single);
        }
        let i = Interval::try_new(-30.0, 20.0).unwrap();
        let wide = DomainExtension::new(i, 4).unwrap();
        let plan = wide.fit_gated(erf_gate, 31).unwrap();
        let e = worst(&plan, |x| Function::Gelu.eval(x));
        assert!(e < 1e-4, "{e}");
        assert_eq!(plan.unit_depth(), 2 * 4 + 5 + 1);
    }

    #[test]
    fn a_plan_for_a_smaller_range_is_extended() {
        let i = Interval::symmetric(8.0).unwrap();
        let fitted = interpolate(f64::tanh, i, 31).unwrap();
        let inner = EvaluationPlan::polynomial(&fitted).unwrap();
        let wide = DomainExtension::before(&inner, 3).unwrap();
        assert_eq!(wide.interval().hi(), 27.0);
        assert_eq!(wide.unit_depth(), inner.unit_depth() + 6);
        for k in 0..=270 {
            let x = 0.1 * f64::from(k);
            // The slope of tanh bounds what the distortion does.
            let distortion = if x < 8.0 {
                4.0 / 15.0 * x.powi(3) / 64.0
            } else {
                0.0
            };
            let moved = f64::tanh(x) - f64::tanh(x - distortion);
            let bound = worst(&inner, f64::tanh) + moved;
            assert!((wide.eval(x) - x.tanh()).abs() < bound, "{x}");
            assert!((wide.eval(-x) + x.tanh()).abs() < bound, "{x}");
        }
    }

    #[test]
    fn misuse_is_refused() {
        assert!(DomainExtension::new(Interval::UNIT, 0).is_err());
        assert!(DomainExtension::new(Interval::UNIT, 18).is_err());
        let plan = EvaluationPlan::new(Interval::UNIT);
        assert!(DomainExtension::before(&plan, 0).is_err());
        assert!(DomainExtension::before(&plan, usize::MAX).is_err());
        let wide = DomainExtension::new(Interval::UNIT, 2).unwrap();
        assert!(matches!(wide.fit(f64::ln, 5), Err(Error::NotFinite { .. })));
        assert!(matches!(wide.fit(f64::exp, 0), Err(Error::Degree { .. })));
    }

    proptest! {
        #[test]
        fn the_inverse_inverts(lo in -50.0..0.0f64, length in 1.0..80.0f64, steps in 1usize..10, s in -0.999..0.999f64) {
            let wide = DomainExtension::new(Interval::try_new(lo, lo + length).unwrap(), steps).unwrap();
            let x = wide.interval().from_unit(s);
            let t = wide.apply(x);
            prop_assert!(t.abs() <= 1.0);
            // Where t is flat, only t is determined.
            prop_assert!((wide.apply(wide.invert(t)) - t).abs() < 1e-12);
            prop_assert!((wide.prefix().unwrap().eval(x) - t).abs() < 1e-12);
        }
    }
}
