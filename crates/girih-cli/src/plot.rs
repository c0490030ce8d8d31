//! Figures as SVG: a function with its replacement, the error, the density of the inputs, and Pareto fronts.

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;

/// Width of a figure in pixels, and height of its panels.
const WIDTH: u32 = 900;
const PANEL: u32 = 330;
const TITLE: u32 = 44;
/// Points of a curve.
const POINTS: usize = 1200;
/// How far beyond the values of the function its replacement is drawn, in proportion to their span.
const ROOM: f64 = 0.3;
/// The smallest error drawn: below it, curves are rounding noise.
const SMALLEST: f64 = 1e-17;
/// Colours that stay apart for most kinds of colour vision (Okabe and Ito 2008).
const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const PURPLE: RGBColor = RGBColor(170, 68, 153);
const YELLOW: RGBColor = RGBColor(200, 140, 0);
const SKY: RGBColor = RGBColor(86, 180, 233);
const GREY: RGBColor = RGBColor(110, 110, 110);
const PALETTE: [RGBColor; 6] = [BLUE, VERMILION, GREEN, PURPLE, YELLOW, SKY];

/// A plan on the front.
pub(crate) struct Point {
    pub(crate) method: String,
    pub(crate) depth: usize,
    pub(crate) products: usize,
    pub(crate) error: f64,
}

/// What a figure shows.
pub(crate) struct Figure<'a> {
    pub(crate) title: String,
    pub(crate) function: &'a str,
    pub(crate) range: (f64, f64),
    pub(crate) f: &'a dyn Fn(f64) -> f64,
    pub(crate) fit: Option<Fitted<'a>>,
    /// Edges and density of the bins.
    pub(crate) density: Option<Vec<(f64, f64, f64)>>,
    pub(crate) front: Option<Front<'a>>,
}

/// A replacement.
pub(crate) struct Fitted<'a> {
    pub(crate) eval: &'a dyn Fn(f64) -> f64,
    pub(crate) name: String,
    pub(crate) error_bound: f64,
}

/// Plans that no other beats, what their error is, and the error wanted.
pub(crate) struct Front<'a> {
    pub(crate) points: Vec<Point>,
    pub(crate) measure: &'a str,
    pub(crate) target: Option<f64>,
}

/// The mesh of a chart with the fonts and lines that all panels share.
macro_rules! mesh {
    ($chart:expr, $x:expr, $y:expr) => {
        $chart
            .configure_mesh()
            .x_desc($x)
            .y_desc($y)
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 16))
            .light_line_style(WHITE.mix(0.0))
            .bold_line_style(GREY.mix(0.2))
    };
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Errors of the drawing library, in words.
fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw the figure: {error}")
}

/// The figure as the text of an SVG file.
pub(crate) fn svg(figure: &Figure<'_>) -> anyhow::Result<String> {
    let panels = 2 * u32::from(figure.fit.is_some())
        + u32::from(figure.fit.is_some() && figure.density.is_some())
        + u32::from(figure.front.is_some());
    let mut text = String::new();
    {
        let size = (WIDTH, TITLE + PANEL * panels.max(1));
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let body = root
            .titled(&figure.title, ("sans-serif", 22))
            .map_err(failed)?;
        let mut areas = body.split_evenly((panels.max(1) as usize, 1)).into_iter();
        if let Some(fitted) = &figure.fit {
            if let Some(area) = areas.next() {
                values(&area, figure, fitted)?;
            }
            if let Some(area) = areas.next() {
                errors(&area, figure, fitted)?;
            }
            if let Some(bins) = &figure.density
                && let Some(area) = areas.next()
            {
                density(&area, figure.range, bins)?;
            }
        }
        if let Some((plans, area)) = figure.front.as_ref().zip(areas.next()) {
            front(&area, plans)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(text)
}

fn abscissae((lo, hi): (f64, f64)) -> impl Iterator<Item = f64> + Clone {
    (0..=POINTS).map(move |k| lo + (hi - lo) * k as f64 / POINTS as f64)
}

/// Function and replacement.
fn values(area: &Area<'_>, figure: &Figure<'_>, fitted: &Fitted<'_>) -> anyhow::Result<()> {
    let exact: Vec<(f64, f64)> = abscissae(figure.range)
        .map(|x| (x, (figure.f)(x)))
        .collect();
    let replaced: Vec<(f64, f64)> = abscissae(figure.range)
        .map(|x| (x, (fitted.eval)(x)))
        .collect();
    // A replacement that runs away is cut off.
    let (lo, hi) = extent(exact.iter().map(|p| p.1));
    let room = ROOM * (hi - lo);
    let inside = replaced.iter().map(|p| p.1.clamp(lo - room, hi + room));
    let (lo, hi) = extent(exact.iter().map(|p| p.1).chain(inside));
    let margin = 0.06 * (hi - lo);
    let (bottom, top) = (lo - margin, hi + margin);
    let replaced = replaced.into_iter().map(|(x, y)| (x, y.clamp(bottom, top)));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(figure.range.0..figure.range.1, bottom..top)
        .map_err(failed)?;
    mesh!(chart, "x", "value").draw().map_err(failed)?;
    chart
        .draw_series(LineSeries::new(exact, GREY.stroke_width(5)))
        .map_err(failed)?
        .label(figure.function)
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], GREY.stroke_width(5)));
    chart
        .draw_series(LineSeries::new(replaced, BLUE.stroke_width(2)))
        .map_err(failed)?
        .label(&fitted.name)
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], BLUE.stroke_width(2)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY.mix(0.5))
        .label_font(("sans-serif", 15))
        .draw()
        .map_err(failed)
}

/// The size of the error on a logarithmic scale, with its bound.
fn errors(area: &Area<'_>, figure: &Figure<'_>, fitted: &Fitted<'_>) -> anyhow::Result<()> {
    let bound = fitted.error_bound;
    let found: Vec<(f64, f64)> = abscissae(figure.range)
        .map(|x| (x, ((figure.f)(x) - (fitted.eval)(x)).abs().max(SMALLEST)))
        .collect();
    let top = 3.0 * found.iter().fold(bound.max(SMALLEST), |m, p| m.max(p.1));
    let bottom = (top * 1e-5).max(SMALLEST / 10.0);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(figure.range.0..figure.range.1, (bottom..top).log_scale())
        .map_err(failed)?;
    mesh!(chart, "x", "|error|")
        .y_label_formatter(&|y| format!("{y:.0e}"))
        .draw()
        .map_err(failed)?;
    let clipped = found.into_iter().map(|(x, e)| (x, e.max(bottom)));
    chart
        .draw_series(LineSeries::new(clipped, VERMILION.stroke_width(2)))
        .map_err(failed)?
        .label("|function - replacement|")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], VERMILION.stroke_width(2)));
    let line = [(figure.range.0, bound), (figure.range.1, bound)];
    chart
        .draw_series(DashedLineSeries::new(line, 8, 6, BLACK.stroke_width(1)))
        .map_err(failed)?
        .label(format!("bound {bound:.2e}"))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], BLACK.stroke_width(1)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY.mix(0.5))
        .label_font(("sans-serif", 15))
        .draw()
        .map_err(failed)
}

/// The density of the inputs, as steps.
fn density(area: &Area<'_>, range: (f64, f64), bins: &[(f64, f64, f64)]) -> anyhow::Result<()> {
    let top = bins.iter().fold(f64::MIN_POSITIVE, |m, b| m.max(b.2));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(range.0..range.1, 0.0..1.08 * top)
        .map_err(failed)?;
    mesh!(chart, "x", "density of inputs")
        .draw()
        .map_err(failed)?;
    let inside = bins.iter().filter(|b| b.0 < range.1 && b.1 > range.0);
    chart
        .draw_series(inside.map(|&(lo, hi, height)| {
            let corners = [(lo.max(range.0), 0.0), (hi.min(range.1), height)];
            Rectangle::new(corners, GREEN.mix(0.6).filled())
        }))
        .map_err(failed)?;
    Ok(())
}

/// Error against depth, products as labels, one colour a method.
fn front(area: &Area<'_>, plans: &Front<'_>) -> anyhow::Result<()> {
    let Front {
        points,
        measure,
        target,
    } = plans;
    let target = *target;
    let visible = |p: &&Point| p.error > 0.0 && p.error.is_finite();
    let deepest = points.iter().map(|p| p.depth).max().unwrap_or(1);
    let (lo, hi) = extent(points.iter().filter(visible).map(|p| p.error).chain(target));
    let (bottom, top) = ((lo / 4.0).max(SMALLEST), (hi * 6.0).max(SMALLEST * 10.0));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(0.4..deepest as f64 + 0.9, (bottom..top).log_scale())
        .map_err(failed)?;
    mesh!(chart, "depth (levels); the labels count products", *measure)
        .x_labels(deepest + 1)
        .x_label_formatter(&|x| {
            if x.fract() == 0.0 {
                format!("{x:.0}")
            } else {
                String::new()
            }
        })
        .y_label_formatter(&|y| format!("{y:.0e}"))
        .draw()
        .map_err(failed)?;
    if let Some(target) = target {
        let line = [(0.4, target), (deepest as f64 + 0.9, target)];
        chart
            .draw_series(DashedLineSeries::new(line, 8, 6, BLACK.stroke_width(1)))
            .map_err(failed)?
            .label(format!("target {target:.1e}"))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], BLACK.stroke_width(1)));
    }
    // The smallest error within each depth.
    let mut stairs: Vec<(f64, f64)> = Vec::new();
    for depth in 1..=deepest {
        let best = points.iter().filter(visible).filter(|p| p.depth <= depth);
        if let Some(best) = best.map(|p| p.error).min_by(f64::total_cmp) {
            stairs.extend([(depth as f64, best), (depth as f64 + 1.0, best)]);
        }
    }
    let stairs = stairs.into_iter().filter(|p| p.0 <= deepest as f64 + 0.9);
    chart
        .draw_series(LineSeries::new(stairs, GREY.mix(0.6).stroke_width(1)))
        .map_err(failed)?;
    let mut methods: Vec<&str> = points.iter().map(|p| p.method.as_str()).collect();
    methods.sort_unstable();
    methods.dedup();
    for (k, method) in methods.into_iter().enumerate() {
        let colour = PALETTE[k % PALETTE.len()];
        let own = points.iter().filter(visible).filter(|p| p.method == method);
        chart
            .draw_series(own.map(|p| Circle::new((p.depth as f64, p.error), 5, colour.filled())))
            .map_err(failed)?
            .label(method)
            .legend(move |(x, y)| Circle::new((x + 11, y), 5, colour.filled()));
    }
    // Labels that would touch the one below are left out.
    let height = (top / bottom).ln() / f64::from(PANEL - 80) * 13.0;
    for depth in 1..=deepest {
        let mut last = f64::NEG_INFINITY;
        let mut here: Vec<&Point> = points
            .iter()
            .filter(visible)
            .filter(|p| p.depth == depth)
            .collect();
        here.sort_by(|a, b| a.error.total_cmp(&b.error));
        for p in here {
            if p.error.ln() - last >= height {
                last = p.error.ln();
                let style = ("sans-serif", 14).into_font().color(&BLACK);
                let label = EmptyElement::at((p.depth as f64, p.error))
                    + Text::new(p.products.to_string(), (9, -7), style);
                chart.draw_series([label]).map_err(failed)?;
            }
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY.mix(0.5))
        .label_font(("sans-serif", 15))
        .draw()
        .map_err(failed)
}

/// Smallest and largest of finite numbers, apart.
fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (lo, hi) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(v), hi.max(v))
        });
    match (lo.is_finite(), lo < hi) {
        (true, true) => (lo, hi),
        (true, false) => (
            lo - lo.abs() / 2.0 - f64::MIN_POSITIVE.sqrt(),
            lo + lo.abs() / 2.0 + f64::MIN_POSITIVE.sqrt(),
        ),
        _ => (0.0, 1.0),
    }
}
