//! Sums over slots and copies into slots, by rotations.

use girih_he::{Evaluator, Rotation};

use crate::{Error, Result};

/// `out[i] = Σ_{0 <= j < count} x[(i + j · stride) mod slots]`.
///
/// Takes `⌊log₂ count⌋` rotations and sums for powers of two, at most twice as many otherwise, and no
/// level.
///
/// # Errors
/// `count` is zero or larger than the number of slots, or a rotation key is missing.
pub fn rotate_and_sum<E: Evaluator>(
    eval: &E,
    x: &E::Ciphertext,
    count: usize,
    stride: i32,
) -> Result<E::Ciphertext> {
    if !(1..=eval.slots()).contains(&count) {
        return Err(Error::Count {
            op: "rotate_and_sum",
            count,
            slots: eval.slots(),
        });
    }
    let by = |terms: usize| {
        let r = (terms as i128 * i128::from(stride)).rem_euclid(eval.slots() as i128);
        Rotation(i32::try_from(r).unwrap_or(0))
    };
    // From the highest bit of `count` down: double the sum, then append one term if the bit is set.
    let mut sum = x.clone();
    for bit in (0..count.ilog2()).rev() {
        let terms = count >> (bit + 1);
        sum = eval.add(&sum, &eval.rotate(&sum, by(terms))?)?;
        if (count >> bit) & 1 == 1 {
            sum = eval.add(x, &eval.rotate(&sum, by(1))?)?;
        }
    }
    Ok(sum)
}

/// The multiples of the stride by which [`rotate_and_sum`] rotates, in order.
pub(crate) fn rotation_steps(count: usize) -> Vec<usize> {
    let mut steps = Vec::new();
    for bit in (0..count.max(1).ilog2()).rev() {
        steps.push(count >> (bit + 1));
        if (count >> bit) & 1 == 1 {
            steps.push(1);
        }
    }
    steps
}

/// `out[i] = Σ_{0 <= j < count} x[(i - j · stride) mod slots]`: copies every value that is followed by
/// zeros to the `count - 1` places after it, `stride` apart.
///
/// # Errors
/// As [`rotate_and_sum`].
pub fn replicate<E: Evaluator>(
    eval: &E,
    x: &E::Ciphertext,
    count: usize,
    stride: i32,
) -> Result<E::Ciphertext> {
    rotate_and_sum(eval, x, count, stride.wrapping_neg()).map_err(|e| match e {
        Error::Count { count, slots, .. } => Error::Count {
            op: "replicate",
            count,
            slots,
        },
        e => e,
    })
}

/// The sum of all slots, in every slot.
///
/// # Errors
/// As [`rotate_and_sum`].
pub fn sum_slots<E: Evaluator>(eval: &E, x: &E::Ciphertext) -> Result<E::Ciphertext> {
    rotate_and_sum(eval, x, eval.slots(), 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use girih_he::{ClearEvaluator, Recorder};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_and_copies(
            x in prop::collection::vec(-1.0..1.0f64, 24),
            count in 1usize..=24,
            stride in -30i32..30,
        ) {
            let eval = ClearEvaluator::unlimited(24);
            let v = eval.vector(&x).unwrap();
            let sum = rotate_and_sum(&eval, &v, count, stride).unwrap();
            let copies = replicate(&eval, &v, count, stride).unwrap();
            for i in 0..24i32 {
                let at = |j: i32| x[(i + j * stride).rem_euclid(24) as usize];
                let expected: f64 = (0..count as i32).map(at).sum();
                prop_assert!((sum.values()[i as usize] - expected).abs() < 1e-12);
                let expected: f64 = (0..count as i32).map(|j| at(-j)).sum();
                prop_assert!((copies.values()[i as usize] - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn powers_of_two_take_one_rotation_per_bit() {
        let rec = Recorder::new("sum", 64);
        let x = rec.input("x").unwrap();
        sum_slots(&rec, &x).unwrap();
        assert_eq!(rec.len() - 1, 2 * 6);
    }

    #[test]
    fn copies_of_isolated_values() {
        let eval = ClearEvaluator::unlimited(8);
        let x = eval.vector(&[1.0, 0.0, 0.0, 0.0, 2.0]).unwrap();
        let y = replicate(&eval, &x, 3, 1).unwrap();
        assert_eq!(y.values(), [1.0, 1.0, 1.0, 0.0, 2.0, 2.0, 2.0, 0.0]);
        for count in [0, 9] {
            assert!(matches!(
                replicate(&eval, &x, count, 1),
                Err(Error::Count {
                    op: "replicate",
                    ..
                })
            ));
        }
    }
}
