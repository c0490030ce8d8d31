//! The cosine fitted where the integers are.

use std::f64::consts::TAU;

use super::ModularMethod;
use crate::overflow::Overflow;
use crate::{Dd, Error, Interval, Polynomial, Result};

/// Probabilities count as at least this much: within the bound no integer is left out, so that the error stays small there.
const LEAST_PROBABILITY: f64 = 1.0 / (1u64 << 60) as f64;
/// Weight of the ends of a neighbourhood beside its centre. An error of 2^-10 times more at a message of a 256th is a relative
/// one, of 2^-2 of the error at zero.
const EDGE: f64 = 1.0 / (1u64 << 10) as f64;
/// Weight of the mean error: all coefficients share it and it meets in one slot, `2 √N / π` times as large as independent errors.
const MEAN: f64 = 128.0;

/// The even polynomial of `cos(2π v/2^r)`, `v = x - 1/4`, of least mean square error of the reduction at the integers.
///
/// An error of the cosine at `v` is multiplied by `2^r sin(2πv) / sin(2πv/2^r)` in the doublings, the derivative of
/// `cos 2^r θ` by `cos θ`. Each integer has three rows, at its centre and at both ends of its neighbourhood; one more row is the mean
/// of all errors. Solved by Givens rotations in double-double arithmetic (Golub and Van Loan, Matrix Computations, 5.2.5).
pub(super) fn cosine(
    overflow: &Overflow,
    bound: usize,
    radius: f64,
    method: ModularMethod,
) -> Result<Polynomial> {
    let interval = Interval::symmetric(bound as f64 + 0.25 + radius)?;
    let terms = method.degree / 2 + 1;
    let power = 2f64.powi(method.doublings as i32);
    let angle = Dd::PI * 2.0 / power;
    let mut triangle = Triangle::new(terms);
    let mut mean = vec![Dd::ZERO; terms + 1];
    let bound = bound as i64;
    for integer in -bound..=bound {
        let probability = overflow.probability(integer);
        for (offset, share) in [(0.0, 1.0), (radius, EDGE), (-radius, EDGE)] {
            let v = Dd::from(integer as f64 - 0.25) + offset;
            let theta = angle * v;
            let gain = power * (TAU * v.to_f64()).sin() / theta.sin().to_f64() / TAU;
            let mut row = even_row(v / interval.radius(), theta.cos(), terms);
            if offset == 0.0 {
                for (sum, term) in mean.iter_mut().zip(&row) {
                    *sum += *term * (MEAN * probability * gain);
                }
            }
            let weight = probability.max(LEAST_PROBABILITY).sqrt() * share * gain;
            row.iter_mut().for_each(|term| *term *= weight);
            triangle.fold(row);
        }
    }
    triangle.fold(mean);
    let coefficients = triangle.solve().ok_or(Error::Underdetermined {
        samples: 3 * (2 * bound as usize + 1),
        determined: method.degree - 2,
        degree: method.degree,
    })?;
    let mut all = vec![0.0; method.degree + 1];
    for (j, c) in coefficients.iter().enumerate() {
        all[2 * j] = c.to_f64();
    }
    Polynomial::chebyshev(interval, all)
}

/// `T₀(u), T₂(u), .., value`
fn even_row(u: Dd, value: Dd, terms: usize) -> Vec<Dd> {
    let w = u * u * 2.0 - Dd::ONE;
    let (mut last, mut next) = (Dd::ONE, w);
    let mut row = Vec::with_capacity(terms + 1);
    for _ in 0..terms {
        row.push(last);
        (last, next) = (next, w * next * 2.0 - last);
    }
    row.push(value);
    row
}

/// The triangular factor of rows of `n` terms and a right-hand side.
struct Triangle {
    rows: Vec<Vec<Dd>>,
}

impl Triangle {
    fn new(n: usize) -> Self {
        Triangle {
            rows: vec![vec![Dd::ZERO; n + 1]; n],
        }
    }

    /// Rotates a row in.
    fn fold(&mut self, mut row: Vec<Dd>) {
        for (k, pivot) in self.rows.iter_mut().enumerate() {
            let length = (pivot[k].square() + row[k].square()).sqrt();
            if length == 0.0 {
                continue;
            }
            let (c, s) = (pivot[k] / length, row[k] / length);
            for (p, r) in pivot[k..].iter_mut().zip(&mut row[k..]) {
                (*p, *r) = (c * *p + s * *r, c * *r - s * *p);
            }
        }
    }

    /// Back substitution; `None` where the rows do not determine the terms.
    fn solve(&self) -> Option<Vec<Dd>> {
        let n = self.rows.len();
        let largest = self
            .rows
            .iter()
            .enumerate()
            .map(|(k, row)| row[k].abs().to_f64());
        let negligible = largest.fold(0.0, f64::max) * n as f64 * Dd::EPSILON;
        let mut x = vec![Dd::ZERO; n];
        for (k, row) in self.rows.iter().enumerate().rev() {
            if row[k].abs() <= negligible {
                return None;
            }
            let known: Dd = (k + 1..n).map(|j| row[j] * x[j]).sum();
            x[k] = (row[n] - known) / row[k];
        }
        Some(x)
    }
}
