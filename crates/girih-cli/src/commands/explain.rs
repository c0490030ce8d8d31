//! `girih explain`: everything that is known before any key exists.

use std::path::{Path, PathBuf};

use girih_compile::Measure;
use girih_engine::files::{self, Access, Overwrite};
use girih_engine::{EffectReport, Explanation, FittedFunction, PlannedLayer, Plans};

use ndarray::ArrayD;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::{CompileOptions, Model, OutputOptions, Request, ThreadOptions, load_with_digest};
use crate::console::{human_bytes, human_seconds, say, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model.
    #[arg(value_name = "M.onnx")]
    model: PathBuf,
    /// Writes the same as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a picture of every tensor in its tiles.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
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
    let source = load_with_digest(&args.model)?;
    let samples = made_up(source.0.input_shape());
    let what = "made-up inputs in [0, 1]: the plan of a real run may differ";
    let model = args
        .options
        .compile(source, Some((&samples, what)), Request::Any)?;
    args.threads.install(|threads| {
        let explanation = Explanation::of(
            &model.compiled,
            &model.params,
            &args.options.machine()?.machine(threads),
        )?;
        print(&model, &explanation);
        if let Some(folder) = &args.svg {
            draw(&model, folder, overwrite)?;
        }
        if args.program {
            say!("\n{}", model.compiled.program);
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

/// One picture for every layer, `00-input.svg`, `01-conv.svg`, ….
fn draw(model: &Model, folder: &Path, overwrite: Overwrite) -> anyhow::Result<()> {
    files::create_dir(folder)?;
    let layers = model.compiled.report.layers.iter();
    for (i, (layer, placement)) in layers.zip(&model.compiled.placements).enumerate() {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = layer.name.chars().map(letter).collect();
        let path = folder.join(format!("{i:02}-{name}.svg"));
        let picture = placement.shape().to_svg()?;
        files::write(&path, picture.as_bytes(), overwrite, Access::Default)?;
    }
    Ok(())
}

/// The chosen plan and the runners-up.
fn print_plans(plans: &Plans) {
    say!(
        "objective {}, batch {}: {}",
        plans.objective,
        plans.batch,
        plans.search
    );
    let rows = plans.plans.iter().map(|p| {
        let measure = |m: Measure| m.amount(p.measures.get(m.name()).copied().unwrap_or(0.0));
        [
            match &p.preset {
                Some(name) => name.clone(),
                None => format!("N = {}", p.n),
            },
            p.batch.to_string(),
            p.packing.first().cloned().unwrap_or_default(),
            measure(Measure::ServerSeconds),
            measure(Measure::SetupSeconds),
            measure(Measure::ClientSeconds),
            measure(Measure::ServerBytes),
            measure(Measure::KeyBytes),
            measure(Measure::InputBytes),
            measure(Measure::OutputBytes),
            p.verdict.clone(),
        ]
    });
    say!(
        "{}\n",
        table(
            [
                "ring", "batch", "input", "server", "setup", "client", "memory", "keys", "in",
                "out", "verdict",
            ],
            rows,
            3
        )
    );
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

/// The table of replaced functions and what they do to the plain model.
pub(crate) fn print_fits(fits: &[FittedFunction], together: Option<&EffectReport>) {
    if fits.is_empty() {
        return;
    }
    let rows = fits.iter().map(|f| {
        [
            f.node.clone(),
            f.function.clone(),
            f.method.clone(),
            format!("[{:.3}, {:.3}]", f.range.0, f.range.1),
            format!("[{:.3}, {:.3}]", f.measured.0, f.measured.1),
            f.depth.to_string(),
            f.products.to_string(),
            format!("{:.1e}", f.max_error),
            format!("{:.1e}", f.mean_error),
            f.alone
                .map_or_else(|| "-".into(), |a| format!("{:.1e}", a.max_difference)),
            f.alone
                .map_or_else(|| "-".into(), |a| format!("{:.2} %", 100.0 * a.changed)),
        ]
    });
    say!("functions replaced by polynomials");
    say!(
        "{}",
        table(
            [
                "node",
                "function",
                "plan",
                "fitted on",
                "measured",
                "depth",
                "products",
                "max error",
                "mean error",
                "output moves",
                "answers change",
            ],
            rows,
            3
        )
    );
    match together {
        Some(t) => say!("{}\n", words(t)),
        None => say!("their effect on the answers was not measured: see girih calibrate\n"),
    }
}

/// Where ciphertexts are bootstrapped, and why.
fn print_bootstraps(e: &Explanation) {
    let Some(preset) = &e.preset else {
        return;
    };
    let count: usize = e.bootstraps.iter().map(|b| b.ciphertexts).sum();
    say!(
        "bootstrapping {preset:?}: {count} ciphertext(s), about {} each",
        human_seconds(e.bootstrap_seconds)
    );
    let rows = e.bootstraps.iter().map(|b| {
        [
            b.after.clone(),
            b.ciphertexts.to_string(),
            format!("L{}", b.from),
            format!("L{}", b.to),
            format!("{:.2}", b.largest),
            format!(
                "{} levels to the next or to the output, {} left",
                b.to, b.from
            ),
        ]
    });
    say!(
        "{}\n",
        table(
            ["after", "ct", "before", "after it", "values up to", "why"],
            rows,
            1
        )
    );
}

/// An effect in one sentence.
pub(crate) fn words(t: &EffectReport) -> String {
    let accuracy = match (t.plain_accuracy, t.accuracy) {
        (Some(plain), Some(found)) => format!(
            "; right answers: {:.2} % of the plain model, {:.2} % with them",
            100.0 * plain,
            100.0 * found
        ),
        _ => String::new(),
    };
    format!(
        "all together, on {} samples of the plain model: outputs move by at most {:.1e} (rms {:.1e}), same answer for {:.2} %, \
         {:.3} % of the answers change by estimate{accuracy}",
        t.samples,
        t.max_difference,
        t.rms_difference,
        100.0 * t.agreement,
        100.0 * t.changed
    )
}

/// Predicted number of some primitives of a layer.
fn count(layer: &PlannedLayer, names: &[&str]) -> String {
    let counts = names.iter().filter_map(|name| layer.primitives.get(name));
    counts.sum::<u64>().to_string()
}

fn print(model: &Model, e: &Explanation) {
    say!("{}\n", model.graph);
    let rows = e.layers.iter().map(|l| {
        [
            l.name.clone(),
            l.operation.clone(),
            l.placement.clone(),
            format!("{:?}", l.shape),
            format!("L{}", l.level),
            l.ciphertexts.to_string(),
            count(l, &["mul", "mul_plain", "mul_plain_lazy", "mul_scalar"]),
            count(
                l,
                &["rotate", "hoisted_rotate", "lazy_rotate", "giant_rotate"],
            ),
            format!("{:.0} %", l.share * 100.0),
        ]
    });
    say!(
        "plan: {} sample(s) at a time, {} instructions",
        e.batch,
        e.instructions
    );
    say!(
        "{}\n",
        table(
            [
                "layer",
                "operation",
                "packing",
                "shape",
                "level",
                "ct",
                "products",
                "rotations",
                "time"
            ],
            rows,
            3
        )
    );
    print_plans(&e.plans);
    print_fits(&e.fits, e.together.as_ref());
    print_bootstraps(e);
    say!("{}\n", model.params);
    let rows = e
        .keys
        .iter()
        .map(|k| [k.key.clone(), format!("L{}", k.level), human_bytes(k.bytes)]);
    say!(
        "{} evaluation keys, {}",
        e.keys.len(),
        human_bytes(e.key_bytes)
    );
    say!("{}\n", table(["key", "level", "bytes"], rows, 1));
    say!(
        "predicted: {} on {} thread(s), {} of memory ({} of encoded weights), {} a batch of encrypted input, error at most {:.1e}",
        human_seconds(e.predicted_seconds),
        e.threads,
        human_bytes(e.predicted_peak_bytes),
        human_bytes(e.constant_bytes),
        human_bytes(e.ciphertext_bytes),
        e.predicted_error
    );
}
