//! One operator on one item, row-major slices in and out.

use crate::op::Op;
use ndarray::{ArrayView, IxDyn};

/// `op(operands)`; values and shapes were checked by the caller.
pub(super) fn apply(op: &Op, operands: &[(&[f64], &[usize])], shape: &[usize]) -> Vec<f64> {
    let (x, x_shape) = operands.first().copied().unwrap_or((&[], &[]));
    let each = |f: &dyn Fn(f64) -> f64| x.iter().map(|v| f(*v)).collect();
    let both = |f: fn(f64, f64) -> f64| {
        let y = operands.get(1).map_or(x, |o| o.0);
        x.iter().zip(y).map(|(a, b)| f(*a, *b)).collect()
    };
    match op {
        Op::Input | Op::Identity | Op::Flatten | Op::Reshape(_) => x.to_vec(),
        Op::Conv2d { .. } => convolve(op, x, x_shape, shape),
        Op::ConvTranspose2d { .. } => spread(op, x, x_shape, shape),
        Op::Dense { weight, bias } => weight
            .outer_iter()
            .enumerate()
            .map(|(o, row)| {
                let sum: f64 = row.iter().zip(x).map(|(w, v)| w * v).sum();
                sum + bias.as_ref().map_or(0.0, |b| b[o])
            })
            .collect(),
        Op::AvgPool { .. } => pool(op, x, x_shape, shape),
        Op::GlobalAvgPool => {
            let plane = (x_shape[1] * x_shape[2]).max(1);
            x.chunks(plane)
                .map(|c| c.iter().sum::<f64>() / plane as f64)
                .collect()
        }
        Op::Affine { scale, shift } => {
            let channel = (x.len() / scale.len().max(1)).max(1);
            x.iter()
                .enumerate()
                .map(|(i, v)| scale[i / channel] * v + shift[i / channel])
                .collect()
        }
        Op::Elementwise { scale, shift } => x
            .iter()
            .zip(scale.iter().zip(shift))
            .map(|(v, (a, b))| a * v + b)
            .collect(),
        Op::Add => both(|a, b| a + b),
        Op::Sub => both(|a, b| a - b),
        Op::Mul => both(|a, b| a * b),
        Op::PowInt(k) => {
            let k = i32::try_from(*k).unwrap_or(i32::MAX);
            each(&|v| v.powi(k))
        }
        Op::Polynomial(c) => each(&|v| c.iter().rev().fold(0.0, |acc, c| acc * v + c)),
        Op::Activation(kind) => each(&|v| kind.eval(v)),
        Op::Transpose(perm) => match ArrayView::from_shape(IxDyn(x_shape), x) {
            Ok(view) => view.permuted_axes(IxDyn(perm)).iter().copied().collect(),
            Err(_) => x.to_vec(),
        },
    }
}

/// Positions `i` with `0 <= s i + u - before < size`.
fn inside(
    count: usize,
    size: usize,
    u: usize,
    before: usize,
    stride: usize,
) -> std::ops::Range<usize> {
    let first = before.saturating_sub(u).div_ceil(stride);
    let end = (size + before).saturating_sub(u).div_ceil(stride);
    first.min(count)..end.min(count).max(first.min(count))
}

fn convolve(op: &Op, x: &[f64], x_shape: &[usize], shape: &[usize]) -> Vec<f64> {
    let Op::Conv2d {
        weight,
        bias,
        stride,
        pad,
        dilation,
        groups,
    } = op
    else {
        return Vec::new();
    };
    let (h, w) = (x_shape[1], x_shape[2]);
    let (oh, ow) = (shape[1], shape[2]);
    let (out, per_group, kh, kw) = weight.dim();
    let out_per_group = out / groups;
    let mut y = vec![0.0; out * oh * ow];
    for (o, plane) in y.chunks_mut(oh * ow).enumerate() {
        if let Some(b) = bias {
            plane.fill(b[o]);
        }
        for c in 0..per_group {
            let channel = (o / out_per_group) * per_group + c;
            let image = &x[channel * h * w..][..h * w];
            for u in 0..kh {
                for v in 0..kw {
                    let tap = weight[[o, c, u, v]];
                    let (u, v) = (u * dilation[0], v * dilation[1]);
                    let columns = inside(ow, w, v, pad[1], stride[1]);
                    for i in inside(oh, h, u, pad[0], stride[0]) {
                        let row = &image[(i * stride[0] + u - pad[0]) * w..][..w];
                        let target = &mut plane[i * ow..][..ow][columns.clone()];
                        let from = columns.start * stride[1] + v;
                        // An empty range of columns may start before the image.
                        if target.is_empty() {
                            continue;
                        }
                        let source = row[from - pad[1]..].iter().step_by(stride[1]);
                        for (t, s) in target.iter_mut().zip(source) {
                            *t += tap * s;
                        }
                    }
                }
            }
        }
    }
    y
}

fn spread(op: &Op, x: &[f64], x_shape: &[usize], shape: &[usize]) -> Vec<f64> {
    let Op::ConvTranspose2d {
        weight,
        bias,
        stride,
        pad,
        dilation,
        groups,
        ..
    } = op
    else {
        return Vec::new();
    };
    let (h, w) = (x_shape[1], x_shape[2]);
    let (oh, ow) = (shape[1], shape[2]);
    let (inputs, per_group, kh, kw) = weight.dim();
    let in_per_group = inputs / groups;
    let mut y = vec![0.0; shape.iter().product()];
    for (o, plane) in y.chunks_mut(oh * ow).enumerate() {
        if let Some(b) = bias {
            plane.fill(b[o]);
        }
        let (group, own) = (o / per_group, o % per_group);
        for c in group * in_per_group..(group + 1) * in_per_group {
            let image = &x[c * h * w..][..h * w];
            for u in 0..kh {
                for v in 0..kw {
                    let tap = weight[[c, own, u, v]];
                    let (u, v) = (u * dilation[0], v * dilation[1]);
                    for i in inside(h, oh, u, pad[0], stride[0]) {
                        let row = (i * stride[0] + u - pad[0]) * ow;
                        for j in inside(w, ow, v, pad[1], stride[1]) {
                            plane[row + j * stride[1] + v - pad[1]] += tap * image[i * w + j];
                        }
                    }
                }
            }
        }
    }
    y
}

fn pool(op: &Op, x: &[f64], x_shape: &[usize], shape: &[usize]) -> Vec<f64> {
    let Op::AvgPool {
        kernel,
        stride,
        pad,
        count_include_pad,
    } = op
    else {
        return Vec::new();
    };
    let (h, w) = (x_shape[1], x_shape[2]);
    let mut y = Vec::with_capacity(shape.iter().product());
    // The part of a window that lies inside the image.
    let clip = |i: usize, axis: usize, size: usize| {
        let start = i * stride[axis];
        let end = (start + kernel[axis]).saturating_sub(pad[axis]).min(size);
        start.saturating_sub(pad[axis])..end
    };
    for image in x.chunks(h * w) {
        for i in 0..shape[1] {
            let rows = clip(i, 0, h);
            for j in 0..shape[2] {
                let columns = clip(j, 1, w);
                let mut sum = 0.0;
                for r in rows.clone() {
                    sum += image[r * w..][columns.clone()].iter().sum::<f64>();
                }
                let count = if *count_include_pad {
                    kernel[0] * kernel[1]
                } else {
                    rows.len() * columns.len()
                };
                y.push(sum / count as f64);
            }
        }
    }
    y
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::shape;
    use ndarray::{Array1, Array4};
    use proptest::prelude::*;

    /// The formula of [`Op::Conv2d`] read literally, one output value at a time.
    fn literal_conv(op: &Op, x: &[f64], xs: &[usize], ys: &[usize]) -> Vec<f64> {
        let Op::Conv2d {
            weight,
            bias,
            stride,
            pad,
            dilation,
            groups,
        } = op
        else {
            unreachable!()
        };
        let (out, per_group, kh, kw) = weight.dim();
        let mut y = Vec::new();
        for o in 0..out {
            for i in 0..ys[1] {
                for j in 0..ys[2] {
                    let mut sum = bias.as_ref().map_or(0.0, |b| b[o]);
                    for c in 0..per_group {
                        let channel = o / (out / groups) * per_group + c;
                        for u in 0..kh {
                            for v in 0..kw {
                                let r = (i * stride[0] + u * dilation[0]).checked_sub(pad[0]);
                                let s = (j * stride[1] + v * dilation[1]).checked_sub(pad[1]);
                                if let (Some(r), Some(s)) = (r, s)
                                    && r < xs[1]
                                    && s < xs[2]
                                {
                                    sum +=
                                        weight[[o, c, u, v]] * x[(channel * xs[1] + r) * xs[2] + s];
                                }
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
        y
    }

    fn wave(n: usize, phase: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 37 + phase) as f64).sin()).collect()
    }

    proptest! {
        #[test]
        fn convolution_is_its_formula(
            (h, w, kh, kw) in (1usize..7, 1usize..7, 1usize..5, 1usize..5),
            (sh, sw) in (1usize..4, 1usize..4),
            pad in prop::array::uniform4(0usize..6),
            dilation in prop::array::uniform2(1usize..4),
            (groups, inner, per) in (1usize..4, 1usize..3, 1usize..3),
            phase in 0usize..1000,
        ) {
            let (channels, out) = (groups * inner, groups * per);
            let weight = Array4::from_shape_vec((out, inner, kh, kw), wave(out * inner * kh * kw, phase)).unwrap();
            let bias = Some(Array1::from(wave(out, phase + 5)));
            let op = Op::Conv2d { weight, bias, stride: [sh, sw], pad, dilation, groups };
            let xs = [channels, h, w];
            let x = wave(channels * h * w, phase + 9);
            if let Ok(ys) = shape::infer("n", &op, &[&xs]) {
                let got = apply(&op, &[(&x, &xs)], &ys);
                let want = literal_conv(&op, &x, &xs, &ys);
                prop_assert_eq!(got.len(), want.len());
                for (g, w) in got.iter().zip(&want) {
                    prop_assert!((g - w).abs() < 1e-12, "{g} {w}");
                }
            } else {
                let short = |size: usize, i: usize, k: usize| size + pad[i] + pad[i + 2] < dilation[i] * (k - 1) + 1;
                prop_assert!(short(h, 0, kh) || short(w, 1, kw));
            }
        }

        /// `<conv x, z> = <x, conv* z>`: what a transposed convolution is, with the same taps.
        #[test]
        fn a_transposed_convolution_is_the_adjoint(
            (h, w, kh, kw) in (1usize..9, 1usize..9, 1usize..5, 1usize..5),
            stride in prop::array::uniform2(1usize..4),
            pad in prop::array::uniform4(0usize..4),
            dilation in prop::array::uniform2(1usize..4),
            (groups, inner, per) in (1usize..4, 1usize..3, 1usize..3),
            phase in 0usize..1000,
        ) {
            let (channels, out) = (groups * inner, groups * per);
            let weight = Array4::from_shape_vec((out, inner, kh, kw), wave(out * inner * kh * kw, phase)).unwrap();
            let conv = Op::Conv2d { weight: weight.clone(), bias: None, stride, pad, dilation, groups };
            let xs = [channels, h, w];
            if let Ok(ys) = shape::infer("n", &conv, &[&xs]) {
                let short = |size: usize, i: usize, k: usize| {
                    (size + pad[i] + pad[i + 2] - dilation[i] * (k - 1) - 1) % stride[i]
                };
                let extra = [short(h, 0, kh), short(w, 1, kw)];
                let adjoint = Op::ConvTranspose2d { weight, bias: None, stride, pad, dilation, extra, groups };
                prop_assert_eq!(shape::infer("n", &adjoint, &[&ys]).unwrap(), xs.to_vec());
                let (x, z) = (wave(channels * h * w, phase + 9), wave(ys.iter().product(), phase + 31));
                let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                let forward = dot(&apply(&conv, &[(&x, &xs)], &ys), &z);
                let back = dot(&x, &apply(&adjoint, &[(&z, &ys)], &xs));
                prop_assert!((forward - back).abs() < 1e-9, "{forward} {back}");
            }
        }

        /// A pool that counts its border is a depthwise convolution with constant taps; one that does not is that
        /// divided by the same convolution of an image of ones.
        #[test]
        fn pooling_is_a_convolution(
            (h, w, kh, kw) in (1usize..7, 1usize..7, 1usize..4, 1usize..4),
            (sh, sw) in (1usize..4, 1usize..4),
            pad in prop::array::uniform4(0usize..3),
            channels in 1usize..3,
            phase in 0usize..1000,
        ) {
            let xs = [channels, h, w];
            let x = wave(channels * h * w, phase);
            let pool = |count_include_pad| Op::AvgPool { kernel: [kh, kw], stride: [sh, sw], pad, count_include_pad };
            let tap = 1.0 / (kh * kw) as f64;
            let conv = Op::Conv2d {
                weight: Array4::from_elem((channels, 1, kh, kw), tap),
                bias: None, stride: [sh, sw], pad, dilation: [1, 1], groups: channels,
            };
            if let Ok(ys) = shape::infer("n", &pool(true), &[&xs]) {
                let sums = apply(&conv, &[(&x, &xs)], &ys);
                let ones = apply(&conv, &[(&vec![1.0; x.len()], &xs)], &ys);
                let counted = apply(&pool(true), &[(&x, &xs)], &ys);
                let uncounted = apply(&pool(false), &[(&x, &xs)], &ys);
                for i in 0..sums.len() {
                    prop_assert!((counted[i] - sums[i]).abs() < 1e-12);
                    prop_assert!((uncounted[i] - sums[i] / ones[i]).abs() < 1e-12);
                }
            }
        }

        #[test]
        fn polynomials_agree_with_powers(c in prop::collection::vec(-2.0f64..2.0, 1..6), x in -2.0f64..2.0) {
            let got = apply(&Op::Polynomial(c.clone()), &[(&[x], &[1])], &[1])[0];
            let want: f64 = c.iter().enumerate().map(|(i, c)| c * x.powi(i as i32)).sum();
            prop_assert!((got - want).abs() < 1e-11);
        }
    }
}
