//! Plaintext factors of sums over QP.

use std::collections::BTreeMap;

use crate::poly::reduce_i64_row;
use crate::{Ntt, PolyQp, Ring};

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
