//! Gadget decomposition in the residue number system and products with gadget vectors.
//!
//! The limbs of a polynomial are cut into digits of K consecutive primes (K = number of special primes; the last digit may
//! be shorter), or of more where these are so small that their product stays below that of the special primes. Digit `d` is the polynomial `D_d = [a]` modulo the primes of the digit,
//! centred, extended to all of Q and P. With a gadget vector whose entry `d` is `P g_d m` plus noise, where `g_d` is 1
//! modulo the primes of digit `d` and 0 modulo the others, `sum D_d · entry_d = P a m + small`
//! (Han, Ki, "Better Bootstrapping for Approximate Homomorphic Encryption", CT-RSA 2020).

use std::ops::Range;
use std::sync::Arc;

use crate::extend::{Conversion, Prepared};
use crate::lazy::Lazy;
use crate::par::{Work, for_each_limb, for_each_tile};
use crate::{GaloisElement, Ntt, Poly, PolyQp, Ring};

use product::{inner_product, products_divided};

pub use product::Factor;
pub use vector::{GadgetVector, Storage, expand_row};
pub(crate) use vector::{VectorRow, blocks};

mod product;
mod vector;

/// The digit ranges of a polynomial of `limbs` limbs.
pub fn digit_ranges(ring: &Ring, limbs: usize) -> impl Iterator<Item = Range<usize>> {
    let digits = ring.digits().iter();
    digits
        .take_while(move |d| d.start < limbs)
        .map(move |d| d.start..d.end.min(limbs))
}

/// Number of digits of a polynomial of `limbs` limbs.
#[must_use]
pub fn digit_count(ring: &Ring, limbs: usize) -> usize {
    ring.digits().partition_point(|d| d.start < limbs)
}

/// A polynomial cut into digits, ready to be extended row by row.
pub struct Digits<'a> {
    source: Lazy<'a>,
    limbs: usize,
    digits: Vec<Digit>,
}

struct Digit {
    range: Range<usize>,
    conversion: Arc<Conversion>,
    prepared: Prepared,
}

impl<'a> Digits<'a> {
    /// Cuts a polynomial into digits. One inverse transform per limb.
    ///
    /// # Panics
    /// If the ring has no special primes.
    #[must_use]
    pub fn new(source: impl Into<Lazy<'a>>, ring: &Ring) -> Digits<'a> {
        assert!(ring.p_len() > 0, "a decomposition needs special primes");
        let source = source.into();
        let (n, limbs) = (ring.n(), source.limbs());
        let mut rows = ring.pool().unfilled(limbs * n);
        for_each_limb(&mut rows, n, Work::Heavy, |i, row| {
            source.fill(ring, i, 0, row);
            ring.table(i).inverse(row);
        });
        let digits = digit_ranges(ring, limbs)
            .map(|range| {
                let conversion = ring.conversion(range.start, range.len());
                let coefficients = &rows[range.start * n..range.end * n];
                let x: Vec<&[u64]> = coefficients.chunks_exact(n).collect();
                Digit {
                    prepared: conversion.prepare(ring, &x),
                    range,
                    conversion,
                }
            })
            .collect();
        Digits {
            source,
            limbs,
            digits,
        }
    }

    /// Number of digits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.digits.len()
    }

    /// Whether there is no digit (never).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    /// `(sum_d D_d b_d, sum_d D_d a_d)` in R_QP for a gadget vector, which may have more limbs
    /// and more digits than needed.
    ///
    /// Every output row is one pipeline: convert the digits, transform, multiply and accumulate with one
    /// reduction. Cost: `d (l + K) - l` forward transforms and `2 d (l + K)` multiply-adds per coefficient.
    ///
    /// # Panics
    /// If the vector has fewer digits or fewer limbs than the polynomial.
    #[must_use]
    pub fn inner_product(&self, vector: &GadgetVector, ring: &Ring) -> [PolyQp<Ntt>; 2] {
        inner_product(self, vector, ring)
    }

    /// Adds `phi(u + sum_d D_d b_d)` and `phi(sum_d D_d a_d)` to the halves of `total`, over QP, in one pass over the rows: a
    /// giant step of a linear transform, or a term of a sum of rotations, which has no `u`. Cost: as [`Digits::inner_product`], and two permutations.
    ///
    /// # Panics
    /// As [`Digits::inner_product`], and if `u` or `total` have other limbs.
    pub fn add_turned(
        &self,
        vector: &GadgetVector,
        u: Option<&PolyQp<Ntt>>,
        element: GaloisElement,
        total: &mut [PolyQp<Ntt>; 2],
        ring: &Ring,
    ) {
        product::add_turned(self, vector, u, element, total, ring);
    }

    /// `round((sum_d D_d b_d + P x) / (P S))` and the same with `a` and `y`, for `S` the product of
    /// the last `drop` primes, followed by an automorphism: [`Digits::inner_product`], mod-down and
    /// rescaling in one pass over the rows.
    ///
    /// The rows of the primes divided out come first; every other row then goes through the whole pipeline
    /// while it is in cache, and all its transforms share the tables of its prime. Cost: the inner product, and
    /// `2 (K + drop)` inverse and `2 (l - drop)` forward transforms.
    ///
    /// # Panics
    /// If the vector has fewer digits or fewer limbs than the polynomial, `x` or `y` other limbs, or no limb remains.
    #[must_use]
    pub fn product_divided(
        &self,
        vector: &GadgetVector,
        then: Then<'_>,
        ring: &Ring,
    ) -> [Poly<Ntt>; 2] {
        let [quotients] = products_divided(self, &[Factor { vector, then }], ring)
            .try_into()
            .expect("one product has one pair of quotients");
        quotients
    }

    /// All digits extended to all rows, in evaluations: what several products share (hoisting; Halevi,
    /// Shoup, "Faster Homomorphic Linear Transformations in HElib", CRYPTO 2018).
    ///
    /// Cost: `d (l + K) - l` forward transforms; memory of `d (l + K)` rows.
    #[must_use]
    pub fn expand(&self, ring: &Ring) -> ExpandedDigits {
        let (n, limbs) = (ring.n(), self.limbs);
        let digits = self
            .digits
            .iter()
            .map(|digit| {
                let mut out = PolyQp::unfilled(ring, limbs);
                for_each_tile(&mut out.rows, n, |first, tile| {
                    let rows: Vec<usize> = (first..first + tile.len() / n).collect();
                    digit.convert(ring, limbs, &rows, tile);
                    for (&r, row) in rows.iter().zip(tile.chunks_exact_mut(n)) {
                        if digit.owns(r, limbs) {
                            self.source.fill(ring, r, 0, row);
                        } else {
                            ring.table(ring.qp_index(limbs, r)).forward(row);
                        }
                    }
                });
                out
            })
            .collect();
        ExpandedDigits { limbs, digits }
    }
}

impl Digit {
    /// Whether row `r` of a polynomial over `limbs` limbs and P is one of the digit's own primes.
    fn owns(&self, r: usize, limbs: usize) -> bool {
        r < limbs && self.range.contains(&r)
    }

    /// Coefficients of the digit modulo the given rows, those of its own primes left out.
    fn convert(&self, ring: &Ring, limbs: usize, rows: &[usize], out: &mut [u64]) {
        let (targets, mut out): (Vec<usize>, Vec<&mut [u64]>) = rows
            .iter()
            .zip(out.chunks_exact_mut(ring.n()))
            .filter(|(r, _)| !self.owns(**r, limbs))
            .map(|(&r, row)| (ring.qp_index(limbs, r), row))
            .unzip();
        self.conversion
            .convert(ring, &self.prepared, &targets, &mut out);
    }
}

/// What happens to a product with gadget vectors after the division by P.
#[derive(Clone, Debug, Default)]
pub struct Then<'a> {
    /// Added to the two quotients, before the automorphism.
    pub plus: [Option<Lazy<'a>>; 2],
    /// The last primes of Q, divided out together with P.
    pub drop: usize,
    /// The automorphism applied at the end.
    pub automorphism: Option<GaloisElement>,
}

/// The digits of a polynomial, extended to all rows, in evaluations.
pub struct ExpandedDigits {
    limbs: usize,
    digits: Vec<PolyQp<Ntt>>,
}

impl ExpandedDigits {
    /// Number of primes of Q of the decomposed polynomial.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.limbs
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &[PolyQp<Ntt>] {
        &self.digits
    }

    /// `(sum_d D_d b_d, sum_d D_d a_d)` in R_QP; no transform. See [`Digits::inner_product`].
    ///
    /// # Panics
    /// If the vector has fewer digits or fewer limbs than the polynomial.
    #[must_use]
    pub fn inner_product(&self, vector: &GadgetVector, ring: &Ring) -> [PolyQp<Ntt>; 2] {
        inner_product(self, vector, ring)
    }

    /// See [`Digits::add_turned`]; no transform.
    ///
    /// # Panics
    /// As [`Digits::add_turned`].
    pub fn add_turned(
        &self,
        vector: &GadgetVector,
        u: Option<&PolyQp<Ntt>>,
        element: GaloisElement,
        total: &mut [PolyQp<Ntt>; 2],
        ring: &Ring,
    ) {
        product::add_turned(self, vector, u, element, total, ring);
    }

    /// The quotients of several products, each as [`Digits::product_divided`] without the transforms of the digits.
    ///
    /// Tile by tile all products are formed while the digits are at hand. Memory beyond the quotients:
    /// `2 (K + drop + 1)` rows for each product.
    ///
    /// # Panics
    /// As [`Digits::product_divided`], and if the products are divided by different primes.
    #[must_use]
    pub fn products_divided(&self, factors: &[Factor<'_>], ring: &Ring) -> Vec<[Poly<Ntt>; 2]> {
        products_divided(self, factors, ring)
    }
}

#[cfg(test)]
mod tests {
    use dashu_int::IBig;
    use proptest::prelude::*;

    use super::*;
    use crate::oracle;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn digits_are_centred_residues(seed: u64, limbs in 1usize..8, special in 1usize..4) {
            let n = 16;
            let primes = oracle::primes(n, 45, 7 + special);
            let (q, p) = primes.split_at(7);
            let ring = Ring::try_new(n, q, p).expect("ring");
            let coefficients = oracle::random_coeff(&ring, limbs, seed);
            let a = coefficients.clone().into_ntt(&ring);
            let digits = Digits::new(&a, &ring).expand(&ring);
            prop_assert_eq!(digits.digits().len(), digit_count(&ring, limbs));
            for (digit, range) in digits.digits().iter().zip(digit_ranges(&ring, limbs)) {
                let values = oracle::lift_qp(&digit.clone().into_coeff(&ring), &ring);
                let modulus = oracle::product(&q[range.clone()]);
                let bound = IBig::from(modulus.clone());
                for (c, value) in values.iter().enumerate() {
                    let twice = value * IBig::from(2);
                    prop_assert!(twice <= &bound + IBig::ONE && -twice <= &bound + IBig::ONE);
                    for i in range.clone() {
                        prop_assert_eq!(oracle::residue(value, q[i]), coefficients.row(i)[c]);
                    }
                }
            }
        }

        #[test]
        fn digits_of_small_primes_are_centred_residues(seed: u64, limbs in 1usize..12, special in 1usize..4) {
            let n = 16;
            let (large, small) = (oracle::primes(n, 46, 3 + special), oracle::primes(n, 27, 9));
            let (p, large) = large.split_at(special);
            let q: Vec<u64> = large.iter().chain(&small).copied().collect();
            let ring = Ring::try_new(n, &q, p).expect("ring");
            let coefficients = oracle::random_coeff(&ring, limbs, seed);
            let digits = {
                let a = coefficients.clone().into_ntt(&ring);
                Digits::new(&a, &ring).expand(&ring)
            };
            prop_assert_eq!(digits.digits().len(), digit_count(&ring, limbs));
            for (digit, range) in digits.digits().iter().zip(digit_ranges(&ring, limbs)) {
                let values = oracle::lift_qp(&digit.clone().into_coeff(&ring), &ring);
                for (c, value) in values.iter().enumerate() {
                    for i in range.clone() {
                        prop_assert_eq!(oracle::residue(value, q[i]), coefficients.row(i)[c]);
                    }
                }
            }
        }

        #[test]
        fn products_are_sums_over_digits(seed: u64, limbs in 1usize..12, spare in 0usize..3, special in 1usize..4) {
            // From one digit to as many as there are limbs.
            let n = 16;
            let primes = oracle::primes(n, 46, 14 + special);
            let (q, p) = primes.split_at(14);
            let ring = Ring::try_new(n, q, p).expect("ring");
            let a = oracle::random_coeff(&ring, limbs, seed).into_ntt(&ring);
            let left: Vec<PolyQp<Ntt>> = (0..limbs as u64 + 1)
                .map(|d| oracle::random_qp(&ring, limbs + spare, seed ^ (1000 + d)).with_domain())
                .collect();
            let public = std::array::from_fn(|i| seed as u8 ^ i as u8);
            let [vector, expanded_vector] = [Storage::Seeded, Storage::Expanded]
                .map(|storage| GadgetVector::new(&ring, public, left.clone(), storage));
            prop_assert_eq!(2 * vector.bytes(), expanded_vector.bytes());
            let right = vector.expanded(&ring);
            let digits = Digits::new(&a, &ring);
            let expanded = digits.expand(&ring);
            let mut expected = [PolyQp::zero(&ring, limbs), PolyQp::zero(&ring, limbs)];
            for (d, digit) in expanded.digits().iter().enumerate() {
                for (sum, vector) in expected.iter_mut().zip([&left, &right]) {
                    let mut term = digit.clone();
                    term.mul_assign(&vector[d].truncated(limbs, &ring), &ring);
                    sum.add_assign(&term, &ring);
                }
            }
            for vector in [&vector, &expanded_vector] {
                prop_assert_eq!(&digits.inner_product(vector, &ring), &expected);
                prop_assert_eq!(&expanded.inner_product(vector, &ring), &expected);
                let random = |k: u64| oracle::random_qp(&ring, limbs, !seed ^ k).with_domain();
                let (u, start) = (random(0), [random(1), random(2)]);
                for element in [GaloisElement::rotation(n, 3), GaloisElement::conjugation(n)] {
                    for u in [None, Some(&u)] {
                        let [mut left, right] = expected.clone();
                        u.into_iter().for_each(|u| left.add_assign(u, &ring));
                        let mut wanted = start.clone();
                        for (wanted, x) in wanted.iter_mut().zip([left, right]) {
                            wanted.add_assign(&x.automorphism(element, &ring), &ring);
                        }
                        let (mut a, mut b) = (start.clone(), start.clone());
                        digits.add_turned(vector, u, element, &mut a, &ring);
                        expanded.add_turned(vector, u, element, &mut b, &ring);
                        prop_assert_eq!(&a, &wanted);
                        prop_assert_eq!(&b, &wanted);
                    }
                }
            }
            // the fused pipeline is the sequence of its parts, bit for bit
            let x = oracle::random_coeff(&ring, limbs, seed ^ 3).into_ntt(&ring);
            let g = GaloisElement::rotation(n, 3);
            let mut with_x = expected.clone();
            with_x[0].add_p_times_assign(&x, &ring);
            for drop in 0..limbs.min(3) {
                for (plus, sums) in [([None, None], &expected), ([Some(Lazy::from(&x)), None], &with_x)] {
                    let parts = [0, 1].map(|half| sums[half].mod_down_rescaled(drop, &ring));
                    let then = Then { plus: plus.clone(), drop, automorphism: None };
                    prop_assert_eq!(&digits.product_divided(&vector, then.clone(), &ring), &parts);
                    let then = Then { automorphism: Some(g), ..then };
                    let moved = parts.each_ref().map(|p| p.automorphism(g, &ring));
                    let factors = [
                        Factor { vector: &vector, then },
                        Factor {
                            vector: &expanded_vector,
                            then: Then { plus: plus.clone(), drop, automorphism: None },
                        },
                    ];
                    let both = expanded.products_divided(&factors, &ring);
                    prop_assert_eq!(&both[..], &[moved, parts][..]);
                }
            }
        }
    }
}
