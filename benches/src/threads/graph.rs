//! The tasks of one multiplication (with relinearisation and rescaling) and one rotation, as `girih_rns::Digits` runs them.

use super::simulate::{Stage, Task};

/// Tiles, thresholds and blocks of `girih_rns`: `par.rs`, `gadget/product.rs`, `extend.rs`.
const TILE: usize = 8;
const SHORT_TILE: usize = 9;
const TALL_TILE: usize = 24;
const TALL_FROM: usize = 1 << 20;
const HEAVY_WORDS: usize = 1 << 15;
const PREPARE_COLUMNS: usize = 1 << 10;
/// Words of a twiddle table per word of a row, both directions.
const TABLE: f64 = 1.25;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A product of two ciphertexts, relinearised and rescaled by one prime.
    Multiply,
    /// A rotation.
    Rotate,
}

/// The sizes of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The degree.
    pub(crate) n: usize,
    /// Primes of the ciphertext and special primes.
    pub(crate) limbs: usize,
    pub(crate) special: usize,
}

/// Nanoseconds of one kernel call on one row of the degree, everything in the caches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    pub(crate) forward: f64,
    pub(crate) inverse: f64,
    /// One source of a preparation.
    pub(crate) prepare: f64,
    /// One source to one target.
    pub(crate) convert: f64,
    /// One product of a pair of inner products: a left row with two right rows.
    pub(crate) pair: f64,
    /// An element-wise product of residues.
    pub(crate) mul: f64,
    /// An element-wise product by a constant, as the division.
    pub(crate) scale: f64,
    pub(crate) permute: f64,
    /// Bytes per nanosecond of one core from the last cache.
    pub(crate) cached: f64,
}

/// Rows moved: to and from the shared memory, and to and from the last cache.
#[derive(Clone, Copy, Debug, Default)]
struct Rows {
    far: f64,
    near: f64,
}

impl Shape {
    /// Digits of a decomposition.
    pub(crate) fn digits(&self) -> usize {
        self.limbs.div_ceil(self.special)
    }

    fn row(&self) -> f64 {
        8.0 * self.n as f64
    }

    /// Bytes of a key switch's key.
    pub(crate) fn key_bytes(&self) -> f64 {
        (2 * self.digits() * (self.limbs + self.special)) as f64 * self.row()
    }

    /// Bytes that an operation touches: key, tables, operands, results, prepared digits.
    pub(crate) fn footprint(&self, operation: Operation) -> f64 {
        let operands = if operation == Operation::Multiply {
            4
        } else {
            2
        };
        let rows = ((operands + 2 + 1) * self.limbs + self.digits() + 2 * self.special) as f64
            + TABLE * (self.limbs + self.special) as f64;
        self.key_bytes() + rows * self.row()
    }

    /// Rows of a tile for `threads`.
    fn tile(&self, rows: usize, threads: usize) -> usize {
        let height = if self.limbs * self.n < TALL_FROM {
            SHORT_TILE
        } else {
            TALL_TILE
        };
        let most = (height / self.digits()).clamp(1, TILE);
        let tiles = rows.div_ceil(most).next_multiple_of(threads);
        rows.div_ceil(tiles.max(1)).max(1)
    }

    fn task(&self, costs: &Costs, compute: f64, rows: Rows) -> Task {
        Task {
            compute: compute + rows.near * self.row() / costs.cached,
            bytes: rows.far * self.row(),
        }
    }

    fn rows_stage(&self, name: &'static str, tasks: Vec<Task>, words: usize) -> Stage {
        Stage {
            parallel: tasks.len() > 1 && words >= HEAVY_WORDS,
            name,
            tasks,
        }
    }

    /// Blocks of columns of the preparation of `sources` rows.
    fn prepare(&self, name: &'static str, costs: &Costs, sources: usize) -> Stage {
        let blocks = (self.n / PREPARE_COLUMNS.min(self.n)).max(1);
        let rows = Rows {
            near: (2 * sources + 1) as f64,
            far: 0.0,
        };
        let whole = self.task(costs, sources as f64 * costs.prepare, rows);
        let task = Task {
            compute: whole.compute / blocks as f64,
            ..whole
        };
        self.rows_stage(name, vec![task; blocks], (sources + 1) * self.n)
    }

    /// The stages of an operation on `threads`: the heights of tiles depend on them.
    pub(crate) fn stages(&self, operation: Operation, costs: &Costs, threads: usize) -> Vec<Stage> {
        let multiply = operation == Operation::Multiply;
        let drop = usize::from(multiply);
        let (l, k, d) = (self.limbs, self.special, self.digits());
        let divided = k + drop;
        let sizes: Vec<usize> = (0..d).map(|i| k.min(l - i * k)).collect();
        let mut stages = Vec::new();
        // Inverse transforms, of c1 or of d2 = a1 b1.
        let (fill, operands) = if multiply {
            (costs.mul, 2.0)
        } else {
            (0.0, 1.0)
        };
        let rows = Rows {
            far: operands + TABLE,
            near: 1.0,
        };
        let task = self.task(costs, fill + costs.inverse, rows);
        stages.push(self.rows_stage("inverse", vec![task; l], l * self.n));
        for size in sizes.iter().filter(|size| **size > 1) {
            stages.push(self.prepare("prepare digit", costs, *size));
        }
        // What is added to the sums of a row of Q: d0 = a0 b0 and d1 = a0 b1 + a1 b0, or c0.
        let (plus, plus_rows) = if multiply {
            (3.0 * costs.mul + 2.0 * costs.scale, 4.0)
        } else {
            (costs.scale, 1.0)
        };
        let sources = (l + d) as f64;
        // Digits in evaluations and both sums of row `r` of Q, or of P from `l` on; `others` are transformed along.
        let product = |r: usize, others: f64| {
            let own = usize::from(r < l);
            let owner = sizes.get(r / k).copied().unwrap_or(0) + 1;
            let converted = if own == 1 {
                sources - owner as f64
            } else {
                sources
            };
            let transforms = (d - own) as f64 + others;
            let mut compute =
                converted * costs.convert + transforms * costs.forward + d as f64 * costs.pair;
            let mut rows = Rows {
                far: 2.0 * d as f64 + TABLE,
                near: 2.0 * d as f64,
            };
            if own == 1 {
                compute += plus + if multiply { costs.mul } else { 0.0 };
                rows.far += plus_rows + if multiply { 0.0 } else { 1.0 };
            }
            (compute, rows)
        };
        let tiled =
            |name, first: usize, count: usize, row: &dyn Fn(usize) -> (f64, Rows), shared: f64| {
                let tile = self.tile(count, threads);
                let tasks = (0..count)
                    .step_by(tile)
                    .map(|start| {
                        let mut sum = (
                            0.0,
                            Rows {
                                far: 0.0,
                                near: shared,
                            },
                        );
                        for r in start..count.min(start + tile) {
                            let (compute, rows) = row(first + r);
                            sum.0 += compute;
                            sum.1.far += rows.far;
                            sum.1.near += rows.near;
                        }
                        self.task(costs, sum.0, sum.1)
                    })
                    .collect();
                Stage {
                    name,
                    parallel: count > 1,
                    tasks,
                }
            };
        let kept = l - drop;
        let divided_row = |r: usize| {
            let (compute, mut rows) = product(r, 0.0);
            rows.near += 2.0;
            (compute + 2.0 * costs.inverse, rows)
        };
        stages.push(tiled("divided rows", kept, divided, &divided_row, sources));
        for _ in 0..2 {
            stages.push(self.prepare("prepare remainder", costs, divided));
        }
        let end = 2.0
            * if multiply {
                costs.scale
            } else {
                costs.scale + costs.permute
            };
        let kept_row = |r: usize| {
            let (compute, mut rows) = product(r, 2.0);
            // A written line is read first.
            rows.far += 4.0;
            let remainders = 2.0 * (divided + 1) as f64 * costs.convert;
            (compute + remainders + end, rows)
        };
        let shared = sources + 2.0 * (divided + 1) as f64;
        stages.push(tiled("kept rows", 0, kept, &kept_row, shared));
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Costs = Costs {
        forward: 1.0,
        inverse: 0.0,
        prepare: 0.0,
        convert: 0.0,
        pair: 0.0,
        mul: 0.0,
        scale: 0.0,
        permute: 0.0,
        cached: f64::INFINITY,
    };
    const SHAPE: Shape = Shape {
        n: 1 << 16,
        limbs: 28,
        special: 10,
    };

    fn total(stages: &[Stage]) -> Task {
        stages
            .iter()
            .flat_map(|s| &s.tasks)
            .fold(Task::default(), |a, b| Task {
                compute: a.compute + b.compute,
                bytes: a.bytes + b.bytes,
            })
    }

    #[test]
    fn transforms_are_those_of_the_page() {
        // docs/keyswitch.md at 28 limbs, K = 10: 50 inverse and 140 forward transforms
        for threads in [1, 2, 16] {
            let forward = total(&SHAPE.stages(Operation::Multiply, &UNIT, threads)).compute;
            assert!((forward - 140.0).abs() < 1e-9);
            let costs = Costs {
                forward: 0.0,
                inverse: 1.0,
                ..UNIT
            };
            let inverse = total(&SHAPE.stages(Operation::Multiply, &costs, threads)).compute;
            assert!((inverse - 50.0).abs() < 1e-9);
        }
    }

    #[test]
    fn every_row_of_the_key_is_read_once() {
        let stages = SHAPE.stages(Operation::Rotate, &UNIT, 1);
        assert!((SHAPE.key_bytes() - 228.0 * 8.0 * 65536.0).abs() < 1.0);
        assert!(total(&stages).bytes > SHAPE.key_bytes());
    }

    #[test]
    fn tiles_are_shared_evenly() {
        assert_eq!(SHAPE.tile(27, 1), 7);
        assert_eq!(SHAPE.tile(27, 2), 7);
        assert_eq!(SHAPE.tile(27, 16), 2);
        assert_eq!(
            Shape {
                n: 1 << 14,
                limbs: 8,
                special: 3
            }
            .tile(7, 2),
            2
        );
    }
}
