//! Transforms: ops `forward_ntt` and `inverse_ntt`, girih and concrete-ntt in the same run.

use anyhow::bail;

use crate::Bench;

/// Measures the transforms by degree.
pub(crate) fn run(_bench: &mut Bench) -> anyhow::Result<()> {
    bail!("the suite `ntt` is not built yet")
}

/// Prints every kernel on every instruction set; with `assert`, fails where a lower one wins by more than 5 %.
pub(crate) fn kernels(_bench: &mut Bench, _assert: bool) -> anyhow::Result<()> {
    bail!("the suite `kernels` is not built yet")
}
