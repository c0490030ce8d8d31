//! Constants of a computation: clear values, encoded on first use.

use std::fmt;
use std::sync::{Arc, OnceLock};

use girih_he::Level;
use girih_rns::{Ntt, Poly, Weight};
use num_complex::Complex64;

use crate::Params;

/// How a constant meets a ciphertext; decides the scale of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// As a factor: the product, rescaled, is on the canonical scale below.
    Factor,
    /// As a term of a sum with a rescaled ciphertext.
    Term,
    /// As a term of a sum with a product that has not been rescaled.
    ProductTerm,
    /// As a factor in a linear transform, whose products are divided by the special modulus later: a [`Use::Factor`] with
    /// residues modulo the special primes too.
    LazyFactor,
    /// A [`Use::LazyFactor`] kept as the coefficients of its polynomial, one row in place of one a prime, which every
    /// product transforms. A product takes whichever of the two was prepared first, a [`Use::LazyFactor`] if none was.
    CompactFactor,
}

/// A named vector of values with its encodings, one for each level and [`Use`] it has met.
///
/// Values that repeat, `v[i + m] = v[i]` for a power of two `m`, are those of a polynomial in `X^(N/2m)`: one [period](Constant::period) of
/// them is kept, encoded by transforms of `m` and `2m` words, and factors are stored in `2m` words a prime. So are equal values
/// (m = 1).
///
/// Cloning shares values and encodings.
#[derive(Clone)]
pub struct Constant {
    inner: Arc<Inner>,
}

struct Inner {
    params: Params,
    name: String,
    /// One period.
    values: Values,
    period: usize,
    encodings: Vec<OnceLock<Poly<Ntt>>>,
    /// By level, for [`Use::LazyFactor`] and [`Use::CompactFactor`].
    lazy: Vec<OnceLock<Weight>>,
}

/// The slots of a constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Real numbers.
    Real(Vec<f64>),
    /// Complex numbers.
    Complex(Vec<Complex64>),
}

const USES: usize = 3;

impl Values {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Values::Real(values) => values.len(),
            Values::Complex(values) => values.len(),
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Constant {
    pub(crate) fn new(params: &Params, name: &str, values: Values) -> Constant {
        let levels = usize::from(params.top().0) + 1;
        let slots = params.slots();
        let (period, values) = match values {
            Values::Real(mut values) => {
                let period = period(&values, 0.0, slots);
                values.truncate(period);
                values.shrink_to_fit();
                (period, Values::Real(values))
            }
            Values::Complex(mut values) => {
                let period = period(&values, Complex64::ZERO, slots);
                values.truncate(period);
                values.shrink_to_fit();
                (period, Values::Complex(values))
            }
        };
        Constant {
            inner: Arc::new(Inner {
                params: params.clone(),
                name: name.to_owned(),
                values,
                period,
                encodings: (0..levels * USES).map(|_| OnceLock::new()).collect(),
                lazy: (0..levels).map(|_| OnceLock::new()).collect(),
            }),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The values of one [period](Constant::period); those that are missing are zero.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.inner.values
    }

    /// The smallest power of two by which the values repeat in the slots.
    #[must_use]
    pub fn period(&self) -> usize {
        self.inner.period
    }

    /// Bytes of the encodings made so far.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let made = self.inner.encodings.iter().filter_map(OnceLock::get);
        let lazy = self.inner.lazy.iter().filter_map(OnceLock::get);
        made.map(|poly| 8 * poly.rows().len())
            .chain(lazy.map(Weight::bytes))
            .sum()
    }

    pub(crate) fn params(&self) -> &Params {
        &self.inner.params
    }

    /// The encoding over QP for a level; see [`Constant::encoding`].
    pub(crate) fn lazy_encoding<E>(
        &self,
        level: Level,
        encode: impl FnOnce() -> Result<Weight, E>,
    ) -> Result<&Weight, E> {
        let cell = &self.inner.lazy[usize::from(level.0)];
        match cell.get() {
            Some(weight) => Ok(weight),
            None => {
                let weight = encode()?;
                Ok(cell.get_or_init(|| weight))
            }
        }
    }

    /// The encoding for a level and one of the first three uses, made by `encode` if there is none yet. Two threads that ask
    /// at once may both encode; one result is kept, both are equal.
    pub(crate) fn encoding<E>(
        &self,
        level: Level,
        usage: Use,
        encode: impl FnOnce() -> Result<Poly<Ntt>, E>,
    ) -> Result<&Poly<Ntt>, E> {
        let cell = &self.inner.encodings[usize::from(level.0) * USES + usage as usize];
        match cell.get() {
            Some(poly) => Ok(poly),
            None => {
                let poly = encode()?;
                Ok(cell.get_or_init(|| poly))
            }
        }
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constant")
            .field("name", &self.inner.name)
            .field("period", &self.inner.period)
            .field("encoded_bytes", &self.encoded_bytes())
            .finish()
    }
}

/// The smallest power of two by which `values`, filled up with `zero`, repeat in a power of two of slots.
fn period<T: Copy + PartialEq>(values: &[T], zero: T, slots: usize) -> usize {
    let mut period = slots;
    while period > 1 {
        let half = period / 2;
        let (low, high) = values.split_at(half.min(values.len()));
        let high = &high[..high.len().min(half)];
        let (same, rest) = low.split_at(high.len());
        if same != high || rest.iter().any(|x| *x != zero) {
            break;
        }
        period = half;
    }
    period
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn periods_are_the_smallest(log in 0u32..6, len in 0usize..=32, flip in prop::option::of(0usize..32)) {
            let slots = 32;
            let mut values: Vec<f64> = (0..len).map(|i| (i % (1 << log)) as f64).collect();
            if let Some(x) = flip.and_then(|i| values.get_mut(i)) {
                *x = -1.0;
            }
            let slot = |i: usize| values.get(i).copied().unwrap_or(0.0);
            let repeats = |m: usize| (0..slots).all(|i| slot(i) == slot(i % m));
            let expected = (0..=5).map(|k| 1 << k).find(|m| repeats(*m));
            prop_assert_eq!(Some(period(&values, 0.0, slots)), expected);
        }
    }
}
