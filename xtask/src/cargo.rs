//! Calls of cargo, each printed before it runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;

/// Runs cargo in the workspace's folder.
pub(crate) struct Cargo {
    root: PathBuf,
}

impl Cargo {
    /// For the workspace at `root`.
    pub(crate) fn at(root: &Path) -> Self {
        Cargo {
            root: root.to_path_buf(),
        }
    }

    /// `cargo args..`; an unsuccessful end is an error.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<()> {
        self.run_with(args, &[])
    }

    /// The same with environment variables.
    pub(crate) fn run_with<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(&self.root)
            .args(args)
            .envs(env.iter().copied());
        // Variables of the call that started us describe this package, not the one called.
        command
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("CARGO_PKG_NAME");
        let words: Vec<_> = command
            .get_args()
            .map(|a| a.to_string_lossy().into_owned())
            .collect();
        let prefix: String = env.iter().map(|(k, v)| format!("{k}={v:?} ")).collect();
        let shown = format!("{prefix}cargo {}", words.join(" "));
        eprintln!("xtask: {shown}");
        let begin = Instant::now();
        let status = command
            .status()
            .with_context(|| format!("cannot start: {shown}"))?;
        anyhow::ensure!(status.success(), "failed ({status}): {shown}");
        eprintln!("xtask: done in {:.0} s", begin.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Whether the processor lists an instruction set, by the kernel's list of flags.
pub(crate) fn cpu_has(isa: &str) -> bool {
    let flags: &[&str] = match isa {
        "scalar" => return true,
        "avx2" => &["avx2"],
        _ => &["avx512f", "avx512dq", "avx512ifma"],
    };
    let Ok(info) = std::fs::read_to_string("/proc/cpuinfo") else {
        return false;
    };
    let listed = info
        .lines()
        .find(|line| line.starts_with("flags"))
        .unwrap_or_default();
    flags
        .iter()
        .all(|flag| listed.split_whitespace().any(|word| word == *flag))
}
