//! Whole networks on encrypted data: op `infer`, one record per network and batch.

use anyhow::bail;

use crate::Bench;

/// Measures the evaluation (encrypted input to encrypted output) of the networks in `fixtures`.
pub(crate) fn run(_bench: &mut Bench) -> anyhow::Result<()> {
    bail!("the suite `nn` needs the engine")
}
