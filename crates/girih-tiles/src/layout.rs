//! Index maps between logical elements and the slots of tiles.
//!
//! Element `(a₁, …, aₖ)` lies in the tile `(x₁, …, xₖ)`, slot `(s₁, …, sₖ)` with `(xᵢ, sᵢ)` by the
//! table of [`TileDim`]; both are flattened with the last dimension fastest.

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
        let start = SlotAddress { tile: 0, slot: 0 };
        Ok(self.dims().iter().zip(index).fold(start, |at, (d, &i)| {
            let (external, slot) = d.locate(i);
            SlotAddress {
                tile: at.tile * d.external + external,
                slot: at.slot * d.tile + slot,
            }
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

    /// Calls `f(slot, index)` for every slot of a tile in order, with the logical index it holds or
    /// `None` if it is unused.
    ///
    /// # Errors
    /// No such tile.
    pub fn for_each_slot(
        &self,
        tile: usize,
        mut f: impl FnMut(usize, Option<&[usize]>),
    ) -> Result<()> {
        let coords = self.tile_coords(tile)?;
        let tables = self.element_tables(&coords);
        let sizes = self.tile_sizes();
        let mut at = vec![0; self.rank()];
        let mut index = vec![0; self.rank()];
        for slot in 0..self.slots() {
            let used = (0..at.len()).all(|d| match tables[d][at[d]] {
                Some(i) => {
                    index[d] = i;
                    true
                }
                None => false,
            });
            f(slot, used.then_some(&index[..]));
            step(&mut at, &sizes);
        }
        Ok(())
    }

    /// What every slot of a tile holds.
    ///
    /// # Errors
    /// No such tile.
    pub fn slot_contents(&self, tile: usize) -> Result<Vec<SlotContent>> {
        let coords = self.tile_coords(tile)?;
        let tables = self.element_tables(&coords);
        let mut contents = vec![SlotContent::Element(0)];
        for (d, table) in self.dims().iter().zip(&tables) {
            let n = d.original.unwrap_or(0);
            let inner = |outer: SlotContent, element: Option<usize>| match (outer, element) {
                (SlotContent::Element(o), Some(i)) => SlotContent::Element(o * n + i),
                (SlotContent::Unknown, _) => SlotContent::Unknown,
                (_, None) if d.unknown => SlotContent::Unknown,
                _ => SlotContent::Zero,
            };
            contents = contents
                .iter()
                .flat_map(|&o| table.iter().map(move |&e| inner(o, e)))
                .collect();
        }
        Ok(contents)
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

    /// For every dimension, the element of each of its slots in the tile at `coords`.
    fn element_tables(&self, coords: &[usize]) -> Vec<Vec<Option<usize>>> {
        let table = |(d, &x): (&TileDim, &usize)| (0..d.tile).map(|s| d.element(x, s)).collect();
        self.dims().iter().zip(coords).map(table).collect()
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

/// The next coordinates, last dimension fastest.
pub(crate) fn step(coords: &mut [usize], sizes: &[usize]) {
    for (c, &n) in coords.iter_mut().zip(sizes).rev() {
        *c += 1;
        if *c < n {
            return;
        }
        *c = 0;
    }
}
