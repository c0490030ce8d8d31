//! Approximations from the literature, verbatim: named tables with their sources, to compare with and to reproduce.
//!
//! None is needed: the fits of this crate are at least as good at equal depth, which the example `published` prints and
//! a test asserts. The errors that are stated here are asserted by tests too.

use crate::{EvaluationPlan, Interval, Piecewise, Polynomial, Result};

/// A published polynomial in powers of `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublishedPolynomial {
    /// Short name.
    pub name: &'static str,
    /// Where it is from.
    pub source: &'static str,
    /// Ends of the interval it is made for.
    pub range: (f64, f64),
    /// Coefficients of `1, x, x², ..`
    pub coefficients: &'static [f64],
}

impl PublishedPolynomial {
    /// The polynomial, in the power basis.
    ///
    /// # Errors
    /// None for the tables of this module.
    pub fn polynomial(&self) -> Result<Polynomial> {
        let interval = Interval::try_new(self.range.0, self.range.1)?;
        Polynomial::power(interval, self.coefficients)
    }
}

/// A published function by pieces: each polynomial holds up to its right end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublishedPieces {
    /// Short name.
    pub name: &'static str,
    /// Where it is from.
    pub source: &'static str,
    /// Where one piece ends and the next begins.
    pub breaks: &'static [f64],
    /// Coefficients of `1, x, x², ..` for each piece, one more than breaks; empty for zero.
    pub pieces: &'static [&'static [f64]],
}

impl PublishedPieces {
    /// The value at `x`; at a break, that of the piece to the right.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        let piece = self.breaks.partition_point(|&b| b <= x);
        let coefficients = self.pieces.get(piece).copied().unwrap_or(&[]);
        coefficients
            .iter()
            .rev()
            .fold(0.0, |acc, &c| acc.mul_add(x, c))
    }

    /// The pieces on an interval, as something with an evaluation plan.
    ///
    /// # Errors
    /// A break outside the interval.
    pub fn piecewise(&self, interval: Interval) -> Result<Piecewise> {
        let pieces = self.pieces.iter().map(|&c| {
            let zero: &[f64] = &[0.0];
            Polynomial::power(interval, if c.is_empty() { zero } else { c })
        });
        let pieces: Result<Vec<Polynomial>> = pieces.collect();
        Piecewise::try_new(interval, self.breaks.to_vec(), pieces?)
    }
}

/// `(1 + x / 2^squarings)^(2^squarings)` above a threshold, zero below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublishedExponential {
    /// Short name.
    pub name: &'static str,
    /// Where it is from.
    pub source: &'static str,
    /// Number of squarings.
    pub squarings: u32,
    /// Smaller inputs give zero.
    pub threshold: f64,
}

impl PublishedExponential {
    /// The value at `x`.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        if x < self.threshold {
            return 0.0;
        }
        let power = 2f64.powi(self.squarings as i32);
        (1.0 + x / power).powf(power)
    }

    /// The plan without the threshold: an affine map and the squarings, `squarings + 1` levels. Below `-2^(squarings + 1)`
    /// its values grow again.
    #[must_use]
    pub fn plan(&self, interval: Interval) -> EvaluationPlan {
        let power = 2f64.powi(self.squarings as i32);
        let mut plan = EvaluationPlan::new(interval);
        let terms = vec![(plan.input(), interval.radius() / power)];
        let mut value = plan.push_affine(terms, 1.0 + interval.center() / power);
        for _ in 0..self.squarings {
            value = plan.push_product(value, value);
        }
        plan
    }
}

/// What a paper reports of an approximation whose coefficients it does not print.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reported {
    /// Short name.
    pub name: &'static str,
    /// Where it is from.
    pub source: &'static str,
    /// Degrees, first factor first.
    pub degrees: &'static [usize],
    /// Products of ciphertexts, where stated.
    pub products: Option<usize>,
    /// Levels, where stated.
    pub depth: Option<usize>,
}

const CHEON: &str = "Cheon, Kim, Kim, Efficient homomorphic comparison methods with optimal complexity, ASIACRYPT 2020";
const PUMA: &str =
    "Dong and others, PUMA: secure inference of LLaMA-7B in five minutes, arXiv 2307.12533, 2023";

/// `f₃`, degree 7: flat of order four at ±1.
pub const CHEON_F3: PublishedPolynomial = PublishedPolynomial {
    name: "f3",
    source: CHEON,
    range: (-1.0, 1.0),
    coefficients: &[
        0.0,
        35.0 / 16.0,
        0.0,
        -35.0 / 16.0,
        0.0,
        21.0 / 16.0,
        0.0,
        -5.0 / 16.0,
    ],
};

/// `g₃`, degree 7: steep at zero.
pub const CHEON_G3: PublishedPolynomial = PublishedPolynomial {
    name: "g3",
    source: CHEON,
    range: (-1.0, 1.0),
    coefficients: &[
        0.0,
        4589.0 / 1024.0,
        0.0,
        -16577.0 / 1024.0,
        0.0,
        25614.0 / 1024.0,
        0.0,
        -12860.0 / 1024.0,
    ],
};

/// `f₄`, degree 9: flat of order five at ±1.
pub const CHEON_F4: PublishedPolynomial = PublishedPolynomial {
    name: "f4",
    source: CHEON,
    range: (-1.0, 1.0),
    coefficients: &[
        0.0,
        315.0 / 128.0,
        0.0,
        -420.0 / 128.0,
        0.0,
        378.0 / 128.0,
        0.0,
        -180.0 / 128.0,
        0.0,
        35.0 / 128.0,
    ],
};

/// `g₄`, degree 9: steep at zero.
pub const CHEON_G4: PublishedPolynomial = PublishedPolynomial {
    name: "g4",
    source: CHEON,
    range: (-1.0, 1.0),
    coefficients: &[
        0.0,
        5850.0 / 1024.0,
        0.0,
        -34974.0 / 1024.0,
        0.0,
        97015.0 / 1024.0,
        0.0,
        -113_492.0 / 1024.0,
        0.0,
        46623.0 / 1024.0,
    ],
};

/// Gelu in four pieces; error at most 0.0199 on `[-8, 8]` (at 3), 0.0018 in the mean.
pub const PUMA_GELU: PublishedPieces = PublishedPieces {
    name: "PUMA gelu",
    source: PUMA,
    breaks: &[-4.0, -1.95, 3.0],
    pieces: &[
        &[],
        &[
            -0.505_403_119_970_817_4,
            -0.422_265_811_519_838_66,
            -0.118_076_129_511_819_53,
            -0.011_034_134_030_615_728,
        ],
        &[
            0.008_526_321_541_038_084,
            0.5,
            0.360_329_269_278_962_9,
            0.0,
            -0.037_688_200_365_904_236,
            0.0,
            0.001_806_746_260_614_118_7,
        ],
        &[0.0, 1.0],
    ],
};

/// `eˣ` for `x <= 0`: error at most 8.5·10⁻³ on `[-14, 0]`.
pub const PUMA_EXP: PublishedExponential = PublishedExponential {
    name: "PUMA exp",
    source: PUMA,
    squarings: 5,
    threshold: -14.0,
};

/// Coefficients of `1, a, .., a⁴` with `a = |x|`, to which `x/2` is added.
const BOLT: [f64; 5] = [
    0.001_620_808_531_841_547,
    -0.037_981_646_127_141_54,
    0.541_055_016_636_838_1,
    -0.183_525_061_270_827_27,
    0.020_848_611_754_127_593,
];

/// Gelu as an even polynomial of `|x|` plus `x/2` for `|x| <= 2.7`; error at most 9.4·10⁻³.
pub const BOLT_GELU: PublishedPieces = PublishedPieces {
    name: "BOLT gelu",
    source: "Pang, Zhu, Möllering, Zheng, Schneider, BOLT: privacy-preserving, accurate and efficient inference for transformers, IEEE S&P 2024",
    breaks: &[-2.7, 0.0, 2.7],
    pieces: &[
        &[],
        &[BOLT[0], 0.5 - BOLT[1], BOLT[2], -BOLT[3], BOLT[4]],
        &[BOLT[0], 0.5 + BOLT[1], BOLT[2], BOLT[3], BOLT[4]],
        &[0.0, 1.0],
    ],
};

const NEXUS: &str = "Zhang and others, Secure transformer inference made non-interactive (NEXUS), NDSS 2025, published code";

/// Gelu: `x/2` and even powers up to 12 between ±3.5, zero and `x` outside; error at most 8.1·10⁻⁴.
pub const NEXUS_GELU: PublishedPieces = PublishedPieces {
    name: "NEXUS gelu",
    source: NEXUS,
    breaks: &[-3.5, 3.5],
    pieces: &[
        &[],
        &[
            2.257_757_55e-4,
            0.5,
            0.396_880_96,
            0.0,
            -0.063_704_269_8,
            0.0,
            8.388_416_47e-3,
            0.0,
            -7.178_309_61e-4,
            0.0,
            3.496_178_29e-5,
            0.0,
            -7.260_596_53e-7,
        ],
        &[0.0, 1.0],
    ],
};

/// The start of Newton's iteration for `1/√x`.
pub const NEXUS_INVERSE_SQRT: PublishedPolynomial = PublishedPolynomial {
    name: "NEXUS inverse square root",
    source: NEXUS,
    range: (1.0, 1000.0),
    coefficients: &[0.129_054_537, -1.290_545_37e-4],
};

/// The logistic function in five pieces, by an MPC library that cites the winner of iDASH 2019, track IV; error at most
/// 0.065.
pub const IDASH_SIGMOID: PublishedPieces = PublishedPieces {
    name: "iDASH 2019 sigmoid",
    source: "Hong, Huang, Lu, Qu, Ma, Dahl, Mancuso, Privacy-preserving collaborative machine learning on genomic data, arXiv 2002.04344, 2020",
    breaks: &[-5.0, -2.5, 2.5, 5.0],
    pieces: &[
        &[1e-4],
        &[0.145, 0.02776],
        &[0.5, 0.17],
        &[0.85498, 0.02776],
        &[1.0 - 1e-4],
    ],
};

/// Gelu as a composition of two polynomials.
pub const THOR_GELU: Reported = Reported {
    name: "THOR gelu",
    source: "Moon, Yoo, Jiang, Kim, THOR: secure transformer inference with homomorphic encryption, 2024",
    degrees: &[31, 27],
    products: Some(39),
    depth: Some(11),
};

/// Gelu as one polynomial of `x/10`, of use roughly on `[-8, 8]`.
pub const MOAI_GELU: Reported = Reported {
    name: "MOAI gelu",
    source: "Zhang, Wang, Sim, Huang, Zhong, Wang, Duan, Lam, MOAI, ePrint 2025/991",
    degrees: &[24],
    products: None,
    depth: None,
};

/// The composite sign of multiplexed convolutions and of Orion, for an alpha of 13.
pub const LEE_SIGN: Reported = Reported {
    name: "composite sign, alpha 13",
    source: "Lee and others, Low-complexity deep CNNs on FHE using multiplexed parallel convolutions, ICML 2022",
    degrees: &[15, 15, 27],
    products: None,
    depth: Some(13),
};

/// All functions by pieces.
pub const PIECES: [PublishedPieces; 4] = [PUMA_GELU, BOLT_GELU, NEXUS_GELU, IDASH_SIGMOID];

/// The sign polynomials of Cheon, Kim and Kim.
pub const CHEON_SIGN: [PublishedPolynomial; 4] = [CHEON_F3, CHEON_G3, CHEON_F4, CHEON_G4];
