//! Sums of products with rotated ciphertexts, divided by the special modulus once for each sum: the inner loop of
//! a linear transform with both hoistings (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux, "Efficient Bootstrapping for
//! Approximate Homomorphic Encryption with Non-Sparse Keys", EUROCRYPT 2021, algorithm 6).
//!
//! A baby step is `P` times a rotated ciphertext, over QP: `phi(P c_0 + <D, b>)` and `phi(<D, a>)` for the digits
//! `D` of `c_1` and a switching key `(b, a)`. It is never stored as a whole: row by row, all baby steps are
//! formed, then all sums of their products with plaintexts, block by block in cache. The rows of keys and plaintexts
//! are read once each; memory is that of the sums, and two rows for each baby step and thread.

use std::ops::Range;

use crate::gadget::{VectorRow, blocks};
use crate::par;
use crate::weight::{self, Weight};
use crate::{ExpandedDigits, GadgetVector, GaloisElement, Ntt, Poly, PolyQp, Ring};

/// Words of all baby steps in one block of an inner product: half of a second-level cache of 1 MiB.
const BLOCK_WORDS: usize = 1 << 16;
/// Fewest words of a block: 4 KiB, so that the streams of plaintexts stay long enough for prefetching.
const MIN_BLOCK: usize = 512;
/// Most terms of an inner product before a reduction.
const TERMS: usize = 1024;

/// A ciphertext `(c_0, c_1)` and how it is rotated.
pub struct Baby<'a> {
    /// The ciphertext.
    pub c: [&'a Poly<Ntt>; 2],
    /// The rotation; `None` leaves the ciphertext where it is.
    pub turn: Option<Turn<'a>>,
}

/// A hoisted rotation that has not been divided by P.
pub struct Turn<'a> {
    /// Digits of `c_1`.
    pub digits: &'a ExpandedDigits,
    /// The switching key.
    pub key: &'a GadgetVector,
    /// The automorphism that follows.
    pub element: GaloisElement,
}

impl Baby<'_> {
    fn limbs(&self) -> usize {
        self.c[0].limbs()
    }

    /// Words of scratch that a row needs.
    fn scratch(&self, n: usize) -> usize {
        let digits = self.turn.as_ref().map(|t| t.digits.digits().len());
        digits.map_or(0, |digits| 2 * n + VectorRow::scratch(digits, n))
    }

    /// Row `r` of the baby step into `out`.
    fn row(&self, ring: &Ring, r: usize, out: [&mut [u64]; 2], scratch: &mut [u64]) {
        let limbs = self.limbs();
        let table = ring.table(ring.qp_index(limbs, r));
        let (kernels, q) = (table.kernels(), table.modulus());
        let [out0, out1] = out;
        let Some(turn) = &self.turn else {
            for (out, c) in [out0, out1].into_iter().zip(self.c) {
                if r < limbs {
                    kernels.mul_scalar(q, out, c.row(r), ring.special_product(r));
                } else {
                    out.fill(0);
                }
            }
            return;
        };
        let (u0, scratch) = scratch.split_at_mut(ring.n());
        let (u1, scratch) = scratch.split_at_mut(ring.n());
        let digits: Vec<&[u64]> = turn.digits.digits().iter().map(|d| d.row(r)).collect();
        let row = turn.key.row(ring, digits.len(), limbs, r);
        for columns in blocks(ring.n()) {
            let pair = [&mut u0[columns.clone()], &mut u1[columns.clone()]];
            row.multiply(ring, &digits, columns, pair, scratch);
        }
        if r < limbs {
            kernels.mul_scalar_acc(q, u0, self.c[0].row(r), ring.special_product(r));
        }
        let permutation = ring.permutation(turn.element);
        kernels.permute(out0, u0, &permutation);
        kernels.permute(out1, u1, &permutation);
    }
}

/// Adds `(sum_k p_k x_0, sum_k p_k x_1)` over QP for every list of pairs `(i, p)`, with `(x_0, x_1)` baby step `i`, to its
/// total. A total that is `None` begins; an empty list leaves its total as it is.
///
/// A weight may belong to a [subring](Ring::subring), as a plaintext does whose slots repeat: it is read as it is
/// stored.
///
/// Cost, for every row: `2 d` multiply-adds and two permutations for each baby step that moves, two
/// multiply-adds for each pair; a transform for each pair whose weight is given by coefficients, with scratch for all
/// of them. Rows are independent.
///
/// # Panics
/// If operands differ in limbs, a key has fewer limbs or digits, there are not as many totals as lists, there is no baby step, or a
/// weight belongs to no subring.
pub fn add_weighted_babies(
    babies: &[Baby<'_>],
    sums: &[Vec<(usize, &Weight)>],
    totals: &mut [Option<[PolyQp<Ntt>; 2]>],
    ring: &Ring,
) {
    let limbs = babies.first().expect("a sum has a baby step").limbs();
    assert!(
        babies.iter().all(|b| b.c.iter().all(|c| c.limbs() == limbs)
            && b.turn.as_ref().is_none_or(|t| t.digits.limbs() == limbs)),
        "baby steps have the same limbs"
    );
    let fits = |weight: &Weight| match weight {
        Weight::Evaluations(poly) => poly.limbs() == limbs,
        Weight::Coefficients(_) => true,
    };
    assert!(
        sums.iter().flatten().all(|(_, p)| fits(p)),
        "weights have the limbs of the baby steps"
    );
    assert_eq!(sums.len(), totals.len(), "every sum has a total");
    for turn in babies.iter().filter_map(|b| b.turn.as_ref()) {
        turn.key.check(turn.digits.digits().len(), limbs);
    }
    let n = ring.n();
    let scratch = babies.iter().map(|b| b.scratch(n)).max().unwrap_or(0);
    let begun: Vec<bool> = totals.iter().map(Option::is_some).collect();
    let unfilled = || [(); 2].map(|()| PolyQp::unfilled(ring, limbs));
    // Row r of every sum with terms together.
    let mut rows: Vec<Vec<SumRow<'_>>> = (0..limbs + ring.p_len())
        .map(|_| Vec::with_capacity(sums.len()))
        .collect();
    for (i, (total, terms)) in totals.iter_mut().zip(sums).enumerate() {
        if terms.is_empty() {
            continue;
        }
        let [x, y] = total.get_or_insert_with(unfilled);
        assert_eq!(
            [x.limbs(), y.limbs()],
            [limbs; 2],
            "totals have the limbs of the baby steps"
        );
        let pairs = x.rows.chunks_exact_mut(n).zip(y.rows.chunks_exact_mut(n));
        for (row, (x, y)) in rows.iter_mut().zip(pairs) {
            row.push(SumRow {
                sum: i,
                begun: begun[i],
                out: [x, y],
            });
        }
    }
    par::map(rows.into_iter().enumerate().collect(), |(r, out)| {
        let mut scratch = ring.pool().unfilled(scratch);
        let mut steps = ring.pool().unfilled(2 * babies.len() * n);
        for (baby, pair) in babies.iter().zip(steps.chunks_exact_mut(2 * n)) {
            let (x, y) = pair.split_at_mut(n);
            baby.row(ring, r, [x, y], &mut scratch);
        }
        let index = ring.qp_index(limbs, r);
        let mut evaluated = ring.pool().unfilled(weight::scratch(sums));
        let sums = weight::rows(sums, ring, index, r, &mut evaluated);
        sum_row(ring, index, &steps, &sums, out);
    });
}

/// One row of a sum with terms.
struct SumRow<'a> {
    /// Its number.
    sum: usize,
    /// Whether it is added to.
    begun: bool,
    out: [&'a mut [u64]; 2],
}

/// All sums of one row, block by block.
fn sum_row(
    ring: &Ring,
    prime: usize,
    steps: &[u64],
    sums: &[Vec<(usize, &[u64])>],
    mut out: Vec<SumRow<'_>>,
) {
    let n = ring.n();
    let table = ring.table(prime);
    let (kernels, q) = (table.kernels(), table.modulus());
    let fitting = (BLOCK_WORDS * n / steps.len()).max(MIN_BLOCK);
    let block = (1 << fitting.ilog2()).min(n);
    for start in (0..n).step_by(block) {
        let range = start..start + block;
        for SumRow {
            sum,
            begun,
            out: [x, y],
        } in &mut out
        {
            for (k, terms) in sums[*sum].chunks(TERMS).enumerate() {
                let row = |half: usize| -> Vec<&[u64]> {
                    let at = |i: usize| (2 * i + half) * n;
                    let rows = terms.iter().map(|(i, _)| &steps[at(*i)..at(*i) + n]);
                    rows.map(|row| &row[range.clone()]).collect()
                };
                let weights = terms.iter().map(|(_, row)| runs(row, n, &range));
                let weights: Vec<&[u64]> = weights.collect();
                let (a, b) = (row(0), row(1));
                let out = [&mut x[range.clone()], &mut y[range.clone()]];
                if k == 0 && !*begun {
                    kernels.inner_product_pair(q, out, &weights, [&a, &b], None);
                } else {
                    kernels.inner_product_pair_acc(q, out, &weights, [&a, &b], None);
                }
            }
        }
    }
}

/// The words of a row given by its runs that stand for the columns `range` of `n`: a power of two of them, at a multiple
/// of it.
fn runs<'a>(row: &'a [u64], n: usize, range: &Range<usize>) -> &'a [u64] {
    let run = n / row.len();
    &row[range.start / run..range.end.div_ceil(run)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Coeff, Digits, Storage, oracle};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// The pipeline against its parts, bit for bit, in blocks smaller than a row.
        #[test]
        fn sums_are_those_of_whole_polynomials(seed: u64, limbs in 1usize..6, special in 1usize..4, big in any::<bool>()) {
            let n = if big { 2048 } else { 16 };
            let primes = oracle::primes(n, 46, 7 + special);
            let (q, p) = primes.split_at(7);
            let ring = Ring::try_new(n, q, p).expect("ring");
            let poly = |k: u64| oracle::random_coeff(&ring, limbs, seed ^ k).into_ntt(&ring);
            let qp = |k: u64, limbs| -> PolyQp<Ntt> { oracle::random_qp(&ring, limbs, seed ^ k).with_domain() };
            let c = [[poly(1), poly(2)], [poly(3), poly(4)]];
            let digits = [Digits::new(&c[0][1], &ring).expand(&ring), Digits::new(&c[1][1], &ring).expand(&ring)];
            let key = |k: u64| -> Vec<PolyQp<Ntt>> { (0..limbs as u64).map(|d| qp(k + d, limbs + 1)).collect() };
            let keys: Vec<GadgetVector> = [Storage::Seeded, Storage::Expanded, Storage::Seeded]
                .into_iter()
                .zip(0..)
                .map(|(storage, i)| {
                    let public = std::array::from_fn(|k| seed as u8 ^ i ^ (k as u8) << 2);
                    GadgetVector::new(&ring, public, key(100 * u64::from(i) + 1000), storage)
                })
                .collect();
            let moves = [(0, Some((0, 1))), (1, None), (0, None), (1, Some((1, 1))), (0, Some((2, 5)))];
            let element = |r| GaloisElement::rotation(n, r);
            let babies: Vec<Baby<'_>> = moves
                .iter()
                .map(|&(input, turn)| Baby {
                    c: [&c[input][0], &c[input][1]],
                    turn: turn.map(|(k, r): (usize, i64)| Turn {
                        digits: &digits[input],
                        key: &keys[k],
                        element: element(r),
                    }),
                })
                .collect();
            let expected: Vec<[PolyQp<Ntt>; 2]> = moves
                .iter()
                .map(|&(input, turn)| {
                    let lifted = |half: usize| {
                        let mut x = PolyQp::zero(&ring, limbs);
                        x.add_p_times_assign(&c[input][half], &ring);
                        x
                    };
                    match turn {
                        None => [lifted(0), lifted(1)],
                        Some((k, r)) => {
                            let [mut u0, u1] = digits[input].inner_product(&keys[k], &ring);
                            u0.add_assign(&lifted(0), &ring);
                            [u0, u1].map(|u| u.automorphism(element(r), &ring))
                        }
                    }
                })
                .collect();
            // Two of the four weights belong to subrings, one of them with runs longer than a block.
            let degrees = [n, n / 2, 8, n];
            let integers = degrees.map(|degree| -> Vec<i64> {
                (0..degree as u64).map(|i| (seed ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64).collect()
            });
            let evaluations = |ring: &Ring, x: &[i64]| PolyQp::<Coeff>::secret_from_i64(ring, limbs, x).into_ntt(ring);
            let short = integers.each_ref().map(|x| {
                Weight::Evaluations(evaluations(&ring.subring(x.len()).expect("a degree"), x))
            });
            let kept = integers.each_ref().map(|x| Weight::Coefficients(x.clone()));
            let weights = integers.each_ref().map(|x| {
                let mut spread = vec![0; n];
                spread.iter_mut().step_by(n / x.len()).zip(x).for_each(|(s, &x)| *s = x);
                evaluations(&ring, &spread)
            });
            // more terms than one reduction may have
            let long: Vec<(usize, usize)> = (0..TERMS + 3).map(|k| (k % 5, k % 4)).collect();
            let indices = [vec![(0, 0), (3, 1), (1, 2)], vec![(4, 3)], vec![(2, 1)], long];
            fn of<'a, W>(sums: &[Vec<(usize, usize)>], weights: &'a [W]) -> Vec<Vec<(usize, &'a W)>> {
                sums.iter().map(|terms| terms.iter().map(|&(i, w)| (i, &weights[w])).collect()).collect()
            }
            let sums = of(&indices, &weights);
            let summed = |parts: &[Vec<Vec<(usize, &Weight)>>]| -> Vec<[PolyQp<Ntt>; 2]> {
                let mut totals = vec![None; indices.len()];
                parts.iter().for_each(|sums| add_weighted_babies(&babies, sums, &mut totals, &ring));
                totals.into_iter().map(|t| t.expect("every sum has a term")).collect()
            };
            let got = summed(&[of(&indices, &short)]);
            prop_assert_eq!(&got, &summed(&[of(&indices, &kept)]));
            // the same in two parts, the second of which continues some sums and begins others
            let cut = |part: usize| -> Vec<Vec<(usize, usize)>> {
                let half = |terms: &Vec<(usize, usize)>| terms.iter().skip(part).step_by(2).copied().collect();
                indices.iter().map(half).collect()
            };
            prop_assert_eq!(&got, &summed(&[of(&cut(1), &short), of(&cut(0), &kept)]));
            for (got, terms) in got.iter().zip(&sums) {
                let mut sum = [PolyQp::zero(&ring, limbs), PolyQp::zero(&ring, limbs)];
                for (i, weight) in terms {
                    for (sum, x) in sum.iter_mut().zip(&expected[*i]) {
                        let mut term = x.clone();
                        term.mul_assign(weight, &ring);
                        sum.add_assign(&term, &ring);
                    }
                }
                prop_assert_eq!(got, &sum);
            }
        }
    }
}
