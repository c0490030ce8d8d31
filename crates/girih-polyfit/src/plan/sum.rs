//! Splitting a polynomial into products with giant steps.

use std::collections::BTreeSet;

use crate::{Basis, PlanCounts};

use super::chain::depth_of_index;

/// `constant + Σ cₖ bₖ + Σ q · b_g`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sum {
    /// The constant term.
    pub constant: f64,
    /// `(k, cₖ)` with `k >= 1` and `cₖ` not zero.
    pub linear: Vec<(usize, f64)>,
    /// Quotients and giant steps.
    pub products: Vec<(Sum, usize)>,
}

impl Sum {
    /// Splits a polynomial of degree below `2^budget` so that it consumes at most `budget` levels,
    /// with leaves of degree at most `leaf` where the budget allows.
    pub(super) fn split(coefficients: &[f64], basis: Basis, budget: usize, leaf: usize) -> Sum {
        let degree = degree(coefficients);
        let linear: Vec<(usize, f64)> = coefficients
            .iter()
            .copied()
            .enumerate()
            .skip(1)
            .filter(|(_, c)| *c != 0.0)
            .collect();
        let fits = linear.iter().all(|&(k, c)| depth_of_term(k, c) <= budget);
        if degree <= 1 || fits && (degree <= leaf || linear.len() == 1) {
            let constant = coefficients.first().copied().unwrap_or(0.0);
            return Sum {
                constant,
                linear,
                products: Vec::new(),
            };
        }
        let giant = 1 << degree.ilog2();
        let (quotient, remainder) = divide(&coefficients[..=degree], basis, giant);
        let mut sum = Sum::split(&remainder, basis, budget, leaf);
        let quotient = Sum::split(&quotient, basis, budget - 1, leaf);
        if quotient.linear.is_empty() && quotient.products.is_empty() {
            sum.linear.push((giant, quotient.constant));
        } else {
            sum.products.push((quotient, giant));
        }
        sum
    }

    /// Splits a polynomial of degree `2^budget` whose [leading coefficient is free](free_leading), with `budget` at
    /// least 1, so that it consumes at most `budget` levels: `p = (b_g + q) b_g + r` with `g` half the degree, where
    /// `b_g` is added without a product.
    pub(super) fn split_free(
        coefficients: &[f64],
        basis: Basis,
        budget: usize,
        leaf: usize,
    ) -> Sum {
        let half = 1 << (budget - 1);
        let (mut quotient, remainder) = divide(&coefficients[..=2 * half], basis, half);
        quotient.pop();
        let mut quotient = Sum::split(&quotient, basis, budget - 1, leaf);
        quotient.linear.push((half, 1.0));
        let mut sum = Sum::split(&remainder, basis, budget, leaf);
        sum.products.push((quotient, half));
        sum
    }

    /// The basis polynomials that occur.
    pub(super) fn indices(&self, into: &mut BTreeSet<usize>) {
        into.extend(self.linear.iter().map(|(k, _)| *k));
        for (quotient, giant) in &self.products {
            into.insert(*giant);
            quotient.indices(into);
        }
    }

    /// Terms `(k, cₖ)` that are multiplied by their coefficients, and those that are added as they are: with
    /// a coefficient of one, where a product would take one level too many.
    #[must_use]
    pub fn linear_terms(&self) -> (Vec<(usize, f64)>, Vec<usize>) {
        let budget = self.depth();
        let scaled = |&(k, c): &(usize, f64)| c != 1.0 || depth_of_index(k) < budget;
        let (scaled, plain): (Vec<_>, Vec<_>) = self.linear.iter().copied().partition(scaled);
        // Alone, a term with coefficient one is no reason for a product.
        if self.products.is_empty() && scaled.iter().all(|t| t.1 == 1.0) {
            let all = scaled.iter().chain(&plain).map(|t| t.0).collect();
            return (Vec::new(), all);
        }
        (scaled, plain.into_iter().map(|t| t.0).collect())
    }

    /// Products of ciphertexts, sums that hold any, products with scalars.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let constant = self.linear.is_empty() && self.products.is_empty();
        let scaled = self.linear_terms().0.len() + usize::from(constant);
        let own = (
            self.products.len(),
            usize::from(!self.products.is_empty()),
            scaled,
        );
        self.products
            .iter()
            .fold(own, |(products, sums, scalars), (quotient, _)| {
                let (p, s, c) = quotient.counts();
                (products + p, sums + s, scalars + c)
            })
    }

    /// Adds what the sum does when it is the last of `depth` levels.
    pub(super) fn work(&self, depth: usize, work: &mut [PlanCounts]) {
        let Some(level) = depth.checked_sub(1) else {
            return;
        };
        let constant = self.linear.is_empty() && self.products.is_empty();
        if let Some(at) = work.get_mut(level) {
            at.products += self.products.len();
            at.relinearizations += usize::from(!self.products.is_empty());
            at.scalar_products += self.linear_terms().0.len() + usize::from(constant);
        }
        for (quotient, _) in &self.products {
            quotient.work(level, work);
        }
    }

    /// Levels consumed.
    #[must_use]
    pub fn depth(&self) -> usize {
        let linear = self.linear.iter().map(|&(k, c)| depth_of_term(k, c));
        let products = self
            .products
            .iter()
            .map(|(q, g)| 1 + q.depth().max(depth_of_index(*g)));
        linear.chain(products).max().unwrap_or(1)
    }
}

/// Depth of `c · b_k`: a coefficient of one costs nothing.
fn depth_of_term(k: usize, c: f64) -> usize {
    depth_of_index(k) + usize::from(c != 1.0)
}

fn degree(coefficients: &[f64]) -> usize {
    coefficients.iter().rposition(|&c| c != 0.0).unwrap_or(0)
}

/// The coefficient of `b_(2g)` in `b_g · b_g`: as leading coefficient it costs no product.
pub(crate) fn free_leading(basis: Basis) -> f64 {
    match basis {
        Basis::Power => 1.0,
        Basis::Chebyshev => 0.5,
    }
}

/// `p = q b_g + r` with `r` of degree at most `g - 1` and `q` of degree at most `g` (that of `p` is at most `2g`).
///
/// Chebyshev: `T_k = 2 T_g T_(k-g) - T_(2g-k)` for `k > g`.
fn divide(p: &[f64], basis: Basis, g: usize) -> (Vec<f64>, Vec<f64>) {
    let mut remainder = p[..g].to_vec();
    let mut quotient = p[g..].to_vec();
    if basis == Basis::Chebyshev {
        for (j, c) in quotient.iter_mut().enumerate().skip(1) {
            remainder[g - j] -= *c;
            *c *= 2.0;
        }
    }
    (quotient, remainder)
}
