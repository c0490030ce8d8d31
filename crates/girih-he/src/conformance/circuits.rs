//! The operations that the suite runs.

use crate::{GiantStep, Level, Leveled, Result, Rotation};

/// An operation written once for the subject and the oracle.
pub(super) trait Circuit {
    fn run<E: Leveled>(
        &self,
        eval: &E,
        x: &[E::Ciphertext; 3],
        w: &[E::Plaintext; 2],
        by: &[Rotation],
    ) -> Result<Vec<E::Ciphertext>>;
}

/// `circuit!(Name, |eval, x, w, by| results)`: ciphertexts `x`, constants `w`, rotations `by`.
macro_rules! circuit {
    ($name:ident, |$eval:ident, $x:ident, $w:pat_param, $by:pat_param| $body:expr) => {
        pub(super) struct $name;
        impl Circuit for $name {
            fn run<E: Leveled>(
                &self,
                $eval: &E,
                $x: &[E::Ciphertext; 3],
                $w: &[E::Plaintext; 2],
                $by: &[Rotation],
            ) -> Result<Vec<E::Ciphertext>> {
                $body
            }
        }
    };
}

circuit!(Add, |e, x, _w, _by| Ok(vec![
    e.add(&x[0], &x[1])?,
    e.add(&x[0], &x[0])?
]));
circuit!(Sub, |e, x, _w, _by| Ok(vec![
    e.sub(&x[0], &x[1])?,
    e.sub(&x[0], &x[0])?
]));
circuit!(Neg, |e, x, _w, _by| Ok(vec![e.neg(&x[0])?]));
circuit!(AddPlain, |e, x, w, _by| Ok(vec![
    e.add_plain(&x[0], &w[0])?,
    e.add_plain(&x[0], &w[1])?
]));
circuit!(AddScalar, |e, x, _w, _by| Ok(vec![
    e.add_scalar(&x[0], 0.7)?,
    e.add_scalar(&x[0], -2.0)?
]));
circuit!(Conjugate, |e, x, _w, _by| Ok(vec![e.conjugate(&x[0])?]));
circuit!(Rotate, |e, x, _w, by| by
    .iter()
    .map(|&r| e.rotate(&x[0], r))
    .collect());
circuit!(RotateByZero, |e, x, _w, _by| {
    let slots = i32::try_from(e.slots()).unwrap_or(0);
    Ok(vec![
        e.rotate(&x[0], Rotation(0))?,
        e.rotate(&x[0], Rotation(slots))?,
    ])
});
circuit!(RotateMany, |e, x, _w, by| {
    let mut all = by.to_vec();
    all.push(Rotation(0));
    all.extend(by.first());
    e.rotate_many(&x[0], &all)
});
circuit!(SumRotated, |e, x, _w, by| {
    let mut terms: Vec<_> = by
        .iter()
        .enumerate()
        .map(|(i, &r)| (&x[i % 3], r))
        .collect();
    terms.truncate(3);
    terms.push((&x[1], Rotation(0)));
    Ok(vec![
        e.sum_rotated(&terms)?,
        e.sum_rotated(&[(&x[0], Rotation(0))])?,
    ])
});
circuit!(MulPlain, |e, x, w, _by| Ok(vec![
    e.mul_plain(&x[0], &w[0])?,
    e.mul_plain(&x[0], &w[1])?
]));
circuit!(MulScalar, |e, x, _w, _by| Ok(vec![
    e.mul_scalar(&x[0], -1.3)?,
    e.mul_scalar(&x[0], 0.0)?
]));
circuit!(Mul, |e, x, _w, _by| Ok(vec![
    e.mul(&x[0], &x[1])?,
    e.mul(&x[0], &x[0])?
]));
circuit!(DotPlain, |e, x, w, _by| Ok(vec![
    e.dot_plain(&[(&x[0], &w[0]), (&x[1], &w[1]), (&x[2], &w[0])])?,
    e.dot_plain(&[(&x[0], &w[0])])?,
]));
circuit!(Dot, |e, x, _w, _by| Ok(vec![
    e.dot(&[(&x[0], &x[1]), (&x[1], &x[2]), (&x[2], &x[2])])?,
    e.dot(&[(&x[0], &x[1])])?,
]));

circuit!(DotAffine, |e, x, _w, _by| Ok(vec![
    e.dot_affine(
        &[(&x[0], &x[1]), (&x[2], &x[2]), (&x[0], &x[1])],
        &[(&x[1], 0.5), (&x[0], -1.25)],
        0.75
    )?,
    e.dot_affine(&[], &[(&x[0], 2.0), (&x[2], 0.0)], 0.0)?,
    e.dot_affine(&[(&x[0], &x[0])], &[], -1.0)?,
]));
circuit!(SumRotatedProducts, |e, x, w, by| {
    let step = |by, terms| GiantStep { by, terms };
    let last = by[by.len() - 1];
    let wide = [
        step(Rotation(0), vec![(&x[0], Rotation(0), &w[0])]),
        step(
            by[0],
            vec![
                (&x[0], last, &w[1]),
                (&x[1], by[0], &w[0]),
                (&x[0], Rotation(0), &w[1]),
            ],
        ),
        step(last, vec![(&x[1], by[0], &w[1]), (&x[0], last, &w[0])]),
    ];
    Ok(vec![
        e.sum_rotated_products(&wide)?,
        e.sum_rotated_products(&wide[1..2])?,
        e.sum_rotated_products(&wide[..1])?,
        e.sum_rotated_products(&[step(Rotation(0), vec![(&x[2], by[0], &w[0])])])?,
    ])
});
circuit!(HornerRotatedProducts, |e, x, w, by| {
    let step = |by, terms| GiantStep { by, terms };
    let steps = [
        step(by[0], vec![(&x[0], by[0], &w[0])]),
        step(by[0], vec![]),
        step(
            by[by.len() - 1],
            vec![(&x[1], by[0], &w[1]), (&x[0], Rotation(0), &w[0])],
        ),
        step(Rotation(0), vec![(&x[2], Rotation(0), &w[1])]),
    ];
    Ok(vec![
        e.horner_rotated_products(&steps)?,
        e.horner_rotated_products(&steps[..2])?,
        e.horner_rotated_products(&steps[1..3])?,
        e.horner_rotated_products(&steps[3..])?,
    ])
});
circuit!(Rescaled, |e, x, w, by| {
    let below = Level(e.level(&x[0]).0 - 1);
    let lower = x
        .iter()
        .map(|a| e.drop_to(a, below))
        .collect::<Result<Vec<_>>>()?;
    let step = |by, terms| GiantStep { by, terms };
    let giants = [
        step(
            by[0],
            vec![(&x[0], by[0], &w[0]), (&x[1], Rotation(0), &w[1])],
        ),
        step(Rotation(0), vec![(&x[0], by[0], &w[1])]),
    ];
    let mut all = vec![
        e.dot_rescaled(&[(&x[0], &x[1]), (&x[2], &x[2])])?,
        e.dot_rescaled(&[(&x[0], &x[1])])?,
        e.dot_affine_rescaled(&[(&x[0], &x[1])], &[(&x[2], -0.5)], 0.25, below)?,
        e.dot_affine_rescaled(&[], &[(&x[1], 1.5)], 0.0, below)?,
        e.sum_rotated_products_rescaled(&giants)?,
        e.horner_rotated_products_rescaled(&giants)?,
    ];
    if let Some(last) = below.below() {
        // linear terms of two levels, all above the products or at them
        all.push(e.dot_affine_rescaled(
            &[(&lower[0], &lower[1])],
            &[(&x[2], 0.5), (&lower[2], -1.0)],
            -0.125,
            last,
        )?);
        all.push(e.dot_affine_rescaled(&[], &[(&x[0], 0.5), (&x[1], 1.0)], 0.0, last)?);
    }
    Ok(all)
});
