//! What the processor can do at most: cycles, instructions per cycle and bytes per second, measured at start.
//!
//! The clock is that of a chain of dependent additions (one a cycle on every processor that has the vectors in question).
//! Multiply-adds, vector additions and additions of doubles per cycle come from loops of independent instructions,
//! loads from a loop over a buffer in the first-level cache, bandwidths from loops over buffers of all sizes. Two rates
//! are not measured: lanes cross vectors on half of the vector units, and one vector is stored a cycle (AMD, "Software
//! Optimization Guide for the AMD Zen5 Microarchitecture", section 2.10; Intel, "Optimization Reference Manual", volume 1, section 2).

use std::time::Instant;

use girih_ntt::Pool;
#[cfg(all(target_arch = "x86_64", not(force_scalar)))]
use girih_ntt::probe::{self, Unit};

/// log2 of the bytes of the smallest buffer of a sweep: in every first-level cache.
const SMALLEST_LOG: u32 = 14;
/// log2 of the bytes of the largest: beyond every cache.
const LARGEST_LOG: u32 = 28;
/// Repetitions of a probe, of which the fastest counts: other programs can only slow it down.
const TRIES: usize = 25;

/// What bounds a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// The units for multiply-adds and products.
    MultiplyAdd,
    /// The units for additions of doubles.
    FloatAdd,
    /// The units that move lanes across a vector.
    Shuffle,
    /// All vector units together.
    Vector,
    /// Loads from the first-level cache.
    Load,
    /// Stores.
    Store,
    /// Bytes from the given level: 2, 3, or 4 for memory.
    Bandwidth(u8),
}

impl Resource {
    /// The name in tables and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Resource::MultiplyAdd => "multiply-adds",
            Resource::FloatAdd => "float additions",
            Resource::Shuffle => "shuffles",
            Resource::Vector => "vector units",
            Resource::Load => "loads",
            Resource::Store => "stores",
            Resource::Bandwidth(2) => "L2 bandwidth",
            Resource::Bandwidth(3) => "L3 bandwidth",
            Resource::Bandwidth(_) => "memory bandwidth",
        }
    }
}

/// What one call of a kernel needs, in instructions on whole vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Demand {
    /// Multiply-adds and products.
    pub(crate) madds: f64,
    /// Additions of doubles.
    pub(crate) float_adds: f64,
    /// Lane crossings.
    pub(crate) shuffles: f64,
    /// All instructions on the vector units, those above included.
    pub(crate) vector: f64,
    /// Loads of a vector or a broadcast word.
    pub(crate) loads: f64,
    /// Stores.
    pub(crate) stores: f64,
    /// Bytes read from beyond the first-level cache.
    pub(crate) bytes: f64,
    /// Bytes that the call touches: says which level they come from.
    pub(crate) working_set: f64,
}

/// Rates of one core.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Cycles per nanosecond.
    pub(crate) ghz: f64,
    /// Multiply-adds, vector instructions and additions of doubles per cycle.
    pub(crate) madds: f64,
    pub(crate) vector: f64,
    pub(crate) float_adds: f64,
    /// 64-byte loads and stores per cycle.
    pub(crate) loads: f64,
    pub(crate) stores: f64,
    /// `(bytes of the buffer, bytes per nanosecond)`, smallest buffer first.
    pub(crate) reads: Vec<(usize, f64)>,
    /// Bytes of the first three levels of cache.
    pub(crate) caches: [usize; 3],
}

impl Machine {
    /// Measures the processor; `None` without AVX-512-IFMA, for whose kernels the model is.
    #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
    pub(crate) fn measured() -> Option<Machine> {
        /// Operations of a probe: some 20 us.
        const COUNT: u64 = 100_000;
        probe::read(&[])?;
        // Wakes the clock.
        for _ in 0..100 {
            let _ = probe::dependent_adds(COUNT);
        }
        let ghz = fastest(|| probe::dependent_adds(COUNT) as f64);
        let rate = |unit| {
            let per_ns = fastest(|| probe::vectors(unit, COUNT).map_or(0.0, |count| count as f64));
            snapped(per_ns / ghz)
        };
        let pool = Pool::new();
        let buffer = pool.zeroed((1 << LARGEST_LOG) / size_of::<u64>());
        let reads: Vec<(usize, f64)> = (SMALLEST_LOG..=LARGEST_LOG)
            .map(|log| {
                let words = &buffer[..(1 << log) / size_of::<u64>()];
                // Some 4 MiB at a time.
                let times = ((4 << 20) >> log).max(1);
                let rate = fastest(|| {
                    (0..times)
                        .map(|_| probe::read(words).unwrap_or(0) as f64)
                        .sum()
                });
                (1 << log, rate)
            })
            .collect();
        Some(Machine {
            ghz,
            madds: rate(Unit::MultiplyAdd),
            vector: rate(Unit::Vector),
            float_adds: rate(Unit::FloatAdd),
            loads: snapped(reads[0].1 / 64.0 / ghz),
            stores: 1.0,
            reads,
            caches: caches(),
        })
    }

    /// None: the model is for AVX-512-IFMA.
    #[cfg(not(all(target_arch = "x86_64", not(force_scalar))))]
    pub(crate) fn measured() -> Option<Machine> {
        None
    }

    /// Bytes per nanosecond from a buffer of `bytes`: that of the next smaller one measured.
    pub(crate) fn read_rate(&self, bytes: f64) -> f64 {
        self.reads
            .iter()
            .take_while(|(size, _)| *size as f64 <= bytes)
            .last()
            .or(self.reads.first())
            .map_or(f64::INFINITY, |(_, rate)| *rate)
    }

    /// The least nanoseconds of a demand and what asks for them.
    pub(crate) fn bound(&self, demand: &Demand) -> (f64, Resource) {
        let level = self
            .caches
            .iter()
            .position(|size| demand.working_set <= *size as f64)
            .map_or(4, |i| i as u8 + 1);
        let cycles = |count: f64, rate: f64| count / (rate * self.ghz);
        let mut candidates = vec![
            (cycles(demand.madds, self.madds), Resource::MultiplyAdd),
            (cycles(demand.vector, self.vector), Resource::Vector),
            (
                cycles(demand.float_adds, self.float_adds),
                Resource::FloatAdd,
            ),
            (
                cycles(demand.shuffles, self.vector / 2.0),
                Resource::Shuffle,
            ),
            (cycles(demand.loads, self.loads), Resource::Load),
            (cycles(demand.stores, self.stores), Resource::Store),
        ];
        if level > 1 {
            let ns = demand.bytes / self.read_rate(demand.working_set);
            candidates.push((ns, Resource::Bandwidth(level)));
        }
        candidates
            .into_iter()
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or((0.0, Resource::Vector))
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let [l1, l2, l3] = self.caches;
        format!(
            "{:.2} GHz; per cycle {} multiply-adds, {} vector instructions, {} additions of doubles, {} loads; reads from \
             L2 ({} KiB) {:.0} GB/s, L3 ({} MiB) {:.0}, memory {:.0}; L1 {} KiB",
            self.ghz,
            self.madds,
            self.vector,
            self.float_adds,
            self.loads,
            l2 >> 10,
            self.read_rate(l2 as f64 / 2.0),
            l3 >> 20,
            self.read_rate(l3 as f64 / 4.0),
            self.read_rate(f64::INFINITY),
            l1 >> 10,
        )
    }
}

/// Operations per nanosecond of the fastest of some runs.
pub(crate) fn fastest(mut run: impl FnMut() -> f64) -> f64 {
    (0..TRIES)
        .map(|_| {
            let begin = Instant::now();
            let count = run();
            count / (begin.elapsed().as_nanos() as f64).max(1.0)
        })
        .fold(0.0, f64::max)
}

/// A rate per cycle: whole, unless the measurement is far from it.
fn snapped(rate: f64) -> f64 {
    let whole = rate.round().max(1.0);
    if (rate / whole - 1.0).abs() < 0.15 {
        whole
    } else {
        rate
    }
}

/// Bytes of the first three levels of data cache as the system says, or common ones.
pub(crate) fn caches() -> [usize; 3] {
    let mut sizes = [32 << 10, 1 << 20, 32 << 20];
    let folder = std::path::Path::new("/sys/devices/system/cpu/cpu0/cache");
    for index in 0..8 {
        let field = |name: &str| {
            std::fs::read_to_string(folder.join(format!("index{index}")).join(name))
                .map(|text| text.trim().to_string())
                .ok()
        };
        let (Some(kind), Some(level), Some(size)) = (field("type"), field("level"), field("size"))
        else {
            continue;
        };
        let (Ok(level), Some(Ok(kib))) = (
            level.parse::<usize>(),
            size.strip_suffix('K').map(str::parse::<usize>),
        ) else {
            continue;
        };
        if kind != "Instruction" && (1..=3).contains(&level) {
            sizes[level - 1] = kib << 10;
        }
    }
    sizes
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Round figures to compute with by hand.
    pub(crate) fn plain() -> Machine {
        Machine {
            ghz: 2.0,
            madds: 2.0,
            vector: 4.0,
            float_adds: 2.0,
            loads: 2.0,
            stores: 1.0,
            reads: vec![
                (1 << 14, 256.0),
                (1 << 17, 100.0),
                (1 << 22, 50.0),
                (1 << 28, 10.0),
            ],
            caches: [1 << 15, 1 << 20, 1 << 25],
        }
    }

    #[test]
    fn the_slowest_resource_bounds() {
        let machine = plain();
        let demand = Demand {
            madds: 400.0,
            vector: 600.0,
            loads: 100.0,
            bytes: 1e4,
            working_set: 1e4,
            ..Demand::default()
        };
        // 400 / (2 a cycle, 2 cycles a ns); the bytes are in the first-level cache
        assert_eq!(machine.bound(&demand), (100.0, Resource::MultiplyAdd));
        let vector = Demand {
            vector: 1600.0,
            ..demand
        };
        assert_eq!(machine.bound(&vector), (200.0, Resource::Vector));
        let second = Demand {
            bytes: 2e4,
            working_set: 2e5,
            ..demand
        };
        assert_eq!(machine.bound(&second), (200.0, Resource::Bandwidth(2)));
        let memory = Demand {
            bytes: 2e4,
            working_set: 1e9,
            ..demand
        };
        assert_eq!(machine.bound(&memory), (2000.0, Resource::Bandwidth(4)));
        assert_eq!(machine.read_rate(1.0), 256.0);
    }

    #[test]
    fn rates_are_whole_when_nearly_so() {
        assert_eq!((snapped(1.93), snapped(2.1), snapped(0.5)), (2.0, 2.0, 0.5));
    }
}
