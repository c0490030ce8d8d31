//! Shapes as text: `[8/4, */16, 5?/2, 28~/16, 28~6?/8, *3/8, 12c/4, -/4]`, printed and parsed.
//!
//! ```text
//! shape := '[' '(d)'? dim (',' dim)* ']'  (d): diagonalised, see TileShape
//! dim   := body 'c'? '?'? ('/' tile)?     c: two reals a slot; tile size 1 where it is left out
//! body  := n                              n elements in runs
//!        | n '~' E?                       interleaved, over E tiles if E is not ⌈n/t⌉
//!        | '*' d?                         one element in all slots, or in the first d
//!        | '-'                            original size not set
//! ```
//!
//! Spaces are allowed between symbols. Printing picks one spelling per dimension (`1` for a single
//! element in one slot, no `E` where it is the smallest, no `d` where it is 1 or all), so that
//! parsing a printed shape gives the same shape.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result, TileDim, TileShape};

impl fmt::Display for TileDim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.original {
            None => f.write_str("-")?,
            Some(n) if self.interleaved => {
                write!(f, "{n}~")?;
                if self.external != n.div_ceil(self.tile.max(1)) {
                    write!(f, "{}", self.external)?;
                }
            }
            Some(_) if self.copies != 1 => {
                f.write_str("*")?;
                if self.copies != self.tile {
                    write!(f, "{}", self.copies)?;
                }
            }
            Some(n) => write!(f, "{n}")?,
        }
        if self.complex {
            f.write_str("c")?;
        }
        if self.unknown {
            f.write_str("?")?;
        }
        if self.tile != 1 {
            write!(f, "/{}", self.tile)?;
        }
        Ok(())
    }
}

impl fmt::Display for TileShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_diagonal() { "[(d)" } else { "[" })?;
        for (i, dim) in self.dims().iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}

impl FromStr for TileShape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut p = Parser { text, at: 0 };
        p.expect('[')?;
        let start = p.at;
        let diagonal = p.take('(');
        if diagonal {
            p.expect('d')?;
            p.expect(')')?;
        }
        let mut dims = vec![p.dim()?];
        while p.take(',') {
            dims.push(p.dim()?);
        }
        p.expect(']')?;
        p.end()?;
        let shape = TileShape::try_new(dims)?;
        if !diagonal {
            return Ok(shape);
        }
        shape.diagonalized().or_else(|e| match e {
            Error::Unsupported { why, .. } => p.fail(start, why),
            other => Err(other),
        })
    }
}

impl FromStr for TileDim {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut p = Parser { text, at: 0 };
        let dim = p.dim()?;
        p.end()?;
        Ok(dim)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, at: usize, why: impl Into<String>) -> Result<T> {
        Err(Error::Notation {
            text: self.text.to_owned(),
            column: self.text[..at].chars().count() + 1,
            why: why.into(),
        })
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, c: char) -> bool {
        self.skip_spaces();
        let found = self.text[self.at..].starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn found(&self) -> String {
        self.text[self.at..]
            .chars()
            .next()
            .map_or("the end".into(), |c| format!("{c:?}"))
    }

    fn expect(&mut self, c: char) -> Result<()> {
        if self.take(c) {
            Ok(())
        } else {
            self.fail(self.at, format!("expected {c:?}, found {}", self.found()))
        }
    }

    fn end(&mut self) -> Result<()> {
        self.skip_spaces();
        if self.at == self.text.len() {
            Ok(())
        } else {
            self.fail(self.at, format!("unexpected {}", self.found()))
        }
    }

    fn number(&mut self) -> Result<Option<usize>> {
        self.skip_spaces();
        let rest = &self.text[self.at..];
        let len = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        if len == 0 {
            return Ok(None);
        }
        match rest[..len].parse() {
            Ok(n) => {
                self.at += len;
                Ok(Some(n))
            }
            Err(_) => self.fail(self.at, format!("{} is too large", &rest[..len])),
        }
    }

    fn dim(&mut self) -> Result<TileDim> {
        enum Body {
            Runs(usize),
            Interleaved(usize, Option<usize>),
            Copies(Option<usize>),
            Incomplete,
        }
        self.skip_spaces();
        let start = self.at;
        let body = if self.take('*') {
            Body::Copies(self.number()?)
        } else if self.take('-') {
            Body::Incomplete
        } else if let Some(n) = self.number()? {
            if self.take('~') {
                Body::Interleaved(n, self.number()?)
            } else {
                Body::Runs(n)
            }
        } else {
            let why = format!("expected a size, '*' or '-', found {}", self.found());
            return self.fail(self.at, why);
        };
        let complex = self.take('c');
        let unknown = self.take('?');
        let tile = if self.take('/') {
            match self.number()? {
                Some(tile) => tile,
                None => {
                    let why = format!("expected a tile size, found {}", self.found());
                    return self.fail(self.at, why);
                }
            }
        } else {
            1
        };
        let dim = match body {
            Body::Runs(n) => TileDim::basic(n, tile),
            Body::Interleaved(n, None) => TileDim::interleaved(n, tile),
            Body::Interleaved(n, Some(e)) => TileDim::interleaved_over(n, e, tile),
            Body::Copies(None) => TileDim::replicated(tile),
            Body::Copies(Some(d)) => TileDim::duplicated(d, tile),
            Body::Incomplete => TileDim::incomplete(tile),
        };
        let dim = match complex {
            true => dim.and_then(TileDim::with_complex),
            false => dim,
        };
        let dim = match unknown {
            true => dim.and_then(TileDim::with_unknown),
            false => dim,
        };
        dim.or_else(|e| match e {
            Error::Dim { why, .. } => self.fail(start, why),
            other => Err(other),
        })
    }
}
