//! The modulus chain: what a level is made of.

use girih_he::Level;

/// What one level is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelInfo {
    /// Primes of a ciphertext at this level: the first `limbs` of Q.
    pub limbs: usize,
    /// The canonical scale.
    pub scale: f64,
    /// Primes that rescaling removes: one, or two where the level is composite; 0 at level 0.
    pub rescale_limbs: usize,
    /// Their product, the divisor of rescaling; 1 at level 0.
    pub rescale_by: f64,
    /// log2 of the modulus `q_1 .. q_limbs`.
    pub log_q: f64,
    /// Whether ciphertexts meet constants only: the scale below does not follow from the square.
    pub linear: bool,
}

/// What a level consumes.
pub(crate) struct Consumed {
    pub(crate) primes: Vec<u64>,
    /// The scale below a linear level.
    pub(crate) below: Option<f64>,
}

/// The levels of a parameter set, from 0 (nothing left) to the top.
///
/// A level is not a limb count: level `l` consumes one prime or the product of two. The scale is a
/// function of the level, `scale(l - 1) = scale(l)^2 / rescale_by(l)` below all but the linear ones, so ciphertexts of
/// one level always have one scale and additions never need an adjustment.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelChain {
    levels: Vec<LevelInfo>,
}

impl LevelChain {
    /// From the primes of level 0 and those consumed by levels 1, 2, ..; `top_scale` is the scale of the
    /// last level, all others follow, but for those below linear levels.
    pub(crate) fn new(first: &[u64], consumed: &[Consumed], top_scale: f64) -> LevelChain {
        let log = |primes: &[u64]| primes.iter().map(|&q| (q as f64).log2()).sum::<f64>();
        let mut levels = vec![LevelInfo {
            limbs: first.len(),
            scale: top_scale,
            rescale_limbs: 0,
            rescale_by: 1.0,
            log_q: log(first),
            linear: false,
        }];
        for Consumed { primes, below: to } in consumed {
            let below = levels[levels.len() - 1];
            levels.push(LevelInfo {
                limbs: below.limbs + primes.len(),
                scale: top_scale,
                rescale_limbs: primes.len(),
                rescale_by: primes.iter().map(|&q| q as f64).product(),
                log_q: below.log_q + log(primes),
                linear: to.is_some(),
            });
        }
        for (l, consumed) in consumed.iter().enumerate().rev() {
            let squared = || scale_below(levels[l + 1].scale, levels[l + 1].rescale_by);
            levels[l].scale = consumed.below.unwrap_or_else(squared);
        }
        LevelChain { levels }
    }

    /// The highest level.
    #[must_use]
    pub fn top(&self) -> Level {
        Level(u8::try_from(self.levels.len() - 1).expect("a chain has at most 256 levels"))
    }

    /// What `level` is made of, or `None` above the top.
    #[must_use]
    pub fn get(&self, level: Level) -> Option<&LevelInfo> {
        self.levels.get(usize::from(level.0))
    }

    /// What `level` is made of.
    ///
    /// # Panics
    /// If `level` is above the [`top`](LevelChain::top).
    #[must_use]
    pub fn at(&self, level: Level) -> &LevelInfo {
        &self.levels[usize::from(level.0)]
    }

    /// The canonical scale of `level`.
    ///
    /// # Panics
    /// If `level` is above the top.
    #[must_use]
    pub fn scale(&self, level: Level) -> f64 {
        self.at(level).scale
    }

    /// The scale of a product at `level`, which rescaling makes canonical: `scale(l - 1) rescale_by(l)`, the square of the
    /// canonical scale where the level is not linear; the square at level 0.
    ///
    /// # Panics
    /// If `level` is above the top.
    #[must_use]
    pub fn product_scale(&self, level: Level) -> f64 {
        match level.below() {
            Some(below) => self.scale(below) * self.at(level).rescale_by,
            None => self.scale(level).powi(2),
        }
    }

    /// Primes of a ciphertext at `level`.
    ///
    /// # Panics
    /// If `level` is above the top.
    #[must_use]
    pub fn limbs(&self, level: Level) -> usize {
        self.at(level).limbs
    }

    /// All levels, from 0 up.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Level, &LevelInfo)> {
        self.levels
            .iter()
            .enumerate()
            .map(|(l, info)| (Level(l as u8), info))
    }
}

/// `scale^2 / divisor`: the canonical scale one level below.
pub(crate) fn scale_below(scale: f64, divisor: f64) -> f64 {
    scale * (scale / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumed(below: [Option<f64>; 2]) -> Vec<Consumed> {
        let primes = [vec![257], vec![17, 19]];
        let each = primes.into_iter().zip(below);
        each.map(|(primes, below)| Consumed { primes, below })
            .collect()
    }

    #[test]
    fn limbs_and_scales_follow_the_primes() {
        let chain = LevelChain::new(&[1009, 1013], &consumed([None, None]), 300.0);
        assert_eq!(chain.top(), Level(2));
        assert_eq!(
            chain.iter().map(|(_, i)| i.limbs).collect::<Vec<_>>(),
            [2, 3, 5]
        );
        assert_eq!(chain.at(Level(2)).rescale_by, 323.0);
        assert_eq!(chain.scale(Level(2)), 300.0);
        assert!((chain.scale(Level(1)) - 300.0 * 300.0 / 323.0).abs() < 1e-9);
        assert!((chain.scale(Level(0)) - chain.scale(Level(1)).powi(2) / 257.0).abs() < 1e-9);
        assert!((chain.at(Level(1)).log_q - (1009f64 * 1013.0 * 257.0).log2()).abs() < 1e-9);
        assert_eq!(chain.get(Level(3)), None);
    }
    #[test]
    fn a_linear_level_keeps_the_scale_it_was_given() {
        let chain = LevelChain::new(&[1009], &consumed([None, Some(280.0)]), 300.0);
        assert!(chain.at(Level(2)).linear && !chain.at(Level(1)).linear);
        assert_eq!(chain.scale(Level(1)), 280.0);
        assert_eq!(chain.product_scale(Level(2)), 280.0 * 323.0);
        let square = 280f64.powi(2);
        assert!((chain.product_scale(Level(1)) / square - 1.0).abs() < 1e-12);
    }
}
