//! The basis polynomials that a plan needs, each from two earlier ones.

use std::collections::{BTreeMap, BTreeSet};

use girih_he::Evaluator;
use girih_polyfit::Basis;

use crate::Result;

/// `x^k` or `T_k` for some `k`, in optimal depth `⌈log₂ k⌉`:
/// `x^(a+b) = x^a x^b`, `T_(a+b) = 2 T_a T_b - T_(a-b)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chain {
    basis: Basis,
    /// `k -> (a, b)` with `a + b = k`, `a >= b`; index 1 is the input.
    steps: BTreeMap<usize, (usize, usize)>,
}

impl Chain {
    /// All of `needed` and what they are made of; every product is one that as little as possible has
    /// to be added for.
    pub(crate) fn new(basis: Basis, mut needed: BTreeSet<usize>) -> Self {
        let mut steps = BTreeMap::new();
        needed.insert(1);
        // From the largest down: what a step adds is smaller than its result.
        let mut next = needed.last().copied();
        while let Some(k) = next.filter(|&k| k > 1) {
            let parts = |b: usize| {
                let a = k - b;
                let difference = (basis == Basis::Chebyshev && a > b).then_some(a - b);
                [Some(a), Some(b), difference].into_iter().flatten()
            };
            let added = |b: usize| {
                parts(b)
                    .collect::<BTreeSet<_>>()
                    .difference(&needed)
                    .count()
            };
            // `a` at most half of the next power of two keeps the depth at ⌈log₂ k⌉.
            let largest = k.next_power_of_two() / 2;
            // The unbalanced split first: it reuses the powers of two.
            let b = (k - largest.min(k - 1)..=k / 2)
                .min_by_key(|&b| added(b))
                .unwrap_or(k / 2);
            steps.insert(k, (k - b, b));
            needed.extend(parts(b));
            next = needed.range(..k).next_back().copied();
        }
        Chain { basis, steps }
    }

    /// Products of two ciphertexts, one per step.
    pub(crate) fn products(&self) -> usize {
        self.steps.len()
    }

    /// The indices, from 1 up.
    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> {
        std::iter::once(1).chain(self.steps.keys().copied())
    }

    /// The basis polynomials at `u`, by index: one sum of products each, its linear part included.
    pub(crate) fn evaluate<E: Evaluator>(
        &self,
        eval: &E,
        u: &E::Ciphertext,
    ) -> Result<BTreeMap<usize, E::Ciphertext>> {
        let mut powers = BTreeMap::from([(1, u.clone())]);
        for (&k, &(a, b)) in &self.steps {
            let pair = (&powers[&a], &powers[&b]);
            let power = match self.basis {
                Basis::Power => eval.dot_affine(&[pair], &[], 0.0)?,
                // The product twice: cheaper than doubling a ciphertext, which is larger than cache.
                Basis::Chebyshev if a == b => eval.dot_affine(&[pair, pair], &[], -1.0)?,
                Basis::Chebyshev => {
                    eval.dot_affine(&[pair, pair], &[(&powers[&(a - b)], -1.0)], 0.0)?
                }
            };
            powers.insert(k, power);
        }
        Ok(powers)
    }
}

/// Depth of `x^k` or `T_k`: `⌈log₂ k⌉`.
pub(super) fn depth_of_index(k: usize) -> usize {
    k.next_power_of_two().trailing_zeros() as usize
}
