//! The instruction set with bootstrapping: what a program runs on.

use std::sync::Arc;

use girih_ckks::{Ciphertext, Constant, Encodings, Evaluator as Scheme};
use girih_he::{Bootstrap, Bootstrapping, Error, Evaluator, GiantStep, Level, Leveled};
use girih_he::{ConstantValues, Result, Rotation, rules};

use crate::Bootstrapper;

/// The evaluator of the scheme, and a bootstrapping if the parameters have one. Cloning shares keys and matrices.
#[derive(Clone)]
pub struct BootstrapEvaluator {
    scheme: Scheme,
    bootstrapper: Option<(Arc<Bootstrapper>, Bootstrapping)>,
}

impl BootstrapEvaluator {
    /// An evaluator that bootstraps as `bootstrapping` says.
    #[must_use]
    pub fn new(bootstrapper: Bootstrapper, bootstrapping: Bootstrapping) -> Self {
        BootstrapEvaluator {
            scheme: bootstrapper.evaluator().clone(),
            bootstrapper: Some((Arc::new(bootstrapper), bootstrapping)),
        }
    }

    /// An evaluator that refuses to bootstrap.
    #[must_use]
    pub fn leveled(scheme: Scheme) -> Self {
        BootstrapEvaluator {
            scheme,
            bootstrapper: None,
        }
    }

    /// Another way to treat the encodings of the program's constants that were not prepared; those of the bootstrapping are kept.
    #[must_use]
    pub fn with_encodings(mut self, encodings: Encodings) -> Self {
        self.scheme = self.scheme.with_encodings(encodings);
        self
    }

    /// The evaluator of the scheme.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// What bootstraps.
    #[must_use]
    pub fn bootstrapper(&self) -> Option<&Bootstrapper> {
        self.bootstrapper.as_ref().map(|(b, _)| &**b)
    }
}

impl Bootstrap for BootstrapEvaluator {
    fn bootstrapping(&self) -> Option<&Bootstrapping> {
        self.bootstrapper.as_ref().map(|(_, b)| b)
    }

    fn bootstrap(&self, a: &Ciphertext) -> Result<Ciphertext> {
        let op = "bootstrap";
        let (bootstrapper, bootstrapping) =
            self.bootstrapper
                .as_ref()
                .ok_or_else(|| Error::Unsupported {
                    op,
                    why: "choose parameters with a bootstrapping".into(),
                })?;
        let state = girih_he::State {
            level: a.level(),
            product: a.is_product(),
        };
        rules::bootstrap(state, bootstrapping)?;
        bootstrapper.bootstrap(a).map_err(|e| match e {
            crate::Error::He(error) => error,
            other => Error::Scheme {
                op,
                why: other.to_string(),
            },
        })
    }
}

impl Evaluator for BootstrapEvaluator {
    type Ciphertext = Ciphertext;
    type Plaintext = Constant;

    fn slots(&self) -> usize {
        self.scheme.slots()
    }

    fn constant(&self, name: &str, values: &[f64]) -> Result<Constant> {
        self.scheme.constant(name, values)
    }

    fn constant_of(&self, name: &str, values: &ConstantValues) -> Result<Constant> {
        self.scheme.constant_of(name, values)
    }

    fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.scheme.add(a, b)
    }

    fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.scheme.sub(a, b)
    }

    fn neg(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.scheme.neg(a)
    }

    fn add_plain(&self, a: &Ciphertext, p: &Constant) -> Result<Ciphertext> {
        self.scheme.add_plain(a, p)
    }

    fn mul_plain(&self, a: &Ciphertext, p: &Constant) -> Result<Ciphertext> {
        self.scheme.mul_plain(a, p)
    }

    fn add_scalar(&self, a: &Ciphertext, s: f64) -> Result<Ciphertext> {
        self.scheme.add_scalar(a, s)
    }

    fn mul_scalar(&self, a: &Ciphertext, s: f64) -> Result<Ciphertext> {
        self.scheme.mul_scalar(a, s)
    }

    fn mul(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.scheme.mul(a, b)
    }

    fn rotate(&self, a: &Ciphertext, by: Rotation) -> Result<Ciphertext> {
        self.scheme.rotate(a, by)
    }

    fn conjugate(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.scheme.conjugate(a)
    }

    fn rotate_many(&self, a: &Ciphertext, by: &[Rotation]) -> Result<Vec<Ciphertext>> {
        self.scheme.rotate_many(a, by)
    }

    fn dot_plain(&self, terms: &[(&Ciphertext, &Constant)]) -> Result<Ciphertext> {
        self.scheme.dot_plain(terms)
    }

    fn dot(&self, terms: &[(&Ciphertext, &Ciphertext)]) -> Result<Ciphertext> {
        self.scheme.dot(terms)
    }

    fn sum_rotated(&self, terms: &[(&Ciphertext, Rotation)]) -> Result<Ciphertext> {
        self.scheme.sum_rotated(terms)
    }

    fn dot_affine(
        &self,
        products: &[(&Ciphertext, &Ciphertext)],
        linear: &[(&Ciphertext, f64)],
        constant: f64,
    ) -> Result<Ciphertext> {
        self.scheme.dot_affine(products, linear, constant)
    }

    fn sum_rotated_products(
        &self,
        giants: &[GiantStep<&Ciphertext, &Constant>],
    ) -> Result<Ciphertext> {
        self.scheme.sum_rotated_products(giants)
    }

    fn horner_rotated_products(
        &self,
        giants: &[GiantStep<&Ciphertext, &Constant>],
    ) -> Result<Ciphertext> {
        self.scheme.horner_rotated_products(giants)
    }
}

impl Leveled for BootstrapEvaluator {
    fn level(&self, a: &Ciphertext) -> Level {
        Leveled::level(&self.scheme, a)
    }

    fn is_product(&self, a: &Ciphertext) -> bool {
        Leveled::is_product(&self.scheme, a)
    }

    fn rescale(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.scheme.rescale(a)
    }

    fn drop_to(&self, a: &Ciphertext, level: Level) -> Result<Ciphertext> {
        self.scheme.drop_to(a, level)
    }

    fn dot_rescaled(&self, terms: &[(&Ciphertext, &Ciphertext)]) -> Result<Ciphertext> {
        self.scheme.dot_rescaled(terms)
    }

    fn dot_affine_rescaled(
        &self,
        products: &[(&Ciphertext, &Ciphertext)],
        linear: &[(&Ciphertext, f64)],
        constant: f64,
        level: Level,
    ) -> Result<Ciphertext> {
        self.scheme
            .dot_affine_rescaled(products, linear, constant, level)
    }

    fn sum_rotated_products_rescaled(
        &self,
        giants: &[GiantStep<&Ciphertext, &Constant>],
    ) -> Result<Ciphertext> {
        self.scheme.sum_rotated_products_rescaled(giants)
    }

    fn horner_rotated_products_rescaled(
        &self,
        giants: &[GiantStep<&Ciphertext, &Constant>],
    ) -> Result<Ciphertext> {
        self.scheme.horner_rotated_products_rescaled(giants)
    }
}
