//! Drawings of shapes.

use girih_tiles::{Picture, SlotContent, TileShape};
use proptest::prelude::*;

use crate::common::{any_shape, shape};

/// Cells of one fill, in pixels.
fn area(svg: &str, fill: &str) -> usize {
    let start = format!("<path fill=\"{fill}\" d=\"");
    let tiles = svg.split("<g transform").filter(|g| g.contains("<title>"));
    let paths = tiles.flat_map(|t| {
        t.lines()
            .filter(|l| l.starts_with(&start))
            .collect::<Vec<_>>()
    });
    let rectangles = paths.flat_map(|p| p[start.len()..].split('M').skip(1).collect::<Vec<_>>());
    let size = |r: &str| {
        let r = r.split_once('h').unwrap().1;
        let (w, r) = r.split_once('v').unwrap();
        w.parse::<usize>().unwrap() * r.split_once('h').unwrap().0.parse::<usize>().unwrap()
    };
    rectangles.map(size).sum()
}

#[test]
fn every_slot_of_a_small_shape_is_a_labelled_cell() {
    let svg = shape("[5/2, 6?/4]").to_svg().unwrap();
    // Six tiles of 2 by 4 cells of 36 pixels: 30 elements; the last row is unused, in 6 columns; unknown are 2 in 5 rows and in the last.
    assert_eq!(svg.matches("<title>").count(), 6);
    assert_eq!(area(&svg, "url(#unknown)"), 12 * 36 * 36);
    assert_eq!(area(&svg, "url(#unused)"), 6 * 36 * 36);
    assert!(!svg.contains("fill=\"url(#copy)\""));
    for label in [">0,0<", ">4,5<"] {
        assert_eq!(svg.matches(label).count(), 1, "{label}");
    }
    assert!(svg.contains("[5/2, 6?/4]") && svg.contains("hue: dimension 0, 0 to 4"));
    let svg = shape("[5/2, */4]").to_svg().unwrap();
    assert_eq!(area(&svg, "url(#copy)"), 15 * 36 * 36);
    assert!(shape("[-/2]").to_svg().is_err());
}

#[test]
fn large_shapes_stay_small() {
    for text in [
        "[3, 224~/64, 224~/64, */4, 2/2]",
        "[100/128, 28/128]",
        "[784/32768, 100]",
        "[*/16, 13/16, 13/16, 5/8]",
        "[128~/256, 128~/128]",
    ] {
        let s = shape(text);
        let svg = s.to_svg().unwrap();
        assert!(svg.len() < 200_000, "{text}: {} bytes", svg.len());
        assert_eq!(svg, s.to_svg().unwrap());
    }
}

#[test]
fn any_layout_can_be_drawn() {
    // Every other unit of a row, as a strided placement.
    let picture = Picture {
        title: "a < b & c".into(),
        sizes: vec![4],
        tiles: [1, 1],
        slots: [2, 4],
    };
    let svg = picture.svg(|_, slot| (slot % 2 == 0).then_some(slot / 2));
    assert!(svg.contains("a &lt; b &amp; c"));
    assert_eq!(area(&svg, "url(#unused)"), 4 * 36 * 36);
    let svg = picture.svg(|_, _| SlotContent::Element(9));
    assert!(
        svg.contains("url(#copy)"),
        "numbers beyond the sizes do no harm"
    );
}

proptest! {
    /// Every cell of every tile is drawn once, and drawings are well-formed enough to have equally many tags.
    #[test]
    fn cells_cover_tiles(s in any_shape()) {
        let svg = s.to_svg().unwrap();
        prop_assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
        prop_assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        prop_assert!(svg.len() < 200_000);
        let unused = |s: &TileShape, wanted: SlotContent| {
            let drawn = Picture::of_shape(s).unwrap().drawn();
            drawn.into_iter().flat_map(|t| s.slot_contents(t).unwrap()).filter(|c| *c == wanted).count()
        };
        let none = area(&svg, "url(#unused)") == 0;
        prop_assert_eq!(none, unused(&s, SlotContent::Zero) == 0);
        let none = area(&svg, "url(#unknown)") == 0;
        prop_assert_eq!(none, unused(&s, SlotContent::Unknown) == 0);
    }
}
