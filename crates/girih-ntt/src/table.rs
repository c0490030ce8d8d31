//! The negacyclic transform of one length modulo one prime.

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::isa::Isa;
use crate::kernels::{Kernels, Plan, Roots};
use crate::modulus::Modulus;
use crate::permutation::Permutation;
use crate::pool::Pool;

/// The smallest supported length is 2^3 (for tests; schemes start at 2^10).
pub const MIN_LOG_N: u32 = 3;
/// The largest supported length is 2^17.
pub const MAX_LOG_N: u32 = 17;

/// Twiddle factors of `Z_q[X]/(X^n + 1)`: maps coefficients to values at the odd powers of a
/// primitive 2n-th root of unity `psi`, and back.
///
/// Output order and values are the same on every instruction set: position `i` holds
/// `a(psi^(2 brv(i) + 1))` with `brv` the reversal of `log2 n` bits. One forward transform costs
/// `n/2 log2 n` butterflies of three 52-bit multiply-adds.
pub struct NttTable {
    q: Modulus,
    psi: u64,
    kernels: &'static Kernels,
    plan: Plan,
    exponents: OnceLock<Box<[u32]>>,
    /// Runs the transforms instead of the plan.
    #[cfg(feature = "concrete")]
    concrete: Option<crate::concrete::Concrete>,
}

impl NttTable {
    /// The table of length `n` modulo `q` for the fastest instruction set.
    ///
    /// # Errors
    /// [`Error::Length`] unless `n` is a power of two in `2^3..=2^17`; [`Error::ModulusRange`] and
    /// [`Error::NotPrime`] from [`Modulus::try_new`]; [`Error::NoRoot`] unless `q = 1 (mod 2n)`.
    pub fn try_new(n: usize, q: u64) -> Result<NttTable> {
        NttTable::try_new_with(n, q, Isa::best())
    }

    /// The table of length `n` modulo `q` for a chosen instruction set.
    ///
    /// # Errors
    /// As [`NttTable::try_new`], and [`Error::IsaUnavailable`].
    pub fn try_new_with(n: usize, q: u64, isa: Isa) -> Result<NttTable> {
        NttTable::try_new_in(n, q, isa, &Pool::new())
    }

    /// As [`NttTable::try_new_with`], with the twiddle factors in the memory of `pool`: tables that share a pool share
    /// its huge pages.
    ///
    /// # Errors
    /// As [`NttTable::try_new_with`].
    pub fn try_new_in(n: usize, q: u64, isa: Isa, pool: &Pool) -> Result<NttTable> {
        if !n.is_power_of_two() || !(MIN_LOG_N..=MAX_LOG_N).contains(&n.ilog2()) {
            return Err(Error::Length {
                n,
                min_log: MIN_LOG_N,
                max_log: MAX_LOG_N,
            });
        }
        if !isa.is_available() {
            return Err(Error::IsaUnavailable { isa });
        }
        let q = Modulus::try_new(q)?;
        let psi = primitive_root(n, &q)?;
        Ok(NttTable::with_root(n, q, psi, isa, pool))
    }

    /// The table of length `n` modulo `q` whose transforms concrete-ntt runs; order, values and row
    /// kernels are those of [`NttTable::try_new`]. Feature `concrete`.
    ///
    /// # Errors
    /// As [`NttTable::try_new`], and [`Error::Concrete`] where concrete-ntt has no plan (below n = 16).
    #[cfg(feature = "concrete")]
    pub fn try_new_concrete(n: usize, q: u64) -> Result<NttTable> {
        let mut table = NttTable::try_new(n, q)?;
        let backend = crate::concrete::Concrete::new(n, &table.q, table.psi, table.exponents());
        table.concrete = Some(backend.ok_or(Error::Concrete { n, q })?);
        Ok(table)
    }

    /// The table of length `n / 2^s` whose root is a power of this one's, so that the transforms of a polynomial `a(X)` by it
    /// and of `a(X^(2^s))` by this table have the same values, here in runs of `2^s` equal words.
    ///
    /// Position `i` of the longer row holds `a` at `psi^(2^s (2 brv(i) + 1))`, which the first `log2 n - s` bits of `i` decide.
    ///
    /// # Errors
    /// [`Error::Length`] unless `len` is a power of two in `2^3..=n`.
    pub fn decimated(&self, len: usize, pool: &Pool) -> Result<NttTable> {
        let n = self.n();
        if !len.is_power_of_two() || !(1 << MIN_LOG_N..=n).contains(&len) {
            return Err(Error::Length {
                n: len,
                min_log: MIN_LOG_N,
                max_log: n.ilog2(),
            });
        }
        let psi = self.q.pow(self.psi, (n / len) as u64);
        Ok(NttTable::with_root(
            len,
            self.q,
            psi,
            self.kernels.isa(),
            pool,
        ))
    }

    fn with_root(n: usize, q: Modulus, psi: u64, isa: Isa, pool: &Pool) -> NttTable {
        let kernels = Kernels::select(isa, &q, n);
        let plan = kernels.plan(&Roots::new(n, &q, psi, pool));
        NttTable {
            q,
            psi,
            kernels,
            plan,
            exponents: OnceLock::new(),
            #[cfg(feature = "concrete")]
            concrete: None,
        }
    }

    /// `row[i] <- a(psi^exponents()[i]) mod q` for the polynomial with coefficients `row`.
    ///
    /// In: words below `4q`, reduced or not. Out: canonical residues in `[0, q)`.
    ///
    /// # Panics
    /// If `row.len()` is not `n`.
    pub fn forward(&self, row: &mut [u64]) {
        self.forward_many(&mut [row]);
    }

    /// [`NttTable::forward`] of every row. One reading of the twiddle factors serves all of them,
    /// block by block, which is what counts when the table comes from memory.
    ///
    /// # Panics
    /// If a row does not have `n` words.
    pub fn forward_many(&self, rows: &mut [&mut [u64]]) {
        #[cfg(feature = "concrete")]
        if let Some(concrete) = &self.concrete {
            for row in rows {
                assert_eq!(row.len(), self.n(), "a row has n words");
                concrete.forward(&self.q, row);
            }
            return;
        }
        self.kernels.ntt_forward(&self.plan, rows);
    }

    /// [`NttTable::forward_many`] without its last reductions: the residues of the words that it leaves, all
    /// below 2^52, are the canonical ones. Which words those are depends on the instruction set. For rows that
    /// are multiplied and reduced next.
    ///
    /// # Panics
    /// If a row does not have `n` words.
    pub fn forward_lazy_many(&self, rows: &mut [&mut [u64]]) {
        #[cfg(feature = "concrete")]
        if self.concrete.is_some() {
            return self.forward_many(rows);
        }
        self.kernels.ntt_forward_lazy(&self.plan, rows);
    }

    /// The inverse of [`NttTable::forward`], normalised. In and out: canonical residues in `[0, q)`.
    ///
    /// # Panics
    /// If `row.len()` is not `n`.
    pub fn inverse(&self, row: &mut [u64]) {
        self.inverse_many(&mut [row]);
    }

    /// [`NttTable::inverse`] of every row; see [`NttTable::forward_many`].
    ///
    /// # Panics
    /// If a row does not have `n` words.
    pub fn inverse_many(&self, rows: &mut [&mut [u64]]) {
        #[cfg(feature = "concrete")]
        if self.concrete.is_some() {
            return self.inverse_scaled_many(rows, 1);
        }
        self.kernels.ntt_inverse(&self.plan, rows);
    }

    /// The inverse times `factor` modulo q, at the cost of the inverse alone: the factor joins the
    /// normalisation. In and out: canonical residues in `[0, q)`.
    ///
    /// # Panics
    /// If `row.len()` is not `n`.
    pub fn inverse_scaled(&self, row: &mut [u64], factor: u64) {
        self.inverse_scaled_many(&mut [row], factor);
    }

    /// [`NttTable::inverse_scaled`] of every row; see [`NttTable::forward_many`].
    ///
    /// # Panics
    /// If a row does not have `n` words.
    pub fn inverse_scaled_many(&self, rows: &mut [&mut [u64]], factor: u64) {
        let factor = self.q.reduce(factor);
        #[cfg(feature = "concrete")]
        if let Some(concrete) = &self.concrete {
            for row in rows {
                assert_eq!(row.len(), self.n(), "a row has n words");
                concrete.inverse(&self.q, row, factor);
            }
            return;
        }
        self.kernels.ntt_inverse_scaled(&self.plan, rows, factor);
    }

    /// `exponents()[i]` is the odd `e < 2n` with `row[i] = a(psi^e)` after [`NttTable::forward`].
    ///
    /// Computed at the first call.
    pub fn exponents(&self) -> &[u32] {
        self.exponents.get_or_init(|| {
            let n = self.n();
            (0..n).map(|i| 2 * bit_reverse(i, n) as u32 + 1).collect()
        })
    }

    /// The map `X -> X^g` on transformed rows: `out[i] = in[j]` with
    /// `exponents[j] = g exponents[i] mod 2n`. `g` is taken modulo `2n`.
    ///
    /// # Errors
    /// [`Error::EvenGaloisElement`] if `g` is even.
    pub fn automorphism(&self, g: u64) -> Result<Permutation> {
        if g.is_multiple_of(2) {
            return Err(Error::EvenGaloisElement { g });
        }
        let n = self.n();
        let order = 2 * n as u64;
        let g = g % order;
        let index = self
            .exponents()
            .iter()
            .map(|e| {
                let image = g * u64::from(*e) % order;
                bit_reverse((image as usize - 1) / 2, n) as u32
            })
            .collect();
        Permutation::try_new(index)
    }

    /// The transform of the monomial `X^k`, `k` modulo `2n` (so `X^(n + k) = -X^k`):
    /// `out[i] = psi^(k exponents[i])`.
    ///
    /// # Panics
    /// If `out.len()` is not `n`.
    pub fn monomial(&self, k: u64, out: &mut [u64]) {
        assert_eq!(out.len(), self.n(), "a row has n words");
        out.fill(0);
        let (n, k) = (self.n() as u64, k % (2 * self.n() as u64));
        out[(k % n) as usize] = if k < n { 1 } else { self.q.value() - 1 };
        self.forward(out);
    }

    /// The length n.
    #[inline]
    pub fn n(&self) -> usize {
        self.plan.n()
    }

    /// The prime q.
    #[inline]
    pub fn modulus(&self) -> &Modulus {
        &self.q
    }

    /// The primitive 2n-th root of unity.
    #[inline]
    pub fn psi(&self) -> u64 {
        self.psi
    }

    /// The kernels that this table runs, for row operations modulo the same prime.
    #[inline]
    pub fn kernels(&self) -> &'static Kernels {
        self.kernels
    }
}

impl std::fmt::Debug for NttTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NttTable")
            .field("n", &self.n())
            .field("q", &self.q.value())
            .field("psi", &self.psi)
            .field("kernels", self.kernels)
            .finish()
    }
}

/// The lowest `log2 n` bits of `i` in reverse order.
pub(crate) fn bit_reverse(i: usize, n: usize) -> usize {
    let bits = n.ilog2();
    if bits == 0 {
        return 0;
    }
    i.reverse_bits() >> (usize::BITS - bits)
}

/// `g^((q-1)/2n)` for the smallest `g` for which its n-th power is -1.
fn primitive_root(n: usize, q: &Modulus) -> Result<u64> {
    let order = 2 * n as u64;
    let p = q.value();
    if !(p - 1).is_multiple_of(order) {
        return Err(Error::NoRoot { q: p, order });
    }
    // Half of all g are non-residues, and those give a primitive root.
    (2..p)
        .map(|g| q.pow(g, (p - 1) / order))
        .find(|psi| q.pow(*psi, n as u64) == p - 1)
        .ok_or(Error::NoRoot { q: p, order })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes;

    fn table(n: usize) -> NttTable {
        let q = primes::below(n, 1 << 46).next().expect("prime");
        NttTable::try_new(n, q).expect("table")
    }

    #[test]
    fn polynomials_in_a_power_of_x_have_runs_of_equal_values() {
        for isa in Isa::available() {
            for n in [64, 2048] {
                let q = primes::below(n, 1 << 46).next().expect("prime");
                let t = NttTable::try_new_with(n, q, isa).expect("table");
                for len in (3..=n.ilog2()).map(|log| 1 << log) {
                    let gap = n / len;
                    let mut short: Vec<u64> = (0..len as u64).map(|i| i * i * 77_777 % q).collect();
                    let mut long = vec![0; n];
                    for (k, &c) in short.iter().enumerate() {
                        long[k * gap] = c;
                    }
                    t.forward(&mut long);
                    let small = t.decimated(len, &Pool::new()).expect("a shorter length");
                    small.forward(&mut short);
                    for (run, x) in long.chunks_exact(gap).zip(&short) {
                        assert!(run.iter().all(|y| y == x), "{isa}: {len} words in {n}");
                    }
                }
            }
        }
        let t = table(64);
        for len in [4, 24, 128] {
            assert!(matches!(
                t.decimated(len, &Pool::new()),
                Err(Error::Length { .. })
            ));
        }
    }

    #[test]
    fn values_are_evaluations_at_the_stated_exponents() {
        let t = table(16);
        let q = t.modulus();
        let a: Vec<u64> = (0..16).map(|i| i * i + 3).collect();
        let mut row = a.clone();
        t.forward(&mut row);
        for (value, e) in row.iter().zip(t.exponents()) {
            let x = q.pow(t.psi(), u64::from(*e));
            let horner = a.iter().rev().fold(0, |acc, c| q.mul_add(acc, x, *c));
            assert_eq!(*value, horner);
        }
    }

    #[test]
    fn automorphisms_permute_groups_and_agree_with_the_coefficient_map() {
        for n in [8, 64, 256] {
            let t = table(n);
            let q = *t.modulus();
            let a: Vec<u64> = (0..n as u64)
                .map(|i| q.reduce(i * 0x9e37_79b9 + 1))
                .collect();
            let mut row = a.clone();
            t.forward(&mut row);
            for g in [1, 3, 5, 2 * n as u64 - 1, 5_u64.pow(7)] {
                let p = t.automorphism(g).expect("odd");
                assert!(p.groups().is_some());
                let mut image = vec![0; n];
                for (i, c) in a.iter().enumerate() {
                    let k = (i as u64 * g % (2 * n as u64)) as usize;
                    image[k % n] = if k < n { *c } else { q.neg(*c) };
                }
                t.forward(&mut image);
                let mut out = vec![0; n];
                t.kernels().permute(&mut out, &row, &p);
                assert_eq!(out, image, "n = {n}, g = {g}");
            }
            assert_eq!(
                t.automorphism(4).err(),
                Some(Error::EvenGaloisElement { g: 4 })
            );
        }
    }

    #[test]
    fn monomials_multiply_as_shifts() {
        let t = table(32);
        let q = *t.modulus();
        let a: Vec<u64> = (1..=32).collect();
        for k in [0, 1, 16, 31, 32, 40, 63, 64] {
            let mut x = vec![0; 32];
            t.monomial(k, &mut x);
            let mut row = a.clone();
            t.forward(&mut row);
            t.kernels().mul_assign(&q, &mut row, &x);
            t.inverse(&mut row);
            let mut expected = vec![0; 32];
            for (i, c) in a.iter().enumerate() {
                let j = (i as u64 + k) % 64;
                expected[(j % 32) as usize] = if j < 32 { *c } else { q.neg(*c) };
            }
            assert_eq!(row, expected, "k = {k}");
        }
    }

    #[cfg(feature = "concrete")]
    #[test]
    fn the_concrete_backend_gives_the_same_values() {
        for n in [16, 64, 1 << 12] {
            for q in crate::conformance::border_primes(n) {
                let native = NttTable::try_new(n, q).expect("table");
                let Ok(concrete) = NttTable::try_new_concrete(n, q) else {
                    assert!(n < 32 || q < 1 << 20, "no plan for n = {n}, q = {q}");
                    continue;
                };
                let row: Vec<u64> = (1..=n as u64)
                    .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % q)
                    .collect();
                let (mut a, mut b) = (row.clone(), row.clone());
                native.forward(&mut a);
                concrete.forward(&mut b);
                assert_eq!(a, b, "n = {n}, q = {q}");
                concrete.inverse(&mut b);
                assert_eq!(b, row, "n = {n}, q = {q}");
            }
        }
    }

    #[test]
    fn bad_requests_are_refused() {
        let q = 97;
        for n in [0, 4, 12, 1 << 18] {
            assert!(matches!(NttTable::try_new(n, q), Err(Error::Length { .. })));
        }
        assert_eq!(
            NttTable::try_new(64, q).err(),
            Some(Error::NoRoot { q, order: 128 })
        );
        assert_eq!(
            NttTable::try_new(8, 81).err(),
            Some(Error::NotPrime { q: 81 })
        );
    }
}
