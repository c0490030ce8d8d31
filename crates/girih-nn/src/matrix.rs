//! The matrix of an affine map, spelled out or not.

use std::sync::Arc;

use crate::{Error, Result, Sparse, WindowMatrix};

/// A linear map between flattened tensors. Cloning shares the entries.
#[derive(Clone, Debug, PartialEq)]
pub enum Matrix {
    /// Entries by row.
    Sparse(Arc<Sparse>),
    /// A convolution.
    Window(Arc<WindowMatrix>),
    /// All entries.
    Dense(Arc<DenseMatrix>),
}

/// A dense matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseMatrix {
    cols: usize,
    values: Vec<f64>,
}

impl DenseMatrix {
    /// From `values[rows][cols]`, row-major.
    ///
    /// # Errors
    /// A number of values that is not `rows · cols`, or none.
    pub fn try_new(values: Vec<f64>, rows: usize, cols: usize) -> Result<Self> {
        if cols == 0 || values.len() != rows * cols {
            return Err(Error::Shape {
                op: "Gemm",
                why: format!("{} weights for a {rows} x {cols} matrix", values.len()),
            });
        }
        Ok(DenseMatrix { cols, values })
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.cols..(row + 1) * self.cols]
    }
}

impl From<Sparse> for Matrix {
    fn from(entries: Sparse) -> Self {
        Matrix::Sparse(Arc::new(entries))
    }
}

impl From<WindowMatrix> for Matrix {
    fn from(convolution: WindowMatrix) -> Self {
        Matrix::Window(Arc::new(convolution))
    }
}

impl From<DenseMatrix> for Matrix {
    fn from(values: DenseMatrix) -> Self {
        Matrix::Dense(Arc::new(values))
    }
}

impl Matrix {
    /// The identity.
    #[must_use]
    pub fn identity(size: usize) -> Self {
        Matrix::diagonal(&vec![1.0; size])
    }

    /// A diagonal matrix.
    #[must_use]
    pub fn diagonal(values: &[f64]) -> Self {
        Sparse::diagonal(values).into()
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Matrix::Sparse(m) => m.rows(),
            Matrix::Window(m) => m.rows(),
            Matrix::Dense(m) => m.values.len() / m.cols,
        }
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        match self {
            Matrix::Sparse(m) => m.cols(),
            Matrix::Window(m) => m.cols(),
            Matrix::Dense(m) => m.cols,
        }
    }

    /// Number of entries; those of convolutions and dense matrices may be zero.
    #[must_use]
    pub fn entries(&self) -> usize {
        match self {
            Matrix::Sparse(m) => m.entries(),
            Matrix::Window(m) => m.entries(),
            Matrix::Dense(m) => m.values.len(),
        }
    }

    /// Calls `f` with `(column, value)` for the entries of a row that are not zero, by column.
    pub fn for_row(&self, row: usize, mut f: impl FnMut(usize, f64)) {
        let mut entry = |col: usize, value: f64| {
            if value != 0.0 {
                f(col, value);
            }
        };
        match self {
            Matrix::Sparse(m) => m.row(row).for_each(|(c, v)| entry(c, v)),
            Matrix::Window(m) => m.for_row(row, entry),
            Matrix::Dense(m) => m
                .row(row)
                .iter()
                .enumerate()
                .for_each(|(c, v)| entry(c, *v)),
        }
    }

    /// One entry.
    #[must_use]
    pub fn get(&self, row: usize, col: usize) -> f64 {
        match self {
            Matrix::Sparse(m) => m.get(row, col),
            Matrix::Window(m) => m.at(
                crate::window::split(row, m.output()),
                crate::window::split(col, m.input()),
            ),
            Matrix::Dense(m) => m.row(row)[col],
        }
    }

    /// The diagonal, if no entry lies off it.
    #[must_use]
    pub fn as_diagonal(&self) -> Option<Vec<f64>> {
        if self.rows() != self.cols() {
            return None;
        }
        let mut diagonal = vec![0.0; self.rows()];
        for (row, d) in diagonal.iter_mut().enumerate() {
            let mut off = false;
            self.for_row(row, |col, value| {
                off |= col != row;
                *d = value;
            });
            if off {
                return None;
            }
        }
        Some(diagonal)
    }

    /// Whether this is the identity.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.as_diagonal()
            .is_some_and(|d| d.iter().all(|&v| v == 1.0))
    }

    /// Whether no entry is left.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.entries() == 0
    }

    /// `M x`.
    #[must_use]
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let dot = |row: usize| {
            let mut sum = 0.0;
            self.for_row(row, |col, value| sum += value * x[col]);
            sum
        };
        match x.iter().all(|v| *v == 0.0) {
            true => vec![0.0; self.rows()],
            false => (0..self.rows()).map(dot).collect(),
        }
    }

    /// Multiply-adds of [`compose`](Matrix::compose) where it spells the product out, about.
    #[must_use]
    pub fn compose_cost(&self, rhs: &Matrix) -> usize {
        match self.as_diagonal().is_some() || rhs.as_diagonal().is_some() {
            true => 0,
            false => self
                .entries()
                .saturating_mul(rhs.entries().div_ceil(rhs.rows().max(1))),
        }
    }

    /// `self · rhs`. A product with a diagonal matrix keeps the structure of the other one where it can.
    #[must_use]
    pub fn compose(&self, rhs: &Matrix) -> Matrix {
        assert_eq!(self.cols(), rhs.rows());
        let structured = match (rhs.as_diagonal(), self.as_diagonal()) {
            (Some(factors), _) if factors.iter().all(|f| *f == 1.0) => Some(self.clone()),
            (Some(factors), _) => self.scaled_cols(&factors),
            (None, Some(factors)) => rhs.scaled_rows(&factors),
            (None, None) => None,
        };
        structured.unwrap_or_else(|| self.spelled_out().compose(&rhs.spelled_out()).into())
    }

    /// `factor · self`.
    #[must_use]
    pub fn scaled_by(&self, factor: f64) -> Matrix {
        match factor == 1.0 {
            true => self.clone(),
            false => Matrix::diagonal(&vec![factor; self.rows()]).compose(self),
        }
    }

    /// `self + rhs`.
    #[must_use]
    pub fn add(&self, rhs: &Matrix) -> Matrix {
        self.spelled_out().add(&rhs.spelled_out()).into()
    }

    /// The transposed matrix, spelled out.
    #[must_use]
    pub fn transposed(&self) -> Matrix {
        self.spelled_out().transposed().into()
    }

    fn scaled_rows(&self, factors: &[f64]) -> Option<Matrix> {
        match self {
            Matrix::Sparse(_) => None,
            Matrix::Window(m) => m.scaled_rows(factors).map(Matrix::from),
            Matrix::Dense(m) => {
                let rows = m.values.chunks(m.cols).zip(factors);
                let values = rows.flat_map(|(row, f)| row.iter().map(move |v| f * v));
                Some(Matrix::from(DenseMatrix {
                    cols: m.cols,
                    values: values.collect(),
                }))
            }
        }
    }

    fn scaled_cols(&self, factors: &[f64]) -> Option<Matrix> {
        match self {
            Matrix::Sparse(_) => None,
            Matrix::Window(m) => m.scaled_cols(factors).map(Matrix::from),
            Matrix::Dense(m) => {
                let rows = m.values.chunks(m.cols);
                let values = rows.flat_map(|row| row.iter().zip(factors).map(|(v, f)| v * f));
                Some(Matrix::from(DenseMatrix {
                    cols: m.cols,
                    values: values.collect(),
                }))
            }
        }
    }

    /// The entries, by row.
    fn spelled_out(&self) -> Arc<Sparse> {
        if let Matrix::Sparse(m) = self {
            return m.clone();
        }
        let row = |row: usize| {
            let mut entries = Vec::new();
            self.for_row(row, |col, value| entries.push((col, value)));
            entries
        };
        Arc::new(Sparse::from_rows(
            self.cols(),
            (0..self.rows()).map(row).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use crate::sparse::tests::sparse;
    use proptest::prelude::*;

    fn values(count: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * 29) % 13) as f64 - 6.0).collect()
    }

    /// Matrices of one size `[4, 3, 5]` to `[2, 2, 2]` of every kind.
    fn convolution(groups: usize, stride: usize, dilation: usize, pad: usize) -> Option<Matrix> {
        let window = Window {
            kernel: [2, 3],
            stride: [stride, 2],
            pad: [pad, 0, 1, pad],
            dilation: [dilation, 1],
        };
        let weight = values(6 * 4 / groups * 6);
        Some(
            WindowMatrix::try_new([4, 5, 6], weight, 6, groups, window)
                .ok()?
                .into(),
        )
    }

    proptest! {
        #[test]
        fn structure_is_the_same_matrix(
            groups in prop::sample::select(vec![1, 2]), stride in 1..4usize, dilation in 1..3usize, pad in 0..3usize,
            seed in 0..50usize,
        ) {
            let m = convolution(groups, stride, dilation, pad).expect("shapes fit");
            let plain: Matrix = m.spelled_out().as_ref().clone().into();
            prop_assert!(plain.entries() <= m.entries());
            let x = values(m.cols() + seed).split_off(seed);
            prop_assert_eq!(m.apply(&x), plain.apply(&x));
            for row in 0..m.rows() {
                for col in (seed % 7..m.cols()).step_by(7) {
                    prop_assert_eq!(m.get(row, col), plain.get(row, col));
                }
            }
            let per = |count: usize, pixels: usize| -> Vec<f64> { (0..count * pixels).map(|i| 1.0 + (i / pixels) as f64).collect() };
            let rows = Matrix::diagonal(&per(6, m.rows() / 6));
            let cols = Matrix::diagonal(&per(4, 30));
            for (structured, spelled) in [
                (rows.compose(&m), rows.compose(&plain)),
                (m.compose(&cols), plain.compose(&cols)),
            ] {
                prop_assert!(matches!(structured, Matrix::Window(_)));
                prop_assert!(matches!(spelled, Matrix::Sparse(_)));
                prop_assert_eq!(structured.apply(&x), spelled.apply(&x));
            }
        }

        #[test]
        fn dense_matrices_are_sparse_ones(m in sparse(4, 5), seed in 0..9usize) {
            let plain = Matrix::from(m);
            let all: Vec<f64> = (0..4).flat_map(|r| (0..5).map(move |c| (r, c))).map(|(r, c)| plain.get(r, c)).collect();
            let dense = Matrix::from(DenseMatrix::try_new(all, 4, 5).expect("4 x 5"));
            let x = values(5 + seed).split_off(seed);
            prop_assert_eq!(dense.apply(&x), plain.apply(&x));
            let (left, right) = (Matrix::diagonal(&values(4)), Matrix::diagonal(&values(5)));
            let both = |m: &Matrix| left.compose(&m.compose(&right)).apply(&x);
            prop_assert_eq!(both(&dense), both(&plain));
        }
    }

    #[test]
    fn factors_that_differ_inside_a_channel_are_spelled_out() {
        let m = convolution(1, 1, 1, 0).expect("shapes fit");
        let uneven: Vec<f64> = values(m.cols());
        let product = m.compose(&Matrix::diagonal(&uneven));
        assert!(matches!(product, Matrix::Sparse(_)));
        assert_eq!(m.compose_cost(&Matrix::diagonal(&uneven)), 0);
    }
}
