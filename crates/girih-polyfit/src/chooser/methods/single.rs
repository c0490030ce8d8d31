//! One polynomial: every degree that is the largest of its price, and the smallest error that each can have.

use crate::chebyshev::nodes;
use crate::chooser::frame::{Frame, Priced};
use crate::chooser::search::{Proposal, Search};
use crate::chooser::{Method, Symmetry, Target};
use crate::least_squares::fit_samples;
use crate::{
    Dd, Error, EvaluationPlan, Interval, Parity, Polynomial, Remez, Result, Sample, interpolate,
};

/// An interpolant's error is at most `2 + (2/π) ln(degree + 1)` times that of the best polynomial (Trefethen,
/// Approximation Theory and Approximation Practice, chapter 15).
fn lebesgue(degree: usize) -> f64 {
    2.0 + std::f64::consts::FRAC_2_PI * (degree as f64 + 1.0).ln()
}

/// Whether the last coefficients are rounding errors: then no method does better.
fn has_converged(interpolant: &Polynomial, degree: usize) -> bool {
    let last = interpolant
        .coefficients()
        .iter()
        .skip(degree - degree.min(2));
    last.fold(0.0, |m: f64, c| m.max(c.abs())) <= 4.0 * f64::EPSILON * interpolant.magnitude()
}

/// One proposal for each frame and degree.
pub(super) fn proposals<'a>(method: Method, search: &'a Search<'a>) -> Vec<Proposal<'a>> {
    let of_frame = |frame: &'a Frame| {
        let degrees = frame.degrees.get_or_init(|| degrees(search, frame));
        let place = match frame.interval == search.interval() {
            true => String::new(),
            false => format!(" on {}", frame.interval),
        };
        degrees.iter().map(move |&(degree, depth, cost)| Proposal {
            method,
            name: format!("{method} of degree {degree}{place}"),
            depth,
            cost,
            floor: Box::new(move || floor(search, frame, degree)),
            build: Box::new(move || {
                let interpolant = polynomial(Method::Interpolation, search, frame, degree)?;
                if has_converged(&interpolant, degree) {
                    return EvaluationPlan::polynomial(&interpolant);
                }
                EvaluationPlan::polynomial(&polynomial(method, search, frame, degree)?)
            }),
        })
    };
    search.frames().iter().flat_map(of_frame).collect()
}

/// The polynomial of a method on the interval of a frame.
pub(in crate::chooser) fn polynomial(
    method: Method,
    search: &Search<'_>,
    frame: &Frame,
    degree: usize,
) -> Result<Polynomial> {
    let polynomial = match method {
        Method::Minimax => minimax(search, frame, degree)?,
        Method::Truncation => {
            let series = frame.series()?;
            let kept = &series[..series.len().min(degree + 1)];
            Polynomial::chebyshev(frame.interval, kept.to_vec())?
        }
        Method::LeastSquares => least_squares(search, frame, degree)?,
        Method::Interpolation => interpolate(|x| search.value(x), frame.interval, degree)?,
        _ => {
            return Err(Error::NotSingle {
                method: method.name(),
            });
        }
    };
    with_symmetry(frame, polynomial)
}

/// The best polynomial, of the symmetric part of a function that has one.
fn minimax(search: &Search<'_>, frame: &Frame, degree: usize) -> Result<Polynomial> {
    let (function, interval) = (search.function(), frame.interval);
    let center = interval.center();
    let image = move |x: Dd| Dd::from(2.0 * center) - x;
    let value = move |x: Dd| function.eval_dd(x);
    let (f, shift, slope): (Box<dyn Fn(Dd) -> Dd>, f64, f64) = match frame.symmetry {
        Symmetry::Even { slope } => (
            Box::new(move |x| (value(x) + value(image(x))) / 2.0),
            0.0,
            slope,
        ),
        Symmetry::Odd { offset } => (
            Box::new(move |x| (value(x) - value(image(x))) / 2.0),
            offset,
            0.0,
        ),
        Symmetry::None => (Box::new(value), 0.0, 0.0),
    };
    let solved = Remez::new(f, frame.domain.clone(), degree)
        .breaks(function.breaks())
        .parity(frame.symmetry.parity())
        .solve()?;
    // The linear part of a slope is that of the line through the centre.
    let mut coefficients = solved.polynomial.coefficients().to_vec();
    coefficients.resize(coefficients.len().max(2), 0.0);
    coefficients[0] += shift;
    coefficients[1] += slope * interval.radius();
    Polynomial::chebyshev(interval, coefficients)
}

/// The coefficients that a symmetry forbids are rounding errors, or an accident of the density.
fn with_symmetry(frame: &Frame, polynomial: Polynomial) -> Result<Polynomial> {
    let drop = match frame.symmetry.parity() {
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

/// Shares of the weight that are spread over the interval, until the error is small enough everywhere.
const SHARES: [f64; 8] = [0.0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0];
/// The error allowed where nothing is said: this share of the largest value, or this multiple of the interpolant's error.
const TAIL_SHARE: f64 = 0.05;
const TAIL_FACTOR: f64 = 4.0;
/// Points at which tails are looked at.
const TAIL_POINTS: usize = 512;

/// Least squares by the density, with the least share of the arcsine density `1 / (π √(1 - u²))` with which no error is
/// beyond the tail that is allowed; without a density uniform.
fn least_squares(search: &Search<'_>, frame: &Frame, degree: usize) -> Result<Polynomial> {
    let request = search.request();
    if request.density.is_none() || request.tail == Some(f64::INFINITY) {
        return least_squares_with(search, frame, degree, 0.0);
    }
    let points = nodes(request.interval, TAIL_POINTS);
    let points: Vec<f64> = points.into_iter().filter(|&x| search.counts(x)).collect();
    let largest = |f: &dyn Fn(f64) -> f64| points.iter().map(|&x| f(x).abs()).fold(0.0, f64::max);
    let allowed = match request.tail {
        Some(allowed) => allowed,
        None => {
            let interpolant = interpolate(|x| search.value(x), frame.interval, degree)?;
            let error = largest(&|x| search.value(x) - interpolant.eval(x));
            (TAIL_SHARE * largest(&|x| search.value(x))).max(TAIL_FACTOR * error)
        }
    };
    let mut last = least_squares_with(search, frame, degree, SHARES[0]);
    for share in &SHARES[1..] {
        let fits = |p: &Polynomial| largest(&|x| search.value(x) - p.eval(x)) <= allowed;
        if last.as_ref().is_ok_and(fits) {
            break;
        }
        last = least_squares_with(search, frame, degree, *share);
    }
    last
}

/// For a symmetric function the fit of its symmetric part by the density and its mirror image, which has the same
/// symmetry.
fn least_squares_with(
    search: &Search<'_>,
    frame: &Frame,
    degree: usize,
    share: f64,
) -> Result<Polynomial> {
    let (interval, symmetry) = (frame.interval, frame.symmetry);
    let center = interval.center();
    let part = |x: f64| search.value(x) - symmetry.linear(x - center);
    let count = 4 * (degree + 1) + 64;
    let spread = nodes(interval, count)
        .into_iter()
        .map(|x| (x, share / count as f64));
    let measured = search.density().nodes(interval, degree).into_iter();
    let weighted = measured
        .map(|(x, weight)| (x, (1.0 - share) * weight))
        .chain(spread)
        .filter(|n| n.1 > 0.0 && search.counts(n.0));
    let samples = weighted.flat_map(|(x, weight)| {
        let y = part(x);
        let mirrored = match symmetry.parity() {
            Parity::Even => Some(y),
            Parity::Odd => Some(-y),
            Parity::None => None,
        };
        let image = (2.0 * center - x).clamp(interval.lo(), interval.hi());
        let mirrored = mirrored.map(|y| Sample {
            x: image,
            y,
            weight,
        });
        [Some(Sample { x, y, weight }), mirrored]
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

/// A lower bound of the largest error of any polynomial of a degree, from that of the interpolant; 0 where there is
/// none: in the mean, across a gap, or on a wider interval.
fn floor(search: &Search<'_>, frame: &Frame, degree: usize) -> Result<f64> {
    let request = search.request();
    let bounded = matches!(request.target, Target::MaxError(_))
        && request.gap == 0.0
        && frame.interval == request.interval;
    if !bounded {
        return Ok(0.0);
    }
    if let Some(floor) = frame.floors.borrow().get(&degree) {
        return Ok(*floor);
    }
    let interpolant = interpolate(|x| search.value(x), frame.interval, degree)?;
    let plan = EvaluationPlan::polynomial(&interpolant)?;
    let floor = search.measure(&plan)?.max_error / lebesgue(degree);
    frame.floors.borrow_mut().insert(degree, floor);
    Ok(floor)
}

/// Every degree that is the largest of its depth, products and relinearisations, by a polynomial with the terms that
/// the symmetry allows.
fn degrees(search: &Search<'_>, frame: &Frame) -> Vec<Priced> {
    let parity = frame.symmetry.parity();
    let step = if parity == Parity::None { 1 } else { 2 };
    let first = if parity == Parity::Even { 2 } else { 1 };
    let mut found: Vec<(Priced, (usize, usize))> = Vec::new();
    for degree in (first..=search.request().max_degree).step_by(step) {
        let Some((depth, cost, class)) = price(search, degree, parity) else {
            continue;
        };
        let next = ((degree, depth, cost), class);
        match found.last_mut() {
            Some(last) if last.0.1 == depth && last.1.0 >= class.0 && last.1.1 >= class.1 => {
                *last = next;
            }
            _ => found.push(next),
        }
    }
    found.into_iter().map(|f| f.0).collect()
}

/// Coefficients of like size of which no sum or difference vanishes by accident.
fn generic(k: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    1.0 + (k as f64 * GOLDEN).fract()
}

/// Depth and cost of a polynomial whose coefficients are all of the same size, and its products and relinearisations;
/// `None` if it is too deep.
fn price(
    search: &Search<'_>,
    degree: usize,
    parity: Parity,
) -> Option<(usize, f64, (usize, usize))> {
    let occurs = |k: usize| match parity {
        Parity::Even => k.is_multiple_of(2) || k == 1,
        Parity::Odd => k % 2 == 1 || k == 0,
        Parity::None => true,
    };
    let coefficients: Vec<f64> = (0..=degree)
        .map(|k| if occurs(k) { generic(k) } else { 0.0 })
        .collect();
    let polynomial = Polynomial::chebyshev(Interval::UNIT, coefficients).ok()?;
    let plan = EvaluationPlan::polynomial(&polynomial).ok()?;
    let (depth, cost) = search.price(&plan)?;
    let counts = plan.counts();
    Some((depth, cost, (counts.products, counts.relinearizations)))
}
