//! The Python of the peers: an interpreter that their wheels accept and a virtual environment under `target/peers`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

/// Names the interpreter, in place of a search.
const VARIABLE: &str = "GIRIH_PEERS_PYTHON";

/// What OpenFHE's wheel is built for.
const VERSION: &str = "3.10";

/// A virtual environment with the peers in it, and their scripts.
#[derive(Debug)]
pub(crate) struct Python {
    program: PathBuf,
    scripts: PathBuf,
}

impl Python {
    /// Finds an interpreter; makes the environment unless it has these requirements already.
    pub(crate) fn prepare() -> anyhow::Result<Self> {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scripts = benches.join("peers");
        let requirements = scripts.join("requirements.txt");
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| benches.join("../target"), PathBuf::from);
        let venv = target.join("peers");
        let program = venv.join("bin/python");
        let wanted = std::fs::read_to_string(&requirements)
            .with_context(|| format!("cannot read {}", requirements.display()))?;
        // Written last: an environment without it is not complete.
        let stamp = venv.join("girih-requirements.txt");
        let complete = std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
        if !complete || !answers(&program) {
            let base = find()?;
            eprintln!("installing the peers into {}", venv.display());
            call(
                Command::new(base)
                    .args(["-m", "venv", "--clear"])
                    .arg(&venv),
            )?;
            let pip = [
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ];
            call(Command::new(&program).args(pip).arg(&requirements))?;
            std::fs::write(&stamp, wanted)
                .with_context(|| format!("cannot write {}", stamp.display()))?;
        }
        Ok(Python { program, scripts })
    }

    /// What a script prints, run with that many threads.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        script: &str,
        args: &[A],
        threads: usize,
    ) -> anyhow::Result<String> {
        let output = Command::new(&self.program)
            // No compiled files beside the sources.
            .arg("-B")
            .arg(self.scripts.join(script))
            .args(args)
            .env("OMP_NUM_THREADS", threads.to_string())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "{script} failed ({})",
            output.status
        );
        String::from_utf8(output.stdout).with_context(|| format!("{script} printed no text"))
    }
}

/// The named interpreter, else `python3.10`, else pyenv's.
fn find() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        ensure!(
            answers(&named),
            "{VARIABLE} is {}, which is no CPython {VERSION} that runs",
            named.display()
        );
        return Ok(named);
    }
    let on_path = PathBuf::from(format!("python{VERSION}"));
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let of_pyenv = home
        .map(|home| pyenv(&home.join(".pyenv/versions")))
        .unwrap_or_default();
    match std::iter::once(on_path)
        .chain(of_pyenv)
        .find(|p| answers(p))
    {
        Some(found) => Ok(found),
        None => bail!(
            "OpenFHE's wheel wants CPython {VERSION}, and there is none: install it (`pyenv install {VERSION}`, or your \
             system's python{VERSION} with venv) or name it in {VARIABLE}"
        ),
    }
}

/// Interpreters under pyenv's folder of versions, the newest patch first.
fn pyenv(versions: &Path) -> Vec<PathBuf> {
    let patch =
        |name: &str| -> Option<u32> { name.strip_prefix(VERSION)?.strip_prefix('.')?.parse().ok() };
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let patch = patch(entry.file_name().to_str()?)?;
            Some((patch, entry.path().join(format!("bin/python{VERSION}"))))
        })
        .collect();
    found.sort_unstable_by_key(|(patch, _)| std::cmp::Reverse(*patch));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Whether a program runs and is the Python that is wanted; shims of pyenv may exist and not run.
fn answers(program: &Path) -> bool {
    Command::new(program)
        .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|o| o.status.success() && String::from_utf8_lossy(&o.stdout).trim() == VERSION)
}

fn call(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "failed ({status}): {command:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_does_not_answer() {
        assert!(!answers(Path::new("/nonexistent/python")));
        assert!(pyenv(Path::new("/nonexistent")).is_empty());
    }

    #[test]
    fn scripts_compile() {
        let Ok(version) = Command::new("python3").arg("--version").output() else {
            eprintln!("NOT RUN: no python3");
            return;
        };
        if !version.status.success() {
            eprintln!("NOT RUN: python3 does not run");
            return;
        }
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        // As py_compile, which would leave its result behind.
        let program = "import sys; [compile(open(p).read(), p, 'exec') for p in sys.argv[1:]]";
        let status = Command::new("python3")
            .args(["-c", program])
            .args(["timing.py", "openfhe_ops.py", "tenseal_ops.py"].map(|name| scripts.join(name)))
            .status()
            .expect("python3 starts");
        assert!(status.success());
    }
}
