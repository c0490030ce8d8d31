//! An evaluator in clear that counts what it is asked for, and holds constants to their names.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use girih_he::{ClearEvaluator, Evaluator, Result, Rotation};
use girih_tiles::pack::check_integrity;
use girih_tiles::{SlotContent, TileShape, TileTensor};
use ndarray::ArrayD;

type Clear = <ClearEvaluator as Evaluator>::Ciphertext;

/// Counts of operations since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) adds: usize,
    pub(crate) rotations: usize,
    /// Products with a constant outside of sums: masks and scalings.
    pub(crate) mul_plain: usize,
    pub(crate) dots: usize,
    pub(crate) dot_terms: usize,
}

pub(crate) struct Counting {
    inner: ClearEvaluator,
    counts: Cell<Counts>,
    constants: RefCell<BTreeMap<String, Arc<[f64]>>>,
}

impl Counting {
    pub(crate) fn new(slots: usize) -> Self {
        Counting {
            inner: ClearEvaluator::unlimited(slots),
            counts: Cell::default(),
            constants: RefCell::default(),
        }
    }

    /// The counts so far, which start from zero again.
    pub(crate) fn take(&self) -> Counts {
        self.counts.take()
    }

    /// Number of different constants asked for.
    pub(crate) fn constants(&self) -> usize {
        self.constants.borrow().len()
    }

    fn count(&self, f: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        f(&mut counts);
        self.counts.set(counts);
    }

    /// A fresh vector.
    pub(crate) fn vector(&self, values: &[f64]) -> Result<Clear> {
        self.inner.vector(values)
    }

    pub(crate) fn tensor(&self, values: &ArrayD<f64>, shape: &TileShape) -> TileTensor<Self> {
        TileTensor::pack_with(self, &values.view(), shape, |v| {
            Ok::<_, girih_tiles::Error>(self.inner.vector(v)?)
        })
        .unwrap()
    }

    /// The same with `garbage` in the unknown slots.
    pub(crate) fn dirty(
        &self,
        values: &ArrayD<f64>,
        shape: &TileShape,
        garbage: f64,
    ) -> TileTensor<Self> {
        let mut tiles = girih_tiles::pack::pack(&values.view(), shape).unwrap();
        for (tile, slots) in tiles.iter_mut().enumerate() {
            for (v, c) in slots.iter_mut().zip(shape.slot_contents(tile).unwrap()) {
                if c == SlotContent::Unknown {
                    *v = garbage;
                }
            }
        }
        let tiles = tiles
            .iter()
            .map(|t| self.inner.vector(t).unwrap())
            .collect();
        TileTensor::try_new(self, shape.clone(), tiles).unwrap()
    }

    /// The array in a tensor, after checking that every slot holds what the shape promises.
    pub(crate) fn open(&self, x: &TileTensor<Self>) -> std::result::Result<ArrayD<f64>, String> {
        let tiles = slots(x);
        let largest = tiles.iter().flatten().fold(1.0f64, |m, v| m.max(v.abs()));
        check_integrity(&tiles, x.shape(), largest * 1e-9).map_err(|e| e.to_string())?;
        x.unpack_with(|t| Ok::<_, girih_tiles::Error>(t.values().to_vec()))
            .map_err(|e| e.to_string())
    }
}

pub(crate) fn slots(x: &TileTensor<Counting>) -> Vec<Vec<f64>> {
    x.tiles().iter().map(|t| t.values().to_vec()).collect()
}

/// The largest difference, relative to the largest value (or 1).
pub(crate) fn distance(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let largest = b.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    (a - b).iter().fold(0.0f64, |m, v| m.max(v.abs())) / largest
}

impl Evaluator for Counting {
    type Ciphertext = Clear;
    type Plaintext = Arc<[f64]>;

    fn slots(&self) -> usize {
        self.inner.slots()
    }
    fn constant(&self, name: &str, values: &[f64]) -> Result<Arc<[f64]>> {
        let new = self.inner.constant(name, values)?;
        let mut constants = self.constants.borrow_mut();
        let known = constants.entry(name.to_owned()).or_insert(new.clone());
        assert_eq!(*known, new, "{name:?} stands for two constants");
        Ok(new)
    }
    fn add(&self, a: &Clear, b: &Clear) -> Result<Clear> {
        self.count(|c| c.adds += 1);
        self.inner.add(a, b)
    }
    fn sub(&self, a: &Clear, b: &Clear) -> Result<Clear> {
        self.count(|c| c.adds += 1);
        self.inner.sub(a, b)
    }
    fn neg(&self, a: &Clear) -> Result<Clear> {
        self.inner.neg(a)
    }
    fn add_plain(&self, a: &Clear, p: &Arc<[f64]>) -> Result<Clear> {
        self.inner.add_plain(a, p)
    }
    fn mul_plain(&self, a: &Clear, p: &Arc<[f64]>) -> Result<Clear> {
        self.count(|c| c.mul_plain += 1);
        self.inner.mul_plain(a, p)
    }
    fn add_scalar(&self, a: &Clear, s: f64) -> Result<Clear> {
        self.inner.add_scalar(a, s)
    }
    fn mul_scalar(&self, a: &Clear, s: f64) -> Result<Clear> {
        self.inner.mul_scalar(a, s)
    }
    fn mul(&self, a: &Clear, b: &Clear) -> Result<Clear> {
        self.inner.mul(a, b)
    }
    fn rotate(&self, a: &Clear, by: Rotation) -> Result<Clear> {
        self.count(|c| c.rotations += usize::from(!by.is_identity(self.slots())));
        self.inner.rotate(a, by)
    }
    fn conjugate(&self, a: &Clear) -> Result<Clear> {
        self.inner.conjugate(a)
    }
    fn dot_plain(&self, terms: &[(&Clear, &Arc<[f64]>)]) -> Result<Clear> {
        self.count(|c| {
            c.dots += 1;
            c.dot_terms += terms.len();
        });
        self.inner.dot_plain(terms)
    }
    fn dot(&self, terms: &[(&Clear, &Clear)]) -> Result<Clear> {
        self.count(|c| {
            c.dots += 1;
            c.dot_terms += terms.len();
        });
        self.inner.dot(terms)
    }
}
