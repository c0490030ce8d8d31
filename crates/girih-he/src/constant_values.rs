//! The slots of a constant: kept, or computed whenever they are wanted.

use std::fmt;
use std::sync::Arc;

/// Computes the slots of a family of constants, such as the diagonals of a structured matrix.
///
/// Asked twice for one index, it answers the same.
pub trait ConstantSource: Send + Sync {
    /// The slots of constant `index`; those that are missing are zero.
    fn slots(&self, index: usize) -> Vec<f64>;

    /// A power of two by which constant `index` is known to repeat in so many slots: all of them if nothing is known.
    fn period(&self, index: usize, slots: usize) -> usize {
        let _ = index;
        slots
    }
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

    /// The smallest power of two by which the values repeat in so many slots, [`period`]; what the source knows if they are computed.
    #[must_use]
    pub fn period(&self, slots: usize) -> usize {
        match self {
            ConstantValues::Stored(values) => period(values, 0.0, slots),
            ConstantValues::Computed(source, index) => source.period(*index, slots),
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

/// The smallest power of two by which `values`, filled up with `zero`, repeat in a power of two of slots.
#[must_use]
pub fn period<T: Copy + PartialEq>(values: &[T], zero: T, slots: usize) -> usize {
    let mut period = slots;
    while period > 1 {
        let half = period / 2;
        let (low, high) = values.split_at(half.min(values.len()));
        let high = &high[..high.len().min(half)];
        let (same, rest) = low.split_at(high.len());
        if same != high || rest.iter().any(|x| *x != zero) {
            break;
        }
        period = half;
    }
    period
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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn periods_are_the_smallest(log in 0u32..6, len in 0usize..=32, flip in prop::option::of(0usize..32)) {
            let slots = 32;
            let mut values: Vec<f64> = (0..len).map(|i| (i % (1 << log)) as f64).collect();
            if let Some(x) = flip.and_then(|i| values.get_mut(i)) {
                *x = -1.0;
            }
            let slot = |i: usize| values.get(i).copied().unwrap_or(0.0);
            let repeats = |m: usize| (0..slots).all(|i| slot(i) == slot(i % m));
            let expected = (0..=5).map(|k| 1 << k).find(|m| repeats(*m));
            prop_assert_eq!(Some(period(&values, 0.0, slots)), expected);
        }
    }
}
