//! Base conversion: from residues modulo some primes to residues modulo others.
//!
//! For `Q = q_1 .. q_k` and `x` given by its residues, `y_i = [x_i (Q/q_i)^-1]` modulo `q_i` and
//! `v = round(sum_i y_i / q_i)`, the centred representative of `x` is `sum_i y_i Q/q_i - v Q`, a product of the
//! row vector `(y_1, .., y_k, v)` with constants modulo every target prime (Halevi, Polyakov, Shoup, "An Improved RNS
//! Variant of the BFV Homomorphic Encryption Scheme", CT-RSA 2019, section 2.2).
//!
//! The rows `y_i` and `v` are kept in chunks: [`CHUNK`] words of every row, one row after the other, then the
//! next words of every row. A conversion reads them in one stream, whatever the number of rows; rows of their own
//! would lie a power of two apart, in the same sets of every cache.

use super::{Kernels, MAX_TERMS, same_lengths};
use crate::modulus::{MASK, Modulus, ShoupPair};

/// Words of one row that lie together in the input of a base conversion.
pub const CHUNK: usize = 16;

/// The primes converted from, with the constants that prepare their residues.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvertSources {
    pub(super) primes: Box<[SourcePrime]>,
    /// Each prime is below `2^bits`.
    bits: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct SourcePrime {
    pub(super) q: Modulus,
    /// `(Q/q)^-1 mod q`
    pub(super) inverse: ShoupPair,
    /// `1 / q`
    pub(super) reciprocal: f64,
}

/// One output modulus of a base conversion: `p`, the factors `[Q/q_i]_p` and `-[Q]_p`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertTarget {
    pub(super) p: Modulus,
    /// The factors of `y_1 .. y_k`, then that of `v`.
    pub(super) factors: Box<[u64]>,
    /// `2^52` times the factors, modulo p.
    pub(super) shifted: Box<[u64]>,
    /// `p^-1 mod 2^52`.
    pub(super) inverse: u64,
}

impl ConvertSources {
    /// The primes `q_i` with `inverses[i] = (Q/q_i)^-1 mod q_i`.
    ///
    /// # Panics
    /// If there are not as many inverses as primes, none, or 4096 or more.
    pub fn new(primes: &[Modulus], inverses: &[u64]) -> ConvertSources {
        assert_eq!(primes.len(), inverses.len(), "one inverse for each prime");
        assert!(
            (1..MAX_TERMS).contains(&primes.len()),
            "1 to {MAX_TERMS} primes"
        );
        ConvertSources {
            bits: primes.iter().map(Modulus::bits).max().unwrap_or(0),
            primes: primes
                .iter()
                .zip(inverses)
                .map(|(q, inverse)| SourcePrime {
                    q: *q,
                    inverse: q.shoup(*inverse),
                    reciprocal: 1.0 / q.value() as f64,
                })
                .collect(),
        }
    }

    /// Rows of a prepared input: the primes and `v`.
    pub fn rows(&self) -> usize {
        self.primes.len() + 1
    }

    /// Words of the prepared input of `columns` columns: whole chunks.
    pub fn words(&self, columns: usize) -> usize {
        self.rows() * CHUNK * columns.div_ceil(CHUNK)
    }

    /// A bound of `sum_i y_i f_i / 2^52` for factors below p, in units of p and rounded up: what a lazy sum
    /// reaches before its last reduction.
    pub(super) fn growth(&self) -> u64 {
        // v f / 2^52 and the carries of the low halves are far below one p.
        let terms = self.rows() as u64;
        (terms << self.bits).div_ceil(1 << 52)
    }
}

impl ConvertTarget {
    /// The target `p` with `factors[i] = [Q/q_i]_p` and `product = [Q]_p`; both are reduced modulo p.
    pub fn new(p: &Modulus, factors: &[u64], product: u64) -> ConvertTarget {
        let factors: Box<[u64]> = factors
            .iter()
            .map(|f| p.reduce(*f))
            .chain([p.neg(p.reduce(product))])
            .collect();
        ConvertTarget {
            p: *p,
            shifted: factors.iter().map(|f| p.mul_shoup(*f, p.r52())).collect(),
            factors,
            inverse: inverse_mod_2_52(p.value()),
        }
    }

    /// The output modulus.
    pub fn modulus(&self) -> &Modulus {
        &self.p
    }
}

/// `q^-1 mod 2^52` for an odd q (Newton, doubling the exact bits in every step).
fn inverse_mod_2_52(q: u64) -> u64 {
    // q q = 1 modulo 8: three bits to start with.
    let mut x = q;
    for _ in 0..5 {
        x = x.wrapping_mul(2_u64.wrapping_sub(q.wrapping_mul(x)));
    }
    x & MASK
}

impl Kernels {
    /// The input of [`Kernels::base_convert`] from residues `x_i` modulo the sources, in `[0, q_i)`: the chunks of
    /// `y_i = x_i (Q/q_i)^-1 mod q_i` and of `v = round(sum_i y_i / q_i)`.
    ///
    /// The sum runs over `i` in order, one fused multiply-add each in double precision, and rounds to
    /// nearest (even on ties): exact unless the true quotient is within `k 2^-52` of a half. `v` is at most k. Columns
    /// are independent: whole chunks of them may be prepared one after the other or in parallel.
    ///
    /// # Panics
    /// If there are not as many rows as primes, rows differ in length, or `out` has not
    /// [`ConvertSources::words`] of it.
    pub fn base_convert_prepare(&self, sources: &ConvertSources, out: &mut [u64], x: &[&[u64]]) {
        assert_eq!(x.len(), sources.primes.len(), "one row for each prime");
        let columns = x[0].len();
        same_lengths(columns, x);
        assert_eq!(
            out.len(),
            sources.words(columns),
            "whole chunks of all rows"
        );
        // SAFETY: `select` proved the instruction set; lengths were checked.
        unsafe { (self.base_convert_prepare)(sources, out, x) }
    }

    /// `out_j = sum_i y_i [Q/q_i]_{p_j} - v [Q]_{p_j} mod p_j` for several targets at once, from what
    /// [`Kernels::base_convert_prepare`] left; columns of `out` start at chunk 0 of `input`.
    ///
    /// The prime class of this table does not matter here.
    ///
    /// # Panics
    /// If there are not as many outputs as targets, outputs differ in length, a target has not the sources' factors,
    /// or `input` has not [`ConvertSources::words`] of the outputs' length.
    pub fn base_convert(
        &self,
        sources: &ConvertSources,
        targets: &[&ConvertTarget],
        out: &mut [&mut [u64]],
        input: &[u64],
    ) {
        assert_eq!(targets.len(), out.len(), "one output row for each target");
        let Some(columns) = out.first().map(|row| row.len()) else {
            return;
        };
        for (row, target) in out.iter().zip(targets) {
            same_lengths(columns, &[row]);
            let rows = target.factors.len();
            assert_eq!(rows, sources.rows(), "one factor for each row");
        }
        assert_eq!(
            input.len(),
            sources.words(columns),
            "whole chunks of all rows"
        );
        // SAFETY: `select` proved the instruction set; lengths were checked.
        unsafe { (self.base_convert)(sources, targets, out, input) }
    }
}
