//! How a tensor is cut into tiles: a [`TileDim`] for every dimension.

use crate::{Error, MAX_SLOTS, Result, TileDim};

/// The shape of a tile tensor: how each dimension is cut, and so the slots of every tile.
///
/// The tiles form an array of the external sizes, each tile an array of the tile sizes, both
/// flattened with the last dimension fastest. The product of the tile sizes is the slot count.
///
/// A slot is *used* if it is used in every dimension. An unused slot is *unknown* if one of the
/// dimensions in which it is unused is flagged `?`, and zero otherwise.
///
/// A *diagonalised* shape, `[(d)n/t1, m/t2, ..]`, lays the first two dimensions out for a product by rotating the vector
/// (Halevi and Shoup, CRYPTO 2014): with `T = t1 t2`, slot `(a, b)` of tile `(p t2 + k, q)` holds
/// `M[p T + (a t2 + b + k) mod T, q t2 + b]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TileShape {
    dims: Vec<TileDim>,
    diagonal: bool,
}

impl TileShape {
    /// A shape of the given dimensions, slowest first.
    ///
    /// # Errors
    /// No dimension, tiles of more than [`MAX_SLOTS`] slots, or more tiles or elements than memory
    /// can address.
    pub fn try_new(dims: Vec<TileDim>) -> Result<Self> {
        let fail = |why: &str| Err(Error::Shape { why: why.into() });
        if dims.is_empty() {
            return fail("at least one dimension is needed");
        }
        let product = |size: fn(&TileDim) -> usize| {
            dims.iter()
                .try_fold(1usize, |all, d| all.checked_mul(size(d)))
                .filter(|&all| all <= isize::MAX as usize)
        };
        if product(|d| d.tile).is_none_or(|slots| slots > MAX_SLOTS) {
            return fail("a tile has more than 2^30 slots");
        }
        if product(|d| d.external.max(1)).is_none() {
            return fail("more tiles than memory can address");
        }
        if product(|d| d.original.unwrap_or(1)).is_none() {
            return fail("more elements than memory can address");
        }
        if dims.iter().filter(|d| d.complex).count() > 1 {
            return fail("two reals a slot are packed along one dimension, not several");
        }
        Ok(TileShape {
            dims,
            diagonal: false,
        })
    }

    /// The same shape with the first two dimensions laid out by diagonals.
    ///
    /// # Errors
    /// Fewer than two dimensions, one of the two is not of the form `n/t`, or the original size of the first is not a
    /// multiple of the product of their tile sizes.
    pub fn diagonalized(self) -> Result<Self> {
        let shape = TileShape {
            diagonal: true,
            ..self
        };
        let fail = |why: String| {
            Err(Error::Unsupported {
                op: "diagonalise",
                shape: shape.to_string(),
                why,
            })
        };
        let [rows, columns, ..] = shape.dims[..] else {
            return fail("a matrix has two dimensions".into());
        };
        let plain =
            |d: TileDim| d.original.is_some() && d.copies == 1 && !d.interleaved && !d.complex;
        if !plain(rows) || !plain(columns) {
            return fail("the first two dimensions are not both of the form n/t".into());
        }
        let (n, period) = (rows.original.unwrap_or(0), rows.tile * columns.tile);
        if !n.is_multiple_of(period) {
            return fail(format!(
                "the size {n} of the first dimension is not a multiple of {} · {} = {period}; fill the matrix up with zeros to {}",
                rows.tile,
                columns.tile,
                n.next_multiple_of(period)
            ));
        }
        Ok(shape)
    }

    /// The same dimensions without diagonals.
    pub(crate) fn straight(self) -> Self {
        TileShape {
            diagonal: false,
            ..self
        }
    }

    /// Whether the first two dimensions are laid out by diagonals.
    #[must_use]
    pub fn is_diagonal(&self) -> bool {
        self.diagonal
    }

    /// The dimension along which slots hold two reals, if any.
    #[must_use]
    pub fn complex_dim(&self) -> Option<usize> {
        self.dims.iter().position(TileDim::is_complex)
    }

    /// The dimensions, slowest first.
    #[must_use]
    pub fn dims(&self) -> &[TileDim] {
        &self.dims
    }

    /// Number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// Number of tiles, `Π eᵢ` (0 while a dimension is incomplete).
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.dims.iter().map(TileDim::external_size).product()
    }

    /// Number of slots of a tile, `Π tᵢ`.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.dims.iter().map(|d| d.tile).product()
    }

    /// The original sizes.
    ///
    /// # Errors
    /// A dimension is incomplete.
    pub fn original_sizes(&self) -> Result<Vec<usize>> {
        self.dims
            .iter()
            .enumerate()
            .map(|(dim, d)| {
                d.original.ok_or_else(|| Error::Incomplete {
                    shape: self.to_string(),
                    dim,
                })
            })
            .collect()
    }

    /// The external sizes `eᵢ` (0 where incomplete).
    #[must_use]
    pub fn external_sizes(&self) -> Vec<usize> {
        self.dims.iter().map(TileDim::external_size).collect()
    }

    /// The tile sizes `tᵢ`.
    #[must_use]
    pub fn tile_sizes(&self) -> Vec<usize> {
        self.dims.iter().map(|d| d.tile).collect()
    }

    /// The layout `[-/t₁, …]` of this shape: tile sizes only.
    #[must_use]
    pub fn tile_layout(&self) -> TileShape {
        let dims = self.dims.iter().map(|d| TileDim {
            original: None,
            external: 0,
            copies: 1,
            interleaved: false,
            complex: false,
            unknown: false,
            ..*d
        });
        TileShape {
            dims: dims.collect(),
            diagonal: false,
        }
    }

    /// This layout with incomplete dimensions made `n/t` for the given sizes; complete dimensions
    /// stay, their size must agree.
    ///
    /// # Errors
    /// Another number of sizes than dimensions, a size of zero, or a complete dimension of another
    /// size.
    pub fn complete(&self, sizes: &[usize]) -> Result<TileShape> {
        if sizes.len() != self.rank() {
            return Err(self.array_sizes(sizes));
        }
        let dims = self.dims.iter().zip(sizes).map(|(d, &n)| match d.original {
            None => TileDim::basic(n, d.tile),
            Some(m) if m == n => Ok(*d),
            Some(_) => Err(self.array_sizes(sizes)),
        });
        TileShape::try_new(dims.collect::<Result<_>>()?)
    }

    pub(crate) fn array_sizes(&self, sizes: &[usize]) -> Error {
        Error::ArraySizes {
            sizes: sizes.to_vec(),
            shape: self.to_string(),
            expected: self.dims.iter().map(|d| d.original.unwrap_or(0)).collect(),
        }
    }

    /// The dimension, or an error that names the operation.
    pub(crate) fn dim(&self, op: &'static str, dim: usize) -> Result<&TileDim> {
        self.dims.get(dim).ok_or_else(|| Error::NoSuchDim {
            op,
            dim,
            shape: self.to_string(),
            rank: self.rank(),
        })
    }

    /// The same shape with one dimension exchanged for one of the same tile size.
    pub(crate) fn with_dim(&self, dim: usize, new: TileDim) -> TileShape {
        debug_assert_eq!(self.dims[dim].tile, new.tile);
        self.map_dims(|i, d| if i == dim { new } else { *d })
    }

    /// The same shape with every dimension exchanged for one of the same tile size.
    pub(crate) fn map_dims(&self, f: impl Fn(usize, &TileDim) -> TileDim) -> TileShape {
        let dims = self.dims.iter().enumerate().map(|(i, d)| f(i, d));
        TileShape {
            dims: dims.collect(),
            diagonal: self.diagonal,
        }
    }

    /// A refusal of an operation on this shape.
    pub(crate) fn refuse<T>(&self, op: &'static str, why: impl Into<String>) -> Result<T> {
        Err(Error::Unsupported {
            op,
            shape: self.to_string(),
            why: why.into(),
        })
    }

    /// Checks that slots hold one real each, for operations that are not linear in the slots.
    pub(crate) fn check_real(&self, op: &'static str) -> Result<()> {
        match self.complex_dim() {
            None => Ok(()),
            Some(dim) => self.refuse(
                op,
                format!("dimension {dim} packs two reals a slot; split_complex first (one level)"),
            ),
        }
    }

    /// Checks that the shape is complete and its tiles fit ciphertexts of `slots` slots.
    ///
    /// # Errors
    /// A dimension is incomplete, or the tile sizes do not multiply to `slots`.
    pub fn check_slots(&self, slots: usize) -> Result<()> {
        self.original_sizes()?;
        if self.slots() == slots {
            Ok(())
        } else {
            Err(Error::SlotCount {
                shape: self.to_string(),
                product: self.slots(),
                slots,
            })
        }
    }
}
