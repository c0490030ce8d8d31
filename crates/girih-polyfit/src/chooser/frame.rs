//! Where polynomials are fitted: the interval of the request, or a symmetric one around it that saves half the terms.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use super::{Request, Symmetry};
use crate::{Domain, Function, Interval, MAX_DEGREE, Result, interpolate};

/// The symmetric interval is tried where the shorter side is at least this share of the longer one: with less, the wider
/// range costs more than the symmetry saves (the degree grows with the width, and half of it is saved).
const SHORTER_SIDE: f64 = 0.5;

/// Degree, depth and cost of a polynomial.
pub(super) type Priced = (usize, usize, f64);

/// An interval with the symmetry of the function there, and what all single polynomials on it share.
pub(super) struct Frame {
    function: Function,
    pub(super) interval: Interval,
    /// The interval without the gap of the request.
    pub(super) domain: Domain,
    pub(super) symmetry: Symmetry,
    /// The degrees that are worth trying.
    pub(super) degrees: OnceCell<Vec<Priced>>,
    /// Lower bounds of the error, by degree.
    pub(super) floors: RefCell<BTreeMap<usize, f64>>,
    series: OnceCell<Vec<f64>>,
}

impl Frame {
    fn new(request: &Request, interval: Interval) -> Result<Self> {
        let function = request.function;
        let domain = domain(interval, request.gap)?;
        function.check(&domain)?;
        Ok(Frame {
            function,
            interval,
            symmetry: Symmetry::of(|x| function.eval(x), interval),
            domain,
            degrees: OnceCell::new(),
            floors: RefCell::default(),
            series: OnceCell::new(),
        })
    }

    /// The interval of the request first.
    ///
    /// # Errors
    /// The function is singular there.
    pub(super) fn all(request: &Request) -> Result<Vec<Frame>> {
        let own = Frame::new(request, request.interval)?;
        let (left, right) = (-request.interval.lo(), request.interval.hi());
        let near_symmetric = left.min(right) >= SHORTER_SIDE * left.max(right);
        let wider = (own.symmetry == Symmetry::None && near_symmetric)
            .then(|| Interval::symmetric(left.max(right)))
            .and_then(Result::ok)
            .and_then(|hull| Frame::new(request, hull).ok())
            .filter(|frame| frame.symmetry != Symmetry::None);
        Ok(std::iter::once(own).chain(wider).collect())
    }

    /// Coefficients of the Chebyshev series, by an interpolant of degree [`MAX_DEGREE`].
    pub(super) fn series(&self) -> Result<&[f64]> {
        if let Some(series) = self.series.get() {
            return Ok(series);
        }
        let polynomial = interpolate(|x| self.function.eval(x), self.interval, MAX_DEGREE)?;
        let coefficients = polynomial.coefficients().to_vec();
        Ok(self.series.get_or_init(|| coefficients))
    }
}

/// The interval, without `(-gap, gap)` if there is a gap.
fn domain(interval: Interval, gap: f64) -> Result<Domain> {
    if gap == 0.0 {
        return Ok(interval.into());
    }
    let sides = [(interval.lo(), -gap), (gap, interval.hi())];
    let sides = sides.map(|(lo, hi)| Interval::try_new(lo, hi));
    Domain::try_new(sides.into_iter().collect::<Result<Vec<_>>>()?)
}
