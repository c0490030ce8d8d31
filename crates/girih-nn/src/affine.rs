//! Affine maps between feature vectors: `y = Σ_k M_k x_k + b`.
//!
//! Convolution, dense, pooling, normalisation, flattening and residual sums are all affine. Composing them before
//! anything is encrypted leaves exactly one affine map, hence one multiplicative level, between two
//! non-linear layers.

use std::collections::BTreeMap;

use crate::Matrix;

/// `y = Σ_k M_k x_k + b` over sources named by `K`.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine<K: Ord + Copy> {
    /// The matrices, by source.
    pub terms: BTreeMap<K, Matrix>,
    /// The constant part.
    pub bias: Vec<f64>,
}

impl<K: Ord + Copy> Affine<K> {
    /// `y = x`.
    #[must_use]
    pub fn source(key: K, size: usize) -> Self {
        Affine {
            terms: BTreeMap::from([(key, Matrix::identity(size))]),
            bias: vec![0.0; size],
        }
    }

    /// Number of results.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bias.len()
    }

    /// `M y`.
    #[must_use]
    pub fn then(&self, matrix: &Matrix) -> Self {
        let terms = self.terms.iter().map(|(&k, m)| (k, matrix.compose(m)));
        Affine {
            terms: terms.collect(),
            bias: matrix.apply(&self.bias),
        }
    }

    /// `y + c`.
    #[must_use]
    pub fn shifted(mut self, shift: &[f64]) -> Self {
        self.bias.iter_mut().zip(shift).for_each(|(b, s)| *b += s);
        self
    }

    /// `y + factor · z`.
    #[must_use]
    pub fn plus(&self, rhs: &Self, factor: f64) -> Self {
        assert_eq!(self.size(), rhs.size());
        let mut terms = self.terms.clone();
        for (&k, m) in &rhs.terms {
            let scaled = m.scaled_by(factor);
            let sum = match terms.get(&k) {
                Some(own) => own.add(&scaled),
                None => scaled,
            };
            terms.insert(k, sum);
        }
        terms.retain(|_, m| !m.is_zero());
        let bias = self
            .bias
            .iter()
            .zip(&rhs.bias)
            .map(|(a, b)| a + factor * b)
            .collect();
        Affine { terms, bias }
    }

    /// The source this is, if it is nothing but one source unchanged.
    #[must_use]
    pub fn as_source(&self) -> Option<K> {
        match self.terms.iter().next() {
            Some((&k, m))
                if self.terms.len() == 1
                    && m.is_identity()
                    && self.bias.iter().all(|&b| b == 0.0) =>
            {
                Some(k)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_recognised() {
        let x = Affine::source(7u32, 3);
        assert_eq!(x.as_source(), Some(7));
        assert_eq!(
            x.then(&Matrix::diagonal(&[1.0, 2.0, 1.0])).as_source(),
            None
        );
        assert_eq!(x.plus(&x, -1.0).terms.len(), 0);
    }
}
