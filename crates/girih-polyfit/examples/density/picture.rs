//! The errors of fits of one degree over the range, above the density of the inputs.

use std::fmt::Write as _;

use crate::experiment::{Case, Method};
use girih_polyfit::Result;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 60.0;
/// The error and the density run over these decades, to these exponents of ten.
const ERRORS: (f64, f64) = (-5.0, 3.0);
const DENSITIES: (f64, f64) = (-8.0, 0.0);
const POINTS: usize = 800;
/// Each method's colour, readable on white and on black, and distinct in grey.
const CURVES: [(Method, &str); 4] = [
    (Method::Minimax, "#d95f02"),
    (Method::Uniform, "#7570b3"),
    (Method::Density, "#1b9e77"),
    (Method::DensityBands, "#e7298a"),
];

/// An SVG of `|f - p|` for three fits, logarithmic, with the held-out density as bars, logarithmic too.
pub(crate) fn picture(case: &Case, degree: usize) -> Result<String> {
    let (lo, hi) = (case.range.lo(), case.range.hi());
    let across = |x: f64| LEFT + (WIDTH - LEFT - RIGHT) * (x - lo) / (hi - lo);
    let up = |value: f64, (least, most): (f64, f64)| {
        let share = (value.max(1e-300).log10().clamp(least, most) - least) / (most - least);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    };
    let floor = HEIGHT - BOTTOM;
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n<path fill=\"#cccccc\" d=\""
    );
    for (a, b, mass) in case.held_out.bins().filter(|bin| bin.2 > 0.0) {
        let (a_x, b_x, y) = (across(a), across(b), up(mass / (b - a), DENSITIES));
        let _ = write!(svg, "M{a_x:.1} {floor:.1}V{y:.1}H{b_x:.1}V{floor:.1}Z");
    }
    svg.push_str("\"/>\n");
    for exponent in (ERRORS.0 as i32..=ERRORS.1 as i32).step_by(2) {
        let y = up(10f64.powi(exponent), ERRORS);
        let _ = writeln!(
            svg,
            "<path stroke=\"#888888\" stroke-width=\"0.5\" d=\"M{LEFT} {y:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">1e{exponent}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0
        );
    }
    let ticks = (lo / 5.0).ceil() as i32..=(hi / 5.0).floor() as i32;
    for tick in ticks {
        let x = across(f64::from(5 * tick));
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            floor + 18.0,
            5 * tick
        );
    }
    for (index, (method, color)) in CURVES.into_iter().enumerate() {
        let fitted = case.fit(method, degree)?;
        let _ = write!(
            svg,
            "<path fill=\"none\" stroke=\"{color}\" stroke-width=\"1.6\" d=\""
        );
        for k in 0..=POINTS {
            let x = lo + (hi - lo) * k as f64 / POINTS as f64;
            let y = up((fitted.eval(x) - case.eval(x)).abs(), ERRORS);
            let _ = write!(
                svg,
                "{}{:.1} {y:.1}",
                if k == 0 { 'M' } else { 'L' },
                across(x)
            );
        }
        let x = LEFT + 160.0 * index as f64;
        let _ = writeln!(
            svg,
            "\"/>\n<text x=\"{x:.1}\" y=\"24\" fill=\"{color}\">{method:?} {:.1e}</text>",
            case.error(&fitted)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} {} {}, degree {degree}: |error|; grey: density, 1e{} to 1</text>\n</svg>",
        WIDTH - RIGHT,
        HEIGHT - 12.0,
        case.network,
        case.layer,
        case.function,
        DENSITIES.0
    );
    Ok(svg)
}
