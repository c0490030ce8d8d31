//! Layers that slide a window over images: convolution, its transpose, average pooling.

use super::attribute::Attributes;
use super::constant::Constant;
use super::import::{Context, Refusal, Value, label};
use super::layers::{plane, vector};
use crate::op::Op;
use ndarray::{Array4, Ix4};
use tract_onnx::pb::NodeProto;

/// `Conv`, two-dimensional.
pub(super) fn conv(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let a = Attributes(node);
    let weight = c.required(node, 1)?;
    let weight = taps(&weight)?;
    let groups = groups(&a, node)?;
    let (out, _, kh, kw) = weight.dim();
    let bias = match c.constant(node, 2)? {
        Some(b) => Some(vector(node, &b, out)?),
        None => None,
    };
    let x = c.tensor(node, 0)?;
    let plane = plane(c, node, x)?;
    let window = Window::read(&a, node, [kh, kw], plane)?;
    let op = Op::Conv2d {
        weight,
        bias,
        stride: window.stride,
        pad: window.pad,
        dilation: window.dilation,
        groups,
    };
    c.push(node, op, vec![x])
}

/// `ConvTranspose`, two-dimensional.
pub(super) fn conv_transpose(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let a = Attributes(node);
    let weight = c.required(node, 1)?;
    let weight = taps(&weight)?;
    let groups = groups(&a, node)?;
    let (_, per_group, kh, kw) = weight.dim();
    let bias = match c.constant(node, 2)? {
        Some(b) => Some(vector(node, &b, per_group.saturating_mul(groups))?),
        None => None,
    };
    let extra = match a.ints("output_padding")? {
        None => [0, 0],
        Some(list) => sizes(list).ok_or_else(|| {
            Refusal::malformed(format!("node `{}`: output_padding {list:?}", label(node)))
        })?,
    };
    let x = c.tensor(node, 0)?;
    let plane = plane(c, node, x)?;
    let mut window = Window::read(&a, node, [kh, kw], plane)?;
    let auto_pad = a.text("auto_pad")?.unwrap_or("NOTSET");
    let same = auto_pad.starts_with("SAME");
    let wanted = match pair(&a, node, "output_shape")? {
        None if same => Some([0, 1].map(|i| plane[i].saturating_mul(window.stride[i]))),
        given => given,
    };
    if let Some(wanted) = wanted {
        window.pad = window.cut(plane, extra, wanted, auto_pad).ok_or_else(|| {
            Refusal::unsupported(
                format!("its output_shape {wanted:?} is larger than what its windows reach"),
                "give pads and output_padding instead",
            )
        })?;
    }
    let op = Op::ConvTranspose2d {
        weight,
        bias,
        stride: window.stride,
        pad: window.pad,
        dilation: window.dilation,
        extra,
        groups,
    };
    c.push(node, op, vec![x])
}

fn taps(weight: &Constant) -> Result<Array4<f64>, Refusal> {
    let taps = weight.to_float().into_dimensionality::<Ix4>();
    taps.map_err(|_| {
        Refusal::unsupported(
            format!("its weight has rank {}, not 4", weight.shape().len()),
            "use two-dimensional convolutions",
        )
    })
}

fn groups(a: &Attributes<'_>, node: &NodeProto) -> Result<usize, Refusal> {
    let groups = a.int_or("group", 1)?;
    match usize::try_from(groups) {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(Refusal::malformed(format!(
            "node `{}` has {groups} groups",
            label(node)
        ))),
    }
}

/// `AveragePool`, two-dimensional.
pub(super) fn average_pool(c: &mut Context, node: &NodeProto) -> Result<Value, Refusal> {
    let a = Attributes(node);
    if let Some(list) = a.ints("dilations")?
        && list.iter().any(|d| *d != 1)
    {
        return Err(Refusal::unsupported(
            format!("the window is dilated: {list:?}"),
            "use dilation 1",
        ));
    }
    let kernel = pair(&a, node, "kernel_shape")?
        .ok_or_else(|| Refusal::malformed(format!("node `{}` has no kernel_shape", label(node))))?;
    let x = c.tensor(node, 0)?;
    let plane = plane(c, node, x)?;
    let window = Window::read(&a, node, kernel, plane)?;
    if a.int_or("ceil_mode", 0)? != 0 && window.leaves_rest(plane) {
        return Err(Refusal::unsupported(
            "with ceil_mode its last windows leave the image",
            "use ceil_mode = 0, or a size that the stride divides",
        ));
    }
    let op = Op::AvgPool {
        kernel,
        stride: window.stride,
        pad: window.pad,
        count_include_pad: a.int_or("count_include_pad", 0)? != 0,
    };
    c.push(node, op, vec![x])
}

struct Window {
    /// Height and width from the first tap to the last.
    reach: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 4],
    dilation: [usize; 2],
}

impl Window {
    fn read(
        a: &Attributes<'_>,
        node: &NodeProto,
        kernel: [usize; 2],
        plane: [usize; 2],
    ) -> Result<Self, Refusal> {
        if let Some(declared) = pair(a, node, "kernel_shape")?
            && declared != kernel
        {
            return Err(Refusal::malformed(format!(
                "node `{}`: kernel_shape {declared:?} but a weight of {kernel:?}",
                label(node)
            )));
        }
        let stride = pair(a, node, "strides")?.unwrap_or([1, 1]);
        let dilation = pair(a, node, "dilations")?.unwrap_or([1, 1]);
        let reach = [0, 1].map(|i| {
            let steps = kernel[i].saturating_sub(1).saturating_mul(dilation[i]);
            steps.saturating_add(kernel[i].min(1))
        });
        let pad = match a.text("auto_pad")?.unwrap_or("NOTSET") {
            "NOTSET" => match a.ints("pads")? {
                None => [0; 4],
                Some(list) => sizes(list).ok_or_else(|| {
                    Refusal::unsupported(
                        format!("its padding is {list:?}"),
                        "give four paddings of at least 0",
                    )
                })?,
            },
            "VALID" => [0; 4],
            same @ ("SAME_UPPER" | "SAME_LOWER") => {
                // h' = ceil(h / s) needs (h' - 1) s + reach - h border lines; an odd one goes to the named side.
                let total = [0, 1].map(|i| {
                    let out = plane[i].div_ceil(stride[i]);
                    ((out - 1).saturating_mul(stride[i]))
                        .saturating_add(reach[i])
                        .saturating_sub(plane[i])
                });
                halves(total, same == "SAME_UPPER")
            }
            other => {
                return Err(Refusal::malformed(format!(
                    "node `{}`: auto_pad {other}",
                    label(node)
                )));
            }
        };
        Ok(Self {
            reach,
            stride,
            pad,
            dilation,
        })
    }

    /// Whether rounding the number of windows up gives another number than rounding it down.
    fn leaves_rest(&self, plane: [usize; 2]) -> bool {
        (0..2).any(|i| {
            let padded = plane[i]
                .saturating_add(self.pad[i])
                .saturating_add(self.pad[i + 2]);
            !padded
                .saturating_sub(self.reach[i])
                .is_multiple_of(self.stride[i])
        })
    }

    /// What a transposed convolution cuts off to have a given shape; an odd line goes after the end with `SAME_UPPER`,
    /// before the start otherwise. `None` if there are fewer lines.
    fn cut(
        &self,
        plane: [usize; 2],
        extra: [usize; 2],
        wanted: [usize; 2],
        auto_pad: &str,
    ) -> Option<[usize; 4]> {
        let total = |i: usize| {
            let last = plane[i].checked_sub(1)?.checked_mul(self.stride[i])?;
            let all = last.checked_add(self.reach[i])?.checked_add(extra[i])?;
            all.checked_sub(wanted[i])
        };
        Some(halves([total(0)?, total(1)?], auto_pad == "SAME_UPPER"))
    }
}

/// Lines `[top, left, bottom, right]` that make the given sums; odd ones go below and to the right, or above and left.
fn halves(total: [usize; 2], odd_after: bool) -> [usize; 4] {
    let small = total.map(|t| t / 2);
    let large = [total[0] - small[0], total[1] - small[1]];
    if odd_after {
        [small[0], small[1], large[0], large[1]]
    } else {
        [large[0], large[1], small[0], small[1]]
    }
}

/// `N` sizes of at least 0.
fn sizes<const N: usize>(list: &[i64]) -> Option<[usize; N]> {
    let sizes: Option<Vec<usize>> = list.iter().map(|v| usize::try_from(*v).ok()).collect();
    sizes?.try_into().ok()
}

fn pair(a: &Attributes<'_>, node: &NodeProto, name: &str) -> Result<Option<[usize; 2]>, Refusal> {
    let Some(list) = a.ints(name)? else {
        return Ok(None);
    };
    match list {
        [h, w] if *h > 0 && *w > 0 => Ok(Some([*h as usize, *w as usize])),
        [_, _] => Err(Refusal::malformed(format!(
            "node `{}`: {name} {list:?}",
            label(node)
        ))),
        _ => Err(Refusal::unsupported(
            format!("{name} {list:?} is not two-dimensional"),
            "use two-dimensional layers",
        )),
    }
}
