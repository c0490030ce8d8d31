//! The slots of a constant: kept, or computed whenever they are wanted.

use std::fmt;
use std::sync::Arc;

/// Computes the slots of a family of constants, such as the diagonals of a structured matrix.
///
/// Asked twice for one index, it answers the same.
pub trait ConstantSource: Send + Sync {
    /// The slots of constant `index`; those that are missing are zero.
    fn slots(&self, index: usize) -> Vec<f64>;
}

/// The slots of a constant.
#[derive(Clone)]
pub enum ConstantValues {
    /// Kept in memory.
    Stored(Arc<[f64]>),
    /// Computed by a source, under an index: takes no memory of its own.
    Computed(Arc<dyn ConstantSource>, usize),
}

impl ConstantValues {
    /// The slots; computed ones are not remembered.
    #[must_use]
    pub fn slots(&self) -> Arc<[f64]> {
        match self {
            ConstantValues::Stored(values) => values.clone(),
            ConstantValues::Computed(source, index) => source.slots(*index).into(),
        }
    }

    /// Bytes of the slots kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            ConstantValues::Stored(values) => 8 * values.len() as u64,
            ConstantValues::Computed(..) => 0,
        }
    }
}

impl<T: Into<Arc<[f64]>>> From<T> for ConstantValues {
    fn from(values: T) -> Self {
        ConstantValues::Stored(values.into())
    }
}

/// Equal slots, or the same index of the same source.
impl PartialEq for ConstantValues {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (ConstantValues::Computed(a, i), ConstantValues::Computed(b, j))
                if i == j && Arc::ptr_eq(a, b) =>
            {
                true
            }
            _ => self.slots() == other.slots(),
        }
    }
}

impl fmt::Debug for ConstantValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConstantValues::Stored(values) => f.debug_tuple("Stored").field(values).finish(),
            ConstantValues::Computed(_, index) => f.debug_tuple("Computed").field(index).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ramp;

    impl ConstantSource for Ramp {
        fn slots(&self, index: usize) -> Vec<f64> {
            (0..4).map(|s| (index * s) as f64).collect()
        }
    }

    #[test]
    fn computed_slots_equal_stored_ones() {
        let source: Arc<dyn ConstantSource> = Arc::new(Ramp);
        let computed = |index| ConstantValues::Computed(source.clone(), index);
        assert_eq!(computed(2), ConstantValues::from(vec![0.0, 2.0, 4.0, 6.0]));
        assert_eq!(computed(1), computed(1));
        assert_ne!(computed(1), computed(2));
        assert_eq!(computed(3).bytes(), 0);
        assert_eq!(ConstantValues::from(vec![1.0; 4]).bytes(), 32);
    }
}
