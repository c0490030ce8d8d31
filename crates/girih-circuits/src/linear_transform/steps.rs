//! Baby and giant steps: how rotations are shared, and what that costs.

use std::collections::BTreeSet;

/// How the steps of a transform are evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hoisting {
    /// Baby steps of an input share its decomposition; every output reads the same baby steps.
    #[default]
    Single,
    /// Baby steps are not divided either before their products are summed; each output has its own
    /// ([`sum_rotated_products`](girih_he::Evaluator::sum_rotated_products)).
    Double,
    /// Giant steps by Horner's rule `B₀ + rotate(B₁ + rotate(B₂ + .., t), t)`: one key for all of them, one after the
    /// other; each output has baby steps of its own
    /// ([`horner_rotated_products`](girih_he::Evaluator::horner_rotated_products)).
    Horner,
}

/// How a rotation amount is split into a giant and a baby step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Giant steps are multiples of this; `slots` means that there are only baby steps.
    pub giant: usize,
    /// Baby steps lie in `-giant/2..giant/2` instead of `0..giant`.
    pub centred: bool,
    /// How they are evaluated.
    pub hoisting: Hoisting,
}

impl Steps {
    /// `(giant, baby)` with `giant + baby = r` modulo `slots`, both normalised to `0..slots`.
    #[must_use]
    pub fn split(self, r: usize, slots: usize) -> (usize, usize) {
        if self.giant >= slots {
            return (0, r);
        }
        let offset = if self.centred { self.giant / 2 } else { 0 };
        let giant = (r + offset) / self.giant * self.giant % slots;
        (giant, (r + slots - giant) % slots)
    }
}

/// Prices of the parts of a linear transform, in any common unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepPrices {
    /// Decomposing one input, paid once if it is rotated at all.
    pub decompose: f64,
    /// One further rotation of a decomposed input.
    pub baby: f64,
    /// One giant step.
    pub giant: f64,
    /// One product with a constant.
    pub product: f64,
    /// Prices with both hoistings; `None` if they are not offered.
    pub lazy: Option<LazyPrices>,
    /// Price of needing one more rotation key (memory, transfer). Above zero, Horner's rule is considered.
    pub key: f64,
}

/// Prices of parts whose division by the special modulus is put off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LazyPrices {
    /// One rotation of a decomposed input, not divided.
    pub baby: f64,
    /// One giant step, one half of it divided.
    pub giant: f64,
    /// One product of such a rotation with a constant.
    pub product: f64,
    /// The division at the end of an output.
    pub divide: f64,
}

/// Counts of a linear transform under given steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// How the steps are evaluated.
    pub hoisting: Hoisting,
    /// Inputs that are rotated (once for each output but for single hoisting).
    pub decompositions: usize,
    /// Hoisted rotations (of each output but for single hoisting).
    pub babies: usize,
    /// Rotations of partial sums.
    pub giants: usize,
    /// Products with a constant.
    pub products: usize,
    /// Outputs that are not zero.
    pub outputs: usize,
    /// Rotation keys.
    pub keys: usize,
}

impl StepCounts {
    /// Total price; infinite for both hoistings without a price.
    #[must_use]
    pub fn price(&self, prices: &StepPrices) -> f64 {
        let parts = |baby, giant, product| {
            self.decompositions as f64 * prices.decompose
                + self.babies as f64 * baby
                + self.giants as f64 * giant
                + self.products as f64 * product
        };
        let work = match (self.hoisting, prices.lazy) {
            (Hoisting::Single | Hoisting::Horner, _) => {
                parts(prices.baby, prices.giant, prices.product)
            }
            (Hoisting::Double, Some(lazy)) => {
                parts(lazy.baby, lazy.giant, lazy.product) + self.outputs as f64 * lazy.divide
            }
            (Hoisting::Double, None) => f64::INFINITY,
        };
        work + self.keys as f64 * prices.key
    }
}

/// The rotations of a linear transform without its values: enough to count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// `(output, input, r)` of every diagonal that is not zero, sorted.
    pub diagonals: Vec<(usize, usize, usize)>,
}

impl Pattern {
    /// Counts under given steps.
    #[must_use]
    pub fn counts(&self, slots: usize, steps: Steps) -> StepCounts {
        Counter::new(self, slots).counts(steps)
    }

    /// The cheapest steps and their counts, over all powers of two, centred or not, and every hoisting that has a
    /// price.
    #[must_use]
    pub fn best_steps(&self, slots: usize, prices: &StepPrices) -> (Steps, StepCounts) {
        let mut hoistings = vec![Hoisting::Single];
        hoistings.extend(prices.lazy.map(|_| Hoisting::Double));
        hoistings.extend((prices.key > 0.0).then_some(Hoisting::Horner));
        let mut counter = Counter::new(self, slots);
        let mut best = None;
        let mut giant = 1;
        while giant <= slots {
            for centred in [false, true] {
                if centred && (giant == 1 || giant == slots) {
                    continue;
                }
                for &hoisting in &hoistings {
                    let steps = Steps {
                        giant,
                        centred,
                        hoisting,
                    };
                    let counts = counter.counts(steps);
                    let price = counts.price(prices);
                    if best.is_none_or(|(p, _, _)| price < p) {
                        best = Some((price, steps, counts));
                    }
                }
            }
            giant *= 2;
        }
        let (_, steps, counts) = best.unwrap_or((
            0.0,
            Steps {
                giant: slots,
                centred: false,
                hoisting: Hoisting::Single,
            },
            StepCounts::default(),
        ));
        (steps, counts)
    }
}

/// Counts a pattern under one choice of steps after the other.
struct Counter<'a> {
    diagonals: &'a [(usize, usize, usize)],
    slots: usize,
    /// Babies of every input, giants and keys.
    babies: Marks,
    decomposed: Marks,
    giants: Marks,
    keys: Marks,
}

impl<'a> Counter<'a> {
    fn new(pattern: &'a Pattern, slots: usize) -> Self {
        let inputs = pattern.diagonals.iter().map(|d| d.1 + 1).max().unwrap_or(0);
        Counter {
            diagonals: &pattern.diagonals,
            slots,
            babies: Marks::new(inputs * slots),
            decomposed: Marks::new(inputs),
            giants: Marks::new(slots),
            keys: Marks::new(slots),
        }
    }

    fn counts(&mut self, steps: Steps) -> StepCounts {
        let slots = self.slots;
        let mut counts = StepCounts {
            hoisting: steps.hoisting,
            products: self.diagonals.len(),
            ..StepCounts::default()
        };
        self.babies.clear();
        self.decomposed.clear();
        self.keys.clear();
        for of_output in self.diagonals.chunk_by(|a, b| a.0 == b.0) {
            if steps.hoisting != Hoisting::Single {
                // Baby steps belong to one output.
                self.babies.clear();
                self.decomposed.clear();
            }
            self.giants.clear();
            let mut chain = BTreeSet::new();
            for &(_, input, r) in of_output {
                let (giant, baby) = steps.split(r, slots);
                if baby != 0 && self.babies.mark(input * slots + baby) {
                    counts.babies += 1;
                    counts.decompositions += usize::from(self.decomposed.mark(input));
                    counts.keys += usize::from(self.keys.mark(baby));
                }
                if self.giants.mark(giant) {
                    match steps.hoisting {
                        Hoisting::Horner => {
                            chain.insert(giant);
                        }
                        Hoisting::Single | Hoisting::Double if giant != 0 => {
                            counts.giants += 1;
                            counts.keys += usize::from(self.keys.mark(giant));
                        }
                        Hoisting::Single | Hoisting::Double => {}
                    }
                }
            }
            if steps.hoisting == Hoisting::Horner {
                let chain = HornerChain::new(&chain, steps.giant, slots);
                if chain.length > 0 {
                    counts.keys += usize::from(self.keys.mark(steps.giant % slots));
                }
                if chain.first > 0 {
                    counts.keys += usize::from(self.keys.mark(chain.first));
                }
                counts.giants += chain.length + usize::from(chain.first > 0);
            }
            counts.outputs += 1;
        }
        counts
    }
}

/// A set of small numbers that is emptied in no time.
struct Marks {
    marked: Vec<u32>,
    now: u32,
}

impl Marks {
    fn new(size: usize) -> Self {
        Marks {
            marked: vec![0; size],
            now: 0,
        }
    }

    fn clear(&mut self) {
        self.now += 1;
    }

    /// Whether `at` was not in the set before.
    fn mark(&mut self, at: usize) -> bool {
        std::mem::replace(&mut self.marked[at], self.now) != self.now
    }
}

/// The giant steps of one output as a walk in steps of `t` that starts after the widest gap of the cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HornerChain {
    /// The smallest giant step of the walk: what is left to rotate by at the end.
    pub(super) first: usize,
    /// Rotations by `t` from the largest to the smallest.
    pub(super) length: usize,
}

impl HornerChain {
    /// For giant steps that are multiples of `t`, in `0..slots`.
    pub(super) fn new(giants: &BTreeSet<usize>, t: usize, slots: usize) -> Self {
        let sorted: Vec<usize> = giants.iter().copied().collect();
        let Some((&last, &least)) = sorted.last().zip(sorted.first()) else {
            return HornerChain {
                first: 0,
                length: 0,
            };
        };
        // A multiple of t stays one when it wraps around, unless t does not divide the slots.
        let wraps = slots.is_multiple_of(t);
        let mut best = (least, last - least);
        for pair in sorted.windows(2) {
            let span = slots - (pair[1] - pair[0]);
            if wraps && span < best.1 {
                best = (pair[1], span);
            }
        }
        HornerChain {
            first: best.0,
            length: best.1 / t,
        }
    }
}
