//! What all methods share while one request is answered.

use std::cell::OnceCell;

use super::measure::{Measured, measure};
use super::{Candidate, Ends, Method, Request, Symmetry};
use crate::evaluation::Step;
use crate::{
    Density, Error, EvaluationPlan, Interval, MAX_DEGREE, PlanCounts, Result, interpolate,
};

/// A plan that can be made, and what is known of it before.
pub(super) struct Proposal<'a> {
    pub(super) method: Method,
    pub(super) name: String,
    pub(super) depth: usize,
    pub(super) cost: f64,
    /// The error cannot be smaller.
    pub(super) floor: Box<dyn Fn() -> Result<f64> + 'a>,
    pub(super) build: Box<dyn Fn() -> Result<EvaluationPlan> + 'a>,
}

/// A request, checked, with what its methods compute once.
pub(super) struct Search<'a> {
    request: &'a Request,
    symmetry: Symmetry,
    density: Density,
    series: OnceCell<Vec<f64>>,
}

impl<'a> Search<'a> {
    /// Checks a request.
    pub(super) fn new(request: &'a Request) -> Result<Self> {
        let target = request.target.value();
        if !(target > 0.0 && target.is_finite()) {
            return Err(Error::Parameter {
                name: "target",
                value: target,
                lo: f64::MIN_POSITIVE,
                hi: f64::MAX,
            });
        }
        if !(1..=MAX_DEGREE).contains(&request.max_degree) {
            return Err(Error::Degree {
                degree: request.max_degree,
                max: MAX_DEGREE,
            });
        }
        let function = request.function;
        let symmetry = Symmetry::of(|x| function.eval(x), request.interval);
        let density = match &request.density {
            Some(density) => density.restricted(request.interval)?,
            None => Density::uniform(request.interval),
        };
        let search = Search {
            request,
            symmetry,
            density,
            series: OnceCell::new(),
        };
        // A pole or an overflow shows here, before any method meets it.
        let zero = EvaluationPlan::new(request.interval);
        search.measure(&zero)?;
        Ok(search)
    }

    pub(super) fn request(&self) -> &'a Request {
        self.request
    }

    pub(super) fn interval(&self) -> Interval {
        self.request.interval
    }

    pub(super) fn symmetry(&self) -> Symmetry {
        self.symmetry
    }

    /// The density on the interval; uniform if none is given.
    pub(super) fn density(&self) -> &Density {
        &self.density
    }

    /// The function.
    pub(super) fn value(&self, x: f64) -> f64 {
        self.request.function.eval(x)
    }

    /// Coefficients of the Chebyshev series, by an interpolant of degree [`MAX_DEGREE`].
    pub(super) fn series(&self) -> Result<&[f64]> {
        if let Some(series) = self.series.get() {
            return Ok(series);
        }
        let polynomial = interpolate(|x| self.value(x), self.interval(), MAX_DEGREE)?;
        Ok(self
            .series
            .get_or_init(|| polynomial.coefficients().to_vec()))
    }

    /// The plan as its neighbours let it be evaluated.
    fn inner(&self, plan: &EvaluationPlan) -> (EvaluationPlan, usize) {
        match self.request.ends {
            Ends::Folded => (plan.factor_output().0, 0),
            Ends::Own => {
                let scaled = plan.input_map().is_some_and(|(scale, _)| scale != 1.0);
                (plan.clone(), usize::from(scaled))
            }
        }
    }

    /// Depth and cost of a plan; `None` if it is deeper than allowed.
    pub(super) fn price(&self, plan: &EvaluationPlan) -> Option<(usize, f64)> {
        let (inner, scalings) = self.inner(plan);
        let mut work = vec![
            PlanCounts {
                scalar_products: 1,
                ..Default::default()
            };
            scalings
        ];
        work.extend(inner.work());
        let depth = work.len();
        let cost = self.request.cost.price(&work)?;
        (depth <= self.request.max_depth).then_some((depth, cost))
    }

    /// The errors of a plan on the interval of the request.
    pub(super) fn measure(&self, plan: &EvaluationPlan) -> Result<Measured> {
        let f = |x: f64| self.value(x);
        measure(&f, plan, self.interval(), &[0.0], &self.density)
    }

    /// A bound of the error everywhere, from slopes, for one polynomial; for other plans the error found.
    fn bound(&self, plan: &EvaluationPlan, measured: Measured) -> f64 {
        let [Step::Polynomial { polynomial, .. }] = plan.steps() else {
            return measured.max_error;
        };
        let interval = plan.interval();
        let slope = self.request.function.slope(interval)
            + polynomial.derivative().magnitude() / interval.radius();
        measured.max_error + slope * measured.resolution / 2.0
    }

    /// A plan with its errors and its price; `None` if it is too deep.
    pub(super) fn candidate(&self, proposal: &Proposal<'_>) -> Result<Option<Candidate>> {
        let plan = (proposal.build)()?;
        let Some((depth, cost)) = self.price(&plan) else {
            return Ok(None);
        };
        let measured = self.measure(&plan)?;
        Ok(Some(Candidate {
            method: proposal.method,
            name: proposal.name.clone(),
            max_error: measured.max_error,
            error_bound: self.bound(&plan, measured),
            at: measured.at,
            mean_error: measured.mean_error,
            depth,
            counts: plan.counts(),
            cost,
            plan,
        }))
    }
}
