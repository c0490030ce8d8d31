//! Linear maps between slot vectors by generalised diagonals and baby-step giant-step rotations.
//!
//! A block of a matrix `M` acts on a slot vector `x` as `y[s] = Σ_r d_r[s] · x[(s + r) mod S]`, one term for
//! every generalised diagonal `d_r[s] = M[s, s + r]` that is not zero (Halevi and Shoup, CRYPTO 2014). Writing
//! `r = g + b` shares the rotations:
//!
//! `y = Σ_g rotate( Σ_b rotate(d_{g+b}, -g) ⊙ rotate(x, b), g )`
//!
//! with one hoisted rotation for every baby step `b` of an input and one rotation for every giant step `g` of an
//! output. A [`LinearTransform`] holds the diagonals between several input and several output vectors; its
//! [`Steps`] are chosen by counting, and so is the [`Hoisting`]. One multiplicative level, whatever the sizes. The
//! page `docs/linear-transforms.md` has the counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use girih_he::{ConstantSource, ConstantValues, Evaluator, GiantStep, Rotation};

use crate::{Error, Result};

pub use encoded::EncodedTransform;
pub use steps::{Hoisting, LazyPrices, Pattern, StepCounts, StepPrices, Steps};

mod encoded;
mod steps;

/// Generalised diagonals from `inputs` slot vectors to `outputs` slot vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearTransform {
    slots: usize,
    inputs: usize,
    outputs: usize,
    /// `diagonals[(output, input, r)][s]`, with `r` in `0..slots`.
    diagonals: BTreeMap<(usize, usize, usize), ConstantValues>,
}

/// A vector, the name of its weights and their values, one per slot.
pub type WeightedTerm<C> = (C, String, ConstantValues);

/// Forms `Σ xᵢ ⊙ wᵢ` for named weight vectors: plain constants, or weights that are encrypted themselves.
pub trait WeightedSum<E: Evaluator> {
    /// `Σ xᵢ ⊙ wᵢ` at the product scale.
    ///
    /// # Errors
    /// Those of the evaluator.
    fn weighted_sum(
        &self,
        eval: &E,
        terms: Vec<WeightedTerm<E::Ciphertext>>,
    ) -> Result<E::Ciphertext>;

    /// The whole transform; by weighted sums of baby steps if the weights know no better way.
    ///
    /// # Errors
    /// As [`LinearTransform::apply`].
    fn transform(
        &self,
        eval: &E,
        transform: &LinearTransform,
        name: &str,
        xs: &[E::Ciphertext],
        steps: Steps,
    ) -> Result<Vec<E::Ciphertext>> {
        transform.apply_weighted(eval, self, name, xs, steps)
    }
}

/// Weights known to the server: encoded constants.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainWeights;

impl<E: Evaluator> WeightedSum<E> for PlainWeights {
    fn weighted_sum(
        &self,
        eval: &E,
        terms: Vec<WeightedTerm<E::Ciphertext>>,
    ) -> Result<E::Ciphertext> {
        let constants = terms
            .iter()
            .map(|(_, name, values)| eval.constant_of(name, values))
            .collect::<girih_he::Result<Vec<_>>>()?;
        let pairs: Vec<_> = terms
            .iter()
            .zip(&constants)
            .map(|((x, _, _), p)| (x, p))
            .collect();
        Ok(eval.dot_plain(&pairs)?)
    }

    /// With the hoisting that the steps ask for.
    fn transform(
        &self,
        eval: &E,
        transform: &LinearTransform,
        name: &str,
        xs: &[E::Ciphertext],
        steps: Steps,
    ) -> Result<Vec<E::Ciphertext>> {
        transform.encode(eval, name, steps)?.apply(eval, xs)
    }
}

impl LinearTransform {
    /// The zero map.
    #[must_use]
    pub fn new(slots: usize, inputs: usize, outputs: usize) -> Self {
        LinearTransform {
            slots,
            inputs,
            outputs,
            diagonals: BTreeMap::new(),
        }
    }

    /// Slots of every vector.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Adds `value · input[from]` to `output[to]`; all four indices are in range by contract.
    pub fn add_entry(&mut self, output: usize, to: usize, input: usize, from: usize, value: f64) {
        assert!(
            output < self.outputs && input < self.inputs && to < self.slots && from < self.slots
        );
        let r = (from + self.slots - to) % self.slots;
        let diagonal = self
            .diagonals
            .entry((output, input, r))
            .or_insert_with(|| vec![0.0; self.slots].into());
        if let ConstantValues::Computed(..) = diagonal {
            *diagonal = diagonal.slots().into();
        }
        if let ConstantValues::Stored(values) = diagonal {
            Arc::make_mut(values)[to] += value;
        }
    }

    /// Sets the diagonal by which `output[s]` reads `input[(s + r) mod slots]`; the indices are in range by contract.
    pub fn set(&mut self, output: usize, input: usize, r: usize, values: ConstantValues) {
        assert!(output < self.outputs && input < self.inputs && r < self.slots);
        self.diagonals.insert((output, input, r), values);
    }

    /// The diagonals by output, input and rotation.
    pub fn diagonals(&self) -> impl Iterator<Item = ((usize, usize, usize), &ConstantValues)> {
        self.diagonals.iter().map(|(key, values)| (*key, values))
    }

    /// The rotations in use.
    #[must_use]
    pub fn pattern(&self) -> Pattern {
        Pattern {
            diagonals: self.diagonals.keys().copied().collect(),
        }
    }

    /// `y = M x` in the clear: the oracle.
    ///
    /// # Panics
    /// If the number or length of the inputs is not that of the transform.
    #[must_use]
    pub fn apply_clear(&self, xs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        assert_eq!(xs.len(), self.inputs);
        let mut ys = vec![vec![0.0; self.slots]; self.outputs];
        for (&(output, input, r), diagonal) in &self.diagonals {
            for (s, d) in diagonal.slots().iter().enumerate() {
                ys[output][s] += d * xs[input][(s + r) % self.slots];
            }
        }
        ys
    }

    /// `y = M x` over an evaluator, at the product scale (one rescaling is due).
    ///
    /// `name` prefixes the names of the constants. Costs one hoisted rotation for each baby step, one rotation for
    /// each giant step and one product for each diagonal. Whoever applies a transform several times
    /// [encodes](LinearTransform::encode) it once.
    ///
    /// # Errors
    /// Another number of inputs, an output that no diagonal reaches, or an error of the evaluator.
    pub fn apply<E: Evaluator>(
        &self,
        eval: &E,
        weights: &impl WeightedSum<E>,
        name: &str,
        xs: &[E::Ciphertext],
        steps: Steps,
    ) -> Result<Vec<E::Ciphertext>> {
        weights.transform(eval, self, name, xs, steps)
    }

    /// The diagonals as constants of an evaluator, arranged in steps. A scheme encodes them on first use, at
    /// the level of the vectors they meet.
    ///
    /// # Errors
    /// An output that no diagonal reaches, values that are not finite.
    pub fn encode<E: Evaluator>(
        &self,
        eval: &E,
        name: &str,
        steps: Steps,
    ) -> Result<EncodedTransform<E::Plaintext>> {
        // Constants are named in the order in which the steps read them.
        let mut order: Vec<(usize, usize, usize, usize)> = self
            .diagonals
            .keys()
            .map(|&(output, input, r)| (output, steps.split(r, self.slots).0, input, r))
            .collect();
        order.sort_unstable();
        let mut outputs: Vec<BTreeMap<usize, GiantStep<usize, E::Plaintext>>> =
            (0..self.outputs).map(|_| BTreeMap::new()).collect();
        for (output, giant, input, r) in order {
            let baby = steps.split(r, self.slots).1;
            let turned = turned(&self.diagonals[&(output, input, r)], giant);
            let constant = eval.constant_of(&format!("{name}/{output}.{input}.{r}"), &turned)?;
            let step = outputs[output].entry(giant).or_insert_with(|| GiantStep {
                by: rotation(giant),
                terms: Vec::new(),
            });
            step.terms.push((input, rotation(baby), constant));
        }
        if let Some(output) = outputs.iter().position(BTreeMap::is_empty) {
            return Err(Error::EmptyOutput { output });
        }
        Ok(EncodedTransform {
            slots: self.slots,
            inputs: self.inputs,
            steps,
            outputs: outputs
                .into_iter()
                .map(|o| o.into_values().collect())
                .collect(),
        })
    }

    /// By weighted sums of baby steps, whatever the steps say about hoisting.
    fn apply_weighted<E: Evaluator>(
        &self,
        eval: &E,
        weights: &(impl WeightedSum<E> + ?Sized),
        name: &str,
        xs: &[E::Ciphertext],
        steps: Steps,
    ) -> Result<Vec<E::Ciphertext>> {
        if xs.len() != self.inputs {
            return Err(Error::Inputs {
                op: "linear transform",
                expected: self.inputs,
                given: xs.len(),
            });
        }
        let rotated = self.baby_steps(eval, xs, steps)?;
        let mut partial: BTreeMap<(usize, usize), Vec<WeightedTerm<E::Ciphertext>>> =
            BTreeMap::new();
        for (&(output, input, r), diagonal) in &self.diagonals {
            let (giant, baby) = steps.split(r, self.slots);
            partial.entry((output, giant)).or_default().push((
                rotated[&(input, baby)].clone(),
                format!("{name}/{output}.{input}.{r}"),
                turned(diagonal, giant),
            ));
        }
        let mut sums: Vec<Vec<(E::Ciphertext, Rotation)>> =
            (0..self.outputs).map(|_| Vec::new()).collect();
        for ((output, giant), terms) in partial {
            sums[output].push((weights.weighted_sum(eval, terms)?, rotation(giant)));
        }
        sums.into_iter()
            .enumerate()
            .map(|(output, terms)| match terms.as_slice() {
                [] => Err(Error::EmptyOutput { output }),
                [(only, r)] if r.0 == 0 => Ok(only.clone()),
                _ => {
                    let terms: Vec<_> = terms.iter().map(|(x, r)| (x, *r)).collect();
                    Ok(eval.sum_rotated(&terms)?)
                }
            })
            .collect()
    }

    /// Every rotated input that some diagonal needs, by `(input, baby)`.
    fn baby_steps<E: Evaluator>(
        &self,
        eval: &E,
        xs: &[E::Ciphertext],
        steps: Steps,
    ) -> Result<BTreeMap<(usize, usize), E::Ciphertext>> {
        let mut needed: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.inputs];
        for &(_, input, r) in self.diagonals.keys() {
            needed[input].insert(steps.split(r, self.slots).1);
        }
        let mut rotated = BTreeMap::new();
        for (input, babies) in needed.iter().enumerate() {
            let turns: Vec<Rotation> = babies
                .iter()
                .filter(|&&b| b != 0)
                .map(|&b| rotation(b))
                .collect();
            if babies.contains(&0) {
                rotated.insert((input, 0), xs[input].clone());
            }
            if !turns.is_empty() {
                for (turn, y) in turns.iter().zip(eval.rotate_many(&xs[input], &turns)?) {
                    rotated.insert((input, turn.0 as usize), y);
                }
            }
        }
        Ok(rotated)
    }
}

/// A diagonal as a giant step reads it: it turns the sums of the products, so the factors are turned back.
fn turned(diagonal: &ConstantValues, giant: usize) -> ConstantValues {
    match diagonal {
        values if giant == 0 => values.clone(),
        ConstantValues::Stored(values) => {
            let mut values = values.to_vec();
            values.rotate_right(giant);
            values.into()
        }
        ConstantValues::Computed(..) => {
            ConstantValues::Computed(Arc::new(Turned(diagonal.clone(), giant)), 0)
        }
    }
}

/// Slots rotated to the right.
struct Turned(ConstantValues, usize);

impl ConstantSource for Turned {
    fn slots(&self, _: usize) -> Vec<f64> {
        let mut values = self.0.slots().to_vec();
        values.rotate_right(self.1);
        values
    }

    fn period(&self, _: usize, slots: usize) -> usize {
        self.0.period(slots)
    }
}

fn rotation(r: usize) -> Rotation {
    Rotation(i32::try_from(r).expect("slots fit i32"))
}

#[cfg(test)]
mod tests;
