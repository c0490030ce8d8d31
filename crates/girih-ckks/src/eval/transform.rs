//! Linear transforms with both hoistings.
//!
//! Every input is decomposed once. Its rotations stay multiplied by P, over QP, and so do their products with
//! plaintexts that are encoded over QP; a giant step divides one half of its sum, switches it, and adds to a total over
//! QP; the total is divided once, with the rescaling if one follows (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux,
//! EUROCRYPT 2021, algorithm 6). The page `docs/linear-transforms.md` has the counts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use girih_he::{Error, GiantStep, Level, Result, Rotation, State, rules};
use girih_rns::{
    Baby, Digits, ExpandedDigits, PolyQp, Ring, Turn, Weight, add_weighted_babies, digit_count,
    mod_down_pair, par,
};

use super::{Constant, Encodings, Evaluator, Use};
use crate::Ciphertext;
use crate::keys::{GaloisKey, KeyId};
use crate::keyswitch::{PairQp, hoist};

/// How giant steps are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Each is rotated from where it is: `Σ_j rotate(B_j, g_j)`.
    Sum,
    /// The sum so far is rotated: `rotate(rotate(B_1, g_1) + B_2, g_2) + ..`.
    Horner,
}

/// How a transform ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the product scale.
    Product,
    /// Rescaled, in the division by P.
    Rescaled,
}

/// An input, by number, and its rotation, normalised.
type Step = (usize, Rotation);

/// A rotation of an input, and what its products are.
struct BabyStep<'a> {
    input: usize,
    key: Option<&'a GaloisKey>,
    /// By giant step.
    factors: Vec<(usize, &'a Constant)>,
}

/// Words of the constants that a transform encodes at a time, where they are not kept: 16 MiB, and as much for the rows that a thread
/// evaluates. That is 64 constants at N = 2^15: enough that the sums of the giant steps, which are read once each time, do
/// not count.
const STREAMED_WORDS: usize = 1 << 21;

/// Words of the digits of all inputs that are in memory at a time: 256 MiB, more than one input of 2^16 words and 40 primes needs.
const DIGIT_WORDS: usize = 1 << 25;

impl Evaluator {
    /// Giant steps `Σᵢ rotate(aᵢ, rᵢ) ⊙ pᵢ`, added in an order. Inputs are told apart by their address.
    pub(super) fn transformed(
        &self,
        op: &'static str,
        giants: &[GiantStep<&Ciphertext, &Constant>],
        order: Order,
        end: End,
    ) -> Result<Ciphertext> {
        if order == Order::Sum && giants.iter().any(|g| g.terms.is_empty()) {
            return Err(Error::EmptySum { op });
        }
        let terms = || giants.iter().flat_map(|g| &g.terms);
        let common = self.common_state(op, terms().map(|t| t.0))?;
        let state = rules::product_plain(op, common)?;
        let (ring, slots) = (self.ring(), self.params.slots());
        // Keys first: nothing is computed if one is missing.
        let key = |r: Rotation| match r.normalized(slots) {
            Rotation(0) => Ok(None),
            r => self
                .galois_key(op, KeyId::Rotation(r), state.level)
                .map(Some),
        };
        let giant_keys = giants
            .iter()
            .map(|g| key(g.by))
            .collect::<Result<Vec<_>>>()?;
        let mut inputs: Vec<&Ciphertext> = Vec::new();
        let mut numbers: HashMap<*const Ciphertext, usize> = HashMap::new();
        let mut steps: BTreeMap<Step, BabyStep<'_>> = BTreeMap::new();
        for (giant, terms) in giants.iter().map(|g| &g.terms).enumerate() {
            for (a, r, p) in terms {
                let input = *numbers.entry(std::ptr::from_ref(*a)).or_insert_with(|| {
                    inputs.push(a);
                    inputs.len() - 1
                });
                let step = steps.entry((input, r.normalized(slots)));
                let step = match step {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(BabyStep {
                        input,
                        key: key(*r)?,
                        factors: Vec::new(),
                    }),
                };
                step.factors.push((giant, *p));
            }
        }
        let steps: Vec<BabyStep<'_>> = steps.into_values().collect();
        let mut sums: Vec<Option<PairQp>> = giants.iter().map(|_| None).collect();
        let mut digits: BTreeMap<usize, ExpandedDigits> = BTreeMap::new();
        for group in self.groups(&steps, state.level) {
            let moving = group.iter().filter(|s| s.key.is_some()).map(|s| s.input);
            let moving: BTreeSet<usize> = moving.collect();
            digits.retain(|input, _| moving.contains(input));
            for input in moving {
                let new = || hoist(inputs[input].c1(), ring);
                digits.entry(input).or_insert_with(new);
            }
            self.add_group(op, group, &inputs, &digits, state.level, &mut sums)?;
        }
        drop(digits);
        let sums = sums.into_iter().zip(giant_keys);
        let total = match order {
            Order::Sum => {
                let some = sums.filter_map(|(sum, key)| Some((sum?, key)));
                total(some.collect(), ring)
            }
            Order::Horner => horner(sums, ring),
        };
        let [u0, u1] = total.ok_or(Error::EmptySum { op })?;
        let (drop, state) = match end {
            End::Product => (0, state),
            End::Rescaled => (
                self.params.chain().at(state.level).rescale_limbs,
                rules::rescale(state)?,
            ),
        };
        self.finish(&[u0, u1], drop, state)
    }

    /// Consecutive baby steps whose digits and new encodings are in memory at the same time.
    fn groups<'s, 'a>(&self, steps: &'s [BabyStep<'a>], level: Level) -> Vec<&'s [BabyStep<'a>]> {
        let (n, ring) = (self.params.n(), self.ring());
        let limbs = self.params.chain().limbs(level);
        let digits = digit_count(ring, limbs) * (limbs + ring.p_len()) * n;
        let new = |step: &BabyStep<'_>| {
            let met = step
                .factors
                .iter()
                .filter(|(_, p)| p.weight(level).is_none());
            match self.encodings {
                Encodings::Kept => 0,
                Encodings::Transient => met.count() * n,
            }
        };
        let mut groups = Vec::new();
        let (mut start, mut encoded, mut inputs) = (0, 0, BTreeSet::new());
        for (i, step) in steps.iter().enumerate() {
            encoded += new(step);
            inputs.insert(step.input);
            if i > start && (encoded > STREAMED_WORDS || inputs.len() * digits > DIGIT_WORDS) {
                groups.push(&steps[start..i]);
                (start, encoded, inputs) = (i, new(step), BTreeSet::from([step.input]));
            }
        }
        groups.push(&steps[start..]);
        groups
    }

    /// Adds the products of a group of baby steps to the sums of the giant steps.
    fn add_group(
        &self,
        op: &'static str,
        group: &[BabyStep<'_>],
        inputs: &[&Ciphertext],
        digits: &BTreeMap<usize, ExpandedDigits>,
        level: Level,
        sums: &mut [Option<PairQp>],
    ) -> Result<()> {
        let factors = group.iter().zip(0..).flat_map(|(step, baby)| {
            let factors = step.factors.iter();
            factors.map(move |(giant, p)| (*giant, baby, *p))
        });
        let weights = par::map(factors.collect(), |(giant, baby, p)| {
            let weight = self.weight(op, p, level, Use::LazyFactor, self.encodings)?;
            Ok((giant, baby, weight))
        });
        let weights = weights.into_iter().collect::<Result<Vec<_>>>()?;
        let mut terms: Vec<Vec<(usize, &Weight)>> = sums.iter().map(|_| Vec::new()).collect();
        for (giant, baby, weight) in &weights {
            terms[*giant].push((*baby, &**weight));
        }
        let babies: Vec<Baby<'_>> = group
            .iter()
            .map(|step| Baby {
                c: [inputs[step.input].c0(), inputs[step.input].c1()],
                turn: step
                    .key
                    .zip(digits.get(&step.input))
                    .map(|(key, digits)| Turn {
                        digits,
                        key: key.key.vector(),
                        element: key.element,
                    }),
            })
            .collect();
        add_weighted_babies(&babies, &terms, sums, self.ring());
        Ok(())
    }

    /// One division by P and the last `drop` primes.
    fn finish(&self, [u0, u1]: &PairQp, drop: usize, state: State) -> Result<Ciphertext> {
        let [c0, c1] = mod_down_pair(u0, u1, drop, self.ring());
        Ok(self.wrap(c0, c1, state))
    }
}

/// The sum over QP of all giant steps, each rotated by its key. Sums modulo primes are exact: how they are shared among
/// threads does not show.
fn total(sums: Vec<(PairQp, Option<&GaloisKey>)>, ring: &Ring) -> Option<PairQp> {
    let share = sums.len().div_ceil(par::threads()).max(1);
    let mut sums = sums.into_iter().peekable();
    let mut shares = Vec::new();
    while sums.peek().is_some() {
        shares.push(sums.by_ref().take(share).collect::<Vec<_>>());
    }
    let parts = par::map(shares, |share| {
        share
            .into_iter()
            .fold(None, |total, (sum, key)| match (total, key) {
                (None, None) => Some(sum),
                (Some(total), None) => Some(added(total, &sum, ring)),
                (total, Some(key)) => Some(turned_onto(total, sum, key, ring)),
            })
    });
    let mut parts = parts.into_iter().flatten();
    let first = parts.next()?;
    Some(parts.fold(first, |total, part| added(total, &part, ring)))
}

/// The sum over QP where each giant step joins what came before, and all of it is rotated by its key.
fn horner<'a>(
    steps: impl Iterator<Item = (Option<PairQp>, Option<&'a GaloisKey>)>,
    ring: &Ring,
) -> Option<PairQp> {
    // What came before, and the key that is still to turn it.
    let mut before: Option<(PairQp, Option<&GaloisKey>)> = None;
    for (sum, key) in steps {
        let here = match (before, sum) {
            (None, sum) => sum,
            (Some((before, Some(key))), sum) => Some(turned_onto(sum, before, key, ring)),
            (Some((before, None)), Some(sum)) => Some(added(before, &sum, ring)),
            (Some((before, None)), None) => Some(before),
        };
        before = here.map(|here| (here, key));
    }
    before.map(|(sum, key)| match key {
        Some(key) => turned_onto(None, sum, key, ring),
        None => sum,
    })
}

fn added(mut total: PairQp, sum: &PairQp, ring: &Ring) -> PairQp {
    for (total, u) in total.iter_mut().zip(sum) {
        total.add_assign(u, ring);
    }
    total
}

/// `total + phi(u_0 + v_0, v_1)` for the switched second half `(v_0, v_1)` of `round(u_1 / P)`; zero if there is no total.
fn turned_onto(total: Option<PairQp>, [u0, u1]: PairQp, key: &GaloisKey, ring: &Ring) -> PairQp {
    let c1 = u1.mod_down(ring);
    drop(u1);
    let zero = || [u0.limbs(); 2].map(|limbs| PolyQp::zero(ring, limbs));
    let mut total = total.unwrap_or_else(zero);
    let digits = Digits::new(&c1, ring);
    digits.add_turned(key.key.vector(), Some(&u0), key.element, &mut total, ring);
    total
}
