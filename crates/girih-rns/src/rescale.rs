//! Division with rounding by some of the primes: rescaling, mod-down, and both at once.
//!
//! For `S` the product of the primes divided out and `x` given modulo the kept primes and S:
//! `round(x/S) = (x - [x]_S) S^-1` modulo every kept prime, where `[x]_S` in `[-S/2, S/2]` is
//! extended exactly (Cheon, Han, Kim, Kim, Song, "A Full RNS Variant of Approximate Homomorphic
//! Encryption", SAC 2018, section 3.3, with the centred extension).

use girih_ntt::ShoupPair;

use crate::extend::{Conversion, Prepared};
use crate::par::{TILE, Work, for_each_limb, for_each_tile, for_each_tile_pair};
use crate::{Ntt, Poly, PolyQp, Ring};

/// Constants of one division.
pub(crate) struct Division {
    conversion: Conversion,
    /// `S^-1` modulo the kept primes.
    inverses: Vec<ShoupPair>,
}

impl Division {
    /// Divides `limbs` limbs by the last `drop` of them, and by P if `special`.
    ///
    /// # Panics
    /// If nothing is divided out, or nothing is kept.
    pub(crate) fn new(ring: &Ring, limbs: usize, drop: usize, special: bool) -> Division {
        assert!(drop < limbs, "at least one limb is kept");
        let kept = limbs - drop;
        let special = if special { ring.p_len() } else { 0 };
        let sources = (kept..limbs)
            .chain(ring.q_len()..ring.q_len() + special)
            .collect();
        let conversion = Conversion::new(ring, sources);
        Division {
            inverses: (0..kept)
                .map(|t| conversion.inverse_product(ring, t))
                .collect(),
            conversion,
        }
    }

    /// The primes divided by.
    pub(crate) fn sources(&self) -> &[usize] {
        self.conversion.sources()
    }

    /// Number of primes kept.
    pub(crate) fn kept(&self) -> usize {
        self.inverses.len()
    }

    /// Number of primes divided by.
    pub(crate) fn divided(&self) -> usize {
        self.sources().len()
    }

    /// The input of [`Division::remainders`], from a row of coefficients for each divided prime.
    pub(crate) fn prepare(&self, ring: &Ring, rows: &[u64]) -> Prepared {
        let rows: Vec<&[u64]> = rows.chunks_exact(ring.n()).collect();
        self.conversion.prepare(ring, &rows)
    }

    /// `[x]_S` modulo the kept primes `first ..`, as coefficients.
    pub(crate) fn remainders(
        &self,
        ring: &Ring,
        prepared: &Prepared,
        first: usize,
        rows: &mut [&mut [u64]],
    ) {
        let targets: Vec<usize> = (first..first + rows.len()).collect();
        self.conversion.convert(ring, prepared, &targets, rows);
    }

    /// `out = (x - remainder) S^-1` modulo kept prime `i`, on any columns, in evaluations.
    pub(crate) fn divide_into(
        &self,
        ring: &Ring,
        i: usize,
        out: &mut [u64],
        x: &[u64],
        remainder: &[u64],
    ) {
        let table = ring.table(i);
        let q = table.modulus();
        let w = self.inverses[i];
        table.kernels().sub_mul_scalar(q, out, x, remainder, w);
    }

    /// [`Division::divide_into`] the row that holds the remainder.
    pub(crate) fn divide(&self, ring: &Ring, i: usize, remainder: &mut [u64], x: &[u64]) {
        // (remainder - x) (-S^-1)
        let table = ring.table(i);
        let q = table.modulus();
        let w = q.shoup(q.neg(self.inverses[i].w));
        table.kernels().sub_mul_scalar_assign(q, remainder, x, w);
    }

    fn prepare_evaluations<'a>(
        &self,
        ring: &Ring,
        row: &(impl Fn(usize) -> &'a [u64] + Sync),
    ) -> Prepared {
        let mut rows = ring.pool().unfilled(self.divided() * ring.n());
        for_each_limb(&mut rows, ring.n(), Work::Heavy, |i, out| {
            out.copy_from_slice(row(self.sources()[i]));
            ring.table(self.sources()[i]).inverse(out);
        });
        self.prepare(ring, &rows)
    }

    /// `round(x/S)`: `row(i)` is the row of prime index `i` of `x`, in evaluations.
    ///
    /// Cost: one inverse transform per divided prime, one forward transform per kept prime.
    fn quotient<'a>(&self, ring: &Ring, row: impl Fn(usize) -> &'a [u64] + Sync) -> Poly<Ntt> {
        let n = ring.n();
        let prepared = self.prepare_evaluations(ring, &row);
        let mut out = Poly::unfilled(ring, self.kept());
        for_each_tile(out.rows_mut(), n, |first, rows| {
            let mut targets: Vec<&mut [u64]> = rows.chunks_exact_mut(n).collect();
            self.remainders(ring, &prepared, first, &mut targets);
            for (t, remainder) in rows.chunks_exact_mut(n).enumerate() {
                ring.table(first + t).forward(remainder);
                self.divide(ring, first + t, remainder, row(first + t));
            }
        });
        out
    }

    /// [`Division::quotient`] of two polynomials, row by row, so that both use the tables of a prime at
    /// once.
    fn quotient_pair<'a>(
        &self,
        ring: &Ring,
        [row0, row1]: [&(dyn Fn(usize) -> &'a [u64] + Sync); 2],
    ) -> [Poly<Ntt>; 2] {
        let n = ring.n();
        let prepared = [
            self.prepare_evaluations(ring, &row0),
            self.prepare_evaluations(ring, &row1),
        ];
        let mut out = [
            Poly::unfilled(ring, self.kept()),
            Poly::unfilled(ring, self.kept()),
        ];
        let [out0, out1] = &mut out;
        for_each_tile_pair(
            out0.rows_mut(),
            out1.rows_mut(),
            n,
            TILE,
            |first, rows0, rows1| {
                let mut rows0: Vec<&mut [u64]> = rows0.chunks_exact_mut(n).collect();
                let mut rows1: Vec<&mut [u64]> = rows1.chunks_exact_mut(n).collect();
                self.remainders(ring, &prepared[0], first, &mut rows0);
                self.remainders(ring, &prepared[1], first, &mut rows1);
                for (i, (r0, r1)) in (first..).zip(rows0.into_iter().zip(rows1)) {
                    ring.table(i).forward_many(&mut [&mut *r0, &mut *r1]);
                    self.divide(ring, i, r0, row0(i));
                    self.divide(ring, i, r1, row1(i));
                }
            },
        );
        out
    }
}

/// `(round(a / S), round(b / S))` as [`Poly::rescaled`] gives them, both halves of a row at once.
///
/// # Panics
/// If the operands differ in limbs, `drop` is 0 or no limb would remain.
#[must_use]
pub fn rescaled_pair(a: &Poly<Ntt>, b: &Poly<Ntt>, drop: usize, ring: &Ring) -> [Poly<Ntt>; 2] {
    assert_eq!(a.limbs(), b.limbs(), "operands have the same limbs");
    let division = ring.division(a.limbs(), drop, false);
    division.quotient_pair(ring, [&|i| a.row(i), &|i| b.row(i)])
}

/// `(round(a / S), round(b / S))` for `S` the product of P and the last `drop` primes, as
/// [`PolyQp::mod_down_rescaled`] gives them, both halves of a row at once.
///
/// # Panics
/// If the operands differ in limbs, nothing is divided out, or no limb would remain.
#[must_use]
pub fn mod_down_pair(a: &PolyQp<Ntt>, b: &PolyQp<Ntt>, drop: usize, ring: &Ring) -> [Poly<Ntt>; 2] {
    assert_eq!(a.limbs(), b.limbs(), "operands have the same limbs");
    let (limbs, q_len) = (a.limbs(), ring.q_len());
    let at = |i: usize| if i < q_len { i } else { i - q_len + limbs };
    ring.division(limbs, drop, true)
        .quotient_pair(ring, [&|i| a.row(at(i)), &|i| b.row(at(i))])
}

impl Poly<Ntt> {
    /// `round(a / (q_{l-drop+1} .. q_l))` modulo the remaining primes: each coefficient is within
    /// 1/2 (and `drop · 2^-52` relative) of the quotient.
    ///
    /// Cost: `drop` inverse and `l - drop` forward transforms.
    ///
    /// # Panics
    /// If `drop` is 0 or no limb would remain.
    #[must_use]
    pub fn rescaled(&self, drop: usize, ring: &Ring) -> Poly<Ntt> {
        ring.division(self.limbs(), drop, false)
            .quotient(ring, |i| self.row(i))
    }
}

impl PolyQp<Ntt> {
    /// `round(a / P) mod Q`: each coefficient is within 1/2 (and `K 2^-52` relative) of the quotient.
    ///
    /// Cost: K inverse and `l` forward transforms.
    ///
    /// # Panics
    /// If the ring has no special primes.
    #[must_use]
    pub fn mod_down(&self, ring: &Ring) -> Poly<Ntt> {
        self.mod_down_rescaled(0, ring)
    }

    /// `round(a / (P q_{l-drop+1} .. q_l))` modulo the remaining primes: mod-down and rescaling with
    /// one rounding.
    ///
    /// Cost: `K + drop` inverse and `l - drop` forward transforms.
    ///
    /// # Panics
    /// If nothing is divided out, or no limb would remain.
    #[must_use]
    pub fn mod_down_rescaled(&self, drop: usize, ring: &Ring) -> Poly<Ntt> {
        let (limbs, q_len) = (self.limbs(), ring.q_len());
        ring.division(limbs, drop, true).quotient(ring, |i| {
            self.row(if i < q_len { i } else { i - q_len + limbs })
        })
    }
}

#[cfg(test)]
mod tests {
    use dashu_int::{IBig, UBig};
    use proptest::prelude::*;

    use super::*;
    use crate::{Coeff, oracle};

    /// Largest `|2 (quotient · S - x)| / S` must not exceed 1 (and an excess of 2^-40).
    fn assert_nearest(x: &[IBig], quotients: &[IBig], divisor: &UBig, modulus: &UBig) {
        let s = IBig::from(divisor.clone());
        let slack = &s >> 40;
        for (x, y) in x.iter().zip(quotients) {
            // The quotient is known modulo the kept primes only.
            let error = oracle::centred(y * &s - x, &(modulus * divisor));
            let twice = &error * IBig::from(2);
            assert!(
                twice <= &s + &slack && -twice <= &s + &slack,
                "error {error} for divisor {divisor}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn rescaling_is_the_nearest_integer(seed: u64, limbs in 2usize..7, drop in 1usize..4, bits in 25u32..50) {
            let n = 16;
            let drop = drop.min(limbs - 1);
            let primes = oracle::primes(n, bits, 7);
            let ring = Ring::try_new(n, &primes, &[]).expect("ring");
            let a = oracle::random_coeff(&ring, limbs, seed);
            let rescaled = a.clone().into_ntt(&ring).rescaled(drop, &ring).into_coeff(&ring);
            prop_assert_eq!(rescaled.limbs(), limbs - drop);
            let (x, y) = (a.clone().into_ntt(&ring), oracle::random_coeff(&ring, limbs, !seed).into_ntt(&ring));
            prop_assert_eq!(
                rescaled_pair(&x, &y, drop, &ring),
                [x.rescaled(drop, &ring), y.rescaled(drop, &ring)]
            );
            assert_nearest(
                &oracle::lift_poly(&a, &ring),
                &oracle::lift_poly(&rescaled, &ring),
                &oracle::product(&primes[limbs - drop..limbs]),
                &oracle::product(&primes[..limbs - drop]),
            );
        }

        #[test]
        fn mod_down_is_the_nearest_integer(seed: u64, limbs in 1usize..5, special in 1usize..4, drop in 0usize..3) {
            let n = 16;
            let drop = drop.min(limbs - 1);
            let primes = oracle::primes(n, 44, 5 + special);
            let (q, p) = primes.split_at(5);
            let ring = Ring::try_new(n, q, p).expect("ring");
            let a = oracle::random_qp(&ring, limbs, seed);
            let x = oracle::lift_qp(&a, &ring);
            let (a, b) = (a.into_ntt(&ring), oracle::random_qp(&ring, limbs, !seed).into_ntt(&ring));
            prop_assert_eq!(
                mod_down_pair(&a, &b, drop, &ring),
                [a.mod_down_rescaled(drop, &ring), b.mod_down_rescaled(drop, &ring)]
            );
            let down = a.mod_down_rescaled(drop, &ring).into_coeff(&ring);
            prop_assert_eq!(down.limbs(), limbs - drop);
            assert_nearest(
                &x,
                &oracle::lift_poly(&down, &ring),
                &(oracle::product(p) * oracle::product(&q[limbs - drop..limbs])),
                &oracle::product(&q[..limbs - drop]),
            );
        }

        #[test]
        fn rescaling_a_multiple_is_exact(coefficients in prop::collection::vec(-(1i64 << 40)..1 << 40, 16)) {
            let n = 16;
            let primes = oracle::primes(n, 46, 4);
            let ring = Ring::try_new(n, &primes, &[]).expect("ring");
            let a = Poly::<Coeff>::from_i64(&ring, 4, &coefficients);
            let mut multiple = a.clone();
            let factor = u128::from(primes[2]) * u128::from(primes[3]);
            multiple.mul_scalar_assign(|i| (factor % u128::from(primes[i])) as u64, &ring);
            let back = multiple.into_ntt(&ring).rescaled(2, &ring).into_coeff(&ring);
            prop_assert_eq!(back, a.truncated(2, &ring));
        }
    }
}
