//! The one configuration that every method is built from.

use std::sync::Arc;

use girih_tiles::ops::conv::{Direction, Window as AxisWindow};

use super::shape_error;
use crate::{Matrix, Result, Window, maps};

/// Whether a convolution gathers or scatters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConvDirection {
    /// `y[f, y, x] = Σ w[f, c, i, j] · x[c, δy + di − p, …]`.
    #[default]
    Forward,
    /// The adjoint: pixel `(y, x)` adds to the results `(δy + di − p, …)`.
    Transposed {
        /// Rows and columns behind the last that a pixel reaches.
        extra: [usize; 2],
    },
}

/// Sizes, window and weights of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2dConfig {
    /// `[channels, height, width]`.
    pub image: [usize; 3],
    /// Channels of the result.
    pub filters: usize,
    /// Divides channels and filters; filter `f` reads the channels of group `⌊f · groups / filters⌋`.
    pub groups: usize,
    /// `[filters][channels / groups][kernel height][kernel width]`, row-major, for either direction.
    pub weight: Arc<[f64]>,
    /// One value per filter.
    pub bias: Option<Vec<f64>>,
    /// Kernel, stride, padding and dilation.
    pub window: Window,
    /// Whether the window gathers or scatters.
    pub direction: ConvDirection,
}

impl Conv2dConfig {
    /// Average pooling: one filter per channel whose taps are one over their number; padding counts.
    ///
    /// # Errors
    /// A window without taps or one that does not fit the image.
    pub fn average_pool(image: [usize; 3], window: Window) -> Result<Self> {
        let taps = window.kernel[0].saturating_mul(window.kernel[1]);
        let mut pool = Conv2dConfig {
            image,
            filters: image[0],
            groups: image[0],
            weight: Arc::from([]),
            bias: None,
            window,
            direction: ConvDirection::Forward,
        };
        pool.output()?;
        let all = taps.saturating_mul(image[0]);
        if all > u32::MAX as usize {
            return Err(shape_error(format!(
                "a pool of {:?} taps for {} channels",
                window.kernel, image[0]
            )));
        }
        pool.weight = vec![1.0 / taps as f64; all].into();
        pool.check()?;
        Ok(pool)
    }

    /// `[filters, height', width']` of the result.
    ///
    /// # Errors
    /// A window that does not fit the image.
    pub fn output(&self) -> Result<[usize; 3]> {
        let [rows, cols] = self.axes();
        Ok([
            self.filters,
            rows.results(self.image[1])?,
            cols.results(self.image[2])?,
        ])
    }

    /// The window's rows and columns.
    #[must_use]
    pub fn axes(&self) -> [AxisWindow; 2] {
        let Window {
            kernel,
            stride,
            pad,
            dilation,
        } = self.window;
        [0, 1].map(|axis| AxisWindow {
            kernel: kernel[axis],
            stride: stride[axis],
            dilation: dilation[axis],
            pad: [pad[axis], pad[axis + 2]],
            direction: match self.direction {
                ConvDirection::Forward => Direction::Forward,
                ConvDirection::Transposed { extra } => Direction::Transposed { extra: extra[axis] },
            },
        })
    }

    /// Whether every channel has a filter of its own, so that none are summed.
    #[must_use]
    pub fn is_depthwise(&self) -> bool {
        self.groups == self.image[0] && self.groups == self.filters
    }

    /// Checks that all sizes agree and the weights are finite.
    ///
    /// # Errors
    /// The first contradiction, with both sizes.
    pub fn check(&self) -> Result<()> {
        let [channels, ..] = self.image;
        let divides = |n: usize| self.groups > 0 && n > 0 && n.is_multiple_of(self.groups);
        if !divides(channels) || !divides(self.filters) {
            return Err(shape_error(format!(
                "{} groups do not divide {channels} channels and {} filters",
                self.groups, self.filters
            )));
        }
        let output = self.output()?;
        for (name, shape) in [("image", self.image), ("result", output)] {
            let size = shape.iter().try_fold(1usize, |s, &n| s.checked_mul(n));
            if size.is_none_or(|s| s > u32::MAX as usize) {
                return Err(shape_error(format!(
                    "the {name} {shape:?} has over 2^32 values"
                )));
            }
        }
        let sizes = [
            self.filters,
            self.per_group(),
            self.window.kernel[0],
            self.window.kernel[1],
        ];
        let size = sizes.iter().try_fold(1usize, |s, &n| s.checked_mul(n));
        if size != Some(self.weight.len()) {
            return Err(shape_error(format!(
                "{} weights for filters of sizes {sizes:?}",
                self.weight.len()
            )));
        }
        if let Some(bias) = &self.bias
            && bias.len() != self.filters
        {
            return Err(shape_error(format!(
                "{} biases for {} filters",
                bias.len(),
                self.filters
            )));
        }
        let values = self.weight.iter().chain(self.bias.iter().flatten());
        match values.enumerate().find(|(_, v)| !v.is_finite()) {
            Some((at, v)) => Err(shape_error(format!("weight or bias {at} is {v}"))),
            None => Ok(()),
        }
    }

    /// Channels that a filter reads.
    #[must_use]
    pub fn per_group(&self) -> usize {
        self.image[0] / self.groups
    }

    /// The matrix from the image to the result, both row-major.
    pub(super) fn matrix(&self) -> Result<Matrix> {
        match self.direction {
            ConvDirection::Forward => maps::conv2d(
                self.image,
                &self.weight,
                self.filters,
                self.groups,
                self.window,
            ),
            ConvDirection::Transposed { extra } => {
                // [filters][channels / groups] becomes [channels][filters / groups].
                let area = self.window.kernel[0] * self.window.kernel[1];
                let (inner, outer) = (self.per_group(), self.filters / self.groups);
                let mut weight = Vec::with_capacity(self.weight.len());
                for c in 0..self.image[0] {
                    for f in 0..outer {
                        let plane = (c / inner * outer + f) * inner + c % inner;
                        weight.extend_from_slice(&self.weight[plane * area..][..area]);
                    }
                }
                maps::conv_transpose2d(
                    self.image,
                    &weight,
                    self.filters,
                    self.groups,
                    self.window,
                    extra,
                )
            }
        }
    }

    /// The patches of one image: what every tap reads for every pixel of the result,
    /// `[channels / groups · kernel height · kernel width][groups][height' · width']`, zero outside the image.
    ///
    /// # Panics
    /// If the configuration does not pass [`check`](Conv2dConfig::check) or the image has another size.
    #[must_use]
    pub fn patches(&self, image: &[f64]) -> Vec<f64> {
        let [_, height, width] = self.image;
        let [_, rows, cols] = self.output().expect("checked");
        let [kh, kw] = self.window.kernel;
        let [vertical, horizontal] = self.axes();
        let read = |window: AxisWindow, result: usize, tap: usize, length: usize| {
            let pixel = usize::try_from(window.pixel(result, tap)?).ok()?;
            (pixel < length).then_some(pixel)
        };
        let mut patches = Vec::with_capacity(self.taps() * self.groups * rows * cols);
        for tap in 0..self.taps() {
            let (channel, i, j) = (tap / (kh * kw), tap / kw % kh, tap % kw);
            for group in 0..self.groups {
                let plane = (group * self.per_group() + channel) * height * width;
                for y in 0..rows {
                    let row = read(vertical, y, i, height);
                    patches.extend(
                        (0..cols).map(|x| match (row, read(horizontal, x, j, width)) {
                            (Some(r), Some(c)) => image[plane + r * width + c],
                            _ => 0.0,
                        }),
                    );
                }
            }
        }
        patches
    }

    /// Weights of one filter.
    pub(super) fn taps(&self) -> usize {
        self.per_group() * self.window.kernel[0] * self.window.kernel[1]
    }
}
