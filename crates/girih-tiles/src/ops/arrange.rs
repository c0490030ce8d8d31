//! Rearranging tile tensors: slices, concatenation, the order of dimensions, reshaping, rotation and shift, re-tiling.
//!
//! | operation | may use |
//! |---|---|
//! | `concat`, `interleave`, `permute`, `reshape`, `flatten`, `resize`, `every` | whole tiles: free |
//! | `slice`, `rotate_along_dim` | one rotation per tile |
//! | `shift_along_dim`, `retile` | rotations and masks (one level), fewer where the layout allows |
//!
//! Nothing is moved that lies right already; the conditions are exact ([`Error::Layout`](crate::Error::Layout) names the
//! first slot that breaks them). Slots left with something unused are flagged `?`.

use std::ops::Range;

use girih_he::Evaluator;

use super::cost::Cost;
use super::moves::{Means, Moves, Origin};
use crate::layout::unflatten;
use crate::{Error, Result, TileDim, TileShape, TileTensor};

impl<E: Evaluator> TileTensor<E> {
    /// The elements `range` of a dimension, `y[i] = x[range.start + i]`. Free if the range starts with a tile; otherwise
    /// one rotation per tile, if the elements of every new tile come from one old one.
    ///
    /// # Errors
    /// No such dimension or an empty range or one beyond its size; elements of one new tile in two old ones
    /// ([`shift_along_dim`](TileTensor::shift_along_dim) puts them together); or the evaluator refuses.
    pub fn slice(&self, eval: &E, dim: usize, range: Range<usize>) -> Result<Self> {
        let op = "slice";
        let d = self.straight(op, dim)?;
        let n = d.original.unwrap_or(0);
        if range.is_empty() || range.end > n {
            return self.shape().refuse(
                op,
                format!("{range:?} is not a range of the {n} elements of dimension {dim}"),
            );
        }
        if range == (0..n) {
            return Ok(self.clone());
        }
        let target = self.resized(op, dim, range.len())?;
        let from = along(dim, |i| Some(i + range.start));
        Moves::plan(op, Means::Rotations, &[self.shape()], &target, from)?.run(eval, &[self])
    }

    /// Every `step`-th element of a dimension from `phase` on, for nothing: of a dimension with one slot, or an interleaved
    /// one whose number of tiles is a multiple of `step`.
    ///
    /// # Errors
    /// Another dimension, a step of zero or a phase beyond it or the size.
    pub fn every(&self, dim: usize, step: usize, phase: usize) -> Result<Self> {
        let op = "every";
        let d = self.straight(op, dim)?;
        let n = d.original.unwrap_or(0);
        if step == 0 || phase >= step.min(n) {
            return self.shape().refuse(
                op,
                format!("phase {phase} of step {step} of the {n} elements of dimension {dim}"),
            );
        }
        let count = (n - phase).div_ceil(step);
        let new = if d.tile == 1 && !d.interleaved {
            TileDim::basic(count, 1)?
        } else if d.interleaved && d.external.is_multiple_of(step) {
            TileDim::interleaved_over(count, d.external / step, d.tile)?
        } else {
            return self.shape().refuse(
                op,
                format!("dimension {dim} is not interleaved over a multiple of {step} tiles"),
            );
        };
        let target = self.shape().with_dim(dim, new);
        let from = along(dim, |i| Some(i * step + phase));
        Ok(Moves::plan(op, Means::Tiles, &[self.shape()], &target, from)?.take(&[self]))
    }

    /// Tensors one after the other along a dimension, for nothing: all but the last are whole tiles.
    ///
    /// # Errors
    /// No tensors, different layouts in other dimensions, or a tensor before the last with unused slots along `dim`.
    pub fn concat(tensors: &[&Self], dim: usize) -> Result<Self> {
        let (sizes, tile) = Self::parts("concat", tensors, dim)?;
        let target = tensors[0]
            .shape()
            .with_dim(dim, TileDim::basic(sizes.iter().sum(), tile)?);
        let from = |index: &[usize]| {
            let (mut part, mut at) = (0, index[dim]);
            while at >= sizes[part] {
                at -= sizes[part];
                part += 1;
            }
            Some((part, with(index, dim, at)))
        };
        Self::gather("concat", tensors, &target, from)
    }

    /// Tensors dealt out in turn along a dimension, for nothing: element `i` is element `⌊i/k⌋` of tensor `i mod k`. The
    /// parts are interleaved over equally many tiles, or lie in one tile each. Undoes [`every`](TileTensor::every).
    ///
    /// # Errors
    /// No tensors, different layouts in other dimensions, sizes that do not alternate, parts of another kind.
    pub fn interleave(tensors: &[&Self], dim: usize) -> Result<Self> {
        let op = "interleave";
        let (sizes, tile) = Self::parts(op, tensors, dim)?;
        let (count, n) = (sizes.len(), sizes.iter().sum::<usize>());
        let shape = tensors[0].shape();
        if (0..count).any(|p| sizes[p] != (n - p.min(n)).div_ceil(count)) {
            return shape.refuse(op, format!("parts of {sizes:?} elements do not alternate"));
        }
        let external = count * shape.dims()[dim].external;
        let target = shape.with_dim(dim, TileDim::interleaved_over(n, external, tile)?);
        let from =
            |index: &[usize]| Some((index[dim] % count, with(index, dim, index[dim] / count)));
        Self::gather(op, tensors, &target, from)
    }

    /// The dimensions in another order: dimension `i` of the result is dimension `order[i]`. Free; dimensions of more than
    /// one slot keep their order, except for replicated ones among themselves.
    ///
    /// # Errors
    /// Not an order of the dimensions, or elements would have to change their slots.
    pub fn permute(&self, order: &[usize]) -> Result<Self> {
        let op = "permute";
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.shape().rank()) || self.shape().is_diagonal() {
            return self
                .shape()
                .refuse(op, format!("{order:?} is not an order of its dimensions"));
        }
        let dims = order.iter().map(|&d| self.shape().dims()[d]);
        let target = TileShape::try_new(dims.collect())?;
        let from = |index: &[usize]| {
            let mut old = vec![0; index.len()];
            for (&d, &i) in order.iter().zip(index) {
                old[d] = i;
            }
            Some((0, old))
        };
        Ok(Moves::plan(op, Means::Tiles, &[self.shape()], &target, from)?.take(&[self]))
    }

    /// The same elements, counted with the last dimension fastest, read as another shape, for nothing. Dimensions may be
    /// merged, split, inserted or left out wherever the slots do not change; flags are worked out.
    ///
    /// # Errors
    /// Another number of elements, or elements would have to change their slots.
    pub fn reshape(&self, target: &TileShape) -> Result<Self> {
        let (old, new) = (self.shape().original_sizes()?, target.original_sizes()?);
        if old.iter().product::<usize>() != new.iter().product::<usize>() {
            return self.shape().refuse(
                "reshape",
                format!("its {old:?} elements are not those of {target}, {new:?}"),
            );
        }
        let from = |index: &[usize]| {
            let flat = index.iter().zip(&new).fold(0, |at, (i, n)| at * n + i);
            Some((0, unflatten(flat, &old)))
        };
        Ok(Moves::plan("reshape", Means::Tiles, &[self.shape()], target, from)?.take(&[self]))
    }

    /// The dimensions `first..=last` read as one, `[.., n/t, ..]` with the products of their sizes, for nothing.
    ///
    /// # Errors
    /// Not a range of dimensions, or the merged elements lie neither in runs, nor interleaved, nor replicated.
    pub fn flatten(&self, first: usize, last: usize) -> Result<Self> {
        let op = "flatten";
        self.straight(op, last)?;
        let sizes = self.shape().original_sizes()?;
        let Some(merged) = self
            .shape()
            .dims()
            .get(first..=last)
            .filter(|m| !m.is_empty())
        else {
            return self
                .shape()
                .refuse(op, format!("dimensions {first} to {last} are not a range"));
        };
        let product = |size: fn(&TileDim) -> usize| merged.iter().map(size).product::<usize>();
        let (n, tile) = (sizes[first..=last].iter().product(), product(|d| d.tile));
        let candidates = [
            merged
                .iter()
                .all(TileDim::is_replicated)
                .then(|| TileDim::replicated(tile)),
            Some(TileDim::basic(n, tile)),
            Some(TileDim::interleaved_over(n, product(|d| d.external), tile)),
        ];
        let mut failure = None;
        for new in candidates.into_iter().flatten().filter_map(Result::ok) {
            let mut dims = self.shape().dims().to_vec();
            dims.splice(first..=last, [new]);
            match self.reshape(&TileShape::try_new(dims)?) {
                Ok(flat) => return Ok(flat),
                Err(e) => failure = failure.or(Some(e)),
            }
        }
        Err(failure.unwrap_or(Error::Shape {
            why: format!("{n} elements in tiles of {tile} slots"),
        }))
    }

    /// Another original size, for nothing: elements beyond a smaller one are left behind as unknown values, those new in a
    /// larger one are zero and must lie in unused slots known to be zero.
    ///
    /// # Errors
    /// No such dimension, a size of zero, more elements than slots, or unknown values where new elements would lie.
    pub fn resize(&self, dim: usize, size: usize) -> Result<Self> {
        let op = "resize";
        let d = self.straight(op, dim)?;
        let old = d.original.unwrap_or(0);
        if size == old {
            return Ok(self.clone());
        }
        let target = self.resized(op, dim, size)?;
        let from = along(dim, |i| (i < old).then_some(i));
        Ok(Moves::plan(op, Means::Tiles, &[self.shape()], &target, from)?.take(&[self]))
    }

    /// Another original size over the same tiles: whatever lies in unused slots is read as elements, elements beyond a
    /// smaller size become unknown.
    ///
    /// # Errors
    /// No such dimension, it is replicated in part, or the size needs another number of tiles.
    pub fn reinterpret_size(&self, dim: usize, size: usize) -> Result<Self> {
        let op = "reinterpret_size";
        let d = self.straight(op, dim)?;
        let shape = self.resized(op, dim, size)?;
        if d.copies > 1 || shape.tiles() != self.shape().tiles() {
            return self.shape().refuse(
                op,
                format!(
                    "{size} elements do not lie in the {} tiles of dimension {dim}",
                    d.external
                ),
            );
        }
        let smaller = Some(size) < d.original;
        // Unknown values of what become elements may lie beside unused slots of other dimensions.
        let shape = shape.map_dims(|i, e| match i == dim {
            true => e.flagged_if(d.unknown || smaller),
            false => e.flagged_if(e.unknown || d.unknown && !smaller),
        });
        Ok(TileTensor::trusted(shape, self.tiles().to_vec()))
    }

    /// `y[i] = x[(i + by) mod n]` along a dimension: tiles change places, and are rotated where the tile number wraps.
    ///
    /// # Errors
    /// No such dimension; the dimension does not rotate by whole tiles (it has unused slots, is not interleaved over its
    /// tiles, or does not [rotate cyclically](TileShape::rotates_cyclically)); or the evaluator refuses.
    pub fn rotate_along_dim(&self, eval: &E, dim: usize, by: i64) -> Result<Self> {
        let op = "rotate_along_dim";
        let n = self.straight(op, dim)?.original.unwrap_or(1);
        let by = by.rem_euclid(n as i64) as usize;
        let from = along(dim, |i| Some((i + by) % n));
        Moves::plan(op, Means::Rotations, &[self.shape()], self.shape(), from)?.run(eval, &[self])
    }

    /// `y[i] = x[i + by]` along a dimension, zero where there is no such element. Masks (one level) where tiles are mixed or
    /// slots brought in are not known to be zero.
    ///
    /// # Errors
    /// No such dimension, or the evaluator refuses.
    pub fn shift_along_dim(&self, eval: &E, dim: usize, by: i64) -> Result<Self> {
        let op = "shift_along_dim";
        let n = self.straight(op, dim)?.original.unwrap_or(1);
        let from = along(dim, |i| {
            let at = (i as i64).checked_add(by)?;
            usize::try_from(at).ok().filter(|&at| at < n)
        });
        Moves::plan(op, Means::Masks, &[self.shape()], self.shape(), from)?.run(eval, &[self])
    }

    /// The same elements in another shape of the same original sizes and slot count, whatever the two are: rotated tiles,
    /// masked and added ([`TileShape::retile_cost`] says how many).
    ///
    /// # Errors
    /// Other original sizes or slots, or the evaluator refuses.
    pub fn retile(&self, eval: &E, target: &TileShape) -> Result<Self> {
        self.shape().retiling(target)?.run(eval, &[self])
    }

    /// The dimension, of a shape that is not diagonalised.
    fn straight(&self, op: &'static str, dim: usize) -> Result<TileDim> {
        if self.shape().is_diagonal() {
            return self
                .shape()
                .refuse(op, "the shape is diagonalised; retile it first");
        }
        self.shape().original_sizes()?;
        Ok(*self.shape().dim(op, dim)?)
    }

    /// The shape with another size along a dimension, over the same tiles if it is interleaved; no flag there.
    fn resized(&self, op: &'static str, dim: usize, size: usize) -> Result<TileShape> {
        let d = self.shape().dims()[dim];
        let new = match d.interleaved {
            true => TileDim::interleaved_over(size, d.external, d.tile),
            false => TileDim::basic(size, d.tile),
        };
        match new {
            Ok(new) => Ok(self.shape().with_dim(dim, new)),
            Err(e) => self.shape().refuse(op, e.to_string()),
        }
    }

    /// The sizes of several tensors along a dimension, and its tile size, if they agree in the others.
    fn parts(op: &'static str, tensors: &[&Self], dim: usize) -> Result<(Vec<usize>, usize)> {
        let Some(first) = tensors.first() else {
            return Err(Error::Shape {
                why: format!("{op} of no tensors"),
            });
        };
        let tile = first.straight(op, dim)?.tile;
        for t in tensors {
            t.straight(op, dim)?;
            let (a, b) = (first.shape().dims(), t.shape().dims());
            let differs = |&i: &usize| match i == dim {
                true => a[i].tile != b[i].tile,
                false => !a[i].same_layout(&b[i]),
            };
            if a.len() != b.len() {
                return Err(mismatch(
                    op,
                    first.shape(),
                    t.shape(),
                    a.len().min(b.len()),
                    "the ranks differ",
                ));
            }
            if let Some(i) = (0..a.len()).find(differs) {
                return Err(mismatch(
                    op,
                    first.shape(),
                    t.shape(),
                    i,
                    "the layouts differ",
                ));
            }
        }
        let size = |t: &&Self| t.shape().dims()[dim].original.unwrap_or(0);
        Ok((tensors.iter().map(size).collect(), tile))
    }

    fn gather(
        op: &'static str,
        tensors: &[&Self],
        target: &TileShape,
        from: impl Fn(&[usize]) -> Option<Origin>,
    ) -> Result<Self> {
        let shapes: Vec<&TileShape> = tensors.iter().map(|t| t.shape()).collect();
        Ok(Moves::plan(op, Means::Tiles, &shapes, target, from)?.take(tensors))
    }
}

impl TileShape {
    /// What [`TileTensor::retile`] to another shape costs.
    ///
    /// # Errors
    /// Other original sizes or slots.
    pub fn retile_cost(&self, target: &TileShape) -> Result<Cost> {
        Ok(self.retiling(target)?.cost())
    }

    /// The shape after [`TileTensor::retile`]: the target with its flags worked out.
    ///
    /// # Errors
    /// Other original sizes or slots.
    pub fn of_retiling(&self, target: &TileShape) -> Result<TileShape> {
        Ok(self.retiling(target)?.shape().clone())
    }

    fn retiling(&self, target: &TileShape) -> Result<Moves> {
        if self.original_sizes()? != target.original_sizes()? {
            return Err(mismatch(
                "retile",
                self,
                target,
                0,
                "the original sizes differ",
            ));
        }
        let from = |index: &[usize]| Some((0, index.to_vec()));
        Moves::plan("retile", Means::Masks, &[self], target, from)
    }
}

fn with(index: &[usize], dim: usize, at: usize) -> Vec<usize> {
    let mut index = index.to_vec();
    index[dim] = at;
    index
}

/// The origin of elements that move along one dimension.
fn along(dim: usize, f: impl Fn(usize) -> Option<usize>) -> impl Fn(&[usize]) -> Option<Origin> {
    move |index| Some((0, with(index, dim, f(index[dim])?)))
}

fn mismatch(op: &'static str, a: &TileShape, b: &TileShape, dim: usize, why: &str) -> Error {
    Error::Mismatch {
        op,
        lhs: a.to_string(),
        rhs: b.to_string(),
        dim,
        why: why.into(),
    }
}
