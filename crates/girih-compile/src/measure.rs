//! The measures of a program: what the cost evaluator says of it, and the client's part.

use girih_he::{Cost, Encoding, HeProfile, KeyManifest, Level, Op, Primitive, Program};

use crate::Result;
use crate::lower::INPUT;
use crate::objective::{Batch, Measures};

/// Runs that a request takes with plans of so many samples.
pub(crate) fn runs(request: Batch, batch: usize) -> usize {
    match request {
        Batch::Of(samples) => samples.div_ceil(batch.max(1)),
        Batch::Free => 1,
    }
}

/// The measures of a priced program.
///
/// Encrypted weights are the model owner's: they count in the server's memory only.
pub(crate) fn measures(
    program: &Program,
    cost: &Cost,
    manifest: &KeyManifest,
    profile: &HeProfile,
    batch: usize,
    request: Batch,
) -> Result<Measures> {
    let bytes = |level: Level| {
        let table = &profile.ciphertext_bytes;
        table.get(usize::from(level.0)).copied().unwrap_or(0)
    };
    let level = |v: girih_he::ValueId| {
        let state = program.insts[v.index()].state;
        state.map_or(Level(0), |s| s.level)
    };
    let sum = |levels: &[Level], primitive: Primitive| -> f64 {
        levels
            .iter()
            .map(|l| profile.seconds_of(primitive, (*l).min(profile.top())))
            .fold(0.0, |sum, seconds| sum + seconds)
    };
    let read = program.insts.iter().filter_map(|inst| match &inst.op {
        Op::Input(name) if name.strip_prefix(INPUT).is_some_and(|n| n.starts_with('/')) => {
            inst.state.map(|s| s.level)
        }
        _ => None,
    });
    let inputs: Vec<Level> = read.collect();
    let outputs: Vec<Level> = program.outputs.iter().map(|(_, v)| level(*v)).collect();
    let keys: Vec<Level> = manifest.levels().collect();
    let input: u64 = inputs.iter().copied().map(bytes).sum();
    let output: u64 = outputs.iter().copied().map(bytes).sum();
    Ok(Measures {
        batch,
        runs: runs(request, batch),
        server_seconds: cost.elapsed,
        setup_seconds: encode_seconds(program, profile)?,
        encrypt_seconds: sum(&inputs, Primitive::Encrypt),
        decrypt_seconds: sum(&outputs, Primitive::Decrypt),
        key_seconds: sum(&keys, Primitive::KeyGen),
        server_bytes: cost.peak_bytes(),
        client_bytes: profile.base_bytes + cost.key_bytes + input + output,
        key_bytes: cost.key_bytes,
        // A fresh ciphertext is sent as one half and the seed of the other.
        input_bytes: input / 2,
        output_bytes: output,
    })
}

/// Seconds to encode all constants ahead.
fn encode_seconds(program: &Program, profile: &HeProfile) -> Result<f64> {
    let states = girih_he::states(program, profile.top())?;
    let wanted = girih_he::encodings(program, &states);
    let each = |e: &Encoding| profile.seconds_of(e.usage.primitive(), e.level);
    Ok(wanted.keys().map(each).fold(0.0, |sum, s| sum + s))
}
