//! How the rounding errors of an evaluation reach its result.
//!
//! An evaluator that works on scaled integers rounds wherever it divides by a scale: after each sum of products and scaled
//! terms, and where a factor of a product comes from a higher level and is lowered to that of the other. To first order an error `e` of a value `v` changes the result by `e · ∂result/∂v`, the *gain*; gains come from one pass
//! backwards through the evaluation (reverse differentiation). Errors of different places are independent, so that their
//! variances add.

use std::collections::BTreeMap;

use crate::evaluation::Step;
use crate::plan::{Chain, Sum};
use crate::{Basis, EvaluationPlan, PolynomialPlan};

/// A place where an evaluation rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rounding {
    /// Levels below the input: 0 for the input's own error.
    pub depth: usize,
    /// The derivative of the result by the value that is rounded.
    pub gain: f64,
}

impl EvaluationPlan {
    /// The places where an evaluation at `u` rounds, each polynomial's parts at the level at which they are needed, with
    /// their gains; first that of the input.
    #[must_use]
    pub fn roundings(&self, u: f64) -> Vec<Rounding> {
        Tape::run(self, u, &mut |_| 0.0).roundings()
    }

    /// The value at `u` with `error(depth)` added at each of the [`roundings`](Self::roundings), in their order.
    #[must_use]
    pub fn eval_rounded(&self, u: f64, error: &mut dyn FnMut(usize) -> f64) -> f64 {
        let tape = Tape::run(self, u, error);
        tape.values[tape.output]
    }
}

/// An evaluation written down: values, what they were made of, where there was a rounding.
struct Tape<'a> {
    values: Vec<f64>,
    /// Earlier values and the derivatives by them.
    parents: Vec<Vec<(usize, f64)>>,
    /// Levels below the input.
    depths: Vec<usize>,
    /// Values and levels below the input.
    rounded: Vec<(usize, usize)>,
    output: usize,
    error: &'a mut dyn FnMut(usize) -> f64,
}

impl<'a> Tape<'a> {
    fn run(plan: &EvaluationPlan, u: f64, error: &'a mut dyn FnMut(usize) -> f64) -> Self {
        let mut tape = Tape {
            values: Vec::new(),
            parents: Vec::new(),
            depths: Vec::new(),
            rounded: Vec::new(),
            output: 0,
            error,
        };
        let input = tape.push(u, Vec::new(), Some(0));
        // Each value of the plan with its level.
        let mut values = vec![(input, 0)];
        for step in plan.steps() {
            let value = match step {
                Step::Polynomial { of, plan, .. } => {
                    let (x, depth) = values[of.index()];
                    (tape.polynomial(plan, x, depth), depth + plan.unit_depth())
                }
                Step::Product(v, w) => {
                    let ((v, a), (w, b)) = (values[v.index()], values[w.index()]);
                    let depth = a.max(b) + 1;
                    (tape.sum(0.0, &[], &[(v, w)], Some(depth)), depth)
                }
                Step::Affine { terms, constant } => {
                    let terms: Vec<_> =
                        terms.iter().map(|(v, c)| (values[v.index()], *c)).collect();
                    let depth = terms.iter().map(|t| t.0.1).max().unwrap_or(0) + step.depth();
                    let linear: Vec<_> = terms.iter().map(|t| (t.0.0, t.1)).collect();
                    let rounded = (step.depth() > 0).then_some(depth);
                    (tape.sum(*constant, &linear, &[], rounded), depth)
                }
            };
            values.push(value);
        }
        tape.output = values[plan.output().index()].0;
        tape
    }

    fn push(&mut self, value: f64, parents: Vec<(usize, f64)>, rounded: Option<usize>) -> usize {
        let id = self.values.len();
        let above = parents.iter().map(|p| self.depths[p.0]).max();
        self.depths.push(rounded.or(above).unwrap_or(0));
        let error = match rounded {
            Some(depth) => {
                self.rounded.push((id, depth));
                (self.error)(depth)
            }
            None => 0.0,
        };
        self.values.push(value + error);
        self.parents.push(parents);
        id
    }

    /// `c + Σ cₖ vₖ + Σ v w`
    fn sum(
        &mut self,
        constant: f64,
        linear: &[(usize, f64)],
        products: &[(usize, usize)],
        rounded: Option<usize>,
    ) -> usize {
        let products: Vec<_> = products
            .iter()
            .map(|&(a, b)| match rounded {
                Some(depth) => (self.lowered(a, depth - 1), self.lowered(b, depth - 1)),
                None => (a, b),
            })
            .collect();
        let v = &self.values;
        let value = constant
            + linear.iter().map(|&(k, c)| c * v[k]).sum::<f64>()
            + products.iter().map(|&(a, b)| v[a] * v[b]).sum::<f64>();
        let mut parents = linear.to_vec();
        parents.extend(products.iter().flat_map(|&(a, b)| [(a, v[b]), (b, v[a])]));
        self.push(value, parents, rounded)
    }

    /// A factor at the level of a product.
    fn lowered(&mut self, id: usize, depth: usize) -> usize {
        if self.depths[id] >= depth {
            return id;
        }
        self.push(self.values[id], vec![(id, 1.0)], Some(depth))
    }

    fn polynomial(&mut self, plan: &PolynomialPlan, x: usize, depth: usize) -> usize {
        let powers = self.chain(plan.chain(), x, depth);
        self.part(plan.root(), &powers, depth, plan.unit_depth())
    }

    fn chain(&mut self, chain: &Chain, x: usize, depth: usize) -> BTreeMap<usize, usize> {
        let mut powers = BTreeMap::from([(1, x)]);
        for (k, (a, b)) in chain.steps() {
            let pair = (powers[&a], powers[&b]);
            let at = Some(depth + k.next_power_of_two().trailing_zeros() as usize);
            let power = match chain.basis() {
                Basis::Power => self.sum(0.0, &[], &[pair], at),
                Basis::Chebyshev if a == b => self.sum(-1.0, &[], &[pair, pair], at),
                Basis::Chebyshev => self.sum(0.0, &[(powers[&(a - b)], -1.0)], &[pair, pair], at),
            };
            powers.insert(k, power);
        }
        powers
    }

    /// A part of a polynomial, `below` levels under the polynomial's input at `depth`.
    fn part(
        &mut self,
        sum: &Sum,
        powers: &BTreeMap<usize, usize>,
        depth: usize,
        below: usize,
    ) -> usize {
        let products: Vec<_> = sum
            .products
            .iter()
            .map(|(q, g)| (self.part(q, powers, depth, below - 1), powers[g]))
            .collect();
        let (scaled, plain) = sum.linear_terms();
        let constant_alone = scaled.is_empty() && plain.is_empty();
        let rounds = !products.is_empty() || !scaled.is_empty() || constant_alone;
        let linear: Vec<_> = scaled.iter().map(|(k, c)| (powers[k], *c)).collect();
        let joint = self.sum(
            sum.constant,
            &linear,
            &products,
            rounds.then_some(depth + below),
        );
        if plain.is_empty() {
            return joint;
        }
        let mut terms = vec![(joint, 1.0)];
        terms.extend(plain.iter().map(|k| (powers[k], 1.0)));
        self.sum(0.0, &terms, &[], None)
    }

    fn roundings(&self) -> Vec<Rounding> {
        let mut gains = vec![0.0; self.values.len()];
        gains[self.output] = 1.0;
        for id in (0..self.values.len()).rev() {
            for &(parent, derivative) in &self.parents[id] {
                gains[parent] += gains[id] * derivative;
            }
        }
        let rounding = |&(id, depth): &(usize, usize)| Rounding {
            depth,
            gain: gains[id],
        };
        self.rounded.iter().map(rounding).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Interval, Polynomial};
    use proptest::prelude::*;

    /// `(x²)² + 3 x`: gains `4 x³ + 3` of the input, `2 x²` of the square and 1 of the sum.
    #[test]
    fn by_hand() {
        let mut plan = EvaluationPlan::new(Interval::UNIT);
        let square = plan.push_product(plan.input(), plan.input());
        let fourth = plan.push_product(square, square);
        plan.push_affine(vec![(fourth, 1.0), (plan.input(), 3.0)], 0.0);
        let found = plan.roundings(0.5);
        let expected = [(0, 3.5), (1, 0.5), (2, 1.0), (3, 1.0)];
        let found: Vec<_> = found.iter().map(|r| (r.depth, r.gain)).collect();
        assert_eq!(found, expected);
    }

    proptest! {
        /// An error at one place changes the result by its gain, and places are no deeper than the plan; there is one for each
        /// relinearisation, and further ones for leaves, the input and factors that are lowered.
        #[test]
        fn gains_are_derivatives(
            c in prop::collection::vec(-1.0..1.0f64, 3..40),
            even in any::<bool>(),
            power in any::<bool>(),
            u in -1.0..1.0f64,
        ) {
            let c: Vec<f64> = c.iter().enumerate()
                .map(|(k, c)| if even && k % 2 == 1 { 0.0 } else { *c }).collect();
            let p = if power {
                Polynomial::power(Interval::UNIT, c)
            } else {
                Polynomial::chebyshev(Interval::UNIT, c)
            }.unwrap();
            let mut plan = EvaluationPlan::new(Interval::UNIT);
            let v = plan.push_polynomial(plan.input(), p).unwrap();
            plan.push_product(v, plan.input());
            let exact = plan.eval_unit(u);
            prop_assert!((plan.eval_rounded(u, &mut |_| 0.0) - exact).abs() < 1e-11);
            let roundings = plan.roundings(u);
            prop_assert!(roundings.len() > plan.counts().relinearizations);
            for (k, rounding) in roundings.iter().enumerate() {
                prop_assert!(rounding.depth <= plan.unit_depth());
                let shifted = |e: f64| {
                    let mut at = 0;
                    plan.eval_rounded(u, &mut |_| { at += 1; if at == k + 1 { e } else { 0.0 } })
                };
                let slope = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                prop_assert!((slope - rounding.gain).abs() < 1e-5 * (1.0 + slope.abs() ), "{} {}", slope, rounding.gain);
            }
        }
    }
}
