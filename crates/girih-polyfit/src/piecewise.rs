//! Functions by pieces of low degree, with break points chosen where they do the least harm.
//!
//! Gelu is zero, a quadratic and `x`; the exponential of a softmax is zero and a quadratic: with break points optimised
//! for the inputs that occur, degree two does (Nimbus: Li and others, NeurIPS 2024; the shape of PUMA: Dong and others,
//! 2023). Pieces are fitted or given; the breaks minimise the mean square error for a density, or the largest error, by
//! dynamic programming over a grid and a local search.
//!
//! In the clear the pieces are exact. On encrypted values a piece is selected by a step: with pieces `p₀, .., pₖ` and
//! breaks `t₁, .., tₖ`, the value is `p₀ + Σ step(x - tᵢ) (pᵢ - pᵢ₋₁)`, one composite sign for each break side by side.

use crate::chebyshev::interpolate;
use crate::composite::CompositeSign;
use crate::{Density, Error, EvaluationPlan, Interval, Polynomial, Result, max_error};

mod breaks;

/// What a piece is.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// A polynomial of this degree, fitted.
    Fitted {
        /// The degree, at least 1.
        degree: usize,
    },
    /// A given polynomial: coefficients of `1, x, x², ..`
    Fixed {
        /// The coefficients, at least one.
        coefficients: Vec<f64>,
    },
}

impl Piece {
    /// Zero, as gelu far left.
    #[must_use]
    pub fn zero() -> Self {
        Piece::Fixed {
            coefficients: vec![0.0],
        }
    }

    /// `x`, as gelu far right.
    #[must_use]
    pub fn identity() -> Self {
        Piece::Fixed {
            coefficients: vec![0.0, 1.0],
        }
    }
}

/// What the breaks and the fitted pieces minimise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective<'a> {
    /// `E[(f - p)²]` for inputs of a density, to which a share of 10⁻⁶ of the uniform one is added, so that pieces without
    /// mass are determined.
    MeanSquare(&'a Density),
    /// The largest error; fitted pieces are minimax, with breaks chosen by Chebyshev interpolants.
    Largest,
}

/// Polynomials between break points.
///
/// ```
/// use girih_polyfit::piecewise::{Objective, Piece, Piecewise};
/// use girih_polyfit::{Density, Function, Interval};
///
/// let gelu = |x| Function::Gelu.eval(x);
/// let density = Density::normal(-0.5, 1.5)?;
/// let shape = [Piece::zero(), Piece::Fitted { degree: 2 }, Piece::identity()];
/// let fitted = Piecewise::fit(gelu, Interval::symmetric(8.0)?, &shape, Objective::MeanSquare(&density))?;
/// assert!(density.rms_error(gelu, |x| fitted.eval(x)) < 0.03);
/// # Ok::<(), girih_polyfit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Piecewise {
    interval: Interval,
    breaks: Vec<f64>,
    pieces: Vec<Polynomial>,
}

impl Piecewise {
    /// The given polynomials, each up to the break on its right.
    ///
    /// # Errors
    /// Breaks that do not increase strictly inside the interval, or not one fewer than the pieces.
    pub fn try_new(interval: Interval, breaks: Vec<f64>, pieces: Vec<Polynomial>) -> Result<Self> {
        if pieces.len() != breaks.len() + 1 {
            return Err(Error::Pieces {
                pieces: pieces.len(),
                breaks: breaks.len(),
            });
        }
        let mut before = interval.lo();
        for (index, &at) in breaks.iter().enumerate() {
            if !(before < at && at < interval.hi()) {
                return Err(Error::Break {
                    index,
                    at,
                    before,
                    end: interval.hi(),
                });
            }
            before = at;
        }
        Ok(Piecewise {
            interval,
            breaks,
            pieces,
        })
    }

    /// The best break points and polynomials for pieces of the given kinds, from left to right. No piece is shorter than
    /// a hundredth of the interval, unless the density puts more break candidates there.
    ///
    /// # Errors
    /// No piece or more than 8, a fitted degree of 0 or above 15, a function that is not finite somewhere.
    pub fn fit(
        f: impl Fn(f64) -> f64,
        interval: Interval,
        pieces: &[Piece],
        objective: Objective<'_>,
    ) -> Result<Self> {
        let (breaks, pieces) = breaks::optimise(&f, interval, pieces, objective)?;
        Self::try_new(interval, breaks, pieces)
    }

    /// The interval.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The break points, from left to right.
    #[must_use]
    pub fn breaks(&self) -> &[f64] {
        &self.breaks
    }

    /// The polynomials, one more than breaks.
    #[must_use]
    pub fn pieces(&self) -> &[Polynomial] {
        &self.pieces
    }

    /// The value at `x`; at a break, that of the piece to the right.
    #[must_use]
    pub fn eval(&self, x: f64) -> f64 {
        self.pieces[self.breaks.partition_point(|&b| b <= x)].eval(x)
    }

    /// The largest error over all pieces, as found by [`max_error`](crate::max_error()).
    ///
    /// # Errors
    /// The function is not finite at a grid point.
    pub fn max_error(&self, f: impl Fn(f64) -> f64) -> Result<f64> {
        let ends = self.ends();
        let mut largest = 0f64;
        for (piece, w) in self.pieces.iter().zip(ends.windows(2)) {
            let part = Interval::try_new(w[0], w[1])?;
            largest = largest.max(max_error(&f, piece, part)?.max_error);
        }
        Ok(largest)
    }

    fn ends(&self) -> Vec<f64> {
        let mut ends = vec![self.interval.lo()];
        ends.extend(&self.breaks);
        ends.push(self.interval.hi());
        ends
    }

    /// The plan that selects pieces by steps. Its depth is that of the sign and one level, or that of the largest piece
    /// and one if that is more.
    ///
    /// Outside the [`switch_zones`](Self::switch_zones) the error against the pieces is at most
    /// `Σ |pᵢ(x) - pᵢ₋₁(x)| · error / 2`, where the polynomials count beyond their pieces too: keep degrees low. Inside a
    /// zone the value lies between those of the two pieces that meet.
    ///
    /// # Errors
    /// A polynomial that overflows on the whole interval.
    pub fn plan(&self, sign: &CompositeSign) -> Result<EvaluationPlan> {
        let mut plan = EvaluationPlan::new(self.interval);
        let mut terms = Vec::new();
        let mut constant = 0.0;
        match &self.pieces[0] {
            p if p.degree() == 0 => constant = p.coefficients()[0],
            p => {
                let unit = self.on_unit(|x| p.eval(x), p.degree())?;
                terms.push((plan.push_polynomial(plan.input(), unit)?, 1.0));
            }
        }
        for (pair, &at) in self.pieces.windows(2).zip(&self.breaks) {
            let degree = pair[0].degree().max(pair[1].degree());
            let jump = self.on_unit(|x| pair[1].eval(x) - pair[0].eval(x), degree)?;
            if jump.degree() == 0 {
                // A constant jump is the output scale of the step.
                let height = jump.coefficients()[0] / 2.0;
                let step = sign.push(&mut plan, at, height, height)?;
                terms.push((step, 1.0));
                continue;
            }
            let step = sign.push(&mut plan, at, 0.5, 0.5)?;
            let jump = plan.push_polynomial(plan.input(), jump)?;
            terms.push((plan.push_product(step, jump), 1.0));
        }
        if terms.is_empty() {
            let flat = Polynomial::power(Interval::UNIT, [constant])?;
            plan.push_polynomial(plan.input(), flat)?;
        } else if terms.len() != 1 || constant != 0.0 {
            plan.push_affine(terms, constant);
        }
        Ok(plan)
    }

    /// Where the [`plan`](Self::plan) is between two pieces: `gap` times the distance of a break from the far end of the
    /// interval, on both sides of it.
    #[must_use]
    pub fn switch_zones(&self, sign: &CompositeSign) -> Vec<(f64, f64)> {
        let reach = |t: f64| (self.interval.hi() - t).max(t - self.interval.lo());
        let zone = |&t: &f64| (t - sign.gap() * reach(t), t + sign.gap() * reach(t));
        self.breaks.iter().map(zone).collect()
    }

    fn on_unit(&self, p: impl Fn(f64) -> f64, degree: usize) -> Result<Polynomial> {
        let at = |u: f64| p(self.interval.from_unit(u));
        interpolate(at, Interval::UNIT, degree.max(1))
    }
}

#[cfg(test)]
mod tests;
