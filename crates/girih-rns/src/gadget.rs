//! Gadget decomposition in the residue number system and products with gadget vectors.
//!
//! The limbs of a polynomial are cut into digits of K consecutive primes (K = number of special
//! primes; the last digit may be shorter). Digit `d` is the polynomial `D_d = [a]` modulo the primes of the digit,
//! centred, extended to all of Q and P. With a gadget vector whose entry `d` is `P g_d m` plus noise, where `g_d` is 1
//! modulo the primes of digit `d` and 0 modulo the others, `sum D_d · entry_d = P a m + small`
//! (Han, Ki, "Better Bootstrapping for Approximate Homomorphic Encryption", CT-RSA 2020).

use std::ops::Range;
use std::sync::Arc;

use crate::extend::{Conversion, Prepared};
use crate::par::{Work, for_each_limb, for_each_tile_pair};
use crate::{Ntt, Poly, PolyQp, Ring};

/// Digits whose extended rows are held at a time per output row: bounds the scratch memory when
/// digits are many, at the price of one more reduction per group.
const DIGIT_GROUP: usize = 8;

/// The digit ranges of a polynomial of `limbs` limbs.
pub fn digit_ranges(ring: &Ring, limbs: usize) -> impl Iterator<Item = Range<usize>> {
    let width = ring.p_len().max(1);
    (0..limbs.div_ceil(width)).map(move |d| d * width..((d + 1) * width).min(limbs))
}

/// Number of digits of a polynomial of `limbs` limbs.
#[must_use]
pub fn digit_count(ring: &Ring, limbs: usize) -> usize {
    limbs.div_ceil(ring.p_len().max(1))
}

/// A polynomial cut into digits, ready to be extended row by row.
pub struct Digits<'a> {
    source: &'a Poly<Ntt>,
    digits: Vec<Digit>,
}

struct Digit {
    range: Range<usize>,
    conversion: Arc<Conversion>,
    prepared: Prepared,
}

impl<'a> Digits<'a> {
    /// Cuts `a` into digits. One inverse transform per limb.
    ///
    /// # Panics
    /// If the ring has no special primes.
    #[must_use]
    pub fn new(a: &'a Poly<Ntt>, ring: &Ring) -> Digits<'a> {
        assert!(ring.p_len() > 0, "a decomposition needs special primes");
        let n = ring.n();
        let digits = digit_ranges(ring, a.limbs())
            .map(|range| {
                let conversion = ring.conversion(range.start, range.len());
                let mut prepared = conversion.room(ring);
                for_each_limb(prepared.source_rows_mut(), n, Work::Heavy, |i, row| {
                    row.copy_from_slice(a.row(range.start + i));
                    ring.table(range.start + i).inverse(row);
                    conversion.scale_row(ring, i, row);
                });
                conversion.finish(ring, &mut prepared);
                Digit {
                    range,
                    conversion,
                    prepared,
                }
            })
            .collect();
        Digits { source: a, digits }
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

    /// `(sum_d D_d b_d, sum_d D_d a_d)` in R_QP for two gadget vectors, which may have more limbs
    /// and more digits than needed.
    ///
    /// Every output row is one pipeline: convert the digits, transform, multiply and accumulate with one
    /// reduction. Cost: `d (l + K) - l` forward transforms and `2 d (l + K)` multiply-adds per coefficient.
    ///
    /// # Panics
    /// If a vector has fewer digits or fewer limbs than the polynomial.
    #[must_use]
    pub fn inner_product(
        &self,
        b: &[PolyQp<Ntt>],
        a: &[PolyQp<Ntt>],
        ring: &Ring,
    ) -> [PolyQp<Ntt>; 2] {
        let (n, limbs) = (ring.n(), self.source.limbs());
        assert!(
            a.len() >= self.len() && b.len() >= self.len(),
            "a gadget vector has all digits"
        );
        let mut out = [PolyQp::unfilled(ring, limbs), PolyQp::unfilled(ring, limbs)];
        let [out_b, out_a] = &mut out;
        for_each_tile_pair(
            &mut out_b.rows,
            &mut out_a.rows,
            n,
            |first, tile_b, tile_a| {
                let rows: Vec<usize> = (first..first + tile_b.len() / n).collect();
                let mut scratch = ring
                    .pool()
                    .unfilled(rows.len() * DIGIT_GROUP.min(self.len()) * n);
                for (group, digits) in self.digits.chunks(DIGIT_GROUP).enumerate() {
                    let offset = group * DIGIT_GROUP;
                    self.extend_group(ring, digits, &rows, &mut scratch);
                    for (t, &r) in rows.iter().enumerate() {
                        let left: Vec<&[u64]> = digits
                            .iter()
                            .enumerate()
                            .map(|(d, digit)| match digit.range.contains(&r) && r < limbs {
                                true => self.source.row(r),
                                false => row_of(&scratch, n, d * rows.len() + t),
                            })
                            .collect();
                        let right_b: Vec<&[u64]> = b[offset..offset + digits.len()]
                            .iter()
                            .map(|p| p.row_for(limbs, r))
                            .collect();
                        let right_a: Vec<&[u64]> = a[offset..offset + digits.len()]
                            .iter()
                            .map(|p| p.row_for(limbs, r))
                            .collect();
                        let outs = [
                            &mut tile_b[t * n..(t + 1) * n],
                            &mut tile_a[t * n..(t + 1) * n],
                        ];
                        let table = ring.table(ring.qp_index(limbs, r));
                        let (kernels, q) = (table.kernels(), table.modulus());
                        if group == 0 {
                            kernels.inner_product_pair(q, outs, &left, [&right_b, &right_a], None);
                        } else {
                            kernels.inner_product_pair_acc(
                                q,
                                outs,
                                &left,
                                [&right_b, &right_a],
                                None,
                            );
                        }
                    }
                }
            },
        );
        out
    }

    /// Extends the digits of a group to the rows of a tile: `scratch[d · rows + t]` receives the
    /// evaluations of digit `d` modulo row `t`, unless the row is the digit's own.
    fn extend_group(&self, ring: &Ring, digits: &[Digit], rows: &[usize], scratch: &mut [u64]) {
        let (n, limbs) = (ring.n(), self.source.limbs());
        for (digit, scratch) in digits.iter().zip(scratch.chunks_exact_mut(rows.len() * n)) {
            let own = |r: usize| r < limbs && digit.range.contains(&r);
            let (targets, mut out): (Vec<usize>, Vec<&mut [u64]>) = rows
                .iter()
                .zip(scratch.chunks_exact_mut(n))
                .filter(|(r, _)| !own(**r))
                .map(|(&r, row)| (ring.qp_index(limbs, r), row))
                .unzip();
            digit
                .conversion
                .convert(ring, &digit.prepared, &targets, &mut out);
            for (&t, row) in targets.iter().zip(out) {
                ring.table(t).forward(row);
            }
        }
    }

    /// All digits extended to all rows, in evaluations: what several products share (hoisting; Halevi,
    /// Shoup, "Faster Homomorphic Linear Transformations in HElib", CRYPTO 2018).
    ///
    /// Cost: `d (l + K) - l` forward transforms; memory of `d (l + K)` rows.
    #[must_use]
    pub fn expand(&self, ring: &Ring) -> ExpandedDigits {
        let (n, limbs) = (ring.n(), self.source.limbs());
        let digits = self
            .digits
            .iter()
            .map(|digit| {
                let mut out = PolyQp::unfilled(ring, limbs);
                crate::par::for_each_tile(&mut out.rows, n, |first, tile| {
                    let rows: Vec<usize> = (first..first + tile.len() / n).collect();
                    self.extend_group(ring, std::slice::from_ref(digit), &rows, tile);
                    for (r, row) in rows.iter().zip(tile.chunks_exact_mut(n)) {
                        if *r < limbs && digit.range.contains(r) {
                            row.copy_from_slice(self.source.row(*r));
                        }
                    }
                });
                out
            })
            .collect();
        ExpandedDigits { limbs, digits }
    }
}

fn row_of(rows: &[u64], n: usize, i: usize) -> &[u64] {
    &rows[i * n..(i + 1) * n]
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
    /// If a vector has fewer digits or fewer limbs than the polynomial.
    #[must_use]
    pub fn inner_product(
        &self,
        b: &[PolyQp<Ntt>],
        a: &[PolyQp<Ntt>],
        ring: &Ring,
    ) -> [PolyQp<Ntt>; 2] {
        let (n, limbs, count) = (ring.n(), self.limbs, self.digits.len());
        assert!(
            a.len() >= count && b.len() >= count,
            "a gadget vector has all digits"
        );
        let mut out = [PolyQp::unfilled(ring, limbs), PolyQp::unfilled(ring, limbs)];
        let [out_b, out_a] = &mut out;
        for_each_tile_pair(
            &mut out_b.rows,
            &mut out_a.rows,
            n,
            |first, tile_b, tile_a| {
                for (t, (row_b, row_a)) in tile_b
                    .chunks_exact_mut(n)
                    .zip(tile_a.chunks_exact_mut(n))
                    .enumerate()
                {
                    let r = first + t;
                    let left: Vec<&[u64]> = self.digits.iter().map(|d| d.row(r)).collect();
                    let right_b: Vec<&[u64]> =
                        b[..count].iter().map(|p| p.row_for(limbs, r)).collect();
                    let right_a: Vec<&[u64]> =
                        a[..count].iter().map(|p| p.row_for(limbs, r)).collect();
                    let table = ring.table(ring.qp_index(limbs, r));
                    table.kernels().inner_product_pair(
                        table.modulus(),
                        [row_b, row_a],
                        &left,
                        [&right_b, &right_a],
                        None,
                    );
                }
            },
        );
        out
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
        fn products_are_sums_over_digits(seed: u64, limbs in 1usize..12, spare in 0usize..3) {
            // One special prime and up to twelve digits: more than one group.
            let n = 16;
            let primes = oracle::primes(n, 46, 15);
            let (q, p) = primes.split_at(14);
            let ring = Ring::try_new(n, q, p).expect("ring");
            let a = oracle::random_coeff(&ring, limbs, seed).into_ntt(&ring);
            let vector = |salt: u64| -> Vec<PolyQp<Ntt>> {
                (0..limbs as u64 + 1)
                    .map(|d| oracle::random_qp(&ring, limbs + spare, seed ^ (salt + d)).with_domain())
                    .collect()
            };
            let (left, right) = (vector(1000), vector(2000));
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
            prop_assert_eq!(&digits.inner_product(&left, &right, &ring), &expected);
            prop_assert_eq!(&expanded.inner_product(&left, &right, &ring), &expected);
        }
    }
}
