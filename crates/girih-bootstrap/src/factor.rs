//! One sparse matrix as baby and giant steps, and how the factors of a bootstrapping follow each other.
//!
//! A factor has the offsets `k s` for `|k| <= K`, symmetric about zero, where baby and giant steps want `0, s, .., 2K s`. A
//! rotation `R_t` in front of the factor makes them so, `M = R_-t M'`, and moves on through all later factors, whose
//! diagonals turn with it: `N R_t = R_t N'`. What lies between the two embeddings works on each slot alone and does
//! not mind. The second embedding turns the other way. The first leaves `1 - S` and the second adds `S' - 1`, where `S` and
//! `S'` are the strides of the widest factors; the widest factor of the second wraps around and takes any
//! multiple of `S'` for nothing. No rotation is left over where `S'` divides `S`; if one is, the last factor takes it into its
//! baby steps, for one more key.

use num_complex::Complex64;

use crate::{Giants, Matrix};

/// Which way the offsets of a factor go from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Left,
    Right,
}

/// A matrix as `Σ_j rot_(j g) ( Σ_i D_ij ⊙ rot_(b_i) (x) )`, the giant step `g` being the same for all `j`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Factor {
    /// The giant step.
    pub(crate) giant: isize,
    /// By giant step `j = 0, 1, ..`: the baby steps and one period of their diagonals, already turned back by `j g`.
    pub(crate) steps: Vec<Vec<(isize, Vec<Complex64>)>>,
}

/// Factors in sequence, the rotations between them moved to the end.
pub(crate) struct Sequence {
    /// What the computed vector must be rotated by to be the true one.
    carry: isize,
    most_babies: usize,
}

impl Sequence {
    /// `most_babies` bounds the baby steps of a factor: fewer of them are fewer keys, and more giant steps.
    pub(crate) fn new(most_babies: usize) -> Sequence {
        Sequence {
            carry: 0,
            most_babies: most_babies.max(1),
        }
    }

    /// The next factor. The `last` one ends all rotation.
    pub(crate) fn push(&mut self, matrix: &Matrix, direction: Direction, last: bool) -> Factor {
        let n = matrix.n() as isize;
        let centred = |d: usize| {
            if 2 * (d as isize) > n {
                d as isize - n
            } else {
                d as isize
            }
        };
        let mut offsets: Vec<isize> = matrix.diagonals().keys().map(|&d| centred(d)).collect();
        offsets.sort_unstable();
        let zeros = |d: &isize| d.trailing_zeros();
        let stride = offsets.iter().filter(|d| **d != 0).map(zeros).min();
        let stride = stride.map_or(1, |z| 1isize << z);
        let largest = offsets.iter().map(|d| d.abs()).max().unwrap_or(0);
        // A factor that wraps around has all multiples of its stride and needs no shift.
        let wraps = offsets.len() as isize * stride == n;
        let sign = match direction {
            Direction::Right => 1,
            Direction::Left => -1,
        };
        let mut shift = if wraps { 0 } else { sign * largest };
        // y = R_carry (what M gives for R_carry x') and M = R_-shift M', so that the carry becomes carry - shift.
        let mut start = 0;
        if last {
            let wanted = self.carry;
            start = match wraps {
                true => wanted.rem_euclid(stride),
                false => wanted - shift,
            };
            shift = wanted;
        }
        let count = match wraps {
            true => offsets.len(),
            false => (2 * largest / stride) as usize + 1,
        };
        let babies = babies(count).min(self.most_babies);
        let step = sign * stride;
        let giant = babies as isize * step;
        let mut steps: Vec<Vec<(isize, Vec<Complex64>)>> = Vec::new();
        for t in 0..count {
            let offset = start + t as isize * step;
            let Some(diagonal) = matrix.diagonal(offset - shift) else {
                continue;
            };
            let (j, i) = (t / babies, t % babies);
            let turned = turned(diagonal, shift - self.carry - j as isize * giant);
            if steps.len() <= j {
                steps.resize_with(j + 1, Vec::new);
            }
            steps[j].push((start + i as isize * step, turned));
        }
        self.carry -= shift;
        Factor { giant, steps }
    }
}

impl Factor {
    /// Rotations that keys are needed for, but for zero.
    pub(crate) fn rotations(&self, giants: Giants) -> impl Iterator<Item = isize> {
        let turns = self.steps.len() as isize - 1;
        let keys = match giants {
            Giants::Apart => turns,
            Giants::Horner => turns.min(1),
        };
        let giants = (1..=keys).map(|j| j * self.giant);
        let babies = self.steps.iter().flatten().map(|(baby, _)| *baby);
        babies.chain(giants).filter(|r| *r != 0)
    }
}

/// About twice as many baby steps as giant steps: they share one decomposition and are divided by P only after the sum.
fn babies(count: usize) -> usize {
    let spread = (count + 1).next_power_of_two();
    (spread as f64 * 2.0).sqrt().log2().floor().exp2() as usize
}

/// `d[i + by]`.
fn turned(d: &[Complex64], by: isize) -> Vec<Complex64> {
    let mut turned = d.to_vec();
    turned.rotate_left(by.rem_euclid(d.len() as isize) as usize);
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::{coefficients_to_slots, slots_to_coefficients};

    fn rotated(x: &[Complex64], by: isize) -> Vec<Complex64> {
        turned(x, by)
    }

    fn apply(factor: &Factor, x: &[Complex64]) -> Vec<Complex64> {
        let mut y = vec![Complex64::ZERO; x.len()];
        for (j, step) in factor.steps.iter().enumerate() {
            let mut sum = vec![Complex64::ZERO; x.len()];
            for (baby, d) in step {
                for ((s, x), d) in sum.iter_mut().zip(rotated(x, *baby)).zip(d.iter().cycle()) {
                    *s += d * x;
                }
            }
            let turned = rotated(&sum, j as isize * factor.giant);
            y.iter_mut().zip(turned).for_each(|(y, t)| *y += t);
        }
        y
    }

    #[test]
    fn both_embeddings_in_sequence_are_the_identity() {
        let n = 1 << 9;
        let x: Vec<Complex64> = (0..n)
            .map(|k| Complex64::new((k as f64 * 0.7).sin(), (k as f64 * 1.3).cos()))
            .collect();
        for (there, back) in [(3, 2), (2, 3), (3, 3), (9, 1), (1, 9)] {
            for most in [1, 2, 4, 64] {
                let mut sequence = Sequence::new(most);
                let mut y = x.clone();
                let (first, second) = (
                    slots_to_coefficients(n, there),
                    coefficients_to_slots(n, back),
                );
                for m in &first {
                    y = apply(&sequence.push(m, Direction::Right, false), &y);
                }
                for (k, m) in second.iter().enumerate() {
                    let factor = sequence.push(m, Direction::Left, k + 1 == second.len());
                    if there >= back || k + 1 < second.len() {
                        let first = factor.steps[0].iter().any(|(baby, _)| *baby == 0);
                        assert!(
                            first,
                            "no rotation is left over: {:?}",
                            factor.steps[0][0].0
                        );
                    }
                    y = apply(&factor, &y);
                }
                assert_eq!(sequence.carry, 0);
                for (x, y) in x.iter().zip(&y) {
                    assert!((x * n as f64 - y).norm() < 1e-8, "{there} {back} {most}");
                }
            }
        }
    }
}
