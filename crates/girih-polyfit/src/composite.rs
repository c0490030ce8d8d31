//! The sign function as a composition of odd polynomials, and what follows from it: step, relu, abs, comparison, clamp.
//!
//! One polynomial of degree `d` resolves a gap of about `1/d`; a composition of small ones resolves a gap that shrinks
//! with the product of their degrees. Each factor is the odd minimax polynomial of the sign on the range that the one
//! before leaves ([`CompositeSign::new`]; E. Lee, J.-W. Lee, J.-S. No, Y.-S. Kim, "Minimax approximation of sign
//! function by composite polynomial for homomorphic comparison", IEEE TDSC 2022), or one of a few fixed ones
//! ([`CompositeSign::cheon`]; Cheon, Kim, Kim, ASIACRYPT 2020).
//!
//! With `s(x)` the sign, `relu(x) = x (1 + s(x))/2`, `|x| = x s(x)`, and a step is `(1 + s(x))/2`. Of two values, the
//! step of `a - b` compares them (1, 1/2 for equal ones, 0), `max(a, b) = b + relu(a - b)` and
//! `min(a, b) = a - relu(a - b)`: take the plan for the range of the difference.

use crate::chebyshev::interpolate;
use crate::evaluation::ValueId;
use crate::published::{CHEON_F3, CHEON_F4, CHEON_G3, CHEON_G4};
use crate::{Error, EvaluationPlan, Interval, Parity, Polynomial, Result};

mod degrees;
mod exchange;

use degrees::Search;
use exchange::{EXACT, OddSign};

/// By how much the range of a factor exceeds what the factor before leaves, on both sides: room for the noise of
/// encrypted values, `2⁻²⁰` of the values.
pub const MARGIN: f64 = 1.0 / (1 << 20) as f64;
/// Factors whose error falls below this are fitted on a wider range instead: more room, and no digits lost.
const FINEST: f64 = 1e-12;
/// Largest degree of a factor.
const LARGEST_DEGREE: usize = 63;
/// Smallest precision offered: a quarter.
const SMALLEST_ALPHA: f64 = 2.0;
/// Bisections of the exponent of the gap, from 29 to 10⁻⁹.
const GAP_BISECTIONS: usize = 35;
/// The error aimed at, in proportion to the error wanted: room for rounding and for the search of extrema.
const ROUNDED: f64 = 1.0 - 1e-6;
/// Grid points inside the gap.
const GAP_POINTS: u32 = 2048;
/// Grid points per degree in the search for the range of a factor.
const POINTS_PER_DEGREE: usize = 64;

/// Odd polynomials `p₁, .., pₖ` with `pₖ(.. p₁(x)) ≈ sign(x)` for `gap <= |x| <= 1`.
///
/// ```
/// use girih_polyfit::{CompositeSign, Interval};
///
/// let sign = CompositeSign::with_degrees(13.0, &[15, 15, 27])?;
/// let relu = sign.relu(Interval::symmetric(40.0)?)?;
/// assert!((relu.eval(30.0) - 30.0).abs() < 0.01 && relu.eval(-30.0).abs() < 0.01);
/// assert_eq!(relu.unit_depth(), 14);
/// # Ok::<(), girih_polyfit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CompositeSign {
    factors: Vec<Polynomial>,
    gap: f64,
    error: f64,
}

impl CompositeSign {
    /// The composite of fewest products within `depth` levels with which relu is within `2^-alpha` on `[-1, 1]`:
    /// `|x| |s(x) - sign(x)| <= 2^(1 - alpha)`. This is the precision in which such composites are tabulated; the gap is
    /// about `2^(4 - alpha)`, since in it `x` is small.
    ///
    /// # Errors
    /// [`Error::Depth`] with the precision that these levels reach and the depth that would do; an alpha outside
    /// `[2, 30]`.
    pub fn new(alpha: f64, depth: usize) -> Result<Self> {
        precision(alpha)?;
        let mut search = Search::new();
        if let Some(sign) = Self::attempt(&mut search, alpha, depth)? {
            return Ok(sign);
        }
        let mut reached = 0.5;
        // On the grid of quarters of a bit, from the first that is conceivable.
        let conceivable = depth as f64 + 3.0;
        let mut less = (alpha - 0.25).min(conceivable);
        while less >= SMALLEST_ALPHA && reached == 0.5 {
            let found = Self::attempt(&mut search, less, depth)?;
            reached = found.map_or(reached, |sign| sign.relu_error());
            less -= 0.25;
        }
        let mut needed = None;
        let fewest = degrees::fewest_levels(2.0 * (-alpha).exp2());
        for more in (depth + 1).max(fewest)..=degrees::DEEPEST {
            if Self::attempt(&mut search, alpha, more)?.is_some() {
                needed = Some(more);
                break;
            }
        }
        Err(Error::Depth {
            target: (-alpha).exp2(),
            depth,
            reached,
            needed,
        })
    }

    /// From the largest gap down, since a smaller one takes more products, in steps of an eighth of its exponent; then
    /// between the last gap that fails and the first that does not.
    fn attempt(search: &mut Search, alpha: f64, depth: usize) -> Result<Option<Self>> {
        let target = (-alpha).exp2();
        if depth < degrees::fewest_levels(2.0 * target) {
            return Ok(None);
        }
        let mut at = |steps: i32| -> Result<Option<(bool, Self)>> {
            let gap = (4.5 - f64::from(steps) / 32.0 - alpha).exp2().min(0.5);
            let degrees = search
                .run(gap, ROUNDED * 2.0 * target, depth.min(degrees::DEEPEST))?
                .0;
            let sign = degrees.map(|d| Self::with_degrees(alpha, &d)).transpose()?;
            Ok(sign.map(|s| (s.relu_error() <= target, s)))
        };
        for coarse in (0..=64).step_by(4) {
            let here = at(coarse)?;
            if matches!(here, Some((false, _))) {
                continue;
            }
            for fine in coarse - 3..coarse {
                if let Some((true, sign)) = at(fine)? {
                    return Ok(Some(sign));
                }
            }
            return Ok(here.map(|(_, sign)| sign));
        }
        Ok(None)
    }

    /// The composite of fewest products (then levels) within `depth` levels with `|s(x) - sign(x)| <= error` for
    /// `gap <= |x| <= 1`. Degrees are chosen by dynamic programming with the counts of [`PolynomialPlan`](crate::PolynomialPlan).
    ///
    /// # Errors
    /// [`Error::Depth`] with the least error within these levels and the depth that would do; a gap or an error
    /// outside `[2^-30, 1/2]`.
    pub fn for_gap(gap: f64, error: f64, depth: usize) -> Result<Self> {
        check("gap", gap)?;
        check("error", error)?;
        let degrees = degrees::choose(gap, error, depth.min(degrees::DEEPEST))?;
        Self::with_gap(gap, &degrees)
    }

    /// The minimax composite of the given degrees for the smallest gap outside of which the error is at most
    /// `2^(1 - alpha)`, so that relu is within `2^-alpha` there. `{15, 15, 27}` for 13 are published.
    ///
    /// # Errors
    /// [`Error::Target`] if even a gap of ±1/2 leaves a larger error; no degree, one that is even or above 63; an alpha
    /// outside `[2, 30]`.
    pub fn with_degrees(alpha: f64, degrees: &[usize]) -> Result<Self> {
        let target = 2.0 * precision(alpha)?;
        let widest = Self::with_gap(0.5, degrees)?;
        if widest.error > target {
            return Err(Error::Target {
                target,
                reached: widest.error,
                degree: widest.degrees().iter().product(),
            });
        }
        let (mut small, mut large) = (-30.0, -1.0);
        for _ in 0..GAP_BISECTIONS {
            let middle: f64 = (small + large) / 2.0;
            if final_error(middle.exp2(), degrees)? <= ROUNDED * target {
                large = middle;
            } else {
                small = middle;
            }
        }
        Self::with_gap(large.exp2(), degrees)
    }

    /// The minimax composite of the given degrees for a gap, whatever its [`error`](Self::error).
    ///
    /// # Errors
    /// No degree, one that is even or above 63, or a gap outside `[2^-30, 1/2]`.
    pub fn with_gap(gap: f64, degrees: &[usize]) -> Result<Self> {
        check("gap", gap)?;
        let chain = chain(gap, degrees)?;
        let factors = chain.iter().enumerate().map(|(k, factor)| {
            let largest = next_range(factor.error).1;
            factor.polynomial(if k + 1 == chain.len() {
                1.0
            } else {
                1.0 / largest
            })
        });
        Self::from_factors(gap, factors.collect::<Result<_>>()?)
    }

    /// The cheap composite of Cheon, Kim and Kim: `g`, the polynomial that opens the gap, `openings` times, then `f`,
    /// the one that flattens, `flattenings` times; both of degree 7 or 9. The [`error`](Self::error) is that outside
    /// `±gap`.
    ///
    /// # Errors
    /// Another degree, no factor at all, or a gap outside `[2^-30, 1/2]`.
    pub fn cheon(degree: usize, openings: usize, flattenings: usize, gap: f64) -> Result<Self> {
        let (g, f) = match degree {
            7 => (CHEON_G3, CHEON_F3),
            9 => (CHEON_G4, CHEON_F4),
            _ => return Err(Error::Degree { degree, max: 9 }),
        };
        let (g, f) = (
            g.polynomial()?.to_chebyshev()?,
            f.polynomial()?.to_chebyshev()?,
        );
        let g = std::iter::repeat_n(g, openings);
        Self::from_factors(gap, g.chain(std::iter::repeat_n(f, flattenings)).collect())
    }

    /// Any composite of odd polynomials on `[-1, 1]`, the first one to be applied first; each reads what the one before
    /// returns as it is. The error follows from the exact range of each factor on that of the one before.
    ///
    /// # Errors
    /// No factor, one that is not odd or not in the Chebyshev basis of `[-1, 1]`, or a gap outside `[2^-30, 1/2]`.
    pub fn from_factors(gap: f64, factors: Vec<Polynomial>) -> Result<Self> {
        check("gap", gap)?;
        if factors.is_empty() {
            return Err(Error::Degree {
                degree: 0,
                max: LARGEST_DEGREE,
            });
        }
        let (mut lo, mut hi) = (gap, 1.0);
        for factor in &factors {
            if factor.parity() != Parity::Odd || factor.interval() != Interval::UNIT {
                return Err(Error::Degree {
                    degree: factor.degree(),
                    max: LARGEST_DEGREE,
                });
            }
            (lo, hi) = range(factor, lo, hi);
        }
        Ok(CompositeSign {
            factors,
            gap,
            error: (1.0 - lo).max(hi - 1.0),
        })
    }

    /// The factors, in the Chebyshev basis of `[-1, 1]`. All but the last are divided by the largest value that the next
    /// has to expect.
    #[must_use]
    pub fn factors(&self) -> &[Polynomial] {
        &self.factors
    }

    /// The degrees of the factors.
    #[must_use]
    pub fn degrees(&self) -> Vec<usize> {
        self.factors.iter().map(Polynomial::degree).collect()
    }

    /// Inputs of smaller magnitude get any value between the signs.
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.gap
    }

    /// `max |s(x) - sign(x)|` for `gap <= |x| <= 1`, from the range of every factor.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.error
    }

    /// A bound of `|relu(x) - x (1 + s(x))/2|` on `[-1, 1]`: half of [`error`](Self::error) outside the gap; inside, from
    /// a grid between whose points the sign of a minimax composite does not fall.
    #[must_use]
    pub fn relu_error(&self) -> f64 {
        let at = |k: u32| self.gap * f64::from(k) / f64::from(GAP_POINTS);
        let misses: Vec<f64> = (0..=GAP_POINTS)
            .map(|k| (1.0 - self.eval(at(k))).abs())
            .collect();
        let inside = misses.windows(2).zip(1..);
        let inside = inside.map(|(w, k)| at(k) * w[0].max(w[1]) / 2.0);
        inside.fold(self.error / 2.0, f64::max)
    }

    /// `s(x)`, for `x` in `[-1, 1]`.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        self.factors.iter().fold(x, |v, p| p.eval(v))
    }

    /// `sign(x)` on `interval`, within [`error`](Self::error) for `|x| >= gap · max(|lo|, |hi|)`.
    ///
    /// # Errors
    /// The interval does not hold zero inside.
    pub fn sign(&self, interval: Interval) -> Result<EvaluationPlan> {
        self.two_valued(interval, 1.0, 0.0)
    }

    /// `1` for positive, `0` for negative `x`, within half of [`error`](Self::error) outside the gap. For the
    /// difference `a - b` this is the comparison of `a` and `b`.
    ///
    /// # Errors
    /// The interval does not hold zero inside.
    pub fn step(&self, interval: Interval) -> Result<EvaluationPlan> {
        self.two_valued(interval, 0.5, 0.5)
    }

    /// `factor · sign(x) + constant`
    fn two_valued(&self, interval: Interval, factor: f64, constant: f64) -> Result<EvaluationPlan> {
        inside(interval, 0.0)?;
        let mut plan = EvaluationPlan::new(interval);
        self.push(&mut plan, 0.0, factor, constant)?;
        Ok(plan)
    }

    /// `max(x, 0)`: the error is at most `M` times [`relu_error`](Self::relu_error) with `M = max(|lo|, |hi|)`, and it
    /// takes one level more than the sign.
    ///
    /// # Errors
    /// The interval does not hold zero inside.
    pub fn relu(&self, interval: Interval) -> Result<EvaluationPlan> {
        self.times_input(interval, 0.5, 0.5)
    }

    /// `x` for positive, `slope · x` for negative `x`: `|1 - slope|` times the error of [`relu`](Self::relu).
    ///
    /// # Errors
    /// The interval does not hold zero inside, or the slope is not finite.
    pub fn leaky_relu(&self, interval: Interval, slope: f64) -> Result<EvaluationPlan> {
        self.times_input(interval, (1.0 - slope) / 2.0, (1.0 + slope) / 2.0)
    }

    /// `|x|`: twice the error of [`relu`](Self::relu).
    ///
    /// # Errors
    /// The interval does not hold zero inside.
    pub fn abs(&self, interval: Interval) -> Result<EvaluationPlan> {
        self.times_input(interval, 1.0, 0.0)
    }

    /// `x (factor · sign(x) + constant)`
    fn times_input(
        &self,
        interval: Interval,
        factor: f64,
        constant: f64,
    ) -> Result<EvaluationPlan> {
        inside(interval, 0.0)?;
        let mut plan = EvaluationPlan::new(interval);
        self.push_times(&mut plan, 0.0, factor, constant)?;
        Ok(plan)
    }

    /// `min(max(x, lo), hi)`, as `(lo + hi)/2 + |x - lo|/2 - |x - hi|/2`: two signs side by side, the depth of
    /// [`relu`](Self::relu). The error is at most `M` times twice [`relu_error`](Self::relu_error), with `M` the largest
    /// distance of `lo` and `hi` from the ends of the interval.
    ///
    /// # Errors
    /// Unless `lo < hi` are both inside the interval.
    pub fn clamp(&self, interval: Interval, lo: f64, hi: f64) -> Result<EvaluationPlan> {
        let kept = Interval::try_new(lo, hi)?;
        inside(interval, lo)?;
        inside(interval, hi)?;
        let mut plan = EvaluationPlan::new(interval);
        let low = self.push_times(&mut plan, lo, 0.5, 0.0)?;
        let high = self.push_times(&mut plan, hi, 0.5, 0.0)?;
        plan.push_affine(vec![(low, 1.0), (high, -1.0)], kept.center());
        Ok(plan)
    }

    /// Adds `(x - at) (factor · sign(x - at) + constant)`, one level more than the sign: `x - at` is `radius` times
    /// `u` plus a constant, and the last polynomial takes the radius.
    fn push_times(
        &self,
        plan: &mut EvaluationPlan,
        at: f64,
        factor: f64,
        constant: f64,
    ) -> Result<ValueId> {
        let (radius, center) = (plan.interval().radius(), plan.interval().center());
        let sign = self.push(plan, at, radius * factor, radius * constant)?;
        let shift = (center - at) / radius;
        let input = if shift == 0.0 {
            plan.input()
        } else {
            plan.push_affine(vec![(plan.input(), 1.0)], shift)
        };
        Ok(plan.push_product(sign, input))
    }

    /// Adds `factor · sign(x - at) + constant`: the map from `u` to the argument of the first polynomial is part of it,
    /// factor and constant are part of the last.
    pub(crate) fn push(
        &self,
        plan: &mut EvaluationPlan,
        at: f64,
        factor: f64,
        constant: f64,
    ) -> Result<ValueId> {
        let interval = plan.interval();
        let largest = (interval.hi() - at).max(at - interval.lo());
        let slope = interval.radius() / largest;
        let shift = (interval.center() - at) / largest;
        let mut value = plan.input();
        for (k, p) in self.factors.iter().enumerate() {
            let mut polynomial = p.clone();
            if k == 0 && (slope, shift) != (1.0, 0.0) {
                polynomial =
                    interpolate(|u| p.eval(slope * u + shift), Interval::UNIT, p.degree())?;
            }
            if k + 1 == self.factors.len() {
                let mut scaled: Vec<f64> = polynomial
                    .coefficients()
                    .iter()
                    .map(|c| factor * c)
                    .collect();
                scaled[0] += constant;
                polynomial = Polynomial::chebyshev(Interval::UNIT, scaled)?;
            }
            value = plan.push_polynomial(value, polynomial)?;
        }
        Ok(value)
    }
}

/// The factors for a gap, each on the range of the one before.
fn chain(gap: f64, degrees: &[usize]) -> Result<Vec<OddSign>> {
    let mut factors: Vec<OddSign> = Vec::with_capacity(degrees.len());
    for &degree in degrees {
        if degree % 2 == 0 || degree > LARGEST_DEGREE {
            return Err(Error::Degree {
                degree,
                max: LARGEST_DEGREE,
            });
        }
        let mut lo = factors.last().map_or(gap, |f| next_range(f.error).0);
        let mut factor = OddSign::new(lo, degree, EXACT)?;
        while factor.error < FINEST && lo > 0.5 {
            lo = 1.0 - 1.5 * (1.0 - lo);
            factor = OddSign::new(lo, degree, EXACT)?;
        }
        factors.push(factor);
    }
    Ok(factors)
}

/// The error of the last factor.
fn final_error(gap: f64, degrees: &[usize]) -> Result<f64> {
    Ok(chain(gap, degrees)?.last().map_or(1.0, |f| f.error))
}

/// From the error of a factor to the range of the next, with the margin: its left end in proportion to its right end,
/// and its right end.
fn next_range(error: f64) -> (f64, f64) {
    let largest = 1.0 + error + MARGIN;
    let smallest = (1.0 - error - MARGIN).max(f64::EPSILON);
    (smallest / largest, largest)
}

/// The smallest and the largest value on `[lo, hi]`: those on a grid of Chebyshev extrema, refined by parabolas.
fn range(p: &Polynomial, lo: f64, hi: f64) -> (f64, f64) {
    let ends = (p.eval(lo), p.eval(hi));
    let (mut least, mut most) = (ends.0.min(ends.1), ends.0.max(ends.1));
    let Ok(interval) = Interval::try_new(lo, hi) else {
        return (least, most);
    };
    let points = POINTS_PER_DEGREE * (p.degree() + 1);
    let values: Vec<f64> = (0..=points)
        .map(|k| std::f64::consts::PI * k as f64 / points as f64)
        .map(|angle| p.eval(interval.from_unit(-angle.cos())))
        .collect();
    for w in values.windows(3) {
        let (a, b, c) = (w[0], w[1], w[2]);
        least = least.min(b);
        most = most.max(b);
        // The vertex of the parabola through three equidistant angles, where there is one between them.
        let curvature = a - 2.0 * b + c;
        if (b - a) * (c - b) < 0.0 && curvature != 0.0 {
            let vertex = b - (c - a).powi(2) / (8.0 * curvature);
            least = least.min(vertex);
            most = most.max(vertex);
        }
    }
    (least, most)
}

/// `2^-alpha` for an alpha from 2 to 30.
fn precision(alpha: f64) -> Result<f64> {
    if (SMALLEST_ALPHA..=30.0).contains(&alpha) {
        return Ok((-alpha).exp2());
    }
    Err(Error::Parameter {
        name: "alpha",
        value: alpha,
        lo: SMALLEST_ALPHA,
        hi: 30.0,
    })
}

fn check(name: &'static str, value: f64) -> Result<()> {
    let (lo, hi) = ((-30f64).exp2(), 0.5);
    if (lo..=hi).contains(&value) {
        return Ok(());
    }
    Err(Error::Parameter {
        name,
        value,
        lo,
        hi,
    })
}

/// Refuses a switch that is not inside the interval.
fn inside(interval: Interval, at: f64) -> Result<()> {
    if interval.lo() < at && at < interval.hi() {
        return Ok(());
    }
    Err(Error::Parameter {
        name: "switch",
        value: at,
        lo: interval.lo(),
        hi: interval.hi(),
    })
}

#[cfg(test)]
mod tests;
