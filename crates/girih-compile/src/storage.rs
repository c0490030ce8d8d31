//! Which constants a server encodes ahead: as many as its memory holds.

use girih_he::{Constants, Cost, HeProfile, Program, Storage, price_stored};

use crate::Result;

/// Bytes of constants that are encoded ahead at most where no memory is named. A run needs none of them ahead; many runs do, as far as
/// memory goes.
const AHEAD_BYTES: u64 = 4 << 30;

/// The price of a program on a server with so much memory, and the bytes of constants that it encodes ahead, if these are not all.
pub(crate) fn priced(
    program: &Program,
    constants: &Constants,
    encrypted: &Constants,
    profile: &HeProfile,
    max_memory: Option<f64>,
) -> Result<(Cost, Option<u64>)> {
    let with = |constant_budget| {
        let storage = Storage {
            constants,
            encrypted,
            constant_budget,
        };
        price_stored(program, &storage, profile)
    };
    let cost = with(None)?;
    let max_memory = max_memory.map(|most| most.max(0.0) as u64);
    let fits = max_memory.is_none_or(|most| cost.peak_bytes() <= most);
    if fits && cost.constant_bytes <= AHEAD_BYTES {
        return Ok((cost, None));
    }
    // What is encoded when it is met takes memory too, the same whatever the budget is.
    let none = with(Some(0))?;
    let room = max_memory.map_or(AHEAD_BYTES, |most| most.saturating_sub(none.peak_bytes()));
    let budget = room.min(AHEAD_BYTES);
    Ok((with(Some(budget))?, Some(budget)))
}
