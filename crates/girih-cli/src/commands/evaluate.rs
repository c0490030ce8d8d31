//! `girih evaluate`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use girih_ckks::{EncapsulationKeys, EvaluationKeys};
use girih_engine::files::{self, Access};
use girih_engine::{
    ENCAPSULATION_KEYS_FILE, ENCRYPTED_WEIGHTS_FILE, EVALUATION_KEYS_FILE, EncryptedTensor,
    ParamsReport, Phase, Server, ServerKeys, ServerPart, Timings, peak_bytes,
};
use serde::Serialize;

use super::{OutputOptions, ThreadOptions, check_memory};
use crate::console::{Bars, human_bytes, human_seconds, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server's folder: the server part of the model and a client's evaluation keys.
    #[arg(long, value_name = "SDIR")]
    server: PathBuf,
    /// The encrypted input.
    #[arg(long, value_name = "x.ct")]
    input: PathBuf,
    /// The encrypted answer.
    #[arg(long, value_name = "y.ct")]
    output: PathBuf,
    /// Writes parameters, times and memory as JSON.
    #[arg(long, value_name = "REPORT.json")]
    json: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    files: OutputOptions,
}

#[derive(Serialize)]
struct Report {
    model: String,
    threads: usize,
    #[serde(flatten)]
    params: ParamsReport,
    encode_seconds: f64,
    evaluate_seconds: f64,
    key_bytes: usize,
    ciphertext_bytes: usize,
    output_bytes: usize,
    peak_bytes: Option<u64>,
    predicted_peak_bytes: u64,
    timings: Timings,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    for path in [Some(&args.output), args.json.as_ref()]
        .into_iter()
        .flatten()
    {
        files::check_free(path, overwrite)?;
    }
    let part = ServerPart::load(&args.server)
        .with_context(|| format!("{} is not a server's folder", args.server.display()))?;
    let predicted_peak_bytes = part.predicted_peak_bytes;
    eprintln!(
        "about {} of memory will be used",
        human_bytes(predicted_peak_bytes)
    );
    check_memory(predicted_peak_bytes)?;
    let name = part.name.clone();
    args.threads.install(|threads| {
        let params = part.params()?;
        let path = args.server.join(EVALUATION_KEYS_FILE);
        let key_file = files::read(&path)?;
        let key_bytes = key_file.len();
        let keys = EvaluationKeys::from_bytes(&key_file, &params)
            .with_context(|| path.display().to_string())?;
        drop(key_file);
        let path = args.server.join(ENCAPSULATION_KEYS_FILE);
        let encapsulation = if part.preset.is_some() && path.is_file() {
            let bytes = files::read(&path)?;
            let keys = EncapsulationKeys::from_bytes(&bytes, &params);
            Some(keys.with_context(|| path.display().to_string())?)
        } else {
            None
        };
        let keys = ServerKeys {
            evaluation: keys,
            encapsulation,
        };
        let mut server = Server::try_new(part, keys)?;
        let weights = args.server.join(ENCRYPTED_WEIGHTS_FILE);
        if weights.is_file() {
            let tensor = EncryptedTensor::from_bytes(&files::read(&weights)?, &params);
            server.set_weights(tensor.with_context(|| weights.display().to_string())?)?;
        }
        let bytes = files::read(&args.input)?;
        let input = EncryptedTensor::from_bytes(&bytes, &params)
            .with_context(|| args.input.display().to_string())?;
        let bars = Bars::default();
        bars.show(Phase::Encode, 0.0);
        let begin = Instant::now();
        server.encode()?;
        let encode_seconds = begin.elapsed().as_secs_f64();
        let progress = |f: f64| bars.show(Phase::Evaluate, f);
        let (output, timings) = server.evaluate(&input, Some(&progress))?;
        let answer = output.to_bytes(&params)?;
        files::write(&args.output, &answer, overwrite, Access::Default)?;
        say!(
            "{} sample(s) in {} on {threads} thread(s), {} in {}",
            output.samples,
            human_seconds(timings.seconds),
            human_bytes(answer.len() as u64),
            args.output.display()
        );
        if let Some(path) = &args.json {
            let report = Report {
                model: name,
                threads,
                params: ParamsReport::of(&params),
                encode_seconds,
                evaluate_seconds: timings.seconds,
                key_bytes,
                ciphertext_bytes: bytes.len(),
                output_bytes: answer.len(),
                peak_bytes: peak_bytes(),
                predicted_peak_bytes,
                timings,
            };
            files::write(
                path,
                &serde_json::to_vec_pretty(&report)?,
                overwrite,
                Access::Default,
            )?;
        }
        Ok(())
    })
}
