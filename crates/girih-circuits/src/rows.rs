//! Rows of numbers in slots: the layout that softmax, norms and arg-max work on.

use std::collections::BTreeSet;

use girih_he::{Evaluator, Rotation};
use girih_polyfit::EvaluationPlan;

use crate::cost::CircuitCost;
use crate::{Error, Result, evaluation, replicate, rotate_and_sum};

/// Many rows of equal length in the slots of one or more ciphertexts.
///
/// In each ciphertext, slot `s` belongs to row `⌊s / (length · stride)⌋ · stride + s mod stride` and holds the element
/// `j = ⌊s / stride⌋ mod length` of its part of the row: rows are consecutive for `stride = 1`, and interleaved
/// otherwise. A row continues at the same slots of the next ciphertext, so that with `length = 1` sums over rows need
/// no rotations (the column packing of MOAI, Zhang et al. 2025). Places `j >= valid` are padding.
///
/// If `length · stride` is the number of slots, rotations stay within rows and sums are free of masks; otherwise a
/// sum costs one level and `log₂ length` rotations more, to keep the next row out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    slots: usize,
    length: usize,
    stride: usize,
    valid: usize,
    ciphertexts: usize,
}

impl Rows {
    /// Rows of `length` elements `stride` slots apart, in one ciphertext, without padding.
    ///
    /// # Errors
    /// `length` and `stride` are not powers of two, or their product does not divide the slots.
    pub fn try_new(slots: usize, length: usize, stride: usize) -> Result<Self> {
        let usable = length.is_power_of_two()
            && stride.is_power_of_two()
            && length
                .checked_mul(stride)
                .is_some_and(|span| span <= slots && slots.is_multiple_of(span))
            && i32::try_from(slots).is_ok();
        if usable {
            Ok(Rows {
                slots,
                length,
                stride,
                valid: length,
                ciphertexts: 1,
            })
        } else {
            Err(Error::Rows {
                length,
                stride,
                slots,
            })
        }
    }

    /// The same with only the first `valid` places of each row in use.
    ///
    /// # Errors
    /// `valid` is zero or above the length.
    pub fn padded(self, valid: usize) -> Result<Self> {
        if (1..=self.length).contains(&valid) {
            Ok(Rows { valid, ..self })
        } else {
            Err(Error::Count {
                op: "rows",
                count: valid,
                slots: self.length,
            })
        }
    }

    /// The same with rows that go on in `ciphertexts` ciphertexts.
    ///
    /// # Errors
    /// No ciphertext.
    pub fn across(self, ciphertexts: usize) -> Result<Self> {
        if ciphertexts == 0 {
            return Err(Error::Inputs {
                op: "rows",
                expected: 1,
                given: 0,
            });
        }
        Ok(Rows {
            ciphertexts,
            ..self
        })
    }

    /// Slots of a ciphertext.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Ciphertexts that a row spans.
    #[must_use]
    pub fn ciphertexts(&self) -> usize {
        self.ciphertexts
    }

    /// Places of a row in one ciphertext.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Slots between neighbours of a row.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Places in use of a row in one ciphertext.
    #[must_use]
    pub fn valid(&self) -> usize {
        self.valid
    }

    /// Elements of a row: places in use, over all ciphertexts.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.valid * self.ciphertexts
    }

    /// Number of rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.slots / self.length
    }

    /// Whether rotations stay within rows.
    #[must_use]
    pub fn is_cyclic(&self) -> bool {
        self.length == 1 || self.length * self.stride == self.slots
    }

    /// Whether there are places that are not in use.
    #[must_use]
    pub fn is_padded(&self) -> bool {
        self.valid < self.length
    }

    /// Levels of [`sum`](Self::sum): 0 if rotations stay within rows, else 1.
    #[must_use]
    pub fn sum_depth(&self) -> usize {
        usize::from(!self.is_cyclic())
    }

    /// Rotations of one [`sum`](Self::sum).
    #[must_use]
    pub fn sum_rotations(&self) -> usize {
        let once = self.length.ilog2() as usize;
        if self.is_cyclic() { once } else { 2 * once }
    }

    /// The rotations whose keys [`sum`](Self::sum) needs.
    #[must_use]
    pub fn rotations(&self) -> BTreeSet<Rotation> {
        let steps = (0..self.length.ilog2()).map(|i| (self.stride << i) as i32);
        let slots = self.slots as i32;
        let mut all = BTreeSet::new();
        for by in steps {
            all.insert(Rotation(by));
            if !self.is_cyclic() {
                all.insert(Rotation(slots - by));
            }
        }
        all
    }

    /// Row and element of a slot of a ciphertext; no element in the padding.
    #[must_use]
    pub fn place(&self, ciphertext: usize, slot: usize) -> (usize, Option<usize>) {
        let row = slot / (self.length * self.stride) * self.stride + slot % self.stride;
        let j = slot / self.stride % self.length;
        (row, (j < self.valid).then(|| ciphertext * self.valid + j))
    }

    /// One vector for each ciphertext with `f(row, element)` in its slots and zeros in the padding.
    pub fn vectors(&self, f: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
        (0..self.ciphertexts)
            .map(|c| {
                (0..self.slots)
                    .map(|slot| match self.place(c, slot) {
                        (row, Some(element)) => f(row, element),
                        _ => 0.0,
                    })
                    .collect()
            })
            .collect()
    }

    /// The elements of all rows, from the slots of all ciphertexts: the inverse of [`vectors`](Self::vectors).
    ///
    /// # Errors
    /// Another number of vectors than of ciphertexts, or of values than of slots.
    pub fn gather(&self, vectors: &[impl AsRef<[f64]>]) -> Result<Vec<Vec<f64>>> {
        self.check(vectors.len())?;
        let mut rows = vec![vec![0.0; self.elements()]; self.count()];
        for (c, values) in vectors.iter().enumerate() {
            let values = values.as_ref();
            if values.len() != self.slots {
                return Err(Error::Count {
                    op: "gather",
                    count: values.len(),
                    slots: self.slots,
                });
            }
            for (slot, &value) in values.iter().enumerate() {
                if let (row, Some(element)) = self.place(c, slot) {
                    rows[row][element] = value;
                }
            }
        }
        Ok(rows)
    }

    /// `Σ` of each row, padding included, in every slot of the row: [`sum_depth`](Self::sum_depth) levels.
    ///
    /// # Errors
    /// Another number of ciphertexts than the layout has, or the evaluator refuses an operation.
    pub fn sum<E: Evaluator>(&self, eval: &E, xs: &[E::Ciphertext]) -> Result<E::Ciphertext> {
        let total = self.sum_to_first(eval, xs)?;
        if self.is_cyclic() {
            return Ok(total);
        }
        let first = self.first(eval, 1.0)?;
        let alone = eval.mul_plain(&total, &first)?;
        replicate(eval, &alone, self.length, self.stride as i32)
    }

    /// `Σ` of each row in its first place; elsewhere sums that reach into the next row.
    pub(crate) fn sum_to_first<E: Evaluator>(
        &self,
        eval: &E,
        xs: &[E::Ciphertext],
    ) -> Result<E::Ciphertext> {
        self.check(xs.len())?;
        let mut total = xs[0].clone();
        for x in &xs[1..] {
            total = eval.add(&total, x)?;
        }
        rotate_and_sum(eval, &total, self.length, self.stride as i32)
    }

    /// The constant that is `factor` in the first place of each row and zero elsewhere.
    pub(crate) fn first<E: Evaluator>(&self, eval: &E, factor: f64) -> Result<E::Plaintext> {
        let values: Vec<f64> = (0..self.slots)
            .map(|slot| match slot / self.stride % self.length {
                0 => factor,
                _ => 0.0,
            })
            .collect();
        let name = format!("first of {} by {}: {factor:e}", self.length, self.stride);
        Ok(eval.constant(&name, &values)?)
    }

    /// What [`sum`](Self::sum) costs.
    pub(crate) fn sum_cost(&self) -> CircuitCost {
        CircuitCost {
            depth: self.sum_depth(),
            products: 0,
            rotations: self.sum_rotations(),
        }
    }

    /// `plan(Σ + offset)` of each row in every slot of the row, for a plan whose interval has radius 1, so that its input
    /// map is a sum with a constant.
    pub(crate) fn function_of_sum<E: Evaluator>(
        &self,
        eval: &E,
        plan: &EvaluationPlan,
        xs: &[E::Ciphertext],
        offset: f64,
    ) -> Result<E::Ciphertext> {
        let sum = self.sum(eval, xs)?;
        let u = eval.add_scalar(&sum, offset - plan.interval().center())?;
        evaluation::evaluate_unit(eval, plan, &u)
    }

    /// Each element times [`function_of_sum`](Self::function_of_sum) of its row.
    pub(crate) fn times_function_of_sum<E: Evaluator>(
        &self,
        eval: &E,
        plan: &EvaluationPlan,
        xs: &[E::Ciphertext],
        offset: f64,
    ) -> Result<Vec<E::Ciphertext>> {
        let factor = self.function_of_sum(eval, plan, xs, offset)?;
        xs.iter().map(|x| Ok(eval.mul(x, &factor)?)).collect()
    }

    /// What [`times_function_of_sum`](Self::times_function_of_sum) costs.
    pub(crate) fn times_function_of_sum_cost(&self, plan: &EvaluationPlan) -> CircuitCost {
        self.sum_cost()
            .then(CircuitCost::of(plan, 1))
            .then(CircuitCost::levels(1, self.ciphertexts))
    }

    /// Whether the number of ciphertexts is that of the layout.
    pub(crate) fn check(&self, given: usize) -> Result<()> {
        if given == self.ciphertexts {
            Ok(())
        } else {
            Err(Error::Inputs {
                op: "rows",
                expected: self.ciphertexts,
                given,
            })
        }
    }
}

/// Which elements of which rows take part: public, the same for all inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    rows: Rows,
    counts: Vec<usize>,
    vectors: Vec<Vec<f64>>,
}

impl Mask {
    /// The elements for which `keep(row, element)` holds. Rows without any give zeros.
    ///
    /// # Errors
    /// No element is kept at all.
    pub fn new(rows: &Rows, keep: impl Fn(usize, usize) -> bool) -> Result<Self> {
        let vectors = rows.vectors(|r, e| f64::from(u8::from(keep(r, e))));
        let counts: Vec<usize> = (0..rows.count())
            .map(|r| (0..rows.elements()).filter(|&e| keep(r, e)).count())
            .collect();
        if counts.iter().all(|&n| n == 0) {
            return Err(Error::Count {
                op: "mask",
                count: 0,
                slots: rows.elements(),
            });
        }
        Ok(Mask {
            rows: *rows,
            counts,
            vectors,
        })
    }

    /// The causal mask of attention: row `r` of each block of `queries` rows keeps its elements `0..=r`.
    ///
    /// # Errors
    /// No query.
    pub fn causal(rows: &Rows, queries: usize) -> Result<Self> {
        if queries == 0 {
            return Err(Error::Count {
                op: "causal mask",
                count: 0,
                slots: rows.count(),
            });
        }
        Self::new(rows, |r, e| e <= r % queries)
    }

    /// Elements kept in each row.
    #[must_use]
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The smallest number kept in a row that keeps any.
    #[must_use]
    pub fn least(&self) -> usize {
        self.counts
            .iter()
            .copied()
            .filter(|&n| n > 0)
            .min()
            .unwrap_or(1)
    }

    /// The largest number kept in a row.
    #[must_use]
    pub fn most(&self) -> usize {
        self.counts.iter().copied().max().unwrap_or(1)
    }

    /// Ones and zeros in slots, one vector for each ciphertext.
    #[must_use]
    pub fn vectors(&self) -> &[Vec<f64>] {
        &self.vectors
    }

    /// The mask times a factor of each row, by its number of elements kept.
    pub(crate) fn weighted(&self, factor: impl Fn(usize) -> f64) -> Vec<Vec<f64>> {
        (self.vectors.iter().enumerate())
            .map(|(c, values)| {
                (values.iter().enumerate())
                    .map(|(slot, &kept)| match kept {
                        0.0 => 0.0,
                        _ => factor(self.counts[self.rows.place(c, slot).0]),
                    })
                    .collect()
            })
            .collect()
    }

    /// Whether the mask belongs to the layout.
    pub(crate) fn check(&self, rows: &Rows) -> Result<()> {
        if self.rows == *rows {
            Ok(())
        } else {
            Err(Error::Rows {
                length: self.rows.length,
                stride: self.rows.stride,
                slots: self.rows.slots,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use girih_he::{Auto, ClearEvaluator, Level};
    use proptest::prelude::*;

    #[test]
    fn layouts_that_do_not_fit_are_refused() {
        for (slots, length, stride) in
            [(16, 3, 1), (16, 4, 3), (16, 32, 1), (16, 8, 4), (24, 16, 1)]
        {
            assert!(matches!(
                Rows::try_new(slots, length, stride),
                Err(Error::Rows { .. })
            ));
        }
        let rows = Rows::try_new(16, 4, 1).unwrap();
        assert!(rows.padded(0).is_err() && rows.padded(5).is_err() && rows.across(0).is_err());
        assert!(Mask::new(&rows, |_, _| false).is_err());
        assert!(Mask::causal(&rows, 0).is_err());
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_rows(
            log_length in 0u32..=5,
            log_stride in 0u32..=5,
            ciphertexts in 1usize..=3,
            seed in 0u32..100,
        ) {
            let (length, stride) = (1usize << log_length, 1usize << log_stride);
            prop_assume!(length * stride <= 32);
            let rows = Rows::try_new(32, length, stride).unwrap().across(ciphertexts).unwrap();
            let value = |r: usize, e: usize| ((r * 31 + e * 7) as f64 + f64::from(seed)).sin();
            let levels = rows.sum_depth() as u8;
            let eval = Auto::new(ClearEvaluator::leveled(32, Level(levels)));
            let xs: Vec<_> = rows.vectors(value).iter().map(|v| eval.inner().vector(v).unwrap()).collect();
            let sum = rows.sum(&eval, &xs).unwrap();
            prop_assert_eq!(eval.remaining(&sum), 0);
            for (slot, found) in sum.values().iter().enumerate() {
                let r = rows.place(0, slot).0;
                let expected: f64 = (0..rows.elements()).map(|e| value(r, e)).sum();
                prop_assert!((found - expected).abs() < 1e-12);
            }
            let back = rows.gather(&rows.vectors(value)).unwrap();
            for (r, row) in back.iter().enumerate() {
                for (e, v) in row.iter().enumerate() {
                    prop_assert_eq!(*v, value(r, e));
                }
            }
        }
    }
}
