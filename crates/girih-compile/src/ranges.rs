//! What the inputs of replaced functions are: ranges with margins and histograms, measured on samples.

use std::collections::BTreeMap;

use girih_model::{Graph, Node, NodeId, Op, reference};
use ndarray::{ArrayD, Axis};

use crate::effect::Effect;
use crate::replacement::{Replacement, function_name};
use crate::{Error, Result};

/// Bins of a measured histogram.
pub const BINS: usize = 256;

/// Smallest half of a range, relative to the larger of 1 and its centre: where all samples agree.
const LEAST_HALF: f64 = 1e-3;

/// How often values fall into equal bins.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    lo: f64,
    hi: f64,
    counts: Vec<u64>,
}

impl Histogram {
    /// Equal bins from `lo` to `hi`.
    ///
    /// # Errors
    /// Ends that are not finite or not in order, no bin, or nothing counted.
    pub fn try_new(lo: f64, hi: f64, counts: Vec<u64>) -> Result<Self> {
        let counted = counts
            .iter()
            .try_fold(0u64, |sum, c| sum.checked_add(*c))
            .filter(|total| *total > 0);
        let ordered = lo < hi && (hi - lo).is_finite();
        if !ordered || counted.is_none() {
            return Err(Error::Ranges {
                why: format!(
                    "a histogram of {} bins on [{lo}, {hi}] is empty, overflows or has no range",
                    counts.len()
                ),
            });
        }
        Ok(Histogram { lo, hi, counts })
    }

    /// Left end of the first bin.
    #[must_use]
    pub fn lo(&self) -> f64 {
        self.lo
    }

    /// Right end of the last bin.
    #[must_use]
    pub fn hi(&self) -> f64 {
        self.hi
    }

    /// Values in each bin.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Values in all bins.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bins as `(left end, right end, share of the values)`.
    pub fn bins(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let width = (self.hi - self.lo) / self.counts.len() as f64;
        let total = self.total() as f64;
        self.counts.iter().enumerate().map(move |(k, &count)| {
            let left = self.lo + width * k as f64;
            (left, left + width, count as f64 / total)
        })
    }

    /// The share of values per unit of `x`.
    #[must_use]
    pub fn density(&self, x: f64) -> f64 {
        if !(self.lo..=self.hi).contains(&x) {
            return 0.0;
        }
        let width = (self.hi - self.lo) / self.counts.len() as f64;
        let bin = (((x - self.lo) / width) as usize).min(self.counts.len() - 1);
        self.counts[bin] as f64 / (self.total() as f64 * width)
    }

    /// The value below which a share `p` of the values lies, linear inside a bin.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let mut below = 0.0;
        for (left, right, share) in self.bins() {
            if share > 0.0 && below + share >= p {
                return left + (right - left) * ((p - below) / share).clamp(0.0, 1.0);
            }
            below += share;
        }
        self.hi
    }
}

/// The inputs of one replaced function.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationRange {
    /// Name of the node.
    pub node: String,
    /// The function.
    pub function: String,
    /// Smallest and largest input on the samples.
    pub measured: (f64, f64),
    /// The measured range, widened by the margin: where a replacement has to be good.
    pub range: (f64, f64),
    /// The inputs on the samples.
    pub histogram: Histogram,
    /// What replaces the function, once it is chosen.
    pub replacement: Option<Replacement>,
    /// What the replacement alone does to the model's output, if it was measured.
    pub alone: Option<Effect>,
}

/// The inputs of all replaced functions of a model, in the order of its graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    /// Samples measured.
    pub samples: usize,
    /// Factor by which measured ranges are widened about their centres.
    pub margin: f64,
    /// The mean of the samples, element by element.
    pub mean_input: Vec<f64>,
    /// Smallest and largest output on the samples.
    pub output: (f64, f64),
    /// The functions.
    pub activations: Vec<ActivationRange>,
    /// What all replacements together do to the model's output, if it was measured.
    pub together: Option<Effect>,
}

/// How often values of other samples leave the range of a replacement.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfRange {
    /// Name of the node.
    pub node: String,
    /// Values seen.
    pub values: u64,
    /// Values outside.
    pub outside: u64,
    /// Samples with a value outside.
    pub samples: u64,
    /// Smallest and largest value.
    pub reached: (f64, f64),
}

impl Ranges {
    /// Runs the plain model on samples `[samples, …]`, twice: for the ranges, then for the histograms.
    ///
    /// # Errors
    /// A margin below 1, no sample, samples that the model cannot read.
    pub fn measure(graph: &Graph, samples: &ArrayD<f64>, margin: f64) -> Result<Self> {
        if !(margin >= 1.0 && margin.is_finite()) {
            return Err(Error::Requirements {
                why: format!("the margin of a range must be at least 1, not {margin}"),
            });
        }
        let bounds = reference::ranges(graph, samples)?;
        let nodes = replaced(graph);
        let ends: Vec<(f64, f64)> = nodes
            .iter()
            .map(|n| {
                let [lo, hi] = bounds.of(n.inputs[0]);
                let centre = f64::midpoint(lo, hi);
                let least = LEAST_HALF * centre.abs().max(1.0);
                if hi - lo < 2.0 * least {
                    (centre - least, centre + least)
                } else {
                    (lo, hi)
                }
            })
            .collect();
        if let Some((node, (lo, hi))) = nodes
            .iter()
            .zip(&ends)
            .find(|(_, (lo, hi))| !(hi - lo).is_finite())
        {
            return Err(Error::Ranges {
                why: format!("the input of {} reaches [{lo:e}, {hi:e}]", node.name),
            });
        }
        let counts = counts(graph, samples, &nodes, &ends)?;
        let activations = nodes
            .iter()
            .zip(ends)
            .zip(counts)
            .map(|((node, (lo, hi)), counts)| {
                let half = (hi - lo) / 2.0 * margin;
                let centre = f64::midpoint(lo, hi);
                Ok(ActivationRange {
                    node: node.name.clone(),
                    function: function_name(&node.op),
                    measured: (lo, hi),
                    range: (centre - half, centre + half),
                    histogram: Histogram::try_new(lo, hi, counts)?,
                    replacement: None,
                    alone: None,
                })
            })
            .collect::<Result<_>>()?;
        let output = graph.outputs.first().copied().unwrap_or(graph.input);
        let count = samples.shape()[0];
        let mean = samples.sum_axis(Axis(0)) / count as f64;
        Ok(Ranges {
            samples: count,
            margin,
            mean_input: mean.iter().copied().collect(),
            output: bounds.of(output).into(),
            activations,
            together: None,
        })
    }

    /// The range and replacement of a node.
    #[must_use]
    pub fn of(&self, node: &str) -> Option<&ActivationRange> {
        self.activations.iter().find(|a| a.node == node)
    }

    /// Refuses ranges of another graph.
    ///
    /// # Errors
    /// Other functions, other names, an input of another size.
    pub fn check(&self, graph: &Graph) -> Result<()> {
        let fail = |why: String| Err(Error::Ranges { why });
        let nodes = replaced(graph);
        let list = |names: Vec<String>| names.join(", ");
        let wanted = list(nodes.iter().map(|n| n.name.clone()).collect());
        let found = list(self.activations.iter().map(|a| a.node.clone()).collect());
        if wanted != found {
            return fail(format!(
                "they are of another model: they hold [{found}], this model replaces [{wanted}]"
            ));
        }
        let size: usize = graph.input_shape().iter().product();
        if self.mean_input.len() != size {
            return fail(format!(
                "they are of another model: its input has {} values, this one's {size}",
                self.mean_input.len()
            ));
        }
        let mixed = nodes
            .iter()
            .zip(&self.activations)
            .find(|(n, a)| function_name(&n.op) != a.function);
        match mixed {
            Some((n, a)) => fail(format!(
                "they are of another model: {} was {}, here it is {}",
                a.node,
                a.function,
                function_name(&n.op)
            )),
            None => Ok(()),
        }
    }

    /// How often values leave the ranges on other samples, function by function.
    ///
    /// # Errors
    /// As [`check`](Self::check); samples that the model cannot read.
    pub fn out_of_range(&self, graph: &Graph, samples: &ArrayD<f64>) -> Result<Vec<OutOfRange>> {
        self.check(graph)?;
        let nodes = replaced(graph);
        let wanted = positions(&nodes);
        let empty: Vec<OutOfRange> = nodes
            .iter()
            .map(|n| OutOfRange {
                node: n.name.clone(),
                values: 0,
                outside: 0,
                samples: 0,
                reached: (f64::INFINITY, f64::NEG_INFINITY),
            })
            .collect();
        Ok(reference::observe(
            graph,
            samples,
            &BTreeMap::new(),
            || empty.clone(),
            |seen, id, values| {
                for &k in wanted.get(&id).into_iter().flatten() {
                    let (lo, hi) = self.activations[k].range;
                    let outside = values.iter().filter(|v| **v < lo || **v > hi).count() as u64;
                    let s = &mut seen[k];
                    s.values += values.len() as u64;
                    s.outside += outside;
                    s.samples += u64::from(outside > 0);
                    s.reached = values
                        .iter()
                        .fold(s.reached, |(lo, hi), v| (lo.min(*v), hi.max(*v)));
                }
            },
            |mut a, b| {
                for (a, b) in a.iter_mut().zip(b) {
                    a.values += b.values;
                    a.outside += b.outside;
                    a.samples += b.samples;
                    a.reached = (a.reached.0.min(b.reached.0), a.reached.1.max(b.reached.1));
                }
                a
            },
        )?)
    }
}

/// The nodes of a graph whose functions are replaced, in order.
pub(crate) fn replaced(graph: &Graph) -> Vec<&Node> {
    graph.nodes.iter().filter(|n| needs_fit(&n.op)).collect()
}

/// Whether an operator becomes a polynomial on a calibrated range.
pub(crate) fn needs_fit(op: &Op) -> bool {
    match op {
        Op::Activation(_) => true,
        Op::Polynomial(c) => c.iter().rposition(|&c| c != 0.0).unwrap_or(0) > 2,
        _ => false,
    }
}

/// For every operand of a replaced node, the positions of those nodes.
fn positions(nodes: &[&Node]) -> BTreeMap<NodeId, Vec<usize>> {
    let mut found: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (k, node) in nodes.iter().enumerate() {
        found.entry(node.inputs[0]).or_default().push(k);
    }
    found
}

fn counts(
    graph: &Graph,
    samples: &ArrayD<f64>,
    nodes: &[&Node],
    ends: &[(f64, f64)],
) -> Result<Vec<Vec<u64>>> {
    let wanted = positions(nodes);
    Ok(reference::observe(
        graph,
        samples,
        &BTreeMap::new(),
        || vec![vec![0u64; BINS]; nodes.len()],
        |counts, id, values| {
            for &k in wanted.get(&id).into_iter().flatten() {
                let (lo, hi) = ends[k];
                let scale = BINS as f64 / (hi - lo);
                for v in values {
                    let bin = (((v - lo) * scale) as usize).min(BINS - 1);
                    counts[k][bin] += 1;
                }
            }
        },
        |mut a, b| {
            for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
                *a += b;
            }
            a
        },
    )?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use girih_model::{ActivationKind, GraphBuilder};
    use ndarray::IxDyn;

    fn graph(kind: ActivationKind, features: usize) -> Graph {
        let mut b = GraphBuilder::new("g", vec![features]).unwrap();
        let x = b.input();
        let y = b.push("act", Op::Activation(kind), vec![x]).unwrap();
        b.finish(vec![y]).unwrap()
    }

    #[test]
    fn quantiles_and_densities_of_a_histogram() {
        let h = Histogram::try_new(0.0, 4.0, vec![1, 0, 2, 1]).unwrap();
        assert_eq!((h.quantile(0.0), h.quantile(0.25)), (0.0, 1.0));
        assert_eq!((h.quantile(0.5), h.quantile(1.0)), (2.5, 4.0));
        assert_eq!(
            (h.density(0.5), h.density(1.5), h.density(2.0)),
            (0.25, 0.0, 0.5)
        );
        assert_eq!((h.density(4.0), h.density(4.1)), (0.25, 0.0));
        for (lo, hi, counts) in [
            (0.0, 0.0, vec![1]),
            (1.0, 0.0, vec![1]),
            (0.0, f64::INFINITY, vec![1]),
            (f64::NAN, 1.0, vec![1]),
            (0.0, 1.0, vec![]),
            (0.0, 1.0, vec![0, 0]),
            (0.0, 1.0, vec![u64::MAX, 1]),
        ] {
            assert!(Histogram::try_new(lo, hi, counts).is_err());
        }
    }

    #[test]
    fn ranges_are_measured_and_others_are_refused() {
        let g = graph(ActivationKind::Relu, 2);
        let x = ArrayD::from_shape_vec(IxDyn(&[2, 2]), vec![-1.0, 3.0, 0.5, 0.5]).unwrap();
        let r = Ranges::measure(&g, &x, 1.5).unwrap();
        let a = r.of("act").unwrap();
        assert_eq!((a.measured, a.range), ((-1.0, 3.0), (-2.0, 4.0)));
        assert_eq!((a.histogram.total(), r.output), (4, (0.0, 3.0)));
        assert_eq!(r.mean_input, [-0.25, 1.75]);
        let wide = ArrayD::from_shape_vec(IxDyn(&[2, 2]), vec![-2.5, 1.0, 4.5, 5.0]).unwrap();
        let seen = &r.out_of_range(&g, &wide).unwrap()[0];
        assert_eq!((seen.values, seen.outside, seen.samples), (4, 3, 2));
        assert_eq!(seen.reached, (-2.5, 5.0));
        for other in [
            graph(ActivationKind::Tanh, 2),
            graph(ActivationKind::Relu, 3),
        ] {
            let error = r.check(&other).unwrap_err().to_string();
            assert!(error.contains("another model"), "{error}");
        }
        assert!(Ranges::measure(&g, &x, 0.9).is_err());
        // Samples that agree still have a range.
        let same = ArrayD::from_elem(IxDyn(&[3, 2]), 7.0);
        let r = Ranges::measure(&g, &same, 1.0).unwrap();
        assert!(r.activations[0].range.0 < 7.0 && r.activations[0].range.1 > 7.0);
    }
}
