//! The price of a program: seconds by primitive and region, bytes.

mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::verify::{states, verify};
use crate::{
    ConstId, ConstantValues, Constants, Encoding, GiantStep, HeProfile, Level, Op, Primitive,
    Program, Result, Rotation, ValueId, encodings, encodings_of, interpret, kept_encodings,
};
use schedule::{bytes, simulate, working_level};

/// What a server holds besides the program and the keys.
#[derive(Clone, Copy, Debug)]
pub struct Storage<'a> {
    /// The values of the program's constants.
    pub constants: &'a Constants,
    /// The inputs that are weights: the server has them as whole ciphertexts all the time.
    pub encrypted: &'a Constants,
    /// Bytes of encodings that are made ahead; all of them if `None`. The others are made whenever they are met.
    pub constant_budget: Option<u64>,
}

/// How often something happens and how long it takes in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Number of times.
    pub count: u64,
    /// Seconds on one thread.
    pub seconds: f64,
}

/// The price of a program under a profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// By index into [`Program::regions`] and primitive; what does not occur is absent.
    pub shares: BTreeMap<(u32, Primitive), Share>,
    /// Names of the regions.
    pub regions: Vec<String>,
    /// Seconds of a run on the profile's threads: independent instructions run at the same time.
    pub elapsed: f64,
    /// Most bytes of ciphertexts alive at one time, outputs included, inputs from when they are first read.
    pub peak_ciphertext_bytes: u64,
    /// What running instructions add to them: digits, sums, remainders, encodings that are not kept.
    pub scratch_bytes: u64,
    /// Bytes of the inputs as they arrive, with one half as a seed, and of encrypted weights.
    pub input_bytes: u64,
    /// Bytes of the constants in the clear.
    pub clear_bytes: u64,
    /// Bytes of the encodings that are kept.
    pub constant_bytes: u64,
    /// Bytes of the evaluation keys.
    pub key_bytes: u64,
    /// Bytes of the process itself and of the scheme's tables.
    pub base_bytes: u64,
    /// Bytes of buffers that wait to be used again.
    pub spare_bytes: u64,
}

impl Cost {
    /// Seconds of the whole program on one thread.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.shares.values().map(|s| s.seconds).sum()
    }

    /// Most bytes in use at one time.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.base_bytes
            + self.spare_bytes
            + self.peak_ciphertext_bytes
            + self.scratch_bytes
            + self.input_bytes
            + self.clear_bytes
            + self.constant_bytes
            + self.key_bytes
    }

    /// The share of one primitive over all regions.
    #[must_use]
    pub fn of(&self, primitive: Primitive) -> Share {
        self.sum(|&(_, p)| p == primitive)
    }

    /// The share of one region over all primitives.
    #[must_use]
    pub fn of_region(&self, region: u32) -> Share {
        self.sum(|&(r, _)| r == region)
    }

    fn sum(&self, keep: impl Fn(&(u32, Primitive)) -> bool) -> Share {
        let mut total = Share::default();
        for (_, share) in self.shares.iter().filter(|(key, _)| keep(key)) {
            total.count += share.count;
            total.seconds += share.seconds;
        }
        total
    }

    fn charge(&mut self, region: u32, primitive: Primitive, times: usize, seconds: f64) {
        if times > 0 {
            let share = self.shares.entry((region, primitive)).or_default();
            share.count += times as u64;
            share.seconds += times as f64 * seconds;
        }
    }
}

/// The price of a program whose levels are assigned, all constants being encoded ahead.
///
/// Every primitive is priced at the level of its operands:
///
/// * rotations of one value run together (see [`schedule`](interpret::schedule)): the first costs a
///   [`Rotate`](Primitive::Rotate), the others a [`HoistedRotate`](Primitive::HoistedRotate);
/// * `sum_rotated` costs a `Rotate` for every distinct value that moves, a `HoistedRotate` for every further rotation of it,
///   and the sums;
/// * `mul` costs a `Mul` and a `Relinearize`, `dot` a `Mul` per term and one `Relinearize`, `dot_affine` a `MulScalar` per
///   linear term besides; rescaled, they cost a `RelinearizeRescale` instead;
/// * `sum_rotated_products` costs a `Decompose` for every distinct value with a baby step, a `LazyRotate` for every
///   distinct baby step, a `MulPlainLazy` per product, a `GiantRotate` per giant step, and a `Divide` or, rescaled, a
///   `DivideRescale`;
/// * `dot_plain` costs a `MulPlain` per term, sums included;
/// * an input costs an `Expand`, a constant that is not kept an `Encode` or `EncodeLazy` per use;
/// * `drop_to` the same level is free.
///
/// Levels for which the profile has no number are free.
///
/// # Errors
/// The program does not pass [`verify`].
pub fn price(program: &Program, profile: &HeProfile) -> Result<Cost> {
    let none = Constants::default();
    let storage = Storage {
        constants: &none,
        encrypted: &none,
        constant_budget: None,
    };
    price_stored(program, &storage, profile)
}

/// [`price`] with a storage: constants by their periods, those beyond the budget encoded when they are met.
///
/// # Errors
/// As [`price`].
pub fn price_stored(program: &Program, storage: &Storage<'_>, profile: &HeProfile) -> Result<Cost> {
    let top = profile.top();
    let keys = verify(program, top)?;
    let states = states(program, top)?;
    let mut cost = Cost {
        regions: program.regions.clone(),
        base_bytes: profile.base_bytes,
        spare_bytes: profile.spare_bytes,
        ..Cost::default()
    };
    let key_bytes = |level| bytes(&profile.key_bytes, level);
    cost.key_bytes = keys.levels().map(key_bytes).sum();
    let periods = storage.constants.periods(program);
    let wanted = encodings(program, &states);
    let kept = kept_encodings(&wanted, profile, &periods, storage.constant_budget);
    let size = |e: &Encoding| e.bytes(profile, periods[e.constant.index()]);
    cost.constant_bytes = kept.iter().map(size).sum();
    let constants = storage.constants.iter();
    cost.clear_bytes = constants
        .map(|(_, values)| clear_bytes(values, program.slots))
        .sum();
    let is_weight = |name: &str| storage.encrypted.get(name).is_some();
    cost.input_bytes = program
        .inputs()
        .map(|(name, v)| {
            let whole = bytes(&profile.ciphertext_bytes, states[v.index()].level);
            if is_weight(name) { whole } else { whole / 2 }
        })
        .sum();
    for step in interpret::schedule(program) {
        for (position, id) in step.iter().enumerate() {
            let inst = &program.insts[id.index()];
            let level = working_level(&inst.op, *id, &states);
            let mut charge = |primitive, times, level| {
                let seconds = profile.seconds_of(primitive, level);
                cost.charge(inst.region, primitive, times, seconds);
            };
            for (primitive, times) in primitives(&inst.op, level, program.slots, position > 0) {
                charge(primitive, times, level);
            }
            if let Op::Input(name) = &inst.op
                && !is_weight(name)
            {
                charge(Primitive::Expand, 1, level);
            }
            for met in encodings_of(&inst.op, &states).filter(|e| !kept.contains(e)) {
                charge(met.usage.primitive(), 1, met.level);
            }
        }
    }
    let run = simulate(program, &states, profile, &kept, is_weight);
    cost.elapsed = run.seconds;
    cost.peak_ciphertext_bytes = run.peak_ciphertext_bytes;
    cost.scratch_bytes = run.peak_bytes - run.peak_ciphertext_bytes;
    Ok(cost)
}

/// Bytes of the values that are kept, one period of them.
fn clear_bytes(values: &ConstantValues, slots: usize) -> u64 {
    let period = 8 * values.period(slots) as u64;
    values.bytes().min(period)
}

/// The primitives of one operation with operands at `level`; `hoisted` if another rotation of the
/// same value has paid for the decomposition.
#[must_use]
pub fn primitives(op: &Op, level: Level, slots: usize, hoisted: bool) -> Vec<(Primitive, usize)> {
    match op {
        Op::Input(_) => Vec::new(),
        Op::Add(..) | Op::Sub(..) | Op::Neg(_) | Op::AddPlain(..) | Op::AddScalar(..) => {
            vec![(Primitive::Add, 1)]
        }
        Op::MulPlain(..) => vec![(Primitive::MulPlain, 1)],
        Op::MulScalar(..) => vec![(Primitive::MulScalar, 1)],
        Op::Mul(..) => vec![(Primitive::Mul, 1), (Primitive::Relinearize, 1)],
        Op::Rotate(_, r) if r.is_identity(slots) => Vec::new(),
        Op::Rotate(..) if hoisted => vec![(Primitive::HoistedRotate, 1)],
        Op::Rotate(..) | Op::Conjugate(_) => vec![(Primitive::Rotate, 1)],
        Op::DotPlain(terms) => vec![(Primitive::MulPlain, terms.len())],
        Op::Dot(terms) => vec![(Primitive::Mul, terms.len()), (Primitive::Relinearize, 1)],
        Op::SumRotated(terms) => {
            let moved = terms.iter().filter(|(_, r)| !r.is_identity(slots));
            let decomposed: BTreeSet<ValueId> = moved.clone().map(|t| t.0).collect();
            vec![
                (Primitive::Rotate, decomposed.len()),
                (Primitive::HoistedRotate, moved.count() - decomposed.len()),
                (Primitive::Add, terms.len() - 1),
            ]
        }
        Op::DotAffine {
            products, linear, ..
        } => vec![
            (Primitive::Mul, products.len()),
            (Primitive::Relinearize, usize::from(!products.is_empty())),
            (Primitive::MulScalar, linear.len()),
        ],
        Op::SumRotatedProducts(giants) => transform(giants, slots, Primitive::Divide),
        Op::Rescaled(op, _) => match &**op {
            Op::SumRotatedProducts(giants) => transform(giants, slots, Primitive::DivideRescale),
            op => {
                let mut parts = primitives(op, level, slots, false);
                let fused = parts
                    .iter_mut()
                    .find(|p| p.0 == Primitive::Relinearize && p.1 > 0);
                match fused {
                    Some(part) => part.0 = Primitive::RelinearizeRescale,
                    None => parts.push((Primitive::Rescale, 1)),
                }
                parts
            }
        },
        Op::Rescale(_) => vec![(Primitive::Rescale, 1)],
        Op::DropTo(_, to) => vec![(Primitive::DropTo, usize::from(*to < level))],
        Op::Bootstrap(_) => vec![(Primitive::Bootstrap, 1)],
    }
}

/// The primitives of a linear transform that ends with `last`.
fn transform(
    giants: &[GiantStep<ValueId, ConstId>],
    slots: usize,
    last: Primitive,
) -> Vec<(Primitive, usize)> {
    let terms = giants.iter().flat_map(|g| &g.terms);
    let babies: BTreeSet<(ValueId, Rotation)> = terms
        .clone()
        .map(|(a, r, _)| (*a, r.normalized(slots)))
        .filter(|(_, r)| r.0 != 0)
        .collect();
    let decomposed: BTreeSet<ValueId> = babies.iter().map(|b| b.0).collect();
    let turned = giants.iter().filter(|g| !g.by.is_identity(slots)).count();
    vec![
        (Primitive::Decompose, decomposed.len()),
        (Primitive::LazyRotate, babies.len()),
        (Primitive::MulPlainLazy, terms.count()),
        (Primitive::GiantRotate, turned),
        (last, 1),
    ]
}

impl fmt::Display for Cost {
    /// A table of regions by primitives, then the totals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .regions
            .iter()
            .map(|r| r.chars().count())
            .max()
            .unwrap_or(0)
            .max(6);
        writeln!(
            f,
            "{:<width$}  {:<14}  {:>8}  {:>12}",
            "region", "primitive", "count", "seconds"
        )?;
        for (&(region, primitive), share) in &self.shares {
            let name = self.regions.get(region as usize).map_or("", String::as_str);
            writeln!(
                f,
                "{name:<width$}  {:<14}  {:>8}  {:>12.6}",
                primitive.name(),
                share.count,
                share.seconds
            )?;
        }
        writeln!(f, "total {:.6} s on one thread", self.seconds())?;
        writeln!(f, "elapsed {:.6} s", self.elapsed)?;
        writeln!(
            f,
            "ciphertexts {} B at most, constants {} B, keys {} B",
            self.peak_ciphertext_bytes, self.constant_bytes, self.key_bytes
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Evaluator, Inst, Recorder, State, testkit};

    fn leveled(mut program: Program, tail: Vec<Op>) -> Program {
        for op in tail {
            program.insts.push(Inst {
                op,
                state: None,
                region: 0,
            });
        }
        program
    }

    #[test]
    fn hoisting_products_and_bytes() {
        let rec = Recorder::new("t", 8);
        let x = rec.input("x").unwrap();
        let w = rec.constant("w", &[1.0]).unwrap();
        let r = rec
            .rotate_many(&x, &[Rotation(1), Rotation(2), Rotation(3)])
            .unwrap();
        let y = rec
            .dot_plain(&[(&r[0], &w), (&r[1], &w), (&r[2], &w)])
            .unwrap();
        rec.region("second");
        let z = rec
            .sum_rotated(&[(&y, Rotation(0)), (&y, Rotation(4))])
            .unwrap();
        rec.output("z", &z).unwrap();
        let (program, _) = rec.finish();
        let profile = testkit::profile(8, 2);
        let cost = price(&program, &profile).unwrap();
        assert_eq!(cost.of(Primitive::Rotate).count, 2);
        assert_eq!(cost.of(Primitive::HoistedRotate).count, 2);
        assert_eq!(cost.of(Primitive::MulPlain).count, 3);
        assert_eq!(cost.of(Primitive::Add).count, 1);
        let rotate = profile.seconds_of(Primitive::Rotate, Level(2));
        assert!((cost.shares[&(1, Primitive::Rotate)].seconds - rotate).abs() < 1e-12);
        assert_eq!(cost.of_region(1).count, 2);
        // The three rotations and their sum are alive together, or they and the input.
        assert_eq!(cost.peak_ciphertext_bytes, 4 * profile.ciphertext_bytes[2]);
        assert_eq!(cost.constant_bytes, profile.plaintext_bytes[2]);
        assert_eq!(cost.key_bytes, 4 * profile.key_bytes[2]);
        let shown = cost.to_string();
        assert!(
            shown.contains("hoisted_rotate") && shown.contains("second"),
            "{shown}"
        );
    }

    #[test]
    fn levels_change_prices_and_sizes() {
        let rec = Recorder::new("t", 8);
        let x = rec.input("x").unwrap();
        let y = rec.mul(&x, &x).unwrap();
        let (program, _) = rec.finish();
        let program = leveled(
            program,
            vec![
                Op::Rescale(y),
                Op::DropTo(crate::ValueId(2), Level(1)),
                Op::DropTo(crate::ValueId(3), Level(0)),
            ],
        );
        let profile = testkit::profile(8, 2);
        let cost = price(&program, &profile).unwrap();
        assert_eq!(
            cost.of(Primitive::DropTo).count,
            1,
            "dropping to the same level is free"
        );
        assert_eq!(
            cost.of(Primitive::DropTo).seconds,
            profile.seconds_of(Primitive::DropTo, Level(1))
        );
        assert_eq!(
            cost.of(Primitive::Rescale).seconds,
            profile.seconds_of(Primitive::Rescale, Level(2))
        );
        assert_eq!(cost.of(Primitive::Relinearize).count, 1);
        let mut wrong = program;
        wrong.insts[2].state = Some(State {
            level: Level(2),
            product: false,
        });
        assert!(price(&wrong, &profile).is_err());
    }
}
