//! Sums of products and of scaled ciphertexts, relinearised and rescaled at once.

use girih_he::{Error, Level, Result, State, rules};
use girih_rns::{Lazy, Ntt, Poly, Then, rescaled_pair};

use super::Evaluator;
use super::mul::tensor;
use super::rescale::MIN_FACTOR;
use crate::Ciphertext;
use crate::keyswitch::{Pair, switch};

/// `Σ aᵢ bᵢ + Σ cₖ xₖ + constant` before it is computed.
pub(super) struct Affine<'a> {
    pub(super) products: &'a [(&'a Ciphertext, &'a Ciphertext)],
    pub(super) linear: &'a [(&'a Ciphertext, f64)],
    pub(super) constant: f64,
}

impl Evaluator {
    /// At the product scale of the level that all operands share.
    pub(super) fn affine(&self, op: &'static str, sum: &Affine<'_>) -> Result<Ciphertext> {
        let products = sum.products.iter().flat_map(|t| [t.0, t.1]);
        let operands = products.chain(sum.linear.iter().map(|t| t.0));
        let state = rules::product_plain(op, self.common_state(op, operands)?)?;
        let [c0, c1] = self.affine_sum(op, sum, state, 0)?;
        Ok(self.wrap(c0, c1, state))
    }

    /// On the canonical scale of `level`: products one level above, linear terms there or higher. A linear term
    /// keeps its first limbs and takes the change of scale into its coefficient: no rounding, no transform.
    pub(super) fn affine_rescaled(
        &self,
        op: &'static str,
        sum: &Affine<'_>,
        level: Level,
    ) -> Result<Ciphertext> {
        let above = level.above(op)?;
        let lowered = sum
            .linear
            .iter()
            .map(|(x, _)| rules::drop_to(self.own(op, x)?, above))
            .collect::<Result<Vec<_>>>()?;
        let products = sum.products.iter().flat_map(|t| [t.0, t.1]);
        let mut states = products
            .map(|a| self.own(op, a))
            .chain(lowered.into_iter().map(Ok));
        let first = states.next().ok_or(Error::EmptySum { op })??;
        let common = states.try_fold(first, |sum, state| rules::sum(op, sum, state?))?;
        let product = rules::product_plain(op, common)?;
        if product.level != above {
            return Err(Error::LevelMismatch {
                op,
                lhs: product.level,
                rhs: above,
            });
        }
        let drop = self.params.chain().at(above).rescale_limbs;
        let [c0, c1] = self.affine_sum(op, sum, product, drop)?;
        Ok(self.wrap(c0, c1, rules::rescale(product)?))
    }

    /// The sum at the product state `state`, divided by its last `drop` primes.
    fn affine_sum(
        &self,
        op: &'static str,
        sum: &Affine<'_>,
        state: State,
        drop: usize,
    ) -> Result<Pair> {
        // The key first: nothing is computed if it is missing.
        let key = match sum.products {
            [] => None,
            _ => {
                self.not_linear(op, state.level)?;
                Some(self.relinearization_key(op, state.level)?)
            }
        };
        let limbs = self.params.chain().limbs(state.level);
        let (mut d0, mut d1, d2) = match sum.products {
            [] => {
                let zero = || Poly::zero(self.ring(), limbs);
                (zero(), zero(), None)
            }
            products => {
                let [d0, d1, d2] = tensor(products);
                (d0.to_poly(self.ring()), d1.to_poly(self.ring()), Some(d2))
            }
        };
        self.add_linear(op, sum, state, [&mut d0, &mut d1])?;
        match (key, d2) {
            (Some(key), Some(d2)) => {
                let then = Then {
                    plus: [Some(Lazy::from(&d0)), Some(Lazy::from(&d1))],
                    drop,
                    automorphism: None,
                };
                Ok(switch(d2, key, then, self.ring()))
            }
            _ if drop > 0 => Ok(rescaled_pair(&d0, &d1, drop, self.ring())),
            _ => Ok([d0, d1]),
        }
    }

    /// Adds `Σ cₖ xₖ + constant` at the product state `state`.
    fn add_linear(
        &self,
        op: &'static str,
        sum: &Affine<'_>,
        state: State,
        [d0, d1]: [&mut Poly<Ntt>; 2],
    ) -> Result<()> {
        let scale = self.scale(state);
        // Where the scales of the levels differ too much for an exact coefficient, the term is dropped by itself.
        let factor = |x: &Ciphertext| scale / self.params.chain().scale(x.level());
        let dropped = sum
            .linear
            .iter()
            .map(|(x, _)| match factor(x) < MIN_FACTOR {
                true => self.dropped(x, state.level).map(Some),
                false => Ok(None),
            })
            .collect::<Result<Vec<_>>>()?;
        let terms: Vec<&Ciphertext> = dropped
            .iter()
            .zip(sum.linear)
            .map(|(dropped, (x, _))| dropped.as_ref().unwrap_or(x))
            .collect();
        let integers = terms
            .iter()
            .zip(sum.linear)
            .map(|(x, (_, c))| self.integer(op, *c, factor(x)))
            .collect::<Result<Vec<_>>>()?;
        let coefficient = |i: usize, prime: usize| self.residue(integers[i], prime);
        let halves = |half: fn(&Ciphertext) -> &Poly<Ntt>| -> Vec<&Poly<Ntt>> {
            terms.iter().map(|x| half(x)).collect()
        };
        let ring = self.ring();
        d0.add_combination_assign(&halves(Ciphertext::c0), coefficient, ring);
        d1.add_combination_assign(&halves(Ciphertext::c1), coefficient, ring);
        let constant = self.integer(op, sum.constant, scale)?;
        if constant.digits != 0 {
            d0.add_scalar_assign(|i| self.residue(constant, i), ring);
        }
        Ok(())
    }
}
