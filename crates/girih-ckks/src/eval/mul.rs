//! Products and their sums.

use girih_he::{Error, Level, Result, State, rules};
use girih_rns::{Lazy, Poly, Then, add_weighted, par};

use super::{Constant, Encodings, Evaluator, Integer, Use, scheme};
use crate::Ciphertext;
use crate::keyswitch::{Pair, switch};

/// Words of the constants that a sum of products encodes at a time, where they are not kept: 4 MiB, and as much for
/// the rows that a thread evaluates. That is 16 constants at N = 2^15: enough for two threads, and sums are rarely read again.
const STREAMED_WORDS: usize = 1 << 19;

impl Evaluator {
    /// `sum p_i (a_i0, a_i1)`: all products of a row are added before one reduction. Constants that are not to be kept are encoded a few
    /// at a time and evaluated row by row, beside the row of the sum.
    pub(super) fn sum_of_plain_products(
        &self,
        op: &'static str,
        terms: &[(&Ciphertext, &Constant)],
    ) -> Result<Ciphertext> {
        let state = self.common_state(op, terms.iter().map(|t| t.0))?;
        let state = rules::product_plain(op, state)?;
        let level = state.level;
        let (kept, met): (Vec<_>, Vec<_>) = terms.iter().copied().partition(|(_, p)| {
            self.encodings == Encodings::Kept || p.encoding(level, Use::Factor).is_some()
        });
        let factors = kept
            .iter()
            .map(|(_, p)| self.encoded(op, p, level, Use::Factor, Encodings::Kept))
            .collect::<Result<Vec<_>>>()?;
        let limbs = self.params.chain().limbs(level);
        let mut sum = if kept.is_empty() {
            [(); 2].map(|()| Poly::zero(self.ring(), limbs))
        } else {
            let factors: Vec<_> = factors.iter().map(|f| &**f).collect();
            let a0: Vec<_> = kept.iter().map(|t| t.0.c0()).collect();
            let a1: Vec<_> = kept.iter().map(|t| t.0.c1()).collect();
            Poly::inner_product_pair(&factors, [&a0, &a1], self.ring())
        };
        for met in met.chunks((STREAMED_WORDS / self.params.n()).max(1)) {
            let weights = par::map(met.to_vec(), |(_, p)| {
                self.weight(op, p, level, Use::CompactFactor, Encodings::Transient)
            })
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
            let pairs = met.iter().map(|(a, _)| [a.c0(), a.c1()]);
            let terms: Vec<_> = pairs.zip(weights.iter().map(|w| &**w)).collect();
            add_weighted(&mut sum, &terms, self.ring());
        }
        let [c0, c1] = sum;
        Ok(self.wrap(c0, c1, state))
    }

    /// `round(s · scale) (a_0, a_1)`.
    pub(super) fn mul_number(&self, a: &Ciphertext, s: f64) -> Result<Ciphertext> {
        let state = rules::product_plain("mul_scalar", self.own("mul_scalar", a)?)?;
        let integer = self.integer("mul_scalar", s, self.factor_scale(state.level))?;
        let [c0, c1] = self.times_integer(a, integer);
        Ok(self.wrap(c0, c1, state))
    }

    /// `(k a_0, k a_1)`.
    pub(super) fn times_integer(&self, a: &Ciphertext, k: Integer) -> Pair {
        let (mut c0, mut c1) = (a.c0().clone(), a.c1().clone());
        c0.mul_scalar_assign(|i| self.residue(k, i), self.ring());
        c1.mul_scalar_assign(|i| self.residue(k, i), self.ring());
        [c0, c1]
    }

    /// `sum a_i b_i`, relinearised once.
    pub(super) fn sum_of_products(
        &self,
        op: &'static str,
        terms: &[(&Ciphertext, &Ciphertext)],
    ) -> Result<Ciphertext> {
        let state = self.product_state(op, terms)?;
        let key = self.relinearization_key(op, state.level)?;
        let [d0, d1, d2] = tensor(terms);
        let then = Then {
            plus: [Some(d0), Some(d1)],
            ..Then::default()
        };
        let [c0, c1] = switch(d2, key, then, self.ring());
        Ok(self.wrap(c0, c1, state))
    }

    /// `rescale(sum a_i b_i)` with one division by `P q_l`: relinearisation and rescaling fused, which saves
    /// a rounding and the transforms of a separate rescaling.
    pub(super) fn sum_of_products_rescaled(
        &self,
        terms: &[(&Ciphertext, &Ciphertext)],
    ) -> Result<Ciphertext> {
        let op = "dot_rescaled";
        let product = self.product_state(op, terms)?;
        let state = rules::rescale(product)?;
        let key = self.relinearization_key(op, product.level)?;
        let [d0, d1, d2] = tensor(terms);
        let then = Then {
            plus: [Some(d0), Some(d1)],
            drop: self.params.chain().at(product.level).rescale_limbs,
            automorphism: None,
        };
        let [c0, c1] = switch(d2, key, then, self.ring());
        Ok(self.wrap(c0, c1, state))
    }

    fn product_state(
        &self,
        op: &'static str,
        terms: &[(&Ciphertext, &Ciphertext)],
    ) -> Result<State> {
        let state = self.common_state(op, terms.iter().flat_map(|t| [t.0, t.1]))?;
        self.not_linear(op, state.level)?;
        rules::product_plain(op, state)
    }

    /// Refuses products of ciphertexts at linear levels, whose scale below does not follow from the square.
    pub(super) fn not_linear(&self, op: &'static str, level: Level) -> Result<()> {
        let chain = self.params.chain();
        if !chain.at(level).linear {
            return Ok(());
        }
        let below = chain.iter().rev().find(|(l, at)| *l < level && !at.linear);
        let to = below.map_or(Level(0), |(l, _)| l);
        let why = format!("{level} is linear, for constants only: drop the ciphertexts to {to}");
        Err(scheme(op, why))
    }

    /// The state that all operands of a sum share.
    pub(super) fn common_state<'a>(
        &self,
        op: &'static str,
        mut operands: impl Iterator<Item = &'a Ciphertext>,
    ) -> Result<State> {
        let first = self.own(op, operands.next().ok_or(Error::EmptySum { op })?)?;
        operands.try_fold(first, |state, a| rules::sum(op, state, self.own(op, a)?))
    }
}

/// `(sum a_0 b_0, sum a_0 b_1 + a_1 b_0, sum a_1 b_1)`, row by row as the key switch needs them: all products of a row
/// are added before one reduction.
pub(super) fn tensor<'a>(terms: &[(&'a Ciphertext, &'a Ciphertext)]) -> [Lazy<'a>; 3] {
    let straight = terms.iter().map(|(a, b)| (a.c0(), b.c0()));
    let crossed = terms
        .iter()
        .flat_map(|(a, b)| [(a.c0(), b.c1()), (a.c1(), b.c0())]);
    let last = terms.iter().map(|(a, b)| (a.c1(), b.c1()));
    [
        Lazy::Products(straight.collect()),
        Lazy::Products(crossed.collect()),
        Lazy::Products(last.collect()),
    ]
}
