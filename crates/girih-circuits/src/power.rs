//! Integer powers in optimal depth.

use std::collections::BTreeSet;

use girih_he::Evaluator;
use girih_polyfit::Basis;
use girih_polyfit::plan::Chain;

use crate::polynomial::chain;
use crate::{Error, Result};

/// Largest exponent offered.
pub const MAX_EXPONENT: usize = 1 << 16;

/// `x^k` in every slot, in `⌈log₂ k⌉` levels and at most `2 log₂ k` products.
///
/// # Errors
/// An exponent of 0 or above [`MAX_EXPONENT`], or the evaluator refuses a product.
pub fn power<E: Evaluator>(eval: &E, x: &E::Ciphertext, exponent: usize) -> Result<E::Ciphertext> {
    if !(1..=MAX_EXPONENT).contains(&exponent) {
        return Err(Error::Exponent {
            exponent,
            max: MAX_EXPONENT,
        });
    }
    let needed = Chain::new(Basis::Power, BTreeSet::from([exponent]));
    let powers = chain(eval, &needed, x)?;
    Ok(powers[&exponent].clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use girih_he::{Auto, ClearEvaluator, Level, Recorder};

    #[test]
    fn powers_have_logarithmic_depth_and_size() {
        for k in 1..=130usize {
            let depth = k.next_power_of_two().trailing_zeros() as u8;
            let eval = Auto::new(ClearEvaluator::leveled(2, Level(depth)));
            let x = eval.inner().vector(&[1.01, -0.9]).unwrap();
            let y = power(&eval, &x, k).unwrap();
            for (&x, &y) in x.values().iter().zip(y.values()) {
                assert!((y - x.powi(k as i32)).abs() < 1e-12, "{k}");
            }
            assert_eq!(eval.remaining(&y), 0, "{k}");

            let rec = Recorder::new("power", 2);
            let x = rec.input("x").unwrap();
            power(&rec, &x, k).unwrap();
            let products = rec.len() - 1;
            assert!(products <= 2 * k.ilog2() as usize, "{k}: {products}");
        }
    }

    #[test]
    fn exponents_out_of_range_are_refused() {
        let eval = ClearEvaluator::unlimited(1);
        let x = eval.vector(&[1.0]).unwrap();
        for k in [0, MAX_EXPONENT + 1] {
            assert!(matches!(power(&eval, &x, k), Err(Error::Exponent { .. })));
        }
    }
}
