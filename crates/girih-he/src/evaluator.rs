//! The instruction set: what circuits, tiles and layers may ask of a scheme.
//!
//! Layers are written once against [`Evaluator`] and run in clear, counted, recorded or encrypted.
//! Levels and scales never appear in layer code: a compiled program gets them from passes, an eager
//! user from the adaptor `Auto`, which rescales after products and aligns levels.

use crate::composite;
use crate::{Bootstrapping, ConstantValues, Level, Result, Rotation};

/// One giant step of a linear transform: the products whose sum is rotated by `by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiantStep<C, P> {
    /// Rotation of the sum.
    pub by: Rotation,
    /// A vector, its baby step, and the constant that multiplies it.
    pub terms: Vec<(C, Rotation, P)>,
}

/// Slot-wise approximate arithmetic on vectors of [`slots`](Evaluator::slots) real values.
///
/// Products leave the *product scale*: a value that has not been rescaled yet. Sums want operands of
/// one state; [`Leveled::rescale`] returns to the canonical scale one level below. The rules, in one
/// table, are those of [`rules`](crate::rules).
///
/// The first group of methods is required. The composites below have correct defaults (a loop over
/// the first group); a scheme overrides them where it knows better (hoisting, one relinearisation,
/// one division by the special modulus).
pub trait Evaluator {
    /// An encrypted (or clear, counted, recorded) vector. Cloning is cheap or at worst a copy.
    type Ciphertext: Clone;
    /// A constant vector, encoded on first use at the level and scale it meets.
    type Plaintext: Clone;

    /// Number of slots of every ciphertext.
    fn slots(&self) -> usize;

    /// A named constant vector; shorter input is filled with zeros.
    ///
    /// # Errors
    /// More values than slots, or a value that is not finite.
    fn constant(&self, name: &str, values: &[f64]) -> Result<Self::Plaintext>;

    /// [`constant`](Evaluator::constant) of slots that may be computed. A recorder does not compute them, an encrypting
    /// evaluator may do so again for every use instead of keeping them.
    ///
    /// # Errors
    /// As [`constant`](Evaluator::constant), now or when the slots are computed.
    fn constant_of(&self, name: &str, values: &ConstantValues) -> Result<Self::Plaintext> {
        self.constant(name, &values.slots())
    }

    /// `a + b`.
    fn add(&self, a: &Self::Ciphertext, b: &Self::Ciphertext) -> Result<Self::Ciphertext>;
    /// `a - b`.
    fn sub(&self, a: &Self::Ciphertext, b: &Self::Ciphertext) -> Result<Self::Ciphertext>;
    /// `-a`.
    fn neg(&self, a: &Self::Ciphertext) -> Result<Self::Ciphertext>;
    /// `a + p`, the constant encoded at the scale of `a`.
    fn add_plain(&self, a: &Self::Ciphertext, p: &Self::Plaintext) -> Result<Self::Ciphertext>;
    /// `a ⊙ p`, at the product scale.
    fn mul_plain(&self, a: &Self::Ciphertext, p: &Self::Plaintext) -> Result<Self::Ciphertext>;
    /// `a + s` in every slot.
    fn add_scalar(&self, a: &Self::Ciphertext, s: f64) -> Result<Self::Ciphertext>;
    /// `a · s` in every slot, at the product scale.
    fn mul_scalar(&self, a: &Self::Ciphertext, s: f64) -> Result<Self::Ciphertext>;
    /// `a ⊙ b`, relinearised, at the product scale.
    fn mul(&self, a: &Self::Ciphertext, b: &Self::Ciphertext) -> Result<Self::Ciphertext>;
    /// `out[i] = a[(i + by) mod slots]`.
    fn rotate(&self, a: &Self::Ciphertext, by: Rotation) -> Result<Self::Ciphertext>;
    /// The complex conjugate of every slot (the identity on real vectors).
    fn conjugate(&self, a: &Self::Ciphertext) -> Result<Self::Ciphertext>;

    /// Several rotations of one ciphertext. CKKS decomposes it once (hoisting).
    fn rotate_many(&self, a: &Self::Ciphertext, by: &[Rotation]) -> Result<Vec<Self::Ciphertext>> {
        by.iter().map(|&r| self.rotate(a, r)).collect()
    }

    /// `Σ aᵢ ⊙ pᵢ`, at the product scale. CKKS accumulates without intermediate reductions.
    fn dot_plain(
        &self,
        terms: &[(&Self::Ciphertext, &Self::Plaintext)],
    ) -> Result<Self::Ciphertext> {
        let mut products = terms.iter().map(|(a, p)| self.mul_plain(a, p));
        let first = products
            .next()
            .ok_or(crate::Error::EmptySum { op: "dot_plain" })??;
        products.try_fold(first, |sum, product| self.add(&sum, &product?))
    }

    /// `Σ aᵢ ⊙ bᵢ`, at the product scale. CKKS relinearises once.
    fn dot(&self, terms: &[(&Self::Ciphertext, &Self::Ciphertext)]) -> Result<Self::Ciphertext> {
        let mut products = terms.iter().map(|(a, b)| self.mul(a, b));
        let first = products
            .next()
            .ok_or(crate::Error::EmptySum { op: "dot" })??;
        products.try_fold(first, |sum, product| self.add(&sum, &product?))
    }

    /// `Σ rotate(aᵢ, rᵢ)`: the giant steps of a linear transform. CKKS divides by the special
    /// modulus once for all terms.
    fn sum_rotated(&self, terms: &[(&Self::Ciphertext, Rotation)]) -> Result<Self::Ciphertext> {
        let mut rotated = terms.iter().map(|(a, r)| self.rotate(a, *r));
        let first = rotated
            .next()
            .ok_or(crate::Error::EmptySum { op: "sum_rotated" })??;
        rotated.try_fold(first, |sum, term| self.add(&sum, &term?))
    }

    /// `Σ aᵢ ⊙ bᵢ + Σ cₖ xₖ + constant`, at the product scale: a step of a polynomial's evaluation. CKKS forms
    /// everything that is linear before it relinearises once.
    ///
    /// # Errors
    /// Neither a product nor a linear term, besides those of the parts.
    fn dot_affine(
        &self,
        products: &[(&Self::Ciphertext, &Self::Ciphertext)],
        linear: &[(&Self::Ciphertext, f64)],
        constant: f64,
    ) -> Result<Self::Ciphertext> {
        composite::dot_affine(self, products, linear, constant)
    }

    /// `Σ_g rotate(Σᵢ rotate(aᵢ, rᵢ) ⊙ pᵢ, g)`, at the product scale: a linear transform by diagonals. CKKS
    /// decomposes every input once and divides by the special modulus once for each giant step (double hoisting).
    fn sum_rotated_products(
        &self,
        giants: &[GiantStep<&Self::Ciphertext, &Self::Plaintext>],
    ) -> Result<Self::Ciphertext> {
        composite::sum_rotated_products(self, giants)
    }

    /// `rotate(.. rotate(rotate(B₁, g₁) + B₂, g₂) + .. + Bₖ, gₖ)` for `Bⱼ = Σᵢ rotate(aᵢ, rᵢ) ⊙ pᵢ`, at the product
    /// scale: a linear transform by Horner's rule. Giant steps that all turn by the same amount need one key, and wait
    /// for each other; a step without terms only turns. CKKS stays over QP as in
    /// [`sum_rotated_products`](Evaluator::sum_rotated_products).
    fn horner_rotated_products(
        &self,
        giants: &[GiantStep<&Self::Ciphertext, &Self::Plaintext>],
    ) -> Result<Self::Ciphertext> {
        composite::horner_rotated_products(self, giants)
    }
}

/// Level management: what compiled programs and adaptors see; layer code never does.
pub trait Leveled: Evaluator {
    /// Multiplications left.
    fn level(&self, a: &Self::Ciphertext) -> Level;
    /// Whether `a` is at the product scale (a product not rescaled yet).
    fn is_product(&self, a: &Self::Ciphertext) -> bool;
    /// From the product scale at level `l` to the canonical scale at level `l - 1`.
    ///
    /// # Errors
    /// `a` is not at the product scale, or no level is left.
    fn rescale(&self, a: &Self::Ciphertext) -> Result<Self::Ciphertext>;
    /// The same value at a lower level (or the same one), on its canonical scale.
    ///
    /// # Errors
    /// `a` is at the product scale, or below `level`.
    fn drop_to(&self, a: &Self::Ciphertext, level: Level) -> Result<Self::Ciphertext>;

    /// [`rescale`](Leveled::rescale) of [`dot`](Evaluator::dot). CKKS divides by the special modulus and the
    /// rescaling primes at once.
    fn dot_rescaled(
        &self,
        terms: &[(&Self::Ciphertext, &Self::Ciphertext)],
    ) -> Result<Self::Ciphertext> {
        self.rescale(&self.dot(terms)?)
    }

    /// [`rescale`](Leveled::rescale) of [`dot_affine`](Evaluator::dot_affine), the linear terms having been
    /// [dropped](Leveled::drop_to) to `level + 1`, where the products are. CKKS lowers a linear term for free: the
    /// change of scale goes into its coefficient.
    ///
    /// # Errors
    /// Products at another level than `level + 1`, linear terms below it, besides those of the parts.
    fn dot_affine_rescaled(
        &self,
        products: &[(&Self::Ciphertext, &Self::Ciphertext)],
        linear: &[(&Self::Ciphertext, f64)],
        constant: f64,
        level: Level,
    ) -> Result<Self::Ciphertext> {
        composite::dot_affine_rescaled(self, products, linear, constant, level)
    }

    /// [`rescale`](Leveled::rescale) of [`sum_rotated_products`](Evaluator::sum_rotated_products), in one division.
    fn sum_rotated_products_rescaled(
        &self,
        giants: &[GiantStep<&Self::Ciphertext, &Self::Plaintext>],
    ) -> Result<Self::Ciphertext> {
        self.rescale(&self.sum_rotated_products(giants)?)
    }

    /// [`rescale`](Leveled::rescale) of [`horner_rotated_products`](Evaluator::horner_rotated_products), in one division.
    fn horner_rotated_products_rescaled(
        &self,
        giants: &[GiantStep<&Self::Ciphertext, &Self::Plaintext>],
    ) -> Result<Self::Ciphertext> {
        self.rescale(&self.horner_rotated_products(giants)?)
    }
}

/// Evaluators that may raise an exhausted ciphertext.
pub trait Bootstrap: Leveled {
    /// What a bootstrapping takes and gives; `None` if this evaluator has none.
    fn bootstrapping(&self) -> Option<&Bootstrapping>;

    /// The same value, up to the error of the bootstrapping, at its output level.
    ///
    /// # Errors
    /// The evaluator has no bootstrapping, the operand is a product or below the input level. Evaluators that see values
    /// refuse those beyond the bound; under encryption a wrong result is not noticed.
    fn bootstrap(&self, a: &Self::Ciphertext) -> Result<Self::Ciphertext>;

    /// [`bootstrap`](Bootstrap::bootstrap), the result lowered to `level`.
    ///
    /// # Errors
    /// As [`bootstrap`](Bootstrap::bootstrap); a level above the output level.
    fn bootstrap_to(&self, a: &Self::Ciphertext, level: Level) -> Result<Self::Ciphertext> {
        let raised = self.bootstrap(a)?;
        if self.level(&raised) == level {
            return Ok(raised);
        }
        self.drop_to(&raised, level)
    }
}
