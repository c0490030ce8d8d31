//! The little of a Cargo.toml that the checks need: sections and their keys.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    /// Name, as `girih-ntt`.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// `(section, key, value)` of every line `key = value`.
    pub(crate) entries: Vec<(String, String, String)>,
}

impl Package {
    /// Reads the manifest of the package in `dir`.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Package> {
        let path = dir.join("Cargo.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let entries = parse(&text);
        let name = entries
            .iter()
            .find(|(section, key, _)| section == "package" && key == "name")
            .map(|(_, _, value)| value.trim_matches('"').to_string())
            .with_context(|| format!("{}: no package name", path.display()))?;
        Ok(Package {
            name,
            dir: dir.to_path_buf(),
            entries,
        })
    }

    /// The keys of a section, without `.workspace` and the like.
    pub(crate) fn keys(&self, section: &str) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(move |(s, _, _)| s == section)
            .map(|(_, key, _)| {
                let end = key.find('.').unwrap_or(key.len());
                &key[..end]
            })
    }
}

/// All packages of the workspace, by name.
pub(crate) fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let mut dirs = vec![
        root.join("benches"),
        root.join("fixtures"),
        root.join("xtask"),
    ];
    for entry in std::fs::read_dir(root.join("crates"))? {
        let dir = entry?.path();
        if dir.join("Cargo.toml").is_file() {
            dirs.push(dir);
        }
    }
    let mut packages = dirs
        .iter()
        .map(|dir| Package::read(dir))
        .collect::<anyhow::Result<Vec<_>>>()?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn parse(text: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[') {
            section = head.trim_matches(['[', ']']).to_string();
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            entries.push((
                section.clone(),
                key.trim().to_string(),
                value.trim().to_string(),
            ));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_keys() {
        let entries =
            parse("[package]\nname = \"a\" \n# b = 1\n[dependencies]\nc.workspace = true\n");
        assert_eq!(entries.len(), 2);
        assert_eq!(
            entries[1],
            ("dependencies".into(), "c.workspace".into(), "true".into())
        );
    }
}
