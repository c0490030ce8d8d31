//! Polynomials that are computed row by row where they are needed.

use crate::par::{Work, for_each_limb};
use crate::{Ntt, Poly, Ring};

/// A polynomial in evaluations that need not exist in memory: a row of it is computed by whoever wants it, while its
/// operands are at hand.
#[derive(Clone, Debug)]
pub enum Lazy<'a> {
    /// A polynomial that exists.
    Poly(&'a Poly<Ntt>),
    /// `sum_k x_k y_k`: one multiply-add per term and coefficient, one reduction per coefficient.
    Products(Vec<(&'a Poly<Ntt>, &'a Poly<Ntt>)>),
}

impl<'a> From<&'a Poly<Ntt>> for Lazy<'a> {
    fn from(poly: &'a Poly<Ntt>) -> Lazy<'a> {
        Lazy::Poly(poly)
    }
}

impl Lazy<'_> {
    /// The number of primes of Q.
    ///
    /// # Panics
    /// If a sum has no term, or its operands differ in limbs.
    #[must_use]
    pub fn limbs(&self) -> usize {
        match self {
            Lazy::Poly(poly) => poly.limbs(),
            Lazy::Products(terms) => {
                let limbs = terms.first().expect("a sum has terms").0.limbs();
                assert!(
                    terms
                        .iter()
                        .all(|(x, y)| x.limbs() == limbs && y.limbs() == limbs),
                    "operands have the same limbs"
                );
                limbs
            }
        }
    }

    /// The polynomial in memory.
    ///
    /// # Panics
    /// As [`Lazy::limbs`].
    #[must_use]
    pub fn to_poly(&self, ring: &Ring) -> Poly<Ntt> {
        let mut out = Poly::unfilled(ring, self.limbs());
        for_each_limb(out.rows_mut(), ring.n(), Work::Light, |r, row| {
            self.fill(ring, r, 0, row);
        });
        out
    }

    /// Row `r`, if it exists in memory.
    pub(crate) fn stored(&self, r: usize) -> Option<&[u64]> {
        match self {
            Lazy::Poly(poly) => Some(poly.row(r)),
            Lazy::Products(_) => None,
        }
    }

    /// Columns `start ..` of row `r`.
    pub(crate) fn fill(&self, ring: &Ring, r: usize, start: usize, out: &mut [u64]) {
        let columns = start..start + out.len();
        match self {
            Lazy::Poly(poly) => out.copy_from_slice(&poly.row(r)[columns]),
            Lazy::Products(terms) => {
                let table = ring.table(r);
                let [x, y]: [Vec<&[u64]>; 2] = [
                    terms.iter().map(|t| &t.0.row(r)[columns.clone()]).collect(),
                    terms.iter().map(|t| &t.1.row(r)[columns.clone()]).collect(),
                ];
                table
                    .kernels()
                    .inner_product(table.modulus(), out, &x, &y, None);
            }
        }
    }
}
