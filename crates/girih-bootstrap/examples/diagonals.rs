//! The factors of an embedding at N = 2^16, stored by the period of their diagonals and whole: bytes, times of
//! encoding and of the product.
//!
//! `cargo run --release -p girih-bootstrap --example diagonals -- THREADS [FACTOR ..]` (factors from 0; 2 by default)

use std::collections::BTreeMap;
use std::time::Instant;

use girih_bootstrap::Matrix;
use girih_bootstrap::embedding::slots_to_coefficients;
use girih_ckks::{
    Constant, Encoder, Evaluator, KeyGenerator, Params, ParamsSpec, Security, SymmetricEncryptor,
    Use,
};
use girih_he::{GiantStep, KeyManifest, Leveled, Rotation};
use num_complex::Complex64;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// A giant step and its diagonals by baby steps.
type Encoded = (Rotation, Vec<(Rotation, Constant)>);
type Error = Box<dyn std::error::Error + Send + Sync>;

const REPETITIONS: usize = 15;

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let threads: usize = args.next().map_or(Ok(1), |a| a.parse())?;
    let mut which = args.map(|a| a.parse()).collect::<Result<Vec<usize>, _>>()?;
    if which.is_empty() {
        which.push(2);
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?
        .install(|| run(&which))
}

fn run(which: &[usize]) -> Result<(), Error> {
    // 36 limbs and 10 special primes, as a chain with bootstrapping has at its top.
    let params = Params::try_new(ParamsSpec {
        log_n: 16,
        first_bits: 46,
        scale_bits: vec![35; 35],
        linear_bits: BTreeMap::new(),
        special_count: 10,
        special_bits: 46,
        security: Security::Bits128,
    })?;
    let level = params.top();
    let rows = params.chain().limbs(level) + params.ring().p_len();
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let generator = KeyGenerator::new(&params);
    let secret = generator.secret_key(&mut rng);
    let factors = slots_to_coefficients(params.slots(), 4);
    for (k, factor) in factors.iter().enumerate() {
        if !which.contains(&k) {
            continue;
        }
        let steps = steps(factor);
        let rotations: BTreeMap<Rotation, _> = steps
            .iter()
            .flat_map(|(giant, babies)| babies.iter().chain([giant]))
            .filter(|step| **step > 0)
            .map(|&step| (Rotation(step as i32), level))
            .collect();
        let manifest = KeyManifest {
            rotations,
            ..KeyManifest::default()
        };
        let eval = Evaluator::new(generator.evaluation_keys(&secret, &manifest, &mut rng)?);
        let one = vec![Complex64::ONE; params.slots()];
        let plaintext =
            Encoder::new(&params).encode_complex(&one, level, params.chain().scale(level))?;
        let a = SymmetricEncryptor::new(&secret).encrypt(&plaintext, &mut rng)?;
        let mut variants = Vec::new();
        for (name, whole, usage) in [
            ("by period", false, Use::LazyFactor),
            ("by period, as coefficients", false, Use::CompactFactor),
            ("whole", true, Use::LazyFactor),
            ("whole, as coefficients", true, Use::CompactFactor),
        ] {
            let giants = encode(&eval, factor, &steps, whole)?;
            let wanted: Vec<_> = constants(&giants).map(|p| (p, level, usage)).collect();
            let start = Instant::now();
            eval.prepare_all(&wanted)?;
            let encoding = start.elapsed().as_secs_f64();
            variants.push((name, giants, encoding, Vec::new()));
        }
        // In turns: what else the machine does meets all of them.
        for _ in 0..REPETITIONS {
            for (_, giants, _, times) in &mut variants {
                let product: Vec<GiantStep<_, _>> = giants
                    .iter()
                    .map(|(by, terms)| GiantStep {
                        by: *by,
                        terms: terms.iter().map(|(r, p)| (&a, *r, p)).collect(),
                    })
                    .collect();
                let start = Instant::now();
                eval.sum_rotated_products_rescaled(&product)?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        println!(
            "factor {k}: {} diagonals over {rows} rows, {} keys",
            factor.diagonals().len(),
            eval.keys().rotations().len()
        );
        for (name, giants, encoding, mut times) in variants {
            times.sort_by(f64::total_cmp);
            println!(
                "  {name}: period {}, {:.1} MB, encoded in {encoding:.3} s; product {:.1} ms (median of {REPETITIONS}), {:.1} ms (least)",
                constants(&giants).map(Constant::period).max().unwrap_or(0),
                constants(&giants)
                    .map(Constant::encoded_bytes)
                    .sum::<usize>() as f64
                    / 1e6,
                times[REPETITIONS / 2],
                times[0],
            );
        }
    }
    Ok(())
}

fn constants(giants: &[Encoded]) -> impl Iterator<Item = &Constant> {
    giants
        .iter()
        .flat_map(|(_, terms)| terms.iter().map(|t| &t.1))
}

/// Giant steps and their baby steps: multiples of the smallest offset below a power of two of them.
fn steps(factor: &Matrix) -> BTreeMap<usize, Vec<usize>> {
    let offsets: Vec<usize> = factor.diagonals().keys().copied().collect();
    let stride = offsets
        .iter()
        .filter(|d| **d > 0)
        .map(|d| 1usize << d.trailing_zeros())
        .min()
        .unwrap_or(1);
    let mut steps: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for d in offsets {
        let baby = d / stride % 8;
        steps
            .entry(d - baby * stride)
            .or_default()
            .push(baby * stride);
    }
    steps
}

/// Constants by giant and baby step; `whole` ones differ from the diagonals in one slot, by too little to matter but
/// enough for them to have no period.
fn encode(
    eval: &Evaluator,
    factor: &Matrix,
    steps: &BTreeMap<usize, Vec<usize>>,
    whole: bool,
) -> Result<Vec<Encoded>, Error> {
    let n = factor.n();
    steps
        .iter()
        .map(|(&giant, babies)| {
            let terms = babies.iter().map(|&baby| {
                let diagonal = &factor.diagonals()[&(giant + baby)];
                let mut values: Vec<Complex64> = (0..n)
                    .map(|i| diagonal[(i + n - giant) % diagonal.len()] / 16.0)
                    .collect();
                if whole {
                    values[n - 1] += 2f64.powi(-48);
                }
                let constant = eval.constant_complex(&format!("{giant}+{baby}"), &values)?;
                Ok((Rotation(baby as i32), constant))
            });
            Ok((Rotation(giant as i32), terms.collect::<Result<_, Error>>()?))
        })
        .collect()
}
