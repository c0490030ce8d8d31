//! Transforms: ops `forward_ntt` and `inverse_ntt`, girih and concrete-ntt in the same run.

use std::time::Instant;

use anyhow::Context as _;
use girih_ntt::{Isa, NttTable, Pool, primes};

use crate::Bench;
use crate::record::{Effort, Record, Timing};

/// Degrees of the transforms.
const LOG_NS: [u32; 4] = [13, 14, 15, 16];
/// Below 2^46.14 a transform of any degree runs without reductions: where the default limbs lie.
pub(crate) const DEFAULT_LIMIT: u64 = (1 << 52) / 58;

/// Measures the transforms by degree.
///
/// One row modulo one prime of the default class; implementations take turns, so that a change of the
/// machine's load meets all of them. concrete-ntt's inverse is not normalised, girih's is.
pub(crate) fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let pool = Pool::new();
    let log_ns = if bench.quick { &LOG_NS[..2] } else { &LOG_NS };
    for log_n in log_ns {
        let n = 1 << log_n;
        let q = primes::below(n, DEFAULT_LIMIT)
            .next()
            .context("no prime of the default class")?;
        let peer =
            concrete_ntt::prime64::Plan::try_new(n, q).context("concrete-ntt refuses the prime")?;
        // The dispatcher's pick first.
        let isas: Vec<Isa> = Isa::available()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        let tables = isas
            .iter()
            .map(|isa| NttTable::try_new_with(n, q, *isa))
            .collect::<Result<Vec<_>, _>>()?;
        for op in ["forward_ntt", "inverse_ntt"] {
            let forward = op == "forward_ntt";
            let mut rows: Vec<_> = (0..=tables.len())
                .map(|_| pool.copied(&residues(n, q)))
                .collect();
            let (peer_row, own_rows) = rows.split_last_mut().context("one row each")?;
            let mut bodies: Vec<Box<dyn FnMut() + '_>> = Vec::new();
            for (table, row) in tables.iter().zip(own_rows) {
                bodies.push(Box::new(move || {
                    if forward {
                        table.forward(row);
                    } else {
                        table.inverse(row);
                    }
                }));
            }
            bodies.push(Box::new(|| {
                if forward {
                    peer.fwd(peer_row);
                } else {
                    peer.inv(peer_row);
                }
            }));
            let timings = take_turns(bench.effort, &mut bodies);
            for (i, timing) in timings.into_iter().enumerate() {
                let mut record = Record::new("ntt", op).timed(timing);
                record.n = Some(n);
                record.log_q = Some((q as f64).log2());
                record.limbs = Some(1);
                match isas.get(i) {
                    Some(isa) => record.isa = Some(isa.to_string()),
                    None => record.implementation = "concrete-ntt",
                }
                bench.report.push(record);
            }
        }
    }
    Ok(())
}

/// Runs the bodies in turn until the effort of each is spent.
fn take_turns(effort: Effort, bodies: &mut [Box<dyn FnMut() + '_>]) -> Vec<Timing> {
    for body in bodies.iter_mut() {
        body();
    }
    let mut samples = vec![Vec::new(); bodies.len()];
    let start = Instant::now();
    let budget = effort.budget * bodies.len() as u32;
    let mut rounds = 0;
    while rounds < effort.min_reps || (start.elapsed() < budget && rounds < effort.max_reps) {
        for (body, samples) in bodies.iter_mut().zip(&mut samples) {
            // The turn before left other rows in the caches.
            body();
            let begin = Instant::now();
            body();
            samples.push(begin.elapsed().as_nanos() as u64);
        }
        rounds += 1;
    }
    samples.into_iter().map(Timing::of).collect()
}

/// A fixed row of residues.
pub(crate) fn residues(n: usize, q: u64) -> Vec<u64> {
    (1..=n as u64)
        .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % q)
        .collect()
}
