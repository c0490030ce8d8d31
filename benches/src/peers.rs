//! Peers on the same work: OpenFHE and SEAL (by TenSEAL) in processes of their own, tfhe-ntt in this one, and one
//! table of ratios.

mod environment;
mod ratios;

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;

use crate::Bench;
use crate::ckks::{Operations, sets};
use crate::record::{Effort, Record, Timing};
pub(crate) use environment::Python;

/// Rounds in which peers and girih take turns.
const ROUNDS: usize = 3;

/// A peer's parameters beside a set of [`crate::ckks::SETS`]: log2 of the degree, rescalings, bits of a scale.
/// The first prime has 60 bits: log2 Q is 300, 577 and 1260.
const PEER_SETS: [(u8, usize, u8); 3] = [(14, 5, 48), (15, 11, 47), (16, 24, 50)];

/// SEAL allows degrees up to 2^15.
const SEAL_MAX_LOG_N: u8 = 15;

/// Two moduli count as equal if their logarithms differ by no more than this share.
const EQUAL_LOG_Q: f64 = 0.01;

/// One measurement as a script prints it.
#[derive(Debug, Deserialize)]
struct Line {
    op: String,
    #[serde(rename = "impl")]
    implementation: String,
    n: usize,
    log_q: f64,
    log_qp: f64,
    limbs: usize,
    dnum: usize,
    slots: usize,
    threads: usize,
    median_ns: u64,
    min_ns: u64,
    reps: usize,
}

/// Operations that the scripts know.
const OPS: [&str; 10] = [
    "mul_relin_rescale",
    "rotate",
    "hoist",
    "hoisted_rotate",
    "rescale",
    "mul_plain",
    "encode",
    "encrypt",
    "decrypt",
    "rotation_keygen",
];

/// Reads what a script printed.
fn parse(text: &str) -> anyhow::Result<Vec<Record>> {
    text.lines()
        .filter(|line| line.starts_with('{'))
        .map(|text| {
            let line: Line = serde_json::from_str(text).with_context(|| text.to_string())?;
            let op = OPS.into_iter().find(|op| *op == line.op);
            let implementation = match line.implementation.as_str() {
                "openfhe" => "openfhe",
                "tenseal" => "tenseal",
                other => anyhow::bail!("unknown peer {other}"),
            };
            Ok(Record {
                implementation,
                n: Some(line.n),
                log_q: Some(line.log_q),
                log_qp: Some(line.log_qp),
                limbs: Some(line.limbs),
                dnum: Some(line.dnum),
                slots: Some(line.slots),
                threads: line.threads,
                median_ns: line.median_ns,
                min_ns: line.min_ns,
                reps: line.reps,
                ..Record::new(
                    "peers",
                    op.with_context(|| format!("unknown operation {}", line.op))?,
                )
            })
        })
        .collect()
}

/// The rounds of every operation, in the order of the first.
#[derive(Default)]
struct Rounds {
    order: Vec<Record>,
    turns: BTreeMap<(&'static str, &'static str), Vec<Timing>>,
}

impl Rounds {
    fn push(&mut self, record: Record) {
        let timing = Timing {
            median_ns: record.median_ns,
            min_ns: record.min_ns,
            reps: record.reps,
        };
        let turns = self
            .turns
            .entry((record.implementation, record.op))
            .or_default();
        if turns.is_empty() {
            self.order.push(record);
        }
        turns.push(timing);
    }

    fn finish(self) -> Vec<Record> {
        let Rounds { order, turns } = self;
        order
            .into_iter()
            .map(|record| {
                let timing = Timing::of_rounds(&turns[&(record.implementation, record.op)]);
                record.timed(timing)
            })
            .collect()
    }
}

/// Measures everything and prints the table of ratios.
///
/// # Errors
/// No Python for the peers, a script that fails, moduli that are not equal.
pub(crate) fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let python = Python::prepare()?;
    let rounds = if bench.quick { 1 } else { ROUNDS };
    let effort = bench.effort.shared(rounds);
    for (set, peer) in sets(bench.quick).iter().zip(PEER_SETS) {
        let mut operations = Operations::new(&set.params()?)?;
        let mut all = Rounds::default();
        for _ in 0..rounds {
            for record in python_round(&python, peer, bench.threads, effort)? {
                all.push(record);
            }
            for (op, timing) in operations.measure(effort)? {
                let record = operations.record("peers", op, bench.threads);
                all.push(record.timed(timing));
            }
        }
        let records = all.finish();
        let own = records.iter().find(|r| r.implementation == "girih");
        let own = own.and_then(|r| r.log_q).context("no measurement")?;
        for record in &records {
            let log_q = record.log_q.unwrap_or(own);
            anyhow::ensure!(
                (log_q / own - 1.0).abs() <= EQUAL_LOG_Q,
                "log2 Q of {} is {log_q:.0}, of girih {own:.0}: not the same work",
                record.implementation
            );
        }
        for record in records {
            bench.report.push(record);
        }
    }
    transforms(bench, effort)?;
    println!("{}", ratios::table(bench.report.records()));
    if bench.threads > 1 {
        println!(
            "tfhe-ntt and girih's transform of one limb run on one thread; SEAL has no threads and is left out.\n"
        );
    }
    Ok(())
}

fn python_round(
    python: &Python,
    (log_n, depth, bits): (u8, usize, u8),
    threads: usize,
    effort: Effort,
) -> anyhow::Result<Vec<Record>> {
    let args = [
        format!("--log-n={log_n}"),
        format!("--depth={depth}"),
        format!("--bits={bits}"),
        format!("--budget-ms={}", effort.budget.as_millis()),
        format!("--min-reps={}", effort.min_reps),
    ];
    let mut records = parse(&python.run("openfhe_ops.py", &args, threads)?)?;
    if threads == 1 && log_n <= SEAL_MAX_LOG_N {
        records.extend(parse(&python.run("tenseal_ops.py", &args, threads)?)?);
    }
    Ok(records)
}

/// tfhe-ntt and girih's pick, one row of one prime, by turns.
fn transforms(bench: &mut Bench, effort: Effort) -> anyhow::Result<()> {
    let mut own = Bench {
        threads: 1,
        effort,
        quick: bench.quick,
        machine: None,
        report: crate::record::Report::default(),
    };
    crate::ntt::run(&mut own)?;
    let pick = girih_ntt::Isa::best().to_string();
    for record in own.report.records() {
        let mut record = record.clone();
        record.suite = "peers";
        match record.implementation {
            "girih" if record.isa.as_ref() != Some(&pick) => continue,
            "concrete-ntt" => record.implementation = "tfhe-ntt",
            _ => {}
        }
        bench.report.push(record);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"impl": "openfhe", "n": 16384, "log_q": 300.0, "log_qp": 420.0, "limbs": 6, "dnum": 3,
        "slots": 8192, "threads": 1, "op": "rotate", "median_ns": 9, "min_ns": 7, "reps": 3}"#;

    #[test]
    fn lines_of_the_scripts_become_records() {
        let line = LINE.replace('\n', " ");
        let records = parse(&format!("a warning\n{line}\n")).expect("one record");
        assert_eq!(records.len(), 1);
        assert_eq!(
            (
                records[0].implementation,
                records[0].op,
                records[0].median_ns
            ),
            ("openfhe", "rotate", 9)
        );
        assert!(parse(&line.replace("openfhe", "other")).is_err());
        assert!(parse(&line.replace("rotate", "other")).is_err());
        assert!(parse("{\"impl\": 3}").is_err());
    }

    #[test]
    fn rounds_keep_implementations_apart() {
        let line = LINE.replace('\n', " ");
        let mut rounds = Rounds::default();
        for median in ["9", "11", "90"] {
            let text = line.replace("\"median_ns\": 9", &format!("\"median_ns\": {median}"));
            for record in parse(&text).expect("a record") {
                rounds.push(record);
            }
        }
        rounds.push(Record::new("peers", "rotate"));
        let joined = rounds.finish();
        assert_eq!(joined.len(), 2);
        assert_eq!((joined[0].median_ns, joined[0].reps), (11, 9));
    }
}
