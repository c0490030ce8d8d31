//! Constants: encoded once, kept by their period.

use super::*;

#[test]
fn constants_are_encoded_once() {
    let setup = Setup::new(spec(10, 50, &[40; 3], (2, 46)), &[]);
    let eval = &setup.eval;
    let p = eval.constant("p", &[1.0, 2.0]).unwrap();
    assert_eq!(p.encoded_bytes(), 0);
    eval.prepare(&p, Level(2), Use::Factor).unwrap();
    let bytes = p.encoded_bytes();
    assert_eq!(bytes, 8 * 1024 * setup.params.chain().limbs(Level(2)));
    let a = setup.encrypt(&[3.0, 4.0]);
    let q = p.clone();
    eval.mul_plain(&a, &q).unwrap();
    assert_eq!(p.encoded_bytes(), bytes, "the clone found the encoding");
    eval.add_plain(&a, &p).unwrap();
    assert_eq!(p.encoded_bytes(), 2 * bytes);
    assert!(matches!(
        eval.prepare(&p, Level(9), Use::Factor),
        Err(Error::LevelMismatch { .. })
    ));
    let foreign = Setup::new(spec(10, 50, &[41; 3], (2, 46)), &[]);
    assert_eq!(
        foreign.eval.mul_plain(&foreign.encrypt(&[1.0]), &p),
        Err(Error::ForeignOperand { op: "mul_plain" })
    );
    assert!(eval.constant("p", &[f64::NAN]).is_err());
    assert!(eval.add_scalar(&a, f64::INFINITY).is_err());
}

#[test]
fn values_that_repeat_are_kept_by_their_period() {
    let setup = Setup::new(spec(10, 50, &[40; 3], (2, 46)), &[1, 3, 8]);
    let (eval, params) = (&setup.eval, &setup.params);
    let (ring, slots, level) = (params.ring(), params.slots(), params.top());
    let limbs = params.chain().limbs(level);
    let a = setup.encrypt(&uniform(slots, 9, 1.0));
    let mut sums = Vec::new();
    for log in 0..=9 {
        let period = 1 << log;
        let once = uniform(period, log, 1.0).into_iter();
        let values: Vec<f64> = once.cycle().take(slots).collect();
        let p = eval.constant("p", &values).unwrap();
        assert_eq!((p.period(), p.values().len()), (period, period));
        let (q, qp) = (8 * limbs, 8 * (limbs + ring.p_len()));
        let words = (2 * period).max(8);
        let all = [Use::Factor, Use::LazyFactor, Use::Term].map(|usage| (&p, level, usage));
        for (k, bytes) in [
            (1, q * words),
            (2, (q + qp) * words),
            (3, (q + qp) * words + q * 1024),
        ] {
            eval.prepare_all(&all[..k]).unwrap();
            assert_eq!(p.encoded_bytes(), bytes, "period {period}");
        }
        // Bit for bit the product and the sum with the whole vector.
        let encode = |scale| {
            let plaintext = Encoder::new(params).encode(&values, level, scale).unwrap();
            plaintext.poly().clone()
        };
        let factor = encode(eval.factor_scale(level));
        let product = eval.mul_plain(&a, &p).unwrap();
        assert_eq!(*product.c0(), a.c0().mul(&factor, ring));
        assert_eq!(*product.c1(), a.c1().mul(&factor, ring));
        let term = encode(params.chain().scale(level));
        assert_eq!(
            *eval.add_plain(&a, &p).unwrap().c0(),
            a.c0().add(&term, ring)
        );
        let still = [GiantStep {
            by: Rotation(0),
            terms: vec![(&a, Rotation(0), &p)],
        }];
        assert_eq!(eval.sum_rotated_products(&still).unwrap(), product);
        sums.push((p, values));
    }
    // Diagonals of all periods in one transform.
    let terms = |giant: usize| -> Vec<(&Ciphertext, Rotation, &Constant)> {
        sums.iter()
            .enumerate()
            .filter(|(k, _)| k % 2 == giant)
            .map(|(k, (p, _))| (&a, Rotation([0, 1, 3][k % 3]), p))
            .collect()
    };
    let giants = [0, 8].map(|by| GiantStep {
        by: Rotation(by),
        terms: terms(usize::from(by > 0)),
    });
    let got = eval.sum_rotated_products_rescaled(&giants).unwrap();
    // The same with coefficients in place of evaluations.
    let compact: Vec<Constant> = sums
        .iter()
        .map(|(_, w)| eval.constant("p", w).unwrap())
        .collect();
    for p in &compact {
        eval.prepare(p, level, Use::CompactFactor).unwrap();
        assert_eq!(p.encoded_bytes(), 8 * (2 * p.period()).max(8));
    }
    let of_compact = [0, 1].map(|giant| GiantStep {
        by: giants[giant].by,
        terms: terms(giant)
            .iter()
            .zip(compact.iter().skip(giant).step_by(2))
            .map(|((a, r, _), p)| (*a, *r, p))
            .collect(),
    });
    assert_eq!(
        got,
        eval.sum_rotated_products_rescaled(&of_compact).unwrap()
    );
    let x = uniform(slots, 9, 1.0);
    let expected: Vec<f64> = (0..slots)
        .map(|i| {
            let term = |(k, (_, w)): (usize, &(Constant, Vec<f64>))| {
                let at = i + 8 * (k % 2);
                w[at % slots] * x[(at + [0, 1, 3][k % 3]) % slots]
            };
            sums.iter().enumerate().map(term).sum()
        })
        .collect();
    for (got, expected) in setup.decrypt(&got).iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-6);
    }
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let again = pool.install(|| eval.sum_rotated_products_rescaled(&giants).unwrap());
        assert_eq!(got, again, "{threads} threads");
    }
}

/// The slots are squares of the index; asking is counted.
struct Squares(std::sync::atomic::AtomicUsize);

impl girih_he::ConstantSource for Squares {
    fn slots(&self, index: usize) -> Vec<f64> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (0..300).map(|i| (i * i + index) as f64 / 1e5).collect()
    }
}

#[test]
fn encodings_that_are_not_kept_give_the_same_bits() {
    // more terms than are encoded at a time (an insecure degree)
    let setup = Setup::new(spec(10, 50, &[40; 3], (2, 46)), &[1, 3, 8]);
    let (kept, params) = (&setup.eval, &setup.params);
    let streaming = kept.clone().with_encodings(Encodings::Transient);
    let (slots, level) = (params.slots(), params.top());
    let source = Arc::new(Squares(0.into()));
    let computed = |k: usize| girih_he::ConstantValues::Computed(source.clone(), k);
    let a = [
        setup.encrypt(&uniform(slots, 1, 1.0)),
        setup.encrypt(&uniform(slots, 2, 1.0)),
    ];
    let count = 2500;
    let constants: Vec<Constant> = (0..count)
        .map(|k| match k % 3 {
            0 => kept.constant_of("c", &computed(k)).unwrap(),
            1 => kept.constant("r", &uniform(slots, k as u8, 1.0)).unwrap(),
            // repeats, at a scale whose coefficients are wide
            _ => kept
                .constant("p", &[1e7 + k as f64; 4].repeat(slots / 4))
                .unwrap(),
        })
        .collect();
    assert_eq!(
        source.0.load(std::sync::atomic::Ordering::Relaxed),
        0,
        "not asked yet"
    );
    let few = [Use::Factor, Use::LazyFactor].map(|u| (&constants[4], level, u));
    streaming.prepare_all(&few).unwrap();
    let bytes = constants[4].encoded_bytes();
    let terms: Vec<(&Ciphertext, &Constant)> = constants
        .iter()
        .zip(0..)
        .map(|(p, k)| (&a[k % 2], p))
        .collect();
    let giants = [0, 8].map(|by| GiantStep {
        by: Rotation(by),
        terms: constants
            .iter()
            .zip(0..)
            .filter(|(_, k)| (k % 5 == 0) == (by == 0))
            .map(|(p, k)| (&a[k / 2 % 2], Rotation([0, 1, 3][k % 3]), p))
            .collect(),
    });
    let all = |eval: &Evaluator| {
        (
            eval.dot_plain(&terms).unwrap(),
            eval.mul_plain(&a[0], &constants[3]).unwrap(),
            eval.add_plain(&a[0], &constants[6]).unwrap(),
            eval.sum_rotated_products_rescaled(&giants).unwrap(),
        )
    };
    let results: Vec<_> = [1, 3]
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| all(&streaming))
        })
        .into();
    for (k, p) in constants.iter().enumerate() {
        assert_eq!(
            p.encoded_bytes(),
            if k == 4 { bytes } else { 0 },
            "constant {k}"
        );
    }
    let expected = all(kept);
    assert!(results.iter().all(|r| *r == expected));
    assert!(constants[0].encoded_bytes() > 0);

    struct Infinite;
    impl girih_he::ConstantSource for Infinite {
        fn slots(&self, _: usize) -> Vec<f64> {
            vec![1.0, f64::INFINITY]
        }
    }
    let bad = girih_he::ConstantValues::Computed(Arc::new(Infinite), 0);
    let bad = kept.constant_of("bad", &bad).unwrap();
    assert!(matches!(
        streaming.mul_plain(&a[0], &bad),
        Err(Error::NotFinite { index: 1, .. })
    ));
}
