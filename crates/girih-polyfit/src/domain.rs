//! A union of disjoint closed intervals: where an approximation has to be good.

use std::fmt;

use crate::{Error, Interval, Result};

/// `[a₁, b₁] ∪ [a₂, b₂] ∪ …` with `bᵢ < aᵢ₊₁`; at least one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    intervals: Vec<Interval>,
}

impl Domain {
    /// The union of the given intervals, in any order.
    ///
    /// # Errors
    /// No interval, or two that meet.
    pub fn try_new(mut intervals: Vec<Interval>) -> Result<Self> {
        intervals.sort_by(|a, b| a.lo().total_cmp(&b.lo()));
        if intervals.is_empty() {
            return Err(Error::EmptyDomain);
        }
        match intervals.windows(2).find(|w| w[0].hi() >= w[1].lo()) {
            Some(w) => Err(Error::Overlap {
                first: (w[0].lo(), w[0].hi()),
                second: (w[1].lo(), w[1].hi()),
            }),
            None => Ok(Domain { intervals }),
        }
    }

    /// `[-hi, -lo] ∪ [lo, hi]`, where the sign function is to be approximated.
    ///
    /// # Errors
    /// Unless `0 < lo < hi`, both finite.
    pub fn mirrored(lo: f64, hi: f64) -> Result<Self> {
        Self::try_new(vec![
            Interval::try_new(-hi, -lo)?,
            Interval::try_new(lo, hi)?,
        ])
    }

    /// The intervals, from left to right.
    #[must_use]
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// The smallest interval that holds them all.
    #[must_use]
    pub fn hull(&self) -> Interval {
        let (first, last) = (self.intervals[0], self.intervals[self.intervals.len() - 1]);
        // why: the ends are those of valid intervals, in order
        Interval::try_new(first.lo(), last.hi()).unwrap_or(first)
    }

    /// Whether `x` lies in one of the intervals.
    #[must_use]
    pub fn contains(&self, x: f64) -> bool {
        self.intervals.iter().any(|i| i.contains(x))
    }
}

impl From<Interval> for Domain {
    fn from(interval: Interval) -> Self {
        Domain {
            intervals: vec![interval],
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (k, interval) in self.intervals.iter().enumerate() {
            write!(f, "{}{interval}", if k > 0 { " ∪ " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn intervals_are_sorted_and_disjoint() {
        let (a, b) = (
            Interval::try_new(1.0, 2.0).unwrap(),
            Interval::try_new(-3.0, 0.5).unwrap(),
        );
        let domain = Domain::try_new(vec![a, b]).unwrap();
        assert_eq!(domain.to_string(), "[-3, 0.5] ∪ [1, 2]");
        assert_eq!((domain.hull().lo(), domain.hull().hi()), (-3.0, 2.0));
        assert!(domain.contains(1.0) && !domain.contains(0.75));
        assert!(matches!(
            Domain::try_new(vec![a, a]),
            Err(Error::Overlap { .. })
        ));
        assert_eq!(Domain::try_new(Vec::new()), Err(Error::EmptyDomain));
        assert!(Domain::mirrored(0.0, 1.0).is_err());
    }
}
