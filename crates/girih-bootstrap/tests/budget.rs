//! The errors of all stages against the budget, at a small, insecure degree.
#![allow(clippy::unwrap_used)]

use girih_bootstrap::{
    BootstrapKeys, BootstrapPlan, BootstrapSpec, Bootstrapper, Giants, Order, Preset, Stage,
};
use girih_ckks::{KeyGenerator, Params};
use girih_he::{KeyManifest, Level};
use girih_polyfit::overflow::Overflow;
use girih_polyfit::trigonometric::{ModularMethod, ModularReduction};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[path = "../examples/common/stages.rs"]
mod stages;

#[path = "common/small.rs"]
mod small;
use small::LOG_N;

/// Insecure: for tests only. `top` bits are consumed by each factor to coefficients.
fn params(top: u8) -> Params {
    let mut scale_bits = vec![40, 40, 40, 46, 51, 64, 54, 54, 55, 56, 57, 59, 61, 58];
    scale_bits.extend([58; 3]);
    let linear = [(3, 39), (4, 37), (5, 42), (14, top), (15, top), (16, top)];
    small::params(scale_bits, linear)
}

fn spec(slots: usize) -> BootstrapSpec {
    let method = ModularMethod::default();
    let integers = Overflow::sparse(32).unwrap();
    let reduction = ModularReduction::weighted(&integers, 15, 1.1 / 256.0, method).unwrap();
    small::spec(slots, reduction, Giants::Horner)
}

#[test]
fn every_stage_errs_as_predicted() {
    let full = 1 << (LOG_N - 1);
    let slots_first = BootstrapSpec {
        order: Order::SlotsFirst,
        ..spec(full)
    };
    // Where nothing dominates, and where the roundings of diagonals do: those of few bits.
    for (name, params, spec) in [
        ("full", params(49), spec(full)),
        ("coarse diagonals", params(38), spec(full)),
        ("sparse", params(49), spec(64)),
        ("slots first", params(49), slots_first),
    ] {
        let plan = BootstrapPlan::try_new(&params, spec).unwrap();
        let budget = plan.budget().unwrap();
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let secret = KeyGenerator::new(&params).secret_key(&mut rng);
        let keys = BootstrapKeys::generate(&plan, &KeyManifest::default(), &secret, &mut rng);
        let bootstrapper = Bootstrapper::try_new(plan, keys.unwrap()).unwrap();
        let measured = stages::measure(&bootstrapper, &secret, &mut rng).unwrap();
        println!("{name}\n{budget}");
        let random = stages::deviation(measured.random.iter().copied());
        let of_zero = budget.stages.iter().zip(measured.zero);
        let ratios = of_zero.map(|(s, measured)| (s.stage, measured / s.error.without_message()));
        let last = budget.stage(Stage::Slots).error.total();
        for (stage, ratio) in ratios.chain([(Stage::Slots, random / last)]) {
            println!("{stage:?}: {ratio:.2} of the prediction");
            assert!((0.5..2.0).contains(&ratio), "{name} {stage:?}: {ratio}");
        }
    }
}

#[test]
fn levels_and_moduli_are_those_of_the_chain() {
    let plan = BootstrapPlan::try_new(&params(49), spec(1 << (LOG_N - 1))).unwrap();
    let budget = plan.budget().unwrap();
    let levels = budget.stages.map(|s| s.level);
    assert_eq!(levels, [Level(16), Level(13), Level(5), Level(2)]);
    assert_eq!(levels[0], plan.raised_level());
    assert_eq!(levels[3], plan.output_level());
    let last = budget.stage(Stage::Slots);
    assert!((last.modulus_bits - 128.0).abs() < 0.5, "{last:?}");
    assert!((last.scale_bits - 40.0).abs() < 0.1, "{last:?}");
}

/// The bits that the presets' pages promise, from plans that exist: secure parameters, enough levels.
#[test]
fn presets_have_plans_that_keep_their_bits() {
    for preset in Preset::all().unwrap() {
        let budget = preset.plan().unwrap().budget().unwrap();
        let bits = -budget.stage(Stage::Slots).error.total().log2();
        println!("{}: {bits:.2}", preset.name);
        let wanted = match preset.params.log_n {
            15 => 16.2,
            _ => 21.9,
        };
        assert!(bits > wanted, "{}: {bits}", preset.name);
    }
}
