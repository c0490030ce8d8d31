//! List scheduling of stages of independent tasks on cores that share one memory.

/// A task: arithmetic on what the core has, and bytes from a memory that all cores share; one after the other, since a row
/// that is multiplied leaves little to overlap (docs/keyswitch.md, "What bounds it").
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Task {
    /// Nanoseconds of arithmetic, with what comes from the core's share of the caches.
    pub(crate) compute: f64,
    /// Bytes to and from the shared memory.
    pub(crate) bytes: f64,
}

/// Tasks between two barriers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stage {
    /// The name for people.
    pub(crate) name: &'static str,
    /// The tasks in the order in which they are started.
    pub(crate) tasks: Vec<Task>,
    /// Whether the code shares them among threads at all.
    pub(crate) parallel: bool,
}

/// The shared memory, in bytes per nanosecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// What one core takes at most.
    pub(crate) core: f64,
    /// What all cores take together at most.
    pub(crate) all: f64,
}

/// Nanoseconds of `stages` on `cores`, and `fork` more for every parallel stage on more than one.
pub(crate) fn time(stages: &[Stage], cores: usize, memory: Memory, fork: f64) -> f64 {
    stages
        .iter()
        .map(|stage| {
            let cores = if stage.parallel { cores.max(1) } else { 1 };
            let fork = if cores > 1 { fork } else { 0.0 };
            makespan(&stage.tasks, cores, memory) + fork
        })
        .sum()
}

/// Nanoseconds of independent tasks, each started in order by the first free core.
fn makespan(tasks: &[Task], cores: usize, memory: Memory) -> f64 {
    let mut waiting = tasks.iter();
    let mut running: Vec<Task> = waiting.by_ref().take(cores).copied().collect();
    let mut now = 0.0;
    while !running.is_empty() {
        let readers = running.iter().filter(|task| task.bytes > 0.0).count();
        let rate = memory.core.min(memory.all / readers.max(1) as f64);
        // Until the first task ends its bytes or its arithmetic.
        let step = running
            .iter()
            .map(|task| match task.bytes > 0.0 {
                true => task.bytes / rate,
                false => task.compute,
            })
            .fold(f64::INFINITY, f64::min);
        now += step;
        for task in &mut running {
            let (left, gone) = match task.bytes > 0.0 {
                true => (&mut task.bytes, step * rate),
                false => (&mut task.compute, step),
            };
            // Rounding leaves crumbs.
            *left = if *left <= gone * (1.0 + 1e-9) {
                0.0
            } else {
                *left - gone
            };
        }
        running.retain(|task| task.bytes > 0.0 || task.compute > 0.0);
        let free = cores - running.len();
        running.extend(waiting.by_ref().take(free).copied());
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Memory = Memory {
        core: f64::INFINITY,
        all: f64::INFINITY,
    };

    fn stage(tasks: &[(f64, f64)]) -> Stage {
        Stage {
            name: "test",
            tasks: tasks
                .iter()
                .map(|&(compute, bytes)| Task { compute, bytes })
                .collect(),
            parallel: true,
        }
    }

    #[test]
    fn hand_made_graphs() {
        // 3, 3, 2, 2, 2 on two cores: 3 2 2 and 3 2
        let stages = [stage(&[
            (3.0, 0.0),
            (3.0, 0.0),
            (2.0, 0.0),
            (2.0, 0.0),
            (2.0, 0.0),
        ])];
        assert_eq!(time(&stages, 2, FREE, 0.0), 7.0);
        assert_eq!(time(&stages, 5, FREE, 1.0), 4.0);
        // two cores read ten bytes each at three together, then compute
        let memory = Memory {
            core: 2.0,
            all: 3.0,
        };
        let stages = [stage(&[(1.0, 10.0), (1.0, 10.0)])];
        assert!((time(&stages, 2, memory, 0.0) - (20.0 / 3.0 + 1.0)).abs() < 1e-9);
        assert!((time(&stages, 1, memory, 0.0) - 12.0).abs() < 1e-9);
        let alone = Stage {
            parallel: false,
            ..stages[0].clone()
        };
        assert!((time(&[alone], 8, memory, 5.0) - 12.0).abs() < 1e-9);
    }

    #[test]
    fn one_core_is_the_sum_and_bounds_hold() {
        let memory = Memory {
            core: 4.0,
            all: 9.0,
        };
        // Any tasks will do.
        let tasks: Vec<(f64, f64)> = (0..40)
            .map(|i| (f64::from(i * 7 % 11) + 0.5, f64::from(i * 5 % 13)))
            .collect();
        let stages = [stage(&tasks), stage(&tasks[..3]), stage(&tasks[5..22])];
        let sum: f64 = stages
            .iter()
            .flat_map(|s| &s.tasks)
            .map(|t| t.compute + t.bytes / memory.core)
            .sum();
        let bytes: f64 = stages.iter().flat_map(|s| &s.tasks).map(|t| t.bytes).sum();
        let longest = |s: &Stage| {
            s.tasks
                .iter()
                .map(|t| t.compute + t.bytes / memory.core)
                .fold(0.0, f64::max)
        };
        let path: f64 = stages.iter().map(longest).sum();
        assert!((time(&stages, 1, memory, 3.0) - sum).abs() < 1e-6);
        for cores in 1..40 {
            let time = time(&stages, cores, memory, 0.0) * (1.0 + 1e-6);
            assert!(time >= path && time >= bytes / memory.all && time >= sum / cores as f64);
            assert!(time <= sum * (1.0 + 1e-5));
        }
    }
}
