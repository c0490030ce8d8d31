//! Bootstrapping: raise the modulus, go to the coefficients, reduce them modulo `q_0`, come back.

use girih_circuits::evaluation;
use girih_ckks::{Ciphertext, Constant, Evaluator as Scheme, Use};
use girih_he::{Auto, Evaluator, GiantStep, Level, Leveled, Rotation};
use num_complex::Complex64;

use crate::plan::Factor;
use crate::{BootstrapKeys, BootstrapPlan, Error, Result};

/// A stage of the bootstrapping, for those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The modulus has been raised.
    Raised,
    /// The slots hold coefficients.
    Coefficients,
    /// They are reduced modulo `q_0`.
    Reduced,
    /// The slots hold the message.
    Slots,
}

/// Refreshes ciphertexts. Cloning shares keys and matrices.
#[derive(Clone)]
pub struct Bootstrapper {
    plan: BootstrapPlan,
    eval: Auto<Scheme>,
    keys: BootstrapKeys,
    to_coefficients: Vec<Encoded>,
    to_slots: Vec<Encoded>,
}

/// A factor with its diagonals as constants, rotated back by their giant steps.
type Encoded = Vec<(Rotation, Vec<(Rotation, Constant)>)>;

impl Bootstrapper {
    /// With the keys of a plan; the diagonals are encoded on first use, or by [`prepare`](Self::prepare).
    ///
    /// # Errors
    /// Keys of other parameters.
    pub fn try_new(plan: BootstrapPlan, keys: BootstrapKeys) -> Result<Bootstrapper> {
        if keys.evaluation.params() != plan.params() || keys.encapsulation.params() != plan.params()
        {
            return Err(Error::ParamsMismatch);
        }
        let scheme = Scheme::new(keys.evaluation.clone());
        let encoded = |factors: &[Factor], name: &str| {
            factors
                .iter()
                .enumerate()
                .map(|(k, f)| encode(&scheme, f, &format!("{name}/{k}")))
                .collect::<Result<Vec<_>>>()
        };
        Ok(Bootstrapper {
            to_coefficients: encoded(plan.to_coefficients(), "slots to coefficients")?,
            to_slots: encoded(plan.to_slots(), "coefficients to slots")?,
            eval: Auto::new(scheme),
            plan,
            keys,
        })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &BootstrapPlan {
        &self.plan
    }

    /// The evaluator with the same keys.
    #[must_use]
    pub fn evaluator(&self) -> &Scheme {
        self.eval.inner()
    }

    /// Encodes all diagonals at their levels.
    ///
    /// # Errors
    /// None but those of a wrong plan.
    pub fn prepare(&self) -> Result<()> {
        let top = self.plan.params().top().0;
        let last = self.plan.output_level().0 + self.to_slots.len() as u8;
        let mut wanted = Vec::new();
        for (factors, top) in [(&self.to_coefficients, top), (&self.to_slots, last)] {
            for (k, factor) in factors.iter().enumerate() {
                let level = Level(top - k as u8);
                let constants = factor.iter().flat_map(|(_, terms)| terms);
                wanted.extend(constants.map(|(_, constant)| (constant, level, Use::LazyFactor)));
            }
        }
        Ok(self.evaluator().prepare_all(&wanted)?)
    }

    /// The same values at [`BootstrapPlan::output_level`].
    ///
    /// # Errors
    /// A ciphertext at the product scale or of other parameters.
    pub fn bootstrap(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.bootstrap_watched(a, &mut |_, _| {})
    }

    /// [`bootstrap`](Self::bootstrap), every stage's ciphertexts shown to `watch`.
    ///
    /// # Errors
    /// As [`bootstrap`](Self::bootstrap).
    pub fn bootstrap_watched(
        &self,
        a: &Ciphertext,
        watch: &mut dyn FnMut(Stage, &[Ciphertext]),
    ) -> Result<Ciphertext> {
        let (eval, scheme) = (&self.eval, self.eval.inner());
        let bottom = scheme.drop_to(a, Level(0))?;
        let raised = scheme.raise_modulus(&bottom, Some(&self.keys.encapsulation))?;
        watch(Stage::Raised, std::slice::from_ref(&raised));
        let x = self.transform(&self.to_coefficients, raised)?;
        // Twice the real and twice the imaginary part.
        let conjugate = scheme.conjugate(&x)?;
        let real = scheme.add(&x, &conjugate)?;
        let imaginary = scheme.mul_imaginary(&scheme.sub(&conjugate, &x)?)?;
        watch(Stage::Coefficients, &[real.clone(), imaginary.clone()]);
        let reduction = &self.plan.reduction().plan;
        // The factor of the input's map is in the matrices.
        let shift = reduction.input_map().map_or(0.0, |(_, shift)| shift);
        let parts = [real, imaginary]
            .iter()
            .map(|x| {
                let u = scheme.add_scalar(x, shift)?;
                Ok(evaluation::evaluate_unit_leveled(eval, reduction, &u)?)
            })
            .collect::<Result<Vec<_>>>()?;
        watch(Stage::Reduced, &parts);
        let x = scheme.add(&parts[0], &scheme.mul_imaginary(&parts[1])?)?;
        let out = self.transform(&self.to_slots, x)?;
        watch(Stage::Slots, std::slice::from_ref(&out));
        Ok(out)
    }

    fn transform(&self, factors: &[Encoded], mut x: Ciphertext) -> Result<Ciphertext> {
        for factor in factors {
            let giants: Vec<GiantStep<&Ciphertext, &Constant>> = factor
                .iter()
                .map(|(by, terms)| GiantStep {
                    by: *by,
                    terms: terms.iter().map(|(r, p)| (&x, *r, p)).collect(),
                })
                .collect();
            let y = self.evaluator().sum_rotated_products_rescaled(&giants)?;
            drop(giants);
            x = y;
        }
        Ok(x)
    }
}

fn encode(scheme: &Scheme, factor: &Factor, name: &str) -> Result<Encoded> {
    let n = factor.matrix.n();
    factor
        .steps
        .iter()
        .map(|(&giant, babies)| {
            let terms = babies
                .iter()
                .map(|&baby| {
                    let d = (giant + baby) % n;
                    let diagonal = &factor.matrix.diagonals()[&d];
                    let back: Vec<Complex64> =
                        (0..n).map(|i| diagonal[(i + n - giant) % n]).collect();
                    let constant = scheme.constant_complex(&format!("{name}/{d}"), &back)?;
                    Ok((Rotation(baby as i32), constant))
                })
                .collect::<Result<Vec<_>>>()?;
            Ok((Rotation(giant as i32), terms))
        })
        .collect()
}
