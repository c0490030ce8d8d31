//! The pipeline of a product with gadget vectors: convert, transform, multiply, divide, row by row.

use super::{Digits, ExpandedDigits, Then};
use crate::par::{TILE, for_each_tile_pair};
use crate::{Ntt, Poly, PolyQp, Ring};

/// Most rows of extended digits that one tile holds at a time.
const SCRATCH_ROWS: usize = 24;

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
    /// Row `r = rows[t]` of all digits, in evaluations.
    fn row<'s>(
        &'s self,
        ring: &Ring,
        rows: &[usize],
        t: usize,
        scratch: &'s mut [u64],
    ) -> Vec<&'s [u64]>;
}

impl DigitRows for Digits<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn limbs(&self) -> usize {
        self.source.limbs()
    }

    fn scratch(&self) -> usize {
        self.len()
    }

    fn convert(&self, ring: &Ring, rows: &[usize], scratch: &mut [u64]) {
        let tiles = scratch.chunks_exact_mut(rows.len() * ring.n());
        for (digit, scratch) in self.digits.iter().zip(tiles) {
            digit.convert(ring, self.limbs(), rows, scratch);
        }
    }

    fn row<'s>(
        &'s self,
        ring: &Ring,
        rows: &[usize],
        t: usize,
        scratch: &'s mut [u64],
    ) -> Vec<&'s [u64]> {
        let (n, limbs, r) = (ring.n(), self.limbs(), rows[t]);
        let table = ring.table(ring.qp_index(limbs, r));
        self.digits
            .iter()
            .zip(scratch.chunks_exact_mut(rows.len() * n))
            .map(|(digit, tile)| {
                if digit.owns(r, limbs) {
                    return self.source.row(r);
                }
                let row = &mut tile[t * n..(t + 1) * n];
                table.forward(row);
                &*row
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

    fn row<'s>(&'s self, _: &Ring, rows: &[usize], t: usize, _: &'s mut [u64]) -> Vec<&'s [u64]> {
        self.digits.iter().map(|digit| digit.row(rows[t])).collect()
    }
}

/// `f(t, [b_tile_t, a_tile_t])` with both inner products for every row of a tile.
fn multiply_tile<D: DigitRows>(
    digits: &D,
    vectors: [&[PolyQp<Ntt>]; 2],
    rows: &[usize],
    ring: &Ring,
    mut out: impl FnMut(usize, &mut dyn FnMut([&mut [u64]; 2])),
) {
    let (n, limbs, count) = (ring.n(), digits.limbs(), digits.count());
    let mut scratch = ring.pool().unfilled(digits.scratch() * rows.len() * n);
    digits.convert(ring, rows, &mut scratch);
    for (t, &r) in rows.iter().enumerate() {
        let left = digits.row(ring, rows, t, &mut scratch);
        let [b, a] = vectors
            .map(|v| -> Vec<&[u64]> { v[..count].iter().map(|p| p.row_for(limbs, r)).collect() });
        let table = ring.table(ring.qp_index(limbs, r));
        out(t, &mut |[x, y]| {
            let q = table.modulus();
            table
                .kernels()
                .inner_product_pair(q, [x, y], &left, [&b, &a], None);
        });
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
            multiply_tile(digits, vectors, &rows, ring, |t, product| {
                let range = t * n..(t + 1) * n;
                product([&mut x[range.clone()], &mut y[range]]);
            });
        },
    );
    out
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
    let division = ring.division(limbs, then.drop, true);
    let permutation = then.automorphism.map(|g| ring.permutation(g));
    // Row `r` of P · plus[half], added to `row`.
    let add = |half: usize, r: usize, row: &mut [u64]| {
        if let (Some(x), true) = (then.plus[half], r < limbs) {
            let table = ring.table(r);
            let w = ring.special_product(r);
            table
                .kernels()
                .mul_scalar_acc(table.modulus(), row, x.row(r), w);
        }
    };

    // The primes divided out: q_(l - drop + 1) .. q_l, then P.
    let mut prepared = [division.room(ring), division.room(ring)];
    {
        let [p0, p1] = &mut prepared;
        let (sources0, sources1) = (p0.source_rows_mut(), p1.source_rows_mut());
        for_each_tile_pair(sources0, sources1, n, tile_of(digits), |first, x, y| {
            let start = division.kept() + first;
            let rows: Vec<usize> = (start..start + x.len() / n).collect();
            multiply_tile(digits, vectors, &rows, ring, |t, product| {
                let (x, y) = (&mut x[t * n..(t + 1) * n], &mut y[t * n..(t + 1) * n]);
                product([x, y]);
                for (half, row) in [x, y].into_iter().enumerate() {
                    add(half, rows[t], row);
                    division.load(ring, first + t, row);
                }
            });
        });
    }
    prepared.iter_mut().for_each(|p| division.finish(ring, p));

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
            let mut sums = ring.pool().unfilled(2 * n);
            division.remainders(ring, &prepared[0], first, x);
            division.remainders(ring, &prepared[1], first, y);
            multiply_tile(digits, vectors, &rows, ring, |t, product| {
                let (sum_x, sum_y) = sums.split_at_mut(n);
                product([&mut *sum_x, &mut *sum_y]);
                let (x, y) = (&mut x[t * n..(t + 1) * n], &mut y[t * n..(t + 1) * n]);
                for (half, (row, sum)) in [(x, sum_x), (y, sum_y)].into_iter().enumerate() {
                    let r = rows[t];
                    add(half, r, sum);
                    match &permutation {
                        None => division.divide_row(ring, r, row, sum),
                        Some(permutation) => {
                            division.divide_sum(ring, r, row, sum);
                            ring.table(r).kernels().permute(row, sum, permutation);
                        }
                    }
                }
            });
        },
    );
    out
}
