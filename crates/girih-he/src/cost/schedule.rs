//! A run of a program on paper: which instructions run at the same time, how long all of it takes, and how much memory is in use.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::interpret::schedule;
use crate::{Encoding, HeProfile, Level, Op, Primitive, Program, State, ValueId, encodings_of};

use super::primitives;

/// What a simulated run took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Simulated {
    /// Seconds from start to end.
    pub(super) seconds: f64,
    /// Most bytes of ciphertexts and of the scratch of running instructions at one time, inputs opened when they are first read.
    pub(super) peak_bytes: u64,
    /// Of these, the ciphertexts.
    pub(super) peak_ciphertext_bytes: u64,
}

/// An instruction, or the rotations of one value.
struct Step {
    insts: Vec<ValueId>,
    waits_for: usize,
    feeds: Vec<usize>,
    /// On one thread.
    alone: f64,
    /// On all threads.
    together: f64,
    /// Bytes in use while it runs, its results included.
    scratch: u64,
}

/// A step that runs.
struct Running {
    step: usize,
    /// The share that is left, of 1.
    left: f64,
}

/// What a doubling of the threads costs each of them: they share cache and memory. Measured with two on seven networks, where it would be
/// between -0.1 and 0.45 (`docs/cost-model.md`).
const SHARED_MEMORY: f64 = 0.1;

/// Simulates the executor: ready steps start in program order, as many at a time as there are threads, which share their time evenly.
/// Inputs that `are_open` are there in full before and after.
pub(super) fn simulate(
    program: &Program,
    states: &[State],
    profile: &HeProfile,
    kept: &BTreeSet<Encoding>,
    are_open: impl Fn(&str) -> bool,
) -> Simulated {
    let threads = profile.threads.max(1);
    let inputs = program.inputs();
    let (there, closed): (BTreeSet<_>, BTreeSet<_>) = inputs.partition(|(name, _)| are_open(name));
    let [there, closed] = [there, closed].map(|set| set.into_iter().map(|t| t.1).collect());
    let there: BTreeSet<ValueId> = there;
    let mut steps = steps(program, states, profile, kept, closed);
    let size = |v: ValueId| match there.contains(&v) {
        true => 0,
        false => bytes(&profile.ciphertext_bytes, states[v.index()].level),
    };
    let mut uses = program.use_counts();
    let mut open = vec![false; program.insts.len()];
    let mut ready: BinaryHeap<Reverse<usize>> = (0..steps.len())
        .filter(|&s| steps[s].waits_for == 0)
        .map(Reverse)
        .collect();
    let mut running: Vec<Running> = Vec::new();
    let mut result = Simulated::default();
    let (mut live, mut scratch) = (0u64, 0u64);
    let contention = 1.0 + SHARED_MEMORY * (threads as f64).log2();
    loop {
        while running.len() < threads {
            let Some(Reverse(s)) = ready.pop() else { break };
            for v in operands(program, &steps[s].insts) {
                if !std::mem::replace(&mut open[v.index()], true) {
                    live += size(v);
                }
            }
            for v in &steps[s].insts {
                open[v.index()] = true;
                live += size(*v);
            }
            scratch += steps[s].scratch;
            running.push(Running { step: s, left: 1.0 });
        }
        result.peak_ciphertext_bytes = result.peak_ciphertext_bytes.max(live);
        result.peak_bytes = result.peak_bytes.max(live + scratch);
        let share = threads as f64 / running.len().max(1) as f64;
        let time = |r: &Running| r.left * steps[r.step].seconds(share, threads);
        let Some(next) =
            (0..running.len()).min_by(|&a, &b| time(&running[a]).total_cmp(&time(&running[b])))
        else {
            break;
        };
        let passed = time(&running[next]);
        result.seconds += passed * contention;
        for r in &mut running {
            let whole = steps[r.step].seconds(share, threads);
            r.left = (r.left - passed / whole.max(f64::MIN_POSITIVE)).max(0.0);
        }
        let done = running.swap_remove(next).step;
        scratch -= steps[done].scratch;
        for v in program_operands(program, &steps[done].insts) {
            uses[v.index()] -= 1;
            if uses[v.index()] == 0 {
                live -= size(v);
            }
        }
        for v in &steps[done].insts {
            if uses[v.index()] == 0 {
                live -= size(*v);
            }
        }
        for next in std::mem::take(&mut steps[done].feeds) {
            steps[next].waits_for -= 1;
            if steps[next].waits_for == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    result
}

impl Step {
    /// On a share of so many of all threads: Amdahl's law through the two times that are known.
    fn seconds(&self, share: f64, threads: usize) -> f64 {
        let all = threads as f64;
        if share <= 1.0 || all <= 1.0 {
            return self.alone;
        }
        // alone (s + (1 - s) / m) for m threads, the serial part s from m = all.
        let (alone, together) = (self.alone, self.together.min(self.alone));
        let part = (alone - together) / (1.0 - 1.0 / all);
        alone - part * (1.0 - 1.0 / share)
    }
}

/// Every operand of a step, with repetitions.
fn program_operands<'a>(
    program: &'a Program,
    insts: &'a [ValueId],
) -> impl Iterator<Item = ValueId> + 'a {
    insts
        .iter()
        .flat_map(|v| program.insts[v.index()].op.operands())
}

/// Every operand of a step, once.
fn operands(program: &Program, insts: &[ValueId]) -> BTreeSet<ValueId> {
    program_operands(program, insts).collect()
}

fn steps(
    program: &Program,
    states: &[State],
    profile: &HeProfile,
    kept: &BTreeSet<Encoding>,
    mut closed: BTreeSet<ValueId>,
) -> Vec<Step> {
    let is_input = |v: &ValueId| matches!(program.insts[v.index()].op, Op::Input(_));
    let mut defined_by = vec![None; program.insts.len()];
    let mut steps: Vec<Step> = Vec::new();
    for insts in schedule(program) {
        if insts.iter().any(is_input) {
            continue;
        }
        let s = steps.len();
        let sources: BTreeSet<usize> = program_operands(program, &insts)
            .filter_map(|v| defined_by[v.index()])
            .collect();
        for source in &sources {
            steps[*source].feeds.push(s);
        }
        let mut step = Step {
            waits_for: sources.len(),
            feeds: Vec::new(),
            alone: 0.0,
            together: 0.0,
            scratch: 0,
            insts,
        };
        // Inputs are expanded by who reads them first.
        for v in operands(program, &step.insts) {
            if closed.remove(&v) {
                step.add(profile, Primitive::Expand, 1, states[v.index()].level);
            }
        }
        for (position, v) in step.insts.clone().into_iter().enumerate() {
            let op = &program.insts[v.index()].op;
            let level = working_level(op, v, states);
            for (primitive, times) in primitives(op, level, program.slots, position > 0) {
                step.add(profile, primitive, times, level);
            }
            let mut met = 0;
            for encoding in encodings_of(op, states).filter(|e| !kept.contains(e)) {
                step.add(profile, encoding.usage.primitive(), 1, encoding.level);
                met += 1;
            }
            // Coefficients, and evaluations of one row: as many words as there are real slots twice.
            let streamed = (2 * met * 16 * profile.slots as u64).min(STREAMED_BYTES);
            let scratch = streamed + scratch(op, level, program.slots, profile);
            step.scratch = step.scratch.max(scratch);
            defined_by[v.index()] = Some(s);
        }
        steps.push(step);
    }
    steps
}

impl Step {
    fn add(&mut self, profile: &HeProfile, primitive: Primitive, times: usize, level: Level) {
        let times = times as f64;
        self.alone += times * profile.seconds_of(primitive, level);
        self.together += times * profile.seconds_together(primitive, level);
    }
}

/// The level at which an instruction works.
pub(super) fn working_level(op: &Op, v: ValueId, states: &[State]) -> Level {
    let first = op.operands().first().copied().unwrap_or(v);
    op.working_level(states[first.index()].level)
}

/// Bytes that an operation needs besides operands and result: digits, sums over QP, remainders.
fn scratch(op: &Op, level: Level, slots: usize, profile: &HeProfile) -> u64 {
    let pair = bytes(&profile.ciphertext_bytes, level);
    // A polynomial over QP, and the digits of one: as many words as a key with one half as a seed.
    let (qp, digits) = (
        bytes(&profile.lazy_plaintext_bytes, level),
        bytes(&profile.key_bytes, level),
    );
    match op {
        Op::Mul(..) | Op::Dot(_) | Op::DotAffine { .. } | Op::Conjugate(_) => 2 * qp + pair,
        Op::Rotate(_, r) if r.is_identity(slots) => 0,
        Op::Rotate(..) => digits,
        Op::SumRotated(terms) => {
            let moved = terms.iter().filter(|(_, r)| !r.is_identity(slots));
            let mut times: BTreeMap<ValueId, usize> = BTreeMap::new();
            moved.for_each(|(v, _)| *times.entry(*v).or_default() += 1);
            let shared = times.values().filter(|&&n| n > 1).count() as u64;
            2 * qp + pair + shared * digits
        }
        Op::SumRotatedProducts(giants) => {
            let terms = giants.iter().flat_map(|g| &g.terms);
            let inputs: BTreeSet<ValueId> = terms.map(|t| t.0).collect();
            let inputs = (inputs.len() as u64 * digits).min(digits.max(DIGIT_BYTES));
            inputs + (giants.len() as u64 + 1) * 2 * qp
        }
        Op::Rescaled(op, _) => scratch(op, level, slots, profile),
        _ => 0,
    }
}

/// Most bytes of the encodings that one instruction makes and drops at a time.
const STREAMED_BYTES: u64 = 32 << 20;

/// Bytes of the digits of all inputs of a transform that are in memory at a time.
const DIGIT_BYTES: u64 = 256 << 20;

pub(super) fn bytes(table: &[u64], level: Level) -> u64 {
    table.get(usize::from(level.0)).copied().unwrap_or(0)
}
