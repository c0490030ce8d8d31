//! Linear transforms with both hoistings.
//!
//! Every input is decomposed once. Its rotations stay multiplied by P, over QP, and so do their products with
//! plaintexts that are encoded over QP; a giant step divides one half of its sum, switches it, and adds to a total over
//! QP; the total is divided once, with the rescaling if one follows (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux,
//! EUROCRYPT 2021, algorithm 6). The page `docs/linear-transforms.md` has the counts.

use std::collections::BTreeMap;

use girih_he::{Error, GiantStep, Result, Rotation, State, rules};
use girih_rns::{Baby, Digits, PolyQp, Ring, Turn, Weight, mod_down_pair, par, weighted_babies};

use super::{Constant, Evaluator, Use};
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
        let mut steps: BTreeMap<Step, Option<&GaloisKey>> = BTreeMap::new();
        let mut steps_of: Vec<Vec<Step>> = Vec::with_capacity(giants.len());
        for giant in giants {
            let mut of = Vec::with_capacity(giant.terms.len());
            for (a, r, _) in &giant.terms {
                let known = inputs.iter().position(|i| std::ptr::eq(*i, *a));
                let input = known.unwrap_or(inputs.len());
                if known.is_none() {
                    inputs.push(a);
                }
                let step = (input, r.normalized(slots));
                steps.insert(step, key(*r)?);
                of.push(step);
            }
            steps_of.push(of);
        }
        let number: BTreeMap<Step, usize> = steps.keys().copied().zip(0..).collect();
        let constants: Vec<&Constant> = terms().map(|t| t.2).collect();
        let encoded = par::map(constants, |p| {
            self.lazily_encoded(op, p, state.level, Use::LazyFactor)
        });
        let mut encoded = encoded.into_iter();
        let sums = steps_of
            .iter()
            .filter(|of| !of.is_empty())
            .map(|of| {
                let pair = |(step, p): (&Step, Result<_>)| Ok((number[step], p?));
                of.iter().zip(encoded.by_ref()).map(pair).collect()
            })
            .collect::<Result<Vec<Vec<(usize, &Weight)>>>>()?;
        let moves = |i: usize| steps.iter().any(|(s, key)| s.0 == i && key.is_some());
        let digits = inputs
            .iter()
            .enumerate()
            .map(|(i, a)| moves(i).then(|| hoist(a.c1(), ring)))
            .collect::<Vec<_>>();
        let babies: Vec<Baby<'_>> = steps
            .iter()
            .map(|((input, _), key)| Baby {
                c: [inputs[*input].c0(), inputs[*input].c1()],
                turn: key.zip(digits[*input].as_ref()).map(|(key, digits)| Turn {
                    digits,
                    key: key.key.vector(),
                    element: key.element,
                }),
            })
            .collect();
        let mut sums = weighted_babies(&babies, &sums, ring).into_iter();
        drop(digits);
        let total = match order {
            Order::Sum => total(sums.zip(giant_keys).collect(), ring),
            Order::Horner => {
                let terms = steps_of.iter().map(|of| !of.is_empty());
                let sums = terms.map(|any| any.then(|| sums.next()).flatten());
                horner(sums.zip(giant_keys), ring)
            }
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
