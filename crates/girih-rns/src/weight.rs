//! Plaintext factors of sums over QP.

use std::collections::BTreeMap;

use crate::par::{Work, for_each_limb_pair};
use crate::poly::reduce_i64_row;
use crate::{Ntt, Poly, PolyQp, Ring};

/// Most terms of an inner product before a reduction.
const TERMS: usize = 1024;

/// A plaintext factor over QP: a polynomial of a ring or of a [subring](Ring::subring).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Its evaluations, `degree` words for each prime.
    Evaluations(PolyQp<Ntt>),
    /// Its coefficients, as many as the degree: evaluated row by row whenever they are used, by one transform of
    /// `degree` words for each prime. In memory they are one row, and at N = 2^16 a transform takes about as long
    /// as a row from memory.
    Coefficients(Vec<i64>),
}

impl Weight {
    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Weight::Evaluations(poly) => 8 * poly.rows().len(),
            Weight::Coefficients(coefficients) => 8 * coefficients.len(),
        }
    }

    /// Words that a row takes to be evaluated.
    fn scratch(&self) -> usize {
        match self {
            Weight::Evaluations(_) => 0,
            Weight::Coefficients(coefficients) => coefficients.len(),
        }
    }
}

/// `(x, y) += Σ wₖ (aₖ, bₖ)` in R_Q, row by row: weights given by coefficients are evaluated where they are used and never exist as
/// a whole. Cost, for every row: two multiply-adds for each term, and a transform for each weight of coefficients, with scratch for
/// all of them. Rows are independent.
///
/// # Panics
/// If operands differ in limbs, or a weight belongs to no [subring](Ring::subring).
pub fn add_weighted(
    [x, y]: &mut [Poly<Ntt>; 2],
    terms: &[([&Poly<Ntt>; 2], &Weight)],
    ring: &Ring,
) {
    let limbs = x.limbs();
    let fits = |pair: &[&Poly<Ntt>; 2], weight: &Weight| {
        pair.iter().all(|a| a.limbs() == limbs)
            && match weight {
                Weight::Evaluations(poly) => poly.limbs() == limbs,
                Weight::Coefficients(_) => true,
            }
    };
    assert!(
        y.limbs() == limbs && terms.iter().all(|(pair, w)| fits(pair, w)),
        "terms have the limbs of the sum"
    );
    let sums = [terms.iter().map(|(_, w)| (0, *w)).collect::<Vec<_>>()];
    let words = scratch(&sums);
    for_each_limb_pair(
        x.rows_mut(),
        y.rows_mut(),
        ring.n(),
        Work::Heavy,
        |i, x, y| {
            let mut evaluated = ring.pool().unfilled(words);
            let [weights] = &rows(&sums, ring, i, i, &mut evaluated)[..] else {
                return;
            };
            let table = ring.table(i);
            for (weights, terms) in weights.chunks(TERMS).zip(terms.chunks(TERMS)) {
                let weights: Vec<&[u64]> = weights.iter().map(|w| w.1).collect();
                let half =
                    |h: usize| -> Vec<&[u64]> { terms.iter().map(|t| t.0[h].row(i)).collect() };
                let (a, b) = (half(0), half(1));
                let out = [&mut *x, &mut *y];
                table.kernels().inner_product_pair_acc(
                    table.modulus(),
                    out,
                    &weights,
                    [&a, &b],
                    None,
                );
            }
        },
    );
}

/// Words of scratch for [`rows`].
pub(crate) fn scratch(sums: &[Vec<(usize, &Weight)>]) -> usize {
    sums.iter().flatten().map(|(_, w)| w.scratch()).sum()
}

/// Row `r`, that of prime `index`, of every weight, given by its runs; coefficients are evaluated into `scratch`.
pub(crate) fn rows<'a>(
    sums: &[Vec<(usize, &'a Weight)>],
    ring: &Ring,
    index: usize,
    r: usize,
    scratch: &'a mut [u64],
) -> Vec<Vec<(usize, &'a [u64])>> {
    // One reading of the twiddle factors for all weights of a degree.
    let mut by_degree: BTreeMap<usize, Vec<&mut [u64]>> = BTreeMap::new();
    let mut rest = &mut *scratch;
    for (_, weight) in sums.iter().flatten() {
        if let Weight::Coefficients(coefficients) = weight {
            let (row, after) = rest.split_at_mut(coefficients.len());
            reduce_i64_row(row, coefficients, ring, index);
            by_degree.entry(row.len()).or_default().push(row);
            rest = after;
        }
    }
    for (degree, mut rows) in by_degree {
        let subring = ring.subring(degree).expect("the degree of a subring");
        subring.table(index).forward_many(&mut rows);
    }
    let mut evaluated = &*scratch;
    let mut row = |weight: &'a Weight| match weight {
        Weight::Evaluations(poly) => poly.row(r),
        Weight::Coefficients(coefficients) => {
            let (row, after) = evaluated.split_at(coefficients.len());
            evaluated = after;
            row
        }
    };
    let rows = sums
        .iter()
        .map(|terms| terms.iter().map(|&(i, weight)| (i, row(weight))).collect());
    rows.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oracle;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn weighted_sums_are_those_of_whole_polynomials(seed: u64, limbs in 1usize..4, terms in 0usize..5) {
            let n = 16;
            let primes = oracle::primes(n, 46, 6);
            let ring = Ring::try_new(n, &primes[..4], &primes[4..]).expect("ring");
            let poly = |k: u64| oracle::random_coeff(&ring, limbs, seed ^ k).into_ntt(&ring);
            let operands: Vec<[Poly<Ntt>; 2]> = (0..terms as u64).map(|k| [poly(2 * k), poly(2 * k + 1)]).collect();
            let integers = |k: usize| -> Vec<i64> {
                let degree = [n, 8][k % 2];
                (0..degree as u64).map(|i| (seed ^ i ^ k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64).collect()
            };
            let mut total = [poly(100), poly(101)];
            let mut expected = total.clone();
            let mut weights = Vec::new();
            for (k, pair) in operands.iter().enumerate() {
                let x = integers(k);
                let subring = ring.subring(x.len()).expect("a degree");
                let factor = Poly::<crate::Coeff>::from_i64(&subring, limbs, &x).into_ntt(&subring).embedded(&ring);
                for (sum, a) in expected.iter_mut().zip(pair) {
                    sum.add_assign(&a.mul(&factor, &ring), &ring);
                }
                let evaluations = PolyQp::<crate::Coeff>::secret_from_i64(&subring, limbs, &x).into_ntt(&subring);
                weights.push([Weight::Coefficients(x), Weight::Evaluations(evaluations)]);
            }
            let terms: Vec<_> = operands
                .iter()
                .zip(&weights)
                .enumerate()
                .map(|(k, ([a, b], w))| ([a, b], &w[k / 2 % 2]))
                .collect();
            add_weighted(&mut total, &terms, &ring);
            prop_assert_eq!(total, expected);
        }
    }
}
