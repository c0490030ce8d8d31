//! Encryption with the secret key or with the public key.

use girih_rns::sample::{self, Seed};
use girih_rns::{Ntt, Poly, par};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::ciphertext::{is_product_scale, uniform_limb};
use crate::{Ciphertext, Error, Params, Plaintext, PublicKey, Result, SecretKey, SeededCiphertext};

/// The streams of a seed of one encryption: the mask and the noise of the two halves.
const V: u64 = 0;
const E0: u64 = 1;
const E1: u64 = 2;

/// Encrypts with the public key: `ct = round((v · pk + (e0, e1)) / p) + (m, 0)` with ternary `v` and Gaussian `e`.
///
/// The sum is made modulo `Q p` and divided by `p`, the first special prime, so what remains as noise is little more than the
/// rounding of that division, `sqrt((1 + 2N/3) / 12)`: what the noise of the sum leaves after the division, about
/// `3.2 sqrt(4N/3) / p`, is far below. With `x = v · pk` and `t = e - [x + e]_p`, where `[..]_p` is the
/// centred remainder, the rounded quotient is `(x + t) / p`, so that noise and remainder share a transform.
#[derive(Clone, Copy, Debug)]
pub struct Encryptor<'k> {
    key: &'k PublicKey,
}

/// Encrypts with the secret key: `ct = (-a s + e + m, a)` with `a` expanded from a fresh seed.
///
/// Half the bytes and less noise (`sigma = 3.2`) than with the public key.
#[derive(Clone, Copy, Debug)]
pub struct SymmetricEncryptor<'k> {
    key: &'k SecretKey,
}

impl<'k> Encryptor<'k> {
    /// An encryptor under `key`.
    #[must_use]
    pub fn new(key: &'k PublicKey) -> Encryptor<'k> {
        Encryptor { key }
    }

    /// A fresh encryption at the level of the plaintext. Cost at `l` limbs: `3 l + 3` transforms. The result depends on
    /// the plaintext and on 32 bytes of `rng`, not on the number of threads.
    ///
    /// # Errors
    /// A plaintext of other parameters, or one that was decrypted and holds only some limbs.
    pub fn encrypt<R: CryptoRng + ?Sized>(
        &self,
        plaintext: &Plaintext,
        rng: &mut R,
    ) -> Result<Ciphertext> {
        let params = self.key.params();
        check_plaintext(params, plaintext)?;
        let ring = params.ring();
        let limbs = plaintext.poly().limbs();
        let seed = Zeroizing::new(sample::seed(rng));
        let [v, t0, t1] = self.masks(&seed);
        let key = [self.key.b(), self.key.a()];
        let p = ring.p_primes()[0];
        let [c0, c1] = Poly::pair_from_tiles(ring, limbs, |first, rows0, rows1| {
            let n = ring.n();
            let mut vs = ring.pool().secret(n);
            let pairs = rows0.chunks_exact_mut(n).zip(rows1.chunks_exact_mut(n));
            for (i, (c0, c1)) in (first..).zip(pairs) {
                let table = ring.table(i);
                let (kernels, q) = (table.kernels(), table.modulus());
                let inverse = q.inv(q.reduce(p)).expect("distinct primes are coprime");
                let inverse = q.shoup(inverse);
                kernels.scale_i64(q, &mut vs, &v, inverse);
                kernels.scale_i64(q, c0, &t0, inverse);
                kernels.scale_i64(q, c1, &t1, inverse);
                table.forward_many(&mut [&mut vs, &mut *c0, &mut *c1]);
                kernels.mul_acc(q, c0, &vs, key[0].row(i));
                kernels.add_assign(q, c0, plaintext.poly().row(i));
                kernels.mul_acc(q, c1, &vs, key[1].row(i));
            }
        });
        let product = is_product_scale(params.chain(), plaintext.level(), plaintext.scale());
        Ok(Ciphertext::new(
            c0,
            c1,
            plaintext.level(),
            plaintext.scale(),
            product,
        ))
    }

    /// `v` and the two `t`: `v · b + t0 = v · a + t1 = 0 mod p`, each `t` within `p/2` of its noise.
    fn masks(&self, seed: &Seed) -> [Zeroizing<Vec<i64>>; 3] {
        let ring = self.key.params().ring();
        let n = ring.n();
        let mut drawn = par::map(vec![V, E0, E1], |stream| match stream {
            V => sample::ternary_row(seed, stream, n),
            _ => sample::gaussian_row(seed, stream, n),
        });
        let special = ring.q_len();
        let table = ring.table(special);
        let (kernels, q) = (table.kernels(), table.modulus());
        let mut vs = ring.pool().secret(n);
        kernels.scale_i64(q, &mut vs, &drawn[0], q.shoup(1));
        table.forward(&mut vs);
        let [_, e0, e1] = &mut drawn[..] else {
            unreachable!("three streams");
        };
        par::map(vec![(e0, self.key.b()), (e1, self.key.a())], |(e, half)| {
            let mut x = ring.pool().secret(n);
            kernels.mul(q, &mut x, &vs, half.row(special));
            table.inverse(&mut x);
            let p = q.value() as i64;
            for (e, &x) in e.iter_mut().zip(&x[..]) {
                // e - (x + e - p [x + e > p/2])
                let above = (p / 2 - (x as i64 + *e)) >> 63;
                *e = (p & above) - x as i64;
            }
        });
        let t1 = drawn.pop().unwrap_or_default();
        let t0 = drawn.pop().unwrap_or_default();
        let v = drawn.pop().unwrap_or_default();
        [v, t0, t1]
    }
}

impl<'k> SymmetricEncryptor<'k> {
    /// An encryptor under `key`.
    #[must_use]
    pub fn new(key: &'k SecretKey) -> SymmetricEncryptor<'k> {
        SymmetricEncryptor { key }
    }

    /// A fresh encryption at the level of the plaintext. Cost: one transform and one expansion a limb.
    ///
    /// # Errors
    /// A plaintext of other parameters, or one that was decrypted and holds only some limbs.
    pub fn encrypt<R: CryptoRng + ?Sized>(
        &self,
        plaintext: &Plaintext,
        rng: &mut R,
    ) -> Result<Ciphertext> {
        let (seeded, c1) = self.both_forms(plaintext, rng)?;
        Ok(Ciphertext::new(
            seeded.c0,
            c1,
            seeded.level,
            seeded.scale,
            seeded.product,
        ))
    }

    /// [`encrypt`](SymmetricEncryptor::encrypt) with `c1` as a seed: half the bytes on the wire.
    ///
    /// # Errors
    /// As [`encrypt`](SymmetricEncryptor::encrypt).
    pub fn encrypt_seeded<R: CryptoRng + ?Sized>(
        &self,
        plaintext: &Plaintext,
        rng: &mut R,
    ) -> Result<SeededCiphertext> {
        Ok(self.both_forms(plaintext, rng)?.0)
    }

    fn both_forms<R: CryptoRng + ?Sized>(
        &self,
        plaintext: &Plaintext,
        rng: &mut R,
    ) -> Result<(SeededCiphertext, Poly<Ntt>)> {
        let params = self.key.params();
        check_plaintext(params, plaintext)?;
        let ring = params.ring();
        let seed: Seed = sample::seed(rng);
        let noise = Zeroizing::new(sample::seed(rng));
        let e = sample::gaussian_row(&noise, E0, ring.n());
        let limbs = plaintext.poly().limbs();
        let secret = self.key.poly();
        let [c0, c1] = Poly::pair_from_tiles(ring, limbs, |first, rows0, rows1| {
            let n = ring.n();
            let pairs = rows0.chunks_exact_mut(n).zip(rows1.chunks_exact_mut(n));
            for (i, (c0, c1)) in (first..).zip(pairs) {
                let table = ring.table(i);
                let (kernels, q) = (table.kernels(), table.modulus());
                uniform_limb(ring, &seed, i, c1);
                kernels.scale_i64(q, c0, &e, q.shoup(1));
                table.forward(c0);
                kernels.mul_sub(q, c0, c1, secret.row(i));
                kernels.add_assign(q, c0, plaintext.poly().row(i));
            }
        });
        let (level, scale) = (plaintext.level(), plaintext.scale());
        let product = is_product_scale(params.chain(), level, scale);
        Ok((
            SeededCiphertext {
                c0,
                seed,
                level,
                scale,
                product,
            },
            c1,
        ))
    }
}

/// Whether a plaintext can be encrypted under `params`.
fn check_plaintext(params: &Params, plaintext: &Plaintext) -> Result<()> {
    let Some(info) = params.chain().get(plaintext.level()) else {
        return Err(Error::ParamsMismatch { what: "plaintext" });
    };
    if plaintext.poly().n() != params.n() {
        return Err(Error::ParamsMismatch { what: "plaintext" });
    }
    if plaintext.poly().limbs() != info.limbs {
        return Err(Error::PartialPlaintext {
            limbs: plaintext.poly().limbs(),
            needed: info.limbs,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use girih_he::Level;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::{Encoder, KeyGenerator, presets};

    /// The rounded quotient by its definition, without sharing anything: `p c + [x]_p = x` modulo every prime, where
    /// `x = v · pk + e` and `[x]_p` is centred.
    #[test]
    fn encryption_is_the_rounded_quotient() {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let ring = params.ring();
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let keygen = KeyGenerator::new(&params);
        let secret = keygen.secret_key(&mut rng);
        let public = keygen.public_key(&secret, &mut rng).expect("own secret");
        let level = Level(3);
        let plaintext = Encoder::new(&params)
            .encode(&[1.5, -2.0], level, params.chain().scale(level))
            .expect("fits");
        let seed = sample::seed(&mut rng.clone());
        let ct = Encryptor::new(&public)
            .encrypt(&plaintext, &mut rng)
            .expect("own plaintext");
        let v = sample::ternary_row(&seed, V, ring.n());
        for (half, c, stream) in [(public.b(), ct.c0(), E0), (public.a(), ct.c1(), E1)] {
            let e = sample::gaussian_row(&seed, stream, ring.n());
            // v · half + e modulo prime `index`, as coefficients
            let sum = |index: usize| {
                let table = ring.table(index);
                let (kernels, q) = (table.kernels(), table.modulus());
                let (mut x, mut noise) = (vec![0; ring.n()], vec![0; ring.n()]);
                kernels.from_i64(q, &mut x, &v);
                table.forward(&mut x);
                kernels.mul_assign(q, &mut x, half.row(index));
                table.inverse(&mut x);
                kernels.from_i64(q, &mut noise, &e);
                kernels.add_assign(q, &mut x, &noise);
                x
            };
            let special = ring.modulus(ring.q_len());
            let rest: Vec<i64> = sum(ring.q_len())
                .iter()
                .map(|&x| special.centre(x))
                .collect();
            for i in 0..c.limbs() {
                let table = ring.table(i);
                let (kernels, q) = (table.kernels(), table.modulus());
                let mut got = c.row(i).to_vec();
                if stream == E0 {
                    kernels.sub_assign(q, &mut got, plaintext.poly().row(i));
                }
                table.inverse(&mut got);
                kernels.mul_scalar_assign(q, &mut got, q.shoup(special.value()));
                let mut rest_row = vec![0; ring.n()];
                kernels.from_i64(q, &mut rest_row, &rest);
                kernels.add_assign(q, &mut got, &rest_row);
                assert_eq!(got, sum(i), "limb {i} of stream {stream}");
            }
        }
    }

    #[test]
    fn encryptions_do_not_depend_on_threads() {
        let params = Params::try_new(presets::test_small()).expect("preset");
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| {
                let mut rng = ChaCha20Rng::from_seed([5; 32]);
                let keygen = KeyGenerator::new(&params);
                let secret = keygen.secret_key(&mut rng);
                let public = keygen.public_key(&secret, &mut rng).expect("own secret");
                let scale = params.chain().scale(params.top());
                let plaintext = Encoder::new(&params)
                    .encode(&[0.5; 64], params.top(), scale)
                    .expect("fits");
                (
                    Encryptor::new(&public).encrypt(&plaintext, &mut rng),
                    SymmetricEncryptor::new(&secret).encrypt(&plaintext, &mut rng),
                )
            })
        };
        assert_eq!(run(1), run(3));
    }
}
