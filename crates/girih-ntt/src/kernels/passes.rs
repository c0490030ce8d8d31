//! The order of work and of twiddles in a vector transform.
//!
//! A transform of `2^L`-lane vectors is a list of steps. A *pass* runs up to four stages on one block:
//! it loads strided vectors, works in registers, stores them. A *tail* runs the last `2 L` stages on
//! contiguous groups of `4^L` words: L stages across vectors, a transposition, and L more. The forward
//! transform takes the steps in order, the inverse backwards; twiddles lie in forward order.

use crate::modulus::ShoupPair;

/// How the stages of a transform are divided into steps.
pub(super) struct Schedule {
    /// log2 of the lanes of a vector.
    pub(super) lanes_log: u32,
    /// Stages of each pass over the whole row.
    pub(super) outer: &'static [u32],
    /// Stages of each pass over one block, which runs all its steps before the next block is touched.
    pub(super) inner: &'static [u32],
}

/// One step of a transform, on words `start..start + len`.
pub(super) struct Step {
    /// Stages of a pass, or zero for a run of tails.
    pub(super) log: u32,
    pub(super) start: usize,
    pub(super) len: usize,
    /// Where its twiddles begin.
    pub(super) twiddles: usize,
}

impl Schedule {
    /// The steps of a transform of `n` words, in forward order.
    pub(super) fn steps(&self, n: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut cached = n;
        for log in self.outer {
            for start in (0..n).step_by(cached) {
                self.push(&mut steps, *log, start, cached);
            }
            cached >>= log;
        }
        for block in (0..n).step_by(cached) {
            let mut len = cached;
            for log in self.inner {
                for inside in (0..cached).step_by(len) {
                    self.push(&mut steps, *log, block + inside, len);
                }
                len >>= log;
            }
            self.push(&mut steps, 0, block, cached);
        }
        let stages: u32 = self.outer.iter().chain(self.inner).sum();
        debug_assert_eq!(stages + 2 * self.lanes_log, n.ilog2());
        steps
    }

    fn push(&self, steps: &mut Vec<Step>, log: u32, start: usize, len: usize) {
        let twiddles = steps.last().map_or(0, |s| s.twiddles + self.words(s));
        steps.push(Step {
            log,
            start,
            len,
            twiddles,
        });
    }

    /// Words of a step's twiddles.
    fn words(&self, step: &Step) -> usize {
        if step.log > 0 {
            pass_words(step.log)
        } else {
            (step.len >> (2 * self.lanes_log)) * tail_words(self.lanes_log)
        }
    }

    /// The twiddles of all steps, given the two words that stand for power `i` of the bit-reversed list.
    pub(super) fn lay_out(
        &self,
        n: usize,
        steps: &[Step],
        encode: impl Fn(usize) -> [u64; 2],
    ) -> Vec<u64> {
        let mut out = Vec::new();
        let lanes = 1 << self.lanes_log;
        for step in steps {
            debug_assert_eq!(out.len(), step.twiddles);
            if step.log > 0 {
                push_tree(
                    &mut out,
                    n / step.len + step.start / step.len,
                    step.log,
                    &encode,
                );
                continue;
            }
            let tail = lanes * lanes;
            for start in (step.start..step.start + step.len).step_by(tail) {
                let root = (n + start) / tail;
                push_tree(&mut out, root, self.lanes_log, &encode);
                // After the transposition lane k works on the k-th vector's words.
                for stage in 0..self.lanes_log {
                    for i in 0..1 << stage {
                        for half in 0..2 {
                            let of = |k: usize| (((root * lanes) + k) << stage) + i;
                            out.extend((0..lanes).map(|k| encode(of(k))[half]));
                        }
                    }
                }
            }
        }
        out
    }
}

/// Pads trees of broadcast pairs to whole cache lines.
const LINE: usize = 8;

/// Words of the `2^log - 1` pairs of a pass.
const fn pass_words(log: u32) -> usize {
    (2 * ((1 << log) - 1_usize)).next_multiple_of(LINE)
}

/// Words of a tail's broadcast pairs: where its vector pairs begin.
pub(super) const fn tail_head(lanes_log: u32) -> usize {
    pass_words(lanes_log)
}

/// Words of a tail's twiddles.
pub(super) const fn tail_words(lanes_log: u32) -> usize {
    tail_head(lanes_log) + (2 << lanes_log) * ((1 << lanes_log) - 1)
}

/// The binary tree of twiddles below node `root`, stage by stage.
fn push_tree(out: &mut Vec<u64>, root: usize, log: u32, encode: &impl Fn(usize) -> [u64; 2]) {
    let start = out.len();
    for stage in 0..log {
        for node in root << stage..(root + 1) << stage {
            out.extend(encode(node));
        }
    }
    out.resize(start + pass_words(log), 0);
}

/// Prepared factors as words.
pub(super) fn shoup_words(pair: ShoupPair) -> [u64; 2] {
    [pair.w, pair.quotient]
}

/// Steps in runs that end with the tails of one block: what stays in cache together. The passes over
/// the whole row belong to the first.
pub(super) fn blocks(steps: &[Step]) -> impl DoubleEndedIterator<Item = &[Step]> {
    steps.split_inclusive(|step| step.log == 0)
}
