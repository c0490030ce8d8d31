//! Encryption with the secret key or with the public key.

use girih_rns::sample::{self, Seed};
use girih_rns::{Coeff, Ntt, Poly, PolyQp};
use rand_core::CryptoRng;

use crate::ciphertext::{is_product_scale, uniform_poly};
use crate::{Ciphertext, Error, Params, Plaintext, PublicKey, Result, SecretKey, SeededCiphertext};

/// Encrypts with the public key: `ct = round(v · pk + (e0, e1)) / P + (m, 0)` with ternary `v` and Gaussian `e`.
///
/// The sum is made modulo QP and divided by P, so what remains as noise is little more than the rounding of
/// that division, `sqrt((1 + 2N/3) / 12)`.
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

    /// A fresh encryption at the level of the plaintext. Cost at `l` limbs: `5 (l + K)` transforms.
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
        let v = sample::ternary(rng, ring.n());
        let v = PolyQp::<Coeff>::secret_from_i64(ring, limbs, &v).into_ntt(ring);
        let mut half = |key: &PolyQp<Ntt>| {
            let e = sample::gaussian(rng, ring.n());
            let sum = PolyQp::<Ntt>::from_fn(ring, limbs, |index, row| {
                let table = ring.table(index);
                let (kernels, q) = (table.kernels(), table.modulus());
                kernels.from_i64(q, row, &e);
                table.forward(row);
                let r = if index < ring.q_len() {
                    index
                } else {
                    index - ring.q_len() + limbs
                };
                kernels.mul_acc(q, row, key.row(index), v.row(r));
            });
            sum.mod_down(ring)
        };
        let mut c0 = half(self.key.b());
        let c1 = half(self.key.a());
        c0.add_assign(plaintext.poly(), ring);
        let product = is_product_scale(params.chain(), plaintext.level(), plaintext.scale());
        Ok(Ciphertext::new(
            c0,
            c1,
            plaintext.level(),
            plaintext.scale(),
            product,
        ))
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
        let e = sample::gaussian(rng, ring.n());
        let limbs = plaintext.poly().limbs();
        let c1 = uniform_poly(ring, limbs, &seed);
        let secret = self.key.poly();
        let c0 = Poly::from_fn(ring, limbs, |i, row| {
            let table = ring.table(i);
            let (kernels, q) = (table.kernels(), table.modulus());
            let mut noise = ring.pool().secret(ring.n());
            kernels.from_i64(q, &mut noise, &e);
            table.forward(&mut noise);
            kernels.mul(q, row, c1.row(i), secret.row(i));
            kernels.neg_assign(q, row);
            kernels.add_assign(q, row, &noise);
            kernels.add_assign(q, row, plaintext.poly().row(i));
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
