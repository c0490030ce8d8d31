//! What all methods share while one request is answered.

use super::frame::Frame;
use super::measure::{Measured, measure};
use super::{Candidate, Ends, Method, Request, Target};
use crate::certificate::{Method as Rigour, PlanCertificate};
use crate::evaluation::Step;
use crate::{Density, Error, EvaluationPlan, Function, Interval, MAX_DEGREE, PlanCounts, Result};

/// Radius up to which plans are certified: the bounds are found on pieces of about the width of the function's features,
/// some milliseconds each.
const WIDEST_CERTIFIED: f64 = 4096.0;

/// What proposals are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Plans that meet the target.
    Target,
    /// Plans of any error.
    Front,
}

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

impl<'a> Proposal<'a> {
    /// A plan that is made already; `None` if it is too deep.
    pub(super) fn ready(
        search: &Search<'_>,
        method: Method,
        name: String,
        plan: EvaluationPlan,
    ) -> Option<Self> {
        let (depth, cost) = search.price(&plan)?;
        Some(Proposal {
            method,
            name,
            depth,
            cost,
            floor: Box::new(|| Ok(0.0)),
            build: Box::new(move || Ok(plan.clone())),
        })
    }
}

/// A request, checked, with what its methods compute once.
pub(super) struct Search<'a> {
    request: &'a Request,
    wanted: Wanted,
    frames: Vec<Frame>,
    density: Density,
}

impl<'a> Search<'a> {
    /// Checks a request.
    pub(super) fn new(request: &'a Request, wanted: Wanted) -> Result<Self> {
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
        let frames = Frame::all(request)?;
        let density = match &request.density {
            Some(density) => density.restricted(request.interval)?,
            None => Density::uniform(request.interval),
        };
        Ok(Search {
            request,
            wanted,
            frames,
            density,
        })
    }

    pub(super) fn request(&self) -> &'a Request {
        self.request
    }

    pub(super) fn interval(&self) -> Interval {
        self.request.interval
    }

    pub(super) fn function(&self) -> Function {
        self.request.function
    }

    /// Where polynomials are fitted: on the interval first.
    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Whether errors count at `x`.
    pub(super) fn counts(&self, x: f64) -> bool {
        self.request.gap == 0.0 || x.abs() >= self.request.gap
    }

    /// The largest error wanted, if that is what proposals are for.
    pub(super) fn wanted(&self) -> Option<f64> {
        match (self.wanted, self.request.target) {
            (Wanted::Target, Target::MaxError(error)) => Some(error),
            _ => None,
        }
    }

    /// The density on the interval; uniform if none is given.
    pub(super) fn density(&self) -> &Density {
        &self.density
    }

    /// The function.
    pub(super) fn value(&self, x: f64) -> f64 {
        self.request.function.eval(x)
    }

    /// The plan as its neighbours let it be evaluated.
    fn inner(&self, plan: &EvaluationPlan) -> (EvaluationPlan, usize) {
        match self.request.ends {
            Ends::Folded => (plan.factor_output().0, 0),
            Ends::Input => (plan.clone(), 0),
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
        let breaks = self.request.function.breaks();
        let error = |x: f64| match self.counts(x) {
            true => self.value(x) - plan.eval(x),
            false => 0.0,
        };
        measure(&error, self.interval(), breaks, &self.density)
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

    /// A candidate with its certificate; none on ranges so wide that subdividing them takes too long.
    pub(super) fn certified(&self, candidate: Candidate) -> Result<Candidate> {
        if self.interval().radius() > WIDEST_CERTIFIED {
            return Ok(candidate);
        }
        let domain = self.frames[0].domain.clone();
        let certificate = PlanCertificate::new(&candidate.plan, self.function(), domain)?;
        let rigorous = certificate.method == Rigour::Bound;
        Ok(Candidate {
            error_bound: match rigorous {
                true => certificate.error_bound,
                false => candidate.error_bound.max(certificate.observed),
            },
            certificate: Some(certificate),
            ..candidate
        })
    }

    /// A plan with its errors and its price; `None` if it is too deep.
    pub(super) fn candidate(
        &self,
        method: Method,
        name: &str,
        plan: EvaluationPlan,
    ) -> Result<Option<Candidate>> {
        let Some((depth, cost)) = self.price(&plan) else {
            return Ok(None);
        };
        let measured = self.measure(&plan)?;
        Ok(Some(Candidate {
            method,
            name: name.to_owned(),
            max_error: measured.max_error,
            error_bound: self.bound(&plan, measured),
            certificate: None,
            at: measured.at,
            mean_error: measured.mean_error,
            depth,
            counts: plan.counts(),
            cost,
            plan,
        }))
    }
}
