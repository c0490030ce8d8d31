//! Samplers: uniform residues from a seed, secrets and noise in constant time.
//!
//! [`uniform_row`] expands *public* randomness (the `a`-halves of keys and fresh ciphertexts) by AES-128 in counter
//! mode ([`Expander`]) and may take a time that depends on what it draws. [`ternary`] and [`gaussian`] draw *secrets*
//! from ChaCha20 key streams: they read every table entry for every sample, have no branch and no memory access that
//! depends on what was drawn, and return memory that is cleared when dropped.
//!
//! All of them are addressed by a seed and a stream number. Pieces of a stream are made on their own, so results do
//! not depend on the number of threads, nor on the instruction set.

use girih_ntt::{BLOCK, Isa, RandomKernels};

pub use girih_ntt::{Expander, PIECE};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::par;

/// Seed of a public uniform polynomial; travels in place of the polynomial. Or, kept secret, of noise.
pub type Seed = [u8; 32];

/// Standard deviation of [`gaussian`].
///
/// The value behind the security tables (Albrecht et al., "Homomorphic Encryption Security Standard", 2018,
/// use 8/sqrt(2 pi) = 3.19).
pub const SIGMA: f64 = 3.2;

/// Largest magnitude that [`gaussian`] returns: 9.06 sigma, beyond which the whole remaining mass is
/// below 2^-63.
pub const GAUSSIAN_BOUND: i64 = GAUSSIAN_TAILS.len() as i64;

/// `round(2^63 · Pr(|X| > k))` for `k = 0, 1, ..`, with `Pr(X = x)` proportional to
/// `exp(-x^2 / (2 · 3.2^2))` on the integers. A test recomputes every entry in 256-bit integers.
const GAUSSIAN_TAILS: [u64; 29] = [
    0x700a_d4bf_9b5e_0da8,
    0x51a5_da2b_fd90_0092,
    0x3765_1d97_d1c2_4645,
    0x22d4_3df2_1906_aefa,
    0x1437_96b5_79d0_3231,
    0x0acd_2767_162e_6a26,
    0x054c_6936_7f0a_0535,
    0x0261_b170_98e8_1590,
    0x00fa_b6a9_eaf5_a6d5,
    0x005e_3166_0724_096f,
    0x0020_4c0f_f570_cc68,
    0x000a_1908_3682_9727,
    0x0002_e06a_4c8d_42ca,
    0xbf08_0851_239c,
    0x2d19_d2fa_8110,
    0x09af_c555_d78b,
    0x01e4_5466_58bc,
    0x0055_febf_31ad,
    0x000d_e075_c589,
    0x0002_08dc_fe0c,
    0x4560_2b8e,
    0x0864_8732,
    0x00ec_0907,
    0x0017_8b76,
    0x0002_21dc,
    0x2ce0,
    0x0359,
    0x003a,
    0x0004,
];

/// Words of key stream made at a time: they and what is drawn from them stay in the first-level cache.
const BATCH: usize = 64 * BLOCK;
/// Samples that one thread draws at a time.
const SHARE: usize = 1 << 14;
/// Ternary coefficients of one word.
const TRITS: usize = 4;

/// A fresh seed.
pub fn seed<R: CryptoRng + ?Sized>(rng: &mut R) -> Seed {
    let mut seed = Seed::default();
    rng.fill_bytes(&mut seed);
    seed
}

/// The expander of a public seed, with the best kernels there are.
#[must_use]
pub fn expander(seed: &Seed) -> Expander {
    Expander::new(Isa::best(), seed)
}

/// Row `stream` of the uniform polynomial of `seed`: residues uniform in `[0, q)`, as [`Expander::fill`] makes them.
///
/// Every row has its own stream, so rows can be expanded on their own and in any order.
///
/// # Panics
/// Unless `0 < q <= 2^50`.
pub fn uniform_row(seed: &Seed, stream: u64, q: u64, row: &mut [u64]) {
    expander(seed).fill(stream, 0, q, row);
}

/// `len` coefficients uniform in `{-1, 0, 1}`, in constant time: [`ternary_row`] of a fresh seed.
pub fn ternary<R: CryptoRng + ?Sized>(rng: &mut R, len: usize) -> Zeroizing<Vec<i64>> {
    ternary_row(&Zeroizing::new(seed(rng)), 0, len)
}

/// `len` coefficients of the discrete Gaussian of standard deviation [`SIGMA`], in constant time:
/// [`gaussian_row`] of a fresh seed.
pub fn gaussian<R: CryptoRng + ?Sized>(rng: &mut R, len: usize) -> Zeroizing<Vec<i64>> {
    gaussian_row(&Zeroizing::new(seed(rng)), 0, len)
}

/// `len` coefficients of which exactly `weight` are 1 or -1, uniform among all such vectors, in constant time.
///
/// One coefficient after the other is taken with probability (those still wanted) / (those still to come), which a
/// word decides to within 2^-64; its sign is the last bit of another word.
///
/// # Panics
/// If `weight` exceeds `len`.
pub fn sparse_ternary<R: CryptoRng + ?Sized>(
    rng: &mut R,
    len: usize,
    weight: usize,
) -> Zeroizing<Vec<i64>> {
    assert!(weight <= len, "at most every coefficient is not zero");
    let mut out = Zeroizing::new(vec![0i64; len]);
    let mut wanted = weight as u64;
    for (i, x) in out.iter_mut().enumerate() {
        let place = ((u128::from(rng.next_u64()) * (len - i) as u128) >> 64) as u64;
        // Both are below 2^63: the sign of the difference is the comparison.
        let taken = place.wrapping_sub(wanted) >> 63;
        wanted -= taken;
        let sign = 1 - 2 * (rng.next_u64() & 1) as i64;
        *x = taken as i64 * sign;
    }
    out
}

/// `len` coefficients uniform in `{-1, 0, 1}` from stream `stream` of a secret seed, in constant time.
///
/// Four coefficients a word `x`, `floor(3^4 x / 2^64)` in base 3: four are within `3^4 / 2^64 < 2^-57` of
/// uniform.
#[must_use]
pub fn ternary_row(seed: &Seed, stream: u64, len: usize) -> Zeroizing<Vec<i64>> {
    draw::<TRITS>(seed, stream, len, |_, out, words| {
        for (four, word) in out.chunks_mut(TRITS).zip(words) {
            let mut fraction = *word;
            for x in four {
                let product = 3 * u128::from(fraction);
                *x = (product >> 64) as i64 - 1;
                fraction = product as u64;
            }
        }
    })
}

/// `len` coefficients of the discrete Gaussian of standard deviation [`SIGMA`] from stream `stream` of a secret
/// seed, in constant time.
///
/// Inversion of the cumulative distribution: the magnitude is the number of tail probabilities above 63 bits of a
/// uniform word, all of which are compared; the sign is the last bit. The statistical distance from the
/// untruncated distribution is below 2^-57.
#[must_use]
pub fn gaussian_row(seed: &Seed, stream: u64, len: usize) -> Zeroizing<Vec<i64>> {
    draw::<1>(seed, stream, len, |kernels, out, words| {
        kernels.gaussian(&GAUSSIAN_TAILS, out, words);
    })
}

/// `len` samples, `PER_WORD` of each word of the stream, made by `f(kernels, samples, words)`.
fn draw<const PER_WORD: usize>(
    seed: &Seed,
    stream: u64,
    len: usize,
    f: impl Fn(&RandomKernels, &mut [i64], &[u64]) + Sync + Send,
) -> Zeroizing<Vec<i64>> {
    let kernels = RandomKernels::select(Isa::best());
    let mut out = Zeroizing::new(vec![0i64; len]);
    let pieces = out.chunks_mut(SHARE).enumerate().collect();
    par::map(pieces, |(i, piece): (usize, &mut [i64])| {
        let mut words = Zeroizing::new([[0; BLOCK]; BATCH / BLOCK]);
        let mut block = i * SHARE / (PER_WORD * BLOCK);
        for samples in piece.chunks_mut(PER_WORD * BATCH) {
            let count = samples.len().div_ceil(PER_WORD);
            let blocks = &mut words[..count.div_ceil(BLOCK)];
            kernels.keystream(seed, stream, block as u64, blocks);
            block += blocks.len();
            f(kernels, samples, &blocks.as_flattened()[..count]);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use dashu_int::UBig;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};

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
    fn sparse_secrets_have_their_weight_anywhere() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (len, weight, rounds) = (64, 8, 4000);
        let (mut hits, mut positive) = (vec![0u32; len], 0i64);
        for _ in 0..rounds {
            let x = sparse_ternary(&mut rng, len, weight);
            assert_eq!(x.iter().map(|v| v * v).sum::<i64>(), weight as i64);
            for (hit, v) in hits.iter_mut().zip(x.iter()) {
                *hit += v.unsigned_abs() as u32;
                positive += i64::from(*v == 1);
            }
        }
        // Each place is taken with probability 1/8: 500 of 4000, deviation 21.
        assert!(hits.iter().all(|h| (390..610).contains(h)), "{hits:?}");
        assert!((positive - 16_000).abs() < 500, "{positive}");
        assert!(sparse_ternary(&mut rng, 8, 8).iter().all(|v| v.abs() == 1));
        assert!(sparse_ternary(&mut rng, 8, 0).iter().all(|v| *v == 0));
    }

    #[test]
    fn tail_table_is_the_discrete_gaussian_to_the_last_bit() {
        // 1 / (2 sigma^2) = 25/512 for sigma = 3.2
        let weights: Vec<UBig> = (0..60u64).map(|k| exp_neg(25 * k * k, 512)).collect();
        let beyond =
            |k: usize| weights[k + 1..].iter().fold(UBig::ZERO, |sum, w| sum + w) * UBig::from(2u8);
        let total = &weights[0] + beyond(0);
        let entry =
            |k: usize| (((beyond(k) << 64) + &total) / (&total * UBig::from(2u8))).to_string();
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
                GAUSSIAN_TAILS[k as usize] as f64 / 2f64.powi(63)
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
    fn gaussian_changes_exactly_at_the_entries_of_the_table() {
        let magnitude = |half: u64| {
            let mut out = [0; 2];
            RandomKernels::select(Isa::best()).gaussian(
                &GAUSSIAN_TAILS,
                &mut out,
                &[2 * half, 2 * half + 1],
            );
            assert_eq!(out[0], -out[1], "the last bit is the sign");
            out[0]
        };
        assert_eq!(magnitude(0), GAUSSIAN_BOUND);
        assert_eq!(magnitude(u64::MAX / 2), 0);
        for (k, &tail) in GAUSSIAN_TAILS.iter().enumerate() {
            assert_eq!(magnitude(tail), k as i64);
            assert_eq!(magnitude(tail - 1), k as i64 + 1);
        }
    }

    #[test]
    fn noise_does_not_depend_on_threads_or_length() {
        let len = 3 * SHARE + 77;
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("pool");
        let many = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .expect("pool");
        for draw in [gaussian_row, ternary_row] {
            let all = one.install(|| draw(&[5; 32], 9, len));
            assert_eq!(all, many.install(|| draw(&[5; 32], 9, len)));
            for part in [0, 1, 5, BATCH, SHARE, SHARE + 1] {
                assert_eq!(all[..part], draw(&[5; 32], 9, part)[..]);
            }
            assert_ne!(all, draw(&[5; 32], 8, len));
            assert_ne!(all, draw(&[6; 32], 9, len));
        }
    }

    #[test]
    fn samples_are_those_of_the_words_of_the_stream() {
        let words = |stream| {
            let mut rng = ChaCha20Rng::from_seed([3; 32]);
            rng.set_stream(stream);
            (0..SHARE).map(move |_| rng.next_u64())
        };
        let gauss = gaussian_row(&[3; 32], 7, SHARE);
        for (&x, word) in gauss.iter().zip(words(7)) {
            let magnitude = GAUSSIAN_TAILS.iter().filter(|&&t| word >> 1 < t).count() as i64;
            assert_eq!(x, if word & 1 == 1 { -magnitude } else { magnitude });
        }
        let trits = ternary_row(&[3; 32], 7, SHARE);
        for (four, word) in trits.chunks(4).zip(words(7)) {
            let digits = (81 * u128::from(word)) >> 64;
            let value = four.iter().fold(0, |value, &x| 3 * value + (x + 1));
            assert_eq!(value as u128, digits);
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
        let mut fours = [0f64; 81];
        xs.chunks_exact(4)
            .for_each(|four| fours[four.iter().fold(0, |i, &x| 3 * i + (x + 1)) as usize] += 1.0);
        let expected = SAMPLES as f64 / (4.0 * 81.0);
        let chi_square: f64 = fours
            .iter()
            .map(|seen| (seen - expected).powi(2) / expected)
            .sum();
        // 99.99 % quantile of 80 degrees of freedom
        assert!(chi_square < 135.8, "chi-square of four {chi_square}");
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

    /// The file format relies on this expansion.
    #[test]
    fn uniform_row_is_the_documented_function_of_the_seed() {
        use aes::cipher::{BlockCipherEncrypt, KeyInit};

        let (seed, stream) = (std::array::from_fn(|i| 3 * i as u8), (2 << 32) | 5);
        let cipher = aes::Aes128::new_from_slice(&seed[..16]).expect("a key");
        let whitening = u128::from_le_bytes(seed[16..].try_into().expect("half a seed"));
        for q in [3, (1 << 29) - 3, (1 << 46) + 1, (1 << 49) + 5] {
            let piece = |p: u128| {
                let cipher = cipher.clone();
                let words = (0..).flat_map(move |i: u128| {
                    let counter = (u128::from(stream) << 64) + (p << 32) + i;
                    let mut block = (whitening ^ counter).to_le_bytes().into();
                    cipher.encrypt_block(&mut block);
                    let block = u128::from_le_bytes(block.into());
                    [block as u64, (block >> 64) as u64]
                });
                let products = words.map(move |word| u128::from(word % (1 << 52)) * u128::from(q));
                let kept = products.filter(move |x| *x as u64 % (1 << 52) >= (1 << 52) % q);
                kept.map(|x| (x >> 52) as u64).take(PIECE)
            };
            let expected: Vec<u64> = (0..3).flat_map(piece).take(5000).collect();
            let mut row = vec![0; 5000];
            uniform_row(&seed, stream, q, &mut row);
            assert_eq!(row, expected, "q = {q}");
        }
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
    }
}
