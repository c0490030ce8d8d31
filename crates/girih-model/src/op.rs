//! The closed list of operators that a [`Graph`](crate::Graph) may hold.
//!
//! Every formula below is for one item of the batch: shapes leave the batch dimension out.

use ndarray::{Array1, Array2, Array4, ArrayD};

/// One operator with its constants.
///
/// Constants are finite `f64` values; the shape rules are in [`shape::infer`](crate::shape::infer).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// The graph's input; it has no operands.
    Input,
    /// `y[o,i,j] = b[o] + sum_{c,u,v} w[o,c,u,v] x[g(o)+c, s_h i + d_h u - top, s_w j + d_w v - left]`, zero outside the image.
    ///
    /// Operand `[in, h, w]`, result `[out, h', w']` with `h' = (h + top + bottom - d_h (kh - 1) - 1) / s_h + 1`, rounded
    /// down. Filter `o` reads the `in / groups` channels from `g(o) = (o groups / out) in / groups`.
    Conv2d {
        /// Taps `[out, in / groups, kh, kw]`.
        weight: Array4<f64>,
        /// One value per output channel.
        bias: Option<Array1<f64>>,
        /// Steps `[s_h, s_w]`, at least 1.
        stride: [usize; 2],
        /// Zero border `[top, left, bottom, right]`.
        pad: [usize; 4],
        /// Distances `[d_h, d_w]` of neighbouring taps, at least 1.
        dilation: [usize; 2],
        /// Divides `in` and `out`.
        groups: usize,
    },
    /// `y[g(c)+o, s_h i + d_h u - top, s_w j + d_w v - left] += w[c,o,u,v] x[c,i,j]`, upon `b`: the adjoint of [`Op::Conv2d`].
    ///
    /// Operand `[in, h, w]`, result `[out, h', w']` with `h' = s_h (h - 1) + d_h (kh - 1) + 1 + extra_h - top - bottom`.
    /// Channel `c` adds to the `out / groups` channels from `g(c) = (c groups / in) out / groups`.
    ConvTranspose2d {
        /// Taps `[in, out / groups, kh, kw]`.
        weight: Array4<f64>,
        /// One value per output channel.
        bias: Option<Array1<f64>>,
        /// Steps `[s_h, s_w]`, at least 1.
        stride: [usize; 2],
        /// Lines cut off the result `[top, left, bottom, right]`.
        pad: [usize; 4],
        /// Distances `[d_h, d_w]` of neighbouring taps, at least 1.
        dilation: [usize; 2],
        /// Lines `[extra_h, extra_w]` added behind the last, each less than the step or the dilation.
        extra: [usize; 2],
        /// Divides `in` and `out`.
        groups: usize,
    },
    /// `y = W x + b`, operand `[in]`, result `[out]`.
    Dense {
        /// Matrix `[out, in]`.
        weight: Array2<f64>,
        /// One value per output.
        bias: Option<Array1<f64>>,
    },
    /// `y[c,i,j] = (sum of the window of x[c]) / d`.
    ///
    /// Operand `[c, h, w]`, result `[c, h', w']` with the sizes of [`Op::Conv2d`]. The divisor `d` is `kh kw` if
    /// `count_include_pad`, else the number of window positions inside the image. Every window meets the image.
    AvgPool {
        /// Window `[kh, kw]`.
        kernel: [usize; 2],
        /// Steps `[s_h, s_w]`, at least 1.
        stride: [usize; 2],
        /// Zero border `[top, left, bottom, right]`, each less than the window.
        pad: [usize; 4],
        /// Whether the border counts in the divisor.
        count_include_pad: bool,
    },
    /// `y[c,0,0] = mean of x[c]`, operand `[c, h, w]`, result `[c, 1, 1]`.
    GlobalAvgPool,
    /// `y[c,..] = scale[c] x[c,..] + shift[c]` along the first dimension; any operand of rank at least 1.
    Affine {
        /// Factor per channel.
        scale: Array1<f64>,
        /// Summand per channel.
        shift: Array1<f64>,
    },
    /// `y = scale ∘ x + shift`, position by position; both constants have the operand's shape.
    Elementwise {
        /// Factor per position.
        scale: ArrayD<f64>,
        /// Summand per position.
        shift: ArrayD<f64>,
    },
    /// `y = a + b`, operands of one shape.
    Add,
    /// `y = a - b`, operands of one shape.
    Sub,
    /// `y = a ∘ b`, operands of one shape.
    Mul,
    /// `y = x^k` position by position, `k >= 1`. The square is `PowInt(2)`.
    PowInt(u32),
    /// `y = sum_i c_i x^i` position by position, coefficients from the constant term upwards, at least one.
    Polynomial(Vec<f64>),
    /// A function that is no polynomial; a compiler replaces it by one on a calibrated range.
    Activation(ActivationKind),
    /// `[d_0, .., d_r]` to `[d_0 .. d_r]`, row-major.
    Flatten,
    /// The same values, row-major, in another shape (batch left out) of the same size.
    Reshape(Vec<usize>),
    /// `y.shape[i] = x.shape[perm[i]]`, dimensions counted without the batch.
    Transpose(Vec<usize>),
    /// `y = x`.
    Identity,
}

/// The functions behind [`Op::Activation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActivationKind {
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `(e^x - e^-x) / (e^x + e^-x)`.
    Tanh,
    /// `x Phi(x) = x (1 + erf(x / sqrt 2)) / 2`, the exact form.
    Gelu,
    /// `x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2`.
    GeluTanh,
}

impl ActivationKind {
    /// `f(x)` in double precision.
    #[must_use]
    pub fn eval(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Sigmoid => {
                // The exponential of a negative number never overflows.
                if x >= 0.0 {
                    1.0 / (1.0 + (-x).exp())
                } else {
                    let e = x.exp();
                    e / (1.0 + e)
                }
            }
            Self::Tanh => x.tanh(),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
        }
    }

    /// The operator's name as a model file spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::Gelu => "Gelu",
            Self::GeluTanh => "GeluTanh",
        }
    }
}

impl Op {
    /// The operator's name, one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "Input",
            Self::Conv2d { .. } => "Conv2d",
            Self::ConvTranspose2d { .. } => "ConvTranspose2d",
            Self::Dense { .. } => "Dense",
            Self::AvgPool { .. } => "AvgPool",
            Self::GlobalAvgPool => "GlobalAvgPool",
            Self::Affine { .. } => "Affine",
            Self::Elementwise { .. } => "Elementwise",
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::PowInt(_) => "PowInt",
            Self::Polynomial(_) => "Polynomial",
            Self::Activation(kind) => kind.name(),
            Self::Flatten => "Flatten",
            Self::Reshape(_) => "Reshape",
            Self::Transpose(_) => "Transpose",
            Self::Identity => "Identity",
        }
    }

    /// The number of operands.
    #[must_use]
    pub fn arity(&self) -> usize {
        match self {
            Self::Input => 0,
            Self::Add | Self::Sub | Self::Mul => 2,
            _ => 1,
        }
    }

    /// The number of constants the operator carries (weights, biases, factors, coefficients).
    #[must_use]
    pub fn parameters(&self) -> usize {
        match self {
            Self::Conv2d { weight, bias, .. } | Self::ConvTranspose2d { weight, bias, .. } => {
                weight.len() + bias.as_ref().map_or(0, Array1::len)
            }
            Self::Dense { weight, bias } => weight.len() + bias.as_ref().map_or(0, Array1::len),
            Self::Affine { scale, shift } => scale.len() + shift.len(),
            Self::Elementwise { scale, shift } => scale.len() + shift.len(),
            Self::Polynomial(c) => c.len(),
            _ => 0,
        }
    }
}

/// `erf(x) = 2/sqrt(pi) int_0^x e^{-t^2} dt`, absolute error below 2e-15.
///
/// For `|x| < 3` the series `2/sqrt(pi) e^{-x^2} sum_n 2^n x^{2n+1} / (2n+1)!!`, which has no cancellation; beyond that
/// the continued fraction of `erfc` (Abramowitz and Stegun 7.1.6 and 7.1.14).
#[must_use]
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    let value = if a < 3.0 {
        let mut term = a;
        let mut sum = a;
        let mut n = 1.0;
        while term > sum * 1e-17 && n < 200.0 {
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp() * sum
    } else if a < 6.0 {
        // erfc(a) = e^{-a^2} / sqrt(pi) * 1 / (a + (1/2) / (a + 1 / (a + (3/2) / (a + ..))))
        let mut tail = a;
        for k in (1..=60).rev() {
            tail = a + 0.5 * f64::from(k) / tail;
        }
        1.0 - (-a * a).exp() / (std::f64::consts::PI.sqrt() * tail)
    } else {
        1.0
    };
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers to 15 or 16 digits (Abramowitz and Stegun, table 7.1, continued with mpmath at 30 digits).
    #[test]
    fn erf_matches_known_answers() {
        let table = [
            (0.0, 0.0),
            (0.1, 0.1124629160182849),
            (0.5, 0.5204998778130465),
            (1.0, 0.8427007929497149),
            (2.0, 0.9953222650189527),
            (2.9, 0.9999589021219005),
            (3.0, 0.9999779095030014),
            (3.5, 0.9999992569016276),
            (5.0, 0.9999999999984626),
        ];
        for (x, want) in table {
            for sign in [1.0, -1.0] {
                let got = erf(sign * x);
                assert!(
                    (got - sign * want).abs() < 2e-15,
                    "erf({}) = {got}, want {}",
                    sign * x,
                    sign * want
                );
            }
        }
        assert_eq!(erf(f64::INFINITY), 1.0);
        assert_eq!(erf(-40.0), -1.0);
        assert!(erf(f64::NAN).is_nan());
    }

    #[test]
    fn erf_is_continuous_where_the_formula_changes() {
        for x in [3.0_f64, 6.0] {
            assert!((erf(x.next_down()) - erf(x)).abs() < 4e-16);
        }
    }

    #[test]
    fn activations_have_their_limits() {
        use ActivationKind::{Gelu, GeluTanh, Relu, Sigmoid, Tanh};
        for (kind, at_minus, at_zero) in [
            (Relu, 0.0, 0.0),
            (Sigmoid, 0.0, 0.5),
            (Tanh, -1.0, 0.0),
            (Gelu, 0.0, 0.0),
            (GeluTanh, 0.0, 0.0),
        ] {
            assert!((kind.eval(-800.0) - at_minus).abs() < 1e-12, "{kind:?}");
            assert_eq!(kind.eval(0.0), at_zero, "{kind:?}");
            assert!(kind.eval(800.0).is_finite(), "{kind:?}");
        }
        assert!((Gelu.eval(1.0) - 0.8413447460685429).abs() < 1e-15);
        assert!((GeluTanh.eval(1.0) - 0.841191990607477).abs() < 1e-12);
    }
}
