//! Evaluation plans: functions of one variable as polynomials, products and sums of earlier values.
//!
//! One polynomial is the simplest plan. Compositions (the sign function by a chain of minimax polynomials), relu
//! as `x · step(x)`, pieces selected by steps, Newton's iteration for reciprocals: all are straight-line programs
//! of three instructions. A plan is data: it is run in the clear here, on any evaluator by `girih-circuits`, and
//! lowered layer by layer by the compiler.
//!
//! A plan computes with `u = (x - center) / radius` of its interval; a compiler folds this map into the layer before.

use std::fmt;

use crate::plan::free_leading;
use crate::{Basis, Dd, Error, Interval, PlanCounts, Polynomial, PolynomialPlan, Result};

/// Leading coefficients below this share of all are not divided out: the values would grow by its inverse.
const NEGLIGIBLE: f64 = 1.0 / (1 << 20) as f64;

/// A value of an evaluation plan: the input `u` or the result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(usize);

impl ValueId {
    /// Position among the values: 0 is the input `u`, `k` the result of step `k - 1`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// One instruction.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `p(v)`, with a polynomial that reads its argument as it is: in the power basis, or in the Chebyshev basis
    /// of `[-1, 1]`.
    Polynomial {
        /// The argument.
        of: ValueId,
        /// The polynomial.
        polynomial: Polynomial,
        /// Its schedule.
        plan: PolynomialPlan,
    },
    /// `v · w`, one level.
    Product(ValueId, ValueId),
    /// `Σ cₖ vₖ + c`: one level, or none if every factor is 1 or -1.
    Affine {
        /// Values and factors.
        terms: Vec<(ValueId, f64)>,
        /// The constant `c`.
        constant: f64,
    },
}

impl Step {
    /// The values read.
    fn reads(&self) -> Vec<ValueId> {
        match self {
            Step::Polynomial { of, .. } => vec![*of],
            Step::Product(a, b) => vec![*a, *b],
            Step::Affine { terms, .. } => terms.iter().map(|t| t.0).collect(),
        }
    }

    /// Levels consumed.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Step::Polynomial { plan, .. } => plan.unit_depth(),
            Step::Product(..) => 1,
            Step::Affine { terms, .. } => usize::from(terms.iter().any(|(_, c)| c.abs() != 1.0)),
        }
    }

    fn counts(&self) -> PlanCounts {
        match self {
            Step::Polynomial { plan, .. } => plan.counts(),
            Step::Product(..) => PlanCounts {
                products: 1,
                relinearizations: 1,
                scalar_products: 0,
            },
            Step::Affine { terms, .. } => PlanCounts {
                scalar_products: terms.iter().filter(|(_, c)| c.abs() != 1.0).count(),
                ..PlanCounts::default()
            },
        }
    }
}

/// A straight-line program that computes a function of one variable on an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationPlan {
    interval: Interval,
    steps: Vec<Step>,
}

impl EvaluationPlan {
    /// The plan that returns `u`, to be extended.
    #[must_use]
    pub fn new(interval: Interval) -> Self {
        EvaluationPlan {
            interval,
            steps: Vec::new(),
        }
    }

    /// One polynomial, on its own interval.
    ///
    /// # Errors
    /// A coefficient overflows in the Chebyshev basis.
    pub fn polynomial(polynomial: &Polynomial) -> Result<Self> {
        let mut plan = Self::new(polynomial.interval());
        let coefficients = polynomial.to_chebyshev()?.coefficients().to_vec();
        let unit = Polynomial::chebyshev(Interval::UNIT, coefficients)?;
        plan.push_polynomial(plan.input(), unit)?;
        Ok(plan)
    }

    /// The value `u`.
    #[must_use]
    pub fn input(&self) -> ValueId {
        ValueId(0)
    }

    /// The last value: the result, and `u` if there is no step.
    #[must_use]
    pub fn output(&self) -> ValueId {
        ValueId(self.steps.len())
    }

    /// Adds `p(v)`.
    ///
    /// # Errors
    /// A polynomial in the Chebyshev basis of another interval than `[-1, 1]`.
    pub fn push_polynomial(&mut self, of: ValueId, polynomial: Polynomial) -> Result<ValueId> {
        if polynomial.basis() == Basis::Chebyshev && polynomial.interval() != Interval::UNIT {
            return Err(Error::Interval {
                lo: polynomial.interval().lo(),
                hi: polynomial.interval().hi(),
            });
        }
        let plan = PolynomialPlan::new(&polynomial);
        Ok(self.push(Step::Polynomial {
            of,
            polynomial,
            plan,
        }))
    }

    /// Adds `v · w`.
    pub fn push_product(&mut self, v: ValueId, w: ValueId) -> ValueId {
        self.push(Step::Product(v, w))
    }

    /// Adds `Σ cₖ vₖ + c`.
    pub fn push_affine(&mut self, terms: Vec<(ValueId, f64)>, constant: f64) -> ValueId {
        self.push(Step::Affine { terms, constant })
    }

    fn push(&mut self, step: Step) -> ValueId {
        debug_assert!(step.reads().iter().all(|v| v.0 <= self.steps.len()));
        self.steps.push(step);
        self.output()
    }

    /// The interval of the input.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The steps; step `k` computes the value of index `k + 1`.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The value at `x`, in the clear.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        self.eval_unit(self.interval.to_unit(x))
    }

    /// The value at `u`, in the clear.
    #[must_use]
    pub fn eval_unit(&self, u: f64) -> f64 {
        let mut values = Vec::with_capacity(self.steps.len() + 1);
        values.push(u);
        for step in &self.steps {
            let value = match step {
                Step::Polynomial { of, polynomial, .. } => polynomial.eval(values[of.0]),
                Step::Product(v, w) => values[v.0] * values[w.0],
                Step::Affine { terms, constant } => {
                    terms.iter().map(|(v, c)| c * values[v.0]).sum::<f64>() + constant
                }
            };
            values.push(value);
        }
        values[self.steps.len()]
    }

    /// The value at `u` in double-double arithmetic, in the clear.
    pub(crate) fn eval_unit_dd(&self, u: Dd) -> Dd {
        let mut values = Vec::with_capacity(self.steps.len() + 1);
        values.push(u);
        for step in &self.steps {
            let value = match step {
                Step::Polynomial { of, polynomial, .. } => polynomial.eval_unit_dd(values[of.0]),
                Step::Product(v, w) => values[v.0] * values[w.0],
                Step::Affine { terms, constant } => {
                    terms.iter().map(|(v, c)| values[v.0] * *c).sum::<Dd>() + *constant
                }
            };
            values.push(value);
        }
        values[self.steps.len()]
    }

    /// The plan whose numbers are mapped by `f`: coefficients of polynomials, factors and constants of sums; those that
    /// become infinite or NaN stay as they are. What rounding them at a scale does is seen so.
    #[must_use]
    pub fn map_coefficients(&self, f: impl Fn(f64) -> f64) -> Self {
        let steps = self.steps.iter().map(|step| match step {
            Step::Polynomial { of, polynomial, .. } => {
                let mapped: Vec<f64> = polynomial.coefficients().iter().map(|&c| f(c)).collect();
                let interval = polynomial.interval();
                let mapped = match polynomial.basis() {
                    Basis::Power => Polynomial::power(interval, mapped),
                    Basis::Chebyshev => Polynomial::chebyshev(interval, mapped),
                };
                let polynomial = mapped.unwrap_or_else(|_| polynomial.clone());
                Step::Polynomial {
                    of: *of,
                    plan: PolynomialPlan::new(&polynomial),
                    polynomial,
                }
            }
            Step::Product(v, w) => Step::Product(*v, *w),
            Step::Affine { terms, constant } => Step::Affine {
                terms: terms.iter().map(|&(v, c)| (v, f(c))).collect(),
                constant: f(*constant),
            },
        });
        EvaluationPlan {
            interval: self.interval,
            steps: steps.collect(),
        }
    }

    /// A plan `q` and `(scale, shift)` so that this plan is `scale · q + shift`, where `q` has a level less if there
    /// is a way: without a last affine step of one value, or with the leading coefficient of a last polynomial of
    /// degree `2^k` divided out, which leaves `k` levels. A compiler folds scale and shift into the layer after.
    ///
    /// The leading coefficient is left where it is below `2^-20` of the largest one.
    #[must_use]
    pub fn factor_output(&self) -> (Self, f64, f64) {
        let whole = || (self.clone(), 1.0, 0.0);
        let Some((last, earlier)) = self.steps.split_last() else {
            return whole();
        };
        let before = || EvaluationPlan {
            interval: self.interval,
            steps: earlier.to_vec(),
        };
        match last {
            Step::Affine { terms, constant } => match terms[..] {
                [(v, scale)] if v == before().output() && scale != 0.0 => {
                    (before(), scale, *constant)
                }
                _ => whole(),
            },
            Step::Polynomial { of, polynomial, .. } => {
                let degree = polynomial.degree();
                let coefficients = polynomial.coefficients();
                let scale = coefficients[degree] / free_leading(polynomial.basis());
                let free = degree >= 2
                    && degree.is_power_of_two()
                    && scale.abs() >= NEGLIGIBLE * polynomial.magnitude();
                if !free {
                    return whole();
                }
                let mut divided: Vec<f64> = coefficients.iter().map(|c| c / scale).collect();
                divided[degree] = free_leading(polynomial.basis());
                let interval = polynomial.interval();
                let divided = match polynomial.basis() {
                    Basis::Power => Polynomial::power(interval, divided),
                    Basis::Chebyshev => Polynomial::chebyshev(interval, divided),
                };
                let mut plan = before();
                match divided.and_then(|p| plan.push_polynomial(*of, p)) {
                    Ok(_) => (plan, scale, 0.0),
                    Err(_) => whole(),
                }
            }
            Step::Product(..) => whole(),
        }
    }

    /// `(scale, shift)` with `u = scale · x + shift`; `None` if the interval is `[-1, 1]`.
    #[must_use]
    pub fn input_map(&self) -> Option<(f64, f64)> {
        (self.interval != Interval::UNIT).then(|| {
            let scale = 1.0 / self.interval.radius();
            (scale, -self.interval.center() * scale)
        })
    }

    /// What is done on operands `k` levels below `u`, by `k`: as many entries as [`unit_depth`](Self::unit_depth).
    #[must_use]
    pub fn work(&self) -> Vec<PlanCounts> {
        let depths = self.depths();
        let mut work = vec![PlanCounts::default(); depths[self.steps.len()]];
        let mut add = |level: usize, counts: PlanCounts| {
            // A step without depth after the last level is a sum: it costs nothing.
            if let Some(at) = work.get_mut(level) {
                *at = *at + counts;
            }
        };
        for (k, step) in self.steps.iter().enumerate() {
            let start = depths[k + 1] - step.depth();
            match step {
                Step::Polynomial { plan, .. } => plan
                    .work()
                    .into_iter()
                    .enumerate()
                    .for_each(|(level, counts)| add(start + level, counts)),
                Step::Product(..) | Step::Affine { .. } => add(start, step.counts()),
            }
        }
        work
    }

    /// Levels consumed by each value, the input first.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.steps.len() + 1];
        for (k, step) in self.steps.iter().enumerate() {
            let read = step.reads().iter().map(|v| depths[v.0]).max();
            depths[k + 1] = read.unwrap_or(0) + step.depth();
        }
        depths
    }

    /// Levels consumed after the [`input_map`](Self::input_map) has been applied.
    #[must_use]
    pub fn unit_depth(&self) -> usize {
        self.depths()[self.steps.len()]
    }

    /// Levels consumed in all: one more if the input has to be scaled.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.unit_depth() + usize::from(self.input_map().is_some_and(|(scale, _)| scale != 1.0))
    }

    /// Products, relinearisations and scalar products, the [`input_map`](Self::input_map) aside.
    #[must_use]
    pub fn counts(&self) -> PlanCounts {
        self.steps
            .iter()
            .map(Step::counts)
            .fold(PlanCounts::default(), |a, b| a + b)
    }
}

impl fmt::Display for EvaluationPlan {
    /// Interval, depth, products, and one line for each step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        write!(
            f,
            "on {}: depth {}, {} products, {} relinearisations",
            self.interval,
            self.depth(),
            counts.products,
            counts.relinearizations
        )?;
        let name = |v: &ValueId| match v.0 {
            0 => "u".to_owned(),
            k => format!("v{k}"),
        };
        for (k, step) in self.steps.iter().enumerate() {
            write!(f, "\n  v{} = ", k + 1)?;
            match step {
                Step::Polynomial { of, polynomial, .. } => {
                    write!(
                        f,
                        "polynomial of degree {} in {}",
                        polynomial.degree(),
                        name(of)
                    )?;
                }
                Step::Product(v, w) => write!(f, "{} · {}", name(v), name(w))?,
                Step::Affine { terms, constant } => {
                    for (v, c) in terms {
                        write!(f, "{c} {} + ", name(v))?;
                    }
                    write!(f, "{constant}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_polynomial_keeps_its_values() {
        let i = Interval::try_new(-1.0, 5.0).unwrap();
        let p = Polynomial::power(i, [1.0, -2.0, 0.5, 0.25]).unwrap();
        let plan = EvaluationPlan::polynomial(&p).unwrap();
        for k in 0..=12 {
            let x = -1.0 + 0.5 * f64::from(k);
            assert!((plan.eval(x) - p.eval(x)).abs() < 1e-12);
        }
        assert_eq!((plan.unit_depth(), plan.depth()), (2, 3));
        assert!(
            EvaluationPlan::new(i)
                .push_polynomial(ValueId(0), p.to_chebyshev().unwrap())
                .is_err()
        );
    }

    #[test]
    fn the_output_scale_saves_a_level_at_powers_of_two() {
        let i = Interval::try_new(-1.0, 3.0).unwrap();
        for degree in 1..=33usize {
            let c: Vec<f64> = (0..=degree).map(|k| 0.3 - 0.7 / (k as f64 + 1.5)).collect();
            let p = Polynomial::chebyshev(i, c).unwrap();
            let plan = EvaluationPlan::polynomial(&p).unwrap();
            let (inner, scale, shift) = plan.factor_output();
            let saved = usize::from(degree >= 2 && degree.is_power_of_two());
            assert_eq!(inner.unit_depth(), plan.unit_depth() - saved, "{degree}");
            for k in 0..=8 {
                let x = -1.0 + 0.5 * f64::from(k);
                assert!((scale * inner.eval(x) + shift - p.eval(x)).abs() < 1e-12);
            }
        }
        // Too small a leading coefficient stays; a last affine step goes.
        let p = Polynomial::chebyshev(i, [1.0, 1.0, 1e-9]).unwrap();
        let plan = EvaluationPlan::polynomial(&p).unwrap();
        assert_eq!(plan.factor_output(), (plan.clone(), 1.0, 0.0));
        let mut plan = EvaluationPlan::new(i);
        let v = plan.push_product(plan.input(), plan.input());
        plan.push_affine(vec![(v, 3.0)], 2.0);
        let (inner, scale, shift) = plan.factor_output();
        assert_eq!((inner.unit_depth(), scale, shift), (1, 3.0, 2.0));
    }

    /// `|x| ≈ x · (3x - x³)/2` near ±1: three levels, three products.
    #[test]
    fn products_and_sums() {
        let mut plan = EvaluationPlan::new(Interval::UNIT);
        let sign = Polynomial::power(Interval::UNIT, [0.0, 1.5, 0.0, -0.5]).unwrap();
        let s = plan.push_polynomial(plan.input(), sign).unwrap();
        let abs = plan.push_product(s, plan.input());
        plan.push_affine(vec![(abs, 1.0), (plan.input(), -1.0)], 2.0);
        assert_eq!(plan.eval(-1.0), 4.0);
        assert_eq!(plan.depth(), 3);
        assert_eq!(plan.counts().products, 3);
        assert!(plan.to_string().contains("v2 = v1 · u"), "{plan}");
        // x² of the polynomial; its last product; the product with x.
        let products: Vec<_> = plan.work().iter().map(|w| w.products).collect();
        assert_eq!(products, [1, 1, 1]);
    }

    /// The work by depth adds up to the counts, in as many levels as the plan takes.
    #[test]
    fn work_adds_up() {
        for degree in 1..=40usize {
            let c: Vec<f64> = (0..=degree).map(|k| 0.3 / (k as f64 + 1.5)).collect();
            let mut plan = EvaluationPlan::new(Interval::UNIT);
            let p = Polynomial::chebyshev(Interval::UNIT, c).unwrap();
            let v = plan.push_polynomial(plan.input(), p.clone()).unwrap();
            let w = plan.push_product(v, plan.input());
            let s = plan.push_affine(vec![(w, 0.5), (v, 1.0)], 1.0);
            plan.push_polynomial(s, p).unwrap();
            let work = plan.work();
            assert_eq!(work.len(), plan.unit_depth());
            let total = work.into_iter().fold(PlanCounts::default(), |a, b| a + b);
            assert_eq!(total, plan.counts());
        }
    }
}
