//! Published approximations beside fits of this crate of at most the same depth, each on the range it was made for.
//!
//! `cargo run -p girih-polyfit --example published`

use girih_polyfit::composite::CompositeSign;
use girih_polyfit::published::{
    BOLT_GELU, IDASH_SIGMOID, LEE_SIGN, MOAI_GELU, NEXUS_GELU, NEXUS_INVERSE_SQRT, PUMA_EXP,
    PUMA_GELU, PublishedExponential, PublishedPieces,
};
use girih_polyfit::{Dd, EvaluationPlan, FitMethod, Function, Interval, Remez, Result, fit_with};

/// What an approximation costs and how far it is off.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Levels.
    depth: usize,
    /// Products of ciphertexts.
    products: usize,
    /// Largest error.
    error: f64,
}

/// A published approximation and ours.
#[derive(Clone, Debug)]
struct Row {
    /// The function and the range.
    what: String,
    /// The name of the published one.
    name: String,
    /// Its cost.
    published: Cost,
    /// What ours is.
    ours: String,
    /// Its cost.
    cost: Cost,
}

fn cost(plan: &EvaluationPlan, error: f64) -> Cost {
    Cost {
        depth: plan.unit_depth(),
        products: plan.counts().products,
        error,
    }
}

/// The largest error on a fine grid.
fn worst(f: impl Fn(f64) -> f64, g: impl Fn(f64) -> f64, range: Interval) -> f64 {
    (0..=100_000).fold(0.0, |worst: f64, k| {
        let x = range.from_unit(f64::from(k) / 50_000.0 - 1.0);
        worst.max((f(x) - g(x)).abs())
    })
}

/// The minimax polynomial of least depth that is as good, and of the smallest degree for it.
fn minimax(function: Function, range: Interval, published: Cost) -> Result<(String, Cost)> {
    let mut degree = 1;
    loop {
        let best = Remez::function(function, range, degree)?
            .tolerance(1e-3)
            .solve()?;
        let plan = EvaluationPlan::polynomial(&best.polynomial)?;
        let found = cost(&plan, best.error * (1.0 + 1e-3));
        if found.error <= published.error || found.depth > published.depth {
            return Ok((format!("minimax, degree {degree}"), found));
        }
        degree += 1;
    }
}

fn sign(rows: &mut Vec<Row>) -> Result<()> {
    for (degree, openings, flattenings, b) in [
        (7, 3, 1, 6),
        (7, 3, 1, 8),
        (7, 4, 2, 8),
        (7, 4, 2, 10),
        (7, 6, 2, 10),
        (9, 2, 2, 6),
        (9, 2, 2, 7),
    ] {
        let gap = (-f64::from(b)).exp2();
        let cheon = CompositeSign::cheon(degree, openings, flattenings, gap)?;
        let published = cost(&cheon.sign(Interval::UNIT)?, cheon.error());
        let ours = CompositeSign::for_gap(gap, cheon.error(), published.depth)?;
        let n = if degree == 7 { 3 } else { 4 };
        rows.push(Row {
            what: format!("sign, 2^-{b} .. 1"),
            name: format!("Cheon g{n}^{openings} f{n}^{flattenings}"),
            published,
            ours: format!("composite {:?}", ours.degrees()),
            cost: cost(&ours.sign(Interval::UNIT)?, ours.error()),
        });
    }
    let lee = CompositeSign::with_degrees(13.0, LEE_SIGN.degrees)?;
    let published = cost(&lee.relu(Interval::UNIT)?, (-13f64).exp2());
    let ours = CompositeSign::new(13.0, lee.sign(Interval::UNIT)?.unit_depth())?;
    rows.push(Row {
        what: "relu, ±1".to_owned(),
        name: LEE_SIGN.name.to_owned(),
        published,
        ours: format!("composite {:?}", ours.degrees()),
        cost: cost(&ours.relu(Interval::UNIT)?, ours.relu_error()),
    });
    Ok(())
}

fn pieces(rows: &mut Vec<Row>) -> Result<()> {
    // Published for shared data, where selection is a comparison; here the cheapest sign that resolves anything.
    let cheap = CompositeSign::new(7.0, 6)?;
    let table: [(PublishedPieces, Function, f64); 4] = [
        (PUMA_GELU, Function::Gelu, 8.0),
        (BOLT_GELU, Function::Gelu, 8.0),
        (NEXUS_GELU, Function::Gelu, 8.5),
        (IDASH_SIGMOID, Function::Sigmoid, 8.0),
    ];
    for (pieces, function, bound) in table {
        let range = Interval::symmetric(bound)?;
        let plan = pieces.piecewise(range)?.plan(&cheap)?;
        let error = pieces.piecewise(range)?.max_error(|x| function.eval(x))?;
        let published = cost(&plan, error);
        let (ours, cost) = minimax(function, range, published)?;
        rows.push(Row {
            what: format!("{function}, ±{bound}"),
            name: pieces.name.to_owned(),
            published,
            ours,
            cost,
        });
    }
    Ok(())
}

fn polynomials(rows: &mut Vec<Row>) -> Result<()> {
    let range = Interval::symmetric(8.0)?;
    let mut plain = vec![(
        MOAI_GELU.name.to_owned(),
        Function::Gelu,
        8.0,
        MOAI_GELU.degrees[0],
        Some(0.04),
    )];
    for (function, bound, degree) in [
        (Function::Gelu, 5.0, 15),
        (Function::Gelu, 5.0, 27),
        (Function::Gelu, 8.0, 15),
        (Function::Gelu, 8.0, 31),
        (Function::Gelu, 12.0, 59),
        (Function::Gelu, 20.0, 59),
        (Function::Sigmoid, 8.0, 3),
        (Function::Sigmoid, 8.0, 7),
        (Function::Sigmoid, 8.0, 9),
        (Function::Sigmoid, 8.0, 15),
    ] {
        plain.push((
            format!("Chebyshev, degree {degree}"),
            function,
            bound,
            degree,
            None,
        ));
    }
    for (name, function, bound, degree, error) in plain {
        let range = Interval::symmetric(bound)?;
        let interpolant = fit_with(FitMethod::Interpolation, function, range, degree)?;
        let plan = EvaluationPlan::polynomial(&interpolant.polynomial)?;
        let published = cost(&plan, error.unwrap_or(interpolant.accuracy.max_error));
        let (ours, cost) = minimax(function, range, published)?;
        rows.push(Row {
            what: format!("{function}, ±{bound}"),
            name,
            published,
            ours,
            cost,
        });
    }
    let range = Interval::try_new(-14.0, range.lo() + 8.0)?;
    for squarings in [5, 7, 8] {
        let formula = PublishedExponential {
            squarings,
            ..PUMA_EXP
        };
        let published = cost(
            &formula.plan(range),
            worst(f64::exp, |x| formula.eval(x), range),
        );
        let (ours, cost) = minimax(Function::Exp, range, published)?;
        rows.push(Row {
            what: format!("exp, {range}"),
            name: format!("(1 + x/2^{squarings})^(2^{squarings})"),
            published,
            ours,
            cost,
        });
    }
    Ok(())
}

/// The start of Newton's iteration: relative errors of two straight lines.
fn start(rows: &mut Vec<Row>) -> Result<()> {
    let line = NEXUS_INVERSE_SQRT.polynomial()?;
    let range = line.interval();
    let plan = EvaluationPlan::polynomial(&line)?;
    let best = Remez::new(|x: Dd| Dd::ONE / x.sqrt(), range, 1)
        .weight(f64::sqrt)
        .solve()?;
    rows.push(Row {
        what: format!("1/√x, {range}, relative"),
        name: NEXUS_INVERSE_SQRT.name.to_owned(),
        published: cost(&plan, worst(|_| 1.0, |x| line.eval(x) * x.sqrt(), range)),
        ours: "minimax, degree 1".to_owned(),
        cost: cost(&EvaluationPlan::polynomial(&best.polynomial)?, best.error),
    });
    Ok(())
}

/// All rows.
fn rows() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    sign(&mut rows)?;
    pieces(&mut rows)?;
    polynomials(&mut rows)?;
    start(&mut rows)?;
    Ok(rows)
}

fn main() -> Result<()> {
    println!(
        "| function, range | published | depth | products | error | ours | depth | products | error |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows()? {
        println!(
            "| {} | {} | {} | {} | {:.1e} | {} | {} | {} | {:.1e} |",
            row.what,
            row.name,
            row.published.depth,
            row.published.products,
            row.published.error,
            row.ours,
            row.cost.depth,
            row.cost.products,
            row.cost.error
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// No published approximation is better than ours at equal depth, or cheaper.
    #[test]
    fn ours_are_at_least_as_good() {
        let rows = rows().unwrap();
        assert!(rows.len() >= 27);
        for row in rows {
            let (theirs, ours) = (row.published, row.cost);
            let no_worse = ours.depth <= theirs.depth
                && ours.products <= theirs.products
                && ours.error <= theirs.error * (1.0 + 1e-9);
            assert!(no_worse, "{row:?}");
        }
    }
}
