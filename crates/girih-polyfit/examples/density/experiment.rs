//! Fits of one degree for inputs spread evenly and for inputs as measured, judged on inputs that no fit has seen.

use girih_fixtures::activations::{Activation, Kind, Measured};
use girih_polyfit::chooser::CostModel;
use girih_polyfit::piecewise::{Objective, Piece, Piecewise};
use girih_polyfit::remez::Remez;
use girih_polyfit::{
    Density, Domain, Error, Function, Interval, Polynomial, PolynomialPlan, Result, fit_weighted,
    interpolate, max_error,
};

/// A fit serves this much more than the calibration range, in all.
pub(crate) const MARGIN: f64 = 1.1;
/// Weight of the inputs that have not been seen: as if so many more had been, evenly spread over the range.
pub(crate) const PSEUDO_INPUTS: f64 = 64.0;
/// A band reaches so far beyond the inputs seen, in half widths of the range.
pub(crate) const BAND_MARGIN: f64 = 0.05;
/// The largest degree tried for a target.
pub(crate) const LARGEST_DEGREE: usize = 127;

/// What a fit minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The largest error on the range.
    Minimax,
    /// The same, nearly, by the Chebyshev interpolant.
    Chebyshev,
    /// The mean square error of inputs spread evenly over the range.
    Uniform,
    /// The largest error on the bands: the range without the gaps between calibration inputs.
    Bands,
    /// The mean square error of the calibration half and of [`PSEUDO_INPUTS`] evenly spread inputs.
    Density,
    /// The same with the evenly spread inputs on the bands only.
    DensityBands,
}

impl Method {
    /// All of them.
    pub(crate) const ALL: [Method; 6] = [
        Method::Minimax,
        Method::Chebyshev,
        Method::Uniform,
        Method::Bands,
        Method::Density,
        Method::DensityBands,
    ];
    /// Those that know the range alone and take no iterations, so that every degree can be tried.
    pub(crate) const PLAIN: [Method; 2] = [Method::Chebyshev, Method::Uniform];
}

/// One function of a network with what was measured of its inputs.
pub(crate) struct Case {
    /// The network.
    pub(crate) network: String,
    /// The layer, from 0.
    pub(crate) layer: usize,
    /// What is replaced.
    pub(crate) function: Function,
    /// What a fit serves: the calibration range with a margin, for `exp` up to 0.
    pub(crate) range: Interval,
    /// Where fits come from.
    pub(crate) calibration: Density,
    /// What judges them: the held-out inputs in the range.
    pub(crate) held_out: Density,
    /// Share of the held-out inputs outside the range.
    pub(crate) outside: f64,
    /// Share of an even weight in the density fits.
    share: f64,
}

impl Case {
    /// The case of a measured activation; `None` if its function is a polynomial or not of one variable.
    pub(crate) fn new(activation: &Activation) -> Result<Option<Self>> {
        let Activation { calibration, .. } = activation;
        let (min, max) = (calibration.min, calibration.max);
        let (center, half) = (f64::midpoint(min, max), MARGIN * (max - min) / 2.0);
        let (function, lo, hi) = match activation.kind {
            Kind::Relu => (Function::Relu, center - half, center + half),
            Kind::Gelu => (Function::Gelu, center - half, center + half),
            Kind::ScoresMinusMax => (Function::Exp, MARGIN * min, 0.0),
            _ => return Ok(None),
        };
        Self::on(activation, function, Interval::try_new(lo, hi)?).map(Some)
    }

    /// The same on another range.
    pub(crate) fn on(activation: &Activation, function: Function, range: Interval) -> Result<Self> {
        let density = |half: &Measured| Density::from_histogram(&activation.edges, &half.weights());
        let held_out = density(&activation.held_out)?;
        Ok(Case {
            network: activation.network.clone(),
            layer: activation.layer,
            function,
            range,
            calibration: density(&activation.calibration)?,
            outside: (1.0 - held_out.mass(range.lo(), range.hi())).max(0.0),
            held_out: held_out.restricted(range)?,
            share: PSEUDO_INPUTS / (PSEUDO_INPUTS + activation.calibration.count as f64),
        })
    }

    /// The function's value.
    pub(crate) fn eval(&self, x: f64) -> f64 {
        self.function.eval(x)
    }

    /// The calibration half with its even share, on the range.
    pub(crate) fn weight(&self) -> Result<Density> {
        let inside = self.calibration.restricted(self.range)?;
        inside.smoothed_on(self.range, self.share)
    }

    /// The range without the gaps between calibration inputs: their bins, widened by [`BAND_MARGIN`] and joined where they touch,
    /// the first and the last to the ends of the range.
    pub(crate) fn bands(&self) -> Result<Vec<Interval>> {
        let pad = BAND_MARGIN * self.range.radius();
        let mut ends: Vec<(f64, f64)> = Vec::new();
        for (lo, hi, _) in self.calibration.bins().filter(|bin| bin.2 > 0.0) {
            let lo = (lo - pad).max(self.range.lo());
            let hi = (hi + pad).min(self.range.hi());
            match ends.last_mut() {
                Some(last) if lo <= last.1 => last.1 = hi,
                _ => ends.push((lo, hi)),
            }
        }
        if let Some(first) = ends.first_mut() {
            first.0 = self.range.lo();
        }
        if let Some(last) = ends.last_mut() {
            last.1 = self.range.hi();
        }
        ends.into_iter()
            .map(|(lo, hi)| Interval::try_new(lo, hi))
            .collect()
    }

    /// The calibration half with its even share on the bands.
    fn weight_on_bands(&self) -> Result<Density> {
        let bands = self.bands()?;
        let width: f64 = bands.iter().map(|b| b.hi() - b.lo()).sum();
        let ends = bands.iter().flat_map(|b| [b.lo(), b.hi()]);
        let mut edges: Vec<f64> = self
            .calibration
            .edges()
            .iter()
            .copied()
            .chain(ends)
            .collect();
        edges.retain(|&e| self.range.contains(e));
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let mass = |e: &[f64]| {
            let inside = bands.iter().any(|b| b.contains(f64::midpoint(e[0], e[1])));
            let even = if inside { (e[1] - e[0]) / width } else { 0.0 };
            (1.0 - self.share) * self.calibration.mass(e[0], e[1]) + self.share * even
        };
        let masses: Vec<f64> = edges.windows(2).map(mass).collect();
        Density::from_histogram(&edges, &masses)
    }

    /// The fit of this degree.
    pub(crate) fn fit(&self, method: Method, degree: usize) -> Result<Polynomial> {
        let f = |x: f64| self.eval(x);
        match method {
            Method::Minimax => {
                let best = Remez::function(self.function, self.range, degree)?.solve()?;
                Ok(best.polynomial)
            }
            Method::Chebyshev => interpolate(f, self.range, degree),
            Method::Uniform => fit_weighted(f, &Density::uniform(self.range), self.range, degree),
            Method::Bands => {
                let bands = Domain::try_new(self.bands()?)?;
                let best = Remez::function(self.function, bands, degree)?.solve()?;
                Ok(best.polynomial)
            }
            Method::Density => fit_weighted(f, &self.weight()?, self.range, degree),
            Method::DensityBands => fit_weighted(f, &self.weight_on_bands()?, self.range, degree),
        }
    }

    /// The root of the mean squared error over the held-out half.
    pub(crate) fn error(&self, polynomial: &Polynomial) -> f64 {
        self.error_of(|x| polynomial.eval(x))
    }

    /// The largest error on the range.
    pub(crate) fn largest(&self, polynomial: &Polynomial) -> Result<f64> {
        Ok(max_error(|x| self.eval(x), polynomial, self.range)?.max_error)
    }

    /// The held-out errors of [`Method::ALL`] at one degree.
    pub(crate) fn errors(&self, degree: usize) -> Result<[f64; 6]> {
        let mut errors = [0.0; 6];
        for (error, method) in errors.iter_mut().zip(Method::ALL) {
            *error = self.error(&self.fit(method, degree)?);
        }
        Ok(errors)
    }

    /// The held-out error of the best fit that knows the range alone, over that of a density fit on the range and on the bands.
    pub(crate) fn gains(&self, degree: usize) -> Result<[f64; 2]> {
        let [minimax, chebyshev, uniform, _, density, bands] = self.errors(degree)?;
        let plain = minimax.min(chebyshev).min(uniform);
        Ok([plain / density, plain / bands])
    }

    /// The fit of least degree with at most this error over the held-out half, of those that know the range alone.
    ///
    /// # Errors
    /// [`Error::Target`] if [`LARGEST_DEGREE`] does not reach it.
    pub(crate) fn plain_for(&self, target: f64) -> Result<Polynomial> {
        let mut reached = f64::INFINITY;
        for degree in 1..=LARGEST_DEGREE {
            for method in Method::PLAIN {
                let polynomial = self.fit(method, degree)?;
                let error = self.error(&polynomial);
                if error <= target {
                    return Ok(polynomial);
                }
                reached = reached.min(error);
            }
        }
        Err(Error::Target {
            target,
            reached,
            degree: LARGEST_DEGREE,
        })
    }

    /// Pieces with one fitted polynomial: 0, it and x for gelu; 0 and it for `exp`.
    pub(crate) fn pieces(&self, density: &Density, degree: usize) -> Result<Piecewise> {
        let mut shape = vec![Piece::zero(), Piece::Fitted { degree }];
        if self.function == Function::Gelu {
            shape.push(Piece::identity());
        }
        let objective = Objective::MeanSquare(density);
        Piecewise::fit(|x| self.eval(x), self.range, &shape, objective)
    }

    /// The held-out error of anything.
    pub(crate) fn error_of(&self, p: impl Fn(f64) -> f64) -> f64 {
        self.held_out.rms_error(|x| self.eval(x), p)
    }
}

/// What evaluating a polynomial on an encrypted vector costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Levels.
    pub(crate) depth: usize,
    /// Products of ciphertexts.
    pub(crate) products: usize,
    /// Milliseconds by [`CostModel::default`].
    pub(crate) price: f64,
}

impl Cost {
    /// Of the plan with least depth; the map of the range to [-1, 1] is the layer before's.
    pub(crate) fn of(polynomial: &Polynomial) -> Self {
        let plan = PolynomialPlan::new(polynomial);
        let price = CostModel::default().price(&plan.work());
        Cost {
            depth: plan.unit_depth(),
            products: plan.counts().products,
            price: price.unwrap_or(f64::INFINITY),
        }
    }
}
