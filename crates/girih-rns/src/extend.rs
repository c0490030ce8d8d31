//! Exact centred basis extension: from some primes to others.
//!
//! For `S = s_1 .. s_k` and `x` in `[0, S)` given by residues, let `y_i = [x (S/s_i)^-1]` modulo `s_i` and
//! `v = round(sum y_i / s_i)`. Then `sum y_i (S/s_i) - v S` is the representative of `x` in
//! `[-S/2, S/2]`, which can be computed modulo any other prime (Halevi, Polyakov, Shoup, "An Improved
//! RNS Variant of the BFV Homomorphic Encryption Scheme", CT-RSA 2019, section 2.2). `v` is computed
//! in double precision: it is exact unless `x/S` is within `k 2^-52` of a half, where either
//! neighbour is a valid representative up to that excess.

use girih_ntt::{Buf, CHUNK, ConvertSources, ConvertTarget, ShoupPair};

use crate::par::{Work, for_each_limb, for_each_tile};
use crate::{Coeff, Poly, Ring};

/// Columns that are prepared together: long enough for streams of every source row, short enough for the second-level cache.
const BLOCK: usize = 64 * CHUNK;

/// Constants of the conversion from a set of primes to every other prime of the ring.
pub(crate) struct Conversion {
    sources: Vec<usize>,
    base: ConvertSources,
    /// `[S/s_i]_t` and `[S]_t` by prime index; none for the sources.
    targets: Vec<Option<ConvertTarget>>,
}

/// What a conversion reads: the chunks of `y_i` and `v`; the residues themselves if there is a single source.
pub(crate) struct Prepared {
    words: Buf,
}

impl Conversion {
    /// # Panics
    /// If `sources` is empty or not of the ring.
    pub(crate) fn new(ring: &Ring, sources: Vec<usize>) -> Conversion {
        assert!(!sources.is_empty(), "a conversion needs a source");
        let values: Vec<u64> = sources.iter().map(|&s| ring.modulus(s).value()).collect();
        let count = ring.q_len() + ring.p_len();
        // prod of the sources except `skip`, modulo prime `t`
        let cofactor = |skip: usize, t: usize| {
            let q = ring.modulus(t);
            values
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != skip)
                .fold(1, |product, (_, &s)| q.mul(product, q.reduce(s)))
        };
        let inverses: Vec<u64> = sources
            .iter()
            .enumerate()
            .map(|(i, &s)| {
                let q = ring.modulus(s);
                q.inv(cofactor(i, s)).expect("distinct primes are coprime")
            })
            .collect();
        let targets = (0..count)
            .map(|t| {
                (!sources.contains(&t)).then(|| {
                    let factors: Vec<u64> = (0..values.len()).map(|i| cofactor(i, t)).collect();
                    ConvertTarget::new(ring.modulus(t), &factors, cofactor(usize::MAX, t))
                })
            })
            .collect();
        let primes: Vec<_> = sources.iter().map(|&s| *ring.modulus(s)).collect();
        Conversion {
            base: ConvertSources::new(&primes, &inverses),
            sources,
            targets,
        }
    }

    /// The primes converted from.
    pub(crate) fn sources(&self) -> &[usize] {
        &self.sources
    }

    /// `S mod t` is invertible: its inverse, for a prime `t` that is no source.
    pub(crate) fn inverse_product(&self, ring: &Ring, t: usize) -> ShoupPair {
        let q = ring.modulus(t);
        let product = self.sources.iter().fold(1, |product, &s| {
            q.mul(product, q.reduce(ring.modulus(s).value()))
        });
        q.shoup(q.inv(product).expect("distinct primes are coprime"))
    }

    /// The input of [`Conversion::convert`], from a row of coefficients for each source.
    ///
    /// # Panics
    /// If there is not one row of N words for each source.
    pub(crate) fn prepare(&self, ring: &Ring, x: &[&[u64]]) -> Prepared {
        if let [x] = x {
            return Prepared {
                words: ring.pool().copied(x),
            };
        }
        let columns = BLOCK.min(ring.n());
        let mut words = ring.pool().unfilled(self.base.words(ring.n()));
        let block = self.base.words(columns);
        for_each_limb(&mut words, block, Work::Heavy, |i, out| {
            let rows: Vec<&[u64]> = x
                .iter()
                .map(|row| &row[i * columns..(i + 1) * columns])
                .collect();
            let kernels = ring.table(0).kernels();
            kernels.base_convert_prepare(&self.base, out, &rows);
        });
        Prepared { words }
    }

    /// `out_j = [x] mod t_j` for prime indices `targets`, none of them a source.
    ///
    /// # Panics
    /// If a target is a source.
    pub(crate) fn convert(
        &self,
        ring: &Ring,
        prepared: &Prepared,
        targets: &[usize],
        out: &mut [&mut [u64]],
    ) {
        if let [source] = self.sources[..] {
            let from = ring.modulus(source);
            for (&t, row) in targets.iter().zip(out) {
                let table = ring.table(t);
                table
                    .kernels()
                    .centred(table.modulus(), row, &prepared.words, from);
            }
            return;
        }
        let constants: Vec<&ConvertTarget> = targets
            .iter()
            .map(|&t| self.targets[t].as_ref().expect("a target is not a source"))
            .collect();
        ring.table(0)
            .kernels()
            .base_convert(&self.base, &constants, out, &prepared.words);
    }
}

impl Poly<Coeff> {
    /// `[a] mod q_1 .. q_limbs` for the coefficients of `a` taken in `(-Q_l/2, Q_l/2]`: the exact
    /// centred extension to more primes (the raising of the modulus in bootstrapping).
    ///
    /// Cost: `l (limbs - l)` multiply-adds per coefficient.
    ///
    /// # Panics
    /// If the ring has fewer primes, or `limbs` is below the limbs of `self`.
    #[must_use]
    pub fn extended(&self, limbs: usize, ring: &Ring) -> Poly<Coeff> {
        let own = self.limbs();
        assert!(limbs >= own, "an extension does not drop limbs");
        let n = ring.n();
        let mut out = Poly::unfilled(ring, limbs);
        let (kept, added) = out.rows_mut().split_at_mut(own * n);
        kept.copy_from_slice(self.rows());
        if limbs > own {
            let conversion = ring.conversion(0, own);
            let rows: Vec<&[u64]> = (0..own).map(|i| self.row(i)).collect();
            let prepared = conversion.prepare(ring, &rows);
            for_each_tile(added, n, |first, rows| {
                let mut rows: Vec<&mut [u64]> = rows.chunks_exact_mut(n).collect();
                let targets: Vec<usize> = (own + first..own + first + rows.len()).collect();
                conversion.convert(ring, &prepared, &targets, &mut rows);
            });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oracle;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn extension_keeps_the_centred_integer(seed: u64, own in 1usize..6, more in 0usize..4, bits in 25u32..50) {
            let n = 16;
            let ring = Ring::try_new(n, &oracle::primes(n, bits, 9), &[]).expect("ring");
            let a = oracle::random_coeff(&ring, own, seed);
            let extended = a.extended(own + more, &ring);
            let before = oracle::lift_poly(&a, &ring);
            let after = oracle::lift_poly(&extended, &ring);
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn extremes_extend_exactly() {
        use dashu_int::IBig;
        let n = 16;
        let primes = oracle::primes(n, 47, 6);
        let ring = Ring::try_new(n, &primes, &[]).expect("ring");
        let q = IBig::from(oracle::product(&primes[..3]));
        // 0, 1, -1, and values one part in 2^40 inside the two ends of the centred interval
        let near = (&q / IBig::from(2)) - (&q >> 40);
        let values = [IBig::ZERO, IBig::ONE, -IBig::ONE, near.clone(), -near];
        let mut a = Poly::<Coeff>::zero(&ring, 3);
        for (c, x) in values.iter().enumerate() {
            for (i, &q) in primes[..3].iter().enumerate() {
                a.row_mut(i)[c] = oracle::residue(x, q);
            }
        }
        let lifted = oracle::lift_poly(&a.extended(6, &ring), &ring);
        assert_eq!(&lifted[..values.len()], &values);
    }
}
