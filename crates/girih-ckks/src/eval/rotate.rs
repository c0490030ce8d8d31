//! Rotations, conjugation and their sums.

use girih_he::{Error, Result, Rotation, State};
use girih_rns::{ExpandedDigits, Ntt, Poly, Ring, Then, mod_down_pair};

use super::Evaluator;
use crate::Ciphertext;
use crate::keys::{GaloisKey, KeyId};
use crate::keyswitch::{PairQp, hoist, switch, switch_hoisted, switch_qp, switch_qp_hoisted};

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
        let [c0, c1] = switch(a.c1(), &key.key, &after(a, key), self.ring());
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
        Ok(keys
            .into_iter()
            .map(|key| match key {
                None => a.clone(),
                Some(key) => {
                    let then = after(a, key);
                    let [c0, c1] = switch_hoisted(&digits, &key.key, &then, self.ring());
                    self.wrap(c0, c1, state)
                }
            })
            .collect())
    }

    /// `sum rotate(a_i, r_i)`: the switched halves are permuted and added over QP, one division by P. An operand
    /// that occurs several times is decomposed once.
    pub(super) fn sum_of_rotations(&self, terms: &[(&Ciphertext, Rotation)]) -> Result<Ciphertext> {
        let op = "sum_rotated";
        let state = self.common_state(op, terms.iter().map(|t| t.0))?;
        let (ring, slots) = (self.ring(), self.params.slots());
        let mut plain: Option<[Poly<Ntt>; 2]> = None;
        let mut switched: Option<PairQp> = None;
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
        let mut shared = SharedDigits::new(
            terms
                .iter()
                .zip(&keys)
                .filter(|(_, k)| k.is_some())
                .map(|(t, _)| t.0),
        );
        for ((a, _), key) in terms.iter().zip(keys) {
            let Some(key) = key else {
                match &mut plain {
                    None => plain = Some([a.c0().clone(), a.c1().clone()]),
                    Some([c0, c1]) => {
                        c0.add_assign(a.c0(), ring);
                        c1.add_assign(a.c1(), ring);
                    }
                }
                continue;
            };
            let moved = match shared.of(a, ring) {
                Some(digits) => switch_qp_hoisted(digits, &key.key, ring),
                None => switch_qp(a.c1(), &key.key, ring),
            };
            match &mut switched {
                None => switched = Some(moved.map(|u| u.automorphism(key.element, ring))),
                Some(sum) => sum
                    .iter_mut()
                    .zip(&moved)
                    .for_each(|(s, u)| s.add_automorphism_assign(u, key.element, ring)),
            }
            let c0 = a.c0().automorphism(key.element, ring);
            match &mut plain {
                None => plain = Some([c0, Poly::zero(ring, a.c0().limbs())]),
                Some([sum, _]) => sum.add_assign(&c0, ring),
            }
        }
        let [mut c0, mut c1] = plain.ok_or(Error::EmptySum { op })?;
        if let Some(switched) = switched {
            let [u0, u1] = mod_down_pair(&switched[0], &switched[1], ring);
            c0.add_assign(&u0, ring);
            c1.add_assign(&u1, ring);
        }
        Ok(self.wrap(c0, c1, state))
    }
}

/// The digits of operands that are rotated more than once; operands are told apart by their address.
struct SharedDigits {
    repeated: Vec<*const Ciphertext>,
    digits: Vec<(*const Ciphertext, ExpandedDigits)>,
}

impl SharedDigits {
    fn new<'a>(operands: impl Iterator<Item = &'a Ciphertext>) -> Self {
        let mut all: Vec<*const Ciphertext> = operands.map(std::ptr::from_ref).collect();
        all.sort_unstable();
        let repeated = all
            .windows(2)
            .filter(|w| w[0] == w[1])
            .map(|w| w[0])
            .collect();
        SharedDigits {
            repeated,
            digits: Vec::new(),
        }
    }

    fn of(&mut self, a: &Ciphertext, ring: &Ring) -> Option<&ExpandedDigits> {
        let address = std::ptr::from_ref(a);
        if !self.repeated.contains(&address) {
            return None;
        }
        let at = match self.digits.iter().position(|d| d.0 == address) {
            Some(at) => at,
            None => {
                self.digits.push((address, hoist(a.c1(), ring)));
                self.digits.len() - 1
            }
        };
        Some(&self.digits[at].1)
    }
}

/// What follows the switch of `a_1`: `a_0` is added, the automorphism applied.
fn after<'a>(a: &'a Ciphertext, key: &GaloisKey) -> Then<'a> {
    Then {
        plus: [Some(a.c0()), None],
        drop: 0,
        automorphism: Some(key.element),
    }
}
