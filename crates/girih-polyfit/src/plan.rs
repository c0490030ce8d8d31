//! How a polynomial is evaluated with products only: Paterson-Stockmeyer with baby and giant steps.
//!
//! `p = q · T_g + r` with `g` the largest power of two up to the degree splits a polynomial into two
//! of half the degree (Paterson and Stockmeyer 1973; in the Chebyshev basis, Chen, Chillotti and Song,
//! EUROCRYPT 2019). The quotient has one level less than `p`, the remainder as many as `p`. A part of
//! degree at most `m` is a leaf, `Σ cₖ Tₖ`, if its levels allow: the product with a coefficient takes
//! one. So the depth is `⌈log₂(degree + 1)⌉`, and the number of products is about
//! `m + degree / m + log₂ degree`. `m` is chosen by counting.
//!
//! A plan is data: it is counted and compared here, and run on an encrypted vector by `girih-circuits`.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Add;

use crate::{Basis, Interval, Polynomial};

mod chain;
mod sum;

pub use chain::Chain;
pub use sum::Sum;
pub(crate) use sum::free_leading;

/// Leaves of larger degree are never worth it for the degrees that are offered (up to 1023).
const LARGEST_LEAF: usize = 48;

/// What evaluating costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanCounts {
    /// Products of two ciphertexts.
    pub products: usize,
    /// Relinearisations: products, but one for each sum of products.
    pub relinearizations: usize,
    /// Products with a scalar.
    pub scalar_products: usize,
}

impl Add for PlanCounts {
    type Output = PlanCounts;

    fn add(self, other: PlanCounts) -> PlanCounts {
        PlanCounts {
            products: self.products + other.products,
            relinearizations: self.relinearizations + other.relinearizations,
            scalar_products: self.scalar_products + other.scalar_products,
        }
    }
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
        let coefficients = polynomial.coefficients();
        let root = if leads_free(polynomial) {
            let depth = polynomial.degree().ilog2() as usize;
            Sum::split_free(coefficients, basis, depth, leaf)
        } else {
            let depth = depth_of_degree(polynomial.degree());
            Sum::split(coefficients, basis, depth, leaf)
        };
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

    /// The powers or Chebyshev polynomials that are computed first.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The sum that the polynomial is, with the members of the [`chain`](Self::chain).
    #[must_use]
    pub fn root(&self) -> &Sum {
        &self.root
    }

    /// What an evaluation costs, the [`input_map`](Self::input_map) aside.
    #[must_use]
    pub fn counts(&self) -> PlanCounts {
        self.counts
    }

    /// What is done on operands `k` levels below the input, by `k`: as many entries as [`unit_depth`](Self::unit_depth).
    #[must_use]
    pub fn work(&self) -> Vec<PlanCounts> {
        let mut work = vec![PlanCounts::default(); self.unit_depth()];
        for (k, _) in self.chain.steps() {
            if let Some(at) = work.get_mut(chain::depth_of_index(k) - 1) {
                at.products += 1;
                at.relinearizations += 1;
            }
        }
        self.root.work(self.unit_depth(), &mut work);
        work
    }

    /// Levels consumed at an input to which the [`input_map`](Self::input_map) has been applied: `⌈log₂(degree + 1)⌉`,
    /// or one less for a single monomial with coefficient one and for a degree `2^k` whose leading coefficient is 1
    /// (power basis) or 1/2 (Chebyshev basis), and 1 for a constant.
    #[must_use]
    pub fn unit_depth(&self) -> usize {
        self.root.depth()
    }

    /// Levels consumed in all: one more if the input has to be scaled.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.unit_depth() + usize::from(self.input_map().is_some_and(|(scale, _)| scale != 1.0))
    }

    /// `(scale, shift)` with `u = scale · x + shift`, if the plan computes with `u` instead of `x`: for
    /// the Chebyshev basis of an interval other than `[-1, 1]`. A compiler folds it into the layer
    /// before.
    #[must_use]
    pub fn input_map(&self) -> Option<(f64, f64)> {
        (self.basis == Basis::Chebyshev && self.interval != Interval::UNIT).then(|| {
            let scale = 1.0 / self.interval.radius();
            (scale, -self.interval.center() / self.interval.radius())
        })
    }
}

/// Whether the degree is a power of two from 2 up and the leading term comes with the product of its halves.
fn leads_free(polynomial: &Polynomial) -> bool {
    let degree = polynomial.degree();
    degree >= 2
        && degree.is_power_of_two()
        && polynomial.coefficients()[degree] == free_leading(polynomial.basis())
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Odd polynomials in least depth: products of the odd baby-step giant-step algorithm that relinearises each of them
    /// (Lee, Lee, No and Kim, IEEE Transactions on Dependable and Secure Computing 2022), for degrees 3, 5, .., 31.
    const PUBLISHED: [usize; 15] = [2, 3, 5, 5, 6, 7, 8, 8, 8, 9, 9, 10, 10, 11, 12];
    /// Coefficients of which no sum or difference vanishes by accident.
    fn generic(k: usize) -> f64 {
        1.0 + (k as f64 * 0.618_034).fract()
    }

    #[test]
    fn odd_polynomials_relinearise_no_more_than_published() {
        for (k, &published) in PUBLISHED.iter().enumerate() {
            let degree = 2 * k + 3;
            let odd = |j: usize| if j % 2 == 1 { generic(j) } else { 0.0 };
            let c: Vec<f64> = (0..=degree).map(odd).collect();
            let plan = PolynomialPlan::new(&Polynomial::chebyshev(Interval::UNIT, c).unwrap());
            let counts = plan.counts();
            assert!(counts.products <= published + 1, "{plan}");
            assert!(counts.relinearizations <= published, "{plan}");
            assert_eq!(plan.unit_depth(), depth_of_degree(degree));
        }
    }

    /// A term in `x` beside an even polynomial, and a constant beside an odd one, cost no product.
    #[test]
    fn linear_terms_beside_a_symmetric_polynomial_are_free() {
        for degree in 2..64usize {
            let symmetric = |extra: usize| {
                let keep = |j: usize| j % 2 == degree % 2 || j == extra;
                let c: Vec<f64> = (0..=degree)
                    .map(|j| if keep(j) { generic(j) } else { 0.0 })
                    .collect();
                PolynomialPlan::new(&Polynomial::chebyshev(Interval::UNIT, c).unwrap())
            };
            let (alone, with) = (symmetric(degree), symmetric(1 - degree % 2));
            assert_eq!(alone.counts().products, with.counts().products, "{degree}");
            assert_eq!(alone.unit_depth(), with.unit_depth());
        }
    }
}
