//! Gelu of one layer by one polynomial for all its neurons, and by one for each.

use girih_fixtures::activations::{self, Activation, Kind};
use girih_polyfit::chooser::CostModel;
use girih_polyfit::{
    Density, Function, Interval, Polynomial, PolynomialPlan, Remez, Result, fit_weighted,
};

/// A fit serves this much more than the calibration range, in all.
const MARGIN: f64 = 1.1;
/// Share of an even weight in the density of a neuron.
const NEURON_SHARE: f64 = 1e-3;
/// The same in the density of a layer, of which a hundred million inputs have been seen.
const LAYER_SHARE: f64 = 1e-6;
/// The largest degree tried for a target.
const LARGEST_DEGREE: usize = 63;

/// Who shares a polynomial, and what it minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// One for the layer: the largest error on its range.
    LayerMinimax,
    /// One for the layer: the mean square error of its calibration inputs.
    LayerDensity,
    /// One for each neuron: the mean square error of inputs spread evenly over the neuron's range.
    NeuronUniform,
    /// One for each neuron: the mean square error of the neuron's calibration inputs.
    NeuronDensity,
}

impl Method {
    /// All of them.
    pub(crate) const ALL: [Method; 4] = [
        Method::LayerMinimax,
        Method::LayerDensity,
        Method::NeuronUniform,
        Method::NeuronDensity,
    ];
}

/// One layer: what its Gelu gets, at all neurons together and at ten of them.
pub(crate) struct Layer {
    /// The range of the layer.
    pub(crate) range: Interval,
    /// The ranges of the neurons.
    pub(crate) ranges: Vec<Interval>,
    whole: Density,
    densities: Vec<Density>,
    held_out: Vec<Density>,
}

impl Layer {
    /// The six layers of MiniLM.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let (all, neurons) = (activations::minilm(), activations::minilm_neurons());
        all.iter()
            .filter(|a| a.kind == Kind::Gelu)
            .map(|whole| {
                let (range, whole_density) = calibrated(whole, LAYER_SHARE)?;
                let mut layer = Layer {
                    range,
                    ranges: Vec::new(),
                    whole: whole_density,
                    densities: Vec::new(),
                    held_out: Vec::new(),
                };
                for neuron in neurons.iter().filter(|n| n.layer == whole.layer) {
                    let (range, density) = calibrated(neuron, NEURON_SHARE)?;
                    layer.ranges.push(range);
                    layer.densities.push(density);
                    let held_out = neuron.held_out.weights();
                    layer
                        .held_out
                        .push(Density::from_histogram(&neuron.edges, &held_out)?);
                }
                Ok(layer)
            })
            .collect()
    }

    /// One polynomial for each neuron, or one for all.
    pub(crate) fn fit(&self, method: Method, degree: usize) -> Result<Vec<Polynomial>> {
        let gelu = |x: f64| Function::Gelu.eval(x);
        let each = |fit: &dyn Fn(usize) -> Result<Polynomial>| -> Result<Vec<Polynomial>> {
            (0..self.ranges.len()).map(fit).collect()
        };
        match method {
            Method::LayerMinimax => {
                let best = Remez::function(Function::Gelu, self.range, degree)?.solve()?;
                Ok(vec![best.polynomial])
            }
            Method::LayerDensity => Ok(vec![fit_weighted(gelu, &self.whole, self.range, degree)?]),
            Method::NeuronUniform => each(&|i| {
                let even = Density::uniform(self.ranges[i]);
                fit_weighted(gelu, &even, self.ranges[i], degree)
            }),
            Method::NeuronDensity => {
                each(&|i| fit_weighted(gelu, &self.densities[i], self.ranges[i], degree))
            }
        }
    }

    /// The root of the mean square error over the neurons' held-out inputs, those outside the ranges included.
    pub(crate) fn error(&self, polynomials: &[Polynomial]) -> f64 {
        let squares = self.held_out.iter().enumerate().map(|(i, density)| {
            let p = &polynomials[i.min(polynomials.len() - 1)];
            density.expectation(|x| (p.eval(x) - Function::Gelu.eval(x)).powi(2))
        });
        (squares.sum::<f64>() / self.held_out.len() as f64).sqrt()
    }

    /// Share of the held-out inputs outside their neuron's range.
    pub(crate) fn outside(&self) -> f64 {
        let inside = self.held_out.iter().zip(&self.ranges);
        let inside: f64 = inside.map(|(d, r)| d.mass(r.lo(), r.hi())).sum();
        (1.0 - inside / self.held_out.len() as f64).max(0.0)
    }

    /// The least degree at which one polynomial for the layer has at most this error; `None` if none up to 63 has.
    pub(crate) fn layer_degree(&self, method: Method, target: f64) -> Result<Option<usize>> {
        for degree in 1..=LARGEST_DEGREE {
            if self.error(&self.fit(method, degree)?) <= target {
                return Ok(Some(degree));
            }
        }
        Ok(None)
    }
}

/// Depth, products of ciphertexts and milliseconds by [`CostModel::default`] of a degree. A coefficient for each slot is a product
/// with a plaintext instead of one with a scalar, which takes the same multiplications.
pub(crate) fn cost(degree: usize) -> Result<(usize, usize, f64)> {
    // None of them, nor what splitting makes of them, is 0 or 1, which would save products.
    let coefficients: Vec<f64> = (0..=degree).map(|k| 0.9f64.powi(k as i32)).collect();
    let plan = PolynomialPlan::new(&Polynomial::chebyshev(Interval::UNIT, coefficients)?);
    let price = CostModel::default().price(&plan.work());
    Ok((
        plan.unit_depth(),
        plan.counts().products,
        price.unwrap_or(f64::INFINITY),
    ))
}

/// The range of the calibration half with its margin, and the density there with an even share.
fn calibrated(activation: &Activation, share: f64) -> Result<(Interval, Density)> {
    let half = &activation.calibration;
    let center = f64::midpoint(half.min, half.max);
    let radius = MARGIN * (half.max - half.min) / 2.0;
    let range = Interval::try_new(center - radius, center + radius)?;
    let density = Density::from_histogram(&activation.edges, &half.weights())?;
    Ok((range, density.restricted(range)?.smoothed_on(range, share)?))
}
