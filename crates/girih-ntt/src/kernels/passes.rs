//! The order of work and of twiddles in a vector transform.
//!
//! A transform of `2^L`-lane vectors is a list of steps. A *pass* runs up to four stages on one block:
//! it loads strided vectors, works in registers, stores them. A *tail* runs the last `2 L` stages on
//! contiguous groups of `4^L` words. Both directions go through the blocks of a row from its beginning;
//! twiddles lie in the order of one direction's steps.

use std::collections::HashMap;

/// Blocks of at most 2^12 words, which the first-level cache holds, run pass after pass; larger ones
/// finish one part after the other.
const CACHED: usize = 1 << 12;

/// How the stages of a transform are divided into steps.
pub(super) struct Schedule {
    /// log2 of the lanes of a vector.
    pub(super) lanes_log: u32,
    /// Stages of each pass.
    pub(super) passes: &'static [u32],
    /// Words of a tail's twiddles.
    pub(super) tail_words: usize,
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
    /// The steps of a forward transform of `n` words in their order, blocks before their parts.
    pub(super) fn forward_steps(&self, n: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        self.descend(&mut steps, 0, n, self.passes, true);
        steps
    }

    /// The steps of an inverse transform of `n` words in their order, blocks after their parts.
    pub(super) fn inverse_steps(&self, n: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        self.descend(&mut steps, 0, n, self.passes, false);
        steps
    }

    /// Points the steps `to` at the twiddles of the mirrored blocks `n - start - len..n - start` of `from`.
    pub(super) fn mirror(n: usize, from: &[Step], to: &mut [Step]) {
        let places: HashMap<(u32, usize, usize), usize> = from
            .iter()
            .map(|s| ((s.log, s.len, s.start), s.twiddles))
            .collect();
        for step in to {
            step.twiddles = places[&(step.log, step.len, n - step.start - step.len)];
        }
    }

    fn descend(
        &self,
        steps: &mut Vec<Step>,
        start: usize,
        len: usize,
        passes: &[u32],
        forward: bool,
    ) {
        if let [log, rest @ ..] = passes
            && len > CACHED
        {
            if forward {
                self.push(steps, *log, start, len);
            }
            let part = len >> log;
            for start in (start..start + len).step_by(part) {
                self.descend(steps, start, part, rest, forward);
            }
            if !forward {
                self.push(steps, *log, start, len);
            }
            return;
        }
        if !forward {
            self.push(steps, 0, start, len);
        }
        // The length of a pass's blocks is what the passes after it and the tail leave.
        let levels = (0..passes.len()).map(|i| {
            let rest: u32 = passes[i..].iter().sum();
            (passes[i], 1 << (rest + 2 * self.lanes_log))
        });
        let level = |(log, part): (u32, usize), steps: &mut Vec<Step>| {
            for start in (start..start + len).step_by(part) {
                self.push(steps, log, start, part);
            }
        };
        if forward {
            levels.for_each(|l| level(l, steps));
            self.push(steps, 0, start, len);
        } else {
            levels.rev().for_each(|l| level(l, steps));
        }
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
            tree_words(step.log)
        } else {
            (step.len >> (2 * self.lanes_log)) * self.tail_words
        }
    }

    /// The twiddles of all steps: `pass` appends those of a step, `tail` those of the tail that begins
    /// at a word. Both get the node of the tree of twiddles at which the block hangs.
    pub(super) fn lay_out(
        &self,
        n: usize,
        steps: &[Step],
        pass: impl Fn(&mut Vec<u64>, &Step, usize),
        tail: impl Fn(&mut Vec<u64>, usize, usize),
    ) -> Vec<u64> {
        let mut out = Vec::new();
        for step in steps {
            debug_assert_eq!(out.len(), step.twiddles);
            if step.log > 0 {
                pass(&mut out, step, (n + step.start) / step.len);
                continue;
            }
            let words = 1 << (2 * self.lanes_log);
            for start in (step.start..step.start + step.len).step_by(words) {
                tail(&mut out, start, (n + start) / words);
            }
        }
        out
    }
}

/// Pads trees of broadcast pairs to whole cache lines.
const LINE: usize = 8;

/// Words of the `2^log - 1` broadcast pairs of a tree; at least one word is left over.
pub(super) const fn tree_words(log: u32) -> usize {
    (spare_word(log) + 1).next_multiple_of(LINE)
}

/// The first word after the pairs of a tree.
pub(super) const fn spare_word(log: u32) -> usize {
    2 * ((1 << log) - 1)
}

/// The binary tree of twiddles below node `root`, stage by stage.
pub(super) fn push_tree(
    out: &mut Vec<u64>,
    root: usize,
    log: u32,
    encode: impl Fn(usize) -> [u64; 2],
) {
    let start = out.len();
    for stage in 0..log {
        for node in root << stage..(root + 1) << stage {
            out.extend(encode(node));
        }
    }
    out.resize(start + tree_words(log), 0);
}

/// Forward steps in runs that end with the tails of one block: what stays in cache together. The passes
/// over larger blocks belong to the first part of those blocks.
pub(super) fn forward_blocks(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.split_inclusive(|step| step.log == 0)
}

/// Inverse steps in runs that begin with the tails of one block.
pub(super) fn inverse_blocks(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.chunk_by(|_, next| next.log != 0)
}
