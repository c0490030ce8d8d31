//! Measurements in processes of their own, so that peaks are theirs: one JSON object a line.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use crate::Bench;

/// The last object that this program prints for a suite's arguments.
///
/// # Errors
/// The process fails or prints no object.
pub(crate) fn measured<S: AsRef<OsStr>>(
    what: &str,
    arguments: impl IntoIterator<Item = S>,
    bench: &Bench,
) -> anyhow::Result<Value> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new(program)
        .args(arguments)
        .args(["--threads", &bench.threads.to_string()])
        .args(bench.quick.then_some("--quick"))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start another process")?;
    anyhow::ensure!(output.status.success(), "{what} failed ({})", output.status);
    let text = String::from_utf8(output.stdout).context("a measurement is text")?;
    lines(&text)?.pop().context("no measurement")
}

/// The JSON objects among lines.
///
/// # Errors
/// A line that begins like an object and is none.
pub(crate) fn lines(text: &str) -> anyhow::Result<Vec<Value>> {
    let objects = text.lines().filter(|line| line.starts_with('{'));
    objects
        .map(|line| serde_json::from_str(line).with_context(|| line.to_string()))
        .collect()
}

/// Writes one object a line.
///
/// # Errors
/// Those of the system.
pub(crate) fn write(rows: &[Value], path: &Path) -> anyhow::Result<()> {
    let mut file =
        std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    for row in rows {
        writeln!(file, "{row}")?;
    }
    Ok(())
}
