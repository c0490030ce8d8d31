//! The text form of a program: printing and parsing.
//!
//! ```text
//! program mlp slots=8192
//!   region "fc1"
//!   %0 = input "x"                      @L9
//!   %1 = rotate %0 by 64                @L9
//!   %2 = dot_plain %0 "w0", %1 "w64"    @L9*
//!   %3 = rescale %2                     @L8
//!   %4 = drop_to %3 L5                  @L5
//!   %5 = add_scalar %4 0.25             @L5
//!   output "y" = %5
//! ```
//!
//! One line per instruction, numbered in order; `@` gives the state once levels are assigned, a star
//! marks a product that has not been rescaled. `region` starts (or resumes) a layer. Names are quoted
//! with `\"`, `\\`, `\n`, `\r`, `\t` and `\u{..}`. Empty lines and lines that start with `#` are
//! skipped. Parsing numbers constants and regions by first use, so
//! `print(p).parse() == p.canonical()`.

use std::fmt;
use std::iter::Peekable;
use std::str::{Chars, FromStr};

use crate::{
    ConstId, Error, GiantStep, Inst, Level, Op, Program, Result, Rotation, State, ValueId,
};

/// Column of the state in the printed form.
const STATE_COLUMN: usize = 36;

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = !self.name.is_empty() && self.name.chars().all(is_bare);
        let name = if bare {
            self.name.clone()
        } else {
            quote(&self.name)
        };
        writeln!(f, "program {name} slots={}", self.slots)?;
        let mut region = None;
        for (i, inst) in self.insts.iter().enumerate() {
            if region != Some(inst.region) {
                region = Some(inst.region);
                let name = self
                    .regions
                    .get(inst.region as usize)
                    .map_or("", String::as_str);
                writeln!(f, "  region {}", quote(name))?;
            }
            let text = format!("%{i} = {}", self.op_text(&inst.op));
            match inst.state {
                Some(state) => writeln!(f, "  {text:<STATE_COLUMN$} @{state}")?,
                None => writeln!(f, "  {text}")?,
            }
        }
        for (name, v) in &self.outputs {
            writeln!(f, "  output {} = %{}", quote(name), v.0)?;
        }
        Ok(())
    }
}

impl Program {
    fn op_text(&self, op: &Op) -> String {
        let v = |v: &ValueId| format!("%{}", v.0);
        let p = |p: &ConstId| quote(self.constants.get(p.index()).map_or("", String::as_str));
        let operands = match op {
            Op::Input(name) => quote(name),
            Op::Add(a, b) | Op::Sub(a, b) | Op::Mul(a, b) => format!("{} {}", v(a), v(b)),
            Op::Neg(a) | Op::Conjugate(a) | Op::Rescale(a) | Op::Bootstrap(a) => v(a),
            Op::AddPlain(a, c) | Op::MulPlain(a, c) => format!("{} {}", v(a), p(c)),
            Op::AddScalar(a, s) | Op::MulScalar(a, s) => format!("{} {s:?}", v(a)),
            Op::Rotate(a, r) => format!("{} by {r}", v(a)),
            Op::DropTo(a, level) => format!("{} {level}", v(a)),
            Op::DotPlain(terms) => join(terms, |(a, c)| format!("{} {}", v(a), p(c))),
            Op::Dot(terms) => join(terms, |(a, b)| format!("{} {}", v(a), v(b))),
            Op::SumRotated(terms) => join(terms, |(a, r)| format!("{} by {r}", v(a))),
            Op::DotAffine {
                products,
                linear,
                constant,
            } => format!(
                "{} plus {} plus {constant:?}",
                join(products, |(a, b)| format!("{} {}", v(a), v(b))),
                join(linear, |(x, s)| format!("{} {s:?}", v(x))),
            ),
            Op::SumRotatedProducts(giants) => giants
                .iter()
                .map(|g| {
                    let terms = join(&g.terms, |(a, r, c)| format!("{} by {r} {}", v(a), p(c)));
                    format!("by {} of {terms}", g.by)
                })
                .collect::<Vec<_>>()
                .join(" "),
            Op::Rescaled(op, level) => format!("to {level} {}", self.op_text(op)),
        };
        format!("{} {operands}", op.name())
    }
}

impl FromStr for Program {
    type Err = Error;

    fn from_str(text: &str) -> Result<Program> {
        let mut program = Program::default();
        let mut names = Names::default();
        let mut header = false;
        let mut region = None;
        for (i, line) in text.lines().enumerate() {
            let mut line = Line::new(i + 1, line);
            match line.peek()? {
                None => continue,
                Some(Token::Word(word)) if !header => {
                    if word != "program" {
                        return Err(line.expected("the line `program NAME slots=N` first"));
                    }
                    line.next()?;
                    program.name = line.name()?;
                    line.word("slots")?;
                    line.symbol('=')?;
                    program.slots = line.number("a number of slots")?;
                    header = true;
                }
                _ if !header => return Err(line.expected("the line `program NAME slots=N` first")),
                Some(Token::Word(word)) if word == "region" => {
                    line.next()?;
                    region = Some(names.regions.id(&line.string()?, &mut program.regions));
                }
                Some(Token::Word(word)) if word == "output" => {
                    line.next()?;
                    let name = line.string()?;
                    line.symbol('=')?;
                    program.outputs.push((name, line.value()?));
                }
                Some(Token::Value(_)) => {
                    let id = line.value()?;
                    if id.index() != program.insts.len() {
                        let why = format!("instruction %{} next", program.insts.len());
                        return Err(line.expected(&why));
                    }
                    line.symbol('=')?;
                    let op = line.op(&mut names, &mut program.constants)?;
                    let state = line.state()?;
                    let Some(region) = region else {
                        return Err(
                            line.expected("a line `region \"NAME\"` before the first instruction")
                        );
                    };
                    program.insts.push(Inst { op, state, region });
                }
                Some(_) => {
                    return Err(
                        line.expected("`%N = OP ..`, `region \"NAME\"` or `output \"NAME\" = %N`")
                    );
                }
            }
            line.end()?;
        }
        if !header {
            return Err(Error::Text {
                line: 1,
                why: "expected the line `program NAME slots=N` first".into(),
            });
        }
        program.check()?;
        Ok(program)
    }
}

/// Names already numbered.
#[derive(Default)]
struct Names {
    constants: Index,
    regions: Index,
}

#[derive(Default)]
struct Index(std::collections::HashMap<String, u32>);

impl Index {
    fn id(&mut self, name: &str, table: &mut Vec<String>) -> u32 {
        if let Some(&id) = self.0.get(name) {
            return id;
        }
        let id = table.len() as u32;
        table.push(name.to_owned());
        self.0.insert(name.to_owned(), id);
        id
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A bare word or number.
    Word(String),
    /// A quoted name.
    Text(String),
    /// `%7`
    Value(u32),
    /// `=`, `,` or `@`
    Symbol(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) => write!(f, "`{word}`"),
            Token::Text(text) => f.write_str(&quote(text)),
            Token::Value(v) => write!(f, "`%{v}`"),
            Token::Symbol(c) => write!(f, "`{c}`"),
        }
    }
}

/// A line and the next token on it.
struct Line<'a> {
    number: usize,
    chars: Peekable<Chars<'a>>,
    ahead: Option<Option<Token>>,
}

impl<'a> Line<'a> {
    fn new(number: usize, text: &'a str) -> Self {
        Line {
            number,
            chars: text.chars().peekable(),
            ahead: None,
        }
    }

    fn error(&self, why: impl Into<String>) -> Error {
        Error::Text {
            line: self.number,
            why: why.into(),
        }
    }

    /// An error about the token that comes next.
    fn expected(&mut self, what: &str) -> Error {
        match self.peek() {
            Ok(Some(token)) => {
                let why = format!("expected {what}, found {token}");
                self.error(why)
            }
            Ok(None) => self.error(format!("expected {what}, found the end of the line")),
            Err(e) => e,
        }
    }

    fn peek(&mut self) -> Result<Option<Token>> {
        if self.ahead.is_none() {
            self.ahead = Some(self.read()?);
        }
        Ok(self.ahead.clone().flatten())
    }

    fn next(&mut self) -> Result<Option<Token>> {
        let token = self.peek()?;
        self.ahead = None;
        Ok(token)
    }

    fn read(&mut self) -> Result<Option<Token>> {
        while self.chars.next_if(|c| c.is_whitespace()).is_some() {}
        let Some(&c) = self.chars.peek() else {
            return Ok(None);
        };
        match c {
            '#' => Ok(None),
            '=' | ',' | '@' => {
                self.chars.next();
                Ok(Some(Token::Symbol(c)))
            }
            '"' => {
                self.chars.next();
                self.quoted().map(|text| Some(Token::Text(text)))
            }
            '%' => {
                self.chars.next();
                let digits = self.bare();
                let id = digits
                    .parse()
                    .map_err(|_| self.error(format!("`%{digits}` is not a value")))?;
                Ok(Some(Token::Value(id)))
            }
            _ => {
                let word = self.bare();
                if word.is_empty() {
                    return Err(self.error(format!("unexpected character {c:?}")));
                }
                Ok(Some(Token::Word(word)))
            }
        }
    }

    fn bare(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.chars.next_if(|&c| is_bare(c)) {
            word.push(c);
        }
        word
    }

    fn quoted(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err(self.error("a quoted name is not closed")),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char> {
        match self.chars.next() {
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') if self.chars.next_if_eq(&'{').is_some() => {
                let mut hex = String::new();
                while let Some(c) = self.chars.next_if(char::is_ascii_hexdigit) {
                    hex.push(c);
                }
                let closed = self.chars.next_if_eq(&'}').is_some();
                u32::from_str_radix(&hex, 16)
                    .ok()
                    .filter(|_| closed)
                    .and_then(char::from_u32)
                    .ok_or_else(|| self.error("an escape `\\u{..}` is not a character"))
            }
            _ => Err(self.error("unknown escape in a quoted name")),
        }
    }

    fn word(&mut self, word: &str) -> Result<()> {
        if self.peek()? == Some(Token::Word(word.to_owned())) {
            self.next().map(drop)
        } else {
            Err(self.expected(&format!("`{word}`")))
        }
    }

    fn symbol(&mut self, c: char) -> Result<()> {
        if self.peek()? == Some(Token::Symbol(c)) {
            self.next().map(drop)
        } else {
            Err(self.expected(&format!("`{c}`")))
        }
    }

    fn string(&mut self) -> Result<String> {
        match self.peek()? {
            Some(Token::Text(text)) => self.next().map(|_| text),
            _ => Err(self.expected("a quoted name")),
        }
    }

    /// A name, bare or quoted.
    fn name(&mut self) -> Result<String> {
        match self.peek()? {
            Some(Token::Text(text) | Token::Word(text)) => self.next().map(|_| text),
            _ => Err(self.expected("a name")),
        }
    }

    fn value(&mut self) -> Result<ValueId> {
        match self.peek()? {
            Some(Token::Value(id)) => self.next().map(|_| ValueId(id)),
            _ => Err(self.expected("a value `%N`")),
        }
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Result<T> {
        if let Some(Token::Word(word)) = self.peek()?
            && let Ok(number) = word.parse()
        {
            return self.next().map(|_| number);
        }
        Err(self.expected(what))
    }

    fn level(&mut self) -> Result<Level> {
        if let Some(Token::Word(word)) = self.peek()?
            && let Some(level) = word
                .strip_prefix('L')
                .and_then(|digits| digits.parse().ok())
        {
            return self.next().map(|_| Level(level));
        }
        Err(self.expected("a level `L0` to `L255`"))
    }

    fn rotation(&mut self) -> Result<Rotation> {
        self.word("by")?;
        self.number("a rotation").map(Rotation)
    }

    /// `@L9` or `@L9*`, if it is there.
    fn state(&mut self) -> Result<Option<State>> {
        if self.peek()? != Some(Token::Symbol('@')) {
            return Ok(None);
        }
        self.next()?;
        if let Some(Token::Word(word)) = self.peek()? {
            let (level, product) = match word.strip_suffix('*') {
                Some(level) => (level, true),
                None => (word.as_str(), false),
            };
            if let Some(level) = level
                .strip_prefix('L')
                .and_then(|digits| digits.parse().ok())
            {
                return self.next().map(|_| {
                    Some(State {
                        level: Level(level),
                        product,
                    })
                });
            }
        }
        Err(self.expected("a state `L0` to `L255`, with a star for a product"))
    }

    /// Terms, none if no value follows.
    fn optional_terms<T>(&mut self, term: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        match self.peek()? {
            Some(Token::Value(_)) => self.terms(term),
            _ => Ok(Vec::new()),
        }
    }

    fn terms<T>(&mut self, mut term: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut terms = vec![term(self)?];
        while self.peek()? == Some(Token::Symbol(',')) {
            self.next()?;
            terms.push(term(self)?);
        }
        Ok(terms)
    }

    fn op(&mut self, names: &mut Names, table: &mut Vec<String>) -> Result<Op> {
        self.nested_op(names, table, 0)
    }

    fn nested_op(
        &mut self,
        names: &mut Names,
        table: &mut Vec<String>,
        depth: usize,
    ) -> Result<Op> {
        let Some(Token::Word(name)) = self.peek()? else {
            return Err(self.expected("the name of an operation"));
        };
        let mut constant = |line: &mut Self| {
            line.string()
                .map(|name| ConstId(names.constants.id(&name, table)))
        };
        let known = [
            "input",
            "add",
            "sub",
            "neg",
            "add_plain",
            "mul_plain",
            "add_scalar",
            "mul_scalar",
            "mul",
            "rotate",
            "conjugate",
            "dot_plain",
            "dot",
            "sum_rotated",
            "dot_affine",
            "sum_rotated_products",
            "rescaled",
            "rescale",
            "drop_to",
            "bootstrap",
        ];
        if !known.contains(&name.as_str()) {
            return Err(self.expected("the name of an operation"));
        }
        self.next()?;
        Ok(match name.as_str() {
            "input" => Op::Input(self.string()?),
            "add" => Op::Add(self.value()?, self.value()?),
            "sub" => Op::Sub(self.value()?, self.value()?),
            "neg" => Op::Neg(self.value()?),
            "add_plain" => Op::AddPlain(self.value()?, constant(self)?),
            "mul_plain" => Op::MulPlain(self.value()?, constant(self)?),
            "add_scalar" => Op::AddScalar(self.value()?, self.number("a number")?),
            "mul_scalar" => Op::MulScalar(self.value()?, self.number("a number")?),
            "mul" => Op::Mul(self.value()?, self.value()?),
            "rotate" => Op::Rotate(self.value()?, self.rotation()?),
            "conjugate" => Op::Conjugate(self.value()?),
            "dot_plain" => Op::DotPlain(self.terms(|line| Ok((line.value()?, constant(line)?)))?),
            "dot" => Op::Dot(self.terms(|line| Ok((line.value()?, line.value()?)))?),
            "sum_rotated" => {
                Op::SumRotated(self.terms(|line| Ok((line.value()?, line.rotation()?)))?)
            }
            "dot_affine" => {
                let products = self.optional_terms(|line| Ok((line.value()?, line.value()?)))?;
                self.word("plus")?;
                let linear =
                    self.optional_terms(|line| Ok((line.value()?, line.number("a number")?)))?;
                self.word("plus")?;
                Op::DotAffine {
                    products,
                    linear,
                    constant: self.number("a number")?,
                }
            }
            "sum_rotated_products" => {
                let mut giants = Vec::new();
                while giants.is_empty() || self.peek()? == Some(Token::Word("by".into())) {
                    let by = self.rotation()?;
                    self.word("of")?;
                    let terms =
                        self.terms(|line| Ok((line.value()?, line.rotation()?, constant(line)?)))?;
                    giants.push(GiantStep { by, terms });
                }
                Op::SumRotatedProducts(giants)
            }
            "rescaled" if depth == 0 => {
                self.word("to")?;
                let level = self.level()?;
                Op::Rescaled(Box::new(self.nested_op(names, table, 1)?), level)
            }
            "rescaled" => return Err(self.expected("an operation that is not rescaled yet")),
            "rescale" => Op::Rescale(self.value()?),
            "drop_to" => Op::DropTo(self.value()?, self.level()?),
            _ => Op::Bootstrap(self.value()?),
        })
    }

    fn end(&mut self) -> Result<()> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | '/' | ':' | '*')
}

fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn join<T>(terms: &[T], show: impl Fn(&T) -> String) -> String {
    terms.iter().map(show).collect::<Vec<_>>().join(", ")
}
