//! Index maps between logical elements and the slots of tiles.
//!
//! Element `(a₁, …, aₖ)` lies in the tile `(x₁, …, xₖ)`, slot `(s₁, …, sₖ)` with `(xᵢ, sᵢ)` by the
//! table of [`TileDim`] (the first two by the formula of [`TileShape`] where the shape is diagonalised); both are
//! flattened with the last dimension fastest.

use crate::{Error, Result, TileDim, TileShape};

/// A slot of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotAddress {
    /// Number of the tile, in `0..shape.tiles()`.
    pub tile: usize,
    /// Number of the slot, in `0..shape.slots()`.
    pub slot: usize,
}

/// What a shape promises about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotContent {
    /// The element of this number, counted with the last dimension fastest.
    Element(usize),
    /// Zero.
    Zero,
    /// Anything.
    Unknown,
}

/// Which of the two reals of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The real part: all there is, unless the shape is complex-packed.
    Real,
    /// The imaginary part.
    Imaginary,
}

impl TileShape {
    /// Distance in slots between neighbours along a dimension, `t_{i+1}·…·t_k`: the rotation that
    /// moves the dimension by one.
    ///
    /// # Panics
    /// `dim` is not below the rank.
    #[must_use]
    pub fn stride(&self, dim: usize) -> usize {
        self.dims()[dim + 1..].iter().map(|d| d.tile).product()
    }

    /// The first dimension with a tile size above 1, if any. Rotating by multiples of its stride is
    /// a cyclic rotation of that dimension.
    #[must_use]
    pub fn first_nontrivial(&self) -> Option<usize> {
        self.dims().iter().position(|d| d.tile > 1)
    }

    /// Whether rotating by multiples of the stride rotates this dimension cyclically: it is the
    /// first of more than one slot, or all before it are replicated, so that a slot pushed out at
    /// one end meets its own copy at the other.
    #[must_use]
    pub fn rotates_cyclically(&self, dim: usize) -> bool {
        self.dims()
            .iter()
            .take(dim)
            .all(|d| d.tile == 1 || d.is_replicated())
    }

    /// Tile and first slot of a logical index (0 in replicated dimensions).
    ///
    /// # Errors
    /// The shape is incomplete or the index outside it.
    pub fn locate(&self, index: &[usize]) -> Result<SlotAddress> {
        let sizes = self.original_sizes()?;
        if index.len() != sizes.len() || index.iter().zip(&sizes).any(|(i, n)| i >= n) {
            return Err(Error::IndexOutside {
                index: index.to_vec(),
                shape: self.to_string(),
            });
        }
        let mut places: Vec<(usize, usize)> = self
            .dims()
            .iter()
            .zip(index)
            .map(|(d, &i)| d.locate(i))
            .collect();
        if self.is_diagonal() {
            let (t1, t2) = (self.dims()[0].tile, self.dims()[1].tile);
            let (period, column) = (t1 * t2, index[1] % t2);
            let from_diagonal = (index[0] % period + period - column) % period;
            places[0] = (
                index[0] / period * t2 + from_diagonal % t2,
                from_diagonal / t2,
            );
        }
        let start = SlotAddress { tile: 0, slot: 0 };
        Ok(self
            .dims()
            .iter()
            .zip(places)
            .fold(start, |at, (d, (x, s))| SlotAddress {
                tile: at.tile * d.external_size() + x,
                slot: at.slot * d.tile + s,
            }))
    }

    /// All slots that hold a logical index: one, times the copies of every duplicated dimension.
    ///
    /// # Errors
    /// The shape is incomplete or the index outside it.
    pub fn copies(&self, index: &[usize]) -> Result<impl Iterator<Item = SlotAddress> + '_> {
        let SlotAddress { tile, slot } = self.locate(index)?;
        let all: usize = self.dims().iter().map(|d| d.copies).product();
        Ok((0..all).map(move |copy| {
            let (mut rest, mut stride, mut at) = (copy, 1, slot);
            for d in self.dims().iter().rev() {
                at += (rest % d.copies) * stride;
                rest /= d.copies;
                stride *= d.tile;
            }
            SlotAddress { tile, slot: at }
        }))
    }

    /// The coordinates of a tile in the external tensor.
    ///
    /// # Errors
    /// No such tile.
    pub fn tile_coords(&self, tile: usize) -> Result<Vec<usize>> {
        if tile >= self.tiles() {
            return Err(Error::NoSuchTile {
                tile,
                shape: self.to_string(),
                tiles: self.tiles(),
            });
        }
        Ok(unflatten(tile, &self.external_sizes()))
    }

    /// Calls `f(slot, index)` for every slot of a tile in order, with the logical index it holds (in its real part) or
    /// `None` if it is unused.
    ///
    /// # Errors
    /// No such tile, or the shape is incomplete.
    pub fn for_each_slot(
        &self,
        tile: usize,
        mut f: impl FnMut(usize, Option<&[usize]>),
    ) -> Result<()> {
        let sizes = self.original_sizes()?;
        for (slot, content) in self.slot_contents(tile)?.into_iter().enumerate() {
            match content {
                SlotContent::Element(i) => f(slot, Some(&unflatten(i, &sizes))),
                SlotContent::Zero | SlotContent::Unknown => f(slot, None),
            }
        }
        Ok(())
    }

    /// What every slot of a tile holds (in its real part).
    ///
    /// # Errors
    /// No such tile.
    pub fn slot_contents(&self, tile: usize) -> Result<Vec<SlotContent>> {
        self.part_contents(tile, Part::Real)
    }

    /// What one part of every slot of a tile holds. Imaginary parts are zero unless a dimension is complex-packed.
    ///
    /// # Errors
    /// No such tile.
    pub fn part_contents(&self, tile: usize, part: Part) -> Result<Vec<SlotContent>> {
        let coords = self.tile_coords(tile)?;
        if part == Part::Imaginary && self.complex_dim().is_none() {
            return Ok(vec![SlotContent::Zero; self.slots()]);
        }
        let (mut contents, rest) = match self.is_diagonal() {
            true => (self.diagonal_contents(coords[0], coords[1]), 2),
            false => (vec![SlotContent::Element(0)], 0),
        };
        for (d, &x) in self.dims().iter().zip(&coords).skip(rest) {
            let element = |slot| match (part, d.imaginary_part(x)) {
                (Part::Imaginary, Some(tile)) => d.element_of(tile, slot),
                _ => d.element(x, slot),
            };
            let table: Vec<Option<usize>> = (0..d.tile).map(element).collect();
            contents = contents
                .iter()
                .flat_map(|&outer| table.iter().map(move |&i| outer.with_inner(d, i)))
                .collect();
        }
        Ok(contents)
    }

    /// The slots of the first two dimensions of a diagonalised shape, in tile `(row, column)` of the two.
    fn diagonal_contents(&self, row: usize, column: usize) -> Vec<SlotContent> {
        let (rows, columns) = (&self.dims()[0], &self.dims()[1]);
        let (block, k, period) = (
            row / columns.tile,
            row % columns.tile,
            rows.tile * columns.tile,
        );
        let content = |slot| {
            let i = block * period + (slot + k) % period;
            SlotContent::Element(i)
                .with_inner(columns, columns.element(column, slot % columns.tile))
        };
        (0..period).map(content).collect()
    }

    /// Number of used slots along every dimension of a tile. The used slots are the box of these
    /// sizes in the corner of the tile.
    ///
    /// # Errors
    /// No such tile.
    pub fn used_box(&self, tile: usize) -> Result<Vec<usize>> {
        let coords = self.tile_coords(tile)?;
        Ok(self
            .dims()
            .iter()
            .zip(coords)
            .map(|(d, x)| d.used(x))
            .collect())
    }
}

impl SlotContent {
    /// The content along one more dimension, whose slot holds `element`.
    fn with_inner(self, d: &TileDim, element: Option<usize>) -> SlotContent {
        match (self, element) {
            (SlotContent::Element(outer), Some(i)) => {
                SlotContent::Element(outer * d.original.unwrap_or(0) + i)
            }
            (SlotContent::Unknown, _) => SlotContent::Unknown,
            (_, None) if d.unknown => SlotContent::Unknown,
            _ => SlotContent::Zero,
        }
    }
}

impl From<Option<usize>> for SlotContent {
    /// A slot that holds an element or nothing.
    fn from(element: Option<usize>) -> SlotContent {
        element.map_or(SlotContent::Zero, SlotContent::Element)
    }
}

/// The coordinates of a flat index, last dimension fastest.
pub(crate) fn unflatten(mut flat: usize, sizes: &[usize]) -> Vec<usize> {
    let mut coords = vec![0; sizes.len()];
    for (c, &n) in coords.iter_mut().zip(sizes).rev() {
        *c = flat % n;
        flat /= n;
    }
    coords
}
