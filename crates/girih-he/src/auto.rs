//! Layer code run directly on a scheme: rescaling and levels looked after step by step.

use std::borrow::Cow;

use crate::{
    Bootstrap, Bootstrapping, ConstantValues, Error, Evaluator, GiantStep, Level, Leveled, Result,
    Rotation,
};

/// An evaluator whose operations accept operands of any state.
///
/// * Operands of products are rescaled if they are products, then dropped to the lowest level among
///   them.
/// * `dot_affine` is rescaled at once.
/// * Operands of sums that agree in level and scale are added as they are (so a sum of products is
///   rescaled once); otherwise products are rescaled and all are dropped to the lowest level.
///
/// The number of levels a circuit consumes is its multiplicative depth. A compiled program places the
/// changes of level better (see the passes of the compiler); this adaptor is for direct use and tests.
#[derive(Clone, Debug)]
pub struct Auto<E> {
    inner: E,
}

impl<E: Leveled> Auto<E> {
    /// Looks after the levels of `inner`.
    pub fn new(inner: E) -> Self {
        Auto { inner }
    }

    /// The evaluator underneath.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    /// Levels left once `a` is rescaled.
    pub fn remaining(&self, a: &E::Ciphertext) -> u8 {
        self.inner
            .level(a)
            .0
            .saturating_sub(u8::from(self.inner.is_product(a)))
    }

    fn rescaled<'a>(&self, a: &'a E::Ciphertext) -> Result<Cow<'a, E::Ciphertext>> {
        if self.inner.is_product(a) {
            self.inner.rescale(a).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(a))
        }
    }

    /// All operands rescaled and on one level.
    fn aligned<'a>(&self, operands: &[&'a E::Ciphertext]) -> Result<Vec<Cow<'a, E::Ciphertext>>> {
        let lowest = Level(
            operands
                .iter()
                .map(|a| self.remaining(a))
                .min()
                .unwrap_or(0),
        );
        operands
            .iter()
            .map(|a| {
                let a = self.rescaled(a)?;
                if self.inner.level(&a) > lowest {
                    self.inner.drop_to(&a, lowest).map(Cow::Owned)
                } else {
                    Ok(a)
                }
            })
            .collect()
    }

    /// `f` of a linear transform whose inputs are rescaled and on one level; every input stays one object.
    fn with_aligned<T>(
        &self,
        giants: &[GiantStep<&E::Ciphertext, &E::Plaintext>],
        f: impl FnOnce(&[GiantStep<&E::Ciphertext, &E::Plaintext>]) -> Result<T>,
    ) -> Result<T> {
        let mut inputs: Vec<&E::Ciphertext> = Vec::new();
        for (a, _, _) in giants.iter().flat_map(|g| &g.terms) {
            if !inputs.iter().any(|i| std::ptr::eq(*i, *a)) {
                inputs.push(a);
            }
        }
        let aligned = self.aligned(&inputs)?;
        let find = |a: &E::Ciphertext| {
            let at = inputs.iter().position(|i| std::ptr::eq(*i, a));
            &*aligned[at.expect("every input was collected")]
        };
        let giants: Vec<_> = giants
            .iter()
            .map(|g| GiantStep {
                by: g.by,
                terms: g.terms.iter().map(|(a, r, p)| (find(a), *r, *p)).collect(),
            })
            .collect();
        f(&giants)
    }

    /// Operands of a sum: untouched if their states agree.
    fn summable<'a>(&self, operands: &[&'a E::Ciphertext]) -> Result<Vec<Cow<'a, E::Ciphertext>>> {
        let state = |a: &E::Ciphertext| (self.inner.level(a), self.inner.is_product(a));
        if operands.windows(2).all(|w| state(w[0]) == state(w[1])) {
            return Ok(operands.iter().map(|a| Cow::Borrowed(*a)).collect());
        }
        self.aligned(operands)
    }
}

impl<E: Leveled> Evaluator for Auto<E> {
    type Ciphertext = E::Ciphertext;
    type Plaintext = E::Plaintext;

    fn slots(&self) -> usize {
        self.inner.slots()
    }

    fn constant(&self, name: &str, values: &[f64]) -> Result<E::Plaintext> {
        self.inner.constant(name, values)
    }

    fn constant_of(&self, name: &str, values: &ConstantValues) -> Result<E::Plaintext> {
        self.inner.constant_of(name, values)
    }

    fn add(&self, a: &E::Ciphertext, b: &E::Ciphertext) -> Result<E::Ciphertext> {
        let operands = self.summable(&[a, b])?;
        self.inner.add(&operands[0], &operands[1])
    }

    fn sub(&self, a: &E::Ciphertext, b: &E::Ciphertext) -> Result<E::Ciphertext> {
        let operands = self.summable(&[a, b])?;
        self.inner.sub(&operands[0], &operands[1])
    }

    fn neg(&self, a: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.inner.neg(a)
    }

    fn add_plain(&self, a: &E::Ciphertext, p: &E::Plaintext) -> Result<E::Ciphertext> {
        self.inner.add_plain(a, p)
    }

    fn mul_plain(&self, a: &E::Ciphertext, p: &E::Plaintext) -> Result<E::Ciphertext> {
        self.inner.mul_plain(&*self.rescaled(a)?, p)
    }

    fn add_scalar(&self, a: &E::Ciphertext, s: f64) -> Result<E::Ciphertext> {
        self.inner.add_scalar(a, s)
    }

    fn mul_scalar(&self, a: &E::Ciphertext, s: f64) -> Result<E::Ciphertext> {
        self.inner.mul_scalar(&*self.rescaled(a)?, s)
    }

    fn mul(&self, a: &E::Ciphertext, b: &E::Ciphertext) -> Result<E::Ciphertext> {
        if std::ptr::eq(a, b) {
            let a = self.rescaled(a)?;
            return self.inner.mul(&a, &a);
        }
        let operands = self.aligned(&[a, b])?;
        self.inner.mul(&operands[0], &operands[1])
    }

    fn rotate(&self, a: &E::Ciphertext, by: Rotation) -> Result<E::Ciphertext> {
        self.inner.rotate(a, by)
    }

    fn conjugate(&self, a: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.inner.conjugate(a)
    }

    fn rotate_many(&self, a: &E::Ciphertext, by: &[Rotation]) -> Result<Vec<E::Ciphertext>> {
        self.inner.rotate_many(a, by)
    }

    fn dot_plain(&self, terms: &[(&E::Ciphertext, &E::Plaintext)]) -> Result<E::Ciphertext> {
        let operands = self.aligned(&terms.iter().map(|t| t.0).collect::<Vec<_>>())?;
        let terms: Vec<_> = operands
            .iter()
            .zip(terms)
            .map(|(a, t)| (&**a, t.1))
            .collect();
        self.inner.dot_plain(&terms)
    }

    fn dot(&self, terms: &[(&E::Ciphertext, &E::Ciphertext)]) -> Result<E::Ciphertext> {
        let operands = self.aligned(&terms.iter().flat_map(|t| [t.0, t.1]).collect::<Vec<_>>())?;
        let terms: Vec<_> = operands
            .chunks_exact(2)
            .map(|pair| (&*pair[0], &*pair[1]))
            .collect();
        self.inner.dot(&terms)
    }

    fn sum_rotated(&self, terms: &[(&E::Ciphertext, Rotation)]) -> Result<E::Ciphertext> {
        let operands = self.summable(&terms.iter().map(|t| t.0).collect::<Vec<_>>())?;
        let terms: Vec<_> = operands
            .iter()
            .zip(terms)
            .map(|(a, t)| (&**a, t.1))
            .collect();
        self.inner.sum_rotated(&terms)
    }

    /// Rescaled at once: the linear terms are lowered for free that way.
    fn dot_affine(
        &self,
        products: &[(&E::Ciphertext, &E::Ciphertext)],
        linear: &[(&E::Ciphertext, f64)],
        constant: f64,
    ) -> Result<E::Ciphertext> {
        let operands = products.iter().flat_map(|t| [t.0, t.1]);
        let operands = operands.chain(linear.iter().map(|t| t.0));
        let lowest = operands.map(|a| self.remaining(a)).min().unwrap_or(0);
        let below = Level(lowest).below().ok_or(Error::LevelExhausted {
            op: "dot_affine",
            needed: 1,
            left: 0,
        })?;
        self.dot_affine_rescaled(products, linear, constant, below)
    }

    fn sum_rotated_products(
        &self,
        giants: &[GiantStep<&E::Ciphertext, &E::Plaintext>],
    ) -> Result<E::Ciphertext> {
        self.with_aligned(giants, |giants| self.inner.sum_rotated_products(giants))
    }

    fn horner_rotated_products(
        &self,
        giants: &[GiantStep<&E::Ciphertext, &E::Plaintext>],
    ) -> Result<E::Ciphertext> {
        self.with_aligned(giants, |giants| self.inner.horner_rotated_products(giants))
    }
}

impl<E: Leveled> Leveled for Auto<E> {
    fn level(&self, a: &E::Ciphertext) -> Level {
        self.inner.level(a)
    }

    fn is_product(&self, a: &E::Ciphertext) -> bool {
        self.inner.is_product(a)
    }

    fn rescale(&self, a: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.inner.rescale(a)
    }

    fn drop_to(&self, a: &E::Ciphertext, level: Level) -> Result<E::Ciphertext> {
        let a = self.rescaled(a)?;
        self.inner.drop_to(&a, level)
    }

    fn dot_rescaled(&self, terms: &[(&E::Ciphertext, &E::Ciphertext)]) -> Result<E::Ciphertext> {
        let operands = self.aligned(&terms.iter().flat_map(|t| [t.0, t.1]).collect::<Vec<_>>())?;
        let terms: Vec<_> = operands
            .chunks_exact(2)
            .map(|pair| (&*pair[0], &*pair[1]))
            .collect();
        self.inner.dot_rescaled(&terms)
    }

    fn dot_affine_rescaled(
        &self,
        products: &[(&E::Ciphertext, &E::Ciphertext)],
        linear: &[(&E::Ciphertext, f64)],
        constant: f64,
        level: Level,
    ) -> Result<E::Ciphertext> {
        let above = level.above("dot_affine_rescaled")?;
        let factor = |a| {
            let a = self.rescaled(a)?;
            if self.inner.level(&a) > above {
                return self.inner.drop_to(&a, above).map(Cow::Owned);
            }
            Ok(a)
        };
        let factors = products
            .iter()
            .map(|(a, b)| Ok((factor(*a)?, factor(*b)?)))
            .collect::<Result<Vec<_>>>()?;
        let terms = linear
            .iter()
            .map(|(x, _)| self.rescaled(x))
            .collect::<Result<Vec<_>>>()?;
        let products: Vec<_> = factors.iter().map(|(a, b)| (&**a, &**b)).collect();
        let linear: Vec<_> = terms
            .iter()
            .zip(linear)
            .map(|(x, (_, c))| (&**x, *c))
            .collect();
        self.inner
            .dot_affine_rescaled(&products, &linear, constant, level)
    }

    fn sum_rotated_products_rescaled(
        &self,
        giants: &[GiantStep<&E::Ciphertext, &E::Plaintext>],
    ) -> Result<E::Ciphertext> {
        self.with_aligned(giants, |giants| {
            self.inner.sum_rotated_products_rescaled(giants)
        })
    }

    fn horner_rotated_products_rescaled(
        &self,
        giants: &[GiantStep<&E::Ciphertext, &E::Plaintext>],
    ) -> Result<E::Ciphertext> {
        self.with_aligned(giants, |giants| {
            self.inner.horner_rotated_products_rescaled(giants)
        })
    }
}

impl<E: Bootstrap> Bootstrap for Auto<E> {
    fn bootstrapping(&self) -> Option<&Bootstrapping> {
        self.inner.bootstrapping()
    }

    fn bootstrap(&self, a: &E::Ciphertext) -> Result<E::Ciphertext> {
        self.inner.bootstrap(&*self.rescaled(a)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ClearEvaluator;

    #[test]
    fn levels_are_the_multiplicative_depth() {
        let eval = Auto::new(ClearEvaluator::leveled(2, Level(3)));
        let x = eval.inner().vector(&[2.0, -1.0]).unwrap();
        // 3 (x² + x) x² + x = 3 x⁴ + 3 x³ + x: depth 3.
        let square = eval.mul(&x, &x).unwrap();
        let sum = eval.add(&square, &x).unwrap();
        let quartic = eval.mul(&sum, &square).unwrap();
        let scaled = eval.mul_scalar(&quartic, 3.0).unwrap();
        let y = eval.add(&scaled, &x).unwrap();
        assert_eq!(y.values(), [74.0, -1.0]);
        assert_eq!(eval.remaining(&y), 0);
        let z = eval
            .sum_rotated(&[(&x, Rotation(0)), (&square, Rotation(1)), (&y, Rotation(0))])
            .unwrap();
        assert_eq!(z.values(), [77.0, 2.0]);
    }

    #[test]
    fn sums_of_products_wait_for_their_rescaling() {
        let eval = Auto::new(ClearEvaluator::leveled(1, Level(2)));
        let x = eval.inner().vector(&[3.0]).unwrap();
        let products = eval
            .add(
                &eval.mul(&x, &x).unwrap(),
                &eval.mul_scalar(&x, 0.5).unwrap(),
            )
            .unwrap();
        assert!(eval.is_product(&products));
        assert_eq!(eval.level(&products), Level(2));
    }
}
