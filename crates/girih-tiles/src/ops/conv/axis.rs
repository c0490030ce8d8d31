//! One axis of an interleaved convolution: which tile and slot a tap reads.

use std::ops::Range;

use crate::{TileDim, TileShape};

use super::Error;

/// Rows or columns of image and result.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    image: TileDim,
    pub(super) result: TileDim,
    kernel: usize,
    stride: usize,
    before: usize,
}

/// Kernel size, stride and padding along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) before: usize,
    pub(super) after: usize,
}

/// What one tap does for one tile of the result along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    /// The tile read.
    pub(super) source: usize,
    /// The slots by which it is rotated to the left.
    pub(super) shift: i64,
    /// The used slots of the result that read a pixel of the image.
    pub(super) valid: Range<usize>,
    /// A used slot of the result would read something else than zero outside the image.
    pub(super) needs_mask: bool,
    /// An unused slot of the result would receive something else than zero.
    pub(super) spills: bool,
}

impl Axis {
    /// The axis `dim` of an image.
    pub(super) fn new(image: &TileShape, dim: usize, window: Window) -> Result<Self, Error> {
        let d = image.dims()[dim];
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
        if d.copies() > 1 || !(d.is_interleaved() || d.tile_size() == 1 || external == 1) {
            return fail(format!("rows and columns are interleaved, this is {d}"));
        }
        let padded = n
            .checked_add(window.before)
            .and_then(|n| n.checked_add(window.after));
        let Some(room) = padded.and_then(|p| p.checked_sub(window.kernel)) else {
            return fail(format!(
                "a kernel of {} does not fit {n} pixels padded by {} and {}",
                window.kernel, window.before, window.after
            ));
        };
        if !external.is_multiple_of(window.stride) {
            return fail(format!(
                "the stride {} does not divide the {external} tiles of {d}; force a multiple of it, as {n}~{}/{}",
                window.stride,
                external.next_multiple_of(window.stride),
                d.tile_size()
            ));
        }
        let outputs = room / window.stride + 1;
        let tiles = external / window.stride;
        let result = TileDim::interleaved_over(outputs, tiles, d.tile_size());
        let Ok(result) = result else {
            return fail(format!(
                "{outputs} results do not fit {tiles} tiles of {} slots; force a larger external size",
                d.tile_size()
            ));
        };
        Ok(Axis {
            image: d,
            result,
            kernel: window.kernel,
            stride: window.stride,
            before: window.before,
        })
    }

    /// Number of taps.
    pub(super) fn kernel(&self) -> usize {
        self.kernel
    }

    /// Tap `i` for tile `out` of the result: slot `s` there reads pixel `s·e + δ·out + i − p`.
    pub(super) fn tap(&self, out: usize, i: usize) -> Tap {
        let external = self.image.external_size() as i64;
        let (n, t) = (
            self.image.original_size().unwrap_or(0) as i64,
            self.image.tile_size(),
        );
        let first = (out * self.stride + i) as i64 - self.before as i64;
        let used = self.result.used(out);
        let mut tap = Tap {
            source: first.rem_euclid(external) as usize,
            shift: first.div_euclid(external),
            valid: 0..0,
            needs_mask: false,
            spills: false,
        };
        for s in 0..t {
            let pixel = s as i64 * external + first;
            let in_image = (0..n).contains(&pixel);
            let is_zero = (n..external * t as i64).contains(&pixel) && !self.image.is_unknown();
            if s >= used {
                tap.spills |= !is_zero;
            } else if in_image {
                if tap.valid.is_empty() {
                    tap.valid.start = s;
                }
                tap.valid.end = s + 1;
            } else {
                tap.needs_mask |= !is_zero;
            }
        }
        tap
    }
}
