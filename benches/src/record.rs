//! One measurement as one JSON object, and the table that people read.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// One measurement. A field that does not apply is `None`, in JSON `null`.
///
/// Times are per operation, in nanoseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// `ntt`, `ckks`, `circuits`, `nn`, `peers` or `kernels`.
    pub suite: &'static str,
    /// Name of the operation, as `forward_ntt`.
    pub op: &'static str,
    /// `girih`, or the name of the peer measured in the same run.
    #[serde(rename = "impl")]
    pub implementation: &'static str,
    /// Ring degree.
    pub n: Option<usize>,
    /// log2 of the ciphertext modulus at which the operation ran.
    pub log_q: Option<f64>,
    /// log2 of the largest modulus of any published key.
    pub log_qp: Option<f64>,
    /// Limbs of the operand.
    pub limbs: Option<usize>,
    /// Digits of the key switching.
    pub dnum: Option<usize>,
    /// Slots of a ciphertext.
    pub slots: Option<usize>,
    /// Threads of the pool.
    pub threads: usize,
    /// Instruction set the dispatcher chose.
    pub isa: Option<String>,
    /// Name of the fixture, as `cryptonets`.
    pub model: Option<String>,
    /// Samples per run.
    pub batch: Option<usize>,
    /// Median time.
    pub median_ns: u64,
    /// Smallest time.
    pub min_ns: u64,
    /// Repetitions.
    pub reps: usize,
    /// The least time that the processor allows, by the model of suite `kernels`.
    pub bound_ns: Option<u64>,
    /// What that time is spent on, as `multiply-adds` or `L2 bandwidth`.
    pub bound: Option<&'static str>,
    /// `bound_ns / min_ns`.
    pub share: Option<f64>,
}

impl Record {
    /// An empty measurement of girih with one thread.
    pub fn new(suite: &'static str, op: &'static str) -> Self {
        Record {
            suite,
            op,
            implementation: "girih",
            threads: 1,
            ..Record::default()
        }
    }

    /// Fills in the times.
    #[must_use]
    pub fn timed(mut self, timing: Timing) -> Self {
        self.median_ns = timing.median_ns;
        self.min_ns = timing.min_ns;
        self.reps = timing.reps;
        self
    }
}

/// Median and minimum over repetitions, per operation.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Median, in nanoseconds.
    pub median_ns: u64,
    /// Minimum, in nanoseconds.
    pub min_ns: u64,
    /// Repetitions.
    pub reps: usize,
}

/// How long to measure one operation.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Time spent on one operation, after one warm-up run.
    pub budget: Duration,
    /// Fewest repetitions, whatever they cost.
    pub min_reps: usize,
    /// Most repetitions.
    pub max_reps: usize,
}

impl Effort {
    /// For figures that are quoted.
    pub const FULL: Effort = Effort {
        budget: Duration::from_millis(1500),
        min_reps: 5,
        max_reps: 2000,
    };
    /// For a look, and for the smoke test.
    pub const QUICK: Effort = Effort {
        budget: Duration::from_millis(60),
        min_reps: 1,
        max_reps: 20,
    };

    /// Times `body`, which performs `inner` operations per call.
    pub fn measure(self, inner: usize, mut body: impl FnMut()) -> Timing {
        body();
        let mut samples = Vec::new();
        let start = Instant::now();
        while samples.len() < self.min_reps
            || (start.elapsed() < self.budget && samples.len() < self.max_reps)
        {
            let begin = Instant::now();
            body();
            samples.push(begin.elapsed().as_nanos() as u64 / inner.max(1) as u64);
        }
        Timing::of(samples)
    }

    /// Times two bodies by turns, with the budget of two: samples in nanoseconds, in pairs that met the same
    /// load of the machine.
    pub fn measure_pair(self, mut a: impl FnMut(), mut b: impl FnMut()) -> [Vec<u64>; 2] {
        let mut samples = [Vec::new(), Vec::new()];
        let time = |body: &mut dyn FnMut()| {
            let begin = Instant::now();
            body();
            begin.elapsed().as_nanos() as u64
        };
        time(&mut a);
        time(&mut b);
        let start = Instant::now();
        while samples[0].len() < self.min_reps
            || (start.elapsed() < 2 * self.budget && samples[0].len() < self.max_reps)
        {
            samples[0].push(time(&mut a));
            samples[1].push(time(&mut b));
        }
        samples
    }

    /// The effort of one round of `rounds` that share the budget.
    #[must_use]
    pub fn shared(self, rounds: usize) -> Effort {
        let rounds = rounds.max(1);
        Effort {
            budget: self.budget / rounds as u32,
            min_reps: self.min_reps.div_ceil(rounds),
            max_reps: self.max_reps.div_ceil(rounds),
        }
    }
}

impl Timing {
    /// The median of the medians of rounds, their smallest minimum, all their repetitions.
    pub fn of_rounds(rounds: &[Timing]) -> Timing {
        Timing {
            median_ns: Timing::of(rounds.iter().map(|t| t.median_ns).collect()).median_ns,
            min_ns: rounds.iter().map(|t| t.min_ns).min().unwrap_or(0),
            reps: rounds.iter().map(|t| t.reps).sum(),
        }
    }

    /// Median and minimum of samples in nanoseconds; all zero without samples.
    pub fn of(mut samples: Vec<u64>) -> Timing {
        samples.sort_unstable();
        Timing {
            median_ns: samples.get(samples.len() / 2).copied().unwrap_or(0),
            min_ns: samples.first().copied().unwrap_or(0),
            reps: samples.len(),
        }
    }
}

/// The measurements of one run: a table on the terminal, one JSON object per line in a file.
#[derive(Debug, Default)]
pub struct Report {
    records: Vec<Record>,
}

impl Report {
    /// Adds a measurement.
    pub fn push(&mut self, record: Record) {
        eprintln!(
            "  {:<18} {:<10} {:>12}",
            record.op,
            record.implementation,
            human_ns(record.median_ns)
        );
        self.records.push(record);
    }

    /// All measurements so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Writes one JSON object per line.
    pub fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut out = BufWriter::new(file);
        for record in &self.records {
            serde_json::to_writer(&mut out, record)?;
            out.write_all(b"\n")?;
        }
        out.flush()
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "op", "impl", "n", "limbs", "log_q", "dnum", "thr", "isa", "model", "batch", "median",
            "min", "reps",
        ]);
        for r in &self.records {
            table.add_row([
                r.op.to_string(),
                r.implementation.to_string(),
                show(r.n),
                show(r.limbs),
                r.log_q.map_or_else(String::new, |v| format!("{v:.0}")),
                show(r.dnum),
                r.threads.to_string(),
                r.isa.clone().unwrap_or_default(),
                r.model.clone().unwrap_or_default(),
                show(r.batch),
                human_ns(r.median_ns),
                human_ns(r.min_ns),
                r.reps.to_string(),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

fn show(value: Option<usize>) -> String {
    value.map_or_else(String::new, |v| v.to_string())
}

/// A time with a unit that fits it.
pub(crate) fn human_ns(ns: u64) -> String {
    let ns = ns as f64;
    if ns < 1e3 {
        format!("{ns:.0} ns")
    } else if ns < 1e6 {
        format!("{:.2} us", ns / 1e3)
    } else if ns < 1e9 {
        format!("{:.2} ms", ns / 1e6)
    } else {
        format!("{:.3} s", ns / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that readers of the JSON rely on, in order.
    const FIELDS: [&str; 19] = [
        "suite",
        "op",
        "impl",
        "n",
        "log_q",
        "log_qp",
        "limbs",
        "dnum",
        "slots",
        "threads",
        "isa",
        "model",
        "batch",
        "median_ns",
        "min_ns",
        "reps",
        "bound_ns",
        "bound",
        "share",
    ];

    #[test]
    fn a_record_has_exactly_the_agreed_fields() {
        let text =
            serde_json::to_string(&Record::new("ntt", "forward_ntt")).expect("a record is JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it parses");
        let object = value.as_object().expect("it is an object");
        assert_eq!(object.len(), FIELDS.len());
        let mut at = 0;
        for field in FIELDS {
            let found = text[at..]
                .find(&format!("\"{field}\":"))
                .unwrap_or_else(|| panic!("{field} is missing"));
            at += found;
        }
        assert!(object["model"].is_null() && object["n"].is_null());
    }

    #[test]
    fn median_and_minimum() {
        let timing = Timing::of(vec![5, 1, 9]);
        assert_eq!((timing.median_ns, timing.min_ns, timing.reps), (5, 1, 3));
        assert_eq!(Timing::of(Vec::new()).median_ns, 0);
    }

    #[test]
    fn rounds_are_joined_by_the_median_of_their_medians() {
        let round = |median_ns, min_ns| Timing {
            median_ns,
            min_ns,
            reps: 2,
        };
        let joined = Timing::of_rounds(&[round(9, 3), round(5, 4), round(90, 2)]);
        assert_eq!((joined.median_ns, joined.min_ns, joined.reps), (9, 2, 6));
        assert_eq!(Timing::of_rounds(&[]).reps, 0);
    }
}
