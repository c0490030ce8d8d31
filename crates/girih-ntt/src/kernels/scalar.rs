//! The plainest correct kernels: the oracle that every vector kernel is tested against.
//!
//! Element-wise kernels take raw pointers because the output may be one of the inputs.

use super::convert::{CHUNK, ConvertSources, ConvertTarget};
use super::{Dot, Kernels, Plan, PrimeClass, Roots, run_shift};
use crate::isa::Isa;
use crate::modulus::{Modulus, ShoupPair};
use crate::permutation::Permutation;

pub(super) static FREE: Kernels = kernels(PrimeClass::ReductionFree);
pub(super) static WIDE: Kernels = kernels(PrimeClass::Wide);

const fn kernels(class: PrimeClass) -> Kernels {
    Kernels {
        isa: Isa::Scalar,
        class,
        ntt_plan,
        ntt_forward,
        ntt_forward_lazy: ntt_forward,
        ntt_inverse,
        add,
        sub,
        neg,
        mul,
        mul_acc,
        mul_sub,
        mul_pair,
        mul_pair_streamed: mul_pair,
        mul_scalar,
        mul_scalar_add,
        sub_mul_scalar,
        reduce,
        centred,
        from_i64,
        scale_i64,
        permute,
        permute_mul_acc,
        permute_mul_sub,
        inner_product,
        inner_product_pair,
        base_convert_prepare,
        base_convert,
    }
}

/// Pairs `(w, quotient)` in the order of the textbook: entry `m + i` serves block `i` of the stage
/// with `m` blocks.
pub(super) fn ntt_plan(roots: &Roots) -> Plan {
    let q = &roots.q;
    let pairs = |powers: &[u64]| -> Vec<u64> {
        powers
            .iter()
            .flat_map(|w| {
                let pair = q.shoup(*w);
                [pair.w, pair.quotient]
            })
            .collect()
    };
    let (forward, inverse) = (pairs(&roots.forward), pairs(&roots.inverse));
    Plan::new(roots, &forward, &inverse, Default::default())
}

fn twiddle(table: &[u64], i: usize) -> ShoupPair {
    ShoupPair {
        w: table[2 * i],
        quotient: table[2 * i + 1],
    }
}

/// Each row reduced, and then [`forward`].
pub(super) unsafe fn ntt_forward(plan: &Plan, rows: &mut [&mut [u64]]) {
    for row in rows {
        for x in row.iter_mut() {
            *x = plan.q.reduce52(*x);
        }
        forward(plan, row);
    }
}

/// [`inverse`] of each row.
pub(super) unsafe fn ntt_inverse(plan: &Plan, rows: &mut [&mut [u64]], last: [ShoupPair; 2]) {
    for row in rows {
        inverse(plan, row, last);
    }
}

/// Cooley-Tukey butterflies `(x, y) -> (x + w y, x - w y)`, natural order in, bit-reversed out.
fn forward(plan: &Plan, row: &mut [u64]) {
    let q = &plan.q;
    let mut blocks = 1;
    while blocks < plan.n {
        let half = plan.n / (2 * blocks);
        for (i, block) in row.chunks_exact_mut(2 * half).enumerate() {
            let w = twiddle(&plan.forward, blocks + i);
            let (low, high) = block.split_at_mut(half);
            for (x, y) in low.iter_mut().zip(high) {
                let t = q.mul_shoup(*y, w);
                (*x, *y) = (q.add(*x, t), q.sub(*x, t));
            }
        }
        blocks *= 2;
    }
}

/// Gentleman-Sande butterflies `(x, y) -> (x + y, (x - y) w)`; the last stage multiplies sums and
/// differences by `last`.
fn inverse(plan: &Plan, row: &mut [u64], [of_sums, of_differences]: [ShoupPair; 2]) {
    let q = &plan.q;
    let mut blocks = plan.n / 2;
    while blocks > 1 {
        let half = plan.n / (2 * blocks);
        for (i, block) in row.chunks_exact_mut(2 * half).enumerate() {
            let w = twiddle(&plan.inverse, blocks + i);
            let (low, high) = block.split_at_mut(half);
            for (x, y) in low.iter_mut().zip(high) {
                (*x, *y) = (q.add(*x, *y), q.mul_shoup(q.sub(*x, *y), w));
            }
        }
        blocks /= 2;
    }
    let (low, high) = row.split_at_mut(plan.n / 2);
    for (x, y) in low.iter_mut().zip(high) {
        let sum = q.mul_shoup(q.add(*x, *y), of_sums);
        (*x, *y) = (sum, q.mul_shoup(q.sub(*x, *y), of_differences));
    }
}

unsafe fn map1(out: *mut u64, a: *const u64, n: usize, f: impl Fn(u64) -> u64) {
    for i in 0..n {
        // SAFETY: the caller passes rows of n words.
        unsafe { *out.add(i) = f(*a.add(i)) }
    }
}

unsafe fn map2(out: *mut u64, a: *const u64, b: *const u64, n: usize, f: impl Fn(u64, u64) -> u64) {
    for i in 0..n {
        // SAFETY: the caller passes rows of n words.
        unsafe { *out.add(i) = f(*a.add(i), *b.add(i)) }
    }
}

pub(super) unsafe fn add(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    // SAFETY: the caller passes rows of n words.
    unsafe { map2(out, a, b, n, |x, y| q.add(x, y)) }
}

pub(super) unsafe fn sub(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    // SAFETY: the caller passes rows of n words.
    unsafe { map2(out, a, b, n, |x, y| q.sub(x, y)) }
}

pub(super) unsafe fn neg(q: &Modulus, out: *mut u64, a: *const u64, n: usize) {
    // SAFETY: the caller passes rows of n words.
    unsafe { map1(out, a, n, |x| q.neg(x)) }
}

pub(super) unsafe fn mul(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    // SAFETY: the caller passes rows of n words.
    unsafe { map2(out, a, b, n, |x, y| q.mul(x, y)) }
}

pub(super) unsafe fn mul_acc(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    for i in 0..n {
        // SAFETY: the caller passes rows of n words.
        unsafe { *out.add(i) = q.mul_add(*a.add(i), *b.add(i), *out.add(i)) }
    }
}

pub(super) unsafe fn mul_sub(q: &Modulus, out: *mut u64, a: *const u64, b: *const u64, n: usize) {
    for i in 0..n {
        // SAFETY: the caller passes rows of n words.
        unsafe { *out.add(i) = q.mul_add(*a.add(i), q.neg(*b.add(i)), *out.add(i)) }
    }
}

pub(super) unsafe fn mul_pair(q: &Modulus, out: [&mut [u64]; 2], a: [&[u64]; 2], b: &[u64]) {
    for (out, a) in out.into_iter().zip(a) {
        let shift = run_shift(out.len(), b.len());
        for (i, (o, x)) in out.iter_mut().zip(a).enumerate() {
            *o = q.mul(*x, b[i >> shift]);
        }
    }
}

pub(super) unsafe fn mul_scalar(q: &Modulus, out: *mut u64, a: *const u64, w: ShoupPair, n: usize) {
    // SAFETY: the caller passes rows of n words.
    unsafe { map1(out, a, n, |x| q.mul_shoup(x, w)) }
}

pub(super) unsafe fn mul_scalar_add(
    q: &Modulus,
    out: *mut u64,
    a: *const u64,
    b: *const u64,
    w: ShoupPair,
    n: usize,
) {
    // SAFETY: the caller passes rows of n words.
    unsafe { map2(out, a, b, n, |x, y| q.add(q.mul_shoup(x, w), y)) }
}

pub(super) unsafe fn sub_mul_scalar(
    q: &Modulus,
    out: *mut u64,
    a: *const u64,
    b: *const u64,
    w: ShoupPair,
    n: usize,
) {
    // SAFETY: the caller passes rows of n words.
    unsafe { map2(out, a, b, n, |x, y| q.mul_shoup(q.sub(x, y), w)) }
}

pub(super) unsafe fn reduce(q: &Modulus, out: *mut u64, a: *const u64, n: usize) {
    // SAFETY: the caller passes rows of n words.
    unsafe { map1(out, a, n, |x| q.reduce52(x)) }
}

pub(super) unsafe fn centred(q: &Modulus, out: &mut [u64], a: &[u64], p: &Modulus) {
    let (half, offset) = (p.value() / 2, q.reduce(p.value()));
    for (o, x) in out.iter_mut().zip(a) {
        let above = u64::from(*x > half).wrapping_neg();
        *o = q.sub(q.reduce52(*x), offset & above);
    }
}

pub(super) unsafe fn from_i64(q: &Modulus, out: &mut [u64], x: &[i64]) {
    for (o, x) in out.iter_mut().zip(x) {
        *o = q.reduce_i64(*x);
    }
}

pub(super) unsafe fn scale_i64(q: &Modulus, out: &mut [u64], x: &[i64], w: ShoupPair) {
    for (o, x) in out.iter_mut().zip(x) {
        let negative = (x >> 63) as u64;
        let r = q.mul_shoup(x.unsigned_abs(), w);
        *o = (q.neg(r) & negative) | (r & !negative);
    }
}

pub(super) unsafe fn permute(out: &mut [u64], a: &[u64], permutation: &Permutation) {
    for (o, i) in out.iter_mut().zip(permutation.index()) {
        *o = a[*i as usize];
    }
}

pub(super) unsafe fn permute_mul_acc(
    q: &Modulus,
    out: &mut [u64],
    a: &[u64],
    permutation: &Permutation,
    b: &[u64],
) {
    for ((o, y), i) in out.iter_mut().zip(b).zip(permutation.index()) {
        *o = q.mul_add(a[*i as usize], *y, *o);
    }
}

pub(super) unsafe fn permute_mul_sub(
    q: &Modulus,
    out: &mut [u64],
    a: &[u64],
    permutation: &Permutation,
    b: &[u64],
) {
    for ((o, y), i) in out.iter_mut().zip(b).zip(permutation.index()) {
        *o = q.mul_add(a[*i as usize], q.neg(*y), *o);
    }
}

pub(super) unsafe fn inner_product(q: &Modulus, out: &mut [u64], dot: &Dot<'_>, b: &[&[u64]]) {
    let n = out.len();
    for (i, o) in out.iter_mut().enumerate() {
        let from = dot.permutation.map_or(i, |p| p.index()[i] as usize);
        let start = if dot.accumulate { u128::from(*o) } else { 0 };
        // At most 4096 products below 2^100: no overflow.
        let sum = dot.rows.iter().zip(b).fold(start, |sum, (x, y)| {
            sum + u128::from(x[from >> run_shift(n, x.len())]) * u128::from(y[i])
        });
        *o = q.reduce_u128(sum);
    }
}

pub(super) unsafe fn inner_product_pair(
    q: &Modulus,
    out: [&mut [u64]; 2],
    dot: &Dot<'_>,
    b: [&[&[u64]]; 2],
) {
    for (out, b) in out.into_iter().zip(b) {
        // SAFETY: the scalar kernel has no requirement beyond the lengths that the caller checked.
        unsafe { inner_product(q, out, dot, b) }
    }
}

pub(super) unsafe fn base_convert_prepare(sources: &ConvertSources, out: &mut [u64], x: &[&[u64]]) {
    let k = sources.primes.len();
    for column in 0..x[0].len() {
        let start = column / CHUNK * CHUNK * (k + 1) + column % CHUNK;
        let mut sum = 0.0_f64;
        for (i, (prime, x)) in sources.primes.iter().zip(x).enumerate() {
            let y = prime.q.mul_shoup(x[column], prime.inverse);
            sum = (y as f64).mul_add(prime.reciprocal, sum);
            out[start + i * CHUNK] = y;
        }
        out[start + k * CHUNK] = sum.round_ties_even() as u64;
    }
}

pub(super) unsafe fn base_convert(
    sources: &ConvertSources,
    targets: &[&ConvertTarget],
    out: &mut [&mut [u64]],
    input: &[u64],
) {
    let rows = sources.rows();
    for (target, out) in targets.iter().zip(out) {
        for (column, o) in out.iter_mut().enumerate() {
            let start = column / CHUNK * CHUNK * rows + column % CHUNK;
            let terms = target.factors.iter().enumerate();
            // At most 4096 products below 2^100: no overflow.
            let sum = terms.fold(0_u128, |sum, (k, f)| {
                sum + u128::from(input[start + k * CHUNK]) * u128::from(*f)
            });
            *o = target.p.reduce_u128(sum);
        }
    }
}
