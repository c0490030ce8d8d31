//! The main job on real digits: `cargo xtask demo`.
//!
//! Encrypts handwritten digits, evaluates a trained network on the ciphertexts, decrypts the answers; then a thousand
//! images in batches, compared with the plain model. Writes an HTML report.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use girih_ckks::Params;
use girih_compile::{Compiled, Requirements, compile};
use girih_engine::files::{self, Access, Overwrite};
use girih_engine::html::{self, Digit, Page};
use girih_engine::{
    CkksScheme, Comparison, Explanation, LocalSession, MachineTable, Phase, RunReport, arg_max,
    spec,
};
use girih_model::Graph;
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// The main job on real digits.
#[derive(Debug, Parser)]
struct Args {
    /// Where the report goes.
    #[arg(long, default_value = "demo/report.html")]
    output: PathBuf,
    /// Replaces a report that exists.
    #[arg(long)]
    force: bool,
    /// Digits shown one by one.
    #[arg(long, default_value_t = 8)]
    digits: usize,
    /// Images of the batched run, at most 1000.
    #[arg(long, default_value_t = 1000)]
    images: usize,
    /// Images that are answered together in the batched run.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Threads; all cores without it.
    #[arg(long)]
    threads: Option<usize>,
    /// A network of the fixtures that reads 28 x 28 digits.
    #[arg(long, default_value = "cryptonets")]
    model: String,
}

const SIDE: usize = 28;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .stack_size(16 << 20)
        .build()?;
    pool.install(|| demo(&args, threads.max(1)))
}

fn demo(args: &Args, threads: usize) -> anyhow::Result<()> {
    let path = girih_fixtures::model(&args.model);
    let graph = girih_model::load_onnx(&path).with_context(|| path.display().to_string())?;
    let test = girih_fixtures::mnist_test();
    let images = args.images.clamp(1, test.len());
    let values: Vec<f64> = test
        .rows()
        .take(images)
        .flatten()
        .map(|&v| f64::from(v))
        .collect();
    let input = ArrayD::from_shape_vec(IxDyn(&[images, 1, SIDE, SIDE]), values)?;
    println!("{graph}");
    let shown = input
        .slice_axis(Axis(0), Slice::from(0..args.digits.clamp(1, images)))
        .to_owned();

    let single = Job::compile(&graph, 1, threads)?;
    println!("{}\n", single.params);
    let (answer, mut report) = single.run(shown.clone(), "evaluating one by one")?;
    let comparison = note(&graph, &shown, &answer, &mut report)?;
    let digits = digits(&shown, &answer, &comparison.plain, &test.labels);
    digits.iter().for_each(show);
    layers(&report);
    println!(
        "one image at a time: {:.1} ms an image on {threads} thread(s); largest difference from the plain model {:.1e}\n",
        1e3 * report.evaluate_seconds / report.samples as f64,
        comparison.max_error
    );

    let batched = Job::compile(&graph, args.batch, threads)?;
    let (answer, mut many) = batched.run(input.clone(), "evaluating in batches")?;
    let comparison = note(&graph, &input, &answer, &mut many)?;
    let rows = answer.axis_iter(Axis(0)).zip(&test.labels);
    let right = rows
        .filter(|(scores, label)| arg_max(scores.iter()) == Some(usize::from(**label)))
        .count();
    println!(
        "{images} images, {} at a time: {:.2} ms an image; same answer as the plain model for {:.2} %, largest difference {:.1e}; \
         {:.2} % right",
        many.batch,
        1e3 * many.evaluate_seconds / images as f64,
        100.0 * comparison.agreement,
        comparison.max_error,
        100.0 * right as f64 / images as f64
    );
    let page = Page {
        title: "A network answers on encrypted digits",
        single: &report,
        batched: &many,
        digits: &digits,
        errors: &comparison.errors,
        params: &single.params.to_string(),
    };
    if let Some(folder) = args.output.parent().filter(|f| !f.as_os_str().is_empty()) {
        files::create_dir(folder)?;
    }
    let overwrite = if args.force {
        Overwrite::Replace
    } else {
        Overwrite::Refuse
    };
    files::write(
        &args.output,
        html::render(&page)?.as_bytes(),
        overwrite,
        Access::Default,
    )?;
    println!("report: {}", args.output.display());
    Ok(())
}

/// A network compiled for one batch.
struct Job {
    compiled: Compiled,
    explanation: Explanation,
    params: Params,
    seconds: f64,
}

impl Job {
    fn compile(graph: &Graph, batch: usize, threads: usize) -> anyhow::Result<Job> {
        let begin = Instant::now();
        let calibration = girih_fixtures::mnist_calibration();
        let values: Vec<f64> = calibration
            .rows()
            .flatten()
            .map(|&v| f64::from(v))
            .collect();
        let samples = ArrayD::from_shape_vec(IxDyn(&[calibration.len(), 1, SIDE, SIDE]), values)?;
        let requirements = Requirements {
            batch: batch.into(),
            calibration: Some(samples),
            ..Requirements::default()
        };
        let compiled = compile(graph, &requirements, &CkksScheme::new(1))?;
        let params = Params::try_new(spec(&compiled.chain).map_err(anyhow::Error::msg)?)?;
        let explanation = Explanation::of(
            &compiled,
            &params,
            &MachineTable::shipped().machine(threads),
        )?;
        Ok(Job {
            compiled,
            explanation,
            params,
            seconds: begin.elapsed().as_secs_f64(),
        })
    }

    fn run(
        &self,
        input: ArrayD<f64>,
        words: &'static str,
    ) -> anyhow::Result<(ArrayD<f64>, RunReport)> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|e| anyhow::anyhow!("no randomness from the system: {e}"))?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let bar = ProgressBar::new(1000).with_message(words);
        bar.set_style(ProgressStyle::with_template(
            "{msg:>22} [{bar:40}] {percent:>3} %, left {eta}",
        )?);
        let last = Mutex::new(0);
        let watch = |phase: Phase, done: f64| {
            if let (Phase::Evaluate, Ok(mut last)) = (phase, last.lock()) {
                *last = u64::max(*last, (done * 1000.0) as u64);
                bar.set_position(*last);
            }
        };
        let session = LocalSession::start(
            &self.compiled,
            &self.explanation,
            self.seconds,
            &mut rng,
            &watch,
        )?;
        let result = session.infer(input, &mut rng, &watch)?;
        bar.finish_and_clear();
        Ok(result)
    }
}

fn note(
    graph: &Graph,
    input: &ArrayD<f64>,
    answer: &ArrayD<f64>,
    report: &mut RunReport,
) -> anyhow::Result<Comparison> {
    let comparison = Comparison::with_plain(graph, input, answer)?;
    report.max_error = Some(comparison.max_error);
    report.agreement = Some(comparison.agreement);
    Ok(comparison)
}

fn digits(
    images: &ArrayD<f64>,
    answer: &ArrayD<f64>,
    plain: &ArrayD<f64>,
    labels: &[u8],
) -> Vec<Digit> {
    let rows = images
        .axis_iter(Axis(0))
        .zip(answer.axis_iter(Axis(0)))
        .zip(plain.axis_iter(Axis(0)))
        .zip(labels);
    rows.map(|(((image, scores), plain), &label)| Digit {
        pixels: image.iter().copied().collect(),
        width: SIDE,
        label: usize::from(label),
        scores: scores.iter().copied().collect(),
        plain: plain.iter().copied().collect(),
    })
    .collect()
}

/// Dark to bright.
const INK: &[u8] = b" .:-=+*#%@";

/// The digit in letters, two rows of pixels a line, with its scores beside it.
fn show(digit: &Digit) {
    let answer = arg_max(digit.scores.iter());
    for (i, rows) in digit.pixels.chunks(2 * SIDE).enumerate() {
        let line: String = (0..SIDE)
            .map(|x| {
                let ink = (rows[x] + rows.get(SIDE + x).copied().unwrap_or(0.0)) / 2.0;
                char::from(INK[((ink * 9.99) as usize).min(9)])
            })
            .collect();
        let beside = match digit.scores.get(i.wrapping_sub(2)) {
            Some(score) => {
                let mark = if answer == Some(i - 2) {
                    "<-- answer"
                } else {
                    ""
                };
                let label = if digit.label == i - 2 { "(label)" } else { "" };
                format!("{}  {score:>8.3}  {mark} {label}", i - 2)
            }
            None => String::new(),
        };
        println!("{}", format!("  {line}    {beside}").trim_end());
    }
}

fn layers(report: &RunReport) {
    println!("\nlatency by layer, milliseconds an image");
    let runs = report.samples as f64;
    for layer in report.layers.iter().filter(|l| !l.primitives.is_empty()) {
        let costs: Vec<String> = layer
            .primitives
            .iter()
            .map(|(name, s)| format!("{name} {:.2}", 1e3 * s.seconds / runs))
            .collect();
        println!(
            "  {:<18} {:>7.2}   {}",
            layer.name,
            1e3 * layer.seconds / runs,
            costs.join(", ")
        );
    }
}
