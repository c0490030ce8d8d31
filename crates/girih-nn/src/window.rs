//! Convolutions as matrices that are not spelled out.

use std::sync::Arc;

use crate::{Error, Result};

/// A sliding window over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Zero rows and columns added: top, left, bottom, right.
    pub pad: [usize; 4],
    /// Distance of neighbouring taps, vertically and horizontally.
    pub dilation: [usize; 2],
}

impl Default for Window {
    /// One pixel: kernel, stride and dilation 1, no padding.
    fn default() -> Self {
        Window {
            kernel: [1; 2],
            stride: [1; 2],
            pad: [0; 4],
            dilation: [1; 2],
        }
    }
}

impl Window {
    /// Height and width of the result: `⌊(in + pad - dilation · (kernel - 1) - 1) / stride⌋ + 1`.
    ///
    /// # Errors
    /// A size of zero, or a kernel larger than the padded image.
    pub fn output(&self, op: &'static str, [height, width]: [usize; 2]) -> Result<[usize; 2]> {
        let padded = [
            height + self.pad[0] + self.pad[2],
            width + self.pad[1] + self.pad[3],
        ];
        let mut out = [0; 2];
        for d in 0..2 {
            let [kernel, stride, dilation] = [self.kernel[d], self.stride[d], self.dilation[d]];
            let reach = kernel.saturating_sub(1) * dilation;
            if stride == 0 || kernel == 0 || dilation == 0 || reach >= padded[d] {
                return Err(Error::Shape {
                    op,
                    why: format!(
                        "kernel {:?} with stride {:?} and dilation {:?} does not fit the padded image {padded:?}",
                        self.kernel, self.stride, self.dilation
                    ),
                });
            }
            out[d] = (padded[d] - reach - 1) / stride + 1;
        }
        Ok(out)
    }

    /// The taps of output row (`axis` 0) or column (`axis` 1) `at` that meet an image of `length`: `(tap, position)`.
    pub(crate) fn taps(
        self,
        axis: usize,
        at: usize,
        length: usize,
    ) -> impl Iterator<Item = (usize, usize)> {
        (0..self.kernel[axis]).filter_map(move |k| {
            let padded = at * self.stride[axis] + k * self.dilation[axis];
            let position = padded.checked_sub(self.pad[axis])?;
            (position < length).then_some((k, position))
        })
    }

    /// The tap of output position `at` that meets `position`.
    fn tap(&self, axis: usize, at: usize, position: usize) -> Option<usize> {
        let reach = (position + self.pad[axis]).checked_sub(at * self.stride[axis])?;
        let k = match self.dilation[axis] {
            1 => reach,
            dilation if reach.is_multiple_of(dilation) => reach / dilation,
            _ => return None,
        };
        (k < self.kernel[axis]).then_some(k)
    }
}

/// A convolution as a matrix from `[channels, height, width]` to `[filters, height', width']`, both row-major: the
/// weights are kept once, not once for every pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowMatrix {
    window: Window,
    input: [usize; 3],
    output: [usize; 3],
    groups: usize,
    /// `[filters][channels / groups][kernel]`.
    weight: Arc<[f64]>,
}

impl WindowMatrix {
    /// From `weight[filters][channels / groups][kh][kw]`, row-major.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn try_new(
        input: [usize; 3],
        weight: impl Into<Arc<[f64]>>,
        filters: usize,
        groups: usize,
        window: Window,
    ) -> Result<Self> {
        let (weight, channels) = (weight.into(), input[0]);
        let area = window.kernel[0] * window.kernel[1];
        if groups == 0
            || !channels.is_multiple_of(groups)
            || !filters.is_multiple_of(groups)
            || weight.len() != filters * (channels / groups) * area
        {
            return Err(Error::Shape {
                op: "Conv",
                why: format!(
                    "{} weights for {filters} filters, {channels} channels, {groups} groups, kernel {:?}",
                    weight.len(),
                    window.kernel
                ),
            });
        }
        let [height, width] = window.output("Conv", [input[1], input[2]])?;
        Ok(WindowMatrix {
            window,
            input,
            output: [filters, height, width],
            groups,
            weight,
        })
    }

    /// `[channels, height, width]` of the operand.
    #[must_use]
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// `[filters, height, width]` of the result.
    #[must_use]
    pub fn output(&self) -> [usize; 3] {
        self.output
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    fn per_group(&self) -> usize {
        match self.groups {
            1 => self.input[0],
            groups => self.input[0] / groups,
        }
    }

    /// The channels that a filter reads.
    #[must_use]
    pub fn channels_of(&self, filter: usize) -> std::ops::Range<usize> {
        let group = filter / (self.output[0] / self.groups);
        group * self.per_group()..(group + 1) * self.per_group()
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.output.iter().product()
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.input.iter().product()
    }

    /// Number of entries: taps inside the image, for every filter and channel it reads.
    #[must_use]
    pub fn entries(&self) -> usize {
        let met = |axis: usize| -> usize {
            (0..self.output[axis + 1])
                .map(|at| self.window.taps(axis, at, self.input[axis + 1]).count())
                .sum()
        };
        self.output[0] * self.per_group() * met(0) * met(1)
    }

    /// Calls `f` with `(column, value)` for the entries of a row, by column.
    pub fn for_row(&self, row: usize, mut f: impl FnMut(usize, f64)) {
        let [_, height, width] = self.input;
        let [filter, y, x] = split(row, self.output);
        let [_, kernel_width] = self.window.kernel;
        let area = self.window.kernel[0] * kernel_width;
        let channels = self.channels_of(filter);
        for channel in channels.clone() {
            let first = (filter * self.per_group() + channel - channels.start) * area;
            for (ky, row) in self.window.taps(0, y, height) {
                for (kx, col) in self.window.taps(1, x, width) {
                    let value = self.weight[first + ky * kernel_width + kx];
                    f((channel * height + row) * width + col, value);
                }
            }
        }
    }

    /// The entry between `[filter, y, x]` and `[channel, y, x]`.
    #[must_use]
    pub fn at(&self, to: [usize; 3], from: [usize; 3]) -> f64 {
        let channel = match self.groups {
            1 => from[0],
            _ => match from[0].checked_sub(self.channels_of(to[0]).start) {
                Some(channel) if channel < self.per_group() => channel,
                _ => return 0.0,
            },
        };
        let taps = (
            self.window.tap(0, to[1], from[1]),
            self.window.tap(1, to[2], from[2]),
        );
        let (Some(ky), Some(kx)) = taps else {
            return 0.0;
        };
        let [kernel_height, kernel_width] = self.window.kernel;
        let plane = to[0] * self.per_group() + channel;
        self.weight[(plane * kernel_height + ky) * kernel_width + kx]
    }

    /// The rows multiplied by factors that are equal on all pixels of a filter; `None` if they are not.
    pub(crate) fn scaled_rows(&self, factors: &[f64]) -> Option<WindowMatrix> {
        let per_filter = per_channel(factors, self.output)?;
        let each = self.weight.len() / self.output[0];
        let weight = self.weight.chunks(each).zip(&per_filter);
        Some(WindowMatrix {
            weight: weight
                .flat_map(|(w, f)| w.iter().map(move |w| w * f))
                .collect(),
            ..self.clone()
        })
    }

    /// The columns multiplied by factors that are equal on all pixels of a channel; `None` if they are not.
    pub(crate) fn scaled_cols(&self, factors: &[f64]) -> Option<WindowMatrix> {
        let per_channel = per_channel(factors, self.input)?;
        let area = self.window.kernel[0] * self.window.kernel[1];
        let factor = |plane: usize| {
            let (filter, channel) = (plane / self.per_group(), plane % self.per_group());
            per_channel[self.channels_of(filter).start + channel]
        };
        let planes = self.weight.chunks(area).enumerate();
        Some(WindowMatrix {
            weight: planes
                .flat_map(|(p, w)| w.iter().map(move |w| (p, w)))
                .map(|(p, w)| w * factor(p))
                .collect(),
            ..self.clone()
        })
    }
}

/// The coordinates of a feature.
pub(crate) fn split(feature: usize, [_, height, width]: [usize; 3]) -> [usize; 3] {
    [
        feature / (height * width),
        feature / width % height,
        feature % width,
    ]
}

/// One value for each channel, if all its pixels have the same.
fn per_channel(values: &[f64], [_, height, width]: [usize; 3]) -> Option<Vec<f64>> {
    values
        .chunks(height * width)
        .map(|pixels| pixels.iter().all(|p| *p == pixels[0]).then_some(pixels[0]))
        .collect()
}
