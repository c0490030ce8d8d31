//! A convolution worked out for one image layout: taps, rotations, masks; and its execution.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use girih_he::{Evaluator, Rotation};

use super::axis::{Axis, Mask};
use super::filters::Filters;
use super::operand::Operand;
use super::{ConvConfig, Convention, Error, UnusedSlots};
use crate::tensor::{all_coords, source_tile};
use crate::{Result, TileDim, TileShape, TileTensor};

/// Rank of an image with phases, which all plans are made for.
const RANK: usize = 7;
const ROWS: usize = 1;
const COLUMNS: usize = 3;

pub(super) struct Plan<'a> {
    name: &'a str,
    filters: &'a Filters,
    convention: Convention,
    /// With phases.
    image: TileShape,
    weight_shape: TileShape,
    axes: [Axis; 2],
    /// All constants are confined to phase 0.
    phase_mask: bool,
    /// The image came with phases.
    phased: bool,
    /// Results have phases, because the image had or because a stride left some.
    keeps_phases: bool,
}

/// One product of a tile of the result.
struct Term {
    source: usize,
    rotation: Rotation,
    constant: Constant,
}

/// A tile of one tap of the filters, confined to some slots of the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Constant {
    weight: usize,
    tap: [usize; 2],
    mask: [Mask; 2],
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        name: &'a str,
        filters: &'a Filters,
        config: &ConvConfig,
        image: &TileShape,
    ) -> Result<Self> {
        image.original_sizes()?;
        let phased = with_phases(image)?;
        let axis = |dim, window| Axis::new(&phased, dim, window, config.unused);
        let axes = [
            axis(ROWS, config.windows[0])?,
            axis(COLUMNS, config.windows[1])?,
        ];
        let spills = |axis: &Axis, dim: usize| {
            let old = phased.dims()[dim + 1];
            old.is_unknown() || axis.phase.tile_size() > old.tile_size()
        };
        let phase_mask = config.unused == UnusedSlots::Zero
            && (spills(&axes[0], ROWS) || spills(&axes[1], COLUMNS));
        let phased_image = image.rank() == RANK;
        let keeps_phases = phased_image || axes.iter().any(|a| a.phase.tile_size() > 1);
        Ok(Plan {
            name,
            filters,
            convention: config.convention,
            weight_shape: filters.shape(&phased, config.convention)?,
            image: phased,
            axes,
            phase_mask,
            phased: phased_image,
            keeps_phases,
        })
    }

    /// The layout of the weights of one tap.
    pub(super) fn weight_shape(&self) -> Result<TileShape> {
        self.shown(self.weight_shape.clone(), self.phased)
    }

    /// The layout of the result.
    pub(super) fn sum_shape(&self) -> Result<TileShape> {
        let shape = self.dot_shape()?;
        let shape = match self.summed() {
            Some(dim) => shape.of_sum_over(dim)?,
            None => shape,
        };
        self.shown(shape, self.keeps_phases)
    }

    /// A shape with or without its phases.
    fn shown(&self, shape: TileShape, phases: bool) -> Result<TileShape> {
        if phases {
            return Ok(shape);
        }
        let kept = [0, ROWS, COLUMNS, 5, 6].map(|d| shape.dims()[d]);
        TileShape::try_new(kept.to_vec())
    }

    /// The dimension summed over, unless channels stay apart.
    fn summed(&self) -> Option<usize> {
        self.filters
            .is_summed()
            .then(|| self.convention.channels(RANK))
    }

    /// The layout of the sums over taps and channel tiles, with phases.
    fn dot_shape(&self) -> Result<TileShape> {
        let mut dims = self.image.of_product(&self.weight_shape)?.dims().to_vec();
        for (axis, dim) in self.axes.iter().zip([ROWS, COLUMNS]) {
            dims[dim] = axis.result;
            dims[dim + 1] = axis.phase;
        }
        let shape = TileShape::try_new(dims)?;
        match self.summed() {
            Some(dim) => shape.with_tiles_summed(dim),
            None => Ok(shape),
        }
    }

    /// The channel tiles that meet filters in a tile of the result at `coords`.
    fn channel_tiles(&self, coords: &[usize]) -> Vec<usize> {
        let Some(c) = self.summed() else {
            return vec![coords[self.convention.channels(RANK)]];
        };
        let f = self.convention.filters(RANK);
        let (channels, filters) = (self.weight_shape.dims()[c], self.weight_shape.dims()[f]);
        let tiles = 0..self.image.dims()[c].external_size();
        tiles
            .filter(|&tile| self.filters.meet(channels, tile, filters, coords[f]))
            .collect()
    }

    /// The products for the tile of the result at `coords`.
    fn terms(&self, coords: &[usize]) -> Vec<Term> {
        let mut at = coords.to_vec();
        let mut terms = Vec::new();
        for c in self.channel_tiles(coords) {
            at[self.convention.channels(RANK)] = c;
            let weight = source_tile(&self.weight_shape, &at);
            for x in self.axes[0].taps(coords[ROWS]) {
                for y in self.axes[1].taps(coords[COLUMNS]) {
                    (at[ROWS], at[COLUMNS]) = (x.source, y.source);
                    terms.push(Term {
                        source: source_tile(&self.image, &at),
                        rotation: self.rotation([x.shift, y.shift]),
                        constant: Constant {
                            weight,
                            tap: [x.number, y.number],
                            mask: [x.mask.clone(), y.mask.clone()],
                        },
                    });
                }
            }
        }
        terms
    }

    /// The rotation that shifts rows and columns.
    fn rotation(&self, shift: [i64; 2]) -> Rotation {
        let slots = self.image.slots() as i64;
        let by = shift[0] * self.image.stride(ROWS) as i64
            + shift[1] * self.image.stride(COLUMNS) as i64;
        Rotation(i32::try_from(by.rem_euclid(slots)).unwrap_or_default())
    }

    pub(super) fn run<E: Evaluator>(
        &self,
        eval: &E,
        image: &TileTensor<E>,
        operand: &mut impl Operand<E>,
    ) -> Result<TileTensor<E>> {
        let shape = self.dot_shape()?;
        shape.check_slots(eval.slots())?;
        let all: Vec<Vec<Term>> = all_coords(&shape).map(|at| self.terms(&at)).collect();
        let rotated = self.rotate(eval, image, all.iter().flatten())?;
        let mut factors = HashMap::new();
        let mut tiles = Vec::with_capacity(all.len());
        for terms in &all {
            if terms.is_empty() {
                // A tile that no pixel reaches: zero.
                let zero = eval.constant("zero", &[])?;
                tiles.push(eval.mul_plain(&image.tiles()[0], &zero)?);
                continue;
            }
            let mut products = Vec::with_capacity(terms.len());
            for t in terms {
                let constant = self.shared(&t.constant);
                let factor = match factors.get(&constant) {
                    Some(known) => Rc::clone(known),
                    None => {
                        let values = || self.values(&constant);
                        let new = Rc::new(operand.factor(
                            eval,
                            &self.constant_name(&constant),
                            values,
                        )?);
                        factors.insert(constant, Rc::clone(&new));
                        new
                    }
                };
                products.push((rotated.get(image, t), factor));
            }
            let terms: Vec<_> = products.iter().map(|(x, w)| (*x, &**w)).collect();
            tiles.push(operand.dot(eval, &terms)?);
        }
        let mut y = TileTensor::trusted(shape, tiles);
        if let Some(dim) = self.summed() {
            y = y.sum_inside_dim(eval, dim)?;
        }
        let (shape, tiles) = y.into_parts();
        Ok(TileTensor::trusted(
            self.shown(shape, self.keeps_phases)?,
            tiles,
        ))
    }

    /// Every tile in every rotation some term needs, all rotations of one tile at once.
    fn rotate<'t, E: Evaluator>(
        &self,
        eval: &E,
        image: &TileTensor<E>,
        terms: impl Iterator<Item = &'t Term>,
    ) -> Result<Rotated<E>> {
        let mut wanted: BTreeMap<usize, BTreeSet<Rotation>> = BTreeMap::new();
        for t in terms.filter(|t| t.rotation != Rotation(0)) {
            wanted.entry(t.source).or_default().insert(t.rotation);
        }
        let mut tiles = HashMap::new();
        for (source, by) in wanted {
            let by: Vec<Rotation> = by.into_iter().collect();
            let all = eval.rotate_many(&image.tiles()[source], &by)?;
            tiles.extend(by.iter().map(|&r| (source, r)).zip(all));
        }
        Ok(Rotated { tiles })
    }

    /// The constant that stands for this one: taps and tiles of a mean are alike.
    fn shared(&self, constant: &Constant) -> Constant {
        if self.filters.is_uniform() {
            Constant {
                weight: 0,
                tap: [0, 0],
                ..constant.clone()
            }
        } else {
            constant.clone()
        }
    }

    /// Every constant of the convolution once, by name.
    pub(super) fn constants(&self) -> Result<BTreeMap<String, Constant>> {
        let shape = self.dot_shape()?;
        let all = all_coords(&shape).flat_map(|at| self.terms(&at));
        let shared = all.map(|t| self.shared(&t.constant));
        Ok(shared.map(|c| (self.constant_name(&c), c)).collect())
    }

    fn constant_name(&self, constant: &Constant) -> String {
        let [i, j] = constant.tap;
        let mut name = if self.filters.is_uniform() {
            self.name.to_owned()
        } else {
            format!("{}/{}/tap{i},{j}", self.name, constant.weight)
        };
        for (dim, (axis, mask)) in [ROWS, COLUMNS]
            .into_iter()
            .zip("xy".chars().zip(&constant.mask))
        {
            if let Some(m) = mask {
                let (slots, stride) = self.along(dim);
                name += &format!("/{axis}{}-{}of{slots},{stride}", m.start, m.end);
            }
        }
        if self.phase_mask {
            name += "/phase0";
        }
        name
    }

    /// Slots along rows or columns of the result, and their distance.
    fn along(&self, dim: usize) -> (usize, usize) {
        let axis = &self.axes[usize::from(dim == COLUMNS)];
        let inner: usize = self.image.stride(dim + 1);
        (axis.result.tile_size(), axis.phase.tile_size() * inner)
    }

    /// The slots of a constant.
    pub(super) fn values(&self, constant: &Constant) -> Result<Vec<f64>> {
        let mut values = self.filters.tile(
            &self.weight_shape,
            self.convention,
            constant.weight,
            constant.tap,
        )?;
        let inside = |slot: usize, dim: usize, mask: &Mask| {
            let (slots, stride) = self.along(dim);
            let inner = self.image.stride(dim + 1);
            let in_phase = || (slot / inner).is_multiple_of(stride / inner);
            mask.as_ref()
                .is_none_or(|m| m.contains(&(slot / stride % slots)))
                && (!self.phase_mask || in_phase())
        };
        for (slot, v) in values.iter_mut().enumerate() {
            let kept =
                inside(slot, ROWS, &constant.mask[0]) && inside(slot, COLUMNS, &constant.mask[1]);
            if !kept {
                *v = 0.0;
            }
        }
        Ok(values)
    }

    /// Products, distinct constants, rotated vectors, tiles rotated, and rotations of the sum inside.
    pub(super) fn tally(&self) -> Result<Tally> {
        let shape = self.dot_shape()?;
        let image = &self.image;
        let pixels = self.axes[0].terms() * self.axes[1].terms();
        let (mut products, mut empty) = (0, 0);
        let mut weights = BTreeSet::new();
        let reached = |axis: &Axis| axis.result.external_size() - axis.empty_tiles();
        let plane = self
            .axes
            .iter()
            .map(|a| a.result.external_size())
            .product::<usize>();
        let filled = reached(&self.axes[0]) * reached(&self.axes[1]);
        // The tiles of the result apart from rows and columns.
        let mut outer = shape.dims().to_vec();
        for d in [ROWS, COLUMNS] {
            outer[d] = TileDim::replicated(outer[d].tile_size())?;
        }
        for mut coords in all_coords(&TileShape::try_new(outer)?) {
            let channels = self.channel_tiles(&coords);
            products += pixels * channels.len();
            empty += if channels.is_empty() {
                plane
            } else {
                plane - filled
            };
            for c in channels {
                coords[self.convention.channels(RANK)] = c;
                weights.insert(source_tile(&self.weight_shape, &coords));
            }
        }
        let masks = if self.filters.is_uniform() {
            usize::from(pixels > 0) * self.axes[0].masks(None) * self.axes[1].masks(None)
        } else {
            let [rows, columns] = self.filters.kernel();
            let sum = |axis: &Axis, taps| (0..taps).map(|i| axis.masks(Some(i))).sum::<usize>();
            weights.len() * sum(&self.axes[0], rows) * sum(&self.axes[1], columns)
        };
        let mut rotated: BTreeSet<(usize, usize, Rotation)> = BTreeSet::new();
        for &(x, dx) in &self.axes[0].variants() {
            for &(y, dy) in &self.axes[1].variants() {
                let by = self.rotation([dx, dy]);
                if by != Rotation(0) {
                    rotated.insert((x, y, by));
                }
            }
        }
        let sources: BTreeSet<(usize, usize)> = rotated.iter().map(|r| (r.0, r.1)).collect();
        let outside = image.tiles()
            / (image.dims()[ROWS].external_size() * image.dims()[COLUMNS].external_size());
        let folds = match self.summed() {
            None => 0,
            Some(dim) => shape.folds(dim)? as usize * shape.tiles(),
        };
        Ok(Tally {
            products: products + empty,
            constants: masks + usize::from(empty > 0),
            rotated: rotated.len() * outside,
            sources: sources.len() * outside,
            folds,
            tiles: shape.tiles(),
        })
    }
}

/// Counts of the sums of products, apart from copying before and biases after.
pub(super) struct Tally {
    pub(super) products: usize,
    pub(super) constants: usize,
    /// Rotated tiles of the image.
    pub(super) rotated: usize,
    /// Tiles of the image that are rotated.
    pub(super) sources: usize,
    /// Rotations that sum over channels.
    pub(super) folds: usize,
    /// Tiles of the result.
    pub(super) tiles: usize,
}

/// The image with the phases `1/1` if it has none.
fn with_phases(image: &TileShape) -> Result<TileShape> {
    match image.rank() {
        RANK => Ok(image.clone()),
        5 => {
            let mut dims = image.dims().to_vec();
            dims.insert(2, TileDim::basic(1, 1)?);
            dims.insert(4, TileDim::basic(1, 1)?);
            TileShape::try_new(dims)
        }
        _ => Err(Error::Unsupported {
            op: "convolution",
            shape: image.to_string(),
            why: "images have five dimensions: channels or filters, rows, columns, filters or channels, batch; or seven, with a phase behind rows and behind columns".into(),
        }),
    }
}

/// Rotated tiles of an image; those not rotated stay where they are.
struct Rotated<E: Evaluator> {
    tiles: HashMap<(usize, Rotation), E::Ciphertext>,
}

impl<E: Evaluator> Rotated<E> {
    fn get<'s>(&'s self, image: &'s TileTensor<E>, term: &Term) -> &'s E::Ciphertext {
        self.tiles
            .get(&(term.source, term.rotation))
            .unwrap_or(&image.tiles()[term.source])
    }
}
