//! Matrices by their generalised diagonals.

use std::collections::BTreeMap;

use num_complex::Complex64;

/// An `n x n` matrix of few generalised diagonals that repeat with a period: `y[i] = Σ_d D_d[i mod period] x[(i + d) mod n]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    n: usize,
    period: usize,
    diagonals: BTreeMap<usize, Vec<Complex64>>,
}

impl Matrix {
    /// The zero matrix; `period` divides n.
    #[must_use]
    pub fn zero(n: usize, period: usize) -> Matrix {
        Matrix {
            n,
            period,
            diagonals: BTreeMap::new(),
        }
    }

    /// The dimension.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// One period of every diagonal, by offset in `0..n`.
    #[must_use]
    pub fn diagonals(&self) -> &BTreeMap<usize, Vec<Complex64>> {
        &self.diagonals
    }

    /// One period of the diagonal of an offset modulo n, if it is not zero.
    #[must_use]
    pub fn diagonal(&self, offset: isize) -> Option<&[Complex64]> {
        let d = offset.rem_euclid(self.n as isize) as usize;
        self.diagonals.get(&d).map(Vec::as_slice)
    }

    /// The matrix of one diagonal, at offset 0.
    #[must_use]
    pub fn from_diagonal(diagonal: Vec<Complex64>) -> Matrix {
        Matrix {
            n: diagonal.len(),
            period: diagonal.len(),
            diagonals: [(0, diagonal)].into(),
        }
    }

    /// The matrix on vectors of twice the length that acts on those of period n as this one; it commutes with
    /// the rotation by n.
    #[must_use]
    pub fn repeated(&self) -> Matrix {
        let n = self.n;
        let far = |d: usize| if 2 * d > n { d + n } else { d };
        let diagonals = self.diagonals.iter().map(|(&d, v)| (far(d), v.clone()));
        Matrix {
            n: 2 * n,
            period: self.period,
            diagonals: diagonals.collect(),
        }
    }

    /// Adds `value` at row `i` and column `i + offset`.
    pub(crate) fn add(&mut self, i: usize, offset: isize, value: Complex64) {
        let d = offset.rem_euclid(self.n as isize) as usize;
        let zeros = || vec![Complex64::ZERO; self.period];
        self.diagonals.entry(d).or_insert_with(zeros)[i] += value;
    }

    /// The product `self · right`: first `right`, then `self`; its period is the longer one, the other dividing it. Cost: the
    /// product of the numbers of diagonals, times the period.
    #[must_use]
    pub fn times(&self, right: &Matrix) -> Matrix {
        let n = self.n;
        let mut product = Matrix::zero(n, self.period.max(right.period));
        for (&a, left) in &self.diagonals {
            for (&b, right) in &right.diagonals {
                let sum = product
                    .diagonals
                    .entry((a + b) % n)
                    .or_insert_with(|| vec![Complex64::ZERO; product.period]);
                for (i, sum) in sum.iter_mut().enumerate() {
                    *sum += left[i % left.len()] * right[(i + a) % right.len()];
                }
            }
        }
        product
    }

    /// Every entry times `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Matrix {
        for value in self.diagonals.values_mut().flatten() {
            *value *= factor;
        }
        self
    }

    /// `A x`: the oracle.
    #[must_use]
    pub fn apply(&self, x: &[Complex64]) -> Vec<Complex64> {
        let mut y = vec![Complex64::ZERO; self.n];
        for (&d, diagonal) in &self.diagonals {
            for (i, (y, c)) in y.iter_mut().zip(diagonal.iter().cycle()).enumerate() {
                *y += c * x[(i + d) % self.n];
            }
        }
        y
    }
}
