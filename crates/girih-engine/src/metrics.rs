//! What a run cost: seconds by layer and operation, peak memory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

/// How often an operation ran and how long it took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// Instructions.
    pub count: u64,
    /// Seconds on the threads that ran them, summed.
    pub seconds: f64,
}

/// What one layer cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LayerTiming {
    /// Name of the program's region.
    pub name: String,
    /// Seconds from the start of its first instruction to the end of its last one. Layers may overlap.
    pub wall_seconds: f64,
    /// Seconds of its instructions, summed over threads.
    pub seconds: f64,
    /// By name of the instruction; several rotations of one value count as `rotate_many`.
    pub primitives: BTreeMap<&'static str, Share>,
}

/// Seconds of a run, in the order of the program's regions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Seconds from start to end.
    pub seconds: f64,
    /// By layer.
    pub layers: Vec<LayerTiming>,
    /// Most values alive at one time.
    pub peak_values: usize,
}

impl Timings {
    /// Adds another run of the same program.
    pub fn merge(&mut self, other: &Timings) {
        if self.layers.is_empty() {
            *self = other.clone();
            return;
        }
        self.seconds += other.seconds;
        self.peak_values = self.peak_values.max(other.peak_values);
        for (mine, theirs) in self.layers.iter_mut().zip(&other.layers) {
            mine.wall_seconds += theirs.wall_seconds;
            mine.seconds += theirs.seconds;
            for (name, share) in &theirs.primitives {
                let total = mine.primitives.entry(name).or_default();
                total.count += share.count;
                total.seconds += share.seconds;
            }
        }
    }

    /// Seconds by name of the instruction, over all layers.
    #[must_use]
    pub fn primitives(&self) -> BTreeMap<&'static str, Share> {
        let mut total: BTreeMap<&'static str, Share> = BTreeMap::new();
        for (name, share) in self.layers.iter().flat_map(|l| &l.primitives) {
            let sum = total.entry(name).or_default();
            sum.count += share.count;
            sum.seconds += share.seconds;
        }
        total
    }
}

thread_local! {
    /// Seconds of complete instructions that ran on this thread inside the one being timed.
    static INSIDE: Cell<f64> = const { Cell::new(0.0) };
}

/// The result of `body` and its seconds, without those of other timed bodies that this thread ran inside
/// it (a thread that waits for a parallel loop takes up other work).
pub(crate) fn timed<T>(body: impl FnOnce() -> T) -> (T, f64) {
    let outer = INSIDE.replace(0.0);
    let begin = Instant::now();
    let result = body();
    let elapsed = begin.elapsed().as_secs_f64();
    let inside = INSIDE.replace(outer + elapsed);
    (result, (elapsed - inside).max(0.0))
}

/// Lets [`peak_bytes`] begin anew with what is resident now, where the system allows it.
pub fn restart_peak() {
    // Where it does not, the peak is that of the whole process, as documented.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Peak resident bytes of this process so far (`VmHWM`), since [`restart_peak`], where the system tells.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Resident bytes of this process now (`VmRSS`), where the system tells.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

fn status_bytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_inside_counts_once() {
        let ((_, inner), outer) =
            timed(|| timed(|| std::thread::sleep(std::time::Duration::from_millis(30))));
        assert!(inner >= 0.03);
        assert!(outer < 0.02, "{outer}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn peak_is_at_least_what_is_resident() {
        let (peak, now) = (
            peak_bytes().expect("Linux tells"),
            resident_bytes().expect("Linux tells"),
        );
        assert!(now > 0 && peak >= now / 2);
    }
}
