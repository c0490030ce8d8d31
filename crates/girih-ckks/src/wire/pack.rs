//! Rows of residues in as many bits as their primes have.

use girih_rns::{Domain, Poly, PolyQp, Ring};

use super::Reader;
use crate::WireError;

/// Bytes of the row of prime `index`: N residues of its bit length.
fn row_len(ring: &Ring, index: usize) -> usize {
    ring.n() * ring.modulus(index).bits() as usize / 8
}

/// Bytes of the rows of a polynomial over `limbs` primes of Q.
pub(super) fn poly_len(ring: &Ring, limbs: usize) -> usize {
    (0..limbs).map(|i| row_len(ring, i)).sum()
}

/// Bytes of the rows of a polynomial over `limbs` primes of Q and all of P.
pub(super) fn poly_qp_len(ring: &Ring, limbs: usize) -> usize {
    (0..limbs + ring.p_len())
        .map(|r| row_len(ring, ring.qp_index(limbs, r)))
        .sum()
}

/// Appends the rows of a polynomial.
pub(super) fn write_poly<D: Domain>(poly: &Poly<D>, ring: &Ring, out: &mut Vec<u8>) {
    for i in 0..poly.limbs() {
        pack(poly.row(i), ring.modulus(i).bits(), out);
    }
}

/// Appends the rows of a polynomial over Q and P.
pub(super) fn write_poly_qp<D: Domain>(poly: &PolyQp<D>, ring: &Ring, out: &mut Vec<u8>) {
    for r in 0..poly.row_count() {
        pack(
            poly.row(r),
            ring.modulus(ring.qp_index(poly.limbs(), r)).bits(),
            out,
        );
    }
}

/// Reads a polynomial over `limbs` primes of Q.
pub(super) fn read_poly<D: Domain>(
    reader: &mut Reader<'_>,
    ring: &Ring,
    limbs: usize,
) -> Result<Poly<D>, WireError> {
    let rows = row_slices(reader, ring, 0..limbs)?;
    let poly = Poly::from_fn(ring, limbs, |i, row| {
        unpack(rows[i], ring.modulus(i).bits(), row);
    });
    poly.check(ring).map_err(residue)?;
    Ok(poly)
}

/// Reads a polynomial over `limbs` primes of Q and all of P.
pub(super) fn read_poly_qp<D: Domain>(
    reader: &mut Reader<'_>,
    ring: &Ring,
    limbs: usize,
) -> Result<PolyQp<D>, WireError> {
    let indices = (0..limbs + ring.p_len()).map(|r| ring.qp_index(limbs, r));
    let rows = row_slices(reader, ring, indices)?;
    let poly = PolyQp::from_fn(ring, limbs, |index, row| {
        let r = if index < ring.q_len() {
            index
        } else {
            index - ring.q_len() + limbs
        };
        unpack(rows[r], ring.modulus(index).bits(), row);
    });
    poly.check(ring).map_err(residue)?;
    Ok(poly)
}

/// The bytes of the rows of some primes; nothing is allocated for rows that are not there.
fn row_slices<'b>(
    reader: &mut Reader<'b>,
    ring: &Ring,
    indices: impl Iterator<Item = usize> + Clone,
) -> Result<Vec<&'b [u8]>, WireError> {
    let needed: usize = indices.clone().map(|i| row_len(ring, i)).sum();
    if needed > reader.left() {
        return Err(WireError::Truncated {
            needed: needed as u64,
            left: reader.left() as u64,
        });
    }
    indices.map(|i| reader.take(row_len(ring, i))).collect()
}

fn residue(error: girih_rns::Error) -> WireError {
    match error {
        girih_rns::Error::WireRange { value, prime, .. } => WireError::OutOfRange {
            field: "residue",
            value,
            max: prime - 1,
        },
        _ => WireError::Invalid {
            field: "residues",
            why: "not a polynomial of this ring",
        },
    }
}

/// Appends `width` bits of every word; the total is whole bytes (rows have at least eight words).
fn pack(row: &[u64], width: u32, out: &mut Vec<u8>) {
    let (mut bits, mut used) = (0u64, 0u32);
    for &word in row {
        bits |= word << used;
        used += width;
        if used >= 64 {
            out.extend_from_slice(&bits.to_le_bytes());
            used -= 64;
            bits = if used == 0 { 0 } else { word >> (width - used) };
        }
    }
    out.extend_from_slice(&bits.to_le_bytes()[..used as usize / 8]);
}

/// Inverse of [`pack`] for widths up to 57.
fn unpack(bytes: &[u8], width: u32, row: &mut [u64]) {
    let mask = (1u64 << width) - 1;
    for (i, word) in row.iter_mut().enumerate() {
        let bit = i * width as usize;
        let tail = &bytes[bit / 8..];
        let window = match tail.first_chunk::<8>() {
            Some(window) => *window,
            None => {
                let mut window = [0; 8];
                window[..tail.len()].copy_from_slice(tail);
                window
            }
        };
        *word = (u64::from_le_bytes(window) >> (bit % 8)) & mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unpacking_inverts_packing(width in 2u32..=50, words in prop::collection::vec(any::<u64>(), 1..20)) {
            let words: Vec<u64> = words.iter().cycle().take(8 * words.len()).map(|w| w >> (64 - width)).collect();
            let mut bytes = Vec::new();
            pack(&words, width, &mut bytes);
            prop_assert_eq!(bytes.len(), words.len() * width as usize / 8);
            let mut back = vec![0; words.len()];
            unpack(&bytes, width, &mut back);
            prop_assert_eq!(back, words);
        }
    }

    #[test]
    fn packed_bytes_are_the_little_endian_bit_string() {
        let mut bytes = Vec::new();
        pack(
            &[0b001, 0b010, 0b011, 0b100, 0b101, 0b110, 0b111, 0b000],
            3,
            &mut bytes,
        );
        assert_eq!(bytes, [0b1101_0001, 0b0101_1000, 0b0001_1111]);
    }
}
