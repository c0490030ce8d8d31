//! The matrices of linear network operators on flattened `[channels, height, width]` tensors.

use crate::{DenseMatrix, Error, Matrix, Result, Sparse, Window, WindowMatrix};

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
) -> Result<Matrix> {
    Ok(WindowMatrix::try_new(shape, weight, filters, groups, window)?.into())
}

/// Transposed convolution with `weight[in][out / groups][kh][kw]` flattened row-major: the transposed matrix of the
/// convolution that reads `[out, height', width']`, `size' = (size - 1) · stride + dilation · (kernel - 1) + 1 - pad +
/// extra`.
///
/// # Errors
/// Shapes that do not fit.
pub fn conv_transpose2d(
    shape: [usize; 3],
    weight: &[f64],
    filters: usize,
    groups: usize,
    window: Window,
    extra: [usize; 2],
) -> Result<Matrix> {
    let [channels, height, width] = shape;
    let size = |axis: usize, length: usize| {
        let reach = window.dilation[axis] * window.kernel[axis].saturating_sub(1) + 1;
        (length.saturating_sub(1) * window.stride[axis] + reach + extra[axis])
            .checked_sub(window.pad[axis] + window.pad[axis + 2])
            .filter(|s| *s > 0)
    };
    let fail = |why: String| Error::Shape {
        op: "ConvTranspose",
        why,
    };
    let (Some(rows), Some(cols)) = (size(0, height), size(1, width)) else {
        return Err(fail(format!(
            "padding {:?} leaves nothing of the image {:?}",
            window.pad,
            [height, width]
        )));
    };
    let forward = WindowMatrix::try_new([filters, rows, cols], weight, channels, groups, window)?;
    if forward.output() != shape {
        return Err(fail(format!(
            "an image of {rows} x {cols} convolved has shape {:?}, not {shape:?}",
            forward.output()
        )));
    }
    Ok(Matrix::from(forward).transposed())
}

/// Average pooling; padding counts in the average if `count_pad`.
///
/// # Errors
/// Shapes that do not fit.
pub fn average_pool(shape: [usize; 3], window: Window, count_pad: bool) -> Result<Matrix> {
    let [channels, height, width] = shape;
    let [oh, ow] = window.output("AveragePool", [height, width])?;
    let area = window.kernel[0] * window.kernel[1];
    let inside = window.pad == [0; 4];
    if count_pad || inside {
        let weight = vec![1.0 / area as f64; channels * area];
        return conv2d(shape, &weight, channels, channels, window);
    }
    let mut rows = Vec::with_capacity(channels * oh * ow);
    for c in 0..channels {
        for pixel in 0..oh * ow {
            let columns: Vec<usize> = window.taps(1, pixel % ow, width).map(|t| t.1).collect();
            let taps: Vec<usize> = window
                .taps(0, pixel / ow, height)
                .flat_map(|(_, y)| columns.iter().map(move |x| y * width + x))
                .collect();
            let share = 1.0 / taps.len().max(1) as f64;
            rows.push(
                taps.into_iter()
                    .map(|p| (c * height * width + p, share))
                    .collect(),
            );
        }
    }
    Ok(Sparse::from_rows(channels * height * width, rows).into())
}

/// A dense matrix `weight[out][in]` flattened row-major.
///
/// # Errors
/// A number of weights that is not `rows · cols`.
pub fn dense(weight: &[f64], rows: usize, cols: usize) -> Result<Matrix> {
    Ok(DenseMatrix::try_new(weight.to_vec(), rows, cols)?.into())
}

/// The matrix of a transposition: result axis `k` is source axis `perm[k]`.
///
/// # Errors
/// `perm` is not a permutation of the axes.
pub fn transpose(shape: &[usize], perm: &[usize]) -> Result<Matrix> {
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
    Ok(Sparse::from_rows(total, rows).into())
}
