//! The raising of the modulus, and products with the imaginary unit.

use girih_he::{Error, Level, Result, State};
use girih_rns::{Coeff, Ntt, Poly};

use super::{Evaluator, scheme};
use crate::{Ciphertext, EncapsulationKeys};

impl Evaluator {
    /// A ciphertext of level 0 as one of a higher level: the coefficients of its message become `m + q_0 I` for a
    /// polynomial `I` of small integers, `q_0` being the modulus of level 0.
    ///
    /// The result counts as canonical at its level: a slot holds `(m + q_0 I) / scale(level)`, for `m` at `scale(0)`. With
    /// encapsulation by a secret of weight `h` the integers are below about `6 sqrt(h / 12)` in magnitude, without it
    /// below `6 sqrt(N / 18)`. Cost: one key switch at the bottom and one at the top, `2 l` transforms.
    ///
    /// # Errors
    /// A ciphertext above level 0 or at the product scale; a level above the top; keys of other parameters.
    pub fn raise_modulus(
        &self,
        a: &Ciphertext,
        level: Level,
        keys: Option<&EncapsulationKeys>,
    ) -> Result<Ciphertext> {
        let op = "raise_modulus";
        let state = self.own(op, a)?;
        if state.level != Level(0) || state.product {
            return Err(Error::LevelMismatch {
                op,
                lhs: state.level,
                rhs: Level(0),
            });
        }
        if keys.is_some_and(|keys| *keys.params() != self.params) {
            return Err(scheme(
                op,
                "the encapsulation keys belong to other parameters",
            ));
        }
        if level > self.params.top() {
            return Err(Error::LevelMismatch {
                op,
                lhs: level,
                rhs: self.params.top(),
            });
        }
        let ring = self.ring();
        let limbs = self.params.chain().limbs(level);
        let raise = |c: Poly<Ntt>| c.into_coeff(ring).extended(limbs, ring).into_ntt(ring);
        let [c0, c1] = match keys {
            None => [raise(a.c0().clone()), raise(a.c1().clone())],
            Some(keys) => keys.leave(&keys.enter(a).map(raise)),
        };
        let state = State {
            level,
            product: false,
        };
        Ok(self.wrap(c0, c1, state))
    }

    /// `i a` in every slot: a product with `X^(N/2)`, exact, without a level.
    ///
    /// # Errors
    /// A ciphertext of other parameters.
    pub fn mul_imaginary(&self, a: &Ciphertext) -> Result<Ciphertext> {
        let state = self.own("mul_imaginary", a)?;
        let (ring, n) = (self.ring(), self.params.n());
        let mut monomial = vec![0i64; n];
        monomial[n / 2] = 1;
        let unit = Poly::<Coeff>::from_i64(ring, a.limbs(), &monomial).into_ntt(ring);
        Ok(self.wrap(a.c0().mul(&unit, ring), a.c1().mul(&unit, ring), state))
    }
}
