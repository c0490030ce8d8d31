//! The parameter sets with a bootstrapping, as compiler, client and server see them.

use std::collections::BTreeMap;

use girih_bootstrap::{BootstrapPlan, BootstrapSpec, Figures, Preset};
use girih_ckks::cost::{Machine, profile};
use girih_ckks::{Params, ParamsSpec, Security};
use girih_compile::{BootstrappedSet, ChainRequest};
use girih_he::{Bootstrapping, HeProfile, Primitive};

use crate::{FormatError, MachineTable, Result};

/// A preset that the engine offers.
pub(crate) struct Offered {
    pub(crate) preset: Preset,
}

/// Standard deviation of the error of a slot. Values of networks are neither random nor constant: between the two.
const ERROR: f64 = 3e-6;

/// Names of all sets.
const SETS: [&str; 4] = ["fast", "small-keys", "high-precision", INSECURE_SMALL];

/// A set for tests of the machinery.
const INSECURE_SMALL: &str = "insecure-small";

/// The set of a name.
///
/// # Errors
/// The names there are; a fit that does not converge.
pub(crate) fn named(name: &str) -> std::result::Result<Offered, String> {
    let unknown = || {
        let known = SETS.join(", ");
        format!("this build has no bootstrapping {name:?}: it has {known}")
    };
    let preset = match name {
        INSECURE_SMALL => insecure_small().map(Some),
        _ if SETS.contains(&name) => Preset::by_name(name),
        _ => Ok(None),
    };
    let preset = preset.map_err(|e| e.to_string())?.ok_or_else(unknown)?;
    Ok(Offered { preset })
}

/// 1024 slots and nine levels for the application over the reduction of [`Preset::fast`]: insecure.
fn insecure_small() -> girih_bootstrap::Result<Preset> {
    let fast = Preset::fast()?;
    let mut scale_bits = vec![40u8; 10];
    scale_bits.extend([50, 50, 56]);
    scale_bits.extend([56; 11]);
    Ok(Preset {
        name: INSECURE_SMALL,
        purpose: "tests: insecure",
        params: ParamsSpec {
            log_n: 11,
            first_bits: 48,
            scale_bits,
            linear_bits: BTreeMap::new(),
            special_count: 8,
            special_bits: 47,
            security: Security::Insecure,
        },
        spec: BootstrapSpec {
            slots: 1 << 10,
            to_coefficients: 3,
            to_slots: 3,
            ..fast.spec
        },
        figures: Figures {
            seconds: 0.05,
            diagonal_bytes: 20 << 20,
            ..fast.figures
        },
    })
}

/// The set of a name, for parameters read with it.
///
/// # Errors
/// A name that this build does not know, parameters of another version of the set.
pub(crate) fn preset(name: &str, spec: &ParamsSpec) -> std::result::Result<Offered, FormatError> {
    let fail = |why: String| FormatError::field("preset", why);
    let set = named(name).map_err(fail)?;
    if set.preset.params != *spec {
        return Err(fail(format!(
            "the parameters are not those of {name:?} in this build: compile the model anew"
        )));
    }
    Ok(set)
}

impl Offered {
    /// The plan over parameters that are those of the set.
    pub(crate) fn plan(&self, params: &Params) -> Result<BootstrapPlan> {
        Ok(BootstrapPlan::try_new(params, self.preset.spec.clone())?)
    }

    /// What a bootstrapping takes and gives.
    pub(crate) fn bootstrapping(&self, plan: &BootstrapPlan) -> Bootstrapping {
        Bootstrapping {
            input: plan.input_level(),
            output: plan.output_level(),
            bound: plan.message_bound(),
            error: ERROR,
            values: plan.spec().values,
            slots: plan.spec().slots,
        }
    }

    /// The levels of the application with the prices of a machine, and the bootstrapping.
    pub(crate) fn profile(
        &self,
        params: &Params,
        plan: &BootstrapPlan,
        machine: &Machine,
    ) -> HeProfile {
        let bootstrapping = self.bootstrapping(plan);
        let mut prices = profile(params, machine);
        // As much faster or slower as a key switch at the top is.
        let top = params.top();
        let switch = |p: &HeProfile| p.seconds_of(Primitive::Relinearize, top);
        let shipped = profile(params, &MachineTable::shipped().machine(1));
        let seconds = self.preset.figures.seconds * switch(&prices) / switch(&shipped);
        let together = prices.seconds_together(Primitive::Relinearize, top);
        let part = together / switch(&prices);
        let levels = usize::from(bootstrapping.output.0) + 1;
        prices.log_scale.truncate(levels);
        let both = prices.seconds.values_mut();
        for by_level in both.chain(prices.together.values_mut()) {
            by_level.truncate(levels);
        }
        // Threads gain on a bootstrapping what they gain on its key switches.
        prices
            .seconds
            .insert(Primitive::Bootstrap, vec![seconds; levels]);
        prices
            .together
            .insert(Primitive::Bootstrap, vec![seconds * part; levels]);
        prices.bootstrapping = Some(bootstrapping);
        prices
    }

    /// The set as the compiler sees it.
    fn offer(&self, security: u32, machine: &Machine) -> Result<BootstrappedSet> {
        let spec = &self.preset.params;
        let params = Params::try_new(spec.clone())?;
        let plan = self.plan(&params)?;
        let profile = self.profile(&params, &plan, machine);
        let level_bits = &spec.scale_bits[1..=usize::from(profile.top().0)];
        Ok(BootstrappedSet {
            chain: ChainRequest {
                log_n: spec.log_n.into(),
                first_bits: spec.first_bits.into(),
                level_bits: level_bits.iter().map(|b| u32::from(*b)).collect(),
                security,
                preset: Some(self.preset.name.to_owned()),
            },
            profile,
            manifest: plan.manifest(),
            constant_bytes: self.preset.figures.diagonal_bytes,
        })
    }
}

/// All sets of a security.
///
/// # Errors
/// None but those of a fit that does not converge.
pub(crate) fn offers(
    bits: u32,
    security: Security,
    machine: &Machine,
) -> std::result::Result<Vec<BootstrappedSet>, String> {
    let mut offers = Vec::new();
    for name in SETS {
        if (name == INSECURE_SMALL) == (security == Security::Insecure) {
            let set = named(name)?;
            if set.preset.params.security == security {
                offers.push(set.offer(bits, machine).map_err(|e| e.to_string())?);
            }
        }
    }
    Ok(offers)
}

/// Slots, prices and errors of a compiled model's parameters on a machine.
///
/// # Errors
/// An unknown preset.
pub(crate) fn prices(params: &Params, name: Option<&str>, machine: &Machine) -> Result<HeProfile> {
    let Some(name) = name else {
        return Ok(profile(params, machine));
    };
    let set = preset(name, params.spec()).map_err(|e| e.of("compiled model"))?;
    let plan = set.plan(params)?;
    Ok(set.profile(params, &plan, machine))
}
