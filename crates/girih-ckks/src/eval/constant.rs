//! Constants of a computation: clear values, encoded on first use.

use std::fmt;
use std::sync::{Arc, OnceLock};

use girih_he::{ConstantValues, Level, period};
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

/// Whether an encoding that is made when a constant is met stays with the constant. What was
/// [prepared](crate::Evaluator::prepare) stays in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encodings {
    /// It stays: the next use at that level finds it.
    #[default]
    Kept,
    /// It is dropped after the operation: memory does not grow with the number of constants, every use pays for an encoding. Sums of
    /// many products encode a few constants at a time.
    Transient,
}

/// A named vector of values with its encodings, one for each level and [`Use`] it has met.
///
/// Values that repeat, `v[i + m] = v[i]` for a power of two `m`, are those of a polynomial in `X^(N/2m)`: one [period](Constant::period) of
/// them is kept, encoded by transforms of `m` and `2m` words, and factors are stored in `2m` words a prime. So are equal values
/// (m = 1). Values that are computed are not kept at all.
///
/// Cloning shares values and encodings.
#[derive(Clone)]
pub struct Constant {
    inner: Arc<Inner>,
}

struct Inner {
    params: Params,
    name: String,
    source: Source,
    encodings: Vec<OnceLock<Poly<Ntt>>>,
    /// By level, for [`Use::LazyFactor`] and [`Use::CompactFactor`].
    lazy: Vec<OnceLock<Weight>>,
}

/// Where the slots come from.
enum Source {
    Kept(Period),
    Computed(ConstantValues),
}

/// One period of the slots.
#[derive(Clone)]
pub(crate) struct Period {
    pub(crate) values: Values,
    /// Its length; values that are missing are zero.
    pub(crate) len: usize,
}

impl Period {
    fn of(values: Values, slots: usize) -> Period {
        match values {
            Values::Real(values) => {
                let len = period(&values, 0.0, slots);
                let values = shortened(values, len);
                Period {
                    values: Values::Real(values),
                    len,
                }
            }
            Values::Complex(values) => {
                let len = period(&values, Complex64::ZERO, slots);
                let values = shortened(values, len);
                Period {
                    values: Values::Complex(values),
                    len,
                }
            }
        }
    }
}

/// The first `len` values, shared if these are all.
fn shortened<T: Clone>(values: Arc<[T]>, len: usize) -> Arc<[T]> {
    if values.len() > len {
        values[..len].into()
    } else {
        values
    }
}

/// The slots of a constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Real numbers.
    Real(Arc<[f64]>),
    /// Complex numbers.
    Complex(Arc<[Complex64]>),
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
        let source = Source::Kept(Period::of(values, params.slots()));
        Constant::of(params, name, source)
    }

    /// A constant whose values are asked for whenever they are encoded.
    pub(crate) fn computed(params: &Params, name: &str, values: ConstantValues) -> Constant {
        Constant::of(params, name, Source::Computed(values))
    }

    fn of(params: &Params, name: &str, source: Source) -> Constant {
        let levels = usize::from(params.top().0) + 1;
        Constant {
            inner: Arc::new(Inner {
                params: params.clone(),
                name: name.to_owned(),
                source,
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

    /// The values of one [period](Constant::period), now if they are computed; those that are missing are zero.
    #[must_use]
    pub fn values(&self) -> Values {
        self.one_period().values
    }

    /// The smallest power of two by which the values repeat in the slots.
    #[must_use]
    pub fn period(&self) -> usize {
        self.one_period().len
    }

    pub(crate) fn one_period(&self) -> Period {
        match &self.inner.source {
            Source::Kept(period) => period.clone(),
            Source::Computed(values) => {
                Period::of(Values::Real(values.slots()), self.inner.params.slots())
            }
        }
    }

    /// Whether the values are computed whenever they are encoded, and so have not been checked.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self.inner.source, Source::Computed(_))
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

    /// The encoding over QP for a level, if one is kept.
    pub(crate) fn weight(&self, level: Level) -> Option<&Weight> {
        self.inner.lazy[usize::from(level.0)].get()
    }

    /// Keeps an encoding over QP. Of two threads that come at once one finds that of the other, which is equal.
    pub(crate) fn keep_weight(&self, level: Level, weight: Weight) -> &Weight {
        self.inner.lazy[usize::from(level.0)].get_or_init(|| weight)
    }

    /// The encoding for a level and one of the first three uses, if one is kept.
    pub(crate) fn encoding(&self, level: Level, usage: Use) -> Option<&Poly<Ntt>> {
        self.cell(level, usage).get()
    }

    /// Keeps an encoding for a level and one of the first three uses, as [`keep_weight`](Self::keep_weight).
    pub(crate) fn keep(&self, level: Level, usage: Use, poly: Poly<Ntt>) -> &Poly<Ntt> {
        self.cell(level, usage).get_or_init(|| poly)
    }

    fn cell(&self, level: Level, usage: Use) -> &OnceLock<Poly<Ntt>> {
        &self.inner.encodings[usize::from(level.0) * USES + usage as usize]
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constant")
            .field("name", &self.inner.name)
            .field("encoded_bytes", &self.encoded_bytes())
            .finish()
    }
}
