//! `x mod 1` near the integers, for the modular reduction of bootstrapping.
//!
//! After the modulus is raised a value is `x = I + e` with an integer `|I| <= bound` and a message `|e| <= radius`, and
//! `e = arcsin(sin 2πx)/2π`. The sine comes from a cosine of a smaller angle by doublings,
//! `sin 2πx = cos 2π(x - 1/4)` and `cos 2θ = 2 cos² θ - 1` (Han and Ki, CT-RSA 2020). Only the neighbourhoods of the
//! integers matter, so the polynomial for `cos(2π (x - 1/4)/2^r)` is the minimax one on the union of the intervals
//! `[i - radius, i + radius]` (J.-W. Lee and others, EUROCRYPT 2021), and even in `x - 1/4`: half of its coefficients are
//! zero. It is computed with a factor so that each doubling is `y² - constant`, one level and one product, and the last
//! value has the scale wanted.
//!
//! Without an arcsine the result is `sin(2πe)/2π = e - 2π²e³/3 + ..`: off by `(2π radius)²/6` of the largest message. An
//! odd polynomial for the arcsine of degree 3, 5 or 7 takes two or three levels more and brings this down to the error of the cosine,
//! which each doubling multiplies by at most four.
//!
//! [`ModularReduction::new`] treats all `I` alike, [`ModularReduction::weighted`] by their distribution.

use std::f64::consts::TAU;

use crate::overflow::Overflow;
use crate::{Dd, Domain, Error, EvaluationPlan, Interval, Parity, Polynomial, Remez, Result};

mod prediction;
mod scales;
#[cfg(test)]
mod simulation;
mod weighted;

pub use prediction::{
    FitError, IntegerError, Message, Prediction, ReductionSetting, rounding_deviation,
};
pub use scales::{ScaleTarget, Scales};

/// Largest `|I|`: the overflow of dense keys at any ring degree.
const LARGEST_BOUND: usize = 512;
/// Most doublings.
const MOST_DOUBLINGS: usize = 8;
/// Largest degree of the cosine.
const LARGEST_DEGREE: usize = 254;
/// Degrees offered for the arcsine; 1 is none.
const ARCSINES: [usize; 4] = [1, 3, 5, 7];
/// Relative gap between the errors found and possible at which the exchange stops.
const TOLERANCE: f64 = 1e-6;
/// Points of each neighbourhood where the error is looked at.
const POINTS: u32 = 48;

/// How the reduction is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModularMethod {
    /// Degree of the cosine, even.
    pub degree: usize,
    /// Doublings of the angle.
    pub doublings: usize,
    /// Degree of the arcsine: 1 for none, or 3, 5, 7.
    pub arcsine: usize,
}

impl Default for ModularMethod {
    /// Degree 28, three doublings, no arcsine: eight levels and eleven products, the cheapest for secrets of weight 32 with
    /// [`ModularReduction::weighted`].
    fn default() -> Self {
        ModularMethod {
            degree: 28,
            doublings: 3,
            arcsine: 1,
        }
    }
}

/// A plan for `x mod 1` with its error.
///
/// ```
/// use girih_polyfit::trigonometric::{ModularMethod, ModularReduction};
///
/// use girih_polyfit::overflow::Overflow;
///
/// let integers = Overflow::sparse(32)?;
/// let modulo = ModularReduction::weighted(&integers, 15, 2f64.powi(-8), ModularMethod::default())?;
/// assert_eq!(modulo.plan.unit_depth(), 8);
/// assert!((modulo.plan.eval(-7.0 + 0.003) - 0.003).abs() <= modulo.error);
/// // The error of a coefficient without a message, in the mean over the integers.
/// assert!(modulo.fit_error(&integers).rms < 2f64.powi(-44));
/// # Ok::<(), girih_polyfit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModularReduction {
    /// The plan: from `x`, with the interval centred at 1/4, to `e`.
    pub plan: EvaluationPlan,
    /// Largest integer part.
    pub bound: usize,
    /// Largest fractional part.
    pub radius: f64,
    /// How it computes.
    pub method: ModularMethod,
    /// The largest error of the cosine on the neighbourhoods, before the doublings.
    pub cosine_error: f64,
    /// The largest `|plan(I + e) - e|` found on a grid of 49 points in each neighbourhood, in double precision.
    pub error: f64,
}

impl ModularReduction {
    /// The reduction by the given method for `|I| <= bound` and `|e| <= radius`, all `I` alike; the degree is lowered where a
    /// smaller one is exact to 28 digits.
    ///
    /// # Errors
    /// A bound of 0 or above 512, a radius outside `(0, 1/4)`, a degree that is odd or above 254, more than 8 doublings, an
    /// arcsine that is not offered, or no convergence.
    pub fn new(bound: usize, radius: f64, method: ModularMethod) -> Result<Self> {
        check(bound, radius, method)?;
        let (cosine, cosine_error) = cosine(bound, radius, method)?;
        Self::with_cosine(bound, radius, method, &cosine, cosine_error)
    }

    /// The reduction by the given method that is best for integers of a distribution: its errors are small where integers are
    /// likely, and grow towards the bound. At equal degree the mean square error on coefficients is thousands of times
    /// smaller than that of [`new`](Self::new), and the mean error, which all coefficients share, is next to none.
    ///
    /// # Errors
    /// As [`new`](Self::new); a degree that the integers within the bound do not determine.
    pub fn weighted(
        overflow: &Overflow,
        bound: usize,
        radius: f64,
        method: ModularMethod,
    ) -> Result<Self> {
        check(bound, radius, method)?;
        let cosine = weighted::cosine(overflow, bound, radius, method)?;
        let angle = TAU * 0.5f64.powi(method.doublings as i32);
        let cosine_error = neighbourhoods(bound, radius)
            .map(|(integer, e)| integer - 0.25 + e)
            .map(|v| (cosine.eval(v) - (angle * v).cos()).abs())
            .fold(0.0, f64::max);
        Self::with_cosine(bound, radius, method, &cosine, cosine_error)
    }

    fn with_cosine(
        bound: usize,
        radius: f64,
        method: ModularMethod,
        cosine: &Polynomial,
        cosine_error: f64,
    ) -> Result<Self> {
        let half = cosine.interval().radius();
        let interval = Interval::try_new(0.25 - half, 0.25 + half)?;
        let mut plan = EvaluationPlan::new(interval);
        // The last value is `last · sin 2πx`: the message itself, or what the arcsine reads, from -1 to 1.
        let largest = (TAU * radius).sin();
        let last = if method.arcsine == 1 {
            1.0 / TAU
        } else {
            1.0 / largest
        };
        // y = 2 κ cos θ gives y² - 2 κ² = 2 κ² cos 2θ; the factor without doublings is one.
        let root = (last / 2.0).powf(0.5f64.powi(method.doublings as i32));
        let factor = if method.doublings == 0 {
            last
        } else {
            2.0 * root
        };
        let coefficients = cosine.coefficients().iter().map(|c| factor * c);
        let scaled = Polynomial::chebyshev(Interval::UNIT, coefficients.collect::<Vec<f64>>())?;
        let mut value = plan.push_polynomial(plan.input(), scaled)?;
        let mut kappa = root;
        for _ in 0..method.doublings {
            let doubled = Polynomial::power(Interval::UNIT, [-2.0 * kappa * kappa, 0.0, 1.0])?;
            value = plan.push_polynomial(value, doubled)?;
            kappa *= kappa;
        }
        if method.arcsine > 1 {
            plan.push_polynomial(value, arcsine(largest, method.arcsine)?)?;
        }
        let degree = cosine.degree();
        let mut reduction = ModularReduction {
            plan,
            bound,
            radius,
            method: ModularMethod { degree, ..method },
            cosine_error,
            error: 0.0,
        };
        reduction.error = reduction.largest_error();
        Ok(reduction)
    }

    /// The method of least depth, then fewest products, with an error of at most `target` within `depth` levels.
    ///
    /// # Errors
    /// [`Error::Depth`] with the smallest error found within these levels; a bound, radius or depth that cannot be used.
    pub fn for_error(bound: usize, radius: f64, target: f64, depth: usize) -> Result<Self> {
        let mut best: Option<ModularReduction> = None;
        let mut reached = f64::INFINITY;
        let price = |r: &ModularReduction| (r.plan.unit_depth(), r.plan.counts().products);
        for levels in 1..=depth {
            for arcsine in ARCSINES {
                let after = if arcsine == 1 {
                    0
                } else {
                    1 + arcsine.ilog2() as usize
                };
                for doublings in 0..=MOST_DOUBLINGS.min(levels.saturating_sub(after + 1)) {
                    let left = levels.saturating_sub(after + doublings);
                    // The largest even degree of this depth.
                    let degree = (1usize << left.min(8))
                        .saturating_sub(2)
                        .min(LARGEST_DEGREE);
                    if degree < 2 || left > 8 {
                        continue;
                    }
                    let method = ModularMethod {
                        degree,
                        doublings,
                        arcsine,
                    };
                    let Some(found) = Self::smallest(bound, radius, method, target, &mut reached)?
                    else {
                        continue;
                    };
                    if best.as_ref().is_none_or(|b| price(&found) < price(b)) {
                        best = Some(found);
                    }
                }
            }
            if let Some(best) = best {
                return Ok(best);
            }
        }
        Err(Error::Depth {
            target,
            depth,
            reached,
            needed: None,
        })
    }

    /// The smallest degree down from that of the method that keeps the target, if that one does.
    fn smallest(
        bound: usize,
        radius: f64,
        method: ModularMethod,
        target: f64,
        reached: &mut f64,
    ) -> Result<Option<Self>> {
        check(bound, radius, method)?;
        // Below the sine's own distance from the message no cosine helps.
        if method.arcsine == 1 && sine_error(radius) > target {
            *reached = reached.min(sine_error(radius));
            return Ok(None);
        }
        let attempt = |degree: usize| Self::new(bound, radius, ModularMethod { degree, ..method });
        let Ok(largest) = attempt(method.degree) else {
            // Where the arithmetic ends, the error was far below any target in an earlier attempt.
            return Ok(None);
        };
        *reached = reached.min(largest.error);
        if largest.error > target {
            return Ok(None);
        }
        let (mut below, mut best) = (method.degree / 2 / 2 * 2, largest);
        while best.method.degree - below > 2 {
            let middle = (below + best.method.degree) / 4 * 2;
            match attempt(middle) {
                Ok(found) if found.error <= target => best = found,
                _ => below = middle,
            }
        }
        Ok(Some(best))
    }

    fn largest_error(&self) -> f64 {
        neighbourhoods(self.bound, self.radius)
            .map(|(integer, e)| (self.plan.eval(integer + e) - e).abs())
            .fold(0.0, f64::max)
    }
}

/// The integers within a bound with the offsets at which errors are looked at.
fn neighbourhoods(bound: usize, radius: f64) -> impl Iterator<Item = (f64, f64)> {
    let offset = move |k: u32| radius * (2.0 * f64::from(k) / f64::from(POINTS) - 1.0);
    let bound = bound as i64;
    (-bound..=bound).flat_map(move |i| (0..=POINTS).map(move |k| (i as f64, offset(k))))
}

/// `radius - sin(2π radius)/2π`: the largest error of a sine that is exact, about `(2π radius)²/6` of the radius.
#[must_use]
pub fn sine_error(radius: f64) -> f64 {
    radius - (TAU * radius).sin() / TAU
}

/// The even minimax polynomial of `cos(2π v/2^r)` for `v` within `radius` of `1/4, 3/4, .., bound + 1/4`, which are the
/// distances of the integers from 1/4.
fn cosine(bound: usize, radius: f64, method: ModularMethod) -> Result<(Polynomial, f64)> {
    let around = |k: usize| {
        let center = (2 * k + 1) as f64 / 4.0;
        Interval::try_new(center - radius, center + radius)
    };
    let domain = Domain::try_new((0..=2 * bound).map(around).collect::<Result<_>>()?)?;
    let share = 0.5f64.powi(method.doublings as i32);
    let angle = Dd::PI * 2.0 * share;
    let mut degree = method.degree;
    loop {
        let minimax = Remez::new(move |v| (angle * v).cos(), domain.clone(), degree);
        match minimax.parity(Parity::Even).tolerance(TOLERANCE).solve() {
            Ok(minimax) => return Ok((minimax.polynomial, minimax.error)),
            // A smaller degree already reaches the last digit.
            Err(Error::PrecisionExhausted { enough, .. }) if degree > 2 => {
                degree = (enough / 2 * 2).clamp(2, degree - 2);
            }
            Err(other) => return Err(other),
        }
    }
}

/// `arcsin(s)/2π` for `s = largest · t`, as an odd polynomial of `t` in `[-1, 1]`.
fn arcsine(largest: f64, degree: usize) -> Result<Polynomial> {
    let f = move |t: Dd| {
        // arcsin by one step of Newton's method from double precision.
        let s = t * largest;
        let start = Dd::from(s.to_f64().asin());
        (start + (s - start.sin()) / start.cos()) / (Dd::PI * 2.0)
    };
    let minimax = Remez::new(f, Interval::UNIT, degree).parity(Parity::Odd);
    Ok(minimax.tolerance(TOLERANCE).solve()?.polynomial)
}

fn check(bound: usize, radius: f64, method: ModularMethod) -> Result<()> {
    let parameter = |name, value, lo, hi| {
        Err(Error::Parameter {
            name,
            value,
            lo,
            hi,
        })
    };
    if !(1..=LARGEST_BOUND).contains(&bound) {
        return parameter("bound", bound as f64, 1.0, LARGEST_BOUND as f64);
    }
    if !(radius > 0.0 && radius < 0.25) {
        return parameter("radius", radius, 0.0, 0.25);
    }
    if method.doublings > MOST_DOUBLINGS {
        return parameter(
            "doublings",
            method.doublings as f64,
            0.0,
            MOST_DOUBLINGS as f64,
        );
    }
    if !ARCSINES.contains(&method.arcsine) {
        return parameter("arcsine", method.arcsine as f64, 1.0, 7.0);
    }
    if method.degree % 2 == 1 || !(2..=LARGEST_DEGREE).contains(&method.degree) {
        return Err(Error::Degree {
            degree: method.degree,
            max: LARGEST_DEGREE,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::interpolate;
    use proptest::prelude::*;

    fn method(degree: usize, doublings: usize, arcsine: usize) -> ModularMethod {
        ModularMethod {
            degree,
            doublings,
            arcsine,
        }
    }

    /// The setting of sparse keys: `|I| <= 15`, degree 30, three doublings, depth 8, nine products and three squarings. A
    /// message of a 256th loses all but 13.3 bits to the sine, one of a 1024th all but 17.3.
    #[test]
    fn the_common_setting() {
        for (ratio, bits) in [(8, 13.28), (10, 17.28)] {
            let radius = (-f64::from(ratio)).exp2();
            let r = ModularReduction::new(15, radius, method(30, 3, 1)).unwrap();
            assert_eq!((r.plan.unit_depth(), r.plan.counts().products), (8, 12));
            assert!(
                (-(r.error / radius).log2() - bits).abs() < 0.02,
                "{:e}",
                r.error
            );
            // (2π radius)²/6 of the message, to leading order.
            let leading = (TAU * radius).powi(2) / 6.0;
            assert!((sine_error(radius) / radius / leading - 1.0).abs() < 1e-3);
            assert!(r.error < 1.03 * sine_error(radius));
        }
    }

    #[test]
    fn an_arcsine_leaves_the_error_of_the_cosine() {
        let radius = 2f64.powi(-8);
        let error = |arcsine: usize| {
            let r = ModularReduction::new(15, radius, method(30, 3, arcsine)).unwrap();
            assert_eq!(r.plan.unit_depth(), 8 + [0, 2, 3, 3][arcsine / 2]);
            // Each doubling multiplies by at most four; the arcsine divides by 2π.
            assert!(arcsine < 5 || r.error < 64.0 * r.cosine_error / TAU * 1.01);
            r.error
        };
        assert!(error(3) < error(1) / 2000.0 && error(7) < 2f64.powi(-33));
    }

    /// On the neighbourhoods the minimax polynomial is better than one that is good everywhere.
    #[test]
    fn neighbourhoods_need_less_than_the_whole_range() {
        for (bound, degree, doublings, gain) in
            [(15, 30, 3, 2.0), (15, 54, 1, 6.0), (6, 24, 0, 100.0)]
        {
            let radius = 2f64.powi(-10);
            let m = method(degree, doublings, 1);
            let (even, error) = cosine(bound, radius, m).unwrap();
            assert_eq!((even.parity(), even.degree()), (Parity::Even, degree));
            let angle = TAU * 0.5f64.powi(doublings as i32);
            let whole = interpolate(|v| (angle * v).cos(), even.interval(), degree).unwrap();
            let worst = |p: &Polynomial| {
                let at = |k: i32| 0.25 + 0.5 * f64::from(k);
                let near =
                    (0..=2 * bound as i32).flat_map(|k| [at(k) - radius, at(k), at(k) + radius]);
                near.fold(0.0, |w: f64, v| {
                    w.max((p.eval(v) - (angle * v).cos()).abs())
                })
            };
            assert!(worst(&even) <= error * (1.0 + 1e-6) + 1e-13);
            assert!(
                error < worst(&whole) / gain,
                "{bound} {degree}: {error:e} {:e}",
                worst(&whole)
            );
        }
    }

    #[test]
    fn methods_are_found_for_a_target() {
        let radius = 2f64.powi(-10);
        let target = radius / 2f64.powi(20);
        let r = ModularReduction::for_error(7, radius, target, 10).unwrap();
        assert!(r.error <= target && r.plan.unit_depth() <= 9, "{r:?}");
        let plain = radius / 2f64.powi(17);
        let r = ModularReduction::for_error(7, radius, plain, 10).unwrap();
        assert!(
            r.error <= plain && r.method.arcsine == 1 && r.plan.unit_depth() <= 7,
            "{r:?}"
        );
        match ModularReduction::for_error(7, radius, target, 4) {
            Err(Error::Depth { reached, .. }) => assert!(reached > target),
            other => panic!("{other:?}"),
        }
    }

    /// The bias that all coefficients share, and what the distribution of the integers saves: two degrees less than the minimax
    /// fit, and ten bits more.
    #[test]
    fn weighted_fits_are_small_where_integers_are_likely() {
        let overflow = Overflow::sparse(32).unwrap();
        let radius = 1.1 / 256.0;
        let even = ModularReduction::new(15, radius, method(30, 3, 1)).unwrap();
        let weighted = ModularReduction::weighted(&overflow, 15, radius, method(28, 3, 1)).unwrap();
        let counts = weighted.plan.counts();
        assert_eq!(
            (
                weighted.plan.unit_depth(),
                counts.products,
                counts.relinearizations
            ),
            (8, 11, 10)
        );
        let (a, b) = (even.fit_error(&overflow), weighted.fit_error(&overflow));
        assert!(
            b.rms < a.rms / 1000.0 && b.rms < 2f64.powi(-44),
            "{a:?} {b:?}"
        );
        assert!(
            b.mean.abs() < 2f64.powi(-52) && a.mean.abs() > 2f64.powi(-37),
            "{a:?} {b:?}"
        );
        // Towards the bound errors grow, no faster than the integers get rare.
        for e in weighted.errors(&overflow) {
            let expected = e.probability.max(2f64.powi(-60)).powf(-0.5) * 2f64.powi(-46);
            assert!(e.error.abs() < expected, "{e:?}");
        }
        assert!(weighted.error < 2f64.powi(-16), "{:e}", weighted.error);
        assert!(weighted.failure_log2(&overflow, 16) < -132.0);
        // A distribution that stays within 3 of 12 neighbourhoods determines no more than the rows do.
        let narrow = Overflow::sparse(2).unwrap();
        assert!(ModularReduction::weighted(&narrow, 1, radius, method(30, 3, 1)).is_err());
    }

    /// Gains for scales: the square at the start is the most delicate step, and equal harm at all levels is two bits and a half better
    /// than equal scales.
    #[test]
    fn balanced_scales_lose_least() {
        let overflow = Overflow::sparse(32).unwrap();
        let r = ModularReduction::weighted(&overflow, 15, 1.1 / 256.0, method(28, 3, 1)).unwrap();
        let gains = r.gains(&overflow);
        assert_eq!(gains.len(), 9);
        // dy/dx = 1 at the integers, and x is the radius times u.
        assert!((gains[0] / r.plan.interval().radius() - 1.0).abs() < 1e-6);
        assert!((gains[8] - 1.0).abs() < 1e-12);
        assert!(gains[1] > 100.0 && gains[1] < 150.0, "{gains:?}");
        let predicted = |bits: Vec<f64>| {
            let roundings: Vec<f64> = bits
                .iter()
                .map(|b| rounding_deviation(16) / b.exp2())
                .collect();
            let setting = ReductionSetting {
                log_n: 16,
                ratio: 256.0,
                overflow: &overflow,
                roundings: &roundings,
            };
            r.predict(setting, Message::Random).mean_bits()
        };
        let (equal, balanced) = (
            predicted(vec![58.0; 9]),
            predicted(r.balanced_scales(&overflow, 58.0)),
        );
        assert!((equal - 21.28).abs() < 0.05, "{equal}");
        assert!((balanced - 23.74).abs() < 0.05, "{balanced}");
    }

    #[test]
    fn misuse_is_refused() {
        let new = |bound, radius, m| ModularReduction::new(bound, radius, m);
        let m = method(30, 3, 1);
        assert!(matches!(
            new(0, 0.01, m),
            Err(Error::Parameter { name: "bound", .. })
        ));
        assert!(matches!(
            new(513, 0.01, m),
            Err(Error::Parameter { name: "bound", .. })
        ));
        for radius in [0.0, -0.1, 0.25, f64::NAN] {
            assert!(matches!(
                new(15, radius, m),
                Err(Error::Parameter { name: "radius", .. })
            ));
        }
        assert!(matches!(
            new(15, 0.01, method(31, 3, 1)),
            Err(Error::Degree { .. })
        ));
        assert!(matches!(
            new(15, 0.01, method(256, 3, 1)),
            Err(Error::Degree { .. })
        ));
        assert!(
            new(15, 0.01, method(30, 9, 1)).is_err() && new(15, 0.01, method(30, 3, 2)).is_err()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn the_error_holds_between_the_points(
            bound in 1usize..12,
            ratio in 5.0..12.0f64,
            doublings in 2usize..4,
            arcsine in 0usize..4,
            at in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64), 32),
        ) {
            let radius = (-ratio).exp2();
            let r = ModularReduction::new(bound, radius, method(30, doublings, ARCSINES[arcsine])).unwrap();
            for (i, e) in at {
                let (integer, e) = ((i * bound as f64).round(), e * radius);
                let error = (r.plan.eval(integer + e) - e).abs();
                prop_assert!(error <= r.error * 1.02 + 1e-14, "{} {} {} {}", integer, e, error, r.error);
            }
        }
    }
}
