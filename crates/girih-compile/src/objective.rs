//! What a plan costs, what is asked to be small, and what must not be exceeded.

use std::collections::BTreeMap;
use std::fmt;

/// How many samples are answered together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// So many; they are run in chunks where a plan holds fewer.
    Of(usize),
    /// As many as serves the objective best, up to the slots of a ciphertext.
    Free,
}

impl Default for Batch {
    fn default() -> Self {
        Batch::Of(1)
    }
}

impl From<usize> for Batch {
    fn from(samples: usize) -> Self {
        Batch::Of(samples)
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Batch::Of(samples) => write!(f, "{samples}"),
            Batch::Free => f.write_str("auto"),
        }
    }
}

/// One thing that a plan costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Seconds of the server from encrypted input to encrypted output.
    ServerSeconds,
    /// Seconds of the server before the first run: encoding of constants.
    SetupSeconds,
    /// Seconds of the client for each request: encryption and decryption.
    ClientSeconds,
    /// Seconds of the client before the first request: generation of the evaluation keys.
    KeySeconds,
    /// Most bytes that the server's process uses.
    ServerBytes,
    /// Most bytes that the client's process uses: keys as they are made, ciphertexts.
    ClientBytes,
    /// Bytes of the evaluation keys.
    KeyBytes,
    /// Bytes of the encrypted input on the wire; of a fresh ciphertext one half is a seed.
    InputBytes,
    /// Bytes of the encrypted output on the wire.
    OutputBytes,
    /// Bytes of encrypted input and output on the wire.
    WireBytes,
}

impl Measure {
    /// All of them, in the order of reports.
    pub const ALL: [Measure; 10] = [
        Measure::ServerSeconds,
        Measure::SetupSeconds,
        Measure::ClientSeconds,
        Measure::KeySeconds,
        Measure::ServerBytes,
        Measure::ClientBytes,
        Measure::KeyBytes,
        Measure::InputBytes,
        Measure::OutputBytes,
        Measure::WireBytes,
    ];

    /// The name in reports and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Measure::ServerSeconds => "server_seconds",
            Measure::SetupSeconds => "setup_seconds",
            Measure::ClientSeconds => "client_seconds",
            Measure::KeySeconds => "key_seconds",
            Measure::ServerBytes => "server_bytes",
            Measure::ClientBytes => "client_bytes",
            Measure::KeyBytes => "key_bytes",
            Measure::InputBytes => "input_bytes",
            Measure::OutputBytes => "output_bytes",
            Measure::WireBytes => "wire_bytes",
        }
    }

    /// The name in sentences.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Measure::ServerSeconds => "server time",
            Measure::SetupSeconds => "setup time",
            Measure::ClientSeconds => "client time",
            Measure::KeySeconds => "key generation",
            Measure::ServerBytes => "server memory",
            Measure::ClientBytes => "client memory",
            Measure::KeyBytes => "keys",
            Measure::InputBytes => "encrypted input",
            Measure::OutputBytes => "encrypted output",
            Measure::WireBytes => "encrypted input and output",
        }
    }

    /// An amount of it with its unit, as `1.5 s` or `640.0 MiB`.
    #[must_use]
    pub fn amount(self, value: f64) -> String {
        const MIB: f64 = 1_048_576.0;
        match self {
            Measure::ServerSeconds
            | Measure::SetupSeconds
            | Measure::ClientSeconds
            | Measure::KeySeconds => match value {
                v if v < 1.0 => format!("{:.1} ms", 1e3 * v),
                v => format!("{v:.2} s"),
            },
            _ => match value {
                v if v < MIB => format!("{:.0} KiB", v / 1024.0),
                v => format!("{:.1} MiB", v / MIB),
            },
        }
    }

    /// Whether every run costs it again.
    fn by_run(self) -> bool {
        matches!(
            self,
            Measure::ServerSeconds
                | Measure::ClientSeconds
                | Measure::InputBytes
                | Measure::OutputBytes
                | Measure::WireBytes
        )
    }
}

/// What a plan costs by the scheme's prices, on one thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    /// Samples of one run.
    pub batch: usize,
    /// Runs that a request takes: 1, or the samples asked for by the samples of a run.
    pub runs: usize,
    /// Seconds of the server in one run.
    pub server_seconds: f64,
    /// Seconds to encode the constants that are encoded ahead.
    pub setup_seconds: f64,
    /// Seconds of the client to encrypt one run's input.
    pub encrypt_seconds: f64,
    /// Seconds of the client to decrypt one run's output.
    pub decrypt_seconds: f64,
    /// Seconds of the client to make the evaluation keys.
    pub key_seconds: f64,
    /// Most bytes of the server.
    pub server_bytes: u64,
    /// Most bytes of the client.
    pub client_bytes: u64,
    /// Bytes of the evaluation keys.
    pub key_bytes: u64,
    /// Bytes of one run's input on the wire.
    pub input_bytes: u64,
    /// Bytes of one run's output on the wire.
    pub output_bytes: u64,
}

impl Measures {
    /// One measure of a whole request.
    #[must_use]
    pub fn get(&self, measure: Measure) -> f64 {
        let runs = match measure.by_run() {
            true => self.runs as f64,
            false => 1.0,
        };
        let once = match measure {
            Measure::ServerSeconds => self.server_seconds,
            Measure::SetupSeconds => self.setup_seconds,
            Measure::ClientSeconds => self.encrypt_seconds + self.decrypt_seconds,
            Measure::KeySeconds => self.key_seconds,
            Measure::ServerBytes => self.server_bytes as f64,
            Measure::ClientBytes => self.client_bytes as f64,
            Measure::KeyBytes => self.key_bytes as f64,
            Measure::InputBytes => self.input_bytes as f64,
            Measure::OutputBytes => self.output_bytes as f64,
            Measure::WireBytes => (self.input_bytes + self.output_bytes) as f64,
        };
        runs * once
    }

    /// Seconds of the server for a sample when every run is full.
    #[must_use]
    pub fn sample_seconds(&self) -> f64 {
        self.server_seconds / self.batch.max(1) as f64
    }
}

/// What is to be small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// Seconds of the server until a request is answered.
    #[default]
    Latency,
    /// Seconds of the server for a sample.
    Throughput,
    /// Seconds of the client: encryption and decryption.
    ClientTime,
    /// Memory of the server.
    Memory,
    /// Bytes of encrypted input and output.
    Wire,
}

impl Objective {
    /// All of them.
    pub const ALL: [Objective; 5] = [
        Objective::Latency,
        Objective::Throughput,
        Objective::ClientTime,
        Objective::Memory,
        Objective::Wire,
    ];

    /// The name in options and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Objective::Latency => "latency",
            Objective::Throughput => "throughput",
            Objective::ClientTime => "client",
            Objective::Memory => "memory",
            Objective::Wire => "wire",
        }
    }

    /// What is compared, smaller being better: of a request of the given batch; client time and bytes for a sample if the batch is free.
    #[must_use]
    pub fn score(self, measures: &Measures, batch: Batch) -> f64 {
        let shared = match batch {
            Batch::Of(samples) => samples,
            Batch::Free => measures.batch,
        }
        .max(1) as f64;
        let by_sample = |total: f64| match batch {
            Batch::Of(_) => total,
            Batch::Free => total / shared,
        };
        match self {
            Objective::Latency => measures.get(Measure::ServerSeconds),
            Objective::Throughput => measures.get(Measure::ServerSeconds) / shared,
            Objective::ClientTime => by_sample(measures.get(Measure::ClientSeconds)),
            Objective::Memory => measures.get(Measure::ServerBytes),
            Objective::Wire => {
                by_sample(measures.get(Measure::InputBytes) + measures.get(Measure::OutputBytes))
            }
        }
    }

    /// A score with its unit.
    #[must_use]
    pub fn amount(self, score: f64, batch: Batch) -> String {
        let sample = match (self, batch) {
            (Objective::Throughput, _) | (Objective::ClientTime | Objective::Wire, Batch::Free) => {
                " a sample"
            }
            _ => "",
        };
        let measure = match self {
            Objective::Latency | Objective::Throughput => Measure::ServerSeconds,
            Objective::ClientTime => Measure::ClientSeconds,
            Objective::Memory => Measure::ServerBytes,
            Objective::Wire => Measure::WireBytes,
        };
        format!("{}{sample}", measure.amount(score))
    }
}

impl std::str::FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Objective::ALL
            .into_iter()
            .find(|o| o.name() == text)
            .ok_or_else(|| {
                let known = Objective::ALL.map(Objective::name).join(", ");
                format!("{text:?} is none of {known}")
            })
    }
}

/// Bounds on what a plan may cost, of a whole request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caps(BTreeMap<Measure, f64>);

impl Caps {
    /// With one more bound; the smaller one where there was a bound.
    #[must_use]
    pub fn with(mut self, measure: Measure, most: f64) -> Self {
        let bound = self.0.entry(measure).or_insert(most);
        *bound = bound.min(most);
        self
    }

    /// The bound on a measure.
    #[must_use]
    pub fn get(&self, measure: Measure) -> Option<f64> {
        self.0.get(&measure).copied()
    }

    /// The bounds.
    pub fn iter(&self) -> impl Iterator<Item = (Measure, f64)> + '_ {
        self.0.iter().map(|(m, most)| (*m, *most))
    }

    /// The cap that is exceeded by the largest factor, and the factor; `None` if all are kept.
    #[must_use]
    pub fn exceeded(&self, measures: &Measures) -> Option<(Measure, f64)> {
        self.iter()
            .map(|(measure, most)| (measure, measures.get(measure) / most))
            .filter(|(_, factor)| *factor > 1.0 || factor.is_nan())
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures() -> Measures {
        Measures {
            batch: 8,
            runs: 3,
            server_seconds: 2.0,
            setup_seconds: 5.0,
            encrypt_seconds: 0.25,
            decrypt_seconds: 0.5,
            key_seconds: 1.0,
            server_bytes: 4000,
            client_bytes: 3000,
            key_bytes: 1000,
            input_bytes: 600,
            output_bytes: 200,
        }
    }

    #[test]
    fn requests_of_several_runs_cost_time_and_bytes_again_and_memory_once() {
        let m = measures();
        let score = |o: Objective, b| o.score(&m, b);
        assert_eq!(score(Objective::Latency, Batch::Of(20)), 6.0);
        assert_eq!(score(Objective::Throughput, Batch::Of(20)), 0.3);
        assert_eq!(score(Objective::ClientTime, Batch::Of(20)), 2.25);
        assert_eq!(score(Objective::Memory, Batch::Of(20)), 4000.0);
        assert_eq!(score(Objective::Wire, Batch::Of(20)), 2400.0);
        let free = Measures { runs: 1, ..m };
        assert_eq!(Objective::Throughput.score(&free, Batch::Free), 0.25);
        assert_eq!(Objective::Wire.score(&free, Batch::Free), 100.0);
        assert_eq!(Objective::Latency.score(&free, Batch::Free), 2.0);
    }

    #[test]
    fn the_cap_that_is_missed_most_is_named() {
        let caps = Caps::default()
            .with(Measure::ServerBytes, 2000.0)
            .with(Measure::InputBytes, 600.0)
            .with(Measure::SetupSeconds, 5.0);
        assert_eq!(caps.exceeded(&measures()), Some((Measure::InputBytes, 3.0)));
        assert_eq!(Caps::default().exceeded(&measures()), None);
        let twice = Caps::default()
            .with(Measure::KeyBytes, 5.0)
            .with(Measure::KeyBytes, 7.0);
        assert_eq!(twice.get(Measure::KeyBytes), Some(5.0));
    }

    #[test]
    fn objectives_have_names() {
        for objective in Objective::ALL {
            assert_eq!(objective.name().parse(), Ok(objective));
        }
        assert!("speed".parse::<Objective>().is_err());
    }
}
