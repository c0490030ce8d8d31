//! Minimax errors against Sollya, and on unions of intervals against an exchange with 60 digits.
//!
//! The tables and the scripts that make them are in `tests/sollya/`. With `GIRIH_SLOW=1` and Sollya installed, some lines of
//! the table are computed anew.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use girih_polyfit::{Dd, Domain, Function, Interval, Minimax, Parity, Remez};

const TABLE: &str = include_str!("sollya/minimax.txt");
const UNIONS: &str = include_str!("sollya/unions.txt");
/// The agreement asked for.
const TOLERANCE: f64 = 1e-10;

struct Case {
    name: String,
    kind: String,
    lo: f64,
    hi: f64,
    degree: usize,
    error: f64,
}

fn parse(line: &str) -> Case {
    let words: Vec<&str> = line.split_whitespace().collect();
    Case {
        name: words[0].to_owned(),
        kind: words[1].to_owned(),
        lo: words[2].parse().unwrap(),
        hi: words[3].parse().unwrap(),
        degree: words[4].parse().unwrap(),
        error: words[5].parse().unwrap(),
    }
}

/// The function of a name such as `gelu27`.
fn function(name: &str) -> Function {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    stem.split("_relative")
        .next()
        .unwrap()
        .split("_through")
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn solve(case: &Case) -> Minimax {
    let f = function(&case.name);
    let interval = Interval::try_new(case.lo, case.hi).unwrap();
    let remez = match case.kind.as_str() {
        "plain" => Remez::function(f, interval, case.degree).unwrap(),
        // The whole symmetric problem, where it has one: the reduction by symmetry is under test too.
        "even" if case.lo == 0.0 => {
            Remez::function(f, Interval::symmetric(case.hi).unwrap(), case.degree + 1).unwrap()
        }
        "odd" => {
            Remez::function(f, Domain::mirrored(case.lo, case.hi).unwrap(), case.degree).unwrap()
        }
        "relative" => Remez::function(f, interval, case.degree)
            .unwrap()
            .weight(move |x| 1.0 / f.eval(x)),
        "through0" => Remez::new(|x: Dd| (x + 1.0).ln(), interval, case.degree).fixed(0, 0.0),
        other => panic!("{other}"),
    };
    remez.solve().unwrap()
}

/// `f - p` with the unrounded coefficients.
fn error(m: &Minimax, f: Function, x: f64) -> f64 {
    let i = m.polynomial.interval();
    let u = (Dd::from(x) - i.center()) / i.radius();
    let (mut b1, mut b2) = (Dd::ZERO, Dd::ZERO);
    for &c in m.coefficients[1..].iter().rev() {
        (b1, b2) = (u * b1 * 2.0 - b2 + c, b1);
    }
    (f.eval_dd(Dd::from(x)) - (u * b1 - b2 + m.coefficients[0])).to_f64()
}

fn relative(a: f64, b: f64) -> f64 {
    (a / b - 1.0).abs()
}

#[test]
fn agrees_with_sollya() {
    let (mut count, mut worst) = (0, (0.0, String::new()));
    for case in TABLE.lines().map(parse) {
        let m = solve(&case);
        let gap = relative(m.error, case.error);
        assert!(
            gap < TOLERANCE,
            "{}: {:e}, Sollya {:e}",
            case.name,
            m.error,
            case.error
        );
        if gap > worst.0 {
            worst = (gap, case.name.clone());
        }
        count += 1;
        if !matches!(case.kind.as_str(), "plain" | "even" | "odd") {
            continue;
        }
        // Equioscillation: degree + 2 points (of the full problem), errors of alternating sign and equal size.
        assert!(
            m.extrema.len() >= case.degree + 2,
            "{}: {}",
            case.name,
            m.extrema.len()
        );
        let errors: Vec<f64> = m
            .extrema
            .iter()
            .map(|&x| error(&m, function(&case.name), x))
            .collect();
        for w in errors.windows(2) {
            assert!(w[0] * w[1] < 0.0, "{}: {errors:?}", case.name);
        }
        for e in errors {
            assert!(
                relative(e.abs(), case.error) < TOLERANCE,
                "{}: {e:e}",
                case.name
            );
        }
        if case.kind != "plain" {
            assert!(
                m.polynomial.parity()
                    == if case.kind == "odd" {
                        Parity::Odd
                    } else {
                        Parity::Even
                    }
            );
        }
    }
    assert!(count >= 40, "{count} cases");
    println!(
        "{count} cases, largest relative difference {:e} ({})",
        worst.0, worst.1
    );
}

#[test]
fn unions_of_intervals() {
    let mut count = 0;
    for line in UNIONS.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let f: Function = words[1].parse().unwrap();
        let degree: usize = words[2].parse().unwrap();
        let numbers: Vec<f64> = words[3..].iter().map(|w| w.parse().unwrap()).collect();
        let domain = numbers[2..]
            .chunks(2)
            .map(|c| Interval::try_new(c[0], c[1]).unwrap())
            .collect();
        let m = Remez::function(f, Domain::try_new(domain).unwrap(), degree)
            .unwrap()
            .solve()
            .unwrap();
        for bound in &numbers[..2] {
            assert!(
                relative(m.error, *bound) < TOLERANCE,
                "{line}: {:e}",
                m.error
            );
        }
        let errors: Vec<f64> = m.extrema.iter().map(|&x| error(&m, f, x)).collect();
        assert!(
            errors.len() >= degree + 2 && errors.windows(2).all(|w| w[0] * w[1] < 0.0),
            "{line}"
        );
        assert!(
            errors
                .iter()
                .all(|e| relative(e.abs(), m.error) < TOLERANCE),
            "{line}"
        );
        count += 1;
    }
    assert!(count >= 10, "{count} cases");
}

/// Sollya itself, where it is installed.
#[test]
fn live() {
    if std::env::var("GIRIH_SLOW").is_err() {
        println!("not run: set GIRIH_SLOW=1 to compare with an installed Sollya");
        return;
    }
    if Command::new("sollya").arg("--version").output().is_err() {
        println!("not run: sollya is not installed");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sollya/minimax.sh");
    for case in TABLE.lines().map(parse).filter(|c| c.degree <= 31) {
        let output = Command::new("sh")
            .args([script, &case.name])
            .output()
            .unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        assert!(relative(parse(&line).error, case.error) < 1e-15, "{line}");
    }
}
