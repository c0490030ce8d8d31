//! How a tensor lies in its tiles, as a drawing (SVG).
//!
//! One rectangle per tile; a cell is a slot, or the block of slots it says. Its hue tells the element's index along one
//! dimension, its lightness that along another; a ring marks a further copy of an element, hatching an unused slot, a
//! question mark an unknown one. Any layout can be drawn: [`Picture::svg`] asks what every slot holds.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::layout::unflatten;
use crate::{Result, SlotContent, TileShape};

/// Most tiles drawn, and most of them side by side.
const MOST_TILES: usize = 12;
const MOST_COLUMNS: usize = 6;

/// Most cells drawn: at up to 34 bytes each (a path of its own and a ring) the drawing stays below 200 kB.
const MOST_CELLS: usize = 4800;

/// Steps of hue and lightness.
const HUES: usize = 24;
const SHADES: usize = 6;

/// Pixels: the side of a tile at which cells shrink no more, and the margin around everything.
const SIDE: usize = 288;
const MARGIN: usize = 16;

/// A layout to be drawn: tiles and the slots in them as two matrices, both with columns fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The title, the notation of the shape.
    pub title: String,
    /// Sizes of the tensor whose elements are numbered with the last dimension fastest: the two largest are coloured.
    pub sizes: Vec<usize>,
    /// Rows and columns of tiles.
    pub tiles: [usize; 2],
    /// Rows and columns of the slots of a tile.
    pub slots: [usize; 2],
}

impl TileShape {
    /// The drawing of this shape (of the real parts, if it is complex-packed).
    ///
    /// # Errors
    /// The shape is incomplete.
    pub fn to_svg(&self) -> Result<String> {
        let mut picture = Picture::of_shape(self)?;
        if self.complex_dim().is_some() {
            picture.title += " (real parts)";
        }
        let drawn = picture.drawn();
        let contents = drawn
            .iter()
            .map(|&tile| Ok((tile, self.slot_contents(tile)?)));
        let contents = contents.collect::<Result<HashMap<_, _>>>()?;
        Ok(picture.svg(|tile, slot| contents[&tile][slot]))
    }
}

impl Picture {
    /// A shape's frame: its dimensions are split into rows and columns where tiles come closest to a square.
    ///
    /// # Errors
    /// The shape is incomplete.
    pub fn of_shape(shape: &TileShape) -> Result<Picture> {
        let split = |sizes: &[usize], at: usize| {
            [&sizes[..at], &sizes[at..]].map(|part| part.iter().product::<usize>())
        };
        let (inner, outer) = (shape.tile_sizes(), shape.external_sizes());
        let skew = |at: &usize| {
            let [rows, columns] = split(&inner, *at).map(usize::ilog2);
            (rows.abs_diff(columns), rows > columns)
        };
        let at = (0..=shape.rank()).min_by_key(skew).unwrap_or(0);
        Ok(Picture {
            title: shape.to_string(),
            sizes: shape.original_sizes()?,
            tiles: split(&outer, at),
            slots: split(&inner, at),
        })
    }

    /// The numbers of the tiles that are drawn.
    #[must_use]
    pub fn drawn(&self) -> Vec<usize> {
        let [rows, columns] = self.drawn_grid();
        (0..rows)
            .flat_map(|r| (0..columns).map(move |c| r * self.tiles[1] + c))
            .collect()
    }

    fn drawn_grid(&self) -> [usize; 2] {
        let columns = self.tiles[1].min(MOST_COLUMNS);
        [self.tiles[0].min(MOST_TILES / columns.max(1)), columns]
    }

    /// The drawing, of what `content(tile, slot)` says: a [`SlotContent`], or an element's number or `None`.
    #[must_use]
    pub fn svg<C: Into<SlotContent>>(&self, content: impl Fn(usize, usize) -> C) -> String {
        let [tile_rows, tile_columns] = self.drawn_grid();
        let block = self.block(tile_rows * tile_columns);
        let cells = [0, 1].map(|i| self.slots[i].div_ceil(block[i]));
        let side = (SIDE / cells[0].max(cells[1]).max(1)).clamp(4, 36);
        let (width, height) = (cells[1] * side, cells[0] * side);
        let legend = self.legend();
        let top = 3 * MARGIN + 24;
        let body = top + tile_rows * (height + MARGIN);
        let longest = self
            .title
            .chars()
            .count()
            .max(self.subtitle(block).chars().count());
        let page = [
            (tile_columns * (width + MARGIN) + MARGIN)
                .max(longest * 8 + 2 * MARGIN)
                .max(520),
            body + legend.len() * 22 + MARGIN,
        ];

        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            out,
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" font-family="monospace" font-size="12">
<defs><pattern id="unused" width="6" height="6" patternUnits="userSpaceOnUse"><path fill="#f4f4f4" d="M0 0h6v6h-6z"/><path d="M0 6L6 0" stroke="#bbb"/></pattern>
<pattern id="unknown" width="12" height="12" patternUnits="userSpaceOnUse"><path fill="#fff3d6" d="M0 0h12v12h-12z"/><text x="3" y="10" font-size="10" fill="#c00">?</text></pattern>
<pattern id="copy" width="{side}" height="{side}" x="0" y="0" patternUnits="userSpaceOnUse"><circle cx="{2}" cy="{2}" r="{3}" fill="none" stroke="#fff" stroke-width="{4}"/></pattern></defs>
<path fill="#fff" d="M0 0h{0}v{1}h-{0}z"/>
<text x="{MARGIN}" y="32" font-size="18" font-weight="bold">{5}</text>
<text x="{MARGIN}" y="52">{6}</text>
"##,
            page[0],
            page[1],
            side as f64 / 2.0,
            side as f64 / 4.0,
            (side as f64 / 10.0).max(0.75),
            escaped(&self.title),
            escaped(&self.subtitle(block)),
        );
        let mut seen = HashMap::new();
        for (k, tile) in self.drawn().into_iter().enumerate() {
            let (x, y) = (
                MARGIN + k % tile_columns * (width + MARGIN),
                top + k / tile_columns * (height + MARGIN),
            );
            let _ = writeln!(
                out,
                r#"<g transform="translate({x} {y})"><title>tile {tile}</title>"#
            );
            self.tile(&mut out, tile, block, side, &mut seen, |slot| {
                content(tile, slot).into()
            });
            let _ = writeln!(
                out,
                r##"<path fill="none" stroke="#333" stroke-width="1.5" d="M0 0h{width}v{height}h-{width}z"/></g>"##
            );
        }
        for (i, line) in legend.iter().enumerate() {
            let y = body + i * 22;
            let _ = writeln!(out, r#"<g transform="translate({MARGIN} {y})">{line}</g>"#);
        }
        out.push_str("</svg>\n");
        out
    }

    /// Slots to a cell, rows and columns: doubled until few enough cells are left.
    fn block(&self, tiles: usize) -> [usize; 2] {
        let mut block = [1, 1];
        loop {
            let cells = [0, 1].map(|i| self.slots[i].div_ceil(block[i]));
            if tiles * cells[0] * cells[1] <= MOST_CELLS && cells[0].max(cells[1]) <= 128 {
                return block;
            }
            block[usize::from(cells[1] >= cells[0])] *= 2;
        }
    }

    fn tile(
        &self,
        out: &mut String,
        tile: usize,
        block: [usize; 2],
        side: usize,
        seen: &mut HashMap<usize, (usize, usize)>,
        content: impl Fn(usize) -> SlotContent,
    ) {
        let cells = [0, 1].map(|i| self.slots[i].div_ceil(block[i]));
        let mut paths: BTreeMap<String, String> = BTreeMap::new();
        let (mut rings, mut labels) = (String::new(), String::new());
        for row in 0..cells[0] {
            let mut run: Option<(usize, String)> = None;
            for column in 0..cells[1] {
                let (kind, element) = self.cell(tile, [row, column], block, seen, &content);
                let fill = match (kind, element) {
                    (Kind::Unknown, _) => "url(#unknown)".into(),
                    (_, Some(i)) => self.colour(i),
                    (_, None) => "url(#unused)".into(),
                };
                if run.as_ref().is_none_or(|(_, f)| *f != fill) {
                    flush(&mut paths, run.take(), row, column, side);
                    run = Some((column, fill));
                }
                let (x, y) = (column * side, row * side);
                if kind == Kind::Copy {
                    let _ = write!(rings, "M{x} {y}h{side}v{side}h-{side}z");
                }
                if let (Some(i), true) = (element, side >= 20 && block == [1, 1]) {
                    let (x, y) = (x + side / 2, y + side / 2 + 4);
                    let _ = write!(labels, r#"<text x="{x}" y="{y}">{}</text>"#, self.label(i));
                }
            }
            flush(&mut paths, run, row, cells[1], side);
        }
        for (fill, d) in paths {
            let _ = writeln!(out, r#"<path fill="{fill}" d="{d}"/>"#);
        }
        if !rings.is_empty() {
            let _ = writeln!(out, r#"<path fill="url(#copy)" d="{rings}"/>"#);
        }
        if !labels.is_empty() {
            let _ = writeln!(out, r#"<g font-size="9" text-anchor="middle">{labels}</g>"#);
        }
    }

    /// What most slots of a cell are, and the first element among them.
    fn cell(
        &self,
        tile: usize,
        at: [usize; 2],
        block: [usize; 2],
        seen: &mut HashMap<usize, (usize, usize)>,
        content: impl Fn(usize) -> SlotContent,
    ) -> (Kind, Option<usize>) {
        let mut counts: BTreeMap<Kind, (usize, Option<usize>)> = BTreeMap::new();
        let range = |i: usize| at[i] * block[i]..((at[i] + 1) * block[i]).min(self.slots[i]);
        for slot in range(0).flat_map(|r| range(1).map(move |c| r * self.slots[1] + c)) {
            let (kind, element) = match content(slot) {
                SlotContent::Zero => (Kind::Unused, None),
                SlotContent::Unknown => (Kind::Unknown, None),
                SlotContent::Element(i)
                    if *seen.entry(i).or_insert((tile, slot)) == (tile, slot) =>
                {
                    (Kind::First, Some(i))
                }
                SlotContent::Element(i) => (Kind::Copy, Some(i)),
            };
            let count = counts.entry(kind).or_insert((0, element));
            count.0 += 1;
        }
        let most = counts
            .into_iter()
            .max_by_key(|(kind, (n, _))| (*n, std::cmp::Reverse(*kind)));
        most.map_or((Kind::Unused, None), |(kind, (_, element))| (kind, element))
    }

    /// The dimensions shown by hue and by lightness: the two largest of more than one element, in order.
    fn coloured(&self) -> [Option<usize>; 2] {
        let mut dims: Vec<usize> = (0..self.sizes.len())
            .filter(|&d| self.sizes[d] > 1)
            .collect();
        dims.sort_by_key(|&d| std::cmp::Reverse(self.sizes[d]));
        dims.truncate(2);
        dims.sort_unstable();
        [dims.first().copied(), dims.get(1).copied()]
    }

    fn index(&self, element: usize) -> Vec<usize> {
        let sizes: Vec<usize> = self.sizes.iter().map(|&n| n.max(1)).collect();
        unflatten(element, &sizes)
    }

    fn colour(&self, element: usize) -> String {
        let index = self.index(element);
        let [hue, shade] = self.coloured();
        let step = |dim: Option<usize>, steps: usize| match dim {
            Some(d) => index[d] * steps / self.sizes[d],
            None => 0,
        };
        colour(
            step(hue, HUES),
            if shade.is_some() {
                step(shade, SHADES)
            } else {
                SHADES / 2
            },
        )
    }

    /// The index along dimensions of more than one element.
    fn label(&self, element: usize) -> String {
        let index = self.index(element);
        let shown = index.iter().zip(&self.sizes).filter(|(_, n)| **n > 1);
        let parts: Vec<String> = shown.map(|(i, _)| i.to_string()).collect();
        if parts.is_empty() {
            "0".into()
        } else {
            parts.join(",")
        }
    }

    fn subtitle(&self, block: [usize; 2]) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        let (tiles, drawn) = (self.tiles[0] * self.tiles[1], self.drawn().len());
        let mut text = format!(
            "{} elements in {tiles} tile{} ({} x {}) of {} slots ({} x {})",
            sizes.join(" x "),
            if tiles == 1 { "" } else { "s" },
            self.tiles[0],
            self.tiles[1],
            self.slots[0] * self.slots[1],
            self.slots[0],
            self.slots[1]
        );
        if drawn < tiles {
            let _ = write!(text, ", {drawn} tiles drawn");
        }
        if block != [1, 1] {
            let _ = write!(
                text,
                "; a cell is {} x {} slots, as most of them are",
                block[0], block[1]
            );
        }
        text
    }

    /// The lines of the legend, each 22 pixels high.
    fn legend(&self) -> Vec<String> {
        let swatch =
            |x: usize, fill: &str| format!(r#"<path fill="{fill}" d="M{x} 0h12v14h-12z"/>"#);
        let scale = |dim: usize, name: &str, fill: &dyn Fn(usize) -> String, steps: usize| {
            let swatches: String = (0..steps).map(|i| swatch(12 * i, &fill(i))).collect();
            let (x, last) = (12 * steps + 8, self.sizes[dim] - 1);
            format!(r#"{swatches}<text x="{x}" y="11">{name}: dimension {dim}, 0 to {last}</text>"#)
        };
        let mut lines = Vec::new();
        let [hue, shade] = self.coloured();
        if let Some(d) = hue {
            let steps = HUES.min(self.sizes[d]);
            lines.push(scale(
                d,
                "hue",
                &|i| colour(i * HUES / steps, SHADES / 2),
                steps,
            ));
        }
        if let Some(d) = shade {
            let steps = SHADES.min(self.sizes[d]);
            lines.push(scale(
                d,
                "lightness",
                &|i| colour(0, i * SHADES / steps),
                steps,
            ));
        }
        let mark = |x: usize, fill: &str, text: &str| {
            let at = x + 18;
            format!(r#"{}<text x="{at}" y="11">{text}</text>"#, swatch(x, fill))
        };
        lines.push(
            [
                r##"<path fill="#567" d="M0 0h14v14h-14z"/><circle cx="7" cy="7" r="3.5" fill="none" stroke="#fff" stroke-width="1.4"/><text x="20" y="11">a further copy</text>"##.to_owned(),
                mark(150, "url(#unused)", "unused, zero"),
                mark(280, "url(#unknown)", "unused, unknown"),
            ]
            .concat(),
        );
        lines
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    First,
    Copy,
    Unknown,
    Unused,
}

/// Ends a run of cells of one fill before `column`.
fn flush(
    paths: &mut BTreeMap<String, String>,
    run: Option<(usize, String)>,
    row: usize,
    column: usize,
    side: usize,
) {
    if let Some((start, fill)) = run {
        let (x, y, w) = (start * side, row * side, (column - start) * side);
        let _ = write!(paths.entry(fill).or_default(), "M{x} {y}h{w}v{side}h-{w}z");
    }
}

/// Hue `h / HUES` of 320 degrees, lightness from 48 to 82 percent, saturation 62 percent.
fn colour(h: usize, shade: usize) -> String {
    let hue = 320.0 * h as f64 / HUES as f64;
    let light = 0.48 + 0.34 * shade as f64 / (SHADES - 1) as f64;
    let chroma = (1.0 - (2.0 * light - 1.0).abs()) * 0.62;
    let channel = |n: f64| {
        let k = (n + hue / 30.0) % 12.0;
        let value = light - chroma / 2.0 * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (value * 255.0).round() as u8
    };
    format!(
        "#{:02x}{:02x}{:02x}",
        channel(0.0),
        channel(8.0),
        channel(4.0)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
