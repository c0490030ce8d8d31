//! Bootstrapping: raise the modulus, go to the coefficients, reduce them modulo `q_0`, come back.

use girih_circuits::evaluation;
use girih_ckks::{Ciphertext, Constant, Evaluator as Scheme, Use};
use girih_he::{Auto, Evaluator, GiantStep, Level, Leveled, Rotation};
use girih_rns::par;

use crate::factor::Factor;
use crate::plan::downwards;
use crate::{
    BootstrapKeys, BootstrapPlan, BootstrapSpec, Diagonals, Error, Giants, Order, Refinement,
    Result,
};

/// A stage of the bootstrapping, for those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The modulus has been raised.
    Raised,
    /// The slots hold coefficients: real parts, and imaginary ones if they are apart.
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
    to_coefficients: Transform,
    to_slots: Transform,
}

/// Factors with their diagonals as constants.
#[derive(Clone)]
struct Transform {
    top: Level,
    giants: Giants,
    usage: Use,
    factors: Vec<EncodedFactor>,
}

/// Giant steps in the order in which they are added; each with its baby steps and their diagonals.
type EncodedFactor = Vec<(Rotation, Vec<(Rotation, Constant)>)>;

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
        let transform =
            |name, top, factors| Transform::new(&scheme, name, top, plan.spec(), factors);
        Ok(Bootstrapper {
            to_coefficients: transform(
                "slots to coefficients",
                plan.raised_level(),
                plan.to_coefficients(),
            )?,
            to_slots: transform(
                "coefficients to slots",
                plan.to_slots_level(),
                plan.to_slots(),
            )?,
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
        let transforms = [&self.to_coefficients, &self.to_slots];
        let wanted: Vec<_> = transforms
            .into_iter()
            .flat_map(Transform::constants)
            .collect();
        Ok(self.evaluator().prepare_all(&wanted)?)
    }

    /// Bytes of the diagonals encoded so far.
    #[must_use]
    pub fn diagonal_bytes(&self) -> usize {
        let transforms = [&self.to_coefficients, &self.to_slots];
        let constants = transforms.into_iter().flat_map(Transform::constants);
        constants
            .map(|(constant, ..)| constant.encoded_bytes())
            .sum()
    }

    /// The same values at [`BootstrapPlan::output_level`].
    ///
    /// # Errors
    /// A ciphertext at the product scale, below [`BootstrapPlan::input_level`], or of other parameters.
    pub fn bootstrap(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.bootstrap_watched(a, &mut |_, _| {})
    }

    /// [`bootstrap`](Self::bootstrap), every stage's ciphertexts shown to `watch`. Rotations that the factors put off to
    /// the end are missing in the stages between: their slots are rotated.
    ///
    /// # Errors
    /// As [`bootstrap`](Self::bootstrap).
    pub fn bootstrap_watched(
        &self,
        a: &Ciphertext,
        watch: &mut dyn FnMut(Stage, &[Ciphertext]),
    ) -> Result<Ciphertext> {
        match self.plan.spec().refinement {
            None => self.once(a, watch),
            Some(refinement) => self.refined(a, refinement, watch),
        }
    }

    /// `r + 2^-k once(2^k (a - r))` with `r = once(a)`.
    fn refined(
        &self,
        a: &Ciphertext,
        Refinement { bits }: Refinement,
        watch: &mut dyn FnMut(Stage, &[Ciphertext]),
    ) -> Result<Ciphertext> {
        let scheme = self.evaluator();
        let input = scheme.drop_to(a, self.plan.input_level())?;
        let first = self.once(&input, watch)?;
        let back = scheme.drop_to(&first, self.plan.input_level())?;
        let error = self.times_power_of_two(scheme.sub(&input, &back)?, u32::from(bits))?;
        let second = self.once(&error, watch)?;
        let small = scheme.mul_scalar(&second, (-f64::from(bits)).exp2())?;
        let first = scheme.drop_to(&first, self.plan.output_level())?;
        Ok(scheme.add(&first, &scheme.rescale(&small)?)?)
    }

    /// One bootstrapping without refinement.
    fn once(
        &self,
        a: &Ciphertext,
        watch: &mut dyn FnMut(Stage, &[Ciphertext]),
    ) -> Result<Ciphertext> {
        let scheme = self.evaluator();
        let bottom = match self.plan.spec().order {
            Order::RaiseFirst => scheme.drop_to(a, Level(0))?,
            Order::SlotsFirst => self.to_slots.apply(scheme, a)?,
        };
        let raised = self.raised(&bottom)?;
        watch(Stage::Raised, std::slice::from_ref(&raised));
        let parts = self.parts(&raised)?;
        drop(raised);
        watch(Stage::Coefficients, &parts);
        // Together: where one waits for its last row, the other goes on.
        let parts = par::map(parts, |x| self.reduced(&x));
        let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
        watch(Stage::Reduced, &parts);
        let out = self.joined(&parts)?;
        watch(Stage::Slots, std::slice::from_ref(&out));
        Ok(out)
    }

    /// The modulus raised, and the trace.
    fn raised(&self, bottom: &Ciphertext) -> Result<Ciphertext> {
        let scheme = self.evaluator();
        let level = self.plan.raised_level();
        let raised = scheme.raise_modulus(bottom, level, Some(&self.keys.encapsulation))?;
        self.plan.trace().try_fold(raised, |sum, by| {
            Ok(scheme.sum_rotated(&[(&sum, Rotation(0)), (&sum, by)])?)
        })
    }

    /// Twice the real part of every coefficient, and twice the imaginary one if that lies apart and is needed.
    fn parts(&self, raised: &Ciphertext) -> Result<Vec<Ciphertext>> {
        let scheme = self.evaluator();
        let x = self.to_coefficients.apply(scheme, raised)?;
        let conjugate = scheme.conjugate(&x)?;
        let mut parts = vec![scheme.add(&x, &conjugate)?];
        if self.plan.reduces_imaginary_parts() {
            parts.push(scheme.mul_imaginary(&scheme.sub(&conjugate, &x)?)?);
        }
        Ok(parts)
    }

    /// `x mod 1`; the factor of the input's map is in the matrices.
    fn reduced(&self, x: &Ciphertext) -> Result<Ciphertext> {
        let reduction = &self.plan.spec().reduction.plan;
        let shift = reduction.input_map().map_or(0.0, |(_, shift)| shift);
        let u = self.evaluator().add_scalar(x, shift)?;
        Ok(evaluation::evaluate_unit_leveled(
            &self.eval, reduction, &u,
        )?)
    }

    /// The message from the reduced parts.
    fn joined(&self, parts: &[Ciphertext]) -> Result<Ciphertext> {
        let scheme = self.evaluator();
        let x = match parts {
            [x] => x.clone(),
            [real, imaginary, ..] => scheme.add(real, &scheme.mul_imaginary(imaginary)?)?,
            [] => return Err(Error::ParamsMismatch),
        };
        match self.plan.spec().order {
            Order::SlotsFirst => self.times_power_of_two(x, self.plan.ratio_bits()),
            Order::RaiseFirst => {
                let y = self.to_slots.apply(scheme, &x)?;
                if !self.plan.shares_one_ciphertext() {
                    return Ok(y);
                }
                let by = Rotation(self.plan.spec().slots as i32);
                Ok(scheme.sum_rotated(&[(&y, Rotation(0)), (&y, by)])?)
            }
        }
    }

    /// `2^bits x`, exactly and without a level.
    fn times_power_of_two(&self, x: Ciphertext, bits: u32) -> Result<Ciphertext> {
        (0..bits).try_fold(x, |x, _| Ok(self.evaluator().add(&x, &x)?))
    }
}

impl Transform {
    fn new(
        scheme: &Scheme,
        name: &str,
        top: Level,
        spec: &BootstrapSpec,
        factors: &[Factor],
    ) -> Result<Transform> {
        let giants = spec.giants;
        let encoded = |(k, factor): (usize, &Factor)| {
            let mut steps: Vec<_> = factor.steps.iter().enumerate().collect();
            if giants == Giants::Horner {
                steps.reverse();
            }
            steps
                .into_iter()
                .map(|(j, babies)| {
                    let constants = babies.iter().map(|(baby, diagonal)| {
                        let name = format!("{name}/{k}/{j}/{baby}");
                        let slots = diagonal.iter().copied().cycle();
                        let slots: Vec<_> = slots.take(scheme.params().slots()).collect();
                        let constant = scheme.constant_complex(&name, &slots)?;
                        Ok((Rotation(*baby as i32), constant))
                    });
                    let turns = match giants {
                        Giants::Apart => j,
                        Giants::Horner => j.min(1),
                    };
                    let giant = Rotation((turns as isize * factor.giant) as i32);
                    Ok((giant, constants.collect::<Result<Vec<_>>>()?))
                })
                .collect::<Result<Vec<_>>>()
        };
        Ok(Transform {
            top,
            giants,
            usage: match spec.diagonals {
                Diagonals::Rows => Use::LazyFactor,
                Diagonals::Coefficients => Use::CompactFactor,
            },
            factors: factors
                .iter()
                .enumerate()
                .map(encoded)
                .collect::<Result<_>>()?,
        })
    }

    /// The constants with their levels and what they are for.
    fn constants(&self) -> impl Iterator<Item = (&Constant, Level, Use)> {
        let levels = self.factors.iter().zip(downwards(self.top));
        levels.flat_map(move |(factor, level)| {
            let constants = factor.iter().flat_map(|(_, terms)| terms);
            constants.map(move |(_, constant)| (constant, level, self.usage))
        })
    }

    fn apply(&self, scheme: &Scheme, x: &Ciphertext) -> Result<Ciphertext> {
        let x = scheme.drop_to(x, self.top)?;
        self.factors.iter().try_fold(x, |x, factor| {
            let giants: Vec<GiantStep<&Ciphertext, &Constant>> = factor
                .iter()
                .map(|(by, terms)| GiantStep {
                    by: *by,
                    terms: terms.iter().map(|(r, p)| (&x, *r, p)).collect(),
                })
                .collect();
            Ok(match self.giants {
                Giants::Apart => scheme.sum_rotated_products_rescaled(&giants)?,
                Giants::Horner => scheme.horner_rotated_products_rescaled(&giants)?,
            })
        })
    }
}
