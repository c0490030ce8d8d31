//! Multiplies two polynomials modulo `X^n + 1` on every instruction set that this processor has.
//!
//! `cargo run --release -p girih-ntt --example multiply`

use std::time::Instant;

use girih_ntt::{Isa, NttTable, Pool, primes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n = 1 << 14;
    let q = primes::below(n, 1 << 46)
        .next()
        .ok_or("no prime of that size")?;
    println!(
        "Z_q[X]/(X^{n} + 1) with q = {q}; the default here is {}",
        Isa::best()
    );

    let pool = Pool::new();
    let mut first = None;
    for isa in Isa::available() {
        let table = NttTable::try_new_with(n, q, isa)?;
        let (modulus, kernels) = (table.modulus(), table.kernels());
        // (1 + 2 X + 3 X^2 + ..) (1 - X)
        let (mut a, mut b) = (pool.zeroed(n), pool.zeroed(n));
        for (i, word) in a.iter_mut().enumerate() {
            *word = i as u64 + 1;
        }
        (b[0], b[1]) = (1, q - 1);

        let start = Instant::now();
        table.forward(&mut a);
        table.forward(&mut b);
        kernels.mul_assign(modulus, &mut a, &b);
        table.inverse(&mut a);
        let micros = start.elapsed().as_secs_f64() * 1e6;

        let head: Vec<i64> = a[..4].iter().map(|w| modulus.centre(*w)).collect();
        println!(
            "{isa:>10}: {head:?} .. in {micros:.0} us, {:?} primes",
            kernels.class()
        );
        let reference = first.get_or_insert_with(|| a.clone());
        assert_eq!(
            &a[..],
            &reference[..],
            "results do not depend on the instruction set"
        );
    }
    Ok(())
}
