//! Range files: what calibration measured and chose for one model, as JSON.
//!
//! Numbers are written with the digits that give them back exactly. A file names its format and version and the digest
//! of the model file it was measured on; another model's is refused.

use girih_compile::{ActivationRange, Histogram, Ranges, Replacement};
use girih_polyfit::evaluation::{Step, ValueId};
use girih_polyfit::{Basis, EvaluationPlan, Interval, Polynomial};
use serde::{Deserialize, Serialize};

use crate::report::EffectReport;
use crate::{FormatError, Result};

const FORMAT: &str = "girih ranges";
const VERSION: u32 = 1;
const WHAT: &str = "range file";
/// Shares of which the file lists the quantiles, for readers; they are not read back.
const QUANTILES: [f64; 9] = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999];

/// BLAKE3 of a model file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDigest(String);

impl ModelDigest {
    /// The digest of a file's bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        ModelDigest(blake3::hash(bytes).to_hex().to_string())
    }

    /// The first digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.chars().take(8).collect()
    }
}

/// The fields by which a file is recognised before the others are looked at.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    model: String,
    digest: ModelDigest,
    samples: usize,
    margin: f64,
    output: (f64, f64),
    together: Option<EffectReport>,
    activations: Vec<Entry>,
    mean_input: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    node: String,
    function: String,
    measured: (f64, f64),
    range: (f64, f64),
    #[serde(default)]
    quantiles: Vec<(f64, f64)>,
    replacement: Option<Plan>,
    alone: Option<EffectReport>,
    histogram: Bins,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bins {
    lo: f64,
    hi: f64,
    counts: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    method: String,
    max_error: f64,
    mean_error: f64,
    scale: f64,
    shift: f64,
    interval: (f64, f64),
    steps: Vec<Line>,
}

/// A step; values are numbered from 0, the input, in the order of the steps.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Polynomial {
        of: usize,
        basis: Name,
        coefficients: Vec<f64>,
    },
    Product(usize, usize),
    Affine {
        terms: Vec<(usize, f64)>,
        constant: f64,
    },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Power,
    Chebyshev,
}

/// The file form of ranges measured on a model.
///
/// # Errors
/// None for ranges that were measured and chosen; numbers that are not finite otherwise.
pub fn ranges_to_json(ranges: &Ranges, model: &str, digest: &ModelDigest) -> Result<Vec<u8>> {
    let file = File {
        format: FORMAT.into(),
        version: VERSION,
        model: model.into(),
        digest: digest.clone(),
        samples: ranges.samples,
        margin: ranges.margin,
        output: ranges.output,
        together: finite(ranges.together.map(EffectReport::from)),
        activations: ranges
            .activations
            .iter()
            .map(|a| Entry {
                node: a.node.clone(),
                function: a.function.clone(),
                measured: a.measured,
                range: a.range,
                quantiles: QUANTILES.map(|p| (p, a.histogram.quantile(p))).to_vec(),
                replacement: a.replacement.as_ref().map(Plan::from),
                alone: finite(a.alone.map(EffectReport::from)),
                histogram: Bins {
                    lo: a.histogram.lo(),
                    hi: a.histogram.hi(),
                    counts: a.histogram.counts().to_vec(),
                },
            })
            .collect(),
        mean_input: ranges.mean_input.clone(),
    };
    serde_json::to_vec_pretty(&file).map_err(|e| FormatError::field("json", e).of(WHAT))
}

/// JSON has no infinity: an effect beyond all bounds is left out.
fn finite(effect: Option<EffectReport>) -> Option<EffectReport> {
    effect.filter(|e| e.max_difference.is_finite() && e.rms_difference.is_finite())
}

/// Reads ranges that were measured on the model of the given digest.
///
/// # Errors
/// No JSON, another format or version, another model's ranges, numbers that contradict each other.
pub fn ranges_from_json(bytes: &[u8], digest: &ModelDigest) -> Result<Ranges> {
    let json = |e: serde_json::Error| FormatError::field("json", e).of(WHAT);
    let head: Head = serde_json::from_slice(bytes).map_err(json)?;
    if head.format != FORMAT {
        return Err(FormatError::Magic.of(WHAT));
    }
    if head.version != VERSION {
        let (found, supported) = (head.version, VERSION);
        return Err(FormatError::Version { found, supported }.of(WHAT));
    }
    let file: File = serde_json::from_slice(bytes).map_err(json)?;
    if file.digest != *digest {
        let why = format!(
            "these ranges were measured on another model, {} with digest {}; this one's is {}: calibrate it (girih calibrate)",
            file.model,
            file.digest.short(),
            digest.short()
        );
        return Err(FormatError::field("digest", why).of(WHAT));
    }
    check(file).map_err(|e| e.of(WHAT))
}

fn check(file: File) -> std::result::Result<Ranges, FormatError> {
    let fail = |field, why: String| Err(FormatError::field(field, why));
    if !(file.margin >= 1.0 && file.margin.is_finite()) || file.samples == 0 {
        let why = format!("{} of {} samples", file.margin, file.samples);
        return fail("margin", why);
    }
    if file.mean_input.iter().any(|v| !v.is_finite()) || !ordered(file.output) {
        return fail(
            "mean_input",
            "numbers that are not finite or in order".into(),
        );
    }
    let activations = file
        .activations
        .into_iter()
        .map(|e| {
            let inside = e.range.0 <= e.measured.0 && e.measured.1 <= e.range.1;
            if !ordered(e.measured) || !ordered(e.range) || !inside {
                let why = format!(
                    "{}: measured [{}, {}], widened to [{}, {}]",
                    e.node, e.measured.0, e.measured.1, e.range.0, e.range.1
                );
                return Err(FormatError::field("range", why));
            }
            let histogram = Histogram::try_new(e.histogram.lo, e.histogram.hi, e.histogram.counts)
                .map_err(|why| FormatError::field("histogram", format!("{}: {why}", e.node)))?;
            let replacement = e
                .replacement
                .map(|p| p.check(&e.node, e.range))
                .transpose()?;
            Ok(ActivationRange {
                node: e.node,
                function: e.function,
                measured: e.measured,
                range: e.range,
                histogram,
                replacement,
                alone: e.alone.map(Into::into),
            })
        })
        .collect::<std::result::Result<_, _>>()?;
    Ok(Ranges {
        samples: file.samples,
        margin: file.margin,
        mean_input: file.mean_input,
        output: file.output,
        activations,
        together: file.together.map(Into::into),
    })
}

fn ordered((lo, hi): (f64, f64)) -> bool {
    lo.is_finite() && hi.is_finite() && lo <= hi
}

impl From<&Replacement> for Plan {
    fn from(r: &Replacement) -> Self {
        let steps = r.plan.steps().iter().map(|step| match step {
            Step::Polynomial { of, polynomial, .. } => Line::Polynomial {
                of: of.index(),
                basis: match polynomial.basis() {
                    Basis::Power => Name::Power,
                    Basis::Chebyshev => Name::Chebyshev,
                },
                coefficients: polynomial.coefficients().to_vec(),
            },
            Step::Product(a, b) => Line::Product(a.index(), b.index()),
            Step::Affine { terms, constant } => Line::Affine {
                terms: terms.iter().map(|(v, c)| (v.index(), *c)).collect(),
                constant: *constant,
            },
        });
        let interval = r.plan.interval();
        Plan {
            method: r.method.clone(),
            max_error: r.max_error,
            mean_error: r.mean_error,
            scale: r.scale,
            shift: r.shift,
            interval: (interval.lo(), interval.hi()),
            steps: steps.collect(),
        }
    }
}

impl Plan {
    /// The plan, if its steps can be computed one after the other and its interval holds the range.
    fn check(self, node: &str, range: (f64, f64)) -> std::result::Result<Replacement, FormatError> {
        let fail = |why: String| FormatError::field("replacement", format!("{node}: {why}"));
        let interval =
            Interval::try_new(self.interval.0, self.interval.1).map_err(|e| fail(e.to_string()))?;
        // The interval of a plan may be rounded on its way.
        let slack = 1e-9 * interval.radius();
        if range.0 < interval.lo() - slack || range.1 > interval.hi() + slack {
            return Err(fail(format!(
                "the plan is for {interval}, the range is [{}, {}]",
                range.0, range.1
            )));
        }
        let mut plan = EvaluationPlan::new(interval);
        let mut values: Vec<ValueId> = vec![plan.input()];
        for step in self.steps {
            let value = |k: usize| {
                let known = values.get(k).copied();
                known.ok_or_else(|| fail(format!("step {} reads value {k}", values.len())))
            };
            let number = |c: f64| match c.is_finite() {
                true => Ok(c),
                false => Err(fail(format!("a factor is {c}"))),
            };
            let result = match step {
                Line::Polynomial {
                    of,
                    basis,
                    coefficients,
                } => {
                    let polynomial = match basis {
                        Name::Power => Polynomial::power(Interval::UNIT, coefficients),
                        Name::Chebyshev => Polynomial::chebyshev(Interval::UNIT, coefficients),
                    };
                    let of = value(of)?;
                    polynomial
                        .and_then(|p| plan.push_polynomial(of, p))
                        .map_err(|e| fail(e.to_string()))?
                }
                Line::Product(a, b) => {
                    let (a, b) = (value(a)?, value(b)?);
                    plan.push_product(a, b)
                }
                Line::Affine { terms, constant } => {
                    if terms.is_empty() {
                        return Err(fail("a sum without terms".into()));
                    }
                    let terms = terms
                        .into_iter()
                        .map(|(v, c)| Ok((value(v)?, number(c)?)))
                        .collect::<std::result::Result<Vec<_>, FormatError>>()?;
                    let constant = number(constant)?;
                    plan.push_affine(terms, constant)
                }
            };
            values.push(result);
        }
        if plan.steps().is_empty() {
            return Err(fail("the plan has no step".into()));
        }
        let numbers = [self.scale, self.shift, self.max_error, self.mean_error];
        if let Some(bad) = numbers.iter().find(|v| !v.is_finite()) {
            return Err(fail(format!("a number is {bad}")));
        }
        Ok(Replacement {
            method: self.method,
            plan,
            scale: self.scale,
            shift: self.shift,
            max_error: self.max_error,
            mean_error: self.mean_error,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Every kind of step, and floats that few digits do not hold.
    fn sample() -> Ranges {
        let interval = Interval::try_new(-3.3, 0.1 + 0.2).unwrap();
        let mut plan = EvaluationPlan::new(interval);
        let c: Vec<f64> = (1..9).map(|k| (f64::from(k)).sqrt() / 7.0).collect();
        let p = Polynomial::chebyshev(Interval::UNIT, c).unwrap();
        let v = plan.push_polynomial(plan.input(), p).unwrap();
        let q = Polynomial::power(Interval::UNIT, [0.0, 1.5, 0.0, -0.5]).unwrap();
        let w = plan.push_polynomial(v, q).unwrap();
        let x = plan.push_product(v, w);
        plan.push_affine(vec![(x, 1.0 / 3.0), (plan.input(), -1.0)], 1e-300);
        let measured = (-3.0, 0.3);
        Ranges {
            samples: 17,
            margin: 1.1,
            mean_input: vec![0.1, f64::MIN_POSITIVE, -1e300],
            output: (-1.0, 1.0 / 3.0),
            activations: vec![ActivationRange {
                node: "act".into(),
                function: "Relu".into(),
                measured,
                range: (-3.3, 0.1 + 0.2),
                histogram: Histogram::try_new(measured.0, measured.1, vec![3, 0, 14]).unwrap(),
                replacement: Some(Replacement {
                    method: "made up".into(),
                    plan,
                    scale: std::f64::consts::PI,
                    shift: -std::f64::consts::E,
                    max_error: 0.1,
                    mean_error: 0.01,
                }),
                alone: None,
            }],
            together: None,
        }
    }

    #[test]
    fn files_give_back_every_bit() {
        let digest = ModelDigest::of(b"model");
        let ranges = sample();
        let bytes = ranges_to_json(&ranges, "m", &digest).unwrap();
        assert_eq!(ranges_from_json(&bytes, &digest).unwrap(), ranges);
    }

    #[test]
    fn damaged_files_are_refused_with_a_reason() {
        let digest = ModelDigest::of(b"model");
        let bytes = ranges_to_json(&sample(), "m", &digest).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let refused = |text: &str, words: &str| {
            let error = ranges_from_json(text.as_bytes(), &digest).unwrap_err();
            let error = format!("{error}: {:?}", error);
            assert!(error.contains(words), "{words:?} is not in {error}");
        };
        let error = ranges_from_json(&bytes, &ModelDigest::of(b"other")).unwrap_err();
        assert!(error.to_string().contains("another model, m"), "{error}");
        refused("", "json");
        refused(&text[..text.len() / 2], "json");
        let change = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        };
        refused(&change("girih ranges", "girih range"), "not a girih file");
        refused(&change("\"version\": 1", "\"version\": 2"), "version 2");
        refused(&change("\"margin\": 1.1", "\"margin\": 0.5"), "margin");
        refused(&change("\"samples\"", "\"sample\""), "sample");
        refused(&change("\"method\"", "\"mode\""), "mode");
        refused(&change("\"of\": 1", "\"of\": 9"), "reads value 9");
        refused(&change("\"hi\": 0.3", "\"hi\": -9.5"), "histogram");
        refused(&change("\"scale\": 3", "\"scale\": null, \"x\": 3"), "json");
        // Every cut is an error, none a panic.
        for length in (0..text.len() - 1).step_by(7) {
            assert!(ranges_from_json(&text.as_bytes()[..length], &digest).is_err());
        }
    }
}
