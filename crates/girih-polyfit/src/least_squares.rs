//! Weighted least squares: fits where the inputs really are.

use crate::chebyshev::{check_degree, nodes};
use crate::{Density, Error, Interval, Polynomial, Result, max_error};

/// Steps of the bisection of [`fit_tail`]: the share of the uniform weight to a factor of `1e12^(2^-24)`.
const BISECTIONS: usize = 24;
/// The smallest share tried: smaller ones drown in the rounding of the rest.
const SMALLEST_SHARE: f64 = 1e-12;

/// One observation `(x, y)` and how much it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Abscissa, inside the interval of the fit.
    pub x: f64,
    /// Ordinate.
    pub y: f64,
    /// Weight of the squared error; not negative.
    pub weight: f64,
}

/// The polynomial `p` of the given degree that minimises `Σ wᵢ (p(xᵢ) - yᵢ)²`.
///
/// The samples are folded one by one into a triangular factor by Givens rotations in the Chebyshev
/// basis (Golub and Van Loan, Matrix Computations, 5.2.5): memory `O(degree²)`, time
/// `O(samples · degree²)`.
///
/// # Errors
/// A degree of 0 or above the largest, a sample outside the interval or not finite, or samples that
/// do not determine the polynomial.
pub fn fit_samples(
    samples: impl IntoIterator<Item = Sample>,
    interval: Interval,
    degree: usize,
) -> Result<Polynomial> {
    let (triangle, counted) = triangle(samples, interval, degree)?;
    triangle.polynomial(interval, counted)
}

/// The factor of all samples, and how many have a positive weight.
fn triangle(
    samples: impl IntoIterator<Item = Sample>,
    interval: Interval,
    degree: usize,
) -> Result<(Triangle, usize)> {
    check_degree(degree)?;
    let n = degree + 1;
    let mut triangle = Triangle::new(n);
    let mut row = vec![0.0; n + 1];
    let mut counted = 0;
    for (index, Sample { x, y, weight }) in samples.into_iter().enumerate() {
        let usable = interval.contains(x) && y.is_finite() && weight.is_finite() && weight >= 0.0;
        if !usable {
            return Err(Error::Sample {
                index,
                x,
                y,
                weight,
            });
        }
        if weight > 0.0 {
            counted += 1;
            chebyshev_row(&mut row, interval.to_unit(x), y, weight);
            triangle.fold(&mut row);
        }
    }
    Ok((triangle, counted))
}

/// The polynomial `p` of the given degree that minimises `∫ density(x) (p(x) - f(x))² dx`.
///
/// The integral is taken by the Chebyshev rule of `8 (degree + 1) + 256` points: exact for a smooth
/// density to rounding, and good to about the square of their spacing at kinks.
///
/// # Errors
/// As [`fit_samples`]; the function or the density is not finite at a point, or the density is
/// negative, or zero almost everywhere.
pub fn fit_density(
    f: impl Fn(f64) -> f64,
    density: impl Fn(f64) -> f64,
    interval: Interval,
    degree: usize,
) -> Result<Polynomial> {
    check_degree(degree)?;
    let points = 8 * (degree + 1) + 256;
    let samples = nodes(interval, points).into_iter().map(|x| {
        let u = interval.to_unit(x);
        // ∫ g du = ∫ g √(1 - u²) du / √(1 - u²), and the rule has equal weights for the latter.
        let weight = density(x) * (1.0 - u * u).max(0.0).sqrt();
        Sample { x, y: f(x), weight }
    });
    fit_samples(samples, interval, degree)
}

/// The polynomial `p` of the given degree that minimises `E[(p(x) - f(x))²]` for inputs `x` of the density.
///
/// The integral over each bin is a Gauss-Legendre rule that is exact, to rounding, for products of polynomials of this
/// degree ([`Density::nodes`]); mass outside the interval is left out.
///
/// # Errors
/// As [`fit_samples`]: a density with no mass in the interval or in so small a part of it that the polynomial is not
/// determined ([`Density::smoothed_on`] helps); the function is not finite at a point.
pub fn fit_weighted(
    f: impl Fn(f64) -> f64,
    density: &Density,
    interval: Interval,
    degree: usize,
) -> Result<Polynomial> {
    check_degree(degree)?;
    let nodes = density.nodes(interval, degree).into_iter();
    fit_samples(
        nodes.map(|(x, weight)| Sample { x, y: f(x), weight }),
        interval,
        degree,
    )
}

/// A least-squares fit whose largest error is bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct TailFit {
    /// The polynomial.
    pub polynomial: Polynomial,
    /// The share of the weight that is spread over the interval.
    pub share: f64,
    /// The largest error on the interval, as found.
    pub max_error: f64,
    /// `E[(p - f)²]^(1/2)` for inputs of the density alone.
    pub rms_error: f64,
}

/// The polynomial of least `E[(p(x) - f(x))²]` among the fits for `(1 - share) · density + share · arcsine` whose largest
/// error on the interval is at most `largest`.
///
/// The arcsine density `1 / (π √(1 - u²))` is that of Chebyshev series: the fit of share 1 is within a small factor of
/// the minimax polynomial. The largest error falls with the share, up to small waves; the smallest share that is good
/// enough is found by bisection of its logarithm, from 10⁻¹² up, to about a part in a million.
///
/// # Errors
/// As [`fit_weighted`], but the density need not determine the polynomial; [`Error::Target`] if even share 1 exceeds
/// `largest`, with the error that it reaches.
pub fn fit_tail(
    f: impl Fn(f64) -> f64,
    density: &Density,
    interval: Interval,
    degree: usize,
    largest: f64,
) -> Result<TailFit> {
    check_degree(degree)?;
    let weighted = density.nodes(interval, degree);
    let spread = nodes(interval, 4 * (degree + 1) + 256);
    let equal = 1.0 / spread.len() as f64;
    let row = |x: f64, weight: f64| Sample { x, y: f(x), weight };
    let near = triangle(weighted.iter().map(|&(x, w)| row(x, w)), interval, degree)?.0;
    let (far, samples) = triangle(spread.iter().map(|&x| row(x, equal)), interval, degree)?;
    let fit = |share: f64| -> Result<TailFit> {
        let mut joint = Triangle::new(degree + 1);
        near.fold_into(&mut joint, (1.0 - share).sqrt());
        far.fold_into(&mut joint, share.sqrt());
        let polynomial = joint.polynomial(interval, samples)?;
        let max_error = max_error(&f, &polynomial, interval)?.max_error;
        Ok(TailFit {
            rms_error: density.rms_error(&f, |x| polynomial.eval(x)),
            polynomial,
            share,
            max_error,
        })
    };
    let mut best = fit(1.0)?;
    if best.max_error > largest || largest.is_nan() {
        return Err(Error::Target {
            target: largest,
            reached: best.max_error,
            degree,
        });
    }
    let (mut lo, mut hi) = (SMALLEST_SHARE.ln(), 0.0);
    for k in 0..BISECTIONS {
        // The smallest share first: often no bound is needed.
        let middle = if k == 0 { lo } else { (lo + hi) / 2.0 };
        match fit(middle.exp()) {
            Ok(candidate) if candidate.max_error <= largest => {
                if candidate.rms_error <= best.rms_error {
                    best = candidate;
                }
                hi = middle;
            }
            Ok(_) | Err(Error::Underdetermined { .. }) => lo = middle,
            Err(other) => return Err(other),
        }
        if hi <= lo {
            break;
        }
    }
    Ok(best)
}

/// `√weight · (T₀(u), .., Tₙ₋₁(u), y)` for at least two columns before the last.
pub(crate) fn chebyshev_row(row: &mut [f64], u: f64, y: f64, weight: f64) {
    let n = row.len() - 1;
    let root = weight.sqrt();
    (row[0], row[1]) = (root, root * u);
    for k in 2..n {
        row[k] = 2.0 * u * row[k - 1] - row[k - 2];
    }
    row[n] = root * y;
}

/// The triangular factor of the rows seen so far, each with its right-hand side as last entry.
pub(crate) struct Triangle {
    n: usize,
    rows: Vec<Vec<f64>>,
}

impl Triangle {
    pub(crate) fn new(n: usize) -> Self {
        Triangle {
            n,
            rows: vec![vec![0.0; n + 1]; n],
        }
    }

    /// Rotates one more row in; `row` is used as scratch, and its last entry becomes what no polynomial can absorb.
    pub(crate) fn fold(&mut self, row: &mut [f64]) {
        for (k, pivot) in self.rows.iter_mut().enumerate() {
            if row[k] == 0.0 {
                continue;
            }
            let length = pivot[k].hypot(row[k]);
            let (c, s) = (pivot[k] / length, row[k] / length);
            for (p, r) in pivot[k..].iter_mut().zip(&mut row[k..]) {
                (*p, *r) = (c * *p + s * *r, c * *r - s * *p);
            }
        }
    }

    /// Rotates all rows into another factor, scaled.
    fn fold_into(&self, other: &mut Triangle, factor: f64) {
        for row in &self.rows {
            let mut scaled: Vec<f64> = row.iter().map(|v| factor * v).collect();
            other.fold(&mut scaled);
        }
    }

    /// The polynomial that the rows determine; `samples` is the number of them, for the error.
    fn polynomial(&self, interval: Interval, samples: usize) -> Result<Polynomial> {
        let coefficients = self.solve().map_err(|determined| Error::Underdetermined {
            samples,
            determined,
            degree: self.n - 1,
        })?;
        Polynomial::chebyshev(interval, coefficients)
    }

    /// Back substitution, or the largest degree that the rows determine.
    fn solve(&self) -> std::result::Result<Vec<f64>, usize> {
        let n = self.n;
        let largest = (0..n).map(|k| self.rows[k][k].abs()).fold(0.0, f64::max);
        // Relative to the largest pivot, a pivot of this size is the rounding error of the others.
        let negligible = n as f64 * f64::EPSILON * largest;
        if let Some(k) = (0..n).find(|&k| self.rows[k][k].abs() <= negligible) {
            return Err(k.saturating_sub(1));
        }
        let mut x = vec![0.0; n];
        for k in (0..n).rev() {
            let row = &self.rows[k];
            let known: f64 = (k + 1..n).map(|j| row[j] * x[j]).sum();
            x[k] = (row[n] - known) / row[k];
        }
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn sample(x: f64, y: f64, weight: f64) -> Sample {
        Sample { x, y, weight }
    }

    #[test]
    fn a_line_through_weighted_points() {
        let i = Interval::symmetric(2.0).unwrap();
        // Weight 2 is the sample twice.
        let weighted = [
            sample(-1.0, 0.0, 1.0),
            sample(0.0, 1.0, 2.0),
            sample(1.0, 0.5, 1.0),
        ];
        let twice = [
            sample(-1.0, 0.0, 1.0),
            sample(0.0, 1.0, 1.0),
            sample(0.0, 1.0, 1.0),
            sample(1.0, 0.5, 1.0),
        ];
        let p = fit_samples(weighted, i, 1).unwrap();
        let q = fit_samples(twice, i, 1).unwrap();
        // Normal equations by hand: 4 a = 2.5, 2 b = 0.5.
        assert!((p.eval(0.0) - 0.625).abs() < 1e-15);
        assert!((p.eval(1.0) - 0.875).abs() < 1e-15);
        assert!((p.eval(2.0) - q.eval(2.0)).abs() < 1e-14);
    }

    #[test]
    fn the_density_moves_the_error() {
        let i = Interval::symmetric(8.0).unwrap();
        let relu = |x: f64| x.max(0.0);
        let flat = fit_density(relu, |_| 1.0, i, 8).unwrap();
        let peaked = fit_density(relu, |x| (-x * x / 2.0).exp(), i, 8).unwrap();
        let error = |p: &Polynomial, x: f64| (p.eval(x) - relu(x)).abs();
        assert!(error(&peaked, 0.0) < error(&flat, 0.0) / 2.0);
        assert!(error(&peaked, 7.9) > error(&flat, 7.9));
    }

    /// Against the closed form: the best line for `x²` on a uniform density over `[0, 1]` is `x - 1/6`.
    #[test]
    fn histograms_are_integrated_exactly() {
        let i = Interval::try_new(0.0, 1.0).unwrap();
        for bins in [1, 2, 7] {
            let edges: Vec<f64> = (0..=bins).map(|k| f64::from(k) / f64::from(bins)).collect();
            let density = Density::from_histogram(&edges, &vec![1.0; bins as usize]).unwrap();
            let p = fit_weighted(|x| x * x, &density, i, 1).unwrap();
            assert!((p.eval(0.0) + 1.0 / 6.0).abs() < 1e-14);
            assert!((p.eval(1.0) - 5.0 / 6.0).abs() < 1e-14);
        }
        // Mass 3/4 on [0, 1/2] and 1/4 on [1/2, 1]: E[x] = 3/8, E[x²] = 5/24, E[x³] = 9/64 by hand.
        let density = Density::from_histogram(&[0.0, 0.5, 1.0], &[3.0, 1.0]).unwrap();
        let p = fit_weighted(|x| x * x, &density, i, 1).unwrap();
        let slope = (9.0 / 64.0 - 3.0 / 8.0 * 5.0 / 24.0) / (5.0 / 24.0 - 9.0 / 64.0);
        assert!((p.eval(1.0) - p.eval(0.0) - slope).abs() < 1e-14, "{slope}");
    }

    #[test]
    fn the_tail_is_bounded() {
        let i = Interval::symmetric(8.0).unwrap();
        let density = Density::normal(0.0, 1.0).unwrap();
        let f = |x: f64| x.max(0.0);
        let free = fit_tail(f, &density, i, 8, 1e9).unwrap();
        let tight = fit_tail(f, &density, i, 8, 0.5).unwrap();
        let plain = fit_weighted(f, &density, i, 8).unwrap();
        assert!(
            tight.max_error <= 0.5 && tight.max_error > 0.499,
            "{tight:?}"
        );
        assert!(free.max_error > 1.0 && free.rms_error < tight.rms_error);
        let rms = density.rms_error(f, |x| plain.eval(x));
        assert!(
            (free.rms_error / rms - 1.0).abs() < 1e-3,
            "{} {rms}",
            free.rms_error
        );
        match fit_tail(f, &density, i, 8, 1e-3) {
            Err(Error::Target { reached, .. }) => assert!(reached > 0.1 && reached < 0.4),
            other => panic!("{other:?}"),
        }
        assert!(fit_tail(f, &density, i, 8, f64::NAN).is_err());
    }

    #[test]
    fn misuse_is_refused() {
        let i = Interval::UNIT;
        let points = [
            sample(0.0, 1.0, 1.0),
            sample(0.5, 1.0, 1.0),
            sample(0.5, 2.0, 1.0),
        ];
        assert_eq!(
            fit_samples(points, i, 3),
            Err(Error::Underdetermined {
                samples: 3,
                determined: 1,
                degree: 3
            })
        );
        assert!(matches!(
            fit_samples([sample(1.5, 0.0, 1.0)], i, 1),
            Err(Error::Sample { index: 0, .. })
        ));
        assert!(matches!(
            fit_samples([sample(0.5, 0.0, -1.0)], i, 1),
            Err(Error::Sample { .. })
        ));
        assert!(matches!(
            fit_samples([sample(f64::NAN, 0.0, 1.0)], i, 1),
            Err(Error::Sample { .. })
        ));
        assert!(matches!(
            fit_density(f64::exp, |_| 0.0, i, 2),
            Err(Error::Underdetermined { .. })
        ));
        assert!(matches!(fit_samples([], i, 0), Err(Error::Degree { .. })));
    }

    proptest! {
        /// The residual is orthogonal to every basis polynomial.
        #[test]
        fn normal_equations_hold(
            points in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64, 0.1..1.0f64), 12..60),
            degree in 1usize..6,
        ) {
            let samples: Vec<_> = points.iter().map(|&(x, y, w)| sample(x, y, w)).collect();
            let Ok(p) = fit_samples(samples.iter().copied(), Interval::UNIT, degree) else {
                return Ok(());
            };
            for k in 0..=degree {
                let dot: f64 = samples
                    .iter()
                    .map(|s| s.weight * (p.eval(s.x) - s.y) * (k as f64 * s.x.acos()).cos())
                    .sum();
                prop_assert!(dot.abs() < 1e-9 * (1.0 + p.magnitude()), "{}", dot);
            }
        }
    }
}
