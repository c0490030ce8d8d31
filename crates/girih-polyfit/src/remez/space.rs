//! The polynomials among which the best is sought: a basis of them, well conditioned on the domain.

use crate::{Basis, Dd, Interval};

/// Points of the grid on which a basis is made orthogonal, for each of its polynomials.
const GRID_PER_POLYNOMIAL: usize = 8;

/// Where free coefficients may be: indices in a basis, all of one parity or not.
#[derive(Clone, Debug)]
pub(super) struct Free {
    /// In increasing order, at least one.
    pub(super) indices: Vec<usize>,
    /// Of what they are indices.
    pub(super) basis: Basis,
    /// 1, or 2 if all indices have the same parity by request.
    pub(super) stride: usize,
}

/// A basis `φ₀ .. φ₍ₘ₋₁₎`.
pub(super) struct Space {
    interval: Interval,
    kind: Kind,
    dimension: usize,
}

enum Kind {
    /// `yˢ qₖ(t)` with `t = u` or `u²` and polynomials `q` orthogonal on the domain, by their recurrence
    /// `qₖ₊₁ = γₖ ((t - αₖ) qₖ - βₖ₋₁ qₖ₋₁)` with `γ ≈ 1/β`. Any real numbers `α`, `β`, `γ ≠ 0` define a basis
    /// exactly; their rounding only makes it a little less orthogonal.
    Recurrence {
        /// The exponent `s`.
        lowest: usize,
        /// `y = x / scale` if the powers are those of `x`, else `y = u`.
        from_zero: bool,
        stride: usize,
        first: f64,
        alpha: Vec<f64>,
        beta: Vec<f64>,
        gamma: Vec<f64>,
    },
    /// `yᵉ Tₜ(u)` with `y = x / scale` for pairs `(e, t)`; `powers` if they span powers of `x`.
    Raw {
        terms: Vec<(usize, usize)>,
        powers: bool,
    },
}

impl Space {
    /// A basis for the free coefficients; `interval` is that of the Chebyshev basis and `pieces` is where the
    /// approximation has to be good.
    pub(super) fn new(
        interval: Interval,
        free: &Free,
        constrained: bool,
        pieces: &[(f64, f64)],
    ) -> Self {
        let (lowest, m) = (free.indices[0], free.indices.len());
        let contiguous = free.indices.windows(2).all(|w| w[1] - w[0] == free.stride);
        let powers = free.basis == Basis::Power && constrained;
        if !contiguous || (!powers && lowest >= free.stride) {
            let powers = free.basis == Basis::Power;
            let terms = if powers {
                power_terms(free)
            } else {
                free.indices.iter().map(|&k| (0, k)).collect()
            };
            let kind = Kind::Raw { terms, powers };
            return Space {
                interval,
                kind,
                dimension: m,
            };
        }
        let mut space = Space {
            interval,
            kind: Kind::Recurrence {
                lowest,
                from_zero: powers,
                stride: free.stride,
                first: 1.0,
                alpha: Vec::new(),
                beta: Vec::new(),
                gamma: Vec::new(),
            },
            dimension: m,
        };
        // One more than needed, to choose as many points as a reference has.
        space.orthogonalize(m + 1, pieces);
        space
    }

    /// Stieltjes' procedure on Chebyshev points of every piece, in double precision.
    fn orthogonalize(&mut self, m: usize, pieces: &[(f64, f64)]) {
        let xs: Vec<f64> = grid(pieces, GRID_PER_POLYNOMIAL * (m + 2)).collect();
        let ts: Vec<f64> = xs.iter().map(|&x| self.step(x).hi()).collect();
        let mut q: Vec<f64> = xs.iter().map(|&x| self.prefactor(x).hi()).collect();
        let mut before = vec![0.0; q.len()];
        let norm = |q: &[f64]| (q.iter().map(|v| v * v).sum::<f64>() / q.len() as f64).sqrt();
        let Kind::Recurrence {
            first,
            alpha,
            beta,
            gamma,
            ..
        } = &mut self.kind
        else {
            return;
        };
        *first = norm(&q).recip();
        q.iter_mut().for_each(|v| *v *= *first);
        let mut last = 0.0;
        for _ in 1..m {
            let a = ts.iter().zip(&q).map(|(t, v)| t * v * v).sum::<f64>() / q.len() as f64;
            let mut next: Vec<f64> = (0..q.len())
                .map(|i| (ts[i] - a) * q[i] - last * before[i])
                .collect();
            let b = norm(&next);
            next.iter_mut().for_each(|v| *v /= b);
            before = std::mem::replace(&mut q, next);
            alpha.push(a);
            beta.push(b);
            gamma.push(1.0 / b);
            last = b;
        }
    }

    /// Number of polynomials in the basis.
    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// `dimension + 1` points of the pieces at which no polynomial of one degree more can be large between them:
    /// approximate Fekete points (Sommariva and Vianello 2009), from a QR factorisation with pivots of the basis on
    /// a grid. A good first reference (Filip, ACM TOMS 43, 2016).
    pub(super) fn fekete_points(&self, pieces: &[(f64, f64)]) -> Vec<f64> {
        let wanted = self.dimension + 1;
        let mut xs: Vec<f64> = grid(pieces, GRID_PER_POLYNOMIAL / 2 * (wanted + 2)).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let mut rows: Vec<Vec<f64>> = xs
            .iter()
            .map(|&x| match &self.kind {
                Kind::Recurrence { .. } => {
                    self.recurrence(x, wanted).iter().map(|v| v.hi()).collect()
                }
                Kind::Raw { .. } => self.values(x).iter().map(|v| v.hi()).collect(),
            })
            .collect();
        let mut chosen = Vec::with_capacity(wanted);
        while chosen.len() < wanted {
            let norm = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>();
            let Some(k) =
                (0..rows.len()).max_by(|&i, &j| norm(&rows[i]).total_cmp(&norm(&rows[j])))
            else {
                break;
            };
            let size = norm(&rows[k]).sqrt();
            let pivot: Vec<f64> = rows
                .swap_remove(k)
                .iter()
                .map(|v| v / size.max(f64::MIN_POSITIVE))
                .collect();
            chosen.push(xs.swap_remove(k));
            for row in &mut rows {
                let dot: f64 = row.iter().zip(&pivot).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(&pivot).for_each(|(a, b)| *a -= dot * b);
            }
        }
        chosen.sort_by(f64::total_cmp);
        chosen
    }

    /// Whether every reference of `m + 1` points on the pieces has errors of alternating sign (up to that of
    /// [`sign`](Self::sign)): the space is a Chebyshev system there.
    pub(super) fn alternates(&self, pieces: &[(f64, f64)]) -> bool {
        match &self.kind {
            Kind::Recurrence { .. } => true,
            // Powers of a positive number, any of them, are a Chebyshev system (Descartes).
            Kind::Raw { powers, .. } => {
                *powers && (pieces.iter().all(|p| p.0 >= 0.0) || pieces.iter().all(|p| p.1 <= 0.0))
            }
        }
    }

    /// The sign of the factor that all polynomials share; 0 where they all vanish.
    pub(super) fn sign(&self, x: f64) -> f64 {
        let prefactor = match &self.kind {
            Kind::Recurrence { .. } => self.prefactor(x).hi(),
            Kind::Raw { terms, .. } if x == 0.0 && terms.iter().all(|t| t.0 > 0) => 0.0,
            Kind::Raw { .. } => 1.0,
        };
        if prefactor == 0.0 {
            0.0
        } else {
            prefactor.signum()
        }
    }

    fn unit(&self, x: f64) -> Dd {
        (Dd::from(x) - self.interval.center()) / self.interval.radius()
    }

    /// The largest magnitude on the interval, by which powers are scaled.
    fn scale(&self) -> f64 {
        self.interval.lo().abs().max(self.interval.hi().abs())
    }

    fn prefactor(&self, x: f64) -> Dd {
        let Kind::Recurrence {
            lowest, from_zero, ..
        } = self.kind
        else {
            return Dd::ONE;
        };
        let y = if from_zero {
            Dd::from(x) / self.scale()
        } else {
            self.unit(x)
        };
        y.powi(lowest as i32)
    }

    fn step(&self, x: f64) -> Dd {
        let u = self.unit(x);
        match self.kind {
            Kind::Recurrence { stride: 2, .. } => u.square(),
            _ => u,
        }
    }

    /// `φ₀(x) .. φ₍ₘ₋₁₎(x)`
    pub(super) fn values(&self, x: f64) -> Vec<Dd> {
        match &self.kind {
            Kind::Recurrence { .. } => self.recurrence(x, self.dimension),
            Kind::Raw { terms, .. } => {
                let (y, u) = (Dd::from(x) / self.scale(), self.unit(x));
                let largest =
                    |part: fn(&(usize, usize)) -> usize| terms.iter().map(part).max().unwrap_or(0);
                let powers: Vec<Dd> = std::iter::successors(Some(Dd::ONE), |&p| Some(p * y))
                    .take(largest(|t| t.0) + 1)
                    .collect();
                let mut chebyshev = vec![Dd::ONE, u];
                for k in 1..largest(|t| t.1) {
                    chebyshev.push(u * chebyshev[k] * 2.0 - chebyshev[k - 1]);
                }
                terms
                    .iter()
                    .map(|&(e, t)| powers[e] * chebyshev[t])
                    .collect()
            }
        }
    }

    /// The first `count` values by the recurrence.
    fn recurrence(&self, x: f64, count: usize) -> Vec<Dd> {
        let Kind::Recurrence {
            first,
            alpha,
            beta,
            gamma,
            ..
        } = &self.kind
        else {
            return Vec::new();
        };
        let t = self.step(x);
        let mut q = Vec::with_capacity(count);
        q.push(self.prefactor(x) * *first);
        for k in 0..count - 1 {
            let mut next = (t - alpha[k]) * q[k];
            if k > 0 {
                next -= q[k - 1] * beta[k - 1];
            }
            q.push(next * gamma[k]);
        }
        q
    }

    /// `Σ cₖ φₖ(x)`
    pub(super) fn eval(&self, coefficients: &[Dd], x: f64) -> Dd {
        match &self.kind {
            Kind::Recurrence {
                first,
                alpha,
                beta,
                gamma,
                ..
            } => {
                let t = self.step(x);
                let (mut before, mut q) = (Dd::ZERO, self.prefactor(x) * *first);
                let mut sum = coefficients[0] * q;
                for k in 0..self.dimension - 1 {
                    let mut next = (t - alpha[k]) * q;
                    if k > 0 {
                        next -= before * beta[k - 1];
                    }
                    (before, q) = (q, next * gamma[k]);
                    sum += coefficients[k + 1] * q;
                }
                sum
            }
            Kind::Raw { .. } => coefficients
                .iter()
                .zip(self.values(x))
                .map(|(&c, v)| c * v)
                .sum(),
        }
    }

    /// `Σ cₖ φₖ` in the Chebyshev basis of the interval, `length` coefficients.
    pub(super) fn to_chebyshev(&self, coefficients: &[Dd], length: usize) -> Vec<Dd> {
        let mut sum = vec![Dd::ZERO; length];
        let add = |sum: &mut Vec<Dd>, c: Dd, p: &[Dd]| {
            for (s, &v) in sum.iter_mut().zip(p) {
                *s += c * v;
            }
        };
        match &self.kind {
            Kind::Recurrence {
                lowest,
                from_zero,
                stride,
                first,
                alpha,
                beta,
                gamma,
            } => {
                let mut q = vec![Dd::ZERO; length];
                q[0] = Dd::from(*first);
                for _ in 0..*lowest {
                    q = if *from_zero {
                        self.times_x(&q)
                    } else {
                        times_u(&q)
                    };
                }
                let mut before = vec![Dd::ZERO; length];
                add(&mut sum, coefficients[0], &q);
                for k in 0..self.dimension - 1 {
                    let mut next = times_u(&q);
                    if *stride == 2 {
                        next = times_u(&next);
                    }
                    for i in 0..length {
                        next[i] -= q[i] * alpha[k];
                        if k > 0 {
                            next[i] -= before[i] * beta[k - 1];
                        }
                        next[i] *= gamma[k];
                    }
                    before = std::mem::replace(&mut q, next);
                    add(&mut sum, coefficients[k + 1], &q);
                }
            }
            Kind::Raw { terms, .. } => {
                for (&(e, t), &c) in terms.iter().zip(coefficients) {
                    let mut p = vec![Dd::ZERO; length];
                    p[t] = Dd::ONE;
                    for _ in 0..e {
                        p = self.times_x(&p);
                    }
                    add(&mut sum, c, &p);
                }
            }
        }
        sum
    }

    /// The product with `x / scale`.
    fn times_x(&self, p: &[Dd]) -> Vec<Dd> {
        let (center, radius) = (self.interval.center(), self.interval.radius());
        let scale = self.scale();
        times_u(p)
            .iter()
            .zip(p)
            .map(|(&u, &one)| (u * radius + one * center) / scale)
            .collect()
    }
}

/// Chebyshev points of every piece, `points` in each.
fn grid(pieces: &[(f64, f64)], points: usize) -> impl Iterator<Item = f64> {
    pieces.iter().flat_map(move |&(lo, hi)| {
        (0..points).map(move |j| {
            let angle = std::f64::consts::PI * (j as f64 + 0.5) / points as f64;
            (lo + hi) / 2.0 + (hi - lo) / 2.0 * angle.cos()
        })
    })
}

/// Chebyshev coefficients of `u · p(u)`; the last one is dropped and has to be zero.
pub(super) fn times_u(p: &[Dd]) -> Vec<Dd> {
    let mut out = vec![Dd::ZERO; p.len()];
    for (k, &c) in p.iter().enumerate() {
        if c == 0.0 {
            continue;
        }
        let share = if k == 0 { c } else { c * 0.5 };
        if k + 1 < out.len() {
            out[k + 1] += share;
        }
        if k > 0 {
            out[k - 1] += share;
        }
    }
    out
}

/// Powers of `x`, better conditioned: a run of consecutive indices from `a` on is spanned by `yᵃ Tⱼ(u)` too.
fn power_terms(free: &Free) -> Vec<(usize, usize)> {
    let mut terms: Vec<(usize, usize)> = Vec::with_capacity(free.indices.len());
    for &k in &free.indices {
        match terms.last() {
            // (With a stride of 2 the centre is 0 and T₀, T₂, T₄ .. are even.)
            Some(&(e, t)) if e + t + free.stride == k => terms.push((e, t + free.stride)),
            _ => terms.push((k, 0)),
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn clenshaw(coefficients: &[Dd], u: Dd) -> Dd {
        let (mut b1, mut b2) = (Dd::ZERO, Dd::ZERO);
        for &c in coefficients[1..].iter().rev() {
            (b1, b2) = (u * b1 * 2.0 - b2 + c, b1);
        }
        u * b1 - b2 + coefficients[0]
    }

    #[test]
    fn every_basis_converts() {
        let interval = Interval::try_new(-1.0, 3.0).unwrap();
        let pieces = [(-1.0, 0.5), (2.0, 3.0)];
        let free = |indices: &[usize], basis, stride| Free {
            indices: indices.to_vec(),
            basis,
            stride,
        };
        for (free, constrained) in [
            (free(&[0, 1, 2, 3, 4, 5], Basis::Chebyshev, 1), false),
            (free(&[1, 3, 5], Basis::Chebyshev, 2), false),
            (free(&[0, 2, 4], Basis::Chebyshev, 2), false),
            (free(&[2, 3, 4, 5], Basis::Power, 1), true),
            (free(&[0, 2, 3], Basis::Chebyshev, 1), true),
            (free(&[1, 2, 5], Basis::Power, 1), true),
        ] {
            let space = Space::new(interval, &free, constrained, &pieces);
            let m = space.dimension();
            assert_eq!(m, free.indices.len());
            let c: Vec<Dd> = (0..m).map(|k| Dd::from(k as f64 - 1.5) / 3.0).collect();
            let chebyshev = space.to_chebyshev(&c, 6);
            for x in [-1.0, -0.3, 0.0, 2.2, 3.0] {
                let sum: Dd = space.values(x).iter().zip(&c).map(|(&v, &c)| v * c).sum();
                let (a, b) = (space.eval(&c, x), clenshaw(&chebyshev, space.unit(x)));
                assert!(
                    (a - sum).abs() < 1e-28 && (a - b).abs() < 1e-28,
                    "{free:?} {x}: {a} {b}"
                );
            }
        }
    }

    /// Well conditioned even for an even basis far from the centre.
    #[test]
    fn orthogonal_on_the_domain() {
        let free = Free {
            indices: (0..30).map(|k| 2 * k + 1).collect(),
            basis: Basis::Chebyshev,
            stride: 2,
        };
        let space = Space::new(
            Interval::symmetric(1.1).unwrap(),
            &free,
            false,
            &[(0.9, 1.1)],
        );
        for k in 0..=100 {
            let values = space.values(0.9 + 0.002 * f64::from(k));
            assert!(values.iter().all(|v| v.hi().abs() < 20.0), "{values:?}");
        }
    }
}
