//! The encodings of a program's constants, and which of them are made ahead.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ConstId, HeProfile, Level, Op, Primitive, Program, State};

/// How a constant meets a ciphertext; decides scale and size of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConstantUse {
    /// As a factor.
    Factor,
    /// As a term of a sum with a rescaled ciphertext.
    Term,
    /// As a term of a sum with a product that has not been rescaled.
    ProductTerm,
    /// As a factor in a linear transform, whose products are divided by the special modulus later.
    LazyFactor,
}

impl ConstantUse {
    /// How `op`, whose first operand is in `state`, uses its constants.
    #[must_use]
    pub fn of(op: &Op, state: State) -> ConstantUse {
        match op {
            Op::AddPlain(..) if state.product => ConstantUse::ProductTerm,
            Op::AddPlain(..) => ConstantUse::Term,
            op if op.is_transform() => ConstantUse::LazyFactor,
            _ => ConstantUse::Factor,
        }
    }

    /// What making such an encoding costs.
    #[must_use]
    pub fn primitive(self) -> Primitive {
        match self {
            ConstantUse::LazyFactor => Primitive::EncodeLazy,
            _ => Primitive::Encode,
        }
    }
}

/// One encoding of a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encoding {
    /// The constant.
    pub constant: ConstId,
    /// The level at which it is used.
    pub level: Level,
    /// How it is used.
    pub usage: ConstantUse,
}

impl Encoding {
    /// Bytes in memory, `period` slots of all differing. Factors are stored by their period, terms are not.
    #[must_use]
    pub fn bytes(&self, profile: &HeProfile, period: usize) -> u64 {
        let table = match self.usage {
            ConstantUse::LazyFactor => &profile.lazy_plaintext_bytes,
            _ => &profile.plaintext_bytes,
        };
        let whole = table.get(usize::from(self.level.0)).copied().unwrap_or(0);
        match self.usage {
            ConstantUse::Factor | ConstantUse::LazyFactor => {
                let slots = profile.slots as u64;
                whole * (period as u64).clamp(MIN_PERIOD.min(slots), slots) / slots
            }
            ConstantUse::Term | ConstantUse::ProductTerm => whole,
        }
    }
}

/// Fewest slots of an encoding: the smallest ring has eight coefficients.
const MIN_PERIOD: u64 = 4;

/// Every encoding that a program needs, with the number of its uses. `states` are those of the program's values.
#[must_use]
pub fn encodings(program: &Program, states: &[State]) -> BTreeMap<Encoding, u32> {
    let mut wanted = BTreeMap::new();
    for inst in &program.insts {
        for encoding in encodings_of(&inst.op, states) {
            *wanted.entry(encoding).or_default() += 1;
        }
    }
    wanted
}

/// The encodings that one operation reads, in order, with repetitions.
pub fn encodings_of(op: &Op, states: &[State]) -> impl Iterator<Item = Encoding> {
    let state = op.operands().first().map(|v| states[v.index()]);
    let usage = state.map(|s| (s.level, ConstantUse::of(op, s)));
    let constants = op.constants().into_iter();
    constants.filter_map(move |constant| {
        usage.map(|(level, usage)| Encoding {
            constant,
            level,
            usage,
        })
    })
}

/// The encodings that are made ahead and kept within so many bytes: those that save most seconds a byte, uses
/// times the price of an encoding. All of them without a budget. The others are made whenever they are met and dropped.
///
/// `periods` tells for every constant how many of its slots differ.
#[must_use]
pub fn kept_encodings(
    wanted: &BTreeMap<Encoding, u32>,
    profile: &HeProfile,
    periods: &[usize],
    budget: Option<u64>,
) -> BTreeSet<Encoding> {
    let Some(budget) = budget else {
        return wanted.keys().copied().collect();
    };
    let mut ranked: Vec<(f64, u64, Encoding)> = wanted
        .iter()
        .map(|(encoding, uses)| {
            let bytes = encoding.bytes(profile, periods[encoding.constant.index()]);
            let seconds = profile.seconds_of(encoding.usage.primitive(), encoding.level);
            // Without prices the smallest and most often used come first.
            let saved = f64::from(*uses) * seconds.max(f64::MIN_POSITIVE);
            (saved / bytes.max(1) as f64, bytes, *encoding)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
    let mut left = budget;
    let kept = ranked.into_iter().filter_map(|(_, bytes, encoding)| {
        left = left.checked_sub(bytes)?;
        Some(encoding)
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Evaluator, Recorder, states, testkit};

    #[test]
    fn the_most_often_used_are_kept_first() {
        let rec = Recorder::new("t", 8);
        let x = rec.input("x").unwrap();
        let [often, once, term] =
            ["often", "once", "term"].map(|n| rec.constant(n, &[1.0, 2.0]).unwrap());
        let a = rec.dot_plain(&[(&x, &often), (&x, &once)]).unwrap();
        let b = rec.mul_plain(&x, &often).unwrap();
        let y = rec.add(&a, &b).unwrap();
        let y = rec.add_plain(&y, &term).unwrap();
        rec.output("y", &y).unwrap();
        let (program, _) = rec.finish();
        let profile = testkit::profile(8, 2);
        let states = states(&program, Level(2)).unwrap();
        let wanted = encodings(&program, &states);
        let of = |name: &str| {
            let id = program.constants.iter().position(|n| n == name).unwrap();
            *wanted.keys().find(|e| e.constant.index() == id).unwrap()
        };
        assert_eq!(wanted[&of("often")], 2);
        assert_eq!(of("term").usage, ConstantUse::ProductTerm);
        let each = profile.plaintext_bytes[2];
        assert_eq!(of("once").bytes(&profile, 8), each);
        assert_eq!(of("once").bytes(&profile, 4), each / 2);
        assert_eq!(of("once").bytes(&profile, 1), each / 2, "the smallest ring");
        assert_eq!(of("term").bytes(&profile, 1), each);
        let kept = |budget| kept_encodings(&wanted, &profile, &[8; 3], budget);
        assert_eq!(kept(None).len(), 3);
        assert!(kept(Some(0)).is_empty());
        assert_eq!(kept(Some(each)), BTreeSet::from([of("often")]));
        assert_eq!(kept(Some(3 * each)).len(), 3);
    }
}
