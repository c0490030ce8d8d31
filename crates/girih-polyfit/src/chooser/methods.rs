//! The methods that compete: each proposes plans, with their price before they are made.

use std::fmt;
use std::str::FromStr;

use super::search::{Proposal, Search};
use crate::{Error, Result};

mod composite;
mod extension;
mod iterative;
mod pieces;
mod single;

pub(super) use single::polynomial;

/// A way to replace a function.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// One polynomial of least largest error ([`Remez`](crate::Remez)).
    Minimax,
    /// One polynomial through the function at the Chebyshev nodes.
    Interpolation,
    /// The Chebyshev series of the function, cut.
    Truncation,
    /// One polynomial of least squared error by the density.
    LeastSquares,
    /// The sign as a composite of minimax polynomials, and relu, leaky relu and abs by it ([`CompositeSign`](crate::CompositeSign)).
    Composite,
    /// Low degrees between break points, selected by composite signs ([`Piecewise`](crate::Piecewise)).
    Piecewise,
    /// A polynomial and repeated squaring for exp, Goldschmidt's or Newton's iteration for reciprocals and roots.
    Iterative,
    /// Steps that shrink a wide range, then one polynomial ([`DomainExtension`](crate::extension::DomainExtension)).
    Extension,
}

impl Method {
    /// All methods.
    pub const ALL: [Method; 8] = [
        Method::Minimax,
        Method::Interpolation,
        Method::Truncation,
        Method::LeastSquares,
        Method::Composite,
        Method::Piecewise,
        Method::Iterative,
        Method::Extension,
    ];

    /// The name, as parsed by [`FromStr`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Minimax => "minimax",
            Method::Interpolation => "chebyshev",
            Method::Truncation => "truncation",
            Method::LeastSquares => "least-squares",
            Method::Composite => "composite",
            Method::Piecewise => "piecewise",
            Method::Iterative => "iterative",
            Method::Extension => "extension",
        }
    }

    /// Whether the method makes one polynomial of a given degree.
    #[must_use]
    pub fn is_single(self) -> bool {
        matches!(
            self,
            Method::Minimax | Method::Interpolation | Method::Truncation | Method::LeastSquares
        )
    }

    /// The plans that the method has for a request.
    pub(super) fn proposals<'a>(self, search: &'a Search<'a>) -> Vec<Proposal<'a>> {
        match self {
            Method::Composite => composite::proposals(search),
            Method::Piecewise => pieces::proposals(search),
            Method::Iterative => iterative::proposals(search),
            Method::Extension => extension::proposals(search),
            _ => single::proposals(self, search),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Method::ALL
            .into_iter()
            .find(|m| m.name() == name)
            .ok_or_else(|| Error::UnknownMethod {
                name: name.to_owned(),
                known: Method::ALL.map(Method::name).join(", "),
            })
    }
}
