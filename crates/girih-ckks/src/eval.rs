//! The encrypted implementation of the instruction set.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use girih_he::{ConstantValues, Error, GiantStep, Level, Leveled, Result, Rotation, State, rules};
use girih_rns::{Ntt, Poly, Ring, Weight, par};
use num_complex::Complex64;

use affine::Affine;
pub use constant::{Constant, Encodings, Use, Values};
use transform::{End, Order};

use crate::keys::{EvaluationKeys, GaloisKey, KeyId, SwitchingKey};
use crate::{Ciphertext, Coefficients, Encoder, LevelInfo, Params};

mod add;
mod affine;
mod constant;
mod mul;
mod raise;
mod rescale;
mod rotate;
mod transform;

#[cfg(test)]
mod tests;

/// Relative distance from the canonical scale up to which an operand is taken to be on it: far above the
/// rounding of the chain's recurrence in f64, far below the precision of a message.
const SCALE_TOLERANCE: f64 = 1.0 / (1u64 << 30) as f64;

/// log2 of the largest integer that a number is encoded as, far beyond the square of any scale.
const LARGEST_INTEGER: f64 = 252.0;

/// `digits · 2^zeros`: a number times a scale, exactly as it was rounded to double precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Integer {
    digits: i128,
    zeros: u32,
}

impl From<f64> for Integer {
    /// Of an integer.
    fn from(x: f64) -> Self {
        // What exceeds 2^126 has zeros behind its 53 digits.
        let zeros = (x.abs().log2() - 125.0).max(0.0) as u32;
        Integer {
            digits: (x / f64::from(zeros).exp2()) as i128,
            zeros,
        }
    }
}

/// Computes on ciphertexts with public keys only.
///
/// Implements [`girih_he::Evaluator`] and [`girih_he::Leveled`] with their rules of levels and
/// products ([`girih_he::rules`]); the composites share decompositions, reductions and divisions. Results do not
/// depend on the number of threads. Cloning shares the keys.
#[derive(Clone)]
pub struct Evaluator {
    params: Params,
    encoder: Arc<Encoder>,
    keys: Arc<EvaluationKeys>,
    encodings: Encodings,
}

impl Evaluator {
    /// An evaluator with the keys of one secret (possibly none, see [`EvaluationKeys::empty`]).
    #[must_use]
    pub fn new(keys: impl Into<Arc<EvaluationKeys>>) -> Evaluator {
        let keys = keys.into();
        Evaluator {
            params: keys.params().clone(),
            encoder: Arc::new(Encoder::new(keys.params())),
            keys,
            encodings: Encodings::default(),
        }
    }

    /// The same keys, with another way to treat encodings that were not prepared. Results are the same, bit by bit.
    #[must_use]
    pub fn with_encodings(mut self, encodings: Encodings) -> Evaluator {
        self.encodings = encodings;
        self
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &EvaluationKeys {
        &self.keys
    }

    /// Encodes a constant ahead of its use at `level` and keeps the encoding. Does nothing if it exists.
    ///
    /// Cost: one encoding. Memory: [`Constant::encoded_bytes`].
    ///
    /// # Errors
    /// A level above the top, a constant of other parameters, or values that overflow the modulus.
    pub fn prepare(&self, constant: &Constant, level: Level, usage: Use) -> Result<()> {
        if level > self.params.top() {
            return Err(Error::LevelMismatch {
                op: "prepare",
                lhs: level,
                rhs: self.params.top(),
            });
        }
        let keeping = Encodings::Kept;
        match usage {
            Use::LazyFactor | Use::CompactFactor => self
                .weight("prepare", constant, level, usage, keeping)
                .map(drop),
            _ => self
                .encoded("prepare", constant, level, usage, keeping)
                .map(drop),
        }
    }

    /// [`prepare`](Evaluator::prepare) for many constants, which threads share.
    ///
    /// # Errors
    /// As [`prepare`](Evaluator::prepare).
    pub fn prepare_all(&self, wanted: &[(&Constant, Level, Use)]) -> Result<()> {
        par::map(wanted.iter().collect(), |(constant, level, usage)| {
            self.prepare(constant, *level, *usage)
        })
        .into_iter()
        .collect()
    }

    /// A named constant of complex numbers; shorter input is filled with zeros.
    ///
    /// # Errors
    /// More values than slots, or a value that is not finite.
    pub fn constant_complex(&self, name: &str, values: &[Complex64]) -> Result<Constant> {
        let parts = values.iter().flat_map(|v| [v.re, v.im]);
        self.check_values(name, values.len(), parts)?;
        let values = Values::Complex(values.into());
        Ok(Constant::new(&self.params, name, values))
    }

    fn check_values(
        &self,
        name: &str,
        len: usize,
        mut values: impl Iterator<Item = f64>,
    ) -> Result<()> {
        let slots = self.params.slots();
        if len > slots {
            return Err(Error::TooManyValues {
                name: name.to_owned(),
                len,
                slots,
            });
        }
        match values.by_ref().enumerate().find(|(_, v)| !v.is_finite()) {
            Some((index, value)) => Err(Error::NotFinite {
                name: name.to_owned(),
                index,
                value,
            }),
            None => Ok(()),
        }
    }

    fn ring(&self) -> &Ring {
        self.params.ring()
    }

    /// The scale of a state: canonical, or that of a product.
    fn scale(&self, state: State) -> f64 {
        let chain = self.params.chain();
        match state.product {
            true => chain.product_scale(state.level),
            false => chain.scale(state.level),
        }
    }

    /// The scale of a factor at `level`: the product of a canonical ciphertext with it has scale
    /// `scale(l - 1) q_l`, which rescaling makes canonical.
    fn factor_scale(&self, level: Level) -> f64 {
        let chain = self.params.chain();
        chain.product_scale(level) / chain.scale(level)
    }

    /// The encoding for one of the first three uses: the one that is kept, or a new one.
    fn encoded<'a>(
        &self,
        op: &'static str,
        constant: &'a Constant,
        level: Level,
        usage: Use,
        encodings: Encodings,
    ) -> Result<Cow<'a, Poly<Ntt>>> {
        self.own_constant(op, constant)?;
        if let Some(kept) = constant.encoding(level, usage) {
            return Ok(Cow::Borrowed(kept));
        }
        let product = usage == Use::ProductTerm;
        let scale = match usage {
            Use::Factor | Use::LazyFactor | Use::CompactFactor => self.factor_scale(level),
            Use::Term | Use::ProductTerm => self.scale(State { level, product }),
        };
        let (coefficients, limbs) = self.coefficients(op, constant, level, scale)?;
        let poly = coefficients.to_poly(&coefficients.subring(&self.params), limbs);
        let poly = match usage {
            Use::Factor | Use::LazyFactor | Use::CompactFactor => poly,
            // Sums read whole rows.
            Use::Term | Use::ProductTerm => poly.embedded(self.ring()),
        };
        Ok(match encodings {
            Encodings::Kept => Cow::Borrowed(constant.keep(level, usage, poly)),
            Encodings::Transient => Cow::Owned(poly),
        })
    }

    /// The encoding of a factor over the limbs of `level` and the special primes: the one that is kept, or a new one. One that is not
    /// to be kept is compact.
    fn weight<'a>(
        &self,
        op: &'static str,
        constant: &'a Constant,
        level: Level,
        usage: Use,
        encodings: Encodings,
    ) -> Result<Cow<'a, Weight>> {
        self.own_constant(op, constant)?;
        if let Some(kept) = constant.weight(level) {
            return Ok(Cow::Borrowed(kept));
        }
        let (coefficients, limbs) =
            self.coefficients(op, constant, level, self.factor_scale(level))?;
        let subring = coefficients.subring(&self.params);
        let compact = usage == Use::CompactFactor || encodings == Encodings::Transient;
        let weight = match coefficients.narrow(subring.n()) {
            Some(integers) if compact => Weight::Coefficients(integers),
            _ => Weight::Evaluations(coefficients.to_poly_qp(&subring, limbs)),
        };
        Ok(match encodings {
            Encodings::Kept => Cow::Borrowed(constant.keep_weight(level, weight)),
            Encodings::Transient => Cow::Owned(weight),
        })
    }

    fn own_constant(&self, op: &'static str, constant: &Constant) -> Result<()> {
        match *constant.params() == self.params {
            true => Ok(()),
            false => Err(Error::ForeignOperand { op }),
        }
    }

    /// The coefficients of a constant, those of its period, and the limbs of the level.
    fn coefficients(
        &self,
        op: &'static str,
        constant: &Constant,
        level: Level,
        scale: f64,
    ) -> Result<(Coefficients, usize)> {
        let period = constant.one_period();
        if constant.is_computed()
            && let Values::Real(values) = &period.values
        {
            self.check_values(constant.name(), values.len(), values.iter().copied())?;
        }
        let encoder = self.encoder.narrowed(period.len);
        let coefficients = match &period.values {
            Values::Real(values) => encoder.coefficients(values, scale),
            Values::Complex(values) => encoder.coefficients_complex(values, scale),
        };
        let coefficients = coefficients.map_err(|why| scheme(op, why))?;
        let limbs = coefficients.limbs_at(&self.params, level);
        Ok((coefficients, limbs.map_err(|why| scheme(op, why))?))
    }

    /// `round(value · scale)`.
    fn integer(&self, op: &'static str, value: f64, scale: f64) -> Result<Integer> {
        let scaled = (value * scale).round();
        if !value.is_finite() {
            return Err(Error::NotFinite {
                name: op.to_owned(),
                index: 0,
                value,
            });
        }
        if scaled.abs() >= LARGEST_INTEGER.exp2() {
            return Err(scheme(
                op,
                format!(
                    "{value} times the scale 2^{:.1} exceeds 2^{LARGEST_INTEGER}",
                    scale.log2()
                ),
            ));
        }
        Ok(Integer::from(scaled))
    }

    fn residue(&self, Integer { digits, zeros }: Integer, prime: usize) -> u64 {
        let q = self.ring().modulus(prime);
        let mut r = q.reduce_u128(digits.unsigned_abs());
        if zeros > 0 {
            r = q.mul(r, q.pow(2, zeros.into()));
        }
        if digits < 0 { q.neg(r) } else { r }
    }

    /// The state of an operand of these parameters, which is on one of the two scales of its level.
    fn own(&self, op: &'static str, a: &Ciphertext) -> Result<State> {
        let state = State {
            level: a.level(),
            product: a.is_product(),
        };
        let fits = |info: &LevelInfo| info.limbs == a.limbs() && a.c0().n() == self.params.n();
        if !self.params.chain().get(state.level).is_some_and(fits) {
            return Err(Error::ForeignOperand { op });
        }
        let expected = self.scale(state);
        if (a.scale() / expected - 1.0).abs() > SCALE_TOLERANCE {
            return Err(Error::ScaleMismatch {
                op,
                lhs: a.scale().log2(),
                rhs: expected.log2(),
            });
        }
        Ok(state)
    }

    fn wrap(&self, c0: Poly<Ntt>, c1: Poly<Ntt>, state: State) -> Ciphertext {
        Ciphertext::new(c0, c1, state.level, self.scale(state), state.product)
    }

    fn galois_key(&self, op: &'static str, id: KeyId, level: Level) -> Result<&GaloisKey> {
        let key = match id {
            KeyId::Rotation(r) => self.keys.rotations().get(&r),
            KeyId::Conjugation => self.keys.conjugation(),
            KeyId::Relinearization => None,
        };
        key.filter(|key| key.key.level() >= level)
            .ok_or_else(|| missing(op, id, level))
    }

    fn relinearization_key(&self, op: &'static str, level: Level) -> Result<&SwitchingKey> {
        self.keys
            .relinearization()
            .map(|key| &key.0)
            .filter(|key| key.level() >= level)
            .ok_or_else(|| missing(op, KeyId::Relinearization, level))
    }
}

fn missing(op: &'static str, id: KeyId, level: Level) -> Error {
    Error::MissingKey {
        op,
        key: format!("{id} at {level}"),
    }
}

fn scheme(op: &'static str, why: impl Display) -> Error {
    Error::Scheme {
        op,
        why: why.to_string(),
    }
}

impl girih_he::Evaluator for Evaluator {
    type Ciphertext = Ciphertext;
    type Plaintext = Constant;

    fn slots(&self) -> usize {
        self.params.slots()
    }

    fn constant(&self, name: &str, values: &[f64]) -> Result<Constant> {
        self.check_values(name, values.len(), values.iter().copied())?;
        let values = Values::Real(values.into());
        Ok(Constant::new(&self.params, name, values))
    }

    fn constant_of(&self, name: &str, values: &ConstantValues) -> Result<Constant> {
        match values {
            ConstantValues::Stored(values) => {
                self.check_values(name, values.len(), values.iter().copied())?;
                let values = Values::Real(values.clone());
                Ok(Constant::new(&self.params, name, values))
            }
            computed => Ok(Constant::computed(&self.params, name, computed.clone())),
        }
    }

    fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.add_ciphertexts(a, b)
    }

    fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.sub_ciphertexts(a, b)
    }

    fn neg(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.negated(a)
    }

    fn add_plain(&self, a: &Ciphertext, p: &Constant) -> Result<Ciphertext> {
        self.add_constant(a, p)
    }

    fn mul_plain(&self, a: &Ciphertext, p: &Constant) -> Result<Ciphertext> {
        self.sum_of_plain_products("mul_plain", &[(a, p)])
    }

    fn add_scalar(&self, a: &Ciphertext, s: f64) -> Result<Ciphertext> {
        self.add_number(a, s)
    }

    fn mul_scalar(&self, a: &Ciphertext, s: f64) -> Result<Ciphertext> {
        self.mul_number(a, s)
    }

    fn mul(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.sum_of_products("mul", &[(a, b)])
    }

    fn rotate(&self, a: &Ciphertext, by: Rotation) -> Result<Ciphertext> {
        self.rotated("rotate", a, by)
    }

    fn conjugate(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.conjugated(a)
    }

    fn rotate_many(&self, a: &Ciphertext, by: &[Rotation]) -> Result<Vec<Ciphertext>> {
        self.rotated_many(a, by)
    }

    fn dot_plain(&self, terms: &[(&Ciphertext, &Constant)]) -> Result<Ciphertext> {
        self.sum_of_plain_products("dot_plain", terms)
    }

    fn dot(&self, terms: &[(&Ciphertext, &Ciphertext)]) -> Result<Ciphertext> {
        self.sum_of_products("dot", terms)
    }

    fn sum_rotated(&self, terms: &[(&Ciphertext, Rotation)]) -> Result<Ciphertext> {
        self.sum_of_rotations(terms)
    }

    fn dot_affine(
        &self,
        products: &[(&Ciphertext, &Ciphertext)],
        linear: &[(&Ciphertext, f64)],
        constant: f64,
    ) -> Result<Ciphertext> {
        let sum = Affine {
            products,
            linear,
            constant,
        };
        self.affine("dot_affine", &sum)
    }

    fn sum_rotated_products(
        &self,
        giants: &[GiantStep<&Ciphertext, &Constant>],
    ) -> Result<Ciphertext> {
        let op = "sum_rotated_products";
        self.transformed(op, giants, Order::Sum, End::Product)
    }

    fn horner_rotated_products(
        &self,
        giants: &[GiantStep<&Ciphertext, &Constant>],
    ) -> Result<Ciphertext> {
        let op = "horner_rotated_products";
        self.transformed(op, giants, Order::Horner, End::Product)
    }
}

impl Leveled for Evaluator {
    fn level(&self, a: &Ciphertext) -> Level {
        a.level()
    }

    fn is_product(&self, a: &Ciphertext) -> bool {
        a.is_product()
    }

    fn rescale(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.rescaled(a)
    }

    fn drop_to(&self, a: &Ciphertext, level: Level) -> Result<Ciphertext> {
        let state = rules::drop_to(self.own("drop_to", a)?, level)?;
        self.dropped(a, state.level)
    }

    fn dot_rescaled(&self, terms: &[(&Ciphertext, &Ciphertext)]) -> Result<Ciphertext> {
        self.sum_of_products_rescaled(terms)
    }

    fn dot_affine_rescaled(
        &self,
        products: &[(&Ciphertext, &Ciphertext)],
        linear: &[(&Ciphertext, f64)],
        constant: f64,
        level: Level,
    ) -> Result<Ciphertext> {
        let sum = Affine {
            products,
            linear,
            constant,
        };
        self.affine_rescaled("dot_affine_rescaled", &sum, level)
    }

    fn sum_rotated_products_rescaled(
        &self,
        giants: &[GiantStep<&Ciphertext, &Constant>],
    ) -> Result<Ciphertext> {
        let op = "sum_rotated_products_rescaled";
        self.transformed(op, giants, Order::Sum, End::Rescaled)
    }

    fn horner_rotated_products_rescaled(
        &self,
        giants: &[GiantStep<&Ciphertext, &Constant>],
    ) -> Result<Ciphertext> {
        let op = "horner_rotated_products_rescaled";
        self.transformed(op, giants, Order::Horner, End::Rescaled)
    }
}
