//! The crate graph: a crate depends on lower floors only.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::Finding;
use crate::manifest::{Package, packages};

/// The floors, lowest first. A new crate is added here and in ARCHITECTURE.md.
const FLOORS: [&[&str]; 6] = [
    &["girih-ntt", "girih-he", "girih-polyfit", "girih-model"],
    &["girih-rns", "girih-circuits", "girih-tiles"],
    &["girih-ckks", "girih-nn"],
    &["girih-bootstrap", "girih-compile"],
    &["girih-engine"],
    &["girih-cli", "girih-benches", "xtask"],
];

/// Depends on no crate of the workspace and is a development dependency only (the measurements link it).
const FIXTURES: &str = "girih-fixtures";

/// Crates that may link the fixtures outside tests.
const LINKS_FIXTURES: [&str; 1] = ["girih-benches"];

/// The crypto tower does not see the model tower, and the other way round.
const TOWERS: [&[&str]; 2] = [
    &["girih-ntt", "girih-rns", "girih-ckks"],
    &[
        "girih-model",
        "girih-polyfit",
        "girih-circuits",
        "girih-tiles",
        "girih-nn",
        "girih-compile",
    ],
];

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

/// Dependencies that break the order of the floors.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let ours: Vec<&str> = package
            .keys("dependencies")
            .filter(|d| d.starts_with("girih-"))
            .collect();
        if name == FIXTURES || name == "xtask" {
            if !ours.is_empty() {
                findings.push(format!(
                    "{name}: must not depend on crates of the workspace: {}",
                    ours.join(", ")
                ));
            }
            continue;
        }
        let Some(own) = floor(name) else {
            findings.push(format!(
                "{name}: has no floor; add it to FLOORS and to ARCHITECTURE.md"
            ));
            continue;
        };
        for dependency in ours {
            if dependency == FIXTURES {
                if !LINKS_FIXTURES.contains(&name) {
                    findings.push(format!(
                        "{name}: {FIXTURES} is for tests, examples and measurements only"
                    ));
                }
                continue;
            }
            match floor(dependency) {
                Some(theirs) if theirs < own => {}
                Some(theirs) => {
                    findings.push(format!(
                        "{name} (floor {own}) depends on {dependency} (floor {theirs})"
                    ));
                }
                None => findings.push(format!(
                    "{name}: depends on {dependency}, which has no floor"
                )),
            }
            let crosses =
                (0..2).any(|i| TOWERS[i].contains(&name) && TOWERS[1 - i].contains(&dependency));
            if crosses {
                findings.push(format!("{name} depends on {dependency}: the towers meet in girih-he and girih-engine only"));
            }
        }
    }
    findings
}

/// The graph as text, highest floor first.
pub(crate) fn dag(root: &Path) -> anyhow::Result<String> {
    let packages = packages(root)?;
    let by_name: BTreeMap<&str, &Package> = packages.iter().map(|p| (p.name.as_str(), p)).collect();
    let mut out = String::new();
    for (i, floor) in FLOORS.iter().enumerate().rev() {
        for name in *floor {
            let Some(package) = by_name.get(name) else {
                continue;
            };
            let below: Vec<&str> = package
                .keys("dependencies")
                .filter(|d| d.starts_with("girih-"))
                .collect();
            let short = |n: &str| n.trim_start_matches("girih-").to_string();
            let below: Vec<String> = below.iter().map(|d| short(d)).collect();
            let arrow = if below.is_empty() {
                "-".to_string()
            } else {
                format!("-> {}", below.join(", "))
            };
            writeln!(out, "floor {i}  {:<9} {arrow}", short(name))?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let entry = |d: &&str| {
            (
                "dependencies".to_string(),
                format!("{d}.workspace"),
                "true".to_string(),
            )
        };
        Package {
            name: name.into(),
            dir: "x".into(),
            entries: dependencies.iter().map(entry).collect(),
        }
    }

    #[test]
    fn lower_floors_only() {
        assert!(check(&[package("girih-rns", &["girih-ntt", "rayon"])]).is_empty());
        assert_eq!(check(&[package("girih-ntt", &["girih-rns"])]).len(), 1);
        assert_eq!(
            check(&[package("girih-tiles", &["girih-circuits"])]).len(),
            1,
            "same floor"
        );
        assert_eq!(
            check(&[package("girih-nn", &["girih-rns"])]).len(),
            1,
            "across the towers"
        );
        assert_eq!(check(&[package("girih-new", &[])]).len(), 1);
        assert_eq!(check(&[package("girih-nn", &["girih-fixtures"])]).len(), 1);
        assert_eq!(check(&[package("girih-fixtures", &["girih-he"])]).len(), 1);
    }
}
