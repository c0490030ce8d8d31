//! The networks that are measured, and what HElayers took for the same shapes.

use girih_compile::Weights;
use girih_fixtures::Samples;
use girih_model::networks::{self, AlexNet};
use girih_model::{Graph, load_onnx};
use ndarray::{ArrayD, IxDyn};
use serde::Serialize;

/// A figure of HElayers (Aharoni et al., "HeLayers: A Tile Tensors Framework for Large Neural Networks on Encrypted Data", PoPETs
/// 2023), measured separately with its SDK with two threads on a machine of the same kind. Its licence does not allow
/// it to be part of this project: the numbers are constants here.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Peer {
    /// Samples of a run.
    pub(super) batch: usize,
    /// Seconds of a run.
    pub(super) seconds: f64,
    /// Peak bytes, where they were noted.
    pub(super) bytes: Option<u64>,
}

impl Peer {
    const fn new(batch: usize, seconds: f64) -> Option<Peer> {
        Some(Peer {
            batch,
            seconds,
            bytes: None,
        })
    }
}

/// Where a network and its inputs come from.
#[derive(Clone, Copy)]
enum Network {
    /// A trained one, its test samples, and those on which it is calibrated.
    Fixture(&'static str, fn() -> Samples, Option<fn() -> Samples>),
    /// One with drawn weights and inputs.
    Drawn(fn() -> girih_model::Result<Graph>),
}

/// One measurement.
pub(super) struct Case {
    pub(super) name: &'static str,
    network: Network,
    pub(super) batch: usize,
    pub(super) weights: Weights,
    /// Measured only when asked for.
    pub(super) large: bool,
    pub(super) helayers: Option<Peer>,
}

impl Case {
    const fn new(name: &'static str, network: Network, batch: usize) -> Case {
        Case {
            name,
            network,
            batch,
            weights: Weights::Plain,
            large: false,
            helayers: None,
        }
    }

    const fn beside(self, helayers: Option<Peer>) -> Case {
        Case { helayers, ..self }
    }
}

const CRYPTONETS: Network = Network::Fixture("cryptonets", girih_fixtures::mnist_test, None);
const BREAST_CANCER: Network = Network::Fixture(
    "breast_cancer",
    girih_fixtures::breast_cancer_test,
    Some(girih_fixtures::breast_cancer_train),
);

/// All of them.
pub(super) const CASES: [Case; 13] = [
    Case::new("cryptonets", CRYPTONETS, 1).beside(Peer::new(16, 1.50)),
    Case::new("cryptonets_16", CRYPTONETS, 16).beside(Peer::new(16, 1.50)),
    Case::new("cryptonets_256", CRYPTONETS, 256).beside(Peer::new(16, 1.50)),
    Case::new("cryptonets_throughput", CRYPTONETS, 4096).beside(Peer::new(16, 1.50)),
    Case {
        weights: Weights::Encrypted,
        ..Case::new("cryptonets_encrypted", CRYPTONETS, 1).beside(Peer::new(1, 1.88))
    },
    Case::new("lenet_squares", Network::Drawn(networks::lenet_squares), 1).beside(Some(Peer {
        batch: 1,
        seconds: 13.2,
        bytes: Some(5_000_000_000),
    })),
    Case::new("dense_squares", Network::Drawn(networks::dense_squares), 1)
        .beside(Peer::new(1, 0.21)),
    Case::new(
        "cnn",
        Network::Fixture("cnn", girih_fixtures::mnist_test, None),
        1,
    ),
    Case::new(
        "lenet_relu",
        Network::Fixture(
            "lenet_relu",
            girih_fixtures::mnist_test,
            Some(girih_fixtures::mnist_calibration),
        ),
        1,
    ),
    Case::new("breast_cancer", BREAST_CANCER, 1),
    Case::new("breast_cancer_64", BREAST_CANCER, 64),
    Case::new("alexnet_small", Network::Drawn(alexnet_small), 1),
    Case {
        large: true,
        ..Case::new("alexnet", Network::Drawn(alexnet), 1)
    },
];

fn alexnet() -> girih_model::Result<Graph> {
    AlexNet::FULL.graph()
}

/// A relative that runs within seconds.
fn alexnet_small() -> girih_model::Result<Graph> {
    let small = AlexNet {
        image: 64,
        divide: 16,
    };
    small.graph()
}

impl Case {
    pub(super) fn graph(&self) -> anyhow::Result<Graph> {
        Ok(match self.network {
            Network::Fixture(name, ..) => load_onnx(girih_fixtures::model(name))?,
            Network::Drawn(build) => build()?,
        })
    }

    pub(super) fn calibration(&self, graph: &Graph) -> anyhow::Result<Option<ArrayD<f64>>> {
        match self.network {
            Network::Fixture(.., Some(samples)) => {
                let samples = samples();
                let count = samples.len();
                Ok(Some(taken(samples, graph, count)?))
            }
            Network::Fixture(..) => Ok(None),
            // Ranges of values cannot be guessed for drawn weights.
            Network::Drawn(_) => Ok(Some(networks::samples(graph, 8, 3))),
        }
    }

    pub(super) fn input(&self, graph: &Graph) -> anyhow::Result<ArrayD<f64>> {
        match self.network {
            Network::Fixture(_, samples, _) => Ok(taken(samples(), graph, self.batch)?),
            Network::Drawn(_) => Ok(networks::samples(graph, self.batch, 5)),
        }
    }
}

/// The first `count` samples, and again from the first if there are fewer.
fn taken(samples: Samples, graph: &Graph, count: usize) -> anyhow::Result<ArrayD<f64>> {
    let rows: Vec<_> = samples.rows().collect();
    let values: Vec<f64> = rows
        .iter()
        .cycle()
        .take(count)
        .flat_map(|row| row.iter().map(|&v| f64::from(v)))
        .collect();
    let shape: Vec<usize> = [count].iter().chain(graph.input_shape()).copied().collect();
    Ok(ArrayD::from_shape_vec(IxDyn(&shape), values)?)
}
