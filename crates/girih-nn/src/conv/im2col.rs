//! Convolution as a dense product with patches that the client unrolls.
//!
//! Patches `[K/t0, G/t1, */t2, P/t3, B/t4]` (taps, groups, pixels of the result, batch) times weights
//! `[K/t0, G/t1, F/t2, */t3, */t4]`, summed over the taps: `[*/t0, G/t1, F/t2, P/t3, B/t4]`. With one tap a tile
//! (`t0 = 1`) nothing is rotated; with `t0` taps side by side a result takes `log₂ t0` rotations.

use std::collections::BTreeMap;

use girih_he::Evaluator;
use girih_tiles::ops::conv::Counts;
use girih_tiles::{SlotContent, TileDim, TileShape, TileTensor};

use super::encrypted::{EncryptedWeights, Held};
use super::layout::{ChannelOrder, Layout};
use super::{Ciphertexts, Conv2dConfig, shape_error};
use crate::Result;

const TAPS: usize = 0;
const GROUPS: usize = 1;
const FILTERS: usize = 2;
const PIXELS: usize = 3;
const RANK: usize = 5;

#[derive(Clone, Debug)]
pub(super) struct Im2col {
    name: String,
    config: Conv2dConfig,
    /// The weights' shape.
    weights: TileShape,
    /// The shape of the products summed over the tiles of taps.
    sums: TileShape,
    input: Layout,
    output: Layout,
}

impl Im2col {
    /// For patches of a given shape.
    pub(super) fn try_new(name: &str, config: &Conv2dConfig, shape: TileShape) -> Result<Self> {
        let [_, rows, cols] = config.output()?;
        let sizes = shape.original_sizes()?;
        let expected = [config.taps(), config.groups, 1, rows * cols];
        if sizes.len() != RANK
            || sizes[..PIXELS + 1] != expected
            || !shape.dims()[FILTERS].is_replicated()
        {
            return Err(shape_error(format!(
                "{shape} does not hold patches [taps, groups, *, pixels] of sizes {expected:?} and a batch"
            )));
        }
        let tile = |d: usize| shape.dims()[d].tile_size();
        let with = |dims: [TileDim; RANK]| TileShape::try_new(dims.to_vec());
        let filters = TileDim::basic(config.filters / config.groups, tile(FILTERS))?;
        let weights = with([
            shape.dims()[TAPS],
            shape.dims()[GROUPS],
            filters,
            TileDim::replicated(tile(PIXELS))?,
            TileDim::replicated(tile(RANK - 1))?,
        ])?;
        let product = shape.of_product(&weights)?;
        let sums = product.with_tiles_summed(TAPS)?;
        let mut result = sums.of_sum_over(TAPS)?;
        if config.bias.is_some() {
            result = result.of_sum(&only_outputs(&result)?)?;
        }
        let layout = |shape: TileShape| Layout::Tiles {
            shape,
            channels: ChannelOrder::First,
        };
        Ok(Im2col {
            name: name.to_owned(),
            config: config.clone(),
            weights,
            sums,
            input: layout(shape),
            output: layout(result),
        })
    }

    /// The tiling of the least price; of equal ones that of the fewest ciphertexts.
    pub(super) fn cheapest(name: &str, config: &Conv2dConfig, on: Ciphertexts<'_>) -> Result<Self> {
        let units = on.units()?;
        let [_, rows, cols] = config.output()?;
        let powers = |longest: usize| {
            let end = longest.next_power_of_two().min(units);
            (0..=end.ilog2()).map(|k| 1usize << k)
        };
        let mut best: Option<((f64, usize), Im2col)> = None;
        for k in powers(config.taps()) {
            for g in powers(config.groups).take_while(|g| k * g <= units) {
                for p in powers(rows * cols).take_while(|p| k * g * p <= units) {
                    let shape = TileShape::try_new(vec![
                        TileDim::basic(config.taps(), k)?,
                        TileDim::basic(config.groups, g)?,
                        TileDim::replicated(units / (k * g * p))?,
                        TileDim::basic(rows * cols, p)?,
                        TileDim::basic(on.batch, on.batch)?,
                    ])?;
                    let tried = Im2col::try_new(name, config, shape)?;
                    let counts = tried.counts();
                    let price = (on.price(&counts), counts.ciphertexts_in);
                    if best.as_ref().is_none_or(|(b, _)| price < *b) {
                        best = Some((price, tried));
                    }
                }
            }
        }
        best.map(|(_, im2col)| im2col)
            .ok_or_else(|| shape_error(format!("no tiling of {} slots for patches", on.slots)))
    }

    pub(super) fn input(&self) -> &Layout {
        &self.input
    }

    pub(super) fn output(&self) -> &Layout {
        &self.output
    }

    /// `K/t0 · G/t1 · F/t2 · P/t3` products (rounded up) and `log₂ t0` rotations of each of `G/t1 · F/t2 · P/t3` results.
    pub(super) fn counts(&self) -> Counts {
        let taps = self.weights.dims()[TAPS];
        let results = self.sums.tiles();
        let folds = match taps.is_replicated() {
            true => 0,
            false => taps.tile_size().ilog2() as usize * results,
        };
        let bias = match self.config.bias {
            Some(_) => self.weights.tiles() / taps.external_size(),
            None => 0,
        };
        Counts {
            products: taps.external_size() * results,
            rotations: folds,
            key_switches: folds,
            levels: 1,
            ciphertexts_in: self.input.tiles(),
            ciphertexts_out: results,
            constant_bytes: (self.weights.tiles() + bias) * self.weights.slots() * size_of::<f64>(),
        }
    }

    pub(super) fn forward<E: Evaluator>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        let weights = (0..self.weights.tiles())
            .map(|t| Ok(eval.constant(&self.weight_name(t), &self.weight(t)?)?))
            .collect::<Result<Vec<_>>>()?;
        let mut ys = self.sums(eval, tiles, &weights, |terms| Ok(eval.dot_plain(terms)?))?;
        let bias = (0..self.bias_tiles())
            .map(|t| Ok(eval.constant(&format!("{}/bias.{t}", self.name), &self.bias(t)?)?))
            .collect::<Result<Vec<_>>>()?;
        if !bias.is_empty() {
            for (tile, y) in ys.iter_mut().enumerate() {
                *y = eval.add_plain(y, &bias[self.bias_of(tile)?])?;
            }
        }
        Ok(ys)
    }

    pub(super) fn encrypt_weights<E: Evaluator>(
        &self,
        mut encrypt: impl FnMut(&[f64]) -> girih_he::Result<E::Ciphertext>,
    ) -> Result<EncryptedWeights<E>> {
        let weights = (0..self.weights.tiles())
            .map(|t| Ok((self.weight_name(t), encrypt(&self.weight(t)?)?)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        let bias = (0..self.bias_tiles())
            .map(|t| Ok(encrypt(&self.bias(t)?)?))
            .collect::<Result<_>>()?;
        Ok(EncryptedWeights(Held::Named { weights, bias }))
    }

    pub(super) fn forward_encrypted<E: Evaluator>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
        weights: &EncryptedWeights<E>,
    ) -> Result<Vec<E::Ciphertext>> {
        let (named, bias) = weights.named(self.bias_tiles())?;
        let factors = (0..self.weights.tiles())
            .map(|t| Ok(named.get(&self.weight_name(t))?.clone()))
            .collect::<Result<Vec<_>>>()?;
        let mut ys = self.sums(eval, tiles, &factors, |terms| Ok(eval.dot(terms)?))?;
        if !bias.is_empty() {
            for (tile, y) in ys.iter_mut().enumerate() {
                *y = eval.add(y, &bias[self.bias_of(tile)?])?;
            }
        }
        Ok(ys)
    }

    /// The sums over taps for all tiles of the result.
    fn sums<E: Evaluator, W>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
        weights: &[W],
        dot: impl Fn(&[(&E::Ciphertext, &W)]) -> Result<E::Ciphertext>,
    ) -> Result<Vec<E::Ciphertext>> {
        let [image, weight] = [&self.input_shape()?, &self.weights].map(TileShape::external_sizes);
        let taps = weight[TAPS];
        let mut sums = Vec::with_capacity(self.sums.tiles());
        for tile in 0..self.sums.tiles() {
            let mut at = self.sums.tile_coords(tile)?;
            let mut terms = Vec::with_capacity(taps);
            for k in 0..taps {
                at[TAPS] = k;
                terms.push((&tiles[flat(&at, &image)], &weights[flat(&at, &weight)]));
            }
            sums.push(dot(&terms)?);
        }
        let sums = TileTensor::try_new(eval, self.sums.clone(), sums)?;
        Ok(sums.sum_inside_dim(eval, TAPS)?.into_parts().1)
    }

    fn input_shape(&self) -> Result<TileShape> {
        match &self.input {
            Layout::Tiles { shape, .. } => Ok(shape.clone()),
            Layout::Placed(_) => Err(shape_error("patches lie in tiles".into())),
        }
    }

    fn weight_name(&self, tile: usize) -> String {
        format!("{}/weight.{tile}", self.name)
    }

    /// One tile of `[taps, groups, filters per group]`.
    fn weight(&self, tile: usize) -> Result<Vec<f64>> {
        let (groups, taps) = (self.config.groups, self.config.taps());
        let filters = self.config.filters / groups;
        let value = |content: SlotContent| match content {
            SlotContent::Element(at) => {
                let (tap, filter) = (at / (groups * filters), at % (groups * filters));
                self.config.weight[filter * taps + tap]
            }
            SlotContent::Zero | SlotContent::Unknown => 0.0,
        };
        let contents = self.weights.slot_contents(tile)?;
        Ok(contents.into_iter().map(value).collect())
    }

    /// Tiles of the biases: those of groups and filters.
    fn bias_tiles(&self) -> usize {
        let externals = self.weights.external_sizes();
        match self.config.bias {
            Some(_) => externals[GROUPS] * externals[FILTERS],
            None => 0,
        }
    }

    /// The tile of biases that belongs to a tile of the result.
    fn bias_of(&self, tile: usize) -> Result<usize> {
        let at = self.sums.tile_coords(tile)?;
        Ok(at[GROUPS] * self.weights.dims()[FILTERS].external_size() + at[FILTERS])
    }

    fn bias(&self, tile: usize) -> Result<Vec<f64>> {
        let shape = only_outputs(&self.weights)?;
        let bias = self.config.bias.as_deref().unwrap_or_default();
        let value = |content: SlotContent| match content {
            SlotContent::Element(at) => bias[at],
            SlotContent::Zero | SlotContent::Unknown => 0.0,
        };
        Ok(shape.slot_contents(tile)?.into_iter().map(value).collect())
    }
}

/// All dimensions replicated but groups and filters.
fn only_outputs(shape: &TileShape) -> Result<TileShape> {
    let dims = shape.dims().iter().enumerate().map(|(d, dim)| match d {
        GROUPS | FILTERS => Ok(*dim),
        _ => TileDim::replicated(dim.tile_size()),
    });
    Ok(TileShape::try_new(
        dims.collect::<girih_tiles::Result<_>>()?,
    )?)
}

/// The number of the tile at some coordinates, 0 along dimensions of one tile.
fn flat(at: &[usize], external: &[usize]) -> usize {
    let both = at.iter().zip(external);
    both.fold(0, |sum, (&x, &n)| sum * n + if n == 1 { 0 } else { x })
}
