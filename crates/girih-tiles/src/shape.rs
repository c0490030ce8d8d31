//! How a tensor is cut into tiles: [`TileDim`] for one dimension, [`TileShape`] for all of them.

use crate::{Error, Result};

/// One dimension `n/t`: `n` logical elements cut into `e ≥ ⌈n/t⌉` tiles of `t` slots each.
///
/// `t` is a power of two, as slot counts are. Where element `i` lies:
///
/// | kind | tile | slots |
/// |---|---|---|
/// | in runs, `n/t` | `⌊i/t⌋` | `i mod t` |
/// | interleaved, `n~/t` | `i mod e` | `⌊i/e⌋` |
/// | replicated, `*/t` (`n = 1`) | 0 | all `t` |
/// | partly duplicated, `*d/t` (`n = 1`) | 0 | the first `d` |
///
/// The other slots are *unused*: zero, or unknown if the dimension is flagged `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileDim {
    pub(crate) original: Option<usize>,
    pub(crate) tile: usize,
    pub(crate) external: usize,
    pub(crate) copies: usize,
    pub(crate) interleaved: bool,
    pub(crate) unknown: bool,
}

/// Largest number of slots of a tile: rotations are counted in `i32`.
pub const MAX_SLOTS: usize = 1 << 30;

impl TileDim {
    /// `n/t`: runs of `tile` consecutive elements.
    ///
    /// # Errors
    /// `original` is zero, or `tile` is not a power of two.
    pub fn basic(original: usize, tile: usize) -> Result<Self> {
        TileDim {
            original: Some(original),
            tile,
            external: original.div_ceil(tile.max(1)),
            copies: 1,
            interleaved: false,
            unknown: false,
        }
        .checked()
    }

    /// `n~/t`: interleaved over the smallest number of tiles, `⌈n/t⌉`.
    ///
    /// # Errors
    /// `original` is zero, or `tile` is not a power of two.
    pub fn interleaved(original: usize, tile: usize) -> Result<Self> {
        Self::interleaved_over(original, original.div_ceil(tile.max(1)), tile)
    }

    /// `n~E/t`: interleaved over `external` tiles, at least `⌈n/t⌉`.
    ///
    /// # Errors
    /// A size is zero, `tile` is not a power of two, or `n > E·t`.
    pub fn interleaved_over(original: usize, external: usize, tile: usize) -> Result<Self> {
        TileDim {
            original: Some(original),
            tile,
            external,
            copies: 1,
            interleaved: true,
            unknown: false,
        }
        .checked()
    }

    /// `*/t`: one element in all `tile` slots.
    ///
    /// # Errors
    /// `tile` is not a power of two.
    pub fn replicated(tile: usize) -> Result<Self> {
        Self::duplicated(tile, tile)
    }

    /// `*d/t`: one element in the first `copies` slots of `tile`.
    ///
    /// # Errors
    /// `copies` is zero or above `tile`, or `tile` is not a power of two.
    pub fn duplicated(copies: usize, tile: usize) -> Result<Self> {
        TileDim {
            original: Some(1),
            tile,
            external: 1,
            copies,
            interleaved: false,
            unknown: false,
        }
        .checked()
    }

    /// `-/t`: the tile size is decided, the original size is not.
    ///
    /// # Errors
    /// `tile` is not a power of two.
    pub fn incomplete(tile: usize) -> Result<Self> {
        TileDim {
            original: None,
            tile,
            external: 0,
            copies: 1,
            interleaved: false,
            unknown: false,
        }
        .checked()
    }

    /// The same dimension with unknown values in its unused slots.
    ///
    /// # Errors
    /// The dimension has no unused slots.
    pub fn with_unknown(self) -> Result<Self> {
        TileDim {
            unknown: true,
            ..self
        }
        .checked()
    }

    fn checked(self) -> Result<Self> {
        let fail = |why: String| {
            Err(Error::Dim {
                dim: self.to_string(),
                why,
            })
        };
        if !self.tile.is_power_of_two() || self.tile > MAX_SLOTS {
            return fail(format!(
                "tile size {} is not a power of two up to 2^30",
                self.tile
            ));
        }
        let Some(original) = self.original else {
            return if self.unknown {
                fail("an incomplete dimension has no unused slots to be unknown".into())
            } else {
                Ok(self)
            };
        };
        if original == 0 {
            return fail("the original size is at least 1".into());
        }
        if original > isize::MAX as usize {
            return fail("the original size does not fit memory".into());
        }
        if !(1..=self.tile).contains(&self.copies) {
            return fail(format!(
                "{} copies do not fit {} slots (1 to {} do)",
                self.copies, self.tile, self.tile
            ));
        }
        if self.external == 0
            || self
                .external
                .checked_mul(self.tile)
                .is_some_and(|c| c < original)
        {
            return fail(format!(
                "{} tiles of {} slots do not hold {original} elements, {} do",
                self.external,
                self.tile,
                original.div_ceil(self.tile)
            ));
        }
        if self.external.checked_mul(self.tile).is_none() {
            return fail("the number of slots overflows".into());
        }
        if self.unknown && !self.has_unused() {
            return fail("`?` on a dimension without unused slots".into());
        }
        Ok(self)
    }

    /// Number `n` of logical elements, or `None` while it is not set.
    #[must_use]
    pub fn original_size(&self) -> Option<usize> {
        self.original
    }

    /// Number `t` of slots along this dimension of a tile.
    #[must_use]
    pub fn tile_size(&self) -> usize {
        self.tile
    }

    /// Number `e` of tiles along this dimension; 0 while the dimension is incomplete.
    #[must_use]
    pub fn external_size(&self) -> usize {
        self.external
    }

    /// Number `d` of slots that hold each element.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// Whether one element fills all slots (a single element in tiles of one slot does).
    #[must_use]
    pub fn is_replicated(&self) -> bool {
        self.original == Some(1) && self.copies == self.tile && self.external == 1
    }

    /// Whether the elements are dealt out to the tiles in turn.
    #[must_use]
    pub fn is_interleaved(&self) -> bool {
        self.interleaved
    }

    /// Whether the original size is not set.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.original.is_none()
    }

    /// Whether the unused slots may hold anything.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Whether some slot holds no element.
    #[must_use]
    pub fn has_unused(&self) -> bool {
        self.original
            .is_some_and(|n| n * self.copies != self.external * self.tile)
    }

    /// Number of used slots along this dimension in tile `external`: always the first ones.
    #[must_use]
    pub fn used(&self, external: usize) -> usize {
        let n = self.original.unwrap_or(0);
        if self.interleaved {
            n.saturating_sub(external).div_ceil(self.external.max(1))
        } else if self.copies > 1 {
            if external == 0 { self.copies } else { 0 }
        } else {
            n.saturating_sub(external.saturating_mul(self.tile))
                .min(self.tile)
        }
    }

    /// The element in slot `slot` of tile `external`, or `None` if the slot is unused.
    #[must_use]
    pub fn element(&self, external: usize, slot: usize) -> Option<usize> {
        if slot >= self.used(external) {
            None
        } else if self.interleaved {
            Some(slot * self.external + external)
        } else if self.copies > 1 {
            Some(0)
        } else {
            Some(external * self.tile + slot)
        }
    }

    /// Tile and first slot of element `i`.
    #[must_use]
    pub fn locate(&self, i: usize) -> (usize, usize) {
        if self.interleaved {
            (i % self.external, i / self.external)
        } else {
            (i / self.tile, i % self.tile)
        }
    }

    /// Whether both dimensions put every element in the same slots of the same tiles (unknown flags
    /// apart).
    #[must_use]
    pub fn same_layout(&self, other: &TileDim) -> bool {
        let same_order =
            self.interleaved == other.interleaved || self.tile == 1 || self.external == 1;
        self.original == other.original
            && self.tile == other.tile
            && self.external == other.external
            && self.copies == other.copies
            && same_order
    }

    /// The same dimension, flagged exactly if asked for and if there is an unused slot to flag.
    pub(crate) fn flagged_if(self, unknown: bool) -> TileDim {
        TileDim {
            unknown: unknown && self.has_unused(),
            ..self
        }
    }
}

/// The shape of a tile tensor: how each dimension is cut, and so the slots of every tile.
///
/// The tiles form an array of the external sizes, each tile an array of the tile sizes, both
/// flattened with the last dimension fastest. The product of the tile sizes is the slot count.
///
/// A slot is *used* if it is used in every dimension. An unused slot is *unknown* if one of the
/// dimensions in which it is unused is flagged `?`, and zero otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TileShape {
    dims: Vec<TileDim>,
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
        Ok(TileShape { dims })
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
        self.dims.iter().map(|d| d.external).product()
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
        self.dims.iter().map(|d| d.external).collect()
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
            unknown: false,
            ..*d
        });
        TileShape {
            dims: dims.collect(),
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
        let mut dims = self.dims.clone();
        dims[dim] = new;
        TileShape { dims }
    }

    /// Dimensions worked out from an existing shape with the same tile sizes.
    pub(crate) fn trusted(dims: Vec<TileDim>) -> TileShape {
        TileShape { dims }
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
