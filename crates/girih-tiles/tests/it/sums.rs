//! Costs and shapes of sums and copies.

use ndarray::Axis;

use crate::common::{ramp, shape};
use crate::counting::{Counting, Counts};

/// Shape and rotations of a sum.
fn check_sum(before: &str, dim: usize, after: &str, rotations: usize, adds: usize) {
    let s = shape(before);
    let eval = Counting::new(s.slots());
    let y = eval.tensor(&ramp(&s), &s).sum_over_dim(&eval, dim).unwrap();
    assert_eq!(y.shape().to_string(), after, "{before}");
    let expected = Counts {
        rotations,
        adds,
        ..Counts::default()
    };
    assert_eq!(eval.take(), expected, "{before}");
    eval.open(&y).unwrap();
}

#[test]
fn sums_cost_the_logarithm_of_the_tile() {
    check_sum("[5/2, 6/4]", 1, "[5/2, 1?/4]", 3 * 2, 3 + 6);
    check_sum("[5/2, 6/4]", 0, "[*/2, 6/4]", 2, 2 * 2 + 2);
    check_sum("[5, 6/8]", 0, "[1, 6/8]", 0, 4);
    check_sum("[5, 6/8]", 1, "[5, */8]", 5 * 3, 5 * 3);
    // Only as many slots as are used need adding up, unless the sum is to be replicated.
    check_sum("[5/2, 3/8]", 1, "[5/2, 1?/8]", 3 * 2, 3 * 2);
    check_sum("[3/8, 5/2]", 0, "[*/8, 5/2]", 3 * 3, 3 * 3);
    check_sum("[1/8, 5/2]", 0, "[*/8, 5/2]", 3 * 3, 3 * 3);
    check_sum("[5/2, 1/4]", 1, "[5/2, 1/4]", 0, 0);
    check_sum("[5/2, */4]", 1, "[5/2, */4]", 0, 0);
    // Behind a replicated dimension a rotation is cyclic too.
    check_sum("[*/2, 6~/4, 3/2]", 1, "[*/2, */4, 3/2]", 2 * 2, 2 + 4);
    check_sum("[6~5/4, 3/2]", 0, "[*/4, 3/2]", 2 * 2, 8 + 4);
}

#[test]
fn copies_cost_one_mask_where_something_is_unknown() {
    let check = |before: &str, dim: usize, rotations: usize, masks: usize| {
        let s = shape(before);
        let eval = Counting::new(s.slots());
        let y = eval
            .dirty(&ramp(&s), &s, 7.0)
            .replicate_over_dim(&eval, dim)
            .unwrap();
        let c = eval.take();
        assert_eq!((c.rotations, c.mul_plain), (rotations, masks), "{before}");
        let cost = s.replication_cost(dim).unwrap();
        assert_eq!(
            (cost.rotations, cost.products),
            (rotations, masks),
            "{before}"
        );
        assert_eq!(cost.levels, usize::from(masks > 0), "{before}");
        assert!(y.shape().dims()[dim].is_replicated());
        assert_eq!(eval.open(&y).unwrap(), ramp(&s));
    };
    check("[5/2, 1/4]", 1, 3 * 2, 0);
    check("[5/2, 1?/4]", 1, 3 * 2, 3);
    check("[5?/2, 1/4]", 1, 3 * 2, 3);
    check("[5/2, *2/4]", 1, 3, 0);
    check("[5/2, *3/4]", 1, 3 * 2, 3);
    check("[5/2, *3?/4]", 1, 3 * 2, 3);
    check("[5/2, */4]", 1, 0, 0);
    check("[1/4, 5?/2]", 0, 3 * 2, 3);
}

#[test]
fn sums_to_the_first_slot_cost_the_logarithm_of_the_size() {
    for (before, after, rotations, adds) in [
        ("[3/8, 5/2]", "[1?/8, 5/2]", 3 * 2, 3 * 2),
        ("[8/8, 5/2]", "[1?/8, 5/2]", 3 * 3, 3 * 3),
        ("[1/8, 5/2]", "[1/8, 5/2]", 0, 0),
        ("[*/8, 5/2]", "[*/8, 5/2]", 0, 0),
    ] {
        let s = shape(before);
        let eval = Counting::new(16);
        let y = eval
            .tensor(&ramp(&s), &s)
            .sum_inside_dim_to_first(&eval, 0)
            .unwrap();
        assert_eq!(y.shape().to_string(), after);
        let c = eval.take();
        assert_eq!((c.rotations, c.adds), (rotations, adds), "{before}");
        let expected = ramp(&s).sum_axis(Axis(0)).insert_axis(Axis(0));
        assert_eq!(eval.open(&y).unwrap(), expected);
    }
    let s = shape("[9/8, 5/2]");
    let eval = Counting::new(16);
    let x = eval.tensor(&ramp(&s), &s);
    let text = x.sum_inside_dim_to_first(&eval, 0).unwrap_err().to_string();
    assert!(text.contains("2 tiles"), "{text}");
}

#[test]
fn replicated_dimensions_merge_for_nothing() {
    let s = shape("[*/2, 1, */4, 3/2]");
    let eval = Counting::new(16);
    let y = eval.tensor(&ramp(&s), &s).flatten(0, 2).unwrap();
    assert_eq!(y.shape().to_string(), "[*/8, 3/2]");
    assert_eq!(eval.open(&y).unwrap().len(), 3);
    assert_eq!(eval.take(), Counts::default());
}
