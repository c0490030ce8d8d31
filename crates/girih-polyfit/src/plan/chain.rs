//! The basis polynomials that a plan needs, each from two earlier ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::Basis;

/// `x^k` or `T_k` for some `k`, in optimal depth `⌈log₂ k⌉`:
/// `x^(a+b) = x^a x^b`, `T_(a+b) = 2 T_a T_b - T_(a-b)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    basis: Basis,
    /// `k -> (a, b)` with `a + b = k`, `a >= b`; index 1 is the input.
    steps: BTreeMap<usize, (usize, usize)>,
}

impl Chain {
    /// All of `needed` and what they are made of; every product is one that as little as possible has
    /// to be added for.
    #[must_use]
    pub fn new(basis: Basis, mut needed: BTreeSet<usize>) -> Self {
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
    #[must_use]
    pub fn products(&self) -> usize {
        self.steps.len()
    }

    /// The indices, from 1 up.
    pub fn indices(&self) -> impl Iterator<Item = usize> {
        std::iter::once(1).chain(self.steps.keys().copied())
    }

    /// `k -> (a, b)` with `a + b = k` and `a >= b`, from the smallest `k` up: what a step reads comes before it.
    pub fn steps(&self) -> impl Iterator<Item = (usize, (usize, usize))> {
        self.steps.iter().map(|(&k, &parts)| (k, parts))
    }

    /// The basis.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.basis
    }
}

/// Depth of `x^k` or `T_k`: `⌈log₂ k⌉`.
pub(super) fn depth_of_index(k: usize) -> usize {
    k.next_power_of_two().trailing_zeros() as usize
}
