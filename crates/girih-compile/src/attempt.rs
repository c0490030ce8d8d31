//! One attempt: a program for a ring degree, a batch and an emphasis, with the smallest scale that is precise enough.

use girih_he::{Bootstrapping, HeProfile, Level};

use crate::bootstrapping::place;
use crate::chain::{BootstrappedSet, ChainRequest, Scheme};
use crate::compile::{Compiled, PROBES, Requirements};
use crate::emphasis::Emphasis;
use crate::lower::{INPUT, Lowered, OUTPUT, lower, lower_bootstrapped};
use crate::measure::measures;
use crate::narrow::Narrow;
use crate::network::Network;
use crate::objective::Measure;
use crate::packing::TensorPacking;
use crate::plan::{PackingPlan, plan};
use crate::predict::{clear_ranges, drawn_std, fill, predicted_std, top_level, value_bits};
use crate::ranges::Ranges;
use crate::report;
use crate::storage::priced;
use crate::{Error, Result, passes};

/// Standard deviations within which the predicted error must stay.
const SIGMAS: f64 = 6.0;
/// Values may exceed those of the calibration samples by so many bits before they wrap around.
const HEADROOM_BITS: f64 = 2.0;
/// The same without samples, when only made-up inputs were tried.
const BLIND_HEADROOM_BITS: f64 = 4.0;
/// Bits of the scale at which plans are priced and noise is first predicted.
const FIRST_SCALE_BITS: u32 = 30;
/// Bounds of the scale.
const SCALE_BITS: std::ops::RangeInclusive<u32> = 22..=58;

/// Why an attempt gave nothing.
pub(crate) enum Attempt {
    /// The scheme has no such parameters.
    Refused(String),
    /// Compilation failed for a reason that other parameters do not mend.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Attempt {
    fn from(error: E) -> Self {
        match error.into() {
            Error::NoPlacement {
                stage,
                shape,
                slots,
            } => Attempt::Refused(
                Error::NoPlacement {
                    stage,
                    shape,
                    slots,
                }
                .to_string(),
            ),
            other => Attempt::Failed(other),
        }
    }
}

/// What all attempts share.
pub(crate) struct Job<'a> {
    pub(crate) network: &'a Network,
    pub(crate) ranges: Option<&'a Ranges>,
    pub(crate) requirements: &'a Requirements,
    pub(crate) scheme: &'a dyn Scheme,
    pub(crate) probes: Vec<Vec<f64>>,
}

/// How inputs are packed and outputs unpacked.
fn ends(network: &Network, packing: &PackingPlan) -> Result<(TensorPacking, TensorPacking)> {
    let of = |name: &str, stage: usize| {
        let shape = network.stages[stage].shape.clone();
        TensorPacking::try_new(name, shape, packing.placements[stage].clone())
    };
    Ok((of(INPUT, 0)?, of(OUTPUT, network.output().0)?))
}

impl Job<'_> {
    /// Bits by which values may exceed those seen.
    fn headroom(&self) -> f64 {
        match (&self.requirements.calibration, self.ranges) {
            (None, None) => BLIND_HEADROOM_BITS,
            _ => HEADROOM_BITS,
        }
    }

    /// log2 of the largest output that was measured, at least 0.
    fn output_bits(&self) -> f64 {
        let reached = self
            .ranges
            .map_or(0.0, |r| r.output.0.abs().max(r.output.1.abs()));
        reached.max(1.0).log2()
    }

    /// A chain of levels of so many bits for values of at most `value_bits` bits.
    fn chain(&self, log_n: u32, bits: u32, value_bits: f64) -> ChainRequest {
        ChainRequest {
            log_n,
            first_bits: bits + (value_bits + self.headroom()).max(0.0).ceil() as u32 + 1,
            level_bits: vec![bits; self.network.depth() as usize],
            security: self.requirements.security,
            preset: None,
        }
    }

    /// The shortest chain of a ring degree that any attempt may use, and its profile.
    ///
    /// # Errors
    /// The scheme has none.
    pub(crate) fn shortest(
        &self,
        log_n: u32,
    ) -> std::result::Result<(ChainRequest, HeProfile), String> {
        // Primes near the smallest scale may be too few for many levels.
        let mut refusal = None;
        for bits in SCALE_BITS.step_by(2) {
            let chain = self.chain(log_n, bits, 0.0);
            match self.scheme.profile(&chain) {
                Ok(profile) => return Ok((chain, profile)),
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        Err(refusal.unwrap_or_default())
    }

    /// On a set with a bootstrapping; `network` is in single steps.
    pub(crate) fn bootstrapped(
        &self,
        network: &Network,
        set: &BootstrappedSet,
        batch: usize,
        emphasis: Emphasis,
    ) -> std::result::Result<Compiled, Attempt> {
        let profile = &set.profile;
        let Some(bootstrapping) = profile.bootstrapping else {
            return Err(Attempt::Refused("has none".into()));
        };
        let weights = self.requirements.weights;
        let packing = plan(network, &emphasis.prices(profile, weights), batch)?;
        let plain = lower(network, &packing, weights)?.program;
        let (input, output) = ends(network, &packing)?;
        // Values have at most these bits before the point at the bottom of the chain.
        let room = f64::from(set.chain.first_bits) - profile.log_scale[0] - 1.0;
        let mut reason = String::new();
        for last in [Level(0), Level(1)] {
            let places = place(
                network,
                &packing,
                &plain,
                profile,
                &self.probes,
                self.headroom(),
                last,
            )
            .map_err(Attempt::Refused)?;
            let network = &places.network;
            let Lowered {
                program,
                constants,
                encrypted,
            } = lower_bootstrapped(network, &packing, weights, &places.plan.bootstrapped)?;
            let refused = |e: &dyn std::fmt::Display| Attempt::Refused(e.to_string());
            let leveled = passes::levels::run_bootstrapped(&program, &bootstrapping, last)
                .map_err(|e| refused(&e))?;
            let program = passes::fuse::run(&leveled);
            let top = profile.top();
            let mut manifest = girih_he::verify(&program, top)?;
            girih_he::verify_bootstraps(&program, top, Some(&bootstrapping))?;
            let narrow = Narrow::of(
                &program,
                [&constants, &encrypted],
                [&input, &output],
                PROBES,
            )?;
            let filled = fill(&self.probes, narrow.batch(), &narrow.input)?;
            let renewal = narrow.profile(profile).bootstrapping;
            let ranges = clear_ranges(&narrow, &filled, top, renewal).map_err(|e| refused(&e))?;
            let output_bits = if last.0 == 0 { self.output_bits() } else { 0.0 };
            let bits = value_bits(&program, &ranges).max(output_bits) + self.headroom();
            if bits > room {
                reason = format!(
                    "values need {bits:.1} bits before the point at the lowest level, which has {room:.1}"
                );
                continue;
            }
            let mut exact = narrow.profile(profile);
            exact.bootstrapping = Some(Bootstrapping {
                error: 0.0,
                ..bootstrapping
            });
            let scheme = predicted_std(&narrow, &filled, &exact)?;
            let drawn = drawn_std(&narrow, &filled, bootstrapping.error)?;
            let error = SIGMAS * scheme.hypot(drawn);
            if error > self.requirements.precision {
                return Err(Attempt::Refused(format!(
                    "the predicted error of an output is {error:.1e}, {:.1e} of it from bootstrappings of error {:.1e}; allow it \
                     with --precision",
                    SIGMAS * drawn,
                    bootstrapping.error
                )));
            }
            manifest.merge(&set.manifest);
            let most = self.requirements.caps.get(Measure::ServerBytes);
            let (mut cost, constant_budget) =
                priced(&program, &constants, &encrypted, profile, most)?;
            cost.key_bytes = manifest
                .levels()
                .map(|l| {
                    profile
                        .key_bytes
                        .get(usize::from(l.0))
                        .copied()
                        .unwrap_or(0)
                })
                .sum();
            cost.constant_bytes += set.constant_bytes;
            let measures = measures(
                &program,
                &cost,
                &manifest,
                profile,
                batch,
                self.requirements.batch,
            )?;
            let report = report::summarise(
                network,
                self.ranges,
                &packing,
                &program,
                &cost,
                constant_budget,
                profile,
                measures,
                error,
                Some(&places),
            );
            return Ok(Compiled {
                name: network.name.clone(),
                program,
                constants,
                encrypted_weights: encrypted,
                chain: set.chain.clone(),
                profile: profile.clone(),
                placements: packing.placements,
                input,
                output,
                manifest,
                report,
            });
        }
        Err(Attempt::Refused(reason))
    }

    /// On the smallest chain of a ring degree that is precise enough.
    pub(crate) fn leveled(
        &self,
        log_n: u32,
        batch: usize,
        emphasis: Emphasis,
    ) -> std::result::Result<Compiled, Attempt> {
        let Job {
            network,
            ranges: measured,
            requirements,
            scheme,
            probes,
        } = self;
        let depth = network.depth() as usize;
        let request = |bits: u32, value_bits: f64| self.chain(log_n, bits, value_bits);
        let mut bits = FIRST_SCALE_BITS;
        let first = (*SCALE_BITS.start()..=FIRST_SCALE_BITS)
            .rev()
            .step_by(4)
            .find_map(|b| scheme.profile(&request(b, 4.0)).ok())
            .map_or_else(|| scheme.profile(&request(*SCALE_BITS.start(), 4.0)), Ok)
            .map_err(Attempt::Refused)?;
        let packing = plan(
            network,
            &emphasis.prices(&first, requirements.weights),
            batch,
        )?;
        let Lowered {
            program,
            constants,
            encrypted,
        } = lower(network, &packing, requirements.weights)?;
        let program = passes::fuse::run(&passes::levels::run(&program)?);
        let (input, output) = ends(network, &packing)?;
        let top = girih_he::verify(&program, Level(u8::MAX)).map(|_| top_level(&program))?;
        debug_assert_eq!(usize::from(top.0), depth);
        let narrow = Narrow::of(
            &program,
            [&constants, &encrypted],
            [&input, &output],
            PROBES,
        )?;
        let filled = fill(probes, narrow.batch(), &narrow.input)?;
        let ranges = clear_ranges(&narrow, &filled, top, None)?;
        let value_bits = value_bits(&program, &ranges).max(self.output_bits());
        // Errors shrink in proportion to the scale: two predictions find the bits.
        let mut profile = first;
        let mut error = f64::INFINITY;
        for _ in 0..4 {
            let chain = request(bits, value_bits);
            match scheme.profile(&chain) {
                Ok(p) => profile = p,
                Err(reason) if error.is_infinite() && bits > *SCALE_BITS.start() => {
                    // The first guess may be too wide for a small ring: predict from a narrower one.
                    bits -= 2;
                    if bits < *SCALE_BITS.start() {
                        return Err(Attempt::Refused(reason));
                    }
                    continue;
                }
                Err(reason) => return Err(Attempt::Refused(reason)),
            }
            error = SIGMAS * predicted_std(&narrow, &filled, &narrow.profile(&profile))?;
            let missing = (error / requirements.precision).log2();
            let wanted = (f64::from(bits) + missing)
                .ceil()
                .max(f64::from(*SCALE_BITS.start())) as u32;
            if wanted > *SCALE_BITS.end() {
                return Err(Attempt::Refused(format!(
                    "a scale of 2^{wanted} would be needed"
                )));
            }
            if missing <= 0.0 && wanted + 1 >= bits {
                break;
            }
            bits = wanted;
        }
        if error > requirements.precision {
            return Err(Attempt::Refused(format!(
                "the predicted error is {error:.1e} at a scale of 2^{bits}"
            )));
        }
        let chain = request(bits, value_bits);
        let manifest = girih_he::verify(&program, top)?;
        let most = requirements.caps.get(Measure::ServerBytes);
        let (cost, constant_budget) = priced(&program, &constants, &encrypted, &profile, most)?;
        let measures = measures(
            &program,
            &cost,
            &manifest,
            &profile,
            batch,
            requirements.batch,
        )?;
        let report = report::summarise(
            network,
            *measured,
            &packing,
            &program,
            &cost,
            constant_budget,
            &profile,
            measures,
            error,
            None,
        );
        Ok(Compiled {
            name: network.name.clone(),
            program,
            constants,
            encrypted_weights: encrypted,
            chain,
            profile,
            placements: packing.placements,
            input,
            output,
            manifest,
            report,
        })
    }
}
