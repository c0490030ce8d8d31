//! Integer coefficients of encoded vectors, and their residues.

use girih_he::Level;
use girih_rns::{MIN_DEGREE, Ntt, Poly, PolyQp, Ring};

use crate::{EncodeError, Params, Plaintext};

/// The integer coefficients of an encoded vector, before reduction modulo primes: those of a polynomial of degree below
/// `2n` in `X^(N/2n)` for `n` slots.
///
/// For callers that reduce one vector at several levels; [`Encoder::encode`](crate::Encoder::encode) does both steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficients {
    pub(super) values: Integers,
    /// log2 of the largest magnitude, at least 0.
    pub(super) log_max: f64,
    pub(super) scale: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Integers {
    Narrow(Vec<i64>),
    Wide(Vec<i128>),
}

impl Coefficients {
    /// Reduced modulo the primes of `level`, in NTT form.
    ///
    /// # Errors
    /// A level above the top, coefficients that do not fit half its modulus.
    pub fn to_plaintext(&self, params: &Params, level: Level) -> Result<Plaintext, EncodeError> {
        let limbs = self.limbs_at(params, level)?;
        let poly = self.to_poly(&self.subring(params), limbs);
        Ok(Plaintext::new(
            poly.embedded(params.ring()),
            level,
            self.scale,
        ))
    }

    /// The limbs of `level`, in which the coefficients fit.
    ///
    /// # Errors
    /// As [`to_plaintext`](Coefficients::to_plaintext).
    pub(crate) fn limbs_at(&self, params: &Params, level: Level) -> Result<usize, EncodeError> {
        let info = params.chain().get(level).ok_or(EncodeError::Level {
            level,
            top: params.top(),
        })?;
        let log_bound = info.log_q - 1.0;
        if self.log_max >= log_bound {
            return Err(EncodeError::Overflow {
                log_coefficient: self.log_max,
                log_scale: self.scale.log2(),
                level,
                log_bound,
            });
        }
        Ok(info.limbs)
    }

    /// The smallest ring of these polynomials, those in `X^(N/2n)` for `n` slots.
    ///
    /// # Panics
    /// If the parameters are not those of the encoder.
    pub(crate) fn subring(&self, params: &Params) -> Ring {
        params
            .ring()
            .subring(self.len().max(MIN_DEGREE))
            .expect("a power of two of coefficients, no more than N")
    }

    /// Modulo the first `limbs` primes of a ring, in NTT form: of `R` itself or of a [subring](Ring::subring) of degree `2n`
    /// or more, where every row is as much shorter.
    ///
    /// # Panics
    /// If the ring has fewer primes, or its degree is not a multiple of `2n`.
    #[must_use]
    pub fn to_poly(&self, ring: &Ring, limbs: usize) -> Poly<Ntt> {
        Poly::from_fn(ring, limbs, |i, row| self.fill(ring, i, row))
    }

    /// As [`to_poly`](Coefficients::to_poly), modulo the first `limbs` primes of Q and all of P.
    ///
    /// # Panics
    /// As [`to_poly`](Coefficients::to_poly).
    #[must_use]
    pub fn to_poly_qp(&self, ring: &Ring, limbs: usize) -> PolyQp<Ntt> {
        PolyQp::from_fn(ring, limbs, |i, row| self.fill(ring, i, row))
    }

    fn len(&self) -> usize {
        match &self.values {
            Integers::Narrow(values) => values.len(),
            Integers::Wide(values) => values.len(),
        }
    }

    /// Evaluations modulo prime `index`.
    fn fill(&self, ring: &Ring, index: usize, row: &mut [u64]) {
        let table = ring.table(index);
        let q = table.modulus();
        let len = self.len();
        assert!(
            row.len().is_multiple_of(len),
            "a ring with these polynomials"
        );
        match &self.values {
            Integers::Narrow(values) => {
                table
                    .kernels()
                    .scale_i64(q, &mut row[..len], values, q.shoup(1));
            }
            Integers::Wide(values) => {
                for (x, &c) in row.iter_mut().zip(values) {
                    let r = q.reduce_u128(c.unsigned_abs());
                    *x = if c < 0 { q.neg(r) } else { r };
                }
            }
        }
        let gap = row.len() / len;
        if gap > 1 {
            for k in (0..len).rev() {
                row[k * gap] = row[k];
                row[k * gap + 1..(k + 1) * gap].fill(0);
            }
        }
        table.forward(row);
    }

    /// The coefficients in a ring of a degree that is a multiple of `2n`, if they fit `i64`.
    pub(crate) fn narrow(&self, degree: usize) -> Option<Vec<i64>> {
        match &self.values {
            Integers::Narrow(values) => {
                let mut spread = vec![0; degree];
                let every = spread.iter_mut().step_by(degree / values.len());
                every.zip(values).for_each(|(x, &c)| *x = c);
                Some(spread)
            }
            Integers::Wide(_) => None,
        }
    }

    /// What the values were multiplied by.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }
}
