//! Convolution as one sparse matrix between placements, by generalised diagonals.
//!
//! The result of a strided convolution lands on a grid with gaps, and the gaps hold further channels: one level,
//! whatever the sizes (Ebel, Garimella and Reagen, "Orion", ASPLOS 2025).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use girih_circuits::PlainWeights;
use girih_he::{ClearEvaluator, Evaluator};
use girih_tiles::ops::conv::Counts;

use super::encrypted::{Collected, EncryptedWeights, Held};
use super::layout::Layout;
use super::{Ciphertexts, Conv2dConfig, ConvDirection, shape_error};
use crate::{Affine, ImageGrid, LinearLayer, LinearPlan, PlacedMap, Placement, Result, Strategy};

/// Entries of the largest matrix for which every pair of placements is tried.
const ALL_TRIED: usize = 1 << 20;

/// Largest interleaving and gap that are tried.
const WIDEST: usize = 32;

/// A placement of an image, and where it is known the distance of its pixels in units.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    placement: Placement,
    /// `[gap, interleaving]`: pixels lie `gap / interleaving` apart.
    spacing: Option<[usize; 2]>,
}

impl Grid {
    /// A placement of unknown making.
    pub(super) fn unknown(placement: &Placement) -> Self {
        Grid {
            placement: placement.clone(),
            spacing: None,
        }
    }

    /// Whether a result on another grid has every pixel above those that it reads.
    fn leads_to(&self, result: &Grid, config: &Conv2dConfig) -> bool {
        let (Some([gap, woven]), Some([wider, less])) = (self.spacing, result.spacing) else {
            return true;
        };
        let [down, across] = config.window.stride;
        let stride = down.min(across).next_power_of_two();
        match config.direction {
            ConvDirection::Forward => wider * woven == gap * stride * less,
            ConvDirection::Transposed { .. } => wider * woven * stride == gap * less,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Toeplitz {
    name: String,
    map: Affine<u8>,
    image: Placement,
    plan: LinearPlan,
    /// By tile of the result.
    bias: Vec<Vec<f64>>,
    layer: OnceLock<LinearLayer>,
    input: Layout,
    output: Layout,
}

impl Toeplitz {
    /// The cheapest way from one of some placements of the image to a given placement of the result, or to any grid; for
    /// large matrices, to any grid whose spacing is that of the image times the stride.
    pub(super) fn cheapest(
        name: &str,
        config: &Conv2dConfig,
        images: &[Grid],
        result: Option<&Placement>,
        on: Ciphertexts<'_>,
    ) -> Result<Self> {
        let matrix = config.matrix()?;
        let map = Affine::source(0u8, matrix.cols()).then(&matrix);
        let results = match result {
            Some(placement) => vec![Grid::unknown(placement)],
            None => grids(config.output()?, on)?,
        };
        let large = matrix.entries() > ALL_TRIED;
        let mut best: Option<(usize, LinearPlan)> = None;
        for (at, image) in images.iter().enumerate() {
            let placed = PlacedMap::try_new(&map, &BTreeMap::from([(0, &image.placement)]))?;
            for grid in &results {
                if large && !image.leads_to(grid, config) {
                    continue;
                }
                for strategy in [Strategy::Direct, Strategy::FoldOuter, Strategy::FoldInner] {
                    let limit = best.as_ref().map_or(f64::INFINITY, |(_, p)| p.price);
                    let plan = placed.plan_within(&grid.placement, strategy, on.prices, limit);
                    if let Ok(plan) = plan
                        && plan.price < limit
                    {
                        best = Some((at, plan));
                    }
                }
            }
        }
        let Some((at, plan)) = best else {
            return Err(shape_error(format!(
                "no placement of {:?} is reached from {:?} in {} slots with a batch of {}",
                config.output()?,
                config.image,
                on.slots,
                on.batch
            )));
        };
        let bias = match &config.bias {
            None => Vec::new(),
            Some(bias) => {
                let pixels = matrix.rows() / config.filters;
                let spread = bias.iter().flat_map(|&b| std::iter::repeat_n(b, pixels));
                let spread: Vec<f64> = spread.collect();
                plan.output.pack(&vec![spread.as_slice(); on.batch])
            }
        };
        Ok(Toeplitz {
            name: name.to_owned(),
            map,
            image: images[at].placement.clone(),
            bias,
            layer: OnceLock::new(),
            input: Layout::Placed(images[at].placement.clone()),
            output: Layout::Placed(plan.output.clone()),
            plan,
        })
    }

    pub(super) fn input(&self) -> &Layout {
        &self.input
    }

    pub(super) fn output(&self) -> &Layout {
        &self.output
    }

    pub(super) fn price(&self) -> f64 {
        self.plan.price
    }

    pub(super) fn counts(&self) -> Counts {
        let counts = self.plan.counts;
        let results = self.plan.output.tiles();
        let folded: usize = self.plan.folds.iter().map(Vec::len).sum();
        Counts {
            products: counts.products,
            rotations: counts.babies + counts.giants + folded * results,
            key_switches: counts.decompositions + counts.giants + self.plan.folds.len() * results,
            levels: 1,
            ciphertexts_in: self.image.tiles(),
            ciphertexts_out: results,
            constant_bytes: (counts.products + self.bias.len())
                * self.image.slots()
                * size_of::<f64>(),
        }
    }

    pub(super) fn forward<E: Evaluator>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
    ) -> Result<Vec<E::Ciphertext>> {
        let mut ys = self
            .layer()?
            .forward(eval, &PlainWeights, &self.name, tiles)?;
        for (tile, (y, bias)) in ys.iter_mut().zip(&self.bias).enumerate() {
            let bias = eval.constant(&format!("{}/bias.{tile}", self.name), bias)?;
            *y = eval.add_plain(y, &bias)?;
        }
        Ok(ys)
    }

    pub(super) fn encrypt_weights<E: Evaluator>(
        &self,
        mut encrypt: impl FnMut(&[f64]) -> girih_he::Result<E::Ciphertext>,
    ) -> Result<EncryptedWeights<E>> {
        let (eval, collected) = (
            ClearEvaluator::unlimited(self.image.slots()),
            Collected::default(),
        );
        let zeros = vec![eval.vector(&[])?; self.image.tiles()];
        self.layer()?
            .forward(&eval, &collected, &self.name, &zeros)?;
        let all = collected.into_inner().into_iter();
        let weights = all
            .map(|(name, values)| Ok((name, encrypt(&values)?)))
            .collect::<Result<_>>()?;
        let bias = self.bias.iter().map(|b| Ok(encrypt(b)?));
        let bias = bias.collect::<Result<_>>()?;
        Ok(EncryptedWeights(Held::Named { weights, bias }))
    }

    pub(super) fn forward_encrypted<E: Evaluator>(
        &self,
        eval: &E,
        tiles: &[E::Ciphertext],
        weights: &EncryptedWeights<E>,
    ) -> Result<Vec<E::Ciphertext>> {
        let (named, bias) = weights.named(self.plan.output.tiles())?;
        let mut ys = self.layer()?.forward(eval, &named, &self.name, tiles)?;
        for (y, bias) in ys.iter_mut().zip(bias) {
            *y = eval.add(y, bias)?;
        }
        Ok(ys)
    }

    /// The layer with its diagonals, made when it is first asked for.
    fn layer(&self) -> Result<&LinearLayer> {
        if let Some(layer) = self.layer.get() {
            return Ok(layer);
        }
        let placed = PlacedMap::try_new(&self.map, &BTreeMap::from([(0, &self.image)]))?;
        Ok(self.layer.get_or_init(|| placed.build(&self.plan)))
    }
}

/// The grids without gaps that hold an image.
pub(super) fn images(image: [usize; 3], on: Ciphertexts<'_>) -> Result<Vec<Grid>> {
    let found = grids_with(image, on, 1)?;
    if found.is_empty() {
        return Err(shape_error(format!(
            "no grid of {} slots holds images {image:?} in a batch of {}",
            on.slots, on.batch
        )));
    }
    Ok(found)
}

/// All grids that hold an image: interleaved, or with gaps.
fn grids(image: [usize; 3], on: Ciphertexts<'_>) -> Result<Vec<Grid>> {
    grids_with(image, on, WIDEST)
}

fn grids_with(image: [usize; 3], on: Ciphertexts<'_>, widest_gap: usize) -> Result<Vec<Grid>> {
    let units = on.units()?;
    let powers = |end: usize| (0..=end.ilog2()).map(|k| 1usize << k);
    let woven = powers(WIDEST).map(|interleave| (interleave, 1));
    let gapped = powers(widest_gap).skip(1).map(|gap| (1, gap));
    let mut found = Vec::new();
    for (interleave, gap) in woven.chain(gapped) {
        let side = |length: usize| (length.div_ceil(interleave) * gap).next_power_of_two();
        let (rows, cols) = (side(image[1]), side(image[2]));
        // Phases without a pixel, and gaps without a channel, place nothing new.
        let idle = interleave > image[1].max(image[2]) || gap * gap >= 4 * image[0];
        if (idle && (interleave, gap) != (1, 1))
            || rows.checked_mul(cols).is_none_or(|area| area > units)
        {
            continue;
        }
        let grid = ImageGrid {
            rows,
            cols,
            interleave,
            gap,
        };
        let placement = Placement::image(image, grid, on.slots, on.batch);
        found.extend(placement.map(|placement| Grid {
            placement,
            spacing: Some([gap, interleave]),
        }));
    }
    Ok(found)
}
