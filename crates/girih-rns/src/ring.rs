//! The ring R_QP: its degree, its primes and everything that is computed from them once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use girih_ntt::{Isa, Modulus, NttTable, Permutation, Pool, ShoupPair};

use crate::extend::Conversion;
use crate::rescale::Division;
use crate::{Error, GaloisElement, Result};

/// `R_Q = Z_Q[X]/(X^N + 1)` with `Q = q_1 .. q_L`, and the special primes `P = p_1 .. p_K`.
///
/// Cloning shares everything. Primes have one numbering: `0..L` are the primes of Q, `L..L+K` those
/// of P. Constants of base conversions and divisions, and the index tables of automorphisms, are
/// computed on first use and kept.
#[derive(Clone)]
pub struct Ring {
    inner: Arc<Inner>,
}

/// Bits by which a digit of more primes than P stays below P, so that the noise of key switching, about
/// `sqrt(digits N / 12) sigma D / P`, stays below that of the rounding that follows.
pub const DIGIT_HEADROOM: f64 = 6.0;

/// The smallest degree of a ring, that of the shortest transform.
pub const MIN_DEGREE: usize = 1 << girih_ntt::MIN_LOG_N;

struct Inner {
    n: usize,
    isa: Isa,
    primes: Vec<u64>,
    tables: Vec<NttTable>,
    q_len: usize,
    digits: Vec<Range<usize>>,
    pool: Pool,
    conversions: Cache<(usize, usize), Conversion>,
    divisions: Cache<(usize, usize, bool), Division>,
    automorphisms: Cache<GaloisElement, Permutation>,
    subrings: Cache<usize, Ring>,
}

/// Values computed on first use, shared afterwards.
struct Cache<K, V>(Mutex<HashMap<K, Arc<V>>>);

impl<K: std::hash::Hash + Eq, V> Cache<K, V> {
    fn new() -> Self {
        Cache(Mutex::new(HashMap::new()))
    }

    fn get_or(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        if let Some(value) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Arc::clone(value);
        }
        // Computed outside the lock; two threads may do it at once, the results are equal.
        let value = Arc::new(make());
        Arc::clone(
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key)
                .or_insert(value),
        )
    }
}

impl Ring {
    /// The ring of degree `n` over the primes `q` and the special primes `p` (which may be empty),
    /// with the fastest kernels of this processor.
    ///
    /// # Errors
    /// No prime, a prime that occurs twice, a degree that is not a power of two in the range of the
    /// transform, or a prime that is not `1 mod 2n`.
    pub fn try_new(n: usize, q: &[u64], p: &[u64]) -> Result<Ring> {
        Ring::try_new_with(n, q, p, Isa::best())
    }

    /// [`Ring::try_new`] with the kernels of a given instruction set.
    ///
    /// # Errors
    /// As [`Ring::try_new`], and an instruction set that this processor lacks.
    pub fn try_new_with(n: usize, q: &[u64], p: &[u64], isa: Isa) -> Result<Ring> {
        if q.is_empty() {
            return Err(Error::NoPrimes);
        }
        let primes: Vec<u64> = q.iter().chain(p).copied().collect();
        for (i, &prime) in primes.iter().enumerate() {
            if primes[..i].contains(&prime) {
                return Err(Error::RepeatedPrime { prime });
            }
        }
        let pool = Pool::new();
        let tables = primes
            .iter()
            .map(|&prime| {
                NttTable::try_new_in(n, prime, isa, &pool).map_err(|e| Error::Transform {
                    n,
                    prime,
                    why: e.to_string(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Ring {
            inner: Arc::new(Inner {
                n,
                isa,
                primes,
                tables,
                q_len: q.len(),
                digits: digits(q, p),
                pool,
                conversions: Cache::new(),
                divisions: Cache::new(),
                automorphisms: Cache::new(),
                subrings: Cache::new(),
            }),
        })
    }

    /// The subring of polynomials in `Y = X^(N/degree)` over the same primes, as a ring of that degree: a row of evaluations
    /// in it, each word repeated `N/degree` times, is the row in this ring ([`NttTable::decimated`]). Its polynomials are
    /// factors of products in this ring ([`Poly::inner_product_pair`](crate::Poly::inner_product_pair),
    /// [`add_weighted_babies`](crate::add_weighted_babies)).
    ///
    /// Cost, at the first call: tables of `degree` words for each prime.
    ///
    /// # Errors
    /// A degree that is not a power of two from 8 to N.
    pub fn subring(&self, degree: usize) -> Result<Ring> {
        if degree == self.n() {
            return Ok(self.clone());
        }
        if !(MIN_DEGREE..self.n()).contains(&degree) || !degree.is_power_of_two() {
            return Err(Error::Subring {
                degree,
                n: self.n(),
            });
        }
        let inner = &self.inner;
        let shorter = |table: &NttTable| {
            table
                .decimated(degree, &inner.pool)
                .expect("the degree was checked")
        };
        let make = || Ring {
            inner: Arc::new(Inner {
                n: degree,
                isa: inner.isa,
                primes: inner.primes.clone(),
                tables: inner.tables.iter().map(shorter).collect(),
                q_len: inner.q_len,
                digits: inner.digits.clone(),
                pool: inner.pool.clone(),
                conversions: Cache::new(),
                divisions: Cache::new(),
                automorphisms: Cache::new(),
                subrings: Cache::new(),
            }),
        };
        Ok(Ring::clone(&inner.subrings.get_or(degree, make)))
    }

    /// The primes of Q in digits: as many primes each as P has, or more as long as their product stays
    /// [`DIGIT_HEADROOM`] bits below P; none without special primes.
    #[must_use]
    pub fn digits(&self) -> &[Range<usize>] {
        &self.inner.digits
    }

    /// The degree N.
    #[must_use]
    pub fn n(&self) -> usize {
        self.inner.n
    }

    /// The instruction set of the kernels.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.inner.isa
    }

    /// Number L of primes of Q.
    #[must_use]
    pub fn q_len(&self) -> usize {
        self.inner.q_len
    }

    /// Number K of primes of P; also the limbs of a gadget digit.
    #[must_use]
    pub fn p_len(&self) -> usize {
        self.inner.primes.len() - self.inner.q_len
    }

    /// The primes of Q.
    #[must_use]
    pub fn q_primes(&self) -> &[u64] {
        &self.inner.primes[..self.inner.q_len]
    }

    /// The primes of P.
    #[must_use]
    pub fn p_primes(&self) -> &[u64] {
        &self.inner.primes[self.inner.q_len..]
    }

    /// The transform of prime `index` (`0..L` in Q, `L..L+K` in P).
    #[must_use]
    pub fn table(&self, index: usize) -> &NttTable {
        &self.inner.tables[index]
    }

    /// The modulus of prime `index` (`0..L` in Q, `L..L+K` in P).
    #[must_use]
    pub fn modulus(&self, index: usize) -> &Modulus {
        self.inner.tables[index].modulus()
    }

    /// The prime index of row `row` of a polynomial over `limbs` primes of Q and then all of P.
    #[must_use]
    pub fn qp_index(&self, limbs: usize, row: usize) -> usize {
        if row < limbs {
            row
        } else {
            self.inner.q_len + row - limbs
        }
    }

    /// `P mod q` as a prepared factor, for prime `index` of Q.
    pub(crate) fn special_product(&self, index: usize) -> ShoupPair {
        let q = self.modulus(index);
        q.shoup(
            self.p_primes()
                .iter()
                .fold(1, |p, &prime| q.mul(p, q.reduce(prime))),
        )
    }

    /// The recycled memory of this ring's polynomials.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    /// The index table of an automorphism in the transform's order.
    ///
    /// # Panics
    /// If the element is not of this ring (its value is reduced modulo 2N and odd by construction).
    #[must_use]
    pub fn permutation(&self, element: GaloisElement) -> Arc<Permutation> {
        self.inner.automorphisms.get_or(element, || {
            self.inner.tables[0]
                .automorphism(element.value())
                .expect("a Galois element is odd")
        })
    }

    /// Constants that convert the digit of primes `start..start + len` of Q to every other prime.
    pub(crate) fn conversion(&self, start: usize, len: usize) -> Arc<Conversion> {
        self.inner.conversions.get_or((start, len), || {
            Conversion::new(self, (start..start + len).collect())
        })
    }

    /// Constants of the division of `limbs` limbs by the last `drop` of them, and by P if `special`.
    pub(crate) fn division(&self, limbs: usize, drop: usize, special: bool) -> Arc<Division> {
        self.inner.divisions.get_or((limbs, drop, special), || {
            Division::new(self, limbs, drop, special)
        })
    }
}

/// The digits from the first prime on: what comes first does not depend on what follows, so a polynomial of fewer limbs
/// has a prefix of them.
fn digits(q: &[u64], p: &[u64]) -> Vec<Range<usize>> {
    let log = |primes: &[u64]| primes.iter().map(|&x| (x as f64).log2()).sum::<f64>();
    let largest = log(p) - DIGIT_HEADROOM;
    let mut digits: Vec<Range<usize>> = Vec::new();
    for i in 0..if p.is_empty() { 0 } else { q.len() } {
        match digits.last_mut() {
            Some(last) if last.len() < p.len() || log(&q[last.start..=i]) <= largest => {
                last.end = i + 1;
            }
            _ => digits.push(i..i + 1),
        }
    }
    digits
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("n", &self.n())
            .field("q", &self.q_primes())
            .field("p", &self.p_primes())
            .field("isa", &self.isa())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    #[test]
    fn degrees_of_subrings_are_checked() {
        let n = 64;
        let ring = Ring::try_new(n, &oracle::primes(n, 45, 2), &[]).expect("ring");
        for degree in [8, 16, 32, 64] {
            assert_eq!(ring.subring(degree).expect("a degree").n(), degree);
        }
        for degree in [0, 4, 24, 128] {
            assert_eq!(
                ring.subring(degree).expect_err("refused"),
                Error::Subring { degree, n }
            );
        }
    }

    #[test]
    fn digits_hold_more_primes_where_they_are_small() {
        let n = 16;
        let (large, small) = (oracle::primes(n, 45, 8), oracle::primes(n, 28, 10));
        let (p, large) = large.split_at(3);
        // 3 of 45 bits; then 4 of 28 bits are 112 < 135 - 6, a fifth is not; what comes first stays.
        let q: Vec<u64> = large[..3].iter().chain(&small).copied().collect();
        assert_eq!(digits(&q, p), [0..3, 3..7, 7..11, 11..13]);
        assert_eq!(digits(&q[..6], p), [0..3, 3..6]);
        assert!(digits(&q, &[]).is_empty());
        // Digits as large as P stay as long as it is.
        assert_eq!(
            digits(&oracle::primes(n, 45, 12)[3..], p),
            [0..3, 3..6, 6..9]
        );
    }
}
