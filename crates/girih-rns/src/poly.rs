//! Polynomials of R_Q: one row of N residues per prime.

use std::marker::PhantomData;

use girih_ntt::Buf;
use zeroize::Zeroize;

use crate::par::{TILE, Work, for_each_limb, for_each_limb_pair, for_each_tile_pair};
use crate::{Coeff, Domain, Error, Ntt, Result, Ring};

/// Terms of one pass of an inner product: bounds the row references held at a time.
const TERMS: usize = 1024;

/// Words from which the output of a product is written past the caches: 16 MiB, half of the last cache of a core complex
/// with 32 MiB. Below, what follows finds the product in the cache.
const STREAMED: usize = 1 << 21;

/// A polynomial over the first [`limbs`](Poly::limbs) primes of Q, in the representation `D`.
///
/// All residues are canonical, in `[0, q_i)`. Operations take the [`Ring`] the polynomial was made
/// for; operands of one operation have the same number of limbs.
#[derive(Clone)]
pub struct Poly<D: Domain> {
    pub(crate) rows: Buf,
    n: usize,
    domain: PhantomData<D>,
}

impl<D: Domain> Poly<D> {
    /// The zero polynomial over the first `limbs` primes of Q.
    ///
    /// # Panics
    /// If the ring has fewer primes, or `limbs` is 0.
    #[must_use]
    pub fn zero(ring: &Ring, limbs: usize) -> Poly<D> {
        Poly::from_buf(ring, limbs, ring.pool().zeroed(limbs * ring.n()))
    }

    /// The zero polynomial in memory that is overwritten before it is reused.
    ///
    /// # Panics
    /// As [`Poly::zero`].
    #[must_use]
    pub fn secret(ring: &Ring, limbs: usize) -> Poly<D> {
        Poly::from_buf(ring, limbs, ring.pool().secret(limbs * ring.n()))
    }

    /// A polynomial of unspecified residues, to be overwritten.
    pub(crate) fn unfilled(ring: &Ring, limbs: usize) -> Poly<D> {
        Poly::from_buf(ring, limbs, ring.pool().unfilled(limbs * ring.n()))
    }

    fn from_buf(ring: &Ring, limbs: usize, rows: Buf) -> Poly<D> {
        assert!(
            (1..=ring.q_len()).contains(&limbs),
            "{limbs} limbs of a ring with {} primes",
            ring.q_len()
        );
        Poly {
            rows,
            n: ring.n(),
            domain: PhantomData,
        }
    }

    /// Fills every row by `f(i, row_i)`, which must write residues below the prime `i`.
    ///
    /// # Panics
    /// As [`Poly::zero`].
    #[must_use]
    pub fn from_fn(
        ring: &Ring,
        limbs: usize,
        f: impl Fn(usize, &mut [u64]) + Sync + Send,
    ) -> Poly<D> {
        let mut poly = Poly::unfilled(ring, limbs);
        for_each_limb(&mut poly.rows, ring.n(), Work::Heavy, f);
        poly
    }

    /// Two polynomials whose rows are filled together by `f(i, row_i, row'_i)`, which must overwrite both with
    /// residues below the prime `i`. For a few operations per word.
    ///
    /// # Panics
    /// As [`Poly::zero`].
    #[must_use]
    pub fn pair_from_fn(
        ring: &Ring,
        limbs: usize,
        f: impl Fn(usize, &mut [u64], &mut [u64]) + Sync + Send,
    ) -> [Poly<D>; 2] {
        let mut pair = [Poly::unfilled(ring, limbs), Poly::unfilled(ring, limbs)];
        let [a, b] = &mut pair;
        for_each_limb_pair(&mut a.rows, &mut b.rows, ring.n(), Work::Light, f);
        pair
    }

    /// Two polynomials whose rows are filled together, a group at a time: `f(i, rows, rows')` must overwrite the
    /// rows of primes `i ..` in both with residues below their primes. For tens of operations per word.
    ///
    /// # Panics
    /// As [`Poly::zero`].
    #[must_use]
    pub fn pair_from_tiles(
        ring: &Ring,
        limbs: usize,
        f: impl Fn(usize, &mut [u64], &mut [u64]) + Sync + Send,
    ) -> [Poly<D>; 2] {
        let mut pair = [Poly::unfilled(ring, limbs), Poly::unfilled(ring, limbs)];
        let [a, b] = &mut pair;
        for_each_tile_pair(&mut a.rows, &mut b.rows, ring.n(), TILE, f);
        pair
    }

    /// Number of primes.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.rows.len() / self.n
    }

    /// Degree N.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// The residues modulo prime `i`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> &[u64] {
        &self.rows[i * self.n..(i + 1) * self.n]
    }

    /// The residues modulo prime `i`; what is written must stay below the prime.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row_mut(&mut self, i: usize) -> &mut [u64] {
        &mut self.rows[i * self.n..(i + 1) * self.n]
    }

    /// All rows, one after the other.
    #[must_use]
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// All rows, one after the other; what is written must stay below the primes.
    #[must_use]
    pub fn rows_mut(&mut self) -> &mut [u64] {
        &mut self.rows
    }

    /// The same residues modulo the first `limbs` primes only (reduction modulo a smaller Q).
    ///
    /// # Panics
    /// If there are fewer rows, or `limbs` is 0.
    #[must_use]
    pub fn truncated(&self, limbs: usize, ring: &Ring) -> Poly<D> {
        Poly::from_buf(
            ring,
            limbs,
            ring.pool().copied(&self.rows[..limbs * self.n]),
        )
    }

    /// `self += rhs`.
    pub fn add_assign(&mut self, rhs: &Poly<D>, ring: &Ring) {
        self.zip_rows(rhs, ring, |ring, i, row, rhs| {
            let t = ring.table(i);
            t.kernels().add_assign(t.modulus(), row, rhs);
        });
    }

    /// `self -= rhs`.
    pub fn sub_assign(&mut self, rhs: &Poly<D>, ring: &Ring) {
        self.zip_rows(rhs, ring, |ring, i, row, rhs| {
            let t = ring.table(i);
            t.kernels().sub_assign(t.modulus(), row, rhs);
        });
    }

    /// `self = -self`.
    pub fn neg_assign(&mut self, ring: &Ring) {
        self.map_rows(ring, |ring, i, row| {
            let t = ring.table(i);
            t.kernels().neg_assign(t.modulus(), row);
        });
    }

    /// `self + rhs`.
    #[must_use]
    pub fn add(&self, rhs: &Poly<D>, ring: &Ring) -> Poly<D> {
        self.combine(rhs, ring, |ring, i, out, a, b| {
            let t = ring.table(i);
            t.kernels().add(t.modulus(), out, a, b);
        })
    }

    /// `self - rhs`.
    #[must_use]
    pub fn sub(&self, rhs: &Poly<D>, ring: &Ring) -> Poly<D> {
        self.combine(rhs, ring, |ring, i, out, a, b| {
            let t = ring.table(i);
            t.kernels().sub(t.modulus(), out, a, b);
        })
    }

    /// `self *= s` for an integer of any size, given by its residues: `scalar(i) = s mod q_i`.
    pub fn mul_scalar_assign(&mut self, scalar: impl Fn(usize) -> u64 + Sync + Send, ring: &Ring) {
        self.map_rows(ring, |ring, i, row| {
            let t = ring.table(i);
            let w = t.modulus().shoup(scalar(i));
            t.kernels().mul_scalar_assign(t.modulus(), row, w);
        });
    }

    pub(crate) fn map_rows(
        &mut self,
        ring: &Ring,
        f: impl Fn(&Ring, usize, &mut [u64]) + Sync + Send,
    ) {
        for_each_limb(&mut self.rows, self.n, Work::Light, |i, row| {
            f(ring, i, row);
        });
    }

    pub(crate) fn zip_rows(
        &mut self,
        rhs: &Poly<D>,
        ring: &Ring,
        f: impl Fn(&Ring, usize, &mut [u64], &[u64]) + Sync + Send,
    ) {
        assert_eq!(self.limbs(), rhs.limbs(), "operands have the same limbs");
        for_each_limb(&mut self.rows, self.n, Work::Light, |i, row| {
            f(ring, i, row, rhs.row(i));
        });
    }

    pub(crate) fn combine(
        &self,
        rhs: &Poly<D>,
        ring: &Ring,
        f: impl Fn(&Ring, usize, &mut [u64], &[u64], &[u64]) + Sync + Send,
    ) -> Poly<D> {
        assert_eq!(self.limbs(), rhs.limbs(), "operands have the same limbs");
        let mut out = Poly::unfilled(ring, self.limbs());
        for_each_limb(&mut out.rows, self.n, Work::Light, |i, row| {
            f(ring, i, row, self.row(i), rhs.row(i));
        });
        out
    }

    pub(crate) fn with_domain<E: Domain>(self) -> Poly<E> {
        Poly {
            rows: self.rows,
            n: self.n,
            domain: PhantomData,
        }
    }

    /// Checks that every residue is below its prime.
    ///
    /// # Errors
    /// [`Error::WireRange`] at the first that is not.
    pub fn check(&self, ring: &Ring) -> Result<()> {
        for i in 0..self.limbs() {
            check_row(i, self.row(i), ring.modulus(i).value())?;
        }
        Ok(())
    }
}

/// Checks that the residues of one row are below its prime.
pub(crate) fn check_row(row: usize, words: &[u64], prime: u64) -> Result<()> {
    match words.iter().position(|&w| w >= prime) {
        None => Ok(()),
        Some(index) => Err(Error::WireRange {
            row,
            index,
            value: words[index],
            prime,
        }),
    }
}

impl Poly<Coeff> {
    /// The polynomial with the given signed coefficients (missing ones are zero), without branches
    /// that depend on them.
    ///
    /// # Panics
    /// As [`Poly::zero`], and if there are more than N coefficients.
    #[must_use]
    pub fn from_i64(ring: &Ring, limbs: usize, coefficients: &[i64]) -> Poly<Coeff> {
        let mut poly = Poly::unfilled(ring, limbs);
        poly.fill_i64(ring, coefficients);
        poly
    }

    /// [`Poly::from_i64`] in memory that is overwritten before it is reused; for secrets and noise.
    ///
    /// # Panics
    /// As [`Poly::from_i64`].
    #[must_use]
    pub fn secret_from_i64(ring: &Ring, limbs: usize, coefficients: &[i64]) -> Poly<Coeff> {
        let mut poly = Poly::secret(ring, limbs);
        poly.fill_i64(ring, coefficients);
        poly
    }

    fn fill_i64(&mut self, ring: &Ring, coefficients: &[i64]) {
        assert!(coefficients.len() <= self.n, "at most N coefficients");
        for_each_limb(&mut self.rows, self.n, Work::Heavy, |i, row| {
            reduce_i64_row(row, coefficients, ring, i);
        });
    }

    /// The polynomial with the given signed coefficients (missing ones are zero).
    ///
    /// # Panics
    /// As [`Poly::from_i64`].
    #[must_use]
    pub fn from_i128(ring: &Ring, limbs: usize, coefficients: &[i128]) -> Poly<Coeff> {
        let mut poly = Poly::zero(ring, limbs);
        assert!(coefficients.len() <= poly.n, "at most N coefficients");
        for_each_limb(&mut poly.rows, poly.n, Work::Heavy, |i, row| {
            let q = ring.modulus(i);
            for (x, &c) in row.iter_mut().zip(coefficients) {
                let r = q.reduce_u128(c.unsigned_abs());
                *x = if c < 0 { q.neg(r) } else { r };
            }
        });
        poly
    }

    /// Evaluations of the polynomial. One forward transform per limb, in place.
    #[must_use]
    pub fn into_ntt(mut self, ring: &Ring) -> Poly<Ntt> {
        for_each_limb(&mut self.rows, self.n, Work::Heavy, |i, row| {
            ring.table(i).forward(row);
        });
        self.with_domain()
    }
}

/// `row[k] = coefficients[k] mod q`, without branches that depend on them.
pub(crate) fn reduce_i64_row(row: &mut [u64], coefficients: &[i64], ring: &Ring, index: usize) {
    let table = ring.table(index);
    let (head, tail) = row.split_at_mut(coefficients.len());
    table
        .kernels()
        .from_i64(table.modulus(), head, coefficients);
    tail.fill(0);
}

impl Poly<Ntt> {
    /// Coefficients of the polynomial. One inverse transform per limb, in place.
    #[must_use]
    pub fn into_coeff(mut self, ring: &Ring) -> Poly<Coeff> {
        for_each_limb(&mut self.rows, self.n, Work::Heavy, |i, row| {
            ring.table(i).inverse(row);
        });
        self.with_domain()
    }

    /// `self + s` for an integer, given by its residues: `scalar(i) = s mod q_i`.
    pub fn add_scalar_assign(&mut self, scalar: impl Fn(usize) -> u64 + Sync + Send, ring: &Ring) {
        self.map_rows(ring, |ring, i, row| {
            let q = ring.modulus(i);
            let s = scalar(i);
            for x in row {
                *x = q.add(*x, s);
            }
        });
    }

    /// `sum a_k b_k` in R_Q, with one reduction for every 1024 terms.
    ///
    /// # Panics
    /// If the operands differ in number or limbs, or there is none.
    #[must_use]
    pub fn inner_product(a: &[&Poly<Ntt>], b: &[&Poly<Ntt>], ring: &Ring) -> Poly<Ntt> {
        assert_eq!(a.len(), b.len(), "an inner product pairs its operands");
        let limbs = a.first().expect("an inner product has a term").limbs();
        let mut out = Poly::unfilled(ring, limbs);
        for_each_limb(&mut out.rows, ring.n(), Work::Light, |i, row| {
            let table = ring.table(i);
            let (kernels, q) = (table.kernels(), table.modulus());
            for (k, (a, b)) in a.chunks(TERMS).zip(b.chunks(TERMS)).enumerate() {
                let [a, b] = [a, b].map(|v| v.iter().map(|p| p.row(i)).collect::<Vec<&[u64]>>());
                if k == 0 {
                    kernels.inner_product(q, row, &a, &b, None);
                } else {
                    kernels.inner_product_acc(q, row, &a, &b, None);
                }
            }
        });
        out
    }

    /// `(sum p_k a_k, sum p_k b_k)` in R_Q: two inner products with the same left factors, each of which may belong to a
    /// [subring](Ring::subring).
    ///
    /// # Panics
    /// As [`Poly::inner_product`].
    #[must_use]
    pub fn inner_product_pair(
        p: &[&Poly<Ntt>],
        [a, b]: [&[&Poly<Ntt>]; 2],
        ring: &Ring,
    ) -> [Poly<Ntt>; 2] {
        assert!(
            p.len() == a.len() && p.len() == b.len(),
            "an inner product pairs its operands"
        );
        let limbs = p.first().expect("an inner product has a term").limbs();
        let streamed = 2 * limbs * ring.n() >= STREAMED;
        Poly::pair_from_fn(ring, limbs, |i, x, y| {
            let table = ring.table(i);
            let (kernels, q) = (table.kernels(), table.modulus());
            if let ([p], [a], [b]) = (p, a, b) {
                let (a, p) = ([a.row(i), b.row(i)], p.row(i));
                return match streamed {
                    true => kernels.mul_pair_streamed(q, [x, y], a, p),
                    false => kernels.mul_pair(q, [x, y], a, p),
                };
            }
            let terms = p.chunks(TERMS).zip(a.chunks(TERMS)).zip(b.chunks(TERMS));
            for (k, ((p, a), b)) in terms.enumerate() {
                let [p, a, b] =
                    [p, a, b].map(|v| v.iter().map(|p| p.row(i)).collect::<Vec<&[u64]>>());
                if k == 0 {
                    kernels.inner_product_pair(q, [&mut *x, &mut *y], &p, [&a, &b], None);
                } else {
                    kernels.inner_product_pair_acc(q, [&mut *x, &mut *y], &p, [&a, &b], None);
                }
            }
        })
    }

    /// The polynomial, of `ring` or a [subring](Ring::subring) of it, in `ring`: every evaluation `N/degree` times.
    ///
    /// # Panics
    /// If the degree does not divide N.
    #[must_use]
    pub fn embedded(self, ring: &Ring) -> Poly<Ntt> {
        if self.n == ring.n() {
            return self;
        }
        assert!(ring.n().is_multiple_of(self.n), "a polynomial of a subring");
        let run = ring.n() / self.n;
        let mut out = Poly::unfilled(ring, self.limbs());
        for_each_limb(&mut out.rows, ring.n(), Work::Light, |i, row| {
            for (run, &x) in row.chunks_exact_mut(run).zip(self.row(i)) {
                run.fill(x);
            }
        });
        out
    }

    /// `self · rhs` in R_Q.
    #[must_use]
    pub fn mul(&self, rhs: &Poly<Ntt>, ring: &Ring) -> Poly<Ntt> {
        self.combine(rhs, ring, |ring, i, out, a, b| {
            let t = ring.table(i);
            t.kernels().mul(t.modulus(), out, a, b);
        })
    }

    /// `self = self · rhs` in R_Q.
    pub fn mul_assign(&mut self, rhs: &Poly<Ntt>, ring: &Ring) {
        self.zip_rows(rhs, ring, |ring, i, row, rhs| {
            let t = ring.table(i);
            t.kernels().mul_assign(t.modulus(), row, rhs);
        });
    }

    /// `self += a · b` in R_Q.
    pub fn mul_acc_assign(&mut self, a: &Poly<Ntt>, b: &Poly<Ntt>, ring: &Ring) {
        assert_eq!(a.limbs(), b.limbs(), "operands have the same limbs");
        self.zip_rows(a, ring, |ring, i, row, a| {
            let t = ring.table(i);
            t.kernels().mul_acc(t.modulus(), row, a, b.row(i));
        });
    }
}

impl<D: Domain> Zeroize for Poly<D> {
    fn zeroize(&mut self) {
        self.rows[..].zeroize();
    }
}

impl<D: Domain> PartialEq for Poly<D> {
    /// Equality of residues; not in constant time.
    fn eq(&self, other: &Poly<D>) -> bool {
        self.n == other.n && self.rows[..] == other.rows[..]
    }
}

impl<D: Domain> Eq for Poly<D> {}

impl<D: Domain> std::fmt::Debug for Poly<D> {
    /// The shape only: a polynomial may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poly")
            .field("n", &self.n)
            .field("limbs", &self.limbs())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oracle;

    /// `a b` modulo `X^N + 1` and one prime, by the definition.
    fn schoolbook(a: &[u64], b: &[u64], q: u64) -> Vec<u64> {
        let n = a.len();
        let mut out = vec![0i128; n];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let product = i128::from((u128::from(x) * u128::from(y) % u128::from(q)) as u64);
                if i + j < n {
                    out[i + j] += product;
                } else {
                    out[i + j - n] -= product;
                }
            }
        }
        out.iter()
            .map(|x| x.rem_euclid(i128::from(q)) as u64)
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn products_are_negacyclic_and_sums_of_products_agree(seed: u64, limbs in 1usize..4, terms in 1usize..6) {
            let n = 32;
            let ring = Ring::try_new(n, &oracle::primes(n, 47, 3), &[]).expect("ring");
            let coeff = |k: usize| oracle::random_coeff(&ring, limbs, seed.wrapping_add(k as u64));
            let (a, b) = (coeff(0), coeff(1));
            let product = a.clone().into_ntt(&ring).mul(&b.clone().into_ntt(&ring), &ring);
            for i in 0..limbs {
                let expected = schoolbook(a.row(i), b.row(i), ring.modulus(i).value());
                let got = product.clone().into_coeff(&ring);
                prop_assert_eq!(got.row(i), &expected[..]);
            }
            let polys: Vec<Poly<Ntt>> = (0..3 * terms).map(|k| coeff(k).into_ntt(&ring)).collect();
            let all: Vec<&Poly<Ntt>> = polys.iter().collect();
            let (p, rest) = all.split_at(terms);
            let (x, y) = rest.split_at(terms);
            let sum = |v: &[&Poly<Ntt>]| {
                let mut sum = Poly::zero(&ring, limbs);
                p.iter().zip(v).for_each(|(p, v)| sum.mul_acc_assign(p, v, &ring));
                sum
            };
            prop_assert_eq!(&Poly::inner_product(p, x, &ring), &sum(x));
            prop_assert_eq!(Poly::inner_product_pair(p, [x, y], &ring), [sum(x), sum(y)]);
        }

        #[test]
        fn subrings_hold_the_polynomials_in_powers_of_x(seed: u64, log in 3u32..=6, terms in 1usize..4) {
            let (n, degree, limbs) = (64, 1usize << log, 3);
            let ring = Ring::try_new(n, &oracle::primes(n, 47, 3), &[]).expect("ring");
            let subring = ring.subring(degree).expect("a degree");
            let coeff = |ring: &Ring, k: usize| oracle::random_coeff(ring, limbs, seed.wrapping_add(k as u64));
            let short: Vec<Poly<Coeff>> = (0..terms).map(|k| coeff(&subring, k)).collect();
            let long: Vec<Poly<Ntt>> = short
                .iter()
                .map(|p| {
                    let spread = |i: usize, row: &mut [u64]| {
                        row.fill(0);
                        row.iter_mut().step_by(n / degree).zip(p.row(i)).for_each(|(x, &c)| *x = c);
                    };
                    Poly::<Coeff>::from_fn(&ring, limbs, spread).into_ntt(&ring)
                })
                .collect();
            let short: Vec<Poly<Ntt>> = short.into_iter().map(|p| p.into_ntt(&subring)).collect();
            for (short, long) in short.iter().zip(&long) {
                prop_assert_eq!(&short.clone().embedded(&ring), long);
            }
            let polys: Vec<Poly<Ntt>> = (0..2 * terms).map(|k| coeff(&ring, 50 + k).into_ntt(&ring)).collect();
            let all: Vec<&Poly<Ntt>> = polys.iter().collect();
            let (x, y) = all.split_at(terms);
            let [short, long] = [&short, &long].map(|v| v.iter().collect::<Vec<_>>());
            prop_assert_eq!(
                Poly::inner_product_pair(&short, [x, y], &ring),
                Poly::inner_product_pair(&long, [x, y], &ring)
            );
        }

        #[test]
        fn sums_and_signed_coefficients_are_those_of_integers(
            a in prop::collection::vec(any::<i64>(), 16),
            b in prop::collection::vec(any::<i64>(), 16),
        ) {
            let n = 16;
            let ring = Ring::try_new(n, &oracle::primes(n, 45, 3), &[]).expect("ring");
            let narrow = |v: &[i64]| Poly::<Coeff>::from_i64(&ring, 3, v);
            let wide = |f: &dyn Fn(i128, i128) -> i128| {
                let v: Vec<i128> = a.iter().zip(&b).map(|(&x, &y)| f(i128::from(x), i128::from(y))).collect();
                Poly::<Coeff>::from_i128(&ring, 3, &v)
            };
            let (x, y) = (narrow(&a), narrow(&b));
            prop_assert_eq!(&x, &wide(&|x, _| x));
            prop_assert_eq!(x.add(&y, &ring), wide(&|x, y| x + y));
            prop_assert_eq!(x.sub(&y, &ring), wide(&|x, y| x - y));
            let mut negative = x.clone();
            negative.neg_assign(&ring);
            prop_assert_eq!(negative, wide(&|x, _| -x));
            let mut scaled = y.clone();
            scaled.mul_scalar_assign(|i| 12_345 % ring.modulus(i).value(), &ring);
            prop_assert_eq!(scaled, wide(&|_, y| 12_345 * y));
            let mut shifted = x.clone().into_ntt(&ring);
            shifted.add_scalar_assign(|_| 77, &ring);
            let mut expected = wide(&|x, _| x);
            for i in 0..3 {
                let q = *ring.modulus(i);
                expected.row_mut(i)[0] = q.add(expected.row(i)[0], 77);
            }
            prop_assert_eq!(shifted.into_coeff(&ring), expected);
        }
    }

    #[test]
    fn secrets_are_wiped_and_never_printed() {
        let n = 16;
        let ring = Ring::try_new(n, &oracle::primes(n, 45, 2), &[]).expect("ring");
        let mut secret = Poly::<Coeff>::secret_from_i64(&ring, 2, &[1, -1, 1]);
        assert_eq!(format!("{secret:?}"), "Poly { n: 16, limbs: 2 }");
        secret.zeroize();
        assert_eq!(secret, Poly::zero(&ring, 2));
        let another = Poly::<Coeff>::secret_from_i64(&ring, 2, &[1; 16]);
        drop(another);
        let reused = Poly::<Coeff>::unfilled(&ring, 2);
        assert!(reused.rows().iter().all(|&w| w == 0));
    }
}
