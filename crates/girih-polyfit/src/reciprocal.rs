//! `1/x` on a range without zero, by polynomials and products, with the relative error in closed form.
//!
//! With `u` the position of `x` in `[lo, hi]` and `u₀ = -center / radius` that of zero, the polynomial of degree
//! `n - 1` whose largest relative error is least is
//!
//! ```text
//! p(x) = (1 - Tₙ(u) / Tₙ(u₀)) / x,     max |1 - x p(x)| = 1 / |Tₙ(u₀)|
//! ```
//!
//! (Chebyshev's solution: `x p(x) - 1` is the smallest polynomial that is -1 at zero). It is also the interpolant
//! at the Chebyshev nodes. Goldschmidt's iteration `v ← v f`, `p ← p f` with the relaxed factor
//! `f = k (2 - k v)`, `k = 2 / (1 + e)`, `e ≤ v ≤ 1` (Moon, Yoo, Jiang, Kim, "THOR", 2024) computes the same
//! polynomials for `n` a power of two, because `1 - k v` is a Chebyshev polynomial and `T₂ₙ = 2 Tₙ² - 1`:
//!
//! ```text
//! p₂ₙ = pₙ · 2 c (c + Tₙ(u)) / (2 c² - 1),     c = Tₙ(u₀)
//! ```
//!
//! What is squared is `w = γ T / c`, scaled so that `w ← w² - b` needs no product with a constant: `γ` at one step is the
//! root of `2 c² / (2 c² - 1)` times `γ` at the next, and 1 at the end, so that it stays between 1 and 2. The first `γ` goes
//! into the input map: the plan's interval is `center (1 ± 1/γ)`. So each doubling of the number of coefficients is one
//! squaring and one product side by side: one level, which no polynomial can beat, and values of about 1 throughout. (With the
//! range as interval and the constants moved to the start, the start would be as small as the error: too small for
//! ciphertexts.)

use std::fmt;

use crate::{Error, EvaluationPlan, Interval, Result, interpolate};

/// Most iterations. A relaxed one of 24 reaches 10⁻⁵ on a range of ratio 2^41; beyond that the position of `x` in the
/// range, a double, has no digits left near the smaller end.
pub const MAX_ITERATIONS: usize = 24;

/// Smallest relative error that double precision can hold through the products of a plan.
pub const MIN_RELATIVE_ERROR: f64 = 1e-15;

/// Largest degree of a single polynomial tried by [`Reciprocal::for_error`]: above 31 the product form has the same
/// depth and fewer products.
const LARGEST_SINGLE_DEGREE: usize = 31;

/// How a reciprocal is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReciprocalMethod {
    /// The best polynomial of this degree, by a Paterson-Stockmeyer schedule.
    Minimax {
        /// Its degree.
        degree: usize,
    },
    /// Goldschmidt's iteration with adaptive relaxation.
    Relaxed {
        /// Doublings of the number of coefficients.
        iterations: usize,
    },
    /// `Π (1 + (1 - x/hi)^(2^k))`, without relaxation.
    ProductForm {
        /// Squarings.
        iterations: usize,
    },
}

impl fmt::Display for ReciprocalMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReciprocalMethod::Minimax { degree } => write!(f, "minimax of degree {degree}"),
            ReciprocalMethod::Relaxed { iterations } => {
                write!(f, "relaxed Goldschmidt, {iterations} iterations")
            }
            ReciprocalMethod::ProductForm { iterations } => {
                write!(f, "product form, {iterations} iterations")
            }
        }
    }
}

/// A plan for `numerator / x` with its error.
#[derive(Clone, Debug, PartialEq)]
pub struct Reciprocal {
    /// The plan. Its interval, by which its input is mapped, is the range for one polynomial only.
    pub plan: EvaluationPlan,
    /// Where it is good.
    pub range: Interval,
    /// `max |1 - x y / numerator|` over the range, in exact arithmetic (a bound, attained).
    pub relative_error: f64,
    /// How it computes.
    pub method: ReciprocalMethod,
}

impl Reciprocal {
    /// The plan of least depth, then fewest products, whose relative error is at most `target`.
    ///
    /// # Errors
    /// The range holds zero; a target that is not positive, below [`MIN_RELATIVE_ERROR`], or not reached within
    /// [`MAX_ITERATIONS`]; a numerator that is zero or not finite.
    ///
    /// ```
    /// use girih_polyfit::{Interval, reciprocal::Reciprocal};
    /// let inverse = Reciprocal::for_error(Interval::try_new(1.0 / 256.0, 1.0)?, 1.0, 1e-6)?;
    /// assert_eq!((inverse.plan.unit_depth(), inverse.plan.counts().products), (7, 12));
    /// assert!((inverse.plan.eval(0.01) - 100.0).abs() < 1e-4);
    /// # Ok::<(), girih_polyfit::Error>(())
    /// ```
    pub fn for_error(range: Interval, numerator: f64, target: f64) -> Result<Self> {
        check(range, numerator)?;
        check_target(target)?;
        let terms = terms_for(range, target);
        let iterations = terms.max(2).next_power_of_two().trailing_zeros() as usize;
        let mut best = Self::relaxed(range, numerator, iterations)?;
        if terms > 1 && terms - 1 <= LARGEST_SINGLE_DEGREE {
            let single = Self::minimax(range, numerator, terms - 1)?;
            if price(&single.plan) < price(&best.plan) {
                best = single;
            }
        }
        Ok(best)
    }

    /// The polynomial of the given degree with the least relative error: `⌈log₂(degree + 1)⌉` levels.
    ///
    /// # Errors
    /// The range holds zero; a degree of 0 or above the largest; a numerator that is zero or not finite.
    pub fn minimax(range: Interval, numerator: f64, degree: usize) -> Result<Self> {
        check(range, numerator)?;
        let polynomial = interpolate(|x| numerator / x, range, degree)?;
        Ok(Reciprocal {
            plan: EvaluationPlan::polynomial(&polynomial)?,
            range,
            relative_error: relaxed_error(range, (degree + 1) as f64),
            method: ReciprocalMethod::Minimax { degree },
        })
    }

    /// Goldschmidt's iteration from the best linear start, relaxed at each step: the best polynomial of degree
    /// `2^iterations - 1` in `iterations` levels and `2 (iterations - 1)` products.
    ///
    /// The plan's interval is not the range: see the module. On the range its input is at most 2 in magnitude.
    ///
    /// # Errors
    /// The range holds zero; no iteration, more than [`MAX_ITERATIONS`], or more than are needed for
    /// [`MIN_RELATIVE_ERROR`]; a numerator that is zero or not finite.
    pub fn relaxed(range: Interval, numerator: f64, iterations: usize) -> Result<Self> {
        check(range, numerator)?;
        check_iterations(iterations, |k| relaxed_error(range, 2f64.powi(k as i32)))?;
        // c = T_m(u₀), and w ← w² - γ' / (2 c² - 1) with γ' that of the next step.
        let mut at_zero = vec![-range.center() / range.radius()];
        for j in 1..iterations {
            let c = at_zero[j - 1];
            at_zero.push(2.0 * c * c - 1.0);
        }
        let ratio = |c: f64| 2.0 * c * c / (2.0 * c * c - 1.0);
        let mut gammas = vec![1.0; iterations + 1];
        for j in (0..iterations).rev() {
            gammas[j] = (ratio(at_zero[j]) * gammas[j + 1]).sqrt();
        }
        let start = (at_zero.iter().zip(&gammas))
            .map(|(c, gamma)| ratio(*c) / gamma)
            .product::<f64>()
            * numerator
            / range.center();

        let reach = (range.center() / gammas[0]).abs();
        let interval = Interval::try_new(range.center() - reach, range.center() + reach)?;
        // w = γ (center - x) / center, so -u for positive ranges.
        let sign = -range.center().signum();
        let mut plan = EvaluationPlan::new(interval);
        let u = plan.input();
        let mut p = plan.push_affine(vec![(u, sign * start)], start * gammas[0]);
        let mut w = u;
        for j in 1..iterations {
            let square = plan.push_product(w, w);
            let c = at_zero[j - 1];
            let below = gammas[j] / (2.0 * c * c - 1.0);
            w = plan.push_affine(vec![(square, 1.0)], -below);
            let sum = plan.push_affine(vec![(w, 1.0)], gammas[j]);
            p = plan.push_product(p, sum);
        }
        Ok(Reciprocal {
            plan,
            range,
            relative_error: relaxed_error(range, 2f64.powi(iterations as i32)),
            method: ReciprocalMethod::Relaxed { iterations },
        })
    }

    /// `(1/hi) Π_{0 <= k <= iterations} (1 + y^(2^k))` with `y = 1 - x/hi`: the error `y^(2^(iterations + 1))` is
    /// largest at `lo`; `iterations + 1` levels, `2 iterations` products. `hi` is the end farther from zero.
    ///
    /// The plan's interval is `[0, 2 hi]`, where the product converges, so that `y` is `-u`; the error is that on the
    /// range.
    ///
    /// # Errors
    /// The range holds zero; no iteration or more than [`MAX_ITERATIONS`]; a numerator that is zero or not
    /// finite.
    pub fn product_form(range: Interval, numerator: f64, iterations: usize) -> Result<Self> {
        check(range, numerator)?;
        let error = |k: usize| product_form_error(range, k);
        check_iterations(iterations, error)?;
        let (far, _) = far_and_near(range);
        let scale = numerator / far;
        let whole = Interval::try_new(far.min(0.0) * 2.0, far.max(0.0) * 2.0)?;
        let sign = -far.signum();
        let mut plan = EvaluationPlan::new(whole);
        let u = plan.input();
        let mut y = plan.push_affine(vec![(u, sign)], 0.0);
        let mut p = plan.push_affine(vec![(u, sign * scale)], scale);
        for _ in 0..iterations {
            y = plan.push_product(y, y);
            let sum = plan.push_affine(vec![(y, 1.0)], 1.0);
            p = plan.push_product(p, sum);
        }
        Ok(Reciprocal {
            plan,
            range,
            relative_error: error(iterations),
            method: ReciprocalMethod::ProductForm { iterations },
        })
    }

    /// The error of [`relaxed`](Self::relaxed), `1 / |T_n(u₀)|` with `n = 2^iterations`, without planning.
    ///
    /// # Errors
    /// The range holds zero.
    pub fn relaxed_error(range: Interval, iterations: usize) -> Result<f64> {
        check(range, 1.0)?;
        Ok(relaxed_error(range, 2f64.powi(iterations.min(1000) as i32)))
    }

    /// Iterations of the product form for a relative error of at most `target`.
    ///
    /// # Errors
    /// As [`for_error`](Self::for_error).
    pub fn product_form_iterations(range: Interval, target: f64) -> Result<usize> {
        check(range, 1.0)?;
        check_target(target)?;
        iterations_for(target, |k| product_form_error(range, k))
    }

    /// Iterations with adaptive relaxation for a relative error of at most `target`.
    ///
    /// # Errors
    /// As [`for_error`](Self::for_error).
    pub fn relaxed_iterations(range: Interval, target: f64) -> Result<usize> {
        check(range, 1.0)?;
        check_target(target)?;
        iterations_for(target, |k| relaxed_error(range, 2f64.powi(k as i32)))
    }
}

/// `1 / |Tₙ(u₀)|`: the least relative error of `n` coefficients.
fn relaxed_error(range: Interval, n: f64) -> f64 {
    let (far, near) = far_and_near(range);
    // arcosh(1 + d) by ln(1 + d + √(d (2 + d))), exact for small d as well.
    let d = 2.0 * near / (far - near);
    let angle = (d + (d * (2.0 + d)).sqrt()).ln_1p();
    1.0 / (n * angle).cosh()
}

/// Number of coefficients that reach `target`, at least 1.
fn terms_for(range: Interval, target: f64) -> usize {
    let (far, near) = far_and_near(range);
    let d = 2.0 * near / (far - near);
    let angle = (d + (d * (2.0 + d)).sqrt()).ln_1p();
    let n = ((1.0 / target).max(1.0).acosh() / angle).ceil().max(1.0);
    if n < 1e15 { n as usize } else { 1 << 50 }
}

fn product_form_error(range: Interval, iterations: usize) -> f64 {
    let (far, near) = far_and_near(range);
    let squarings = 2f64.powi(iterations as i32 + 1);
    (squarings * (-near / far).ln_1p()).exp()
}

/// The ends of the range by magnitude, the larger first.
fn far_and_near(range: Interval) -> (f64, f64) {
    if range.lo() > 0.0 {
        (range.hi(), range.lo())
    } else {
        (range.lo(), range.hi())
    }
}

fn iterations_for(target: f64, error: impl Fn(usize) -> f64) -> Result<usize> {
    match (1..=MAX_ITERATIONS).find(|&k| error(k) <= target) {
        Some(k) => Ok(k),
        None => Err(Error::Iterations {
            iterations: MAX_ITERATIONS + 1,
            max: MAX_ITERATIONS,
        }),
    }
}

fn check_iterations(iterations: usize, error: impl Fn(usize) -> f64) -> Result<()> {
    // One more than is needed for the smallest error is still representable.
    let max = (1..MAX_ITERATIONS)
        .find(|&k| error(k) < MIN_RELATIVE_ERROR)
        .unwrap_or(MAX_ITERATIONS);
    if (1..=max).contains(&iterations) {
        Ok(())
    } else {
        Err(Error::Iterations { iterations, max })
    }
}

pub(crate) fn check_target(target: f64) -> Result<()> {
    if target >= MIN_RELATIVE_ERROR && target.is_finite() {
        Ok(())
    } else {
        Err(Error::Precision {
            target,
            least: MIN_RELATIVE_ERROR,
        })
    }
}

fn check(range: Interval, numerator: f64) -> Result<()> {
    if range.contains(0.0) {
        return Err(Error::Pole {
            lo: range.lo(),
            hi: range.hi(),
            at: 0.0,
        });
    }
    if numerator == 0.0 || !numerator.is_finite() {
        return Err(Error::Coefficient {
            index: 0,
            value: numerator,
        });
    }
    Ok(())
}

/// Depth first, then products and relinearisations, then scalar products.
pub(crate) fn price(plan: &EvaluationPlan) -> (usize, usize, usize) {
    let counts = plan.counts();
    (
        plan.unit_depth(),
        counts.products + counts.relinearizations,
        counts.scalar_products,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Largest relative error at many points, the ends included.
    fn worst(r: &Reciprocal, numerator: f64) -> f64 {
        let (range, plan) = (r.range, &r.plan);
        (0..=4000)
            .map(|k| {
                let u = -(std::f64::consts::PI * f64::from(k) / 4000.0).cos();
                let x = range.from_unit(u);
                (1.0 - x * plan.eval(x) / numerator).abs()
            })
            .fold(0.0, f64::max)
    }

    /// Iterations for 2^-20 over `[ε, 1]`: 7, 11, 15 without and 5, 7, 9 with adaptive relaxation.
    #[test]
    fn published_iteration_counts() {
        let target = 2f64.powi(-20);
        for (bits, plain, relaxed) in [(4, 7, 5), (8, 11, 7), (12, 15, 9)] {
            let range = Interval::try_new(2f64.powi(-bits), 1.0).unwrap();
            let count = Reciprocal::product_form_iterations(range, target).unwrap();
            assert_eq!(count, plain, "2^-{bits}");
            let p = Reciprocal::product_form(range, 1.0, plain).unwrap();
            assert_eq!(p.plan.unit_depth(), plain + 1);
            assert!(worst(&p, 1.0) <= target);
            let short = Reciprocal::product_form(range, 1.0, plain - 1).unwrap();
            assert!(worst(&short, 1.0) > target);

            let count = Reciprocal::relaxed_iterations(range, target).unwrap();
            assert_eq!(count, relaxed, "2^-{bits}");
            let r = Reciprocal::relaxed(range, 1.0, relaxed).unwrap();
            assert_eq!(r.plan.unit_depth(), relaxed);
            assert_eq!(r.plan.counts().products, 2 * (relaxed - 1));
            assert!(worst(&r, 1.0) <= target);
            let short = Reciprocal::relaxed(range, 1.0, relaxed - 1).unwrap();
            assert!(worst(&short, 1.0) > target);
        }
    }

    #[test]
    fn product_form_of_a_negative_range() {
        let range = Interval::try_new(-8.0, -1.0).unwrap();
        let p = Reciprocal::product_form(range, 3.0, 6).unwrap();
        let found = worst(&p, 3.0);
        assert!((found / p.relative_error - 1.0).abs() < 1e-6, "{found}");
        assert_eq!(p.plan.counts().products, 12);
    }

    #[test]
    fn the_closed_form_of_the_error_is_attained() {
        for (lo, hi) in [(0.1, 1.0), (1.0 / 128.0, 1.0), (3.0, 40.0), (-9.0, -0.5)] {
            let range = Interval::try_new(lo, hi).unwrap();
            for k in 1..=5 {
                let relaxed = Reciprocal::relaxed(range, 2.5, k).unwrap();
                let single = Reciprocal::minimax(range, 2.5, (1 << k) - 1).unwrap();
                for r in [&relaxed, &single] {
                    let found = worst(r, 2.5);
                    let stated = r.relative_error;
                    assert!(
                        found <= stated * (1.0 + 1e-9) + 1e-14,
                        "{lo} {k}: {found:e}"
                    );
                    assert!(
                        found >= stated * 0.99 - 1e-14,
                        "{lo} {k}: {found:e} {stated:e}"
                    );
                }
                assert_eq!(relaxed.plan.unit_depth(), single.plan.unit_depth());
            }
        }
    }

    #[test]
    fn ranges_with_zero_and_unreachable_targets_are_refused() {
        for (lo, hi) in [(-1.0, 1.0), (0.0, 2.0), (-3.0, 0.0)] {
            let range = Interval::try_new(lo, hi).unwrap();
            assert!(matches!(
                Reciprocal::for_error(range, 1.0, 1e-3),
                Err(Error::Pole { .. })
            ));
        }
        let range = Interval::try_new(0.5, 1.0).unwrap();
        for target in [0.0, -1.0, 1e-17, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                Reciprocal::for_error(range, 1.0, target),
                Err(Error::Precision { .. })
            ));
        }
        assert!(Reciprocal::for_error(range, 0.0, 1e-3).is_err());
        assert!(matches!(
            Reciprocal::relaxed(range, 1.0, 30),
            Err(Error::Iterations { max: 5, .. })
        ));
        assert!(Reciprocal::product_form(range, 1.0, 0).is_err());
        let wide = Interval::try_new(1e-300, 1e300).unwrap();
        assert!(matches!(
            Reciprocal::for_error(wide, 1.0, 1e-3),
            Err(Error::Iterations { .. })
        ));
    }

    proptest! {
        #[test]
        fn targets_are_met_by_the_cheapest_plan(
            lo in 1e-4..10.0f64,
            ratio in 1.05..1e4f64,
            digits in 1..9i32,
            negative: bool,
        ) {
            let (lo, hi) = if negative { (-lo * ratio, -lo) } else { (lo, lo * ratio) };
            let range = Interval::try_new(lo, hi).unwrap();
            let target = 10f64.powi(-digits);
            let r = Reciprocal::for_error(range, 1.0, target).unwrap();
            prop_assert!(r.relative_error <= target);
            prop_assert!(worst(&r, 1.0) <= target * (1.0 + 1e-6) + 1e-12);
            // One level less does not do, whatever the polynomial.
            let depth = r.plan.unit_depth();
            prop_assert!(depth == 1 || relaxed_error(range, 2f64.powi(depth as i32 - 1)) > target);
        }
    }
}
