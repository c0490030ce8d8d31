//! Gadget vectors: pairs `(b_d, a_d)` over QP, one for every digit, where `a_d` is the expansion of a seed.

use std::ops::Range;

use crate::sample::{Expander, PIECE, Seed, expander};
use crate::{Ntt, PolyQp, Ring};

/// Columns of a block of an inner product: a piece of an expansion, so that it begins anywhere.
pub(crate) const BLOCK: usize = PIECE;

/// How the uniform halves of a gadget vector are kept. Results are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Storage {
    /// As their seed: rows are expanded in cache where they are multiplied.
    #[default]
    Seeded,
    /// As polynomials: twice the memory.
    Expanded,
}

/// The pairs `(b_d, a_d)` over some limbs of Q and all of P, `d` being the digit; `a_d` is uniform, the row of prime `i`
/// being stream `2^32 d + i` of a seed ([`Expander::fill`]).
///
/// A vector of more limbs and digits than a product needs serves it as well.
#[derive(Clone)]
pub struct GadgetVector {
    seed: Seed,
    b: Vec<PolyQp<Ntt>>,
    a: Halves,
}

/// The halves `a_d`.
#[derive(Clone)]
enum Halves {
    Seeded(Box<Expander>),
    Expanded(Vec<PolyQp<Ntt>>),
}

impl GadgetVector {
    /// The vector with the given first halves, whose second halves are those of the seed.
    ///
    /// # Panics
    /// If there is no half, or they differ in limbs.
    #[must_use]
    pub fn new(ring: &Ring, seed: Seed, b: Vec<PolyQp<Ntt>>, storage: Storage) -> GadgetVector {
        let limbs = b.first().expect("a vector has a digit").limbs();
        assert!(
            b.iter().all(|b| b.limbs() == limbs),
            "halves have the same limbs"
        );
        let a = Halves::Seeded(Box::new(expander(&seed)));
        GadgetVector { seed, b, a }.stored(ring, storage)
    }

    /// The same vector kept in another way.
    #[must_use]
    pub fn stored(self, ring: &Ring, storage: Storage) -> GadgetVector {
        let a = match storage {
            Storage::Seeded => Halves::Seeded(Box::new(expander(&self.seed))),
            Storage::Expanded => Halves::Expanded(self.expanded(ring)),
        };
        GadgetVector { a, ..self }
    }

    /// How the uniform halves are kept.
    #[must_use]
    pub fn storage(&self) -> Storage {
        match self.a {
            Halves::Seeded(_) => Storage::Seeded,
            Halves::Expanded(_) => Storage::Expanded,
        }
    }

    /// The seed of the uniform halves.
    #[must_use]
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The halves `b`, one per digit.
    #[must_use]
    pub fn b(&self) -> &[PolyQp<Ntt>] {
        &self.b
    }

    /// The uniform halves, one per digit.
    #[must_use]
    pub fn expanded(&self, ring: &Ring) -> Vec<PolyQp<Ntt>> {
        let expander = match &self.a {
            Halves::Seeded(expander) => expander,
            Halves::Expanded(a) => return a.clone(),
        };
        let half = |(d, b): (usize, &PolyQp<Ntt>)| {
            PolyQp::from_fn(ring, b.limbs(), |index, row| {
                expand_row(expander, ring, d, index, row);
            })
        };
        self.b.iter().enumerate().map(half).collect()
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let halves = match &self.a {
            Halves::Seeded(_) => self.b.len(),
            Halves::Expanded(a) => self.b.len() + a.len(),
        };
        halves * self.b.first().map_or(0, |b| size_of_val(b.rows()))
    }

    /// Checks that the vector serves `digits` digits over `limbs` limbs.
    pub(crate) fn check(&self, digits: usize, limbs: usize) {
        assert!(self.b.len() >= digits, "a gadget vector has all digits");
        assert!(
            self.b.iter().all(|b| b.limbs() >= limbs),
            "a gadget vector has all limbs"
        );
    }

    /// Row `r` of the first `digits` pairs, counted over `limbs` limbs of Q and all of P.
    pub(crate) fn row(&self, ring: &Ring, digits: usize, limbs: usize, r: usize) -> VectorRow<'_> {
        let index = ring.qp_index(limbs, r);
        fn rows(halves: &[PolyQp<Ntt>], limbs: usize, r: usize) -> Vec<&[u64]> {
            halves.iter().map(|p| p.row_for(limbs, r)).collect()
        }
        VectorRow {
            index,
            b: rows(&self.b[..digits], limbs, r),
            a: match &self.a {
                Halves::Seeded(expander) => RowOfA::Seeded(expander),
                Halves::Expanded(a) => RowOfA::Expanded(rows(&a[..digits], limbs, r)),
            },
        }
    }
}

/// The row of prime `index` of the uniform half of digit `digit`.
pub fn expand_row(expander: &Expander, ring: &Ring, digit: usize, index: usize, row: &mut [u64]) {
    let q = ring.modulus(index).value();
    expander.fill(stream(digit, index), 0, q, row);
}

fn stream(digit: usize, index: usize) -> u64 {
    ((digit as u64) << 32) | index as u64
}

/// One row of all pairs of a vector.
pub(crate) struct VectorRow<'a> {
    index: usize,
    b: Vec<&'a [u64]>,
    a: RowOfA<'a>,
}

enum RowOfA<'a> {
    Seeded(&'a Expander),
    Expanded(Vec<&'a [u64]>),
}

impl VectorRow<'_> {
    /// Words of scratch that [`multiply`](VectorRow::multiply) needs for `digits` digits of rows of `n` words.
    pub(crate) fn scratch(digits: usize, n: usize) -> usize {
        digits * BLOCK.min(n)
    }

    /// `(sum left_d b_d, sum left_d a_d)` in the given columns, which begin with a block.
    pub(crate) fn multiply(
        &self,
        ring: &Ring,
        left: &[&[u64]],
        columns: Range<usize>,
        out: [&mut [u64]; 2],
        scratch: &mut [u64],
    ) {
        let table = ring.table(self.index);
        let (kernels, q) = (table.kernels(), table.modulus());
        let b: Vec<&[u64]> = self.b.iter().map(|row| &row[columns.clone()]).collect();
        let left: Vec<&[u64]> = left.iter().map(|row| &row[columns.clone()]).collect();
        let a: Vec<&[u64]> = match &self.a {
            RowOfA::Expanded(a) => a.iter().map(|row| &row[columns.clone()]).collect(),
            RowOfA::Seeded(expander) => {
                let parts = scratch.chunks_exact_mut(columns.len()).take(b.len());
                let expand = |(d, part): (usize, &mut [u64])| {
                    let first = columns.start / PIECE;
                    expander.fill(stream(d, self.index), first, q.value(), part);
                };
                parts.enumerate().for_each(expand);
                scratch.chunks_exact(columns.len()).take(b.len()).collect()
            }
        };
        kernels.inner_product_pair(q, out, &left, [&b, &a], None);
    }
}

/// The blocks of a row of `n` columns.
pub(crate) fn blocks(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(BLOCK).map(move |c| c..n.min(c + BLOCK))
}

impl PartialEq for GadgetVector {
    /// Equality of the pairs, however they are kept.
    fn eq(&self, other: &GadgetVector) -> bool {
        self.seed == other.seed && self.b == other.b
    }
}

impl Eq for GadgetVector {}

impl std::fmt::Debug for GadgetVector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GadgetVector")
            .field("digits", &self.b.len())
            .field("storage", &self.storage())
            .finish_non_exhaustive()
    }
}
