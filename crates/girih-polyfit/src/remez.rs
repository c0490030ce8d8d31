//! Minimax polynomials: the smallest largest error, by the exchange algorithm of Remez in double-double arithmetic.
//!
//! `min over p of max over the domain of |w(x) (f(x) - p(x))|`, on one interval or a union of intervals, with a weight,
//! with the polynomial even or odd, and with some coefficients fixed. Symmetry of the function is found and used:
//! `f = linear + even` (relu, gelu, silu, softplus on a symmetric range) or `f = constant + odd` (tanh,
//! sigmoid) halves the number of unknowns and gives exact zeros.
//!
//! The basis is orthogonal on the domain, so that 106 bits hold errors down to about `10⁻²⁸` of the function
//! for all degrees offered. The cost is some `10` exchanges of `O(degree³)` operations and `30 · degree`
//! evaluations of the function each: degree 63 takes tens of milliseconds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use crate::{Basis, Dd, Domain, Error, Function, Interval, Parity, Polynomial, Result};

mod exchange;
mod extrema;
mod linear;
mod space;
mod symmetry;

use exchange::{Problem, Solution};
use space::{Free, Space};
use symmetry::Symmetry;

/// Largest degree of a minimax fit: depth 8, as for any fit to a target.
pub const MAX_REMEZ_DEGREE: usize = 255;
/// Relative gap between the lower and the upper bound of the smallest error at which the exchange ends.
const TOLERANCE: f64 = 1e-12;
/// Below this share of the function times the weight, an iteration that fails has run out of digits.
const ROUNDED: f64 = 1e-27;
/// A last Chebyshev coefficient above this share of the largest, with an error of zero, means that the function is
/// itself a polynomial; those of other functions decay to rounding.
const ABRUPT: f64 = 1e-20;

type Weight<'a> = Box<dyn Fn(f64) -> f64 + 'a>;

/// A minimax problem, to be [solved](Self::solve).
///
/// ```
/// use girih_polyfit::{Domain, Function, Interval, Remez};
///
/// let exp = Remez::function(Function::Exp, Interval::UNIT, 5)?.solve()?;
/// assert!((exp.error - 4.52e-5).abs() < 1e-7);
/// // The sign on [-1, -1/4] ∪ [1/4, 1].
/// let sign = Remez::function(Function::Sign, Domain::mirrored(0.25, 1.0)?, 7)?.solve()?;
/// assert!((sign.polynomial.eval(0.5) - 1.0).abs() <= sign.error);
/// # Ok::<(), girih_polyfit::Error>(())
/// ```
pub struct Remez<'a> {
    function: Box<dyn Fn(Dd) -> Dd + 'a>,
    domain: Domain,
    degree: usize,
    weight: Option<Weight<'a>>,
    parity: Parity,
    basis: Basis,
    fixed: BTreeMap<usize, f64>,
    breaks: Vec<f64>,
    tolerance: f64,
}

/// The best polynomial of a [`Remez`] problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimax {
    /// The polynomial, in the Chebyshev basis of the hull of the domain (made symmetric about 0 for an even or odd
    /// polynomial on one side of 0).
    pub polynomial: Polynomial,
    /// Its Chebyshev coefficients before they are rounded to double precision.
    pub coefficients: Vec<Dd>,
    /// The largest weighted error of the unrounded polynomial, verified on 40 points between any two extrema.
    pub error: f64,
    /// A lower bound of the weighted error of every polynomial admitted (de la Vallée-Poussin): the levelled error of
    /// the last reference.
    pub lower_bound: f64,
    /// What rounding the coefficients adds to the error, at most: `Σ |cₖ - round(cₖ)|`, unweighted.
    pub rounding: f64,
    /// The points where the error is attained, with alternating signs, from left to right.
    pub extrema: Vec<f64>,
    /// Exchanges made.
    pub iterations: usize,
}

impl fmt::Debug for Remez<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remez")
            .field("domain", &self.domain)
            .field("degree", &self.degree)
            .field("parity", &self.parity)
            .field("fixed", &self.fixed)
            .finish_non_exhaustive()
    }
}

impl<'a> Remez<'a> {
    /// The best approximation of `f` by polynomials of the given degree. Give `f` to full double-double precision
    /// if you can; with an `f` in double precision errors below about `10⁻¹³` of it cannot be levelled.
    pub fn new(f: impl Fn(Dd) -> Dd + 'a, domain: impl Into<Domain>, degree: usize) -> Self {
        Remez {
            function: Box::new(f),
            domain: domain.into(),
            degree,
            weight: None,
            parity: Parity::None,
            basis: Basis::Power,
            fixed: BTreeMap::new(),
            breaks: Vec::new(),
            tolerance: TOLERANCE,
        }
    }

    /// The same for a named function, whose breaks are known.
    ///
    /// # Errors
    /// As [`Function::check`].
    pub fn function(
        function: Function,
        domain: impl Into<Domain>,
        degree: usize,
    ) -> Result<Remez<'static>> {
        let domain = domain.into();
        function.check(&domain)?;
        Ok(Remez::new(move |x| function.eval_dd(x), domain, degree).breaks(function.breaks()))
    }

    /// Minimises `max |w (f - p)|` instead of `max |f - p|`.
    #[must_use]
    pub fn weight(mut self, weight: impl Fn(f64) -> f64 + 'a) -> Self {
        self.weight = Some(Box::new(weight));
        self
    }

    /// Admits only even or odd polynomials: about the centre of a symmetric domain, of a function that is even or
    /// odd; or about 0, for a domain on one side of 0.
    #[must_use]
    pub fn parity(mut self, parity: Parity) -> Self {
        self.parity = parity;
        self
    }

    /// The basis to which the indices of [`fixed`](Self::fixed) refer: powers of `x` (the default) or the Chebyshev
    /// polynomials of the hull.
    #[must_use]
    pub fn basis(mut self, basis: Basis) -> Self {
        self.basis = basis;
        self
    }

    /// Fixes a coefficient: `.fixed(0, 0.0)` for `p(0) = 0`. Fixing the lowest powers or the highest coefficients keeps
    /// the fast exchange; others are solved one point at a time, and for Chebyshev coefficients in the middle the
    /// bounds may remain up to `10⁻⁴` apart (see [`Minimax::lower_bound`]).
    #[must_use]
    pub fn fixed(mut self, index: usize, value: f64) -> Self {
        self.fixed.insert(index, value);
        self
    }

    /// Points where the function has kinks: they are tried as extrema.
    #[must_use]
    pub fn breaks(mut self, breaks: &[f64]) -> Self {
        self.breaks.extend_from_slice(breaks);
        self
    }

    /// The relative gap between upper and lower bound at which to stop, `10⁻¹²` if not given.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance.clamp(1e-14, 0.5);
        self
    }

    /// Runs the exchange.
    ///
    /// # Errors
    /// A degree of 0 or above [`MAX_REMEZ_DEGREE`]; a function that is not finite or a weight that is not positive; a
    /// parity that the function does not have; coefficients that cannot be fixed; an error below the resolution of the
    /// arithmetic; no convergence.
    pub fn solve(&self) -> Result<Minimax> {
        if self.degree == 0 || self.degree > MAX_REMEZ_DEGREE {
            return Err(Error::Degree {
                degree: self.degree,
                max: MAX_REMEZ_DEGREE,
            });
        }
        let symmetry = Symmetry::find(self)?;
        let free = self.free(&symmetry)?;
        let interval = symmetry.interval;
        let space = Space::new(interval, &free, !self.fixed.is_empty(), &symmetry.pieces);
        let failure: RefCell<Option<Error>> = RefCell::new(None);
        let fail = |error: Error| {
            failure.borrow_mut().get_or_insert(error);
        };
        let fixed = |x: f64| fixed_part(&self.fixed, self.basis, interval, Dd::from(x));
        let target = |x: f64| {
            let value = (self.function)(Dd::from(x));
            if !value.is_finite() {
                fail(Error::NotFinite {
                    at: x,
                    value: value.hi(),
                });
            }
            value - symmetry.removed(x) - fixed(x)
        };
        let weight = |x: f64| {
            let value = self.weight.as_ref().map_or(1.0, |w| w(x));
            if !(value.is_finite() && value > 0.0) {
                fail(Error::Weight { at: x, value });
            }
            value
        };
        let problem = Problem {
            target: &target,
            weight: &weight,
            space: &space,
            pieces: &symmetry.pieces,
            tolerance: self.tolerance,
        };
        // Where every free polynomial vanishes, the error is what it is.
        let forced = symmetry
            .pieces
            .iter()
            .flat_map(|&(lo, hi)| {
                [lo, hi, 0.0, interval.center()]
                    .into_iter()
                    .filter(move |&x| lo <= x && x <= hi)
            })
            .filter(|&x| space.sign(x) == 0.0)
            .map(|x| ((target(x) * weight(x)).to_f64().abs(), x))
            .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        let outcome = problem.solve();
        let size = self.magnitude(&symmetry);
        if let Some(error) = failure.borrow_mut().take() {
            return Err(error);
        }
        let forced_error = Error::Forced {
            at: forced.1,
            error: forced.0,
        };
        let solution = match outcome {
            Ok(solution) if forced.0 > solution.error * (1.0 + 1e-9) + solution.resolution() => {
                return Err(forced_error);
            }
            Err(_) if forced.0 > 0.0 => return Err(forced_error),
            Err(Error::NoConvergence { upper, .. }) if upper <= ROUNDED * size => {
                return Err(Error::PrecisionExhausted {
                    degree: self.degree,
                    reachable: ROUNDED * size,
                    enough: self.degree - 1,
                });
            }
            other => other?,
        };
        self.finish(&symmetry, &space, solution, size)
    }

    /// A largest weight times a largest value of the function.
    fn magnitude(&self, symmetry: &Symmetry) -> f64 {
        let (mut weight, mut value) = (0.0f64, 0.0f64);
        for &(lo, hi) in &symmetry.pieces {
            for k in 0..=32 {
                let x = lo + (hi - lo) * f64::from(k) / 32.0;
                weight = weight.max(self.weight.as_ref().map_or(1.0, |w| w(x)));
                value = value.max((self.function)(Dd::from(x)).hi().abs());
            }
        }
        weight * value
    }

    /// The free indices: all but the fixed ones, and of the parity.
    fn free(&self, symmetry: &Symmetry) -> Result<Free> {
        let (offset, stride) = match symmetry.parity {
            Parity::None => (0, 1),
            Parity::Even => (0, 2),
            Parity::Odd => (1, 2),
        };
        for (&index, &value) in &self.fixed {
            let why = if index > self.degree {
                "it lies above the degree"
            } else if !value.is_finite() {
                "it has to be finite"
            } else if self.parity != Parity::None && value != 0.0 && index % 2 != offset {
                "the parity asked for makes it zero"
            } else if self.basis == Basis::Power && stride == 2 && symmetry.interval.center() != 0.0
            {
                "powers of x have no parity about a centre other than 0; fix Chebyshev coefficients"
            } else {
                continue;
            };
            return Err(Error::Fixed { index, value, why });
        }
        let indices: Vec<usize> = (offset..=self.degree)
            .step_by(stride)
            .filter(|k| !self.fixed.contains_key(k))
            .collect();
        if indices.is_empty() {
            let (index, value) = self.fixed.iter().next().map_or((0, 0.0), |(&k, &v)| (k, v));
            let why = "no coefficient is left to choose";
            return Err(Error::Fixed { index, value, why });
        }
        let basis = if self.fixed.is_empty() {
            Basis::Chebyshev
        } else {
            self.basis
        };
        Ok(Free {
            indices,
            basis,
            stride,
        })
    }

    fn finish(
        &self,
        symmetry: &Symmetry,
        space: &Space,
        solution: Solution,
        function: f64,
    ) -> Result<Minimax> {
        let length = self.degree + 1;
        let mut coefficients = space.to_chebyshev(&solution.coefficients, length);
        let fixed = fixed_chebyshev(&self.fixed, self.basis, symmetry.interval, length);
        for (c, f) in coefficients.iter_mut().zip(fixed) {
            *c += f;
        }
        symmetry.restore(&mut coefficients);
        let size = |c: &Dd| c.hi().abs();
        let largest = coefficients.iter().map(size).fold(0.0, f64::max);
        if solution.error <= solution.resolution() {
            // Where fixed coefficients are much larger than the function, they use up the digits.
            if solution.scale > 1e3 * function {
                return Err(Error::NoConvergence {
                    iterations: solution.iterations,
                    lower: solution.level.min(solution.error),
                    upper: solution.error,
                });
            }
            let last = coefficients
                .iter()
                .rposition(|c| size(c) > 1e-27 * largest)
                .unwrap_or(0);
            if size(&coefficients[last]) < ABRUPT * largest {
                return Err(Error::PrecisionExhausted {
                    degree: self.degree,
                    reachable: solution.resolution(),
                    enough: last.max(1),
                });
            }
            // The function is a polynomial: what is left beyond its degree is rounding.
            coefficients.truncate(last + 1);
            for c in &mut coefficients {
                if size(c) < 1e-28 * largest {
                    *c = Dd::ZERO;
                }
            }
        }
        let rounded: Vec<f64> = coefficients.iter().map(|c| c.to_f64()).collect();
        let rounding = coefficients
            .iter()
            .zip(&rounded)
            .map(|(&c, &r)| (c - r).to_f64().abs())
            .sum();
        let mut extrema = solution.extrema;
        symmetry.unfold(&mut extrema);
        Ok(Minimax {
            polynomial: Polynomial::chebyshev(symmetry.interval, rounded)?,
            coefficients,
            error: solution.error.max(solution.level),
            lower_bound: solution.level.min(solution.error),
            rounding,
            extrema,
            iterations: solution.iterations,
        })
    }
}

/// `Σ cₖ bₖ(x)` over the fixed coefficients.
fn fixed_part(fixed: &BTreeMap<usize, f64>, basis: Basis, interval: Interval, x: Dd) -> Dd {
    let Some(&last) = fixed.keys().next_back() else {
        return Dd::ZERO;
    };
    let u = (x - interval.center()) / interval.radius();
    let (mut before, mut value) = (Dd::ZERO, Dd::ONE);
    let mut sum = Dd::ZERO;
    for k in 0..=last {
        if let Some(&c) = fixed.get(&k) {
            sum += value * c;
        }
        let next = match basis {
            Basis::Power => value * x,
            Basis::Chebyshev if k == 0 => u,
            Basis::Chebyshev => u * value * 2.0 - before,
        };
        (before, value) = (value, next);
    }
    sum
}

/// The same polynomial in the Chebyshev basis of the interval.
fn fixed_chebyshev(
    fixed: &BTreeMap<usize, f64>,
    basis: Basis,
    interval: Interval,
    length: usize,
) -> Vec<Dd> {
    let mut sum = vec![Dd::ZERO; length];
    if basis == Basis::Chebyshev {
        for (&k, &c) in fixed {
            sum[k] += c;
        }
        return sum;
    }
    // Horner's rule with x = center + radius u.
    let last = fixed.keys().next_back().copied();
    for k in (0..last.map_or(0, |l| l + 1)).rev() {
        let by_u = space::times_u(&sum);
        for (s, u) in sum.iter_mut().zip(by_u) {
            *s = *s * interval.center() + u * interval.radius();
        }
        sum[0] += fixed.get(&k).copied().unwrap_or(0.0);
    }
    sum
}

#[cfg(test)]
mod tests;
