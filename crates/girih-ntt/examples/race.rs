#![allow(clippy::unwrap_used)]
//! Times the transforms of every instruction set beside concrete-ntt's.
use girih_ntt::{Isa, NttTable, Pool, primes};
use std::time::Instant;
fn best(reps: usize, mut f: impl FnMut()) -> f64 {
    let mut b = f64::MAX;
    for _ in 0..reps {
        let t = Instant::now();
        f();
        b = b.min(t.elapsed().as_nanos() as f64 / 1000.0);
    }
    b
}
fn main() {
    let pool = Pool::new();
    let only: Vec<u32> = std::env::args()
        .skip(1)
        .map(|a| a.parse().unwrap())
        .collect();
    for log_n in if only.is_empty() {
        (10..=17).collect()
    } else {
        only
    } {
        let n = 1 << log_n;
        for bits in [1u64 << 46, 1 << 50] {
            let q = primes::below(n, bits).next().unwrap();
            let mut row = pool.unfilled(n);
            for (i, w) in row.iter_mut().enumerate() {
                *w = (i as u64).wrapping_mul(0x9e3779b97f4a7c15) % q;
            }
            let mut line = format!("2^{log_n} {q:>17}");
            let c = concrete_ntt::prime64::Plan::try_new(n, q).unwrap();
            let reps = 200;
            let tables: Vec<_> = [Isa::Avx2, Isa::Avx512Ifma]
                .into_iter()
                .map(|i| NttTable::try_new_with(n, q, i).unwrap())
                .collect();
            let (mut cf, mut ci) = (f64::MAX, f64::MAX);
            let mut fs = vec![(f64::MAX, f64::MAX); tables.len()];
            for _ in 0..5 {
                cf = cf.min(best(reps / 5, || c.fwd(&mut row)));
                ci = ci.min(best(reps / 5, || c.inv(&mut row)));
                for w in row.iter_mut() {
                    *w %= q;
                }
                for (t, f) in tables.iter().zip(&mut fs) {
                    f.0 = f.0.min(best(reps / 5, || t.forward(&mut row)));
                    f.1 = f.1.min(best(reps / 5, || t.inverse(&mut row)));
                }
            }
            line += &format!("  concrete {cf:7.1} {ci:7.1}");
            for (t, f) in tables.iter().zip(fs) {
                line += &format!("  {} {:7.1} {:7.1}", t.kernels().isa(), f.0, f.1);
            }
            println!("{line}");
        }
    }
}
