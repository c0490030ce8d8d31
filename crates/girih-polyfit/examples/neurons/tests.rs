//! A polynomial for each neuron against one for the layer: Gelu of MiniLM on inputs that no fit has seen, by the factors that
//! `docs/neurons.md` states.

#![allow(clippy::unwrap_used)]

use crate::fits::{Layer, Method, cost};

fn layers() -> Vec<Layer> {
    let layers = Layer::all().unwrap();
    assert_eq!(layers.len(), 6);
    assert!(layers.iter().all(|l| l.ranges.len() == 10));
    layers
}

/// Errors at equal degree: of the fits for the layer and of those for its neurons.
fn error(layer: &Layer, method: Method, degree: usize) -> f64 {
    layer.error(&layer.fit(method, degree).unwrap())
}

#[test]
fn neurons_have_narrow_ranges() {
    for layer in layers() {
        let mut radii: Vec<f64> = layer.ranges.iter().map(|r| r.radius()).collect();
        radii.sort_by(f64::total_cmp);
        assert!(3.0 * radii[5] < layer.range.radius());
        // Ranges from a half of the text serve the other half, but for a few inputs in a million.
        assert!(layer.outside() < 2e-5, "{}", layer.outside());
    }
}

#[test]
fn density_of_the_neuron_beats_all_at_equal_degree() {
    for (index, layer) in layers().iter().enumerate() {
        for (degree, minimax, whole, even) in [(3, 15.0, 2.0, 2.2), (5, 20.0, 3.5, 2.5)] {
            let best = error(layer, Method::NeuronDensity, degree);
            let factor = |method| error(layer, method, degree) / best;
            let (a, b) = (factor(Method::LayerMinimax), factor(Method::LayerDensity));
            let c = factor(Method::NeuronUniform);
            assert!(
                a > minimax && b > whole && c > even,
                "{index} {degree}: {a} {b} {c}"
            );
        }
    }
}

/// The cost of one polynomial for the layer with the error of cubics for its neurons: 2.9 to 4.2 times the milliseconds without
/// a density, 1.5 to 3.1 with that of the layer.
#[test]
fn equal_error_costs_less() {
    for (index, layer) in layers().iter().enumerate() {
        let target = error(layer, Method::NeuronDensity, 3);
        let (depth, _, cheap) = cost(3).unwrap();
        for (method, least, most) in [
            (Method::LayerMinimax, 2.7, 4.5),
            (Method::LayerDensity, 1.4, 3.4),
        ] {
            let degree = layer.layer_degree(method, target).unwrap().unwrap();
            let (deeper, _, dear) = cost(degree).unwrap();
            let factor = dear / cheap;
            assert!(deeper > depth, "{index}: {deeper}");
            assert!(
                (least..=most).contains(&factor),
                "{index} {method:?} {degree}: {factor}"
            );
        }
    }
}
