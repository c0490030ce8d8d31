//! A graph as a table for people.

use crate::graph::Graph;
use crate::op::Op;
use std::fmt;

impl fmt::Display for Op {
    /// The name with the parameters that decide the shape; constants are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conv2d {
                weight,
                stride,
                pad,
                dilation,
                groups,
                ..
            }
            | Self::ConvTranspose2d {
                weight,
                stride,
                pad,
                dilation,
                groups,
                ..
            } => {
                let (first, second, kh, kw) = weight.dim();
                let (channels, out) = match self {
                    Self::Conv2d { .. } => (second * groups, first),
                    _ => (first, second * groups),
                };
                let name = self.name();
                write!(
                    f,
                    "{name} {kh}x{kw} to {out}, stride {}x{}",
                    stride[0], stride[1]
                )?;
                padding(f, pad)?;
                if *dilation != [1, 1] {
                    write!(f, ", dilation {}x{}", dilation[0], dilation[1])?;
                }
                match *groups {
                    1 => Ok(()),
                    all if all == channels => write!(f, ", depthwise"),
                    some => write!(f, ", {some} groups"),
                }
            }
            Self::Dense { weight, .. } => {
                write!(f, "Dense {} to {}", weight.ncols(), weight.nrows())
            }
            Self::AvgPool {
                kernel,
                stride,
                pad,
                count_include_pad,
            } => {
                write!(
                    f,
                    "AvgPool {}x{}, stride {}x{}",
                    kernel[0], kernel[1], stride[0], stride[1]
                )?;
                padding(f, pad)?;
                if *count_include_pad && *pad != [0; 4] {
                    write!(f, " counted")?;
                }
                Ok(())
            }
            Self::PowInt(k) => write!(f, "x^{k}"),
            Self::Polynomial(c) => write!(f, "Polynomial of degree {}", c.len().saturating_sub(1)),
            Self::Transpose(perm) => write!(f, "Transpose {perm:?}"),
            other => f.write_str(other.name()),
        }
    }
}

fn padding(f: &mut fmt::Formatter<'_>, pad: &[usize; 4]) -> fmt::Result {
    if *pad == [0; 4] {
        Ok(())
    } else {
        write!(f, ", padding {pad:?}")
    }
}

impl fmt::Display for Graph {
    /// One line per node: number, name, operator, operands, shape, number of constants.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["#", "name", "operator", "reads", "shape", "constants"].map(String::from);
        let mut rows = vec![header];
        for node in &self.nodes {
            let reads: Vec<String> = node.inputs.iter().map(|i| format!("%{}", i.0)).collect();
            let mark = if self.is_output(node.id) {
                " (output)"
            } else {
                ""
            };
            let constants = node.op.parameters();
            rows.push([
                format!("%{}", node.id.0),
                node.name.clone(),
                node.op.to_string(),
                reads.join(" "),
                format!("{:?}{mark}", node.shape),
                if constants == 0 {
                    String::new()
                } else {
                    constants.to_string()
                },
            ]);
        }
        let mut widths = [0; 6];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        writeln!(
            f,
            "{}: {} nodes, {} constants",
            self.name,
            self.nodes.len(),
            self.parameters()
        )?;
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{GraphBuilder, Op};
    use ndarray::{Array1, Array2, Array4};

    #[test]
    fn a_graph_prints_as_a_table() {
        let mut b = GraphBuilder::new("tiny", vec![1, 6, 6]).unwrap();
        let x = b.input();
        let conv = Op::Conv2d {
            weight: Array4::zeros((2, 1, 3, 3)),
            bias: Some(Array1::zeros(2)),
            stride: [2, 2],
            pad: [1, 1, 0, 0],
            dilation: [1, 1],
            groups: 1,
        };
        let c = b.push("conv", conv, vec![x]).unwrap();
        let s = b.push("act", Op::PowInt(2), vec![c]).unwrap();
        let r = b.push("flat", Op::Flatten, vec![s]).unwrap();
        let dense = Op::Dense {
            weight: Array2::zeros((10, 18)),
            bias: None,
        };
        let d = b.push("fc", dense, vec![r]).unwrap();
        let text = b.finish(vec![d]).unwrap().to_string();
        let want = "\
tiny: 5 nodes, 200 constants
#   name   operator                                          reads  shape          constants
%0  input  Input                                                    [1, 6, 6]
%1  conv   Conv2d 3x3 to 2, stride 2x2, padding [1, 1, 0, 0]  %0     [2, 3, 3]      20
%2  act    x^2                                               %1     [2, 3, 3]
%3  flat   Flatten                                           %2     [18]
%4  fc     Dense 18 to 10                                    %3     [10] (output)  180
";
        let squeeze = |s: &str| {
            s.lines()
                .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(squeeze(&text), squeeze(want));
        assert!(text.lines().all(|l| !l.ends_with(' ')));
    }
}
