//! The methods that compete: each proposes plans, with their price before they are made.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

mod single;

pub(super) use single::single;

use super::search::{Proposal, Search};

/// A way to replace a function.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// One polynomial through the function at the Chebyshev nodes.
    Interpolation,
    /// The Chebyshev series of the function, cut.
    Truncation,
    /// One polynomial of least squared error by the density.
    LeastSquares,
}

impl Method {
    /// All methods.
    pub const ALL: [Method; 3] = [
        Method::Interpolation,
        Method::Truncation,
        Method::LeastSquares,
    ];

    /// The name, as parsed by [`FromStr`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Interpolation => "chebyshev",
            Method::Truncation => "truncation",
            Method::LeastSquares => "least-squares",
        }
    }

    /// The plans that the method has for a request.
    pub(super) fn proposals<'a>(self, search: &'a Search<'a>) -> Vec<Proposal<'a>> {
        match self {
            Method::Interpolation | Method::Truncation | Method::LeastSquares => {
                single(self, search)
            }
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
