//! Shared by the tests of this crate: a profile, a generator, random circuits.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use crate::{Evaluator, GiantStep, HeProfile, NoiseProfile, Primitive, Result, Rotation};

/// A profile with 2^40 scales and round prices that grow with the level.
pub(crate) fn profile(slots: usize, top: u8) -> HeProfile {
    let levels = top as usize + 1;
    let seconds = Primitive::ALL
        .iter()
        .enumerate()
        .map(|(i, &p)| {
            (
                p,
                (0..levels)
                    .map(|l| (i + 1) as f64 * 1e-3 * (l + 1) as f64)
                    .collect(),
            )
        })
        .collect::<BTreeMap<_, Vec<f64>>>();
    HeProfile {
        bootstrapping: None,
        slots,
        log_scale: vec![40.0; levels],
        threads: 1,
        seconds,
        together: BTreeMap::new(),
        base_bytes: 0,
        spare_bytes: 0,
        ciphertext_bytes: (0..levels as u64).map(|l| 1000 * (l + 1)).collect(),
        plaintext_bytes: (0..levels as u64).map(|l| 500 * (l + 1)).collect(),
        lazy_plaintext_bytes: (0..levels as u64).map(|l| 500 * (l + 2)).collect(),
        key_bytes: (0..levels as u64).map(|l| 9000 * (l + 2)).collect(),
        noise: NoiseProfile {
            fresh: 800.0,
            encoding: 20.0,
            rescale: 400.0,
            key_switch: 500.0,
        },
    }
}

/// A linear congruential generator (Knuth's MMIX constants), enough for test data.
pub(crate) struct Lcg(u64);

impl Lcg {
    pub(crate) fn new(seed: u64) -> Self {
        Lcg(seed.wrapping_mul(2).wrapping_add(1))
    }

    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }

    /// Uniform on `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        self.next() as f64 / 4_294_967_296.0
    }

    /// Standard normal, as a sum of twelve uniforms.
    pub(crate) fn gaussian(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// A circuit of random operations on two inputs; each step reads three numbers. Values stay moderate
/// because products are with bounded constants or of inputs.
pub(crate) fn circuit<E: Evaluator>(
    eval: &E,
    inputs: [E::Ciphertext; 2],
    script: &[[u8; 3]],
) -> Result<Vec<E::Ciphertext>> {
    let mut values: Vec<E::Ciphertext> = inputs.to_vec();
    for (i, &[op, x, y]) in script.iter().enumerate() {
        let a = values[x as usize % values.len()].clone();
        let b = values[y as usize % values.len()].clone();
        let by = Rotation(i32::from(y as i8));
        let w = eval.constant(
            &format!("w \"{}\"", y % 5),
            &[f64::from(y % 5) / 8.0, -0.5, 0.25],
        )?;
        let result = match op % 16 {
            0 => eval.add(&a, &b),
            1 => eval.sub(&a, &b),
            2 => eval.neg(&a),
            3 => eval.add_plain(&a, &w),
            4 => eval.mul_plain(&a, &w),
            5 => eval.add_scalar(&a, f64::from(y) / 300.0),
            6 => eval.mul_scalar(&a, f64::from(y as i8) / 256.0),
            7 => eval.mul(&values[0], &values[1]),
            8 => eval.rotate(&a, by),
            9 => eval.conjugate(&a),
            10 => eval.dot_plain(&[(&a, &w), (&b, &w)]),
            11 => eval.dot(&[(&values[0], &values[1]), (&values[1], &values[1])]),
            12 => eval.sum_rotated(&[(&a, by), (&b, Rotation(0)), (&a, Rotation(1))]),
            13 => eval.dot_affine(
                &[(&values[0], &values[1])],
                &[(&a, f64::from(y) / 200.0), (&b, -0.5)],
                f64::from(x) / 100.0,
            ),
            14 => {
                let step = |by, first| GiantStep {
                    by,
                    terms: vec![(first, by, &w), (&b, Rotation(1), &w)],
                };
                eval.sum_rotated_products(&[step(by, &a), step(Rotation(0), &b)])
            }
            _ => {
                let many = eval.rotate_many(&a, &[Rotation(1), by, Rotation(0), Rotation(1)])?;
                many.into_iter()
                    .next_back()
                    .ok_or(crate::Error::EmptySum { op: "test" })
            }
        };
        let _ = i;
        values.push(result?);
    }
    Ok(values)
}
