//! The pipeline of a product with gadget vectors: convert, transform, multiply, divide, row by row.
//!
//! A tile of a few rows is converted at once, so that the sources of a conversion are read once for all of them. Every
//! row of the tile is then transformed for all digits, and for the remainders of a division, by one reading of the
//! twiddle factors; what follows runs on blocks of columns that stay in the first-level cache.

use std::ops::Range;

use super::{Digits, ExpandedDigits, Then};
use crate::par::{TILE, for_each_tile_pair};
use crate::{Ntt, Poly, PolyQp, Ring};

/// Most rows of extended digits that one tile holds at a time.
const SCRATCH_ROWS: usize = 24;

/// Columns of one block.
const BLOCK: usize = 1 << 11;

/// Digits that can be had in evaluations, row by row.
pub(super) trait DigitRows: Sync {
    /// Number of digits.
    fn count(&self) -> usize;
    /// Number of primes of Q.
    fn limbs(&self) -> usize;
    /// Rows of scratch that one row of a tile needs.
    fn scratch(&self) -> usize;
    /// Converts all digits to the rows of a tile: digit `d` modulo row `t` into `scratch[d · tile + t]`.
    fn convert(&self, ring: &Ring, rows: &[usize], scratch: &mut [u64]);
    /// Row `r = rows[t]` of all digits, in evaluations. Transforms `others` modulo the same prime, too.
    fn transform<'s>(
        &'s self,
        ring: &Ring,
        rows: &[usize],
        t: usize,
        scratch: &'s mut [u64],
        others: &mut [&mut [u64]],
    ) -> Vec<&'s [u64]>;
}

impl DigitRows for Digits<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn limbs(&self) -> usize {
        self.limbs
    }

    fn scratch(&self) -> usize {
        self.len()
    }

    fn convert(&self, ring: &Ring, rows: &[usize], scratch: &mut [u64]) {
        let tiles = scratch.chunks_exact_mut(rows.len() * ring.n());
        for (digit, scratch) in self.digits.iter().zip(tiles) {
            digit.convert(ring, self.limbs, rows, scratch);
        }
    }

    fn transform<'s>(
        &'s self,
        ring: &Ring,
        rows: &[usize],
        t: usize,
        scratch: &'s mut [u64],
        others: &mut [&mut [u64]],
    ) -> Vec<&'s [u64]> {
        let (n, r) = (ring.n(), rows[t]);
        let mut slots: Vec<&mut [u64]> = scratch
            .chunks_exact_mut(rows.len() * n)
            .map(|tile| &mut tile[t * n..(t + 1) * n])
            .collect();
        let owner = self.digits.iter().position(|d| d.owns(r, self.limbs));
        let mut work: Vec<&mut [u64]> = slots
            .iter_mut()
            .enumerate()
            .filter(|(d, _)| owner != Some(*d))
            .map(|(_, slot)| &mut **slot)
            .chain(others.iter_mut().map(|row| &mut **row))
            .collect();
        ring.table(ring.qp_index(self.limbs, r))
            .forward_many(&mut work);
        slots
            .into_iter()
            .enumerate()
            .map(|(d, slot)| {
                if owner == Some(d) {
                    if let Some(row) = self.source.stored(r) {
                        return row;
                    }
                    self.source.fill(ring, r, 0, slot);
                }
                &*slot
            })
            .collect()
    }
}

impl DigitRows for ExpandedDigits {
    fn count(&self) -> usize {
        self.digits.len()
    }

    fn limbs(&self) -> usize {
        self.limbs
    }

    fn scratch(&self) -> usize {
        0
    }

    fn convert(&self, _: &Ring, _: &[usize], _: &mut [u64]) {}

    fn transform<'s>(
        &'s self,
        ring: &Ring,
        rows: &[usize],
        t: usize,
        _: &'s mut [u64],
        others: &mut [&mut [u64]],
    ) -> Vec<&'s [u64]> {
        if !others.is_empty() {
            ring.table(ring.qp_index(self.limbs, rows[t]))
                .forward_many(others);
        }
        self.digits.iter().map(|digit| digit.row(rows[t])).collect()
    }
}

/// Row `r` of the digits and of both gadget vectors.
struct Factors<'a> {
    r: usize,
    left: Vec<&'a [u64]>,
    right: [Vec<&'a [u64]>; 2],
}

impl<'a> Factors<'a> {
    fn new(r: usize, left: Vec<&'a [u64]>, vectors: [&'a [PolyQp<Ntt>]; 2], limbs: usize) -> Self {
        let count = left.len();
        let right = vectors
            .map(|v| -> Vec<&[u64]> { v[..count].iter().map(|p| p.row_for(limbs, r)).collect() });
        Factors { r, left, right }
    }

    /// Both inner products in the given columns.
    fn multiply(&self, ring: &Ring, limbs: usize, columns: Range<usize>, out: [&mut [u64]; 2]) {
        let table = ring.table(ring.qp_index(limbs, self.r));
        let cut = |rows: &[&'a [u64]]| -> Vec<&'a [u64]> {
            rows.iter().map(|row| &row[columns.clone()]).collect()
        };
        let [b, a] = [cut(&self.right[0]), cut(&self.right[1])];
        table
            .kernels()
            .inner_product_pair(table.modulus(), out, &cut(&self.left), [&b, &a], None);
    }
}

/// Rows of a tile, so that the scratch stays bounded.
fn tile_of<D: DigitRows>(digits: &D) -> usize {
    (SCRATCH_ROWS / digits.scratch().max(1)).clamp(1, TILE)
}

fn check_vectors<D: DigitRows>(digits: &D, vectors: [&[PolyQp<Ntt>]; 2]) {
    for v in vectors {
        assert!(v.len() >= digits.count(), "a gadget vector has all digits");
        assert!(
            v.iter().all(|p| p.limbs() >= digits.limbs()),
            "a gadget vector has all limbs"
        );
    }
}

fn blocks(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(BLOCK).map(move |c| c..n.min(c + BLOCK))
}

pub(super) fn inner_product<D: DigitRows>(
    digits: &D,
    vectors: [&[PolyQp<Ntt>]; 2],
    ring: &Ring,
) -> [PolyQp<Ntt>; 2] {
    check_vectors(digits, vectors);
    let (n, limbs) = (ring.n(), digits.limbs());
    let mut out = [PolyQp::unfilled(ring, limbs), PolyQp::unfilled(ring, limbs)];
    let [out_b, out_a] = &mut out;
    for_each_tile_pair(
        &mut out_b.rows,
        &mut out_a.rows,
        n,
        tile_of(digits),
        |first, x, y| {
            let rows: Vec<usize> = (first..first + x.len() / n).collect();
            let mut scratch = ring.pool().unfilled(digits.scratch() * rows.len() * n);
            digits.convert(ring, &rows, &mut scratch);
            for (t, &r) in rows.iter().enumerate() {
                let left = digits.transform(ring, &rows, t, &mut scratch, &mut []);
                let factors = Factors::new(r, left, vectors, limbs);
                let row = t * n..(t + 1) * n;
                factors.multiply(ring, limbs, 0..n, [&mut x[row.clone()], &mut y[row]]);
            }
        },
    );
    out
}

/// `(sum_d D_d b_d + P x, sum_d D_d a_d + P y)`, divided: what all tiles of a product share.
struct Product<'a, D> {
    digits: &'a D,
    then: &'a Then<'a>,
    ring: &'a Ring,
}

impl<D: DigitRows> Product<'_, D> {
    /// Both sums of one row in the given columns; `spare` has as many words.
    fn sums(
        &self,
        factors: &Factors<'_>,
        columns: Range<usize>,
        [x, y]: [&mut [u64]; 2],
        spare: &mut [u64],
    ) {
        let (ring, limbs, r) = (self.ring, self.digits.limbs(), factors.r);
        factors.multiply(ring, limbs, columns.clone(), [&mut *x, &mut *y]);
        if r >= limbs {
            return;
        }
        let table = ring.table(r);
        for (plus, sum) in self.then.plus.iter().zip([x, y]) {
            let Some(plus) = plus else { continue };
            let row = match plus.stored(r) {
                Some(row) => &row[columns.clone()],
                None => {
                    plus.fill(ring, r, columns.start, spare);
                    &*spare
                }
            };
            let p = ring.special_product(r);
            table.kernels().mul_scalar_acc(table.modulus(), sum, row, p);
        }
    }
}

pub(super) fn product_divided<D: DigitRows>(
    digits: &D,
    vectors: [&[PolyQp<Ntt>]; 2],
    then: &Then<'_>,
    ring: &Ring,
) -> [Poly<Ntt>; 2] {
    check_vectors(digits, vectors);
    let (n, limbs) = (ring.n(), digits.limbs());
    for x in then.plus.iter().flatten() {
        assert_eq!(x.limbs(), limbs, "operands have the same limbs");
    }
    let product = Product { digits, then, ring };
    let division = ring.division(limbs, then.drop, true);
    let permutation = then.automorphism.map(|g| ring.permutation(g));
    let width = BLOCK.min(n);

    // The primes divided out: q_(l - drop + 1) .. q_l, then P.
    let mut divided = [(); 2].map(|()| ring.pool().unfilled(division.divided() * n));
    let [divided0, divided1] = &mut divided;
    for_each_tile_pair(divided0, divided1, n, tile_of(digits), |first, x, y| {
        let start = division.kept() + first;
        let rows: Vec<usize> = (start..start + x.len() / n).collect();
        let mut scratch = ring.pool().unfilled(digits.scratch() * rows.len() * n);
        let mut spare = ring.pool().unfilled(width);
        digits.convert(ring, &rows, &mut scratch);
        for (t, &r) in rows.iter().enumerate() {
            let left = digits.transform(ring, &rows, t, &mut scratch, &mut []);
            let factors = Factors::new(r, left, vectors, limbs);
            let (x, y) = (&mut x[t * n..(t + 1) * n], &mut y[t * n..(t + 1) * n]);
            for columns in blocks(n) {
                let out = [&mut x[columns.clone()], &mut y[columns.clone()]];
                product.sums(&factors, columns, out, &mut spare);
            }
            ring.table(ring.qp_index(limbs, r))
                .inverse_many(&mut [x, y]);
        }
    });
    let prepared = divided.each_ref().map(|rows| division.prepare(ring, rows));
    drop(divided);

    let kept = division.kept();
    let mut out = [Poly::unfilled(ring, kept), Poly::unfilled(ring, kept)];
    let [out_b, out_a] = &mut out;
    for_each_tile_pair(
        out_b.rows_mut(),
        out_a.rows_mut(),
        n,
        tile_of(digits),
        |first, x, y| {
            let rows: Vec<usize> = (first..first + x.len() / n).collect();
            let mut scratch = ring.pool().unfilled(digits.scratch() * rows.len() * n);
            let mut spare = ring.pool().unfilled(3 * width);
            let mut moved = ring
                .pool()
                .unfilled(permutation.as_ref().map_or(0, |_| 2 * n));
            division.remainders(ring, &prepared[0], first, x);
            division.remainders(ring, &prepared[1], first, y);
            digits.convert(ring, &rows, &mut scratch);
            for (t, &r) in rows.iter().enumerate() {
                let (x, y) = (&mut x[t * n..(t + 1) * n], &mut y[t * n..(t + 1) * n]);
                let mut remainders = [&mut *x, &mut *y];
                let left = digits.transform(ring, &rows, t, &mut scratch, &mut remainders);
                let factors = Factors::new(r, left, vectors, limbs);
                for columns in blocks(n) {
                    let (sums, spare) = spare.split_at_mut(2 * width);
                    let (sum_x, sum_y) = sums.split_at_mut(width);
                    product.sums(&factors, columns.clone(), [sum_x, sum_y], spare);
                    division.divide(ring, r, &mut x[columns.clone()], sum_x);
                    division.divide(ring, r, &mut y[columns], sum_y);
                }
                if let Some(permutation) = &permutation {
                    let kernels = ring.table(r).kernels();
                    for (row, moved) in [x, y].into_iter().zip(moved.chunks_exact_mut(n)) {
                        moved.copy_from_slice(row);
                        kernels.permute(row, moved, permutation);
                    }
                }
            }
        },
    );
    out
}
