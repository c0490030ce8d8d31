//! The canonical embedding and its inverse as products of sparse matrices.
//!
//! Slot `j` of a polynomial with folded coefficients `w_k` is `Σ_k w_k ζ^(5^j k)`, `ζ = exp(2πi / 4n)`. The stages of the
//! fast transforms in both directions have two or three generalised diagonals; `ρ` stages in sequence, multiplied
//! out, have at most `2^(ρ+1) - 1` (Chen, Chillotti, Song, EUROCRYPT 2019; Han, Hhan, Cheon, 2019). Coefficients are in
//! bit-reversed order on the slots: what comes between works on each alone, so nothing is permuted.

use std::f64::consts::PI;

use num_complex::Complex64;

use crate::Matrix;

/// From slots to coefficients (bit-reversed), in `groups` factors, the first one applied first; their product lacks
/// the factor `1/n`.
#[must_use]
pub fn slots_to_coefficients(n: usize, groups: usize) -> Vec<Matrix> {
    let stages: Vec<Matrix> = lengths(n).rev().map(|len| inverse_stage(n, len)).collect();
    merged(n, &stages, groups)
}

/// From coefficients (bit-reversed) to slots, in `groups` factors, the first one applied first.
#[must_use]
pub fn coefficients_to_slots(n: usize, groups: usize) -> Vec<Matrix> {
    let stages: Vec<Matrix> = lengths(n).map(|len| forward_stage(n, len)).collect();
    merged(n, &stages, groups)
}

/// 2, 4, .., n
fn lengths(n: usize) -> impl DoubleEndedIterator<Item = usize> {
    (1..=n.trailing_zeros()).map(|k| 1 << k)
}

/// Twiddles of the stage with blocks of `len`: `exp(2πi (5^j mod 4 len) / 4 len)` for `j < len / 2`.
fn twiddles(len: usize) -> Vec<Complex64> {
    let order = 4 * len;
    let mut power = 1;
    (0..len / 2)
        .map(|_| {
            let w = Complex64::from_polar(1.0, 2.0 * PI * power as f64 / order as f64);
            power = power * 5 % order;
            w
        })
        .collect()
}

/// `(a, b) -> (a + w b, a - w b)` in every block.
fn forward_stage(n: usize, len: usize) -> Matrix {
    stage(n, len, |w| [[Complex64::ONE, w], [Complex64::ONE, -w]])
}

/// `(a, b) -> (a + b, (a - b) / w)` in every block.
fn inverse_stage(n: usize, len: usize) -> Matrix {
    stage(n, len, |w| [[Complex64::ONE; 2], [w.conj(), -w.conj()]])
}

/// A butterfly for every twiddle of a block: rows of the new `a` and `b`, columns of the old ones.
fn stage(n: usize, len: usize, butterfly: impl Fn(Complex64) -> [[Complex64; 2]; 2]) -> Matrix {
    let half = len / 2;
    let mut m = Matrix::zero(n, len);
    for (i, w) in twiddles(len).into_iter().enumerate() {
        let [a, b] = butterfly(w);
        m.add(i, 0, a[0]);
        m.add(i, half as isize, a[1]);
        m.add(i + half, -(half as isize), b[0]);
        m.add(i + half, 0, b[1]);
    }
    m
}

/// The stages multiplied out in `groups` products of nearly equal length, or one for each stage; later ones are not
/// longer. One slot has no stage, and the identity.
fn merged(n: usize, stages: &[Matrix], groups: usize) -> Vec<Matrix> {
    if stages.is_empty() {
        return vec![Matrix::from_diagonal(vec![Complex64::ONE; n])];
    }
    let groups = groups.clamp(1, stages.len());
    let (each, more) = (stages.len() / groups, stages.len() % groups);
    let mut rest = stages;
    (0..groups)
        .filter_map(|g| {
            let (group, after) = rest.split_at(each + usize::from(g < more));
            rest = after;
            group
                .iter()
                .cloned()
                .reduce(|product, stage| stage.times(&product))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(n: usize) -> Vec<Complex64> {
        (0..n)
            .map(|k| Complex64::new((k as f64 * 0.7).sin(), (k as f64 * 1.3 + 0.2).cos()))
            .collect()
    }

    fn apply(factors: &[Matrix], x: &[Complex64]) -> Vec<Complex64> {
        factors.iter().fold(x.to_vec(), |x, m| m.apply(&x))
    }

    #[test]
    fn factors_are_the_embedding() {
        let n = 64usize;
        let w = vector(n);
        let reversed: Vec<Complex64> = (0..n)
            .map(|i| w[i.reverse_bits() >> (usize::BITS - n.trailing_zeros())])
            .collect();
        let mut power = 1;
        let slots: Vec<Complex64> = (0..n)
            .map(|_| {
                let value = (0..n)
                    .map(|k| {
                        let angle = 2.0 * PI * ((power * k) % (4 * n)) as f64 / (4 * n) as f64;
                        w[k] * Complex64::from_polar(1.0, angle)
                    })
                    .sum();
                power = power * 5 % (4 * n);
                value
            })
            .collect();
        for groups in [1, 2, 3, 6, 9] {
            let close = |a: &[Complex64], b: &[Complex64]| {
                a.iter().zip(b).all(|(a, b)| (a - b).norm() < 1e-10)
            };
            let forward = coefficients_to_slots(n, groups);
            assert!(close(&apply(&forward, &reversed), &slots));
            let back: Vec<Matrix> = slots_to_coefficients(n, groups);
            let coefficients = apply(&back, &slots);
            let coefficients: Vec<_> = coefficients.iter().map(|c| c / n as f64).collect();
            assert!(close(&coefficients, &reversed));
        }
    }

    #[test]
    fn merged_stages_have_few_diagonals() {
        // Four groups of 15 stages: 4, 4, 4, 3. Offsets of the widest wrap round.
        let count = |m: &Matrix| m.diagonals().len();
        let n = 1 << 9;
        let factors = slots_to_coefficients(n, 3);
        assert_eq!(factors.iter().map(count).collect::<Vec<_>>(), [8, 15, 15]);
        let factors = coefficients_to_slots(n, 2);
        assert_eq!(factors.iter().map(count).collect::<Vec<_>>(), [63, 16]);
    }
}
