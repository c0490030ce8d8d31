//! `cargo xtask calibrate`: every priced primitive of the scheme on this machine, as a table that plans can be made with.
//!
//! Times are the least of several: what a machine can do, not what its neighbours let it do. Constants and keys are met for the first
//! time in every repetition, as in a network, and not found in a cache.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use girih_ckks::cost::Measurement;
use girih_ckks::{
    Ciphertext, Constant, Decryptor, Encoder, Encodings, Evaluator, KeyGenerator, Params,
    ParamsSpec, SecretKey, Security, SymmetricEncryptor, Use,
};
use girih_engine::MachineTable;
use girih_he::{Evaluator as _, GiantStep, KeyManifest, Level, Leveled, Primitive, Rotation};
use girih_rns::digit_ranges;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::Bench;

/// What is measured: log2 of the degree, scale bits, depth, special primes; the sets that 128 bits allow, as the compiler makes them.
const SETS: [(u8, u8, usize, u8); 5] = [
    (12, 24, 2, 1),
    (13, 28, 5, 1),
    (14, 28, 10, 3),
    (15, 30, 20, 4),
    (16, 36, 30, 9),
];

/// Terms of the sums that are measured, one constant and one key each.
const TERMS: usize = 16;
/// Least time that is given to a measurement.
const BUDGET: Duration = Duration::from_millis(25);
/// Fewest repetitions.
const REPETITIONS: usize = 3;

/// Measures and writes the table.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn run(bench: &Bench, output: Option<&Path>) -> anyhow::Result<()> {
    let begin = Instant::now();
    let pools = [crate::pool(1)?, crate::pool(bench.threads)?];
    let mut measurements = Vec::new();
    let sets = if bench.quick { &SETS[..2] } else { &SETS };
    for set in sets {
        let subject = Subject::new(*set)?;
        let top = subject.params.top();
        for level in [top, Level(top.0.div_ceil(3).max(1))] {
            let at = subject.at(level)?;
            let [alone, together] = [&pools[0], &pools[1]].map(|pool| pool.install(|| at.times()));
            let (alone, together) = (alone?, together?);
            for (primitive, seconds) in alone {
                let together = together[&primitive];
                // A difference of two times may drown in noise: the formula stands in its place.
                if seconds.min(together) > 0.0 {
                    measurements.push(at.measurement(primitive, seconds, together));
                }
            }
        }
        eprintln!("N = 2^{}: {:.0} s", set.0, begin.elapsed().as_secs_f64());
    }
    let table = MachineTable::new(bench.threads, measurements);
    print(&table);
    if let Some(path) = output {
        std::fs::write(path, table.to_json()?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("written to {}: pass it with --machine", path.display());
    }
    Ok(())
}

fn print(table: &MachineTable) {
    println!(
        "| primitive | log2 N | limbs | one thread | {} threads |",
        table.threads()
    );
    println!("|---|---:|---:|---:|---:|");
    for m in table.measurements() {
        println!(
            "| {} | {} | {} | {:.1} us | {:.1} us |",
            m.primitive.name(),
            m.log_n,
            m.limbs,
            m.seconds * 1e6,
            m.together * 1e6
        );
    }
}

/// Keys of one set.
struct Subject {
    params: Params,
    secret: SecretKey,
    eval: Evaluator,
}

impl Subject {
    fn new((log_n, bits, depth, special): (u8, u8, usize, u8)) -> anyhow::Result<Self> {
        let params = Params::try_new(ParamsSpec {
            log_n,
            first_bits: bits + 8,
            scale_bits: vec![bits; depth + 1],
            linear_bits: BTreeMap::new(),
            special_count: special,
            special_bits: bits + 8,
            // Speed does not depend on it, and the sets stay as they are if the tables change.
            security: Security::Insecure,
        })?;
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let generator = KeyGenerator::new(&params);
        let secret = generator.secret_key(&mut rng);
        let top = params.top();
        let manifest = KeyManifest {
            relinearization: Some(top),
            rotations: (1..=2 * TERMS as i32).map(|r| (Rotation(r), top)).collect(),
            conjugation: None,
        };
        let eval = Evaluator::new(generator.evaluation_keys(&secret, &manifest, &mut rng)?);
        Ok(Subject {
            params,
            secret,
            eval,
        })
    }

    fn at(&self, level: Level) -> anyhow::Result<At<'_>> {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let slots = self.params.slots();
        let wave =
            |k: usize| -> Vec<f64> { (0..slots).map(|i| ((i * (k + 3)) as f64).sin()).collect() };
        let encoder = Encoder::new(&self.params);
        let encryptor = SymmetricEncryptor::new(&self.secret);
        let operands = (0..TERMS)
            .map(|k| {
                let scale = self.params.chain().scale(level);
                let plaintext = encoder.encode(&wave(k), level, scale)?;
                Ok(encryptor.encrypt(&plaintext, &mut rng)?)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let constants = (0..2 * TERMS)
            .map(|k| Ok(self.eval.constant("c", &wave(k))?))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for usage in [Use::Factor, Use::LazyFactor] {
            let wanted: Vec<_> = constants.iter().map(|c| (c, level, usage)).collect();
            self.eval.prepare_all(&wanted)?;
        }
        let fresh = (0..TERMS)
            .map(|k| Ok(self.eval.constant("f", &wave(k + 100))?))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(At {
            subject: self,
            level,
            operands,
            constants,
            fresh,
            values: wave(1),
        })
    }
}

/// Operands at one level.
struct At<'a> {
    subject: &'a Subject,
    level: Level,
    operands: Vec<Ciphertext>,
    /// Encoded.
    constants: Vec<Constant>,
    /// Not encoded, and never kept.
    fresh: Vec<Constant>,
    values: Vec<f64>,
}

impl At<'_> {
    fn measurement(&self, primitive: Primitive, seconds: f64, together: f64) -> Measurement {
        let params = &self.subject.params;
        let info = params.chain().at(self.level);
        Measurement {
            primitive,
            log_n: params.log_n(),
            limbs: info.limbs,
            special: params.ring().p_len(),
            digits: digit_ranges(params.ring(), info.limbs).count(),
            drop: info.rescale_limbs,
            seconds,
            together,
        }
    }

    /// Seconds of every primitive in the current pool.
    fn times(&self) -> anyhow::Result<BTreeMap<Primitive, f64>> {
        let mut times = BTreeMap::new();
        self.products(&mut times)?;
        self.rotations(&mut times)?;
        self.transforms(&mut times)?;
        self.client(&mut times)?;
        Ok(times)
    }

    fn products(&self, times: &mut BTreeMap<Primitive, f64>) -> anyhow::Result<()> {
        let eval = &self.subject.eval;
        let streaming = eval.clone().with_encodings(Encodings::Transient);
        let (a, few) = (&self.operands, TERMS / 4);
        let plain = |constants: &'_ [Constant], eval: &Evaluator| -> anyhow::Result<f64> {
            let terms: Vec<_> = a.iter().cycle().zip(constants).collect();
            Ok(least(|| eval.dot_plain(&terms))? / terms.len() as f64)
        };
        let product = plain(&self.constants, eval)?;
        let met = plain(&self.fresh, &streaming)?;
        let pairs: Vec<_> = a.iter().zip(a.iter().rev()).collect();
        let many = least(|| eval.dot(&pairs))?;
        let one = least(|| eval.dot(&pairs[..few]))?;
        let rescaled = least(|| eval.dot_rescaled(&pairs[..few]))?;
        let mul = (many - one).max(0.0) / (TERMS - few) as f64;
        let result = eval.mul_plain(&a[0], &self.constants[0])?;
        let below = Level(self.level.0.saturating_sub(1));
        let mut turn = self.turn();
        times.extend([
            (Primitive::MulPlain, product),
            (Primitive::Encode, met - product),
            (Primitive::Mul, mul),
            (Primitive::Relinearize, one - few as f64 * mul),
            (Primitive::RelinearizeRescale, rescaled - few as f64 * mul),
            (
                Primitive::Add,
                least(|| {
                    let (a, b) = turn();
                    eval.add(a, b)
                })?,
            ),
            (Primitive::MulScalar, least(|| eval.mul_scalar(&a[0], 0.5))?),
            (Primitive::Rescale, least(|| eval.rescale(&result))?),
            (Primitive::DropTo, least(|| eval.drop_to(&a[0], below))?),
        ]);
        Ok(())
    }

    /// Two operands, others every time.
    fn turn<'s>(&'s self) -> impl FnMut() -> (&'s Ciphertext, &'s Ciphertext) {
        let mut next = 0;
        move || {
            next = (next + 1) % TERMS;
            (&self.operands[next], &self.operands[TERMS - 1 - next])
        }
    }

    fn rotations(&self, times: &mut BTreeMap<Primitive, f64>) -> anyhow::Result<()> {
        let (eval, a) = (&self.subject.eval, &self.operands[0]);
        let by: Vec<Rotation> = (1..=2 * TERMS as i32).map(Rotation).collect();
        let few = least(|| eval.rotate_many(a, &by[..TERMS]))?;
        let many = least(|| eval.rotate_many(a, &by))?;
        let mut next = 0;
        let one = least(|| {
            next = (next + 1) % by.len();
            eval.rotate(a, by[next])
        })?;
        times.insert(Primitive::Rotate, one);
        times.insert(Primitive::HoistedRotate, (many - few) / TERMS as f64);
        Ok(())
    }

    /// The parts of a linear transform, from sums with other numbers of them.
    fn transforms(&self, times: &mut BTreeMap<Primitive, f64>) -> anyhow::Result<()> {
        let (eval, a) = (&self.subject.eval, &self.operands[0]);
        let streaming = eval.clone().with_encodings(Encodings::Transient);
        let n = TERMS as f64;
        let giant = |by: i32, babies: i32, moving: bool, constants: &'_ [Constant]| {
            let terms = (0..babies).map(|b| {
                let by = Rotation(if moving { b + 1 } else { 0 });
                (a, by, constants[b as usize].clone())
            });
            (by, terms.collect::<Vec<_>>())
        };
        type Giants<'a> = Vec<(i32, Vec<(&'a Ciphertext, Rotation, Constant)>)>;
        let time = |eval: &Evaluator, giants: Giants<'_>, rescaled: bool| -> anyhow::Result<f64> {
            let giants: Vec<GiantStep<&Ciphertext, &Constant>> = giants
                .iter()
                .map(|(by, terms)| GiantStep {
                    by: Rotation(*by),
                    terms: terms.iter().map(|(a, r, p)| (*a, *r, p)).collect(),
                })
                .collect();
            least(|| match rescaled {
                true => eval.sum_rotated_products_rescaled(&giants),
                false => eval.sum_rotated_products(&giants),
            })
        };
        let (few, many) = (TERMS as i32, 2 * TERMS as i32);
        let c = &self.constants;
        let still = time(eval, vec![giant(0, few, false, c)], false)?;
        let still_many = time(eval, vec![giant(0, many, false, c)], false)?;
        let still_rescaled = time(eval, vec![giant(0, few, false, c)], true)?;
        let moving = time(eval, vec![giant(0, few, true, c)], false)?;
        let moving_many = time(eval, vec![giant(0, many, true, c)], false)?;
        let two = vec![giant(0, few, true, c), giant(3, few, true, &c[TERMS..])];
        let two = time(eval, two, false)?;
        let met = time(&streaming, vec![giant(0, few, false, &self.fresh)], false)?;
        let product = (still_many - still) / n;
        let divide = still - n * product;
        let baby = (moving_many - moving) / n - product;
        times.extend([
            (Primitive::MulPlainLazy, product),
            (Primitive::EncodeLazy, (met - still) / n),
            (Primitive::Divide, divide),
            (Primitive::DivideRescale, still_rescaled - n * product),
            (Primitive::LazyRotate, baby),
            (Primitive::Decompose, moving - still - n * baby),
            (Primitive::GiantRotate, two - moving - n * product),
        ]);
        Ok(())
    }

    fn client(&self, times: &mut BTreeMap<Primitive, f64>) -> anyhow::Result<()> {
        let Subject { params, secret, .. } = self.subject;
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let encoder = Encoder::new(params);
        let encryptor = SymmetricEncryptor::new(secret);
        let decryptor = Decryptor::new(secret);
        let scale = params.chain().scale(self.level);
        let plaintext = encoder.encode(&self.values, self.level, scale)?;
        let seeded = encryptor.encrypt_seeded(&plaintext, &mut rng)?;
        let encrypt = least(|| {
            let plaintext = encoder.encode(&self.values, self.level, scale)?;
            Ok::<_, anyhow::Error>(encryptor.encrypt_seeded(&plaintext, &mut rng)?)
        })?;
        let decrypt = least(|| {
            let plaintext = decryptor.decrypt(&self.operands[0])?;
            Ok::<_, anyhow::Error>(encoder.decode(&plaintext))
        })?;
        let generator = KeyGenerator::new(params);
        let manifest = KeyManifest {
            rotations: [(Rotation(5), self.level)].into(),
            ..KeyManifest::default()
        };
        let key = least(|| generator.evaluation_keys(secret, &manifest, &mut rng))?;
        times.extend([
            (Primitive::Encrypt, encrypt),
            (
                Primitive::Expand,
                least(|| Ok::<_, anyhow::Error>(seeded.expand(params)))?,
            ),
            (Primitive::Decrypt, decrypt),
            (Primitive::KeyGen, key),
        ]);
        Ok(())
    }
}

/// The least of several times of something.
fn least<T, E>(mut f: impl FnMut() -> Result<T, E>) -> anyhow::Result<f64>
where
    anyhow::Error: From<E>,
{
    drop(black_box(f()?));
    let begin = Instant::now();
    let mut least = f64::INFINITY;
    let mut runs = 0;
    while runs < REPETITIONS || begin.elapsed() < BUDGET {
        let start = Instant::now();
        let result = black_box(f());
        least = least.min(start.elapsed().as_secs_f64());
        drop(result);
        runs += 1;
    }
    Ok(least)
}
