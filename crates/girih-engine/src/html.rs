//! The demo's report: one HTML file with drawings inside, nothing loaded from elsewhere.

use std::fmt::Write as _;

use plotters::prelude::*;

use crate::local::arg_max;
use crate::report::RunReport;
use crate::{Error, Result};

/// An image with its answer.
#[derive(Clone, Debug)]
pub struct Digit {
    /// Brightness row by row, 0 to 1.
    pub pixels: Vec<f64>,
    /// Pixels of a row.
    pub width: usize,
    /// What the image shows.
    pub label: usize,
    /// Decrypted scores.
    pub scores: Vec<f64>,
    /// The plain model's scores.
    pub plain: Vec<f64>,
}

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Page<'p> {
    /// Title.
    pub title: &'p str,
    /// One image at a time.
    pub single: &'p RunReport,
    /// Many images, batched.
    pub batched: &'p RunReport,
    /// Some images with their answers.
    pub digits: &'p [Digit],
    /// Absolute differences from the plain model over the batched run.
    pub errors: &'p [f64],
    /// Parameters in words.
    pub params: &'p str,
}

const COLOURS: [RGBColor; 8] = [
    RGBColor(38, 84, 124),
    RGBColor(239, 131, 84),
    RGBColor(6, 150, 104),
    RGBColor(214, 73, 110),
    RGBColor(142, 108, 190),
    RGBColor(230, 180, 34),
    RGBColor(90, 160, 200),
    RGBColor(120, 120, 120),
];

/// The page as HTML.
///
/// # Errors
/// A drawing that fails.
pub fn render(page: &Page<'_>) -> Result<String> {
    let mut out = String::new();
    let title = escape(page.title);
    let written = (|| -> std::fmt::Result {
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>\n\
             body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#222}}\n\
             table{{border-collapse:collapse}}td,th{{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}}\n\
             td:first-child,th:first-child{{text-align:left}}pre{{background:#f4f4f4;padding:1rem;overflow:auto}}\n\
             .digits{{display:flex;flex-wrap:wrap;gap:1rem}}.digit{{border:1px solid #ddd;border-radius:6px;padding:.5rem}}\n\
             .ok{{color:#069668}}.bad{{color:#d6496e}}svg{{max-width:100%;height:auto}}\n</style></head><body>\n<h1>{title}</h1>\n"
        )?;
        summary(&mut out, page)
    })();
    written.map_err(failed)?;
    section(
        &mut out,
        "Digits and their decrypted answers",
        &digits(page.digits),
    );
    section(
        &mut out,
        "Latency by layer and primitive, one image",
        &layers_chart(page.single)?,
    );
    section(
        &mut out,
        "Difference from the plain model",
        &errors_chart(page.errors)?,
    );
    section(&mut out, "Memory", &memory_chart(page)?);
    section(
        &mut out,
        "Parameters",
        &format!("<pre>{}</pre>", escape(page.params)),
    );
    out.push_str("</body></html>\n");
    Ok(out)
}

fn section(out: &mut String, title: &str, body: &str) {
    out.push_str(&format!("<h2>{}</h2>\n{body}\n", escape(title)));
}

fn summary(out: &mut String, page: &Page<'_>) -> std::fmt::Result {
    writeln!(
        out,
        "<table><tr><th></th><th>one image</th><th>batched</th></tr>"
    )?;
    let mut row = |name: &str, f: &dyn Fn(&RunReport) -> String| {
        writeln!(
            out,
            "<tr><td>{name}</td><td>{}</td><td>{}</td></tr>",
            f(page.single),
            f(page.batched)
        )
    };
    row("images", &|r| r.samples.to_string())?;
    row("images at a time", &|r| r.batch.to_string())?;
    row("threads", &|r| r.threads.to_string())?;
    row("evaluation, an image", &|r| {
        format!(
            "{:.1} ms",
            1e3 * r.evaluate_seconds / r.samples.max(1) as f64
        )
    })?;
    row("making keys", &|r| format!("{:.2} s", r.keygen_seconds))?;
    row("evaluation keys", &|r| {
        format!("{:.1} MB", r.key_bytes as f64 / 1e6)
    })?;
    row("encrypted input", &|r| {
        format!("{:.1} kB", r.ciphertext_bytes as f64 / 1e3)
    })?;
    row("largest difference", &|r| {
        r.max_error.map_or_else(String::new, |e| format!("{e:.1e}"))
    })?;
    row("same answer as the plain model", &|r| {
        r.agreement
            .map_or_else(String::new, |a| format!("{:.2} %", a * 100.0))
    })?;
    row("security", &|r| escape(&r.params.security))?;
    writeln!(out, "</table>")
}

fn digits(digits: &[Digit]) -> String {
    let mut out = String::from("<div class=\"digits\">");
    for digit in digits {
        let answer = arg_max(digit.scores.iter());
        let class = if answer == Some(digit.label) {
            "ok"
        } else {
            "bad"
        };
        let answer = answer.map_or_else(|| "?".to_string(), |a| a.to_string());
        let same = arg_max(digit.plain.iter()) == arg_max(digit.scores.iter());
        let agrees = if same {
            "plain model agrees"
        } else {
            "plain model differs"
        };
        let scores: Vec<String> = digit
            .scores
            .iter()
            .enumerate()
            .map(|(i, s)| format!("{i}: {s:.3}"))
            .collect();
        let scores = scores.join("<br>");
        out.push_str(&format!(
            "<div class=\"digit\">{}<br>answer <b class=\"{class}\">{answer}</b>, label {}<br><small>{agrees}</small><details><summary>scores</summary><small>{scores}</small></details></div>\n",
            image(digit),
            digit.label
        ));
    }
    out.push_str("</div>");
    out
}

/// One rectangle a bright pixel.
fn image(digit: &Digit) -> String {
    let width = digit.width.max(1);
    let height = digit.pixels.len() / width;
    let mut out = format!(
        "<svg width=\"84\" height=\"84\" viewBox=\"0 0 {width} {height}\" shape-rendering=\"crispEdges\" role=\"img\">\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#111\"/>"
    );
    for (i, &p) in digit.pixels.iter().enumerate().filter(|(_, p)| **p > 0.02) {
        let grey = (p.clamp(0.0, 1.0) * 255.0) as u8;
        let (x, y) = (i % width, i / width);
        out.push_str(&format!("<rect x=\"{x}\" y=\"{y}\" width=\"1\" height=\"1\" fill=\"#{grey:02x}{grey:02x}{grey:02x}\"/>"));
    }
    out.push_str("</svg>");
    out
}

fn layers_chart(report: &RunReport) -> Result<String> {
    let runs = report.samples.div_ceil(report.batch.max(1)).max(1) as f64;
    let layers: Vec<_> = report.layers.iter().filter(|l| l.seconds > 0.0).collect();
    let mut names: Vec<&str> = layers
        .iter()
        .flat_map(|l| l.primitives.keys().copied())
        .collect();
    names.sort_unstable();
    names.dedup();
    let most = layers
        .iter()
        .map(|l| 1e3 * l.seconds / runs)
        .fold(f64::MIN_POSITIVE, f64::max);
    let rows = layers.len() as i32;
    let mut svg = String::new();
    {
        let height = 110 + 44 * layers.len() as u32;
        let area = SVGBackend::with_string(&mut svg, (960, height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(190)
            .build_cartesian_2d(0.0..most * 1.35, (0..(rows - 1).max(0)).into_segmented())
            .map_err(failed)?;
        let label = |at: &SegmentValue<i32>| match at {
            SegmentValue::CenterOf(i) => layers
                .get((rows - 1 - i) as usize)
                .map_or_else(String::new, |l| l.name.clone()),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc("milliseconds on the threads that ran it")
            .y_label_formatter(&label)
            .draw()
            .map_err(failed)?;
        for (k, name) in names.iter().enumerate() {
            let colour = COLOURS[k % COLOURS.len()];
            let bars = layers.iter().enumerate().filter_map(|(i, layer)| {
                let before: f64 = names[..k]
                    .iter()
                    .filter_map(|n| layer.primitives.get(n))
                    .map(|s| s.seconds)
                    .sum();
                let own = layer.primitives.get(name)?.seconds;
                let row = rows - 1 - i as i32;
                let corners = [
                    (1e3 * before / runs, SegmentValue::Exact(row)),
                    (1e3 * (before + own) / runs, SegmentValue::Exact(row + 1)),
                ];
                let mut bar = Rectangle::new(corners, colour.filled());
                bar.set_margin(8, 8, 0, 0);
                Some(bar)
            });
            chart
                .draw_series(bars)
                .map_err(failed)?
                .label(*name)
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled())
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()
            .map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Bins of the histogram a decade.
const BINS_A_DECADE: f64 = 4.0;

fn errors_chart(errors: &[f64]) -> Result<String> {
    let logs: Vec<f64> = errors
        .iter()
        .filter(|e| **e > 0.0 && e.is_finite())
        .map(|e| e.log10())
        .collect();
    let lo = logs.iter().copied().fold(-3.0, f64::min).floor().max(-18.0);
    let hi = logs.iter().copied().fold(lo + 1.0, f64::max).ceil();
    let bins = ((hi - lo) * BINS_A_DECADE) as usize;
    let mut counts = vec![0u32; bins.max(1)];
    for log in &logs {
        let bin = ((log - lo) * BINS_A_DECADE).max(0.0) as usize;
        let last = counts.len() - 1;
        counts[bin.min(last)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (960, 320)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(lo..hi, 0.0..f64::from(most) * 1.1)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_desc("log10 of the absolute difference of a score")
            .y_desc("scores")
            .draw()
            .map_err(failed)?;
        let bars = counts.iter().enumerate().map(|(i, &count)| {
            let left = lo + i as f64 / BINS_A_DECADE;
            Rectangle::new(
                [(left, 0.0), (left + 0.95 / BINS_A_DECADE, f64::from(count))],
                COLOURS[0].filled(),
            )
        });
        chart.draw_series(bars).map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn memory_chart(page: &Page<'_>) -> Result<String> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let single = page.single;
    let bars = [
        ("evaluation keys (file)", mib(single.key_bytes)),
        ("encoded weights", mib(single.constant_bytes)),
        ("predicted peak", mib(single.predicted_peak_bytes)),
        (
            "measured peak, one image",
            mib(single.peak_bytes.unwrap_or(0)),
        ),
        (
            "measured peak, batched",
            mib(page.batched.peak_bytes.unwrap_or(0)),
        ),
    ];
    let most = bars.iter().map(|b| b.1).fold(1.0, f64::max);
    let rows = bars.len() as i32;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (960, 280)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(190)
            .build_cartesian_2d(0.0..most * 1.1, (0..rows - 1).into_segmented())
            .map_err(failed)?;
        let label = |at: &SegmentValue<i32>| match at {
            SegmentValue::CenterOf(i) => bars
                .get((rows - 1 - i) as usize)
                .map_or_else(String::new, |b| b.0.to_string()),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc("MiB")
            .y_label_formatter(&label)
            .draw()
            .map_err(failed)?;
        let drawn = bars.iter().enumerate().map(|(i, (_, value))| {
            let row = rows - 1 - i as i32;
            let corners = [
                (0.0, SegmentValue::Exact(row)),
                (*value, SegmentValue::Exact(row + 1)),
            ];
            let mut bar = Rectangle::new(corners, COLOURS[2].filled());
            bar.set_margin(8, 8, 0, 0);
            bar
        });
        chart.draw_series(drawn).map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Report {
        why: error.to_string(),
    }
}

/// Text in which nothing is markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_not_markup() {
        assert_eq!(
            escape("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
    }

    #[test]
    fn histograms_hold_every_positive_error() {
        for errors in [&[][..], &[0.0], &[1e-9, 1e-5, 2.0], &[f64::NAN, 1e-20]] {
            let svg = errors_chart(errors).expect("draws");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        }
    }
}
