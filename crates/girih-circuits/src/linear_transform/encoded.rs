//! A linear transform whose diagonals are constants of an evaluator.

use std::collections::{BTreeMap, BTreeSet};

use girih_he::{Evaluator, GiantStep, Leveled, Rotation};

use super::steps::HornerChain;
use super::{Hoisting, Steps, rotation};
use crate::{Error, Result};

/// Diagonals in baby and giant steps, ready to be applied any number of times: see
/// [`LinearTransform::encode`](super::LinearTransform::encode).
#[derive(Clone, Debug)]
pub struct EncodedTransform<P> {
    pub(super) slots: usize,
    pub(super) inputs: usize,
    pub(super) steps: Steps,
    /// Giant steps of every output, by rotation; terms name their input by number.
    pub(super) outputs: Vec<Vec<GiantStep<usize, P>>>,
}

impl<P> EncodedTransform<P> {
    /// The steps.
    #[must_use]
    pub fn steps(&self) -> Steps {
        self.steps
    }

    /// Every rotation that a key is needed for, in `1..slots`.
    #[must_use]
    pub fn rotations(&self) -> BTreeSet<Rotation> {
        let mut all = BTreeSet::new();
        for giants in &self.outputs {
            all.extend(giants.iter().flat_map(|g| g.terms.iter().map(|t| t.1)));
            match self.steps.hoisting {
                Hoisting::Single | Hoisting::Double => all.extend(giants.iter().map(|g| g.by)),
                Hoisting::Horner => {
                    let chain = self.chain(giants);
                    all.insert(rotation(chain.first));
                    if chain.length > 0 {
                        all.insert(rotation(self.steps.giant % self.slots));
                    }
                }
            }
        }
        all.remove(&Rotation(0));
        all
    }

    /// Every constant.
    pub fn constants(&self) -> impl Iterator<Item = &P> {
        let giants = self.outputs.iter().flatten();
        giants.flat_map(|g| g.terms.iter().map(|t| &t.2))
    }

    fn chain(&self, giants: &[GiantStep<usize, P>]) -> HornerChain {
        let by = giants.iter().map(|g| g.by.0 as usize).collect();
        HornerChain::new(&by, self.steps.giant, self.slots)
    }

    /// `y = M x` at the product scale.
    ///
    /// # Errors
    /// Another number of inputs, or an error of the evaluator.
    pub fn apply<E: Evaluator<Plaintext = P>>(
        &self,
        eval: &E,
        xs: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        self.check(xs.len())?;
        match self.steps.hoisting {
            Hoisting::Double => self
                .outputs
                .iter()
                .map(|giants| Ok(eval.sum_rotated_products(&with_inputs(giants, xs))?))
                .collect(),
            Hoisting::Horner => self
                .outputs
                .iter()
                .map(|giants| Ok(eval.horner_rotated_products(&self.walk(giants, xs))?))
                .collect(),
            Hoisting::Single => self.apply_by_sums(eval, xs),
        }
    }

    /// `y = M x`, rescaled; with both hoistings in the division that ends them.
    ///
    /// # Errors
    /// As [`apply`](EncodedTransform::apply).
    pub fn apply_rescaled<E: Leveled<Plaintext = P>>(
        &self,
        eval: &E,
        xs: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        self.check(xs.len())?;
        match self.steps.hoisting {
            Hoisting::Double => self
                .outputs
                .iter()
                .map(|giants| Ok(eval.sum_rotated_products_rescaled(&with_inputs(giants, xs))?))
                .collect(),
            Hoisting::Horner => self
                .outputs
                .iter()
                .map(|giants| Ok(eval.horner_rotated_products_rescaled(&self.walk(giants, xs))?))
                .collect(),
            Hoisting::Single => self
                .apply_by_sums(eval, xs)?
                .iter()
                .map(|y| Ok(eval.rescale(y)?))
                .collect(),
        }
    }

    fn check(&self, given: usize) -> Result<()> {
        if given == self.inputs {
            return Ok(());
        }
        Err(Error::Inputs {
            op: "linear transform",
            expected: self.inputs,
            given,
        })
    }

    /// One `rotate_many` for each input, shared by all outputs, one `dot_plain` for each giant step.
    fn apply_by_sums<E: Evaluator<Plaintext = P>>(
        &self,
        eval: &E,
        xs: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        let mut needed: Vec<BTreeSet<Rotation>> = vec![BTreeSet::new(); self.inputs];
        for (input, by, _) in self.outputs.iter().flatten().flat_map(|g| &g.terms) {
            needed[*input].insert(*by);
        }
        let mut rotated: BTreeMap<(usize, Rotation), E::Ciphertext> = BTreeMap::new();
        for (input, (by, x)) in needed.into_iter().zip(xs).enumerate() {
            let by: Vec<Rotation> = by.into_iter().collect();
            if !by.is_empty() {
                let many = eval.rotate_many(x, &by)?;
                rotated.extend(by.into_iter().map(|r| (input, r)).zip(many));
            }
        }
        let sum = |giant: &GiantStep<usize, P>| {
            let terms = giant.terms.iter().map(|(i, r, p)| (&rotated[&(*i, *r)], p));
            eval.dot_plain(&terms.collect::<Vec<_>>())
        };
        self.outputs
            .iter()
            .map(|giants| {
                let sums = giants
                    .iter()
                    .map(sum)
                    .collect::<girih_he::Result<Vec<_>>>()?;
                let terms: Vec<_> = sums.iter().zip(giants).map(|(s, g)| (s, g.by)).collect();
                Ok(match terms.as_slice() {
                    [(only, Rotation(0))] => (*only).clone(),
                    terms => eval.sum_rotated(terms)?,
                })
            })
            .collect()
    }

    /// The steps of `rotate(B₀ + rotate(B₁ + rotate(B₂ + .., t), t), first)`, those without terms included.
    fn walk<'a, C>(
        &self,
        giants: &'a [GiantStep<usize, P>],
        xs: &'a [C],
    ) -> Vec<GiantStep<&'a C, &'a P>> {
        let chain = self.chain(giants);
        let at = |k: usize| rotation((chain.first + k * self.steps.giant) % self.slots);
        let step = |k: usize| GiantStep {
            by: match k {
                0 => rotation(chain.first),
                _ => rotation(self.steps.giant % self.slots),
            },
            terms: giants
                .iter()
                .find(|g| g.by == at(k))
                .map_or_else(Vec::new, |g| terms(g, xs)),
        };
        (0..=chain.length).rev().map(step).collect()
    }
}

fn with_inputs<'a, C, P>(
    giants: &'a [GiantStep<usize, P>],
    xs: &'a [C],
) -> Vec<GiantStep<&'a C, &'a P>> {
    let giant = |g: &'a GiantStep<usize, P>| GiantStep {
        by: g.by,
        terms: terms(g, xs),
    };
    giants.iter().map(giant).collect()
}

fn terms<'a, C, P>(giant: &'a GiantStep<usize, P>, xs: &'a [C]) -> Vec<(&'a C, Rotation, &'a P)> {
    let terms = giant.terms.iter();
    terms.map(|(i, r, p)| (&xs[*i], *r, p)).collect()
}
