//! A made-up scheme.

use std::collections::BTreeMap;

use girih_compile::{BootstrappedSet, ChainRequest, Scheme};
use girih_he::{
    Bootstrapping, HeProfile, KeyManifest, Level, NoiseProfile, Primitive, Rotation, SlotValues,
};

/// A scheme with prices that grow with N and level, and room for a fixed number of bits per slot.
pub(crate) struct Prices;

impl Scheme for Prices {
    fn profile(&self, chain: &ChainRequest) -> Result<HeProfile, String> {
        let bits = chain.first_bits * 2 + chain.level_bits.iter().sum::<u32>();
        let cap = 218u32 << (chain.log_n.saturating_sub(13));
        if chain.log_n < 13 || bits > cap {
            return Err(format!(
                "{bits} bits exceed {cap} for N = 2^{}",
                chain.log_n
            ));
        }
        let n = f64::from(1u32 << chain.log_n);
        let levels = chain.level_bits.len() + 1;
        let by_level = |s: f64| {
            (0..levels)
                .map(|l| s * (l + 2) as f64 * n / 8192.0)
                .collect::<Vec<_>>()
        };
        let quadratic = |s: f64| {
            (0..levels)
                .map(|l| s * ((l + 2) * (l + 2)) as f64 * n / 8192.0)
                .collect::<Vec<_>>()
        };
        let seconds = BTreeMap::from([
            (Primitive::Add, by_level(2e-6)),
            (Primitive::MulPlain, by_level(2e-6)),
            (Primitive::Mul, by_level(8e-6)),
            (Primitive::Relinearize, quadratic(2e-5)),
            (Primitive::Rotate, quadratic(2e-5)),
            (Primitive::HoistedRotate, quadratic(1e-5)),
            (Primitive::Rescale, by_level(1e-5)),
        ]);
        let slots = chain.slots();
        let root = (slots as f64).sqrt();
        Ok(HeProfile {
            bootstrapping: None,
            threads: 1,
            together: BTreeMap::new(),
            base_bytes: 0,
            spare_bytes: 0,
            slots,
            log_scale: (0..levels)
                .map(|_| f64::from(*chain.level_bits.first().unwrap_or(&30)))
                .collect(),
            seconds,
            ciphertext_bytes: (0..levels)
                .map(|l| 32 * slots as u64 * (l as u64 + 1))
                .collect(),
            plaintext_bytes: (0..levels)
                .map(|l| 16 * slots as u64 * (l as u64 + 1))
                .collect(),
            lazy_plaintext_bytes: (0..levels)
                .map(|l| 16 * slots as u64 * (l as u64 + 2))
                .collect(),
            key_bytes: (0..levels)
                .map(|l| 32 * slots as u64 * (l as u64 + 2) * (l as u64 + 1))
                .collect(),
            noise: NoiseProfile {
                fresh: 4.0 * root,
                encoding: 0.3 * root,
                rescale: 0.4 * root * root,
                key_switch: root * root,
            },
        })
    }

    /// One set of 2^14 slots with six levels for the application; a bootstrapping costs as much as hundreds of products.
    fn bootstrapped(&self, _: u32) -> Vec<BootstrappedSet> {
        let chain = ChainRequest {
            log_n: 15,
            first_bits: 48,
            level_bits: vec![40; 6],
            security: 128,
            preset: Some("made up".into()),
        };
        let mut profile = self.profile(&chain).expect("fits");
        profile.bootstrapping = Some(Bootstrapping {
            input: Level(0),
            output: Level(6),
            bound: 1.0,
            error: 1e-7,
            values: SlotValues::Complex,
            slots: chain.slots(),
        });
        profile.seconds.insert(Primitive::Bootstrap, vec![2.0; 7]);
        profile.key_bytes.extend([1 << 20; 10]);
        let manifest = KeyManifest {
            relinearization: Some(Level(12)),
            rotations: BTreeMap::from([(Rotation(1), Level(16))]),
            conjugation: Some(Level(14)),
        };
        vec![BootstrappedSet {
            chain,
            profile,
            manifest,
            constant_bytes: 1 << 22,
        }]
    }
}
