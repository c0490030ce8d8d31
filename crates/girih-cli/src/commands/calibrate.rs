//! `girih calibrate`: what the inputs of replaced functions are, and which polynomials replace them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use girih_compile::{Choice, Effect, Judge, OutOfRange, Ranges, choose};
use girih_engine::files::{self, Access};
use girih_engine::{EffectReport, FittedFunction, ranges_to_json, with_batch};
use girih_model::Graph;
use ndarray::{ArrayD, Axis, Slice};
use serde::Serialize;

use super::explain::{print_fits, words};
use super::{InputOptions, OutputOptions, TargetOptions, ThreadOptions, load_with_digest};
use crate::console::{human_seconds, say, table};
use crate::npy;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model.
    #[arg(value_name = "M.onnx")]
    model: PathBuf,
    /// Sample inputs, `[samples, ..]`, f32 or f64, or bytes with --divide.
    #[arg(long, value_name = "X.npy")]
    input: PathBuf,
    /// Classes of the samples, integers: accuracies are reported, and the loss counts right answers as well.
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// Other samples, on which values out of range are counted; without it the last fifth of the samples.
    #[arg(long, value_name = "Y.npy")]
    held_out: Option<PathBuf>,
    /// Classes of the other samples.
    #[arg(long, value_name = "L.npy", requires = "held_out")]
    held_out_labels: Option<PathBuf>,
    /// The range file.
    #[arg(long, value_name = "R.json")]
    output: Option<PathBuf>,
    /// Writes what is printed as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measured ranges are widened by this factor about their centres.
    #[arg(long, default_value_t = 1.25)]
    margin: f64,
    #[command(flatten)]
    target: TargetOptions,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    values: InputOptions,
    #[command(flatten)]
    files: OutputOptions,
}

/// Fewest samples that are split.
const LEAST_SPLIT: usize = 10;
/// Most samples by which plans are chosen.
const JUDGED: usize = 512;

/// Samples and their classes.
struct Data {
    samples: ArrayD<f64>,
    labels: Option<Vec<usize>>,
}

impl Data {
    fn read(
        graph: &Graph,
        path: &Path,
        labels: Option<&Path>,
        divide: Option<f64>,
    ) -> anyhow::Result<Data> {
        let samples = with_batch(graph.input_shape(), npy::read(path, divide)?)
            .with_context(|| path.display().to_string())?;
        let labels = labels.map(npy::read_labels).transpose()?;
        if let (Some(labels), Some(path)) = (&labels, labels.as_ref().map(|_| path)) {
            ensure!(
                labels.len() == samples.shape()[0],
                "{} labels for the {} samples of {}",
                labels.len(),
                samples.shape()[0],
                path.display()
            );
        }
        Ok(Data { samples, labels })
    }

    fn len(&self) -> usize {
        self.samples.shape()[0]
    }

    fn part(&self, range: std::ops::Range<usize>) -> Data {
        Data {
            samples: self
                .samples
                .slice_axis(Axis(0), Slice::from(range.clone()))
                .to_owned(),
            labels: self.labels.as_ref().map(|l| l[range].to_vec()),
        }
    }

    fn judge<'g>(&self, graph: &'g Graph) -> anyhow::Result<Judge<'g>> {
        Ok(Judge::try_new(
            graph,
            self.samples.clone(),
            self.labels.clone(),
        )?)
    }
}

#[derive(Serialize)]
struct OutOfRangeReport {
    node: String,
    values: u64,
    outside: u64,
    samples_outside: u64,
    reached: (f64, f64),
}

#[derive(Serialize)]
struct Report {
    model: String,
    digest: String,
    samples: usize,
    margin: f64,
    target_met: bool,
    runs: usize,
    seconds: f64,
    /// Total depth of the plans.
    depth: u32,
    fits: Vec<FittedFunction>,
    together: Option<EffectReport>,
    held_out: Option<HeldOutReport>,
}

#[derive(Serialize)]
struct HeldOutReport {
    /// Where they are from.
    from: String,
    samples: usize,
    out_of_range: Vec<OutOfRangeReport>,
    effect: EffectReport,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    for path in [&args.output, &args.json].into_iter().flatten() {
        files::check_free(path, overwrite)?;
    }
    let (graph, digest) = load_with_digest(&args.model)?;
    let all = Data::read(
        &graph,
        &args.input,
        args.labels.as_deref(),
        args.values.divide,
    )?;
    let (used, held_out) = match &args.held_out {
        Some(path) => {
            let other = Data::read(
                &graph,
                path,
                args.held_out_labels.as_deref(),
                args.values.divide,
            )?;
            (all, Some((other, path.display().to_string())))
        }
        None if all.len() >= LEAST_SPLIT => {
            let used = all.len() - all.len() / 5;
            let what = format!(
                "the last {} samples of {}, which are not calibrated on",
                all.len() - used,
                args.input.display()
            );
            let rest = all.part(used..all.len());
            (all.part(0..used), Some((rest, what)))
        }
        None => (all, None),
    };
    args.threads.install(|_| {
        let begin = Instant::now();
        let mut ranges = Ranges::measure(&graph, &used.samples, args.margin)?;
        if ranges.activations.is_empty() {
            bail!("{} has no function to replace: it needs no range file", args.model.display());
        }
        let target = args.target.target();
        let judge = used.part(0..used.len().min(JUDGED)).judge(&graph)?;
        let choice = choose(&judge, &graph, &mut ranges, &target)?;
        let held = held_out
            .map(|(data, from)| {
                let outside = ranges.out_of_range(&graph, &data.samples)?;
                let effect = data.judge(&graph)?.together(&ranges)?;
                anyhow::Ok((from, data.len(), outside, effect))
            })
            .transpose()?;
        let report = report(args, &digest, &ranges, choice, held, begin.elapsed().as_secs_f64());
        print(&report);
        if !choice.met && args.target.given() {
            bail!(
                "the deepest plans of at most {} levels miss the target; accept a larger loss or error (--target-loss, --target-error), \
                 allow deeper plans (--max-depth), or give more samples",
                target.max_depth
            );
        }
        if let Some(path) = &args.output {
            let bytes = ranges_to_json(&ranges, &graph.name, &digest)?;
            files::write(path, &bytes, overwrite, Access::Default)?;
        }
        if let Some(path) = &args.json {
            let bytes = serde_json::to_vec_pretty(&report)?;
            files::write(path, &bytes, overwrite, Access::Default)?;
        }
        Ok(())
    })
}

type HeldOut = (String, usize, Vec<OutOfRange>, Effect);

fn report(
    args: &Args,
    digest: &girih_engine::ModelDigest,
    ranges: &Ranges,
    choice: Choice,
    held: Option<HeldOut>,
    seconds: f64,
) -> Report {
    let fits = girih_engine::fitted_functions(ranges);
    Report {
        model: args.model.display().to_string(),
        digest: digest.short(),
        samples: ranges.samples,
        margin: ranges.margin,
        target_met: choice.met,
        runs: choice.runs,
        seconds,
        depth: fits.iter().map(|f| f.depth).sum(),
        fits,
        together: ranges.together.map(EffectReport::from),
        held_out: held.map(|(from, samples, outside, effect)| HeldOutReport {
            from,
            samples,
            out_of_range: outside
                .into_iter()
                .map(|o| OutOfRangeReport {
                    node: o.node,
                    values: o.values,
                    outside: o.outside,
                    samples_outside: o.samples,
                    reached: o.reached,
                })
                .collect(),
            effect: effect.into(),
        }),
    }
}

fn print(report: &Report) {
    say!(
        "{} samples, ranges widened by {}; {} runs of the plain model in {}",
        report.samples,
        report.margin,
        report.runs,
        human_seconds(report.seconds)
    );
    print_fits(&report.fits, report.together.as_ref());
    if !report.target_met {
        say!("the deepest plans miss the target; they are kept\n");
    }
    let Some(held) = &report.held_out else {
        say!("too few samples to hold some out: nothing is known of values out of range");
        return;
    };
    let rows = held.out_of_range.iter().map(|o| {
        [
            o.node.clone(),
            format!("[{:.3}, {:.3}]", o.reached.0, o.reached.1),
            o.values.to_string(),
            o.outside.to_string(),
            format!("{:.2e}", o.outside as f64 / o.values.max(1) as f64),
            o.samples_outside.to_string(),
        ]
    });
    say!("held out: {} ({} samples)", held.from, held.samples);
    say!(
        "{}",
        table(
            [
                "node",
                "reached",
                "values",
                "out of range",
                "rate",
                "samples out of range"
            ],
            rows,
            2
        )
    );
    say!("{}", words(&held.effect));
}
