//! Whole networks on encrypted data: op `infer`, one record per network and batch.

use anyhow::Context as _;
use girih_ckks::Params;
use girih_compile::{Requirements, compile};
use girih_engine::{CkksScheme, Client, CompiledModel, Server, spec};
use girih_fixtures::Samples;
use ndarray::{ArrayD, IxDyn};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::Bench;
use crate::record::Record;

/// A network of the fixtures, the batches to measure, and its test samples.
struct Job {
    model: &'static str,
    batches: &'static [usize],
    samples: fn() -> Samples,
    calibration: Option<fn() -> Samples>,
}

const JOBS: [Job; 4] = [
    Job {
        model: "cryptonets",
        batches: &[1, 16],
        samples: girih_fixtures::mnist_test,
        calibration: None,
    },
    Job {
        model: "cnn",
        batches: &[1],
        samples: girih_fixtures::mnist_test,
        calibration: None,
    },
    Job {
        model: "lenet_relu",
        batches: &[1],
        samples: girih_fixtures::mnist_test,
        calibration: Some(girih_fixtures::mnist_calibration),
    },
    Job {
        model: "breast_cancer",
        batches: &[1, 64],
        samples: girih_fixtures::breast_cancer_test,
        calibration: Some(girih_fixtures::breast_cancer_train),
    },
];

/// Measures the evaluation (encrypted input to encrypted output) of the networks in `fixtures`.
pub(crate) fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for job in &JOBS {
        for &batch in job.batches {
            if bench.quick && (job.model, batch) != ("cryptonets", 1) {
                continue;
            }
            measure(bench, job, batch).with_context(|| format!("{}, batch {batch}", job.model))?;
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, job: &Job, batch: usize) -> anyhow::Result<()> {
    let graph = girih_model::load_onnx(girih_fixtures::model(job.model))?;
    let take = |samples: Samples, count: usize| {
        let values: Vec<f64> = samples
            .rows()
            .take(count)
            .flatten()
            .map(|&v| f64::from(v))
            .collect();
        let shape: Vec<usize> = [count].iter().chain(graph.input_shape()).copied().collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values)
    };
    let calibration = match job.calibration {
        Some(samples) => {
            let samples = samples();
            let count = samples.len();
            Some(take(samples, count)?)
        }
        None => None,
    };
    let requirements = Requirements {
        batch: batch.into(),
        calibration,
        ..Requirements::default()
    };
    let compiled = compile(&graph, &requirements, &CkksScheme::new(1))?;
    let params = Params::try_new(spec(&compiled.chain).map_err(anyhow::Error::msg)?)?;
    let mut rng = ChaCha20Rng::from_seed(girih_fixtures::seed("bench nn"));
    let model = CompiledModel::try_new(&compiled)?;
    let client = Client::generate(model.client, &mut rng)?;
    let server = Server::try_new(model.server, client.evaluation_keys(&mut rng)?)?;
    server.encode()?;
    let input = client.encrypt(take((job.samples)(), batch)?, &mut rng)?;
    let mut failure = None;
    let timing = bench.effort.measure(1, || {
        if let Err(error) = server.evaluate(&input, None) {
            failure = Some(error);
        }
    });
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut record = Record::new("nn", "infer").timed(timing);
    record.n = Some(params.n());
    record.log_q = Some(params.log_q());
    record.log_qp = Some(params.log_qp());
    record.limbs = Some(params.chain().limbs(params.top()));
    record.dnum = Some(params.digits(params.top()));
    record.slots = Some(params.slots());
    record.threads = bench.threads;
    record.isa = Some(girih_ntt::Isa::best().to_string());
    record.model = Some(job.model.to_string());
    record.batch = Some(batch);
    bench.report.push(record);
    Ok(())
}
