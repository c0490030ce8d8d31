//! Affine maps between feature vectors: `y = Σ_k M_k x_k + b` with sparse matrices.
//!
//! Convolution, dense, pooling, normalisation, flattening and residual sums are all affine. Composing them before
//! anything is encrypted leaves exactly one affine map, hence one multiplicative level, between two
//! non-linear layers.

use std::collections::BTreeMap;

/// A sparse matrix in compressed row form.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    rows: usize,
    cols: usize,
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f64>,
}

impl Sparse {
    /// From one list of `(column, value)` for every row; zeros are dropped, repeated columns added.
    #[must_use]
    pub fn from_rows(cols: usize, rows: Vec<Vec<(usize, f64)>>) -> Self {
        let mut starts = Vec::with_capacity(rows.len() + 1);
        let (mut indices, mut values) = (Vec::new(), Vec::new());
        starts.push(0);
        let count = rows.len();
        for mut row in rows {
            row.sort_unstable_by_key(|e| e.0);
            let mut row = row.into_iter().peekable();
            while let Some((col, mut value)) = row.next() {
                assert!(col < cols, "column {col} of {cols}");
                while let Some((_, more)) = row.next_if(|e| e.0 == col) {
                    value += more;
                }
                if value != 0.0 {
                    indices.push(u32::try_from(col).expect("fewer than 2^32 features"));
                    values.push(value);
                }
            }
            starts.push(values.len());
        }
        Sparse {
            rows: count,
            cols,
            starts,
            indices,
            values,
        }
    }

    /// The identity.
    #[must_use]
    pub fn identity(size: usize) -> Self {
        Sparse::diagonal(&vec![1.0; size])
    }

    /// A diagonal matrix; zeros of the diagonal are dropped.
    #[must_use]
    pub fn diagonal(values: &[f64]) -> Self {
        Sparse::from_rows(
            values.len(),
            values
                .iter()
                .enumerate()
                .map(|(i, &v)| vec![(i, v)])
                .collect(),
        )
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of stored entries.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.values.len()
    }

    /// The entries of one row, by column.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.indices[range.clone()]
            .iter()
            .zip(&self.values[range])
            .map(|(&c, &v)| (c as usize, v))
    }

    /// The diagonal, if no entry lies off it.
    #[must_use]
    pub fn as_diagonal(&self) -> Option<Vec<f64>> {
        if self.rows != self.cols {
            return None;
        }
        let mut diagonal = vec![0.0; self.rows];
        for (row, d) in diagonal.iter_mut().enumerate() {
            for (col, value) in self.row(row) {
                if col != row {
                    return None;
                }
                *d = value;
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

    /// `M x`.
    #[must_use]
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        (0..self.rows)
            .map(|r| self.row(r).map(|(c, v)| v * x[c]).sum())
            .collect()
    }

    /// `self · rhs`.
    #[must_use]
    pub fn compose(&self, rhs: &Sparse) -> Sparse {
        assert_eq!(self.cols, rhs.rows);
        let mut dense = vec![0.0; rhs.cols];
        let mut touched = vec![false; rhs.cols];
        let rows = (0..self.rows)
            .map(|r| {
                let mut columns = Vec::new();
                for (k, v) in self.row(r) {
                    for (c, w) in rhs.row(k) {
                        if !touched[c] {
                            touched[c] = true;
                            columns.push(c);
                        }
                        dense[c] += v * w;
                    }
                }
                columns
                    .into_iter()
                    .map(|c| {
                        touched[c] = false;
                        (c, std::mem::take(&mut dense[c]))
                    })
                    .collect()
            })
            .collect();
        Sparse::from_rows(rhs.cols, rows)
    }

    /// `self + rhs`.
    #[must_use]
    pub fn add(&self, rhs: &Sparse) -> Sparse {
        assert_eq!((self.rows, self.cols), (rhs.rows, rhs.cols));
        Sparse::from_rows(
            self.cols,
            (0..self.rows)
                .map(|r| self.row(r).chain(rhs.row(r)).collect())
                .collect(),
        )
    }
}

/// `y = Σ_k M_k x_k + b` over sources named by `K`.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine<K: Ord + Copy> {
    /// The matrices, by source.
    pub terms: BTreeMap<K, Sparse>,
    /// The constant part.
    pub bias: Vec<f64>,
}

impl<K: Ord + Copy> Affine<K> {
    /// `y = x`.
    #[must_use]
    pub fn source(key: K, size: usize) -> Self {
        Affine {
            terms: BTreeMap::from([(key, Sparse::identity(size))]),
            bias: vec![0.0; size],
        }
    }

    /// Number of results.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bias.len()
    }

    /// `M y + c`.
    #[must_use]
    pub fn then(&self, matrix: &Sparse, shift: &[f64]) -> Self {
        let terms = self
            .terms
            .iter()
            .map(|(&k, m)| {
                (
                    k,
                    if m.is_identity() {
                        matrix.clone()
                    } else {
                        matrix.compose(m)
                    },
                )
            })
            .collect();
        let bias = matrix
            .apply(&self.bias)
            .iter()
            .zip(shift)
            .map(|(a, b)| a + b)
            .collect();
        Affine { terms, bias }
    }

    /// `y + factor · z`.
    #[must_use]
    pub fn plus(&self, rhs: &Self, factor: f64) -> Self {
        assert_eq!(self.size(), rhs.size());
        let mut terms = self.terms.clone();
        let scale = Sparse::diagonal(&vec![factor; rhs.size()]);
        for (&k, m) in &rhs.terms {
            let scaled = if factor == 1.0 {
                m.clone()
            } else {
                scale.compose(m)
            };
            let sum = match terms.get(&k) {
                Some(own) => own.add(&scaled),
                None => scaled,
            };
            terms.insert(k, sum);
        }
        terms.retain(|_, m| m.entries() > 0);
        let bias = self
            .bias
            .iter()
            .zip(&rhs.bias)
            .map(|(a, b)| a + factor * b)
            .collect();
        Affine { terms, bias }
    }

    /// The source this is, if it is nothing but one source unchanged.
    #[must_use]
    pub fn as_source(&self) -> Option<K> {
        match self.terms.iter().next() {
            Some((&k, m))
                if self.terms.len() == 1
                    && m.is_identity()
                    && self.bias.iter().all(|&b| b == 0.0) =>
            {
                Some(k)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sparse(rows: usize, cols: usize) -> impl Strategy<Value = Sparse> {
        prop::collection::vec(prop::collection::vec((0..cols, -2.0..2.0f64), 0..4), rows)
            .prop_map(move |r| Sparse::from_rows(cols, r))
    }

    proptest! {
        #[test]
        fn composition_is_application_in_sequence(
            a in sparse(3, 5), b in sparse(5, 4), x in prop::collection::vec(-1.0..1.0f64, 4)
        ) {
            let direct = a.compose(&b).apply(&x);
            for (l, r) in direct.iter().zip(a.apply(&b.apply(&x))) {
                prop_assert!((l - r).abs() < 1e-12);
            }
        }

        #[test]
        fn sums_add(a in sparse(3, 4), b in sparse(3, 4), x in prop::collection::vec(-1.0..1.0f64, 4)) {
            let sum = a.add(&b).apply(&x);
            for ((s, l), r) in sum.iter().zip(a.apply(&x)).zip(b.apply(&x)) {
                prop_assert!((s - l - r).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_source_is_recognised() {
        let x = Affine::source(7u32, 3);
        assert_eq!(x.as_source(), Some(7));
        assert_eq!(
            x.then(&Sparse::diagonal(&[1.0, 2.0, 1.0]), &[0.0; 3])
                .as_source(),
            None
        );
        assert_eq!(x.plus(&x, -1.0).terms.len(), 0);
    }
}
