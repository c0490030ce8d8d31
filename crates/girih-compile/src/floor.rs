//! Lower bounds on what any plan of a ring degree and a batch costs, before one is made.
//!
//! One product with a constant forms at most `S` products of numbers (`S` slots), so an affine map of `nnz` entries takes at least
//! `⌈nnz · batch / S⌉` of them; a tensor of `f` features takes at least `⌈f · batch / S⌉` ciphertexts, and each ciphertext of a
//! result at least one division. All are priced at the lowest level at which the stage can run, on the shortest chain that the scheme has.
//! Rotations, sums and copies of constants count nothing.

use girih_he::{HeProfile, Level, Primitive};
use girih_nn::Matrix;

use crate::network::{Network, Stage, StageKind, shift_of};
use crate::objective::Measures;

/// Work of one stage that no packing avoids.
struct Load {
    features: usize,
    entries: usize,
    /// Products of ciphertexts, and those of them in sequence.
    products: usize,
    depth: u32,
    /// Level at which the stage starts when levels are never renewed.
    start: u32,
}

/// Entries of a matrix that are not zero.
fn nonzeros(matrix: &Matrix) -> usize {
    let mut count = 0;
    for row in 0..matrix.rows() {
        matrix.for_row(row, |_, _| count += 1);
    }
    count
}

/// A network, counted.
pub(crate) struct Loads {
    stages: Vec<Load>,
    entry: u32,
    depth: u32,
}

impl Loads {
    pub(crate) fn of(network: &Network) -> Loads {
        let levels = network.levels();
        let load = |(stage, &left): (&Stage, &u32)| {
            let depth = stage.kind.depth();
            let (entries, products) = match &stage.kind {
                StageKind::Linear(map) if shift_of(map).is_none() => {
                    (map.terms.values().map(nonzeros).sum(), 0)
                }
                StageKind::Power(..) => (0, depth as usize),
                StageKind::Function(_, plan) => (0, plan.counts().products),
                StageKind::Product(..) => (0, 1),
                StageKind::Input | StageKind::Linear(_) | StageKind::Combination(..) => (0, 0),
            };
            Load {
                features: stage.shape.iter().product(),
                entries,
                products,
                depth,
                start: left + depth,
            }
        };
        Loads {
            stages: network.stages.iter().zip(&levels).map(load).collect(),
            entry: levels.first().copied().unwrap_or(0),
            depth: network.depth(),
        }
    }

    /// What every plan of so many samples a run costs at least; `base` are the bytes of a process without values.
    pub(crate) fn floor(
        &self,
        profile: &HeProfile,
        batch: usize,
        runs: usize,
        base: u64,
    ) -> Measures {
        let tiles = |numbers: usize| numbers.saturating_mul(batch).div_ceil(profile.slots).max(1);
        let level = |l: u32| Level(u8::try_from(l).unwrap_or(u8::MAX)).min(profile.top());
        let renewed = profile.bootstrapping.is_some();
        // Levels as they run out, or as low as they can be with bootstrappings in between.
        let running = self.depth <= u32::from(profile.top().0);
        let mut server_seconds = match running {
            true => self.seconds(profile, batch, |load| load.start),
            false => f64::INFINITY,
        };
        if renewed {
            let lowest = self.seconds(profile, batch, |load| load.depth);
            let once = profile.seconds_of(Primitive::Bootstrap, profile.top());
            server_seconds = server_seconds.min(lowest + once);
        }
        let relinearized = self.stages.iter().filter(|load| load.products > 0);
        let relinearized = relinearized
            .map(|load| level(if renewed { load.depth } else { load.start }))
            .max();
        let entry = match renewed {
            true => level(1),
            false => level(self.entry),
        };
        let at = |table: &[u64], level: Level| table.get(level.0 as usize).copied().unwrap_or(0);
        let features = |stage: Option<&Load>| tiles(stage.map_or(1, |s| s.features)) as u64;
        let (inputs, outputs) = (features(self.stages.first()), features(self.stages.last()));
        let input = inputs * at(&profile.ciphertext_bytes, entry);
        let output = outputs * at(&profile.ciphertext_bytes, Level(0));
        let key_bytes = relinearized.map_or(0, |level| at(&profile.key_bytes, level));
        Measures {
            batch,
            runs,
            server_seconds,
            setup_seconds: 0.0,
            encrypt_seconds: inputs as f64 * profile.seconds_of(Primitive::Encrypt, entry),
            decrypt_seconds: outputs as f64 * profile.seconds_of(Primitive::Decrypt, Level(0)),
            key_seconds: relinearized.map_or(0.0, |l| profile.seconds_of(Primitive::KeyGen, l)),
            server_bytes: base + input / 2 + key_bytes,
            client_bytes: base + input + output + key_bytes,
            key_bytes,
            input_bytes: input / 2,
            output_bytes: output,
        }
    }

    /// Seconds of the server when every stage starts at the level given.
    fn seconds(&self, profile: &HeProfile, batch: usize, start: impl Fn(&Load) -> u32) -> f64 {
        let tiles = |numbers: usize| numbers.saturating_mul(batch).div_ceil(profile.slots).max(1);
        let mut seconds = 0.0;
        for load in &self.stages {
            let last = start(load).saturating_sub(load.depth.saturating_sub(1));
            let last = Level(u8::try_from(last).unwrap_or(u8::MAX)).min(profile.top());
            let price = |p: Primitive| profile.seconds_of(p, last);
            let divide = price(Primitive::Rescale).min(price(Primitive::DivideRescale));
            let numbers = tiles(load.features) as f64;
            if load.entries > 0 {
                let product = price(Primitive::MulPlain)
                    .min(price(Primitive::MulPlainLazy))
                    .min(price(Primitive::MulScalar));
                seconds += tiles(load.entries) as f64 * product + numbers * divide;
            }
            if load.products > 0 {
                let relinearizations = load.depth.min(load.products as u32);
                seconds += numbers
                    * (load.products as f64 * price(Primitive::Mul)
                        + f64::from(relinearizations) * price(Primitive::RelinearizeRescale));
            }
        }
        seconds
    }
}
