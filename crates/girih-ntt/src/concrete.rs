//! concrete-ntt as a transform back-end, in this crate's output order.

use concrete_ntt::prime64::Plan;

use crate::modulus::Modulus;

/// A concrete-ntt plan and how its output positions map to ours.
pub(crate) struct Concrete {
    plan: Plan,
    /// Our position `i` holds its value `source[i]`; both evaluate at the same power of our root.
    source: Box<[u32]>,
    /// `n^-1`, which its inverse leaves to the caller.
    n_inverse: u64,
}

impl Concrete {
    /// The plan for `n` and `q` with our values at `psi^exponents[i]`; `None` where concrete-ntt has none.
    pub(crate) fn new(n: usize, q: &Modulus, psi: u64, exponents: &[u32]) -> Option<Concrete> {
        let plan = Plan::try_new(n, q.value())?;
        // The transform of X lists the powers of its root in its order.
        let mut points = vec![0; n];
        points[1] = 1;
        plan.fwd(&mut points);
        let mut places: Vec<(u64, u32)> = points.into_iter().zip(0..).collect();
        places.sort_unstable();
        let source = exponents
            .iter()
            .map(|e| {
                let point = q.pow(psi, u64::from(*e));
                let at = places.binary_search_by_key(&point, |(p, _)| *p).ok()?;
                Some(places[at].1)
            })
            .collect::<Option<_>>()?;
        Some(Concrete {
            plan,
            source,
            n_inverse: q.inv(q.reduce(n as u64))?,
        })
    }

    /// The transform of words below 4q.
    pub(crate) fn forward(&self, q: &Modulus, row: &mut [u64]) {
        for word in row.iter_mut() {
            *word = q.reduce52(*word);
        }
        self.plan.fwd(row);
        let values = row.to_vec();
        for (word, from) in row.iter_mut().zip(&self.source) {
            *word = values[*from as usize];
        }
    }

    /// The inverse times `factor`.
    pub(crate) fn inverse(&self, q: &Modulus, row: &mut [u64], factor: u64) {
        let scale = q.shoup(q.mul(self.n_inverse, factor));
        let values = row.to_vec();
        for (value, to) in values.into_iter().zip(&self.source) {
            row[*to as usize] = value;
        }
        self.plan.inv(row);
        for word in row {
            *word = q.mul_shoup(*word, scale);
        }
    }
}
