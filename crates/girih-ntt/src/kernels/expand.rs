//! Public uniform rows from a seed: AES-128 in counter mode, and residues made of its words.
//!
//! The rows are public, and so are their seeds: what they need is to look random to whoever reads them, as the public
//! matrix of FrodoKEM does, which is expanded by AES-128 as well (Bos et al., "Frodo: Take off the ring!", CCS 2016).
//! Secrets are drawn from ChaCha20 ([`RandomKernels`](super::RandomKernels)).

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

use crate::isa::Isa;

/// Residues of one piece of a row: pieces are made on their own.
pub const PIECE: usize = 1 << 11;

/// Bits of a word that a draw uses.
pub(super) const DRAW_BITS: u32 = 52;
/// Blocks that the portable cipher encrypts at a time.
const BATCH: usize = 32;
/// Where the number of a piece begins in a counter: a piece has room for `2^32` blocks and uses hardly more than 1024.
const PIECE_SHIFT: u32 = 32;

/// Expands a seed to rows of residues, uniform modulo a prime, in any order and from any piece on.
///
/// The first half of the seed is the key `k` of AES-128 (FIPS 197), the second half, `w`, whitens the counter: block
/// `i` of piece `p` of stream `s` is `AES_k(w ^ (s 2^64 + p 2^32 + i))`, numbers being little-endian, and has two
/// words. The low 52 bits `x` of a word give the residue `floor(x q / 2^52)`, unless `x q mod 2^52` is below
/// `2^52 mod q`, when the word is skipped (Lemire, "Fast Random Integer Generation in an Interval", 2019: exactly
/// uniform; for a prime of 45 bits fewer than one word in 100). A piece is the first [`PIECE`] residues of its blocks.
///
/// Results are the same on every instruction set. The time depends on the seed.
#[derive(Clone)]
pub struct Expander {
    whitening: [u64; 2],
    cipher: Cipher,
}

#[derive(Clone)]
enum Cipher {
    /// With the instructions for one block at a time where there are any.
    Portable(Aes128),
    /// Four blocks a vector: the round keys.
    #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
    Vector([[u64; 2]; 11]),
}

/// What a piece is made of: a counter whose low word is still to be added the number of a block, and the modulus.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    pub(super) counter: [u64; 2],
    pub(super) whitening: [u64; 2],
    pub(super) q: u64,
    /// `2^52 mod q`.
    pub(super) skip_below: u64,
}

impl Expander {
    /// With the kernels of `isa`.
    ///
    /// # Panics
    /// If `isa` is not available here.
    #[must_use]
    pub fn new(isa: Isa, seed: &[u8; 32]) -> Expander {
        assert!(
            isa.is_available(),
            "{isa} is not available on this processor"
        );
        let halves = seed.as_chunks::<16>().0;
        let words = halves[1].as_chunks::<8>().0;
        Expander {
            whitening: [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])],
            cipher: Cipher::new(isa, &halves[0]),
        }
    }

    /// The residues modulo `q` of stream `stream` from number `PIECE · first` on.
    ///
    /// # Panics
    /// Unless `0 < q <= 2^50`.
    pub fn fill(&self, stream: u64, first: usize, q: u64, out: &mut [u64]) {
        assert!(
            0 < q && q <= 1 << 50,
            "a modulus is positive and has 50 bits"
        );
        for (piece, out) in out.chunks_mut(PIECE).enumerate() {
            let draw = Draw {
                counter: [((first + piece) as u64) << PIECE_SHIFT, stream],
                whitening: self.whitening,
                q,
                skip_below: (1 << DRAW_BITS) % q,
            };
            match &self.cipher {
                Cipher::Portable(cipher) => draw.piece(cipher, out),
                #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
                // SAFETY: this cipher is made only where its instructions are.
                Cipher::Vector(keys) => unsafe { super::ifma::expand_piece(keys, &draw, out) },
            }
        }
    }
}

impl Cipher {
    fn new(isa: Isa, key: &[u8; 16]) -> Cipher {
        match isa {
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            Isa::Avx512Ifma
                if is_x86_feature_detected!("aes") && is_x86_feature_detected!("vaes") =>
            {
                // SAFETY: AES instructions are there.
                Cipher::Vector(unsafe { super::ifma::expand_keys(key) })
            }
            _ => Cipher::Portable(Aes128::new(&(*key).into())),
        }
    }
}

impl Draw {
    /// A piece, or the start of one.
    fn piece(&self, cipher: &Aes128, out: &mut [u64]) {
        let (mut filled, mut next) = (0, 0);
        let mut blocks = [aes::Block::default(); BATCH];
        let mut last = [0; 2 * BATCH];
        while filled < out.len() {
            for (block, i) in blocks.iter_mut().zip(next..) {
                let low = (self.counter[0] + i) ^ self.whitening[0];
                let high = self.counter[1] ^ self.whitening[1];
                *block = (u128::from(low) | u128::from(high) << 64)
                    .to_le_bytes()
                    .into();
            }
            next += BATCH as u64;
            cipher.encrypt_blocks(&mut blocks);
            let left = out.len() - filled;
            let to = match out.get_mut(filled..filled + 2 * BATCH) {
                Some(out) => out,
                None => &mut last[..],
            };
            let mut kept = 0;
            for word in blocks.iter().flat_map(|block| block.as_chunks::<8>().0) {
                let x = u64::from_le_bytes(*word) % (1 << DRAW_BITS);
                let product = u128::from(x) * u128::from(self.q);
                to[kept] = (product >> DRAW_BITS) as u64;
                kept += usize::from(product as u64 % (1 << DRAW_BITS) >= self.skip_below);
            }
            if left < 2 * BATCH {
                kept = kept.min(left);
                out[filled..filled + kept].copy_from_slice(&last[..kept]);
            }
            filled += kept;
        }
    }
}

impl std::fmt::Debug for Expander {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expander").finish_non_exhaustive()
    }
}
