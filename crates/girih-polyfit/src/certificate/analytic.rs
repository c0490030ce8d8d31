//! How well polynomials can approximate a function, from its size in the complex plane.
//!
//! A function that is analytic and at most `M` in modulus inside the Bernstein ellipse with parameter `ρ` (foci at
//! the ends of the interval, semi-axes `r (ρ ± 1/ρ) / 2`) has a polynomial of degree `n` within `2 M ρ⁻ⁿ / (ρ - 1)`
//! (Trefethen, Approximation Theory and Approximation Practice, theorem 8.2).

use std::f64::consts::{FRAC_2_SQRT_PI, FRAC_PI_2, PI};

use crate::Function;

/// Ellipses tried.
const RHO: [f64; 9] = [1.2, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0];
/// Upward rounding of a bound that is computed with a few dozen operations.
const UPWARD: f64 = 1.0 + 1e-12;
/// Coefficient of `x³` in the tanh form of gelu.
const GELU_CUBIC: f64 = 0.044_715;
/// `√(2/π)`
const ROOT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;

/// The smallest degree known to allow an error of `tolerance` on `[lo, hi]`, where the function has no break; `None` if
/// no ellipse around it is free of singularities.
pub(super) fn sufficient_degree(f: Function, lo: f64, hi: f64, tolerance: f64) -> Option<usize> {
    if !f.breaks().is_empty() {
        // Piecewise linear.
        return Some(1);
    }
    let (center, radius) = ((lo + hi) / 2.0, (hi - lo) / 2.0);
    RHO.iter()
        .filter_map(|&rho| {
            let along = radius * (rho + 1.0 / rho) / 2.0 * UPWARD;
            let across = radius * (rho - 1.0 / rho) / 2.0 * UPWARD;
            let modulus = modulus_bound(f, center - along, center + along, across)?;
            let degree = (2.0 * modulus * UPWARD / ((rho - 1.0) * tolerance)).ln() / rho.ln();
            degree
                .is_finite()
                .then(|| degree.max(0.0).ceil() as usize + 1)
        })
        .min()
}

/// A bound of `|f|` for real parts in `[lo, hi]` and imaginary parts up to `im`, if there is no singularity.
fn modulus_bound(f: Function, lo: f64, hi: f64, im: f64) -> Option<f64> {
    let modulus = lo.abs().max(hi.abs()).hypot(im);
    let bound = match f {
        // |1 + e⁻ᶻ| >= 1 if the angle of e⁻ᶻ is at most π/2, and >= its sine up to π.
        Function::Sigmoid => sigmoid_bound(im)?,
        Function::Tanh => 1.0 + 2.0 * sigmoid_bound(2.0 * im)?,
        Function::Silu => modulus * sigmoid_bound(im)?,
        Function::Softplus if im <= FRAC_PI_2 => Function::Softplus.eval(hi) + FRAC_PI_2,
        Function::Erf => erf_bound(im),
        Function::Gelu => modulus / 2.0 * (1.0 + erf_bound(im * std::f64::consts::FRAC_1_SQRT_2)),
        Function::GeluTanh => {
            let x = lo.abs().max(hi.abs());
            let angle = ROOT_2_OVER_PI * (im + GELU_CUBIC * (3.0 * x * x * im + im * im * im));
            modulus * sigmoid_bound(2.0 * angle * UPWARD)?
        }
        Function::Exp => hi.exp(),
        Function::Log if lo > 0.0 => lo.ln().abs().max(modulus.ln().abs()) + FRAC_PI_2,
        Function::Reciprocal if lo > 0.0 || hi < 0.0 => 1.0 / lo.abs().min(hi.abs()),
        Function::Sqrt if lo > 0.0 => modulus.sqrt(),
        Function::InverseSqrt if lo > 0.0 => 1.0 / lo.sqrt(),
        _ => return None,
    };
    bound.is_finite().then_some(bound * UPWARD)
}

fn sigmoid_bound(im: f64) -> Option<f64> {
    if im <= FRAC_PI_2 {
        Some(1.0)
    } else if im < 0.99 * PI {
        Some(1.0 / im.sin())
    } else {
        None
    }
}

/// `|erf(x + iy)| <= 1 + 2/√π ∫₀^y exp(t² - x²) dt <= 1 + 2/√π y exp(y²)`
fn erf_bound(im: f64) -> f64 {
    1.0 + FRAC_2_SQRT_PI * im * (im * im).exp()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Error, Interval, Remez};

    /// The degree promised is enough: the minimax error at it is below the tolerance.
    #[test]
    fn promises_are_kept() {
        for (f, lo, hi) in [
            (Function::Sigmoid, -3.0, 5.0),
            (Function::Tanh, -1.0, 2.0),
            (Function::Gelu, -4.0, 4.0),
            (Function::GeluTanh, -1.0, 2.0),
            (Function::Silu, -4.0, 4.0),
            (Function::Softplus, -2.0, 3.0),
            (Function::Erf, -2.0, 2.0),
            (Function::Exp, -3.0, 1.0),
            (Function::Log, 0.5, 2.0),
            (Function::Reciprocal, 0.5, 2.0),
            (Function::Reciprocal, -2.0, -0.5),
            (Function::Sqrt, 0.5, 2.0),
            (Function::InverseSqrt, 0.5, 2.0),
        ] {
            let interval = Interval::try_new(lo, hi).unwrap();
            for tolerance in [1e-3, 1e-9] {
                let degree = sufficient_degree(f, lo, hi, tolerance).unwrap();
                match Remez::function(f, interval, degree).unwrap().solve() {
                    Ok(best) => assert!(best.error <= tolerance, "{f} {degree}: {:e}", best.error),
                    // Far more than enough.
                    Err(Error::PrecisionExhausted { .. }) => {}
                    Err(e) => panic!("{f} {degree}: {e}"),
                }
                // And not absurdly many: the ellipse has to avoid more than the nearest pole.
                let less = Remez::function(f, interval, degree / 8)
                    .unwrap()
                    .solve()
                    .unwrap();
                assert!(less.error > tolerance, "{f} {degree}");
            }
        }
        assert_eq!(sufficient_degree(Function::Relu, 0.0, 4.0, 1e-9), Some(1));
        assert_eq!(sufficient_degree(Function::Sqrt, 0.0, 4.0, 1e-9), None);
    }
}
