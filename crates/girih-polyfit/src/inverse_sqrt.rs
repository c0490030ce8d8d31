//! `1/√x` and `√x` on a positive range, by a fitted polynomial and relaxed Newton steps.
//!
//! With `w = √x y(x)` the relative error of `y` is `1 - w`. A polynomial `y = p(x)` gives the odd polynomial
//! `w p(w²)` of `w = √x`: fitting `1/√x` is approximating the sign function on `[√lo, √hi]`, and Newton's step
//! `y ← y (3 - x y²) / 2` is the composition with the cubic `w (3 - w²) / 2`. As for composite sign functions (Cheon,
//! Kim, Kim 2020; Lee et al. 2021) the best cubic on the interval that `w` is known to fill converges faster:
//!
//! ```text
//! y ← y (a - b x y²),   a / b = h² + h l + l² for w ∈ [l, h],   b so that the error is the same on both sides
//! ```
//!
//! A step takes two levels and three products: `y²` and `(b x) y` in one, their product and `a y` in the other.
//! One polynomial of degree `d` costs `⌈log₂(d + 1)⌉` levels, and no composition beats it in depth; steps save
//! products, and reach ranges for which the degree of one polynomial is too large. [`InverseSqrt::for_error`] tries all.
//! Goldschmidt's coupled form (`x y` and `y / 2` improved together) needs the same levels and products but one level
//! more for its first `x y`, and does not correct rounding errors; so it is not used.

use std::fmt;

use crate::reciprocal::{check_target, price};
use crate::relative::Relative;
use crate::{Dd, Error, EvaluationPlan, Interval, Polynomial, Result};

/// Most Newton steps.
pub const MAX_STEPS: usize = 24;
/// Most levels of one polynomial: degree 255.
const MAX_START_DEPTH: usize = 8;
/// How an inverse square root is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InverseSqrtMethod {
    /// Degree of the polynomial at the start.
    pub degree: usize,
    /// Newton steps after it.
    pub steps: usize,
}

impl fmt::Display for InverseSqrtMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps {
            0 => write!(f, "minimax of degree {}", self.degree),
            steps => write!(f, "degree {} and {steps} Newton steps", self.degree),
        }
    }
}

/// A plan for `numerator / √x` with its error.
#[derive(Clone, Debug, PartialEq)]
pub struct InverseSqrt {
    /// The plan, on the range.
    pub plan: EvaluationPlan,
    /// A bound of `|1 - √x y / numerator|` over the range, in exact arithmetic.
    pub relative_error: f64,
    /// How it computes.
    pub method: InverseSqrtMethod,
}

impl InverseSqrt {
    /// The plan of least depth, then fewest products, whose relative error is at most `target`.
    ///
    /// # Errors
    /// The range reaches zero; a target that is not positive, below the precision of doubles, or not reached; a
    /// numerator that is not positive and finite.
    ///
    /// ```
    /// use girih_polyfit::{Interval, inverse_sqrt::InverseSqrt};
    /// let root = InverseSqrt::for_error(Interval::try_new(0.1, 10.0)?, 1.0, 1e-3)?;
    /// assert!((root.plan.eval(4.0) - 0.5).abs() < 5e-4);
    /// # Ok::<(), girih_polyfit::Error>(())
    /// ```
    pub fn for_error(range: Interval, numerator: f64, target: f64) -> Result<Self> {
        check(range, numerator)?;
        check_target(target)?;
        let starts = inverse_roots(range);
        search(target, |degree, steps| {
            Self::from_start(
                &starts,
                range,
                numerator,
                InverseSqrtMethod { degree, steps },
            )
        })
    }

    /// A start of the given degree, then the given number of relaxed Newton steps.
    ///
    /// # Errors
    /// The range reaches zero; a degree of 0 or above the largest; more than [`MAX_STEPS`] steps; a numerator that is
    /// not positive and finite; a start that is not positive on the range (give it a larger degree).
    pub fn with_method(range: Interval, numerator: f64, method: InverseSqrtMethod) -> Result<Self> {
        check(range, numerator)?;
        if method.steps > MAX_STEPS {
            return Err(Error::Iterations {
                iterations: method.steps,
                max: MAX_STEPS,
            });
        }
        Self::from_start(&inverse_roots(range), range, numerator, method)
    }

    fn from_start(
        starts: &Relative<impl Fn(f64) -> f64, impl Fn(Dd) -> Dd>,
        range: Interval,
        numerator: f64,
        method: InverseSqrtMethod,
    ) -> Result<Self> {
        let (start, mut error) = starts.fit(method.degree)?;
        let unit = |p: &Polynomial, scale: f64| {
            let c: Vec<f64> = p.coefficients().iter().map(|c| c * scale).collect();
            Polynomial::chebyshev(Interval::UNIT, c)
        };
        // With y = numerator · true y, the step's b shrinks by numerator².
        let mut plan = EvaluationPlan::new(range);
        let u = plan.input();
        let mut y = plan.push_polynomial(u, unit(&start, numerator)?)?;
        for _ in 0..method.steps {
            let cubic = Cubic::on(1.0 - error, 1.0 + error);
            let b = cubic.b / (numerator * numerator);
            let bx = plan.push_affine(vec![(u, b * range.radius())], b * range.center());
            let square = plan.push_product(y, y);
            let line = plan.push_product(bx, y);
            let scaled = plan.push_affine(vec![(y, cubic.a)], 0.0);
            let cube = plan.push_product(square, line);
            y = plan.push_affine(vec![(scaled, 1.0), (cube, -1.0)], 0.0);
            error = cubic.error;
        }
        Ok(InverseSqrt {
            plan,
            relative_error: error,
            method,
        })
    }
}

/// A plan for `√x` with its error.
#[derive(Clone, Debug, PartialEq)]
pub struct Sqrt {
    /// The plan, on the range.
    pub plan: EvaluationPlan,
    /// A bound of `|1 - y / √x|` over the range, in exact arithmetic.
    pub relative_error: f64,
    /// How `1/√x` is computed before the product with `x`; without Newton steps the degree is that of one polynomial
    /// for `√x`.
    pub method: InverseSqrtMethod,
}

impl Sqrt {
    /// The plan of least depth, then fewest products, whose relative error is at most `target`: one polynomial, or
    /// `x · 1/√x`.
    ///
    /// # Errors
    /// As [`InverseSqrt::for_error`].
    pub fn for_error(range: Interval, target: f64) -> Result<Self> {
        check(range, 1.0)?;
        check_target(target)?;
        let roots = Relative::new(range, f64::sqrt, Dd::sqrt);
        let inverse = inverse_roots(range);
        search(target, |degree, steps| {
            Self::from_starts(&roots, &inverse, range, InverseSqrtMethod { degree, steps })
        })
    }

    /// One polynomial of the given degree, or `x` times [`InverseSqrt::with_method`] if there are steps.
    ///
    /// # Errors
    /// As [`InverseSqrt::with_method`].
    pub fn with_method(range: Interval, method: InverseSqrtMethod) -> Result<Self> {
        check(range, 1.0)?;
        let roots = Relative::new(range, f64::sqrt, Dd::sqrt);
        let inverse = inverse_roots(range);
        Self::from_starts(&roots, &inverse, range, method)
    }

    fn from_starts(
        roots: &Relative<impl Fn(f64) -> f64, impl Fn(Dd) -> Dd>,
        inverse: &Relative<impl Fn(f64) -> f64, impl Fn(Dd) -> Dd>,
        range: Interval,
        method: InverseSqrtMethod,
    ) -> Result<Self> {
        if method.steps == 0 {
            let (polynomial, relative_error) = roots.fit(method.degree)?;
            return Ok(Sqrt {
                plan: EvaluationPlan::polynomial(&polynomial)?,
                relative_error,
                method,
            });
        }
        let inverse = InverseSqrt::from_start(inverse, range, 1.0, method)?;
        let mut plan = inverse.plan;
        let y = plan.output();
        let x = plan.push_affine(vec![(plan.input(), range.radius())], range.center());
        plan.push_product(x, y);
        Ok(Sqrt {
            plan,
            relative_error: inverse.relative_error,
            method,
        })
    }
}

/// What a search compares.
trait Candidate {
    fn plan(&self) -> &EvaluationPlan;
    fn error(&self) -> f64;
}

impl Candidate for InverseSqrt {
    fn plan(&self) -> &EvaluationPlan {
        &self.plan
    }
    fn error(&self) -> f64 {
        self.relative_error
    }
}

impl Candidate for Sqrt {
    fn plan(&self) -> &EvaluationPlan {
        &self.plan
    }
    fn error(&self) -> f64 {
        self.relative_error
    }
}

/// The cheapest of all starts and steps that meets the target: by levels of the start, the smallest number of steps,
/// then the smallest degree of that many levels.
fn search<C: Candidate>(target: f64, make: impl Fn(usize, usize) -> Result<C>) -> Result<C> {
    let mut best: Option<C> = None;
    let mut reached = (f64::INFINITY, 1);
    for levels in 1..=MAX_START_DEPTH {
        let (least, most) = (1 << (levels - 1), (1 << levels) - 1);
        for steps in 0..=MAX_STEPS {
            // Neither a start of more levels nor more steps can be cheaper.
            if best
                .as_ref()
                .is_some_and(|b| price(b.plan()).0 < levels + 2 * steps)
            {
                break;
            }
            let Ok(candidate) = make(most, steps) else {
                break;
            };
            if candidate.error() < reached.0 {
                reached = (candidate.error(), most);
            }
            if candidate.error() > target {
                continue;
            }
            let (mut fails, mut meets) = (least - 1, (most, candidate));
            while fails + 1 < meets.0 {
                let degree = usize::midpoint(fails, meets.0);
                match make(degree, steps) {
                    Ok(c) if c.error() <= target => meets = (degree, c),
                    _ => fails = degree,
                }
            }
            if best
                .as_ref()
                .is_none_or(|b| price(meets.1.plan()) < price(b.plan()))
            {
                best = Some(meets.1);
            }
            break;
        }
    }
    best.ok_or(Error::Target {
        target,
        reached: reached.0,
        degree: reached.1,
    })
}

/// The cubic `w (a - b w²)` that is nearest to 1 on an interval around 1.
struct Cubic {
    a: f64,
    b: f64,
    error: f64,
}

impl Cubic {
    /// On `[l, h]`: equal values at both ends, and as far below 1 as the maximum between them is above.
    fn on(l: f64, h: f64) -> Cubic {
        let ratio = h * h + h * l + l * l;
        let end = l * (ratio - l * l);
        let peak = (ratio / 3.0).sqrt() * (ratio * 2.0 / 3.0);
        let b = 2.0 / (end + peak);
        // peak - end without cancellation: (r - l)² (2 r + l) with r = √(ratio / 3), the place of the peak.
        let r = (ratio / 3.0).sqrt();
        let error = (r - l).powi(2) * (2.0 * r + l) / (end + peak);
        Cubic {
            a: ratio * b,
            b,
            error: error.max(f64::EPSILON),
        }
    }
}

fn inverse_roots(range: Interval) -> Relative<impl Fn(f64) -> f64, impl Fn(Dd) -> Dd> {
    Relative::new(range, |x| 1.0 / x.sqrt(), |x| Dd::from(1.0) / x.sqrt())
}

fn check(range: Interval, numerator: f64) -> Result<()> {
    if range.lo() <= 0.0 {
        return Err(Error::Pole {
            lo: range.lo(),
            hi: range.hi(),
            at: 0.0,
        });
    }
    if numerator > 0.0 && numerator.is_finite() {
        Ok(())
    } else {
        Err(Error::Coefficient {
            index: 0,
            value: numerator,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::relative::extremes;
    use proptest::prelude::*;

    fn worst(plan: &EvaluationPlan, f: impl Fn(f64) -> f64) -> f64 {
        let (l, h) = extremes(plan.interval(), 60, |x| plan.eval(x) / f(x));
        (1.0 - l).max(h - 1.0)
    }

    #[test]
    fn starts_and_steps_keep_their_bounds() {
        for (lo, hi) in [(0.5, 2.0), (0.01, 1.0), (1e-3, 10.0), (15.0, 3e4)] {
            let range = Interval::try_new(lo, hi).unwrap();
            for degree in [3, 7, 15] {
                for steps in 0..=4 {
                    let method = InverseSqrtMethod { degree, steps };
                    let Ok(r) = InverseSqrt::with_method(range, 2.0, method) else {
                        // Only starts that cross zero are refused.
                        assert!(hi / lo > 90.0 && degree < 15, "{lo} {method}");
                        continue;
                    };
                    let found = worst(&r.plan, |x| 2.0 / x.sqrt());
                    assert!(
                        found <= r.relative_error + 1e-13,
                        "{lo} {method}: {found:e}"
                    );
                    assert!(
                        found >= 0.9 * r.relative_error - 1e-13,
                        "{lo} {method}: {found:e}"
                    );
                    let levels = degree.ilog2() as usize + 1;
                    assert_eq!(r.plan.unit_depth(), levels + 2 * steps, "{method}");
                }
            }
        }
    }

    /// Newton's own cubic from the same start is worse, and both are quadratic.
    #[test]
    fn relaxation_helps() {
        let cubic = Cubic::on(0.5, 1.5);
        let newton = |w: f64| w * (3.0 - w * w) / 2.0;
        assert!(cubic.error < 0.65 * (1.0 - newton(0.5)));
        for k in 0..=100 {
            let w = 0.5 + 0.01 * f64::from(k);
            let v = w * (cubic.a - cubic.b * w * w);
            assert!((1.0 - v).abs() <= cubic.error * (1.0 + 1e-12), "{w}");
        }
        let small = Cubic::on(1.0 - 1e-6, 1.0 + 1e-6);
        assert!(
            small.error < 1e-12 && small.error > 0.7e-12,
            "{:e}",
            small.error
        );
    }

    #[test]
    fn square_roots() {
        for (lo, hi) in [(0.25, 4.0), (0.01, 1.0)] {
            let range = Interval::try_new(lo, hi).unwrap();
            for target in [1e-2, 1e-4, 1e-8] {
                let s = Sqrt::for_error(range, target).unwrap();
                let found = worst(&s.plan, f64::sqrt);
                assert!(found <= target, "{lo} {target}: {found:e}");
            }
            let method = InverseSqrtMethod {
                degree: 15,
                steps: 1,
            };
            let s = Sqrt::with_method(range, method).unwrap();
            assert_eq!(s.plan.unit_depth(), 7);
            assert!(worst(&s.plan, f64::sqrt) <= s.relative_error + 1e-13);
        }
    }

    #[test]
    fn misuse_is_refused() {
        for lo in [-1.0, 0.0] {
            let range = Interval::try_new(lo, 1.0).unwrap();
            assert!(matches!(
                InverseSqrt::for_error(range, 1.0, 1e-3),
                Err(Error::Pole { .. })
            ));
            assert!(Sqrt::for_error(range, 1e-3).is_err());
        }
        let range = Interval::try_new(0.5, 1.0).unwrap();
        assert!(InverseSqrt::for_error(range, -1.0, 1e-3).is_err());
        assert!(InverseSqrt::for_error(range, 1.0, 0.0).is_err());
        let method = InverseSqrtMethod {
            degree: 3,
            steps: MAX_STEPS + 1,
        };
        assert!(matches!(
            InverseSqrt::with_method(range, 1.0, method),
            Err(Error::Iterations { .. })
        ));
        let wide = Interval::try_new(1e-30, 1.0).unwrap();
        assert!(matches!(
            InverseSqrt::for_error(wide, 1.0, 1e-3),
            Err(Error::Target { .. })
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn targets_are_met(lo in 1e-3..10.0f64, ratio in 1.1..500.0f64, digits in 1..7i32) {
            let range = Interval::try_new(lo, lo * ratio).unwrap();
            let target = 10f64.powi(-digits);
            let r = InverseSqrt::for_error(range, 1.0, target).unwrap();
            prop_assert!(r.relative_error <= target);
            prop_assert!(worst(&r.plan, |x| 1.0 / x.sqrt()) <= target + 1e-12);
        }
    }
}
