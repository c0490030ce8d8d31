//! What every instruction set must do, checked against wide-integer arithmetic and the scalar oracle.
//!
//! Each check panics with the operation, length, modulus and position of the first difference. Inputs
//! are a fixed pseudo-random stream and the edges of every range.

use crate::{
    BLOCK, CHUNK, ConvertSources, ConvertTarget, Expander, Isa, Kernels, Modulus, NttTable, PIECE,
    Permutation, Pool, PrimeClass, RandomKernels, primes,
};

mod dot;

/// Row lengths with every remainder modulo a vector, and beyond the blocks of every kernel.
pub const ROW_LENGTHS: [usize; 14] = [1, 2, 3, 7, 8, 9, 15, 16, 33, 63, 64, 127, 130, 1024];

/// Runs every check on `isa` for transforms of `2^log_n` words with each given `log_n`, and says what
/// was covered.
///
/// # Panics
/// If `isa` is not available, or at the first wrong result.
pub fn run(isa: Isa, log_ns: impl IntoIterator<Item = u32>) -> String {
    let mut transforms = 0;
    for log_n in log_ns {
        let n = 1 << log_n;
        for q in border_primes(n) {
            check_transform(isa, n, q);
            transforms += 1;
        }
    }
    let moduli = border_primes(8);
    for q in &moduli {
        let q = Modulus::try_new(*q).expect("prime");
        let kernels = Kernels::select(isa, &q, 8);
        for n in ROW_LENGTHS {
            check_elementwise(kernels, &q, n);
            check_mixed_moduli(kernels, &q, n);
            check_permuted(kernels, &q, n);
            dot::check_inner_products(kernels, &q, n);
            dot::check_runs(kernels, &q, n);
        }
    }
    for n in ROW_LENGTHS {
        check_base_conversion(isa, n);
    }
    check_random(isa);
    check_expand(isa);
    format!(
        "{isa}: {transforms} transforms, row kernels for {} moduli at {} lengths",
        moduli.len(),
        ROW_LENGTHS.len()
    )
}

/// Primes at the borders of every class for transforms of length `n`: the smallest, some between, the
/// two beside the reduction-free bound, and the largest.
pub fn border_primes(n: usize) -> Vec<u64> {
    let bound = PrimeClass::reduction_free_bound(n);
    let mut all: Vec<u64> = [1_u64 << 20, 1 << 31, 1 << 40, bound, 1 << 48, 1 << 50]
        .into_iter()
        .flat_map(|limit| primes::below(n, limit).take(1))
        .collect();
    all.extend(primes::from(n, 3).take(1));
    all.extend(primes::from(n, bound).take(1));
    // Just above a power of two, where the quotient of a Barrett reduction errs most.
    all.extend(primes::from(n, 1 << 49).take(1));
    all.sort_unstable();
    all.dedup();
    let class = |q: &u64| PrimeClass::of(&Modulus::try_new(*q).expect("prime"), n);
    assert!(all.iter().any(|q| class(q) == PrimeClass::ReductionFree));
    assert!(all.iter().any(|q| class(q) == PrimeClass::Wide));
    all
}

/// Forward and inverse equal the scalar oracle, and invert each other, on random and extreme rows.
pub fn check_transform(isa: Isa, n: usize, q: u64) {
    let oracle = NttTable::try_new_with(n, q, Isa::Scalar).expect("table");
    let table = NttTable::try_new_with(n, q, isa).expect("table");
    assert_eq!(table.exponents(), oracle.exponents());
    assert_eq!(table.psi(), oracle.psi());
    for (name, row) in rows(n, q) {
        let (mut forward, mut expected) = (row.clone(), row.clone());
        table.forward(&mut forward);
        oracle.forward(&mut expected);
        same(isa, "forward transform", &name, q, &forward, &expected);
        table.inverse(&mut forward);
        same(isa, "round trip", &name, q, &forward, &row);
        let (mut inverse, mut expected) = (row.clone(), row);
        table.inverse(&mut inverse);
        oracle.inverse(&mut expected);
        same(isa, "inverse transform", &name, q, &inverse, &expected);
    }
    check_unreduced(&table, &oracle);
    check_many(&table);
}

/// Words below 4q transform as their residues do, with and without the last reductions.
fn check_unreduced(table: &NttTable, oracle: &NttTable) {
    let (isa, q) = (table.kernels().isa(), table.modulus().value());
    for (name, row) in rows(table.n(), 4 * q) {
        let mut expected: Vec<u64> = row.iter().map(|x| x % q).collect();
        let (mut forward, mut lazy) = (row.clone(), row);
        table.forward(&mut forward);
        oracle.forward(&mut expected);
        same(isa, "unreduced forward", &name, q, &forward, &expected);
        table.forward_lazy_many(&mut [&mut lazy]);
        assert!(lazy.iter().all(|x| *x < 1 << 52), "lazy words on {isa}");
        lazy.iter_mut().for_each(|x| *x %= q);
        same(isa, "lazy forward", &name, q, &lazy, &expected);
    }
}

/// Several rows at once equal one row after the other, and a scaled inverse the product.
fn check_many(table: &NttTable) {
    let (isa, q) = (table.kernels().isa(), table.modulus());
    let p = q.value();
    for count in [0, 1, 2, 5] {
        let all: Vec<Vec<u64>> = rows(table.n(), p)
            .into_iter()
            .take(count)
            .map(|(_, row)| row)
            .collect();
        let together = |f: &dyn Fn(&mut [&mut [u64]])| {
            let mut out = all.clone();
            f(&mut out.iter_mut().map(|row| &mut row[..]).collect::<Vec<_>>());
            out
        };
        let check = |what: &str, found: Vec<Vec<u64>>, f: &dyn Fn(&mut [u64])| {
            for (i, (found, row)) in found.iter().zip(&all).enumerate() {
                let mut expected = row.clone();
                f(&mut expected);
                let name = format!("row {i} of {count}");
                same(isa, what, &name, p, found, &expected);
            }
        };
        check(
            "forward_many",
            together(&|r| table.forward_many(r)),
            &|row| {
                table.forward(row);
            },
        );
        check(
            "inverse_many",
            together(&|r| table.inverse_many(r)),
            &|row| {
                table.inverse(row);
            },
        );
        for factor in [0, 1, p / 2, p - 1] {
            let scaled = together(&|r| table.inverse_scaled_many(r, factor));
            check("inverse_scaled_many", scaled, &|row| {
                table.inverse(row);
                for x in row {
                    *x = q.mul(*x, factor);
                }
            });
        }
    }
}

/// The product by transforms equals the schoolbook product modulo `X^n + 1`.
pub fn check_product(isa: Isa, n: usize, q: u64) {
    let table = NttTable::try_new_with(n, q, isa).expect("table");
    let (m, k) = (*table.modulus(), table.kernels());
    let all = rows(n, q);
    for (name, a) in &all {
        let b = &all[0].1;
        let mut expected = vec![0; n];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                let product = wide_mod(u128::from(*x) * u128::from(*y), q);
                let slot = &mut expected[(i + j) % n];
                let term = if i + j < n {
                    product
                } else {
                    (q - product) % q
                };
                *slot = (*slot + term) % q;
            }
        }
        let (mut x, mut y) = (a.clone(), b.clone());
        table.forward(&mut x);
        table.forward(&mut y);
        k.mul_assign(&m, &mut x, &y);
        table.inverse(&mut x);
        same(isa, "negacyclic product", name, q, &x, &expected);
    }
}

fn check_elementwise(k: &Kernels, q: &Modulus, n: usize) {
    let p = q.value();
    let wide = u128::from(p);
    let w = q.shoup(p - 1 - p / 3);
    let all = rows(n, p);
    for (name, a) in &all {
        for (_, b) in &all[..3] {
            let expect = |what: &str, out: &[u64], f: &dyn Fn(u128, u128) -> u128| {
                let expected: Vec<u64> = a
                    .iter()
                    .zip(b)
                    .map(|(x, y)| wide_mod(f(u128::from(*x), u128::from(*y)), p))
                    .collect();
                same(k.isa(), what, name, p, out, &expected);
            };
            let factor = u128::from(w.w);
            let mut out = vec![7; n];
            k.add(q, &mut out, a, b);
            expect("add", &out, &|x, y| x + y);
            k.sub(q, &mut out, a, b);
            expect("sub", &out, &|x, y| x + wide - y);
            k.neg(q, &mut out, a);
            expect("neg", &out, &|x, _| wide - x);
            k.mul(q, &mut out, a, b);
            expect("mul", &out, &|x, y| x * y);
            out.copy_from_slice(b);
            k.mul_acc(q, &mut out, a, b);
            expect("mul_acc", &out, &|x, y| x * y + y);
            out.copy_from_slice(b);
            k.mul_sub(q, &mut out, a, b);
            expect("mul_sub", &out, &|x, y| y + wide * wide - x * y);
            // Aligned rows of the pool, and rows that are not.
            let pool = Pool::new();
            let mut pair = [pool.zeroed(n + 1), pool.zeroed(n + 1)];
            for at in [0, 1] {
                for streamed in [false, true] {
                    let [x, y] = &mut pair;
                    let outs = [&mut x[at..at + n], &mut y[at..at + n]];
                    if streamed {
                        k.mul_pair_streamed(q, outs, [a, b], b);
                    } else {
                        k.mul_pair(q, outs, [a, b], b);
                    }
                    expect("mul_pair, 0", &pair[0][at..at + n], &|x, y| x * y);
                    expect("mul_pair, 1", &pair[1][at..at + n], &|_, y| y * y);
                    pair.iter_mut().for_each(|row| row.fill(7));
                }
            }
            k.mul_scalar(q, &mut out, a, w);
            expect("mul_scalar", &out, &|x, _| x * factor);
            k.mul_scalar_add(q, &mut out, a, w, b);
            expect("mul_scalar_add", &out, &|x, y| x * factor + y);
            k.sub_mul_scalar(q, &mut out, a, b, w);
            expect("sub_mul_scalar", &out, &|x, y| (x + wide - y) * factor);
            let in_place = |f: &dyn Fn(&mut [u64])| {
                let mut out = a.clone();
                f(&mut out);
                out
            };
            expect(
                "add_assign",
                &in_place(&|x| k.add_assign(q, x, b)),
                &|x, y| x + y,
            );
            expect(
                "sub_assign",
                &in_place(&|x| k.sub_assign(q, x, b)),
                &|x, y| x + wide - y,
            );
            expect("neg_assign", &in_place(&|x| k.neg_assign(q, x)), &|x, _| {
                wide - x
            });
            expect(
                "mul_assign",
                &in_place(&|x| k.mul_assign(q, x, b)),
                &|x, y| x * y,
            );
            expect(
                "mul_scalar_assign",
                &in_place(&|x| k.mul_scalar_assign(q, x, w)),
                &|x, _| x * factor,
            );
            expect(
                "mul_scalar_acc",
                &in_place(&|x| k.mul_scalar_acc(q, x, b, w)),
                &|x, y| x + y * factor,
            );
            expect(
                "sub_mul_scalar_assign",
                &in_place(&|x| k.sub_mul_scalar_assign(q, x, b, w)),
                &|x, y| (x + wide - y) * factor,
            );
        }
    }
}

/// Operations whose input is not a residue of the output's modulus.
fn check_mixed_moduli(k: &Kernels, q: &Modulus, n: usize) {
    let p = q.value();
    let mut out = vec![7; n];
    for (name, a) in rows(n, 1 << 52) {
        k.reduce(q, &mut out, &a);
        let expected: Vec<u64> = a.iter().map(|x| x % p).collect();
        same(k.isa(), "reduce", &name, p, &out, &expected);
    }
    for other in border_primes(8) {
        let source = Modulus::try_new(other).expect("prime");
        let mut all = rows(n, other);
        all.push((
            "halves".into(),
            (0..n as u64).map(|i| other / 2 + i % 2).collect(),
        ));
        for (name, a) in all {
            k.centred(q, &mut out, &a, &source);
            let expected: Vec<u64> = a.iter().map(|x| signed_mod(source.centre(*x), p)).collect();
            same(k.isa(), "centred", &name, p, &out, &expected);
        }
    }
    for w in [1, p - 1, p / 3].map(|w| q.shoup(w)) {
        for (name, a) in rows(n, 3 << 49) {
            for sign in [1, -1] {
                let signed: Vec<i64> = a.iter().map(|x| sign * *x as i64).collect();
                k.scale_i64(q, &mut out, &signed, w);
                let expected: Vec<u64> = signed
                    .iter()
                    .map(|x| wide_mod(u128::from(signed_mod(*x, p)) * u128::from(w.w), p))
                    .collect();
                same(k.isa(), "scale_i64", &name, p, &out, &expected);
            }
        }
    }
    for bound in [3, 1 << 20, 1 << 51, 1 << 63] {
        for (name, a) in rows(n, bound) {
            let signed: Vec<i64> = a
                .iter()
                .enumerate()
                .map(|(i, x)| {
                    (*x as i64)
                        .wrapping_neg()
                        .wrapping_mul(if i % 2 == 0 { 1 } else { -1 })
                })
                .chain([i64::MIN, i64::MAX, -1, 0])
                .skip(4)
                .take(n)
                .collect();
            let mut out = vec![7; signed.len()];
            k.from_i64(q, &mut out, &signed);
            let expected: Vec<u64> = signed.iter().map(|x| signed_mod(*x, p)).collect();
            same(k.isa(), "from_i64", &name, p, &out, &expected);
        }
    }
}

fn check_permuted(k: &Kernels, q: &Modulus, n: usize) {
    let p = q.value();
    let (a, b) = (&rows(n, p)[0].1, &rows(n, p)[1].1);
    for permutation in permutations(n) {
        let mut out = vec![7; n];
        k.permute(&mut out, a, &permutation);
        let expected: Vec<u64> = permutation.index().iter().map(|i| a[*i as usize]).collect();
        same(k.isa(), "permute", "random", p, &out, &expected);
        let mut out = b.clone();
        k.permute_mul_sub(q, &mut out, a, &permutation, b);
        let minus: Vec<u64> = expected
            .iter()
            .zip(b)
            .map(|(x, y)| wide_mod(u128::from(p - *x) * u128::from(*y) + u128::from(*y), p))
            .collect();
        same(k.isa(), "permute_mul_sub", "random", p, &out, &minus);
        let mut out = b.clone();
        k.permute_mul_acc(q, &mut out, a, &permutation, b);
        let expected: Vec<u64> = expected
            .iter()
            .zip(b)
            .map(|(x, y)| wide_mod(u128::from(*x) * u128::from(*y) + u128::from(*y), p))
            .collect();
        same(k.isa(), "permute_mul_acc", "random", p, &out, &expected);
    }
}

/// Random rows equal those of the scalar kernels, whatever the piece of the stream; the key stream is that of
/// RFC 8439, A.1.
pub fn check_random(isa: Isa) {
    let (oracle, k) = (
        RandomKernels::select(Isa::Scalar),
        RandomKernels::select(isa),
    );
    let mut first = [[0; BLOCK]];
    k.keystream(&[0; 32], 0, 0, &mut first);
    let known = [0x90, 0x3d, 0xf1, 0xa0, 0xad, 0xe0, 0xb8, 0x76];
    assert_eq!(first[0][0], u64::from_be_bytes(known), "{isa}: key stream");
    let key = std::array::from_fn(|i| i as u8 ^ 0xa5);
    for (stream, first) in [
        (0, 0),
        (3, 1),
        (u64::MAX, (1 << 32) - 5),
        (1 << 32, u64::MAX - 20),
    ] {
        let mut expected = vec![[0; BLOCK]; 61];
        oracle.keystream(&key, stream, first, &mut expected);
        for blocks in [0, 1, 7, 8, 15, 16, 17, 40, 61] {
            let mut found = vec![[7; BLOCK]; blocks];
            k.keystream(&key, stream, first, &mut found);
            assert_eq!(
                found,
                expected[..blocks],
                "{isa}: key stream of {blocks} blocks"
            );
        }
        let words = expected.as_flattened();
        for n in [0, 1, 7, 8, 9, 63, 64, 65, words.len()] {
            let tails = [(1 << 63) - 1, 1 << 62, words[0] >> 1, words[0] >> 2, 9, 1];
            let (mut found, mut expected) = (vec![7; n], vec![7; n]);
            k.gaussian(&tails, &mut found, &words[..n]);
            oracle.gaussian(&tails, &mut expected, &words[..n]);
            assert_eq!(found, expected, "{isa}: Gaussian of {n} words");
        }
    }
}

/// Expanded seeds equal those of the portable cipher, whatever the piece; the first words are those of FIPS 197, C.1.
pub fn check_expand(isa: Isa) {
    // The key of the standard; the whitening makes its plaintext of block 0 of stream 0.
    let mut seed: [u8; 32] = std::array::from_fn(|i| i as u8);
    for (i, byte) in seed[16..].iter_mut().enumerate() {
        *byte = 0x11 * i as u8;
    }
    let oracle = Expander::new(Isa::Scalar, &seed);
    let k = Expander::new(isa, &seed);
    let q = (1 << 45) - 229;
    let words = [0x3004_7b6a_d8e0_c469, 0x5ac5_b470_80b7_cdd8_u128];
    let known = words.map(|word| ((word % (1 << 52)) * u128::from(q)) >> 52);
    let mut first = [0; 2];
    k.fill(0, 0, q, &mut first);
    assert_eq!(first.map(u128::from), known, "{isa}: expansion of a seed");
    // Even a modulus that skips a quarter of the words.
    for q in [
        1,
        2,
        3,
        (1 << 29) - 3,
        (1 << 45) - 229,
        (1 << 50) - 27,
        (1 << 50) - (1 << 48),
    ] {
        for (stream, first, n) in [
            (0, 0, 1),
            (7, 3, 63),
            (u64::MAX, 0, 64),
            (1 << 32, 31, 65),
            (5, 1, PIECE - 1),
            (5, 0, 2 * PIECE + 9),
            (6, 9, 0),
        ] {
            let (mut found, mut expected) = (vec![7; n], vec![8; n]);
            k.fill(stream, first, q, &mut found);
            oracle.fill(stream, first, q, &mut expected);
            assert_eq!(found, expected, "{isa}: {n} residues modulo {q}");
            assert!(found.iter().all(|x| *x < q));
        }
    }
}

fn check_base_conversion(isa: Isa, n: usize) {
    let targets: Vec<Modulus> = border_primes(8)
        .into_iter()
        .chain(primes::below(16, 1 << 47).take(4))
        .map(|p| Modulus::try_new(p).expect("prime"))
        .collect();
    let k = Kernels::select(isa, &targets[0], 8);
    // Sums that grow to one, three and more times the target prime before they are reduced.
    for (inputs, bits) in [
        (1, 50),
        (2, 50),
        (5, 50),
        (11, 47),
        (12, 50),
        (20, 49),
        (40, 50),
    ] {
        let primes: Vec<Modulus> = primes::below(8, 1 << bits)
            .take(inputs)
            .map(|q| Modulus::try_new(q).expect("prime"))
            .collect();
        // Factors that leave the largest residues largest, and others.
        let inverses: Vec<u64> = primes
            .iter()
            .enumerate()
            .map(|(i, q)| if i % 3 == 2 { q.value() / 3 } else { 1 })
            .collect();
        let sources = ConvertSources::new(&primes, &inverses);
        let x: Vec<Vec<u64>> = primes
            .iter()
            .enumerate()
            .map(|(i, q)| match i {
                0 => vec![q.value() - 1; n],
                _ if i % 4 == 1 => vec![q.value() - 1; n],
                _ => random_row(n, q.value(), i as u64),
            })
            .collect();
        let x: Vec<&[u64]> = x.iter().map(|row| &row[..]).collect();
        let mut prepared = vec![7; sources.words(n)];
        k.base_convert_prepare(&sources, &mut prepared, &x);
        let row = |i: usize, column: usize| {
            prepared[column / CHUNK * CHUNK * sources.rows() + i * CHUNK + column % CHUNK]
        };
        let y: Vec<Vec<u64>> = primes
            .iter()
            .zip(&inverses)
            .zip(&x)
            .map(|((q, w), x)| x.iter().map(|x| q.mul(*x, *w)).collect())
            .collect();
        let v: Vec<u64> = (0..n)
            .map(|column| {
                let terms = y.iter().zip(&primes);
                let sum = terms.fold(0.0_f64, |s, (y, q)| {
                    (y[column] as f64).mul_add(1.0 / q.value() as f64, s)
                });
                sum.round_ties_even() as u64
            })
            .collect();
        for (i, expected) in y.iter().chain([&v]).enumerate() {
            let got: Vec<u64> = (0..n).map(|column| row(i, column)).collect();
            let case = format!("row {i} of {inputs}");
            same(isa, "base_convert_prepare", &case, 0, &got, expected);
        }
        for count in 1..=targets.len() {
            let factor = |p: &Modulus, i: usize| p.reduce(p.value() - 1 - i as u64 % 2);
            let built: Vec<ConvertTarget> = targets[..count]
                .iter()
                .map(|p| {
                    let factors: Vec<u64> = (0..inputs).map(|i| factor(p, i)).collect();
                    ConvertTarget::new(p, &factors, 1 << 49)
                })
                .collect();
            let borrowed: Vec<&ConvertTarget> = built.iter().collect();
            let mut out = vec![vec![7; n]; count];
            let mut views: Vec<&mut [u64]> = out.iter_mut().map(|row| &mut row[..]).collect();
            k.base_convert(&sources, &borrowed, &mut views, &prepared);
            for (p, out) in targets.iter().zip(&out) {
                let m = u128::from(p.value());
                let expected: Vec<u64> = (0..n)
                    .map(|column| {
                        let sum = y.iter().enumerate().fold(0, |s, (i, y)| {
                            s + u128::from(y[column]) * u128::from(factor(p, i))
                        });
                        let excess = u128::from(v[column]) * ((1 << 49) % m);
                        ((sum % m + m - excess % m) % m) as u64
                    })
                    .collect();
                let case = format!("{inputs} inputs of {bits} bits");
                same(isa, "base_convert", &case, p.value(), out, &expected);
            }
        }
    }
}

/// Rows below `bound`: random, edges mixed, and extremes.
fn rows(n: usize, bound: u64) -> Vec<(String, Vec<u64>)> {
    let edges = [0, 1, bound - 1, bound / 2, bound - 1, 0];
    let top = bound - 1;
    let pattern = |f: &dyn Fn(usize) -> u64| (0..n).map(f).collect::<Vec<u64>>();
    vec![
        ("random".into(), random_row(n, bound, 1)),
        ("edges".into(), pattern(&|i| edges[i * i % edges.len()])),
        ("all largest".into(), pattern(&|_| top)),
        ("zero".into(), pattern(&|_| 0)),
        (
            "one coefficient".into(),
            pattern(&|i| if i == n / 2 { top } else { 0 }),
        ),
        (
            "alternating".into(),
            pattern(&|i| if i % 2 == 0 { top } else { 0 }),
        ),
        (
            "halves".into(),
            pattern(&|i| if i < n / 2 { top } else { 0 }),
        ),
    ]
}

/// A fixed stream of words below `bound` (D. Lea's split-mix generator).
fn random_row(n: usize, bound: u64, seed: u64) -> Vec<u64> {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9_7f4a_7c15;
    (0..n)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % bound
        })
        .collect()
}

/// One that keeps groups of eight together where the length allows, and one that does not.
fn permutations(n: usize) -> Vec<Permutation> {
    let reversed = (0..n as u32).rev().collect();
    let step = [17, 13, 5, 1]
        .into_iter()
        .find(|s| gcd(*s, n) == 1)
        .unwrap_or(1);
    let strided = (0..n).map(|i| (i * step % n) as u32).collect();
    [reversed, strided]
        .into_iter()
        .map(|index| Permutation::try_new(index).expect("permutation"))
        .collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn wide_mod(x: u128, q: u64) -> u64 {
    (x % u128::from(q)) as u64
}

fn signed_mod(x: i64, q: u64) -> u64 {
    i128::from(x).rem_euclid(i128::from(q)) as u64
}

fn same(isa: Isa, what: &str, input: &str, q: u64, found: &[u64], expected: &[u64]) {
    assert_eq!(found.len(), expected.len());
    if let Some(i) = (0..found.len()).find(|i| found[*i] != expected[*i]) {
        let n = found.len();
        let (f, e) = (found[i], expected[i]);
        panic!("{what} on {isa}, n = {n}, q = {q}, input {input}: word {i} is {f}, not {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every available instruction set, and a failure where the environment requires one that is not.
    fn each_isa(mut f: impl FnMut(Isa)) {
        if let Ok(name) = std::env::var("GIRIH_REQUIRE_ISA") {
            let isa: Isa = name
                .parse()
                .expect("GIRIH_REQUIRE_ISA names an instruction set");
            assert!(
                isa.is_available(),
                "{isa} is required and not available here"
            );
        }
        for isa in Isa::ALL {
            if isa.is_available() {
                f(isa);
            } else {
                eprintln!("{isa}: not available on this processor, not covered");
            }
        }
    }

    #[test]
    fn every_available_isa_conforms() {
        each_isa(|isa| eprintln!("{}", run(isa, 3..=13)));
    }

    #[test]
    fn large_transforms_conform() {
        each_isa(|isa| {
            for log_n in 14..=17 {
                let n = 1 << log_n;
                for q in border_primes(n) {
                    check_transform(isa, n, q);
                }
            }
        });
    }

    #[test]
    fn products_equal_the_schoolbook() {
        each_isa(|isa| {
            for n in [8, 64, 128, 512] {
                for q in border_primes(n) {
                    check_product(isa, n, q);
                }
            }
        });
    }
}
