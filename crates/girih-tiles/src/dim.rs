//! How one dimension of a tensor is cut into tiles.

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
///
/// A dimension is *complex-packed*, `nc/t`, if slots are complex numbers that hold two reals along it: the tiles `2k` and
/// `2k + 1` of `n/t` are real and imaginary part of tile `k`, and a single element lies in both parts, `a + ia` (after
/// Aharoni, Drucker, Ezov, Shaul, Soceanu, "Complex Encoded Tile Tensors", 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileDim {
    pub(crate) original: Option<usize>,
    pub(crate) tile: usize,
    /// Tiles of real slots.
    pub(crate) external: usize,
    pub(crate) copies: usize,
    pub(crate) interleaved: bool,
    pub(crate) complex: bool,
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
            complex: false,
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
            complex: false,
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
            complex: false,
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
            complex: false,
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

    /// `nc/t`: the same dimension with two reals a slot.
    ///
    /// # Errors
    /// The dimension is interleaved or its size is not set.
    pub fn with_complex(self) -> Result<Self> {
        TileDim {
            complex: true,
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
            return if self.complex {
                fail("set the original size before packing two reals a slot".into())
            } else if self.unknown {
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
        if self.complex && self.interleaved {
            return fail("two reals a slot are not packed along an interleaved dimension".into());
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
        if self.complex {
            self.external.div_ceil(2)
        } else {
            self.external
        }
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

    /// Whether slots hold two reals along this dimension.
    #[must_use]
    pub fn is_complex(&self) -> bool {
        self.complex
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

    /// Whether some slot (of real numbers) holds no element.
    #[must_use]
    pub fn has_unused(&self) -> bool {
        let pairs = self.complex && self.original != Some(1);
        let tiles = self.external.next_multiple_of(if pairs { 2 } else { 1 });
        self.original
            .is_some_and(|n| n * self.copies != tiles * self.tile)
    }

    /// The tile of real slots that is the real part of tile `external`.
    fn real_part(&self, external: usize) -> usize {
        if self.complex { 2 * external } else { external }
    }

    /// The tile of real slots that is the imaginary part of tile `external`, if there is one: a single element lies in
    /// both parts.
    pub(crate) fn imaginary_part(&self, external: usize) -> Option<usize> {
        match (self.complex, self.original) {
            (false, _) => None,
            (true, Some(1)) => Some(external),
            (true, _) => Some(2 * external + 1),
        }
    }

    /// Number of used slots along this dimension in tile `external`: always the first ones. (Of a complex-packed
    /// dimension, those of the real part; the imaginary part uses no more.)
    #[must_use]
    pub fn used(&self, external: usize) -> usize {
        self.used_of(self.real_part(external))
    }

    /// The element in slot `slot` of tile `external`, or `None` if the slot is unused. (Of a complex-packed dimension, in
    /// the real part.)
    #[must_use]
    pub fn element(&self, external: usize, slot: usize) -> Option<usize> {
        self.element_of(self.real_part(external), slot)
    }

    /// [`used`](TileDim::used) for a tile of real slots.
    pub(crate) fn used_of(&self, tile: usize) -> usize {
        let n = self.original.unwrap_or(0);
        if self.interleaved {
            n.saturating_sub(tile).div_ceil(self.external.max(1))
        } else if self.copies > 1 {
            if tile == 0 { self.copies } else { 0 }
        } else {
            n.saturating_sub(tile.saturating_mul(self.tile))
                .min(self.tile)
        }
    }

    /// [`element`](TileDim::element) for a tile of real slots.
    pub(crate) fn element_of(&self, tile: usize, slot: usize) -> Option<usize> {
        if slot >= self.used_of(tile) {
            None
        } else if self.interleaved {
            Some(slot * self.external + tile)
        } else if self.copies > 1 {
            Some(0)
        } else {
            Some(tile * self.tile + slot)
        }
    }

    /// Tile and first slot of element `i`.
    #[must_use]
    pub fn locate(&self, i: usize) -> (usize, usize) {
        if self.interleaved {
            (i % self.external, i / self.external)
        } else if self.complex {
            (i / (2 * self.tile), i % self.tile)
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
            && self.complex == other.complex
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
