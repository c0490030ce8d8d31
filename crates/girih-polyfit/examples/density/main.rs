//! Fits weighted by the measured inputs of real networks against fits that know the range alone, at equal degree and at equal
//! error. Every error is over inputs that no fit has seen. `docs/density.md` discusses the tables.
//!
//! `cargo run --release -p girih-polyfit --example density [FITS.json [PICTURE.svg]]`
//!
//! The fits of MiniLM's functions are written as `fixtures/scripts/minilm.py replace` reads them, and a picture of some.

mod experiment;
mod picture;
#[cfg(test)]
mod tests;

use std::error::Error;

use experiment::{Case, Cost, Method};
use girih_fixtures::activations::{self, Activation, Kind};
use girih_polyfit::piecewise::Piecewise;
use girih_polyfit::published::{BOLT_GELU, PUMA_EXP, PUMA_GELU, PublishedPieces};
use girih_polyfit::{Density, Function, Interval, Polynomial, Result};

/// Depths 3, 4 and 5.
const DEGREES: [usize; 3] = [7, 15, 31];
/// Degrees of the fits that are exported: of gelu, of `exp`.
const GELU_DEGREES: [usize; 7] = [7, 11, 15, 23, 31, 47, 63];
const EXP_DEGREES: [usize; 3] = [7, 11, 15];
/// Degree of the fits on a range that leaves inputs out, and the share on either side.
const NARROW_DEGREE: usize = 15;
const NARROW_SHARES: [f64; 2] = [0.001, 0.0001];
/// Layer and degree of the picture, which shows its gelu.
const PICTURE: (usize, usize) = (0, 15);
/// Degrees of the fitted piece.
const PIECE_DEGREES: [usize; 2] = [2, 4];

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let measured: Vec<Activation> = activations::minilm()
        .into_iter()
        .chain(activations::mnist())
        .collect();
    let cases: Vec<Case> = measured
        .iter()
        .filter_map(|a| Case::new(a).transpose())
        .collect::<Result<_>>()?;
    equal_degree(&cases)?;
    equal_error(&cases)?;
    pieces(&cases)?;
    let mut paths = std::env::args().skip(1);
    if let Some(path) = paths.next() {
        std::fs::write(path, export(&measured, &cases)?)?;
    }
    if let (Some(path), Some(case)) = (paths.next(), cases.iter().find(|c| c.layer == PICTURE.0)) {
        std::fs::write(path, picture::picture(case, PICTURE.1)?)?;
    }
    Ok(())
}

fn name(case: &Case) -> String {
    format!("{} {} {}", case.network, case.layer, case.function)
}

/// Held-out errors of the fits of one degree, and what the weights gain.
fn equal_degree(cases: &[Case]) -> Result<()> {
    println!(
        "RMS error over held-out inputs at equal degree, in brackets the largest error on the range; gain of both densities over the best of the first three\n"
    );
    print!(
        "{:<19} {:>14} {:>8} {:>6}",
        "function", "range", "outside", "degree"
    );
    for method in Method::ALL {
        print!(" {:>17}", format!("{method:?}"));
    }
    println!("  gain");
    for case in cases {
        for degree in DEGREES {
            let range = format!("{:.1}..{:.1}", case.range.lo(), case.range.hi());
            print!(
                "{:<19} {range:>14} {:>8.0e} {degree:>6}",
                name(case),
                case.outside
            );
            let errors = case.errors(degree)?;
            for (method, error) in Method::ALL.into_iter().zip(errors) {
                let largest = case.largest(&case.fit(method, degree)?)?;
                print!(" {error:>8.1e} ({largest:>6.0e})");
            }
            let [density, bands] = case.gains(degree)?;
            println!("  {density:.1} {bands:.1}");
        }
    }
    Ok(())
}

/// What the cheapest fit that knows the range alone costs for the error of a density-weighted one.
fn equal_error(cases: &[Case]) -> Result<()> {
    println!(
        "\nAt equal RMS error over held-out inputs: degree, depth, products, ms of one core; density and range alone; ratio of ms\n"
    );
    for case in cases {
        for degree in DEGREES {
            let weighted = case.fit(Method::DensityBands, degree)?;
            let target = case.error(&weighted);
            print!("{:<19} {target:>8.1e} ", name(case));
            let cheap = print_cost(&weighted);
            match case.plain_for(target) {
                Ok(plain) => println!("  {:.1}", print_cost(&plain) / cheap),
                Err(e) => println!("  {e}"),
            }
        }
    }
    Ok(())
}

fn print_cost(polynomial: &Polynomial) -> f64 {
    let Cost {
        depth,
        products,
        price,
    } = Cost::of(polynomial);
    print!(
        "  {:>4} {depth:>2} {products:>3} {price:>5.0}",
        polynomial.degree()
    );
    price
}

/// Pieces of low degree: for the measured density, for an even one, and as published.
fn pieces(cases: &[Case]) -> Result<()> {
    println!(
        "\nPieces 0, polynomial, x (gelu) and 0, polynomial (exp): RMS error over held-out inputs, breaks in brackets\n"
    );
    for case in cases {
        let published: &[PublishedPieces] = match case.function {
            Function::Gelu => &[PUMA_GELU, BOLT_GELU],
            Function::Exp => &[],
            _ => continue,
        };
        print!("{:<14}", name(case));
        for degree in PIECE_DEGREES {
            for (label, density) in [
                ("even", Density::uniform(case.range)),
                ("density", case.weight()?),
            ] {
                let fitted = case.pieces(&density, degree)?;
                let error = case.error_of(|x| fitted.eval(x));
                print!("  {label} {degree}: {error:.1e} {:.2?}", fitted.breaks());
            }
        }
        for pieces in published {
            print!(
                "  {}: {:.1e}",
                pieces.name,
                case.error_of(|x| pieces.eval(x))
            );
        }
        if case.function == Function::Exp {
            let error = case.error_of(|x| PUMA_EXP.eval(x));
            print!("  {}: {error:.1e}", PUMA_EXP.name);
        }
        println!();
    }
    Ok(())
}

/// The fits of MiniLM's functions as JSON.
fn export(measured: &[Activation], cases: &[Case]) -> Result<String> {
    let mut variants = Vec::new();
    for (function, degrees) in [
        (Function::Gelu, &GELU_DEGREES[..]),
        (Function::Exp, &EXP_DEGREES[..]),
    ] {
        let layers: Vec<&Case> = cases.iter().filter(|c| c.function == function).collect();
        for &degree in degrees {
            for method in Method::ALL {
                if method == Method::Chebyshev {
                    continue;
                }
                let name = format!("{method:?} {degree}");
                variants.push(variant(&name, function, &layers, |c| {
                    Ok(single(&c.fit(method, degree)?))
                })?);
            }
        }
        for degree in PIECE_DEGREES {
            for even in [true, false] {
                let name = format!(
                    "pieces, {} {degree}",
                    if even { "Uniform" } else { "Density" }
                );
                variants.push(variant(&name, function, &layers, |c| {
                    let density = if even {
                        Density::uniform(c.range)
                    } else {
                        c.weight()?
                    };
                    c.pieces(&density, degree).map(|fitted| several(&fitted))
                })?);
            }
        }
    }
    let gelu: Vec<&Case> = cases
        .iter()
        .filter(|c| c.function == Function::Gelu)
        .collect();
    for pieces in [PUMA_GELU, BOLT_GELU] {
        variants.push(variant(pieces.name, Function::Gelu, &gelu, |c| {
            pieces.piecewise(c.range).map(|p| several(&p))
        })?);
    }
    for share in NARROW_SHARES {
        let narrow: Vec<Case> = measured
            .iter()
            .filter(|a| a.kind == Kind::Gelu)
            .filter_map(|a| {
                let (lo, hi) = (
                    a.calibration.quantile(share)?,
                    a.calibration.quantile(1.0 - share)?,
                );
                let range = Interval::try_new(lo, hi);
                Some(range.and_then(|range| Case::on(a, Function::Gelu, range)))
            })
            .collect::<Result<_>>()?;
        let layers: Vec<&Case> = narrow.iter().collect();
        let name = format!("Density {NARROW_DEGREE} without {share} on either side");
        variants.push(variant(&name, Function::Gelu, &layers, |c| {
            Ok(single(&c.fit(Method::Density, NARROW_DEGREE)?))
        })?);
    }
    Ok(format!(
        "{{\"variants\": [\n{}\n]}}\n",
        variants.join(",\n")
    ))
}

fn variant(
    name: &str,
    function: Function,
    cases: &[&Case],
    fit: impl Fn(&Case) -> Result<String>,
) -> Result<String> {
    let mut layers = Vec::new();
    for case in cases {
        let (lo, hi) = (case.range.lo(), case.range.hi());
        layers.push(format!("{{\"lo\": {lo}, \"hi\": {hi}, {}}}", fit(case)?));
    }
    let layers = layers.join(", ");
    Ok(format!(
        "{{\"name\": \"{name}\", \"function\": \"{function}\", \"layers\": [{layers}]}}"
    ))
}

fn single(polynomial: &Polynomial) -> String {
    format!("\"breaks\": [], \"pieces\": [{}]", series(polynomial))
}

fn several(fitted: &Piecewise) -> String {
    let pieces: Vec<String> = fitted.pieces().iter().map(series).collect();
    format!(
        "\"breaks\": {:?}, \"pieces\": [{}]",
        fitted.breaks(),
        pieces.join(", ")
    )
}

/// A polynomial as a Chebyshev series.
fn series(polynomial: &Polynomial) -> String {
    let (lo, hi) = (polynomial.interval().lo(), polynomial.interval().hi());
    let series = polynomial.to_chebyshev();
    let coefficients = series.as_ref().map_or(&[][..], Polynomial::coefficients);
    format!("{{\"lo\": {lo}, \"hi\": {hi}, \"coefficients\": {coefficients:?}}}")
}
