//! Two reals a slot: packing tiles in pairs, taking them apart, and sums of products at half the price.
//!
//! With `z = x + iy` in the slots and `w = (u − iv)/2` as weights, `z w + conj(z w) = x u + y v`: a product of complex slots
//! and one conjugation form two products of reals. After Aharoni, Drucker, Ezov, Shaul, Soceanu, "Complex Encoded Tile
//! Tensors" (IEEE Security & Privacy, 2022).
//!
//! An [`Evaluator`] takes real constants; complex ones come from a function of the scheme, the argument `encode`, which
//! gets a name and slots.

use girih_he::Evaluator;

use crate::layout::unflatten;
use crate::pack::ComplexSlot;
use crate::tensor::{all_coords, source_tile};
use crate::{EncodedTileTensor, Error, PlainTileTensor, Result, TileDim, TileShape, TileTensor};

/// Weights of [`TileTensor::contract_complex`]: encoded conjugates, halved.
#[derive(Clone)]
pub struct ComplexWeights<E: Evaluator> {
    weights: EncodedTileTensor<E>,
    shape: TileShape,
}

impl<E: Evaluator> ComplexWeights<E> {
    /// The weights of a complex-packed shape.
    ///
    /// # Errors
    /// The shape is not complex-packed, or along a single element; it has another slot count; or what `encode` fails with.
    pub fn try_new<X: From<Error>>(
        eval: &E,
        weights: &PlainTileTensor,
        mut encode: impl FnMut(&str, &[ComplexSlot]) -> std::result::Result<E::Plaintext, X>,
    ) -> std::result::Result<Self, X> {
        packed_dim("contract_complex", weights.shape())?;
        let half_conjugates = |name: &str, slots: &[ComplexSlot]| {
            let halves: Vec<ComplexSlot> = slots.iter().map(|[u, v]| [u / 2.0, -v / 2.0]).collect();
            encode(&format!("{name}/conjugate"), &halves)
        };
        let encoded = weights.encode_complex_with(eval, half_conjugates)?;
        Ok(ComplexWeights {
            weights: encoded.with_shape(weights.shape().complex_valued()?),
            shape: weights.shape().clone(),
        })
    }

    /// The complex-packed shape.
    #[must_use]
    pub fn shape(&self) -> &TileShape {
        &self.shape
    }
}

impl TileShape {
    /// The shape of real slots: a complex-packed dimension `nc/t` becomes `n/t`.
    #[must_use]
    pub fn real_valued(&self) -> TileShape {
        self.map_dims(|_, d| {
            TileDim {
                complex: false,
                ..*d
            }
            .flagged_if(d.unknown)
        })
    }

    /// The shape in which a complex slot counts as one element.
    pub(super) fn complex_valued(&self) -> Result<TileShape> {
        let Some(dim) = self.complex_dim() else {
            return Ok(self.clone());
        };
        let d = self.dims()[dim];
        let tiles = d.external_size();
        let slots: usize = (tiles - 1) * d.tile + d.used(tiles - 1);
        Ok(self.with_dim(dim, TileDim::basic(slots, d.tile)?.flagged_if(d.unknown)))
    }

    /// The shape of [`TileTensor::contract_complex`].
    ///
    /// # Errors
    /// The shapes do not go together or are not packed in pairs along the same dimension, that dimension is not summed, or
    /// as [`of_contraction`](TileShape::of_contraction).
    pub fn of_complex_contraction(&self, weights: &TileShape, dims: &[usize]) -> Result<TileShape> {
        let op = "contract_complex";
        let dim = packed_dim(op, self)?;
        if packed_dim(op, weights)? != dim || !self.dims()[dim].same_layout(&weights.dims()[dim]) {
            return Err(Error::Mismatch {
                op,
                lhs: self.to_string(),
                rhs: weights.to_string(),
                dim,
                why: "the same elements must be packed in pairs".into(),
            });
        }
        if !dims.contains(&dim) {
            return self.refuse(
                op,
                format!(
                    "dimension {dim} packs two reals a slot and is not among those summed, {dims:?}"
                ),
            );
        }
        self.complex_valued()?
            .of_contraction(&weights.complex_valued()?, dims)
    }
}

impl<E: Evaluator> TileTensor<E> {
    /// `Σ a ⊙ w` over the dimensions `dims`, the complex-packed one among them; the result is real.
    ///
    /// Costs half the products of the real tensors (one `dot_plain` per tile of the result), the rotations of the sums
    /// inside, and one conjugation per tile of the result.
    ///
    /// # Errors
    /// As [`TileShape::of_complex_contraction`], or the evaluator refuses.
    pub fn contract_complex(
        &self,
        eval: &E,
        weights: &ComplexWeights<E>,
        dims: &[usize],
    ) -> Result<Self> {
        self.shape().of_complex_contraction(&weights.shape, dims)?;
        let slots = TileTensor::trusted(self.shape().complex_valued()?, self.tiles().to_vec());
        let sum: TileTensor<E> = slots.contract_plain(eval, &weights.weights, dims)?;
        sum.map(
            crate::Zeros::Stay,
            |z| Ok(eval.add(z, &eval.conjugate(z)?)?),
        )
    }

    /// The real tensor of a complex-packed one: tiles `2k` and `2k + 1` from the parts of tile `k`.
    ///
    /// Costs one conjugation and two products (one level) per tile.
    ///
    /// # Errors
    /// The shape is not complex-packed, what `encode` fails with, or the evaluator refuses.
    pub fn split_complex<X: From<Error>>(
        &self,
        eval: &E,
        encode: impl FnOnce(&str, &[ComplexSlot]) -> std::result::Result<E::Plaintext, X>,
    ) -> std::result::Result<Self, X> {
        let Some(dim) = self.shape().complex_dim() else {
            return Ok(self
                .shape()
                .refuse("split_complex", "no dimension packs two reals a slot")?);
        };
        let shape = self.shape().real_valued();
        let half = encode("-i/2", &vec![[0.0, -0.5]; eval.slots()])?;
        let parts = self.tiles().iter().map(|z| {
            let conjugate = eval.conjugate(z)?;
            let real = eval.mul_scalar(&eval.add(z, &conjugate)?, 0.5)?;
            let imaginary = eval.mul_plain(&eval.sub(z, &conjugate)?, &half)?;
            Ok([real, imaginary])
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let tiles = all_coords(&shape).map(|mut coords| {
            let part = coords[dim] % 2;
            coords[dim] /= 2;
            parts[source_tile(self.shape(), &coords)][part].clone()
        });
        Ok(TileTensor::trusted(shape, tiles.collect()))
    }

    /// The complex-packed tensor of a real one: tile `2k` plus `i` times tile `2k + 1`; a single element `a` becomes
    /// `a + ia`. Undoes [`split_complex`](TileTensor::split_complex).
    ///
    /// Costs one product (one level) per tile.
    ///
    /// # Errors
    /// No such dimension, it is interleaved, another one is packed already, what `encode` fails with, or the evaluator
    /// refuses.
    pub fn join_complex<X: From<Error>>(
        &self,
        eval: &E,
        dim: usize,
        encode: impl FnOnce(&str, &[ComplexSlot]) -> std::result::Result<E::Plaintext, X>,
    ) -> std::result::Result<Self, X> {
        self.shape().check_real("join_complex")?;
        let d = self.shape().dim("join_complex", dim)?.with_complex()?;
        let mut dims = self.shape().dims().to_vec();
        dims[dim] = d;
        let shape = TileShape::try_new(dims)?;
        let single = d.original_size() == Some(1);
        let factor = match single {
            true => encode("1+i", &vec![[1.0, 1.0]; eval.slots()])?,
            false => encode("i", &vec![[0.0, 1.0]; eval.slots()])?,
        };
        let sizes = shape.external_sizes();
        let tiles = (0..shape.tiles()).map(|tile| {
            let mut coords = unflatten(tile, &sizes);
            if single {
                return Ok(eval.mul_plain(&self.tiles()[tile], &factor)?);
            }
            coords[dim] *= 2;
            let real = eval.mul_scalar(&self.tiles()[source_tile(self.shape(), &coords)], 1.0)?;
            coords[dim] += 1;
            if coords[dim] == self.shape().dims()[dim].external_size() {
                return Ok(real);
            }
            let imaginary = &self.tiles()[source_tile(self.shape(), &coords)];
            Ok(eval.add(&real, &eval.mul_plain(imaginary, &factor)?)?)
        });
        Ok(TileTensor::trusted(shape, tiles.collect::<Result<_>>()?))
    }
}

/// The dimension packed in pairs.
fn packed_dim(op: &'static str, shape: &TileShape) -> Result<usize> {
    shape.original_sizes()?;
    match shape.complex_dim() {
        Some(dim) if shape.dims()[dim].original != Some(1) => Ok(dim),
        _ => shape.refuse(
            op,
            "no dimension of several elements packs two reals a slot",
        ),
    }
}
