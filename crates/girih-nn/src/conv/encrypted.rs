//! Weights of a convolution that are encrypted themselves.

use std::cell::RefCell;
use std::collections::BTreeMap;

use girih_circuits::{WeightedSum, WeightedTerm};
use girih_he::{ClearEvaluator, Evaluator};
use girih_tiles::ops::conv::EncryptedFilters;

/// Encrypted weights and biases of one layer, from [`Conv2d::encrypt_weights`](super::Conv2d::encrypt_weights).
pub struct EncryptedWeights<E: Evaluator>(pub(super) Held<E>);

pub(super) enum Held<E: Evaluator> {
    /// Of interleaved tiles.
    Filters(EncryptedFilters<E>),
    /// By name, and the biases by tile of the result.
    Named {
        weights: BTreeMap<String, E::Ciphertext>,
        bias: Vec<E::Ciphertext>,
    },
}

impl<E: Evaluator> EncryptedWeights<E> {
    /// Number of ciphertexts.
    #[must_use]
    pub fn ciphertexts(&self) -> usize {
        match &self.0 {
            Held::Filters(filters) => filters.ciphertexts(),
            Held::Named { weights, bias } => weights.len() + bias.len(),
        }
    }

    /// What is held, as interleaved tiles want it.
    pub(super) fn filters(&self) -> girih_he::Result<&EncryptedFilters<E>> {
        match &self.0 {
            Held::Filters(filters) => Ok(filters),
            Held::Named { .. } => Err(foreign()),
        }
    }

    /// What is held by name, and the biases, of which there are none or `tiles`.
    pub(super) fn named(&self, tiles: usize) -> girih_he::Result<(Named<'_, E>, &[E::Ciphertext])> {
        match &self.0 {
            Held::Named { weights, bias } if bias.is_empty() || bias.len() == tiles => {
                Ok((Named(weights), bias))
            }
            _ => Err(foreign()),
        }
    }
}

/// Encrypted vectors by the names of the constants that they stand for.
pub(super) struct Named<'a, E: Evaluator>(&'a BTreeMap<String, E::Ciphertext>);

impl<'a, E: Evaluator> Named<'a, E> {
    pub(super) fn get(&self, name: &str) -> girih_he::Result<&'a E::Ciphertext> {
        self.0.get(name).ok_or_else(foreign)
    }
}

impl<E: Evaluator> WeightedSum<E> for Named<'_, E> {
    fn weighted_sum(
        &self,
        eval: &E,
        terms: Vec<WeightedTerm<E::Ciphertext>>,
    ) -> girih_circuits::Result<E::Ciphertext> {
        let weights = terms.iter().map(|(_, name, _)| self.get(name));
        let weights = weights.collect::<girih_he::Result<Vec<_>>>()?;
        let pairs: Vec<_> = terms.iter().zip(weights).map(|(t, w)| (&t.0, w)).collect();
        Ok(eval.dot(&pairs)?)
    }
}

/// Collects the weights that a transform asks for.
#[derive(Default)]
pub(super) struct Collected(RefCell<BTreeMap<String, Vec<f64>>>);

impl Collected {
    pub(super) fn into_inner(self) -> BTreeMap<String, Vec<f64>> {
        self.0.into_inner()
    }
}

type Clear = <ClearEvaluator as Evaluator>::Ciphertext;

impl WeightedSum<ClearEvaluator> for Collected {
    fn weighted_sum(
        &self,
        eval: &ClearEvaluator,
        terms: Vec<WeightedTerm<Clear>>,
    ) -> girih_circuits::Result<Clear> {
        let mut all = self.0.borrow_mut();
        for (_, name, values) in terms {
            all.insert(name, values.slots().to_vec());
        }
        Ok(eval.vector(&[])?)
    }
}

fn foreign() -> girih_he::Error {
    girih_he::Error::ForeignOperand {
        op: "convolution with encrypted weights",
    }
}
