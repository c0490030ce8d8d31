//! The keys of a bootstrapping.

use std::sync::Arc;

use girih_ckks::{EncapsulationKeys, EvaluationKeys, KeyGenerator, SecretKey};
use girih_he::KeyManifest;
use rand_core::CryptoRng;

use crate::{BootstrapPlan, Result};

/// Evaluation keys and those of the encapsulation.
#[derive(Clone)]
pub struct BootstrapKeys {
    /// Rotations, conjugation and relinearisation, of the bootstrapping and of the application.
    pub evaluation: Arc<EvaluationKeys>,
    /// To the sparse secret and back.
    pub encapsulation: Arc<EncapsulationKeys>,
}

impl BootstrapKeys {
    /// The keys of a plan, and those that the application needs besides.
    ///
    /// # Errors
    /// The secret belongs to other parameters.
    pub fn generate<R: CryptoRng + ?Sized>(
        plan: &BootstrapPlan,
        more: &KeyManifest,
        secret: &SecretKey,
        rng: &mut R,
    ) -> Result<BootstrapKeys> {
        let keygen = KeyGenerator::new(plan.params());
        let mut manifest = plan.manifest();
        manifest.relinearization = manifest.relinearization.max(more.relinearization);
        manifest.conjugation = manifest.conjugation.max(more.conjugation);
        for (&rotation, &level) in &more.rotations {
            let at = manifest
                .rotations
                .entry(rotation.normalized(plan.params().slots()))
                .or_insert(level);
            *at = (*at).max(level);
        }
        let evaluation = keygen.evaluation_keys(secret, &manifest, rng)?;
        let encapsulation = keygen.encapsulation_keys(secret, plan.spec().weight, rng)?;
        Ok(BootstrapKeys {
            evaluation: Arc::new(evaluation),
            encapsulation: Arc::new(encapsulation),
        })
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.evaluation.bytes() + self.encapsulation.bytes()
    }
}
