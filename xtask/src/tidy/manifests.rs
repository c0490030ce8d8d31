//! Cargo.toml of every package: inherited fields, inherited lints, inherited dependencies.

use std::path::Path;

use super::{Finding, shown};
use crate::manifest::Package;

/// What a package takes from the workspace instead of repeating it.
const INHERITED: [&str; 4] = ["version", "edition", "rust-version", "license"];

/// Sections whose entries must come from the workspace table.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Fields and dependencies that do not inherit.
pub(super) fn check(root: &Path, packages: &[Package]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in packages {
        let at = shown(root, &package.dir.join("Cargo.toml"));
        let has = |section: &str, key: &str, value: &str| {
            package
                .entries
                .iter()
                .any(|(s, k, v)| s == section && k == key && v == value)
        };
        for field in INHERITED {
            if !has("package", &format!("{field}.workspace"), "true") {
                findings.push(format!("{at}: `{field}.workspace = true` is missing"));
            }
        }
        if !has("lints", "workspace", "true") {
            findings.push(format!("{at}: `[lints] workspace = true` is missing"));
        }
        if !package
            .entries
            .iter()
            .any(|(s, k, _)| s == "package" && k == "description")
        {
            findings.push(format!("{at}: no description"));
        }
        for (section, key, value) in &package.entries {
            if DEPENDENCIES.contains(&section.as_str())
                && !key.ends_with(".workspace")
                && !value.contains("workspace = true")
            {
                findings.push(format!("{at}: {key} must come from the workspace table"));
            }
        }
        if package.dir.starts_with(root.join("crates")) && !package.dir.join("README.md").is_file()
        {
            findings.push(format!("{}: no README.md", shown(root, &package.dir)));
        }
    }
    Ok(findings)
}
