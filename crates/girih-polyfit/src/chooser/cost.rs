//! What an evaluation costs: prices of operations by level, of levels and of bootstraps.

use crate::PlanCounts;

/// Bootstraps, where the levels of the input do not suffice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootstrapPrice {
    /// Price of one.
    pub cost: f64,
    /// The level that it leaves.
    pub levels: usize,
}

/// Prices in any one unit, for example milliseconds of one thread.
///
/// Tables of operations are indexed by the level of the operands; their last entry serves all higher levels, and
/// an empty table makes an operation free.
#[derive(Clone, Debug, PartialEq)]
pub struct CostModel {
    /// Level of the input.
    pub levels: usize,
    /// A product of two ciphertexts, before relinearisation.
    pub product: Vec<f64>,
    /// A relinearisation with the rescaling after it.
    pub relinearization: Vec<f64>,
    /// A product with a scalar.
    pub scalar_product: Vec<f64>,
    /// What each level consumed costs the operations before: a longer chain makes all of them dearer.
    pub level: f64,
    /// What levels beyond those of the input cost; without it they cannot be had.
    pub bootstrap: Option<BootstrapPrice>,
}

/// Milliseconds at N = 2^16 with digits of ten primes on one core with 52-bit vector multipliers, by the counts of
/// rows and the speeds of `girih_ckks::cost::MachineSpeed::shipped`: within 20 % of straight lines in the level.
const PRODUCT_MS: (f64, f64) = (0.1, 0.1);
const SCALAR_MS: (f64, f64) = (0.05, 0.05);
const RELINEARIZATION_MS: (f64, f64) = (2.5, 0.95);
/// Levels of [`CostModel::default`].
const DEFAULT_LEVELS: usize = 20;
/// The longest chain that is priced.
const MAX_LEVELS: usize = 64;
/// Orion's fit of the time of a bootstrap (Ebel, Garimella and Reagen, ASPLOS 2025), `3.41 exp(0.18 L) + 4.81` seconds
/// for `L = 10` levels.
const BOOTSTRAP: BootstrapPrice = BootstrapPrice {
    cost: 25_440.0,
    levels: 10,
};

impl Default for CostModel {
    /// Milliseconds of one core at N = 2^16: 20 levels, then bootstraps; a level costs as much as one product in the middle of the chain.
    fn default() -> Self {
        let line = |(fixed, slope): (f64, f64)| -> Vec<f64> {
            (0..=MAX_LEVELS)
                .map(|level| fixed + slope * level as f64)
                .collect()
        };
        let relinearization = line(RELINEARIZATION_MS);
        let product = line(PRODUCT_MS);
        CostModel {
            levels: DEFAULT_LEVELS,
            level: relinearization[DEFAULT_LEVELS / 2] + product[DEFAULT_LEVELS / 2],
            product,
            relinearization,
            scalar_product: line(SCALAR_MS),
            bootstrap: Some(BOOTSTRAP),
        }
    }
}

impl CostModel {
    /// Counts products alone, at any depth.
    #[must_use]
    pub fn products() -> Self {
        CostModel {
            levels: usize::MAX,
            product: vec![1.0],
            relinearization: Vec::new(),
            scalar_product: Vec::new(),
            level: 0.0,
            bootstrap: None,
        }
    }

    /// The price of work by depth: `work[d]` is done on operands `d` levels below the input, and as many levels are
    /// consumed as `work` has entries. `None` if there are not as many levels and no bootstraps.
    #[must_use]
    pub fn price(&self, work: &[PlanCounts]) -> Option<f64> {
        let mut cost = self.level * work.len() as f64;
        let mut left = self.levels;
        for counts in work {
            if left == 0 {
                let bootstrap = self.bootstrap.filter(|b| b.levels > 0)?;
                cost += bootstrap.cost;
                left = bootstrap.levels;
            }
            let at = |table: &[f64]| table.get(left).or(table.last()).copied().unwrap_or(0.0);
            cost += counts.products as f64 * at(&self.product)
                + counts.relinearizations as f64 * at(&self.relinearization)
                + counts.scalar_products as f64 * at(&self.scalar_product);
            left -= 1;
        }
        Some(cost)
    }

    /// Bootstraps that a depth takes; `None` if it cannot be had.
    #[must_use]
    pub fn bootstraps(&self, depth: usize) -> Option<usize> {
        let beyond = depth.saturating_sub(self.levels);
        match self.bootstrap {
            _ if beyond == 0 => Some(0),
            Some(b) if b.levels > 0 => Some(beyond.div_ceil(b.levels)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(products: usize) -> PlanCounts {
        PlanCounts {
            products,
            relinearizations: 1,
            scalar_products: 2,
        }
    }

    #[test]
    fn operations_are_priced_where_they_run() {
        let model = CostModel {
            levels: 2,
            product: vec![0.0, 1.0, 10.0],
            relinearization: vec![100.0],
            scalar_product: Vec::new(),
            level: 1000.0,
            bootstrap: None,
        };
        // Three products at level 2, one at level 1.
        assert_eq!(
            model.price(&[step(3), step(1)]),
            Some(30.0 + 1.0 + 200.0 + 2000.0)
        );
        assert_eq!(model.price(&[step(1); 3]), None);
        assert_eq!(model.bootstraps(3), None);
        let refreshed = CostModel {
            bootstrap: Some(BootstrapPrice {
                cost: 1e6,
                levels: 2,
            }),
            ..model
        };
        assert_eq!(refreshed.bootstraps(2), Some(0));
        assert_eq!(refreshed.bootstraps(5), Some(2));
        assert_eq!(
            refreshed.price(&[step(1); 5]),
            Some(2e6 + 10.0 + 1.0 + 10.0 + 1.0 + 10.0 + 500.0 + 5000.0)
        );
    }

    #[test]
    fn products_can_be_counted_alone() {
        assert_eq!(CostModel::products().price(&[step(3), step(4)]), Some(7.0));
        assert!(CostModel::default().price(&[step(1)]) < CostModel::default().price(&[step(2)]));
    }
}
