//! The error after every stage of a bootstrapping against its prediction: `budget [preset] [threads] [slots]`, by default `fast`
//! with 1 thread and all slots.

use girih_bootstrap::{BootstrapKeys, Bootstrapper, Preset, Stage};
use girih_ckks::KeyGenerator;
use girih_he::KeyManifest;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[path = "common/arguments.rs"]
mod arguments;
use arguments::{Outcome, on_preset};
#[path = "common/stages.rs"]
mod stages;
use stages::{deviation, measure};

fn main() -> Outcome<()> {
    on_preset(|preset, further| match further.first() {
        Some(slots) => run(&preset.with_slots(slots.parse()?)),
        None => run(&preset),
    })
}

fn run(preset: &Preset) -> Outcome<()> {
    let plan = preset.plan()?;
    let budget = plan.budget()?;
    println!("{budget}");
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let secret = KeyGenerator::new(plan.params()).secret_key(&mut rng);
    let keys = BootstrapKeys::generate(&plan, &KeyManifest::default(), &secret, &mut rng)?;
    let bootstrapper = Bootstrapper::try_new(plan, keys)?;
    let measured = measure(&bootstrapper, &secret, &mut rng)?;
    println!("deviations in bits: predicted, measured, ratio");
    let line = |name: &str, predicted: f64, measured: f64| {
        println!(
            "{name:<22} {:>5.2} {:>5.2} {:>5.2}",
            -predicted.log2(),
            -measured.log2(),
            measured / predicted
        );
    };
    for (stage, measured) in budget.stages.iter().zip(measured.zero) {
        let predicted = stage.error.without_message();
        line(&format!("{:?}", stage.stage), predicted, measured);
    }
    let total = budget.stage(Stage::Slots).error.total();
    line(
        "Slots, random message",
        total,
        deviation(measured.random.iter().copied()),
    );
    let mean = measured.random.iter().sum::<f64>() / measured.random.len() as f64;
    let worst = measured.random.iter().copied().fold(0.0, f64::max);
    println!("mean {:.1} bits, worst {:.1}", -mean.log2(), -worst.log2());
    Ok(())
}
