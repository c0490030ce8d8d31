//! Sums of products against their definition.

use super::{permutations, random_row, same, wide_mod};
use crate::{Kernels, Modulus};

pub(super) fn check_inner_products(k: &Kernels, q: &Modulus, n: usize) {
    let p = q.value();
    let cases = permutations(n).into_iter().map(Some).chain([None]);
    for (case, permutation) in cases.enumerate() {
        // Around the lengths at which accumulators and reductions change.
        for terms in [0, 1, 2, 14, 15, 16, 70] {
            let extreme = vec![p - 1; n];
            let random: Vec<Vec<u64>> =
                (0..3 * terms).map(|i| random_row(n, p, i as u64)).collect();
            let part = |from: usize| -> Vec<&[u64]> {
                let pick = |i: usize| {
                    if case % 2 == 0 {
                        &extreme
                    } else {
                        &random[from + i]
                    }
                };
                (0..terms).map(|i| &pick(i)[..]).collect()
            };
            let (a, b, c) = (part(0), part(terms), part(2 * terms));
            let pi = permutation.as_ref();
            let expected = |b: &[&[u64]], start: u64| -> Vec<u64> {
                (0..n)
                    .map(|i| {
                        let from = pi.map_or(i, |pi| pi.index()[i] as usize);
                        let sum = a
                            .iter()
                            .zip(b)
                            .map(|(x, y)| u128::from(x[from]) * u128::from(y[i]))
                            .sum::<u128>();
                        wide_mod(sum + u128::from(start), p)
                    })
                    .collect()
            };
            let start = p - 1;
            let name = format!("{terms} terms");
            let mut out = vec![start; n];
            k.inner_product(q, &mut out, &a, &b, pi);
            same(k.isa(), "inner_product", &name, p, &out, &expected(&b, 0));
            let mut out = vec![start; n];
            k.inner_product_acc(q, &mut out, &a, &b, pi);
            same(
                k.isa(),
                "inner_product_acc",
                &name,
                p,
                &out,
                &expected(&b, start),
            );
            let (mut x, mut y) = (vec![start; n], vec![start; n]);
            k.inner_product_pair(q, [&mut x, &mut y], &a, [&b, &c], pi);
            same(
                k.isa(),
                "inner_product_pair",
                &name,
                p,
                &x,
                &expected(&b, 0),
            );
            same(
                k.isa(),
                "inner_product_pair",
                &name,
                p,
                &y,
                &expected(&c, 0),
            );
            let (mut x, mut y) = (vec![start; n], vec![start; n]);
            k.inner_product_pair_acc(q, [&mut x, &mut y], &a, [&b, &c], pi);
            same(
                k.isa(),
                "inner_product_pair_acc",
                &name,
                p,
                &x,
                &expected(&b, start),
            );
            same(
                k.isa(),
                "inner_product_pair_acc",
                &name,
                p,
                &y,
                &expected(&c, start),
            );
        }
    }
}

/// Left rows given by their runs, of several lengths in one sum, against the rows that they stand for.
pub(super) fn check_runs(k: &Kernels, q: &Modulus, n: usize) {
    let p = q.value();
    let lengths: Vec<usize> = (0..=n.trailing_zeros()).map(|s| n >> s).collect();
    for terms in [1, 2, lengths.len(), lengths.len() + 16] {
        let short: Vec<Vec<u64>> = (0..terms)
            .map(|i| random_row(lengths[(terms - 1 - i) % lengths.len()], p, 7 + i as u64))
            .collect();
        let long: Vec<Vec<u64>> = short
            .iter()
            .map(|row| (0..n).map(|i| row[i / (n / row.len())]).collect())
            .collect();
        let right: [Vec<Vec<u64>>; 2] = [50, 90].map(|seed| {
            (0..terms)
                .map(|i| random_row(n, p, seed + i as u64))
                .collect()
        });
        let [b, c] = right.each_ref().map(|rows| slices(rows));
        let products = |a: &[&[u64]]| {
            let (mut x, mut y) = (vec![p - 1; n], vec![p - 1; n]);
            k.inner_product_pair(q, [&mut x, &mut y], a, [&b, &c], None);
            k.inner_product_pair_acc(q, [&mut x, &mut y], a, [&c, &b], None);
            k.inner_product_acc(q, &mut x, a, &b, None);
            [x, y].concat()
        };
        let (got, expected) = (products(&slices(&short)), products(&slices(&long)));
        let name = format!("{terms} terms by runs");
        same(k.isa(), "inner_product_pair", &name, p, &got, &expected);
        for (short, long) in short.iter().zip(&long) {
            let mut expected = [vec![0; n], vec![0; n]];
            let [x, y] = &mut expected;
            k.mul_pair(q, [x, y], [b[0], c[0]], long);
            for kernel in [Kernels::mul_pair, Kernels::mul_pair_streamed] {
                let mut got = [vec![0; n], vec![0; n]];
                let [x, y] = &mut got;
                kernel(k, q, [x, y], [b[0], c[0]], short);
                let name = format!("{} runs", short.len());
                same(
                    k.isa(),
                    "mul_pair",
                    &name,
                    p,
                    &got.concat(),
                    &expected.concat(),
                );
            }
        }
    }
}

fn slices(rows: &[Vec<u64>]) -> Vec<&[u64]> {
    rows.iter().map(Vec::as_slice).collect()
}
