//! Primes `p = 1 (mod 2n)`, which have the 2n-th roots of unity that a negacyclic transform needs.

use crate::modulus::MODULUS_BITS;

/// Bases that decide primality of every 64-bit integer (J. Sinclair, 2011).
const BASES: [u64; 7] = [2, 325, 9375, 28178, 450775, 9780504, 1795265022];

/// Whether `x` is prime, by Miller-Rabin with bases that leave no exception below 2^64.
pub fn is_prime(x: u64) -> bool {
    const SMALL: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if x < 2 {
        return false;
    }
    for p in SMALL {
        if x.is_multiple_of(p) {
            return x == p;
        }
    }
    let twos = (x - 1).trailing_zeros();
    let odd = (x - 1) >> twos;
    BASES.iter().all(|base| {
        let base = base % x;
        if base == 0 {
            return true;
        }
        let mut y = pow_mod(base, odd, x);
        if y == 1 || y == x - 1 {
            return true;
        }
        (1..twos).any(|_| {
            y = mul_mod(y, y, x);
            y == x - 1
        })
    })
}

/// The primes `p = 1 (mod 2n)` with `p < limit`, largest first; `limit` is capped at 2^50.
///
/// # Panics
/// If `n` is not a power of two.
pub fn below(n: usize, limit: u64) -> impl Iterator<Item = u64> {
    let step = step(n);
    let limit = limit.min(1 << MODULUS_BITS);
    // The largest candidate 1 + k step below the limit.
    let first = limit.saturating_sub(2) / step;
    (1..=first)
        .rev()
        .map(move |k| k * step + 1)
        .filter(|p| is_prime(*p))
}

/// The primes `p = 1 (mod 2n)` with `start <= p < 2^50`, smallest first.
///
/// # Panics
/// If `n` is not a power of two.
pub fn from(n: usize, start: u64) -> impl Iterator<Item = u64> {
    let step = step(n);
    let first = start.saturating_sub(1).div_ceil(step).max(1);
    (first..)
        .map(move |k| k * step + 1)
        .take_while(|p| *p < 1 << MODULUS_BITS)
        .filter(|p| is_prime(*p))
}

/// The primes `p = 1 (mod 2n)` by distance from `target`, nearest first (below first on a tie).
///
/// Scale-preserving chains take them in this order and so stay around the target on both sides.
///
/// # Panics
/// If `n` is not a power of two.
pub fn around(n: usize, target: u64) -> impl Iterator<Item = u64> {
    let mut low = below(n, target).peekable();
    let mut high = from(n, target).peekable();
    std::iter::from_fn(move || match (low.peek(), high.peek()) {
        (Some(l), Some(h)) if h - target < target - l => high.next(),
        (Some(_), _) => low.next(),
        (None, _) => high.next(),
    })
}

/// 2n, the step between candidates.
fn step(n: usize) -> u64 {
    assert!(n.is_power_of_two(), "the ring degree is a power of two");
    2 * n as u64
}

fn mul_mod(a: u64, b: u64, m: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(m)) as u64
}

fn pow_mod(mut base: u64, mut e: u64, m: u64) -> u64 {
    let mut out = 1;
    while e > 0 {
        if e & 1 == 1 {
            out = mul_mod(out, base, m);
        }
        base = mul_mod(base, base, m);
        e >>= 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_trial(x: u64) -> bool {
        x >= 2
            && (2..)
                .take_while(|d| d * d <= x)
                .all(|d| !x.is_multiple_of(d))
    }

    #[test]
    fn small_numbers_agree_with_trial_division() {
        for x in 0..20_000 {
            assert_eq!(is_prime(x), by_trial(x), "{x}");
        }
    }

    #[test]
    fn known_primes_and_strong_pseudoprimes() {
        for p in [
            (1 << 61) - 1,
            18_446_744_073_709_551_557,
            0x0003_f000_0000_0001,
        ] {
            assert!(is_prime(p), "{p}");
        }
        // Strong pseudoprimes to the bases 2; 2, 3; 2, 3, 5; and to the first nine primes.
        for c in [2047, 1_373_653, 25_326_001, 3_825_123_056_546_413_051] {
            assert!(!is_prime(c), "{c}");
        }
        assert!(!is_prime(u64::MAX));
    }

    #[test]
    fn walks_are_complete_and_ordered() {
        let n = 16;
        let all: Vec<u64> = (2..4000).filter(|p| p % 32 == 1 && by_trial(*p)).collect();
        let down: Vec<u64> = below(n, 4000).collect();
        assert_eq!(down.iter().rev().copied().collect::<Vec<_>>(), all);
        assert_eq!(from(n, 2).take(all.len()).collect::<Vec<_>>(), all);
        let target = 2000;
        let mut near = all.clone();
        near.sort_by_key(|p| (p.abs_diff(target), *p));
        assert_eq!(around(n, target).take(20).collect::<Vec<_>>(), near[..20]);
        // Limits are exclusive below and inclusive above.
        assert!(below(n, 97).all(|p| p < 97));
        assert_eq!(from(n, 97).next(), Some(97));
        assert_eq!(below(n, 98).next(), Some(97));
        assert_eq!(below(n, 0).next(), None);
        assert_eq!(from(1 << 17, 1 << 50).next(), None);
    }
}
