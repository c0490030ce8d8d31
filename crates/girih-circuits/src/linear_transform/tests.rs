#![allow(clippy::unwrap_used)]

use girih_he::{ClearEvaluator, Level, Leveled, Op, Recorder, verify};
use proptest::prelude::*;

use super::steps::HornerChain;
use super::*;

const HOISTINGS: [Hoisting; 3] = [Hoisting::Single, Hoisting::Double, Hoisting::Horner];

/// Random diagonals: `(output, input, r)` and a seed for the values.
fn transform(slots: usize, diagonals: &[(usize, usize, usize)], seed: u64) -> LinearTransform {
    let mut t = LinearTransform::new(slots, 2, 2);
    for (k, &(output, input, r)) in diagonals.iter().enumerate() {
        for s in 0..slots {
            let value = ((seed.wrapping_add((k * slots + s) as u64) % 1009) as f64 * 0.37).sin();
            t.add_entry(output, s, input, (s + r) % slots, value);
        }
    }
    t
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_way_is_the_matrix(
        mut diagonals in prop::collection::vec((0..2usize, 0..2usize, 0..16usize), 1..12),
        giant in 0..5u32,
        centred in any::<bool>(),
        seed in 0..1000u64,
    ) {
        diagonals.extend([(0, 0, 3), (1, 1, 0)]);
        let t = transform(16, &diagonals, seed);
        let eval = ClearEvaluator::leveled(16, Level(1));
        let xs: Vec<Vec<f64>> = (0..2).map(|i| (0..16).map(|s| f64::from(s * 7 % 5 - i)).collect()).collect();
        let inputs: Vec<_> = xs.iter().map(|x| eval.vector(x).unwrap()).collect();
        let expected = t.apply_clear(&xs);
        for hoisting in HOISTINGS {
            let steps = Steps { giant: 1 << giant, centred, hoisting };
            let encoded = t.encode(&eval, "t", steps).unwrap();
            let ys = encoded.apply(&eval, &inputs).unwrap();
            let rescaled = encoded.apply_rescaled(&eval, &inputs).unwrap();
            for ((y, z), expected) in ys.iter().zip(&rescaled).zip(&expected) {
                prop_assert!(eval.is_product(y) && !eval.is_product(z));
                prop_assert_eq!(y.values(), z.values());
                for (got, want) in y.values().iter().zip(expected) {
                    prop_assert!((got - want).abs() < 1e-9, "{:?}: {} {}", steps, got, want);
                }
            }
            // Counts are those of the recorded program, and the keys those it needs.
            let rec = Recorder::new("t", 16);
            let inputs = [rec.input("a").unwrap(), rec.input("b").unwrap()];
            t.apply(&rec, &PlainWeights, "t", &inputs, steps).unwrap();
            let program = rec.finish().0;
            let keys = verify(&program, Level(1)).unwrap();
            let needed: Vec<Rotation> = encoded.rotations().into_iter().collect();
            prop_assert_eq!(keys.rotations.keys().copied().collect::<Vec<_>>(), needed);
            let counts = t.pattern().counts(16, steps);
            prop_assert_eq!(counts.keys, keys.rotations.len(), "{:?}", steps);
            let products: usize = program.insts.iter().map(|i| i.op.constants().len()).sum();
            prop_assert_eq!(counts.products, products);
            if hoisting != Hoisting::Double {
                let turns: usize = program
                    .insts
                    .iter()
                    .map(|i| match &i.op {
                        Op::Rotate(..) => 1,
                        Op::SumRotated(terms) => terms.iter().filter(|t| t.1.0 != 0).count(),
                        _ => 0,
                    })
                    .sum();
                prop_assert!(turns <= counts.babies + counts.giants, "{:?} {:?}", steps, counts);
            }
        }
    }
}

/// A dense 64 x 64 matrix: how many rotations and keys each way takes.
#[test]
fn known_counts() {
    let dense = Pattern {
        diagonals: (0..64).map(|r| (0, 0, r)).collect(),
    };
    let counts = |giant, hoisting| {
        let steps = Steps {
            giant,
            centred: false,
            hoisting,
        };
        let c = dense.counts(4096, steps);
        (c.decompositions, c.babies, c.giants, c.keys)
    };
    assert_eq!(counts(8, Hoisting::Single), (1, 7, 7, 14));
    assert_eq!(counts(16, Hoisting::Double), (1, 15, 3, 18));
    assert_eq!(counts(8, Hoisting::Horner), (1, 7, 7, 8));
    assert_eq!(counts(4096, Hoisting::Double), (1, 63, 0, 63));
}

#[test]
fn prices_decide() {
    let dense = Pattern {
        diagonals: (0..64).map(|r| (0, 0, r)).collect(),
    };
    let mut prices = StepPrices {
        decompose: 0.4,
        baby: 0.6,
        giant: 1.0,
        product: 0.02,
        lazy: None,
        key: 0.0,
    };
    let best = |prices: &StepPrices| dense.best_steps(4096, prices).0.hoisting;
    assert_eq!(best(&prices), Hoisting::Single);
    prices.lazy = Some(LazyPrices {
        baby: 0.15,
        giant: 0.8,
        product: 0.03,
        divide: 0.4,
    });
    assert_eq!(best(&prices), Hoisting::Double);
    prices.key = 10.0;
    assert_eq!(best(&prices), Hoisting::Horner);
    // Many outputs of one input would each repeat their baby steps.
    let wide = Pattern {
        diagonals: (0..32)
            .flat_map(|o| (0..16).map(move |r| (o, 0, r)))
            .collect(),
    };
    prices.key = 0.0;
    assert_eq!(wide.best_steps(4096, &prices).0.hoisting, Hoisting::Single);
}

#[test]
fn chains_start_after_the_widest_gap() {
    let chain = |giants: &[usize]| {
        let HornerChain { first, length } =
            HornerChain::new(&giants.iter().copied().collect(), 4, 64);
        (first, length)
    };
    assert_eq!(chain(&[0, 4, 12]), (0, 3));
    assert_eq!(chain(&[60, 0, 8]), (60, 3));
    assert_eq!(chain(&[20]), (20, 0));
    assert_eq!(chain(&[]), (0, 0));
}

#[test]
fn misuse_is_refused() {
    let eval = ClearEvaluator::unlimited(16);
    let t = transform(16, &[(0, 0, 1)], 1);
    let steps = Steps {
        giant: 4,
        centred: false,
        hoisting: Hoisting::Double,
    };
    assert!(matches!(
        t.encode(&eval, "t", steps),
        Err(Error::EmptyOutput { output: 1 })
    ));
    let t = transform(16, &[(0, 0, 1), (1, 0, 2)], 1);
    let x = eval.vector(&[1.0]).unwrap();
    assert!(matches!(
        t.encode(&eval, "t", steps).unwrap().apply(&eval, &[x]),
        Err(Error::Inputs {
            op: "linear transform",
            expected: 2,
            given: 1
        })
    ));
}
