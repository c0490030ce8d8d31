//! The sparse matrices of linear network operators on flattened `[channels, height, width]` tensors.

use crate::{Error, Result, Sparse};

/// A sliding window over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Zero rows and columns added: top, left, bottom, right.
    pub pad: [usize; 4],
}

impl Window {
    /// Height and width of the result: `⌊(in + pad - kernel) / stride⌋ + 1`.
    ///
    /// # Errors
    /// A stride of zero or a kernel larger than the padded image.
    pub fn output(&self, op: &'static str, [height, width]: [usize; 2]) -> Result<[usize; 2]> {
        let padded = [
            height + self.pad[0] + self.pad[2],
            width + self.pad[1] + self.pad[3],
        ];
        let mut out = [0; 2];
        for d in 0..2 {
            if self.stride[d] == 0 || self.kernel[d] == 0 || self.kernel[d] > padded[d] {
                return Err(Error::Shape {
                    op,
                    why: format!(
                        "kernel {:?} with stride {:?} does not fit the padded image {padded:?}",
                        self.kernel, self.stride
                    ),
                });
            }
            out[d] = (padded[d] - self.kernel[d]) / self.stride[d] + 1;
        }
        Ok(out)
    }

    /// The pixels of the image under the window at `(y, x)`: `(kernel index, pixel index)`.
    fn taps(
        &self,
        [y, x]: [usize; 2],
        [height, width]: [usize; 2],
    ) -> impl Iterator<Item = (usize, usize)> + '_ {
        let [kh, kw] = self.kernel;
        (0..kh * kw).filter_map(move |k| {
            let row = (y * self.stride[0] + k / kw).checked_sub(self.pad[0])?;
            let col = (x * self.stride[1] + k % kw).checked_sub(self.pad[1])?;
            (row < height && col < width).then_some((k, row * width + col))
        })
    }
}

/// Convolution with `weight[out][in / groups][kh][kw]` flattened row-major.
///
/// # Errors
/// Shapes that do not fit.
pub fn conv2d(
    shape: [usize; 3],
    weight: &[f64],
    filters: usize,
    groups: usize,
    window: Window,
) -> Result<Sparse> {
    let [channels, height, width] = shape;
    let area = window.kernel[0] * window.kernel[1];
    if groups == 0
        || channels % groups != 0
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
    let [oh, ow] = window.output("Conv", [height, width])?;
    let (per_group, filters_per_group) = (channels / groups, filters / groups);
    let mut rows = Vec::with_capacity(filters * oh * ow);
    for f in 0..filters {
        let first = f / filters_per_group * per_group;
        for pixel in 0..oh * ow {
            let mut row = Vec::with_capacity(per_group * area);
            for (k, source) in window.taps([pixel / ow, pixel % ow], [height, width]) {
                for c in 0..per_group {
                    row.push((
                        (first + c) * height * width + source,
                        weight[(f * per_group + c) * area + k],
                    ));
                }
            }
            rows.push(row);
        }
    }
    Ok(Sparse::from_rows(channels * height * width, rows))
}

/// Average pooling; padding counts in the average if `count_pad`.
///
/// # Errors
/// Shapes that do not fit.
pub fn average_pool(shape: [usize; 3], window: Window, count_pad: bool) -> Result<Sparse> {
    let [channels, height, width] = shape;
    let [oh, ow] = window.output("AveragePool", [height, width])?;
    let area = window.kernel[0] * window.kernel[1];
    let mut rows = Vec::with_capacity(channels * oh * ow);
    for c in 0..channels {
        for pixel in 0..oh * ow {
            let taps: Vec<usize> = window
                .taps([pixel / ow, pixel % ow], [height, width])
                .map(|t| t.1)
                .collect();
            let share = 1.0 / if count_pad { area } else { taps.len().max(1) } as f64;
            rows.push(
                taps.into_iter()
                    .map(|p| (c * height * width + p, share))
                    .collect(),
            );
        }
    }
    Ok(Sparse::from_rows(channels * height * width, rows))
}

/// A dense matrix `weight[out][in]` flattened row-major.
///
/// # Errors
/// A number of weights that is not `rows · cols`.
pub fn dense(weight: &[f64], rows: usize, cols: usize) -> Result<Sparse> {
    if weight.len() != rows * cols {
        return Err(Error::Shape {
            op: "Gemm",
            why: format!("{} weights for a {rows} x {cols} matrix", weight.len()),
        });
    }
    Ok(Sparse::from_rows(
        cols,
        weight
            .chunks(cols.max(1))
            .map(|r| r.iter().copied().enumerate().collect())
            .collect(),
    ))
}

/// The matrix of a transposition: result axis `k` is source axis `perm[k]`.
///
/// # Errors
/// `perm` is not a permutation of the axes.
pub fn transpose(shape: &[usize], perm: &[usize]) -> Result<Sparse> {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if sorted != (0..shape.len()).collect::<Vec<_>>() {
        return Err(Error::Shape {
            op: "Transpose",
            why: format!("{perm:?} does not permute the axes of {shape:?}"),
        });
    }
    let strides: Vec<usize> = (0..shape.len())
        .map(|a| shape[a + 1..].iter().product())
        .collect();
    let total: usize = shape.iter().product();
    let rows = (0..total)
        .map(|mut index| {
            let mut source = 0;
            for &axis in perm.iter().rev() {
                source += index % shape[axis] * strides[axis];
                index /= shape[axis];
            }
            vec![(source, 1.0)]
        })
        .collect();
    Ok(Sparse::from_rows(total, rows))
}
