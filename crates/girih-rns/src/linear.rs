//! Linear combinations with integer coefficients.

use crate::par::{Work, for_each_limb};
use crate::{Ntt, Poly, Ring};

impl Poly<Ntt> {
    /// `self += Σ kᵢ aᵢ`, row by row, so that each row of the sum is read and written in cache. `coefficient(i, p)` is
    /// `kᵢ` modulo prime `p`; the `aᵢ` may have more limbs than `self`, which are left out.
    ///
    /// # Panics
    /// If an operand has fewer limbs.
    pub fn add_combination_assign(
        &mut self,
        a: &[&Poly<Ntt>],
        coefficient: impl Fn(usize, usize) -> u64 + Sync + Send,
        ring: &Ring,
    ) {
        assert!(
            a.iter().all(|a| a.limbs() >= self.limbs()),
            "operands have at least the limbs of the sum"
        );
        let n = ring.n();
        for_each_limb(self.rows_mut(), n, Work::Light, |p, row| {
            let table = ring.table(p);
            let q = table.modulus();
            for (i, a) in a.iter().enumerate() {
                let k = q.shoup(coefficient(i, p));
                table.kernels().mul_scalar_acc(q, row, a.row(p), k);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oracle;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn combinations_are_sums_of_multiples(seed: u64, limbs in 1usize..4, terms in 0usize..4) {
            let n = 16;
            let ring = Ring::try_new(n, &oracle::primes(n, 47, 4), &[]).expect("ring");
            let poly = |k: u64, limbs| oracle::random_coeff(&ring, limbs, seed ^ k).into_ntt(&ring);
            let a: Vec<Poly<Ntt>> = (0..terms as u64).map(|k| poly(k + 1, limbs + k as usize % 2)).collect();
            let k = |i: usize, p: usize| (seed >> (8 * i)) % ring.modulus(p).value();
            let mut sum = poly(0, limbs);
            let mut expected = sum.clone();
            for (i, a) in a.iter().enumerate() {
                let mut term = a.truncated(limbs, &ring);
                term.mul_scalar_assign(|p| k(i, p), &ring);
                expected.add_assign(&term, &ring);
            }
            sum.add_combination_assign(&a.iter().collect::<Vec<_>>(), k, &ring);
            prop_assert_eq!(sum, expected);
        }
    }
}
