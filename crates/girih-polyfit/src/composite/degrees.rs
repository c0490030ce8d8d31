//! Which degrees a composite sign should have: dynamic programming over products and levels.

use std::collections::HashMap;

use crate::{Error, Interval, Polynomial, PolynomialPlan, Result};

use super::exchange::{COARSE, COARSE_ERROR, OddSign};
use super::next_range;

/// The largest degree that is considered: 5 levels. Two factors of degree 7 reach further than one of degree 63 at the same
/// depth with fewer products.
const LARGEST_CHOICE: usize = 31;
/// More levels than any use has; the search for the depth that would do ends here.
pub(super) const DEEPEST: usize = 40;
/// Products per level are fewer than this for every factor offered.
const PRODUCTS_PER_LEVEL: usize = 3;

/// A factor that may be used.
#[derive(Clone, Copy)]
struct Choice {
    degree: usize,
    depth: usize,
    products: usize,
}

/// The best that some levels and products can reach.
#[derive(Clone, Copy)]
struct State {
    /// `max |1 - p|`; one before the first factor.
    error: f64,
    /// Left end of the range of the next factor, in proportion to its right end.
    lo: f64,
    /// The factor taken last, with the levels and products before it; `None` at the start.
    last: Option<(Choice, usize, usize)>,
    /// Whether this state is not merely one of less cost.
    fresh: bool,
}

/// Levels below which no polynomial at all is within `error` of `|x|` on `[-1, 1]`: `2n E₂ₙ(|x|)` grows from 1/4 at
/// `n = 1` to 0.2802 (Bernstein; Varga and Carpenter, Constr. Approx. 1, 1985), and `x s(x)` has at most the degree
/// `2^levels`.
pub(super) fn fewest_levels(error: f64) -> usize {
    (0.25 / error).log2().ceil().max(1.0) as usize
}

/// The factors of least products (then levels) that bring `[gap, 1]` to within `error` of one in at most `depth` levels.
///
/// The error of a factor grows with its range, so the best composite of given cost has the best beginning of what
/// cost is left (Lee, Lee, No and Kim, section 4).
pub(super) fn choose(gap: f64, error: f64, depth: usize) -> Result<Vec<usize>> {
    let mut search = Search::new();
    let (found, reached) = search.run(gap, error, depth)?;
    if let Some(degrees) = found {
        return Ok(degrees);
    }
    for needed in (depth + 1).max(fewest_levels(gap.max(error)))..=DEEPEST {
        if search.run(gap, error, needed)?.0.is_some() {
            return Err(Error::Depth {
                target: error,
                depth,
                reached,
                needed: Some(needed),
            });
        }
    }
    Err(Error::Depth {
        target: error,
        depth,
        reached,
        needed: None,
    })
}

/// The choices, and the errors computed so far.
pub(super) struct Search {
    choices: Vec<Choice>,
    errors: HashMap<(usize, u64), f64>,
}

impl Search {
    pub(super) fn new() -> Self {
        let all: Vec<Choice> = (3..=LARGEST_CHOICE).step_by(2).filter_map(choice).collect();
        // A larger degree of the same cost is better.
        let dominated = |c: &Choice| {
            all.iter()
                .any(|o| o.degree > c.degree && o.depth <= c.depth && o.products <= c.products)
        };
        let choices = all.iter().filter(|c| !dominated(c)).copied().collect();
        Search {
            choices,
            errors: HashMap::new(),
        }
    }

    fn error(&mut self, lo: f64, degree: usize) -> Result<f64> {
        if let Some(&error) = self.errors.get(&(degree, lo.to_bits())) {
            return Ok(error);
        }
        let error = OddSign::new(lo, degree, COARSE)?.error;
        self.errors.insert((degree, lo.to_bits()), error);
        Ok(error)
    }

    /// The degrees, or `None`, and the least error found.
    pub(super) fn run(
        &mut self,
        gap: f64,
        error: f64,
        depth: usize,
    ) -> Result<(Option<Vec<usize>>, f64)> {
        let error = error * (1.0 - COARSE_ERROR);
        let start = State {
            error: 1.0,
            lo: gap,
            last: None,
            fresh: true,
        };
        // table[products][levels]
        let mut table = vec![vec![start; depth + 1]];
        for state in &mut table[0][1..] {
            state.fresh = false;
        }
        for products in 1..=PRODUCTS_PER_LEVEL * depth {
            let mut row = Vec::with_capacity(depth + 1);
            for levels in 0..=depth {
                let state = self.extend(&table, &row, products, levels)?;
                row.push(state);
            }
            table.push(row);
            let found = table[products].iter().position(|s| s.error <= error);
            if let Some(levels) = found {
                return Ok((Some(path(&table, products, levels)), error));
            }
        }
        let reached = table.iter().flatten().map(|s| s.error);
        Ok((None, reached.fold(1.0, f64::min)))
    }

    /// The best state of these products and levels; `row` holds those of fewer levels.
    fn extend(
        &mut self,
        table: &[Vec<State>],
        row: &[State],
        products: usize,
        levels: usize,
    ) -> Result<State> {
        let mut best = State {
            fresh: false,
            ..table[products - 1][levels]
        };
        if let Some(less) = row.last().filter(|s| s.error < best.error) {
            best = State {
                fresh: false,
                ..*less
            };
        }
        for choice in self.choices.clone() {
            if choice.depth > levels || choice.products > products {
                continue;
            }
            let (m, n) = (products - choice.products, levels - choice.depth);
            let before = table[m][n];
            if !before.fresh {
                continue;
            }
            let error = self.error(before.lo, choice.degree)?;
            if error < best.error {
                best = State {
                    error,
                    lo: next_range(error).0,
                    last: Some((choice, m, n)),
                    fresh: true,
                };
            }
        }
        Ok(best)
    }
}

/// Depth and products of an odd polynomial of this degree.
fn choice(degree: usize) -> Option<Choice> {
    // Coefficients of no special value: none is dropped or free.
    let coefficients: Vec<f64> = (0..=degree)
        .map(|k| if k % 2 == 1 { 0.3 / k as f64 } else { 0.0 })
        .collect();
    let polynomial = Polynomial::chebyshev(Interval::UNIT, coefficients).ok()?;
    let plan = PolynomialPlan::new(&polynomial);
    Some(Choice {
        degree,
        depth: plan.unit_depth(),
        products: plan.counts().products,
    })
}

fn path(table: &[Vec<State>], products: usize, levels: usize) -> Vec<usize> {
    let mut degrees = Vec::new();
    let mut state = table[products][levels];
    while let Some((choice, m, n)) = state.last {
        degrees.push(choice.degree);
        state = table[m][n];
    }
    degrees.reverse();
    degrees
}
