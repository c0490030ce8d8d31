//! What a planned circuit costs.

use girih_polyfit::{EvaluationPlan, PlanCounts};

/// Levels and operations of a circuit, known before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircuitCost {
    /// Levels consumed: exactly, under `girih_he::Auto`.
    pub depth: usize,
    /// Products of ciphertexts.
    pub products: usize,
    /// Rotations.
    pub rotations: usize,
}

impl CircuitCost {
    /// A plan after its input map, run `times` times side by side.
    pub(crate) fn of(plan: &EvaluationPlan, times: usize) -> Self {
        let PlanCounts { products, .. } = plan.counts();
        CircuitCost {
            depth: plan.unit_depth(),
            products: products * times,
            rotations: 0,
        }
    }

    /// So many levels and products.
    pub(crate) fn levels(depth: usize, products: usize) -> Self {
        CircuitCost {
            depth,
            products,
            rotations: 0,
        }
    }

    /// One circuit after the other.
    #[must_use]
    pub fn then(self, next: CircuitCost) -> Self {
        CircuitCost {
            depth: self.depth + next.depth,
            products: self.products + next.products,
            rotations: self.rotations + next.rotations,
        }
    }
}
