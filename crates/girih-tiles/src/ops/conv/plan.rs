//! A convolution worked out for one image layout: taps, rotations, masks; and its execution.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use girih_he::{Evaluator, Rotation};

use super::axis::{Axis, Tap, Window};
use super::weights::Weights;
use super::{ConvConfig, Error, UnusedSlots};
use crate::tensor::{all_coords, source_tile};
use crate::{Result, TileShape, TileTensor};

const ROWS: usize = 1;
const COLUMNS: usize = 2;

/// The slots of rows and columns in which a tap counts.
type Mask = [Range<usize>; 2];

pub(super) struct Plan<'a> {
    name: &'a str,
    weights: &'a Weights,
    config: &'a ConvConfig,
    image: TileShape,
    weight_shape: TileShape,
    axes: [Axis; 2],
}

/// One product of a tile of the result.
struct Term {
    source: usize,
    rotation: Rotation,
    weight: usize,
    tap: [usize; 2],
    mask: Option<Mask>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        name: &'a str,
        weights: &'a Weights,
        config: &'a ConvConfig,
        image: &TileShape,
    ) -> Result<Self> {
        image.original_sizes()?;
        if image.rank() != 5 {
            return Err(Error::Unsupported {
                op: "convolution",
                shape: image.to_string(),
                why: "images have five dimensions: channels or filters, rows, columns, filters or channels, batch".into(),
            });
        }
        let [rows, columns] = weights.kernel();
        let p = config.padding;
        let axes = [
            Axis::new(
                image,
                ROWS,
                Window {
                    kernel: rows,
                    stride: config.stride[0],
                    before: p.top,
                    after: p.bottom,
                },
            )?,
            Axis::new(
                image,
                COLUMNS,
                Window {
                    kernel: columns,
                    stride: config.stride[1],
                    before: p.left,
                    after: p.right,
                },
            )?,
        ];
        Ok(Plan {
            name,
            weights,
            config,
            image: image.clone(),
            weight_shape: weights.shape(image, config.convention)?,
            axes,
        })
    }

    pub(super) fn weight_shape(&self) -> &TileShape {
        &self.weight_shape
    }

    /// The dimension summed over, unless channels stay apart.
    fn summed(&self) -> Option<usize> {
        matches!(self.weights, Weights::Full(_)).then(|| self.config.convention.channels())
    }

    /// The layout of the result.
    pub(super) fn sum_shape(&self) -> Result<TileShape> {
        let shape = self.dot_shape()?;
        match self.summed() {
            Some(dim) => shape.of_sum_over(dim),
            None => Ok(shape),
        }
    }

    /// The layout of the sums over taps and channel tiles.
    fn dot_shape(&self) -> Result<TileShape> {
        let product = self.image.of_product(&self.weight_shape)?;
        let [mut x_spills, mut y_spills] = [false, false];
        for x in self.taps(0) {
            for y in self.taps(1) {
                if self.counts(&x, &y) && self.mask(&x, &y).is_none() {
                    x_spills |= x.spills;
                    y_spills |= y.spills;
                }
            }
        }
        let shape = product
            .with_dim(ROWS, self.axes[0].result.flagged_if(x_spills))
            .with_dim(COLUMNS, self.axes[1].result.flagged_if(y_spills));
        match self.summed() {
            Some(dim) => shape.with_tiles_summed(dim),
            None => Ok(shape),
        }
    }

    fn taps(&self, axis: usize) -> Vec<Tap> {
        let axis = &self.axes[axis];
        let outs = 0..axis.result.external_size();
        outs.flat_map(|o| (0..axis.kernel()).map(move |i| axis.tap(o, i)))
            .collect()
    }

    /// Whether a pair of taps reaches the image from any used slot.
    fn counts(&self, x: &Tap, y: &Tap) -> bool {
        !x.valid.is_empty() && !y.valid.is_empty()
    }

    /// The slots to which a pair of taps must be confined, if it must.
    fn mask(&self, x: &Tap, y: &Tap) -> Option<Mask> {
        let spills = (x.spills || y.spills) && self.config.unused == UnusedSlots::Zero;
        (x.needs_mask || y.needs_mask || spills).then(|| [x.valid.clone(), y.valid.clone()])
    }

    /// The products for the tile of the result at `coords`.
    fn terms(&self, coords: &[usize]) -> Vec<Term> {
        let strides = [ROWS, COLUMNS].map(|d| self.image.stride(d) as i64);
        let slots = self.image.slots();
        let channel_tiles = self.summed().map_or(1, |c| self.image.external_sizes()[c]);
        let mut terms = Vec::new();
        for c in 0..channel_tiles {
            let mut at = coords.to_vec();
            if let Some(dim) = self.summed() {
                at[dim] = c;
            }
            let weight = source_tile(&self.weight_shape, &at);
            for i in 0..self.axes[0].kernel() {
                let x = self.axes[0].tap(coords[ROWS], i);
                for j in 0..self.axes[1].kernel() {
                    let y = self.axes[1].tap(coords[COLUMNS], j);
                    if !self.counts(&x, &y) {
                        continue;
                    }
                    at[ROWS] = x.source;
                    at[COLUMNS] = y.source;
                    let by = (x.shift * strides[0] + y.shift * strides[1]).rem_euclid(slots as i64);
                    terms.push(Term {
                        source: source_tile(&self.image, &at),
                        rotation: Rotation(by as i32),
                        weight,
                        tap: [i, j],
                        mask: self.mask(&x, &y),
                    });
                }
            }
        }
        terms
    }

    pub(super) fn run<E: Evaluator>(
        &self,
        eval: &E,
        image: &TileTensor<E>,
    ) -> Result<TileTensor<E>> {
        let shape = self.dot_shape()?;
        shape.check_slots(eval.slots())?;
        let terms: Vec<Vec<Term>> = all_coords(&shape).map(|at| self.terms(&at)).collect();
        let rotated = self.rotate(eval, image, terms.iter().flatten())?;
        let mut constants = HashMap::new();
        let dots = terms.iter().map(|terms| {
            if terms.is_empty() {
                // A tile that holds no element (a forced external size): zero.
                let zero = eval.constant("zero", &[])?;
                return Ok(eval.mul_plain(&image.tiles()[0], &zero)?);
            }
            let weights = terms
                .iter()
                .map(|t| self.constant(eval, t, &mut constants))
                .collect::<Result<Vec<_>>>()?;
            let products = terms.iter().zip(&weights);
            let products: Vec<_> = products
                .map(|(t, w)| (rotated.get(image, t), &**w))
                .collect();
            Ok(eval.dot_plain(&products)?)
        });
        let sums = TileTensor::trusted(shape.clone(), dots.collect::<Result<_>>()?);
        match self.summed() {
            Some(dim) => sums.sum_inside_dim(eval, dim),
            None => Ok(sums),
        }
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

    fn constant<E: Evaluator>(
        &self,
        eval: &E,
        term: &Term,
        known: &mut HashMap<String, Rc<E::Plaintext>>,
    ) -> Result<Rc<E::Plaintext>> {
        let [i, j] = term.tap;
        let mut name = match self.weights {
            Weights::Mean(_) => self.name.to_owned(),
            _ => format!("{}/{}/tap{i},{j}", self.name, term.weight),
        };
        if let Some([x, y]) = &term.mask {
            let (x0, x1, y0, y1) = (x.start, x.end, y.start, y.end);
            let (tx, ty) = (
                self.image.tile_sizes()[ROWS],
                self.image.tile_sizes()[COLUMNS],
            );
            name += &format!(
                "/x{x0}-{x1}of{tx},{}/y{y0}-{y1}of{ty},{}",
                self.image.stride(ROWS),
                self.image.stride(COLUMNS)
            );
        }
        if let Some(constant) = known.get(&name) {
            return Ok(Rc::clone(constant));
        }
        let convention = self.config.convention;
        let mut values =
            self.weights
                .tile(&self.weight_shape, convention, term.weight, term.tap)?;
        if let Some(mask) = &term.mask {
            self.confine(&mut values, mask);
        }
        let constant = Rc::new(eval.constant(&name, &values)?);
        known.insert(name, Rc::clone(&constant));
        Ok(constant)
    }

    /// Zeros the slots outside a mask.
    fn confine(&self, values: &mut [f64], mask: &Mask) {
        let along =
            [ROWS, COLUMNS].map(|d| (self.image.stride(d), self.image.dims()[d].tile_size()));
        for (slot, v) in values.iter_mut().enumerate() {
            let inside = |(range, (stride, size)): (&Range<usize>, (usize, usize))| {
                range.contains(&(slot / stride % size))
            };
            if !mask.iter().zip(along).all(inside) {
                *v = 0.0;
            }
        }
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
