//! One axis of a sliding window: which pixel a tap of a result reads.

use crate::{Error, MAX_SLOTS, Result};

/// Whether a window gathers or scatters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Result `y` reads pixel `δ·y + d·i − p` through tap `i`: a convolution.
    Forward,
    /// Pixel `x` adds to result `δ·x + d·i − p` through tap `i`: the adjoint of a convolution.
    Transposed {
        /// Results behind the last one that a pixel reaches, below the stride or the dilation.
        extra: usize,
    },
}

/// Rows or columns of a sliding window: kernel `k`, stride `δ`, dilation `d`, padding `p` and `q`.
///
/// | direction | results for `n` pixels |
/// |---|---|
/// | forward | `⌊(n + p + q − d(k−1) − 1) / δ⌋ + 1` |
/// | transposed | `δ(n−1) + d(k−1) + 1 − p − q + extra` |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Number of taps.
    pub kernel: usize,
    /// Distance of neighbouring windows (transposed: of the windows that neighbouring pixels fill).
    pub stride: usize,
    /// Distance of neighbouring taps.
    pub dilation: usize,
    /// Zero pixels before and after the image (transposed: results cut off there).
    pub pad: [usize; 2],
    /// Whether the window gathers or scatters.
    pub direction: Direction,
}

impl Window {
    /// A convolution without padding whose windows and taps are neighbours.
    #[must_use]
    pub fn valid(kernel: usize) -> Self {
        Window {
            kernel,
            stride: 1,
            dilation: 1,
            pad: [0, 0],
            direction: Direction::Forward,
        }
    }

    /// A convolution with `⌈n/δ⌉` results for `n` pixels, padded by as much before as after, or by one
    /// more after.
    ///
    /// # Errors
    /// A kernel, stride or dilation of zero, or a size above 2³⁰.
    pub fn same(kernel: usize, stride: usize, dilation: usize, pixels: usize) -> Result<Self> {
        let window = Window {
            stride,
            dilation,
            ..Window::valid(kernel)
        };
        window.check(pixels)?;
        let last = (pixels.div_ceil(stride).max(1) - 1) * stride;
        let pad = (last + window.reach() + 1).saturating_sub(pixels);
        Ok(Window {
            pad: [pad / 2, pad - pad / 2],
            ..window
        })
    }

    /// Number of results for `pixels` pixels.
    ///
    /// # Errors
    /// A kernel, stride or dilation of zero, a size above 2³⁰, a kernel larger than the padded image,
    /// more results cut off than there are, or more extra results than a window can be short of.
    pub fn results(&self, pixels: usize) -> Result<usize> {
        self.check(pixels)?;
        let pad = self.pad[0] + self.pad[1];
        match self.direction {
            Direction::Forward => match (pixels + pad).checked_sub(self.reach() + 1) {
                Some(room) => Ok(room / self.stride + 1),
                None => self.fail(format!(
                    "it does not fit {pixels} pixels padded by {} and {}",
                    self.pad[0], self.pad[1]
                )),
            },
            Direction::Transposed { extra } => {
                if extra >= self.stride.max(self.dilation) {
                    return self.fail(format!(
                        "{extra} extra results; stride {} and dilation {} leave fewer open",
                        self.stride, self.dilation
                    ));
                }
                let all = self.stride * (pixels - 1) + self.reach() + 1 + extra;
                match all.checked_sub(pad) {
                    Some(results @ 1..=MAX_SLOTS) => Ok(results),
                    _ => self.fail(format!(
                        "{all} results of {pixels} pixels, less {pad}, are not 1 to 2^30"
                    )),
                }
            }
        }
    }

    /// The pixel that `tap` of `result` reads, which may lie outside the image; `None` where a
    /// transposed window has no pixel for this tap.
    #[must_use]
    pub fn pixel(&self, result: usize, tap: usize) -> Option<i64> {
        let [y, i, s, d, p] =
            [result, tap, self.stride, self.dilation, self.pad[0]].map(|v| v as i64);
        match self.direction {
            Direction::Forward => Some(s * y + d * i - p),
            Direction::Transposed { .. } => {
                let at = y + p - d * i;
                (at.rem_euclid(s) == 0).then(|| at.div_euclid(s))
            }
        }
    }

    /// Distance of the last tap from the first.
    fn reach(&self) -> usize {
        self.dilation * (self.kernel - 1)
    }

    fn check(&self, pixels: usize) -> Result<()> {
        let sizes = [self.kernel, self.stride, self.dilation, pixels];
        if sizes.contains(&0) {
            return self.fail(format!(
                "kernel, stride, dilation and the {pixels} pixels are at least 1"
            ));
        }
        let extra = match self.direction {
            Direction::Forward => 0,
            Direction::Transposed { extra } => extra,
        };
        if sizes
            .iter()
            .chain(&self.pad)
            .chain([&extra])
            .any(|&v| v > MAX_SLOTS)
        {
            return self.fail("a size is above 2^30".into());
        }
        Ok(())
    }

    fn fail<T>(&self, why: String) -> Result<T> {
        Err(Error::Unsupported {
            op: "convolution",
            shape: format!(
                "kernel {} (stride {}, dilation {})",
                self.kernel, self.stride, self.dilation
            ),
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_window_is_the_adjoint() {
        for (k, stride, dilation, pad) in [(3, 2, 1, [1, 0]), (2, 3, 1, [0, 0]), (3, 1, 2, [2, 1])]
        {
            let down = Window {
                kernel: k,
                stride,
                dilation,
                pad,
                direction: Direction::Forward,
            };
            let n = 11;
            let m = down.results(n).unwrap_or(0);
            let short = (n + pad[0] + pad[1] - dilation * (k - 1) - 1) % stride;
            let up = Window {
                direction: Direction::Transposed { extra: short },
                ..down
            };
            assert_eq!(up.results(m), Ok(n));
            for y in 0..m {
                for i in 0..k {
                    let Some(x) = down.pixel(y, i).and_then(|x| usize::try_from(x).ok()) else {
                        continue;
                    };
                    assert_eq!(up.pixel(x, i), Some(y as i64));
                }
            }
        }
    }

    #[test]
    fn same_keeps_the_size() {
        for (n, k, stride, dilation) in [
            (28, 5, 1, 1),
            (28, 5, 2, 1),
            (13, 3, 1, 2),
            (7, 2, 3, 1),
            (2, 1, 2, 1),
        ] {
            let window = Window::same(k, stride, dilation, n).expect("sizes are positive");
            assert_eq!(window.results(n), Ok(n.div_ceil(stride)));
        }
    }

    #[test]
    fn impossible_windows_are_refused() {
        let w = Window::valid(3);
        let transposed = |extra| Direction::Transposed { extra };
        for bad in [
            Window { kernel: 0, ..w },
            Window { stride: 0, ..w },
            Window { dilation: 0, ..w },
            Window { kernel: 9, ..w },
            Window {
                dilation: usize::MAX,
                ..w
            },
            Window {
                pad: [usize::MAX, 1],
                ..w
            },
            Window {
                direction: transposed(1),
                ..w
            },
            Window {
                direction: transposed(0),
                pad: [5, 5],
                ..w
            },
            Window {
                direction: transposed(usize::MAX),
                ..w
            },
        ] {
            assert!(bad.results(8).is_err(), "{bad:?}");
        }
        assert!(w.results(0).is_err());
    }
}
