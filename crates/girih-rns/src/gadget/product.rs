//! The pipeline of a product with gadget vectors: convert, transform, multiply, divide, row by row.
//!
//! A tile of a few rows is converted at once, so that the sources of a conversion are read once for all of them. Every
//! row of the tile is then transformed for all digits, and for the remainders of a division, by one reading of the
//! twiddle factors; what follows runs on blocks of columns that stay in the first-level cache.

use std::ops::Range;

use girih_ntt::Buf;

use super::{Digits, ExpandedDigits, GadgetVector, Then, VectorRow, blocks};
use crate::extend::Prepared;
use crate::par::{self, TILE, for_each_tile_pair, tile_rows};
use crate::{GaloisElement, Ntt, Poly, PolyQp, Ring};

/// Most rows of extended digits that one tile holds at a time, where the sources of a conversion stay in the caches.
const SHORT_TILE: usize = 9;
/// The same where they do not: a tall tile reads them less often.
const TALL_TILE: usize = 24;
/// Words of a polynomial from which its prepared digits and remainders outgrow a third-level cache of 32 MiB.
const TALL_FROM: usize = 1 << 20;

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

/// Rows of a tile, so that the scratch stays bounded.
fn tile_of<D: DigitRows>(digits: &D, n: usize) -> usize {
    let rows = if digits.limbs() * n < TALL_FROM {
        SHORT_TILE
    } else {
        TALL_TILE
    };
    (rows / digits.scratch().max(1)).clamp(1, TILE)
}

pub(super) fn inner_product<D: DigitRows>(
    digits: &D,
    vector: &GadgetVector,
    ring: &Ring,
) -> [PolyQp<Ntt>; 2] {
    vector.check(digits.count(), digits.limbs());
    let (n, limbs) = (ring.n(), digits.limbs());
    let mut out = [PolyQp::unfilled(ring, limbs), PolyQp::unfilled(ring, limbs)];
    let [out_b, out_a] = &mut out;
    for_each_tile_pair(
        &mut out_b.rows,
        &mut out_a.rows,
        n,
        tile_of(digits, n),
        |first, x, y| {
            let rows: Vec<usize> = (first..first + x.len() / n).collect();
            let mut scratch = ring.pool().unfilled(digits.scratch() * rows.len() * n);
            let mut spare = ring.pool().unfilled(VectorRow::scratch(digits.count(), n));
            digits.convert(ring, &rows, &mut scratch);
            let halves = x.chunks_exact_mut(n).zip(y.chunks_exact_mut(n));
            for ((t, &r), (x, y)) in rows.iter().enumerate().zip(halves) {
                let left = digits.transform(ring, &rows, t, &mut scratch, &mut []);
                let row = vector.row(ring, left.len(), limbs, r);
                for columns in blocks(n) {
                    let out = [&mut x[columns.clone()], &mut y[columns.clone()]];
                    row.multiply(ring, &left, columns, out, &mut spare);
                }
            }
        },
    );
    out
}

/// `(x, y) += phi(u + sum_d D_d b_d, sum_d D_d a_d)`, without `u` if there is none.
pub(super) fn add_turned<D: DigitRows>(
    digits: &D,
    vector: &GadgetVector,
    u: Option<&PolyQp<Ntt>>,
    element: GaloisElement,
    total: &mut [PolyQp<Ntt>; 2],
    ring: &Ring,
) {
    vector.check(digits.count(), digits.limbs());
    let (n, limbs) = (ring.n(), digits.limbs());
    assert!(
        total.iter().chain(u).all(|p| p.limbs() == limbs),
        "all sums have the limbs of the digits"
    );
    let permutation = ring.permutation(element);
    let [x, y] = total;
    let tile = tile_of(digits, n);
    for_each_tile_pair(&mut x.rows, &mut y.rows, n, tile, |first, x, y| {
        let rows: Vec<usize> = (first..first + x.len() / n).collect();
        let mut scratch = ring.pool().unfilled(digits.scratch() * rows.len() * n);
        let mut spare = ring.pool().unfilled(VectorRow::scratch(digits.count(), n));
        let mut products = ring.pool().unfilled(3 * n);
        let (v0, rest) = products.split_at_mut(n);
        let (v1, moved) = rest.split_at_mut(n);
        digits.convert(ring, &rows, &mut scratch);
        let halves = x.chunks_exact_mut(n).zip(y.chunks_exact_mut(n));
        for ((t, &r), (x, y)) in rows.iter().enumerate().zip(halves) {
            let left = digits.transform(ring, &rows, t, &mut scratch, &mut []);
            let row = vector.row(ring, left.len(), limbs, r);
            let table = ring.table(ring.qp_index(limbs, r));
            let (kernels, q) = (table.kernels(), table.modulus());
            for columns in blocks(n) {
                let out = [&mut v0[columns.clone()], &mut v1[columns.clone()]];
                row.multiply(ring, &left, columns.clone(), out, &mut spare);
                if let Some(u) = u {
                    kernels.add_assign(q, &mut v0[columns.clone()], &u.row(r)[columns]);
                }
            }
            for (sum, v) in [(x, &*v0), (y, &*v1)] {
                kernels.permute(moved, v, &permutation);
                kernels.add_assign(q, sum, moved);
            }
        }
    });
}

/// One product with a gadget vector and what follows it.
pub struct Factor<'a> {
    /// The vector.
    pub vector: &'a GadgetVector,
    /// What follows the product.
    pub then: Then<'a>,
}

impl Factor<'_> {
    /// Words of scratch that [`sums`](Factor::sums) needs.
    fn scratch(digits: usize, n: usize) -> usize {
        VectorRow::scratch(digits.max(1), n)
    }

    /// Both sums of row `r` in the given columns.
    fn sums(
        &self,
        ring: &Ring,
        limbs: usize,
        r: usize,
        (left, row): (&[&[u64]], &VectorRow<'_>),
        columns: Range<usize>,
        [x, y]: [&mut [u64]; 2],
        scratch: &mut [u64],
    ) {
        let pair = [&mut *x, &mut *y];
        row.multiply(ring, left, columns.clone(), pair, scratch);
        if r >= limbs {
            return;
        }
        let table = ring.table(r);
        for (plus, sum) in self.then.plus.iter().zip([x, y]) {
            let Some(plus) = plus else { continue };
            let row = match plus.stored(r) {
                Some(row) => &row[columns.clone()],
                None => {
                    let spare = &mut scratch[..columns.len()];
                    plus.fill(ring, r, columns.start, spare);
                    spare
                }
            };
            let p = ring.special_product(r);
            table.kernels().mul_scalar_acc(table.modulus(), sum, row, p);
        }
    }
}

/// Row `r` of both halves of every product, tile by tile: `(first row, [row][product])`.
type Tiles<'a> = Vec<(usize, Vec<Vec<[&'a mut [u64]; 2]>>)>;

fn tiles<'a>(
    halves: impl Iterator<Item = [&'a mut [u64]; 2]>,
    n: usize,
    count: usize,
    most: usize,
) -> Tiles<'a> {
    let mut rows: Vec<Vec<[&mut [u64]; 2]>> = (0..count).map(|_| Vec::new()).collect();
    for [x, y] in halves {
        let pairs = x.chunks_exact_mut(n).zip(y.chunks_exact_mut(n));
        for (row, (x, y)) in rows.iter_mut().zip(pairs) {
            row.push([x, y]);
        }
    }
    let size = tile_rows(count, most);
    let mut tiles = Vec::with_capacity(count.div_ceil(size));
    let mut rows = rows.into_iter();
    for first in (0..count).step_by(size) {
        tiles.push((first, rows.by_ref().take(size).collect()));
    }
    tiles
}

/// The quotients of several products of the same digits, all divided by the same primes.
pub(super) fn products_divided<D: DigitRows>(
    digits: &D,
    factors: &[Factor<'_>],
    ring: &Ring,
) -> Vec<[Poly<Ntt>; 2]> {
    let Some(last) = factors.first().map(|f| f.then.drop) else {
        return Vec::new();
    };
    let (n, limbs) = (ring.n(), digits.limbs());
    assert!(
        factors.len() == 1 || digits.scratch() == 0,
        "digits that are transformed on the way serve one product"
    );
    for factor in factors {
        factor.vector.check(digits.count(), limbs);
        assert_eq!(
            factor.then.drop, last,
            "products are divided by one modulus"
        );
        for x in factor.then.plus.iter().flatten() {
            assert_eq!(x.limbs(), limbs, "operands have the same limbs");
        }
    }
    let division = ring.division(limbs, last, true);
    let permutations: Vec<_> = factors
        .iter()
        .map(|f| f.then.automorphism.map(|g| ring.permutation(g)))
        .collect();
    let spare_words = Factor::scratch(digits.count(), n);
    let width = spare_words / digits.count().max(1);

    // The primes divided out: q_(l - drop + 1) .. q_l, then P.
    let mut divided: Vec<[Buf; 2]> = factors
        .iter()
        .map(|_| [(); 2].map(|()| ring.pool().unfilled(division.divided() * n)))
        .collect();
    let halves = divided.iter_mut().map(|[x, y]| [&mut x[..], &mut y[..]]);
    let work = tiles(halves, n, division.divided(), tile_of(digits, n));
    par::map(work, |(first, mut out)| {
        let start = division.kept() + first;
        let rows: Vec<usize> = (start..start + out.len()).collect();
        let mut scratch = ring.pool().unfilled(digits.scratch() * rows.len() * n);
        let mut spare = ring.pool().unfilled(spare_words);
        digits.convert(ring, &rows, &mut scratch);
        for (t, (&r, out)) in rows.iter().zip(&mut out).enumerate() {
            let left = digits.transform(ring, &rows, t, &mut scratch, &mut []);
            for (factor, [x, y]) in factors.iter().zip(out.iter_mut()) {
                let row = factor.vector.row(ring, left.len(), limbs, r);
                for columns in blocks(n) {
                    let out = [&mut x[columns.clone()], &mut y[columns.clone()]];
                    factor.sums(ring, limbs, r, (&left, &row), columns, out, &mut spare);
                }
            }
            let mut work: Vec<&mut [u64]> = out.iter_mut().flatten().map(|x| &mut **x).collect();
            ring.table(ring.qp_index(limbs, r)).inverse_many(&mut work);
        }
    });
    let prepared: Vec<[Prepared; 2]> = divided
        .iter()
        .map(|rows| rows.each_ref().map(|rows| division.prepare(ring, rows)))
        .collect();
    drop(divided);

    let kept = division.kept();
    let mut quotients: Vec<[Poly<Ntt>; 2]> = factors
        .iter()
        .map(|_| [Poly::unfilled(ring, kept), Poly::unfilled(ring, kept)])
        .collect();
    let halves = quotients
        .iter_mut()
        .map(|[x, y]| [x.rows_mut(), y.rows_mut()]);
    let work = tiles(halves, n, kept, tile_of(digits, n));
    par::map(work, |(first, mut out)| {
        let rows: Vec<usize> = (first..first + out.len()).collect();
        let mut scratch = ring.pool().unfilled(digits.scratch() * rows.len() * n);
        let mut spare = ring.pool().unfilled(2 * width + spare_words);
        let mut moved = ring.pool().unfilled(2 * n);
        digits.convert(ring, &rows, &mut scratch);
        let products = factors.iter().zip(&permutations).zip(&prepared);
        for (j, ((factor, permutation), prepared)) in products.enumerate() {
            for (half, prepared) in prepared.iter().enumerate() {
                let mut remainders: Vec<&mut [u64]> =
                    out.iter_mut().map(|row| &mut *row[j][half]).collect();
                division.remainders(ring, prepared, first, &mut remainders);
            }
            for (t, (&r, out)) in rows.iter().zip(&mut out).enumerate() {
                let [x, y] = &mut out[j];
                let mut halves = [&mut **x, &mut **y];
                let left = digits.transform(ring, &rows, t, &mut scratch, &mut halves);
                let row = factor.vector.row(ring, left.len(), limbs, r);
                for columns in blocks(n) {
                    let (sums, spare) = spare.split_at_mut(2 * width);
                    let (sum_x, sum_y) = sums.split_at_mut(width);
                    let pair = [&mut *sum_x, &mut *sum_y];
                    factor.sums(ring, limbs, r, (&left, &row), columns.clone(), pair, spare);
                    for (half, sum) in [sum_x, sum_y].into_iter().enumerate() {
                        let remainder = &mut halves[half][columns.clone()];
                        match permutation {
                            None => division.divide(ring, r, remainder, sum),
                            Some(_) => {
                                let moved = &mut moved[half * n..(half + 1) * n];
                                let quotient = &mut moved[columns.clone()];
                                division.divide_into(ring, r, quotient, sum, remainder);
                            }
                        }
                    }
                }
                if let Some(permutation) = permutation {
                    let kernels = ring.table(r).kernels();
                    for (row, moved) in halves.into_iter().zip(moved.chunks_exact(n)) {
                        kernels.permute(row, moved, permutation);
                    }
                }
            }
        }
    });
    quotients
}
