//! Big-integer arithmetic on coefficients: the plain version that the fast paths are tested against.

use dashu_int::{IBig, UBig};

use crate::{Coeff, Poly, PolyQp, Ring};

/// The largest primes below `2^bits` that are `1 mod 2n`, from the top.
pub(crate) fn primes(n: usize, bits: u32, count: usize) -> Vec<u64> {
    let step = 2 * n as u64;
    let mut candidate = ((1u64 << bits) - 1) / step * step + 1;
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        if is_prime(candidate) {
            found.push(candidate);
        }
        candidate -= step;
    }
    found
}

fn is_prime(q: u64) -> bool {
    let pow = |base: u64, mut e: u64| {
        let (mut b, mut r) = (u128::from(base), 1u128);
        while e > 0 {
            if e & 1 == 1 {
                r = r * b % u128::from(q);
            }
            b = b * b % u128::from(q);
            e >>= 1;
        }
        r as u64
    };
    // Miller-Rabin with the bases that are conclusive below 3.3e24.
    let (s, d) = (
        (q - 1).trailing_zeros(),
        (q - 1) >> (q - 1).trailing_zeros(),
    );
    [2u64, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
        .iter()
        .all(|&a| {
            if a % q == 0 {
                return true;
            }
            let mut x = pow(a, d);
            if x == 1 || x == q - 1 {
                return true;
            }
            (1..s).any(|_| {
                x = (u128::from(x) * u128::from(x) % u128::from(q)) as u64;
                x == q - 1
            })
        })
}

/// The product of some primes.
pub(crate) fn product(primes: &[u64]) -> UBig {
    primes.iter().fold(UBig::ONE, |acc, &q| acc * q)
}

/// The residue of an integer.
pub(crate) fn residue(x: &IBig, q: u64) -> u64 {
    let r = x % IBig::from(q);
    let r = if r < IBig::ZERO { r + IBig::from(q) } else { r };
    u64::try_from(r).expect("a residue is below its prime")
}

/// The representative of `x mod m` in `(-m/2, m/2]`.
pub(crate) fn centred(x: IBig, m: &UBig) -> IBig {
    let m = IBig::from(m.clone());
    let r = x % &m;
    let r = if r < IBig::ZERO { r + &m } else { r };
    if &r * IBig::from(2) > m { r - m } else { r }
}

/// The integer in `(-Q/2, Q/2]` with the given residues.
pub(crate) fn lift(residues: &[u64], primes: &[u64]) -> IBig {
    let total = product(primes);
    let mut x = IBig::ZERO;
    for (&r, &q) in residues.iter().zip(primes) {
        let cofactor = &total / q;
        let inverse = inverse(residue(&IBig::from(cofactor.clone()), q), q);
        x += IBig::from(cofactor)
            * IBig::from((u128::from(r) * u128::from(inverse) % u128::from(q)) as u64);
    }
    centred(x, &total)
}

fn inverse(a: u64, q: u64) -> u64 {
    let (mut b, mut e, mut r) = (u128::from(a), q - 2, 1u128);
    while e > 0 {
        if e & 1 == 1 {
            r = r * b % u128::from(q);
        }
        b = b * b % u128::from(q);
        e >>= 1;
    }
    r as u64
}

/// Every coefficient of a polynomial over the first primes of Q, as a centred integer.
pub(crate) fn lift_poly(poly: &Poly<Coeff>, ring: &Ring) -> Vec<IBig> {
    let primes = &ring.q_primes()[..poly.limbs()];
    (0..ring.n())
        .map(|c| {
            let residues: Vec<u64> = (0..poly.limbs()).map(|i| poly.row(i)[c]).collect();
            lift(&residues, primes)
        })
        .collect()
}

/// A deterministic stream of words.
pub(crate) fn words(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A polynomial with uniform residues.
pub(crate) fn random_coeff(ring: &Ring, limbs: usize, seed: u64) -> Poly<Coeff> {
    let mut next = words(seed);
    let mut poly = Poly::zero(ring, limbs);
    for i in 0..limbs {
        let q = ring.modulus(i).value();
        poly.row_mut(i).iter_mut().for_each(|x| *x = next() % q);
    }
    poly
}

/// A polynomial with uniform residues over Q and P.
pub(crate) fn random_qp(ring: &Ring, limbs: usize, seed: u64) -> PolyQp<Coeff> {
    let mut next = words(seed);
    let mut poly = PolyQp::zero(ring, limbs);
    for r in 0..poly.row_count() {
        let q = ring.modulus(ring.qp_index(limbs, r)).value();
        poly.row_mut(r).iter_mut().for_each(|x| *x = next() % q);
    }
    poly
}

/// Every coefficient of a polynomial over Q and P, as a centred integer.
pub(crate) fn lift_qp(poly: &PolyQp<Coeff>, ring: &Ring) -> Vec<IBig> {
    let primes: Vec<u64> = (0..poly.row_count())
        .map(|r| ring.modulus(ring.qp_index(poly.limbs(), r)).value())
        .collect();
    (0..ring.n())
        .map(|c| {
            let residues: Vec<u64> = (0..primes.len()).map(|r| poly.row(r)[c]).collect();
            lift(&residues, &primes)
        })
        .collect()
}
