//! Shape vectors with the batch as a symbol, for exporters that compute the target of a `Reshape` at run time.

use super::constant::Constant;
use super::import::Refusal;

/// One entry of a shape vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dim {
    /// The batch dimension.
    Batch,
    /// A number.
    Known(i64),
}

/// A vector, or with `scalar` a single entry without dimension, of which at least one is the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DimVector {
    pub(super) dims: Vec<Dim>,
    pub(super) scalar: bool,
}

impl DimVector {
    /// The entries of a constant integer vector or scalar.
    pub(super) fn from_constant(c: &Constant) -> Option<Self> {
        Some(Self {
            dims: c.int_list()?.into_iter().map(Dim::Known).collect(),
            scalar: c.shape().is_empty(),
        })
    }

    /// The constant, if the batch does not occur.
    pub(super) fn to_constant(&self) -> Option<Constant> {
        let numbers: Option<Vec<i64>> = self
            .dims
            .iter()
            .map(|d| match d {
                Dim::Known(n) => Some(*n),
                Dim::Batch => None,
            })
            .collect();
        let list = Constant::ints(&numbers?);
        match (list, self.scalar) {
            (Constant::Int(a), true) => a
                .into_shape_with_order(ndarray::IxDyn(&[]))
                .ok()
                .map(Constant::Int),
            (c, _) => Some(c),
        }
    }

    /// `self[indices]`, negative indices from the end.
    pub(super) fn gather(&self, indices: &Constant) -> Result<Self, Refusal> {
        let list = indices
            .int_list()
            .ok_or_else(|| Refusal::malformed("indices of a shape are no integer list"))?;
        let n = self.dims.len() as i64;
        let dims = list
            .into_iter()
            .map(|i| {
                let at = if i < 0 { i.checked_add(n)? } else { i };
                self.dims.get(usize::try_from(at).ok()?).copied()
            })
            .collect::<Option<Vec<Dim>>>()
            .ok_or_else(|| Refusal::malformed("an index lies outside a shape"))?;
        Ok(Self {
            dims,
            scalar: indices.shape().is_empty(),
        })
    }

    /// `self[start..end]` with step 1, bounds clamped, negative ones from the end.
    pub(super) fn slice(&self, start: i64, end: i64) -> Self {
        let n = self.dims.len() as i64;
        let clamp = |i: i64| (if i < 0 { i.saturating_add(n) } else { i }).clamp(0, n) as usize;
        let (start, end) = (clamp(start), clamp(end));
        Self {
            dims: self.dims[start..end.max(start)].to_vec(),
            scalar: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dim::{Batch, Known};

    fn vector(dims: &[Dim]) -> DimVector {
        DimVector {
            dims: dims.to_vec(),
            scalar: false,
        }
    }

    #[test]
    fn shapes_are_indexed_from_both_ends() {
        let shape = vector(&[Batch, Known(3), Known(8)]);
        let at = |i: &[i64]| shape.gather(&Constant::ints(i)).ok().map(|d| d.dims);
        assert_eq!(at(&[0, -1]), Some(vec![Batch, Known(8)]));
        assert_eq!(at(&[3]), None);
        assert_eq!(at(&[-4]), None);
        assert_eq!(at(&[i64::MIN]), None);
        assert_eq!(shape.slice(1, i64::MAX).dims, [Known(3), Known(8)]);
        assert_eq!(shape.slice(0, -2).dims, [Batch]);
        assert_eq!(shape.slice(2, 1).dims, []);
        assert_eq!(shape.slice(i64::MIN, i64::MIN).dims, []);
    }

    #[test]
    fn only_vectors_without_the_batch_are_constants() {
        assert_eq!(vector(&[Batch, Known(2)]).to_constant(), None);
        assert_eq!(
            vector(&[Known(1), Known(2)]).to_constant(),
            Some(Constant::ints(&[1, 2]))
        );
        let scalar = DimVector {
            dims: vec![Known(7)],
            scalar: true,
        };
        let constant = scalar.to_constant();
        assert_eq!(constant.as_ref().map(|c| c.shape().to_vec()), Some(vec![]));
        assert_eq!(
            constant.and_then(|c| DimVector::from_constant(&c)),
            Some(scalar)
        );
    }
}
