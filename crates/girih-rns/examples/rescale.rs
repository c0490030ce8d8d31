//! Divides a polynomial by one of its primes and shows what is left of a coefficient.

use girih_ntt::primes;
use girih_rns::{Coeff, Poly, Ring};

fn main() -> Result<(), girih_rns::Error> {
    let n = 1024;
    let q: Vec<u64> = primes::below(n, 1 << 40).take(3).collect();
    let ring = Ring::try_new(n, &q, &[])?;

    let value = 123_456_789_012_345_678_901_234_567_890_i128;
    let a = Poly::<Coeff>::from_i128(&ring, 3, &[value]);
    let quotient = a.into_ntt(&ring).rescaled(1, &ring).into_coeff(&ring);

    println!(
        "{value} / {} = {} (nearest integer)",
        q[2],
        value / i128::from(q[2])
    );
    println!("over two limbs: {} mod {}", quotient.row(0)[0], q[0]);
    Ok(())
}
