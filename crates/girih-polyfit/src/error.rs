//! What can go wrong, with the numbers and the remedy.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of intervals, polynomials and fits.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// An interval without interior, reversed or not finite.
    #[error("the interval [{lo}, {hi}] needs finite ends with lo < hi")]
    Interval {
        /// Left end.
        lo: f64,
        /// Right end.
        hi: f64,
    },
    /// A domain without intervals.
    #[error("the domain is empty, give at least one interval")]
    EmptyDomain,
    /// Intervals of a domain that meet.
    #[error("the intervals [{}, {}] and [{}, {}] of the domain meet; join them", first.0, first.1, second.0, second.1)]
    Overlap {
        /// The left one.
        first: (f64, f64),
        /// The right one.
        second: (f64, f64),
    },
    /// A degree outside the supported range.
    #[error("degree {degree}: choose 1 to {max}")]
    Degree {
        /// The degree asked for.
        degree: usize,
        /// The largest degree offered.
        max: usize,
    },
    /// A polynomial without coefficients or with one that is not finite.
    #[error("coefficient {index} is {value}, only finite numbers make a polynomial")]
    Coefficient {
        /// Index of the coefficient (0 if there is none).
        index: usize,
        /// The value (NaN if there is none).
        value: f64,
    },
    /// A function that is not finite somewhere it is fitted.
    #[error("the function is {value} at {at}; choose an interval on which it is finite")]
    NotFinite {
        /// Where.
        at: f64,
        /// The value.
        value: f64,
    },
    /// A sample outside the interval, or with a value or weight that cannot be used.
    #[error(
        "sample {index}: ({x}, {y}) with weight {weight} is not finite, outside the interval or of negative weight"
    )]
    Sample {
        /// Index of the sample.
        index: usize,
        /// Abscissa.
        x: f64,
        /// Ordinate.
        y: f64,
        /// Weight.
        weight: f64,
    },
    /// A sample of a density that is not finite.
    #[error("sample {index} is {value}; leave out what is not finite")]
    SampleNotFinite {
        /// Index of the sample.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A histogram without mass, or with edges and counts that do not fit together.
    #[error(
        "{edges} edges and {counts} counts: give one edge more than counts, and a positive count"
    )]
    Histogram {
        /// Number of edges.
        edges: usize,
        /// Number of counts.
        counts: usize,
    },
    /// A bin of a histogram that cannot be used.
    #[error(
        "bin {index} is [{lo}, {hi}] with count {count}; edges increase, counts are finite and not negative"
    )]
    Bin {
        /// Index of the bin.
        index: usize,
        /// Left end.
        lo: f64,
        /// Right end.
        hi: f64,
        /// The count.
        count: f64,
    },
    /// Pieces and breaks that do not fit together.
    #[error("{pieces} pieces and {breaks} breaks: give 1 to 8 pieces, one more than breaks")]
    Pieces {
        /// Number of pieces.
        pieces: usize,
        /// Number of breaks.
        breaks: usize,
    },
    /// A break out of order or outside the interval.
    #[error("break {index} is at {at}; it belongs between {before} and {end}")]
    Break {
        /// Index of the break.
        index: usize,
        /// Where it is.
        at: f64,
        /// The break or the end before it.
        before: f64,
        /// Right end of the interval.
        end: f64,
    },
    /// A target that no plan of this depth reaches.
    #[error("error {target:e} is not reached within {depth} levels, which give {reached:e}; {}", remedy(*needed))]
    Depth {
        /// The error asked for.
        target: f64,
        /// The levels allowed.
        depth: usize,
        /// The smallest error found.
        reached: f64,
        /// The levels that would do, if any were found.
        needed: Option<usize>,
    },
    /// A problem too ill-conditioned for the arithmetic.
    #[error("degree {degree} is too large for the range from {lo} to 1; lower it")]
    IllConditioned {
        /// Left end of the range, in proportion to the right one.
        lo: f64,
        /// The degree.
        degree: usize,
    },
    /// A parameter outside its range.
    #[error("{name} is {value}, choose it from {lo} to {hi}")]
    Parameter {
        /// Which one.
        name: &'static str,
        /// The value.
        value: f64,
        /// The smallest value.
        lo: f64,
        /// The largest value.
        hi: f64,
    },
    /// Samples that do not determine the polynomial.
    #[error(
        "{samples} samples of positive weight determine at most degree {determined}, not {degree}; give more distinct samples or lower the degree"
    )]
    Underdetermined {
        /// Samples with positive weight.
        samples: usize,
        /// Largest degree that the samples determine.
        determined: usize,
        /// Degree asked for.
        degree: usize,
    },
    /// A target for the error that no offered degree reaches.
    #[error(
        "error {target:e} is not reached: degree {degree} gives {reached:e}; accept a larger error or shrink the range"
    )]
    Target {
        /// The error asked for.
        target: f64,
        /// The smallest error found.
        reached: f64,
        /// Its degree.
        degree: usize,
    },
    /// A range that holds a pole.
    #[error(
        "the range [{lo}, {hi}] holds {at}, where the function has a pole; choose a range on one side"
    )]
    Pole {
        /// Left end.
        lo: f64,
        /// Right end.
        hi: f64,
        /// The pole.
        at: f64,
    },
    /// A number of iterations that does nothing, or nothing more.
    #[error("{iterations} iterations: choose 1 to {max}, or a narrower range")]
    Iterations {
        /// Iterations asked for or needed.
        iterations: usize,
        /// The most that are offered on the range.
        max: usize,
    },
    /// A relative error below what double precision holds.
    #[error("relative error {target:e}: choose a number of at least {least:e}")]
    Precision {
        /// The error asked for.
        target: f64,
        /// The least that is offered.
        least: f64,
    },
    /// A minimax iteration that did not close the gap between its bounds.
    #[error(
        "after {iterations} exchanges the smallest error is only known to lie between {lower:e} and {upper:e}; lower the degree, split the domain at kinks, or give the function to more digits"
    )]
    NoConvergence {
        /// Exchanges made.
        iterations: usize,
        /// The levelled error of the last reference.
        lower: f64,
        /// The largest error of the last polynomial.
        upper: f64,
    },
    /// A degree whose error is below the rounding errors of double-double arithmetic.
    #[error(
        "degree {degree} would have an error below {reachable:e}, the rounding of 106-bit arithmetic here; a degree of about {enough} reaches that"
    )]
    PrecisionExhausted {
        /// Degree asked for.
        degree: usize,
        /// The smallest error that can be resolved.
        reachable: f64,
        /// A degree that reaches it.
        enough: usize,
    },
    /// A weight that is not positive and finite.
    #[error("the weight is {value} at {at}; weights have to be positive and finite")]
    Weight {
        /// Where.
        at: f64,
        /// The weight.
        value: f64,
    },
    /// An even or odd polynomial was asked for, and the function or the domain is not so.
    #[error(
        "the polynomial is to be {parity:?} about {center}, but {what}; drop the parity, or take a domain on one side"
    )]
    Symmetry {
        /// The parity asked for.
        parity: crate::Parity,
        /// The point of symmetry.
        center: f64,
        /// What breaks it.
        what: String,
    },
    /// A fixed coefficient that cannot be fixed.
    #[error("coefficient {index} cannot be fixed to {value}: {why}")]
    Fixed {
        /// Index of the coefficient.
        index: usize,
        /// Its value.
        value: f64,
        /// The reason.
        why: &'static str,
    },
    /// Constraints that decide the error at a point.
    #[error(
        "the constraints leave an error of {error:e} at {at}, whatever the other coefficients; change them"
    )]
    Forced {
        /// Where.
        at: f64,
        /// The weighted error.
        error: f64,
    },
    /// A pole, branch point or jump where the function is to be approximated.
    #[error(
        "{function} has a {kind} at {at}, inside [{lo}, {hi}]; choose a range without it, or a domain with a gap around it"
    )]
    Singular {
        /// The function.
        function: String,
        /// Pole, branch point or jump.
        kind: &'static str,
        /// Where.
        at: f64,
        /// Left end of the interval.
        lo: f64,
        /// Right end of the interval.
        hi: f64,
    },
    /// A function's parameter that is missing, superfluous or not a finite number.
    #[error("{function}: parameter {text:?} is not usable; {expected}")]
    FunctionParameter {
        /// The function.
        function: &'static str,
        /// The parameter as given.
        text: String,
        /// What is expected.
        expected: &'static str,
    },
    /// A target that no method meets within the depth.
    #[error(
        "{function}: no plan of at most {max_depth} levels has an error of {target:e}; the nearest, {method}, has {reached:.2e} with {depth} levels. \
         Accept a larger error, allow more levels or shrink the range"
    )]
    Unreachable {
        /// The function.
        function: String,
        /// The error asked for.
        target: f64,
        /// Most levels allowed.
        max_depth: usize,
        /// The smallest error found.
        reached: f64,
        /// Levels of the plan that has it.
        depth: usize,
        /// How it was made.
        method: String,
    },
    /// A degree for a method that does not make one polynomial.
    #[error("{method} does not make a polynomial of a given degree; give a target error")]
    NotSingle {
        /// The method.
        method: &'static str,
    },
    /// A method name that is not known.
    #[error("unknown method {name:?}; known are {known}")]
    UnknownMethod {
        /// The name.
        name: String,
        /// The names that are known.
        known: String,
    },
    /// A function name that is not known.
    #[error("unknown function {name:?}; known are {known}")]
    UnknownFunction {
        /// The name.
        name: String,
        /// The names that are known.
        known: String,
    },
}

fn remedy(needed: Option<usize>) -> String {
    match needed {
        Some(levels) => format!("allow {levels}"),
        None => "accept a larger error".to_owned(),
    }
}
