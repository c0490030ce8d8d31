//! `girih fit`: a polynomial or the cheapest plan for a function, its errors and costs, figures of both.

use crate::console::say;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use girih_engine::files::{self, Access};
use girih_polyfit::chooser::{
    Candidate, Ends, Method, Request, Target, cheapest, front, with_degree,
};
use girih_polyfit::{Density, Function, Interval};

use super::{InputOptions, OutputOptions};
use crate::npy;
use crate::plot::{self, Figure, Point};

mod report;

use report::Report;

/// Fits a polynomial to a function on a range, or finds the cheapest plan for a target error.
///
/// With --degree one polynomial is fitted: of least largest error, or with the least squared error if --density
/// is given. With --target or --mean-target all methods compete (or those of --method, --composite, --piecewise) and the cheapest plan
/// that meets the error is taken. With none of them the degree follows from function and range. --pareto lists
/// the plans that no other beats in depth, cost and error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  girih fit gelu --range -8,8 --degree 27
  girih fit relu --range -1,1 --target 1e-3 --max-depth 12 --svg relu.svg
  girih fit sign --range -1,1 --gap 0.01 --composite --target 1e-4
  girih fit sigmoid --density samples.npy --degree 9 --json
  girih fit silu --range -6,6 --pareto --svg silu.svg")]
pub(crate) struct Args {
    /// The function: relu, gelu, sigmoid, tanh, silu, softplus, exp, log, sqrt, .. (leaky_relu:SLOPE).
    #[arg(value_name = "FUNCTION")]
    function: String,
    /// Where the inputs lie, for example -8,8; the range of the samples without it.
    #[arg(long, value_name = "LO,HI", allow_hyphen_values = true)]
    range: Option<String>,
    /// Degree of one polynomial.
    #[arg(long, value_name = "D", conflicts_with_all = ["target", "mean_target", "max_depth"])]
    degree: Option<usize>,
    /// Largest error allowed on the range.
    #[arg(long, value_name = "ERROR", conflicts_with = "mean_target")]
    target: Option<f64>,
    /// Root of the mean squared error allowed, by the density of the samples.
    #[arg(long, value_name = "ERROR")]
    mean_target: Option<f64>,
    /// Most levels of a plan; 14 without it.
    #[arg(long, value_name = "LEVELS")]
    max_depth: Option<usize>,
    /// Largest degree of one polynomial that is tried for --target, --mean-target and --pareto; 127 without it.
    #[arg(long, value_name = "D")]
    max_degree: Option<usize>,
    /// Samples of the inputs, f32 or f64, of any shape: least squares weigh errors by their density.
    #[arg(long, value_name = "SAMPLES.npy")]
    density: Option<PathBuf>,
    #[arg(long, value_name = "METHOD", help = method_help())]
    method: Option<String>,
    /// Composite signs only: relu, leaky_relu, abs and sign (the same as --method composite).
    #[arg(long, conflicts_with_all = ["method", "degree", "piecewise"])]
    composite: bool,
    /// Low degrees between break points only (the same as --method piecewise).
    #[arg(long, conflicts_with_all = ["method", "degree"])]
    piecewise: bool,
    /// Largest error that least squares may leave on the range, where samples are rare; about 5 % of the largest value
    /// without it.
    #[arg(long, value_name = "ERROR", requires = "density")]
    tail: Option<f64>,
    /// Errors at inputs closer to zero than this do not count: for the sign, which jumps there.
    #[arg(long, value_name = "GAP")]
    gap: Option<f64>,
    /// Lists the plans that no other beats in depth, cost and error; with --svg, plots error against depth.
    #[arg(long)]
    pareto: bool,
    /// Lets the layer after take the scale of the output as well as the layer before that of the input: degrees 2^k
    /// save a level.
    #[arg(long, conflicts_with = "alone")]
    fold: bool,
    /// Counts the scaling of the input to [-1, 1] as a level of the plan; without it the layer before takes it.
    #[arg(long)]
    alone: bool,
    /// Writes a figure with function, replacement, error and density.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Writes the same as JSON; to the standard output, instead of text, if no file is named.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    #[command(flatten)]
    values: InputOptions,
    #[command(flatten)]
    files: OutputOptions,
}

fn method_help() -> String {
    let names = Method::ALL.map(Method::name).join(", ");
    format!("The method: {names}")
}

/// Names the standard output where a file could stand.
const STANDARD_OUTPUT: &str = "-";

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let overwrite = args.files.overwrite();
    let json_file = args
        .json
        .as_ref()
        .filter(|p| p.as_os_str() != STANDARD_OUTPUT);
    for path in json_file.into_iter().chain(&args.svg) {
        files::check_free(path, overwrite)?;
    }
    let request = request(args)?;
    let candidate = candidate(args, &request)?;
    let plans = args.pareto.then(|| front(&request)).transpose()?;
    let report = Report::new(&request, candidate.as_ref(), args.degree, plans.as_deref());

    if let Some(path) = &args.svg {
        let text = figure(args, &request, candidate.as_ref(), plans.as_deref())?;
        files::write(path, text.as_bytes(), overwrite, Access::Default)?;
    }
    if args.json.is_some() {
        let text = serde_json::to_string_pretty(&report)?;
        match json_file {
            Some(path) => files::write(path, text.as_bytes(), overwrite, Access::Default)?,
            None => {
                say!("{text}");
                return Ok(());
            }
        }
    }
    say!("{}", report.to_string().trim_end());
    Ok(())
}

/// Samples outside the range are counted, not fitted.
fn request(args: &Args) -> anyhow::Result<Request> {
    let function: Function = args.function.parse()?;
    let samples = match &args.density {
        Some(path) => Some(
            npy::read(path, args.values.divide)?
                .iter()
                .copied()
                .collect::<Vec<f64>>(),
        ),
        None => None,
    };
    let density = samples
        .as_deref()
        .map(|samples| Density::from_samples(samples).context("--density"))
        .transpose()?;
    let interval = match (&args.range, &density) {
        (Some(text), _) => range(text).with_context(|| format!("--range {text}"))?,
        (None, Some(density)) => density.support(),
        (None, None) => bail!(
            "{function} on which range? Give --range LO,HI, or samples of the inputs by --density"
        ),
    };
    if let Some(samples) = &samples {
        let outside = samples.iter().filter(|&&x| !interval.contains(x)).count();
        if outside > 0 {
            eprintln!(
                "note: {outside} of {} samples lie outside {interval}; they do not count",
                samples.len()
            );
        }
    }
    let target = match (args.target, args.mean_target) {
        (_, Some(error)) => Target::MeanError(error),
        (Some(error), _) => Target::MaxError(error),
        // The measure of the front; no target is looked for.
        (None, None) if density.is_some() => Target::MeanError(f64::MAX),
        (None, None) => Target::MaxError(f64::MAX),
    };
    let mut request = Request::new(function, interval, target);
    request.density = density;
    if let Some(depth) = args.max_depth {
        ensure!(depth >= 1, "--max-depth must be at least 1");
        request.max_depth = depth;
    }
    if let Some(degree) = args.max_degree {
        request.max_degree = degree;
    }
    if let Some(tail) = args.tail {
        ensure!(tail > 0.0, "--tail {tail}: choose a positive error");
        request.tail = Some(tail);
    }
    request.ends = match (args.alone, args.fold) {
        (true, _) => Ends::Own,
        (_, true) => Ends::Folded,
        _ => Ends::Input,
    };
    if let Some(gap) = args.gap {
        ensure!(
            gap > 0.0 && gap < interval.hi().min(-interval.lo()),
            "--gap {gap}: choose it above 0 and inside {interval} on both sides of 0"
        );
        request.gap = gap;
    }
    if let Some(name) = &args.method {
        request.methods = vec![name.parse()?];
    } else if args.composite {
        request.methods = vec![Method::Composite];
    } else if args.piecewise {
        request.methods = vec![Method::Piecewise];
    }
    Ok(request)
}

/// Two numbers with a comma between them.
fn range(text: &str) -> anyhow::Result<Interval> {
    let ends: Vec<f64> = text
        .split(',')
        .map(|end| end.trim().parse::<f64>())
        .collect::<Result<_, _>>()
        .ok()
        .filter(|ends: &Vec<f64>| ends.len() == 2)
        .with_context(|| format!("{text:?} is not a range; write two numbers, for example -8,8"))?;
    Ok(Interval::try_new(ends[0], ends[1])?)
}

/// The plan that is asked for; none if only the front is.
fn candidate(args: &Args, request: &Request) -> anyhow::Result<Option<Candidate>> {
    if args.target.is_some() || args.mean_target.is_some() {
        return Ok(Some(cheapest(request)?));
    }
    let several = request.methods.len() == 1 && !request.methods[0].is_single();
    let degree = match args.degree {
        Some(degree) => degree,
        None if args.pareto => return Ok(None),
        // The most accurate plan that the depth allows.
        None if several => {
            let plans = front(request)?;
            let error = |c: &Candidate| c.error(request.target);
            let best = plans
                .into_iter()
                .min_by(|a, b| error(a).total_cmp(&error(b)));
            return Ok(best);
        }
        None => request.function.default_degree(request.interval)?,
    };
    let method = match &args.method {
        Some(_) => request.methods[0],
        None if request.density.is_some() => Method::LeastSquares,
        None => Method::Minimax,
    };
    Ok(Some(with_degree(request, method, degree)?))
}

fn figure(
    args: &Args,
    request: &Request,
    candidate: Option<&Candidate>,
    plans: Option<&[Candidate]>,
) -> anyhow::Result<String> {
    let (function, interval) = (request.function, request.interval);
    let f = |x: f64| function.eval(x);
    let name = function.to_string();
    let eval = candidate.map(|c| move |x: f64| c.plan.eval(x));
    let fit = candidate.zip(eval.as_ref()).map(|(c, eval)| {
        let eval: &dyn Fn(f64) -> f64 = eval;
        let name = format!(
            "{}, depth {}, {} products",
            c.name, c.depth, c.counts.products
        );
        plot::Fitted {
            eval,
            name,
            error_bound: c.error_bound,
        }
    });
    let density = request.density.as_ref().map(|d| {
        d.bins()
            .map(|(lo, hi, mass)| (lo, hi, mass / (hi - lo)))
            .collect()
    });
    let (measure, target) = match request.target {
        Target::MaxError(e) => ("largest error", e),
        Target::MeanError(e) => ("root mean square error", e),
    };
    let front = plans.map(|plans| {
        let points = plans.iter().map(|c| Point {
            method: c.method.to_string(),
            depth: c.depth,
            products: c.counts.products,
            error: c.error(request.target),
        });
        let asked = args.target.or(args.mean_target).map(|_| target);
        plot::Front {
            points: points.collect(),
            measure,
            target: asked,
        }
    });
    plot::svg(&Figure {
        title: format!("{name} on {interval}"),
        function: &name,
        range: (interval.lo(), interval.hi()),
        f: &f,
        fit,
        density,
        front,
    })
}
