//! How far decoded values are from expected ones.

use std::fmt;

/// Statistics of the absolute errors of a vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// Values compared.
    pub count: usize,
    /// Mean of `|got - expected|`.
    pub mean: f64,
    /// Root of the mean square error.
    pub rms: f64,
    /// Largest `|got - expected|`; infinite if a value is not finite.
    pub worst: f64,
    /// Index of the largest error.
    pub worst_index: usize,
}

impl Precision {
    /// Compares element by element.
    ///
    /// # Panics
    /// If the lengths differ or there is nothing to compare.
    #[must_use]
    pub fn of(got: &[f64], expected: &[f64]) -> Precision {
        assert_eq!(
            got.len(),
            expected.len(),
            "one expected value for every value"
        );
        assert!(!got.is_empty(), "statistics of at least one value");
        let mut precision = Precision {
            count: got.len(),
            mean: 0.0,
            rms: 0.0,
            worst: 0.0,
            worst_index: 0,
        };
        for (i, (x, y)) in got.iter().zip(expected).enumerate() {
            let difference = (x - y).abs();
            let error = if difference.is_finite() {
                difference
            } else {
                f64::INFINITY
            };
            precision.mean += error;
            precision.rms += error * error;
            if error > precision.worst {
                (precision.worst, precision.worst_index) = (error, i);
            }
        }
        precision.mean /= got.len() as f64;
        precision.rms = (precision.rms / got.len() as f64).sqrt();
        precision
    }

    /// `-log2` of the mean error.
    #[must_use]
    pub fn mean_bits(&self) -> f64 {
        -self.mean.log2()
    }

    /// `-log2` of the largest error.
    #[must_use]
    pub fn worst_bits(&self) -> f64 {
        -self.worst.log2()
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mean error {:.2e} ({:.1} bits), worst {:.2e} ({:.1} bits, value {}) of {} values",
            self.mean,
            self.mean_bits(),
            self.worst,
            self.worst_bits(),
            self.worst_index,
            self.count
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_errors_give_known_statistics() {
        let p = Precision::of(&[1.0, 2.5, 2.75], &[1.0, 2.0, 3.0]);
        assert_eq!((p.count, p.mean, p.worst, p.worst_index), (3, 0.25, 0.5, 1));
        assert_eq!((p.mean_bits(), p.worst_bits()), (2.0, 1.0));
        assert!((p.rms - (0.3125f64 / 3.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn exact_and_broken_values_are_told_apart() {
        assert_eq!(Precision::of(&[1.0], &[1.0]).worst_bits(), f64::INFINITY);
        let broken = Precision::of(&[f64::NAN, 1.0], &[0.0, 1.0]);
        assert_eq!((broken.worst, broken.worst_index), (f64::INFINITY, 0));
    }
}
