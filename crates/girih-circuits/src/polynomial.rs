//! Polynomials of a ciphertext in optimal depth: Paterson-Stockmeyer with baby and giant steps.
//!
//! `p = q · T_g + r` with `g` the largest power of two up to the degree splits a polynomial into two
//! of half the degree (Paterson and Stockmeyer 1973; in the Chebyshev basis, Chen, Chillotti and Song,
//! EUROCRYPT 2019). The quotient has one level less than `p`, the remainder as many as `p`. A part of
//! degree at most `m` is a leaf, `Σ cₖ Tₖ`, if its levels allow: the product with a coefficient takes
//! one. So the depth is `⌈log₂(degree + 1)⌉`, and the number of products is about
//! `m + degree / m + log₂ degree`. `m` is chosen by counting.
//!
//! Every sum `constant + Σ cₖ Tₖ + Σ q · T_g` is one [`dot_affine`](Evaluator::dot_affine): one relinearisation,
//! one rescaling, and linear terms that are lowered for free (their coefficients are encoded at exactly the scale
//! at which all terms meet). The page `docs/polynomials.md` has the counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use girih_he::{Auto, Evaluator, Level, Leveled};
use girih_polyfit::{Basis, Interval, Polynomial};

use crate::Result;

mod chain;
mod split;

pub(crate) use chain::Chain;
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
    /// The sums have operands of different states: run it on [`Auto`], or record it and
    /// let the passes that assign levels place rescalings and level changes.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn evaluate_unit<E: Evaluator>(
        &self,
        eval: &E,
        u: &E::Ciphertext,
    ) -> Result<E::Ciphertext> {
        let powers = self.chain.evaluate(eval, u)?;
        self.sum(eval, &self.root, &powers, self.unit_depth(), &|joint, _| {
            Ok(eval.dot_affine(&joint.products, &joint.linear, joint.constant)?)
        })
    }

    /// [`evaluate_unit`](Self::evaluate_unit), every part at the level at which it is needed: leaves are lowered
    /// for free, so that none is rescaled twice. What the compiler's passes do for a recorded program.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn evaluate_unit_leveled<E: Leveled>(
        &self,
        eval: &Auto<E>,
        u: &E::Ciphertext,
    ) -> Result<E::Ciphertext> {
        let (top, depth) = (usize::from(eval.remaining(u)), self.unit_depth());
        if top < depth {
            return Err(girih_he::Error::LevelExhausted {
                op: "polynomial",
                needed: u8::try_from(depth).unwrap_or(u8::MAX),
                left: eval.remaining(u),
            }
            .into());
        }
        let powers = self.chain.evaluate(eval, u)?;
        self.sum(eval, &self.root, &powers, depth, &|joint, depth| {
            let level = Level(u8::try_from(top - depth).unwrap_or(0));
            Ok(eval.dot_affine_rescaled(&joint.products, &joint.linear, joint.constant, level)?)
        })
    }

    /// `constant + Σ cₖ Tₖ + Σ q · T_g`, `depth` levels below the input.
    fn sum<E: Evaluator>(
        &self,
        eval: &E,
        sum: &Sum,
        powers: &BTreeMap<usize, E::Ciphertext>,
        depth: usize,
        join: &impl Fn(Joint<'_, E::Ciphertext>, usize) -> Result<E::Ciphertext>,
    ) -> Result<E::Ciphertext> {
        let quotients = sum
            .products
            .iter()
            .map(|(q, _)| self.sum(eval, q, powers, depth - 1, join))
            .collect::<Result<Vec<_>>>()?;
        let (scaled, plain) = sum.linear_terms();
        let mut joint = Joint {
            products: quotients
                .iter()
                .zip(&sum.products)
                .map(|(q, (_, g))| (q, &powers[g]))
                .collect(),
            linear: scaled.iter().map(|(k, c)| (&powers[k], *c)).collect(),
            constant: sum.constant,
        };
        if joint.products.is_empty() && joint.linear.is_empty() && plain.is_empty() {
            // A constant: there is nothing encrypted to start from but the input.
            joint.linear.push((&powers[&1], 0.0));
        }
        let mut total = if joint.products.is_empty() && joint.linear.is_empty() {
            None
        } else {
            Some(join(joint, depth)?)
        };
        let alone = total.is_none();
        for k in plain {
            total = Some(plus(eval, total, powers[&k].clone())?);
        }
        match total {
            Some(total) if alone && sum.constant != 0.0 => {
                Ok(eval.add_scalar(&total, sum.constant)?)
            }
            Some(total) => Ok(total),
            None => Err(girih_he::Error::EmptySum { op: "polynomial" }.into()),
        }
    }
}

/// A sum of products and scaled terms.
struct Joint<'a, C> {
    products: Vec<(&'a C, &'a C)>,
    linear: Vec<(&'a C, f64)>,
    constant: f64,
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
