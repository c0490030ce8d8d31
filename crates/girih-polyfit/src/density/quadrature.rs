//! Gauss-Legendre rules on `[-1, 1]`: positive nodes and their weights; the negative ones mirror them.

/// Positive nodes with weights.
pub(super) type Rule = &'static [(f64, f64)];

/// The rule of 8 points, exact to degree 15: zeros `x` of `P₈`, weights `2 / ((1 - x²) P'(x)²)`.
pub(super) const EIGHT: Rule = &[
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_27),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// The rule of 16 points, exact to degree 31: zeros `x` of `P₁₆`, weights `2 / ((1 - x²) P'(x)²)`.
pub(super) const SIXTEEN: Rule = &[
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_58),
    (0.458_016_777_657_227_37, 0.169_156_519_395_002_54),
    (0.617_876_244_402_643_8, 0.149_595_988_816_576_74),
    (0.755_404_408_355_003, 0.124_628_971_255_533_88),
    (0.865_631_202_387_831_8, 0.095_158_511_682_492_79),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_894),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_096),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monomials_are_integrated_exactly() {
        for (rule, points) in [(EIGHT, 8), (SIXTEEN, 16)] {
            for k in (0..2 * points).step_by(2) {
                let sum: f64 = rule.iter().map(|&(x, w)| 2.0 * w * x.powi(k)).sum();
                let exact = 2.0 / f64::from(k + 1);
                assert!((sum - exact).abs() < 4e-16, "{points} {k}: {sum} {exact}");
            }
        }
    }
}
