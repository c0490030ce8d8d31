//! Galois automorphisms `X -> X^g` as permutations of evaluations.

use crate::par::{Work, for_each_limb};
use crate::{Ntt, Poly, PolyQp, Ring};

/// An odd `g` in `1..2N`: the automorphism `a(X) -> a(X^g)` of `Z[X]/(X^N + 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GaloisElement {
    value: u64,
    order: u64,
}

impl GaloisElement {
    /// `5^r mod 2N`: in a ring whose slots are the evaluations at `zeta^(5^j)`, the slots move left by
    /// `r`, slot `j` receiving slot `j + r` modulo `N/2`. Negative `r` moves right.
    #[must_use]
    pub fn rotation(n: usize, r: i64) -> GaloisElement {
        let order = 2 * n as u64;
        let mut exponent = r.rem_euclid((n / 2).max(1) as i64) as u64;
        let (mut base, mut value) = (5 % order, 1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                value = value * base % order;
            }
            base = base * base % order;
            exponent >>= 1;
        }
        GaloisElement { value, order }
    }

    /// `2N - 1`: complex conjugation of every evaluation.
    #[must_use]
    pub fn conjugation(n: usize) -> GaloisElement {
        let order = 2 * n as u64;
        GaloisElement {
            value: order - 1,
            order,
        }
    }

    /// `g`.
    #[must_use]
    pub fn value(self) -> u64 {
        self.value
    }

    /// The element of the inverse automorphism.
    #[must_use]
    pub fn inverse(self) -> GaloisElement {
        // The unit group modulo 2N has exponent N/2 (or less): g^-1 = g^(N/2 - 1), and 2N is a power of two,
        // so Newton's iteration doubles the correct low bits instead: x <- x (2 - g x).
        let mut x = self.value;
        for _ in 0..6 {
            x = x.wrapping_mul(2u64.wrapping_sub(self.value.wrapping_mul(x)));
        }
        GaloisElement {
            value: x & (self.order - 1),
            order: self.order,
        }
    }

    /// Whether nothing moves.
    #[must_use]
    pub fn is_identity(self) -> bool {
        self.value == 1
    }
}

impl Poly<Ntt> {
    /// `a(X^g)`: one gather per row.
    ///
    /// # Panics
    /// If `g` was made for another degree.
    #[must_use]
    pub fn automorphism(&self, g: GaloisElement, ring: &Ring) -> Poly<Ntt> {
        let mut out = Poly::unfilled(ring, self.limbs());
        permute_rows(&mut out.rows, &self.rows, g, ring);
        out
    }
}

impl PolyQp<Ntt> {
    /// `a(X^g)`: one gather per row.
    ///
    /// # Panics
    /// If `g` was made for another degree.
    #[must_use]
    pub fn automorphism(&self, g: GaloisElement, ring: &Ring) -> PolyQp<Ntt> {
        let mut out = PolyQp::unfilled(ring, self.limbs());
        self.automorphism_into(&mut out, g, ring);
        out
    }

    /// `out = a(X^g)`, for memory that the caller chose (a secret's).
    ///
    /// # Panics
    /// If `g` was made for another degree, or the shapes differ.
    pub fn automorphism_into(&self, out: &mut PolyQp<Ntt>, g: GaloisElement, ring: &Ring) {
        assert_eq!(self.limbs(), out.limbs(), "operands have the same limbs");
        permute_rows(&mut out.rows, &self.rows, g, ring);
    }
}

fn permute_rows(out: &mut [u64], rows: &[u64], g: GaloisElement, ring: &Ring) {
    let n = ring.n();
    assert_eq!(
        g.order,
        2 * n as u64,
        "the Galois element is of this ring's degree"
    );
    let permutation = ring.permutation(g);
    let kernels = ring.table(0).kernels();
    for_each_limb(out, n, Work::Light, |i, row| {
        kernels.permute(row, &rows[i * n..(i + 1) * n], &permutation);
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oracle;
    use crate::{Coeff, Poly};

    /// `a(X^g)` on coefficients, by the definition.
    fn by_definition(a: &[i64], g: u64) -> Vec<i64> {
        let n = a.len();
        let mut out = vec![0; n];
        for (k, &c) in a.iter().enumerate() {
            let e = (k as u64 * g % (2 * n as u64)) as usize;
            if e < n { out[e] += c } else { out[e - n] -= c }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn evaluations_permute_as_coefficients_move(seed: u64, log_n in 3u32..10, r in -600i64..600) {
            let n = 1usize << log_n;
            let ring = Ring::try_new(n, &oracle::primes(n, 40, 3), &[]).expect("ring");
            let coefficients: Vec<i64> = (0..n as u64)
                .map(|i| (seed.wrapping_mul(2 * i + 1) >> 20) as i64 - (1 << 43))
                .collect();
            let a = Poly::<Coeff>::from_i64(&ring, 3, &coefficients).into_ntt(&ring);
            for g in [GaloisElement::rotation(n, r), GaloisElement::conjugation(n)] {
                let expected = Poly::<Coeff>::from_i64(&ring, 3, &by_definition(&coefficients, g.value()));
                let moved = a.automorphism(g, &ring);
                prop_assert_eq!(&moved.clone().into_coeff(&ring), &expected);
                prop_assert_eq!(&moved.automorphism(g.inverse(), &ring), &a);
            }
        }
    }

    #[test]
    fn rotations_compose_and_invert() {
        let n = 1 << 12;
        for r in [0, 1, 5, 1000, 2047] {
            let g = GaloisElement::rotation(n, r);
            assert_eq!(g.inverse(), GaloisElement::rotation(n, -r));
            assert_eq!(g.is_identity(), r == 0);
            assert_eq!(g.value() * g.inverse().value() % (2 * n as u64), 1);
        }
        let c = GaloisElement::conjugation(n);
        assert_eq!(c.inverse(), c);
    }
}
