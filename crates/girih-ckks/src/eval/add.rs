//! Sums and negation.

use girih_he::{Result, rules};

use super::{Constant, Evaluator, Use};
use crate::Ciphertext;

impl Evaluator {
    /// `(a_0 + b_0, a_1 + b_1)`.
    pub(super) fn add_ciphertexts(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        let state = rules::sum("add", self.own("add", a)?, self.own("add", b)?)?;
        let ring = self.ring();
        Ok(self.wrap(a.c0().add(b.c0(), ring), a.c1().add(b.c1(), ring), state))
    }

    /// `(a_0 - b_0, a_1 - b_1)`.
    pub(super) fn sub_ciphertexts(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        let state = rules::sum("sub", self.own("sub", a)?, self.own("sub", b)?)?;
        let ring = self.ring();
        Ok(self.wrap(a.c0().sub(b.c0(), ring), a.c1().sub(b.c1(), ring), state))
    }

    /// `(-a_0, -a_1)`.
    pub(super) fn negated(&self, a: &Ciphertext) -> Result<Ciphertext> {
        let state = self.own("neg", a)?;
        let (mut c0, mut c1) = (a.c0().clone(), a.c1().clone());
        c0.neg_assign(self.ring());
        c1.neg_assign(self.ring());
        Ok(self.wrap(c0, c1, state))
    }

    /// `(a_0 + p, a_1)`, the constant encoded at the scale of `a`.
    pub(super) fn add_constant(&self, a: &Ciphertext, p: &Constant) -> Result<Ciphertext> {
        let state = self.own("add_plain", a)?;
        let usage = if state.product {
            Use::ProductTerm
        } else {
            Use::Term
        };
        let term = self.encoded("add_plain", p, state.level, usage, self.encodings)?;
        Ok(self.wrap(a.c0().add(&term, self.ring()), a.c1().clone(), state))
    }

    /// `(a_0 + round(s · scale), a_1)`.
    pub(super) fn add_number(&self, a: &Ciphertext, s: f64) -> Result<Ciphertext> {
        let state = self.own("add_scalar", a)?;
        let integer = self.integer("add_scalar", s, self.scale(state))?;
        let mut c0 = a.c0().clone();
        c0.add_scalar_assign(|i| self.residue(integer, i), self.ring());
        Ok(self.wrap(c0, a.c1().clone(), state))
    }
}
