//! `girih explain`: everything that is known before any key exists.

use std::path::PathBuf;

use girih_engine::Explanation;
use girih_engine::files::{self, Access};

use ndarray::ArrayD;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::{CompileOptions, Model, OutputOptions, ThreadOptions, load};
use crate::console::{human_bytes, human_seconds, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model.
    #[arg(value_name = "M.onnx")]
    model: PathBuf,
    /// Writes the same as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Prints the program as well.
    #[arg(long)]
    program: bool,
    #[command(flatten)]
    options: CompileOptions,
    #[command(flatten)]
    threads: ThreadOptions,
    #[command(flatten)]
    files: OutputOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    if let Some(path) = &args.json {
        files::check_free(path, overwrite)?;
    }
    let graph = load(&args.model)?;
    let samples = made_up(graph.input_shape());
    let what = "made-up inputs in [0, 1]: the plan of a real run may differ";
    let model = args.options.compile(graph, Some((&samples, what)))?;
    args.threads.install(|threads| {
        let explanation = Explanation::of(&model.compiled, &model.params, threads)?;
        print(&model, &explanation);
        if args.program {
            println!("\n{}", model.compiled.program);
        }
        if let Some(path) = &args.json {
            files::write(
                path,
                &serde_json::to_vec_pretty(&explanation)?,
                overwrite,
                Access::Default,
            )?;
        }
        Ok(())
    })
}

/// Samples for a plan when there are no real ones.
const SAMPLES: usize = 16;

/// Inputs in `[0, 1]`, the same in every run.
fn made_up(shape: &[usize]) -> ArrayD<f64> {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let shape: Vec<usize> = std::iter::once(SAMPLES)
        .chain(shape.iter().copied())
        .collect();
    ArrayD::from_shape_simple_fn(shape, || f64::from(rng.next_u32()) / f64::from(u32::MAX))
}

fn print(model: &Model, e: &Explanation) {
    println!("{}\n", model.graph);
    let rows = e.layers.iter().map(|l| {
        [
            l.name.clone(),
            l.operation.clone(),
            l.placement.clone(),
            format!("{:?}", l.shape),
            format!("L{}", l.level),
            l.ciphertexts.to_string(),
            format!("{:.0} %", l.share * 100.0),
        ]
    });
    println!(
        "plan: {} sample(s) at a time, {} instructions",
        e.batch, e.instructions
    );
    println!(
        "{}\n",
        table(
            [
                "layer",
                "operation",
                "packing",
                "shape",
                "level",
                "ct",
                "time"
            ],
            rows,
            3
        )
    );
    if !e.fits.is_empty() {
        let rows = e.fits.iter().map(|f| {
            [
                f.node.clone(),
                f.function.clone(),
                f.degree.to_string(),
                format!("[{:.3}, {:.3}]", f.range.0, f.range.1),
                format!("[{:.3}, {:.3}]", f.measured.0, f.measured.1),
                format!("{:.1e}", f.max_error),
            ]
        });
        println!("functions replaced by polynomials");
        println!(
            "{}\n",
            table(
                [
                    "node",
                    "function",
                    "degree",
                    "fitted on",
                    "measured",
                    "error"
                ],
                rows,
                2
            )
        );
    }
    println!("{}\n", model.params);
    let rows = e
        .keys
        .iter()
        .map(|k| [k.key.clone(), format!("L{}", k.level), human_bytes(k.bytes)]);
    println!(
        "{} evaluation keys, {}",
        e.keys.len(),
        human_bytes(e.key_bytes)
    );
    println!("{}\n", table(["key", "level", "bytes"], rows, 1));
    println!(
        "predicted: {} on {} thread(s), {} of memory ({} of encoded weights), {} a batch of encrypted input, error at most {:.1e}",
        human_seconds(e.predicted_seconds),
        e.threads,
        human_bytes(e.predicted_peak_bytes),
        human_bytes(e.constant_bytes),
        human_bytes(e.ciphertext_bytes),
        e.predicted_error
    );
}
