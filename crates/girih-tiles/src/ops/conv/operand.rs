//! What pixels are multiplied with: constants, or filters that are encrypted themselves.

use std::collections::BTreeMap;

use girih_he::Evaluator;

use super::Error;
use crate::{Result, TileTensor};

/// The factors of a convolution's products.
pub(super) trait Operand<E: Evaluator> {
    type Factor;

    /// The factor of a name; `values` makes its slots.
    fn factor(
        &mut self,
        eval: &E,
        name: &str,
        values: impl FnOnce() -> Result<Vec<f64>>,
    ) -> Result<Self::Factor>;

    /// `Σ xᵢ ⊙ wᵢ`.
    fn dot(&self, eval: &E, terms: &[(&E::Ciphertext, &Self::Factor)]) -> Result<E::Ciphertext>;
}

/// Filters known to whoever computes.
pub(super) struct Plain;

impl<E: Evaluator> Operand<E> for Plain {
    type Factor = E::Plaintext;

    fn factor(
        &mut self,
        eval: &E,
        name: &str,
        values: impl FnOnce() -> Result<Vec<f64>>,
    ) -> Result<E::Plaintext> {
        Ok(eval.constant(name, &values()?)?)
    }

    fn dot(&self, eval: &E, terms: &[(&E::Ciphertext, &E::Plaintext)]) -> Result<E::Ciphertext> {
        Ok(eval.dot_plain(terms)?)
    }
}

/// Encrypted filters and biases of one convolution for images of one layout, from
/// [`encrypt_filters`](super::InterleavedConv::encrypt_filters).
pub struct EncryptedFilters<E: Evaluator> {
    pub(super) taps: BTreeMap<String, E::Ciphertext>,
    pub(super) bias: Option<TileTensor<E>>,
}

impl<E: Evaluator> EncryptedFilters<E> {
    /// Number of ciphertexts.
    #[must_use]
    pub fn ciphertexts(&self) -> usize {
        self.taps.len() + self.bias.as_ref().map_or(0, |b| b.tiles().len())
    }
}

impl<E: Evaluator> Operand<E> for &EncryptedFilters<E> {
    type Factor = E::Ciphertext;

    fn factor(
        &mut self,
        _: &E,
        name: &str,
        _: impl FnOnce() -> Result<Vec<f64>>,
    ) -> Result<E::Ciphertext> {
        self.taps.get(name).cloned().ok_or_else(|| Error::Unsupported {
            op: "convolution",
            shape: name.to_owned(),
            why: format!(
                "this filter is not among the {} encrypted ones; encrypt them for this layout of images",
                self.taps.len()
            ),
        })
    }

    fn dot(&self, eval: &E, terms: &[(&E::Ciphertext, &E::Ciphertext)]) -> Result<E::Ciphertext> {
        Ok(eval.dot(terms)?)
    }
}
