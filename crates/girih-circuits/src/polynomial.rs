//! Polynomials of a ciphertext in optimal depth: Paterson-Stockmeyer with baby and giant steps.
//!
//! `p = q · T_g + r` with `g` the largest power of two up to the degree splits a polynomial into two
//! of half the degree (Paterson and Stockmeyer 1973; in the Chebyshev basis, Chen, Chillotti and Song,
//! EUROCRYPT 2019). The quotient has one level less than `p`, the remainder as many as `p`. A part of
//! degree at most `m` is a leaf, `Σ cₖ Tₖ`, if its levels allow: the product with a coefficient takes
//! one. So the depth is `⌈log₂(degree + 1)⌉`, and the number of products is about
//! `m + degree / m + log₂ degree`. `m` is chosen by counting.
//!
//! Sums of products are left as one [`dot`](girih_he::Evaluator::dot), which relinearises once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use girih_he::Evaluator;
use girih_polyfit::{Basis, Interval, Polynomial};

use crate::Result;

mod chain;
mod split;

pub(crate) use chain::Chain;
use chain::depth_of_index;
use split::Sum;

/// Leaves of larger degree are never worth it for the degrees that are offered (up to 1023).
const LARGEST_LEAF: usize = 48;

/// What evaluating a polynomial costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanCounts {
    /// Products of two ciphertexts.
    pub products: usize,
    /// Relinearisations: products, but one for each sum of products.
    pub relinearizations: usize,
    /// Products with a scalar.
    pub scalar_products: usize,
}

/// A schedule for one polynomial.
#[derive(Clone, Debug, PartialEq)]
pub struct PolynomialPlan {
    basis: Basis,
    interval: Interval,
    degree: usize,
    leaf: usize,
    chain: Chain,
    root: Sum,
    counts: PlanCounts,
}

impl PolynomialPlan {
    /// The plan with the fewest products and relinearisations (added), then scalar products.
    ///
    /// Odd and even polynomials need only odd or even basis polynomials besides the powers of two.
    #[must_use]
    pub fn new(polynomial: &Polynomial) -> Self {
        let largest = polynomial.degree().clamp(1, LARGEST_LEAF);
        let mut best = Self::with_leaf(polynomial, 1);
        let price = |plan: &Self| {
            let c = plan.counts;
            (c.products + c.relinearizations, c.scalar_products)
        };
        for leaf in 2..=largest {
            let plan = Self::with_leaf(polynomial, leaf);
            if price(&plan) < price(&best) {
                best = plan;
            }
        }
        best
    }

    /// The plan whose leaves have degree at most `leaf`.
    fn with_leaf(polynomial: &Polynomial, leaf: usize) -> Self {
        let basis = polynomial.basis();
        let depth = depth_of_degree(polynomial.degree());
        let root = Sum::split(polynomial.coefficients(), basis, depth, leaf);
        let mut needed = BTreeSet::new();
        root.indices(&mut needed);
        let chain = Chain::new(basis, needed);
        let (products, sums, scalar_products) = root.counts();
        let counts = PlanCounts {
            products: products + chain.products(),
            relinearizations: sums + chain.products(),
            scalar_products,
        };
        let (interval, degree) = (polynomial.interval(), polynomial.degree());
        PolynomialPlan {
            basis,
            interval,
            degree,
            leaf,
            chain,
            root,
            counts,
        }
    }

    /// Degree of the polynomial.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// What [`evaluate_unit`](Self::evaluate_unit) costs.
    #[must_use]
    pub fn counts(&self) -> PlanCounts {
        self.counts
    }

    /// Levels that [`evaluate_unit`](Self::evaluate_unit) consumes: `⌈log₂(degree + 1)⌉`, or one less
    /// for a single monomial with coefficient one, and 1 for a constant.
    #[must_use]
    pub fn unit_depth(&self) -> usize {
        self.root.depth()
    }

    /// Levels that [`evaluate`](Self::evaluate) consumes: one more if the input has to be scaled.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.unit_depth() + usize::from(self.input_map().is_some_and(|(scale, _)| scale != 1.0))
    }

    /// `(scale, shift)` with `u = scale · x + shift`, if the plan computes with `u` instead of `x`: for
    /// the Chebyshev basis of an interval other than `[-1, 1]`. A compiler folds it into the layer
    /// before and calls [`evaluate_unit`](Self::evaluate_unit).
    #[must_use]
    pub fn input_map(&self) -> Option<(f64, f64)> {
        (self.basis == Basis::Chebyshev && self.interval != Interval::UNIT).then(|| {
            let scale = 1.0 / self.interval.radius();
            (scale, -self.interval.center() / self.interval.radius())
        })
    }

    /// `p(x)` in every slot, for values on the polynomial's interval.
    ///
    /// # Errors
    /// The evaluator refuses an operation: no level left, no relinearisation key.
    pub fn evaluate<E: Evaluator>(&self, eval: &E, x: &E::Ciphertext) -> Result<E::Ciphertext> {
        let Some((scale, shift)) = self.input_map() else {
            return self.evaluate_unit(eval, x);
        };
        let scaled = if scale == 1.0 {
            x.clone()
        } else {
            eval.mul_scalar(x, scale)?
        };
        let u = if shift == 0.0 {
            scaled
        } else {
            eval.add_scalar(&scaled, shift)?
        };
        self.evaluate_unit(eval, &u)
    }

    /// `p` at an input to which [`input_map`](Self::input_map) has been applied (all of it if the map
    /// is `None`).
    ///
    /// The sums have operands of different states: run it on [`Auto`](girih_he::Auto), or record it and
    /// let the pass that assigns levels place rescalings and level changes (it may lower the operand
    /// of a scalar product to the level at which the sum is needed before multiplying).
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn evaluate_unit<E: Evaluator>(
        &self,
        eval: &E,
        u: &E::Ciphertext,
    ) -> Result<E::Ciphertext> {
        let powers = self.chain.evaluate(eval, u)?;
        self.sum(eval, &self.root, &powers)
    }

    /// `constant + Σ cₖ Tₖ + Σ q · T_g`
    fn sum<E: Evaluator>(
        &self,
        eval: &E,
        sum: &Sum,
        powers: &BTreeMap<usize, E::Ciphertext>,
    ) -> Result<E::Ciphertext> {
        let quotients = sum
            .products
            .iter()
            .map(|(q, _)| self.sum(eval, q, powers))
            .collect::<Result<Vec<_>>>()?;
        let mut total = match sum.products.as_slice() {
            [] => None,
            [(_, g)] => Some(eval.mul(&quotients[0], &powers[g])?),
            products => {
                let terms: Vec<_> = quotients
                    .iter()
                    .zip(products)
                    .map(|(q, (_, g))| (q, &powers[g]))
                    .collect();
                Some(eval.dot(&terms)?)
            }
        };
        // Terms of one depth stand at one level and add up before any of them is rescaled. Coefficients of
        // one make no products, so their terms come last.
        let mut groups: BTreeMap<usize, E::Ciphertext> = BTreeMap::new();
        let (ones, scaled): (Vec<&(usize, f64)>, Vec<_>) =
            sum.linear.iter().partition(|term| term.1 == 1.0);
        for (k, c) in scaled {
            let term = eval.mul_scalar(&powers[k], *c)?;
            let depth = depth_of_index(*k);
            let group = plus(eval, groups.remove(&depth), term)?;
            groups.insert(depth, group);
        }
        for group in groups.into_values().rev() {
            total = Some(plus(eval, total, group)?);
        }
        for (k, _) in ones {
            total = Some(plus(eval, total, powers[k].clone())?);
        }
        match total {
            Some(total) if sum.constant == 0.0 => Ok(total),
            Some(total) => Ok(eval.add_scalar(&total, sum.constant)?),
            // A constant: there is nothing encrypted to start from but the input.
            None => Ok(eval.add_scalar(&eval.mul_scalar(&powers[&1], 0.0)?, sum.constant)?),
        }
    }
}

fn plus<E: Evaluator>(
    eval: &E,
    total: Option<E::Ciphertext>,
    term: E::Ciphertext,
) -> Result<E::Ciphertext> {
    match total {
        None => Ok(term),
        Some(total) => Ok(eval.add(&total, &term)?),
    }
}

/// `⌈log₂(degree + 1)⌉`
fn depth_of_degree(degree: usize) -> usize {
    (usize::BITS - degree.leading_zeros()) as usize
}

impl fmt::Display for PolynomialPlan {
    /// Degree, products, depth and the basis polynomials computed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, basis) = match self.basis {
            Basis::Power => ('x', "power"),
            Basis::Chebyshev => ('T', "Chebyshev"),
        };
        let PlanCounts {
            products,
            relinearizations,
            scalar_products,
        } = self.counts;
        write!(
            f,
            "degree {} ({basis} basis): {products} products, ",
            self.degree
        )?;
        write!(
            f,
            "{relinearizations} relinearisations, {scalar_products} scalar products, "
        )?;
        write!(
            f,
            "depth {}, leaves of degree {}; computes",
            self.depth(),
            self.leaf
        )?;
        self.chain
            .indices()
            .filter(|&k| k > 1)
            .try_for_each(|k| write!(f, " {name}{k}"))
    }
}

#[cfg(test)]
mod tests;
