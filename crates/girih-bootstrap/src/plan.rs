//! What a bootstrapping consists of, before any key exists: factors, levels, keys.

use std::collections::BTreeMap;

use girih_ckks::Params;
use girih_he::{KeyManifest, Level, Rotation};
use girih_polyfit::trigonometric::ModularReduction;

use crate::embedding::{coefficients_to_slots, slots_to_coefficients};
use crate::{Error, Matrix, Result};

/// Numbers of factors and the reduction.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapPlan {
    params: Params,
    /// Slots to coefficients, the first factor applied first.
    to_coefficients: Vec<Factor>,
    reduction: ModularReduction,
    /// Coefficients to slots.
    to_slots: Vec<Factor>,
    weight: usize,
}

/// A matrix as baby and giant steps: `Σ_j rot_j( Σ_i D_ij ⊙ rot_i(x) )`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Factor {
    pub(crate) matrix: Matrix,
    /// By giant step, then by baby step: the offset of the diagonal is their sum.
    pub(crate) steps: BTreeMap<usize, Vec<usize>>,
}

impl BootstrapPlan {
    /// A plan with `to_coefficients` and `to_slots` factors of the two embeddings.
    ///
    /// `weight` is that of the sparse secret of the encapsulation.
    ///
    /// # Errors
    /// A chain with too few levels.
    pub fn try_new(
        params: &Params,
        to_coefficients: usize,
        reduction: ModularReduction,
        to_slots: usize,
        weight: usize,
    ) -> Result<BootstrapPlan> {
        let (n, chain) = (params.slots(), params.chain());
        let needed = to_coefficients + reduction.plan.unit_depth() + to_slots + 1;
        let levels = usize::from(params.top().0);
        if levels < needed {
            return Err(Error::TooFewLevels { levels, needed });
        }
        let q0 = chain.at(Level(0)).log_q.exp2();
        // Slots are (m + q0 I) / scale(top); twice their real part is to be x / radius with x = m / q0 + I.
        let radius = reduction.plan.interval().radius();
        let down = chain.scale(params.top()) / (2.0 * q0 * radius * n as f64);
        // The reduction leaves m / q0, and the message is m / scale(0).
        let up = q0 / chain.scale(Level(0));
        Ok(BootstrapPlan {
            params: params.clone(),
            to_coefficients: factors(slots_to_coefficients(n, to_coefficients), down),
            reduction,
            to_slots: factors(coefficients_to_slots(n, to_slots), up),
            weight,
        })
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Coefficients of the sparse secret that are not zero.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The reduction modulo `q_0`.
    #[must_use]
    pub fn reduction(&self) -> &ModularReduction {
        &self.reduction
    }

    pub(crate) fn to_coefficients(&self) -> &[Factor] {
        &self.to_coefficients
    }

    pub(crate) fn to_slots(&self) -> &[Factor] {
        &self.to_slots
    }

    /// The level of a bootstrapped ciphertext.
    #[must_use]
    pub fn output_level(&self) -> Level {
        let consumed =
            self.to_coefficients.len() + self.reduction.plan.unit_depth() + self.to_slots.len();
        // why: try_new checked that the levels suffice, and a chain has at most 256
        Level(self.params.top().0 - consumed as u8)
    }

    /// The evaluation keys, each with the highest level at which it is used.
    #[must_use]
    pub fn manifest(&self) -> KeyManifest {
        let mut rotations: BTreeMap<Rotation, Level> = BTreeMap::new();
        let top = self.params.top().0;
        let reduced = top - self.to_coefficients.len() as u8;
        let last = reduced - self.reduction.plan.unit_depth() as u8;
        let mut need = |factors: &[Factor], top: u8| {
            for (k, factor) in factors.iter().enumerate() {
                let level = Level(top - k as u8);
                for (&giant, babies) in &factor.steps {
                    for &step in babies.iter().chain([&giant]).filter(|s| **s > 0) {
                        let at = rotations.entry(Rotation(step as i32)).or_insert(level);
                        *at = (*at).max(level);
                    }
                }
            }
        };
        need(&self.to_coefficients, top);
        need(&self.to_slots, last);
        KeyManifest {
            relinearization: Some(Level(reduced)),
            rotations,
            conjugation: Some(Level(reduced)),
        }
    }
}

/// The factors, times `total` in equal shares.
fn factors(matrices: Vec<Matrix>, total: f64) -> Vec<Factor> {
    let share = total.powf(1.0 / matrices.len() as f64);
    matrices
        .into_iter()
        .map(|matrix| Factor::new(matrix.scaled(share)))
        .collect()
}

impl Factor {
    /// Baby steps are the multiples of the smallest offset below a power of two of them, about twice as many as
    /// giant steps: they share one decomposition and are divided by P only after the sum.
    fn new(matrix: Matrix) -> Factor {
        let n = matrix.n();
        let offsets: Vec<usize> = matrix.diagonals().keys().copied().collect();
        let stride = offsets
            .iter()
            .filter(|d| **d > 0)
            .map(|d| d.trailing_zeros())
            .min()
            .map_or(1, |z| 1 << z);
        // Offsets are ±k strides with k below half of this.
        let spread = (offsets.len() + 1).next_power_of_two();
        let babies = (spread as f64 * 2.0).sqrt().log2().round().exp2() as usize;
        let mut steps: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for d in offsets {
            let k = d / stride;
            let baby = k % babies;
            steps
                .entry((k - baby) * stride % n)
                .or_default()
                .push(baby * stride);
        }
        Factor { matrix, steps }
    }
}
