//! How the inputs of a function are distributed: the weight of least-squares fits.
//!
//! A [`Density`] is piecewise constant: bins and the mass of each. Measured inputs come that way (samples are binned,
//! histograms are taken as they are), and the parametric densities are cut into bins with their exact masses. So every
//! integral against a density is a sum over bins, and the edges and masses are all there is to store.

use crate::erf::erf;
use crate::{Error, Interval, Result};

mod quadrature;

use quadrature::{EIGHT, Rule, SIXTEEN};

/// Bins of the parametric densities: the normal one has bins of a 40th of a deviation.
const PARAMETRIC_BINS: usize = 480;
/// The normal density is cut here: the mass outside is `2 Φ(-6) = 2·10⁻⁹`.
const NORMAL_CUT: f64 = 6.0;
/// The Laplace density is cut here: the mass outside is `e⁻²⁰ = 2·10⁻⁹`.
const LAPLACE_CUT: f64 = 20.0;
/// Bins of a sample: at least and at most.
const SAMPLE_BINS: (usize, usize) = (16, 1024);
/// Degree up to which [`Density::expectation`] resolves products of two polynomials on the support.
const EXPECTATION_DEGREE: usize = 128;

/// A probability density, constant on each of its bins and zero elsewhere.
///
/// ```
/// use girih_polyfit::Density;
///
/// let density = Density::from_histogram(&[-2.0, -1.0, 0.0, 1.0], &[1.0, 2.0, 5.0])?;
/// assert_eq!(density.mass(-1.0, 0.5), 0.25 + 0.625 / 2.0);
/// assert_eq!(density.quantile(0.375), 0.0);
/// # Ok::<(), girih_polyfit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    edges: Vec<f64>,
    masses: Vec<f64>,
    /// Mass left of each edge.
    cumulative: Vec<f64>,
}

impl Density {
    /// The histogram of samples, in `range / (2 · interquartile range · n^(-1/3))` equal bins (Freedman and Diaconis
    /// 1981), at least 16 and at most 1024, from the smallest sample to the largest.
    ///
    /// # Errors
    /// A sample that is not finite (the first, with its index), or fewer than two different samples.
    pub fn from_samples(samples: &[f64]) -> Result<Self> {
        let sorted = sorted(samples)?;
        let n = sorted.len();
        let quartiles = sorted[(3 * n / 4).min(n - 1)] - sorted[n / 4];
        let width = 2.0 * quartiles / (n as f64).cbrt();
        let range = sorted[n - 1] - sorted[0];
        // A quotient by zero saturates to the most bins.
        let bins = (range / width).ceil() as usize;
        Self::histogram(&sorted, bins.clamp(SAMPLE_BINS.0, SAMPLE_BINS.1))
    }

    /// The histogram of samples in the given number of equal bins, from the smallest sample to the largest.
    ///
    /// # Errors
    /// As [`from_samples`](Self::from_samples), or no bin.
    pub fn from_samples_in_bins(samples: &[f64], bins: usize) -> Result<Self> {
        Self::histogram(&sorted(samples)?, bins)
    }

    fn histogram(sorted: &[f64], bins: usize) -> Result<Self> {
        let (lo, hi) = (sorted[0], sorted[sorted.len() - 1]);
        let range = Interval::try_new(lo, hi)?;
        let mut counts = vec![0.0; bins];
        for x in sorted {
            let bin = ((x - lo) / (hi - lo) * bins as f64) as usize;
            if let Some(count) = counts.get_mut(bin.min(bins.saturating_sub(1))) {
                *count += 1.0;
            }
        }
        Self::from_histogram(&equal_edges(range, bins), &counts)
    }

    /// The density that is constant between neighbouring `edges`, with masses in proportion to `counts`.
    ///
    /// # Errors
    /// Not one edge more than counts, edges that do not increase, a count that is negative or not finite, or no positive one.
    pub fn from_histogram(edges: &[f64], counts: &[f64]) -> Result<Self> {
        let total: f64 = counts.iter().sum();
        if edges.len() != counts.len() + 1 || total == 0.0 {
            return Err(Error::Histogram {
                edges: edges.len(),
                counts: counts.len(),
            });
        }
        for (index, (pair, &count)) in edges.windows(2).zip(counts).enumerate() {
            let (lo, hi) = (pair[0], pair[1]);
            let usable = (hi - lo).is_finite() && lo < hi && count >= 0.0 && total.is_finite();
            if !usable {
                return Err(Error::Bin {
                    index,
                    lo,
                    hi,
                    count,
                });
            }
        }
        Interval::try_new(edges[0], edges[counts.len()])?;
        let masses: Vec<f64> = counts.iter().map(|c| c / total).collect();
        let mut cumulative = Vec::with_capacity(edges.len());
        cumulative.push(0.0);
        let mut sum = 0.0;
        for mass in &masses {
            sum += mass;
            cumulative.push(sum);
        }
        Ok(Density {
            edges: edges.to_vec(),
            masses,
            cumulative,
        })
    }

    /// The same density on the whole interval.
    #[must_use]
    pub fn uniform(interval: Interval) -> Self {
        Density {
            edges: vec![interval.lo(), interval.hi()],
            masses: vec![1.0],
            cumulative: vec![0.0, 1.0],
        }
    }

    /// The normal density, cut six deviations from its mean (mass outside: 2·10⁻⁹), in 480 bins of exact mass.
    ///
    /// # Errors
    /// A deviation that is not positive, or a parameter that is not finite.
    pub fn normal(mean: f64, deviation: f64) -> Result<Self> {
        positive("deviation", deviation)?;
        // The mass of a bin as a difference of two tails on its side, where they are small.
        let below = |z: f64| (1.0 + erf(z * std::f64::consts::FRAC_1_SQRT_2)) / 2.0;
        Self::parametric(mean, deviation, NORMAL_CUT, below)
    }

    /// The Laplace density `exp(-|x - mean| / scale) / (2 scale)`, cut 20 scales from its mean (mass outside: 2·10⁻⁹),
    /// in 480 bins of exact mass. Its deviation is `√2 · scale`.
    ///
    /// # Errors
    /// A scale that is not positive, or a parameter that is not finite.
    pub fn laplace(mean: f64, scale: f64) -> Result<Self> {
        positive("scale", scale)?;
        let below = |z: f64| {
            if z < 0.0 {
                z.exp() / 2.0
            } else {
                1.0 - (-z).exp() / 2.0
            }
        };
        Self::parametric(mean, scale, LAPLACE_CUT, below)
    }

    /// Bins of `mean + scale · [-cut, cut]`, symmetric by construction: masses are computed left of the mean.
    fn parametric(mean: f64, scale: f64, cut: f64, below: impl Fn(f64) -> f64) -> Result<Self> {
        let range = Interval::try_new(mean - cut * scale, mean + cut * scale)?;
        let half = PARAMETRIC_BINS / 2;
        let z = |k: usize| cut * (k as f64 / half as f64 - 1.0);
        let left: Vec<f64> = (0..half).map(|k| below(z(k + 1)) - below(z(k))).collect();
        let counts: Vec<f64> = left.iter().chain(left.iter().rev()).copied().collect();
        Self::from_histogram(&equal_edges(range, PARAMETRIC_BINS), &counts)
    }

    /// The ends of the bins, from left to right. With the [`masses`](Self::masses), all that makes up the density:
    /// [`from_histogram`](Self::from_histogram) takes both.
    #[must_use]
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The mass of each bin; they sum to one.
    #[must_use]
    pub fn masses(&self) -> &[f64] {
        &self.masses
    }

    /// The density at `x`, that of the bin to the right at an inner edge; zero outside the support.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        if !self.support().contains(x) {
            return 0.0;
        }
        let bin = self.bin(x);
        self.masses[bin] / (self.edges[bin + 1] - self.edges[bin])
    }

    /// `∫ density` over `[lo, hi]`; zero if the ends are reversed.
    #[must_use]
    pub fn mass(&self, lo: f64, hi: f64) -> f64 {
        (self.below(hi) - self.below(lo)).max(0.0)
    }

    /// Mass left of `x`.
    fn below(&self, x: f64) -> f64 {
        let support = self.support();
        if x <= support.lo() {
            return 0.0;
        }
        if x >= support.hi() {
            return self.cumulative[self.masses.len()];
        }
        let bin = self.bin(x);
        let (lo, hi) = (self.edges[bin], self.edges[bin + 1]);
        self.cumulative[bin] + self.masses[bin] * ((x - lo) / (hi - lo))
    }

    /// The bin that holds a point of the support.
    fn bin(&self, x: f64) -> usize {
        let right = self.edges.partition_point(|&e| e <= x);
        right.saturating_sub(1).min(self.masses.len() - 1)
    }

    /// The smallest `x` with mass `p` to its left; the ends of the positive bins for `p` at most 0 or at least 1.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let last = self.masses.iter().rposition(|m| *m > 0.0).unwrap_or(0);
        let first = self.masses.iter().position(|m| *m > 0.0).unwrap_or(0);
        if p.is_nan() || p <= 0.0 {
            return self.edges[first];
        }
        let bin = self.cumulative[1..].partition_point(|&c| c < p);
        if bin > last {
            return self.edges[last + 1];
        }
        let share = (p - self.cumulative[bin]) / self.masses[bin];
        let (lo, hi) = (self.edges[bin], self.edges[bin + 1]);
        (lo + (hi - lo) * share).clamp(lo, hi)
    }

    /// From the first edge to the last.
    #[must_use]
    pub fn support(&self) -> Interval {
        let (lo, hi) = (self.edges[0], self.edges[self.masses.len()]);
        // why: from_histogram has built this interval
        Interval::try_new(lo, hi).unwrap_or(Interval::UNIT)
    }

    /// `E[x]`
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.bins()
            .map(|(lo, hi, m)| m * (lo / 2.0 + hi / 2.0))
            .sum()
    }

    /// The root of `E[(x - mean)²]`.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares = self.bins().map(|(lo, hi, m)| {
            let (a, b) = (lo - mean, hi - mean);
            m * (a * a + a * b + b * b) / 3.0
        });
        squares.sum::<f64>().sqrt()
    }

    /// `(lo, hi, mass)` of every bin.
    pub fn bins(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let edges = self.edges.windows(2);
        edges.zip(&self.masses).map(|(e, &m)| (e[0], e[1], m))
    }

    /// `(1 - share) · density + share · uniform` on the support: a floor under bins that no sample has met, so that a
    /// fit stays near the function there. A share of 10⁻³ costs a least-squares fit little where the mass is, and bounds
    /// the squared error anywhere by about a thousand times its mean.
    ///
    /// # Errors
    /// A share outside `[0, 1]`.
    pub fn smoothed(&self, share: f64) -> Result<Self> {
        self.smoothed_on(self.support(), share)
    }

    /// `(1 - share) · density + share · uniform(interval)`; the support grows to the hull of both.
    ///
    /// # Errors
    /// A share outside `[0, 1]`.
    pub fn smoothed_on(&self, interval: Interval, share: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::Parameter {
                name: "share",
                value: share,
                lo: 0.0,
                hi: 1.0,
            });
        }
        let floor = Self::uniform(interval);
        let mut edges: Vec<f64> = self.edges.iter().chain(&floor.edges).copied().collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let masses: Vec<f64> = edges
            .windows(2)
            .map(|e| (1.0 - share) * self.mass(e[0], e[1]) + share * floor.mass(e[0], e[1]))
            .collect();
        Self::from_histogram(&edges, &masses)
    }

    /// The density given that `x` lies in the interval.
    ///
    /// # Errors
    /// No mass in the interval.
    pub fn restricted(&self, interval: Interval) -> Result<Self> {
        let inner = self.edges.iter().copied();
        let inner = inner.filter(|&e| interval.lo() < e && e < interval.hi());
        let edges: Vec<f64> = std::iter::once(interval.lo())
            .chain(inner)
            .chain(std::iter::once(interval.hi()))
            .collect();
        let masses: Vec<f64> = edges.windows(2).map(|e| self.mass(e[0], e[1])).collect();
        Self::from_histogram(&edges, &masses)
    }

    /// `E[g(x)]` by Gauss-Legendre rules on each bin: exact to rounding where `g` is as smooth as a polynomial of degree
    /// 256 on the support; a kink inside a bin of width `h` and mass `m` costs at most about `m h / 100` times the jump of the
    /// slope.
    #[must_use]
    pub fn expectation(&self, g: impl Fn(f64) -> f64) -> f64 {
        self.nodes(self.support(), EXPECTATION_DEGREE)
            .into_iter()
            .map(|(x, weight)| weight * g(x))
            .sum()
    }

    /// The root of `E[(f - p)²]`: the error of a replacement in the mean.
    #[must_use]
    pub fn rms_error(&self, f: impl Fn(f64) -> f64, p: impl Fn(f64) -> f64) -> f64 {
        self.expectation(|x| (f(x) - p(x)).powi(2)).sqrt()
    }

    /// Points and weights of a rule that integrates products of two polynomials of the given degree on `interval`
    /// against the density to rounding error. Bins beyond the interval are left out, and those across its ends cut.
    #[must_use]
    pub fn nodes(&self, interval: Interval, degree: usize) -> Vec<(f64, f64)> {
        let mut nodes = Vec::new();
        for (lo, hi, mass) in self.bins().filter(|b| b.2 > 0.0) {
            let density = mass / (hi - lo);
            let (lo, hi) = (lo.max(interval.lo()), hi.min(interval.hi()));
            if lo < hi {
                rule(interval, lo, hi, degree, |x, weight| {
                    nodes.push((x, weight * density));
                });
            }
        }
        nodes
    }
}

/// A rule on `[lo, hi]` inside `interval`: `T_d(cos θ)²` has the phase `2 d θ`; eight points resolve a phase of ±1.25
/// and sixteen one of ±8 to rounding (remainder of Gauss's rule), so longer pieces are cut at equal angles.
fn rule(interval: Interval, lo: f64, hi: f64, degree: usize, mut push: impl FnMut(f64, f64)) {
    let angle = |x: f64| interval.to_unit(x).clamp(-1.0, 1.0).acos();
    let (from, to) = (angle(lo), angle(hi));
    let phase = degree as f64 * (from - to);
    let mut piece = |rule: Rule, a: f64, b: f64| {
        let (center, radius) = (a / 2.0 + b / 2.0, (b - a) / 2.0);
        for &(x, w) in rule {
            push((center - radius * x).clamp(lo, hi), radius * w);
            push((center + radius * x).clamp(lo, hi), radius * w);
        }
    };
    if phase <= 1.25 {
        return piece(EIGHT, lo, hi);
    }
    let parts = (phase / 8.0).ceil().max(1.0) as usize;
    let cut = |k: usize| match k {
        0 => lo,
        _ if k == parts => hi,
        _ => interval.from_unit((from + (to - from) * k as f64 / parts as f64).cos()),
    };
    for k in 0..parts {
        piece(SIXTEEN, cut(k), cut(k + 1));
    }
}

/// The samples in order, all finite and at least one.
fn sorted(samples: &[f64]) -> Result<Vec<f64>> {
    if let Some(index) = samples.iter().position(|x| !x.is_finite()) {
        let value = samples[index];
        return Err(Error::SampleNotFinite { index, value });
    }
    if samples.is_empty() {
        return Err(Error::Histogram {
            edges: 0,
            counts: 0,
        });
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Ok(sorted)
}

fn equal_edges(range: Interval, bins: usize) -> Vec<f64> {
    let at = |k: usize| match k {
        0 => range.lo(),
        _ if k == bins => range.hi(),
        _ => range.from_unit(2.0 * k as f64 / bins as f64 - 1.0),
    };
    (0..=bins).map(at).collect()
}

fn positive(name: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::Parameter {
        name,
        value,
        lo: 0.0,
        hi: f64::MAX,
    })
}

#[cfg(test)]
mod tests;
