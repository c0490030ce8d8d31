//! Packing, unpacking and the integrity check.

use girih_tiles::pack::{check_integrity, pack, unpack};
use girih_tiles::{Error, Part, SlotContent};
use ndarray::{ArrayD, arr2};
use proptest::prelude::*;

use crate::common::{any_shape, ramp, shape};

#[test]
fn worked_examples_of_eight_slots() {
    let check = |text: &str, sizes: [usize; 2], tile: usize, expected: [f64; 8]| {
        let s = shape(text);
        let n = sizes[0] * sizes[1];
        let a = ArrayD::from_shape_vec(
            sizes.to_vec(),
            (0..n)
                .map(|i| (10 * (i / sizes[1]) + i % sizes[1] + 1) as f64)
                .collect(),
        )
        .unwrap();
        assert_eq!(pack(&a.view(), &s).unwrap()[tile], expected, "{text}");
    };
    check(
        "[5/2, 6/4]",
        [5, 6],
        0,
        [1., 2., 3., 4., 11., 12., 13., 14.],
    );
    check("[5/2, 6/4]", [5, 6], 5, [45., 46., 0., 0., 0., 0., 0., 0.]);
    check(
        "[5/2, 6~/4]",
        [5, 6],
        0,
        [1., 3., 5., 0., 11., 13., 15., 0.],
    );
    check(
        "[5/2, 6~/4]",
        [5, 6],
        5,
        [42., 44., 46., 0., 0., 0., 0., 0.],
    );
    check("[5/2, 1/4]", [5, 1], 0, [1., 0., 0., 0., 11., 0., 0., 0.]);
    check(
        "[5/2, */4]",
        [5, 1],
        2,
        [41., 41., 41., 41., 0., 0., 0., 0.],
    );
    check(
        "[5/2, *3/4]",
        [5, 1],
        0,
        [1., 1., 1., 0., 11., 11., 11., 0.],
    );
    check(
        "[5, 6/8]",
        [5, 6],
        1,
        [11., 12., 13., 14., 15., 16., 0., 0.],
    );
    check("[5/8, 6]", [5, 6], 1, [2., 12., 22., 32., 42., 0., 0., 0.]);
}

#[test]
fn integrity_catches_a_wrong_copy_and_a_dirty_slot() {
    let a = arr2(&[[1.0], [2.0], [3.0], [4.0], [5.0]]).into_dyn();
    let s = shape("[5/2, *3/4]");
    let good = pack(&a.view(), &s).unwrap();
    check_integrity(&good, &s, 0.0).unwrap();

    let mut copy = good.clone();
    copy[1][2] = 3.5;
    assert_eq!(
        check_integrity(&copy, &s, 0.1),
        Err(Error::Integrity {
            shape: s.to_string(),
            tile: 1,
            slot: 2,
            part: Part::Real,
            value: 3.5,
            expected: 3.0
        })
    );
    check_integrity(&copy, &s, 0.6).unwrap();

    for slot in [3, 4] {
        let mut dirty = good.clone();
        dirty[2][slot] = 9.0;
        assert!(matches!(
            check_integrity(&dirty, &s, 0.1),
            Err(Error::Integrity { tile: 2, .. })
        ));
    }
    let mut flagged = good.clone();
    flagged[2][3] = 9.0;
    check_integrity(&flagged, &shape("[5/2, *3?/4]"), 0.0).unwrap();
    flagged[2][4] = 9.0;
    assert!(check_integrity(&flagged, &shape("[5/2, *3?/4]"), 0.0).is_err());
    flagged[0][0] = f64::NAN;
    assert!(check_integrity(&flagged, &shape("[5?/2, *3?/4]"), 0.0).is_err());
}

#[test]
fn wrong_sizes_are_refused() {
    let s = shape("[5/2, 6/4]");
    let a = ArrayD::<f64>::zeros(vec![6, 5]);
    let text = pack(&a.view(), &s).unwrap_err().to_string();
    assert!(
        text.contains("[6, 5]") && text.contains("[5/2, 6/4]"),
        "{text}"
    );
    assert!(matches!(
        unpack(&[vec![0.0; 8]], &s),
        Err(Error::TileCount {
            tiles: 6,
            got: 1,
            ..
        })
    ));
    assert!(matches!(
        unpack(&vec![vec![0.0; 4]; 6], &s),
        Err(Error::TileCount { got: 0, .. })
    ));
    assert!(matches!(
        pack(&a.view(), &shape("[-/2, 6/4]")),
        Err(Error::Incomplete { dim: 0, .. })
    ));
}

proptest! {
    #[test]
    fn unpack_undoes_pack(s in any_shape()) {
        let a = ramp(&s);
        let mut tiles = pack(&a.view(), &s).unwrap();
        check_integrity(&tiles, &s, 0.0).unwrap();
        prop_assert_eq!(unpack(&tiles, &s).unwrap(), a.clone());
        // Garbage exactly where the shape allows it changes nothing.
        for (tile, values) in tiles.iter_mut().enumerate() {
            for (v, c) in values.iter_mut().zip(s.slot_contents(tile).unwrap()) {
                if c == SlotContent::Unknown { *v = -7.0; }
            }
        }
        check_integrity(&tiles, &s, 0.0).unwrap();
        prop_assert_eq!(unpack(&tiles, &s).unwrap(), a);
    }

    #[test]
    fn contents_agree_with_the_index_map(s in any_shape()) {
        let sizes = s.original_sizes().unwrap();
        for tile in 0..s.tiles() {
            let contents = s.slot_contents(tile).unwrap();
            s.for_each_slot(tile, |slot, index| {
                let flat = index.map(|i| i.iter().zip(&sizes).fold(0, |at, (i, n)| at * n + i));
                match contents[slot] {
                    SlotContent::Element(i) => assert_eq!(Some(i), flat),
                    SlotContent::Zero | SlotContent::Unknown => assert_eq!(None, flat),
                }
            }).unwrap();
        }
    }
}
