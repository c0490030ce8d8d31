//! An evaluator that writes down what it is asked to compute.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use crate::values::{MAX_SLOTS, check, check_scalar};
use crate::{
    ConstId, ConstantValues, Constants, Error, Evaluator, GiantStep, Inst, Op, Program, Result,
    Rotation, ValueId,
};

/// Records the operations of layer code into a [`Program`] without levels.
///
/// Equal rotations of one value are recorded once, rotations by zero not at all, and constants of one
/// name are shared. Sums with a single term become the plain operation. Values of one recorder mean
/// nothing to another.
#[derive(Debug)]
pub struct Recorder {
    slots: usize,
    state: RefCell<Recording>,
    region: Cell<Option<u32>>,
}

#[derive(Debug, Default)]
struct Recording {
    program: Program,
    constants: Constants,
    constant_ids: BTreeMap<String, ConstId>,
    rotations: HashMap<(ValueId, Rotation), ValueId>,
}

/// Name of the region of instructions recorded before the first call of [`Recorder::region`].
const FIRST_REGION: &str = "main";

impl Recorder {
    /// An empty recording.
    ///
    /// # Panics
    /// `slots` is zero or above [`MAX_SLOTS`].
    #[must_use]
    pub fn new(name: impl Into<String>, slots: usize) -> Self {
        assert!(
            (1..=MAX_SLOTS).contains(&slots),
            "{slots} slots: a program has 1 to 2^30"
        );
        let program = Program {
            name: name.into(),
            slots,
            ..Program::default()
        };
        Recorder {
            slots,
            state: RefCell::new(Recording {
                program,
                ..Recording::default()
            }),
            region: Cell::new(None),
        }
    }

    /// An encrypted input.
    ///
    /// # Errors
    /// The name was used before.
    pub fn input(&self, name: &str) -> Result<ValueId> {
        if self.state.borrow().program.inputs().any(|(n, _)| n == name) {
            return Err(Error::Input {
                name: name.to_owned(),
                why: "recorded twice".into(),
            });
        }
        self.push("input", Op::Input(name.to_owned()))
    }

    /// Starts a layer: what is recorded from here on belongs to `name`. A name used before is resumed.
    pub fn region(&self, name: &str) {
        let regions = &mut self.state.borrow_mut().program.regions;
        let at = regions.iter().position(|r| r == name).unwrap_or_else(|| {
            regions.push(name.to_owned());
            regions.len() - 1
        });
        self.region.set(Some(at as u32));
    }

    /// A value to be bootstrapped: its levels begin anew.
    ///
    /// # Errors
    /// The value belongs to another recorder.
    pub fn bootstrap(&self, a: &ValueId) -> Result<ValueId> {
        self.push("bootstrap", Op::Bootstrap(*a))
    }

    /// Declares a result.
    ///
    /// # Errors
    /// The name was used before, or the value belongs to another recorder.
    pub fn output(&self, name: &str, value: &ValueId) -> Result<()> {
        let program = &mut self.state.borrow_mut().program;
        if value.index() >= program.insts.len() {
            return Err(Error::ForeignOperand { op: "output" });
        }
        if program.outputs.iter().any(|(n, _)| n == name) {
            return Err(Error::Output {
                name: name.to_owned(),
                why: "declared twice".into(),
            });
        }
        program.outputs.push((name.to_owned(), *value));
        Ok(())
    }

    /// Number of instructions so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.borrow().program.insts.len()
    }

    /// Whether nothing was recorded yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The program and the values of its constants.
    #[must_use]
    pub fn finish(self) -> (Program, Constants) {
        let Recording {
            program, constants, ..
        } = self.state.into_inner();
        (program, constants)
    }

    fn push(&self, name: &'static str, op: Op) -> Result<ValueId> {
        if self.region.get().is_none() {
            self.region(FIRST_REGION);
        }
        let region = self.region.get().unwrap_or(0);
        let insts = &mut self.state.borrow_mut().program.insts;
        if op.operands().iter().any(|v| v.index() >= insts.len()) {
            return Err(Error::ForeignOperand { op: name });
        }
        let id = u32::try_from(insts.len()).map_err(|_| Error::Unsupported {
            op: name,
            why: "a program holds at most 2^32 instructions".into(),
        })?;
        insts.push(Inst {
            op,
            state: None,
            region,
        });
        Ok(ValueId(id))
    }

    fn check_constant(&self, op: &'static str, p: ConstId) -> Result<()> {
        if p.index() < self.state.borrow().program.constants.len() {
            Ok(())
        } else {
            Err(Error::ForeignOperand { op })
        }
    }
}

impl Evaluator for Recorder {
    type Ciphertext = ValueId;
    type Plaintext = ConstId;

    fn slots(&self) -> usize {
        self.slots
    }

    fn constant(&self, name: &str, values: &[f64]) -> Result<ConstId> {
        check(name, values, self.slots)?;
        self.constant_of(name, &values.into())
    }

    fn constant_of(&self, name: &str, values: &ConstantValues) -> Result<ConstId> {
        let recording = &mut *self.state.borrow_mut();
        if let Some(&id) = recording.constant_ids.get(name) {
            let same = |known: &ConstantValues| {
                known == values || equal_when_padded(&known.slots(), &values.slots())
            };
            if !recording.constants.get(name).is_some_and(same) {
                return Err(Error::ConstantRedefined {
                    name: name.to_owned(),
                });
            }
            return Ok(id);
        }
        let id = ConstId(recording.program.constants.len() as u32);
        recording.program.constants.push(name.to_owned());
        recording.constants.insert(name, values.clone());
        recording.constant_ids.insert(name.to_owned(), id);
        Ok(id)
    }

    fn add(&self, a: &ValueId, b: &ValueId) -> Result<ValueId> {
        self.push("add", Op::Add(*a, *b))
    }

    fn sub(&self, a: &ValueId, b: &ValueId) -> Result<ValueId> {
        self.push("sub", Op::Sub(*a, *b))
    }

    fn neg(&self, a: &ValueId) -> Result<ValueId> {
        self.push("neg", Op::Neg(*a))
    }

    fn add_plain(&self, a: &ValueId, p: &ConstId) -> Result<ValueId> {
        self.check_constant("add_plain", *p)?;
        self.push("add_plain", Op::AddPlain(*a, *p))
    }

    fn mul_plain(&self, a: &ValueId, p: &ConstId) -> Result<ValueId> {
        self.check_constant("mul_plain", *p)?;
        self.push("mul_plain", Op::MulPlain(*a, *p))
    }

    fn add_scalar(&self, a: &ValueId, s: f64) -> Result<ValueId> {
        check_scalar("add_scalar", s)?;
        self.push("add_scalar", Op::AddScalar(*a, s))
    }

    fn mul_scalar(&self, a: &ValueId, s: f64) -> Result<ValueId> {
        check_scalar("mul_scalar", s)?;
        self.push("mul_scalar", Op::MulScalar(*a, s))
    }

    fn mul(&self, a: &ValueId, b: &ValueId) -> Result<ValueId> {
        self.push("mul", Op::Mul(*a, *b))
    }

    fn rotate(&self, a: &ValueId, by: Rotation) -> Result<ValueId> {
        let by = by.normalized(self.slots);
        if by == Rotation(0) {
            return Ok(*a);
        }
        if let Some(&known) = self.state.borrow().rotations.get(&(*a, by)) {
            return Ok(known);
        }
        let id = self.push("rotate", Op::Rotate(*a, by))?;
        self.state.borrow_mut().rotations.insert((*a, by), id);
        Ok(id)
    }

    fn conjugate(&self, a: &ValueId) -> Result<ValueId> {
        self.push("conjugate", Op::Conjugate(*a))
    }

    fn dot_plain(&self, terms: &[(&ValueId, &ConstId)]) -> Result<ValueId> {
        for (_, p) in terms {
            self.check_constant("dot_plain", **p)?;
        }
        match terms {
            [] => Err(Error::EmptySum { op: "dot_plain" }),
            [(a, p)] => self.mul_plain(a, p),
            _ => self.push(
                "dot_plain",
                Op::DotPlain(terms.iter().map(|(a, p)| (**a, **p)).collect()),
            ),
        }
    }

    fn dot(&self, terms: &[(&ValueId, &ValueId)]) -> Result<ValueId> {
        match terms {
            [] => Err(Error::EmptySum { op: "dot" }),
            [(a, b)] => self.mul(a, b),
            _ => self.push(
                "dot",
                Op::Dot(terms.iter().map(|(a, b)| (**a, **b)).collect()),
            ),
        }
    }

    fn sum_rotated(&self, terms: &[(&ValueId, Rotation)]) -> Result<ValueId> {
        match terms {
            [] => Err(Error::EmptySum { op: "sum_rotated" }),
            [(a, r)] => self.rotate(a, *r),
            _ => {
                let terms = terms
                    .iter()
                    .map(|(a, r)| (**a, r.normalized(self.slots)))
                    .collect();
                self.push("sum_rotated", Op::SumRotated(terms))
            }
        }
    }

    fn dot_affine(
        &self,
        products: &[(&ValueId, &ValueId)],
        linear: &[(&ValueId, f64)],
        constant: f64,
    ) -> Result<ValueId> {
        let op = "dot_affine";
        linear.iter().try_for_each(|(_, s)| check_scalar(op, *s))?;
        check_scalar(op, constant)?;
        match (products, linear) {
            ([], []) => Err(Error::EmptySum { op }),
            (_, []) if constant == 0.0 => self.dot(products),
            ([], [(x, s)]) if constant == 0.0 => self.mul_scalar(x, *s),
            _ => self.push(
                op,
                Op::DotAffine {
                    products: products.iter().map(|(a, b)| (**a, **b)).collect(),
                    linear: linear.iter().map(|(x, s)| (**x, *s)).collect(),
                    constant,
                },
            ),
        }
    }

    fn sum_rotated_products(&self, giants: &[GiantStep<&ValueId, &ConstId>]) -> Result<ValueId> {
        let op = "sum_rotated_products";
        if giants.is_empty() || giants.iter().any(|g| g.terms.is_empty()) {
            return Err(Error::EmptySum { op });
        }
        let mut recorded = Vec::with_capacity(giants.len());
        for giant in giants {
            let mut terms = Vec::with_capacity(giant.terms.len());
            for (a, r, p) in &giant.terms {
                self.check_constant(op, **p)?;
                terms.push((**a, r.normalized(self.slots), **p));
            }
            recorded.push(GiantStep {
                by: giant.by.normalized(self.slots),
                terms,
            });
        }
        self.push(op, Op::SumRotatedProducts(recorded))
    }
}

fn equal_when_padded(a: &[f64], b: &[f64]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    long[..short.len()] == *short && long[short.len()..].iter().all(|&v| v == 0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rotations_and_constants_are_shared() {
        let rec = Recorder::new("t", 8);
        let x = rec.input("x").unwrap();
        assert_eq!(rec.rotate(&x, Rotation(8)).unwrap(), x);
        let a = rec.rotate(&x, Rotation(-3)).unwrap();
        assert_eq!(
            rec.rotate_many(&x, &[Rotation(0), Rotation(5), Rotation(13)])
                .unwrap(),
            [x, a, a]
        );
        let p = rec.constant("w", &[1.0, 2.0]).unwrap();
        assert_eq!(rec.constant("w", &[1.0, 2.0, 0.0]).unwrap(), p);
        assert_eq!(
            rec.constant("w", &[1.0, 3.0]),
            Err(Error::ConstantRedefined { name: "w".into() })
        );
        let (program, constants) = rec.finish();
        assert_eq!(program.insts.len(), 2);
        assert_eq!(constants.len(), 1);
    }

    #[test]
    fn regions_label_what_follows() {
        let rec = Recorder::new("t", 8);
        let x = rec.input("x").unwrap();
        rec.region("fc1");
        let y = rec.neg(&x).unwrap();
        rec.region("main");
        rec.add(&x, &y).unwrap();
        let (program, _) = rec.finish();
        assert_eq!(program.regions, ["main", "fc1"]);
        assert_eq!(
            program.insts.iter().map(|i| i.region).collect::<Vec<_>>(),
            [0, 1, 0]
        );
    }

    #[test]
    fn misuse_is_refused() {
        let rec = Recorder::new("t", 4);
        let x = rec.input("x").unwrap();
        assert!(matches!(rec.input("x"), Err(Error::Input { .. })));
        assert!(matches!(
            rec.neg(&ValueId(7)),
            Err(Error::ForeignOperand { .. })
        ));
        assert!(matches!(
            rec.mul_plain(&x, &ConstId(0)),
            Err(Error::ForeignOperand { .. })
        ));
        assert!(matches!(
            rec.constant("c", &[f64::NAN]),
            Err(Error::NotFinite { .. })
        ));
        assert!(matches!(
            rec.constant("c", &[0.0; 5]),
            Err(Error::TooManyValues { .. })
        ));
        assert!(matches!(
            rec.mul_scalar(&x, f64::INFINITY),
            Err(Error::NotFinite { .. })
        ));
        assert!(matches!(rec.dot(&[]), Err(Error::EmptySum { .. })));
        rec.output("y", &x).unwrap();
        assert!(matches!(rec.output("y", &x), Err(Error::Output { .. })));
    }
}
