//! One polynomial: every degree that is the largest of its price, and the smallest error that each can have.

use crate::chooser::search::{Proposal, Search};
use crate::chooser::{Method, Target};
use crate::least_squares::fit_samples;
use crate::{EvaluationPlan, Interval, Parity, Polynomial, Result, Sample, interpolate};

/// An interpolant's error is at most `2 + (2/π) ln(degree + 1)` times that of the best polynomial (Trefethen,
/// Approximation Theory and Approximation Practice, chapter 15).
fn lebesgue(degree: usize) -> f64 {
    2.0 + std::f64::consts::FRAC_2_PI * (degree as f64 + 1.0).ln()
}

/// One proposal for each degree.
pub(in crate::chooser) fn single<'a>(method: Method, search: &'a Search<'a>) -> Vec<Proposal<'a>> {
    degrees(search)
        .into_iter()
        .map(|(degree, depth, cost)| Proposal {
            method,
            name: format!("{method} of degree {degree}"),
            depth,
            cost,
            floor: Box::new(move || floor(search, degree)),
            build: Box::new(move || {
                let polynomial = polynomial(method, search, degree)?;
                EvaluationPlan::polynomial(&polynomial)
            }),
        })
        .collect()
}

/// The polynomial of a method, on the interval of the request.
pub(in crate::chooser) fn polynomial(
    method: Method,
    search: &Search<'_>,
    degree: usize,
) -> Result<Polynomial> {
    let polynomial = match method {
        Method::Truncation => {
            let series = search.series()?;
            let kept = &series[..series.len().min(degree + 1)];
            Polynomial::chebyshev(search.interval(), kept.to_vec())?
        }
        Method::LeastSquares => least_squares(search, degree)?,
        _ => interpolate(|x| search.value(x), search.interval(), degree)?,
    };
    with_symmetry(search, polynomial)
}

/// The coefficients that a symmetry forbids are rounding errors, or an accident of the density.
fn with_symmetry(search: &Search<'_>, polynomial: Polynomial) -> Result<Polynomial> {
    let drop = match search.symmetry().parity() {
        Parity::Even => |k: usize| k % 2 == 1 && k > 1,
        Parity::Odd => |k: usize| k.is_multiple_of(2) && k > 0,
        Parity::None => return Ok(polynomial),
    };
    let coefficients: Vec<f64> = polynomial
        .coefficients()
        .iter()
        .enumerate()
        .map(|(k, &c)| if drop(k) { 0.0 } else { c })
        .collect();
    Polynomial::chebyshev(polynomial.interval(), coefficients)
}

/// Least squares by the density; for a symmetric function its symmetric part by the density and its mirror image, of
/// which the fit has the same symmetry.
fn least_squares(search: &Search<'_>, degree: usize) -> Result<Polynomial> {
    let interval = search.interval();
    let symmetry = search.symmetry();
    let nodes = search.density().nodes(interval, degree);
    let center = interval.center();
    let part = |x: f64| search.value(x) - symmetry.linear(x - center);
    let samples = nodes.into_iter().flat_map(|(x, weight)| {
        let y = part(x);
        let mirrored = match symmetry.parity() {
            Parity::Even => Some(y),
            Parity::Odd => Some(-y),
            Parity::None => None,
        };
        let image = (2.0 * center - x).clamp(interval.lo(), interval.hi());
        [
            Some(Sample { x, y, weight }),
            mirrored.map(|y| Sample {
                x: image,
                y,
                weight,
            }),
        ]
        .into_iter()
        .flatten()
    });
    let fitted = fit_samples(samples, interval, degree)?;
    let mut coefficients = fitted.coefficients().to_vec();
    coefficients.resize(coefficients.len().max(2), 0.0);
    coefficients[0] += symmetry.linear(0.0);
    coefficients[1] += symmetry.linear(interval.radius()) - symmetry.linear(0.0);
    Polynomial::chebyshev(interval, coefficients)
}

/// A lower bound of the error of any polynomial of a degree, in the measure of the target: from that of the
/// interpolant, or that of the least squares fit itself.
fn floor(search: &Search<'_>, degree: usize) -> Result<f64> {
    match search.request().target {
        Target::MaxError(_) => {
            let interpolant = interpolate(|x| search.value(x), search.interval(), degree)?;
            let plan = EvaluationPlan::polynomial(&interpolant)?;
            Ok(search.measure(&plan)?.max_error / lebesgue(degree))
        }
        Target::MeanError(_) => Ok(0.0),
    }
}

/// `(degree, depth, cost)` of every degree that is the largest of its price, by a polynomial with the terms that the
/// symmetry allows.
fn degrees(search: &Search<'_>) -> Vec<(usize, usize, f64)> {
    let parity = search.symmetry().parity();
    let step = if parity == Parity::None { 1 } else { 2 };
    let first = if parity == Parity::Even { 2 } else { 1 };
    let mut found: Vec<(usize, usize, f64)> = Vec::new();
    for degree in (first..=search.request().max_degree).step_by(step) {
        let Some((depth, cost)) = price(search, degree, parity) else {
            continue;
        };
        if let Some(previous) = found.last_mut().filter(|p| p.1 == depth && p.2 >= cost) {
            *previous = (degree, depth, cost);
        } else {
            found.push((degree, depth, cost));
        }
    }
    found
}

/// Depth and cost of a polynomial whose coefficients are all of the same size; `None` if it is too deep.
fn price(search: &Search<'_>, degree: usize, parity: Parity) -> Option<(usize, f64)> {
    let occurs = |k: usize| match parity {
        Parity::Even => k.is_multiple_of(2) || k == 1,
        Parity::Odd => k % 2 == 1 || k == 0,
        Parity::None => true,
    };
    let coefficients: Vec<f64> = (0..=degree)
        .map(|k| if occurs(k) { 0.25 } else { 0.0 })
        .collect();
    let polynomial = Polynomial::chebyshev(Interval::UNIT, coefficients).ok()?;
    search.price(&EvaluationPlan::polynomial(&polynomial).ok()?)
}
