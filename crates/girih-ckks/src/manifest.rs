//! The keys of a manifest before they are made: which, for which levels, how many bytes.

use std::collections::BTreeMap;

use girih_he::{KeyManifest, Level};

use crate::keys::KeyId;
use crate::{Params, Storage};

/// An evaluation key that a manifest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedKey {
    /// Which key.
    pub id: KeyId,
    /// The highest level it serves.
    pub level: Level,
    /// Bytes in memory: those of [`key_bytes`].
    pub bytes: usize,
}

/// Bytes in memory of a switching key at `level`: `8 N` for each of the `d (l + K)` rows of a half, of which one or two
/// are kept; 145 MB and 290 MB for 36 limbs, 10 special primes and 3 digits at N = 2^16 if both are.
///
/// # Panics
/// If `level` is above the top.
#[must_use]
pub fn key_bytes(params: &Params, level: Level, storage: Storage) -> usize {
    let rows = params.chain().limbs(level) + params.ring().p_len();
    let halves = match storage {
        Storage::Seeded => 1,
        Storage::Expanded => 2,
    };
    halves * params.digits(level) * rows * params.n() * size_of::<u64>()
}

/// Every key of a manifest with its bytes, kept as `storage` says; their sum is
/// [`EvaluationKeys::bytes`](crate::EvaluationKeys::bytes).
///
/// # Panics
/// If a level is above the top.
#[must_use]
pub fn planned_keys(
    params: &Params,
    manifest: &KeyManifest,
    storage: impl Fn(KeyId) -> Storage,
) -> Vec<PlannedKey> {
    let plan = |(id, level)| PlannedKey {
        id,
        level,
        bytes: key_bytes(params, level, storage(id)),
    };
    wanted(params, manifest).into_iter().map(plan).collect()
}

/// The keys of a manifest: relinearisation, rotations in `1..slots`, conjugation; each once, at the highest level.
pub(crate) fn wanted(params: &Params, manifest: &KeyManifest) -> BTreeMap<KeyId, Level> {
    let slots = params.slots();
    let moving = manifest.rotations.iter();
    let rotations = moving
        .filter(|(r, _)| !r.is_identity(slots))
        .map(|(r, level)| (KeyId::Rotation(r.normalized(slots)), *level));
    let relinearization = manifest
        .relinearization
        .map(|l| (KeyId::Relinearization, l));
    let conjugation = manifest.conjugation.map(|l| (KeyId::Conjugation, l));
    let mut wanted = BTreeMap::new();
    for (id, level) in relinearization
        .into_iter()
        .chain(rotations)
        .chain(conjugation)
    {
        let highest = wanted.entry(id).or_insert(level);
        *highest = level.max(*highest);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use girih_he::Rotation;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::{KeyGenerator, presets};

    #[test]
    fn the_bill_is_what_the_keys_take() {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let slots = params.slots() as i32;
        let manifest = KeyManifest {
            relinearization: Some(Level(5)),
            // Two names of one rotation, and one that moves nothing.
            rotations: [
                (Rotation(3), Level(2)),
                (Rotation(3 - slots), Level(4)),
                (Rotation(slots), Level(6)),
                (Rotation(7), Level(1)),
            ]
            .into(),
            conjugation: Some(Level(0)),
        };
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let keygen = KeyGenerator::new(&params);
        let secret = keygen.secret_key(&mut rng);
        let keys = keygen
            .evaluation_keys(&secret, &manifest, &mut rng)
            .expect("own secret");
        assert_eq!(keys.manifest().rotations[&Rotation(3)], Level(4));
        assert_eq!(keys.rotations().len(), 2);
        let total = |storage: &dyn Fn(KeyId) -> Storage| -> usize {
            let plan = planned_keys(&params, &manifest, storage);
            assert_eq!(plan.len(), 4);
            plan.iter().map(|key| key.bytes).sum()
        };
        assert_eq!(keys.bytes(), total(&|_| Storage::default()));
        let hot = |id| match id {
            KeyId::Relinearization => Storage::Expanded,
            _ => Storage::Seeded,
        };
        let stored = keys.clone().stored(hot);
        assert_eq!(stored.bytes(), total(&hot));
        let half = key_bytes(&params, Level(5), Storage::Seeded);
        assert_eq!(stored.bytes(), keys.bytes() + half);
        // How a key is kept is not part of it.
        assert_eq!(stored, keys);
        assert_eq!(stored.to_bytes(), keys.to_bytes());
    }
}
