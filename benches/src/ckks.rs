//! Operations of the scheme: `mul_relin_rescale`, `rotate`, `hoisted_rotate`, `encode`, ...

use anyhow::bail;

use crate::Bench;

/// Measures the operations by parameters and level.
pub(crate) fn run(_bench: &mut Bench) -> anyhow::Result<()> {
    bail!("the suite `ckks` is not built yet")
}
