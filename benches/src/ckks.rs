//! Operations of the scheme: `mul_relin_rescale`, `rotate`, `hoisted_rotate`, `encode`, ...

use std::hint::black_box;

use anyhow::Context as _;
use girih_ckks::{
    Decryptor, Encoder, Encryptor, Evaluator, KeyGenerator, Params, ParamsSpec, Security,
};
use girih_he::{Evaluator as _, KeyManifest, Leveled, Rotation};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::Bench;
use crate::record::{Record, Timing};

/// Rotations of one value that share a decomposition.
const HOISTED: i32 = 8;

/// Sets with log2 Q of about 300, 580 and 1260, all of 128-bit security: degree, bits of the limbs,
/// levels, special primes. limbs of at most 46 bits stay in the class whose transform needs no reductions.
pub(crate) const SETS: [(u8, u8, usize, u8); 3] =
    [(14, 42, 6, 3), (15, 41, 13, 5), (16, 45, 27, 10)];

/// Measures the operations at the top level of every set.
pub(crate) fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for (log_n, bits, depth, special) in SETS {
        if bench.quick && log_n > 14 {
            continue;
        }
        let params = Params::try_new(ParamsSpec {
            log_n,
            first_bits: 46,
            scale_bits: vec![bits; depth + 1],
            special_count: special,
            special_bits: if log_n == 16 { 46 } else { 44 },
            security: Security::Bits128,
        })
        .with_context(|| format!("the set at N = 2^{log_n}"))?;
        measure(bench, &params)?;
    }
    Ok(())
}

fn measure(bench: &mut Bench, params: &Params) -> anyhow::Result<()> {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let generator = KeyGenerator::new(params);
    let secret = generator.secret_key(&mut rng);
    let public = generator.public_key(&secret, &mut rng)?;
    let top = params.top();
    let manifest = KeyManifest {
        relinearization: Some(top),
        rotations: (1..=HOISTED).map(|r| (Rotation(r), top)).collect(),
        conjugation: None,
    };
    let eval = Evaluator::new(generator.evaluation_keys(&secret, &manifest, &mut rng)?);
    let encoder = Encoder::new(params);
    let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64).sin()).collect();
    let scale = params.chain().scale(top);
    let plaintext = encoder.encode(&values, top, scale)?;
    let encryptor = Encryptor::new(&public);
    let decryptor = Decryptor::new(&secret);
    let a = encryptor.encrypt(&plaintext, &mut rng)?;
    let b = encryptor.encrypt(&plaintext, &mut rng)?;
    let constant = eval.constant("c", &values)?;
    let product = eval.mul_plain(&a, &constant)?;
    let one_rotation = KeyManifest {
        rotations: [(Rotation(1), top)].into(),
        ..KeyManifest::default()
    };
    let rotations: Vec<Rotation> = (1..=HOISTED).map(Rotation).collect();

    let effort = bench.effort;
    let mut push = |op: &'static str, timing: Timing| {
        let record = Record {
            n: Some(params.n()),
            log_q: Some(params.log_q()),
            log_qp: Some(params.log_qp()),
            limbs: Some(params.chain().limbs(top)),
            dnum: Some(params.digits(top)),
            slots: Some(params.slots()),
            threads: bench.threads,
            isa: Some(params.ring().isa().to_string()),
            ..Record::new("ckks", op)
        };
        bench.report.push(record.timed(timing));
    };
    // Operations that cannot fail here were run once above or fail with the first run.
    let pairs = [(&a, &b)];
    eval.dot_rescaled(&pairs)?;
    eval.rotate_many(&a, &rotations)?;
    push(
        "mul_relin_rescale",
        effort.measure(1, || drop(black_box(eval.dot_rescaled(&pairs)))),
    );
    push(
        "mul_plain",
        effort.measure(1, || drop(black_box(eval.mul_plain(&a, &constant)))),
    );
    push(
        "rescale",
        effort.measure(1, || drop(black_box(eval.rescale(&product)))),
    );
    push(
        "rotate",
        effort.measure(1, || drop(black_box(eval.rotate(&a, Rotation(1))))),
    );
    push(
        "hoisted_rotate",
        effort.measure(rotations.len(), || {
            drop(black_box(eval.rotate_many(&a, &rotations)));
        }),
    );
    push(
        "encode",
        effort.measure(1, || drop(black_box(encoder.encode(&values, top, scale)))),
    );
    push(
        "encrypt",
        effort.measure(1, || {
            drop(black_box(encryptor.encrypt(&plaintext, &mut rng)));
        }),
    );
    push(
        "decrypt",
        effort.measure(1, || {
            black_box(
                decryptor
                    .decrypt(&a)
                    .map(|plaintext| encoder.decode(&plaintext))
                    .ok(),
            );
        }),
    );
    push(
        "rotation_keygen",
        effort.measure(1, || {
            let mut rng = ChaCha20Rng::from_seed([2; 32]);
            drop(black_box(generator.evaluation_keys(
                &secret,
                &one_rotation,
                &mut rng,
            )));
        }),
    );
    Ok(())
}
