//! Double-double numbers: 106 bits of mantissa in two f64, without fused operations.
//!
//! Algorithms of Dekker (1971) and Knuth (two-sum, split product). Only additions, products and correctly rounded
//! square roots of f64 are used, so results are the same on every processor.

/// `hi + lo` with `|lo| <= ulp(hi) / 2`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Dd {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

/// A complex number of [`Dd`] parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Complex {
    pub(crate) re: Dd,
    pub(crate) im: Dd,
}

/// 2^27 + 1, which splits a 53-bit mantissa in two halves.
const SPLITTER: f64 = 134_217_729.0;

impl Dd {
    pub(crate) const fn new(hi: f64) -> Dd {
        Dd { hi, lo: 0.0 }
    }

    pub(crate) fn add(self, rhs: Dd) -> Dd {
        let (s, e) = two_sum(self.hi, rhs.hi);
        let (t, f) = two_sum(self.lo, rhs.lo);
        let (s, e) = quick_two_sum(s, e + t);
        let (hi, lo) = quick_two_sum(s, e + f);
        Dd { hi, lo }
    }

    pub(crate) fn neg(self) -> Dd {
        Dd {
            hi: -self.hi,
            lo: -self.lo,
        }
    }

    pub(crate) fn sub(self, rhs: Dd) -> Dd {
        self.add(rhs.neg())
    }

    pub(crate) fn mul(self, rhs: Dd) -> Dd {
        let (p, e) = two_product(self.hi, rhs.hi);
        let (hi, lo) = quick_two_sum(p, e + (self.hi * rhs.lo + self.lo * rhs.hi));
        Dd { hi, lo }
    }

    pub(crate) fn scale(self, factor: f64) -> Dd {
        self.mul(Dd::new(factor))
    }

    /// One Newton step from the f64 root; the argument is positive.
    fn sqrt(self) -> Dd {
        let root = self.hi.sqrt();
        let (square, e) = two_product(root, root);
        let rest = self.sub(Dd { hi: square, lo: e });
        let (hi, lo) = quick_two_sum(root, rest.hi / (2.0 * root));
        Dd { hi, lo }
    }

    /// One correction step to the f64 quotient.
    fn div(self, rhs: Dd) -> Dd {
        let q = self.hi / rhs.hi;
        let rest = self.sub(rhs.scale(q));
        let (hi, lo) = quick_two_sum(q, rest.hi / rhs.hi);
        let rest = self.sub(rhs.mul(Dd { hi, lo }));
        Dd { hi, lo }.add(Dd::new(rest.hi / rhs.hi))
    }

    /// The nearest integer; the magnitude must be below 2^126.
    pub(crate) fn round(self) -> i128 {
        let whole = self.hi.round();
        let rest = (self.hi - whole) + self.lo;
        whole as i128 + rest.round() as i128
    }
}

impl Complex {
    pub(crate) const ONE: Complex = Complex {
        re: Dd::new(1.0),
        im: Dd::new(0.0),
    };

    pub(crate) fn add(self, rhs: Complex) -> Complex {
        Complex {
            re: self.re.add(rhs.re),
            im: self.im.add(rhs.im),
        }
    }

    pub(crate) fn sub(self, rhs: Complex) -> Complex {
        Complex {
            re: self.re.sub(rhs.re),
            im: self.im.sub(rhs.im),
        }
    }

    pub(crate) fn mul(self, rhs: Complex) -> Complex {
        Complex {
            re: self.re.mul(rhs.re).sub(self.im.mul(rhs.im)),
            im: self.re.mul(rhs.im).add(self.im.mul(rhs.re)),
        }
    }

    pub(crate) fn conj(self) -> Complex {
        Complex {
            re: self.re,
            im: self.im.neg(),
        }
    }
}

/// `exp(2 pi i e / order)` for a power of two `order`, in two table look-ups and one product.
pub(crate) struct Roots {
    order: usize,
    low_bits: u32,
    low: Vec<Complex>,
    high: Vec<Complex>,
}

impl Roots {
    /// # Panics
    /// If `order` is not a power of two of at least 4.
    pub(crate) fn new(order: usize) -> Roots {
        assert!(
            order.is_power_of_two() && order >= 4,
            "roots of unity of a power-of-two order"
        );
        let bits = order.trailing_zeros();
        // halving[k] = exp(2 pi i / 2^k)
        let mut halving = vec![Complex::ONE; bits as usize + 1];
        halving[1].re = Dd::new(-1.0);
        halving[2] = Complex {
            re: Dd::default(),
            im: Dd::new(1.0),
        };
        for k in 3..=bits as usize {
            let Complex {
                re: cosine,
                im: sine,
            } = halving[k - 1];
            let re = cosine.add(Dd::new(1.0)).scale(0.5).sqrt();
            halving[k] = Complex {
                re,
                im: sine.div(re.scale(2.0)),
            };
        }
        let low_bits = bits / 2;
        // Doubling: the second half of a table is the first half times one root.
        let table = |count: u32, root_of_bit: &dyn Fn(u32) -> Complex| {
            let mut roots = vec![Complex::ONE];
            for bit in 0..count {
                let root = root_of_bit(bit);
                for i in 0..roots.len() {
                    roots.push(roots[i].mul(root));
                }
            }
            roots
        };
        let low = table(low_bits, &|bit| halving[(bits - bit) as usize]);
        let high = table(bits - low_bits, &|bit| {
            halving[(bits - low_bits - bit) as usize]
        });
        Roots {
            order,
            low_bits,
            low,
            high,
        }
    }

    pub(crate) fn get(&self, exponent: usize) -> Complex {
        let e = exponent & (self.order - 1);
        self.high[e >> self.low_bits].mul(self.low[e & ((1 << self.low_bits) - 1)])
    }
}

fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

fn quick_two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    (s, b - (s - a))
}

fn two_product(a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    let (ah, al) = halves(a);
    let (bh, bl) = halves(b);
    (p, ((ah * bh - p) + ah * bl + al * bh) + al * bl)
}

fn halves(a: f64) -> (f64, f64) {
    let t = SPLITTER * a;
    let hi = t - (t - a);
    (hi, a - hi)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_on_the_circle_to_a_hundred_bits() {
        let roots = Roots::new(1 << 18);
        for e in (0..1 << 18).step_by(1021) {
            let root = roots.get(e);
            let norm = root
                .re
                .mul(root.re)
                .add(root.im.mul(root.im))
                .sub(Dd::new(1.0));
            assert!(norm.hi.abs() < 1e-29, "{e}: {norm:?}");
            let back = root.mul(roots.get((1 << 18) - e)).sub(Complex::ONE);
            assert!(
                back.re.hi.abs() < 1e-29 && back.im.hi.abs() < 1e-29,
                "{e}: {back:?}"
            );
            let angle = std::f64::consts::TAU * e as f64 / f64::from(1 << 18);
            assert!(
                (root.re.hi - angle.cos()).abs() < 1e-15
                    && (root.im.hi - angle.sin()).abs() < 1e-15
            );
        }
    }

    #[test]
    fn a_known_root() {
        // cos(pi/4) = 0.70710678118654752440084436210484903928483593768847...
        let half = Roots::new(8).get(1);
        assert_eq!(half.re.hi, std::f64::consts::FRAC_1_SQRT_2);
        assert!((half.re.lo - -4.833_646_656_726_457e-17).abs() < 1e-31);
    }

    #[test]
    fn rounding_keeps_all_bits() {
        let big = Dd {
            hi: 2f64.powi(100),
            lo: 0.0,
        }
        .add(Dd::new(12_345.0))
        .add(Dd::new(0.25));
        assert_eq!(big.round(), (1i128 << 100) + 12_345);
        assert_eq!(Dd::new(-2.75).round(), -3);
        assert_eq!(
            Dd {
                hi: 2f64.powi(60),
                lo: -0.75
            }
            .round(),
            (1i128 << 60) - 1
        );
    }
}
