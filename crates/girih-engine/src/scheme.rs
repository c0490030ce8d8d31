//! The CKKS scheme as the compiler sees it: what a modulus chain costs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use girih_ckks::cost::{Machine, profile};
use girih_ckks::{Params, ParamsSpec, Security};
use girih_compile::{BootstrappedSet, ChainRequest, Scheme};
use girih_he::HeProfile;

use crate::{MachineTable, bootstrapping};

/// Asked for in place of a number of bits, switches the security gate off.
pub const INSECURE: u32 = 0;

/// CKKS with the prices of one machine.
///
/// Plans are made with the shipped prices unless others are given, so that a model compiles to the same program on every machine.
#[derive(Debug)]
pub struct CkksScheme {
    machine: Machine,
    known: Mutex<HashMap<Key, std::result::Result<HeProfile, String>>>,
}

type Key = (u32, u32, Vec<u32>, u32);

impl CkksScheme {
    /// For evaluation on so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self::on(MachineTable::shipped().machine(threads))
    }

    /// With the prices of a machine.
    #[must_use]
    pub fn on(machine: Machine) -> Self {
        CkksScheme {
            machine,
            known: Mutex::new(HashMap::new()),
        }
    }
}

impl Scheme for CkksScheme {
    fn profile(&self, chain: &ChainRequest) -> std::result::Result<HeProfile, String> {
        let key = (
            chain.log_n,
            chain.first_bits,
            chain.level_bits.clone(),
            chain.security,
        );
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(key)
            .or_insert_with(|| {
                let params = Params::try_new(spec(chain)?).map_err(|e| e.to_string())?;
                Ok(profile(&params, &self.machine))
            })
            .clone()
    }

    fn bootstrapped(&self, bits: u32) -> Vec<BootstrappedSet> {
        let known = security(bits).and_then(|s| bootstrapping::offers(bits, s, &self.machine));
        known.unwrap_or_default()
    }
}

/// The parameters that hold a chain.
///
/// # Errors
/// Why there are none, with the numbers.
pub fn spec(chain: &ChainRequest) -> std::result::Result<ParamsSpec, String> {
    if let Some(name) = &chain.preset {
        return bootstrapping::named(name).map(|set| set.preset.params);
    }
    let scale = *chain
        .level_bits
        .first()
        .ok_or("a chain needs at least one level")?;
    if chain.level_bits.iter().any(|&bits| bits != scale) {
        return Err(format!(
            "levels of different sizes are not offered: {:?}",
            chain.level_bits
        ));
    }
    let byte = |value: usize, what: &str| {
        u8::try_from(value).map_err(|_| format!("{what} = {value} exceeds 255"))
    };
    let depth = byte(chain.level_bits.len(), "depth")?;
    let log_n = byte(chain.log_n as usize, "log N")?;
    let scale = byte(scale as usize, "scale bits")?;
    let first = byte(chain.first_bits as usize, "first bits")?;
    ParamsSpec::for_depth_at(log_n, depth, scale, first, security(chain.security)?)
        .map_err(|e| e.to_string())
}

/// The table's column for so many bits.
///
/// # Errors
/// The numbers that are offered.
pub fn security(bits: u32) -> std::result::Result<Security, String> {
    match bits {
        INSECURE => Ok(Security::Insecure),
        128 => Ok(Security::Bits128),
        192 => Ok(Security::Bits192),
        256 => Ok(Security::Bits256),
        other => Err(format!(
            "security of {other} bits is not offered: choose 128, 192 or 256"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(log_n: u32, levels: usize, security: u32) -> ChainRequest {
        ChainRequest {
            log_n,
            first_bits: 40,
            level_bits: vec![30; levels],
            security,
            preset: None,
        }
    }

    #[test]
    fn chains_that_fit_have_prices_and_others_a_reason() {
        let scheme = CkksScheme::new(2);
        let profile = scheme.profile(&chain(13, 4, 128)).expect("fits");
        assert_eq!(profile.top().0, 4);
        assert_eq!(profile.slots, 4096);
        let reason = scheme.profile(&chain(12, 20, 128)).expect_err("too deep");
        assert!(reason.contains("109"), "{reason}");
        assert!(
            scheme.profile(&chain(12, 20, INSECURE)).is_ok(),
            "asked for"
        );
        assert!(
            scheme
                .profile(&chain(13, 4, 100))
                .expect_err("no such column")
                .contains("128")
        );
        assert!(scheme.profile(&chain(13, 0, 128)).is_err());
    }
}
