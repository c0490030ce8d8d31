//! From residues to numbers.

use girih_ntt::{Modulus, ShoupPair};
use girih_rns::{Coeff, Poly, Ring};

/// Most limbs that decoding needs: 120 bits in primes of 20 bits or more, the smallest a chain can have.
const MAX_DIGITS: usize = 8;

/// Chinese remaindering of a few limbs to centred integers, by mixed radix digits (Garner, 1959).
pub(super) struct Composer<'r> {
    moduli: Vec<&'r Modulus>,
    /// `inverses[i][j] = q_j^-1 mod q_i` for `j < i`.
    inverses: Vec<Vec<ShoupPair>>,
}

impl<'r> Composer<'r> {
    pub(super) fn new(ring: &'r Ring, limbs: usize) -> Composer<'r> {
        let moduli: Vec<&Modulus> = (0..limbs).map(|i| ring.modulus(i)).collect();
        let inverses = (0..limbs)
            .map(|i| {
                let q = moduli[i];
                let inverse =
                    |j: usize| q.inv(q.reduce(moduli[j].value())).expect("distinct primes");
                (0..i).map(|j| q.shoup(inverse(j))).collect()
            })
            .collect();
        Composer { moduli, inverses }
    }

    /// Coefficient `k` in `(-Q/2, Q/2]`, rounded to f64; exact below 2^126 in magnitude before that.
    pub(super) fn centred(&self, poly: &Poly<Coeff>, k: usize) -> f64 {
        if let [q] = self.moduli[..] {
            return q.centre(poly.row(0)[k]) as f64;
        }
        // x = d_0 + q_0 (d_1 + q_1 (d_2 + ..))
        let limbs = self.moduli.len();
        let mut digits = [0u64; MAX_DIGITS];
        for (i, q) in self.moduli.iter().enumerate() {
            let mut x = poly.row(i)[k];
            for (&digit, &inverse) in digits.iter().zip(&self.inverses[i]) {
                x = q.mul_shoup(q.sub(x, q.reduce(digit)), inverse);
            }
            digits[i] = x;
        }
        // Q/2 has the digits (q_i - 1)/2: compare from the top.
        let above = (0..limbs)
            .rev()
            .map(|i| digits[i].cmp(&(self.moduli[i].value() / 2)))
            .find(|order| order.is_ne())
            .is_some_and(std::cmp::Ordering::is_gt);
        // Modulo 2^128; the true centred value is far below.
        let (mut x, mut modulus) = (0i128, 1i128);
        for (q, &digit) in self.moduli.iter().zip(&digits) {
            x = x.wrapping_add(modulus.wrapping_mul(i128::from(digit)));
            modulus = modulus.wrapping_mul(i128::from(q.value()));
        }
        if above {
            x = x.wrapping_sub(modulus);
        }
        x as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Params, presets};

    proptest! {
        #[test]
        fn centred_integers_come_back(limbs in 1usize..=3, x: i128, edge in 0u8..4) {
            let params = Params::try_new(presets::test_small()).expect("preset");
            let ring = params.ring();
            let modulus: i128 = ring.q_primes()[..limbs].iter().map(|&q| i128::from(q)).product();
            // anywhere in the centred interval, and its ends
            let half = modulus / 2;
            let x = match edge {
                0 => half,
                1 => -half,
                2 => x % (1 << 40),
                _ => x % half,
            };
            let mut coefficients = vec![0i128; ring.n()];
            coefficients[5] = x;
            let poly = Poly::<Coeff>::from_i128(ring, limbs, &coefficients);
            let composer = Composer::new(ring, limbs);
            prop_assert_eq!(composer.centred(&poly, 5), x as f64);
            prop_assert_eq!(composer.centred(&poly, 6), 0.0);
        }
    }
}
