//! One axis of an interleaved convolution: which tile and slot a tap reads.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Direction, Error, UnusedSlots, Window};
use crate::{Result, TileDim, TileShape};

/// Rows or columns of image and result, with the taps of every tile of the result.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// The dimension of the result.
    pub(super) result: TileDim,
    /// The phase of the result: the slots between its neighbours.
    pub(super) phase: TileDim,
    /// By tile of the result: the taps that reach the image.
    taps: Vec<Vec<Tap>>,
    /// Some unused slot along the axis receives something else than zero.
    pub(super) spills: bool,
}

/// Most tiles along one axis of a result.
const MAX_TILES: usize = 1 << 20;

/// The slots of a result, along one axis, in which a tap counts; all if `None`.
pub(super) type Mask = Option<Range<usize>>;

/// What one tap does for one tile of the result along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    /// Number of the tap.
    pub(super) number: usize,
    /// The tile read.
    pub(super) source: usize,
    /// The slots by which it is rotated to the left.
    pub(super) shift: i64,
    /// The slots to which the tap must be confined.
    pub(super) mask: Mask,
}

impl Axis {
    /// The axis in dimension `dim` of an image, its phase in the next one.
    pub(super) fn new(
        image: &TileShape,
        dim: usize,
        window: Window,
        unused: UnusedSlots,
    ) -> Result<Self> {
        let (d, phase) = (image.dims()[dim], image.dims()[dim + 1]);
        let fail = |why: String| {
            Err(Error::Unsupported {
                op: "convolution",
                shape: image.to_string(),
                why: format!("dimension {dim}: {why}"),
            })
        };
        let Some(n) = d.original_size() else {
            return fail("its size is not set".into());
        };
        let external = d.external_size();
        if d.copies() > 1
            || d.is_complex()
            || image.is_diagonal()
            || !(d.is_interleaved() || d.tile_size() == 1 || external == 1)
        {
            return fail(format!("rows and columns are interleaved, this is {d}"));
        }
        if phase.original_size() != Some(1) || phase.copies() > 1 {
            return fail(format!("its phase is one element, 1/g, this is {phase}"));
        }
        let results = window.results(n)?;
        // Tile o, slot s of the result is result s·e' + o; the pixels it reads are `apart`·e per slot.
        let (tiles, apart) = match window.direction {
            Direction::Forward => {
                let outside = gcd(window.stride, external);
                (external / outside, window.stride / outside)
            }
            Direction::Transposed { .. } => (external.saturating_mul(window.stride), 1),
        };
        if external.max(tiles) > MAX_TILES {
            return fail(format!(
                "{} tiles, {MAX_TILES} are possible",
                external.max(tiles)
            ));
        }
        if !apart.is_power_of_two() || apart > d.tile_size() {
            return fail(format!(
                "the stride {} leaves every {apart}th of {} slots; force a multiple of it, as {n}~{}/{}",
                window.stride,
                d.tile_size(),
                external.next_multiple_of(window.stride),
                d.tile_size()
            ));
        }
        let slots = d.tile_size() / apart;
        let Ok(result) = TileDim::interleaved_over(results, tiles, slots) else {
            return fail(format!(
                "{results} results do not fit {tiles} tiles of {slots} slots; force a larger external size"
            ));
        };
        let garbage = apart > 1 || phase.is_unknown();
        let kept = garbage && unused == UnusedSlots::Unknown;
        let phase = TileDim::basic(1, phase.tile_size() * apart)?.flagged_if(kept);
        let reader = Reader {
            pixels: n as i64,
            external: external as i64,
            positions: (external * d.tile_size()) as i64,
            apart: apart as i64,
            clean: !d.is_unknown(),
            all_clean: !image.has_unknowns(),
        };
        let mut axis = Axis {
            result,
            phase,
            taps: Vec::with_capacity(tiles),
            spills: false,
        };
        for out in 0..tiles {
            let mut taps = Vec::new();
            for number in 0..window.kernel {
                let Some(first) = window.pixel(out, number) else {
                    continue;
                };
                let Some((tap, spills)) =
                    reader.tap(number, first, result.used(out), slots, unused)
                else {
                    continue;
                };
                axis.spills |= spills;
                taps.push(tap);
            }
            axis.taps.push(taps);
        }
        axis.result = result.flagged_if(axis.spills);
        Ok(axis)
    }

    /// The taps that reach the image from tile `out` of the result.
    pub(super) fn taps(&self, out: usize) -> &[Tap] {
        &self.taps[out]
    }

    /// Number of taps over all tiles of the result.
    pub(super) fn terms(&self) -> usize {
        self.taps.iter().map(Vec::len).sum()
    }

    /// Number of tiles of the result that no tap reaches.
    pub(super) fn empty_tiles(&self) -> usize {
        self.taps.iter().filter(|t| t.is_empty()).count()
    }

    /// The distinct pairs of a tile of the image and a rotation.
    pub(super) fn variants(&self) -> BTreeSet<(usize, i64)> {
        let taps = self.taps.iter().flatten();
        taps.map(|t| (t.source, t.shift)).collect()
    }

    /// The distinct masks of tap `number`, or of all taps.
    pub(super) fn masks(&self, number: Option<usize>) -> usize {
        let taps = self.taps.iter().flatten();
        let masks: BTreeSet<Option<(usize, usize)>> = taps
            .filter(|t| number.is_none_or(|n| t.number == n))
            .map(|t| t.mask.as_ref().map(|m| (m.start, m.end)))
            .collect();
        masks.len()
    }
}

/// How the positions of an image are read.
struct Reader {
    pixels: i64,
    external: i64,
    /// Pixels that the tiles have room for.
    positions: i64,
    /// Slots of the image between neighbouring slots of the result.
    apart: i64,
    /// Positions behind the last pixel are zero.
    clean: bool,
    /// No slot of the image is unknown.
    all_clean: bool,
}

impl Reader {
    /// A tap whose slot `s` reads pixel `s·apart·e + first`, and whether unused slots receive values;
    /// `None` if it reaches no pixel.
    fn tap(
        &self,
        number: usize,
        first: i64,
        used: usize,
        slots: usize,
        unused: UnusedSlots,
    ) -> Option<(Tap, bool)> {
        let mut valid: Range<usize> = 0..0;
        let (mut reads_outside, mut spills) = (false, false);
        for s in 0..slots {
            let pixel = s as i64 * self.apart * self.external + first;
            let in_image = (0..self.pixels).contains(&pixel);
            if s >= used {
                spills |= !self.is_zero(pixel);
            } else if in_image {
                if valid.is_empty() {
                    valid.start = s;
                }
                valid.end = s + 1;
            } else {
                reads_outside |= !self.is_zero(pixel);
            }
        }
        if valid.is_empty() {
            return None;
        }
        let confined = reads_outside || (spills && unused == UnusedSlots::Zero);
        let tap = Tap {
            number,
            source: first.rem_euclid(self.external) as usize,
            shift: first.div_euclid(self.external),
            mask: confined.then_some(valid),
        };
        Some((tap, spills && !confined))
    }

    /// Whether the slot read for a position outside the image holds zero: behind the last pixel it is
    /// an unused slot; further out the rotation wraps to the other end of a neighbour in the dimensions
    /// before, where the same holds if nothing at all is unknown.
    fn is_zero(&self, pixel: i64) -> bool {
        if (self.pixels..self.positions).contains(&pixel) {
            self.clean
        } else {
            self.all_clean && pixel.rem_euclid(self.positions) >= self.pixels
        }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
