//! Constant values: weights as `f64`, shapes and indices as `i64`.

use ndarray::{ArrayD, IxDyn};

/// A constant tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    Float(ArrayD<f64>),
    Int(ArrayD<i64>),
}

impl Constant {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Float(a) => a.shape(),
            Self::Int(a) => a.shape(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Float(a) => a.len(),
            Self::Int(a) => a.len(),
        }
    }

    /// The values as `f64`; integers are converted (exactly below 2^53).
    pub(super) fn to_float(&self) -> ArrayD<f64> {
        match self {
            Self::Float(a) => a.clone(),
            Self::Int(a) => a.mapv(|v| v as f64),
        }
    }

    /// The value of a tensor with one entry.
    pub(super) fn scalar(&self) -> Option<f64> {
        match self {
            Self::Float(a) if a.len() == 1 => a.first().copied(),
            Self::Int(a) if a.len() == 1 => a.first().map(|v| *v as f64),
            _ => None,
        }
    }

    /// The entries of an integer tensor of rank 0 or 1.
    pub(super) fn int_list(&self) -> Option<Vec<i64>> {
        match self {
            Self::Int(a) if a.ndim() <= 1 => Some(a.iter().copied().collect()),
            _ => None,
        }
    }

    pub(super) fn ints(values: &[i64]) -> Self {
        Self::Int(ArrayD::from_shape_fn(IxDyn(&[values.len()]), |i| {
            values[i[0]]
        }))
    }
}
