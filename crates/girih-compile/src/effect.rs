//! What replacements do to the output of the plain model, before anything is encrypted.

use std::collections::BTreeMap;

use girih_model::{Graph, NodeId, reference};
use ndarray::{ArrayD, Axis};

use crate::ranges::{Ranges, replaced};
use crate::{Error, Replacement, Result};

/// The plain model's answers to some samples, against which replacements are judged.
#[derive(Clone, Debug)]
pub struct Judge<'a> {
    graph: &'a Graph,
    samples: ArrayD<f64>,
    plain: Vec<Vec<f64>>,
    labels: Option<Vec<usize>>,
}

/// How far the answers are from those of the plain model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Samples.
    pub samples: usize,
    /// Largest difference of an output.
    pub max_difference: f64,
    /// Root of the mean squared difference of the outputs.
    pub rms_difference: f64,
    /// Share of the samples with the plain model's answer.
    pub agreement: f64,
    /// Estimated share of answers that change on samples like these. The differences between the first and the second
    /// output, as the replacement moves them, are set against the margins of *all* samples: `n²` pairs show changes
    /// far rarer than one in `n`. It supposes that differences and margins are independent.
    pub changed: f64,
    /// Share of right answers of the plain model and of this one, if labels are known.
    pub accuracy: Option<(f64, f64)>,
}

impl<'a> Judge<'a> {
    /// Runs the plain model on samples `[samples, …]`; labels, if any, are one class a sample.
    ///
    /// # Errors
    /// No sample, samples that the model cannot read, more or fewer labels than samples.
    pub fn try_new(
        graph: &'a Graph,
        samples: ArrayD<f64>,
        labels: Option<Vec<usize>>,
    ) -> Result<Self> {
        let count = samples.shape().first().copied().unwrap_or(0);
        let fail = |why: String| Err(Error::Requirements { why });
        if count == 0 {
            return fail("there is no sample to judge replacements by".into());
        }
        if let Some(labels) = &labels
            && labels.len() != count
        {
            return fail(format!("{} labels for {count} samples", labels.len()));
        }
        let plain = rows(&reference::run(graph, &samples)?);
        let classes = plain.first().map_or(0, Vec::len).max(2);
        if let Some((k, label)) = labels
            .iter()
            .flatten()
            .enumerate()
            .find(|(_, l)| **l >= classes)
        {
            return fail(format!(
                "label {k} is {label}, the model has {classes} classes"
            ));
        }
        Ok(Judge {
            graph,
            samples,
            plain,
            labels,
        })
    }

    /// Outputs of the model.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.plain.first().map_or(0, Vec::len)
    }

    /// The distance of the largest from the smallest output over all samples.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let (lo, hi) = self
            .plain
            .iter()
            .flatten()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
                (lo.min(*v), hi.max(*v))
            });
        hi - lo
    }

    /// The effect of the given replacements.
    ///
    /// # Errors
    /// None after [`try_new`](Self::try_new).
    pub fn effect(&self, replacements: &BTreeMap<NodeId, &Replacement>) -> Result<Effect> {
        let functions: Vec<_> = replacements
            .iter()
            .map(|(id, r)| (*id, move |x: f64| r.eval(x)))
            .collect();
        let substitutes = functions
            .iter()
            .map(|(id, f)| (*id, f as &(dyn Fn(f64) -> f64 + Sync)))
            .collect();
        let answers = rows(&reference::run_with(
            self.graph,
            &self.samples,
            &substitutes,
        )?);
        Ok(self.compare(&answers))
    }

    /// The effect of all replacements of some ranges together.
    ///
    /// # Errors
    /// Ranges of another model.
    pub fn together(&self, ranges: &Ranges) -> Result<Effect> {
        ranges.check(self.graph)?;
        let replacements = replaced(self.graph)
            .into_iter()
            .zip(&ranges.activations)
            .filter_map(|(n, a)| Some((n.id, a.replacement.as_ref()?)))
            .collect();
        self.effect(&replacements)
    }

    fn compare(&self, answers: &[Vec<f64>]) -> Effect {
        let count = self.plain.len() as f64;
        let mut max_difference: f64 = 0.0;
        let mut squares = 0.0;
        let mut agreeing = 0.0;
        let mut margins = Vec::with_capacity(self.plain.len());
        let mut moves = Vec::with_capacity(self.plain.len());
        for (plain, answer) in self.plain.iter().zip(answers) {
            for (p, a) in plain.iter().zip(answer) {
                let d = (p - a).abs();
                // A value that is no number is infinitely far away.
                max_difference = if d.is_nan() {
                    f64::INFINITY
                } else {
                    max_difference.max(d)
                };
                squares += if d.is_nan() { f64::INFINITY } else { d * d };
            }
            agreeing += f64::from(u8::from(class(plain) == class(answer)));
            let (margin, moved) = margin(plain, answer);
            margins.push(margin);
            moves.push(if moved.is_nan() { f64::INFINITY } else { moved });
        }
        margins.sort_by(f64::total_cmp);
        let crossed: usize = moves
            .iter()
            .map(|m| margins.partition_point(|margin| margin < m))
            .sum();
        let accuracy = self.labels.as_ref().map(|labels| {
            let right = |all: &[Vec<f64>]| {
                let hits = all.iter().zip(labels).filter(|(a, l)| class(a) == **l);
                hits.count() as f64 / count
            };
            (right(&self.plain), right(answers))
        });
        Effect {
            samples: self.plain.len(),
            max_difference,
            rms_difference: (squares / (count * self.outputs().max(1) as f64)).sqrt(),
            agreement: agreeing / count,
            changed: crossed as f64 / (count * count),
            accuracy,
        }
    }
}

fn rows(values: &ArrayD<f64>) -> Vec<Vec<f64>> {
    values
        .axis_iter(Axis(0))
        .map(|row| row.iter().copied().collect())
        .collect()
}

/// The class that an output stands for: the largest, or with a single output whether that is above one half.
fn class(output: &[f64]) -> usize {
    match output {
        [single] => usize::from(*single > 0.5),
        _ => {
            let mut best = 0;
            for (k, v) in output.iter().enumerate() {
                if *v > output[best] {
                    best = k;
                }
            }
            best
        }
    }
}

/// The distance of the plain answer from the next class, and how far the other run moved towards it.
fn margin(plain: &[f64], answer: &[f64]) -> (f64, f64) {
    if let ([p], [a]) = (plain, answer) {
        let towards = if *p > 0.5 { p - a } else { a - p };
        return ((p - 0.5).abs(), towards);
    }
    let top = class(plain);
    let second = (0..plain.len())
        .filter(|k| *k != top)
        .max_by(|a, b| plain[*a].total_cmp(&plain[*b]));
    second.map_or((f64::INFINITY, 0.0), |second| {
        let gap = |v: &[f64]| v[top] - v[second];
        (gap(plain), gap(plain) - gap(answer))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use girih_model::{ActivationKind, GraphBuilder, Op};
    use ndarray::IxDyn;

    #[test]
    fn effects_by_hand() {
        let mut b = GraphBuilder::new("g", vec![2]).unwrap();
        let x = b.input();
        let kind = Op::Activation(ActivationKind::Relu);
        let y = b.push("act", kind, vec![x]).unwrap();
        let graph = b.finish(vec![y]).unwrap();
        let x = ArrayD::from_shape_vec(IxDyn(&[2, 2]), vec![1.0, 0.0, 0.5, 3.0]).unwrap();
        let judge = Judge::try_new(&graph, x.clone(), Some(vec![0, 0])).unwrap();
        assert_eq!((judge.outputs(), judge.spread()), (2, 3.0));
        // Answers (0.25, 0.5) and (0.5, 2): the first changes, by 1.25 against margins of 1 and 2.5.
        let effect = judge.compare(&[vec![0.25, 0.5], vec![0.5, 2.0]]);
        assert_eq!(effect.max_difference, 1.0);
        assert_eq!(effect.rms_difference, (1.8125f64 / 4.0).sqrt());
        assert_eq!((effect.agreement, effect.changed), (0.5, 0.25));
        assert_eq!(effect.accuracy, Some((0.5, 0.0)));
        let none = judge.compare(&[vec![f64::NAN, 0.0], vec![0.5, 3.0]]);
        assert_eq!(none.max_difference, f64::INFINITY);
        assert!(Judge::try_new(&graph, x.clone(), Some(vec![0])).is_err());
        assert!(Judge::try_new(&graph, x, Some(vec![0, 2])).is_err());
    }
}
