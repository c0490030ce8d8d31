//! One suite for every evaluator (feature `testing`): each operation against the clear evaluator.
//!
//! An implementer fills a [`Subject`] and asserts the [`Report`] in a test of its own crate:
//!
//! ```
//! use girih_he::conformance::{Subject, run};
//! use girih_he::{ClearEvaluator, Level, Rotation};
//!
//! let eval = ClearEvaluator::leveled(16, Level(3));
//! let report = run(&Subject {
//!     eval: &eval,
//!     top: Level(3),
//!     encrypt: &|values| eval.vector(values),
//!     decrypt: &|a| Ok(a.values().to_vec()),
//!     tolerance: &|_| 1e-12,
//!     rotations: vec![Rotation(1), Rotation(4), Rotation(-3)],
//!     missing_rotation: None,
//! });
//! report.assert_passed();
//! ```

use std::fmt;

use circuits::*;

use crate::{
    ClearEvaluator, ConstantValues, Evaluator, GiantStep, Level, Leveled, Result, Rotation,
};

mod circuits;

/// What the suite needs of an evaluator under test.
pub struct Subject<'a, E: Leveled> {
    /// The evaluator, with a relinearisation and a conjugation key.
    pub eval: &'a E,
    /// Level of a fresh ciphertext; at least 2.
    pub top: Level,
    /// A fresh ciphertext at the top level.
    pub encrypt: &'a dyn Fn(&[f64]) -> Result<E::Ciphertext>,
    /// The real slots of a ciphertext in any state.
    pub decrypt: &'a dyn Fn(&E::Ciphertext) -> Result<Vec<f64>>,
    /// Largest absolute error allowed for a check, by its name; all values are at most 4 in magnitude.
    pub tolerance: &'a dyn Fn(&str) -> f64,
    /// Rotations whose keys are there (at least one that moves something).
    pub rotations: Vec<Rotation>,
    /// A rotation whose key is not there and that must therefore be refused.
    pub missing_rotation: Option<Rotation>,
}

/// One check of the suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Operation, state of the operands and data.
    pub name: String,
    /// Largest absolute error seen (zero for checks that expect a refusal).
    pub error: f64,
    /// Largest error allowed.
    pub tolerance: f64,
    /// Why the check failed, if it did.
    pub failure: Option<String>,
}

/// The outcome of the suite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Every check, in order.
    pub checks: Vec<Check>,
}

impl Report {
    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| c.failure.is_some())
    }

    /// For use in tests.
    ///
    /// # Panics
    /// A check failed, or none ran.
    pub fn assert_passed(&self) {
        assert!(
            !self.checks.is_empty(),
            "the conformance suite ran no check"
        );
        assert!(self.failures().next().is_none(), "\n{self}");
    }
}

impl fmt::Display for Report {
    /// The failures, one a line, then a summary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in self.failures() {
            let why = check.failure.as_deref().unwrap_or("");
            writeln!(f, "{}: {why}", check.name)?;
        }
        let worst = self.checks.iter().map(|c| c.error).fold(0.0, f64::max);
        let failed = self.failures().count();
        write!(
            f,
            "{} checks, {failed} failed, largest error {worst:.3e}",
            self.checks.len()
        )
    }
}

/// Runs the whole suite.
///
/// Data sets: uniform in `[-1, 1]` (fixed seed), constant one, and a single spike. Every operation
/// runs on rescaled operands at the top level, one below and at the lowest level that allows it, and,
/// where the [`rules`](crate::rules) allow, on products. Composites are also compared with their
/// defaults. What the rules refuse must be refused.
pub fn run<E: Leveled>(subject: &Subject<'_, E>) -> Report {
    let mut suite = Suite {
        subject,
        clear: ClearEvaluator::leveled(subject.eval.slots(), subject.top),
        report: Report::default(),
    };
    for (data, inputs) in data_sets(subject.eval.slots()) {
        suite.fresh(data, &inputs);
        suite.operations(data, &inputs);
        suite.level_changes(data, &inputs);
    }
    suite.misuse();
    suite.report
}

/// Three input vectors per data set.
fn data_sets(slots: usize) -> [(&'static str, [Vec<f64>; 3]); 3] {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = || {
        (0..slots)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 32) as f64 / 2_147_483_648.0 - 1.0
            })
            .collect::<Vec<f64>>()
    };
    let random = [uniform(), uniform(), uniform()];
    let spike = |at: usize| {
        let mut v = vec![0.0; slots];
        v[at % slots] = 1.0;
        v
    };
    [
        ("uniform", random),
        (
            "ones",
            [vec![1.0; slots], vec![-1.0; slots], vec![1.0; slots]],
        ),
        ("spike", [spike(0), spike(slots - 1), spike(slots / 2)]),
    ]
}

/// Checks that also run with the default composites.
const COMPOSITES: [&str; 7] = [
    "rotate_many",
    "sum_rotated",
    "dot_plain",
    "dot",
    "dot_affine",
    "sum_rotated_products",
    "rescaled",
];

/// The required operations of an evaluator with the default composites.
struct Defaults<'a, E>(&'a E);

impl<E: Evaluator> Evaluator for Defaults<'_, E> {
    type Ciphertext = E::Ciphertext;
    type Plaintext = E::Plaintext;

    fn slots(&self) -> usize {
        self.0.slots()
    }
    fn constant(&self, name: &str, values: &[f64]) -> Result<E::Plaintext> {
        self.0.constant(name, values)
    }
    fn constant_of(&self, name: &str, values: &ConstantValues) -> Result<E::Plaintext> {
        self.0.constant_of(name, values)
    }
    fn add(&self, a: &E::Ciphertext, b: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.0.add(a, b)
    }
    fn sub(&self, a: &E::Ciphertext, b: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.0.sub(a, b)
    }
    fn neg(&self, a: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.0.neg(a)
    }
    fn add_plain(&self, a: &E::Ciphertext, p: &E::Plaintext) -> Result<E::Ciphertext> {
        self.0.add_plain(a, p)
    }
    fn mul_plain(&self, a: &E::Ciphertext, p: &E::Plaintext) -> Result<E::Ciphertext> {
        self.0.mul_plain(a, p)
    }
    fn add_scalar(&self, a: &E::Ciphertext, s: f64) -> Result<E::Ciphertext> {
        self.0.add_scalar(a, s)
    }
    fn mul_scalar(&self, a: &E::Ciphertext, s: f64) -> Result<E::Ciphertext> {
        self.0.mul_scalar(a, s)
    }
    fn mul(&self, a: &E::Ciphertext, b: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.0.mul(a, b)
    }
    fn rotate(&self, a: &E::Ciphertext, by: Rotation) -> Result<E::Ciphertext> {
        self.0.rotate(a, by)
    }
    fn conjugate(&self, a: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.0.conjugate(a)
    }
}

impl<E: Leveled> Leveled for Defaults<'_, E> {
    fn level(&self, a: &E::Ciphertext) -> Level {
        self.0.level(a)
    }
    fn is_product(&self, a: &E::Ciphertext) -> bool {
        self.0.is_product(a)
    }
    fn rescale(&self, a: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.0.rescale(a)
    }
    fn drop_to(&self, a: &E::Ciphertext, level: Level) -> Result<E::Ciphertext> {
        self.0.drop_to(a, level)
    }
}

struct Suite<'a, 'b, E: Leveled> {
    subject: &'a Subject<'b, E>,
    clear: ClearEvaluator,
    report: Report,
}

impl<E: Leveled> Suite<'_, '_, E> {
    fn fresh(&mut self, data: &str, inputs: &[Vec<f64>; 3]) {
        let result = (self.subject.encrypt)(&inputs[0]).map(|a| vec![a]);
        let expected = self.clear.vector(&inputs[0]).map(|a| vec![a]);
        self.compare("fresh", &format!("fresh, {data}"), result, expected);
    }

    fn operations(&mut self, data: &str, inputs: &[Vec<f64>; 3]) {
        let rotations = self.subject.rotations.clone();
        let by = rotations.as_slice();
        let top = self.subject.top.0;
        let mut levels = vec![top, top.saturating_sub(1), 1];
        levels.sort_unstable();
        levels.dedup();
        for level in levels.iter().rev().map(|&l| Level(l)) {
            for product in [false, true] {
                let at = At {
                    level,
                    product,
                    data,
                    inputs,
                    by,
                };
                self.circuit("add", &at, &Add);
                self.circuit("sub", &at, &Sub);
                self.circuit("neg", &at, &Neg);
                self.circuit("add_plain", &at, &AddPlain);
                self.circuit("add_scalar", &at, &AddScalar);
                self.circuit("conjugate", &at, &Conjugate);
                self.circuit("rotate", &at, &Rotate);
                self.circuit("rotate by 0", &at, &RotateByZero);
                self.circuit("rotate_many", &at, &RotateMany);
                self.circuit("sum_rotated", &at, &SumRotated);
            }
            let at = At {
                level,
                product: false,
                data,
                inputs,
                by,
            };
            self.circuit("mul_plain", &at, &MulPlain);
            self.circuit("mul_scalar", &at, &MulScalar);
            self.circuit("mul", &at, &Mul);
            self.circuit("dot_plain", &at, &DotPlain);
            self.circuit("dot", &at, &Dot);
            self.circuit("dot_affine", &at, &DotAffine);
            self.circuit("sum_rotated_products", &at, &SumRotatedProducts);
            self.circuit("horner_rotated_products", &at, &HornerRotatedProducts);
            self.circuit("rescaled", &at, &Rescaled);
        }
        let at = At {
            level: Level(0),
            product: false,
            data,
            inputs,
            by,
        };
        self.circuit("add", &at, &Add);
        self.circuit("rotate", &at, &Rotate);
    }

    /// Runs a circuit on the subject, on the subject with default composites, and in clear.
    fn circuit(&mut self, op: &str, at: &At<'_>, circuit: &impl Circuit) {
        let name = format!("{op}, {at}");
        let expected = at.run(&self.clear, &|v| self.clear.vector(v), circuit);
        let result = at.run(self.subject.eval, self.subject.encrypt, circuit);
        if COMPOSITES.contains(&op) {
            let defaults = at.run(&Defaults(self.subject.eval), self.subject.encrypt, circuit);
            self.compare(op, &format!("default {name}"), defaults, expected.clone());
        }
        let rescaled = |eval: &ClearEvaluator, all: &Result<Vec<_>>| match all {
            Ok(all) if all.iter().any(|a| eval.is_product(a)) => Some(
                all.iter()
                    .map(|a| eval.rescale(a))
                    .collect::<Result<Vec<_>>>(),
            ),
            _ => None,
        };
        let expected_rescaled = rescaled(&self.clear, &expected);
        let result_rescaled = match &result {
            Ok(all) => all.iter().map(|a| self.subject.eval.rescale(a)).collect(),
            Err(e) => Err(e.clone()),
        };
        self.compare(op, &name, result, expected);
        if let Some(expected) = expected_rescaled {
            self.compare(op, &format!("{name}, rescaled"), result_rescaled, expected);
        }
    }

    /// Drops to every level, in one step and one by one, and a chain of products to the bottom.
    fn level_changes(&mut self, data: &str, inputs: &[Vec<f64>; 3]) {
        let (subject, top) = (self.subject, self.subject.top.0);
        for target in 0..=top {
            let result = (subject.encrypt)(&inputs[0])
                .and_then(|a| subject.eval.drop_to(&a, Level(target)))
                .map(|a| vec![a]);
            let clear = &self.clear;
            let expected = clear
                .vector(&inputs[0])
                .and_then(|a| clear.drop_to(&a, Level(target)))
                .map(|a| vec![a]);
            self.compare(
                "drop_to",
                &format!("drop_to L{target}, {data}"),
                result,
                expected,
            );
        }
        let result = chain(subject.eval, subject.encrypt, subject.top, inputs).map(|a| vec![a]);
        let expected =
            chain(&self.clear, &|v| self.clear.vector(v), subject.top, inputs).map(|a| vec![a]);
        self.compare(
            "chain",
            &format!("chain of products to L0, {data}"),
            result,
            expected,
        );
    }

    fn misuse(&mut self) {
        let subject = self.subject;
        let eval = subject.eval;
        let half = vec![0.5; eval.slots()];
        let prepared = (|| {
            let a = (subject.encrypt)(&half)?;
            let product = eval.mul_scalar(&a, 0.5)?;
            let low = eval.drop_to(&a, Level(subject.top.0.saturating_sub(1)))?;
            let bottom = eval.drop_to(&a, Level(0))?;
            let w = eval.constant("conformance/half", &half)?;
            Ok::<_, crate::Error>((a, product, low, bottom, w))
        })();
        let (a, product, low, bottom, w) = match prepared {
            Ok(all) => all,
            Err(e) => {
                return self.record(
                    "operands of the misuse checks",
                    0.0,
                    0.0,
                    Some(e.to_string()),
                );
            }
        };
        let low_level = Level(subject.top.0.saturating_sub(1));
        let mut refused = |name: &str, result: Result<E::Ciphertext>| {
            let failure = result.is_ok().then(|| "was not refused".to_owned());
            self.record(&format!("{name} is refused"), 0.0, 0.0, failure);
        };
        refused("add of different levels", eval.add(&a, &low));
        refused("sub of different levels", eval.sub(&low, &a));
        refused("mul of different levels", eval.mul(&a, &low));
        refused(
            "dot of different levels",
            eval.dot(&[(&a, &a), (&low, &low)]),
        );
        refused(
            "dot_plain of different levels",
            eval.dot_plain(&[(&a, &w), (&low, &w)]),
        );
        refused(
            "sum_rotated of different levels",
            eval.sum_rotated(&[(&a, Rotation(0)), (&low, Rotation(0))]),
        );
        refused(
            "add of a product and a rescaled value",
            eval.add(&product, &a),
        );
        refused(
            "sub of a product and a rescaled value",
            eval.sub(&a, &product),
        );
        refused(
            "sum_rotated of a product and a rescaled value",
            eval.sum_rotated(&[(&a, Rotation(0)), (&product, Rotation(0))]),
        );
        refused("mul of products", eval.mul(&product, &product));
        refused("mul by a product", eval.mul(&a, &product));
        refused("mul_plain of a product", eval.mul_plain(&product, &w));
        refused("mul_scalar of a product", eval.mul_scalar(&product, 2.0));
        refused(
            "dot of products",
            eval.dot(&[(&product, &product), (&product, &product)]),
        );
        refused(
            "dot_plain of products",
            eval.dot_plain(&[(&product, &w), (&product, &w)]),
        );
        refused("mul at L0", eval.mul(&bottom, &bottom));
        refused("mul_plain at L0", eval.mul_plain(&bottom, &w));
        refused("mul_scalar at L0", eval.mul_scalar(&bottom, 2.0));
        refused(
            "dot at L0",
            eval.dot(&[(&bottom, &bottom), (&bottom, &bottom)]),
        );
        refused(
            "dot_plain at L0",
            eval.dot_plain(&[(&bottom, &w), (&bottom, &w)]),
        );
        refused("rescale of a rescaled value", eval.rescale(&a));
        refused("rescale at L0", eval.rescale(&bottom));
        refused("drop_to a higher level", eval.drop_to(&low, subject.top));
        refused("drop_to of a product", eval.drop_to(&product, Level(0)));
        refused("add_scalar of NaN", eval.add_scalar(&a, f64::NAN));
        refused("mul_scalar by infinity", eval.mul_scalar(&a, f64::INFINITY));
        refused("empty dot", eval.dot(&[]));
        refused("empty dot_plain", eval.dot_plain(&[]));
        refused("empty sum_rotated", eval.sum_rotated(&[]));
        refused("empty dot_affine", eval.dot_affine(&[], &[], 1.0));
        refused("empty sum_rotated_products", eval.sum_rotated_products(&[]));
        refused("empty dot_rescaled", eval.dot_rescaled(&[]));
        refused(
            "dot_affine of a product",
            eval.dot_affine(&[(&a, &a)], &[(&product, 1.0)], 0.0),
        );
        refused(
            "dot_rescaled at L0",
            eval.dot_rescaled(&[(&bottom, &bottom)]),
        );
        refused(
            "dot_affine_rescaled of a term below",
            eval.dot_affine_rescaled(&[(&a, &a)], &[(&low, 1.0)], 0.0, low_level),
        );
        refused(
            "dot_affine_rescaled to another level",
            eval.dot_affine_rescaled(&[(&a, &a)], &[(&a, 1.0)], 0.0, Level(low_level.0 - 1)),
        );
        refused(
            "dot_affine_rescaled with NaN",
            eval.dot_affine_rescaled(&[], &[(&a, f64::NAN)], 0.0, low_level),
        );
        let transform = |x, y| {
            let terms = vec![(x, Rotation(0), &w), (y, Rotation(0), &w)];
            eval.sum_rotated_products(&[GiantStep {
                by: Rotation(0),
                terms,
            }])
        };
        refused(
            "sum_rotated_products of different levels",
            transform(&a, &low),
        );
        refused(
            "sum_rotated_products of products",
            transform(&product, &product),
        );
        refused("sum_rotated_products at L0", transform(&bottom, &bottom));
        if let Some(r) = subject.missing_rotation {
            refused("rotation without a key", eval.rotate(&a, r));
            refused(
                "sum_rotated without a key",
                eval.sum_rotated(&[(&a, r), (&a, Rotation(0))]),
            );
            for (by, baby) in [(r, Rotation(0)), (Rotation(0), r)] {
                let giant = GiantStep {
                    by,
                    terms: vec![(&a, baby, &w)],
                };
                let giants = [giant];
                refused(
                    "sum_rotated_products without a key",
                    eval.sum_rotated_products(&giants),
                );
                refused(
                    "horner_rotated_products without a key",
                    eval.horner_rotated_products(&giants),
                );
            }
            let many = eval.rotate_many(&a, &[Rotation(0), r]).map(|_| a.clone());
            refused("rotate_many without a key", many);
        }
        let long = vec![0.0; eval.slots() + 1];
        let constants = [
            ("too many values", eval.constant("conformance/long", &long)),
            ("NaN", eval.constant("conformance/nan", &[f64::NAN])),
            (
                "infinity",
                eval.constant("conformance/infinity", &[0.0, f64::NEG_INFINITY]),
            ),
        ];
        for (name, result) in constants {
            let failure = result.is_ok().then(|| "was not refused".to_owned());
            self.record(
                &format!("a constant with {name} is refused"),
                0.0,
                0.0,
                failure,
            );
        }
    }

    fn record(&mut self, name: &str, error: f64, tolerance: f64, failure: Option<String>) {
        self.report.checks.push(Check {
            name: name.to_owned(),
            error,
            tolerance,
            failure,
        });
    }

    /// Values within the tolerance, levels and product flags equal.
    fn compare(
        &mut self,
        op: &str,
        name: &str,
        result: Result<Vec<E::Ciphertext>>,
        expected: Result<Vec<crate::ClearVector>>,
    ) {
        let tolerance = (self.subject.tolerance)(op);
        let outcome = result.and_then(|result| Ok((result, expected?)));
        let (result, expected) = match outcome {
            Ok(both) => both,
            Err(e) => return self.record(name, 0.0, tolerance, Some(e.to_string())),
        };
        let mut worst: f64 = 0.0;
        let mut failure = None;
        if result.len() != expected.len() {
            failure = Some(format!(
                "{} results instead of {}",
                result.len(),
                expected.len()
            ));
        }
        for (i, (a, b)) in result.iter().zip(&expected).enumerate() {
            let state = crate::State {
                level: self.subject.eval.level(a),
                product: self.subject.eval.is_product(a),
            };
            if state != b.state() {
                failure.get_or_insert(format!("result {i} is at {state} instead of {}", b.state()));
            }
            match (self.subject.decrypt)(a) {
                Err(e) => {
                    failure.get_or_insert(format!("result {i} does not decrypt: {e}"));
                }
                Ok(values) if values.len() != b.values().len() => {
                    failure.get_or_insert(format!("result {i} has {} values", values.len()));
                }
                Ok(values) => {
                    for (slot, (x, y)) in values.iter().zip(b.values()).enumerate() {
                        let error = (x - y).abs();
                        worst = if error.is_nan() {
                            f64::INFINITY
                        } else {
                            worst.max(error)
                        };
                        // NaN fails too.
                        if error > tolerance || error.is_nan() {
                            failure.get_or_insert(format!(
                                "result {i}, slot {slot}: {x} instead of {y} (tolerance {tolerance:e})"
                            ));
                        }
                    }
                }
            }
        }
        self.record(name, worst, tolerance, failure);
    }
}

/// The state and data of the operands of one check.
struct At<'a> {
    level: Level,
    product: bool,
    data: &'a str,
    inputs: &'a [Vec<f64>; 3],
    by: &'a [Rotation],
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.product { "*" } else { "" };
        write!(f, "{}{star}, {}", self.level, self.data)
    }
}

impl At<'_> {
    fn run<E: Leveled>(
        &self,
        eval: &E,
        encrypt: &dyn Fn(&[f64]) -> Result<E::Ciphertext>,
        circuit: &impl Circuit,
    ) -> Result<Vec<E::Ciphertext>> {
        let prepare = |values: &Vec<f64>| {
            let a = eval.drop_to(&encrypt(values)?, self.level)?;
            if self.product {
                eval.mul_scalar(&a, 0.75)
            } else {
                Ok(a)
            }
        };
        let x = [
            prepare(&self.inputs[0])?,
            prepare(&self.inputs[1])?,
            prepare(&self.inputs[2])?,
        ];
        let name = |i: usize| format!("conformance/{}/{i}", self.data);
        let short = &self.inputs[1][..self.inputs[1].len().div_ceil(2)];
        let w = [
            eval.constant(&name(0), &self.inputs[2])?,
            eval.constant(&name(1), short)?,
        ];
        circuit.run(eval, &x, &w, self.by)
    }
}

/// `(..((x₀ ⊙ x₁) ⊙ x₁) + 0.25 ..)`: one product per level down to the bottom.
fn chain<E: Leveled>(
    eval: &E,
    encrypt: &dyn Fn(&[f64]) -> Result<E::Ciphertext>,
    top: Level,
    inputs: &[Vec<f64>; 3],
) -> Result<E::Ciphertext> {
    let mut a = encrypt(&inputs[0])?;
    let x = encrypt(&inputs[1])?;
    for level in (1..=top.0).rev().map(Level) {
        let product = eval.mul(&a, &eval.drop_to(&x, level)?)?;
        a = eval.rescale(&eval.add_scalar(&product, 0.25)?)?;
    }
    Ok(a)
}
