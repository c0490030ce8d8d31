//! Which places meet under a strategy, in closed form.

use super::Strategy;

/// Which places of one source and of the result meet under a strategy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) strategy: Strategy,
    /// Units of a tile.
    pub(super) units: usize,
    /// Period of the source.
    pub(super) own: usize,
    /// Period of the result.
    pub(super) period: usize,
    /// Longest period of all sources.
    pub(super) span: usize,
}

impl Reach {
    /// The distance on whose diagonal an entry lies, from the unit of its source less that of its result.
    pub(super) fn distance(&self, difference: isize) -> usize {
        // Periods are powers of two.
        let modulo = |m: usize| difference as usize & (m - 1);
        match self.strategy {
            Strategy::FoldInner => 0,
            Strategy::FoldOuter if self.own >= self.period => modulo(self.period),
            Strategy::Direct | Strategy::FoldOuter => match modulo(self.own) {
                forward if forward > self.own / 2 => self.units + forward - self.own,
                forward => forward,
            },
        }
    }

    /// The units of result and source, below their periods, that meet in a unit of a diagonal.
    pub(super) fn meets(&self, unit: usize, distance: usize) -> Option<(usize, usize)> {
        // Periods are powers of two.
        let modulo = |n: usize, m: usize| n & (m - 1);
        let from = modulo(unit + distance, self.own);
        let spanned = modulo(unit, self.span);
        match self.strategy {
            Strategy::Direct => Some((modulo(unit, self.period), from)),
            Strategy::FoldInner => Some((unit - spanned, spanned)),
            Strategy::FoldOuter if self.own >= self.period => {
                (spanned < self.own).then_some((modulo(unit, self.period), from))
            }
            Strategy::FoldOuter => (spanned < self.period).then_some((spanned, from)),
        }
    }
}
