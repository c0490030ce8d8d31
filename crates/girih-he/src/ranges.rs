//! Smallest and largest values that pass through each region of a clear run.

use crate::{ClearEvaluator, ClearVector, Observer, Program, ValueId};

/// The interval of values seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The smallest value seen.
    pub min: f64,
    /// The largest value seen.
    pub max: f64,
}

impl Range {
    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Range) -> Range {
        Range {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Whether `[min, max]` lies inside `[lo, hi]`.
    #[must_use]
    pub fn within(self, lo: f64, hi: f64) -> bool {
        lo <= self.min && self.max <= hi
    }

    fn of(values: &[f64]) -> Option<Range> {
        values
            .iter()
            .map(|&v| Range { min: v, max: v })
            .reduce(Range::hull)
    }
}

/// What one region saw; `None` if nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RegionRange {
    /// Values read from other regions: the inputs of the layer.
    pub entering: Option<Range>,
    /// Values computed in the region.
    pub inside: Option<Range>,
}

/// An [`Observer`] of clear runs that records the range of values per region, over all slots.
///
/// Runs of the same program add up. This is how a value outside the range of a fitted polynomial is
/// found and reported by layer.
#[derive(Clone, Debug, Default)]
pub struct RegionRanges {
    regions: Vec<RegionRange>,
    values: Vec<Option<Range>>,
}

impl RegionRanges {
    /// The ranges, by index into [`Program::regions`].
    #[must_use]
    pub fn regions(&self) -> &[RegionRange] {
        &self.regions
    }

    /// The range of one value over all runs so far.
    #[must_use]
    pub fn value(&self, v: ValueId) -> Option<Range> {
        self.values.get(v.index()).copied().flatten()
    }
}

impl Observer<ClearEvaluator> for RegionRanges {
    fn end(&mut self, program: &Program, step: &[ValueId], results: &[ClearVector]) {
        self.regions
            .resize(program.regions.len(), RegionRange::default());
        self.values.resize(program.insts.len(), None);
        for (id, result) in step.iter().zip(results) {
            let inst = &program.insts[id.index()];
            for v in inst.op.operands() {
                if program.insts[v.index()].region != inst.region {
                    merge(
                        &mut self.regions[inst.region as usize].entering,
                        self.values[v.index()],
                    );
                }
            }
            let seen = Range::of(result.values());
            merge(&mut self.values[id.index()], seen);
            merge(&mut self.regions[inst.region as usize].inside, seen);
        }
    }
}

fn merge(into: &mut Option<Range>, other: Option<Range>) {
    *into = match (*into, other) {
        (Some(a), Some(b)) => Some(a.hull(b)),
        (a, b) => a.or(b),
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Evaluator, Recorder, interpret};
    use std::collections::BTreeMap;

    #[test]
    fn layers_see_what_enters_and_what_they_compute() {
        let rec = Recorder::new("t", 2);
        let x = rec.input("x").unwrap();
        rec.region("act");
        let y = rec.mul(&x, &x).unwrap();
        rec.output("y", &y).unwrap();
        let (program, constants) = rec.finish();
        let eval = ClearEvaluator::unlimited(2);
        let mut ranges = RegionRanges::default();
        for values in [[-3.0, 1.0], [0.5, 2.0]] {
            let inputs = BTreeMap::from([("x".to_owned(), eval.vector(&values).unwrap())]);
            interpret::run(&program, &constants, &eval, inputs, &mut ranges).unwrap();
        }
        let act = ranges.regions()[1];
        assert_eq!(
            act.entering,
            Some(Range {
                min: -3.0,
                max: 2.0
            })
        );
        assert_eq!(
            act.inside,
            Some(Range {
                min: 0.25,
                max: 9.0
            })
        );
        assert_eq!(ranges.regions()[0].entering, None);
        assert!(!act.entering.unwrap().within(-2.0, 2.0));
        assert_eq!(ranges.value(y), act.inside);
    }
}
