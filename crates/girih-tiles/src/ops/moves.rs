//! Moving the elements of tile tensors: which tiles, rotated by how much and masked where, make up a new shape.
//!
//! A plan goes slot by slot, so its conditions are exact: an element stays where it is, comes by the rotation of its tile
//! with all others, or is picked out by a mask. What happens to fit costs nothing, whatever the shapes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use girih_he::{Evaluator, Rotation};

use super::cost::Cost;
use crate::layout::unflatten;
use crate::{Error, Result, SlotContent, TileShape, TileTensor};

/// The dearest means a rearrangement may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Means {
    /// Whole tiles as they are.
    Tiles,
    /// One rotation for each tile of the result.
    Rotations,
    /// Any number of rotated tiles, masked and added: one level.
    Masks,
}

/// Where an element of the result comes from: a source and an index there.
pub(super) type Origin = (usize, Vec<usize>);

/// How the tiles of a new shape are made of the tiles of old ones.
pub(super) struct Moves {
    shape: TileShape,
    tiles: Vec<Vec<Piece>>,
    masked: bool,
}

/// The slots of a tile that come from one tile by one rotation, `result[slot] = source[slot + by]`.
struct Piece {
    source: usize,
    tile: usize,
    by: usize,
    slots: Vec<usize>,
}

/// What the slots of the sources hold, worked out when met.
struct Contents<'a> {
    sources: &'a [&'a TileShape],
    known: HashMap<(usize, usize), Vec<SlotContent>>,
}

impl Contents<'_> {
    fn of(&mut self, source: usize, tile: usize) -> Result<&[SlotContent]> {
        if !self.known.contains_key(&(source, tile)) {
            let contents = self.sources[source].slot_contents(tile)?;
            self.known.insert((source, tile), contents);
        }
        Ok(&self.known[&(source, tile)])
    }
}

impl Moves {
    /// The plan for `target`, whose element `index` is the element `from(index)` of a source, or zero.
    ///
    /// The result has the flags of `target` recomputed: a slot is unknown only if something is left in it.
    pub(super) fn plan(
        op: &'static str,
        means: Means,
        sources: &[&TileShape],
        target: &TileShape,
        from: impl Fn(&[usize]) -> Option<Origin>,
    ) -> Result<Moves> {
        for shape in sources.iter().copied().chain([target]) {
            shape.original_sizes()?;
            shape.check_real(op)?;
            if shape.tile_sizes().iter().product::<usize>() != target.slots() {
                return Err(Error::SlotCount {
                    shape: shape.to_string(),
                    product: shape.slots(),
                    slots: target.slots(),
                });
            }
        }
        let mut contents = Contents {
            sources,
            known: HashMap::new(),
        };
        let mut moves = Moves {
            shape: target.cleared(),
            tiles: Vec::with_capacity(target.tiles()),
            masked: false,
        };
        let mut dirty = Vec::new();
        for tile in 0..target.tiles() {
            let (pieces, zeros) = moves.pieces(&mut contents, tile, &from)?;
            let fault = moves.fault(&mut contents, tile, &pieces, &zeros, &mut dirty)?;
            let rotated = pieces.iter().find(|p| p.by != 0);
            let refused = match (fault, rotated) {
                (Some(fault), _) if means < Means::Masks => Some(fault),
                (None, Some(p)) if means == Means::Tiles => Some((
                    p.slots[0],
                    format!(
                        "comes from slot {} of tile {}",
                        (p.slots[0] + p.by) % target.slots(),
                        p.tile
                    ),
                )),
                (fault, _) => {
                    moves.masked |= fault.is_some();
                    None
                }
            };
            if let Some((slot, why)) = refused {
                return Err(Error::Layout {
                    op,
                    from: sources
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", "),
                    to: target.to_string(),
                    tile,
                    slot,
                    why,
                });
            }
            moves.tiles.push(pieces);
        }
        if !moves.masked {
            moves.flag(&dirty)?;
        }
        Ok(moves)
    }

    /// The layout of the result.
    pub(super) fn shape(&self) -> &TileShape {
        &self.shape
    }

    pub(super) fn cost(&self) -> Cost {
        let rotated = self.tiles.iter().flatten().filter(|p| p.by != 0);
        let rotations: BTreeSet<_> = rotated.map(|p| (p.source, p.tile, p.by)).collect();
        Cost {
            rotations: rotations.len(),
            products: if self.masked {
                self.tiles.iter().map(Vec::len).sum()
            } else {
                0
            },
            levels: usize::from(self.masked),
        }
    }

    /// The pieces of a tile of the result, at least one, and the slots that hold elements which are zero.
    fn pieces(
        &self,
        contents: &mut Contents<'_>,
        tile: usize,
        from: impl Fn(&[usize]) -> Option<Origin>,
    ) -> Result<(Vec<Piece>, Vec<usize>)> {
        let (slots, sizes) = (self.shape.slots(), self.shape.original_sizes()?);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut by_rotation: HashMap<(usize, usize, usize), usize> = HashMap::new();
        let (mut zeros, mut last) = (Vec::new(), 0);
        for (slot, content) in self.shape.slot_contents(tile)?.into_iter().enumerate() {
            let SlotContent::Element(i) = content else {
                continue;
            };
            let Some((source, index)) = from(&unflatten(i, &sizes)) else {
                zeros.push(slot);
                continue;
            };
            let shape = contents.sources[source];
            let at = shape.locate(&index)?;
            let wanted = SlotContent::Element(
                index
                    .iter()
                    .zip(shape.dims())
                    .fold(0, |n, (i, d)| n * d.original.unwrap_or(1) + i),
            );
            let here = contents.of(source, at.tile)?;
            let fits = |p: &Piece| {
                (p.source, p.tile) == (source, at.tile) && here[(slot + p.by) % slots] == wanted
            };
            let copied = shape.dims().iter().any(|d| d.copies() > 1);
            let by = match here[slot] == wanted {
                true => 0,
                false => (at.slot + slots - slot) % slots,
            };
            let known = if pieces.get(last).is_some_and(fits) {
                Some(last)
            } else if let Some(&k) = by_rotation.get(&(source, at.tile, by)) {
                Some(k)
            } else if copied && by != 0 {
                pieces.iter().position(fits)
            } else {
                None
            };
            last = known.unwrap_or(pieces.len());
            if last == pieces.len() {
                by_rotation.insert((source, at.tile, by), last);
                pieces.push(Piece {
                    source,
                    tile: at.tile,
                    by,
                    slots: Vec::new(),
                });
            }
            pieces[last].slots.push(slot);
        }
        if pieces.is_empty() {
            // Nothing is wanted of any tile: perhaps one has zeros in the right places.
            pieces.push(Piece {
                source: 0,
                tile: tile.min(contents.sources[0].tiles() - 1),
                by: 0,
                slots: Vec::new(),
            });
        }
        Ok((pieces, zeros))
    }

    /// Why one rotated tile is not the tile wanted, at the first slot where it is not; unused slots that would not be zero
    /// go to `dirty`.
    fn fault(
        &self,
        contents: &mut Contents<'_>,
        tile: usize,
        pieces: &[Piece],
        zeros: &[usize],
        dirty: &mut Vec<(usize, usize)>,
    ) -> Result<Option<(usize, String)>> {
        let slots = self.shape.slots();
        let piece = &pieces[0];
        if let Some(other) = pieces.get(1) {
            return Ok(Some((
                other.slots[0],
                format!(
                    "comes from slot {} of tile {}, slot {} from slot {} of tile {}",
                    (other.slots[0] + other.by) % slots,
                    other.tile,
                    piece.slots[0],
                    (piece.slots[0] + piece.by) % slots,
                    piece.tile,
                ),
            )));
        }
        let here = contents.of(piece.source, piece.tile)?;
        let content = |slot: usize| here[(slot + piece.by) % slots];
        if let Some(&slot) = zeros.iter().find(|&&s| content(s) != SlotContent::Zero) {
            return Ok(Some((
                slot,
                "would hold a new element, which is zero, but is not known to be".into(),
            )));
        }
        let wanted = self.shape.slot_contents(tile)?;
        let unused = (0..slots).filter(|&s| wanted[s] == SlotContent::Zero);
        dirty.extend(
            unused
                .filter(|&s| content(s) != SlotContent::Zero)
                .map(|s| (tile, s)),
        );
        Ok(None)
    }

    /// Flags dimensions so that every dirty slot is unused in a flagged one.
    fn flag(&mut self, dirty: &[(usize, usize)]) -> Result<()> {
        let mut unused_in = BTreeSet::new();
        for &(tile, slot) in dirty {
            let used = self.shape.used_box(tile)?;
            let at = unflatten(slot, &self.shape.tile_sizes());
            let dims = (0..used.len()).filter(|&d| at[d] >= used[d]);
            unused_in.insert(dims.collect::<Vec<_>>());
        }
        // Slots unused in one dimension alone decide first.
        let mut sets: Vec<_> = unused_in.into_iter().collect();
        sets.sort_by_key(Vec::len);
        let mut flagged: BTreeSet<usize> = BTreeSet::new();
        for dims in sets {
            if !dims.iter().any(|d| flagged.contains(d)) {
                flagged.extend(dims.first());
            }
        }
        self.shape = self
            .shape
            .map_dims(|i, d| d.flagged_if(flagged.contains(&i)));
        Ok(())
    }

    /// Moves without rotations and masks.
    pub(super) fn take<E: Evaluator>(&self, sources: &[&TileTensor<E>]) -> TileTensor<E> {
        let tile = |pieces: &Vec<Piece>| sources[pieces[0].source].tiles()[pieces[0].tile].clone();
        TileTensor::trusted(self.shape.clone(), self.tiles.iter().map(tile).collect())
    }

    pub(super) fn run<E: Evaluator>(
        &self,
        eval: &E,
        sources: &[&TileTensor<E>],
    ) -> Result<TileTensor<E>> {
        self.shape.check_slots(eval.slots())?;
        let mut wanted: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
        for p in self.tiles.iter().flatten().filter(|p| p.by != 0) {
            wanted.entry((p.source, p.tile)).or_default().insert(p.by);
        }
        let mut rotated = HashMap::new();
        for ((source, tile), by) in wanted {
            let all: Vec<Rotation> = by.iter().map(|&r| Rotation(r as i32)).collect();
            let all = eval.rotate_many(&sources[source].tiles()[tile], &all)?;
            rotated.extend(by.into_iter().map(|r| (source, tile, r)).zip(all));
        }
        let part = |p: &Piece| {
            let still = &sources[p.source].tiles()[p.tile];
            rotated
                .get(&(p.source, p.tile, p.by))
                .unwrap_or(still)
                .clone()
        };
        let tiles = self.tiles.iter().map(|pieces| {
            if !self.masked {
                return Ok(part(&pieces[0]));
            }
            let masks = pieces
                .iter()
                .map(|p| p.mask(eval))
                .collect::<Result<Vec<_>>>()?;
            let parts: Vec<E::Ciphertext> = pieces.iter().map(part).collect();
            Ok(eval.dot_plain(&parts.iter().zip(&masks).collect::<Vec<_>>())?)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        Ok(TileTensor::trusted(self.shape.clone(), tiles))
    }
}

impl Piece {
    /// One in the slots of the piece, named after them.
    fn mask<E: Evaluator>(&self, eval: &E) -> Result<E::Plaintext> {
        let mut mask = vec![0.0; eval.slots()];
        // FNV-1a with 128 bits, over the numbers of the slots.
        let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        for &slot in &self.slots {
            mask[slot] = 1.0;
            for byte in (slot as u32).to_le_bytes() {
                hash = (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
            }
        }
        let name = format!("mask/{}of{}/{hash:032x}", self.slots.len(), mask.len());
        Ok(eval.constant(&name, &mask)?)
    }
}
