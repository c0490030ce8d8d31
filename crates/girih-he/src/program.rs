//! A homomorphic computation as data: a list of instructions in static single assignment form.
//!
//! A program can be printed, parsed, verified, priced and compared without any key. Constants are
//! referred to by name; their values live beside the program in [`Constants`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{ConstantValues, Error, GiantStep, Level, Result, Rotation};

/// Index of the instruction that defines a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

impl ValueId {
    /// The index as a `usize`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index into [`Program::constants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConstId(pub u32);

impl ConstId {
    /// The index as a `usize`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation; the methods of [`Evaluator`](crate::Evaluator) and
/// [`Leveled`](crate::Leveled), one variant each.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// An encrypted input, by name.
    Input(String),
    /// `a + b`.
    Add(ValueId, ValueId),
    /// `a - b`.
    Sub(ValueId, ValueId),
    /// `-a`.
    Neg(ValueId),
    /// `a + p`.
    AddPlain(ValueId, ConstId),
    /// `a ⊙ p`.
    MulPlain(ValueId, ConstId),
    /// `a + s`.
    AddScalar(ValueId, f64),
    /// `a · s`.
    MulScalar(ValueId, f64),
    /// `a ⊙ b`, relinearised.
    Mul(ValueId, ValueId),
    /// `rotate(a, r)`. Rotations of one value are hoisted together by the executor.
    Rotate(ValueId, Rotation),
    /// `conj(a)`.
    Conjugate(ValueId),
    /// `Σ aᵢ ⊙ pᵢ`.
    DotPlain(Vec<(ValueId, ConstId)>),
    /// `Σ aᵢ ⊙ bᵢ`, relinearised once.
    Dot(Vec<(ValueId, ValueId)>),
    /// `Σ rotate(aᵢ, rᵢ)`.
    SumRotated(Vec<(ValueId, Rotation)>),
    /// `Σ aᵢ ⊙ bᵢ + Σ cₖ xₖ + constant`, relinearised once.
    DotAffine {
        /// `(aᵢ, bᵢ)`
        products: Vec<(ValueId, ValueId)>,
        /// `(xₖ, cₖ)`
        linear: Vec<(ValueId, f64)>,
        /// The constant.
        constant: f64,
    },
    /// `Σ_g rotate(Σᵢ rotate(aᵢ, rᵢ) ⊙ pᵢ, g)`.
    SumRotatedProducts(Vec<GiantStep<ValueId, ConstId>>),
    /// A product and its rescaling to the given level in one; linear terms of a [`DotAffine`](Op::DotAffine)
    /// may be at higher levels than the products.
    Rescaled(Box<Op>, Level),
    /// To the canonical scale one level below.
    Rescale(ValueId),
    /// To the canonical scale of a lower level.
    DropTo(ValueId, Level),
    /// To a higher level.
    Bootstrap(ValueId),
}

impl Op {
    /// The name in the text form.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input(_) => "input",
            Op::Add(..) => "add",
            Op::Sub(..) => "sub",
            Op::Neg(_) => "neg",
            Op::AddPlain(..) => "add_plain",
            Op::MulPlain(..) => "mul_plain",
            Op::AddScalar(..) => "add_scalar",
            Op::MulScalar(..) => "mul_scalar",
            Op::Mul(..) => "mul",
            Op::Rotate(..) => "rotate",
            Op::Conjugate(_) => "conjugate",
            Op::DotPlain(_) => "dot_plain",
            Op::Dot(_) => "dot",
            Op::SumRotated(_) => "sum_rotated",
            Op::DotAffine { .. } => "dot_affine",
            Op::SumRotatedProducts(_) => "sum_rotated_products",
            Op::Rescaled(..) => "rescaled",
            Op::Rescale(_) => "rescale",
            Op::DropTo(..) => "drop_to",
            Op::Bootstrap(_) => "bootstrap",
        }
    }

    /// The values the operation reads, in order, with repetitions.
    #[must_use]
    pub fn operands(&self) -> Vec<ValueId> {
        match self {
            Op::Input(_) => Vec::new(),
            Op::Add(a, b) | Op::Sub(a, b) | Op::Mul(a, b) => vec![*a, *b],
            Op::Neg(a)
            | Op::AddPlain(a, _)
            | Op::MulPlain(a, _)
            | Op::AddScalar(a, _)
            | Op::MulScalar(a, _)
            | Op::Rotate(a, _)
            | Op::Conjugate(a)
            | Op::Rescale(a)
            | Op::DropTo(a, _)
            | Op::Bootstrap(a) => vec![*a],
            Op::DotPlain(terms) => terms.iter().map(|t| t.0).collect(),
            Op::Dot(terms) => terms.iter().flat_map(|t| [t.0, t.1]).collect(),
            Op::SumRotated(terms) => terms.iter().map(|t| t.0).collect(),
            Op::DotAffine {
                products, linear, ..
            } => {
                let products = products.iter().flat_map(|t| [t.0, t.1]);
                products.chain(linear.iter().map(|t| t.0)).collect()
            }
            Op::SumRotatedProducts(giants) => giants
                .iter()
                .flat_map(|g| g.terms.iter().map(|t| t.0))
                .collect(),
            Op::Rescaled(op, _) => op.operands(),
        }
    }

    /// The constants the operation reads, in order, with repetitions.
    #[must_use]
    pub fn constants(&self) -> Vec<ConstId> {
        match self {
            Op::AddPlain(_, p) | Op::MulPlain(_, p) => vec![*p],
            Op::DotPlain(terms) => terms.iter().map(|t| t.1).collect(),
            Op::SumRotatedProducts(giants) => giants
                .iter()
                .flat_map(|g| g.terms.iter().map(|t| t.2))
                .collect(),
            Op::Rescaled(op, _) => op.constants(),
            _ => Vec::new(),
        }
    }

    /// The same operation with every operand replaced.
    #[must_use]
    pub fn map_operands(&self, mut f: impl FnMut(ValueId) -> ValueId) -> Op {
        self.map(&mut f, &mut |p| p)
    }

    /// The same operation with every operand and every constant replaced.
    fn map(
        &self,
        f: &mut dyn FnMut(ValueId) -> ValueId,
        c: &mut dyn FnMut(ConstId) -> ConstId,
    ) -> Op {
        match self {
            Op::Input(name) => Op::Input(name.clone()),
            Op::Add(a, b) => Op::Add(f(*a), f(*b)),
            Op::Sub(a, b) => Op::Sub(f(*a), f(*b)),
            Op::Mul(a, b) => Op::Mul(f(*a), f(*b)),
            Op::Neg(a) => Op::Neg(f(*a)),
            Op::AddPlain(a, p) => Op::AddPlain(f(*a), c(*p)),
            Op::MulPlain(a, p) => Op::MulPlain(f(*a), c(*p)),
            Op::AddScalar(a, s) => Op::AddScalar(f(*a), *s),
            Op::MulScalar(a, s) => Op::MulScalar(f(*a), *s),
            Op::Rotate(a, r) => Op::Rotate(f(*a), *r),
            Op::Conjugate(a) => Op::Conjugate(f(*a)),
            Op::DotPlain(terms) => {
                Op::DotPlain(terms.iter().map(|(a, p)| (f(*a), c(*p))).collect())
            }
            Op::Dot(terms) => Op::Dot(terms.iter().map(|(a, b)| (f(*a), f(*b))).collect()),
            Op::SumRotated(terms) => {
                Op::SumRotated(terms.iter().map(|(a, r)| (f(*a), *r)).collect())
            }
            Op::DotAffine {
                products,
                linear,
                constant,
            } => Op::DotAffine {
                products: products.iter().map(|(a, b)| (f(*a), f(*b))).collect(),
                linear: linear.iter().map(|(x, s)| (f(*x), *s)).collect(),
                constant: *constant,
            },
            Op::SumRotatedProducts(giants) => Op::SumRotatedProducts(
                giants
                    .iter()
                    .map(|g| GiantStep {
                        by: g.by,
                        terms: g.terms.iter().map(|(a, r, p)| (f(*a), *r, c(*p))).collect(),
                    })
                    .collect(),
            ),
            Op::Rescaled(op, level) => Op::Rescaled(Box::new(op.map(f, c)), *level),
            Op::Rescale(a) => Op::Rescale(f(*a)),
            Op::DropTo(a, l) => Op::DropTo(f(*a), *l),
            Op::Bootstrap(a) => Op::Bootstrap(f(*a)),
        }
    }

    /// Whether the result is at the product scale whatever the operands are.
    #[must_use]
    pub fn makes_product(&self) -> bool {
        matches!(
            self,
            Op::MulPlain(..)
                | Op::MulScalar(..)
                | Op::Mul(..)
                | Op::DotPlain(_)
                | Op::Dot(_)
                | Op::DotAffine { .. }
                | Op::SumRotatedProducts(_)
        )
    }

    /// Whether this is a linear transform, whose constants are encoded for lazy products.
    #[must_use]
    pub fn is_transform(&self) -> bool {
        match self {
            Op::Rescaled(op, _) => op.is_transform(),
            op => matches!(op, Op::SumRotatedProducts(_)),
        }
    }

    /// The level at which the work is done, for an operation whose first operand is at `operand`.
    #[must_use]
    pub fn working_level(&self, operand: Level) -> Level {
        match self {
            Op::Rescaled(_, below) => Level(below.0.saturating_add(1)),
            _ => operand,
        }
    }

    /// Why the operation is malformed in itself, if it is: an empty sum, a scalar that is not finite, a
    /// rescaling of what is no product.
    fn fault(&self) -> Option<String> {
        let scalar = |s: f64| (!s.is_finite()).then(|| format!("the scalar is {s}"));
        let empty = "a sum needs at least one term";
        match self {
            Op::AddScalar(_, s) | Op::MulScalar(_, s) => scalar(*s),
            Op::DotPlain(_) | Op::Dot(_) | Op::SumRotated(_) if self.operands().is_empty() => {
                Some(empty.into())
            }
            Op::DotAffine {
                linear, constant, ..
            } => {
                let mut scalars = linear.iter().map(|t| t.1).chain([*constant]);
                let bad = scalars.find_map(scalar);
                bad.or_else(|| self.operands().is_empty().then(|| empty.into()))
            }
            Op::SumRotatedProducts(giants)
                if giants.is_empty() || giants.iter().any(|g| g.terms.is_empty()) =>
            {
                Some(empty.into())
            }
            Op::Rescaled(op, _) if !op.makes_product() => {
                Some(format!("rescales a {}, which is no product", op.name()))
            }
            Op::Rescaled(op, _) => op.fault(),
            _ => None,
        }
    }
}

/// Where a value stands in the modulus chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Multiplications left.
    pub level: Level,
    /// Whether the value is a product that has not been rescaled.
    pub product: bool,
}

impl fmt::Display for State {
    /// `L9`, or `L9*` for a product that has not been rescaled.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.level, if self.product { "*" } else { "" })
    }
}

/// One instruction: an operation and, once the level pass has run, the state of its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Inst {
    /// The operation.
    pub op: Op,
    /// Level and scale state of the result; `None` before levels are assigned.
    pub state: Option<State>,
    /// Index into [`Program::regions`] of the layer the instruction belongs to.
    pub region: u32,
}

/// A homomorphic computation in static single assignment form.
///
/// Instruction `i` defines value `%i`; operands refer to earlier instructions only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Name, as in the text form.
    pub name: String,
    /// Slots of every value.
    pub slots: usize,
    /// The instructions, in an order that respects their dependencies.
    pub insts: Vec<Inst>,
    /// Names of the constants, by [`ConstId`].
    pub constants: Vec<String>,
    /// Names of the layers, by [`Inst::region`].
    pub regions: Vec<String>,
    /// Named results.
    pub outputs: Vec<(String, ValueId)>,
}

impl Program {
    /// The names of the encrypted inputs, in order of appearance.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, ValueId)> {
        self.insts
            .iter()
            .enumerate()
            .filter_map(|(i, inst)| match &inst.op {
                Op::Input(name) => Some((name.as_str(), ValueId(i as u32))),
                _ => None,
            })
    }

    /// Whether the program is well formed: 1 to [`MAX_SLOTS`](crate::MAX_SLOTS) slots, operands
    /// earlier than their use, constants, regions and outputs in range, no empty sum, finite scalars,
    /// no name twice.
    ///
    /// # Errors
    /// The first instruction that breaks a rule.
    pub fn check(&self) -> Result<()> {
        let fail = |at: usize, why: String| Err(Error::Program { at, why });
        if !(1..=crate::MAX_SLOTS).contains(&self.slots) {
            return fail(0, format!("{} slots: a program has 1 to 2^30", self.slots));
        }
        if u32::try_from(self.insts.len()).is_err() {
            return fail(
                self.insts.len(),
                "a program holds at most 2^32 instructions".into(),
            );
        }
        let mut inputs = BTreeSet::new();
        for (at, inst) in self.insts.iter().enumerate() {
            let operands = inst.op.operands();
            if let Some(v) = operands.iter().find(|v| v.index() >= at) {
                return fail(at, format!("uses %{} before it is defined", v.0));
            }
            if let Some(p) = inst
                .op
                .constants()
                .iter()
                .find(|p| p.index() >= self.constants.len())
            {
                return fail(
                    at,
                    format!(
                        "uses constant {}, the program has {}",
                        p.0,
                        self.constants.len()
                    ),
                );
            }
            if inst.region as usize >= self.regions.len() {
                return fail(
                    at,
                    format!(
                        "is in region {}, the program has {}",
                        inst.region,
                        self.regions.len()
                    ),
                );
            }
            match &inst.op {
                Op::Input(name) if !inputs.insert(name) => {
                    return fail(at, format!("input {name:?} occurs twice"));
                }
                op => {
                    if let Some(why) = op.fault() {
                        return fail(at, why);
                    }
                }
            }
        }
        let mut outputs = BTreeSet::new();
        for (name, v) in &self.outputs {
            let error = |why: &str| {
                Err(Error::Output {
                    name: name.clone(),
                    why: why.into(),
                })
            };
            if v.index() >= self.insts.len() {
                return error("refers to a value that is not defined");
            }
            if !outputs.insert(name) {
                return error("declared twice");
            }
        }
        let mut constants = BTreeSet::new();
        if let Some(name) = self.constants.iter().find(|name| !constants.insert(*name)) {
            return Err(Error::ConstantRedefined { name: name.clone() });
        }
        Ok(())
    }

    /// The same program with constants and regions numbered by first use; unused ones are dropped.
    ///
    /// # Panics
    /// The program is malformed (see [`check`](Program::check)).
    #[must_use]
    pub fn canonical(&self) -> Program {
        fn renumber(
            names: &[String],
            order: impl Iterator<Item = usize>,
        ) -> (Vec<u32>, Vec<String>) {
            let mut new = vec![u32::MAX; names.len()];
            let mut kept = Vec::new();
            for old in order {
                if new[old] == u32::MAX {
                    new[old] = kept.len() as u32;
                    kept.push(names[old].clone());
                }
            }
            (new, kept)
        }
        let used = self
            .insts
            .iter()
            .flat_map(|inst| inst.op.constants())
            .map(ConstId::index);
        let (constant, constants) = renumber(&self.constants, used);
        let (region, regions) =
            renumber(&self.regions, self.insts.iter().map(|i| i.region as usize));
        let insts = self.insts.iter().map(|inst| Inst {
            op: inst
                .op
                .map(&mut |v| v, &mut |p| ConstId(constant[p.index()])),
            state: inst.state,
            region: region[inst.region as usize],
        });
        Program {
            insts: insts.collect(),
            constants,
            regions,
            ..self.clone()
        }
    }

    /// For every value, how many operands and outputs refer to it.
    #[must_use]
    pub fn use_counts(&self) -> Vec<u32> {
        let mut uses = vec![0; self.insts.len()];
        for inst in &self.insts {
            for v in inst.op.operands() {
                uses[v.index()] += 1;
            }
        }
        for (_, v) in &self.outputs {
            uses[v.index()] += 1;
        }
        uses
    }
}

/// The values of a program's constants, by name.
#[derive(Clone, Debug, Default)]
pub struct Constants {
    values: BTreeMap<String, ConstantValues>,
}

impl Constants {
    /// Adds or replaces a constant.
    pub fn insert(&mut self, name: impl Into<String>, values: impl Into<ConstantValues>) {
        self.values.insert(name.into(), values.into());
    }

    /// The values of a constant.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ConstantValues> {
        self.values.get(name)
    }

    /// For every constant of a program, by [`ConstId`], the slots that differ: [`ConstantValues::period`].
    #[must_use]
    pub fn periods(&self, program: &Program) -> Vec<usize> {
        let values = program.constants.iter().map(|name| self.get(name));
        values
            .map(|v| v.map_or(program.slots, |v| v.period(program.slots)))
            .collect()
    }

    /// Number of constants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All constants, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ConstantValues)> {
        self.values
            .iter()
            .map(|(name, values)| (name.as_str(), values))
    }
}
