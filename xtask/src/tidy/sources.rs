//! Source files: where `unsafe` may stand, what libraries may not do, how long a file may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Finding, files, shown};
use crate::manifest::Package;

/// The one crate with `unsafe` and instruction sets.
const UNSAFE_CRATE: &str = "girih-ntt";

/// Longest source file, in lines; over it, split by concept.
const MAX_LINES: usize = 800;

/// Packages whose job is to print.
const PRINTS: [&str; 3] = ["girih-cli", "girih-benches", "xtask"];

/// A word that may not stand in library code, and why.
const BANNED: [(&str, &str); 6] = [
    ("println!(", "libraries do not print"),
    ("print!(", "libraries do not print"),
    ("dbg!(", "left from debugging"),
    (
        ".unwrap()",
        "return an error or state the invariant with expect",
    ),
    ("todo!(", "not finished"),
    ("unimplemented!(", "not finished"),
];

/// Checks all sources of one package.
pub(super) fn check(root: &Path, package: &Package) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let sources = files(&package.dir, &[".rs"])?;
    let mut test_modules = BTreeSet::new();
    for path in &sources {
        test_modules.extend(test_modules_of(path, &std::fs::read_to_string(path)?));
    }
    for path in sources {
        let at = shown(root, &path);
        let text = std::fs::read_to_string(&path)?;
        let of_tests =
            |module: &PathBuf| path == *module || path.starts_with(module.with_extension(""));
        let in_src =
            path.starts_with(package.dir.join("src")) && !test_modules.iter().any(of_tests);
        findings.extend(check_text(&package.name, &at, &text, in_src));
        if path.file_name().is_some_and(|n| n == "mod.rs") {
            findings.push(format!(
                "{at}: name the file after the module (foo.rs beside foo/)"
            ));
        }
    }
    for crate_root in ["src/lib.rs", "src/main.rs"] {
        let path = package.dir.join(crate_root);
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if package.name != UNSAFE_CRATE && !text.contains("#![forbid(unsafe_code)]") {
            findings.push(format!(
                "{}: `#![forbid(unsafe_code)]` is missing",
                shown(root, &path)
            ));
        }
        let documented = text.contains("#![doc = include_str!(\"../README.md\")]");
        if package.dir.starts_with(root.join("crates")) && crate_root == "src/lib.rs" && !documented
        {
            findings.push(format!(
                "{}: `#![doc = include_str!(\"../README.md\")]` is missing",
                shown(root, &path)
            ));
        }
    }
    Ok(findings)
}

/// The files of the modules that a file declares for tests only: `#[cfg(test)]`, then `mod name;`.
fn test_modules_of(path: &Path, text: &str) -> Vec<PathBuf> {
    let is_root = ["lib.rs", "main.rs"]
        .iter()
        .any(|root| path.ends_with(root));
    let dir = if is_root {
        path.parent().map(Path::to_path_buf).unwrap_or_default()
    } else {
        path.with_extension("")
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let attributed = lines
        .iter()
        .enumerate()
        .filter(|(_, l)| l.starts_with("#[cfg(") && l.contains("test"));
    attributed
        .filter_map(|(i, _)| lines[i + 1..].iter().find(|l| !l.starts_with("#[")))
        .filter_map(|item| {
            item.trim_start_matches("pub(crate) ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .map(|name| dir.join(format!("{name}.rs")))
        .collect()
}

fn check_text(package: &str, at: &str, text: &str, in_src: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{at}: {lines} lines, at most {MAX_LINES}"));
    }
    let mut tests = TestRegion::default();
    // The names of what is searched for, in two halves: this file is checked as well.
    let unfinished = ["TO".to_string() + "DO", "FIX".to_string() + "ME"];
    for (i, line) in text.lines().enumerate() {
        let number = i + 1;
        let in_tests = tests.step(line);
        let code = code_of(line);
        if package != UNSAFE_CRATE && package != "xtask" {
            if code
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "unsafe")
            {
                findings.push(format!("{at}:{number}: `unsafe` outside {UNSAFE_CRATE}"));
            }
            let architecture = ["core::arch", "std::arch", "is_x86_feature_detected"];
            if architecture.iter().any(|word| code.contains(word)) {
                findings.push(format!(
                    "{at}:{number}: instruction sets outside {UNSAFE_CRATE}"
                ));
            }
        }
        if unfinished.iter().any(|word| line.contains(word.as_str())) {
            findings.push(format!("{at}:{number}: unfinished"));
        }
        if in_src && !in_tests && !PRINTS.contains(&package) {
            for (word, why) in BANNED {
                if code.contains(word) && !(word == "print!(" && code.contains("println!(")) {
                    findings.push(format!("{at}:{number}: `{word}`: {why}"));
                }
            }
        }
    }
    findings
}

/// The part of a line before a comment.
fn code_of(line: &str) -> &str {
    let end = line.find("//").unwrap_or(line.len());
    &line[..end]
}

/// Follows the braces of `#[cfg(test)]` items.
#[derive(Default)]
struct TestRegion {
    pending: bool,
    depth: i64,
    inside: bool,
}

impl TestRegion {
    /// Whether the line belongs to test code.
    fn step(&mut self, line: &str) -> bool {
        let trimmed = line.trim_start();
        if !self.inside && trimmed.starts_with("#[cfg(") && trimmed.contains("test") {
            self.pending = true;
        }
        if !self.pending && !self.inside {
            return false;
        }
        let code = code_of(line);
        let opened = code.matches('{').count() as i64;
        let closed = code.matches('}').count() as i64;
        if self.pending && opened > 0 {
            (self.pending, self.inside, self.depth) = (false, true, 0);
        } else if self.pending && code.trim_end().ends_with(';') {
            self.pending = false;
            return true;
        }
        if self.inside {
            self.depth += opened - closed;
            self.inside = self.depth > 0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_stays_in_one_crate() {
        assert_eq!(
            check_text("girih-rns", "a.rs", "unsafe { x }\n", true).len(),
            1
        );
        assert!(check_text("girih-ntt", "a.rs", "unsafe { x }\n", true).is_empty());
        assert!(
            check_text(
                "girih-rns",
                "a.rs",
                "#![forbid(unsafe_code)]\n// unsafe\n",
                true
            )
            .is_empty()
        );
    }

    #[test]
    fn libraries_do_not_unwrap_but_tests_may() {
        let text = "fn f() { g().unwrap() }\n#[cfg(test)]\nmod tests {\n fn t() { g().unwrap() }\n}\nfn h() { g().unwrap() }\n";
        let findings = check_text("girih-he", "a.rs", text, true);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(check_text("girih-he", "tests/a.rs", text, false).is_empty());
        assert!(check_text("girih-cli", "a.rs", "println!(\"x\");\n", true).is_empty());
        assert_eq!(
            check_text("girih-he", "a.rs", "println!(\"x\");\n", true).len(),
            1
        );
    }

    #[test]
    fn modules_for_tests_are_found() {
        let text = "mod a;\n#[cfg(test)]\n#[allow(x)]\nmod b;\n#[cfg(any(test, feature = \"testing\"))]\npub(crate) mod c;\n";
        let of = |path: &str| test_modules_of(Path::new(path), text);
        assert_eq!(
            of("src/lib.rs"),
            [Path::new("src/b.rs"), Path::new("src/c.rs")]
        );
        assert_eq!(
            of("src/x.rs"),
            [Path::new("src/x/b.rs"), Path::new("src/x/c.rs")]
        );
    }

    #[test]
    fn long_files_are_split() {
        assert_eq!(
            check_text("girih-he", "a.rs", &"\n".repeat(801), true).len(),
            1
        );
    }
}
