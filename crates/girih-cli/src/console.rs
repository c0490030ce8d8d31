//! What people see: progress bars with an estimate, tables, sizes.

use std::fmt::Arguments;
use std::io::Write;
use std::sync::Mutex;

use comfy_table::{CellAlignment, Table, presets};
use girih_engine::Phase;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// `println!`, but a reader who has gone away (`| head`) is no reason to stop.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::console::line(format_args!($($words)*))
    };
}
pub(crate) use say;

/// A line on the standard output, if it can still be written.
pub(crate) fn line(words: Arguments<'_>) {
    // why: files are written and exit codes decided elsewhere; what is printed here is for a reader only
    let _ = writeln!(std::io::stdout(), "{words}");
}

/// Steps of a bar.
const STEPS: u64 = 1000;

/// One bar a phase on the standard error stream; nothing where that is no terminal.
#[derive(Default)]
pub(crate) struct Bars {
    current: Mutex<Option<(Phase, ProgressBar)>>,
}

impl Bars {
    /// Shows that a fraction of a phase is done.
    pub(crate) fn show(&self, phase: Phase, done: f64) {
        let Ok(mut current) = self.current.lock() else {
            return;
        };
        if current.as_ref().is_none_or(|(p, _)| *p != phase) {
            if let Some((_, old)) = current.take() {
                old.finish_and_clear();
            }
            *current = Some((phase, bar(phase)));
        }
        if let Some((_, bar)) = current.as_ref() {
            // Instructions end out of order: never step back.
            bar.set_position(bar.position().max((done * STEPS as f64) as u64));
            if done >= 1.0 {
                bar.finish_and_clear();
            }
        }
    }
}

fn bar(phase: Phase) -> ProgressBar {
    let words = match phase {
        Phase::Keys => "making keys",
        Phase::Encode => "encoding weights",
        Phase::Encrypt => "encrypting",
        Phase::Evaluate => "evaluating",
        Phase::Decrypt => "decrypting",
    };
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(
        "{msg:>18} [{bar:40}] {percent:>3} %  {elapsed_precise}, left {eta}",
    );
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(words);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

/// A table; columns after the first `left` ones are right-aligned.
pub(crate) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    left: usize,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Bytes with a unit that fits.
pub(crate) fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{:.1} kB", bytes as f64 / 1e3),
        10_000_000..=9_999_999_999 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Seconds with a unit that fits.
pub(crate) fn human_seconds(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{:.1} us", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}
