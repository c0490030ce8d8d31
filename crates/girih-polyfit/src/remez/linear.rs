//! Dense linear systems in double-double arithmetic.

use crate::Dd;

/// `P A = L U` with row exchanges; `A` is square.
pub(super) struct Factors {
    n: usize,
    /// `L` below the diagonal, `U` on and above it, row by row.
    lu: Vec<Dd>,
    rows: Vec<usize>,
}

impl Factors {
    /// Gaussian elimination with partial pivoting, rows scaled by their largest entry. `None` for a singular matrix.
    pub(super) fn new(n: usize, mut a: Vec<Dd>) -> Option<Self> {
        let mut rows: Vec<usize> = (0..n).collect();
        let scales: Vec<f64> = (0..n)
            .map(|i| {
                a[i * n..(i + 1) * n]
                    .iter()
                    .map(|x| x.hi().abs())
                    .fold(0.0, f64::max)
            })
            .collect();
        if scales.iter().any(|&s| s == 0.0 || !s.is_finite()) {
            return None;
        }
        let mut scales = scales;
        for k in 0..n {
            let pivot = (k..n).max_by(|&i, &j| {
                let size = |i: usize| a[i * n + k].hi().abs() / scales[i];
                size(i).total_cmp(&size(j))
            })?;
            if a[pivot * n + k].hi() == 0.0 || !a[pivot * n + k].is_finite() {
                return None;
            }
            if pivot != k {
                rows.swap(k, pivot);
                scales.swap(k, pivot);
                for j in 0..n {
                    a.swap(k * n + j, pivot * n + j);
                }
            }
            let (top, rest) = a.split_at_mut((k + 1) * n);
            let pivot_row = &top[k * n..];
            let inverse = pivot_row[k].recip();
            for row in rest.chunks_exact_mut(n) {
                if row[k] == 0.0 {
                    continue;
                }
                let factor = row[k] * inverse;
                row[k] = factor;
                for (x, &p) in row[k + 1..].iter_mut().zip(&pivot_row[k + 1..]) {
                    *x -= factor * p;
                }
            }
        }
        Some(Factors { n, lu: a, rows })
    }

    fn at(&self, i: usize, j: usize) -> Dd {
        self.lu[i * self.n + j]
    }

    /// `x` with `A x = b`.
    pub(super) fn solve(&self, b: &[Dd]) -> Vec<Dd> {
        let mut x: Vec<Dd> = self.rows.iter().map(|&r| b[r]).collect();
        for i in 0..self.n {
            for j in 0..i {
                let known = self.at(i, j) * x[j];
                x[i] -= known;
            }
        }
        for i in (0..self.n).rev() {
            for j in i + 1..self.n {
                let known = self.at(i, j) * x[j];
                x[i] -= known;
            }
            x[i] /= self.at(i, i);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The Hilbert matrix of order 8 has a condition of 10¹⁰: 20 digits remain of 32.
    #[test]
    fn hilbert() {
        let n = 8;
        let a: Vec<Dd> = (0..n * n)
            .map(|k| Dd::ONE / (k / n + k % n + 1) as f64)
            .collect();
        let x: Vec<Dd> = (0..n).map(|k| Dd::from(k as f64 - 2.5)).collect();
        let b: Vec<Dd> = (0..n)
            .map(|i| (0..n).map(|j| a[i * n + j] * x[j]).sum())
            .collect();
        let found = Factors::new(n, a).unwrap().solve(&b);
        for (found, expected) in found.iter().zip(&x) {
            assert!((*found - *expected).abs() < 1e-19, "{found} {expected}");
        }
        assert!(Factors::new(2, vec![Dd::ONE; 4]).is_none());
        assert!(Factors::new(1, vec![Dd::ZERO]).is_none());
    }
}
