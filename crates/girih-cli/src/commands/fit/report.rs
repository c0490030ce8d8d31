//! What is said of a fit: text for people, JSON for machines.

use std::fmt;

use girih_polyfit::certificate::Method as Rigour;
use girih_polyfit::chooser::{Candidate, Request};
use girih_polyfit::evaluation::Step;
use girih_polyfit::{Basis, Density, EvaluationPlan, Polynomial};
use serde::Serialize;
use serde_json::{Value, json};

use crate::console::table;

/// Bits of scales at which rounded coefficients are tried: that of the smallest, the usual and the largest primes.
const SCALES: [i32; 3] = [30, 40, 50];
/// The range is left by these factors.
const BEYOND: [f64; 3] = [1.01, 1.05, 1.2];
/// Points at which a slope is sought.
const POINTS: usize = 20_000;

/// A fit, a front or both.
#[derive(Serialize)]
pub(super) struct Report {
    function: String,
    range: (f64, f64),
    #[serde(flatten)]
    fit: Option<Fit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pareto: Option<Vec<Row>>,
}

/// The plan chosen.
#[derive(Serialize)]
struct Fit {
    method: String,
    name: String,
    /// `chebyshev` or `power` for one polynomial, `composition` otherwise.
    basis: &'static str,
    /// Of one polynomial: a number each; of a composition: a list for each of its polynomials.
    coefficients: Value,
    degree: Value,
    /// `u = scale x + shift` is what the polynomials read.
    input_map: (f64, f64),
    error_bound: f64,
    /// Whether the bound is proved; otherwise it is the largest error found.
    rigorous: bool,
    max_error: f64,
    max_error_at: f64,
    mean_error: f64,
    mean_of: &'static str,
    depth: usize,
    /// With the scale of the output in the layer after.
    depth_folded: usize,
    /// With the scaling of the input.
    depth_alone: usize,
    products: usize,
    relinearizations: usize,
    scalar_products: usize,
    cost: f64,
    noise_gain: f64,
    coefficient_sum: f64,
    quantization: Vec<Quantization>,
    outside: Vec<Outside>,
    steps: Vec<String>,
}

/// The error that coefficients add when they are rounded at a scale.
#[derive(Serialize)]
struct Quantization {
    scale_bits: i32,
    error: f64,
}

/// The error where inputs leave the range.
#[derive(Serialize)]
struct Outside {
    factor: f64,
    error: f64,
}

/// A plan on the front.
#[derive(Serialize)]
struct Row {
    method: String,
    name: String,
    depth: usize,
    products: usize,
    relinearizations: usize,
    cost: f64,
    max_error: f64,
    mean_error: f64,
}

impl Report {
    /// `degree` is that asked for: coefficients above that of the polynomial are zeros.
    pub(super) fn new(
        request: &Request,
        candidate: Option<&Candidate>,
        degree: Option<usize>,
        front: Option<&[Candidate]>,
    ) -> Report {
        Report {
            function: request.function.to_string(),
            range: (request.interval.lo(), request.interval.hi()),
            fit: candidate.map(|c| Fit::new(request, c, degree)),
            pareto: front.map(|plans| {
                let row = |c: &Candidate| Row {
                    method: c.method.to_string(),
                    name: c.name.clone(),
                    depth: c.depth,
                    products: c.counts.products,
                    relinearizations: c.counts.relinearizations,
                    cost: c.cost,
                    max_error: c.max_error,
                    mean_error: c.mean_error,
                };
                plans.iter().map(row).collect()
            }),
        }
    }
}

/// The polynomials of a plan, in order.
fn polynomials(plan: &EvaluationPlan) -> Vec<&Polynomial> {
    let mut found = Vec::new();
    for step in plan.steps() {
        if let Step::Polynomial { polynomial, .. } = step {
            found.push(polynomial);
        }
    }
    found
}

impl Fit {
    fn new(request: &Request, c: &Candidate, degree: Option<usize>) -> Fit {
        let all = polynomials(&c.plan);
        let single = match (&all[..], c.plan.steps().len()) {
            ([one], 1) => Some(*one),
            _ => None,
        };
        let padded = |p: &Polynomial| {
            let mut coefficients = p.coefficients().to_vec();
            let length = degree.map_or(coefficients.len(), |d| coefficients.len().max(d + 1));
            coefficients.resize(length, 0.0);
            coefficients
        };
        let (basis, coefficients, degree) = match single {
            Some(p) => {
                let basis = match p.basis() {
                    Basis::Chebyshev => "chebyshev",
                    Basis::Power => "power",
                };
                let coefficients = padded(p);
                let degree = json!(coefficients.len() - 1);
                (basis, json!(coefficients), degree)
            }
            None => (
                "composition",
                json!(all.iter().map(|p| p.coefficients()).collect::<Vec<_>>()),
                json!(all.iter().map(|p| p.degree()).collect::<Vec<_>>()),
            ),
        };
        let interval = request.interval;
        let f = |x: f64| request.function.eval(x);
        let outside = BEYOND.map(|factor| {
            let ends =
                [-1.0, 1.0].map(|side| interval.center() + side * factor * interval.radius());
            let error = |x: f64| (f(x) - c.plan.eval(x)).abs();
            Outside {
                factor,
                error: ends
                    .into_iter()
                    .map(error)
                    .filter(|e| e.is_finite())
                    .fold(0.0, f64::max),
            }
        });
        Fit {
            method: c.method.to_string(),
            name: c.name.clone(),
            basis,
            coefficients,
            degree,
            // A sum with zero has no negative zero.
            input_map: c
                .plan
                .input_map()
                .map_or((1.0, 0.0), |(scale, shift)| (scale, shift + 0.0)),
            error_bound: c.error_bound,
            max_error: c.max_error,
            max_error_at: c.at,
            mean_error: c.mean_error,
            mean_of: match request.density {
                Some(_) => "samples",
                None => "uniform",
            },
            depth: c.depth,
            depth_folded: c.plan.factor_output().0.unit_depth(),
            depth_alone: c.plan.depth(),
            products: c.counts.products,
            relinearizations: c.counts.relinearizations,
            scalar_products: c.counts.scalar_products,
            cost: c.cost,
            rigorous: c
                .certificate
                .as_ref()
                .is_some_and(|k| k.method == Rigour::Bound),
            noise_gain: c
                .certificate
                .as_ref()
                .map_or_else(|| noise_gain(request, &c.plan), |k| k.noise_gain),
            coefficient_sum: all.iter().map(|p| p.magnitude()).sum(),
            quantization: SCALES
                .map(|bits| quantization(request, &c.plan, bits))
                .into(),
            outside: outside.into(),
            steps: c
                .plan
                .to_string()
                .lines()
                .skip(1)
                .map(|l| l.trim().to_owned())
                .collect(),
        }
    }
}

/// The largest slope: errors of the input grow by it.
fn noise_gain(request: &Request, plan: &EvaluationPlan) -> f64 {
    let interval = request.interval;
    let value = |k: usize| {
        let x = interval.from_unit(2.0 * k as f64 / POINTS as f64 - 1.0);
        (x, plan.eval(x))
    };
    (0..POINTS)
        .map(|k| {
            let ((x, p), (y, q)) = (value(k), value(k + 1));
            ((q - p) / (y - x)).abs()
        })
        .fold(0.0, f64::max)
}

/// The largest change of the values when every coefficient is rounded to a multiple of `2^-bits`.
fn quantization(request: &Request, plan: &EvaluationPlan, scale_bits: i32) -> Quantization {
    let scale = f64::from(scale_bits).exp2();
    let rounded = plan.map_coefficients(|c| (c * scale).round() / scale);
    let density = Density::uniform(request.interval);
    let change = |x: f64| (plan.eval(x) - rounded.eval(x)).abs();
    let error = density
        .nodes(request.interval, 256)
        .into_iter()
        .map(|(x, _)| change(x))
        .fold(0.0, f64::max);
    Quantization { scale_bits, error }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fit) = &self.fit {
            writeln!(
                f,
                "{} on [{}, {}]: {}",
                self.function, self.range.0, self.range.1, fit.name
            )?;
            fit.describe(f)?;
        }
        if let Some(rows) = &self.pareto {
            let rows = rows.iter().map(|r| {
                [
                    r.name.clone(),
                    r.depth.to_string(),
                    r.products.to_string(),
                    r.relinearizations.to_string(),
                    format!("{:.1}", r.cost),
                    format!("{:.2e}", r.max_error),
                    format!("{:.2e}", r.mean_error),
                ]
            });
            let head = [
                "plan",
                "depth",
                "products",
                "relin.",
                "cost",
                "largest error",
                "mean error",
            ];
            writeln!(
                f,
                "plans for {} on [{}, {}] that no other beats",
                self.function, self.range.0, self.range.1
            )?;
            writeln!(f, "{}", table(head, rows, 1))?;
        }
        Ok(())
    }
}

impl Fit {
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, text: String| {
            writeln!(f, "  {name:<16} {text}")
        };
        line(
            f,
            "error",
            match self.rigorous {
                true => format!(
                    "at most {:.4e}; found {:.4e} at x = {:.6}",
                    self.error_bound, self.max_error, self.max_error_at
                ),
                false => format!(
                    "{:.4e} found on a grid, at x = {:.6}",
                    self.error_bound, self.max_error_at
                ),
            },
        )?;
        line(
            f,
            "mean error",
            format!(
                "{:.3e} (root of the mean square, inputs {})",
                self.mean_error,
                match self.mean_of {
                    "samples" => "as the samples",
                    _ => "uniform on the range",
                }
            ),
        )?;
        let mut ends = String::new();
        if self.depth_folded < self.depth {
            let less = self.depth_folded;
            ends += &format!(", {less} if the layer after takes the scale of the output");
        }
        if self.depth_alone > self.depth {
            let (more, (scale, shift)) = (self.depth_alone, self.input_map);
            ends += &format!(", {more} if no layer before computes u = {scale} x + {shift}");
        }
        line(f, "depth", format!("{} levels{ends}", self.depth))?;
        line(
            f,
            "products",
            format!(
                "{} of ciphertexts, {} relinearisations, {} with scalars",
                self.products, self.relinearizations, self.scalar_products
            ),
        )?;
        line(
            f,
            "noise gain",
            format!("{:.3} (largest slope)", self.noise_gain),
        )?;
        let rounding: Vec<String> = self
            .quantization
            .iter()
            .map(|q| format!("{:.1e} at 2^{}", q.error, q.scale_bits))
            .collect();
        line(
            f,
            "rounding",
            format!("of coefficients adds {}", rounding.join(", ")),
        )?;
        let outside: Vec<String> = self
            .outside
            .iter()
            .map(|o| format!("{:.1e} at {} times", o.error, o.factor))
            .collect();
        line(
            f,
            "outside",
            format!("the range the error is {}", outside.join(", ")),
        )?;
        if let Value::Array(coefficients) = &self.coefficients {
            if self.basis == "composition" {
                for step in &self.steps {
                    line(f, "", step.clone())?;
                }
            }
            writeln!(
                f,
                "coefficients in the {} basis{}, u = {} x + {}",
                if self.basis == "power" {
                    "power"
                } else {
                    "Chebyshev"
                },
                if self.basis == "composition" {
                    " of [-1, 1], factor by factor"
                } else {
                    ""
                },
                self.input_map.0,
                self.input_map.1
            )?;
            for (k, c) in coefficients.iter().enumerate() {
                match c {
                    Value::Array(factor) => writeln!(
                        f,
                        "  factor {k}: {}",
                        factor
                            .iter()
                            .map(|c| format!("{:.17e}", c.as_f64().unwrap_or(f64::NAN)))
                            .collect::<Vec<_>>()
                            .join(" ")
                    )?,
                    c => writeln!(f, "  {k:>4} {:>25.17e}", c.as_f64().unwrap_or(f64::NAN))?,
                }
            }
        }
        Ok(())
    }
}
