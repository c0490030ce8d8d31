//! The one map from (instruction set, prime class) to code, and safe calls into it.
//!
//! Every operand is a whole row; the indirect call is paid once a row. Rows hold canonical
//! residues in `[0, q)` on both sides unless a method says otherwise, and results are identical on
//! every instruction set.

use passes::Step;

use crate::isa::Isa;
use crate::modulus::Modulus;
use crate::modulus::ShoupPair;
use crate::permutation::Permutation;
use crate::pool::{Buf, Pool};
use crate::table::bit_reverse;

#[cfg(all(target_arch = "x86_64", not(force_scalar)))]
mod avx2;
mod convert;
mod expand;
mod fft;
#[cfg(all(target_arch = "x86_64", not(force_scalar)))]
mod ifma;
mod passes;
mod random;
mod scalar;

pub use convert::{CHUNK, ConvertSources, ConvertTarget};
pub use expand::{Expander, PIECE};
pub use fft::FftKernels;
pub use random::{BLOCK, RandomKernels};

/// The most rows that one inner product or base conversion may have: 52-bit addends leave twelve
/// bits of head-room in a 64-bit lane.
const MAX_TERMS: usize = 4096;

/// Bytes of a cache line.
const LINE: usize = 64;

/// How far a transform may let its values grow before it reduces them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrimeClass {
    /// `(2 log2 n + 24) q < 2^52`: no reduction inside a forward transform. All of 46 bits belong here.
    ReductionFree,
    /// `q < 2^50`: one conditional subtraction a butterfly.
    Wide,
}

impl PrimeClass {
    /// The class of `q` for transforms of length `n`.
    pub fn of(q: &Modulus, n: usize) -> PrimeClass {
        if q.value() < PrimeClass::reduction_free_bound(n) {
            PrimeClass::ReductionFree
        } else {
            PrimeClass::Wide
        }
    }

    /// The end of the reduction-free primes for transforms of length `n`: from 2^46.14 for n = 2^17 to
    /// 2^46.36 for n = 2^13.
    pub fn reduction_free_bound(n: usize) -> u64 {
        let growth = 2 * u64::from(n.max(1).ilog2()) + 24;
        (1 << 52) / growth
    }
}

type PlanFn = fn(&Roots) -> Plan;
/// Every row has the plan's n words.
type ForwardFn = unsafe fn(&Plan, &mut [&mut [u64]]);
/// The pairs multiply the sums and the differences of the last stage.
type InverseFn = unsafe fn(&Plan, &mut [&mut [u64]], [ShoupPair; 2]);
type UnaryFn = unsafe fn(&Modulus, *mut u64, *const u64, usize);
type BinaryFn = unsafe fn(&Modulus, *mut u64, *const u64, *const u64, usize);
/// The outputs `out_j = a_j b` of one right row, which may be given by its runs; aligned to cache lines if they are
/// streamed.
type PairFn = unsafe fn(&Modulus, [&mut [u64]; 2], [&[u64]; 2], &[u64]);
type ScalarFn = unsafe fn(&Modulus, *mut u64, *const u64, ShoupPair, usize);
type ScalarBinaryFn = unsafe fn(&Modulus, *mut u64, *const u64, *const u64, ShoupPair, usize);
type CentredFn = unsafe fn(&Modulus, &mut [u64], &[u64], &Modulus);
type SignedFn = unsafe fn(&Modulus, &mut [u64], &[i64]);
type ScaledFn = unsafe fn(&Modulus, &mut [u64], &[i64], ShoupPair);
type PermuteFn = unsafe fn(&mut [u64], &[u64], &Permutation);
type PermuteMulFn = unsafe fn(&Modulus, &mut [u64], &[u64], &Permutation, &[u64]);
type DotFn = unsafe fn(&Modulus, &mut [u64], &Dot<'_>, &[&[u64]]);
type DotPairFn = unsafe fn(&Modulus, [&mut [u64]; 2], &Dot<'_>, [&[&[u64]]; 2]);
type PrepareFn = unsafe fn(&ConvertSources, &mut [u64], &[&[u64]]);
type ConvertFn = unsafe fn(&ConvertSources, &[&ConvertTarget], &mut [&mut [u64]], &[u64]);

/// The kernels of one instruction set and prime class; see the module's documentation.
pub struct Kernels {
    isa: Isa,
    class: PrimeClass,
    ntt_plan: PlanFn,
    ntt_forward: ForwardFn,
    ntt_forward_lazy: ForwardFn,
    ntt_inverse: InverseFn,
    add: BinaryFn,
    sub: BinaryFn,
    neg: UnaryFn,
    mul: BinaryFn,
    mul_acc: BinaryFn,
    mul_sub: BinaryFn,
    mul_pair: PairFn,
    mul_pair_streamed: PairFn,
    mul_scalar: ScalarFn,
    mul_scalar_add: ScalarBinaryFn,
    sub_mul_scalar: ScalarBinaryFn,
    reduce: UnaryFn,
    centred: CentredFn,
    from_i64: SignedFn,
    scale_i64: ScaledFn,
    permute: PermuteFn,
    permute_mul_acc: PermuteMulFn,
    permute_mul_sub: PermuteMulFn,
    inner_product: DotFn,
    inner_product_pair: DotPairFn,
    base_convert_prepare: PrepareFn,
    base_convert: ConvertFn,
}

/// The left rows of an inner product and what happens to them and to the output.
struct Dot<'a> {
    /// Shorter ones are given by their runs.
    rows: &'a [&'a [u64]],
    permutation: Option<&'a Permutation>,
    /// Whether the output's content is added to.
    accumulate: bool,
}

/// Powers of a root of unity, from which each instruction set lays out its own twiddle tables.
pub(crate) struct Roots {
    n: usize,
    q: Modulus,
    /// `psi^brv(i)`
    forward: Vec<u64>,
    /// `psi^-brv(i)`
    inverse: Vec<u64>,
    /// `n^-1 mod q`
    n_inverse: u64,
    /// Where the tables are kept.
    pool: Pool,
}

/// A transform ready to run: twiddles in the order in which one instruction set reads them.
pub(crate) struct Plan {
    n: usize,
    q: Modulus,
    forward: Buf,
    inverse: Buf,
    /// `n^-1` and `psi^-brv(1) n^-1`: what the last stage of the inverse multiplies by.
    last: [ShoupPair; 2],
    /// The order of work of a vector transform, forward and inverse.
    steps: [Vec<Step>; 2],
}

impl Kernels {
    /// The table for transforms of length `n` modulo `q` on `isa`.
    ///
    /// # Panics
    /// If `isa` is not available here: that check is what makes every call through the table sound.
    pub fn select(isa: Isa, q: &Modulus, n: usize) -> &'static Kernels {
        assert!(
            isa.is_available(),
            "{isa} is not available on this processor"
        );
        match (isa, PrimeClass::of(q, n)) {
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            (Isa::Avx512Ifma, PrimeClass::ReductionFree) => &ifma::FREE,
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            (Isa::Avx512Ifma, PrimeClass::Wide) => &ifma::WIDE,
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            (Isa::Avx2, PrimeClass::ReductionFree) => &avx2::FREE,
            #[cfg(all(target_arch = "x86_64", not(force_scalar)))]
            (Isa::Avx2, PrimeClass::Wide) => &avx2::WIDE,
            (_, PrimeClass::ReductionFree) => &scalar::FREE,
            (_, PrimeClass::Wide) => &scalar::WIDE,
        }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The prime class of the transforms.
    pub fn class(&self) -> PrimeClass {
        self.class
    }

    pub(crate) fn plan(&self, roots: &Roots) -> Plan {
        (self.ntt_plan)(roots)
    }

    pub(crate) fn ntt_forward(&self, plan: &Plan, rows: &mut [&mut [u64]]) {
        plan.check(rows);
        // SAFETY: `select` proved the instruction set; the rows have the plan's length.
        unsafe { (self.ntt_forward)(plan, rows) }
    }

    /// To words below 2^52.
    pub(crate) fn ntt_forward_lazy(&self, plan: &Plan, rows: &mut [&mut [u64]]) {
        plan.check(rows);
        // SAFETY: `select` proved the instruction set; the rows have the plan's length.
        unsafe { (self.ntt_forward_lazy)(plan, rows) }
    }

    pub(crate) fn ntt_inverse(&self, plan: &Plan, rows: &mut [&mut [u64]]) {
        plan.check(rows);
        // SAFETY: `select` proved the instruction set; the rows have the plan's length.
        unsafe { (self.ntt_inverse)(plan, rows, plan.last) }
    }

    /// The inverse times `factor`, below q.
    pub(crate) fn ntt_inverse_scaled(&self, plan: &Plan, rows: &mut [&mut [u64]], factor: u64) {
        plan.check(rows);
        let last = plan.last.map(|w| plan.q.shoup(plan.q.mul(w.w, factor)));
        // SAFETY: `select` proved the instruction set; the rows have the plan's length.
        unsafe { (self.ntt_inverse)(plan, rows, last) }
    }

    /// `out = a + b`.
    pub fn add(&self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        self.binary(self.add, q, out, a, b);
    }

    /// `a = a + b`.
    pub fn add_assign(&self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        self.binary_assign(self.add, q, a, b);
    }

    /// `out = a - b`.
    pub fn sub(&self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        self.binary(self.sub, q, out, a, b);
    }

    /// `a = a - b`.
    pub fn sub_assign(&self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        self.binary_assign(self.sub, q, a, b);
    }

    /// `out = -a`.
    pub fn neg(&self, q: &Modulus, out: &mut [u64], a: &[u64]) {
        self.unary(self.neg, q, out, a);
    }

    /// `a = -a`.
    pub fn neg_assign(&self, q: &Modulus, a: &mut [u64]) {
        self.unary_assign(self.neg, q, a);
    }

    /// `out = a b`, element by element.
    pub fn mul(&self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        self.binary(self.mul, q, out, a, b);
    }

    /// `a = a b`, element by element.
    pub fn mul_assign(&self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        self.binary_assign(self.mul, q, a, b);
    }

    /// `out = out + a b`, element by element.
    pub fn mul_acc(&self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        self.binary(self.mul_acc, q, out, a, b);
    }

    /// `out = out - a b`, element by element.
    pub fn mul_sub(&self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        self.binary(self.mul_sub, q, out, a, b);
    }

    /// `out_j = a_j b` for `j = 0, 1`, element by element: `b` is read once. It may be given by its
    /// [runs](Kernels::inner_product).
    pub fn mul_pair(&self, q: &Modulus, out: [&mut [u64]; 2], a: [&[u64]; 2], b: &[u64]) {
        let n = out[0].len();
        same_lengths(n, &[out[1], a[0], a[1]]);
        check_runs(n, b.len());
        // SAFETY: `select` proved the instruction set; all rows have the same length.
        unsafe { (self.mul_pair)(q, out, a, b) }
    }

    /// [`Kernels::mul_pair`] past the caches: for outputs that are larger than the last one, whose lines are neither
    /// read before they are written nor kept. Rows that are not aligned to cache lines are written as usual.
    pub fn mul_pair_streamed(&self, q: &Modulus, out: [&mut [u64]; 2], a: [&[u64]; 2], b: &[u64]) {
        let n = out[0].len();
        same_lengths(n, &[out[1], a[0], a[1]]);
        check_runs(n, b.len());
        let aligned = |row: &[u64]| row.as_ptr().addr().is_multiple_of(LINE);
        let kernel = if aligned(out[0]) && aligned(out[1]) {
            self.mul_pair_streamed
        } else {
            self.mul_pair
        };
        // SAFETY: `select` proved the instruction set; all rows have the same length, and those of a streaming
        // kernel are aligned.
        unsafe { kernel(q, out, a, b) }
    }

    /// `out = a w` for a fixed factor.
    pub fn mul_scalar(&self, q: &Modulus, out: &mut [u64], a: &[u64], w: ShoupPair) {
        same_lengths(out.len(), &[a]);
        let n = out.len();
        // SAFETY: `select` proved the instruction set; all rows have n words.
        unsafe { (self.mul_scalar)(q, out.as_mut_ptr(), a.as_ptr(), w, n) }
    }

    /// `a = a w` for a fixed factor.
    pub fn mul_scalar_assign(&self, q: &Modulus, a: &mut [u64], w: ShoupPair) {
        let (p, n) = (a.as_mut_ptr(), a.len());
        // SAFETY: `select` proved the instruction set; element-wise kernels allow out = a.
        unsafe { (self.mul_scalar)(q, p, p, w, n) }
    }

    /// `out = a w + b` for a fixed factor.
    pub fn mul_scalar_add(&self, q: &Modulus, out: &mut [u64], a: &[u64], w: ShoupPair, b: &[u64]) {
        same_lengths(out.len(), &[a, b]);
        let n = out.len();
        // SAFETY: `select` proved the instruction set; all rows have n words.
        unsafe { (self.mul_scalar_add)(q, out.as_mut_ptr(), a.as_ptr(), b.as_ptr(), w, n) }
    }

    /// `out = out + a w` for a fixed factor.
    pub fn mul_scalar_acc(&self, q: &Modulus, out: &mut [u64], a: &[u64], w: ShoupPair) {
        same_lengths(out.len(), &[a]);
        let (p, n) = (out.as_mut_ptr(), out.len());
        // SAFETY: `select` proved the instruction set; element-wise kernels allow out = b.
        unsafe { (self.mul_scalar_add)(q, p, a.as_ptr(), p, w, n) }
    }

    /// `out = (a - b) w` for a fixed factor: the last step of rescaling and mod-down.
    pub fn sub_mul_scalar(&self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64], w: ShoupPair) {
        same_lengths(out.len(), &[a, b]);
        let n = out.len();
        // SAFETY: `select` proved the instruction set; all rows have n words.
        unsafe { (self.sub_mul_scalar)(q, out.as_mut_ptr(), a.as_ptr(), b.as_ptr(), w, n) }
    }

    /// `a = (a - b) w` for a fixed factor.
    pub fn sub_mul_scalar_assign(&self, q: &Modulus, a: &mut [u64], b: &[u64], w: ShoupPair) {
        same_lengths(a.len(), &[b]);
        let (p, n) = (a.as_mut_ptr(), a.len());
        // SAFETY: `select` proved the instruction set; element-wise kernels allow out = a.
        unsafe { (self.sub_mul_scalar)(q, p, p, b.as_ptr(), w, n) }
    }

    /// `out = a mod q` for words `a < 2^52`, for example residues of another modulus.
    pub fn reduce(&self, q: &Modulus, out: &mut [u64], a: &[u64]) {
        self.unary(self.reduce, q, out, a);
    }

    /// `out = [a] mod q` where `a` in `[0, p)` stands for the integer in `(-p/2, p/2]`.
    pub fn centred(&self, q: &Modulus, out: &mut [u64], a: &[u64], p: &Modulus) {
        same_lengths(out.len(), &[a]);
        // SAFETY: `select` proved the instruction set; all rows have the same length.
        unsafe { (self.centred)(q, out, a, p) }
    }

    /// `out = x mod q` for any signed words, in time that does not depend on them.
    pub fn from_i64(&self, q: &Modulus, out: &mut [u64], x: &[i64]) {
        assert_eq!(out.len(), x.len(), "rows of one operation have one length");
        // SAFETY: `select` proved the instruction set; all rows have the same length.
        unsafe { (self.from_i64)(q, out, x) }
    }

    /// `out = x w mod q` for signed words `|x| < 3 · 2^49` and a fixed factor, in time that does not depend on them.
    ///
    /// What a word beyond the range gives is unspecified.
    pub fn scale_i64(&self, q: &Modulus, out: &mut [u64], x: &[i64], w: ShoupPair) {
        assert_eq!(out.len(), x.len(), "rows of one operation have one length");
        // SAFETY: `select` proved the instruction set; all rows have the same length.
        unsafe { (self.scale_i64)(q, out, x, w) }
    }

    /// `out[i] = a[permutation[i]]`.
    pub fn permute(&self, out: &mut [u64], a: &[u64], permutation: &Permutation) {
        same_lengths(permutation.len(), &[out, a]);
        // SAFETY: `select` proved the instruction set; rows have the permutation's length.
        unsafe { (self.permute)(out, a, permutation) }
    }

    /// `out[i] = out[i] + a[permutation[i]] b[i]`.
    pub fn permute_mul_acc(
        &self,
        q: &Modulus,
        out: &mut [u64],
        a: &[u64],
        permutation: &Permutation,
        b: &[u64],
    ) {
        same_lengths(permutation.len(), &[out, a, b]);
        // SAFETY: `select` proved the instruction set; rows have the permutation's length.
        unsafe { (self.permute_mul_acc)(q, out, a, permutation, b) }
    }

    /// `out[i] = out[i] - a[permutation[i]] b[i]`.
    pub fn permute_mul_sub(
        &self,
        q: &Modulus,
        out: &mut [u64],
        a: &[u64],
        permutation: &Permutation,
        b: &[u64],
    ) {
        same_lengths(permutation.len(), &[out, a, b]);
        // SAFETY: `select` proved the instruction set; rows have the permutation's length.
        unsafe { (self.permute_mul_sub)(q, out, a, permutation, b) }
    }

    /// `out[i] = sum_k a_k[pi(i)] b_k[i]`, with one reduction per output; `pi` is the identity if
    /// no permutation is given. At most 4096 rows.
    ///
    /// Without a permutation, left rows may be given by their runs: a row of `n / 2^s` words stands for that in which each of them
    /// occurs `2^s` times in sequence, as in the transform of a polynomial in `X^(2^s)`
    /// ([`NttTable::decimated`](crate::NttTable::decimated)). Rows of several lengths may be mixed.
    pub fn inner_product(
        &self,
        q: &Modulus,
        out: &mut [u64],
        a: &[&[u64]],
        b: &[&[u64]],
        permutation: Option<&Permutation>,
    ) {
        self.dot(q, out, a, b, permutation, false);
    }

    /// `out[i] = out[i] + sum_k a_k[pi(i)] b_k[i]`; see [`Kernels::inner_product`].
    pub fn inner_product_acc(
        &self,
        q: &Modulus,
        out: &mut [u64],
        a: &[&[u64]],
        b: &[&[u64]],
        permutation: Option<&Permutation>,
    ) {
        self.dot(q, out, a, b, permutation, true);
    }

    /// Two inner products that share their left rows, as key switching needs them:
    /// `out_j[i] = sum_k a_k[pi(i)] b_jk[i]` for `j = 0, 1`.
    pub fn inner_product_pair(
        &self,
        q: &Modulus,
        out: [&mut [u64]; 2],
        a: &[&[u64]],
        b: [&[&[u64]]; 2],
        permutation: Option<&Permutation>,
    ) {
        self.dot_pair(q, out, a, b, permutation, false);
    }

    /// As [`Kernels::inner_product_pair`], added to what `out` holds.
    pub fn inner_product_pair_acc(
        &self,
        q: &Modulus,
        out: [&mut [u64]; 2],
        a: &[&[u64]],
        b: [&[&[u64]]; 2],
        permutation: Option<&Permutation>,
    ) {
        self.dot_pair(q, out, a, b, permutation, true);
    }

    fn unary(&self, kernel: UnaryFn, q: &Modulus, out: &mut [u64], a: &[u64]) {
        same_lengths(out.len(), &[a]);
        // SAFETY: `select` proved the instruction set; all rows have the same length.
        unsafe { kernel(q, out.as_mut_ptr(), a.as_ptr(), out.len()) }
    }

    fn unary_assign(&self, kernel: UnaryFn, q: &Modulus, a: &mut [u64]) {
        let (p, n) = (a.as_mut_ptr(), a.len());
        // SAFETY: `select` proved the instruction set; element-wise kernels allow out = a.
        unsafe { kernel(q, p, p, n) }
    }

    fn binary(&self, kernel: BinaryFn, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        same_lengths(out.len(), &[a, b]);
        // SAFETY: `select` proved the instruction set; all rows have the same length.
        unsafe { kernel(q, out.as_mut_ptr(), a.as_ptr(), b.as_ptr(), out.len()) }
    }

    fn binary_assign(&self, kernel: BinaryFn, q: &Modulus, a: &mut [u64], b: &[u64]) {
        same_lengths(a.len(), &[b]);
        let (p, n) = (a.as_mut_ptr(), a.len());
        // SAFETY: `select` proved the instruction set; element-wise kernels allow out = a.
        unsafe { kernel(q, p, p, b.as_ptr(), n) }
    }

    fn dot(
        &self,
        q: &Modulus,
        out: &mut [u64],
        a: &[&[u64]],
        b: &[&[u64]],
        permutation: Option<&Permutation>,
        accumulate: bool,
    ) {
        check_dot(out.len(), a, b, permutation);
        let dot = Dot {
            rows: a,
            permutation,
            accumulate,
        };
        // SAFETY: `select` proved the instruction set; lengths were checked.
        unsafe { (self.inner_product)(q, out, &dot, b) }
    }

    fn dot_pair(
        &self,
        q: &Modulus,
        out: [&mut [u64]; 2],
        a: &[&[u64]],
        b: [&[&[u64]]; 2],
        permutation: Option<&Permutation>,
        accumulate: bool,
    ) {
        check_dot(out[0].len(), a, b[0], permutation);
        check_dot(out[1].len(), a, b[1], permutation);
        let dot = Dot {
            rows: a,
            permutation,
            accumulate,
        };
        // SAFETY: `select` proved the instruction set; lengths were checked.
        unsafe { (self.inner_product_pair)(q, out, &dot, b) }
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernels")
            .field("isa", &self.isa)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl Roots {
    pub(crate) fn new(n: usize, q: &Modulus, psi: u64, pool: &Pool) -> Roots {
        let inverse_of = |x: u64| q.pow(x, q.value() - 2);
        let powers = |base: u64| {
            let base = q.shoup(base);
            let mut out = vec![0; n];
            let mut power = 1;
            for i in 0..n {
                out[bit_reverse(i, n)] = power;
                power = q.mul_shoup(power, base);
            }
            out
        };
        Roots {
            n,
            q: *q,
            forward: powers(psi),
            inverse: powers(inverse_of(psi)),
            n_inverse: inverse_of(q.reduce(n as u64)),
            pool: pool.clone(),
        }
    }
}

impl Plan {
    /// A plan whose tables are the given words.
    fn new(roots: &Roots, forward: &[u64], inverse: &[u64], steps: [Vec<Step>; 2]) -> Plan {
        let pool = &roots.pool;
        Plan {
            n: roots.n,
            q: roots.q,
            forward: pool.copied(forward),
            inverse: pool.copied(inverse),
            last: [
                roots.q.shoup(roots.n_inverse),
                roots
                    .q
                    .shoup(roots.q.mul(roots.inverse[1], roots.n_inverse)),
            ],
            steps,
        }
    }

    #[inline]
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    fn check(&self, rows: &[&mut [u64]]) {
        for row in rows {
            assert_eq!(row.len(), self.n, "a row has n words");
        }
    }
}

fn check_dot(n: usize, a: &[&[u64]], b: &[&[u64]], permutation: Option<&Permutation>) {
    assert_eq!(a.len(), b.len(), "an inner product pairs its rows");
    assert!(a.len() <= MAX_TERMS, "at most {MAX_TERMS} rows");
    same_lengths(n, b);
    match permutation {
        None => a.iter().for_each(|a| check_runs(n, a.len())),
        Some(p) => {
            assert_eq!(p.len(), n, "rows have the permutation's length");
            same_lengths(n, a);
        }
    }
}

/// That `len` words stand for a row of `n`, each of them for a power of two of neighbours.
#[inline]
fn check_runs(n: usize, len: usize) {
    let fits = len == n || (len > 0 && n.is_multiple_of(len) && (n / len).is_power_of_two());
    assert!(fits, "{len} words do not stand for a row of {n}");
}

/// log2 of the neighbours that each of `len` words stands for in a row of `n`, which [`check_runs`] has seen.
#[inline]
fn run_shift(n: usize, len: usize) -> u32 {
    n.trailing_zeros() - len.trailing_zeros()
}

#[inline]
fn same_lengths(n: usize, rows: &[&[u64]]) {
    for row in rows {
        assert_eq!(row.len(), n, "rows of one operation have one length");
    }
}
