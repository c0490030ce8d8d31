//! Elementary functions and constants of double-double numbers, to about `10⁻³⁰`.

use super::Dd;

/// `π/2` to 159 bits, for the reduction of angles.
const HALF_PI_PARTS: [f64; 3] = [
    std::f64::consts::FRAC_PI_2,
    6.123233995736766e-17,
    -1.4973849048591698e-33,
];
/// `ln 2` to 159 bits.
const LN_2_PARTS: [f64; 3] = [
    std::f64::consts::LN_2,
    2.3190468138462996e-17,
    5.707708438416212e-34,
];
/// Halvings of the argument of the exponential after reduction by `ln 2`.
const HALVINGS: i32 = 9;
/// Terms of the exponential series for arguments up to `ln 2 / 2¹⁰`: the first left out is below `10⁻³⁴`
/// of the sum.
const EXP_TERMS: usize = 10;
/// Largest angle that is reduced with full precision; beyond, sine and cosine are NaN.
const LARGEST_ANGLE: f64 = 1e9;
/// Above, the continued fraction of `erfc` converges faster than the series.
const ERF_SERIES_LIMIT: f64 = 3.0;
/// Above, `erfc(x) < 10⁻³⁰⁰`.
const ERFC_LIMIT: f64 = 26.2;

/// `1/n!`
#[rustfmt::skip]
const INVERSE_FACTORIALS: [Dd; 29] = [
    Dd::parts(1.0, 0.0),
    Dd::parts(1.0, 0.0),
    Dd::parts(0.5, 0.0),
    Dd::parts(0.16666666666666666, 9.25185853854297e-18),
    Dd::parts(0.041666666666666664, 2.3129646346357427e-18),
    Dd::parts(0.008333333333333333, 1.1564823173178714e-19),
    Dd::parts(0.001388888888888889, -5.300543954373577e-20),
    Dd::parts(0.0001984126984126984, 1.7209558293420705e-22),
    Dd::parts(2.48015873015873e-05, 2.1511947866775882e-23),
    Dd::parts(2.7557319223985893e-06, -1.858393274046472e-22),
    Dd::parts(2.755731922398589e-07, 2.3767714622250297e-23),
    Dd::parts(2.505210838544172e-08, -1.448814070935912e-24),
    Dd::parts(2.08767569878681e-09, -1.20734505911326e-25),
    Dd::parts(1.6059043836821613e-10, 1.2585294588752098e-26),
    Dd::parts(1.1470745597729725e-11, 2.0655512752830745e-28),
    Dd::parts(7.647163731819816e-13, 7.03872877733453e-30),
    Dd::parts(4.779477332387385e-14, 4.399205485834081e-31),
    Dd::parts(2.8114572543455206e-15, 1.6508842730861433e-31),
    Dd::parts(1.5619206968586225e-16, 1.1910679660273754e-32),
    Dd::parts(8.22063524662433e-18, 2.2141894119604265e-34),
    Dd::parts(4.110317623312165e-19, 1.4412973378659527e-36),
    Dd::parts(1.9572941063391263e-20, -1.3643503830087908e-36),
    Dd::parts(8.896791392450574e-22, -7.911402614872376e-38),
    Dd::parts(3.868170170630684e-23, -8.843177655482344e-40),
    Dd::parts(1.6117375710961184e-24, -3.6846573564509766e-41),
    Dd::parts(6.446950284384474e-26, -1.9330404233703465e-42),
    Dd::parts(2.4795962632247976e-27, -1.2953730964765229e-43),
    Dd::parts(9.183689863795546e-29, 1.4303150396787322e-45),
    Dd::parts(3.279889237069838e-30, 1.5117542744029879e-46),
];

impl Dd {
    /// `π`
    pub const PI: Dd = Dd::parts(std::f64::consts::PI, 1.2246467991473532e-16);
    /// `ln 2`
    pub const LN_2: Dd = Dd::parts(LN_2_PARTS[0], LN_2_PARTS[1]);
    /// Euler's number.
    pub const E: Dd = Dd::parts(std::f64::consts::E, 1.4456468917292502e-16);
    /// `√2`
    pub const SQRT_2: Dd = Dd::parts(std::f64::consts::SQRT_2, -9.667293313452913e-17);
    /// `1/√2`
    pub const FRAC_1_SQRT_2: Dd =
        Dd::parts(std::f64::consts::FRAC_1_SQRT_2, -4.833646656726457e-17);
    /// `2/√π`
    pub const FRAC_2_SQRT_PI: Dd =
        Dd::parts(std::f64::consts::FRAC_2_SQRT_PI, 1.533545961316588e-17);

    /// `eˣ`; 0 below -745, NaN where it leaves the range (above 690).
    #[must_use]
    pub fn exp(self) -> Dd {
        if self.hi < -745.0 {
            return Dd::ZERO;
        }
        if self.hi.is_nan() || self.hi > 690.0 {
            return Dd::from(f64::NAN);
        }
        let k = (self.hi / LN_2_PARTS[0]).round();
        let r = ((self - Dd::from(LN_2_PARTS[0]) * k) - Dd::from(LN_2_PARTS[1]) * k)
            - LN_2_PARTS[2] * k;
        (reduced_exp_m1(r) + 1.0).scale_by_power_of_two(k as i32)
    }

    /// `eˣ - 1`, with a small relative error near zero too.
    #[must_use]
    pub fn exp_m1(self) -> Dd {
        if self.hi.abs() < 0.5 * LN_2_PARTS[0] {
            reduced_exp_m1(self)
        } else {
            self.exp() - 1.0
        }
    }

    /// `ln x`; NaN for negative numbers and zero.
    #[must_use]
    pub fn ln(self) -> Dd {
        if self.hi.is_nan() || self.hi <= 0.0 {
            return Dd::from(f64::NAN);
        }
        if (self.hi - 1.0).abs() < 0.25 {
            return (self - 1.0).ln_1p();
        }
        // One step of Newton's iteration for e^y = x doubles the 53 bits; small numbers are scaled for the range.
        let exponent = self.hi.log2().round();
        let mantissa = self.scale_by_power_of_two(-exponent as i32);
        let first = mantissa.hi.ln();
        let mantissa_ln = (mantissa * Dd::from(-first).exp() - 1.0).ln_1p() + first;
        Dd::from(LN_2_PARTS[1]) * exponent + mantissa_ln + Dd::from(LN_2_PARTS[0]) * exponent
    }

    /// `ln(1 + x)`, with a small relative error near zero too.
    #[must_use]
    pub fn ln_1p(self) -> Dd {
        if self.hi.is_nan() || self.hi.abs() >= 0.3 {
            return (self + 1.0).ln();
        }
        // ln(1 + x) = 2 artanh(x / (2 + x)) = 2 Σ zᵏ / k over odd k.
        let z = self / (self + 2.0);
        let square = z.square();
        let (mut sum, mut power, mut k) = (z, z, 1.0);
        while power.hi.abs() > sum.hi.abs() * (Dd::EPSILON / 16.0) {
            power *= square;
            k += 2.0;
            sum += power / k;
        }
        sum * 2.0
    }

    /// `sin x`; NaN for `|x| > 10⁹`.
    #[must_use]
    pub fn sin(self) -> Dd {
        self.sin_cos().0
    }

    /// `cos x`; NaN for `|x| > 10⁹`.
    #[must_use]
    pub fn cos(self) -> Dd {
        self.sin_cos().1
    }

    /// `(sin x, cos x)`; NaN for `|x| > 10⁹`.
    #[must_use]
    pub fn sin_cos(self) -> (Dd, Dd) {
        if !self.is_finite() || self.hi.abs() > LARGEST_ANGLE {
            return (Dd::from(f64::NAN), Dd::from(f64::NAN));
        }
        let quarter = (self.hi / HALF_PI_PARTS[0]).round();
        let r = ((self - Dd::from(HALF_PI_PARTS[0]) * quarter)
            - Dd::from(HALF_PI_PARTS[1]) * quarter)
            - HALF_PI_PARTS[2] * quarter;
        let (s, c) = (alternating(r, 1), alternating(r, 0));
        match (quarter as i64).rem_euclid(4) {
            0 => (s, c),
            1 => (c, -s),
            2 => (-s, -c),
            _ => (-c, s),
        }
    }

    /// `tanh x`
    #[must_use]
    pub fn tanh(self) -> Dd {
        if self.hi.abs() > 40.0 {
            // 1 - tanh 40 < 10⁻³⁴
            return Dd::from(self.hi.signum());
        }
        let e = (self * 2.0).exp_m1();
        e / (e + 2.0)
    }

    /// `1 / (1 + e⁻ˣ)`
    #[must_use]
    pub fn sigmoid(self) -> Dd {
        let e = (-self.abs()).exp();
        let small = e / (e + 1.0);
        if self.hi < 0.0 { small } else { 1.0 - small }
    }

    /// `erf x = 2/√π ∫₀ˣ exp(-t²) dt`
    #[must_use]
    pub fn erf(self) -> Dd {
        if self.hi.abs() > ERF_SERIES_LIMIT {
            let tail = 1.0 - self.abs().erfc();
            return if self.hi < 0.0 { -tail } else { tail };
        }
        // 2 x exp(-x²) / √π · Σ (2x²)ᵏ / (1·3·5···(2k+1)), all terms positive (Abramowitz and Stegun, 7.1.6).
        let square = self.square();
        let twice = square * 2.0;
        let (mut term, mut sum, mut odd) = (Dd::ONE, Dd::ONE, 1.0);
        while term.hi > sum.hi * (Dd::EPSILON / 16.0) {
            odd += 2.0;
            term = term * twice / odd;
            sum += term;
        }
        Dd::FRAC_2_SQRT_PI * self * (-square).exp() * sum
    }

    /// `erfc x = 1 - erf x`, with a small relative error for positive arguments too; 0 above 26.2.
    #[must_use]
    pub fn erfc(self) -> Dd {
        if self.hi < 0.5 {
            return 1.0 - self.erf();
        }
        if self.hi > ERFC_LIMIT {
            return Dd::ZERO;
        }
        // exp(-x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))) (Abramowitz and Stegun, 7.1.14). For small x its
        // error falls like exp(-2 x √(2n)) in the number n of terms; for large x 40 terms are enough. Below 2 the
        // difference is cheaper, and loses two digits at most.
        if self.hi < 2.0 {
            return 1.0 - self.erf();
        }
        let terms = (0.5 * (44.0 / self.hi).powi(2)).ceil() as usize + 40;
        let mut tail = self;
        for k in (1..=terms).rev() {
            tail = self + 0.5 * k as f64 / tail;
        }
        (-self.square()).exp() * Dd::FRAC_2_SQRT_PI * 0.5 / tail
    }
}

/// `eʳ - 1` for `|r| <= ln 2 / 2`: a short series at `r / 2⁹`, then `s ← s (2 + s)` nine times.
fn reduced_exp_m1(r: Dd) -> Dd {
    let small = r.scale_by_power_of_two(-HALVINGS);
    let mut sum = INVERSE_FACTORIALS[EXP_TERMS];
    for n in (1..EXP_TERMS).rev() {
        sum = sum * small + INVERSE_FACTORIALS[n];
    }
    sum *= small;
    for _ in 0..HALVINGS {
        sum = sum * 2.0 + sum.square();
    }
    sum
}

/// `Σ (-1)ᵏ r^(2k + first) / (2k + first)!` for `|r| <= π/4`.
fn alternating(r: Dd, first: usize) -> Dd {
    let square = -r.square();
    let mut sum = Dd::ZERO;
    for n in (first..INVERSE_FACTORIALS.len())
        .rev()
        .filter(|n| n % 2 == first)
    {
        sum = sum * square + INVERSE_FACTORIALS[n];
    }
    if first == 1 { sum * r } else { sum }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Relative error, or absolute near zero.
    fn assert_close(value: Dd, expected: &str, what: &str) {
        let expected: Dd = expected.parse().unwrap();
        let error = ((value - expected) / expected).abs();
        assert!(
            error < 1e-30,
            "{what}: {value}, expected {expected}, error {error}"
        );
    }

    /// Values to 40 digits by mpmath.
    #[test]
    fn known_values() {
        type Row = (&'static str, fn(Dd) -> Dd, &'static [(f64, &'static str)]);
        #[rustfmt::skip]
        let table: &[Row] = &[
            ("exp", Dd::exp, &[
                (1.0, "2.718281828459045235360287471352662497757"),
                (-1.0, "3.678794411714423215955237701614608674458e-1"),
                (0.001, "1.001000500166708341688893262798302888729"),
                (0.34, "1.404947590563593831161363129299719008189"),
                (0.35, "1.41906754859325721676076634300762543285"),
                (-37.5, "5.175555005801868534851090705738829946025e-17"),
                (600.0, "3.773020300929939823401431193483135097183e+260"),
                (-300.25, "4.009422364622857039951283217028112774268e-131"),
            ]),
            ("exp_m1", Dd::exp_m1, &[
                (1e-10, "1.000000000050000036433863985807669644231e-10"),
                (-0.3, "-2.591817793182821257083917640553480151237e-1"),
                (0.25, "2.840254166877414840734205680624364583363e-1"),
                (5.0, "1.474131591025766034211155800405522796235e+2"),
            ]),
            ("ln", Dd::ln, &[
                (2.0, "6.931471805599453094172321214581765680755e-1"),
                (10.0, "2.302585092994045684017991454684364207601"),
                (0.1, "-2.302585092994045628506840223426538727163"),
                (1.0000001, "9.99999950583870451775160996834544912303e-8"),
                (1.3, "2.623642644674910861962044368857704421466e-1"),
                (0.76, "-2.74436845701760277505933080615505595116e-1"),
                (1e-200, "-4.605170185988091368214980285377900820844e+2"),
                (1e+200, "4.605170185988091367733314131493832027217e+2"),
            ]),
            ("ln_1p", Dd::ln_1p, &[
                (1e-12, "9.999999999994999798866479626090620527069e-13"),
                (-0.29, "-3.424903089467759185600291610066556615619e-1"),
                (0.29, "2.546422183735807313406207763625761991002e-1"),
                (7.0, "2.079441541679835928251696364374529704227"),
                (-0.875, "-2.079441541679835928251696364374529704227"),
            ]),
            ("sin", Dd::sin, &[
                (1.0, "8.414709848078965066525023216302989996226e-1"),
                (0.5, "4.794255386042030002732879352155713880818e-1"),
                (-2.0, "-9.092974268256816953960198659117448427023e-1"),
                (3.0, "1.411200080598672221007448028081102798469e-1"),
                (100.0, "-5.06365641109758793656557610459785432065e-1"),
                (1000000.0, "-3.499935021712929521176524867807714690614e-1"),
                (1e-08, "1.000000000000000004255894163461805045865e-8"),
            ]),
            ("cos", Dd::cos, &[
                (1.0, "5.403023058681397174009366074429766037323e-1"),
                (0.5, "8.775825618903727161162815826038296519916e-1"),
                (-2.0, "-4.16146836547142386997568229500762189766e-1"),
                (3.0, "-9.899924966004454572715727947312613023937e-1"),
                (100.0, "8.623188722876839341019385139508425355101e-1"),
                (1000000.0, "9.367521275331447869385325350749187757081e-1"),
            ]),
            ("tanh", Dd::tanh, &[
                (1e-09, "1.000000000000000061948258124446523023415e-9"),
                (0.1, "9.966799462495582261427704369862483325538e-2"),
                (0.5, "4.621171572600097585023184836436725487303e-1"),
                (1.0, "7.615941559557648881194582826047935904128e-1"),
                (-3.0, "-9.950547536867304513318801852554884750978e-1"),
                (20.0, "9.999999999999999915032914894168220454386e-1"),
            ]),
            ("sigmoid", Dd::sigmoid, &[
                (-30.0, "9.357622968839298953839562653284984111576e-14"),
                (-1.0, "2.689414213699951207488407581781637256349e-1"),
                (0.25, "5.62176500885798104027323637902946353838e-1"),
                (3.0, "9.525741268224332191211518482282477986138e-1"),
                (30.0, "9.999999999999064237703116070104616043735e-1"),
            ]),
            ("erf", Dd::erf, &[
                (1e-06, "1.128379167095136396445839291080152415381e-6"),
                (0.1, "1.124629160182848984047122510143040617234e-1"),
                (0.5, "5.204998778130465376827466538919645287365e-1"),
                (1.0, "8.427007929497148693412206350826092592961e-1"),
                (2.0, "9.953222650189527341620692563672529286109e-1"),
                (2.99, "9.999764743969193598046997244132325700881e-1"),
                (3.01, "9.99979261036362867366088285603418102332e-1"),
                (-4.0, "-9.99999984582742099719981147840326513116e-1"),
                (5.5, "9.999999999999926421520820256019369316376e-1"),
            ]),
            ("erfc", Dd::erfc, &[
                (0.25, "7.236736098317630670149317322351842879346e-1"),
                (2.5, "4.069520174449589395642157399749127203487e-4"),
                (3.0, "2.209049699858544137277612958232037984771e-5"),
                (6.0, "2.151973671249891311659335039918738463048e-17"),
                (10.0, "2.088487583762544757000786294957788611561e-45"),
                (25.0, "8.300172571196522752044012769513722768714e-274"),
            ]),
        ];
        for (name, f, values) in table {
            for &(x, expected) in *values {
                assert_close(f(Dd::from(x)), expected, &format!("{name}({x})"));
            }
        }
        for (constant, expected) in [
            (Dd::PI, "3.141592653589793238462643383279502884197"),
            (Dd::LN_2, "0.6931471805599453094172321214581765680755"),
            (Dd::E, "2.718281828459045235360287471352662497757"),
            (Dd::SQRT_2, "1.41421356237309504880168872420969807857"),
            (
                Dd::FRAC_1_SQRT_2,
                "0.7071067811865475244008443621048490392848",
            ),
            (
                Dd::FRAC_2_SQRT_PI,
                "1.128379167095512573896158903121545171688",
            ),
        ] {
            assert_close(constant, expected, "constant");
        }
    }

    proptest! {
        #[test]
        fn identities(x in -20.0..20.0f64, y in 0.01..1.0f64) {
            let (a, b) = (Dd::from(x) / 3.0, Dd::from(y) / 7.0);
            let tiny = 2e-30;
            prop_assert!((a.exp() * b.exp() / (a + b).exp() - 1.0).abs() < tiny);
            prop_assert!((b.ln().exp() / b - 1.0).abs() < tiny);
            prop_assert!((a.exp().ln() - a).abs() < tiny * (1.0 + x.abs()));
            let (s, c) = a.sin_cos();
            prop_assert!((s.square() + c.square() - 1.0).abs() < tiny);
            prop_assert!((s * b.cos() + c * b.sin() - (a + b).sin()).abs() < tiny);
            prop_assert!((a.tanh() - (a.exp() - (-a).exp()) / (a.exp() + (-a).exp())).abs() < tiny);
            prop_assert!((a.sigmoid() + (-a).sigmoid() - 1.0).abs() < tiny);
            prop_assert!((a.erf() + a.erfc() - 1.0).abs() < tiny);
            prop_assert!((b.ln_1p() - (b + 1.0).ln()).abs() < tiny);
        }
    }

    /// Both sides of every switch of formula agree.
    #[test]
    fn seams() {
        for x in [0.5, 2.0, 3.0] {
            let (below, above) = (Dd::from(x) - 1e-25, Dd::from(x) + 1e-25);
            let slope = Dd::FRAC_2_SQRT_PI * (-Dd::from(x).square()).exp();
            for f in [|v: Dd| 1.0 - v.erfc(), Dd::erf] {
                assert!((f(above) - f(below) - slope * 2e-25).abs() < 1e-30, "{x}");
            }
        }
    }

    #[test]
    fn outside_the_range() {
        assert_eq!(Dd::from(-800.0).exp(), Dd::ZERO);
        for value in [
            Dd::from(700.0).exp(),
            Dd::from(0.0).ln(),
            Dd::from(-1.0).ln(),
            Dd::from(2e9).sin(),
            Dd::from(f64::NAN).erf(),
            Dd::from(f64::INFINITY).exp(),
            Dd::from(f64::NAN).tanh(),
        ] {
            assert!(!value.is_finite(), "{value}");
        }
        assert_eq!(Dd::from(50.0).tanh(), Dd::ONE);
        assert_eq!(Dd::from(-30.0).erf(), -Dd::ONE);
    }
}
