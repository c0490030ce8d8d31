//! Rotations, conjugation and their sums.

use std::collections::HashMap;

use girih_he::{Error, Result, Rotation, State};
use girih_rns::{Digits, ExpandedDigits, Ntt, Poly, PolyQp, Ring, Then, mod_down_pair, par};

use super::Evaluator;
use crate::Ciphertext;
use crate::keys::{GaloisKey, KeyId};
use crate::keyswitch::{PairQp, hoist, switch, switch_hoisted};

/// Hoisted rotations that are computed tile by tile together: their digits are read once, and the remainders of
/// their divisions stay within memory.
const TOGETHER: usize = 8;

impl Evaluator {
    /// `out[i] = a[i + by]`: one key switch.
    pub(super) fn rotated(
        &self,
        op: &'static str,
        a: &Ciphertext,
        by: Rotation,
    ) -> Result<Ciphertext> {
        let state = self.own(op, a)?;
        let by = by.normalized(self.params.slots());
        if by.0 == 0 {
            return Ok(a.clone());
        }
        let key = self.galois_key(op, KeyId::Rotation(by), state.level)?;
        Ok(self.moved(a, state, key))
    }

    /// Conjugation of every slot: one key switch.
    pub(super) fn conjugated(&self, a: &Ciphertext) -> Result<Ciphertext> {
        let state = self.own("conjugate", a)?;
        let key = self.galois_key("conjugate", KeyId::Conjugation, state.level)?;
        Ok(self.moved(a, state, key))
    }

    /// `phi(a_0 + u_0, u_1)` for the switched half `(u_0, u_1)` of `a_1`.
    fn moved(&self, a: &Ciphertext, state: State, key: &GaloisKey) -> Ciphertext {
        let [c0, c1] = switch(a.c1(), &key.key, after(a, key), self.ring());
        self.wrap(c0, c1, state)
    }

    /// Several rotations with one decomposition.
    pub(super) fn rotated_many(&self, a: &Ciphertext, by: &[Rotation]) -> Result<Vec<Ciphertext>> {
        let op = "rotate_many";
        let state = self.own(op, a)?;
        let slots = self.params.slots();
        let keys = by
            .iter()
            .map(|r| r.normalized(slots))
            .map(|r| match r.0 {
                0 => Ok(None),
                _ => self
                    .galois_key(op, KeyId::Rotation(r), state.level)
                    .map(Some),
            })
            .collect::<Result<Vec<_>>>()?;
        if keys.iter().flatten().count() < 2 {
            return Ok(keys
                .into_iter()
                .map(|key| key.map_or_else(|| a.clone(), |key| self.moved(a, state, key)))
                .collect());
        }
        let digits = hoist(a.c1(), self.ring());
        let moving: Vec<&GaloisKey> = keys.iter().flatten().copied().collect();
        let mut moved = moving.chunks(TOGETHER).flat_map(|keys| {
            let keys = keys.iter().map(|key| (&key.key, after(a, key))).collect();
            switch_hoisted(&digits, keys, self.ring())
        });
        let rotated = keys.iter().map(|key| match key {
            None => Some(a.clone()),
            Some(_) => moved.next().map(|[c0, c1]| self.wrap(c0, c1, state)),
        });
        Ok(rotated.flatten().collect())
    }

    /// `sum rotate(a_i, r_i)`: the switched halves are permuted and added over QP, one division by P. An operand
    /// that occurs several times is decomposed once.
    pub(super) fn sum_of_rotations(&self, terms: &[(&Ciphertext, Rotation)]) -> Result<Ciphertext> {
        let op = "sum_rotated";
        let state = self.common_state(op, terms.iter().map(|t| t.0))?;
        let (ring, slots) = (self.ring(), self.params.slots());
        // Keys first: nothing is computed if one is missing.
        let keys = terms
            .iter()
            .map(|(_, r)| r.normalized(slots))
            .map(|r| match r.0 {
                0 => Ok(None),
                _ => self
                    .galois_key(op, KeyId::Rotation(r), state.level)
                    .map(Some),
            })
            .collect::<Result<Vec<_>>>()?;
        let mut still: Vec<&Ciphertext> = Vec::new();
        let mut moving: Vec<(&Ciphertext, &GaloisKey)> = Vec::new();
        for ((a, _), key) in terms.iter().zip(keys) {
            match key {
                None => still.push(a),
                Some(key) => moving.push((a, key)),
            }
        }
        let shared = SharedDigits::new(moving.iter().map(|t| t.0), ring);
        // Sums modulo primes are exact: how the terms are shared among threads does not show.
        let share = moving.len().div_ceil(par::threads()).max(1);
        let parts = par::map(moving.chunks(share).collect(), |part| {
            sum_moved(part, &shared, ring)
        });
        let moved = parts
            .into_iter()
            .flatten()
            .reduce(|(mut u, mut c0), (v, x)| {
                u.iter_mut()
                    .zip(&v)
                    .for_each(|(u, v)| u.add_assign(v, ring));
                c0.add_assign(&x, ring);
                (u, c0)
            });
        let divided = moved.map(|([u0, u1], moved_c0)| {
            let [mut c0, c1] = mod_down_pair(&u0, &u1, 0, ring);
            c0.add_assign(&moved_c0, ring);
            [c0, c1]
        });
        let total = still
            .into_iter()
            .map(|a| [a.c0().clone(), a.c1().clone()])
            .chain(divided)
            .reduce(|[mut c0, mut c1], [x, y]| {
                c0.add_assign(&x, ring);
                c1.add_assign(&y, ring);
                [c0, c1]
            });
        let [c0, c1] = total.ok_or(Error::EmptySum { op })?;
        Ok(self.wrap(c0, c1, state))
    }
}

/// `(sum phi_i(u_i), sum phi_i(a_i0))` for the switched halves `u_i` over QP; none for no terms.
fn sum_moved(
    terms: &[(&Ciphertext, &GaloisKey)],
    shared: &SharedDigits,
    ring: &Ring,
) -> Option<(PairQp, Poly<Ntt>)> {
    let limbs = terms.first()?.0.limbs();
    let mut sum = [PolyQp::zero(ring, limbs), PolyQp::zero(ring, limbs)];
    let mut sum_c0: Option<Poly<Ntt>> = None;
    for (a, key) in terms {
        let (vector, element) = (key.key.vector(), key.element);
        match shared.of(a) {
            Some(digits) => digits.add_turned(vector, None, element, &mut sum, ring),
            None => Digits::new(a.c1(), ring).add_turned(vector, None, element, &mut sum, ring),
        }
        let c0 = a.c0().automorphism(element, ring);
        match &mut sum_c0 {
            None => sum_c0 = Some(c0),
            Some(sum) => sum.add_assign(&c0, ring),
        }
    }
    Some((sum, sum_c0?))
}

/// The digits of operands that are rotated more than once; operands are told apart by their address.
struct SharedDigits {
    digits: HashMap<usize, ExpandedDigits>,
}

impl SharedDigits {
    fn new<'a>(operands: impl Iterator<Item = &'a Ciphertext>, ring: &Ring) -> Self {
        let mut count: HashMap<usize, (usize, &Ciphertext)> = HashMap::new();
        for a in operands {
            count
                .entry(std::ptr::from_ref(a).addr())
                .or_insert((0, a))
                .0 += 1;
        }
        let repeated: Vec<(usize, &Ciphertext)> = count
            .into_iter()
            .filter(|(_, (times, _))| *times > 1)
            .map(|(address, (_, a))| (address, a))
            .collect();
        SharedDigits {
            digits: par::map(repeated, |(address, a)| (address, hoist(a.c1(), ring)))
                .into_iter()
                .collect(),
        }
    }

    fn of(&self, a: &Ciphertext) -> Option<&ExpandedDigits> {
        self.digits.get(&std::ptr::from_ref(a).addr())
    }
}

/// What follows the switch of `a_1`: `a_0` is added, the automorphism applied.
fn after<'a>(a: &'a Ciphertext, key: &GaloisKey) -> Then<'a> {
    Then {
        plus: [Some(a.c0().into()), None],
        drop: 0,
        automorphism: Some(key.element),
    }
}
