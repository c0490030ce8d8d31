//! Operations of the scheme: `mul_relin_rescale`, `rotate`, `hoisted_rotate`, `encode`, ...

use std::collections::BTreeMap;
use std::hint::black_box;

use anyhow::Context as _;
use girih_ckks::{
    Ciphertext, Decryptor, Encoder, Encryptor, Evaluator, KeyGenerator, Params, ParamsSpec,
    Plaintext, PublicKey, SecretKey, Security,
};
use girih_he::{Evaluator as _, KeyManifest, Leveled, Rotation};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::Bench;
use crate::record::{Effort, Record, Timing};

/// Rotations of one value that share a decomposition.
const HOISTED: usize = 8;

/// Rounds in which the numbers of threads take turns.
const ROUNDS: usize = 3;

/// What two threads are to gain on one.
const WANTED_SCALING: f64 = 1.8;

/// One parameter set of 128-bit security.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    /// log2 of the degree.
    pub(crate) log_n: u8,
    /// Bits of a scale; the first limb has 46.
    pub(crate) bits: u8,
    /// Levels.
    pub(crate) depth: usize,
    /// Special primes, with three digits.
    pub(crate) special: u8,
    /// Their bits.
    pub(crate) special_bits: u8,
}

/// log2 Q of 298, 574 and 1261 in three digits. Limbs of at most 46 bits stay in the class whose transform
/// needs no reductions.
pub(crate) const SETS: [Set; 3] = [
    Set {
        log_n: 14,
        bits: 42,
        depth: 6,
        special: 3,
        special_bits: 44,
    },
    Set {
        log_n: 15,
        bits: 44,
        depth: 12,
        special: 5,
        special_bits: 45,
    },
    Set {
        log_n: 16,
        bits: 45,
        depth: 27,
        special: 10,
        special_bits: 46,
    },
];

impl Set {
    /// The parameters.
    pub(crate) fn params(&self) -> anyhow::Result<Params> {
        Params::try_new(ParamsSpec {
            log_n: self.log_n,
            first_bits: 46,
            scale_bits: vec![self.bits; self.depth + 1],
            linear_bits: BTreeMap::new(),
            special_count: self.special,
            special_bits: self.special_bits,
            security: Security::Bits128,
        })
        .with_context(|| format!("the set at N = 2^{}", self.log_n))
    }
}

/// The sets of a run.
pub(crate) fn sets(quick: bool) -> &'static [Set] {
    if quick { &SETS[..1] } else { &SETS }
}

/// Measures the operations at the top level of every set.
pub(crate) fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for set in sets(bench.quick) {
        let mut operations = Operations::new(&set.params()?)?;
        for (op, timing) in operations.measure(bench.effort)? {
            let record = operations.record("ckks", op, bench.threads);
            bench.report.push(record.timed(timing));
        }
    }
    Ok(())
}

/// Measures with one thread and with `bench.threads`, by turns, and prints what the threads gain.
pub(crate) fn scaling(bench: &mut Bench) -> anyhow::Result<()> {
    let pools = [crate::pool(1)?, crate::pool(bench.threads)?];
    let effort = bench.effort.shared(ROUNDS);
    println!(
        "| N | op | 1 thread | {} threads | ratio | |",
        bench.threads
    );
    println!("|---|---|---|---|---|---|");
    for set in sets(bench.quick) {
        let mut operations = Operations::new(&set.params()?)?;
        let mut rounds: [Vec<Vec<(&'static str, Timing)>>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (pool, rounds) in pools.iter().zip(&mut rounds) {
                rounds.push(pool.install(|| operations.measure(effort))?);
            }
        }
        let names: Vec<&'static str> = rounds[0][0].iter().map(|(op, _)| *op).collect();
        for (i, op) in names.into_iter().enumerate() {
            let [one, many] = [0, 1].map(|t: usize| {
                let turns: Vec<Timing> = rounds[t].iter().map(|round| round[i].1).collect();
                Timing::of_rounds(&turns)
            });
            for (threads, timing) in [(1, one), (bench.threads, many)] {
                let record = operations.record("ckks", op, threads);
                bench.report.push(record.timed(timing));
            }
            let ratio = one.median_ns as f64 / many.median_ns.max(1) as f64;
            println!(
                "| 2^{} | {op} | {} | {} | {ratio:.2} | {} |",
                set.log_n,
                crate::record::human_ns(one.median_ns),
                crate::record::human_ns(many.median_ns),
                if ratio >= WANTED_SCALING {
                    ""
                } else {
                    "below 1.8"
                }
            );
        }
    }
    println!();
    Ok(())
}

/// Keys and operands at the top level of one set.
pub(crate) struct Operations {
    params: Params,
    generator: KeyGenerator,
    secret: SecretKey,
    public: PublicKey,
    eval: Evaluator,
    encoder: Encoder,
    values: Vec<f64>,
    plaintext: Plaintext,
    operands: [Ciphertext; 2],
    rng: ChaCha20Rng,
    /// Number of the next rotation key that has not been made yet.
    fresh: i32,
}

impl Operations {
    /// Makes keys and operands.
    pub(crate) fn new(params: &Params) -> anyhow::Result<Self> {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let generator = KeyGenerator::new(params);
        let secret = generator.secret_key(&mut rng);
        let public = generator.public_key(&secret, &mut rng)?;
        let top = params.top();
        let manifest = KeyManifest {
            relinearization: Some(top),
            rotations: rotations(2 * HOISTED)
                .into_iter()
                .map(|by| (by, top))
                .collect(),
            conjugation: None,
        };
        let eval = Evaluator::new(generator.evaluation_keys(&secret, &manifest, &mut rng)?);
        let encoder = Encoder::new(params);
        let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64).sin()).collect();
        let plaintext = encoder.encode(&values, top, params.chain().scale(top))?;
        let encryptor = Encryptor::new(&public);
        let operands = [
            encryptor.encrypt(&plaintext, &mut rng)?,
            encryptor.encrypt(&plaintext, &mut rng)?,
        ];
        Ok(Operations {
            params: params.clone(),
            generator,
            secret,
            public,
            eval,
            encoder,
            values,
            plaintext,
            operands,
            rng,
            fresh: 1,
        })
    }

    /// A record of `op` on these operands, without times.
    pub(crate) fn record(&self, suite: &'static str, op: &'static str, threads: usize) -> Record {
        let params = &self.params;
        Record {
            n: Some(params.n()),
            log_q: Some(params.log_q()),
            log_qp: Some(params.log_qp()),
            limbs: Some(params.chain().limbs(params.top())),
            dnum: Some(params.digits(params.top())),
            slots: Some(params.slots()),
            threads,
            isa: Some(params.ring().isa().to_string()),
            ..Record::new(suite, op)
        }
    }

    /// Times every operation in the current pool.
    ///
    /// `hoisted_rotate` is a rotation after the decomposition: `(t16 - t8) / 8` where `t` is the time of
    /// `rotate_many`; `hoist` is what remains of eight, `t8 - 8 hoisted_rotate`; `rotate_many_8` is `t8`.
    ///
    /// # Errors
    /// An operation fails on its first run.
    pub(crate) fn measure(
        &mut self,
        effort: Effort,
    ) -> anyhow::Result<Vec<(&'static str, Timing)>> {
        let Operations {
            params,
            generator,
            secret,
            public,
            eval,
            encoder,
            values,
            plaintext,
            operands: [a, b],
            rng,
            fresh,
        } = self;
        let top = params.top();
        let scale = params.chain().scale(top);
        let encryptor = Encryptor::new(public);
        let decryptor = Decryptor::new(secret);
        let constant = eval.constant("c", values)?;
        let product = eval.mul_plain(a, &constant)?;
        let pairs = [(&*a, &*b)];
        let [few, many] = [rotations(HOISTED), rotations(2 * HOISTED)];
        // What can fail, such as a missing key, fails here; the timed calls repeat these.
        eval.dot_rescaled(&pairs)?;
        eval.rotate_many(a, &many)?;

        let mut out = vec![
            (
                "mul_relin_rescale",
                effort.measure(1, || drop(black_box(eval.dot_rescaled(&pairs)))),
            ),
            (
                "rotate",
                effort.measure(1, || drop(black_box(eval.rotate(a, Rotation(1))))),
            ),
        ];
        let [short, long] = effort.measure_pair(
            || drop(black_box(eval.rotate_many(a, &few))),
            || drop(black_box(eval.rotate_many(a, &many))),
        );
        out.extend(hoisting(&short, &long));
        out.push((
            "rescale",
            effort.measure(1, || drop(black_box(eval.rescale(&product)))),
        ));
        out.push((
            "mul_plain",
            effort.measure(1, || drop(black_box(eval.mul_plain(a, &constant)))),
        ));
        out.push((
            "encode",
            effort.measure(1, || drop(black_box(encoder.encode(values, top, scale)))),
        ));
        out.push((
            "encrypt",
            effort.measure(1, || drop(black_box(encryptor.encrypt(plaintext, rng)))),
        ));
        out.push((
            "decrypt",
            effort.measure(1, || {
                black_box(
                    decryptor
                        .decrypt(a)
                        .map(|plaintext| encoder.decode(&plaintext))
                        .ok(),
                );
            }),
        ));
        out.push((
            "rotation_keygen",
            effort.measure(1, || {
                let manifest = KeyManifest {
                    rotations: [(Rotation(*fresh), top)].into(),
                    ..KeyManifest::default()
                };
                // Another rotation every time, and never the identity.
                *fresh = *fresh % (params.slots() as i32 - 1) + 1;
                drop(black_box(generator.evaluation_keys(secret, &manifest, rng)));
            }),
        ));
        Ok(out)
    }
}

/// The rotations by `1..=count`.
fn rotations(count: usize) -> Vec<Rotation> {
    (1..=count as i32).map(Rotation).collect()
}

/// The parts of a hoisted rotation from times of [`HOISTED`] and of twice as many rotations of one value.
fn hoisting(short: &[u64], long: &[u64]) -> [(&'static str, Timing); 3] {
    let count = HOISTED as u64;
    let each: Vec<u64> = short
        .iter()
        .zip(long)
        .map(|(s, l)| l.saturating_sub(*s) / count)
        .collect();
    let once: Vec<u64> = short
        .iter()
        .zip(&each)
        .map(|(s, e)| s.saturating_sub(e * count))
        .collect();
    [
        ("hoist", Timing::of(once)),
        ("hoisted_rotate", Timing::of(each)),
        ("rotate_many_8", Timing::of(short.to_vec())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decomposition_is_told_from_the_rotations_after_it() {
        // 5 once and 3 for each rotation.
        let parts = hoisting(&[29, 29, 30], &[53, 53, 54]);
        assert_eq!(
            parts.map(|(op, t)| (op, t.median_ns)),
            [("hoist", 5), ("hoisted_rotate", 3), ("rotate_many_8", 29)]
        );
        // Noise does not make times negative.
        assert_eq!(hoisting(&[9], &[8])[1].1.median_ns, 0);
    }

    #[test]
    fn sets_are_what_the_peers_are_compared_at() {
        for (set, log_q) in SETS.iter().zip([300.0, 577.0, 1260.0]) {
            let params = set.params().expect("a set of 128-bit security");
            assert!(
                (params.log_q() / log_q - 1.0f64).abs() < 0.01,
                "{}",
                params.log_q()
            );
            assert_eq!(params.digits(params.top()), 3);
        }
    }
}
