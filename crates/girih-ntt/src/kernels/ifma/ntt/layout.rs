//! Where the twiddles of a transform with eight lanes lie.
//!
//! The last three stages of a tail want one factor a lane, seven eighths of all. For reduction-free primes
//! the table holds those as `2^52 + w`, a double whose low 52 bits are the factor: its quotient is one
//! fused multiply-add away, and the table is half as long. Wide primes keep pairs.

use super::super::super::Roots;
use super::super::super::passes::{Schedule, Step, push_tree, spare_word, tree_words};
use super::{LANES_LOG, TAIL};
use crate::modulus::ShoupPair;

/// Factors of the last three stages for one pair of vectors.
pub(super) const LANES: [usize; 3] = [4, 4, 8];
/// In units of q, how far the last three stages may move a value down: their products, by quotients that
/// may be one too small, are below 2.7, 2.8 and 2.9 q.
const LANES_LIFT: u64 = 9;
/// `2^52` as a double.
const TAG: u64 = 0x433 << 52;

/// Where the factors of the last three stages begin, after the tail's tree.
const HEAD: usize = tree_words(LANES_LOG);

const fn words_per_factor<const WIDE: bool>() -> usize {
    if WIDE { 2 } else { 1 }
}

/// Words of a tail's twiddles.
pub(super) const fn tail_words<const WIDE: bool>() -> usize {
    HEAD + 4 * (LANES[0] + LANES[1] + LANES[2]) * words_per_factor::<WIDE>()
}

/// Where the factors of stage `stage` of the last three lie for pair `p` of vectors.
pub(super) const fn lanes_at<const WIDE: bool>(stage: usize, p: usize) -> usize {
    let before = [0, 4 * LANES[0], 4 * (LANES[0] + LANES[1])];
    HEAD + (before[stage] + p * LANES[stage]) * words_per_factor::<WIDE>()
}

/// Prepared factors as words.
pub(super) fn pair(pair: ShoupPair) -> [u64; 2] {
    [pair.w, pair.quotient]
}

/// The table of forward twiddles.
pub(super) fn table<const WIDE: bool>(
    roots: &Roots,
    schedule: &Schedule,
    steps: &[Step],
) -> Vec<u64> {
    let (n, q) = (roots.n, &roots.q);
    let encode = |node: usize| pair(q.shoup(roots.forward[node]));
    let set_lift = |out: &mut [u64], log: u32, start: usize, len: usize, more: u64| {
        let lift = lift(schedule.passes, n, start, len, log) + more;
        let at = out.len() - tree_words(log) + spare_word(log);
        out[at] = lift * q.value();
    };
    schedule.lay_out(
        n,
        steps,
        |out, step, root| {
            push_tree(out, root, step.log, encode);
            set_lift(out, step.log, step.start, step.len, 0);
        },
        |out, start, root| {
            push_tree(out, root, LANES_LOG, encode);
            set_lift(out, LANES_LOG, start, TAIL, LANES_LIFT);
            for (stage, nodes) in LANE_NODES.iter().enumerate() {
                for p in 0..4 {
                    let first = (8 * root + 2 * p) << stage;
                    let factors = nodes.iter().take(LANES[stage]).map(|k| encode(first + k));
                    if WIDE {
                        out.extend(factors.clone().map(|[w, _]| w));
                        out.extend(factors.map(|[_, quotient]| quotient));
                    } else {
                        out.extend(factors.map(|[w, _]| w | TAG));
                    }
                }
            }
        },
    )
}

/// The nodes that the lanes of a pair of vectors hold in the last three stages, from the first of them.
/// The reverse list of a stage holds the nodes counted from the last, which is what lets the inverse
/// read the table of the forward transform.
const LANE_NODES: [[usize; 8]; 3] = [
    [0, 0, 1, 1, 0, 0, 1, 1],
    [0, 1, 2, 3, 0, 1, 2, 3],
    [0, 2, 4, 6, 1, 3, 5, 7],
];

/// In units of q, what a step of `log` stages must add to the operands that are not multiplied, so that no
/// value becomes negative.
///
/// A stage moves a value up by less than 2q or down by as much, according to the half that it is in.
fn lift(passes: &[u32], n: usize, start: usize, len: usize, log: u32) -> u64 {
    let (mut floor, mut block) = (0_u32, n);
    for pass in passes {
        if block == len {
            break;
        }
        let part = block >> pass;
        let downs = (start % block / part).count_ones();
        floor = floor.max(2 * pass) - 2 * downs;
        block = part;
    }
    u64::from((2 * log).saturating_sub(floor))
}

#[cfg(test)]
mod tests {
    use super::super::schedule;
    use super::*;
    use crate::PrimeClass;

    /// Where a value can lie, in units of q.
    #[derive(Clone, Copy, Debug)]
    struct Range {
        low: f64,
        high: f64,
    }

    impl Range {
        fn or(self, other: Range) -> Range {
            Range {
                low: self.low.min(other.low),
                high: self.high.max(other.high),
            }
        }
    }

    /// What a butterfly leaves of two ranges where 2^52 is `growth` q, by a quotient that is too small by less
    /// than `error`.
    fn butterfly(x: Range, y: Range, growth: f64, error: f64) -> (Range, Range) {
        assert!(y.low >= 0.0, "a negative operand: {y:?}");
        let product = 1.0 + error * y.high / growth;
        let moved = |down: f64, up: f64| Range {
            low: x.low - down,
            high: x.high + up,
        };
        let (sum, difference) = (moved(0.0, product), moved(product, 0.0));
        assert!(sum.high <= growth, "beyond 52 bits: {sum:?}");
        (sum, difference)
    }

    /// The ranges after `log` stages across `2^log` vectors that begin in `input`.
    fn stages(input: Range, log: u32, lift: u64, growth: f64) -> Vec<Range> {
        let mut v = vec![input; 1 << log];
        for x in &mut v[..1 << (log - 1)] {
            x.low += lift as f64;
            x.high += lift as f64;
        }
        for stage in 0..log {
            let half = 1 << (log - 1 - stage);
            for block in v.chunks_exact_mut(2 * half) {
                let (xs, ys) = block.split_at_mut(half);
                for (x, y) in xs.iter_mut().zip(ys) {
                    (*x, *y) = butterfly(*x, *y, growth, 1.0);
                }
            }
        }
        v
    }

    /// Follows a block through the passes and its tails.
    fn follow(passes: &[u32], n: usize, start: usize, len: usize, input: Range, growth: f64) {
        let done = n.ilog2() - len.ilog2();
        let mut before = 0;
        let next = passes.iter().find(|p| {
            before += **p;
            before > done
        });
        if let Some(log) = next {
            let lift = lift(passes, n, start, len, *log);
            let part = len >> log;
            for (i, out) in stages(input, *log, lift, growth).into_iter().enumerate() {
                follow(passes, n, start + i * part, part, out, growth);
            }
            return;
        }
        assert_eq!(len, TAIL);
        let lift = lift(passes, n, start, len, LANES_LOG) + LANES_LIFT;
        let v = stages(input, LANES_LOG, lift, growth);
        for pair in v.chunks_exact(2) {
            // Lanes of both vectors meet, and then those of both results.
            let mut all = pair[0].or(pair[1]);
            for _ in 0..3 {
                let (x, y) = butterfly(all, all, growth, 2.0);
                all = x.or(y);
            }
            assert!(all.low >= 0.0 && all.high <= growth, "at the end: {all:?}");
        }
    }

    #[test]
    fn no_value_is_negative_or_leaves_52_bits() {
        for log_n in 7..=17 {
            let n = 1 << log_n;
            let growth = (1_u64 << 52) as f64 / PrimeClass::reduction_free_bound(n) as f64;
            let input = Range {
                low: 0.0,
                high: 4.0,
            };
            let passes = schedule::<false>(log_n).passes;
            follow(passes, n, 0, n, input, growth);
        }
    }

    #[test]
    fn reversed_lanes_hold_the_mirrored_nodes() {
        for (stage, nodes) in LANE_NODES.iter().enumerate() {
            let last = (2 << stage) - 1;
            let mirrored: Vec<usize> = nodes.iter().rev().map(|k| last - k).collect();
            assert_eq!(mirrored, nodes);
        }
    }
}
