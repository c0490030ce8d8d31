//! The cheapest plan for a function: all methods compete, by error, depth and price.
//!
//! A [`Request`] says which function is replaced, where its inputs lie, which error is wanted, how deep a plan may be
//! and what operations cost. [`front`] lists the plans that no other one beats in depth, cost and error together;
//! [`cheapest`] is the one of least cost that meets the target.
//!
//! Functions that are odd or even but for a linear term (relu is `x/2 + |x|/2`, sigmoid `1/2` and an odd function) are
//! fitted as such, which halves the terms. Degrees are tried only where a larger one would cost more: with few levels
//! a plan of degree 11 may take fewer products than one of degree 15 of the same depth.
//!
//! ```
//! use girih_polyfit::chooser::{Request, Target, cheapest};
//! use girih_polyfit::{Function, Interval};
//!
//! let request = Request::new(Function::Gelu, Interval::symmetric(8.0)?, Target::MaxError(1e-3));
//! let choice = cheapest(&request)?;
//! assert!(choice.max_error <= 1e-3 && choice.depth <= 5);
//! # Ok::<(), girih_polyfit::Error>(())
//! ```

use crate::certificate::PlanCertificate;
use crate::{Density, Error, EvaluationPlan, Function, Interval, PlanCounts, Result};

mod cost;
mod frame;
mod measure;
mod methods;
mod search;
mod symmetry;

pub use cost::{BootstrapPrice, CostModel};
pub use methods::Method;
pub use symmetry::Symmetry;

use search::{Proposal, Search, Wanted};

/// Levels that a plan may take if nothing else is said: as many as the deepest composite sign of relu that is published
/// (degrees 15, 15, 27) and one product.
pub const DEFAULT_MAX_DEPTH: usize = 14;
/// Largest degree of one polynomial that is tried if nothing else is said.
pub const DEFAULT_MAX_DEGREE: usize = 127;

/// The error wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// The largest error on the interval.
    MaxError(f64),
    /// The root of the mean squared error, by the density (uniform if none is given).
    MeanError(f64),
}

impl Target {
    /// The number.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Target::MaxError(e) | Target::MeanError(e) => e,
        }
    }
}

/// What becomes of the input map and of the output's scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// The layers before and after take them ([`EvaluationPlan::input_map`], [`EvaluationPlan::factor_output`]).
    #[default]
    Folded,
    /// The layer before takes the input map; the output is that of the plan: `⌈log₂(degree + 1)⌉` levels for a polynomial.
    Input,
    /// They are part of the plan and take their levels.
    Own,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Request {
    /// The function to replace.
    pub function: Function,
    /// Where its inputs lie.
    pub interval: Interval,
    /// Errors in `(-gap, gap)` do not count: for the sign, which jumps there. 0 for other functions.
    pub gap: f64,
    /// How they are distributed; uniform if `None`.
    pub density: Option<Density>,
    /// The error wanted.
    pub target: Target,
    /// The largest error that least squares may leave anywhere on the interval, where the density has little mass or none: what
    /// is beyond it is weighed more until it is met. `None` for 5 % of the largest value of the function, or four times the
    /// error of the interpolant of the same degree if that is more; infinity for least squares as the density has them.
    pub tail: Option<f64>,
    /// Most levels, as [`ends`](Self::ends) count them.
    pub max_depth: usize,
    /// Largest degree of one polynomial.
    pub max_degree: usize,
    /// What operations, levels and bootstraps cost.
    pub cost: CostModel,
    /// Whether neighbouring layers take the input map and the output's scale.
    pub ends: Ends,
    /// The methods that compete.
    pub methods: Vec<Method>,
}

impl Request {
    /// A request with the default limits and prices, all methods, and neighbours that take the scales.
    #[must_use]
    pub fn new(function: Function, interval: Interval, target: Target) -> Self {
        Request {
            function,
            interval,
            gap: 0.0,
            density: None,
            target,
            tail: None,
            max_depth: DEFAULT_MAX_DEPTH,
            max_degree: DEFAULT_MAX_DEGREE,
            cost: CostModel::default(),
            ends: Ends::Folded,
            methods: Method::ALL.to_vec(),
        }
    }
}

/// A plan, with what it costs and how good it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// How it was made.
    pub method: Method,
    /// Method and parameters, in words.
    pub name: String,
    /// The plan, on the interval of the request.
    pub plan: EvaluationPlan,
    /// The largest error on the interval, found on a grid and refined.
    pub max_error: f64,
    /// A bound of the error on the interval, without the gap: that of the certificate if there is one and it is rigorous; otherwise by
    /// slopes for one polynomial, and the largest error found for compositions.
    pub error_bound: f64,
    /// The certificate of a plan that was asked for, from [`cheapest`] and [`with_degree`]; the plans of a [`front`] have none, nor have those
    /// on ranges wider than 8192.
    pub certificate: Option<PlanCertificate>,
    /// Where the largest error is.
    pub at: f64,
    /// The root of the mean squared error by the density.
    pub mean_error: f64,
    /// Levels.
    pub depth: usize,
    /// Products, relinearisations and scalar products.
    pub counts: PlanCounts,
    /// The price.
    pub cost: f64,
}

impl Candidate {
    /// The error in the measure of a target.
    #[must_use]
    pub fn error(&self, target: Target) -> f64 {
        match target {
            Target::MaxError(_) => self.max_error,
            Target::MeanError(_) => self.mean_error,
        }
    }
}

/// The plans that no other plan beats: for each of them, every other is deeper, dearer or less accurate. Sorted by depth, then cost.
/// The target decides only which error counts.
///
/// # Errors
/// A target or degree that cannot be, a function that is not finite on the interval, a density without mass there, or no plan within
/// the depth.
pub fn front(request: &Request) -> Result<Vec<Candidate>> {
    let search = Search::new(request, Wanted::Front)?;
    let mut candidates = Vec::new();
    let mut failure = None;
    for proposal in proposals(&search) {
        candidates.extend(made(&search, &proposal, &mut failure));
    }
    let error = |c: &Candidate| c.error(request.target);
    candidates.sort_by(|a, b| {
        let key = |c: &Candidate| (c.cost, error(c));
        (a.depth, key(a))
            .partial_cmp(&(b.depth, key(b)))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut front: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let beaten =
            |other: &Candidate| other.cost <= candidate.cost && error(other) <= error(&candidate);
        // Those before are at most as deep.
        if !front.iter().any(beaten) {
            front.push(candidate);
        }
    }
    match front.is_empty() {
        true => Err(failure.unwrap_or_else(|| no_plan(request))),
        false => Ok(front),
    }
}

/// The plan of least cost that meets the target.
///
/// # Errors
/// As [`front`], and [`Error::Unreachable`] with the smallest error found if no plan within the limits meets the target.
pub fn cheapest(request: &Request) -> Result<Candidate> {
    let search = Search::new(request, Wanted::Target)?;
    let mut proposals = proposals(&search);
    proposals.sort_by(|a, b| {
        (a.cost, a.depth)
            .partial_cmp(&(b.cost, b.depth))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let target = request.target;
    let mut best: Option<Candidate> = None;
    let mut failure = None;
    let mut chosen: Option<Candidate> = None;
    for proposal in &proposals {
        // Others of the same price may be more accurate.
        if chosen.as_ref().is_some_and(|c| c.cost < proposal.cost) {
            break;
        }
        if (proposal.floor)().is_ok_and(|floor| floor > target.value()) {
            continue;
        }
        let Some(candidate) = made(&search, proposal, &mut failure) else {
            continue;
        };
        let error = candidate.error(target);
        let meets = error <= target.value();
        let slot = if meets { &mut chosen } else { &mut best };
        let better = |c: &Candidate| match meets {
            true => (candidate.cost, error) < (c.cost, c.error(target)),
            false => error < c.error(target),
        };
        if slot.as_ref().is_none_or(better) {
            *slot = Some(candidate);
        }
    }
    if let Some(chosen) = chosen {
        return search.certified(chosen);
    }
    // Those whose bound ruled them out are made now, to say how near one comes.
    let last = front(request)?;
    let nearest = last
        .iter()
        .chain(&best)
        .min_by(|a, b| a.error(target).total_cmp(&b.error(target)));
    Err(nearest.map_or_else(
        || no_plan(request),
        |c| Error::Unreachable {
            function: request.function.to_string(),
            target: target.value(),
            max_depth: request.max_depth,
            reached: c.error(target),
            depth: c.depth,
            method: c.name.clone(),
        },
    ))
}

/// The polynomial of one method and degree, whatever its depth and error.
///
/// # Errors
/// As [`front`]; a method that does not make single polynomials, a degree of 0 or above the largest, or samples that do not determine
/// the polynomial.
pub fn with_degree(request: &Request, method: Method, degree: usize) -> Result<Candidate> {
    crate::chebyshev::check_degree(degree)?;
    let unlimited = Request {
        max_depth: usize::MAX,
        cost: CostModel {
            levels: usize::MAX,
            ..request.cost.clone()
        },
        ..request.clone()
    };
    let search = Search::new(&unlimited, Wanted::Front)?;
    let polynomial = methods::polynomial(method, &search, &search.frames()[0], degree)?;
    let name = format!("{method} of degree {degree}");
    let candidate = search.candidate(method, &name, EvaluationPlan::polynomial(&polynomial)?)?;
    search.certified(candidate.ok_or_else(|| no_plan(request))?)
}

/// All proposals within the depth. Of the methods for single polynomials only the best one is asked: none beats minimax in the
/// largest error, and none least squares in the mean.
fn proposals<'a>(search: &'a Search<'a>) -> Vec<Proposal<'a>> {
    let request = search.request();
    let best = match request.target {
        Target::MaxError(_) => Method::Minimax,
        Target::MeanError(_) => Method::LeastSquares,
    };
    let beaten = |m: Method| m.is_single() && m != best && request.methods.contains(&best);
    let methods = request.methods.iter().filter(|&&m| !beaten(m));
    let mut proposals: Vec<Proposal<'a>> = methods.flat_map(|m| m.proposals(search)).collect();
    proposals.retain(|p| p.depth <= request.max_depth);
    proposals
}

/// A proposal made; `None` if it is too deep, or fails: an exchange that runs out of digits, samples that do not determine a
/// polynomial. The first failure is kept.
fn made(
    search: &Search<'_>,
    proposal: &Proposal<'_>,
    failure: &mut Option<Error>,
) -> Option<Candidate> {
    let plan = (proposal.build)();
    match plan.and_then(|plan| search.candidate(proposal.method, &proposal.name, plan)) {
        Ok(candidate) => candidate,
        Err(error) => {
            failure.get_or_insert(error);
            None
        }
    }
}

fn no_plan(request: &Request) -> Error {
    Error::Unreachable {
        function: request.function.to_string(),
        target: request.target.value(),
        max_depth: request.max_depth,
        reached: f64::INFINITY,
        depth: 0,
        method: "no method".to_owned(),
    }
}

#[cfg(test)]
mod tests;
