//! Loops that use one resource of the processor each, to calibrate a machine model with. Feature `testing`.
//!
//! A loop's time divided by its number of operations is the time of one; nothing is computed.

use std::arch::asm;

use crate::isa::Isa;

/// Additions in one dependent chain per round of [`dependent_adds`].
const CHAIN: u64 = 64;
/// Independent instructions per round of the vector probes: enough for any latency times throughput.
const INDEPENDENT: u64 = 24;
/// Words that one round of [`read`] loads.
const ROUND: usize = 64;

/// What a vector probe issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 52-bit multiply-adds.
    MultiplyAdd,
    /// Additions of words: any vector unit.
    Vector,
    /// Additions of doubles.
    FloatAdd,
}

/// About `count` additions that wait for each other, one a cycle; returns how many.
#[must_use]
pub fn dependent_adds(count: u64) -> u64 {
    let rounds = count.div_ceil(CHAIN).max(1);
    // SAFETY: register arithmetic.
    unsafe {
        asm!(
            "2:",
            ".rept 64",
            "add {x}, {y}",
            ".endr",
            "dec {rounds}",
            "jnz 2b",
            x = inout(reg) 1_u64 => _,
            y = in(reg) 1_u64,
            rounds = inout(reg) rounds => _,
            options(nomem, nostack),
        );
    }
    rounds * CHAIN
}

/// About `count` independent instructions on 512-bit registers; returns how many, or `None` without AVX-512-IFMA.
#[must_use]
pub fn vectors(unit: Unit, count: u64) -> Option<u64> {
    if !Isa::Avx512Ifma.is_available() {
        return None;
    }
    let rounds = count.div_ceil(INDEPENDENT).max(1);
    // SAFETY: the instruction set was just asked for.
    unsafe {
        match unit {
            Unit::MultiplyAdd => multiply_adds(rounds),
            Unit::Vector => word_adds(rounds),
            Unit::FloatAdd => float_adds(rounds),
        }
    }
    Some(rounds * INDEPENDENT)
}

/// Loads every word of `words` up to a multiple of 64, in order; returns the bytes. `None` without AVX-512-IFMA.
#[must_use]
pub fn read(words: &[u64]) -> Option<usize> {
    if !Isa::Avx512Ifma.is_available() {
        return None;
    }
    // SAFETY: the instruction set was just asked for.
    unsafe { read_lines(words) };
    Some(words.len() / ROUND * ROUND * size_of::<u64>())
}

macro_rules! probe {
    ($name:ident, $instruction:literal) => {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
        fn $name(rounds: u64) {
            // SAFETY: register arithmetic, with the instructions that the function enables; every register that is
            // written is named as an output.
            unsafe {
                asm!(
                    // Doubles that stay ordinary numbers.
                    ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25",
                    "vpxord zmm\\r, zmm\\r, zmm\\r",
                    ".endr",
                    "2:",
                    ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23",
                    concat!($instruction, " zmm\\r, zmm24, zmm25"),
                    ".endr",
                    "dec {rounds}",
                    "jnz 2b",
                    rounds = inout(reg) rounds => _,
                    out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _,
                    out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
                    out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _,
                    out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
                    out("zmm24") _, out("zmm25") _,
                    options(nomem, nostack),
                );
            }
        }
    };
}

probe!(multiply_adds, "vpmadd52luq");
probe!(word_adds, "vpaddq");
probe!(float_adds, "vaddpd");

#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
fn read_lines(words: &[u64]) {
    for chunk in words.chunks_exact(ROUND) {
        // SAFETY: a chunk has eight lines.
        unsafe {
            asm!(
                "vmovdqu64 zmm0, [{p}]",
                "vmovdqu64 zmm1, [{p} + 64]",
                "vmovdqu64 zmm2, [{p} + 128]",
                "vmovdqu64 zmm3, [{p} + 192]",
                "vmovdqu64 zmm4, [{p} + 256]",
                "vmovdqu64 zmm5, [{p} + 320]",
                "vmovdqu64 zmm6, [{p} + 384]",
                "vmovdqu64 zmm7, [{p} + 448]",
                p = in(reg) chunk.as_ptr(),
                out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _,
                out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _,
                options(readonly, nostack, preserves_flags),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_say_how_much_they_did() {
        assert_eq!(dependent_adds(1), 64);
        assert_eq!(dependent_adds(130), 192);
        let vectors_here = Isa::Avx512Ifma.is_available();
        for unit in [Unit::MultiplyAdd, Unit::Vector, Unit::FloatAdd] {
            assert_eq!(vectors(unit, 25), vectors_here.then_some(48));
        }
        assert_eq!(read(&[7; 130]), vectors_here.then_some(1024));
    }
}
