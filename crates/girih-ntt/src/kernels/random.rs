//! Random rows: the ChaCha20 key stream, and Gaussian magnitudes made of its words.
//!
//! The key stream is that of D. J. Bernstein, "ChaCha, a variant of Salsa20" (2008) with 20 rounds, a 64-bit block
//! counter and a 64-bit stream number (the nonce); block `i` of a stream can be made on its own, so streams
//! are cut into pieces that are made in any order.

use crate::isa::Isa;

/// Words of one ChaCha block.
pub const BLOCK: usize = 8;

/// "expand 32-byte k".
const SIGMA: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
/// Rounds in pairs: a column round and a diagonal round each.
pub(super) const DOUBLE_ROUNDS: usize = 10;
/// The words of the four quarter-rounds of a column round, then of a diagonal round.
pub(super) const QUARTERS: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// Fills whole blocks of the stream of a state whose counter says the first one.
type KeystreamFn = unsafe fn(&State, &mut [[u64; BLOCK]]);
type GaussianFn = unsafe fn(&[u64], &mut [i64], &[u64]);

/// The input of the ChaCha block function: constants, key, counter, stream.
#[derive(Clone)]
pub(super) struct State {
    pub(super) words: [u32; 16],
}

/// The kernels that make random rows on one instruction set; results are the same on all.
pub struct RandomKernels {
    isa: Isa,
    pub(super) keystream: KeystreamFn,
    pub(super) gaussian: GaussianFn,
}

static SCALAR: RandomKernels = RandomKernels::new(Isa::Scalar, keystream, gaussian);

impl RandomKernels {
    pub(super) const fn new(
        isa: Isa,
        keystream: KeystreamFn,
        gaussian: GaussianFn,
    ) -> RandomKernels {
        RandomKernels {
            isa,
            keystream,
            gaussian,
        }
    }

    /// The kernels of `isa`.
    ///
    /// # Panics
    /// If `isa` is not available here: that check is what makes every call sound.
    pub fn select(isa: Isa) -> &'static RandomKernels {
        assert!(
            isa.is_available(),
            "{isa} is not available on this processor"
        );
        match isa {
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            Isa::Avx512Ifma => &super::ifma::RANDOM,
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            Isa::Avx2 => &super::avx2::RANDOM,
            _ => &SCALAR,
        }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Blocks `first ..` of stream `stream` of `key`, little-endian. In constant time.
    ///
    /// The state that is left on the stack is overwritten.
    pub fn keystream(&self, key: &[u8; 32], stream: u64, first: u64, out: &mut [[u64; BLOCK]]) {
        let mut state = State::new(key, stream, first);
        // SAFETY: `select` proved the instruction set.
        unsafe { (self.keystream)(&state, out) }
        state.words.fill(0);
        std::hint::black_box(&mut state);
    }

    /// `out[i] = ±#{k : words[i] >> 1 < tails[k]}`, negative if the low bit of the word is set: a draw from the
    /// symmetric distribution with `Pr(|X| > k) = tails[k] / 2^63`. In constant time.
    ///
    /// # Panics
    /// If the rows differ in length, or a tail exceeds `2^63`.
    pub fn gaussian(&self, tails: &[u64], out: &mut [i64], words: &[u64]) {
        assert_eq!(
            out.len(),
            words.len(),
            "rows of one operation have one length"
        );
        assert!(
            tails.iter().all(|&t| t < 1 << 63),
            "a tail is a 63-bit probability"
        );
        // SAFETY: `select` proved the instruction set; the rows have one length.
        unsafe { (self.gaussian)(tails, out, words) }
    }
}

impl std::fmt::Debug for RandomKernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RandomKernels")
            .field("isa", &self.isa)
            .finish_non_exhaustive()
    }
}

impl State {
    fn new(key: &[u8; 32], stream: u64, first: u64) -> State {
        let mut words = [0; 16];
        words[..4].copy_from_slice(&SIGMA);
        for (word, bytes) in words[4..12].iter_mut().zip(key.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        words[14] = stream as u32;
        words[15] = (stream >> 32) as u32;
        let mut state = State { words };
        state.seek(first);
        state
    }

    pub(super) fn block(&self) -> u64 {
        u64::from(self.words[12]) | u64::from(self.words[13]) << 32
    }

    pub(super) fn seek(&mut self, block: u64) {
        self.words[12] = block as u32;
        self.words[13] = (block >> 32) as u32;
    }

    /// The counters of `L` blocks from this one on, low halves and high halves.
    pub(super) fn counters<const L: usize>(&self) -> [[u32; L]; 2] {
        let at = |lane: usize| self.block().wrapping_add(lane as u64);
        [
            std::array::from_fn(|lane| at(lane) as u32),
            std::array::from_fn(|lane| (at(lane) >> 32) as u32),
        ]
    }
}

pub(super) unsafe fn keystream(state: &State, out: &mut [[u64; BLOCK]]) {
    let mut state = state.clone();
    for block in out {
        let mut x = state.words;
        for _ in 0..DOUBLE_ROUNDS {
            for [a, b, c, d] in QUARTERS {
                x[a] = x[a].wrapping_add(x[b]);
                x[d] = (x[d] ^ x[a]).rotate_left(16);
                x[c] = x[c].wrapping_add(x[d]);
                x[b] = (x[b] ^ x[c]).rotate_left(12);
                x[a] = x[a].wrapping_add(x[b]);
                x[d] = (x[d] ^ x[a]).rotate_left(8);
                x[c] = x[c].wrapping_add(x[d]);
                x[b] = (x[b] ^ x[c]).rotate_left(7);
            }
        }
        for (x, start) in x.iter_mut().zip(&state.words) {
            *x = x.wrapping_add(*start);
        }
        for (word, [low, high]) in block.iter_mut().zip(x.as_chunks::<2>().0) {
            *word = u64::from(*low) | u64::from(*high) << 32;
        }
        state.seek(state.block().wrapping_add(1));
    }
}

pub(super) unsafe fn gaussian(tails: &[u64], out: &mut [i64], words: &[u64]) {
    for (out, word) in out.iter_mut().zip(words) {
        let half = word >> 1;
        // The borrow of the difference of two 63-bit words is a comparison.
        let magnitude: u64 = tails
            .iter()
            .map(|tail| half.wrapping_sub(*tail) >> 63)
            .sum();
        let negate = (word & 1).wrapping_neg();
        *out = (magnitude ^ negate).wrapping_sub(negate) as i64;
    }
}
