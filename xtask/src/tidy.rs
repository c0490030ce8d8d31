//! The repository's own rules, checked by reading files.

pub(crate) mod floors;
mod manifests;
mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::manifest::{Package, packages};

/// A broken rule: the file, the line if there is one, and what is wrong.
pub(crate) type Finding = String;

/// Checks everything and lists all that is broken.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let packages = packages(root)?;
    let mut findings = floors::check(&packages);
    findings.extend(manifests::check(root, &packages)?);
    for package in &packages {
        findings.extend(sources::check(root, package)?);
    }
    findings.extend(machine_paths(root)?);
    findings.extend(checksums(root, &packages)?);
    findings.extend(repository_files(root));
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    anyhow::ensure!(
        findings.is_empty(),
        "tidy: {} broken rule(s)",
        findings.len()
    );
    eprintln!("tidy: {} packages, no broken rule", packages.len());
    Ok(())
}

/// All files below `dir` with one of the endings, sorted, `target` left out.
fn files(dir: &Path, endings: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            if path.is_dir() {
                if !["target", ".git", "demo", ".data", "girih-demo"].contains(&name) {
                    open.push(path);
                }
            } else if endings.iter().any(|e| name.ends_with(e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A path as shown in findings.
fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Paths of one machine do not belong in a repository.
fn machine_paths(root: &Path) -> anyhow::Result<Vec<Finding>> {
    // Written in two halves, so that this file passes its own check.
    let roots: Vec<String> = ["work", "root", "home"]
        .iter()
        .map(|d| format!("/{d}/"))
        .collect();
    let mut findings = Vec::new();
    for path in files(root, &[".rs", ".toml", ".md", ".sh", ".py", "run", ".json"])? {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for (i, line) in text.lines().enumerate() {
            let hit = roots.iter().any(|r| {
                line.match_indices(r.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || "_.-)}~".contains(c))
                })
            });
            if hit {
                findings.push(format!(
                    "{}:{}: a path of one machine",
                    shown(root, &path),
                    i + 1
                ));
            }
        }
    }
    Ok(findings)
}

/// Every `SHA256SUMS` holds, and every model and data file is listed in one, in its own folder or above.
fn checksums(root: &Path, packages: &[Package]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut listed = BTreeSet::new();
    let fixtures = packages
        .iter()
        .find(|p| p.name == "girih-fixtures")
        .context("no package girih-fixtures")?;
    for sums in files(&fixtures.dir, &["SHA256SUMS"])? {
        let dir = sums.parent().context("SHA256SUMS has no folder")?;
        let status = Command::new("sha256sum")
            .args(["--check", "--quiet", "--strict", "SHA256SUMS"])
            .current_dir(dir)
            .status()
            .context("cannot start sha256sum")?;
        if !status.success() {
            findings.push(format!(
                "{}: a file differs from its checksum",
                shown(root, &sums)
            ));
        }
        for line in std::fs::read_to_string(&sums)?.lines() {
            if let Some(name) = line.split_whitespace().nth(1) {
                let name = name.trim_start_matches('*').trim_start_matches("./");
                listed.insert(dir.join(name));
            }
        }
    }
    for file in files(
        &fixtures.dir,
        &[".onnx", ".npy", ".csv", ".gz", ".bin", "-ubyte"],
    )? {
        if !listed.contains(&file) {
            findings.push(format!("{}: listed in no SHA256SUMS", shown(root, &file)));
        }
    }
    Ok(findings)
}

fn repository_files(root: &Path) -> Vec<Finding> {
    let wanted = [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "BENCHMARKING.md",
        "STYLE.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        ".ci/run",
    ];
    wanted
        .iter()
        .filter(|f| !root.join(f).is_file())
        .map(|f| format!("{f} is missing"))
        .collect()
}
