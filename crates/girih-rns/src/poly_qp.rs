//! Polynomials of R_QP: rows over some primes of Q and all primes of P.

use std::marker::PhantomData;
use std::ops::Range;

use girih_ntt::Buf;
use zeroize::Zeroize;

use crate::par::{self, Work, for_each_limb};
use crate::poly::{check_row, reduce_i64_row};
use crate::{Coeff, Domain, Ntt, Poly, Result, Ring};

/// A polynomial over the first [`limbs`](PolyQp::limbs) primes of Q and all K primes of P.
///
/// Rows `0..limbs` belong to Q, rows `limbs..limbs + K` to P. Residues are canonical.
#[derive(Clone)]
pub struct PolyQp<D: Domain> {
    pub(crate) rows: Buf,
    n: usize,
    limbs: usize,
    domain: PhantomData<D>,
}

impl<D: Domain> PolyQp<D> {
    /// The zero polynomial over the first `limbs` primes of Q and all of P.
    ///
    /// # Panics
    /// If Q has fewer primes, or `limbs` is 0.
    #[must_use]
    pub fn zero(ring: &Ring, limbs: usize) -> PolyQp<D> {
        let words = (limbs + ring.p_len()) * ring.n();
        PolyQp::from_buf(ring, limbs, ring.pool().zeroed(words))
    }

    /// The zero polynomial in memory that is overwritten before it is reused.
    ///
    /// # Panics
    /// As [`PolyQp::zero`].
    #[must_use]
    pub fn secret(ring: &Ring, limbs: usize) -> PolyQp<D> {
        let words = (limbs + ring.p_len()) * ring.n();
        PolyQp::from_buf(ring, limbs, ring.pool().secret(words))
    }

    pub(crate) fn unfilled(ring: &Ring, limbs: usize) -> PolyQp<D> {
        let words = (limbs + ring.p_len()) * ring.n();
        PolyQp::from_buf(ring, limbs, ring.pool().unfilled(words))
    }

    fn from_buf(ring: &Ring, limbs: usize, rows: Buf) -> PolyQp<D> {
        assert!(
            (1..=ring.q_len()).contains(&limbs),
            "{limbs} limbs of a ring with {} primes",
            ring.q_len()
        );
        PolyQp {
            rows,
            n: ring.n(),
            limbs,
            domain: PhantomData,
        }
    }

    /// Fills every row by `f(index, row)`, with the prime index of the ring (`0..L` in Q, `L..` in P).
    ///
    /// # Panics
    /// As [`PolyQp::zero`].
    #[must_use]
    pub fn from_fn(
        ring: &Ring,
        limbs: usize,
        f: impl Fn(usize, &mut [u64]) + Sync + Send,
    ) -> PolyQp<D> {
        let mut poly = PolyQp::unfilled(ring, limbs);
        for_each_limb(&mut poly.rows, ring.n(), Work::Heavy, |r, row| {
            f(ring.qp_index(limbs, r), row);
        });
        poly
    }

    /// `count` polynomials whose rows of one prime are filled together: `f(index, rows)` gets the row of prime
    /// `index` of every polynomial, in order; otherwise as [`PolyQp::from_fn`].
    ///
    /// # Panics
    /// As [`PolyQp::zero`].
    #[must_use]
    pub fn many_from_fn(
        ring: &Ring,
        limbs: usize,
        count: usize,
        f: impl Fn(usize, &mut [&mut [u64]]) + Sync + Send,
    ) -> Vec<PolyQp<D>> {
        let n = ring.n();
        let mut all: Vec<_> = (0..count).map(|_| PolyQp::unfilled(ring, limbs)).collect();
        let mut left: Vec<_> = all.iter_mut().map(|p| p.rows.chunks_exact_mut(n)).collect();
        let of_primes = (0..limbs + ring.p_len())
            .map(|r| (r, left.iter_mut().filter_map(Iterator::next).collect()))
            .collect();
        par::map(of_primes, |(r, mut rows): (usize, Vec<&mut [u64]>)| {
            f(ring.qp_index(limbs, r), &mut rows);
        });
        all
    }

    /// Number of primes of Q.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.limbs
    }

    /// Degree N.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of rows: primes of Q and of P together.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.rows.len() / self.n
    }

    /// Row `r`: prime `r` of Q, or prime `r - limbs` of P.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, r: usize) -> &[u64] {
        &self.rows[r * self.n..(r + 1) * self.n]
    }

    /// Row `r`, to be overwritten by residues below its prime.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row_mut(&mut self, r: usize) -> &mut [u64] {
        &mut self.rows[r * self.n..(r + 1) * self.n]
    }

    /// The row of row `r` of a polynomial over fewer limbs of Q and all of P.
    pub(crate) fn row_for(&self, limbs: usize, r: usize) -> &[u64] {
        if r < limbs {
            self.row(r)
        } else {
            self.row(self.limbs + r - limbs)
        }
    }

    /// All rows, those of Q first.
    #[must_use]
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// The rows over Q as a polynomial of R_Q.
    #[must_use]
    pub fn q_part(&self, ring: &Ring) -> Poly<D> {
        let mut out = Poly::unfilled(ring, self.limbs);
        out.rows_mut()
            .copy_from_slice(&self.rows[..self.limbs * self.n]);
        out
    }

    /// The same residues over fewer primes of Q and all of P.
    ///
    /// # Panics
    /// If there are fewer limbs, or `limbs` is 0.
    #[must_use]
    pub fn truncated(&self, limbs: usize, ring: &Ring) -> PolyQp<D> {
        assert!(
            limbs <= self.limbs,
            "truncation keeps at most the limbs there are"
        );
        let mut out = PolyQp::unfilled(ring, limbs);
        let (q, p) = out.rows.split_at_mut(limbs * self.n);
        q.copy_from_slice(&self.rows[..limbs * self.n]);
        p.copy_from_slice(&self.rows[self.limbs * self.n..]);
        out
    }

    /// `self += rhs`.
    ///
    /// # Panics
    /// If the operands differ in limbs.
    pub fn add_assign(&mut self, rhs: &PolyQp<D>, ring: &Ring) {
        self.zip_rows(rhs, ring, |t, row, rhs| {
            t.kernels().add_assign(t.modulus(), row, rhs);
        });
    }

    /// `self -= rhs`.
    ///
    /// # Panics
    /// If the operands differ in limbs.
    pub fn sub_assign(&mut self, rhs: &PolyQp<D>, ring: &Ring) {
        self.zip_rows(rhs, ring, |t, row, rhs| {
            t.kernels().sub_assign(t.modulus(), row, rhs);
        });
    }

    pub(crate) fn zip_rows(
        &mut self,
        rhs: &PolyQp<D>,
        ring: &Ring,
        f: impl Fn(&girih_ntt::NttTable, &mut [u64], &[u64]) + Sync + Send,
    ) {
        assert_eq!(self.limbs, rhs.limbs, "operands have the same limbs");
        let limbs = self.limbs;
        for_each_limb(&mut self.rows, self.n, Work::Light, |r, row| {
            f(ring.table(ring.qp_index(limbs, r)), row, rhs.row(r));
        });
    }

    pub(crate) fn with_domain<E: Domain>(self) -> PolyQp<E> {
        PolyQp {
            rows: self.rows,
            n: self.n,
            limbs: self.limbs,
            domain: PhantomData,
        }
    }

    /// Checks that every residue is below its prime.
    ///
    /// # Errors
    /// [`crate::Error::WireRange`] at the first that is not.
    pub fn check(&self, ring: &Ring) -> Result<()> {
        for r in 0..self.row_count() {
            check_row(
                r,
                self.row(r),
                ring.modulus(ring.qp_index(self.limbs, r)).value(),
            )?;
        }
        Ok(())
    }
}

impl PolyQp<Coeff> {
    /// The polynomial with the given signed coefficients (missing ones are zero) in memory that is
    /// overwritten before it is reused, without branches that depend on them; for secrets and noise.
    ///
    /// # Panics
    /// As [`PolyQp::zero`], and if there are more than N coefficients.
    #[must_use]
    pub fn secret_from_i64(ring: &Ring, limbs: usize, coefficients: &[i64]) -> PolyQp<Coeff> {
        let mut poly = PolyQp::secret(ring, limbs);
        assert!(coefficients.len() <= poly.n, "at most N coefficients");
        for_each_limb(&mut poly.rows, poly.n, Work::Heavy, |r, row| {
            reduce_i64_row(row, coefficients, ring, ring.qp_index(limbs, r));
        });
        poly
    }

    /// Evaluations of the polynomial. One forward transform per row, in place.
    #[must_use]
    pub fn into_ntt(mut self, ring: &Ring) -> PolyQp<Ntt> {
        let limbs = self.limbs;
        for_each_limb(&mut self.rows, self.n, Work::Heavy, |r, row| {
            ring.table(ring.qp_index(limbs, r)).forward(row);
        });
        self.with_domain()
    }
}

impl PolyQp<Ntt> {
    /// Coefficients of the polynomial. One inverse transform per row, in place.
    #[must_use]
    pub fn into_coeff(mut self, ring: &Ring) -> PolyQp<Coeff> {
        let limbs = self.limbs;
        for_each_limb(&mut self.rows, self.n, Work::Heavy, |r, row| {
            ring.table(ring.qp_index(limbs, r)).inverse(row);
        });
        self.with_domain()
    }

    /// `self = self · rhs` in R_QP.
    ///
    /// # Panics
    /// If the operands differ in limbs.
    pub fn mul_assign(&mut self, rhs: &PolyQp<Ntt>, ring: &Ring) {
        self.zip_rows(rhs, ring, |t, row, rhs| {
            t.kernels().mul_assign(t.modulus(), row, rhs);
        });
    }

    /// `self += P · rhs`: nothing is added to the rows of P.
    ///
    /// # Panics
    /// If `rhs` has other limbs.
    pub fn add_p_times_assign(&mut self, rhs: &Poly<Ntt>, ring: &Ring) {
        assert_eq!(self.limbs, rhs.limbs(), "operands have the same limbs");
        self.add_p_times(0..self.limbs, |i| rhs.row(i), ring);
    }

    /// `self += P · g · rhs`, where `g` is 1 modulo the primes `range` of Q and 0 modulo the others:
    /// one row of a gadget vector.
    ///
    /// # Panics
    /// If `rhs` has fewer limbs than the range needs, or the range exceeds the limbs.
    pub fn add_p_times_range_assign(
        &mut self,
        rhs: &PolyQp<Ntt>,
        range: Range<usize>,
        ring: &Ring,
    ) {
        assert!(
            range.end <= self.limbs && range.end <= rhs.limbs,
            "the range is within the limbs"
        );
        self.add_p_times(range, |i| rhs.row(i), ring);
    }

    fn add_p_times<'a>(
        &mut self,
        range: Range<usize>,
        rhs: impl Fn(usize) -> &'a [u64] + Sync + Send,
        ring: &Ring,
    ) {
        let (n, start) = (self.n, range.start);
        let rows = &mut self.rows[range.start * n..range.end * n];
        for_each_limb(rows, n, Work::Light, |i, row| {
            let table = ring.table(start + i);
            let p = ring.special_product(start + i);
            table
                .kernels()
                .mul_scalar_acc(table.modulus(), row, rhs(start + i), p);
        });
    }
}

impl<D: Domain> Zeroize for PolyQp<D> {
    fn zeroize(&mut self) {
        self.rows[..].zeroize();
    }
}

impl<D: Domain> PartialEq for PolyQp<D> {
    /// Equality of residues; not in constant time.
    fn eq(&self, other: &PolyQp<D>) -> bool {
        self.n == other.n && self.limbs == other.limbs && self.rows[..] == other.rows[..]
    }
}

impl<D: Domain> Eq for PolyQp<D> {}

impl<D: Domain> std::fmt::Debug for PolyQp<D> {
    /// The shape only: a polynomial may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolyQp")
            .field("n", &self.n)
            .field("limbs", &self.limbs)
            .field("rows", &self.row_count())
            .finish()
    }
}
