//! Rescaling and changes to lower levels.

use girih_he::{Level, Result, State, rules};

use girih_rns::rescaled_pair;

use super::Evaluator;
use crate::Ciphertext;

/// Smallest factor that `drop_to` multiplies by: its rounding is a relative error of 2^-24 in the worst
/// case only where the scales of neighbouring levels differ by a factor near their size; with
/// equal scales the factor is as large as the scale.
pub(super) const MIN_FACTOR: f64 = (1u64 << 24) as f64;

impl Evaluator {
    /// `round(a / q_l)`, from the product scale of level `l` to the canonical scale of `l - 1`.
    pub(super) fn rescaled(&self, a: &Ciphertext) -> Result<Ciphertext> {
        let from = self.own("rescale", a)?;
        let state = rules::rescale(from)?;
        let (ring, drop) = (
            self.ring(),
            self.params.chain().at(from.level).rescale_limbs,
        );
        let [c0, c1] = rescaled_pair(a.c0(), a.c1(), drop, ring);
        Ok(self.wrap(c0, c1, state))
    }

    /// The same value on the canonical scale of a level that is not above.
    ///
    /// Limbs above the target's upper neighbour are forgotten (exact); an integer factor corrects the scale
    /// and is rescaled away.
    pub(super) fn dropped(&self, a: &Ciphertext, target: Level) -> Result<Ciphertext> {
        let level = a.level();
        if level == target {
            return Ok(a.clone());
        }
        let chain = self.params.chain();
        let above = Level(target.0 + 1);
        let info = chain.at(above);
        let factor = chain.scale(target) * info.rescale_by / chain.scale(level);
        if factor < MIN_FACTOR && level > above {
            return self.dropped(&self.dropped(a, above)?, target);
        }
        let factor = self.integer("drop_to", factor, 1.0)?;
        let (ring, limbs) = (self.ring(), info.limbs);
        let state = |level, product| State { level, product };
        let low = self.wrap(
            a.c0().truncated(limbs, ring),
            a.c1().truncated(limbs, ring),
            state(above, true),
        );
        let [c0, c1] = self.times_integer(&low, factor);
        let [c0, c1] = rescaled_pair(&c0, &c1, info.rescale_limbs, ring);
        Ok(self.wrap(c0, c1, state(target, false)))
    }
}
