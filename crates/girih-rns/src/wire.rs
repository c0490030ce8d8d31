//! Rows as raw little-endian words: 8 bytes a residue, row after row.

use crate::{Domain, Error, Poly, PolyQp, Result, Ring};

/// Bytes of `limbs` rows of `n` words.
#[must_use]
pub fn rows_len(n: usize, limbs: usize) -> usize {
    8 * n * limbs
}

/// Appends rows as little-endian words.
pub fn write_rows(rows: &[u64], out: &mut Vec<u8>) {
    out.reserve(8 * rows.len());
    for word in rows {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

fn read_words(bytes: &[u8], rows: &mut [u64]) {
    for (word, bytes) in rows.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
}

fn expect_len(bytes: &[u8], n: usize, limbs: usize) -> Result<()> {
    let expected = rows_len(n, limbs);
    if bytes.len() != expected {
        return Err(Error::WireLength {
            limbs,
            n,
            expected,
            got: bytes.len(),
        });
    }
    Ok(())
}

fn expect_limbs(limbs: usize, ring: &Ring) -> Result<()> {
    if limbs == 0 || limbs > ring.q_len() {
        return Err(Error::TooManyLimbs {
            limbs,
            available: ring.q_len(),
        });
    }
    Ok(())
}

impl<D: Domain> Poly<D> {
    /// Appends the rows to `out`, 8 bytes a residue.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_rows(self.rows(), out);
    }

    /// Reads a polynomial of `limbs` rows from exactly their bytes.
    ///
    /// # Errors
    /// Limbs that the ring does not have, another length (checked before memory is taken), or a residue that is not below its prime.
    pub fn read_from(bytes: &[u8], limbs: usize, ring: &Ring) -> Result<Poly<D>> {
        expect_limbs(limbs, ring)?;
        expect_len(bytes, ring.n(), limbs)?;
        let mut poly = Poly::unfilled(ring, limbs);
        read_words(bytes, poly.rows_mut());
        poly.check(ring)?;
        Ok(poly)
    }
}

impl<D: Domain> PolyQp<D> {
    /// Appends the rows to `out`, 8 bytes a residue, those of Q first.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_rows(self.rows(), out);
    }

    /// Reads a polynomial of `limbs` rows over Q and the rows over P from exactly their bytes.
    ///
    /// # Errors
    /// As [`Poly::read_from`].
    pub fn read_from(bytes: &[u8], limbs: usize, ring: &Ring) -> Result<PolyQp<D>> {
        expect_limbs(limbs, ring)?;
        expect_len(bytes, ring.n(), limbs + ring.p_len())?;
        let mut poly = PolyQp::unfilled(ring, limbs);
        read_words(bytes, &mut poly.rows);
        poly.check(ring)?;
        Ok(poly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Coeff, oracle};

    #[test]
    fn rows_round_trip_and_bad_bytes_are_refused() {
        let n = 16;
        let primes = oracle::primes(n, 40, 5);
        let ring = Ring::try_new(n, &primes[..3], &primes[3..]).expect("ring");
        let a = oracle::random_coeff(&ring, 2, 7);
        let b = oracle::random_qp(&ring, 2, 8);
        let (mut bytes_a, mut bytes_b) = (Vec::new(), Vec::new());
        a.write_to(&mut bytes_a);
        b.write_to(&mut bytes_b);
        assert_eq!(bytes_a.len(), rows_len(n, 2));
        assert_eq!(
            Poly::<Coeff>::read_from(&bytes_a, 2, &ring).as_ref(),
            Ok(&a)
        );
        assert_eq!(
            PolyQp::<Coeff>::read_from(&bytes_b, 2, &ring).as_ref(),
            Ok(&b)
        );
        let read = |bytes: &[u8], limbs| {
            Poly::<Coeff>::read_from(bytes, limbs, &ring).expect_err("refused")
        };
        assert_eq!(
            read(&bytes_a[1..], 2),
            Error::WireLength {
                limbs: 2,
                n,
                expected: 256,
                got: 255
            }
        );
        assert_eq!(
            read(&bytes_a, 4),
            Error::TooManyLimbs {
                limbs: 4,
                available: 3
            }
        );
        assert_eq!(
            read(&[], 0),
            Error::TooManyLimbs {
                limbs: 0,
                available: 3
            }
        );
        bytes_a[8 * (n + 3)..8 * (n + 4)].copy_from_slice(&primes[1].to_le_bytes());
        assert_eq!(
            read(&bytes_a, 2),
            Error::WireRange {
                row: 1,
                index: 3,
                value: primes[1],
                prime: primes[1]
            }
        );
    }
}
