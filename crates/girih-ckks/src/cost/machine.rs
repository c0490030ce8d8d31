//! How fast a machine is: speeds of rows, or primitives that were measured.

use girih_he::Primitive;

use super::{Rows, Shape, Work};

/// Seconds of one primitive at one shape of modulus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// The primitive.
    pub primitive: Primitive,
    /// log2 of the ring degree.
    pub log_n: u8,
    /// Limbs of the operand.
    pub limbs: usize,
    /// Special primes.
    pub special: usize,
    /// Digits of the key switching.
    pub digits: usize,
    /// Limbs that a rescaling drops.
    pub drop: usize,
    /// Seconds on one thread.
    pub seconds: f64,
    /// Seconds when all threads work on it.
    pub together: f64,
}

/// A machine: measured primitives, and the number of threads.
///
/// What was not measured is the work of the primitive in rows (see [`profile`](super::profile)) times the speeds of
/// `Rows::shipped`, times what measurements at that ring degree took in proportion to it: `measured / formula`, interpolated between the
/// logarithms of the limbs. Without measurements that is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    threads: usize,
    measured_threads: usize,
    measurements: Vec<Measurement>,
}

/// What a thread more brings at least, where nothing was measured: 1.8 of 2 (`cargo xtask bench ckks --scaling`).
const SERIAL_PART: f64 = 0.1;

impl Machine {
    /// A machine that was measured with `measured_threads`, for evaluation on `threads`. Measurements that are not positive are left out.
    #[must_use]
    pub fn new(
        measurements: impl IntoIterator<Item = Measurement>,
        measured_threads: usize,
        threads: usize,
    ) -> Machine {
        let positive = |m: &Measurement| {
            let times = [m.seconds, m.together];
            times.iter().all(|t| t.is_finite() && *t > 0.0) && m.limbs > 0
        };
        Machine {
            threads: threads.max(1),
            measured_threads: measured_threads.max(1),
            measurements: measurements.into_iter().filter(positive).collect(),
        }
    }

    /// A machine of which nothing but the formulas is known.
    #[must_use]
    pub fn unmeasured(threads: usize) -> Machine {
        Machine::new([], 1, threads)
    }

    /// Threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Seconds of a primitive on one thread, and on all.
    pub(super) fn seconds(&self, primitive: Primitive, log_n: u8, shape: &Shape) -> [f64; 2] {
        let formula = shape.work(primitive).seconds(&Rows::shipped(log_n));
        let of: Vec<&Measurement> = self
            .measurements
            .iter()
            .filter(|m| m.primitive == primitive)
            .collect();
        let distance = |m: &&Measurement| m.log_n.abs_diff(log_n);
        let Some(nearest) = of.iter().map(distance).min() else {
            let part = SERIAL_PART + (1.0 - SERIAL_PART) / self.threads as f64;
            return [formula, formula * part];
        };
        let mut points: Vec<(f64, f64, f64)> = of
            .into_iter()
            .filter(|m| distance(m) == nearest)
            .map(|m| {
                let work = Shape::of(m).work(primitive);
                let ratio = m.seconds / work.seconds(&Rows::shipped(m.log_n));
                let part = self.part(m.together / m.seconds);
                ((m.limbs as f64).ln(), ratio.ln(), part)
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let at = shape.limbs.ln();
        let (ratio, part) = interpolated(&points, at);
        let alone = formula * ratio.exp();
        [alone, alone * part.min(1.0)]
    }

    /// The share of the time on one thread that remains on all threads, from the share that was measured: Amdahl's law.
    fn part(&self, measured: f64) -> f64 {
        let (from, to) = (self.measured_threads as f64, self.threads as f64);
        if from <= 1.0 {
            return SERIAL_PART + (1.0 - SERIAL_PART) / to;
        }
        let parallel = ((1.0 - measured) / (1.0 - 1.0 / from)).clamp(0.0, 1.0);
        1.0 - parallel * (1.0 - 1.0 / to)
    }
}

/// The values at `x` between points that are sorted by it; constant beyond them.
fn interpolated(points: &[(f64, f64, f64)], x: f64) -> (f64, f64) {
    let after = points.partition_point(|p| p.0 < x);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some(a), Some(b)) => {
            let t = (x - a.0) / (b.0 - a.0).max(f64::MIN_POSITIVE);
            (a.1 + t * (b.1 - a.1), a.2 + t * (b.2 - a.2))
        }
        (Some(p), None) => (p.1, p.2),
        (None, Some(p)) => (p.1, p.2),
        (None, None) => (0.0, 1.0),
    }
}

impl Shape {
    /// Of a measurement. Digits are of equal size, the last one smaller.
    fn of(m: &Measurement) -> Shape {
        let size = m.limbs.div_ceil(m.digits.max(1));
        Shape {
            limbs: m.limbs as f64,
            special: m.special as f64,
            drop: m.drop as f64,
            digits: (0..m.limbs)
                .step_by(size.max(1))
                .map(|start| size.min(m.limbs - start) as f64)
                .collect(),
        }
    }
}

impl Work {
    fn seconds(self, rows: &Rows) -> f64 {
        let ns = self.ntt * rows.ntt_ns + self.mac * rows.mac_ns + self.convert * rows.convert_ns;
        ns * 1e-9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(limbs: usize, factor: f64) -> Measurement {
        let mut m = Measurement {
            primitive: Primitive::Rotate,
            log_n: 13,
            limbs,
            special: 1,
            digits: limbs,
            drop: 1,
            seconds: 1.0,
            together: 1.0,
        };
        m.seconds = factor * Shape::of(&m).work(m.primitive).seconds(&Rows::shipped(13));
        m.together = 0.6 * m.seconds;
        m
    }

    #[test]
    fn measurements_are_met_and_interpolated() {
        let points = [measured(2, 3.0), measured(8, 12.0)];
        let machine = Machine::new(points, 2, 2);
        let at = |limbs: usize| {
            let shape = Shape::of(&measured(limbs, 1.0));
            let formula = shape.work(Primitive::Rotate).seconds(&Rows::shipped(13));
            let [alone, together] = machine.seconds(Primitive::Rotate, 13, &shape);
            assert!((together / alone - 0.6).abs() < 1e-9);
            alone / formula
        };
        for (limbs, factor) in [(1, 3.0), (2, 3.0), (4, 6.0), (8, 12.0), (20, 12.0)] {
            assert!((at(limbs) / factor - 1.0).abs() < 1e-9, "{limbs} limbs");
        }
        // another degree: the nearest that was measured; another primitive: the formula
        let shape = Shape::of(&measured(2, 1.0));
        let formula = |p: Primitive| shape.work(p).seconds(&Rows::shipped(16));
        let [alone, _] = machine.seconds(Primitive::Rotate, 16, &shape);
        assert!((alone / formula(Primitive::Rotate) / 3.0 - 1.0).abs() < 1e-9);
        let [alone, together] = machine.seconds(Primitive::Add, 16, &shape);
        assert_eq!(alone, formula(Primitive::Add));
        assert!(together < alone);
        // more threads than were measured
        let four = Machine::new(points, 2, 4);
        let [alone, together] = four.seconds(Primitive::Rotate, 13, &shape);
        assert!((together / alone - 0.4).abs() < 1e-9, "20 % are serial");
        let wrong = Measurement {
            seconds: f64::NAN,
            ..points[0]
        };
        assert_eq!(Machine::new([wrong], 2, 2), Machine::new([], 2, 2));
    }
}
