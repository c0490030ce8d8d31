//! The search for break points.

use crate::chebyshev::interpolate;
use crate::least_squares::{Triangle, chebyshev_row};
use crate::{Dd, Density, Error, Interval, Polynomial, Remez, Result, fit_weighted};

use super::{Objective, Piece};

/// Cells of the grid of break candidates: equal ones, and as many quantiles if there is a density.
const CELLS: usize = 64;
/// Most pieces.
const MOST_PIECES: usize = 8;
/// Largest degree of a fitted piece: more is no longer low.
const LARGEST_DEGREE: usize = 15;
/// Share of the uniform density added.
const FLOOR: f64 = 1e-6;
/// Rounds of the local search; each moves every break once.
const ROUNDS: usize = 6;
/// Golden-section steps of one move: a cell shrinks to 7·10⁻⁵ of it.
const SECTIONS: usize = 20;
/// Relative gap between the errors found and possible at which a minimax piece is done.
const LEVELLED: f64 = 1e-6;
/// Points per degree where the error of a piece is looked at.
const POINTS_PER_DEGREE: usize = 12;

/// Breaks and polynomials.
pub(super) fn optimise(
    f: &dyn Fn(f64) -> f64,
    interval: Interval,
    pieces: &[Piece],
    objective: Objective<'_>,
) -> Result<(Vec<f64>, Vec<Polynomial>)> {
    check(pieces)?;
    let density = match objective {
        Objective::Largest => None,
        Objective::MeanSquare(density) => {
            let inside = density.restricted(interval)?;
            Some(inside.smoothed_on(interval, FLOOR)?)
        }
    };
    let search = Search {
        f,
        interval,
        density,
    };
    let grid = search.grid();
    let mut ends = search.choose(&grid, pieces)?;
    search.refine(&grid, pieces, &mut ends)?;
    let fitted = pieces.iter().zip(ends.windows(2));
    let fitted: Result<Vec<Polynomial>> =
        fitted.map(|(p, w)| search.finish(p, w[0], w[1])).collect();
    Ok((ends[1..pieces.len()].to_vec(), fitted?))
}

fn check(pieces: &[Piece]) -> Result<()> {
    if !(1..=MOST_PIECES).contains(&pieces.len()) {
        return Err(Error::Pieces {
            pieces: pieces.len(),
            breaks: pieces.len().saturating_sub(1),
        });
    }
    for piece in pieces {
        match piece {
            Piece::Fitted { degree } if !(1..=LARGEST_DEGREE).contains(degree) => {
                return Err(Error::Degree {
                    degree: *degree,
                    max: LARGEST_DEGREE,
                });
            }
            Piece::Fixed { coefficients } => {
                Polynomial::power(Interval::UNIT, coefficients.as_slice())?;
            }
            Piece::Fitted { .. } => {}
        }
    }
    Ok(())
}

struct Search<'a> {
    f: &'a dyn Fn(f64) -> f64,
    interval: Interval,
    density: Option<Density>,
}

impl Search<'_> {
    fn grid(&self) -> Vec<f64> {
        let share = |k: usize| k as f64 / CELLS as f64;
        let mut grid: Vec<f64> = (1..CELLS)
            .map(|k| self.interval.from_unit(2.0 * share(k) - 1.0))
            .collect();
        if let Some(density) = &self.density {
            grid.extend((1..CELLS).map(|k| density.quantile(share(k))));
        }
        // Cells of no width are of no use.
        let least = self.interval.radius() * 1e-6;
        grid.retain(|&x| x > self.interval.lo() + least && x < self.interval.hi() - least);
        grid.push(self.interval.lo());
        grid.push(self.interval.hi());
        grid.sort_by(f64::total_cmp);
        grid.dedup_by(|b, a| *b - *a < least);
        grid
    }

    /// Dynamic programming: `best[k][j]` is the least cost of the first `k` pieces up to grid point `j`.
    fn choose(&self, grid: &[f64], pieces: &[Piece]) -> Result<Vec<f64>> {
        let points = grid.len();
        let mut best = vec![vec![f64::INFINITY; points]; pieces.len() + 1];
        let mut from = vec![vec![0; points]; pieces.len() + 1];
        best[0][0] = 0.0;
        for (k, piece) in pieces.iter().enumerate() {
            for i in 0..points - 1 {
                if best[k][i].is_infinite() {
                    continue;
                }
                for (j, cost) in (i + 1..).zip(self.costs(piece, &grid[i..])?) {
                    let total = self.combine(best[k][i], cost);
                    if total < best[k + 1][j] {
                        best[k + 1][j] = total;
                        from[k + 1][j] = i;
                    }
                }
            }
        }
        let mut at = points - 1;
        let mut ends = vec![grid[at]];
        for k in (1..=pieces.len()).rev() {
            at = from[k][at];
            ends.push(grid[at]);
        }
        ends.reverse();
        Ok(ends)
    }

    fn combine(&self, a: f64, b: f64) -> f64 {
        if self.density.is_some() {
            a + b
        } else {
            a.max(b)
        }
    }

    /// The costs of a piece from the first grid point to each of the others.
    fn costs(&self, piece: &Piece, grid: &[f64]) -> Result<Vec<f64>> {
        match (&self.density, piece) {
            (Some(density), Piece::Fitted { degree }) => {
                let mut sum =
                    ResidualSum::new(*degree, Interval::try_new(grid[0], grid[grid.len() - 1])?);
                let mut costs = Vec::with_capacity(grid.len() - 1);
                for w in grid.windows(2) {
                    let cell = Interval::try_new(w[0], w[1])?;
                    for (x, weight) in density.nodes(cell, *degree) {
                        sum.add(x, self.value(x)?, weight);
                    }
                    costs.push(sum.squares);
                }
                Ok(costs)
            }
            _ => grid[1..]
                .iter()
                .map(|&b| self.cost(piece, grid[0], b))
                .collect(),
        }
    }

    fn value(&self, x: f64) -> Result<f64> {
        let value = (self.f)(x);
        if value.is_finite() {
            Ok(value)
        } else {
            Err(Error::NotFinite { at: x, value })
        }
    }

    fn cost(&self, piece: &Piece, a: f64, b: f64) -> Result<f64> {
        let part = Interval::try_new(a, b)?;
        match (&self.density, piece) {
            (Some(density), Piece::Fitted { degree }) => {
                let mut sum = ResidualSum::new(*degree, part);
                for (x, weight) in density.nodes(part, *degree) {
                    sum.add(x, self.value(x)?, weight);
                }
                Ok(sum.squares)
            }
            (Some(density), Piece::Fixed { coefficients }) => {
                let p = Polynomial::power(part, coefficients.as_slice())?;
                let nodes = density.nodes(part, p.degree()).into_iter();
                nodes
                    .map(|(x, w)| Ok(w * (self.value(x)? - p.eval(x)).powi(2)))
                    .sum()
            }
            (None, piece) => {
                let p = self.fit(piece, a, b)?;
                let points = POINTS_PER_DEGREE * (p.degree() + 2);
                let mut largest = 0f64;
                for k in 0..=points {
                    let x =
                        part.from_unit(-(std::f64::consts::PI * k as f64 / points as f64).cos());
                    largest = largest.max((self.value(x)? - p.eval(x)).abs());
                }
                Ok(largest)
            }
        }
    }

    fn fit(&self, piece: &Piece, a: f64, b: f64) -> Result<Polynomial> {
        let part = Interval::try_new(a, b)?;
        match (piece, &self.density) {
            (Piece::Fixed { coefficients }, _) => Polynomial::power(part, coefficients.as_slice()),
            (Piece::Fitted { degree }, Some(density)) => {
                fit_weighted(self.f, density, part, *degree)
            }
            (Piece::Fitted { degree }, None) => interpolate(self.f, part, *degree),
        }
    }

    /// The piece as it is returned: minimax instead of interpolated, unless the error is down to the digits of `f`.
    fn finish(&self, piece: &Piece, a: f64, b: f64) -> Result<Polynomial> {
        if let (Piece::Fitted { degree }, None) = (piece, &self.density) {
            let part = Interval::try_new(a, b)?;
            let minimax = Remez::new(|x| Dd::from((self.f)(x.to_f64())), part, *degree);
            if let Ok(minimax) = minimax.tolerance(LEVELLED).solve() {
                return Ok(minimax.polynomial);
            }
        }
        self.fit(piece, a, b)
    }

    /// Moves each break within its neighbouring cells by golden section while the cost falls.
    fn refine(&self, grid: &[f64], pieces: &[Piece], ends: &mut [f64]) -> Result<()> {
        for _ in 0..ROUNDS {
            let before = ends.to_vec();
            for k in 1..pieces.len() {
                let position = grid.partition_point(|&g| g < ends[k]);
                let lo = grid[position.saturating_sub(1)];
                let hi = grid[(grid.partition_point(|&g| g <= ends[k])).min(grid.len() - 1)];
                // Never all the way to a neighbouring break.
                let (left, right) = (ends[k - 1], ends[k + 1]);
                let lo = lo.max(left + (ends[k] - left) / 16.0);
                let hi = hi.min(right - (right - ends[k]) / 16.0);
                let cost = |t: f64| -> Result<f64> {
                    let left = self.cost(&pieces[k - 1], ends[k - 1], t)?;
                    Ok(self.combine(left, self.cost(&pieces[k], t, ends[k + 1])?))
                };
                let (at, least) = golden(&cost, lo, hi)?;
                if least < cost(ends[k])? {
                    ends[k] = at;
                }
            }
            if before == ends {
                break;
            }
        }
        Ok(())
    }
}

fn golden(f: &impl Fn(f64) -> Result<f64>, mut a: f64, mut b: f64) -> Result<(f64, f64)> {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut c, mut d) = (b - ratio * (b - a), a + ratio * (b - a));
    let (mut fc, mut fd) = (f(c)?, f(d)?);
    for _ in 0..SECTIONS {
        if fc <= fd {
            (b, d, fd) = (d, c, fc);
            c = b - ratio * (b - a);
            fc = f(c)?;
        } else {
            (a, c, fc) = (c, d, fd);
            d = a + ratio * (b - a);
            fd = f(d)?;
        }
    }
    Ok(if fc <= fd { (c, fc) } else { (d, fd) })
}

/// The least sum of weighted squares that a polynomial leaves, point by point: what the rotations do not absorb.
struct ResidualSum {
    triangle: Triangle,
    interval: Interval,
    row: Vec<f64>,
    squares: f64,
}

impl ResidualSum {
    fn new(degree: usize, interval: Interval) -> Self {
        ResidualSum {
            triangle: Triangle::new(degree + 1),
            interval,
            row: vec![0.0; degree + 2],
            squares: 0.0,
        }
    }

    fn add(&mut self, x: f64, y: f64, weight: f64) {
        chebyshev_row(&mut self.row, self.interval.to_unit(x), y, weight);
        self.triangle.fold(&mut self.row);
        self.squares += self.row[self.row.len() - 1].powi(2);
    }
}
