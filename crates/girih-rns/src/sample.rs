//! Samplers: uniform residues from a seed, secrets and noise in constant time.
//!
//! [`uniform_row`] expands *public* randomness (the `a`-halves of keys and fresh ciphertexts) and may
//! take a time that depends on what it draws. [`ternary`] and [`gaussian`] draw *secrets*: they read
//! every table entry for every sample, have no branch and no memory access that depends on what was
//! drawn, and return memory that is cleared when dropped.

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Rng, SeedableRng};
use zeroize::Zeroizing;

/// Seed of a public uniform polynomial; travels in place of the polynomial.
pub type Seed = [u8; 32];

/// Standard deviation of [`gaussian`].
///
/// The value behind the security tables (Albrecht et al., "Homomorphic Encryption Security Standard", 2018,
/// use 8/sqrt(2 pi) = 3.19).
pub const SIGMA: f64 = 3.2;

/// Largest magnitude that [`gaussian`] returns: 9.06 sigma, beyond which the whole remaining mass is
/// below 2^-64.
pub const GAUSSIAN_BOUND: i64 = GAUSSIAN_TAILS.len() as i64;

/// `round(2^64 · Pr(|X| > k))` for `k = 0, 1, ..`, with `Pr(X = x)` proportional to
/// `exp(-x^2 / (2 · 3.2^2))` on the integers. A test recomputes every entry in 256-bit integers.
const GAUSSIAN_TAILS: [u64; 29] = [
    0xe015_a97f_36bc_1b50,
    0xa34b_b457_fb20_0124,
    0x6eca_3b2f_a384_8c8a,
    0x45a8_7be4_320d_5df4,
    0x286f_2d6a_f3a0_6463,
    0x159a_4ece_2c5c_d44c,
    0x0a98_d26c_fe14_0a69,
    0x04c3_62e1_31d0_2b1f,
    0x01f5_6d53_d5eb_4daa,
    0x00bc_62cc_0e48_12de,
    0x0040_981f_eae1_98d0,
    0x0014_3210_6d05_2e4f,
    0x0005_c0d4_991a_8594,
    0x0001_7e10_10a2_4738,
    0x0000_5a33_a5f5_021f,
    0x0000_135f_8aab_af16,
    0x0000_03c8_a8cc_b178,
    0x0000_00ab_fd7e_635b,
    0x0000_001b_c0eb_8b11,
    0x0000_0004_11b9_fc18,
    0x8ac0_571b,
    0x10c9_0e63,
    0x01d8_120d,
    0x002f_16ed,
    0x0004_43b8,
    0x59c0,
    0x06b3,
    0x0074,
    0x0007,
];

/// Words drawn from the generator at a time.
const BATCH: usize = 512;

/// A fresh seed.
pub fn seed<R: CryptoRng + ?Sized>(rng: &mut R) -> Seed {
    let mut seed = Seed::default();
    rng.fill_bytes(&mut seed);
    seed
}

/// Row `stream` of the uniform polynomial of `seed`: residues uniform in `[0, q)`.
///
/// Every row has its own ChaCha20 stream, so rows can be expanded on their own and in any order. Word `x`
/// gives `floor(x q / 2^64)`, unless the low half of `x q` is below `2^64 mod q`, in which case it is
/// skipped (Lemire, "Fast Random Integer Generation in an Interval", 2019: exactly uniform; for
/// `q < 2^50` fewer than one word in 2^14 is skipped). Cost: 8 bytes of key stream a residue.
///
/// # Panics
/// If `q` is 0.
pub fn uniform_row(seed: &Seed, stream: u64, q: u64, row: &mut [u64]) {
    assert!(q > 0, "a modulus is positive");
    let mut rng = ChaCha20Rng::from_seed(*seed);
    rng.set_stream(stream);
    let skip_below = q.wrapping_neg() % q;
    let mut bytes = [0u8; 8 * BATCH];
    let mut filled = 0;
    while filled < row.len() {
        let want = (row.len() - filled).min(BATCH);
        rng.fill_bytes(&mut bytes[..8 * want]);
        for word in bytes[..8 * want].chunks_exact(8) {
            let product = u128::from(le_word(word)) * u128::from(q);
            row[filled] = (product >> 64) as u64;
            filled += usize::from(product as u64 >= skip_below);
        }
    }
}

/// `len` coefficients uniform in `{-1, 0, 1}`, in constant time.
///
/// `floor(3 x / 2^64) - 1` for a uniform 64-bit `x`: within 2^-63 of uniform.
pub fn ternary<R: CryptoRng + ?Sized>(rng: &mut R, len: usize) -> Zeroizing<Vec<i64>> {
    let mut out = Zeroizing::new(vec![0i64; len]);
    let mut bytes = Zeroizing::new([0u8; 8 * BATCH]);
    for block in out.chunks_mut(BATCH) {
        let bytes = &mut bytes[..8 * block.len()];
        rng.fill_bytes(bytes);
        for (x, word) in block.iter_mut().zip(bytes.chunks_exact(8)) {
            *x = ((3 * u128::from(le_word(word))) >> 64) as i64 - 1;
        }
    }
    out
}

/// `len` coefficients of the discrete Gaussian of standard deviation [`SIGMA`], in constant time.
///
/// Inversion of the cumulative distribution: the magnitude is the number of tail probabilities above a
/// uniform 64-bit word, all of which are compared; the sign is a bit of another word. The statistical
/// distance from the untruncated distribution is below 2^-58.
pub fn gaussian<R: CryptoRng + ?Sized>(rng: &mut R, len: usize) -> Zeroizing<Vec<i64>> {
    let mut out = Zeroizing::new(vec![0i64; len]);
    let mut bytes = Zeroizing::new([0u8; 9 * BATCH]);
    for block in out.chunks_mut(BATCH) {
        let bytes = &mut bytes[..9 * block.len()];
        rng.fill_bytes(bytes);
        let (words, signs) = bytes.split_at(8 * block.len());
        for ((x, word), sign) in block.iter_mut().zip(words.chunks_exact(8)).zip(signs) {
            let magnitude = gaussian_magnitude(le_word(word)) as i64;
            let negate = -i64::from(sign & 1);
            *x = (magnitude ^ negate) - negate;
        }
    }
    out
}

/// How many tail probabilities exceed `word`.
#[inline]
fn gaussian_magnitude(word: u64) -> u64 {
    GAUSSIAN_TAILS.iter().map(|&tail| less(word, tail)).sum()
}

/// 1 if `a < b`, else 0: the borrow of `a - b`, without a comparison.
#[inline]
const fn less(a: u64, b: u64) -> u64 {
    ((!a & b) | ((!a | b) & a.wrapping_sub(b))) >> 63
}

#[inline]
fn le_word(bytes: &[u8]) -> u64 {
    let mut word = [0u8; 8];
    word.copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use dashu_int::UBig;
    use proptest::prelude::*;

    use super::*;

    const SAMPLES: usize = 1 << 18;

    fn rng(seed: u8) -> ChaCha20Rng {
        ChaCha20Rng::from_seed([seed; 32])
    }

    fn mean_and_variance(xs: &[i64]) -> (f64, f64) {
        let n = xs.len() as f64;
        let mean = xs.iter().sum::<i64>() as f64 / n;
        (
            mean,
            xs.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / n,
        )
    }

    /// `exp(-num/den) · 2^256` by its Taylor series after 2^12-fold halving of the argument.
    fn exp_neg(num: u64, den: u64) -> UBig {
        const HALVINGS: usize = 12;
        let one = UBig::ONE << 256;
        let x = (&one * UBig::from(num)) / (UBig::from(den) << HALVINGS);
        let (mut plus, mut minus) = (one.clone(), UBig::ZERO);
        let mut term = one;
        for i in 1u64..80 {
            term = ((term * &x) >> 256) / UBig::from(i);
            if i % 2 == 0 {
                plus += &term;
            } else {
                minus += &term;
            }
        }
        let mut result = plus - minus;
        for _ in 0..HALVINGS {
            result = (&result * &result) >> 256;
        }
        result
    }

    #[test]
    fn tail_table_is_the_discrete_gaussian_to_the_last_bit() {
        // 1 / (2 sigma^2) = 25/512 for sigma = 3.2
        let weights: Vec<UBig> = (0..60u64).map(|k| exp_neg(25 * k * k, 512)).collect();
        let beyond =
            |k: usize| weights[k + 1..].iter().fold(UBig::ZERO, |sum, w| sum + w) * UBig::from(2u8);
        let total = &weights[0] + beyond(0);
        let entry =
            |k: usize| (((beyond(k) << 65) + &total) / (&total * UBig::from(2u8))).to_string();
        for (k, &tail) in GAUSSIAN_TAILS.iter().enumerate() {
            assert_eq!(entry(k), tail.to_string(), "entry {k}");
        }
        assert_eq!(
            entry(GAUSSIAN_TAILS.len()),
            "0",
            "the table ends where the tail rounds to zero"
        );
        assert!(GAUSSIAN_BOUND as f64 >= 6.0 * SIGMA);
    }

    #[test]
    fn gaussian_has_the_moments_and_frequencies_of_its_table() {
        let xs = gaussian(&mut rng(1), SAMPLES);
        let (mean, variance) = mean_and_variance(&xs);
        // standard errors: sigma/sqrt(n) = 0.0063 and sigma^2 sqrt(2/n) = 0.028; five of each allowed
        assert!(mean.abs() < 0.032, "mean {mean}");
        assert!(
            (variance - SIGMA * SIGMA).abs() < 0.15,
            "variance {variance}"
        );
        // chi-square over -12..=12, everything beyond in two more classes: 26 degrees of freedom
        let tail = |k: i64| {
            if k < 0 {
                1.0
            } else {
                GAUSSIAN_TAILS[k as usize] as f64 / 2f64.powi(64)
            }
        };
        let mut chi_square = 0.0;
        for class in -13i64..=13 {
            let k = class.abs();
            let expected = SAMPLES as f64
                * match k {
                    0 => 1.0 - tail(0),
                    13 => tail(12) / 2.0,
                    _ => (tail(k - 1) - tail(k)) / 2.0,
                };
            let seen = xs.iter().filter(|&&x| x.clamp(-13, 13) == class).count() as f64;
            chi_square += (seen - expected).powi(2) / expected;
        }
        // 99.99 % quantile of 26 degrees of freedom
        assert!(chi_square < 61.7, "chi-square {chi_square}");
    }

    #[test]
    fn gaussian_extremes_are_reached_by_extreme_words_only() {
        assert_eq!(gaussian_magnitude(0), GAUSSIAN_TAILS.len() as u64);
        assert_eq!(gaussian_magnitude(u64::MAX), 0);
        for (k, &tail) in GAUSSIAN_TAILS.iter().enumerate() {
            assert_eq!(gaussian_magnitude(tail), k as u64);
            assert_eq!(gaussian_magnitude(tail - 1), k as u64 + 1);
        }
    }

    #[test]
    fn ternary_values_are_equally_frequent() {
        let xs = ternary(&mut rng(2), SAMPLES);
        let expected = SAMPLES as f64 / 3.0;
        let chi_square: f64 = (-1..=1)
            .map(|v| (xs.iter().filter(|&&x| x == v).count() as f64 - expected).powi(2) / expected)
            .sum();
        // 99.99 % quantile of 2 degrees of freedom
        assert!(chi_square < 18.4, "chi-square {chi_square}");
        assert!(xs.iter().all(|x| (-1..=1).contains(x)));
    }

    #[test]
    fn uniform_rows_fill_the_interval_evenly_and_differ_by_stream_and_seed() {
        for q in [2u64, 3, 65_537, (1 << 46) + 1, (1 << 50) - 27] {
            let mut row = vec![0u64; 1 << 16];
            uniform_row(&[7; 32], 3, q, &mut row);
            assert!(row.iter().all(|&x| x < q));
            if q > 1 << 16 {
                let mut classes = [0f64; 64];
                row.iter()
                    .for_each(|&x| classes[(u128::from(x) * 64 / u128::from(q)) as usize] += 1.0);
                let expected = row.len() as f64 / 64.0;
                let chi_square: f64 = classes
                    .iter()
                    .map(|seen| (seen - expected).powi(2) / expected)
                    .sum();
                // 99.99 % quantile of 63 degrees of freedom
                assert!(chi_square < 113.0, "q = {q}: chi-square {chi_square}");
                let mut other = vec![0u64; 1 << 16];
                for (seed, stream) in [([7; 32], 4), ([8; 32], 3)] {
                    uniform_row(&seed, stream, q, &mut other);
                    let equal = row.iter().zip(&other).filter(|(a, b)| a == b).count();
                    assert!(equal < 16, "q = {q}: {equal} equal residues");
                }
            }
        }
    }

    #[test]
    fn uniform_row_is_stable() {
        // known answer: the file format relies on this expansion
        let mut row = [0u64; 4];
        uniform_row(&[0; 32], 0, (1 << 46) + 1, &mut row);
        let first = u64::from_le_bytes([0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        // the first bytes of the ChaCha20 key stream of the all-zero key and nonce (RFC 8439, A.1)
        assert_eq!(row[0], ((u128::from(first) * ((1 << 46) + 1)) >> 64) as u64);
    }

    proptest! {
        #[test]
        fn a_row_prefix_does_not_depend_on_its_length(seed: [u8; 32], stream: u64, q in 2u64..1 << 50, len in 0usize..2000) {
            let mut long = vec![0u64; 2000];
            uniform_row(&seed, stream, q, &mut long);
            let mut short = vec![0u64; len];
            uniform_row(&seed, stream, q, &mut short);
            prop_assert_eq!(&long[..len], &short[..]);
        }

        #[test]
        fn less_is_the_comparison(a: u64, b: u64) {
            prop_assert_eq!(less(a, b), u64::from(a < b));
            prop_assert_eq!(less(a, a), 0);
        }
    }
}
