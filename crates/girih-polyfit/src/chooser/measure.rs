//! How far a plan is from the function it replaces: the largest error and the error in the mean.

use crate::accuracy::{Accuracy, extrema_grid, largest};
use crate::{Density, Interval, Result};

/// Points of the even grid, in the angle.
const POINTS: usize = 4096;
/// Points on each side of a break, by halving the distance again and again.
const HALVINGS: i32 = 30;
/// Points per halving.
const PER_HALVING: i32 = 12;
/// Errors of a plan on an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// `max |f - p|`, over a grid and refined around its maxima.
    pub(super) max_error: f64,
    /// Where it is.
    pub(super) at: f64,
    /// The root of the mean of `(f - p)²` by the density.
    pub(super) mean_error: f64,
    /// Largest distance of neighbouring points of the grid.
    pub(super) resolution: f64,
}

/// Measures the difference of a plan and its function on an interval. The grid is that of Chebyshev extrema, and finer by halves towards the
/// breaks of the function, where compositions have their steepest parts.
pub(super) fn measure(
    difference: &dyn Fn(f64) -> f64,
    interval: Interval,
    breaks: &[f64],
    density: &Density,
) -> Result<Measured> {
    let Accuracy {
        max_error,
        at,
        resolution,
    } = largest(difference, &grid(interval, breaks))?;
    Ok(Measured {
        max_error,
        at,
        mean_error: density.rms_error(difference, |_| 0.0),
        resolution,
    })
}

/// The points, in order and different from each other.
fn grid(interval: Interval, breaks: &[f64]) -> Vec<f64> {
    let mut grid = extrema_grid(interval, POINTS);
    for &at in breaks.iter().filter(|&&b| interval.contains(b)) {
        grid.push(at);
        for k in 0..HALVINGS * PER_HALVING {
            let h = interval.radius() * 2f64.powf(-f64::from(k) / f64::from(PER_HALVING));
            grid.extend(
                [at - h, at + h]
                    .into_iter()
                    .filter(|&x| interval.contains(x)),
            );
        }
    }
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    grid
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn narrow_errors_at_breaks_are_found() {
        // The error of 0 for a bump of width 2^-20 at a break.
        let width = 2f64.powi(-20);
        let bump = |x: f64| (1.0 - ((x - 0.3) / width - 1.0).abs()).max(0.0);
        let density = Density::uniform(Interval::UNIT);
        let m = measure(&bump, Interval::UNIT, &[0.3], &density).unwrap();
        assert!((m.max_error - 1.0).abs() < 1e-6, "{m:?}");
        assert!((m.at - 0.3 - width).abs() < 1e-12);
    }

    #[test]
    fn known_errors() {
        // |x² - 1/2| ≤ 1/2; its mean square is 1/5 - 1/3 + 1/4.
        let density = Density::uniform(Interval::UNIT);
        let m = measure(&|x| x * x - 0.5, Interval::UNIT, &[], &density).unwrap();
        assert_eq!(m.max_error, 0.5);
        let mean = (0.2 - 1.0 / 3.0 + 0.25f64).sqrt();
        assert!((m.mean_error - mean).abs() < 1e-12, "{m:?}");
        assert!(measure(&|x| 1.0 / x, Interval::UNIT, &[0.0], &density).is_err());
    }
}
