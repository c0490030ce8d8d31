//! Sparse matrices in compressed row form.

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

    /// One entry.
    #[must_use]
    pub fn get(&self, row: usize, col: usize) -> f64 {
        let range = self.starts[row]..self.starts[row + 1];
        let found = self.indices[range.clone()].binary_search_by(|&c| (c as usize).cmp(&col));
        found.map_or(0.0, |at| self.values[range.start + at])
    }

    /// The transposed matrix.
    #[must_use]
    pub fn transposed(&self) -> Sparse {
        let mut rows = vec![Vec::new(); self.cols];
        for row in 0..self.rows {
            for (col, value) in self.row(row) {
                rows[col].push((row, value));
            }
        }
        Sparse::from_rows(self.rows, rows)
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn sparse(rows: usize, cols: usize) -> impl Strategy<Value = Sparse> {
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

        #[test]
        fn entries_are_found_and_transposed(a in sparse(4, 6)) {
            let turned = a.transposed();
            for row in 0..4 {
                for col in 0..6 {
                    let listed = a.row(row).find(|e| e.0 == col).map_or(0.0, |e| e.1);
                    prop_assert_eq!(a.get(row, col), listed);
                    prop_assert_eq!(turned.get(col, row), listed);
                }
            }
        }
    }
}
