//! The shape of a result, without computing it.
//!
//! Two shapes go together if their ranks and tile sizes agree and every dimension has the same
//! layout in both, or is replicated in one of them (broadcasting; the result takes the other).
//!
//! Where the unused slots of a result are unknown, per dimension:
//!
//! | operation | flagged `?` if |
//! |---|---|
//! | `a ± b` | either is, or one is replicated and the other has unused slots (the value spills) |
//! | `a ⊙ b` | both are, or one is and the other is replicated |
//! | `a + s` | there are unused slots |
//! | `a · s` | it was |
//!
//! Complex-packed dimensions (`c`) are added to complex-packed ones, a single element as `*c` (`a + ia`); they are
//! multiplied by real replicated ones, `*`, which act on both parts. A diagonalised shape goes with the same one, or with
//! one that is replicated in the first two dimensions.
//!
//! One more rule for `a ⊙ b`: a slot unused in two dimensions is zero only if neither is flagged. If
//! `a` is unknown in dimension `i` alone and `b` in dimension `j` alone, their product is unknown in
//! the slots unused in both; the smaller of the two sets of flags is kept to say so.

use crate::{Error, Result, TileDim, TileShape};

impl TileShape {
    /// Whether some slot may hold anything.
    #[must_use]
    pub fn has_unknowns(&self) -> bool {
        self.dims().iter().any(TileDim::is_unknown)
    }

    /// The shape of `a + b` and of `a − b`.
    ///
    /// # Errors
    /// The shapes do not go together.
    pub fn of_sum(&self, other: &TileShape) -> Result<TileShape> {
        let spills = |from: &TileDim, into: &TileDim| from.is_replicated() && into.has_unused();
        let unknown =
            |a: &TileDim, b: &TileDim| a.unknown || b.unknown || spills(a, b) || spills(b, a);
        self.broadcast("add", other, unknown, |a, b| {
            (a.complex != b.complex).then(|| {
                format!("{a} and {b}: a real would reach one part of the complex slots only; pack it as *c")
            })
        })
    }

    /// The shape of `a ⊙ b`.
    ///
    /// # Errors
    /// The shapes do not go together.
    pub fn of_product(&self, other: &TileShape) -> Result<TileShape> {
        let unknown = |a: &TileDim, b: &TileDim| {
            let stays = |x: &TileDim| x.unknown || x.is_replicated();
            (a.unknown && stays(b)) || (b.unknown && stays(a))
        };
        let mut product = self.broadcast("mul", other, unknown, |a, b| {
            let real = if a.complex { b } else { a };
            ((a.complex || b.complex) && (real.complex || !real.is_replicated())).then(|| {
                format!("{a} and {b}: complex slots are multiplied by reals that are replicated (*); split_complex first, or contract_complex")
            })
        })?;
        let only = |a: &TileShape, b: &TileShape| -> Vec<usize> {
            let lone = |i: &usize| {
                let (a, b) = (&a.dims()[*i], &b.dims()[*i]);
                a.unknown && !b.unknown && !b.is_replicated()
            };
            (0..self.rank()).filter(lone).collect()
        };
        let (left, right) = (only(self, other), only(other, self));
        if !left.is_empty() && !right.is_empty() {
            let kept = if left.len() <= right.len() {
                left
            } else {
                right
            };
            for i in kept {
                product = product.with_dim(i, product.dims()[i].flagged_if(true));
            }
        }
        Ok(product)
    }

    /// The shape of `a + s` with `s` added in every slot.
    ///
    /// # Errors
    /// The shape is complex-packed: a real `s` would reach the real parts only.
    pub fn of_scalar_sum(&self) -> Result<TileShape> {
        self.check_real("add_scalar")?;
        Ok(self.map_dims(|_, d| d.flagged_if(true)))
    }

    /// The shape after unknown slots were masked away.
    #[must_use]
    pub fn cleared(&self) -> TileShape {
        self.map_dims(|_, d| d.flagged_if(false))
    }

    /// The shape after the tiles along a dimension were added into one.
    ///
    /// # Errors
    /// No such dimension, the shape is incomplete, or the dimension is flagged `?`.
    pub fn with_tiles_summed(&self, dim: usize) -> Result<TileShape> {
        let d = *self.summable("sum", dim)?;
        if d.external == 1 {
            return Ok(self.clone());
        }
        Ok(self.with_dim(dim, TileDim::basic(d.used(0), d.tile)?))
    }

    /// The shape after a dimension was summed: replicated (`*/t`) if the dimension
    /// [rotates cyclically](TileShape::rotates_cyclically), otherwise one value in slot 0 (`1?/t`).
    ///
    /// # Errors
    /// No such dimension, the shape is incomplete, or the dimension is flagged `?`.
    pub fn of_sum_over(&self, dim: usize) -> Result<TileShape> {
        let tiles = self.with_tiles_summed(dim)?;
        let d = tiles.dims()[dim];
        let new = if d.copies > 1 || d.is_replicated() {
            d
        } else if tiles.rotates_cyclically(dim) {
            TileDim::replicated(d.tile)?
        } else if d.original == Some(1) {
            d
        } else {
            TileDim::basic(1, d.tile)?.flagged_if(true)
        };
        Ok(tiles.with_dim(dim, new))
    }

    /// The shape after a dimension was summed into its first slot only, `1?/t`.
    ///
    /// # Errors
    /// As [`of_sum_over`](TileShape::of_sum_over).
    pub fn of_sum_to_first(&self, dim: usize) -> Result<TileShape> {
        let sum = self.of_sum_over(dim)?;
        let d = self.dims()[dim];
        if d.copies > 1 || d.original == Some(1) {
            return self.with_tiles_summed(dim);
        }
        let first = TileDim::basic(1, d.tile)?.flagged_if(true);
        Ok(sum.with_dim(dim, first))
    }

    /// The shape after the single element of a dimension was copied into all its slots.
    ///
    /// # Errors
    /// No such dimension, or it has more than one element.
    pub fn of_replication(&self, dim: usize) -> Result<TileShape> {
        let d = self.dim("replicate", dim)?;
        if d.original != Some(1) || d.external != 1 {
            return Err(Error::Unsupported {
                op: "replicate",
                shape: self.to_string(),
                why: format!("dimension {dim} has more than one element; only 1/t can be copied"),
            });
        }
        if d.is_replicated() {
            return Ok(self.clone());
        }
        let base = if self.replication_needs_mask(dim) {
            self.cleared()
        } else {
            self.clone()
        };
        let full = TileDim {
            copies: d.tile,
            interleaved: false,
            unknown: false,
            ..*d
        };
        Ok(base.with_dim(dim, full))
    }

    /// Whether some slot of some tile holds no element.
    #[must_use]
    pub fn has_unused(&self) -> bool {
        self.dims().iter().any(TileDim::has_unused)
    }

    /// The same dimensions with the flags of another shape.
    pub(crate) fn with_flags_of(&self, other: &TileShape) -> TileShape {
        self.map_dims(|i, d| d.flagged_if(other.dims()[i].unknown))
    }

    /// Whether copying a dimension's element needs a mask first: something unknown might be copied
    /// too, or the number of copies is not a power of two.
    pub(crate) fn replication_needs_mask(&self, dim: usize) -> bool {
        let d = &self.dims()[dim];
        !d.is_replicated() && (self.has_unknowns() || !d.copies.is_power_of_two())
    }

    fn summable(&self, op: &'static str, dim: usize) -> Result<&TileDim> {
        self.original_sizes()?;
        let d = self.dim(op, dim)?;
        if d.unknown {
            return Err(Error::Unknowns {
                op,
                shape: self.to_string(),
                dim,
            });
        }
        if d.complex {
            return self.refuse(
                op,
                format!("dimension {dim} packs two reals a slot; split_complex first, or contract_complex"),
            );
        }
        if self.is_diagonal() && dim < 2 {
            return self.refuse(
                op,
                format!("dimension {dim} is laid out by diagonals; only diagonal_product sums it"),
            );
        }
        Ok(d)
    }

    fn broadcast(
        &self,
        op: &'static str,
        other: &TileShape,
        unknown: impl Fn(&TileDim, &TileDim) -> bool,
        complex: impl Fn(&TileDim, &TileDim) -> Option<String>,
    ) -> Result<TileShape> {
        self.original_sizes()?;
        other.original_sizes()?;
        let fail = |dim: usize, why: String| {
            Err(Error::Mismatch {
                op,
                lhs: self.to_string(),
                rhs: other.to_string(),
                dim,
                why,
            })
        };
        if self.rank() != other.rank() {
            let why = format!("the ranks are {} and {}", self.rank(), other.rank());
            return fail(self.rank().min(other.rank()), why);
        }
        if self.is_diagonal() != other.is_diagonal() {
            let straight = if self.is_diagonal() { other } else { self };
            if let Some(dim) = straight
                .dims()
                .iter()
                .take(2)
                .position(|d| !d.is_replicated())
            {
                return fail(
                    dim,
                    "one side is diagonalised and the other not replicated".into(),
                );
            }
        }
        let mut dims = Vec::with_capacity(self.rank());
        for (i, (a, b)) in self.dims().iter().zip(other.dims()).enumerate() {
            let result = if a.tile != b.tile {
                return fail(i, format!("the tile sizes are {} and {}", a.tile, b.tile));
            } else if let Some(why) = complex(a, b) {
                return fail(i, why);
            } else if a.same_layout(b) || b.is_replicated() && (a.complex || !b.complex) {
                a
            } else if a.is_replicated() {
                b
            } else {
                return fail(
                    i,
                    format!(
                        "{a} and {b} place their elements differently; sizes and interleaving must be equal, or one side replicated"
                    ),
                );
            };
            dims.push(result.flagged_if(unknown(a, b)));
        }
        let shape = TileShape::try_new(dims)?;
        if self.is_diagonal() || other.is_diagonal() {
            return shape.diagonalized();
        }
        Ok(shape)
    }
}
