//! Notation and index maps.

use girih_tiles::{Error, TileDim, TileShape};
use proptest::prelude::*;

use crate::common::{any_shape, shape};

#[test]
fn every_form_is_printed_as_it_was_written() {
    for text in [
        "[8/4, */16, 5?/2, 28~/16, 28~6?/8, -/4]",
        "[5/2, 6/4]",
        "[5/2, 1?/4]",
        "[5/2, 6~?/4]",
        "[*3/8, *3?/8, */8]",
        "[5, 6/8]",
        "[-/2, -, -/1024]",
        "[12c/4, */2]",
        "[11c?/4, 6~?/4]",
        "[*c/4, *3/4]",
        "[*3c?/4, 1]",
        "[1c, 5/8]",
        "[(d)16/2, 6/4, */2]",
        "[(d)16/2, 6?/4, 13?/16]",
    ] {
        assert_eq!(shape(text).to_string(), text);
    }
}

#[test]
fn other_spellings_mean_the_same() {
    assert_eq!(
        shape(" [ 5 / 2 ,6/1, */1 , 28 ~ 4 ?/8, 28~4/16 ] ").to_string(),
        "[5/2, 6, 1, 28~?/8, 28~4/16]"
    );
    assert_eq!(
        shape("[28~2/16, *1/8, *8/8]").to_string(),
        "[28~/16, 1/8, */8]"
    );
}

#[test]
fn bad_text_is_pointed_at() {
    let check = |text: &str, column: usize, why: &str| match text.parse::<TileShape>() {
        Err(Error::Notation {
            text: t,
            column: c,
            why: w,
        }) => {
            assert_eq!((t.as_str(), c), (text, column), "{w}");
            assert!(w.contains(why), "{w}");
        }
        other => panic!("{text}: {other:?}"),
    };
    check("", 1, "expected '['");
    check("[]", 2, "expected a size");
    check("[8/4", 5, "found the end");
    check("[8/4, x]", 7, "found 'x'");
    check("[8/]", 4, "expected a tile size");
    check("[8/3]", 2, "power of two");
    check("[8/0]", 2, "power of two");
    check("[0/4]", 2, "at least 1");
    check("[8/4, 8?/4]", 7, "without unused slots");
    check("[*?/4]", 2, "without unused slots");
    check("[*9/8]", 2, "9 copies");
    check("[-?/4]", 2, "incomplete");
    check("[28~1/16]", 2, "28 elements");
    check("[5/2] 3", 7, "unexpected '3'");
    check("[99999999999999999999/2]", 2, "too large");
    check("[−/2]", 2, "found '−'");
}

#[test]
fn shapes_too_large_are_refused() {
    for text in [
        "[1/1073741824, 1/2]",
        "[9000000000000000000, 9000000000000000000]",
        "[9000000000, 9000000000~9000000000]",
    ] {
        assert!(
            matches!(text.parse::<TileShape>(), Err(Error::Shape { .. })),
            "{text}"
        );
    }
    assert!(matches!(
        TileShape::try_new(vec![]),
        Err(Error::Shape { .. })
    ));
}

#[test]
fn tile_counts_of_a_5_by_6_matrix() {
    let tiles = |text: &str| shape(text).tiles();
    assert_eq!(
        [
            "[5, 6/16]",
            "[5/2, 6/8]",
            "[5/4, 6/4]",
            "[5/8, 6/2]",
            "[5/16, 6]"
        ]
        .map(tiles),
        [5, 3, 4, 3, 6]
    );
    assert_eq!(["[5/4, 6/8]", "[5/8, 6/4]"].map(tiles), [2, 2]);
    assert_eq!(
        ["[5/2, 6/4]", "[5/2, 1/4]", "[5, 6/8]", "[5/8, 6]"].map(tiles),
        [6, 3, 5, 6]
    );
}

#[test]
fn interleaved_columns_are_dealt_out() {
    let s = shape("[5/2, 6~/4]");
    assert_eq!(s.external_sizes(), [3, 2]);
    let columns = |tile: usize| {
        let mut row = vec![];
        s.for_each_slot(tile, |slot, index| {
            if slot < 4 {
                row.push(index.map(|i| i[1]));
            }
        })
        .unwrap();
        row
    };
    assert_eq!(columns(0), [Some(0), Some(2), Some(4), None]);
    assert_eq!(columns(1), [Some(1), Some(3), Some(5), None]);
}

#[test]
fn strides_and_cyclic_dimensions() {
    let s = shape("[7, */4, 3/2, 5/8]");
    assert_eq!(
        (0..4).map(|d| s.stride(d)).collect::<Vec<_>>(),
        [64, 16, 8, 1]
    );
    assert_eq!(s.first_nontrivial(), Some(1));
    assert_eq!(
        (0..4).map(|d| s.rotates_cyclically(d)).collect::<Vec<_>>(),
        [true, true, true, false]
    );
}

#[test]
fn bad_indices_are_refused() {
    let s = shape("[5/2, */4]");
    assert!(matches!(s.locate(&[5, 0]), Err(Error::IndexOutside { .. })));
    assert!(matches!(s.locate(&[4, 1]), Err(Error::IndexOutside { .. })));
    assert!(matches!(s.locate(&[4]), Err(Error::IndexOutside { .. })));
    assert!(matches!(
        s.tile_coords(3),
        Err(Error::NoSuchTile { tiles: 3, .. })
    ));
    assert!(matches!(
        shape("[-/2]").locate(&[0]),
        Err(Error::Incomplete { dim: 0, .. })
    ));
    assert!(matches!(
        s.check_slots(16),
        Err(Error::SlotCount {
            product: 8,
            slots: 16,
            ..
        })
    ));
}

#[test]
fn layouts_are_completed() {
    let s = shape("[-/2, */4, -]").complete(&[5, 1, 3]).unwrap();
    assert_eq!(s.to_string(), "[5/2, */4, 3]");
    assert_eq!(s.tile_layout().to_string(), "[-/2, -/4, -]");
    assert!(matches!(
        s.complete(&[6, 1, 3]),
        Err(Error::ArraySizes { .. })
    ));
    assert_eq!(shape("[-/2, -]").tiles(), 0);
}

proptest! {
    #[test]
    fn notation_round_trips(s in any_shape()) {
        let text = s.to_string();
        prop_assert_eq!(text.parse::<TileShape>().unwrap(), s.clone());
        for d in s.dims() {
            prop_assert_eq!(d.to_string().parse::<TileDim>().unwrap(), *d);
        }
        let layout = s.tile_layout();
        prop_assert_eq!(layout.to_string().parse::<TileShape>().unwrap(), layout);
        let diagonal = s.clone().diagonalized();
        if let Ok(d) = diagonal {
            prop_assert_eq!(d.to_string().parse::<TileShape>().unwrap(), d);
        }
    }

    #[test]
    fn parsing_anything_does_not_panic(text in "[\\[\\]0-9*~?/, cd()-]{0,24}") {
        if let Ok(s) = text.parse::<TileShape>() {
            prop_assert_eq!(s.to_string().parse::<TileShape>().unwrap(), s);
        }
    }

    #[test]
    fn places_and_slots_are_inverse(s in any_shape()) {
        let sizes = s.original_sizes().unwrap();
        let mut held = 0usize;
        for tile in 0..s.tiles() {
            let mut slots = 0;
            let mut wrong = None;
            let used: usize = s.used_box(tile).unwrap().iter().product();
            let mut here = 0;
            s.for_each_slot(tile, |slot, index| {
                slots += 1;
                if let Some(index) = index {
                    here += 1;
                    let found = s.copies(index).unwrap().any(|a| (a.tile, a.slot) == (tile, slot));
                    if !found { wrong = Some((slot, index.to_vec())); }
                }
            }).unwrap();
            prop_assert_eq!(wrong, None);
            prop_assert_eq!(slots, s.slots());
            prop_assert_eq!(here, used);
            held += here;
        }
        let copies: usize = s.dims().iter().map(|d| d.copies()).product();
        prop_assert_eq!(held, sizes.iter().product::<usize>() * copies);
        let last: Vec<usize> = sizes.iter().map(|n| n - 1).collect();
        let first = s.locate(&last).unwrap();
        prop_assert_eq!(s.copies(&last).unwrap().next(), Some(first));
    }
}
