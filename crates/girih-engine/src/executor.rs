//! Runs a leveled program on any evaluator, on all threads of rayon's current pool.
//!
//! Instructions start as soon as their operands are there, those earlier in the program first; rotations of
//! one value run together; a value is freed after its last use. Inputs are opened by the first instruction that reads them. Every
//! instruction is a pure function of its operands, so the results do not depend on the order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use girih_he::{Bootstrap, ConstId, Constants, Error, Op, Program, Result, ValueId, interpret};

use crate::metrics::{LayerTiming, Timings, timed};

/// Called from any thread with the fraction of the work that is done, by predicted cost.
pub type Progress<'a> = &'a (dyn Fn(f64) + Sync);

/// A program made ready for repeated runs on one evaluator: dependencies and constants.
pub struct Executor<E: Bootstrap> {
    program: Arc<Program>,
    steps: Vec<Step>,
    constants: Vec<E::Plaintext>,
    uses: Vec<u32>,
    total_weight: f64,
}

/// One instruction, or the rotations of one value.
struct Step {
    insts: Vec<ValueId>,
    /// Steps that define an operand, without repetitions.
    waits_for: u32,
    /// Steps that read a result.
    feeds: Vec<usize>,
    /// Predicted share of the work.
    weight: f64,
}

/// The outputs of a run, in the program's order, and what it cost.
#[derive(Debug)]
pub struct Run<C> {
    /// Named results.
    pub outputs: Vec<(String, C)>,
    /// Seconds and peaks.
    pub timings: Timings,
}

impl<E> Executor<E>
where
    E: Bootstrap + Sync,
    E::Ciphertext: Send + Sync,
    E::Plaintext: Send + Sync,
{
    /// Checks the program, finds its dependencies and hands its constants to the evaluator.
    ///
    /// `weight` is the predicted cost of an instruction; it steers the progress report only.
    ///
    /// # Errors
    /// A malformed program, another number of slots, a missing constant.
    pub fn try_new(
        program: Arc<Program>,
        constants: &Constants,
        eval: &E,
        weight: impl Fn(ValueId) -> f64,
    ) -> Result<Self> {
        program.check()?;
        if eval.slots() != program.slots {
            return Err(Error::SlotMismatch {
                program: program.slots,
                evaluator: eval.slots(),
            });
        }
        let plain = |name: &String| {
            let values = constants
                .get(name)
                .ok_or_else(|| Error::MissingConstant { name: name.clone() })?;
            eval.constant_of(name, values)
        };
        let constants = program
            .constants
            .iter()
            .map(plain)
            .collect::<Result<Vec<_>>>()?;
        let steps = steps(&program, &weight);
        let total_weight = steps
            .iter()
            .map(|s| s.weight)
            .sum::<f64>()
            .max(f64::MIN_POSITIVE);
        Ok(Executor {
            uses: program.use_counts(),
            program,
            steps,
            constants,
            total_weight,
        })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// A constant, as the evaluator holds it.
    #[must_use]
    pub fn constant(&self, id: ConstId) -> Option<&E::Plaintext> {
        self.constants.get(id.index())
    }

    /// Runs the program. `open` makes a ciphertext of an input when it is first read.
    ///
    /// # Errors
    /// An input is missing or unknown, or the evaluator refuses an instruction: the first in program order among those
    /// that were tried.
    pub fn run<I: Clone + Send>(
        &self,
        eval: &E,
        mut inputs: BTreeMap<String, I>,
        open: impl Fn(I) -> Arc<E::Ciphertext> + Sync,
        progress: Option<Progress<'_>>,
    ) -> Result<Run<E::Ciphertext>> {
        let input = |name: &str, why: &str| Error::Input {
            name: name.into(),
            why: why.into(),
        };
        let known: BTreeSet<&str> = self.program.inputs().map(|(name, _)| name).collect();
        if let Some(name) = inputs.keys().find(|name| !known.contains(name.as_str())) {
            return Err(input(name, "the program has no such input"));
        }
        let mut values: Vec<Slot<I, E::Ciphertext>> = (0..self.program.insts.len())
            .map(|_| Mutex::new(Value::Absent))
            .collect();
        for (name, v) in self.program.inputs() {
            let given = inputs
                .remove(name)
                .ok_or_else(|| input(name, "not given"))?;
            values[v.index()] = Mutex::new(Value::Closed(given));
        }
        let run = Running {
            executor: self,
            eval,
            progress,
            start: Instant::now(),
            open,
            values,
            uses: self.uses.iter().map(|&u| AtomicU32::new(u)).collect(),
            waits_for: self
                .steps
                .iter()
                .map(|s| AtomicU32::new(s.waits_for))
                .collect(),
            ready: Mutex::new(Ready::default()),
            failure: Mutex::new(None),
            stop: AtomicBool::new(false),
            alive: AtomicUsize::new(0),
            ledger: Mutex::new(Ledger::new(&self.program)),
        };
        let first = (0..self.steps.len()).filter(|&s| self.steps[s].waits_for == 0);
        lock(&run.ready).steps.extend(first.map(Reverse));
        let run_ref = &run;
        rayon::scope(|scope| run_ref.start(scope));
        run.finish()
    }
}

/// The steps of a program with their dependencies.
fn steps(program: &Program, weight: &impl Fn(ValueId) -> f64) -> Vec<Step> {
    let is_input = |v: &ValueId| matches!(program.insts[v.index()].op, Op::Input(_));
    let mut schedule = interpret::schedule(program);
    schedule.retain(|insts| !insts.iter().any(is_input));
    let mut defined_by = vec![None; program.insts.len()];
    for (s, insts) in schedule.iter().enumerate() {
        for v in insts {
            defined_by[v.index()] = Some(s);
        }
    }
    let mut steps: Vec<Step> = schedule
        .into_iter()
        .map(|insts| Step {
            weight: insts.iter().map(|&v| weight(v)).sum(),
            insts,
            waits_for: 0,
            feeds: Vec::new(),
        })
        .collect();
    for s in 0..steps.len() {
        let mut sources: Vec<usize> = steps[s]
            .insts
            .iter()
            .flat_map(|v| program.insts[v.index()].op.operands())
            .filter_map(|v| defined_by[v.index()])
            .collect();
        sources.sort_unstable();
        sources.dedup();
        steps[s].waits_for = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        for source in sources {
            steps[source].feeds.push(s);
        }
    }
    steps
}

/// Steps whose operands are there, the first in program order on top.
#[derive(Default)]
struct Ready {
    steps: BinaryHeap<Reverse<usize>>,
    /// Tasks that run a step or are about to. As many as threads, and no more: a thread that waits inside a step takes up other
    /// tasks, and every step that has begun holds memory.
    tasks: usize,
}

/// A value of a run.
enum Value<I, C> {
    /// Not computed yet, or not needed any more.
    Absent,
    /// An input that nothing has read.
    Closed(I),
    Open(Arc<C>),
}

type Slot<I, C> = Mutex<Value<I, C>>;

/// What all threads of one run share.
struct Running<'r, E: Bootstrap, I, F> {
    executor: &'r Executor<E>,
    eval: &'r E,
    progress: Option<Progress<'r>>,
    start: Instant,
    open: F,
    values: Vec<Slot<I, E::Ciphertext>>,
    uses: Vec<AtomicU32>,
    waits_for: Vec<AtomicU32>,
    ready: Mutex<Ready>,
    failure: Mutex<Option<(usize, Error)>>,
    stop: AtomicBool,
    alive: AtomicUsize,
    ledger: Mutex<Ledger>,
}

impl<E, I, F> Running<'_, E, I, F>
where
    E: Bootstrap + Sync,
    E::Ciphertext: Send + Sync,
    E::Plaintext: Send + Sync,
    I: Clone + Send,
    F: Fn(I) -> Arc<E::Ciphertext> + Sync,
{
    /// Starts a task for every ready step, up to the number of threads.
    fn start<'scope>(&'scope self, scope: &rayon::Scope<'scope>) {
        let new = {
            let mut ready = lock(&self.ready);
            let free = rayon::current_num_threads().saturating_sub(ready.tasks);
            let new = ready.steps.len().min(free);
            ready.tasks += new;
            new
        };
        for _ in 0..new {
            scope.spawn(move |scope| {
                self.work();
                lock(&self.ready).tasks -= 1;
                self.start(scope);
            });
        }
    }

    /// Runs the first ready step, and notes which ones it makes ready.
    fn work(&self) {
        let next = lock(&self.ready).steps.pop();
        let Some(Reverse(s)) = next else {
            return;
        };
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let (result, seconds) = timed(|| self.step(s));
        if let Err(error) = result {
            self.fail(s, error);
            return;
        }
        self.account(s, seconds);
        let feeds = self.executor.steps[s].feeds.iter();
        // AcqRel: whoever counts down to zero sees what the other sources stored.
        let woken = feeds.filter(|&&next| self.waits_for[next].fetch_sub(1, Ordering::AcqRel) == 1);
        let woken: Vec<_> = woken.map(|&next| Reverse(next)).collect();
        lock(&self.ready).steps.extend(woken);
    }

    /// Runs one step, stores its results and drops what nobody reads any more.
    fn step(&self, s: usize) -> Result<()> {
        let program = &*self.executor.program;
        let insts = &self.executor.steps[s].insts;
        let operands = self.operands(insts)?;
        let results = self.compute(insts, &operands)?;
        drop(operands);
        for v in insts
            .iter()
            .flat_map(|v| program.insts[v.index()].op.operands())
        {
            if self.uses[v.index()].fetch_sub(1, Ordering::AcqRel) == 1 {
                *lock(&self.values[v.index()]) = Value::Absent;
                self.alive.fetch_sub(1, Ordering::Relaxed);
            }
        }
        for (v, result) in insts.iter().zip(results) {
            if self.executor.uses[v.index()] > 0 {
                *lock(&self.values[v.index()]) = Value::Open(Arc::new(result));
                self.born();
            }
        }
        Ok(())
    }

    /// One more value is alive.
    fn born(&self) {
        let alive = self.alive.fetch_add(1, Ordering::Relaxed) + 1;
        let mut ledger = lock(&self.ledger);
        ledger.peak_values = ledger.peak_values.max(alive);
    }

    /// A value that is there, or an input, opened now if nothing has read it. Two threads that come at once both open it:
    /// neither may wait for the other, which may be below it on its own stack.
    fn value(&self, v: ValueId) -> Result<Arc<E::Ciphertext>> {
        let input = match &*lock(&self.values[v.index()]) {
            Value::Absent => return Err(missing(v)),
            Value::Open(open) => return Ok(open.clone()),
            Value::Closed(input) => input.clone(),
        };
        let opened = (self.open)(input);
        let mut value = lock(&self.values[v.index()]);
        if let Value::Open(open) = &*value {
            return Ok(open.clone());
        }
        *value = Value::Open(opened.clone());
        drop(value);
        self.born();
        Ok(opened)
    }

    /// The operands of a step, each once, sorted by id.
    fn operands(&self, insts: &[ValueId]) -> Result<Vec<(ValueId, Arc<E::Ciphertext>)>> {
        let program = &*self.executor.program;
        let mut ids: Vec<ValueId> = insts
            .iter()
            .flat_map(|v| program.insts[v.index()].op.operands())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|v| Ok((v, self.value(v)?))).collect()
    }

    fn compute(
        &self,
        insts: &[ValueId],
        operands: &[(ValueId, Arc<E::Ciphertext>)],
    ) -> Result<Vec<E::Ciphertext>> {
        let program = &*self.executor.program;
        let value = |v: ValueId| {
            let found = operands.binary_search_by_key(&v, |(id, _)| *id);
            found.map(|at| &*operands[at].1).map_err(|_| missing(v))
        };
        if let ([_, _, ..], [(_, source)]) = (insts, operands) {
            let rotations: Vec<_> = insts
                .iter()
                .filter_map(|v| match program.insts[v.index()].op {
                    Op::Rotate(_, by) => Some(by),
                    _ => None,
                })
                .collect();
            return self.eval.rotate_many(source, &rotations);
        }
        let constant = |p: ConstId| {
            self.executor
                .constant(p)
                .ok_or_else(|| Error::MissingConstant {
                    name: program
                        .constants
                        .get(p.index())
                        .cloned()
                        .unwrap_or_default(),
                })
        };
        insts
            .iter()
            .map(|v| match &program.insts[v.index()].op {
                Op::Bootstrap(a) => {
                    interpret::bootstrap(self.eval, value(*a)?, program.insts[v.index()].state)
                }
                op => interpret::apply(self.eval, op, value, constant),
            })
            .collect()
    }

    fn fail(&self, s: usize, error: Error) {
        self.stop.store(true, Ordering::Relaxed);
        let mut failure = lock(&self.failure);
        if failure.as_ref().is_none_or(|(first, _)| s < *first) {
            *failure = Some((s, error));
        }
    }

    fn account(&self, s: usize, seconds: f64) {
        let step = &self.executor.steps[s];
        let now = self.start.elapsed().as_secs_f64();
        let done = lock(&self.ledger).enter(&self.executor.program, step, seconds, now);
        if let Some(progress) = self.progress {
            progress((done / self.executor.total_weight).min(1.0));
        }
    }

    fn finish(self) -> Result<Run<E::Ciphertext>> {
        if let Some((_, error)) = lock(&self.failure).take() {
            return Err(error);
        }
        let outputs = self
            .executor
            .program
            .outputs
            .iter()
            .map(|(name, v)| Ok((name.clone(), self.value(*v)?)))
            .collect::<Result<Vec<_>>>()?;
        drop(self.values);
        let outputs = outputs
            .into_iter()
            .map(|(name, v)| (name, Arc::unwrap_or_clone(v)))
            .collect();
        let ledger = self
            .ledger
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let timings = Timings {
            seconds: self.start.elapsed().as_secs_f64(),
            layers: ledger.layers,
            peak_values: ledger.peak_values,
        };
        Ok(Run { outputs, timings })
    }
}

/// The account book of a run.
struct Ledger {
    layers: Vec<LayerTiming>,
    began: Vec<f64>,
    peak_values: usize,
    done: f64,
}

impl Ledger {
    fn new(program: &Program) -> Self {
        let layer = |name: &String| LayerTiming {
            name: name.clone(),
            ..LayerTiming::default()
        };
        Ledger {
            layers: program.regions.iter().map(layer).collect(),
            began: vec![f64::INFINITY; program.regions.len()],
            peak_values: 0,
            done: 0.0,
        }
    }

    /// Books a step that ended `now`; returns the weight done so far.
    fn enter(&mut self, program: &Program, step: &Step, seconds: f64, now: f64) -> f64 {
        self.done += step.weight;
        let inst = &program.insts[step.insts[0].index()];
        let region = inst.region as usize;
        if let Some(layer) = self.layers.get_mut(region) {
            self.began[region] = self.began[region].min(now - seconds);
            layer.wall_seconds = now - self.began[region];
            layer.seconds += seconds;
            let name = if step.insts.len() > 1 {
                "rotate_many"
            } else {
                inst.op.name()
            };
            let share = layer.primitives.entry(name).or_default();
            share.count += step.insts.len() as u64;
            share.seconds += seconds;
        }
        self.done
    }
}

/// A lock whose holder never leaves it half written: a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing(v: ValueId) -> Error {
    Error::Program {
        at: v.index(),
        why: "its value is not there".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use girih_he::{ClearEvaluator, Evaluator, Level, Recorder, Rotation};
    use proptest::prelude::*;

    /// A program of random operations, all of them used by the output.
    fn program(choices: &[(u8, u8, u8)]) -> (Program, Constants) {
        let rec = Recorder::new("random", 8);
        rec.region("first");
        let x = rec.input("x").expect("a fresh name");
        let w = rec.constant("w", &[0.5, -0.25, 1.0]).expect("three values");
        let mut values = vec![x];
        for (k, &(op, a, b)) in choices.iter().enumerate() {
            if k == choices.len() / 2 {
                rec.region("second");
            }
            let a = &values[a as usize % values.len()];
            let b = &values[b as usize % values.len()];
            let made = match op % 5 {
                0 => rec.add(a, b).map(|v| vec![v]),
                1 => rec.sub(a, b).map(|v| vec![v]),
                2 => rec.add_plain(a, &w).map(|v| vec![v]),
                3 => rec.rotate_many(a, &[Rotation(1), Rotation(3)]),
                _ => rec
                    .sum_rotated(&[(a, Rotation(2)), (b, Rotation(0))])
                    .map(|v| vec![v]),
            };
            values.extend(made.expect("all at one level"));
        }
        let refs: Vec<_> = values.iter().map(|v| (v, Rotation(1))).collect();
        let all = rec.sum_rotated(&refs).expect("all at one level");
        rec.output("y", &all).expect("a fresh name");
        rec.finish()
    }

    proptest! {
        #[test]
        fn agrees_with_the_interpreter(
            choices in prop::collection::vec(any::<(u8, u8, u8)>(), 1..60),
            threads in 1usize..4,
        ) {
            let (program, constants) = program(&choices);
            let eval = ClearEvaluator::leveled(8, Level(1));
            let x = eval.vector(&[1.0, -2.0, 3.0, 0.5]).expect("four values");
            let inputs = BTreeMap::from([("x".to_string(), x)]);
            let expected = interpret::run(&program, &constants, &eval, inputs.clone(), &mut ()).expect("runs");
            let executor = Executor::try_new(Arc::new(program), &constants, &eval, |_| 1.0).expect("well formed");
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let last = Mutex::new(0.0f64);
            let progress = |f: f64| { let mut l = lock(&last); *l = l.max(f); };
            let run = pool.install(|| executor.run(&eval, inputs, Arc::new, Some(&progress))).expect("runs");
            prop_assert_eq!(run.outputs[0].1.values(), expected[0].1.values());
            prop_assert!((*lock(&last) - 1.0).abs() < 1e-9);
            let counted: u64 = run.timings.primitives().values().map(|s| s.count).sum();
            prop_assert_eq!(counted as usize, executor.program().insts.len() - 1);
        }
    }

    #[test]
    fn missing_and_unknown_inputs_are_named() {
        let (program, constants) = program(&[(0, 0, 0)]);
        let eval = ClearEvaluator::leveled(8, Level(1));
        let executor =
            Executor::try_new(Arc::new(program), &constants, &eval, |_| 1.0).expect("well formed");
        let error = executor
            .run(&eval, BTreeMap::new(), Arc::new, None)
            .expect_err("no input");
        assert!(error.to_string().contains("\"x\""), "{error}");
        let z = eval.vector(&[]).expect("zeros");
        let error = executor
            .run(
                &eval,
                BTreeMap::from([("z".to_string(), z)]),
                Arc::new,
                None,
            )
            .expect_err("unknown");
        assert!(error.to_string().contains("\"z\""), "{error}");
    }

    #[test]
    fn a_missing_constant_is_named() {
        let (program, _) = program(&[(2, 0, 0)]);
        let eval = ClearEvaluator::leveled(8, Level(1));
        let error = Executor::try_new(Arc::new(program), &Constants::default(), &eval, |_| 1.0)
            .err()
            .expect("no w");
        assert!(error.to_string().contains('w'), "{error}");
    }
}
