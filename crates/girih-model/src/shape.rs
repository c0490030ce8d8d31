//! Shapes of results from shapes of operands, batch left out.

use crate::error::{ModelError, Result};
use crate::op::Op;
use ndarray::{Array1, ArrayBase, Data, Dimension};

/// Most values that one tensor of one batch item may have: 2^28 (2 GiB as `f64`).
///
/// A network for encrypted inputs holds thousands to millions; the limit exists so that a forged file cannot ask for
/// an absurd allocation.
pub const MAX_VALUES: usize = 1 << 28;

/// `d_0 d_1 .. d_r`, refused when a dimension is zero or the product exceeds [`MAX_VALUES`].
///
/// # Errors
/// [`ModelError::Shape`] for a zero, [`ModelError::TooLarge`] for the product.
pub fn check_size(name: &str, shape: &[usize]) -> Result<usize> {
    if shape.contains(&0) {
        return Err(ModelError::Shape {
            node: name.into(),
            op: "tensor",
            reason: format!("shape {shape:?} has an empty dimension"),
        });
    }
    let size = shape
        .iter()
        .fold(1u128, |acc, &d| acc.saturating_mul(d as u128));
    if size > MAX_VALUES as u128 {
        return Err(ModelError::TooLarge {
            what: format!("tensor `{name}` of shape {shape:?} (values)"),
            needed: size,
            limit: MAX_VALUES as u128,
        });
    }
    Ok(size as usize)
}

/// Size of a windowed result: `(size + before + after - kernel) / stride + 1`, rounded down; `None` if no window fits.
#[must_use]
pub fn windows(
    size: usize,
    before: usize,
    after: usize,
    kernel: usize,
    stride: usize,
) -> Option<usize> {
    let padded = size.checked_add(before)?.checked_add(after)?;
    if kernel == 0 || stride == 0 {
        return None;
    }
    Some(padded.checked_sub(kernel)? / stride + 1)
}

/// What is wrong with a bias for so many results, if anything.
fn misfit(bias: Option<&Array1<f64>>, results: usize, what: &str) -> Option<String> {
    let given = bias?.len();
    (given != results).then(|| format!("{given} biases for {results} {what}"))
}

/// Shape of `op(operands)`, all shapes without the batch.
///
/// # Errors
/// [`ModelError::Shape`] naming the node, the shapes and the rule that they break; [`ModelError::TooLarge`].
pub fn infer(name: &str, op: &Op, operands: &[&[usize]]) -> Result<Vec<usize>> {
    let fail = |reason: String| {
        Err(ModelError::Shape {
            node: name.into(),
            op: op.name(),
            reason,
        })
    };
    if operands.len() != op.arity() {
        return fail(format!(
            "it takes {} operands, {} given",
            op.arity(),
            operands.len()
        ));
    }
    let Some(&x) = operands.first() else {
        return fail("an Input has the shape it was given".into());
    };
    let shape = match op {
        Op::Input => return fail("an Input has no operands".into()),
        Op::Conv2d {
            weight,
            bias,
            stride,
            pad,
            dilation,
            groups,
        } => {
            let &[channels, h, w] = x else {
                return fail(format!("operand {x:?} is not [channels, height, width]"));
            };
            let (out, per_group, kh, kw) = weight.dim();
            if !divides(*groups, channels) || !divides(*groups, out) {
                return fail(format!(
                    "{groups} groups do not divide {channels} channels and {out} filters"
                ));
            }
            if per_group * groups != channels {
                return fail(format!(
                    "weight {:?} with {groups} groups does not fit operand {x:?}",
                    weight.shape()
                ));
            }
            if let Some(why) = misfit(bias.as_ref(), out, "channels") {
                return fail(why);
            }
            let plane = match (reach(kh, dilation[0]), reach(kw, dilation[1])) {
                (Some(high), Some(wide)) => window_plane([h, w], [high, wide], *stride, *pad),
                _ => None,
            };
            let Some((h, w)) = plane else {
                return fail(format!(
                    "no {kh}x{kw} window with stride {stride:?}, dilation {dilation:?} and padding {pad:?} fits operand {x:?}"
                ));
            };
            vec![out, h, w]
        }
        Op::ConvTranspose2d {
            weight,
            bias,
            stride,
            pad,
            dilation,
            extra,
            groups,
        } => {
            let &[channels, h, w] = x else {
                return fail(format!("operand {x:?} is not [channels, height, width]"));
            };
            let (inputs, per_group, kh, kw) = weight.dim();
            let out = per_group.saturating_mul(*groups);
            if inputs != channels || !divides(*groups, channels) || out == 0 {
                return fail(format!(
                    "weight {:?} with {groups} groups does not fit operand {x:?}",
                    weight.shape()
                ));
            }
            if let Some(why) = misfit(bias.as_ref(), out, "channels") {
                return fail(why);
            }
            let lines = [0, 1].map(|i| {
                let cut = pad[i].checked_add(pad[i + 2])?;
                let reach = reach([kh, kw][i], dilation[i])?;
                spread([h, w][i], cut, reach, stride[i], extra[i], dilation[i])
            });
            let [Some(h), Some(w)] = lines else {
                return fail(format!(
                    "a {kh}x{kw} window with stride {stride:?}, dilation {dilation:?}, padding {pad:?} and {extra:?} extra lines has no result for operand {x:?}"
                ));
            };
            vec![out, h, w]
        }
        Op::Dense { weight, bias } => {
            let (out, inputs) = weight.dim();
            if x != [inputs] {
                return fail(format!(
                    "weight {:?} does not fit operand {x:?}",
                    weight.shape()
                ));
            }
            if let Some(why) = misfit(bias.as_ref(), out, "outputs") {
                return fail(why);
            }
            vec![out]
        }
        Op::AvgPool {
            kernel,
            stride,
            pad,
            ..
        } => {
            let &[channels, h, w] = x else {
                return fail(format!("operand {x:?} is not [channels, height, width]"));
            };
            let [top, left, bottom, right] = *pad;
            if top.max(bottom) >= kernel[0] || left.max(right) >= kernel[1] {
                return fail(format!(
                    "padding {pad:?} is not smaller than the window {kernel:?}"
                ));
            }
            let Some((h, w)) = window_plane([h, w], *kernel, *stride, *pad) else {
                return fail(format!(
                    "no {kernel:?} window with stride {stride:?} and padding {pad:?} fits operand {x:?}"
                ));
            };
            vec![channels, h, w]
        }
        Op::GlobalAvgPool => {
            let &[channels, _, _] = x else {
                return fail(format!("operand {x:?} is not [channels, height, width]"));
            };
            vec![channels, 1, 1]
        }
        Op::Affine { scale, shift } => {
            if x.first() != Some(&scale.len()) || scale.len() != shift.len() {
                return fail(format!(
                    "{} factors and {} summands do not fit operand {x:?}",
                    scale.len(),
                    shift.len()
                ));
            }
            x.to_vec()
        }
        Op::Elementwise { scale, shift } => {
            if scale.shape() != x || shift.shape() != x {
                return fail(format!(
                    "constants {:?} and {:?} do not fit operand {x:?}",
                    scale.shape(),
                    shift.shape()
                ));
            }
            x.to_vec()
        }
        Op::Add | Op::Sub | Op::Mul => {
            if operands[1] != x {
                return fail(format!("operands {x:?} and {:?} differ", operands[1]));
            }
            x.to_vec()
        }
        Op::PowInt(k) => {
            if *k == 0 {
                return fail("the exponent is 0".into());
            }
            x.to_vec()
        }
        Op::Polynomial(coefficients) => {
            if coefficients.is_empty() {
                return fail("the polynomial has no coefficient".into());
            }
            x.to_vec()
        }
        Op::Activation(_) | Op::Identity => x.to_vec(),
        Op::Flatten => vec![x.iter().product()],
        Op::Reshape(target) => {
            // The operand's size is bounded; the target's product may overflow, so it is checked first.
            let size = check_size(name, target)?;
            if size != x.iter().product::<usize>() {
                return fail(format!("{x:?} cannot become {target:?}"));
            }
            target.clone()
        }
        Op::Transpose(perm) => {
            let mut seen = vec![false; x.len()];
            for &p in perm {
                match seen.get_mut(p) {
                    Some(s) if !*s => *s = true,
                    _ => return fail(format!("{perm:?} is no permutation of {x:?}")),
                }
            }
            if perm.len() != x.len() {
                return fail(format!("{perm:?} is no permutation of {x:?}"));
            }
            perm.iter().map(|&p| x[p]).collect()
        }
    };
    check_size(name, &shape)?;
    Ok(shape)
}

/// Refuses NaN and infinities in an operator's constants.
///
/// # Errors
/// [`ModelError::NonFinite`] with the position of the first.
pub fn check_finite(name: &str, op: &Op) -> Result<()> {
    match op {
        Op::Conv2d { weight, bias, .. } | Op::ConvTranspose2d { weight, bias, .. } => {
            finite(&format!("{name}.weight"), weight)?;
            bias.as_ref()
                .map_or(Ok(()), |b| finite(&format!("{name}.bias"), b))
        }
        Op::Dense { weight, bias } => {
            finite(&format!("{name}.weight"), weight)?;
            bias.as_ref()
                .map_or(Ok(()), |b| finite(&format!("{name}.bias"), b))
        }
        Op::Affine { scale, shift } => {
            finite(&format!("{name}.scale"), scale)?;
            finite(&format!("{name}.shift"), shift)
        }
        Op::Elementwise { scale, shift } => {
            finite(&format!("{name}.scale"), scale)?;
            finite(&format!("{name}.shift"), shift)
        }
        Op::Polynomial(c) => finite(
            &format!("{name}.coefficients"),
            &ndarray::ArrayView1::from(c.as_slice()),
        ),
        _ => Ok(()),
    }
}

/// Refuses NaN and infinities in a named tensor.
///
/// # Errors
/// [`ModelError::NonFinite`] with the position of the first.
pub fn finite<S: Data<Elem = f64>, D: Dimension>(
    name: &str,
    values: &ArrayBase<S, D>,
) -> Result<()> {
    if values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    let dynamic = values.view().into_dyn();
    match dynamic.indexed_iter().find(|(_, v)| !v.is_finite()) {
        Some((index, value)) => Err(ModelError::NonFinite {
            tensor: name.into(),
            index: index.slice().to_vec(),
            value: *value,
        }),
        None => Ok(()),
    }
}

/// Whether `n` things fall into `groups` equal groups.
fn divides(groups: usize, n: usize) -> bool {
    groups > 0 && n > 0 && n.is_multiple_of(groups)
}

/// Positions from the first tap to the last: `dilation (kernel - 1) + 1`; `None` if there are none or too many.
fn reach(kernel: usize, dilation: usize) -> Option<usize> {
    if dilation == 0 {
        return None;
    }
    let reach = kernel
        .checked_sub(1)?
        .checked_mul(dilation)?
        .checked_add(1)?;
    (reach <= MAX_VALUES).then_some(reach)
}

/// Size of a transposed windowed result, `stride (size - 1) + reach + extra - cut`; `None` if nothing is left, if `extra` is
/// not less than the stride or the dilation, or if a size is absurd.
fn spread(
    size: usize,
    cut: usize,
    reach: usize,
    stride: usize,
    extra: usize,
    dilation: usize,
) -> Option<usize> {
    if stride == 0 || extra >= stride.max(dilation) || cut > MAX_VALUES {
        return None;
    }
    let all = size
        .checked_sub(1)?
        .checked_mul(stride)?
        .checked_add(reach + extra)?;
    let left = all.checked_sub(cut)?;
    (1..=MAX_VALUES).contains(&left).then_some(left)
}

fn window_plane(
    size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    [top, left, bottom, right]: [usize; 4],
) -> Option<(usize, usize)> {
    // Products of two of these are formed later and must not overflow.
    let all = kernel
        .iter()
        .chain(&stride)
        .chain([&top, &left, &bottom, &right]);
    if all.into_iter().any(|v| *v > MAX_VALUES) {
        return None;
    }
    Some((
        windows(size[0], top, bottom, kernel[0], stride[0])?,
        windows(size[1], left, right, kernel[1], stride[1])?,
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, Array4, ArrayD, IxDyn};

    fn conv(weight: [usize; 4], stride: [usize; 2], pad: [usize; 4], groups: usize) -> Op {
        dilated(weight, stride, pad, [1, 1], groups)
    }

    fn dilated(
        weight: [usize; 4],
        stride: [usize; 2],
        pad: [usize; 4],
        dilation: [usize; 2],
        groups: usize,
    ) -> Op {
        Op::Conv2d {
            weight: Array4::zeros(weight),
            bias: None,
            stride,
            pad,
            dilation,
            groups,
        }
    }

    fn transposed(
        weight: [usize; 4],
        stride: usize,
        pad: [usize; 4],
        extra: usize,
        groups: usize,
    ) -> Op {
        Op::ConvTranspose2d {
            weight: Array4::zeros(weight),
            bias: None,
            stride: [stride; 2],
            pad,
            dilation: [1, 2],
            extra: [extra; 2],
            groups,
        }
    }

    fn pool(kernel: [usize; 2], stride: [usize; 2], pad: [usize; 4]) -> Op {
        Op::AvgPool {
            kernel,
            stride,
            pad,
            count_include_pad: true,
        }
    }

    #[track_caller]
    fn check(op: Op, x: &[usize], want: Option<&[usize]>) {
        let operands = vec![x; op.arity()];
        let got = infer("n", &op, &operands).ok();
        assert_eq!(got.as_deref(), want, "{op:?} on {x:?}");
    }

    #[test]
    fn convolutions_count_their_windows() {
        check(
            conv([5, 1, 5, 5], [2, 2], [0; 4], 1),
            &[1, 28, 28],
            Some(&[5, 12, 12]),
        );
        check(
            conv([5, 1, 5, 5], [2, 2], [1, 1, 2, 2], 1),
            &[1, 28, 28],
            Some(&[5, 14, 14]),
        );
        check(
            conv([4, 1, 3, 3], [1, 1], [1; 4], 4),
            &[4, 8, 7],
            Some(&[4, 8, 7]),
        );
        check(
            conv([8, 1, 3, 3], [1, 1], [1; 4], 4),
            &[4, 8, 7],
            Some(&[8, 8, 7]),
        );
        check(conv([6, 1, 3, 3], [1, 1], [1; 4], 4), &[4, 8, 7], None);
        check(
            conv([4, 2, 3, 3], [1, 1], [1; 4], 2),
            &[4, 8, 7],
            Some(&[4, 8, 7]),
        );
        check(conv([3, 2, 3, 3], [1, 1], [1; 4], 2), &[4, 8, 7], None);
        check(conv([4, 2, 3, 3], [1, 1], [1; 4], 0), &[4, 8, 7], None);
        check(conv([4, 3, 3, 3], [1, 1], [1; 4], 1), &[4, 8, 7], None);
        check(conv([4, 4, 9, 3], [1, 1], [0; 4], 1), &[4, 8, 7], None);
        check(conv([4, 4, 3, 3], [0, 1], [0; 4], 1), &[4, 8, 7], None);
        check(
            conv([4, 4, 3, 3], [1, 1], [usize::MAX, 0, 1, 0], 1),
            &[4, 8, 7],
            None,
        );
        check(conv([4, 4, 3, 3], [1, 1], [0; 4], 1), &[4, 8], None);
        let wide = |dilation| dilated([4, 4, 3, 3], [1, 2], [0; 4], dilation, 1);
        check(wide([3, 2]), &[4, 8, 7], Some(&[4, 2, 2]));
        check(wide([4, 2]), &[4, 8, 7], None);
        check(wide([0, 2]), &[4, 8, 7], None);
        check(wide([usize::MAX, 2]), &[4, 8, 7], None);
    }

    #[test]
    fn transposed_convolutions_spread_their_windows() {
        let kernel = [4, 3, 3, 3];
        check(
            transposed(kernel, 2, [0; 4], 0, 1),
            &[4, 8, 7],
            Some(&[3, 17, 17]),
        );
        check(
            transposed(kernel, 2, [1, 0, 0, 2], 1, 1),
            &[4, 8, 7],
            Some(&[3, 17, 16]),
        );
        check(
            transposed(kernel, 2, [0; 4], 1, 2),
            &[4, 8, 7],
            Some(&[6, 18, 18]),
        );
        check(transposed(kernel, 2, [0; 4], 2, 1), &[4, 8, 7], None);
        check(transposed(kernel, 2, [9, 0, 8, 0], 0, 1), &[4, 8, 7], None);
        check(
            transposed(kernel, 2, [usize::MAX; 4], 0, 1),
            &[4, 8, 7],
            None,
        );
        check(transposed(kernel, 0, [0; 4], 0, 1), &[4, 8, 7], None);
        check(
            transposed(kernel, usize::MAX, [0; 4], 0, 1),
            &[4, 8, 7],
            None,
        );
        check(transposed(kernel, 1, [0; 4], 0, 3), &[4, 8, 7], None);
        check(transposed(kernel, 1, [0; 4], 0, 0), &[4, 8, 7], None);
        check(transposed(kernel, 1, [0; 4], 0, 1), &[3, 8, 7], None);
    }

    #[test]
    fn pools_keep_channels_and_refuse_windows_of_padding_only() {
        check(pool([2, 2], [2, 2], [0; 4]), &[3, 8, 7], Some(&[3, 4, 3]));
        check(pool([3, 3], [2, 2], [1; 4]), &[3, 8, 7], Some(&[3, 4, 4]));
        check(pool([2, 2], [2, 2], [2, 0, 0, 0]), &[3, 8, 7], None);
        let huge = 1 << 40;
        check(
            pool([huge; 2], [huge / 2; 2], [huge - 1; 4]),
            &[3, 8, 7],
            None,
        );
        check(Op::GlobalAvgPool, &[3, 8, 7], Some(&[3, 1, 1]));
        check(Op::GlobalAvgPool, &[3], None);
    }

    #[test]
    fn layouts_keep_the_number_of_values() {
        check(Op::Flatten, &[3, 8, 7], Some(&[168]));
        check(Op::Reshape(vec![24, 7]), &[3, 8, 7], Some(&[24, 7]));
        check(Op::Reshape(vec![24, 6]), &[3, 8, 7], None);
        check(Op::Reshape(vec![0, 6]), &[3, 8, 7], None);
        check(Op::Reshape(vec![usize::MAX; 3]), &[3, 8, 7], None);
        check(Op::Transpose(vec![2, 0, 1]), &[3, 8, 7], Some(&[7, 3, 8]));
        check(Op::Transpose(vec![2, 0, 0]), &[3, 8, 7], None);
        check(Op::Transpose(vec![0, 1]), &[3, 8, 7], None);
        check(Op::Transpose(vec![0, 1, 3]), &[3, 8, 7], None);
    }

    #[test]
    fn constants_must_fit_their_operand() {
        let dense = |out: usize, bias| Op::Dense {
            weight: Array2::zeros((out, 4)),
            bias: Some(Array1::zeros(bias)),
        };
        check(dense(3, 3), &[4], Some(&[3]));
        check(dense(3, 2), &[4], None);
        check(dense(3, 3), &[5], None);
        check(dense(3, 3), &[1, 4], None);
        let affine = |a, b| Op::Affine {
            scale: Array1::zeros(a),
            shift: Array1::zeros(b),
        };
        check(affine(3, 3), &[3, 8, 7], Some(&[3, 8, 7]));
        check(affine(3, 2), &[3, 8, 7], None);
        check(affine(7, 7), &[3, 8, 7], None);
        check(affine(7, 7), &[], None);
        let elementwise = |s: &[usize]| Op::Elementwise {
            scale: ArrayD::zeros(IxDyn(s)),
            shift: ArrayD::zeros(IxDyn(&[2, 2])),
        };
        check(elementwise(&[2, 2]), &[2, 2], Some(&[2, 2]));
        check(elementwise(&[4]), &[2, 2], None);
        check(Op::PowInt(0), &[2], None);
        check(Op::Polynomial(vec![]), &[2], None);
        assert!(infer("n", &Op::Add, &[&[2, 3], &[3, 2]]).is_err());
        assert!(infer("n", &Op::Add, &[&[2, 3]]).is_err());
    }

    #[test]
    fn the_first_constant_that_is_not_finite_is_named() {
        let mut weight = Array2::zeros((2, 3));
        weight[[1, 2]] = f64::NEG_INFINITY;
        let error = check_finite("fc", &Op::Dense { weight, bias: None }).unwrap_err();
        assert_eq!(
            error,
            ModelError::NonFinite {
                tensor: "fc.weight".into(),
                index: vec![1, 2],
                value: f64::NEG_INFINITY
            }
        );
        assert!(check_finite("p", &Op::Polynomial(vec![1.0, f64::NAN])).is_err());
    }
}
