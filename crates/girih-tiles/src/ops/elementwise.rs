//! Slot-wise operations with broadcasting: one ciphertext operation per tile of the result.

use girih_he::Evaluator;

use crate::plain::Encoded;
use crate::tensor::{all_coords, source_tile};
use crate::{PlainTileTensor, PlainTiles, Result, TileShape, TileTensor};

impl<E: Evaluator> TileTensor<E> {
    /// `a + b`.
    ///
    /// # Errors
    /// The shapes do not go together, or the evaluator refuses.
    pub fn add(&self, eval: &E, other: &Self) -> Result<Self> {
        self.zip(self.shape().of_sum(other.shape())?, other, |a, b| {
            eval.add(a, b)
        })
    }

    /// `a − b`.
    ///
    /// # Errors
    /// The shapes do not go together, or the evaluator refuses.
    pub fn sub(&self, eval: &E, other: &Self) -> Result<Self> {
        self.zip(self.shape().of_sum(other.shape())?, other, |a, b| {
            eval.sub(a, b)
        })
    }

    /// `a ⊙ b`, at the product scale.
    ///
    /// # Errors
    /// The shapes do not go together, or the evaluator refuses.
    pub fn mul(&self, eval: &E, other: &Self) -> Result<Self> {
        self.zip(self.shape().of_product(other.shape())?, other, |a, b| {
            eval.mul(a, b)
        })
    }

    /// `a + p`.
    ///
    /// # Errors
    /// The shapes do not go together, or the evaluator refuses.
    pub fn add_plain(&self, eval: &E, p: &impl PlainTiles<E>) -> Result<Self> {
        self.zip_plain(eval, self.shape().of_sum(p.shape())?, p, |a, p| {
            eval.add_plain(a, p)
        })
    }

    /// `a − p`, computed as `−(−a + p)`.
    ///
    /// # Errors
    /// The shapes do not go together, or the evaluator refuses.
    pub fn sub_plain(&self, eval: &E, p: &impl PlainTiles<E>) -> Result<Self> {
        self.zip_plain(eval, self.shape().of_sum(p.shape())?, p, |a, p| {
            eval.neg(&eval.add_plain(&eval.neg(a)?, p)?)
        })
    }

    /// `a ⊙ p`, at the product scale.
    ///
    /// # Errors
    /// The shapes do not go together, or the evaluator refuses.
    pub fn mul_plain(&self, eval: &E, p: &impl PlainTiles<E>) -> Result<Self> {
        self.zip_plain(eval, self.shape().of_product(p.shape())?, p, |a, p| {
            eval.mul_plain(a, p)
        })
    }

    /// `a + p` in the used slots only: replicated values do not spill into unused ones, at the price
    /// of one constant per tile of `a`. (Where `a` itself is replicated along a dimension of `p`, this
    /// is [`add_plain`](TileTensor::add_plain).)
    ///
    /// # Errors
    /// The shapes do not go together, or the evaluator refuses.
    pub fn add_plain_to_used(&self, eval: &E, p: &PlainTileTensor) -> Result<Self> {
        let sum = self.shape().of_sum(p.shape())?;
        if sum.cleared() != self.shape().cleared() || !sum.has_unused() {
            return self.add_plain(eval, p);
        }
        p.shape().check_slots(eval.slots())?;
        let shape = sum.with_flags_of(self.shape());
        let tiles = self.tiles().iter().zip(all_coords(&shape)).enumerate();
        let tiles = tiles.map(|(tile, (a, coords))| {
            let source = source_tile(p.shape(), &coords);
            let mut values = p.tile(source)?;
            keep_used(&mut values, &shape, tile)?;
            let name = format!("{}/{source}{}", p.name(), box_name(&shape, tile)?);
            Ok(eval.add_plain(a, &eval.constant(&name, &values)?)?)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        Ok(TileTensor::trusted(shape, tiles))
    }

    /// `−a`.
    ///
    /// # Errors
    /// The evaluator refuses.
    pub fn neg(&self, eval: &E) -> Result<Self> {
        self.each(self.shape().clone(), |a| eval.neg(a))
    }

    /// `a + s` in every slot: unused slots become unknown.
    ///
    /// # Errors
    /// The shape is complex-packed, or the evaluator refuses.
    pub fn add_scalar(&self, eval: &E, s: f64) -> Result<Self> {
        self.each(self.shape().of_scalar_sum()?, |a| eval.add_scalar(a, s))
    }

    /// `a + s` in the used slots only: flags stay as they are, a constant per tile pattern.
    ///
    /// # Errors
    /// The evaluator refuses.
    pub fn add_scalar_to_used(&self, eval: &E, s: f64) -> Result<Self> {
        if !self.shape().has_unused() {
            return self.add_scalar(eval, s);
        }
        self.each_numbered(self.shape().clone(), |tile, a| {
            let p = used_constant(eval, self.shape(), tile, s)?;
            Ok(eval.add_plain(a, &p)?)
        })
    }

    /// `a · s`, at the product scale. Unknown slots stay unknown.
    ///
    /// # Errors
    /// The evaluator refuses.
    pub fn mul_scalar(&self, eval: &E, s: f64) -> Result<Self> {
        self.each(self.shape().clone(), |a| eval.mul_scalar(a, s))
    }

    /// `a · s` in the used slots and zero in the others, at the product scale: a scaling that clears
    /// unknown slots for nothing more.
    ///
    /// # Errors
    /// The evaluator refuses.
    pub fn mul_scalar_and_clear(&self, eval: &E, s: f64) -> Result<Self> {
        self.each_numbered(self.shape().cleared(), |tile, a| {
            let p = used_constant(eval, self.shape(), tile, s)?;
            Ok(eval.mul_plain(a, &p)?)
        })
    }

    /// Zero in every unused slot, by a product with a mask (one level). Without unknown slots,
    /// nothing is done.
    ///
    /// # Errors
    /// The evaluator refuses.
    pub fn clear_unknowns(&self, eval: &E) -> Result<Self> {
        if self.shape().has_unknowns() {
            self.mul_scalar_and_clear(eval, 1.0)
        } else {
            Ok(self.clone())
        }
    }

    fn zip(
        &self,
        shape: TileShape,
        other: &Self,
        f: impl Fn(&E::Ciphertext, &E::Ciphertext) -> girih_he::Result<E::Ciphertext>,
    ) -> Result<Self> {
        let tiles = all_coords(&shape).map(|coords| {
            let a = &self.tiles()[source_tile(self.shape(), &coords)];
            let b = &other.tiles()[source_tile(other.shape(), &coords)];
            Ok(f(a, b)?)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        Ok(TileTensor::trusted(shape, tiles))
    }

    fn zip_plain(
        &self,
        eval: &E,
        shape: TileShape,
        p: &impl PlainTiles<E>,
        f: impl Fn(&E::Ciphertext, &E::Plaintext) -> girih_he::Result<E::Ciphertext>,
    ) -> Result<Self> {
        let mut encoded = Encoded::new(eval, p, shape.tiles());
        let tiles = all_coords(&shape).map(|coords| {
            let a = &self.tiles()[source_tile(self.shape(), &coords)];
            let b = encoded.get(source_tile(p.shape(), &coords))?;
            Ok(f(a, &b)?)
        });
        let tiles = tiles.collect::<Result<_>>()?;
        Ok(TileTensor::trusted(shape, tiles))
    }

    fn each(
        &self,
        shape: TileShape,
        f: impl Fn(&E::Ciphertext) -> girih_he::Result<E::Ciphertext>,
    ) -> Result<Self> {
        self.each_numbered(shape, |_, a| Ok(f(a)?))
    }

    fn each_numbered(
        &self,
        shape: TileShape,
        f: impl Fn(usize, &E::Ciphertext) -> Result<E::Ciphertext>,
    ) -> Result<Self> {
        let tiles = self.tiles().iter().enumerate().map(|(i, a)| f(i, a));
        let tiles = tiles.collect::<Result<_>>()?;
        Ok(TileTensor::trusted(shape, tiles))
    }
}

/// `value` in the used slots of a tile, named after the pattern so that equal tiles share it.
fn used_constant<E: Evaluator>(
    eval: &E,
    shape: &TileShape,
    tile: usize,
    value: f64,
) -> Result<E::Plaintext> {
    let mut values = vec![value; shape.slots()];
    keep_used(&mut values, shape, tile)?;
    let name = format!("used={value:?}{}", box_name(shape, tile)?);
    Ok(eval.constant(&name, &values)?)
}

/// Zeros the unused slots of a tile.
fn keep_used(values: &mut [f64], shape: &TileShape, tile: usize) -> Result<()> {
    shape.check_real("mask")?;
    shape.for_each_slot(tile, |slot, index| {
        if index.is_none() {
            values[slot] = 0.0;
        }
    })
}

/// The pattern of used slots of a tile, as `/2of4/4of4/1of16`.
fn box_name(shape: &TileShape, tile: usize) -> Result<String> {
    let used = shape.used_box(tile)?;
    let parts = used.iter().zip(shape.dims());
    Ok(parts
        .map(|(u, d)| format!("/{u}of{}", d.tile_size()))
        .collect())
}
