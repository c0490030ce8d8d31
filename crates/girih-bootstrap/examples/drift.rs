//! Bootstrappings in sequence with a product between each, `x <- bootstrap(x u)`: `drift [preset] [threads] [rounds] [state]`, by
//! default `fast`, 1 thread, 40 rounds. With a file for the state a walk ends after 90 seconds and is continued by the next call.

use std::path::Path;
use std::time::{Duration, Instant};

use girih_bootstrap::{BootstrapKeys, Bootstrapper, Preset, Stage};
use girih_ckks::{Ciphertext, KeyGenerator};
use girih_he::{KeyManifest, Level};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[path = "common/arguments.rs"]
mod arguments;
use arguments::{Outcome, on_preset};
#[path = "common/walk.rs"]
mod walk;
use walk::Walk;

/// How long a walk with a state takes at a time.
const PIECE: Duration = Duration::from_secs(90);

fn main() -> Outcome<()> {
    on_preset(|preset, further| {
        let rounds = further.first().map_or(Ok(40), |a| a.parse())?;
        run(&preset, rounds, further.get(1).map(Path::new))
    })
}

fn run(preset: &Preset, rounds: u64, state: Option<&Path>) -> Outcome<()> {
    let start = Instant::now();
    let plan = preset.plan()?;
    let params = plan.params().clone();
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let secret = KeyGenerator::new(&params).secret_key(&mut rng);
    let product = KeyManifest {
        relinearization: Some(Level(plan.input_level().0 + 1)),
        ..KeyManifest::default()
    };
    let keys = BootstrapKeys::generate(&plan, &product, &secret, &mut rng)?;
    let once = plan.budget()?.stage(Stage::Slots).error.total();
    let bootstrapper = Bootstrapper::try_new(plan, keys)?;
    let mut walk = match state.filter(|path| path.exists()) {
        None => Walk::start(&bootstrapper, &secret)?,
        Some(path) => {
            let bytes = std::fs::read(path)?;
            let (round, x) = bytes.split_first_chunk().ok_or("a state has a round")?;
            let x = Ciphertext::from_bytes(x, &params)?;
            Walk::resume(&bootstrapper, &secret, x, u64::from_le_bytes(*round))
        }
    };
    println!("rounds   mean  worst  deviation over sqrt(rounds) times that predicted for one");
    while walk.round() < rounds && (state.is_none() || start.elapsed() < PIECE) {
        walk.step()?;
        let round = walk.round();
        if round == 1 || round.is_multiple_of(10) {
            let errors = walk.errors()?;
            println!(
                "{round:>6} {:>6.2} {:>6.2}  {:.2}",
                -errors.mean.log2(),
                -errors.worst.log2(),
                errors.deviation / (once * (round as f64).sqrt())
            );
        }
    }
    if let Some(path) = state {
        let round = walk.round().to_le_bytes();
        let x = walk.ciphertext().to_bytes(&params);
        std::fs::write(path, [round.as_slice(), &x].concat())?;
        println!("{} rounds of {rounds}", walk.round());
    }
    Ok(())
}
