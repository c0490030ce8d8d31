//! Transforms with four lanes of doubles.
//!
//! Between its steps a row holds doubles. A product is at most `(1/2 + |y| 2^-53) q` in size. The
//! forward transform of a reduction-free prime (below 2^47) lets values grow by that much a stage, from
//! less than 4 q to less than 17 q after seventeen stages; for wide primes each butterfly first brings the operand that
//! is not multiplied back to q/2. The inverse does so with every sum.

use std::arch::x86_64::*;

use super::super::passes::{Schedule, Step, forward_blocks, inverse_blocks, push_tree, tree_words};
use super::super::{Plan, Roots, scalar};
use super::{Consts, F, balance, load, positive, store, times, to_doubles, to_words};
use crate::modulus::{Modulus, ShoupPair};

/// log2 of the lanes.
const LANES_LOG: u32 = 2;
/// Words of a tail.
const TAIL: usize = 16;
/// Shorter transforms run the scalar kernels: conversions happen in passes, of which there is one at least.
const MIN: usize = 2 * TAIL;
/// Words of a tail's broadcast pairs: where its vector pairs begin.
const TAIL_HEAD: usize = tree_words(LANES_LOG);
/// Words of a tail's twiddles.
const TAIL_WORDS: usize = TAIL_HEAD + 8 * 3;

/// Passes of two stages, and one stage where the number is odd; sixteen registers hold no more.
fn schedule(log_n: u32) -> Schedule {
    let passes: &[u32] = match log_n - 2 * LANES_LOG {
        1 => &[1],
        2 => &[2],
        3 => &[1, 2],
        4 => &[2, 2],
        5 => &[1, 2, 2],
        6 => &[2, 2, 2],
        7 => &[1, 2, 2, 2],
        8 => &[2, 2, 2, 2],
        9 => &[1, 2, 2, 2, 2],
        10 => &[2, 2, 2, 2, 2],
        11 => &[1, 2, 2, 2, 2, 2],
        12 => &[2, 2, 2, 2, 2, 2],
        _ => &[1, 2, 2, 2, 2, 2, 2],
    };
    Schedule {
        lanes_log: LANES_LOG,
        passes,
        tail_words: TAIL_WORDS,
    }
}

pub(super) fn ntt_plan(roots: &Roots) -> Plan {
    if roots.n < MIN {
        return scalar::ntt_plan(roots);
    }
    let (n, q) = (roots.n, &roots.q);
    let schedule = schedule(n.ilog2());
    let steps = [schedule.forward_steps(n), schedule.inverse_steps(n)];
    let lay_out = |powers: &[u64], steps: &[Step]| {
        let encode = |i: usize| words(q, powers[i]);
        schedule.lay_out(
            n,
            steps,
            |out, step, root| push_tree(out, root, step.log, encode),
            |out, _, root| push_tail(out, root, encode),
        )
    };
    let forward = lay_out(&roots.forward, &steps[0]);
    let inverse = lay_out(&roots.inverse, &steps[1]);
    Plan::new(roots, &forward, &inverse, steps)
}

/// The pairs of a tail: a tree for all lanes; after the transposition lane k works on the k-th
/// vector's words.
fn push_tail(out: &mut Vec<u64>, root: usize, encode: impl Fn(usize) -> [u64; 2]) {
    push_tree(out, root, LANES_LOG, &encode);
    for stage in 0..LANES_LOG {
        for i in 0..1 << stage {
            for half in 0..2 {
                out.extend((0..4).map(|k| encode((((root * 4) + k) << stage) + i)[half]));
            }
        }
    }
}

/// `w` in (-q/2, q/2] and `w / q`, as the bits of doubles.
fn words(q: &Modulus, w: u64) -> [u64; 2] {
    let w = q.centre(w) as f64;
    [w.to_bits(), (w / q.value() as f64).to_bits()]
}

/// # Safety
/// `p` points to four readable words that hold doubles.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load_doubles(p: *const u64) -> F {
    // SAFETY: the caller's contract.
    unsafe { _mm256_castsi256_pd(load(p)) }
}

/// # Safety
/// `p` points to four writable words.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store_doubles(p: *mut u64, v: F) {
    // SAFETY: the caller's contract.
    unsafe { store(p, _mm256_castpd_si256(v)) }
}

/// Pair `i` of broadcast twiddles.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn broadcast(tw: *const u64, i: usize) -> (F, F) {
    // SAFETY: the plan holds pair i of this step.
    unsafe {
        (
            _mm256_set1_pd(f64::from_bits(*tw.add(2 * i))),
            _mm256_set1_pd(f64::from_bits(*tw.add(2 * i + 1))),
        )
    }
}

/// Pair `i` of a tail's twiddles for each lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn vectors(tw: *const u64, i: usize) -> (F, F) {
    let at = TAIL_HEAD + 8 * i;
    // SAFETY: the plan holds vector pair i of this tail.
    unsafe { (load_doubles(tw.add(at)), load_doubles(tw.add(at + 4))) }
}

/// `(x, y) -> (x + w y, x - w y)`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn ct<const WIDE: bool>(c: &Consts, x: F, y: F, (w, ratio): (F, F)) -> (F, F) {
    let x = if WIDE { balance(c, x) } else { x };
    let t = times(c, y, w, ratio);
    (_mm256_add_pd(x, t), _mm256_sub_pd(x, t))
}

/// `(x, y) -> (x + y, (x - y) w)`, the sum balanced.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn gs(c: &Consts, x: F, y: F, (w, ratio): (F, F)) -> (F, F) {
    (
        balance(c, _mm256_add_pd(x, y)),
        times(c, _mm256_sub_pd(x, y), w, ratio),
    )
}

/// Rows of a 4 x 4 matrix of doubles become columns.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn transpose(v: [F; 4]) -> [F; 4] {
    let (a, b) = (
        _mm256_unpacklo_pd(v[0], v[1]),
        _mm256_unpackhi_pd(v[0], v[1]),
    );
    let (c, d) = (
        _mm256_unpacklo_pd(v[2], v[3]),
        _mm256_unpackhi_pd(v[2], v[3]),
    );
    [
        _mm256_permute2f128_pd::<0x20>(a, c),
        _mm256_permute2f128_pd::<0x20>(b, d),
        _mm256_permute2f128_pd::<0x31>(a, c),
        _mm256_permute2f128_pd::<0x31>(b, d),
    ]
}

/// LOG forward stages on a block; FIRST: of words rather than doubles.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn pass<const LOG: usize, const WIDE: bool, const FIRST: bool>(
    c: &Consts,
    row: *mut u64,
    stride: usize,
    tw: *const u64,
) {
    let first = broadcast(tw, 0);
    let second = if LOG == 2 {
        [broadcast(tw, 1), broadcast(tw, 2)]
    } else {
        [first; 2]
    };
    for column in (0..stride).step_by(4) {
        let mut v = [c.zero; 4];
        for (i, v) in v.iter_mut().enumerate().take(1 << LOG) {
            // SAFETY: the block has stride << LOG words.
            *v = unsafe { load_doubles(row.add(i * stride + column)) };
            if FIRST {
                *v = to_doubles(c, _mm256_castpd_si256(*v));
            }
        }
        if LOG == 2 {
            (v[0], v[2]) = ct::<WIDE>(c, v[0], v[2], first);
            (v[1], v[3]) = ct::<WIDE>(c, v[1], v[3], first);
            (v[0], v[1]) = ct::<WIDE>(c, v[0], v[1], second[0]);
            (v[2], v[3]) = ct::<WIDE>(c, v[2], v[3], second[1]);
        } else {
            (v[0], v[1]) = ct::<WIDE>(c, v[0], v[1], first);
        }
        for (i, v) in v.iter().enumerate().take(1 << LOG) {
            // SAFETY: the block has stride << LOG words.
            unsafe { store_doubles(row.add(i * stride + column), *v) }
        }
    }
}

/// LOG inverse stages on a block; FINAL: normalises and leaves canonical words.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn inverse_pass<const LOG: usize, const FINAL: bool>(
    c: &Consts,
    row: *mut u64,
    stride: usize,
    tw: *const u64,
    last: &[[u64; 2]; 2],
) {
    let last = last.as_flattened().as_ptr();
    let first = if FINAL {
        broadcast(last, 1)
    } else {
        broadcast(tw, 0)
    };
    let second = if LOG == 2 {
        [broadcast(tw, 1), broadcast(tw, 2)]
    } else {
        [first; 2]
    };
    let scale = broadcast(last, 0);
    for column in (0..stride).step_by(4) {
        let mut v = [c.zero; 4];
        for (i, v) in v.iter_mut().enumerate().take(1 << LOG) {
            // SAFETY: the block has stride << LOG words.
            *v = unsafe { load_doubles(row.add(i * stride + column)) };
        }
        if LOG == 2 {
            (v[0], v[1]) = gs(c, v[0], v[1], second[0]);
            (v[2], v[3]) = gs(c, v[2], v[3], second[1]);
            (v[0], v[2]) = gs(c, v[0], v[2], first);
            (v[1], v[3]) = gs(c, v[1], v[3], first);
        } else {
            (v[0], v[1]) = gs(c, v[0], v[1], first);
        }
        for (i, v) in v.iter_mut().enumerate().take(1 << LOG) {
            if FINAL {
                if i < (1 << LOG) / 2 {
                    *v = times(c, *v, scale.0, scale.1);
                }
                *v = _mm256_castsi256_pd(to_words(c, positive(c, *v)));
            }
            // SAFETY: the block has stride << LOG words.
            unsafe { store_doubles(row.add(i * stride + column), *v) }
        }
    }
}

/// The last four stages of `count` times 16 words, to canonical words.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn tail<const WIDE: bool>(c: &Consts, row: *mut u64, count: usize, tw: *const u64) {
    for block in 0..count {
        // SAFETY: the row has `count` blocks of 16 words, the plan as many tails.
        let (row, tw) = unsafe { (row.add(TAIL * block), tw.add(TAIL_WORDS * block)) };
        let mut v = [c.zero; 4];
        for (i, v) in v.iter_mut().enumerate() {
            // SAFETY: a block has 16 words.
            *v = unsafe { load_doubles(row.add(4 * i)) };
        }
        (v[0], v[2]) = ct::<WIDE>(c, v[0], v[2], broadcast(tw, 0));
        (v[1], v[3]) = ct::<WIDE>(c, v[1], v[3], broadcast(tw, 0));
        (v[0], v[1]) = ct::<WIDE>(c, v[0], v[1], broadcast(tw, 1));
        (v[2], v[3]) = ct::<WIDE>(c, v[2], v[3], broadcast(tw, 2));
        let mut v = transpose(v);
        (v[0], v[2]) = ct::<WIDE>(c, v[0], v[2], vectors(tw, 0));
        (v[1], v[3]) = ct::<WIDE>(c, v[1], v[3], vectors(tw, 0));
        (v[0], v[1]) = ct::<WIDE>(c, v[0], v[1], vectors(tw, 1));
        (v[2], v[3]) = ct::<WIDE>(c, v[2], v[3], vectors(tw, 2));
        for (i, v) in transpose(v).into_iter().enumerate() {
            let residue = positive(c, balance(c, v));
            // SAFETY: a block has 16 words.
            unsafe { store(row.add(4 * i), to_words(c, residue)) }
        }
    }
}

/// The first four inverse stages of `count` times 16 words, from canonical words to doubles.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn inverse_tail(c: &Consts, row: *mut u64, count: usize, tw: *const u64) {
    for block in 0..count {
        // SAFETY: the row has `count` blocks of 16 words, the plan as many tails.
        let (row, tw) = unsafe { (row.add(TAIL * block), tw.add(TAIL_WORDS * block)) };
        let mut v = [c.zero; 4];
        for (i, v) in v.iter_mut().enumerate() {
            // SAFETY: a block has 16 words.
            *v = to_doubles(c, unsafe { load(row.add(4 * i)) });
        }
        let mut v = transpose(v);
        (v[0], v[1]) = gs(c, v[0], v[1], vectors(tw, 1));
        (v[2], v[3]) = gs(c, v[2], v[3], vectors(tw, 2));
        (v[0], v[2]) = gs(c, v[0], v[2], vectors(tw, 0));
        (v[1], v[3]) = gs(c, v[1], v[3], vectors(tw, 0));
        let mut v = transpose(v);
        (v[0], v[1]) = gs(c, v[0], v[1], broadcast(tw, 1));
        (v[2], v[3]) = gs(c, v[2], v[3], broadcast(tw, 2));
        (v[0], v[2]) = gs(c, v[0], v[2], broadcast(tw, 0));
        (v[1], v[3]) = gs(c, v[1], v[3], broadcast(tw, 0));
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: a block has 16 words.
            unsafe { store_doubles(row.add(4 * i), v) }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn forward_steps<const WIDE: bool>(plan: &Plan, c: &Consts, steps: &[Step], row: *mut u64) {
    for step in steps {
        // SAFETY: steps lie within the row, and the plan holds their twiddles.
        let (at, tw) = unsafe {
            (
                row.add(step.start),
                plan.forward.as_ptr().add(step.twiddles),
            )
        };
        let stride = step.len >> step.log;
        match (step.log, step.len == plan.n) {
            (0, _) => tail::<WIDE>(c, at, step.len / TAIL, tw),
            (1, true) => pass::<1, WIDE, true>(c, at, stride, tw),
            (1, false) => pass::<1, WIDE, false>(c, at, stride, tw),
            (_, true) => pass::<2, WIDE, true>(c, at, stride, tw),
            (_, false) => pass::<2, WIDE, false>(c, at, stride, tw),
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn inverse_steps(plan: &Plan, c: &Consts, steps: &[Step], row: *mut u64, last: &[[u64; 2]; 2]) {
    for step in steps {
        // SAFETY: steps lie within the row, and the plan holds their twiddles.
        let (at, tw) = unsafe {
            (
                row.add(step.start),
                plan.inverse.as_ptr().add(step.twiddles),
            )
        };
        let stride = step.len >> step.log;
        match (step.log, step.len == plan.n) {
            (0, _) => inverse_tail(c, at, step.len / TAIL, tw),
            (1, true) => inverse_pass::<1, true>(c, at, stride, tw, last),
            (1, false) => inverse_pass::<1, false>(c, at, stride, tw, last),
            (_, true) => inverse_pass::<2, true>(c, at, stride, tw, last),
            (_, false) => inverse_pass::<2, false>(c, at, stride, tw, last),
        }
    }
}

/// Forward transforms; see [`super::super::Kernels`]. The twiddles of a block serve one row after the other.
///
/// # Safety
/// The processor has AVX2 and FMA; rows hold the plan's n words.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn ntt_forward<const WIDE: bool>(plan: &Plan, rows: &mut [&mut [u64]]) {
    if plan.n < MIN {
        // SAFETY: the caller's contract.
        return unsafe { scalar::ntt_forward(plan, rows) };
    }
    let c = Consts::new(&plan.q);
    for steps in forward_blocks(&plan.steps[0]) {
        for row in rows.iter_mut() {
            forward_steps::<WIDE>(plan, &c, steps, row.as_mut_ptr());
        }
    }
}

/// Inverse transforms; see [`super::super::Kernels`]. The twiddles of a block serve one row after the other.
///
/// # Safety
/// The processor has AVX2 and FMA; rows hold the plan's n words.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn ntt_inverse(plan: &Plan, rows: &mut [&mut [u64]], last: [ShoupPair; 2]) {
    if plan.n < MIN {
        // SAFETY: the caller's contract.
        return unsafe { scalar::ntt_inverse(plan, rows, last) };
    }
    let c = Consts::new(&plan.q);
    let last = last.map(|pair| words(&plan.q, pair.w));
    for steps in inverse_blocks(&plan.steps[1]) {
        for row in rows.iter_mut() {
            inverse_steps(plan, &c, steps, row.as_mut_ptr(), &last);
        }
    }
}
