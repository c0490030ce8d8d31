//! `girih infer`: all roles in one go.

use std::path::PathBuf;

use girih_engine::files::{self, Access};
use girih_engine::{
    Comparison, Explanation, LocalSession, Phase, RunReport, check_ranges, infer_clear, with_batch,
};

use super::{
    CompileOptions, OutputOptions, Request, SeedOptions, ThreadOptions, check_memory,
    load_with_digest,
};
use crate::console::{Bars, human_bytes, human_seconds, say, table};
use crate::npy;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model.
    #[arg(long, value_name = "M.onnx")]
    model: PathBuf,
    /// One sample or `[samples, ..]`, f32 or f64, or bytes with --divide.
    #[arg(long, value_name = "X.npy")]
    input: PathBuf,
    /// The answer, `[samples, ..]`, f64.
    #[arg(long, value_name = "Y.npy")]
    output: PathBuf,
    /// Writes parameters, times by layer and primitive, memory, key and ciphertext bytes.
    #[arg(long, value_name = "REPORT.json")]
    json: Option<PathBuf>,
    /// Runs the same program on plain numbers instead of ciphertexts.
    #[arg(long)]
    clear: bool,
    /// Goes on although an input leaves the range on which a polynomial replaces a function.
    #[arg(long)]
    allow_out_of_range: bool,
    #[command(flatten)]
    options: CompileOptions,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    seed: SeedOptions,
    #[command(flatten)]
    files: OutputOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    for path in [Some(&args.output), args.json.as_ref()]
        .into_iter()
        .flatten()
    {
        files::check_free(path, overwrite)?;
    }
    let source = load_with_digest(&args.model)?;
    let input = with_batch(
        source.0.input_shape(),
        npy::read(&args.input, args.options.values.divide)?,
    )?;
    let model = args.options.compile(
        source,
        Some((&input, "the input itself")),
        Request::Samples(input.shape().first().copied().unwrap_or(1)),
    )?;
    match check_ranges(&model.graph, &model.compiled, &input) {
        Err(error) if args.allow_out_of_range => eprintln!("warning: {error}"),
        result => result?,
    }
    args.threads.install(|threads| {
        let explanation = Explanation::of(
            &model.compiled,
            &model.params,
            &args.options.machine()?.machine(threads),
        )?;
        eprintln!("{}", model.params);
        eprintln!(
            "predicted: {} a batch of {}, {} of memory, {} of keys",
            human_seconds(explanation.predicted_seconds),
            explanation.batch,
            human_bytes(explanation.predicted_peak_bytes),
            human_bytes(explanation.key_bytes)
        );
        let bars = Bars::default();
        let watch = |phase, done| bars.show(phase, done);
        let (answer, mut report) = if args.clear {
            let progress = |done| bars.show(Phase::Evaluate, done);
            infer_clear(
                &model.compiled,
                &explanation,
                input.clone(),
                Some(&progress),
            )?
        } else {
            check_memory(explanation.predicted_peak_bytes)?;
            let mut rng = args.seed.rng("infer")?;
            let session = LocalSession::start(
                &model.compiled,
                &explanation,
                model.seconds,
                &mut rng,
                &watch,
            )?;
            session.infer(input.clone(), &mut rng, &watch)?
        };
        report.compile_seconds = model.seconds;
        let comparison = Comparison::with_plain(&model.graph, &input, &answer)?;
        report.max_error = Some(comparison.max_error);
        report.agreement = Some(comparison.agreement);
        npy::write(&args.output, &answer, overwrite)?;
        if let Some(path) = &args.json {
            files::write(
                path,
                &serde_json::to_vec_pretty(&report)?,
                overwrite,
                Access::Default,
            )?;
        }
        print(&report);
        Ok(())
    })
}

fn print(report: &RunReport) {
    let rows = report
        .layers
        .iter()
        .filter(|l| !l.primitives.is_empty())
        .map(|l| {
            let mut costs: Vec<_> = l.primitives.iter().collect();
            costs.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds));
            let costs: Vec<String> = costs
                .iter()
                .map(|(name, s)| format!("{name} x{} {}", s.count, human_seconds(s.seconds)))
                .collect();
            [l.name.clone(), costs.join(", "), human_seconds(l.seconds)]
        });
    say!("{}", table(["layer", "instructions", "time"], rows, 2));
    say!(
        "{} sample(s), {}: keys {}, encode {}, encrypt {}, evaluate {} ({} a sample), decrypt {} on {} thread(s)",
        report.samples,
        report.mode,
        human_seconds(report.keygen_seconds),
        human_seconds(report.encode_seconds),
        human_seconds(report.encrypt_seconds),
        human_seconds(report.evaluate_seconds),
        human_seconds(report.evaluate_seconds / report.samples.max(1) as f64),
        human_seconds(report.decrypt_seconds),
        report.threads
    );
    say!(
        "peak memory {}, keys {}, input {}, output {}; {}",
        report
            .peak_bytes
            .map_or_else(|| "unknown".to_string(), human_bytes),
        human_bytes(report.key_bytes),
        human_bytes(report.ciphertext_bytes),
        human_bytes(report.output_bytes),
        report.params.security
    );
    if let (Some(error), Some(agreement)) = (report.max_error, report.agreement) {
        say!(
            "largest difference from the plain model {error:.1e}, same answer for {:.2} %",
            agreement * 100.0
        );
    }
}
