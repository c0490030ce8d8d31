//! Fully connected layers that alternate their orientation.
//!
//! Summing the first dimension leaves the result replicated along it, ready to be multiplied by the
//! next matrix stored the other way round; summing the second leaves it in one column, to be masked
//! and copied. So two layers cost one mask:
//!
//! ```text
//! [a/t1, */t2]  · W1 as [a/t1, b/t2], Σ dim 0  ->  [*/t1, b/t2]
//! [*/t1, b/t2]  · W2 as [c/t1, b/t2], Σ dim 1  ->  [c/t1, 1?/t2]   mask, copy -> [c/t1, */t2]
//! ```

use girih_he::Evaluator;
use ndarray::{ArrayD, ArrayView1, ArrayView2, IxDyn};

use super::cost::Cost;
use crate::{Error, PlainTileTensor, Result, TileDim, TileShape, TileTensor};

/// Which dimensions of the data a dense layer reads and where it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseDims<'a> {
    /// The dimensions summed over, in the order in which a flattened input counts them (slowest
    /// first): channels, rows, columns after a convolution.
    pub features: &'a [usize],
    /// The dimension of the outputs, replicated in the input.
    pub output: usize,
}

/// `y = W x + b` over chosen dimensions of a tile tensor.
#[derive(Clone, Debug)]
pub struct Dense {
    input: TileShape,
    weights: PlainTileTensor,
    bias: Option<PlainTileTensor>,
    features: Vec<usize>,
    output: usize,
}

impl Dense {
    /// The layer for inputs laid out as `input`; `weights` is outputs × inputs.
    ///
    /// The weights take the layout of the features, so nothing is re-tiled between a convolution and
    /// a dense layer.
    ///
    /// # Errors
    /// The sizes do not fit, a dimension does not exist or is used twice, the output dimension holds
    /// data, or the input is incomplete.
    pub fn try_new(
        name: &str,
        weights: &ArrayView2<'_, f64>,
        bias: Option<&ArrayView1<'_, f64>>,
        input: &TileShape,
        dims: DenseDims<'_>,
    ) -> Result<Self> {
        let sizes = input.original_sizes()?;
        let fail = |why: String| {
            Err(Error::Unsupported {
                op: "dense",
                shape: input.to_string(),
                why,
            })
        };
        let (outputs, inputs) = weights.dim();
        let out_tile = input.dim("dense", dims.output)?.tile_size();
        for (i, &d) in dims.features.iter().enumerate() {
            input.dim("dense", d)?;
            if d == dims.output || dims.features[..i].contains(&d) {
                return fail(format!("dimension {d} is used twice"));
            }
        }
        if sizes[dims.output] != 1 {
            return fail(format!(
                "dimension {} is to take the outputs but holds {} elements",
                dims.output, sizes[dims.output]
            ));
        }
        let feature_sizes: Vec<usize> = dims.features.iter().map(|&d| sizes[d]).collect();
        if feature_sizes.iter().product::<usize>() != inputs || outputs == 0 {
            return fail(format!(
                "a matrix of {outputs} × {inputs} does not take features of sizes {feature_sizes:?}"
            ));
        }
        if let Some(b) = bias
            && b.len() != outputs
        {
            return fail(format!("{} biases for {outputs} outputs", b.len()));
        }

        let tiled = |take_features: bool| -> Result<TileShape> {
            let dim = |(i, d): (usize, &TileDim)| {
                if i == dims.output {
                    TileDim::basic(outputs, out_tile)
                } else if take_features && dims.features.contains(&i) {
                    Ok(d.flagged_if(false))
                } else {
                    TileDim::replicated(d.tile_size())
                }
            };
            TileShape::try_new(
                input
                    .dims()
                    .iter()
                    .enumerate()
                    .map(dim)
                    .collect::<Result<_>>()?,
            )
        };
        let shape = tiled(true)?;
        let by_dims = arrange(weights, &feature_sizes, &dims, input.rank());
        let weights = PlainTileTensor::try_new(format!("{name}/weight"), &by_dims.view(), &shape)?;
        let bias = bias.map(|b| {
            let shape = tiled(false)?;
            let b = ArrayD::from_shape_vec(IxDyn(&shape.original_sizes()?), b.to_vec())
                .map_err(|_| shape.array_sizes(&[outputs]))?;
            PlainTileTensor::try_new(format!("{name}/bias"), &b.view(), &shape)
        });
        let mut features = dims.features.to_vec();
        features.sort_unstable();
        let layer = Dense {
            input: input.clone(),
            weights,
            bias: bias.transpose()?,
            features,
            output: dims.output,
        };
        layer.output_shape()?;
        Ok(layer)
    }

    /// The layout of inputs.
    #[must_use]
    pub fn input_shape(&self) -> &TileShape {
        &self.input
    }

    /// The layout of results.
    ///
    /// # Errors
    /// A feature dimension is unknown also after the product with the weights.
    pub fn output_shape(&self) -> Result<TileShape> {
        let product = self
            .input
            .of_replication(self.output)?
            .of_contraction(self.weights.shape(), &self.features)?;
        match &self.bias {
            Some(b) => product.of_sum(b.shape()),
            None => Ok(product),
        }
    }

    /// What [`forward`](Dense::forward) costs.
    ///
    /// # Errors
    /// As [`output_shape`](Dense::output_shape).
    pub fn cost(&self) -> Result<Cost> {
        let ready = self.input.of_replication(self.output)?;
        Ok(self.input.replication_cost(self.output)?
            + ready.contraction_cost(self.weights.shape(), &self.features)?)
    }

    /// `W x + b`.
    ///
    /// Costs, per tile of the result, a `dot_plain` over the feature tiles and the rotations of the
    /// sums inside; before it a mask and `log₂ t` rotations per input tile if the output dimension
    /// is not replicated yet.
    ///
    /// # Errors
    /// An input of another layout (flags apart), or the evaluator refuses.
    pub fn forward<E: Evaluator>(&self, eval: &E, x: &TileTensor<E>) -> Result<TileTensor<E>> {
        let y = x.replicate_over_dim(eval, self.output)?.contract_plain(
            eval,
            &self.weights,
            &self.features,
        )?;
        match &self.bias {
            Some(b) => y.add_plain(eval, b),
            None => Ok(y),
        }
    }
}

/// The matrix as an array with one axis per dimension of the tile tensor.
fn arrange(
    weights: &ArrayView2<'_, f64>,
    feature_sizes: &[usize],
    dims: &DenseDims<'_>,
    rank: usize,
) -> ArrayD<f64> {
    let mut sizes = vec![1; rank];
    sizes[dims.output] = weights.nrows();
    for (&d, &n) in dims.features.iter().zip(feature_sizes) {
        sizes[d] = n;
    }
    ArrayD::from_shape_fn(IxDyn(&sizes), |at| {
        let features = dims.features.iter().zip(feature_sizes);
        let column = features.fold(0, |c, (&d, &n)| c * n + at[d]);
        weights[[at[dims.output], column]]
    })
}
