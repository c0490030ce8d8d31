//! The oracle: the same operations on plain `f64` vectors.

use std::sync::Arc;

use crate::composite;
use crate::values::{MAX_SLOTS, check_scalar, padded, rotated};
use crate::{
    Bootstrap, Bootstrapping, Error, Evaluator, Level, Leveled, Result, Rotation, State, rules,
};

/// Slot-wise `f64` arithmetic, the meaning of every program.
///
/// [`unlimited`](ClearEvaluator::unlimited) computes anything; [`leveled`](ClearEvaluator::leveled)
/// tracks levels and products and refuses what an encrypted run would refuse (see [`rules`]).
#[derive(Clone, Debug)]
pub struct ClearEvaluator {
    slots: usize,
    top: Option<Level>,
    bootstrapping: Option<Bootstrapping>,
}

/// A vector of one value per slot, with its place in the modulus chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ClearVector {
    values: Arc<[f64]>,
    state: State,
}

impl ClearVector {
    /// The values, one per slot.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Level and product flag (meaningless under an unlimited evaluator).
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }
}

impl ClearEvaluator {
    /// Any number of products, no rescaling needed.
    ///
    /// # Panics
    /// `slots` is zero or above [`MAX_SLOTS`].
    #[must_use]
    pub fn unlimited(slots: usize) -> Self {
        assert!(
            (1..=MAX_SLOTS).contains(&slots),
            "{slots} slots: a program has 1 to 2^30"
        );
        ClearEvaluator {
            slots,
            top: None,
            bootstrapping: None,
        }
    }

    /// Levels are counted from `top` and the [`rules`] enforced.
    ///
    /// # Panics
    /// `slots` is zero or above [`MAX_SLOTS`].
    #[must_use]
    pub fn leveled(slots: usize, top: Level) -> Self {
        ClearEvaluator {
            top: Some(top),
            ..Self::unlimited(slots)
        }
    }

    /// The same with a bootstrapping, whose message bound is checked.
    #[must_use]
    pub fn with_bootstrapping(self, bootstrapping: Option<Bootstrapping>) -> Self {
        ClearEvaluator {
            bootstrapping,
            ..self
        }
    }

    /// The counterpart of encryption: a vector at the top level, filled with zeros.
    ///
    /// # Errors
    /// More values than slots, or a value that is not finite.
    pub fn vector(&self, values: &[f64]) -> Result<ClearVector> {
        let state = State {
            level: self.top.unwrap_or(Level(u8::MAX)),
            product: false,
        };
        Ok(ClearVector {
            values: padded("vector", values, self.slots)?,
            state,
        })
    }

    /// The state a rule gives, or the old one when levels are not counted.
    fn state(&self, a: &ClearVector, rule: impl FnOnce() -> Result<State>) -> Result<State> {
        if self.top.is_some() {
            rule()
        } else {
            Ok(a.state)
        }
    }

    fn own<'a>(&self, op: &'static str, a: &'a ClearVector) -> Result<&'a [f64]> {
        if a.values.len() == self.slots {
            Ok(&a.values)
        } else {
            Err(Error::ForeignOperand { op })
        }
    }

    fn plain<'a>(&self, op: &'static str, p: &'a Arc<[f64]>) -> Result<&'a [f64]> {
        if p.len() == self.slots {
            Ok(p)
        } else {
            Err(Error::ForeignOperand { op })
        }
    }

    fn map(
        &self,
        op: &'static str,
        a: &ClearVector,
        state: State,
        f: impl Fn(f64) -> f64,
    ) -> Result<ClearVector> {
        let values = self.own(op, a)?.iter().map(|&x| f(x)).collect();
        Ok(ClearVector { values, state })
    }
}

fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Arc<[f64]> {
    a.iter().zip(b).map(|(&x, &y)| f(x, y)).collect()
}

impl Evaluator for ClearEvaluator {
    type Ciphertext = ClearVector;
    type Plaintext = Arc<[f64]>;

    fn slots(&self) -> usize {
        self.slots
    }

    fn constant(&self, name: &str, values: &[f64]) -> Result<Arc<[f64]>> {
        padded(name, values, self.slots)
    }

    fn add(&self, a: &ClearVector, b: &ClearVector) -> Result<ClearVector> {
        let state = self.state(a, || rules::sum("add", a.state, b.state))?;
        Ok(ClearVector {
            values: zip(self.own("add", a)?, self.own("add", b)?, |x, y| x + y),
            state,
        })
    }

    fn sub(&self, a: &ClearVector, b: &ClearVector) -> Result<ClearVector> {
        let state = self.state(a, || rules::sum("sub", a.state, b.state))?;
        Ok(ClearVector {
            values: zip(self.own("sub", a)?, self.own("sub", b)?, |x, y| x - y),
            state,
        })
    }

    fn neg(&self, a: &ClearVector) -> Result<ClearVector> {
        self.map("neg", a, a.state, |x| -x)
    }

    fn add_plain(&self, a: &ClearVector, p: &Arc<[f64]>) -> Result<ClearVector> {
        let values = zip(
            self.own("add_plain", a)?,
            self.plain("add_plain", p)?,
            |x, y| x + y,
        );
        Ok(ClearVector {
            values,
            state: a.state,
        })
    }

    fn mul_plain(&self, a: &ClearVector, p: &Arc<[f64]>) -> Result<ClearVector> {
        let state = self.state(a, || rules::product_plain("mul_plain", a.state))?;
        let values = zip(
            self.own("mul_plain", a)?,
            self.plain("mul_plain", p)?,
            |x, y| x * y,
        );
        Ok(ClearVector { values, state })
    }

    fn add_scalar(&self, a: &ClearVector, s: f64) -> Result<ClearVector> {
        check_scalar("add_scalar", s)?;
        self.map("add_scalar", a, a.state, |x| x + s)
    }

    fn mul_scalar(&self, a: &ClearVector, s: f64) -> Result<ClearVector> {
        check_scalar("mul_scalar", s)?;
        let state = self.state(a, || rules::product_plain("mul_scalar", a.state))?;
        self.map("mul_scalar", a, state, |x| x * s)
    }

    fn mul(&self, a: &ClearVector, b: &ClearVector) -> Result<ClearVector> {
        let state = self.state(a, || rules::product("mul", a.state, b.state))?;
        Ok(ClearVector {
            values: zip(self.own("mul", a)?, self.own("mul", b)?, |x, y| x * y),
            state,
        })
    }

    fn rotate(&self, a: &ClearVector, by: Rotation) -> Result<ClearVector> {
        Ok(ClearVector {
            values: rotated(self.own("rotate", a)?, by).into(),
            state: a.state,
        })
    }

    fn conjugate(&self, a: &ClearVector) -> Result<ClearVector> {
        self.own("conjugate", a)?;
        Ok(a.clone())
    }

    /// Without the products one by one.
    fn dot_plain(&self, terms: &[(&ClearVector, &Arc<[f64]>)]) -> Result<ClearVector> {
        let mut state: Option<State> = None;
        let mut values = vec![0.0; self.slots];
        for (a, p) in terms {
            let product = self.state(a, || rules::product_plain("dot_plain", a.state))?;
            state = Some(match state {
                Some(sum) => self.state(a, || rules::sum("dot_plain", sum, product))?,
                None => product,
            });
            let factors = self
                .own("dot_plain", a)?
                .iter()
                .zip(self.plain("dot_plain", p)?);
            for (sum, (x, y)) in values.iter_mut().zip(factors) {
                *sum += x * y;
            }
        }
        Ok(ClearVector {
            values: values.into(),
            state: state.ok_or(Error::EmptySum { op: "dot_plain" })?,
        })
    }
}

impl Leveled for ClearEvaluator {
    fn level(&self, a: &ClearVector) -> Level {
        a.state.level
    }

    fn is_product(&self, a: &ClearVector) -> bool {
        a.state.product
    }

    fn rescale(&self, a: &ClearVector) -> Result<ClearVector> {
        let state = self.state(a, || rules::rescale(a.state))?;
        Ok(ClearVector { state, ..a.clone() })
    }

    fn drop_to(&self, a: &ClearVector, level: Level) -> Result<ClearVector> {
        let state = self.state(a, || rules::drop_to(a.state, level))?;
        Ok(ClearVector { state, ..a.clone() })
    }

    fn dot_affine_rescaled(
        &self,
        products: &[(&ClearVector, &ClearVector)],
        linear: &[(&ClearVector, f64)],
        constant: f64,
        level: Level,
    ) -> Result<ClearVector> {
        match self.top {
            None => self.dot_affine(products, linear, constant),
            Some(_) => composite::dot_affine_rescaled(self, products, linear, constant, level),
        }
    }
}

impl Bootstrap for ClearEvaluator {
    fn bootstrapping(&self) -> Option<&Bootstrapping> {
        self.bootstrapping.as_ref()
    }

    fn bootstrap(&self, a: &ClearVector) -> Result<ClearVector> {
        let values = self.own("bootstrap", a)?;
        let bootstrapping = rules::bootstrapping(self.bootstrapping.as_ref())?;
        bootstrapping.check(values)?;
        let state = self.state(a, || rules::bootstrap(a.state, bootstrapping))?;
        Ok(ClearVector { state, ..a.clone() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rotation_goes_left() {
        let eval = ClearEvaluator::unlimited(4);
        let a = eval.vector(&[0.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            eval.rotate(&a, Rotation(1)).unwrap().values(),
            [1.0, 2.0, 3.0, 0.0]
        );
        assert_eq!(
            eval.rotate(&a, Rotation(-1)).unwrap().values(),
            [3.0, 0.0, 1.0, 2.0]
        );
    }

    #[test]
    fn levels_run_out() {
        let eval = ClearEvaluator::leveled(2, Level(1));
        let a = eval.vector(&[3.0]).unwrap();
        let sq = eval.mul(&a, &a).unwrap();
        assert_eq!(eval.mul(&sq, &sq), Err(Error::NotRescaled { op: "mul" }));
        assert_eq!(eval.add(&sq, &a), Err(Error::MixedScales { op: "add" }));
        let sq = eval.rescale(&sq).unwrap();
        assert_eq!(sq.values(), [9.0, 0.0]);
        assert_eq!(
            eval.mul(&sq, &sq),
            Err(Error::LevelExhausted {
                op: "mul",
                needed: 1,
                left: 0
            })
        );
        assert!(matches!(
            eval.add(&sq, &a),
            Err(Error::LevelMismatch { .. })
        ));
        let low = eval.drop_to(&a, Level(0)).unwrap();
        assert_eq!(eval.add(&sq, &low).unwrap().values(), [12.0, 0.0]);
    }

    #[test]
    fn bootstrapping_gives_levels_to_values_within_the_bound() {
        let eval = ClearEvaluator::leveled(2, Level(3));
        let x = eval.vector(&[0.5, -0.75]).unwrap();
        assert!(matches!(
            eval.bootstrap(&x),
            Err(Error::Unsupported {
                op: "bootstrap",
                ..
            })
        ));
        let eval = eval.with_bootstrapping(Some(Bootstrapping {
            input: Level(1),
            output: Level(2),
            bound: 0.8,
            error: 1e-6,
            values: crate::SlotValues::Real,
            slots: 2,
        }));
        let low = eval.drop_to(&x, Level(1)).unwrap();
        let raised = eval.bootstrap(&low).unwrap();
        assert_eq!(
            (eval.level(&raised), raised.values()),
            (Level(2), x.values())
        );
        assert_eq!(
            eval.level(&eval.bootstrap_to(&low, Level(1)).unwrap()),
            Level(1)
        );
        assert!(eval.bootstrap_to(&low, Level(3)).is_err());
        let lowest = eval.drop_to(&x, Level(0)).unwrap();
        assert!(matches!(
            eval.bootstrap(&lowest),
            Err(Error::LevelExhausted {
                op: "bootstrap",
                needed: 1,
                left: 0
            })
        ));
        let product = eval.mul(&x, &x).unwrap();
        assert!(matches!(
            eval.bootstrap(&product),
            Err(Error::NotRescaled { .. })
        ));
        let large = eval.vector(&[0.1, -0.9]).unwrap();
        assert_eq!(
            eval.bootstrap(&large),
            Err(Error::MessageBound {
                slot: 1,
                value: -0.9,
                bound: 0.8
            })
        );
    }

    #[test]
    fn unlimited_counts_nothing() {
        let eval = ClearEvaluator::unlimited(1);
        let mut a = eval.vector(&[1.5]).unwrap();
        for _ in 0..10 {
            a = eval.mul(&a, &a).unwrap();
            a = eval.add(&a, &eval.vector(&[0.1]).unwrap()).unwrap();
            a = eval.mul_scalar(&a, 0.5).unwrap();
        }
        assert!(a.values()[0].is_finite());
    }
}
