//! Transforms against concrete-ntt: the same products, from another implementation.

use girih_ntt::{Isa, NttTable, primes};
use proptest::prelude::*;

/// The product of `a` and `b` modulo `X^n + 1` and q by concrete-ntt.
fn by_concrete(q: u64, a: &[u64], b: &[u64]) -> Vec<u64> {
    let plan = concrete_ntt::prime64::Plan::try_new(a.len(), q).expect("plan");
    let (mut x, mut y) = (a.to_vec(), b.to_vec());
    plan.fwd(&mut x);
    plan.fwd(&mut y);
    plan.mul_assign_normalize(&mut x, &y);
    plan.inv(&mut x);
    x
}

fn by_girih(isa: Isa, q: u64, a: &[u64], b: &[u64]) -> Vec<u64> {
    let table = NttTable::try_new_with(a.len(), q, isa).expect("table");
    let (mut x, mut y) = (a.to_vec(), b.to_vec());
    table.forward(&mut x);
    table.forward(&mut y);
    table.kernels().mul_assign(table.modulus(), &mut x, &y);
    table.inverse(&mut x);
    x
}

fn check(log_n: u32, limit: u64, words: &[u64]) {
    let n = 1 << log_n;
    let q = primes::below(n, limit).next().expect("prime");
    let row = |shift: u32| -> Vec<u64> {
        (0..n)
            .map(|i| words[i % words.len()].rotate_left(shift + i as u32) % q)
            .collect()
    };
    let (a, b) = (row(1), row(2));
    let expected = by_concrete(q, &a, &b);
    for isa in Isa::available() {
        assert_eq!(
            by_girih(isa, q, &a, &b),
            expected,
            "{isa}, n = {n}, q = {q}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn products_equal_those_of_concrete_ntt(
        log_n in 5_u32..=12,
        bits in 22_u32..=50,
        words in prop::collection::vec(any::<u64>(), 1..9),
    ) {
        check(log_n, 1 << bits, &words);
    }
}

#[test]
fn large_products_equal_those_of_concrete_ntt() {
    for log_n in 13..=17 {
        for limit in [(1 << 52) / 58, 1 << 50] {
            check(log_n, limit, &[0x0123_4567_89ab_cdef, 7, u64::MAX]);
        }
    }
}
