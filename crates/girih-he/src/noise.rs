//! Predicts the error of an encrypted run: values with the variance of their error, slot by slot.

use std::sync::Arc;

use crate::values::{check_scalar, padded, rotated};
use crate::{
    Bootstrap, Bootstrapping, Error, Evaluator, HeProfile, Level, Leveled, Result, Rotation, State,
    rules,
};

/// Variance of rounding one number to an integer: uniform on an interval of length one.
const ROUNDING_VARIANCE: f64 = 1.0 / 12.0;

/// Clear arithmetic that carries, for every slot, the variance of the error an encrypted run has.
///
/// Errors of different origin are taken as independent, those of one value met twice (`a + a`,
/// `a ⊙ a`) as equal. With the scale `s(l)` of level `l` from the profile, and `S` the scale of the
/// operand (`s(l)`, or `s(l)²` for a product not rescaled):
///
/// | operation | variance of the error |
/// |---|---|
/// | fresh | `(fresh / s(l))²` |
/// | `a ± b` | `σa² + σb²` |
/// | `a + p` | `σa² + (encoding / S)²` |
/// | `a ⊙ p` | `p² σa² + a² (encoding / s(l))²` |
/// | `a · c`, `a + c` | `c² σa² + a² / 12 s(l)²`, `σa² + 1 / 12 S²` |
/// | `a ⊙ b` | `a² σb² + b² σa² + σa² σb² + (key_switch / s(l)²)²` |
/// | rotation, conjugation | moved, `+ (key_switch / S)²` |
/// | `rescale`, `drop_to` to `l` | `+ (rescale / s(l))²` |
/// | bootstrapping | `+ error²` |
///
/// Composites are taken by their parts, which bounds the fused paths from above; linear terms of `dot_affine_rescaled` are
/// lowered without an error of their own.
#[derive(Clone, Debug)]
pub struct NoiseEvaluator {
    profile: HeProfile,
}

/// Values and the variances of their errors, one per slot.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisyVector {
    values: Arc<[f64]>,
    variance: Arc<[f64]>,
    state: State,
}

impl NoisyVector {
    /// The exact values, one per slot.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Standard deviation of the error, one per slot.
    #[must_use]
    pub fn std(&self) -> Vec<f64> {
        self.variance.iter().map(|v| v.sqrt()).collect()
    }

    /// The largest standard deviation among the slots.
    #[must_use]
    pub fn max_std(&self) -> f64 {
        self.variance.iter().fold(0.0, |m: f64, &v| m.max(v)).sqrt()
    }

    /// Level and product flag.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    fn is(&self, other: &NoisyVector) -> bool {
        Arc::ptr_eq(&self.variance, &other.variance)
    }
}

impl NoiseEvaluator {
    /// An evaluator with the scales and errors of `profile`.
    ///
    /// # Errors
    /// The profile has no level, no slot, or a scale or error that is not finite.
    pub fn try_new(profile: HeProfile) -> Result<Self> {
        let noise = profile.noise;
        let unusable = |why: &str| Error::Unsupported {
            op: "noise prediction",
            why: why.to_owned(),
        };
        if profile.log_scale.is_empty() {
            return Err(unusable("the profile has no level"));
        }
        if !(1..=crate::MAX_SLOTS).contains(&profile.slots) {
            return Err(unusable("the profile needs 1 to 2^30 slots"));
        }
        let errors = [noise.fresh, noise.encoding, noise.rescale, noise.key_switch];
        if let Some(b) = &profile.bootstrapping
            && (b.output > profile.top() || b.input > b.output || !b.error.is_finite())
        {
            return Err(unusable(
                "the bootstrapping has levels beyond the top or an error that is not finite",
            ));
        }
        if !profile
            .log_scale
            .iter()
            .chain(&errors)
            .all(|x| x.is_finite())
        {
            return Err(unusable("the profile holds a number that is not finite"));
        }
        Ok(NoiseEvaluator { profile })
    }

    /// A fresh ciphertext at the top level, filled with zeros.
    ///
    /// # Errors
    /// More values than slots, or a value that is not finite.
    pub fn fresh(&self, values: &[f64]) -> Result<NoisyVector> {
        let state = State {
            level: self.profile.top(),
            product: false,
        };
        let values = padded("fresh", values, self.profile.slots)?;
        let variance = self.variance_of(self.profile.noise.fresh, state);
        Ok(NoisyVector {
            variance: vec![variance; values.len()].into(),
            values,
            state,
        })
    }

    /// The variance, as a value in `state`, of an error of `std` in units of the coefficients.
    fn variance_of(&self, std: f64, state: State) -> f64 {
        let log_scale = self.profile.log_scale[state.level.0 as usize];
        let log_scale = if state.product {
            2.0 * log_scale
        } else {
            log_scale
        };
        (std * (-log_scale).exp2()).powi(2)
    }

    fn own(&self, op: &'static str, a: &NoisyVector) -> Result<()> {
        if a.values.len() == self.profile.slots && a.state.level <= self.profile.top() {
            Ok(())
        } else {
            Err(Error::ForeignOperand { op })
        }
    }

    fn plain(&self, op: &'static str, p: &[f64]) -> Result<()> {
        if p.len() == self.profile.slots {
            Ok(())
        } else {
            Err(Error::ForeignOperand { op })
        }
    }

    /// `f(value, variance)` in every slot.
    fn map(
        &self,
        op: &'static str,
        a: &NoisyVector,
        state: State,
        f: impl Fn(f64, f64) -> (f64, f64),
    ) -> Result<NoisyVector> {
        self.own(op, a)?;
        let (values, variance): (Vec<_>, Vec<_>) = a
            .values
            .iter()
            .zip(&*a.variance)
            .map(|(&x, &v)| f(x, v))
            .unzip();
        Ok(NoisyVector {
            values: values.into(),
            variance: variance.into(),
            state,
        })
    }

    /// `f((value, variance), (value, variance))` in every slot.
    fn zip(
        &self,
        op: &'static str,
        a: &NoisyVector,
        b: &NoisyVector,
        state: State,
        f: impl Fn((f64, f64), (f64, f64)) -> (f64, f64),
    ) -> Result<NoisyVector> {
        self.own(op, a)?;
        self.own(op, b)?;
        let pairs = a
            .values
            .iter()
            .zip(&*a.variance)
            .zip(b.values.iter().zip(&*b.variance));
        let (values, variance): (Vec<_>, Vec<_>) =
            pairs.map(|((&x, &v), (&y, &w))| f((x, v), (y, w))).unzip();
        Ok(NoisyVector {
            values: values.into(),
            variance: variance.into(),
            state,
        })
    }

    fn plus_variance(
        &self,
        op: &'static str,
        a: &NoisyVector,
        extra: f64,
        state: State,
    ) -> Result<NoisyVector> {
        self.map(op, a, state, |x, v| (x, v + extra))
    }

    fn key_switch(&self, state: State) -> f64 {
        self.variance_of(self.profile.noise.key_switch, state)
    }

    /// `a ⊙ b` before relinearisation.
    fn tensor(&self, op: &'static str, a: &NoisyVector, b: &NoisyVector) -> Result<NoisyVector> {
        let state = rules::product(op, a.state, b.state)?;
        if a.is(b) {
            // (x + e)² = x² + 2 x e + e², with E[e⁴] = 3 σ⁴ for a Gaussian error.
            return self.map(op, a, state, |x, v| (x * x, 4.0 * x * x * v + 2.0 * v * v));
        }
        self.zip(op, a, b, state, |(x, v), (y, w)| {
            (x * y, x * x * w + y * y * v + v * w)
        })
    }
}

impl NoiseEvaluator {
    /// `Σ aᵢ ⊙ bᵢ` before relinearisation; a product that occurs several times has one error.
    fn tensors(
        &self,
        op: &'static str,
        terms: &[(&NoisyVector, &NoisyVector)],
    ) -> Result<NoisyVector> {
        let same = |x: &(&NoisyVector, &NoisyVector), y: &(&NoisyVector, &NoisyVector)| {
            x.0.is(y.0) && x.1.is(y.1)
        };
        let mut sum: Option<NoisyVector> = None;
        for (i, term) in terms.iter().enumerate() {
            // The first of several equal products bears the error of them all.
            let repeated = terms[..i].iter().any(|earlier| same(earlier, term));
            let times = match repeated {
                true => 0.0,
                false => terms.iter().filter(|t| same(t, term)).count() as f64,
            };
            let product = self.tensor(op, term.0, term.1)?;
            let product = self.map(op, &product, product.state, |x, v| (x, times * times * v))?;
            sum = Some(match sum {
                None => product,
                Some(sum) => self.add(&sum, &product)?,
            });
        }
        sum.ok_or(Error::EmptySum { op })
    }
}

impl Evaluator for NoiseEvaluator {
    type Ciphertext = NoisyVector;
    type Plaintext = Arc<[f64]>;

    fn slots(&self) -> usize {
        self.profile.slots
    }

    fn constant(&self, name: &str, values: &[f64]) -> Result<Arc<[f64]>> {
        padded(name, values, self.profile.slots)
    }

    fn add(&self, a: &NoisyVector, b: &NoisyVector) -> Result<NoisyVector> {
        let state = rules::sum("add", a.state, b.state)?;
        if a.is(b) {
            return self.map("add", a, state, |x, v| (2.0 * x, 4.0 * v));
        }
        self.zip("add", a, b, state, |(x, v), (y, w)| (x + y, v + w))
    }

    fn sub(&self, a: &NoisyVector, b: &NoisyVector) -> Result<NoisyVector> {
        let state = rules::sum("sub", a.state, b.state)?;
        if a.is(b) {
            return self.map("sub", a, state, |_, _| (0.0, 0.0));
        }
        self.zip("sub", a, b, state, |(x, v), (y, w)| (x - y, v + w))
    }

    fn neg(&self, a: &NoisyVector) -> Result<NoisyVector> {
        self.map("neg", a, a.state, |x, v| (-x, v))
    }

    fn add_plain(&self, a: &NoisyVector, p: &Arc<[f64]>) -> Result<NoisyVector> {
        self.own("add_plain", a)?;
        self.plain("add_plain", p)?;
        let rounding = self.variance_of(self.profile.noise.encoding, a.state);
        let values = a.values.iter().zip(&**p).map(|(x, y)| x + y).collect();
        let variance = a.variance.iter().map(|v| v + rounding).collect();
        Ok(NoisyVector {
            values,
            variance,
            state: a.state,
        })
    }

    fn mul_plain(&self, a: &NoisyVector, p: &Arc<[f64]>) -> Result<NoisyVector> {
        let state = rules::product_plain("mul_plain", a.state)?;
        self.own("mul_plain", a)?;
        self.plain("mul_plain", p)?;
        let rounding = self.variance_of(self.profile.noise.encoding, a.state);
        let values = a.values.iter().zip(&**p).map(|(x, y)| x * y).collect();
        let variance = a.values.iter().zip(&*a.variance).zip(&**p);
        let variance = variance
            .map(|((x, v), y)| y * y * v + (x * x + v) * rounding)
            .collect();
        Ok(NoisyVector {
            values,
            variance,
            state,
        })
    }

    fn add_scalar(&self, a: &NoisyVector, s: f64) -> Result<NoisyVector> {
        check_scalar("add_scalar", s)?;
        let rounding = self.variance_of(ROUNDING_VARIANCE.sqrt(), a.state);
        self.map("add_scalar", a, a.state, |x, v| (x + s, v + rounding))
    }

    fn mul_scalar(&self, a: &NoisyVector, s: f64) -> Result<NoisyVector> {
        check_scalar("mul_scalar", s)?;
        let state = rules::product_plain("mul_scalar", a.state)?;
        let rounding = self.variance_of(ROUNDING_VARIANCE.sqrt(), a.state);
        self.map("mul_scalar", a, state, |x, v| {
            (x * s, s * s * v + (x * x + v) * rounding)
        })
    }

    fn mul(&self, a: &NoisyVector, b: &NoisyVector) -> Result<NoisyVector> {
        let product = self.tensor("mul", a, b)?;
        self.plus_variance(
            "mul",
            &product,
            self.key_switch(product.state),
            product.state,
        )
    }

    fn rotate(&self, a: &NoisyVector, by: Rotation) -> Result<NoisyVector> {
        self.own("rotate", a)?;
        if by.is_identity(self.profile.slots) {
            return Ok(a.clone());
        }
        let extra = self.key_switch(a.state);
        let mut variance = rotated(&a.variance, by);
        variance.iter_mut().for_each(|v| *v += extra);
        Ok(NoisyVector {
            values: rotated(&a.values, by).into(),
            variance: variance.into(),
            state: a.state,
        })
    }

    fn conjugate(&self, a: &NoisyVector) -> Result<NoisyVector> {
        self.plus_variance("conjugate", a, self.key_switch(a.state), a.state)
    }

    /// Relinearised once: one key switch for the whole sum.
    /// Without the products one by one.
    fn dot_plain(&self, terms: &[(&NoisyVector, &Arc<[f64]>)]) -> Result<NoisyVector> {
        let mut state = None;
        let mut values = vec![0.0; self.profile.slots];
        let mut variance = vec![0.0; self.profile.slots];
        for (a, p) in terms {
            let product = rules::product_plain("dot_plain", a.state)?;
            state = Some(match state {
                Some(sum) => rules::sum("dot_plain", sum, product)?,
                None => product,
            });
            self.own("dot_plain", a)?;
            self.plain("dot_plain", p)?;
            let rounding = self.variance_of(self.profile.noise.encoding, a.state);
            let sums = values.iter_mut().zip(&mut variance);
            let factors = a.values.iter().zip(&*a.variance).zip(&***p);
            for ((value, variance), ((x, v), y)) in sums.zip(factors) {
                *value += x * y;
                *variance += y * y * v + (x * x + v) * rounding;
            }
        }
        Ok(NoisyVector {
            values: values.into(),
            variance: variance.into(),
            state: state.ok_or(Error::EmptySum { op: "dot_plain" })?,
        })
    }

    fn dot(&self, terms: &[(&NoisyVector, &NoisyVector)]) -> Result<NoisyVector> {
        let sum = self.tensors("dot", terms)?;
        self.plus_variance("dot", &sum, self.key_switch(sum.state), sum.state)
    }
}

impl Leveled for NoiseEvaluator {
    fn level(&self, a: &NoisyVector) -> Level {
        a.state.level
    }

    fn is_product(&self, a: &NoisyVector) -> bool {
        a.state.product
    }

    fn rescale(&self, a: &NoisyVector) -> Result<NoisyVector> {
        let state = rules::rescale(a.state)?;
        self.plus_variance(
            "rescale",
            a,
            self.variance_of(self.profile.noise.rescale, state),
            state,
        )
    }

    fn drop_to(&self, a: &NoisyVector, level: Level) -> Result<NoisyVector> {
        let state = rules::drop_to(a.state, level)?;
        self.own("drop_to", a)?;
        if state == a.state {
            return Ok(a.clone());
        }
        self.plus_variance(
            "drop_to",
            a,
            self.variance_of(self.profile.noise.rescale, state),
            state,
        )
    }

    /// Linear terms are lowered without a rounding: only their coefficients are rounded.
    fn dot_affine_rescaled(
        &self,
        products: &[(&NoisyVector, &NoisyVector)],
        linear: &[(&NoisyVector, f64)],
        constant: f64,
        level: Level,
    ) -> Result<NoisyVector> {
        let op = "dot_affine_rescaled";
        let above = State {
            level: level.above(op)?,
            product: false,
        };
        let mut total = match products {
            [] => None,
            _ => {
                let sum = self.tensors(op, products)?;
                rules::sum(op, products[0].0.state, above)?;
                Some(self.plus_variance(op, &sum, self.key_switch(sum.state), sum.state)?)
            }
        };
        for (x, c) in linear {
            check_scalar(op, *c)?;
            let state = rules::product_plain(op, rules::drop_to(x.state, above.level)?)?;
            // The coefficient is an integer over scale(above)^2 / scale(x).
            let log_scale = |level: Level| self.profile.log_scale[level.0 as usize];
            let log_factor = 2.0 * log_scale(above.level) - log_scale(x.state.level);
            let rounding = ROUNDING_VARIANCE * (-2.0 * log_factor).exp2();
            let term = self.map(op, x, state, |x, v| {
                (x * c, c * c * v + (x * x + v) * rounding)
            })?;
            total = Some(match total {
                None => term,
                Some(total) => self.add(&total, &term)?,
            });
        }
        let total = total.ok_or(Error::EmptySum { op })?;
        self.rescale(&self.add_scalar(&total, constant)?)
    }
}

impl Bootstrap for NoiseEvaluator {
    fn bootstrapping(&self) -> Option<&Bootstrapping> {
        self.profile.bootstrapping.as_ref()
    }

    fn bootstrap(&self, a: &NoisyVector) -> Result<NoisyVector> {
        self.own("bootstrap", a)?;
        let bootstrapping = rules::bootstrapping(self.profile.bootstrapping.as_ref())?;
        bootstrapping.check(&a.values)?;
        let state = rules::bootstrap(a.state, bootstrapping)?;
        self.plus_variance("bootstrap", a, bootstrapping.error.powi(2), state)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testkit;

    fn evaluator() -> NoiseEvaluator {
        NoiseEvaluator::try_new(testkit::profile(4, 2)).unwrap()
    }

    #[test]
    fn formulas() {
        let eval = evaluator();
        let noise = eval.profile.noise;
        let s = 40f64.exp2();
        let a = eval.fresh(&[2.0, 0.0]).unwrap();
        assert_eq!(a.max_std(), noise.fresh / s);
        let b = eval.fresh(&[3.0, 0.0]).unwrap();
        let product = eval.mul(&a, &b).unwrap();
        let fresh = (noise.fresh / s).powi(2);
        let expected = 13.0 * fresh + fresh * fresh + (noise.key_switch / (s * s)).powi(2);
        assert!((product.variance[0] / expected - 1.0).abs() < 1e-12);
        let low = eval.rescale(&product).unwrap();
        let expected = expected + (noise.rescale / s).powi(2);
        assert!((low.variance[0] / expected - 1.0).abs() < 1e-12);
        let moved = eval.rotate(&low, Rotation(1)).unwrap();
        let expected = expected + (noise.key_switch / s).powi(2);
        assert!((moved.variance[3] / expected - 1.0).abs() < 1e-12);
        assert_eq!(moved.values(), [0.0, 0.0, 0.0, 6.0]);
    }

    #[test]
    fn one_value_twice_is_correlated() {
        let eval = evaluator();
        let a = eval.fresh(&[1.0]).unwrap();
        assert_eq!(eval.add(&a, &a).unwrap().max_std(), 2.0 * a.max_std());
        assert_eq!(eval.sub(&a, &a).unwrap().max_std(), 0.0);
        let other = eval.fresh(&[1.0]).unwrap();
        let sum = eval.add(&a, &other).unwrap().max_std();
        assert!((sum / a.max_std() - 2f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn bootstrapping_adds_its_error() {
        let mut profile = testkit::profile(4, 2);
        profile.bootstrapping = Some(Bootstrapping {
            input: Level(0),
            output: Level(1),
            bound: 1.0,
            error: 1e-4,
            values: crate::SlotValues::Complex,
            slots: 4,
        });
        let eval = NoiseEvaluator::try_new(profile.clone()).unwrap();
        let a = eval
            .drop_to(&eval.fresh(&[0.5, -1.0]).unwrap(), Level(0))
            .unwrap();
        let b = eval.bootstrap(&a).unwrap();
        assert_eq!((b.values(), b.state().level), (a.values(), Level(1)));
        let expected = (a.max_std().powi(2) + 1e-8).sqrt();
        assert!((b.max_std() / expected - 1.0).abs() < 1e-12);
        let large = eval.fresh(&[1.25]).unwrap();
        assert!(matches!(
            eval.bootstrap(&large),
            Err(Error::MessageBound { slot: 0, .. })
        ));
        profile.bootstrapping.as_mut().unwrap().output = Level(3);
        assert!(NoiseEvaluator::try_new(profile).is_err());
    }

    /// The prediction against errors drawn at random, for `(a + b) ⊙ a`.
    #[test]
    fn prediction_meets_samples() {
        let mut profile = testkit::profile(1, 1);
        profile.log_scale = vec![10.0; 2];
        profile.noise.key_switch = 0.0;
        let eval = NoiseEvaluator::try_new(profile).unwrap();
        let (a, b) = (eval.fresh(&[1.5]).unwrap(), eval.fresh(&[-0.25]).unwrap());
        let sum = eval.add(&a, &b).unwrap();
        let third = eval.fresh(&[2.0]).unwrap();
        let predicted = eval.mul(&sum, &third).unwrap().max_std();
        let mut rng = testkit::Lcg::new(1);
        let std = a.max_std();
        let samples = 20_000;
        let mut square = 0.0;
        for _ in 0..samples {
            let mut e = || std * rng.gaussian();
            let exact = 1.25 * 2.0;
            square += ((1.5 + e() - 0.25 + e()) * (2.0 + e()) - exact).powi(2);
        }
        let measured = (square / f64::from(samples)).sqrt();
        assert!(
            (measured / predicted - 1.0).abs() < 0.03,
            "{measured} {predicted}"
        );
    }
}
